"""`novita.usage`: every call that tells what it used is counted once, and priced when somebody asks."""

from __future__ import annotations

import asyncio
from decimal import Decimal

import pytest
from helpers import ASK, MODEL, Server, completion, connected, inside, json_reply, refusal
from prices import USAGE, answer, chunks, priced, with_prices

from novita_async.errors import APIError, ValidationError
from novita_async.llm.types import Usage
from novita_async.llm.usage import Totals, tokens_in, tokens_of
from novita_async.runtime.meter import Tokens

ONE = Totals(requests=1, prompt_tokens=1000, completion_tokens=50, cached_tokens=400, reasoning_tokens=20)


# ---------------------------------------------------------------------------------------------- counted


async def test_a_whole_answer_is_counted_once(clock):
    async with connected(Server(clock, answer()), clock) as novita:
        assert novita.usage.total == Totals()
        await novita.chat.completions.create(**ASK)
        assert novita.usage.total == novita.usage.of(MODEL) == ONE
        assert novita.usage.total.total_tokens == 1050
        assert novita.usage.by_model() == {MODEL: ONE}
        assert novita.usage.of("another/model") == Totals()


async def test_a_raw_answer_is_counted_without_being_parsed(clock):
    async with connected(Server(clock, answer()), clock) as novita:
        raw = await novita.chat.completions.with_raw_response.create(**ASK)
        assert novita.usage.total == ONE
        raw.parse()
        assert novita.usage.total == ONE


async def test_the_last_usage_of_a_stream_counts_and_the_stream_once(clock):
    early = {**USAGE, "completion_tokens": 7}
    async with connected(Server(clock, chunks(early, USAGE)), clock) as novita:
        async with await novita.chat.completions.create(**ASK, stream=True) as stream:
            async for _ in stream:
                pass
            await stream.aclose()
        assert novita.usage.total == ONE
        async with novita.chat.completions.stream(**ASK) as stream:
            await stream.final()
        assert novita.usage.total.requests == 2


async def test_what_told_no_usage_or_was_refused_is_not_counted(clock):
    server = Server(clock, completion(), chunks(), refusal(400), answer(None))
    async with connected(server, clock) as novita:
        await novita.chat.completions.create(**ASK)
        async with novita.chat.completions.stream(**ASK) as stream:
            await stream.final()
        with pytest.raises(APIError):
            await novita.chat.completions.create(**ASK)
        await novita.chat.completions.create(**ASK)
        assert novita.usage.total == Totals()
        assert novita.usage.by_model() == {}


async def test_a_repeated_call_is_counted_once(clock):
    server = Server(clock, refusal(503), refusal(429), answer())
    async with connected(server, clock) as novita:
        await novita.chat.completions.create(**ASK)
        assert novita.usage.total == ONE


async def test_views_of_a_client_count_together_and_a_reset_begins_again(clock):
    async with connected(Server(clock, answer()), clock) as novita:
        view = novita.with_options(timeout=5)
        await view.chat.completions.create(**ASK)
        await novita.chat.completions.create(**ASK, stream=None)
        assert view.usage.total.requests == novita.usage.total.requests == 2
        view.usage.reset()
        assert novita.usage.total == Totals()
        await view.chat.completions.create(**ASK)
        assert novita.usage.total == ONE


async def test_many_calls_are_counted_in_little_memory(clock):
    async with connected(Server(clock, answer()), clock) as novita:
        for _ in range(3):
            await asyncio.gather(*(novita.chat.completions.create(**ASK) for _ in range(200)))
        assert novita.usage.total.requests == 600
        assert novita.usage.total.cached_tokens == 240_000
        counts = novita._core().shared["usage"]
        assert len(counts.rows[MODEL]) == 1


async def test_every_endpoint_of_the_simulator_is_counted(sim):
    texts = ["a lighthouse", "a foghorn"]
    async with inside(sim) as novita:
        usage = novita.usage
        expected = []

        def note(prompt, answered):
            expected.append((prompt, answered))
            total = usage.total
            assert total.requests == len(expected)
            assert total.prompt_tokens == sum(prompt for prompt, _ in expected)
            assert total.completion_tokens == sum(answered for _, answered in expected)

        chat = await novita.chat.completions.create(**ASK)
        note(chat.usage.prompt_tokens, chat.usage.completion_tokens)
        parsed = await novita.chat.completions.parse(**ASK, response_format=list[int])
        note(parsed.usage.prompt_tokens, parsed.usage.completion_tokens)
        text = await novita.completions.create(model=MODEL, prompt="a light", max_tokens=5)
        note(text.usage.prompt_tokens, text.usage.completion_tokens)
        vectors = await novita.embeddings.create(model="baai/bge-m3", input=texts)
        note(vectors.usage.prompt_tokens, 0)
        ranked = await novita.rerank.create(model="baai/bge-reranker-v2-m3", query="light", documents=texts)
        note(ranked.usage.prompt_tokens, 0)
        message = await novita.messages.create(**ASK, max_tokens=20)
        cached = message.usage.cache_read_input_tokens or 0
        note(message.usage.input_tokens + cached, message.usage.output_tokens)
        async with novita.messages.stream(**ASK, max_tokens=20) as stream:
            message = await stream.get_final_message()
        cached = message.usage.cache_read_input_tokens or 0
        note(message.usage.input_tokens + cached, message.usage.output_tokens)
        assert set(usage.by_model()) == {MODEL, "baai/bge-m3", "baai/bge-reranker-v2-m3"}


@pytest.mark.parametrize("stream", [False, True])
async def test_responses_are_counted_from_their_own_names(sim, stream):
    async with inside(sim) as novita:
        model = next(each.id for each in await novita.models.list() if each.supports("responses"))
        answer = await novita.responses.create(model=model, input="hello", stream=stream)
        told = None
        if stream:
            async with answer:
                async for event in answer:
                    told = (event.get("response") or {}).get("usage") or told
        else:
            told = answer.raw["usage"]
        total = novita.usage.of(model)
        assert total.requests == 1
        assert (total.prompt_tokens, total.completion_tokens) == (told["input_tokens"], told["output_tokens"])


@pytest.mark.parametrize(
    ("usage", "expected"),
    [
        (None, None),
        ("nonsense", None),
        ({"prompt_tokens": "many"}, None),
        ({}, Tokens(0, 0)),
        ({"prompt_tokens": 3, "completion_tokens": None}, Tokens(3, 0)),
        ({"prompt_tokens": 3, "prompt_tokens_details": {"cached_tokens": 2}}, Tokens(3, 0, 2)),
        ({"total_tokens": 9, "completion_tokens": 2}, Tokens(7, 2)),
        ({"input_tokens": 5, "output_tokens": 6}, Tokens(5, 6)),
        # Messages count what the cache read and wrote beside their input tokens, responses within.
        ({"input_tokens": 5, "cache_read_input_tokens": 7, "cache_creation_input_tokens": 1}, Tokens(13, 0, 7)),
        ({"input_tokens": 5, "input_tokens_details": {"cached_tokens": 4}, "output_tokens": 1}, Tokens(5, 1, 4)),
        ({"prompt_tokens": 5, "cache_read_input_tokens": 4}, Tokens(5, 0, 4)),
        ({"output_tokens": 9, "output_tokens_details": {"reasoning_tokens": 8}}, Tokens(0, 9, 0, 8)),
        (Usage(total_tokens=4), Tokens(4, 0)),
        (Tokens(1, 2), Tokens(1, 2)),
    ],
)
def test_usage_is_read_in_the_shape_of_every_endpoint(usage, expected):
    assert tokens_of(usage) == expected
    if isinstance(usage, dict):
        assert tokens_in(json_reply({"usage": usage}).body) == expected


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b'{"usage": 7}', b'{"usage": null}', b"\xff"])
def test_a_body_without_usage_tells_none(body):
    assert tokens_in(body) is None


# ------------------------------------------------------------------------------------------------ priced


async def test_cached_tokens_cost_what_the_cache_costs_and_the_listing_is_asked_for_once(clock):
    handler = with_prices(clock, priced(prompt="0.4", completion="2", input_cache_read="0.1"), answer())
    async with connected(handler, clock) as novita:
        await asyncio.gather(*(novita.chat.completions.create(**ASK) for _ in range(10)))
        assert handler.listings == 0  # counting asks for no price
        each = (600 * Decimal("0.4") + 400 * Decimal("0.1") + 50 * Decimal(2)) / 1_000_000
        assert await novita.usage.cost() == await novita.usage.cost(MODEL) == 10 * each
        assert handler.listings == 1


async def test_without_a_price_of_the_cache_its_tokens_cost_as_others_do(clock):
    handler = with_prices(clock, priced(prompt="0.4", completion="2"), answer())
    async with connected(handler, clock) as novita:
        await novita.chat.completions.create(**ASK)
        assert await novita.usage.cost() == Decimal("0.0005")


async def test_prices_that_go_by_the_size_of_the_prompt_go_by_that_of_each_request(clock):
    listing = priced(prompt="1", completion="0", tiers=[(1, "1"), (32001, "3")])
    usages = [
        {"prompt_tokens": size, "completion_tokens": 0, "total_tokens": size} for size in (31_000, 40_000, 31_990)
    ]
    handler = with_prices(clock, listing, *(answer(usage) for usage in usages))
    async with connected(handler, clock) as novita:
        for _ in usages:
            await novita.chat.completions.create(**ASK)
        assert await novita.usage.cost() == (31_000 + 3 * 40_000 + 31_990) * Decimal(1) / 1_000_000


async def test_nothing_used_costs_nothing_and_asks_nobody(clock):
    handler = with_prices(clock, priced(), answer())
    async with connected(handler, clock) as novita:
        assert await novita.usage.cost() == 0
        assert await novita.usage.cost("a/b") == 0
        assert handler.listings == 0


@pytest.mark.parametrize("listing", [priced(model="another/model", prompt="1"), priced(prompt="1"), priced()])
async def test_a_model_without_a_price_is_named(clock, listing):
    handler = with_prices(clock, listing, answer())
    async with connected(handler, clock) as novita:
        await novita.chat.completions.create(**ASK)
        with pytest.raises(ValidationError, match=MODEL):
            await novita.usage.cost()


async def test_a_free_model_costs_nothing(clock):
    handler = with_prices(clock, priced(prompt="0", completion="0"), answer())
    async with connected(handler, clock) as novita:
        await novita.chat.completions.create(**ASK)
        assert await novita.usage.cost() == 0
