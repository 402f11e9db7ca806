"""Files from links: never with the key, never half-written, never blocking the loop."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urljoin, urlsplit

from ..errors import APIError, ProtocolError
from ..runtime.attempts import Attempts
from ..runtime.call import Auth, Call
from ..runtime.clock import uninterrupted
from ..runtime.part_file import PartFile
from ..runtime.streams import BytesReader, EventStream

if TYPE_CHECKING:
    import pathlib

    from ..runtime.call import Runtime

__all__ = ["Downloader"]

_REDIRECTS = 5
_WRITE_SIZE = 1 << 20  # bytes gathered for one visit to a worker thread


class Downloader:
    """Fetches links for one client, under its limits of time and number."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime

    async def fetch(self, url: str) -> bytes:
        """The whole file in memory."""
        async with await self._open(url) as stream:
            return b"".join([chunk async for chunk in stream])

    async def save(self, url: str, path: pathlib.Path) -> pathlib.Path:
        """The file on disk: written beside `path` under a temporary name, synced, then renamed."""
        clock = self._runtime.clock
        async with await self._open(url) as stream:
            part = PartFile(path)
            try:
                pending: list[bytes] = []
                size = 0
                async for chunk in stream:
                    pending.append(chunk)
                    size += len(chunk)
                    if size >= _WRITE_SIZE:
                        data, pending, size = b"".join(pending), [], 0
                        await clock.to_thread(lambda data=data: part.write(data))
                data = b"".join(pending)
                await clock.to_thread(lambda: part.finish(data))
            except BaseException:
                await uninterrupted(clock.to_thread(part.discard))
                raise
        return path

    async def _open(self, url: str) -> EventStream[bytes]:
        for _ in range(_REDIRECTS + 1):
            if urlsplit(url).scheme not in ("http", "https"):
                raise ProtocolError(f"the link is not an http address: {url[:100]!r}")
            attempts = Attempts(self._runtime, Call(method="GET", url=url, auth=Auth.NONE, headers={"accept": "*/*"}))
            try:
                response = await attempts.open()
            except APIError as error:
                target = error.headers.get("location")
                if not target or error.status not in (301, 302, 303, 307, 308):
                    raise
                url = urljoin(url, target)
                continue
            limits = self._runtime.settings.timeouts
            return EventStream(
                self._runtime, attempts, response, BytesReader, first_event=limits.first_event, idle=limits.idle
            )
        raise ProtocolError(f"the link leads through more than {_REDIRECTS} redirects")
