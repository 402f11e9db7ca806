"""Streams whose events say their type: those of the Anthropic surface and of Responses (contract/llm.md 13, 14)."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, ClassVar, TypeVar, cast

import msgspec

from ..errors import ProtocolError
from .reader import SSEReader

__all__ = ["NamedReader"]

T = TypeVar("T")

_SHOWN = 200


class NamedReader(SSEReader[T]):
    """The reader of such a stream.

    Attributes:
        ends: types of the events of which one is the last.
    """

    cut = "the stream ended without its last event"
    ends: ClassVar[frozenset[str]] = frozenset()

    @abstractmethod
    def knows(self, kind: str) -> bool:
        """Whether an event of this type is surely no error frame."""

    @abstractmethod
    def make(self, fields: dict[str, Any], event: bytes) -> T:
        """The value of an event."""

    def feed(self, chunk: bytes, out: list[bytes]) -> None:
        for event in self._events.feed(chunk):
            kind = event.event or _type_of(event.data)
            if kind == "ping":
                continue  # as good as a comment: it says that the server lives, and not that it gives anything
            if event.data == b"[DONE]":
                self.done = True
                return
            out.append(event.data)
            if kind in self.ends:
                self.done = True
                return

    def decode(self, event: bytes) -> T:
        try:
            value: object = msgspec.json.decode(event)
        except (msgspec.DecodeError, UnicodeDecodeError):
            value = None
        fields = cast("dict[str, Any]", value) if isinstance(value, dict) else {}
        kind = fields.get("type")
        if not isinstance(kind, str) or not self.knows(kind):
            refusal = self._runtime.embedded(event, self._headers)
            if refusal is not None:
                raise refusal
        if not isinstance(kind, str):
            start = event[:_SHOWN].decode("utf-8", "replace")
            raise ProtocolError(f"an event of the stream has no type; it begins {start!r}", body=event)
        try:
            return self.make(fields, event)
        except msgspec.ValidationError as error:
            raise ProtocolError(f"unreadable event {kind!r} of the stream: {error}", body=event) from error


class _Typed(msgspec.Struct):
    type: str = ""


def _type_of(data: bytes) -> str:
    """The type of an event that the stream did not name, "" where it says none."""
    try:
        return msgspec.json.decode(data, type=_Typed).type
    except (msgspec.DecodeError, UnicodeDecodeError):
        return ""
