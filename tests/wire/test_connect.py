"""Connect envelopes: the same messages wherever the bytes are cut (contract/sandbox.md 3)."""

from __future__ import annotations

import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from novita_async.errors import EventTooLarge, ProtocolError
from novita_async.wire.connect import COMPRESSED, END_STREAM, ConnectDecoder, Envelope, envelope

envelopes = st.builds(Envelope, st.sampled_from([0, END_STREAM]), st.binary(max_size=20))


def framed(messages):
    return b"".join(envelope(message.payload, message.flags) for message in messages)


def test_an_envelope_is_a_flag_a_length_and_the_payload_in_one_piece():
    assert envelope(b"{}") == b"\x00\x00\x00\x00\x02{}"
    assert envelope(b'{"error":1}', END_STREAM) == b'\x02\x00\x00\x00\x0b{"error":1}'


@settings(deadline=None)
@given(st.lists(envelopes, max_size=6))
def test_every_cut_gives_the_same_messages(messages):
    stream = framed(messages)
    for cut in range(len(stream) + 1):
        decoder = ConnectDecoder()
        assert decoder.feed(stream[:cut]) + decoder.feed(b"") + decoder.feed(stream[cut:]) == messages
        assert decoder.close() == []
    decoder = ConnectDecoder()
    assert [message for at in range(len(stream)) for message in decoder.feed(stream[at : at + 1])] == messages


def test_a_message_is_given_with_its_last_byte_and_not_before():
    stream = envelope(b"12345")
    decoder = ConnectDecoder()
    assert decoder.feed(stream[:3]) == []
    assert decoder.feed(stream[3:-1]) == []
    assert decoder.feed(stream[-1:] + stream[:2]) == [Envelope(0, b"12345")]
    assert decoder.feed(stream[2:]) == [Envelope(0, b"12345")]


@settings(deadline=None)
@given(st.lists(envelopes, min_size=1, max_size=3), st.data())
def test_an_end_inside_a_message_is_an_error(messages, data):
    stream = framed(messages)
    boundaries = {len(framed(messages[:count])) for count in range(len(messages) + 1)}
    cut = data.draw(st.integers(0, len(stream)).filter(lambda place: place not in boundaries))
    decoder = ConnectDecoder()
    decoder.feed(stream[:cut])
    with pytest.raises(ProtocolError, match="ended inside a message"):
        decoder.close()


def test_a_message_over_the_limit_is_an_error_as_soon_as_its_header_is_there():
    decoder = ConnectDecoder(max_event_bytes=100)
    assert decoder.feed(envelope(b"x" * 100)) == [Envelope(0, b"x" * 100)]
    with pytest.raises(EventTooLarge, match="101 bytes"):
        decoder.feed(envelope(b"x" * 101)[:5])


def test_a_compressed_message_is_an_error():
    with pytest.raises(ProtocolError, match="compressed"):
        ConnectDecoder().feed(envelope(b"{}", COMPRESSED))


def test_a_message_of_five_megabytes_in_small_chunks_is_not_copied_until_it_ends():
    chunk = b"x" * 1_000
    stream = envelope(chunk * 5_000)
    decoder = ConnectDecoder()
    assert decoder.feed(stream[:5]) == []
    before = sys.getrefcount(chunk)
    for _ in range(4_999):
        assert decoder.feed(chunk) == []
    assert sys.getrefcount(chunk) == before + 4_999
    assert decoder.feed(chunk) == [Envelope(0, chunk * 5_000)]
    assert sys.getrefcount(chunk) == before
