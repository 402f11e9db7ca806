"""Streamed chat answers as typed events, above the chunks that `reader` cuts out of the bytes."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Literal, Self, TypeAlias

import msgspec

from ..errors import NovitaError, ValidationError
from ..runtime.tee import tee
from .accumulate import ChatAccumulator, reasoning_text
from .thinking import ThinkSplitter
from .types import ChatCompletion, ChatCompletionChunk, Usage

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable
    from types import TracebackType

    from ..runtime.streams import EventStream
    from ..runtime.tee import Branch

__all__ = [
    "ChatEvent",
    "ChatStream",
    "CompletionDone",
    "ReasoningDelta",
    "RefusalDelta",
    "TextDelta",
    "ToolCallFragment",
    "UsageReport",
]


class TextDelta(msgspec.Struct, frozen=True, gc=False):
    """A piece of the answer."""

    text: str
    choice: int = 0
    type: Literal["text"] = "text"


class ReasoningDelta(msgspec.Struct, frozen=True, gc=False):
    """A piece of the reasoning before the answer."""

    text: str
    choice: int = 0
    type: Literal["reasoning"] = "reasoning"


class RefusalDelta(msgspec.Struct, frozen=True, gc=False):
    """A piece of a refusal, which stands in place of an answer."""

    text: str
    choice: int = 0
    type: Literal["refusal"] = "refusal"


class ToolCallFragment(msgspec.Struct, frozen=True, gc=False):
    """A piece of a tool call. `id` and `name` are "" on all but the first; `arguments` is a piece of JSON text."""

    index: int
    id: str
    name: str
    arguments: str
    choice: int = 0
    type: Literal["tool_call"] = "tool_call"


class UsageReport(msgspec.Struct, frozen=True):
    """The tokens so far; the last one counts."""

    usage: Usage
    type: Literal["usage"] = "usage"


class CompletionDone(msgspec.Struct, frozen=True):
    """The last event: the whole completion."""

    completion: ChatCompletion
    type: Literal["done"] = "done"


ChatEvent: TypeAlias = TextDelta | ReasoningDelta | RefusalDelta | ToolCallFragment | UsageReport | CompletionDone


class ChatStream:
    """Typed events of one streamed answer, and the completion that they add up to.

    Entered with `async with`, which sends the request and closes the stream on every way out. An error that breaks the
    stream carries what had come so far as `error.partial`.

    Example:
        async with novita.chat.completions.stream(model=model, messages=messages) as stream:
            async for event in stream:
                if event.type == "text":
                    print(event.text, end="")
        print(stream.completion.usage)
    """

    def __init__(self, open_stream: Callable[[], Awaitable[EventStream[ChatCompletionChunk]]]) -> None:
        self._open = open_stream
        self._chunks: EventStream[ChatCompletionChunk] | None = None
        self._accumulator = ChatAccumulator()
        self._events: deque[ChatEvent] = deque()
        self._thinking: dict[int, ThinkSplitter] = {}
        self._over = False

    async def __aenter__(self) -> Self:
        if self._chunks is not None:
            raise ValidationError("this stream was entered before: ask again for another one")
        self._chunks = await self._open()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close the stream: iterating it ends at once. Safe to call twice."""
        self._over = True
        self._events.clear()
        if self._chunks is not None:
            await self._chunks.aclose()

    @property
    def completion(self) -> ChatCompletion:
        """The completion as far as it has come."""
        return self._accumulator.completion

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> ChatEvent:
        while not self._events:
            if self._over:
                raise StopAsyncIteration
            await self._advance()
        return self._events.popleft()

    async def text(self) -> AsyncIterator[str]:
        """Iterate over the pieces of the first answer's text alone."""
        async for event in self:
            if isinstance(event, TextDelta) and event.choice == 0:
                yield event.text

    async def final(self) -> ChatCompletion:
        """Read to the end and return the completion; of a stream that was closed before, what had come."""
        async for _ in self:
            pass
        return self.completion

    def tee(self, count: int, *, buffer: int | None = 64) -> tuple[Branch[ChatEvent], ...]:
        """Split the events into `count` async iterators, for readers that run at once: one writes to a socket, one
        counts, one looks for trouble. Each gets every event; nobody else may iterate the stream from then on.

        Args:
            count: how many.
            buffer: events by which one may be ahead of the slowest before it waits; None for any number.
        """
        return tee(self, count, buffer=buffer)

    async def _advance(self) -> None:
        if self._chunks is None:
            raise ValidationError("the stream is not open: enter it with `async with`")
        try:
            chunk = await anext(self._chunks)
        except StopAsyncIteration:
            self._over = True
            for choice, splitter in self._thinking.items():
                self._content(choice, *splitter.close())
            self._events.append(CompletionDone(self.completion))
            return
        except NovitaError as error:
            self._over = True  # and not done: what had come is on the error
            error.partial = self.completion
            raise
        self._accumulator.add(chunk)
        events = self._events
        for part in chunk.choices:
            delta, choice = part.delta, part.index
            if text := reasoning_text(delta):
                events.append(ReasoningDelta(text, choice))
            if delta.content:
                splitter = self._thinking.get(choice)
                if splitter is None:
                    splitter = self._thinking[choice] = ThinkSplitter()
                self._content(choice, *splitter.feed(delta.content))
            if delta.refusal:
                events.append(RefusalDelta(delta.refusal, choice))
            for call in delta.tool_calls or ():
                function = call.function
                events.append(
                    ToolCallFragment(
                        call.index,
                        call.id or "",
                        (function.name or "") if function else "",
                        (function.arguments or "") if function else "",
                        choice,
                    )
                )
        if chunk.usage is not None:
            events.append(UsageReport(chunk.usage))

    def _content(self, choice: int, reasoning: str, answer: str) -> None:
        if reasoning:
            self._events.append(ReasoningDelta(reasoning, choice))
        if answer:
            self._events.append(TextDelta(answer, choice))
