"""`novita.batches`: many requests at once, at leisure (contract/llm.md 12)."""

from __future__ import annotations

import datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, cast, overload
from urllib.parse import quote

import msgspec

from ..errors import ValidationError
from ..runtime.arguments import check_timeout
from ..runtime.retry import Replay
from ..runtime.task import Reading
from ..wire.json import Object, decode, remember
from .endpoint import Endpoint, as_raw, raw_twin
from .files import Listing, require_id

if TYPE_CHECKING:
    import os
    from collections.abc import AsyncIterable, AsyncIterator, Iterable, Mapping

    from ..runtime.call import Answer, Call, Runtime
    from ..runtime.task import Read
    from ..runtime.tasks import TaskSet
    from .batch_run import BatchRun
    from .completions import Completion
    from .files import Files
    from .types import ChatCompletion

    _Moment: TypeAlias = datetime.datetime | None
    _Text: TypeAlias = str | None
else:
    _Moment = _Text = Any  # whatever the platform sends: `__post_init__` makes of it what a type checker is told

__all__ = ["Batch", "BatchList", "Batches", "RawBatches", "RequestCounts", "Requests"]

#: What `run` takes: bodies, or dicts with `custom_id` and `body`; all at once, as they come, or the path of their file.
Requests: TypeAlias = "Iterable[Mapping[str, Any]] | AsyncIterable[Mapping[str, Any]] | str | os.PathLike[str]"

_MOMENTS = (
    *("created_at", "updated_at", "in_progress_at", "expires_at", "finalizing_at", "completed_at", "failed_at"),
    *("expired_at", "cancelling_at", "cancelled_at"),
)
_RUNNING = frozenset({"validating", "in_progress", "finalizing", "cancelling"})
_WITH_RESULTS = frozenset({"completed", "expired", "cancelled"})
_POLL_LIMIT = 60.0


class RequestCounts(Object):
    """How far a batch is: `completed` and `failed` requests of `total`."""

    total: int = 0
    completed: int = 0
    failed: int = 0


class Batch(Object):
    """A batch as it was when it was read.

    Attributes:
        id: the platform's.
        status: validating, in_progress, finalizing, completed, failed, expired, cancelling, cancelled, or something
            newer; in small letters, as the `openai` package has it. `raw` has the platform's own word.
        input_file_id: what was asked.
        output_file_id: the answers; None until there are some.
        error_file_id: the requests that were refused; None when there are none.
        errors: why the batch failed; None when it did not.
        expires_at: when the window ends. This and the other moments are aware datetimes, None until they have come.
        request_counts: how far it is.
        metadata: what the creator said of it.
        total: this, `completed` and `failed` repeat `request_counts`.
        created_by: user who made it; `created_by_key_id` is the id of the key, not the key.
    """

    id: str
    endpoint: str = ""
    input_file_id: str = ""
    status: str = ""
    object: str = "batch"
    completion_window: str = ""
    output_file_id: str | None = None
    error_file_id: str | None = None
    errors: _Text = None
    request_counts: RequestCounts = msgspec.field(default_factory=RequestCounts)
    metadata: dict[str, Any] | None = None
    created_at: _Moment = None
    updated_at: _Moment = None
    in_progress_at: _Moment = None
    expires_at: _Moment = None
    finalizing_at: _Moment = None
    completed_at: _Moment = None
    failed_at: _Moment = None
    expired_at: _Moment = None
    cancelling_at: _Moment = None
    cancelled_at: _Moment = None
    total: int | None = None
    completed: int | None = None
    failed: int | None = None
    version: int | None = None
    created_by: str | None = None
    created_by_key_id: str | None = None
    remark: str | None = None

    def __post_init__(self) -> None:
        status = self.status.lower()
        self.status = "in_progress" if status == "progress" else status
        self.output_file_id = self.output_file_id or None
        self.error_file_id = self.error_file_id or None
        self.errors = _error_text(self.errors)
        for name in _MOMENTS:
            setattr(self, name, _moment(getattr(self, name)))


class BatchList(Object):
    """The batches of one page. The platform documents no way to ask for another."""

    data: list[Batch]
    object: str = "list"
    first_id: str | None = None
    last_id: str | None = None
    has_more: bool = False

    async def __aiter__(self) -> AsyncIterator[Batch]:
        for batch in self.data:
            yield batch


class _ListWire(Object):
    """As the platform sends it, which may be null for no batches."""

    data: list[msgspec.Raw] | None
    first_id: str | None = None
    last_id: str | None = None
    has_more: bool | None = None


class Batches(Endpoint):
    """`novita.batches`."""

    def __init__(self, runtime: Runtime, tasks: TaskSet, files: Files) -> None:
        super().__init__(runtime)
        self._tasks = tasks
        self._files = files

    @cached_property
    def with_raw_response(self) -> RawBatches:
        """The same calls, giving a `RawResponse`: status, headers, body, and `parse()` for the rest."""
        return RawBatches(self)

    async def create(
        self,
        *,
        input_file_id: str,
        endpoint: str,
        completion_window: str = "48h",
        metadata: Mapping[str, str] | None = None,
        extra_body: Mapping[str, Any] | None = None,
        extra_headers: Mapping[str, str] | None = None,
        extra_query: Mapping[str, Any] | None = None,
        timeout: float | None = None,
    ) -> Batch:
        """Start a batch from an uploaded file. `run` does the whole round trip.

        Args:
            input_file_id: from `files.create`. All its lines name the same model.
            endpoint: "/v1/chat/completions" or "/v1/completions".
            completion_window: what the platform has is "48h"; what is not done by then is not done.
            metadata: kept with the batch.
            extra_body: fields that the SDK does not know.
            extra_headers: headers for this call.
            extra_query: query parameters for this call.
            timeout: the whole call in seconds, retries included.

        Returns:
            The new batch. `novita.tasks.wait(batch.id, kind="batch")` waits for its end.

        Raises:
            OutcomeUnknown: sent and not answered, and not sent again: look for it in `list()` by its input file.

        Contract: llm.md section 12; POST /openai/v1/batches.
        """
        call = self.create_call(
            input_file_id,
            endpoint,
            completion_window,
            metadata,
            extra_body=extra_body,
            extra_headers=extra_headers,
            extra_query=extra_query,
            timeout=timeout,
        )
        return await self._fetch(call, Batch)

    async def retrieve(
        self,
        batch_id: str,
        *,
        extra_headers: Mapping[str, str] | None = None,
        extra_query: Mapping[str, Any] | None = None,
        timeout: float | None = None,
    ) -> Batch:
        """Read a batch.

        Raises:
            NotFound: there is none of this id.

        Contract: llm.md section 12; GET /openai/v1/batches/{batch_id}.
        """
        return await self._fetch(self._at(batch_id, "GET", "", extra_headers, extra_query, timeout), Batch)

    def list(
        self,
        *,
        extra_headers: Mapping[str, str] | None = None,
        extra_query: Mapping[str, Any] | None = None,
        timeout: float | None = None,
    ) -> Listing[BatchList, Batch]:
        """List batches: `await` it for an object with `data`, or iterate with `async for`. There is one page.

        Contract: llm.md section 12; GET /openai/v1/batches.
        """
        call = self._call("GET", "/batches", extra_headers=extra_headers, extra_query=extra_query, timeout=timeout)
        return Listing(lambda: self._give(call, self._listed), lambda page: page.data)

    async def cancel(
        self,
        batch_id: str,
        *,
        extra_headers: Mapping[str, str] | None = None,
        extra_query: Mapping[str, Any] | None = None,
        timeout: float | None = None,
    ) -> Batch:
        """Ask for a batch to be cancelled. What is done by then is delivered, and billed.

        Contract: llm.md section 12; POST /openai/v1/batches/{batch_id}/cancel.
        """
        return await self._fetch(self._at(batch_id, "POST", "/cancel", extra_headers, extra_query, timeout), Batch)

    @overload
    async def run(
        self,
        requests: Requests,
        *,
        model: str | None = None,
        endpoint: Literal["/v1/chat/completions"] = "/v1/chat/completions",
        completion_window: str = "48h",
        metadata: Mapping[str, str] | None = None,
        on_abandon: Literal["leave", "cancel"] = "leave",
        timeout: float | None = None,
    ) -> BatchRun[ChatCompletion]: ...
    @overload
    async def run(
        self,
        requests: Requests,
        *,
        model: str | None = None,
        endpoint: Literal["/v1/completions"],
        completion_window: str = "48h",
        metadata: Mapping[str, str] | None = None,
        on_abandon: Literal["leave", "cancel"] = "leave",
        timeout: float | None = None,
    ) -> BatchRun[Completion]: ...
    async def run(
        self,
        requests: Requests,
        *,
        model: str | None = None,
        endpoint: str = "/v1/chat/completions",
        completion_window: str = "48h",
        metadata: Mapping[str, str] | None = None,
        on_abandon: Literal["leave", "cancel"] = "leave",
        timeout: float | None = None,
    ) -> BatchRun[Any]:
        """Have many requests answered by batches, and get the results in the order of the requests.

        All requests are checked and written to disk before anything is uploaded; over 50,000 requests or 100 MB they
        go into several batches. Memory does not grow with them but for about 200 bytes each.

        With a journal (`AsyncNovita(journal=...)`) every step is written down, by what the input is: the same call in
        a new process goes on where the last one was killed, without a second upload or a second batch.

        Args:
            requests: bodies of requests, or dicts with `custom_id` and `body`; any iterable, which is read in a worker
                thread, any async one, or the path of a JSONL file. Ids are made where there are none.
            model: for the requests that name none. All must come to the same one.
            endpoint: "/v1/chat/completions" or "/v1/completions".
            completion_window: see `create`.
            metadata: see `create`.
            on_abandon: what happens to the batches when the caller is cancelled, or closes the run before its end:
                "leave" them running, or "cancel" them at the platform, within 5 seconds.
            timeout: seconds for all batches to end, counted from their creation; the window and two hours when None.

        Returns:
            An async iterator of `BatchResult`, best used with `async with`. It waits for the batches as it comes to
            them. Iterating raises `TaskFailed` for a batch that failed, `TaskTimeout` when the time is over.

        Raises:
            ValidationError: with everything that is wrong with the requests. Nothing was sent.
            OutcomeUnknown: a batch may have been created, and is not in the list of batches.

        Contract: llm.md section 12.

        Example:
            async with await novita.batches.run(bodies, model="deepseek/deepseek-v3.2") as results:
                async for result in results:
                    print(result.custom_id, result.error or result.value.choices[0].message.content)
        """
        from .batch_lines import Spool
        from .batch_run import BatchRun, Order, spool

        if on_abandon not in ("leave", "cancel"):
            raise ValidationError(f"on_abandon must be 'leave' or 'cancel', got {on_abandon!r}")
        check_timeout(timeout)
        self._runtime.enter()
        clock = self._runtime.clock
        lines = Spool(endpoint, model)
        try:
            await spool(clock, lines, requests)
        except BaseException:
            await clock.to_thread(lines.close)
            raise
        order = Order(endpoint, completion_window, dict(metadata) if metadata else None)
        run: BatchRun[Any] = BatchRun(
            self._runtime, self._tasks, self, self._files, lines, order, on_abandon=on_abandon, timeout=timeout
        )
        try:
            await run.start()
        except BaseException:
            await run.aclose()
            raise
        return run

    def create_call(
        self,
        input_file_id: str,
        endpoint: str,
        completion_window: str,
        metadata: Mapping[str, str] | None,
        **options: Any,
    ) -> Call:
        """The call of `create`, checked and not sent."""
        require_id("input_file_id", input_file_id)
        if not isinstance(endpoint, str) or not endpoint.startswith("/"):  # pyright: ignore[reportUnnecessaryIsInstance] - a caller may
            raise ValidationError(f"endpoint must be a path such as '/v1/chat/completions', got {endpoint!r}")
        body = {
            "input_file_id": input_file_id,
            "endpoint": endpoint,
            "completion_window": completion_window,
            "metadata": metadata,
        }
        return self._call("POST", "/batches", body, replay=Replay.SUBMITS, **options)

    def reader(self) -> Read[Batch]:
        """What reads the status of a batch for whoever waits for it."""

        async def read(batch_id: str) -> Reading[Batch]:
            call = self._at(batch_id, "GET", "", None, None, None)
            call.attempts, call.attempt = 1, _POLL_LIMIT
            batch = await self._runtime.fetch(call, Batch)
            counts = batch.request_counts
            progress = 100.0 * (counts.completed + counts.failed) / counts.total if counts.total else 0.0
            if batch.status in _WITH_RESULTS:
                return Reading(status=batch.status, outcome="done", result=batch, progress=progress)
            if batch.status == "failed":
                reason = batch.errors or ""
                return Reading(status=batch.status, outcome="failed", reason=reason, task_type="batch")
            known = batch.status in _RUNNING
            return Reading(status=batch.status, outcome="running" if known else "unknown", progress=progress)

        return read

    # --------------------------------------------------------------------------------------------------

    def _listed(self, answer: Answer) -> BatchList:
        wire = self._runtime.decode(answer, _ListWire)
        decoder = self._runtime.decoders(Batch)
        batches = BatchList(
            data=[decode(decoder, bytes(item)) for item in wire.data or ()],
            first_id=wire.first_id or None,
            last_id=wire.last_id or None,
            has_more=bool(wire.has_more),
        )
        remember(batches, answer.body)
        return batches

    def _at(
        self,
        batch_id: str,
        method: str,
        rest: str,
        extra_headers: Mapping[str, str] | None,
        extra_query: Mapping[str, Any] | None,
        timeout: float | None,
    ) -> Call:
        path = f"/batches/{quote(require_id('batch_id', batch_id), safe='')}{rest}"
        return self._call(method, path, extra_headers=extra_headers, extra_query=extra_query, timeout=timeout)


class RawBatches:
    """`novita.batches.with_raw_response`."""

    def __init__(self, batches: Batches) -> None:
        twin = raw_twin(batches)
        self.create = as_raw(twin.create)
        self.retrieve = as_raw(twin.retrieve)
        self.list = as_raw(twin.list)
        self.cancel = as_raw(twin.cancel)


def _moment(value: object) -> datetime.datetime | None:
    """RFC 3339 with up to nine digits of a second, or Unix seconds. What cannot be a moment is none."""
    try:
        moment = msgspec.convert(value, datetime.datetime, strict=False)
    except msgspec.ValidationError:
        return None
    if moment.year < 1971:  # the zero of the platform's language, or of Unix: not yet
        return None
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=datetime.UTC)


def _error_text(errors: object) -> str | None:
    """Text here, an object with a list `data` in OpenAI."""
    if isinstance(errors, dict):
        fields = cast("dict[str, Any]", errors)
        entries: list[Any] = fields.get("data") or []
        texts = [str(cast("dict[str, Any]", entry).get("message")) for entry in entries if isinstance(entry, dict)]
        return "; ".join(texts) or str(fields)
    return str(errors) if errors else None
