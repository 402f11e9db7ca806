"""`novita.sandboxes.projects`: what was made in a sandbox, put on the web (sandbox.openapi.yaml, artifact-hosting).

A host of its own, which wants the API key twice: as a key and as a bearer.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import msgspec

from ..errors import ValidationError
from ..runtime.arguments import call_headers, check_timeout, given, json_body, with_query
from ..runtime.attempts import Attempts
from ..runtime.call import Auth, Call
from ..runtime.retry import Replay
from ..runtime.streams import EventStream
from ..wire.json import Object, decode
from ..wire.sse import SSEDecoder
from .arguments import check_path, check_strings
from .control import path_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ..runtime.call import Runtime

__all__ = ["Deployment", "Project", "ProjectDatabase", "ProjectEvent", "Projects"]

_NAME = re.compile(r"[a-z][a-z0-9-]{2,62}")
_SILENCE = 600.0  # seconds that a build may take over one line

_PROJECT = ("unspecified", "active", "inactive", "deploying", "rolling_back", "error")
_DEPLOYMENT = (
    *("unspecified", "queued", "building", "build_failed", "deploying", "deploy_failed"),
    *("running", "idle", "inactive", "cancelled"),
)


class ProjectDatabase(Object, rename="camel"):
    """The database of a project. Its URL holds its password: it is not shown with the rest."""

    status: str = ""
    provider: str = ""
    host: str = ""
    port: int = 0
    database_name: str = ""
    database_url: str = ""

    def __repr__(self) -> str:
        return f"ProjectDatabase(status={self.status!r}, host={self.host!r}, database_name={self.database_name!r})"


class _Endpoint(Object, rename="camel"):
    default_url: str = ""
    custom_url: str = ""


class Project(Object, rename="camel"):
    """A project: a name on the web, and what was deployed to it.

    Attributes:
        id: what it is called at the platform.
        name: what it is called by its people.
        description: what was noted of it.
        deployment_count: how often it was deployed.
        current_deployment_id: what runs now.
        database_info: its database, if it has one.
    """

    project_id: str | None = None
    other_id: str = msgspec.field(name="id", default="")
    name: str = ""
    description: str = ""
    told: int | str = msgspec.field(name="status", default=0)
    endpoint: _Endpoint = msgspec.field(default_factory=_Endpoint)
    deployment_count: int = 0
    current_deployment_id: str = ""
    database_info: ProjectDatabase | None = None

    @property
    def id(self) -> str:
        """The platform tells it under one of two names."""
        return self.project_id or self.other_id

    @property
    def status(self) -> str:
        """unspecified, active, inactive, deploying, rolling_back or error; others are kept."""
        return _status(self.told, _PROJECT)

    @property
    def url(self) -> str:
        """Where it is found."""
        return self.endpoint.custom_url or self.endpoint.default_url


class Deployment(Object, rename="camel"):
    """One deployment of a project.

    Attributes:
        id: what it is called at the platform.
        project_id: the project.
        message: what was noted of it.
        error_message: why it failed.
    """

    id: str = msgspec.field(name="deploymentId")
    project_id: str = ""
    message: str = ""
    error_message: str = ""
    told: int | str = msgspec.field(name="status", default=0)

    @property
    def status(self) -> str:
        """queued, building, build_failed, deploying, deploy_failed, running, idle, inactive or cancelled; others are
        kept."""
        return _status(self.told, _DEPLOYMENT)


class ProjectEvent(msgspec.Struct, frozen=True):
    """Something of a deployment's log: `kind` is "connected", "log", "complete" or "error", `data` its JSON or text."""

    kind: str
    data: Any


class _Projects(msgspec.Struct):
    projects: list[msgspec.Raw] | None = None


class _Deployments(msgspec.Struct):
    deployments: list[msgspec.Raw] | None = None


class _Database(msgspec.Struct, rename="camel"):
    database_info: ProjectDatabase


class Projects:
    """`novita.sandboxes.projects`. All calls take `extra_headers` and `timeout`, and raise `APIError` when refused."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime

    async def create(
        self,
        name: str,
        *,
        description: str | None = None,
        request_timeout: float | None = None,
        extra_body: Mapping[str, Any] | None = None,
        extra_headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
    ) -> Project:
        """Make a project.

        Args:
            name: 3 to 63 of a-z, 0-9 and -, a letter first.
            description: for people.
            request_timeout: seconds that its own requests may take.
            extra_body: fields for the body that the SDK does not know; they win over known ones.
            extra_headers: headers for this call.
            timeout: the call in seconds, retries and waits included.

        Contract: sandbox.openapi.yaml, POST /projects.
        """
        body = {**_described(name, description, request_timeout), **(extra_body or {})}
        call = self._call("POST", "", body, extra_headers, timeout, replay=Replay.SUBMITS)
        return await self._runtime.fetch(call, Project)

    async def list(
        self,
        *,
        status: Sequence[str] = (),
        extra_headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
    ) -> Sequence[Project]:
        """The projects of the account, or those in one of these states. Contract: GET /projects."""
        path = with_query("", **_filter(status, _PROJECT))
        answer = await self._runtime.request(self._call("GET", path, None, extra_headers, timeout))
        return self._items(self._runtime.decode(answer, _Projects).projects, Project)

    async def get(
        self, project: str, *, extra_headers: Mapping[str, str] | None = None, timeout: float | None = None
    ) -> Project:
        """Read a project, by its id or its name. Contract: GET /projects/{projectId}."""
        call = self._call("GET", _part(project), None, extra_headers, timeout)
        return await self._runtime.fetch(call, Project)

    async def update(
        self,
        project: str,
        *,
        name: str | None = None,
        description: str | None = None,
        request_timeout: float | None = None,
        extra_headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
    ) -> Project:
        """Change what is given of a project. Contract: PATCH /projects/{projectId}."""
        body = {"projectId": project, "payload": _described(name, description, request_timeout)}
        call = self._call("PATCH", _part(project), body, extra_headers, timeout)
        return await self._runtime.fetch(call, Project)

    async def delete(
        self, project: str, *, extra_headers: Mapping[str, str] | None = None, timeout: float | None = None
    ) -> None:
        """Delete a project. Contract: DELETE /projects/{projectId}."""
        await self._runtime.request(self._call("DELETE", _part(project), None, extra_headers, timeout))

    async def database(
        self, project: str, *, extra_headers: Mapping[str, str] | None = None, timeout: float | None = None
    ) -> ProjectDatabase:
        """The database of a project, made now if it has none. Contract: POST /projects/{projectId}/database."""
        call = self._call("POST", f"{_part(project)}/database", {"projectId": project}, extra_headers, timeout)
        return (await self._runtime.fetch(call, _Database)).database_info

    async def deploy(
        self,
        project: str,
        *,
        sandbox_id: str,
        path: str,
        port: int | None = None,
        health_path: str | None = None,
        envs: Mapping[str, str] | None = None,
        message: str | None = None,
        dockerfile: str | None = None,
        extra_metadata: Mapping[str, Any] | None = None,
        extra_headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
    ) -> Deployment:
        """Put a directory of a sandbox on the web.

        Args:
            project: its id or its name.
            sandbox_id: the sandbox.
            path: the directory in it.
            port: that the program listens on; 3000 when left out.
            health_path: what is asked to see whether it is up.
            envs: environment variables of the program.
            message: what is to be noted.
            dockerfile: how it is built.
            extra_metadata: more of the deployment's metadata, such as replicaSpec, database and migrations.
            extra_headers: headers for this call.
            timeout: the call in seconds, retries and waits included.

        Contract: sandbox.openapi.yaml, POST /projects/{projectId}/deploy.
        """
        path_of(sandbox_id)
        metadata = given(
            httpPort=port, checkHealthPath=health_path, environmentVariables=check_strings("envs", envs) or None
        )
        body = {
            "projectId": project,
            "artifactsSource": {"sandboxId": sandbox_id, "path": check_path("path", path)},
            "metadata": {**metadata, **(extra_metadata or {})},
            **given(message=message, dockerfile=dockerfile),
        }
        call = self._call("POST", f"{_part(project)}/deploy", body, extra_headers, timeout, replay=Replay.SUBMITS)
        return await self._runtime.fetch(call, Deployment)

    async def deployments(
        self,
        project: str,
        *,
        status: Sequence[str] = (),
        extra_headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
    ) -> Sequence[Deployment]:
        """The deployments of a project, or those in one of these states. Contract: GET .../deployments."""
        path = with_query(f"{_part(project)}/deployments", **_filter(status, _DEPLOYMENT))
        answer = await self._runtime.request(self._call("GET", path, None, extra_headers, timeout))
        return self._items(self._runtime.decode(answer, _Deployments).deployments, Deployment)

    async def deployment(
        self,
        project: str,
        deployment: str,
        *,
        extra_headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
    ) -> Deployment:
        """Read a deployment. Contract: GET .../deployments/{deploymentId}."""
        call = self._call("GET", _deployment(project, deployment), None, extra_headers, timeout)
        return await self._runtime.fetch(call, Deployment)

    async def cancel(
        self,
        project: str,
        deployment: str,
        *,
        reason: str | None = None,
        extra_headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
    ) -> None:
        """Give a deployment up that is under way. Contract: POST .../deployments/{deploymentId}/cancel."""
        path = f"{_deployment(project, deployment)}/cancel"
        await self._runtime.request(self._call("POST", path, given(reason=reason), extra_headers, timeout))

    async def rollback(
        self,
        project: str,
        deployment: str,
        *,
        reason: str | None = None,
        extra_headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
    ) -> None:
        """Go back to an earlier deployment. Contract: POST .../deployments/{deploymentId}/rollback."""
        path = f"{_deployment(project, deployment)}/rollback"
        await self._runtime.request(self._call("POST", path, given(reason=reason), extra_headers, timeout))

    async def logs(
        self,
        project: str,
        deployment: str,
        *,
        extra_headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
    ) -> EventStream[ProjectEvent]:
        """The log of a deployment as it is written: `async with await ...logs(...) as stream: async for event in
        stream`. Contract: GET .../deployments/{deploymentId}/logs/stream."""
        call = self._call("GET", f"{_deployment(project, deployment)}/logs/stream", None, extra_headers, timeout)
        call.headers["accept"] = "text/event-stream"
        attempts = Attempts(self._runtime, call)
        response = await attempts.open()
        limit = self._runtime.settings.limits.max_event_bytes
        return EventStream(
            self._runtime,
            attempts,
            response,
            lambda _: _LogReader(limit),
            first_event=self._runtime.settings.timeouts.first_event,
            idle=_SILENCE,
        )

    def _call(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None,
        headers: Mapping[str, str] | None,
        timeout: float | None,
        *,
        replay: Replay = Replay.SAFE,
    ) -> Call:
        bearer = {"authorization": f"Bearer {self._runtime.settings.require_key()}"}
        return Call(
            method=method,
            url=f"{self._runtime.settings.projects_url}/projects{path}",
            body=None if body is None else json_body(body),
            headers=bearer | call_headers(headers),
            auth=Auth.KEY,
            replay=replay,
            timeout=check_timeout(timeout),
        )

    def _items(self, items: Sequence[msgspec.Raw] | None, type_: type[Any]) -> Any:
        decoder = self._runtime.decoders(type_)
        return [decode(decoder, bytes(item)) for item in items or ()]


class _LogReader:
    """The reader of a deployment's log, which ends with its body or with an event that says so."""

    def __init__(self, max_event_bytes: int) -> None:
        self.done = False
        self._decoder = SSEDecoder(max_event_bytes=max_event_bytes)

    def feed(self, chunk: bytes, out: list[bytes]) -> None:
        for event in self._decoder.feed(chunk):
            out.append(event.event.encode() + b"\n" + event.data)
            self.done = self.done or event.event in ("complete", "error")

    def close(self, out: list[bytes]) -> None:
        self.done = True

    def decode(self, event: bytes) -> ProjectEvent:
        kind, _, data = event.partition(b"\n")
        try:
            return ProjectEvent(kind.decode(), msgspec.json.decode(data))
        except (msgspec.DecodeError, UnicodeDecodeError):
            return ProjectEvent(kind.decode(), data.decode("utf-8", "replace"))

    def is_content(self, value: ProjectEvent) -> bool:
        return True


def _described(name: str | None, description: str | None, request_timeout: float | None) -> dict[str, Any]:
    if name is not None and not _NAME.fullmatch(name):
        raise ValidationError(f"a project's name is 3 to 63 of a-z, 0-9 and -, a letter first, got {name!r}")
    check_timeout(request_timeout, "request_timeout")
    config = None if request_timeout is None else {"requestTimeoutSeconds": f"{request_timeout:g}"}
    return given(name=name, description=description, endpointConfig=config)


def _part(project: str) -> str:
    if not isinstance(project, str) or not project.strip("./"):  # pyright: ignore[reportUnnecessaryIsInstance] - a caller's
        raise ValidationError(f"not the id or the name of anything: {project!r}")
    return f"/{quote(project, safe='')}"


def _deployment(project: str, deployment: str) -> str:
    return f"{_part(project)}/deployments{_part(deployment)}"


def _status(told: int | str, names: Sequence[str]) -> str:
    """A state as a short word: the platform tells it as a number or as a long one."""
    if isinstance(told, int):
        return names[told] if 0 <= told < len(names) else str(told)
    return told.lower().partition("_status_")[2] or told


def _filter(status: Sequence[str], names: Sequence[str]) -> dict[str, str]:
    wanted = [status] if isinstance(status, str) else status
    unknown = [each for each in wanted if each not in names]
    if unknown:
        raise ValidationError(f"status must be some of {', '.join(names)}, got {unknown[0]!r}")
    return {"filters.status": ",".join(str(names.index(each)) for each in wanted)} if wanted else {}
