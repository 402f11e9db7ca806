"""The contract as a judge of what the SDK sends about sandboxes, and the two ways in which it may be sent.

Every request of this room's tests is held to it, over sockets and without. What is wrong is kept and told when the test
is over, since an error raised in the middle would look like one of the platform.
"""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, urlsplit

import msgspec
import openapi

from novita_async import MockTransport
from novita_async.simulator.sandbox.protobuf import Messages
from novita_async.simulator.server import serve
from novita_async.transport.aiohttp import AiohttpTransport
from novita_async.transport.protocol import Headers, Reply, Request, Response
from novita_async.wire.connect import ConnectDecoder

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping

    from novita_async.transport.protocol import Transport, WebSocket

_CONTROL, _ENVD = openapi.contract("sandbox"), openapi.contract("sandbox-envd")
_CONTROL.operations(), _ENVD.operations()  # reads the files here, and not on the event loop
_MESSAGES = Messages()
#: Served by what runs in a sandbox: the SDK's `port` and MCP calls, of which the contract knows nothing.
_ORIGIN = "x-before-the-detour"
_OWN_PORTS = ("49983", "49999", "")


class Judge:
    """A handler that looks at each request before it passes it on.

    Attributes:
        seen: how many there were.
        wrong: what the contract has to say against them.
    """

    def __init__(self, handler: Callable[[Request], Awaitable[Reply]]) -> None:
        self.seen = 0
        self.wrong: list[str] = []
        self._handler = handler

    async def __call__(self, request: Request) -> Reply:
        self.seen += 1
        request = _as_it_was(request)
        kind = Headers(request.headers).get("content-type", "").partition(";")[0]
        if kind.endswith("json") and request.body is not None and not isinstance(request.body, bytes):
            body = b"".join([chunk async for chunk in request.body])
            request = msgspec.structs.replace(request, body=body)
        try:
            self._look(request, kind)
        except (AssertionError, ValueError) as error:
            self.wrong.append(f"{request.method} {request.url}: {error}")
        return await self._handler(request)

    def _look(self, request: Request, kind: str) -> None:
        headers = Headers(request.headers)
        parts = urlsplit(request.url)
        port, _, name = parts.netloc.partition(".")[0].partition("-")
        port = headers.get("novita-sandbox-port", port if name and port.isdecimal() else "")
        if port not in _OWN_PORTS or headers.get("upgrade"):
            return
        body = request.body if isinstance(request.body, bytes) else None
        service, _, method = parts.path.lstrip("/").partition("/")
        if service in ("process.Process", "filesystem.Filesystem"):
            assert request.method == "POST"
            _check_messages(f"{service.partition('.')[0]}.{method}Request", kind, body or b"")
            return
        contract = _ENVD if _ENVD.operation_of(request.method, parts.path) else _CONTROL
        contract.check_query(request.method, parts.path, parse_qsl(parts.query, keep_blank_values=True))
        if kind in ("", "application/json") or body:  # what is uploaded may be a stream, or empty
            contract.check_request(request.method, parts.path, kind, body)


def _check_messages(name: str, kind: str, body: bytes) -> None:
    if kind == "application/connect+json":
        sent = [event.payload for event in ConnectDecoder().feed(body)]
    else:
        assert kind == "application/json", f"the content type is {kind!r}"
        sent = [body]
    assert sent, "there is no message"
    for message in sent:
        try:
            _MESSAGES.from_json(name, msgspec.json.decode(message))
        except Exception as error:
            raise AssertionError(f"{name}: {error}") from error


class Detour:
    """A transport to a server on a socket, whatever address a request is for. Over there that is undone."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._inner = AiohttpTransport()

    def __repr__(self) -> str:
        return repr(self._inner)

    def _there(self, url: str) -> tuple[str, str]:
        scheme, _, rest = url.partition("://")
        host, slash, path = rest.partition("/")
        return f"{self._url}{slash}{path}", f"{scheme.replace('ws', 'http')}://{host}"

    async def send(self, request: Request) -> Response:
        url, origin = self._there(request.url)
        return await self._inner.send(
            msgspec.structs.replace(request, url=url, headers={**request.headers, _ORIGIN: origin})
        )

    async def websocket(
        self, url: str, *, headers: Mapping[str, str] | None = None, subprotocols: tuple[str, ...] = ()
    ) -> WebSocket:
        url, origin = self._there(url)
        url = url.replace("http", "ws", 1)
        return await self._inner.websocket(url, headers={**(headers or {}), _ORIGIN: origin}, subprotocols=subprotocols)

    async def aclose(self) -> None:
        await self._inner.aclose()

    def abandon(self) -> None:
        self._inner.abandon()


def _as_it_was(request: Request) -> Request:
    """A request as its sender wrote it, before a detour."""
    headers = {name.lower(): value for name, value in request.headers.items()}
    origin = headers.pop(_ORIGIN, None)
    if origin is None:
        return request
    headers["host"] = origin.partition("://")[2]
    path = request.url.partition("://")[2].partition("/")
    return msgspec.structs.replace(request, url=origin + "".join(path[1:]), headers=headers)


@asynccontextmanager
async def reached(handler: Callable[[Request], Awaitable[Reply]], *, sockets: bool) -> AsyncGenerator[Transport]:
    """Give a transport to a handler, with the judge in between."""
    judge = Judge(handler)
    if sockets:
        async with serve(judge) as server:
            yield Detour(server.url)
    else:
        yield MockTransport(judge)
    assert not judge.wrong, "\n".join(judge.wrong)
