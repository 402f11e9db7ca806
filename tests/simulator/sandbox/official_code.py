"""What the platform's own client of the code interpreter is made to do: `python official_code.py NAME`.

It finds every other part of its server in the environment, and the code interpreter only with help, because its address
cannot be set (contract/sandbox.md 2, B); no help is needed where its server has a domain (E).
"""

from __future__ import annotations

import asyncio
import inspect
import os
import shutil
import sys

import novita_sandbox.code_interpreter as official
import pytest


class AsyncSandbox(official.AsyncSandbox):
    @property
    def _jupyter_url(self) -> str:
        return os.environ.get("NOVITA_SANDBOX_URL") or super()._jupyter_url


class Sandbox(official.Sandbox):
    @property
    def _jupyter_url(self) -> str:
        return os.environ.get("NOVITA_SANDBOX_URL") or super()._jupyter_url


async def together() -> None:
    sandbox = await AsyncSandbox.create(timeout=60, envs={"TEST": "supertest"})
    results: list[official.Result] = []
    execution = await sandbox.run_code("x = 1; x", on_result=results.append)
    assert (execution.text, execution.execution_count, len(results)) == ("1", 1, 1)
    assert (await sandbox.run_code("x += 1; x")).text == "2"
    lines: list[official.OutputMessage] = []
    execution = await sandbox.run_code("import sys; print(1); print(2, file=sys.stderr)", on_stdout=lines.append)
    # What print() writes may come in two pieces.
    assert ("".join(execution.logs.stdout), "".join(execution.logs.stderr)) == ("1\n", "2\n")
    assert [message.line for message in lines] == execution.logs.stdout
    execution = await sandbox.run_code("xyz")
    assert execution.error.name == "NameError"
    execution = await sandbox.run_code("display({'text/latex': r'\\text{CustomReprObject}'}, raw=True)")
    assert execution.results[0].formats() == ["latex"]
    assert "".join((await sandbox.run_code("!pwd")).logs.stdout).strip().endswith("/home/user")
    assert (await sandbox.run_code("import os; os.getenv('TEST')", envs={"TEST": "overwrite"})).text == "overwrite"
    assert (await sandbox.run_code("os.getenv('TEST')")).text == "supertest"

    context = await sandbox.create_code_context(cwd="/tmp")
    assert context.id in [known.id for known in await sandbox.list_code_contexts()]
    execution = await sandbox.run_code("x", context=context)
    assert execution.error.value == "name 'x' is not defined"
    await sandbox.run_code("x = 5", context=context)
    await sandbox.restart_code_context(context)
    assert (await sandbox.run_code("x", context=context)).error.value == "name 'x' is not defined"
    await sandbox.remove_code_context(context)
    assert context.id not in [known.id for known in await sandbox.list_code_contexts()]
    with pytest.raises(official.NotFoundException):
        await sandbox.run_code("x", context=context)

    assert (await sandbox.run_code("echo $TEST", language="bash")).logs.stdout == ["supertest\n"]
    if shutil.which("node"):
        assert (await sandbox.run_code("console.log('hello')", language="js")).logs.stdout == ["hello\n"]
        assert (await sandbox.run_code("process.env.TEST", language="javascript")).text == "supertest"
    with pytest.raises(official.SandboxException):
        await sandbox.run_code("1", language="r")
    with pytest.raises(official.TimeoutException):
        await sandbox.run_code("import time; time.sleep(60)", timeout=0.3)
    assert (await sandbox.run_code("x")).text == "2"
    again = await AsyncSandbox.connect(sandbox.sandbox_id)
    assert (await again.run_code("x")).text == "2"
    await sandbox.kill()
    with pytest.raises(official.TimeoutException):  # so it calls a sandbox that is gone
        await sandbox.run_code("x")


def at_once() -> None:
    """The client that does not use asyncio."""
    with Sandbox.create(timeout=60) as sandbox:
        assert sandbox.run_code("x = 1; x").text == "1"
        assert sandbox.run_code("echo 'Hello!'", language="bash").logs.stdout == ["Hello!\n"]
        context = sandbox.create_code_context(language="bash")
        assert sandbox.run_code("echo ${x:-gone}", context=context).logs.stdout == ["gone\n"]


if __name__ == "__main__":
    flow = globals()[sys.argv[1]]
    asyncio.run(flow()) if inspect.iscoroutinefunction(flow) else flow()
