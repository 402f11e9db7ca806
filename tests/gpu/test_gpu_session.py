"""`instances.session`, guards, choosing, and the waits for many: what stands on the life of an instance."""

from __future__ import annotations

import asyncio
import itertools
from collections import Counter
from decimal import Decimal

import pytest
from helpers import Server, connected, inside, json_reply, refusal

from novita_async import Simulator
from novita_async.catalog.gpu_life import GONE, LASTING, LIFE, PASSING
from novita_async.catalog.gpu_life import refusal as impossible
from novita_async.errors import (
    ConnectionLost,
    InsufficientBalance,
    NotFound,
    OutcomeUnknown,
    OutOfStock,
    TaskFailed,
    TaskTimeout,
    ValidationError,
)
from novita_async.gpu import Port
from novita_async.simulator import Drop, Outcome, Refuse

PRODUCT = "4090.16c62g.os"
BASE = "/gpu-instance/openapi/v1/gpu"


@pytest.fixture
async def gpu(sim):
    async with inside(sim) as novita:
        yield novita.gpu


def sent(sim, verb: str) -> int:
    return sum(request.path == f"{BASE}/instance/{verb}" for request in sim.requests)


# -------------------------------------------------------------------------------------------------- session


async def test_a_session_runs_and_is_reached_and_leaves_nothing(sim, gpu):
    session = gpu.instances.session(PRODUCT, image="ubuntu", ports=[Port(8000, "http"), "22/tcp"], jupyter=True)
    with pytest.raises(ValidationError, match="no instance yet"):
        _ = session.id
    async with session as entered:
        assert entered is session
        assert session.instance.status == "running"
        assert session.instance.name.startswith("session-")
        assert session.ssh.host == "proxy.us-01.gpu-instance.novita.simulator"
        assert session.jupyter_lab.address.startswith("https://")
        assert session.endpoint(8000).startswith(f"https://{session.id}-8000.")
        with pytest.raises(ValidationError, match="8000/http, 22/tcp"):
            session.endpoint(81)
        with pytest.raises(ValidationError, match="once"):
            await session.__aenter__()
    assert (await gpu.instances.wait_until(session.id, "removed")).status == "removed"
    await session.aclose()
    assert sent(sim, "delete") == 1


async def test_where_it_is_reached_is_read_anew_after_every_start(gpu):
    async with gpu.instances.session(PRODUCT, image="ubuntu", ports=["22/tcp"]) as session:
        seen = [(session.ssh.port, session.ssh.password, session.endpoint(22))]
        await session.restart()
        seen.append((session.ssh.port, session.ssh.password, session.endpoint(22)))
        await session.migrate()
        seen.append((session.ssh.port, session.ssh.password, session.endpoint(22)))
        await session.stop()
        assert session.ssh.host == ""
        with pytest.raises(ValidationError, match="not open"):
            session.endpoint(22)
        await session.start()
        seen.append((session.ssh.port, session.ssh.password, session.endpoint(22)))
        assert (await session.refresh()).status == "running"
    assert len({password for _, password, _ in seen}) == len({endpoint for *_, endpoint in seen}) == 4


@pytest.mark.parametrize(("how", "status"), [("stop", "exited"), ("leave", "running"), ("delete", "removed")])
async def test_it_ends_as_it_was_told_also_when_the_block_fails(clock, gpu, how, status):
    with pytest.raises(KeyError):
        async with gpu.instances.session(PRODUCT, image="ubuntu", on_exit=how) as session:
            raise KeyError("oh")
    await clock.sleep(5)
    if status == "removed":
        assert await gpu.instances.list() == []
    else:
        assert (await session.refresh()).status == status


async def test_what_does_not_start_is_deleted(sim, gpu):
    sim.fault("POST", f"{BASE}/instance/create", Outcome.failed("no such image"))
    with pytest.raises(TaskFailed, match="no such image"):
        async with gpu.instances.session(PRODUCT, image="nothing", on_exit="stop"):
            raise AssertionError("it must not be entered")
    assert sent(sim, "delete") == 1


async def test_a_session_whose_caller_is_cancelled_leaves_nothing(sim, clock, gpu):
    async def hold() -> None:
        async with gpu.instances.session(PRODUCT, image="ubuntu"):
            await clock.sleep(1000)

    for moment in (0.5, 1.5, 20):
        task = asyncio.create_task(hold())
        await clock.sleep(moment)
        task.cancel()
        await asyncio.wait({task})
        assert task.cancelled()
        await clock.sleep(10)
        assert await gpu.instances.list() == []


async def test_an_end_that_fails_says_that_it_costs(sim, gpu):
    sim.fault("POST", f"{BASE}/instance/delete", Refuse.with_status(403), times=None)
    with pytest.raises(KeyError) as failed:
        async with gpu.instances.session(PRODUCT, image="ubuntu") as session:
            raise KeyError("oh")
    assert f"the instance {session.id} goes on, and costs" in failed.value.__notes__[0]


async def test_an_order_whose_outcome_is_unknown_is_looked_up_and_found(sim, gpu):
    sim.fault("POST", f"{BASE}/instance/create", Drop.after_work())
    async with gpu.instances.session(PRODUCT, image="ubuntu"):
        assert len(await gpu.instances.list()) == 1
    assert sent(sim, "create") == 1


async def test_an_order_that_was_lost_is_sent_again_after_the_look(sim, gpu):
    sim.fault("POST", f"{BASE}/instance/create", Drop.before_headers())
    async with gpu.instances.session(PRODUCT, image="ubuntu", name="mine"):
        assert [instance.name for instance in await gpu.instances.list()] == ["mine"]
    paths = [request.path.rpartition("/")[2] for request in sim.requests if request.path.startswith(BASE)]
    assert paths[:4] == ["create", "instances", "instances", "create"]


async def test_what_is_listed_a_moment_later_is_found_too(sim, gpu):
    sim.fault("POST", f"{BASE}/instance/create", Drop.after_work())
    sim.reply("GET", f"{BASE}/instances", {"instances": [], "total": 0})
    made = await gpu.instances.create(PRODUCT, image="ubuntu", name="mine", recover=True)
    assert [instance.id for instance in await gpu.instances.list()] == [made.id]
    assert sent(sim, "create") == 1


async def test_a_caller_that_is_cancelled_while_it_looks_leaves_nothing(sim, clock, gpu):
    sim.fault("POST", f"{BASE}/instance/create", Drop.after_work())
    sim.reply("GET", f"{BASE}/instances", {"instances": [], "total": 0})
    order = asyncio.create_task(gpu.instances.create(PRODUCT, image="ubuntu", name="mine", recover=True))
    await clock.sleep(1)
    order.cancel()
    await asyncio.wait({order})
    assert order.cancelled()
    await clock.sleep(5)
    assert await gpu.instances.list() == []


async def test_another_instance_with_a_longer_name_is_not_taken_for_it(sim, gpu):
    other = await gpu.instances.create(PRODUCT, image="ubuntu", name="mine-too")
    sim.fault("POST", f"{BASE}/instance/create", Drop.before_headers())
    made = await gpu.instances.create(PRODUCT, image="ubuntu", name="mine", recover=True)
    assert made.id != other.id
    sim.fault("POST", f"{BASE}/instance/create", Drop.before_headers())
    with pytest.raises(OutcomeUnknown):
        await gpu.instances.create(PRODUCT, image="ubuntu", name="mine")


async def test_a_refused_order_is_not_looked_up(sim, gpu):
    sim.gpu.arrears()
    with pytest.raises(InsufficientBalance):
        async with gpu.instances.session(PRODUCT, image="ubuntu"):
            raise AssertionError("it must not be entered")
    assert len(sim.requests) == 1


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"on_exit": "pause"}, "on_exit must be one of delete, stop, leave"),
        ({"start_timeout": 0}, "start_timeout"),
        ({"stall": -1}, "stall"),
        ({"months": 1}, "a monthly instance cannot be deleted"),
        ({"billing": "monthly"}, "a monthly instance cannot be deleted"),
    ],
)
async def test_a_session_that_cannot_work_is_refused(sim, gpu, change, words):
    with pytest.raises(ValidationError, match=words):
        gpu.instances.session(PRODUCT, image="ubuntu", **change)
    assert sim.requests == []


# --------------------------------------------------------------------------------------------------- guards


def test_the_table_knows_every_status_and_its_own_paths():
    assert not PASSING & LASTING
    for operation in LIFE.values():
        *passing, last = operation.path or ("running",)
        assert set(passing) <= PASSING
        assert last in LASTING or last == ""
        assert operation.allowed is None or operation.allowed <= PASSING | LASTING
    assert impossible("stop", "running") == impossible("stop", "hovering") == ""
    assert "wants running" in impossible("stop", "exited")
    assert impossible("delete", "creating") == ""
    assert "monthly" in impossible("delete", "running", billing="monthly")
    assert "taken back" in impossible("migrate", "running", billing="spot", spot="notified")
    for status in GONE:
        assert impossible("upgrade", status)


async def test_a_guard_refuses_here_and_with_the_reason(sim, gpu):
    instance = await (await gpu.instances.create(PRODUCT, image="ubuntu", months=1)).wait_until("running")
    refused = {
        "start": "it wants exited",
        "delete": "this one is monthly",
        "upgrade": None,
        "restart": None,
    }
    for verb, words in refused.items():
        before = sent(sim, verb)
        if words is None:
            await getattr(instance, verb)(check=True)
            await instance.wait_until("running")
        else:
            with pytest.raises(ValidationError, match=words):
                await getattr(instance, verb)(check=True)
        assert sent(sim, verb) == before + (words is None)
    with pytest.raises(ValidationError, match="onDemand"):
        await gpu.instances.to_monthly(instance.id, 1, check=True)


IMPOSSIBLE = [
    (lambda room: room.edit("i"), "nothing to change"),
    (lambda room: room.edit("i", ports=["2223/tcp"]), "2223 is reserved"),
    (lambda room: room.edit("i", ports=["80/tcp", "80/http"]), "there twice"),
    (lambda room: room.edit("i", expand_disk=-1), "expand_disk must be 0 to 6144 GB"),
    (lambda room: room.renew("i", 0), "months must be at least 1"),
    (lambda room: room.to_monthly("i", 0), "months must be at least 1"),
    (lambda room: room.set_auto_renew("i", 13), "months must be 1 to 12"),
    (lambda room: room.set_auto_renew([], 1), "instance_ids is empty"),
    (lambda room: room.create("p", image="i", recover=True), "recover finds an instance by its name"),
    (lambda room: room.create([], image="i"), "no product"),
    (lambda room: room.create("p", image="i", billing="hourly"), "billing must be one of"),
    (lambda room: room.create("p", image="i", billing="spot", months=1), "makes an instance monthly"),
    (lambda room: room.create("p", image="i", auto_renew_months=1), "auto_renew_months is for"),
    (lambda room: room.create("p", image="i", image_auth="secret"), "image_auth must be"),
    (lambda room: room.create("p", image="i", jupyter=2222), "jupyter must be"),
    (lambda room: room.create("p", image="i", jupyter=True, ports=["8888/http"]), "8888 is Jupyter's"),
    (
        lambda room: room.create("p", image="i", jupyter=True, ports=[f"{n}/tcp" for n in range(1, 16)]),
        "at most 15",
    ),
    (lambda room: room.create("p", image="i", name="n" * 256), "name has 255 letters at most"),
    (lambda room: room.create("p", image="i", envs={"": "1"}), "the name of the env '' is empty"),
    (lambda room: room.upgrade("i", image=""), "image is empty"),
    (lambda room: room.wait_until("../x", stall=0), "stall"),
    (lambda room: room.stop(".."), "no id"),
]


async def test_a_call_that_cannot_work_is_refused_before_it_is_sent(sim, gpu):
    for call, words in IMPOSSIBLE:
        with pytest.raises(ValidationError, match=words):
            await call(gpu.instances)
    assert sim.requests == []


async def test_the_secret_of_an_image_is_not_in_the_refusal(gpu):
    with pytest.raises(ValidationError) as refused:
        await gpu.instances.create("p", image="i", image_auth="hush")
    assert "hush" not in str(refused.value)


async def test_what_the_platform_refuses_has_its_own_class(gpu):
    with pytest.raises(NotFound):
        await gpu.instances.create(PRODUCT, image="ubuntu", cluster_id="nowhere")
    with pytest.raises(NotFound):
        await gpu.instances.create(PRODUCT, image="ubuntu", network_id="none")
    with pytest.raises(NotFound):
        await gpu.instances.create(PRODUCT, image="ubuntu", storages={"none": "/data"})
    with pytest.raises(NotFound):
        await gpu.templates.get("none")
    with pytest.raises(NotFound):
        await gpu.jobs.get("none")


# ------------------------------------------------------------------------------------------------- choosing


async def test_offers_are_found_by_what_they_must_be_and_the_cheapest_is_first(gpu):
    found = await gpu.products.find()
    prices = [product.price for product in found]
    assert prices == sorted(prices)
    assert "h200.24c200g.sxm" not in [product.id for product in found]
    assert [product.id for product in await gpu.products.find(gpu="RTX 4090", count=8)] == [PRODUCT]
    cheap = await gpu.products.find(count=2, max_price="0.45", billing="spot")
    assert [product.name for product in cheap] == ["RTX 3090 24GB", "RTX 4090 24GB"]
    assert [product.spot_price for product in cheap] == [Decimal("0.11"), Decimal("0.18")]
    assert [product.name for product in await gpu.products.find(region="as-03", max_price=0.3)] == ["RTX 3090 24GB"]
    assert [product.name for product in await gpu.products.find(region="Singapore", gpu="A100")] == ["A100 SXM 80GB"]
    assert await gpu.products.find(gpu="RTX 6000 Ada", billing="spot") == []
    assert [each.id for each in await gpu.products.find(gpu="Ada", billing="monthly")] == ["rtx6000ada.16c96g.os"]


@pytest.mark.parametrize("change", [{"count": 9}, {"count": 0}, {"billing": "x"}, {"max_price": 0}, {"max_price": "a"}])
async def test_nonsense_is_not_looked_for(sim, gpu, change):
    with pytest.raises(ValidationError):
        await gpu.products.find(**change)
    assert sim.requests == []


async def test_what_is_out_of_stock_falls_through_to_the_next(sim, gpu):
    offers = await gpu.products.find(count=1, region="us-01")
    for offer in offers[:2]:
        sim.gpu.stock(offer.id, 0)
    made = await gpu.instances.create(offers, image="ubuntu")
    assert (await made.refresh()).product_id == offers[2].id
    for offer in offers:
        sim.gpu.stock(offer.id, 0)
    with pytest.raises(OutOfStock):
        await gpu.instances.create(offers, image="ubuntu")
    with pytest.raises(OutOfStock):
        await gpu.instances.create(PRODUCT, image="ubuntu")
    assert await gpu.products.find() != offers


async def test_only_stock_falls_through(clock):
    server = Server(clock, refusal(400, "BALANCE_NOT_ENOUGH"))
    async with connected(server, clock) as novita:
        with pytest.raises(InsufficientBalance):
            await novita.gpu.instances.create(["a", "b"], image="ubuntu")
    assert len(server.requests) == 1


# ------------------------------------------------------------------------------------------- what befalls it


async def test_a_start_without_cards_is_out_of_stock_and_the_instance_stays(sim, gpu):
    instance = await (await gpu.instances.create(PRODUCT, image="ubuntu")).wait_until("running")
    await instance.stop()
    await instance.wait_until("exited")
    sim.gpu.stock(PRODUCT, 0)
    with pytest.raises(OutOfStock):
        await instance.start()
    assert (await instance.refresh()).status == "exited"


async def test_arrears_freeze_what_runs_and_money_leaves_it_stopped(sim, clock, gpu):
    instance = await (await gpu.instances.create(PRODUCT, image="ubuntu")).wait_until("running")
    sim.gpu.arrears()
    assert (await instance.refresh()).status == "freezing"
    with pytest.raises(ValidationError, match="freezing"):
        await instance.start(check=True)
    sim.gpu.arrears(False)
    assert (await instance.wait_until("exited")).status == "exited"
    await instance.start()
    await instance.wait_until("running")


async def test_a_spot_instance_is_announced_reclaimed_and_can_be_started_again(sim, clock, gpu):
    instance = await gpu.instances.create(PRODUCT, image="ubuntu", billing="spot")
    await instance.wait_until("running")
    sim.gpu.reclaim(instance.id, notice=600)
    seen = []
    for _ in range(4):
        now = await instance.refresh()
        seen.append((now.status, now.spot_status))
        assert now.reclaimed_at is not None
        await clock.sleep(600 if len(seen) == 1 else 1)
    assert seen[:2] == [("running", "notified"), ("running", "reclaiming")]
    assert seen[2] == ("exited", "terminated")
    await instance.start()
    again = await instance.wait_until("running")
    assert (again.spot_status, again.reclaimed_at) == ("running", None)
    with pytest.raises(ValidationError, match="not spot"):
        sim.gpu.reclaim((await gpu.instances.create(PRODUCT, image="ubuntu")).id)


async def test_the_platform_moves_an_instance_by_itself(sim, gpu):
    instance = await (await gpu.instances.create(PRODUCT, image="ubuntu")).wait_until("running")
    sim.gpu.migrate(instance.id)
    assert (await instance.refresh()).status == "migrating"
    moved = await instance.wait_until("running")
    assert moved.ssh.password != instance.ssh.password
    (job,) = await gpu.jobs.list(type="autoInstanceMigrate")
    assert (await gpu.jobs.wait(job.id)).instance_id == instance.id


async def test_a_failed_and_a_stopped_job_end_the_wait_with_their_reason(sim, gpu):
    instance = await (await gpu.instances.create(PRODUCT, image="ubuntu")).wait_until("running")
    sim.fault("POST", "/gpu-instance/openapi/v1/job/save/image", Outcome.failed("no space"))
    with pytest.raises(TaskFailed, match="no space"):
        await gpu.jobs.wait(await gpu.jobs.save_image(instance.id, "i"))
    job = await gpu.jobs.save_image(instance.id, "i")
    await gpu.jobs.stop(job)
    with pytest.raises(TaskFailed, match="ended as break"):
        await gpu.jobs.wait(job)


# -------------------------------------------------------------------------------------------------- waiting


async def test_a_wait_tells_how_far_it_is(sim, gpu):
    seen: list[tuple[str, float]] = []
    instance = await gpu.instances.create(PRODUCT, image="ubuntu")
    await gpu.instances.wait_until(instance.id, on_update=lambda update: seen.append((update.status, update.progress)))
    assert seen[-1] == ("running", 100.0)
    assert seen == sorted(seen, key=lambda each: each[1])
    assert {status for status, _ in seen} <= set(LIFE["create"].path)


async def test_what_stalls_is_reported_with_its_status(sim, clock, gpu):
    sim.fault("POST", f"{BASE}/instance/create", Outcome.succeeded(after=1e6))
    instance = await gpu.instances.create(PRODUCT, image="ubuntu")
    with pytest.raises(TaskFailed, match="it has been toCreate for"):
        await instance.wait_until(stall=120)
    assert 120 <= clock.monotonic() < 150
    with pytest.raises(TaskTimeout, match="last status toCreate"):
        await instance.wait_until(timeout=10)


async def test_a_thousand_instances_are_watched_by_lists_and_within_the_bounds(clock):
    async with Simulator(clock=clock, gpu_step_seconds=5) as sim:
        async with inside(sim) as novita:
            asyncio.get_running_loop().set_debug(False)
            room = novita.gpu.instances
            made = await novita.gather((room.create(PRODUCT, image="i") for _ in range(1000)), limit=200)
            peak = 0

            def look(_: object) -> None:
                nonlocal peak
                peak = max(peak, novita.stats()["polls_in_flight"])

            up = await room.wait_all(made, on_update=look)
            assert [instance.id for instance in up] == [instance.id for instance in made]
            assert {instance.status for instance in up} == {"running"}
            assert peak <= novita.settings.limits.polls
        counts = Counter(request.path for request in sim.requests)
        assert counts[f"{BASE}/instance/create"] == 1000
        # The last few are read one by one, which is cheaper then.
        assert counts[f"{BASE}/instance"] < 50
        assert counts[f"{BASE}/instances"] < 600


async def test_few_are_read_and_what_a_list_lacks_is_read_too(sim, clock, gpu):
    made = [await gpu.instances.create(PRODUCT, image="i") for _ in range(3)]
    await gpu.instances.wait_all(made)
    assert sum(request.path == f"{BASE}/instances" for request in sim.requests) == 0
    many = [await gpu.instances.create(PRODUCT, image="i", ports=["80/http"]) for _ in range(12)]
    up = await asyncio.gather(*(instance.wait_until("running") for instance in many))
    assert all(instance.ports[0].endpoint for instance in up)
    assert sum(request.path == f"{BASE}/instances" for request in sim.requests) > 0


async def test_a_list_from_before_the_wait_says_nothing_about_it(clock):
    """Twelve are waited for; the list that tells of them was begun before the restart of one of them."""
    ids = [f"i-{number}" for number in range(12)]
    states = dict.fromkeys(ids, "creating")
    lists = itertools.count()

    def answer(request):
        if "/instances" in request.url:
            next(lists)
            return json_reply({"instances": [{"id": id_, "status": states[id_]} for id_ in ids], "total": 12})
        return json_reply({"id": request.url.rpartition("=")[2], "status": states[request.url.rpartition("=")[2]]})

    async with connected(Server(clock, answer), clock) as novita:
        waits = [asyncio.create_task(novita.gpu.instances.wait_until(id_)) for id_ in ids]
        await clock.sleep(2)
        states["i-0"] = "running"
        assert (await waits[0]).status == "running"
        states["i-0"] = "restarting"
        again = asyncio.create_task(novita.gpu.instances.wait_until("i-0"))
        await clock.sleep(60)
        assert not again.done()
        states.update(dict.fromkeys(ids, "running"))
        await asyncio.gather(again, *waits)
        assert novita.gpu.instances.board.waiting == 0


async def test_one_that_fails_ends_the_wait_for_all_or_stands_in_its_place(sim, gpu):
    good = await gpu.instances.create(PRODUCT, image="i")
    sim.fault("POST", f"{BASE}/instance/create", Outcome.failed("no such image"))
    bad = await gpu.instances.create(PRODUCT, image="i")
    with pytest.raises(TaskFailed, match="no such image"):
        await gpu.instances.wait_all([good, bad])
    up, error = await gpu.instances.wait_all([good, bad], return_exceptions=True)
    assert (up.status, type(error)) == ("running", TaskFailed)
    assert gpu.instances.board.waiting == 0


async def test_a_list_that_fails_once_is_asked_again(sim, gpu):
    sim.fault("GET", f"{BASE}/instances", Drop.before_headers(), times=2)
    made = [await gpu.instances.create(PRODUCT, image="i") for _ in range(10)]
    assert len(await gpu.instances.wait_all(made)) == 10
    sim.fault("GET", f"{BASE}/instances", Drop.before_headers(), times=None)
    with pytest.raises(ConnectionLost):
        await gpu.instances.list()


async def test_a_list_that_failed_tells_nobody_anything(clock):
    """Those who waited for a list that broke off make one of their own, and do not take an older one for it."""
    states = iter(["creating", None, "running"])

    def answer(request):
        if (status := next(states, "running")) is None:
            raise ConnectionLost("broken off")
        return json_reply({"instances": [{"id": "i", "status": status}], "total": 1})

    async with connected(Server(clock, answer), clock) as novita:
        board = novita.gpu.instances.board
        assert (await board.recent(0))["i"].status == "creating"
        seen = board.number
        await clock.sleep(1)
        reads = await asyncio.gather(*(board.recent(2, seen) for _ in range(3)), return_exceptions=True)
    assert isinstance(reads[0], ConnectionLost)
    assert [read["i"].status for read in reads[1:]] == ["running", "running"]
