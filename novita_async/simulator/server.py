"""Puts a `Handler` behind a real socket."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, cast

import anyio.lowlevel
import msgspec
from aiohttp import WSCloseCode, WSMsgType, web
from multidict import CIMultiDict

from ..errors import ConnectError, ConnectionLost
from ..transport.protocol import Reply, Request, close_source

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator
    from ssl import SSLContext

    from ..transport.protocol import Handler, WebSocketHandler

__all__ = ["Address", "serve"]

_logger = logging.getLogger("novita_async.simulator")

_GRACE_SECONDS = 0.25  # for answers that are being written when the server ends
_HEADER_BYTES = 256 * 1024
_MAX_MESSAGE = 64 * 1024 * 1024
_PIECE = 64 * 1024
_NO_BODY = frozenset({204, 304})
_NORMAL = frozenset({WSCloseCode.OK, WSCloseCode.GOING_AWAY, 1005})


class Address:
    """Where a server listens.

    Attributes:
        host: as it was asked for.
        port: the real one, also when 0 was asked for.
        url: `http://host:port`, or with `https`.
    """

    def __init__(self, host: str, port: int, scheme: str = "http") -> None:
        self.host = host
        self.port = port
        self.url = f"{scheme}://[{host}]:{port}" if ":" in host else f"{scheme}://{host}:{port}"


@contextlib.asynccontextmanager
async def serve(
    handler: Handler,
    websocket_handler: WebSocketHandler | None = None,
    *,
    host: str = "127.0.0.1",
    port: int = 0,
    ssl: SSLContext | None = None,
) -> AsyncGenerator[Address]:
    """Serve until the context ends; what still runs then gets a quarter of a second, and is cancelled.

    Args:
        handler: answers every request. A `ConnectError` or `ConnectionLost` that it raises drops the connection without
            an answer; any other error does so too, and is logged.
        websocket_handler: gets every websocket with the request that opened it, in a task of its own. The first
            subprotocol offered is accepted; returning closes normally, raising breaks the connection. Without it a
            request for an upgrade goes to `handler` as any other: answered with 101, the bytes of the connection go
            on in the bodies of request and reply, untouched. Before that, its body is empty.
        host: address to listen on.
        port: TCP port, 0 for a free one.
        ssl: the server's side of TLS, for https.

    Raises:
        OSError: the address cannot be had.
    """
    site = _Site(handler, websocket_handler)
    server = web.Server(
        cast("Any", site.answer),  # it returns what a StreamResponse does once it is sent
        handler_cancellation=True,  # a client that goes away ends its answer at once
        access_log=None,
        auto_decompress=False,
        max_line_size=_HEADER_BYTES,
        max_field_size=_HEADER_BYTES,
    )
    listener = await asyncio.get_running_loop().create_server(server, host, port, backlog=1024, ssl=ssl)
    try:
        yield Address(host, listener.sockets[0].getsockname()[1], "https" if ssl else "http")
    finally:
        listener.close()
        server.pre_shutdown()  # idle connections
        await site.finish()
        await server.shutdown(_GRACE_SECONDS)
        await listener.wait_closed()
        await anyio.lowlevel.cancel_shielded_checkpoint()  # sockets are closed by the loop's next turn


class _Site:
    """The requests of one server."""

    def __init__(self, handler: Handler, websocket_handler: WebSocketHandler | None) -> None:
        self._handler = handler
        self._websocket_handler = websocket_handler
        self._tasks: set[asyncio.Task[Any]] = set()

    async def answer(self, incoming: web.BaseRequest) -> _Sent | web.WebSocketResponse:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        target = incoming.raw_path
        request = Request(
            incoming.method,
            target if "://" in target.partition("?")[0] else f"{incoming.scheme}://{incoming.host}{target}",
            dict(incoming.headers),
            incoming.content.iter_any() if incoming.body_exists else None,
        )
        upgraded = None
        if incoming.headers.get("Upgrade", "").lower() == "websocket":
            if self._websocket_handler is not None:
                return await self._upgrade(self._websocket_handler, request, incoming)
            upgraded = _Upgraded(incoming)
            request = msgspec.structs.replace(request, body=request.body or upgraded)
        try:
            reply = await self._handler(request)
            if upgraded is not None and reply.status == 101:
                upgraded.begin()
            return await _write(incoming, reply)
        except ConnectionError:
            return _drop(incoming)  # the client went away
        except Exception as error:
            if not isinstance(error, (ConnectError, ConnectionLost)):
                _logger.exception("%s failed", request)
            return _drop(incoming)

    async def _upgrade(
        self, handler: WebSocketHandler, request: Request, incoming: web.BaseRequest
    ) -> web.WebSocketResponse:
        offered = [name.strip() for name in incoming.headers.get("Sec-WebSocket-Protocol", "").split(",")]
        response = web.WebSocketResponse(
            protocols=offered, compress=False, max_msg_size=_MAX_MESSAGE, timeout=2 * _GRACE_SECONDS
        )
        await response.prepare(incoming)
        # In a task of its own, because this one is cancelled when the client goes away, and a websocket's handler
        # learns that from `receive` and may have something to put away.
        task = asyncio.get_running_loop().create_task(_attend(handler, request, incoming, response))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        await asyncio.shield(task)
        return response

    async def finish(self) -> None:
        """Give the running answers a moment, then cancel them."""
        for cancel in (False, True):
            if cancel:
                for task in self._tasks:
                    task.cancel()
            if self._tasks:
                await asyncio.wait(self._tasks, timeout=_GRACE_SECONDS)


class _Upgraded:
    """What comes on a connection after an upgrade: fed as aiohttp feeds a parser, read as the body of a request."""

    def __init__(self, incoming: web.BaseRequest) -> None:
        self._incoming = incoming
        self._reader: asyncio.StreamReader | None = None

    def begin(self) -> None:
        """Take what comes from now on, and what has come already."""
        self._reader = asyncio.StreamReader(limit=_PIECE)
        if self._incoming.transport is not None:
            self._reader.set_transport(self._incoming.transport)
            self._incoming.protocol.set_parser(cast("Any", self))

    def feed_data(self, data: bytes) -> tuple[bool, bytes]:
        assert self._reader is not None
        self._reader.feed_data(data)
        return False, b""

    def feed_eof(self) -> None:
        assert self._reader is not None
        self._reader.feed_eof()

    async def __aiter__(self) -> AsyncIterator[bytes]:
        if self._reader is not None:
            while piece := await self._reader.read(_PIECE):
                yield piece


class _Sent:
    """What aiohttp asks of a response, for one that is written already."""

    def __init__(self, *, keep_alive: bool) -> None:
        self.keep_alive = keep_alive

    async def prepare(self, request: web.BaseRequest) -> None: ...

    async def write_eof(self) -> None: ...


def _drop(incoming: web.BaseRequest) -> _Sent:
    if incoming.transport is not None:
        incoming.transport.close()
    return _Sent(keep_alive=False)


async def _write(incoming: web.BaseRequest, reply: Reply) -> _Sent:
    """Write a reply through aiohttp's writer. Its own responses would add headers that the handler did not give."""
    headers = CIMultiDict(reply.headers)
    upgraded = reply.status == 101
    keep_alive = incoming.keep_alive and headers.get("Connection", "").lower() not in ("close", "upgrade")
    if not keep_alive and not upgraded:
        headers["Connection"] = "close"
    bodyless = incoming.method == "HEAD" or reply.status in _NO_BODY
    writer = incoming.writer
    length: int | None = None
    if isinstance(reply.body, bytes):
        if reply.status not in _NO_BODY:
            headers.setdefault("Content-Length", str(len(reply.body)))
    elif "Content-Length" in headers:
        length = int(headers["Content-Length"])
    elif not bodyless and not upgraded:
        headers["Transfer-Encoding"] = "chunked"
        writer.enable_chunking()
    await writer.write_headers(f"HTTP/1.1 {reply.status} {_phrase(reply.status)}", headers)
    if isinstance(reply.body, bytes):
        await writer.write_eof(b"" if bodyless else reply.body)
        return _Sent(keep_alive=keep_alive)
    source = aiter(reply.body)
    try:
        if not bodyless:
            writer.send_headers()  # they do not wait for the first chunk
            sent = 0
            async for chunk in source:
                if chunk:
                    sent += len(chunk)
                    await writer.write(chunk)
            if length is not None and sent != length:
                raise ConnectionLost(f"{sent} bytes came of the {length} that were announced")
    finally:
        await close_source(source)
    await writer.write_eof()
    return _Sent(keep_alive=keep_alive)


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return ""


async def _attend(
    handler: WebSocketHandler, request: Request, incoming: web.BaseRequest, response: web.WebSocketResponse
) -> None:
    try:
        await handler(request, _ServerWebSocket(response))
        await response.close()
    except Exception as error:
        if not isinstance(error, (ConnectionLost, ConnectionError)):
            _logger.exception("%s failed", request)
        if incoming.transport is not None:
            incoming.transport.abort()


class _ServerWebSocket:
    """The server's end of a websocket."""

    def __init__(self, response: web.WebSocketResponse) -> None:
        self._response = response

    @property
    def subprotocol(self) -> str | None:
        return self._response.ws_protocol

    async def send(self, message: str | bytes) -> None:
        try:
            await (self._response.send_str(message) if isinstance(message, str) else self._response.send_bytes(message))
        except ConnectionError as error:
            raise ConnectionLost("the websocket is closed") from error

    async def receive(self) -> str | bytes | None:
        if self._response.closed:
            return None
        message = await self._response.receive()
        if message.type in (WSMsgType.TEXT, WSMsgType.BINARY):
            return message.data
        if self._response.close_code in _NORMAL:
            return None
        raise ConnectionLost(f"the websocket broke (code {self._response.close_code})")

    async def aclose(self) -> None:
        await self._response.close()
