"""What a file is written from: text, bytes, a file of this machine, chunks; raw or, for an older envd, as a form."""

from __future__ import annotations

import os
import re
import stat
import zlib
from contextlib import aclosing
from typing import TYPE_CHECKING

from ..errors import ValidationError

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterable, Callable
    from typing import BinaryIO

    from ..runtime.clock import Clock

__all__ = ["LocalFile", "checked", "multipart", "packed", "takes_no_raw_body"]

_READ_SIZE = 1 << 20  # bytes for one visit to a worker thread
_VERSION = re.compile(r"(\d+)\.(\d+)\.(\d+)")
_RAW_SINCE = (0, 5, 7)  # the version of envd that began to take raw bodies


class LocalFile(os.PathLike[str]):
    """A file of this machine, read in pieces off the event loop. To be closed, whether it was opened or not.

    Args:
        clock: whose threads read it.
        path: of the file.
        links: a link in place of the file is followed.
        on_read: called with the number of bytes of each piece.
    """

    def __init__(
        self,
        clock: Clock,
        path: os.PathLike[str],
        *,
        links: bool = True,
        on_read: Callable[[int], object] | None = None,
    ) -> None:
        self._clock = clock
        self._path = path
        self._links = links
        self._on_read = on_read
        self._file: BinaryIO | None = None

    def __fspath__(self) -> str:
        return os.fspath(self._path)

    async def open(self) -> None:
        """Open it.

        Raises:
            ValidationError: it cannot be read.
        """
        try:
            await self._clock.to_thread(self._open)
        except (OSError, ValueError) as error:  # ValueError: the path holds a NUL byte
            raise ValidationError(f"data: {os.fspath(self._path)!r} cannot be read: {error}") from error

    def _open(self) -> None:
        if not stat.S_ISREG(os.stat(self._path).st_mode):  # a pipe would be waited for without end
            raise OSError("it is not a file")
        # Kept from here: a caller who is cancelled meanwhile gets no result, and closes it all the same.
        self._file = open(self._path, "rb", opener=self._opener)  # noqa: SIM115 - see above

    def _opener(self, path: str, flags: int) -> int:
        return os.open(path, flags if self._links else flags | os.O_NOFOLLOW)

    async def chunks(self) -> AsyncGenerator[bytes, None]:
        while chunk := await self._clock.to_thread(self._read):
            yield chunk
            if self._on_read is not None:
                self._on_read(len(chunk))

    def _read(self) -> bytes:
        # A transport may read on for a moment after the answer is there and the file closed.
        return b"" if self._file is None or self._file.closed else self._file.read(_READ_SIZE)

    async def aclose(self) -> None:
        if self._file is not None:
            await self._clock.to_thread(self._file.close)


async def checked(data: AsyncIterable[bytes]) -> AsyncGenerator[bytes, None]:
    """A caller's chunks, which may be anything at run time. Its source is closed with it."""
    chunks = aiter(data)
    try:
        async for chunk in chunks:
            if not isinstance(chunk, bytes | bytearray | memoryview):  # pyright: ignore[reportUnnecessaryIsInstance] - see above
                raise ValidationError(f"data must come in chunks of bytes, not of {type(chunk).__name__}")
            yield bytes(chunk)
    finally:
        close = getattr(chunks, "aclose", None)
        if close is not None:
            await close()


def takes_no_raw_body(version: str) -> bool:
    """Whether an envd of this version takes files as forms only. A version that cannot be read is taken for new."""
    parts = _VERSION.match(version)
    return parts is not None and tuple(map(int, parts.groups())) < _RAW_SINCE


def multipart(boundary: str, body: bytes | AsyncGenerator[bytes, None]) -> bytes | AsyncGenerator[bytes, None]:
    """A form with one file. Its name is of no interest: the path stands in the query."""
    head = (
        f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="file"\r\n'
        "Content-Type: application/octet-stream\r\n\r\n"
    ).encode()
    tail = f"\r\n--{boundary}--\r\n".encode()
    if isinstance(body, bytes):
        return head + body + tail

    async def form() -> AsyncGenerator[bytes, None]:
        async with aclosing(body):
            yield head
            async for chunk in body:
                yield chunk
            yield tail

    return form()


async def packed(clock: Clock, body: bytes | AsyncGenerator[bytes, None]) -> bytes | AsyncGenerator[bytes, None]:
    """A body as gzip, packed off the event loop."""
    stream = zlib.compressobj(wbits=zlib.MAX_WBITS | 16)
    if isinstance(body, bytes):
        return await clock.to_thread(lambda: stream.compress(body) + stream.flush())

    async def pieces() -> AsyncGenerator[bytes, None]:
        async with aclosing(body):
            async for chunk in body:
                if piece := await clock.to_thread(lambda chunk=chunk: stream.compress(chunk)):
                    yield piece
            yield await clock.to_thread(stream.flush)

    return pieces()
