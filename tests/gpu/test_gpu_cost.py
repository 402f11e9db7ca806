"""What instances and sessions cost, and sessions under a budget."""

from __future__ import annotations

import asyncio
from decimal import Decimal

import pytest
from helpers import Server, connected, inside, turns

from novita_async import Budget
from novita_async.errors import (
    BudgetExceeded,
    NotFound,
    OutOfStock,
    ServerError,
    TaskTimeout,
    ValidationError,
)
from novita_async.gpu.cost import Cost
from novita_async.simulator import Drop, Refuse

NOW = 1_760_000_000  # where the clock begins
PRODUCT = "4090.16c62g.os"  # 0.35 dollars an hour and card, 0.18 as spot
ORDER = "/gpu-instance/openapi/v1/gpu/instance/create"
DELETE = "/gpu-instance/openapi/v1/gpu/instance/delete"


@pytest.fixture
async def novita(sim):
    async with inside(sim) as novita:
        yield novita


def ordered(sim) -> int:
    return sum(request.path == ORDER for request in sim.requests)


# --------------------------------------------------------------------------------------------- instances


async def test_an_instance_tells_what_it_costs_and_a_stopped_one_costs_no_more(sim, clock, novita):
    instance = await novita.gpu.instances.create(PRODUCT, image="ubuntu", gpu_num=2)
    assert await instance.cost() == Cost(Decimal(0), Decimal(0))  # nothing is paid before the pulling
    await instance.wait_until("running")
    await clock.sleep(3600)
    cost = await instance.cost()
    assert cost.per_hour == Decimal("0.70")
    assert Decimal("0.70") <= cost.so_far < Decimal("0.702")  # from the order on
    await instance.stop()
    await instance.wait_until("exited")
    stopped = await instance.cost()
    assert stopped.per_hour == 0
    await clock.sleep(3600)
    assert await instance.cost() == stopped
    balance = await novita.account.balance()
    assert abs(Decimal(1000) - balance.available - stopped.so_far) < Decimal("0.01")
    await instance.delete()
    await instance.wait_until("removed")
    assert (await instance.cost()).per_hour == 0
    await clock.sleep(100)
    with pytest.raises(NotFound):
        await instance.cost()


async def test_the_newer_api_tells_no_price_and_the_product_does(clock, novita):
    rooms = novita.gpu.v2.instances
    instance = await rooms.create(PRODUCT, image="ubuntu", gpu_num=2, billing="spot", rootfs_size=180)
    instance = await instance.wait_until("running")
    assert instance.price is None
    disks = 120 * Decimal("0.005") / 24  # what is beyond 60 GB, by the day
    assert (await instance.cost()).per_hour == Decimal("0.36") + disks
    await instance.stop()
    await instance.wait_until("exited")
    assert (await instance.cost()).per_hour == disks
    cpu = await novita.gpu.instances.create_cpu((await novita.gpu.products.list_cpu())[0], image="ubuntu")
    await cpu.wait_until("running")
    assert (await cpu.cost()).per_hour == (await novita.gpu.products.list_cpu())[0].price


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        ({"billingMode": "monthly", "instancePrice": "35000"}, (None, None)),
        ({"productId": "gone"}, (None, None)),
        ({}, (None, None)),
        ({"instancePrice": "36000", "lastStartedAt": str(NOW - 900)}, ("0.36", "0.09")),
        ({"instancePrice": 36000, "createdAt": NOW - 900, "useTime": "7200"}, ("0.36", "0.72")),
        ({"instancePrice": 36000, "createdAt": str(NOW + 1000)}, ("0.36", "0")),
        (
            {"instancePrice": 36000, "status": "exited", "createdAt": str(NOW - 900), "lastStoppedAt": str(NOW - 400)},
            ("0", "0.05"),
        ),
        (
            {
                "instancePrice": 36000,
                "status": "exited",
                "createdAt": str(NOW - 900),
                "spotReclaimTime": str(NOW - 400),
            },
            ("0", "0.05"),
        ),
        (
            {"instancePrice": 36000, "status": "exited", "createdAt": str(NOW - 300), "lastStoppedAt": str(NOW - 400)},
            ("0", "0"),
        ),
        ({"instancePrice": 24000, "rootfsSize": 148, "freeStorageSize": "100"}, ("0.25", "0")),
        (
            {"instancePrice": 24000, "volumeMounts": [{"type": "local", "size": "48"}, {"type": "network", "size": 9}]},
            ("0.25", "0"),
        ),
    ],
)
async def test_what_the_platform_leaves_out_is_not_made_up(clock, told, expected):
    instance = {"id": "i-1", "status": "running", **told}
    server = Server(clock, lambda request: {"data": []} if "/products" in request.url else instance)
    async with connected(server, clock) as novita:
        cost = await novita.gpu.instances.cost("i-1")
    hour, far = expected
    assert cost.per_hour == (None if hour is None else Decimal(hour))
    assert cost.so_far == (None if far is None else Decimal(far))


# ---------------------------------------------------------------------------------------------- sessions


async def test_a_session_counts_the_time_that_its_instance_was_there(clock, novita):
    async with novita.gpu.instances.session(PRODUCT, image="ubuntu") as session:
        begun = (await session.cost()).so_far
        await clock.sleep(1800)
        assert (await session.cost()).so_far - begun == Decimal("0.175")
        await session.stop()
        stopped = await session.cost()
        assert stopped.per_hour == 0
        await clock.sleep(1800)
        assert await session.cost() == stopped
        await session.start()
        await clock.sleep(1800)
        cost = await session.cost()
        assert cost.per_hour == Decimal("0.35")
        assert Decimal("0.35") < cost.so_far < Decimal("0.352")
    last = await session.cost()
    await clock.sleep(1800)
    assert (await session.cost(), last.per_hour) == (last, 0)


async def test_a_session_with_a_lifetime_ends_whatever_its_block_does(sim, clock, novita):
    async with novita.gpu.instances.session(PRODUCT, image="ubuntu", lifetime=600) as session:
        await clock.sleep(590)
        assert (await session.refresh()).status == "running"
        await clock.sleep(20)
        assert (await session.instance.refresh()).status in ("toRemove", "removing", "removed")
        assert Decimal("0.0583") < (await session.cost()).so_far < Decimal("0.0584")
    assert sum(request.path == DELETE for request in sim.requests) == 1
    with pytest.raises(TaskTimeout):
        await novita.gpu.instances.session(PRODUCT, image="ubuntu", lifetime=1).__aenter__()
    async with novita.gpu.instances.session(PRODUCT, image="ubuntu", lifetime=60, on_exit="stop") as session:
        await clock.sleep(70)
        assert (await session.refresh()).status == "exited"
    with pytest.raises(ValidationError, match="lifetime ends"):
        novita.gpu.instances.session(PRODUCT, image="ubuntu", lifetime=60, on_exit="leave")


async def test_an_end_of_a_lifetime_that_failed_is_tried_again_when_the_block_is_left(sim, clock, novita):
    sim.fault("POST", DELETE, Refuse.with_status(403))
    async with novita.gpu.instances.session(PRODUCT, image="ubuntu", lifetime=60) as session:
        await clock.sleep(70)
        assert (await session.refresh()).status == "running"
    assert (await session.refresh()).status in ("toRemove", "removing", "removed")


async def test_leaving_the_block_waits_for_an_end_that_is_under_way(sim, clock, novita):
    async with novita.gpu.instances.session(PRODUCT, image="ubuntu", lifetime=60) as session:
        sim.fault("POST", DELETE, Drop.before_headers())  # so that it waits for its second attempt
        while not session._over:
            await clock.sleep(1)
    assert (await session.refresh()).status in ("toRemove", "removing", "removed")


# ----------------------------------------------------------------------------------------------- budgets


async def test_a_session_sets_aside_what_it_may_cost_and_books_what_it_took(sim, clock, novita):
    budget = Budget(1)
    held = novita.with_options(budget=budget)
    async with held.gpu.instances.session(PRODUCT, image="ubuntu", gpu_num=2, lifetime=3600) as session:
        assert (budget.spent, budget.reserved) == (0, Decimal("0.70"))
        orders = ordered(sim)
        with pytest.raises(BudgetExceeded, match="a shorter lifetime needs less") as refused:
            await held.gpu.instances.session(PRODUCT, image="ubuntu", lifetime=3600).__aenter__()
        assert (refused.value.needed, ordered(sim)) == (Decimal("0.35"), orders)
        async with held.gpu.v2.instances.session(
            PRODUCT, image="ubuntu", lifetime=3600, billing="spot", rootfs_size=84
        ):
            assert budget.reserved == Decimal("0.70") + Decimal("0.18") + Decimal("0.005")
        await clock.sleep(1800)
    assert budget.reserved == 0
    assert (await session.cost()).so_far < budget.spent < Decimal("0.36")


async def test_of_several_products_the_dearest_is_set_aside(novita):
    offers = await novita.gpu.products.find(max_price="0.70")
    budget = Budget(10)
    held = novita.with_options(budget=budget).gpu.instances
    for products in (offers, [offer.id for offer in offers], [offers[0], *(offer.id for offer in offers[1:])]):
        async with held.session(products, image="ubuntu", lifetime=3600):
            assert budget.reserved == offers[-1].price > offers[0].price


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({}, "say its lifetime"),
        ({"on_exit": "leave"}, "say its lifetime"),
        ({"lifetime": 60, "on_exit": "stop", "months": 1}, "no price by the hour"),
        ({"lifetime": 60, "on_exit": "stop", "billing": "monthly"}, "no price by the hour"),
        ({"lifetime": 60, "product": ["nothing", PRODUCT]}, "no price by the hour"),
    ],
)
async def test_a_session_that_may_cost_anything_is_refused_unless_that_is_allowed(sim, novita, more, words):
    product = more.pop("product", PRODUCT)
    held = novita.with_options(budget=Budget(100)).gpu.instances
    with pytest.raises(ValidationError, match=words):
        await held.session(product, image="ubuntu", **more).__aenter__()
    assert ordered(sim) == 0
    free = Budget(100, unknown="allow")
    if product == PRODUCT:
        async with novita.with_options(budget=free).gpu.instances.session(product, image="ubuntu", **more):
            assert (free.spent, free.reserved) == (0, 0)


async def test_an_order_that_was_refused_costs_nothing_and_one_that_may_run_costs_the_most(sim, clock, novita):
    budget = Budget(10)
    room = novita.with_options(budget=budget).gpu.instances

    async def failing(error, **more):
        with pytest.raises(error):
            async with room.session(PRODUCT, image="ubuntu", lifetime=3600, **more):
                raise AssertionError("it is not reached")
        return budget.spent, budget.reserved

    for gpu_num in (9, "2", 0):
        assert await failing(ValidationError, gpu_num=gpu_num) == (0, 0)
    sim.gpu.stock(PRODUCT, 0)
    assert await failing(OutOfStock) == (0, 0)
    sim.gpu.stock(PRODUCT, 4)
    sim.fault("POST", ORDER, Refuse.with_status(500), times=None)
    assert await failing(ServerError) == (Decimal("0.35"), 0)


async def test_what_cannot_be_deleted_is_booked_as_the_most(sim, novita):
    budget = Budget(10)
    sim.fault("POST", DELETE, Refuse.with_status(403), times=None)
    with pytest.raises(Exception, match="403"):
        async with novita.with_options(budget=budget).gpu.instances.session(PRODUCT, image="ubuntu", lifetime=3600):
            pass
    assert (budget.spent, budget.reserved) == (Decimal("0.35"), 0)


async def test_what_could_be_deleted_later_only_is_booked_for_all_its_time(sim, clock, novita):
    budget = Budget(10)
    sim.fault("POST", DELETE, Refuse.with_status(403))
    async with novita.with_options(budget=budget).gpu.instances.session(PRODUCT, image="u", lifetime=60) as session:
        await clock.sleep(90)
        assert budget.reserved == 0
        assert Decimal("0.0058") < budget.spent < Decimal("0.0059")  # the end of its lifetime failed
        await clock.sleep(3600)
    assert Decimal("0.359") < budget.spent == (await session.cost()).so_far < Decimal("0.3593")


async def test_a_session_whose_caller_is_cancelled_is_booked_for_its_time(clock, novita):
    budget = Budget(10)

    async def work():
        async with novita.with_options(budget=budget).gpu.instances.session(PRODUCT, image="ubuntu", lifetime=3600):
            await clock.sleep(10_000)

    for seconds in (0, 0.5, 100):
        before, task = budget.spent, asyncio.create_task(work())
        await turns()
        await clock.sleep(seconds)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert budget.reserved == 0
        assert budget.spent - before <= Decimal("0.35") * Decimal(seconds + 2) / 3600
