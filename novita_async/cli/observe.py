"""`sandbox logs`, `sandbox metrics` and `sandbox events`: what the platform keeps of sandboxes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal, TypeVar

from cyclopts import Parameter
from cyclopts.validators import Number

from ..errors import NotFound
from ..runtime.clock import SystemClock
from .options import Count, Format, FormatOnly, moment, split
from .output import first, show, show_more

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence
    from datetime import datetime

    from ..client import AsyncNovita
    from ..sandbox.metrics import Event, LogEntry, Metric

__all__ = ["events", "logs", "metrics"]

T = TypeVar("T", "LogEntry", "Metric")

Follow = Annotated[bool, Parameter(name=["--follow", "-f"], negative="")]

_EVERY = 2.0  # seconds between two looks at what is followed

_LOGS: dict[str, Callable[[LogEntry], object]] = {
    "time": lambda it: it.timestamp,
    "level": lambda it: it.level,
    "message": lambda it: it.message,
    "fields": lambda it: it.fields,
}
_METRICS: dict[str, Callable[[Metric], object]] = {
    "time": lambda it: it.time,
    "vCPU": lambda it: it.cpu_count,
    "CPU %": lambda it: round(it.cpu_used_pct, 1),
    "memory MiB": lambda it: f"{it.memory_used / 2**20:.0f} of {it.memory_total / 2**20:.0f}",
    "disk MiB": lambda it: f"{it.disk_used / 2**20:.0f} of {it.disk_total / 2**20:.0f}",
}
_EVENTS: dict[str, Callable[[Event], object]] = {
    "time": lambda it: it.time,
    "sandbox": lambda it: it.sandbox_id,
    "event": lambda it: it.name,
    "state": lambda it: it.state,
    "template": lambda it: it.template_name or it.template,
    "error": lambda it: it.error,
}


async def logs(
    novita: AsyncNovita,
    sandbox_id: str,
    /,
    *,
    level: Literal["debug", "info", "warn", "error"] | None = None,
    loggers: str | None = None,
    follow: Follow = False,
    output: FormatOnly = "pretty",
) -> None:
    """Print the log of a sandbox.

    Args:
        sandbox_id: its id.
        level: only entries of this level and above.
        loggers: only entries of these loggers, with commas between.
        follow: go on until the sandbox ends.
    """
    wanted = set(split([loggers])) if loggers else None
    handle = novita.sandboxes.by_id(sandbox_id)

    async def read(since: datetime | None) -> list[LogEntry]:
        entries = await handle.logs(since=since, level=level)
        return [entry for entry in entries if wanted is None or entry.fields.get("logger") in wanted]

    await _observe(novita, sandbox_id, read, lambda entry: entry.timestamp, _LOGS, follow, output)


async def metrics(
    novita: AsyncNovita, sandbox_id: str, /, *, follow: Follow = False, output: FormatOnly = "pretty"
) -> None:
    """Print what a sandbox uses of CPU, memory and disk.

    Args:
        sandbox_id: its id.
        follow: go on until the sandbox ends.
    """
    handle = novita.sandboxes.by_id(sandbox_id)

    async def read(since: datetime | None) -> list[Metric]:
        return await handle.metrics(start=since)

    await _observe(novita, sandbox_id, read, lambda metric: metric.time, _METRICS, follow, output)


async def events(
    novita: AsyncNovita,
    sandbox_id: str | None = None,
    /,
    *,
    template_id: str | None = None,
    events: str | None = None,
    state: str | None = None,
    start_time: str | None = None,
    end_time: str | None = None,
    order_asc: Annotated[bool, Parameter(negative="")] = False,
    offset: Annotated[int, Parameter(validator=Number(gte=0))] = 0,
    limit: Count = 100,
    output: Format = "pretty",
) -> None:
    """List what has happened to sandboxes.

    Args:
        sandbox_id: of this one only.
        template_id: of sandboxes of this template only.
        events: only these, with commas between, such as create,delete.
        state: only those that ended so.
        start_time: not before: Unix seconds, or a time such as 2026-01-31T12:00:00Z.
        end_time: not after.
        order_asc: the oldest first.
        offset: how many to pass over.
        limit: how many to list.
    """
    found = novita.sandboxes.events(
        sandbox_id=sandbox_id,
        template=template_id,
        names=split([events]) if events else (),
        state=state,
        start=moment("--start-time", start_time),
        end=moment("--end-time", end_time),
        oldest_first=order_asc,
    )
    await show((await first(found, offset + limit))[offset:], _EVENTS, output)


async def _observe(
    novita: AsyncNovita,
    sandbox_id: str,
    read: Callable[[datetime | None], Awaitable[list[T]]],
    time: Callable[[T], datetime | None],
    columns: Mapping[str, Callable[[T], object]],
    follow: bool,
    output: str,
) -> None:
    items: Sequence[T] = await read(None)
    if not follow:
        await show(items, columns, output)
        return
    last, before, titles = None, [], True
    while True:
        # The moment of the last one is asked for again: it may have had more.
        fresh = [item for item in items if item not in before]
        await show_more(fresh, columns, output, titles=titles)
        titles = False
        if items:
            last, before = time(items[-1]), items
        if not fresh and await _ended(novita, sandbox_id):
            return
        await SystemClock().sleep(_EVERY)
        try:
            items = await read(last)
        except NotFound:
            return


async def _ended(novita: AsyncNovita, sandbox_id: str) -> bool:
    try:
        await novita.sandboxes.info(sandbox_id)
    except NotFound:
        return True
    return False
