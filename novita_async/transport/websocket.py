"""Websockets, on the `websockets` package."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import deque
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from websockets.asyncio import client
from websockets.client import ClientProtocol
from websockets.exceptions import (
    ConnectionClosed,
    ConnectionClosedOK,
    InvalidHandshake,
    InvalidMessage,
    InvalidProxy,
    InvalidStatus,
    InvalidURI,
    ProxyError,
)
from websockets.frames import CloseCode, Frame, Opcode
from websockets.protocol import State
from websockets.uri import parse_uri

from ..errors import CallTimeout, ConnectError, ConnectionLost, ProtocolError, ValidationError
from .aiohttp import connect_error
from .protocol import Request, close_source

if TYPE_CHECKING:
    import ssl
    from collections.abc import AsyncIterator, Callable, Mapping

    from websockets.typing import Subprotocol

    from .protocol import Reply

__all__ = ["ClientWebSocket", "PipedWebSocket", "connect"]

_OPEN_SECONDS = 30.0
_CLOSE_SECONDS = 2.0
_MAX_MESSAGE = 64 * 1024 * 1024
_PIPE_BYTES = 64 * 1024
_PIPE_MESSAGES = 16


class ClientWebSocket:
    """A websocket over a socket. See `WebSocket`."""

    def __init__(self, connection: client.ClientConnection, closed: Callable[[ClientWebSocket], object]) -> None:
        self._connection = connection
        self._closed = closed
        #: The connection beneath, for closing without a loop.
        self.transport: asyncio.Transport = connection.transport

    @property
    def subprotocol(self) -> str | None:
        return self._connection.subprotocol

    async def send(self, message: str | bytes) -> None:
        try:
            await self._connection.send(message)
        except ConnectionClosed as error:
            raise ConnectionLost(f"the websocket is closed: {error}") from error

    async def receive(self) -> str | bytes | None:
        try:
            return await self._connection.recv()
        except ConnectionClosedOK:
            return None
        except ConnectionClosed as error:
            raise ConnectionLost(f"the websocket broke: {error}") from error

    async def aclose(self) -> None:
        self._closed(self)
        try:
            # `close` bounds the peer's answer by itself, but not a peer that reads nothing.
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(2 * _CLOSE_SECONDS):
                    await self._connection.close()
        finally:
            self.transport.abort()


async def connect(
    url: str,
    *,
    headers: Mapping[str, str] | None,
    subprotocols: tuple[str, ...],
    ssl: ssl.SSLContext | None,
    proxy: str | None,
    closed: Callable[[ClientWebSocket], object],
) -> ClientWebSocket:
    """Open a websocket; `closed` is told when it is closed from this side. See `Transport.websocket`.

    Raises:
        CallTimeout: connection and handshake took longer than 30 seconds.
        ConnectError, ConnectionLost, ProtocolError, ValidationError: as the transport says.
    """
    host = urlsplit(url).netloc.rpartition("@")[2]
    offered: list[Subprotocol] = list(subprotocols)  # pyright: ignore[reportAssignmentType] - a NewType of str
    options: dict[str, Any] = {"ssl": ssl} if ssl is not None and url.startswith("wss:") else {}
    try:
        connection = await _Connect(
            url,
            additional_headers=headers,
            user_agent_header=None,
            subprotocols=offered or None,
            compression=None,  # a message costs what it says, and no peer can send a bomb
            proxy=proxy,
            open_timeout=_OPEN_SECONDS,
            close_timeout=_CLOSE_SECONDS,
            max_size=_MAX_MESSAGE,
            logger=_logger(),
            **options,
        )
    except InvalidURI as error:
        raise ValidationError(f"not a websocket URL: {url.partition('?')[0]!r}") from error
    except InvalidStatus as error:
        response = error.response
        raise ProtocolError(
            f"{host} answered {response.status_code} and opened no websocket", body=bytes(response.body or b"")
        ) from error
    except (ProxyError, InvalidProxy) as error:
        raise ConnectError(f"cannot connect to {host}: {error}") from error
    except InvalidHandshake as error:
        if isinstance(error, InvalidMessage) and isinstance(error.__cause__, EOFError):
            raise ConnectionLost(f"{host} closed the connection before it answered") from error
        raise ProtocolError(f"{host} opened no websocket: {error}") from error
    except TimeoutError as error:
        raise CallTimeout("connect", _OPEN_SECONDS) from error
    except OSError as error:
        raise connect_error(host, error) from error
    return ClientWebSocket(connection, closed)


class _Connect(client.connect):
    """`connect` without its redirects: whoever holds the credentials decides where they go."""

    def process_redirect(self, exc: Exception) -> Exception | str:
        return exc


class PipedWebSocket:
    """A websocket over the body of a request and the body of its answer: for transports without sockets.

    Its `request` asks for the upgrade. Once it is answered with 101 and `accept` has taken the answer, `run` reads what
    comes, in a task that ends with the websocket; `end` is called when it is done. See `WebSocket` for the rest.

    Raises:
        ValidationError: the URL is none of a websocket.
    """

    task: asyncio.Task[None]

    def __init__(self, url: str, *, headers: Mapping[str, str] | None, subprotocols: tuple[str, ...]) -> None:
        offered: list[Subprotocol] = list(subprotocols)  # pyright: ignore[reportAssignmentType] - a NewType of str
        try:
            uri = parse_uri(url)
        except InvalidURI as error:
            raise ValidationError(f"not a websocket URL: {url.partition('?')[0]!r}") from error
        self._protocol = ClientProtocol(uri, subprotocols=offered or None, max_size=_MAX_MESSAGE, logger=_logger())
        asked = self._protocol.connect()
        asked.headers.update(headers or {})
        self._protocol.send_request(asked)
        self._protocol.data_to_send()  # its head: that goes out as a request
        self.request = Request("GET", url.replace("ws", "http", 1), dict(asked.headers.raw_items()), _Outgoing(self))
        self._changed = asyncio.Event()
        self._out = bytearray()
        self._messages: deque[str | bytes] = deque()
        self._fragments: list[bytes] = []
        self._is_text = False
        self._ended = False  # no message comes any more
        self._gone = False

    @property
    def subprotocol(self) -> str | None:
        return self._protocol.subprotocol

    def accept(self, reply: Reply) -> None:
        """Take the answer's head.

        Raises:
            ProtocolError: it is not the one to this request.
        """
        lines = [f"HTTP/1.1 {reply.status} ", *(f"{name}: {value}" for name, value in reply.headers.items())]
        self._protocol.receive_data(("\r\n".join(lines) + "\r\n\r\n").encode("latin-1"))
        self._protocol.events_received()
        if self._protocol.handshake_exc is not None:
            raise ProtocolError(f"the server opened no websocket: {self._protocol.handshake_exc}")

    async def run(self, source: AsyncIterator[bytes]) -> None:
        """Read the answer's body to its end."""
        try:
            async for chunk in source:
                self._protocol.receive_data(chunk)
                self._take()
                await self._until(lambda: len(self._messages) < _PIPE_MESSAGES or self._ended)
        except (ConnectionError, ConnectionLost):
            pass  # it broke: there is no close frame, which is what the reader is told
        finally:
            await close_source(source)

    def end(self) -> None:
        """Nothing comes any more."""
        self._gone = self._ended = True
        self._protocol.receive_eof()
        self._take()

    async def send(self, message: str | bytes) -> None:
        await self._until(lambda: len(self._out) < _PIPE_BYTES or self._ended)
        if self._ended or self._protocol.state is not State.OPEN:
            raise ConnectionLost(f"the websocket is closed: {self._words()}")
        if isinstance(message, str):
            self._protocol.send_text(message.encode())
        else:
            self._protocol.send_binary(message)
        self._flush()

    async def receive(self) -> str | bytes | None:
        await self._until(lambda: bool(self._messages) or self._ended)
        if self._messages:
            self._changed.set()
            return self._messages.popleft()
        close = self._protocol.close_rcvd
        if close is not None and close.code in (CloseCode.NORMAL_CLOSURE, CloseCode.GOING_AWAY):
            return None
        raise ConnectionLost(f"the websocket broke: {self._words()}")

    async def aclose(self) -> None:
        if self._protocol.state is State.OPEN:
            self._protocol.send_close(CloseCode.NORMAL_CLOSURE)
            self._flush()
        self._messages.clear()
        self._ended = True
        self._changed.set()
        if not self.task.done():
            await asyncio.wait({self.task}, timeout=_CLOSE_SECONDS)
            self.task.cancel()

    async def outgoing(self) -> AsyncIterator[bytes]:
        """What goes out; nothing before the answer is there."""
        while self._protocol.state is not State.CONNECTING:
            await self._until(lambda: bool(self._out) or self._gone)
            if self._gone:
                return
            data = bytes(self._out)
            self._out.clear()
            self._changed.set()
            yield data

    def _take(self) -> None:
        """Look at what has come, and answer what wants an answer."""
        for event in self._protocol.events_received():
            if not isinstance(event, Frame) or event.opcode not in (Opcode.TEXT, Opcode.BINARY, Opcode.CONT):
                continue
            if event.opcode is not Opcode.CONT:
                self._is_text = event.opcode is Opcode.TEXT
            self._fragments.append(bytes(event.data))
            if event.fin:
                data = b"".join(self._fragments)
                self._fragments.clear()
                try:
                    self._messages.append(data.decode() if self._is_text else data)
                except UnicodeDecodeError as error:
                    self._protocol.fail(CloseCode.INVALID_DATA, str(error))
        if self._protocol.state is not State.OPEN:
            self._ended = True
        self._flush()

    def _flush(self) -> None:
        for data in self._protocol.data_to_send():
            self._out += data
        self._changed.set()

    async def _until(self, true: Callable[[], bool]) -> None:
        while not true():
            self._changed.clear()
            await self._changed.wait()

    def _words(self) -> str:
        close = self._protocol.close_rcvd
        return str(close) if close is not None else "no close frame received or sent"


class _Outgoing:
    """The body of a request for an upgrade. Who looks into it too early finds nothing, and takes nothing away."""

    def __init__(self, socket: PipedWebSocket) -> None:
        self._socket = socket

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self._socket.outgoing()


def _logger() -> logging.Logger:
    """The package logs whole handshakes, credentials included, when its logger is at DEBUG: this one never is."""
    logger = logging.Logger("novita_async.websocket", logging.WARNING)
    logger.parent = logging.getLogger("novita_async")
    return logger
