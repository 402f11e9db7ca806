"""What becomes of watched spot instances: looked at together, saved in time, and brought back (contract/gpu.md 3)."""

from __future__ import annotations

import asyncio
import datetime
import inspect
import math
from collections import deque
from collections.abc import Callable, Coroutine
from functools import partial
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import msgspec

from ..catalog.gpu_life import GONE
from ..errors import Conflict, NotFound, NovitaError, OutOfStock, TaskFailed
from ..runtime.scheduler import Watch, passing
from .instance import Instance

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..runtime.clock import TimerHandle
    from ..runtime.scheduler import Progress
    from .instances import Instances

__all__ = ["Checkpoint", "Reclaims", "SpotNotice", "Stage"]

Stage: TypeAlias = Literal["announced", "saved", "reclaiming", "reclaimed", "started", "gone"]

_AGAIN = 5.0  # seconds after a look that failed, and after a start
_LONGEST = 40.0  # seconds between two starts, while there are no cards
_CLOSEST = 2.0  # seconds between two looks when an instance is being taken back
_ORDER = ("", "announced", "reclaiming", "reclaimed", "gone")


class SpotNotice(msgspec.Struct, frozen=True):
    """What has become of a spot instance.

    Attributes:
        instance: it, as it was read then.
        stage: "announced" when it will be taken back, "saved" when the checkpoint has ended, "reclaiming" while it is
            taken back, "reclaimed" when it was, "started" when it runs again, "gone" when it was deleted.
        reclaim_at: when it is or was taken back, as far as the platform tells.
        time_left: seconds until then; None where the platform does not tell.
        error: why the checkpoint failed (`TimeoutError`: it was stopped when the time was over), or why the instance
            could not be started again; None when it was well.
    """

    instance: Instance
    stage: Stage
    reclaim_at: datetime.datetime | None = None
    time_left: float | None = None
    error: Exception | None = None


#: What saves the work of an instance that is about to be taken back: a function, or a coroutine function.
Checkpoint: TypeAlias = Callable[[SpotNotice], object]


class _Return:
    """How far an instance that was reclaimed has come back."""

    def __init__(self, *, moves: bool) -> None:
        self.moves = moves  # to another machine first
        self.started = False
        self.failed = 0  # tries in a row
        self.acted = -math.inf  # what was read until then is too old
        self.due = -math.inf
        self.works = False


class _Watched:
    """One instance that is watched."""

    def __init__(self, instance: Instance) -> None:
        self.instance = instance
        self.stage = ""
        self.past: datetime.datetime | None = None  # the reclaim that it came back from, which may still be shown
        self.saving: asyncio.Task[None] | None = None
        self.deadline: TimerHandle | None = None
        self.late = False
        self.back: _Return | None = None


class Reclaims(Watch):
    """An entry of the scheduler: one look is one list, whatever is watched.

    Args:
        instances: the facade.
        ids: of those that are watched.
        checkpoint: called with the first notice of each.
        after: what is done when one was reclaimed.
        every: seconds between two looks while nothing is announced.
        ring: called when there is something in `notices`, or it is over.
    """

    def __init__(
        self,
        instances: Instances,
        ids: Sequence[str],
        *,
        checkpoint: Checkpoint | None,
        after: Literal["restart", "migrate"] | None,
        every: float,
        ring: Callable[[], object],
    ) -> None:
        super().__init__(cadence=self._pause, since=instances.clock.monotonic())
        self._instances = instances
        self._clock = instances.clock
        self._watched = {id_: _Watched(instances.blank(id_, "")) for id_ in ids}
        self._checkpoint = checkpoint
        self._after = after
        self._every = every
        self._ring = ring
        self._next = -math.inf
        self._works: set[asyncio.Task[None]] = set()
        self.notices: deque[SpotNotice] = deque()
        self.error: Exception | None = None

    @property
    def looks(self) -> bool:
        """Whether there is anything left to look at."""
        return bool(self._watched)

    @property
    def over(self) -> bool:
        """Whether nothing more will be told."""
        return not self._watched and not self._works

    async def aclose(self) -> None:
        """Stop what is under way, and look at nothing more. Safe to call twice."""
        self._watched.clear()
        works = list(self._works)
        for work in works:
            work.cancel()
        await asyncio.gather(*works, return_exceptions=True)

    # --------------------------------------------------------------------------------- for the scheduler

    async def read(self) -> bool:
        step = self._step()
        try:
            listed = await self._instances.board.recent(step / 2)
            at = self._instances.board.listed_at
            for id_ in [id_ for id_ in self._watched if id_ in listed]:
                self._judge(id_, listed[id_], at)
            for id_ in [id_ for id_ in self._watched if id_ not in listed]:
                at = self._clock.monotonic()
                self._judge(id_, await self._read(id_), at)
        except (NovitaError, TimeoutError) as error:
            # However long the network is down: what was announced meanwhile is seen when it is back.
            if not passing(error):
                raise
            self._next = self._clock.monotonic() + min(_AGAIN, step)
        else:
            self._next = self._clock.monotonic() + self._step()
        return not self._watched

    def notify(self, error: Exception | None) -> None:
        if error is not None:
            self.error = error
            self._watched.clear()
        if not self._watched:
            self._ring()

    def progress(self) -> tuple[float, float]:
        return 0.0, 0.0  # the cadence does not go by it

    def _pause(self, _: Progress) -> float:
        return self._next - self._clock.monotonic()

    def _step(self) -> float:
        """Seconds between two looks: the fewer, the nearer a reclaim is."""
        step = self._every
        now, moment = self._clock.monotonic(), self._clock.time()
        for each in self._watched.values():
            if each.back is not None:
                step = min(step, max(_AGAIN, each.back.due - now))
            elif each.stage and (at := each.instance.reclaimed_at) is not None:
                step = min(step, max(_CLOSEST, abs(at.timestamp() - moment) / 10))
        return step

    async def _read(self, id_: str) -> Instance:
        """What a list does not have (any more)."""
        try:
            return await self._instances.read(id_, attempts=1)
        except NotFound:
            return self._instances.blank(id_, "removed")

    # -------------------------------------------------------------------------------------------- judging

    def _judge(self, id_: str, instance: Instance, at: float) -> None:
        each = self._watched.get(id_)
        if each is None:
            return
        if each.back is not None:
            self._follow(each, each.back, instance, at)
            return
        each.instance = instance
        before, stage = each.stage, _stage(instance, each.past)
        self._set_deadline(each)
        if stage == "":
            each.stage = ""
        if _ORDER.index(stage) <= _ORDER.index(before):
            return
        each.stage = stage
        notice = self._tell(instance, stage)
        if stage in ("announced", "reclaiming"):
            if before == "" and self._checkpoint is not None and each.saving is None:
                self._save(each, notice, self._checkpoint)
            return
        self._stop_saving(each)
        if stage == "reclaimed" and self._after is not None:
            each.back = _Return(moves=self._after == "migrate")
            self._begin(self._start(each, each.back))
        else:
            del self._watched[id_]

    def _follow(self, each: _Watched, back: _Return, instance: Instance, at: float) -> None:
        """Go on with an instance that is to run again, where it is time to."""
        if back.works or at <= back.acted:
            return
        each.instance = instance
        if instance.status in GONE:
            self._tell(instance, "gone")
            del self._watched[instance.id]
        elif instance.status == "running":
            self._begin(self._welcome(each, back))
        elif instance.status == "exited" and back.started and instance.problem:
            self._give_up(each, TaskFailed(instance.problem, task_id=instance.id))
        elif instance.status == "exited" and self._clock.monotonic() >= back.due:
            self._begin(self._start(each, back))

    def _tell(self, instance: Instance, stage: str, error: Exception | None = None) -> SpotNotice:
        at = instance.reclaimed_at
        left = None if at is None else max(0.0, at.timestamp() - self._clock.time())
        notice = SpotNotice(instance, stage, at, left, error)  # type: ignore[arg-type] - one of those that there are
        self.notices.append(notice)
        self._ring()
        return notice

    # --------------------------------------------------------------------------------------------- saving

    def _save(self, each: _Watched, notice: SpotNotice, checkpoint: Checkpoint) -> None:
        async def call() -> None:
            answer = checkpoint(notice)
            if inspect.isawaitable(answer):
                await answer

        each.late = False
        each.saving = asyncio.get_running_loop().create_task(call())
        self._works.add(each.saving)
        each.saving.add_done_callback(partial(self._saved, each))
        self._set_deadline(each)

    def _set_deadline(self, each: _Watched) -> None:
        """Stop the checkpoint when the time is over, by what was said last of when that is."""
        if each.deadline is not None:
            each.deadline.cancel()
            each.deadline = None
        at = each.instance.reclaimed_at
        if each.saving is not None and at is not None:
            left = max(0.0, at.timestamp() - self._clock.time())
            each.deadline = self._clock.call_later(left, partial(self._stop_saving, each))

    def _stop_saving(self, each: _Watched) -> None:
        if each.saving is not None:
            each.late = True
            each.saving.cancel()

    def _saved(self, each: _Watched, task: asyncio.Task[None]) -> None:
        self._works.discard(task)
        each.saving = None
        self._set_deadline(each)
        if task.cancelled() and not each.late:
            return  # the watch was closed
        error = None if task.cancelled() else task.exception()
        if each.late and error is None:  # also of one that took being stopped for a reason to return
            error = TimeoutError("the checkpoint was not over when the instance was taken back")
        self._tell(each.instance, "saved", error if isinstance(error, Exception) else None)

    # -------------------------------------------------------------------------------------- bringing back

    def _begin(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._works.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._works.discard(task)
        if not task.cancelled() and isinstance(error := task.exception(), Exception):
            self.error = error
        self._ring()

    async def _start(self, each: _Watched, back: _Return) -> None:
        """Ask once for what comes next. How it went is in what is read afterwards, also when the answer was lost."""
        call = self._instances.migrate if back.moves else self._instances.start
        back.works = True
        try:
            await call(each.instance.id)
            back.started, back.moves, back.failed = not back.moves, False, 0
        except (OutOfStock, Conflict):
            back.failed += 1
        except NovitaError as error:
            if not passing(error):
                self._give_up(each, error)
        back.works, back.acted = False, self._clock.monotonic()
        back.due = back.acted + min(_LONGEST, _AGAIN * 2**back.failed)

    async def _welcome(self, each: _Watched, back: _Return) -> None:
        """Tell of an instance that runs again, with the details that a list lacks."""
        back.works = True
        try:
            instance = await self._instances.read(each.instance.id)
        except NovitaError as error:
            if not passing(error):
                self._give_up(each, error)
        else:
            if instance.status == "running":
                each.stage, each.past, each.back = "", instance.reclaimed_at, None
                self._tell(instance, "started")
        back.works, back.acted = False, self._clock.monotonic()

    def _give_up(self, each: _Watched, error: Exception) -> None:
        self._tell(each.instance, "started", error)
        self._watched.pop(each.instance.id, None)


def _stage(instance: Instance, past: datetime.datetime | None) -> str:
    """How far the reclaim of an instance has come. The console goes by these fields too (contract/gpu.md 3)."""
    spot, at = instance.spot_status or "", instance.reclaimed_at
    if instance.status in GONE:
        return "gone"
    if at is not None and at == past:
        return ""
    over = spot in ("terminated", "reclaimed")  # the second is of a community's tests
    if instance.status == "exited" and (over or at is not None):
        return "reclaimed"
    if over or spot == "reclaiming":
        return "reclaiming"
    return "announced" if spot == "notified" or at is not None else ""
