"""Money, pages and budgets of the account: units, what was used, and what is refused before it is sent."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from helpers import ASK, MODEL, PICTURE, Server, connected, inside, json_reply, refusal
from hypothesis import given, settings
from hypothesis import strategies as st

from novita_async.account.units import dollars, moment, number, units
from novita_async.errors import AuthenticationError, NotFound, ProtocolError, RateLimited, ValidationError
from novita_async.simulator import Outcome

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import Judge

    from novita_async import AsyncNovita, Request, Simulator
    from novita_async.testing.clock import JumpClock


# ------------------------------------------------------------------------------------------- units


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 2**63 - 1))
def test_an_amount_goes_out_and_comes_back_as_it_is(amount: int) -> None:
    assert units("limit", Decimal(amount) / 10_000) == amount
    for value in (amount, str(amount)):
        found = dollars(value)
        assert found is not None
        assert found * 10_000 == amount


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("10000", 1),
        ("-1", Decimal("-0.0001")),
        (25, Decimal("0.0025")),
        ("", None),
        (None, None),
        ("NaN", None),
        ("?", None),
    ],
)
def test_amounts_are_ten_thousandths_of_a_dollar(value: Any, expected: Decimal | None) -> None:
    assert dollars(value) == expected


def test_numbers_are_exact_and_moments_are_aware() -> None:
    assert number("9007199254740993") == 9007199254740993
    assert moment("1760000000") == moment(1760000000) == datetime(2025, 10, 9, 8, 53, 20, tzinfo=UTC)
    assert [moment(value) for value in (0, "0", "", None, "never", 1 << 60, -5)] == [None] * 7


@pytest.mark.parametrize("wrong", [0.00001, "1.00001", "much", float("nan"), -1, True, None, "1e30"])
def test_what_is_no_amount_is_refused(wrong: Any) -> None:
    with pytest.raises(ValidationError, match="limit"):
        units("limit", wrong)


# ------------------------------------------------------------------------------------ what was used


async def test_bills_and_balance_follow_from_what_was_used(
    novita: AsyncNovita, sim: Simulator, clock: JumpClock
) -> None:
    await clock.advance(90 * 86400)  # bills of keys begin with 2026
    start = datetime.fromtimestamp(clock.time() // 3600 * 3600, UTC)
    usage = [(await novita.chat.completions.create(**ASK, n=4)).usage for _ in range(3)]
    await (await novita.images.submit("txt2img", **PICTURE)).wait()
    sim.fault("POST", "/v3/async/txt2img", Outcome.failed("out of memory"))
    await novita.images.submit("txt2img", **PICTURE)
    await novita.search.tavily.search("tides")
    rows = {row.category: row for row in await novita.account.bills.usage(cycle="hour", start=start)}
    llm, media = rows["llm"], rows["gen_api"]
    assert (llm.product_id, llm.used) == (MODEL, sum(each.prompt_tokens for each in usage))
    assert llm.output_tokens == sum(each.completion_tokens for each in usage)
    cost = await novita.usage.cost()
    assert llm.amount == cost.quantize(Decimal("0.0001"))
    assert (media.product_id, media.used, media.amount) == ("txt2img", 1, Decimal("0.03"))
    total = sum(row.amount or 0 for row in rows.values())
    assert (await novita.account.balance()).available == 1000 - total
    assert (await novita.account.user()).credit_balance == 1000 - total
    by_key = await novita.account.bills.by_key(start=start)
    assert {(row.owner_id, row.key_name) for row in by_key} == {("key-simulator", "simulator")}
    assert sum(row.amount or 0 for row in by_key) == total
    await novita.account.budgets.set("user-simulator", limit=1)
    owner = (await novita.account.budgets.members())[0]
    assert (owner.used, owner.remaining) == (total, 1 - total)


async def test_months_and_what_they_took_from_the_wallet(novita: AsyncNovita, sim: Simulator, clock: JumpClock) -> None:
    sim.ledger.use("gpu", "4090", 25_000, name="RTX 4090", owner="i-1", used=5)
    sim.ledger.buy("gpu", "RTX 4090", 100_000, owner="i-2", months=2, kind="monthly_new_buy")
    await clock.advance(150 * 86400)
    sim.ledger.use("gpu", "4090", 10_000, owner="i-1")
    months = await novita.account.bills.monthly(since="2025-10")
    assert [(each.month, each.status, each.total) for each in months] == [
        ("2025-10", "paid", Decimal("22.5")),
        *((month, "paid", 0) for month in ("2025-11", "2025-12", "2026-01", "2026-02")),
        ("2026-03", "pending", 1),
    ]
    (term,) = await novita.account.bills.fixed_term()
    assert (term.owner_id, term.amount, term.trade_type, term.paid_in_cash) == ("i-2", 20, "monthly_new_buy", 20)
    (row,) = await novita.account.bills.usage(owner_id="i-1", product_name="rtx", cycle="month")
    assert (row.used, row.amount, row.owner_id) == (5, Decimal("2.5"), "i-1")
    latest, *_, opened = await novita.account.transactions()
    assert (latest.type, latest.amount, latest.balance) == ("consume", 0, Decimal("977.5"))
    assert opened.type == "recharge"
    assert [each.type async for each in novita.account.transactions(type="recharge")] == ["recharge"]


async def test_quotas_are_the_limits_that_hold(novita: AsyncNovita, sim: Simulator) -> None:
    sim.limit(MODEL, rpm=7, tpm=900)
    found = {quota.type: quota.current for quota in await novita.account.quotas(model=MODEL)}
    assert found == {"RPM": 7, "TPM": 900}


# -------------------------------------------------------------------------------------------- pages


def page_of(request: Request, name: str) -> int:
    return int(dict(part.split("=") for part in request.url.partition("?")[2].split("&"))[name])


async def test_months_are_read_to_the_end_whatever_the_size_of_a_page(clock: JumpClock) -> None:
    sizes = [3, 60, 1, 0]

    def answer(request: Request) -> Any:
        page = page_of(request, "page")
        return {"data": [{"billId": f"{page}-{number}"} for number in range(sizes[page - 1])]}

    server = Server(clock, answer)
    async with connected(server, clock) as novita:
        assert len(await novita.account.bills.monthly()) == 64
        assert len(server.requests) == 4


async def test_a_server_that_ignores_the_page_is_asked_twice(clock: JumpClock) -> None:
    server = Server(clock, {"data": [{"billId": "1"}, {"billId": "2"}]})
    async with connected(server, clock) as novita:
        assert [bill.bill_id for bill in await novita.account.bills.monthly()] == ["1", "2"]
        assert len(server.requests) == 2


async def test_transactions_that_move_between_pages_come_once_and_the_total_ends_them(clock: JumpClock) -> None:
    rows = [{"serialNumber": str(number), "transactionAmount": "10000"} for number in range(120)]

    def answer(request: Request) -> Any:
        number = page_of(request, "pageNo")
        if number > 1:
            rows.insert(0, {"serialNumber": f"new {number}"})  # pushes the others to later pages
        return {"data": rows[(number - 1) * 50 : number * 50], "total": 120}

    server = Server(clock, answer)
    async with connected(server, clock) as novita:
        found = [each.serial_number async for each in novita.account.transactions()]
    assert found == [str(number) for number in range(120)]
    assert len(server.requests) == 3


@pytest.mark.parametrize(
    "read",
    [
        lambda novita: novita.account.bills.monthly(),
        lambda novita: novita.account.bills.usage(),
        lambda novita: novita.account.transactions(),
        lambda novita: novita.account.budgets.members(),
        lambda novita: novita.account.budgets.keys("m"),
        lambda novita: novita.account.keys.list(),
        lambda novita: novita.account.quotas(),
    ],
)
async def test_nothing_is_an_empty_list_also_as_null(read: Callable[[AsyncNovita], Any], clock: JumpClock) -> None:
    names = ("data", "bills", "budgets", "key_budgets", "keys")
    server = Server(clock, dict.fromkeys(names, None), {name: [] for name in names}, {"something": "else"})
    async with connected(server, clock) as novita:
        assert list(await read(novita)) == []
        assert list(await read(novita)) == []
        with pytest.raises(ProtocolError):
            await read(novita)


async def test_both_forms_of_a_number_and_an_unknown_field_are_kept(clock: JumpClock) -> None:
    old = {"amount": "25", "payAmountDisplay": "0.0025", "pricePrecision": "4", "billingMethod": "1", "more": 1}
    new = {"amount": 25, "payAmountDisplay": 0.0025, "pricePrecision": 4, "billingMethod": 1}
    async with connected(Server(clock, {"bills": [old, new]}), clock) as novita:
        one, other = await novita.account.bills.usage()
        assert one.amount == other.amount == Decimal("0.0025")
        assert (one.raw, other.raw) == (old, new)


# ------------------------------------------------------------------------------------------ refusals

T1 = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (lambda account: account.bills.monthly(since="2025-9"), "since must be a month"),
        (lambda account: account.bills.monthly(since="2025-09"), "2025-10"),
        (lambda account: account.bills.usage(end=T1), "end without start"),
        (lambda account: account.bills.usage(category=" "), "category"),
        (lambda account: account.bills.fixed_term(start=T1, end=T1 - timedelta(1)), "end must be after start"),
        (lambda account: account.transactions(start=T1, end=T1), "end must be after start"),
        (lambda account: account.transactions(end=datetime(2026, 1, 1)), "time zone"),
        (lambda account: account.budgets.set("m", limit="0.5"), "at least 1"),
        (lambda account: account.budgets.set("", limit=1), "member_id"),
        (lambda account: account.budgets.set("m", limit=1, key_id=""), "key_id"),
        (lambda account: account.budgets.set("m", limit=1, cycle="Daily"), "cycle must be one of Monthly"),
        (lambda account: account.budgets.set("m", limit=None, cycle="Monthly"), "cycle goes with a limit"),
        (lambda account: account.budgets.enough("m", cost=-1), "cost"),
        (lambda account: account.budgets.keys(None), "member_id"),
        (lambda account: account.keys.policy("../x/.."[:2]), "key_id"),
        (lambda account: account.keys.set_policy("k", allow=["a"], exclude=["b"]), "give one of them"),
        (lambda account: account.keys.set_policy("k", allow=[]), "at least one model"),
        (lambda account: account.keys.set_policy("k", exclude=["a", ""]), "exclude"),
        (lambda account: account.keys.set_policy("k", allow="a"), "list of models"),
        (lambda account: account.balance(timeout=-1), "timeout"),
    ],
)
async def test_what_cannot_be_is_refused_here(
    wrong: Callable[[Any], Any], words: str, novita: AsyncNovita, judge: Judge
) -> None:
    with pytest.raises(ValidationError, match=words):
        await wrong(novita.account)
    assert judge.sent == []


async def test_what_the_platform_refuses_has_its_class(novita: AsyncNovita, sim: Simulator) -> None:
    with pytest.raises(NotFound):
        await novita.account.budgets.set("nobody", limit=1)
    with pytest.raises(NotFound):
        await novita.account.keys.policy("a/b")
    sim.reply("GET", "/openapi/v1/billing/bill/list", refusal(429, "LIST_BILL_TOO_FAST"), times=3)
    with pytest.raises(RateLimited):
        await novita.account.bills.usage()


async def test_bills_asked_for_too_fast_are_asked_for_again(novita: AsyncNovita, sim: Simulator) -> None:
    script = sim.reply("GET", "/openapi/v1/billing/bill/list", refusal(429, "LIST_BILL_TOO_FAST"))
    assert await novita.account.bills.usage() == []
    assert script.hits == 1


async def test_a_wrong_key_is_told_and_empty_answers_are_fine(clock: JumpClock) -> None:
    server = Server(clock, json_reply({}), json_reply(None), refusal(403, "INVALID_API_KEY"))
    server.answers[1].body = b""
    async with connected(server, clock) as novita:
        await novita.account.budgets.set("m", limit=None)
        await novita.account.keys.reset_policy("k")
        with pytest.raises(AuthenticationError):
            await novita.account.balance()


async def test_what_is_sent_along_wins(clock: JumpClock) -> None:
    server = Server(clock, {"enough": True})
    async with connected(server, clock) as novita:
        await novita.account.budgets.enough("m", cost=1, extra_body={"cost": 2}, extra_headers={"X-Team": "t"})
    assert (server.requests[0].body, server.requests[0].headers["x-team"]) == (b'{"member_id":"m","cost":2}', "t")


# ------------------------------------------------------------------------------------ paid by time


async def test_an_instance_is_paid_from_pulling_until_it_has_stopped(
    novita: AsyncNovita, sim: Simulator, clock: JumpClock
) -> None:
    product = next(each for each in await novita.gpu.products.list(name="4090") if each.available)
    assert product.price is not None

    async def cost() -> Decimal:
        rows = await novita.account.bills.usage(category="gpu", cycle="month")
        return sum((row.amount for row in rows if row.amount is not None), Decimal(0))

    instance = await novita.gpu.instances.create(product.id, image="ubuntu:24.04", gpu_num=2)
    await clock.advance(2)  # toCreate and creating
    assert await cost() == 0
    await clock.advance(3600)
    assert await cost() == 2 * product.price
    await instance.stop()
    await clock.advance(2)
    stopped = await cost()
    await clock.advance(86400)
    assert await cost() == stopped
    assert 0 < stopped - 2 * product.price < Decimal("0.01")
    await instance.start()
    await clock.advance(1 + 1800)
    await instance.delete()
    await clock.advance(86400)
    rows = await novita.account.bills.usage(category="gpu", cycle="hour", owner_id=instance.id)
    assert sum(row.used or 0 for row in rows) == 3602 + 1800
    assert {row.product_name for row in rows} == {product.name}


async def test_one_that_is_taken_back_or_fails_is_paid_until_then(
    novita: AsyncNovita, sim: Simulator, clock: JumpClock
) -> None:
    product = next(each for each in await novita.gpu.products.list(billing="spot") if each.available)
    spot = await novita.gpu.instances.create(product.id, image="ubuntu:24.04", billing="spot")
    await clock.advance(3 + 600)
    sim.gpu.reclaim(spot.id, notice=100)
    await clock.advance(86400)
    sim.fault("POST", "/gpu-instance/openapi/v1/gpu/instance/create", Outcome.failed("no disk"))
    await novita.gpu.instances.create(product.id, image="ubuntu:24.04")
    await clock.advance(86400)
    used = {row.owner_id: row.used for row in await novita.account.bills.usage(category="gpu", cycle="month")}
    assert used.pop(spot.id) == 601 + 101
    assert list(used.values()) == [1]  # pulling, and no more


async def test_months_of_an_instance_are_bought(novita: AsyncNovita, clock: JumpClock) -> None:
    product = next(each for each in await novita.gpu.products.list(name="4090") if each.available)
    instance = await novita.gpu.instances.create(product.id, image="ubuntu:24.04", billing="monthly", months=2)
    await clock.advance(86400)
    (term,) = await novita.account.bills.fixed_term()
    assert (term.owner_id, term.trade_type) == (instance.id, "monthly_new_buy")
    assert await novita.account.bills.usage(category="gpu") == []


async def test_a_sandbox_is_paid_while_it_runs(novita: AsyncNovita, sim: Simulator, clock: JumpClock) -> None:
    async with inside(sim, api_url=sim.base_url, sandbox_url=sim.base_url) as client:
        async with client.sandboxes.create(lifetime=3000) as sandbox:
            info = await sandbox.info()
            await clock.advance(1000)
            await sandbox.pause()
            await clock.advance(5000)
            await sandbox.resume()
            await clock.advance(100)
        await clock.advance(100)
    (row,) = await novita.account.bills.usage(category="cloud_sandbox", cycle="month")
    each_second = info.cpu_count * Decimal("0.0000098") + Decimal(info.memory_mb) / 1024 * Decimal("0.0000032")
    assert (row.owner_id, row.used) == (sandbox.id, 1100)
    assert row.amount == (1100 * each_second).quantize(Decimal("0.0001"))


async def test_spans_that_follow_each_other_are_neither_lost_nor_paid_twice(
    novita: AsyncNovita, sim: Simulator, clock: JumpClock
) -> None:
    sim.ledger.begin("one", "gpu", "card", Decimal(3600))
    await clock.advance(1000.3)
    sim.ledger.end("one", at=clock.time() + 500)
    sim.ledger.begin("one", "gpu", "card", Decimal(7200), at=clock.time() + 500)
    await clock.advance(1500)
    (row,) = await novita.account.bills.usage(category="gpu", cycle="month")
    assert (row.used, row.amount) == (2501, Decimal("0.3501"))
    sim.ledger.end("one")
    await clock.advance(10_000)
    assert await novita.account.bills.usage(category="gpu", cycle="month") == [row]


async def test_of_very_many_instances_the_costs_are_kept_and_the_names_are_not(
    novita: AsyncNovita, sim: Simulator
) -> None:
    for count in range(20_001):
        sim.ledger.use("cloud_sandbox", "sandbox", 1, owner=str(count))
    (row,) = await novita.account.bills.usage(category="cloud_sandbox")
    assert (row.owner_id, row.used, row.amount) == ("", 20_001, Decimal("2.0001"))
