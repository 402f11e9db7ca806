"""Server-sent events to chunks: chat and completions differ in nothing but the chunk (contract/llm.md 5)."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, ClassVar, Generic, Protocol, TypeVar

import msgspec

from ..errors import StreamCut
from ..wire.json import decode, remember
from ..wire.sse import SSEDecoder
from .accumulate import reasoning_text
from .types import ChatCompletionChunk

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..runtime.call import Runtime
    from ..transport.protocol import Response
    from .types import Usage

__all__ = ["ChatReader", "ChunkReader", "SSEReader"]


class _Part(Protocol):
    finish_reason: str | None


class _Chunk(Protocol):
    usage: Usage | None

    @property
    def choices(self) -> Sequence[_Part]: ...


T = TypeVar("T")
C = TypeVar("C", bound=_Chunk)


class SSEReader(ABC, Generic[T]):
    """What the readers of server-sent events have in common: see `runtime.streams.Reader`.

    Args:
        runtime: of the client.
        response: whose body is read.

    Attributes:
        cut: what is said of a stream that ends too early.
        finished: something has come after which the body may end, also without an end marker.
        usage: of the whole answer, the last one that came.
    """

    cut: ClassVar[str]

    def __init__(self, runtime: Runtime, response: Response) -> None:
        self.done = False
        self.finished = False
        self.usage: object = None
        self._runtime = runtime
        self._headers = response.headers
        self._events = SSEDecoder(max_event_bytes=runtime.settings.limits.max_event_bytes)

    @abstractmethod
    def feed(self, chunk: bytes, out: list[bytes]) -> None:
        """See `Reader.feed`."""

    @abstractmethod
    def decode(self, event: bytes) -> T:
        """See `Reader.decode`."""

    @abstractmethod
    def is_content(self, value: T) -> bool:
        """See `Reader.is_content`."""

    def close(self, out: list[bytes]) -> None:
        self.feed(b"\n\n", out)  # an event whose blank line was cut off is still an event
        for event in out:
            self.decode(event)
        if not self.done and not self.finished:
            raise StreamCut(self.cut)


class ChunkReader(SSEReader[C]):
    """The reader of a stream of chunks that ends with `[DONE]`. The usage may come on any chunk.

    Args:
        runtime: of the client.
        response: whose body is read.
        type_: of the chunks, an `Object`.
    """

    cut = "the stream ended without an end marker and without a finish reason"

    def __init__(self, runtime: Runtime, response: Response, type_: type[C]) -> None:
        super().__init__(runtime, response)
        self._decoder = runtime.decoders(type_)
        self._decode = self._decoder.decode

    def feed(self, chunk: bytes, out: list[bytes]) -> None:
        for event in self._events.feed(chunk):
            if event.data == b"[DONE]":
                self.done = True
                return
            out.append(event.data)

    def decode(self, event: bytes) -> C:
        try:
            value = self._decode(event)
        except (msgspec.DecodeError, UnicodeDecodeError):
            value = self._explain(event)
        remember(value, event)  # pyright: ignore[reportArgumentType] - every chunk is an Object
        for part in value.choices:
            if part.finish_reason is not None:
                self.finished = True
        if value.usage is not None:
            self.usage = value.usage
        return value

    def is_content(self, value: C) -> bool:
        return bool(value.choices)

    def _explain(self, data: bytes) -> C:
        """An event that is no chunk: an error frame, in one of its shapes, or nonsense."""
        refusal = self._runtime.embedded(data, self._headers)
        if refusal is not None:
            raise refusal
        return decode(self._decoder, data)  # raises, with the reason in words


class ChatReader(ChunkReader[ChatCompletionChunk]):
    """The reader of a chat stream."""

    def __init__(self, runtime: Runtime, response: Response) -> None:
        super().__init__(runtime, response, ChatCompletionChunk)

    def is_content(self, value: ChatCompletionChunk) -> bool:
        return any(
            part.finish_reason or part.delta.content or part.delta.tool_calls or reasoning_text(part.delta)
            for part in value.choices
        )
