"""Links to finished files: signed, expiring, and not for requests that bring a key."""

from __future__ import annotations

import pytest

from novita_async.simulator import Simulator


@pytest.fixture
async def link(clock, api) -> str:
    body = {"prompt": "x", "seed": 1, "steps": 1, "width": 64, "height": 64, "image_num": 1}
    return (await api("POST", "/v3beta/flux-1-schnell", body)).json()["images"][0]["image_url"]


async def test_a_link_needs_no_key_and_refuses_one(api, link):
    assert (await api("GET", link, key=None)).status == 200
    refused = await api("GET", link)
    assert refused.status == 400
    assert b"Only one auth mechanism" in refused.body


async def test_a_link_dies_at_its_time(clock, api, link):
    await clock.sleep(604800 - 1)
    assert (await api("GET", link, key=None)).status == 200
    await clock.sleep(1)
    dead = await api("GET", link, key=None)
    assert dead.status == 403
    assert b"expired" in dead.body


async def test_asking_again_does_not_prolong_the_links_of_a_task(clock, api):
    task = (await api("POST", "/v3/async/kling-v3.0-std-t2v", {"prompt": "x"})).json()["task_id"]
    links = set()
    for _ in range(3):
        await clock.sleep(100)
        found = (await api("GET", f"/v3/async/task-result?task_id={task}")).json()
        links.add(found["videos"][0]["video_url"])
    assert len(links) == 1
    await clock.sleep(3600)
    assert (await api("GET", links.pop(), key=None)).status == 403


@pytest.mark.parametrize("change", [("Expires=1", "Expires=9"), ("Signature=", "Signature=0"), ("?", "?Expires=x&")])
async def test_a_link_that_was_changed_is_refused(api, link, change):
    changed = await api("GET", link.replace(*change), key=None)
    assert changed.status == 403
    assert b"SignatureDoesNotMatch" in changed.body


async def test_a_link_of_another_simulator_is_refused(clock, api, link):
    async with Simulator(clock=clock, seed=1) as other:
        assert (await type(api)(other)("GET", link, key=None)).status == 403


async def test_parts_of_a_file_can_be_fetched(api, link):
    whole = await api("GET", link, key=None)
    size = len(whole.body)
    assert (whole.headers["content-length"], whole.headers["accept-ranges"]) == (str(size), "bytes")
    for wanted, start, end in [("5-9", 5, 10), ("100-", 100, size), ("-7", size - 7, size), (f"3-{size * 2}", 3, size)]:
        part = await api("GET", link, key=None, range=f"bytes={wanted}")
        assert (part.status, part.body) == (206, whole.body[start:end])
        assert part.headers["content-range"] == f"bytes {start}-{end - 1}/{size}"
        assert part.headers["etag"] == whole.headers["etag"]


async def test_a_part_beyond_the_end_is_refused(api, link):
    size = len((await api("GET", link, key=None)).body)
    beyond = await api("GET", link, key=None, range=f"bytes={size}-")
    assert (beyond.status, beyond.headers["content-range"]) == (416, f"bytes */{size}")


async def test_a_part_of_a_file_that_changed_comes_whole(api, link):
    tag = (await api("GET", link, key=None)).headers["etag"]
    assert (await api("GET", link, key=None, range="bytes=1-2", if_range=tag)).status == 206
    assert (await api("GET", link, key=None, range="bytes=1-2", if_range='"other"')).status == 200


async def test_ranges_that_make_no_sense_are_ignored(api, link):
    for wanted in ("bytes=-", "bytes=5-2", "lines=1-2", "bytes=1-2,4-5"):
        assert (await api("GET", link, key=None, range=wanted)).status == 200


async def test_files_are_made_in_a_thread(sim, api, link, monkeypatch):
    made = []
    to_thread = sim.clock.to_thread

    async def counted(function):
        made.append(function)
        return await to_thread(function)

    monkeypatch.setattr(sim.clock, "to_thread", counted)
    for _ in range(3):
        await api("GET", link, key=None)
    assert len(made) == 1
