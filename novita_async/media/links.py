"""A file from a link, in chunks, whatever happens to the connection on the way."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import urljoin, urlsplit

import msgspec

from ..errors import (
    APIError,
    ConnectionLost,
    NotFound,
    NovitaError,
    PermissionDenied,
    ProtocolError,
    StreamCut,
    StreamStalled,
)
from ..runtime.attempts import Attempts
from ..runtime.call import Auth, Call
from ..runtime.streams import BytesReader, EventStream
from .downloads import FileStream

if TYPE_CHECKING:
    import datetime
    from collections.abc import Awaitable, Callable

    from ..runtime.call import Runtime
    from ..transport.protocol import Response
    from .downloads import Progress

__all__ = ["LinkStream"]

_REDIRECTS = 5
_RESTARTS = 3  # a file that changes more often while it is read is not to be had
_RANGE = re.compile(r"bytes (\d+)-\d+/(\d+|\*)")
_NO_RANGE = re.compile(r"bytes \*/(\d+)")
_DEAD = (403, 404, 410)


class _File(msgspec.Struct, frozen=True):
    """Which file it is that comes, as far as the store tells."""

    tag: str
    modified: str
    length: int | None

    @property
    def mark(self) -> str:
        """What `If-Range` names it by. A weak tag promises no equal bytes (RFC 9110, 13.1.5)."""
        return self.modified if self.tag.startswith("W/") else self.tag or self.modified

    def may_be(self, other: _File) -> bool:
        """Whether something says that the other one is the same, and nothing that it is not."""
        pairs = [
            (mine, theirs)
            for mine, theirs in zip(msgspec.structs.astuple(self), msgspec.structs.astuple(other), strict=True)
            if mine not in ("", None) and theirs not in ("", None)
        ]
        return bool(pairs) and all(mine == theirs for mine, theirs in pairs)


class _OtherFile(ProtocolError):
    """What came is not the rest of what was begun."""


class _NotThere(ProtocolError):
    """A part came, and not the one that was asked for."""


class _Piece(BytesReader):
    """The reader of one connection: it leaves out what came over an earlier one."""

    def __init__(self, response: Response, skip: int, problem: ProtocolError | None) -> None:
        super().__init__(response)
        self._skip = skip
        self._problem = problem

    def feed(self, chunk: bytes, out: list[bytes]) -> None:
        if self._problem is not None:
            raise self._problem
        self.received += len(chunk)
        if self._skip:
            left = max(0, self._skip - len(chunk))
            chunk, self._skip = chunk[self._skip :], left
        if chunk:
            out.append(chunk)

    def close(self, out: list[bytes]) -> None:
        if self._problem is not None:
            raise self._problem
        super().close(out)


class LinkStream(FileStream):
    """A file behind a link. A connection that breaks is followed by one that asks for the rest.

    Every byte that comes gives the retry policy a fresh count of attempts: a long file over a bad line arrives as long
    as it gets on at all.

    Args:
        runtime: the client's, for its limits, its retry policy and its transport. Its key and its headers stay here.
        url: the link.
        progress: called after every chunk.
        renew: gives the link anew when the store refuses it, or the same one, or "".
        expires_at: the end of the link, for the error that says so.
    """

    def __init__(
        self,
        runtime: Runtime,
        url: str,
        *,
        progress: Progress | None = None,
        renew: Callable[[], Awaitable[str]] | None = None,
        expires_at: Callable[[], datetime.datetime | None] | None = None,
    ) -> None:
        super().__init__(progress)
        self._runtime = runtime
        self._url = url
        self._renew = renew
        self._renewed_at = -1
        self._expires_at = expires_at
        self._file: _File | None = None
        self._stream: EventStream[bytes] | None = None
        self._next: Attempts | None = None
        self._ranges = True
        self._moved = False  # bytes have come since the last break
        self._tries = 0  # breaks since the last byte
        self._restarts = 0
        self._ended = False
        total = runtime.settings.timeouts.total
        self._deadline = None if total is None else runtime.clock.monotonic() + total

    async def read(self) -> bytes:
        while not self._ended:
            await self._start()
            if self._stream is None:
                break
            try:
                chunk = await anext(self._stream, b"")
                if not chunk and self.length is not None and self.received < self.length:
                    raise StreamCut(f"the body ended after {self.received} of {self.length} bytes")
            except NovitaError as error:
                await self._go_on(error)
                continue
            if chunk:
                self._moved = True
                return self._took(chunk)
            await self.aclose()
        return b""

    async def aclose(self) -> None:
        self._ended = True
        await self._hang_up()

    async def _hang_up(self) -> None:
        stream, self._stream = self._stream, None
        if stream is not None:
            await stream.aclose()

    # ------------------------------------------------------------------------------------ one connection

    async def _start(self) -> None:
        while self._stream is None and not self._ended:
            try:
                self._stream = await self._connect()
            except NovitaError as error:
                await self._go_on(error)

    async def _connect(self) -> EventStream[bytes]:
        url = self._url
        attempts, self._next = self._next, None
        for _ in range(_REDIRECTS + 1):
            attempts = attempts or self._asking(url)
            try:
                response = await attempts.open()
            except APIError as error:
                target = error.headers.get("location")
                if not target or error.status not in (301, 302, 303, 307, 308):
                    raise
                url, attempts = urljoin(url, target), None
                continue
            limits = self._runtime.settings.timeouts
            return EventStream(
                self._runtime, attempts, response, self._reader, first_event=limits.first_event, idle=limits.idle
            )
        raise ProtocolError(f"the link leads through more than {_REDIRECTS} redirects")

    def _asking(self, url: str) -> Attempts:
        """A request for the file, or for what is missing of it."""
        if urlsplit(url).scheme not in ("http", "https"):
            raise ProtocolError(f"the link is not an http address: {url[:100]!r}")
        headers = {"accept": "*/*"}
        if self.received and self._ranges:
            headers["range"] = f"bytes={self.received}-"
            if self._file is not None and (mark := self._file.mark):
                headers["if-range"] = mark
        left = None if self._deadline is None else max(0.0, self._deadline - self._runtime.clock.monotonic())
        return Attempts(self._runtime, Call(method="GET", url=url, auth=Auth.LINK, headers=headers, timeout=left))

    def _reader(self, response: Response) -> _Piece:
        headers = response.headers
        start, length = 0, BytesReader(response).length
        problem: ProtocolError | None = None
        if response.status == 206:
            span = _RANGE.fullmatch(headers.get("content-range", "").strip())
            start = int(span[1]) if span else self.received + 1
            length = int(span[2]) if span and span[2] != "*" else None
        if start > self.received:
            problem = _NotThere(f"the store gave another part than the one from byte {self.received} on")
        file = _File(headers.get("etag", ""), headers.get("last-modified", ""), length)
        if not self.received or self._file is None:
            self._file, self.length = file, length
            self.media_type = headers.get("content-type", "")
        elif problem is None and not file.may_be(self._file):
            problem = _OtherFile("the file changed while it was read")
        return _Piece(response, self.received - start, problem)

    # ------------------------------------------------------------------------------------ and after it

    async def _go_on(self, error: NovitaError) -> None:
        """Get ready for another connection, or raise the error."""
        await self._hang_up()
        match error:
            case _OtherFile():
                await self._begin_again(error)
            case _NotThere() if self._ranges:
                self._ranges = False
            case APIError(status=416) if self.received:
                whole = _NO_RANGE.fullmatch(error.headers.get("content-range", "").strip())
                if whole and int(whole[1]) == self.received and self.length in (None, self.received):
                    self._ended = True  # all of it had come, and only the end had not
                else:
                    await self._begin_again(error)
            case APIError(status=status) if status in _DEAD:
                await self._find_anew(error)
            case StreamCut() | ConnectionLost() | StreamStalled():
                await self._ask_again(error)
            case _:
                raise error

    async def _ask_again(self, error: NovitaError) -> None:
        """Wait for the next attempt at the rest."""
        if self.length is not None and self.received > self.length:
            raise error  # more than there is: no other attempt mends that
        if not self._moved and not isinstance(error, StreamCut):
            raise error  # the attempts at it have been made
        self._tries = 1 if self._moved else self._tries + 1
        self._moved = False
        waiting = self._asking(self._url)
        waiting.number = self._tries
        lost = ConnectionLost(str(error))  # a stall in the middle is one: what came before it need not come again
        try:
            await waiting.retry(lost)
        except ConnectionLost as final:
            if final is not lost:
                raise
            for note in getattr(lost, "__notes__", ()):
                error.add_note(note)
            raise error from error.__cause__
        self._next = waiting

    async def _begin_again(self, error: NovitaError) -> None:
        """Read it all once more: nothing of what came can be used."""
        self._restarts += 1
        if self._restarts > _RESTARTS or self.on_restart is None:
            raise StreamCut("the file at the link changed while it was read") from error
        self.received, self.length, self._file, self._moved, self._renewed_at = 0, None, None, False, -1
        await self.on_restart()

    async def _find_anew(self, error: APIError) -> None:
        """Get another link for one that the store refuses."""
        if self._renew is not None and self._renewed_at < self.received:
            self._renewed_at = self.received
            try:
                url = await self._renew()
            except NovitaError as problem:
                raise self._dead(error) from problem
            if url not in ("", self._url):
                self._url = url
                return
        raise self._dead(error) from error

    def _dead(self, error: APIError) -> APIError:
        until = self._expires_at() if self._expires_at is not None else None
        when = f"{until:%Y-%m-%d %H:%M:%S} UTC" if until is not None else ""
        if until is None:
            text = "the link has expired, or its file is gone; its end was not stated"
        elif until.timestamp() <= self._runtime.clock.time():
            text = f"the link has expired: it was good until {when}"
        else:
            text = f"the store refuses the link, or its file is gone; it was to be good until {when}"
        kind = PermissionDenied if error.status == 403 else NotFound
        return kind(
            text,
            status=error.status,
            reason=error.reason,
            request_id=error.request_id,
            headers=error.headers,
            body=error.body,
        )
