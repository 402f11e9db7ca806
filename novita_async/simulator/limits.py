"""Requests per minute, counted for each model over a sliding minute of the clock."""

from __future__ import annotations

import math
from collections import deque
from http import HTTPStatus
from typing import TYPE_CHECKING

from . import keys

if TYPE_CHECKING:
    from ..runtime.clock import Clock

__all__ = ["Limits"]

_WINDOW = 60.0


class Limits:
    """The limits of an account. A model without one is not limited. What was refused does not count."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._limits: dict[str, tuple[int, bool]] = {}
        self._admitted: dict[str, deque[float]] = {}

    def set(self, model: str, rpm: int, *, retry_after: bool) -> None:
        self._limits[model] = (rpm, retry_after)
        self._admitted[model] = deque()

    def admit(self, model: str) -> float | None:
        """Count a request in and return None, or return the seconds until there is room for it."""
        if model not in self._limits:
            return None
        now, admitted = self._clock.monotonic(), self._admitted[model]
        while admitted and admitted[0] <= now - _WINDOW:
            admitted.popleft()
        if len(admitted) >= self._limits[model][0]:
            return (admitted[0] + _WINDOW - now) if admitted else _WINDOW
        admitted.append(now)
        return None

    def refusal(self, model: str, wait: float) -> keys.Refusal:
        refusal = keys.flat(
            HTTPStatus.TOO_MANY_REQUESTS, "RATE_LIMIT_EXCEEDED", f"request rate over the limit of {model}"
        )
        if self._limits[model][1]:
            refusal.reply.headers["retry-after"] = str(math.ceil(wait))
        return refusal
