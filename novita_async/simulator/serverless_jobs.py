"""The job gateway of serverless endpoints, and direct calls of them (contract/gpu.md 10).

The shapes of health and of a purge are not documented: here they are counters by name.
"""

from __future__ import annotations

import asyncio
import inspect
import traceback
from collections import deque
from collections.abc import AsyncIterable, AsyncIterator, Callable
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, TypeAlias, cast

import msgspec

from ..transport.protocol import Reply, close_source
from . import keys
from .router import Call, Router, json_reply
from .serverless_workers import Fleet, Worker

if TYPE_CHECKING:
    from ..runtime.clock import Clock
    from .faults import Outcome

__all__ = ["Gateway", "Handler", "Place", "refuse"]

#: What an endpoint does: from input to output, as a function, a coroutine function or an async generator function.
Handler: TypeAlias = Callable[[Any], Any]

_MAX = 4 * 1024 * 1024  # bytes of a job, and of its output
_KEPT = 6 * 3600.0  # seconds after its end
_FINAL = ("COMPLETED", "FAILED", "TIMED_OUT", "CANCELLED")
_METHODS = ("GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE")


class Place(msgspec.Struct, kw_only=True):
    """Where the work of an endpoint is done.

    Attributes:
        id: of the endpoint.
        handler: what does it.
        fleet: its workers.
        request_timeout: seconds that a piece of it may take; None for any.
    """

    id: str
    handler: Handler
    fleet: Fleet
    request_timeout: float | None = None


class _Job:
    """One job."""

    def __init__(self, id_: str, place: Place, input: Any, outcome: Outcome | None) -> None:
        self.id = id_
        self.place = place
        self.input = input
        self.outcome = outcome
        self.status = "PENDING"
        self.output: msgspec.Raw | None = None
        self.error = ""
        self.task: asyncio.Task[None] | None = None

    def wire(self) -> dict[str, Any]:
        told: dict[str, Any] = {"id": self.id, "status": self.status}
        if self.output is not None:
            told["output"] = self.output
        return told | ({"error": self.error} if self.error else {})


class Gateway:
    """Jobs and direct calls.

    Args:
        clock: what they wait on.
        api_key: the good key.
        find: gives the place of an endpoint by what a path calls it, or refuses.
        by_app: gives the place by the endpoint's app name; None where there is none.
        new_id: makes the id of a job.
    """

    def __init__(
        self,
        *,
        clock: Clock,
        api_key: str,
        find: Callable[[str], Place],
        by_app: Callable[[str], Place | None],
        new_id: Callable[[], str],
    ) -> None:
        self._clock = clock
        self._keys = keys.Keys(api_key, keys.GPU)
        self._find = find
        self._by_app = by_app
        self._new_id = new_id
        self._jobs: dict[str, _Job] = {}
        self._ended: deque[tuple[float, str]] = deque()

    def routes(self, router: Router) -> None:
        guard, base = self._keys.guard, "/v1/{endpoint}"  # on the platform they have a host of their own
        router.add("POST", f"{base}/run", guard(self._run))
        router.add("GET", f"{base}/status/{{job}}", guard(self._status))
        for method in ("POST", "GET"):  # the GET is of an older page
            router.add(method, f"{base}/cancel/{{job}}", guard(self._cancel))
        router.add("GET", f"{base}/health", guard(self._health))
        router.add("GET", f"{base}/stats", guard(self._stats))
        router.add("POST", f"{base}/purge-queue", guard(self._purge))
        for method in _METHODS:  # no key: the container would have to ask for one
            for rest in ("", "/", "/{path:path}"):
                router.add(method, f"/serverless/{{app}}{rest}", self._direct)

    # ------------------------------------------------------------------------------------------------ jobs

    async def _run(self, call: Call) -> Reply:
        place = self._find(call.params["endpoint"])
        body = await call.body()
        if len(body) > _MAX:
            raise refuse("VALIDATOR_PARAM", f"the job has {len(body)} bytes, more than {_MAX}")
        try:
            order = msgspec.json.decode(body)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise refuse("VALIDATOR_PARAM", str(error)) from None
        if not isinstance(order, dict) or "input" not in order:
            raise refuse("VALIDATOR_PARAM", "input is missing")
        self._forget()
        job = _Job(self._new_id(), place, cast("dict[str, Any]", order)["input"], call.outcome)
        self._jobs[job.id] = job
        job.task = asyncio.get_running_loop().create_task(self._work(job), name=f"job-{job.id}")
        return json_reply({"id": job.id, "status": job.status})

    async def _work(self, job: _Job) -> None:
        place = job.place
        worker = await place.fleet.acquire()
        try:
            job.status = "IN_PROGRESS"
            outcome = job.outcome
            if outcome is not None and outcome.after is not None:
                await self._clock.sleep(outcome.after)
            if outcome is not None and outcome.status is not None:
                if outcome.status:  # one that nobody knows, and that stays
                    job.status = outcome.status
                else:
                    self._end(job, "FAILED", error=outcome.reason)
                return
            scope = self._clock.timeout(place.request_timeout)
            try:
                async with scope:
                    output = await self._output(place.handler, job.input)
            except TimeoutError as error:
                if not scope.expired():
                    self._end(job, "FAILED", error=_told(error, worker))
                else:
                    self._end(job, "TIMED_OUT")
            except Exception as error:
                self._end(job, "FAILED", error=_told(error, worker))
            else:
                self._deliver(job, output)
        finally:
            place.fleet.release(worker)

    def _deliver(self, job: _Job, output: Any) -> None:
        if isinstance(output, dict) and (error := cast("dict[str, Any]", output).get("error")):
            self._end(job, "FAILED", error=str(error))  # as a worker says it (`x-worker-protocol`)
            return
        try:
            encoded = msgspec.json.encode(output)
        except (TypeError, ValueError) as problem:
            self._end(job, "FAILED", error=f"the output is no JSON: {problem}")
            return
        if len(encoded) > _MAX:
            self._end(job, "FAILED", error=f"the output has {len(encoded)} bytes, more than {_MAX}")
            return
        job.output = msgspec.Raw(encoded)
        self._end(job, "COMPLETED")

    def _end(self, job: _Job, status: str, *, error: str = "") -> None:
        if job.status in _FINAL:
            return
        job.status, job.error, job.input = status, error, None
        self._ended.append((self._clock.monotonic(), job.id))

    def _forget(self) -> None:
        """Drop what ended too long ago."""
        horizon = self._clock.monotonic() - _KEPT
        while self._ended and self._ended[0][0] < horizon:
            self._jobs.pop(self._ended.popleft()[1], None)

    def _job(self, call: Call) -> _Job:
        place = self._find(call.params["endpoint"])
        self._forget()
        job = self._jobs.get(call.params["job"])
        if job is None or job.place is not place:
            raise refuse("JOB_NOT_FOUND", f"job {call.params['job']!r} does not exist")
        return job

    async def _status(self, call: Call) -> Reply:
        return json_reply(self._job(call).wire())

    async def _cancel(self, call: Call) -> Reply:
        job = self._job(call)
        self._stop(job)
        return json_reply(job.wire())

    def _stop(self, job: _Job) -> None:
        self._end(job, "CANCELLED")
        if job.task is not None:
            job.task.cancel()

    # ----------------------------------------------------------------------------------------------- queue

    def _count(self, place: Place, status: str) -> int:
        return sum(job.status == status for job in self._jobs.values() if job.place is place)

    async def _health(self, call: Call) -> Reply:
        self._forget()
        place = self._find(call.params["endpoint"])
        statuses = {"PENDING": "pending", "IN_PROGRESS": "in_progress", "COMPLETED": "completed", "FAILED": "failed"}
        workers, now = place.fleet.workers, self._clock.monotonic()
        busy, ready = sum(worker.busy > 0 for worker in workers), sum(worker.ready <= now for worker in workers)
        jobs = {name: self._count(place, status) for status, name in statuses.items()}
        told = {"starting": len(workers) - ready, "idle": ready - busy, "running": busy}
        return json_reply({"jobs": jobs, "workers": told})

    async def _stats(self, call: Call) -> Reply:
        place = self._find(call.params["endpoint"])
        workers = place.fleet.workers
        return json_reply(
            {
                "endpoint": place.id,
                "busy_workers": sum(worker.busy > 0 for worker in workers),
                "total_workers": len(workers),
                "pending": self._count(place, "PENDING"),
                "in_progress": self._count(place, "IN_PROGRESS"),
            }
        )

    async def _purge(self, call: Call) -> Reply:
        place = self._find(call.params["endpoint"])
        waiting = [job for job in self._jobs.values() if job.place is place and job.status == "PENDING"]
        for job in waiting:
            self._stop(job)
        return json_reply({"removed": len(waiting)})

    # -------------------------------------------------------------------------------------- direct calls

    async def _direct(self, call: Call) -> Reply:
        place = self._by_app(call.params["app"])
        if place is None:
            return Reply(404, {"content-type": "text/plain"}, b"no such endpoint")
        body = await call.body()
        try:
            value = msgspec.json.decode(body) if body else None
        except (msgspec.DecodeError, UnicodeDecodeError):
            value = body
        worker = await place.fleet.acquire()
        try:
            if inspect.isasyncgenfunction(place.handler):
                stream, worker = _Streamed(place.fleet, worker, place.handler(value)), None
                accepted = call.headers.get("accept", "")
                kind = "text/event-stream" if "event-stream" in accepted else "application/octet-stream"
                return Reply(200, {"content-type": kind}, stream)
            scope = self._clock.timeout(place.request_timeout)
            try:
                async with scope:
                    return _reply(await self._output(place.handler, value))
            except Exception as error:
                late = isinstance(error, TimeoutError) and scope.expired()
                status = HTTPStatus.GATEWAY_TIMEOUT if late else HTTPStatus.INTERNAL_SERVER_ERROR
                raise keys.flat(status, "UNKNOWN", f"{type(error).__name__}: {error}") from error
        finally:
            if worker is not None:
                place.fleet.release(worker)

    async def _output(self, handler: Handler, value: Any) -> Any:
        """Do the work. A plain function runs in a thread, since it may block."""
        if inspect.isasyncgenfunction(handler):
            return [item async for item in handler(value)]
        if inspect.iscoroutinefunction(handler):
            return await handler(value)
        output = await self._clock.to_thread(lambda: handler(value))
        return await output if inspect.isawaitable(output) else output

    # ------------------------------------------------------------------------------------------------- end

    async def leave(self, place: Place | None = None) -> None:
        """End the work of an endpoint, of all of them where none is named, and forget it."""
        gone = [job for job in self._jobs.values() if place is None or job.place is place]
        tasks = [job.task for job in gone if job.task is not None and not job.task.done()]
        for job in gone:
            self._stop(job)
            del self._jobs[job.id]
        if tasks:
            await asyncio.wait(tasks)


class _Streamed:
    """What an async generator yields, as the body of an answer. The worker is busy until it ends."""

    def __init__(self, fleet: Fleet, worker: Worker, items: AsyncIterable[Any]) -> None:
        self._fleet = fleet
        self._worker: Worker | None = worker
        self._items = aiter(items)

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        try:
            return _bytes(await anext(self._items))
        except BaseException:
            self._leave()
            raise

    async def aclose(self) -> None:
        try:
            await close_source(self._items)
        finally:
            self._leave()

    def _leave(self) -> None:
        worker, self._worker = self._worker, None
        if worker is not None:
            self._fleet.release(worker)


def _bytes(item: Any) -> bytes:
    return item if isinstance(item, bytes) else item.encode() if isinstance(item, str) else msgspec.json.encode(item)


def _reply(output: Any) -> Reply:
    if isinstance(output, Reply):
        return output
    if isinstance(output, bytes):
        return Reply(200, {"content-type": "application/octet-stream"}, output)
    return json_reply(output)


def _told(error: Exception, worker: Worker) -> str:
    """An exception as the workers' own library tells it."""
    parts = {
        "error_type": type(error).__name__,
        "error_message": str(error),
        "error_traceback": "".join(traceback.format_exception(error)),
        "hostname": worker.id,
        "worker_id": worker.id,
    }
    return msgspec.json.encode(parts).decode()


def refuse(reason: str, message: str) -> keys.Refusal:
    """Nearly everything that goes wrong here is a 400, a thing that is not found too (contract/gpu.md 8)."""
    return keys.flat(HTTPStatus.BAD_REQUEST, reason, message)
