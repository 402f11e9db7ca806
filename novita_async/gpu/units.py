"""Numbers of the GPU APIs in the vocabulary of the package: dollars, whole numbers, aware datetimes.

The wire writes the same number as text here and as a number there; this is the one place where that is mended.
"""

from __future__ import annotations

import datetime
from decimal import Decimal, InvalidOperation
from typing import TypeAlias

__all__ = ["Number", "dollars", "integer", "moment", "seconds"]

Number: TypeAlias = int | float | str | None

# Products and instances of v1 are priced in 1/100000 dollars (contract/gpu.md 4); v2 says how many digits.
_PRECISION = 5
_FAR_FUTURE = 1 << 37  # seconds, beyond the year 6000: no moment that could be meant


def dollars(value: Number, precision: int = _PRECISION) -> Decimal | None:
    """A price of the wire in dollars; None for none, and for what is no number."""
    try:
        found = None if value in (None, "") else Decimal(str(value)) / 10**precision
    except InvalidOperation:
        return None
    return found if found is not None and found.is_finite() else None


def integer(value: Number) -> int | None:
    """A whole number, in text or not."""
    try:
        return None if value in (None, "") else int(value)
    except (ValueError, OverflowError):
        return None


def moment(value: Number) -> datetime.datetime | None:
    """Unix seconds, in text or not. 0 and -1 stand for "none", and what cannot be a moment is none either."""
    found = integer(value)
    if found is None or not 0 < found < _FAR_FUTURE:
        return None
    return datetime.datetime.fromtimestamp(found, datetime.UTC)


def seconds(value: datetime.datetime | float | None) -> int | None:
    """A moment as the wire has it: whole Unix seconds."""
    if isinstance(value, datetime.datetime):
        return int(value.timestamp())
    return None if value is None else int(value)
