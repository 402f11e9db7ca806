"""`instance.logs()`: the lines of an instance's logs, as they come (contract/gpu.md 6)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, Self

from ..catalog.gpu_life import GONE
from ..errors import APIError, NotFound, StreamStalled, TransportError, ValidationError
from ..runtime.arguments import call_headers
from ..runtime.attempts import Attempts
from ..runtime.call import Auth, Call
from ..runtime.closing import Closing
from ..runtime.streams import EventStream
from ..wire.ndjson import NDJSONDecoder

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ..runtime.call import Runtime
    from ..transport.protocol import Response
    from .instance import Instance

__all__ = ["SOURCES", "LogLines", "Source"]

Source = Literal["instance", "system"]
SOURCES = ("instance", "system")
_QUIET = 2.0  # seconds without a line after which what there is has come
_SHORTEST, _LONGEST = 1.0, 30.0  # seconds until the log is asked for again
_REMEMBERED = 100_000


class LogLines(Closing):
    """Lines of a log: an async iterator, to be used inside `async with`. Made by `Instance.logs`.

    A connection that ends is opened again, until the instance is gone. Lines that come once more from the first on are
    passed over.

    Raises while iterating:
        APIError: the address is refused, also after it was read anew.
    """

    def __init__(
        self, instance: Instance, runtime: Runtime, source: Source, *, follow: bool, headers: Mapping[str, str] | None
    ) -> None:
        if source not in SOURCES:
            raise ValidationError(f"source must be one of {', '.join(SOURCES)}, got {source!r}")
        self._instance = instance
        self._runtime = runtime
        self._source = source
        self._follow = follow
        self._headers = call_headers(headers)
        self._stream: EventStream[str] | None = None
        self._past = _Past()
        self._ready: list[str] = []
        self._known = False  # the address is not older than this iterator
        self._failures = 0
        self._wait = _SHORTEST
        self._over = False

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> str:
        while not self._ready:
            if self._over:
                raise StopAsyncIteration
            try:
                await self._advance()
            except BaseException:
                await self.aclose()
                raise
        return self._ready.pop(0)

    async def _advance(self) -> None:
        if self._stream is None:
            address = await self._address()
            if not address:
                await self._pause()
                return
            self._stream = await self._open(address)
            if self._stream is None:
                return
        try:
            line = await anext(self._stream, None)
        except StreamStalled:
            line = None
            self._over = not self._follow
        except TransportError:
            line = None
        if line is not None:
            self._failures, self._wait = 0, _SHORTEST
            self._ready += self._past.news(line)
            return
        await self._let_go()
        self._past.again()
        await self._pause()

    async def _address(self) -> str:
        """Where the log is now; "" while it is nowhere."""
        told = self._instance.log_addresses
        if told is None or self._known:
            try:
                self._instance = await self._instance.refresh()
            except NotFound:
                self._over = True
                return ""
            told = self._instance.log_addresses
            self._over = self._instance.status in GONE
        self._known = True
        if told is None or self._over:
            return ""
        return (told.instance_log_address if self._source == "instance" else told.system_log_address) or ""

    async def _open(self, address: str) -> EventStream[str] | None:
        runtime, quiet = self._runtime, None if self._follow else _QUIET
        # It is a link that says itself who may read it: it gets nothing of ours.
        call = Call(method="GET", url=address, headers={"accept": "text/plain, */*", **self._headers}, auth=Auth.LINK)
        attempts = Attempts(runtime, call)
        try:
            response = await attempts.open()
        except (APIError, TransportError):
            self._failures += 1
            if self._failures >= runtime.settings.retry.attempts or not self._follow:
                raise
            await self._pause()
            return None

        def reader(_: Response) -> _LineReader:
            return _LineReader(runtime.settings.limits.max_event_bytes)

        return EventStream(runtime, attempts, response, reader, first_event=quiet, idle=quiet)

    async def _pause(self) -> None:
        if not self._follow:
            self._over = True
        elif not self._over:
            await self._runtime.naps.take(self._wait)
            self._wait = min(2 * self._wait, _LONGEST)

    async def _let_go(self) -> None:
        stream, self._stream = self._stream, None
        if stream is not None:
            await stream.aclose()

    async def aclose(self) -> None:
        """Close it. Safe to call twice."""
        self._over = True
        self._ready.clear()
        await self._let_go()


class _LineReader:
    """Cuts a body into lines. Empty ones are left out."""

    def __init__(self, longest: int) -> None:
        self.done = False
        self._lines = NDJSONDecoder(max_event_bytes=longest)

    def feed(self, chunk: bytes, out: list[bytes]) -> None:
        out += self._lines.feed(chunk)

    def close(self, out: list[bytes]) -> None:
        self.done = True
        out += self._lines.close()

    def decode(self, event: bytes) -> str:
        return event.decode("utf-8", "replace")

    def is_content(self, value: str) -> bool:
        return True


class _Past:
    """What was given, to tell a log that begins anew from one that goes on: which of them comes is not documented."""

    def __init__(self) -> None:
        self._given: list[int] | None = []
        self._place: int | None = None  # how far a repetition has come
        self._held: list[str] = []

    def again(self) -> None:
        """The log comes over another connection from now on."""
        self._held.clear()
        self._place = 0 if self._given else None

    def news(self, line: str) -> list[str]:
        """What is to be given now that this line has come."""
        if self._given is None:
            return [line]
        if self._place is not None:
            self._held.append(line)
            if hash(line) == self._given[self._place]:
                self._place += 1
                if self._place == len(self._given):
                    self._place = None
                    self._held.clear()
                return []
            self._place = None
            fresh = [*self._held]
            self._held.clear()
        else:
            fresh = [line]
        self._given += map(hash, fresh)
        if len(self._given) > _REMEMBERED:
            self._given = None
        return fresh
