"""Websockets to the ports of a simulated sandbox: by the SDK with and without sockets, and by clients of others."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import aiohttp
import msgspec
import pytest
from socket_server import LARGE
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from novita_async import AsyncNovita, Simulator
from novita_async.errors import NovitaError, ProtocolError, SandboxEnded, SandboxUnreachable
from novita_async.sandbox import Sandbox
from novita_async.testing.clock import JumpClock

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator
    from typing import Any

pytestmark = [pytest.mark.filterwarnings("ignore::novita_async.simulator.sandbox.IsolationWarning"), pytest.mark.blocks]

_SERVER = Path(__file__).with_name("socket_server.py").read_bytes()


class Site(msgspec.Struct):
    simulator: Simulator
    novita: AsyncNovita
    sandbox: Sandbox
    port: int
    url: str = ""

    @property
    def address(self) -> str:
        """Where a websocket client without the SDK connects to."""
        return self.url.replace("http", "ws", 1)

    @property
    def open(self) -> int:
        """How many connections to its ports there are."""
        life = self.simulator._sandboxes.life(self.sandbox.id)  # nothing that is public tells
        return len(life.exchanges) if life is not None else 0

    @property
    def headers(self) -> dict[str, str]:
        return {"Novita-Sandbox-Id": self.sandbox.id, "Novita-Sandbox-Port": str(self.port)}


@asynccontextmanager
async def opened(*, served: bool = False, clock: JumpClock | None = None, **fields: Any) -> AsyncGenerator[Site]:
    """A sandbox with a websocket server in it, and a client."""
    async with AsyncExitStack() as stack:
        simulator = await stack.enter_async_context(Simulator(clock=clock))
        environment, url = simulator.environment, ""
        if served:
            behind = await stack.enter_async_context(simulator.serve())
            environment, url = behind.environment, behind.url
        names: dict[str, Any] = {name.removeprefix("NOVITA_").lower(): text for name, text in environment.items()}
        novita = AsyncNovita(transport=None if served else simulator.transport(), clock=clock, **names)
        await stack.enter_async_context(novita)
        sandbox = await novita.sandboxes.create(lifetime=300, **fields)
        await sandbox.files.write("server.py", _SERVER)
        command = await sandbox.commands.run("exec python3 server.py 0", background=True, timeout=None)
        output = await anext(aiter(command))
        await command.aclose()
        yield Site(simulator, novita, sandbox, int(output.text), url)
        assert novita.stats()["open_requests"] == 0


@pytest.mark.parametrize("served", [True, False], ids=["sockets", "in process"])
async def test_messages_go_both_ways_and_whoever_ends_is_understood(served: bool) -> None:
    async with opened(served=served) as site:
        sandbox, port = site.sandbox, site.port
        async with await sandbox.websocket(port, "/echo?a=b", subprotocols=["v1", "v2"]) as socket:
            assert socket.subprotocol == "v2"
            for message in ("text \u2713", b"\x00\xff", "", b"", "x" * 70_000, bytes(LARGE)):
                await socket.send(message)
                assert await socket.receive() == message
            for number in range(20):
                await socket.send(str(number))
            assert [await socket.receive() for _ in range(20)] == [str(number) for number in range(20)]
        with pytest.raises(NovitaError, match="closed"):
            await socket.send("late")
        json = {"Content-Type": "application/json"}  # for which the simulator looks into bodies
        async with await sandbox.websocket(port, "/headers", extra_headers=json) as socket:
            assert str(await socket.receive()).split() == [
                "connection", "content-type", "host", "sec-websocket-key", "sec-websocket-version", "upgrade",
            ]  # fmt: skip
            await socket.send("more")
            assert await socket.receive() == "more"
        async with await sandbox.websocket(port, "/greets") as socket:
            assert await socket.receive() == "hello"
        async with await sandbox.websocket(port, "/pings") as socket:
            assert await socket.receive() == "10 there?"
        async with await sandbox.websocket(port, "/large") as socket:
            assert await socket.receive() == bytes(LARGE)
        async with await sandbox.websocket(port, "/ends") as socket:
            assert [message async for message in socket] == []
        async with await sandbox.websocket(port, "/closes") as socket:
            assert await socket.receive() == "bye"
            with pytest.raises(SandboxUnreachable, match="4001"):
                await socket.receive()
        for path in ("/breaks", "/badly"):
            async with await sandbox.websocket(port, path) as socket:
                with pytest.raises(SandboxUnreachable):
                    await socket.receive()
        with pytest.raises(ProtocolError, match="418") as refused:
            await sandbox.websocket(port, "/refuse")
        assert refused.value.body == b"teapot"
        with pytest.raises(SandboxUnreachable, match="502"):
            await sandbox.websocket(1)
        left = await sandbox.websocket(port, "/echo")
        await site.novita.aclose()
        with pytest.raises(NovitaError):
            await left.send("late")


@pytest.mark.parametrize(
    "served", [pytest.param(True, marks=pytest.mark.acceptance), False], ids=["sockets", "in process"]
)
async def test_a_server_that_reads_nothing_holds_its_sender_back(served: bool) -> None:
    async with opened(served=served) as site, asyncio.timeout(20):
        sent = 0
        piece = bytes(500_000)
        async with await site.sandbox.websocket(site.port, "/deaf") as socket:

            async def flood() -> None:
                nonlocal sent
                while sent < 60:  # 30 MB, which no buffers of the way hold
                    await socket.send(piece)
                    sent += 1
                await socket.send("done")

            flooding = asyncio.create_task(flood())
            before = -1
            while before != sent:
                before = sent
                await asyncio.sleep(0.1)
            assert sent < 60
            async with await site.sandbox.websocket(site.port, "/listen"):
                assert await socket.receive() == str(60 * len(piece))
            await flooding


async def test_clients_without_the_sdk_get_there_by_header_and_by_host() -> None:
    async with opened(served=True, allow_public_traffic=False) as site, aiohttp.ClientSession() as session:
        token = {"E2B-Traffic-Access-Token": site.sandbox.traffic_token or ""}
        host = {"Host": f"{site.port}-{site.sandbox.id}.sandbox.test"}
        for routed in (site.headers, host):
            headers = routed | token
            async with session.ws_connect(f"{site.url}/echo", headers=headers, protocols=["v1"]) as socket:
                assert socket.protocol == "v1"
                await socket.send_str("hi")
                assert await socket.receive_str() == "hi"
                await socket.ping(b"1")
                await socket.close(code=4002)
                assert socket.close_code == 4002  # the server's own answer
            for refused, status in ((routed, 403), (routed | {"E2B-Traffic-Access-Token": "no"}, 403)):
                with pytest.raises(aiohttp.WSServerHandshakeError) as wrong:
                    await session.ws_connect(f"{site.url}/echo", headers=refused)
                assert wrong.value.status == status
        headers = site.headers | token
        async with connect(f"{site.address}/closes", additional_headers=headers) as other:
            assert await other.recv() == "bye"
            with pytest.raises(ConnectionClosed) as closed:
                await other.recv()
            assert closed.value.rcvd is not None
            assert (closed.value.rcvd.code, closed.value.rcvd.reason) == (4001, "enough")
        async with connect(f"{site.address}/echo", additional_headers=headers) as other:
            await (await other.ping())  # answered by the server inside
            assert site.open == 1
            other.transport.abort()
        async with asyncio.timeout(5):
            while site.open:  # who goes away without a word is noticed inside
                await asyncio.sleep(0.01)
        for path, port, status, told in (
            ("/refuse", site.port, 418, b"teapot"),
            ("/echo", 1, 502, b"The sandbox is running but port is not open"),
        ):
            with pytest.raises(InvalidStatus) as answered:
                await connect(site.address + path, additional_headers=headers | {"Novita-Sandbox-Port": str(port)})
            assert answered.value.response.status_code == status
            assert told in answered.value.response.body
        socket = await session.ws_connect(f"{site.url}/echo", headers=headers)
        await site.sandbox.kill()
        assert (await socket.receive()).type in (aiohttp.WSMsgType.CLOSED, aiohttp.WSMsgType.ERROR)
        assert socket.close_code == 1006
        with pytest.raises(aiohttp.WSServerHandshakeError) as gone:
            await session.ws_connect(f"{site.url}/echo", headers=headers)
        assert gone.value.status == 502


async def test_a_request_for_an_upgrade_elsewhere_is_answered_as_any_other_and_the_connection_goes_on() -> None:
    async with Simulator() as simulator, simulator.serve() as served:
        reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
        asked = f"Host: x\r\nX-API-KEY: {simulator.api_key}\r\n"
        upgrade = "Connection: Upgrade\r\nUpgrade: websocket\r\nContent-Type: application/json\r\n"
        for more in (upgrade, "", upgrade, "Connection: close\r\n"):
            writer.write(f"GET /sandboxes HTTP/1.1\r\n{asked}{more}\r\n".encode())
        answered = await reader.read()
        assert (answered.count(b"200 OK"), answered.count(b"[]")) == (4, 4)
        writer.close()
        await writer.wait_closed()


async def test_an_open_websocket_is_a_visit_and_does_not_outlast_a_pause() -> None:
    async with JumpClock() as clock, opened(clock=clock, idle_timeout=20, on_timeout="pause", auto_resume=True) as site:
        async with await site.sandbox.websocket(site.port, "/echo") as socket:
            await clock.advance(100)  # open, it keeps the sandbox from being idle
            await socket.send("still")
            assert await socket.receive() == "still"
        await clock.advance(10)
        assert (await site.sandbox.info()).state == "running"
        await clock.advance(11)
        assert (await site.sandbox.info()).state == "paused"
        async with await site.sandbox.websocket(site.port, "/echo") as socket:  # wakes it
            await site.sandbox.pause()
            with pytest.raises(SandboxEnded, match="paused"):
                await socket.receive()
            with pytest.raises(SandboxEnded, match="paused"):
                await socket.send("late")
        async with await site.sandbox.websocket(site.port, "/echo") as socket:
            await site.sandbox.reset()
            with pytest.raises(SandboxUnreachable):
                await socket.receive()
        await site.novita.sandboxes.kill(site.sandbox.id)
        with pytest.raises(SandboxEnded):
            await site.sandbox.websocket(site.port, "/echo")
