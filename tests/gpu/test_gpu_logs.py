"""Logs of instances as lines that are followed, and the websocket of the web terminal."""

from __future__ import annotations

import pytest

from novita_async import AsyncNovita, MockTransport, Reply
from novita_async.errors import (
    CallTimeout,
    ConnectionLost,
    EventTooLarge,
    NotFound,
    PermissionDenied,
    ProtocolError,
    ValidationError,
)
from novita_async.gpu.types import Logs, Terminal
from tests.helpers import KEY, connected, inside, json_reply

PRODUCT = "4090.16c62g.os"
LOGS = "http://logs.test"


async def test_a_log_is_followed_from_the_order_to_the_removal_over_a_stop_and_a_start(sim):
    async with inside(sim) as novita:
        ordered = await novita.gpu.instances.create(PRODUCT, image="ubuntu:24.04", command="train")
        system: list[str] = []
        async with ordered.logs("system") as lines:
            async for line in lines:
                system.append(line.partition(" ")[2])
                if system[-1] == "the container runs" and system.count("the container runs") == 1:
                    await ordered.stop()
                elif system[-1] == "the container has ended":
                    await ordered.start()
                elif system[-1] == "the container runs":
                    await ordered.delete()
        assert system[:4] == [
            "the order is taken",
            "a machine is made ready",
            "pulling image ubuntu:24.04",
            "the container runs",
        ]
        assert system.count("the container runs") == 2
        assert system[-1] == "the instance is removed"
        assert sim.requests[-1].path == "/gpu-instance/openapi/v1/gpu/instance"
        assert all("authorization" not in each.headers for each in sim.requests if "gpu-logs" in each.path)


async def test_what_the_container_writes_comes_as_it_falls_due_and_without_following_what_there_is(sim, clock):
    async with inside(sim) as novita:
        ordered = await novita.gpu.instances.create(PRODUCT, image="ubuntu:24.04", command="train")
        running = await ordered.wait_until("running")
        began = clock.monotonic()
        async with running.logs() as lines:
            found = [await anext(lines) for _ in range(4)]
        assert [line.partition(" ")[2] for line in found] == ["$ train", "step 1", "step 2", "step 3"]
        assert 29 <= clock.monotonic() - began <= 33
        assert await anext(lines, None) is None  # it was left
        async with running.logs(follow=False) as lines:
            assert [line async for line in lines][:4] == found
        newer = await novita.gpu.v2.instances.get(running.id)
        async with newer.logs("system", follow=False) as lines:
            assert len([line async for line in lines]) == 4
        with pytest.raises(PermissionDenied):
            await anext(_lines(newer, instance_log_address=f"{sim.base_url}/gpu-logs/instance/x?signature=y"))


def _lines(instance, **addresses):
    instance.log_addresses = Logs(**addresses)
    return instance.logs(follow=False)


class Platform:
    """An instance whose log comes over connections that end, each with these pieces."""

    def __init__(self, *connections: list[bytes | Exception], status: str = "running") -> None:
        self.connections = [*connections]
        self.read = 0
        self.status = status

    async def __call__(self, request):
        if request.url.startswith(LOGS):
            assert "authorization" not in request.headers
            if self.connections and isinstance(self.connections[0], Reply):
                return self.connections.pop(0)
            return Reply(200, {}, self._pieces(self.connections.pop(0)))
        self.read += 1
        status = self.status if self.connections else "removed"
        told = {"id": "i-1", "status": status, "connectComponentLog": {"instanceLogAddress": f"{LOGS}/{self.read}"}}
        return json_reply(told)

    async def _pieces(self, pieces):
        for piece in pieces:
            if isinstance(piece, Exception):
                raise piece
            yield piece


async def test_a_log_that_comes_anew_from_its_beginning_or_goes_on_gives_each_line_once(clock):
    broken = ConnectionLost("broken")
    platform = Platform(
        [b"one\ntw", b"o\r\n\nthree\n", broken],
        [b"one\ntwo\n", broken],  # it broke before it had come as far as the first time
        [b"one\ntwo\nthree\nfour\n"],
        [b"five\n", b"six"],
        [b"one\nanother\n"],  # a log that was begun anew
    )
    async with connected(platform, clock) as novita, novita.gpu.instances.blank("i-1", "running").logs() as lines:
        assert [line async for line in lines] == ["one", "two", "three", "four", "five", "six", "one", "another"]
        assert platform.read == 6
        assert clock.monotonic() < 60


async def test_an_address_that_is_refused_is_read_anew_before_that_is_an_error(clock):
    refused = json_reply({"code": 403, "reason": "FORBIDDEN", "message": "expired"}, 403)
    platform = Platform(refused, [b"one\n"], *[refused] * 5)
    async with connected(platform, clock) as novita:
        instance = novita.gpu.instances.blank("i-1", "running")
        instance.log_addresses = Logs(instance_log_address=f"{LOGS}/old")
        async with instance.logs() as lines:
            assert await anext(lines) == "one"
            with pytest.raises(PermissionDenied, match="expired"):
                await anext(lines)
            assert await anext(lines, None) is None


async def test_an_instance_that_is_gone_has_no_more_lines_and_one_without_a_log_is_waited_for(clock):
    answers = iter([{"status": "creating"}, {"status": "creating", "connectComponentLog": {"systemLogAddress": ""}}])

    async def platform(request):
        told = next(answers, None)
        if told is None:
            return json_reply({"code": 400, "reason": "RESOURCE_NOT_FOUND", "message": "gone"}, 400)
        return json_reply({"id": "i-1", **told})

    async with connected(platform, clock) as novita:
        async with novita.gpu.instances.blank("i-1", "creating").logs("system") as lines:
            assert [line async for line in lines] == []
        assert clock.monotonic() >= 3
        with pytest.raises(ValidationError, match="source must be one of"):
            novita.gpu.instances.blank("i-1", "running").logs("stdout")
        with pytest.raises(NotFound):
            await novita.gpu.instances.get("i-1")


async def test_a_line_without_end_is_an_error_and_not_memory(clock):
    from novita_async import Limits

    platform = Platform([b"x" * 300_000] * 8)
    async with connected(platform, clock, limits=Limits(max_event_bytes=1_000_000)) as novita:
        with pytest.raises(EventTooLarge):
            async with novita.gpu.instances.blank("i-1", "running").logs() as lines:
                await anext(lines)


# -------------------------------------------------------------------------------------------- terminals


async def test_the_web_terminal_of_version_2_is_a_websocket_that_passes_messages_on_as_they_are(clock):
    seen = {}

    async def shell(request, socket):
        seen.update(request.headers, url=request.url)
        while (message := await socket.receive()) not in (None, b"exit"):
            await socket.send(message)

    transport = MockTransport(None, shell)
    async with AsyncNovita(api_key=KEY, clock=clock, transport=transport) as novita:
        instance = novita.gpu.v2.instances.blank("i-1", "running")
        instance.web_terminal = Terminal(address="wss://t.test/ws", username="root", password="secret")
        async with await instance.terminal(subprotocols=["tty"], extra_headers={"X-A": "b"}) as socket:
            assert socket.subprotocol == "tty"
            for message in ("ls\n", b"\x00\x01"):
                await socket.send(message)
                assert await socket.receive() == message
            await socket.send(b"exit")
            assert [message async for message in socket] == []
        assert seen == {"authorization": "Basic cm9vdDpzZWNyZXQ=", "x-a": "b", "url": "wss://t.test/ws"}
        assert "secret" not in repr(instance)


async def test_a_terminal_that_is_no_websocket_or_does_not_open_is_told(sim, clock):
    async with inside(sim) as novita:
        instance = novita.gpu.instances.blank("i-1", "running")
        with pytest.raises(ValidationError, match="no web terminal is told"):
            await instance.terminal()
        instance.web_terminal = Terminal(address="https://t.test")
        with pytest.raises(ValidationError, match="page for browsers"):
            await instance.terminal()
        instance.web_terminal = Terminal(address="ws://novita.simulator/nothing")
        with pytest.raises(ProtocolError):
            await instance.terminal()

    class Slow(MockTransport):
        async def websocket(self, url, **options):
            await clock.sleep(60)

    async with AsyncNovita(api_key=KEY, clock=clock, transport=Slow(None)) as novita:
        instance = novita.gpu.instances.blank("i-1", "running")
        instance.web_terminal = Terminal(address="ws://t.test")
        with pytest.raises(CallTimeout):
            await instance.terminal(timeout=5)
