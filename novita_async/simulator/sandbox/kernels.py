"""Kernels: processes of a sandbox that run cells of code, one after the other (contract/sandbox.md 7)."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from ...errors import ConnectionLost
from ...runtime.clock import uninterrupted
from .held import held
from .isolation import USERS, Command
from .process import Config, End, Output, Process

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from .interpreter import Interpreter
    from .machine import Machine
    from .process import Watch

__all__ = ["Cell", "Kernel", "KernelError"]

KEEPALIVE_SECONDS = 5.0
START_SECONDS = 60.0
_DRIVERS = Path(__file__).parent / "drivers"


class KernelError(Exception):
    """A kernel could not be started."""


class Cell(msgspec.Struct, frozen=True, kw_only=True):
    """What is to run: `envs` hold for it alone."""

    code: str
    language: str
    envs: dict[str, str] | None = None


class Kernel:
    """A process that runs cells of one language and keeps what they define.

    It is started when it is first needed, and again after its end. A cell whose reader goes away is interrupted.

    Args:
        machine: the sandbox it is in.
        language: python, bash or javascript.
        cwd: absolute path in the sandbox.
    """

    def __init__(self, machine: Machine, language: str, cwd: str) -> None:
        self._machine = machine
        self._language = language
        self._cwd = cwd
        self._process: Process | None = None
        self._turn = asyncio.Lock()
        self._starting = asyncio.Lock()
        self._cells = 0
        self._restarted: set[Process] = set()

    async def start(self) -> Process:
        """Start it, unless it runs.

        Raises:
            KernelError: it does not start.
            ProcessLookupError: the sandbox has ended.
        """
        async with self._starting:
            process = self._process
            if process is None or process.finished.is_set():
                process = self._process = await self._launch()
            return process

    async def _launch(self) -> Process:
        machine, clock = self._machine, self._machine.clock
        interpreter = machine.interpreter
        envs = {**machine.wanted.envVars, **interpreter.envs}
        args = await clock.to_thread(lambda: _arguments(self._language, interpreter))
        command = Command(interpreter.python, args, envs, self._cwd, USERS["user"])
        # Without a configuration of its own: envd did not start it, and does not list it.
        process = Process(Config(), command, clock=clock, stdin=True, tag=None)
        ready = False
        with process.watch() as watch, held(clock):
            try:
                await machine.start(process, seconds=None)
                async with clock.timeout(START_SECONDS):
                    ready = await _is_ready(watch)
            except ProcessLookupError:
                raise
            except (OSError, ValueError, TimeoutError) as error:
                raise KernelError(str(error) or "it took too long") from error
            finally:
                if not ready and process.pid:
                    process.kill()
        if not ready:
            raise KernelError(f"the {self._language} kernel ended before it was ready")
        return process

    async def restart(self) -> None:
        """End its process, what has been defined, and the cell that runs. Raises what `start` raises."""
        if self._process is not None:
            self._restarted.add(self._process)
        await self.end()
        await self.start()

    async def end(self) -> None:
        """End its process."""
        if self._process is not None:
            self._process.kill()
            with held(self._machine.clock):
                await self._process.finished.wait()

    async def run(self, cell: Cell) -> AsyncGenerator[dict[str, Any], None]:
        """Run a cell when its turn has come, and yield the events of the API: `end_of_execution` is the last one.

        Raises:
            ConnectionLost: the sandbox ended.
        """
        while not await self._take_turn():
            yield {"type": "keepalive"}
        try:
            try:
                process = await self.start()
            except KernelError as error:
                yield _failure("UnexpectedEndOfExecution", f"the kernel could not be started: {error}")
                yield {"type": "end_of_execution"}
                return
            except ProcessLookupError as error:
                raise ConnectionLost("the sandbox ended") from error
            self._cells += 1
            number, over = self._cells, False
            # A watch for each cell: what one that was given up still writes is read by nobody and holds up nothing.
            with process.watch() as watch:
                try:
                    await _tell(process, {"id": number, **msgspec.to_builtins(cell)})
                    lines = _Lines(number)
                    while not over:
                        for event in await self._next(process, watch, lines):
                            over = event["type"] == "end_of_execution"
                            yield event
                finally:
                    if not over:
                        await uninterrupted(_tell(process, {"interrupt": number}))
        finally:
            self._turn.release()

    async def _take_turn(self) -> bool:
        try:
            async with self._machine.clock.timeout(KEEPALIVE_SECONDS):
                await self._turn.acquire()
        except TimeoutError:
            return False
        return True

    async def _next(self, process: Process, watch: Watch, lines: _Lines) -> list[dict[str, Any]]:
        clock = self._machine.clock
        try:
            with held(clock):
                async with clock.timeout(KEEPALIVE_SECONDS):
                    item = await watch.next()
        except TimeoutError:
            return [{"type": "keepalive"}]
        match item:
            case Output("stdout", data):
                return lines.feed(data)
            case Output():
                return []  # what a driver has to complain about
            case End() if process in self._restarted:
                self._restarted.discard(process)
                failure = _failure("ContextRestarting", "the context was restarted while this code ran")
            case End():
                failure = _failure("UnexpectedEndOfExecution", "the kernel ended while this code ran")
            case None:
                raise ConnectionLost("the sandbox ended")
        return [failure, {"type": "end_of_execution"}]


class _Lines:
    """The lines that a driver writes, and of them the events of one cell."""

    def __init__(self, number: int) -> None:
        self._number = number
        self._rest = b""

    def feed(self, data: bytes) -> list[dict[str, Any]]:
        *lines, self._rest = (self._rest + data).split(b"\n")
        return [event for line in lines if (event := self._event(line)) is not None]

    def _event(self, line: bytes) -> dict[str, Any] | None:
        try:
            told = msgspec.json.decode(line, type=dict[str, Any])
        except msgspec.DecodeError:
            return None  # the second half of a line whose beginning came before there was a watch
        return told["event"] if told.get("id") == self._number else None


async def _is_ready(watch: Watch) -> bool:
    """Wait for a driver's first word; tell whether it came."""
    said = b""
    while isinstance(item := await watch.next(), Output):
        if item.name == "stdout":
            said += item.data
            if b"\n" in said:
                return True
    return False


async def _tell(process: Process, line: dict[str, Any]) -> None:
    with suppress(OSError):  # it has ended, which whoever watches it will see
        await process.write(msgspec.json.encode(line) + b"\n")


def _failure(name: str, value: str) -> dict[str, Any]:
    return {"type": "error", "name": name, "value": value, "traceback": ""}


def _arguments(language: str, interpreter: Interpreter) -> list[str]:
    """The arguments of the interpreter that drives a language. Blocks."""
    isolated = ["-I", "-c"]
    if language == "python":
        return [*isolated, (_DRIVERS / "ipython.py").read_text(), "driver", interpreter.packages]
    program = [(_DRIVERS / "node.js").read_text(), interpreter.node] if language == "javascript" else []
    return [*isolated, (_DRIVERS / "shell.py").read_text(), language, *program]
