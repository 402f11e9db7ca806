"""The Anthropic surface: a Messages request becomes a chat request, and its answer blocks and named events."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

import msgspec
from msgspec import Meta

from . import chat
from .answers import choose
from .backend import bad, event, event_stream, find, read
from .router import Call, Endpoint, Refusal, json_reply

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from ..transport.protocol import Reply
    from .answers import Choice
    from .backend import Backend
    from .catalog import Model

__all__ = ["Messages", "shaped"]

_STOP_REASONS = {"stop": "end_turn", "length": "max_tokens", "tool_calls": "tool_use"}
_ERRORS = {
    400: "invalid_request_error",
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    429: "rate_limit_error",
    503: "overloaded_error",
}
_CHOICES: dict[str, Literal["auto", "none", "required"]] = {"auto": "auto", "none": "none", "any": "required"}


class _Source(msgspec.Struct):
    type: Literal["base64", "url"]
    media_type: str = ""
    data: str = ""
    url: str = ""


class _Block(msgspec.Struct):
    """A content block. Which fields matter follows from its type; types that are not known are ignored."""

    type: str
    text: str | None = None
    source: _Source | None = None
    id: str | None = None
    name: str | None = None
    input: dict[str, Any] | None = None
    tool_use_id: str | None = None
    content: str | list[_Block] | None = None

    def need(self, *fields: str) -> None:
        for field in fields:
            if getattr(self, field) is None:
                raise ValueError(f"a block of type {self.type} needs {field}")


class _Message(msgspec.Struct):
    role: Literal["user", "assistant"]
    content: str | list[_Block]

    @property
    def blocks(self) -> list[_Block]:
        return [_Block("text", self.content)] if isinstance(self.content, str) else self.content


class _Tool(msgspec.Struct):
    """A tool of the client. One of the server's has a type of its own: it is accepted and never runs (llm.md 13)."""

    name: str
    description: str | None = None
    input_schema: dict[str, Any] | None = None
    type: str = "custom"


class _ToolChoice(msgspec.Struct):
    type: Literal["auto", "any", "tool", "none"]
    name: str | None = None
    disable_parallel_tool_use: bool = False


class _Thinking(msgspec.Struct):
    type: str
    budget_tokens: int | None = None


class _Request(msgspec.Struct, kw_only=True):
    model: str
    max_tokens: Annotated[int, Meta(ge=1)]
    messages: Annotated[list[_Message], Meta(min_length=1)]
    system: str | list[_Block] | None = None
    stream: bool = False
    stop_sequences: list[str] | None = None
    temperature: Annotated[float, Meta(ge=0, le=2)] | None = None
    top_p: Annotated[float, Meta(gt=0, le=1)] | None = None
    top_k: Annotated[int, Meta(ge=0)] | None = None
    tools: list[_Tool] | None = None
    tool_choice: _ToolChoice | None = None
    thinking: _Thinking | None = None

    def check(self) -> None:
        """See that it can be said as a chat request."""
        self.as_chat().check()

    def as_chat(self) -> chat.ChatRequest:
        """The same, as a chat request."""
        tools = [
            chat.Tool("function", chat.Function(tool.name, tool.description, tool.input_schema))
            for tool in self.tools or ()
            if tool.type == "custom"
        ]
        return chat.ChatRequest(
            model=self.model,
            messages=self._system() + [message for each in self.messages for message in _spoken(each)],
            max_tokens=self.max_tokens,
            stop=self.stop_sequences,
            tools=tools or None,
            tool_choice=self._tool_choice(),
            parallel_tool_calls=None if self.tool_choice is None else not self.tool_choice.disable_parallel_tool_use,
            # On this surface models think when they are asked to.
            enable_thinking=self.thinking is not None and self.thinking.type != "disabled",
            separate_reasoning=True,
        )

    def _system(self) -> list[chat.Message]:
        blocks = [_Block("text", self.system)] if isinstance(self.system, str) else self.system or []
        return [chat.Message("system", "\n".join(block.text or "" for block in blocks))] if blocks else []

    def _tool_choice(self) -> Literal["auto", "none", "required"] | chat.NamedChoice | None:
        choice = self.tool_choice
        if choice is None or choice.type != "tool":
            return choice and _CHOICES[choice.type]
        if choice.name is None:
            raise ValueError("tool_choice of type tool needs name")
        return chat.NamedChoice("function", chat.Named(choice.name))


def _spoken(message: _Message) -> list[chat.Message]:
    """A message as one or several of the chat's: what tools have answered are messages of their own there."""
    found: list[chat.Message] = []
    parts: list[chat.Part] = []
    calls: list[chat.ToolCall] = []
    for block in message.blocks:
        match block.type:
            case "text":
                block.need("text")
                parts.append(chat.TextPart(block.text or ""))
            case "image":
                block.need("source")
                parts.append(chat.ImagePart(_picture(block.source or _Source("url"))))
            case "tool_use":
                block.need("id", "name", "input")
                called = chat.Called(block.name or "", msgspec.json.encode(block.input).decode())
                calls.append(chat.ToolCall(block.id or "", "function", called))
            case "tool_result":
                block.need("tool_use_id")
                found.append(chat.Message("tool", _result(block), tool_call_id=block.tool_use_id))
            case _:
                continue
    if parts or calls or not found:
        found.append(chat.Message(message.role, parts, tool_calls=calls or None))
    return found


def _picture(source: _Source) -> chat.Source:
    return chat.Source(source.url if source.type == "url" else f"data:{source.media_type};base64,{source.data}")


def _result(block: _Block) -> str:
    inner = [_Block("text", block.content)] if isinstance(block.content, str) else block.content or []
    return "\n".join(each.text for each in inner if each.text is not None)


class Messages:
    """The endpoint `/anthropic/v1/messages`."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend

    async def reply(self, call: Call) -> Reply:
        """Answer a call, whole or with a stream."""
        asked = read(_Request, await call.body())
        model = find(asked.model, "anthropic")
        request = asked.as_chat()
        prompt = request.tokens()
        request.check_features(model, len(prompt.tokens))
        try:
            dice = self._backend.dice("messages", request.fingerprint())
            choice = choose(request, model, dice, keep_stop=False)
        except ValueError as error:
            raise bad(str(error)) from None
        self._backend.admit(model.id, len(prompt.tokens) + choice.size)
        usage = self._backend.usage(model, prompt, choice.size)
        # Anthropic counts what was read from the cache beside the input and not in it.
        cached = usage["prompt_tokens_details"]["cached_tokens"]
        counts = {
            "input_tokens": usage["prompt_tokens"] - cached,
            "output_tokens": choice.size,
            "cache_creation_input_tokens": 0,
            "cache_read_input_tokens": cached,
        }
        if asked.stream:
            return event_stream(self._stream(model, choice, counts))
        blocks = [self._block(choice, *run) for run in choice.blocks()]
        return json_reply({**self._head(model), "content": blocks, **_ending(choice), "usage": counts})

    def _head(self, model: Model) -> dict[str, Any]:
        return {"id": f"msg_{self._backend.identifier()}", "type": "message", "role": "assistant", "model": model.id}

    def _block(self, choice: Choice, kind: str, call: int, texts: list[str]) -> dict[str, Any]:
        """A run of tokens as a content block; of none, the block that opens it in a stream."""
        text = "".join(texts)
        if kind == "reasoning":
            return {"type": "thinking", "thinking": text, "signature": self._signature(text) if text else ""}
        if kind == "content":
            return {"type": "text", "text": text}
        identifier, name = choice.calls[call]
        return {"type": "tool_use", "id": identifier, "name": name, "input": _arguments(text)}

    def _signature(self, text: str) -> str:
        return f"{self._backend.dice('signature', text).getrandbits(256):064x}"

    async def _stream(self, model: Model, choice: Choice, counts: dict[str, Any]) -> AsyncIterator[bytes]:
        message: dict[str, Any] = {**self._head(model), "content": [], "stop_reason": None, "stop_sequence": None}
        yield _named("message_start", message={**message, "usage": {**counts, "output_tokens": 0}})
        yield _named("ping")
        for index, (kind, call, texts) in enumerate(choice.blocks()):
            yield _named("content_block_start", index=index, content_block=self._block(choice, kind, call, []))
            for text in texts:
                yield _named("content_block_delta", index=index, delta=_delta(kind, text))
                await self._backend.pause()
            if kind == "reasoning":
                signature = {"type": "signature_delta", "signature": self._signature("".join(texts))}
                yield _named("content_block_delta", index=index, delta=signature)
            yield _named("content_block_stop", index=index)
        yield _named("message_delta", delta=_ending(choice), usage=counts)
        yield _named("message_stop")


def _named(kind: str, **fields: Any) -> bytes:
    return event({"type": kind, **fields}, named=True)


def _delta(kind: str, text: str) -> dict[str, Any]:
    if kind == "reasoning":
        return {"type": "thinking_delta", "thinking": text}
    return (
        {"type": "text_delta", "text": text}
        if kind == "content"
        else {"type": "input_json_delta", "partial_json": text}
    )


def _arguments(text: str) -> Any:
    """The arguments of a call; none when they were cut by max_tokens."""
    try:
        return msgspec.json.decode(text)
    except msgspec.DecodeError:
        return {}


def _ending(choice: Choice) -> dict[str, Any]:
    reason = "stop_sequence" if choice.stopped is not None else _STOP_REASONS[choice.finish]
    return {"stop_reason": reason, "stop_sequence": choice.stopped}


def shaped(endpoint: Endpoint) -> Endpoint:
    """Let an endpoint refuse in Anthropic's shape, with the headers that the refusal has."""

    async def answered(call: Call) -> Reply:
        try:
            return await endpoint(call)
        except Refusal as refusal:
            reply = refusal.reply
            assert isinstance(reply.body, bytes)
            flat = msgspec.json.decode(reply.body)
            kind = "authentication_error" if flat["reason"] == "INVALID_API_KEY" else _ERRORS[reply.status]
            reply.body = msgspec.json.encode({"type": "error", "error": {"type": kind, "message": flat["message"]}})
            return reply

    return answered
