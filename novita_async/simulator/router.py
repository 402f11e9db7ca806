"""From a request to the function that answers it. Knows nothing of sockets and nothing of products."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar
from urllib.parse import parse_qs, unquote, urlsplit

import msgspec

from ..transport.protocol import Headers, Reply, Request

if TYPE_CHECKING:
    from .faults import Outcome

__all__ = ["Call", "Endpoint", "Refusal", "Router", "json_reply"]

T = TypeVar("T")

_PARAMETER = re.compile(r"\{(\w+)(:path)?\}")


class Refusal(Exception):
    """Raised by an endpoint to answer with an error. `body` is the JSON of the product's own error shape."""

    def __init__(self, status: int, body: Any, headers: dict[str, str] | None = None) -> None:
        self.reply = json_reply(body, status=status, headers=headers)
        super().__init__(f"{status} {body}")


def json_reply(body: Any, *, status: int = 200, headers: dict[str, str] | None = None) -> Reply:
    """Answer with JSON."""
    return Reply(status, {"content-type": "application/json", **(headers or {})}, msgspec.json.encode(body))


class Call:
    """A received request, taken apart.

    Attributes:
        request: what came.
        path: decoded path without the query.
        params: the parts of the path that the pattern names.
        query: the first value of each query parameter.
        headers: names ignore case.
        origin: scheme, host and port that the client used, for links that point back here.
        outcome: how a test wants the submitted thing to end, None for well.
    """

    def __init__(self, request: Request) -> None:
        parts = urlsplit(request.url)
        self.request = request
        self.method = request.method
        self.path = unquote(parts.path)
        self.origin = f"{parts.scheme}://{parts.netloc}"
        self.query = {name: values[0] for name, values in parse_qs(parts.query, keep_blank_values=True).items()}
        self.headers = Headers(request.headers)
        self.params: dict[str, str] = {}
        self.outcome: Outcome | None = None
        self._body: bytes | None = None
        self._watcher: Callable[[bytes], None] | None = None

    def watch(self, watcher: Callable[[bytes], None]) -> None:
        """Show every chunk of the body to a function when it is read."""
        self._watcher = watcher

    async def chunks(self) -> AsyncIterator[bytes]:
        """Iterate over the body as it arrives. To be read once, and not after `body`."""
        if self._body is not None:
            yield self._body
            return
        body = self.request.body
        async for chunk in _whole(body) if body is None or isinstance(body, bytes) else body:
            if self._watcher is not None:
                self._watcher(chunk)
            yield chunk

    async def body(self) -> bytes:
        """The whole body."""
        if self._body is None:
            self._body = b"".join([chunk async for chunk in self.chunks()])
        return self._body

    async def json(self, type_: Any = Any) -> Any:
        """The body decoded from JSON; msgspec.DecodeError (or ValidationError) when it is not of `type_`."""
        return msgspec.json.decode(await self.body() or b"{}", type=type_)


async def _whole(body: bytes | None) -> AsyncIterator[bytes]:
    yield body or b""


Endpoint: TypeAlias = Callable[[Call], Awaitable[Reply]]


class Router:
    """An ordered table of method, pattern and endpoint: `{name}` takes a segment, `{name:path}` the rest."""

    def __init__(self) -> None:
        self._routes: list[tuple[str, re.Pattern[str], Endpoint]] = []
        self._exact: dict[tuple[str, str], Endpoint] = {}

    def add(self, method: str, pattern: str, endpoint: Endpoint) -> None:
        if "{" not in pattern:
            self._exact[method, pattern] = endpoint
            return
        regex, last = "", 0
        for match in _PARAMETER.finditer(pattern):
            regex += re.escape(pattern[last : match.start()])
            regex += f"(?P<{match[1]}>{'.+' if match[2] else '[^/]+'})"
            last = match.end()
        self._routes.append((method, re.compile(regex + re.escape(pattern[last:])), endpoint))

    async def __call__(self, call: Call) -> Reply:
        """Answer a call; what no route takes gets the gateway's plain 404 (contract/llm.md 1)."""
        endpoint = self._exact.get((call.method, call.path))
        if endpoint is None:
            for method, regex, candidate in self._routes:
                if method == call.method and (match := regex.fullmatch(call.path)):
                    call.params = match.groupdict()
                    endpoint = candidate
                    break
            else:
                return Reply(404, {"content-type": "text/plain"}, b"404 page not found")
        try:
            return await endpoint(call)
        except Refusal as refusal:
            return refusal.reply
