"""`novita.gpu.v2.prewarms` and `.jobs`: what takes a while at the platform (contract/gpu_v2.openapi.yaml)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal
from urllib.parse import quote

from ...errors import ValidationError
from ...runtime.arguments import given
from ...runtime.retry import Replay
from ..checks import Findings, checked_id
from ..jobs import Job, Jobs
from ..prewarms import Prewarm, PrewarmQuota, Prewarms

if TYPE_CHECKING:
    import datetime
    from collections.abc import Sequence
    from typing import Unpack

    from ...runtime.pages import Pages
    from ..control import Options, WriteOptions

__all__ = ["V2Jobs", "V2Prewarms"]


class V2Prewarms(Prewarms):
    """`novita.gpu.v2.prewarms`: what `novita.gpu.prewarms` has but for quota and notes, and `get`."""

    async def quota(self, **options: Unpack[Options]) -> PrewarmQuota:
        """Not possible here: `novita.gpu.prewarms.quota` tells it."""
        raise ValidationError("version 2 does not tell the quota: novita.gpu.prewarms.quota does")

    async def set_note(self, prewarm_id: str, note: str, **options: Unpack[WriteOptions]) -> None:
        """Not possible here: `novita.gpu.prewarms.set_note` does it."""
        raise ValidationError("version 2 cannot change a note: novita.gpu.prewarms.set_note can")

    async def create(
        self,
        image: str,
        *,
        cluster_id: str,
        product_ids: Sequence[str] = (),
        image_auth_id: str | None = None,
        note: str | None = None,
        **options: Unpack[WriteOptions],
    ) -> str:
        """Let a region fetch an image. See `Prewarms.create`.

        Contract: gpu_v2.openapi.yaml, POST /gpus/v2/prewarm-tasks.
        """
        findings = Findings()
        findings.text("image", image, most=4095)
        findings.text("cluster_id", cluster_id, most=255)
        findings.end()
        body = given(
            image=image,
            region_id=cluster_id,
            registry_auth_id=image_auth_id,
            product_ids=list(product_ids) or None,
            note=note,
        )
        return await self._control.told(
            self._control.call("POST", "/prewarm-tasks", body, replay=Replay.SUBMITS, **options), "task_id"
        )

    def list(
        self,
        *,
        state: Literal["Pending", "Running", "Succeeded", "Failed"] | None = None,
        cluster_id: str | None = None,
        name: str | None = None,
        **options: Unpack[Options],
    ) -> Pages[Prewarm]:
        """List tasks. See `Prewarms.list`.

        Contract: gpu_v2.openapi.yaml, GET /gpus/v2/prewarm-tasks.
        """
        query = {"status": state.lower() if state else None, "region_id": cluster_id, "name": name}
        return self._control.cursored("/prewarm-tasks", Prewarm, query=query, **options)

    async def get(self, prewarm_id: str, **options: Unpack[Options]) -> Prewarm:
        """Read a task.

        Raises:
            NotFound: there is none of this id.

        Contract: gpu_v2.openapi.yaml, GET /gpus/v2/prewarm-tasks/{task_id}.
        """
        path = f"/prewarm-tasks/{quote(checked_id('prewarm_id', prewarm_id), safe='')}"
        return await self._control.fetch(self._control.call("GET", path, **options), Prewarm, inside="data")

    async def delete(self, prewarm_ids: str | Sequence[str], **options: Unpack[WriteOptions]) -> None:
        """Delete tasks, one or several.

        Contract: gpu_v2.openapi.yaml, DELETE /gpus/v2/prewarm-tasks.
        """
        ids = [prewarm_ids] if isinstance(prewarm_ids, str) else [*prewarm_ids]
        if not ids:
            raise ValidationError("prewarm_ids is empty")
        body = {"task_ids": [checked_id("prewarm_id", id_) for id_ in ids]}
        await self._control.write(self._control.call("DELETE", "/prewarm-tasks", body, **options))


class V2Jobs(Jobs):
    """`novita.gpu.v2.jobs`: what `novita.gpu.jobs` has."""

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
        """List jobs, by id and kind alone: more filters are not known here. See `Jobs.list`.

        Contract: gpu_v2.openapi.yaml, GET /gpus/v2/jobs.
        """
        if (state, since, until, creators) != (None,) * 4:
            raise ValidationError("version 2 lists jobs by job_id and type alone: novita.gpu.jobs knows more")
        return self._control.cursored("/jobs", Job, query={"job_id": job_id, "type": type}, **options)

    async def get(self, job_id: str, **options: Unpack[Options]) -> Job:
        """Read a job.

        Raises:
            NotFound: there is none of this id.

        Contract: gpu_v2.openapi.yaml, GET /gpus/v2/jobs/{job_id}.
        """
        return await self._control.fetch(self._control.call("GET", _at(job_id), **options), Job, inside="data")

    async def stop(self, job_id: str, **options: Unpack[WriteOptions]) -> None:
        """Stop a job.

        Contract: gpu_v2.openapi.yaml, POST /gpus/v2/jobs/{job_id}/stop.
        """
        await self._control.write(self._control.call("POST", f"{_at(job_id)}/stop", **options))

    async def save_image(
        self, instance_id: str, image: str, *, image_auth_id: str | None = None, **options: Unpack[WriteOptions]
    ) -> str:
        """Save an instance, best a stopped one, as an image. See `Jobs.save_image`.

        Contract: gpu_v2.openapi.yaml, POST /gpus/v2/jobs/save-image.
        """
        findings = Findings()
        findings.text("image", image, most=4095)
        findings.end()
        body = given(instance_id=checked_id("instance_id", instance_id), image=image, registry_auth_id=image_auth_id)
        call = self._control.call("POST", "/jobs/save-image", body, replay=Replay.SUBMITS, **options)
        return await self._control.told(call, "job_id")


def _at(job_id: str) -> str:
    return f"/jobs/{quote(checked_id('job_id', job_id), safe='')}"
