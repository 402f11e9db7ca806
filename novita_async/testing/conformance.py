"""What every transport has to do, as checks that any implementation can be run through.

    @pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
    async def test_my_transport(check):
        await check(serve)

`serve` is an async context manager of the implementer: it gets the server's two functions and gives a transport and the
base URL under which they answer. A check passes by returning, and fails by an AssertionError, a TimeoutError or
whatever the transport raised.
"""

from __future__ import annotations

import asyncio
import gzip
import zlib
from typing import TYPE_CHECKING

from ..errors import ConnectionLost, ProtocolError
from ..runtime.clock import SystemClock
from ..transport.protocol import Reply, Request, WebSocket
from .endings import ENDINGS
from .probes import CHUNK, Check, Serve, Stream, call, check, everything, raised, received, until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

__all__ = ["CHECKS", "Check", "Serve", "check_transport"]

_STATUSES = (200, 201, 204, 301, 302, 304, 307, 400, 401, 402, 404, 409, 429, 500, 503)
_FRAMING = {"host", "content-length", "transfer-encoding", "connection"}  # headers that HTTP itself needs


async def check_transport(serve: Serve) -> None:
    """Run every check, one after the other."""
    for each in CHECKS:
        await each(serve)


# ------------------------------------------------------------------------------------------ one exchange


@check
async def statuses_and_headers_are_given_as_they_came(serve: Serve) -> None:
    async def handler(request: Request) -> Reply:
        status = int(request.url.rpartition("/")[2])
        return Reply(status, {"X-Mixed-Case": "Value", "location": "/200", "content-type": "text/plain"}, b"body")

    async with serve(handler, None) as (transport, base):
        for status in _STATUSES:
            response, body = await call(transport, Request("GET", f"{base}/{status}"))
            assert response.status == status
            assert response.headers["x-mixed-case"] == response.headers["X-MIXED-CASE"] == "Value"
            assert response.headers.get("x-absent") is None
            assert body == (b"" if status in (204, 304) else b"body")
        response, body = await call(transport, Request("HEAD", f"{base}/200"))
        assert (response.status, body) == (200, b"")


@check
async def a_request_arrives_exactly_as_it_was_sent(serve: Serve) -> None:
    arrived: list[tuple[Request, bytes]] = []

    async def handler(request: Request) -> Reply:
        arrived.append((request, await received(request)))
        return Reply()

    target = "/v3/org/model%2Fname/a%20b/~c:d@e?x=1&y=%2F%26+z&empty=&x=2"
    headers = {"Authorization": "Bearer key", "X-Mixed-Case": "a, b;c", "content-type": "application/json"}
    body = bytes(range(256))
    async with serve(handler, None) as (transport, base):
        await call(transport, Request("PATCH", base + target, headers, body))
        await call(transport, Request("DELETE", base + "/plain"))
    (patch, patched), (delete, deleted) = arrived
    assert patch.method == "PATCH"
    assert patch.url.partition("://")[2].partition("/")[2] == target[1:]
    assert patched == body
    got = {name.lower(): value for name, value in patch.headers.items()}
    assert {name: got.pop(name.lower()) for name in headers} == headers
    assert got.keys() <= _FRAMING, f"headers that nobody asked for: {sorted(got)}"
    assert (delete.method, deleted) == ("DELETE", b"")
    assert {name.lower() for name in delete.headers} <= _FRAMING


@check
async def one_send_is_one_request_even_when_a_kept_connection_drops(serve: Serve) -> None:
    arrived: list[str] = []

    async def handler(request: Request) -> Reply:
        arrived.append(request.method)
        if len(arrived) % 2 == 0:
            raise ConnectionLost("dropped")
        return Reply(body=b"ok")

    async with serve(handler, None) as (transport, base):
        for method in ("GET", "PUT", "DELETE", "POST"):
            await call(transport, Request("GET", base + "/"))
            await raised(ConnectionLost, transport.send(Request(method, base + "/", body=None)))
    assert arrived == ["GET", "GET", "GET", "PUT", "GET", "DELETE", "GET", "POST"]


@check
async def chunks_can_be_read_as_they_are_produced(serve: Serve) -> None:
    release = asyncio.Event()

    async def chunks() -> AsyncIterator[bytes]:
        yield b"first"
        await release.wait()
        yield b"second"

    async def handler(request: Request) -> Reply:
        return Reply(200, {"content-type": "text/event-stream"}, chunks())

    async with serve(handler, None) as (transport, base):
        response = await transport.send(Request("GET", base + "/"))
        assert await response.body.read() == b"first"
        release.set()
        assert await response.body.read() == b"second"
        assert await response.body.read() == b""
        assert await response.body.read() == b""
        await response.body.aclose()


@check
async def a_line_of_five_megabytes_is_no_line_at_all(serve: Serve) -> None:
    line = b"data: " + b"x" * 5_000_000

    async def handler(request: Request) -> Reply:
        pieces = Stream(*(line[start : start + 50_000] for start in range(0, len(line), 50_000)))
        return Reply(200, {}, line if request.url.endswith("/whole") else pieces)

    async with serve(handler, None) as (transport, base):
        for path in ("/whole", "/pieces"):
            assert (await call(transport, Request("GET", base + path)))[1] == line


@check
async def a_content_encoding_is_undone(serve: Serve) -> None:
    plain = b'{"text": "again and again"}' * 5_000
    packers = {"gzip": gzip.compress, "deflate": zlib.compress}

    async def handler(request: Request) -> Reply:
        _, encoding, kind = request.url.rsplit("/", 2)
        packed = packers[encoding](plain)
        body = packed if kind == "whole" else Stream(packed[:10], packed[10:11], packed[11:])
        return Reply(200, {"content-encoding": encoding}, body)

    async with serve(handler, None) as (transport, base):
        for encoding in packers:
            for kind in ("whole", "pieces"):
                assert (await call(transport, Request("GET", f"{base}/{encoding}/{kind}")))[1] == plain


@check
async def what_nobody_reads_is_not_produced(serve: Serve) -> None:
    stream = Stream(*[CHUNK] * 1024)

    async def handler(request: Request) -> Reply:
        return Reply(200, {}, stream)

    async with serve(handler, None) as (transport, base):
        response = await transport.send(Request("GET", base + "/"))
        size = len(await response.body.read())
        produced = -1
        while produced != stream.produced:  # until it stands still: buffers on the way may fill up
            produced = stream.produced
            for _ in range(10):
                await SystemClock().sleep(0.001)
        assert produced < 1024 * len(CHUNK) // 2, f"{produced} bytes were produced for a reader of {size}"
        assert size + len(await everything(response.body)) == 1024 * len(CHUNK)


# ------------------------------------------------------------------------------------------------ uploads


@check
async def an_upload_is_sent_as_it_is_produced(serve: Serve) -> None:
    got_first = asyncio.Event()

    async def chunks() -> AsyncIterator[bytes]:
        yield b"first "
        await got_first.wait()
        for _ in range(100):
            yield CHUNK

    async def handler(request: Request) -> Reply:
        assert request.body is not None
        assert not isinstance(request.body, bytes)
        size = 0
        async for chunk in request.body:
            got_first.set()
            size += len(chunk)
        return Reply(body=str(size).encode())

    async with serve(handler, None) as (transport, base):
        _, body = await call(transport, Request("PUT", base + "/", body=chunks()))
        assert int(body) == 6 + 100 * len(CHUNK)
        _, body = await call(
            transport, Request("PUT", base + "/", {"content-length": "10"}, Stream(b"12345", b"67890"))
        )
        assert int(body) == 10


@check
async def an_error_of_the_uploaded_iterable_is_the_callers_own(serve: Serve) -> None:
    async def handler(request: Request) -> Reply:
        return Reply(body=await received(request))

    mine = LookupError("no such file")
    stream = Stream(b"first", error=mine)
    async with serve(handler, None) as (transport, base):
        assert await raised(LookupError, transport.send(Request("PUT", base + "/", body=stream))) is mine
        assert stream.closed.is_set()


# --------------------------------------------------------------------------------------------- websockets


async def _nothing(request: Request) -> Reply:
    return Reply(404, {}, b"not here")


@check
async def a_websocket_carries_text_and_bytes(serve: Serve) -> None:
    opened: list[Request] = []

    async def echo(request: Request, socket: WebSocket) -> None:
        opened.append(request)
        while (message := await socket.receive()) is not None:
            await socket.send(message)

    async with serve(_nothing, echo) as (transport, base):
        socket = await transport.websocket(
            _websocket_url(base) + "/a%2Fb?x=1", headers={"Authorization": "Bearer key"}, subprotocols=("two", "one")
        )
        assert socket.subprotocol == "two"
        for message in ("text ✓", b"\x00\xff", "", b"", "x" * 2_000_000):
            await socket.send(message)
            assert await socket.receive() == message
        await socket.aclose()
        await socket.aclose()
        await raised(ConnectionLost, socket.send("late"))
    assert opened[0].url.endswith("/a%2Fb?x=1")
    assert {name.lower(): value for name, value in opened[0].headers.items()}["authorization"] == "Bearer key"


@check
async def a_websocket_ends_normally_or_breaks(serve: Serve) -> None:
    left: list[object] = []

    async def handler(request: Request, socket: WebSocket) -> None:
        await socket.send("hello")
        if request.url.endswith("/breaks"):
            raise ConnectionLost("dropped")
        if request.url.endswith("/waits"):
            left.append(await socket.receive())
            await raised(ConnectionLost, socket.send("late"))
            left.append("told")

    async with serve(_nothing, handler) as (transport, base):
        url = _websocket_url(base)
        socket = await transport.websocket(url + "/ends")
        assert await socket.receive() == "hello"
        assert await socket.receive() is None
        assert await socket.receive() is None
        await socket.aclose()
        socket = await transport.websocket(url + "/breaks")
        assert await socket.receive() == "hello"
        await raised(ConnectionLost, socket.receive())
        await socket.aclose()
        socket = await transport.websocket(url + "/waits")
        assert await socket.receive() == "hello"
        await socket.aclose()
        await until(lambda: left == [None, "told"], "the server was not told that the websocket was closed")


@check
async def a_refused_websocket_is_an_error(serve: Serve) -> None:
    async with serve(_nothing, None) as (transport, base):
        error = await raised(ProtocolError, transport.websocket(_websocket_url(base) + "/"))
        assert "404" in str(error)
        assert error.body == b"not here"


def _websocket_url(base: str) -> str:
    return "ws" + base.removeprefix("http")


CHECKS: tuple[Check, ...] = (
    statuses_and_headers_are_given_as_they_came,
    a_request_arrives_exactly_as_it_was_sent,
    one_send_is_one_request_even_when_a_kept_connection_drops,
    chunks_can_be_read_as_they_are_produced,
    a_line_of_five_megabytes_is_no_line_at_all,
    a_content_encoding_is_undone,
    what_nobody_reads_is_not_produced,
    an_upload_is_sent_as_it_is_produced,
    an_error_of_the_uploaded_iterable_is_the_callers_own,
    a_websocket_carries_text_and_bytes,
    a_websocket_ends_normally_or_breaks,
    a_refused_websocket_is_an_error,
    *ENDINGS,
)
