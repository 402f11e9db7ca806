"""The workers of a serverless endpoint: they come when work waits and go when there is none (contract/gpu.md 9).

Who has waited for long enough, and which worker has idled for too long, is seen when somebody comes, goes or looks. The
one timer is for those who wait while nobody does.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING, Literal

import msgspec

from ..errors import ConnectionLost

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..runtime.clock import Clock, TimerHandle

__all__ = ["Fleet", "Plan", "Worker"]

_SLACK = 1e-9  # seconds that are lost in adding floats


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """How many workers there may be, and when there is one more.

    Attributes:
        least: as many there always are.
        most: as many there are at most.
        idle: seconds without work after which one goes.
        concurrency: requests that one handles at once.
        policy: "queue": one more when somebody has waited for `value` seconds; "concurrency": when more than `value`
            wait. Where there is none at all, the first who waits gets one.
        value: of the policy.
    """

    least: int
    most: int
    idle: float
    concurrency: int
    policy: Literal["queue", "concurrency"]
    value: int


class Worker:
    """One worker.

    Attributes:
        id: its id.
        ready: when it has started, in the clock's monotonic seconds.
        busy: requests that it handles.
        idle_since: since when it has none.
    """

    def __init__(self, id_: str, ready: float) -> None:
        self.id = id_
        self.ready = ready
        self.busy = 0
        self.idle_since = ready


class Fleet:
    """The workers of one endpoint, and who waits for them, first come, first served. `follow` lets the first come.

    Args:
        clock: what they start and idle by.
        plan: how many there may be.
        start_seconds: how long one takes to start.
        new_id: makes the id of one.
        came: told of each worker, which may still be starting.
        went: told of its end, and when that was, in the clock's monotonic seconds.
    """

    def __init__(
        self,
        clock: Clock,
        plan: Plan,
        *,
        start_seconds: float,
        new_id: Callable[[], str],
        came: Callable[[Worker], None],
        went: Callable[[Worker, float], None],
    ) -> None:
        self._clock = clock
        self._plan = plan
        self._start_seconds = start_seconds
        self._new_id = new_id
        self._came = came
        self._went = went
        self._workers: list[Worker] = []
        self._waiting: deque[tuple[float, asyncio.Future[Worker]]] = deque()
        self._timer: TimerHandle | None = None

    @property
    def waiting(self) -> int:
        """How many wait for a worker."""
        return len(self._waiting)

    @property
    def workers(self) -> list[Worker]:
        """The workers that there are now."""
        self._settle()
        return list(self._workers)

    def follow(self, plan: Plan) -> None:
        """Go by another plan from now on."""
        self._plan = plan
        self._settle()

    async def acquire(self) -> Worker:
        """Wait for a place at a worker.

        Raises:
            ConnectionLost: the endpoint was deleted meanwhile.
        """
        place: asyncio.Future[Worker] = asyncio.get_running_loop().create_future()
        entry = (self._clock.monotonic(), place)
        self._waiting.append(entry)
        self._settle()
        try:
            return await place
        except asyncio.CancelledError:
            if place.cancelled():
                if entry in self._waiting:
                    self._waiting.remove(entry)
            elif place.exception() is None:  # it was given in the same turn
                self.release(place.result())
            raise

    def release(self, worker: Worker) -> None:
        """Give a place back."""
        worker.busy -= 1
        if not worker.busy:
            worker.idle_since = self._clock.monotonic()
        self._settle()

    def close(self) -> None:
        """Let all workers go, and send away who waits."""
        for worker in self.workers:
            self._went(worker, self._clock.monotonic())
        self._plan = msgspec.structs.replace(self._plan, least=0, most=0)
        self._workers.clear()
        while self._waiting:
            _, place = self._waiting.popleft()
            if not place.done():
                place.set_exception(ConnectionLost("the endpoint was deleted"))
        self._arm(0.0)

    def _settle(self) -> None:
        """Let workers go and come, and give those who wait their places."""
        now = self._clock.monotonic()
        plan = self._plan
        for worker in list(self._workers):
            over = len(self._workers) > plan.most
            idle = not worker.busy and now - worker.idle_since >= plan.idle - _SLACK
            if len(self._workers) > plan.least and not worker.busy and (over or (idle and worker.ready <= now)):
                self._went(worker, now if over else worker.idle_since + plan.idle)
                self._workers.remove(worker)
        while len(self._workers) < plan.least:
            self._start(now)
        self._give(now)
        while len(self._workers) < plan.most and self._wants(now):
            self._start(now)
            self._give(now)
        self._arm(now)

    def _start(self, now: float) -> None:
        worker = Worker(self._new_id(), now + self._start_seconds)
        self._workers.append(worker)
        self._came(worker)

    def _give(self, now: float) -> None:
        for worker in self._workers:
            while self._waiting and worker.ready <= now + _SLACK and worker.busy < self._plan.concurrency:
                _, place = self._waiting.popleft()
                if not place.done():
                    worker.busy += 1
                    place.set_result(worker)

    def _uncovered(self, now: float) -> int:
        """The place in line of the first who will not be taken by a worker that is starting."""
        return sum(worker.ready > now + _SLACK for worker in self._workers) * self._plan.concurrency

    def _wants(self, now: float) -> bool:
        first = self._uncovered(now)
        if len(self._waiting) <= first:
            return False
        if not self._workers:
            return True
        if self._plan.policy == "concurrency":
            return len(self._waiting) - first > self._plan.value
        return now - self._waiting[first][0] >= self._plan.value - _SLACK

    def _arm(self, now: float) -> None:
        """Set the timer for the next moment at which somebody who waits can be helped."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if not self._waiting:
            return
        moments = [worker.ready for worker in self._workers if worker.ready > now + _SLACK]
        first = self._uncovered(now)
        more = len(self._workers) < self._plan.most and len(self._waiting) > first
        if more and self._plan.policy == "queue":
            moments.append(self._waiting[first][0] + self._plan.value)
        if moments:
            self._timer = self._clock.call_later(max(0.0, min(moments) - now), self._settle)
