"""Forms with files in them, read off the loop and sent piece by piece; their length is known before the first byte."""

from __future__ import annotations

import secrets
from functools import partial
from typing import TYPE_CHECKING, Protocol

from ..errors import ValidationError
from .bodies import Repeatable

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable

    from .clock import Clock

__all__ = ["Form", "FormFile"]

_READ_SIZE = 1 << 20  # bytes for one visit to a worker thread


class FormFile(Protocol):
    """A file that a form can carry."""

    @property
    def name(self) -> str:
        """Of the file, as the platform will know it."""
        ...

    @property
    def kind(self) -> str:
        """Media type."""
        ...

    @property
    def size(self) -> int:
        """In bytes."""
        ...

    def read(self, offset: int, size: int) -> bytes:
        """Some bytes from a place in it. Blocks: it runs in a worker thread."""
        ...


class Form(Repeatable):
    """A form of some fields and files. An async iterable of chunks.

    Args:
        clock: whose threads read.
        fields: name and text.
        files: name and file. Any name may come several times.

    Attributes:
        headers: content type, and the length.
    """

    def __init__(self, clock: Clock, fields: Iterable[tuple[str, str]], files: Iterable[tuple[str, FormFile]]) -> None:
        boundary = secrets.token_hex(16)
        texts = "".join(
            f'--{boundary}\r\nContent-Disposition: form-data; name="{_quoted(name)}"\r\n\r\n{value}\r\n'
            for name, value in fields
        )
        self._clock = clock
        self._files: list[tuple[bytes, FormFile]] = []
        before = texts
        for name, file in files:
            head = (
                f'{before}--{boundary}\r\nContent-Disposition: form-data; name="{_quoted(name)}"; '
                f'filename="{_quoted(file.name)}"\r\nContent-Type: {_quoted(file.kind)}\r\n\r\n'
            )
            self._files.append((head.encode(), file))
            before = "\r\n"
        self._tail = f"{before}--{boundary}--\r\n".encode()
        length = len(self._tail) + sum(len(head) + file.size for head, file in self._files)
        self.headers = {
            "content-type": f"multipart/form-data; boundary={boundary}",
            "content-length": str(length),
        }

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for head, file in self._files:
            yield head
            place, size = 0, file.size
            while place < size:
                chunk = await self._clock.to_thread(partial(file.read, place, min(_READ_SIZE, size - place)))
                if not chunk:
                    raise ValidationError(f"file: {file.name!r} became shorter while it was uploaded")
                place += len(chunk)
                yield chunk
        yield self._tail


def _quoted(text: str) -> str:
    """A name inside a header, as browsers write it."""
    return text.replace('"', "%22").replace("\r", "%0D").replace("\n", "%0A")
