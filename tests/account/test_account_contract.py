"""Every operation of contract/account.openapi.yaml and search.openapi.yaml: called through the SDK on the simulator.

What the SDK sends and what the simulator answers is judged by the contract as it passes. An operation that no call here
reaches fails the last test.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

import msgspec
import pytest
from conftest import CONTRACTS, NEW_YEAR, Judge
from helpers import inside, without_debug

from novita_async import Simulator
from novita_async.account import ModelRef
from novita_async.account.queries import TextOptions

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from novita_async import AsyncNovita
    from novita_async.testing.clock import JumpClock

CALLS: list[Callable[[AsyncNovita], Awaitable[None]]] = []
OWNER = "user-simulator"
MODELS = ["deepseek/deepseek-v3.1", "deepseek/deepseek-v3.2"]


def call(function: Callable[[AsyncNovita], Awaitable[None]]) -> Callable[[AsyncNovita], Awaitable[None]]:
    CALLS.append(function)
    return function


@call
async def wallet(novita: AsyncNovita) -> None:
    balance = await novita.account.balance()
    assert (balance.available, balance.cash, balance.credit_limit, balance.outstanding) == (1000, 1000, 0, 0)
    user = await novita.account.user()
    assert (user.credit_balance, user.allow_features) == (1000, ["upload_model"])
    (opened,) = await novita.account.transactions(
        type="recharge",
        channel="PublicRemittance",
        state="success",
        order_type="recharge",
        start=datetime(2025, 10, 1, tzinfo=UTC),
        end=NEW_YEAR,
    )
    assert (opened.type, opened.amount, opened.balance) == ("recharge", 1000, 1000)
    assert opened.time == datetime(2025, 10, 9, 8, 53, 20, tzinfo=UTC)
    assert await novita.account.transactions(serial_number=opened.serial_number) == [opened]
    assert await novita.account.transactions(start=NEW_YEAR) == []


@call
async def bills(novita: AsyncNovita) -> None:
    room = novita.account.bills
    await novita.search.exa.search("tides")
    (month,) = await room.monthly(since=date(2025, 10, 1))
    assert (month.month, month.status, month.total, month.debt) == ("2025-10", "pending", Decimal("0.005"), 0)
    assert (month.start, month.end) == (datetime(2025, 10, 1, tzinfo=UTC), datetime(2025, 11, 1, tzinfo=UTC))
    (row,) = await room.usage(category="web_search", cycle="hour", start=month.start, product_name="exa")
    assert (row.product_id, row.category, row.used, row.amount) == ("exa-search", "web_search", 1, Decimal("0.005"))
    assert row.end is not None
    assert row.end - timedelta(hours=1) == row.start
    assert await room.usage(owner_id="nothing") == []
    assert await room.fixed_term(category="gpu", start=month.start, end=month.end, product_name="4090") == []
    assert await room.by_key(start=NEW_YEAR, end=NEW_YEAR + timedelta(days=1), category="llm", product_name="x") == []


@call
async def budgets(novita: AsyncNovita) -> None:
    room = novita.account.budgets
    key = (await room.keys(OWNER))[0]
    assert (key.key_name, key.limit, key.remaining, key.used) == ("simulator", None, None, 0)
    for key_id in (None, key.key_id):
        assert await room.enough(OWNER, key_id=key_id)
        await room.set(OWNER, key_id=key_id, limit="1.5", cycle="Monthly")
        assert await room.enough(OWNER, key_id=key_id, cost=Decimal("1.5"))
        assert not await room.enough(OWNER, key_id=key_id, cost=Decimal("1.5001"))
    owner, other = await room.members()
    assert (owner.member_id, owner.role, owner.budget_type, owner.cycle) == (OWNER, "Owner", "Recurring", "Monthly")
    assert (owner.limit, owner.used, owner.remaining) == (Decimal("1.5"), 0, Decimal("1.5"))
    assert (owner.period_start, owner.period_end) == ("2025-10-01", "2025-11-01")
    assert other.limit is None
    await room.set(OWNER, limit=1)
    assert (await room.members())[0].budget_type == "One-time"
    await room.set(OWNER, limit=None)
    assert (await room.members())[0].limit is None


@call
async def keys(novita: AsyncNovita) -> None:
    room = novita.account.keys
    key = (await room.list())[0]
    assert (key.id, key.expire_time, key.policy) == ("key-simulator", "never", None)
    before = await room.policy(key.id)
    assert (before.mode, before.allowed, before.excluded, before.updated_at) == ("all_enabled", [], [], None)
    stored = await room.set_policy(key.id, allow=[MODELS[0], *MODELS])
    assert (stored.mode, stored.allowed) == ("selected", [ModelRef(model) for model in MODELS])
    assert (stored.status, stored.allowed_model_count) == ("active", 2)
    assert stored.updated_at is not None
    assert stored.updated_at.tzinfo is UTC
    shown = (await room.list(policies=True))[0].policy
    assert shown is not None
    assert (shown.mode, shown.allowed_model_count) == ("selected", 2)
    assert (await room.set_policy(key.id, exclude=[ModelRef(MODELS[0])])).excluded == [ModelRef(MODELS[0])]
    await room.reset_policy(key.id)
    assert (await room.policy(key.id)).updated_by == ""


@call
async def quotas(novita: AsyncNovita) -> None:
    (quota,) = await novita.account.quotas(
        model="deepseek-v3.2", modal="llm", type="RPM", product_type="Public Endpoint"
    )
    assert (quota.model, quota.type, quota.adjustable) == ("deepseek/deepseek-v3.2", "RPM", True)
    assert quota.tiers["T1"] == quota.default
    assert {each.modal for each in await novita.account.quotas()} == {"llm", "image"}


@call
async def exa(novita: AsyncNovita) -> None:
    room = novita.search.exa
    found = await room.search(
        "Tides in Ketch Harbour",
        type="auto",
        category="news",
        num_results=3,
        include_domains=["example.org"],
        exclude_domains=["example.net"],
        start_crawl_date=datetime(2020, 1, 1, tzinfo=UTC),
        end_crawl_date=NEW_YEAR,
        start_published_date=datetime(2023, 6, 1, tzinfo=UTC),
        end_published_date=datetime(2025, 6, 1, tzinfo=UTC),
        user_location="de",
        moderation=True,
        additional_queries=["tide tables"],
        system_prompt="Be brief.",
        output_schema={"type": "object", "properties": {"place": {"type": "string"}}, "required": ["place"]},
        compliance="hipaa",
        text={"max_characters": 50, "include_sections": ["body"]},
        highlights=True,
        summary={"query": "where?", "schema": {"type": "object", "properties": {"place": {"type": "string"}}}},
        extras={"links": 2, "image_links": 1},
        livecrawl_timeout=0.5,
        max_age_hours=-1,
        subpages=1,
        subpage_target=["about", "team"],
    )
    assert len(found.results) == 3
    assert found.output is not None
    assert found.output.content["place"]
    assert found.output.grounding
    for page in found.results:
        assert page.url is not None
        assert page.url.startswith("https://example.org/")
        assert page.published_at is not None
        assert datetime(2023, 6, 1, tzinfo=UTC) <= page.published_at <= datetime(2025, 6, 1, tzinfo=UTC)
        assert len(page.text or "") == 50
        assert page.highlights
        assert page.extras is not None
        assert (len(page.extras.links), len(page.extras.image_links)) == (2, 1)
        assert page.subpages
    address = found.results[0].url
    assert address is not None
    read = await room.contents(
        [address, "https://example.org/missing"], text=TextOptions(max_characters=70), summary=True, max_age_hours=0
    )
    assert read.failed == {"https://example.org/missing": "CRAWL_NOT_FOUND"}
    (page,) = read.results
    assert (page.title, len(page.text or "")) == (found.results[0].title, 70)
    assert page.summary
    answer = await room.answer("Why are there tides?", text=True)
    assert isinstance(answer.answer, str)
    assert all(each.text for each in answer.citations)
    shaped = await room.answer(
        "Which moon?", output_schema={"type": "object", "properties": {"moon": {"type": "string"}}}
    )
    assert shaped.answer["moon"]


@call
async def tavily_search(novita: AsyncNovita) -> None:
    found = await novita.search.tavily.search(
        "Tides in Ketch Harbour",
        search_depth="advanced",
        chunks_per_source=2,
        max_results=4,
        topic="news",
        start_date=date(2023, 6, 1),
        end_date=date(2025, 6, 1),
        include_answer="basic",
        include_raw_content="text",
        include_images=True,
        include_image_descriptions=True,
        include_favicon=True,
        include_domains=["example.org"],
        exclude_domains=["example.net"],
        auto_parameters=True,
        exact_match=False,
        include_usage=True,
        safe_search=True,
    )
    assert found.answer
    assert found.credits == 2
    assert found.response_time == 0.67
    assert [image.description for image in found.images] == [
        f"A picture beside: {page.title}" for page in found.results
    ]
    assert [page.score for page in found.results] == sorted((page.score or 0 for page in found.results), reverse=True)
    for page in found.results:
        assert " [...] " in page.content
        assert page.raw_content
        assert page.favicon
        assert page.published_date
    plain = await novita.search.tavily.search("tides", country="chile", time_range="y", include_images=True)
    assert (plain.answer, plain.credits) == (None, None)
    assert all(image.url for image in plain.images)


@call
async def tavily_sites(novita: AsyncNovita) -> None:
    room = novita.search.tavily
    address = "https://docs.example.org/start"
    read = await room.extract(
        address, extract_depth="advanced", include_images=True, include_favicon=True, time_limit=60
    )
    assert (read.results[0].url, read.response_time, read.failed_results) == (address, 1.23, [])
    pieces = await room.extract(
        [address, "https://example.org/missing"], query="tides", chunks_per_source=2, format="text"
    )
    assert pieces.failed_results[0].url == "https://example.org/missing"
    assert (pieces.results[0].raw_content or "").count(" [...] ") == 1
    rules = {
        "instructions": "what is there",
        "max_depth": 3,
        "max_breadth": 10,
        "limit": 20,
        "select_paths": ["/start/.*"],
        "exclude_paths": ["/pricing"],
        "select_domains": ["docs"],
        "exclude_domains": ["blog"],
        "allow_external": False,
        "time_limit": 10,
    }
    site = await room.map(address, **rules)
    assert site.base_url == address
    assert 3 < len(site.results) <= 20
    assert not any("/pricing" in url for url in site.results)
    more = {"chunks_per_source": 1, "include_images": True, "extract_depth": "basic", "format": "markdown"}
    crawl = await room.crawl(address, include_favicon=True, **rules, **more)
    assert [page.url for page in crawl.results] == site.results
    assert all(page.raw_content and page.favicon for page in crawl.results)
    assert any("docs.example.org" not in url for url in (await room.map(address)).results)


@pytest.mark.parametrize("call", CALLS, ids=lambda call: call.__name__)
async def test_a_call_is_what_the_contract_says_and_comes_back_typed(
    call: Callable[[AsyncNovita], Awaitable[None]], novita: AsyncNovita, judge: Judge
) -> None:
    await call(novita)
    assert judge.seen


async def test_every_operation_is_called(clock: JumpClock) -> None:
    without_debug()
    seen: set[str] = set()
    for call in CALLS:
        async with Simulator(clock=clock) as sim:
            judge = Judge(sim)
            async with inside(sim, transport=judge.transport) as novita:
                await call(novita)
            seen |= judge.seen
    wanted = {operation for contract in CONTRACTS for operation in contract.operations()}
    assert wanted <= seen, sorted(wanted - seen)


async def test_the_contracts_own_answers_are_read(novita: AsyncNovita, sim: Simulator) -> None:
    content = CONTRACTS[0].document["paths"]["/openapi/v1/billing/balance/detail"]["get"]["responses"]["200"]["content"]
    sim.reply("GET", "/openapi/v1/billing/balance/detail", content["application/json"]["example"])
    balance = await novita.account.balance()
    assert (balance.available, balance.cash) == (Decimal("123.45"), Decimal(100))
    assert (balance.credit_limit, balance.outstanding) == (0, 0)
    assert balance.raw["availableBalance"] == "1234500"


async def test_the_contracts_own_requests_are_sent(novita: AsyncNovita, judge: Judge) -> None:
    room, examples = novita.search, {}
    for operation in CONTRACTS[1].operations():
        (examples[operation],) = CONTRACTS[1].examples(operation).values()
    await room.exa.search("open-source LLM releases", num_results=5)
    await room.exa.contents(["https://example.com"], text=True)
    await room.exa.answer("What is a vector index?")
    await room.tavily.search("open-source LLM releases", max_results=5)
    await room.tavily.extract(["https://example.com"])
    await room.tavily.crawl("https://example.com", limit=10)
    await room.tavily.map("https://example.com")
    assert [msgspec.json.decode(request.body) for request in judge.sent] == list(examples.values())
