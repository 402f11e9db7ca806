"""`novita.account.bills`: what was used and what it cost, by month, by cycle and by API key (account.openapi.yaml)."""

from __future__ import annotations

import datetime
import re
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from ..errors import ValidationError
from ..runtime.arguments import call_headers, check_timeout
from ..runtime.pages import Pages
from ..wire.json import Object
from .bill_types import ApiKeyBill, FixedTermBill, MonthlyBill, Row, UsageBill
from .endpoint import Endpoint, check_choice, check_text
from .spans import CYCLES, Cycle, spans
from .units import seconds

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

__all__ = ["Bills"]

T = TypeVar("T", bound=Row)

_PAGE = 50
_FIRST_MONTH = "2025-10"
# Bills of keys begin with 2026. Whose midnight that is nobody says: here it is that of the first place that has one.
_FIRST_OF_KEYS = datetime.datetime(2026, 1, 1, tzinfo=datetime.timezone(datetime.timedelta(hours=14)))
_LONGEST = 31  # days of one query
_LONGEST_OF_HOURS = 7  # of one for the hours of keys


class _Months(Object):
    data: list[msgspec.Raw] | None


class _Rows(Object):
    bills: list[msgspec.Raw] | None


class Bills(Endpoint):
    """`novita.account.bills`. Each call gives an async iterator; `await` it for a list."""

    def monthly(
        self,
        *,
        since: str | datetime.date | None = None,
        extra_headers: Mapping[str, str] | None = None,
        extra_query: Mapping[str, Any] | None = None,
        timeout: float | None = None,
    ) -> Pages[MonthlyBill]:
        """The bills of the months.

        Args:
            since: the first month, as "2025-11" or a day in it; October 2025 is the first that there is.
            extra_headers: headers for this call.
            extra_query: query parameters that the SDK does not know.
            timeout: each page in seconds, retries and waits included.

        Raises:
            ValidationError: that is no such month.

        Example:
            async for bill in novita.account.bills.monthly(since="2025-11"):
                print(bill.month, bill.status, bill.total)

        Contract: account.openapi.yaml, GET /openapi/v1/billing/monthly/bill.
        """
        month = None if since is None else _month(since)

        async def fetch(page: int) -> tuple[list[msgspec.Raw] | None, int]:
            call = self._call(
                "GET",
                "/openapi/v1/billing/monthly/bill",
                query={"startMonth": month, "page": page, "pageSize": _PAGE},
                extra_headers=headers,
                extra_query=extra_query,
                timeout=timeout,
            )
            return (await self._runtime.fetch(call, _Months)).data, 0

        headers = call_headers(extra_headers)
        check_timeout(timeout)
        return self._numbered(fetch, MonthlyBill)

    def usage(
        self,
        *,
        category: str = "summary",
        cycle: Cycle = "day",
        start: datetime.datetime | None = None,
        end: datetime.datetime | None = None,
        product_name: str | None = None,
        owner_id: str | None = None,
        extra_headers: Mapping[str, str] | None = None,
        extra_query: Mapping[str, Any] | None = None,
        timeout: float | None = None,
    ) -> Pages[UsageBill]:
        """What was used and is paid by use. A span of more than 31 days is asked for in pieces, one after the other.

        Args:
            category: "summary", "gpu", "llm", "serverless", "cloud_storage", "gen_api", "cloud_sandbox",
                "llm_dedicated_endpoint", "web_search" or "bare_metal".
            cycle: what a row is about: an "hour", a "day", a "week" or a "month".
            start: from when on, with a time zone; the platform decides when it is left out.
            end: until when; now when only `start` is given.
            product_name: only products with this in their names.
            owner_id: only what this resource used.
            extra_headers: headers for this call.
            extra_query: query parameters that the SDK does not know.
            timeout: each piece in seconds, retries and waits included.

        Raises:
            ValidationError: `end` alone, or before `start`; a time without a zone; no such cycle.
            RateLimited: bills are asked for too often, after all retries.

        Example:
            async for row in novita.account.bills.usage(category="llm", cycle="month", start=new_year):
                print(row.start, row.product_name, row.used, row.amount)

        Contract: account.openapi.yaml, GET /openapi/v1/billing/bill/list.
        """
        check_choice("cycle", cycle, CYCLES)
        if start is None and end is not None:
            raise ValidationError("end without start: say where the span begins")
        query = {
            "cycleType": cycle.capitalize(),
            "productCategory": check_text("category", category),
            "productName": product_name,
            "ownerId": owner_id,
        }
        pieces = [None] if start is None else self._pieces(start, end, cycle, _LONGEST)
        return self._rows("/bill/list", query, pieces, UsageBill, extra_headers, extra_query, timeout)

    def by_key(
        self,
        *,
        start: datetime.datetime,
        end: datetime.datetime | None = None,
        cycle: Cycle = "day",
        category: str | None = None,
        product_name: str | None = None,
        extra_headers: Mapping[str, str] | None = None,
        extra_query: Mapping[str, Any] | None = None,
        timeout: float | None = None,
    ) -> Pages[ApiKeyBill]:
        """What was used, by API key. A span of more than 31 days, 7 for the cycle "hour", is asked for in pieces.

        Args:
            start: from when on, with a time zone, in 2026 or later.
            end: until when; now when left out.
            cycle: what a row is about: an "hour", a "day", a "week" or a "month".
            category: "llm", "gen_api" or "web_search"; all of them when left out.
            product_name: only products with this in their names.
            extra_headers: headers for this call.
            extra_query: query parameters that the SDK does not know.
            timeout: each piece in seconds, retries and waits included.

        Raises:
            ValidationError: `end` before `start`; a time without a zone, or before 2026; no such cycle.
            RateLimited: bills are asked for too often, after all retries.

        Contract: account.openapi.yaml, GET /openapi/v1/billing/apikey/bill/list.
        """
        check_choice("cycle", cycle, CYCLES)
        query = {"cycleType": cycle.capitalize(), "category": category, "productName": product_name}
        pieces = self._pieces(start, end, cycle, _LONGEST_OF_HOURS if cycle == "hour" else _LONGEST)
        if start < _FIRST_OF_KEYS:
            raise ValidationError(f"start: bills of keys begin with 2026, got {start.isoformat()}")
        return self._rows("/apikey/bill/list", query, pieces, ApiKeyBill, extra_headers, extra_query, timeout)

    def fixed_term(
        self,
        *,
        category: str = "summary",
        start: datetime.datetime | None = None,
        end: datetime.datetime | None = None,
        product_name: str | None = None,
        owner_id: str | None = None,
        extra_headers: Mapping[str, str] | None = None,
        extra_query: Mapping[str, Any] | None = None,
        timeout: float | None = None,
    ) -> Pages[FixedTermBill]:
        """What was bought for months.

        Args:
            category: "summary", "gpu", "local_storage" or "image".
            start: from when on, with a time zone.
            end: until when.
            product_name: only products with this in their names.
            owner_id: only what was bought for this resource.
            extra_headers: headers for this call.
            extra_query: query parameters that the SDK does not know.
            timeout: the call in seconds, retries and waits included.

        Raises:
            ValidationError: `end` before `start`; a time without a zone.

        Contract: account.openapi.yaml, GET /openapi/v1/billing/bill/monthly/list.
        """
        query = {"category": check_text("category", category), "productName": product_name, "ownerId": owner_id}
        first = None if start is None else seconds("start", start)
        last = None if end is None else seconds("end", end, up=True)
        if first is not None and last is not None:
            _in_order(first, last)
        return self._rows(
            "/bill/monthly/list", query, [(first, last)], FixedTermBill, extra_headers, extra_query, timeout
        )

    def _pieces(
        self, start: datetime.datetime, end: datetime.datetime | None, cycle: Cycle, days: int
    ) -> list[tuple[int, int]]:
        now = datetime.datetime.fromtimestamp(self._runtime.clock.time(), datetime.UTC)
        first, last = seconds("start", start), seconds("end", now if end is None else end, up=True)
        _in_order(first, last)
        return spans(first, last, cycle=cycle, days=days)

    def _rows(
        self,
        path: str,
        query: Mapping[str, Any],
        pieces: list[tuple[int, int]] | list[tuple[int | None, int | None]] | list[None],
        type_: type[T],
        extra_headers: Mapping[str, str] | None,
        extra_query: Mapping[str, Any] | None,
        timeout: float | None,
    ) -> Pages[T]:
        """The rows of one query after the other. One that stands at the end of a piece may come with the next one too,
        because nobody says whether a span has its last second in it: it is given once."""
        headers = call_headers(extra_headers)
        check_timeout(timeout)

        async def pages() -> AsyncIterator[list[T]]:
            before: set[bytes] = set()
            for piece in pieces:
                first, last = piece or (None, None)
                call = self._call(
                    "GET",
                    f"/openapi/v1/billing{path}",
                    query={**query, "startTime": first, "endTime": last},
                    extra_headers=headers,
                    extra_query=extra_query,
                    timeout=timeout,
                )
                rows = (await self._runtime.fetch(call, _Rows)).bills or []
                yield self._objects([row for row in rows if bytes(row) not in before], type_)
                before = {bytes(row) for row in rows}

        return Pages(pages)


def _in_order(first: int, last: int) -> None:
    if first >= last:
        raise ValidationError("the span has no length: end must be after start")


def _month(since: object) -> str:
    text = since.strftime("%Y-%m") if isinstance(since, datetime.date) else since
    if not isinstance(text, str) or not re.fullmatch(r"\d{4}-(0[1-9]|1[0-2])", text, re.ASCII):
        raise ValidationError(f"since must be a month such as 2025-11, got {since!r}")
    if text < _FIRST_MONTH:
        raise ValidationError(f"since: the first month that there is a bill of is {_FIRST_MONTH}, got {text}")
    return text
