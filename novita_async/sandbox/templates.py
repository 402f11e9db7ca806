"""`novita.sandboxes.templates`: what sandboxes start from (contract/sandbox.md 11; sandbox.openapi.yaml)."""

from __future__ import annotations

from collections import deque
from contextlib import aclosing
from datetime import datetime
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import quote

import msgspec

from ..errors import NotFound, PermissionDenied, ValidationError
from ..runtime.arguments import call_headers, check_timeout, with_query
from ..runtime.pages import Pages
from ..runtime.task import Task
from ..wire.json import Object, decode
from .builds import KIND, Build, Builder, BuildLog, BuildReader

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping, Sequence

    from ..runtime.task import Update
    from ..runtime.tasks import TaskSet
    from .control import Control
    from .template import Template

__all__ = ["TaggedBuild", "TemplateBuild", "TemplateInfo", "TemplateTag", "Templates"]

_PAGE = 100
_NAME_LENGTH = 128


class TemplateBuild(Object):
    """One build of a template. What the platform does not tell is empty, 0 or None.

    Attributes:
        id: the build's.
        status: waiting, building, ready, error, or something newer.
        created_at, updated_at, finished_at: moments.
        cpu_count: virtual CPUs of its sandboxes.
        memory_mb, disk_size_mb: their memory and disk in MiB.
        envd_version: of the daemon in them.
    """

    id: str = msgspec.field(name="buildID", default="")
    status: str = ""
    created_at: datetime | None = msgspec.field(name="createdAt", default=None)
    updated_at: datetime | None = msgspec.field(name="updatedAt", default=None)
    finished_at: datetime | None = msgspec.field(name="finishedAt", default=None)
    cpu_count: int = msgspec.field(name="cpuCount", default=0)
    memory_mb: int = msgspec.field(name="memoryMB", default=0)
    disk_size_mb: int | None = msgspec.field(name="diskSizeMB", default=None)
    envd_version: str | None = msgspec.field(name="envdVersion", default=None)


class TemplateInfo(Object):
    """A template as the platform tells of it. What it does not tell is empty, 0 or None.

    Attributes:
        id: the template's.
        names: what it can be called by.
        aliases: the same in the platform's older form.
        public: whether others may use it.
        kind: "template_build" or "snapshot_template".
        build_id, build_status: its newest build; of lists only.
        build_count, spawn_count: how often it was built, and sandboxes made of it.
        cpu_count: virtual CPUs of its sandboxes.
        memory_mb, disk_size_mb: their memory and disk in MiB.
        envd_version: of the daemon in them.
        created_at, updated_at, last_spawned_at: moments.
        metadata: labels.
        builds: its newest builds, a hundred at most; of `get` only.
    """

    id: str = msgspec.field(name="templateID", default="")
    names: list[str] | None = None
    aliases: list[str] | None = None
    public: bool | None = None
    kind: str = msgspec.field(name="templateType", default="")
    build_id: str = msgspec.field(name="buildID", default="")
    build_status: str = msgspec.field(name="buildStatus", default="")
    build_count: int | None = msgspec.field(name="buildCount", default=None)
    spawn_count: int | None = msgspec.field(name="spawnCount", default=None)
    cpu_count: int = msgspec.field(name="cpuCount", default=0)
    memory_mb: int = msgspec.field(name="memoryMB", default=0)
    disk_size_mb: int | None = msgspec.field(name="diskSizeMB", default=None)
    envd_version: str | None = msgspec.field(name="envdVersion", default=None)
    created_at: datetime | None = msgspec.field(name="createdAt", default=None)
    updated_at: datetime | None = msgspec.field(name="updatedAt", default=None)
    last_spawned_at: datetime | None = msgspec.field(name="lastSpawnedAt", default=None)
    metadata: dict[str, str] | None = None
    builds: list[TemplateBuild] | None = None


class TemplateTag(Object):
    """A tag, and the build that it is on."""

    tag: str = ""
    build_id: str = msgspec.field(name="buildID", default="")
    created_at: datetime | None = msgspec.field(name="createdAt", default=None)


class TaggedBuild(Object):
    """A build, and the tags that were put on it."""

    build_id: str = msgspec.field(name="buildID", default="")
    tags: list[str] | None = None


class _Page(msgspec.Struct):
    templates: list[msgspec.Raw] = []
    totalPages: int | None = None


class _Alias(msgspec.Struct):
    templateID: str = ""


class Templates:
    """`novita.sandboxes.templates`.

    Example:
        template = Template().from_python_image().pip_install("httpx").set_envs({"MODE": "fast"})
        task = await novita.sandboxes.templates.build(template, "my-agent", on_log=lambda log: print(log.message))
        await task.wait()
        async with novita.sandboxes.create("my-agent") as sandbox:
            ...
    """

    def __init__(self, control: Control, tasks: TaskSet) -> None:
        self._control = control
        self._runtime = control.runtime
        self._tasks = tasks

    async def build(
        self,
        template: Template,
        name: str,
        *,
        tags: Sequence[str] = (),
        cpu_count: int = 2,
        memory_mb: int = 1024,
        skip_cache: bool = False,
        on_log: Callable[[BuildLog], None] | None = None,
        extra_body: Mapping[str, Any] | None = None,
        extra_headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
    ) -> Task[Build]:
        """Upload what a template copies, and start its build: `await (await ...build(...)).wait()`.

        Args:
            template: what is built.
            name: what it is to be called; `name:tag` also puts a tag on it. A name that there is gets a new build.
            tags: more tags for this build.
            cpu_count: virtual CPUs of its sandboxes.
            memory_mb: their memory in MiB.
            skip_cache: build every step anew.
            on_log: called with each line of the log, as it comes, while somebody waits for the task.
            extra_body: fields for the registration that the SDK does not know; they win over known ones.
            extra_headers: headers for each call to the platform.
            timeout: each call in seconds, retries and waits included.

        Returns:
            A task. Its result is the `Build`; a step that fails makes it `TaskFailed`, with the step and its message as
            the reason. It is one of `novita.tasks`, of the kind "template".

        Raises:
            ValidationError: an argument cannot be sent, or there is nothing to copy. Nothing was sent.
            APIError: the platform refused.

        Contract: sandbox.openapi.yaml, POST /v3/templates, GET /templates/{templateID}/files/{hash},
        POST /v2/templates/{templateID}/builds/{buildID}, GET .../status; sandbox.md section 11.
        """
        if not isinstance(name, str) or not 0 < len(name) <= _NAME_LENGTH:  # pyright: ignore[reportUnnecessaryIsInstance] - a caller's
            raise ValidationError(f"name must be text of 1 to {_NAME_LENGTH} letters, got {name!r}")
        for argument, value, least in (("cpu_count", cpu_count, 1), ("memory_mb", memory_mb, 128)):
            if not isinstance(value, int) or value < least:  # pyright: ignore[reportUnnecessaryIsInstance] - a caller's
                raise ValidationError(f"{argument} must be a whole number from {least}, got {value!r}")
        registration: dict[str, Any] = {"name": name, "cpuCount": cpu_count, "memoryMB": memory_mb}
        if tags:
            registration["tags"] = _tags(tags)
        registration |= extra_body or {}
        call_headers(extra_headers)
        check_timeout(timeout)
        self._runtime.enter()
        plan = await self._runtime.clock.to_thread(lambda: template.plan(skip_cache=skip_cache))
        builder = Builder(self._control, self._tasks)
        return await builder.start(plan, registration, on_log=on_log, headers=extra_headers, timeout=timeout)

    async def logs(self, build: Build | Task[Build], *, level: str | None = None) -> AsyncGenerator[BuildLog, None]:
        """The log of a build, from its first line, as it comes, to the end of the build, however it ends.

        Args:
            build: a build, running or not, or its task.
            level: only lines of this level (debug, info, warn, error) and above.

        Raises:
            NotFound: there is no such build.
            TaskTimeout: it did not end within an hour.

        Contract: sandbox.openapi.yaml, GET /templates/{templateID}/builds/{buildID}/status.

        Example:
            async for log in novita.sandboxes.templates.logs(task):
                print(log.timestamp, log.message)
        """
        id_ = build.id if isinstance(build, Task) else f"{build.template_id}/{build.build_id}"
        lines: deque[BuildLog] = deque()
        task: Task[Build] = Task(self._tasks, id_, KIND, BuildReader(self._control, on_log=lines.append, level=level))
        async with aclosing(cast("AsyncGenerator[Update, None]", aiter(task))) as updates:
            async for _ in updates:
                while lines:
                    yield lines.popleft()

    def reader(self) -> BuildReader:
        """What reads the status of a build that another process started."""
        return BuildReader(self._control)

    def list(
        self,
        *,
        kind: str = "template_build",
        extra_headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
    ) -> Pages[TemplateInfo]:
        """The templates of the account: `async for template in ...list()` or `templates = await ...list()`.

        Args:
            kind: "template_build", or "snapshot_template" for what was made of sandboxes.
            extra_headers: headers for the call of each page.
            timeout: the call of each page in seconds, retries and waits included.

        Raises:
            APIError: the platform refused.

        Contract: sandbox.openapi.yaml, GET /v2/templates.
        """
        headers = call_headers(extra_headers)
        check_timeout(timeout)

        async def pages() -> AsyncIterator[list[TemplateInfo]]:
            number, decoder = 1, self._runtime.decoders(TemplateInfo)
            while True:
                path = with_query("/v2/templates", template_type=kind, page=number, limit=_PAGE)
                page = await self._runtime.fetch(
                    self._control.call("GET", path, headers=headers, timeout=timeout), _Page
                )
                yield [decode(decoder, bytes(item)) for item in page.templates]
                if not page.templates or number >= (page.totalPages or 1):
                    return
                number += 1

        return Pages(pages)

    async def get(
        self, template_id: str, *, extra_headers: Mapping[str, str] | None = None, timeout: float | None = None
    ) -> TemplateInfo:
        """Read a template with its builds.

        Raises:
            NotFound: there is none of this id.

        Contract: sandbox.openapi.yaml, GET /templates/{templateID}.
        """
        call = self._control.call("GET", _at(template_id), headers=extra_headers, timeout=timeout)
        return await self._runtime.fetch(call, TemplateInfo)

    async def lookup(
        self, name: str, *, extra_headers: Mapping[str, str] | None = None, timeout: float | None = None
    ) -> str:
        """The id of the template of a name.

        Raises:
            NotFound: there is none.
            PermissionDenied: it is somebody else's.

        Contract: sandbox.openapi.yaml, GET /templates/aliases/{alias}.
        """
        path = f"/templates/aliases/{_quoted('name', name)}"
        call = self._control.call("GET", path, headers=extra_headers, timeout=timeout)
        return (await self._runtime.fetch(call, _Alias)).templateID

    async def exists(
        self, name: str, *, extra_headers: Mapping[str, str] | None = None, timeout: float | None = None
    ) -> bool:
        """Whether there is a template of a name, also when it is somebody else's.

        Contract: sandbox.openapi.yaml, GET /templates/aliases/{alias}.
        """
        try:
            await self.lookup(name, extra_headers=extra_headers, timeout=timeout)
        except NotFound:
            return False
        except PermissionDenied:
            return True
        return True

    async def delete(
        self, template_id: str, *, extra_headers: Mapping[str, str] | None = None, timeout: float | None = None
    ) -> bool:
        """Delete a template or a snapshot. Its sandboxes live on.

        Returns:
            False when there was none.

        Contract: sandbox.openapi.yaml, DELETE /templates/{templateID}.
        """
        call = self._control.call("DELETE", _at(template_id), headers=extra_headers, timeout=timeout)
        return await self._control.found(call)

    async def publish(
        self, template_id: str, *, extra_headers: Mapping[str, str] | None = None, timeout: float | None = None
    ) -> None:
        """Let others use a template.

        Contract: sandbox.openapi.yaml, PATCH /v2/templates/{templateID}.
        """
        await self._set_public(template_id, True, extra_headers, timeout)

    async def unpublish(
        self, template_id: str, *, extra_headers: Mapping[str, str] | None = None, timeout: float | None = None
    ) -> None:
        """Keep a template to the account again.

        Contract: sandbox.openapi.yaml, PATCH /v2/templates/{templateID}.
        """
        await self._set_public(template_id, False, extra_headers, timeout)

    async def _set_public(
        self, template_id: str, public: bool, headers: Mapping[str, str] | None, timeout: float | None
    ) -> None:
        path = f"/v2{_at(template_id)}"
        await self._runtime.request(
            self._control.call("PATCH", path, {"public": public}, headers=headers, timeout=timeout)
        )

    async def assign_tags(
        self,
        target: str,
        tags: str | Sequence[str],
        *,
        extra_headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
    ) -> TaggedBuild:
        """Put tags on a build that there is.

        Args:
            target: the build, as `name:tag`; a name alone is its newest build.
            tags: one or several. A tag that is on another build of the template moves.

        Contract: sandbox.openapi.yaml, POST /templates/tags.
        """
        body = {"target": _named("target", target), "tags": _tags(tags)}
        call = self._control.call("POST", "/templates/tags", body, headers=extra_headers, timeout=timeout)
        return await self._runtime.fetch(call, TaggedBuild)

    async def remove_tags(
        self,
        name: str,
        tags: str | Sequence[str],
        *,
        extra_headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
    ) -> None:
        """Take tags off a template. Its builds stay.

        Contract: sandbox.openapi.yaml, DELETE /templates/tags.
        """
        body = {"name": _named("name", name), "tags": _tags(tags)}
        call = self._control.call("DELETE", "/templates/tags", body, headers=extra_headers, timeout=timeout)
        await self._runtime.request(call)

    async def get_tags(
        self, template_id: str, *, extra_headers: Mapping[str, str] | None = None, timeout: float | None = None
    ) -> Sequence[TemplateTag]:
        """The tags of a template, by its id or name.

        Contract: sandbox.openapi.yaml, GET /templates/{templateID}/tags.
        """
        call = self._control.call("GET", f"{_at(template_id)}/tags", headers=extra_headers, timeout=timeout)
        return self._control.items(await self._runtime.request(call), TemplateTag)


def _named(argument: str, value: object) -> str:
    if not isinstance(value, str) or not value:
        raise ValidationError(f"{argument} must be text, and not empty, got {value!r}")
    return value


def _quoted(argument: str, value: object) -> str:
    text = _named(argument, value)
    if text in (".", ".."):  # a URL would lose it
        raise ValidationError(f"{argument} cannot be {text!r}")
    return quote(text, safe="")


def _at(template_id: object) -> str:
    return f"/templates/{_quoted('template_id', template_id)}"


def _tags(tags: str | Sequence[str]) -> list[str]:
    names = [tags] if isinstance(tags, str) else list(tags)
    if not names:
        raise ValidationError("tags: give at least one")
    return [_named("a tag", name) for name in names]
