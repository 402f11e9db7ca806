"""Reasoning inside the content: told apart from the answer wherever the pieces are cut."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from novita_async.llm.thinking import ThinkSplitter, split_thinking

WHOLE = [
    ("<think>\nlook\n</think>\n\nyes", "look", "yes"),
    ("  <think>look</think>yes", "look", "yes"),
    ("<think></think>yes", "", "yes"),
    ("<think>\n\n</think>\n\n", "", ""),
    ("no tags at all", "", "no tags at all"),
    ("it says <think>so</think>", "", "it says <think>so</think>"),
    ("<think>a</think>b<think>c</think>", "a", "b<think>c</think>"),
    ("<think>cut off by max_tok", "cut off by max_tok", ""),
    ("<think>a < b </thin", "a < b </thin", ""),
    ("<thinking>", "", "<thinking>"),
    ("<thi", "", "<thi"),
    ("", "", ""),
    ("  \n", "", "  \n"),
]


@pytest.mark.parametrize(("content", "reasoning", "answer"), WHOLE)
def test_whole_texts(content, reasoning, answer):
    assert split_thinking(content) == (reasoning, answer)


@given(st.data())
def test_pieces_give_what_the_whole_gives(data):
    content = data.draw(
        st.sampled_from([content for content, _, _ in WHOLE])
        | st.lists(st.sampled_from(["<think>", "</think>", " ", "\n", "<", "a", "</th", "ink>"])).map("".join)
    )
    expected = split_thinking(content)
    splitter = ThinkSplitter()
    reasoning = answer = ""
    while content:
        size = data.draw(st.integers(1, 4))
        more = splitter.feed(content[:size])
        reasoning, answer, content = reasoning + more[0], answer + more[1], content[size:]
    rest = splitter.close()
    assert (reasoning + rest[0], answer + rest[1]) == expected
