from __future__ import annotations

import asyncio
import os
import re
import signal
import subprocess
import sys
import warnings
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest
from sandbox_room import BUBBLEWRAP, KEY, Box, Ended, Room, finish, processes

from novita_async.errors import ConnectionLost
from novita_async.runtime.clock import SystemClock
from novita_async.simulator.sandbox import IsolationWarning, Sandboxes
from novita_async.testing.clock import JumpClock

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator


async def test_what_create_get_and_list_answer_is_what_the_contract_says(room: Room, contract: Any) -> None:
    box = await room.create(metadata={"team": "x"}, envVars={"A": "1"})
    contract.check("Sandbox", box.made)
    assert box.made["envdVersion"] == "0.5.7"
    detail = (await room("GET", f"/sandboxes/{box.id}")).json()
    contract.check("SandboxDetail", detail)
    assert detail["envdAccessToken"] == box.made["envdAccessToken"]
    assert (detail["startedAt"], detail["endAt"]) == ("2025-10-09T08:53:20.000Z", "2025-10-09T08:58:20.000Z")
    for path in ("/sandboxes", "/v2/sandboxes"):
        (listed,) = (await room("GET", path)).json()
        contract.check("ListedSandbox", listed)
        assert listed["metadata"] == {"team": "x"}


async def test_every_sandbox_has_an_id_and_a_token_of_its_own(room: Room) -> None:
    boxes = [await room.create() for _ in range(3)]
    assert len({box.id for box in boxes} | {box.made["envdAccessToken"] for box in boxes}) == 6


@pytest.mark.parametrize("headers", [{}, {"X-API-KEY": "nvta_other"}, {"X-API-KEY": "ключ"}])
async def test_a_wrong_or_missing_key_is_refused_by_every_route(
    room: Room, contract: Any, headers: dict[str, str]
) -> None:
    box = await room.create()
    paths = contract.document["paths"]
    assert len(paths) > 50
    for pattern, item in paths.items():
        path = re.sub(r"\{\w+\}", box.id, pattern)
        for method in _METHODS & set(item):
            answer = await room(method.upper(), path, headers=headers)
            assert answer.status == 401, (method, path)
            contract.check("HostingError" if path.startswith("/projects") else "Error", answer.json())


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"templateID": ""},
        {"templateID": "base", "timeout": -1},
        {"templateID": "base", "timeout": "soon"},
        {"templateID": "base", "metadata": {"a": 1}},
        {"templateID": "base", "autoPause": "yes"},
        {"templateID": "base", "volumeMounts": [{"name": "v"}]},
        {"templateID": "base", "network": {"allowOut": "example.com"}},
        {"templateID": "base", "secrets": {"A": 1}},
        [],
        b"{",
    ],
)
async def test_a_body_that_cannot_be_served_is_a_400(room: Room, contract: Any, body: Any) -> None:
    answer = await room("POST", "/sandboxes", body)
    assert answer.status == 400
    contract.check("Error", answer.json())


async def test_a_killed_sandbox_is_gone_for_the_control_plane_and_for_envd(room: Room, envd_contract: Any) -> None:
    box = await room.create()
    assert (await box.http("GET", "/health")).status == 204
    assert (await room("DELETE", f"/sandboxes/{box.id}")).status == 204
    for method, path in (("DELETE", ""), ("GET", ""), ("POST", "/connect"), ("POST", "/timeout")):
        assert (await room(method, f"/sandboxes/{box.id}{path}", {"timeout": 1})).status == 404
    assert (await room("GET", "/v2/sandboxes")).json() == []
    by_token = {"X-Access-Token": box.made["envdAccessToken"]}
    for headers in (box.headers, by_token, {"E2b-Sandbox-Id": box.id}):
        answer = await room("GET", "/health", headers=headers)
        assert answer.status == 502
        envd_contract.check("ProxyError", answer.json())
        assert answer.json() == {"sandboxId": box.id, "message": "The sandbox was not found", "code": 502}


async def test_a_lifetime_is_15_seconds_unless_asked_for_and_then_ends_the_sandbox(room: Room) -> None:
    short = Box(room, (await room("POST", "/sandboxes", {"templateID": "base"})).json())
    long = await room.create(timeout=100)
    await room.clock.advance(14.9)
    assert (await room("GET", f"/sandboxes/{short.id}")).status == 200
    await room.clock.advance(0.2)
    assert (await room("GET", f"/sandboxes/{short.id}")).status == 404
    assert (await room("GET", f"/sandboxes/{long.id}")).status == 200
    await room.clock.advance(85)
    assert (await room("GET", f"/sandboxes/{long.id}")).status == 404


async def test_timeout_sets_the_lifetime_and_connect_only_extends_it(room: Room, contract: Any) -> None:
    box = await room.create(timeout=100)

    async def left() -> float:
        told = (await room("GET", f"/sandboxes/{box.id}")).json()["endAt"]
        return float(told[17:23]) + 60 * (int(told[14:16]) - 53) - 20

    assert (await room("POST", f"/sandboxes/{box.id}/timeout", {"timeout": 50})).status == 204
    assert await left() == 50
    connected = await room("POST", f"/sandboxes/{box.id}/connect", {"timeout": 10})
    assert connected.status == 200
    contract.check("Sandbox", connected.json())
    assert connected.json() == box.made
    assert await left() == 50
    await room("POST", f"/sandboxes/{box.id}/connect", {"timeout": 60})
    assert await left() == 60
    await room.clock.advance(59)
    assert (await room("POST", f"/sandboxes/{box.id}/timeout", {"timeout": -1})).status == 400
    await room.clock.advance(1)
    assert (await room("POST", f"/sandboxes/{box.id}/connect", {"timeout": 60})).status == 404


async def test_lifetimes_are_cut_to_an_hour_unless_long_running(room: Room) -> None:
    short, long = await room.create(timeout=9999), await room.create(timeout=9999, metadata={"long_running": "true"})
    await room.clock.advance(3601)
    listed = (await room("GET", "/v2/sandboxes")).json()
    assert [one["sandboxID"] for one in listed] == [long.id]
    assert short.id != long.id


async def test_lists_are_paged_the_newest_first(room: Room) -> None:
    boxes = [await room.create() for _ in range(5)]
    seen: list[list[str]] = []
    token: str | None = ""
    while token is not None:
        answer = await room("GET", f"/v2/sandboxes?limit=2&nextToken={quote(token)}")
        seen.append([one["sandboxID"] for one in answer.json()])
        token = answer.headers.get("X-Next-Token")
        if len(seen) == 1:  # what the cursor points at may be gone by the next page
            await room("DELETE", f"/sandboxes/{seen[0][-1]}")
    ids = [box.id for box in reversed(boxes)]
    assert seen == [ids[:2], ids[2:4], ids[4:]]


async def test_lists_are_filtered_by_state_and_by_metadata_in_its_triple_encoding(room: Room) -> None:
    odd = await room.create(metadata={"a b": "c&d", "x": "1"})
    await room.create(metadata={"a b": "c"})
    for path in ("/sandboxes", "/v2/sandboxes"):
        for query in ("metadata=a%252520b%3Dc%252526d", "metadata=a%252520b%3Dc%252526d%26x%3D1"):
            (found,) = (await room("GET", f"{path}?{query}")).json()
            assert found["sandboxID"] == odd.id
        assert (await room("GET", f"{path}?metadata=a%252520b%3Dc%252526d%26x%3D2")).json() == []
    assert len((await room("GET", "/v2/sandboxes?state=running%2Cpaused")).json()) == 2
    assert (await room("GET", "/v2/sandboxes?state=paused")).json() == []


@pytest.mark.parametrize("query", ["state=asleep", "limit=0", "limit=101", "limit=x", "nextToken=%21"])
async def test_a_list_query_that_means_nothing_is_a_400(room: Room, query: str) -> None:
    assert (await room("GET", f"/v2/sandboxes?{query}")).status == 400


# ------------------------------------------------------------------------------------------- envd's door


async def test_a_sandbox_is_found_by_header_by_host_and_by_its_token_alone(room: Room) -> None:
    boxes = [await room.create(envVars={"N": str(number)}) for number in range(2)]
    for number, box in enumerate(boxes):
        token = {"X-Access-Token": box.made["envdAccessToken"]}
        for url, headers in (
            ("/envs", {"Novita-Sandbox-Id": box.id, **token}),
            ("/envs", {"E2b-Sandbox-Id": box.id, **token}),
            (f"https://49983-{box.id}.us-phx-1.sandbox.novita.ai/envs", token),
            ("/envs", token),
        ):
            answer = await room("GET", url, headers=headers)
            assert (answer.status, answer.json()) == (200, {"N": str(number)})
            assert answer.headers["cache-control"] == "no-store"


async def test_a_wrong_token_is_a_401_everywhere_but_at_health(room: Room, envd_contract: Any) -> None:
    box, other = await room.create(), await room.create()
    for token in ("", "wrong", other.made["envdAccessToken"]):
        box.headers["X-Access-Token"] = token
        for answer in (
            await box.http("GET", "/envs"),
            await box.http("GET", "/files?path=a"),
            await box.http("POST", "/files?path=a"),
            await box.unary("process.Process/List", {}),
            await box.files("Stat", path="a"),
        ):
            assert answer.status == 401
            envd_contract.check("EnvdError", answer.json())
        assert (await box.http("GET", "/health")).status == 204
    assert (await room("GET", "/envs", headers={"X-Access-Token": "wrong"})).status == 401


async def test_a_sandbox_that_is_not_secure_is_open_and_has_no_token(room: Room) -> None:
    box = await room.create(secure=False)
    assert "envdAccessToken" not in box.made
    del box.headers["X-Access-Token"]
    assert (await box.run("echo open")).stdout == "open\n"
    assert (await box.http("GET", "/files?path=.bashrc")).status == 404


async def test_a_request_that_names_no_sandbox_is_answered_by_the_proxy(room: Room) -> None:
    await room.create()
    answer = await room("GET", "/envs", headers={})
    assert (answer.status, answer.json()["sandboxId"]) == (502, "")


# --------------------------------------------------------------------------------- nothing is left over


only_isolated = pytest.mark.parametrize("room", [BUBBLEWRAP], indirect=True)

_METHODS = {"get", "post", "put", "patch", "delete"}

ESCAPE = "setsid bash -c 'trap \"\" HUP TERM; exec -a {0} sleep 300' >/dev/null 2>&1 & exec -a {0} sleep 300"


async def _running(box: Box, marker: str) -> AsyncGenerator[dict[str, Any], None]:
    """Start a command that has also left a process of its own session behind."""
    events = box.start(ESCAPE.format(marker))
    assert "start" in await anext(events)
    while len(processes(marker)) < 2:  # both execs have happened
        await room_turn()
    return events


async def room_turn() -> None:
    await SystemClock().sleep(0.005)


@pytest.mark.parametrize("how", ["kill", "lifetime", "close"])
async def test_no_process_and_no_file_outlives_its_sandbox(room: Room, how: str) -> None:
    box = await room.create(timeout=100)
    marker = f"novita-test-{box.id}"
    events = await _running(box, marker)
    if how == "kill":
        assert (await room("DELETE", f"/sandboxes/{box.id}")).status == 204
    elif how == "lifetime":
        await room.clock.advance(100)
    else:
        await room.sandboxes.aclose()
    with pytest.raises(ConnectionLost):
        await finish(events)
    await room.sandboxes.aclose()
    assert processes(marker) == []
    await room_turn()
    assert repr(room.sandboxes) == "<Sandboxes running=0 ending=0>"


async def test_a_kill_whose_caller_goes_away_is_carried_out(room: Room) -> None:
    box = await room.create()
    marker = f"novita-test-{box.id}"
    events = await _running(box, marker)
    killing = asyncio.ensure_future(room("DELETE", f"/sandboxes/{box.id}"))
    await asyncio.sleep(0)
    killing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await killing
    assert processes(marker) == []
    with pytest.raises(ConnectionLost):
        await finish(events)


@pytest.mark.parametrize("turns", range(12))
async def test_a_create_whose_caller_goes_away_leaves_nothing(room: Room, tmp_path: Path, turns: int) -> None:
    creating = asyncio.ensure_future(room("POST", "/sandboxes", {"templateID": "base"}))
    for _ in range(turns):
        await asyncio.sleep(0 if turns % 2 else 0.001)
    creating.cancel()
    with suppress(asyncio.CancelledError):
        await creating
    made = len((await room("GET", "/v2/sandboxes")).json())
    await room.sandboxes.aclose()
    assert made <= 1
    assert list((tmp_path / "sandboxes").iterdir()) == []


@pytest.mark.parametrize("turns", range(12))
async def test_a_start_whose_caller_goes_away_leaves_a_command_that_ends_with_its_sandbox(
    room: Room, turns: int
) -> None:
    box = await room.create()
    marker = f"novita-test-{box.id}"
    starting = asyncio.ensure_future(finish(box.start(f"exec -a {marker} sleep 300")))
    for _ in range(turns):
        await asyncio.sleep(0 if turns % 2 else 0.001)
    starting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await starting
    await room.sandboxes.aclose()
    assert processes(marker) == []


async def test_a_closed_room_takes_no_new_sandbox_and_closes_twice(room: Room) -> None:
    await room.create()
    await room.sandboxes.aclose()
    await room.sandboxes.aclose()
    assert (await room("POST", "/sandboxes", {"templateID": "base"})).status == 503


async def test_nothing_is_touched_before_the_first_sandbox_and_nothing_left_after_the_last(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    sandboxes = Sandboxes(clock=JumpClock(), api_key=KEY)
    room = Room(sandboxes, JumpClock(), isolated=False)
    assert (await room("GET", "/v2/sandboxes")).json() == []
    await sandboxes.aclose()
    assert list(tmp_path.iterdir()) == []

    sandboxes = Sandboxes(clock=JumpClock(), api_key=KEY)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", IsolationWarning)
        await Room(sandboxes, JumpClock(), isolated=False).create()
    assert len(list(tmp_path.iterdir())) == 1
    await sandboxes.aclose()
    assert list(tmp_path.iterdir()) == []


_VICTIM = """
import asyncio, sys
sys.path.insert(0, sys.argv[1])
from pathlib import Path
from sandbox_room import Room, KEY
from novita_async.simulator.sandbox import Sandboxes
from novita_async.testing.clock import JumpClock

async def main():
    clock = JumpClock()
    room = Room(Sandboxes(clock=clock, api_key=KEY, root=Path(sys.argv[2])), clock, isolated=True)
    box = await room.create()
    async for event in box.start("exec -a " + sys.argv[3] + " sleep 300"):
        print(event, flush=True)

asyncio.run(main())
"""


@pytest.mark.blocks
@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a process that its parent died")
async def test_a_command_dies_with_a_simulator_that_is_killed(room: Room, tmp_path: Path) -> None:
    marker = f"novita-victim-{os.getpid()}-{room.isolated}"
    (tmp_path / "victim").mkdir()
    args = [sys.executable, "-W", "ignore", "-c", _VICTIM, str(Path(__file__).parent), str(tmp_path / "victim"), marker]
    with subprocess.Popen(args, stdout=subprocess.PIPE) as victim:
        assert victim.stdout is not None
        victim.stdout.readline()
        while len(processes(marker)) < 2:  # the simulator itself has it among its arguments
            await room_turn()
        victim.send_signal(signal.SIGKILL)
    for _ in range(400):
        if not processes(marker):
            break
        await room_turn()
    assert processes(marker) == []


# ------------------------------------------------------------------------------------------- isolation


async def test_a_machine_without_namespaces_gets_one_warning_that_says_why(
    broken_bubblewrap: None, tmp_path: Path
) -> None:
    sandboxes = Sandboxes(clock=JumpClock(), api_key=KEY, root=tmp_path)
    room = Room(sandboxes, JumpClock(), isolated=False)
    with pytest.warns(IsolationWarning, match="No permissions to create new namespace"):
        await room.create()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        await room.create()
    await sandboxes.aclose()


async def test_isolation_can_be_required(broken_bubblewrap: None, tmp_path: Path, contract: Any) -> None:
    sandboxes = Sandboxes(clock=JumpClock(), api_key=KEY, root=tmp_path / "none", require_isolation=True)
    room = Room(sandboxes, JumpClock(), isolated=False)
    for _ in range(2):
        answer = await room("POST", "/sandboxes", {"templateID": "base"})
        assert answer.status == 500
        contract.check("Error", answer.json())
        assert "No permissions to create new namespace" in answer.json()["message"]
    await sandboxes.aclose()


@only_isolated  # as a plain process it would be done to this machine
async def test_a_namespace_hides_this_machine(room: Room, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("secret")
    box = await room.create(allow_internet_access=False)
    seen = await box.run(
        f"""cat {secret}; ls /boot /srv; cat /etc/shadow; touch /usr/x /etc/x
        mv /usr /usr2; mv /etc /etc2; rm -rf /proc; umount /usr
        echo; ls /proc | grep -c '^[0-9]'; cut -d: -f1 /proc/net/dev | tail -n +3; id -un; hostname; pwd"""
    )
    number, *rest = seen.stdout.split()
    assert int(number) <= 4  # the namespace's first process, the shell, and what counts
    assert rest == ["lo", "user", "sandbox", "/home/user"]
    assert "secret" not in seen.stdout
    kept = await box.run("ls -d /usr /etc /proc")
    assert kept.stdout.split() == ["/etc", "/proc", "/usr"]


@only_isolated
async def test_variables_of_a_request_are_not_read_by_what_builds_the_namespace(box: Box) -> None:
    done = await box.run("echo $LD_LIBRARY_PATH", envs={"LD_PRELOAD": "/nowhere.so", "LD_LIBRARY_PATH": "/x"})
    assert done.stdout == "/x\n"
    assert "bwrap" not in done.stderr


async def test_a_stream_of_a_sandbox_that_ended_meanwhile_breaks_off(room: Room) -> None:
    box = await room.create()
    events = box.start("cat", stdin=True)
    await anext(events)
    await room("DELETE", f"/sandboxes/{box.id}")
    with pytest.raises(ConnectionLost):
        await anext(events)
    with pytest.raises((AssertionError, Ended)):
        await box.run("true")
