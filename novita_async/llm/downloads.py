"""What a file of the platform holds: whole in memory, or streamed to this machine's disk, never half-written."""

from __future__ import annotations

import pathlib
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

import msgspec

from ..errors import ConnectionLost, StreamCut
from ..runtime.attempts import Attempts
from ..runtime.clock import uninterrupted
from ..runtime.part_file import PartFile
from ..runtime.streams import BytesReader

if TYPE_CHECKING:
    import os
    from collections.abc import AsyncIterator

    from ..runtime.call import Call, Runtime
    from ..runtime.clock import Clock
    from ..transport.protocol import Response

__all__ = ["FileContent", "Sink", "download", "save"]

_WRITE_SIZE = 1 << 20  # bytes gathered for one visit to a worker thread


class FileContent:
    """What `files.content` gives: the bytes of a file, all in memory.

    Attributes:
        content: the bytes.
    """

    def __init__(self, clock: Clock, content: bytes) -> None:
        self._clock = clock
        self.content = content

    def __repr__(self) -> str:
        return f"<FileContent {len(self.content)} bytes>"

    @property
    def text(self) -> str:
        """The bytes as text."""
        return self.content.decode("utf-8", "replace")

    def json(self) -> Any:
        """The bytes decoded from JSON. For lines of JSON there is `aiter_lines`."""
        return msgspec.json.decode(self.content)

    def read(self) -> bytes:
        """The bytes."""
        return self.content

    async def aread(self) -> bytes:
        """The bytes, as the `openai` package's async client has it."""
        return self.content

    async def aiter_bytes(self, chunk_size: int = 65536) -> AsyncIterator[bytes]:
        """Iterate over the bytes in chunks."""
        for start in range(0, len(self.content), chunk_size):
            yield self.content[start : start + chunk_size]

    async def aiter_lines(self) -> AsyncIterator[str]:
        """Iterate over the lines, without their ends."""
        for line in self.content.splitlines():
            yield line.decode("utf-8", "replace")

    async def stream_to_file(self, path: str | os.PathLike[str]) -> None:
        """Write the bytes to disk, off the event loop: under a temporary name, synced, then renamed."""
        part = PartFile(pathlib.Path(path))

        def write() -> None:
            try:
                part.finish(self.content)
            except BaseException:
                part.discard()
                raise

        await self._clock.to_thread(write)


class Sink(Protocol):
    """Where a download goes. Its methods block: they run in a worker thread."""

    def restart(self) -> None:
        """An attempt begins: forget what an earlier one wrote."""
        ...

    def write(self, data: bytes) -> object: ...


async def download(runtime: Runtime, call: Call, sink: Sink) -> None:
    """Stream an answer into a sink. A download that breaks off is repeated from its beginning, as other reads are."""
    to_thread = runtime.clock.to_thread

    async def consume(response: Response) -> None:
        await to_thread(sink.restart)
        reader = BytesReader(response)
        pending: list[bytes] = []
        written = 0
        while chunk := await response.body.read():
            reader.feed(chunk, pending)
            if reader.received - written >= _WRITE_SIZE:
                data, written = b"".join(pending), reader.received
                pending.clear()
                await to_thread(partial(sink.write, data))
        await to_thread(partial(sink.write, b"".join(pending)))
        try:
            reader.close([])
        except StreamCut as error:
            raise ConnectionLost(str(error)) from error

    await Attempts(runtime, call).run(consume)


async def save(runtime: Runtime, call: Call, path: pathlib.Path) -> pathlib.Path:
    """Stream an answer to disk: under a temporary name beside `path`, synced, then renamed."""
    part = PartFile(path)
    try:
        await download(runtime, call, part)
        await runtime.clock.to_thread(part.finish)
    except BaseException:
        await uninterrupted(runtime.clock.to_thread(part.discard))
        raise
    return path
