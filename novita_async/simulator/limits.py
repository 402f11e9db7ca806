"""Requests and tokens per minute, counted for each model over a sliding minute of the clock."""

from __future__ import annotations

import math
from collections import deque
from http import HTTPStatus
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from . import keys

if TYPE_CHECKING:
    from ..runtime.clock import Clock

__all__ = ["Limits"]

_WINDOW = 60.0


class _Admitted(NamedTuple):
    time: float
    tokens: int


class _Limit(msgspec.Struct):
    rpm: int | None
    tpm: int | None
    retry_after: bool
    admitted: deque[_Admitted]


class Limits:
    """The limits of an account. A model without one is not limited. What was refused does not count."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._limits: dict[str, _Limit] = {}

    def set(self, model: str, *, rpm: int | None = None, tpm: int | None = None, retry_after: bool = False) -> None:
        self._limits[model] = _Limit(rpm, tpm, retry_after, deque())

    def of(self, model: str) -> tuple[int | None, int | None]:
        """The requests and the tokens a minute of a model; None where it has no limit."""
        limit = self._limits.get(model)
        return (None, None) if limit is None else (limit.rpm, limit.tpm)

    def admit(self, model: str, tokens: int = 0) -> None:
        """Count a request in.

        Args:
            model: whose limit it is.
            tokens: of prompt and answer together.

        Raises:
            keys.Refusal: 429, when there is no room for it now.
        """
        if (limit := self._limits.get(model)) is None:
            return
        now, admitted = self._clock.monotonic(), limit.admitted
        while admitted and admitted[0].time <= now - _WINDOW:
            admitted.popleft()
        if limit.rpm is not None and len(admitted) >= limit.rpm:
            wait = admitted[0].time + _WINDOW - now if admitted else _WINDOW
            raise self._refusal(limit, "RATE_LIMIT_EXCEEDED", f"request rate over the limit of {model}", wait)
        if limit.tpm is not None and (over := sum(each.tokens for each in admitted) + tokens - limit.tpm) > 0:
            wait = self._until_gone(admitted, over) - now
            raise self._refusal(limit, "TOKEN_LIMIT_EXCEEDED", f"token rate over the limit of {model}", wait)
        admitted.append(_Admitted(now, tokens))

    def _until_gone(self, admitted: deque[_Admitted], tokens: int) -> float:
        """When so many tokens have left the minute. Of a request that never fits: a minute from now."""
        for each in admitted:
            tokens -= each.tokens
            if tokens <= 0:
                return each.time + _WINDOW
        return self._clock.monotonic() + _WINDOW

    def _refusal(self, limit: _Limit, reason: str, message: str, wait: float) -> keys.Refusal:
        refusal = keys.flat(HTTPStatus.TOO_MANY_REQUESTS, reason, message)
        if limit.retry_after:
            refusal.reply.headers["retry-after"] = str(math.ceil(wait))
        return refusal
