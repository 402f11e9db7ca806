"""`novita.serverless`: endpoints whose workers come and go with the work (contract/gpu.md 9)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from ..errors import NotFound, ProtocolError, ValidationError
from ..runtime.arguments import call_headers, check_timeout, json_body, with_query
from ..runtime.attempts import Attempts
from ..runtime.call import Call, read_answer
from ..runtime.pages import Pages, numbered
from ..runtime.retry import Replay
from ..runtime.task import Reading, Task
from ..runtime.undo import or_undo
from ..wire.json import Object, decode
from .serverless_bodies import Settings, creation, replacement
from .serverless_jobs import EndpointAnswer, EndpointHandle, JobReader
from .serverless_types import (
    ConcurrencyPolicy,
    Endpoint,
    EndpointLimits,
    EndpointStats,
    Health,
    Job,
    QueuePolicy,
    ScalingPolicy,
    Worker,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ..runtime.call import Answer, Runtime
    from ..runtime.tasks import TaskSet

__all__ = [
    "ConcurrencyPolicy",
    "Endpoint",
    "EndpointAnswer",
    "EndpointHandle",
    "EndpointLimits",
    "EndpointStats",
    "Health",
    "Job",
    "QueuePolicy",
    "ScalingPolicy",
    "Serverless",
    "Worker",
]

_PAGE_SIZE = 100
_POLL_LIMIT = 30.0
_DEFAULT_WAIT = 1800.0


class _Created(Object):
    id: str


class _List(Object):
    endpoints: list[msgspec.Raw]
    total: int | None = None


class Serverless:
    """`novita.serverless`.

    Example:
        job = await novita.serverless.endpoint("my-endpoint").run({"prompt": "a lighthouse"})
        print(await job.wait())
    """

    def __init__(self, runtime: Runtime, tasks: TaskSet) -> None:
        self._runtime = runtime
        self._tasks = tasks
        self._base = f"{runtime.settings.base_url}/gpu-instance/openapi/v1"
        self._jobs = JobReader(runtime)

    def endpoint(self, endpoint: str | Endpoint) -> EndpointHandle:
        """A handle on an endpoint: its jobs, its queue, direct calls. Nothing is sent.

        Args:
            endpoint: its id, or its name as the console shows it for the job gateway; or what `get` gave.
        """
        id_, url = (endpoint.id, endpoint.url) if isinstance(endpoint, Endpoint) else (endpoint, "")
        return EndpointHandle(self._runtime, self._tasks, self._jobs, id_, url, self.get)

    def reader(self) -> JobReader:
        """What reads the status of jobs, and cancels them."""
        return self._jobs

    async def limits(
        self, *, extra_headers: Mapping[str, str] | None = None, timeout: float | None = None
    ) -> EndpointLimits:
        """The bounds of the settings of endpoints.

        Contract: gpu.md section 9; GET /gpu-instance/openapi/v1/endpoint/limit.
        """
        return await self._runtime.fetch(
            self._call("GET", "/endpoint/limit", None, extra_headers, timeout), EndpointLimits
        )

    async def create(
        self,
        image: str,
        *,
        product_ids: Sequence[str],
        port: int,
        policy: ScalingPolicy,
        name: str | None = None,
        app_name: str | None = None,
        min_workers: int = 0,
        max_workers: int = 1,
        idle_timeout: int = 60,
        concurrency: int = 1,
        gpu_num: int = 1,
        request_timeout: int | None = None,
        cuda_version: str | None = None,
        image_auth_id: str | None = None,
        command: str | None = None,
        envs: Mapping[str, str] | None = None,
        volumes: Mapping[str, str | None] | None = None,
        cluster_id: str | None = None,
        health_path: str = "/health",
        extra_body: Mapping[str, Any] | None = None,
        extra_headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
    ) -> Endpoint:
        """Make an endpoint. Its workers are billed for every second that they are there, idle ones too.

        A caller that is cancelled in the middle of this leaves no endpoint behind: one that was made meanwhile is
        deleted first. `limits()` has the bounds of the moment.

        Args:
            image: container image of the workers.
            product_ids: from `gpu.products`: what workers may run on.
            port: where the container listens, 1 to 65535.
            policy: when there is one more worker: `QueuePolicy(seconds)` or `ConcurrencyPolicy(requests)`.
            name: display name, up to 220 characters.
            app_name: its part of the address: lower-case letters, digits, hyphens; its id when not given. It cannot
                change later.
            min_workers: as many there always are; 0 lets the last one go.
            max_workers: as many there are at most.
            idle_timeout: seconds without work after which a worker goes.
            concurrency: requests that a worker handles at once, from 1.
            gpu_num: cards of each worker, 1 to 8.
            request_timeout: seconds that a request may take.
            cuda_version: that machines have at least, one of `limits().cuda_versions`.
            image_auth_id: a saved registry login.
            command: start command, up to 2047 characters.
            envs: environment of the container; names up to 511 characters, values up to 4095.
            volumes: by the path that each is found at, the id of a network storage, or None for a local disk of 30 GB.
            cluster_id: region; needed with a network storage.
            health_path: answers 200 when a worker can be used.
            extra_body: settings that the SDK does not know; they win over known ones.
            extra_headers: headers for this call.
            timeout: the call in seconds, retries included.

        Returns:
            The new endpoint with its id and nothing else yet. `wait_until_ready` gives it in full.

        Raises:
            ValidationError: everything that is wrong with the settings. Nothing was sent.
            OutcomeUnknown: sent and not answered, and not sent again: look for it in `list()` before repeating.
            Conflict: the app name is taken.
            InsufficientBalance: no money left.

        Contract: gpu.md section 9; POST /gpu-instance/openapi/v1/endpoint/create.
        """
        settings = creation(
            Settings(
                name=name,
                app_name=app_name,
                image=image,
                image_auth_id=image_auth_id,
                command=command,
                product_ids=product_ids,
                port=port,
                policy=policy,
                min_workers=min_workers,
                max_workers=max_workers,
                idle_timeout=idle_timeout,
                concurrency=concurrency,
                gpu_num=gpu_num,
                request_timeout=request_timeout,
                cuda_version=cuda_version,
                envs=envs,
                volumes=volumes or {},
                cluster_id=cluster_id,
                health_path=health_path,
            )
        )
        body = {"endpoint": {**settings, **(extra_body or {})}}
        call = self._call("POST", "/endpoint/create", body, extra_headers, timeout, replay=Replay.SUBMITS)
        attempts = Attempts(self._runtime, call)

        async def work() -> Endpoint:
            created = self._runtime.decode(await attempts.run(read_answer), _Created)
            return Endpoint(id=created.id, name=name or "", app_name=app_name or created.id)

        return await or_undo(self._runtime.clock, attempts, work(), lambda endpoint: self.delete(endpoint.id))

    def list(self, *, extra_headers: Mapping[str, str] | None = None, timeout: float | None = None) -> Pages[Endpoint]:
        """List endpoints: `async for endpoint in ...`, or `await ...` for all of them.

        Args:
            extra_headers: headers for this call.
            timeout: each page in seconds.

        Contract: gpu.md sections 7 and 9; GET /gpu-instance/openapi/v1/endpoints.
        """
        call_headers(extra_headers)
        check_timeout(timeout)

        async def fetch(number: int) -> tuple[list[Endpoint], int]:
            path = with_query("/endpoints", pageNum=number, pageSize=_PAGE_SIZE)
            page = await self._runtime.fetch(self._call("GET", path, None, extra_headers, timeout), _List)
            return [self._decode(bytes(item)) for item in page.endpoints], page.total or 0

        return numbered(fetch, size=_PAGE_SIZE, identify=lambda endpoint: endpoint.id)

    async def get(
        self, endpoint_id: str, *, extra_headers: Mapping[str, str] | None = None, timeout: float | None = None
    ) -> Endpoint:
        """Read an endpoint with its workers.

        Raises:
            NotFound: there is none of this id (the platform says so with a 400).

        Contract: gpu.md section 9; GET /gpu-instance/openapi/v1/endpoint.
        """
        return await self._get(endpoint_id, self._call("GET", _at(endpoint_id), None, extra_headers, timeout))

    async def update(
        self,
        endpoint_id: str,
        *,
        name: str | None = None,
        image: str | None = None,
        image_auth_id: str | None = None,
        command: str | None = None,
        product_ids: Sequence[str] | None = None,
        port: int | None = None,
        policy: ScalingPolicy | None = None,
        min_workers: int | None = None,
        max_workers: int | None = None,
        idle_timeout: int | None = None,
        concurrency: int | None = None,
        gpu_num: int | None = None,
        request_timeout: int | None = None,
        cuda_version: str | None = None,
        envs: Mapping[str, str] | None = None,
        volumes: Mapping[str, str | None] | None = None,
        cluster_id: str | None = None,
        health_path: str | None = None,
        extra_body: Mapping[str, Any] | None = None,
        extra_headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
    ) -> Endpoint:
        """Change settings of an endpoint. What is not given stays as it is.

        The platform wants all settings anew, so they are read first. Whatever somebody else changes in between is
        undone by this.

        Args:
            endpoint_id: its id.
            envs: all of them; the others go.
            volumes: all of them; the others go.
            timeout: each of the calls, in seconds.

        The other arguments are those of `create`.

        Returns:
            The endpoint as it is then.

        Raises:
            ValidationError: everything that is wrong with the settings. Nothing was changed.
            NotFound: there is none of this id.

        Contract: gpu.md section 9; POST /gpu-instance/openapi/v1/endpoint/update.
        """
        settings = Settings(
            name=name,
            image=image,
            image_auth_id=image_auth_id,
            command=command,
            product_ids=product_ids,
            port=port,
            policy=policy,
            min_workers=min_workers,
            max_workers=max_workers,
            idle_timeout=idle_timeout,
            concurrency=concurrency,
            gpu_num=gpu_num,
            request_timeout=request_timeout,
            cuda_version=cuda_version,
            envs=envs,
            volumes=volumes,
            cluster_id=cluster_id,
            health_path=health_path,
        )
        replacement(endpoint_id, {}, settings)  # what is wrong is told before anything is read
        current = await self.get(endpoint_id, extra_headers=extra_headers, timeout=timeout)
        body = {**replacement(endpoint_id, current.raw, settings), **(extra_body or {})}
        answer = await self._runtime.request(self._call("POST", "/endpoint/update", body, extra_headers, timeout))
        return self._unwrap(answer) or await self.get(endpoint_id, extra_headers=extra_headers, timeout=timeout)

    async def delete(
        self, endpoint_id: str, *, extra_headers: Mapping[str, str] | None = None, timeout: float | None = None
    ) -> bool:
        """Delete an endpoint, its workers and its jobs.

        Returns:
            False when it was gone already.

        Contract: gpu.md section 9; POST /gpu-instance/openapi/v1/endpoint/delete.
        """
        _at(endpoint_id)
        # The page says that the id goes into `name`; another client sends it as `id`.
        body = {"name": endpoint_id, "id": endpoint_id}
        try:
            await self._runtime.request(self._call("POST", "/endpoint/delete", body, extra_headers, timeout))
        except NotFound:
            return False
        return True

    async def wait_until_ready(self, endpoint_id: str, *, timeout: float | None = None) -> Endpoint:
        """Wait until an endpoint can be used.

        Args:
            endpoint_id: its id.
            timeout: seconds; half an hour when not given.

        Raises:
            TaskFailed: the platform tells of an error; `.reason`.
            TaskTimeout: not in time. The endpoint stays.
        """
        _at(endpoint_id)
        task: Task[Endpoint] = Task(self._tasks, endpoint_id, "endpoint", self._read)
        return await task.wait(timeout=_DEFAULT_WAIT if timeout is None else check_timeout(timeout))

    # --------------------------------------------------------------------------------------------------

    async def _read(self, endpoint_id: str) -> Reading[Endpoint]:
        call = self._call("GET", _at(endpoint_id), None, None, None, attempts=1, attempt=_POLL_LIMIT)
        endpoint = await self._get(endpoint_id, call)
        state = endpoint.state
        if endpoint.ready:
            return Reading(status=state.state, outcome="done", result=endpoint)
        if state.error:
            reason = f"{state.error}: {state.message}" if state.message else state.error
            return Reading(status=state.state, outcome="failed", reason=reason)
        return Reading(status=state.state, outcome="running")  # no other state is documented

    async def _get(self, endpoint_id: str, call: Call) -> Endpoint:
        answer = await self._runtime.request(call)
        endpoint = self._unwrap(answer)
        if endpoint is None:
            refusal = self._runtime.embedded(answer.body, answer.headers)
            raise refusal or ProtocolError(f"the answer has no endpoint {endpoint_id}", body=answer.body)
        return endpoint

    def _unwrap(self, answer: Answer) -> Endpoint | None:
        """The endpoint in an answer that may be empty."""
        if not answer.body.strip():
            return None
        wrapped = self._runtime.decode(answer, dict[str, msgspec.Raw]).get("endpoint")
        return None if wrapped is None else self._decode(bytes(wrapped))

    def _decode(self, data: bytes) -> Endpoint:
        return decode(self._runtime.decoders(Endpoint), data)

    def _call(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None,
        headers: Mapping[str, str] | None,
        timeout: float | None,
        **more: Any,
    ) -> Call:
        return Call(
            method=method,
            url=f"{self._base}{path}",
            body=None if body is None else json_body(body),
            headers=call_headers(headers),
            timeout=check_timeout(timeout),
            **more,
        )


def _at(endpoint_id: str) -> str:
    if not isinstance(endpoint_id, str) or not endpoint_id:  # pyright: ignore[reportUnnecessaryIsInstance] - a caller's
        raise ValidationError(f"endpoint_id is not the id of an endpoint: {endpoint_id!r}")
    return with_query("/endpoint", id=endpoint_id)
