"""Every operation of contract/serverless.openapi.yaml, called through the SDK on the simulator. It judges both."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, urlsplit

import msgspec
import openapi
import pytest
from helpers import inside

from novita_async import MockTransport, Reply
from novita_async.errors import APIError, NotFound
from novita_async.gpu.serverless import ConcurrencyPolicy, QueuePolicy
from novita_async.simulator import Refuse

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from novita_async import AsyncNovita, Request, Simulator

CONTRACT = openapi.contract("serverless")
CONTRACT.operations()  # reads the file, here and not on the event loop

GATEWAY = "http://gateway.test/v1"
PRODUCT = "4090.16c62g.os"

CALLS: list[Callable[[AsyncNovita, Simulator], Awaitable[None]]] = []


class Judge:
    """A transport to a simulator that lets the contract look at what goes by.

    Attributes:
        seen: the operations that were called.
    """

    def __init__(self, simulator: Simulator) -> None:
        self.seen: set[str] = set()
        self.transport = MockTransport(self._handle)
        self._simulator = simulator

    async def _handle(self, request: Request) -> Reply:
        parts = urlsplit(request.url)
        path = parts.path.removeprefix("/v1")
        if path.startswith("/serverless/"):  # an endpoint's own address, below which is the container's business
            path = path[len("/serverless/echo") :]
        else:
            CONTRACT.check_query(request.method, path, parse_qsl(parts.query, keep_blank_values=True))
        assert request.body is None or isinstance(request.body, bytes)
        CONTRACT.check_request(request.method, path, request.headers.get("content-type"), request.body)
        self.seen.add(CONTRACT.operation_of(request.method, path) or path)
        reply = await self._simulator.handle(request)
        assert isinstance(reply.body, bytes)
        CONTRACT.check_response(request.method, path, reply.status, reply.headers["content-type"], reply.body)
        return reply


def call(
    function: Callable[[AsyncNovita, Simulator], Awaitable[None]],
) -> Callable[[AsyncNovita, Simulator], Awaitable[None]]:
    CALLS.append(function)
    return function


@call
async def endpoints(novita: AsyncNovita, sim: Simulator) -> None:
    limits = await novita.serverless.limits()
    assert limits.max_gpu_num == 8
    assert limits.cuda_versions
    assert limits.max_worker_num > limits.min_worker_num == 0
    made = await novita.serverless.create(
        "example/app:1",
        name="demo",
        app_name="demo-1",
        product_ids=[PRODUCT],
        port=8000,
        policy=QueuePolicy(30),
        min_workers=1,
        max_workers=2,
        idle_timeout=60,
        concurrency=2,
        gpu_num=1,
        request_timeout=100,
        cuda_version=limits.cuda_versions[0],
        image_auth_id="login",
        command="serve",
        envs={"A": "1"},
        volumes={"/workspace": None, "/data": "storage-1"},
        cluster_id="us-01",
        health_path="/ready",
    )
    endpoint = await novita.serverless.wait_until_ready(made.id)
    assert (endpoint.name, endpoint.app_name, endpoint.port) == ("demo", "demo-1", 8000)
    assert (endpoint.policy, endpoint.product_ids) == (QueuePolicy(30), [PRODUCT])
    config = endpoint.worker_config
    assert (config.min_workers, config.max_workers, config.idle_timeout, config.concurrency) == (1, 2, 60, 2)
    assert (config.gpu_num, config.request_timeout, config.cuda_version) == (1, 100, limits.cuda_versions[0])
    assert (endpoint.image.image, endpoint.image.auth_id, endpoint.image.command) == ("example/app:1", "login", "serve")
    assert [(each.key, each.value) for each in endpoint.envs or ()] == [("A", "1")]
    assert [(each.type, each.size, each.id or "", each.mount_path) for each in endpoint.volume_mounts or ()] == [
        ("local", 30, "", "/workspace"),
        ("network", 0, "storage-1", "/data"),
    ]
    assert endpoint.healthy is not None
    assert (endpoint.healthy.path, endpoint.cluster_id, endpoint.rootfs_size) == ("/ready", "us-01", 100)
    assert [(worker.state.state, worker.healthy) for worker in endpoint.workers or ()] == [("running", True)]
    assert endpoint.created_at is not None
    assert [each.id for each in await novita.serverless.list()] == [made.id, "echo"]
    changed = await novita.serverless.update(made.id, max_workers=5, policy=ConcurrencyPolicy(3), envs={"B": "2"})
    assert (changed.policy, changed.worker_config.max_workers) == (ConcurrencyPolicy(3), 5)
    assert await novita.serverless.delete(made.id) is True
    assert await novita.serverless.delete(made.id) is False
    with pytest.raises(NotFound):
        await novita.serverless.get(made.id)


@call
async def jobs(novita: AsyncNovita, sim: Simulator) -> None:
    endpoint = novita.serverless.endpoint("echo")
    task = await endpoint.run({"prompt": "hi"})
    assert await task.wait() == {"prompt": "hi"}
    job = await endpoint.status(task.id)
    assert (f"echo/{job.id}", job.status, job.output, job.error) == (task.id, "COMPLETED", {"prompt": "hi"}, None)
    slow = await endpoint.run({"sleep": 60})
    await slow.cancel()
    assert (await endpoint.status(slow.id)).status == "CANCELLED"
    sim.fault("POST", "/v1/echo/cancel/*", Refuse.with_status(405))
    await endpoint.cancel(task.id)  # an older gateway has a GET there
    health = await endpoint.health()
    assert (health.jobs["completed"], health.workers["idle"]) == (1, 1)
    stats = await endpoint.stats()
    assert (stats.endpoint, stats.total_workers, stats.busy_workers) == ("echo", 1, 0)
    assert (stats.pending, stats.in_progress) == (0, 0)
    assert await endpoint.purge() == {"removed": 0}


@call
async def direct_calls(novita: AsyncNovita, sim: Simulator) -> None:
    answer = await novita.serverless.endpoint("echo").request("POST", "/generate", json={"prompt": "hi"})
    assert (answer.status, answer.json(), answer.text) == (200, {"prompt": "hi"}, '{"prompt":"hi"}')


@call
async def refusals(novita: AsyncNovita, sim: Simulator) -> None:
    for work in (
        novita.serverless.get("nothing"),
        novita.serverless.update("nothing", name="x"),
        novita.serverless.endpoint("nothing").run(1),
        novita.serverless.endpoint("nothing").health(),
        novita.serverless.endpoint("echo").status("nothing"),
        novita.serverless.endpoint("echo").cancel("nothing"),
        novita.serverless.create("a", product_ids=["nothing"], port=80, policy=QueuePolicy(1)),
    ):
        with pytest.raises(NotFound) as refused:
            await work
        assert refused.value.status == 400
    with pytest.raises(APIError, match="VALIDATOR_PARAM"):
        await novita.serverless.create("a", product_ids=[PRODUCT], port=80, policy=QueuePolicy(1), max_workers=99)


@pytest.mark.parametrize("call", CALLS, ids=lambda call: call.__name__)
async def test_requests_and_answers_of_serverless_are_what_the_contract_says(
    call: Callable[[AsyncNovita, Simulator], Awaitable[None]], sim: Simulator
) -> None:
    judge = Judge(sim)
    async with inside(sim, transport=judge.transport, endpoint_base_url=GATEWAY) as novita:
        await call(novita, sim)
    assert judge.seen


async def test_every_operation_of_serverless_is_called(sim: Simulator) -> None:
    judge = Judge(sim)
    async with inside(sim, transport=judge.transport, endpoint_base_url=GATEWAY) as novita:
        for each in CALLS:
            await each(novita, sim)
    assert judge.seen == set(CONTRACT.operations())


@pytest.mark.parametrize(
    ("schema", "type_"),
    [
        ("Limit", "EndpointLimits"),
        ("State", "EndpointState"),
        ("Worker", "Worker"),
        ("Endpoint", "Endpoint"),
        ("JobReply", "Job"),
        ("Stats", "EndpointStats"),
        ("Env", "EnvVariable"),
        ("WorkerConfigIn", "WorkerConfig"),
        ("ImageIn", "WorkerImage"),
        ("VolumeIn", "EndpointVolume"),
    ],
)
def test_every_field_of_an_answer_of_serverless_is_an_attribute(schema: str, type_: str) -> None:
    struct = getattr(importlib.import_module("novita_async.gpu.serverless_types"), type_)
    fields = {field.encode_name for field in msgspec.structs.fields(struct)}
    assert fields >= set(CONTRACT.schema(schema)["properties"])


async def test_every_setting_of_an_endpoint_is_sent(sim: Simulator) -> None:
    judge = Judge(sim)
    async with inside(sim, transport=judge.transport, endpoint_base_url=GATEWAY) as novita:
        await endpoints(novita, sim)
    bodies = {each.path.rpartition("/")[2]: each.json() for each in sim.requests if each.method == "POST"}
    assert set(bodies["create"]["endpoint"]) == set(CONTRACT.schema("EndpointCreate")["properties"])
    assert set(bodies["update"]) == set(CONTRACT.schema("EndpointUpdate")["properties"]) | {"rootfsSize", "products"}
    assert bodies["delete"]["name"] == bodies["delete"]["id"]


async def test_the_contracts_own_examples_are_taken(sim: Simulator) -> None:
    example = CONTRACT.examples("createEndpoint")["example"]["endpoint"]
    async with inside(sim, endpoint_base_url=GATEWAY) as novita:
        extra = {**example, "products": [{"id": PRODUCT}]}
        made = await novita.serverless.create("x", product_ids=["x"], port=1, policy=QueuePolicy(1), extra_body=extra)
        endpoint = await novita.serverless.get(made.id)
        assert (endpoint.name, endpoint.port, endpoint.policy) == ("demo", 8000, QueuePolicy(30))
        task = await novita.serverless.endpoint("echo").run(CONTRACT.examples("asyncRun")["example"]["input"])
        assert await task.wait() == {"prompt": "hi"}
