"""multipart/form-data, read as it arrives: `feed` bytes, get parts. No I/O."""

from __future__ import annotations

from email.message import Message
from email.parser import HeaderParser
from typing import TypeAlias

import msgspec

__all__ = ["Event", "MultipartDecoder", "MultipartError", "Part"]

_MAX_HEADERS = 16 * 1024


class MultipartError(ValueError):
    """The body is not what its content type says."""


class Part(msgspec.Struct, frozen=True):
    """A part begins: the field's name, and the file's name or ""."""

    name: str
    filename: str


#: A part begins, some of its bytes, or None: the part ends.
Event: TypeAlias = Part | bytes | None


class MultipartDecoder:
    """Takes a body apart.

    Args:
        content_type: the request's header, which has the boundary.

    Raises:
        MultipartError: there is no boundary.
    """

    def __init__(self, content_type: str) -> None:
        header = Message()
        header["content-type"] = content_type
        boundary = header.get_boundary()
        if not boundary:
            raise MultipartError("the content type names no boundary")
        self._delimiter = b"\r\n--" + boundary.encode("utf-8", "surrogateescape")
        # The first delimiter may stand at the very beginning, where its line break is missing.
        self._buffer = b"\r\n"
        self._step = self._preamble

    def feed(self, chunk: bytes) -> list[Event]:
        """Take the next bytes and return what they complete.

        Raises:
            MultipartError: the body is malformed.
        """
        self._buffer += chunk
        events: list[Event] = []
        while self._step(events):
            pass
        return events

    def close(self) -> None:
        """Take the end of the body.

        Raises:
            MultipartError: it ended before its last delimiter.
        """
        if self._step != self._epilogue:
            raise MultipartError("the body ended before its last delimiter")

    # Each step takes what it can from the buffer and says whether the next one may go on.

    def _preamble(self, events: list[Event]) -> bool:
        _, found, rest = self._buffer.partition(self._delimiter)
        if found:
            self._buffer, self._step = rest, self._after_delimiter
            return True
        self._buffer = self._buffer[-len(self._delimiter) :]
        return False

    def _after_delimiter(self, events: list[Event]) -> bool:
        line, found, rest = self._buffer.partition(b"\r\n")
        if line.startswith(b"--"):
            self._buffer, self._step = b"", self._epilogue
            return False
        if not found:
            return self._short()
        if line.strip(b" \t"):
            raise MultipartError("a delimiter is followed by something else than the end of its line")
        self._buffer, self._step = b"\r\n" + rest, self._headers  # so that having no headers looks no different
        return True

    def _headers(self, events: list[Event]) -> bool:
        head, found, rest = self._buffer.partition(b"\r\n\r\n")
        if not found:
            return self._short()
        headers = HeaderParser().parsestr(head.strip().decode("utf-8", "replace"))
        name = headers.get_param("name", "", header="content-disposition")
        events.append(Part(name if isinstance(name, str) else name[2], headers.get_filename("") or ""))
        self._buffer, self._step = rest, self._data
        return True

    def _data(self, events: list[Event]) -> bool:
        data, found, rest = self._buffer.partition(self._delimiter)
        if not found:
            # The end of the buffer may be the beginning of the delimiter.
            data = self._buffer[: -len(self._delimiter)]
            rest = self._buffer[len(data) :]
        if data:
            events.append(data)
        self._buffer = rest
        if found:
            events.append(None)
            self._step = self._after_delimiter
        return bool(found)

    def _epilogue(self, events: list[Event]) -> bool:
        self._buffer = b""
        return False

    def _short(self) -> bool:
        if len(self._buffer) > _MAX_HEADERS:
            raise MultipartError("the headers of a part are too long")
        return False
