"""`gpu.instances`: from order to deletion, and every way in which waiting for one can end."""

from __future__ import annotations

import asyncio
import datetime
from decimal import Decimal

import msgspec
import pytest
from helpers import Server, connected, inside, json_reply, refusal

from novita_async.errors import (
    BadRequest,
    CallTimeout,
    Conflict,
    InsufficientBalance,
    NotFound,
    OutOfStock,
    ProtocolError,
    TaskFailed,
    TaskStateUnknown,
    TaskTimeout,
    ValidationError,
)
from novita_async.gpu import Instance
from novita_async.simulator import Hang, Outcome, Refuse, Slow

BASE = "/gpu-instance/openapi/v1/gpu"
PRODUCT = "4090.16c62g.os"


@pytest.fixture
async def gpu(sim):
    async with inside(sim) as novita:
        yield novita.gpu.instances


async def order(gpu, **options):
    return await gpu.create(PRODUCT, image="image", **options)


def sent(sim, verb) -> int:
    return sum(request.path == f"{BASE}/instance/{verb}" for request in sim.requests)


# --------------------------------------------------------------------------------------------- a whole life


async def test_an_instance_lives_from_order_to_deletion(gpu):
    instance = await order(gpu, name="mine", ports=["80/http", "22/tcp"], envs={"A": "1"}, rootfs_size=100)
    assert (instance.status, instance.name) == ("toCreate", "mine")
    running = await instance.wait_until("running")
    assert (running.status, running.name, running.rootfs_size) == ("running", "mine", 100)
    assert [mapping.port for mapping in running.port_mappings] == [80, 22]
    assert running.ssh.ssh_command.startswith("ssh ")
    await running.stop()
    exited = await running.wait_until("exited")
    assert exited.stopped_at > exited.started_at >= exited.created_at
    await exited.start()
    await exited.wait_until("running")
    await exited.restart()
    await exited.wait_until()
    assert (await exited.refresh()).status == "running"
    await exited.delete()
    assert (await exited.wait_until("removed")).status == "removed"
    assert [other.id async for other in gpu.list()] == []


async def test_an_order_says_what_was_given_and_nothing_more(clock):
    server = Server(clock, {"id": "i-1"})
    async with connected(server, clock) as novita:
        await novita.gpu.instances.create("p", image="i")
        await novita.gpu.instances.create(
            "p",
            image="i",
            gpu_num=2,
            rootfs_size=10,
            name="n",
            ports=["80/http", "81/tcp"],
            envs={"A": "1"},
            command="c",
            entrypoint="e",
            cluster_id="us-01",
            billing="spot",
            image_auth="u:p",
            image_auth_id="ia",
            min_cuda_version="12.4",
            extra_body={"month": 1, "gpuNum": 3},
            extra_headers={"X-Team": "art"},
        )
    plain, full = (msgspec.json.decode(request.body) for request in server.requests)
    assert plain == {"productId": "p", "imageUrl": "i", "gpuNum": 1, "rootfsSize": 60, "kind": "gpu"}
    assert full == {
        "productId": "p",
        "imageUrl": "i",
        "gpuNum": 3,
        "rootfsSize": 10,
        "kind": "gpu",
        "name": "n",
        "ports": "80/http,81/tcp",
        "envs": [{"key": "A", "value": "1"}],
        "command": "c",
        "entrypoint": "e",
        "clusterId": "us-01",
        "billingMode": "spot",
        "imageAuth": "u:p",
        "imageAuthId": "ia",
        "minCudaVersion": "12.4",
        "month": 1,
    }
    assert server.requests[1].headers["x-team"] == "art"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"product_id": ""}, "product_id is empty"),
        ({"image": ""}, "image is empty"),
        ({"gpu_num": 0}, "gpu_num must be 1 to 8"),
        ({"gpu_num": 9}, "gpu_num must be 1 to 8"),
        ({"rootfs_size": 9}, "rootfs_size must be 10 to 6144"),
        ({"ports": "80/http"}, "must be a list"),
        ({"ports": ["80"]}, "got '80'"),
        ({"ports": ["80/udp"]}, "got '80/udp'"),
        ({"ports": ["0/tcp"]}, "got '0/tcp'"),
        ({"ports": ["70000/tcp"]}, "got '70000/tcp'"),
        ({"ports": ["2222/tcp"]}, "2222 is reserved"),
        ({"ports": [f"{port}/tcp" for port in range(1, 17)]}, "at most 15 ports"),
        ({"envs": {str(number): "" for number in range(101)}}, "at most 100 envs"),
        ({"timeout": -1}, "timeout"),
        ({"extra_headers": {"x": "a\r\nb"}}, "control character"),
        ({"extra_body": {"x": object()}}, "cannot be written as JSON"),
    ],
)
async def test_an_order_that_cannot_work_is_refused_before_it_is_sent(sim, gpu, change, words):
    arguments = {"product_id": PRODUCT, "image": "image", **change}
    with pytest.raises(ValidationError, match=words):
        await gpu.create(**arguments)
    assert sim.requests == []


async def test_everything_that_is_wrong_with_an_order_is_said_at_once(gpu):
    with pytest.raises(ValidationError) as refused:
        await gpu.create("", image="", gpu_num=0, rootfs_size=1)
    assert len(refused.value.problems) == 4


async def test_refusals_of_an_order_have_their_own_classes(clock):
    reasons = {
        "INSUFFICIENT_RESOURCE": OutOfStock,
        "GPU_SPEC_USED": OutOfStock,
        "BALANCE_NOT_ENOUGH": InsufficientBalance,
        "VALIDATOR_PARAM": BadRequest,
        "CONFLICT": Conflict,
    }
    for reason, kind in reasons.items():
        server = Server(clock, refusal(400, reason))
        async with connected(server, clock) as novita:
            with pytest.raises(kind):
                await order(novita.gpu.instances)
        assert len(server.requests) == 1


async def test_an_order_that_is_cancelled_in_flight_leaves_no_instance(sim, clock, gpu):
    sim.fault("POST", f"{BASE}/instance/create", Slow.headers(2))
    ordering = asyncio.create_task(order(gpu))
    await clock.sleep(1)
    ordering.cancel()
    await asyncio.wait({ordering})
    assert ordering.cancelled()
    assert (sent(sim, "create"), sent(sim, "delete")) == (1, 1)
    assert await gpu.list(status="running") == []


# -------------------------------------------------------------------------------------------- operations


@pytest.mark.parametrize("verb", ["start", "stop", "restart"])
async def test_what_is_not_possible_in_a_state_is_a_conflict(gpu, verb):
    instance = await order(gpu)
    with pytest.raises(Conflict):
        await getattr(instance, verb)()


async def test_deleting_what_is_gone_is_fine_and_everything_else_on_it_is_not(sim, clock, gpu):
    instance = await order(gpu)
    await instance.delete()
    await instance.delete()
    await clock.sleep(300)
    await instance.delete()
    await gpu.delete("never-was")
    with pytest.raises(NotFound):
        await instance.refresh()
    with pytest.raises(NotFound):
        await instance.start()


async def test_only_what_may_be_repeated_is_repeated(sim, gpu):
    instance = await order(gpu)
    await instance.wait_until()
    for verb, attempts in (("restart", 1), ("start", 1), ("stop", 3), ("delete", 3)):
        sim.fault("POST", f"{BASE}/instance/{verb}", Refuse.with_status(502), times=3)
        with pytest.raises(Exception, match="502"):
            await getattr(instance, verb)()
        assert sent(sim, verb) == attempts


@pytest.mark.parametrize("call", ["get", "start", "stop", "restart", "delete"])
async def test_an_empty_id_and_a_bad_timeout_are_refused(sim, gpu, call):
    with pytest.raises(ValidationError, match="instance_id is empty"):
        await getattr(gpu, call)("")
    with pytest.raises(ValidationError, match="timeout"):
        await getattr(gpu, call)("i-1", timeout=0)
    assert sim.requests == []


# ------------------------------------------------------------------------------------------------ waiting


async def test_an_order_that_fails_ends_the_wait_with_the_platforms_words(sim, gpu):
    sim.fault("POST", f"{BASE}/instance/create", Outcome.failed("no such image"))
    instance = await order(gpu)
    with pytest.raises(TaskFailed, match="exited: no such image") as failed:
        await instance.wait_until("running")
    assert failed.value.task_id == instance.id


async def test_a_broken_instance_can_be_deleted_and_waited_for(sim, gpu):
    sim.fault("POST", f"{BASE}/instance/create", Outcome.failed("no such image"))
    instance = await order(gpu)
    with pytest.raises(TaskFailed):
        await instance.wait_until("running")
    error = {"state": "createFailed", "message": "no such image"}
    states = iter(["exited", "toRemove", "removing", "removed"])
    for state in states:
        sim.reply("GET", f"{BASE}/instance", {"id": instance.id, "status": state, "statusError": error})
    await instance.delete()
    assert (await instance.wait_until("removed")).status == "removed"


async def test_an_instance_that_is_removed_meanwhile_ends_the_wait(clock, gpu):
    instance = await order(gpu)
    waiting = asyncio.create_task(instance.wait_until("running"))
    await clock.sleep(1)
    await instance.delete()
    with pytest.raises(TaskFailed, match="removed"):
        await waiting


async def test_an_instance_that_comes_to_rest_elsewhere_ends_the_wait(clock, gpu):
    instance = await order(gpu)
    await instance.wait_until("running")
    await instance.restart()
    with pytest.raises(TaskFailed, match="it came to rest as running, not exited"):
        await instance.wait_until("exited")


async def test_the_old_status_right_after_an_operation_is_no_rest(clock):
    states = iter(["exited", "exited", "toStart", "starting", "running"])
    server = Server(clock, lambda _: json_reply({"id": "i-1", "status": next(states)}))
    async with connected(server, clock) as novita:
        assert (await novita.gpu.instances.wait_until("i-1")).status == "running"


async def test_a_state_that_nobody_knows_is_waited_through_to_the_deadline(sim, clock, gpu):
    sim.fault("POST", f"{BASE}/instance/create", Outcome.unknown("hovering"))
    instance = await order(gpu)
    with pytest.raises(TaskStateUnknown) as unknown:
        await instance.wait_until(timeout=100)
    assert (unknown.value.status, clock.monotonic()) == ("hovering", 100)


async def test_the_wait_is_half_an_hour_when_nothing_is_said(sim, clock, gpu):
    sim.fault("POST", f"{BASE}/instance/create", Outcome.succeeded(after=1e6))
    instance = await order(gpu)
    with pytest.raises(TaskTimeout):
        await instance.wait_until()
    assert clock.monotonic() == 1800


@pytest.mark.parametrize("status", ["Running", "pulling", "", "toStart"])
async def test_only_a_status_that_lasts_can_be_waited_for(sim, gpu, status):
    with pytest.raises(ValidationError, match="one that lasts"):
        await gpu.wait_until("i-1", status)
    assert sim.requests == []


async def test_gone_is_removed_and_otherwise_not_found(clock, gpu):
    assert (await gpu.wait_until("never-was", "removed")).status == "removed"
    with pytest.raises(NotFound):
        await gpu.wait_until("never-was", "running")


async def test_one_read_that_hangs_does_not_hang_the_wait(sim, clock, gpu):
    instance = await order(gpu)
    sim.fault("GET", f"{BASE}/instance", Hang.before_headers())
    await instance.wait_until("running")
    assert clock.monotonic() < 60
    sim.fault("GET", f"{BASE}/instance", Hang.before_headers())
    with pytest.raises(CallTimeout):
        await gpu.get(instance.id, timeout=5)


# ---------------------------------------------------------------------------------------------- reading


async def test_lists_are_read_over_all_pages_and_can_be_narrowed(gpu):
    made = await asyncio.gather(*(order(gpu, name=f"n-{number:03}") for number in range(120)))
    assert {instance.id async for instance in gpu.list()} == {instance.id for instance in made}
    assert [instance.name for instance in await gpu.list(name="n-007")] == ["n-007"]
    assert len(await gpu.list(status="toCreate", product_name="4090")) == 120
    assert await gpu.list(product_name="H100") == []


async def test_instances_of_a_list_can_act(gpu):
    await order(gpu)
    (instance,) = await gpu.list()
    await instance.wait_until("running")
    await instance.delete()


@pytest.mark.parametrize("wrapped", [False, True])
async def test_numbers_and_moments_are_read_in_every_form(clock, wrapped):
    detail = {
        "id": "i-1",
        "status": "running",
        "gpuNum": "2",
        "cpuNum": 32,
        "memory": "124",
        "instancePrice": "70000",
        "createdAt": "1760000000",
        "lastStartedAt": 1760000060,
        "lastStoppedAt": "0",
        "endTime": "-1",
        "spotReclaimTime": "99999999999999999999",
        "novel": {"deep": 1},
    }
    server = Server(clock, {"instance": detail} if wrapped else detail)
    async with connected(server, clock) as novita:
        instance = await novita.gpu.instances.get("i-1")
    assert (instance.gpu_num, instance.cpu_num, instance.memory) == (2, 32, 124)
    assert instance.price == Decimal("0.7")
    assert instance.created_at == datetime.datetime(2025, 10, 9, 8, 53, 20, tzinfo=datetime.UTC)
    assert (instance.started_at - instance.created_at).total_seconds() == 60
    assert (instance.stopped_at, instance.ends_at, instance.reclaimed_at) == (None, None, None)
    assert instance.raw == detail


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        ({"code": 400, "reason": "RESOURCE_NOT_FOUND", "message": "no"}, NotFound),
        ({"instance": {}}, ProtocolError),
        ({}, ProtocolError),
        ([], ProtocolError),
    ],
)
async def test_an_answer_that_is_no_instance_is_an_error(clock, answer, error):
    async with connected(Server(clock, answer), clock) as novita:
        with pytest.raises(error):
            await novita.gpu.instances.get("i-1")


async def test_the_password_is_not_shown(gpu):
    instance = await order(gpu)
    running = await instance.wait_until("running")
    assert running.ssh.password
    assert running.ssh.password not in repr(running)


async def test_an_instance_that_came_from_no_client_cannot_act():
    with pytest.raises(ValidationError, match="client"):
        await Instance(id="i-1").delete()
