"""`messages`: the Anthropic-compatible surface, whole and streamed, blocks of every type, and streams that break."""

from __future__ import annotations

import msgspec
import openapi
import pytest
from helpers import BASE, KEY, Server, connected, events, inside, json_reply, over_sockets, refusal

from novita_async.errors import (
    AuthenticationError,
    BadRequest,
    ConfigError,
    ProtocolError,
    RateLimited,
    ServiceUnavailable,
    StreamCut,
    StreamStalled,
    ValidationError,
)
from novita_async.llm.message_stream import MessageAccumulator
from novita_async.llm.message_types import (
    AnthropicMessage,
    AnthropicUsage,
    ContentBlockDeltaEvent,
    OtherBlock,
    OtherDelta,
    OtherEvent,
    TextBlock,
    ThinkingBlock,
    ToolUseBlock,
)
from novita_async.simulator import Stream

PATH = "/anthropic/v1/messages"
MODEL = "moonshotai/kimi-k2-0905"
ASK = {"model": MODEL, "max_tokens": 64, "messages": [{"role": "user", "content": "hello"}]}
TOOL = {"name": "local_time", "description": "The time.", "input_schema": {"type": "object", "properties": {}}}
BLOCKS = [
    {"type": "thinking", "thinking": "hm", "signature": "sig"},
    {"type": "text", "text": "one ", "citations": [1]},
    {"type": "tool_use", "id": "t-1", "name": "local_time", "input": {"city": "Oslo"}},
    {"type": "redacted_thinking", "data": "xyz"},
    {"type": "text", "text": "two"},
]
ANSWER = {
    "id": "msg-1",
    "type": "message",
    "role": "assistant",
    "model": MODEL,
    "content": BLOCKS,
    "stop_reason": "tool_use",
    "stop_sequence": None,
    "usage": {"input_tokens": 5, "output_tokens": 7, "cache_read_input_tokens": None},
    "novel": 1,
}


def body(server):
    return msgspec.json.decode(server.requests[-1].body)


def event(type_, **fields) -> bytes:
    data = msgspec.json.encode({"type": type_, **fields})
    return b"event: " + type_.encode() + b"\ndata: " + data + b"\n\n"


def start(index, **block) -> bytes:
    return event("content_block_start", index=index, content_block=block)


def delta(index, type_, **fields) -> bytes:
    return event("content_block_delta", index=index, delta={"type": type_, **fields})


def text(piece, index=0) -> bytes:
    return delta(index, "text_delta", text=piece)


BEGIN = event("message_start", message={**ANSWER, "content": [], "stop_reason": None, "usage": {"input_tokens": 5}})
TEXT = start(0, type="text", text="")
ENOUGH = event("message_delta", delta={"stop_reason": "end_turn"}, usage={"output_tokens": 9})
STOP = event("message_stop")
PING = event("ping")
BUSY = event("error", error={"type": "overloaded_error", "message": "busy"})


@pytest.fixture
async def server(clock):
    return Server(clock, ANSWER)


@pytest.fixture
async def messages(server, clock):
    async with connected(server, clock) as novita:
        yield novita.messages


@pytest.fixture
def streamed(clock):
    """`await streamed(*chunks)`: the events of a stream, and its message."""

    async def make(*chunks):
        async with (
            connected(Server(clock, lambda _: events(*chunks)), clock) as novita,
            novita.messages.stream(**ASK) as stream,
        ):
            return [each async for each in stream], stream.message

    return make


# ------------------------------------------------------------------------------------------- what is sent


async def test_a_question_goes_where_anthropics_clients_send_it_with_the_key_in_both_places(messages, server):
    await messages.create(**ASK, temperature=None, system="Be brief.", stop_sequences=["."])
    (request,) = server.requests
    assert (request.method, request.url) == ("POST", f"{BASE}{PATH}")
    headers = request.headers
    assert (headers["authorization"], headers["x-api-key"]) == (f"Bearer {KEY}", KEY)
    assert headers["anthropic-version"] == "2023-06-01"
    assert KEY not in repr(request)
    assert body(server) == {**ASK, "system": "Be brief.", "stop_sequences": ["."]}


async def test_every_parameter_is_one_of_the_contract(messages, server):
    await messages.create(
        **ASK,
        system=[{"type": "text", "text": "Be brief."}],
        temperature=0.5,
        top_p=0.9,
        top_k=40,
        stop_sequences=["."],
        tools=[TOOL],
        tool_choice={"type": "auto"},
        thinking={"type": "enabled", "budget_tokens": 1024},
        metadata={"user_id": "7"},
        extra_body={"novel": 1},
        extra_headers={"Anthropic-Version": "2024-01-01", "anthropic-beta": "a,b"},
    )
    openapi.check_request("POST", PATH, "application/json", server.requests[0].body)
    assert len(body(server)) == 3 + 9 + 1
    headers = server.requests[0].headers
    assert (headers["anthropic-version"], headers["anthropic-beta"]) == ("2024-01-01", "a,b")
    assert "Anthropic-Version" not in headers


async def test_an_answer_may_be_put_into_the_next_question_as_it_is(messages, server):
    answer = await messages.create(**ASK)
    result = {"type": "tool_result", "tool_use_id": "t-1", "content": "noon"}
    answer.content[1].text = "changed"
    several = [*ASK["messages"], answer, {"role": "user", "content": [result, answer.content[4]]}]
    await messages.create(**{**ASK, "messages": several})
    sent = body(server)["messages"]
    assert sent[1] == {"role": "assistant", "content": [BLOCKS[0], {**BLOCKS[1], "text": "changed"}, *BLOCKS[2:]]}
    assert sent[2]["content"] == [result, BLOCKS[4]]
    openapi.check_request("POST", PATH, "application/json", server.requests[1].body)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"max_tokens": None}, "max_tokens is missing"),
        ({"max_tokens": 0}, "max_tokens must be at least 1, got 0"),
        ({"max_tokens": "64"}, "max_tokens must be a whole number, got '64'"),
        ({"messages": []}, "messages is empty"),
        ({"messages": "hello"}, "messages must be a list of messages, got str"),
        ({"messages": ASK["messages"][0]}, "got dict"),
        ({"messages": ["hello"]}, r"messages\[0\] must be a dict or an AnthropicMessage, got str"),
        ({"messages": [{"content": "x"}]}, r"messages\[0\] has no role"),
        ({"messages": [{"role": "user"}]}, r"messages\[0\]: content must be text or a list of blocks, got NoneType"),
        ({"messages": [{"role": "user", "content": {"type": "text"}}]}, "list of blocks, got dict"),
        ({"model": ""}, "model is empty"),
        ({"stop_sequences": "."}, "stop_sequences must be a list of texts, got str"),
        ({"timeout": -1}, "timeout must be a positive number"),
        ({"extra_body": {"x": object()}}, "cannot be written as JSON"),
    ],
)
async def test_bad_arguments_are_refused_before_anything_is_sent(messages, server, arguments, words):
    with pytest.raises(ValidationError, match=words):
        await messages.create(**{**ASK, **arguments})
    with pytest.raises(ValidationError, match=words):
        messages.stream(**{**ASK, **arguments})
    assert server.requests == []


async def test_max_tokens_may_be_left_out_for_extra_body_and_a_typo_is_told(messages, server):
    without = {"model": MODEL, "messages": ASK["messages"]}
    with pytest.raises(ValidationError, match="max_tokens is missing"):
        await messages.create(**without)
    with pytest.raises(TypeError, match="'sytem'; did you mean 'system'"):
        await messages.create(**ASK, sytem="x")
    assert server.requests == []
    await messages.create(**without, extra_body={"max_tokens": 5})
    assert body(server)["max_tokens"] == 5


async def test_without_a_key_nothing_is_sent(server, clock):
    async with connected(server, clock, api_key=None) as novita:
        with pytest.raises(ConfigError, match="no API key"):
            await novita.messages.create(**ASK)
    assert server.requests == []


# --------------------------------------------------------------------------------------- what comes back


async def test_blocks_come_typed_and_those_that_nobody_knows_are_kept(messages):
    answer = await messages.create(**ASK)
    thinking, first, tool, other, second = answer.content
    assert (thinking, first, second) == (
        ThinkingBlock(thinking="hm", signature="sig"),
        TextBlock(text="one "),
        TextBlock(text="two"),
    )
    assert tool == ToolUseBlock(id="t-1", name="local_time", input={"city": "Oslo"})
    assert tool.input_json == '{"city":"Oslo"}'
    assert isinstance(other, OtherBlock)
    assert (other.type, other.raw) == ("redacted_thinking", BLOCKS[3])
    assert [block.type for block in answer.content] == [block["type"] for block in BLOCKS]
    assert (answer.text, answer.stop_reason, answer.role) == ("one two", "tool_use", "assistant")
    assert (answer.usage.input_tokens, answer.usage.output_tokens) == (5, 7)
    assert answer.raw == ANSWER


@pytest.mark.parametrize(
    "answer",
    [
        {"content": []},
        {"content": [{"type": "text"}, {"type": "tool_use", "input": None}], "usage": None, "stop_reason": "bored"},
        {"content": [{}, {"text": "x"}], "usage": {"input_tokens": "5"}},
    ],
)
async def test_what_a_server_leaves_out_or_adds_is_no_error_and_is_in_raw(clock, answer):
    async with connected(Server(clock, answer), clock) as novita:
        message = await novita.messages.create(**ASK)
    assert message.raw == answer
    assert len(message.content) == len(answer["content"])


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        ({"id": "1"}, ProtocolError),
        ({"content": [{"type": "tool_use", "input": "x"}]}, ProtocolError),
        ({"type": "error", "error": {"type": "rate_limit_error", "message": "slow down"}}, RateLimited),
        ({"code": 400, "reason": "INVALID_REQUEST_BODY", "message": "no"}, BadRequest),
    ],
)
async def test_what_is_no_message_is_nonsense_or_the_error_that_it_holds(clock, answer, error):
    async with connected(Server(clock, answer), clock) as novita:
        with pytest.raises(error):
            await novita.messages.create(**ASK)


async def test_refusals_are_read_in_anthropics_shape_and_in_the_flat_one(clock):
    shaped = {"type": "error", "error": {"type": "authentication_error", "message": "bad key"}, "request_id": "r-1"}
    server = Server(clock, json_reply(shaped, 401), refusal(400, "INVALID_REQUEST_BODY"))
    async with connected(server, clock) as novita:
        with pytest.raises(AuthenticationError, match=r"401 authentication_error: bad key \(request r-1\)"):
            await novita.messages.create(**ASK)
        with pytest.raises(BadRequest):
            await novita.messages.create(**ASK)


async def test_a_raw_response_has_the_bytes_and_the_message(messages):
    raw = await messages.with_raw_response.create(**ASK)
    assert msgspec.json.decode(raw.content) == ANSWER
    assert raw.parse().text == "one two"


# ----------------------------------------------------------------------------------------------- streams


async def test_events_come_typed_and_add_up_to_the_message(streamed):
    seen, message = await streamed(
        BEGIN,
        PING,
        start(0, type="thinking", thinking=""),
        delta(0, "thinking_delta", thinking="h"),
        delta(0, "thinking_delta", thinking="m"),
        delta(0, "signature_delta", signature="sig"),
        event("content_block_stop", index=0),
        start(1, type="text", text="one"),
        text(" two", 1),
        delta(1, "citations_delta", citation={"url": "x"}),
        event("content_block_stop", index=1),
        start(2, type="tool_use", id="t-1", name="local_time", input={}),
        delta(2, "input_json_delta", partial_json=""),
        delta(2, "input_json_delta", partial_json='{"city": "Os'),
        delta(2, "input_json_delta", partial_json='lo"}'),
        event("content_block_stop", index=2),
        start(3, **BLOCKS[3]),
        event("quantum_leap", novel=1),
        event("message_delta", delta={"stop_reason": "tool_use", "stop_sequence": None}, usage={"output_tokens": 9}),
        STOP,
    )
    assert [each.type for each in seen[:3]] == ["message_start", "content_block_start", "content_block_delta"]
    assert "ping" not in [each.type for each in seen]
    assert seen[-1].type == "message_stop"
    (odd,) = [each.delta for each in seen if isinstance(each, ContentBlockDeltaEvent) and each.index == 1][1:]
    assert isinstance(odd, OtherDelta)
    assert odd.raw["citation"] == {"url": "x"}
    (leap,) = [each for each in seen if isinstance(each, OtherEvent)]
    assert leap.raw == {"type": "quantum_leap", "novel": 1}
    assert message.content == [
        ThinkingBlock(thinking="hm", signature="sig"),
        TextBlock(text="one two"),
        ToolUseBlock(id="t-1", name="local_time", input={"city": "Oslo"}),
        OtherBlock(type="redacted_thinking"),
    ]
    assert (message.id, message.model, message.stop_reason) == ("msg-1", MODEL, "tool_use")
    assert (message.usage.input_tokens, message.usage.output_tokens) == (5, 9)


async def test_the_text_alone_and_then_the_message(clock):
    chunks = (BEGIN, start(0, type="text", text="a"), text("b"), text("c"), ENOUGH, STOP)
    server = Server(clock, events(*chunks))
    async with connected(server, clock) as novita, novita.messages.stream(**ASK) as stream:
        assert [piece async for piece in stream.text_stream] == ["a", "b", "c"]
        message = await stream.get_final_message()
    assert (message.text, message.stop_reason) == ("abc", "end_turn")
    assert body(server) == {**ASK, "stream": True}
    assert server.requests[0].headers["accept"] == "text/event-stream"


async def test_a_streamed_message_may_be_sent_back(clock):
    server = Server(clock, events(BEGIN, TEXT, text("a"), start(1, **BLOCKS[2]), STOP), ANSWER)
    async with connected(server, clock) as novita:
        async with novita.messages.stream(**ASK) as stream:
            message = await stream.get_final_message()
        await novita.messages.create(**{**ASK, "messages": [*ASK["messages"], message]})
    assert body(server)["messages"][1] == {"role": "assistant", "content": [{"type": "text", "text": "a"}, BLOCKS[2]]}


async def test_create_gives_the_events_as_a_stream(clock):
    server = Server(clock, events(BEGIN, TEXT, text("a"), ENOUGH, STOP))
    accumulator = MessageAccumulator()
    async with connected(server, clock) as novita, await novita.messages.create(**ASK, stream=True) as stream:
        async for each in stream:
            accumulator.add(each)
            assert each.raw["type"] == each.type
    assert accumulator.message.text == "a"


@pytest.mark.parametrize("written", ['{"city": "Os', "[1]", "x"])
async def test_an_input_that_is_no_object_is_kept_as_the_model_wrote_it(streamed, written):
    tool = start(0, type="tool_use", id="t-1", name="local_time", input={})
    _, message = await streamed(BEGIN, tool, delta(0, "input_json_delta", partial_json=written), ENOUGH, STOP)
    (block,) = message.content
    assert (block.input, block.input_json) == ({}, written)


async def test_an_input_may_come_whole_at_its_start(streamed):
    _, message = await streamed(BEGIN, start(0, **BLOCKS[2]), ENOUGH, STOP)
    assert message.content[0].input == {"city": "Oslo"}


async def test_a_block_that_begins_without_saying_so_is_not_lost(streamed):
    lost = [delta(0, "thinking_delta", thinking="hm"), text("a", 1), delta(2, "input_json_delta", partial_json="{}")]
    _, message = await streamed(*lost, ENOUGH, STOP)
    assert message.content == [ThinkingBlock(thinking="hm"), TextBlock(text="a"), ToolUseBlock()]


async def test_events_need_no_names_and_the_end_may_be_openais(streamed):
    plain = [part.split(b"\n", 1)[1] for part in (BEGIN, PING, TEXT, text("a"), STOP)]
    for end in (plain[-1], b"data: [DONE]\n\n"):
        seen, message = await streamed(*plain[:-1], end)
        assert message.text == "a"
        assert "ping" not in [each.type for each in seen]


async def test_counters_are_of_the_whole_answer_and_one_that_is_left_out_stays(streamed):
    def ended(**usage):
        return event("message_delta", delta={"stop_reason": "end_turn"}, usage=usage)

    counted = {"input_tokens": 5, "output_tokens": 1, "cache_read_input_tokens": 3}
    begin = event("message_start", message={**ANSWER, "content": [], "usage": counted})
    _, message = await streamed(begin, ended(output_tokens=9), ended(input_tokens=0, output_tokens=12), STOP)
    assert message.usage == AnthropicUsage(input_tokens=5, output_tokens=12, cache_read_input_tokens=3)
    _, message = await streamed(begin, TEXT, event("message_delta", delta={"stop_reason": "end_turn"}), STOP)
    assert message.usage.output_tokens == 1


async def test_a_stream_may_end_after_a_stop_reason(streamed):
    _, message = await streamed(BEGIN, TEXT, text("a"), ENOUGH.rstrip(b"\n"))
    assert (message.text, message.stop_reason) == ("a", "end_turn")


async def test_a_stream_that_is_cut_has_what_came(clock):
    server = Server(clock, lambda _: events(BEGIN, TEXT, text("half a "), text("sentence")))
    async with connected(server, clock) as novita:
        with pytest.raises(StreamCut) as caught:
            async with novita.messages.stream(**ASK) as stream:
                await stream.get_final_message()
        assert caught.value.partial.text == "half a sentence"
        assert isinstance(caught.value.partial, AnthropicMessage)
        async with await novita.messages.create(**ASK, stream=True) as stream:
            with pytest.raises(StreamCut):
                async for _ in stream:
                    pass


async def test_an_error_event_before_content_is_retried_and_after_it_raised_with_what_came(clock):
    server = Server(clock, events(BEGIN, TEXT, BUSY), events(BEGIN, TEXT, text("a"), BUSY))
    async with connected(server, clock) as novita, novita.messages.stream(**ASK) as stream:
        with pytest.raises(ServiceUnavailable, match="busy") as caught:
            await stream.get_final_message()
        assert caught.value.partial.text == "a"
        assert [each async for each in stream] == []
    assert len(server.requests) == 2


@pytest.mark.parametrize(
    ("frame", "error"),
    [
        ({"code": 429, "reason": "RATE_LIMIT_EXCEEDED", "message": "slow down"}, RateLimited),
        ({"code": 0, "message": "no", "type": "invalid_request_error"}, BadRequest),
        ({"error": {"message": "no", "type": "invalid_request_error", "code": 0}}, BadRequest),
        ({"novel": 1}, ProtocolError),
        ({"type": "content_block_delta", "index": "x", "delta": {}}, ProtocolError),
        ("nothing", ProtocolError),
    ],
)
async def test_error_frames_of_every_shape_are_told(streamed, frame, error):
    with pytest.raises(error):
        await streamed(BEGIN, TEXT, text("a"), b"data: " + msgspec.json.encode(frame) + b"\n\n")


async def test_pings_do_not_keep_a_stream_alive(clock):
    async def pinging():
        yield BEGIN + TEXT + text("a")
        while True:
            await clock.sleep(10)
            yield PING

    async with connected(Server(clock, lambda _: events(pinging())), clock) as novita:
        with pytest.raises(StreamStalled, match="'idle' limit of 60 s") as caught:
            async with novita.messages.stream(**ASK) as stream:
                await stream.get_final_message()
    assert caught.value.partial.text == "a"


async def test_a_stream_is_entered_once_read_when_open_and_over_when_closed(clock):
    server = Server(clock, lambda _: events(BEGIN, TEXT, text("a"), text("b"), STOP))
    async with connected(server, clock) as novita:
        stream = novita.messages.stream(**ASK)
        with pytest.raises(ValidationError, match="is not open"):
            await anext(stream)
        async with stream:
            async for each in stream:
                if each.type == "content_block_delta":
                    break
            await stream.aclose()
            await stream.aclose()
            assert [each async for each in stream] == []
            assert (await stream.get_final_message()).text == "a"
        with pytest.raises(ValidationError, match="entered before"):
            await stream.__aenter__()


# ------------------------------------------------------------------------------------------- the simulator


async def test_streamed_or_whole_the_simulators_answer_is_the_same(sim):
    questions = [{}, {"tools": [TOOL], "tool_choice": {"type": "any"}}, {"model": "zai-org/glm-4.5"}]
    async with inside(sim) as novita:
        for question in questions:
            asked = {**ASK, "max_tokens": 512, **question}
            whole = await novita.messages.create(**asked)
            async with novita.messages.stream(**asked) as stream:
                message = await stream.get_final_message()
            assert message.content == whole.content
            assert (message.stop_reason, message.usage.output_tokens) == (
                whole.stop_reason,
                whole.usage.output_tokens,
            )


@pytest.mark.parametrize(
    ("shape", "reason"),
    [
        ("anthropic", "overloaded_error"),
        ("flat", "SERVICE_NOT_AVAILABLE"),
        ("openai", "SERVICE_NOT_AVAILABLE"),
        ("typed", "overloaded_error"),
    ],
)
async def test_an_error_inside_the_simulators_stream_is_retried_before_the_text_and_told_after_it(sim, shape, reason):
    async with inside(sim) as novita:
        sim.fault("POST", PATH, Stream.error(after=2, shape=shape, reason=reason))
        async with novita.messages.stream(**ASK) as stream:
            assert (await stream.get_final_message()).text
        assert novita.stats()["retries"] == 1
        sim.fault("POST", PATH, Stream.error(after=6, shape=shape, reason=reason))
        async with novita.messages.stream(**ASK) as stream:
            with pytest.raises(ServiceUnavailable) as caught:
                await stream.get_final_message()
        assert caught.value.partial.text
        assert novita.stats()["retries"] == 1


async def test_many_streams_over_real_sockets_and_one_left_early(sim):
    async def read(novita):
        async with novita.messages.stream(**ASK) as stream:
            return (await stream.get_final_message()).text

    async with over_sockets(sim) as novita:
        texts = await novita.gather((read(novita) for _ in range(12)), limit=4)
        assert len(set(texts)) == 1
        async with novita.messages.stream(**ASK) as stream:
            async for piece in stream.text_stream:
                assert texts[0].startswith(piece)
                break
