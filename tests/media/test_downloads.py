"""Files from links: over lines that break, from stores that do as they like, past links that die; and nobody's key."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import re

import pytest
from helpers import KEY, TASK_RESULT, connected, json_reply, over_sockets, refusal, turns
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from novita_async import Limits, Reply, RetryPolicy, Timeouts
from novita_async.errors import (
    CallTimeout,
    ClientClosed,
    ConnectError,
    ConnectionLost,
    NotFound,
    PermissionDenied,
    ProtocolError,
    StreamCut,
    StreamStalled,
)
from novita_async.media import outputs
from novita_async.simulator import Drop
from novita_async.testing.clock import JumpClock
from novita_async.testing.probes import Stream, cancelled_at

DATA = bytes(range(256)) * 40  # 10,240 bytes, so that a wrong place shows
LINK = "https://files.test/a.bin"
OTHER = "https://files.test/b.bin?signature=2"


class Store:
    """A platform with one finished task, and a store that has its file. It keeps what came, and misbehaves on request.

    Attributes:
        cuts: after how many bytes each connection breaks, in turn; None for one that does not. Then none does.
        broken: how it breaks: an error, or "short" for a body that ends too early, or "silent" for one that stops.
        answers: what a request for the file is answered with, in turn, in place of the file.
        link: what the task says, and the only link that the store takes.
        dies: seconds from the start at which the first link is refused.
        headers: of every answer with the file.
        ranges: whether it gives parts.
        announced: whether it tells lengths.
    """

    def __init__(self, clock, *cuts, data=DATA, broken=None, **also):
        self.clock, self.cuts, self.data, self.broken = clock, list(cuts), data, broken or ConnectionLost("cut")
        self.answers, self.requests, self.reads = [], [], 0
        self.link, self.status = LINK, 403
        self.headers = {"etag": '"v1"'}
        self.ranges = self.announced = True
        self.ttl, self.ended = "3600", "1760000000000"
        for name, value in also.items():
            setattr(self, name, value)

    async def __call__(self, request):
        if TASK_RESULT in request.url:
            self.reads += 1
            return json_reply(self.task())
        self.requests.append(request)
        if self.answers and (answer := self.answers.pop(0)) is not None:
            return answer(self, request) if callable(answer) else answer
        if request.url != self.link:
            return refusal(self.status)
        return self.file(request)

    def task(self):
        items = [{"video_url": self.link, "video_url_ttl": self.ttl, "video_type": "mp4"}]
        extra = {"debug_info": {"complete_time_ms": self.ended}}
        return {"task": {"task_id": "1", "status": "TASK_STATUS_SUCCEED"}, "videos": items, "extra": extra}

    def file(self, request, *, start=None, status=None, total=None):
        wanted = re.fullmatch(r"bytes=(\d+)-", request.headers.get("range", ""))
        tag = request.headers.get("if-range")
        same = tag is None or tag in (self.headers.get("etag"), self.headers.get("last-modified"))
        if start is None:
            start = int(wanted[1]) if wanted and self.ranges and same else 0
        status = status or (206 if wanted and self.ranges and same else 200)
        if status == 206 and start >= len(self.data):
            return Reply(416, {"content-range": f"bytes */{len(self.data)}"})
        headers = dict(self.headers)
        part = self.data[start:]
        if self.announced:
            headers["content-length"] = str(len(part))
        if status == 206:
            headers["content-range"] = f"bytes {start}-{len(self.data) - 1}/{total or len(self.data)}"
        cut = self.cuts.pop(0) if self.cuts else None
        return Reply(status, headers, self.body(part, cut))

    async def body(self, part, cut):
        for at in range(0, len(part if cut is None else part[:cut]), 1000):
            yield part[at : at + 1000 if cut is None else min(at + 1000, cut)]
        if cut is None:
            return
        if self.broken == "silent":
            await asyncio.Event().wait()
        if self.broken != "short":
            raise self.broken

    @property
    def asked(self):
        return [request.headers.get("range", "") for request in self.requests]


class Opened:
    """`async with Opened(store) as video`: the file of the store's task, on a client of its own."""

    def __init__(self, store, **settings):
        self._connected = connected(store, store.clock, **{"retry": RetryPolicy(base=0.1), **settings})

    async def __aenter__(self):
        self.novita = await self._connected.__aenter__()
        return (await self.novita.tasks.wait("1")).videos[0]

    async def __aexit__(self, *details):
        return await self._connected.__aexit__(*details)


# ---------------------------------------------------------------------------------------- lines that break


@pytest.mark.parametrize("broken", [ConnectionLost("cut"), "short"])
async def test_a_broken_connection_is_followed_by_one_for_the_rest(clock, tmp_path, broken):
    store = Store(clock, 1500, 4000, 700, broken=broken)
    async with Opened(store) as video:
        path = await video.save(tmp_path / "a.mp4")
    assert path.read_bytes() == DATA
    assert store.asked == ["", "bytes=1500-", "bytes=5500-", "bytes=6200-"]
    assert [request.headers.get("if-range") for request in store.requests] == [None, *['"v1"'] * 3]


@pytest.mark.parametrize(
    ("headers", "mark"),
    [
        ({"etag": 'W/"1"', "last-modified": "Wed, 01 Oct 2025 10:00:00 GMT"}, "Wed, 01 Oct 2025 10:00:00 GMT"),
        ({"last-modified": "Wed, 01 Oct 2025 10:00:00 GMT"}, "Wed, 01 Oct 2025 10:00:00 GMT"),
        ({"etag": 'W/"1"'}, None),
        ({}, None),
    ],
)
async def test_the_rest_is_asked_for_only_of_the_same_file(clock, headers, mark):
    store = Store(clock, 1500, headers=headers)
    async with Opened(store) as video:
        assert await video.bytes() == DATA
    assert (store.asked[1], store.requests[1].headers.get("if-range")) == ("bytes=1500-", mark)


async def test_every_byte_that_comes_gives_new_attempts(clock):
    store = Store(clock, *[100] * 60)
    async with Opened(store, retry=RetryPolicy(attempts=2)) as video:
        assert await video.bytes() == DATA
    assert len(store.requests) == 61


async def test_without_a_byte_the_attempts_are_counted(clock, tmp_path):
    store = Store(clock, 1500, *[0] * 60)
    async with Opened(store) as video:
        with pytest.raises(ConnectionLost) as lost:
            await video.save(tmp_path / "a.mp4")
    assert store.asked == ["", *["bytes=1500-"] * 2]
    assert "after 3 attempts" in lost.value.__notes__
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("broken", [ConnectionLost("cut"), "short"])
async def test_a_body_that_never_begins_is_counted_too(clock, broken):
    store = Store(clock, *[0] * 60, broken=broken)
    async with Opened(store) as video:
        with pytest.raises((ConnectionLost, StreamCut)):
            await video.bytes()
    assert len(store.requests) == 3


async def test_behind_a_redirect_the_attempts_are_counted_too(clock):
    store = Store(clock, *[0] * 60, broken="short")
    store.answers = itertools.cycle([Reply(302, {"location": LINK}), None])
    store.answers = [each for each, _ in zip(store.answers, range(40), strict=False)]
    async with Opened(store) as video:
        with pytest.raises(StreamCut):
            await video.bytes()
    assert len(store.requests) == 6


async def test_a_client_that_does_not_retry_does_not_go_on_either(clock):
    store = Store(clock, 1500)
    async with Opened(store, retry=RetryPolicy(attempts=1)) as video:
        with pytest.raises(ConnectionLost):
            await video.bytes()
    assert len(store.requests) == 1


async def test_the_whole_call_has_its_limit_over_all_connections(clock):
    store = Store(clock, *[100] * 60)

    async def slow(request):
        await clock.sleep(1)
        return await store(request)

    async with connected(slow, clock, timeouts=Timeouts(total=10), retry=RetryPolicy(base=0.001)) as novita:
        video = (await novita.tasks.wait("1")).videos[0]
        began = clock.monotonic()
        with pytest.raises((CallTimeout, ConnectionLost)):
            await video.bytes()
        assert clock.monotonic() - began <= 10


async def test_a_stall_in_the_middle_is_a_break(clock):
    store = Store(clock, 1500, broken="silent")
    async with Opened(store, timeouts=Timeouts(idle=3)) as video:
        assert await video.bytes() == DATA
    assert store.asked == ["", "bytes=1500-"]


async def test_a_store_that_goes_on_being_silent_is_given_up(clock):
    store = Store(clock, 1500, 0, broken="silent")
    async with Opened(store, timeouts=Timeouts(idle=3, first_event=5), retry=RetryPolicy(base=0.001)) as video:
        began = clock.monotonic()
        with pytest.raises(StreamStalled):
            await video.bytes()
        assert clock.monotonic() - began == pytest.approx(8, abs=0.01)


async def test_a_store_that_is_gone_is_an_error_of_its_own(clock):
    def gone(store, request):
        raise ConnectError("nobody there")

    store = Store(clock, 1500, answers=[None, *[gone] * 3])
    async with Opened(store) as video:
        with pytest.raises(ConnectError):
            await video.bytes()


async def test_a_busy_store_is_asked_again_in_the_middle_too(clock):
    store = Store(clock, 1500, answers=[refusal(503), None, refusal(503)])
    async with Opened(store) as video:
        assert await video.bytes() == DATA
    assert store.asked == ["", "", "bytes=1500-", "bytes=1500-"]


async def test_a_broken_line_to_the_simulator(sim, tmp_path):
    sim.fault("GET", "/outputs/*", Drop.in_body(after=1), Drop.in_body(after=1))
    async with over_sockets(sim) as novita:
        result = await novita.images.run(
            "flux-1-schnell", prompt="x", width=1024, height=1024, steps=4, seed=7, image_num=1
        )
        path = await result.images[0].save(tmp_path / "a.png")
        assert path.read_bytes() == await result.images[0].bytes()
    assert path.read_bytes().startswith(b"\x89PNG")


# ------------------------------------------------------------------------------ stores that do as they like


async def test_a_store_without_ranges_gives_it_all_again_and_what_was_here_is_left_out(clock, tmp_path):
    store = Store(clock, 1500, 3000, ranges=False)
    told = []
    async with Opened(store) as video:
        path = await video.save(tmp_path / "a.mp4", progress=lambda done, total: told.append((done, total)))
    assert path.read_bytes() == DATA
    assert told == sorted(told)
    assert told[-1] == (len(DATA), len(DATA))


def changed(store, request):
    store.data, store.headers = DATA[::-1] + b"new", {"etag": '"v2"'}
    return store.file(request)


async def test_a_file_that_changed_is_read_from_its_beginning(clock, tmp_path):
    store = Store(clock, 1500, answers=[None, changed])
    told = []
    async with Opened(store) as video:
        path = await video.save(tmp_path / "a.mp4", progress=lambda done, total: told.append(done))
        assert path.read_bytes() == DATA[::-1] + b"new"
        store.cuts, store.answers = [1500], [None, changed]
        assert await video.bytes() == DATA[::-1] + b"new"
    assert told[:3] == [1000, 1500, 1000]


async def test_a_file_that_changed_under_an_open_stream_cannot_go_on(clock):
    store = Store(clock, 1500, answers=[None, changed])
    async with Opened(store) as video:
        with pytest.raises(StreamCut, match="changed"):
            async with video.open() as stream:
                assert b"".join([chunk async for chunk in stream])


async def test_a_file_that_changes_for_ever_is_given_up(clock):
    tags = itertools.count()

    def anew(store, request):
        store.headers = {"etag": f'"{next(tags)}"'}
        return store.file(request)

    store = Store(clock, *[1500] * 60, answers=[anew] * 60)
    async with Opened(store) as video:
        with pytest.raises(StreamCut, match="changed"):
            await video.bytes()
    assert len(store.requests) < 10


async def test_a_part_without_its_place_is_left_for_all_of_it_under_an_open_stream_too(clock):
    part = Reply(206, {"content-length": "3"}, b"???")
    async with Opened(Store(clock, 1500, answers=[None, part])) as video, video.open() as stream:
        assert b"".join([chunk async for chunk in stream]) == DATA


async def test_a_file_of_another_length_is_another_file(clock):
    store = Store(clock, 1500, headers={}, answers=[None, lambda store, request: store.file(request, total=9999), None])
    async with Opened(store) as video:
        assert await video.bytes() == DATA
    assert store.asked == ["", "bytes=1500-", ""]


async def test_without_any_mark_of_the_file_nothing_is_put_together(clock):
    store = Store(clock, 1500, headers={}, announced=False, ranges=False)
    async with Opened(store) as video:
        assert await video.bytes() == DATA
    assert store.asked == ["", "bytes=1500-", ""]


async def test_a_part_that_begins_too_early_is_used_from_where_it_is_new(clock):
    store = Store(clock, 1500, answers=[None, lambda store, request: store.file(request, start=1000)])
    async with Opened(store) as video:
        assert await video.bytes() == DATA


@pytest.mark.parametrize(
    "part",
    [
        lambda store, request: store.file(request, start=3000),
        lambda store, request: Reply(206, {"etag": '"v1"', "content-range": "lines 1-2/3"}, DATA[1500:]),
        lambda store, request: Reply(206, {"etag": '"v1"', "content-type": "multipart/byteranges"}, b"--x"),
    ],
    ids=["too late", "in lines", "in several"],
)
async def test_a_part_that_does_not_fit_is_followed_by_a_request_for_all(clock, part):
    store = Store(clock, 1500, answers=[None, part])
    async with Opened(store) as video:
        assert await video.bytes() == DATA
    assert store.asked == ["", "bytes=1500-", ""]


async def test_a_part_that_nobody_asked_for_is_an_error(clock):
    store = Store(clock, answers=[lambda store, request: store.file(request, start=5, status=206)] * 2)
    async with Opened(store) as video:
        with pytest.raises(ProtocolError, match="another part"):
            await video.bytes()


async def test_a_first_part_is_followed_by_the_next(clock):
    part = Reply(206, {"etag": '"v1"', "content-range": f"bytes 0-99/{len(DATA)}"}, DATA[:100])
    store = Store(clock, answers=[part])
    async with Opened(store) as video:
        assert await video.bytes() == DATA
    assert store.asked == ["", "bytes=100-"]


async def test_when_all_had_come_and_only_the_end_had_not_it_is_whole(clock):
    store = Store(clock, len(DATA), announced=False)
    async with Opened(store) as video:
        assert await video.bytes() == DATA
    assert store.asked == ["", f"bytes={len(DATA)}-"]


async def test_a_file_that_became_shorter_is_read_anew(clock):
    def shorter(store, request):
        store.data, store.headers = DATA[:1000], {"etag": '"v2"'}
        return Reply(416, {"content-range": "bytes */1000"})

    store = Store(clock, 1500, answers=[None, shorter])
    async with Opened(store) as video:
        assert await video.bytes() == DATA[:1000]


async def test_more_than_was_announced_is_refused(clock):
    store = Store(clock, answers=[Reply(200, {"content-length": "10"}, Stream(b"eleven bytes"))])
    async with Opened(store) as video:
        with pytest.raises(StreamCut, match="12 of 10"):
            await video.bytes()
    assert len(store.requests) == 1


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    cuts=st.lists(st.one_of(st.none(), st.integers(0, len(DATA))), max_size=8),
    broken=st.sampled_from(["error", "short"]),
    ranges=st.booleans(),
    announced=st.booleans(),
    tag=st.sampled_from(['"v1"', 'W/"v1"', ""]),
    shifts=st.lists(st.integers(-700, 700), max_size=4),
)
async def test_whatever_a_store_does_the_file_is_right_or_there_is_an_error(
    cuts, broken, ranges, announced, tag, shifts
):
    def shifted(by):
        def answer(store, request):
            wanted = re.fullmatch(r"bytes=(\d+)-", request.headers.get("range", ""))
            return store.file(request, start=max(0, int(wanted[1]) + by), status=206) if wanted else store.file(request)

        return answer

    if broken == "short" and not announced:
        broken = "error"  # a body of no length that ends early is whole for everybody
    async with JumpClock(grace=0) as clock:
        how = ConnectionLost("cut") if broken == "error" else broken
        store = Store(clock, *cuts, broken=how, ranges=ranges, announced=announced)
        store.headers = {"etag": tag} if tag else {}
        store.answers = [None, *map(shifted, shifts)]
        async with Opened(store) as video:
            with contextlib.suppress(ConnectionLost, StreamCut, ProtocolError):
                assert await video.bytes() == DATA
        assert len(store.requests) <= 60


# ------------------------------------------------------------------------------------------- links that die


def moved(store, request=None):
    """The store signs links anew, and takes the old one no more."""
    store.link, store.ended = OTHER, "1760003600000"
    return refusal(store.status)


@pytest.mark.parametrize("status", [403, 404, 410])
@pytest.mark.parametrize("here", [0, 1500])
async def test_a_link_that_died_is_read_from_its_task_once_more(clock, tmp_path, status, here):
    store = Store(clock, *[here] if here else [], status=status, answers=[None, moved] if here else [moved])
    async with Opened(store) as video:
        ended = video.expires_at
        path = await video.save(tmp_path / "a.mp4")
        assert path.read_bytes() == DATA
        assert [request.url for request in store.requests][-2:] == [LINK, OTHER]
        assert store.asked[-1] == (f"bytes={here}-" if here else "")
        assert (video.url, store.reads) == (OTHER, 2)
        assert (video.expires_at - ended).total_seconds() == 3600
        assert await video.bytes() == DATA
    assert store.reads == 2


async def test_a_long_file_may_outlive_several_links(clock):
    links = [f"https://files.test/{number}" for number in range(5)]

    def next_link(store, request):
        store.link = links.pop()
        return refusal(403)

    store = Store(clock, *[1500] * 5, answers=[None, *[next_link, None] * 5])
    async with Opened(store) as video:
        assert await video.bytes() == DATA
    assert store.reads == 6


async def test_a_new_link_that_is_dead_too_is_the_end(clock):
    store = Store(clock, answers=[moved, moved])
    async with Opened(store) as video:
        store.link = LINK
        with pytest.raises(PermissionDenied, match="2025-10-09"):
            await video.bytes()
    assert store.reads == 2


async def test_a_dead_link_says_when_it_died(clock, tmp_path):
    store = Store(clock, answers=[lambda store, request: refusal(403)])
    async with Opened(store) as video:
        await clock.sleep(3600)
        with pytest.raises(PermissionDenied, match=r"has expired: it was good until 2025-10-09 09:53:20 UTC") as dead:
            await video.save(tmp_path / "a.mp4")
    assert (dead.value.status, dead.value.reason, store.reads) == (403, "", 2)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("status", "ttl", "error", "words"),
    [
        (403, "3600", PermissionDenied, "refuses the link, or its file is gone; it was to be good until 2025-10-09"),
        (404, "3600", NotFound, "it was to be good until"),
        (404, "0", NotFound, "has expired, or its file is gone; its end was not stated"),
        (410, "", NotFound, "its end was not stated"),
    ],
)
async def test_a_link_that_died_before_its_time_says_so(clock, status, ttl, error, words):
    store = Store(clock, ttl=ttl, answers=[refusal(status)])
    async with Opened(store) as video:
        with pytest.raises(error, match=words):
            await video.bytes()
    assert (len(store.requests), store.reads) == (1, 2)


async def test_when_the_task_is_gone_too_the_error_is_about_the_link(clock):
    def gone(store, request):
        store.task = lambda: {"code": 404, "reason": "TASK_NOT_FOUND", "message": "unknown", "metadata": {}}
        return refusal(403)

    async with Opened(Store(clock, answers=[gone])) as video:
        with pytest.raises(PermissionDenied, match="link") as dead:
            await video.bytes()
    assert isinstance(dead.value.__cause__, NotFound)


async def test_a_task_that_has_fewer_files_now_gives_no_link(clock):
    def emptied(store, request):
        store.task = lambda: {"task": {"task_id": "1", "status": "TASK_STATUS_SUCCEED"}, "videos": None}
        return refusal(403)

    async with Opened(Store(clock, answers=[emptied])) as video:
        with pytest.raises(PermissionDenied, match="link"):
            await video.bytes()


async def test_the_link_is_that_of_the_same_place_in_the_same_list(clock):
    """Three pictures and a video: each gets its own new link."""
    fresh = False

    async def handler(request):
        if TASK_RESULT in request.url:
            mark = "new" if fresh else "old"
            return json_reply(
                {
                    "task": {"task_id": "1", "status": "TASK_STATUS_SUCCEED"},
                    "images": [{"image_url": f"https://files.test/i{n}-{mark}.png"} for n in range(3)],
                    "videos": [{"video_url": f"https://files.test/v0-{mark}.mp4"}],
                }
            )
        return refusal(403) if "old" in request.url else Reply(200, {}, request.url.encode())

    async with connected(handler, clock) as novita:
        result = await novita.tasks.wait("1")
        fresh = True
        got = [await output.bytes() for output in result.outputs]
    assert got == [
        f"https://files.test/{name}".encode() for name in ("i0-new.png", "i1-new.png", "i2-new.png", "v0-new.mp4")
    ]


async def test_what_belongs_to_no_task_is_not_asked_for_again(clock):
    reads = []

    async def handler(request):
        reads.append(request.url)
        if "files.test" in request.url:
            return refusal(404)
        return json_reply({"task": {"task_id": "1"}, "images": [{"image_url": LINK}]})

    async with connected(handler, clock) as novita:
        result = await novita.images.run(
            "flux-1-schnell", prompt="x", width=64, height=64, steps=4, seed=7, image_num=1
        )
        with pytest.raises(NotFound, match="expired"):
            await result.images[0].bytes()
    assert len(reads) == 2


# --------------------------------------------------------------------------------------------- credentials


async def test_a_link_is_sent_nothing_of_the_clients(clock):
    store = Store(clock, 1500, answers=[Reply(307, {"location": LINK}), None, moved])
    own = {"X-Team": "art", "Cookie": "session=1", "X-Api-Key": "mine", "Proxy-Authorization": "x"}
    async with connected(store, clock) as novita:
        view = novita.with_options(default_headers=own)
        assert await (await view.tasks.wait("1")).videos[0].bytes() == DATA
    assert len(store.requests) == 4
    for request in store.requests:
        assert set(request.headers) <= {"accept", "accept-encoding", "user-agent", "range", "if-range"}
        assert KEY not in repr((request.url, dict(request.headers)))


@pytest.mark.parametrize(
    ("location", "target"),
    [
        ("https://other.test/b?sig=1", "https://other.test/b?sig=1"),
        ("/b", "https://files.test/b"),
        ("b", "https://files.test/b"),
    ],
)
async def test_redirects_of_a_link_are_followed(clock, location, target):
    store = Store(clock, answers=[Reply(302, {"location": location}), Reply(200, {}, b"here")])
    async with Opened(store) as video:
        assert await video.bytes() == b"here"
    assert [request.url for request in store.requests] == [LINK, target]


@pytest.mark.parametrize(
    ("location", "words"),
    [("file:///etc/passwd", "not an http address"), ("javascript:0", "not an http address"), (LINK, "more than 5")],
)
async def test_redirects_to_nowhere_are_refused(clock, location, words):
    store = Store(clock, answers=[Reply(302, {"location": location})] * 20)
    async with Opened(store, limits=Limits(requests=1)) as video:
        with pytest.raises(ProtocolError, match=words):
            await video.bytes()


async def test_a_redirect_without_an_address_is_an_error(clock):
    async with Opened(Store(clock, answers=[Reply(302)])) as video:
        with pytest.raises(Exception, match="302"):
            await video.bytes()


# ------------------------------------------------------------------------------------------- ways to take it


async def test_an_open_file_tells_its_length_and_gives_its_chunks(clock):
    store = Store(clock, 1500)
    async with Opened(store) as video, video.open() as stream:
        assert (stream.length, stream.received) == (len(DATA), 0)
        chunks = [chunk async for chunk in stream]
        assert (b"".join(chunks), stream.received) == (DATA, len(DATA))
        assert await stream.read() == b""
    assert len(chunks) > 5


async def test_an_open_file_that_is_left_early_gives_its_connection_back(clock):
    async with Opened(Store(clock), limits=Limits(requests=1)) as video:
        async with video.open() as stream:
            async for _ in stream:
                break
        assert await stream.read() == b""
        assert await video.bytes() == DATA


async def test_a_file_that_cannot_be_opened_leaves_nothing_open(clock):
    store = Store(clock, answers=[refusal(400)])
    async with Opened(store, limits=Limits(requests=1)) as video:
        with pytest.raises(Exception, match="400"):
            async with video.open():
                pass
        assert await video.bytes() == DATA


async def test_progress_counts_the_bytes_that_are_here(clock, tmp_path):
    store, told = Store(clock, 1500), []
    async with Opened(store) as video:
        await video.save(tmp_path / "a.mp4", progress=lambda done, total: told.append((done, total)))
    assert told[:3] == [(1000, 10240), (1500, 10240), (2500, 10240)]
    assert told[-1] == (10240, 10240)


async def test_progress_without_a_length_has_no_end_to_tell(clock):
    told = []
    async with Opened(Store(clock, announced=False)) as video:
        await video.bytes(progress=lambda done, total: told.append((done, total)))
    assert told[-1] == (10240, None)


async def test_a_callback_that_fails_is_the_callers_own_error_and_leaves_nothing(clock, tmp_path):
    def fail(done, total):
        raise KeyError(done)

    async with Opened(Store(clock), limits=Limits(requests=1)) as video:
        with pytest.raises(KeyError):
            await video.save(tmp_path / "a.mp4", progress=fail)
        assert list(tmp_path.iterdir()) == []
        assert await video.bytes() == DATA


async def test_a_download_that_is_cancelled_leaves_nothing(clock, tmp_path):
    store = Store(clock, 1500, broken="silent")
    async with Opened(store, timeouts=Timeouts(idle=None)) as video:
        task = asyncio.create_task(video.save(tmp_path / "a.mp4"))
        await turns()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("late", [False, True])
async def test_cancelled_at_any_await_a_download_leaves_nothing(clock, tmp_path, late):
    """The break, the renewal of the link, and each of the writes of a file in several pieces among them."""
    for awaits in itertools.count(1):
        store = Store(clock, 1500, 3000, answers=[None, moved])
        async with Opened(store, limits=Limits(requests=1)) as video:
            path = tmp_path / "a.mp4"
            if not await cancelled_at(video.save(path), awaits, late=late):
                break
            assert [each.name for each in tmp_path.iterdir()] in ([], ["a.mp4"])
            if path.exists():  # the cancellation came when all was done
                assert path.read_bytes() == DATA
                path.unlink()
            assert await video.bytes() == DATA
    assert path.read_bytes() == DATA
    assert awaits > 10


async def test_a_client_that_is_closed_ends_its_downloads(clock, tmp_path):
    store = Store(clock, 1500, broken="silent")
    opened = Opened(store, timeouts=Timeouts(idle=None))
    async with opened as video:
        task = asyncio.create_task(video.save(tmp_path / "a.mp4"))
        await turns()
        await opened.novita.aclose()
        with pytest.raises((ClientClosed, ConnectionLost)):
            await task
    assert list(tmp_path.iterdir()) == []


async def test_a_type_that_nobody_told_is_told_by_the_bytes(clock):
    store = Store(clock, data=b"\x89PNG\r\n\x1a\n" + DATA)
    store.task = lambda: {"task": {"task_id": "1", "status": "TASK_STATUS_SUCCEED"}, "videos": [LINK[:-4]]}
    store.link = LINK[:-4]
    async with Opened(store) as video:
        assert video.type == ""
        await video.bytes()
        assert video.type == "png"


async def test_what_was_fetched_is_kept_unless_it_is_large(clock, tmp_path, monkeypatch):
    store = Store(clock)
    async with Opened(store) as video:
        monkeypatch.setattr(outputs, "_KEPT", len(DATA) - 1)
        await video.bytes()
        await video.bytes()
        assert len(store.requests) == 2
        monkeypatch.setattr(outputs, "_KEPT", len(DATA))
        await video.bytes()
        told = []
        assert await video.bytes(progress=lambda done, total: told.append((done, total))) == DATA
        assert (await video.save(tmp_path / "a.mp4")).read_bytes() == DATA
        async with video.open() as stream:
            assert (stream.length, await stream.read()) == (len(DATA), DATA)
        assert await video.open().read() == DATA
    assert len(store.requests) == 3
    assert told == [(len(DATA), len(DATA))]
