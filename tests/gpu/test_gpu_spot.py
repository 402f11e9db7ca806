"""`gpu.spot`: what is taken back is told in time, its work is saved, and it runs again where that is wanted."""

from __future__ import annotations

import asyncio
import random

import pytest
from helpers import Server, connected, inside, json_reply, without_debug

from novita_async.errors import AuthenticationError, TaskFailed, ValidationError
from novita_async.simulator import Drop, Outcome, Refuse, Simulator

PRODUCT = "4090.16c62g.os"
BASE = "/gpu-instance/openapi/v1/gpu"


@pytest.fixture
async def gpu(sim):
    async with inside(sim) as novita:
        yield novita.gpu


async def spot(gpu):
    made = await gpu.instances.create(PRODUCT, image="ubuntu", billing="spot")
    return await made.wait_until("running")


async def test_a_reclaim_is_told_step_by_step_with_the_time_left(sim, clock, gpu):
    instance = await spot(gpu)
    began = clock.monotonic()
    sim.gpu.reclaim(instance.id, notice=60)
    seen = [(notice.stage, notice.time_left) async for notice in gpu.spot.watch(instance, every=0.5)]
    assert [stage for stage, _ in seen] == ["announced", "reclaiming", "reclaimed"]
    assert 55 < seen[0][1] <= 60
    assert seen[1][1] == seen[2][1] == 0
    assert clock.monotonic() - began < 65


async def test_the_checkpoint_is_in_time_for_two_hundred_of_two_hundred_also_when_the_network_is_down(clock):
    without_debug()
    luck = random.Random(7)
    saved: dict[str, float] = {}
    ends: dict[str, float] = {}
    async with Simulator(clock=clock) as sim, inside(sim) as novita:
        made = [await novita.gpu.instances.create(PRODUCT, image="ubuntu", billing="spot") for _ in range(200)]
        await novita.gpu.instances.wait_all(made)
        start = clock.monotonic()
        plan = sorted((start + luck.uniform(0, 600), luck.uniform(150, 400), instance.id) for instance in made)
        # Down for a minute around every fortieth notice: it comes while nobody can hear it, and so do others.
        dark = [(since, since + 60) for since in (moment - luck.uniform(0, 59) for moment, *_ in plan[::40])]
        hidden = [id_ for moment, _, id_ in plan if any(since <= moment < until for since, until in dark)]
        assert len(hidden) >= 20
        sim.fault(
            "GET",
            f"{BASE}/*",
            Drop.before_headers(),
            times=None,
            match=lambda request: any(since <= request.time < until for since, until in dark),
        )

        async def play() -> None:
            for moment, notice, id_ in plan:
                await clock.sleep(max(0, moment - clock.monotonic()))
                ends[id_] = clock.monotonic() + notice
                sim.gpu.reclaim(id_, notice=notice)

        async def save(notice) -> None:
            await clock.sleep(luck.uniform(0, 40))
            saved[notice.instance.id] = clock.monotonic()

        player = asyncio.create_task(play())
        async with novita.gpu.spot.watch(made, checkpoint=save) as notices:
            stages = [(notice.instance.id, notice.stage, notice.error) async for notice in notices]
        await player
        asked = sum(request.path == f"{BASE}/instances" and request.time >= start for request in sim.requests)
        took = clock.monotonic() - start
    assert len(saved) == 200
    assert all(saved[id_] < ends[id_] for id_ in ends)
    assert sum(stage == "saved" and error is None for _, stage, error in stages) == 200
    assert sum(stage == "reclaimed" for _, stage, _ in stages) == 200
    assert asked < 3 * 2 * took / 15  # lists of two pages, whatever is watched
    assert not any(request.path == f"{BASE}/instance" and request.time > start for request in sim.requests)


async def test_a_checkpoint_that_fails_or_is_too_slow_is_told(sim, clock, gpu):
    instance, other = await spot(gpu), await spot(gpu)

    async def save(notice) -> None:
        if notice.instance.id == other.id:
            raise OSError("the disk is full")
        await clock.sleep(1e6)

    sim.gpu.reclaim(instance.id, notice=100)
    sim.gpu.reclaim(other.id, notice=100)
    async with gpu.spot.watch([instance, other.id], checkpoint=save) as notices:
        errors = {notice.instance.id: notice.error async for notice in notices if notice.stage == "saved"}
    assert isinstance(errors[instance.id], TimeoutError)
    assert isinstance(errors[other.id], OSError)


@pytest.mark.parametrize("after", ["restart", "migrate"])
async def test_what_was_reclaimed_runs_again_as_soon_as_there_are_cards(sim, clock, gpu, after):
    instance = await spot(gpu)
    sim.gpu.reclaim(instance.id, notice=60)
    sim.gpu.stock(PRODUCT, 0)
    stages = []
    async with gpu.spot.watch(instance, after=after) as notices:
        async for notice in notices:
            if notice.stage != "reclaiming":  # which is over soon, and may not be seen
                stages.append(notice.stage)
            if notice.stage == "reclaimed":
                asyncio.get_running_loop().create_task(restock(sim, clock))
            if notice.stage == "started":
                assert (notice.error, notice.instance.status) == (None, "running")
                assert notice.instance.ssh.host
                if stages.count("started") == 2:
                    break
                sim.gpu.reclaim(instance.id, notice=60)
    assert stages == ["announced", "reclaimed", "started"] * 2
    moved = await gpu.jobs.list(type="instanceMigrate")
    assert len(moved) == (2 if after == "migrate" else 0)


async def restock(sim, clock) -> None:
    await clock.sleep(300)
    sim.gpu.stock(PRODUCT, 4)


async def test_a_start_that_fails_is_told_and_ends_the_watch(sim, gpu):
    instance = await spot(gpu)
    sim.gpu.reclaim(instance.id, notice=60)
    sim.fault("POST", f"{BASE}/instance/start", Outcome.failed("no such image"))
    async with gpu.spot.watch(instance, after="restart") as notices:
        *_, last = [notice async for notice in notices]
    assert (last.stage, type(last.error)) == ("started", TaskFailed)
    assert "no such image" in str(last.error)


async def test_a_start_whose_answer_is_lost_is_no_second_start(sim, gpu):
    instance = await spot(gpu)
    sim.gpu.reclaim(instance.id, notice=60)
    sim.fault("POST", f"{BASE}/instance/start", Drop.after_work())
    async with gpu.spot.watch(instance, after="restart") as notices:
        async for notice in notices:
            if notice.stage == "started":
                assert notice.error is None
                break
    assert sum(request.path == f"{BASE}/instance/start" for request in sim.requests) == 1


async def test_what_is_deleted_meanwhile_is_gone(clock, gpu):
    instance = await spot(gpu)
    watch = gpu.spot.watch(instance)
    notices = asyncio.create_task(collect(watch))
    await clock.sleep(20)
    await instance.delete()
    assert [notice.stage for notice in await notices] == ["gone"]


async def collect(watch):
    return [notice async for notice in watch]


async def test_leaving_stops_the_checkpoint(sim, clock, gpu):
    instance = await spot(gpu)
    stopped = asyncio.Event()

    async def save(_: object) -> None:
        try:
            await clock.sleep(1e6)
        except asyncio.CancelledError:
            stopped.set()
            raise

    sim.gpu.reclaim(instance.id)
    async with gpu.spot.watch(instance, checkpoint=save) as notices:
        assert (await anext(notices)).stage == "announced"
        await clock.sleep(1)
    assert stopped.is_set()
    await notices.aclose()
    assert await collect(notices) == []


async def test_what_cannot_pass_ends_the_watch(sim, gpu):
    instance = await spot(gpu)
    sim.fault("GET", f"{BASE}/instances", Refuse.with_status(401), times=None)
    with pytest.raises(AuthenticationError):
        await collect(gpu.spot.watch(instance))


async def test_the_words_of_others_are_understood(clock):
    item = {"id": "i", "status": "running", "spotStatus": "active", "spotReclaimTime": "0"}
    answers = iter(
        [
            item,
            {**item, "spotStatus": "active", "spotReclaimTime": "1900000000"},
            {**item, "spotStatus": "reclaimed", "status": "exited"},
        ]
    )
    server = Server(clock, lambda _: json_reply({"instances": [next(answers)], "total": 1}))
    async with connected(server, clock) as novita:
        assert [notice.stage for notice in await collect(novita.gpu.spot.watch("i"))] == ["announced", "reclaimed"]


async def test_a_watch_that_cannot_work_is_refused(sim, gpu):
    for call, words in (
        (lambda: gpu.spot.watch([]), "no instance to watch"),
        (lambda: gpu.spot.watch("i", after="stop"), "after must be"),
        (lambda: gpu.spot.watch("i", every=0), "every"),
    ):
        with pytest.raises(ValidationError, match=words):
            call()
    assert sim.requests == []
