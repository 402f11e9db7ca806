"""What a file is, told by its name, its media type or its first bytes; and files that stand in an answer as text."""

from __future__ import annotations

import base64
import re
from typing import Literal, TypeAlias
from urllib.parse import urlsplit

import msgspec

from ..errors import ProtocolError

__all__ = ["HEAD", "MEDIA_TYPES", "Encoding", "is_link", "kind_of_type", "plain", "sniff", "suffix_of", "type_of_media"]

#: How bytes are written as text: pictures and clips as base64, sound as hex (contract/platform.md).
Encoding: TypeAlias = Literal["base64", "hex"]

HEAD = 64  # bytes that are enough to tell what a file is

#: The media type of a file's type, where a browser has one for it.
MEDIA_TYPES = {
    "png": "image/png",
    "jpeg": "image/jpeg",
    "webp": "image/webp",
    "gif": "image/gif",
    "mp4": "video/mp4",
    "webm": "video/webm",
    "mp3": "audio/mpeg",
    "wav": "audio/wav",
    "flac": "audio/flac",
    "ogg": "audio/ogg",
    "opus": "audio/ogg",  # opus as a file is opus in ogg
}
_TYPES = {
    **{media: type_ for type_, media in MEDIA_TYPES.items() if type_ != "opus"},
    "image/jpg": "jpeg",
    "video/quicktime": "mov",
    "audio/mp3": "mp3",
    "audio/opus": "opus",
    "audio/pcm": "pcm",
    "audio/l16": "pcm",
    "audio/wave": "wav",
    "audio/x-wav": "wav",
    "audio/vnd.wave": "wav",
    "audio/x-flac": "flac",
    "audio/mp4": "m4a",
}
_NAMES = {"jpg": "jpeg", "jpe": "jpeg", "mpga": "mp3"}  # other names of the same thing
_STARTS = (
    (b"\x89PNG\r\n\x1a\n", "png"),
    (b"\xff\xd8\xff", "jpeg"),
    (b"GIF8", "gif"),
    (b"\x1aE\xdf\xa3", "webm"),
    (b"ID3", "mp3"),
    (b"fLaC", "flac"),
    (b"II*\x00", "tiff"),
    (b"MM\x00*", "tiff"),
)
_BRANDS = {b"M4A ": "m4a", b"qt  ": "mov", b"heic": "heic", b"heix": "heic", b"mif1": "heic", b"avif": "avif"}
_SUFFIX = re.compile(r"[A-Za-z0-9]{2,5}")
_DATA_URI = re.compile(r"data:([^;,]*)[^,]*;base64,", re.IGNORECASE)


def sniff(head: bytes) -> str:
    """The type of a file by its first bytes, at best `HEAD` of them; "" for what has no mark, as raw samples of sound.

    "ogg" is told as "opus" where that is what is in it.
    """
    for start, type_ in _STARTS:
        if head.startswith(start):
            return type_
    if head[:4] == b"RIFF":
        return {b"WAVE": "wav", b"WEBP": "webp"}.get(head[8:12], "")
    if head[:4] == b"OggS":
        return "opus" if b"OpusHead" in head else "ogg"
    if head[4:8] == b"ftyp":
        return _BRANDS.get(head[8:12], "mp4")
    if head[:2] == b"BM" and head[6:10] == bytes(4):
        return "bmp"
    if len(head) > 1 and head[0] == 0xFF and head[1] & 0xE6 == 0xE2:  # the sync word of MPEG audio, layer III
        return "mp3"
    return ""


def plain(type_: object) -> str:
    """A type as the platform writes it, in one word for one thing: "jpeg" also for "JPG"."""
    name = type_.strip().lower() if isinstance(type_, str) else ""
    return _NAMES.get(name, name)


def suffix_of(url: str) -> str:
    """The type that the suffix of a link tells; "" when it has none."""
    stem, _, suffix = urlsplit(url).path.rpartition("/")[2].rpartition(".")
    return plain(suffix) if stem and _SUFFIX.fullmatch(suffix) else ""


def type_of_media(media_type: str) -> str:
    """The type of a `Content-Type`; "" for one that says nothing."""
    media = media_type.partition(";")[0].strip().lower()
    if media in _TYPES:
        return _TYPES[media]
    main, _, sub = media.partition("/")
    return plain(sub.removeprefix("x-")) if main in ("image", "video", "audio") else ""


def kind_of_type(media_type: str) -> str:
    """ "image", "video" or "audio" where the `Content-Type` of an answer says that it is the file itself, else ""."""
    media = media_type.partition(";")[0].strip().lower()
    if media in ("application/octet-stream", "binary/octet-stream"):
        return "audio"  # only speech comes so (contract/platform.md, "Audio formats and chunks")
    main = media.partition("/")[0]
    return main if main in ("image", "video", "audio") else ""


def is_link(text: str) -> bool:
    """Whether a text that stands where a link belongs is one. It may be the file itself (contract/image.md 11)."""
    return "://" in text[:20]


class Inline:
    """A file that stands in an answer as text. It is decoded when it is asked for: that may take a while.

    Args:
        text: the text, or its JSON where it is long.
        encoding: how the bytes are written. What is no hex is tried as base64.
    """

    __slots__ = ("_encoding", "_text")

    def __init__(self, text: str | msgspec.Raw, encoding: Encoding) -> None:
        self._text = text
        self._encoding: Encoding = encoding

    def decode(self) -> bytes:
        """The bytes of the file. It blocks: long ones are for a worker thread.

        Raises:
            ProtocolError: the text is neither hex nor base64.
        """
        text = msgspec.json.decode(self._text, type=str) if isinstance(self._text, msgspec.Raw) else self._text
        return _decode(text, self._encoding)

    @property
    def long(self) -> bool:
        """Whether decoding takes longer than an event loop should stand still."""
        return isinstance(self._text, msgspec.Raw)

    def type(self) -> str:
        """What the file is, told by its beginning."""
        if isinstance(self._text, msgspec.Raw):
            text = bytes(memoryview(self._text)[1:513]).decode("ascii", "replace").replace("\\/", "/")
        else:
            text = self._text[:512]
        uri = _DATA_URI.match(text)
        if uri and (said := type_of_media(uri[1])):
            return said
        start = text[uri.end() if uri else 0 :][: 2 * HEAD].strip()
        try:
            return sniff(_decode(start[: len(start) // 4 * 4], self._encoding))
        except ProtocolError:
            return ""


def _decode(text: str, encoding: Encoding) -> bytes:
    text = text.strip()
    if uri := _DATA_URI.match(text):
        text = text[uri.end() :]
    elif encoding == "hex":
        try:
            return bytes.fromhex(text)
        except ValueError:
            pass
    data = "".join(text.split()) if any(space in text for space in " \r\n") else text
    try:
        return base64.b64decode(data + "=" * (-len(data) % 4), validate=True)
    except ValueError as error:
        text = text[:200]
        raise ProtocolError(f"neither a link nor a file: {text!r}", body=text.encode()) from error
