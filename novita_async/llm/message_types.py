"""What the Anthropic surface answers (contract/llm.md 13, llm.openapi.yaml). Attributes as in the `anthropic` package.

Blocks, deltas and events are told apart by their `type`, and new types come at any time: one that nobody here knows is
an `OtherBlock`, `OtherDelta` or `OtherEvent`, whose `raw` has it all.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, TypeAlias, TypeVar, cast

import msgspec

from ..wire.json import Object, encode, remember

__all__ = [
    "AnthropicMessage",
    "AnthropicUsage",
    "BlockDelta",
    "ContentBlock",
    "ContentBlockDeltaEvent",
    "ContentBlockStartEvent",
    "ContentBlockStopEvent",
    "InputJSONDelta",
    "MessageDeltaEvent",
    "MessageEvent",
    "MessageStartEvent",
    "MessageStopEvent",
    "OtherBlock",
    "OtherDelta",
    "OtherEvent",
    "SignatureDelta",
    "StopDelta",
    "TextBlock",
    "TextBlockDelta",
    "ThinkingBlock",
    "ThinkingBlockDelta",
    "ToolUseBlock",
    "block_param",
    "read_event",
]

O = TypeVar("O", bound=Object)  # noqa: E741 - a type variable is called by one letter here


# ---------------------------------------------------------------------------------------------- blocks


class TextBlock(Object):
    """A part of the answer."""

    text: str = ""
    type: Literal["text"] = "text"


class ThinkingBlock(Object):
    """Reasoning. `signature` lets the platform know it again when it is sent back."""

    thinking: str = ""
    signature: str | None = None
    type: Literal["thinking"] = "thinking"


class ToolUseBlock(Object):
    """A tool that the model wants used."""

    id: str = ""
    name: str = ""
    input: dict[str, Any] = msgspec.field(default_factory=dict[str, Any])
    type: Literal["tool_use"] = "tool_use"

    @property
    def input_json(self) -> str:
        """The input as JSON text. Of a stream it is what the model wrote, and where that is no JSON object, because
        it was cut or because the model erred, `input` is {}."""
        return vars(self).get("_json") or encode(self.input).decode()


class OtherBlock(Object):
    """A block of a type that the SDK does not know; `raw` has it."""

    type: str = ""


ContentBlock: TypeAlias = TextBlock | ThinkingBlock | ToolUseBlock | OtherBlock


# ---------------------------------------------------------------------------------------------- deltas


class TextBlockDelta(Object):
    """A piece of a `TextBlock`."""

    text: str = ""
    type: Literal["text_delta"] = "text_delta"


class ThinkingBlockDelta(Object):
    """A piece of a `ThinkingBlock`."""

    thinking: str = ""
    type: Literal["thinking_delta"] = "thinking_delta"


class SignatureDelta(Object):
    """The signature of a `ThinkingBlock`."""

    signature: str = ""
    type: Literal["signature_delta"] = "signature_delta"


class InputJSONDelta(Object):
    """A piece of the JSON text that is the input of a `ToolUseBlock`."""

    partial_json: str = ""
    type: Literal["input_json_delta"] = "input_json_delta"


class OtherDelta(Object):
    """A delta of a type that the SDK does not know; `raw` has it."""

    type: str = ""


BlockDelta: TypeAlias = TextBlockDelta | ThinkingBlockDelta | SignatureDelta | InputJSONDelta | OtherDelta

if TYPE_CHECKING:
    _Block: TypeAlias = ContentBlock
    _Delta: TypeAlias = BlockDelta
else:
    # A union of msgspec's is closed. These come as dicts, and whoever holds them makes them what they are.
    _Block = _Delta = Any


# --------------------------------------------------------------------------------------------- message


class AnthropicUsage(Object):
    """Tokens billed for a request. The counters of the cache may be missing."""

    input_tokens: int = 0
    output_tokens: int = 0
    cache_creation_input_tokens: int | None = None
    cache_read_input_tokens: int | None = None

    def updated(self, later: AnthropicUsage) -> AnthropicUsage:
        """The counters after those of a later event: they are of the whole answer, and one that is left out stays."""
        return AnthropicUsage(
            input_tokens=later.input_tokens or self.input_tokens,
            output_tokens=later.output_tokens or self.output_tokens,
            cache_creation_input_tokens=later.cache_creation_input_tokens or self.cache_creation_input_tokens,
            cache_read_input_tokens=later.cache_read_input_tokens or self.cache_read_input_tokens,
        )


class AnthropicMessage(Object):
    """A whole answer. It may be put into `messages` of the next request as it is, its thinking included.

    `stop_reason` is end_turn, max_tokens, stop_sequence, tool_use or something newer. `model` may differ from the one
    asked for.
    """

    content: list[_Block]
    id: str = ""
    type: str = "message"
    role: str = "assistant"
    model: str = ""
    stop_reason: str | None = None
    stop_sequence: str | None = None
    usage: AnthropicUsage | None = None

    def __post_init__(self) -> None:
        self.content = [_opened(block, _BLOCKS, OtherBlock) for block in self.content]

    @property
    def text(self) -> str:
        """The text blocks, joined: the answer without thinking and tools."""
        return "".join(block.text for block in self.content if isinstance(block, TextBlock))


# ---------------------------------------------------------------------------------------------- events


class MessageStartEvent(Object):
    """The first event: the message, empty so far, with the tokens of the prompt."""

    message: AnthropicMessage
    type: Literal["message_start"] = "message_start"


class ContentBlockStartEvent(Object):
    """A block begins."""

    content_block: _Block
    index: int = 0
    type: Literal["content_block_start"] = "content_block_start"

    def __post_init__(self) -> None:
        self.content_block = _opened(self.content_block, _BLOCKS, OtherBlock)


class ContentBlockDeltaEvent(Object):
    """A block goes on."""

    delta: _Delta
    index: int = 0
    type: Literal["content_block_delta"] = "content_block_delta"

    def __post_init__(self) -> None:
        self.delta = _opened(self.delta, _DELTAS, OtherDelta)


class ContentBlockStopEvent(Object):
    """A block is whole."""

    index: int = 0
    type: Literal["content_block_stop"] = "content_block_stop"


class StopDelta(Object):
    """Why the message ended."""

    stop_reason: str | None = None
    stop_sequence: str | None = None


class MessageDeltaEvent(Object):
    """The message ends. The counters of `usage` are those of the whole answer."""

    delta: StopDelta = msgspec.field(default_factory=StopDelta)
    usage: AnthropicUsage | None = None
    type: Literal["message_delta"] = "message_delta"


class MessageStopEvent(Object):
    """The last event."""

    type: Literal["message_stop"] = "message_stop"


class OtherEvent(Object):
    """An event of a type that the SDK does not know; `raw` has it."""

    type: str = ""


MessageEvent: TypeAlias = (
    MessageStartEvent
    | ContentBlockStartEvent
    | ContentBlockDeltaEvent
    | ContentBlockStopEvent
    | MessageDeltaEvent
    | MessageStopEvent
    | OtherEvent
)

_BLOCKS: dict[object, type[ContentBlock]] = {"text": TextBlock, "thinking": ThinkingBlock, "tool_use": ToolUseBlock}
_DELTAS: dict[object, type[BlockDelta]] = {
    "text_delta": TextBlockDelta,
    "thinking_delta": ThinkingBlockDelta,
    "signature_delta": SignatureDelta,
    "input_json_delta": InputJSONDelta,
}
EVENTS: dict[object, type[MessageEvent]] = {
    "message_start": MessageStartEvent,
    "content_block_start": ContentBlockStartEvent,
    "content_block_delta": ContentBlockDeltaEvent,
    "content_block_stop": ContentBlockStopEvent,
    "message_delta": MessageDeltaEvent,
    "message_stop": MessageStopEvent,
}


def read_event(fields: dict[str, Any], event: bytes) -> MessageEvent:
    """An event of a stream, from its JSON.

    Raises:
        msgspec.ValidationError: it is of a known type, and not as that type is.
    """
    found = _converted(fields, EVENTS, OtherEvent)
    remember(found, event)
    return found


def block_param(block: Object) -> dict[str, Any]:
    """A block as it is sent back: with the fields that the SDK does not know, and with what was changed on it."""
    known = {name: value for name, value in msgspec.to_builtins(block).items() if value is not None}
    return {**block.raw, **known}


def _opened(value: object, kinds: dict[object, type[O]], other: type[O]) -> Any:
    """What is still a dict as the struct of its type."""
    if not isinstance(value, dict):
        return value
    fields = cast("dict[str, Any]", value)
    found = _converted(fields, kinds, other)
    remember(found, encode(fields))
    return found


def _converted(fields: dict[str, Any], kinds: dict[object, type[O]], other: type[O]) -> O:
    given = {name: value for name, value in fields.items() if value is not None}
    return msgspec.convert(given, kinds.get(fields.get("type"), other), strict=False)
