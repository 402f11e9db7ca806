"""Files of sound without a library for sound: WAV, FLAC and Opus in Ogg.

WAV and FLAC hold the samples as they are; nothing is predicted and nothing packed. Opus packets are silent ones: what a
decoder makes of them is as long as it should be, and still.
"""

from __future__ import annotations

import hashlib
import struct
import sys
import zlib
from array import array
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["OPUS_RATE", "flac", "flac_bounds", "ogg_bounds", "opus", "wav"]

#: Samples a second of every Opus file, whatever went in.
OPUS_RATE = 48000

_BLOCK = 4096  # samples of a FLAC frame
_RATE_CODES = {8000: 4, 16000: 5, 22050: 6, 24000: 7, 32000: 8, 44100: 9, 48000: 10}
_BLOCK_CODE, _SHORT_BLOCK_CODE = 12, 7  # 4096 samples; a number of them that the header tells
_VERBATIM = b"\x02"

_PACKET = OPUS_RATE // 50  # samples of 20 ms
_PACKETS_A_PAGE = 10
_MOST_BITS = 510_000  # a second
_PRE_SKIP = 312
_SILENCE = b"\xff\xfe"  # what a CELT frame of 20 ms without a sound is coded as
_BACKWARDS = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))


def wav(samples: bytes, rate: int, channels: int) -> bytes:
    """Write a WAV file.

    Args:
        samples: 16-bit, little-endian, the channels by turns.
        rate: samples a second.
        channels: 1 or 2.
    """
    width = 2 * channels
    form = struct.pack("<4sIHHIIHH", b"fmt ", 16, 1, channels, rate, rate * width, width, 16)
    start = struct.pack("<4sI4s", b"RIFF", 36 + len(samples), b"WAVE")
    return b"".join((start, form, struct.pack("<4sI", b"data", len(samples)), samples))


# -------------------------------------------------------------------------------------------- FLAC (RFC 9639)


def flac(samples: bytes, rate: int, channels: int) -> bytes:
    """Write a FLAC file; the arguments are those of `wav`."""
    values = array("h", samples)
    if sys.byteorder == "little":
        values.byteswap()  # FLAC has the high byte first
    each = [values[channel::channels].tobytes() for channel in range(channels)]
    frames = [
        _frame(number, [side[start : start + 2 * _BLOCK] for side in each], rate)
        for number, start in enumerate(range(0, len(each[0]), 2 * _BLOCK))
    ]
    sizes = [len(frame) for frame in frames]
    about = rate << 44 | (channels - 1) << 41 | (16 - 1) << 36 | len(each[0]) // 2
    info = (
        struct.pack(">HH", _BLOCK, _BLOCK)
        + min(sizes).to_bytes(3, "big")
        + max(sizes).to_bytes(3, "big")
        + about.to_bytes(8, "big")
        + hashlib.md5(samples, usedforsecurity=False).digest()
    )
    last_block = 0x80
    return b"fLaC" + struct.pack(">I", last_block << 24 | len(info)) + info + b"".join(frames)


def flac_bounds(data: bytes) -> Iterator[int]:
    """Where each frame of a file made by `flac` begins, and where the last one ends."""
    at = 4 + 4 + 34
    while at < len(data):
        yield at
        short, channels = data[at + 2] >> 4 == _SHORT_BLOCK_CODE, (data[at + 3] >> 4) + 1
        number = len(_coded_number(data[at + 4]))
        block = struct.unpack_from(">H", data, at + 4 + number)[0] + 1 if short else _BLOCK
        at += 4 + number + 2 * short + 1 + channels * (1 + 2 * block) + 2
    yield at


def _frame(number: int, sides: list[bytes], rate: int) -> bytes:
    count = len(sides[0]) // 2
    short = count != _BLOCK
    code = _SHORT_BLOCK_CODE if short else _BLOCK_CODE
    header = bytes((0xFF, 0xF8, code << 4 | _RATE_CODES.get(rate, 0), (len(sides) - 1) << 4 | 4 << 1))
    header += chr(number).encode("utf-8", "surrogatepass")  # as UTF-8 has it, though it is not a character
    if short:
        header += struct.pack(">H", count - 1)
    frame = header + bytes((_crc8(header),)) + b"".join(_VERBATIM + side for side in sides)
    return frame + struct.pack(">H", _crc16(frame))


def _coded_number(first: int) -> range:
    """The bytes of a number in UTF-8, by the first of them."""
    return range(1 if first < 0x80 else 2 if first < 0xE0 else 3 if first < 0xF0 else 4)


def _crc8(data: bytes) -> int:
    value = 0
    for byte in data:
        value ^= byte
        for _ in range(8):
            value = value << 1 ^ (0x107 if value & 0x80 else 0)
    return value


def _crc16(data: bytes) -> int:
    """The checksum x^16 + x^15 + x^2 + 1, two bytes in a step. It starts from 0, so zeros in front change nothing."""
    words = array("H", data if len(data) % 2 == 0 else b"\x00" + data)
    if sys.byteorder == "little":
        words.byteswap()
    table, value = _crc16_table(), 0
    for word in words:
        value = table[value ^ word]
    return value


@cache
def _crc16_table() -> tuple[int, ...]:
    """What becomes of each value when 16 zero bits follow it."""
    singles: list[int] = []
    for byte in range(256):
        value = byte << 8
        for _ in range(8):
            value = value << 1 ^ (0x18005 if value & 0x8000 else 0)
        singles.append(value)
    doubles = [(single << 8 & 0xFF00) ^ singles[single >> 8] for single in singles]
    return tuple(doubles[high] ^ single for high in range(256) for single in singles)


# -------------------------------------------------------------------------- Opus in Ogg (RFC 3533, 6716, 7845)


def opus(seconds: float, rate: int, channels: int, bitrate: int) -> bytes:
    """Write an Ogg file of silence.

    Args:
        seconds: its length.
        rate: of the sound that it stands for, in samples a second; only the header tells of it.
        channels: 1 or 2.
        bitrate: bits a second, which padding fills up to, as far as Opus goes. What is too little for a packet, or
            below 0 and stands for "automatic", leaves out the padding.
    """
    head = struct.pack("<8sBBHIhB", b"OpusHead", 1, channels, _PRE_SKIP, rate, 0, 0)
    vendor = b"novita-async"
    tags = struct.pack("<8sI", b"OpusTags", len(vendor)) + vendor + bytes(4)
    end = _PRE_SKIP + round(seconds * OPUS_RATE)
    packet = _packet(channels, min(bitrate, _MOST_BITS) * _PACKET // OPUS_RATE // 8)
    pages = [_page([head], 0, 0, 2), _page([tags], 0, 1, 0)]
    left, at = -(-end // _PACKET), 0
    while left:
        count = min(left, _PACKETS_A_PAGE)
        left -= count
        at += count * _PACKET
        # The last page tells where the sound ends, which may be inside of its last packet.
        pages.append(_page([packet] * count, min(at, end), len(pages), 0 if left else 4))
    return b"".join(pages)


def ogg_bounds(data: bytes) -> Iterator[int]:
    """Where each page of an Ogg file begins, and where the last one ends."""
    at = 0
    while at < len(data):
        yield at
        lacing = data[at + 26]
        at += 27 + lacing + sum(data[at + 27 : at + 27 + lacing])
    yield at


def _packet(channels: int, size: int) -> bytes:
    """A packet of one silent frame, padded to a size (RFC 6716, 3.2.5)."""
    kind = 31 << 3 | (channels == 2) << 2 | 3  # CELT, full band, 20 ms; frames and padding are counted
    fill = size - 3 - len(_SILENCE)
    if fill < 0:
        return bytes((kind & ~3,)) + _SILENCE
    # How much padding there is, to which the counts themselves do not belong: 255 is 254 bytes and another count.
    counts = b"\xff" * (fill // 255) + bytes((fill % 255,))
    return bytes((kind, 0x41)) + counts + _SILENCE + bytes(fill - fill // 255)


def _page(packets: list[bytes], position: int, number: int, flags: int) -> bytes:
    lacing = b"".join(b"\xff" * (len(packet) // 255) + bytes((len(packet) % 255,)) for packet in packets)
    serial = 1
    start = struct.pack("<4sBBqII", b"OggS", 0, flags, position, serial, number)
    rest = bytes((len(lacing),)) + lacing + b"".join(packets)
    return start + struct.pack("<I", _ogg_crc(start + bytes(4) + rest)) + rest


def _ogg_crc(data: bytes) -> int:
    """Ogg's checksum is zlib's with every bit the other way round, and without its two inversions."""
    value = zlib.crc32(data.translate(_BACKWARDS), 0xFFFFFFFF) ^ 0xFFFFFFFF
    return int.from_bytes(value.to_bytes(4, "little").translate(_BACKWARDS), "big")
