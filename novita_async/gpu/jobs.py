"""`novita.gpu.jobs`: what takes a while at the platform, such as saving an image (contract/gpu.openapi.yaml)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from msgspec import field

from ..errors import NotFound
from ..runtime.arguments import check_timeout, given
from ..runtime.retry import Replay
from ..runtime.task import Reading, Task
from ..wire.json import Object
from .checks import Findings, checked_id
from .types import Env
from .units import Number, moment, seconds

if TYPE_CHECKING:
    import datetime
    from typing import Unpack

    from ..runtime.pages import Pages
    from ..runtime.tasks import TaskSet
    from .control import Control, Options, WriteOptions

__all__ = ["Job", "Jobs"]

_STATES = ("pulling", "running", "fail", "success", "break")
_OUTCOMES: dict[str, Literal["running", "done", "failed", "unknown"]] = {
    "pulling": "running",
    "running": "running",
    "success": "done",
    "fail": "failed",
    "break": "failed",
}


class _State(Object, rename="camel"):
    state: str | None = None
    error: str | None = None
    error_message: str | None = None
    message: str | None = None  # as a community's specification has it


class Job(Object, rename="camel"):
    """A job. `type` is saveImage, instanceMigrate or autoInstanceMigrate."""

    id: str
    type: str | None = None
    user: str | None = None
    instance_id: str | None = None
    envs: list[Env] | None = None
    log_address: str | None = None
    wire_state: _State | str | None = field(default=None, name="state")
    wire_created: Number = field(default=None, name="createdAt")

    @property
    def state(self) -> str:
        """pulling, running, success, fail or break; "" when the platform says nothing."""
        return self.wire_state if isinstance(self.wire_state, str) else (self._state.state or "")

    @property
    def error(self) -> str:
        """What went wrong; "" for nothing."""
        return self._state.error_message or self._state.message or self._state.error or ""

    @property
    def _state(self) -> _State:
        return self.wire_state if isinstance(self.wire_state, _State) else _State()

    @property
    def created_at(self) -> datetime.datetime | None:
        """When it was begun."""
        return moment(self.wire_created)


class Jobs:
    """`novita.gpu.jobs`."""

    def __init__(self, control: Control, tasks: TaskSet) -> None:
        self._control = control
        self._tasks = tasks

    def list(
        self,
        *,
        job_id: str | None = None,
        state: Literal["pulling", "running", "fail", "success", "break"] | None = None,
        type: str | None = None,
        since: datetime.datetime | None = None,
        until: datetime.datetime | None = None,
        creators: str | None = None,
        **options: Unpack[Options],
    ) -> Pages[Job]:
        """List jobs: `async for job in ...`, or `await ...` for all of them.

        Args:
            job_id: only this one.
            state: only those in this state.
            type: only those of this kind: "saveImage", "instanceMigrate", "autoInstanceMigrate".
            since: only those begun since then.
            until: only those begun until then.
            creators: only those of these people.
            options: see `Options`.

        Contract: gpu.openapi.yaml, GET /gpu-instance/openapi/v1/jobs.
        """
        findings = Findings()
        findings.choice("state", state, _STATES)
        findings.end()
        query = {
            "jobId": job_id,
            "state": state,
            "type": type,
            "startTime": seconds(since),
            "endTime": seconds(until),
            "creators": creators,
        }
        return self._control.numbered("/jobs", Job, "jobs", query=query, **options)

    async def get(self, job_id: str, **options: Unpack[Options]) -> Job:
        """Read a job, which this API does by its list.

        Raises:
            NotFound: there is none of this id.
        """
        checked_id("job_id", job_id)
        async for job in self.list(job_id=job_id, **options):
            if job.id == job_id:
                return job
        raise NotFound(f"job {job_id!r} does not exist", reason="JOB_NOT_FOUND")

    async def wait(self, job_id: str, *, timeout: float | None = None) -> Job:
        """Wait until a job has succeeded.

        Args:
            job_id: its id.
            timeout: seconds; an hour when not given.

        Raises:
            TaskFailed: it failed, or was stopped; `.reason`.
            TaskTimeout: not done in time.
        """
        checked_id("job_id", job_id)

        async def read(id_: str) -> Reading[Job]:
            job = await self.get(id_)
            reason = job.error or f"the job ended as {job.state}"
            outcome = _OUTCOMES.get(job.state, "unknown")
            return Reading(status=job.state, outcome=outcome, result=job, reason=reason, task_type=job.type or "")

        return await Task(self._tasks, job_id, "gpu-job", read).wait(timeout=check_timeout(timeout))

    async def stop(self, job_id: str, **options: Unpack[WriteOptions]) -> None:
        """Stop a job.

        Contract: gpu.openapi.yaml, POST /gpu-instance/openapi/v1/job/break.
        """
        body = {"jobId": checked_id("job_id", job_id)}
        await self._control.write(self._control.call("POST", "/job/break", body, **options))

    async def save_image(
        self, instance_id: str, image: str, *, image_auth_id: str | None = None, **options: Unpack[WriteOptions]
    ) -> str:
        """Save an instance, best a stopped one, as an image.

        Args:
            instance_id: the instance.
            image: where it goes, such as "docker.io/me/app:2".
            image_auth_id: the saved login of that registry.
            options: see `WriteOptions`.

        Returns:
            The job's id, for `wait`.

        Contract: gpu.openapi.yaml, POST /gpu-instance/openapi/v1/job/save/image.
        """
        findings = Findings()
        findings.text("image", image, most=4095)
        findings.end()
        body = given(instanceId=checked_id("instance_id", instance_id), image=image, registryAuthId=image_auth_id)
        call = self._control.call("POST", "/job/save/image", body, replay=Replay.SUBMITS, **options)
        return await self._control.told(call, "jobId")
