"""Running a media model, whatever it makes: one way for all of the catalog's."""

from __future__ import annotations

import sys
import warnings
from typing import TYPE_CHECKING, Any, ClassVar, Literal, cast

from ..catalog import Catalog, Model, load
from ..errors import ModelRetiredWarning, ValidationError
from ..runtime.arguments import call_headers, check_timeout
from ..runtime.budget import priced
from ..runtime.call import Call
from ..runtime.retry import Replay
from ..wire.json import Object
from .bodies import build
from .results import MediaResult, fetch_result, task_reader
from .webhooks import address_of

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
    """The catalog, read from the disk when it is first needed."""
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
        webhook: bool = False,
    ) -> Task[MediaResult]:
        """Submit a task. `webhook` tells that its body asks for one already."""
        entry = await self._model(model)
        if entry.kind != "async":
            raise ValidationError(f"{entry.id} answers at once and has no task: use run()")
        hooked: bool | Literal["test"] = webhook
        if entry.webhook:
            params, hooked = self._hooked(params)
        call, body = await self._call(entry, params, validate, extra_body, extra_headers, timeout)
        with priced(self._runtime.meter, call):
            return await self._tasks.submit(
                call, Submitted, task_id_of, kind="media", read=self._read, note=body.note, webhook=hooked
            )

    async def _run(
        self,
        model: str | Model,
        params: Mapping[str, Any],
        *,
        validate: bool = True,
        extra_body: Mapping[str, Any] | None = None,
        extra_headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
        webhook: bool = False,
    ) -> MediaResult:
        entry = await self._model(model)
        if entry.kind != "async":
            if entry.stream == "events" and params.get("stream"):
                raise ValidationError(
                    f"{entry.id}: run() gives a whole result; audio.speech(stream=True) gives a stream"
                )
            call, _ = await self._call(entry, params, validate, extra_body, extra_headers, timeout)
            with priced(self._runtime.meter, call):
                return await fetch_result(self._runtime, call)
        started = self._runtime.clock.monotonic()
        task = await self._submit(
            *(entry, params),
            validate=validate,
            extra_body=extra_body,
            extra_headers=extra_headers,
            timeout=timeout,
            webhook=webhook,
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

    def _hooked(self, params: Mapping[str, Any]) -> tuple[Mapping[str, Any], bool | Literal["test"]]:
        """The parameters with an address of the client's receiver, where there is one and they name no other."""
        extra = _mapping(params.get("extra"))
        hook = None if extra is None else _mapping(extra.get("webhook"))
        if extra is None or hook is None or hook.get("url"):
            return params, False  # what is wrong with it the check says; or somebody else is told
        address = address_of(self._runtime)
        if address is None:
            return params, False
        test = _mapping(hook.get("test_mode"))
        hooked = {**params, "extra": {**extra, "webhook": {**hook, "url": address}}}
        return hooked, "test" if test and test.get("enabled") else True

    async def _model(self, name: str | Model) -> Model:
        if isinstance(name, Model):
            return name
        self._runtime.enter()  # before the catalog and files are read, which a call on another loop would wait for
        catalog = await catalog_of(self._runtime)
        model = catalog.get(name)
        if model is None:
            import difflib

            known = [each.id for each in catalog.values() if self.product in ("", each.product)]
            near = difflib.get_close_matches(str(name), known, n=3)
            hint = f"did you mean {' or '.join(near)}?" if near else "novita.media.models() lists them."
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
            stacklevel=_callers_level(),
        )


def _mapping(value: Any) -> dict[str, Any] | None:
    """A mapping as it is, nothing as an empty one, anything else as None."""
    return {} if value is None else cast("dict[str, Any]", value) if isinstance(value, dict) else None


def _callers_level() -> int:
    """How far up the stack whoever calls the SDK stands: a shorthand is further from `_warn` than `run` is."""
    level, frame = 1, sys._getframe(1)  # pyright: ignore[reportPrivateUsage]  # what `warnings` itself walks
    while frame.f_back is not None and str(frame.f_globals.get("__name__")).startswith("novita_async."):
        level, frame = level + 1, frame.f_back
    return level
