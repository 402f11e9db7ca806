"""Newline-delimited JSON: bytes in, lines out."""

from __future__ import annotations

from ..errors import EventTooLarge
from .sse import DEFAULT_MAX_EVENT_BYTES

__all__ = ["NDJSONDecoder"]


class NDJSONDecoder:
    """`feed` bytes, get the complete lines without their ends; empty lines are dropped.

    Args:
        max_event_bytes: the longest line that is held before `EventTooLarge` is raised.
    """

    def __init__(self, *, max_event_bytes: int = DEFAULT_MAX_EVENT_BYTES) -> None:
        self._max = max_event_bytes
        self._pending: list[bytes] = []
        self._size = 0

    def feed(self, chunk: bytes) -> list[bytes]:
        """Take the next bytes and return the lines they complete.

        Raises:
            EventTooLarge: an unfinished line is longer than `max_event_bytes`.
        """
        lines = chunk.split(b"\n")
        if len(lines) == 1:
            tail = chunk
            lines = []
        else:
            tail = lines.pop()
            self._pending.append(lines[0])
            lines[0] = b"".join(self._pending)
            self._pending.clear()
            self._size = 0
        if tail:
            self._pending.append(tail)
            self._size += len(tail)
        if self._size > self._max:
            raise EventTooLarge(f"a line of the stream is longer than {self._max} bytes")
        return [line for line in (raw.rstrip(b"\r") for raw in lines) if line]

    def close(self) -> list[bytes]:
        """Take the end of the stream and return the last line if it had no end."""
        line = b"".join(self._pending).rstrip(b"\r")
        self._pending.clear()
        self._size = 0
        return [line] if line else []
