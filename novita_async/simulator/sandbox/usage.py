"""What is used: quota, metrics of sandboxes and of the team (contract/sandbox.openapi.yaml)."""

from __future__ import annotations

import uuid
from bisect import bisect_left, bisect_right
from collections import deque
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import msgspec

from ..router import json_reply
from .bodies import number, refusal, stamp
from .life import DISK_MB, LONGEST_LONG_RUNNING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from ...transport.protocol import Reply
    from ..ledger import Ledger
    from ..router import Call, Endpoint
    from .control import Sandboxes
    from .life import Life

__all__ = ["Usage"]

_MIB = 2**20
_MOST_VCPU, _MOST_RAM_MB = 8, 8192
_SAMPLES_KEPT = 1_000
_SPANS_KEPT = 20_000
_TEAM_SAMPLES = 100
#: In 1/10000 dollars an hour, of a vCPU and a GiB (contract/sandbox.md 13).
_VCPU, _GIB = Decimal("352.8"), Decimal("115.2")
_TEAM = str(uuid.UUID(int=1, version=4))


class _Span(msgspec.Struct):
    """For how long a sandbox ran, in Unix seconds; `ended` is None while it does."""

    id: str
    began: float
    ended: float | None = None


class _Counts:
    """How many sandboxes ran and began when, by whole Unix seconds."""

    def __init__(self, spans: Iterable[_Span]) -> None:
        self._began: list[int] = []
        self._ended: list[float] = []
        for span in spans:
            self._began.append(int(span.began))
            if span.ended is not None:
                self._ended.append(span.ended)
        self._began.sort()
        self._ended.sort()

    def at_once(self, at: int) -> int:
        """How many ran in this second."""
        return bisect_right(self._began, at) - bisect_right(self._ended, at)

    def starts(self, after: int, until: int) -> int:
        """How many began in the seconds after one, up to another."""
        return bisect_right(self._began, until) - bisect_right(self._began, after)

    def moments(self, start: int, end: int) -> list[int]:
        """The seconds in which the numbers can have been the highest: the first, and those in which one began."""
        between = self._began[bisect_left(self._began, start) : bisect_right(self._began, end)]
        return sorted({start, *between})


class Usage:
    """Who uses how much. Nothing is measured but when it is asked for."""

    def __init__(self, sandboxes: Sandboxes, ledger: Ledger | None = None) -> None:
        self._sandboxes = sandboxes
        self._ledger = ledger
        self._spans: deque[_Span] = deque(maxlen=_SPANS_KEPT)
        self._open: dict[str, _Span] = {}
        self._samples: dict[str, deque[dict[str, Any]]] = {}

    def routes(self, add: Callable[[str, str, Endpoint], None]) -> None:
        add("GET", "/sandboxes/quota", self._quota)
        add("GET", "/sandboxes/metrics", self._metrics_of_many)
        add("GET", "/sandboxes/events", self._sandboxes.timeline.listed)
        add("GET", "/sandboxes/{id}/metrics", self._metrics)
        add("GET", "/teams", self._teams)
        add("GET", "/teams/{team}/metrics", self._team_metrics)
        add("GET", "/teams/{team}/metrics/max", self._team_peak)

    def began(self, life: Life) -> None:
        """A sandbox runs from now on."""
        self._open[life.id] = span = _Span(life.id, self._sandboxes.clock.time())
        self._spans.append(span)
        self.metered(life)

    def metered(self, life: Life) -> None:
        """While it runs it is paid for, from now on by the processors and the memory that it has now."""
        if self._ledger is not None and life.id in self._open:
            self._ledger.end(life.id)
            gib = Decimal(life.memory_mb) / 1024
            self._ledger.begin(life.id, "cloud_sandbox", "sandbox", life.image.cpu_count * _VCPU + gib * _GIB)

    def ended(self, sandbox_id: str, *, gone: bool = False) -> None:
        """It runs no more; `gone` for good."""
        if span := self._open.pop(sandbox_id, None):
            span.ended = self._sandboxes.clock.time()
        if self._ledger is not None:
            self._ledger.end(sandbox_id)
        if gone:
            self._samples.pop(sandbox_id, None)

    async def _quota(self, call: Call) -> Reply:
        running = self._sandboxes.lives({"running"})
        most = self._sandboxes.concurrent
        return json_reply(
            {
                "limit": {
                    "concurrentInstances": most,
                    "concurrentVcpu": most * _MOST_VCPU,
                    "concurrentRamMb": most * _MOST_RAM_MB,
                    "maxLengthHours": LONGEST_LONG_RUNNING // 3600,
                    "diskMb": DISK_MB,
                    "maxVcpu": _MOST_VCPU,
                    "maxRamMb": _MOST_RAM_MB,
                },
                "usage": {
                    "concurrentInstances": len(running),
                    "concurrentVcpu": sum(life.image.cpu_count for life in running),
                    "concurrentRamMb": sum(life.memory_mb for life in running),
                },
            }
        )

    # Of sandboxes.

    async def _metrics(self, call: Call) -> Reply:
        life = self._sandboxes.named(call)
        start, end = number(call, "start", 0), number(call, "end", 2**62)
        if start > end:
            raise refusal(400, "start is after end")
        if life.state == "running":
            await self._sample(life)
        return json_reply([one for one in self._samples.get(life.id, ()) if start <= one["timestampUnix"] <= end])

    async def _metrics_of_many(self, call: Call) -> Reply:
        ids = [each for each in call.query.get("sandbox_ids", "").split(",") if each]
        if not 1 <= len(ids) <= 100:
            raise refusal(400, "sandbox_ids must name 1 to 100 sandboxes")
        found = {each: life for each in ids if (life := self._sandboxes.life(each)) and life.state == "running"}
        return json_reply({"sandboxes": {each: await self._sample(life) for each, life in found.items()}})

    async def _sample(self, life: Life) -> dict[str, Any]:
        used = await life.machine.metrics()
        now = self._sandboxes.clock.time()
        sample: dict[str, Any] = {
            "timestamp": stamp(now),
            "timestampUnix": int(now),
            "cpuCount": life.image.cpu_count,
            "cpuUsedPct": round(used.cpu_percent, 2),
            "memUsed": used.memory,
            "memTotal": life.memory_mb * _MIB,
            "memCache": 0,  # the cache of files is this machine's. E2B's clients want the field
            "diskUsed": used.disk,
            "diskTotal": DISK_MB * _MIB,
        }
        samples = self._samples.setdefault(life.id, deque(maxlen=_SAMPLES_KEPT))
        if samples and samples[-1]["timestampUnix"] == sample["timestampUnix"]:
            samples.pop()  # one a second, the latest
        samples.append(sample)
        return sample

    # Of the team.

    async def _teams(self, call: Call) -> Reply:
        key = self._sandboxes.api_key
        return json_reply(
            [{"teamID": _TEAM, "name": "default", "apiKey": f"{key[:5]}...{key[-4:]}", "isDefault": True}]
        )

    async def _team_metrics(self, call: Call) -> Reply:
        start, end = self._window(call)
        step = max(1, (end - start) // _TEAM_SAMPLES)
        counts = _Counts(self._spans)
        samples = [
            {
                **_moment(at),
                "concurrentSandboxes": counts.at_once(at),
                "sandboxStartRate": counts.starts(at - step, at) / step,
            }
            for at in range(start + step, end + 1, step)
        ]
        return json_reply(samples)

    async def _team_peak(self, call: Call) -> Reply:
        start, end = self._window(call)
        metric = call.query.get("metric")
        counts = _Counts(self._spans)
        moments = counts.moments(start, end)
        if metric == "concurrent_sandboxes":
            value, at = max((counts.at_once(at), -at) for at in moments)
        elif metric == "sandbox_start_rate":
            value, at = max((counts.starts(at - 1, at), -at) for at in moments)
        else:
            raise refusal(400, "metric must be concurrent_sandboxes or sandbox_start_rate")
        return json_reply({**_moment(-at), "value": value})

    def _window(self, call: Call) -> tuple[int, int]:
        if call.params["team"] != _TEAM:
            raise refusal(403, "you are not in this team")
        end = number(call, "end", int(self._sandboxes.clock.time()))
        start = number(call, "start", end - 3600)
        if start > end:
            raise refusal(400, "start is after end")
        return start, end


def _moment(at: int) -> dict[str, Any]:
    return {"timestamp": stamp(at), "timestampUnix": at}
