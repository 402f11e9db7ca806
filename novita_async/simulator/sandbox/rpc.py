"""The server's side of Connect with JSON messages: unary calls and server streams (contract/sandbox.md 3)."""

from __future__ import annotations

import base64
import binascii
from contextlib import aclosing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import msgspec

from ...errors import EventTooLarge, ProtocolError
from ...transport.protocol import Reply
from ...wire.connect import END_STREAM, ConnectDecoder, envelope
from ..router import Call, Endpoint, json_reply
from .isolation import USERS, User

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable

    from .door import Door
    from .machine import Machine

__all__ = ["RpcError", "Session", "stream", "unary"]

M = TypeVar("M")

#: HTTP status of each code, for unary answers.
_STATUS = {
    "already_exists": 409,
    "deadline_exceeded": 504,
    "failed_precondition": 400,
    "internal": 500,
    "invalid_argument": 400,
    "not_found": 404,
    "permission_denied": 403,
    "resource_exhausted": 429,
    "unauthenticated": 401,
    "unimplemented": 501,
}

_KEEPALIVE_SECONDS = 90.0


class RpcError(Exception):
    """A call is refused with one of Connect's codes."""

    def __init__(self, code: str, message: str) -> None:
        self.code = code
        self.message = message
        super().__init__(f"{code}: {message}")


@dataclass(frozen=True, slots=True)
class Session(Generic[M]):
    """A call to a service.

    Attributes:
        machine: the sandbox it goes to.
        user: the acting user.
        message: the decoded request.
        timeout: seconds the caller gives it, or None.
        keepalive: seconds of silence after which a stream says that it is alive.
    """

    machine: Machine
    user: User
    message: M
    timeout: float | None
    keepalive: float


def unary(door: Door, type_: type[M], handler: Callable[[Session[M]], Awaitable[dict[str, Any]]]) -> Endpoint:
    """Make an endpoint of a function from a request message to a reply message."""

    async def endpoint(call: Call) -> Reply:
        machine = door.enter(call)
        if not _is_json(call, "application/json"):
            return _unsupported("application/json")
        try:
            if call.headers.get("content-encoding", "identity") != "identity":
                raise RpcError("unimplemented", "unknown compression: only identity is supported")
            return json_reply(await handler(_session(call, machine, await call.body() or b"{}", type_)))
        except RpcError as error:
            return json_reply({"code": error.code, "message": error.message}, status=_STATUS[error.code])

    return endpoint


def stream(
    door: Door, type_: type[M], handler: Callable[[Session[M]], AsyncGenerator[dict[str, Any], None]]
) -> Endpoint:
    """Make an endpoint of a function from a request message to reply messages."""

    async def endpoint(call: Call) -> Reply:
        machine = door.enter(call)
        if not _is_json(call, "application/connect+json"):
            return _unsupported("application/connect+json")
        sent = await call.body()

        async def body() -> AsyncGenerator[bytes, None]:
            last: dict[str, Any] = {}
            try:
                session = _session(call, machine, _only_message(sent), type_)
                # Closed by name: a generator that is merely dropped ends some time later.
                async with aclosing(handler(session)) as replies:
                    async for reply in replies:
                        yield envelope(msgspec.json.encode(reply))
            except RpcError as error:
                last = {"error": {"code": error.code, "message": error.message}}
            yield envelope(msgspec.json.encode(last), END_STREAM)

        return Reply(200, {"content-type": "application/connect+json"}, body())

    return endpoint


def _is_json(call: Call, content_type: str) -> bool:
    return call.headers.get("content-type", "").partition(";")[0].strip().lower() == content_type


def _unsupported(accepted: str) -> Reply:
    return Reply(415, {"accept-post": accepted})


def _only_message(sent: bytes) -> bytes:
    decoder = ConnectDecoder()
    try:
        messages = decoder.feed(sent)
        decoder.close()
    except (EventTooLarge, ProtocolError) as error:
        raise RpcError("invalid_argument", f"protocol error: {error}") from error
    if len(messages) != 1:
        raise RpcError("invalid_argument", f"protocol error: one message is expected, not {len(messages)}")
    return messages[0].payload


def _session(call: Call, machine: Machine, message: bytes, type_: type[M]) -> Session[M]:
    try:
        # proto3 JSON may carry numbers as text, so the decoder is a lenient one.
        decoded = msgspec.json.decode(message, type=type_, strict=False)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise RpcError("invalid_argument", f"unmarshal message: {error}") from error
    return Session(
        machine, _user(call), decoded, _timeout(call), _seconds(call.headers.get("keepalive-ping-interval", ""))
    )


def _user(call: Call) -> User:
    scheme, _, credentials = call.headers.get("authorization", "").partition(" ")
    if not scheme:
        return USERS["user"]
    try:
        if scheme.lower() != "basic":
            raise ValueError(scheme)
        name = base64.b64decode(credentials, validate=True).decode().partition(":")[0]
        return USERS[name]
    except (ValueError, binascii.Error, KeyError) as error:
        raise RpcError("unauthenticated", f"no such user: {error}") from error


def _timeout(call: Call) -> float | None:
    value = call.headers.get("connect-timeout-ms")
    if value is None:
        return None
    if not value.isdecimal() or len(value) > 10:
        raise RpcError("invalid_argument", f"protocol error: invalid timeout {value!r}")
    return int(value) / 1000


def _seconds(value: str) -> float:
    return float(value) if value.isdecimal() and int(value) > 0 else _KEEPALIVE_SECONDS
