"""Submitting a media model, whatever it makes. `images` and `videos` are two typed doors to this one room."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..errors import ValidationError
from ..runtime.arguments import call_headers, check_timeout
from ..runtime.call import Call
from ..runtime.retry import Replay
from ..wire.json import Object
from .models import MODELS, build_body
from .results import MediaResult, media_result, task_reader

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ..runtime.call import Runtime
    from ..runtime.task import Task
    from ..runtime.tasks import TaskSet
    from .models import Model

__all__ = ["MediaJobs"]


class _Submitted(Object):
    """`{task_id}`, or the wrapped form that some samples show (contract/image.md 10)."""

    task_id: str = ""
    data: dict[str, Any] | None = None

    def __post_init__(self) -> None:
        task_id = self.task_id or (self.data or {}).get("task_id")
        if not isinstance(task_id, str) or not task_id:
            raise ValueError("the platform took the task and gave no id")  # msgspec's: the body may be a refusal
        self.task_id = task_id


class MediaJobs:
    """What `novita.images` and `novita.videos` do."""

    def __init__(self, runtime: Runtime, tasks: TaskSet) -> None:
        self._runtime = runtime
        self._tasks = tasks
        self._read = task_reader(runtime)

    async def _submit(
        self,
        model: str,
        params: dict[str, Any],
        *,
        extra_body: Mapping[str, Any] | None,
        extra_headers: Mapping[str, str] | None,
        timeout: float | None,
    ) -> Task[MediaResult]:
        entry = _entry(model)
        if entry.answers == "now":
            raise ValidationError(f"{model} answers at once and has no task: use run()")
        call = self._call(entry, params, extra_body, extra_headers, timeout)
        return await self._tasks.submit(call, _Submitted, _task_id, kind="media", read=self._read)

    async def _run(
        self,
        model: str,
        params: dict[str, Any],
        *,
        extra_body: Mapping[str, Any] | None,
        extra_headers: Mapping[str, str] | None,
        timeout: float | None,
    ) -> MediaResult:
        entry = _entry(model)
        if entry.answers == "now":
            answer = await self._runtime.request(self._call(entry, params, extra_body, extra_headers, timeout))
            return media_result(self._runtime, answer)
        started = self._runtime.clock.monotonic()
        task = await self._submit(model, params, extra_body=extra_body, extra_headers=extra_headers, timeout=timeout)
        if timeout is None:
            return await task.wait()
        left = timeout - (self._runtime.clock.monotonic() - started)
        if left <= 0:
            raise task.overdue(timeout)
        return await task.wait(timeout=left)

    def _call(
        self,
        model: Model,
        params: dict[str, Any],
        extra_body: Mapping[str, Any] | None,
        extra_headers: Mapping[str, str] | None,
        timeout: float | None,
    ) -> Call:
        return Call(
            method="POST",
            url=f"{self._runtime.settings.base_url}{model.path}",
            body=build_body(model, params, dict(extra_body) if extra_body else None),
            headers=call_headers(extra_headers),
            replay=Replay.SUBMITS,
            model=model.name,
            timeout=check_timeout(timeout),
        )


def _entry(model: str) -> Model:
    entry = MODELS.get(model)
    if entry is None:
        raise ValidationError(f"unknown model {model!r}; there are {', '.join(MODELS)}")
    return entry


def _task_id(answer: _Submitted) -> str:
    return answer.task_id
