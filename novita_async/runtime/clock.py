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
    """Real time: the event loop's own clock and timers."""

    monotonic = staticmethod(time.monotonic)
    time = staticmethod(time.time)

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

    def call_later(self, seconds: float, callback: Callable[[], object]) -> TimerHandle:
        return asyncio.get_running_loop().call_later(seconds, callback)

    def timeout(self, seconds: float | None) -> asyncio.Timeout:
        return asyncio.timeout(seconds)

    async def to_thread(self, function: Callable[[], T]) -> T:
        return await uninterrupted(anyio.to_thread.run_sync(function))


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
