"""Sandboxes come, are reached and go."""

from __future__ import annotations

import asyncio
import base64
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from fake_platform import API, ENVD, KEY, TOKEN, Platform, error, json, not_there

from novita_async import AsyncNovita, MockTransport
from novita_async.errors import (
    BadRequest,
    NotFound,
    OutcomeUnknown,
    ProtocolError,
    SandboxEnded,
    ServerError,
    ValidationError,
)
from novita_async.simulator import Drop, Refuse

if TYPE_CHECKING:
    from novita_async import Simulator
    from novita_async.testing.clock import JumpClock
    from novita_async.transport.protocol import Reply, Request


def decoded(request: Request) -> Any:
    assert isinstance(request.body, bytes)
    return msgspec.json.decode(request.body)


async def test_create_sends_what_the_platforms_own_client_sends(client: AsyncNovita, platform: Platform) -> None:
    async with client.sandboxes.create() as sandbox:
        assert (sandbox.id, sandbox.template) == ("sbx1", "base")
    (request,) = platform.sent("POST", "/sandboxes")
    assert decoded(request) == {
        "templateID": "base",
        "allow_internet_access": True,
        "autoPause": False,
        "envVars": {},
        "metadata": {},
        "secure": True,
        "timeout": 300,
    }
    assert request.headers["x-api-key"] == KEY
    assert "authorization" not in request.headers


async def test_create_sends_every_argument_and_the_unknown_ones(client: AsyncNovita, platform: Platform) -> None:
    sandbox = await client.sandboxes.create(
        "snap:1",
        lifetime=10.2,
        metadata={"a": "b"},
        envs={"X": "1"},
        secure=False,
        allow_internet_access=False,
        on_timeout="pause",
        extra_body={"nodeID": "n1"},
        extra_headers={"X-Team": "search"},
    )
    assert sandbox.metadata == {"a": "b"}
    (request,) = platform.sent("POST", "/sandboxes")
    assert decoded(request) == {
        "templateID": "snap:1",
        "allow_internet_access": False,
        "autoPause": True,
        "autoResume": {"enabled": False},
        "envVars": {"X": "1"},
        "metadata": {"a": "b"},
        "secure": False,
        "timeout": 11,
        "nodeID": "n1",
    }
    assert request.headers["x-team"] == "search"


async def test_a_sandbox_that_was_only_awaited_is_not_killed(client: AsyncNovita, platform: Platform) -> None:
    sandbox = await client.sandboxes.create()
    assert platform.alive == {sandbox.id}
    async with sandbox:
        assert platform.alive == {sandbox.id}
    assert platform.alive == set()


async def test_async_with_takes_the_call_and_what_was_awaited_alike(client: AsyncNovita, platform: Platform) -> None:
    async with client.sandboxes.create() as one:
        pass
    async with await client.sandboxes.create() as two:
        pass
    platform.alive |= {"sbx8", "sbx9"}
    async with client.sandboxes.connect("sbx8") as three:
        pass
    async with await client.sandboxes.connect("sbx9") as four:
        pass
    assert [box.id for box in (one, two, three, four)] == ["sbx1", "sbx2", "sbx8", "sbx9"]
    assert platform.alive == set()
    assert len(platform.sent("DELETE", "")) == 4


async def test_create_can_be_made_a_task(client: AsyncNovita, platform: Platform) -> None:
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(client.sandboxes.create()) for _ in range(3)]
    assert {task.result().id for task in tasks} == platform.alive == {"sbx1", "sbx2", "sbx3"}


async def test_connect_sends_the_lifetime_and_the_routing_headers(client: AsyncNovita, platform: Platform) -> None:
    sandbox = await client.sandboxes.connect("sbx9", lifetime=60, extra_body={"secure": True})
    (request,) = platform.sent("POST", "/sandboxes/sbx9/connect")
    assert decoded(request) == {"timeout": 60, "secure": True}
    assert request.headers["novita-sandbox-id"] == "sbx9"
    assert request.headers["novita-sandbox-port"] == "49983"
    assert sandbox.id == "sbx9"


async def test_the_api_key_never_goes_into_a_sandbox(client: AsyncNovita, platform: Platform) -> None:
    async def answer(request: Request) -> Reply:
        return json([{"name": "f", "type": "file", "path": "/f"}])

    platform.routes["POST /files"] = answer
    async with client.sandboxes.create() as sandbox:
        await sandbox.commands.run("true", user="root")
        await sandbox.files.write("f", b"x")
        await sandbox.files.make_dir("d", user="root")
        await sandbox.is_running()
    inside = [request for request in platform.requests if request.url.startswith(ENVD)]
    assert len(inside) == 4
    for request in inside:
        assert KEY not in repr(list(request.headers.items()))
        assert "x-api-key" not in request.headers
        assert request.headers["x-access-token"] == TOKEN
        assert request.headers["novita-sandbox-id"] == sandbox.id
        assert request.headers["novita-sandbox-port"] == "49983"
    users = [request.headers.get("authorization") for request in inside]
    basic = "Basic " + base64.b64encode(b"root:").decode()
    assert users == [basic, None, basic, None]
    for request in platform.requests:
        assert request.url.startswith(ENVD) or "x-access-token" not in request.headers


@pytest.mark.parametrize(
    ("domain", "url"),
    [
        (None, "https://49983-sbx1.home.test/health"),
        ("far.test:8443", "https://49983-sbx1.far.test:8443/health"),
    ],
)
async def test_a_sandbox_is_reached_under_its_own_domain(
    platform: Platform, clock: JumpClock, domain: str | None, url: str
) -> None:
    platform.created = {"domain": domain}
    transport = MockTransport(platform)
    async with (
        AsyncNovita(api_key=KEY, domain="home.test", transport=transport, clock=clock) as client,
        client.sandboxes.create() as sandbox,
    ):
        assert await sandbox.is_running()
    assert platform.requests[0].url == "https://api.home.test/sandboxes"
    assert platform.requests[1].url == url


@pytest.mark.parametrize("domain", ["evil.test/x", "a b", "@evil.test", "evil.test#", "x..y", "evil.test:port", "-x"])
async def test_a_domain_that_is_no_host_name_is_refused_and_the_sandbox_killed(
    platform: Platform, clock: JumpClock, domain: str
) -> None:
    platform.created = {"domain": domain}
    async with AsyncNovita(api_key=KEY, api_url=API, transport=MockTransport(platform), clock=clock) as client:
        with pytest.raises(ProtocolError, match="no sandbox can be at"):
            await client.sandboxes.create()
    assert platform.alive == set()
    assert len(platform.sent("DELETE", "/sbx1")) == 1


async def test_a_sandbox_without_token_is_talked_to_without(client: AsyncNovita, platform: Platform) -> None:
    platform.created = {"envdAccessToken": None}
    async with client.sandboxes.create(secure=False) as sandbox:
        await sandbox.commands.run("true")
    assert "x-access-token" not in platform.sent("POST", "/Start")[0].headers


async def test_a_create_whose_answer_is_lost_is_not_sent_again(client: AsyncNovita, platform: Platform) -> None:
    async def lose(request: Request) -> Reply:
        raise ConnectionResetError

    platform.routes["POST /sandboxes"] = lose
    with pytest.raises(OutcomeUnknown):
        await client.sandboxes.create()
    assert len(platform.requests) == 1


async def test_a_refusal_of_create_has_the_platforms_words(novita: AsyncNovita, novita_simulator: Simulator) -> None:
    novita_simulator.fault("POST", "/sandboxes", Refuse.with_reason(400, "INVALID_REQUEST_BODY", "no such template"))
    with pytest.raises(BadRequest, match="no such template"):
        await novita.sandboxes.create("nowhere")


# ------------------------------------------------------------------------------------------ life on the simulator


async def test_kill_by_id_tells_whether_there_was_something_to_kill(novita: AsyncNovita) -> None:
    sandbox = await novita.sandboxes.create()
    assert await novita.sandboxes.kill(sandbox.id) is True
    assert await novita.sandboxes.kill(sandbox.id) is False
    assert await sandbox.kill() is False


async def test_kill_twice_sends_once(novita: AsyncNovita, novita_simulator: Simulator) -> None:
    sandbox = await novita.sandboxes.create()
    assert await asyncio.gather(sandbox.kill(), sandbox.kill(), sandbox.aclose()) == [True, False, None]
    await sandbox.aclose()
    assert [request.method for request in novita_simulator.requests] == ["POST", "DELETE"]


async def test_a_lifetime_ends_and_another_one_can_be_set(novita: AsyncNovita, novita_simulator: Simulator) -> None:
    clock = novita_simulator.clock
    async with novita.sandboxes.create(lifetime=10) as sandbox:
        await sandbox.set_lifetime(100)
        await clock.sleep(50)
        assert await sandbox.is_running()
        await clock.sleep(51)
        assert not await sandbox.is_running()
        with pytest.raises(SandboxEnded) as caught:
            await sandbox.info()
        assert caught.value.reason == "timeout"
        with pytest.raises(SandboxEnded):
            await sandbox.set_lifetime(10)


async def test_info_and_list_are_typed_and_keep_the_rest(novita: AsyncNovita) -> None:
    async with novita.sandboxes.create(metadata={"team": "a&b 50%"}) as one, novita.sandboxes.create() as two:
        info = await one.info()
        assert (info.id, info.state, info.metadata) == (one.id, "running", {"team": "a&b 50%"})
        assert info.started_at is not None
        assert info.end_at is not None
        assert (info.end_at - info.started_at).total_seconds() == 300
        assert info.started_at.tzinfo is not None
        assert info.raw["clientID"]
        assert (await novita.sandboxes.info(two.id)).id == two.id
        assert {found.id for found in await novita.sandboxes.list()} == {one.id, two.id}
        assert [found.id async for found in novita.sandboxes.list(metadata={"team": "a&b 50%"})] == [one.id]
        assert await novita.sandboxes.list(state=["paused"]) == []
    assert await novita.sandboxes.list() == []


async def test_a_list_goes_on_to_the_next_page(client: AsyncNovita, platform: Platform) -> None:
    async def page(request: Request) -> Reply:
        last = "nextToken=two" in request.url
        headers = {} if last else {"x-next-token": "two"}
        return json([{"sandboxID": "b" if last else "a", "state": "hibernating"}], headers=headers)

    platform.routes["GET /v2/sandboxes"] = page
    found = await client.sandboxes.list()
    assert [(info.id, info.state) for info in found] == [("a", "hibernating"), ("b", "hibernating")]
    assert len(platform.requests) == 2


async def test_is_running_asks_once_and_takes_502_for_no(client: AsyncNovita, platform: Platform) -> None:
    async def absent(request: Request) -> Reply:
        return not_there()

    async def broken(request: Request) -> Reply:
        return error(500, "boom")

    async with client.sandboxes.create() as sandbox:
        platform.routes["GET /health"] = absent
        assert await sandbox.is_running() is False
        assert len(platform.sent("GET", "/health")) == 1
        platform.routes["GET /health"] = broken
        with pytest.raises(ServerError):
            await sandbox.is_running()
    assert await sandbox.is_running() is False
    assert len(platform.sent("GET", "/health")) == 2


async def test_a_call_on_a_killed_sandbox_sends_nothing(client: AsyncNovita, platform: Platform) -> None:
    async with client.sandboxes.create() as sandbox:
        pass
    before = len(platform.requests)
    for call in (sandbox.commands.run("true"), sandbox.files.read("x"), sandbox.files.read("x", format="stream")):
        with pytest.raises(SandboxEnded) as caught:
            await call
        assert caught.value.reason == "killed"
    assert len(platform.requests) == before


async def test_connect_from_another_client_reaches_the_same_files(
    novita: AsyncNovita, novita_simulator: Simulator
) -> None:
    sandbox = await novita.sandboxes.create()
    await sandbox.files.write("a.txt", "one")
    url = novita_simulator.base_url
    async with (
        AsyncNovita(
            api_key=novita_simulator.api_key,
            api_url=url,
            sandbox_url=url,
            transport=novita_simulator.transport(),
            clock=novita_simulator.clock,
        ) as other,
        other.sandboxes.connect(sandbox.id) as again,
    ):
        assert await again.files.read("a.txt") == "one"
    assert not await sandbox.is_running()
    with pytest.raises(NotFound):
        await novita.sandboxes.connect(sandbox.id)


# -------------------------------------------------------------------------------------------------- keep alive


async def test_row_23_keep_alive_extends_at_half_life_and_stops_at_the_end(
    novita: AsyncNovita, novita_simulator: Simulator
) -> None:
    clock = novita_simulator.clock
    async with novita.sandboxes.create(lifetime=100, keep_alive=True) as sandbox:
        await clock.sleep(1000)
        assert await sandbox.is_running()
    extensions = [request for request in novita_simulator.requests if request.path.endswith("/timeout")]
    assert 19 <= len(extensions) <= 20
    assert extensions[0].time == pytest.approx(50, abs=1)
    await clock.sleep(1000)
    assert len([request for request in novita_simulator.requests if request.path.endswith("/timeout")]) == len(
        extensions
    )


async def test_row_23_a_failed_extension_is_raised_from_the_block(
    novita: AsyncNovita, novita_simulator: Simulator
) -> None:
    clock = novita_simulator.clock

    async def work() -> None:
        async with novita.sandboxes.create(lifetime=100, keep_alive=True) as sandbox:
            await novita.sandboxes.kill(sandbox.id)
            await clock.sleep(1000)

    with pytest.raises(SandboxEnded) as caught:
        await work()
    assert caught.value.reason == "unknown"
    assert clock.monotonic() < 60
    task = asyncio.current_task()
    assert task is not None
    assert task.cancelling() == 0


async def test_an_error_of_the_block_is_itself_with_keep_alive(client: AsyncNovita, platform: Platform) -> None:
    with pytest.raises(KeyError, match="mine"):
        async with client.sandboxes.create(keep_alive=True):
            raise KeyError("mine")
    assert platform.alive == set()


async def test_a_cancellation_of_the_block_is_itself_with_keep_alive(client: AsyncNovita, platform: Platform) -> None:
    async def work() -> None:
        async with client.sandboxes.create(keep_alive=True):
            await asyncio.Event().wait()

    task = asyncio.create_task(work())
    while not platform.alive:
        await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert platform.alive == set()


# ------------------------------------------------------------------------------------------- before a byte leaves


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"template": ""}, "template"),
        ({"lifetime": -1}, "lifetime"),
        ({"lifetime": 0}, "lifetime"),
        ({"lifetime": None}, "lifetime"),
        ({"lifetime": float("nan")}, "lifetime"),
        ({"lifetime": 1e12}, "lifetime"),
        ({"timeout": -1}, "timeout"),
        ({"metadata": {"a": 1}}, r"metadata\['a'\]"),
        ({"metadata": "a=b"}, "metadata must be a mapping"),
        ({"envs": {"A": 5}}, r"envs\['A'\]: keys and values must be text, got int"),
        ({"envs": {"A=B": "x"}}, "cannot be the name of a variable"),
        ({"envs": {"": "x"}}, "cannot be the name of a variable"),
        ({"envs": {"A": "x\0"}}, "NUL"),
        ({"metadata": {"a": "\ud800"}}, "cannot be written as JSON"),
        ({"extra_body": {"x": object()}}, "cannot be written as JSON"),
        ({"extra_headers": {"x": "a\nb"}}, "extra_headers"),
    ],
)
async def test_create_refuses_what_cannot_be_sent(
    client: AsyncNovita, platform: Platform, arguments: dict[str, Any], words: str
) -> None:
    with pytest.raises(ValidationError, match=words):
        client.sandboxes.create(**arguments)
    assert platform.requests == []


async def test_all_that_is_wrong_with_a_mapping_is_told_at_once(client: AsyncNovita) -> None:
    with pytest.raises(ValidationError) as caught:
        client.sandboxes.create(envs={"A": 1, "B=": "x", "C": "y"})  # pyright: ignore[reportArgumentType]
    assert len(caught.value.problems) == 2


@pytest.mark.parametrize("sandbox_id", ["", "a/b", "../v2", "a b", "a?x", "a.b", "-a", "x" * 64, None])
async def test_an_id_that_cannot_be_one_is_refused(client: AsyncNovita, platform: Platform, sandbox_id: Any) -> None:
    with pytest.raises(ValidationError, match="sandbox_id"):
        client.sandboxes.connect(sandbox_id)
    with pytest.raises(ValidationError, match="sandbox_id"):
        await client.sandboxes.kill(sandbox_id)
    with pytest.raises(ValidationError, match="sandbox_id"):
        await client.sandboxes.info(sandbox_id)
    assert platform.requests == []


async def test_a_kill_that_is_dropped_is_repeated(novita: AsyncNovita, novita_simulator: Simulator) -> None:
    sandbox = await novita.sandboxes.create()
    novita_simulator.fault("DELETE", "/sandboxes/*", Drop.before_headers())
    assert await sandbox.kill() is True
