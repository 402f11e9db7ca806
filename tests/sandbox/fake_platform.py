"""A platform that does what a test tells it, where no simulator would: one control plane, one envd."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator, Callable
from typing import TYPE_CHECKING, Any, TypeAlias

import msgspec

from novita_async.transport.protocol import Reply, Request
from novita_async.wire.connect import END_STREAM, ConnectDecoder, envelope

if TYPE_CHECKING:
    from collections.abc import Mapping

KEY = "sk_secret-of-the-account"
TOKEN = "token-of-the-sandbox"
API = "http://api.test"
ENVD = "http://envd.test"

#: The chunks of a body, made when the request comes.
Script: TypeAlias = Callable[[Any], AsyncIterator[bytes]]


def message(**event: Any) -> bytes:
    return envelope(msgspec.json.encode({"event": event}))


def started(pid: int = 7) -> bytes:
    return message(start={"pid": pid})


def wrote(data: bytes, name: str = "stdout") -> bytes:
    return message(data={name: base64.b64encode(data).decode()})


def alive() -> bytes:
    return message(keepalive={})


def ended(code: int = 0) -> bytes:
    told: dict[str, Any] = {"exited": True, "status": f"exit status {code}"}
    return message(end=told | ({"exitCode": code, "error": f"exit status {code}"} if code else {}))


def finished(code: str = "", words: str = "") -> bytes:
    error = {"error": {"code": code, "message": words}} if code else {}
    return envelope(msgspec.json.encode(error), END_STREAM)


def script(*chunks: bytes | Callable[[], Any]) -> Script:
    """Chunks, and things to await between them."""

    async def body(_: Any) -> AsyncIterator[bytes]:
        for chunk in chunks:
            if isinstance(chunk, bytes):
                yield chunk
            else:
                await chunk()

    return body


class Platform:
    """A control plane and an envd for one sandbox after the other.

    Attributes:
        requests: everything that came, in order.
        start: what the stream of a command gives.
        state: of the sandboxes, as the control plane tells it; None for gone.
        routes: answers for "METHOD /path" in place of the usual ones; the path may end in `*`.
        alive: ids of the sandboxes that were started and not killed.
    """

    def __init__(self) -> None:
        self.requests: list[Request] = []
        self.start: Script = script(started(), ended(), finished())
        self.state: str | None = "running"
        self.routes: dict[str, Callable[[Request], Any]] = {}
        self.created: dict[str, Any] = {}
        self.alive: set[str] = set()

    def sent(self, method: str, path: str) -> list[Request]:
        """The requests of this kind; the path is the last part of the URL's path."""
        return [
            request
            for request in self.requests
            if request.method == method and request.url.partition("?")[0].endswith(path)
        ]

    @property
    def status_reads(self) -> int:
        return len([request for request in self.requests if request.method == "GET" and "/sandboxes/" in request.url])

    async def __call__(self, request: Request) -> Reply:
        self.requests.append(request)
        path = "/" + request.url.partition("?")[0].split("/", 3)[3]
        for route, answer in self.routes.items():
            method, _, pattern = route.partition(" ")
            if method == request.method and (path == pattern or (pattern[-1] == "*" and path.startswith(pattern[:-1]))):
                reply = await answer(request)
                if reply is not None:
                    return reply
        match request.method, path.strip("/").split("/"):
            case "POST", ["sandboxes"]:
                name = f"sbx{len(self.sent('POST', '/sandboxes'))}"
                self.alive.add(name)
                return self._told(name, 201)
            case "POST", ["sandboxes", name, "connect"]:
                return self._told(name, 200)
            case "GET", ["health"]:
                return Reply(204)
            case "GET", ["sandboxes", name]:
                if self.state is None:
                    return error(404, "sandbox not found")
                return json({"sandboxID": name, "state": self.state})
            case "DELETE", ["sandboxes", name]:
                if name not in self.alive:
                    return error(404, "sandbox not found")
                self.alive.discard(name)
                return Reply(204)
            case "POST", ["sandboxes", _, "timeout"]:
                return Reply(204)
            case "POST", ["process.Process", "Start"]:
                assert isinstance(request.body, bytes)
                (sent,) = ConnectDecoder().feed(request.body)
                body = self.start(msgspec.json.decode(sent.payload))
                return Reply(200, {"content-type": "application/connect+json"}, body)
            case "POST", _:
                return json({})
            case _:
                return error(404, "no such route")

    def _told(self, name: str, status: int) -> Reply:
        told = {"sandboxID": name, "templateID": "base", "clientID": "c", "envdVersion": "0.5.7", "domain": None}
        return json({**told, "envdAccessToken": TOKEN, **self.created}, status)


async def settled() -> None:
    """Let everything run until it waits for something, without letting time pass."""
    for _ in range(100):
        await asyncio.sleep(0)


def json(value: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Reply:
    return Reply(status, {"content-type": "application/json", **(headers or {})}, msgspec.json.encode(value))


def error(status: int, words: str) -> Reply:
    return json({"code": status, "message": words}, status)


def not_there() -> Reply:
    """What the platform's proxy says for a sandbox that it does not know."""
    return json({"sandboxId": "sbx1", "message": "The sandbox was not found", "code": 502}, 502)
