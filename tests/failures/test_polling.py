"""Waiting for what finishes later: how often is asked, what is borne, and how it can end."""

from __future__ import annotations

import asyncio
import random
from collections import Counter

import pytest
from helpers import PICTURE, TASK_RESULT, TXT2IMG, inside, without_debug

from novita_async import Limits, Simulator
from novita_async.errors import (
    AuthenticationError,
    NotFound,
    PermissionDenied,
    ProtocolError,
    ServerError,
    TaskFailed,
    TaskStateUnknown,
)
from novita_async.simulator import Drop, Edit, Outcome, Refuse
from novita_async.testing.clock import JumpClock


@pytest.fixture
async def clock():
    async with JumpClock(grace=0) as clock:  # no socket is waited for here, and many jumps are made
        yield clock


def polls(sim) -> Counter[str]:
    return Counter(request.query["task_id"] for request in sim.requests if request.path == TASK_RESULT)


async def submit(novita, count=1):
    tasks = await novita.gather((novita.images.submit("txt2img", **PICTURE) for _ in range(count)), limit=50)
    return tasks if count > 1 else tasks[0]


# ------------------------------------------------------------------------------------------------ row 16


async def test_row_16_a_thousand_tasks_of_a_minute_cost_twelve_reads_each_at_most(clock):
    random.seed(16)
    without_debug()
    async with Simulator(clock=clock, task_seconds=60) as sim, inside(sim) as novita:
        tasks = await submit(novita, 1000)
        ended = [task async for task in novita.tasks.as_completed(tasks)]
        assert {task.status for task in ended} == {"TASK_STATUS_SUCCEED"}
        assert max(polls(sim).values()) <= 12
        assert len(polls(sim)) == 1000
        assert novita.stats()["polls"] == polls(sim).total()


async def test_row_16_the_reads_of_all_together_stay_within_their_rate(clock):
    random.seed(16)
    without_debug()
    limits = Limits(polls=8, poll_rate=40)
    async with Simulator(clock=clock, task_seconds=60) as sim, inside(sim, limits=limits) as novita:
        tasks = await submit(novita, 400)
        async for _ in novita.tasks.as_completed(tasks):
            assert novita.stats()["polls_in_flight"] <= 8
        times = [request.time for request in sim.requests if request.path == TASK_RESULT]
    in_ten_seconds = Counter(int(time // 10) for time in times)
    assert max(in_ten_seconds.values()) <= 40 * (10 + 1)  # the rate, and one second's worth saved up


async def test_row_16_a_job_of_a_second_is_noticed_within_700_ms(clock):
    random.seed(16)
    async with Simulator(clock=clock, task_seconds=1) as sim, inside(sim) as novita:
        for _ in range(20):
            task = await submit(novita)
            began = clock.monotonic()
            await task.wait()
            assert clock.monotonic() - began <= 1.7


# ------------------------------------------------------------------------------------------------ row 17


async def test_row_17_an_unknown_status_is_kept_and_ends_in_its_own_error_at_the_deadline(sim, clock):
    sim.fault("POST", TXT2IMG, Outcome.unknown("TASK_STATUS_ON_HOLIDAY", after=3))
    async with inside(sim) as novita:
        task = await submit(novita)
        with pytest.raises(TaskStateUnknown) as unknown:
            await task.wait(timeout=120)
        assert clock.monotonic() == pytest.approx(120)
        assert unknown.value.status == task.status == "TASK_STATUS_ON_HOLIDAY"
        assert (unknown.value.task_id, unknown.value.handle) == (task.id, task)


async def test_row_17_a_default_deadline_always_exists(sim, clock):
    sim.fault("POST", TXT2IMG, Outcome.unknown("TASK_STATUS_ON_HOLIDAY"))
    async with inside(sim) as novita:
        task = await submit(novita)
        with pytest.raises(TaskStateUnknown):
            await task.wait()
        assert clock.monotonic() == pytest.approx(3600)
        with pytest.raises(TaskStateUnknown):
            _ = [update async for update in task]
        assert clock.monotonic() == pytest.approx(7200, abs=1)
        with pytest.raises(TaskStateUnknown):
            _ = [task async for task in novita.tasks.as_completed([task])]
        assert clock.monotonic() == pytest.approx(10800, abs=2)


async def test_row_17_an_unknown_status_that_turns_out_well_is_a_success(sim, clock):
    odd = sim.fault("GET", TASK_RESULT, Edit.having("task.status", "TASK_STATUS_WARMING_UP"), times=3)
    async with inside(sim) as novita:
        task = await submit(novita)
        seen = [update.status async for update in task]
        assert seen[:3] == ["TASK_STATUS_WARMING_UP"] * 3
        assert seen[-1] == "TASK_STATUS_SUCCEED"
        assert (await task.wait()).images
    assert odd.hits == 3


@pytest.mark.parametrize("path", ["task", "task.status"])
async def test_row_17_a_status_that_is_missing_is_no_success(sim, path):
    sim.fault("GET", TASK_RESULT, Edit.without(path), times=None)
    async with inside(sim) as novita:
        task = await submit(novita)
        with pytest.raises(ProtocolError):
            await task.wait()


async def test_row_17_a_submit_that_is_answered_without_an_id_is_no_success(sim):
    sim.fault("POST", TXT2IMG, Edit.without("task_id"))
    async with inside(sim) as novita:
        with pytest.raises(ProtocolError, match="no id"):
            await submit(novita)


async def test_row_17_a_known_failure_is_a_failure_with_the_platforms_words(sim):
    sim.fault("POST", TXT2IMG, Outcome.failed("out of memory"))
    async with inside(sim) as novita:
        task = await submit(novita)
        with pytest.raises(TaskFailed, match="out of memory") as failed:
            await task.wait()
        assert (failed.value.task_id, failed.value.handle) == (task.id, task)
        assert failed.value.task_type == "TXT_TO_IMG"


# ------------------------------------------------------------------------------------------------ row 18


@pytest.mark.parametrize("fault", [Drop.before_headers(), Refuse.with_status(503), Refuse.with_status(429)])
async def test_row_18_five_reads_in_a_row_may_fail(sim, fault):
    bad = sim.fault("GET", TASK_RESULT, fault, times=5)
    async with inside(sim) as novita:
        assert (await (await submit(novita)).wait()).images
    assert bad.hits == 5


async def test_row_18_the_sixth_ends_the_wait_with_its_error(sim):
    bad = sim.fault("GET", TASK_RESULT, Refuse.with_status(500), times=None)
    async with inside(sim) as novita:
        task = await submit(novita)
        with pytest.raises(ServerError) as broken:
            await task.wait()
        assert bad.hits == 6
        assert (broken.value.task_id, broken.value.handle) == (task.id, task)
        bad.cancel()
        assert (await task.wait()).images  # the handle is as good as ever


async def test_row_18_a_success_between_them_resets_the_count(sim):
    def every_sixth_is_fine(_):
        return next(numbers) % 6 != 5

    numbers = iter(range(1000))
    bad = sim.fault("GET", TASK_RESULT, Drop.before_headers(), times=None, match=every_sixth_is_fine)
    sim.fault("POST", TXT2IMG, Outcome.succeeded(after=300))
    async with inside(sim) as novita:
        assert (await (await submit(novita)).wait()).images
    assert bad.hits > 6


@pytest.mark.parametrize(
    ("status", "reason", "kind"),
    [
        (401, "FAILED_TO_AUTH", AuthenticationError),
        (403, "INVALID_API_KEY", AuthenticationError),
        (403, "", PermissionDenied),
    ],
)
async def test_row_18_a_refused_key_raises_on_the_first_read(sim, status, reason, kind):
    bad = sim.fault("GET", TASK_RESULT, Refuse.with_reason(status, reason), times=None)
    async with inside(sim) as novita:
        task = await submit(novita)
        with pytest.raises(kind) as refused:
            await task.wait()
        assert (refused.value.task_id, refused.value.handle) == (task.id, task)
    assert bad.hits == 1


async def test_row_18_not_found_has_one_grace_just_after_the_submit(sim):
    missing = sim.fault("GET", TASK_RESULT, Refuse.with_reason(404, "TASK_NOT_FOUND"))
    async with inside(sim) as novita:
        assert (await (await submit(novita)).wait()).images
        assert missing.hits == 1
        with pytest.raises(NotFound) as gone:
            await novita.tasks.wait("no-such-task")
        assert gone.value.task_id == "no-such-task"
    assert polls(sim)["no-such-task"] == 2


async def test_row_18_one_broken_task_among_many_does_not_take_the_others_with_it(sim):
    async with inside(sim) as novita:
        tasks = await submit(novita, 5)
        broken = tasks[2].id
        sim.fault(
            "GET",
            TASK_RESULT,
            Refuse.with_reason(403, "FORBIDDEN"),
            times=None,
            match=lambda request: request.query["task_id"] == broken,
        )
        waits = await asyncio.gather(*(task.wait() for task in tasks), return_exceptions=True)
        assert [type(wait).__name__ for wait in waits].count("MediaResult") == 4
        assert isinstance(waits[2], PermissionDenied)
