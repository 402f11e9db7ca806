from __future__ import annotations

import asyncio
from contextlib import aclosing
from typing import TYPE_CHECKING, Any

import pytest
from sandbox_room import Box, Ended, Room

from novita_async.errors import ConnectionLost
from novita_async.runtime.clock import SystemClock

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    Events = AsyncGenerator[dict[str, Any], None]

# What the kernel tells is the same for a command in a namespace and for a plain one.
pytestmark = pytest.mark.parametrize("room", ["any"], indirect=True)


async def watch(box: Box, path: str = "d", *, recursive: bool = False, headers: dict[str, str] | None = None) -> Events:
    """A watch that has begun."""
    events = box.stream("filesystem.Filesystem/WatchDir", {"path": path, "recursive": recursive}, headers)
    assert await anext(events) == {"start": {}}
    return events


async def until(events: Events, name: str, type_: str) -> list[tuple[str, str]]:
    """Read changes until this one."""
    seen: list[tuple[str, str]] = []
    while (name, type_) not in seen:
        try:
            async with asyncio.timeout(10):
                change = (await anext(events))["filesystem"]
        except TimeoutError:
            raise AssertionError(f"{name} {type_} is not among {seen}") from None
        seen.append((change["name"], change["type"].removeprefix("EVENT_TYPE_")))
    return seen


async def test_what_happens_to_files_is_told_by_its_kind(box: Box) -> None:
    await box.files("MakeDir", path="d")
    async with aclosing(await watch(box)) as events:
        await box.run("echo a > d/a; chmod 600 d/a; mv d/a d/b; rm d/b")
        assert await until(events, "b", "REMOVE") == [
            *(("a", "CREATE"), ("a", "WRITE"), ("a", "CHMOD"), ("a", "RENAME"), ("b", "CREATE"), ("b", "REMOVE"))
        ]


async def test_calls_are_seen_as_commands_are(box: Box) -> None:
    await box.files("MakeDir", path="d")
    async with aclosing(await watch(box)) as events:
        for content in (b"one", b"two"):
            await box.http("POST", "/files?path=d/a", content, content_type="application/octet-stream")
            assert await until(events, "a", "WRITE") == [("a", "CREATE"), ("a", "CHMOD"), ("a", "WRITE")]
        assert (await box.http("GET", "/files?path=d/a")).body == b"two"
        await box.files("Move", source="d/a", destination="d/b")
        await box.files("Remove", path="d/b")
        assert await until(events, "b", "REMOVE") == [("a", "RENAME"), ("b", "CREATE"), ("b", "REMOVE")]


async def test_only_a_recursive_watch_tells_of_what_is_below(box: Box) -> None:
    await box.files("MakeDir", path="d/old")
    async with aclosing(await watch(box)) as flat, aclosing(await watch(box, recursive=True)) as deep:
        await box.run("touch d/old/x; mkdir -p d/new/er; sleep 0.1; touch d/new/er/y; touch d/end")
        seen = await until(deep, "end", "CREATE")
        assert {("old/x", "CREATE"), ("new", "CREATE"), ("new/er", "CREATE"), ("new/er/y", "CREATE")} <= set(seen)
        assert all("/" not in name for name, _ in await until(flat, "end", "CREATE"))


async def test_a_moved_directory_is_known_by_its_new_name(box: Box) -> None:
    await box.files("MakeDir", path="d/a/b")
    async with aclosing(await watch(box, recursive=True)) as events:
        await box.run("mv d/a d/c")
        await until(events, "c", "CREATE")
        await SystemClock().sleep(0.05)
        await box.run("touch d/c/b/x; mv d/c away; touch away/b/y; touch d/end")
        seen = await until(events, "end", "CREATE")
        assert ("c/b/x", "CREATE") in seen
        assert ("c", "RENAME") in seen
        assert not [name for name, _ in seen if name.endswith("y")]


async def test_a_link_is_followed_to_the_directory_but_not_below_it(box: Box) -> None:
    await box.run("mkdir d other; ln -s d link; ln -s ../other d/inside")
    async with aclosing(await watch(box, "~/link", recursive=True)) as events:
        await box.run("touch other/x; touch d/end")
        assert ("end", "CREATE") in (await until(events, "end", "CREATE"))[:1]


@pytest.mark.parametrize(
    ("path", "code", "status"),
    [("nope", "not_found", 404), ("file", "invalid_argument", 400), ("~other", "invalid_argument", 400)],
)
async def test_what_cannot_be_watched_is_refused(box: Box, path: str, code: str, status: int) -> None:
    await box.run("touch file")
    with pytest.raises(Ended) as caught:
        await watch(box, path)
    assert caught.value.code == code
    answer = await box.files("CreateWatcher", path=path)
    assert (answer.status, answer.json()["code"]) == (status, code)


async def test_a_watch_says_that_it_is_alive_and_ends_at_its_deadline(box: Box) -> None:
    headers = {"keepalive-ping-interval": "50", "connect-timeout-ms": "70000"}
    events = await watch(box, "", headers=headers)
    waiting = asyncio.ensure_future(anext(events))
    await box.room.clock.advance(50)
    assert await waiting == {"keepalive": {}}
    waiting = asyncio.ensure_future(anext(events))
    await box.room.clock.advance(20)
    with pytest.raises(Ended) as caught:
        await waiting
    assert caught.value.code == "deadline_exceeded"


async def test_a_watch_breaks_off_when_its_sandbox_ends(box: Box) -> None:
    await box.files("CreateWatcher", path="")
    events = await watch(box, "")
    waiting = asyncio.ensure_future(anext(events))
    await asyncio.sleep(0)
    assert (await box.room("DELETE", f"/sandboxes/{box.id}")).status == 204
    with pytest.raises(ConnectionLost):
        await asyncio.wait_for(waiting, 10)


async def test_a_watch_breaks_off_when_its_sandbox_is_paused_and_a_polled_one_goes_on(box: Box) -> None:
    made = (await box.files("CreateWatcher", path="")).json()["watcherId"]
    events = await watch(box, "")
    waiting = asyncio.ensure_future(anext(events))
    await asyncio.sleep(0)
    assert (await box.room("POST", f"/sandboxes/{box.id}/pause")).status == 204
    with pytest.raises(ConnectionLost):
        await asyncio.wait_for(waiting, 10)
    assert (await box.room("POST", f"/sandboxes/{box.id}/connect", {"timeout": 60})).status == 201
    await box.run("touch a")
    seen: list[str] = []
    while "a" not in seen:
        told = (await box.files("GetWatcherEvents", watcherId=made)).json().get("events", [])
        seen += [event["name"] for event in told]


async def test_a_polled_watcher_keeps_what_happens_until_it_is_asked(box: Box) -> None:
    await box.files("MakeDir", path="d")
    made = (await box.files("CreateWatcher", path="d", recursive=True)).json()["watcherId"]
    assert made.startswith("w")
    assert (await box.files("GetWatcherEvents", watcherId=made)).json() == {}
    await box.run("touch d/a; mkdir d/b")
    await SystemClock().sleep(0.05)
    await box.run("touch d/b/c")
    seen: list[tuple[str, str]] = []
    while ("b/c", "EVENT_TYPE_CREATE") not in seen:
        events = (await box.files("GetWatcherEvents", watcherId=made)).json().get("events", [])
        seen += [(event["name"], event["type"]) for event in events]
        await SystemClock().sleep(0.01)
    assert ("a", "EVENT_TYPE_CREATE") in seen
    assert ("b", "EVENT_TYPE_CREATE") in seen
    assert (await box.files("RemoveWatcher", watcherId=made)).json() == {}
    for method in ("GetWatcherEvents", "RemoveWatcher"):
        assert (await box.files(method, watcherId=made)).status == 404


async def test_an_answer_has_all_that_happened_before_it_was_asked_for(box: Box) -> None:
    made = (await box.files("CreateWatcher", path="", recursive=True)).json()["watcherId"]
    for number in range(5):
        await box.files("MakeDir", path=f"d{number}")
        await box.http("POST", f"/files?path=d{number}/a", b"x", content_type="application/octet-stream")
        told = (await box.files("GetWatcherEvents", watcherId=made)).json()["events"]
        seen = [(event["name"], event["type"]) for event in told]
        assert seen[0] == (f"d{number}", "EVENT_TYPE_CREATE")
        assert (f"d{number}/a", "EVENT_TYPE_WRITE") in seen


async def test_a_watcher_of_another_sandbox_is_not_found(room: Room) -> None:
    mine, other = await room.create(), await room.create()
    made = (await mine.files("CreateWatcher", path="")).json()["watcherId"]
    assert (await other.files("GetWatcherEvents", watcherId=made)).status == 404
    assert (await other.files("RemoveWatcher", watcherId=made)).status == 404
    assert (await mine.files("GetWatcherEvents", watcherId=made)).status == 200


async def test_watchers_of_one_sandbox_are_limited_and_leave_nothing_open(box: Box) -> None:
    made: list[str] = []
    while (answer := await box.files("CreateWatcher", path="")).status == 200:
        made.append(answer.json()["watcherId"])
    assert answer.json()["code"] == "resource_exhausted"
    assert 10 < len(made) <= 100
    for watcher in made:
        assert (await box.files("RemoveWatcher", watcherId=watcher)).status == 200
    assert (await box.files("CreateWatcher", path="")).status == 200
