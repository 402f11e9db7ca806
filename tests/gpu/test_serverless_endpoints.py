"""`novita.serverless`: endpoints from create to delete, and workers that come and go with the work."""

from __future__ import annotations

import asyncio
import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from helpers import Server, connected, inside, refusal, turns, without_debug

from novita_async import Reply
from novita_async.errors import (
    Conflict,
    InsufficientBalance,
    NotFound,
    OutcomeUnknown,
    ProtocolError,
    TaskFailed,
    TaskTimeout,
    ValidationError,
)
from novita_async.gpu.serverless import ConcurrencyPolicy, Endpoint, QueuePolicy
from novita_async.simulator import Drop, Hang, Outcome, Simulator, Slow

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from novita_async.testing.clock import JumpClock

PRODUCT = "4090.16c62g.os"
CREATE = "/gpu-instance/openapi/v1/endpoint/create"
UPDATE = "/gpu-instance/openapi/v1/endpoint/update"


@pytest.fixture
async def novita(sim: Simulator):
    async with inside(sim) as novita:
        yield novita


async def order(novita, image: str = "any/app:1", **options: Any) -> Endpoint:
    wanted = {"product_ids": [PRODUCT], "port": 8000, "policy": ConcurrencyPolicy(1), **options}
    return await novita.serverless.create(image, **wanted)


def bodies(sim: Simulator, path: str) -> list[dict[str, Any]]:
    return [request.json() for request in sim.requests if request.path == path]


# --------------------------------------------------------------------------------------------- from create to delete


async def test_an_endpoint_lives_from_order_to_deletion(novita):
    made = await order(novita, name="mine", app_name="mine-1", min_workers=1)
    assert (made.name, made.app_name, made.ready, made.url) == ("mine", "mine-1", False, "")
    assert (await novita.serverless.get(made.id)).state.state == "starting"
    ready = await novita.serverless.wait_until_ready(made.id)
    assert (ready.ready, ready.state.state, len(ready.workers)) == (True, "serving", 1)
    assert ready.raw["url"] == ready.url
    with pytest.raises(Conflict, match="SERVERLESS_APP_NAME_IS_EXIST"):
        await order(novita, app_name="mine-1")
    task = await novita.serverless.endpoint(f"{made.id}-mine-1").run("by the name of its address")
    assert await task.wait() == "by the name of its address"
    assert await (await novita.serverless.endpoint("mine").run("by its name")).wait() == "by its name"
    assert (await novita.serverless.endpoint(ready).request("POST", "/", json=1)).json() == 1
    assert await novita.serverless.delete(made.id)
    with pytest.raises(NotFound):
        await novita.serverless.endpoint(ready).request("POST", "/", json=1)


async def test_waiting_for_an_endpoint_ends_in_every_way(novita, sim):
    sim.fault("POST", CREATE, Outcome.failed("no such image"), Outcome.unknown("paused"))
    failing, odd = await order(novita), await order(novita)
    with pytest.raises(TaskFailed, match="createFailed: no such image"):
        await novita.serverless.wait_until_ready(failing.id)
    with pytest.raises(TaskTimeout, match="paused"):
        await novita.serverless.wait_until_ready(odd.id, timeout=60)
    with pytest.raises(NotFound):
        await novita.serverless.wait_until_ready("nothing")
    with pytest.raises(ValidationError, match="endpoint_id"):
        await novita.serverless.wait_until_ready("")


async def test_an_order_that_is_cancelled_leaves_no_endpoint(novita, sim, clock):
    sim.fault("POST", CREATE, Slow.headers(2))
    ordering = asyncio.create_task(order(novita))
    await clock.sleep(1)
    ordering.cancel()
    await asyncio.wait({ordering})
    assert ordering.cancelled()
    assert len(bodies(sim, CREATE)) == 1
    assert [each.id for each in await novita.serverless.list()] == ["echo"]


async def test_an_order_whose_outcome_is_unknown_is_not_repeated(novita, sim):
    sim.fault("POST", CREATE, Drop.after_work())
    with pytest.raises(OutcomeUnknown):
        await order(novita, name="perhaps")
    assert len(bodies(sim, CREATE)) == 1
    assert [each.name for each in await novita.serverless.list()] == ["perhaps", "echo"]


async def test_refusals_have_their_classes(clock):
    async with connected(Server(clock, refusal(400, "BALANCE_NOT_ENOUGH")), clock) as novita:
        with pytest.raises(InsufficientBalance):
            await order(novita)


async def test_all_endpoints_are_listed_whatever_the_pages(novita):
    without_debug()
    made = [await order(novita, name=str(number)) for number in range(102)]
    found = [each.id async for each in novita.serverless.list()]
    assert found == [each.id for each in reversed(made)] + ["echo"]


async def test_everything_that_is_wrong_with_an_order_is_one_error_and_nothing_is_sent(novita, sim):
    wrong: dict[str, Any] = {
        "image": "",
        "name": "x" * 221,
        "app_name": "Upper",
        "product_ids": [],
        "port": 70000,
        "policy": QueuePolicy(0),
        "min_workers": -1,
        "max_workers": 0,
        "idle_timeout": -1,
        "concurrency": 0,
        "gpu_num": 9,
        "request_timeout": 0,
        "image_auth_id": "x" * 256,
        "command": "x" * 2048,
        "envs": {"": "x"},
        "volumes": {"relative": None, "/data": "storage"},
        "health_path": "health",
    }
    with pytest.raises(ValidationError) as refused:
        await order(novita, **wrong)
    told = " ".join(refused.value.problems)
    assert len(refused.value.problems) == len(wrong) + 1
    assert all(name in told for name in [*wrong, "cluster_id"])
    for more in ({"policy": "queue"}, {"min_workers": 3, "max_workers": 2}, {"port": "80"}, {"product_ids": "one"}):
        with pytest.raises(ValidationError):
            await order(novita, **more)
        with pytest.raises(ValidationError):
            await novita.serverless.update("echo", **more)
    assert sim.requests == []


# ------------------------------------------------------------------------------------------------------------ update


async def test_an_update_keeps_all_that_it_does_not_name(novita, sim):
    options: dict[str, Any] = {"name": "mine", "command": "serve", "envs": {"A": "1"}, "volumes": {"/w": None}}
    made = await order(novita, policy=QueuePolicy(7), idle_timeout=90, concurrency=4, request_timeout=50, **options)
    before = await novita.serverless.get(made.id)
    after = await novita.serverless.update(made.id, max_workers=4, image="other/app:2")
    assert (after.worker_config.max_workers, after.image.image) == (4, "other/app:2")
    assert after.url == before.url
    (sent,) = bodies(sim, UPDATE)
    numbers = {"minNum": 0, "maxNum": 4, "freeTimeout": 90, "maxConcurrent": 4, "gpuNum": 1, "requestTimeout": 50}
    assert sent["workerConfig"] == {**numbers, "cudaVersion": ""}
    assert sent["image"] == {"image": "other/app:2", "command": "serve", "authId": ""}
    assert (sent["policy"], sent["ports"]) == ({"type": "queue", "value": 7}, [{"port": "8000"}])
    assert (sent["envs"], sent["name"], sent["id"]) == ([{"key": "A", "value": "1"}], "mine", made.id)
    for field in ("envs", "volume_mounts", "healthy", "product_ids", "cluster_id", "policy"):
        assert msgspec.to_builtins(getattr(after, field)) == msgspec.to_builtins(getattr(before, field)), field
    emptied = await novita.serverless.update(made.id, envs={}, volumes={})
    assert (emptied.envs, emptied.volume_mounts) == ([], [])
    with pytest.raises(ValidationError, match="cluster_id is needed"):
        await novita.serverless.update(made.id, volumes={"/d": "storage"})
    with pytest.raises(ValidationError, match="min_workers would be 5, more than max_workers, which is 4"):
        await novita.serverless.update(made.id, min_workers=5)


async def test_an_update_keeps_fields_that_nobody_knows_and_takes_every_shape(clock):
    stored = {
        "id": "e",
        "workerConfig": [{"minNum": "0", "maxNum": "2", "freeTimeout": "60", "newer": {"a": 1}}],
        "policy": {"type": "newer", "value": "3"},
        "image": [{"image": "a"}],
        "healthy": {"path": "/h", "period": 5},
        "ports": [{"port": 80}],
        "volumeMounts": [{"type": "local", "size": "30", "mountPath": "/w"}],
        "workers": [{"id": "w"}],
    }
    read = {"endpoint": {**stored, "workerConfig": stored["workerConfig"][0], "image": stored["image"][0]}}
    server = Server(clock, read, Reply(200, {}, b""), read)
    async with connected(server, clock) as novita:
        endpoint = await novita.serverless.update("e", max_workers=3)
    assert (endpoint.policy, endpoint.port, endpoint.worker_config.max_workers) == (None, 80, 2)
    assert msgspec.json.decode(server.requests[1].body) == {
        "id": "e",
        "workerConfig": {"minNum": 0, "maxNum": 3, "freeTimeout": 60, "newer": {"a": 1}},
        "policy": {"type": "newer", "value": 3},
        "image": {"image": "a"},
        "healthy": {"path": "/h", "period": 5},
        "ports": [{"port": "80"}],
        "volumeMounts": [{"type": "local", "size": 30, "mountPath": "/w"}],
    }


async def test_an_update_that_answers_with_the_endpoint_is_not_read_again(clock):
    read, changed = {"endpoint": {"id": "e", "name": "old"}}, {"endpoint": {"id": "e", "name": "new"}}
    server = Server(clock, read, changed)
    async with connected(server, clock) as novita:
        assert (await novita.serverless.update("e", name="new")).name == "new"
    assert [request.method for request in server.requests] == ["GET", "POST"]


async def test_the_simulator_takes_an_update_as_other_clients_send_it(novita, sim):
    made = await order(novita)
    body = {
        "id": made.id,
        "workerConfig": [{"minNum": 0, "maxNum": 3, "freeTimeout": "30", "maxConcurrent": "2", "gpuNum": 1}],
        "ports": [{"port": "80"}],
        "policy": [{"type": "queue", "value": "9"}],
        "image": [{"image": "x"}],
        "healthy": [{"path": "/h"}],
        "workers": [],
    }
    await novita.serverless.update(made.id, extra_body=body)
    after = await novita.serverless.get(made.id)
    assert (after.policy, after.worker_config.idle_timeout, after.port) == (QueuePolicy(9), 30, 80)
    assert after.product_ids == [PRODUCT]


# ------------------------------------------------------------------------------------------------------------- shapes


async def test_numbers_may_be_text_and_fields_may_be_left_out(clock):
    told = {
        "id": "e",
        "state": {"state": "stopped"},
        "workerConfig": {"minNum": "1", "maxNum": 2, "freeTimeout": "", "gpuNum": "2"},
        "policy": {"type": "queue", "value": "5"},
        "createdAt": "1760000000",
        "updatedAt": "2025-10-09T08:53:20",
        "newer": [1],
    }
    server = Server(clock, {"endpoint": told}, {"endpoint": {"id": "e", "policy": None, "createdAt": "0"}}, {})
    async with connected(server, clock) as novita:
        endpoint = await novita.serverless.get("e")
        config = endpoint.worker_config
        assert (config.min_workers, config.max_workers, config.idle_timeout, config.gpu_num) == (1, 2, None, 2)
        assert (endpoint.policy, endpoint.ready, endpoint.raw["newer"]) == (QueuePolicy(5), False, [1])
        moment = datetime.datetime(2025, 10, 9, 8, 53, 20, tzinfo=datetime.UTC)
        assert endpoint.created_at == endpoint.updated_at == moment
        bare = await novita.serverless.get("e")
        assert (bare.port, bare.product_ids, bare.policy, bare.created_at, bare.url) == (None, [], None, None, "")
        with pytest.raises(ProtocolError, match="no endpoint e"):
            await novita.serverless.get("e")


async def test_limits_may_be_text(clock):
    async with connected(Server(clock, {"maxWorkerNum": "7", "maxGPUNum": "4"}), clock) as novita:
        limits = await novita.serverless.limits()
    assert (limits.max_worker_num, limits.max_gpu_num, limits.cuda_versions) == (7, 4, None)


# ------------------------------------------------------------------------------------------------- the workers' coming


async def workers(novita, endpoint: Endpoint) -> int:
    return len((await novita.serverless.get(endpoint.id)).workers)


async def test_workers_come_when_many_wait_and_go_when_they_have_nothing_to_do(novita, clock):
    made = await order(novita, max_workers=3, idle_timeout=20, policy=ConcurrencyPolicy(2))
    assert await workers(novita, made) == 0
    endpoint = novita.serverless.endpoint(made.id)
    tasks = [await endpoint.run({"sleep": 10}) for _ in range(3)]
    assert await workers(novita, made) == 1  # where there is none, the first who waits gets one
    tasks += [await endpoint.run({"sleep": 10}) for _ in range(6)]
    assert await workers(novita, made) == 3
    assert {worker.state.state for worker in (await novita.serverless.get(made.id)).workers} == {"starting"}
    await clock.sleep(2)
    assert (await endpoint.stats()).in_progress == 3
    await novita.tasks.wait_all(tasks)
    assert clock.monotonic() < 50
    await clock.sleep(30)
    assert await workers(novita, made) == 0


async def test_a_worker_comes_when_somebody_has_waited_for_too_long(novita, clock):
    made = await order(novita, max_workers=2, min_workers=1, policy=QueuePolicy(15))
    await clock.sleep(2)
    endpoint = novita.serverless.endpoint(made.id)
    begun = clock.monotonic()
    for _ in range(2):
        await endpoint.run({"sleep": 100})
    await clock.sleep(14)
    assert (await workers(novita, made), (await endpoint.stats()).in_progress) == (1, 1)
    await clock.sleep(1.5)
    assert (await workers(novita, made), (await endpoint.stats()).in_progress) == (2, 1)
    await clock.sleep(1)
    assert ((await endpoint.stats()).in_progress, clock.monotonic() - begun) == (2, 16.5)


async def test_a_worker_handles_as_much_at_once_as_it_may(novita, clock):
    made = await order(novita, min_workers=1, concurrency=4)
    endpoint = novita.serverless.endpoint(made.id)
    tasks = [await endpoint.run({"sleep": 10}) for _ in range(8)]
    await clock.sleep(2)
    stats = await endpoint.stats()
    assert (stats.in_progress, stats.pending, stats.busy_workers) == (4, 4, 1)
    await novita.serverless.update(made.id, concurrency=8)
    await turns()
    assert (await endpoint.stats()).in_progress == 8
    await novita.tasks.wait_all(tasks)


async def test_direct_calls_wait_for_a_worker_too_and_those_who_leave_take_none(novita, sim, clock):
    made = await order(novita)
    endpoint = novita.serverless.endpoint(made.id)
    calls = [asyncio.create_task(endpoint.request("POST", "/", json={"sleep": 10})) for _ in range(3)]
    await clock.sleep(5)
    assert len(sim.requests) >= 4
    calls[1].cancel()
    answers = await asyncio.gather(*calls, return_exceptions=True)
    assert [type(answer).__name__ for answer in answers] == ["EndpointAnswer", "CancelledError", "EndpointAnswer"]
    assert 20 < clock.monotonic() < 23
    working, waiting = [asyncio.create_task(endpoint.request("POST", "/", json={"sleep": 10})) for _ in range(2)]
    await clock.sleep(5)
    assert await novita.serverless.delete(made.id)
    with pytest.raises(OutcomeUnknown):
        await waiting
    assert (await working).json() == {"sleep": 10}


async def test_the_time_of_workers_is_billed_idle_or_not(novita, sim, clock):
    made = await order(novita, idle_timeout=20, gpu_num=2)
    await (await novita.serverless.endpoint(made.id).run({"sleep": 10})).wait()
    await clock.sleep(100)
    (row,) = sim.ledger.rows("Day", 0, 1 << 40)
    hourly = 2 * 35000 // 10
    assert (row.product.category, row.product.id, row.prices) == ("serverless", PRODUCT, (hourly, 0))
    assert 30 <= row.used <= 31
    assert row.cost == Decimal(hourly) * row.used / 3600
    await novita.serverless.update(made.id, min_workers=1, gpu_num=1)
    await clock.sleep(1 + 3 * 3600)
    rows = sim.ledger.rows("Hour", 0, 1 << 40)
    assert {each.used for each in rows[2:-1]} == {3600}
    assert 0 <= sum(each.used for each in rows) - row.used - 3 * 3600 <= 1
    await novita.serverless.delete(made.id)
    spent = sim.ledger.spent
    await clock.sleep(3600)
    assert sim.ledger.spent == spent > 3 * 3500


async def test_a_simulator_that_closes_ends_all_work(clock: JumpClock):
    ended = asyncio.Event()

    async def endless(value: object) -> None:
        try:
            await clock.sleep(1e6)
        finally:
            ended.set()

    async with Simulator(clock=clock, serverless={"endless": endless}) as sim, inside(sim) as novita:
        await novita.serverless.endpoint("endless").run(1)
        await clock.sleep(1)
        assert not ended.is_set()
    assert ended.is_set()


async def test_an_image_is_worked_by_the_handler_of_its_name(clock: JumpClock):
    async def items(value: int) -> AsyncIterator[int]:
        for number in range(value):
            yield number

    async with Simulator(clock=clock, serverless={"counter": items}) as sim, inside(sim) as novita:
        made = await order(novita, "registry.example/team/counter:7")
        assert await (await novita.serverless.endpoint(made.id).run(3)).wait() == [0, 1, 2]
        await novita.serverless.update(made.id, image="unknown")
        assert await (await novita.serverless.endpoint(made.id).run(3)).wait() == 3


async def test_a_read_that_hangs_does_not_hang_the_wait(novita, sim):
    made = await order(novita)
    sim.fault("GET", "/gpu-instance/openapi/v1/endpoint", Hang.before_headers())
    assert (await novita.serverless.wait_until_ready(made.id)).ready
