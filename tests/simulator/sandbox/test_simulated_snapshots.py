"""Copies of sandboxes: snapshots, clones; and what a reset leaves."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING
from urllib.parse import quote

import pytest
from sandbox_room import Box, processes

from novita_async.runtime.clock import SystemClock

if TYPE_CHECKING:
    from sandbox_room import Judged, Room

anywhere = pytest.mark.parametrize("room", ["any"], indirect=True)


async def _fill(box: Box) -> None:
    await box.run(
        "echo one > a; mkdir -p d/e; echo two > d/e/b; ln -s a link; chmod 600 a; mkdir closed; chmod 0 closed"
    )


async def _check(box: Box) -> None:
    seen = await box.run("cat a d/e/b; readlink link; stat -c %a a closed")
    assert seen.stdout.split() == ["one", "two", "a", "600", "0"]


async def test_a_snapshot_is_a_template_and_outlives_its_sandbox(judged: Judged) -> None:
    box = await judged.room.create(envVars={"A": "1"})
    await _fill(box)
    made = await judged("POST", f"/sandboxes/{box.id}/snapshots", {}, status=201)
    await box.run("echo changed > a")
    await judged("DELETE", f"/sandboxes/{box.id}", status=204)
    for template in (made["snapshotID"], made["snapshotID"].partition(":")[0]):
        again = await judged.room.create(templateID=template)
        assert again.made["templateID"] == made["snapshotID"]
        await _check(again)
        assert (await again.run("echo -$A-")).stdout == "--\n"
        await again.run("echo changed > a")


@anywhere
async def test_snapshots_are_listed_by_sandbox_and_in_pages_and_deleted(judged: Judged) -> None:
    box, other = await judged.room.create(), await judged.room.create()
    made = [await judged("POST", f"/sandboxes/{box.id}/snapshots", {"name": f"n{n}"}, status=201) for n in range(3)]
    last = await judged("POST", f"/sandboxes/{other.id}/snapshots", {}, status=201)
    assert made[0]["names"] == ["n0"]
    assert await judged("GET", "/snapshots") == [last, *made[::-1]]
    assert await judged("GET", f"/snapshots?sandboxID={box.id}") == made[::-1]
    first = await judged.room("GET", f"/snapshots?sandboxID={box.id}&limit=2")
    assert first.json() == made[:0:-1]
    token = quote(first.headers["X-Next-Token"])
    assert await judged("GET", f"/snapshots?sandboxID={box.id}&limit=2&nextToken={token}") == made[:1]
    assert (await judged.room.create(templateID="n1")).made["templateID"] == made[1]["snapshotID"]
    assert await judged.room.sandboxes.snapshots.remove(made[1]["snapshotID"]) is True
    assert await judged.room.sandboxes.snapshots.remove(made[1]["snapshotID"]) is False
    await judged("POST", "/sandboxes", {"templateID": "n1"}, status=404)
    await judged("POST", f"/sandboxes/{box.id}x/snapshots", {}, status=404)


@anywhere
async def test_a_snapshot_of_a_paused_sandbox_leaves_it_paused(judged: Judged, box: Box) -> None:
    await _fill(box)
    await judged("POST", f"/sandboxes/{box.id}/pause", status=204)
    made = await judged("POST", f"/sandboxes/{box.id}/snapshots", {}, status=201)
    assert (await judged("GET", f"/sandboxes/{box.id}"))["state"] == "paused"
    await _check(await judged.room.create(templateID=made["snapshotID"]))


@anywhere
async def test_clones_have_the_files_of_their_own_and_their_parents_settings(judged: Judged) -> None:
    box = await judged.room.create(timeout=100, metadata={"team": "x"}, envVars={"A": "1"}, autoPause=True)
    await _fill(box)
    events = box.start("cat", stdin=True)
    await anext(events)
    await judged.room.clock.advance(40)
    told = await judged("POST", f"/sandboxes/{box.id}/clone", {"count": 2, "strict": False})
    clones = [Box(judged.room, made) for made in told["sandboxes"]]
    assert len({box.id, *(clone.id for clone in clones)}) == 3
    for clone in clones:
        await _check(clone)
        assert (await clone.run("echo $A; echo mine > a")).stdout == "1\n"
        detail = await judged("GET", f"/sandboxes/{clone.id}")
        assert (detail["metadata"], detail["templateID"]) == ({"team": "x"}, "base")
        assert detail["lifecycle"]["onTimeout"] == "pause"
        assert detail["endAt"] == "2025-10-09T08:55:00.000Z"  # with its parent
    await _check(box)
    await events.aclose()
    (short,) = (await judged("POST", f"/sandboxes/{box.id}/clone", {"count": 1, "strict": True, "timeout": 5}))[
        "sandboxes"
    ]
    await judged.room.clock.advance(5)
    assert (await judged("GET", f"/sandboxes/{short['sandboxID']}"))["state"] == "paused"


@anywhere
async def test_the_clone_of_a_paused_sandbox_runs_for_five_minutes(judged: Judged, box: Box) -> None:
    await judged("POST", f"/sandboxes/{box.id}/pause", status=204)
    (made,) = (await judged("POST", f"/sandboxes/{box.id}/clone", {"count": 1, "strict": False}))["sandboxes"]
    detail = await judged("GET", f"/sandboxes/{made['sandboxID']}")
    assert (detail["state"], detail["endAt"]) == ("running", "2025-10-09T08:58:20.000Z")
    assert (await judged("GET", f"/sandboxes/{box.id}"))["state"] == "paused"


@anywhere
async def test_a_clone_beyond_the_quota_is_all_or_nothing_only_with_strict(judged: Judged, box: Box) -> None:
    judged.room.sandboxes.concurrent = 3
    await judged("POST", f"/sandboxes/{box.id}/clone", {"count": 3, "strict": True}, status=429)
    assert len(await judged("GET", "/v2/sandboxes")) == 1
    made = await judged("POST", f"/sandboxes/{box.id}/clone", {"count": 3, "strict": False})
    assert len(made["sandboxes"]) == 2
    await judged("POST", f"/sandboxes/{box.id}/clone", {"count": 1, "strict": False}, status=429)
    await judged("POST", f"/sandboxes/{box.id}/clone", {"count": 0, "strict": False}, status=400)


@anywhere
async def test_a_mounted_volume_stays_with_its_sandbox_when_that_is_copied(judged: Judged) -> None:
    await judged("POST", "/volumes", {"name": "data"}, status=201)
    box = await judged.room.create(volumeMounts=[{"name": "data", "path": "/home/user/data"}])
    await box.run("echo x > data/x")
    (made,) = (await judged("POST", f"/sandboxes/{box.id}/clone", {"count": 1, "strict": True}))["sandboxes"]
    assert (await box.run("ls data")).stdout == "x\n"
    assert (await Box(judged.room, made).run("ls -d data; ls data")).stdout == "data\n"
    assert "volumeMounts" not in await judged("GET", f"/sandboxes/{made['sandboxID']}")


@pytest.mark.blocks
@pytest.mark.parametrize(("state", "resume"), [("running", True), ("paused", False)])
async def test_a_reset_ends_the_processes_and_keeps_the_files(judged: Judged, state: str, resume: bool) -> None:
    box = await judged.room.create()
    await _fill(box)
    marker = f"novita-reset-{box.id}"
    events = box.start(f"exec -a {marker} sleep 300")
    await anext(events)
    while not processes(marker):
        await SystemClock().sleep(0.005)
    if state == "paused":
        await judged("POST", f"/sandboxes/{box.id}/pause", status=204)
    told = await judged("POST", f"/sandboxes/{box.id}/reset", {"resume": resume, "allowPublicTraffic": False})
    assert len(told["trafficAccessToken"]) == 64
    assert processes(marker) == []
    assert (await judged("GET", f"/sandboxes/{box.id}"))["state"] == ("running" if resume else "paused")
    if not resume:
        await judged("POST", f"/sandboxes/{box.id}/connect", {"timeout": 60}, status=201)
    await _check(box)
    await events.aclose()


@anywhere
async def test_a_sandbox_that_is_killed_while_it_is_copied_leaves_nothing(room: Room, box: Box) -> None:
    await _fill(box)
    copying = asyncio.ensure_future(room("POST", f"/sandboxes/{box.id}/clone", {"count": 2, "strict": True}))
    await asyncio.sleep(0.002)
    killed, cloned = await asyncio.gather(room("DELETE", f"/sandboxes/{box.id}"), copying)
    assert killed.status == 204
    assert cloned.status in (200, 404)
