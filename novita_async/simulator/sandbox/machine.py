"""One simulated sandbox: its directories, its processes and what was asked of it."""

from __future__ import annotations

import asyncio
import os
import secrets
import signal
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import msgspec

from ...runtime.clock import uninterrupted
from .certificates import BUNDLE
from .certificates import ENVS as CERTIFICATES
from .copying import copy_tree
from .egress import ENVS, PORT, Border, Egress
from .held import held
from .isolation import MARK, Layout
from .namespace import Namespace
from .paths import is_system, remove_directory
from .ports import connect_outside, listens
from .resources import Meter, are_stopped, end_all, marked, some_processors, sweep

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from pathlib import Path

    from ...runtime.clock import Clock
    from .isolation import Isolation
    from .process import Process
    from .resources import Used
    from .watch import Watcher

__all__ = ["Machine", "NewSandbox"]

#: How long a process that has ended can still be connected to, in seconds (contract/sandbox.md 4).
REMEMBERED = 30.0
_CLOSE_SECONDS = 5.0


class NewSandbox(msgspec.Struct, kw_only=True):
    """Body of POST /sandboxes, as far as this simulator goes. Durations are seconds."""

    templateID: str
    timeout: int = 15
    metadata: dict[str, str] = {}
    envVars: dict[str, str] = {}
    secure: bool = False
    allow_internet_access: bool = True


class Machine:
    """The computer of a sandbox: a tree of files, and processes in namespaces of their own or, without them, plain.

    Args:
        tree: a directory whose copy becomes its tree; None for an empty one.

    Attributes:
        isolation: what keeps its processes away from this machine, or why nothing does.
        serial: grows with each sandbox; the order of lists.
        workdir, user: where and as whom commands run that say nothing of it; "" for the user's home.
        memory_mb: what each process that starts from now on may have.
        processors: of this machine, for its processes; none stands for all.
        on_start: called with every process that has started, before it can have told anything.
        border: what may leave it by its network.
        watchers: what its open streams of file changes stand on.
        paused: its processes are stopped, and none is started.
        ended: it is gone, or going.
    """

    def __init__(
        self,
        wanted: NewSandbox,
        *,
        clock: Clock,
        base: Path,
        isolation: Isolation,
        serial: int,
        memory_mb: int,
        cpu_count: int,
        tree: Path | None = None,
    ) -> None:
        self.id = "i" + secrets.token_hex(10)[1:]
        self.client_id = secrets.token_hex(4)
        self.token = secrets.token_hex(32)
        self.wanted = wanted
        self.secure = wanted.secure
        self.workdir, self.user = "", "user"
        self.memory_mb = memory_mb
        # Programs begin a thread for each that they see, and a thread takes memory.
        self.processors = some_processors(cpu_count)
        self.serial = serial
        self.clock = clock
        self.isolation = isolation
        self.interpreter = isolation.interpreter
        self.layout = Layout(base / self.id)
        self.tree = self.layout.tree
        self.on_start: Callable[[Process], object] | None = None
        self.border = Border()
        self.watchers: set[Watcher] = set()
        self.paused = False
        self.ended = False
        self._source = tree
        self._namespace: Namespace | None = None
        self._egress: Egress | None = None
        self._opening = asyncio.Lock()
        self._meter = Meter(self.tree.root)
        self._marker = f"{MARK}={self.id}"
        self._processes: dict[int, Process] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def __repr__(self) -> str:
        state = "ended" if self.ended else f"{len(self.processes())} processes"
        return f"<Machine {self.id} {state}>"

    async def build(self) -> None:
        """Make its directories and namespaces; an end that comes meanwhile waits.

        Raises:
            OSError: the system refused.
        """
        await self._do(self._build())

    async def _build(self) -> None:
        with held(self.clock):
            await self.clock.to_thread(lambda: self.layout.build(self._source))
            await self._open()

    async def _open(self) -> None:
        if self.isolation.bwrap and not self.ended:
            self._namespace = Namespace(self.isolation, self.layout)
            await self._namespace.open()
            self.tree.view = self._namespace.root

    async def _do(self, work: Coroutine[Any, Any, None]) -> None:
        """Carry something through, also when the caller is cancelled; an end waits for it."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        await uninterrupted(_result(task))

    async def _others(self) -> None:
        while others := self._tasks - {asyncio.current_task()}:
            await asyncio.wait(others)

    # Its processes.

    async def start(self, process: Process, *, seconds: float | None) -> None:
        """Start a process; it is killed after so many seconds. A caller that is cancelled leaves it running.

        Raises:
            OSError: the system refused; ProcessLookupError when the sandbox has ended or is paused.
            ValueError: an argument or a variable holds a NUL byte.
        """
        # asyncio cannot be relied on to clear up after a start that is cancelled in the middle.
        await self._do(self._start(process, seconds))

    async def _start(self, process: Process, seconds: float | None) -> None:
        # None while the sandbox ends or stops: a process is never started behind the end's back.
        if self.ended or self.paused:
            raise ProcessLookupError("the sandbox has ended" if self.ended else "the sandbox is paused")
        self._forget()
        await self._let_out()
        try:
            await process.start(
                self.isolation,
                self.layout,
                self.id,
                self._namespace,
                seconds=seconds,
                memory_mb=self.memory_mb,
                processors=self.processors,
            )
        except ChildProcessError as error:
            if self.ended:
                raise ProcessLookupError("the sandbox has ended") from error
            raise
        self._processes[process.pid] = process
        if self.on_start is not None:
            self.on_start(process)

    async def _let_out(self) -> None:
        """Before the first process that could want it, open the way out, if there is to be one."""
        async with self._opening:
            if self._namespace is None:
                return
            if not self.border.is_open:
                self._namespace.envs = {}
                return
            if self._egress is None:
                envs = dict(ENVS)
                authority = await self.border.secrets.authority() if self.border.secrets is not None else None
                if authority is not None:
                    bundle = self.layout.etc / BUNDLE
                    await self.clock.to_thread(lambda: bundle.write_bytes(authority.bundle()))
                    envs |= CERTIFICATES
                with held(self.clock):
                    listener = await self.isolation.gate.listen(self._namespace, PORT)
                self._egress = Egress(listener, self.border, self.clock, envs)
            self._namespace.envs = self._egress.envs

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
            if process.finished.is_set() and not process.lingers and process.ended_at < long_ago:
                del self._processes[pid]

    def drop_streams(self) -> None:
        """Break off every stream; the processes live on."""
        for process in self.processes():
            process.drop_streams()
        for watcher in self.watchers:
            watcher.break_off()

    def directory(self, path: str) -> str:
        """The path of a directory as its commands see it, every link resolved; "" when there is none. Blocks."""
        if self.tree.view is None and is_system(path):
            return path if os.path.isdir(path) else ""
        return self.tree.directory(path)

    # Still, copied, measured.

    async def pause(self) -> None:
        """Stop every process that it has, those too that no command knows of any more. Safe to call twice.

        Raises:
            OSError: it has ended.
        """
        self.paused = True
        await self._do(self._pause())

    async def _pause(self) -> None:
        with held(self.clock):
            await self._others()
            if self.ended:
                raise ProcessLookupError("the sandbox has ended")
            waiting = [process.outer for process in self.processes()]
            # Again when one still runs: after `resume`, what waits for a process lets it go on once more, in its time.
            while not await self.clock.to_thread(lambda: are_stopped([*self._pids(), *waiting])):
                await self._signal(signal.SIGSTOP)
            if self._egress is not None:
                await self._egress.stop()

    async def _signal(self, number: int) -> None:
        namespace = self._namespace
        if namespace is None:
            await self.clock.to_thread(lambda: sweep(self._marker, number))
        elif not await namespace.signal(number):
            await self.clock.to_thread(lambda: namespace.signal_each(number))

    async def resume(self) -> None:
        """Let them go on.

        Raises:
            OSError: it has ended.
        """
        await self._do(self._resume())

    async def _resume(self) -> None:
        with held(self.clock):
            await self._others()
            if self.ended:
                raise ProcessLookupError("the sandbox has ended")
            await self._signal(signal.SIGCONT)
            for process in self.processes():
                with suppress(ProcessLookupError):
                    os.kill(process.outer, signal.SIGCONT)
            if self._egress is not None:
                self._egress.go_on()
            self.paused = False

    async def reset(self) -> None:
        """End every process and start anew with the same files.

        Raises:
            OSError: the system refused.
        """
        await self._do(self._reset())

    async def _reset(self) -> None:
        with held(self.clock):
            await self._others()
            if self.ended:
                raise ProcessLookupError("the sandbox has ended")
            await self._silence()
            self._processes.clear()
            self.paused = False
            await self._open()

    async def copy(self) -> Path:
        """Copy its files to a new directory beside its own, of which other machines can be made.

        Memory is not copied: what is made of it starts without processes. Who calls this pauses it for so long, and
        removes the directory in the end.

        Raises:
            OSError: the file system refused.
        """
        target = self.layout.base.parent / f"copy-{secrets.token_hex(8)}"
        try:
            await self.clock.to_thread(lambda: copy_tree(self.tree.root, target))
        except BaseException:
            await self.clock.to_thread(lambda: remove_directory(target))
            raise
        return target

    async def metrics(self) -> Used:
        """Measure what its processes and its files use."""
        return await self.clock.to_thread(lambda: self._meter.measure(self._pids()))

    async def connect_port(self, port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Connect to what listens on a port inside. What listens elsewhere on this machine is not reached.

        Raises:
            ConnectionRefusedError: nothing listens there.
            ProcessLookupError: the sandbox has ended.
        """
        with held(self.clock):
            if self.ended:
                raise ProcessLookupError("the sandbox has ended")
            if self._namespace is not None:
                if port == PORT:
                    raise ConnectionRefusedError("what listens there is for the sandbox alone")
                return await uninterrupted(self.isolation.gate.connect(self._namespace, port))
            if not await self.clock.to_thread(lambda: listens(port, self._pids())):
                raise ConnectionRefusedError(f"nothing listens on port {port}")
            return await connect_outside(port)

    def _pids(self) -> list[int]:
        return marked(self._marker) if self._namespace is None else self._namespace.pids()

    # Its end.

    def kill(self) -> None:
        """End it: no process lives on, every stream breaks off. `aclose` then clears up."""
        self.ended = True
        for process in self.processes():
            process.abandon()
        for watcher in self.watchers:
            watcher.break_off()
        if self._egress is not None:
            self._egress.cut()
        if self._namespace is not None:
            self._namespace.kill()

    async def aclose(self) -> None:
        """End it and remove its directories. Safe to call twice."""
        with held(self.clock):
            self.kill()
            await self._others()
            await self._silence()
            await self.clock.to_thread(lambda: remove_directory(self.layout.base))

    async def _silence(self) -> None:
        """End every process."""
        for process in self.processes():
            process.abandon()
        if self._egress is not None:
            await self._egress.aclose()
            self._egress = None
        if self._namespace is not None:
            await self._namespace.aclose()
        else:
            await self.clock.to_thread(lambda: end_all(self._marker))
        try:
            async with self.clock.timeout(_CLOSE_SECONDS):
                for process in self.processes():
                    await process.finished.wait()
        except TimeoutError:
            pass  # stuck in the kernel: SIGKILL has been sent and that is all there is to do
        for process in self._processes.values():
            process.close()


async def _result(task: asyncio.Task[None]) -> None:
    await task
