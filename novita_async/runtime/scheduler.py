"""All waiting of one client: a heap of due times, one timer for the earliest, so many reads in flight and no more.

Nothing runs while nothing is waited for, and no task of the event loop exists for a thing that waits: it is an entry in
the heap and a callback.
"""

from __future__ import annotations

import asyncio
import heapq
import random
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeAlias

import msgspec

from ..errors import APIError, ClientClosed, NotFound, NovitaError, RateLimited, ServerError, TransportError

if TYPE_CHECKING:
    from .call import Runtime
    from .clock import TimerHandle

__all__ = ["Cadence", "Progress", "Scheduler", "Watch", "default_cadence", "passing"]

_TOLERATED = 5  # consecutive reads that may fail before the wait does
_YOUNG = 60.0  # seconds for which the platform may not have told itself of a submit
_LONGEST = 60.0  # seconds between two reads where a webhook is expected


class Progress(msgspec.Struct, frozen=True, gc=False):
    """What a cadence may go by.

    Attributes:
        age: seconds since the submit.
        eta: seconds that the platform says are left; 0 when it says nothing.
        percent: 0 to 100; 0 when the platform says nothing.
        polls: reads so far.
        webhook: a webhook is expected to tell of the end, so that reads are only the net under it.
    """

    age: float
    eta: float = 0.0
    percent: float = 0.0
    polls: int = 0
    webhook: bool = False


#: Seconds until the next read.
Cadence: TypeAlias = Callable[[Progress], float]


def default_cadence(progress: Progress) -> float:
    """Every half second at first, then in steps that grow with the age, so that a wait of a minute is a dozen reads.

    Where the platform tells how much is left, the next read lands a little before that. Where a webhook is expected
    the steps are five times as long, and no longer than a minute. What was submitted a while ago and never read, by a
    process that is gone as a rule, is read at once: it may be over.
    """
    jitter = random.uniform(0.95, 1.05)
    if not progress.polls and progress.age >= 1:
        return 0.5 * jitter
    step = max(0.5, 0.6 * progress.age)
    left = progress.eta
    if not left and 5 <= progress.percent < 100:
        left = progress.age * (100 - progress.percent) / progress.percent
    if left:
        step = max(0.5, 0.7 * left)
    step = min(step, 20.0) * jitter
    return min(5 * step, _LONGEST) if progress.webhook else step


def passing(error: Exception) -> bool:
    """Whether a read that failed so may succeed the next time."""
    if isinstance(error, APIError) and error.status in (408, 409):
        return True
    return isinstance(error, TransportError | RateLimited | ServerError | TimeoutError)


class Watch(ABC):
    """One thing that is waited for.

    Args:
        cadence: says when it is read next.
        since: when it was submitted, on the client's clock.
        webhook: whether an event will tell of its end.
    """

    __slots__ = (*("again", "cadence", "due", "failures", "heard", "polls", "reader", "since", "watched", "webhook"),)

    def __init__(self, *, cadence: Cadence, since: float, webhook: bool = False) -> None:
        self.cadence = cadence
        self.since = since
        self.webhook = webhook
        self.polls = 0
        self.failures = 0
        self.due = 0.0
        self.watched = False
        self.reader: asyncio.Task[None] | None = None  # the read that is in flight
        self.heard: float | None = None  # when there was news of it
        self.again = False  # there was while it was read, which may have been answered before

    @abstractmethod
    async def read(self) -> bool:
        """Ask the platform once; whether it is over."""
        ...

    @abstractmethod
    def notify(self, error: Exception | None) -> None:
        """There was a read, or this error has ended the wait."""
        ...

    @abstractmethod
    def progress(self) -> tuple[float, float]:
        """Seconds left and percent done as the platform sees them; 0 where it says nothing."""
        ...


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
            watch.watched = watch.again = False
            self.waiting -= 1
            if watch.reader is not None and watch.reader is not asyncio.current_task():
                watch.reader.cancel()
                watch.reader = None

    def hurry(self, watch: Watch) -> None:
        """Read now: somebody heard that there is news. Hearing it often costs one read, or one after that in flight."""
        if not watch.watched:
            return
        now = watch.heard = self._clock.monotonic()
        if watch.reader is not None:
            watch.again = True
        elif watch.due > now:
            self._push(watch, now)

    def _schedule(self, watch: Watch) -> None:
        now = self._clock.monotonic()
        if watch.again:
            watch.again = False
            self._push(watch, now)
            return
        eta, percent = watch.progress()
        expected = watch.webhook and watch.heard is None
        progress = Progress(max(0.0, now - watch.since), eta, percent, watch.polls, expected)
        delay = max(0.0, watch.cadence(progress))
        if watch.heard is not None:  # the news may be ahead of what the platform answers, but not for long
            delay = min(delay, max(0.5, now - watch.heard))
        self._push(watch, now + delay)

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
            watch.reader = task
            task.add_done_callback(self._read_done)

    def _read_done(self, task: asyncio.Task[None]) -> None:
        watch = self._reading.pop(task)
        if watch.reader is task:
            watch.reader = None
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
        if watch.reader is not asyncio.current_task():
            return  # it is no longer waited for, or waited for anew
        if over:
            self.remove(watch)
        watch.notify(error)
        if watch.reader is asyncio.current_task():
            watch.reader = None
            if watch.watched:
                self._schedule(watch)

    def _tolerates(self, watch: Watch, error: NovitaError) -> bool:
        if isinstance(error, NotFound):
            return watch.polls == 1 and self._clock.monotonic() - watch.since < _YOUNG
        return passing(error) and watch.failures <= _TOLERATED

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
