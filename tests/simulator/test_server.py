"""The simulator's server: what it says on the wire, and that it ends."""

from __future__ import annotations

import asyncio
import contextlib
import logging

import pytest

from novita_async.errors import ConnectError, ConnectionLost
from novita_async.simulator.server import serve
from novita_async.transport.protocol import Reply


@contextlib.asynccontextmanager
async def connected(server):
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    try:
        yield reader, writer
    finally:
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()


async def ask(server, request: bytes) -> bytes:
    """Send raw bytes and return everything that comes until the server hangs up."""
    async with connected(server) as (reader, writer):
        writer.write(request)
        return await reader.read()


async def hello(request):
    return Reply(200, {"Content-Type": "text/plain"}, b"hello")


async def test_no_header_is_added_but_those_that_http_needs():
    async def chunks():
        yield b"one"
        yield b""
        yield b"two"

    async def handler(request):
        return Reply(200, {"X-Name": "v"}, chunks() if request.url.endswith("/stream") else b"hello")

    last = b"Host: sim\r\nConnection: close\r\n\r\n"
    async with serve(handler) as server:
        assert await ask(server, b"GET / HTTP/1.1\r\n" + last) == (
            b"HTTP/1.1 200 OK\r\nX-Name: v\r\nConnection: close\r\nContent-Length: 5\r\n\r\nhello"
        )
        assert await ask(server, b"GET /stream HTTP/1.1\r\n" + last) == (
            b"HTTP/1.1 200 OK\r\nX-Name: v\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n"
            b"3\r\none\r\n3\r\ntwo\r\n0\r\n\r\n"
        )


async def test_head_tells_the_length_and_sends_no_body():
    async with serve(hello) as server:
        answer = await ask(server, b"HEAD / HTTP/1.1\r\nHost: sim\r\nConnection: close\r\n\r\n")
    assert b"Content-Length: 5\r\n" in answer
    assert answer.endswith(b"\r\n\r\n")


async def test_a_connection_is_kept_for_the_next_request():
    async with serve(hello) as server, connected(server) as (reader, writer):
        for _ in range(3):
            writer.write(b"GET / HTTP/1.1\r\nHost: sim\r\n\r\n")
            assert (await reader.readuntil(b"hello")).startswith(b"HTTP/1.1 200 OK\r\n")


async def test_the_url_has_the_host_that_the_client_asked_for():
    urls = []

    async def handler(request):
        urls.append(request.url)
        return Reply()

    async with serve(handler) as server:
        last = b"Connection: close\r\n\r\n"
        await ask(server, b"GET /a%20b//c?d=%2F HTTP/1.1\r\nHost: 8080-box.novita.test\r\n" + last)
        await ask(server, b"GET http://proxied.test/a?u=http://x/ HTTP/1.1\r\nHost: other.test\r\n" + last)
        await ask(server, b"GET /?u=http://x/ HTTP/1.1\r\nHost: novita.test\r\n" + last)
    assert urls == [
        "http://8080-box.novita.test/a%20b//c?d=%2F",
        "http://proxied.test/a?u=http://x/",
        "http://novita.test/?u=http://x/",
    ]


@pytest.mark.parametrize("error", [ConnectError("no"), ConnectionLost("no"), ConnectionResetError("no")])
async def test_an_error_of_the_network_drops_the_connection_without_a_word(error, caplog):
    async def handler(request):
        raise error

    async with serve(handler) as server:
        assert await ask(server, b"GET / HTTP/1.1\r\nHost: sim\r\n\r\n") == b""
    assert caplog.records == []


async def test_a_bug_of_the_handler_drops_the_connection_and_is_logged(caplog):
    async def handler(request):
        raise ZeroDivisionError("a bug")

    async with serve(handler) as server:
        assert await ask(server, b"GET /here?key=sk-1 HTTP/1.1\r\nHost: sim\r\nAuthorization: sk-2\r\n\r\n") == b""
    (record,) = caplog.records
    assert record.levelno == logging.ERROR
    assert "/here" in record.getMessage()
    assert record.exc_info[0] is ZeroDivisionError
    assert "sk-" not in record.getMessage()


async def test_a_body_shorter_than_announced_ends_in_a_broken_connection():
    async def chunks():
        yield b"half"

    async def handler(request):
        return Reply(200, {"content-length": "8"}, chunks())

    async with serve(handler) as server:
        answer = await ask(server, b"GET / HTTP/1.1\r\nHost: sim\r\n\r\n")
    assert answer == b"HTTP/1.1 200 OK\r\ncontent-length: 8\r\n\r\nhalf"


async def test_a_client_that_goes_away_ends_what_is_done_for_it():
    waiting, ended = asyncio.Event(), asyncio.Event()

    async def handler(request):
        try:
            waiting.set()
            await asyncio.Event().wait()
        finally:
            ended.set()

    async with serve(handler) as server, asyncio.timeout(5):
        async with connected(server) as (_, writer):
            writer.write(b"GET / HTTP/1.1\r\nHost: sim\r\n\r\n")
            await waiting.wait()
        await ended.wait()


async def test_an_idle_connection_does_not_hold_up_the_end():
    async with asyncio.timeout(5):
        async with serve(hello) as server:
            idle = connected(server)
            reader, writer = await idle.__aenter__()
            writer.write(b"GET / HTTP/1.1\r\nHost: sim\r\n\r\n")
            await reader.readuntil(b"hello")
        assert await reader.read() == b""
        await idle.__aexit__(None, None, None)


async def test_an_endless_answer_is_cancelled_at_the_end_and_its_iterable_closed(monkeypatch):
    monkeypatch.setattr("novita_async.simulator.server._GRACE_SECONDS", 0.01)
    closed = asyncio.Event()

    async def chunks():
        try:
            yield b"first"
            await asyncio.Event().wait()
        finally:
            closed.set()

    async def handler(request):
        return Reply(body=chunks())

    async with contextlib.AsyncExitStack() as stack:
        async with asyncio.timeout(5), serve(handler) as server:
            reader, writer = await stack.enter_async_context(connected(server))
            writer.write(b"GET / HTTP/1.1\r\nHost: sim\r\n\r\n")
            await reader.readuntil(b"first")
        assert closed.is_set()
        assert not (await reader.read()).endswith(b"0\r\n\r\n")


async def test_after_an_upgrade_the_bytes_of_the_connection_go_on_in_both_bodies():
    async def handler(request):
        before = [chunk async for chunk in request.body]

        async def shouted():
            assert before == []
            async for chunk in request.body:
                yield chunk.upper()
                if b"bye" in chunk:
                    return

        return Reply(101, {"Upgrade": "websocket", "Connection": "Upgrade"}, shouted())

    async with serve(handler) as server, asyncio.timeout(5), connected(server) as (reader, writer):
        writer.write(b"GET / HTTP/1.1\r\nHost: sim\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nalready")
        head = await reader.readuntil(b"\r\n\r\n")
        assert head == b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n"
        assert await reader.readexactly(7) == b"ALREADY"
        writer.write(b"x" * 1_000_000)
        assert await reader.readexactly(1_000_000) == b"X" * 1_000_000
        writer.write(b"bye")
        assert await reader.read() == b"BYE"


async def test_the_address_is_given_as_it_is():
    async with serve(hello, host="127.0.0.1", port=0) as server:
        assert server.url == f"http://127.0.0.1:{server.port}"
        with pytest.raises(OSError, match="address already in use"):
            async with serve(hello, port=server.port):
                pass
