"""The parameters of a chat request beside `model` and `messages` (contract/llm.openapi.yaml)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypedDict

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

__all__ = ["ChatParams", "ParseParams", "ToolRunParams"]


class _Params(TypedDict, total=False):
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
    tool_choice: str | Mapping[str, Any] | None
    stream_options: Mapping[str, Any] | None
    separate_reasoning: bool | None
    enable_thinking: bool | None
    reasoning_split: bool | None
    reasoning_effort: str | None
    thinking: Mapping[str, Any] | None
    modalities: Sequence[str] | None
    context_length_exceeded_behavior: str | None


class ParseParams(_Params, total=False):
    """`ChatParams` without `response_format`, which `parse` has as a type."""

    tools: Sequence[Mapping[str, Any] | Callable[..., Any]] | None


class ToolRunParams(_Params, total=False):
    """`ChatParams` without `tools`, which `run_tools` has as functions."""

    response_format: Mapping[str, Any] | None


class ChatParams(ParseParams, total=False):
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
        tools: functions that the model may ask for: a `Tool`, a function, or a definition as the API takes it.
        tool_choice: "auto", "none", "required" or a named function.
        response_format: `{"type": "text" | "json_object" | "json_schema", ...}`. `parse` takes a type.
        stream_options: `{"include_usage": true}` asks for a last chunk with the usage.
        separate_reasoning: put the reasoning into `reasoning_content`.
        enable_thinking: thinking on or off, for models that can do both.
        reasoning_split: put the reasoning into `reasoning_details` (MiniMax).
        reasoning_effort: how hard to think, for models that take it.
        thinking: `{"type": "enabled" | "disabled"}`, for models that take it.
        modalities: what comes out, `["text"]` or `["text", "audio"]`.
        context_length_exceeded_behavior: what happens to a prompt that is too long; its values are not documented.
    """

    response_format: Mapping[str, Any] | None
