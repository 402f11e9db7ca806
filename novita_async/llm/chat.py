"""`novita.chat.completions`: whole answers, chunks, and typed events (contract/llm.md, llm.openapi.yaml)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal, TypeVar, Unpack, cast, overload

from ..errors import NovitaError, ValidationError
from ..runtime.arguments import check_keywords, check_timeout
from ..runtime.retry import Replay
from .content import FilePart, advise, has_files, with_files
from .endpoint import Endpoint, as_raw, raw_twin, require_model
from .params import ChatParams, ParseParams, ToolRunParams
from .reader import ChatReader
from .stream import ChatStream
from .types import ChatCompletion, ChatCompletionChunk, Message

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from types import UnionType

    from ..runtime.call import Call, Runtime
    from ..runtime.streams import EventStream
    from ..transport.protocol import Response
    from .structured import ParsedChatCompletion, ParsedStream, Shape
    from .tool_loop import ToolRun
    from .tools import Tool
    from .types import MessageParam

__all__ = ["Chat", "ChatParams", "Completions"]


T = TypeVar("T")

_KNOWN = frozenset(ChatParams.__annotations__)


class Chat:
    """`novita.chat`."""

    def __init__(self, runtime: Runtime) -> None:
        self.completions = Completions(runtime)


class Completions(Endpoint):
    """`novita.chat.completions`."""

    @cached_property
    def with_raw_response(self) -> RawCompletions:
        """The same calls, giving a `RawResponse`: status, headers, body, and `parse()` for the rest."""
        return RawCompletions(self)

    @overload
    async def create(
        self,
        *,
        model: str,
        messages: Sequence[MessageParam],
        stream: Literal[False] | None = None,
        extra_body: Mapping[str, Any] | None = None,
        extra_headers: Mapping[str, str] | None = None,
        extra_query: Mapping[str, Any] | None = None,
        timeout: float | None = None,
        **params: Unpack[ChatParams],
    ) -> ChatCompletion: ...
    @overload
    async def create(
        self,
        *,
        model: str,
        messages: Sequence[MessageParam],
        stream: Literal[True],
        extra_body: Mapping[str, Any] | None = None,
        extra_headers: Mapping[str, str] | None = None,
        extra_query: Mapping[str, Any] | None = None,
        timeout: float | None = None,
        **params: Unpack[ChatParams],
    ) -> EventStream[ChatCompletionChunk]: ...
    async def create(
        self,
        *,
        model: str,
        messages: Sequence[MessageParam],
        stream: bool | None = None,
        extra_body: Mapping[str, Any] | None = None,
        extra_headers: Mapping[str, str] | None = None,
        extra_query: Mapping[str, Any] | None = None,
        timeout: float | None = None,
        **params: Unpack[ChatParams],
    ) -> ChatCompletion | EventStream[ChatCompletionChunk]:
        """Ask a model.

        Args:
            model: model id; ids hold slashes and are case-sensitive.
            messages: the conversation, at least one message; a `Message` that came back may be put in as it is, and
                `content` may be a list of parts: see `image`, `video`, `audio` and `text`.
            stream: give chunks as they come, instead of the whole answer at its end.
            extra_body: fields for the body that the SDK does not know; they win over known ones.
            extra_headers: headers for this call.
            extra_query: query parameters for this call.
            timeout: the whole call in seconds, retries and waits included. For a stream: until its headers are there;
                then `Timeouts.first_event` and `idle` hold.
            params: see `ChatParams`.

        Returns:
            A `ChatCompletion`, or an `EventStream` of `ChatCompletionChunk` to be iterated inside `async with`.

        Raises:
            ValidationError: the messages are not a list of messages, a file in them cannot be read, or a tool is none.
                Nothing was sent.
            APIError: the platform refused; see `novita_async.errors` for its classes.
            TransportError: the network failed, after the last attempt.
            CallTimeout: a limit passed.

        Contract: llm.md sections 3 to 7; POST /openai/v1/chat/completions.
        """
        if _check_messages(messages):
            messages = await self._read_files(messages)
        call = self._chat(model, messages, bool(stream), extra_body, extra_headers, extra_query, timeout, params)
        if stream:
            return await self._stream(call, self._reader)
        return await self._fetch(call, ChatCompletion)

    async def parse(
        self,
        *,
        model: str,
        messages: Sequence[MessageParam],
        response_format: type[T] | UnionType,
        extra_body: Mapping[str, Any] | None = None,
        extra_headers: Mapping[str, str] | None = None,
        extra_query: Mapping[str, Any] | None = None,
        timeout: float | None = None,
        **params: Unpack[ParseParams],
    ) -> ParsedChatCompletion[T]:
        """Ask a model for a value of a type. Takes what `create` takes and raises what it raises, and what is below.

        Args:
            response_format: a msgspec struct, a dataclass, a typed dict, a pydantic model, or a list or union of them.
                Its JSON Schema goes with the question, in strict mode where that can say it. Models that hold to no
                schema may still answer with something else: what comes is checked in any case.

        Returns:
            A completion with the value in `choices[0].message.parsed`, which is None when the model called tools.

        Raises:
            ValidationError: the type has no JSON Schema. Nothing was sent.
            AnswerRefused: the model refused, or a filter stopped it.
            AnswerCut: `max_tokens` were used up.
            AnswerInvalid: the answer does not validate. All three have its `text` and the `completion`.

        Example:
            class Recipe(msgspec.Struct):
                title: str
                minutes: int

            completion = await novita.chat.completions.parse(model=model, messages=messages, response_format=Recipe)
            print(completion.choices[0].message.parsed.title)

        Contract: llm.md section 7.
        """
        from .structured import ParsedChatCompletion, read_all, shape_of

        shape = shape_of(self._runtime, response_format)
        if _check_messages(messages):
            messages = await self._read_files(messages)
        asked: ChatParams = {**params, "response_format": shape.response_format}
        call = self._chat(model, messages, False, extra_body, extra_headers, extra_query, timeout, asked, "parse()")
        type_ = cast("type[ParsedChatCompletion[T]]", ParsedChatCompletion)
        if self.gives_raw:
            return await self._give(call, lambda answer: read_all(self._runtime.decode(answer, type_), shape))
        return read_all(await self._fetch(call, type_), shape)  # an answer without a value is one that was paid for

    @overload
    def stream(
        self,
        *,
        model: str,
        messages: Sequence[MessageParam],
        response_format: type[T] | UnionType,
        extra_body: Mapping[str, Any] | None = None,
        extra_headers: Mapping[str, str] | None = None,
        extra_query: Mapping[str, Any] | None = None,
        timeout: float | None = None,
        **params: Unpack[ParseParams],
    ) -> ParsedStream[T]: ...
    @overload
    def stream(
        self,
        *,
        model: str,
        messages: Sequence[MessageParam],
        extra_body: Mapping[str, Any] | None = None,
        extra_headers: Mapping[str, str] | None = None,
        extra_query: Mapping[str, Any] | None = None,
        timeout: float | None = None,
        **params: Unpack[ChatParams],
    ) -> ChatStream: ...
    def stream(
        self,
        *,
        model: str,
        messages: Sequence[MessageParam],
        extra_body: Mapping[str, Any] | None = None,
        extra_headers: Mapping[str, str] | None = None,
        extra_query: Mapping[str, Any] | None = None,
        timeout: float | None = None,
        **params: Any,
    ) -> ChatStream:
        """Ask a model and get typed events. The usage is asked for unless `stream_options` says otherwise.

        Takes what `create` takes and raises what it raises, the request being sent, and files in the messages being
        read, when the `async with` is entered. Errors that break the stream carry the completion so far as `partial`.

        With a type as `response_format`, as `parse` has it, the stream is a `ParsedStream`: it gives the value as it
        grows, and the checked one at its end.

        Contract: llm.md sections 5, 6 and 7.
        """
        params.setdefault("stream_options", {"include_usage": True})
        shape = None
        form = params.get("response_format")
        if form is not None and not isinstance(form, Mapping):
            from .structured import shape_of

            shape = shape_of(self._runtime, form)
            params["response_format"] = shape.response_format
        asked = cast("ChatParams", params)
        rest = (extra_body, extra_headers, extra_query, timeout, asked, "stream()")
        if _check_messages(messages):
            if has_files(messages):
                later = messages

                async def read_and_open() -> EventStream[ChatCompletionChunk]:
                    said = await self._read_files(later, stacklevel=4)
                    return await self._stream(self._chat(model, said, True, *rest), self._reader)

                return _chat_stream(read_and_open, shape)
            advise(messages, stacklevel=2)
        call = self._chat(model, messages, True, *rest)
        return _chat_stream(lambda: self._stream(call, self._reader), shape)

    async def run_tools(
        self,
        *,
        model: str,
        messages: Sequence[MessageParam],
        tools: Sequence[Tool[..., Any] | Callable[..., Any]],
        max_turns: int = 10,
        parallel: int = 8,
        on_tool_error: Literal["return", "raise"] = "return",
        extra_body: Mapping[str, Any] | None = None,
        extra_headers: Mapping[str, str] | None = None,
        extra_query: Mapping[str, Any] | None = None,
        timeout: float | None = None,
        **params: Unpack[ToolRunParams],
    ) -> ToolRun:
        """Ask a model, run the functions that it calls and tell it what they gave, until it calls no more.

        Async functions run on the event loop, others in a worker thread. What a function gives goes to the model as
        text, or as JSON where it is no text. A cancelled run cancels its functions and waits for them; those in a
        thread cannot be stopped, and are waited for until they return.

        Args:
            tools: functions, or what `tool` made of them.
            max_turns: how often the model is asked at most.
            parallel: how many functions run at once, of those that the model calls in one turn.
            on_tool_error: "return" tells the model of a function that raises, of arguments that do not fit and of
                names that are no tool's, and goes on; "raise" ends the run. The model is told the error's text.
            timeout: the whole run in seconds, functions included. Each request has the client's own limits.
            params: see `ChatParams`. A `tool_choice` that forces a call holds for the first turn alone.

        Returns:
            A `ToolRun`: the last `completion`, all the `messages`, the number of `turns`.

        Raises:
            ValidationError: a tool is none, two have the same name, or a number cannot be one. Nothing was sent.
            ToolError: a tool failed, with `on_tool_error="raise"`. Its cause is what the function raised.
            TooManyTurns: the model still calls after `max_turns`.
            CallTimeout: the `timeout` passed.
            NovitaError: what `create` raises. Every error has the messages so far as `partial`.

        Contract: llm.md sections 6 and 7. The answers are replayed as they came, reasoning and unknown fields included.
        """
        from .tool_loop import ToolLoop
        from .tools import definitions

        loop = ToolLoop(
            tools, max_turns=max_turns, parallel=parallel, on_tool_error=on_tool_error, clock=self._runtime.clock
        )
        if params.get("n") not in (None, 1):
            raise ValidationError("n: a run of tools has one answer a turn")
        asked: ChatParams = {**params, "tools": definitions(loop.tools) or None}
        if _check_messages(messages):
            messages = await self._read_files(messages)

        async def ask(said: Sequence[MessageParam], turn: int) -> ChatCompletion:
            if turn > 1 and asked.get("tool_choice") != "none":
                asked.pop("tool_choice", None)  # a model that has to call would never end
            call = self._chat(model, said, False, extra_body, extra_headers, extra_query, None, asked, "run_tools()")
            return await self._fetch(call, ChatCompletion)

        try:
            async with self._within(check_timeout(timeout)):
                return await loop.run(messages, ask)
        except NovitaError as error:
            error.partial = loop.messages
            raise

    def _chat(
        self,
        model: str,
        messages: Sequence[MessageParam],
        stream: bool,
        extra_body: Mapping[str, Any] | None,
        extra_headers: Mapping[str, str] | None,
        extra_query: Mapping[str, Any] | None,
        timeout: float | None,
        params: ChatParams,
        function: str = "create()",
    ) -> Call:
        if not _KNOWN.issuperset(params):
            check_keywords(function, params, _KNOWN)
        if isinstance(params.get("response_format"), type):
            raise ValidationError("response_format: a type goes to parse() or stream(); create() takes a schema")
        if tools := params.get("tools"):
            from .tools import definitions

            params = {**params, "tools": definitions(tools)}
        return self._call(
            "POST",
            "/chat/completions",
            {"model": require_model(model), "messages": messages, **params, "stream": stream or None},
            model=model,
            stream=stream,
            extra_body=extra_body,
            extra_headers=extra_headers,
            extra_query=extra_query,
            timeout=timeout,
            replay=Replay.COSTS,
        )

    async def _read_files(self, messages: Sequence[MessageParam], stacklevel: int = 3) -> Sequence[MessageParam]:
        """The messages with the files in them read, and a warning to whoever called where they are large."""
        read = await with_files(messages, self._runtime.clock)
        advise(read, stacklevel=stacklevel)
        return read

    def _reader(self, response: Response) -> ChatReader:
        return ChatReader(self._runtime, response)


class RawCompletions:
    """`novita.chat.completions.with_raw_response`."""

    def __init__(self, completions: Completions) -> None:
        twin = raw_twin(completions)
        self.create = as_raw(twin.create)
        self.parse = as_raw(twin.parse)


def _chat_stream(
    open_stream: Callable[[], Awaitable[EventStream[ChatCompletionChunk]]], shape: Shape[Any] | None
) -> ChatStream:
    if shape is None:
        return ChatStream(open_stream)
    from .structured import ParsedStream

    return ParsedStream(open_stream, shape)


def _check_messages(messages: object) -> bool:
    """Refuse what are no messages, and tell whether any has its content in parts."""
    # The built-in types are asked for first: asking an abstract class costs more than the rest of the check.
    if not isinstance(messages, (list, tuple)) and (
        isinstance(messages, (str, bytes, Mapping)) or not isinstance(messages, Sequence)
    ):
        raise ValidationError(f"messages must be a list of messages, got {type(cast('object', messages)).__name__}")
    if not messages:
        raise ValidationError("messages is empty: a conversation has at least one message")
    parts = False
    for number, message in enumerate(cast("Sequence[object]", messages)):
        if type(message) is dict or isinstance(message, Mapping):
            fields = cast("Mapping[str, object]", message)
            role = fields.get("role")
            if not isinstance(role, str) or not role:
                raise ValidationError(f"messages[{number}] has no role")
            content = fields.get("content")
            if type(content) is not str and content is not None:
                parts = _check_content(content, f"messages[{number}]") or parts
        elif not isinstance(message, Message):
            raise ValidationError(f"messages[{number}] must be a dict or a Message, got {type(message).__name__}")
    return parts


def _check_content(content: object, where: str) -> bool:
    """Refuse content that is neither text nor a list of parts, and tell whether it is a list."""
    if isinstance(content, str):
        return False
    if not isinstance(content, (list, tuple)):
        raise ValidationError(f"{where}: content must be text or a list of parts, got {type(content).__name__}")
    for part in cast("Sequence[object]", content):
        if isinstance(part, FilePart):
            continue
        if not isinstance(part, Mapping) or not isinstance(cast("Mapping[str, object]", part).get("type"), str):
            raise ValidationError(f"{where}: a part of content is a dict with a type, got {part!r:.80}")
    return True
