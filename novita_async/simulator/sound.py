"""Speech and music that can be heard: melodies that a text makes, as long as the text would take to say.

Nothing is said and nothing sung, but every file is a real one of its kind, and the same arguments give the same file.
"""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_left
from random import Random
from typing import TYPE_CHECKING, NamedTuple

from . import containers, mp3
from .tones import Note, pcm

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Sound", "music", "slices", "speech", "speech_seconds"]

_CHARACTERS_A_SECOND = 14
_WIDE_AS = 3  # a character of Chinese is a syllable: it takes as long as three letters
_SHORTEST_SECONDS, _LONGEST_SECONDS = 0.3, 600.0
_SPEEDS = (0.25, 4.0)
_RATES = (8000, 48000)
_PAUSE = re.compile(r"<#(\d{1,2}(?:\.\d{1,2})?)#>")
_TAG = re.compile(r"<\|[^|>]*\|>")  # who speaks
_SYLLABLE = re.compile(r"\w{1,3}|\W")
_SCALE = (1, 9 / 8, 5 / 4, 3 / 2, 5 / 3)  # five tones, none of which sounds wrong after another
_VOICE = (1.0, 0.6, 0.4, 0.15, 0.1)

_MUSIC_SECONDS = (15.0, 90.0)
_BEAT_SECONDS = 0.5
_MAJOR, _MINOR = (4, 5, 6), (10, 12, 15)
_CHORDS = ((1, _MAJOR), (5 / 6, _MINOR), (2 / 3, _MAJOR), (3 / 4, _MAJOR))  # I vi IV V, as so many songs have it


class Sound(NamedTuple):
    """A file of sound.

    Attributes:
        data: the whole file.
        kind: what it truly is: mp3, wav, pcm, flac or opus.
        seconds: its length.
    """

    data: bytes
    kind: str
    seconds: float


def speech_seconds(text: str, *, speed: float = 1.0) -> float:
    """How long a text takes to say: 14 letters a second, and what its marks of a pause ask for; 10 minutes at most."""
    return sum(note.seconds for note in _spoken(text, Random(0), 1.0, speed))


def speech(
    text: str,
    *,
    voice: str = "",
    rate: int = 32000,
    channels: int = 1,
    kind: str = "mp3",
    speed: float = 1.0,
    bitrate: int = 128000,
) -> Sound:
    """Say a text, in tones: a syllable is a note.

    Args:
        text: its length decides how long the file is, see `speech_seconds`. `<#x#>` is a pause of x seconds.
        voice: decides how high it is and how it goes up and down.
        rate: samples a second, 8000 to 48000; what is beyond becomes the nearest of these. An MP3 file has the nearest
            rate that there is for one.
        channels: 1 or 2.
        kind: mp3, wav, pcm (16-bit, little-endian, headerless), flac or opus (in Ogg, and silent). Anything else
            becomes mp3.
        speed: 1 is normal, 2 twice as fast.
        bitrate: bits a second of mp3 and opus.
    """
    dice = Random(f"{voice} {text}")
    pitch = 110 * 2 ** Random(voice).uniform(0, 1.2)
    return _written(list(_spoken(text, dice, pitch, speed)), rate, channels, kind, bitrate)


def music(
    prompt: str,
    *,
    lyrics: str = "",
    rate: int = 44100,
    channels: int = 2,
    kind: str = "mp3",
    bitrate: int = 256000,
) -> Sound:
    """Play a piece: four chords and their arpeggios, for as long as the lyrics last, 15 to 90 seconds.

    Args:
        prompt: decides the key and the melody.
        lyrics: their length decides how long it is.
        rate, channels, kind, bitrate: as for `speech`.
    """
    dice = Random(f"{prompt} {lyrics}")
    shortest, longest = _MUSIC_SECONDS
    seconds = min(longest, shortest + 2 * _units(lyrics) / _CHARACTERS_A_SECOND)
    root = 220 * 2 ** dice.uniform(-0.4, 0.4)
    notes: list[Note] = []
    for beat in range(int(seconds / _BEAT_SECONDS) - 2):
        step, chord = _CHORDS[beat // 4 % len(_CHORDS)]
        low = root * step / chord[0]
        if beat % 4 == 0:
            notes.append(Note(_BEAT_SECONDS, low, _together(chord)))
        else:
            notes.append(Note(_BEAT_SECONDS, low * dice.choice(chord) * dice.choice((1, 2)), (1.0, 0.5, 0.2)))
    notes.append(Note(seconds - sum(note.seconds for note in notes), root / _MAJOR[0], _together(_MAJOR)))
    return _written(notes, rate, channels, kind, bitrate)


def slices(data: bytes, kind: str, count: int) -> list[bytes]:
    """Cut a file of this module as a stream would bring it: at whole frames, pages or samples.

    Args:
        data: the file.
        kind: what it is.
        count: pieces, at most; a short file may have fewer places to cut at.

    Returns:
        Pieces, none of them empty, that together are the file.
    """
    if not data:
        return []
    bounds = _bounds(data, kind)
    wanted = (len(data) * number // count for number in range(1, count))
    # The header of a file goes with its first frame: before it there is nothing to cut at.
    cuts = sorted({bounds[min(bisect_left(bounds, place), len(bounds) - 1)] for place in wanted} - {0, len(data)})
    return [data[start:end] for start, end in zip([0, *cuts], [*cuts, len(data)], strict=True)]


def _bounds(data: bytes, kind: str) -> list[int] | range:
    if kind == "mp3":
        return list(mp3.bounds(data))
    if kind == "flac":
        return list(containers.flac_bounds(data))[1:]
    if kind == "opus":
        return list(containers.ogg_bounds(data))[3:]
    return range(0, len(data) + 1, 4)  # a sample of both channels; the header of a WAV file is 44 bytes


def _written(notes: list[Note], rate: int, channels: int, kind: str, bitrate: int) -> Sound:
    seconds = sum(note.seconds for note in notes)
    rate = min(_RATES[1], max(_RATES[0], rate))
    if kind == "opus":
        return Sound(containers.opus(seconds, rate, channels, bitrate), "opus", seconds)
    if kind not in ("pcm", "wav", "flac"):
        return Sound(mp3.mp3(notes, rate, channels, bitrate), "mp3", seconds)
    samples = pcm(notes, rate, channels)
    if kind == "wav":
        samples = containers.wav(samples, rate, channels)
    elif kind == "flac":
        samples = containers.flac(samples, rate, channels)
    return Sound(samples, kind, seconds)


def _spoken(text: str, dice: Random, pitch: float, speed: float) -> Iterator[Note]:
    """The notes of a text: neither too few nor too many."""
    played = 0.0
    for note in _syllables(text, dice, pitch, speed):
        if played + note.seconds >= _LONGEST_SECONDS:
            break
        played += note.seconds
        yield note
    if played < _SHORTEST_SECONDS:
        yield Note(_SHORTEST_SECONDS - played)


def _syllables(text: str, dice: Random, pitch: float, speed: float) -> Iterator[Note]:
    speed = min(_SPEEDS[1], max(_SPEEDS[0], speed))
    # Every second piece is what stands in a mark of a pause.
    for number, piece in enumerate(_PAUSE.split(_TAG.sub("", text))):
        if number % 2:
            yield Note(float(piece))
            continue
        for syllable in _SYLLABLE.finditer(piece):
            seconds = _units(syllable[0]) / _CHARACTERS_A_SECOND / speed
            tone = pitch * dice.choice(_SCALE) if syllable[0].isalnum() else 0.0
            yield Note(seconds, tone, _VOICE)


def _units(text: str) -> int:
    return sum(_WIDE_AS if unicodedata.east_asian_width(each) in "WF" else 1 for each in text)


def _together(chord: tuple[int, ...]) -> tuple[float, ...]:
    """A chord as one tone: its notes are multiples of one that is too low to be played."""
    return tuple(1.0 if number in chord else 0.0 for number in range(1, chord[-1] + 1))
