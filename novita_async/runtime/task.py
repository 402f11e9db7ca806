"""One task: what was submitted and finishes later, and the handle on it.

A task ends in one of three ways: its status is a known success, its status is a known failure, or the wait for it ends.
An unknown status is none of these: it is kept, shown, and waited through until the deadline, which always exists.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Generic, Literal, TypeAlias, TypeVar, cast

import msgspec

from ..errors import NotFound, NovitaError, TaskFailed, TaskStateUnknown, TaskTimeout, ValidationError
from .arguments import check_timeout
from .clock import uninterrupted
from .scheduler import Watch

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from .tasks import TaskSet

__all__ = ["Read", "Reading", "Task", "Update"]

T = TypeVar("T")

_ABANDON_LIMIT = 5.0


class Reading(msgspec.Struct, Generic[T], frozen=True, kw_only=True):
    """What one read of a task's status says.

    Attributes:
        status: the platform's word.
        outcome: "running", "done", "failed", or "unknown" for a word that nobody knows.
        result: the result, when done.
        reason: the platform's text, when failed.
        task_type: the platform's name for the kind of task.
        progress: 0 to 100; 0 when it says nothing.
        eta: seconds left; 0 when it says nothing.
    """

    status: str
    outcome: Literal["running", "done", "failed", "unknown"]
    result: T | None = None
    reason: str = ""
    task_type: str = ""
    progress: float = 0.0
    eta: float = 0.0


class Update(msgspec.Struct, frozen=True, gc=False):
    """What iterating over a task gives after each read.

    Attributes:
        status: the platform's word.
        progress: 0 to 100; 0 when it says nothing.
        eta: seconds left; 0 when it says nothing.
        age: seconds since the submit.
    """

    status: str
    progress: float
    eta: float
    age: float


Read: TypeAlias = Callable[[str], Awaitable[Reading[T]]]
Cancel: TypeAlias = Callable[[str], Awaitable[None]]


class Task(Generic[T]):
    """A handle on something submitted. Waiting is optional, repeatable, and may be done by many at once.

    Attributes:
        id: the platform's id.
        kind: the product it belongs to.
        status: the last word of the platform, "" before the first read.
        progress: 0 to 100; 0 when it says nothing.
        eta: seconds left as the platform sees it; 0 when it says nothing.
        polls: how often the status was read.

    Example:
        task = await novita.images.submit("txt2img", model_name="sd_xl_base_1.0.safetensors", prompt="a lighthouse")
        async for update in task:
            print(update.status, update.progress)
        result = await task.wait()
    """

    __slots__ = ("_key", "_listeners", "_reading", "_since", "_tasks", "_watch", "cancel_with", "id", "kind", "read")

    def __init__(
        self, tasks: TaskSet, id_: str, kind: str, read: Read[T], *, key: str = "", cancel: Cancel | None = None
    ) -> None:
        self.id = id_
        self.kind = kind
        self.read = read
        self.cancel_with = cancel
        self._tasks = tasks
        self._key = key
        self._since = tasks.runtime.clock.monotonic()
        self._reading: Reading[T] | None = None
        self._watch: Watch | None = None
        self._listeners: list[Callable[[Exception | None], None]] = []

    def __repr__(self) -> str:
        return f"<Task {self.kind} {self.id} {self.status or 'submitted'}>"

    @property
    def status(self) -> str:
        return self._reading.status if self._reading else ""

    @property
    def progress(self) -> float:
        return self._reading.progress if self._reading else 0.0

    @property
    def eta(self) -> float:
        return self._reading.eta if self._reading else 0.0

    @property
    def polls(self) -> int:
        return self._watch.polls if self._watch else 0

    @property
    def done(self) -> bool:
        """Whether a final status was read, success or failure."""
        return self._reading is not None and self._reading.outcome in ("done", "failed")

    async def refresh(self) -> Update:
        """Read the status once, now.

        Raises:
            NotFound: the platform does not know the task (results are dropped 30 days after the end).
        """
        await self._read()
        return self._update()

    async def wait(self, *, timeout: float | None = None, on_abandon: Literal["leave", "cancel"] = "leave") -> T:
        """Wait until the task has ended and return its result.

        Args:
            timeout: seconds, from this call on; None for an hour. The task goes on when the wait ends.
            on_abandon: what happens to the task when this wait is cancelled: "leave" it running, or "cancel" it at the
                platform, once and within 5 seconds, where the product can.

        Raises:
            TaskFailed: the platform says so; `.reason`.
            TaskTimeout: not finished in time; `.handle` is this task, to be waited for again.
            TaskStateUnknown: not finished in time, and the last status is one that nobody knows.
            ValidationError: an argument cannot be one, or the product cannot cancel.
        """
        if on_abandon not in ("leave", "cancel"):
            raise ValidationError(f"on_abandon must be 'leave' or 'cancel', got {on_abandon!r}")
        if on_abandon == "cancel" and self.cancel_with is None:
            raise ValidationError(f"on_abandon='cancel': the platform has no way to cancel a {self.kind} task")
        check_timeout(timeout)
        limit = self._tasks.default_timeout if timeout is None else timeout
        if not self.done:
            future: asyncio.Future[None] = asyncio.get_running_loop().create_future()

            def heard(error: Exception | None) -> None:
                if not future.done() and (error is not None or self.done):
                    future.set_exception(error) if error is not None else future.set_result(None)

            self._listen(heard)
            scope = self._tasks.runtime.clock.timeout(limit)
            try:
                async with scope:
                    await future
            except TimeoutError:
                if not scope.expired():
                    raise
                if not self.done:  # it may have ended in this very turn
                    raise self.overdue(limit) from None
            except NotFound:
                await self._tasks.settle(self, self._key)  # its result is gone: nothing is left to resume
                raise
            except asyncio.CancelledError:
                if on_abandon == "cancel":
                    await self._abandon()
                raise
            finally:
                self._unlisten(heard)
        return await self.result()

    async def result(self) -> T:
        """The result of a task that has ended; it is settled in the journal now.

        Raises:
            TaskFailed: the platform says so.
            TaskTimeout: it has not ended yet.
        """
        reading = self._reading
        if reading is None or not self.done:
            raise TaskTimeout("not finished yet", task_id=self.id, handle=self)
        await self._tasks.settle(self, self._key)
        if reading.outcome == "failed":
            raise TaskFailed(reading.reason, task_id=self.id, task_type=reading.task_type, handle=self)
        return cast("T", reading.result)  # a reading that is done has its result, and None may be one

    async def cancel(self) -> None:
        """Cancel the task at the platform.

        Raises:
            ValidationError: the product has no such call.
        """
        if self.cancel_with is None:
            raise ValidationError(f"the platform has no way to cancel a {self.kind} task")
        await self.cancel_with(self.id)

    async def __aiter__(self) -> AsyncIterator[Update]:
        """Give an update after every read, the last one final. `wait()` afterwards returns at once.

        Raises:
            TaskTimeout, TaskStateUnknown: not finished within an hour.
        """
        clock, limit = self._tasks.runtime.clock, self._tasks.default_timeout
        deadline = clock.monotonic() + limit
        news: deque[Exception | None] = deque()
        ring = asyncio.Event()

        def heard(error: Exception | None) -> None:
            news.append(error)
            ring.set()

        self._listen(heard)
        try:
            over = self.done
            while not over:
                try:
                    async with clock.timeout(max(0.0, deadline - clock.monotonic())):
                        await ring.wait()
                except TimeoutError:
                    raise self.overdue(limit) from None
                ring.clear()
                while news:
                    error = news.popleft()
                    if error is not None:
                        raise error
                over = self.done  # before the caller takes its time: what is read meanwhile is an update too
                yield self._update()
        finally:
            self._unlisten(heard)

    def on_update(self, callback: Callable[[Exception | None], None]) -> Callable[[], None]:
        """Call a function after every read, with the error that ended the wait or None; returns what stops that."""
        self._listen(callback)
        return lambda: self._unlisten(callback)

    def overdue(self, limit: float) -> TaskTimeout | TaskStateUnknown:
        """The error of a wait that ended before the task did."""
        if self._reading is not None and self._reading.outcome == "unknown":
            return TaskStateUnknown(self.status, task_id=self.id, handle=self)
        said = f", last status {self.status}" if self.status else ""
        return TaskTimeout(f"not finished within {limit:g} s{said}", task_id=self.id, handle=self)

    def backdate(self, seconds: float) -> None:
        """Say that the submit was so long ago, in another process: the cadence goes by the age."""
        self._since -= seconds

    # -------------------------------------------------------------------------------------------------

    def _update(self) -> Update:
        return Update(self.status, self.progress, self.eta, self._tasks.runtime.clock.monotonic() - self._since)

    async def _read(self) -> bool:
        self._reading = await self.read(self.id)
        return self.done

    def _listen(self, listener: Callable[[Exception | None], None]) -> None:
        self._tasks.runtime.enter()
        if self._watch is None:
            self._watch = Watch(
                self._read, self._notify, progress=self._progress, cadence=self._tasks.cadence, since=self._since
            )
        self._listeners.append(listener)
        if not self.done:
            self._tasks.scheduler.add(self._watch)

    def _unlisten(self, listener: Callable[[Exception | None], None]) -> None:
        if listener in self._listeners:
            self._listeners.remove(listener)
        if not self._listeners and self._watch is not None:
            self._tasks.scheduler.remove(self._watch)

    def _progress(self) -> tuple[float, float]:
        return self.eta, self.progress

    def _notify(self, error: Exception | None) -> None:
        if isinstance(error, NovitaError):
            error.task_id, error.handle = self.id, self
        for listener in list(self._listeners):
            try:
                listener(error)
            except Exception as problem:  # of a callback of the caller's, for which the others must not wait for ever
                context = {"message": f"a callback for {self!r} failed", "exception": problem}
                asyncio.get_running_loop().call_exception_handler(context)

    async def _abandon(self) -> None:
        async def once() -> None:
            async with self._tasks.runtime.clock.timeout(_ABANDON_LIMIT):
                await self.cancel()

        try:
            await uninterrupted(once())
        except Exception as error:
            raise asyncio.CancelledError(f"{self!r} could not be cancelled: {error}") from error
