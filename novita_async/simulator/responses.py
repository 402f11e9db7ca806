"""The Responses surface, which is live for a few models and not documented (contract/llm.md 14).

What OpenAI's client sends and reads is served: text, pictures, functions, structured output, reasoning, streams.
Nothing is stored; hosted tools are accepted and never run.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Annotated, Any, Literal

import msgspec
from msgspec import Meta

from . import chat
from .answers import choose
from .backend import bad, event, event_stream, find, read
from .router import Call, json_reply

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from ..transport.protocol import Reply
    from .answers import Choice
    from .backend import Backend
    from .catalog import Model

__all__ = ["Responses"]

_ROLES: dict[str, Literal["system", "user", "assistant"]] = {
    "system": "system",
    "developer": "system",
    "user": "user",
    "assistant": "assistant",
}


class _Content(msgspec.Struct):
    type: str
    text: str = ""
    image_url: str = ""
    detail: Literal["high", "low", "auto"] | None = None


class _Item(msgspec.Struct):
    """An item of the input: a message, a call of a function, or what the function gave. Others are ignored."""

    type: str = "message"
    role: str = ""
    content: str | list[_Content] = ""
    call_id: str = ""
    name: str = ""
    arguments: str = ""
    output: Any = None


class _Tool(msgspec.Struct):
    type: str
    name: str = ""
    description: str | None = None
    parameters: dict[str, Any] | None = None
    strict: bool | None = None


class _Format(msgspec.Struct):
    type: Literal["text", "json_object", "json_schema"]
    name: str = "answer"
    schema: dict[str, Any] | None = None
    strict: bool | None = None


class _Text(msgspec.Struct):
    format: _Format | None = None


class _Reasoning(msgspec.Struct):
    effort: str | None = None


class _NamedFunction(msgspec.Struct):
    type: str
    name: str = ""


class _Request(msgspec.Struct, kw_only=True):
    model: str
    input: str | Annotated[list[_Item], Meta(min_length=1)]
    instructions: str | None = None
    max_output_tokens: Annotated[int, Meta(ge=1)] | None = None
    temperature: Annotated[float, Meta(ge=0, le=2)] | None = None
    tools: list[_Tool] | None = None
    tool_choice: Literal["auto", "none", "required"] | _NamedFunction | None = None
    parallel_tool_calls: bool | None = None
    text: _Text | None = None
    reasoning: _Reasoning | None = None
    stream: bool | None = None

    def check(self) -> None:
        """See that it can be said as a chat request."""
        self.as_chat().check()

    def as_chat(self) -> chat.ChatRequest:
        """The same, as a chat request."""
        messages = [chat.Message("system", self.instructions)] if self.instructions else []
        items = [_Item(role="user", content=self.input)] if isinstance(self.input, str) else self.input
        for index, item in enumerate(items):
            messages += _said(item, index)
        tools = [
            chat.Tool("function", chat.Function(tool.name, tool.description, tool.parameters, tool.strict))
            for tool in self.tools or ()
            if tool.type == "function"
        ]
        choice = self.tool_choice
        if isinstance(choice, _NamedFunction):
            choice = chat.NamedChoice("function", chat.Named(choice.name)) if choice.type == "function" else None
        form = None if self.text is None or self.text.format is None else self.text.format
        schema = None
        if form is not None and form.type == "json_schema":
            schema = chat.JsonSchema(form.name, form.schema, form.strict)
        return chat.ChatRequest(
            model=self.model,
            messages=messages,
            max_tokens=self.max_output_tokens,
            tools=tools or None,
            tool_choice=choice,
            parallel_tool_calls=self.parallel_tool_calls,
            response_format=form and chat.ResponseFormat(form.type, schema),
            reasoning_effort=self.reasoning and self.reasoning.effort,
            separate_reasoning=True,
        )


def _said(item: _Item, index: int) -> list[chat.Message]:
    if item.type == "message":
        if item.role not in _ROLES:
            raise ValueError(f"input[{index}] has the role {item.role!r}")
        return [chat.Message(_ROLES[item.role], _parts(item.content))]
    if item.type == "function_call":
        call = chat.ToolCall(item.call_id, "function", chat.Called(item.name, item.arguments))
        return [chat.Message("assistant", tool_calls=[call])]
    if item.type == "function_call_output":
        text = item.output if isinstance(item.output, str) else msgspec.json.encode(item.output).decode()
        return [chat.Message("tool", text, tool_call_id=item.call_id)]
    return []


def _parts(content: str | list[_Content]) -> str | list[chat.Part]:
    if isinstance(content, str):
        return content
    return [
        chat.ImagePart(chat.Source(part.image_url, part.detail))
        if part.type == "input_image"
        else chat.TextPart(part.text)
        for part in content
    ]


class Responses:
    """The endpoint `/openai/v1/responses`."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend

    async def reply(self, call: Call) -> Reply:
        """Answer a call, whole or with a stream."""
        asked = read(_Request, await call.body())
        model = find(asked.model, "responses")
        request = asked.as_chat()
        prompt = request.tokens()
        request.check_features(model, len(prompt.tokens))
        try:
            choice = choose(request, model, self._backend.dice("responses", request.fingerprint()))
        except ValueError as error:
            raise bad(str(error)) from None
        self._backend.admit(model.id, len(prompt.tokens) + choice.size)
        usage = self._backend.usage(model, prompt, choice.size)
        response = self._response(asked, model)
        done = {
            "status": "incomplete" if choice.finish == "length" else "completed",
            "incomplete_details": {"reason": "max_output_tokens"} if choice.finish == "length" else None,
            "output": [_item(response["id"], number, choice, *run) for number, run in enumerate(choice.blocks())],
            "usage": {
                "input_tokens": usage["prompt_tokens"],
                "input_tokens_details": {"cached_tokens": usage["prompt_tokens_details"]["cached_tokens"]},
                "output_tokens": choice.size,
                "output_tokens_details": {"reasoning_tokens": choice.reasoning_size},
                "total_tokens": usage["total_tokens"],
            },
        }
        if asked.stream:
            return event_stream(self._stream(response, {**response, **done}, choice))
        return json_reply({**response, **done})

    def _response(self, asked: _Request, model: Model) -> dict[str, Any]:
        """A response that has only begun."""
        return {
            "id": f"resp_{self._backend.identifier()}",
            "object": "response",
            "created_at": self._backend.now(),
            "status": "in_progress",
            "error": None,
            "incomplete_details": None,
            "instructions": asked.instructions,
            "max_output_tokens": asked.max_output_tokens,
            "metadata": {},
            "model": model.id,
            "output": [],
            "parallel_tool_calls": asked.parallel_tool_calls is not False,
            "temperature": asked.temperature,
            "tool_choice": asked.tool_choice or "auto",
            "tools": asked.tools or [],
            "top_p": None,
            "usage": None,
        }

    async def _stream(self, begun: dict[str, Any], done: dict[str, Any], choice: Choice) -> AsyncIterator[bytes]:
        numbers = itertools.count()

        def named(kind: str, **fields: Any) -> bytes:
            return event({"type": kind, "sequence_number": next(numbers), **fields}, named=True)

        yield named("response.created", response=begun)
        yield named("response.in_progress", response=begun)
        for index, (run, item) in enumerate(zip(choice.blocks(), done["output"], strict=True)):
            for kind, fields, paced in _steps(run, item, _item(begun["id"], index, choice, *run[:2], [])):
                yield named(kind, output_index=index, **fields)
                if paced:
                    await self._backend.pause()
        yield named(f"response.{done['status']}", response=done)


def _item(response: str, number: int, choice: Choice, kind: str, call: int, texts: list[str]) -> dict[str, Any]:
    """A run of tokens as an item of the output; of none, the item that opens it in a stream."""
    text = "".join(texts)
    base: dict[str, Any] = {"id": f"{response}_{number}", "status": "completed" if texts else "in_progress"}
    if kind == "reasoning":
        parts = [{"type": "reasoning_text", "text": text}] if texts else []
        return {**base, "type": "reasoning", "summary": [], "content": parts}
    if kind == "content":
        parts = [_output_text(text)] if texts else []
        return {**base, "type": "message", "role": "assistant", "content": parts}
    identifier, name = choice.calls[call]
    return {**base, "type": "function_call", "call_id": identifier, "name": name, "arguments": text}


def _output_text(text: str) -> dict[str, Any]:
    return {"type": "output_text", "text": text, "annotations": [], "logprobs": []}


def _steps(
    run: tuple[str, int, list[str]], item: dict[str, Any], opening: dict[str, Any]
) -> Iterator[tuple[str, dict[str, Any], bool]]:
    """The events of one item: their names, their fields, and whether they take a token's time."""
    kind, _, texts = run
    text, place = "".join(texts), {"item_id": item["id"]}
    yield "response.output_item.added", {"item": opening}, False
    if kind == "arguments":
        for each in texts:
            yield "response.function_call_arguments.delta", {**place, "delta": each}, True
        fields = {**place, "arguments": text, "name": item["name"]}
        yield "response.function_call_arguments.done", fields, False
    else:
        place["content_index"] = 0
        name = "response.reasoning_text" if kind == "reasoning" else "response.output_text"
        more: dict[str, Any] = {} if kind == "reasoning" else {"logprobs": []}
        part = item["content"][0]
        yield "response.content_part.added", {**place, "part": {**part, "text": ""}}, False
        for each in texts:
            yield f"{name}.delta", {**place, "delta": each, **more}, True
        yield f"{name}.done", {**place, "text": text, **more}, False
        yield "response.content_part.done", {**place, "part": part}, False
    yield "response.output_item.done", {"item": item}, False
