"""Websockets, on the `websockets` package."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from websockets.asyncio import client
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

from ..errors import CallTimeout, ConnectError, ConnectionLost, ProtocolError, ValidationError
from .aiohttp import connect_error

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Mapping

    from websockets.typing import Subprotocol

__all__ = ["ClientWebSocket", "connect"]

_OPEN_SECONDS = 30.0
_CLOSE_SECONDS = 2.0
_MAX_MESSAGE = 64 * 1024 * 1024


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


def _logger() -> logging.Logger:
    """The package logs whole handshakes, credentials included, when its logger is at DEBUG: this one never is."""
    logger = logging.Logger("novita_async.websocket", logging.WARNING)
    logger.parent = logging.getLogger("novita_async")
    return logger
