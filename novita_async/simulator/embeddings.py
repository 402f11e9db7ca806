"""Embeddings and reranking: numbers made of a text's words, so that texts with words in common are close."""

from __future__ import annotations

import array
import base64
import math
import operator
import re
import struct
import sys
from collections import Counter
from hashlib import blake2b
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeAlias, cast

import msgspec
from msgspec import Meta

from . import words
from .backend import Backend, Prompt, bad, find, read
from .router import Call, json_reply

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ..transport.protocol import Reply

__all__ = ["Embeddings", "Rerank"]

_SIZE = 1024  # numbers of an embedding of bge-m3
_MOST_INPUTS = 2048
_WORD = re.compile(r"\w+")
_PLACES = struct.Struct("<16H")

_Input: TypeAlias = str | list[int]


class _EmbeddingRequest(msgspec.Struct, kw_only=True):
    model: str
    input: str | list[str | int | list[int]]
    encoding_format: Literal["float", "base64"] = "float"

    def check(self) -> None:
        if not isinstance(self.input, str) and len({type(each) for each in self.input}) > 1:
            raise ValueError("input is a string, or a list of strings, of tokens, or of lists of tokens")
        if not self.input or any(each in ("", []) for each in self.input):
            raise ValueError("input must not be empty")
        if not isinstance(self.input, str) and len(self.input) > _MOST_INPUTS:
            raise ValueError(f"input has {len(self.input)} items, and {_MOST_INPUTS} are the most")

    def inputs(self) -> list[_Input]:
        if isinstance(self.input, str):
            return [self.input]
        if isinstance(self.input[0], int):
            return [cast("list[int]", self.input)]
        return cast("list[_Input]", self.input)


class Embeddings:
    """The endpoint `/embeddings`."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend

    async def reply(self, call: Call) -> Reply:
        request = read(_EmbeddingRequest, await call.body())
        model = find(request.model, "embeddings")
        size = 0
        for index, text in enumerate(request.inputs()):
            tokens = len(words.tokens(text)) if isinstance(text, str) else len(text)
            if tokens > model.context:
                raise bad(f"input[{index}] has {tokens} tokens, and {model.id} reads at most {model.context}")
            size += tokens
        self._backend.admit(model.id, size)
        data: list[dict[str, Any]] = []
        for index, text in enumerate(request.inputs()):
            vector = _embedding(text)
            encoded = _base64(vector) if request.encoding_format == "base64" else vector.tolist()
            data.append({"object": "embedding", "index": index, "embedding": encoded})
        usage = {"prompt_tokens": size, "total_tokens": size}
        return json_reply({"object": "list", "data": data, "model": model.id, "usage": usage})


class _RerankRequest(msgspec.Struct, kw_only=True):
    model: str
    query: Annotated[str, Meta(min_length=1)]
    documents: Annotated[list[str], Meta(min_length=1)]
    top_n: Annotated[int, Meta(ge=1)] | None = None

    def check(self) -> None: ...


class Rerank:
    """The endpoint `/rerank`."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend

    async def reply(self, call: Call) -> Reply:
        request = read(_RerankRequest, await call.body())
        model = find(request.model, "rerank")
        prompt = words.tokens(request.query)
        for document in request.documents:
            prompt += words.tokens(document)
        self._backend.admit(model.id, len(prompt))
        usage = self._backend.usage(model, Prompt(prompt), 0)
        scores = _scores(request.query, request.documents)
        results = [
            {"index": index, "relevance_score": score, "document": {"text": request.documents[index]}}
            for index, score in sorted(enumerate(scores), key=lambda each: -each[1])
        ]
        return json_reply(
            {"id": self._backend.identifier(), "model": model.id, "results": results[: request.top_n], "usage": usage}
        )


# --------------------------------------------------------------------------------------- the numbers


def _features(text: _Input) -> Counter[str]:
    """What a text consists of, with its weights: words, their beginnings, and for tokens their numbers."""
    if not isinstance(text, str):
        return Counter(f"token {token}" for token in text)
    found: Counter[str] = Counter()
    for word in _words(text):
        found[word] += 4
        # Words of one stem share their first letters.
        found[f"{word[:4]}-"] += 2
    return found or Counter([text])


def _words(text: str) -> Iterable[str]:
    return (word.lower() for word in _WORD.findall(text))


def _embedding(text: _Input) -> array.array[float]:
    """A unit vector in single precision: every feature of the text pushes 16 of its numbers up or down."""
    vector = [0.0] * _SIZE
    for feature, weight in _features(text).items():
        pushed = math.sqrt(weight)
        for place in _PLACES.unpack(blake2b(feature.encode(errors="surrogatepass"), digest_size=32).digest()):
            vector[place % _SIZE] += pushed if place & 0x8000 else -pushed
    length = math.hypot(*vector) or 1.0
    return array.array("f", (value / length for value in vector))


def _base64(vector: array.array[float]) -> str:
    if sys.byteorder == "big":
        vector.byteswap()
    return base64.b64encode(vector.tobytes()).decode()


def _scores(query: str, documents: list[str]) -> list[float]:
    """How much of the query each document has, from 0 to 1; words that few documents have count for more."""
    asked = set(_words(query))
    found = [set(_words(document)) for document in documents]
    weights = {word: math.log(1 + len(documents) / (1 + sum(word in each for each in found))) for word in asked}
    total = sum(weights.values()) or 1.0
    near = _embedding(query)
    scores: list[float] = []
    for document, have in zip(documents, found, strict=True):
        overlap = sum(weights[word] for word in asked & have) / total
        likeness = max(0.0, sum(map(operator.mul, near, _embedding(document))))
        scores.append(round(0.9 * overlap + 0.1 * likeness, 6))
    return scores
