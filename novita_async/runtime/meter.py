"""What counts the tokens of calls, as the runtime knows it. The runtime tells when something is sent, refused and
over; what that costs is known to those who give it a `Meter`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, cast

import msgspec

from ..errors import (
    APIError,
    AuthenticationError,
    BadRequest,
    InsufficientBalance,
    NotFound,
    PermissionDenied,
    RateLimited,
    ServiceUnavailable,
)

if TYPE_CHECKING:
    from .budget import Budget
    from .call import Call

__all__ = ["Estimate", "Hold", "Meter", "Tokens", "estimate", "unbilled"]

_ASCII = bytes(range(128))

_FREE_STATUSES = frozenset({400, 401, 403, 404, 413, 422, 429, 500, 503, 504})
# Inside a stream or a body an error comes without a status.
_FREE = (
    *(AuthenticationError, BadRequest, InsufficientBalance, NotFound, PermissionDenied, RateLimited),
    ServiceUnavailable,
)


class Tokens(msgspec.Struct, frozen=True, gc=False):
    """What one call used. `cached` is part of `prompt`, `reasoning` part of `completion`."""

    prompt: int
    completion: int
    cached: int = 0
    reasoning: int = 0


class _Bounds(msgspec.Struct):
    """The fields of a request that bound its answers, of all LLM endpoints."""

    max_tokens: Any = None
    max_output_tokens: Any = None
    n: Any = None
    best_of: Any = None
    prompt: Any = None


class Estimate(msgspec.Struct, frozen=True):
    """What a request may use. `answers` times `longest` tokens come back at most; `longest` is None where it does not
    say.
    """

    prompt: int
    answers: int
    longest: int | None

    @property
    def total(self) -> int:
        """Tokens, the answers counted only where their length is bounded."""
        return self.prompt + self.answers * (self.longest or 0)


def estimate(body: object) -> Estimate:
    """Estimate a request by its bytes: one token for 4 bytes of ASCII and for 2 others. A picture counts as the text
    that it is sent as, which is more than any model makes of it.
    """
    if not isinstance(body, bytes):
        return Estimate(0, 1, None)
    try:
        bounds = msgspec.json.decode(body, type=_Bounds)
    except (msgspec.DecodeError, UnicodeDecodeError):
        bounds = _Bounds()  # not an object; the platform will say so
    wide = 0 if body.isascii() else len(body.translate(None, _ASCII))
    prompts = cast("list[object]", bounds.prompt) if isinstance(bounds.prompt, list) else []
    # A list of numbers is one prompt in tokens.
    count = len(prompts) if prompts and not isinstance(prompts[0], int) else 1
    longest = _count(bounds.max_tokens) or _count(bounds.max_output_tokens)
    answers = count * max(1, _count(bounds.n) or 1, _count(bounds.best_of) or 1)
    return Estimate((len(body) - wide) // 4 + wide // 2, answers, longest)


def _count(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else None


class Hold(Protocol):
    """What was set aside for one call."""

    def sending(self) -> None:
        """An attempt is going out: from now on it may cost."""
        ...

    def failed(self, error: BaseException) -> None:
        """The attempt ended in this error: it cost all that was set aside, or surely nothing."""
        ...

    def renew(self) -> None:
        """Set aside for another attempt, or raise."""
        ...

    def settle(self, tokens: Tokens | None) -> None:
        """The call is over, and used so much; None where nobody told. What was settled before stays as it is."""
        ...


class Meter(Protocol):
    """What sets aside for calls."""

    @property
    def budget(self) -> Budget:
        """What things may cost together."""
        ...

    async def hold(self, call: Call) -> Hold | None:
        """Set aside for a call, or raise; None where nothing needs to be."""
        ...


def unbilled(error: BaseException) -> bool:
    """Whether an attempt that ended in this error is surely not charged (contract/llm.md 4)."""
    if isinstance(error, APIError):
        return error.status in _FREE_STATUSES or isinstance(error, _FREE)
    return not getattr(error, "sent", True)
