"""Newline-delimited JSON: the same lines whatever the chunks."""

from __future__ import annotations

import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from novita_async.errors import EventTooLarge
from novita_async.wire.ndjson import NDJSONDecoder


def feed_all(decoder, chunks):
    return [line for chunk in chunks for line in decoder.feed(chunk)]


def decoded(*chunks, **options):
    decoder = NDJSONDecoder(**options)
    return feed_all(decoder, chunks) + decoder.close()


pieces = st.sampled_from([b'{"a": 1}', b'{"text": "\xe2\x80\xa8\xc2\x85\x0b\x0c"}', b"{}", b"\n", b"\r\n", b"\n\n"])
streams = st.lists(pieces, max_size=20).map(b"".join)


@settings(deadline=None)
@given(streams)
def test_every_cut_gives_the_same_lines(stream):
    expected = [line for line in stream.replace(b"\r\n", b"\n").split(b"\n") if line]
    for cut in range(len(stream) + 1):
        assert decoded(stream[:cut], b"", stream[cut:]) == expected
    assert decoded(*(stream[at : at + 1] for at in range(len(stream)))) == expected


def test_a_line_is_given_with_its_end_and_not_before():
    decoder = NDJSONDecoder()
    assert decoder.feed(b'{"a"') == []
    assert decoder.feed(b": 1}") == []
    assert decoder.feed(b"\n{") == [b'{"a": 1}']
    assert decoder.feed(b"}\r\n\r\n") == [b"{}"]
    assert decoder.close() == []


def test_a_last_line_without_an_end_comes_with_the_end():
    assert decoded(b"{}\n[]") == [b"{}", b"[]"]


def test_a_line_of_five_megabytes_is_one_line():
    line = b'"' + b"x" * 5_000_000 + b'"'
    assert decoded(*(line[start : start + 65_536] for start in range(0, len(line), 65_536)), b"\n") == [line]


@pytest.mark.parametrize("chunk", [b"x" * 60, b"x" * 200, b"{}\n" + b"x" * 101])
def test_a_line_over_the_limit_is_an_error(chunk):
    decoder = NDJSONDecoder(max_event_bytes=100)
    with pytest.raises(EventTooLarge, match="100 bytes"):
        feed_all(decoder, [chunk] * 2)


def test_the_limit_is_on_a_line_and_not_on_the_stream():
    assert decoded(*[b"x" * 80 + b"\n"] * 50, max_event_bytes=100) == [b"x" * 80] * 50


def test_a_long_line_in_small_chunks_is_not_copied_until_it_ends():
    chunk = b"x" * 999
    decoder = NDJSONDecoder()
    before = sys.getrefcount(chunk)
    for _ in range(2_000):
        assert decoder.feed(chunk) == []
    assert sys.getrefcount(chunk) == before + 2_000
    assert decoder.feed(b"\n") == [chunk * 2_000]
    assert sys.getrefcount(chunk) == before
