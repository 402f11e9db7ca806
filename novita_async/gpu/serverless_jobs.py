"""The work of a serverless endpoint: jobs through the gateway, and direct calls (contract/gpu.md 10)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Literal, cast, overload
from urllib.parse import quote

import msgspec

from ..errors import APIError, ProtocolError, ValidationError
from ..runtime.arguments import call_headers, check_timeout, json_body
from ..runtime.attempts import Attempts
from ..runtime.call import Auth, Call
from ..runtime.retry import Replay
from ..runtime.served import ServiceAnswer
from ..runtime.streams import BytesReader, EventStream
from ..runtime.task import Reading, Task
from ..wire.json import Object, encode
from .serverless_types import Endpoint, EndpointStats, Health, Job

if TYPE_CHECKING:
    from collections.abc import AsyncIterable, Awaitable, Callable, Mapping

    from ..runtime.call import Answer, Runtime
    from ..runtime.task import Update
    from ..runtime.tasks import TaskSet

__all__ = ["KIND", "EndpointAnswer", "EndpointHandle", "JobReader"]

#: Of jobs among the tasks of a client.
KIND = "serverless"

_MAX_JOB = 4 * 1024 * 1024
_POLL_LIMIT = 30.0
_PATH = re.compile(r"/[!-~]*")
_REPEATABLE = ("GET", "HEAD", "OPTIONS", "PUT", "DELETE")
_OUTCOMES: dict[str, Literal["running", "done", "failed"]] = {
    "PENDING": "running",
    "IN_PROGRESS": "running",
    "COMPLETED": "done",
    "FAILED": "failed",
    "TIMED_OUT": "failed",
    "CANCELLED": "failed",
}
_REASONS = {"TIMED_OUT": "the job took longer than its endpoint allows", "CANCELLED": "the job was cancelled"}


class _Started(Object):
    id: str


class EndpointAnswer(ServiceAnswer, frozen=True):
    """What the container of an endpoint answered. See `ServiceAnswer`."""


class JobReader:
    """What the tasks of a client ask of jobs, whatever their endpoint. A task's id is `{endpoint}/{job}`."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime

    async def __call__(self, task_id: str) -> Reading[Any]:
        """Read how a job stands."""
        call = self.call("GET", task_id, "status", attempts=1, attempt=_POLL_LIMIT)
        job = await self._runtime.fetch(call, Job)
        status = job.status.upper()
        if not status:
            raise ProtocolError(f"the answer about job {task_id} has no status")
        return Reading(
            status=status,
            outcome=_OUTCOMES.get(status, "unknown"),
            result=job.output,
            reason=_words(job.error) or _REASONS.get(status, ""),
            task_type=KIND,
        )

    async def cancel(self, task_id: str) -> None:
        """Cancel a job, whether it waits or runs. One that has ended stays as it is."""
        try:
            await self._runtime.request(self.call("POST", task_id, "cancel"))
        except APIError as error:
            if error.status != 405:
                raise
            # An older page of the platform has a GET in this place.
            await self._runtime.request(self.call("GET", task_id, "cancel"))

    def call(self, method: str, task_id: str, verb: str, **more: Any) -> Call:
        """A call about a job."""
        endpoint, _, job = task_id.partition("/")
        if not endpoint or not job:
            raise ValidationError(f"a job's task_id is its endpoint's id, a slash and its own, got {task_id!r}")
        return Call(method=method, url=f"{self.base(endpoint)}/{verb}/{quote(job, safe='')}", **more)

    def base(self, endpoint: str) -> str:
        """Where the gateway has an endpoint."""
        return f"{self._runtime.settings.endpoint_base_url}/{quote(endpoint, safe='')}"


class EndpointHandle:
    """One endpoint: its jobs, its queue, and direct calls of its container. Made by `novita.serverless.endpoint`.

    Attributes:
        id: of the endpoint.
    """

    def __init__(
        self,
        runtime: Runtime,
        tasks: TaskSet,
        jobs: JobReader,
        id_: str,
        url: str,
        look_up: Callable[[str], Awaitable[Endpoint]],
    ) -> None:
        if not isinstance(id_, str) or not id_ or "/" in id_ or not id_.strip("."):  # pyright: ignore[reportUnnecessaryIsInstance] - a caller's
            raise ValidationError(f"endpoint is not the id of an endpoint: {id_!r}")
        self.id = id_
        self._runtime = runtime
        self._tasks = tasks
        self._jobs = jobs
        self._url = url
        self._look_up = look_up

    def __repr__(self) -> str:
        return f"<EndpointHandle {self.id}>"

    # ------------------------------------------------------------------------------------------------ jobs

    async def run(
        self,
        input: Any,
        *,
        extra_body: Mapping[str, Any] | None = None,
        extra_headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
    ) -> Task[Any]:
        """Submit a job.

        Args:
            input: any JSON value. The whole job may have 4 MiB.
            extra_body: fields beside `input` that the SDK does not know.
            extra_headers: headers for this call.
            timeout: the submit in seconds, retries included.

        Returns:
            A task whose result is the worker's output, any JSON value. It is kept for 6 hours after the job's end.
            With `wait(on_abandon="cancel")` a job ends with the wait for it.

        Raises:
            ValidationError: the input is no JSON, or the job is too large. Nothing was sent.
            OutcomeUnknown: sent and not answered, and not sent again: it may or may not run.
            NotFound: there is no such endpoint.

        Example:
            task = await novita.serverless.endpoint("my-endpoint").run({"prompt": "a lighthouse"})
            output = await task.wait(timeout=600)

        Contract: gpu.md section 10; POST /{endpoint}/run of the job gateway.
        """
        body = json_body({"input": input, **(extra_body or {})})
        if len(body) > _MAX_JOB:
            raise ValidationError(f"the job has {len(body)} bytes, and the platform takes {_MAX_JOB} at most (4 MiB)")
        call = Call(
            method="POST",
            url=f"{self._jobs.base(self.id)}/run",
            body=body,
            headers=call_headers(extra_headers),
            replay=Replay.SUBMITS,
            timeout=check_timeout(timeout),
        )
        return await self._tasks.submit(call, _Started, self._task_id_of, kind=KIND, read=self._jobs)

    async def status(
        self, job_id: str, *, extra_headers: Mapping[str, str] | None = None, timeout: float | None = None
    ) -> Job:
        """Read a job as it is now. While it runs, its `output` may be what the worker has told so far.

        Args:
            job_id: its id, or that of its task.
            extra_headers: headers for this call.
            timeout: the call in seconds.

        Raises:
            NotFound: there is none, or it ended more than 6 hours ago.

        Contract: gpu.md section 10; GET /{endpoint}/status/{job_id} of the job gateway.
        """
        return await self._runtime.fetch(self._of(job_id, "GET", "status", extra_headers, timeout), Job)

    async def wait(
        self,
        job_id: str,
        *,
        timeout: float | None = None,
        on_abandon: Literal["leave", "cancel"] = "leave",
        on_update: Callable[[Update], None] | None = None,
    ) -> Any:
        """Wait for a job by its id and return its output. Arguments and errors as `Task.wait`."""
        task = self._tasks.get(self._task_id(job_id), kind=KIND)
        return await task.wait(timeout=timeout, on_abandon=on_abandon, on_update=on_update)

    async def cancel(self, job_id: str) -> None:
        """Cancel a job, whether it waits or runs. One that has ended stays as it is.

        Raises:
            NotFound: there is none.

        Contract: gpu.md section 10; POST /{endpoint}/cancel/{job_id} of the job gateway.
        """
        await self._jobs.cancel(self._task_id(job_id))

    # ----------------------------------------------------------------------------------------------- queue

    async def health(self, *, extra_headers: Mapping[str, str] | None = None, timeout: float | None = None) -> Health:
        """Counters of workers and jobs. What they are called is not documented; `raw` has all that came.

        Contract: gpu.md section 10; GET /{endpoint}/health of the job gateway.
        """
        return await self._runtime.fetch(self._own("GET", "health", extra_headers, timeout), Health)

    async def stats(
        self, *, extra_headers: Mapping[str, str] | None = None, timeout: float | None = None
    ) -> EndpointStats:
        """Counters of the queue, as an older page of the platform has them.

        Contract: gpu.md section 10; GET /{endpoint}/stats of the job gateway.
        """
        return await self._runtime.fetch(self._own("GET", "stats", extra_headers, timeout), EndpointStats)

    async def purge(
        self, *, extra_headers: Mapping[str, str] | None = None, timeout: float | None = None
    ) -> dict[str, Any]:
        """Drop all jobs that wait. Those that run go on.

        Returns:
            What the platform says of it, which is not documented.

        Contract: gpu.md section 10; POST /{endpoint}/purge-queue of the job gateway.
        """
        answer = await self._runtime.request(self._own("POST", "purge-queue", extra_headers, timeout))
        return self._runtime.decode(answer, dict[str, Any]) if answer.body.strip() else {}

    # --------------------------------------------------------------------------------------- direct calls

    @overload
    async def request(
        self,
        method: str,
        path: str,
        *,
        json: Any = ...,
        body: bytes | AsyncIterable[bytes] | None = None,
        stream: Literal[False] = False,
        extra_headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
    ) -> EndpointAnswer: ...
    @overload
    async def request(
        self,
        method: str,
        path: str,
        *,
        json: Any = ...,
        body: bytes | AsyncIterable[bytes] | None = None,
        stream: Literal[True],
        extra_headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
    ) -> EventStream[bytes]: ...
    async def request(
        self,
        method: str,
        path: str,
        *,
        json: Any = None,
        body: bytes | AsyncIterable[bytes] | None = None,
        stream: bool = False,
        extra_headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
    ) -> EndpointAnswer | EventStream[bytes]:
        """Call the container of a sync endpoint. The API key does not go there: the address is open to all.

        Its address is read once, where the handle was made of an id.

        Args:
            method: of HTTP. One that may be repeated (GET, HEAD, OPTIONS, PUT, DELETE) is, when the connection breaks.
            path: with its query, encoded as in a URL.
            json: what is sent, as JSON.
            body: what is sent in place of that, at once or as it comes.
            stream: give the answer's body as it comes, to be read inside `async with`.
            extra_headers: headers for this call, such as credentials that the container checks.
            timeout: the call in seconds, retries included; of a stream up to its headers.

        Returns:
            The answer, or its body as an async iterator of chunks.

        Raises:
            ValidationError: an argument cannot be one, or the endpoint has no address.
            APIError: the container answers with a status from 300 on.
            OutcomeUnknown: the connection broke, and the method is not one to be repeated.

        Example:
            answer = await endpoint.request("POST", "/generate", json={"prompt": "a lighthouse"})
            print(answer.json())
            async with await endpoint.request("POST", "/stream", json={"prompt": "a"}, stream=True) as chunks:
                async for chunk in chunks:
                    print(chunk)

        Contract: gpu.md section 10; POST /{path} of the endpoint's own address.
        """
        if not isinstance(method, str) or not method.isalpha():  # pyright: ignore[reportUnnecessaryIsInstance] - a caller's
            raise ValidationError(f"method must be one of HTTP, got {method!r}")
        if not isinstance(path, str) or not _PATH.fullmatch(path):  # pyright: ignore[reportUnnecessaryIsInstance] - a caller's
            raise ValidationError(f"path must begin with / and be encoded as in a URL, got {path!r}")
        if json is not None and body is not None:
            raise ValidationError("json and body are two ways to say the same: give one of them")
        kind = "application/octet-stream" if json is None else "application/json"
        headers = {**({} if json is None and body is None else {"content-type": kind}), **call_headers(extra_headers)}
        sent = body if json is None else json_body(json)
        check_timeout(timeout)
        call = Call(
            method=method.upper(),
            url=f"{await self._address()}{path}",
            body=sent,
            headers=headers if not stream else {"accept": "*/*", **headers},
            auth=Auth.LINK,
            replay=Replay.SAFE if method.upper() in _REPEATABLE else Replay.SUBMITS,
            timeout=timeout,
        )
        if not stream:
            answer: Answer = await self._runtime.request(call)
            return EndpointAnswer(answer.status, answer.headers, answer.body)
        limits = self._runtime.settings.timeouts
        attempts = Attempts(self._runtime, call)
        response = await attempts.open()
        first, idle = limits.first_event, limits.idle
        return EventStream(self._runtime, attempts, response, BytesReader, first_event=first, idle=idle)

    # -------------------------------------------------------------------------------------------------

    async def _address(self) -> str:
        if not self._url:
            endpoint = await self._look_up(self.id)
            if not endpoint.url.startswith(("https://", "http://")):
                state = endpoint.state.state or "unknown"
                raise ValidationError(f"endpoint {self.id} has no address for direct calls; its state is {state}")
            self._url = endpoint.url
        return self._url.rstrip("/")

    def _task_id(self, job_id: str) -> str:
        if not isinstance(job_id, str) or not job_id.strip("./"):  # pyright: ignore[reportUnnecessaryIsInstance] - a caller's
            raise ValidationError(f"job_id is not the id of a job: {job_id!r}")
        return f"{self.id}/{job_id.removeprefix(f'{self.id}/')}"

    def _task_id_of(self, started: _Started) -> str:
        return self._task_id(started.id)

    def _of(
        self, job_id: str, method: str, verb: str, headers: Mapping[str, str] | None, timeout: float | None
    ) -> Call:
        known, limit = call_headers(headers), check_timeout(timeout)
        return self._jobs.call(method, self._task_id(job_id), verb, headers=known, timeout=limit)

    def _own(self, method: str, verb: str, headers: Mapping[str, str] | None, timeout: float | None) -> Call:
        known, limit = call_headers(headers), check_timeout(timeout)
        return Call(method=method, url=f"{self._jobs.base(self.id)}/{verb}", headers=known, timeout=limit)


def _words(error: Any) -> str:
    """What a worker said of its failure. Exceptions come as JSON text with their parts (`x-worker-protocol`)."""
    if error is None:
        return ""
    text: str = error if isinstance(error, str) else encode(error).decode()
    try:
        told = msgspec.json.decode(text)
    except msgspec.DecodeError:
        return text
    parts = cast("dict[str, Any]", told) if isinstance(told, dict) else {}
    named = [str(parts[name]) for name in ("error_type", "error_message") if parts.get(name)]
    return ": ".join(named) or text
