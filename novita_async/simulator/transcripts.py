"""What a recording says, as far as a simulator can know: the text is written into the WAV files that it speaks."""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
import struct
from random import Random
from typing import TYPE_CHECKING

from . import words

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["NoRecording", "heard", "labelled", "recording", "seconds_of"]

_DATA_URI = re.compile(r"data:[^;,]*(?:;[^;,]*)*;base64,", re.IGNORECASE)
_COMMENT = b"ICMT"
_BYTES_A_WORD = 12_000  # of a recording: as many as there are in a word of speech in MP3
_MOST_WORDS = 60


class NoRecording(ValueError):
    """What was sent is neither a WAV nor an MP3 file."""


def labelled(wav: bytes, text: str) -> bytes:
    """A WAV file with its text in it, as a comment (an INFO list, which players skip)."""
    said = text.encode() + b"\0"
    comment = struct.pack("<4sI", _COMMENT, len(said)) + said + b"\0" * (len(said) % 2)
    chunk = struct.pack("<4sI4s", b"LIST", 4 + len(comment), b"INFO") + comment
    return wav[:4] + struct.pack("<I", len(wav) - 8 + len(chunk)) + wav[8:] + chunk


def recording(file: str | bytes) -> bytes:
    """The file itself, which a parameter holds as base64 or as a data URI. It blocks: long ones are for a thread.

    Raises:
        NoRecording: it holds none.
    """
    data = file if isinstance(file, bytes) else _decoded(file)
    is_mp3 = data[:3] == b"ID3" or (len(data) > 1 and data[0] == 0xFF and data[1] & 0xE6 == 0xE2)
    if not is_mp3 and not (data[:4] == b"RIFF" and data[8:12] == b"WAVE"):
        raise NoRecording("it is neither a WAV nor an MP3 file")
    return data


def _decoded(text: str) -> bytes:
    uri = _DATA_URI.match(text)
    try:
        return base64.b64decode(text[uri.end() if uri else 0 :], validate=True)
    except binascii.Error:
        raise NoRecording("it is no base64") from None


def heard(data: bytes) -> str:
    """The text of a recording: the one that is written in it, else one that its bytes decide."""
    for name, at, size in _chunks(data):
        if name == b"LIST" and data[at : at + 8] == b"INFO" + _COMMENT:
            length = struct.unpack_from("<I", data, at + 8)[0]
            return data[at + 12 : at + min(size, 12 + length)].rstrip(b"\0").decode("utf-8", "replace")
    digest = hashlib.blake2b(data, digest_size=8).hexdigest()
    said = words.answer(f"recording {digest}", Random(digest)).split()
    return " ".join(said[: max(3, min(_MOST_WORDS, len(data) // _BYTES_A_WORD))]).rstrip(".,:;") + "."


def seconds_of(data: bytes) -> float:
    """How long a WAV file lasts; 0 for what is none."""
    rate = 0
    for name, at, size in _chunks(data):
        if name == b"fmt " and size >= 16:
            rate = struct.unpack_from("<I", data, at + 8)[0]
        elif name == b"data" and rate:
            return min(size, len(data) - at) / rate
    return 0.0


def _chunks(data: bytes) -> Iterator[tuple[bytes, int, int]]:
    """The chunks of a WAV file: name, place and size."""
    at = 12 if data[:4] == b"RIFF" else len(data)
    while at + 8 <= len(data):
        name, size = struct.unpack_from("<4sI", data, at)
        yield name, at + 8, size
        at += 8 + size + size % 2
