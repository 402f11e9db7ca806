"""Every operation of contract/sandbox.openapi.yaml but those of templates, called through the SDK on the simulator.

Both are judged by the contract.
"""

from __future__ import annotations

import importlib
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import msgspec
import openapi
import pytest
from helpers import inside

from novita_async import MockTransport, Reply
from novita_async.errors import APIError, Conflict, NotFound

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from novita_async import AsyncNovita, Request, Simulator

CONTRACT = openapi.Contract("sandbox")
CONTRACT.operations()  # reads the file, here and not on the event loop

CALLS: list[Callable[[AsyncNovita], Awaitable[None]]] = []

#: Where the control plane of these tests is, so that it can be told from the insides of sandboxes.
API = "http://control.test"


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
        host, _, path = request.url.partition("://")[2].partition("/")
        path = f"/{path}"
        if host == "artifact.novita.ai":
            path = path.removeprefix("/v1")
        elif host != "control.test":
            return await self._simulator.handle(request)  # the inside of a sandbox
        body = request.body
        assert body is None or isinstance(body, bytes)
        CONTRACT.check_request(request.method, path, request.headers.get("content-type"), body)
        operation = CONTRACT.operation_of(request.method, path)
        self.seen.add(operation or path)
        reply = await self._simulator.handle(request)
        whole = reply.body if isinstance(reply.body, bytes) else b"".join([part async for part in reply.body])
        responses = next(
            item[request.method.lower()]["responses"]
            for where, item in CONTRACT.document["paths"].items()
            if item.get(request.method.lower(), {}).get("operationId") == operation and where
        )
        status = str(reply.status) if str(reply.status) in responses else "default"
        assert status in responses, f"{operation}: {reply.status} is none of {', '.join(responses)}: {whole!r}"
        if operation == "streamHostingLogs":  # the contract knows the names of its events, and no more
            assert {name for name, _ in openapi.events(whole)} <= {"connected", "log", "complete", "error"}
        elif whole and status != "default":
            CONTRACT.check_response(request.method, path, reply.status, reply.headers.get("content-type"), whole)
        return Reply(reply.status, reply.headers, whole)


def call(function: Callable[[AsyncNovita], Awaitable[None]]) -> Callable[[AsyncNovita], Awaitable[None]]:
    CALLS.append(function)
    return function


@call
async def life(novita: AsyncNovita) -> None:
    volume = await novita.sandboxes.volumes.create("of-life", quota_gib=1)
    await novita.sandboxes.secrets.create("of-life", "s3cret", hosts=["api.example.com"])
    async with novita.sandboxes.create(
        "base",
        lifetime=60,
        on_timeout="pause",
        auto_resume=True,
        idle_timeout=30,
        long_running=True,
        metadata={"team": "a b"},
        envs={"A": "1"},
        secrets={"TOKEN": "of-life"},
        allow_out=["10.0.0.0/8", "*.example.com"],
        deny_out=["0.0.0.0/0"],
        allow_public_traffic=False,
        mask_request_host="localhost:${PORT}",
        volume_mounts={"/mnt/data": volume},
        node_id="n1",
    ) as sandbox:
        info = await sandbox.info()
        assert info.lifecycle is not None
        assert (info.lifecycle.on_timeout, info.lifecycle.auto_resume) == ("pause", True)
        assert info.network is not None
        assert info.network.allow_out == ["10.0.0.0/8", "*.example.com"]
        assert info.volume_mounts is not None
        assert [(each.name, each.path) for each in info.volume_mounts] == [("of-life", "/mnt/data")]
        await sandbox.set_lifetime(100)
        await sandbox.refresh(200)
        assert await sandbox.pause() is True
        assert await sandbox.pause() is False
        await sandbox.resume(lifetime=100)
        await sandbox.pause()
        await novita.sandboxes.by_id(sandbox.id).resume(on_timeout="kill")
        with pytest.raises(Conflict):
            await sandbox.resume(on_timeout="kill")
        async with novita.sandboxes.connect(sandbox.id, on_exit="leave") as again:
            assert again.id == sandbox.id
        await sandbox.set_network(allow_out=["1.1.1.1"])
        await sandbox.set_network()
        await sandbox.resize_memory(512)
        await sandbox.reset()
    assert await novita.sandboxes.kill(sandbox.id) is False
    with pytest.raises(NotFound):
        await novita.sandboxes.info(sandbox.id)


@call
async def lists(novita: AsyncNovita) -> None:
    async with novita.sandboxes.create(metadata={"a b": "c&d"}) as one, novita.sandboxes.create():
        assert [info.id for info in await novita.sandboxes.list(metadata={"a b": "c&d"}, state=["running"])] == [one.id]
        assert [info.id for info in await novita.sandboxes.running(metadata={"a b": "c&d"})] == [one.id]


@call
async def copies(novita: AsyncNovita) -> None:
    async with novita.sandboxes.create() as sandbox:
        clones = await sandbox.clone(count=2, strict=True, lifetime=60)
        assert len({each.id for each in clones} | {sandbox.id}) == 3
        for each in clones:
            await each.aclose()
        snapshot = await sandbox.snapshot()
        assert [each.id for each in await novita.sandboxes.snapshots.list(sandbox_id=sandbox.id)] == [snapshot.id]
        async with novita.sandboxes.create(snapshot.id):
            pass
        assert await novita.sandboxes.snapshots.delete(snapshot.id) is True
        assert await novita.sandboxes.snapshots.delete(snapshot.id) is False
        with pytest.raises(APIError):  # only the older domains have it
            await sandbox.commit(alias="mine")


@call
async def told(novita: AsyncNovita) -> None:
    async with novita.sandboxes.create() as sandbox:
        await sandbox.commands.run("echo hello")
        now = datetime.now(UTC)
        await sandbox.metrics(start=now - timedelta(days=1))
        assert set(await novita.sandboxes.metrics([sandbox.id])) <= {sandbox.id}
        await sandbox.logs(limit=10, level="info", search="hello", backward=True)
        await sandbox.log_lines(limit=10)
        events = await novita.sandboxes.events(sandbox_id=sandbox.id, names=["create"], oldest_first=True)
        assert [event.name for event in events] == ["create"]
        quota = await novita.sandboxes.quota()
        assert quota.usage.sandboxes == 1
        assert quota.limit.sandboxes is not None


@call
async def volumes(novita: AsyncNovita) -> None:
    made = await novita.sandboxes.volumes.create("data")
    assert "token" not in repr(made)
    assert [each.id for each in await novita.sandboxes.volumes.list() if each.name == "data"] == [made.id]
    assert (await novita.sandboxes.volumes.get(made.id)).name == "data"
    assert (await novita.sandboxes.volumes.set_quota(made.id, 3)).quota_gib == 3
    async with novita.sandboxes.create() as sandbox:
        info = await sandbox.mount("/mnt/data", made)
        assert [each.path for each in info.volume_mounts or ()] == ["/mnt/data"]
        info = await sandbox.unmount("/mnt/data", force=True)
        assert not info.volume_mounts
        with pytest.raises(NotFound):
            await sandbox.mount("/mnt/x", "nowhere")
    assert await novita.sandboxes.volumes.delete(made.id) is True
    assert await novita.sandboxes.volumes.delete(made.id) is False


@call
async def secrets(novita: AsyncNovita) -> None:
    store = novita.sandboxes.secrets
    made = await store.create("key.1", "s3cret", hosts=["API.example.com", "*.bücher.example"], description="a key")
    assert made.hosts == ["api.example.com", "*.xn--bcher-kva.example"]
    with pytest.raises(Conflict):
        await store.create("key.1", "s3cret", hosts=["api.example.com"])
    assert "key.1" in [each.name for each in await store.list()]
    assert (await store.get("key.1")).has_secret
    assert (await store.update("key.1", "other", hosts=["b.example.com"])).hosts == ["b.example.com"]
    assert await store.delete("key.1") is True
    assert await store.delete("key.1") is False


@call
async def teams(novita: AsyncNovita) -> None:
    (team, *_) = await novita.sandboxes.teams.list(access_token="token-of-a-user")
    assert team.api_key not in repr(team) or not team.api_key
    await novita.sandboxes.teams.metrics(team.id)
    await novita.sandboxes.teams.peak(team.id, "concurrent_sandboxes")


@call
async def projects(novita: AsyncNovita) -> None:
    home = novita.sandboxes.projects
    made = await home.create("my-app", description="mine", request_timeout=30)
    assert (made.name, made.status) == ("my-app", "active")
    assert made.url.startswith("https://")
    assert [each.id for each in await home.list(status=["active"])] == [made.id]
    assert (await home.update(made.id, description="ours")).description == "ours"
    assert (await home.get("my-app")).description == "ours"
    database = await home.database(made.id)
    assert database.database_url
    assert database.database_url not in repr(database)
    async with novita.sandboxes.create() as sandbox:
        await sandbox.files.write("site/index.html", "hello")
        path = "/home/user/site"
        first = await home.deploy(made.id, sandbox_id=sandbox.id, path=path, port=80, envs={"A": "1"}, message="one")
        async with await home.logs(made.id, first.id) as stream:
            kinds = [event.kind async for event in stream]
        assert kinds[0] == "connected"
        assert kinds[-1] == "complete"
        assert (await home.deployment(made.id, first.id)).status == "running"
        second = await home.deploy(made.id, sandbox_id=sandbox.id, path=path)
        await home.cancel(made.id, second.id, reason="no")
        assert (await home.deployment(made.id, second.id)).status == "cancelled"
        await home.rollback(made.id, first.id)
        assert [each.id for each in await home.deployments(made.id, status=["cancelled"])] == [second.id]
    await home.delete(made.id)
    with pytest.raises(NotFound):
        await home.get("my-app")


@pytest.mark.parametrize("call", CALLS, ids=lambda call: call.__name__)
async def test_requests_and_answers_are_what_the_contract_says(
    call: Callable[[AsyncNovita], Awaitable[None]], novita_simulator: Simulator
) -> None:
    judge = Judge(novita_simulator)
    async with inside(novita_simulator, transport=judge.transport, api_url=API) as novita:
        await call(novita)
    assert judge.seen


def is_of_templates(operation: str) -> bool:
    tags = next(
        described["tags"]
        for item in CONTRACT.document["paths"].values()
        for described in item.values()
        if described["operationId"] == operation
    )
    return tags[0] in ("templates", "tags")


async def test_every_operation_is_called(novita_simulator: Simulator) -> None:
    judge = Judge(novita_simulator)
    async with inside(novita_simulator, transport=judge.transport, api_url=API) as novita:
        for each in CALLS:
            await each(novita)
    assert {each for each in CONTRACT.operations() if not is_of_templates(each)} <= judge.seen


# ------------------------------------------------------------------------------------------------- the fields


def fields_of(schema: str) -> set[str]:
    return set(CONTRACT.schema(schema)["properties"])


#: Known by who makes the calls, and by `raw`.
HIDDEN = {"clientID", "envdAccessToken"}


@pytest.mark.parametrize(
    ("schema", "type_"),
    [
        ("ListedSandbox", "control:SandboxInfo"),
        ("SandboxDetail", "control:SandboxInfo"),
        ("SandboxLifecycle", "control:Lifecycle"),
        ("SandboxNetworkConfig", "control:Network"),
        ("SandboxVolumeMount", "control:VolumeMount"),
        ("SandboxMetric", "metrics:Metric"),
        ("SandboxLog", "metrics:LogLine"),
        ("SandboxLogEntry", "metrics:LogEntry"),
        ("SandboxQuota", "metrics:Quota"),
        ("SandboxEvent", "metrics:Event"),
        ("SnapshotInfo", "snapshots:Snapshot"),
        ("Volume", "volumes:Volume"),
        ("VolumeAndToken", "volumes:Volume"),
        ("SecretBinding", "secrets:Secret"),
        ("Team", "teams:Team"),
        ("TeamMetric", "teams:TeamMetric"),
        ("MaxTeamMetric", "teams:TeamPeak"),
    ],
)
def test_every_field_of_an_answer_is_an_attribute(schema: str, type_: str) -> None:
    module, _, name = type_.partition(":")
    struct = getattr(importlib.import_module(f"novita_async.sandbox.{module}"), name)
    assert {field.encode_name for field in msgspec.structs.fields(struct)} >= fields_of(schema) - HIDDEN


async def test_every_field_of_create_is_sent(novita_simulator: Simulator) -> None:
    sent: set[str] = set()

    async def look(request: Request) -> Reply:
        assert isinstance(request.body, bytes)
        sent.update(msgspec.json.decode(request.body))
        return Reply(400, {"content-type": "application/json"}, b'{"code":400,"message":"looked at"}')

    async with inside(novita_simulator, transport=MockTransport(look)) as novita:
        with pytest.raises(APIError, match="looked at"):
            await novita.sandboxes.create(
                mcp={"browserbase": {}},
                on_timeout="pause",
                secrets={"A": "b"},
                allow_out=["1.1.1.1"],
                volume_mounts={"/v": "v"},
                node_id="n",
            )
    assert sent == fields_of("NewSandbox")
