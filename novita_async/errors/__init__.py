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
    |       TaskExpired           the platform no longer has it
    |       TaskTimeout           not finished within the wait (also a TimeoutError)
    |       TaskStateUnknown      ended in a status that nobody knows
    `-- a sandbox
          SandboxError            `.sandbox_id` names it
            SandboxEnded          it is gone; `.reason` is killed, timeout, paused or unknown
            SandboxUnreachable    the peer went silent
            CommandFailed         a command ended with another code than 0
            CommandTimeout        a command ran over its `timeout` (also a TimeoutError)

Reasons decide the class before statuses do, because one status has many meanings (contract/platform.md, "Errors").
`ModelRetiredWarning` is no error: the platform has announced an end for a model, and the call goes out.
"""

from __future__ import annotations

from .calls import (
    APIError,
    AuthenticationError,
    BadRequest,
    BudgetExceeded,
    CallTimeout,
    ClientClosed,
    ConfigError,
    Conflict,
    ConnectError,
    ConnectionLost,
    ContentRefused,
    EventTooLarge,
    InsufficientBalance,
    ModelRetiredWarning,
    NotFound,
    NovitaError,
    OutcomeUnknown,
    OutOfStock,
    PermissionDenied,
    ProtocolError,
    RateLimited,
    ServerError,
    ServiceUnavailable,
    StreamCut,
    StreamStalled,
    TransportError,
    ValidationError,
    WrongEventLoop,
)
from .work import (
    AnswerCut,
    AnswerError,
    AnswerInvalid,
    AnswerRefused,
    CommandFailed,
    CommandTimeout,
    SandboxEnded,
    SandboxError,
    SandboxUnreachable,
    TaskError,
    TaskExpired,
    TaskFailed,
    TaskStateUnknown,
    TaskTimeout,
    ToolError,
    TooManyTurns,
)

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
    "ModelRetiredWarning",
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
    "TaskExpired",
    "TaskFailed",
    "TaskStateUnknown",
    "TaskTimeout",
    "TooManyTurns",
    "ToolError",
    "TransportError",
    "ValidationError",
    "WrongEventLoop",
]
