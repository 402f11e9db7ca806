"""Whether to repeat and how long to wait. Pure decisions; `call.py` carries them out."""

from __future__ import annotations

import enum
from collections.abc import Callable, Generator
from typing import TypeAlias

from ..config import RetryPolicy
from ..errors import (
    APIError,
    AuthenticationError,
    CallTimeout,
    ConnectError,
    InsufficientBalance,
    NovitaError,
    PermissionDenied,
    RateLimited,
    ServiceUnavailable,
    TransportError,
)

__all__ = ["RETRYABLE", "Replay", "RetryDecision", "default_decision", "delays", "never_started"]

#: What an attempt may end with and still be repeated. Cancellation is not an Exception and never gets here.
RETRYABLE = (TransportError, APIError, CallTimeout)


class Replay(enum.Enum):
    """What repeating a call can do."""

    SAFE = "safe"
    """Nothing: a read, or a write that says the same thing twice."""
    COSTS = "costs"
    """Bill some tokens twice: a completion. Repeated when the connection is lost, as the vendors' clients do."""
    SUBMITS = "submits"
    """Start a second paid thing: a task, a sandbox, an instance. Repeated only when surely nothing started."""


#: Says whether an attempt that ended in this error may be repeated. Users may bring their own.
RetryDecision: TypeAlias = Callable[[NovitaError, Replay, RetryPolicy], bool]


def default_decision(error: NovitaError, replay: Replay, policy: RetryPolicy) -> bool:
    """The rules of `RetryPolicy`."""
    if isinstance(error, InsufficientBalance | AuthenticationError | PermissionDenied):
        return False
    if replay is Replay.SUBMITS and not policy.resubmit and not never_started(error):
        return False
    if isinstance(error, APIError):
        if error.reason.upper() == "ALREADY_EXISTS":  # a 409 like one of those that pass, and this one will not
            return False
        # Overload and rate limits are told by reason too: inside a stream they come without a status.
        return error.status in policy.statuses or isinstance(error, RateLimited | ServiceUnavailable)
    if isinstance(error, CallTimeout):
        # A whole attempt was spent: another one helps only where the connection was not even made.
        return not error.sent
    return isinstance(error, TransportError)


def never_started(error: NovitaError) -> bool:
    """Whether the error proves that the platform started nothing.

    A 500, 502 or 504 proves nothing: the gateway may have lost an answer (contract/platform.md, "Errors"), unless the
    reason says that creating the task is what failed.
    """
    if isinstance(error, APIError):
        return error.status not in (408, 500, 502, 504) or error.reason == "CREATE_TASK_FAILED"
    return isinstance(error, ConnectError) or not getattr(error, "sent", True)


def delays(policy: RetryPolicy) -> Generator[float, None, None]:
    """The waits before the second attempt, the third and so on, in seconds: full jitter under a doubling bound."""
    import backoff  # 60 ms of imports that only a failing call should pay

    bounds = backoff.expo(base=2, factor=policy.base, max_value=policy.longest)
    next(bounds)  # the generator's own first step, which takes a value and gives none
    for bound in bounds:
        yield backoff.full_jitter(bound)
