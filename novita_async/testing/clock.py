"""A clock that jumps: whenever nothing else can happen, it is at once the time that the next sleeper waits for.

An hour of polling takes milliseconds, in the order that real time would give. Real sockets, threads and processes may
take part: the clock jumps only when the event loop would block, after a grace for bytes that are on their way, and not
at all while something holds it.
"""

from __future__ import annotations

import asyncio
import contextlib
import heapq
import time
from typing import TYPE_CHECKING, Any, Self, TypeVar, cast

import anyio.to_thread

from ..runtime.clock import uninterrupted

if TYPE_CHECKING:
    import selectors
    from collections.abc import Callable, Generator
    from types import TracebackType

__all__ = ["JumpClock"]

T = TypeVar("T")

_START = 1_760_000_000.0  # Unix seconds at which every test begins


class _Timer:
    """An entry of the clock, and the handle that calls it off."""

    __slots__ = ("callback", "cancelled", "due", "number")

    def __init__(self, due: float, number: int, callback: Callable[[], object]) -> None:
        self.due = due
        self.number = number
        self.callback = callback
        self.cancelled = False

    def cancel(self) -> None:
        self.cancelled = True

    def __lt__(self, other: _Timer) -> bool:
        return (self.due, self.number) < (other.due, other.number)


class JumpClock:
    """A `Clock` for tests. Inside `async with` it jumps by itself; outside, `advance` turns it by hand.

    Args:
        grace: real seconds for which an idle loop waits for sockets before the clock jumps. 0 suits tests in which
            everything happens inside the process.

    Example:
        async with JumpClock() as clock:
            await clock.sleep(3600)  # returns at once
            assert clock.monotonic() == 3600
    """

    def __init__(self, *, grace: float = 0.002) -> None:
        self._now = 0.0
        self._grace = grace
        self._timers: list[_Timer] = []
        self._number = 0
        self._holds = 0
        self._restore: Callable[[], None] | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self.jumps = 0

    # ------------------------------------------------------------------------------------- the protocol

    def monotonic(self) -> float:
        """Seconds that have passed on this clock."""
        return self._now

    def time(self) -> float:
        """Unix seconds on this clock, which begins in October 2025."""
        return _START + self._now

    async def sleep(self, seconds: float) -> None:
        """Wait until so many seconds have passed on this clock."""
        if seconds <= 0:
            await asyncio.sleep(0)
            return
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        timer = self.call_later(seconds, lambda: None if future.done() else future.set_result(None))
        try:
            await future
        finally:
            timer.cancel()

    def call_later(self, seconds: float, callback: Callable[[], object]) -> _Timer:
        """Call a function when so many seconds have passed on this clock."""
        self._number += 1
        timer = _Timer(self._now + max(0.0, seconds), self._number, callback)
        heapq.heappush(self._timers, timer)
        return timer

    def timeout(self, seconds: float | None) -> _Timeout:
        """An `async with` that raises TimeoutError when more passes on this clock."""
        return _Timeout(self, seconds)

    async def to_thread(self, function: Callable[[], T]) -> T:
        """Run a blocking function off the loop; the clock stands still meanwhile."""
        with self.hold():
            return await uninterrupted(anyio.to_thread.run_sync(function))

    # ----------------------------------------------------------------------------------------- turning it

    @contextlib.contextmanager
    def hold(self) -> Generator[None]:
        """Stand still while something outside of the event loop, a thread or a process, is at work."""
        self._holds += 1
        try:
            yield
        finally:
            self._holds -= 1

    async def advance(self, seconds: float) -> None:
        """Let so much time pass, running everything that falls due on the way, in order."""
        until = self._now + seconds
        await _settle()
        while (due := self._next()) is not None and due <= until:
            self._jump(due)
            await _settle()
        self._now = until
        await _settle()

    def _next(self) -> float | None:
        while self._timers and self._timers[0].cancelled:
            heapq.heappop(self._timers)
        return self._timers[0].due if self._timers else None

    def _jump(self, due: float) -> None:
        self._now = max(self._now, due)
        self.jumps += 1
        while (due_next := self._next()) is not None and due_next <= self._now:
            heapq.heappop(self._timers).callback()

    # ------------------------------------------------------------------------------------ jumping by itself

    async def __aenter__(self) -> Self:
        self._loop = asyncio.get_running_loop()
        # The one place that knows for sure that nothing can happen is where the loop would block. asyncio gives no
        # public way there for a loop that already runs, and pytest plugins hand out loops that do.
        selector = cast("selectors.BaseSelector | None", getattr(self._loop, "_selector", None))
        if selector is None:
            raise RuntimeError("JumpClock needs asyncio's selector event loop: with any other, use `advance`")
        original = selector.select

        def select(timeout: float | None = None) -> Any:
            if timeout is not None and timeout <= 0:
                return original(timeout)
            due = None if self._holds else self._next()
            if due is None:
                return original(timeout)
            grace = self._grace if timeout is None else min(timeout, self._grace)
            events = original(grace)
            if not events and not self._holds:
                self._jump(due)
            return events

        selector.select = select
        self._restore = lambda: vars(selector).pop("select")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._restore is not None:
            self._restore()
            self._restore = None


class _Timeout:
    """`asyncio.timeout`, on a clock that is not the loop's: it is told when to fire."""

    def __init__(self, clock: JumpClock, seconds: float | None) -> None:
        self._clock = clock
        self._seconds = seconds
        self._inner = asyncio.timeout(None)
        self._timer: _Timer | None = None

    def expired(self) -> bool:
        return self._inner.expired()

    def _fire(self) -> None:
        self._inner.reschedule(asyncio.get_running_loop().time())

    async def __aenter__(self) -> Self:
        await self._inner.__aenter__()
        if self._seconds is not None:
            self._timer = self._clock.call_later(self._seconds, self._fire)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool | None:
        if self._timer is not None:
            self._timer.cancel()
        return await self._inner.__aexit__(kind, error, trace)


async def _settle() -> None:
    """Let every task run until it waits for something. Long chains of hand-overs take a turn of the loop each."""
    for _ in range(50):
        await asyncio.sleep(0)
    await asyncio.sleep(time.get_clock_info("monotonic").resolution)
