"""One chat request, read and answered: from messages and options to the pieces of a completion."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

import msgspec
from msgspec import Meta

from . import words
from .schemas import Unsupported, fit

if TYPE_CHECKING:
    from collections.abc import Iterator
    from random import Random

    from .catalog import Model

__all__ = ["ChatRequest", "Choice", "choose", "prompt_tokens"]

_TOKENS_OF_A_PICTURE = 85
_Name = Annotated[str, Meta(max_length=64, pattern=r"^[a-zA-Z0-9_-]+$")]
_Penalty = Annotated[float, Meta(ge=-2, le=2)]


class _Function(msgspec.Struct):
    name: _Name
    description: str | None = None
    parameters: dict[str, Any] | None = None


class _Tool(msgspec.Struct):
    type: Literal["function"]
    function: _Function


class _Called(msgspec.Struct):
    name: str
    arguments: str


class _ToolCall(msgspec.Struct):
    id: str
    type: Literal["function"]
    function: _Called


class _Part(msgspec.Struct):
    type: Literal["text", "image_url", "video_url", "input_audio"]
    text: str = ""


class _Message(msgspec.Struct):
    role: Literal["system", "user", "assistant", "tool"]
    content: str | list[_Part] | None = None
    tool_calls: list[_ToolCall] | None = None
    tool_call_id: str | None = None

    @property
    def text(self) -> str:
        if isinstance(self.content, list):
            return "\n".join(part.text for part in self.content if part.type == "text")
        return self.content or ""

    @property
    def pictures(self) -> int:
        return sum(part.type != "text" for part in self.content) if isinstance(self.content, list) else 0


class _Named(msgspec.Struct):
    name: str


class _NamedChoice(msgspec.Struct):
    type: Literal["function"]
    function: _Named


class _JsonSchema(msgspec.Struct):
    name: _Name
    schema: dict[str, Any] | None = None
    strict: bool | None = None


class _ResponseFormat(msgspec.Struct):
    type: Literal["text", "json_object", "json_schema"]
    json_schema: _JsonSchema | None = None


class _StreamOptions(msgspec.Struct):
    include_usage: bool | None = None


class ChatRequest(msgspec.Struct, kw_only=True):
    """The body of a chat request. Fields that it does not know are ignored, as the platform does."""

    model: str
    messages: Annotated[list[_Message], Meta(min_length=1)]
    max_tokens: Annotated[int, Meta(ge=1)] | None = None
    stream: bool | None = None
    stream_options: _StreamOptions | None = None
    n: Annotated[int, Meta(ge=1, le=128)] | None = None
    seed: int | None = None
    stop: str | Annotated[list[str], Meta(max_length=4)] | None = None
    temperature: Annotated[float, Meta(ge=0, le=2)] | None = None
    top_p: Annotated[float, Meta(gt=0, le=1)] | None = None
    top_k: Annotated[int, Meta(ge=1, le=128)] | None = None
    min_p: Annotated[float, Meta(ge=0, le=1)] | None = None
    frequency_penalty: _Penalty | None = None
    presence_penalty: _Penalty | None = None
    repetition_penalty: Annotated[float, Meta(gt=0, le=2)] | None = None
    tools: list[_Tool] | None = None
    tool_choice: Literal["auto", "none", "required"] | _NamedChoice | None = None
    response_format: _ResponseFormat | None = None
    enable_thinking: bool | None = None
    separate_reasoning: bool | None = None
    reasoning_split: bool | None = None

    def check(self) -> None:
        """Find what types cannot: ValueError with the platform's kind of message."""
        called = {call.id for message in self.messages for call in message.tool_calls or ()}
        for index, message in enumerate(self.messages):
            if message.content is None and message.role != "assistant":
                raise ValueError(f"messages[{index}]: a {message.role} message needs content")
            if message.role == "tool" and message.tool_call_id not in called:
                raise ValueError(f"messages[{index}]: tool_call_id answers no tool call of this conversation")
        form = self.response_format
        if form is not None and (form.type == "json_schema") != (form.json_schema is not None):
            raise ValueError("response_format.json_schema is needed for, and only for, the type json_schema")
        if isinstance(self.tool_choice, _NamedChoice):
            name = self.tool_choice.function.name
            if all(tool.function.name != name for tool in self.tools or ()):
                raise ValueError(f"tool_choice names {name!r}, which is not among the tools")
        if self.tool_choice == "required" and not self.tools:
            raise ValueError("tool_choice is required and there are no tools")

    def fingerprint(self) -> list[Any]:
        """What decides the text, and nothing else: streaming the same request gives the same words."""
        return [self.model, self.messages, self.tools, self.tool_choice, self.response_format]

    @property
    def wants_json(self) -> bool:
        return self.response_format is not None and self.response_format.type != "text"

    @property
    def has_pictures(self) -> bool:
        return any(message.pictures for message in self.messages)

    @property
    def prompt(self) -> str:
        """The last thing the user said."""
        return next((message.text for message in reversed(self.messages) if message.role == "user"), "")


class _Piece(msgspec.Struct, frozen=True):
    """A token and where it goes. `call` numbers the tool call that an arguments token belongs to."""

    kind: Literal["reasoning", "content", "arguments"]
    text: str
    call: int = 0


class Choice(msgspec.Struct):
    """One answer, as tokens. `calls` has id and name of each tool call; their arguments are pieces."""

    pieces: list[_Piece]
    finish: str
    calls: list[tuple[str, str]] = []
    details: bool = False

    @property
    def size(self) -> int:
        return len(self.pieces)

    @property
    def reasoning_size(self) -> int:
        return sum(piece.kind == "reasoning" for piece in self.pieces)

    def _joined(self, kind: str, call: int = 0) -> str:
        return "".join(piece.text for piece in self.pieces if piece.kind == kind and piece.call == call)

    def message(self) -> dict[str, Any]:
        """The message of a whole answer."""
        content, reasoning = self._joined("content"), self._joined("reasoning")
        message: dict[str, Any] = {"role": "assistant", "content": content or (None if self.calls else "")}
        if reasoning:
            message |= self._reasoning(reasoning)
        if self.calls:
            message["tool_calls"] = [
                {"index": index, **_tool_call(identifier, name, self._joined("arguments", index))}
                for index, (identifier, name) in enumerate(self.calls)
            ]
        return message

    def deltas(self) -> Iterator[dict[str, Any]]:
        """The deltas of a stream: one a token, each tool call opened by a fragment with its id and name."""
        first: dict[str, Any] = {"role": "assistant"}
        opened = 0
        for piece in self.pieces:
            if piece.kind == "arguments":
                while opened <= piece.call:
                    identifier, name = self.calls[opened]
                    yield {**first, "tool_calls": [{"index": opened, **_tool_call(identifier, name, "")}]}
                    first, opened = {}, opened + 1
                yield {"tool_calls": [{"index": piece.call, "function": {"arguments": piece.text}}]}
            elif piece.kind == "reasoning":
                yield {**first, "content": None, **self._reasoning(piece.text)}
            else:
                yield {**first, "content": piece.text}
            first = {}

    def _reasoning(self, text: str) -> dict[str, Any]:
        if not self.details:
            return {"reasoning_content": text}
        detail = {"type": "reasoning.text", "text": text, "id": "reasoning-text-1", "format": "openai-responses-v1"}
        return {"reasoning_content": text, "reasoning_details": [{**detail, "index": 0}]}


def _tool_call(identifier: str, name: str, arguments: str) -> dict[str, Any]:
    return {"id": identifier, "type": "function", "function": {"name": name, "arguments": arguments}}


def choose(request: ChatRequest, model: Model, dice: Random) -> Choice:
    """Make one answer to a request.

    Raises:
        ValueError: the schema of a strict structured output cannot be met.
    """
    pieces: list[_Piece] = []
    after: list[_Piece]
    calls: list[tuple[str, str]] = []
    finish = "stop"
    # After a tool has answered the model speaks, whatever `tool_choice` says: a loop over tools has to end.
    wanted = [] if request.messages[-1].role == "tool" else _wanted(request)
    if wanted:
        finish = "tool_calls"
        after = []
        for index, function in enumerate(wanted):
            calls.append((f"call_{dice.getrandbits(64):016x}", function.name))
            arguments = fit(function.parameters or {"type": "object"}, request.prompt, dice)
            after += [
                _Piece("arguments", text, index) for text in words.tokens(msgspec.json.encode(arguments).decode())
            ]
    else:
        after = [_Piece("content", text) for text in _stopped(words.tokens(_content(request, dice)), request.stop)]
    if model.thinks and request.enable_thinking is not False:
        pondered = words.thought(request.prompt, dice)
        separate = model.separates if request.separate_reasoning is None else request.separate_reasoning
        if separate:
            pieces = [_Piece("reasoning", text) for text in words.tokens(pondered)]
        else:
            pieces = [_Piece("content", text) for text in words.tokens(f"<think>\n{pondered}\n</think>\n\n")]
    pieces += after
    limit = min(request.max_tokens or model.output, model.output)
    if len(pieces) > limit:
        pieces, finish = pieces[:limit], "length"
        # A call that was cut before its first argument was never made.
        calls = calls[: max((piece.call + 1 for piece in pieces if piece.kind == "arguments"), default=0)]
    return Choice(pieces, finish, calls, details=bool(request.reasoning_split))


def _wanted(request: ChatRequest) -> list[_Function]:
    """The functions to call now."""
    tools = [tool.function for tool in request.tools or ()]
    if not tools or request.tool_choice == "none":
        return []
    if isinstance(request.tool_choice, _NamedChoice):
        name = request.tool_choice.function.name
        return [function for function in tools if function.name == name]
    prompt = request.prompt.lower()
    named = [
        function
        for function in tools
        if any(form in prompt for form in (function.name.lower(), function.name.lower().replace("_", " ")))
    ]
    return named or (tools[:1] if request.tool_choice == "required" else [])


def _content(request: ChatRequest, dice: Random) -> str:
    results = _tool_results(request)
    form = request.response_format
    if form is not None and form.json_schema is not None and form.json_schema.schema is not None:
        try:
            value = fit(form.json_schema.schema, request.prompt, dice)
        except Unsupported:
            if form.json_schema.strict:
                raise
            value = {}
        return msgspec.json.encode(value).decode()
    text = words.tool_answer(results, dice) if results else words.answer(request.prompt, dice)
    if request.wants_json:
        return msgspec.json.encode({"answer": text, "subjects": words.subjects(request.prompt)[:4]}).decode()
    return text


def _tool_results(request: ChatRequest) -> list[tuple[str, str]]:
    """Name and text of what the tools answered since the user spoke last."""
    names = {call.id: call.function.name for message in request.messages for call in message.tool_calls or ()}
    found: list[tuple[str, str]] = []
    for message in reversed(request.messages):
        if message.role == "user":
            break
        if message.role == "tool":
            found.insert(0, (names.get(message.tool_call_id or "", "the tool"), message.text))
    return found


def _stopped(tokens: list[str], stop: str | list[str] | None) -> list[str]:
    """End a text at its first stop sequence, which stays in it (contract/llm.md 5)."""
    stops = [stop] if isinstance(stop, str) else stop or []
    text = "".join(tokens)
    ends = [text.find(one) + len(one) for one in stops if one and one in text]
    return words.tokens(text[: min(ends)]) if ends else tokens


def prompt_tokens(request: ChatRequest) -> list[str]:
    """The tokens of everything that is sent to the model, four of frame for each message."""
    found: list[str] = []
    for message in request.messages:
        found += ["<|", message.role, "|>", *words.tokens(message.text), "\n"]
        found += ["<picture>"] * (_TOKENS_OF_A_PICTURE * message.pictures)
        for call in message.tool_calls or ():
            found += words.tokens(call.function.name + call.function.arguments)
    if request.tools:
        found += words.tokens(msgspec.json.encode(request.tools).decode())
    return found
