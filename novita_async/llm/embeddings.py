"""`novita.embeddings`: texts as vectors (contract/llm.md 11).

Vectors are asked for as base64 of float32: a third of the bytes of decimal numbers, and the same values.
"""

from __future__ import annotations

import base64
import binascii
import sys
from array import array
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any, Generic, Literal, TypeVar, cast, overload

from ..errors import ProtocolError, ValidationError
from ..runtime.gather import gather
from ..runtime.retry import Replay
from ..wire.json import Object
from .endpoint import Endpoint, as_raw, raw_twin, require_model
from .inputs import check_count, check_inputs, is_many
from .types import Usage

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Mapping, Sequence

    import numpy
    from numpy.typing import NDArray

    from ..runtime.call import Answer
    from .inputs import Inputs

__all__ = ["Embedding", "EmbeddingList", "Embeddings"]

V = TypeVar("V")

_MOST = 2048  # inputs of one request
_AT_ONCE = 8  # requests of one call


class Embedding(Object, Generic[V]):
    """One vector. `index` is the place of its text in the call's `input`."""

    embedding: V
    index: int = 0
    object: str = "embedding"


class EmbeddingList(Object, Generic[V]):
    """The vectors, in the order of the input. Of a call that made several requests, `raw` is empty."""

    data: list[Embedding[V]]
    object: str = "list"
    model: str = ""
    usage: Usage | None = None


class Embeddings(Endpoint):
    """`novita.embeddings`."""

    @cached_property
    def with_raw_response(self) -> RawEmbeddings:
        """The same calls, giving a `RawResponse`: status, headers, body, and `parse()` for the rest."""
        return RawEmbeddings(self)

    @overload
    async def create(
        self,
        *,
        model: str,
        input: Inputs,
        encoding_format: Literal["float"] | None = None,
        as_array: Literal[False] = False,
        batch_size: int = _MOST,
        extra_body: Mapping[str, Any] | None = None,
        extra_headers: Mapping[str, str] | None = None,
        extra_query: Mapping[str, Any] | None = None,
        timeout: float | None = None,
    ) -> EmbeddingList[list[float]]: ...
    @overload
    async def create(
        self,
        *,
        model: str,
        input: Inputs,
        encoding_format: Literal["base64"],
        as_array: Literal[False] = False,
        batch_size: int = _MOST,
        extra_body: Mapping[str, Any] | None = None,
        extra_headers: Mapping[str, str] | None = None,
        extra_query: Mapping[str, Any] | None = None,
        timeout: float | None = None,
    ) -> EmbeddingList[str]: ...
    @overload
    async def create(
        self,
        *,
        model: str,
        input: Inputs,
        encoding_format: Literal["float"] | None = None,
        as_array: Literal[True],
        batch_size: int = _MOST,
        extra_body: Mapping[str, Any] | None = None,
        extra_headers: Mapping[str, str] | None = None,
        extra_query: Mapping[str, Any] | None = None,
        timeout: float | None = None,
    ) -> EmbeddingList[NDArray[numpy.float32]]: ...
    async def create(
        self,
        *,
        model: str,
        input: Inputs,
        encoding_format: str | None = None,
        as_array: bool = False,
        batch_size: int = _MOST,
        extra_body: Mapping[str, Any] | None = None,
        extra_headers: Mapping[str, str] | None = None,
        extra_query: Mapping[str, Any] | None = None,
        timeout: float | None = None,
    ) -> EmbeddingList[Any]:
        """Turn texts into vectors.

        Args:
            model: model id, such as "baai/bge-m3".
            input: a text, texts, the tokens of one, or those of several; not empty.
            encoding_format: what is asked for. None takes the shorter one, base64, and gives numbers; "float" asks
                for numbers; "base64" gives the text as it is, little-endian float32.
            as_array: give numpy arrays of float32 instead of lists; numpy must be installed.
            batch_size: inputs of one request, 1 to 2048. More of them make several requests, of which 8 run at once;
                the order, the indices and the sum of the usage are as of one.
            extra_body: fields for the body that the SDK does not know; they win over known ones.
            extra_headers: headers for this call.
            extra_query: query parameters for this call.
            timeout: the whole call in seconds, retries and waits included.

        Raises:
            ValidationError: the input is no input, or numpy is wanted and missing. Nothing was sent.
            APIError: the platform refused. Of several requests the first error ends the others.
            ProtocolError: a vector cannot be read.

        Example:
            answer = await novita.embeddings.create(model="baai/bge-m3", input=["a lighthouse", "a foghorn"])
            print(len(answer.data), len(answer.data[0].embedding), answer.usage.total_tokens)

        Contract: llm.md section 11; POST /openai/v1/embeddings.
        """
        require_model(model)
        check_inputs("input", input)
        if not input:
            raise ValidationError("input is empty")
        check_count("batch_size", batch_size, at_most=_MOST)
        convert = _converter(encoding_format, as_array)

        def ask(part: Inputs, limit: float | None) -> Coroutine[Any, Any, EmbeddingList[Any]]:
            call = self._call(
                "POST",
                "/embeddings",
                {"model": model, "input": part, "encoding_format": encoding_format or "base64"},
                model=model,
                extra_body=extra_body,
                extra_headers=extra_headers,
                extra_query=extra_query,
                timeout=limit,
                replay=Replay.COSTS,
            )
            return self._give(call, partial(self._read, convert))

        if not is_many(input) or len(input) <= batch_size:
            return await ask(input, timeout)
        if self.gives_raw:
            raise ValidationError(
                f"{len(input)} inputs in batches of {batch_size} make several requests, and a raw response is of one"
            )
        starts = range(0, len(input), batch_size)
        async with self._within(timeout):
            # Each request is made when its turn has come: the bodies of all of them may be larger than the memory.
            parts = await gather((ask(input[at : at + batch_size], None) for at in starts), limit=_AT_ONCE)
        return _joined(starts, parts)

    def _read(self, convert: Callable[[list[float] | str], Any], answer: Answer) -> EmbeddingList[Any]:
        found = cast("EmbeddingList[Any]", self._runtime.decode(answer, EmbeddingList[list[float] | str]))
        try:
            for each in found.data:
                each.embedding = convert(each.embedding)
        except (binascii.Error, ValueError) as error:
            raise ProtocolError(f"an embedding cannot be read: {error}", body=answer.body) from error
        found.data.sort(key=lambda each: each.index)
        return found


class RawEmbeddings:
    """`novita.embeddings.with_raw_response`."""

    def __init__(self, embeddings: Embeddings) -> None:
        self.create = as_raw(raw_twin(embeddings).create)


def _converter(encoding_format: str | None, as_array: bool) -> Callable[[list[float] | str], Any]:
    """What makes of a vector, in whichever of the two forms it came, the one that the caller wants."""
    if encoding_format not in (None, "float", "base64"):
        raise ValidationError(f"encoding_format must be 'float' or 'base64', got {encoding_format!r}")
    if encoding_format == "base64":
        if as_array:
            raise ValidationError("as_array cannot go with encoding_format='base64', which gives the text as it is")
        return _text
    return _array_maker() if as_array else _numbers


def _array_maker() -> Callable[[list[float] | str], NDArray[numpy.float32]]:
    try:
        import numpy
    except ImportError as error:
        raise ValidationError("as_array needs numpy: install it, or leave as_array out and get lists") from error

    frombuffer: Any = vars(numpy)["frombuffer"]  # its types are told apart from release to release

    def make(vector: list[float] | str) -> NDArray[numpy.float32]:
        if isinstance(vector, str):
            return frombuffer(base64.b64decode(vector, validate=True), dtype="<f4").astype(numpy.float32)
        return numpy.array(vector, dtype=numpy.float32)

    return make


def _numbers(vector: list[float] | str) -> list[float]:
    if not isinstance(vector, str):
        return vector
    values = array("f", base64.b64decode(vector, validate=True))
    if sys.byteorder == "big":
        values.byteswap()
    return values.tolist()


def _text(vector: list[float] | str) -> str:
    if isinstance(vector, str):
        return vector
    values = array("f", vector)  # a server that does not know base64: the caller gets it all the same
    if sys.byteorder == "big":
        values.byteswap()
    return base64.b64encode(values.tobytes()).decode()


def _joined(starts: Sequence[int], parts: Sequence[EmbeddingList[Any]]) -> EmbeddingList[Any]:
    """The answers to several requests as that to one."""
    for start, part in zip(starts, parts, strict=True):
        for each in part.data:
            each.index += start
    usages = [part.usage for part in parts if part.usage is not None]
    total = Usage(
        prompt_tokens=sum(usage.prompt_tokens for usage in usages),
        total_tokens=sum(usage.total_tokens for usage in usages),
    )
    first = parts[0]
    data = [each for part in parts for each in part.data]
    return EmbeddingList(data=data, object=first.object, model=first.model, usage=total if usages else None)
