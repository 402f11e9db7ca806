"""Running a media model, whatever it makes: one way for all of the catalog's."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any, ClassVar

from ..catalog import Catalog, Model, load
from ..errors import ModelRetiredWarning, ValidationError
from ..runtime.arguments import call_headers, check_timeout
from ..runtime.call import Call
from ..runtime.retry import Replay
from ..wire.json import Object
from .bodies import build
from .results import MediaResult, fetch_result, task_reader

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ..runtime.call import Runtime
    from ..runtime.task import Task
    from ..runtime.tasks import TaskSet
    from .bodies import Body

__all__ = ["MediaJobs", "Submitted", "catalog_of", "task_id_of"]

_CATALOG = "media.catalog"
_WARNED = "media.warned"


class Submitted(Object):
    """`{task_id}`, or the wrapped form that some samples show (contract/image.md 10)."""

    task_id: str = ""
    data: dict[str, Any] | None = None

    def __post_init__(self) -> None:
        task_id = self.task_id or (self.data or {}).get("task_id")
        if not isinstance(task_id, str) or not task_id:
            raise ValueError("the platform took the task and gave no id")  # msgspec's: the body may be a refusal
        self.task_id = task_id


def task_id_of(answer: Submitted) -> str:
    """The id that a submit was answered with."""
    return answer.task_id


async def catalog_of(runtime: Runtime) -> Catalog:
    """The catalog, read from the disk when a client first needs it."""
    catalog: Catalog | None = runtime.shared.get(_CATALOG)
    if catalog is None:
        catalog = runtime.shared[_CATALOG] = await runtime.clock.to_thread(load)
    return catalog


class MediaJobs:
    """What `novita.images`, `novita.videos`, `novita.audio` and `novita.media` do.

    Attributes:
        product: the models that it runs; "" for all of them.
    """

    product: ClassVar[str] = ""

    def __init__(self, runtime: Runtime, tasks: TaskSet) -> None:
        self._runtime = runtime
        self._tasks = tasks
        self._read = task_reader(runtime)

    async def _submit(
        self,
        model: str | Model,
        params: Mapping[str, Any],
        *,
        validate: bool = True,
        extra_body: Mapping[str, Any] | None = None,
        extra_headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
    ) -> Task[MediaResult]:
        entry = await self._model(model)
        if entry.kind != "async":
            raise ValidationError(f"{entry.id} answers at once and has no task: use run()")
        call, body = await self._call(entry, params, validate, extra_body, extra_headers, timeout)
        return await self._tasks.submit(call, Submitted, task_id_of, kind="media", read=self._read, note=body.note)

    async def _run(
        self,
        model: str | Model,
        params: Mapping[str, Any],
        *,
        validate: bool = True,
        extra_body: Mapping[str, Any] | None = None,
        extra_headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
    ) -> MediaResult:
        entry = await self._model(model)
        if entry.kind != "async":
            if entry.stream == "events" and params.get("stream"):
                raise ValidationError(
                    f"{entry.id}: run() gives a whole result; audio.speech(stream=True) gives a stream"
                )
            call, _ = await self._call(entry, params, validate, extra_body, extra_headers, timeout)
            return await fetch_result(self._runtime, call)
        started = self._runtime.clock.monotonic()
        task = await self._submit(
            entry, params, validate=validate, extra_body=extra_body, extra_headers=extra_headers, timeout=timeout
        )
        if timeout is None:
            return await task.wait()
        left = timeout - (self._runtime.clock.monotonic() - started)
        if left <= 0:
            raise task.overdue(timeout)
        return await task.wait(timeout=left)

    async def _call(
        self,
        model: Model,
        params: Mapping[str, Any],
        validate: bool,
        extra_body: Mapping[str, Any] | None,
        extra_headers: Mapping[str, str] | None,
        timeout: float | None,
    ) -> tuple[Call, Body]:
        """A call of a model, checked and not sent."""
        timeout = check_timeout(timeout)
        headers = call_headers(extra_headers)
        begun = self._runtime.clock.monotonic()
        body = await build(self._runtime, model, params, validate=validate, extra_body=extra_body, timeout=timeout)
        if timeout is not None:  # a link may have been fetched first
            timeout = max(0.0, timeout - (self._runtime.clock.monotonic() - begun))
        self._warn(model)
        call = Call(
            method=model.method,
            url=f"{self._runtime.settings.base_url}{model.path}",
            body=body.content,
            headers={**body.headers, **headers},
            replay=Replay.SUBMITS,
            model=model.id,
            timeout=timeout,
        )
        return call, body

    async def _model(self, name: str | Model) -> Model:
        if isinstance(name, Model):
            return name
        catalog = await catalog_of(self._runtime)
        model = catalog.get(name)
        if model is None:
            import difflib

            known = [each.id for each in catalog.values() if self.product in ("", each.product)]
            near = difflib.get_close_matches(str(name), known, n=3)
            hint = f"did you mean {' or '.join(near)}?" if near else "novita.media.models() lists them"
            raise ValidationError(f"unknown model {name!r}; {hint} Paths that the SDK does not know: media.submit_path")
        if self.product not in ("", model.product):
            raise ValidationError(f"{name} belongs to novita.{model.product}, not to novita.{self.product}")
        return model

    def _warn(self, model: Model) -> None:
        """Say once that a model has an end. The call goes out: nobody knows how long the platform goes on."""
        warned: set[str] = self._runtime.shared.setdefault(_WARNED, set())
        if model.status != "retired" or model.id in warned:
            return
        warned.add(model.id)
        instead = f"; the platform names {model.replacement} in its place" if model.replacement else ""
        warnings.warn(
            f"{model.id}: the platform has announced its end for {model.retired}{instead}",
            ModelRetiredWarning,
            stacklevel=5,
        )
