from __future__ import annotations

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from novita_async.simulator import words


@given(st.text())
def test_joined_tokens_are_the_text_again(text):
    assert "".join(words.tokens(text)) == text


@given(st.text())
def test_there_is_an_answer_to_anything(text):
    assert words.answer(text, Random(1)).strip()
    assert words.thought(text, Random(1)).strip()


def test_tokens_are_words_with_their_space_numbers_in_threes_and_signs():
    assert words.tokens("Well, 12345 <think>x_y") == ["Well", ",", " 123", "45", " <", "think", ">", "x", "_", "y"]
    assert words.tokens("<think>\nOh") == ["<think>", "\n", "Oh"]


@pytest.mark.parametrize(
    ("prompt", "found"),
    [
        ("Why is the sky blue?", ["the sky blue"]),
        ("Please explain the event loop to me in one paragraph", ["the event loop"]),
        ("Tell me about asyncio, cancellation and structured concurrency.", ["structured concurrency", "cancellation"]),
        ("What is it?", []),
    ],
)
def test_a_prompt_is_about_its_telling_words(prompt, found):
    assert words.subjects(prompt)[: len(found) or 1] == found


@pytest.mark.parametrize("prompt", ["hello", "Write a haiku about rain", "How do I bake bread?", "Why?", ""])
def test_no_blank_is_left_unfilled(prompt):
    for seed in range(30):
        text = words.answer(prompt, Random(seed))
        assert "{" not in text
        assert text[0].isupper()


def test_tools_are_quoted_in_words():
    assert "clock says noon" in words.tool_answer([("clock", "noon")], Random(1))
    text = words.tool_answer(
        [("weather", '{"sky":"clear","degrees":-3}'), ("fish", '{"of": ["the", "day"]}')], Random(1)
    )
    assert "weather says sky: clear, degrees: -3; fish says {" in text
