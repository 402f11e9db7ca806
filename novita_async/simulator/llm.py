"""The LLM product: chat completions, whole and streamed, and the list of models (contract/llm.md).

Answers are deterministic: the same request gets the same text from the same seed, whatever came before. Only ids, times
and `cached_tokens` depend on what the simulator has seen.
"""

from __future__ import annotations

import hashlib
import itertools
from collections import OrderedDict
from http import HTTPStatus
from random import Random
from typing import TYPE_CHECKING, Any

import msgspec

from ..transport.protocol import Reply
from . import keys
from .catalog import MODELS, Model
from .chat import ChatRequest, Choice, choose, prompt_tokens
from .router import Call, Refusal, Router, json_reply

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from ..runtime.clock import Clock
    from .limits import Limits

__all__ = ["LLM"]

_PREFIXES = ("/openai/v1", "/openai", "/v3/openai")
_CACHE_BLOCK = 64
_CACHE_BLOCKS = 8192


class LLM:
    """The models behind `/openai/v1`, and behind the older prefixes that answer the same.

    Args:
        clock: what `created` and the pauses between chunks are taken from.
        api_key: the good key.
        seed: part of what decides the texts.
        chunk_delay: seconds between two chunks of a stream.
        limits: requests per minute of each model.
    """

    def __init__(self, *, clock: Clock, api_key: str, seed: int, chunk_delay: float, limits: Limits) -> None:
        self._clock = clock
        self._keys = keys.Keys(api_key, keys.LLM)
        self._seed = seed
        self._chunk_delay = chunk_delay
        self._limits = limits
        self._count = itertools.count(1)
        self._cache: OrderedDict[int, None] = OrderedDict()

    def routes(self, router: Router) -> None:
        guard = self._keys.guard
        for prefix in _PREFIXES:
            router.add("POST", f"{prefix}/chat/completions", guard(self._chat))
            router.add("GET", f"{prefix}/models", guard(self._list))
            router.add("GET", f"{prefix}/models/{{model:path}}", guard(self._retrieve))

    async def _list(self, call: Call) -> Reply:
        del call
        return json_reply({"data": [model.wire() for model in MODELS.values()]})

    async def _retrieve(self, call: Call) -> Reply:
        return json_reply(_model(call.params["model"]).wire())

    async def answer(self, path: str, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        """Answer one request of a batch: its status and JSON. Batches are not held to the limits of a minute.

        Args:
            path: as in the `endpoint` of a batch, "/v1/chat/completions".
            body: the request. It is never streamed, whatever it says.

        Raises:
            ValueError: no such path.
        """
        if path != "/v1/chat/completions":
            raise ValueError(f"nothing is at {path}")
        try:
            request = _read(msgspec.convert, body)
            request.stream = False
            model, prompt = self._admitted(request)
            return HTTPStatus.OK, self._whole(request, model, prompt)
        except Refusal as refusal:
            reply = refusal.reply
            assert isinstance(reply.body, bytes)
            return reply.status, msgspec.json.decode(reply.body)

    async def _chat(self, call: Call) -> Reply:
        body = await call.body()
        request = _read(msgspec.json.decode, body or b"{}")
        model, prompt = self._admitted(request)
        self._limits.admit(model.id)
        if not request.stream:
            return json_reply(self._whole(request, model, prompt))
        choices = self._choices(request, model)
        usage = self._usage(model, prompt, choices)
        options = request.stream_options
        wanted = usage if options is not None and options.include_usage else None
        chunks = self._stream(self._head(model, "chat.completion.chunk"), choices, wanted)
        return Reply(200, {"content-type": "text/event-stream", "cache-control": "no-cache"}, chunks)

    def _admitted(self, request: ChatRequest) -> tuple[Model, list[str]]:
        """The model of a request that it can answer, and the prompt's tokens."""
        model = _model(request.model)
        prompt = prompt_tokens(request)
        _check_features(model, request, len(prompt))
        return model, prompt

    def _choices(self, request: ChatRequest, model: Model) -> list[Choice]:
        try:
            return [choose(request, model, self._dice(request, number)) for number in range(request.n or 1)]
        except ValueError as error:
            raise _bad(str(error)) from None

    def _whole(self, request: ChatRequest, model: Model, prompt: list[str]) -> dict[str, Any]:
        choices = self._choices(request, model)
        answers = [
            {"index": index, "message": choice.message(), "finish_reason": choice.finish, "logprobs": None}
            for index, choice in enumerate(choices)
        ]
        usage = self._usage(model, prompt, choices)
        return {**self._head(model, "chat.completion"), "choices": answers, "usage": usage}

    def _head(self, model: Model, kind: str) -> dict[str, Any]:
        return {
            "id": f"{_digest([self._seed, next(self._count)]):032x}",
            "object": kind,
            "created": int(self._clock.time()),
            "model": model.id,
            "system_fingerprint": "simulator",
        }

    def _dice(self, request: ChatRequest, number: int) -> Random:
        return Random(_digest([self._seed, request.seed, request.fingerprint(), number]))

    async def _stream(
        self, head: dict[str, Any], choices: list[Choice], usage: dict[str, Any] | None
    ) -> AsyncIterator[bytes]:
        """Send one chunk a token, the choices in turn, then what ends them, then the usage when it was asked for."""
        no_usage = {} if usage is None else {"usage": None}
        for row in itertools.zip_longest(*(choice.deltas() for choice in choices)):
            for index, delta in enumerate(row):
                if delta is not None:
                    answer = {"index": index, "delta": delta, "finish_reason": None}
                    yield _event({**head, "choices": [answer], **no_usage})
                    await self._clock.sleep(self._chunk_delay)
        for index, choice in enumerate(choices):
            end: dict[str, Any] = {"index": index, "delta": {}, "finish_reason": choice.finish}
            yield _event({**head, "choices": [end], **no_usage})
        if usage is not None:
            yield _event({**head, "choices": [], "usage": usage})
        yield b"data: [DONE]\n\n"

    def _usage(self, model: Model, prompt: list[str], choices: list[Choice]) -> dict[str, Any]:
        completion = sum(choice.size for choice in choices)
        reasoning = sum(choice.reasoning_size for choice in choices)
        return {
            "prompt_tokens": len(prompt),
            "completion_tokens": completion,
            "total_tokens": len(prompt) + completion,
            "prompt_tokens_details": {"cached_tokens": self._cached(model, prompt), "audio_tokens": 0},
            "completion_tokens_details": {"reasoning_tokens": reasoning, "audio_tokens": 0},
        }

    def _cached(self, model: Model, prompt: list[str]) -> int:
        """How many tokens of the prompt's beginning were seen before, in whole blocks; remembers this prompt."""
        seen, known, key = 0, True, hash(model.id)
        for start in range(0, len(prompt) - _CACHE_BLOCK + 1, _CACHE_BLOCK):
            key = hash((key, *prompt[start : start + _CACHE_BLOCK]))
            known = known and key in self._cache
            seen += _CACHE_BLOCK if known else 0
            self._cache[key] = None
            self._cache.move_to_end(key)
        while len(self._cache) > _CACHE_BLOCKS:
            self._cache.popitem(last=False)
        return seen


def _read(decode: Callable[..., Any], body: Any) -> ChatRequest:
    try:
        request: ChatRequest = decode(body, type=ChatRequest)
        request.check()
    except (msgspec.DecodeError, UnicodeDecodeError, ValueError) as error:
        raise _bad(str(error)) from None
    return request


def _bad(message: str) -> keys.Refusal:
    return keys.flat(HTTPStatus.BAD_REQUEST, "INVALID_REQUEST_BODY", message)


def _model(name: str) -> Model:
    if (model := MODELS.get(name)) is None:
        raise keys.flat(HTTPStatus.NOT_FOUND, "MODEL_NOT_FOUND", "model not found")
    return model


def _check_features(model: Model, request: ChatRequest, prompt_size: int) -> None:
    """Refuse what a model cannot do, in the words that were seen live (contract/llm.openapi.yaml, error reasons)."""
    if model.kind != "chat":
        raise _bad(f"model: {model.id} does not support endpoint: chat/completions")
    if request.tools and "function-calling" not in model.features:
        raise _bad("model features function calling not support")
    if request.wants_json and "structured-outputs" not in model.features:
        raise _bad(f"model: {model.id} does not support feature: structured-outputs")
    if request.has_pictures and "image" not in model.inputs:
        raise _bad("model features vision not support")
    if request.max_tokens is not None and request.max_tokens > model.output:
        raise _bad(f"max_tokens (current value: {request.max_tokens}) must be between 0 and {model.output} ")
    if prompt_size > model.context:
        raise _bad(f"the prompt has {prompt_size} tokens, and {model.id} reads at most {model.context}")


def _digest(parts: list[Any]) -> int:
    return int.from_bytes(hashlib.blake2b(msgspec.json.encode(parts), digest_size=16).digest(), "big")


def _event(chunk: dict[str, Any]) -> bytes:
    return b"data: " + msgspec.json.encode(chunk) + b"\n\n"
