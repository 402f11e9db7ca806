"""`novita.gpu.spot`: notices of spot instances that are taken back, in time to save their work (contract/gpu.md 3)."""

from __future__ import annotations

import asyncio
import datetime
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine
from typing import TYPE_CHECKING, Literal, Self, TypeAlias

import msgspec

from ..catalog.gpu_life import GONE
from ..errors import Conflict, NotFound, NovitaError, OutOfStock, TaskFailed, ValidationError
from ..runtime.arguments import check_timeout
from ..runtime.scheduler import passing
from .checks import checked_id
from .instance import Instance

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import TracebackType

    from .instances import Instances

__all__ = ["Checkpoint", "Spot", "SpotNotice", "SpotWatch"]

Stage: TypeAlias = Literal["announced", "saved", "reclaiming", "reclaimed", "started", "gone"]

_AGAIN = 5.0  # seconds after a look that failed
_ORDER = ("", "announced", "reclaiming", "reclaimed", "gone")


class SpotNotice(msgspec.Struct, frozen=True):
    """What has become of a spot instance.

    Attributes:
        instance: it, as it was read then.
        stage: "announced" when it will be taken back, "saved" when the checkpoint has ended, "reclaiming" while it is
            taken back, "reclaimed" when it was, "started" when it runs again, "gone" when it was deleted.
        reclaim_at: when it is or was taken back, as far as the platform tells.
        time_left: seconds until then; None where the platform does not tell.
        error: why the checkpoint failed, or why the instance could not be started again; None when it was well.
    """

    instance: Instance
    stage: Stage
    reclaim_at: datetime.datetime | None = None
    time_left: float | None = None
    error: Exception | None = None


#: What saves the work of an instance that is about to be taken back.
Checkpoint: TypeAlias = Callable[[SpotNotice], Awaitable[object]]


class Spot:
    """`novita.gpu.spot`."""

    def __init__(self, instances: Instances) -> None:
        self._instances = instances

    def watch(
        self,
        instances: str | Instance | Sequence[str | Instance],
        *,
        checkpoint: Checkpoint | None = None,
        after: Literal["restart", "migrate"] | None = None,
        every: float = 15.0,
    ) -> SpotWatch:
        """Watch spot instances. The platform announces an hour ahead that one is taken back.

        However many instances and watches there are, they are looked after by one list call every `every` seconds. A
        look that fails, because the network is down, is made again.

        Args:
            instances: one or several, or their ids.
            checkpoint: called with the first notice of each instance, at once and beside the watching. It is stopped
                when the time is over. A "saved" notice tells of its end.
            after: "restart" an instance when it was reclaimed, as soon as there are cards for it, or "migrate" it and
                start it then. Else its watch is over.
            every: seconds between two looks.

        Returns:
            An asynchronous iterator of `SpotNotice`, which ends when no instance is left to be watched. Use it in
            `async with` where it has work to do: leaving the block stops that work.

        Example:
            async def save(notice):
                await upload_weights(notice.instance)

            async with novita.gpu.spot.watch(instance, checkpoint=save, after="restart") as notices:
                async for notice in notices:
                    print(notice.stage, notice.time_left)

        Contract: gpu.md section 3.
        """
        several = [instances] if isinstance(instances, str | Instance) else [*instances]
        ids = [checked_id("instance_id", each if isinstance(each, str) else each.id) for each in several]
        if not ids:
            raise ValidationError("there is no instance to watch")
        if after not in (None, "restart", "migrate"):
            raise ValidationError(f"after must be restart, migrate or None, got {after!r}")
        check_timeout(every, "every")
        return SpotWatch(self._instances, ids, checkpoint, after, every)


class SpotWatch:
    """Notices of spot instances, made by `spot.watch`."""

    def __init__(
        self,
        instances: Instances,
        ids: Sequence[str],
        checkpoint: Checkpoint | None,
        after: Literal["restart", "migrate"] | None,
        every: float,
    ) -> None:
        self._instances = instances
        self._clock = instances.clock
        self._stages = dict.fromkeys(ids, "")
        self._checkpoint = checkpoint
        self._after = after
        self._every = every
        self._due = 0.0
        self._seen = -1  # lists up to this number are too old
        self._notices: deque[SpotNotice] = deque()
        self._works: set[asyncio.Task[None]] = set()
        self._ring = asyncio.Event()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> SpotNotice:
        while not self._notices:
            if not self._stages and not self._works:
                raise StopAsyncIteration
            await self._turn()
        return self._notices.popleft()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Watch no more, and stop checkpoints and starts under way. Safe to call twice."""
        self._stages.clear()
        works = list(self._works)
        for work in works:
            work.cancel()
        await asyncio.gather(*works, return_exceptions=True)

    # -------------------------------------------------------------------------------------------- looking

    async def _turn(self) -> None:
        """Look when it is time; until then, wait for what is under way."""
        self._ring.clear()
        left = self._due - self._clock.monotonic() if self._stages else None
        if left is not None and left <= 0:
            await self._look()
            return
        try:
            async with self._clock.timeout(left):
                await self._ring.wait()
        except TimeoutError:
            return

    async def _look(self) -> None:
        try:
            listed = await self._instances.board.recent(self._every / 2, self._seen)
            for id_ in list(self._stages):
                instance = listed.get(id_) or await self._read(id_)
                self._judge(instance)
        except (NovitaError, TimeoutError) as error:
            if not passing(error):
                raise
            self._due = self._clock.monotonic() + min(_AGAIN, self._every)
        else:
            self._due = self._clock.monotonic() + self._every

    async def _read(self, id_: str) -> Instance:
        """What a list does not have (any more)."""
        try:
            return await self._instances.read(id_, attempts=1)
        except NotFound:
            return self._instances.blank(id_, "removed")

    def _judge(self, instance: Instance) -> None:
        before, stage = self._stages[instance.id], _stage(instance)
        if stage == "":
            self._stages[instance.id] = ""
            return
        if _ORDER.index(stage) <= _ORDER.index(before):
            return
        self._stages[instance.id] = stage
        notice = self._notice(instance, stage)
        self._notices.append(notice)
        if before == "" and stage in ("announced", "reclaiming") and self._checkpoint is not None:
            self._begin(self._save(notice, self._checkpoint))
        if stage == "reclaimed" and self._after is not None:
            del self._stages[instance.id]  # until it runs again
            self._begin(self._resume(notice))
        elif stage in ("reclaimed", "gone"):
            del self._stages[instance.id]

    def _notice(self, instance: Instance, stage: str, error: Exception | None = None) -> SpotNotice:
        at = instance.reclaimed_at
        left = None if at is None else max(0.0, at.timestamp() - self._clock.time())
        return SpotNotice(instance, stage, at, left, error)  # type: ignore[arg-type] - one of those that there are

    # -------------------------------------------------------------------------------------------- working

    def _begin(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._works.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._works.discard(task)
        self._ring.set()

    async def _save(self, notice: SpotNotice, checkpoint: Checkpoint) -> None:
        error: Exception | None = None
        try:
            async with self._clock.timeout(notice.time_left):
                await checkpoint(notice)
        except Exception as failure:  # the caller's own: it is told in the notice
            error = failure
        self._notices.append(self._notice(notice.instance, "saved", error))

    async def _resume(self, notice: SpotNotice) -> None:
        """Let it run again; while there are no cards for it, try again."""
        instance, error = notice.instance, None
        try:
            instance = await self._brought_back(instance)
            self._stages[instance.id], self._seen = "", self._instances.board.number
        except NovitaError as failure:
            error = failure
        self._notices.append(self._notice(instance, "started", error))

    async def _brought_back(self, instance: Instance) -> Instance:
        moves = self._after == "migrate"
        started = False
        while True:
            try:
                instance = await self._instances.get(instance.id)
                if instance.status == "running":
                    return instance
                if instance.status in GONE or (started and instance.status == "exited" and instance.problem):
                    raise TaskFailed(instance.problem or "it was removed", task_id=instance.id)
                if instance.status == "exited":  # else something is under way: perhaps what was asked for last
                    call = self._instances.migrate if moves else self._instances.start
                    await call(instance.id)
                    started, moves = started or not moves, False
            except (OutOfStock, Conflict):
                pass
            except NovitaError as error:
                if not passing(error):
                    raise
            await self._clock.sleep(min(_AGAIN, self._every))


def _stage(instance: Instance) -> str:
    """How far the reclaim of an instance has come. The console goes by these fields too (contract/gpu.md 3)."""
    spot = instance.spot_status or ""
    over = spot in ("terminated", "reclaimed")  # the second is of a community's tests
    if instance.status in GONE:
        return "gone"
    if over or (instance.status == "exited" and instance.reclaimed_at is not None):
        return "reclaimed"
    if spot == "reclaiming":
        return "reclaiming"
    return "announced" if spot == "notified" or instance.reclaimed_at is not None else ""
