"""The simulated Anthropic surface: messages whole and as named events, tools, thinking, and its shape of errors."""

from __future__ import annotations

import base64
from typing import Any

import jsonschema
import msgspec
import openapi
import pytest

from novita_async.simulator import Simulator

MESSAGES = "/anthropic/v1/messages"
MODEL, THINKER, EYES = "deepseek/deepseek-v3.2", "zai-org/glm-4.5", "moonshotai/kimi-k2.5"
CLOCK = {
    "name": "local_time",
    "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
}
ASK: dict[str, Any] = {
    "model": MODEL,
    "max_tokens": 500,
    "messages": [{"role": "user", "content": "Why is the sky blue?"}],
}


async def send(api: Any, status: int = 200, **change: Any) -> Any:
    """The answer to a request that fits the contract, which it does too: a message, the events, or an error."""
    answer = await api("POST", MESSAGES, {**ASK, **change})
    openapi.check_request("POST", MESSAGES, "application/json", api.simulator.requests[-1].body)
    openapi.check_response("POST", MESSAGES, answer.status, answer.headers["content-type"], answer.body)
    assert answer.status == status, answer.body
    if answer.headers["content-type"] == "text/event-stream":
        named = openapi.events(answer.body)
        assert all(name == data["type"] for name, data in named)
        return [data for _, data in named]
    return answer.json()


def built(events: list[Any]) -> dict[str, Any]:
    """The message that a stream says."""
    message = {**events[0]["message"]}
    blocks: list[dict[str, Any]] = []
    for event in events:
        if event["type"] == "content_block_start":
            blocks.append({**event["content_block"], "json": ""})
        elif event["type"] == "content_block_delta":
            block, delta = blocks[event["index"]], event["delta"]
            field = {"text_delta": "text", "thinking_delta": "thinking", "signature_delta": "signature"}.get(
                delta["type"]
            )
            block[field or "json"] += delta[field or "partial_json"]
        elif event["type"] == "message_delta":
            message |= {**event["delta"], "usage": event["usage"]}
    for block in blocks:
        if text := block.pop("json"):
            block["input"] = msgspec.json.decode(text)
    return {**message, "content": blocks}


REQUESTS: dict[str, dict[str, Any]] = {
    "plain": {},
    "a system prompt": {"system": [{"type": "text", "text": "Be brief."}]},
    "thinking": {"model": THINKER, "thinking": {"type": "enabled", "budget_tokens": 1024}},
    "a tool": {"tools": [CLOCK], "tool_choice": {"type": "any"}},
    "a tool and thinking": {
        "model": THINKER,
        "thinking": {"type": "enabled", "budget_tokens": 1024},
        "tools": [CLOCK],
        "tool_choice": {"type": "tool", "name": "local_time"},
    },
    "cut": {"max_tokens": 5},
    "stopped": {"stop_sequences": ["nowhere", " is"]},
}


@pytest.mark.parametrize("name", REQUESTS)
async def test_a_stream_says_the_same_as_the_whole_message(api, name):
    await send(api, **REQUESTS[name])  # what is cached is cached for both
    whole = await send(api, **REQUESTS[name])
    events = await send(api, **REQUESTS[name], stream=True)
    assert {**built(events), "id": ""} == {**whole, "id": ""}
    kinds = [event["type"] for event in events]
    assert kinds[:2] == ["message_start", "ping"]
    assert kinds[-2:] == ["message_delta", "message_stop"]
    assert events[0]["message"]["content"] == []
    assert events[0]["message"]["usage"] == {**whole["usage"], "output_tokens": 0}


async def test_a_message_ends_for_the_reason_that_it_has(api):
    whole = await send(api)
    assert (whole["stop_reason"], whole["stop_sequence"]) == ("end_turn", None)
    text = whole["content"][0]["text"]
    cut = await send(api, max_tokens=5)
    assert (cut["stop_reason"], cut["usage"]["output_tokens"]) == ("max_tokens", 5)
    stopped = await send(api, stop_sequences=["nowhere", text.split()[3]])
    assert (stopped["stop_reason"], stopped["stop_sequence"]) == ("stop_sequence", text.split()[3])
    assert stopped["content"][0]["text"] == text[: text.index(text.split()[3])]
    assert (await send(api, **REQUESTS["a tool"]))["stop_reason"] == "tool_use"


async def test_a_model_thinks_when_it_is_asked_to(api):
    thinking = {"type": "enabled", "budget_tokens": 1024}
    blocks = (await send(api, model=THINKER, thinking=thinking))["content"]
    assert [block["type"] for block in blocks] == ["thinking", "text"]
    assert blocks[0]["signature"]
    for options in ({}, {"thinking": {"type": "disabled"}}):
        assert (await send(api, model=THINKER, **options))["content"] == blocks[1:]
    assert [block["type"] for block in (await send(api, thinking=thinking))["content"]] == ["text"]


async def test_a_tool_is_used_and_its_result_taken_up(api):
    ask = {"role": "user", "content": "What is the local time in Oslo?"}
    message = await send(api, messages=[ask], tools=[CLOCK])
    (use,) = message["content"]
    assert (use["type"], use["name"]) == ("tool_use", "local_time")
    jsonschema.validate(use["input"], CLOCK["input_schema"])
    for content in ("a quarter past noon", [{"type": "text", "text": "a quarter past noon"}]):
        result = {"type": "tool_result", "tool_use_id": use["id"], "content": content}
        history = [ask, {"role": "assistant", "content": [use]}, {"role": "user", "content": [result]}]
        (block,) = (await send(api, messages=history, tools=[CLOCK]))["content"]
        assert "a quarter past noon" in block["text"]


async def test_tools_are_chosen_as_wanted(api):
    both = [CLOCK, {**CLOCK, "name": "calendar"}]
    prompt = [{"role": "user", "content": "The calendar and the local time, please."}]
    uses = (await send(api, messages=prompt, tools=both))["content"]
    assert [use["name"] for use in uses] == ["local_time", "calendar"]
    one = {"type": "auto", "disable_parallel_tool_use": True}
    assert len((await send(api, messages=prompt, tools=both, tool_choice=one))["content"]) == 1
    none = (await send(api, messages=prompt, tools=both, tool_choice={"type": "none"}))["content"]
    assert none[0]["type"] == "text"


async def test_tools_of_the_server_are_accepted_and_never_run(api):
    answer = await api("POST", MESSAGES, {**ASK, "tools": [{"type": "web_search_20250305", "name": "web_search"}]})
    assert [block["type"] for block in answer.json()["content"]] == ["text"]


async def test_pictures_count_and_only_some_models_see(api):
    data = base64.b64encode(b"\x89PNG").decode()
    sources = [{"type": "base64", "media_type": "image/png", "data": data}, {"type": "url", "url": "https://a.b/c.png"}]
    for source in sources:
        messages = [
            {"role": "user", "content": [{"type": "image", "source": source}, {"type": "text", "text": "What?"}]}
        ]
        seen = await send(api, model=EYES, messages=messages)
        assert seen["usage"]["input_tokens"] > 200
        assert "vision" in (await send(api, 400, messages=messages))["error"]["message"]


async def test_what_was_read_before_is_counted_as_cached(api):
    long = [{"role": "user", "content": "The river goes on and on past every mill and meadow. " * 20}]
    first, second = [(await send(api, messages=long))["usage"] for _ in range(2)]
    assert first["cache_read_input_tokens"] == 0
    assert second["cache_read_input_tokens"] > 0
    assert second["input_tokens"] + second["cache_read_input_tokens"] == first["input_tokens"]


async def test_the_example_of_the_contract_is_answered(api):
    for body in openapi.examples("createAnthropicMessage").values():
        answer = await api("POST", MESSAGES, body)
        assert answer.status == 200


@pytest.mark.parametrize("header", ["authorization", "x_api_key"])
async def test_the_key_comes_in_either_header(sim, api, header):
    for key, status, kind in [(sim.api_key, 200, ""), ("sk_wrong", 401, "authentication_error")]:
        headers = {header: f"Bearer {key}" if header == "authorization" else key}
        answer = await api("POST", MESSAGES, ASK, key=None, **headers)
        assert answer.status == status
        assert answer.json().get("error", {}).get("type", "") == kind
    assert sim.api_key not in repr(sim.requests)


@pytest.mark.parametrize(
    ("change", "status", "kind", "said"),
    [
        ({"model": "nobody/nothing"}, 404, "not_found_error", "model not found"),
        ({"model": "meta-llama/llama-3.1-8b-instruct"}, 400, "invalid_request_error", "support endpoint: anthropic"),
        ({"max_tokens": None}, 400, "invalid_request_error", "max_tokens"),
        ({"max_tokens": 0}, 400, "invalid_request_error", "max_tokens"),
        ({"max_tokens": 10**7}, 400, "invalid_request_error", "must be between 0 and 65536"),
        ({"messages": []}, 400, "invalid_request_error", "messages"),
        ({"messages": [{"role": "system", "content": "x"}]}, 400, "invalid_request_error", "role"),
        ({"messages": [{"role": "user", "content": [{"type": "text"}]}]}, 400, "invalid_request_error", "needs text"),
        (
            {"messages": [{"role": "user", "content": [{"type": "tool_result", "tool_use_id": "1", "content": "x"}]}]},
            400,
            "invalid_request_error",
            "answers no tool call",
        ),
        ({"tools": [CLOCK], "tool_choice": {"type": "tool"}}, 400, "invalid_request_error", "needs name"),
        ({"tools": [CLOCK], "tool_choice": {"type": "tool", "name": "x"}}, 400, "invalid_request_error", "'x'"),
    ],
)
async def test_errors_have_the_shape_of_anthropic(api, change, status, kind, said):
    body = {name: value for name, value in {**ASK, **change}.items() if value is not None}
    answer = await api("POST", MESSAGES, body)
    openapi.check_response("POST", MESSAGES, answer.status, answer.headers["content-type"], answer.body)
    assert (answer.status, answer.json()["type"], answer.json()["error"]["type"]) == (status, "error", kind)
    assert said in answer.json()["error"]["message"]


async def test_a_missing_key_and_a_limit_are_told_in_that_shape_too(sim, api):
    answer = await api("POST", MESSAGES, ASK, key=None)
    assert (answer.status, answer.json()["error"]["type"]) == (403, "authentication_error")
    sim.limit(MODEL, rpm=1, retry_after=True)
    await send(api)
    answer = await api("POST", MESSAGES, ASK)
    assert (answer.status, answer.json()["error"]["type"]) == (429, "rate_limit_error")
    assert answer.headers["retry-after"] == "60"


async def test_chunks_of_a_message_come_at_their_pace(clock, api):
    async with Simulator(clock=clock, chunk_delay=0.5) as slow:
        await send(type(api)(slow), max_tokens=6, stream=True)
    assert clock.monotonic() == 3
