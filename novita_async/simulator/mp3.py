"""MP3 files with notes in them: MPEG-1 and MPEG-2 Audio Layer III (ISO/IEC 11172-3 and 13818-3).

A layer III frame describes sound by 576 frequencies. A note is one of them, or a few, at one loudness: so there is
nothing to analyse, and the bits of a frame are a short list of zeros and ones in Huffman code.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .tones import Note, spans

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["bounds", "mp3"]

_LINES = 576  # frequencies, and samples, of a granule
# Samples a second of MPEG-1, MPEG-2 and what is called MPEG-2.5, in the order of their codes.
_RATES = {3: (44100, 48000, 32000), 2: (22050, 24000, 16000), 0: (11025, 12000, 8000)}
_FIRST_BITRATES = (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320)  # of MPEG-1, from code 1 on
_LATER_BITRATES = (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160)
_HEADER = 4
_LOUDNESS = 200  # global_gain
# Table 1: a pair of lines, each still or sounding. The signs of those that sound follow.
_PAIRS = ("1", "001", "01", "000")
# Whether an even and an odd line is positive or negative in one granule and the next. With these signs the granules
# join to one steady tone, of as many times `rate / 1152` as the line has for its number.
_SIGNS = ("00", "01")


class _Form:
    """What all the frames of a file have in common."""

    def __init__(self, rate: int, channels: int, bitrate: int) -> None:
        known = [(version, code, each) for version, rates in _RATES.items() for code, each in enumerate(rates)]
        self.version, self.rate_code, self.rate = min(known, key=lambda one: abs(one[2] - rate))
        self.first = self.version == 3
        rates = _FIRST_BITRATES if self.first else _LATER_BITRATES
        self.kilobits = min(rates, key=lambda each: abs(1000 * each - bitrate))
        self.bitrate_code = rates.index(self.kilobits) + 1
        self.channels = channels
        self.granules = 2 if self.first else 1

    @property
    def slots(self) -> tuple[int, int]:
        """Bytes of a frame as a whole number and a remainder, in parts of `rate`."""
        return divmod(72 * self.granules * 1000 * self.kilobits, self.rate)


def mp3(notes: list[Note], rate: int, channels: int, bitrate: int) -> bytes:
    """Write an MP3 file of a constant bitrate.

    Args:
        notes: one after the other.
        rate: samples a second; the nearest one of the nine that there are is taken.
        channels: 1, or 2 that are alike.
        bitrate: bits a second; the nearest one that there is for the rate is taken.
    """
    form = _Form(rate, channels, bitrate)
    granules = _granules(notes, form.rate)
    granules += [()] * (-len(granules) % form.granules)
    size, more = form.slots
    made: dict[tuple[object, ...], bytes] = {}
    frames: list[bytes] = []
    owed = 0
    for start in range(0, len(granules), form.granules):
        owed += more
        padded = owed >= form.rate
        owed -= padded * form.rate
        lines = tuple(granules[start : start + form.granules])
        key = (lines, start % 2, padded)
        if key not in made:
            made[key] = _frame(form, lines, start % 2, size + padded, padded)
        frames.append(made[key])
    return b"".join(frames)


def bounds(data: bytes) -> Iterator[int]:
    """Where each frame of a file begins, and where the last one ends."""
    at = 0
    while at < len(data):
        yield at
        version, code = data[at + 1] >> 3 & 3, data[at + 2] >> 4
        rate = _RATES[version][data[at + 2] >> 2 & 3]
        kilobits = (_FIRST_BITRATES if version == 3 else _LATER_BITRATES)[code - 1]
        at += (144 if version == 3 else 72) * 1000 * kilobits // rate + (data[at + 2] >> 1 & 1)
    yield at


def _granules(notes: list[Note], rate: int) -> list[tuple[int, ...]]:
    """The lines that sound in each granule: those of the note at its middle."""
    found: list[tuple[int, ...]] = []
    for note, _, end in spans(notes, rate):
        count = (end + _LINES // 2) // _LINES - len(found)
        found += [_lines(note, rate)] * count
    return found


def _lines(note: Note, rate: int) -> tuple[int, ...]:
    if not note.pitch:
        return ()
    loudest = max(note.partials)
    sounding = (number * note.pitch for number, size in enumerate(note.partials, 1) if size == loudest)
    return tuple(sorted({min(_LINES - 1, round(each * 2 * _LINES / rate)) for each in sounding}))


def _frame(form: _Form, granules: tuple[tuple[int, ...], ...], moment: int, size: int, padded: bool) -> bytes:
    mono = form.channels == 1
    header = f"{0x7FF:011b}{form.version:02b}011{form.bitrate_code:04b}{form.rate_code:02b}{padded:b}0"
    header += "11" if mono else "00"
    header += "00" + "0000"
    # Every frame has its own data: nothing is kept over for the next one, so a file can be cut at any of them.
    side = "0" * ((9 + (5 if mono else 3) + 4 * form.channels) if form.first else (8 + (1 if mono else 2)))
    main = ""
    for number, lines in enumerate(granules):
        data = _huffman(lines, moment + number)
        pairs = lines[-1] // 2 + 1 if lines else 0
        about = f"{len(data):012b}{pairs:09b}{_LOUDNESS:08b}" + "0" * (4 if form.first else 9)
        about += "0" + 3 * f"{1:05b}" + "0" * 7  # a long window; table 1 in all three regions
        about += "0" * (3 if form.first else 2)
        side += about * form.channels
        main += data * form.channels
    bits = header + side + main
    bits += "0" * (-len(bits) % 8)
    return int(bits, 2).to_bytes(len(bits) // 8, "big").ljust(size, b"\x00")


def _huffman(lines: tuple[int, ...], moment: int) -> str:
    """The lines of one granule up to the last one that sounds, in pairs."""
    code = ""
    for pair in range(lines[-1] // 2 + 1) if lines else ():
        sounding = [line for line in (2 * pair, 2 * pair + 1) if line in lines]
        code += _PAIRS[2 * (2 * pair in lines) + (2 * pair + 1 in lines)]
        code += "".join(_SIGNS[line % 2][moment % 2] for line in sounding)
    return code
