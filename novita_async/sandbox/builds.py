"""Builds of templates: registering one, uploading its files, following it to its end (contract/sandbox.md 11)."""

from __future__ import annotations

from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlsplit

import msgspec

from ..errors import OutcomeUnknown, ProtocolError, ValidationError
from ..runtime.arguments import with_query
from ..runtime.bodies import Repeatable
from ..runtime.call import Auth, Call
from ..runtime.retry import Replay
from ..runtime.task import Reading
from ..wire.json import Object

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping

    from ..runtime.call import Runtime
    from ..runtime.clock import Clock
    from ..runtime.task import Task
    from ..runtime.tasks import TaskSet
    from .context import Archive
    from .control import Control
    from .template import Plan

__all__ = ["KIND", "Build", "BuildLog", "BuildReader", "Builder", "build_path"]

#: Of the tasks that builds are.
KIND = "template"
_LOGS = 100  # entries that one read gives at most


class BuildLog(Object):
    """One line of a build's log.

    Attributes:
        timestamp: when it was written.
        level: debug, info, warn or error.
        message: the text, as the step wrote it.
        step: "base", "finalize", or the number of the step, from 1; None when it is of none.
    """

    timestamp: datetime | None = None
    level: str = ""
    message: str = ""
    step: str | None = None


class Build(Object):
    """A template that was built.

    Attributes:
        template_id: its id; sandboxes are made of it by that, by a name, or by `name:tag`.
        build_id: of this build of it.
        status: "ready".
    """

    template_id: str = msgspec.field(name="templateID", default="")
    build_id: str = msgspec.field(name="buildID", default="")
    status: str = ""


class _Reason(msgspec.Struct):
    message: str = ""
    step: str | None = None


class _Status(Build):
    """What a read of the status gives. `logs` are the messages of `logEntries`, said twice."""

    logEntries: list[BuildLog] | None = None
    reason: _Reason | None = None


class _Registered(msgspec.Struct):
    templateID: str
    buildID: str


class _Link(msgspec.Struct):
    present: bool = False
    url: str | None = None


class BuildReader:
    """Reads the status of builds, and what was logged since the last read.

    Args:
        control: makes the calls.
        on_log: called with each new line.
        level: only lines of this level and above.
    """

    def __init__(
        self, control: Control, *, on_log: Callable[[BuildLog], None] | None = None, level: str | None = None
    ) -> None:
        self._control = control
        self._on_log = on_log
        self._level = level
        self._offset = 0

    async def __call__(self, task_id: str) -> Reading[Build]:
        while True:
            begin = self._offset
            query = {"logsOffset": begin, "limit": _LOGS, "level": self._level}
            call = self._control.call("GET", with_query(f"{build_path(task_id)}/status", **query))
            answer = await self._control.runtime.fetch(call, _Status)
            entries = answer.logEntries or []
            known = self._offset - begin  # by a read at the same time
            self._offset = max(self._offset, begin + len(entries))
            if self._on_log is not None:
                for entry in entries[known:]:
                    self._on_log(entry)
            if len(entries) < _LOGS:
                return _reading(answer)


class Builder:
    """Takes a template from paper to the platform."""

    def __init__(self, control: Control, tasks: TaskSet) -> None:
        self._control = control
        self._tasks = tasks

    async def start(
        self,
        plan: Plan,
        registration: Mapping[str, Any],
        *,
        on_log: Callable[[BuildLog], None] | None,
        headers: Mapping[str, str] | None,
        timeout: float | None,
    ) -> Task[Build]:
        """Register a build, upload what the platform has not got, and start it."""
        call = self._control.call("POST", "/v3/templates", registration, headers=headers, timeout=timeout)
        reader = BuildReader(self._control, on_log=on_log)
        task = await self._tasks.submit(call, _Registered, _task_id, kind=KIND, read=reader)
        try:
            template = task.id.partition("/")[0]
            for hash_ in plan.copies:
                await self._upload(plan, template, hash_, headers=headers, timeout=timeout)
            await self._begin(task, plan.body, headers=headers, timeout=timeout)
        except BaseException:
            await task.settle()  # a build that never begins has no end to be waited for
            raise
        return task

    async def _upload(
        self, plan: Plan, template: str, hash_: str, *, headers: Mapping[str, str] | None, timeout: float | None
    ) -> None:
        runtime, step = self._control.runtime, plan.copies[hash_]
        path = f"/templates/{quote(template, safe='')}/files/{hash_}"
        link = await runtime.fetch(self._control.call("GET", path, headers=headers, timeout=timeout), _Link)
        if link.url is None or (link.present and not step.force_upload):
            if not link.present:
                raise ProtocolError(
                    f"the platform has not got the files of COPY {step.args[0]} and says no place for them"
                )
            return
        archive: Archive | None = None

        def pack() -> None:
            # Kept from here: a caller who is cancelled meanwhile gets no result, and closes it all the same.
            nonlocal archive
            archive = plan.context.pack(step.args[0], resolve_symlinks=step.resolve_symlinks)

        try:
            await runtime.clock.to_thread(pack)
            assert archive is not None
            await runtime.request(_put(runtime, link.url, archive, timeout=timeout))
        finally:
            if archive is not None:
                await runtime.clock.to_thread(archive.close)

    async def _begin(
        self, task: Task[Build], body: Mapping[str, Any], *, headers: Mapping[str, str] | None, timeout: float | None
    ) -> None:
        template, _, build = task.id.partition("/")
        path = f"/v2/templates/{quote(template, safe='')}/builds/{quote(build, safe='')}"
        call = self._control.call("POST", path, body, headers=headers, timeout=timeout, replay=Replay.SUBMITS)
        try:
            await self._control.runtime.request(call)
        except OutcomeUnknown:
            # Unlike with a sandbox, what became of it can be asked.
            if (await task.refresh()).status == "waiting":
                raise


class _Pieces(Repeatable):
    """An archive, read as it is sent, and again should that be repeated."""

    def __init__(self, clock: Clock, archive: Archive) -> None:
        self._clock = clock
        self._archive = archive

    async def __aiter__(self) -> AsyncIterator[bytes]:
        offset = 0
        while chunk := await self._clock.to_thread(partial(self._archive.read, offset)):
            yield chunk
            offset += len(chunk)


def _put(runtime: Runtime, url: str, archive: Archive, *, timeout: float | None) -> Call:
    """The upload. The link carries what it needs: the key goes along only to where it goes anyway."""
    own = urlsplit(url)[:2] == urlsplit(runtime.settings.api_url)[:2]
    return Call(
        method="PUT",
        url=url,
        body=_Pieces(runtime.clock, archive),
        headers={"content-type": "application/gzip", "content-length": str(archive.size)},
        auth=Auth.KEY if own else Auth.LINK,
        timeout=timeout,
    )


def build_path(task_id: str) -> str:
    """The path of a build, by the id of its task: the template's and its own, with a slash between."""
    template, _, build = task_id.partition("/")
    if not template or not build:
        raise ValidationError(f"{task_id!r} is not the id of a build: it is written template_id/build_id")
    return f"/templates/{quote(template, safe='')}/builds/{quote(build, safe='')}"


def _task_id(registered: _Registered) -> str:
    if not registered.templateID or not registered.buildID:
        raise ProtocolError("the platform has registered a build and gives no id of it")
    return f"{registered.templateID}/{registered.buildID}"


def _reading(answer: _Status) -> Reading[Build]:
    result = Build(template_id=answer.template_id, build_id=answer.build_id, status=answer.status)
    if answer.status == "ready":
        return Reading(status="ready", outcome="done", result=result, task_type=KIND)
    if answer.status == "error":
        reason = answer.reason or _Reason()
        where = f"step {reason.step}: " if reason.step else ""
        return Reading(status="error", outcome="failed", reason=f"{where}{reason.message}", task_type=KIND)
    known = answer.status in ("building", "waiting")
    return Reading(status=answer.status, outcome="running" if known else "unknown", task_type=KIND)
