"""Files as people have them: what each thing is, read off the loop and in pieces."""

from __future__ import annotations

import base64
import binascii
import hashlib
import inspect
import io
import os
import re
import stat
import sys
import threading
from abc import ABC, abstractmethod
from typing import IO, TYPE_CHECKING, Any, Protocol, TypeAlias, cast
from urllib.parse import unquote_to_bytes

from ..errors import ValidationError
from .kinds import HEAD, MEDIA_TYPES, sniff, type_of_media
from .results import Output

if TYPE_CHECKING:
    from ..catalog import Media

__all__ = ["PIECE", "File", "FileInput", "Held", "Link", "Picture", "Unusable", "plain_text", "recognise"]


PIECE = 3 << 18  # bytes for one visit to a worker thread: 1 MiB of base64, and no padding between two of them

_HEAD = 1 << 18  # bytes of a picture that are looked at: a camera's notes stand before the sides
_LONGEST_PATH = 4096
_SMALLEST = 64  # bytes of a file that nothing is known of; fewer, given as text, are a mistyped path
_SCHEME = re.compile(r"([a-z][a-z0-9+.-]{0,20})://", re.IGNORECASE)
_DATA_URI = re.compile(r"data:([^,]*?)(;base64)?,", re.IGNORECASE)
_MORE_TYPES = {
    "bmp": "image/bmp", "tiff": "image/tiff", "heic": "image/heic", "avif": "image/avif", "mov": "video/quicktime",
    "m4a": "audio/mp4",
}  # fmt: skip
_PNG_MODES = ("1", "L", "LA", "I", "I;16", "P", "RGB", "RGBA")


class Picture(Protocol):
    """A PIL image."""

    @property
    def mode(self) -> str: ...

    def save(self, fp: IO[bytes], format: str | None = None) -> None: ...


#: A file for a model: bytes, the path of a file, an open binary file, a URL, base64, a data URI, a PIL image, or an
#: output of another model.
FileInput: TypeAlias = "bytes | bytearray | memoryview | str | os.PathLike[str] | IO[bytes] | Picture | Output"


class Unusable(ValueError):
    """What is wrong with something that was given as a file, without the name of the parameter."""


class Link:
    """A file that has to be fetched before it can be sent: its address, or an output of another model."""

    def __init__(self, target: str | Output) -> None:
        self.target = target


class File(ABC):
    """A file that is here. `open`, `read` and what calls them block: they run in a worker thread.

    Attributes:
        name: for a form.
        type: such as png, told by its first bytes, or else by whoever gave it; "" where nothing tells.
        size: in bytes.
        head: its first bytes.
        origin: where it comes from: a path, or a link; "" for bytes.
        form: how it is sent: base64, data-uri or bytes.
    """

    def __init__(self, *, origin: str = "", type_: str = "") -> None:
        self.name = ""
        self.type = type_
        self.size = 0
        self.head = b""
        self.origin = origin
        self.form = "bytes"

    @property
    def kind(self) -> str:
        """Media type."""
        return MEDIA_TYPES.get(self.type) or _MORE_TYPES.get(self.type, "application/octet-stream")

    @property
    def prefix(self) -> str:
        """What stands before its base64."""
        return f"data:{self.kind};base64," if self.form == "data-uri" else ""

    @property
    def text_size(self) -> int:
        """Bytes of its base64."""
        return (self.size + 2) // 3 * 4

    @property
    def note(self) -> str:
        """What is written down in its place: private pictures and megabytes do not go to the disk."""
        return f"<{self.origin}, {self.size} bytes>"

    def open(self) -> None:
        """Find out its size and type.

        Raises:
            Unusable: it cannot be read.
        """
        try:
            self._open()
        except (OSError, ValueError) as error:  # ValueError: a path with a NUL byte, a file that is closed
            raise Unusable(f"{repr(self.origin) if self.origin else 'it'} cannot be read: {error}") from error
        self.type = sniff(self.head[:HEAD]) or self.type
        self.name = self.name or f"file.{self.type or 'bin'}"
        if not self.origin:
            total = hashlib.sha256()
            for place in range(0, self.size, PIECE):
                total.update(self.read(place, PIECE))
            self.origin = f"{self.type or 'file'}, sha256 {total.hexdigest()}"

    def read(self, offset: int, size: int) -> bytes:
        """Some bytes from a place in it.

        Raises:
            ValidationError: it has changed since it was opened.
        """
        size = min(size, self.size - offset)
        try:
            data = self._read(offset, size)
        except (OSError, ValueError) as error:
            raise ValidationError(f"{self.name!r} cannot be read any more: {error}") from error
        if len(data) != size:
            raise ValidationError(f"{self.name!r} changed while it was sent")
        return data

    def content(self) -> bytes:
        """All of it."""
        return self.read(0, self.size)

    def base64(self, offset: int, size: int) -> bytes:
        """The base64 of some bytes, from a place that is a multiple of three."""
        return binascii.b2a_base64(self.read(offset, size), newline=False)

    def text(self) -> str:
        """All of it, as it stands in JSON."""
        return self.prefix + self.base64(0, self.size).decode()

    @abstractmethod
    def _open(self) -> None: ...

    @abstractmethod
    def _read(self, offset: int, size: int) -> bytes: ...


class Held(File):
    """Bytes, or a picture that becomes a PNG when it is opened."""

    def __init__(self, content: Any, *, origin: str = "", type_: str = "") -> None:
        super().__init__(origin=origin, type_=type_)
        self._content = content
        self._data = b""

    def _open(self) -> None:
        content, self._content = self._content, None
        if _is_picture(content):
            content = _as_png(content)
        self._data = content if isinstance(content, bytes) else bytes(cast("Any", content))
        self.size, self.head = len(self._data), self._data[:_HEAD]

    def _read(self, offset: int, size: int) -> bytes:
        return self._data[offset : offset + size]


class Stored(File):
    """A file of this machine. It is open only while it is read: a body that nobody sends leaves nothing behind."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        super().__init__(origin=os.fspath(path))
        self._mark: tuple[int, ...] = ()

    def _open(self) -> None:
        if not stat.S_ISREG(os.stat(self.origin).st_mode):  # a pipe would be waited for without end
            raise OSError("it is not a file")
        self.origin = os.path.abspath(self.origin)
        self.name = os.path.basename(self.origin)
        with open(self.origin, "rb") as file:
            self._mark = _mark(file)
            self.head = file.read(_HEAD)
        self.size = self._mark[0]

    def _read(self, offset: int, size: int) -> bytes:
        with open(self.origin, "rb") as file:
            if _mark(file) != self._mark:
                return b""
            file.seek(offset)
            return file.read(size)


class Lent(File):
    """An open file of the caller's, read from where it stands, and left open."""

    def __init__(self, file: IO[bytes]) -> None:
        name = getattr(file, "name", "")
        super().__init__(origin=name if isinstance(name, str) else "")
        self._file = file
        self._start = 0
        self._lock = threading.Lock()  # an attempt that was given up may be read for by its transport a moment longer

    def _open(self) -> None:
        file = self._file
        self._start = file.tell()
        self.size = file.seek(0, io.SEEK_END) - self._start
        self.head = self._read(0, _HEAD)
        if not isinstance(self.head, bytes):  # pyright: ignore[reportUnnecessaryIsInstance] - at run time it may be text
            raise OSError("it is open as text; open it with mode 'rb'")
        file.seek(self._start)
        if self.origin:
            self.origin = os.path.abspath(self.origin)
            self.name = os.path.basename(self.origin)

    def _read(self, offset: int, size: int) -> bytes:
        with self._lock:
            self._file.seek(self._start + offset)
            return self._file.read(size)


def plain_text(value: object, media: Media) -> bool:
    """Whether something is sent as it is, which is seen without a look at the disk: a URL, or the id of an asset."""
    if not isinstance(value, str):
        return False
    # What is empty is left to the check.
    return not value or media.forms == ("asset",) or ("url" in media.forms and _web_address(value))


def recognise(value: object, media: Media) -> str | File | Link:
    """What somebody means by a value that stands where a file belongs. Blocks: it runs in a worker thread.

    Args:
        value: as it was given.
        media: the forms that are taken, and limits.

    Returns:
        A text to be sent as it is, a file that is open, or one to be fetched first.

    Raises:
        Unusable: it is nothing of all that.
    """
    if isinstance(value, str):
        return _from_text(value, media)
    if isinstance(value, Output):
        return value.url if value.url and "url" in media.forms else Link(value)
    read = getattr(value, "read", None)
    if isinstance(value, (bytes, bytearray, memoryview)) or _is_picture(value):
        return _opened(Held(value))
    if isinstance(value, os.PathLike):
        return _opened(Stored(cast("os.PathLike[str]", value)))
    if read is None:
        wanted = "bytes, a path, an open binary file, a URL, base64, a data URI or a PIL image"
        raise Unusable(f"a file is wanted ({wanted}), not {type(value).__name__}")
    if inspect.iscoroutinefunction(read):
        raise Unusable("a file that is read with await is not taken: give its path")
    seekable = getattr(value, "seekable", None)
    if seekable is None or getattr(value, "closed", False) or not seekable():
        raise Unusable("the open file is closed or a pipe, and cannot be read twice: give its bytes or its path")
    return _opened(Lent(cast("IO[bytes]", value)))


def _opened(file: File) -> File:
    file.open()
    return file


def _from_text(text: str, media: Media) -> str | File | Link:
    if plain_text(text, media):
        return text
    if uri := _DATA_URI.match(text):
        data = _decoded(text[uri.end() :]) if uri[2] else unquote_to_bytes(text[uri.end() :])
        if data is None:
            raise Unusable("the data URI holds no base64")
        return _opened(Held(data, type_=type_of_media(uri[1])))
    if scheme := _SCHEME.match(text):
        if scheme[1].lower() not in ("http", "https"):
            raise Unusable(
                f"{scheme[1]}:// links are not taken: give an http address, or a file of this machine by its path"
            )
        return Link(text)
    if _is_there(text):
        return _opened(Stored(text))
    data = _decoded(text)
    if data is not None and (len(data) >= _SMALLEST or sniff(data[:HEAD])):
        return _opened(Held(data))
    if "asset" in media.forms:
        return text
    shown = repr(text) if len(text) <= 80 else f"{text[:80]!r}..."
    raise Unusable(f"{shown} is neither an existing file nor the base64 of one")


def _web_address(text: str) -> bool:
    scheme = _SCHEME.match(text)
    return scheme is not None and scheme[1].lower() in ("http", "https")


def _is_there(text: str) -> bool:
    if len(text) > _LONGEST_PATH:
        return False
    try:
        os.stat(text)
    except (OSError, ValueError):  # too long for a name, not allowed to be seen, a NUL byte in it
        return False
    return True


def _decoded(text: str) -> bytes | None:
    """The bytes of a text in base64, its alphabet for addresses included; None for what is none."""
    if not text.isascii():
        return None
    data = "".join(text.split()).replace("-", "+").replace("_", "/") if re.search(r"[\s_-]", text) else text
    try:
        return base64.b64decode(data + "=" * (-len(data) % 4), validate=True) or None
    except ValueError:
        return None


def _is_picture(value: object) -> bool:
    pillow = sys.modules.get("PIL.Image")  # who has made a picture has imported it
    return pillow is not None and isinstance(value, pillow.Image)


def _as_png(picture: Any) -> bytes:
    file = io.BytesIO()
    try:
        if picture.mode not in _PNG_MODES:
            picture = picture.convert("RGBA" if picture.mode in ("PA", "La", "RGBa") else "RGB")
        picture.save(file, "PNG")
    except Exception as error:  # a picture is read when it is used, and its decoders raise whatever they like
        raise ValueError(f"the picture cannot be written as PNG: {error}") from error
    return file.getvalue()


def _mark(file: IO[bytes]) -> tuple[int, ...]:
    """What changes when a file does."""
    found = os.fstat(file.fileno())
    return found.st_size, found.st_mtime_ns, found.st_ino, found.st_dev
