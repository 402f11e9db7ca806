"""`novita.messages`: the Anthropic-compatible surface (contract/llm.md 13)."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, TypedDict, Unpack, cast, overload

from ..errors import ValidationError
from ..runtime.arguments import call_headers, check_keywords
from ..runtime.retry import Replay
from ..wire.json import Object
from .endpoint import Endpoint, as_raw, raw_twin, require_model
from .inputs import check_count, is_list
from .message_stream import MessageReader, MessageStream
from .message_types import AnthropicMessage, block_param

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..runtime.call import Call, Runtime
    from ..runtime.streams import EventStream
    from ..transport.protocol import Response
    from .message_types import MessageEvent

__all__ = ["AnthropicMessageParam", "Messages", "MessagesParams"]

#: A message to send: a dict as the API takes it, whose blocks may be such as came back, or a message that came back.
AnthropicMessageParam: TypeAlias = "Mapping[str, Any] | AnthropicMessage"

_VERSION = "2023-06-01"


class MessagesParams(TypedDict, total=False):
    """Parameters of a message request beside `model`, `max_tokens` and `messages`. What is None is not sent.

    Keys:
        system: instructions, as text or as text blocks.
        temperature: at least 0.
        top_p: above 0, up to 1.
        top_k: at least 1.
        stop_sequences: texts that end the answer.
        tools: `{"name", "description", "input_schema"}` each. Server-side tools are accepted and not run.
        tool_choice: `{"type": "auto" | "any" | "tool" | "none", ...}`.
        thinking: `{"type": "enabled" | "disabled", "budget_tokens": ...}`.
        metadata: such as `{"user_id": ...}`.
    """

    system: str | Sequence[Mapping[str, Any]] | None
    temperature: float | None
    top_p: float | None
    top_k: int | None
    stop_sequences: Sequence[str] | None
    tools: Sequence[Mapping[str, Any]] | None
    tool_choice: Mapping[str, Any] | None
    thinking: Mapping[str, Any] | None
    metadata: Mapping[str, Any] | None


_KNOWN = frozenset(MessagesParams.__annotations__)


class Messages(Endpoint):
    """`novita.messages`."""

    def __init__(self, runtime: Runtime) -> None:
        super().__init__(runtime, f"{runtime.settings.base_url}/anthropic")

    @cached_property
    def with_raw_response(self) -> RawMessages:
        """The same calls, giving a `RawResponse`: status, headers, body, and `parse()` for the rest."""
        return RawMessages(self)

    @overload
    async def create(
        self,
        *,
        model: str,
        max_tokens: int,
        messages: Sequence[AnthropicMessageParam],
        stream: Literal[False] | None = None,
        extra_body: Mapping[str, Any] | None = None,
        extra_headers: Mapping[str, str] | None = None,
        extra_query: Mapping[str, Any] | None = None,
        timeout: float | None = None,
        **params: Unpack[MessagesParams],
    ) -> AnthropicMessage: ...
    @overload
    async def create(
        self,
        *,
        model: str,
        max_tokens: int,
        messages: Sequence[AnthropicMessageParam],
        stream: Literal[True],
        extra_body: Mapping[str, Any] | None = None,
        extra_headers: Mapping[str, str] | None = None,
        extra_query: Mapping[str, Any] | None = None,
        timeout: float | None = None,
        **params: Unpack[MessagesParams],
    ) -> EventStream[MessageEvent]: ...
    async def create(
        self,
        *,
        model: str,
        max_tokens: int | None = None,
        messages: Sequence[AnthropicMessageParam],
        stream: bool | None = None,
        extra_body: Mapping[str, Any] | None = None,
        extra_headers: Mapping[str, str] | None = None,
        extra_query: Mapping[str, Any] | None = None,
        timeout: float | None = None,
        **params: Unpack[MessagesParams],
    ) -> AnthropicMessage | EventStream[MessageEvent]:
        """Ask a model in Anthropic's way.

        Args:
            model: model id, of the platform's; one whose `endpoints` has `anthropic`.
            max_tokens: upper bound of the answer, at least 1. This surface wants it said.
            messages: the conversation, at least one message; an answer that came back may be put in as it is.
            stream: give events as they come, instead of the whole answer at its end.
            extra_body: fields for the body that the SDK does not know; they win over known ones.
            extra_headers: headers for this call, such as `anthropic-beta`.
            extra_query: query parameters for this call.
            timeout: the whole call in seconds, retries and waits included. For a stream: until its headers are there;
                then `Timeouts.first_event` and `idle` hold.
            params: see `MessagesParams`.

        Returns:
            An `AnthropicMessage`, or an `EventStream` of `MessageEvent` to be iterated inside `async with`.

        Raises:
            ValidationError: `max_tokens` is missing, or the messages are not a list of messages. Nothing was sent.
            APIError: the platform refused; see `novita_async.errors` for its classes.
            TransportError: the network failed, after the last attempt.
            CallTimeout: a limit passed.

        Example:
            message = await novita.messages.create(
                model="moonshotai/kimi-k2.5", max_tokens=64, messages=[{"role": "user", "content": "Hello"}]
            )
            print(message.text, message.stop_reason)

        Contract: llm.md section 13; POST /anthropic/v1/messages.
        """
        call = self._ask(
            model, max_tokens, messages, bool(stream), extra_body, extra_headers, extra_query, timeout, params
        )
        if stream:
            return await self._stream(call, self._reader)
        return await self._fetch(call, AnthropicMessage)

    def stream(
        self,
        *,
        model: str,
        max_tokens: int,
        messages: Sequence[AnthropicMessageParam],
        extra_body: Mapping[str, Any] | None = None,
        extra_headers: Mapping[str, str] | None = None,
        extra_query: Mapping[str, Any] | None = None,
        timeout: float | None = None,
        **params: Unpack[MessagesParams],
    ) -> MessageStream:
        """Ask a model and get the events, the text alone, or the message that they add up to.

        Takes what `create` takes and raises what it raises, the request being sent when the `async with` is entered.
        Errors that break the stream carry the message so far as `partial`.

        Contract: llm.md section 13.
        """
        call = self._ask(model, max_tokens, messages, True, extra_body, extra_headers, extra_query, timeout, params)
        return MessageStream(lambda: self._stream(call, self._reader))

    def _ask(
        self,
        model: str,
        max_tokens: int | None,
        messages: Sequence[AnthropicMessageParam],
        stream: bool,
        extra_body: Mapping[str, Any] | None,
        extra_headers: Mapping[str, str] | None,
        extra_query: Mapping[str, Any] | None,
        timeout: float | None,
        params: MessagesParams,
    ) -> Call:
        if not _KNOWN.issuperset(params):
            check_keywords("create()", params, _KNOWN)
        check_count("max_tokens", max_tokens)
        if max_tokens is None and "max_tokens" not in (extra_body or {}):
            raise ValidationError("max_tokens is missing: this surface has no default for it")
        if isinstance(params.get("stop_sequences"), str):
            raise ValidationError("stop_sequences must be a list of texts, got str")
        body = {"model": require_model(model), "max_tokens": max_tokens, "messages": _sendable(messages)}
        # Clients of this surface say their key in one of two ways: both are sent.
        own = {"anthropic-version": _VERSION, "x-api-key": self._runtime.settings.require_key()}
        return self._call(
            "POST",
            "/v1/messages",
            {**body, **params, "stream": stream or None},
            model=model,
            stream=stream,
            extra_body=extra_body,
            extra_headers={**own, **call_headers(extra_headers)},
            extra_query=extra_query,
            timeout=timeout,
            replay=Replay.COSTS,
        )

    def _reader(self, response: Response) -> MessageReader:
        return MessageReader(self._runtime, response)


class RawMessages:
    """`novita.messages.with_raw_response`."""

    def __init__(self, messages: Messages) -> None:
        self.create = as_raw(raw_twin(messages).create)


def _sendable(messages: object) -> list[Mapping[str, Any]]:
    """The messages as the API takes them, or the refusal of what are none."""
    if not is_list(messages):
        raise ValidationError(f"messages must be a list of messages, got {type(messages).__name__}")
    if not messages:
        raise ValidationError("messages is empty: a conversation has at least one message")
    return [_message(f"messages[{number}]", message) for number, message in enumerate(messages)]


def _message(name: str, message: object) -> Mapping[str, Any]:
    if isinstance(message, AnthropicMessage):
        return {"role": message.role, "content": [block_param(block) for block in message.content]}
    if not isinstance(message, Mapping):
        raise ValidationError(f"{name} must be a dict or an AnthropicMessage, got {type(message).__name__}")
    fields = cast("Mapping[str, Any]", message)
    role, content = fields.get("role"), fields.get("content")
    if not isinstance(role, str) or not role:
        raise ValidationError(f"{name} has no role")
    if isinstance(content, str):
        return fields
    if not is_list(content):
        raise ValidationError(f"{name}: content must be text or a list of blocks, got {type(content).__name__}")
    return {**fields, "content": [block_param(each) if isinstance(each, Object) else each for each in content]}
