"""Tasks: what was submitted and finishes later. Handles, and everything that can be done with many of them.

A task ends in one of three ways: its status is a known success, its status is a known failure, or the wait for it ends.
An unknown status is none of these: it is kept, shown, and waited through until the deadline, which always exists.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from typing import TYPE_CHECKING, Any, Generic, Literal, TypeAlias, TypeVar, cast

import msgspec

from ..errors import NotFound, NovitaError, TaskFailed, TaskStateUnknown, TaskTimeout, ValidationError
from .call import Attempts, read_answer
from .clock import uninterrupted
from .retry import never_started
from .scheduler import Watch, default_cadence

if TYPE_CHECKING:
    from .call import Call, Runtime
    from .journal import Entry, Journal
    from .scheduler import Cadence, Scheduler

__all__ = ["Reading", "Task", "TaskSet", "UnknownSubmit", "Update"]

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
        """
        if on_abandon == "cancel" and self.cancel_with is None:
            raise ValidationError(f"on_abandon='cancel': the platform has no way to cancel a {self.kind} task")
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
                raise self.overdue(limit) from None
            except NotFound:
                await self._tasks.settle(self._key)  # its result is gone: nothing is left to resume
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
        await self._tasks.settle(self._key)
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
        """Give an update after every read, the last one final. `wait()` afterwards returns at once."""
        news: deque[Exception | None] = deque()
        ring = asyncio.Event()

        def heard(error: Exception | None) -> None:
            news.append(error)
            ring.set()

        self._listen(heard)
        try:
            while not self.done:
                try:
                    async with self._tasks.runtime.clock.timeout(self._tasks.default_timeout):
                        await ring.wait()
                except TimeoutError:
                    raise self.overdue(self._tasks.default_timeout) from None
                ring.clear()
                while news:
                    error = news.popleft()
                    if error is not None:
                        raise error
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
        for listener in list(self._listeners):
            listener(error)

    async def _abandon(self) -> None:
        async def once() -> None:
            async with self._tasks.runtime.clock.timeout(_ABANDON_LIMIT):
                await self.cancel()

        try:
            await uninterrupted(once())
        except Exception as error:
            raise asyncio.CancelledError(f"{self!r} could not be cancelled: {error}") from error


class UnknownSubmit(msgspec.Struct, frozen=True):
    """A submit of an earlier process that may or may not have started. It is yours to decide; nothing is sent again.

    Attributes:
        kind: the product.
        request: the JSON object that was sent or was about to be.
        created: Unix seconds.
        forget: call and await it when you have decided; until then every `resume()` reports it.
    """

    kind: str
    request: dict[str, Any]
    created: float
    forget: Callable[[], Awaitable[None]]


class TaskSet:
    """`novita.tasks`: all tasks of a client, whatever the product."""

    def __init__(
        self,
        runtime: Runtime,
        scheduler: Scheduler,
        journal: Journal | None,
        *,
        kinds: dict[str, Callable[[], Read[Any]]],
        default_timeout: float = 3600.0,
        cadence: Cadence = default_cadence,
    ) -> None:
        self.runtime = runtime
        self.scheduler = scheduler
        self.default_timeout = default_timeout
        self.cadence = cadence
        self._journal = journal
        self._kinds = kinds

    async def submit(
        self, call: Call, type_: type[Any], identify: Callable[[Any], str], *, kind: str, read: Read[T]
    ) -> Task[T]:
        """Send a submit and return its handle: the intent in the journal before, the id in it after."""
        if self._journal is None:
            return Task(self, identify(await self.runtime.fetch(call, type_)), kind, read)
        from uuid import uuid4

        key = uuid4().hex
        body = call.body if isinstance(call.body, bytes) else b"{}"
        attempts = Attempts(self.runtime, call)
        try:
            await self._journal.intend(key, kind, msgspec.json.encode({"url": call.url, "body": msgspec.Raw(body)}))
            answer = await attempts.run(read_answer)
        except BaseException as error:
            # Nothing was sent, or the platform said that it started nothing: then there is nothing to remember.
            if attempts.number == 0 or (isinstance(error, NovitaError) and never_started(error)):
                await self._journal.settle(key)
            raise
        task_id = identify(self.runtime.decode(answer, type_))
        await self._journal.submitted(key, task_id)
        return Task(self, task_id, kind, read, key=key)

    def get(self, task_id: str, *, kind: str = "media") -> Task[Any]:
        """A handle on a task by its id, from any process. Nothing is sent."""
        if kind not in self._kinds:
            raise ValidationError(f"unknown kind {kind!r}; there are {', '.join(self._kinds)}")
        if not task_id:
            raise ValidationError("task_id is empty")
        return Task(self, task_id, kind, self._kinds[kind]())

    async def wait(self, task_id: str, *, kind: str = "media", timeout: float | None = None) -> Any:
        """Wait for a task by its id and return its result. Raises what `Task.wait` raises."""
        return await self.get(task_id, kind=kind).wait(timeout=timeout)

    async def as_completed(self, tasks: Iterable[Task[T]], *, timeout: float | None = None) -> AsyncIterator[Task[T]]:
        """Give the tasks back as each one ends, failed ones too: `await task.wait()` then returns or raises at once.

        Ten thousand tasks cost ten thousand heap entries, not ten thousand tasks of the event loop.

        Args:
            tasks: handles, of any products.
            timeout: seconds for all of them together; None for an hour.

        Raises:
            TaskTimeout: with the first task that has not ended, when the time is over.
        """
        waiting = dict.fromkeys(tasks)
        limit = self.default_timeout if timeout is None else timeout
        deadline = self.runtime.clock.monotonic() + limit
        ended: deque[tuple[Task[T], Exception | None]] = deque()
        ring = asyncio.Event()

        def listener(task: Task[T]) -> Callable[[Exception | None], None]:
            def heard(error: Exception | None) -> None:
                if error is not None or task.done:
                    ended.append((task, error))
                    ring.set()

            return heard

        stops: dict[Task[T], Callable[[], None]] = {}
        try:
            for task in waiting:
                if task.done:
                    ended.append((task, None))
                else:
                    stops[task] = task.on_update(listener(task))
            while waiting:
                while ended:
                    task, error = ended.popleft()
                    if task not in waiting:
                        continue
                    del waiting[task]
                    stops.pop(task, lambda: None)()
                    if error is not None:
                        raise error
                    yield task
                if not waiting:
                    break
                ring.clear()
                try:
                    async with self.runtime.clock.timeout(max(0.0, deadline - self.runtime.clock.monotonic())):
                        await ring.wait()
                except TimeoutError:
                    raise next(iter(waiting)).overdue(limit) from None
        finally:
            for stop in stops.values():
                stop()

    async def resume(self) -> list[Task[Any] | UnknownSubmit]:
        """Everything that an earlier process submitted and did not see the end of, oldest first.

        Returns:
            A `Task` for each id that is known, to be waited for; an `UnknownSubmit` for each intent without an id,
            which is reported with its request and never sent again. Empty without a journal.
        """
        if self._journal is None:
            return []
        return [self._resumed(entry) for entry in await self._journal.unfinished()]

    def _resumed(self, entry: Entry) -> Task[Any] | UnknownSubmit:
        journal = self._journal
        assert journal is not None
        if entry.task_id is None or entry.kind not in self._kinds:
            request = msgspec.json.decode(entry.request)
            return UnknownSubmit(entry.kind, request, entry.created, lambda: journal.settle(entry.key))
        task = Task(self, entry.task_id, entry.kind, self._kinds[entry.kind](), key=entry.key)
        # The cadence goes by the age since the submit, which was in another process.
        task.backdate(max(0.0, self.runtime.clock.time() - entry.created))
        return task

    async def settle(self, key: str) -> None:
        """Forget a task in the journal: its end was delivered."""
        if self._journal is not None and key:
            await self._journal.settle(key)

    def stats(self) -> dict[str, int]:
        """Live counters: tasks waited for, reads in flight, reads so far."""
        return {
            "waiting": self.scheduler.waiting,
            "polls_in_flight": self.scheduler.reading,
            "polls": self.scheduler.polls,
        }

    async def aclose(self) -> None:
        """End every wait and close the journal."""
        await self.scheduler.aclose()
        if self._journal is not None:
            await self._journal.aclose()
