"""Server-sent events: the same events whatever the chunks, and no more work than there are bytes."""

from __future__ import annotations

import itertools
import re
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from novita_async.errors import EventTooLarge
from novita_async.wire.sse import ServerSentEvent, SSEDecoder

BOM = b"\xef\xbb\xbf"


def feed_all(decoder, chunks):
    return [event for chunk in chunks for event in decoder.feed(chunk)]


def decoded(*chunks, **options):
    decoder = SSEDecoder(**options)
    return feed_all(decoder, chunks) + decoder.close()


def by_the_book(stream: bytes) -> list[ServerSentEvent]:
    """The standard's algorithm, read line by line from the whole stream."""
    lines = re.split(rb"\r\n|\n|\r", stream.removeprefix(BOM))
    events, data, event, id_ = [], [], "", ""
    for line in [*lines, b""]:
        if line == b"":
            if data:
                events.append(ServerSentEvent(b"\n".join(data), event, id_))
            data, event, id_ = [], "", ""
            continue
        name, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if name == b"data":
            data.append(value)
        elif name == b"event":
            event = value.decode()
        elif name == b"id":
            id_ = value.decode()
    return events


texts = st.text(alphabet="a:{ }\u0085\u2028\u2029\x0b\x0c\x1c✓", max_size=8).map(str.encode)
fields = st.one_of(
    st.tuples(st.sampled_from([b"data: ", b"data:", b"event: ", b"id: ", b"retry: ", b": ", b":", b"other: "]), texts),
    st.tuples(st.sampled_from([b"data", b"event", b""]), st.just(b"")),
).map(b"".join)
ends = st.sampled_from([b"\n", b"\r\n", b"\r", b"\n\n", b"\r\r", b"\r\n\r\n", b"\n\r"])
streams = st.tuples(
    st.sampled_from([b"", BOM]), st.lists(st.tuples(fields, ends).map(b"".join), max_size=12).map(b"".join)
).map(b"".join)


@settings(deadline=None)
@given(streams)
def test_a_whole_stream_is_read_by_the_book(stream):
    assert decoded(stream) == by_the_book(stream)


@settings(deadline=None)
@given(streams)
def test_every_cut_gives_the_same_events(stream):
    expected = by_the_book(stream)
    for cut in range(len(stream) + 1):
        assert decoded(stream[:cut], stream[cut:]) == expected
    assert decoded(*(stream[at : at + 1] for at in range(len(stream)))) == expected


@settings(deadline=None)
@given(streams, st.lists(st.integers(0, 100), max_size=10))
def test_many_cuts_and_empty_chunks_give_the_same_events(stream, cuts):
    places = sorted({min(cut, len(stream)) for cut in cuts} | {0, len(stream)})
    chunks = [b""]
    for start, end in itertools.pairwise(places):
        chunks += [stream[start:end], b""]
    assert decoded(*chunks) == by_the_book(stream)


def test_separators_of_unicode_are_data():
    text = "one\u0085two\u2028three\u2029four\x0bfive\x0csix\x1cseven".encode()
    assert decoded(b"data: " + text + b"\n\n") == [ServerSentEvent(text)]


def test_an_event_is_given_with_its_blank_line_and_not_before():
    decoder = SSEDecoder()
    assert decoder.feed(b"data: one\n") == []
    assert decoder.feed(b"\n") == [ServerSentEvent(b"one")]
    assert decoder.feed(b"data: two\r\n\r") == [ServerSentEvent(b"two")]
    assert decoder.feed(b"\ndata: three\r\r") == [ServerSentEvent(b"three")]
    assert decoder.close() == []


def test_names_ids_and_lines_belong_to_their_own_event():
    stream = b"event: message_start\nid: 7\ndata: {\ndata: }\n\ndata: plain\n\nevent: ping\n\ndata\n\n"
    assert decoded(stream) == [
        ServerSentEvent(b"{\n}", "message_start", "7"),
        ServerSentEvent(b"plain"),
        ServerSentEvent(b""),
    ]


def test_an_id_from_an_earlier_chunk_is_not_lost():
    assert decoded(b"id: 7\n", b"data: x\n\n") == [ServerSentEvent(b"x", "", "7")]


def test_comments_and_keep_alives_are_no_events():
    assert decoded(b": ping\n\n", b":\n\n\n\n", b": data: no\ndata: yes\n\n") == [ServerSentEvent(b"yes")]


def test_a_byte_order_mark_is_dropped_at_the_start_only():
    assert decoded(BOM[:1], BOM[1:2], BOM[2:] + b"data: x\n\n") == [ServerSentEvent(b"x")]
    assert decoded(b"data: x\n\n" + BOM + b"data: y\n\n") == [ServerSentEvent(b"x")]
    assert decoded(b"data: " + BOM + b"x\n\n") == [ServerSentEvent(BOM + b"x")]


def test_bytes_that_are_not_utf8_stay_as_they_are():
    assert decoded(b"event: \xff\ndata: \xff\xfe\n\n") == [ServerSentEvent(b"\xff\xfe", "\ufffd")]


def test_an_event_without_its_blank_line_comes_with_the_end():
    assert decoded(b"data: [DONE]") == [ServerSentEvent(b"[DONE]")]
    assert decoded(b"data: [DONE]\n") == [ServerSentEvent(b"[DONE]")]
    assert decoded(b"event: nothing") == []


@pytest.mark.parametrize("size", [65_536, 1_000_000, 6_000_000])
def test_an_event_of_five_megabytes_is_one_event(size):
    data = b"x" * 5_000_000
    stream = b"data: " + data + b"\n\n"
    chunks = [stream[start : start + size] for start in range(0, len(stream), size)]
    assert decoded(*chunks) == [ServerSentEvent(data)]


@pytest.mark.parametrize(
    "chunk",
    [b"data: " + b"x" * 200 + b"\n\n", b"x" * 50, b"data: " + b"x" * 20 + b"\n", b": " + b"x" * 50, b"data: xxxx"],
    ids=["one whole event", "a line without end", "many short lines", "a comment without end", "a cut field"],
)
def test_an_event_over_the_limit_is_an_error_before_more_is_held(chunk):
    decoder = SSEDecoder(max_event_bytes=100)
    with pytest.raises(EventTooLarge, match="100 bytes"):
        feed_all(decoder, [chunk] * 20)


def test_the_limit_is_on_an_event_and_not_on_the_stream():
    event = b"data: " + b"x" * 80 + b"\n\n"
    assert decoded(*[event] * 50, event * 50, max_event_bytes=100) == [ServerSentEvent(b"x" * 80)] * 100


def test_a_long_line_in_small_chunks_is_not_copied_until_it_ends():
    # Copying it at every chunk is what makes a decoder quadratic. Held pieces are seen in the reference count; only the
    # first few kilobytes of an event may be copied.
    chunk = b"x" * 999
    decoder = SSEDecoder()
    decoder.feed(b"data: ")
    before = sys.getrefcount(chunk)
    for _ in range(2_000):
        assert decoder.feed(chunk) == []
    assert sys.getrefcount(chunk) >= before + 1_990
    assert decoder.feed(b"\n\n") == [ServerSentEvent(chunk * 2_000)]
    assert sys.getrefcount(chunk) == before
