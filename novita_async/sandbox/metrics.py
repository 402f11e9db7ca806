"""What the platform keeps of sandboxes: metrics, logs, events, quota (contract/sandbox.md 9, 13)."""

from __future__ import annotations

import math
from datetime import UTC, datetime

import msgspec

from ..errors import ValidationError
from ..runtime.arguments import given
from ..wire.json import Object

__all__ = [
    "Event",
    "LogEntry",
    "LogLine",
    "Metric",
    "Quota",
    "QuotaUsage",
    "log_query",
    "milliseconds",
    "moment",
    "span",
]


class Metric(Object):
    """What a sandbox used at a moment.

    Attributes:
        time: the moment.
        cpu_count: virtual CPUs.
        cpu_used_pct: of them all, in percent.
        memory_used, memory_total: in bytes.
        disk_used, disk_total: in bytes.
    """

    timestamp: datetime | None = None
    timestamp_unix: float | None = msgspec.field(name="timestampUnix", default=None)
    cpu_count: int = msgspec.field(name="cpuCount", default=0)
    cpu_used_pct: float = msgspec.field(name="cpuUsedPct", default=0.0)
    memory_used: int = msgspec.field(name="memUsed", default=0)
    memory_total: int = msgspec.field(name="memTotal", default=0)
    disk_used: int = msgspec.field(name="diskUsed", default=0)
    disk_total: int = msgspec.field(name="diskTotal", default=0)

    @property
    def time(self) -> datetime | None:
        """When it was measured. The platform tells it in two fields, of which one may be missing."""
        return moment(self.timestamp, self.timestamp_unix)


class LogEntry(Object):
    """An entry of a sandbox's log.

    Attributes:
        timestamp: when it was written.
        message: what it says.
        level: "debug", "info", "warn" or "error".
        fields: what else was noted, text to text.
    """

    timestamp: datetime | None = None
    message: str = ""
    level: str = ""
    fields: dict[str, str] = msgspec.field(default_factory=dict)


class LogLine(Object):
    """A line of a sandbox's log, as it was written."""

    timestamp: datetime | None = None
    line: str = ""


class Event(Object):
    """Something that happened to a sandbox.

    Attributes:
        id: the event's own.
        recorded_at: Unix seconds; `time` is the same as a datetime.
        name: "create", "pause", "resume", "connect", "timeout", "delete" and others.
        state: how it went, such as "success".
        sandbox_id: the sandbox.
        template: id of its template; `template_name` is its name.
        error: what went wrong.
        status_code: the HTTP status of what was asked for.
    """

    id: str = msgspec.field(name="eventID", default="")
    recorded_at: float | None = msgspec.field(name="recordAt", default=None)
    name: str = msgspec.field(name="eventName", default="")
    state: str = ""
    sandbox_id: str = msgspec.field(name="sandboxID", default="")
    template: str = msgspec.field(name="templateID", default="")
    template_name: str = msgspec.field(name="templateName", default="")
    error: str | None = msgspec.field(name="errorMsg", default=None)
    status_code: int = msgspec.field(name="statusCode", default=0)

    @property
    def time(self) -> datetime | None:
        """When it happened."""
        return moment(None, self.recorded_at)


class QuotaUsage(Object):
    """Numbers of an account: what is allowed, or what is in use. None where the platform does not tell.

    Attributes:
        sandboxes: running at once.
        vcpus: of them together.
        memory_mb: of them together, in MiB.
        max_hours: the longest lifetime; only of a limit, as are those below.
        disk_mb: disk of a sandbox in MiB.
        max_vcpus: virtual CPUs of a sandbox.
        max_memory_mb: memory of a sandbox in MiB.
    """

    sandboxes: int | None = msgspec.field(name="concurrentInstances", default=None)
    vcpus: int | None = msgspec.field(name="concurrentVcpu", default=None)
    memory_mb: int | None = msgspec.field(name="concurrentRamMb", default=None)
    max_hours: int | None = msgspec.field(name="maxLengthHours", default=None)
    disk_mb: int | None = msgspec.field(name="diskMb", default=None)
    max_vcpus: int | None = msgspec.field(name="maxVcpu", default=None)
    max_memory_mb: int | None = msgspec.field(name="maxRamMb", default=None)


class Quota(Object):
    """What the account may use of sandboxes, and what it uses now."""

    limit: QuotaUsage = msgspec.field(default_factory=QuotaUsage)
    usage: QuotaUsage = msgspec.field(default_factory=QuotaUsage)


def moment(told: datetime | None, unix: float | None) -> datetime | None:
    """A time that the platform tells as text, as Unix seconds, or both."""
    if told is None and unix is not None:
        return datetime.fromtimestamp(unix, UTC)
    return told.replace(tzinfo=UTC) if told is not None and told.tzinfo is None else told


def milliseconds(name: str, time: datetime | None) -> int | None:
    """A time as logs take it."""
    if time is None:
        return None
    if not isinstance(time, datetime) or time.tzinfo is None:  # pyright: ignore[reportUnnecessaryIsInstance] - a caller's
        raise ValidationError(f"{name} must be a datetime with a time zone, got {time!r}")
    if time.timestamp() < 0:
        raise ValidationError(f"{name} is before 1970")
    return math.floor(time.timestamp() * 1000)


def seconds_of(name: str, time: datetime | None) -> int | None:
    """A time as everything else takes it: whole Unix seconds."""
    exact = milliseconds(name, time)
    return None if exact is None else exact // 1000


def span(start: datetime | None, end: datetime | None) -> dict[str, int | None]:
    """A span of time as query parameters."""
    if start is not None and end is not None and seconds_of("start", start) > seconds_of("end", end):  # type: ignore[operator] - neither is None
        raise ValidationError("start is after end")
    return {"start": seconds_of("start", start), "end": seconds_of("end", end)}


def log_query(
    since: datetime | None, limit: int, level: str | None, search: str | None, backward: bool | None
) -> dict[str, str | int]:
    """The query of a log."""
    if type(limit) is not int or not 1 <= limit <= 1000:
        raise ValidationError(f"limit must be 1 to 1000, got {limit!r}")
    if search is not None and len(search) > 256:
        raise ValidationError(f"search has {len(search)} characters, and 256 are the most")
    return given(
        cursor=milliseconds("since", since),
        limit=limit,
        direction={True: "backward", False: "forward", None: None}[backward],
        level=level,
        search=search,
    )
