"""`responses`: passed through as they are."""

from __future__ import annotations

import msgspec
import openapi
import pytest
from helpers import BASE, Server, connected, events, inside, json_reply

from novita_async.errors import BadRequest, RateLimited, ServerError, StreamCut, ValidationError

PATH = "/openai/v1/responses"
ASK = {"model": "openai/gpt-oss-20b", "input": "hello"}
ANSWER = {
    "id": "resp-1",
    "object": "response",
    "output": [{"type": "message", "content": []}],
    "error": None,
    "novel": 1,
}


def event(type_, **fields) -> bytes:
    data = msgspec.json.encode({"type": type_, **fields})
    return b"event: " + type_.encode() + b"\ndata: " + data + b"\n\n"


CREATED = event("response.created", response={"id": "resp-1"})
DELTA = event("response.output_text.delta", delta="hi")
COMPLETED = event("response.completed", response=ANSWER)


@pytest.fixture
async def server(clock):
    return Server(clock, ANSWER)


@pytest.fixture
async def responses(server, clock):
    async with connected(server, clock) as novita:
        yield novita.responses


async def test_what_is_given_is_sent_and_what_comes_is_raw(responses, server):
    answer = await responses.create(**ASK, max_output_tokens=9, tools=[{"type": "x"}], instructions=None, stream=False)
    assert (answer.id, answer.output) == ("resp-1", ANSWER["output"])
    assert answer.raw == ANSWER
    (request,) = server.requests
    assert (request.method, request.url) == ("POST", f"{BASE}{PATH}")
    assert msgspec.json.decode(request.body) == {**ASK, "max_output_tokens": 9, "tools": [{"type": "x"}]}
    openapi.check_request("POST", PATH, "application/json", request.body)
    assert (await responses.with_raw_response.create(**ASK)).parse().raw == ANSWER


async def test_a_failed_response_is_given_and_a_refusal_raised(clock):
    failed = {**ANSWER, "status": "failed", "error": {"code": "server_error", "message": "no"}}
    refused = {"error": {"message": "slow down", "type": "rate_limit_error"}}
    unsupported = {
        "code": 400,
        "reason": "INVALID_REQUEST_BODY",
        "message": "model does not support endpoint responses",
    }
    server = Server(clock, failed, refused, json_reply(unsupported, 400))
    async with connected(server, clock) as novita:
        assert (await novita.responses.create(**ASK)).raw["status"] == "failed"
        with pytest.raises(RateLimited):
            await novita.responses.create(**ASK)
        with pytest.raises(BadRequest, match="does not support endpoint"):
            await novita.responses.create(**ASK)


async def test_events_are_dicts_and_the_last_one_ends_the_stream(clock):
    server = Server(clock, events(CREATED, DELTA, COMPLETED))
    async with connected(server, clock) as novita, await novita.responses.create(**ASK, stream=True) as stream:
        seen = [each async for each in stream]
    assert [each["type"] for each in seen] == ["response.created", "response.output_text.delta", "response.completed"]
    assert seen[-1]["response"] == ANSWER
    assert msgspec.json.decode(server.requests[0].body) == {**ASK, "stream": True}


async def test_a_stream_that_is_cut_or_refused_says_so(clock):
    wrong = event("error", code="server_error", message="no")
    server = Server(clock, events(CREATED, DELTA), events(CREATED, wrong), events(DELTA, wrong))
    async with connected(server, clock, max_retries=0) as novita:
        for error in (StreamCut, ServerError, ServerError):
            async with await novita.responses.create(**ASK, stream=True) as stream:
                with pytest.raises(error):
                    async for _ in stream:
                        pass


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"input": ""}, "input is empty"),
        ({"input": []}, "input is empty"),
        ({"input": {"role": "user"}}, "input must be text or a list of items, got dict"),
        ({"input": None}, "got NoneType"),
        ({"model": ""}, "model is empty"),
        ({"novel": object()}, "cannot be written as JSON"),
    ],
)
async def test_bad_arguments_are_refused_before_anything_is_sent(responses, server, arguments, words):
    with pytest.raises(ValidationError, match=words):
        await responses.create(**{**ASK, **arguments})
    assert server.requests == []


# ------------------------------------------------------------------------------------------- the simulator


async def test_streamed_or_whole_the_simulators_answer_is_the_same(sim):
    async with inside(sim) as novita:
        whole = await novita.responses.create(**ASK)
        async with await novita.responses.create(**ASK, stream=True) as stream:
            seen = [each async for each in stream]
        with pytest.raises(BadRequest):
            await novita.responses.create(model="meta-llama/llama-3.1-8b-instruct", input="hello")

    def text(items):
        return [part["text"] for item in items for part in item.get("content") or () if part["type"] == "output_text"]

    assert text(whole.output)
    assert text(seen[-1]["response"]["output"]) == text(whole.output)
    pieces = [each["delta"] for each in seen if each["type"] == "response.output_text.delta"]
    assert "".join(pieces) == "".join(text(whole.output))
