"""What a model made: results of every shape, and files that arrive whole or not at all."""

from __future__ import annotations

import asyncio
import os
import resource
import signal

import pytest
from helpers import PICTURE, TASK_RESULT, TXT2IMG, Server, connected, inside, json_reply, over_sockets, refusal, turns

from novita_async import Limits, Reply, Simulator, Timeouts
from novita_async.errors import (
    AuthenticationError,
    BadRequest,
    CallTimeout,
    ConnectionLost,
    NotFound,
    PermissionDenied,
    ProtocolError,
    RateLimited,
    ServerError,
    ServiceUnavailable,
    StreamCut,
    StreamStalled,
    TaskTimeout,
    ValidationError,
)
from novita_async.media.results import Image
from novita_async.simulator import Drop, Hang, Outcome, Refuse, Slow
from novita_async.testing.clock import JumpClock
from novita_async.testing.probes import Stream

FLUX = {"prompt": "x", "width": 64, "height": 64, "steps": 4, "seed": 7, "image_num": 2}
PNG = b"\x89PNG\r\n\x1a\n"
FILES = "https://files.test/"
LINK = f"{FILES}a.png"


async def flux(novita, **change):
    return await novita.images.run("flux-1-schnell", **{**FLUX, **change})


@pytest.fixture
def picture(clock):
    """`async with picture(*answers) as image`: a picture whose link is answered so."""

    def answer(*answers, **settings):
        submit = {"task": {"task_id": "1"}, "images": [{"image_url": LINK, "image_type": "png"}]}
        server = Server(clock, submit, *answers)

        class Opened:
            async def __aenter__(self):
                self.client = connected(server, clock, **settings)
                novita = await self.client.__aenter__()
                image = (await flux(novita)).images[0]
                vars(image)["server"] = server
                return image

            async def __aexit__(self, *details):
                return await self.client.__aexit__(*details)

        return Opened()

    return answer


# -------------------------------------------------------------------------------------------- the results


async def test_pictures_of_a_task(sim):
    async with inside(sim) as novita:
        result = await novita.images.run("txt2img", **{**PICTURE, "image_num": 3, "seed": 42})
    assert (len(result.images), result.videos, result.audios) == (3, [], [])
    assert [image.type for image in result.outputs] == ["png"] * 3
    assert result.images[0].ttl == 3600
    assert result.seed == 42
    assert result.task_id == result.raw["task"]["task_id"]


async def test_a_video_of_a_task(sim):
    async with inside(sim) as novita:
        result = await novita.videos.run("kling-v3.0-std-t2v", prompt="a boat")
        assert (len(result.videos), result.images, result.outputs[0].type) == (1, [], "mp4")
        assert (await result.videos[0].bytes())[4:8] == b"ftyp"


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        ({"code": 429, "reason": "RATE_LIMIT_EXCEEDED", "message": "slow down", "metadata": {}}, RateLimited),
        ({}, ProtocolError),
        ({"images": None, "task": None}, ProtocolError),
        ([], ProtocolError),
    ],
)
async def test_a_200_without_a_result_is_no_result(clock, answer, error):
    async with connected(Server(clock, answer), clock) as novita:
        with pytest.raises(error):
            await flux(novita)


@pytest.mark.parametrize(
    ("refusal", "error", "times"),
    [
        ({"base_resp": {"status_code": 1002, "status_msg": "rate limit"}}, RateLimited, 3),
        ({"code": 503, "reason": "SERVICE_NOT_AVAILABLE", "message": "busy"}, ServiceUnavailable, 3),
        ({"base_resp": {"status_code": 1000, "status_msg": "unknown"}}, ServerError, 1),
        ({"base_resp": {"status_code": 1004, "status_msg": "no"}}, AuthenticationError, 1),
        ({"base_resp": {"status_code": 2013, "status_msg": "bad"}}, BadRequest, 1),
    ],
)
async def test_a_refusal_inside_a_200_is_repeated_like_one_with_a_status(clock, refusal, error, times):
    """But never what may have been paid for: an upstream that broke has perhaps made the thing (platform.md)."""
    server = Server(clock, refusal)
    async with connected(server, clock) as novita:
        with pytest.raises(error):
            await flux(novita)
        assert len(server.requests) == times
        server.answers = [refusal, {"images": [LINK]}]
        if times > 1:
            assert (await flux(novita)).images[0].url == LINK


async def test_run_is_bounded_in_all_and_leaves_the_task_to_its_handle(sim, clock):
    sim.fault("POST", TXT2IMG, Slow.headers(4))
    async with inside(sim) as novita:
        with pytest.raises(TaskTimeout) as timeout:
            await novita.images.run("txt2img", **PICTURE, timeout=6)
        assert clock.monotonic() == pytest.approx(6)
        assert (await timeout.value.handle.wait()).images


async def test_run_that_is_over_before_its_submit_is_answered_sends_no_read(sim, clock):
    sim.fault("POST", TXT2IMG, Slow.headers(10))
    async with inside(sim) as novita:
        with pytest.raises(CallTimeout):
            await novita.images.run("txt2img", **PICTURE, timeout=6)
    assert not [request for request in sim.requests if request.path == TASK_RESULT]


async def test_a_wrapped_answer_to_a_submit_is_understood(clock):
    """As some samples of the contract have it (image.md 10)."""
    async with connected(Server(clock, {"code": 0, "msg": "ok", "data": {"task_id": "task-9"}}), clock) as novita:
        assert (await novita.images.submit("txt2img", **PICTURE)).id == "task-9"


async def test_a_task_found_by_its_id_is_as_good_as_the_one_that_was_submitted(sim):
    async with inside(sim) as novita:
        task = await novita.images.submit("txt2img", **PICTURE)
        found = novita.tasks.get(task.id)
        assert (await found.wait()).outputs[0].url == (await task.wait()).outputs[0].url


# ------------------------------------------------------------------------------------------------- files


async def test_files_are_saved_under_task_number_and_type(sim, tmp_path):
    async with inside(sim) as novita:
        result = await flux(novita)
        paths = await result.save(tmp_path / "new" / "directory")
        assert [path.name for path in paths] == [f"{result.task_id}-{number}.png" for number in range(2)]
        for path, image in zip(paths, result.images, strict=True):
            assert path.read_bytes() == await image.bytes()
            assert path.read_bytes().startswith(PNG)
    assert sorted(os.listdir(tmp_path / "new" / "directory")) == sorted(path.name for path in paths)


async def test_a_large_file_arrives_in_pieces_and_whole(sim, tmp_path):
    async with over_sockets(sim) as novita:
        result = await flux(novita, width=2048, height=2048, image_num=1)
        path = await result.images[0].save(str(tmp_path / "large.png"))
        assert path.read_bytes() == await result.images[0].bytes()


async def test_what_stood_under_the_name_before_stays_until_the_new_file_is_whole(picture, clock, tmp_path):
    path = tmp_path / "a.png"
    path.write_bytes(b"old")

    async def body():
        yield b"new "
        assert await clock.to_thread(path.read_bytes) == b"old"
        yield b"file"

    async with picture(Reply(200, {}, body())) as image:
        await image.save(path)
    assert path.read_bytes() == b"new file"


FAULTS = {
    "a dead link": ([Refuse.with_status(403)], PermissionDenied),
    "a file that is gone": ([Refuse.with_status(404)], NotFound),
    "a connection lost on the way": (
        [Drop.in_body(after=1), *[Drop.in_body(after=0)] * 2],
        (StreamCut, ConnectionLost),
    ),
    "silence on the way": ([Hang.in_body(after=1), Hang.in_body(after=0)], StreamStalled),
}


@pytest.mark.parametrize(("faults", "error"), FAULTS.values(), ids=FAULTS)
async def test_a_file_that_does_not_arrive_leaves_nothing(sim, tmp_path, faults, error):
    sim.fault("GET", "/outputs/*", *faults)
    async with inside(sim, limits=Limits(requests=1)) as novita:
        result = await flux(novita, image_num=1)
        with pytest.raises(error):
            await result.save(tmp_path)
        assert list(tmp_path.iterdir()) == []
        (path,) = await result.save(tmp_path)  # and another try is a try
        assert path.read_bytes().startswith(PNG)


async def test_the_files_that_can_be_had_are_taken_when_one_does_not_arrive(sim, tmp_path):
    sim.fault("GET", "/outputs/*-1.png", Refuse.with_status(404))
    async with inside(sim) as novita:
        result = await flux(novita, image_num=4)
        with pytest.raises(NotFound):
            await result.save(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        f"{result.task_id}-{number}.png" for number in (0, 2, 3)
    ]


async def test_several_files_come_at_once_but_not_all_and_in_their_order(clock, tmp_path):
    """Eight files of a second each, four at a time, take two seconds; the last of the first four is not waited for."""
    open_now, most = 0, 0

    async def handler(request):
        nonlocal open_now, most
        if not request.url.startswith(FILES):
            return json_reply({"images": [{"image_url": f"{FILES}{number}.png"} for number in range(8)]})
        open_now += 1
        most = max(most, open_now)
        await clock.sleep(1)
        open_now -= 1
        return Reply(200, {"content-length": "5"}, request.url[-5:].encode())

    told = []
    async with connected(handler, clock) as novita:
        result = await flux(novita)
        began = clock.monotonic()
        paths = await result.save(tmp_path, progress=lambda done, total: told.append((done, total)))
        assert clock.monotonic() - began == pytest.approx(2)
    assert most == 4
    assert [path.read_bytes() for path in paths] == [f"{number}.png".encode() for number in range(8)]
    stem = paths[0].name.removesuffix("-0.png")
    assert [path.name for path in paths] == [f"{stem}-{number}.png" for number in range(8)]
    assert told == [*[(5 * number, None) for number in range(1, 8)], (40, 40)]


async def test_files_that_wait_for_their_turn_and_for_new_links_do_not_wait_for_each_other(clock, tmp_path):
    """One request at a time, and every link dead at first: a download holds no turn while it asks for a link."""
    links = {"old": True}

    async def handler(request):
        if TASK_RESULT in request.url:
            names = [f"{FILES}{number}-{'old' if links['old'] else 'new'}.png" for number in range(6)]
            return json_reply({"task": {"task_id": "1", "status": "TASK_STATUS_SUCCEED"}, "images": names})
        return refusal(403) if "old" in request.url else Reply(200, {}, request.url[-9:].encode())

    async with connected(handler, clock, limits=Limits(requests=1)) as novita:
        result = await novita.tasks.wait("1")
        links["old"] = False
        paths = await result.save(tmp_path)
    assert [path.read_bytes() for path in paths] == [f"{number}-new.png".encode() for number in range(6)]


async def test_a_link_of_the_simulator_dies_in_its_time_and_the_error_says_when(sim, clock, tmp_path):
    async with inside(sim) as novita:
        result = await novita.images.run("txt2img", **PICTURE)
        ended = result.images[0].expires_at
        assert ended.timestamp() == pytest.approx(clock.time() + 3600, abs=30)
        await clock.sleep(3600)
        with pytest.raises(PermissionDenied, match=f"until {ended:%Y-%m-%d %H:%M:%S} UTC"):
            await result.save(tmp_path)
    assert list(tmp_path.iterdir()) == []


async def test_a_save_that_is_cancelled_ends_all_of_its_downloads(clock, tmp_path):
    async def handler(request):
        if not request.url.startswith(FILES):
            return json_reply({"images": [{"image_url": f"{FILES}{number}.png"} for number in range(3)]})
        return Reply(200, {}, Stream(b"first", hang=True))

    async with connected(handler, clock, timeouts=Timeouts(idle=None)) as novita:
        saving = asyncio.create_task((await flux(novita)).save(tmp_path))
        await turns()
        saving.cancel()
        with pytest.raises(asyncio.CancelledError):
            await saving
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("url", "media_type", "body", "name"),
    [
        (f"{FILES}a.webp?sig=1", "", PNG, "0.webp"),
        (f"{FILES}a.JPG", "", PNG, "0.jpeg"),
        (f"{FILES}a?name=b.gif", "", PNG, "0.png"),
        (f"{FILES}v1.2/a", "image/webp", b"?", "0.webp"),
        (f"{FILES}a.very-long", "application/octet-stream", b"?", "0.bin"),
    ],
)
async def test_a_file_that_is_not_said_what_it_is_is_named_by_its_link_or_its_bytes(
    clock, tmp_path, url, media_type, body, name
):
    server = Server(clock, {"images": [url]}, Reply(200, {"content-type": media_type}, body))
    async with connected(server, clock) as novita:
        result = await flux(novita)
        (path,) = await result.save(tmp_path)
        assert path.name.rpartition("-")[2] == name
        assert result.images[0].type == name.partition(".")[2].replace("bin", "")


async def test_results_without_a_task_do_not_take_each_others_place(clock, tmp_path):
    def answer(request):
        return Reply(200, {}, PNG) if request.url.startswith(FILES) else json_reply({"images": [f"{FILES}a.png"]})

    async with connected(Server(clock, answer), clock) as novita:
        first, second = await flux(novita), await novita.images.generate("another")
        paths = [*await first.save(tmp_path), *await second.save(tmp_path), *await first.save(tmp_path)]
    assert len(set(paths)) == 2
    assert paths[0] == paths[2]  # the same result has the same names


@pytest.mark.parametrize("where", ["a file in the way", "a directory of that name"])
async def test_a_path_that_cannot_be_written_is_an_os_error_and_leaves_nothing(sim, tmp_path, where):
    if where == "a file in the way":
        (tmp_path / "way").write_bytes(b"")
        path = tmp_path / "way" / "a.png"
    else:
        path = tmp_path / "a.png"
        path.mkdir()
    before = sorted(tmp_path.iterdir())
    async with inside(sim, limits=Limits(requests=1)) as novita:
        result = await flux(novita, image_num=1)
        with pytest.raises(OSError, match=r"a\.png|way"):
            await result.images[0].save(path)
        await result.images[0].bytes()
    assert sorted(tmp_path.iterdir()) == before


async def test_a_disk_that_is_full_leaves_nothing(sim, tmp_path):
    """A limit on the size of files, which is what a full disk looks like from here."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    quiet = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    async with inside(sim) as novita:
        result = await flux(novita, width=512, height=512, image_num=1)
        resource.setrlimit(resource.RLIMIT_FSIZE, (100, hard))
        try:
            with pytest.raises(OSError, match="too large"):
                await result.save(tmp_path)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
            signal.signal(signal.SIGXFSZ, quiet)
    assert list(tmp_path.iterdir()) == []


async def test_a_name_from_a_server_does_not_lead_elsewhere(clock, tmp_path):
    answer = {
        "task": {"task_id": "../../evil/\x00"},
        "images": [{"image_url": LINK, "image_type": "png/../../x"}],
    }
    async with connected(Server(clock, answer, json_reply("x")), clock) as novita:
        (path,) = await (await flux(novita)).save(tmp_path)
    assert path.parent == tmp_path
    assert [child.name for child in tmp_path.iterdir()] == [path.name]


# ----------------------------------------------------------------------------------------------- the rest


async def test_a_result_that_came_from_no_client_cannot_fetch(tmp_path):
    with pytest.raises(ValidationError, match="client"):
        await Image(url=LINK).save(tmp_path / "a.png")


async def test_a_failing_sync_model_is_an_error_of_its_own():
    async with JumpClock(grace=0) as clock, Simulator(clock=clock) as sim, inside(sim) as novita:
        sim.fault("POST", "/v3beta/flux-1-schnell", Outcome.failed("no face"))
        with pytest.raises(Exception, match="no face"):
            await flux(novita)
        assert len(sim.requests) == 1
