"""Who may send now. One queue for the slots of a client here, and one for the rate of each model in `rates`.

A gate is asked before every attempt and never while one runs, so waiting here eats no attempt's time. It is plain
bookkeeping on the event loop's thread: taking a free place costs no turn of the loop.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .clock import Clock

__all__ = ["Gate", "Naps", "Queue"]


class Queue:
    """The waiting line that gates share: first come, first served among those of one priority, and nobody overtakes by
    arriving at the right moment.
    """

    def __init__(self) -> None:
        # By rank: the higher priority before the lower, and within one those who were sent back before the others.
        self._lines: dict[tuple[int, bool], deque[tuple[asyncio.Future[None], int]]] = {}

    @property
    def waiting(self) -> int:
        """How many stand in line."""
        return sum(not waiter.done() for line in self._lines.values() for waiter, _ in line)

    def _take(self, need: int) -> bool:
        """Take a place if there is one for this need, of which each gate knows what it means."""
        raise AssertionError("a gate says what a place is")

    def _give_back(self, need: int) -> None:
        """Undo a `_take` whose taker went away before it was told."""

    def acquire_nowait(self, need: int = 0) -> bool:
        """Take a place if one is free and nobody stands in line."""
        return not self._lines and self._take(need)

    async def acquire(self, need: int = 0, *, priority: int = 0, first: bool = False) -> None:
        """Wait for a place and take it. Cancelling leaves the line and takes nothing.

        Args:
            need: how much of the place is needed.
            priority: before all with a lower one.
            first: before all of this priority who were not: one who was sent back by the server waits only once for
                its turn.
        """
        if self.acquire_nowait(need):
            return
        waiter = asyncio.get_running_loop().create_future()
        line = self._lines.setdefault((-priority, not first), deque())
        line.append((waiter, need))
        self._wake()
        try:
            await waiter
        except asyncio.CancelledError:
            if waiter.cancelled():
                if (waiter, need) in line:
                    line.remove((waiter, need))
            else:
                self._give_back(need)  # the place was given in the same turn as the cancellation: pass it on
            self._wake()
            raise

    def close(self, error: Exception) -> None:
        """Send everyone who waits away with this error."""
        lines, self._lines = self._lines, {}
        for line in lines.values():
            while line:
                waiter, _ = line.popleft()
                if not waiter.done():
                    waiter.set_exception(error)

    def _wake(self) -> None:
        while self._lines:
            rank = min(self._lines)
            line = self._lines[rank]
            if not line:
                del self._lines[rank]
                continue
            waiter, need = line[0]
            if waiter.done():
                line.popleft()  # cancelled, and its task has not run since
            elif self._take(need):
                line.popleft()
                waiter.set_result(None)
            else:
                break


class Gate(Queue):
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

    def _take(self, need: int) -> bool:
        if self.free:
            self.free -= 1
            return True
        return False

    def _give_back(self, need: int) -> None:
        self.free += 1

    def release(self) -> None:
        """Give a slot back; the first in line gets it."""
        self.free += 1
        self._wake()


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
