"""Streamed answers of the Anthropic surface: events, and the message that they add up to (contract/llm.md 13)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

import msgspec

from ..errors import NovitaError, ValidationError
from .message_types import (
    EVENTS,
    AnthropicMessage,
    AnthropicUsage,
    ContentBlockDeltaEvent,
    ContentBlockStartEvent,
    InputJSONDelta,
    MessageDeltaEvent,
    MessageStartEvent,
    MessageStopEvent,
    SignatureDelta,
    TextBlock,
    TextBlockDelta,
    ThinkingBlock,
    ThinkingBlockDelta,
    ToolUseBlock,
    read_event,
)
from .named import NamedReader

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable
    from types import TracebackType

    from ..runtime.call import Runtime
    from ..runtime.streams import EventStream
    from ..transport.protocol import Response
    from .message_types import BlockDelta, ContentBlock, MessageEvent

__all__ = ["MessageAccumulator", "MessageReader", "MessageStream"]


class MessageReader(NamedReader["MessageEvent"]):
    """The reader of a stream of message events."""

    ends = frozenset(("message_stop",))

    def __init__(self, runtime: Runtime, response: Response) -> None:
        super().__init__(runtime, response)
        self._begun = AnthropicUsage()

    def knows(self, kind: str) -> bool:
        return kind in EVENTS

    def make(self, fields: dict[str, Any], event: bytes) -> MessageEvent:
        value = read_event(fields, event)
        if isinstance(value, MessageStartEvent):
            self._begun = value.message.usage or AnthropicUsage()
        elif isinstance(value, MessageDeltaEvent):
            self.finished = self.finished or value.delta.stop_reason is not None
            if value.usage is not None:
                self.usage = self._begun.updated(value.usage)
        return value

    def is_content(self, value: MessageEvent) -> bool:
        if isinstance(value, ContentBlockStartEvent):
            return not isinstance(value.content_block, TextBlock | ThinkingBlock)  # those begin empty
        return isinstance(value, ContentBlockDeltaEvent | MessageDeltaEvent | MessageStopEvent)


class MessageAccumulator:
    """Puts events together again. Pure: works on a live stream and on events that were stored."""

    def __init__(self) -> None:
        self._first: AnthropicMessage | None = None
        self._parts: dict[int, _Part] = {}
        self._stop = MessageDeltaEvent()
        self._usage: AnthropicUsage | None = None

    def add(self, event: MessageEvent) -> None:
        """Take the next event."""
        if isinstance(event, MessageStartEvent):
            self._first = event.message
            self._parts = {index: _Part(block) for index, block in enumerate(event.message.content)}
            self._usage = event.message.usage
        elif isinstance(event, ContentBlockStartEvent):
            self._parts[event.index] = _Part(event.content_block)
        elif isinstance(event, ContentBlockDeltaEvent):
            part = self._parts.get(event.index)
            if part is None:  # a server that begins without saying so
                part = self._parts[event.index] = _Part(_begun_by(event.delta))
            part.add(event.delta)
        elif isinstance(event, MessageDeltaEvent):
            self._stop = event
            if event.usage is not None:
                self._usage = (self._usage or AnthropicUsage()).updated(event.usage)

    @property
    def message(self) -> AnthropicMessage:
        """The message as far as it has come. A copy: it does not change when more events are added."""
        first = self._first or AnthropicMessage(content=[])
        return AnthropicMessage(
            content=[self._parts[index].build() for index in sorted(self._parts)],
            id=first.id,
            type=first.type,
            role=first.role,
            model=first.model,
            stop_reason=self._stop.delta.stop_reason or first.stop_reason,
            stop_sequence=self._stop.delta.stop_sequence or first.stop_sequence,
            usage=self._usage,
        )


class _Part:
    """A block that grows."""

    def __init__(self, block: ContentBlock) -> None:
        self._block = block
        self._pieces: list[str] = []
        self._signature: str | None = None

    def add(self, delta: BlockDelta) -> None:
        if isinstance(delta, TextBlockDelta):
            self._pieces.append(delta.text)
        elif isinstance(delta, ThinkingBlockDelta):
            self._pieces.append(delta.thinking)
        elif isinstance(delta, InputJSONDelta):
            self._pieces.append(delta.partial_json)
        elif isinstance(delta, SignatureDelta):
            self._signature = (self._signature or "") + delta.signature

    def build(self) -> ContentBlock:
        block, text = self._block, "".join(self._pieces)
        if isinstance(block, TextBlock):
            return TextBlock(text=block.text + text)
        if isinstance(block, ThinkingBlock):
            return ThinkingBlock(thinking=block.thinking + text, signature=self._signature or block.signature)
        if isinstance(block, ToolUseBlock) and text:
            made = ToolUseBlock(id=block.id, name=block.name, input=_object(text))
            vars(made)["_json"] = text
            return made
        return block


def _begun_by(delta: BlockDelta) -> ContentBlock:
    if isinstance(delta, InputJSONDelta):
        return ToolUseBlock()
    return ThinkingBlock() if isinstance(delta, ThinkingBlockDelta | SignatureDelta) else TextBlock()


def _object(text: str) -> dict[str, Any]:
    try:
        return msgspec.json.decode(text, type=dict[str, Any])
    except msgspec.DecodeError:
        return {}


class MessageStream:
    """Events of one streamed answer, and the message that they add up to.

    Entered with `async with`, which sends the request and closes the stream on every way out. An error that breaks the
    stream carries what had come so far as `error.partial`.

    Example:
        async with novita.messages.stream(model=model, max_tokens=200, messages=messages) as stream:
            async for text in stream.text_stream:
                print(text, end="")
            message = await stream.get_final_message()
    """

    def __init__(self, open_stream: Callable[[], Awaitable[EventStream[MessageEvent]]]) -> None:
        self._open = open_stream
        self._events: EventStream[MessageEvent] | None = None
        self._accumulator = MessageAccumulator()
        self._over = False

    async def __aenter__(self) -> Self:
        if self._events is not None:
            raise ValidationError("this stream was entered before: ask again for another one")
        self._events = await self._open()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close the stream: iterating it ends at once. Safe to call twice."""
        self._over = True
        if self._events is not None:
            await self._events.aclose()

    @property
    def message(self) -> AnthropicMessage:
        """The message as far as it has come."""
        return self._accumulator.message

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> MessageEvent:
        if self._over:
            raise StopAsyncIteration
        if self._events is None:
            raise ValidationError("the stream is not open: enter it with `async with`")
        try:
            event = await anext(self._events)
        except StopAsyncIteration:
            self._over = True
            raise
        except NovitaError as error:
            self._over = True
            error.partial = self.message
            raise
        self._accumulator.add(event)
        return event

    @property
    def text_stream(self) -> AsyncIterator[str]:
        """The pieces of the answer's text alone."""
        return self._texts()

    async def _texts(self) -> AsyncIterator[str]:
        async for event in self:
            if isinstance(event, ContentBlockDeltaEvent) and isinstance(event.delta, TextBlockDelta):
                yield event.delta.text
            elif isinstance(event, ContentBlockStartEvent):
                block = event.content_block
                if isinstance(block, TextBlock) and block.text:
                    yield block.text

    async def get_final_message(self) -> AnthropicMessage:
        """Read to the end and return the message; of a stream that was closed before, what had come."""
        async for _ in self:
            pass
        return self.message
