"""The LLM product: every operation of contract/llm.openapi.yaml but files and batches.

Answers are deterministic: the same request gets the same text from the same seed, whatever came before. Only ids, times
and `cached_tokens` depend on what the simulator has seen.
"""

from __future__ import annotations

import itertools
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import msgspec

from . import keys
from .answers import Choice, choose
from .backend import Backend, Prompt, bad, event, event_stream, find, read
from .catalog import MODELS, Model
from .chat import ChatRequest
from .completions import Completions
from .embeddings import Embeddings, Rerank
from .messages import Messages, shaped
from .responses import Responses
from .router import Call, Refusal, Router, json_reply

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from ..runtime.clock import Clock
    from ..transport.protocol import Reply
    from .ledger import Ledger
    from .limits import Limits
    from .upstream import Upstream

__all__ = ["LLM"]

_BYTES_OF_A_TOKEN = 4
_PREFIXES = ("/openai/v1", "/openai", "/v3/openai")


class LLM:
    """The models behind `/openai/v1`, and behind the older prefixes that answer the same.

    Args:
        clock: what `created` and the pauses between chunks are taken from.
        api_key: the good key.
        seed: part of what decides the texts.
        chunk_delay: seconds between two chunks of a stream.
        limits: requests and tokens per minute of each model.
        ledger: where what is used is booked, but for chats that an upstream server answers.
        upstream: URL of a server on this machine that answers the chats in its place.
    """

    def __init__(
        self,
        *,
        clock: Clock,
        api_key: str,
        seed: int,
        chunk_delay: float,
        limits: Limits,
        ledger: Ledger,
        upstream: str | None = None,
    ) -> None:
        self._keys = keys.Keys(api_key, keys.LLM)
        self._backend = Backend(clock=clock, seed=seed, chunk_delay=chunk_delay, limits=limits, ledger=ledger)
        self._chat = Chat(self._backend)
        self._completions = Completions(self._backend)
        self._upstream: Upstream | None = None
        if upstream is not None:
            from .upstream import Upstream  # loads aiohttp, which most simulators have no use for

            self._upstream = Upstream(upstream, api_key)

    async def aclose(self) -> None:
        """Close the connections to the upstream server, if there is one. Safe to call twice."""
        if self._upstream is not None:
            await self._upstream.aclose()

    def routes(self, router: Router) -> None:
        guard = self._keys.guard
        chat = self._chat.reply if self._upstream is None else self._relay
        for prefix in _PREFIXES:
            router.add("POST", f"{prefix}/chat/completions", guard(chat))
            router.add("POST", f"{prefix}/completions", guard(self._completions.reply))
            router.add("POST", f"{prefix}/embeddings", guard(Embeddings(self._backend).reply))
            router.add("POST", f"{prefix}/rerank", guard(Rerank(self._backend).reply))
            router.add("GET", f"{prefix}/models", guard(_list))
            router.add("GET", f"{prefix}/models/{{model:path}}", guard(_retrieve))
        # Neither has an older prefix.
        router.add("POST", "/openai/v1/responses", guard(Responses(self._backend).reply))
        messages = guard(Messages(self._backend).reply, header="x-api-key")
        router.add("POST", "/anthropic/v1/messages", shaped(messages))

    async def answer(self, path: str, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        """Answer one request of a batch: its status and JSON. Batches are not held to the limits of a minute.

        Args:
            path: as in the `endpoint` of a batch, "/v1/chat/completions" or "/v1/completions".
            body: the request. It is never streamed, whatever it says.

        Raises:
            ValueError: no such path.
        """
        endpoints = {"/v1/chat/completions": self._chat.answer, "/v1/completions": self._completions.answer}
        if path not in endpoints:
            raise ValueError(f"no line of a batch goes to {path}")
        try:
            if self._upstream is not None and path == "/v1/chat/completions":
                return await self._upstream.answer(body)
            return HTTPStatus.OK, endpoints[path](body)
        except Refusal as refusal:
            reply = refusal.reply
            assert isinstance(reply.body, bytes)
            return reply.status, msgspec.json.decode(reply.body)

    async def _relay(self, call: Call) -> Reply:
        """Let the upstream server answer, which knows its models and fields itself."""
        assert self._upstream is not None
        body = await call.body()
        self._backend.admit(read(_Relayed, body).model, len(body) // _BYTES_OF_A_TOKEN)
        return await self._upstream.chat(body)


class _Relayed(msgspec.Struct):
    model: str

    def check(self) -> None: ...


class Chat:
    """The endpoint `/chat/completions`."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend

    async def reply(self, call: Call) -> Reply:
        """Answer a call, whole or with a stream."""
        request = read(ChatRequest, await call.body())
        model, prompt, choices = self._choose(request)
        self._backend.admit(model.id, len(prompt.tokens) + _size(choices))
        usage = self._usage(model, prompt, choices)
        if request.stream:
            return event_stream(self._stream(model, choices, usage if request.wants_usage else None))
        return json_reply(self._whole(model, choices, usage))

    def answer(self, body: dict[str, Any]) -> dict[str, Any]:
        """Answer a request that is not streamed, whatever it says."""
        model, prompt, choices = self._choose(read(ChatRequest, body))
        return self._whole(model, choices, self._usage(model, prompt, choices))

    def _choose(self, request: ChatRequest) -> tuple[Model, Prompt, list[Choice]]:
        model = find(request.model, "chat/completions")
        prompt = request.tokens()
        request.check_features(model, len(prompt.tokens))
        try:
            choices = [
                choose(request, model, self._backend.dice(request.seed, request.fingerprint(), number))
                for number in range(request.n or 1)
            ]
        except ValueError as error:
            raise bad(str(error)) from None
        return model, prompt, choices

    def _usage(self, model: Model, prompt: Prompt, choices: list[Choice]) -> dict[str, Any]:
        reasoning = sum(choice.reasoning_size for choice in choices)
        return self._backend.usage(model, prompt, _size(choices), reasoning=reasoning)

    def _head(self, model: Model, kind: str) -> dict[str, Any]:
        return {**self._backend.head(model, kind), "system_fingerprint": "simulator"}

    def _whole(self, model: Model, choices: list[Choice], usage: dict[str, Any]) -> dict[str, Any]:
        whole = [choice.whole(index) for index, choice in enumerate(choices)]
        return {**self._head(model, "chat.completion"), "choices": whole, "usage": usage}

    async def _stream(self, model: Model, choices: list[Choice], usage: dict[str, Any] | None) -> AsyncIterator[bytes]:
        """Send one chunk a token, the choices in turn, then what ends them, then the usage when it was asked for."""
        head = self._head(model, "chat.completion.chunk")
        no_usage = {} if usage is None else {"usage": None}
        for row in itertools.zip_longest(*(choice.parts(index) for index, choice in enumerate(choices))):
            for part in row:
                if part is not None:
                    yield event({**head, "choices": [part], **no_usage})
                    await self._backend.pause()
        for index, choice in enumerate(choices):
            yield event({**head, "choices": [choice.last(index)], **no_usage})
        if usage is not None:
            yield event({**head, "choices": [], "usage": usage})
        yield b"data: [DONE]\n\n"


def _size(choices: list[Choice]) -> int:
    return sum(choice.size for choice in choices)


async def _list(call: Call) -> Reply:
    del call
    return json_reply({"data": [model.wire() for model in MODELS.values()]})


async def _retrieve(call: Call) -> Reply:
    if (model := MODELS.get(call.params["model"])) is None:
        raise keys.flat(HTTPStatus.NOT_FOUND, "MODEL_NOT_FOUND", "model not found")
    return json_reply(model.wire())
