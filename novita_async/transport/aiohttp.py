"""The real transport: one aiohttp session. It maps aiohttp's errors; it never retries, limits or redirects."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import functools
import io
import threading
import urllib.request
import weakref
from typing import TYPE_CHECKING, Any, Self

import aiohttp
import anyio.lowlevel
from aiohttp.http_exceptions import ContentEncodingError, HttpProcessingError
from aiohttp.payload import Payload
from yarl import URL

from ..errors import (
    CallTimeout,
    ClientClosed,
    ConnectError,
    ConnectionLost,
    NovitaError,
    ProtocolError,
    ValidationError,
)
from .protocol import Response, being_cancelled, close_source

if TYPE_CHECKING:
    import ssl
    from collections.abc import AsyncIterable, Callable, Iterable, Mapping

    from aiohttp.abc import AbstractStreamWriter
    from aiohttp.connector import BaseConnector

    from .protocol import Request
    from .websocket import ClientWebSocket

__all__ = ["AiohttpTransport"]

_READ_BUFFER = 256 * 1024
_HEADER_BYTES = 256 * 1024
_LARGE_BODY = 1024 * 1024  # from here on aiohttp wants bytes wrapped, so that it writes them in pieces
_CLOSE_SECONDS = 5.0
_CLOSED = "the transport was closed"

# What aiohttp would send of its own accord. Host, Content-Length and Transfer-Encoding stay: HTTP needs them.
_AUTOMATIC_HEADERS = ("Accept", "Accept-Encoding", "Content-Type", "User-Agent")
# A request that has them all need not say that it wants no others, which costs aiohttp more than it saves.
_COMPLETE = frozenset({"accept", "accept-encoding", "content-type", "user-agent"})
# What aiohttp would repeat by itself (its IDEMPOTENT_METHODS); see `_once`.
_REPEATED = frozenset({"GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE"})


class AiohttpTransport:
    """HTTP over aiohttp, websockets over `websockets`.

    Making one touches no event loop and opens no socket: the session comes with the first request and belongs to the
    loop of that request.

    Args:
        keepalive: seconds that an idle connection is kept for a next request.
        ssl: TLS settings; None for the system's certificates and names checked.
        trust_env: go through the proxies that HTTP_PROXY, HTTPS_PROXY and NO_PROXY name. `.netrc` is never read,
            because a transport adds no credentials.
    """

    def __init__(self, *, keepalive: float = 15.0, ssl: ssl.SSLContext | None = None, trust_env: bool = False) -> None:
        self._keepalive = keepalive
        self._ssl = ssl
        self._trust_env = trust_env
        self._closed = False
        self._session: aiohttp.ClientSession | None = None
        self._let_go: weakref.finalize[..., Self] | None = None
        self._timeout = aiohttp.ClientTimeout(total=None)
        # Most calls of a client go where the one before went.
        self._last_url, self._last_parsed = "", URL()
        self._proxies: dict[str, str] = {}
        self._responses: weakref.WeakSet[aiohttp.ClientResponse] = weakref.WeakSet()  # whose bodies may still be open
        self._websockets: set[ClientWebSocket] = set()

    def __repr__(self) -> str:
        state = "closed" if self._closed else "open" if self._session else "unused"
        return f"<AiohttpTransport {state} responses={len(self._responses)} websockets={len(self._websockets)}>"

    async def send(self, request: Request) -> Response:
        """Send the request once. See `Transport.send`."""
        session = self._session or self._open()
        if request.connect_timeout != self._timeout.connect:
            self._timeout = aiohttp.ClientTimeout(total=None, connect=request.connect_timeout)
        if request.url != self._last_url:
            self._last_url, self._last_parsed = request.url, _url(request.url)
        url = self._last_parsed
        data: Any = request.body
        upload: _Upload | None = None
        if isinstance(data, bytes):
            if len(data) > _LARGE_BODY:
                data = io.BytesIO(data)
        elif data is not None:
            data = upload = _Upload(data)
        try:
            response = await session.request(
                request.method,
                url,
                headers=request.headers,
                data=data,
                allow_redirects=False,
                middlewares=_ONCE if request.method in _REPEATED else (),
                skip_auto_headers=None if request.headers.keys() >= _COMPLETE else _AUTOMATIC_HEADERS,
                timeout=self._timeout,
                proxy=self._proxy(url) if self._proxies else None,
            )
        except BaseException as error:
            if upload is not None:
                await upload.settle()
                if upload.error is not None and isinstance(error, Exception):
                    raise upload.error from None  # the caller's own, not the network's
            if isinstance(error, (aiohttp.ClientError, OSError, ValueError)):
                raise _failure(error, request) from error
            if isinstance(error, asyncio.CancelledError) and self._closed and not being_cancelled():
                raise ConnectError(_CLOSED) from error  # aiohttp cancels its look-ups of names
            raise
        if response.connection is not None:  # else the answer is here whole and the connection is already back
            self._responses.add(response)
        return Response(response.status, response.headers, _Body(response, upload))

    async def websocket(
        self, url: str, *, headers: Mapping[str, str] | None = None, subprotocols: tuple[str, ...] = ()
    ) -> ClientWebSocket:
        """Open a websocket. See `Transport.websocket`."""
        from .websocket import connect  # on use: most clients never open one

        if self._session is None:
            self._open()
        proxy = self._proxy(_url(url)) if self._proxies else None
        socket = await connect(
            url, headers=headers, subprotocols=subprotocols, ssl=self._ssl, proxy=proxy, closed=self._websockets.discard
        )
        self._websockets.add(socket)
        return socket

    async def aclose(self) -> None:
        """Close every connection and wait, for a bounded time, until the sockets are closed."""
        self._closed = True
        session, self._session = self._session, None
        for response in tuple(self._responses):
            _break(response, ConnectionLost(_CLOSED))
        await asyncio.gather(*[socket.aclose() for socket in self._websockets])
        if session is not None and self._let_go is not None:
            for transport in _transports(session.connector):
                transport.abort()  # close() would wait for a peer that does not read
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_CLOSE_SECONDS):
                    await session.close()
            self._let_go.detach()  # a cancellation before this would leave it the rest to do
            # Connections given up just before this are closed by the loop's next turn, and no one else waits for it.
            await anyio.lowlevel.cancel_shielded_checkpoint()

    def abandon(self) -> None:
        """Close the sockets without waiting, from any thread, also when the loop is closed. See `Transport.abandon`."""
        self._closed = True
        self._session = None
        if self._let_go is not None:
            self._let_go()

    def _open(self) -> aiohttp.ClientSession:
        if self._closed:
            raise ClientClosed(_CLOSED)
        if self._trust_env:
            self._proxies = urllib.request.getproxies()
        self._session = session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                limit=0,
                keepalive_timeout=self._keepalive,
                ssl=self._ssl or True,
                # What every other program of the machine resolves names with, and nothing to close afterwards.
                resolver=aiohttp.ThreadedResolver(),
            ),
            cookie_jar=aiohttp.DummyCookieJar(),
            read_bufsize=_READ_BUFFER,
            max_line_size=_HEADER_BYTES,
            max_field_size=_HEADER_BYTES,
        )
        # Also of a transport that is dropped. Not __del__: in a cycle aiohttp's own could come first, and complain.
        self._let_go = weakref.finalize(
            *(self, _let_go, session, self._responses, self._websockets),
            *(asyncio.get_running_loop(), threading.get_ident()),
        )
        return session

    def _proxy(self, url: URL) -> str | None:
        proxy = self._proxies.get(url.scheme.replace("ws", "http"))
        if proxy is None or urllib.request.proxy_bypass(url.raw_authority):
            return None
        return proxy


class _Body:
    """The body of an aiohttp response."""

    __slots__ = ("_content", "_error", "_response", "_upload")

    def __init__(self, response: aiohttp.ClientResponse, upload: _Upload | None) -> None:
        self._response = response
        self._content = response.content
        self._upload = upload
        self._error: Exception | None = None

    async def read(self) -> bytes:
        if self._error is not None:
            raise self._error
        if self._content.at_eof():
            return b""
        try:
            return await self._content.readany()
        except (aiohttp.ClientError, HttpProcessingError, OSError, RuntimeError) as error:
            raise self._failure(error)  # noqa: B904 - it has its cause, or is the very error of `abort`

    def _failure(self, error: Exception) -> Exception:
        if error is self._error:
            return error
        host = self._response.host
        if isinstance(error.__cause__, ContentEncodingError):
            failure = ProtocolError(
                f"the content encoding of the answer of {host} is broken: {error.__cause__.message}"
            )
        else:
            failure = ConnectionLost(f"the connection to {host} broke in the middle of its answer")
        failure.__cause__ = error
        return failure

    def abort(self, error: Exception) -> None:
        self._error = error
        _break(self._response, error)

    async def aclose(self) -> None:
        if self._response.connection is not None:
            _break(self._response, ConnectionLost("the answer was closed"))
        if self._upload is not None:
            await self._upload.settle()


def _break(response: aiohttp.ClientResponse, error: Exception) -> None:
    """Close the connection of a response and let whoever reads its body, now or later, get the error."""
    response.content.set_exception(error)
    connection = response.connection
    if connection is not None and connection.transport is not None:
        connection.transport.abort()  # close() would wait for a peer: to read, or to end TLS
    response.close()


class _Upload(Payload):
    """A streamed request body. aiohttp's own payload for iterables would leave them open, and hide their errors."""

    _autoclose = True

    def __init__(self, body: AsyncIterable[bytes]) -> None:
        super().__init__(body)
        self._source = aiter(body)
        self._task: asyncio.Task[Any] | None = None
        self.error: Exception | None = None

    def decode(self, encoding: str = "utf-8", errors: str = "strict") -> str:
        raise TypeError("a streamed body is not kept")

    async def write(self, writer: AbstractStreamWriter) -> None:
        await self.write_with_length(writer, None)

    async def write_with_length(self, writer: AbstractStreamWriter, content_length: int | None) -> None:
        self._task = asyncio.current_task()
        sent = 0
        try:
            while (chunk := await self._next()) is not None:
                sent += len(chunk)
                if content_length is not None and sent > content_length:
                    break
                await writer.write(chunk)
            if content_length is not None and sent != content_length:
                # The server would wait for the rest, or take what is over for the next request.
                self.error = ValidationError(f"the body is not as long as its Content-Length of {content_length} says")
                raise self.error
        finally:
            await close_source(self._source)

    async def _next(self) -> bytes | None:
        try:
            return await anext(self._source, None)
        except Exception as error:
            self.error = error
            raise

    async def settle(self) -> None:
        """Wait until nothing reads the iterable any more: the response has ended or was closed."""
        if self._task is not None and not self._task.done():
            await asyncio.wait({self._task}, timeout=_CLOSE_SECONDS)


async def _once(request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType) -> aiohttp.ClientResponse:
    """Send once. aiohttp repeats an idempotent request by itself when it sees one of these two errors (its client.py,
    `retry_persistent_connection`) and has no public switch for that; a middleware is what stands between."""
    try:
        return await handler(request)
    except aiohttp.ClientConnectorError:
        raise
    except (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError) as error:
        raise ConnectionLost(f"{request.url.host} closed the connection before it answered") from error


_ONCE = (_once,)


def _url(text: str) -> URL:
    if not text.isascii() or not text.isprintable() or " " in text:
        raise ValidationError(f"the URL has characters that must be percent-encoded: {text.partition('?')[0]!r}")
    return URL(text, encoded=True)  # no second encoding: ids in the path hold what they hold


def _failure(error: Exception, request: Request) -> NovitaError:
    """The error of this package for one that aiohttp raised instead of answering."""
    base = request.url.partition("?")[0]
    host = base.partition("://")[2].partition("/")[0].rpartition("@")[2]
    match error:
        case aiohttp.ConnectionTimeoutError():
            return CallTimeout("connect", request.connect_timeout or 0.0, sent=False)
        case aiohttp.ClientConnectorCertificateError():
            return ConnectError(f"cannot connect to {host}: its certificate was refused: {error.certificate_error}")
        case aiohttp.ClientConnectorError():
            return connect_error(host, error.os_error)
        case aiohttp.ClientHttpProxyError():
            return ConnectError(f"cannot connect to {host}: the proxy answered {error.status}")
        case aiohttp.InvalidURL() | aiohttp.NonHttpUrlClientError():
            return ValidationError(f"not a URL that can be reached by HTTP: {base!r}")
        case aiohttp.ClientResponseError():
            return ProtocolError(f"{host} did not answer in HTTP: {error.message}")
        case ValueError():
            return ValidationError(f"the request to {host} cannot be sent: {error}")
        case _:
            return ConnectionLost(f"the connection to {host} broke before it answered: {error}")


def connect_error(host: str, error: OSError) -> ConnectError:
    """The error for a connection that the operating system did not make."""
    why = error.strerror or str(error)
    if error.errno in (errno.EMFILE, errno.ENFILE):
        why = (
            f"{why}: every connection needs a file descriptor and this process is at its limit; "
            "raise the limit (`ulimit -n`) or run fewer calls at once"
        )
    return ConnectError(f"cannot connect to {host}: {why}")


def _let_go(
    session: aiohttp.ClientSession,
    responses: Iterable[aiohttp.ClientResponse],
    websockets: Iterable[ClientWebSocket],
    loop: asyncio.AbstractEventLoop,
    thread: int,
) -> None:
    """Close what a transport has open, without waiting."""
    connector = session.connector
    session.detach()  # a session without connector counts as closed: it will not warn
    drop = functools.partial(_drop, connector, responses, websockets, loop)
    if loop.is_closed() or threading.get_ident() == thread:
        drop()
    else:
        with contextlib.suppress(RuntimeError):  # closed since the question
            loop.call_soon_threadsafe(drop)


def _drop(
    connector: BaseConnector | None,
    responses: Iterable[aiohttp.ClientResponse],
    websockets: Iterable[ClientWebSocket],
    loop: asyncio.AbstractEventLoop,
) -> None:
    transports = _transports(connector) + [socket.transport for socket in websockets]
    if loop.is_closed():
        _abort_without_loop(transports, loop)
    else:
        for response in tuple(responses):
            _break(response, ConnectionLost(_CLOSED))
        for transport in transports:
            transport.abort()
    if connector is not None:
        connector.__exit__(None, None, None)  # its only close that is not a coroutine
    for response in tuple(responses):
        response.close()
        if response.connection is not None:  # the loop is closed, and close() stopped there
            response.connection.close()


def _transports(connector: BaseConnector | None) -> list[asyncio.Transport]:
    """Every open connection. aiohttp has no list to ask for, and closes them only gracefully and in a live loop."""
    if connector is None:
        return []
    idle = [protocol for kept in connector._conns.values() for protocol, _ in kept]  # pyright: ignore[reportPrivateUsage] - see above
    busy = connector._acquired  # pyright: ignore[reportPrivateUsage] - see above
    return [protocol.transport for protocol in (*idle, *busy) if protocol.transport is not None]


def _abort_without_loop(transports: list[asyncio.Transport], loop: asyncio.AbstractEventLoop) -> None:
    """Close sockets whose loop is closed.

    A transport closes its socket in a callback, and a closed loop refuses callbacks; for this moment it runs them at
    once. The protocols are taken off first, so that nothing of what once waited is woken.
    """

    def call_now(callback: Callable[..., object], *args: object, context: object = None) -> None:
        callback(*args)

    loop.call_soon = call_now  # pyright: ignore[reportAttributeAccessIssue] - no handle: there is nothing to cancel
    try:
        for transport in transports:
            with contextlib.suppress(RuntimeError):  # other loops than asyncio's have closed it already
                transport.set_protocol(asyncio.Protocol())
                transport.abort()
    finally:
        del loop.call_soon
