"""Hosting projects and their deployments, on the clock."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import openapi
import pytest

if TYPE_CHECKING:
    from sandbox_room import Box, Judged

pytestmark = pytest.mark.parametrize("room", ["any"], indirect=True)


async def _project(judged: Judged, name: str = "my-app") -> dict[str, Any]:
    made: dict[str, Any] = await judged("POST", "/projects", {"name": name, "description": "d"})
    return made


def _deploy(box: Box, path: str = "/home/user") -> dict[str, Any]:
    source = {"sandboxId": box.id, "path": path}
    return {"projectId": "my-app", "artifactsSource": source, "metadata": {"httpPort": 3000}, "message": "first"}


async def test_a_project_is_made_found_changed_and_deleted(judged: Judged) -> None:
    made = await _project(judged)
    assert (made["name"], made["status"], made["deploymentCount"]) == ("my-app", "PROJECT_STATUS_ACTIVE", 0)
    for which in ("my-app", made["projectId"]):
        assert await judged("GET", f"/projects/{which}") == made
    change = {"projectId": made["projectId"], "payload": {"name": "new-name", "description": "e"}}
    changed = await judged("PATCH", f"/projects/{made['projectId']}", change)
    assert (changed["name"], changed["description"]) == ("new-name", "e")
    database = await judged("POST", "/projects/new-name/database", {"projectId": "new-name"})
    assert database == await judged("POST", "/projects/new-name/database", {"projectId": "new-name"})
    assert (await judged("GET", "/projects?filters.status=1,3"))["projects"][0]["databaseInfo"]["port"] == 4000
    assert (await judged("GET", "/projects?filters.status=2"))["projects"] == []
    await judged("DELETE", "/projects/new-name")
    await judged("GET", "/projects/new-name", status=404)
    assert (await judged.room("GET", "/v1/projects")).json() == {"projects": []}
    assert (await judged.room("GET", "/projects", headers={})).status == 401


async def test_a_project_that_cannot_be_is_refused(judged: Judged) -> None:
    await _project(judged)
    for name, status in (("A", 400), ("ab", 400), ("1ab", 400), ("my-app", 409)):
        await judged("POST", "/projects", {"name": name}, status=status)
    await judged("POST", "/projects", {}, status=400)


async def test_a_deployment_goes_its_way_and_is_rolled_back_to(judged: Judged, box: Box) -> None:
    await _project(judged)
    made = await judged("POST", "/projects/my-app/deploy", _deploy(box))
    url = f"/projects/my-app/deployments/{made['deploymentId']}"
    seen = [made["status"]]
    for _ in range(4):
        await judged.room.clock.advance(2)
        seen.append((await judged("GET", url))["status"])
    assert [each.removeprefix("DEPLOYMENT_STATUS_") for each in seen] == [
        "QUEUED", "BUILDING", "DEPLOYING", "RUNNING", "RUNNING",
    ]  # fmt: skip
    await judged("POST", f"{url}/cancel", {"reason": "late"}, status=400)
    second = await judged("POST", "/projects/my-app/deploy", _deploy(box))
    assert (await judged("GET", "/projects/my-app"))["status"] == "PROJECT_STATUS_DEPLOYING"
    cancelled = await judged("POST", f"/projects/my-app/deployments/{second['deploymentId']}/cancel", {})
    assert cancelled["currentStatus"] == "DEPLOYMENT_STATUS_CANCELLED"
    third = await judged("POST", "/projects/my-app/deploy", _deploy(box))
    await judged.room.clock.advance(6)
    assert (await judged("GET", "/projects/my-app"))["currentDeploymentId"] == third["deploymentId"]
    back = await judged("POST", f"{url}/rollback", {"reason": "broken"})
    assert (back["previousDeploymentId"], back["currentDeploymentId"]) == (third["deploymentId"], made["deploymentId"])
    assert (await judged("GET", "/projects/my-app"))["currentDeploymentId"] == made["deploymentId"]
    running = await judged("GET", "/projects/my-app/deployments?filters.status=6")
    assert [one["deploymentId"] for one in running["deployments"]] == [made["deploymentId"], third["deploymentId"]]


async def test_what_is_not_there_is_not_deployed(judged: Judged, box: Box) -> None:
    await _project(judged)
    made = await judged("POST", "/projects/my-app/deploy", _deploy(box, "/nowhere"))
    await judged.room.clock.advance(10)
    told = await judged("GET", f"/projects/my-app/deployments/{made['deploymentId']}")
    assert told["status"] == "DEPLOYMENT_STATUS_BUILD_FAILED"
    assert "no such directory" in told["errorMessage"]
    nobody = {**_deploy(box), "artifactsSource": {"sandboxId": "nobody", "path": "/"}}
    await judged("POST", "/projects/my-app/deploy", nobody, status=404)
    await judged("GET", "/projects/my-app/deployments/nobody", status=404)


async def test_logs_come_as_the_deployment_goes(judged: Judged, box: Box) -> None:
    await _project(judged)
    made = await judged("POST", "/projects/my-app/deploy", _deploy(box))
    url = f"/projects/my-app/deployments/{made['deploymentId']}/logs/stream"
    reading = asyncio.ensure_future(judged.room("GET", url))
    await judged.room.clock.advance(3)
    assert not reading.done()
    await judged.room.clock.advance(3)
    answer = await reading
    assert answer.headers["content-type"] == "text/event-stream"
    events = openapi.events(answer.body)
    assert [name for name, _ in events] == ["connected", *["log"] * 4, "complete"]
    assert events[0][1] == {"deployment_id": made["deploymentId"]}
    assert events[2][1] == {"line": "Starting build task..."}
    assert events[-1][1] == {"status": "DEPLOYMENT_STATUS_RUNNING"}
