"""Media jobs under a budget: what a job costs is said by the caller, set aside while it is sent, and booked once."""

from __future__ import annotations

from decimal import Decimal

import pytest
from helpers import Server, connected, inside, refusal

from novita_async import Budget, Reply
from novita_async.errors import BadRequest, BudgetExceeded, ConfigError, ConnectionLost, OutcomeUnknown, ValidationError
from novita_async.simulator import Drop, Refuse

VIDEO = "kling-v3.0-std-t2v"
ASK = {"prompt": "a lighthouse"}
SPEECH = "minimax-speech-2.8-turbo"


async def test_a_job_is_booked_when_it_was_taken_and_one_that_does_not_fit_is_not_sent(sim):
    budget = Budget("0.10", media_prices={VIDEO: "0.06"})
    async with inside(sim) as client:
        novita = client.with_options(budget=budget)
        task = await novita.videos.submit(VIDEO, **ASK)
        assert (budget.spent, budget.reserved, budget.left) == (Decimal("0.06"), 0, Decimal("0.04"))
        sent = len(sim.requests)
        with pytest.raises(BudgetExceeded) as refused:
            await novita.videos.run(VIDEO, **ASK)
        assert (refused.value.needed, refused.value.spent, len(sim.requests)) == (Decimal("0.06"), budget.spent, sent)
        await task.wait()
        assert budget.spent == Decimal("0.06")
        await client.videos.run(VIDEO, **ASK)  # without the budget
        assert budget.spent == Decimal("0.06")


async def test_what_the_platform_refused_is_free_and_what_nobody_knows_is_booked(sim):
    budget = Budget(1, media_prices={VIDEO: 0.25})
    async with inside(sim, budget=budget) as novita:
        sim.fault("POST", "/v3/async/kling-v3.0-std-t2v", Refuse.with_status(400))
        with pytest.raises(BadRequest):
            await novita.videos.submit(VIDEO, **ASK)
        assert (budget.spent, budget.reserved) == (0, 0)
        with pytest.raises(ValidationError):
            await novita.videos.submit(VIDEO, prompt=7)
        assert (budget.spent, budget.reserved) == (0, 0)
        sim.fault("POST", "/v3/async/kling-v3.0-std-t2v", Drop.before_headers())
        with pytest.raises(OutcomeUnknown):
            await novita.videos.submit(VIDEO, **ASK)
        assert (budget.spent, budget.reserved) == (Decimal("0.25"), 0)


async def test_a_gateway_that_lost_an_answer_may_have_begun_a_job(clock):
    budget = Budget(1, media_prices={"new-model": "0.25"})
    async with connected(Server(clock, refusal(504)), clock, budget=budget) as novita:
        with pytest.raises(Exception, match="504"):
            await novita.media.submit_path("/v3/async/new-model", {"prompt": "x"})
    assert (budget.spent, budget.reserved) == (Decimal("0.25"), 0)


async def test_a_model_without_a_price_is_refused_unless_that_is_allowed(sim):
    async with inside(sim) as client:
        with pytest.raises(ValidationError, match=r"media_prices=.'kling-v3.0-std-t2v'"):
            await client.with_options(budget=Budget(1)).videos.submit(VIDEO, **ASK)
        with pytest.raises(ValidationError, match=r"kling-v3\.0-std-t2v"):
            await client.with_options(budget=Budget(1)).media.submit_path("/v3/async/kling-v3.0-std-t2v", {})
        assert sim.requests == []
        budget = Budget(1, unknown="allow")
        await client.with_options(budget=budget).videos.submit(VIDEO, **ASK)
        assert (budget.spent, budget.reserved) == (0, 0)


async def test_streamed_speech_is_set_aside_until_its_end(sim):
    budget = Budget("0.5", media_prices={SPEECH: "0.1"})
    async with inside(sim, budget=budget) as novita:
        stream = await novita.audio.speech("Good morning.", model=SPEECH, stream=True)
        assert (budget.spent, budget.reserved) == (0, Decimal("0.1"))
        assert await stream.bytes()
        assert (budget.spent, budget.reserved) == (Decimal("0.1"), 0)
        await novita.audio.speech("Good morning.", model=SPEECH)
        assert (budget.spent, budget.reserved) == (Decimal("0.2"), 0)
        async with await novita.audio.speech("Good morning.", model=SPEECH, stream=True) as stream:
            await anext(aiter(stream))
        assert (budget.spent, budget.reserved) == (Decimal("0.3"), 0)


async def test_speech_that_is_repeated_is_booked_attempt_by_attempt(clock):
    budget = Budget("0.5", media_prices={SPEECH: "0.1"})
    good = Reply(200, {"content-type": "audio/mpeg"}, b"sound")
    async with connected(Server(clock, ConnectionLost("lost"), refusal(429), good), clock, budget=budget) as novita:
        with pytest.raises(OutcomeUnknown):  # may have been spoken
            await novita.audio.speech("Good morning.", model=SPEECH, stream=True)
        assert (budget.spent, budget.reserved) == (Decimal("0.1"), 0)
        stream = await novita.audio.speech("Good morning.", model=SPEECH, stream=True)
        assert await stream.bytes() == b"sound"
    assert (budget.spent, budget.reserved) == (Decimal("0.2"), 0)


async def test_prices_are_dollars():
    for price in (-1, "much", True):
        with pytest.raises(ConfigError, match="price of m"):
            Budget(1, media_prices={"m": price})
    assert Budget(1, media_prices={"m": "0"}).media_price("m") == 0
