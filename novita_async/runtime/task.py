"""One task: what was submitted and finishes later, and the handle on it.

A task ends in one of three ways: its status is a known success, its status is a known failure, or the wait for it ends.
An unknown status is none of these: it is kept, shown, and waited through until the deadline, which always exists.
A task that the platform no longer knows has ended too when its submit was longer ago than it keeps a result: as
`TaskExpired`.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, Generic, Literal, TypeAlias, TypeVar, cast

import msgspec

from ..errors import NotFound, NovitaError, TaskExpired, TaskFailed, TaskStateUnknown, TaskTimeout, ValidationError
from .arguments import check_timeout
from .clock import uninterrupted
from .scheduler import Watch

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from .scheduler import Cadence
    from .tasks import TaskSet

__all__ = ["Cancel", "Read", "Reading", "Task", "Update"]

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
        task_id: whose status it is.
    """

    status: str
    progress: float
    eta: float
    age: float
    task_id: str


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
        key: of its entry in the journal; "" where there is none, or another handle has it.
        webhook: whether an event will tell of its end; "test" where the event is all there will be.
        told: what such an event said, for a task that the platform does not know because it was a test.

    Example:
        task = await novita.images.submit("txt2img", model_name="sd_xl_base_1.0.safetensors", prompt="a lighthouse")
        async for update in task:
            print(update.status, update.progress)
        result = await task.wait()
    """

    __slots__ = (
        *("_gone", "_listeners", "_polls", "_reading", "_request", "_since", "_tasks", "_watch", "cancel_with", "id"),
        *("key", "kind", "read", "told", "webhook"),
    )

    def __init__(
        self,
        tasks: TaskSet,
        id_: str,
        kind: str,
        read: Read[T],
        *,
        key: str = "",
        cancel: Cancel | None = None,
        webhook: bool | Literal["test"] = False,
        request: bytes | None = None,
    ) -> None:
        self.id = id_
        self.kind = kind
        self.read = read
        self.cancel_with = cancel or tasks.cancel_of(kind)
        self.key = key
        self.webhook: bool | Literal["test"] = webhook
        self.told: Reading[T] | None = None
        self._tasks = tasks
        self._request = request
        self._gone: NotFound | None = None
        self._since = tasks.runtime.clock.monotonic()
        self._reading: Reading[T] | None = None
        self._watch: Watch | None = None
        self._polls = 0  # of watches before this one
        self._listeners: tuple[Callable[[Exception | None], None], ...] = ()

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
        return self._polls + (self._watch.polls if self._watch else 0)

    @property
    def done(self) -> bool:
        """Whether a final status was read, success or failure, or the platform has dropped the task."""
        return self._gone is not None or (self._reading is not None and self._reading.outcome in ("done", "failed"))

    @property
    def request(self) -> dict[str, Any] | None:
        """What was submitted, as `{"url": ..., "body": ...}`, of a task that `resume` found; None for any other."""
        return msgspec.json.decode(self._request) if self._request is not None else None

    async def refresh(self) -> Update:
        """Read the status once, now.

        Raises:
            NotFound: the platform does not know the task.
            TaskExpired: nor can it: the submit was longer ago than it keeps a result.
        """
        await self.read_status()
        if self._gone is not None:
            raise self._expired() from self._gone
        return self.update()

    async def wait(
        self,
        *,
        timeout: float | None = None,
        on_abandon: Literal["leave", "cancel"] = "leave",
        on_update: Callable[[Update], None] | None = None,
        settle: bool = True,
    ) -> T:
        """Wait until the task has ended and return its result.

        Args:
            timeout: seconds, from this call on; None for an hour. The task goes on when the wait ends.
            on_abandon: what happens to the task when this wait is cancelled: "leave" it running, or "cancel" it at the
                platform, once and within 5 seconds, where the product can.
            on_update: called after every read. What it raises goes to the loop's exception handler.
            settle: forget the task in the journal when its result is returned, or its failure raised. With False that
                is for you to do, after you have done with it what should be done once:

                    result = await task.wait(settle=False)
                    await result.save("pictures")  # twice is once: the names come from the task's id
                    await task.settle()

        Raises:
            TaskFailed: the platform says so; `.reason`.
            TaskExpired: the platform has dropped it, 30 days after its end; a serverless job 6 hours after.
            NotFound: the platform does not know it, and the submit was not that long ago.
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
                try:
                    if on_update is not None and error is None:
                        on_update(self.update())
                finally:
                    if not future.done() and (error is not None or self.done):
                        future.set_exception(error) if error is not None else future.set_result(None)

            self.listen(heard)
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
                if settle:  # its result is gone: nothing is left to resume
                    await self.settle()
                raise
            except asyncio.CancelledError:
                if on_abandon == "cancel":
                    await self._abandon()
                raise
            finally:
                self.unlisten(heard)
        return await self.result(settle=settle)

    async def result(self, *, settle: bool = True) -> T:
        """The result of a task that has ended.

        Args:
            settle: as in `wait`.

        Raises:
            TaskFailed: the platform says so.
            TaskExpired: the platform has dropped it.
            TaskTimeout: it has not ended yet.
        """
        if settle and self.done:
            await self.settle()
        return self.outcome()

    async def settle(self) -> None:
        """Forget the task in the journal: its end was delivered, and `resume` need not give it again.

        Raises:
            ConfigError: the journal cannot be written.
        """
        await self._tasks.settle([self])

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

        self.listen(heard)
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
                yield self.update()
        finally:
            self.unlisten(heard)

    # ------------------------------------------------------------------------- for those who wait for many

    def listen(self, listener: Callable[[Exception | None], None]) -> None:
        """Call a function after every read, with the error that ended the wait or None, until `unlisten`."""
        tasks = self._tasks
        tasks.runtime.enter()
        self._listeners += (listener,)
        if not self.done:
            if self._watch is None:
                self._watch = _Watch(self, cadence=tasks.cadence, since=self._since, webhook=bool(self.webhook))
            tasks.scheduler.add(self._watch)
            if len(self._listeners) == 1:
                tasks.hearing.begin(self)

    def unlisten(self, listener: Callable[[Exception | None], None]) -> None:
        """Call it no more. The wait ends with its last listener. Safe to call twice."""
        if listener in self._listeners:
            at = self._listeners.index(listener)
            self._listeners = self._listeners[:at] + self._listeners[at + 1 :]
        watch = self._watch
        if not self._listeners and watch is not None:
            self._tasks.scheduler.remove(watch)
            self._tasks.hearing.end(self)
            if self.done:  # the two hold each other, and only the garbage collector would free them
                self._polls, self._watch = self._polls + watch.polls, None

    def update(self) -> Update:
        """What the last read said."""
        age = self._tasks.runtime.clock.monotonic() - self._since
        return Update(self.status, self.progress, self.eta, age, self.id)

    def outcome(self) -> T:
        """The result of a task that has ended, or its error. The journal is not touched."""
        if self._gone is not None:
            raise self._expired() from self._gone
        reading = self._reading
        if reading is None or not self.done:
            raise TaskTimeout("not finished yet", task_id=self.id, handle=self)
        if reading.outcome == "failed":
            raise TaskFailed(reading.reason, task_id=self.id, task_type=reading.task_type, handle=self)
        return cast("T", reading.result)  # a reading that is done has its result, and None may be one

    def hurry(self) -> None:
        """Read the status now, if anybody waits: there is news of it."""
        if self._watch is not None:
            self._tasks.scheduler.hurry(self._watch)

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

    async def read_status(self) -> bool:
        """Read the status once; whether that was the end."""
        try:
            self._reading = await self.read(self.id)
        except NotFound as error:
            if self.webhook == "test":  # nothing was started: what the event says is all there is
                self._reading = self.told or self._reading
            elif self._tasks.runtime.clock.monotonic() - self._since > self._tasks.kept(self.kind):
                self._gone = error
            else:
                raise
        return self.done

    def _expired(self) -> TaskExpired:
        kept = self._tasks.kept(self.kind)
        span = f"{kept / 86400:g} days" if kept >= 86400 else f"{kept / 3600:g} hours"
        text = f"submitted more than {span} ago, and the platform no longer has it: it keeps a result for so long"
        return TaskExpired(text, task_id=self.id, handle=self)

    def notify(self, error: Exception | None) -> None:
        """Tell everyone who waits that there was a read, or what ended the wait."""
        if isinstance(error, NovitaError):
            error.task_id, error.handle = self.id, self
        for listener in self._listeners:
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


class _Watch(Watch):
    """What the scheduler has of a task. One object, and none for each of its methods: there may be many thousands."""

    __slots__ = ("_task",)

    def __init__(self, task: Task[Any], *, cadence: Cadence, since: float, webhook: bool) -> None:
        super().__init__(cadence=cadence, since=since, webhook=webhook)
        self._task = task

    async def read(self) -> bool:
        return await self._task.read_status()

    def notify(self, error: Exception | None) -> None:
        self._task.notify(error)

    def progress(self) -> tuple[float, float]:
        return self._task.eta, self._task.progress
