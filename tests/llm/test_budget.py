"""Budgets: the most of a call is set aside before it is sent, what it used is booked after, and nothing gets lost."""

from __future__ import annotations

import asyncio
import random
from decimal import Decimal

import pytest
from helpers import (
    ASK,
    MODEL,
    Server,
    chunk,
    completion,
    connected,
    events,
    inside,
    json_reply,
    refusal,
    several,
    turns,
)
from prices import answer, chunks, priced, with_prices

from novita_async import Budget, Limits, Reply, RetryPolicy
from novita_async.errors import (
    APIError,
    BudgetExceeded,
    CallTimeout,
    ClientClosed,
    ConfigError,
    ConnectError,
    ConnectionLost,
    NovitaError,
    ProtocolError,
    StreamCut,
    ValidationError,
)
from novita_async.llm.budget import Meter
from novita_async.runtime.call import Call
from novita_async.simulator import Refuse

PRICES = priced(prompt="1", completion="10")  # dollars for a million tokens; 100 tokens come back at most
ONCE = RetryPolicy(attempts=1)
COST = Decimal("0.0015")  # of `answer()`: 1000 tokens of prompt, 50 of completion
ASKED = 100 * Decimal(10) / 1_000_000  # what the longest answer costs; the prompt is a few tokens more


@pytest.fixture
def budgeted(clock):
    """`async with budgeted(budget, *answers)`: a client whose models have prices."""

    def make(budget, *answers, listing=PRICES, **settings):
        settings = {"budget": budget, "retry": ONCE, **settings}
        return connected(with_prices(clock, listing, *answers), clock, **settings)

    return make


def most_of(body=b"", longest=100):
    return (len(body) // 4 + longest * 10) * Decimal(1) / 1_000_000


# -------------------------------------------------------------------------------------------- the object


@pytest.mark.parametrize(
    ("usd", "limit"), [(1, "1"), (0.1, "0.1"), ("2.50", "2.50"), (Decimal("0.003"), "0.003"), ("1e-3", "0.001")]
)
def test_a_budget_is_dollars_in_any_form(usd, limit):
    budget = Budget(usd)
    assert budget.limit == budget.left == Decimal(limit)
    assert budget.spent == budget.reserved == 0


@pytest.mark.parametrize("usd", [0, -1, "much", "nan", "inf", float("inf"), True, None])
def test_what_is_no_budget_is_refused(usd):
    with pytest.raises(ConfigError, match="budget"):
        Budget(usd)


def test_an_unknown_way_with_the_unknown_is_refused():
    with pytest.raises(ConfigError, match="unknown"):
        Budget(1, unknown="maybe")  # type: ignore[arg-type]  # what is tested


def test_a_budget_shows_what_became_of_it():
    budget = Budget("0.5")
    budget.reserve(Decimal("0.2"))
    budget.book(Decimal("0.2"), Decimal("0.05"))
    assert repr(budget) == "<Budget 0.5 USD, 0.05 spent, 0.0 reserved>"
    assert budget.left == Decimal("0.45")


# ----------------------------------------------------------------------------- set aside, booked, set free


async def test_the_most_is_set_aside_while_a_call_is_under_way_and_what_it_used_is_booked(clock, budgeted):
    budget = Budget(1)
    seen = []

    def look(request):
        seen.append((budget.reserved, request.body))
        return answer()

    async with budgeted(budget, look) as novita:
        await novita.chat.completions.create(**ASK)
        assert seen[0][0] == most_of(seen[0][1])
        assert (budget.spent, budget.reserved) == (COST, 0)
        assert await novita.usage.cost() == COST


async def test_a_raw_answer_is_booked_as_any_other(budgeted):
    budget = Budget(1)
    async with budgeted(budget, answer()) as novita:
        await novita.chat.completions.with_raw_response.create(**ASK)
    assert (budget.spent, budget.reserved) == (COST, 0)


@pytest.mark.parametrize(
    ("extra", "longest"),
    [({"max_tokens": 7}, 7), ({"max_tokens": 7, "n": 3}, 21), ({"n": 2}, 200), ({"extra_body": {"max_tokens": 9}}, 9)],
)
async def test_what_bounds_the_answer_bounds_what_is_set_aside(budgeted, extra, longest):
    budget = Budget(1)
    seen = []
    async with budgeted(budget, lambda request: seen.append((budget.reserved, request.body)) or answer()) as novita:
        await novita.chat.completions.create(**ASK, **extra)
    assert seen[0][0] == most_of(seen[0][1], longest)


async def test_embeddings_set_aside_no_answer(budgeted):
    budget = Budget(1)
    seen = []
    reply = {"data": [{"index": 0, "embedding": [0.5]}], "usage": {"prompt_tokens": 4, "total_tokens": 4}}
    async with budgeted(budget, lambda request: seen.append((budget.reserved, request.body)) or reply) as novita:
        await novita.embeddings.create(model=MODEL, input="a lighthouse")
    assert seen[0][0] == most_of(seen[0][1], 0)
    assert budget.spent == Decimal("0.000004")


async def test_what_does_not_fit_is_refused_before_a_byte_leaves(clock, budgeted):
    budget = Budget("0.0011")
    async with budgeted(budget, answer({"prompt_tokens": 0, "completion_tokens": 50, "total_tokens": 50})) as novita:
        await novita.chat.completions.create(**ASK)
        with pytest.raises(BudgetExceeded, match="max_tokens") as refused:
            await novita.chat.completions.create(**ASK)
        error = refused.value
        assert (error.limit, error.spent, error.reserved) == (Decimal("0.0011"), Decimal("0.0005"), 0)
        assert error.needed > ASKED
        assert novita.stats()["requests"] == 2  # the listing, and the first call
        await novita.chat.completions.create(**ASK, max_tokens=10)  # a smaller one does fit


#: What happens, whether the platform charges it, and what the caller gets.
ENDINGS = [
    (refusal(400), False, APIError),
    (refusal(401), False, APIError),
    (refusal(403, "NOT_ENOUGH_BALANCE"), False, APIError),
    (refusal(404, "MODEL_NOT_FOUND"), False, APIError),
    (refusal(429), False, APIError),
    (refusal(500), False, APIError),
    (refusal(503), False, APIError),
    (refusal(504), False, APIError),
    (refusal(502), True, APIError),
    (ConnectError("refused"), False, ConnectError),
    (ConnectionLost("gone"), True, ConnectionLost),
    ({"code": 503, "reason": "SERVICE_NOT_AVAILABLE", "message": "busy"}, False, APIError),
    (lambda _: json_reply("no completion"), True, ProtocolError),
    (completion(), True, None),  # it tells no usage
]


@pytest.mark.parametrize(("what", "charged", "error"), ENDINGS)
async def test_every_ending_is_booked_as_the_platform_charges_it(budgeted, what, charged, error):
    budget = Budget(1)
    async with budgeted(budget, what) as novita:
        if error is None:
            await novita.chat.completions.create(**ASK)
        else:
            with pytest.raises(error):
                await novita.chat.completions.create(**ASK)
    assert budget.reserved == 0
    assert (budget.spent > ASKED) if charged else (budget.spent == 0)


async def test_a_repeated_call_is_booked_for_every_attempt_that_may_have_been_charged(budgeted):
    budget = Budget(1)
    async with budgeted(budget, refusal(429), ConnectionLost("gone"), answer(), retry=RetryPolicy()) as novita:
        await novita.chat.completions.create(**ASK)
    assert budget.reserved == 0
    assert COST + ASKED < budget.spent < COST + 2 * ASKED


async def test_a_repeat_that_does_not_fit_any_more_is_not_sent(budgeted):
    budget = Budget(ASKED * Decimal("1.5"))
    async with budgeted(budget, ConnectionLost("gone"), answer(), retry=RetryPolicy()) as novita:
        with pytest.raises(BudgetExceeded) as refused:
            await novita.chat.completions.create(**ASK)
        assert isinstance(refused.value.__context__, ConnectionLost)
        assert novita.stats()["requests"] == 2
    assert budget.reserved == 0
    assert budget.spent > ASKED


async def test_a_call_that_is_cancelled_is_booked_when_it_was_sent_and_free_when_it_waited(clock, budgeted):
    budget = Budget(1)

    async def never(request):
        await clock.sleep(1e6)

    async with budgeted(budget, never, limits=Limits(requests=1)) as novita:
        await novita.models.list()
        sent, waiting = (asyncio.create_task(novita.chat.completions.create(**ASK)) for _ in range(2))
        await turns()
        assert budget.reserved > 2 * ASKED
        waiting.cancel()
        await asyncio.wait([waiting])
        assert ASKED < budget.reserved < 2 * ASKED
        assert budget.spent == 0
        sent.cancel()
        await asyncio.wait([sent])
        assert budget.reserved == 0
        assert ASKED < budget.spent < 2 * ASKED


@pytest.mark.parametrize("sent", [True, False])
async def test_a_call_that_times_out_is_booked_when_it_was_sent(clock, budgeted, sent):
    budget = Budget(1)

    async def slow(request):
        await clock.sleep(100)
        return answer()

    async with budgeted(budget, slow, limits=Limits(requests=1)) as novita:
        await novita.models.list()
        if not sent:
            novita._core().slots.acquire_nowait()
        with pytest.raises(CallTimeout):
            await novita.chat.completions.create(**ASK, timeout=5)
        if not sent:
            novita._core().slots.release()
    assert budget.reserved == 0
    assert (budget.spent > 0) == sent


async def test_a_closed_client_sets_everything_free_that_was_not_sent(clock, budgeted):
    budget = Budget(1)
    async with budgeted(budget, answer(), limits=Limits(rpm=1)) as novita:
        await novita.chat.completions.create(**ASK)
        waiting = [asyncio.create_task(novita.chat.completions.create(**ASK)) for _ in range(5)]
        await turns()
        assert budget.reserved > 0
        await novita.aclose()
        results = await asyncio.gather(*waiting, return_exceptions=True)
        assert {type(result) for result in results} == {ClientClosed}
        with pytest.raises(ClientClosed):
            await novita.chat.completions.create(**ASK)
    assert (budget.spent, budget.reserved) == (COST, 0)


# ----------------------------------------------------------------------------------------------- streams


async def read(novita, **params):
    async with await novita.chat.completions.create(**ASK, stream=True, **params) as stream:
        async for _ in stream:
            pass


async def test_a_stream_is_booked_by_the_usage_it_brought_once_it_is_over(budgeted):
    budget = Budget(1)
    async with budgeted(budget, chunks({"prompt_tokens": 1000, "completion_tokens": 50})) as novita:
        async with await novita.chat.completions.create(**ASK, stream=True) as stream:
            await anext(stream)
            assert budget.reserved > ASKED
            async for _ in stream:
                pass
        await stream.aclose()
    assert (budget.spent, budget.reserved) == (COST, 0)


@pytest.mark.parametrize("way", ["left", "told nothing", "cut", "aborted with the client"])
async def test_a_stream_that_told_no_usage_is_booked_as_the_most(budgeted, way):
    budget = Budget(1)
    reply = (lambda _: events(chunk("hel"))) if way == "cut" else chunks()
    async with budgeted(budget, reply) as novita:
        stream = await novita.chat.completions.create(**ASK, stream=True)
        if way == "left":
            await anext(stream)
            await stream.aclose()
        elif way == "aborted with the client":
            await novita.aclose()
        else:
            async with stream:
                try:
                    async for _ in stream:
                        pass
                except StreamCut:
                    assert way == "cut"
        assert budget.reserved == 0
    assert ASKED < budget.spent < 2 * ASKED


async def test_a_stream_that_is_left_after_it_told_a_usage_is_booked_by_that(budgeted):
    budget = Budget(1)
    async with budgeted(budget, chunks({"prompt_tokens": 1000, "completion_tokens": 50}, {})) as novita:
        stream = await novita.chat.completions.create(**ASK, stream=True)
        while (await anext(stream)).usage is None:
            pass
        await stream.aclose()
    assert (budget.spent, budget.reserved) == (COST, 0)


async def test_a_stream_that_was_refused_before_its_content_and_repeated_is_booked_once(budgeted):
    budget = Budget(1)
    busy = b'data: {"code": 429, "reason": "RATE_LIMIT_EXCEEDED", "message": "busy"}\n\n'
    good = chunks({"prompt_tokens": 1000, "completion_tokens": 50})
    async with budgeted(budget, lambda _: events(busy), good, retry=RetryPolicy()) as novita:
        await read(novita)
    assert (budget.spent, budget.reserved) == (COST, 0)


async def test_a_stream_that_was_refused_for_good_before_its_content_costs_nothing(budgeted):
    budget = Budget(1)
    wrong = b'data: {"code": 400, "reason": "INVALID_REQUEST_BODY", "message": "no"}\n\n'
    async with budgeted(budget, lambda _: events(wrong)) as novita:
        with pytest.raises(APIError):
            await read(novita)
    assert (budget.spent, budget.reserved) == (0, 0)


async def test_a_stream_that_is_closed_while_it_is_repeated_leaves_nothing_set_aside(clock, budgeted):
    budget = Budget(1)
    busy = events(b'data: {"code": 503, "reason": "SERVICE_NOT_AVAILABLE", "message": "busy"}\n\n')
    busy = Reply(200, {**busy.headers, "retry-after": "3"}, busy.body)

    async def slow(request):
        await clock.sleep(10)
        return events(several(chunk("a"), chunk(finish="stop")))

    for number, wait in enumerate((1, 5), 1):  # in the wait before the repeat, and while that is sent
        async with budgeted(budget, busy, slow, retry=RetryPolicy()) as novita:
            stream = await novita.chat.completions.create(**ASK, stream=True)
            reading = asyncio.create_task(anext(stream, None))
            await clock.sleep(wait)
            await stream.aclose()
            await asyncio.gather(reading, return_exceptions=True)
        assert budget.reserved == 0
        assert number * ASKED < budget.spent < (number + 1) * ASKED  # the repeat was sent


# ------------------------------------------------------------------------------------- who is held to it


async def test_calls_under_a_budget_of_their_own_are_held_to_it_in_place_of_the_clients(budgeted):
    mine, yours = Budget(1), Budget(2)
    async with budgeted(mine, answer()) as novita:
        view = novita.with_options(budget=yours)
        await view.chat.completions.create(**ASK)
        await view.with_options(timeout=9).chat.completions.create(**ASK)
        await novita.chat.completions.create(**ASK)
        assert (mine.spent, yours.spent) == (COST, 2 * COST)
        assert novita.usage.total.requests == 3


async def test_whoever_is_given_the_same_budget_shares_it(budgeted):
    budget = Budget(COST + ASKED)
    async with budgeted(None, answer()) as novita:
        one, two = (novita.with_options(budget=budget) for _ in range(2))
        await one.chat.completions.create(**ASK)
        with pytest.raises(BudgetExceeded):
            await two.chat.completions.create(**ASK)
        await novita.chat.completions.create(**ASK)
        assert budget.spent == COST


async def test_the_listing_is_asked_for_once_for_all_calls_and_never_without_a_budget(clock):
    handler = with_prices(clock, PRICES, answer())
    async with connected(handler, clock) as novita:
        await novita.chat.completions.create(**ASK)
        assert handler.listings == 0
        view = novita.with_options(budget=Budget(10))
        await asyncio.gather(*(view.chat.completions.create(**ASK) for _ in range(50)))
        await novita.with_options(budget=Budget(10)).chat.completions.create(**ASK)
        assert handler.listings == 1


@pytest.mark.parametrize("listing", [priced(model="another/model", prompt="1", completion="1"), priced(prompt="1")])
async def test_a_call_whose_most_cannot_be_told_is_refused_or_allowed_as_the_budget_says(budgeted, listing):
    strict, lax = Budget(1), Budget(1, unknown="allow")
    async with budgeted(strict, answer(), listing=listing) as novita:
        with pytest.raises(ValidationError, match="allow"):
            await novita.chat.completions.create(**ASK)
        sent = novita.stats()["requests"]
        lenient = novita.with_options(budget=lax)
        for _ in range(5):
            await lenient.chat.completions.create(**ASK)
        assert novita.stats()["requests"] <= sent + 5 + 1  # what is not listed is asked for once, not at every call
    assert strict.spent == lax.spent == lax.reserved == 0


async def test_a_model_without_a_longest_answer_is_held_to_its_context_or_needs_max_tokens(clock):
    async def ask(row, body):
        handler = with_prices(clock, {"data": [{**PRICES["data"][0], "max_output_tokens": None, **row}]}, answer())
        async with connected(handler, clock) as novita:
            budget = Budget(1)
            hold = await Meter(budget, novita.models).hold(Call(method="POST", url="u", model=MODEL, body=body))
            hold.settle(None)
            return hold._most

    assert await ask({"context_size": 400}, b"") == most_of(b"", 400)
    assert await ask({}, b'{"max_tokens": 5}') == most_of(b" " * 17, 5)
    with pytest.raises(ValidationError, match="max_tokens"):
        await ask({}, b"{}")


async def test_a_refused_listing_is_told_and_nothing_is_sent(clock):
    server = Server(clock, refusal(401))
    async with connected(server, clock, budget=Budget(1)) as novita:
        with pytest.raises(APIError):
            await novita.chat.completions.create(**ASK)
    assert len(server.requests) == 1


async def test_finding_the_price_is_within_the_time_of_the_call(clock):
    async def slow(request):
        await clock.sleep(100)
        return PRICES

    async with connected(Server(clock, slow), clock, budget=Budget(1)) as novita:
        with pytest.raises(CallTimeout):
            await novita.chat.completions.create(**ASK, timeout=5)
        assert clock.monotonic() == pytest.approx(5)


# ------------------------------------------------------------------------------------------ many at once


@pytest.mark.parametrize("dollars", ["0.05", "100"])
async def test_five_hundred_calls_at_once_never_overspend_and_everything_comes_back(clock, budgeted, dollars):
    luck = random.Random(7)
    budget = Budget(dollars)

    async def server(request):
        assert budget.spent + budget.reserved <= budget.limit
        await clock.sleep(luck.random())
        ending = luck.choice(["whole", "whole", "stream", "lost", "busy", "wrong", "slow"])
        used = {"prompt_tokens": luck.randrange(20), "completion_tokens": luck.randrange(100)}
        if ending == "lost":
            raise ConnectionLost("gone")
        if ending == "slow":
            await clock.sleep(50)
        if ending in ("busy", "wrong"):
            return refusal(503 if ending == "busy" else 400)
        return chunks(used)(request) if b'"stream":true' in request.body else answer(used)

    async with budgeted(budget, server, limits=Limits(requests=60), retry=RetryPolicy()) as novita:

        async def call(number):
            if number % 3 == 0:
                await read(novita, timeout=20)
            else:
                await novita.chat.completions.create(**ASK, timeout=20 if number % 5 else None)

        tasks = [asyncio.create_task(call(number)) for number in range(500)]
        await clock.sleep(3)
        for task in tasks[::17]:
            task.cancel()
        results = await asyncio.gather(*tasks, return_exceptions=True)
    allowed = (NovitaError, asyncio.CancelledError)
    assert all(result is None or isinstance(result, allowed) for result in results), results
    assert budget.reserved == 0
    assert 0 < budget.spent <= budget.limit
    refused = sum(isinstance(result, BudgetExceeded) for result in results)
    assert (refused == 0) == (dollars == "100")


async def test_the_simulator_is_never_asked_for_more_than_the_budget(sim):
    budget = Budget("0.002")
    sim.fault("POST", "/openai/v1/chat/completions", Refuse.with_status(503), times=5)
    async with inside(sim, budget=budget) as novita:
        results = await asyncio.gather(
            *(novita.chat.completions.create(**ASK, max_tokens=50) for _ in range(300)), return_exceptions=True
        )
        answers = [result for result in results if not isinstance(result, BaseException)]
        assert {type(result) for result in results if isinstance(result, BaseException)} == {BudgetExceeded}
        assert 0 < budget.spent == await novita.usage.cost() < budget.limit
        assert novita.usage.total.requests == len(answers)
    assert budget.reserved == 0
