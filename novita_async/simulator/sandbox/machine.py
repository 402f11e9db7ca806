"""One simulated sandbox: its directories, its processes and what was asked of it."""

from __future__ import annotations

import asyncio
import os
import secrets
import signal
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from ...runtime.clock import uninterrupted
from .isolation import Isolation, Layout
from .paths import remove

if TYPE_CHECKING:
    from ...runtime.clock import Clock, TimerHandle
    from .process import Process

__all__ = ["Machine", "NewSandbox", "held"]

#: How long a process that has ended can still be connected to, in seconds (contract/sandbox.md 4).
REMEMBERED = 30.0
_CLOSE_SECONDS = 5.0


def held(clock: Clock) -> AbstractContextManager[Any]:
    """Keep a clock that jumps from jumping while a real process is waited for; a real clock has nothing to hold.

    A stream waits for its process as long as it is open, also for one that runs in the background: a test that wants
    time to pass meanwhile turns the clock by hand.
    """
    hold = getattr(clock, "hold", None)
    return hold() if hold is not None else nullcontext()


class NewSandbox(msgspec.Struct, kw_only=True):
    """Body of POST /sandboxes, as far as this simulator goes. Durations are seconds."""

    templateID: str
    timeout: int = 15
    metadata: dict[str, str] = {}
    envVars: dict[str, str] = {}
    secure: bool = False
    allow_internet_access: bool = True


class Machine:
    """A running sandbox.

    Attributes:
        started_at, ends_at: Unix seconds; `deadline` is the end on the monotonic clock.
        serial: grows with each sandbox; the order of lists.
        workdir, user: where and as whom commands run that say nothing of it; "" for the user's home.
        ended: it is gone, or going.
    """

    def __init__(self, wanted: NewSandbox, *, clock: Clock, base: Path, isolation: Isolation, serial: int) -> None:
        self.id = "i" + secrets.token_hex(10)[1:]
        self.client_id = secrets.token_hex(4)
        self.token = secrets.token_hex(32)
        self.wanted = wanted
        self.secure = wanted.secure
        self.workdir, self.user = "", "user"
        self.serial = serial
        self.clock = clock
        self.layout = Layout(base / self.id)
        self.tree = self.layout.tree
        self.started_at = clock.time()
        self.ends_at = self.started_at
        self.deadline = clock.monotonic()
        self.timer: TimerHandle | None = None
        self.ended = False
        self.interpreter = isolation.interpreter
        self._isolation = isolation
        self._processes: dict[int, Process] = {}
        self._starting = asyncio.Lock()

    def __repr__(self) -> str:
        state = "ended" if self.ended else f"{len(self.processes())} processes"
        return f"<Machine {self.id} {state}>"

    async def build(self) -> None:
        """Make its directories; an end that comes meanwhile waits."""
        async with self._starting:
            await self.clock.to_thread(self.layout.build)

    async def start(self, process: Process, *, seconds: float | None) -> None:
        """Start a process; it is killed after so many seconds. A caller that is cancelled leaves it running.

        Raises:
            OSError: the system refused, or the sandbox has ended.
            ValueError: an argument or a variable holds a NUL byte.
        """
        # asyncio cannot be relied on to clear up after a start that is cancelled in the middle.
        await uninterrupted(self._start(process, seconds))

    async def _start(self, process: Process, seconds: float | None) -> None:
        # One at a time, and none while the sandbox ends: a process is never started behind the end's back.
        async with self._starting:
            if self.ended:
                raise ProcessLookupError("the sandbox has ended")
            self._forget()
            await process.start(self._isolation, self.layout, self.id, seconds=seconds)
            self._processes[process.pid] = process

    def processes(self) -> list[Process]:
        """Those that run."""
        return [process for process in self._processes.values() if not process.finished.is_set()]

    def process(self, *, pid: int | None = None, tag: str | None = None) -> Process | None:
        """Find a process that runs or has ended a moment ago."""
        self._forget()
        if pid is not None:
            return self._processes.get(pid)
        tagged = [process for process in self._processes.values() if process.tag == tag and tag is not None]
        return min(tagged, key=lambda process: process.finished.is_set(), default=None)

    def _forget(self) -> None:
        long_ago = self.clock.monotonic() - REMEMBERED
        for pid, process in list(self._processes.items()):
            if process.finished.is_set() and process.ended_at < long_ago:
                del self._processes[pid]

    def kill(self) -> None:
        """End it: no process lives on, every stream breaks off. `aclose` then clears up."""
        self.ended = True
        if self.timer is not None:
            self.timer.cancel()
        for process in self.processes():
            process.abandon()

    async def aclose(self) -> None:
        """End it and remove its directories. Safe to call twice."""
        with held(self.clock):
            async with self._starting:
                self.kill()
            try:
                async with self.clock.timeout(_CLOSE_SECONDS):
                    for process in self.processes():
                        await process.finished.wait()
            except TimeoutError:
                pass  # stuck in the kernel: SIGKILL has been sent and that is all there is to do
            await self.clock.to_thread(self._clear)

    def _clear(self) -> None:
        if not self._isolation.bwrap:
            _sweep(self.id)
        parent = os.open(self.layout.base.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            remove(self.layout.base.name, parent, force=True)
        except FileNotFoundError:
            pass
        finally:
            os.close(parent)


def _sweep(sandbox_id: str) -> None:
    """Kill what left its command's process group and lives on: known by the variable every command starts with."""
    marker = b"NOVITA_SANDBOX_ID=" + sandbox_id.encode()
    again = hasattr(os, "pidfd_open") and Path("/proc/self/environ").exists()
    while again:  # one that is found may have started another meanwhile
        again = False
        for name in filter(str.isdigit, os.listdir("/proc")):
            try:
                pidfd = os.pidfd_open(int(name))
            except OSError:
                continue
            try:
                # The descriptor was taken first, so this cannot hit another process that got the same number.
                if marker in Path("/proc", name, "environ").read_bytes().split(b"\0"):
                    signal.pidfd_send_signal(pidfd, signal.SIGKILL)
                    again = True
            except OSError:
                continue
            finally:
                os.close(pidfd)
