"""What becomes of sandboxes: how a session ends, pause and resume, clones, ports; what the control plane is asked."""

from __future__ import annotations

import asyncio
import base64
import shlex
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

import msgspec
import pytest
from fake_platform import API, ENVD, KEY, TOKEN, Platform, ended, finished, json, script, settled, started, wrote
from judge import Detour

from novita_async import AsyncNovita, MockTransport
from novita_async.errors import (
    BadRequest,
    CallTimeout,
    ClientClosed,
    CommandFailed,
    NotFound,
    ProtocolError,
    SandboxEnded,
    SandboxUnreachable,
    ServerError,
    ValidationError,
)
from novita_async.transport.protocol import Reply
from novita_async.wire.connect import ConnectDecoder

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from novita_async import Simulator
    from novita_async.testing.clock import JumpClock
    from novita_async.transport.protocol import Request, WebSocket


def decoded(request: Request) -> Any:
    assert isinstance(request.body, bytes)
    return msgspec.json.decode(request.body)


def query_of(request: Request) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(urlsplit(request.url).query).items()}


def answering(value: Any, status: int = 200) -> Callable[[Request], Awaitable[Reply]]:
    async def answer(request: Request) -> Reply:
        return json(value, status)

    return answer


async def nothing(request: Request) -> Reply:
    return Reply(204)


# ------------------------------------------------------------------------------------------------ how it ends


@pytest.mark.parametrize("how", ["kill", "pause", "leave"])
async def test_leaving_the_block_does_what_on_exit_says(client: AsyncNovita, platform: Platform, how: Any) -> None:
    platform.routes["POST /sandboxes/*"] = paused = answering_pause(platform)
    async with client.sandboxes.create(on_exit=how) as one:
        pass
    platform.alive.add("sbx9")
    async with client.sandboxes.connect("sbx9", on_exit=how) as two:
        pass
    assert platform.alive == (set() if how == "kill" else {one.id, two.id})
    assert paused.names == ([one.id, two.id] if how == "pause" else [])
    await one.aclose()
    await two.aclose()
    assert len(platform.sent("POST", "/pause")) == (2 if how == "pause" else 0)


class answering_pause:
    """Answers the pauses, and remembers whose they were."""

    def __init__(self, platform: Platform) -> None:
        self.names: list[str] = []

    async def __call__(self, request: Request) -> Reply | None:
        name, verb = request.url.split("/")[-2:]
        if verb != "pause":
            return None
        self.names.append(name)
        return Reply(204)


async def test_streams_end_with_the_session_that_leaves_its_sandbox(client: AsyncNovita, platform: Platform) -> None:
    forever = asyncio.Event()
    platform.start = script(started(), forever.wait)
    async with client.sandboxes.create(on_exit="leave") as sandbox:
        command = await sandbox.commands.run("sleep 1000", background=True)
    with pytest.raises(ClientClosed):
        await command.wait()
    assert platform.alive == {sandbox.id}


async def test_what_was_killed_inside_is_not_paused_at_the_end(client: AsyncNovita, platform: Platform) -> None:
    async with client.sandboxes.create(on_exit="pause") as sandbox:
        await sandbox.kill()
    assert platform.sent("POST", "/pause") == []


async def test_a_pause_that_fails_is_raised_or_noted(client: AsyncNovita, platform: Platform) -> None:
    platform.routes["POST /sandboxes/sbx1/pause"] = answering({"code": 500, "message": "boom"}, 500)
    platform.routes["POST /sandboxes/sbx2/pause"] = answering({"code": 404, "message": "no"}, 404)
    with pytest.raises(ServerError, match="boom"):
        async with client.sandboxes.create(on_exit="pause"):
            pass
    with pytest.raises(SandboxEnded):
        async with client.sandboxes.create(on_exit="pause"):
            pass
    platform.routes["POST /sandboxes/sbx3/pause"] = platform.routes["POST /sandboxes/sbx1/pause"]
    with pytest.raises(KeyError) as caught:
        async with client.sandboxes.create(on_exit="pause"):
            raise KeyError("mine")
    assert "could not be paused" in caught.value.__notes__[0]


async def test_a_pause_at_the_end_is_carried_through_a_cancellation(
    client: AsyncNovita, platform: Platform, clock: JumpClock
) -> None:
    paused: list[str] = []

    async def pause(request: Request) -> Reply:
        await clock.sleep(8)
        paused.append(request.url)
        return Reply(204)

    async def work() -> None:
        async with client.sandboxes.create(on_exit="pause"):
            pass

    platform.routes["POST /sandboxes/sbx1/pause"] = pause
    task = asyncio.create_task(work())
    while not platform.sent("POST", "/pause"):
        await settled()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert len(paused) == 1


# ------------------------------------------------------------------------------------------- pause and resume


async def test_a_conflict_says_that_it_was_paused_and_is_asked_once(client: AsyncNovita, platform: Platform) -> None:
    platform.routes["POST /sandboxes/sbx1/pause"] = answering({"code": 409, "message": "paused already"}, 409)
    sandbox = await client.sandboxes.create()
    assert await sandbox.pause() is False
    assert await client.sandboxes.by_id("sbx1").pause() is False
    assert len(platform.sent("POST", "/pause")) == 2
    assert platform.sent("POST", "/pause")[0].body is None


async def test_a_session_goes_on_after_its_resume_with_the_new_tokens(client: AsyncNovita, platform: Platform) -> None:
    platform.routes["POST /sandboxes/sbx1/pause"] = nothing
    platform.created = {"trafficAccessToken": "old-traffic"}
    sandbox = await client.sandboxes.create()
    await sandbox.pause()
    platform.created = {"envdAccessToken": "another", "trafficAccessToken": "new-traffic"}
    await sandbox.resume(lifetime=50.5)
    (request,) = platform.sent("POST", "/connect")
    assert decoded(request) == {"timeout": 51}
    assert request.headers["novita-sandbox-id"] == "sbx1"
    assert sandbox.traffic_token == "new-traffic"
    await sandbox.commands.run("true")
    assert platform.sent("POST", "/Start")[0].headers["x-access-token"] == "another"


async def test_the_older_resume_says_what_becomes_of_it(client: AsyncNovita, platform: Platform) -> None:
    platform.routes["POST /sandboxes/sbx1/resume"] = answering({"sandboxID": "sbx1"}, 201)
    await client.sandboxes.by_id("sbx1").resume(lifetime=20, on_timeout="pause")
    assert decoded(platform.sent("POST", "/resume")[0]) == {"timeout": 20, "autoPause": True}


async def test_a_paused_sandbox_is_not_kept_alive_until_it_is_resumed(
    client: AsyncNovita, platform: Platform, clock: JumpClock
) -> None:
    platform.routes["POST /sandboxes/sbx1/pause"] = nothing
    async with client.sandboxes.create(lifetime=100, keep_alive=True) as sandbox:
        await clock.sleep(120)
        before = len(platform.sent("POST", "/timeout"))
        await sandbox.pause()
        await clock.sleep(1000)
        assert len(platform.sent("POST", "/timeout")) == before == 2
        await sandbox.resume(lifetime=100)
        await clock.sleep(120)
        assert len(platform.sent("POST", "/timeout")) > before


async def test_reset_tells_whether_it_was_done_and_takes_the_new_traffic_token(
    client: AsyncNovita, platform: Platform
) -> None:
    sandbox = await client.sandboxes.create()
    platform.routes["POST /sandboxes/sbx1/reset"] = answering({"trafficAccessToken": "t2"})
    assert await sandbox.reset(allow_public_traffic=False, lifetime=9.1, secure=True) is True
    assert sandbox.traffic_token == "t2"
    sent = {"resume": True, "timeout": 10, "secure": True, "allowPublicTraffic": False}
    assert decoded(platform.sent("POST", "/reset")[0]) == sent
    platform.routes["POST /sandboxes/sbx1/reset"] = nothing
    assert await sandbox.reset(resume=False) is True
    platform.routes["POST /sandboxes/sbx1/reset"] = answering({"code": 409, "message": "busy"}, 409)
    assert await sandbox.reset() is False
    assert len(platform.sent("POST", "/reset")) == 3


# ----------------------------------------------------------------------------------------------------- clones


def cloning(platform: Platform, names: list[str]) -> Callable[[Request], Awaitable[Reply]]:
    async def clone(request: Request) -> Reply:
        platform.alive |= set(names)
        made = [{"sandboxID": name, "envdVersion": "0.5.7", "envdAccessToken": f"of-{name}"} for name in names]
        return json({"sandboxes": made, "snapshotTemplateId": "s"})

    return clone


async def test_clones_are_sandboxes_of_their_own(client: AsyncNovita, platform: Platform) -> None:
    platform.routes["POST /sandboxes/sbx1/clone"] = cloning(platform, ["c1", "c2"])
    async with client.sandboxes.create() as sandbox:
        one, two = await sandbox.clone(count=2, strict=True, lifetime=30, node_id="n")
        async with one:
            await one.commands.run("true")
        assert platform.alive == {"sbx1", "c2"}
        await two.kill()
    request = platform.sent("POST", "/clone")[0]
    assert decoded(request) == {"count": 2, "strict": True, "timeout": 30, "nodeID": "n"}
    assert platform.sent("POST", "/Start")[0].headers["x-access-token"] == "of-c1"
    assert platform.alive == set()


async def test_a_cancelled_clone_leaves_none_behind(client: AsyncNovita, platform: Platform, clock: JumpClock) -> None:
    clone = cloning(platform, ["c1", "c2", "c3"])

    async def slowly(request: Request) -> Reply:
        await clock.sleep(2)
        return await clone(request)

    platform.routes["POST /sandboxes/sbx1/clone"] = slowly
    task = asyncio.create_task(client.sandboxes.by_id("sbx1").clone(count=3))
    while not platform.sent("POST", "/clone"):
        await settled()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert platform.alive == set()
    assert len(platform.sent("DELETE", "")) == 3


async def test_clones_of_which_one_cannot_be_reached_are_killed(client: AsyncNovita, platform: Platform) -> None:
    platform.routes["POST /sandboxes/sbx1/clone"] = cloning(platform, ["c1", "evil/../x"])
    with pytest.raises(ProtocolError, match="no sandbox can be at"):
        await client.sandboxes.by_id("sbx1").clone(count=2)
    assert platform.alive == {"evil/../x"}


# --------------------------------------------------------------------------------------- what is not there


async def test_a_missing_sandbox_is_not_found_by_id_and_ended_in_a_session(
    client: AsyncNovita, platform: Platform
) -> None:
    gone = answering({"code": 404, "message": "sandbox not found"}, 404)
    sandbox = await client.sandboxes.create()
    handle = client.sandboxes.by_id(sandbox.id)
    for verb in ("GET", "POST", "PUT", "DELETE"):
        platform.routes[f"{verb} /sandboxes/*"] = gone
        platform.routes[f"{verb} /v2/sandboxes/*"] = gone
    for which, expected in ((handle, NotFound), (sandbox, SandboxEnded)):
        calls = [
            which.info(), which.set_lifetime(9), which.refresh(9), which.pause(), which.resume(), which.reset(),
            which.snapshot(), which.clone(), which.commit(), which.set_network(), which.resize_memory(512),
            which.mount("/v", "v"), which.unmount("/v"), which.metrics(), which.logs(), which.log_lines(),
        ]  # fmt: skip
        for asking in calls:
            with pytest.raises(expected):
                await asking


async def test_a_missing_volume_is_not_a_missing_sandbox(client: AsyncNovita, platform: Platform) -> None:
    platform.routes["POST /sandboxes/sbx1/volume-mounts"] = answering({"code": 404, "message": "no volume"}, 404)
    sandbox = await client.sandboxes.create()
    with pytest.raises(NotFound, match="no volume"):
        await sandbox.mount("/mnt", "nowhere")


# ------------------------------------------------------------------------------------------------------ ports


async def serve(request: Request) -> Reply:
    if request.url.endswith("/broken"):
        return json({"why": "this"}, 400)
    return json({"method": request.method, "url": request.url})


async def test_a_port_has_an_address(client: AsyncNovita, platform: Platform) -> None:
    platform.created = {"domain": "far.test"}
    sandbox = await client.sandboxes.create()
    assert sandbox.host(3000) == "3000-sbx1.far.test"
    assert sandbox.url(3000) == "https://3000-sbx1.far.test"
    assert sandbox.traffic_token is None
    for port in (0, 65536, "80", True):
        with pytest.raises(ValidationError, match="port"):
            sandbox.url(port)  # pyright: ignore[reportArgumentType]


async def test_requests_reach_a_port_by_its_host_without_any_key_of_ours(platform: Platform, clock: JumpClock) -> None:
    platform.created = {"trafficAccessToken": "traffic"}
    platform.routes["GET /items"] = platform.routes["POST /broken"] = serve
    async with (
        AsyncNovita(api_key=KEY, domain="home.test", transport=MockTransport(platform), clock=clock) as client,
        client.sandboxes.create() as sandbox,
    ):
        answer = await sandbox.request(8000, "get", "/items?limit=3", extra_headers={"X-Mine": "1"})
        assert answer.json() == {"method": "GET", "url": "https://8000-sbx1.home.test/items?limit=3"}
        assert answer.status == 200
        with pytest.raises(BadRequest) as caught:
            await sandbox.request(8000, "POST", "/broken", body=b"x")
        assert b"this" in caught.value.body
    request = platform.sent("GET", "/items")[0]
    assert request.headers["e2b-traffic-access-token"] == "traffic"
    assert request.headers["x-mine"] == "1"
    for each in (request, *platform.sent("POST", "/broken")):
        assert KEY not in repr(list(each.headers.items()))
        assert TOKEN not in repr(list(each.headers.items()))
        assert "novita-sandbox-id" not in each.headers


async def test_behind_one_address_the_port_is_named_in_a_header(client: AsyncNovita, platform: Platform) -> None:
    platform.routes["GET /items"] = serve
    async with client.sandboxes.create() as sandbox:
        answer = await sandbox.request(8000, "GET", "/items")
    assert answer.json()["url"] == f"{ENVD}/items"
    request = platform.sent("GET", "/items")[0]
    assert (request.headers["novita-sandbox-id"], request.headers["novita-sandbox-port"]) == ("sbx1", "8000")


async def test_a_port_where_nothing_listens_is_unreachable(client: AsyncNovita, platform: Platform) -> None:
    closed = {"sandboxId": "sbx1", "message": "The sandbox is running but port is not open", "port": 81, "code": 502}
    platform.routes["GET /"] = answering(closed, 502)
    async with client.sandboxes.create() as sandbox:
        with pytest.raises(SandboxUnreachable, match="port is not open"):
            await sandbox.request(81, "GET")
    with pytest.raises(SandboxEnded):
        await sandbox.request(81, "GET")
    with pytest.raises(SandboxEnded):
        await sandbox.websocket(81)


@pytest.mark.parametrize("path", ["items", "", "/a b", "/ä", "/a\nb", None])
async def test_a_path_that_is_none_is_refused(client: AsyncNovita, platform: Platform, path: Any) -> None:
    sandbox = await client.sandboxes.create()
    with pytest.raises(ValidationError, match="path"):
        await sandbox.request(80, "GET", path)
    with pytest.raises(ValidationError, match="method"):
        await sandbox.request(80, "GE T")
    assert len(platform.requests) == 1


async def test_a_websocket_to_a_port(platform: Platform, clock: JumpClock) -> None:
    opened: list[Request] = []

    async def echo(request: Request, socket: WebSocket) -> None:
        opened.append(request)
        while (message := await socket.receive()) is not None:
            if message == "die":
                raise ConnectionResetError
            if message == "bye":
                return
            await socket.send(message)

    transport = MockTransport(platform, echo)
    async with (
        AsyncNovita(api_key=KEY, api_url=API, domain="home.test", transport=transport, clock=clock) as client,
        client.sandboxes.create() as sandbox,
    ):
        async with await sandbox.websocket(8000, "/ws", subprotocols=["v1"]) as socket:
            assert socket.subprotocol == "v1"
            await socket.send("hello")
            await socket.send(b"bytes")
            await socket.send("bye")
            assert [message async for message in socket] == ["hello", b"bytes"]
        async with await sandbox.websocket(8000, "/ws") as socket:
            platform.state = None
            await socket.send("die")
            with pytest.raises(SandboxEnded):
                await socket.receive()
    assert [request.url for request in opened] == ["wss://8000-sbx1.home.test/ws"] * 2
    assert KEY not in repr([list(request.headers.items()) for request in opened])


async def test_a_websocket_that_does_not_open_in_time(client: AsyncNovita, monkeypatch: pytest.MonkeyPatch) -> None:
    async def never(*_: Any, **__: Any) -> WebSocket:
        await asyncio.Event().wait()
        raise AssertionError

    sandbox = await client.sandboxes.create()
    for transport in (MockTransport, Detour):
        monkeypatch.setattr(transport, "websocket", never)
    with pytest.raises(CallTimeout):
        await sandbox.websocket(8000, timeout=3)


# ------------------------------------------------------------------------------------- what the platform tells


async def test_metrics_and_events_have_times(client: AsyncNovita, platform: Platform) -> None:
    first = {
        "timestampUnix": 100,
        "cpuUsedPct": 1.5,
        "memUsed": 2**31,
        "memTotal": 2**32,
        "diskUsed": 1,
        "diskTotal": 9,
    }
    second = {**first, "timestamp": "2026-01-01T00:00:00Z"}
    platform.routes["GET /sandboxes/sbx1/metrics"] = answering([first, second])
    start = datetime(2026, 1, 1, tzinfo=UTC)
    one, two = await client.sandboxes.by_id("sbx1").metrics(start=start, end=start + timedelta(seconds=90))
    assert one.time == datetime.fromtimestamp(100, UTC)
    assert two.time == start
    assert (one.cpu_used_pct, one.memory_used, one.raw["diskTotal"]) == (1.5, 2**31, 9)
    assert query_of(platform.requests[-1]) == {"start": "1767225600", "end": "1767225690"}


async def test_events_go_on_as_long_as_there_are_more(client: AsyncNovita, platform: Platform) -> None:
    async def page(request: Request) -> Reply:
        offset = int(query_of(request)["offset"])
        items = [{"eventID": str(offset + n), "eventName": "create", "recordAt": 60 * n} for n in range(2)]
        return json({"items": items, "total": 6, "hasMore": offset < 4})

    platform.routes["GET /sandboxes/events"] = page
    end = datetime(2026, 1, 1, tzinfo=UTC)
    found = await client.sandboxes.events(names=["create", "delete"], end=end, oldest_first=True, state="success")
    assert [event.id for event in found] == ["0", "1", "2", "3", "4", "5"]
    assert found[1].time == datetime.fromtimestamp(60, UTC)
    expected = {"events": "create,delete", "endTime": "1767225600", "orderAsc": "true", "state": "success"}
    assert query_of(platform.requests[0]) == {**expected, "offset": "0", "limit": "100"}
    with pytest.raises(ValidationError, match="time zone"):
        client.sandboxes.events(start=datetime(2026, 1, 1))


async def test_answers_that_nobody_has_seen_are_read_in_more_than_one_form(
    client: AsyncNovita, platform: Platform
) -> None:
    async def page(request: Request) -> Reply:
        return json({"items": [{"eventID": query_of(request)["offset"]}], "total": 3})

    platform.routes["GET /sandboxes/events"] = page
    assert [event.id for event in await client.sandboxes.events()] == ["0", "1", "2"]
    old, new = {"cpuCount": 1}, {"cpuCount": 2}
    platform.routes["GET /sandboxes/metrics"] = answering({"sandboxes": {"a": new, "b": [old, new], "c": []}})
    found = await client.sandboxes.metrics(["a", "b", "c"])
    assert {name: metric.cpu_count for name, metric in found.items()} == {"a": 2, "b": 2}
    platform.routes["DELETE /sandboxes/sbx1/volume-mounts"] = nothing
    assert (await client.sandboxes.by_id("sbx1").unmount("/v")).id == "sbx1"


async def test_logs_are_asked_for_as_the_contract_says(client: AsyncNovita, platform: Platform) -> None:
    entry = {"timestamp": "2026-01-01T00:00:00Z", "message": "m", "level": "loud", "fields": {"a": "b"}}
    platform.routes["GET /v2/sandboxes/sbx1/logs"] = answering({"logs": [entry]})
    handle = client.sandboxes.by_id("sbx1")
    (found,) = await handle.logs(since=datetime(2026, 1, 1, tzinfo=UTC), backward=False, level="info", search="x")
    assert (found.message, found.level, found.fields) == ("m", "loud", {"a": "b"})
    sent = {"cursor": "1767225600000", "limit": "1000", "direction": "forward", "level": "info", "search": "x"}
    assert query_of(platform.requests[0]) == sent
    for wrong in ({"limit": 0}, {"limit": 1001}, {"search": "x" * 257}):
        with pytest.raises(ValidationError):
            await handle.logs(**wrong)  # pyright: ignore[reportArgumentType] - that of a test


async def test_a_quota_that_is_not_told_is_none(client: AsyncNovita, platform: Platform) -> None:
    platform.routes["GET /sandboxes/quota"] = answering({"limit": {"concurrentInstances": 5}})
    quota = await client.sandboxes.quota()
    assert (quota.limit.sandboxes, quota.limit.vcpus, quota.usage.sandboxes) == (5, None, None)


async def test_the_network_of_a_running_one_is_replaced(client: AsyncNovita, platform: Platform) -> None:
    platform.routes["PUT /sandboxes/sbx1/network"] = nothing
    handle = client.sandboxes.by_id("sbx1")
    await handle.set_network(allow_out=["*.example.com", "10.1.2.3"], deny_out=["::/0"])
    await handle.set_network()
    sent = [decoded(request) for request in platform.sent("PUT", "/network")]
    assert sent == [{"allowOut": ["*.example.com", "10.1.2.3"], "denyOut": ["::/0"]}, {}]


# -------------------------------------------------------------------------------------- before a byte leaves


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"on_exit": "stop"}, "on_exit must be one of 'kill', 'pause', 'leave'"),
        ({"on_timeout": "leave"}, "on_timeout"),
        ({"auto_resume": True}, "auto_resume needs"),
        ({"idle_timeout": -1}, "idle_timeout"),
        ({"idle_timeout": 5, "metadata": {"idle_timeout": "6"}}, "given twice"),
        ({"secure": False, "allow_public_traffic": False}, "must be secure"),
        ({"allow_out": "1.1.1.1"}, "allow_out must be a list"),
        ({"allow_out": ["http://x"]}, "allow_out: 'http://x'"),
        ({"deny_out": ["example.com"]}, "deny_out: 'example.com' is not an IP address or a CIDR range"),
        ({"mask_request_host": "a b"}, "mask_request_host"),
        ({"volume_mounts": {"data": "v"}}, "absolute path"),
        ({"volume_mounts": {"/data": "a/b"}}, "volume's name"),
        ({"secrets": {"A=B": "x"}}, "secrets"),
        ({"mcp": {"x": object()}}, "JSON"),
    ],
)
async def test_create_refuses_what_the_platform_would(
    client: AsyncNovita, platform: Platform, arguments: dict[str, Any], words: str
) -> None:
    with pytest.raises(ValidationError, match=words):
        client.sandboxes.create(**arguments)
    assert platform.requests == []


async def test_the_two_labels_that_the_platform_acts_on(client: AsyncNovita, platform: Platform) -> None:
    sandbox = await client.sandboxes.create(idle_timeout=59.5, long_running=True, metadata={"a": "b"})
    assert sandbox.metadata == {"a": "b", "idle_timeout": "60", "long_running": "true"}
    await client.sandboxes.create(idle_timeout=0)
    assert decoded(platform.requests[1])["metadata"] == {"idle_timeout": "0"}


async def test_what_a_handle_refuses(client: AsyncNovita, platform: Platform) -> None:
    handle: Any = client.sandboxes.by_id("sbx1")
    for asking in (
        handle.refresh(3601), handle.resize_memory(-1), handle.clone(count=0), handle.clone(on_exit="x"),
        handle.resume(on_timeout="x"), handle.mount("x", "v"), handle.unmount("x"), handle.log_lines(limit=0),
    ):  # fmt: skip
        with pytest.raises(ValidationError):
            await asking
    with pytest.raises(ValidationError, match="sandbox_id"):
        client.sandboxes.by_id("a/b")
    with pytest.raises(ValidationError, match="sandbox_ids"):
        await client.sandboxes.metrics([])
    assert platform.requests == []


# ------------------------------------------------------------------------------------------- images and gateways


async def test_a_template_of_an_image_is_built_once(novita: AsyncNovita, novita_simulator: Simulator) -> None:
    async with novita.sandboxes.create(image="docker.io/library/python:3.12") as one:
        pass
    async with novita.sandboxes.create(image="docker.io/library/python:3.12") as two:
        assert one.template == two.template
    # The name is what novita-sandbox 2.1.1 makes of this image, so that the two clients share the template.
    builds = [request for request in novita_simulator.requests if request.path == "/v3/templates"]
    assert [request.json()["name"] for request in builds] == ["novita-oci-docker-io-library-python-3-12-81443d5db5e2"]


async def test_image_and_template_exclude_each_other(client: AsyncNovita, platform: Platform) -> None:
    with pytest.raises(ValidationError, match="exclude each other"):
        client.sandboxes.create("base", image="python")
    for image in ("", ":x", "/x", "a b"):
        with pytest.raises(ValidationError, match="image"):
            client.sandboxes.create(image=image)
    assert platform.requests == []


async def test_the_gateway_is_started_as_root_with_a_token_of_its_own(client: AsyncNovita, platform: Platform) -> None:
    servers = {"github/o'wner/repo": {"run_cmd": "npx x"}}
    async with client.sandboxes.create(mcp=servers):
        pass
    assert decoded(platform.sent("POST", "/sandboxes")[0])["templateID"] == "mcp-gateway"
    (request,) = platform.sent("POST", "/Start")
    assert isinstance(request.body, bytes)
    (sent,) = ConnectDecoder().feed(request.body)
    process = msgspec.json.decode(sent.payload)["process"]
    assert shlex.split(process["args"][-1]) == ["mcp-gateway", "--config", msgspec.json.encode(servers).decode()]
    assert len(process["envs"]["GATEWAY_ACCESS_TOKEN"]) == 36
    assert request.headers["authorization"] == "Basic " + base64.b64encode(b"root:").decode()


async def test_a_sandbox_whose_gateway_does_not_start_is_killed(client: AsyncNovita, platform: Platform) -> None:
    platform.start = script(started(), wrote(b"no such command", "stderr"), ended(127), finished())
    with pytest.raises(CommandFailed, match="no such command"):
        await client.sandboxes.create(mcp={})
    assert platform.alive == set()


async def test_a_server_inside_answers_at_its_port(novita: AsyncNovita) -> None:
    async with novita.sandboxes.create() as sandbox:
        await sandbox.files.write("site/hello.txt", "hello")
        with pytest.raises(SandboxUnreachable):
            await sandbox.request(8765, "GET", "/hello.txt", timeout=5)
        serve = "cd site && exec python3 -m http.server 8765 --bind 127.0.0.1"
        async with await sandbox.commands.run(serve, background=True, timeout=None):
            await sandbox.commands.run("until (exec 3<>/dev/tcp/127.0.0.1/8765) 2>/dev/null; do sleep 0.05; done")
            answer = await sandbox.request(8765, "GET", "/hello.txt")
            assert answer.text == "hello"
            with pytest.raises(NotFound):
                await sandbox.request(8765, "GET", "/nothing.txt")
