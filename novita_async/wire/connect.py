"""Connect streaming: envelopes of one flag byte, a 4-byte big-endian length and a payload (contract/sandbox.md 3)."""

from __future__ import annotations

import struct

import msgspec

from ..errors import EventTooLarge, ProtocolError
from .sse import DEFAULT_MAX_EVENT_BYTES

__all__ = ["COMPRESSED", "END_STREAM", "ConnectDecoder", "Envelope", "envelope"]

COMPRESSED = 0x01
END_STREAM = 0x02

_HEADER = struct.Struct(">BI")


class Envelope(msgspec.Struct, frozen=True, gc=False):
    """One message of a stream. `flags` has END_STREAM on the last one, whose payload is always JSON."""

    flags: int
    payload: bytes


def envelope(payload: bytes, flags: int = 0) -> bytes:
    """Frame a payload, as one bytes object: readers exist that wait when header and payload come apart."""
    return _HEADER.pack(flags, len(payload)) + payload


class ConnectDecoder:
    """`feed` bytes, get envelopes.

    Args:
        max_event_bytes: the largest payload that is accepted before `EventTooLarge` is raised.
    """

    def __init__(self, *, max_event_bytes: int = DEFAULT_MAX_EVENT_BYTES) -> None:
        self._max = max_event_bytes
        self._pending: list[bytes] = []
        self._size = 0
        self._wanted = _HEADER.size

    def feed(self, chunk: bytes) -> list[Envelope]:
        """Take the next bytes and return the envelopes they complete.

        Raises:
            EventTooLarge: a header announces more than `max_event_bytes`.
            ProtocolError: an envelope is compressed, which was not asked for.
        """
        self._pending.append(chunk)
        self._size += len(chunk)
        if self._size < self._wanted:
            return []
        data = self._pending[0] if len(self._pending) == 1 else b"".join(self._pending)
        found: list[Envelope] = []
        start = 0
        self._wanted = _HEADER.size
        while len(data) - start >= _HEADER.size:
            flags, length = _HEADER.unpack_from(data, start)
            if length > self._max:
                raise EventTooLarge(f"a message of {length} bytes is larger than {self._max}")
            if flags & COMPRESSED:
                raise ProtocolError("the stream is compressed, which was not asked for")
            end = start + _HEADER.size + length
            if end > len(data):
                self._wanted = end - start
                break
            found.append(Envelope(flags, data[start + _HEADER.size : end]))
            start = end
        self._pending = [data[start:]] if start < len(data) else []
        self._size = len(data) - start
        return found

    def close(self) -> list[Envelope]:
        """Take the end of the stream.

        Raises:
            ProtocolError: the stream ended inside an envelope.
        """
        if self._size:
            raise ProtocolError(f"the stream ended inside a message, {self._size} bytes of it had come")
        return []
