"""Waiting for many tasks at once: how many there are of what, in which order they come, and how it can end."""

from __future__ import annotations

import asyncio
import sqlite3
from collections import Counter
from contextlib import closing

import pytest
from helpers import PICTURE, TXT2IMG, Server, completion, connected, inside, turns, without_debug

from novita_async import Limits, Simulator
from novita_async.errors import (
    AuthenticationError,
    BadRequest,
    CallTimeout,
    ClientClosed,
    TaskFailed,
    TaskStateUnknown,
    TaskTimeout,
    ValidationError,
)
from novita_async.runtime.task import Reading, Task
from novita_async.simulator import Outcome, Refuse


@pytest.fixture
async def novita(clock):
    async with connected(Server(clock, completion()), clock, limits=Limits(polls=100, poll_rate=1e5)) as novita:
        yield novita


class Jobs:
    """Makes tasks that end after so many seconds, and counts the submits under way and the tasks not ended."""

    def __init__(self, novita, clock, *, answer=0.0):
        self.novita = novita
        self.clock = clock
        self.answer = answer
        self.made = 0
        self.submitting = self.most_submitting = 0
        self.running = set()  # as far as anybody here knows
        self.most_running = 0
        self.answered = []

    def handle(self, name, seconds=10.0, *, ends="done", error=None):
        due = self.clock.monotonic() + seconds

        async def read(task_id):
            if error is not None:
                raise error
            if self.clock.monotonic() < due:
                return Reading(status="RUNNING", outcome="running", eta=due - self.clock.monotonic())
            self.running.discard(name)
            return Reading(status=ends.upper(), outcome=ends, result=name if ends == "done" else None, reason="no luck")

        return Task(self.novita.tasks, str(name), "job", read)

    async def submit(self, name, seconds=10.0, **options):
        self.made += 1
        self.submitting += 1
        self.most_submitting = max(self.most_submitting, self.submitting)
        try:
            await self.clock.sleep(self.answer)
        finally:
            self.submitting -= 1
        self.answered.append(name)
        self.running.add(name)
        self.most_running = max(self.most_running, len(self.running))
        return self.handle(name, seconds, **options)


# ------------------------------------------------------------------------------------------------ in order


async def test_results_come_in_order_whatever_was_given(novita, clock):
    jobs = Jobs(novita, clock)
    items = [jobs.handle(0, 30), jobs.submit(1, 5), jobs.handle(2, 1), jobs.submit(3, 60)]
    assert await novita.tasks.wait_all(items) == [0, 1, 2, 3]
    assert await novita.tasks.wait_all(iter([])) == []
    same = jobs.handle(4)
    assert await novita.tasks.wait_all([same, same]) == [4, 4]
    assert await novita.tasks.wait_all([same]) == [4]


async def test_a_task_that_an_awaitable_gives_need_not_come_from_a_coroutine(novita, clock):
    future = asyncio.get_running_loop().create_future()
    future.set_result(Jobs(novita, clock).handle("late"))
    assert await novita.tasks.wait_all([future]) == ["late"]


async def test_a_thousand_submits_are_never_more_at_once_than_the_limit(novita, clock):
    without_debug()
    jobs = Jobs(novita, clock, answer=0.5)
    submits = (jobs.submit(number, 1 + number % 7) for number in range(1000))
    assert await novita.tasks.wait_all(submits, limit=20) == list(range(1000))
    assert 19 <= jobs.most_running <= 20


async def test_without_a_limit_no_more_submits_are_begun_than_the_client_may_have_under_way(clock):
    without_debug()
    limits = Limits(requests=30, polls=100, poll_rate=1e5)
    async with connected(Server(clock, completion()), clock, limits=limits) as novita:
        jobs = Jobs(novita, clock, answer=0.5)
        submits = (jobs.submit(number, 100) for number in range(200))
        assert await novita.tasks.wait_all(submits) == list(range(200))
        assert jobs.most_submitting == 30
        assert jobs.most_running == 200


async def test_a_generator_makes_a_submit_only_when_its_turn_has_come(novita, clock):
    jobs = Jobs(novita, clock)
    waiting = asyncio.create_task(novita.tasks.wait_all((jobs.submit(n, 10) for n in range(9)), limit=3))
    await clock.sleep(5)
    assert jobs.made == 3
    await clock.sleep(10)
    assert jobs.made == 6
    assert await waiting == list(range(9))


@pytest.mark.acceptance
async def test_ten_thousand_handles_are_no_tasks_of_the_loop(novita, clock):
    without_debug()
    jobs = Jobs(novita, clock)
    tasks = [jobs.handle(number, 5) for number in range(10_000)]
    waiting = asyncio.create_task(novita.tasks.wait_all(tasks))
    await turns(50)
    assert novita.stats()["waiting"] == 10_000
    assert len(asyncio.all_tasks()) <= 2 + 100  # this one, the one that waits, and reads up to their limit
    assert await waiting == list(range(10_000))


async def test_updates_name_their_task(novita, clock):
    jobs = Jobs(novita, clock)
    updates = []
    items = [jobs.handle("a", 3), jobs.submit("b", 8)]
    await novita.tasks.wait_all(items, on_update=updates.append)
    assert {update.task_id for update in updates} == {"a", "b"}
    assert [update.status for update in updates if update.task_id == "b"][-1] == "DONE"
    again = []
    tasks = [jobs.handle("c", 3), jobs.handle("d", 3)]
    _ = [task async for task in novita.tasks.as_completed(tasks, on_update=again.append)]
    assert {update.task_id for update in again} == {"c", "d"}
    alone = []
    await jobs.handle("e", 3).wait(on_update=alone.append)
    assert [update.status for update in alone] == ["RUNNING"] * (len(alone) - 1) + ["DONE"]
    assert [update.age for update in alone] == sorted(update.age for update in alone)


async def test_a_callback_that_fails_does_not_hold_up_the_wait(novita, clock):
    problems = []
    asyncio.get_running_loop().set_exception_handler(lambda loop, context: problems.append(context["exception"]))

    def broken(update):
        raise ZeroDivisionError

    assert await Jobs(novita, clock).handle("a", 3).wait(on_update=broken) == "a"
    assert {type(problem) for problem in problems} == {ZeroDivisionError}


# ------------------------------------------------------------------------------------------- other endings


async def test_the_first_failure_ends_the_wait_and_no_more_is_submitted(novita, clock):
    jobs = Jobs(novita, clock)
    submits = (jobs.submit(n, 5 + n, ends="failed" if n == 1 else "done") for n in range(100))
    with pytest.raises(TaskFailed) as failed:
        await novita.tasks.wait_all(submits, limit=4)
    assert failed.value.task_id == "1"
    assert jobs.made <= 5
    assert novita.stats()["waiting"] == 0


async def test_with_return_exceptions_each_error_stands_in_its_place(novita, clock):
    async def refused():
        raise BadRequest("no", status=400)

    jobs = Jobs(novita, clock)
    items = [
        *(jobs.submit(0), jobs.submit(1, ends="failed"), refused(), jobs.submit(3)),
        *(jobs.handle("4", error=AuthenticationError("no", status=401)), jobs.handle(5)),
    ]
    results = await novita.tasks.wait_all(items, limit=2, return_exceptions=True)
    assert [results[0], results[3], results[5]] == [0, 3, 5]
    assert [type(results[n]) for n in (1, 2, 4)] == [TaskFailed, BadRequest, AuthenticationError]
    assert results[4].handle is items[4]


async def test_submits_under_way_are_answered_before_an_error_is_raised_if_that_is_soon(novita, clock):
    quick, slow = Jobs(novita, clock, answer=2), Jobs(novita, clock, answer=60)

    async def refused():
        raise BadRequest("no", status=400)

    with pytest.raises(BadRequest):
        await novita.tasks.wait_all([quick.submit("quick"), slow.submit("slow"), refused()])
    assert quick.answered == ["quick"]
    assert (slow.answered, slow.submitting) == ([], 0)
    assert clock.monotonic() == 5
    await clock.sleep(20)


async def test_the_time_is_for_all_of_it(novita, clock):
    jobs = Jobs(novita, clock)
    endless = jobs.handle("endless", 1e9)
    with pytest.raises(TaskTimeout, match="within 60 s") as late:
        await novita.tasks.wait_all([jobs.handle(1), endless], timeout=60)
    assert late.value.handle is endless
    assert clock.monotonic() == 60
    with pytest.raises(TaskStateUnknown):
        await novita.tasks.wait_all([jobs.handle("odd", 1, ends="unknown")], timeout=60)
    with pytest.raises(CallTimeout):
        await novita.tasks.wait_all([Jobs(novita, clock, answer=100).submit("slow")], timeout=60)
    assert clock.monotonic() == 185  # and five seconds for the answer


async def test_when_the_time_is_over_what_has_ended_is_given_and_the_rest_can_be_waited_for_again(novita, clock):
    jobs = Jobs(novita, clock)
    items = [jobs.submit(n, 20) for n in range(6)]
    results = await novita.tasks.wait_all(items, limit=2, timeout=35, return_exceptions=True)
    assert results[:2] == [0, 1]
    assert [type(result) for result in results[2:]] == [TaskTimeout, TaskTimeout, CallTimeout, CallTimeout]
    assert not results[5].sent
    assert await novita.tasks.wait_all([result.handle for result in results[2:4]]) == [2, 3]


async def test_a_wait_that_is_cancelled_leaves_nothing_behind(novita, clock):
    jobs = Jobs(novita, clock, answer=30)
    items = [jobs.handle("a", 1e9), *(jobs.submit(n) for n in range(5))]
    waiting = asyncio.create_task(novita.tasks.wait_all(items, limit=2))
    await clock.sleep(1)
    waiting.cancel()
    await asyncio.wait({waiting})
    assert waiting.cancelled()
    assert (jobs.made, jobs.submitting, novita.stats()["waiting"]) == (2, 0, 0)
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_closing_the_client_ends_the_wait(clock):
    async with connected(Server(clock, completion()), clock) as novita:
        waiting = asyncio.create_task(novita.tasks.wait_all([Jobs(novita, clock).handle("a", 1e9)]))
        await clock.sleep(1)
        await novita.aclose()
        with pytest.raises(ClientClosed):
            await waiting
        with pytest.raises(ClientClosed):
            await novita.tasks.wait_all([])


async def test_what_makes_the_submits_may_fail_itself(novita, clock):
    jobs = Jobs(novita, clock)

    def submits():
        yield jobs.submit(0)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await novita.tasks.wait_all(submits())
    await clock.sleep(20)


@pytest.mark.parametrize(
    ("items", "options", "problem"),
    [
        ([], {"limit": 0}, "limit"),
        ([], {"timeout": -1}, "timeout"),
        (["task-1"], {}, "takes tasks and awaitables that give tasks, got 'task-1'"),
    ],
)
async def test_arguments_that_cannot_be_are_refused(novita, items, options, problem):
    with pytest.raises(ValidationError, match=problem):
        await novita.tasks.wait_all(items, **options)


async def test_an_awaitable_that_gives_no_task_is_refused(novita, clock):
    with pytest.raises(ValidationError, match="awaitables that give tasks"):
        await novita.tasks.wait_all([clock.sleep(1)])


# ---------------------------------------------------------------------------------------------- the journal


async def test_the_journal_forgets_all_of_them_when_the_results_are_given_and_not_before(clock, tmp_path):
    path = tmp_path / "journal.db"

    def rows():
        with closing(sqlite3.connect(path)) as database:
            return database.execute("SELECT count(*) FROM submits").fetchone()[0]

    async with Simulator(clock=clock, task_seconds=10) as sim, inside(sim, journal=path) as novita:
        sim.fault("POST", TXT2IMG, Outcome.failed("no luck", after=1))
        submits = [novita.images.submit("txt2img", **PICTURE) for _ in range(20)]
        waiting = asyncio.create_task(novita.tasks.wait_all(submits, limit=10, return_exceptions=True))
        await clock.sleep(18)
        assert await clock.to_thread(rows) == 20
        results = await waiting
        assert Counter(type(result).__name__ for result in results) == {"TaskFailed": 1, "MediaResult": 19}
        assert await clock.to_thread(rows) == 0

        sim.fault("POST", TXT2IMG, Outcome.failed("no luck", after=1), Refuse.with_status(400))
        with pytest.raises(TaskFailed):
            await novita.tasks.wait_all([await novita.images.submit("txt2img", **PICTURE)])
        assert await clock.to_thread(rows) == 0
        with pytest.raises(BadRequest):
            await novita.tasks.wait_all(novita.images.submit("txt2img", **PICTURE) for _ in range(3))
        assert {type(left) for left in await novita.tasks.resume()} == {Task}
        assert len(await novita.tasks.resume()) == 2
