"""One real process and the streams that watch it."""

from __future__ import annotations

import asyncio
import fcntl
import os
import signal
import struct
import termios
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, TypeAlias, cast

import msgspec

from .line import Line

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Generator

    from ...runtime.clock import Clock, TimerHandle
    from .isolation import Command, Isolation, Layout
    from .namespace import Namespace

__all__ = ["Config", "End", "Item", "Output", "Process", "Watch"]

CHUNK = 32 * 1024
#: Chunks that a stream may be behind before the process has to wait for it.
BACKLOG = 16
#: No pipe holds more: what comes after so much is of others that have it open too.
_PIPE_BYTES = 1024 * 1024
#: Of real time, for a process that was killed to be reaped by what entered the namespaces for it.
_REAPED_SECONDS = 0.5


class Config(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A command as it was asked for, which is also how it is listed."""

    cmd: str = ""
    args: list[str] = []
    envs: dict[str, str] = {}
    cwd: str | None = None


class Output(msgspec.Struct, frozen=True):
    """What the process wrote: `name` is stdout or stderr, or pty for a terminal's one stream."""

    name: str
    data: bytes


class End(msgspec.Struct, frozen=True):
    """How it ended. `code` is -1 and `exited` False after a signal."""

    code: int
    exited: bool
    status: str


#: What a stream gets: output, then the end; or None when the sandbox ended first.
Item: TypeAlias = Output | End | None


class Watch:
    """One stream's view of a process, from the moment it was opened: earlier output is not replayed."""

    def __init__(self, process: Process) -> None:
        self._process = process
        self._items: asyncio.Queue[Item] = asyncio.Queue()

    @property
    def full(self) -> bool:
        return self._items.qsize() >= BACKLOG

    def put(self, item: Item) -> None:
        self._items.put_nowait(item)

    async def next(self) -> Item:
        """Wait for the next item."""
        item = await self._items.get()
        self._process.regulate()
        return item


class _Listener(Watch):
    """Told of everything, at once, and never waited for."""

    def __init__(self, process: Process, listener: Callable[[Item], None]) -> None:
        super().__init__(process)
        self._listener = listener

    @property
    def full(self) -> bool:
        return False

    def put(self, item: Item) -> None:
        self._listener(item)


class Process(asyncio.SubprocessProtocol):
    """A process of a sandbox.

    Output goes to every open `Watch`. The slowest one sets the pace: the pipes are not read while it is behind. With no
    watch open, output is read and dropped.

    It ends when its first process does. What that one has left running goes on, and its output is dropped.

    Attributes:
        pid: as the sandbox sees it.
        outer: on this machine, of what waits for it. In a namespace that stops and ends as the process does.
        end: how it ended, at `ended_at` (the clock's monotonic seconds); None while it runs.
        overdue: it was killed because its time was over.
        finished: set when it has ended and all that it wrote has been told.
    """

    def __init__(self, config: Config, command: Command, *, clock: Clock, stdin: bool, tag: str | None) -> None:
        self.config = config
        self.tag = tag
        self.pid = 0
        self.outer = 0
        self.end: End | None = None
        self.ended_at = 0.0
        self.overdue = False
        self.finished = asyncio.Event()
        self._clock = clock
        self._deadline: TimerHandle | None = None
        self._command = command
        self._stdin = stdin
        self._writable = asyncio.Event()
        self._writable.set()
        self._watches: set[Watch] = set()
        self._open_pipes = {1, 2}
        self._exited = False
        self._paused = False
        self._gone = False
        self._killed = False
        self._late = 0
        self._drained = False
        self._line: Line | None = None
        self._group = 0
        self._forced: asyncio.TimerHandle | None = None
        self._transport: asyncio.SubprocessTransport | None = None

    async def start(
        self,
        isolation: Isolation,
        layout: Layout,
        sandbox_id: str,
        namespace: Namespace | None,
        *,
        seconds: float | None,
        memory_mb: int,
        processors: Collection[int],
    ) -> None:
        """Start it, with so much memory, on these processors; after so many seconds it is killed.

        Raises:
            OSError: the system refused.
            ValueError: an argument or a variable holds a NUL byte.
        """
        loop = asyncio.get_running_loop()
        line = self._line = Line()
        directory = -1
        kept = [line.theirs]
        try:
            if namespace is not None:
                directory = namespace.enter()
                kept.append(directory)
            launch = isolation.launch(
                self._command,
                layout,
                sandbox_id,
                namespace=namespace,
                directory=directory,
                line=line.theirs,
                memory_mb=memory_mb,
            )
            stdin, stdout = self._streams()
            await loop.subprocess_exec(
                lambda: self,
                *launch.args,
                stdin=stdin,
                stdout=stdout,
                stderr=stdout,
                env=launch.env,
                cwd=launch.cwd,
                pass_fds=kept,
                # A plain terminal begins its session itself.
                start_new_session=namespace is not None or not self._command.terminal,
            )
        except BaseException:
            self._release()
            raise
        finally:
            line.handed_over()
            if directory >= 0:
                os.close(directory)
        # The command begins only when it has been answered. If this Python process dies before that, there is nobody to
        # answer; afterwards the system ends the command with it.
        said, outer = await line.hear()
        if not said:
            self.kill()
            await self.finished.wait()
            raise ChildProcessError("it ended before it could begin")
        self.pid = int(said)
        with suppress(ProcessLookupError):  # it has been killed meanwhile
            self._group = os.getpgid(outer or self.pid)
        if processors:
            with suppress(ProcessLookupError):
                os.sched_setaffinity(outer or self.pid, processors)  # before it begins: whatever it starts has them too
        line.answer()
        self._hang_up()
        if seconds is not None and not self.finished.is_set():
            self._deadline = self._clock.call_later(seconds, self._expire)

    def _streams(self) -> tuple[int, int]:
        """What it reads from and what it writes to, as `subprocess` wants it."""
        return asyncio.subprocess.PIPE if self._stdin else asyncio.subprocess.DEVNULL, asyncio.subprocess.PIPE

    @contextmanager
    def watch(self) -> Generator[Watch]:
        """Watch it from now on; a process that has ended gives only its end."""
        watch = Watch(self)
        self._watches.add(watch)
        if self.finished.is_set():
            watch.put(self.end)
        try:
            yield watch
        finally:
            self._watches.discard(watch)
            self.regulate()

    def listen(self, listener: Callable[[Item], None]) -> None:
        """Tell a function of its output and its end as long as it lives; the process never waits for it."""
        self._watches.add(_Listener(self, listener))

    async def write(self, data: bytes) -> None:
        """Write to its standard input, and wait while the pipe is full.

        Raises:
            OSError: it has no standard input, or closed it.
        """
        pipe = self._input()
        pipe.write(data)
        await self._writable.wait()

    def close_stdin(self) -> None:
        """Close its standard input once everything is written.

        Raises:
            OSError: it has none.
        """
        self._input().write_eof()

    def _input(self) -> asyncio.WriteTransport:
        pipe = cast("asyncio.WriteTransport | None", self._transport and self._transport.get_pipe_transport(0))
        if pipe is None:
            raise OSError("stdin is not enabled for this process")
        if pipe.is_closing():
            raise BrokenPipeError("stdin of this process is closed")
        return pipe

    def kill(self) -> None:
        """Kill it and every process of its group. Output that is still in the pipes is lost."""
        self._killed = True
        if self._exited and self._transport is not None:
            self._transport.close()  # others have the pipes
        elif self.outer and self._group not in (0, self.outer):
            # What entered the namespaces for it reaps it and ends by itself. Killed first, it would leave that to the
            # first process inside, for which the kernel takes a second or two when that one is ending as well.
            self._kill_group()
            _signal(self.outer, signal.SIGCONT)
            if self._forced is None:
                loop = asyncio.get_running_loop()
                self._forced = loop.call_later(_REAPED_SECONDS, _signal, self.outer, signal.SIGKILL)
        elif self.outer:
            _signal(self.outer, signal.SIGKILL)
            self._kill_group()
        # If it has not begun yet, it never will. Not before the signal, or it might end by itself.
        self._hang_up()

    @property
    def lingers(self) -> bool:
        """It has ended, and something that it left running still has its pipes."""
        return self.finished.is_set() and bool(self._open_pipes)

    def close(self) -> None:
        """Let go of its pipes."""
        if self._transport is not None:
            self._transport.close()

    def drop_streams(self) -> None:
        """Break off every stream that watches it. It lives on, and can be watched again."""
        for watch in self._watches:
            watch.put(None)

    def abandon(self) -> None:
        """Kill it because its sandbox ends: its streams break off instead of telling an end."""
        self._gone = True
        self.kill()

    def _expire(self) -> None:
        self.overdue = True
        self.kill()

    async def terminate(self) -> None:
        """Send SIGTERM to it and to the processes of its group."""
        if self._group and not self._exited:
            _signal(self._group, signal.SIGTERM)

    def _kill_group(self) -> None:
        if self._group:
            _signal(self._group, signal.SIGKILL)

    def regulate(self) -> None:
        """Read from the process, or not, as the streams can take it."""
        paused = any(watch.full for watch in self._watches)
        if paused == self._paused or self._transport is None:
            return
        self._paused = paused
        for fd in (1, 2):
            pipe = cast("asyncio.ReadTransport | None", self._transport.get_pipe_transport(fd))
            if pipe is not None:
                (pipe.pause_reading if paused else pipe.resume_reading)()

    # What the event loop calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.SubprocessTransport", transport)
        self.outer = self._transport.get_pid() or 0

    def pipe_data_received(self, fd: int, data: bytes) -> None:
        if self.finished.is_set():
            return
        name = "stdout" if fd == 1 else "stderr"
        for start in range(0, len(data), CHUNK):
            output = Output(name, data[start : start + CHUNK])
            for watch in self._watches:
                watch.put(output)
        self.regulate()
        if self._exited:
            self._late += len(data)
            self._drain()

    def pipe_connection_lost(self, fd: int, exc: Exception | None) -> None:
        self._open_pipes.discard(fd)
        if fd == 0:
            self._writable.set()
        if self.finished.is_set() and not self._open_pipes:
            self.close()
        self._settle()

    def pause_writing(self) -> None:
        self._writable.clear()

    def resume_writing(self) -> None:
        self._writable.set()

    def process_exited(self) -> None:
        self._exited = True
        if self._forced is not None:
            self._forced.cancel()
        self._hang_up()
        if self._killed:
            self._kill_group()  # what is left of it
            self.close()
        self._drain()
        self._settle()

    def _drain(self) -> None:
        """Find out whether all that it wrote has been read. Others may have its pipes and go on writing."""
        if self._late < _PIPE_BYTES and any(self._unread(fd) for fd in self._open_pipes):
            return
        asyncio.get_running_loop().call_soon(self._all_told)  # after what has been read and is on its way here

    def _unread(self, fd: int) -> int:
        pipe = self._transport and self._transport.get_pipe_transport(fd)
        if pipe is None or pipe.is_closing():
            return 0
        return struct.unpack("i", fcntl.ioctl(pipe.get_extra_info("pipe"), termios.FIONREAD, b"\0" * 4))[0]

    def _all_told(self) -> None:
        self._drained = True
        self._settle()

    def _settle(self) -> None:
        if self.finished.is_set() or not self._exited or (self._open_pipes and not self._drained):
            return
        assert self._transport is not None
        self.end = _ending(self._transport.get_returncode() or 0)
        self.ended_at = self._clock.monotonic()
        item = None if self._gone else self.end
        for watch in self._watches:
            watch.put(item)
        self._release()
        if not self._open_pipes:
            self.close()
        elif pipe := self._transport.get_pipe_transport(0):
            pipe.close()

    def _release(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
        self._hang_up()
        self._writable.set()
        self.finished.set()

    def _hang_up(self) -> None:
        if self._line is not None:
            self._line.hang_up()
            self._line = None


def _ending(code: int) -> End:
    if code < 0:
        name = signal.strsignal(-code) or f"signal {-code}"
        return End(-1, exited=False, status=f"signal: {name.lower()}")
    return End(code, exited=True, status=f"exit status {code}")


def _signal(group: int, number: int) -> None:
    assert group > 0  # 0 would be the group of this very process
    # Ended meanwhile; some systems refuse to signal a group of which only zombies are left.
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(group, number)
