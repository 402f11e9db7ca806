"""Long spans of time cut to what one query of bills may ask for (contract/account.openapi.yaml, `x-range-limit-days`).

A span is cut where a cycle ends, so that no row is told in two halves. The platform does not say whose midnight its
days begin at: UTC is taken, and where it is another's, two halves of a row are still the whole of it.
"""

from __future__ import annotations

import datetime
from typing import Literal, TypeAlias

__all__ = ["CYCLES", "Cycle", "spans"]

#: What a row of a bill is about.
Cycle: TypeAlias = Literal["hour", "day", "week", "month"]
CYCLES: tuple[Cycle, ...] = ("hour", "day", "week", "month")


def spans(start: int, end: int, *, cycle: Cycle, days: int) -> list[tuple[int, int]]:
    """A span as pieces that touch each other, none longer than the limit; all but the outermost ends are where a
    cycle ends.

    Args:
        start: Unix seconds.
        end: Unix seconds, after `start`.
        cycle: what a row is about.
        days: the limit, at least 31 for months.
    """
    found: list[tuple[int, int]] = []
    while start < end:
        stop = min(end, _last_end(start + days * 86400, cycle))
        found.append((start, stop))
        start = stop
    return found


def _last_end(limit: int, cycle: Cycle) -> int:
    """The last moment up to the limit at which a cycle ends."""
    at = datetime.datetime.fromtimestamp(limit, datetime.UTC).replace(minute=0, second=0)
    if cycle != "hour":
        at = at.replace(hour=0)
    if cycle == "week":
        at -= datetime.timedelta(days=at.weekday())
    if cycle == "month":
        at = at.replace(day=1)
    return int(at.timestamp())
