"""Language models. What structured output and tools need is loaded when it is asked for."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

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

if TYPE_CHECKING:
    from .content import ContentWarning, audio, image, text, video
    from .structured import ParsedChatCompletion, ParsedMessage, ParsedStream
    from .tool_loop import ToolRun
    from .tools import Tool, tool

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
    "ContentWarning",
    "Message",
    "ParsedChatCompletion",
    "ParsedMessage",
    "ParsedStream",
    "ReasoningDelta",
    "RefusalDelta",
    "TextDelta",
    "Tool",
    "ToolCallFragment",
    "ToolRun",
    "Usage",
    "UsageReport",
    "audio",
    "image",
    "text",
    "tool",
    "video",
]

_HOME = {
    **dict.fromkeys(("ContentWarning", "audio", "image", "text", "video"), "content"),
    **dict.fromkeys(("ParsedChatCompletion", "ParsedMessage", "ParsedStream"), "structured"),
    "Tool": "tools",
    "ToolRun": "tool_loop",
    "tool": "tools",
}


def __getattr__(name: str) -> Any:
    home = _HOME.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f".{home}", __name__), name)
    globals()[name] = value
    return value
