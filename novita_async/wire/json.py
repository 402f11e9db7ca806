"""JSON in and out: one encoder, one reused decoder a type, and objects that keep the JSON they came from."""

from __future__ import annotations

from typing import Any, TypeVar

import msgspec

from ..errors import ProtocolError

__all__ = ["Decoders", "Object", "decode", "encode", "remember"]

T = TypeVar("T")

_SHOWN_ON_ERROR = 200


class Object(msgspec.Struct, dict=True, kw_only=True):
    """A JSON object from the platform: its known fields typed, everything else reachable through `raw`."""

    @property
    def raw(self) -> dict[str, Any]:
        """The untouched JSON object, unknown fields included. Decoded at each access; empty on nested objects,
        whose JSON stands inside that of the object the call returned."""
        body: bytes = vars(self).get("_body", b"{}")
        return msgspec.json.decode(body)


class Decoders:
    """A decoder for each type, kept for reuse.

    Bounded, because types can be made at run time (structured output): the oldest is dropped, so that a service that
    builds types for ever does not grow for ever.
    """

    def __init__(self, size: int = 512) -> None:
        self._size = size
        self._decoders: dict[Any, msgspec.json.Decoder[Any]] = {}

    def __call__(self, type_: type[T]) -> msgspec.json.Decoder[T]:
        decoder = self._decoders.get(type_)
        if decoder is None:
            if len(self._decoders) >= self._size:
                del self._decoders[next(iter(self._decoders))]
            # strict=False: the platform sends numbers as text in places where its own pages say numbers.
            decoder = self._decoders[type_] = msgspec.json.Decoder(type_, strict=False)
        return decoder


_ENCODER = msgspec.json.Encoder()


def encode(value: Any) -> bytes:
    """Encode a value as JSON.

    Raises:
        TypeError: the value holds something that JSON cannot carry.
    """
    return _ENCODER.encode(value)


def decode(decoder: msgspec.json.Decoder[T], body: bytes) -> T:
    """Decode a body and let an `Object` remember it.

    Raises:
        ProtocolError: the body is not JSON, or not of the decoder's type.
    """
    try:
        value = decoder.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        # ValidationError is a DecodeError. An excerpt is enough to see that HTML came instead of JSON.
        start = body[:_SHOWN_ON_ERROR].decode("utf-8", "replace")
        raise ProtocolError(f"unreadable answer: {error}; it begins {start!r}", body=body) from error
    if isinstance(value, Object):
        remember(value, body)
    return value


def remember(value: Object, body: bytes) -> None:
    """Let an object know the JSON it was decoded from."""
    value.__dict__["_body"] = body  # pyright: ignore[reportIndexIssue]  # a real dict, whatever typeshed says of all
