"""Parts of a message: text, pictures, sound and video (contract/llm.md 8).

Bytes and links become parts at once. A file is read, off the event loop, when a call is made with its part.
"""

from __future__ import annotations

import base64
import io
import os
import re
import warnings
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, cast

from ..errors import ValidationError
from .types import Message

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ..runtime.clock import Clock
    from .types import MessageParam

__all__ = ["ContentWarning", "FilePart", "Part", "audio", "image", "text", "video"]

_ADVISED_IMAGES = 2
_ADVISED_SIZE = 1_000_000  # letters of base64
_HEAD = 32  # bytes that tell what a file is
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://|data:")
_IMAGES = {
    "image/png": re.compile(rb"\x89PNG\r\n\x1a\n"),
    "image/jpeg": re.compile(rb"\xff\xd8\xff"),
    "image/webp": re.compile(rb"RIFF.{4}WEBP", re.DOTALL),
    "image/gif": re.compile(rb"GIF8[79]a"),
}
_SOUNDS = {
    "wav": re.compile(rb"RIFF.{4}WAVE", re.DOTALL),
    "flac": re.compile(rb"fLaC"),
    "ogg": re.compile(rb"OggS"),
    "m4a": re.compile(rb".{4}ftyp", re.DOTALL),
    "aac": re.compile(rb"\xff[\xf0\xf1\xf8\xf9]"),
    "mp3": re.compile(rb"ID3|\xff[\xe2-\xe7\xf2-\xf7\xfa-\xff]"),
}


class ContentWarning(UserWarning):
    """A request goes beyond what the platform advises: more than two pictures, or one over 1 MB as base64."""


class FilePart:
    """A part whose bytes are read when a call is made with it: each time anew."""

    def __init__(self, name: str, load: Callable[[], dict[str, Any]]) -> None:
        self.name = name
        self.load = load

    def __repr__(self) -> str:
        return f"<FilePart {self.name}>"


#: An entry of a message's `content`.
Part: TypeAlias = dict[str, Any] | FilePart


def text(text: str) -> dict[str, Any]:
    """A part of text, beside pictures."""
    if not isinstance(text, str):  # pyright: ignore[reportUnnecessaryIsInstance] - types are not looked at when it runs
        raise ValidationError(f"text must be text, got {type(text).__name__}")
    return {"type": "text", "text": text}


def image(
    source: str | os.PathLike[str] | bytes | Any, *, detail: Literal["high", "low", "auto"] | None = None
) -> Part:
    """A picture, for models that see.

    Args:
        source: an http, https or data URL; the path of a file; the bytes of a PNG, JPEG, WEBP or GIF; or a picture of
            PIL's. The platform advises at most two in a request, and less than 1 MB each as base64.
        detail: how closely the model looks.

    Returns:
        A part for a message's `content`.

    Raises:
        ValidationError: the bytes are no picture of these kinds. A file is read, and refused, by the call.

    Example:
        messages = [{"role": "user", "content": [text("What is this?"), image("lighthouse.png")]}]

    Contract: llm.md section 8.
    """

    def part(url: str) -> dict[str, Any]:
        return {"type": "image_url", "image_url": {"url": url, **({"detail": detail} if detail else {})}}

    def embedded(data: bytes, name: str) -> dict[str, Any]:
        kind = _recognised(data, _IMAGES)
        if kind is None:
            raise ValidationError(f"{name} is no PNG, JPEG, WEBP or GIF")
        return part(f"data:{kind};base64,{_base64(data)}")

    if isinstance(source, (bytes, bytearray, memoryview)):
        return embedded(bytes(cast("bytes", source)), f"the image of {len(cast('bytes', source))} bytes")
    if type(source).__module__.partition(".")[0] == "PIL" and hasattr(source, "save"):
        return FilePart(repr(source), lambda: embedded(_saved(source), repr(source)))
    if (url := _url(source, "image")) is not None:
        return part(url)
    path = _path(source, "image")
    return FilePart(path, lambda: embedded(_read(path, "image", _IMAGES), path))


def video(url: str) -> dict[str, Any]:
    """A video, for models that take it.

    Args:
        url: http, https or data URL. The platform takes no file.

    Contract: llm.md section 8.
    """
    found = _url(url, "video")
    if found is None:
        raise ValidationError(f"video must be a URL, got {url!r}")
    return {"type": "video_url", "video_url": {"url": found}}


def audio(source: str | os.PathLike[str] | bytes, *, format: str | None = None) -> Part:
    """Sound, for models that hear.

    Args:
        source: an http or https URL; the path of a file; or bytes.
        format: such as "wav" or "mp3". Told from the bytes, or from the end of the URL, when not given.

    Returns:
        A part for a message's `content`.

    Raises:
        ValidationError: the format cannot be told. A file is read, and refused, by the call.

    Contract: llm.md section 8.
    """

    def part(data: str, found: str | None, name: str) -> dict[str, Any]:
        if not (format or found):
            raise ValidationError(f"the format of {name} cannot be told: give it as `format`")
        return {"type": "input_audio", "input_audio": {"data": data, "format": format or found}}

    def embedded(data: bytes, name: str) -> dict[str, Any]:
        return part(_base64(data), _recognised(data, _SOUNDS), name)

    if isinstance(source, (bytes, bytearray, memoryview)):
        return embedded(bytes(source), f"the audio of {len(source)} bytes")
    if (url := _url(source, "audio")) is not None:
        end = os.path.splitext(re.split("[?#]", url, maxsplit=1)[0])[1][1:].lower()
        return part(url, end if end in _SOUNDS else None, url)
    path = _path(source, "audio")
    return FilePart(path, lambda: embedded(_read(path, "audio", None if format else _SOUNDS), path))


# ------------------------------------------------------------------------------------- in a call's messages


def has_files(messages: Sequence[MessageParam]) -> bool:
    """Whether a file has to be read for these messages."""
    return any(isinstance(part, FilePart) for part in _parts(messages))


async def with_files(messages: Sequence[MessageParam], clock: Clock) -> Sequence[MessageParam]:
    """The messages with the files that stand in them, read in one visit to a worker thread.

    Raises:
        ValidationError: a file cannot be read, or is not what it is said to be.
    """
    if not has_files(messages):
        return messages
    return await clock.to_thread(lambda: [_loaded(message) for message in messages])


def advise(messages: Sequence[MessageParam], *, stacklevel: int) -> None:
    """Warn, once, of pictures beyond what the platform advises."""
    parts = [cast("Mapping[str, Any]", part) for part in _parts(messages) if isinstance(part, Mapping)]
    pictures = [part.get("image_url") for part in parts if part.get("type") == "image_url"]
    if not pictures:
        return
    advice: list[str] = []
    if len(pictures) > _ADVISED_IMAGES:
        advice.append(f"{len(pictures)} pictures in a request, where at most {_ADVISED_IMAGES} are advised")
    urls = [cast("Mapping[str, Any]", each).get("url") for each in pictures if isinstance(each, Mapping)]
    large = [len(url) for url in urls if isinstance(url, str) and url.startswith("data:") and len(url) > _ADVISED_SIZE]
    if large:
        advice.append(f"a picture of {max(large) / 1e6:.1f} MB as base64, where less than 1 MB is advised")
    if advice:
        warnings.warn("; ".join(advice), ContentWarning, stacklevel=stacklevel + 1)


def _parts(messages: Sequence[MessageParam]) -> Iterator[Any]:
    for message in messages:
        content = None if isinstance(message, Message) else message.get("content")
        if isinstance(content, (list, tuple)):
            yield from cast("Sequence[Any]", content)


def _loaded(message: MessageParam) -> MessageParam:
    if isinstance(message, Message) or not has_files([message]):
        return message
    parts = [part.load() if isinstance(part, FilePart) else part for part in message["content"]]
    return {**message, "content": parts}


# --------------------------------------------------------------------------------------------- sources


def _url(source: object, what: str) -> str | None:
    found = _SCHEME.match(source) if isinstance(source, str) else None
    if found is None:
        return None
    if found[1] and found[1].lower() not in ("http", "https"):
        raise ValidationError(f"{what}: the platform fetches http and https links, not {found[1]}://")
    return cast("str", source)


def _path(source: Any, what: str) -> str:
    if not isinstance(source, (str, os.PathLike)):
        raise ValidationError(f"{what} must be a URL, a path or bytes, got {type(source).__name__}")
    return os.fspath(cast("os.PathLike[str]", source))


def _read(path: str, what: str, kinds: Mapping[str, re.Pattern[bytes]] | None) -> bytes:
    """The bytes of a file, all of them only when its head is of one of these kinds."""
    try:
        with open(path, "rb") as file:
            head = file.read(_HEAD)
            return head + file.read() if kinds is None or _recognised(head, kinds) else head
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise ValidationError(f"{what} {path!r} cannot be read: {reason}") from error


def _saved(picture: Any) -> bytes:
    kind = picture.format if picture.format in ("PNG", "JPEG", "WEBP", "GIF") else "PNG"
    file = io.BytesIO()
    try:
        picture.save(file, kind)
    except (OSError, ValueError) as error:
        raise ValidationError(f"{picture!r} cannot be written as {kind}: {error}") from error
    return file.getvalue()


def _recognised(data: bytes, kinds: Mapping[str, re.Pattern[bytes]]) -> str | None:
    return next((name for name, head in kinds.items() if head.match(data)), None)


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()
