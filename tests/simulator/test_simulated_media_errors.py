"""What the media models refuse, and in which words: every reason that the platform has for it."""

from __future__ import annotations

import base64
import struct
from datetime import UTC, datetime
from typing import Any

import openapi
import pytest

from novita_async.catalog import load
from novita_async.simulator import Outcome, Refuse, Simulator
from novita_async.simulator.encode import picture

RESULT = "/v3/async/task-result"
MODELS = load()
IMAGE = openapi.contract("image")
IMAGE.operations()  # reads the file, here and not on the event loop

SD: dict[str, Any] = {
    "model_name": "x",
    "prompt": "a fox",
    "image_num": 1,
    "steps": 20,
    "guidance_scale": 7.5,
    "sampler_name": "Euler",
}


def bare(width: int = 64, height: int = 64, kind: str = "png") -> str:
    return base64.b64encode(picture("a fox", 1, width, height, kind)[0]).decode()


def claiming(width: int, height: int, size: int = 64) -> str:
    """The head of a PNG file of that size, and as many bytes of it as are asked for."""
    head = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + struct.pack(">II", width, height)
    return base64.b64encode(head.ljust(size, b"\0")).decode()


REFUSED: list[tuple[str, dict[str, Any], str, str]] = [
    # what is no body
    ("txt2img", {"request": []}, "INVALID_REQUEST_BODY", "request: not an object"),
    ("txt2img", SD, "INVALID_REQUEST_BODY", "model_name: missing"),  # without its wrapper
    ("wan2.6-t2v", {"prompt": "a fox"}, "INVALID_REQUEST_BODY", "prompt: missing"),
    ("wan2.6-t2v", {"input": {"prompt": "a fox"}, "parameters": {"size": "1*1"}}, "INVALID_REQUEST_BODY", "size: "),
    # what has a default and must be sent all the same
    ("vidu-q2-text2video", {"prompt": "a fox"}, "INVALID_REQUEST_BODY", "duration: missing"),
    # rules over several fields
    (
        "kling-v3.0-pro-t2v",
        {"prompt": "a", "multi_prompt": [{"prompt": "b"}]},
        "INVALID_REQUEST_BODY",
        "prompt and multi_prompt",
    ),
    ("image-eraser", {"image": "https://files.test/a.png"}, "INVALID_REQUEST_BODY", "mask or prompt"),
    ("minimax-hailuo-02", {"prompt": "a", "duration": 10, "resolution": "1080P"}, "INVALID_REQUEST_BODY", "resolution"),
    # files
    ("remove-text", {"image_file": "not base64!"}, "INVALID_REQUEST_BODY", "image_file: not base64"),
    ("remove-text", {"image_file": f"data:image/png;base64,{bare()}"}, "INVALID_REQUEST_BODY", "not base64"),
    ("image-upscaler", {"image": bare()}, "INVALID_REQUEST_BODY", "image: "),
    ("wan2.2", {}, "API_NOT_FOUND", ""),
    ("remove-text", {"image_file": "aGVsbG8="}, "INVALID_IMAGE_FORMAT", "image_file: not a picture"),
    ("remove-background", {"image_file": bare(kind="webp")}, "INVALID_IMAGE_FORMAT", "png"),
    ("remove-text", {"image_file": bare(1025, 1025)}, "IMAGE_EXCEEDS_MAX_RESOLUTION", "at most 1048576"),
    ("remove-text", {"image_file": claiming(0, 5)}, "INVALID_IMAGE_SIZE", "sides of 0 and 5"),
    (
        "seedream-4.0",
        {"prompt": "a", "images": [f"data:image/png;base64,{claiming(4000, 100)}"]},
        "INVALID_IMAGE_SIZE",
        "images[0]",
    ),
    (
        "inpainting",
        {"request": {**SD, "image_base64": bare(), "mask_image_base64": bare(32)}},
        "INVALID_IMAGE_SIZE",
        "mask_image_base64",
    ),
    # words
    ("seedream-5.0-lite", {"prompt": "Something Forbidden"}, "ILLEGAL_PROMPT", ""),
    ("txt2img", {"request": {**SD, "prompt": "forbidden", "width": 128, "height": 128}}, "ILLEGAL_PROMPT", ""),
    ("minimax-speech-02-hd", {"text": "forbidden", "voice_setting": {"voice_id": "Wise_Woman"}}, "ILLEGAL_PROMPT", ""),
    (
        "txt2img",
        {
            "request": {**SD, "width": 128, "height": 128},
            "extra": {"custom_storage": {"aws_s3": {"region": "r", "bucket": "b", "path": "../up"}}},
        },
        "INVALID_CUSTOM_OUTPUT_PATH",
        "path",
    ),
]


@pytest.mark.parametrize(("name", "body", "reason", "words"), REFUSED)
async def test_what_cannot_be_done_is_refused_with_its_reason(sim, api, name, body, reason, words):
    path = MODELS[name].path if name in MODELS else f"/v3/async/{name}"
    answer = await api("POST", path, body)
    found = answer.json()
    assert (answer.status, found["reason"]) == (404 if reason == "API_NOT_FOUND" else 400, reason)
    assert words in found["message"]
    assert found["code"] == answer.status
    assert sim.submits == {}


async def test_a_file_of_too_many_bytes_is_refused(api):
    answer = await api("POST", "/v3/remove-text", {"image_file": claiming(64, 64, (30 << 20) + 1)})
    assert (answer.status, answer.json()["reason"]) == (400, "IMAGE_FILE_EXCEEDS_MAX_SIZE")
    assert answer.json()["message"] == "image_file: 31457281 bytes, at most 31457280"


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b'"text"', b"\xff"])
async def test_a_body_that_is_no_object_is_refused(api, body):
    answer = await api("POST", "/v3/seedream-4.0", body, content_type="application/json")
    assert (answer.status, answer.json()["reason"]) == (400, "INVALID_REQUEST_BODY")


async def test_fields_that_nobody_knows_are_ignored(api):
    extra = {"response_image_type": "png", "colour": "blue"}
    body = {"extra": extra, "request": {**SD, "width": 128, "height": 128, "new": 1}, "more": True}
    assert (await api("POST", "/v3/async/txt2img", body)).status == 200


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        (400, "IMAGE_NO_FACE_DETECTED"),
        (400, "ILLEGAL_IMAGE_CONTENT"),
        (400, "BILLING_BALANCE_NOT_ENOUGH"),
        (403, "API_NOT_ALLOWED"),
        (500, "CREATE_TASK_FAILED"),
        (500, "BILLING_FAILED"),
    ],
)
async def test_what_the_simulator_cannot_see_itself_is_a_fault_on_request(sim, api, status, reason):
    sim.fault("POST", "/v3/merge-face", Refuse.with_reason(status, reason))
    answer = await api("POST", "/v3/merge-face", {"face_image_file": bare(), "image_file": bare()})
    IMAGE.check_response("POST", "/v3/merge-face", status, "application/json", answer.body)
    assert answer.json()["reason"] == reason


async def test_an_editor_that_fails_does_so_after_its_time(clock, sim, api):
    sim.fault("POST", "/v3/reimagine", Outcome.failed("cuda went away", after=7))
    answer = await api("POST", "/v3/reimagine", {"image_file": bare()})
    assert (answer.status, answer.json()["reason"], clock.monotonic()) == (500, "TASK_FAILED", 7)


async def test_a_large_body_is_read_in_a_thread(clock, api):
    threads = 0
    plain = clock.to_thread

    async def counted(function):
        nonlocal threads
        threads += 1
        return await plain(function)

    clock.to_thread = counted
    text = claiming(512, 512, 20 << 20)
    answer = await api("POST", "/v3/img2prompt", {"image_file": text})
    assert answer.json()["prompt"].startswith("a square picture")
    assert threads == 4  # the catalog, the body, the file, and the description of the picture


@pytest.mark.parametrize(("day", "answers"), [("2026-07-21", True), ("2026-07-22", False)])
async def test_a_retired_model_is_not_found_from_its_day_on(clock, api, day, answers):
    await clock.sleep(datetime.fromisoformat(day).replace(tzinfo=UTC).timestamp() - clock.time())
    body = {"prompt": "a fox"}
    async with Simulator(clock=clock, retired=True) as strict, Simulator(clock=clock) as lenient:
        for sim, expected in ((strict, answers), (lenient, True)):
            client = type(api)(sim)
            answer = await client("POST", "/v3/async/kling-2.5-turbo-t2v", body)
            assert (answer.status == 200) is expected
            if not expected:
                assert (answer.status, answer.json()["reason"]) == (404, "API_NOT_FOUND")
            assert (await client("POST", "/v3/async/kling-v3.0-std-t2v", body)).status == 200
