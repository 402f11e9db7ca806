"""All tasks of a client: submitting them, waiting for many, and finding them again after a crash."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from functools import partial
from typing import TYPE_CHECKING, Any, Literal, TypeVar

import msgspec

from ..errors import ConfigError, NovitaError, TaskError, ValidationError
from .arguments import check_timeout
from .attempts import Attempts
from .call import read_answer
from .hearing import Hearing
from .retry import never_started
from .scheduler import default_cadence
from .task import Task
from .wait_all import PAUSE_EVERY, WaitAll, Waiter

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Mapping

    from .call import Call, Runtime
    from .journal import Entry, Journal
    from .scheduler import Cadence, Scheduler
    from .task import Cancel, Read, Update

__all__ = ["TaskSet", "UnknownSubmit"]

T = TypeVar("T")

_KEPT = 30 * 86400.0  # seconds that the platform keeps a result (contract/image.md 3)


class UnknownSubmit(msgspec.Struct, frozen=True):
    """A submit of an earlier process that may or may not have started. It is yours to decide; nothing is sent again.

    Attributes:
        kind: the product.
        request: the JSON object that was sent or was about to be.
        created: Unix seconds.
        task_id: the platform's id, where it is known and the kind is one that this version cannot wait for.
        forget: call and await it when you have decided; until then every `resume()` reports it.
    """

    kind: str
    request: dict[str, Any]
    created: float
    task_id: str | None
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
        cancels: Mapping[str, Callable[[], Cancel]] | None = None,
        keeps: Mapping[str, float] | None = None,
        default_timeout: float = 3600.0,
        cadence: Cadence = default_cadence,
    ) -> None:
        self.runtime = runtime
        self.scheduler = scheduler
        self.default_timeout = default_timeout
        self.cadence = cadence
        self.hearing = Hearing(runtime.clock, journal, self._resumed)
        self._journal = journal
        self._kinds = kinds
        self._cancels = cancels or {}
        self._keeps = keeps or {}

    def cancel_of(self, kind: str) -> Cancel | None:
        """What cancels a task of a kind; None where the platform has no way to."""
        make = self._cancels.get(kind)
        return None if make is None else make()

    def kept(self, kind: str) -> float:
        """How long the platform keeps the result of a task of a kind after its end, in seconds."""
        return self._keeps.get(kind, _KEPT)

    @property
    def journal(self) -> Journal | None:
        """The client's journal, for what is more than one submit; None when it keeps none."""
        return self._journal

    async def submit(
        self,
        call: Call,
        type_: type[Any],
        identify: Callable[[Any], str],
        *,
        kind: str,
        read: Read[T],
        note: bytes | None = None,
        webhook: bool | Literal["test"] = False,
    ) -> Task[T]:
        """Send a submit and return its handle: the intent in the journal before, the id in it after.

        Args:
            call: the submit.
            type_: of its answer.
            identify: takes the id out of the answer.
            kind: the product.
            read: reads the status of a task.
            note: JSON that the journal keeps in place of the body: of one that is streamed, or too large to keep.
            webhook: the body asks for a webhook, so that the status is read less often; "test" for one that only plays
                an end, of which the platform may know nothing else.
        """
        task = await self._submit(call, type_, identify, kind, read, note, webhook)
        if webhook:
            self.hearing.submitted(task)
        return task

    async def _submit(
        self,
        call: Call,
        type_: type[Any],
        identify: Callable[[Any], str],
        kind: str,
        read: Read[T],
        note: bytes | None,
        webhook: bool | Literal["test"],
    ) -> Task[T]:
        if self._journal is None:
            return Task(self, identify(await self.runtime.fetch(call, type_)), kind, read, webhook=webhook)
        from uuid import uuid4

        key = uuid4().hex
        body = note or (call.body if isinstance(call.body, bytes) else b"{}")
        request = msgspec.json.encode({"url": call.url, "body": msgspec.Raw(body)})
        attempts = Attempts(self.runtime, call)
        try:
            await self._journal.intend(key, kind, request, "test" if webhook == "test" else "yes" if webhook else "")
            task_id = identify(self.runtime.decode(await attempts.run(read_answer), type_))
        except BaseException as error:
            # Nothing was sent, or the platform said that it started nothing: then there is nothing to remember.
            if attempts.number == 0 or (isinstance(error, NovitaError) and never_started(error)):
                await self._journal.settle(key)
            raise
        task = Task(self, task_id, kind, read, key=key, webhook=webhook)
        try:
            await self._journal.submitted(key, task_id)
        except ConfigError as error:
            raise TaskError(f"submitted, and not noted down: {error}", task_id=task_id, handle=task) from error
        return task

    def get(self, task_id: str, *, kind: str = "media") -> Task[Any]:
        """A handle on a task by its id, from any process. Nothing is sent."""
        if kind not in self._kinds:
            raise ValidationError(f"unknown kind {kind!r}; there are {', '.join(self._kinds)}")
        if not task_id:
            raise ValidationError("task_id is empty")
        return Task(self, task_id, kind, self._kinds[kind]())

    async def wait(
        self,
        task_id: str,
        *,
        kind: str = "media",
        timeout: float | None = None,
        on_update: Callable[[Update], None] | None = None,
    ) -> Any:
        """Wait for a task by its id and return its result. Arguments and errors as `Task.wait`."""
        return await self.get(task_id, kind=kind).wait(timeout=timeout, on_update=on_update)

    async def wait_all(
        self,
        tasks: Iterable[Task[T] | Awaitable[Task[T]]],
        *,
        limit: int | None = None,
        timeout: float | None = None,
        return_exceptions: bool = False,
        on_update: Callable[[Update], None] | None = None,
    ) -> list[T]:
        """Wait for many tasks, and submit them first where need be. Their results come in order.

        Args:
            tasks: handles, or awaitables that give handles. A generator expression makes each submit only when its
                turn has come.
            limit: how many of those submitted here may be unfinished at once; None for as many as there are. Handles
                are not held back: they were submitted before.
            timeout: seconds for all of it; None for an hour.
            return_exceptions: put errors in place of results. Otherwise the first one ends the wait and is raised;
                submits under way still get 5 seconds to be answered, and the tasks go on at the platform.
            on_update: called after every read, of whatever task.

        Returns:
            The results. The journal forgets the tasks at that moment, all at once, and not before: a process that dies
            during the wait finds all of them again.

        Raises:
            TaskFailed, TaskExpired, NovitaError: of the first task that failed, or of a submit.
            TaskTimeout, TaskStateUnknown, CallTimeout: the time is over: for the first of the tasks that has not ended,
                or for a submit that had not its turn yet. With `return_exceptions` they stand in the places of all
                those (but of what a generator had not made yet); `.handle` of each can be waited for again.
            ValidationError: an argument cannot be one.

        Example:
            results = await novita.tasks.wait_all(
                (novita.images.submit("txt2img", **options, prompt=prompt) for prompt in prompts), limit=50
            )
        """
        self.runtime.enter()
        options: dict[str, Any] = {"return_exceptions": return_exceptions, "on_update": on_update}
        return await WaitAll(self, tasks, limit=limit, timeout=timeout, **options).run()

    async def as_completed(
        self,
        tasks: Iterable[Task[T]],
        *,
        timeout: float | None = None,
        on_update: Callable[[Update], None] | None = None,
    ) -> AsyncIterator[Task[T]]:
        """Give the tasks back as each one ends, failed ones too: `await task.wait()` then returns or raises at once.

        Ten thousand tasks cost ten thousand heap entries, not ten thousand tasks of the event loop.

        Args:
            tasks: handles, of any products.
            timeout: seconds for all of them together; None for an hour.
            on_update: called after every read, of whatever task.

        Raises:
            TaskTimeout: with the first task that has not ended, when the time is over.
            NovitaError: the status of a task cannot be read; `.handle` is that task, the others can be given again.
        """
        check_timeout(timeout)
        waiting = dict.fromkeys(tasks)
        limit = self.default_timeout if timeout is None else timeout
        deadline = self.runtime.clock.monotonic() + limit
        ended: deque[tuple[Task[T], Exception | None]] = deque()
        ring = asyncio.Event()

        waiters: dict[Task[T], Waiter[T]] = {}

        def heard(waiter: Waiter[T], error: Exception | None) -> None:
            del waiters[waiter.task]
            ended.append((waiter.task, error))
            ring.set()

        try:
            for number, task in enumerate(tuple(waiting), 1):
                if task.done:
                    ended.append((task, None))
                else:
                    waiters[task] = Waiter(task, heard, on_update)
                if number % PAUSE_EVERY == 0:
                    await self.runtime.clock.sleep(0)
            while waiting:
                while ended:
                    task, error = ended.popleft()
                    del waiting[task]
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
            for waiter in waiters.values():
                waiter.stop()

    async def resume(self) -> list[Task[Any] | UnknownSubmit]:
        """Everything that an earlier process submitted and did not see the end of, oldest first.

        Returns:
            A `Task` for each id that is known, to be waited for, with what was submitted in its `request`; an
            `UnknownSubmit` for each intent without an id, which is reported with its request and never sent again.
            Empty without a journal. However old a task is, it is among them: one that the platform has dropped, which
            it does 30 days after the end (a serverless job: 6 hours), ends as `TaskExpired`, and is then forgotten.

        Example:
            known = [task for task in await novita.tasks.resume() if isinstance(task, Task)]
            async for task in novita.tasks.as_completed(known):
                result = await task.wait(settle=False)
                await result.save("pictures")
                await task.settle()
        """
        if self._journal is None:
            return []
        return [self._resumed(entry) for entry in await self._journal.unfinished()]

    def _resumed(self, entry: Entry) -> Task[Any] | UnknownSubmit:
        journal = self._journal
        assert journal is not None
        if entry.task_id is None or entry.kind not in self._kinds:
            request = msgspec.json.decode(entry.request)
            forget = partial(journal.settle, entry.key)
            return UnknownSubmit(entry.kind, request, entry.created, entry.task_id, forget)
        task: Task[Any] = Task(
            self,
            entry.task_id,
            entry.kind,
            self._kinds[entry.kind](),
            key=entry.key,
            webhook="test" if entry.webhook == "test" else bool(entry.webhook),
            request=entry.request,
        )
        # The cadence goes by the age since the submit, which was in another process.
        task.backdate(max(0.0, self.runtime.clock.time() - entry.created))
        return task

    async def settle(self, tasks: Iterable[Task[Any]]) -> None:
        """Forget tasks in the journal, all at once: their ends were delivered."""
        if self._journal is None:
            return
        keys: list[str] = []
        ids: list[str] = []
        for task in tasks:
            if task.key:
                keys.append(task.key)
            elif task.kind in self._kinds:
                ids.append(task.id)  # made by `get`, from an id that another handle noted down
        if keys or ids:
            await self._journal.settle_all(keys, ids)

    def stats(self) -> dict[str, int]:
        """Live counters: tasks waited for, reads in flight, reads so far."""
        return {
            "waiting": self.scheduler.waiting,
            "polls_in_flight": self.scheduler.reading,
            "polls": self.scheduler.polls,
        }

    async def aclose(self) -> None:
        """End every wait and close the journal."""
        await self.hearing.aclose()
        await self.scheduler.aclose()
        if self._journal is not None:
            await self._journal.aclose()
