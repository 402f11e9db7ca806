"""`gpu.spot`: what is taken back is told in time, its work is saved, and it runs again where that is wanted."""

from __future__ import annotations

import asyncio
import random
from typing import TYPE_CHECKING

import pytest
from helpers import Server, connected, inside, json_reply, without_debug

from novita_async.errors import AuthenticationError, ClientClosed, TaskFailed, ValidationError
from novita_async.simulator import Drop, Hang, Outcome, Refuse, Simulator
from novita_async.testing import JumpClock

if TYPE_CHECKING:
    from novita_async.gpu import SpotNotice

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


async def reclaimed_once(seed: int) -> float:
    """A world and a client of its own: an instance is announced to be taken back while the network is down for a minute
    (every third time it is not). Seconds that were left when its work had been saved."""
    luck = random.Random(seed)
    notice = luck.uniform(150, 3600)
    moment = luck.uniform(0, 600)
    since = moment - luck.uniform(0, 60)
    down = (Drop.before_headers(), Hang.before_headers(), None)[seed % 3]
    saved: list[float] = []
    async with JumpClock(grace=0) as clock, Simulator(clock=clock, seed=seed) as sim, inside(sim) as novita:
        made = await novita.gpu.instances.create(PRODUCT, image="ubuntu", billing="spot")
        await made.wait_until("running")
        start = clock.monotonic()
        if down is not None:
            darkness = sim.fault(
                "*", "*", down, times=None, match=lambda request: since <= request.time - start < since + 60
            )

        async def save(_: SpotNotice) -> None:
            # A call that hung as the network came back is given up after 30 s, and made again 5 s later.
            await clock.sleep(luck.uniform(0, notice - 100))
            saved.append(clock.monotonic())

        clock.call_later(moment, lambda: sim.gpu.reclaim(made.id, notice=notice))
        async with novita.gpu.spot.watch(made, checkpoint=save) as notices:
            told = [(each.stage, each.error) async for each in notices if each.stage != "reclaiming"]
    assert told == [("announced", None), ("saved", None), ("reclaimed", None)]
    assert down is None or darkness.hits
    (at,) = saved
    return start + moment + notice - at


@pytest.mark.parametrize("seeds", [range(12), pytest.param(range(200), marks=pytest.mark.acceptance)], ids=len)
async def test_the_checkpoint_is_in_time_in_every_run_also_when_the_network_is_down_for_a_minute(seeds):
    without_debug()
    left = [await reclaimed_once(seed) for seed in seeds]
    assert sum(seconds > 0 for seconds in left) == len(seeds)


async def test_one_list_looks_after_all_that_are_watched(clock):
    without_debug()
    async with Simulator(clock=clock) as sim, inside(sim) as novita:
        made = [await novita.gpu.instances.create(PRODUCT, image="ubuntu", billing="spot") for _ in range(60)]
        await novita.gpu.instances.wait_all(made)
        start, polls = clock.monotonic(), novita.stats()["polls"]
        watches = [novita.gpu.spot.watch(made[:30]), novita.gpu.spot.watch(made[30:])]
        told = [asyncio.create_task(collect(watch)) for watch in watches]
        await clock.sleep(900)
        assert novita.stats()["waiting"] == 2  # entries of the scheduler
        for instance in made:
            sim.gpu.reclaim(instance.id, notice=3600)
        stages = [notice.stage for notices in await asyncio.gather(*told) for notice in notices]
        took = clock.monotonic() - start
        asked = [request.path for request in sim.requests if request.time > start]
        assert novita.stats()["polls"] - polls >= len(asked)
    assert stages.count("announced") == stages.count("reclaimed") == 60
    assert set(asked) == {f"{BASE}/instances"}
    assert len(asked) < took / 15 + 50  # some more at the end, when it matters


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


async def test_a_checkpoint_that_is_no_coroutine_is_called_too(sim, gpu):
    instance = await spot(gpu)
    sim.gpu.reclaim(instance.id, notice=100)
    calls: list[str] = []
    notices = await collect(gpu.spot.watch(instance, checkpoint=lambda notice: calls.append(notice.stage)))
    assert calls == ["announced"]
    assert [each.stage for each in notices if each.stage != "reclaiming"] == ["announced", "saved", "reclaimed"]


async def test_the_time_of_a_checkpoint_is_what_the_platform_says_it_is(clock, gpu):
    """Seen late, put off, not told at all: it ends when the instance is taken back."""
    now = int(clock.time())
    item = {"id": "i", "status": "running", "spotStatus": "notified"}
    ends: dict[str, float] = {}

    async def play(*spans: tuple[float, dict[str, str]]) -> list[SpotNotice]:
        begin = clock.monotonic()

        def answer(_: object) -> dict[str, object]:
            age = clock.monotonic() - begin
            told = next(told for until, told in spans if age < until)
            return {"instances": [{**item, **told}], "total": 1}

        async def save(_: SpotNotice) -> None:
            try:
                await clock.sleep(1e6)
            finally:
                ends["at"] = clock.time() - now

        async with connected(Server(clock, lambda request: json_reply(answer(request))), clock) as novita:
            return await collect(novita.gpu.spot.watch("i", checkpoint=save))

    told = await play((1000, {"spotReclaimTime": str(now + 70)}), (1e9, {"status": "removed"}))
    assert (told[0].time_left, ends.pop("at")) == (70, 70)
    assert [each.stage for each in told] == ["announced", "saved", "gone"]
    at = now + clock.monotonic()
    told = await play(
        (50, {"spotReclaimTime": str(int(at) + 60)}),
        (200, {"spotReclaimTime": str(int(at) + 160)}),
        (1e9, {"status": "exited", "spotReclaimTime": str(int(at) + 160)}),
    )
    assert ends.pop("at") == pytest.approx(at - now + 160, abs=1)
    began = clock.monotonic()
    told = await play((300, {}), (1e9, {"status": "exited", "spotStatus": "terminated"}))
    assert 300 <= ends["at"] - began < 320
    assert [each.stage for each in told] == ["announced", "reclaimed", "saved"]
    assert isinstance(told[-1].error, TimeoutError)


async def test_a_checkpoint_that_does_not_mind_being_stopped_was_too_slow_all_the_same(sim, clock, gpu):
    instance = await spot(gpu)

    async def save(_: SpotNotice) -> None:
        try:
            await clock.sleep(1e6)
        except asyncio.CancelledError:
            return

    sim.gpu.reclaim(instance.id, notice=100)
    (saved,) = [each for each in await collect(gpu.spot.watch(instance, checkpoint=save)) if each.stage == "saved"]
    assert isinstance(saved.error, TimeoutError)


async def test_a_block_that_is_busy_misses_nothing(sim, clock, gpu):
    instance = await spot(gpu)
    saved: list[float] = []
    async with gpu.spot.watch(instance, checkpoint=lambda _: saved.append(clock.monotonic())) as notices:
        await clock.sleep(100)
        sim.gpu.reclaim(instance.id, notice=600)
        began = clock.monotonic()
        await clock.sleep(3000)
        assert saved[0] - began < 20
        assert [each.stage for each in await collect(notices)][-1] == "reclaimed"


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


async def test_what_is_left_in_the_middle_is_looked_after_no_more(sim, clock, gpu):
    instance = await spot(gpu)
    sim.gpu.reclaim(instance.id)
    async for notice in gpu.spot.watch(instance):
        assert notice.stage == "announced"
        break
    count = len(sim.requests)
    await clock.sleep(1000)
    assert len(sim.requests) == count


async def test_one_that_is_deleted_before_it_runs_again_is_gone(sim, clock, gpu):
    instance = await spot(gpu)
    sim.gpu.reclaim(instance.id, notice=60)
    sim.gpu.stock(PRODUCT, 0)
    stages = []
    async with gpu.spot.watch(instance, after="restart") as notices:
        async for notice in notices:
            stages.append(notice.stage)
            if notice.stage == "reclaimed":
                await clock.sleep(500)
                await instance.delete()
    assert (stages[0], stages[-2:]) == ("announced", ["reclaimed", "gone"])
    tries = [request.time for request in sim.requests if request.path == f"{BASE}/instance/start"]
    assert 10 < len(tries) < 20  # not as often as it looks


async def test_what_cannot_be_started_is_told(sim, gpu):
    instance = await spot(gpu)
    sim.gpu.reclaim(instance.id, notice=60)
    sim.fault("POST", f"{BASE}/instance/start", Refuse.with_status(401))
    *_, last = await collect(gpu.spot.watch(instance, after="restart"))
    assert (last.stage, type(last.error)) == ("started", AuthenticationError)


async def test_a_reclaim_that_was_is_no_reclaim_that_comes(clock):
    """The time of the last one may still be shown when the instance runs again."""
    old = {"spotReclaimTime": "1750000000"}
    states = {"exited": old, "running": {**old, "spotStatus": "running"}}
    status = "exited"

    def answer(request: object) -> object:
        nonlocal status
        path = request.url.split("?")[0]  # type: ignore[attr-defined]
        item = {"id": "i", "status": status, **states[status]}
        if path.endswith("/start"):
            status = "running"
            return json_reply({})
        return json_reply({"instances": [item], "total": 1} if path.endswith("/instances") else item)

    async with connected(Server(clock, answer), clock) as novita:
        checkpoints: list[str] = []
        watch = novita.gpu.spot.watch("i", after="restart", checkpoint=lambda notice: checkpoints.append(notice.stage))
        async with watch as notices:
            assert [(await anext(notices)).stage for _ in range(2)] == ["reclaimed", "started"]
            await clock.sleep(300)
            assert not checkpoints
            assert novita.stats()["waiting"] == 1


async def test_a_client_that_is_closed_ends_the_watch(sim, clock):
    async with inside(sim) as novita:
        instance = await spot(novita.gpu)
        notices = asyncio.create_task(collect(novita.gpu.spot.watch(instance)))
        await clock.sleep(20)
        await novita.aclose()
        with pytest.raises(ClientClosed):
            await notices
        with pytest.raises(ClientClosed):
            await collect(novita.gpu.spot.watch(instance))


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
    made = await gpu.instances.create(PRODUCT, image="ubuntu")
    usual = await made.wait_until("running")
    count = len(sim.requests)
    for call, words in (
        (lambda: gpu.spot.watch(usual), "only spot ones"),
        (lambda: gpu.spot.watch([]), "no instance to watch"),
        (lambda: gpu.spot.watch("i", after="stop"), "after must be"),
        (lambda: gpu.spot.watch("i", every=0), "every"),
    ):
        with pytest.raises(ValidationError, match=words):
            call()
    assert len(sim.requests) == count
