"""Handles on what finishes later: waiting once, often, for many, and the ways in which a wait can end."""

from __future__ import annotations

import asyncio
import gc
import tracemalloc

import pytest
from helpers import Server, completion, connected, turns, without_debug

from novita_async import Limits
from novita_async.errors import (
    AuthenticationError,
    ClientClosed,
    ConnectionLost,
    TaskFailed,
    TaskStateUnknown,
    TaskTimeout,
    ValidationError,
)
from novita_async.runtime.task import Reading, Task, Update


class Job:
    """Something at a platform that is over after so many seconds; and a handle on it."""

    def __init__(self, novita, clock, seconds=10.0, *, ends="done", reason="", error=None, name="job-1"):
        self.clock = clock
        self.seconds = seconds
        self.ends = ends
        self.reason = reason
        self.error = error
        self.reads = 0
        self.task = Task(novita.tasks, name, "job", self.read)

    async def read(self, task_id):
        self.reads += 1
        if self.error is not None:
            raise self.error
        age = self.clock.monotonic()
        if age < self.seconds:
            share = 100 * age / self.seconds
            return Reading(status="RUNNING", outcome="running", progress=share, eta=self.seconds - age)
        result = f"the result of {task_id}" if self.ends == "done" else None
        return Reading(status=self.ends.upper(), outcome=self.ends, result=result, reason=self.reason, task_type="JOB")


@pytest.fixture
async def novita(clock):
    async with connected(Server(clock, completion()), clock, limits=Limits(polls=100)) as novita:
        yield novita


# ----------------------------------------------------------------------------------------- one wait


async def test_a_wait_gives_the_result_and_the_next_one_gives_it_again_without_asking(novita, clock):
    job = Job(novita, clock)
    assert repr(job.task) == "<Task job job-1 submitted>"
    assert await job.task.wait() == "the result of job-1"
    assert 10 <= clock.monotonic() <= 17
    reads = job.reads
    assert await job.task.wait() == await job.task.result() == "the result of job-1"
    assert job.reads == reads == job.task.polls
    assert repr(job.task) == "<Task job job-1 DONE>"


async def test_a_failure_is_raised_as_often_as_it_is_asked_for(novita, clock):
    job = Job(novita, clock, ends="failed", reason="out of memory")
    for _ in range(2):
        with pytest.raises(TaskFailed, match="out of memory") as failed:
            await job.task.wait()
        assert (failed.value.reason, failed.value.task_type) == ("out of memory", "JOB")
        assert (failed.value.task_id, failed.value.handle) == ("job-1", job.task)


async def test_a_result_may_be_none(novita, clock):
    async def read(task_id):
        return Reading(status="DONE", outcome="done")

    assert await Task(novita.tasks, "job", "job", read).wait() is None


async def test_the_result_before_the_end_is_an_error_and_no_wait(novita, clock):
    job = Job(novita, clock)
    with pytest.raises(TaskTimeout):
        await job.task.result()
    await job.task.refresh()
    with pytest.raises(TaskTimeout):
        await job.task.result()
    assert (clock.monotonic(), job.reads) == (0, 1)


async def test_refresh_reads_once_and_shows_progress(novita, clock):
    job = Job(novita, clock, 100)
    await clock.sleep(25)
    update = await job.task.refresh()
    assert update == Update("RUNNING", 25, 75, 25, "job-1")
    assert (job.task.status, job.task.progress, job.task.eta, job.task.done) == ("RUNNING", 25, 75, False)
    assert job.reads == 1


async def test_a_wait_that_ends_leaves_the_task_to_be_waited_for_again(novita, clock):
    job = Job(novita, clock, 30)
    for _ in range(3):
        with pytest.raises(TaskTimeout, match=r"within 7 s.*RUNNING") as timeout:
            await job.task.wait(timeout=7)
        assert timeout.value.handle is job.task
    assert clock.monotonic() == 21
    assert await job.task.wait()


async def test_the_default_deadline_is_an_hour(novita, clock):
    with pytest.raises(TaskTimeout):
        await Job(novita, clock, 1e9).task.wait()
    assert clock.monotonic() == 3600


async def test_an_unknown_status_ends_in_an_error_of_its_own(novita, clock):
    job = Job(novita, clock, 1, ends="unknown")
    with pytest.raises(TaskStateUnknown, match="UNKNOWN") as unknown:
        await job.task.wait(timeout=60)
    assert (unknown.value.status, unknown.value.handle) == ("UNKNOWN", job.task)
    assert not job.task.done


@pytest.mark.parametrize("timeout", [0, -1, float("nan"), float("inf"), "soon", True])
async def test_a_timeout_that_cannot_be_one_is_refused(novita, clock, timeout):
    job = Job(novita, clock)
    with pytest.raises(ValidationError, match="timeout"):
        await job.task.wait(timeout=timeout)
    with pytest.raises(ValidationError, match="timeout"):
        await anext(novita.tasks.as_completed([job.task], timeout=timeout))
    with pytest.raises(ValidationError, match="on_abandon"):
        await job.task.wait(on_abandon="forget")
    assert job.reads == 0


async def test_a_task_that_ends_in_the_very_turn_of_the_deadline_has_ended(novita, clock):
    release = asyncio.Event()

    async def read(task_id):
        await release.wait()
        return Reading(status="DONE", outcome="done", result="just in time")

    task = Task(novita.tasks, "job", "job", read)
    waiting = asyncio.create_task(task.wait(timeout=5))
    await clock.sleep(4.9)
    clock.call_later(0.1, release.set)
    assert await waiting == "just in time"


# ------------------------------------------------------------------------------------------- many waits


async def test_a_hundred_waits_on_one_handle_cost_the_reads_of_one(novita, clock):
    job = Job(novita, clock)
    results = await asyncio.gather(*(job.task.wait() for _ in range(100)))
    assert set(results) == {"the result of job-1"}
    assert job.reads <= 8


async def test_one_of_many_waits_may_leave_without_ending_the_others(novita, clock):
    job = Job(novita, clock)
    waits = [asyncio.create_task(job.task.wait()) for _ in range(3)]
    short = asyncio.create_task(job.task.wait(timeout=2))
    await clock.sleep(1)
    waits[0].cancel()
    await asyncio.wait([*waits, short])
    assert waits[0].cancelled()
    assert isinstance(short.exception(), TaskTimeout)
    assert [wait.result() for wait in waits[1:]] == ["the result of job-1"] * 2


async def test_an_error_that_ends_the_wait_reaches_everyone_who_waits(novita, clock):
    job = Job(novita, clock, error=AuthenticationError("no", status=401))
    waits = await asyncio.gather(job.task.wait(), job.task.wait(), _all_updates(job.task), return_exceptions=True)
    assert {type(wait) for wait in waits} == {AuthenticationError}
    assert job.reads == 1


async def test_a_bug_in_a_reader_reaches_whoever_waits(novita, clock):
    job = Job(novita, clock, error=KeyError("a bug"))
    with pytest.raises(KeyError):
        await job.task.wait()


# -------------------------------------------------------------------------------------------- iterating


async def _all_updates(task):
    return [update async for update in task]


async def test_iterating_gives_an_update_after_every_read_the_last_one_final(novita, clock):
    job = Job(novita, clock)
    updates = await _all_updates(job.task)
    assert len(updates) == job.reads
    assert [update.status for update in updates] == ["RUNNING"] * (job.reads - 1) + ["DONE"]
    assert updates == sorted(updates, key=lambda update: update.age)
    assert await job.task.wait() == "the result of job-1"
    assert await _all_updates(job.task) == []


async def test_a_slow_consumer_misses_no_end(novita, clock):
    job = Job(novita, clock, 5)
    seen = []
    async for update in job.task:
        seen.append(update.status)
        await clock.sleep(20)
    assert seen == ["RUNNING", "DONE"]


async def test_breaking_off_ends_the_wait(novita, clock):
    job = Job(novita, clock)
    async for _ in job.task:
        break
    await turns()
    gc.collect()
    await turns()
    reads = job.reads
    await clock.sleep(100)
    assert job.reads == reads


async def test_callbacks_hear_of_every_read_and_may_fail_without_harm(novita, clock):
    job = Job(novita, clock)
    heard, problems = [], []
    asyncio.get_running_loop().set_exception_handler(lambda loop, context: problems.append(context["exception"]))

    def broken(error):
        raise ZeroDivisionError("in a callback")

    for listener in (broken, heard.append):
        job.task.listen(listener)
    assert await job.task.wait() == "the result of job-1"
    for listener in (broken, broken, heard.append, heard.append):
        job.task.unlisten(listener)
    assert heard == [None] * job.reads
    assert [type(problem) for problem in problems] == [ZeroDivisionError] * job.reads


# -------------------------------------------------------------------------------------------- as_completed


async def test_tasks_come_back_as_each_one_ends_failed_ones_too(novita, clock):
    jobs = [Job(novita, clock, seconds, name=str(seconds)) for seconds in (30.0, 1.0, 90.0)]
    jobs.append(Job(novita, clock, 8.0, ends="failed", reason="no", name="8.0"))
    seen = []
    async for task in novita.tasks.as_completed(job.task for job in jobs):
        assert task.done
        seen.append(task.id)
        if task.id == "8.0":
            with pytest.raises(TaskFailed):
                await task.wait()
    assert seen == ["1.0", "8.0", "30.0", "90.0"]


async def test_ended_doubled_and_no_tasks_are_fine(novita, clock):
    job = Job(novita, clock, 1)
    await job.task.wait()
    assert [task async for task in novita.tasks.as_completed([job.task, job.task])] == [job.task]
    assert [task async for task in novita.tasks.as_completed([])] == []


async def test_the_limit_is_for_all_of_them_together(novita, clock):
    jobs = [Job(novita, clock, seconds) for seconds in (5.0, 1e9)]
    completing = novita.tasks.as_completed([job.task for job in jobs], timeout=60)
    assert await anext(completing) is jobs[0].task
    await clock.sleep(20)
    with pytest.raises(TaskTimeout) as timeout:
        await anext(completing)
    assert timeout.value.handle is jobs[1].task
    assert clock.monotonic() == pytest.approx(60)


async def test_a_status_that_cannot_be_read_names_its_task_and_the_rest_can_be_given_again(novita, clock):
    jobs = [Job(novita, clock, 5), Job(novita, clock, error=AuthenticationError("no", status=401), name="bad")]
    tasks = {job.task for job in jobs}
    with pytest.raises(AuthenticationError) as refused:
        _ = [task async for task in novita.tasks.as_completed(tasks)]
    tasks.discard(refused.value.handle)
    assert [task async for task in novita.tasks.as_completed(tasks)] == [jobs[0].task]


async def test_leaving_as_completed_early_stops_all_waiting(novita, clock):
    jobs = [Job(novita, clock, 1), *(Job(novita, clock, 1e9) for _ in range(5))]
    async for _ in novita.tasks.as_completed([job.task for job in jobs]):
        break
    await turns()
    assert novita.stats()["waiting"] == 0


async def test_wait_by_id_needs_a_kind_that_is_known(novita):
    with pytest.raises(ValidationError, match="unknown kind 'hologram'; there are media"):
        novita.tasks.get("task-1", kind="hologram")
    with pytest.raises(ValidationError, match="task_id is empty"):
        novita.tasks.get("")


# ----------------------------------------------------------------------------------------------- at scale


async def test_ten_thousand_waiting_tasks_are_no_tasks_of_the_loop_and_little_memory(novita, clock):
    without_debug()
    jobs = [Job(novita, clock, 3600, name=str(number)) for number in range(10_000)]
    tasks = [job.task for job in jobs]
    gc.collect()
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        ending = asyncio.ensure_future(anext(novita.tasks.as_completed(tasks)))
        await turns()
        used = tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()
    assert novita.stats()["waiting"] == 10_000
    assert len(asyncio.all_tasks()) <= 2 + 100  # this one, the one that waits, and reads up to their limit
    assert used / 10_000 <= 2048
    ending.cancel()
    await asyncio.wait({ending})
    assert novita.stats()["waiting"] == 0


@pytest.mark.parametrize("how", ["as_completed", "wait_all"])
async def test_a_task_that_waits_is_a_handful_of_objects_for_the_garbage_collector(novita, clock, how):
    """It stops the loop for as long as it takes to look at all there are."""
    without_debug()
    jobs = [Job(novita, clock, 3600, name=str(number)) for number in range(2000)]
    tasks = [job.task for job in jobs]
    gc.collect()
    before = len(gc.get_objects())
    if how == "as_completed":
        waiting = asyncio.ensure_future(anext(novita.tasks.as_completed(tasks)))
    else:
        waiting = asyncio.ensure_future(novita.tasks.wait_all(tasks))
    await turns()
    gc.collect()
    assert novita.stats()["waiting"] == 2000
    assert (len(gc.get_objects()) - before) / 2000 <= 6
    waiting.cancel()
    await asyncio.wait({waiting})


@pytest.mark.parametrize("how", ["wait", "wait_all"])
async def test_a_task_that_has_ended_is_freed_without_the_garbage_collector(novita, clock, how):
    def left() -> int:
        return sum(isinstance(thing, Task) for thing in gc.get_objects())

    gc.collect()
    before = left()
    gc.disable()
    try:
        task = vars(Job(novita, clock, 2)).pop("task")
        await (task.wait() if how == "wait" else novita.tasks.wait_all([task]))
        await turns()
        assert left() == before + 1
        del task
        assert left() == before
    finally:
        gc.enable()


# ------------------------------------------------------------------------------------------------ the end


async def test_closing_the_client_ends_waits_of_every_kind(clock):
    async with connected(Server(clock, completion()), clock) as novita:
        job = Job(novita, clock)
        waits = [
            asyncio.ensure_future(wait)
            for wait in (job.task.wait(), _all_updates(job.task), anext(novita.tasks.as_completed([job.task])))
        ]
        await clock.sleep(1)
        await novita.aclose()
        for wait in waits:
            with pytest.raises(ClientClosed):
                await wait
        with pytest.raises(ClientClosed):
            await job.task.wait()


async def test_reads_that_fail_are_forgiven_as_long_as_one_in_six_succeeds(novita, clock):
    job = Job(novita, clock, 200)
    lost = ConnectionLost("gone")
    clock.call_later(20, lambda: setattr(job, "error", lost))
    clock.call_later(60, lambda: setattr(job, "error", None))
    assert await job.task.wait()
