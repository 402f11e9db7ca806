"""Everything that can go wrong, split first by whose side it is on.

    NovitaError
    |-- yours: found before a byte leaves
    |     ConfigError             the settings cannot work: no key, a base URL without scheme
    |     ValidationError         an argument was refused (also a ValueError)
    |     ClientClosed            the client was used after `aclose()`
    |     WrongEventLoop          the client belongs to another event loop
    |     BudgetExceeded          the call could cost more than its `Budget` has left
    |-- the network's: there is no answer
    |     TransportError          `.sent` tells whether bytes of the request may have left
    |       ConnectError          no connection: nothing was sent
    |       ConnectionLost        the connection broke while or after sending
    |       OutcomeUnknown        a paid submit was sent and not answered: it was not sent again
    |-- the clock's (each is also a TimeoutError)
    |     CallTimeout             a limit of `Timeouts` passed; `.limit` names it
    |       StreamStalled         a stream gave no event within `first_event` or `idle`
    |-- theirs: an answer that is a refusal
    |     APIError                status, reason, message, metadata, request_id, headers, body
    |       BadRequest            the request is wrong (400, 413, 422)
    |         ContentRefused      moderation blocked the prompt or the picture
    |       AuthenticationError   the key is missing or rejected
    |       PermissionDenied      the account may not do this
    |       InsufficientBalance   no money left, under any of its five names
    |       NotFound              no such thing, or no such route
    |       Conflict              the thing is busy or in the wrong state
    |       OutOfStock            no capacity now
    |       RateLimited           too many requests or tokens; `.retry_after` in seconds
    |       ServerError           5xx
    |         ServiceUnavailable  overloaded or down for the moment
    |-- theirs: an answer that makes no sense
    |     ProtocolError           a body that cannot be read as what it must be
    |       EventTooLarge         one event of a stream is over `Limits.max_event_bytes`
    |       StreamCut             a stream ended before its end; `.partial` has what came
    |-- a model's: an answer that is not what was asked for
    |     AnswerError             `.text` and `.completion`: what it said instead of the value
    |       AnswerRefused         it refused, or a filter stopped it
    |       AnswerCut             `max_tokens` were used up before its end
    |       AnswerInvalid         it does not validate; `.reason`
    |     ToolError               a tool failed, where that was to be raised; `.tool` names it
    |     TooManyTurns            it still called tools after `max_turns`; `.messages` has them all
    |-- a thing that was submitted
    |     TaskError               `.task_id` and `.handle`, whatever happened
    |       TaskFailed            the platform reports a failure; `.reason`
    |       TaskTimeout           not finished within the wait (also a TimeoutError)
    |       TaskStateUnknown      ended in a status that nobody knows
    `-- a sandbox
          SandboxError            `.sandbox_id` names it
            SandboxEnded          it is gone; `.reason` is killed, timeout, paused or unknown
            SandboxUnreachable    the peer went silent
            CommandFailed         a command ended with another code than 0
            CommandTimeout        a command ran over its `timeout` (also a TimeoutError)

Reasons decide the class before statuses do, because one status has many meanings (contract/platform.md, "Errors").
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = [
    "APIError",
    "AnswerCut",
    "AnswerError",
    "AnswerInvalid",
    "AnswerRefused",
    "AuthenticationError",
    "BadRequest",
    "BudgetExceeded",
    "CallTimeout",
    "ClientClosed",
    "CommandFailed",
    "CommandTimeout",
    "ConfigError",
    "Conflict",
    "ConnectError",
    "ConnectionLost",
    "ContentRefused",
    "EventTooLarge",
    "InsufficientBalance",
    "NotFound",
    "NovitaError",
    "OutOfStock",
    "OutcomeUnknown",
    "PermissionDenied",
    "ProtocolError",
    "RateLimited",
    "SandboxEnded",
    "SandboxError",
    "SandboxUnreachable",
    "ServerError",
    "ServiceUnavailable",
    "StreamCut",
    "StreamStalled",
    "TaskError",
    "TaskFailed",
    "TaskStateUnknown",
    "TaskTimeout",
    "TooManyTurns",
    "ToolError",
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


# ---------------------------------------------------------------------------------------- a model's


class AnswerError(NovitaError):
    """The answer of a model is not the value that was asked for.

    Attributes:
        text: what it said.
        completion: the whole answer, with its usage.
    """

    def __init__(self, message: str, *, text: str, completion: Any) -> None:
        self.text = text
        self.completion = completion
        super().__init__(message)


class AnswerRefused(AnswerError):
    """The model refused, or a filter stopped it. `text` is the refusal, where it gave one."""


class AnswerCut(AnswerError):
    """The answer was cut: `max_tokens` were used up before its end."""


class AnswerInvalid(AnswerError):
    """The answer is not JSON, or not of the type. `reason` says what is wrong where."""

    def __init__(self, reason: str, *, text: str, completion: Any) -> None:
        self.reason = reason
        super().__init__(f"the answer does not validate: {reason}", text=text, completion=completion)


class ToolError(NovitaError):
    """A tool failed, its arguments were wrong, or there is no such tool.

    Attributes:
        tool: its name, as the model wrote it.
        arguments: JSON text, as the model wrote it.
        reason: what went wrong; the model is told that, where the error is not raised.
    """

    def __init__(self, reason: str, *, tool: str, arguments: str) -> None:
        self.tool = tool
        self.arguments = arguments
        self.reason = reason
        super().__init__(f"{tool}: {reason}")


class TooManyTurns(NovitaError):
    """The model still called tools in its last turn.

    Attributes:
        messages: the conversation, answers of the tools included: it can be carried on.
        completion: the last answer.
    """

    def __init__(self, turns: int, *, messages: list[Any], completion: Any) -> None:
        self.messages = messages
        self.completion = completion
        super().__init__(f"the model still calls tools after {turns} {'turn' if turns == 1 else 'turns'}")


# ------------------------------------------------------------------------------------------- tasks


class TaskError(NovitaError):
    """Something about a submitted task. The paid work is never out of reach: `handle` can be waited on again.

    Attributes:
        task_id: the platform's id.
        handle: the `Task` it came from.
    """

    def __init__(self, message: str, *, task_id: str, handle: Any = None) -> None:
        self.task_id = task_id
        self.handle = handle
        super().__init__(f"{message} (task {task_id})")


class TaskFailed(TaskError):
    """The platform ended the task as failed. `reason` is its text, `task_type` its kind."""

    def __init__(self, reason: str, *, task_id: str, task_type: str = "", handle: Any = None) -> None:
        self.reason = reason
        self.task_type = task_type
        super().__init__(f"failed: {reason or 'no reason given'}", task_id=task_id, handle=handle)


class TaskTimeout(TaskError, TimeoutError):
    """The wait ended, not the task: it goes on at the platform."""


class TaskStateUnknown(TaskError):
    """The wait ended and the last status is one that nobody knows. `status` is its text."""

    def __init__(self, status: str, *, task_id: str, handle: Any = None) -> None:
        self.status = status
        super().__init__(f"unknown status {status!r}", task_id=task_id, handle=handle)


# ------------------------------------------------------------------------------------------ sandboxes


class SandboxError(NovitaError):
    """Something about a sandbox session. `sandbox_id` names it."""

    def __init__(self, message: str, *, sandbox_id: str = "") -> None:
        self.sandbox_id = sandbox_id
        super().__init__(f"{message} (sandbox {sandbox_id})" if sandbox_id else message)


class SandboxEnded(SandboxError):
    """The sandbox is gone. `reason` is one of killed, timeout, paused, unknown."""

    def __init__(self, reason: str, *, sandbox_id: str = "") -> None:
        self.reason = reason
        super().__init__(f"the sandbox has ended: {reason}", sandbox_id=sandbox_id)


class SandboxUnreachable(SandboxError):
    """The sandbox is said to run and does not answer."""


class CommandFailed(SandboxError):
    """A command ended with another exit code than 0. `stdout` and `stderr` have what it wrote."""

    def __init__(
        self, exit_code: int, *, stdout: str = "", stderr: str = "", error: str = "", sandbox_id: str = ""
    ) -> None:
        self.exit_code, self.stdout, self.stderr, self.error = exit_code, stdout, stderr, error
        tail = stderr.strip().splitlines()[-1:] or [error]
        super().__init__(f"exit code {exit_code}: {tail[0]}", sandbox_id=sandbox_id)


class CommandTimeout(SandboxError, TimeoutError):
    """A command was ended because it ran over its `timeout`. `stdout` and `stderr` have what it wrote."""

    def __init__(self, seconds: float, *, stdout: str = "", stderr: str = "", sandbox_id: str = "") -> None:
        self.seconds = seconds
        self.stdout, self.stderr = stdout, stderr
        super().__init__(f"the command ran over {seconds:g} s", sandbox_id=sandbox_id)
