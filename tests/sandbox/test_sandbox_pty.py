"""Terminals: real ones in the simulator, and what happens when one breaks."""

from __future__ import annotations

import asyncio
import base64
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from fake_platform import alive, ended, finished, message, script, settled, started

from novita_async.errors import (
    APIError,
    BadRequest,
    ClientClosed,
    CommandTimeout,
    NotFound,
    SandboxEnded,
    SandboxUnreachable,
    ValidationError,
)
from novita_async.sandbox import PtyResult
from novita_async.wire.connect import ConnectDecoder

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from fake_platform import Platform

    from novita_async import AsyncNovita
    from novita_async.sandbox import Pty, Sandbox
    from novita_async.testing.clock import JumpClock

pytestmark = pytest.mark.filterwarnings("ignore::novita_async.simulator.sandbox.IsolationWarning")


@pytest.fixture
async def sandbox(novita: AsyncNovita) -> AsyncIterator[Sandbox]:
    async with novita.sandboxes.create(lifetime=3600) as sandbox:
        yield sandbox


async def until(terminal: Pty, wanted: bytes) -> bytes:
    seen = b""
    async with asyncio.timeout(20):
        while wanted not in seen:
            seen += await anext(terminal)
    return seen


async def rest(terminal: Pty) -> bytes:
    async with asyncio.timeout(20):
        return b"".join([data async for data in terminal])


# ----------------------------------------------------------------------------------------- in the simulator


async def test_a_shell_on_a_terminal_answers_what_is_typed(sandbox: Sandbox) -> None:
    envs = {"MINE": "4", "TERM": "dumb"}
    async with await sandbox.pty.create(cols=100, rows=30, envs=envs, cwd="/tmp") as terminal:
        await terminal.send("stty size; echo $MINE$((1+1)) $TERM ${PWD##*/}; exit 3\n")
        seen = await rest(terminal)
        assert b"30 100\r\n" in seen
        assert b"42 dumb tmp\r\n" in seen
        assert await terminal.wait() == PtyResult(3, "exit status 3")
        assert "ended 3" in repr(terminal)
        assert await terminal.kill() is False


async def test_a_new_size_is_told(sandbox: Sandbox) -> None:
    async with await sandbox.pty.create() as terminal:
        await terminal.resize(cols=132, rows=50)
        await terminal.send(b"stty size; exit\n")
        assert b"50 132\r\n" in await rest(terminal)


async def test_ctrl_c_goes_inside(sandbox: Sandbox) -> None:
    async with await sandbox.pty.create() as terminal:
        await terminal.send("sh -c 'echo r\"ea\"dy; exec sleep 300'\n")
        await until(terminal, b"ready\r\n")
        await terminal.send("\x03")
        await terminal.send("echo code $?\n")
        await until(terminal, b"code 130\r\n")
        await terminal.send("exit\n")
        assert await terminal.wait() == PtyResult(0)


async def test_a_terminal_runs_on_when_it_is_let_go_of_and_is_taken_up_by_its_pid(sandbox: Sandbox) -> None:
    async with await sandbox.pty.create() as terminal:
        await terminal.send('keep=sa""fe; echo re""ady\n')
        await until(terminal, b"ready\r\n")
    with pytest.raises(ClientClosed):
        await anext(terminal)
    assert [process.pid for process in await sandbox.commands.list()] == [terminal.pid]
    async with await sandbox.pty.connect(terminal.pid) as again:
        assert again.pid == terminal.pid
        await again.send("echo $keep; exit\n")
        assert b"safe\r\n" in await rest(again)
    with pytest.raises(NotFound):
        await again.send("x")


async def test_a_killed_shell_tells_the_signal(sandbox: Sandbox) -> None:
    async with await sandbox.pty.create() as terminal:
        assert await terminal.kill() is True
        assert await terminal.wait() == PtyResult(-1, "signal: killed")


async def test_what_cannot_be_started_is_refused(sandbox: Sandbox) -> None:
    with pytest.raises(BadRequest):
        await sandbox.pty.create(cwd="/nope")
    with pytest.raises(NotFound):
        await sandbox.pty.connect(4_000_000)


# --------------------------------------------------------------------------------------- on a played platform


def wrote(data: bytes) -> bytes:
    return message(data={"pty": base64.b64encode(data).decode()})


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ({"cols": 0}, "cols must be a whole number"),
        ({"rows": 70_000}, "rows must be a whole number"),
        ({"cols": True, "rows": "24"}, "rows must be"),
        ({"envs": {"A=B": "1"}}, "name of a variable"),
        ({"cwd": ""}, "cwd is empty"),
        ({"user": "a:b"}, "user must be"),
        ({"timeout": -1}, "timeout"),
    ],
)
async def test_bad_arguments_are_refused_before_a_byte_leaves(
    client: AsyncNovita, platform: Platform, arguments: dict[str, Any], complaint: str
) -> None:
    async with client.sandboxes.create() as sandbox:
        sent = len(platform.requests)
        with pytest.raises(ValidationError, match=complaint):
            await sandbox.pty.create(**arguments)
        with pytest.raises(ValidationError, match="pid"):
            await sandbox.pty.connect(0)
        assert len(platform.requests) == sent


async def test_what_is_sent_is_what_the_contract_says(client: AsyncNovita, platform: Platform) -> None:
    platform.start = script(started(), wrote(b"\xc3"), alive(), wrote(b"\xa9"), ended(), finished())
    async with client.sandboxes.create() as sandbox, await sandbox.pty.create(user="root", timeout=2.5) as terminal:
        assert [data async for data in terminal] == [b"\xc3", b"\xa9"]
    (request,) = platform.sent("POST", "/process.Process/Start")
    assert isinstance(request.body, bytes)
    sent = msgspec.json.decode(ConnectDecoder().feed(request.body)[0].payload)
    assert sent == {
        "process": {
            "cmd": "/bin/bash",
            "args": ["-i", "-l"],
            "envs": {"TERM": "xterm-256color", "LANG": "C.UTF-8", "LC_ALL": "C.UTF-8"},
        },
        "pty": {"size": {"cols": 80, "rows": 24}},
    }
    assert request.headers["connect-timeout-ms"] == "2500"
    assert base64.b64decode(request.headers["authorization"].removeprefix("Basic ")) == b"root:"


async def test_a_dead_peer_is_noticed_within_forty_seconds(
    client: AsyncNovita, platform: Platform, clock: JumpClock
) -> None:
    platform.start = script(started(), wrote(b"x"), asyncio.Event().wait)
    async with client.sandboxes.create() as sandbox, await sandbox.pty.create() as terminal:
        assert await anext(terminal) == b"x"
        began = clock.monotonic()
        with pytest.raises(SandboxUnreachable):
            await anext(terminal)
        assert clock.monotonic() - began == pytest.approx(40)
        assert platform.status_reads == 1
        assert "lost" in repr(terminal)


async def test_a_sandbox_that_is_gone_is_called_so(client: AsyncNovita, platform: Platform) -> None:
    platform.start = script(started())
    async with client.sandboxes.create() as sandbox, await sandbox.pty.create() as terminal:
        platform.state = None
        for _ in range(2):
            with pytest.raises(SandboxEnded):
                await anext(terminal)
        assert platform.status_reads == 1


async def test_a_shell_over_its_time_is_a_timeout_said_there_or_here(
    client: AsyncNovita, platform: Platform, clock: JumpClock
) -> None:
    async with client.sandboxes.create() as sandbox:
        platform.start = script(started(), finished("deadline_exceeded", "over"))
        async with await sandbox.pty.create(timeout=30) as terminal:
            with pytest.raises(CommandTimeout):
                await terminal.wait()
        platform.start = script(started(), asyncio.Event().wait)
        async with await sandbox.pty.create(timeout=30) as terminal:
            began = clock.monotonic()
            with pytest.raises(CommandTimeout):
                await terminal.wait()
            assert clock.monotonic() - began == pytest.approx(32)


async def test_an_error_of_envd_is_told_as_it_is(client: AsyncNovita, platform: Platform) -> None:
    platform.start = script(started(), finished("internal", "broken"))
    async with client.sandboxes.create() as sandbox, await sandbox.pty.create() as terminal:
        with pytest.raises(APIError, match="broken"):
            await terminal.wait()


async def test_only_one_task_reads(client: AsyncNovita, platform: Platform) -> None:
    platform.start = script(started(), asyncio.Event().wait)
    async with client.sandboxes.create() as sandbox, await sandbox.pty.create() as terminal:
        reading = asyncio.ensure_future(anext(terminal))
        await settled()
        with pytest.raises(ValidationError, match="another task"):
            await anext(terminal)
        reading.cancel()
        await asyncio.wait([reading])


async def test_a_cancelled_create_leaves_no_shell(client: AsyncNovita, platform: Platform) -> None:
    reached = asyncio.Event()

    async def hold() -> None:
        reached.set()
        for _ in range(20):
            await asyncio.sleep(0)

    platform.start = script(hold, started(9), asyncio.Event().wait)
    async with client.sandboxes.create() as sandbox:
        creating = asyncio.ensure_future(sandbox.pty.create())
        await reached.wait()
        creating.cancel()
        with pytest.raises(asyncio.CancelledError):
            await creating
        (kill,) = platform.sent("POST", "/process.Process/SendSignal")
        assert isinstance(kill.body, bytes)
        assert msgspec.json.decode(kill.body) == {"process": {"pid": 9}, "signal": "SIGNAL_SIGKILL"}
