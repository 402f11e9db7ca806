"""Errors that come inside an HTTP 200, where retries that look at statuses do not see them."""

from __future__ import annotations

import pytest
from helpers import ASK, CHAT, Server, chunk, connected, events, inside, refusal

from novita_async import RetryPolicy
from novita_async.errors import BadRequest, ContentRefused, InsufficientBalance, RateLimited, ServiceUnavailable
from novita_async.simulator import Stream

SHAPES = pytest.mark.parametrize("shape", ["flat", "openai", "typed", "anthropic"])


async def read(novita):
    async with novita.chat.completions.stream(**ASK) as stream:
        return await stream.final()


@SHAPES
async def test_row_12_before_the_first_content_a_passing_error_is_retried(sim, shape):
    sim.fault("POST", CHAT, Stream.error(shape=shape), times=2)
    async with inside(sim) as novita:
        assert (await read(novita)).choices[0].message.content
        assert novita.stats()["retries"] == 2


@SHAPES
async def test_row_12_the_retries_of_statuses_and_of_frames_share_one_budget(clock, shape):
    busy = b'data: {"code": 503, "reason": "SERVICE_NOT_AVAILABLE", "message": "busy"}\n\n'
    server = Server(clock, refusal(503), lambda _: events(busy), refusal(503), lambda _: events(chunk("late")))
    async with connected(server, clock, retry=RetryPolicy(attempts=3)) as novita:
        with pytest.raises(ServiceUnavailable):
            await read(novita)
    assert len(server.requests) == 3


@SHAPES
async def test_row_12_an_error_that_will_not_pass_is_raised_at_once(sim, shape):
    sim.fault("POST", CHAT, Stream.error(status=400, reason="ILLEGAL_PROMPT", shape=shape))
    async with inside(sim) as novita:
        with pytest.raises(ContentRefused) as refused:
            await read(novita)
        assert refused.value.reason == "ILLEGAL_PROMPT"
    assert len(sim.requests) == 1


@SHAPES
async def test_row_12_after_content_it_is_never_retried_and_carries_what_had_come(sim, shape):
    sim.fault("POST", CHAT, Stream.error(after=2, shape=shape), times=None)
    async with inside(sim) as novita:
        with pytest.raises(ServiceUnavailable) as overload:
            await read(novita)
        async with novita.chat.completions.stream(**ASK) as stream:
            texts = [event.text for _ in range(2) if (event := await anext(stream))]
        assert overload.value.partial.choices[0].message.content == "".join(texts)
        assert novita.stats()["retries"] == 0
    assert len(sim.requests) == 2


async def test_row_12_the_repeat_starts_from_nothing(clock):
    """What the broken attempt had sent before its first content is not seen twice, or at all."""
    busy = b'data: {"error": {"message": "busy", "type": "overloaded_error"}}\n\n'
    server = Server(
        clock,
        lambda _: events(chunk(role="assistant"), chunk(""), busy),
        lambda _: events(chunk(role="assistant"), chunk("whole", finish="stop")),
    )
    async with connected(server, clock) as novita, await novita.chat.completions.create(**ASK, stream=True) as stream:
        chunks = [part async for part in stream]
    assert [part.choices[0].delta.content for part in chunks] == [None, "whole"]


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        ({"code": 400, "reason": "ILLEGAL_PROMPT", "message": "no", "metadata": {}}, ContentRefused),
        ({"code": 403, "reason": "NOT_ENOUGH_BALANCE", "message": "no money"}, InsufficientBalance),
        ({"error": {"message": "slow down", "type": "rate_limit_error", "code": 429}}, RateLimited),
        ({"code": 0, "message": "bad", "type": "invalid_request_error"}, BadRequest),
    ],
)
async def test_an_error_in_the_body_of_a_200_is_an_error(clock, body, kind):
    async with connected(Server(clock, body), clock) as novita:
        with pytest.raises(kind):
            await novita.chat.completions.create(**ASK)
