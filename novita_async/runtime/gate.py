"""Who may send now. One FIFO queue for the slots of a client, and one for the rate of each model.

A gate is asked before every attempt and never while one runs, so waiting here eats no attempt's time. It is plain
bookkeeping on the event loop's thread: taking a free place costs no turn of the loop.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .clock import Clock, TimerHandle

__all__ = ["Gate", "Naps", "RateGate"]

_WINDOW = 60.0
# Our window and the server's do not begin at the same moment; a little later is never too early.
_SLACK = 0.05


class _Queue:
    """The waiting line both gates share: strict order, and nobody overtakes by arriving at the right moment."""

    def __init__(self) -> None:
        self._waiters: deque[asyncio.Future[None]] = deque()
        self._sent_back: deque[asyncio.Future[None]] = deque()  # before all others, and in order among themselves

    @property
    def waiting(self) -> int:
        """How many stand in line."""
        return sum(not waiter.done() for waiter in (*self._sent_back, *self._waiters))

    def _take(self) -> bool:
        """Take a place if there is one."""
        raise AssertionError("a gate says what a place is")

    def _give_back(self) -> None:
        """Undo a `_take` whose taker went away before it was told."""

    def acquire_nowait(self) -> bool:
        """Take a place if one is free and nobody stands in line."""
        return not self._waiters and not self._sent_back and self._take()

    async def acquire(self, *, first: bool = False) -> None:
        """Wait for a place and take it. Cancelling leaves the line and takes nothing.

        Args:
            first: before all who were not: one who was sent back by the server waits only once for its turn.
        """
        if self.acquire_nowait():
            return
        waiter = asyncio.get_running_loop().create_future()
        line = self._sent_back if first else self._waiters
        line.append(waiter)
        self._wake()
        try:
            await waiter
        except asyncio.CancelledError:
            if waiter.cancelled():
                if waiter in line:
                    line.remove(waiter)
            else:
                self._give_back()  # the place was given in the same turn as the cancellation: pass it on
            self._wake()
            raise

    def close(self, error: Exception) -> None:
        """Send everyone who waits away with this error."""
        for line in (self._sent_back, self._waiters):
            while line:
                waiter = line.popleft()
                if not waiter.done():
                    waiter.set_exception(error)

    def _wake(self) -> None:
        while line := self._sent_back or self._waiters:
            if line[0].done():
                line.popleft()  # cancelled, and its task has not run since
            elif self._take():
                line.popleft().set_result(None)
            else:
                break


class Gate(_Queue):
    """So many at once.

    Args:
        slots: how many may be taken at the same time.
    """

    def __init__(self, slots: int) -> None:
        super().__init__()
        self.slots = slots
        self.free = slots

    def __repr__(self) -> str:
        return f"<Gate {self.slots - self.free}/{self.slots} taken, {self.waiting} waiting>"

    def _take(self) -> bool:
        if self.free:
            self.free -= 1
            return True
        return False

    def _give_back(self) -> None:
        self.free += 1

    def release(self) -> None:
        """Give a slot back; the first in line gets it."""
        self._give_back()
        self._wake()


class RateGate(_Queue):
    """So many sends in any 60 seconds, and none while the platform has asked everybody to wait.

    Args:
        clock: the client's clock.
        rpm: sends allowed in any window of 60 seconds; None for as many as come.
    """

    def __init__(self, clock: Clock, rpm: int | None) -> None:
        super().__init__()
        self._clock = clock
        self._rpm = rpm
        self._sent: deque[float] = deque()
        self._passed = 0  # who are through this gate and wait at another: they count, and their minute has not begun
        self._paused_until = 0.0
        self._timer: TimerHandle | None = None

    def sent(self) -> None:
        """Say that one who passed is sending now."""
        if self._rpm is not None:
            self._passed -= 1
            self._sent.append(self._clock.monotonic())
            self._wake()

    def unsent(self) -> None:
        """Say that one who passed will not send."""
        self._give_back()
        self._wake()

    def pause(self, seconds: float) -> None:
        """Let nobody through for so long: one 429 speaks to every waiter of its model."""
        self._paused_until = max(self._paused_until, self._clock.monotonic() + seconds)

    def _take(self) -> bool:
        if self._rpm is None and not self._paused_until:
            return True
        now = self._clock.monotonic()
        ready = self._paused_until
        if self._rpm is not None:
            while self._sent and self._sent[0] + _WINDOW + _SLACK <= now:
                self._sent.popleft()
            if len(self._sent) + self._passed >= self._rpm:
                if not self._sent:
                    return False  # nobody's minute runs: `sent` and `unsent` wake the line
                ready = max(ready, self._sent[0] + _WINDOW + _SLACK)
        if now < ready:
            self._arm(ready - now)
            return False
        self._paused_until = 0.0
        if self._rpm is not None:
            self._passed += 1
        return True

    def _arm(self, seconds: float) -> None:
        if self._timer is None:
            self._timer = self._clock.call_later(seconds, self._ring)

    def _ring(self) -> None:
        self._timer = None
        self._wake()

    def _give_back(self) -> None:
        if self._rpm is not None:
            self._passed -= 1

    def close(self, error: Exception) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        super().close(error)


class Naps:
    """The waits between attempts. They hold nobody up, and end when the client does.

    Args:
        clock: the client's clock.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._sleepers: set[asyncio.Future[None]] = set()

    async def take(self, seconds: float) -> None:
        """Wait so long, or raise the error that `close` was given."""
        sleeper: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        timer = self._clock.call_later(seconds, lambda: None if sleeper.done() else sleeper.set_result(None))
        self._sleepers.add(sleeper)
        try:
            await sleeper
        finally:
            timer.cancel()
            self._sleepers.discard(sleeper)

    def close(self, error: Exception) -> None:
        """End every wait with this error."""
        for sleeper in self._sleepers:
            if not sleeper.done():
                sleeper.set_exception(error)
