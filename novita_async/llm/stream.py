"""Streamed chat answers: the reader that turns bytes into chunks, and the typed events above it."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Literal, Self, TypeAlias

import msgspec

from ..errors import NovitaError, StreamCut, ValidationError
from ..wire.json import decode, remember
from ..wire.sse import SSEDecoder
from .accumulate import ChatAccumulator, reasoning_text
from .types import ChatCompletion, ChatCompletionChunk, Usage

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable
    from types import TracebackType

    from ..runtime.call import Runtime
    from ..runtime.streams import EventStream
    from ..transport.protocol import Response

__all__ = [
    "ChatEvent",
    "ChatReader",
    "ChatStream",
    "CompletionDone",
    "ReasoningDelta",
    "TextDelta",
    "ToolCallFragment",
    "UsageReport",
]


class ChatReader:
    """Server-sent events to chunks (contract/llm.md 5)."""

    def __init__(self, runtime: Runtime, response: Response) -> None:
        self.done = False
        self._runtime = runtime
        self._headers = response.headers
        self._decode = runtime.decoders(ChatCompletionChunk).decode
        self._events = SSEDecoder(max_event_bytes=runtime.settings.limits.max_event_bytes)
        self._finished = False

    def feed(self, chunk: bytes, out: list[bytes]) -> None:
        for event in self._events.feed(chunk):
            if event.data == b"[DONE]":
                self.done = True
                return
            out.append(event.data)

    def close(self, out: list[bytes]) -> None:
        self.feed(b"\n\n", out)  # an event whose blank line was cut off is still an event
        for event in out:
            self.decode(event)
        if not self.done and not self._finished:
            raise StreamCut("the stream ended without an end marker and without a finish reason")

    def decode(self, event: bytes) -> ChatCompletionChunk:
        try:
            value = self._decode(event)
        except (msgspec.DecodeError, UnicodeDecodeError):
            value = self._explain(event)
        remember(value, event)
        for part in value.choices:
            if part.finish_reason is not None:
                self._finished = True
        return value

    def is_content(self, value: ChatCompletionChunk) -> bool:
        return any(
            part.finish_reason or part.delta.content or part.delta.tool_calls or reasoning_text(part.delta)
            for part in value.choices
        )

    def _explain(self, data: bytes) -> ChatCompletionChunk:
        """An event that is no chunk: an error frame, in one of its shapes, or nonsense."""
        refusal = self._runtime.embedded(data, self._headers)
        if refusal is not None:
            raise refusal
        return decode(self._runtime.decoders(ChatCompletionChunk), data)  # raises, with the reason in words


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


ChatEvent: TypeAlias = TextDelta | ReasoningDelta | ToolCallFragment | UsageReport | CompletionDone


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

    async def _advance(self) -> None:
        if self._chunks is None:
            raise ValidationError("the stream is not open: enter it with `async with`")
        try:
            chunk = await anext(self._chunks)
        except StopAsyncIteration:
            self._over = True
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
                events.append(TextDelta(delta.content, choice))
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
