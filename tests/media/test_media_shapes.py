"""Answers of every shape that the three specs know, read as one result."""

from __future__ import annotations

import base64
import datetime

import msgspec
import pytest
from helpers import BASE, TASK_RESULT, Server, connected, json_reply

from novita_async import Reply
from novita_async.errors import (
    APIError,
    AuthenticationError,
    BadRequest,
    InsufficientBalance,
    NotFound,
    ProtocolError,
    RateLimited,
    ServerError,
    TaskExpired,
)
from novita_async.media.kinds import sniff
from novita_async.media.outputs import Audio, Image, Video
from novita_async.media.results import media_result
from novita_async.runtime.call import Call

LINK = "https://files.test/a"
PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(256))
WAV = b"RIFF\x24\x00\x00\x00WAVEfmt " + bytes(range(256))
MP3 = b"ID3\x03" + bytes(range(200))
WORDS = "a lighthouse on a rock"


def b64(data):
    return base64.b64encode(data).decode()


async def answered(clock, answer):
    """What an answer to a call is read as, whichever model it was that answered at once."""
    async with connected(Server(clock, answer), clock) as novita:
        runtime = novita._core()
        return media_result(runtime, await runtime.request(Call(method="POST", url=f"{BASE}/v3/any-model")))


async def told(clock, **answer):
    """What a task's state is read as, done."""
    answer = {"task": {"task_id": "1", "status": "TASK_STATUS_SUCCEED"}, **answer}
    async with connected(Server(clock, answer), clock) as novita:
        return await novita.tasks.wait("1")


# ------------------------------------------------------------------------------------------------- links

IMAGE = [("img", LINK)]
AUDIO = [("audio", LINK)]
LINKED = {
    "FLUX.1 schnell": ({"task": {"task_id": "1"}, "images": [{"image_url": LINK, "image_type": "png"}]}, IMAGE),
    "Seedream 4": ({"images": [LINK, f"{LINK}2"]}, [*IMAGE, ("img", f"{LINK}2")]),
    "Seedream 4, objects": ({"images": [{"image_url": LINK}, {"url": f"{LINK}2"}]}, [*IMAGE, ("img", f"{LINK}2")]),
    "Seedream 3": ({"image_urls": [LINK], "binary_data_base64": []}, IMAGE),
    "Seedream 3, null": ({"image_urls": [LINK], "binary_data_base64": None}, IMAGE),
    "speech, flat": ({"audio": LINK}, AUDIO),
    "speech, nested": (
        {"data": {"audio": LINK, "status": 2}, "extra_info": None, "base_resp": {"status_code": 0}},
        AUDIO,
    ),
    "GLM clone": ({"voice": "v", "audio_url": LINK}, AUDIO),
    "MiniMax clone": ({"voice_id": "v", "demo_audio_url": LINK}, AUDIO),
    "music": ({"audios": [LINK]}, AUDIO),
    "music, objects": ({"audios": [{"audio_url": LINK, "audio_type": "mp3"}]}, AUDIO),
    "music, nested": ({"data": {"audios": [LINK]}, "base_resp": {"status_code": 0, "status_msg": "success"}}, AUDIO),
    "wrapped": ({"code": 0, "message": "success", "data": {"images": [LINK]}}, IMAGE),
}


@pytest.mark.parametrize(("answer", "expected"), LINKED.values(), ids=LINKED)
async def test_links_are_found_wherever_they_stand(clock, answer, expected):
    result = await answered(clock, answer)
    assert [(output.tag, output.url) for output in result.outputs] == expected
    assert result.raw == answer


async def test_a_task_may_have_files_of_all_kinds_and_leave_lists_out(clock):
    result = await told(
        clock,
        images=[{"image_url": LINK, "image_type": "webp"}],
        videos=[{"video_url": LINK, "video_type": "gif"}],
        audios=[{"audio_url": LINK, "audio_type": "MP3", "audio_metadata": {"text": "hello", "start_time": 0.5}}],
    )
    assert [type(output) for output in result.outputs] == [Image, Video, Audio]
    assert [output.type for output in result.outputs] == ["webp", "gif", "mp3"]
    assert result.audios[0].audio_metadata == {"text": "hello", "start_time": 0.5}
    empty = await told(clock, images=[], videos=None)
    assert (empty.images, empty.videos, empty.audios, empty.outputs) == ([], [], [], [])


async def test_a_state_with_text_where_numbers_belong_is_read(clock):
    task = {"task_id": "1", "status": "TASK_STATUS_PROCESSING", "eta": "12.5", "progress_percent": "", "reason": None}
    done = {**task, "status": "TASK_STATUS_SUCCEED", "task_type": "TXT_TO_IMG", "eta": None}
    async with connected(Server(clock, {"task": task}, {"task": done}), clock) as novita:
        handle = novita.tasks.get("1")
        await handle.refresh()
        assert (handle.eta, handle.progress) == (12.5, 0)
        result = await handle.wait()
    assert (result.task.task_type, result.task.reason, result.task.eta) == ("TXT_TO_IMG", "", 0)


# ------------------------------------------------------------------------------------- files in the answer

INLINE = {
    "an editor": ({"image_file": b64(PNG), "image_type": "png"}, PNG, "png"),
    "Seedream 3": ({"image_urls": [], "binary_data_base64": [b64(PNG)]}, PNG, "png"),
    "where a link belongs": ({"images": [{"image_url": b64(PNG), "image_url_ttl": "0", "image_type": ""}]}, PNG, "png"),
    "a data URI": ({"images": [f"data:image/webp;base64,{b64(PNG)}"]}, PNG, "webp"),
    "in lines, without its padding": ({"images": [b64(PNG)[:40] + "\n" + b64(PNG)[40:].rstrip("=")]}, PNG, "png"),
    "speech in hex": ({"audio": WAV.hex()}, WAV, "wav"),
    "speech in hex, nested": (
        {"data": {"audio": MP3.hex().upper(), "status": 2}, "extra_info": {"audio_format": "mp3"}},
        MP3,
        "mp3",
    ),
    "samples that nothing marks": (
        {"data": {"audio": "00010203"}, "extra_info": {"audio_format": "pcm"}},
        b"\0\1\2\3",
        "pcm",
    ),
    "speech in base64": ({"audio": b64(WAV)}, WAV, "wav"),
    "a designed voice": ({"voice_id": "v", "trial_audio": MP3.hex()}, MP3, "mp3"),
}


def longer(answer, data, kind):
    """The same answer with a file of half a megabyte; None where its text stands there in another form."""
    long, body = data + bytes(range(256)) * 2000, msgspec.json.encode(answer)
    for text, new in ((b64(data), b64(long)), (data.hex(), long.hex()), (data.hex().upper(), long.hex().upper())):
        if len(data) > 8 and text.encode() in body:
            return msgspec.json.decode(body.replace(text.encode(), new.encode())), long, kind
    return None


LONG = {f"{name}, long": case for name, short in INLINE.items() if (case := longer(*short)) is not None}


@pytest.mark.parametrize(("answer", "data", "kind"), [*INLINE.values(), *LONG.values()], ids=[*INLINE, *LONG])
async def test_files_in_the_answer_are_as_good_as_linked_ones(clock, tmp_path, answer, data, kind):
    result = await answered(clock, answer)
    (output,) = result.outputs
    assert (output.url, output.type, output.ttl, output.expires_at) == ("", kind, None, None)
    (path,) = await result.save(tmp_path)
    assert (path.name.rpartition("-")[2], path.read_bytes()) == (f"0.{kind}", data)
    async with output.open() as stream:
        assert (stream.length, b"".join([chunk async for chunk in stream])) == (len(data), data)
    assert await output.bytes() == await result.bytes() == data
    progress = []
    await (await answered(clock, answer)).bytes(progress=lambda *now: progress.append(now))
    assert progress == [(len(data), len(data))]


async def test_a_long_file_is_decoded_off_the_loop(clock):
    threads = []
    to_thread = clock.to_thread

    async def seen(function):
        threads.append(function)
        return await to_thread(function)

    clock.to_thread = seen
    result = await answered(clock, {"image_file": b64(PNG * 1000), "image_type": "png"})
    before = len(threads)
    assert await result.bytes() == PNG * 1000
    assert len(threads) == before + 1


async def test_slashes_that_json_escaped_are_slashes(clock):
    data = b"\xff" * 100_000  # all slashes in base64
    body = b'{"image_file": "%b"}' % b64(data).encode().replace(b"/", b"\\/")
    result = await answered(clock, Reply(200, {"content-type": "application/json"}, body))
    assert await result.bytes() == data


@pytest.mark.parametrize("long", [False, True])
async def test_text_that_is_neither_a_link_nor_a_file_is_an_error_when_it_is_fetched(clock, long):
    result = await answered(clock, {"images": ["not a file!" * (10_000 if long else 1)], "audio": LINK})
    assert result.images[0].type == ""
    with pytest.raises(ProtocolError, match="neither a link nor a file"):
        await result.images[0].bytes()
    with pytest.raises(ValueError, match="2 files"):
        await result.bytes()


# ------------------------------------------------------------------------------------ the answer is the file


@pytest.mark.parametrize(
    ("media_type", "body", "kind"),
    [
        ("audio/mpeg", MP3, "mp3"),
        ("audio/wav", WAV, "wav"),
        ("audio/x-wav; charset=binary", WAV, "wav"),
        ("audio/pcm", b"\0\1", "pcm"),
        ("audio/opus", b"OggS", "opus"),
        ("application/octet-stream", WAV, "wav"),
        ("application/octet-stream", b"{\0\1", ""),
        ("Audio/Flac", b"fLaC", "flac"),
    ],
)
async def test_an_answer_may_be_the_file_itself(clock, tmp_path, media_type, body, kind):
    result = await answered(clock, Reply(200, {"Content-Type": media_type}, body))
    assert [(type(output), output.type, output.url) for output in result.outputs] == [(Audio, kind, "")]
    assert (result.raw, result.extra, result.task_id) == ({}, {}, "")
    (path,) = await result.save(tmp_path)
    assert (path.name.rpartition("-")[2], path.read_bytes()) == (f"0.{kind or 'bin'}", body)
    async with result.open() as stream:
        assert await stream.read() == body


async def test_a_picture_or_a_clip_may_come_so_too(clock):
    assert (await answered(clock, Reply(200, {"content-type": "image/jpeg"}, b"\xff\xd8\xff"))).images[0].type == "jpeg"
    assert (await answered(clock, Reply(200, {"content-type": "video/mp4"}, b"...."))).videos[0].type == "mp4"


async def test_a_refusal_that_says_it_is_sound_is_a_refusal(clock):
    body = json_reply({"code": 400, "reason": "INVALID_AUDIO_FILE", "message": "bad", "metadata": {}}).body
    with pytest.raises(BadRequest, match="bad"):
        await answered(clock, Reply(200, {"content-type": "audio/mpeg"}, body))
    with pytest.raises(ProtocolError, match="empty"):
        await answered(clock, Reply(200, {"content-type": "audio/mpeg"}, b""))


# ------------------------------------------------------------------------------------------ words and voices


@pytest.mark.parametrize(
    ("answer", "text", "voice_id"),
    [
        ({"prompt": WORDS}, WORDS, ""),
        ({"text": WORDS}, WORDS, ""),
        ({"text": ""}, "", ""),
        ({"lyrics": WORDS, "song_title": "Rock", "style_tags": "sea"}, WORDS, ""),
        ({"voice": "v-1", "audio_url": LINK}, "", "v-1"),
        ({"voice_id": "v-2", "demo_audio_url": None}, "", "v-2"),
        ({"_id": "v-3", "state": "trained", "author": {"_id": "a"}, "samples": [{"audio": LINK}]}, "", "v-3"),
        ({"data": {"voice_id": "v-4"}, "base_resp": {"status_code": 0}}, "", "v-4"),
    ],
)
async def test_words_and_voices_have_their_attributes(clock, answer, text, voice_id):
    result = await answered(clock, answer)
    assert (result.text, result.voice_id) == (text, voice_id)
    assert result.raw == answer


async def test_long_words_are_words(clock):
    """As long as a file may be, and beside one: an hour that was written down."""
    text = 'she said "hello" \n' * 10_000
    for answer in ({"text": text}, {"data": {"text": text, "audio": WAV.hex() * 1000}, "notes": [{"x": text}]}):
        result = await answered(clock, answer)
        assert result.text == text
    assert result.extra == {"notes": [{"x": text}]}
    assert await result.bytes() == WAV * 1000


async def test_what_has_no_attribute_stands_in_extra(clock):
    lyrics = await answered(clock, {"lyrics": WORDS, "song_title": "Rock", "style_tags": "sea"})
    assert lyrics.extra == {"song_title": "Rock", "style_tags": "sea"}
    info = {"audio_length": 1200, "usage_characters": 5}
    data = {"audio": LINK, "status": 2, "subtitle_file": f"{LINK}.json"}
    speech = await answered(clock, {"data": data, "extra_info": info, "trace_id": "t", "base_resp": {"status_code": 0}})
    assert speech.extra == {
        "extra_info": info,
        "trace_id": "t",
        "status": 2,
        "subtitle_file": f"{LINK}.json",
        "base_resp": {"status_code": 0},
    }
    picture = await told(clock, images=[LINK], extra={"seed": "7", "debug_info": {}}, novel=1)
    assert picture.extra == {"seed": "7", "debug_info": {}, "novel": 1}


async def test_minimax_may_have_no_data_and_no_failure(clock):
    result = await answered(clock, {"data": None, "trace_id": "t", "base_resp": {"status_code": 0}})
    assert (result.outputs, result.extra["trace_id"]) == ([], "t")


@pytest.mark.parametrize(
    ("extra", "seed"),
    [
        ({"seed": "7"}, 7),
        ({"seed": -1}, -1),
        ({"seed": 0}, 0),
        ({"seed": "?"}, None),
        ({"seed": ""}, None),
        (None, None),
    ],
)
async def test_the_seed_is_a_number_when_the_platform_tells_one(clock, extra, seed):
    assert (await told(clock, extra=extra)).seed == seed


# --------------------------------------------------------------------------------------- verdicts and ends


@pytest.mark.parametrize(
    ("said", "confidence"),
    [
        ({"valid": True, "confidence": 97.5}, 97.5),
        ({"valid": True, "confidence": "3"}, 3.0),
        ({"valid": True}, 0.0),
        ({"valid": False, "confidence": 0}, None),
        ({}, None),
        (None, None),
    ],
)
async def test_a_verdict_is_there_when_the_check_ran(clock, said, confidence):
    result = await told(clock, images=[{"image_url": LINK, "nsfw_detection_result": said}])
    verdict = result.images[0].nsfw
    assert (verdict.confidence if verdict else None) == confidence


async def test_a_verdict_of_yes_or_no_is_one_too(clock):
    images = [{"image_url": LINK}] * 3
    for judged, expected in (([False, True], [0.0, 100.0, None]), ([], [None] * 3), ("?", [None] * 3)):
        result = await told(clock, images=images, extra={"has_nsfw_contents": judged})
        assert [image.nsfw and image.nsfw.confidence for image in result.images] == expected


@pytest.mark.parametrize(
    ("ttl", "expected"),
    [
        (3600, 3600),
        ("3600", 3600),
        (604800.0, 604800),
        ("0", None),
        (0, None),
        ("", None),
        (None, None),
        ("soon", None),
        (-5, None),
        (True, None),
        ("9" * 400, None),
        ({}, None),
    ],
)
async def test_the_life_of_a_link_is_seconds_or_not_stated(clock, ttl, expected):
    result = await told(clock, videos=[{"video_url": LINK, "video_url_ttl": ttl}])
    assert result.videos[0].ttl == expected
    assert (result.videos[0].expires_at is None) == (expected is None)


async def test_a_link_lives_from_when_its_task_was_done_or_from_when_its_answer_came(clock):
    images = [{"image_url": LINK, "image_url_ttl": "3600"}]
    await clock.sleep(500)
    for done, began in (("1760000100000", 1_760_000_100), (1_760_000_100_000, 1_760_000_100), ("", None), ("0", None)):
        result = await told(clock, images=images, extra={"debug_info": {"complete_time_ms": done}})
        expected = datetime.datetime.fromtimestamp((began or clock.time()) + 3600, datetime.UTC)
        assert result.images[0].expires_at == expected
    assert (await answered(clock, {"images": images})).images[0].expires_at is not None
    endless = {"image_url": LINK, "image_url_ttl": 1e17}  # no calendar has that day
    assert (await answered(clock, {"images": [endless]})).images[0].expires_at is None


# ------------------------------------------------------------------------------------------------ refusals


@pytest.mark.parametrize(
    ("answer", "error", "words"),
    [
        ({"base_resp": {"status_code": 1002, "status_msg": "too fast"}, "trace_id": "t-1"}, RateLimited, "too fast"),
        ({"base_resp": {"status_code": "1039", "status_msg": "tokens"}, "data": None}, RateLimited, "tokens"),
        ({"base_resp": {"status_code": 1004}}, AuthenticationError, "1004"),
        ({"base_resp": {"status_code": 2013, "status_msg": "bad"}, "data": {"audio": ""}}, BadRequest, "bad"),
        ({"base_resp": {"status_code": 1042, "status_msg": "what?"}}, BadRequest, "what"),
        ({"base_resp": {"status_code": 1000, "status_msg": ""}}, ServerError, "1000"),
        ({"base_resp": {"status_code": 1001}, "data": {"audio": LINK}}, ServerError, "1001"),
        ({"base_resp": {"status_code": 4711, "status_msg": "novel"}}, APIError, "novel"),
        ({"code": 429, "reason": "RATE_LIMIT_EXCEEDED", "message": "slow down", "metadata": {}}, RateLimited, "slow"),
        ({"code": 400, "reason": "BILLING_BALANCE_NOT_ENOUGH", "message": "no"}, InsufficientBalance, "no"),
        ({"code": 500, "message": "broken"}, ServerError, "broken"),
        ({}, ProtocolError, "neither"),
        ({"images": None, "task": None}, ProtocolError, "neither"),
        ({"images": [], "audio": "", "image_file": None}, ProtocolError, "neither"),
        ({"code": 0, "message": "ok", "data": {}}, ProtocolError, "neither"),
        ([], ProtocolError, "unreadable"),
        (Reply(200, {}, b"<html>"), ProtocolError, "<html>"),
        (Reply(200, {}, b"<html>" * 50_000), ProtocolError, "<html>"),
    ],
)
async def test_a_200_without_a_result_is_an_error_of_its_own_class(clock, answer, error, words):
    with pytest.raises(error, match=words) as refused:
        await answered(clock, answer)
    assert type(refused.value) is error
    if isinstance(answer, dict) and "trace_id" in answer:
        assert (refused.value.request_id, refused.value.reason) == ("t-1", "1002")


async def test_a_refusal_in_place_of_a_state_ends_the_wait_for_it(clock):
    server = Server(clock, {"code": 404, "reason": "TASK_NOT_FOUND", "message": "unknown", "metadata": {}})
    async with connected(server, clock) as novita:
        with pytest.raises((NotFound, TaskExpired)):
            await novita.tasks.wait("1")
    assert TASK_RESULT in server.requests[0].url


# -------------------------------------------------------------------------------------------------- marks


@pytest.mark.parametrize(
    ("head", "kind"),
    [
        (PNG, "png"),
        (b"\xff\xd8\xff\xe0", "jpeg"),
        (b"GIF89a", "gif"),
        (b"RIFF\0\0\0\0WEBPVP8 ", "webp"),
        (WAV, "wav"),
        (b"RIFF\0\0\0\0AVI ", ""),
        (b"\0\0\0\x18ftypisom", "mp4"),
        (b"\0\0\0\x18ftypM4A ", "m4a"),
        (b"\0\0\0\x18ftypqt  ", "mov"),
        (b"\x1aE\xdf\xa3", "webm"),
        (MP3, "mp3"),
        (b"\xff\xfb\x90\x64", "mp3"),
        (b"\xff\xf3\x90\x64", "mp3"),
        (b"\xff\xff\xff\xff", ""),
        (b"fLaC", "flac"),
        (b"OggS" + bytes(24) + b"OpusHead", "opus"),
        (b"OggS" + bytes(24) + b"\x01vorbis", "ogg"),
        (b"", ""),
        (b"\xff", ""),
        (b"\0\0\0\0", ""),
    ],
)
def test_files_are_known_by_their_first_bytes(head, kind):
    assert sniff(head[:64]) == kind
