"""JSON that is still being written: what its beginning holds, whatever pieces it comes in."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from novita_async.llm.partial_json import PartialJSON

SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4), max_leaves=12
)
ROOTS = st.dictionaries(st.text(), VALUES, max_size=4) | st.lists(VALUES, max_size=4)


def fed(text: str, size: int) -> PartialJSON:
    parser = PartialJSON()
    for start in range(0, len(text), size):
        parser.feed(text[start : start + size])
    return parser


@given(value=ROOTS, size=st.integers(1, 9), ascii_only=st.booleans(), indent=st.sampled_from([None, 2]))
def test_the_whole_text_gives_the_whole_value_in_pieces_of_any_size(value, size, ascii_only, indent):
    parser = fed(json.dumps(value, ensure_ascii=ascii_only, indent=indent), size)
    assert parser.done
    assert parser.value == value


def is_beginning(part, whole) -> bool:
    """Whether a value may become another one by growing."""
    if isinstance(part, dict) and isinstance(whole, dict):
        return list(part) == list(whole)[: len(part)] and all(is_beginning(part[key], whole[key]) for key in part)
    if isinstance(part, list) and isinstance(whole, list):
        return len(part) <= len(whole) and all(map(is_beginning, part, whole))
    if isinstance(part, str) and isinstance(whole, str):
        return whole.startswith(part)
    return type(part) is type(whole) and part == whole


@given(value=ROOTS, ascii_only=st.booleans())
def test_every_beginning_holds_a_beginning_of_the_value(value, ascii_only):
    parser = PartialJSON()
    for letter in json.dumps(value, ensure_ascii=ascii_only):
        before = json.dumps(parser.value)
        changed = parser.feed(letter)
        assert changed == (json.dumps(parser.value) != before)
        assert parser.value is None or is_beginning(parser.value, value)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("", None),
        ("Here you are: ", None),
        ("```json\n{", {}),
        ('{"a', {}),
        ('{"a":', {}),
        ('{"a": 12', {}),  # it may become 123
        ('{"a": 12,', {"a": 12}),
        ('{"a": tr', {}),
        ('{"a": "x\\', {"a": "x"}),
        ('{"a": "x\\u00e', {"a": "x"}),
        ('{"a": "x\\ud83d', {"a": "x"}),  # half of a pair
        ('{"a": "x\\ud83d\\ude00', {"a": "x😀"}),
        ('{"a": [1, {"b": "c', {"a": [1, {"b": "c"}]}),
    ],
)
def test_what_has_come_is_shown_as_far_as_it_is_sure(text, value):
    parser = PartialJSON()
    parser.feed(text)
    assert (parser.value, parser.done) == (value, False)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('{"a": tru, "b": 1}', {}),
        ('{"a": 01, "b": 1}', {}),
        ('{"a": NaN}', {}),
        ('{"a" 1}', {}),
        ("{a: 1}", {}),
        ('{"a": 1,}', {"a": 1}),
        ("[1 2]", [1]),
        ("[,1]", []),
        ('["\\x"]', [""]),
        ('["\\ud83dx"]', [""]),  # msgspec refuses lone halves too
        ('["\\udc00"]', [""]),
        ("[" + "9" * 2000 + ", 1]", []),
    ],
)
def test_what_is_no_json_stops_it_and_is_no_error_here(text, value):
    parser = PartialJSON()
    parser.feed(text)
    parser.feed('"more": [')
    assert (parser.value, parser.done) == (value, False)


def test_what_stands_behind_the_end_is_passed_over():
    parser = PartialJSON()
    assert parser.feed('{"a": 1}\n```\nDone, {"b": 2}')
    assert not parser.feed("[")
    assert (parser.value, parser.done) == ({"a": 1}, True)


def test_a_long_string_is_shown_in_ever_larger_steps_so_that_the_work_stays_linear():
    parser = PartialJSON()
    parser.feed('{"a": "')
    copied = shown = 0
    for _ in range(50_000):
        if parser.feed("word "):
            shown += 1
            copied += len(parser.value["a"])
    parser.feed('"}')
    assert len(parser.value["a"]) == 250_000
    assert shown < 1000
    assert copied < 25 * 250_000  # and not 50,000 times half of it


def test_deep_nesting_is_no_recursion():
    parser = PartialJSON()
    parser.feed("[" * 50_000)
    parser.feed("]" * 50_000)
    assert parser.done
    value = parser.value  # taken apart by hand: the interpreter's own way down is not that long everywhere
    while value:
        value = value.pop()
