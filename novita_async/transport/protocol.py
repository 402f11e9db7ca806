"""The seam: one request in, one response out. Everything above it can be tested without a network.

A transport sends exactly once. It never retries, never limits how many requests run, never follows a redirect and
never adds credentials: those have one owner each, above this line. It maps its library's exceptions to
`novita_async.errors` and lets cancellation through.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable, Iterator, Mapping
from typing import Protocol, TypeAlias

import msgspec

__all__ = [
    "Body",
    "Handler",
    "Headers",
    "Reply",
    "Request",
    "Response",
    "Transport",
    "WebSocket",
    "WebSocketHandler",
    "being_cancelled",
    "close_source",
    "shown",
]

#: Header names whose values never appear in a repr or a log record.
SECRET_HEADERS = frozenset(
    {
        "authorization",
        "x-api-key",
        "x-access-token",
        "e2b-traffic-access-token",
        "cookie",
        "set-cookie",
        "proxy-authorization",
    }
)


class Request(msgspec.Struct, frozen=True):
    """One HTTP request, complete: the URL has its query, the headers have their credentials.

    Attributes:
        method: upper case.
        url: absolute, already encoded; a transport sends it as it stands.
        headers: name to value.
        body: all bytes at once, or an async iterable of chunks that is read once and sent as it comes. What it raises
            is raised by `send` as it is; it is closed when the exchange ends, unless nothing was read of it.
        connect_timeout: seconds for making a connection, None for no limit. The other limits are the runtime's.
    """

    method: str
    url: str
    headers: dict[str, str] = {}
    body: bytes | AsyncIterable[bytes] | None = None
    connect_timeout: float | None = None

    def __repr__(self) -> str:
        size = len(self.body) if isinstance(self.body, bytes) else "streamed" if self.body is not None else 0
        # The query is left out: signed links carry their signature there.
        return f"<Request {self.method} {self.url.partition('?')[0]} headers={dict(shown(self.headers))} body={size}>"


class Body(Protocol):
    """The bytes of a response as they arrive, with backpressure: what is not read is not fetched.

    A content encoding that the server chose by itself (gzip, deflate) is undone: the chunks are the plain bytes.
    """

    async def read(self) -> bytes:
        """Return the next chunk as it came off the wire, of any size, or b"" at the end.

        Raises:
            ConnectionLost: the connection broke before the body was complete.
            ProtocolError: its content encoding is broken.
        """
        ...

    def abort(self, error: Exception) -> None:
        """Close the connection now and make a pending or later `read` raise `error`. Not a coroutine: it is what a
        timer or a closing client calls while another task is waiting in `read`."""
        ...

    async def aclose(self) -> None:
        """Give the connection back when the body was read to its end, else close it. Safe to call twice."""
        ...


class Response(msgspec.Struct):
    """A status line, headers and a body still to be read.

    Attributes:
        status: HTTP status.
        headers: mapping that ignores the case of names.
        body: the stream of bytes; whoever gets a response closes it.
    """

    status: int
    headers: Mapping[str, str]
    body: Body


class WebSocket(Protocol):
    """A websocket connection: text goes in and out as str, binary as bytes."""

    @property
    def subprotocol(self) -> str | None: ...

    async def send(self, message: str | bytes) -> None:
        """Send one message.

        Raises:
            ConnectionLost: the connection is closed.
        """
        ...

    async def receive(self) -> str | bytes | None:
        """Return the next message, or None when the peer closed the connection normally.

        Raises:
            ConnectionLost: the connection broke.
        """
        ...

    async def aclose(self) -> None:
        """Close, within a bounded time. Safe to call twice."""
        ...


class Transport(Protocol):
    """What carries requests: aiohttp, a mock, a recording or the in-process simulator."""

    async def send(self, request: Request) -> Response:
        """Send the request once and return when the status and headers are there.

        Raises:
            ConnectError: nothing was sent.
            ConnectionLost: bytes may have been sent and there is no answer.
            CallTimeout: `connect_timeout` passed.
            ProtocolError: the answer is not HTTP.
            ValidationError: the URL or a header cannot be sent.
            ClientClosed: the transport is closed.
        """
        ...

    async def websocket(
        self, url: str, *, headers: Mapping[str, str] | None = None, subprotocols: tuple[str, ...] = ()
    ) -> WebSocket:
        """Open a websocket.

        Raises:
            ConnectError: no connection could be made.
            ProtocolError: the server answered and did not upgrade.
        """
        ...

    async def aclose(self) -> None:
        """Close every connection; who waits for an answer or reads one gets `ConnectionLost`. Safe to call twice."""
        ...

    def abandon(self) -> None:
        """Let go of every connection without a loop to wait on: what a dropped, unclosed client calls."""
        ...


class Headers(Mapping[str, str]):
    """A small mapping whose names ignore case, for transports without a library of their own."""

    __slots__ = ("_items",)

    def __init__(self, items: Mapping[str, str] | None = None) -> None:
        self._items = {name.lower(): value for name, value in (items or {}).items()}

    def __getitem__(self, name: str) -> str:
        return self._items[name.lower()]

    def __iter__(self) -> Iterator[str]:
        return iter(self._items)

    def __len__(self) -> int:
        return len(self._items)

    def __repr__(self) -> str:
        return f"Headers({dict(shown(self))})"


def shown(headers: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Iterate over headers as they may be shown: secret values blotted out."""
    for name, value in headers.items():
        yield name, "***" if name.lower() in SECRET_HEADERS else value


def being_cancelled() -> bool:
    """Whether the running task is being cancelled, rather than something that it waits for."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


async def close_source(source: AsyncIterator[bytes]) -> None:
    """Close an iterator of chunks. Generators can be closed, other iterators need not be."""
    aclose = getattr(source, "aclose", None)
    if aclose is not None:
        await aclose()


class Reply(msgspec.Struct):
    """What a `Handler` answers: the whole body, or an async iterable of its chunks.

    An error raised by the iterable breaks the connection, as a server that dies would. The iterable is closed when the
    client goes away (`aclose`, where it has one), which is how a handler learns of it.
    """

    status: int = 200
    headers: dict[str, str] = {}
    body: bytes | AsyncIterable[bytes] = b""


#: A server in one function: `MockTransport` calls it in process, the simulator's server calls it behind a socket.
Handler: TypeAlias = Callable[[Request], Awaitable[Reply]]
WebSocketHandler: TypeAlias = Callable[[Request, WebSocket], Awaitable[None]]
