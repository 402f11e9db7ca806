"""Thousands of media tasks waiting on one client, on a clock that jumps: `python -m benchmarks.tasks SPEC`.

The platform is a function in process that answers status reads from a table, each after a simulated tenth of a second.
It says nothing of progress or time left, as the contract warns, so the cadence has only the age to go by.
"""

from __future__ import annotations

import asyncio
import gc
import heapq
import math
import statistics
import sys
import time
import tracemalloc
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

import msgspec

from novita_async import AsyncNovita, MockTransport, Reply
from novita_async.runtime.scheduler import Scheduler
from novita_async.testing.clock import JumpClock

from .machine import pin, rss
from .payloads import KEY

if TYPE_CHECKING:
    from novita_async.media.results import MediaResult
    from novita_async.transport.protocol import Request

__all__ = ["TasksOutcome", "TasksSpec"]

_LATENCY = 0.1  # simulated seconds that a status read takes


class TasksSpec(msgspec.Struct, kw_only=True):
    """What to run.

    Attributes:
        tasks: how many wait.
        seconds: simulated, that each takes.
        traced: measure memory with tracemalloc, which makes every other figure meaningless.
        core: to be pinned to; -1 for none.
    """

    tasks: int
    seconds: float
    traced: bool
    core: int


class TasksOutcome(msgspec.Struct, kw_only=True):
    """What a run came to.

    Attributes:
        completed: tasks whose end was seen.
        polls: status reads of all tasks.
        polls_max: of one task.
        polls_mean: of one task.
        most_in_flight: status reads at the same time.
        limit_in_flight: how many the client's limits allow.
        late_mean: simulated seconds between the end of a task and the moment its waiter knew.
        late_max: likewise.
        loop_tasks: tasks of the event loop half-way through: the waiter and, for each read in flight, one of the client
            and one of the mock.
        schedulers: scheduler objects in the process.
        wall: real seconds from the first wait to the last end.
        cpu: CPU seconds in that time, of the client, the clock and the platform's function together.
        longest_turn: CPU seconds of the longest turn of the loop from the first wait on, its garbage collections
            included. All results are kept.
        handle_bytes: a handle, without anyone waiting.
        waiting_bytes: what waiting adds to it, before the first read.
        halfway_bytes: what waiting adds to it, half-way through, with what was read last.
        All three are tracemalloc's when `traced`, else by the growth of the process.
    """

    completed: int
    polls: int
    polls_max: int
    polls_mean: float
    most_in_flight: int
    limit_in_flight: int
    late_mean: float
    late_max: float
    loop_tasks: int
    schedulers: int
    wall: float
    cpu: float
    longest_turn: float
    handle_bytes: float
    waiting_bytes: float
    halfway_bytes: float


class _TidyClock(JumpClock):
    """A jumping clock that drops timers which were called off, as asyncio's own loop does.

    `JumpClock` keeps them until their time comes, which would count as memory of the client under test.
    """

    def tidy(self) -> None:
        self._timers = [timer for timer in self._timers if not timer.cancelled]
        heapq.heapify(self._timers)

    def tidy_every_second(self) -> None:
        self.tidy()
        self.call_later(1.0, self.tidy_every_second)


class _Turns:
    """The longest turn of a loop: CPU seconds of its thread between two looks at its sockets."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        selector = loop._selector  # pyright: ignore[reportAttributeAccessIssue] - it has no public name
        self.longest = 0.0
        self._select = selector.select
        self._began = time.thread_time()
        selector.select = self._timed

    def leave_out(self) -> None:
        """The present turn does something that is not measured."""
        self._began = math.inf

    def _timed(self, timeout: float | None = None) -> Any:
        self.longest = max(self.longest, time.thread_time() - self._began)
        events = self._select(timeout)
        self._began = time.thread_time()
        return events


class _Platform:
    """What answers: submits at once, status reads after the latency, done when the task's time is over."""

    def __init__(self, clock: JumpClock, tasks: int, seconds: float) -> None:
        self._clock = clock
        self._seconds = seconds
        self._submitted = 0
        self.polls = {f"task-{number:08}": 0 for number in range(tasks)}
        self._ids = list(self.polls)
        self.in_flight = 0
        self.most_in_flight = 0

    async def answer(self, request: Request) -> Reply:
        if request.method == "POST":
            self._submitted += 1
            return Reply(body=b'{"task_id":"%b"}' % self._ids[self._submitted - 1].encode())
        [task_id] = parse_qs(urlsplit(request.url).query)["task_id"]
        self.polls[task_id] += 1
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        try:
            await self._clock.sleep(_LATENCY)
        finally:
            self.in_flight -= 1
        over = self._clock.monotonic() >= self._seconds
        body = _DONE if over else _RUNNING
        return Reply(body=body.replace(b"TASK-ID", task_id.encode()))


_RUNNING = (
    b'{"extra":{},"task":{"task_id":"TASK-ID","task_type":"KLING_V3_0_STD_T2V","status":"TASK_STATUS_PROCESSING",'
    b'"reason":"","eta":0,"progress_percent":0},"images":[],"videos":[],"audios":[]}'
)
_DONE = (
    b'{"extra":{"seed":"7"},"task":{"task_id":"TASK-ID","task_type":"KLING_V3_0_STD_T2V","status":"TASK_STATUS_SUCCEED",'
    b'"reason":"","eta":0,"progress_percent":100},"images":[],"videos":[{"video_url":"https://files.example/TASK-ID.mp4",'
    b'"video_url_ttl":"3600","video_type":"mp4"}],"audios":[]}'
)


async def run(spec: TasksSpec) -> TasksOutcome:
    """Submit all, wait for all, and look twice meanwhile."""
    clock = _TidyClock(grace=0)
    platform = _Platform(clock, spec.tasks, spec.seconds)
    loop = asyncio.get_running_loop()
    looks: list[float] = []
    looking_cpu = 0.0
    loop_tasks = schedulers = 0
    turns = _Turns(loop)

    def look() -> float:
        nonlocal looking_cpu, loop_tasks, schedulers
        start = time.process_time()
        clock.tidy()
        gc.collect()
        memory = tracemalloc.get_traced_memory()[0] if spec.traced else rss()
        loop_tasks = len(asyncio.all_tasks(loop))
        schedulers = sum(isinstance(thing, Scheduler) for thing in gc.get_objects())
        looking_cpu += time.process_time() - start
        turns.leave_out()
        return memory

    async with clock, AsyncNovita(api_key=KEY, transport=MockTransport(platform.answer), clock=clock) as novita:
        await _warm_up(clock)
        videos = novita.videos
        if spec.traced:
            tracemalloc.start()
        before = look()
        handles = [await videos.submit("kling-v3.0-std-t2v", prompt="a lighthouse at night") for _ in range(spec.tasks)]
        only_handles = look()
        looking_cpu = turns.longest = 0.0
        clock.tidy_every_second()
        clock.call_later(0.01, lambda: looks.append(look()))
        clock.call_later(spec.seconds / 2, lambda: looks.append(look()))
        late: list[float] = []
        results: list[MediaResult] = []
        cpu, start = time.process_time(), time.perf_counter()
        async for task in novita.tasks.as_completed(handles):
            results.append(await task.wait())
            late.append(clock.monotonic() - spec.seconds)
        wall, cpu = time.perf_counter() - start, time.process_time() - cpu - looking_cpu
        limit = novita.settings.limits.polls
    counts = list(platform.polls.values())
    return TasksOutcome(
        completed=sum(len(result.videos) for result in results),
        polls=sum(counts),
        polls_max=max(counts),
        polls_mean=statistics.mean(counts),
        most_in_flight=platform.most_in_flight,
        limit_in_flight=limit,
        late_mean=statistics.mean(late),
        late_max=max(late),
        loop_tasks=loop_tasks,
        schedulers=schedulers,
        wall=wall,
        cpu=cpu,
        longest_turn=turns.longest,
        handle_bytes=(only_handles - before) / spec.tasks,
        waiting_bytes=(looks[0] - only_handles) / spec.tasks,
        halfway_bytes=(looks[1] - only_handles) / spec.tasks,
    )


async def _warm_up(clock: JumpClock) -> None:
    """Submit and wait once, on a client of its own: the code that this loads is not memory of a task."""

    async def answer(request: Request) -> Reply:
        return Reply(body=b'{"task_id":"TASK-ID"}' if request.method == "POST" else _DONE)

    async with AsyncNovita(api_key=KEY, transport=MockTransport(answer), clock=clock) as novita:
        task = await novita.videos.submit("kling-v3.0-std-t2v", prompt="a lighthouse at night")
        await task.refresh()


if __name__ == "__main__":
    spec = msgspec.json.decode(sys.argv[1], type=TasksSpec)
    pin(spec.core)
    print(msgspec.json.encode(asyncio.run(run(spec))).decode())
