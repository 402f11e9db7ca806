"""Language models."""

from .accumulate import ChatAccumulator
from .chat import Chat, ChatParams, Completions
from .stream import (
    ChatEvent,
    ChatStream,
    CompletionDone,
    ReasoningDelta,
    RefusalDelta,
    TextDelta,
    ToolCallFragment,
    UsageReport,
)
from .types import ChatCompletion, ChatCompletionChunk, Message, Usage

__all__ = [
    "Chat",
    "ChatAccumulator",
    "ChatCompletion",
    "ChatCompletionChunk",
    "ChatEvent",
    "ChatParams",
    "ChatStream",
    "CompletionDone",
    "Completions",
    "Message",
    "ReasoningDelta",
    "RefusalDelta",
    "TextDelta",
    "ToolCallFragment",
    "Usage",
    "UsageReport",
]
