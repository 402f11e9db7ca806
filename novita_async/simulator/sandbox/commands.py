"""The Process service of envd: start, watch, feed and signal commands (contract/sandbox.md 4, envd/process.proto)."""

from __future__ import annotations

import posixpath
from contextlib import aclosing
from typing import TYPE_CHECKING, Any

import msgspec

from ...errors import ConnectionLost
from .held import held
from .isolation import Command
from .paths import absolute
from .process import Config, End, Output, Process, Watch
from .pty import Size, Terminal
from .rpc import RpcError, Session, intake, stream, unary

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator

    from ..router import Router
    from .door import Door
    from .machine import Machine

__all__ = ["add_routes"]


class Pty(msgspec.Struct, frozen=True, kw_only=True):
    size: Size = Size()


class Start(msgspec.Struct, frozen=True, kw_only=True):
    process: Config = Config()
    pty: Pty | None = None
    tag: str | None = None
    stdin: bool = True  # an older client that does not know the field expects one


class Selector(msgspec.Struct, frozen=True, kw_only=True):
    pid: int | None = None
    tag: str | None = None


class Selected(msgspec.Struct, frozen=True, kw_only=True):
    process: Selector = Selector()


class Input(msgspec.Struct, frozen=True, kw_only=True):
    stdin: bytes | None = None
    pty: bytes | None = None


class Fed(msgspec.Struct, frozen=True, kw_only=True):
    input: Input = Input()


class SendInput(Selected, frozen=True, kw_only=True):
    input: Input = Input()


class StreamInput(msgspec.Struct, frozen=True, kw_only=True):
    start: Selected | None = None
    data: Fed | None = None


class Update(Selected, frozen=True, kw_only=True):
    pty: Pty | None = None


class SendSignal(Selected, frozen=True, kw_only=True):
    signal: str | int = 0


class Nothing(msgspec.Struct, frozen=True):
    pass


_SIGKILL = ("SIGNAL_SIGKILL", 9)
_SIGTERM = ("SIGNAL_SIGTERM", 15)


def add_routes(router: Router, door: Door) -> None:
    """Serve the Process service."""
    for name, endpoint in {
        "Start": stream(door, Start, start),
        "Connect": stream(door, Selected, connect),
        "List": unary(door, Nothing, list_),
        "SendInput": unary(door, SendInput, send_input),
        "SendSignal": unary(door, SendSignal, send_signal),
        "CloseStdin": unary(door, Selected, close_stdin),
        "StreamInput": intake(door, StreamInput, stream_input),
        "Update": unary(door, Update, update),
    }.items():
        router.add("POST", f"/process.Process/{name}", endpoint)


async def start(session: Session[Start]) -> AsyncGenerator[dict[str, Any], None]:
    machine, wanted = session.machine, session.message
    command = await _command(session)
    if wanted.pty is None:
        process = Process(wanted.process, command, clock=machine.clock, stdin=wanted.stdin, tag=wanted.tag)
    else:
        process = Terminal(wanted.process, command, wanted.pty.size, clock=machine.clock, tag=wanted.tag)
    with process.watch() as watch:
        try:
            with held(machine.clock):
                await machine.start(process, seconds=session.timeout)
        except ProcessLookupError as error:
            raise ConnectionLost("the sandbox ended") from error
        except (OSError, ValueError) as error:
            raise RpcError("invalid_argument", f"error starting process: {error}") from error
        async with aclosing(_follow(session, process, watch)) as events:
            async for event in events:
                yield event


async def connect(session: Session[Selected]) -> AsyncGenerator[dict[str, Any], None]:
    process = _find(session.machine, session.message.process)
    with process.watch() as watch:
        async with aclosing(_follow(session, process, watch)) as events:
            async for event in events:
                yield event


async def _follow(session: Session[Any], process: Process, watch: Watch) -> AsyncGenerator[dict[str, Any], None]:
    """Tell a process from now on: its start, its output, its end; and that the stream is alive in between."""
    clock = session.machine.clock
    deadline = None if session.timeout is None else clock.monotonic() + session.timeout
    yield {"event": {"start": {"pid": process.pid}}}
    while True:
        left = session.keepalive if deadline is None else min(session.keepalive, deadline - clock.monotonic())
        if left <= 0 and not isinstance(session.message, Start):
            # Said here because a stream that always has something to tell never waits. What Start began has been killed
            # by now, so its stream ends by itself, with the output of before.
            raise RpcError("deadline_exceeded", "the stream ran over its timeout")
        try:
            with held(clock):
                async with clock.timeout(left):
                    item = await watch.next()
        except TimeoutError:
            if deadline is not None and clock.monotonic() >= deadline:
                raise RpcError("deadline_exceeded", "the command ran over its timeout") from None
            yield {"event": {"keepalive": {}}}
            continue
        match item:
            case Output(name, data):
                yield {"event": {"data": {name: data}}}
            case End():
                if process.overdue and isinstance(session.message, Start):
                    raise RpcError("deadline_exceeded", "the command ran over its timeout")
                yield {"event": {"end": _end(item)}}
                return
            case None:
                raise ConnectionLost("the sandbox ended")


def _end(end: End) -> dict[str, Any]:
    # proto3 JSON leaves out zero values.
    told: dict[str, Any] = {"status": end.status}
    if end.code:
        told |= {"exitCode": end.code, "error": end.status}
    if end.exited:
        told["exited"] = True
    return told


async def _command(session: Session[Start]) -> Command:
    config, machine = session.message.process, session.machine
    if not config.cmd:
        raise RpcError("invalid_argument", "a command is missing")
    try:
        asked = absolute(posixpath.join(machine.workdir, config.cwd or ""), session.user.home)
    except ValueError as error:
        raise RpcError("invalid_argument", str(error)) from error
    cwd = await machine.clock.to_thread(lambda: machine.directory(asked))
    if not cwd:
        raise RpcError("invalid_argument", f"cwd {asked!r} does not exist")
    envs = {**machine.wanted.envVars, **config.envs}
    for name in envs:
        if not name or "=" in name:
            raise RpcError("invalid_argument", f"{name!r} cannot be the name of a variable")
    return Command(config.cmd, config.args, envs, cwd, session.user)


async def list_(session: Session[Nothing]) -> dict[str, Any]:
    running: list[dict[str, Any]] = []
    for process in session.machine.processes():
        if not process.config.cmd:
            continue  # a kernel, which is the code interpreter's
        told: dict[str, Any] = {"config": process.config, "pid": process.pid}
        running.append(told if process.tag is None else {**told, "tag": process.tag})
    return {"processes": running} if running else {}


async def send_input(session: Session[SendInput]) -> dict[str, Any]:
    await _feed(session.machine, _running(session.machine, session.message.process), session.message.input)
    return {}


async def stream_input(session: Session[AsyncIterator[StreamInput]]) -> dict[str, Any]:
    process: Process | None = None
    async for message in session.message:
        if message.start is not None:
            process = _running(session.machine, message.start.process)
        elif message.data is not None:
            if process is None:
                raise RpcError("invalid_argument", "the first message must say which process the input is for")
            await _feed(session.machine, process, message.data.input)
    return {}


async def _feed(machine: Machine, process: Process, given: Input) -> None:
    data = given.pty if isinstance(process, Terminal) else given.stdin
    if data is None:
        wrong = "stdin not assigned to process" if isinstance(process, Terminal) else "tty not assigned to process"
        raise RpcError("internal", wrong)
    try:
        with held(machine.clock):
            await process.write(data)
    except OSError as error:
        raise RpcError("internal", f"error writing input: {error}") from error


async def send_signal(session: Session[SendSignal]) -> dict[str, Any]:
    process = _running(session.machine, session.message.process)
    if session.message.signal in _SIGKILL:
        process.kill()
    elif session.message.signal in _SIGTERM:
        await process.terminate()
    else:
        raise RpcError("unimplemented", f"invalid signal: {session.message.signal}")
    return {}


async def close_stdin(session: Session[Selected]) -> dict[str, Any]:
    try:
        _running(session.machine, session.message.process).close_stdin()
    except OSError as error:
        raise RpcError("internal", f"error closing stdin: {error}") from error
    return {}


async def update(session: Session[Update]) -> dict[str, Any]:
    process = _running(session.machine, session.message.process)
    if not isinstance(process, Terminal):
        raise RpcError("internal", "tty not assigned to process")
    if session.message.pty is not None:
        process.resize(session.message.pty.size)
    return {}


def _find(machine: Machine, selector: Selector) -> Process:
    process = machine.process(pid=selector.pid, tag=selector.tag)
    if process is None:
        named = f"pid {selector.pid}" if selector.pid is not None else f"tag {selector.tag!r}"
        raise RpcError("not_found", f"process with {named} not found")
    return process


def _running(machine: Machine, selector: Selector) -> Process:
    process = _find(machine, selector)
    if process.finished.is_set():
        raise RpcError("not_found", f"process with pid {process.pid} not found")
    return process
