"""What happened: the timeline of all sandboxes, and the log of each (contract/sandbox.openapi.yaml)."""

from __future__ import annotations

import itertools
from collections import deque
from typing import TYPE_CHECKING, Any

import msgspec

from ..router import json_reply
from .bodies import number, refusal, stamp

if TYPE_CHECKING:
    from ...runtime.clock import Clock
    from ...transport.protocol import Reply
    from ..router import Call
    from .life import Life

__all__ = ["Entry", "Log", "Timeline", "logs_v1", "logs_v2"]

_DAY = 86400
_DEFAULT_WINDOW, _WIDEST_WINDOW = 30 * _DAY, 60 * _DAY
_EVENTS_KEPT = 20_000
_LINES_KEPT = 2_000
_LEVELS = ("debug", "info", "warn", "error")


class Entry(msgspec.Struct, frozen=True):
    """A line of a sandbox's log. `time` is in Unix seconds."""

    time: float
    level: str
    message: str
    fields: dict[str, str]

    def told(self) -> dict[str, Any]:
        return {"timestamp": stamp(self.time), "level": self.level, "message": self.message, "fields": self.fields}


class Log:
    """The last lines of one sandbox: what its commands wrote and what became of it."""

    def __init__(self, clock: Clock) -> None:
        self.entries: deque[Entry] = deque(maxlen=_LINES_KEPT)
        self._clock = clock

    def add(self, message: str, *, level: str = "info", **fields: str) -> None:
        self.entries.append(Entry(self._clock.time(), level, message, fields))


class _Event(msgspec.Struct, frozen=True, kw_only=True):
    """An entry of the timeline, as it is told."""

    eventID: str
    recordAt: int
    templateID: str
    templateName: str
    sandboxID: str
    eventName: str
    state: str
    errorMsg: str
    statusCode: int


class Timeline:
    """The operations on all sandboxes, the last 20,000 of them."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._events: deque[_Event] = deque(maxlen=_EVENTS_KEPT)
        self._numbers = itertools.count(1)

    def record(self, name: str, life: Life, *, status: int = 200, error: str = "") -> None:
        """Say what was done with a sandbox: create, pause, resume, connect, timeout, delete, ..."""
        life.log.add(error or f"sandbox {name}", level="error" if error else "info", event=name)
        self._events.append(
            _Event(
                eventID=f"evt-{next(self._numbers):08d}",
                recordAt=int(self._clock.time()),
                templateID=life.image.id,
                templateName=life.image.alias or life.image.id,
                sandboxID=life.id,
                eventName=name,
                state="failed" if error else "success",
                errorMsg=error,
                statusCode=status,
            )
        )

    async def listed(self, call: Call) -> Reply:
        """GET /sandboxes/events."""
        end = number(call, "endTime", int(self._clock.time()))
        start = number(call, "startTime", end - _DEFAULT_WINDOW)
        if start > end:
            raise refusal(400, "startTime is after endTime")
        if end - start > _WIDEST_WINDOW:
            raise refusal(400, "the time range must not exceed 60 days")
        offset = number(call, "offset", 0)
        limit = number(call, "limit", 10, least=1, most=100)
        ascending = call.query.get("orderAsc", "false").lower()
        if ascending not in ("true", "false"):
            raise refusal(400, "orderAsc must be true or false")
        names = {name for name in call.query.get("events", "").split(",") if name}
        state = call.query.get("state", "")
        found = [
            event
            for event in self._events
            if start <= event.recordAt <= end
            and call.query.get("sandboxID", "") in event.sandboxID
            and call.query.get("templateID", "") in event.templateID
            and (not names or event.eventName in names)
            and (not state or event.state == state)
        ]
        if ascending == "false":
            found.reverse()
        page = found[offset : offset + limit]
        return json_reply({"items": page, "total": len(found), "hasMore": offset + len(page) < len(found)})


def logs_v1(call: Call, life: Life) -> Reply:
    """GET /sandboxes/{id}/logs: from `start` in milliseconds on, the oldest first."""
    start = number(call, "start", 0)
    limit = number(call, "limit", 1000, clamp=True, most=1000)
    found = [entry for entry in life.log.entries if entry.time * 1000 >= start][:limit]
    return json_reply(
        {
            "logs": [{"line": entry.message, "timestamp": stamp(entry.time)} for entry in found],
            "logEntries": [entry.told() for entry in found],
        }
    )


def logs_v2(call: Call, life: Life) -> Reply:
    """GET /v2/sandboxes/{id}/logs: from the cursor in milliseconds on, forward or backward."""
    direction = call.query.get("direction", "forward")
    level = call.query.get("level", "debug")
    search = call.query.get("search", "")
    if direction not in ("forward", "backward") or level not in _LEVELS or len(search) > 256:
        raise refusal(400, "invalid direction, level or search")
    limit = number(call, "limit", 1000, most=1000)
    entries = list(life.log.entries)
    cursor = number(call, "cursor", 0 if direction == "forward" else 2**62)
    if direction == "forward":
        entries = [entry for entry in entries if entry.time * 1000 >= cursor]
    else:
        entries = [entry for entry in reversed(entries) if entry.time * 1000 <= cursor]
    least = _LEVELS.index(level)
    found = [entry for entry in entries if _LEVELS.index(entry.level) >= least and search in entry.message]
    return json_reply({"logs": [entry.told() for entry in found[:limit]]})
