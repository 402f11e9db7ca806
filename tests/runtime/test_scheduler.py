"""The one scheduler of a client: when it reads, how much at once, what it tolerates, and how it ends."""

from __future__ import annotations

import asyncio
import random
from itertools import pairwise
from types import SimpleNamespace

import pytest
from helpers import turns, without_debug

from novita_async import Limits, Settings
from novita_async.errors import (
    AuthenticationError,
    BadRequest,
    CallTimeout,
    ClientClosed,
    Conflict,
    ConnectionLost,
    NotFound,
    PermissionDenied,
    ProtocolError,
    RateLimited,
    ServerError,
)
from novita_async.runtime.scheduler import Progress, Scheduler, Watch, default_cadence


class Job(Watch):
    """Something that is over after so many seconds; each read of it may fail first, or take its time."""

    def __init__(self, clock, *, seconds=1e9, errors=(), takes=0.0, eta=False, percent=False, cadence=default_cadence):
        self.clock = clock
        self.seconds = seconds
        self.errors = list(errors)
        self.takes = takes
        self.shows = (eta, percent)
        self.reads: list[float] = []
        self.reading = 0
        self.told: list[Exception | None] = []
        self.ended_at = -1.0
        super().__init__(cadence=cadence, since=clock.monotonic())

    @property
    def age(self):
        return self.clock.monotonic() - self.since

    @property
    def watch(self):
        return self

    async def read(self):
        self.reads.append(self.age)
        self.reading += 1
        try:
            await self.clock.sleep(self.takes)
        finally:
            self.reading -= 1
        error = self.errors.pop(0) if self.errors else None
        if error is not None:
            raise error
        return self.age >= self.seconds

    def notify(self, error):
        self.told.append(error)
        self.ended_at = self.age

    def progress(self):
        eta, percent = self.shows
        left = max(0.0, self.seconds - self.age)
        return (left if eta else 0.0), (100 * min(1.0, self.age / self.seconds) if percent else 0.0)


@pytest.fixture
async def schedule(clock):
    """`scheduler = schedule(polls=..., poll_rate=...)`."""
    made = []

    def make(**limits):
        scheduler = Scheduler(SimpleNamespace(clock=clock, settings=Settings(limits=Limits(**limits))))
        made.append(scheduler)
        return scheduler

    yield make
    for scheduler in made:
        await scheduler.aclose()


# ------------------------------------------------------------------------------------------ the cadence


HINTS = pytest.mark.parametrize("hint", [{}, {"eta": True}, {"percent": True}], ids=["no hint", "eta", "percent"])


@HINTS
async def test_a_job_of_a_second_is_noticed_within_700_ms(clock, schedule, hint):
    random.seed(16)
    scheduler = schedule()
    for _ in range(100):  # the jitter has this many chances to break it
        job = Job(clock, seconds=1.0, **hint)
        scheduler.add(job.watch)
        await clock.sleep(5)
        assert 1.0 <= job.ended_at <= 1.7


@HINTS
async def test_a_job_of_a_minute_costs_at_most_twelve_reads(clock, schedule, hint):
    random.seed(16)
    scheduler = schedule()
    for _ in range(100):
        job = Job(clock, seconds=60.0, **hint)
        scheduler.add(job.watch)
        await clock.sleep(120)
        assert len(job.reads) <= 12
        assert 60 <= job.ended_at <= 81


async def test_reads_never_stand_further_apart_than_the_longest_step(clock, schedule):
    job = Job(clock, seconds=7200.0)
    schedule().add(job.watch)
    await clock.sleep(7300)
    assert max(later - earlier for earlier, later in pairwise(job.reads)) <= 21
    assert job.ended_at <= 7221


def test_the_next_read_lands_before_the_end_that_the_platform_foretells():
    random.seed(1)
    for age, left in ((1, 10), (5, 20), (100, 5)):
        assert 0.5 * left <= default_cadence(Progress(age=age, eta=left, polls=3)) < left
        percent = 100 * age / (age + left)
        assert 0.5 * left <= default_cadence(Progress(age=age, percent=percent, polls=3)) < left or percent < 5


async def test_the_cadence_is_the_callers_to_replace(clock, schedule):
    seen = []

    def cadence(progress):
        seen.append(progress)
        return 3.0

    job = Job(clock, seconds=10.0, eta=True, cadence=cadence)
    schedule().add(job.watch)
    await clock.sleep(60)
    assert job.reads == [3, 6, 9, 12]
    assert seen == [
        Progress(age=age, eta=10 - age, percent=0, polls=polls) for polls, age in enumerate((0.0, 3.0, 6.0, 9.0))
    ]


async def test_what_was_submitted_long_ago_and_never_read_is_read_at_once(clock, schedule):
    random.seed(4)
    for webhook in (False, True):
        job = Job(clock, seconds=30.0)
        job.watch.webhook = webhook
        await clock.sleep(5000)
        schedule().add(job.watch)
        await clock.sleep(1)
        assert job.ended_at <= 5000.6


async def test_where_a_webhook_is_expected_reads_are_a_fifth_and_never_more_than_a_minute_apart(clock, schedule):
    random.seed(4)
    scheduler = schedule()
    plain, expecting, seldom = (Job(clock, seconds=seconds) for seconds in (60.0, 60.0, 7200.0))
    expecting.watch.webhook = seldom.watch.webhook = True
    for job in (plain, expecting, seldom):
        scheduler.add(job.watch)
    await clock.sleep(7300)
    assert len(expecting.reads) < len(plain.reads) / 2
    assert expecting.ended_at <= 120
    assert max(later - earlier for earlier, later in pairwise(seldom.reads)) <= 60.001
    for eta, percent in ((0, 0), (100, 0), (0, 50)):
        progress = {"age": 50, "eta": eta, "percent": percent, "polls": 3}
        steps = [default_cadence(Progress(**progress, webhook=webhook)) for webhook in (False, True)]
        assert steps[1] == pytest.approx(min(60, 5 * steps[0]), rel=0.11)


async def test_a_cadence_of_the_callers_is_told_whether_a_webhook_is_still_expected(clock, schedule):
    seen = []

    def cadence(progress):
        seen.append(progress.webhook)
        return 10.0

    scheduler = schedule()
    job = Job(clock, cadence=cadence)
    job.watch.webhook = True
    scheduler.add(job.watch)
    await clock.sleep(25)
    scheduler.hurry(job.watch)
    await turns()
    assert seen == [True, True, True, False]


# ------------------------------------------------------------------------------------------- the bounds


async def test_reads_in_flight_stay_under_their_limit(clock, schedule):
    scheduler = schedule(polls=7, poll_rate=1e6)
    most = 0

    class Counted(Job):
        async def read(self):
            nonlocal most
            most = max(most, sum(job.reading for job in jobs) + 1, scheduler.reading)
            return await super().read()

    jobs = [Counted(clock, seconds=5, takes=0.25) for _ in range(100)]
    for job in jobs:
        scheduler.add(job.watch)
    await clock.sleep(300)
    assert most == 7
    assert all(job.ended_at > 0 for job in jobs)
    assert (scheduler.waiting, scheduler.reading) == (0, 0)


async def test_reads_stay_under_their_rate_after_one_second_of_burst(clock, schedule):
    scheduler = schedule(polls=1000, poll_rate=50)
    jobs = [Job(clock, seconds=20) for _ in range(300)]
    for job in jobs:
        scheduler.add(job.watch)
    await clock.sleep(120)
    times = sorted(time for job in jobs for time in job.reads)
    for first, time in enumerate(times):
        within = sum(time <= other < time + 10 for other in times[first:])
        assert within <= 50 * (10 + 1) + 1
    assert all(job.ended_at > 0 for job in jobs)


async def test_nobody_starves_when_there_is_more_to_read_than_the_rate_allows(clock, schedule):
    scheduler = schedule(polls=4, poll_rate=10)
    jobs = [Job(clock) for _ in range(100)]
    for job in jobs:
        scheduler.add(job.watch)
    await clock.sleep(60)
    counts = [len(job.reads) for job in jobs]
    assert min(counts) >= 4
    assert max(counts) - min(counts) <= 2


async def test_nothing_runs_while_nothing_is_waited_for(clock, schedule):
    scheduler = schedule()
    job = Job(clock, seconds=1)
    scheduler.add(job.watch)
    await clock.sleep(5)
    jumps = clock.jumps
    await clock.sleep(1000)
    assert clock.jumps == jumps + 1  # our own sleep
    assert asyncio.all_tasks() == {asyncio.current_task()}


# --------------------------------------------------------------------------------------- what is tolerated

PASSING = [
    ConnectionLost("lost"),
    RateLimited("slow down", status=429),
    ServerError("oops", status=500),
    CallTimeout("attempt", 30),
    Conflict("busy", status=409),
]


@pytest.mark.parametrize("error", PASSING, ids=lambda error: type(error).__name__)
async def test_five_failed_reads_in_a_row_are_borne_and_the_sixth_is_not(clock, schedule, error):
    scheduler = schedule()
    borne = Job(clock, seconds=1, errors=[error] * 5)
    broken = Job(clock, seconds=1, errors=[error] * 6)
    scheduler.add(borne.watch)
    scheduler.add(broken.watch)
    await clock.sleep(200)
    assert borne.told[-1] is None
    assert broken.told[-1] is error
    assert len(broken.reads) == 6
    assert scheduler.waiting == 0


async def test_a_read_that_succeeds_forgives_all_before_it(clock, schedule):
    lost = ConnectionLost("lost")
    job = Job(clock, seconds=300, errors=[lost, lost, lost, lost, lost, None] * 4)
    schedule().add(job.watch)
    await clock.sleep(1000)
    assert set(job.told) == {None}
    assert job.ended_at >= 300


@pytest.mark.parametrize(
    "error",
    [
        AuthenticationError("no", status=401),
        PermissionDenied("no", status=403),
        BadRequest("no", status=400),
        ProtocolError("nonsense"),
        ValueError("a bug in a reader"),
    ],
    ids=lambda error: type(error).__name__,
)
async def test_an_error_that_will_not_pass_ends_the_wait_at_the_first_read(clock, schedule, error):
    job = Job(clock, errors=[error])
    schedule().add(job.watch)
    await clock.sleep(100)
    assert job.told == [error]
    assert len(job.reads) == 1


async def test_not_found_has_one_grace_right_after_the_submit_and_none_later(clock, schedule):
    scheduler = schedule()
    gone = NotFound("no such task", status=404)
    young = Job(clock, seconds=1, errors=[gone])
    never = Job(clock, errors=[gone, gone])
    lost = Job(clock, errors=[None, gone])
    for job in (young, never, lost):
        scheduler.add(job.watch)
    await clock.sleep(60)
    assert young.told[-1] is None
    assert never.told[-1] is gone
    assert len(never.reads) == 2
    assert lost.told[-1] is gone
    assert len(lost.reads) == 2


# ------------------------------------------------------------------------------- news, leaving, the end


async def test_news_of_a_job_are_read_at_once(clock, schedule):
    scheduler = schedule()
    job = Job(clock, seconds=30)
    scheduler.add(job.watch)
    await clock.sleep(30)
    before = len(job.reads)
    scheduler.hurry(job.watch)
    await turns()
    assert job.reads[before:] == [30]
    assert job.ended_at == 30


async def test_news_that_come_during_a_read_cause_one_more(clock, schedule):
    scheduler = schedule()
    job = Job(clock, seconds=2, takes=5, cadence=lambda progress: 100.0)
    scheduler.add(job.watch)
    await clock.sleep(101)
    job.seconds = 103
    for _ in range(10):
        scheduler.hurry(job.watch)
    assert job.reading == 1
    await clock.sleep(60)
    assert job.reads == [100]  # its answer came at 105, and said that all was over
    late = Job(clock, seconds=106, takes=5, cadence=lambda progress: 100.0)
    scheduler.add(late.watch)
    await clock.sleep(101)
    for _ in range(10):
        scheduler.hurry(late.watch)
    await clock.sleep(8)
    assert late.reads == [100, 105]
    assert late.reading == 1
    await clock.sleep(30)
    assert late.ended_at == 110


async def test_after_news_that_were_ahead_of_the_platform_reads_are_close_and_then_as_before(clock, schedule):
    scheduler = schedule()
    job = Job(clock, cadence=lambda progress: 20.0)
    scheduler.add(job.watch)
    await clock.sleep(50)
    scheduler.hurry(job.watch)
    await clock.sleep(150)
    steps = [later - earlier for earlier, later in pairwise([time for time in job.reads if time >= 50])]
    assert steps[:6] == [0.5, 0.5, 1, 2, 4, 8]
    assert set(steps[7:]) == {20}


async def test_news_that_come_while_many_wait_for_their_turn_are_read_in_their_turn(clock, schedule):
    scheduler = schedule(polls=2, poll_rate=1000)
    jobs = [Job(clock, seconds=50, takes=1, cadence=lambda progress: 100.0) for _ in range(20)]
    for job in jobs:
        scheduler.add(job.watch)
    await clock.sleep(50)
    for _ in range(3):
        for job in jobs:
            scheduler.hurry(job.watch)
    await clock.sleep(10.2)
    assert [len(job.reads) for job in jobs] == [1] * 20


async def test_not_found_long_after_the_submit_is_no_delay_of_the_platforms(clock, schedule):
    gone = NotFound("no such task", status=404)
    job = Job(clock, errors=[gone])
    await clock.sleep(3600)
    schedule().add(job.watch)
    await clock.sleep(60)
    assert job.told == [gone]


async def test_what_is_waited_for_anew_while_its_last_read_is_being_ended_is_read_again(clock, schedule):
    scheduler = schedule()
    job = Job(clock, seconds=1, takes=3, cadence=lambda progress: 1.0)
    scheduler.add(job.watch)
    await clock.sleep(2)
    assert job.reading == 1
    scheduler.remove(job.watch)
    scheduler.add(job.watch)
    await clock.sleep(2)
    assert (job.reads, job.told, scheduler.reading) == ([1, 3], [], 1)
    await clock.sleep(10)
    assert job.told == [None]


async def test_what_is_no_longer_waited_for_is_no_longer_read(clock, schedule):
    scheduler = schedule()
    job = Job(clock)
    scheduler.add(job.watch)
    await clock.sleep(3)
    scheduler.remove(job.watch)
    scheduler.remove(job.watch)
    scheduler.hurry(job.watch)
    before = len(job.reads)
    await clock.sleep(100)
    assert len(job.reads) == before
    assert scheduler.waiting == 0


async def test_a_read_in_flight_ends_with_the_wait(clock, schedule):
    scheduler = schedule()
    job, other = Job(clock, takes=30), Job(clock, takes=30)
    scheduler.add(job.watch)
    scheduler.add(other.watch)
    await clock.sleep(1)
    assert scheduler.reading == 2
    scheduler.remove(job.watch)
    await turns()
    assert (job.reading, other.reading, scheduler.reading) == (0, 1, 1)
    assert job.told == []


async def test_a_listener_may_stop_the_wait_from_inside_the_read(clock, schedule):
    scheduler = schedule()

    class Impatient(Job):
        def notify(self, error):
            super().notify(error)
            scheduler.remove(self.watch)

    job = Impatient(clock)
    scheduler.add(job.watch)
    await clock.sleep(100)
    assert job.told == [None]
    assert scheduler.waiting == 0


async def test_what_was_removed_can_be_waited_for_again(clock, schedule):
    scheduler = schedule()
    job = Job(clock, seconds=10)
    for _ in range(3):
        scheduler.add(job.watch)
        scheduler.add(job.watch)
        assert scheduler.waiting == 1
        scheduler.remove(job.watch)
    scheduler.add(job.watch)
    await clock.sleep(30)
    assert job.ended_at >= 10


async def test_closing_tells_all_who_wait_also_those_that_are_just_being_read(clock, schedule):
    scheduler = schedule(polls=1)
    reading, queued = Job(clock, takes=30, cadence=lambda _: 0.5), Job(clock, cadence=lambda _: 0.5)
    scheduler.add(reading.watch)
    scheduler.add(queued.watch)
    await clock.sleep(1)
    assert scheduler.reading == 1
    await scheduler.aclose()
    await scheduler.aclose()
    for job in (reading, queued):
        assert [type(error) for error in job.told] == [ClientClosed]
    assert (scheduler.waiting, scheduler.reading) == (0, 0)
    with pytest.raises(ClientClosed):
        scheduler.add(queued.watch)


@pytest.mark.acceptance
async def test_ten_thousand_waits_are_entries_of_a_heap_and_no_tasks_of_the_loop(clock, schedule):
    scheduler = schedule(polls=32, poll_rate=1e5)
    reads, most = 0, 0

    class Counted(Job):
        async def read(self):
            nonlocal reads, most
            reads += 1
            if not reads % 100:  # counting them is slow
                most = max(most, len(asyncio.all_tasks()))
            return await super().read()

    jobs = [Counted(clock, seconds=2) for _ in range(10_000)]
    for job in jobs:
        scheduler.add(job.watch)
    assert len(asyncio.all_tasks()) == 1
    without_debug()
    await clock.sleep(30)
    assert all(job.ended_at > 0 for job in jobs)
    assert 0 < most <= 1 + 32
