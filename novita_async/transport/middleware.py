"""Middleware: functions around the transport that see every attempt of every request, and the one that is shipped.

async def tag(request: Request, send: Send) -> Response:
    return await send(msgspec.structs.replace(request, headers={**request.headers, "x-team": "search"}))
"""

from __future__ import annotations

import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeAlias

from .protocol import SECRET_HEADERS, Body, Request, Response, shown

__all__ = ["Middleware", "Send", "compose", "log_requests"]

Send: TypeAlias = Callable[[Request], Awaitable[Response]]
#: Gets a request and the way onwards, which it may call or not; gives the response, whose body is still to be read.
Middleware: TypeAlias = Callable[[Request, Send], Awaitable[Response]]

_logger = logging.getLogger("novita_async")

_SHOWN = 2000  # of a body, in bytes
_KEPT = _SHOWN + 1000  # so that a credential is blotted out whole, and only then cut


def compose(middlewares: Sequence[Middleware], send: Send) -> Send:
    """Put middleware around `send`. The first one is the outermost: it sees the request first and the response last."""
    for middleware in reversed(middlewares):
        send = _around(middleware, send)
    return send


def _around(middleware: Middleware, send: Send) -> Send:
    def sent(request: Request) -> Awaitable[Response]:
        return middleware(request, send)

    return sent


def log_requests(
    level: int = logging.DEBUG, *, bodies: bool = False, monotonic: Callable[[], float] = time.monotonic
) -> Middleware:
    """Middleware that logs every request to the logger `novita_async`: when it goes out, when the answer's headers
    come, and when its body has ended or was closed.

    The values of headers that hold secrets and of every query parameter are blotted out.

    Args:
        level: of the records. Nothing is formatted while the logger does not take it.
        bodies: log the first 2,000 bytes of each body too. Credentials of the request are blotted out in them, and
            other private things are not.
        monotonic: source of the durations, in seconds.
    """

    async def logged(request: Request, send: Send) -> Response:
        if not _logger.isEnabledFor(level):
            return await send(request)
        what = f"{request.method} {_redacted(request.url)}"
        body = request.body
        size = f"{len(body)} bytes" if isinstance(body, bytes) else "no body" if body is None else "a streamed body"
        _logger.log(level, "%s: sending %s, headers %s", what, size, dict(shown(request.headers)))
        if bodies and isinstance(body, bytes):
            _logger.log(level, "%s: sending %r", what, _excerpt(body, request))
        start = monotonic()
        try:
            response = await send(request)
        except Exception as error:
            seconds = monotonic() - start
            _logger.log(level, "%s: no answer after %.3f s, %s: %s", what, seconds, type(error).__name__, error)
            raise
        _logger.log(
            level,
            "%s: %d after %.3f s, headers %s",
            what,
            response.status,
            monotonic() - start,
            dict(shown(response.headers)),
        )

        def ended(how: str, size: int, beginning: bytes) -> None:
            _logger.log(level, "%s: body %s, %d bytes after %.3f s", what, how, size, monotonic() - start)
            if bodies:
                _logger.log(level, "%s: received %r", what, _excerpt(beginning, request))

        response.body = _CountedBody(response.body, ended)
        return response

    return logged


def _redacted(url: str) -> str:
    base, question, query = url.partition("?")
    return base + question + "&".join(f"{part.partition('=')[0]}=***" for part in query.split("&") if part)


def _excerpt(body: bytes, request: Request) -> str:
    text = body[:_KEPT].decode("utf-8", "replace")
    for name, value in request.headers.items():
        if name.lower() in SECRET_HEADERS and value:
            text = text.replace(value.rpartition(" ")[2], "***")  # the credentials without their scheme
    return text[:_SHOWN]


class _CountedBody:
    """A body that tells its size and its beginning when it ends, once."""

    def __init__(self, body: Body, ended: Callable[[str, int, bytes], None]) -> None:
        self._body = body
        self._ended: Callable[[str, int, bytes], None] | None = ended
        self._size = 0
        self._beginning = b""

    async def read(self) -> bytes:
        try:
            chunk = await self._body.read()
        except Exception as error:
            self._end(f"broke ({type(error).__name__})")
            raise
        if not chunk:
            self._end("complete")
        elif len(self._beginning) < _KEPT:
            self._beginning += chunk[: _KEPT - len(self._beginning)]
        self._size += len(chunk)
        return chunk

    def abort(self, error: Exception) -> None:
        self._body.abort(error)
        self._end(f"aborted ({type(error).__name__})")

    async def aclose(self) -> None:
        await self._body.aclose()
        self._end("closed")

    def _end(self, how: str) -> None:
        if self._ended is not None:
            self._ended(how, self._size, self._beginning)
            self._ended = None
