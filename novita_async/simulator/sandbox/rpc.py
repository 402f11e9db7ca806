"""The server's side of Connect: unary calls and streams, in JSON and in binary protobuf (contract/sandbox.md 3)."""

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
from ..router import Call, Endpoint, Refusal, json_reply
from .isolation import USERS, User
from .protobuf import is_available

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable

    from .door import Door
    from .machine import Machine
    from .protobuf import Messages

__all__ = ["RpcError", "Session", "intake", "stream", "unary"]

M = TypeVar("M")
T = TypeVar("T")

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


class _Form:
    """How the messages of one call are written: as JSON, or in binary where `messages` are given."""

    def __init__(self, call: Call, content_type: str, messages: Messages | None) -> None:
        self.content_type = content_type
        self._messages = messages
        service, _, method = call.path.lstrip("/").partition("/")
        self._name = f"{service.partition('.')[0]}.{method}"

    def read(self, data: bytes, type_: type[M]) -> M:
        try:
            if self._messages is not None:
                data = self._messages.to_json(f"{self._name}Request", data)
            # proto3 JSON may carry numbers as text, so the decoder is a lenient one.
            return msgspec.json.decode(data, type=type_, strict=False)
        except ValueError as error:  # msgspec's are among them
            raise RpcError("invalid_argument", f"unmarshal message: {error}") from error

    def write(self, value: dict[str, Any]) -> bytes:
        if self._messages is None:
            return msgspec.json.encode(value)
        return self._messages.from_json(f"{self._name}Response", value)


async def _form(door: Door, call: Call, machine: Machine, prefix: str) -> _Form:
    """The form of a call; without the `protobuf` package binary messages are not spoken."""
    kind = call.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind == f"{prefix}json":
        return _Form(call, kind, None)
    binary = is_available()
    if kind == f"{prefix}proto" and binary:
        return _Form(call, kind, await door.messages(machine.clock))
    spoken = ", ".join([f"{prefix}json"] + [f"{prefix}proto"] * binary)
    raise Refusal(415, {"code": 415, "message": f"content type {kind!r} is not spoken here"}, {"accept-post": spoken})


def unary(door: Door, type_: type[M], handler: Callable[[Session[M]], Awaitable[dict[str, Any]]]) -> Endpoint:
    """Make an endpoint of a function from a request message to a reply message."""

    async def endpoint(call: Call) -> Reply:
        machine = door.enter(call)
        form = await _form(door, call, machine, "application/")
        body = await call.body()
        if form.content_type == "application/json":
            body = body or b"{}"
        try:
            if call.headers.get("content-encoding", "identity") != "identity":
                raise RpcError("unimplemented", "unknown compression: only identity is supported")
            session = _session(call, machine, form.read(body, type_))
            reply = await _in_time(session, handler(session))
        except RpcError as error:
            return json_reply({"code": error.code, "message": error.message}, status=_STATUS[error.code])
        return Reply(200, {"content-type": form.content_type}, form.write(reply))

    return endpoint


def stream(
    door: Door, type_: type[M], handler: Callable[[Session[M]], AsyncGenerator[dict[str, Any], None]]
) -> Endpoint:
    """Make an endpoint of a function from a request message to reply messages."""

    async def endpoint(call: Call) -> Reply:
        machine = door.enter(call)
        form = await _form(door, call, machine, "application/connect+")
        sent = await call.body()

        async def body() -> AsyncGenerator[bytes, None]:
            last = _DONE
            try:
                session = _session(call, machine, form.read(_only_message(sent), type_))
                # Closed by name: a generator that is merely dropped ends some time later.
                async with aclosing(handler(session)) as replies:
                    async for reply in replies:
                        yield envelope(form.write(reply))
            except RpcError as error:
                last = _failed(error)
            yield last

        return Reply(200, {"content-type": form.content_type}, body())

    return endpoint


def intake(
    door: Door, type_: type[M], handler: Callable[[Session[AsyncIterator[M]]], Awaitable[dict[str, Any]]]
) -> Endpoint:
    """Make an endpoint of a function from a stream of request messages to one reply message."""

    async def endpoint(call: Call) -> Reply:
        machine = door.enter(call)
        form = await _form(door, call, machine, "application/connect+")

        async def messages() -> AsyncGenerator[M, None]:
            decoder = ConnectDecoder()
            try:
                async for chunk in call.chunks():
                    for found in decoder.feed(chunk):
                        if not found.flags & END_STREAM:
                            yield form.read(found.payload, type_)
                decoder.close()
            except (EventTooLarge, ProtocolError) as error:
                raise RpcError("invalid_argument", f"protocol error: {error}") from error

        async with aclosing(messages()) as received:
            try:
                session: Session[AsyncIterator[M]] = _session(call, machine, received)
                body = envelope(form.write(await _in_time(session, handler(session)))) + _DONE
            except RpcError as error:
                body = _failed(error)
        return Reply(200, {"content-type": form.content_type}, body)

    return endpoint


_DONE = envelope(b"{}", END_STREAM)


def _failed(error: RpcError) -> bytes:
    return envelope(msgspec.json.encode({"error": {"code": error.code, "message": error.message}}), END_STREAM)


async def _in_time(session: Session[Any], work: Awaitable[T]) -> T:
    scope = session.machine.clock.timeout(session.timeout)
    try:
        async with scope:
            return await work
    except TimeoutError as error:
        if not scope.expired():
            raise
        raise RpcError("deadline_exceeded", "the call ran over its timeout") from error


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


def _session(call: Call, machine: Machine, message: M) -> Session[M]:
    keepalive = _seconds(call.headers.get("keepalive-ping-interval", ""))
    return Session(machine, _user(call, machine), message, _timeout(call), keepalive)


def _user(call: Call, machine: Machine) -> User:
    scheme, _, credentials = call.headers.get("authorization", "").partition(" ")
    if not scheme:
        return USERS[machine.user]
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
