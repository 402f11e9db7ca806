"""Every block of code in README.md and docs/ runs as it stands, but for a port, and so does every program in examples/.

A block that calls `asyncio.run` is a program: it runs in a process of its own, with the environment of a simulator.
One that defines tests is run by pytest. Any other one runs here, inside an async function that has `novita`, a client,
and `simulator`, which it talks to.
"""

from __future__ import annotations

import ast
import asyncio
import inspect
import itertools
import os
import pathlib
import re
import shlex
import socket
import sys
from typing import TYPE_CHECKING

import pytest

from novita_async import AsyncNovita, Simulator
from novita_async.cli.account import hoisted
from novita_async.cli.app import build
from novita_async.cli.process import Stop

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = pathlib.Path(__file__).parent.parent.parent
PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").glob("*.md"))]
EXAMPLES = sorted((ROOT / "examples").glob("*.py"))

PORT = "8123"  # that a page listens on; here another might

_FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks(language: str) -> Iterator[pytest.ParameterSet]:
    for page in PAGES:
        text = page.read_text("utf-8")
        for match in _FENCE.finditer(text):
            if match[1] == language:
                line = text.count("\n", 0, match.start()) + 2
                yield pytest.param(match[2], id=f"{page.name}:{line}")


def kind(code: str) -> str:
    return (
        "program"
        if "asyncio.run(" in code
        else "tests"
        if re.search(r"^async def test_", code, re.MULTILINE)
        else "body"
    )


PYTHON = list(blocks("python"))
BODIES = [block for block in PYTHON if kind(str(block.values[0])) == "body"]
PROGRAMS = [block for block in PYTHON if kind(str(block.values[0])) == "program"]
TESTS = [block for block in PYTHON if kind(str(block.values[0])) == "tests"]
SHELL = list(blocks("sh"))


async def run_python(*args: str, directory: pathlib.Path, environment: dict[str, str]) -> str:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-W", "error", *args),
        cwd=directory,
        env={**os.environ, **environment},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await process.communicate()
    assert process.returncode == 0, output.decode()
    return output.decode()


def test_all_pages_are_read() -> None:
    assert len(BODIES) > 12
    assert len(PROGRAMS) > 6
    assert len(TESTS) > 2
    assert SHELL
    for page in PAGES:
        languages = {match[1] for match in _FENCE.finditer(page.read_text("utf-8"))}
        assert languages <= {"python", "sh", "toml", ""}, f"{page.name} has blocks that nothing here runs"


@pytest.mark.blocks
@pytest.mark.parametrize("code", BODIES)
async def test_a_block_runs(
    code: str,
    novita: AsyncNovita,
    novita_simulator: Simulator,
    tmp_path: pathlib.Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    names = {"novita": novita, "simulator": novita_simulator}
    compiled = compile(code, "<block>", "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    running = eval(compiled, names)
    if inspect.iscoroutine(running):
        await running


@pytest.mark.parametrize("code", [*PROGRAMS, *(pytest.param(path.read_text(), id=path.name) for path in EXAMPLES)])
async def test_a_program_runs(code: str, tmp_path: pathlib.Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        code = code.replace(PORT, str(free.getsockname()[1]))
    (tmp_path / "program.py").write_text(code, "utf-8")
    quick = Simulator(task_seconds=0.3, gpu_step_seconds=0.05)
    async with quick as simulator, simulator.serve() as served:
        await run_python("program.py", directory=tmp_path, environment=served.environment)


@pytest.mark.parametrize("code", TESTS)
async def test_a_block_of_tests_passes(code: str, tmp_path: pathlib.Path) -> None:
    (tmp_path / "test_block.py").write_text(code, "utf-8")
    options = ("-q", "-p", "no:cacheprovider", "-o", "asyncio_default_fixture_loop_scope=function")
    output = await run_python("-m", "pytest", *options, directory=tmp_path, environment={})
    assert " passed" in output


@pytest.mark.parametrize("code", SHELL)
def test_the_commands_of_a_shell_block_exist(code: str) -> None:
    app = build(Stop(), {*code.split()})
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for line in code.splitlines():
        words = shlex.split(line, comments=True)
        if words[:1] == ["make"]:
            assert words[1] in targets
        if not words or not words[0].endswith("novita-async"):
            continue
        arguments = list(itertools.takewhile(lambda word: word not in (">", "<", "&", "|"), words[1:]))
        app.parse_args(hoisted(app, arguments), exit_on_error=False, print_error=False)


def test_the_links_between_pages_lead_somewhere() -> None:
    for page in PAGES:
        for target in re.findall(r"\]\(([^)#]+)\)", page.read_text("utf-8")):
            assert target.startswith("https://") or (page.parent / target).exists(), f"{page.name} links to {target}"
