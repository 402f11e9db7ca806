"""Money and moments of the account's APIs: converted here and nowhere else (contract/platform.md, "Money and time").

Amounts are in 1/10000 dollars, as text in bills and as numbers in budgets; moments are Unix seconds, as text or as
numbers. GPU prices have another unit and another converter.
"""

from __future__ import annotations

import datetime
import math
from decimal import Decimal, InvalidOperation
from typing import TypeAlias

from ..errors import ValidationError

__all__ = ["Money", "Number", "dollars", "moment", "number", "seconds", "units"]

#: A number as the wire has it.
Number: TypeAlias = int | float | str | None
#: US dollars as a caller may give them. A float counts as it is written: 0.1 is ten cents.
Money: TypeAlias = Decimal | int | float | str

_UNIT = 10_000
_MOST = 1 << 63  # budgets are int64
_FAR_FUTURE = 1 << 37  # seconds, beyond the year 6000: no moment that could be meant


def number(value: Number) -> Decimal | None:
    """A number exactly as it was written; None when it is none."""
    try:
        found = None if value in (None, "") else Decimal(str(value))
    except InvalidOperation:
        return None
    return found if found is not None and found.is_finite() else None


def dollars(value: Number) -> Decimal | None:
    """An amount of the wire in US dollars; None when there is none."""
    found = number(value)
    return None if found is None else found / _UNIT


def units(name: str, usd: Money, *, least: int = 0) -> int:
    """US dollars as the wire has them.

    Args:
        name: of the argument, for the words of a refusal.
        usd: the amount.
        least: the smallest that is taken, in US dollars.

    Raises:
        ValidationError: that is no amount, or it has parts of the wire's unit.
    """
    try:
        amount = Decimal(str(usd))
    except InvalidOperation:
        amount = Decimal("NaN")
    if isinstance(usd, bool) or not amount.is_finite() or amount < least or amount * _UNIT >= _MOST:
        raise ValidationError(f"{name} must be a number of US dollars, at least {least}, got {usd!r}")
    if (scaled := amount * _UNIT) != int(scaled):
        raise ValidationError(f"{name} is counted in 1/{_UNIT} US dollars, got {usd!r}")
    return int(scaled)


def moment(value: Number) -> datetime.datetime | None:
    """Unix seconds as a moment. 0 stands for none, and what cannot be a moment is none either."""
    found = number(value)
    if found is None or not 0 < found < _FAR_FUTURE:
        return None
    return datetime.datetime.fromtimestamp(float(found), datetime.UTC)


def seconds(name: str, value: datetime.datetime, *, up: bool = False) -> int:
    """A moment in whole Unix seconds.

    Args:
        name: of the argument, for the words of a refusal.
        value: the moment, with a time zone.
        up: the second after it, where it is not a whole one: for the end of a span.

    Raises:
        ValidationError: that is no moment, or it has no time zone.
    """
    if not isinstance(value, datetime.datetime) or value.utcoffset() is None:  # pyright: ignore[reportUnnecessaryIsInstance] - a caller's
        raise ValidationError(f"{name} must be a datetime with a time zone, got {value!r}")
    return math.ceil(value.timestamp()) if up else math.floor(value.timestamp())
