"""What all LLM endpoints of the simulator share: models, ids, dice, limits, the prompt cache, the pace of streams."""

from __future__ import annotations

import hashlib
import itertools
from collections import OrderedDict
from http import HTTPStatus
from random import Random
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, TypeVar

import msgspec

from ..transport.protocol import Reply
from . import keys
from .catalog import MODELS, Model

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from ..runtime.clock import Clock
    from .ledger import Ledger
    from .limits import Limits

__all__ = ["Backend", "Prompt", "bad", "event", "event_stream", "find", "read"]

_CACHE_BLOCK = 64
_CACHE_BLOCKS = 8192


class _Request(Protocol):
    def check(self) -> None: ...


T = TypeVar("T", bound=_Request)


class Prompt(NamedTuple):
    """The tokens of everything that is sent to a model, and how many of them stand for pictures and for sound."""

    tokens: list[str]
    pictures: int = 0
    sound: int = 0


class Backend:
    """The shared part of the endpoints.

    Args:
        clock: what `created` and the pauses between chunks are taken from.
        seed: part of what decides the texts.
        chunk_delay: seconds between two chunks of a stream.
        limits: requests and tokens per minute of each model.
        ledger: where what is used is booked.
    """

    def __init__(self, *, clock: Clock, seed: int, chunk_delay: float, limits: Limits, ledger: Ledger) -> None:
        self._clock = clock
        self._seed = seed
        self._chunk_delay = chunk_delay
        self._limits = limits
        self._ledger = ledger
        self._count = itertools.count(1)
        self._cache: OrderedDict[int, None] = OrderedDict()

    def now(self) -> int:
        """Unix seconds."""
        return int(self._clock.time())

    def identifier(self) -> str:
        """32 hex digits that no other answer of this simulator has."""
        return f"{_digest([self._seed, next(self._count)]):032x}"

    def head(self, model: Model, kind: str) -> dict[str, Any]:
        """What all answers of the OpenAI surface begin with."""
        return {"id": self.identifier(), "object": kind, "created": self.now(), "model": model.id}

    def dice(self, *parts: Any) -> Random:
        """Dice that fall the same for the same seed and parts, whatever came before."""
        return Random(_digest([self._seed, *parts]))

    def admit(self, model: str, tokens: int) -> None:
        """Count a request in at the model's limit.

        Raises:
            keys.Refusal: 429.
        """
        self._limits.admit(model, tokens)

    async def pause(self) -> None:
        """Wait as long as a model takes for a token."""
        await self._clock.sleep(self._chunk_delay)

    def usage(self, model: Model, prompt: Prompt, completion: int, *, reasoning: int = 0) -> dict[str, Any]:
        """The tokens of an answer, which are booked. The cache has seen this prompt from now on."""
        size, cached = len(prompt.tokens), self._cached(model, prompt.tokens)
        self._ledger.tokens(model, size, completion, cached)
        return {
            "prompt_tokens": size,
            "completion_tokens": completion,
            "total_tokens": size + completion,
            "prompt_tokens_details": {
                "cached_tokens": cached,
                "audio_tokens": prompt.sound,
                "image_tokens": prompt.pictures,
                "text_tokens": size - prompt.pictures - prompt.sound,
                # Zero whatever was cached, and spelled like this: both as in the documented example.
                "cache_creation_Prompt_tokens": 0,
                "cache_read_Prompt_tokens": 0,
            },
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


def read(type_: type[T], body: bytes | dict[str, Any]) -> T:
    """Decode and check a request.

    Raises:
        keys.Refusal: 400, with what is wrong.
    """
    try:
        if isinstance(body, bytes):
            request = msgspec.json.decode(body or b"{}", type=type_)
        else:
            request = msgspec.convert(body, type_)
        request.check()
    except (msgspec.DecodeError, UnicodeDecodeError, ValueError) as error:
        raise bad(str(error)) from None
    return request


def find(name: str, endpoint: str) -> Model:
    """The model of a request.

    Raises:
        keys.Refusal: 404 when there is none, 400 when this endpoint does not serve it.
    """
    if (model := MODELS.get(name)) is None:
        raise keys.flat(HTTPStatus.NOT_FOUND, "MODEL_NOT_FOUND", "model not found")
    if endpoint not in model.endpoints:
        raise bad(f"model: {model.id} does not support endpoint: {endpoint}")
    return model


def bad(message: str) -> keys.Refusal:
    """A refusal of the request itself."""
    return keys.flat(HTTPStatus.BAD_REQUEST, "INVALID_REQUEST_BODY", message)


def event(data: dict[str, Any], *, named: bool = False) -> bytes:
    """One server-sent event; a named one has its `type` for a name."""
    name = f"event: {data['type']}\n".encode() if named else b""
    return name + b"data: " + msgspec.json.encode(data) + b"\n\n"


def event_stream(chunks: AsyncIterator[bytes]) -> Reply:
    """Answer with server-sent events."""
    return Reply(200, {"content-type": "text/event-stream", "cache-control": "no-cache"}, chunks)


def _digest(parts: list[Any]) -> int:
    return int.from_bytes(hashlib.blake2b(msgspec.json.encode(parts), digest_size=16).digest(), "big")
