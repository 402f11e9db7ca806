"""One round trip of batches: upload, create, wait, fetch, join; and every step in the journal, where there is one.

A step is written down before it is made, and its id right after. So a process that comes after one that was killed
knows what surely is there; what may be there it looks for before it makes it.
"""

from __future__ import annotations

import asyncio
import os
from collections import deque
from collections.abc import AsyncIterable, Iterable
from functools import partial
from typing import TYPE_CHECKING, Any, Generic, Self, TypeVar, cast

import msgspec

from ..errors import NotFound, NovitaError, ProtocolError, TaskFailed, ValidationError
from ..runtime.attempts import Attempts
from ..runtime.call import read_answer
from ..runtime.clock import uninterrupted
from ..runtime.closing import Closing
from ..runtime.retry import RETRYABLE, never_started
from ..runtime.task import Task
from ..runtime.undo import or_undo
from .batch_lines import CHAT, file_requests, numbered_requests
from .batch_results import ResultFile, Results
from .downloads import download
from .usage import counts_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..runtime.call import Runtime
    from ..runtime.clock import Clock
    from ..runtime.journal import Part
    from ..runtime.tasks import TaskSet
    from .batch_lines import LinesFile, Spool
    from .batch_results import BatchResult
    from .batches import Batch, Batches, Requests
    from .files import Files

__all__ = ["BatchRun", "Order", "spool"]

T = TypeVar("T")

_AT_ONCE = 1000  # requests for one visit to a worker thread
_WINDOW = 50 * 3600.0
_ABANDON_LIMIT = 5.0
_SKEW = 300.0  # seconds that the platform's clock may be behind ours
_MISSING = {
    "expired": ("batch_expired", "the batch expired before this request was done"),
    "cancelled": ("batch_cancelled", "the batch was cancelled before this request was done"),
}
_LOST = ("no_result", "the result files have no line for this request")


class Order(msgspec.Struct, frozen=True):
    """What the batches of a run have in common; see `Batches.create`."""

    endpoint: str
    window: str
    metadata: dict[str, str] | None


async def spool(clock: Clock, lines: Spool, requests: Requests) -> None:
    """Check requests and write them down, off the event loop.

    Raises:
        ValidationError: with everything that was found.
    """
    if isinstance(requests, (str, os.PathLike)):
        await _take_all(clock, lines, file_requests(requests))
    elif isinstance(requests, AsyncIterable):
        taken = 0
        some: list[object] = []
        async for request in requests:
            some.append(request)
            if len(some) >= _AT_ONCE:
                await clock.to_thread(partial(lines.take, numbered_requests(some, taken), len(some)))
                taken += len(some)
                some = []
        await clock.to_thread(partial(lines.take, numbered_requests(some, taken), len(some)))
    elif isinstance(requests, Iterable) and not isinstance(requests, (bytes, dict)):  # pyright: ignore[reportUnnecessaryIsInstance] - a caller may
        await _take_all(clock, lines, numbered_requests(requests))
    else:
        kind = type(cast("object", requests)).__name__
        raise ValidationError(f"requests must be an iterable of dicts or the path of a file, got {kind}")
    await clock.to_thread(lines.finish)


async def _take_all(clock: Clock, lines: Spool, requests: Iterator[tuple[str, object]]) -> None:
    while await clock.to_thread(partial(lines.take, requests, _AT_ONCE)):
        pass


class BatchRun(Closing, Generic[T]):
    """What `batches.run` gives: an async iterator of results, in the order of the requests.

    Attributes:
        total: requests.
        batch_ids: the batches, one for each file of requests.
        problems: what was found in the result files so far and is no result: lines that cannot be read, lines for
            requests that were not made. A request whose line is among them has it as its error as well.
    """

    def __init__(
        self,
        runtime: Runtime,
        tasks: TaskSet,
        batches: Batches,
        files: Files,
        lines: Spool,
        order: Order,
        *,
        on_abandon: str,
        timeout: float | None,
    ) -> None:
        self.total = sum(part.count for part in lines.files)
        self.batch_ids: list[str] = []
        self.problems: list[str] = []
        self._runtime = runtime
        self._tasks = tasks
        self._batches = batches
        self._files = files
        self._lines = lines
        self._order = order
        self._cancels = on_abandon == "cancel"
        self._timeout = _WINDOW if timeout is None else timeout
        self._deadline = 0.0
        self._key = lines.digest(runtime.settings.llm_base_url, order.endpoint, order.window)
        self._at = 0  # the part that is delivered
        self._results: Results[T] | None = None
        self._next = 0  # of its results
        self._ready: deque[BatchResult[T]] = deque()
        self._over: set[str] = set()  # batches that have ended
        self._closed = False

    def __repr__(self) -> str:
        return f"<BatchRun of {self.total} requests in {', '.join(self.batch_ids)}>"

    # -------------------------------------------------------------------------------------------- going out

    async def start(self) -> None:
        """Upload the files and create the batches that are not there yet."""
        for number, part in enumerate(self._lines.files):
            try:
                batch_id = await self._part(number, part)
            except NovitaError as error:
                if self.batch_ids and not self._cancels:
                    error.add_note(f"these batches run already: {', '.join(self.batch_ids)}")
                raise
            self.batch_ids.append(batch_id)
        self._deadline = self._runtime.clock.monotonic() + self._timeout

    async def _part(self, number: int, part: LinesFile) -> str:
        journal = self._tasks.journal
        entry = await journal.begin_part(self._key, number) if journal is not None else None
        if entry is not None and entry.batch_id:
            return entry.batch_id
        noted = entry is not None and entry.file_id is not None
        file_id = await self._upload(number, part, entry)
        if entry is not None and entry.creating and (found := await self._find_batch(file_id, entry.created)):
            return await self._created(number, found)
        if journal is not None:
            await journal.creating(self._key, number)
        try:
            batch_id = await self._create(file_id)
        except NotFound:
            if journal is None or not noted:
                raise
            # An upload of an earlier process, which the platform does not keep for ever.
            await journal.forget_parts(self._key, number)
            return await self._part(number, part)
        return await self._created(number, batch_id)

    async def _created(self, number: int, batch_id: str) -> str:
        if self._tasks.journal is not None:
            await self._tasks.journal.created(self._key, number, batch_id)
        return batch_id

    async def _upload(self, number: int, part: LinesFile, entry: Part | None) -> str:
        """The id of the input file, which may be there already."""
        if entry is not None and entry.file_id is not None:
            return entry.file_id
        name = f"novita-async-{self._key[:16]}-{number + 1:03}.jsonl"
        file_id = None
        if entry is not None and entry.known:
            known = (await self._files.list()).data
            file_id = next((file.id for file in known if (file.filename, file.bytes) == (name, part.size)), None)
        if file_id is None:
            await self._runtime.clock.to_thread(partial(part.file.seek, 0))
            file_id = (await self._files.create(file=(name, part.file), purpose="batch")).id
        if self._tasks.journal is not None:
            await self._tasks.journal.uploaded(self._key, number, file_id)
        return file_id

    async def _create(self, file_id: str) -> str:
        runtime, order = self._runtime, self._order
        attempts = Attempts(runtime, self._batches.create_call(file_id, order.endpoint, order.window, order.metadata))

        async def create() -> str:
            from .batches import Batch

            return runtime.decode(await attempts.run(read_answer), Batch).id

        try:
            if self._cancels:
                return await or_undo(runtime.clock, attempts, create(), self._batches.cancel)
            return await create()
        except (*RETRYABLE, ProtocolError) as error:
            if never_started(error):
                raise
            # Nobody else knows this file: a batch of it is the one that was asked for.
            found = await self._find_batch(file_id, 0.0)
            if found is None:
                raise
            return found

    async def _find_batch(self, file_id: str, since: float) -> str | None:
        for batch in (await self._batches.list()).data:
            new = batch.created_at is None or batch.created_at.timestamp() >= since - _SKEW
            if batch.input_file_id == file_id and new:
                return batch.id
        return None

    # ------------------------------------------------------------------------------------------ coming back

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> BatchResult[T]:
        try:
            while not self._ready:
                if self._closed or self._at >= len(self.batch_ids):
                    await self._finish()
                    raise StopAsyncIteration
                await self._advance()
        except asyncio.CancelledError:
            if self._cancels:
                await self.aclose()
            raise
        return self._ready.popleft()

    async def _advance(self) -> None:
        """Get some results, or come to the next part."""
        clock = self._runtime.clock
        if self._results is None:
            self._results = await self._fetch(await self._wait(self.batch_ids[self._at]))
            self._next = 0
        some = await clock.to_thread(partial(self._results.chunk, self._next))
        if some:
            self._next += len(some)
            self._ready.extend(some)
            counts = counts_of(self._runtime)
            for result in some:
                answer: Any = result.value
                if answer is not None:
                    counts.add(self._lines.model, answer.usage)
        else:
            await clock.to_thread(self._results.close)
            self._results = None
            self._at += 1

    async def _wait(self, batch_id: str) -> Batch:
        task: Task[Batch] = Task(self._tasks, batch_id, "batch", self._batches.reader())
        left = self._deadline - self._runtime.clock.monotonic()
        try:
            if left <= 0:
                await task.refresh()  # it may have ended long ago, while others were read
                if not task.done:
                    raise task.overdue(self._timeout)
            batch = await task.wait(timeout=left if left > 0 else None)
        except (TaskFailed, NotFound):
            # A run of the same requests begins anew with this part, and keeps what the others have done.
            self._over.add(batch_id)
            if self._tasks.journal is not None:
                await self._tasks.journal.forget_parts(self._key, self._at)
            raise
        self._over.add(batch_id)
        return batch

    async def _fetch(self, batch: Batch) -> Results[T]:
        runtime, clock = self._runtime, self._runtime.clock
        if self._order.endpoint == CHAT:
            from .types import ChatCompletion as Answer
        else:
            from .completions import Completion as Answer
        decoder: Any = runtime.decoders(Answer)
        part = self._lines.files[self._at]
        missing = _MISSING.get(batch.status, _LOST)
        secret = runtime.settings.api_key or ""
        results: Results[T] = await clock.to_thread(
            lambda: Results(part, decoder, missing=missing, secret=secret),
        )
        try:
            for label, file_id in (("output", batch.output_file_id), ("error", batch.error_file_id)):
                if file_id is not None:
                    source = ResultFile(f"{label} file {file_id}")
                    results.add(source)
                    await download(runtime, self._files.content_call(file_id), source)
                    await clock.to_thread(partial(results.index, source))
        except BaseException:
            await uninterrupted(clock.to_thread(results.close))
            raise
        self.problems += results.problems
        return results

    async def _finish(self) -> None:
        """All was delivered."""
        if self._closed:
            return
        if self._tasks.journal is not None:
            await self._tasks.journal.forget_parts(self._key)
        self._cancels = False
        await self.aclose()

    # -------------------------------------------------------------------------------------------------- end

    async def aclose(self) -> None:
        """End the run. Its batches go on, or are cancelled when `on_abandon` says so. Safe to call twice."""
        if self._closed:
            return
        self._closed = True
        await uninterrupted(self._end())

    async def _end(self) -> None:
        try:
            if self._cancels and not self._runtime.life.closed:
                await self._abandon([batch_id for batch_id in self.batch_ids if batch_id not in self._over])
        finally:
            self._ready.clear()
            if self._results is not None:
                await self._runtime.clock.to_thread(self._results.close)
            await self._runtime.clock.to_thread(self._lines.close)

    async def _abandon(self, batch_ids: list[str]) -> None:
        try:
            async with self._runtime.clock.timeout(_ABANDON_LIMIT):
                for batch_id in batch_ids:
                    await self._batches.cancel(batch_id)
                if self._tasks.journal is not None:
                    await self._tasks.journal.forget_parts(self._key)
        except (NovitaError, TimeoutError):
            return  # whoever abandons them is not there to hear of it; the journal, where there is one, has them
