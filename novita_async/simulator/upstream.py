"""Chats answered by a real model: any OpenAI-compatible server on this machine, in the place of the made-up texts."""

from __future__ import annotations

import ipaddress
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import urlsplit

import aiohttp
import anyio.lowlevel
import msgspec

from ..errors import ConnectionLost, ValidationError
from ..transport.protocol import Reply, close_source
from . import keys
from .router import json_reply

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

__all__ = ["Upstream", "check"]

#: The statuses that the platform knows; any other becomes the next one below, 400 or 500.
_STATUSES = frozenset({400, 404, 429, 500, 503, 504})


class Upstream:
    """A server on this machine that speaks `/chat/completions`.

    It sees the requests as they came, with the key that the client sent, and its answers go back as they come. Nothing
    is sent to other machines: no redirect is followed and no proxy asked.

    Args:
        url: what stands before `/chat/completions`, such as "http://127.0.0.1:8000/v1".
        api_key: the simulator's key, which every request that comes so far has brought.

    Raises:
        ValidationError: the URL is not one of this machine.
    """

    def __init__(self, url: str, api_key: str) -> None:
        check(url)
        self._headers = {
            "authorization": f"Bearer {api_key}",
            "content-type": "application/json",
            "user-agent": "novita-async-simulator",
        }
        self._url = f"{url.rstrip('/')}/chat/completions"
        self._session: aiohttp.ClientSession | None = None
        self._closed = False

    async def chat(self, body: bytes) -> Reply:
        """Let the server answer a request, whole or with a stream. Its errors become those of a relayed model.

        Raises:
            keys.Refusal: 503, it cannot be reached.
            ConnectionLost: the connection to it broke in the middle of an answer.
        """
        try:
            response = await self._opened().post(self._url, data=body, headers=self._headers, allow_redirects=False)
        except aiohttp.ClientError as error:
            message = f"no answer from the upstream server: {error}"
            raise keys.flat(HTTPStatus.SERVICE_UNAVAILABLE, "SERVICE_NOT_AVAILABLE", message) from None
        kind = response.headers.get("content-type", "application/json")
        if response.status == HTTPStatus.OK and kind.startswith("text/event-stream"):
            return Reply(200, {"content-type": kind, "cache-control": "no-cache"}, _Body(response))
        async with response:
            whole = b"".join([chunk async for chunk in _Body(response)])
        if response.status == HTTPStatus.OK:
            return Reply(200, {"content-type": kind}, whole)
        return _relayed(response, whole)

    async def answer(self, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        """Let the server answer a request without a stream, whatever it says: status and JSON.

        Raises:
            keys.Refusal: 503, it cannot be reached or broke off; 500, what it sent is no JSON.
        """
        whole = {name: value for name, value in body.items() if name not in ("stream", "stream_options")}
        try:
            reply = await self.chat(msgspec.json.encode(whole))
        except ConnectionLost as error:
            raise keys.flat(HTTPStatus.SERVICE_UNAVAILABLE, "SERVICE_NOT_AVAILABLE", str(error)) from None
        try:
            if isinstance(reply.body, bytes):
                return reply.status, msgspec.json.decode(reply.body, type=dict[str, Any])
            await close_source(aiter(reply.body))
        except (msgspec.DecodeError, UnicodeDecodeError):
            pass
        raise keys.flat(HTTPStatus.INTERNAL_SERVER_ERROR, "UNKNOWN", "the upstream server sent no JSON")

    async def aclose(self) -> None:
        """Close every connection. Safe to call twice."""
        self._closed = True
        session, self._session = self._session, None
        if session is not None:
            await session.close()
            await anyio.lowlevel.cancel_shielded_checkpoint()  # sockets are closed by the loop's next turn

    def _opened(self) -> aiohttp.ClientSession:
        if self._closed:
            raise ConnectionLost("the simulator closed")
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=0, resolver=aiohttp.ThreadedResolver()),
                cookie_jar=aiohttp.DummyCookieJar(),
                timeout=aiohttp.ClientTimeout(total=None),
            )
        return self._session


def check(url: str) -> None:
    """See that a URL is one of this machine.

    Raises:
        ValidationError: it is not.
    """
    parts = urlsplit(url)
    try:
        local = parts.hostname == "localhost" or ipaddress.ip_address(parts.hostname or "").is_loopback
        good = local and parts.scheme in ("http", "https") and not (parts.query or parts.fragment) and parts.port != 0
    except ValueError:
        good = False
    if not good:
        example = "http://127.0.0.1:8000/v1"
        raise ValidationError(f"llm_upstream is the URL of a server on this machine, such as {example}, not {url!r}")


class _Body:
    """An upstream's answer as it comes. No generator: one that was never begun would not close the connection."""

    def __init__(self, response: aiohttp.ClientResponse) -> None:
        self._response = response

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        try:
            chunk = await self._response.content.readany()
        except aiohttp.ClientError as error:
            self._response.close()
            raise ConnectionLost(f"the upstream server broke off: {error}") from None
        if not chunk:
            raise StopAsyncIteration
        return chunk

    async def aclose(self) -> None:
        self._response.close()


def _relayed(response: aiohttp.ClientResponse, body: bytes) -> Reply:
    """An upstream's error as the platform relays one: OpenAI's envelope, `code` 0 (contract/llm.md 3.2)."""
    try:
        value: Any = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        value = None
    fields = cast("dict[str, Any]", value) if isinstance(value, dict) else {}
    inner = fields.get("error", fields)
    error = cast("dict[str, Any]", inner) if isinstance(inner, dict) else {"message": str(inner)}
    message = error.get("message") or body.decode("utf-8", "replace").strip() or f"status {response.status}"
    status = response.status if response.status in _STATUSES else 500 if not 400 <= response.status < 500 else 400
    kind = error.get("type") if isinstance(error.get("type"), str) else "upstream_error"
    relayed = {"message": str(message), "type": kind, "param": None, "code": 0}
    headers = {name: value for name, value in response.headers.items() if name.lower() == "retry-after"}
    return json_reply({"error": relayed}, status=status, headers=headers)
