"""Files on their way to the disk or into memory: never half-written, never blocking the loop."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Self

from ..runtime.clock import uninterrupted
from ..runtime.part_file import PartFile

if TYPE_CHECKING:
    import pathlib
    from collections.abc import Awaitable, Callable
    from types import TracebackType
    from typing import TypeAlias

    from ..runtime.clock import Clock

__all__ = ["FileStream", "MemoryStream", "Progress", "fetch", "save"]

#: Called with the bytes that are here and those of the whole file, None while nobody knows.
Progress: TypeAlias = "Callable[[int, int | None], object]"

_WRITE_SIZE = 1 << 20  # bytes gathered for one visit to a worker thread


class FileStream(ABC):
    """An open file: an async iterator over its chunks. What `open()` of an output gives; use it with `async with`.

    Attributes:
        length: bytes of the whole file; None when nobody knows.
        received: bytes so far.
        media_type: its media type, where the store tells; else "".
    """

    length: int | None = None
    received: int = 0
    media_type: str = ""

    def __init__(self, progress: Progress | None = None) -> None:
        self._progress = progress
        #: Awaited when the file has to be read from its beginning again; without it that is an error.
        self.on_restart: Callable[[], Awaitable[None]] | None = None

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        if chunk := await self.read():
            return chunk
        raise StopAsyncIteration

    @abstractmethod
    async def read(self) -> bytes:
        """The next chunk, of any size; b"" at the end."""
        ...

    @abstractmethod
    async def aclose(self) -> None:
        """Let go of the connection. Safe to call twice."""
        ...

    @abstractmethod
    async def _start(self) -> None:
        """Get as far as knowing the length."""
        ...

    def _took(self, chunk: bytes) -> bytes:
        self.received += len(chunk)
        if self._progress is not None:
            self._progress(self.received, self.length)
        return chunk

    async def __aenter__(self) -> Self:
        try:
            await self._start()
        except BaseException:
            await self.aclose()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()


class MemoryStream(FileStream):
    """A file that is here already."""

    def __init__(self, load: Callable[[], Awaitable[bytes]], progress: Progress | None = None) -> None:
        super().__init__(progress)
        self._load = load
        self._data = b""

    async def _start(self) -> None:
        self._data = await self._load()
        self.length = len(self._data)

    async def read(self) -> bytes:
        if self.length is None:
            await self._start()
        chunk = self._data[self.received : self.received + _WRITE_SIZE]
        return self._took(chunk) if chunk else b""

    async def aclose(self) -> None:
        """There is no connection."""


async def fetch(stream: FileStream) -> bytes:
    """The rest of a file, in memory."""
    chunks: list[bytes] = []

    async def restart() -> None:
        chunks.clear()

    stream.on_restart = restart
    while chunk := await stream.read():
        chunks.append(chunk)
    return b"".join(chunks)


async def save(stream: FileStream, path: pathlib.Path, clock: Clock, first: bytes = b"") -> pathlib.Path:
    """A file to the disk: written beside `path` under a temporary name, synced, then renamed.

    Args:
        stream: an open file.
        path: its name.
        clock: whose threads write.
        first: what was read of it before.
    """
    part = PartFile(path)
    pending: list[bytes] = [first]
    size = len(first)

    async def restart() -> None:
        nonlocal size
        pending.clear()
        size = 0
        await clock.to_thread(part.restart)

    stream.on_restart = restart
    try:
        while chunk := await stream.read():
            pending.append(chunk)
            size += len(chunk)
            if size >= _WRITE_SIZE:
                data = b"".join(pending)
                pending.clear()
                size = 0
                await clock.to_thread(lambda data=data: part.write(data))
        data = b"".join(pending)
        await clock.to_thread(lambda: part.finish(data))
    except BaseException:
        await uninterrupted(clock.to_thread(part.discard))
        raise
    return path
