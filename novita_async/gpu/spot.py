"""`novita.gpu.spot`: notices of spot instances that are taken back, in time to save their work (contract/gpu.md 3)."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Literal, Self

from ..errors import ValidationError
from ..runtime.arguments import check_timeout
from .checks import checked_id
from .instance import Instance
from .reclaims import Checkpoint, Reclaims, SpotNotice

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import TracebackType

    from ..runtime.tasks import TaskSet
    from .instances import Instances

__all__ = ["Checkpoint", "Spot", "SpotNotice", "SpotWatch"]


class Spot:
    """`novita.gpu.spot`."""

    def __init__(self, instances: Instances, tasks: TaskSet) -> None:
        self._instances = instances
        self._tasks = tasks

    def watch(
        self,
        instances: str | Instance | Sequence[str | Instance],
        *,
        checkpoint: Checkpoint | None = None,
        after: Literal["restart", "migrate"] | None = None,
        every: float = 15.0,
    ) -> SpotWatch:
        """Watch spot instances. The platform announces an hour ahead that one is taken back.

        However many instances and watches there are, one list call looks after all of them, every `every` seconds and
        more often when a reclaim is near. A look that fails, because the network is down, is made again after 5
        seconds at most, however long that takes.

        Args:
            instances: one or several, or their ids.
            checkpoint: called with the first notice of each instance, at once and beside the watching: a coroutine
                function, or a function, which must not block. It is stopped at the moment that the platform named for
                the reclaim, whenever the notice was seen. A "saved" notice tells how it ended.
            after: "restart" an instance when it was reclaimed, as soon as there are cards for it, or "migrate" it and
                start it then. Else its watch is over.
            every: seconds between two looks while nothing is announced.

        Returns:
            An asynchronous iterator of `SpotNotice`, which ends when no instance is left to be watched. In `async with`
            it looks whatever the block does meanwhile, and leaving the block stops what it has under way; without,
            it looks while the next notice is waited for.

        Raises:
            ValidationError: an argument cannot be one, or an instance is not spot. Nothing was sent.

        Raises while iterating:
            NovitaError: the instances cannot be listed, and not because of something that passes.

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
        for each in several:
            if isinstance(each, Instance) and each.billing_mode in ("onDemand", "monthly"):
                raise ValidationError(f"instance {each.id} is {each.billing_mode}, and only spot ones are taken back")
        if after not in (None, "restart", "migrate"):
            raise ValidationError(f"after must be restart, migrate or None, got {after!r}")
        check_timeout(every, "every")
        return SpotWatch(self._instances, self._tasks, ids, checkpoint, after, every)


class SpotWatch:
    """Notices of spot instances, made by `spot.watch`."""

    def __init__(
        self,
        instances: Instances,
        tasks: TaskSet,
        ids: Sequence[str],
        checkpoint: Checkpoint | None,
        after: Literal["restart", "migrate"] | None,
        every: float,
    ) -> None:
        self._tasks = tasks
        self._ring = asyncio.Event()
        self._entered = False
        self._reclaims = Reclaims(instances, ids, checkpoint=checkpoint, after=after, every=every, ring=self._ring.set)

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> SpotNotice:
        reclaims = self._reclaims
        try:
            while not reclaims.notices:
                if reclaims.error is not None:
                    error, reclaims.error = reclaims.error, None
                    raise error
                if reclaims.over:
                    raise StopAsyncIteration
                self._ring.clear()
                self._look()
                await self._ring.wait()
        finally:
            if not self._entered:
                self._tasks.scheduler.remove(reclaims)
        return reclaims.notices.popleft()

    async def __aenter__(self) -> Self:
        self._look()
        self._entered = True
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Watch no more, and stop checkpoints and starts under way. Safe to call twice."""
        self._entered = False
        self._tasks.scheduler.remove(self._reclaims)
        await self._reclaims.aclose()
        self._ring.set()  # whoever waits for a notice

    def _look(self) -> None:
        if self._reclaims.looks:
            self._tasks.runtime.enter()
            self._tasks.scheduler.add(self._reclaims)
