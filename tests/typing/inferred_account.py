"""What a type checker makes of `novita.account` and `novita.search`; see `inferred.py`."""
# pyright: reportUnnecessaryTypeIgnoreComment=error, reportUnusedCallResult=false

from __future__ import annotations

import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, assert_type

from novita_async.account import ApiKeyBill, Balance, MonthlyBill, Policy, UsageBill
from novita_async.account.search import ExaResult, ExaSearch, SiteMap, TavilyResults
from novita_async.runtime.pages import Pages

if TYPE_CHECKING:
    from novita_async import AsyncNovita


async def account(novita: AsyncNovita, day: datetime.datetime) -> None:
    balance = await novita.account.balance()
    assert_type(balance, Balance)
    assert_type(balance.available, Decimal | None)
    months = novita.account.bills.monthly(since="2025-11")
    assert_type(months, Pages[MonthlyBill])
    async for month in months:
        assert_type(month.total, Decimal | None)
    assert_type(await novita.account.bills.usage(cycle="week"), list[UsageBill])
    assert_type(await novita.account.bills.by_key(start=day), list[ApiKeyBill])
    assert_type(await novita.account.budgets.enough("m", cost=Decimal(1)), bool)
    assert_type(await novita.account.keys.set_policy("k", allow=["a"]), Policy)
    novita.account.bills.usage(cycle="year")  # type: ignore[arg-type]
    await novita.account.budgets.set("m")  # type: ignore[call-arg]


async def search(novita: AsyncNovita) -> None:
    found = await novita.search.exa.search("a", text={"max_characters": 5}, livecrawl_timeout=1.5)
    assert_type(found, ExaSearch)
    assert_type(found.results, list[ExaResult])
    assert_type(found.results[0].published_at, datetime.datetime | None)
    assert_type(await novita.search.tavily.search("a", include_answer="basic"), TavilyResults)
    assert_type(await novita.search.tavily.map("a"), SiteMap)
    await novita.search.exa.search("a", subpage=1)  # type: ignore[call-arg]
    await novita.search.tavily.search("a", topic="sports")  # type: ignore[arg-type]
