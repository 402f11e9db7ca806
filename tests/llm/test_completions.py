"""`completions.create`: prompts of every kind, whole answers and chunks, and what is refused before it is sent."""

from __future__ import annotations

import msgspec
import openapi
import pytest
from helpers import BASE, DONE, Server, connected, events, inside

from novita_async.errors import ProtocolError, RateLimited, StreamCut, ValidationError
from novita_async.llm.completions import Completion

PATH = "/openai/v1/completions"
WRITE = {"model": "meta-llama/llama-3.1-8b-instruct", "prompt": "Once upon a"}
ANSWER = {
    "id": "cmpl-1",
    "object": "text_completion",
    "created": 1757000000,
    "model": "meta-llama/llama-3.1-8b-instruct",
    "choices": [
        {
            "index": 0,
            "text": " time",
            "finish_reason": "length",
            "logprobs": {
                "tokens": [" time"],
                "token_logprobs": [None],
                "top_logprobs": [{" time": -0.1}],
                "text_offset": [11],
            },
            "novel": 1,
        }
    ],
    "usage": {"prompt_tokens": 3, "completion_tokens": 1, "total_tokens": 4},
}


def piece(text="", finish=None, **more) -> bytes:
    choices = [{"index": 0, "text": text, "finish_reason": finish}]
    fields = {"id": "cmpl-1", "object": "text_completion", "created": 1, "model": "m", "choices": choices, **more}
    return b"data: " + msgspec.json.encode(fields) + b"\n\n"


def body(server):
    return msgspec.json.decode(server.requests[-1].body)


@pytest.fixture
async def server(clock):
    return Server(clock, ANSWER)


@pytest.fixture
async def completions(server, clock):
    async with connected(server, clock) as novita:
        yield novita.completions


async def test_an_answer_reads_as_openais_does(completions, server):
    answer = await completions.create(**WRITE, max_tokens=1, logprobs=1, temperature=None)
    (choice,) = answer.choices
    assert (choice.text, choice.finish_reason, choice.index) == (" time", "length", 0)
    assert (choice.logprobs.tokens, choice.logprobs.token_logprobs) == ([" time"], [None])
    assert (answer.object, answer.usage.total_tokens) == ("text_completion", 4)
    assert answer.raw == ANSWER
    (request,) = server.requests
    assert (request.method, request.url) == ("POST", f"{BASE}{PATH}")
    assert body(server) == {**WRITE, "max_tokens": 1, "logprobs": 1}


@pytest.mark.parametrize("prompt", ["", "a", ["a", "b"], [1, 2], [[1, 2], [3]], ("a",)], ids=repr)
async def test_prompts_of_every_kind_are_sent_as_they_are(completions, server, prompt):
    await completions.create(model=WRITE["model"], prompt=prompt)
    assert body(server)["prompt"] == (list(prompt) if isinstance(prompt, tuple) else prompt)
    openapi.check_request("POST", PATH, "application/json", server.requests[-1].body)


async def test_every_parameter_is_one_of_the_contract(completions, server):
    await completions.create(
        **WRITE,
        max_tokens=9,
        temperature=0.5,
        top_p=0.9,
        top_k=40,
        min_p=0,
        n=2,
        best_of=3,
        seed=1,
        stop=["."],
        frequency_penalty=1,
        presence_penalty=1,
        repetition_penalty=1.1,
        logprobs=5,
        logit_bias={"7": -100},
        stream_options={"include_usage": True},
        extra_body={"novel": 1},
    )
    openapi.check_request("POST", PATH, "application/json", server.requests[-1].body)
    assert len(body(server)) == 2 + 15 + 1


async def test_a_raw_response_has_the_bytes_and_the_completion(completions):
    raw = await completions.with_raw_response.create(**WRITE)
    assert msgspec.json.decode(raw.content) == ANSWER
    assert isinstance(raw.parse(), Completion)


@pytest.mark.parametrize("answer", [{"choices": []}, {"choices": [{"text": "x"}], "usage": None}, {"choices": [{}]}])
async def test_what_a_server_leaves_out_is_no_error(clock, answer):
    async with connected(Server(clock, answer), clock) as novita:
        assert (await novita.completions.create(**WRITE)).raw == answer


async def test_what_is_no_completion_is_nonsense_or_the_error_that_it_holds(clock):
    limited = {"code": 429, "reason": "TOKEN_LIMIT_EXCEEDED", "message": "slow down"}
    server = Server(clock, {"id": "1"}, limited)
    async with connected(server, clock) as novita:
        with pytest.raises(ProtocolError, match="choices"):
            await novita.completions.create(**WRITE)
        with pytest.raises(RateLimited):
            await novita.completions.create(**WRITE)


# ------------------------------------------------------------------------------------------------- chunks


async def test_chunks_come_one_by_one_and_the_usage_last(clock):
    usage = {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}
    last = b"data: " + msgspec.json.encode({**ANSWER, "choices": [], "usage": usage}) + b"\n\n"
    server = Server(clock, events(piece("a "), piece("b", "stop"), last, DONE))
    async with connected(server, clock) as novita, await novita.completions.create(**WRITE, stream=True) as chunks:
        seen = [chunk async for chunk in chunks]
    assert [choice.text for chunk in seen for choice in chunk.choices] == ["a ", "b"]
    assert [chunk.usage and chunk.usage.total_tokens for chunk in seen] == [None, None, 5]
    assert seen[0].raw["choices"][0]["text"] == "a "
    assert body(server) == {**WRITE, "stream": True}
    assert server.requests[0].headers["accept"] == "text/event-stream"


async def test_a_stream_may_end_after_a_finish_reason_and_is_cut_without_one(clock):
    server = Server(clock, events(piece("a", "stop")), events(piece("a")))
    async with connected(server, clock) as novita:
        async with await novita.completions.create(**WRITE, stream=True) as chunks:
            assert len([chunk async for chunk in chunks]) == 1
        async with await novita.completions.create(**WRITE, stream=True) as chunks:
            assert (await anext(chunks)).choices[0].text == "a"
            with pytest.raises(StreamCut):
                await anext(chunks)


async def test_an_error_frame_before_the_text_is_retried_and_after_it_raised(clock):
    busy = b'data: {"code": 429, "reason": "RATE_LIMIT_EXCEEDED", "message": "busy"}\n\n'
    server = Server(clock, events(busy), events(piece("a"), busy))
    async with connected(server, clock) as novita, await novita.completions.create(**WRITE, stream=True) as chunks:
        assert (await anext(chunks)).choices[0].text == "a"
        with pytest.raises(RateLimited):
            await anext(chunks)
    assert len(server.requests) == 2


# ------------------------------------------------------------------------------------- what is refused here


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"prompt": []}, "prompt is empty"),
        ({"prompt": None}, "prompt must be text, tokens or a list of either, got NoneType"),
        ({"prompt": 7}, "got int"),
        ({"prompt": b"x"}, "got bytes"),
        ({"prompt": ["a", 7]}, r"prompt\[1\] is a token, and prompt\[0\] is text"),
        ({"prompt": ["a", None]}, r"prompt\[1\] must be text or tokens, got NoneType"),
        ({"prompt": [[]]}, r"prompt\[0\] must be text or tokens, got list"),
        ({"prompt": [True]}, r"prompt\[0\] must be text or tokens, got bool"),
        ({"model": ""}, "model is empty"),
        ({"model": None}, "model must be text"),
        ({"n": 3, "best_of": 2}, "best_of is 2, less than n, 3"),
        ({"best_of": 2, "stream": True}, "best_of cannot be streamed"),
        ({"best_of": "2"}, "best_of must be a whole number, got '2'"),
        ({"n": 0}, "n must be at least 1, got 0"),
        ({"timeout": 0}, "timeout must be a positive number"),
        ({"extra_body": {"x": object()}}, "cannot be written as JSON"),
    ],
)
async def test_bad_arguments_are_refused_before_anything_is_sent(completions, server, arguments, words):
    with pytest.raises(ValidationError, match=words):
        await completions.create(**{**WRITE, **arguments})
    assert server.requests == []


async def test_an_unknown_keyword_is_a_type_error_with_a_hint(completions, server):
    with pytest.raises(TypeError, match="'best_off'; did you mean 'best_of'"):
        await completions.create(**WRITE, best_off=2)
    assert server.requests == []


# ------------------------------------------------------------------------------------------- the simulator


async def test_streamed_or_whole_the_simulators_text_is_the_same(sim):
    async with inside(sim) as novita:
        whole = await novita.completions.create(**WRITE, max_tokens=8)
        async with await novita.completions.create(**WRITE, max_tokens=8, stream=True) as chunks:
            streamed = [choice.text async for chunk in chunks for choice in chunk.choices]
    assert whole.choices[0].text == "".join(streamed)
    assert whole.usage.completion_tokens == 8
