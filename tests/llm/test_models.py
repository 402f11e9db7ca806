"""`novita.models`: what is read, how long it is kept, and what a request costs."""

from __future__ import annotations

import asyncio
from decimal import Decimal

import pytest
from helpers import BASE, MODEL, Server, connected, inside, json_reply, over_sockets, refusal, turns

from novita_async.errors import (
    CallTimeout,
    ClientClosed,
    NotFound,
    NovitaError,
    ProtocolError,
    ServerError,
    ValidationError,
)
from novita_async.llm.models import Model, Price

ROW = {
    "id": MODEL,
    "object": "model",
    "created": 1764547200,
    "title": "DeepSeek V3.2",
    "context_size": 163840,
    "max_output_tokens": 65536,
    "features": ["function-calling"],
    "endpoints": ["chat/completions"],
    "input_modalities": ["text", "image"],
    "output_modalities": ["text"],
    "input_token_price_per_m": 2690,
    "output_token_price_per_m": 4000,
    "novel": {"deep": [1]},
}
LISTING = {"data": [ROW, {"id": "a/b/C-1", "input_token_price_per_m": 0, "output_token_price_per_m": 0}]}


def priced(prompt, completion=None, **more):
    buckets = {"prompt": prompt, "completion": completion, **more}
    return {name: {"price_per_m_decimal": price} for name, price in buckets.items() if price is not None}


def model(**fields):
    return Model(**{"id": "x/y", **fields})


@pytest.fixture
async def server(clock):
    return Server(clock, LISTING)


@pytest.fixture
async def novita(server, clock):
    async with connected(server, clock) as novita:
        yield novita


# --------------------------------------------------------------------------------------------- the listing


async def test_a_listing_is_awaited_or_iterated_as_openais_is(novita, server):
    listing = await novita.models.list()
    assert [each.id for each in listing.data] == [MODEL, "a/b/C-1"]
    assert [each.id async for each in novita.models.list()] == [MODEL, "a/b/C-1"]
    assert [each.id async for each in listing] == [each.id for each in listing] == [MODEL, "a/b/C-1"]
    assert (server.requests[0].method, server.requests[0].url) == ("GET", f"{BASE}/openai/v1/models")
    first = listing.data[0]
    assert (first.context_size, first.max_output_tokens, first.title) == (163840, 65536, "DeepSeek V3.2")
    assert listing.raw == LISTING
    assert first.raw == ROW


async def test_a_listing_is_kept_until_it_is_too_old(novita, server, clock):
    for _ in range(3):
        await novita.models.list()
    assert len(server.requests) == 1
    await clock.sleep(299)
    await novita.models.list()
    assert len(server.requests) == 1
    await novita.models.list(max_age=10)
    assert len(server.requests) == 2
    await clock.sleep(300)
    await novita.models.list()
    await novita.models.list(max_age=0)
    assert len(server.requests) == 4


async def test_what_a_caller_drops_from_a_listing_is_not_gone_for_the_others(novita):
    (await novita.models.list()).data.clear()
    assert len((await novita.models.list()).data) == 2


async def test_callers_at_one_time_share_one_request_and_so_do_views(clock):
    gate = asyncio.Event()

    async def slow(_):
        await gate.wait()
        return json_reply(LISTING)

    server = Server(clock, slow)
    async with connected(server, clock) as novita:
        impatient = novita.with_options(timeout=9)
        calls = [asyncio.ensure_future(each.models.get(MODEL)) for each in (novita, novita, impatient, novita)]
        await turns()
        calls[0].cancel()  # whoever came first may leave: the others still get their answer
        await turns()
        gate.set()
        assert {(await call).id for call in calls[1:]} == {MODEL}
        assert calls[0].cancelled()
        await impatient.models.list()
    assert len(server.requests) == 1


async def test_a_request_that_nobody_waits_for_any_more_ends(clock):
    gate = asyncio.Event()

    async def slow(_):
        await gate.wait()
        return json_reply(LISTING)

    server = Server(clock, slow)
    async with connected(server, clock) as novita:
        calls = [asyncio.ensure_future(novita.models.get(MODEL)) for _ in range(2)]
        await turns()
        for call in calls:
            call.cancel()
        await turns()
        assert novita.stats()["open_requests"] == 0
        with pytest.raises(CallTimeout, match="'total' limit of 5 s"):
            await novita.models.list(timeout=5)
        gate.set()
        assert (await novita.models.get(MODEL)).id == MODEL
    assert len(server.requests) == 3


async def test_closing_the_client_ends_the_shared_request_and_what_is_kept(clock):
    hanging = asyncio.Event()
    server = Server(clock, LISTING, lambda _: hanging.wait())
    async with connected(server, clock) as novita:
        await novita.models.list()
        calls = [asyncio.ensure_future(novita.models.list(max_age=0)) for _ in range(2)]
        await turns()
        await novita.aclose()
        ends = await asyncio.gather(*calls, return_exceptions=True)
        assert all(isinstance(end, NovitaError) for end in ends), ends
        with pytest.raises(ClientClosed):
            await novita.models.list()


async def test_a_failure_is_everybodys_and_is_not_kept(clock):
    server = Server(clock, refusal(500), LISTING)
    async with connected(server, clock, max_retries=0) as novita:
        both = await asyncio.gather(*(novita.models.get(MODEL) for _ in range(2)), return_exceptions=True)
        assert [type(each) for each in both] == [ServerError, ServerError]
        assert (await novita.models.get(MODEL)).id == MODEL
    assert len(server.requests) == 2


async def test_a_call_with_headers_or_a_query_of_its_own_asks_and_is_not_kept(novita, server):
    await novita.models.list()
    await novita.models.list(extra_headers={"X-Team": "search"})
    await novita.models.list(extra_query={"kind": "chat"})
    assert [request.url.partition("?")[2] for request in server.requests] == ["", "", "kind=chat"]
    assert server.requests[1].headers["x-team"] == "search"


async def test_raw_responses_have_the_bytes_and_the_models(novita, server):
    raw = await novita.models.with_raw_response.list()
    assert (raw.status_code, raw.parse().data[0].id) == (200, MODEL)
    await novita.models.with_raw_response.list()
    assert len(server.requests) == 2
    server.answers = [ROW]
    assert (await novita.models.with_raw_response.retrieve(MODEL)).parse().raw == ROW


@pytest.mark.parametrize("answer", [{}, {"data": [{"object": "model"}]}, {"data": "none"}])
async def test_what_is_no_listing_is_nonsense(clock, answer):
    async with connected(Server(clock, answer), clock) as novita:
        with pytest.raises(ProtocolError):
            await novita.models.list()


@pytest.mark.parametrize("max_age", [-1, float("nan"), True, "5"])
async def test_a_bad_age_is_refused(novita, server, max_age):
    with pytest.raises(ValidationError, match="max_age must be 0 or more seconds"):
        novita.models.list(max_age=max_age)
    assert server.requests == []


# ----------------------------------------------------------------------------------------------- one model


async def test_slashes_and_case_of_an_id_are_sent_as_they_are(clock):
    server = Server(clock, ROW)
    async with connected(server, clock) as novita:
        for name in ("Sao10K/L3-8B-Stheno-v3.2", "a/b/C-1", "x/y:free", "x/y?z#w %2F"):
            await novita.models.retrieve(name)
    assert [request.url.removeprefix(f"{BASE}/openai/v1/models/") for request in server.requests] == [
        "Sao10K/L3-8B-Stheno-v3.2",
        "a/b/C-1",
        "x/y:free",
        "x/y%3Fz%23w%20%252F",
    ]


@pytest.mark.parametrize("name", ["", None, 7, "../keys", "a//b", "a/./b", "/"])
async def test_what_cannot_be_an_id_is_refused(novita, server, name):
    with pytest.raises(ValidationError):
        await novita.models.retrieve(name)
    assert server.requests == []


async def test_a_model_that_is_not_listed_is_asked_for_by_itself(clock):
    missing = json_reply({"code": 404, "reason": "MODEL_NOT_FOUND", "message": "model not found"}, 404)
    server = Server(clock, LISTING, {"id": "new/one"}, missing)
    async with connected(server, clock) as novita:
        assert (await novita.models.get("a/b/C-1")).id == "a/b/C-1"
        assert len(server.requests) == 1
        assert (await novita.models.get("new/one")).id == "new/one"
        with pytest.raises(NotFound, match="MODEL_NOT_FOUND"):
            await novita.models.get("no/such")


def test_what_a_model_supports_is_in_its_features_endpoints_and_modalities():
    listed = model(
        features=["function-calling", "brand-new"], endpoints=["anthropic"], input_modalities=["text", "image"]
    )
    for name in ("function-calling", "brand-new", "anthropic", "image"):
        assert listed.supports(name)
    for name in ("reasoning", "batch-api", "audio"):
        assert not listed.supports(name)
        assert not model().supports(name)


def test_a_name_that_nobody_knows_is_refused_with_a_hint():
    with pytest.raises(ValidationError, match=r"'function_calling' is no feature.*did you mean 'function-calling'"):
        model().supports("function_calling")
    with pytest.raises(ValidationError, match="known are anthropic, audio"):
        model().supports("zzz")


# -------------------------------------------------------------------------------------------------- prices


def test_a_flat_price_is_in_ten_thousandths_of_a_dollar():
    price = model(input_token_price_per_m=3900, output_token_price_per_m=4000).price
    assert price == Price(input=Decimal("0.39"), output=Decimal("0.4"))
    assert isinstance(price.input, Decimal)
    assert model().price == Price()
    assert model(input_token_price_per_m=0, output_token_price_per_m=0).price == Price(
        input=Decimal(0), output=Decimal(0)
    )


async def test_the_decimal_text_wins_over_the_units_and_both_over_the_flat_price(clock):
    pricing = {
        "prompt": {"price_per_m": 1500, "price_per_m_decimal": "0.155"},
        "completion": {"price_per_m": 6000, "price_per_m_decimal": None},
        "input_cache_read": {"price_per_m_decimal": 0.03},
        "input_cache_write": {"price_per_m_decimal": "free", "price_per_m": "12"},
        "novel": {},
    }
    row = {"id": "x/y", "input_token_price_per_m": 1, "output_token_price_per_m": "2", "pricing": pricing}
    async with connected(Server(clock, row), clock) as novita:
        price = (await novita.models.retrieve("x/y")).price
    assert price == Price(
        input=Decimal("0.155"), output=Decimal("0.6"), cache_read=Decimal("0.03"), cache_write=Decimal("0.0012")
    )


@pytest.mark.parametrize(
    ("tokens", "price"),
    [(0, "0.1"), (1, "0.1"), (32_767, "0.1"), (32_768, "0.2"), (131_072, "0.4"), (10**7, "0.4")],
)
async def test_a_tiered_price_is_that_of_the_prompts_size(clock, tokens, price):
    tiers = [  # in no order, and the last one without an end
        {"min_tokens": 131_072, "max_tokens": None, "pricing": priced("0.4", "4")},
        {"min_tokens": 1, "max_tokens": 32_768, "pricing": priced("0.1", "1", input_cache_read="0.01")},
        {"min_tokens": 32_768, "max_tokens": 131_072, "pricing": priced("0.2")},
    ]
    row = {"id": "x/y", "input_token_price_per_m": 0, "is_tiered_billing": True, "tiered_billing_configs": tiers}
    row["pricing"] = priced(None, "9")
    async with connected(Server(clock, row), clock) as novita:
        found = await novita.models.retrieve("x/y")
    assert found.price_at(tokens).input == Decimal(price)
    assert found.price == found.price_at(0)
    assert found.price.cache_read == Decimal("0.01")
    assert found.price_at(50_000).output == 9  # what a tier does not say is said for all of them


def test_a_tiered_price_that_is_not_told_is_not_free():
    assert model(input_token_price_per_m=0, is_tiered_billing=True).price.input is None


# ------------------------------------------------------------------------------------------- the simulator


async def test_the_simulators_models_are_read_whole(sim):
    async with inside(sim) as novita:
        listing = await novita.models.list()
        one = await novita.models.retrieve(MODEL)
        assert one == await novita.models.get(MODEL)
        assert len(listing.data) > 10
        assert one.supports("chat/completions")
        assert one.price.input == Decimal("0.269")
        with pytest.raises(NotFound, match="MODEL_NOT_FOUND"):
            await novita.models.retrieve("no/such")


async def test_an_id_with_capitals_and_slashes_gets_through_real_sockets(sim):
    async with over_sockets(sim) as novita:
        assert (await novita.models.retrieve("Sao10K/L3-8B-Stheno-v3.2")).id == "Sao10K/L3-8B-Stheno-v3.2"
        assert len((await novita.models.list()).data) > 10
