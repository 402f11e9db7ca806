"""Sandboxes that are paused, resumed, idle."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING

import pytest
from sandbox_room import Ended, finish, processes

from novita_async.errors import ConnectionLost
from novita_async.runtime.clock import SystemClock

if TYPE_CHECKING:
    from sandbox_room import Box, Judged, Room

LOOP = "exec -a {0} bash -c 'while :; do echo >> ticks; sleep 0.02; done' {0}"

anywhere = pytest.mark.parametrize("room", ["any"], indirect=True)


async def _state(judged: Judged, box: Box) -> str:
    state: str = (await judged("GET", f"/sandboxes/{box.id}"))["state"]
    return state


async def _size(room: Room, box: Box) -> int:
    machine = room.sandboxes.life(box.id)
    assert machine is not None
    path = machine.machine.tree.root / "home/user/ticks"
    return path.stat().st_size if path.exists() else 0


def _stopped(marker: str) -> set[str]:
    """The states of all processes of this machine that have the marker among their arguments."""
    return {Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] for pid in processes(marker)}


@pytest.mark.blocks
async def test_pause_stops_the_processes_and_connect_continues_them(judged: Judged, box: Box) -> None:
    marker = f"novita-sleep-{box.id}"
    events = box.start(LOOP.format(marker))
    pid = (await anext(events))["start"]["pid"]
    while not await _size(judged.room, box):
        await SystemClock().sleep(0.005)
    await judged("POST", f"/sandboxes/{box.id}/pause", status=204)
    with pytest.raises(ConnectionLost):  # connections drop
        await finish(events)
    assert await _state(judged, box) == "paused"
    assert _stopped(marker) == {"T"}
    size = await _size(judged.room, box)
    await SystemClock().sleep(0.06)
    assert await _size(judged.room, box) == size

    connected = await judged("POST", f"/sandboxes/{box.id}/connect", {"timeout": 300}, status=201)
    assert connected == box.made
    assert await _state(judged, box) == "running"
    while await _size(judged.room, box) == size:
        await SystemClock().sleep(0.005)
    async with aclosing(box.stream("Connect", {"process": {"pid": pid}})) as again:
        assert "start" in await anext(again)
        await box.unary("process.Process/SendSignal", {"process": {"pid": pid}, "signal": "SIGNAL_SIGKILL"})


@anywhere
async def test_a_paused_sandbox_cannot_be_reached_and_is_listed_as_such(judged: Judged, box: Box) -> None:
    running = await judged.room.create()
    await judged("POST", f"/sandboxes/{box.id}/pause", status=204)
    assert (await box.http("GET", "/health")).status == 502
    with pytest.raises((AssertionError, Ended)):
        await box.run("true")
    for query, ids in (
        ("", [running.id, box.id]), ("?state=paused", [box.id]), ("?state=running", [running.id]),
        ("?state=running%2Cpaused", [running.id, box.id]), ("?state=cloning", []),
    ):  # fmt: skip
        assert [one["sandboxID"] for one in await judged("GET", f"/v2/sandboxes{query}")] == ids
    assert [one["sandboxID"] for one in await judged("GET", "/sandboxes")] == [running.id]


@anywhere
async def test_a_paused_sandbox_stays_until_it_is_resumed_or_killed(judged: Judged, box: Box) -> None:
    url = f"/sandboxes/{box.id}"
    await judged("POST", f"{url}/pause", status=204)
    await judged("POST", f"{url}/pause", status=409)
    await judged("POST", f"{url}/timeout", {"timeout": 10}, status=404)
    await judged("POST", f"{url}/refreshes", {"duration": 10}, status=404)
    await judged("PUT", f"{url}/network", {}, status=409)
    await judged.room.clock.advance(40 * 86400)
    assert await _state(judged, box) == "paused"
    await judged("POST", f"{url}/resume", {"timeout": 60, "autoPause": True}, status=201)
    await judged("POST", f"{url}/resume", {"timeout": 60}, status=409)
    await judged.room.clock.advance(60)
    assert await _state(judged, box) == "paused"
    await judged("DELETE", url, status=204)
    for name in ("pause", "resume", "connect"):
        await judged("POST", f"{url}/{name}", {"timeout": 1}, status=404)


@anywhere
async def test_auto_pause_comes_at_the_end_of_the_lifetime(judged: Judged) -> None:
    box = await judged.room.create(timeout=100, autoPause=True)
    assert (await judged("GET", f"/sandboxes/{box.id}"))["lifecycle"] == {"autoResume": False, "onTimeout": "pause"}
    await box.run("echo kept > a")
    await judged.room.clock.advance(100)
    assert await _state(judged, box) == "paused"
    await judged("POST", f"/sandboxes/{box.id}/connect", {"timeout": 10}, status=201)
    assert (await box.run("cat a")).stdout == "kept\n"
    await judged.room.clock.advance(10)
    assert await _state(judged, box) == "paused"


@anywhere
@pytest.mark.parametrize("auto_pause", [True, False])
async def test_a_request_resumes_only_what_may_be_resumed(judged: Judged, auto_pause: bool) -> None:
    box = await judged.room.create(timeout=50, autoPause=auto_pause, autoResume={"enabled": True})
    detail = await judged("GET", f"/sandboxes/{box.id}")
    assert detail["lifecycle"]["autoResume"] is auto_pause
    await judged("POST", f"/sandboxes/{box.id}/pause", status=204)
    if not auto_pause:  # what is killed at its end ignores auto-resume
        assert (await box.http("GET", "/health")).status == 502
        return
    assert (await box.run("echo awake")).stdout == "awake\n"
    await judged.room.clock.advance(50)
    assert await _state(judged, box) == "paused"
    by_host = f"https://49983-{box.id}.us-phx-1.sandbox.novita.ai/envs"
    token = {"X-Access-Token": box.made["envdAccessToken"]}
    assert (await judged.room("GET", by_host, headers=token)).status == 200
    assert await _state(judged, box) == "running"


@anywhere
async def test_an_idle_sandbox_ends_and_one_with_an_open_request_does_not(judged: Judged) -> None:
    clock = judged.room.clock
    idle = await judged.room.create(timeout=1000, metadata={"idle_timeout": "60"})
    sleepy = await judged.room.create(timeout=1000, metadata={"idle_timeout": "60"}, autoPause=True)
    never = await judged.room.create(timeout=1000, metadata={"idle_timeout": "0"})
    await clock.advance(50)
    await idle.http("GET", "/health")
    await clock.advance(50)
    assert await _state(judged, idle) == "running"
    assert await _state(judged, sleepy) == "paused"
    events = idle.start("cat", stdin=True)
    await anext(events)
    await clock.advance(200)
    assert await _state(judged, idle) == "running"
    await events.aclose()
    told = await judged("GET", f"/sandboxes/{idle.id}")
    assert told["endAt"] == "2025-10-09T08:59:20.000Z"  # in 60 s
    await clock.advance(60)
    await judged("GET", f"/sandboxes/{idle.id}", status=404)
    assert await _state(judged, never) == "running"


@anywhere
async def test_an_open_request_does_not_outlast_the_lifetime(judged: Judged) -> None:
    box = await judged.room.create(timeout=100, metadata={"idle_timeout": "60"})
    events = box.start("cat", stdin=True)
    await anext(events)
    await judged.room.clock.advance(100)
    with pytest.raises(ConnectionLost):
        await finish(events)
    await judged("GET", f"/sandboxes/{box.id}", status=404)


@anywhere
async def test_refresh_only_extends(judged: Judged) -> None:
    box = await judged.room.create(timeout=100)
    url = f"/sandboxes/{box.id}"
    await judged("POST", f"{url}/refreshes", {"duration": 10}, status=204)
    assert (await judged("GET", url))["endAt"] == "2025-10-09T08:55:00.000Z"
    await judged("POST", f"{url}/refreshes", {"duration": 200}, status=204)
    await judged("POST", f"{url}/refreshes", status=204)
    assert (await judged("GET", url))["endAt"] == "2025-10-09T08:56:40.000Z"
    assert (await judged.room("POST", f"{url}/refreshes", {"duration": 3601})).status == 400


@anywhere
async def test_kills_pauses_and_resumes_at_once_leave_one_end(judged: Judged) -> None:
    box = await judged.room.create()
    url = f"/sandboxes/{box.id}"
    answers = await asyncio.gather(
        *(
            judged.room("POST", f"{url}/{name}", {"timeout": 60})
            for name in ("pause", "connect", "pause", "connect") * 3
        )
    )
    assert {answer.status for answer in answers} <= {200, 201, 204, 409}
    assert answers[0].status == 204
    await judged("POST", f"{url}/connect", {"timeout": 60}, status=200)
    assert (await box.run("echo alive")).stdout == "alive\n"
    ends = await asyncio.gather(judged.room("DELETE", url), judged.room("POST", f"{url}/pause"))
    assert {answer.status for answer in ends} <= {204, 404}
    await judged("GET", url, status=404)


@anywhere
async def test_public_traffic_is_closed_by_a_token(judged: Judged) -> None:
    box = await judged.room.create(network={"allowPublicTraffic": False, "denyOut": ["10.0.0.0/8"]})
    assert len(box.made["trafficAccessToken"]) == 64
    detail = await judged("GET", f"/sandboxes/{box.id}")
    assert detail["network"] == {"allowPublicTraffic": False, "denyOut": ["10.0.0.0/8"]}
    opened = await judged("POST", f"/sandboxes/{box.id}/connect", {"timeout": 1, "allowPublicTraffic": True})
    assert "trafficAccessToken" not in opened
    await judged("PUT", f"/sandboxes/{box.id}/network", {"allowOut": ["*.example.com"]}, status=204)
    detail = await judged("GET", f"/sandboxes/{box.id}")
    assert detail["network"] == {"allowPublicTraffic": True, "allowOut": ["*.example.com"]}
    wrong = {"templateID": "base", "secure": False, "network": {"allowPublicTraffic": False}}
    await judged("POST", "/sandboxes", wrong, status=400)


@anywhere
async def test_a_network_that_denies_everything_is_no_internet_access(judged: Judged) -> None:
    box = await judged.room.create(network={"denyOut": ["0.0.0.0/0"]})
    assert (await judged("GET", f"/sandboxes/{box.id}"))["allowInternetAccess"] is False


@anywhere
async def test_an_unknown_template_is_a_404(judged: Judged, room: Room) -> None:
    await judged("POST", "/sandboxes", {"templateID": "no-such-template"}, status=404)
    for name in ("base", "code-interpreter-v1", "desktop", "mcp-gateway", "base:default"):
        assert (await room.create(templateID=name)).made["templateID"] == name


@anywhere
async def test_memory_is_added_and_taken_back(judged: Judged, box: Box) -> None:
    url = f"/sandboxes/{box.id}"
    for size, memory in ((512, 1536), (1024, 2560), (0, 1024)):
        await judged("POST", f"{url}/hotplug-memory", {"requested_size_mib": size}, status=204)
        assert (await judged("GET", url))["memoryMB"] == memory
    for wrong in (9000, -1, "x"):
        await judged("POST", f"{url}/hotplug-memory", {"requested_size_mib": wrong}, status=400)
    await judged("POST", f"{url}/commit", {"alias": "x"}, status=409)


class _Model:
    """What a sandbox's life is to be, by contract/sandbox.md 9."""

    def __init__(self, seconds: int, *, pauses: bool) -> None:
        self.state = "running"
        self.left = float(seconds)
        self.pauses = pauses

    def pass_by(self, seconds: float) -> None:
        if self.state == "running":
            self.left -= seconds
            if self.left <= 0:
                self.state = "paused" if self.pauses else "gone"

    def do(self, name: str, seconds: int) -> int:
        """Return the status of an operation, and live on."""
        if self.state == "gone":
            return 404
        match name, self.state:
            case ("pause", "paused") | ("resume", "running"):
                return 409
            case "timeout" | "refreshes", "paused":
                return 404
            case "pause", _:
                self.state = "paused"
            case "kill", _:
                self.state = "gone"
            case ("connect" | "resume", "paused"):
                self.state, self.left = "running", seconds
                return 201
            case "timeout", _:
                self.left = seconds
            case _:
                self.left = max(self.left, seconds)
                return 200 if name == "connect" else 204
        return 204


@anywhere
@pytest.mark.parametrize("seed", range(4))
async def test_whatever_is_done_to_it_a_sandbox_lives_as_the_contract_says(judged: Judged, seed: int) -> None:
    chance = Random(seed)
    pauses = bool(seed % 2)
    box, model = await judged.room.create(timeout=100, autoPause=pauses), _Model(100, pauses=pauses)
    url = f"/sandboxes/{box.id}"
    names = ["pause", "connect", "resume", "timeout", "refreshes"] * 4 + ["kill"]
    for _ in range(40):
        name, seconds = chance.choice(names), chance.randrange(1, 200)
        body = {"duration": seconds} if name == "refreshes" else {"timeout": seconds}
        call = ("DELETE", url) if name == "kill" else ("POST", f"{url}/{name}", None if name == "pause" else body)
        await judged(*call, status=model.do(name, seconds))
        passing = chance.choice([0, 10, seconds, 150])
        await judged.room.clock.advance(passing)
        model.pass_by(passing)
        told = await judged("GET", url, status=404 if model.state == "gone" else 200)
        assert told.get("state", "gone") == model.state
