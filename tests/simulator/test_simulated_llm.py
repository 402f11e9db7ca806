from __future__ import annotations

from typing import Any

import jsonschema
import msgspec
import pytest

from novita_async.simulator import Simulator
from novita_async.simulator.ledger import Ledger
from novita_async.simulator.limits import Limits
from novita_async.simulator.llm import LLM

CLOCK_TOOL = {
    "type": "function",
    "function": {
        "name": "local_time",
        "parameters": {
            "type": "object",
            "properties": {
                "city": {"type": "string"},
                "hours": {"type": "integer", "minimum": 12, "maximum": 24},
                "style": {"enum": ["digital", "analogue"]},
            },
            "required": ["city", "hours", "style"],
        },
    },
}
LONG = "The river goes on and on past every mill, meadow and town. " * 12

REQUESTS: dict[str, dict[str, Any]] = {
    "plain": {},
    "three choices": {"n": 3},
    "thinking": {"model": "zai-org/glm-4.5"},
    "thinking in the text": {"model": "deepseek/deepseek-r1-turbo"},
    "reasoning details": {"model": "minimax/minimax-m2", "reasoning_split": True},
    "a tool": {"tools": [CLOCK_TOOL], "tool_choice": "required"},
    "JSON": {"response_format": {"type": "json_object"}},
    "cut": {"max_tokens": 3},
    "two calls": {
        "content": "Use clock_a and clock_b",
        "tools": [{"type": "function", "function": {"name": name}} for name in ("clock_a", "clock_b", "clock_c")],
    },
}


def joined(events: list[Any]) -> list[dict[str, Any]]:
    """Put a stream together: one message for each choice, with its finish reason."""
    found: dict[int, dict[str, Any]] = {}
    for event in events:
        for choice in event["choices"]:
            message = found.setdefault(choice["index"], {"content": "", "reasoning": "", "calls": {}, "finish": None})
            delta = choice["delta"]
            message["content"] += delta.get("content") or ""
            message["reasoning"] += delta.get("reasoning_content") or ""
            for call in delta.get("tool_calls", ()):
                whole = message["calls"].setdefault(call["index"], {"id": "", "name": "", "arguments": ""})
                whole["id"] += call.get("id", "")
                whole["name"] += call["function"].get("name", "")
                whole["arguments"] += call["function"].get("arguments", "")
            message["finish"] = choice["finish_reason"] or message["finish"]
    return [found[index] for index in sorted(found)]


@pytest.mark.parametrize("name", REQUESTS)
async def test_whole_answers_fit_the_contract(api, llm_contract, name):
    answer = await api.chat(**REQUESTS[name])
    assert answer.status == 200
    llm_contract.check("ChatCompletion", answer.json())


@pytest.mark.parametrize("name", REQUESTS)
async def test_every_event_of_a_stream_fits_the_contract(api, llm_contract, name):
    answer = await api.chat(**REQUESTS[name], stream=True, stream_options={"include_usage": True})
    assert answer.headers["content-type"] == "text/event-stream"
    for event in answer.events():
        llm_contract.check("ChatCompletionChunk", event)


@pytest.mark.parametrize("name", REQUESTS)
async def test_a_stream_says_the_same_as_the_whole_answer(api, name):
    whole = (await api.chat(**REQUESTS[name])).json()
    parts = joined((await api.chat(**REQUESTS[name], stream=True)).events())
    for choice, part in zip(whole["choices"], parts, strict=True):
        message = choice["message"]
        assert part["content"] == (message["content"] or "")
        assert part["reasoning"] == message.get("reasoning_content", "")
        assert part["finish"] == choice["finish_reason"]
        calls = [call["function"] | {"id": call["id"]} for call in message.get("tool_calls", ())]
        assert list(part["calls"].values()) == calls


async def test_texts_depend_on_the_seed_and_the_request_alone(api):
    async with Simulator() as twin, Simulator(seed=1) as stranger:
        first = (await api.chat()).json()["choices"]
        await api.chat("something else in between")
        again = (await api.chat(temperature=0.1)).json()["choices"]
        assert first == again
        assert (await type(api)(twin).chat()).json()["choices"] == first
        assert (await type(api)(stranger).chat()).json()["choices"] != first
    assert (await api.chat(seed=7)).json()["choices"] != first


async def test_the_text_takes_up_the_words_of_the_prompt(api):
    text = (await api.chat("Tell me about lighthouse keepers")).json()["choices"][0]["message"]["content"]
    assert "lighthouse keepers" in text
    assert len(text.split()) > 25


async def test_a_wish_for_a_length_is_met(api):
    text = (await api.chat("Describe the sea in 700 words")).json()["choices"][0]["message"]["content"]
    assert 700 <= len(text.split()) < 740
    text = (await api.chat("Describe the sea in two sentences")).json()["choices"][0]["message"]["content"]
    assert text.count(". ") == 1


async def test_max_tokens_cuts_the_text_and_says_so(api):
    whole = (await api.chat()).json()["choices"][0]["message"]["content"]
    answer = (await api.chat(max_tokens=10)).json()
    assert answer["choices"][0]["finish_reason"] == "length"
    assert answer["usage"]["completion_tokens"] == 10
    assert whole.startswith(answer["choices"][0]["message"]["content"])


async def test_reasoning_can_use_up_max_tokens(api):
    choice = (await api.chat(model="zai-org/glm-4.5", max_tokens=5)).json()["choices"][0]
    assert choice["finish_reason"] == "length"
    assert choice["message"]["content"] == ""
    assert choice["message"]["reasoning_content"]


async def test_a_stop_sequence_stays_in_the_text(api):
    whole = (await api.chat()).json()["choices"][0]["message"]["content"]
    third = whole.split()[2]
    choice = (await api.chat(stop=["nowhere to be found", third])).json()["choices"][0]
    assert choice["message"]["content"] == whole[: whole.index(third) + len(third)]
    assert choice["finish_reason"] == "stop"


async def test_usage_adds_up(api):
    answer = (await api.chat(model="zai-org/glm-4.5", n=2)).json()
    usage = answer["usage"]
    assert usage["total_tokens"] == usage["prompt_tokens"] + usage["completion_tokens"]
    assert 0 < usage["completion_tokens_details"]["reasoning_tokens"] < usage["completion_tokens"]
    longer = (await api.chat("Why is the sky blue, and the sea, and the evening?")).json()["usage"]
    assert longer["prompt_tokens"] > usage["prompt_tokens"]


async def test_usage_comes_in_a_stream_only_when_asked_for(api):
    asked = (await api.chat(stream=True, stream_options={"include_usage": True})).events()
    assert asked[-1]["choices"] == []
    assert asked[-1]["usage"]["completion_tokens"] == len(asked) - 2
    assert all(event["usage"] is None for event in asked[:-1])
    silent = (await api.chat(stream=True)).events()
    assert all("usage" not in event for event in silent)
    assert len(silent) == len(asked) - 1


async def test_a_repeated_beginning_of_a_prompt_is_cached(api):
    first = (await api.chat(LONG + "One.")).json()["usage"]
    second = (await api.chat(LONG + "Two!")).json()["usage"]
    other = (await api.chat(LONG + "Two!", model="zai-org/glm-4.5")).json()["usage"]
    assert first["prompt_tokens_details"]["cached_tokens"] == 0
    assert 0 < second["prompt_tokens_details"]["cached_tokens"] < second["prompt_tokens"]
    assert other["prompt_tokens_details"]["cached_tokens"] == 0


@pytest.mark.parametrize(
    ("prompt", "options", "called"),
    [
        ("What time is it?", {"tool_choice": "required"}, True),
        ("What time is it?", {"tool_choice": {"type": "function", "function": {"name": "local_time"}}}, True),
        ("What is the local time in Oslo?", {}, True),
        ("What is the local time in Oslo?", {"tool_choice": "none"}, False),
        ("Tell me a story.", {"tool_choice": "auto"}, False),
    ],
)
async def test_tools_are_called_when_they_should_be(api, prompt, options, called):
    choice = (await api.chat(prompt, tools=[CLOCK_TOOL], **options)).json()["choices"][0]
    assert choice["finish_reason"] == ("tool_calls" if called else "stop")
    assert bool(choice["message"].get("tool_calls")) is called


async def test_arguments_of_a_tool_call_fit_its_schema(api):
    prompt = "What is the local time in Oslo? An analogue clock, please, 90 hours ahead."
    message = (await api.chat(prompt, tools=[CLOCK_TOOL])).json()["choices"][0]["message"]
    arguments = msgspec.json.decode(message["tool_calls"][0]["function"]["arguments"])
    jsonschema.validate(arguments, CLOCK_TOOL["function"]["parameters"])
    assert arguments == {"city": "Oslo", "hours": 24, "style": "analogue"}


async def test_the_answer_after_a_tool_quotes_its_result(api):
    call = (await api.chat("local_time in Oslo?", tools=[CLOCK_TOOL])).json()["choices"][0]["message"]
    messages = [
        {"role": "user", "content": "local_time in Oslo?"},
        call,
        {"role": "tool", "tool_call_id": call["tool_calls"][0]["id"], "content": "a quarter past noon"},
    ]
    choice = (await api.chat(messages, tools=[CLOCK_TOOL], tool_choice="required")).json()["choices"][0]
    assert "a quarter past noon" in choice["message"]["content"]
    assert choice["finish_reason"] == "stop"


@pytest.mark.parametrize(
    ("model", "options", "separate", "inside"),
    [
        ("deepseek/deepseek-v3.2", {}, False, False),
        ("zai-org/glm-4.5", {}, True, False),
        ("zai-org/glm-4.5", {"separate_reasoning": False}, False, True),
        ("zai-org/glm-4.5", {"enable_thinking": False}, False, False),
        ("deepseek/deepseek-r1-turbo", {}, False, True),
        ("deepseek/deepseek-r1-turbo", {"separate_reasoning": True}, True, False),
    ],
)
async def test_reasoning_stands_where_the_contract_puts_it(api, model, options, separate, inside):
    message = (await api.chat(model=model, **options)).json()["choices"][0]["message"]
    assert ("reasoning_content" in message) is separate
    assert message["content"].startswith("<think>") is inside
    assert message["content"].rpartition("</think>")[2].strip()


class Address(msgspec.Struct):
    street: str
    number: int


class Person(msgspec.Struct):
    name: str
    age: int
    height: float
    member: bool
    mood: str | None
    homes: list[Address]
    friend: Person | None = None


@pytest.mark.parametrize(
    "schema",
    [
        msgspec.json.schema(Person),
        {"type": "object", "properties": {"kind": {"const": "fish"}, "when": {"type": "string", "format": "date"}}},
        {"type": "array", "items": {"type": "integer", "exclusiveMinimum": 3, "maximum": 9}, "minItems": 3},
        {"anyOf": [{"type": "null"}, {"type": "string", "minLength": 30, "maxLength": 40}]},
        {"type": ["null", "number"], "exclusiveMaximum": 1, "minimum": -2},
        {"enum": ["red", "green"]},
    ],
)
async def test_structured_output_fits_its_schema(api, schema):
    form = {"type": "json_schema", "json_schema": {"name": "answer", "schema": schema, "strict": True}}
    answer = await api.chat("Anna is 31 and lives in Bergen with 2 cats.", response_format=form)
    jsonschema.validate(msgspec.json.decode(answer.json()["choices"][0]["message"]["content"]), schema)


BAD_REQUESTS = [
    ({"messages": []}, "messages"),
    ({"messages": [{"role": "developer", "content": "x"}]}, ".role`"),
    ({"messages": [{"role": "user", "content": None}]}, "content"),
    ({"messages": [{"role": "tool", "tool_call_id": "1", "content": "x"}]}, "tool_call_id"),
    ({"messages": "hello"}, "messages"),
    ({"max_tokens": 0}, "max_tokens"),
    ({"max_tokens": 10_000_000}, "max_tokens"),
    ({"temperature": 3}, "temperature"),
    ({"n": 0}, "n"),
    ({"stop": ["1", "2", "3", "4", "5"]}, "stop"),
    ({"tool_choice": "required"}, "tool_choice"),
    ({"tools": [CLOCK_TOOL], "tool_choice": {"type": "function", "function": {"name": "x"}}}, "tool_choice"),
    ({"response_format": {"type": "json_schema"}}, "json_schema"),
    (
        {
            "response_format": {
                "type": "json_schema",
                "json_schema": {"name": "x", "schema": {"type": "odd"}, "strict": True},
            }
        },
        "'odd'",
    ),
    ({"model": "baai/bge-m3"}, "does not support endpoint"),
    ({"model": "meta-llama/llama-3.1-8b-instruct", "tools": [CLOCK_TOOL]}, "function calling"),
    ({"model": "meta-llama/llama-3.1-8b-instruct", "response_format": {"type": "json_object"}}, "structured-outputs"),
    (
        {"model": "Sao10K/L3-8B-Stheno-v3.2", "messages": [{"role": "user", "content": LONG * 60}]},
        "reads at most 8192",
    ),
    ({"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "x"}}]}]}, "vision"),
]


@pytest.mark.parametrize(("change", "named"), BAD_REQUESTS)
async def test_bad_requests_are_refused_by_the_name_of_what_is_wrong(api, llm_contract, change, named):
    body = {"model": "deepseek/deepseek-v3.2", "messages": [{"role": "user", "content": "hello"}], **change}
    answer = await api("POST", "/openai/v1/chat/completions", body)
    assert (answer.status, answer.json()["code"], answer.json()["reason"]) == (400, 400, "INVALID_REQUEST_BODY")
    assert named in answer.json()["message"]
    llm_contract.check("ErrorBody", answer.json())


async def test_a_body_that_is_no_json_is_refused(api):
    answer = await api("POST", "/openai/v1/chat/completions", b'{"model": ')
    assert (answer.status, answer.json()["reason"]) == (400, "INVALID_REQUEST_BODY")


async def test_an_unknown_model_is_not_found(api, llm_contract):
    answer = await api.chat(model="nobody/nothing")
    assert (answer.status, answer.json()["reason"]) == (404, "MODEL_NOT_FOUND")
    llm_contract.check("ErrorBody", answer.json())


async def test_the_list_of_models_fits_the_contract(api, llm_contract):
    answer = (await api("GET", "/openai/v1/models")).json()
    llm_contract.check("ModelList", answer)
    assert len(answer["data"]) >= 12


@pytest.mark.parametrize("prefix", ["/openai/v1", "/openai", "/v3/openai"])
@pytest.mark.parametrize("name", ["Sao10K/L3-8B-Stheno-v3.2", "Sao10K%2FL3-8B-Stheno-v3.2"])
async def test_one_model_is_found_under_every_prefix_raw_and_encoded(api, llm_contract, prefix, name):
    answer = await api("GET", f"{prefix}/models/{name}")
    assert answer.status == 200
    llm_contract.check("Model", answer.json())
    assert (await api("GET", f"{prefix}/models/nobody/nothing")).json()["reason"] == "MODEL_NOT_FOUND"


async def test_chunks_come_at_the_pace_that_was_asked_for(clock, api):
    async with Simulator(clock=clock, chunk_delay=0.5) as slow:
        answer = await type(api)(slow).chat(stream=True, max_tokens=10)
    assert len(answer.events()) == 11
    assert clock.monotonic() == 5


async def test_a_limit_lets_so_many_through_in_any_minute(clock, sim, api):
    sim.limit("deepseek/deepseek-v3.2", rpm=30, retry_after=True)
    for _ in range(150):
        await api.chat(max_tokens=1)
        await clock.sleep(1.3)
    times = [received.time for received in sim.requests if received.status == 200]
    assert len(times) > 60
    assert all(late - early >= 60 for early, late in zip(times, times[30:], strict=False))
    refused = [received for received in sim.requests if received.status == 429]
    assert refused
    assert (await api.chat(model="zai-org/glm-4.5")).status == 200


async def test_what_is_over_the_limit_is_told_when_there_is_room(clock, sim, api):
    sim.limit("deepseek/deepseek-v3.2", rpm=1, retry_after=True)
    assert (await api.chat()).status == 200
    await clock.sleep(20)
    answer = await api.chat()
    assert (answer.status, answer.json()["reason"]) == (429, "RATE_LIMIT_EXCEEDED")
    assert answer.headers["retry-after"] == "40"
    await clock.sleep(40)
    assert (await api.chat()).status == 200


async def test_a_line_of_a_batch_is_answered_like_a_request_and_never_streamed(clock, sim, api, llm_contract):
    ask = {"model": "deepseek/deepseek-v3.2", "messages": [{"role": "user", "content": "hello"}]}
    limits = Limits(clock)
    limits.set(ask["model"], rpm=1)
    llm = LLM(clock=clock, api_key=sim.api_key, seed=0, chunk_delay=1, limits=limits, ledger=Ledger(clock=clock))
    whole = (await api.chat("hello")).json()
    for _ in range(2):
        status, answer = await llm.answer("/v1/chat/completions", {**ask, "stream": True})
        llm_contract.check("ChatCompletion", answer)
        assert (status, answer["choices"]) == (200, whole["choices"])
    assert await llm.answer("/v1/chat/completions", {**ask, "model": "nobody/nothing"}) == (
        404,
        {"code": 404, "reason": "MODEL_NOT_FOUND", "message": "model not found", "metadata": {}},
    )
    assert (await llm.answer("/v1/chat/completions", {"model": "x"}))[0] == 400
