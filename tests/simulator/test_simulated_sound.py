"""What the simulator makes of a text, taken apart: samples, frames, checksums, and how long it all is."""

from __future__ import annotations

import hashlib
import io
import itertools
import struct
import time
import wave
from array import array

import pytest

from novita_async.simulator.sound import music, slices, speech, speech_seconds
from novita_async.simulator.tones import Note, pcm

TEXT = "The quick brown fox jumps over the lazy dog."
RATES = (8000, 16000, 22050, 24000, 32000, 44100, 48000)
KINDS = ("mp3", "wav", "pcm", "flac", "opus")


class Bits:
    def __init__(self, data: bytes) -> None:
        self.text = "".join(f"{byte:08b}" for byte in data)
        self.at = 0

    def u(self, count: int) -> int:
        self.at += count
        return int(self.text[self.at - count : self.at] or "0", 2)


def crc(data: bytes, width: int, polynomial: int) -> int:
    """A checksum bit by bit: high bits first, from 0, nothing inverted."""
    value, top = 0, 1 << width - 1
    for byte in data:
        value ^= byte << width - 8
        for _ in range(8):
            value = (value << 1 ^ polynomial if value & top else value << 1) & (1 << width) - 1
    return value


# ---------------------------------------------------------------------------------------- how long it is


def test_a_text_takes_as_long_as_it_is():
    assert speech_seconds(TEXT) == pytest.approx(len(TEXT) / 14)
    assert speech_seconds(TEXT, speed=2) == pytest.approx(len(TEXT) / 28)
    assert speech_seconds("你好你好吗") == pytest.approx(15 / 14)
    assert speech_seconds("<|speaker:0|>hello there") == pytest.approx(11 / 14)
    assert speech_seconds("") == speech_seconds("a") == pytest.approx(0.3)


def test_a_pause_takes_as_long_as_it_says_at_any_speed():
    for speed in (0.5, 1, 2):
        without = speech_seconds("Wait for me.and go", speed=speed)
        assert speech_seconds("Wait for me.<#2.5#>and go", speed=speed) == pytest.approx(without + 2.5)
    samples = array("h", speech("Wait for me.<#2.5#>and go", kind="pcm", rate=8000).data)
    silence = max(len(list(run)) for value, run in itertools.groupby(samples) if value == 0)
    assert silence == pytest.approx(2.5 * 8000, abs=0.2 * 8000)


def test_nothing_goes_on_for_ever():
    assert 590 < speech_seconds("word " * 20_000) <= 600
    assert music("x", lyrics="la " * 20_000, kind="mp3").seconds == pytest.approx(90)
    assert music("x").seconds == pytest.approx(15)


def test_what_no_file_can_have_becomes_the_nearest_that_it_can():
    assert speech(TEXT, kind="wav", rate=1) == speech(TEXT, kind="wav", rate=8000)
    assert speech(TEXT, kind="wav", rate=10**9) == speech(TEXT, kind="wav", rate=48000)
    assert speech_seconds(TEXT, speed=0) == speech_seconds(TEXT, speed=0.25) == pytest.approx(len(TEXT) / 3.5)
    for bitrate in (-1000, 0, 10**9):
        for kind in ("mp3", "opus"):
            assert speech(TEXT, kind=kind, bitrate=bitrate).seconds == speech(TEXT).seconds


def test_music_lasts_as_long_as_its_lyrics():
    assert music("x", lyrics="la " * 70).seconds == pytest.approx(15 + 2 * 210 / 14)


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_words_and_voice_give_the_same_file(kind):
    assert speech(TEXT, kind=kind) == speech(TEXT, kind=kind)
    assert music("x", kind=kind, rate=8000) == music("x", kind=kind, rate=8000)
    if kind != "opus":  # which is silent
        assert speech(TEXT, kind=kind, voice="a").data != speech(TEXT, kind=kind, voice="b").data
        assert music("x", kind=kind, rate=8000).data != music("y", kind=kind, rate=8000).data


def test_a_kind_that_is_not_known_becomes_mp3_and_says_so():
    assert speech(TEXT, kind="aac") == speech(TEXT, kind="mp3")
    assert speech(TEXT, kind="aac").kind == "mp3"


@pytest.mark.parametrize("kind", KINDS)
def test_a_minute_is_made_in_no_time(kind):
    started = time.thread_time()
    made = speech("word " * 168, kind=kind)
    assert made.seconds == pytest.approx(60)
    assert time.thread_time() - started < 3  # some 0.2 s


# ------------------------------------------------------------------------------------- samples, WAV, FLAC


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("channels", [1, 2])
def test_samples_are_as_many_as_the_seconds_ask_for(rate, channels):
    made = speech(TEXT, kind="pcm", rate=rate, channels=channels)
    assert made.kind == "pcm"
    assert len(made.data) == 2 * channels * round(made.seconds * rate)
    samples = array("h", made.data)
    assert 3000 < max(samples) < 20000
    if channels == 2:
        assert samples[0::2] == samples[1::2]


def test_a_note_has_its_pitch():
    samples = array("h", pcm([Note(1.0, 400.0, (1.0, 0.5)), Note(0.5)], 16000, 1))
    rises = sum(before < 0 <= after for before, after in itertools.pairwise(samples))
    assert 390 < rises <= 401
    assert len(samples) == 24000
    assert not any(samples[16000:])


def test_a_partial_too_high_for_the_rate_is_left_out():
    assert pcm([Note(0.1, 1000.0, (1.0, 0.0, 0.0, 0.5))], 8000, 1) == pcm([Note(0.1, 1000.0, (1.0,))], 8000, 1)


@pytest.mark.parametrize("channels", [1, 2])
def test_a_wav_file_holds_the_samples(channels):
    made = speech(TEXT, kind="wav", rate=24000, channels=channels)
    with wave.open(io.BytesIO(made.data)) as file:
        assert file.getparams()[:4] == (channels, 2, 24000, round(made.seconds * 24000))
        assert file.readframes(10**9) == speech(TEXT, kind="pcm", rate=24000, channels=channels).data


@pytest.mark.parametrize(("rate", "channels"), [(8000, 1), (32000, 2), (11025, 1)])
def test_a_flac_file_holds_the_samples_and_its_checksums_are_right(rate, channels):
    data = speech("Hello there.", kind="flac", rate=rate, channels=channels).data
    samples = speech("Hello there.", kind="pcm", rate=rate, channels=channels).data
    assert data[:8] == b"fLaC\x80\x00\x00\x22"
    info = Bits(data[8:42])
    assert (info.u(16), info.u(16)) == (4096, 4096)
    smallest, largest = info.u(24), info.u(24)
    assert (info.u(20), info.u(3) + 1, info.u(5) + 1, info.u(36)) == (rate, channels, 16, len(samples) // 2 // channels)
    assert data[26:42] == hashlib.md5(samples).digest()

    sides = [array("h") for _ in range(channels)]
    at, sizes = 42, []
    for number in itertools.count():
        start, header = at, Bits(data[at : at + 16])
        assert (header.u(14), header.u(2)) == (0x3FFE, 0)
        size, code = header.u(4), header.u(4)
        assert code == {8000: 4, 32000: 8}.get(rate, 0)
        assert (header.u(4), header.u(3), header.u(1)) == (channels - 1, 4, 0)
        assert header.u(8) == number < 128
        count = 4096 if size == 12 else header.u(16) + 1
        assert header.u(8) == crc(data[start : start + header.at // 8 - 1], 8, 0x07)
        at += header.at // 8
        for side in sides:
            assert data[at] == 0b00000010  # verbatim, no wasted bits
            side.extend(struct.unpack_from(f">{count}h", data, at + 1))
            at += 1 + 2 * count
        assert struct.unpack_from(">H", data, at)[0] == crc(data[start:at], 16, 0x8005)
        at += 2
        sizes.append(at - start)
        if at == len(data):
            break
        assert size == 12
    assert (min(sizes), max(sizes)) == (smallest, largest)
    assert [value for together in zip(*sides, strict=True) for value in together] == list(array("h", samples))


def test_a_flac_file_may_have_more_frames_than_a_byte_can_count():
    data = speech("word " * 120, kind="flac", rate=16000).data
    parts = slices(data, "flac", 10_000)
    assert len(parts) > 128
    for number, part in enumerate(parts[1:], 1):
        coded = chr(number).encode()
        assert part[:2] == b"\xff\xf8"
        assert part[4 : 4 + len(coded)] == coded


# ------------------------------------------------------------------------------------------------ MP3

_BITRATES = {
    3: (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    2: (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
    0: (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
_FREQUENCIES = {3: (44100, 48000, 32000), 2: (22050, 24000, 16000), 0: (11025, 12000, 8000)}
_CODES = {"1": (0, 0), "001": (0, 1), "01": (1, 0), "000": (1, 1)}


def decode(data: bytes) -> tuple[int, int, int, list[dict[int, int]]]:
    """Rate, channels, bits a second, and the lines of every granule with their signs."""
    at, granules, about = 0, [], set()
    while at < len(data):
        head = Bits(data[at : at + 4])
        assert head.u(11) == 0x7FF
        version = head.u(2)
        assert (head.u(2), head.u(1)) == (1, 1)  # layer III, no checksum
        kilobits, rate, padding = _BITRATES[version][head.u(4) - 1], _FREQUENCIES[version][head.u(2)], head.u(1)
        assert head.u(1) == 0
        channels = 1 if head.u(2) == 3 else 2
        about.add((version, kilobits, rate, channels))
        first = version == 3
        size = (144 if first else 72) * 1000 * kilobits // rate + padding
        assert at + size <= len(data)
        bits = Bits(data[at + 4 : at + size])
        assert bits.u(9 if first else 8) == 0  # the data of a frame is in the frame
        assert bits.u({(True, 1): 9, (True, 2): 11, (False, 1): 1, (False, 2): 2}[first, channels]) == 0
        infos = []
        for _ in range((2 if first else 1) * channels):
            length, pairs, _loudness = bits.u(12), bits.u(9), bits.u(8)
            assert bits.u(5 if first else 10) == 0  # no scale factors, a long window
            assert [bits.u(5) for _ in range(3)] == [1, 1, 1]
            bits.u(7)
            assert bits.u(3 if first else 2) == 0
            infos.append((length, pairs))
        assert bits.at == 8 * {(True, 1): 17, (True, 2): 32, (False, 1): 9, (False, 2): 17}[first, channels]
        found = [lines(bits, length, pairs) for length, pairs in infos]
        assert bits.at <= 8 * (size - 4)
        assert all(one == other for one, other in zip(found[::channels], found[channels - 1 :: channels], strict=True))
        granules += found[::channels]
        at += size
    assert at == len(data)
    ((_, kilobits, rate, channels),) = about
    return rate, channels, 1000 * kilobits, granules


def lines(bits: Bits, length: int, pairs: int) -> dict[int, int]:
    """The lines that sound in a granule, and whether they are 1 or -1: Huffman table 1."""
    end, found = bits.at + length, {}
    for pair in range(pairs):
        code = ""
        while code not in _CODES:
            code += str(bits.u(1))
        for side, value in enumerate(_CODES[code]):
            if value:
                found[2 * pair + side] = -1 if bits.u(1) else 1
    assert bits.at == end
    return found


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("bitrate", [32000, 128000, 256000])
def test_an_mp3_file_is_as_long_as_it_should_be_at_a_constant_bitrate(rate, channels, bitrate):
    made = speech("Hello there.<#0.5#>Hello you.", rate=rate, channels=channels, bitrate=bitrate)
    found, sides, bits, granules = decode(made.data)
    assert (made.kind, found, sides) == ("mp3", rate, channels)
    assert bits == (bitrate if rate >= 32000 or bitrate < 160000 else 160000)
    assert len(granules) * 576 / rate == pytest.approx(made.seconds, abs=2 * 576 / rate)
    assert len(made.data) * 8 / (len(granules) * 576 / rate) == pytest.approx(bits, rel=0.01)
    assert any(granules)
    assert not all(granules)


def test_an_mp3_file_with_a_rate_of_its_own_gets_the_nearest():
    assert decode(speech(TEXT, rate=46000).data)[0] == 44100
    assert decode(speech(TEXT, rate=9000, bitrate=50000).data)[:3] == (8000, 1, 48000)


def test_a_note_in_an_mp3_file_is_a_steady_line_at_its_pitch():
    # A chord sounds on three lines, the notes after it on one each.
    rate, _, _, granules = decode(music("x", channels=1).data)
    sounding = {frozenset(granule) for granule in granules if granule}
    assert {len(run) for run in sounding} == {1, 3}
    assert all(60 < line * rate / 1152 < 2000 for run in sounding for line in run)
    # Even lines keep their sign from granule to granule, odd ones change it: then the granules join to one tone.
    for before, after in itertools.pairwise(granules):
        for line in before.keys() & after.keys():
            assert before[line] * after[line] == (1 if line % 2 == 0 else -1)


# ------------------------------------------------------------------------------------------ Opus in Ogg


def pages(data: bytes) -> list[tuple[int, int, int, list[bytes]]]:
    """Flags, position, number and packets of each page of an Ogg file."""
    found, at = [], 0
    while at < len(data):
        magic, version, flags, position, _, number, checksum, count = struct.unpack_from("<4sBBqIIIB", data, at)
        assert (magic, version) == (b"OggS", 0)
        lacing = data[at + 27 : at + 27 + count]
        end = at + 27 + count + sum(lacing)
        blank = data[at : at + 22] + bytes(4) + data[at + 26 : end]
        assert checksum == crc(blank, 32, 0x04C11DB7)
        packets, packet, place = [], b"", at + 27 + count
        for size in lacing:
            packet += data[place : place + size]
            place += size
            if size < 255:
                packets.append(packet)
                packet = b""
        assert packet == b""
        found.append((flags, position, number, packets))
        at = end
    assert at == len(data)
    return found


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("bitrate", [1000, 24000, 32000, 64000, 256000])
def test_an_opus_file_is_as_long_as_it_should_be(channels, bitrate):
    made = speech(TEXT, kind="opus", channels=channels, rate=24000, bitrate=bitrate)
    head, tags, *rest = pages(made.data)
    skip = 312
    assert head[:3] == (2, 0, 0)
    assert head[3] == [struct.pack("<8sBBHIhB", b"OpusHead", 1, channels, skip, 24000, 0, 0)]
    assert tags[:3] == (0, 0, 1)
    assert tags[3][0].startswith(b"OpusTags\x0c\x00\x00\x00novita-async\x00\x00\x00\x00")
    assert [number for _, _, number, _ in rest] == list(range(2, 2 + len(rest)))
    assert [flags for flags, _, _, _ in rest] == [0] * (len(rest) - 1) + [4]
    assert rest[-1][1] - skip == round(made.seconds * 48000)
    packets = [packet for _, _, _, each in rest for packet in each]
    assert 0 <= len(packets) * 960 - rest[-1][1] < 960
    for packet in packets:
        assert packet[0] >> 2 == 31 << 1 | (channels == 2)
        if packet[0] & 3 == 0:
            assert packet[1:] == b"\xff\xfe"
            continue
        assert packet[:2] == bytes((packet[0] & ~3 | 3, 0x41))  # one frame, and padding
        at, padding = 2, 0
        while packet[at] == 255:
            padding, at = padding + 254, at + 1
        padding += packet[at]
        assert packet[at + 1 : -padding or None] == b"\xff\xfe"
    if bitrate >= 24000:
        assert {8 * len(packet) * 50 for packet in packets} == {bitrate}


# ---------------------------------------------------------------------------------------------- slices


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("count", [1, 2, 7, 10_000])
def test_slices_are_whole_frames_and_together_the_file(kind, count):
    data = speech(TEXT, kind=kind, rate=16000, channels=2).data
    parts = slices(data, kind, count)
    assert b"".join(parts) == data
    assert all(parts)
    assert len(parts) <= count
    if count < 5:
        assert len(parts) == count
    mark = {"mp3": b"\xff\xf3", "flac": b"\xff\xf8", "opus": b"OggS"}.get(kind, b"")
    assert all(part.startswith(mark) for part in parts[1:])
    assert mark or not any(end % 4 for end in itertools.accumulate(map(len, parts[:-1])))
    if kind == "mp3":
        for part in parts:
            decode(part)


def test_even_slices_are_about_alike():
    for kind in KINDS:
        parts = slices(music("x", kind=kind, rate=16000).data, kind, 5)
        assert len(parts) == 5
        assert max(map(len, parts)) < 1.3 * min(map(len, parts))


def test_nothing_is_cut_into_nothing():
    for kind in KINDS:
        assert slices(b"", kind, 3) == []
