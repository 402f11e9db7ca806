"""What is the websocket half's own: what it says when a server does not play along, and what it does not log."""

from __future__ import annotations

import asyncio
import logging

import pytest

from novita_async.errors import ConnectError, ConnectionLost, ProtocolError, ValidationError
from novita_async.simulator.server import serve
from novita_async.transport.protocol import Reply


async def refuse(request):
    return Reply(302, {"location": "/elsewhere"}, b"over there")


async def test_a_redirect_is_not_followed(transport):
    asked = []

    async def handler(request):
        asked.append(request.url)
        return await refuse(request)

    async with serve(handler) as server:
        with pytest.raises(ProtocolError, match="302"):
            await transport.websocket(server.url.replace("http", "ws") + "/here")
    assert len(asked) == 1


async def test_what_cannot_be_a_websocket_url_is_refused_without_its_query(transport):
    for url in ("https://novita.test/?secret=1", "ws:///?secret=1"):
        with pytest.raises(ValidationError, match="not a websocket URL") as caught:
            await transport.websocket(url)
        assert "secret" not in str(caught.value)


async def test_nobody_listening_is_a_connect_error(transport):
    with pytest.raises(ConnectError, match="cannot connect to 127"):
        await transport.websocket("ws://127.0.0.1:1/")


async def test_a_server_that_hangs_up_is_a_lost_connection(raw_server, transport):
    async def talk(reader, writer):
        await reader.readuntil(b"\r\n\r\n")

    async with raw_server(talk) as address:
        with pytest.raises(ConnectionLost, match="before it answered"):
            await transport.websocket(f"ws://{address}/")


async def test_an_answer_that_is_not_http_is_a_protocol_error(raw_server, transport):
    async def talk(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"220 mail.test ESMTP\r\n\r\n")

    async with raw_server(talk) as address:
        with pytest.raises(ProtocolError, match="opened no websocket"):
            await transport.websocket(f"ws://{address}/")


async def test_no_record_holds_the_credentials_even_at_debug(transport, caplog):
    async def handler(request, socket):
        await socket.receive()

    async with serve(refuse, handler) as server:
        for name in ("", "novita_async", "websockets"):
            caplog.set_level(logging.DEBUG, name)
        socket = await transport.websocket(
            server.url.replace("http", "ws") + "/", headers={"Authorization": "Bearer sk-secret"}
        )
        await socket.send("hello")
        await socket.aclose()
    assert "sk-secret" not in caplog.text


async def test_closing_is_bounded_when_the_peer_is_silent(transport, raw_server, monkeypatch):
    monkeypatch.setattr("novita_async.transport.websocket._CLOSE_SECONDS", 0.01)
    upgraded = []

    async def talk(reader, writer):
        from websockets.utils import accept_key

        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        key = next(
            line.partition(": ")[2] for line in head.split("\r\n") if line.lower().startswith("sec-websocket-key")
        )
        writer.write(
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Accept: " + accept_key(key).encode() + b"\r\n\r\n"
        )
        upgraded.append(True)
        await asyncio.Event().wait()

    async with raw_server(talk) as address, asyncio.timeout(10):
        socket = await transport.websocket(f"ws://{address}/")
        await socket.aclose()
        await socket.aclose()
    assert upgraded


async def test_closing_the_transport_closes_its_websockets(transport):
    ended = []

    async def handler(request, socket):
        ended.append(await socket.receive())

    async with serve(refuse, handler) as server:
        socket = await transport.websocket(server.url.replace("http", "ws") + "/")
        await transport.aclose()
        assert await socket.receive() is None
        with pytest.raises(ConnectionLost):
            await socket.send("late")
    assert ended == [None]


async def test_abandoning_the_transport_breaks_its_websockets(transport):
    broken = asyncio.Event()

    async def handler(request, socket):
        with pytest.raises(ConnectionLost):
            await socket.receive()
        broken.set()

    async with serve(refuse, handler) as server, asyncio.timeout(5):
        socket = await transport.websocket(server.url.replace("http", "ws") + "/")
        transport.abandon()
        with pytest.raises(ConnectionLost):
            await socket.receive()
        await broken.wait()
        await socket.aclose()
