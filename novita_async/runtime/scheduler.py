"""All waiting of one client: a heap of due times, one timer for the earliest, so many reads in flight and no more.

Nothing runs while nothing is waited for, and no task of the event loop exists for a thing that waits: it is an entry in
the heap and a callback.
"""

from __future__ import annotations

import asyncio
import heapq
import random
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, TypeAlias

import msgspec

from ..errors import APIError, ClientClosed, NotFound, NovitaError, RateLimited, ServerError, TransportError

if TYPE_CHECKING:
    from .call import Runtime
    from .clock import TimerHandle

__all__ = ["Cadence", "Progress", "Scheduler", "Watch", "default_cadence"]

_TOLERATED = 5  # consecutive reads that may fail before the wait does


class Progress(msgspec.Struct, frozen=True, gc=False):
    """What a cadence may go by.

    Attributes:
        age: seconds since the submit.
        eta: seconds that the platform says are left; 0 when it says nothing.
        percent: 0 to 100; 0 when the platform says nothing.
        polls: reads so far.
    """

    age: float
    eta: float = 0.0
    percent: float = 0.0
    polls: int = 0


#: Seconds until the next read.
Cadence: TypeAlias = Callable[[Progress], float]


def default_cadence(progress: Progress) -> float:
    """Every half second at first, then in steps that grow with the age, so that a wait of a minute is a dozen reads.

    Where the platform tells how much is left, the next read lands a little before that.
    """
    step = max(0.5, 0.6 * progress.age)
    left = progress.eta
    if not left and 5 <= progress.percent < 100:
        left = progress.age * (100 - progress.percent) / progress.percent
    if left:
        step = max(0.5, 0.7 * left)
    return min(step, 20.0) * random.uniform(0.95, 1.05)


class Watch:
    """One thing that is waited for. `read` asks the platform once and says whether it is over."""

    __slots__ = ("cadence", "due", "failures", "notify", "polls", "progress", "read", "since", "watched")

    def __init__(
        self,
        read: Callable[[], Awaitable[bool]],
        notify: Callable[[Exception | None], None],
        *,
        progress: Callable[[], tuple[float, float]],
        cadence: Cadence,
        since: float,
    ) -> None:
        self.read = read
        self.notify = notify
        self.progress = progress
        self.cadence = cadence
        self.since = since
        self.polls = 0
        self.failures = 0
        self.due = 0.0
        self.watched = False


class Scheduler:
    """The one scheduler of a client."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._clock = runtime.clock
        self._heap: list[tuple[float, int, Watch]] = []
        self._number = 0
        self._reading: dict[asyncio.Task[None], Watch] = {}
        self._timer: TimerHandle | None = None
        self._next_start = 0.0
        self._closed = False
        self.waiting = 0
        self.polls = 0

    @property
    def reading(self) -> int:
        """Reads in flight."""
        return len(self._reading)

    def add(self, watch: Watch) -> None:
        """Begin to wait for something."""
        if self._closed:
            raise ClientClosed("the client was closed")
        if not watch.watched:
            watch.watched = True
            self.waiting += 1
            self._schedule(watch)

    def remove(self, watch: Watch) -> None:
        """Stop waiting for something, also for a read of it that is in flight."""
        if watch.watched:
            watch.watched = False
            self.waiting -= 1
            for task, read in self._reading.items():
                if read is watch and task is not asyncio.current_task():
                    task.cancel()

    def hurry(self, watch: Watch) -> None:
        """Read now: somebody heard that there is news."""
        if watch.watched:
            self._push(watch, self._clock.monotonic())

    def _schedule(self, watch: Watch) -> None:
        now = self._clock.monotonic()
        eta, percent = watch.progress()
        progress = Progress(max(0.0, now - watch.since), eta, percent, watch.polls)
        self._push(watch, now + max(0.0, watch.cadence(progress)))

    def _push(self, watch: Watch, due: float) -> None:
        self._number += 1
        watch.due = due
        heapq.heappush(self._heap, (due, self._number, watch))
        if self._timer is None or self._heap[0][2] is watch:
            self._pump()

    def _pump(self) -> None:
        """Start the reads that are due and fit, and set the timer for the next one."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        limits = self._runtime.settings.limits
        now = self._clock.monotonic()
        while self._heap and len(self._reading) < limits.polls:
            due, _, watch = self._heap[0]
            if not watch.watched or due != watch.due:
                heapq.heappop(self._heap)  # removed, or hurried since
                continue
            start = max(due, self._next_start)
            if start > now:
                self._timer = self._clock.call_later(start - now, self._pump)
                return
            heapq.heappop(self._heap)
            self._next_start = max(self._next_start, now - 1.0) + 1.0 / limits.poll_rate
            task = asyncio.get_running_loop().create_task(self._read(watch), name="novita-poll")
            self._reading[task] = watch
            task.add_done_callback(self._read_done)

    def _read_done(self, task: asyncio.Task[None]) -> None:
        del self._reading[task]
        if not self._closed:
            self._pump()

    async def _read(self, watch: Watch) -> None:
        self.polls += 1
        watch.polls += 1
        error: Exception | None = None
        try:
            over = await watch.read()
            watch.failures = 0
        except NovitaError as failure:
            watch.failures += 1
            over = not self._tolerates(watch, failure)
            error = failure if over else None
        except Exception as failure:
            # A bug in a reader must reach whoever waits, not end as a task that nobody looks at.
            over, error = True, failure
        if not watch.watched:
            return
        if over:
            self.remove(watch)
        watch.notify(error)
        if watch.watched:
            self._schedule(watch)

    @staticmethod
    def _tolerates(watch: Watch, error: NovitaError) -> bool:
        if isinstance(error, NotFound):
            return watch.polls == 1  # just submitted: the platform may not have told itself yet
        passing = isinstance(error, TransportError | RateLimited | ServerError | TimeoutError)
        return (passing or (isinstance(error, APIError) and error.status in (408, 409))) and (
            watch.failures <= _TOLERATED
        )

    async def aclose(self) -> None:
        """Stop every read and tell everyone who waits. Safe to call twice."""
        self._closed = True
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        reading = list(self._reading)
        watches = dict.fromkeys([watch for _, _, watch in self._heap] + list(self._reading.values()))
        self._heap.clear()
        for task in reading:
            task.cancel()
        await asyncio.gather(*reading, return_exceptions=True)
        for watch in watches:
            if watch.watched:
                self.remove(watch)
                watch.notify(ClientClosed("the client was closed while this was waited for"))
