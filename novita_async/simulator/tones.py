"""From notes to samples, a whole period of a wave at a time: no Python code runs for a single sample."""

from __future__ import annotations

import math
from array import array
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Note", "pcm", "spans"]

_LOUDEST = 9000  # of 32767: several of them together in a player's mixer still do not clip
_LEVELS = 16
_ATTACK_SECONDS, _RELEASE_SECONDS = 0.015, 0.05


class Note(msgspec.Struct, frozen=True):
    """A tone, or a rest.

    Attributes:
        seconds: how long it takes.
        pitch: in Hz; 0 is a rest.
        partials: how loud each multiple of the pitch is, from the first on.
    """

    seconds: float
    pitch: float = 0.0
    partials: tuple[float, ...] = ()


def spans(notes: list[Note], rate: int) -> Iterator[tuple[Note, int, int]]:
    """Each note with the samples where it begins and ends; together they leave out none."""
    seconds, start = 0.0, 0
    for note in notes:
        seconds += note.seconds
        end = round(seconds * rate)
        yield note, start, end
        start = end


def pcm(notes: list[Note], rate: int, channels: int) -> bytes:
    """Play notes: 16-bit samples, little-endian, the channels by turns.

    Args:
        notes: one after the other.
        rate: samples a second.
        channels: 1, or 2 that are alike.
    """
    waves: dict[tuple[int, tuple[float, ...]], list[bytes]] = {}
    parts: list[bytes] = []
    for note, start, end in spans(notes, rate):
        count = end - start
        if note.pitch:
            # A period is a whole number of samples: a little out of tune, and the same bytes over and over.
            period = max(2, round(rate / note.pitch))
            key = (period, note.partials)
            if key not in waves:
                waves[key] = _wave(period, note.partials)
            for level in _envelope(count // period, period / rate):
                parts.append(waves[key][level])
            count %= period
        parts.append(bytes(2 * count))
    samples = array("h", b"".join(parts))
    if channels == 2:
        both = array("h", bytes(4 * len(samples)))
        both[0::2] = both[1::2] = samples
        samples = both
    return samples.tobytes()


def _wave(period: int, partials: tuple[float, ...]) -> list[bytes]:
    """A period of a tone at every level of loudness, from still to full."""
    heard = [(number, size) for number, size in enumerate(partials, 1) if size and 2 * number < period]
    whole = sum(size for _, size in heard) or 1.0
    shape = [
        sum(size * math.sin(math.tau * number * at / period) for number, size in heard) / whole for at in range(period)
    ]
    steps = [_LOUDEST * level / _LEVELS for level in range(_LEVELS + 1)]
    return [b"".join(int(loud * value).to_bytes(2, "little", signed=True) for value in shape) for loud in steps]


def _envelope(periods: int, seconds: float) -> Iterator[int]:
    """The level of each period of a tone: quickly up, more slowly down."""
    for number in range(periods):
        up = (number + 1) * seconds / _ATTACK_SECONDS
        down = (periods - number) * seconds / _RELEASE_SECONDS
        yield int(_LEVELS * min(1.0, up, down))
