"""What E2B's own client is made to do: `python e2b_flows.py NAME`, its server named by the environment.

A program of its own, because its connections are of another language's making and outlive what opened them.
"""

from __future__ import annotations

import asyncio
import inspect
import os
import sys

import e2b
import e2b_code_interpreter
import httpx
import pytest


async def life() -> None:
    sandbox = await e2b.AsyncSandbox.create(timeout=60, envs={"A": "1"}, metadata={"a b": "c&d"})
    assert await sandbox.is_running()
    await sandbox.set_timeout(120)
    info = await sandbox.get_info()
    assert (info.metadata, info.state.value, info.name) == ({"a b": "c&d"}, "running", "base")
    assert 110 < (info.end_at - info.started_at).total_seconds() < 130
    other = await e2b.AsyncSandbox.create(timeout=60)
    query = e2b.SandboxQuery(metadata={"a b": "c&d"})
    assert [one.sandbox_id for one in await e2b.AsyncSandbox.list(query=query).next_items()] == [sandbox.sandbox_id]
    pages = e2b.AsyncSandbox.list(limit=1)
    found: list[str] = []
    while pages.has_next:
        found += [one.sandbox_id for one in await pages.next_items()]
    assert found == [other.sandbox_id, sandbox.sandbox_id]
    await other.kill()
    await sandbox.commands.run("true")
    assert [sample.mem_total for sample in await sandbox.get_metrics()] == [2**30]
    again = await e2b.AsyncSandbox.connect(sandbox.sandbox_id)
    assert (await again.commands.run("echo $A")).stdout == "1\n"
    assert await sandbox.kill() is True
    assert await sandbox.kill() is False
    assert await sandbox.is_running() is False
    with pytest.raises(e2b.SandboxException):
        await sandbox.commands.run("true")
    with pytest.raises(e2b.NotFoundException):
        await e2b.AsyncSandbox.connect(sandbox.sandbox_id)


async def commands() -> None:
    sandbox = await e2b.AsyncSandbox.create(timeout=60)
    seen: list[str] = []
    done = await sandbox.commands.run(
        "echo $B \u2713; echo err >&2; pwd", envs={"B": "2"}, cwd="/tmp", on_stdout=seen.append
    )
    assert (done.stdout, done.stderr, done.exit_code) == ("2 \u2713\n/tmp\n", "err\n", 0)
    assert "".join(seen) == done.stdout
    with pytest.raises(e2b.CommandExitException) as failed:
        await sandbox.commands.run("echo out; exit 3")
    assert (failed.value.exit_code, failed.value.stdout) == (3, "out\n")
    with pytest.raises(e2b.TimeoutException):
        await sandbox.commands.run("sleep 60", timeout=0.3)
    handle = await sandbox.commands.run("read line; echo got $line", background=True, stdin=True)
    assert handle.pid in [process.pid for process in await sandbox.commands.list()]
    await sandbox.commands.send_stdin(handle.pid, "hi\n")
    assert (await handle.wait()).stdout == "got hi\n"
    handle = await sandbox.commands.run("sleep 60", background=True)
    assert await handle.kill() is True
    with pytest.raises(e2b.CommandExitException):
        await handle.wait()
    assert await sandbox.commands.kill(handle.pid) is False
    out = bytearray()
    terminal = await sandbox.pty.create(e2b.PtySize(rows=24, cols=80), on_data=out.extend)
    await sandbox.pty.send_stdin(terminal.pid, b"stty size; exit\n")
    assert (await terminal.wait()).exit_code == 0
    assert b"24 80\r\n" in out
    await sandbox.kill()


async def files() -> None:
    sandbox = await e2b.AsyncSandbox.create(timeout=60)
    files = sandbox.files
    written = await files.write("notes/a.txt", "h\u00e9llo")
    assert (written.name, written.path) == ("a.txt", "/home/user/notes/a.txt")
    assert await files.read("notes/a.txt") == "h\u00e9llo"
    both = await files.write_files([{"path": "x", "data": b"1" * 200_000}, {"path": "/tmp/y", "data": b""}])
    assert [entry.path for entry in both] == ["/home/user/x", "/tmp/y"]
    assert bytes(await files.read("x", format="bytes")) == b"1" * 200_000
    assert b"".join([chunk async for chunk in await files.read("x", format="stream")]) == b"1" * 200_000
    assert [entry.name for entry in await files.list("", depth=2)] == ["notes", "a.txt", "x"]
    assert (await files.rename("x", "z")).path == "/home/user/z"
    assert await files.make_dir("d/e") is True
    assert await files.make_dir("d/e") is False
    assert (await files.get_info("z")).size == 200_000
    await files.remove("z")
    assert await files.exists("z") is False
    with pytest.raises(e2b.NotFoundException):
        await files.read("z")
    changed: list[tuple[str, str]] = []
    came = asyncio.Event()

    def take(event: e2b.FilesystemEvent) -> None:
        changed.append((event.name, event.type.value))
        came.set()

    watch = await files.watch_dir("d", on_event=take)
    await files.write("d/new", "1")
    await asyncio.wait_for(came.wait(), 20)
    assert changed[0] == ("new", "create")
    await watch.stop()
    async with httpx.AsyncClient() as browser:
        url = sandbox.upload_url("from browser.txt", use_signature_expiration=60)
        assert (await browser.post(url, files={"file": b"signed"})).status_code == 200
        assert (await browser.get(sandbox.download_url("from browser.txt"))).text == "signed"
    await sandbox.kill()


async def sleep() -> None:
    sandbox = await e2b.AsyncSandbox.create(timeout=60, lifecycle={"on_timeout": "pause"})
    await sandbox.commands.run("echo kept > a; sleep 1000 &")
    assert await sandbox.pause() is True
    assert (await sandbox.get_info()).state.value == "paused"
    assert await sandbox.is_running() is False
    again = await e2b.AsyncSandbox.connect(sandbox.sandbox_id, timeout=60)
    assert (await again.get_info()).state.value == "running"
    assert await again.files.read("a") == "kept\n"
    assert (await again.commands.run("pgrep -c sleep")).stdout == "1\n"
    snapshot = await again.create_snapshot()
    await again.files.write("a", "changed")
    restored = await e2b.AsyncSandbox.create(snapshot.snapshot_id, timeout=60)
    assert await restored.files.read("a") == "kept\n"
    await restored.kill()
    assert await e2b.AsyncSandbox.delete_snapshot(snapshot.snapshot_id) is True
    assert await e2b.AsyncSandbox.kill(sandbox.sandbox_id) is True


async def code() -> None:
    sandbox = await e2b_code_interpreter.AsyncSandbox.create(timeout=60, envs={"TEST": "mine"})
    results: list[e2b_code_interpreter.Result] = []
    execution = await sandbox.run_code("import os\nprint('out')\nx = 20 + 1\nx * 2", on_result=results.append)
    assert (execution.text, "".join(execution.logs.stdout), len(results)) == ("42", "out\n", 1)
    assert (await sandbox.run_code("x, os.environ['TEST']")).text == "(21, 'mine')"
    assert (await sandbox.run_code("nope")).error.name == "NameError"
    context = await sandbox.create_code_context(cwd="/tmp")
    assert (await sandbox.run_code("import os; os.getcwd()", context=context)).text == "/tmp"
    assert (await sandbox.run_code("echo $TEST", language="bash")).logs.stdout == ["mine\n"]
    with pytest.raises(e2b.TimeoutException):
        await sandbox.run_code("import time; time.sleep(60)", timeout=0.5)
    await sandbox.kill()


def at_once() -> None:
    """The clients that do not use asyncio."""
    with e2b.Sandbox.create(timeout=60, envs={"A": "1"}) as sandbox:
        assert sandbox.commands.run("echo $A").stdout == "1\n"
        sandbox.files.write("a", "text")
        assert sandbox.files.read("a") == "text"
        assert [entry.name for entry in sandbox.files.list(".")] == ["a"]
        assert [one.sandbox_id for one in e2b.Sandbox.list().next_items()] == [sandbox.sandbox_id]
        sandbox.set_timeout(30)
        sandbox.pause()
        assert e2b.Sandbox.connect(sandbox.sandbox_id).files.read("a") == "text"
    with e2b_code_interpreter.Sandbox.create(timeout=60) as interpreter:
        assert interpreter.run_code("x = 1; x").text == "1"
    assert e2b.Sandbox.list().next_items() == []


if __name__ == "__main__":
    flow = globals()[sys.argv[1]]
    asyncio.run(flow()) if inspect.iscoroutinefunction(flow) else flow()
    os._exit(0)  # at the interpreter's end the threads of its connections sometimes abort the process
