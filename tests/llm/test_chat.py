"""`chat.completions.create`: what is sent for it, what comes back, and that code written for AsyncOpenAI runs."""

from __future__ import annotations

import msgspec
import pytest
from helpers import ASK, BASE, MODEL, Server, completion, connected, inside, json_reply

from novita_async.errors import ProtocolError, ValidationError
from novita_async.llm import ChatCompletion, Message

TOOL = {"type": "function", "function": {"name": "local_time", "parameters": {"type": "object", "properties": {}}}}


@pytest.fixture
async def server(clock):
    return Server(clock, completion())


@pytest.fixture
async def chat(server, clock):
    async with connected(server, clock) as novita:
        yield novita.chat.completions


def body(server):
    return msgspec.json.decode(server.requests[-1].body)


# ------------------------------------------------------------------------------------------- what is sent


async def test_a_question_is_sent_as_it_was_asked_and_nothing_is_added(chat, server):
    await chat.create(**ASK)
    (request,) = server.requests
    assert (request.method, request.url) == ("POST", f"{BASE}/openai/v1/chat/completions")
    assert body(server) == ASK
    assert request.headers["accept"] == "application/json"


async def test_what_is_not_given_or_none_is_not_sent(chat, server):
    await chat.create(**ASK, temperature=None, max_tokens=0, stop=[], seed=7, stream=False, tools=None)
    assert body(server) == {**ASK, "max_tokens": 0, "stop": [], "seed": 7}


async def test_unknown_fields_go_into_extra_body_and_win(chat, server):
    await chat.create(**ASK, temperature=1, extra_body={"temperature": 2, "novel": {"deep": [1]}})
    assert body(server) == {**ASK, "temperature": 2, "novel": {"deep": [1]}}


async def test_headers_of_a_call_win_over_the_clients(chat, server):
    await chat.create(**ASK, extra_headers={"X-Team": "search", "User-Agent": "mine"})
    headers = server.requests[0].headers
    assert (headers["x-team"], headers["user-agent"]) == ("search", "mine")
    assert len({name.lower() for name in headers}) == len(headers)
    await chat.create(**ASK)
    assert "x-team" not in server.requests[1].headers


async def test_a_stream_is_asked_for_as_one(clock):
    server = Server(clock, lambda _: json_reply({}))
    async with connected(server, clock) as novita:
        async with await novita.chat.completions.create(**ASK, stream=True):
            assert body(server) == {**ASK, "stream": True}
        async with novita.chat.completions.stream(**ASK, temperature=1):
            assert body(server) == {
                **ASK,
                "temperature": 1,
                "stream": True,
                "stream_options": {"include_usage": True},
            }
        async with novita.chat.completions.stream(**ASK, stream_options=None):
            assert "stream_options" not in body(server)
        assert {request.headers["accept"] for request in server.requests} == {"text/event-stream"}


async def test_an_answer_may_be_put_into_the_next_question_as_it_is(clock):
    details = [{"type": "reasoning.text", "text": "hm", "index": 0, "format": "openai-responses-v1"}]
    call = {"id": "0", "type": "function", "function": {"name": "local_time", "arguments": "{}"}}
    came = {
        "role": "assistant",
        "content": "",
        "reasoning_content": "hm",
        "reasoning_details": details,
        "tool_calls": [call],
    }
    server = Server(clock, {"choices": [{"index": 0, "message": came, "finish_reason": "tool_calls"}]}, completion())
    async with connected(server, clock) as novita:
        answer = await novita.chat.completions.create(**ASK, tools=[TOOL])
        message = answer.choices[0].message
        reply = {"role": "tool", "tool_call_id": "0", "content": "noon"}
        await novita.chat.completions.create(model=MODEL, messages=[*ASK["messages"], message, reply])
    assert body(server)["messages"] == [*ASK["messages"], came, reply]


async def test_the_llm_side_may_live_elsewhere(clock):
    server = Server(clock, completion())
    async with connected(server, clock, llm_base_url="http://llm.test/v1/") as novita:
        await novita.chat.completions.create(**ASK)
    assert server.requests[0].url == "http://llm.test/v1/chat/completions"


# ------------------------------------------------------------------------------------- what is refused here


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"messages": []}, "messages is empty"),
        ({"messages": "hello"}, "list of messages, got str"),
        ({"messages": ASK["messages"][0]}, "list of messages, got dict"),
        ({"messages": None}, "got NoneType"),
        ({"messages": ["hello"]}, r"messages\[0\] must be a dict or a Message, got str"),
        ({"messages": [*ASK["messages"], {"content": "x"}]}, r"messages\[1\] has no role"),
        ({"messages": [{"role": 7}]}, r"messages\[0\] has no role"),
        ({"messages": [{"role": "user", "content": {"type": "text"}}]}, r"messages\[0\]: content must be .* got dict"),
        ({"messages": [{"role": "user", "content": 5}]}, r"messages\[0\]: content must be .* got int"),
        (
            {"messages": [{"role": "user", "content": ["hello"]}]},
            "a part of content is a dict .* got 'hello'",
        ),
        ({"messages": [{"role": "user", "content": [{"text": "x"}]}]}, "a part of content is a dict with a type"),
        ({"model": ""}, "model is empty"),
        ({"timeout": -1}, "timeout must be a positive number"),
        ({"extra_body": {"x": object()}}, "cannot be written as JSON"),
        ({"extra_headers": {"x": "a\nb"}}, "control character"),
    ],
)
async def test_bad_arguments_are_refused_before_anything_is_sent(chat, server, arguments, words):
    with pytest.raises(ValidationError, match=words):
        await chat.create(**{**ASK, **arguments})
    with pytest.raises(ValidationError, match=words):
        chat.stream(**{**ASK, **arguments})
    assert server.requests == []


async def test_an_unknown_keyword_is_a_type_error_with_a_hint(chat, server):
    with pytest.raises(TypeError, match="'temprature'; did you mean 'temperature'"):
        await chat.create(**ASK, temprature=1)
    with pytest.raises(TypeError, match="extra_body"):
        chat.stream(**ASK, quantum=True)
    assert server.requests == []


# --------------------------------------------------------------------------------------- what comes back


async def test_an_answer_of_the_simulator_reads_as_openais_does(sim):
    async with inside(sim) as novita:
        answer = await novita.chat.completions.create(**ASK, max_tokens=3)
    assert isinstance(answer, ChatCompletion)
    assert answer.object == "chat.completion"
    assert answer.model == MODEL
    assert answer.choices[0].finish_reason == "length"
    assert answer.usage.completion_tokens == 3
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + 3
    assert answer.raw["choices"][0]["message"]["content"] == answer.choices[0].message.content


async def test_tools_reasoning_and_json_come_back_typed(sim):
    async with inside(sim) as novita:
        create = novita.chat.completions.create
        called = await create(**ASK, tools=[TOOL], tool_choice="required")
        assert called.choices[0].message.tool_calls[0].function.name == "local_time"
        assert called.choices[0].finish_reason == "tool_calls"
        thought = await create(**{**ASK, "model": "zai-org/glm-4.5"})
        assert thought.choices[0].message.reasoning_content
        structured = await create(**ASK, response_format={"type": "json_object"})
        assert isinstance(msgspec.json.decode(structured.choices[0].message.content), dict)


@pytest.mark.parametrize(
    "answer",
    [
        {"choices": []},
        {"choices": [{"index": 0, "message": {"role": "assistant"}}]},
        {
            "choices": [{"index": 0, "message": {"content": None, "tool_calls": None}, "finish_reason": None}],
            "usage": None,
        },
        {"choices": [{"index": 0, "message": {"content": "x", "novel": 1}, "finish_reason": "bored"}], "novel": [1]},
        {"choices": [], "usage": {"prompt_tokens": "12", "prompt_tokens_details": {"cache_read_Prompt_tokens": 1}}},
    ],
    ids=["no choices", "no content", "nulls", "unknown fields and values", "numbers as text"],
)
async def test_what_a_server_leaves_out_or_adds_is_no_error_and_is_in_raw(clock, answer):
    async with connected(Server(clock, answer), clock) as novita:
        completion = await novita.chat.completions.create(**ASK)
    assert completion.raw == answer
    assert len(completion.choices) == len(answer["choices"])


async def test_an_answer_without_choices_at_all_is_nonsense(clock):
    async with connected(Server(clock, {"id": "1"}), clock) as novita:
        with pytest.raises(ProtocolError, match="choices"):
            await novita.chat.completions.create(**ASK)


def test_a_message_written_as_json_says_what_it_has_and_no_more():
    assert msgspec.json.encode(Message(role="user", content="hi")) == b'{"role":"user","content":"hi"}'
