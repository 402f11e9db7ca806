from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest

from novita_async.runtime.clock import SystemClock

if TYPE_CHECKING:
    from pathlib import Path

    from sandbox_room import Box, Judged, Room

anywhere = pytest.mark.parametrize("room", ["any"], indirect=True)


async def _volume(judged: Judged, name: str = "data") -> dict[str, Any]:
    made: dict[str, Any] = await judged("POST", "/volumes", {"name": name, "quotaSizeGiB": 2}, status=201)
    return made


def _mount(box: Box, path: str = "/home/user/data", name: str = "data") -> tuple[str, str, dict[str, str]]:
    return "POST", f"/sandboxes/{box.id}/volume-mounts", {"name": name, "path": path}


@anywhere
async def test_a_volume_is_made_listed_resized_and_deleted(judged: Judged) -> None:
    made = await _volume(judged)
    assert (made["quotaSizeGiB"], made["usedSizeBytes"], len(made["token"])) == (2, 0, 64)
    url = f"/volumes/{made['volumeID']}"
    assert await judged("GET", url) == made
    (listed,) = await judged("GET", "/volumes")
    assert listed == {name: value for name, value in made.items() if name != "token"}
    assert (await judged("PATCH", url, {"quotaSizeGiB": 5, "quotaInodes": 5000}))["quotaSizeGiB"] == 5
    await judged("DELETE", url, status=204)
    for method in ("GET", "PATCH", "DELETE"):
        await judged(method, url, {} if method == "PATCH" else None, status=404)


@anywhere
@pytest.mark.parametrize("name", ["data", "a b", "", "a/b", "../x"])
async def test_a_name_that_is_taken_or_none_is_refused(judged: Judged, name: str) -> None:
    await _volume(judged)
    await judged("POST", "/volumes", {"name": name}, status=400)
    await judged("POST", "/volumes", {"name": "x", "quotaSizeGiB": 0}, status=400)


async def test_files_of_a_volume_outlive_its_sandboxes(judged: Judged) -> None:
    volume = await _volume(judged)
    mount = {"name": "data", "path": "/home/user/data"}
    box = await judged.room.create(volumeMounts=[mount])
    assert (await judged("GET", f"/sandboxes/{box.id}"))["volumeMounts"] == [mount]
    assert (await box.run("cd data && echo one > a && mkdir d && echo two > d/b")).end["status"] == "exit status 0"
    assert (await box.http("GET", "/files?path=data/a")).body == b"one\n"
    assert (await judged("GET", f"/volumes/{volume['volumeID']}"))["usedSizeBytes"] == 8
    await judged("DELETE", f"/sandboxes/{box.id}", status=204)
    assert (await judged("GET", f"/volumes/{volume['volumeID']}"))["usedSizeBytes"] == 8

    again = await judged.room.create()
    told = await judged(*_mount(again, "/mnt/deep/er"))
    assert told["volumeMounts"] == [{"name": "data", "path": "/mnt/deep/er"}]
    assert (await again.http("GET", "/files?path=/mnt/deep/er/d/b")).body == b"two\n"
    await again.http("POST", "/files?path=/mnt/deep/er/c", b"three", content_type="application/octet-stream")
    told = await judged("DELETE", f"/sandboxes/{again.id}/volume-mounts?path=/mnt/deep/er&force=true")
    assert told.get("volumeMounts", []) == []
    assert (await again.http("GET", "/files?path=/mnt/deep/er/c")).status == 404

    await judged(*_mount(again, "/home/user/v"))
    assert (await again.http("GET", "/files?path=v/c")).body == b"three"


async def test_a_running_command_sees_what_is_mounted_under_it(judged: Judged, box: Box) -> None:
    await _volume(judged)
    await judged(*_mount(box))
    assert (await box.run("echo x > data/x; ls data")).stdout == "x\n"


@anywhere
async def test_a_mount_that_cannot_be_is_refused(judged: Judged, box: Box) -> None:
    await _volume(judged)
    await judged(*_mount(box, name="other"), status=404)
    await box.run("mkdir full; touch full/x file; ln -s /etc link")
    for path in ("", "relative", "/", "/usr/x", "/etc", "/home/user/full", "/home/user/file", "/home/user/link/x"):
        await judged(*_mount(box, path), status=400)
    await judged(*_mount(box))
    await judged(*_mount(box, "/mnt/b"), status=400)
    other = await judged.room.create()
    await judged(*_mount(other), status=400)
    await judged("DELETE", f"/sandboxes/{box.id}/volume-mounts?path=/nowhere", status=400)
    await judged("DELETE", f"/sandboxes/{box.id}/volume-mounts", status=400)
    gone = {"templateID": "base", "volumeMounts": [{"name": "nobody", "path": "/v"}]}
    await judged("POST", "/sandboxes", gone, status=404)
    bad = {"templateID": "base", "volumeMounts": [{"name": "data", "path": "v"}]}
    await judged("POST", "/sandboxes", bad, status=400)


@anywhere
async def test_a_create_whose_mount_fails_leaves_no_sandbox(judged: Judged) -> None:
    await _volume(judged)
    wanted = {"templateID": "base", "volumeMounts": [{"name": "data", "path": "/usr/v"}]}
    await judged("POST", "/sandboxes", wanted, status=400)
    assert await judged("GET", "/v2/sandboxes") == []
    box = await judged.room.create(volumeMounts=[{"name": "data", "path": "/home/user/v"}])
    assert (await box.run("ls -d v")).stdout == "v\n"


async def test_a_link_in_place_of_a_volume_leads_nowhere(judged: Judged, box: Box, tmp_path: Path) -> None:
    volume = await _volume(judged)
    await judged(*_mount(box))
    await box.run(f"echo mine > data/a; mv data stolen; ln -s {tmp_path} data")
    await judged("DELETE", f"/sandboxes/{box.id}/volume-mounts?path=/home/user/data")
    assert (await judged("GET", f"/volumes/{volume['volumeID']}"))["usedSizeBytes"] == 0
    assert sorted(path.name for path in tmp_path.iterdir() if path.name not in ("path", "sandboxes")) == []
    await judged(*_mount(box, "/mnt/again"))


@anywhere
async def test_a_mounted_volume_is_not_deleted(judged: Judged, box: Box) -> None:
    volume = await _volume(judged)
    url = f"/volumes/{volume['volumeID']}"
    await judged(*_mount(box))
    await box.run("echo x > data/x")
    assert (await judged.room("DELETE", url)).status == 409
    await judged("POST", f"/sandboxes/{box.id}/pause", status=204)
    assert (await judged.room("DELETE", url)).status == 409
    await judged("DELETE", f"/sandboxes/{box.id}", status=204)
    await judged("DELETE", url, status=204)


async def test_a_room_that_closes_leaves_no_volume(room: Room, judged: Judged, box: Box) -> None:
    await _volume(judged)
    await _volume(judged, "other")
    await judged(*_mount(box))
    await box.run("mkdir -p data/x/y; chmod 0 data/x")
    await room.sandboxes.aclose()


@anywhere
@pytest.mark.parametrize("turns", range(0, 12, 2))
async def test_a_create_whose_caller_goes_away_loses_no_volume(judged: Judged, turns: int) -> None:
    volume = await _volume(judged)
    mounted = await judged.room.create(volumeMounts=[{"name": "data", "path": "/home/user/data"}])
    await mounted.run("echo x > data/x")
    await judged("DELETE", f"/sandboxes/{mounted.id}", status=204)
    wanted = {"templateID": "base", "volumeMounts": [{"name": "data", "path": "/home/user/data"}]}
    creating = asyncio.ensure_future(judged.room("POST", "/sandboxes", wanted))
    await SystemClock().sleep(turns * 0.01)
    creating.cancel()
    with suppress(asyncio.CancelledError):
        await creating
    for left in await judged("GET", "/v2/sandboxes"):
        await judged("DELETE", f"/sandboxes/{left['sandboxID']}", status=204)
    while "ending=0" not in repr(judged.room.sandboxes):  # what was begun is cleared up
        await SystemClock().sleep(0.005)
    assert (await judged("GET", f"/volumes/{volume['volumeID']}"))["usedSizeBytes"] == 2


@anywhere
async def test_of_two_volumes_of_one_name_made_at_once_one_is_refused(judged: Judged) -> None:
    answers = await asyncio.gather(*(judged.room("POST", "/volumes", {"name": "data"}) for _ in range(4)))
    assert sorted(answer.status for answer in answers) == [201, 400, 400, 400]


@anywhere
async def test_volumes_are_made_while_sandboxes_that_have_others_end(judged: Judged) -> None:
    await _volume(judged)
    boxes = [await judged.room.create() for _ in range(2)]
    await judged(*_mount(boxes[0]))
    killed = (judged.room("DELETE", f"/sandboxes/{box.id}") for box in boxes)
    made = (judged.room("POST", "/volumes", {"name": f"other{number}"}) for number in range(8))
    listed = (judged.room("GET", "/volumes") for _ in range(4))
    answers = await asyncio.gather(*killed, *listed, *made)
    assert [answer.status for answer in answers] == [204] * 2 + [200] * 4 + [201] * 8
