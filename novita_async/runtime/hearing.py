"""What webhooks tell of tasks, and who is told.

An event is never believed: it hurries the read of its task, and that read is what counts. So an event may come twice,
too early, too late or never, and each task still ends once: nothing is kept of it but the task's id. The one exception
is a task that was submitted as a test of webhooks, of which the platform may know nothing: then the event is all there
is.

Where a journal is shared, an event that came to another process stands there, and whoever waits looks once a second.
"""

from __future__ import annotations

import asyncio
import inspect
from collections import deque
from typing import TYPE_CHECKING, Any

from ..errors import ClientClosed, ConfigError, NovitaError
from .scheduler import passing
from .task import Task

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from .clock import Clock, TimerHandle
    from .journal import Entry, Journal
    from .task import Reading
    from .tasks import UnknownSubmit

__all__ = ["Hearing"]

_LOOK = 1.0  # seconds between two looks into the journal
_KEPT = 600.0  # seconds for which an event is remembered that came before anybody waited
_MOST = 10_000  # of those, and of the ends that were delivered
_MOST_TESTS = 100  # events of tests, whose payloads are kept
_UNKNOWN = 60.0  # seconds within which the journal gets to know a task whose event overtook the answer to its submit
_FOLLOWED = 86400.0  # seconds for which a task is followed on behalf of `on_done`
_DELIVERIES = 100  # calls of `on_done` at once


class Hearing:
    """What one client hears of its tasks.

    Args:
        clock: the client's.
        journal: what it shares with other processes; None for nothing.
        resumed: makes a handle of an entry of the journal.

    Attributes:
        on_done: called once with each task that ended, of those submitted with a webhook; None for nobody.
        read_test: what reads the payload of an event as a status.
    """

    def __init__(
        self, clock: Clock, journal: Journal | None, resumed: Callable[[Entry], Task[Any] | UnknownSubmit]
    ) -> None:
        self._clock = clock
        self._journal = journal
        self._resumed = resumed
        self.on_done: Callable[[Task[Any]], Awaitable[object] | object] | None = None
        self.read_test: Callable[[str, bytes], Reading[Any]] | None = None
        self._waiting: dict[str, Task[Any] | list[Task[Any]]] = {}  # a list where there are several handles
        self._expected = 0  # handles that wait for an event
        self._early: dict[str, tuple[float, bytes | None]] = {}
        self._tests = 0  # of them that have a payload
        self._unknown: dict[str, float] = {}
        self._seen = 0
        self._timer: TimerHandle | None = None
        self._looking: asyncio.Task[None] | None = None
        self._followed: set[str] = set()
        self._delivered: dict[str, None] = {}
        self._ended: deque[Task[Any]] = deque()
        self._workers: set[asyncio.Task[None]] = set()
        self._closed = False

    # ------------------------------------------------------------------------------------ who waits here

    def begin(self, task: Task[Any]) -> None:
        """Somebody waits for a task now."""
        others = self._handles(task.id)
        self._waiting[task.id] = [*others, task] if others else task
        self._expected += bool(task.webhook)
        early = self._early.pop(task.id, None)
        if early is not None:
            self._tests -= early[1] is not None
            self._tell(task, early[1])
        self._look_later()

    def end(self, task: Task[Any]) -> None:
        """Nobody waits for it any more. Safe to call twice."""
        handles = self._handles(task.id)
        if task in handles:
            self._expected -= bool(task.webhook)
            if len(handles) > 1:
                self._waiting[task.id] = [each for each in handles if each is not task]
            else:
                del self._waiting[task.id]

    def _handles(self, task_id: str) -> list[Task[Any]]:
        waiting = self._waiting.get(task_id)
        return waiting if isinstance(waiting, list) else [waiting] if waiting is not None else []

    def submitted(self, task: Task[Any]) -> None:
        """A task was submitted with a webhook."""
        if self.on_done is not None:
            self._follow(task)

    # ----------------------------------------------------------------------------------------- an event

    async def hear(self, task_id: str, test: bytes | None = None) -> None:
        """Take an event to whoever it is for, here or in another process.

        Args:
            task_id: whose end it tells of.
            test: its payload, where it says that it is one of a test.

        Raises:
            ConfigError: the journal cannot be written, so that other processes would not hear of it.
        """
        handles = self._tell_all(task_id, test)
        if handles:
            if self.on_done is not None:
                self._follow(handles[0])
        elif self._journal is not None:
            entry = await self._journal.hear(task_id, test)
            if self.on_done is not None:
                if entry is not None:
                    self._found(entry, test)
                else:
                    self._unknown[task_id] = self._clock.monotonic()
                    if len(self._unknown) > _MOST:
                        del self._unknown[next(iter(self._unknown))]
                    self._look_later()

    def _tell_all(self, task_id: str, test: bytes | None) -> list[Task[Any]]:
        handles = self._handles(task_id)
        for task in handles:
            self._tell(task, test)
        if not handles:
            self._remember(task_id, test)
        return handles

    def _tell(self, task: Task[Any], test: bytes | None) -> None:
        if test is not None and task.webhook == "test" and self.read_test is not None:
            try:
                task.told = self.read_test(task.id, test)
            except NovitaError:
                return  # an event of nothing that can be read as a status
        task.hurry()

    def _remember(self, task_id: str, test: bytes | None) -> None:
        """Events can overtake the answer to the submit, and whoever submitted may begin to wait only later."""
        now = self._clock.monotonic()
        if test is not None and self._tests >= _MOST_TESTS:
            test = None
        if task_id in self._early:  # the newest stand last
            self._tests -= self._early.pop(task_id)[1] is not None
        self._early[task_id] = (now, test)
        self._tests += test is not None
        while len(self._early) > _MOST or next(iter(self._early.values()))[0] < now - _KEPT:
            self._tests -= self._early.pop(next(iter(self._early)))[1] is not None

    # ------------------------------------------------------------------------- events of other processes

    def _look_later(self) -> None:
        idle = self._timer is None and self._looking is None and not self._closed
        if idle and self._journal is not None and (self._expected or self._unknown):
            self._timer = self._clock.call_later(_LOOK, self._start_to_look)

    def _start_to_look(self) -> None:
        self._timer = None
        if self._expected or self._unknown:
            self._looking = asyncio.get_running_loop().create_task(self._look(), name="novita-journal")

    async def _look(self) -> None:
        assert self._journal is not None
        try:
            news, found = await self._journal.news(self._seen, list(self._unknown))
            for each in news:
                self._seen = each.number
                self._tell_all(each.task_id, each.said)
            for entry in found:
                self._found(entry, None)
        except (ConfigError, ClientClosed):
            pass  # the reads that are due anyway are the net under the events
        finally:
            horizon = self._clock.monotonic() - _UNKNOWN
            for task_id in [task_id for task_id, heard in self._unknown.items() if heard < horizon]:
                del self._unknown[task_id]
            self._looking = None
            self._look_later()

    def _found(self, entry: Entry, test: bytes | None) -> None:
        task_id = entry.task_id or ""
        self._unknown.pop(task_id, None)
        task = self._resumed(entry)
        if self.on_done is not None and isinstance(task, Task):
            self._follow(task)
            self._tell(task, test)

    # ------------------------------------------------------------------------------------------- on_done

    def _follow(self, task: Task[Any], since: float | None = None) -> None:
        """Wait for a task on behalf of `on_done`: an event that is lost must not lose its end."""
        if task.id in self._followed or task.id in self._delivered or self._closed:
            return
        began = self._clock.monotonic() if since is None else since

        def heard(error: Exception | None) -> None:
            late = self._clock.monotonic() - began > _FOLLOWED
            if self._closed or (error is None and not task.done and not late):
                return
            self._followed.discard(task.id)
            task.unlisten(heard)
            if task.done:
                self._deliver_soon(task)
            elif error is not None and passing(error) and not late:
                self._follow(task, began)  # the platform may be down for longer than a caller would wait
            else:
                problem = error or task.overdue(_FOLLOWED)
                self._report(problem, f"on_done is not called for {task!r}: its end cannot be read")

        self._followed.add(task.id)
        task.listen(heard)
        if task.done:
            heard(None)

    def _deliver_soon(self, task: Task[Any]) -> None:
        self._delivered[task.id] = None
        if len(self._delivered) > _MOST:
            del self._delivered[next(iter(self._delivered))]
        self._ended.append(task)
        if len(self._workers) < _DELIVERIES:
            worker = asyncio.get_running_loop().create_task(self._deliver(), name="novita-on-done")
            self._workers.add(worker)
            worker.add_done_callback(self._workers.discard)

    async def _deliver(self) -> None:
        while self._ended:
            task = self._ended.popleft()
            try:
                if not await self._claim(task.id):
                    continue  # another process has it
                assert self.on_done is not None
                answer = self.on_done(task)
                if inspect.isawaitable(answer):
                    await answer
                await task.settle()
            except Exception as error:
                self._report(error, f"on_done failed for {task!r}")

    async def _claim(self, task_id: str) -> bool:
        if self._journal is None:
            return True
        try:
            return await self._journal.claim(task_id)
        except ConfigError:
            self._delivered.pop(task_id, None)  # it may be delivered when the next event comes
            raise

    def _report(self, error: Exception, message: str) -> None:
        asyncio.get_running_loop().call_exception_handler({"message": message, "exception": error})

    async def aclose(self) -> None:
        """Stop looking and delivering. What was not delivered stays in the journal. Safe to call twice."""
        self._closed = True
        if self._timer is not None:
            self._timer.cancel()
        running = [*self._workers, *([self._looking] if self._looking is not None else [])]
        for each in running:
            each.cancel()
        await asyncio.gather(*running, return_exceptions=True)
