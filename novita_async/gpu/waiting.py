"""Waiting for instances: what a status means for a wait, and one list in place of many reads where that is cheaper."""

from __future__ import annotations

import asyncio
import math
from typing import TYPE_CHECKING

from ..catalog.gpu_life import GONE, LASTING, LIFE, PASSING
from ..errors import NotFound
from ..runtime.task import Reading

if TYPE_CHECKING:
    from .instance import Instance
    from .instances import Instances

__all__ = ["Board", "Reader"]

_POLL_LIMIT = 30.0  # seconds for one read
_FEW = 8  # for so many, reads of their own are good enough
_FRESH = 2.0  # seconds for which a list tells of others too
_PAGE_SIZE = 100

#: How far along each passing status is, in percent.
_PROGRESS = {
    status: 100.0 * number / (len(operation.path) - 1)
    for operation in LIFE.values()
    for number, status in enumerate(operation.path[:-1])
}


class Board:
    """The instances of a client that are waited for, and the last list of them.

    A list of the account is so many pages whatever is waited for, and a read of an instance is one call each: where
    many are waited for, the list is cheaper, and one of them tells about all.
    """

    def __init__(self, instances: Instances) -> None:
        self._instances = instances
        self._clock = instances.clock
        self._lock = asyncio.Lock()
        self._listed: dict[str, Instance] = {}
        self._listed_number = 0
        self.listed_at = -math.inf  # when the last list was begun
        self.waiting = 0
        self.number = 0  # of the list that was begun last

    @property
    def _worth_it(self) -> bool:
        pages = 1 + max(len(self._listed), self.waiting) // _PAGE_SIZE
        return self.waiting >= _FEW and self.waiting > 2 * pages

    async def read(self, instance_id: str, seen: int) -> tuple[Instance, int]:
        """An instance as it is now.

        Args:
            instance_id: its id.
            seen: the number of a list: what was listed by then is too old.

        Returns:
            The instance, and the number of the list that it is from; 0 for details of its own.
        """
        if self._worth_it:
            listed = await self.recent(_FRESH, seen)
            if instance_id in listed:
                return listed[instance_id], self._listed_number
        return await self._instances.read(instance_id, attempts=1, attempt=_POLL_LIMIT), 0

    async def recent(self, seconds: float, seen: int = -1) -> dict[str, Instance]:
        """All instances by id, as they were so many seconds ago at most, of a list with a higher number than `seen`."""
        async with self._lock:
            if self._listed_number <= seen or self._clock.monotonic() - self.listed_at > seconds:
                self.number += 1
                number, at = self.number, self._clock.monotonic()
                pages = self._instances.pages({}, attempts=1, attempt=_POLL_LIMIT)
                self._listed = {instance.id: instance async for instance in pages}
                self._listed_number, self.listed_at = number, at
            return self._listed


class Reader:
    """Reads an instance for one wait.

    Args:
        instances: the facade.
        wanted: the status that is waited for.
        stall: seconds that a passing status may last; None for ever.
    """

    def __init__(self, instances: Instances, wanted: str, stall: float | None = None) -> None:
        self._instances = instances
        self._board = instances.board
        self._wanted = wanted
        self._stall = stall
        self._moved = False
        self._status = ""
        self._since = instances.clock.monotonic()
        self._seen = self._board.number
        self._board.waiting += 1
        self._waits = True
        self.listed = False  # the last read was of a list, and lacks the details

    def leave(self) -> None:
        """It is waited for no more. Safe to call twice."""
        if self._waits:
            self._waits = False
            self._board.waiting -= 1

    async def __call__(self, instance_id: str) -> Reading[Instance]:
        try:
            instance, number = await self._board.read(instance_id, self._seen)
        except NotFound:
            if self._wanted != "removed":
                raise
            # Gone is how removed looks from outside (contract/gpu.md 2).
            instance, number = self._instances.blank(instance_id, "removed"), 0
        self.listed = number > 0
        self._seen = number or self._seen
        reading = self._judge(instance)
        if reading.outcome in ("done", "failed"):
            self.leave()
        return reading

    def _judge(self, instance: Instance) -> Reading[Instance]:
        wanted, status, problem = self._wanted, instance.status, instance.problem
        now = self._instances.clock.monotonic()
        if status != self._status:
            self._status, self._since = status, now
        self._moved = self._moved or status in PASSING
        if status == wanted:
            return Reading(status=status, outcome="done", result=instance, progress=100.0)
        if problem and wanted != "removed":  # what is broken can be deleted, and keeps its error to the end
            return Reading(status=status, outcome="failed", reason=f"{status}: {problem}")
        if wanted != "removed" and status in GONE:
            return Reading(status=status, outcome="failed", reason="the instance was removed")
        if status in LASTING and self._moved:
            # A create or start that fails falls back; before it moved, the old status may still be shown.
            return Reading(status=status, outcome="failed", reason=f"it came to rest as {status}, not {wanted}")
        if self._stall is not None and status in PASSING and now - self._since >= self._stall:
            return Reading(status=status, outcome="failed", reason=f"it has been {status} for {now - self._since:g} s")
        known = status in PASSING or status in LASTING
        progress = _PROGRESS.get(status, 0.0)
        return Reading(status=status, outcome="running" if known else "unknown", progress=progress)
