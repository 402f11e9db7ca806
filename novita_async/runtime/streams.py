"""Answers that come bit by bit: raw chunks in, decoded events out, and the connection given back on every way out.

The two limits count decoded events. A server that keeps a stream alive with comments is a server that gives nothing.
One timer watches a stream for its whole life, whatever the number of chunks: nothing is scheduled for a chunk.
"""

from __future__ import annotations

import asyncio
import functools
import warnings
import weakref
from collections import deque
from typing import TYPE_CHECKING, Any, Generic, Protocol, Self, TypeVar

import anyio

from ..errors import ClientClosed, NovitaError, StreamCut, StreamStalled
from .closing import Closing
from .retry import RETRYABLE
from .tee import tee

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ..transport.protocol import Response
    from .attempts import Attempts
    from .call import Runtime
    from .clock import TimerHandle
    from .tee import Branch

__all__ = ["LINGER", "BytesReader", "EventStream", "Reader"]

T = TypeVar("T")

#: Seconds. A server ends its body right behind the end marker: waiting so long saves the next call a new connection.
LINGER = 0.05


class Reader(Protocol[T]):
    """What turns the bytes of one product's stream into values, in two steps: bytes are cut into events as they come,
    and an event is decoded when the caller takes it, so that a chunk of many does not make many objects at once, nor
    the first of them wait for the last. Pure; a repeated attempt gets a fresh one.

    Attributes:
        done: the stream's own end marker has come.
    """

    done: bool

    def feed(self, chunk: bytes, out: list[bytes]) -> None:
        """Append the events that these bytes complete. An error is raised after the events before it were appended."""
        ...

    def close(self, out: list[bytes]) -> None:
        """Take the end of the body, all events before it having been decoded; raise `StreamCut` when it came too
        early."""
        ...

    def decode(self, event: bytes) -> T:
        """The value of an event. Raises what the event says, or that it cannot be understood."""
        ...

    def is_content(self, value: T) -> bool:
        """Whether this value is what the caller waits for: from then on nothing is repeated."""
        ...


class BytesReader:
    """The reader of a plain body: every chunk is an event, and the length that was announced is held."""

    def __init__(self, response: Response) -> None:
        self.done = False
        announced = response.headers.get("content-length", "")
        # Behind a content encoding the length is that of the packed bytes, which nobody above the transport sees.
        plain = response.headers.get("content-encoding", "identity") == "identity"
        self.length = int(announced) if announced.isdigit() and plain else None
        self.received = 0

    def feed(self, chunk: bytes, out: list[bytes]) -> None:
        self.received += len(chunk)
        out.append(chunk)

    def close(self, out: list[bytes]) -> None:
        self.done = True
        if self.length is not None and self.received != self.length:
            raise StreamCut(f"the body ended after {self.received} of {self.length} bytes")

    def decode(self, event: bytes) -> bytes:
        return event

    def is_content(self, value: bytes) -> bool:
        return True


class EventStream(Closing, Generic[T]):
    """An async iterator over the events of an answer.

    Leaving `async with` or calling `aclose()` closes the connection unless the stream was read to its end. Iterating a
    closed stream ends at once.

    Raises while iterating:
        StreamStalled: no event within `first_event`, then `idle`, seconds.
        APIError: an error frame inside the stream. Before the first content it is retried like a status.
        StreamCut: the body ended before the stream did.
        ConnectionLost: the connection broke.
        EventTooLarge: an event over `Limits.max_event_bytes`.
    """

    def __init__(
        self,
        runtime: Runtime,
        attempts: Attempts,
        response: Response,
        make_reader: Callable[[Response], Reader[T]],
        *,
        first_event: float | None,
        idle: float | None,
        on_end: Callable[[Reader[T]], object] | None = None,
    ) -> None:
        self._runtime = runtime
        self._clock = runtime.clock
        self._attempts = attempts
        self._response = response
        self._make_reader = make_reader
        self._reader = make_reader(response)
        self._on_end = on_end
        self._limits = {"first_event": first_event, "idle": idle}
        self._name = "first_event"
        self._ready: deque[bytes] = deque()
        self._held: list[bytes] = []
        self._error: NovitaError | None = None
        self._started = False
        self._ended = False
        self._closed = False
        self._waiting_since: float | None = None
        self._watch: TimerHandle | None = None
        self._loop = asyncio.get_running_loop()
        runtime.open.add(self)

    @property
    def status(self) -> int:
        """HTTP status of the answer."""
        return self._response.status

    @property
    def headers(self) -> Mapping[str, str]:
        """Headers of the answer."""
        return self._response.headers

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> T:
        if not self._ready:
            await self._fill()
        if self._ready:
            try:
                return self._reader.decode(self._ready.popleft())
            except NovitaError as error:
                self._error = error
                self._ready.clear()
        await self.aclose()  # may be cancelled: the error is for the next read then
        error, self._error = self._error, None
        if error is not None:
            raise error
        raise StopAsyncIteration

    async def _fill(self) -> None:
        """Read until there is something to hand out, the stream has ended or an error is due."""
        try:
            while not self._ready and not self._ended and self._error is None and not self._closed:
                if self._waiting_since is None:
                    self._waiting_since = self._clock.monotonic()
                if self._watch is None:
                    self._arm(self._limits[self._name])
                out: list[bytes] = []
                try:
                    chunk = await self._response.body.read()
                    if chunk:
                        self._reader.feed(chunk, out)
                        self._ended = self._reader.done
                    else:
                        self._ended = True
                        self._reader.close(out)
                except NovitaError as error:
                    self._error = self._error or error  # whoever aborted the stream has said why
                if out:
                    self._waiting_since = None
                    if self._started:
                        self._ready += out
                    else:
                        self._hold("idle")
                        self._begin(out)
                if not self._started and (self._ended or self._error is not None):
                    await self._end_before_content()
        finally:
            self._waiting_since = None

    def _begin(self, events: list[bytes]) -> None:
        """Hold back what comes before the first content, so that a repeat starts from nothing."""
        for event in events:
            try:
                self._started = self._started or self._reader.is_content(self._reader.decode(event))
            except NovitaError as error:
                self._error = error
                return
            self._held.append(event)
        if self._started:
            self._ready += self._held
            self._held.clear()

    async def _end_before_content(self) -> None:
        """Try the whole call once more if an error allows that, else hand out what was held back."""
        error = self._error
        if error is not None and isinstance(error, RETRYABLE):
            self._waiting_since = None
            await self._reopen(error)
        if self._ended or self._error is not None:
            self._ready += self._held
            self._held.clear()

    async def _reopen(self, error: NovitaError) -> None:
        """Try the whole call once more, or leave the error to be raised."""
        self._response.body.abort(ClientClosed("the attempt was given up"))
        self._attempts.release()
        try:
            await self._attempts.retry(error)
            self._response = await self._attempts.open()
        except NovitaError as final:
            self._error = final
            return
        if self._closed:  # by another task, meanwhile
            self.abort(ClientClosed("the stream was closed"))
            self._attempts.settle(None)
            return
        self._reader = self._make_reader(self._response)
        self._error = None
        self._ended = False
        self._held.clear()
        self._hold("first_event")

    # --------------------------------------------------------------------------------------- the watch

    def _hold(self, name: str) -> None:
        """Let another limit count from now on."""
        if self._watch is not None and self._limits[name] != self._limits[self._name]:
            self._watch.cancel()  # it was set for the other one; the next wait sets it anew
            self._watch = None
        self._name = name

    def _arm(self, seconds: float | None) -> None:
        if seconds is not None:
            # Weak, or the timer would keep a dropped stream alive, and its slot taken.
            self._watch = self._clock.call_later(seconds, functools.partial(_look_at, weakref.ref(self)))

    def look(self) -> None:
        """See whether the limit that counts has passed: what the timer does."""
        self._watch = None
        limit = self._limits[self._name]
        if self._closed or limit is None:
            return
        if self._waiting_since is None:  # the caller is busy with an event, not us with the network
            self._arm(limit)
            return
        # Two moments, because their difference can be told by the clock; that of two durations may be too small for it.
        now, due = self._clock.monotonic(), self._waiting_since + limit
        if now >= due:
            self._response.body.abort(StreamStalled(self._name, limit))
        else:
            self._arm(due - now)

    def tee(self, count: int, *, buffer: int | None = 64) -> tuple[Branch[T], ...]:
        """Split the stream into `count` async iterators; see `runtime.tee`. Close the stream itself as ever."""
        return tee(self, count, buffer=buffer)

    # --------------------------------------------------------------------------------------------- end

    def abort(self, error: Exception) -> None:
        """Close the connection now and end a pending read, or else the next one, with this error."""
        if isinstance(error, NovitaError) and not self._ended and not self._closed:
            self._error = error  # else a stream that nobody reads at this moment would seem to have ended well
        self._response.body.abort(error)
        self._let_go()

    def _let_go(self) -> None:
        first, self._closed = not self._closed, True
        self._attempts.release()
        if first and self._on_end is not None:
            self._on_end(self._reader)
        self._runtime.open.discard(self)
        if self._watch is not None:
            self._watch.cancel()
            self._watch = None

    async def aclose(self) -> None:
        """Close the stream and give its connection back. Safe to call twice."""
        if self._closed:
            return
        drained = self._ended and self._error is None and self._reader.done
        self._ready.clear()
        self._let_go()
        body = self._response.body
        with anyio.CancelScope(shield=True):
            try:
                if drained:
                    async with self._clock.timeout(LINGER):
                        await body.read()
            except (NovitaError, TimeoutError):
                pass  # the events are all there: how the body ends is of no interest
            finally:
                await body.aclose()

    def __del__(self, _warn: Any = warnings.warn) -> None:
        if getattr(self, "_closed", True):
            return
        _warn(f"a stream was dropped and not closed: use `async with` ({self._attempts.call.url})", ResourceWarning)
        try:
            here = asyncio.get_running_loop() is self._loop
        except RuntimeError:
            here = False
        if here:  # a plain synchronous close on its own loop: the slot and the socket are not lost
            self.abort(ClientClosed("the stream was dropped"))


def _look_at(stream: weakref.ref[EventStream[Any]]) -> None:
    found = stream()
    if found is not None:
        found.look()
