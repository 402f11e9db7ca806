"""What the LLM API answers (contract/llm.openapi.yaml). Attributes as in the `openai` package; enums are open strings.

Every field that a server may leave out has a default, and a field set to null reads as None.
"""

from __future__ import annotations

from typing import Any, TypeAlias

import msgspec

from ..wire.json import Object
from .thinking import split_thinking

__all__ = [
    "ChatCompletion",
    "ChatCompletionChunk",
    "Choice",
    "ChunkChoice",
    "CompletionTokensDetails",
    "Delta",
    "FunctionCall",
    "FunctionCallDelta",
    "Logprobs",
    "Message",
    "MessageParam",
    "PromptTokensDetails",
    "ReasoningDetail",
    "TokenLogprob",
    "ToolCall",
    "ToolCallDelta",
    "TopLogprob",
    "Usage",
]


class PromptTokensDetails(Object, omit_defaults=True):
    """Where prompt tokens came from. `cached_tokens` were served from the prompt cache; the other counts of a cache
    differ from model to model (contract/llm.md 9)."""

    cached_tokens: int | None = None
    audio_tokens: int | None = None
    text_tokens: int | None = None
    image_tokens: int | None = None
    cache_creation_prompt_tokens: int | None = msgspec.field(default=None, name="cache_creation_Prompt_tokens")
    cache_read_prompt_tokens: int | None = msgspec.field(default=None, name="cache_read_Prompt_tokens")
    cache_write_tokens: int | None = None
    cache_read_input_tokens: int | None = None


class CompletionTokensDetails(Object, omit_defaults=True):
    """Where completion tokens went."""

    reasoning_tokens: int | None = None
    audio_tokens: int | None = None


class Usage(Object, omit_defaults=True):
    """Tokens billed for a request."""

    prompt_tokens: int = 0
    completion_tokens: int = 0
    total_tokens: int = 0
    prompt_tokens_details: PromptTokensDetails | None = None
    completion_tokens_details: CompletionTokensDetails | None = None


class FunctionCall(Object, omit_defaults=True):
    """A function that the model wants called. `arguments` is JSON text as the model wrote it: it may be malformed."""

    name: str
    arguments: str = ""


class ToolCall(Object, omit_defaults=True):
    """A call that the model asks for. `id` is opaque and need not be unique beyond its turn."""

    id: str
    function: FunctionCall
    type: str = "function"
    index: int | None = None


class ReasoningDetail(Object, omit_defaults=True):
    """A piece of reasoning in its structured form (contract/llm.md 6)."""

    type: str = "reasoning.text"
    text: str | None = None
    id: str | None = None
    format: str | None = None
    index: int | None = None


class TopLogprob(Object):
    """A token that could have stood here."""

    token: str
    logprob: float
    bytes: list[int] | None = None


class TokenLogprob(Object):
    """A token of the answer, and the most likely ones in its place."""

    token: str
    logprob: float
    bytes: list[int] | None = None
    top_logprobs: list[TopLogprob] = msgspec.field(default_factory=list)


class Logprobs(Object):
    """Log probabilities of the tokens of an answer, or of a chunk of it."""

    content: list[TokenLogprob] | None = None
    refusal: list[TokenLogprob] | None = None


class Message(Object, omit_defaults=True):
    """An answer of the model. It may be put into `messages` of the next request as it is, reasoning included, which
    models with interleaved thinking need (contract/llm.md 6).

    Reasoning comes in three shapes: `reasoning_content`, `reasoning_details`, and a block in think tags at the
    beginning of `content`. They are kept as they came; `reasoning` and `answer` are the same for all of them.
    """

    role: str = ""
    content: str | None = None
    reasoning_content: str | None = None
    reasoning_details: list[ReasoningDetail] | None = None
    tool_calls: list[ToolCall] | None = None
    refusal: str | None = None
    name: str | None = None
    audio: dict[str, Any] | None = None

    @property
    def reasoning(self) -> str:
        """What the model thought, whatever shape it came in; "" when it did not, or did not tell."""
        if self.reasoning_content:
            return self.reasoning_content
        if self.reasoning_details:
            return "".join(detail.text or "" for detail in self.reasoning_details)
        return split_thinking(self.content or "")[0]

    @property
    def answer(self) -> str:
        """The content without reasoning that stands in think tags before it."""
        return split_thinking(self.content or "")[1]


class Choice(Object):
    """One of `n` answers. `finish_reason` is stop, length, tool_calls, content_filter or something newer."""

    index: int
    message: Message
    finish_reason: str | None = None
    logprobs: Logprobs | None = None


class ChatCompletion(Object):
    """A whole answer. `model` may differ from the one asked for; `created` is Unix seconds."""

    choices: list[Choice]
    id: str = ""
    object: str = "chat.completion"
    created: int = 0
    model: str = ""
    usage: Usage | None = None
    system_fingerprint: str | None = None


class FunctionCallDelta(Object):
    """A fragment of a function call."""

    name: str | None = None
    arguments: str | None = None


class ToolCallDelta(Object):
    """A fragment of a tool call: fragments with the same `index` belong together."""

    index: int
    id: str | None = None
    type: str | None = None
    function: FunctionCallDelta | None = None


class Delta(Object):
    """What a chunk adds to an answer. Every field may be missing, null or empty."""

    role: str | None = None
    content: str | None = None
    reasoning_content: str | None = None
    reasoning_details: list[ReasoningDetail] | None = None
    tool_calls: list[ToolCallDelta] | None = None
    refusal: str | None = None


class ChunkChoice(Object):
    """One answer's part of a chunk."""

    index: int
    delta: Delta
    finish_reason: str | None = None
    logprobs: Logprobs | None = None


class ChatCompletionChunk(Object):
    """One event of a streamed answer. `choices` is empty on the chunk that brings `usage`."""

    choices: list[ChunkChoice]
    id: str = ""
    object: str = "chat.completion.chunk"
    created: int = 0
    model: str = ""
    usage: Usage | None = None
    system_fingerprint: str | None = None


#: A message to send: a dict as the API takes it, or a `Message` that came back.
MessageParam: TypeAlias = "dict[str, Any] | Message"
