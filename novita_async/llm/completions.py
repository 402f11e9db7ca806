"""`novita.completions`: text that goes on where the prompt ends (contract/llm.md 11)."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal, TypedDict, Unpack, overload

from ..errors import ValidationError
from ..runtime.arguments import check_keywords
from ..runtime.retry import Replay
from ..wire.json import Object
from .endpoint import Endpoint, as_raw, raw_twin, require_model
from .inputs import check_count, check_inputs
from .reader import ChunkReader
from .types import Usage

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ..runtime.streams import EventStream
    from .inputs import Inputs

__all__ = [
    "Completion",
    "CompletionChoice",
    "CompletionChunk",
    "CompletionLogprobs",
    "CompletionParams",
    "TextCompletions",
]


class CompletionLogprobs(Object):
    """Log probabilities of the tokens of a text, as parallel lists."""

    tokens: list[str] | None = None
    token_logprobs: list[float | None] | None = None
    top_logprobs: list[dict[str, float] | None] | None = None
    text_offset: list[int] | None = None


class CompletionChoice(Object):
    """One of `n` texts, or a piece of it. `finish_reason` is stop, length or something newer."""

    index: int = 0
    text: str = ""
    finish_reason: str | None = None
    logprobs: CompletionLogprobs | None = None


class Completion(Object):
    """A whole answer. `model` may differ from the one asked for; `created` is Unix seconds."""

    choices: list[CompletionChoice]
    id: str = ""
    object: str = "text_completion"
    created: int = 0
    model: str = ""
    usage: Usage | None = None
    system_fingerprint: str | None = None


class CompletionChunk(Completion):
    """One event of a streamed answer. `choices` is empty on the chunk that brings `usage`."""


class CompletionParams(TypedDict, total=False):
    """Parameters of a completion beside `model` and `prompt`. What is not given, or None, is not sent.

    Ranges are the contract's; the server is the judge of them.

    Keys:
        max_tokens: upper bound of the text, at least 1. It stops there with `finish_reason="length"`.
        temperature: 0 to 2.
        top_p: above 0, up to 1.
        top_k: 1 to 128.
        min_p: 0 to 1.
        n: texts, 1 to 128.
        best_of: how many are written, of which the `n` best are given; not with `stream`.
        seed: for texts that repeat, as far as the model can.
        stop: up to 4 texts that end the answer.
        frequency_penalty: -2 to 2.
        presence_penalty: -2 to 2.
        repetition_penalty: above 0, up to 2; 1 is neutral.
        logit_bias: token id (as text) to -100..100.
        logprobs: alternatives to give the log probability of, for each token, 0 to 5. A count here, a switch in chat.
        stream_options: `{"include_usage": true}` asks for a last chunk with the usage.
    """

    max_tokens: int | None
    temperature: float | None
    top_p: float | None
    top_k: int | None
    min_p: float | None
    n: int | None
    best_of: int | None
    seed: int | None
    stop: str | Sequence[str] | None
    frequency_penalty: float | None
    presence_penalty: float | None
    repetition_penalty: float | None
    logit_bias: Mapping[str, int] | None
    logprobs: int | None
    stream_options: Mapping[str, Any] | None


_KNOWN = frozenset(CompletionParams.__annotations__)


class TextCompletions(Endpoint):
    """`novita.completions`."""

    @cached_property
    def with_raw_response(self) -> RawTextCompletions:
        """The same calls, giving a `RawResponse`: status, headers, body, and `parse()` for the rest."""
        return RawTextCompletions(self)

    @overload
    async def create(
        self,
        *,
        model: str,
        prompt: Inputs,
        stream: Literal[False] | None = None,
        extra_body: Mapping[str, Any] | None = None,
        extra_headers: Mapping[str, str] | None = None,
        extra_query: Mapping[str, Any] | None = None,
        timeout: float | None = None,
        **params: Unpack[CompletionParams],
    ) -> Completion: ...
    @overload
    async def create(
        self,
        *,
        model: str,
        prompt: Inputs,
        stream: Literal[True],
        extra_body: Mapping[str, Any] | None = None,
        extra_headers: Mapping[str, str] | None = None,
        extra_query: Mapping[str, Any] | None = None,
        timeout: float | None = None,
        **params: Unpack[CompletionParams],
    ) -> EventStream[CompletionChunk]: ...
    async def create(
        self,
        *,
        model: str,
        prompt: Inputs,
        stream: bool | None = None,
        extra_body: Mapping[str, Any] | None = None,
        extra_headers: Mapping[str, str] | None = None,
        extra_query: Mapping[str, Any] | None = None,
        timeout: float | None = None,
        **params: Unpack[CompletionParams],
    ) -> Completion | EventStream[CompletionChunk]:
        """Let a model write on.

        Args:
            model: model id; one whose `endpoints` has `completions`.
            prompt: a text, texts, the tokens of one, or those of several.
            stream: give chunks as they come, instead of the whole text at its end.
            extra_body: fields for the body that the SDK does not know; they win over known ones.
            extra_headers: headers for this call.
            extra_query: query parameters for this call.
            timeout: the whole call in seconds, retries and waits included. For a stream: until its headers are there;
                then `Timeouts.first_event` and `idle` hold.
            params: see `CompletionParams`.

        Returns:
            A `Completion`, or an `EventStream` of `CompletionChunk` to be iterated inside `async with`.

        Raises:
            ValidationError: the prompt is no prompt, or `n`, `best_of` and `stream` contradict each other. Nothing was
                sent.
            APIError: the platform refused; see `novita_async.errors` for its classes.
            TransportError: the network failed, after the last attempt.
            CallTimeout: a limit passed.

        Example:
            text = await novita.completions.create(model=model, prompt="Once upon a", max_tokens=16)
            print(text.choices[0].text)

        Contract: llm.md sections 5 and 11; POST /openai/v1/completions.
        """
        if not _KNOWN.issuperset(params):
            check_keywords("create()", params, _KNOWN)
        check_inputs("prompt", prompt)
        _check_best(params.get("n"), params.get("best_of"), bool(stream))
        call = self._call(
            "POST",
            "/completions",
            {"model": require_model(model), "prompt": prompt, **params, "stream": stream or None},
            model=model,
            stream=bool(stream),
            extra_body=extra_body,
            extra_headers=extra_headers,
            extra_query=extra_query,
            timeout=timeout,
            replay=Replay.COSTS,
        )
        if stream:
            return await self._stream(call, lambda response: ChunkReader(self._runtime, response, CompletionChunk))
        return await self._fetch(call, Completion)


class RawTextCompletions:
    """`novita.completions.with_raw_response`."""

    def __init__(self, completions: TextCompletions) -> None:
        self.create = as_raw(raw_twin(completions).create)


def _check_best(n: int | None, best_of: int | None, stream: bool) -> None:
    check_count("n", n)
    check_count("best_of", best_of)
    if best_of is None:
        return
    if best_of < (n or 1):
        raise ValidationError(f"best_of is {best_of}, less than n, {n}: nothing would be left to choose from")
    if stream and best_of > 1:
        raise ValidationError("best_of cannot be streamed: which text is best is known at its end")
