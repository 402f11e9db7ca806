"""JSON: decoders are made once a type, objects keep their JSON, and nonsense is named."""

from __future__ import annotations

import msgspec
import pytest

from novita_async.errors import ProtocolError
from novita_async.wire.json import Decoders, Object, decode, encode


class Inner(Object):
    n: int = 0


class Outer(Object):
    price: float = 0.0
    inner: Inner = msgspec.field(default_factory=Inner)


def test_an_object_keeps_the_fields_that_nobody_knows():
    body = b'{"price": 1.5, "new": [1, 2], "inner": {"n": 3, "other": true}}'
    value = decode(Decoders()(Outer), body)
    assert (value.price, value.inner.n) == (1.5, 3)
    assert value.raw == {"price": 1.5, "new": [1, 2], "inner": {"n": 3, "other": True}}
    assert value.inner.raw == {}
    assert Outer().raw == {}


def test_numbers_that_come_as_text_are_numbers():
    assert decode(Decoders()(Outer), b'{"price": "0.25", "inner": {"n": "7"}}').inner.n == 7


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"<html>Bad gateway</html>", "<html>"),
        (b'{"price": "much"}', "price"),
        (b'{"price": ', "truncated"),
        (b"", "begins ''"),
        (b'{"inner": "\xff"}', "unreadable answer"),
    ],
)
def test_what_cannot_be_read_is_an_error_that_shows_how_it_begins(body, words):
    with pytest.raises(ProtocolError, match=words) as caught:
        decode(Decoders()(Outer), body)
    assert caught.value.body == body


def test_a_long_answer_is_shown_in_part_and_kept_whole():
    body = b"x" * 100_000
    with pytest.raises(ProtocolError) as caught:
        decode(Decoders()(Outer), body)
    assert len(str(caught.value)) < 400
    assert caught.value.body == body


def test_a_decoder_is_made_once_for_a_type():
    decoders = Decoders()
    assert decoders(Outer) is decoders(Outer)
    assert decoders(dict[str, int]) is decoders(dict[str, int])


def test_types_without_end_do_not_fill_the_memory():
    decoders = Decoders(size=2)
    first = decoders(Outer)
    second = decoders(Inner)
    assert decoders(Outer) is first
    decoders(dict)  # puts out Outer, which is the oldest
    assert decoders(Inner) is second
    assert decoders(Outer) is not first


def test_what_json_cannot_carry_is_refused():
    assert encode({"a": Inner(n=1)}) == b'{"a":{"n":1}}'
    with pytest.raises(TypeError):
        encode(object())
