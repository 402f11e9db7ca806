"""`novita.chat.completions`: whole answers, chunks, and typed events (contract/llm.md, llm.openapi.yaml)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal, TypedDict, Unpack, cast, overload

from ..errors import ValidationError
from ..runtime.arguments import check_keywords
from ..runtime.retry import Replay
from .endpoint import Endpoint, as_raw, raw_twin, require_model
from .reader import ChatReader
from .stream import ChatStream
from .types import ChatCompletion, ChatCompletionChunk, Message

if TYPE_CHECKING:
    from ..runtime.call import Call, Runtime
    from ..runtime.streams import EventStream
    from ..transport.protocol import Response
    from .types import MessageParam

__all__ = ["Chat", "ChatParams", "Completions"]


class ChatParams(TypedDict, total=False):
    """Parameters of a chat request beside `model` and `messages`. What is not given, or None, is not sent.

    Ranges are the contract's; the server is the judge of them.

    Keys:
        max_tokens: upper bound of the answer, at least 1. It stops there with `finish_reason="length"`.
        temperature: 0 to 2.
        top_p: above 0, up to 1.
        top_k: 1 to 128.
        min_p: 0 to 1.
        n: answers, 1 to 128.
        seed: for answers that repeat, as far as the model can.
        stop: up to 4 texts that end the answer; it includes the one that was met.
        frequency_penalty: -2 to 2.
        presence_penalty: -2 to 2.
        repetition_penalty: above 0, up to 2; 1 is neutral.
        logit_bias: token id (as text) to -100..100.
        logprobs: give the log probability of each token.
        top_logprobs: alternatives for each token, 0 to 20; needs `logprobs`.
        tools: functions that the model may ask for.
        tool_choice: "auto", "none", "required" or a named function.
        response_format: `{"type": "text" | "json_object" | "json_schema", ...}`.
        stream_options: `{"include_usage": true}` asks for a last chunk with the usage.
        separate_reasoning: put the reasoning into `reasoning_content`.
        enable_thinking: thinking on or off, for models that can do both.
        reasoning_split: put the reasoning into `reasoning_details` (MiniMax).
        reasoning_effort: how hard to think, for models that take it.
        thinking: `{"type": "enabled" | "disabled"}`, for models that take it.
        modalities: what comes out, `["text"]` or `["text", "audio"]`.
    """

    max_tokens: int | None
    temperature: float | None
    top_p: float | None
    top_k: int | None
    min_p: float | None
    n: int | None
    seed: int | None
    stop: str | Sequence[str] | None
    frequency_penalty: float | None
    presence_penalty: float | None
    repetition_penalty: float | None
    logit_bias: Mapping[str, int] | None
    logprobs: bool | None
    top_logprobs: int | None
    tools: Sequence[Mapping[str, Any]] | None
    tool_choice: str | Mapping[str, Any] | None
    response_format: Mapping[str, Any] | None
    stream_options: Mapping[str, Any] | None
    separate_reasoning: bool | None
    enable_thinking: bool | None
    reasoning_split: bool | None
    reasoning_effort: str | None
    thinking: Mapping[str, Any] | None
    modalities: Sequence[str] | None


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
            messages: the conversation, at least one message; a `Message` that came back may be put in as it is.
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
            ValidationError: the messages are not a list of messages. Nothing was sent.
            APIError: the platform refused; see `novita_async.errors` for its classes.
            TransportError: the network failed, after the last attempt.
            CallTimeout: a limit passed.

        Contract: llm.md sections 3 to 7; POST /openai/v1/chat/completions.
        """
        call = self._chat(model, messages, bool(stream), extra_body, extra_headers, extra_query, timeout, params)
        if stream:
            return await self._stream(call, self._reader)
        return await self._fetch(call, ChatCompletion)

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
    ) -> ChatStream:
        """Ask a model and get typed events. The usage is asked for unless `stream_options` says otherwise.

        Takes what `create` takes and raises what it raises, the request being sent when the `async with` is entered.
        Errors that break the stream carry the completion so far as `partial`.

        Contract: llm.md sections 5 and 6.
        """
        params.setdefault("stream_options", {"include_usage": True})
        call = self._chat(model, messages, True, extra_body, extra_headers, extra_query, timeout, params)
        return ChatStream(lambda: self._stream(call, self._reader))

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
    ) -> Call:
        if not _KNOWN.issuperset(params):
            check_keywords("create()", params, _KNOWN)
        _check_messages(messages)
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

    def _reader(self, response: Response) -> ChatReader:
        return ChatReader(self._runtime, response)


class RawCompletions:
    """`novita.chat.completions.with_raw_response`."""

    def __init__(self, completions: Completions) -> None:
        self.create = as_raw(raw_twin(completions).create)


def _check_messages(messages: object) -> None:
    # The built-in types are asked for first: asking an abstract class costs more than the rest of the check.
    if not isinstance(messages, (list, tuple)) and (
        isinstance(messages, (str, bytes, Mapping)) or not isinstance(messages, Sequence)
    ):
        raise ValidationError(f"messages must be a list of messages, got {type(cast('object', messages)).__name__}")
    if not messages:
        raise ValidationError("messages is empty: a conversation has at least one message")
    for number, message in enumerate(cast("Sequence[object]", messages)):
        if isinstance(message, (dict, Mapping)):
            role = cast("Mapping[str, object]", message).get("role")
            if not isinstance(role, str) or not role:
                raise ValidationError(f"messages[{number}] has no role")
        elif not isinstance(message, Message):
            raise ValidationError(f"messages[{number}] must be a dict or a Message, got {type(message).__name__}")
