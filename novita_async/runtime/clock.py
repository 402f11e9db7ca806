"""Time, in one place. Everything in the package that waits, waits on the client's clock, so that a test can turn it."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Protocol, Self, TypeVar

import anyio
import anyio.to_thread

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from types import TracebackType
    from typing import Any

__all__ = ["Clock", "SystemClock", "TimeoutScope", "TimerHandle", "uninterrupted"]

T = TypeVar("T")


class TimerHandle(Protocol):
    """What `Clock.call_later` gives: a timer that can be called off."""

    def cancel(self) -> None: ...


class TimeoutScope(Protocol):
    """What `Clock.timeout` gives; `asyncio.Timeout` is one."""

    def expired(self) -> bool:
        """Whether the time ran out, as against a TimeoutError that something inside raised."""
        ...

    async def __aenter__(self) -> Self: ...

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> bool | None: ...


class Clock(Protocol):
    """A source of time. `SystemClock` is the real one, `novita_async.testing.JumpClock` the one of tests."""

    def monotonic(self) -> float:
        """Seconds since some moment, never going back."""
        ...

    def time(self) -> float:
        """Unix seconds."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Wait. 0 lets the other tasks run once."""
        ...

    def call_later(self, seconds: float, callback: Callable[[], object]) -> TimerHandle:
        """Call a function, which must not block, after so many seconds."""
        ...

    def timeout(self, seconds: float | None) -> TimeoutScope:
        """An `async with` that raises TimeoutError when it takes longer than `seconds`; None sets no limit."""
        ...

    async def to_thread(self, function: Callable[[], T]) -> T:
        """Run a blocking function off the event loop. A clock that jumps stands still meanwhile.

        A cancelled caller waits until the function has returned, so that nothing goes on behind its back.
        """
        ...


class SystemClock:
    """Real time: the event loop's own clock and timers.

    All its timeouts share one timer. A limit of ten minutes on a call of ten milliseconds is nearly always called off,
    and a loop with a called-off timer for every recent call spends more on its heap of timers than on the call.

    A clock may go from one event loop to the next, but not be shared by two at the same time.
    """

    monotonic = staticmethod(time.monotonic)
    time = staticmethod(time.time)

    def __init__(self) -> None:
        self._running: dict[_Scope, None] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._next_look = float("inf")
        self._loop: asyncio.AbstractEventLoop | None = None

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

    def call_later(self, seconds: float, callback: Callable[[], object]) -> TimerHandle:
        return asyncio.get_running_loop().call_later(seconds, callback)

    def timeout(self, seconds: float | None) -> TimeoutScope:
        return _Scope(self, seconds)

    async def to_thread(self, function: Callable[[], T]) -> T:
        return await uninterrupted(anyio.to_thread.run_sync(function))

    def begin(self, scope: _Scope) -> None:
        """Watch a timeout from now on."""
        loop = asyncio.get_running_loop()
        if loop is not self._loop:  # the timer that was counted on, and all that ran, ended with the other loop
            self._loop = loop
            self._running.clear()
            self._next_look = float("inf")
        self._running[scope] = None
        if scope.due < self._next_look:
            self._look_at(loop, scope.due)

    def end(self, scope: _Scope) -> None:
        """Watch it no more. The timer stays: it looks, finds nothing due, and goes by what is left."""
        self._running.pop(scope, None)

    def _look_at(self, loop: asyncio.AbstractEventLoop, due: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._next_look = due
        self._timer = loop.call_later(max(0.0, due - time.monotonic()), self._look, loop)

    def _look(self, loop: asyncio.AbstractEventLoop) -> None:
        self._timer = None
        self._next_look = float("inf")
        now = time.monotonic()
        for scope in [scope for scope in self._running if scope.due <= now]:
            del self._running[scope]
            scope.fire()
        if self._running:
            self._look_at(loop, min(scope.due for scope in self._running))


class _Scope:
    """What `asyncio.timeout` is, without a timer of its own."""

    __slots__ = ("_cancelling", "_clock", "_expired", "_seconds", "_task", "due")

    def __init__(self, clock: SystemClock, seconds: float | None) -> None:
        self._clock = clock
        self._seconds = seconds
        self._expired = False

    def expired(self) -> bool:
        return self._expired

    def fire(self) -> None:
        self._expired = True
        self._task.cancel()

    async def __aenter__(self) -> Self:
        if self._seconds is not None:
            task = asyncio.current_task()
            assert task is not None, "a timeout belongs to a task"
            self._task = task
            self._cancelling = task.cancelling()
            self.due = time.monotonic() + self._seconds
            self._clock.begin(self)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._seconds is not None:
            self._clock.end(self)
        # As asyncio's: a cancellation that came from elsewhere as well goes on as one.
        if self._expired and self._task.uncancel() <= self._cancelling and isinstance(error, asyncio.CancelledError):
            raise TimeoutError from error


async def uninterrupted(work: Coroutine[Any, Any, T]) -> T:
    """Carry something through to its end even when the caller is cancelled meanwhile, and only then be cancelled.

    For what must not stop half-way: a write of the journal, the killing of a sandbox. Whoever calls this keeps the work
    short or gives it a limit of its own. anyio's shield alone does not hold off a plain `task.cancel()`.
    """
    task = asyncio.get_running_loop().create_task(work)
    cancelled: asyncio.CancelledError | None = None
    with anyio.CancelScope(shield=True):
        while not task.done():
            try:
                await asyncio.shield(task)
            except asyncio.CancelledError as error:
                if not task.cancelled():  # then it is the caller's, also when the task has ended in the same turn
                    cancelled = error
            except Exception:  # noqa: S110 - it is raised below, by result()
                pass
    if cancelled is not None:
        if not task.cancelled():
            task.exception()  # seen: the cancellation is what the caller is told
        raise cancelled
    return task.result()
