"""Server-sent events, bytes in and events out.

Lines end at LF, CRLF or CR and nowhere else: U+0085 and U+2028 are data. An event is split off only when its blank line
has come, whatever the chunks are; each byte is looked at once, so a 16 MiB event in small chunks costs linear time.
"""

from __future__ import annotations

import msgspec

from ..errors import EventTooLarge

__all__ = ["DEFAULT_MAX_EVENT_BYTES", "SSEDecoder", "ServerSentEvent"]

DEFAULT_MAX_EVENT_BYTES = 16 * 1024 * 1024

_SMALL = 4096  # bytes that may be copied once more for every chunk

_BOM = b"\xef\xbb\xbf"


class ServerSentEvent(msgspec.Struct, frozen=True, gc=False):
    """One event. `data` has its lines joined by LF; `event` is "" when the stream did not name it."""

    data: bytes
    event: str = ""
    id: str = ""


class SSEDecoder:
    """`feed` bytes, get events. Comments (`: ...`) and fields without meaning here are dropped.

    Args:
        max_event_bytes: the largest event that is held before `EventTooLarge` is raised.
    """

    def __init__(self, *, max_event_bytes: int = DEFAULT_MAX_EVENT_BYTES) -> None:
        self._max = max_event_bytes
        self._line: list[bytes] = []  # pieces of a line whose end has not come
        self._line_size = 0
        self._skip_lf = False  # the last chunk ended in CR: an LF at the start of the next one belongs to it
        self._start: bytes | None = b""  # what came so far of a byte order mark, None once that is settled
        self._rest = b""  # the beginning of an event, not looked at yet
        self._small = min(_SMALL, max_event_bytes)
        self._reset()

    def _reset(self) -> None:
        self._data: list[bytes] = []
        self._data_size = 0
        self._event = ""
        self._id = ""

    def feed(self, chunk: bytes) -> list[ServerSentEvent]:
        """Take the next bytes and return the events they complete.

        Raises:
            EventTooLarge: an unfinished event holds more than `max_event_bytes`.
        """
        events: list[ServerSentEvent] = []
        if self._start is not None:
            chunk = self._start + chunk
            if len(chunk) < len(_BOM) and _BOM.startswith(chunk):
                self._start = chunk  # a byte order mark comes in pieces too
                return events
            self._start = None
            chunk = chunk.removeprefix(_BOM)
        if self._skip_lf and chunk:
            self._skip_lf = False
            chunk = chunk.removeprefix(b"\n")
        if b"\r" in chunk:
            self._skip_lf = chunk.endswith(b"\r")
            chunk = self._rest + chunk
            self._rest = b""
            chunk = chunk.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        elif not self._line and not self._data and not self._event and not self._id:
            if self._rest:
                chunk = self._rest + chunk
                self._rest = b""
            chunk = self._whole_events(chunk, events)
            if not chunk or (len(chunk) <= self._small and b"\n\n" not in chunk):
                # The beginning of an event, kept as it is: the next chunk makes it whole, and takes this path too.
                self._rest = chunk
                return events
        start = 0
        while (end := chunk.find(b"\n", start)) >= 0:
            line = chunk[start:end]
            if self._line:
                self._line.append(line)
                line = b"".join(self._line)
                self._line.clear()
                self._line_size = 0
            if line:
                self._field(line)
            else:
                self._dispatch(events)
            start = end + 1
        if start < len(chunk):
            self._line.append(chunk[start:] if start else chunk)
            self._line_size += len(chunk) - start
        if self._line_size + self._data_size > self._max:
            raise EventTooLarge(f"an event of the stream is larger than {self._max} bytes")
        return events

    def _whole_events(self, chunk: bytes, events: list[ServerSentEvent]) -> bytes:
        """Take the events that lie whole in a chunk, as nearly all do: one `data: ` line and a blank line."""
        if len(chunk) > self._max:
            return chunk
        # Splitting at single line ends is the quickest search there is. It gives a line, a blank one, a line, ...
        lines = chunk.split(b"\n")
        rest = lines.pop()
        each = iter(lines)
        for line, blank in zip(each, each, strict=False):
            if blank or line[:6] != b"data: ":
                break
            events.append(ServerSentEvent(line[6:]))
        return b"\n".join([*lines[2 * len(events) :], rest])

    def _field(self, line: bytes) -> None:
        name, colon, value = line.partition(b":")
        if colon and value.startswith(b" "):
            value = value[1:]
        if name == b"data":
            self._data.append(value)
            self._data_size += len(value) + 1
            if self._data_size > self._max:
                raise EventTooLarge(f"an event of the stream is larger than {self._max} bytes")
        elif name == b"event":
            self._event = value.decode("utf-8", "replace")
        elif name == b"id":
            self._id = value.decode("utf-8", "replace")

    def _dispatch(self, events: list[ServerSentEvent]) -> None:
        if self._data:
            data = self._data[0] if len(self._data) == 1 else b"\n".join(self._data)
            events.append(ServerSentEvent(data, self._event, self._id))
        self._reset()

    def close(self) -> list[ServerSentEvent]:
        """Take the end of the stream and return the event whose blank line never came, if it has data."""
        self._small = -1  # nothing is kept for later any more
        events = self.feed(b"")
        if self._line:
            line = b"".join(self._line)
            self._line.clear()
            self._line_size = 0
            self._field(line)
        self._dispatch(events)
        return events
