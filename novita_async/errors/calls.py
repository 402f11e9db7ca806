"""Errors of a call: those on this side, the network's, the clock's, and the platform's answers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = [
    "APIError",
    "AuthenticationError",
    "BadRequest",
    "BudgetExceeded",
    "CallTimeout",
    "ClientClosed",
    "ConfigError",
    "Conflict",
    "ConnectError",
    "ConnectionLost",
    "ContentRefused",
    "EventTooLarge",
    "InsufficientBalance",
    "ModelRetiredWarning",
    "NotFound",
    "NovitaError",
    "OutOfStock",
    "OutcomeUnknown",
    "PermissionDenied",
    "ProtocolError",
    "RateLimited",
    "ServerError",
    "ServiceUnavailable",
    "StreamCut",
    "StreamStalled",
    "TransportError",
    "ValidationError",
    "WrongEventLoop",
]


class NovitaError(Exception):
    """Base of every error this package raises on purpose.

    Attributes:
        partial: what a stream had put together before it broke, where the caller asked for that; the messages so far
            of a run of tools; else None.
        task_id: the task that was waited for, where the error ended a wait; else "".
        handle: its `Task`, to be waited for again; else None.
    """

    partial: Any = None
    task_id: str = ""
    handle: Any = None


# --------------------------------------------------------------------------------------------- yours


class ConfigError(NovitaError):
    """The settings cannot work. The message names the variable or the argument to mend."""


class ValidationError(NovitaError, ValueError):
    """An argument was refused before anything was sent.

    `problems` lists every finding, so that one run shows all that is to be mended.
    """

    def __init__(self, *problems: str) -> None:
        self.problems = problems
        super().__init__("; ".join(problems))


class ModelRetiredWarning(UserWarning):
    """The platform has announced an end for a model: its date and replacement stand in the text. The call goes out."""


class ClientClosed(NovitaError):
    """The client, or the thing it made, was used after it was closed."""


class WrongEventLoop(NovitaError):
    """A client belongs to the event loop of its first call and was called from another one."""


class BudgetExceeded(NovitaError):
    """Not sent: the call may cost `needed` US dollars, more than is left of the budget's `limit`, of which `spent` are
    gone and `reserved` set aside for calls under way."""

    def __init__(self, message: str, *, limit: Any, spent: Any, reserved: Any, needed: Any) -> None:
        self.limit, self.spent, self.reserved, self.needed = limit, spent, reserved, needed
        super().__init__(message)


# ------------------------------------------------------------------------------------- the network's


class TransportError(NovitaError):
    """The network failed. `sent` is False only when surely no byte of the request left."""

    sent: bool = True


class ConnectError(TransportError):
    """No connection could be made, so nothing was sent and repeating is safe."""

    sent = False


class ConnectionLost(TransportError):
    """The connection broke while the request was sent or its answer was read."""


class OutcomeUnknown(TransportError):
    """A paid submit left this machine and no answer came: it may or may not have started.

    It was not sent again. Look for the thing (by name, in the console) before repeating it, or allow repeats with
    `RetryPolicy(resubmit=True)`.
    """


# --------------------------------------------------------------------------------------- the clock's


class CallTimeout(NovitaError, TimeoutError):
    """A time limit passed. `limit` is its name in `Timeouts`, `seconds` its length."""

    def __init__(self, limit: str, seconds: float, *, sent: bool = True) -> None:
        self.limit = limit
        self.seconds = seconds
        self.sent = sent
        super().__init__(f"the {limit!r} limit of {seconds:g} s passed")


class StreamStalled(CallTimeout):
    """A stream stayed open and gave no event. Comments and keep-alive lines do not count as events."""


# ------------------------------------------------------------------------------ theirs: a refusal


class APIError(NovitaError):
    """The platform answered with an error, as a status or inside a body.

    Attributes:
        status: HTTP status; 200 when the error came inside a stream or a body.
        reason: the platform's own token, such as `MODEL_NOT_FOUND`; "" when the body had none.
        message: its words, with the API key blotted out.
        metadata: the body's `metadata` object, often empty.
        request_id: from the answer's headers or body, for support; None when there is none.
        headers: the answer's headers.
        body: the answer's bytes, with the API key blotted out.
        retry_after: seconds that the platform asked to wait, or None.
    """

    def __init__(
        self,
        message: str,
        *,
        status: int = 0,
        reason: str = "",
        metadata: Mapping[str, Any] | None = None,
        request_id: str | None = None,
        headers: Mapping[str, str] | None = None,
        body: bytes = b"",
        retry_after: float | None = None,
    ) -> None:
        self.message, self.status, self.reason = message, status, reason
        self.metadata: Mapping[str, Any] = metadata or {}
        self.request_id = request_id
        self.headers: Mapping[str, str] = headers or {}
        self.body, self.retry_after = body, retry_after
        super().__init__(self._text())

    def _text(self) -> str:
        head = " ".join(str(part) for part in (self.status or "", self.reason) if part)
        text = f"{head}: {self.message}" if head else self.message
        return f"{text} (request {self.request_id})" if self.request_id else text


class BadRequest(APIError):
    """The request is wrong and repeating it will not help."""


class ContentRefused(BadRequest):
    """Moderation blocked the prompt or an input picture."""


class AuthenticationError(APIError):
    """The API key is missing, malformed or rejected."""


class PermissionDenied(APIError):
    """The key is good and the account may still not do this."""


class InsufficientBalance(APIError):
    """No money is left. Never retried."""


class NotFound(APIError):
    """The model, task, sandbox, instance or route does not exist (any more)."""


class Conflict(APIError):
    """The thing exists and is busy, in use or in a state that does not allow this."""


class OutOfStock(APIError):
    """No capacity of this kind now: another product or region may have some."""


class RateLimited(APIError):
    """Too many requests or tokens. `retry_after` is the wait asked for in seconds, or None."""


class ServerError(APIError):
    """The platform failed."""


class ServiceUnavailable(ServerError):
    """Overloaded or down for the moment. The request was not started."""


# ------------------------------------------------------------------------------ theirs: no sense


class ProtocolError(NovitaError):
    """An answer could not be read as what it has to be. `body` holds what came."""

    def __init__(self, message: str, *, body: bytes = b"") -> None:
        self.body = body
        super().__init__(message)


class EventTooLarge(ProtocolError):
    """One event of a stream is larger than `Limits.max_event_bytes`."""


class StreamCut(ProtocolError):
    """A stream ended without its end marker. `partial` holds what was put together so far."""
