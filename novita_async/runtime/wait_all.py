"""Waiting for many tasks, submitted or yet to be: so many at once, their results in order."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Collection
from typing import TYPE_CHECKING, Any, Generic, TypeVar, cast

from ..errors import CallTimeout, TaskError, ValidationError
from .arguments import check_timeout
from .clock import uninterrupted
from .task import Task

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from .task import Update
    from .tasks import TaskSet

__all__ = ["PAUSE_EVERY", "WaitAll", "Waiter"]

T = TypeVar("T")

#: After so many of many tasks the loop gets its turn.
PAUSE_EVERY = 500

_ANSWER_LIMIT = 5.0  # seconds for submits under way to be answered once the wait is over


class Waiter(Generic[T]):
    """Who waits for one of many tasks. It begins at once, and is one object: there may be many thousands.

    Args:
        task: what is waited for.
        on_end: called once, with this and with the error that ended the wait, or None when the task has ended.
        on_update: called after every read.
        number: the caller's own.
    """

    __slots__ = ("_on_end", "_on_update", "number", "task")

    def __init__(
        self,
        task: Task[T],
        on_end: Callable[[Waiter[T], Exception | None], None],
        on_update: Callable[[Update], None] | None,
        number: int = 0,
    ) -> None:
        self.task = task
        self.number = number
        self._on_end = on_end
        self._on_update = on_update
        task.listen(self)

    def __call__(self, error: Exception | None) -> None:
        try:
            if self._on_update is not None and error is None:
                self._on_update(self.task.update())
        finally:
            if error is not None or self.task.done:
                self.stop()
                self._on_end(self, error)

    def stop(self) -> None:
        """Wait no more."""
        self.task.unlisten(self)


class WaitAll(Generic[T]):
    """One wait for many. No task of the event loop exists for what waits, only for a submit that is under way.

    See `TaskSet.wait_all` for the arguments.
    """

    def __init__(
        self,
        tasks: TaskSet,
        items: Iterable[Task[T] | Awaitable[Task[T]]],
        *,
        limit: int | None,
        timeout: float | None,
        return_exceptions: bool,
        on_update: Callable[[Update], None] | None,
    ) -> None:
        if limit is not None and limit < 1:
            raise ValidationError(f"limit must be at least 1, got {limit!r}")
        check_timeout(timeout)
        self._tasks = tasks
        self._clock = tasks.runtime.clock
        self._items = items
        self._rest = iter(items)
        self._limit = limit
        # Without a limit of the caller's no more submits are begun than the client may have under way.
        self._submits_at_once = tasks.runtime.settings.limits.requests
        self._seconds = tasks.default_timeout if timeout is None else timeout
        self._deadline = self._clock.monotonic() + self._seconds
        self._lenient = return_exceptions
        self._on_update = on_update
        self._count = 0
        self._handles: dict[int, Task[T]] = {}
        self._errors: dict[int, Exception] = {}
        self._failed: int | None = None
        self._waiting: dict[int, Waiter[T]] = {}
        self._counted: set[int] = set()  # submitted here and not ended
        self._submits: dict[asyncio.Task[Task[T]], int] = {}
        self._over = False
        self._ring = asyncio.Event()

    async def run(self) -> list[T]:
        """Wait until all have ended, one has failed, or the time is over."""
        try:
            late = not await self._wait()
        except BaseException:  # the caller was cancelled, or what makes the submits failed
            for submit in self._submits:
                submit.cancel()
            raise
        finally:
            self._over = True
            for waiter in self._waiting.values():
                waiter.stop()
            await self._finish_submits()
            self._drop_rest()
        if self._failed is not None:
            error = self._errors[self._failed]
            if isinstance(error, TaskError):
                await self._tasks.settle([self._handles[self._failed]])  # its end is delivered, as an error
            raise error
        if late:
            self._note_overdue()
            if not self._lenient:
                raise self._errors[min(self._errors)]
        results: list[Any] = []
        for number in range(self._count):
            error = self._errors.get(number)
            results.append(self._handles[number].outcome() if error is None else error)
        await self._tasks.settle(task for task in self._handles.values() if task.done)
        return results

    # --------------------------------------------------------------------------------------- going through

    async def _wait(self) -> bool:
        """False when the time was over first."""
        for item in self._rest:
            number, self._count = self._count, self._count + 1
            if isinstance(item, Task):
                self._watch(number, item)
            elif inspect.isawaitable(item):
                self._submit(number, item)
            else:
                raise ValidationError(f"wait_all takes tasks and awaitables that give tasks, got {item!r:.100}")
            if self._count % PAUSE_EVERY == 0:
                await self._clock.sleep(0)
            while self._failed is None and self._full():
                if not await self._rung():
                    return False
            if self._failed is not None:
                return True
        while self._failed is None and (self._waiting or self._submits):
            if not await self._rung():
                return False
        return True

    def _full(self) -> bool:
        if self._limit is not None and len(self._counted) >= self._limit:
            return True
        return len(self._submits) >= self._submits_at_once

    async def _rung(self) -> bool:
        """Wait until something has ended; False when the time was over first."""
        scope = self._clock.timeout(max(0.0, self._deadline - self._clock.monotonic()))
        try:
            async with scope:
                await self._ring.wait()
        except TimeoutError:
            return False
        self._ring.clear()
        return True

    def _submit(self, number: int, item: Awaitable[Task[T]]) -> None:
        self._counted.add(number)
        # A coroutine as it is: one that is cancelled before its first step would otherwise never have been awaited.
        submit = asyncio.get_running_loop().create_task(item if inspect.iscoroutine(item) else _made(item))
        self._submits[submit] = number
        submit.add_done_callback(self._submitted)

    def _submitted(self, submit: asyncio.Task[Task[T]]) -> None:
        number = self._submits.pop(submit)
        if submit.cancelled():
            self._end(number, CallTimeout("total", self._seconds))
        elif (error := submit.exception()) is not None:
            self._end(number, error if isinstance(error, Exception) else RuntimeError(repr(error)))
        else:
            made: Any = submit.result()
            if isinstance(made, Task):
                self._watch(number, cast("Task[T]", made))
            else:
                self._end(number, ValidationError(f"wait_all takes awaitables that give tasks, got {made!r:.100}"))
        self._ring.set()

    def _watch(self, number: int, task: Task[T]) -> None:
        self._handles[number] = task
        if task.done:
            self._end(number, None)
            return
        if not self._over:
            self._waiting[number] = Waiter(task, self._ended, self._on_update, number)

    def _ended(self, waiter: Waiter[T], error: Exception | None) -> None:
        self._end(waiter.number, error)

    def _end(self, number: int, error: Exception | None) -> None:
        self._waiting.pop(number, None)
        self._counted.discard(number)
        self._ring.set()
        if error is None:
            try:
                self._handles[number].outcome()
            except TaskError as failure:
                error = failure
        if error is not None:
            self._errors[number] = error
            if not self._lenient and self._failed is None and not self._over:
                self._failed = number

    # ------------------------------------------------------------------------------------------- the end

    async def _finish_submits(self) -> None:
        """Let submits that are under way be answered, so that their ids are known; those that are cancelled, end."""
        if self._submits:
            await uninterrupted(self._finish_within(_ANSWER_LIMIT))

    async def _finish_within(self, seconds: float) -> None:
        submits = list(self._submits)
        try:
            async with self._clock.timeout(seconds):
                await asyncio.wait(submits)
        except TimeoutError:
            for submit in submits:
                submit.cancel()
            await asyncio.wait(submits)
        await self._clock.sleep(0)  # their callbacks

    def _drop_rest(self) -> None:
        """Close what was made and never started, and count it. What makes them one by one is asked for no more."""
        if inspect.isgenerator(self._items):
            self._items.close()
        elif isinstance(self._items, Collection):
            for item in self._rest:
                if isinstance(item, Task):
                    self._handles[self._count] = item
                elif inspect.iscoroutine(item):
                    item.close()
                self._count += 1

    def _note_overdue(self) -> None:
        for number in range(self._count):
            task = self._handles.get(number)
            if number in self._errors or (task is not None and task.done):
                continue
            late = CallTimeout("total", self._seconds, sent=False) if task is None else task.overdue(self._seconds)
            self._errors[number] = late


async def _made(item: Awaitable[T]) -> T:
    return await item
