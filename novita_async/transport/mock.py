"""A network in process: requests go to a `Handler`, answers come back through a small pipe, no socket is opened.

It behaves as a network does where that matters to the code above it: a body is produced only a little ahead of its
reader, a server that fails breaks the connection, and whoever closes early is noticed on the other side.
"""

from __future__ import annotations

import asyncio
import zlib
from collections import deque
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from ..errors import ClientClosed, ConnectError, ConnectionLost, ProtocolError
from .protocol import Headers, Reply, Request, Response, being_cancelled, close_source

if TYPE_CHECKING:
    from collections.abc import AsyncIterable, AsyncIterator, Coroutine, Mapping

    from .protocol import Handler, WebSocket, WebSocketHandler

__all__ = ["MockTransport"]

T = TypeVar("T")

_PIPE_BYTES = 64 * 1024
_PIPE_CHUNKS = 16
_PIPE_MESSAGES = 16
_CLOSED = "the transport was closed"
_CLOSE_SECONDS = 5.0  # how long a close waits for the other side to end by itself
_NO_BODY = frozenset({204, 304})


class MockTransport:
    """Requests answered by a function.

    Args:
        handler: gets each request, as the caller made it, and gives the reply. It may raise `ConnectError` to say that
            nothing was sent; any other error is a lost connection.
        websocket_handler: gets each websocket with the request that opened it. The first subprotocol offered is
            accepted; returning closes normally, raising breaks the connection. Without it the request for an upgrade
            goes to `handler`, which answers 101 and carries the websocket's bytes in the bodies of request and reply,
            or refuses it with any other answer.
    """

    def __init__(self, handler: Handler, websocket_handler: WebSocketHandler | None = None) -> None:
        self._handler = handler
        self._websocket_handler = websocket_handler
        self._tasks: set[asyncio.Task[Any]] = set()
        self._bodies: set[_PipedBody] = set()
        self._closed = False

    def __repr__(self) -> str:
        return f"<MockTransport {'closed' if self._closed else 'open'} tasks={len(self._tasks)}>"

    async def send(self, request: Request) -> Response:
        """Call the handler. See `Transport.send`."""
        upload = _Upload(request.body) if request.body is not None and not isinstance(request.body, bytes) else None
        try:
            reply = await self._reply(msgspec.structs.replace(request, body=upload) if upload else request)
        except BaseException as error:
            if upload is not None:
                await upload.aclose()
                if upload.error is not None and isinstance(error, ConnectionLost):
                    raise upload.error from None  # the caller's own, not the network's
            raise
        headers = Headers(reply.headers)
        encoding = headers.get("content-encoding", "").strip().lower()
        undo = _Inflater(encoding) if encoding in ("gzip", "deflate") else None
        if isinstance(reply.body, bytes):
            if upload is not None:
                await upload.aclose()
            data = b"" if _bodyless(request, reply) else reply.body
            return Response(reply.status, headers, _WholeBody(undo.whole(data) if undo and data else data))
        body = _PipedBody(undo)
        if _bodyless(request, reply):
            body.end()
        self._bodies.add(body)
        body.task = self._start(self._pump(aiter(reply.body), body, upload))
        return Response(reply.status, headers, body)

    async def websocket(
        self, url: str, *, headers: Mapping[str, str] | None = None, subprotocols: tuple[str, ...] = ()
    ) -> WebSocket:
        """Open a websocket to the handler. See `Transport.websocket`."""
        if self._websocket_handler is None:
            return await self._upgrade(url, headers, subprotocols)
        if self._closed:
            raise ClientClosed(_CLOSED)
        request = Request("GET", url, dict(headers or {}))
        near = _Socket(subprotocols[0] if subprotocols else None)
        far = _Socket(near.subprotocol)
        near.peer, far.peer = far, near
        near.task = self._start(self._attend(self._websocket_handler, request, far))
        near.task.add_done_callback(lambda _: far.close(ConnectionLost("the server was cancelled")))
        return near

    async def aclose(self) -> None:
        """End every response and websocket and wait for their handlers."""
        self.abandon()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=_CLOSE_SECONDS)

    def abandon(self) -> None:
        """Break every response and cancel every handler."""
        self._closed = True
        for body in tuple(self._bodies):
            body.abort(ConnectionLost(_CLOSED))
        for task in self._tasks:
            if not task.get_loop().is_closed():
                task.cancel()

    def _start(self, coroutine: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        task = asyncio.get_running_loop().create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _reply(self, request: Request) -> Reply:
        if self._closed:
            raise ClientClosed(_CLOSED)
        try:
            return await self._start(self._answer(request))
        except (ConnectError, ConnectionLost):
            raise
        except asyncio.CancelledError as error:
            if self._closed and not being_cancelled():
                raise ConnectionLost(_CLOSED) from error
            raise
        except Exception as error:
            raise ConnectionLost(f"the server failed before it answered: {error!r}") from error

    async def _answer(self, request: Request) -> Reply:
        """The handler, in a task of its own, so that closing the transport ends it and not its caller."""
        return await self._handler(request)

    async def _pump(self, source: AsyncIterator[bytes], body: _PipedBody, upload: _Upload | None) -> None:
        """Move a reply's chunks into the pipe; the one task of a response."""
        body.pumped = True
        try:
            if not body.ended:
                async for chunk in source:
                    await body.put(chunk)
                body.end()
        except (ConnectionLost, ProtocolError) as error:
            body.fail(error)
        except Exception as error:
            lost = ConnectionLost(f"the server failed in the middle of its answer: {error!r}")
            lost.__cause__ = error
            body.fail(lost)
        finally:
            self._bodies.discard(body)
            await close_source(source)
            if upload is not None:
                await upload.aclose()

    async def _upgrade(self, url: str, headers: Mapping[str, str] | None, subprotocols: tuple[str, ...]) -> WebSocket:
        from .websocket import PipedWebSocket  # on use: it loads two libraries, and most clients open no websocket

        socket = PipedWebSocket(url, headers=headers, subprotocols=subprotocols)
        reply = await self._reply(socket.request)
        if isinstance(reply.body, bytes):
            raise _refused(reply, reply.body)
        source = aiter(reply.body)
        try:
            if reply.status != 101:
                raise _refused(reply, await _beginning(source))
            socket.accept(reply)
        except BaseException:
            await close_source(source)
            raise
        socket.task = self._start(socket.run(source))
        socket.task.add_done_callback(lambda _: socket.end())
        return socket

    async def _attend(self, handler: WebSocketHandler, request: Request, socket: _Socket) -> None:
        try:
            await handler(request, socket)
            socket.close(None)
        except Exception as error:
            lost = ConnectionLost(f"the server failed: {error!r}")
            lost.__cause__ = error
            socket.close(lost)


def _refused(reply: Reply, body: bytes) -> ProtocolError:
    return ProtocolError(f"the server answered {reply.status} and opened no websocket", body=body)


async def _beginning(source: AsyncIterator[bytes]) -> bytes:
    """As much as an error may keep."""
    data = b""
    async for chunk in source:
        data += chunk
        if len(data) >= _PIPE_BYTES:
            break
    return data


def _bodyless(request: Request, reply: Reply) -> bool:
    return request.method == "HEAD" or reply.status in _NO_BODY


class _Upload:
    """A streamed request body on its way to the handler. Keeps apart whose error an error is."""

    def __init__(self, body: AsyncIterable[bytes]) -> None:
        self._source = aiter(body)
        self._read = False
        self.error: Exception | None = None

    def __aiter__(self) -> _Upload:
        return self

    async def __anext__(self) -> bytes:
        self._read = True
        try:
            return await anext(self._source)
        except StopAsyncIteration:
            raise
        except Exception as error:
            self.error = error
            raise

    async def aclose(self) -> None:
        if self._read:  # a body that nobody looked at can still be sent by another attempt
            await close_source(self._source)


class _Inflater:
    """Undoes gzip and deflate; deflate comes with or without the zlib header."""

    def __init__(self, encoding: str) -> None:
        self._raw_possible = encoding == "deflate"
        self._fed = False
        self._stream = zlib.decompressobj(zlib.MAX_WBITS | 32)  # takes both headers, gzip's and zlib's

    def feed(self, chunk: bytes) -> bytes:
        if not self._fed and self._raw_possible and chunk[0] & 0x0F != zlib.DEFLATED:
            self._stream = zlib.decompressobj(-zlib.MAX_WBITS)
        self._fed = True
        try:
            return self._stream.decompress(chunk)
        except zlib.error as error:
            raise ProtocolError(f"the content encoding of the answer is broken: {error}") from error

    def end(self) -> None:
        if self._fed and not self._stream.eof:
            raise ConnectionLost("the compressed answer was cut short")

    def whole(self, data: bytes) -> bytes:
        plain = self.feed(data)
        self.end()
        return plain


class _WholeBody:
    """A body that is there at once."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._error: Exception | None = None

    async def read(self) -> bytes:
        if self._error is not None:
            raise self._error
        data, self._data = self._data, b""
        return data

    def abort(self, error: Exception) -> None:
        self._error = error

    async def aclose(self) -> None:
        self._data = b""


class _PipedBody:
    """The reading end of a bounded pipe, and the writing end that the pump uses."""

    task: asyncio.Task[None]

    def __init__(self, undo: _Inflater | None) -> None:
        self.ended = False  # nothing more will be put in
        self.pumped = False  # the pump runs: before that, cancelling it would leave its source open
        self._undo = undo
        self._chunks: deque[bytes] = deque()
        self._size = 0
        self._failure: Exception | None = None  # the server's: after the chunks that came before it
        self._aborted: Exception | None = None  # ours: before everything
        self._changed = asyncio.Event()
        self._room = asyncio.Event()

    async def read(self) -> bytes:
        while True:
            if self._aborted is not None:
                raise self._aborted
            if self._chunks:
                chunk = self._chunks.popleft()
                self._size -= len(chunk)
                self._room.set()
                return chunk
            if self._failure is not None:
                raise self._failure
            if self.ended:
                return b""
            self._changed.clear()
            await self._changed.wait()

    def abort(self, error: Exception) -> None:
        self._aborted = error
        self._chunks.clear()
        self._changed.set()
        if self.pumped and not self.ended:
            self.task.cancel()
        self.ended = True

    async def aclose(self) -> None:
        if not self.ended:
            self.abort(ConnectionLost("the answer was closed"))
        if not self.task.done():
            await asyncio.wait({self.task}, timeout=_CLOSE_SECONDS)

    async def put(self, chunk: bytes) -> None:
        if self._undo is not None and chunk:
            chunk = self._undo.feed(chunk)
        if not chunk:
            return
        self._chunks.append(chunk)
        self._size += len(chunk)
        self._changed.set()
        while self._size >= _PIPE_BYTES or len(self._chunks) >= _PIPE_CHUNKS:
            self._room.clear()
            await self._room.wait()

    def end(self) -> None:
        if self._undo is not None:
            self._undo.end()
        self.ended = True
        self._changed.set()

    def fail(self, error: Exception) -> None:
        self._failure = error
        self.ended = True
        self._changed.set()


class _Socket:
    """One end of a websocket in memory."""

    peer: _Socket
    task: asyncio.Task[None] | None = None

    def __init__(self, subprotocol: str | None) -> None:
        self._subprotocol = subprotocol
        self._messages: deque[str | bytes] = deque()
        self._closed = False
        self._failure: Exception | None = None
        self._changed = asyncio.Event()
        self._room = asyncio.Event()

    @property
    def subprotocol(self) -> str | None:
        return self._subprotocol

    async def send(self, message: str | bytes) -> None:
        peer = self.peer
        while len(peer._messages) >= _PIPE_MESSAGES and not self._closed:
            peer._room.clear()
            await peer._room.wait()
        if self._closed:
            raise ConnectionLost("the websocket is closed")
        peer._messages.append(message)
        peer._changed.set()

    async def receive(self) -> str | bytes | None:
        while True:
            if self._messages:
                self._room.set()
                return self._messages.popleft()
            if self._failure is not None:
                raise self._failure
            if self._closed:
                return None
            self._changed.clear()
            await self._changed.wait()

    async def aclose(self) -> None:
        self.close(None)
        if self.task is not None and not self.task.done():
            await asyncio.wait({self.task}, timeout=_CLOSE_SECONDS)
            self.task.cancel()

    def close(self, error: Exception | None) -> None:
        """Close both ends; the other one reads what is on its way and then `error`, or the normal end."""
        if self._closed:
            return
        self.peer._failure = error
        for end in (self, self.peer):
            end._closed = True
            end._changed.set()
            end._room.set()
