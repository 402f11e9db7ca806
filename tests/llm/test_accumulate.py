"""Chunks put together, whatever way they were cut."""

from __future__ import annotations

import itertools

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from novita_async import ChatAccumulator
from novita_async.llm import ChatCompletionChunk
from novita_async.llm.types import ChunkChoice, Delta, FunctionCallDelta, Logprobs, TokenLogprob, ToolCallDelta


def pieces(text: str, cuts: list[int]) -> list[str]:
    """A text cut at some places."""
    marks = sorted({0, len(text), *(cut % (len(text) + 1) for cut in cuts)})
    return [text[start:end] for start, end in itertools.pairwise(marks)]


def delta(**fields) -> ChatCompletionChunk:
    return ChatCompletionChunk(choices=[ChunkChoice(index=0, delta=Delta(**fields))])


CUTS = st.lists(st.integers(0, 1000), max_size=20)


@given(text=st.text(), reasoning=st.text(), arguments=st.text(), cuts=CUTS)
def test_no_way_of_cutting_changes_what_was_said(text, reasoning, arguments, cuts):
    accumulator = ChatAccumulator()
    for piece in pieces(reasoning, cuts):
        accumulator.add(delta(role="assistant", reasoning_content=piece))
    for piece in pieces(text, cuts):
        accumulator.add(delta(content=piece))
    start = ToolCallDelta(index=0, id="id", function=FunctionCallDelta(name="f"))
    accumulator.add(delta(tool_calls=[start]))
    for piece in pieces(arguments, cuts):
        accumulator.add(delta(tool_calls=[ToolCallDelta(index=0, function=FunctionCallDelta(arguments=piece))]))
    message = accumulator.completion.choices[0].message
    assert (message.content or "", message.reasoning_content or "") == (text, reasoning)
    assert message.tool_calls[0].function.arguments == arguments


def test_nothing_yet_is_a_completion_without_choices():
    assert ChatAccumulator().completion.choices == []


def test_the_head_comes_from_the_first_chunk():
    accumulator = ChatAccumulator()
    for number in (1, 2):
        accumulator.add(ChatCompletionChunk(choices=[], id=f"id-{number}", created=number, model=f"m-{number}"))
    completion = accumulator.completion
    assert (completion.id, completion.created, completion.model) == ("id-1", 1, "m-1")


def test_log_probabilities_refusals_and_repeated_names_are_joined():
    accumulator = ChatAccumulator()
    for token in ("a", "b"):
        function = FunctionCallDelta(name="f", arguments=token)
        accumulator.add(delta(refusal=token, tool_calls=[ToolCallDelta(index=3, id="id", function=function)]))
        choice = ChunkChoice(index=0, delta=Delta(), logprobs=Logprobs(content=[TokenLogprob(token=token, logprob=-1)]))
        accumulator.add(ChatCompletionChunk(choices=[choice]))
    (choice,) = accumulator.completion.choices
    assert choice.message.refusal == "ab"
    assert choice.message.content is None
    assert [part.token for part in choice.logprobs.content] == ["a", "b"]
    (call,) = choice.message.tool_calls
    assert (call.id, call.index, call.function.name, call.function.arguments) == ("id", 3, "f", "ab")


def test_an_empty_text_is_not_no_text_when_it_goes_back_to_the_model():
    """A message with tool calls and no content is written without one, as the platform's examples have it."""
    accumulator = ChatAccumulator()
    accumulator.add(delta(role="assistant", content=""))
    message = accumulator.completion.choices[0].message
    assert msgspec.json.encode(message) == b'{"role":"assistant"}'


def test_chunks_are_not_changed_by_being_added():
    detail = b'{"choices":[{"index":0,"delta":{"reasoning_details":[{"text":"a","index":0}]}}]}'
    chunks = [msgspec.json.decode(detail, type=ChatCompletionChunk) for _ in range(2)]
    accumulator = ChatAccumulator()
    for chunk in chunks:
        accumulator.add(chunk)
    assert accumulator.completion.choices[0].message.reasoning_details[0].text == "aa"
    assert [chunk.choices[0].delta.reasoning_details[0].text for chunk in chunks] == ["a", "a"]
