"""One stream, several readers: each gets every event, and none runs further ahead of the slowest than a buffer."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING, Generic, Self, TypeVar

from ..errors import ValidationError
from .closing import Closing

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

__all__ = ["Branch", "tee"]

T = TypeVar("T")


def tee(source: AsyncIterator[T], count: int, *, buffer: int | None = 64) -> tuple[Branch[T], ...]:
    """Split a stream into `count` readers of it. Nobody else may read the source from then on.

    No task runs for it: whoever finds nothing in its own line reads one event for all.

    Args:
        source: the stream. An error of it is raised by every reader, after the events before it.
        count: how many readers, at least 1.
        buffer: events by which a reader may be ahead of the slowest one before it waits; None for any number. Readers
            that run one after the other, and not at once, need None.
    """
    if count < 1:
        raise ValidationError(f"a stream can be split into 1 or more readers, got {count!r}")
    if buffer is not None and buffer < 1:
        raise ValidationError(f"buffer must be at least 1 event, got {buffer!r}")
    hub: _Hub[T] = _Hub(source, buffer)
    hub.branches = tuple(Branch(hub) for _ in range(count))
    return hub.branches


class _Hub(Generic[T]):
    """What the readers of one stream share."""

    branches: tuple[Branch[T], ...] = ()

    def __init__(self, source: AsyncIterator[T], buffer: int | None) -> None:
        self.over = False
        self.error: Exception | None = None
        self.turn = asyncio.Lock()  # one of them reads for all
        self.room = asyncio.Event()  # a slow one has taken an event, or has gone
        self._source = source
        self._buffer = buffer

    async def advance(self, reader: Branch[T]) -> None:
        """Give every reader the next event, once the slow ones have room for it."""
        while self._buffer is not None and any(
            len(branch.line) >= self._buffer for branch in self.branches if branch is not reader
        ):
            self.room.clear()
            await self.room.wait()
        try:
            event = await anext(self._source)
        except StopAsyncIteration:
            self.over = True
        except Exception as error:
            self.over, self.error = True, error
        else:
            for branch in self.branches:
                branch.take(event)


class Branch(Closing, Generic[T]):
    """One reader of a stream that was split: an async iterator. Closing it lets the others go on without it."""

    def __init__(self, hub: _Hub[T]) -> None:
        self.line: deque[T] = deque()
        self._hub = hub
        self._closed = False

    def take(self, event: T) -> None:
        if not self._closed:
            self.line.append(event)

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> T:
        hub = self._hub
        while not self.line:
            if self._closed:
                raise StopAsyncIteration
            if hub.over:
                if hub.error is not None:
                    raise hub.error
                raise StopAsyncIteration
            async with hub.turn:
                if not self.line and not hub.over:
                    await hub.advance(self)
        hub.room.set()
        return self.line.popleft()

    async def aclose(self) -> None:
        """Read no more of it. Safe to call twice."""
        self._closed = True
        self.line.clear()
        self._hub.room.set()
