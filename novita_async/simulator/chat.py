"""The body of a chat request: what it may say, and what it asks of a model."""

from __future__ import annotations

import base64
import binascii
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeAlias

import msgspec
from msgspec import Meta

from . import words
from .backend import Prompt, bad

if TYPE_CHECKING:
    from .catalog import Model

__all__ = ["ChatRequest", "Function", "NamedChoice", "Options"]

_PICTURE_TOKENS = {"low": 85, "auto": 255, "high": 765}
_VIDEO_TOKENS = 1024
_SOUND_TOKENS = 256

_Name = Annotated[str, Meta(max_length=64, pattern=r"^[a-zA-Z0-9_-]+$")]
_Penalty = Annotated[float, Meta(ge=-2, le=2)]
_Bias = Annotated[int, Meta(ge=-100, le=100)]


class Function(msgspec.Struct):
    """A function that the model may call."""

    name: _Name
    description: str | None = None
    parameters: dict[str, Any] | None = None
    strict: bool | None = None


class Tool(msgspec.Struct):
    type: Literal["function"]
    function: Function


class Called(msgspec.Struct):
    name: str
    arguments: str


class ToolCall(msgspec.Struct):
    id: str
    type: Literal["function"]
    function: Called


class Source(msgspec.Struct):
    url: str
    detail: Literal["high", "low", "auto"] | None = None


class _Sound(msgspec.Struct):
    data: str
    format: str


class TextPart(msgspec.Struct, tag_field="type", tag="text"):
    text: str


class ImagePart(msgspec.Struct, tag_field="type", tag="image_url"):
    image_url: Source


class VideoPart(msgspec.Struct, tag_field="type", tag="video_url"):
    video_url: Source


class AudioPart(msgspec.Struct, tag_field="type", tag="input_audio"):
    input_audio: _Sound


Part: TypeAlias = TextPart | ImagePart | VideoPart | AudioPart


class Message(msgspec.Struct):
    role: Literal["system", "user", "assistant", "tool"]
    content: str | list[Part] | None = None
    tool_calls: list[ToolCall] | None = None
    tool_call_id: str | None = None

    @property
    def text(self) -> str:
        if isinstance(self.content, list):
            return "\n".join(part.text for part in self.content if isinstance(part, TextPart))
        return self.content or ""

    @property
    def media(self) -> list[ImagePart | VideoPart | AudioPart]:
        parts = self.content if isinstance(self.content, list) else []
        return [part for part in parts if not isinstance(part, TextPart)]


class Named(msgspec.Struct):
    name: str


class NamedChoice(msgspec.Struct):
    """The one function that the model must call."""

    type: Literal["function"]
    function: Named


class JsonSchema(msgspec.Struct):
    name: _Name
    schema: dict[str, Any] | None = None
    strict: bool | None = None


class ResponseFormat(msgspec.Struct):
    type: Literal["text", "json_object", "json_schema"]
    json_schema: JsonSchema | None = None


class _StreamOptions(msgspec.Struct):
    include_usage: bool | None = None


class _Thinking(msgspec.Struct):
    type: str | None = None


class Options(msgspec.Struct, kw_only=True):
    """The fields that chat and completions have in common. Fields that are not known are ignored, as live."""

    model: str
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
    logit_bias: dict[str, _Bias] | None = None

    def check(self) -> None:
        """Find what types cannot: ValueError with the platform's kind of message."""
        if self.stream_options is not None and not self.stream:
            raise ValueError("stream_options is only allowed when stream is true")

    def check_size(self, model: Model, prompt: int) -> None:
        """Refuse more tokens than the model has room for, in the words that were seen live."""
        if self.max_tokens is not None and self.max_tokens > model.output:
            raise bad(f"max_tokens (current value: {self.max_tokens}) must be between 0 and {model.output} ")
        if prompt > model.context:
            raise bad(f"the prompt has {prompt} tokens, and {model.id} reads at most {model.context}")

    @property
    def wants_usage(self) -> bool:
        """Whether a stream is to end with the usage."""
        return self.stream_options is not None and bool(self.stream_options.include_usage)


class ChatRequest(Options, kw_only=True):
    """The body of a chat request."""

    messages: Annotated[list[Message], Meta(min_length=1)]
    logprobs: bool | None = None
    top_logprobs: Annotated[int, Meta(ge=0, le=20)] | None = None
    tools: list[Tool] | None = None
    tool_choice: Literal["auto", "none", "required"] | NamedChoice | None = None
    parallel_tool_calls: bool | None = None
    response_format: ResponseFormat | None = None
    enable_thinking: bool | None = None
    separate_reasoning: bool | None = None
    reasoning_split: bool | None = None
    reasoning_effort: str | None = None
    thinking: _Thinking | None = None
    modalities: list[Literal["text", "audio"]] | None = None

    def check(self) -> None:
        """Find what types cannot."""
        super().check()
        called = {call.id for message in self.messages for call in message.tool_calls or ()}
        for index, message in enumerate(self.messages):
            if message.content is None and message.role != "assistant":
                raise ValueError(f"messages[{index}]: a {message.role} message needs content")
            if message.role == "tool" and message.tool_call_id not in called:
                raise ValueError(f"messages[{index}]: tool_call_id answers no tool call of this conversation")
        form = self.response_format
        if form is not None and (form.type == "json_schema") != (form.json_schema is not None):
            raise ValueError("response_format.json_schema is needed for, and only for, the type json_schema")
        if isinstance(self.tool_choice, NamedChoice):
            name = self.tool_choice.function.name
            if all(tool.function.name != name for tool in self.tools or ()):
                raise ValueError(f"tool_choice names {name!r}, which is not among the tools")
        if self.tool_choice == "required" and not self.tools:
            raise ValueError("tool_choice is required and there are no tools")
        if self.top_logprobs is not None and not self.logprobs:
            raise ValueError("top_logprobs needs logprobs to be true")
        if self.modalities is not None and "text" not in self.modalities:
            raise ValueError("modalities is either [text] or [text, audio]")

    def check_features(self, model: Model, prompt: int) -> None:
        """Refuse what a model cannot do, in the words that were seen live (the contract's x-error-reasons)."""
        if self.tools and "function-calling" not in model.features:
            raise bad("model features function calling not support")
        if self.wants_json and "structured-outputs" not in model.features:
            raise bad(f"model: {model.id} does not support feature: structured-outputs")
        for part in (part for message in self.messages for part in message.media):
            _check_media(part, model)
        if self.wants_audio and not model.speaks:
            raise bad("model features audio not support")
        self.check_size(model, prompt)

    def fingerprint(self) -> list[Any]:
        """What decides the text, and nothing else: streaming the same request gives the same words."""
        return [self.model, self.messages, self.tools, self.tool_choice, self.response_format]

    def thinks(self, model: Model) -> bool:
        """Whether the model reasons before it answers: one that can does, unless any of the switches says no."""
        off = self.enable_thinking is False or self.reasoning_effort == "none"
        return model.thinks and not off and (self.thinking is None or self.thinking.type != "disabled")

    @property
    def wants_json(self) -> bool:
        return self.response_format is not None and self.response_format.type != "text"

    @property
    def wants_audio(self) -> bool:
        return self.modalities is not None and "audio" in self.modalities

    @property
    def prompt(self) -> str:
        """The last thing the user said."""
        return next((message.text for message in reversed(self.messages) if message.role == "user"), "")

    def tokens(self) -> Prompt:
        """Everything that is sent to the model, four tokens of frame for each message."""
        found: list[str] = []
        pictures = sound = 0
        for message in self.messages:
            found += ["<|", message.role, "|>", *words.tokens(message.text), "\n"]
            for part in message.media:
                size, name = _size(part)
                found += [name] * size
                if isinstance(part, AudioPart):
                    sound += size
                else:
                    pictures += size
            for call in message.tool_calls or ():
                found += words.tokens(call.function.name + call.function.arguments)
        if self.tools:
            found += words.tokens(msgspec.json.encode(self.tools).decode())
        return Prompt(found, pictures, sound)


def _size(part: ImagePart | VideoPart | AudioPart) -> tuple[int, str]:
    """How many tokens a part stands for, and a name for them that other parts do not have."""
    if isinstance(part, ImagePart):
        return _PICTURE_TOKENS[part.image_url.detail or "auto"], part.image_url.url
    if isinstance(part, VideoPart):
        return _VIDEO_TOKENS, part.video_url.url
    return _SOUND_TOKENS, part.input_audio.data


def _check_media(part: ImagePart | VideoPart | AudioPart, model: Model) -> None:
    if isinstance(part, AudioPart):
        if "audio" not in model.inputs:
            raise bad("model features audio not support")
        data = part.input_audio.data
        good = data.startswith(("http://", "https://")) or _is_base64(data.rpartition(";base64,")[2])
        where, wanted = "input_audio.data", "a URL nor base64"
    else:
        picture = isinstance(part, ImagePart)
        if ("image" if picture else "video") not in model.inputs:
            raise bad(f"model features {'vision' if picture else 'video'} not support")
        kind, url = ("image", part.image_url.url) if isinstance(part, ImagePart) else ("video", part.video_url.url)
        head, comma, data = url.partition(";base64,")
        good = url.startswith(("http://", "https://")) or (
            head.startswith(f"data:{kind}/") and bool(comma) and _is_base64(data)
        )
        where, wanted = f"{kind}_url.url", f"an http(s) URL nor a data URL of {kind}/*"
    if not good:
        raise bad(f"{where} is neither {wanted}")


def _is_base64(text: str) -> bool:
    try:
        return bool(base64.b64decode(text, validate=True))
    except binascii.Error:
        return False
