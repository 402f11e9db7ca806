"""What is told of sandboxes beside themselves: events, logs, metrics, quota, teams."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import pytest

from novita_async.simulator import Simulator
from novita_async.simulator.sandbox import IsolationWarning
from novita_async.transport.protocol import Request

if TYPE_CHECKING:
    from sandbox_room import Judged

anywhere = pytest.mark.parametrize("room", ["any"], indirect=True)

NOW = 1_760_000_000


def _names(told: dict[str, Any]) -> list[str]:
    return [event["eventName"] for event in told["items"]]


@anywhere
async def test_the_timeline_has_every_operation_the_newest_first(judged: Judged) -> None:
    box = await judged.room.create(timeout=100)
    url = f"/sandboxes/{box.id}"
    for name, body, status in (
        ("timeout", {"timeout": 200}, 204), ("pause", None, 204), ("pause", None, 409),
        ("connect", {"timeout": 300}, 201), ("snapshots", {}, 201), ("clone", {"count": 1, "strict": True}, 200),
        ("reset", {"resume": True}, 200),
    ):  # fmt: skip
        await judged("POST", f"{url}/{name}", body, status=status)
    await judged("DELETE", url, status=204)
    told = await judged("GET", f"/sandboxes/events?limit=100&sandboxID={box.id}")
    assert _names(told) == [
        "delete", "reset", "clone", "snapshot", "connect", "resume", "pause", "pause", "timeout", "create",
    ]  # fmt: skip
    failed = told["items"][6]
    assert (failed["state"], failed["statusCode"], failed["sandboxID"]) == ("failed", 409, box.id)
    assert failed["errorMsg"] == f"Sandbox {box.id} is already paused"
    assert told["items"][-1] | {"eventID": ""} == {
        "eventID": "", "recordAt": NOW, "templateID": "base", "templateName": "base", "sandboxID": box.id,
        "eventName": "create", "state": "success", "errorMsg": "", "statusCode": 201,
    }  # fmt: skip


@anywhere
async def test_the_timeline_is_filtered_and_paged(judged: Judged) -> None:
    clock = judged.room.clock
    first = await judged.room.create(timeout=10)
    await clock.advance(20)
    second = await judged.room.create(templateID="desktop", timeout=10, autoPause=True)
    await clock.advance(20)
    for query, names in (
        ("", ["pause", "create", "delete", "create"]),
        ("?orderAsc=true", ["create", "delete", "create", "pause"]),
        (f"?sandboxID={first.id[3:]}", ["delete", "create"]),
        ("?templateID=desk", ["pause", "create"]),
        ("?events=delete,pause", ["pause", "delete"]),
        ("?state=failed", []),
        (f"?startTime={NOW + 15}", ["pause", "create"]),
        (f"?startTime={NOW}&endTime={NOW + 15}", ["delete", "create"]),
        ("?offset=1&limit=2", ["create", "delete"]),
    ):
        told = await judged("GET", f"/sandboxes/events{query}")
        assert _names(told) == names, query
        assert told["hasMore"] is (query == "?offset=1&limit=2")
    assert (await judged("GET", "/sandboxes/events?limit=1"))["total"] == 4
    for query in ("limit=101", "limit=0", "limit=x", "offset=-1", "orderAsc=maybe", "startTime=1", "startTime=9e9"):
        await judged("GET", f"/sandboxes/events?{query}", status=400)
    assert (await judged("GET", f"/sandboxes/{second.id}"))["state"] == "paused"


@anywhere
async def test_a_log_has_what_commands_wrote_and_what_became_of_the_sandbox(judged: Judged) -> None:
    box = await judged.room.create()
    await judged.room.clock.advance(10)
    await box.run("echo out; sleep 0.05; echo err >&2; exit 3")
    first = await judged("GET", f"/sandboxes/{box.id}/logs")
    lines = [entry["line"] for entry in first["logs"]]
    assert lines == ["sandbox create", "process start", "out", "err", "exit status 3"]
    assert [entry["message"] for entry in first["logEntries"]] == lines
    assert first["logEntries"][2]["fields"]["source"] == "stdout"
    since = await judged("GET", f"/sandboxes/{box.id}/logs?start={(NOW + 1) * 1000}&limit=2")
    assert [entry["line"] for entry in since["logs"]] == ["process start", "out"]
    url = f"/v2/sandboxes/{box.id}/logs"
    for query, wanted in (
        ("", lines), ("?level=info", ["sandbox create", "out", "err"]), ("?search=err", ["err"]),
        ("?direction=backward&limit=2", lines[:2:-1]), (f"?cursor={(NOW + 1) * 1000}", lines[1:]),
        (f"?direction=backward&cursor={(NOW + 1) * 1000}", lines[:1]),
    ):  # fmt: skip
        assert [entry["message"] for entry in (await judged("GET", url + query))["logs"]] == wanted, query
    for query in ("level=loud", "direction=up", f"search={'x' * 257}", "limit=1001"):
        assert (await judged.room("GET", f"{url}?{query}")).status == 400
    await judged("DELETE", f"/sandboxes/{box.id}", status=204)
    await judged("GET", url, status=404)
    await judged("GET", f"/sandboxes/{box.id}/logs", status=404)


@anywhere
async def test_metrics_are_taken_when_they_are_asked_for(judged: Judged) -> None:
    box, other = await judged.room.create(), await judged.room.create()
    await box.run("head -c 3000000 /dev/zero > big")
    (sample,) = await judged("GET", f"/sandboxes/{box.id}/metrics")
    assert (sample["cpuCount"], sample["memTotal"], sample["diskTotal"]) == (2, 2**30, 20 * 2**30)
    assert sample["diskUsed"] >= 3_000_000
    assert (sample["timestamp"], sample["timestampUnix"]) == ("2025-10-09T08:53:20.000Z", NOW)
    await judged.room.clock.advance(5)
    assert len(await judged("GET", f"/sandboxes/{box.id}/metrics")) == 2
    (later,) = await judged("GET", f"/sandboxes/{box.id}/metrics?start={NOW + 1}&end={NOW + 9}")
    assert later["timestampUnix"] == NOW + 5
    await judged("POST", f"/sandboxes/{other.id}/pause", status=204)
    many = await judged("GET", f"/sandboxes/metrics?sandbox_ids={box.id},{other.id},nobody")
    assert list(many["sandboxes"]) == [box.id]
    await judged("GET", "/sandboxes/metrics", status=400)
    await judged("GET", f"/sandboxes/{box.id}/metrics?start=2&end=1", status=400)
    await judged("GET", "/sandboxes/nobody/metrics", status=404)


@anywhere
async def test_the_quota_is_told_and_kept_to(judged: Judged) -> None:
    judged.room.sandboxes.concurrent = 2
    first, second = await judged.room.create(), await judged.room.create()
    told = await judged("GET", "/sandboxes/quota")
    assert told["usage"] == {"concurrentInstances": 2, "concurrentVcpu": 4, "concurrentRamMb": 2048}
    assert (told["limit"]["concurrentInstances"], told["limit"]["maxLengthHours"]) == (2, 4)
    refused = await judged("POST", "/sandboxes", {"templateID": "base"}, status=429)
    assert "maximum number of concurrent sandboxes (2)" in refused["message"]
    await judged("POST", f"/sandboxes/{first.id}/pause", status=204)  # what sleeps does not count
    third = await judged.room.create()
    await judged("POST", f"/sandboxes/{first.id}/connect", {"timeout": 9}, status=429)
    await judged("POST", f"/sandboxes/{first.id}/resume", {"timeout": 9}, status=429)
    await judged("DELETE", f"/sandboxes/{third.id}", status=204)
    await judged("POST", f"/sandboxes/{first.id}/connect", {"timeout": 9}, status=201)
    assert (await judged("GET", f"/sandboxes/{second.id}"))["state"] == "running"


async def test_a_simulator_can_have_room_for_few(broken_bubblewrap: None) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", IsolationWarning)
        async with Simulator(concurrent_sandboxes=1) as simulator:
            statuses: list[int] = []
            for _ in range(2):
                headers = {"X-API-KEY": simulator.api_key}
                request = Request("POST", f"{simulator.base_url}/sandboxes", headers, b'{"templateID":"base"}')
                statuses.append((await simulator.handle(request)).status)
    assert statuses == [201, 429]


@anywhere
async def test_the_team_is_told_how_many_ran_at_once(judged: Judged) -> None:
    (team,) = await judged("GET", "/teams")
    assert judged.room.sandboxes.api_key not in str(team)
    url = f"/teams/{team['teamID']}/metrics"
    for seconds in (100, 200, 300):
        await judged.room.create(timeout=seconds)
    await judged.room.clock.advance(400)
    window = f"start={NOW - 100}&end={NOW + 400}"
    samples = {each["timestampUnix"]: each for each in await judged("GET", f"{url}?{window}")}
    assert [samples[NOW + at]["concurrentSandboxes"] for at in (-5, 0, 95, 100, 250, 300)] == [0, 3, 3, 2, 1, 0]
    assert samples[NOW]["sandboxStartRate"] == 3 / 5
    peak = await judged("GET", f"{url}/max?metric=concurrent_sandboxes&{window}")
    assert (peak["value"], peak["timestampUnix"]) == (3, NOW)
    assert (await judged("GET", f"{url}/max?metric=sandbox_start_rate&{window}"))["value"] == 3
    assert (await judged("GET", f"{url}/max?metric=concurrent_sandboxes&start={NOW + 350}"))["value"] == 0
    await judged("GET", f"{url}/max?metric=height", status=400)
    await judged("GET", "/teams/other/metrics", status=403)
    bearer = {"Authorization": f"Bearer {judged.room.sandboxes.api_key}"}
    assert (await judged.room("GET", "/teams", headers=bearer)).status == 200
