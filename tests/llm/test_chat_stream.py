"""`chat.completions.stream`: typed events, what they add up to, and streams that break."""

from __future__ import annotations

import asyncio

import msgspec
import pytest
from helpers import ASK, CHAT, DONE, END, Server, chunk, connected, events, inside, turns

from novita_async.errors import ProtocolError, ServiceUnavailable, StreamCut, ValidationError
from novita_async.llm import CompletionDone, ReasoningDelta, RefusalDelta, TextDelta, ToolCallFragment, UsageReport
from novita_async.simulator import Stream

BUSY = b'data: {"code": 503, "reason": "SERVICE_NOT_AVAILABLE", "message": "busy"}\n\n'
TOOLS = [{"type": "function", "function": {"name": name}} for name in ("clock_a", "clock_b")]


def call(index, name=None, arguments=None, id_=None):
    function = {key: value for key, value in (("name", name), ("arguments", arguments)) if value is not None}
    return {"index": index, "function": function, **({"id": id_} if id_ else {})}


def usage(**counts) -> bytes:
    return b"data: " + msgspec.json.encode({"choices": [], "usage": counts}) + b"\n\n"


@pytest.fixture
def streamed(clock):
    """`await streamed(*chunks)`: the events of a stream, and its completion."""

    async def make(*chunks):
        server = Server(clock, lambda _: events(*chunks))
        async with connected(server, clock) as novita, novita.chat.completions.stream(**ASK) as stream:
            return [event async for event in stream], stream.completion

    return make


async def test_each_part_of_a_delta_is_an_event_and_the_completion_the_last_one(streamed):
    seen, completion = await streamed(
        chunk(role="assistant"),
        chunk(reasoning_content="hm"),
        chunk("one "),
        chunk("two"),
        chunk(finish="stop"),
        usage(prompt_tokens=1, completion_tokens=2, total_tokens=3),
        DONE,
    )
    assert seen[:3] == [ReasoningDelta("hm"), TextDelta("one "), TextDelta("two")]
    assert [event.type for event in seen] == ["reasoning", "text", "text", "usage", "done"]
    assert isinstance(seen[3], UsageReport)
    assert seen[3].usage.total_tokens == 3
    assert seen[4] == CompletionDone(completion)
    (choice,) = completion.choices
    assert (choice.message.content, choice.message.reasoning_content, choice.finish_reason) == ("one two", "hm", "stop")
    assert completion.usage.total_tokens == 3


async def test_fragments_of_tool_calls_are_joined_by_index(streamed):
    seen, completion = await streamed(
        chunk(tool_calls=[call(0, "clock_a", "", "id-a")]),
        chunk(tool_calls=[call(0, arguments='{"city": '), call(1, "clock_b", "{", "id-b")]),
        chunk(tool_calls=[call(1, arguments="}"), call(0, arguments='"Oslo"}')]),
        chunk(finish="tool_calls"),
        DONE,
    )
    fragments = [event for event in seen if isinstance(event, ToolCallFragment)]
    assert fragments[0] == ToolCallFragment(0, "id-a", "clock_a", "")
    assert [(fragment.index, fragment.arguments) for fragment in fragments[1:]] == [
        (0, '{"city": '),
        (1, "{"),
        (1, "}"),
        (0, '"Oslo"}'),
    ]
    calls = completion.choices[0].message.tool_calls
    assert [(made.id, made.function.name, made.function.arguments) for made in calls] == [
        ("id-a", "clock_a", '{"city": "Oslo"}'),
        ("id-b", "clock_b", "{}"),
    ]


async def test_several_answers_are_kept_apart(streamed):
    def both(first, second, **more):
        choices = [{"index": n, "delta": {"content": text}, **more} for n, text in ((1, second), (0, first))]
        return b"data: " + msgspec.json.encode({"choices": choices}) + b"\n\n"

    seen, completion = await streamed(both("a", "x"), both("b", "y", finish_reason="stop"), DONE)
    assert [(event.choice, event.text) for event in seen[:-1]] == [(1, "x"), (0, "a"), (1, "y"), (0, "b")]
    assert [(choice.index, choice.message.content) for choice in completion.choices] == [(0, "ab"), (1, "xy")]


async def test_reasoning_that_comes_in_both_forms_at_once_is_one(streamed):
    detail = {"type": "reasoning.text", "text": "hm", "index": 0, "format": "openai-responses-v1"}
    seen, completion = await streamed(
        chunk(reasoning_content="hm", reasoning_details=[detail]),
        chunk(reasoning_details=[{**detail, "text": " so"}]),
        chunk("yes", finish="stop"),
        DONE,
    )
    assert seen[:2] == [ReasoningDelta("hm"), ReasoningDelta(" so")]
    message = completion.choices[0].message
    assert message.reasoning_content == "hm so"
    assert [(part.text, part.index, part.format) for part in message.reasoning_details] == [
        ("hm so", 0, "openai-responses-v1")
    ]


async def test_usage_counts_wherever_it_comes_and_the_last_one_wins(streamed):
    early = msgspec.json.encode({"choices": [], "usage": {"total_tokens": 1}})
    with_text = {"choices": [{"index": 0, "delta": {"content": "x"}}], "usage": {"total_tokens": 2}}
    seen, completion = await streamed(
        b"data: " + early + b"\n\n",
        b"data: " + msgspec.json.encode(with_text) + b"\n\n",
        chunk(finish="stop"),
        DONE,
    )
    assert [event.usage.total_tokens for event in seen if isinstance(event, UsageReport)] == [1, 2]
    assert completion.usage.total_tokens == 2


def thoughts(message) -> str:
    details = message.reasoning_details or ()
    return message.reasoning_content or "".join(detail.text for detail in details)


async def test_streamed_or_whole_the_simulators_answer_is_the_same(sim):
    questions = [
        {},
        {"n": 2},
        {"tools": TOOLS, "tool_choice": "required"},
        {"model": "zai-org/glm-4.5"},
        {"model": "minimax/minimax-m2", "reasoning_split": True},
        {"response_format": {"type": "json_object"}},
    ]
    async with inside(sim) as novita:
        for question in questions:
            whole = await novita.chat.completions.create(**{**ASK, **question})
            async with novita.chat.completions.stream(**{**ASK, **question}) as stream:
                streamed = await stream.final()
            assert [choice.message.content for choice in streamed.choices] == [
                choice.message.content for choice in whole.choices
            ]
            for ours, theirs in zip(streamed.choices, whole.choices, strict=True):
                assert ours.finish_reason == theirs.finish_reason
                assert ours.message.reasoning_content == theirs.message.reasoning_content or question.get(
                    "reasoning_split"
                )
                assert [made.function for made in ours.message.tool_calls or ()] == [
                    made.function for made in theirs.message.tool_calls or ()
                ]
            assert streamed.usage.total_tokens == whole.usage.total_tokens


async def test_text_gives_the_pieces_of_the_first_answer_alone(sim):
    async with inside(sim) as novita, novita.chat.completions.stream(**ASK, n=2) as stream:
        pieces = [piece async for piece in stream.text()]
        assert "".join(pieces) == stream.completion.choices[0].message.content


# ---------------------------------------------------------------------------------------- streams that break


@pytest.mark.parametrize(
    ("fault", "kind"), [(Stream.error(after=3), ServiceUnavailable), (Stream.cut(after=3), StreamCut)]
)
async def test_a_broken_stream_has_what_had_come_on_its_error_and_is_not_done(sim, fault, kind):
    sim.fault("POST", CHAT, fault)
    async with inside(sim) as novita, novita.chat.completions.stream(**ASK) as stream:
        texts: list[str] = []
        with pytest.raises(kind) as broken:
            _ = [texts.append(event.text) async for event in stream]
        assert broken.value.partial.choices[0].message.content == "".join(texts)
        assert broken.value.partial.choices[0].finish_reason is None
        assert [event async for event in stream] == []
        assert await stream.final() == broken.value.partial


async def test_a_stream_that_is_left_early_is_not_done(sim):
    async with inside(sim) as novita:
        async with novita.chat.completions.stream(**ASK) as stream:
            first = await anext(stream)
        assert [event async for event in stream] == []
        assert stream.completion.choices[0].message.content == first.text


async def test_a_stream_is_read_inside_async_with_and_entered_once(sim):
    async with inside(sim) as novita:
        stream = novita.chat.completions.stream(**ASK)
        with pytest.raises(ValidationError, match="async with"):
            await anext(stream)
        assert sim.requests == []
        async with stream:
            with pytest.raises(ValidationError, match="before"):
                await stream.__aenter__()
        await stream.aclose()


async def test_chunks_alone_have_no_partial(clock):
    server = Server(clock, lambda _: events(chunk("one"), BUSY))
    async with connected(server, clock) as novita, await novita.chat.completions.create(**ASK, stream=True) as stream:
        await anext(stream)
        with pytest.raises(ServiceUnavailable) as broken:
            await anext(stream)
    assert broken.value.partial is None


async def test_a_cancelled_read_loses_no_event(clock):
    async def slowly():
        for number in range(5):
            await clock.sleep(1)
            yield chunk(f"{number} ", finish="stop" if number == 4 else None, reasoning_content="r")
        yield DONE

    server = Server(clock, lambda _: events(slowly()))
    async with connected(server, clock) as novita, novita.chat.completions.stream(**ASK) as stream:
        seen = []
        while not seen or seen[-1].type != "done":
            reading = asyncio.ensure_future(anext(stream))
            await clock.sleep(0.4)
            if not reading.done():
                reading.cancel()
                await turns()
            if not reading.cancelled():
                seen.append(reading.result())
        assert [event.type for event in seen] == ["reasoning", "text"] * 5 + ["done"]
        assert stream.completion.choices[0].message.content == "0 1 2 3 4 "


async def test_reasoning_in_think_tags_is_told_apart_and_the_content_kept_as_it_came(streamed):
    seen, completion = await streamed(
        chunk("<thi"), chunk("nk>\nlook"), chunk(" up\n</th"), chunk("ink>\n\nit"), chunk(" is"), END
    )
    assert seen[:-1] == [ReasoningDelta("look"), ReasoningDelta(" up"), TextDelta("it"), TextDelta(" is")]
    message = completion.choices[0].message
    assert message.content == "<think>\nlook up\n</think>\n\nit is"
    assert (message.reasoning, message.answer) == ("look up", "it is")


async def test_a_text_that_only_looks_like_the_beginning_of_a_tag_comes_whole(streamed):
    seen, completion = await streamed(chunk("<"), chunk("thi"), END)
    assert seen == [TextDelta("<thi"), CompletionDone(completion)]


@pytest.mark.parametrize(
    "delta",
    [
        {"reasoning_content": "hm"},
        {"reasoning_details": [{"type": "reasoning.text", "text": "hm", "index": 0}]},
        {"reasoning_content": "hm", "reasoning_details": [{"type": "reasoning.text", "text": "hm", "index": 0}]},
        {"content": "<think>hm</think>"},
    ],
)
async def test_every_shape_of_reasoning_reads_the_same(streamed, delta):
    seen, completion = await streamed(chunk(**delta), chunk("yes"), END)
    assert seen[:2] == [ReasoningDelta("hm"), TextDelta("yes")]
    assert (completion.choices[0].message.reasoning, completion.choices[0].message.answer) == ("hm", "yes")


async def test_a_refusal_is_an_event_of_its_own(streamed):
    seen, completion = await streamed(chunk(refusal="I "), chunk(refusal="cannot"), END)
    assert seen[:2] == [RefusalDelta("I "), RefusalDelta("cannot")]
    assert completion.choices[0].message.refusal == "I cannot"


async def test_log_probabilities_are_typed_and_put_together(streamed):
    def scored(token: str) -> bytes:
        logprobs = {"content": [{"token": token, "logprob": -0.5, "top_logprobs": [{"token": "x", "logprob": -1}]}]}
        choice = {"index": 0, "delta": {"content": token}, "logprobs": logprobs, "finish_reason": None}
        return b"data: " + msgspec.json.encode({"choices": [choice]}) + b"\n\n"

    _, completion = await streamed(scored("a"), scored("b"), END)
    content = completion.choices[0].logprobs.content
    assert [(part.token, part.logprob, part.top_logprobs[0].token) for part in content] == [
        ("a", -0.5, "x"),
        ("b", -0.5, "x"),
    ]


async def test_the_events_can_be_split_among_readers(clock):
    server = Server(clock, lambda _: events(*[chunk(str(number)) for number in range(100)], END))
    async with connected(server, clock) as novita, novita.chat.completions.stream(**ASK) as stream:

        async def read(branch):
            return [event async for event in branch]

        seen = await asyncio.gather(*map(read, stream.tee(3, buffer=2)))
        assert seen[0] == seen[1] == seen[2]
        assert seen[0][-1] == CompletionDone(stream.completion)
        assert "".join(event.text for event in seen[0][:-1]) == "".join(map(str, range(100)))


async def test_chunks_can_be_split_among_readers(clock):
    server = Server(clock, lambda _: events(chunk("one"), chunk("two"), END))
    async with (
        connected(server, clock) as novita,
        await novita.chat.completions.create(**ASK, stream=True) as stream,
    ):
        first, second = stream.tee(2)
        seen = [part async for part in first]
        assert seen == [part async for part in second]
        assert [part.choices[0].delta.content for part in seen] == ["one", "two", None]


async def test_an_event_is_decoded_when_it_is_taken_and_not_before(clock):
    server = Server(clock, lambda _: events(chunk("one") + b"data: no json\n\n" + END))
    async with (
        connected(server, clock) as novita,
        await novita.chat.completions.create(**ASK, stream=True) as stream,
    ):
        assert (await anext(stream)).choices[0].delta.content == "one"
        with pytest.raises(ProtocolError, match="no json"):
            await anext(stream)


async def test_an_event_of_five_megabytes_comes_through(clock):
    text = "x" * 5_000_000
    pieces = chunk(text)
    parts = [pieces[start : start + 65_536] for start in range(0, len(pieces), 65_536)]
    server = Server(clock, lambda _: events(*parts, END))
    async with connected(server, clock) as novita, novita.chat.completions.stream(**ASK) as stream:
        assert (await stream.final()).choices[0].message.content == text
