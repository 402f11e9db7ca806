from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from sandbox_room import Box, Room

#: Nothing here depends on how commands are kept apart.
pytestmark = pytest.mark.parametrize("room", ["any"], indirect=True)


async def compose(box: Box, *sources: str, to: str, **fields: str) -> Any:
    return await box.http("POST", "/files/compose", {"source_paths": list(sources), "destination": to, **fields})


async def test_metrics_are_of_this_sandbox_and_real(room: Room, envd_contract: Any) -> None:
    box = await room.create()
    await box.run("head -c 3000000 /dev/zero > big; sync big")
    answer = await box.http("GET", "/metrics")
    told = answer.json()
    envd_contract.check("EnvdMetrics", told)
    assert told["ts"] == int(room.clock.time())
    assert told["disk_used"] >= 3_000_000
    assert told["disk_used"] < told["disk_total"]
    assert told["mem_used"] <= told["mem_total"] == told["mem_total_mib"] * 2**20
    assert (await room("GET", "/metrics", headers={"Novita-Sandbox-Id": box.id})).status == 401


async def test_variables_are_handed_over_anew(room: Room) -> None:
    box = await room.create(envVars={"A": "1", "B": "2"})
    assert (await box.http("GET", "/envs")).json() == {"A": "1", "B": "2"}
    answer = await box.http("POST", "/init", {"envVars": {"A": "3"}, "timestamp": "2030-01-01T00:00:00Z"})
    assert (answer.status, answer.headers["x-envd-version"]) == (204, "0.5.7")
    assert (await box.http("GET", "/envs")).json() == {"A": "3"}
    assert (await box.run("echo $A-$B")).stdout == "3-\n"
    old = {"envVars": {"A": "4"}, "timestamp": "2029-01-01T00:00:00Z"}
    assert (await box.http("POST", "/init", old)).status == 204
    assert (await box.http("GET", "/envs")).json() == {"A": "3"}


@pytest.mark.parametrize(("body", "status"), [(b"{", 400), ({"envVars": 1}, 400), ({"accessToken": "other"}, 401)])
async def test_a_handover_that_does_not_fit_is_refused(box: Box, body: Any, status: int) -> None:
    assert (await box.http("POST", "/init", body)).status == status
    unknown = {"Novita-Sandbox-Id": box.id, "X-Access-Token": "wrong"}
    assert (await box.room("POST", "/init", {}, headers=unknown)).status == 401


async def test_files_are_put_together_and_removed(box: Box, envd_contract: Any) -> None:
    await box.run("printf one > 1; printf two > 2; mkdir d; echo old > d/all")
    answer = await compose(box, "1", "~/2", "1", to="d/all")
    assert answer.status == 200
    envd_contract.check("UploadedEntry", answer.json())
    assert answer.json() == {"name": "all", "type": "file", "path": "/home/user/d/all"}
    assert (await box.run("cat d/all; ls")).stdout == "onetwooned\n"


async def test_a_file_may_be_put_together_with_others_under_its_own_name(box: Box) -> None:
    await box.run("printf one > 1; printf two > 2; ln -s 1 link")
    assert (await compose(box, "1", "2", to="link")).status == 200
    assert (await box.run("cat 1; ls")).stdout.replace("\n", " ") == "onetwo1 link "


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"{", 400),
        ({"source_paths": [], "destination": "x"}, 400),
        ({"source_paths": ["1"]}, 400),
        ({"source_paths": ["1"], "destination": ""}, 400),
        ({"source_paths": ["1", "nope"], "destination": "x"}, 404),
        ({"source_paths": ["d"], "destination": "x"}, 400),
        ({"source_paths": ["1"], "destination": "d"}, 400),
        ({"source_paths": ["1"], "destination": "x", "username": "nobody"}, 401),
        ({"source_paths": ["~other/1"], "destination": "x"}, 400),
    ],
)
async def test_what_cannot_be_put_together_is_refused_and_nothing_is_lost(
    box: Box, envd_contract: Any, body: Any, status: int
) -> None:
    await box.run("printf one > 1; mkdir d")
    answer = await box.http("POST", "/files/compose", body)
    assert answer.status == status
    envd_contract.check("EnvdError", answer.json())
    assert (await box.run("cat 1; ls")).stdout == "one1\nd\n"
