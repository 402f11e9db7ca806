"""Artifact hosting: projects and their deployments (contract/sandbox.openapi.yaml, tag artifact-hosting).

What a deployment has come to follows from the clock: queued, building, deploying, running, each for a few seconds.
Nothing is built and nothing is served: only whether the directory is there in the sandbox is looked at.
"""

from __future__ import annotations

import itertools
import re
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import msgspec

from ...transport.protocol import Reply
from ..router import Refusal, json_reply
from .bodies import guarded

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from ..router import Call, Router
    from .control import Sandboxes

__all__ = ["Hosting"]

_NAME = re.compile(r"[a-z][a-z0-9-]{2,62}")
_DOMAIN = "artifact.novita.simulator"
_STEP_SECONDS = 2.0
#: How a deployment goes, a step for each; the last one stays. One whose directory is not there ends in the second row.
_WAY = ("QUEUED", "BUILDING", "DEPLOYING", "RUNNING")
_FAILED_WAY = ("QUEUED", "BUILDING", "BUILD_FAILED")
_LINES = {
    "QUEUED": "Queued",
    "BUILDING": "Starting build task...",
    "BUILD_FAILED": "The build failed: no such directory in the sandbox",
    "DEPLOYING": "Deploying",
    "RUNNING": "The deployment is running",
}
_AT_WORK = ("QUEUED", "BUILDING", "DEPLOYING")


class _EndpointConfig(msgspec.Struct):
    requestTimeoutSeconds: str = "60"


class _Change(msgspec.Struct, kw_only=True):
    name: str | None = None
    description: str | None = None
    endpointConfig: _EndpointConfig | None = None


class _NewProject(msgspec.Struct, kw_only=True):
    name: str
    description: str = ""
    endpointConfig: _EndpointConfig | None = None


class _Update(msgspec.Struct):
    payload: _Change


class _Source(msgspec.Struct):
    sandboxId: str
    path: str


class _Deploy(msgspec.Struct, kw_only=True):
    artifactsSource: _Source
    metadata: dict[str, Any] = {}
    message: str = ""


class _Deployment(msgspec.Struct, kw_only=True):
    id: str
    order: _Deploy
    began: float  # Unix seconds
    way: tuple[str, ...]
    ended: str = ""  # the state in which it was told to stay

    def status(self, now: float) -> str:
        steps = min(len(self.way) - 1, int((now - self.began) / _STEP_SECONDS + 1e-9))
        return self.ended or self.way[steps]


class _Project(msgspec.Struct, kw_only=True):
    id: str
    name: str
    description: str
    endpoint_config: _EndpointConfig
    created: float
    updated: float
    deployments: list[_Deployment]
    current: str = ""  # the deployment that was rolled back to
    database: dict[str, Any] | None = None


class Hosting:
    """The account's projects."""

    def __init__(self, sandboxes: Sandboxes) -> None:
        self._sandboxes = sandboxes
        self._projects: dict[str, _Project] = {}
        self._numbers = itertools.count(1)

    def routes(self, router: Router) -> None:
        deployment = "/projects/{project}/deployments/{deployment}"
        table: tuple[tuple[str, str, Callable[[Call], Awaitable[Reply]]], ...] = (
            ("POST", "/projects", self._create),
            ("GET", "/projects", self._list),
            ("GET", "/projects/{project}", self._get),
            ("PATCH", "/projects/{project}", self._update),
            ("DELETE", "/projects/{project}", self._delete),
            ("POST", "/projects/{project}/database", self._database),
            ("POST", "/projects/{project}/deploy", self._deploy),
            ("GET", "/projects/{project}/deployments", self._deployments),
            ("GET", deployment, self._deployment),
            ("POST", deployment + "/cancel", self._cancel),
            ("POST", deployment + "/rollback", self._roll_back),
            ("GET", deployment + "/logs/stream", self._logs),
        )
        for method, pattern, endpoint in table:
            for prefix in ("", "/v1"):  # on the platform they have a host of their own, and this prefix
                router.add(method, prefix + pattern, guarded(endpoint, self._sandboxes.api_key, refused=_unauthorized))

    # Projects.

    async def _create(self, call: Call) -> Reply:
        new = await _read(call, _NewProject)
        self._check_name(new.name)
        now = self._now()
        project = _Project(
            id=f"proj-{next(self._numbers):06d}",
            name=new.name,
            description=new.description,
            endpoint_config=new.endpointConfig or _EndpointConfig(),
            created=now,
            updated=now,
            deployments=[],
        )
        self._projects[project.id] = project
        return json_reply(self._project_told(project))

    async def _list(self, call: Call) -> Reply:
        told = [self._project_told(project) for project in self._projects.values()]
        return json_reply({"projects": _filtered(told, call, _PROJECT_STATES)})

    async def _get(self, call: Call) -> Reply:
        return json_reply(self._project_told(self._project(call)))

    async def _update(self, call: Call) -> Reply:
        project, change = self._project(call), (await _read(call, _Update)).payload
        if change.name is not None and change.name != project.name:
            self._check_name(change.name)
            project.name = change.name
        project.description = project.description if change.description is None else change.description
        project.endpoint_config = change.endpointConfig or project.endpoint_config
        project.updated = self._now()
        return json_reply(self._project_told(project))

    async def _delete(self, call: Call) -> Reply:
        del self._projects[self._project(call).id]
        return json_reply({})

    async def _database(self, call: Call) -> Reply:
        project = self._project(call)
        if project.database is None:
            host = f"{project.id}.db.{_DOMAIN}"
            project.database = {
                "status": "ready",
                "provider": "tidb_cloud",
                "host": host,
                "port": 4000,
                "databaseName": project.name.replace("-", "_"),
                "databaseUrl": f"mysql://{host}:4000/{project.name.replace('-', '_')}",
                "createdAt": self._now(),
            }
        return json_reply({"databaseInfo": project.database})

    def _check_name(self, name: str) -> None:
        if not _NAME.fullmatch(name):
            raise _refusal(400, "INVALID_ARGUMENT", "a project's name has 3 to 63 of a-z, 0-9 and -, a letter first")
        if any(project.name == name for project in self._projects.values()):
            raise _refusal(409, "ALREADY_EXISTS", f"project '{name}' already exists")

    def _project(self, call: Call) -> _Project:
        wanted = call.params["project"]
        for project in self._projects.values():
            if wanted in (project.id, project.name):
                return project
        raise _refusal(404, "NOT_FOUND", f"project '{wanted}' not found")

    def _project_told(self, project: _Project) -> dict[str, Any]:
        now = self._now()
        states = [deployment.status(now) for deployment in project.deployments]
        running = [each.id for each, state in zip(project.deployments, states, strict=True) if state == "RUNNING"]
        told: dict[str, Any] = {
            "projectId": project.id,
            "name": project.name,
            "description": project.description,
            "status": "PROJECT_STATUS_DEPLOYING" if set(states) & set(_AT_WORK) else "PROJECT_STATUS_ACTIVE",
            "endpoint": {"defaultUrl": f"https://{project.name}.{_DOMAIN}"},
            "endpointConfig": project.endpoint_config,
            "deploymentCount": len(project.deployments),
            "currentDeploymentId": project.current or (running[-1] if running else ""),
            "createdAt": project.created,
            "updatedAt": project.updated,
        }
        return told if project.database is None else {**told, "databaseInfo": project.database}

    # Deployments.

    async def _deploy(self, call: Call) -> Reply:
        project, order = self._project(call), await _read(call, _Deploy)
        machine = self._sandboxes.get(order.artifactsSource.sandboxId)
        if machine is None:
            raise _refusal(404, "NOT_FOUND", f"sandbox '{order.artifactsSource.sandboxId}' not found")
        path = order.artifactsSource.path
        there = await self._sandboxes.clock.to_thread(lambda: machine.tree.directory(path))
        way = _WAY if there else _FAILED_WAY
        deployment = _Deployment(id=f"dep-{uuid4().hex[:12]}", order=order, began=self._now(), way=way)
        project.deployments.append(deployment)
        project.current = ""
        return json_reply(self._told(project, deployment))

    async def _deployments(self, call: Call) -> Reply:
        project = self._project(call)
        told = [self._told(project, deployment) for deployment in project.deployments]
        return json_reply({"deployments": _filtered(told, call, _DEPLOYMENT_STATES)})

    async def _deployment(self, call: Call) -> Reply:
        return json_reply(self._told(*self._both(call)))

    async def _cancel(self, call: Call) -> Reply:
        project, deployment = self._both(call)
        before = deployment.status(self._now())
        if before not in _AT_WORK:
            raise _refusal(400, "FAILED_PRECONDITION", f"a deployment that is {before} cannot be cancelled")
        deployment.ended = "CANCELLED"
        return json_reply(
            {
                "projectId": project.id,
                "deploymentId": deployment.id,
                "previousStatus": f"DEPLOYMENT_STATUS_{before}",
                "currentStatus": "DEPLOYMENT_STATUS_CANCELLED",
            }
        )

    async def _roll_back(self, call: Call) -> Reply:
        project, deployment = self._both(call)
        if deployment.status(self._now()) != "RUNNING":
            raise _refusal(400, "FAILED_PRECONDITION", "only a deployment that has run can be rolled back to")
        before: str = self._project_told(project)["currentDeploymentId"]
        project.current = deployment.id
        return json_reply(
            {"projectId": project.id, "previousDeploymentId": before, "currentDeploymentId": deployment.id}
        )

    async def _logs(self, call: Call) -> Reply:
        _, deployment = self._both(call)
        return Reply(200, {"content-type": "text/event-stream"}, self._log(deployment))

    async def _log(self, deployment: _Deployment) -> AsyncIterator[bytes]:
        """Tell each state when it comes, until one that stays."""
        clock = self._sandboxes.clock
        yield _event("connected", {"deployment_id": deployment.id})
        for number, state in enumerate(deployment.way):
            await clock.sleep(deployment.began + number * _STEP_SECONDS - self._now())
            if deployment.ended:
                break
            yield _event("log", {"line": _LINES[state]})
        yield _event("complete", {"status": f"DEPLOYMENT_STATUS_{deployment.status(self._now())}"})

    def _both(self, call: Call) -> tuple[_Project, _Deployment]:
        project, wanted = self._project(call), call.params["deployment"]
        for deployment in project.deployments:
            if deployment.id == wanted:
                return project, deployment
        raise _refusal(404, "NOT_FOUND", f"deployment '{wanted}' not found")

    def _told(self, project: _Project, deployment: _Deployment) -> dict[str, Any]:
        status = deployment.status(self._now())
        return {
            "deploymentId": deployment.id,
            "projectId": project.id,
            "artifactsSource": deployment.order.artifactsSource,
            "metadata": deployment.order.metadata,
            "message": deployment.order.message,
            "errorMessage": _LINES[status] if status == "BUILD_FAILED" else "",
            "status": f"DEPLOYMENT_STATUS_{status}",
            "createdAt": deployment.began,
        }

    def _now(self) -> float:
        return self._sandboxes.clock.time()


_PROJECT_STATES = ("UNSPECIFIED", "ACTIVE", "INACTIVE", "DEPLOYING", "ROLLING_BACK", "ERROR")
_DEPLOYMENT_STATES = (
    "UNSPECIFIED", "QUEUED", "BUILDING", "BUILD_FAILED", "DEPLOYING", "DEPLOY_FAILED", "RUNNING", "IDLE", "INACTIVE",
    "CANCELLED",
)  # fmt: skip


def _filtered(told: list[dict[str, Any]], call: Call, states: tuple[str, ...]) -> list[dict[str, Any]]:
    """Keep those in one of the states that the query has as numbers."""
    asked = call.query.get("filters.status", "")
    if not asked:
        return told
    numbers = {int(each) for each in asked.split(",") if each.isdecimal()}
    wanted = {state for number, state in enumerate(states) if number in numbers}
    return [each for each in told if each["status"].partition("_STATUS_")[2] in wanted]


async def _read(call: Call, type_: Any) -> Any:
    try:
        return await call.json(type_)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise _refusal(400, "INVALID_ARGUMENT", str(error)) from error


def _refusal(status: int, code: str, message: str) -> Refusal:
    return Refusal(status, {"error": {"code": code, "message": message}})


def _unauthorized() -> Refusal:
    return _refusal(401, "UNAUTHENTICATED", "Invalid API key")


def _event(kind: str, data: dict[str, Any]) -> bytes:
    return b"event: " + kind.encode() + b"\ndata: " + msgspec.json.encode(data) + b"\n\n"
