"""Links to finished files: signed, expiring, and not for requests that bring a key."""

from __future__ import annotations

import hashlib
from functools import partial

import aiohttp
import pytest

from novita_async.simulator import Drop, Simulator
from novita_async.simulator.outputs import CONTENT_TYPES
from novita_async.transport.protocol import Request


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


# ------------------------------------------------------------------------------------ files of a test's own

GIGABYTE = 1 << 30


def pattern(start: int, end: int) -> bytes:
    """The bytes of an endless file: each KiB of it begins with its own number."""
    first = start // 1024
    blocks = b"".join(number.to_bytes(8, "big") * 128 for number in range(first, -(-end // 1024)))
    return blocks[start - 1024 * first : end - 1024 * first]


@pytest.fixture
def large(sim) -> str:
    sim.outputs.put_stream("large.bin", "application/octet-stream", GIGABYTE, pattern)
    return sim.outputs.link(sim.base_url, "large.bin", expires=sim.clock.time() + 3600)


async def test_head_tells_of_a_file_and_sends_nothing(api, link, large):
    whole = await api("GET", link, key=None)
    head = await api("HEAD", link, key=None, range="bytes=0-9")
    assert (head.status, head.body) == (200, b"")
    assert dict(head.headers) == dict(whole.headers)
    head = await api("HEAD", large, key=None)
    assert (head.status, head.body, head.headers["content-length"]) == (200, b"", str(GIGABYTE))
    assert (await api("HEAD", large, key="good")).status == 400


async def test_parts_of_a_file_larger_than_memory_can_be_fetched(api, large):
    middle = GIGABYTE // 2 + 100
    tags = set()
    for wanted, start, end in [
        ("0-0", 0, 1),
        (f"{middle}-{middle + 999_999}", middle, middle + 1_000_000),
        ("-70000", GIGABYTE - 70_000, GIGABYTE),
        (f"{GIGABYTE - 5}-", GIGABYTE - 5, GIGABYTE),
    ]:
        part = await api("GET", large, key=None, range=f"bytes={wanted}")
        assert (part.status, part.body == pattern(start, end)) == (206, True)
        assert part.headers["content-range"] == f"bytes {start}-{end - 1}/{GIGABYTE}"
        assert part.headers["content-length"] == str(end - start)
        tags.add(part.headers["etag"])
    assert len(tags) == 1
    assert (await api("GET", large, key=None, range=f"bytes={GIGABYTE}-")).status == 416


async def test_no_more_of_a_large_file_is_made_than_is_read(sim):
    read = []
    sim.outputs.put_stream("large.bin", "x/y", GIGABYTE, lambda start, end: read.append(end) or bytes(end - start))
    url = sim.outputs.link(sim.base_url, "large.bin", expires=sim.clock.time() + 3600)
    chunks = aiter((await sim.handle(Request("GET", url))).body)
    for _ in range(3):
        await anext(chunks)
    await chunks.aclose()
    assert read == [1 << 18, 2 << 18, 3 << 18]


async def test_a_download_of_a_large_file_can_go_on_where_it_broke(sim):
    size = 3_000_000
    sim.outputs.put_stream("large.bin", "application/octet-stream", size, pattern)
    sim.fault("GET", "/outputs/large.bin", Drop.in_body(after=3), times=3)
    digest, have, tag, connections = hashlib.sha256(), 0, "", 0
    async with sim.serve() as served, aiohttp.ClientSession() as session:
        url = sim.outputs.link(served.url, "large.bin", expires=sim.clock.time() + 3600)
        while have < size:
            connections += 1
            headers = {"range": f"bytes={have}-", "if-range": tag} if have else {}
            async with session.get(url, headers=headers) as response:
                assert response.status == (206 if have else 200)
                tag = response.headers["etag"]
                try:
                    async for chunk in response.content.iter_any():
                        digest.update(chunk)
                        have += len(chunk)
                except aiohttp.ClientPayloadError:
                    continue
    assert connections == 4
    assert digest.digest() == hashlib.sha256(pattern(0, size)).digest()


async def test_a_file_is_what_its_maker_says(sim, api):
    for kind, content_type in CONTENT_TYPES.items():
        sim.outputs.put("file", partial(_made, kind))
        url = sim.outputs.link(sim.base_url, "file", expires=sim.clock.time() + 1)
        assert (await api("GET", url, key=None)).headers["content-type"] == content_type
        sim.outputs.remove("file")
    assert (await api("GET", url, key=None)).status == 404


async def test_only_so_much_of_what_was_made_is_kept(sim, api):
    made = []

    def make(name: str) -> tuple[bytes, str]:
        made.append(name)
        return bytes(20 << 20), "png"

    links = {}
    for name in "abcd":
        sim.outputs.put(name, partial(make, name))
        links[name] = sim.outputs.link(sim.base_url, name, expires=sim.clock.time() + 1)
    for name in "abcadabc":
        assert len((await api("GET", links[name], key=None)).body) == 20 << 20
    # Three of them fit. The one that was asked for longest ago goes.
    assert "".join(made) == "abcdbc"


def _made(kind: str) -> tuple[bytes, str, float]:
    return kind.encode(), kind, 1.0
