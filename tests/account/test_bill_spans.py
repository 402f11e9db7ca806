"""Long spans are asked for in pieces that the platform takes, and no row is lost or told twice."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest
from conftest import NEW_YEAR, Judge
from helpers import connected, json_reply, without_debug
from hypothesis import given, settings
from hypothesis import strategies as st

from novita_async.account.spans import CYCLES, Cycle, spans
from novita_async.errors import BadRequest, ValidationError

if TYPE_CHECKING:
    from novita_async import AsyncNovita, Reply, Request, Simulator
    from novita_async.testing.clock import JumpClock

SECONDS = st.integers(1_700_000_000, 1_900_000_000)


def begins(cycle: str, second: int) -> bool:
    """Whether a cycle begins at a moment."""
    at = datetime.fromtimestamp(second, UTC)
    if cycle == "hour":
        return (at.minute, at.second) == (0, 0)
    midnight = (at.hour, at.minute, at.second) == (0, 0, 0)
    return midnight and {"day": True, "week": at.weekday() == 0, "month": at.day == 1}[cycle]


@settings(max_examples=100, deadline=None)
@given(SECONDS, st.integers(1, 400 * 86400), st.sampled_from(CYCLES), st.sampled_from([7, 31]))
def test_pieces_touch_are_short_enough_and_end_where_a_cycle_ends(
    start: int, length: int, cycle: Cycle, days: int
) -> None:
    days = 31 if cycle in ("week", "month") else days
    pieces = spans(start, start + length, cycle=cycle, days=days)
    assert pieces[0][0] == start
    assert pieces[-1][1] == start + length
    for (_, end), (after, _) in pairwise(pieces):
        assert end == after
        assert begins(cycle, end)
    assert all(0 < end - first <= days * 86400 for first, end in pieces)
    # And no more of them than there must be: two that follow each other are together too long, or a cycle too long.
    cycle_length = {"hour": 3600, "day": 86400, "week": 7 * 86400, "month": 31 * 86400}[cycle]
    for (first, _), (_, end) in pairwise(pieces[:-1]):
        assert end - first > days * 86400 - cycle_length


async def test_the_pieces_add_up_to_what_was_used(
    novita: AsyncNovita, judge: Judge, sim: Simulator, clock: JumpClock
) -> None:
    without_debug()
    await clock.advance(100 * 86400)
    start = datetime.fromtimestamp(clock.time(), UTC)
    for _ in range(40):
        sim.ledger.use("llm", "model", 10_000)
        await clock.advance(2 * 86400)
    end = datetime.fromtimestamp(clock.time(), UTC)
    for cycle, count in (("hour", 40), ("day", 40), ("week", 12), ("month", 4)):
        rows = await novita.account.bills.by_key(start=start - timedelta(hours=1), cycle=cycle, end=end)
        assert sum(row.amount or 0 for row in rows) == 40
        assert len(rows) == count
        usage = await novita.account.bills.usage(category="llm", start=start - timedelta(hours=1), cycle=cycle)
        assert [row.start for row in usage] == [row.start for row in rows]
    hours = [query for query in judge.queries("/apikey/bill/list") if query["cycleType"] == "Hour"]
    assert len(hours) == 12
    assert {query["cycleType"] for query in judge.queries("/billing/bill/list")} == {"Hour", "Day", "Week", "Month"}


async def test_the_platform_refuses_what_is_not_split(novita: AsyncNovita) -> None:
    longer = {"extra_query": {"endTime": 1775000000}}
    with pytest.raises(BadRequest, match="31 days"):
        await novita.account.bills.usage(start=datetime(2025, 10, 1, tzinfo=UTC), **longer)


async def test_a_row_at_the_edge_of_two_pieces_is_told_once(clock: JumpClock) -> None:
    """From a platform that takes the last second of a span for a part of it."""
    rows = [{"startTime": str(int(NEW_YEAR.timestamp()) + 86400 * day), "ownerID": str(day)} for day in range(60)]

    async def platform(request: Request) -> Reply:
        query: dict[str, Any] = dict(part.split("=") for part in request.url.partition("?")[2].split("&"))
        first, last = int(query["startTime"]), int(query["endTime"])
        return json_reply({"bills": [row for row in rows if first <= int(row["startTime"]) <= last]})

    async with connected(platform, clock) as novita:
        found = await novita.account.bills.by_key(start=NEW_YEAR, end=NEW_YEAR + timedelta(days=59, hours=12))
        assert [row.owner_id for row in found] == [row["ownerID"] for row in rows]


async def test_moments_of_other_zones_and_parts_of_seconds_are_kept(novita: AsyncNovita, judge: Judge) -> None:
    east = timezone(timedelta(hours=8))
    start = datetime(2026, 3, 1, 8, 0, 0, 999_999, tzinfo=east)
    await novita.account.bills.by_key(start=start, end=start + timedelta(hours=1))
    (query,) = judge.queries("/apikey/bill/list")
    assert int(query["startTime"]) == datetime(2026, 3, 1, tzinfo=UTC).timestamp()
    assert int(query["endTime"]) == datetime(2026, 3, 1, 1, 0, 1, tzinfo=UTC).timestamp()


async def test_an_end_that_is_left_out_is_now(novita: AsyncNovita, judge: Judge, clock: JumpClock) -> None:
    await novita.account.bills.usage(start=datetime(2025, 10, 1, tzinfo=UTC))
    await novita.account.bills.usage()
    first, second = judge.queries("/billing/bill/list")
    assert int(first["endTime"]) == clock.time()
    assert "startTime" not in second


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"start": datetime(2026, 1, 1)}, "start must be a datetime with a time zone"),
        ({"start": "2026-01-01"}, "start must be a datetime with a time zone"),
        ({"start": NEW_YEAR, "end": NEW_YEAR}, "end must be after start"),
        ({"start": NEW_YEAR - timedelta(days=1), "end": NEW_YEAR}, "begin with 2026"),
        ({"start": NEW_YEAR, "end": NEW_YEAR + timedelta(1), "cycle": "Hour"}, "cycle must be one of hour, day"),
        ({"start": NEW_YEAR, "end": NEW_YEAR + timedelta(1), "timeout": 0}, "timeout"),
        ({"start": NEW_YEAR, "end": NEW_YEAR + timedelta(1), "extra_headers": {"a": "b\n"}}, "extra_headers"),
    ],
)
async def test_a_span_that_cannot_be_is_refused_at_once(
    wrong: dict[str, Any], words: str, novita: AsyncNovita, judge: Judge
) -> None:
    with pytest.raises(ValidationError, match=words):
        novita.account.bills.by_key(**wrong)
    assert judge.sent == []
