"""The simulator's workers of serverless endpoints, whatever comes and goes: never too many, in order, none lost."""

from __future__ import annotations

import asyncio
import itertools
import random
from typing import TYPE_CHECKING

import pytest

from novita_async.errors import ConnectionLost
from novita_async.simulator.serverless_workers import Fleet, Plan

if TYPE_CHECKING:
    from novita_async.testing.clock import JumpClock


@pytest.mark.parametrize("seed", range(20))
async def test_workers_are_never_too_many_and_everybody_gets_one_in_turn(clock: JumpClock, seed: int) -> None:
    dice = random.Random(seed)
    plan = Plan(
        least=dice.choice((0, 1)),
        most=dice.randint(1, 4),
        idle=dice.choice((1.0, 10.0)),
        concurrency=dice.randint(1, 3),
        policy=dice.choice(("queue", "concurrency")),
        value=dice.randint(1, 5),
    )
    numbers = itertools.count()
    came: list[str] = []
    went: dict[str, float] = {}
    fleet = Fleet(
        clock,
        plan,
        start_seconds=dice.choice((0.0, 0.7)),
        new_id=lambda: str(next(numbers)),
        came=lambda worker: came.append(worker.id),
        went=lambda worker, until: went.update({worker.id: until}),
    )
    asked: list[int] = []
    served: list[int] = []

    async def work(number: int, seconds: float) -> None:
        asked.append(number)
        worker = await fleet.acquire()
        served.append(number)
        assert worker.ready <= clock.monotonic() + 1e-6
        assert 0 < worker.busy <= plan.concurrency
        assert worker in fleet.workers
        assert plan.least <= len(fleet.workers) <= plan.most
        try:
            await clock.sleep(seconds)
        finally:
            fleet.release(worker)

    tasks: list[asyncio.Task[None]] = []
    for number in range(25):
        tasks.append(asyncio.create_task(work(number, dice.uniform(0, 3))))
        if dice.random() < 0.5:
            await clock.sleep(dice.uniform(0, 2))
        if dice.random() < 0.2:
            dice.choice(tasks).cancel()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    gone = {number for number, result in enumerate(results) if isinstance(result, asyncio.CancelledError)}
    assert served == sorted(served)
    assert set(range(25)) - gone <= set(served)
    assert (fleet.waiting, [worker.busy for worker in fleet.workers if worker.busy]) == (0, [])
    await clock.sleep(plan.idle + 1)
    assert len(fleet.workers) == plan.least
    fleet.close()
    assert fleet.workers == []
    assert set(went) == set(came)
    assert all(0 <= until <= clock.monotonic() for until in went.values())


async def test_who_waits_when_the_endpoint_goes_is_told_and_a_smaller_plan_lets_workers_go(clock: JumpClock) -> None:
    plan = Plan(least=2, most=2, idle=5, concurrency=1, policy="queue", value=1)
    numbers = itertools.count()
    gone: list[str] = []
    fleet = Fleet(
        clock,
        plan,
        start_seconds=1,
        new_id=lambda: str(next(numbers)),
        came=lambda worker: None,
        went=lambda worker, until: gone.append(worker.id),
    )
    fleet.follow(plan)
    first = await fleet.acquire()
    second = await fleet.acquire()
    assert {first.id, second.id} == {"0", "1"}
    fleet.follow(Plan(least=0, most=1, idle=5, concurrency=1, policy="queue", value=1))
    assert len(fleet.workers) == 2  # they have work
    fleet.release(second)
    assert (fleet.workers, gone) == ([first], [second.id])
    waiting = asyncio.create_task(fleet.acquire())
    await clock.sleep(1)
    fleet.close()
    with pytest.raises(ConnectionLost, match="was deleted"):
        await waiting
