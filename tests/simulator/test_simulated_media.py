from __future__ import annotations

import base64
import gc
import struct
import tracemalloc
from typing import Any

import msgspec
import pytest

from novita_async.simulator import Edit, Outcome, Simulator
from novita_async.simulator.measure import measure
from novita_async.simulator.pictures import draw

RESULT = "/v3/async/task-result"
TXT2IMG = "/v3/async/txt2img"
SCHNELL = "/v3beta/flux-1-schnell"
KLING = "/v3/async/kling-v3.0-std-t2v"

PARAMS: dict[str, Any] = {
    "model_name": "sd_xl_base_1.0.safetensors",
    "prompt": "a lighthouse at sunset",
    "width": 256,
    "height": 128,
    "image_num": 2,
    "steps": 20,
    "guidance_scale": 7.5,
    "sampler_name": "DPM++ 2M Karras",
}
SCHNELL_BODY: dict[str, Any] = {
    "prompt": "a red fox",
    "seed": 3,
    "steps": 4,
    "width": 128,
    "height": 64,
    "image_num": 1,
}
KLING_BODY: dict[str, Any] = {"prompt": "A paper boat drifts across a calm pond"}


async def submit(api, path: str = TXT2IMG, body: Any = None) -> str:
    answer = await api("POST", path, body or {"request": PARAMS})
    assert answer.status == 200, answer.body
    return answer.json()["task_id"]


async def result(api, task: str) -> Any:
    answer = await api("GET", f"{RESULT}?task_id={task}")
    assert answer.status == 200, answer.body
    return answer.json()


async def test_a_task_is_queued_then_works_then_has_succeeded(clock, api, image_contract):
    task = await submit(api)
    seen = []
    for _ in range(7):
        found = await result(api, task)
        image_contract.check("TaskResult", found)
        seen.append((found["task"]["status"], found["task"]["progress_percent"], found["task"]["eta"]))
        assert bool(found["images"]) is (found["task"]["status"] == "TASK_STATUS_SUCCEED")
        await clock.sleep(1)
    assert seen == [
        ("TASK_STATUS_QUEUED", 0, 0),
        ("TASK_STATUS_PROCESSING", 5, 4),
        ("TASK_STATUS_PROCESSING", 29, 3),
        ("TASK_STATUS_PROCESSING", 52, 2),
        ("TASK_STATUS_PROCESSING", 76, 1),
        ("TASK_STATUS_SUCCEED", 100, 0),
        ("TASK_STATUS_SUCCEED", 100, 0),
    ]


async def test_results_have_numbers_as_text_where_the_samples_do(clock, api):
    task = await submit(api, body={"request": {**PARAMS, "seed": 42}})
    await clock.sleep(5)
    found = await result(api, task)
    assert found["extra"]["seed"] == "42"
    debug = found["extra"]["debug_info"]
    assert int(debug["complete_time_ms"]) - int(debug["submit_time_ms"]) == 5000
    assert msgspec.json.decode(debug["request_info"])["prompt"] == PARAMS["prompt"]
    assert [image["image_url_ttl"] for image in found["images"]] == ["3600", "3600"]
    assert found["images"][0]["nsfw_detection_result"] is None


async def test_a_video_task_gives_a_clip(clock, api, video_contract):
    task = await submit(api, KLING, KLING_BODY)
    await clock.sleep(5)
    found = await result(api, task)
    video_contract.check("TaskResult", found)
    (video,) = found["videos"]
    assert (video["video_url_ttl"], video["video_type"], found["images"]) == ("3600", "mp4", [])
    clip = await api("GET", video["video_url"], key=None)
    assert (clip.headers["content-type"], clip.body[4:8]) == ("video/mp4", b"ftyp")


async def test_schnell_answers_at_once_with_its_pictures(clock, api, image_contract):
    answer = await api("POST", SCHNELL, SCHNELL_BODY)
    image_contract.check("Flux1SchnellResponse", answer.json())
    assert clock.monotonic() == 1
    (image,) = answer.json()["images"]
    assert image["image_url_ttl"] == 604800
    picture = await api("GET", image["image_url"], key=None)
    assert struct.unpack(">II", picture.body[16:24]) == (128, 64)


async def test_pictures_have_the_size_that_was_asked_for_and_differ(clock, api):
    task = await submit(api)
    await clock.sleep(5)
    first, second = [
        (await api("GET", image["image_url"], key=None)).body for image in (await result(api, task))["images"]
    ]
    assert struct.unpack(">II", first[16:24]) == struct.unpack(">II", second[16:24]) == (256, 128)
    assert first != second


async def test_the_same_seed_gives_the_same_picture_in_another_simulator(clock, api):
    pictures = []
    for seed in (1, 2):
        async with Simulator(clock=clock, seed=seed) as simulator:
            client = type(api)(simulator)
            answer = (await client("POST", SCHNELL, SCHNELL_BODY)).json()
            pictures.append((await client("GET", answer["images"][0]["image_url"], key=None)).body)
    assert pictures[0] == pictures[1]


@pytest.mark.parametrize("kind", ["png", "jpeg", "webp"])
async def test_pictures_come_in_the_format_that_was_asked_for(api, kind):
    answer = await api("POST", SCHNELL, {**SCHNELL_BODY, "response_image_format": kind})
    (image,) = answer.json()["images"]
    assert image["image_type"] == kind
    file = await api("GET", image["image_url"], key=None)
    assert (file.headers["content-type"], measure(file.body)) == (f"image/{kind}", (kind, 128, 64))


DAY = 24 * 3600


@pytest.mark.parametrize(
    ("path", "body", "life", "said"),
    [
        (TXT2IMG, {"request": PARAMS}, 3600, "3600"),
        (KLING, KLING_BODY, 3600, "3600"),
        (SCHNELL, SCHNELL_BODY, 7 * DAY, 604800),
        ("/v3/async/qwen-image-txt2img", {"prompt": "a fox", "size": "256*256"}, 30 * DAY, "0"),
        (
            "/v3/async/minimax-speech-2.8-turbo",
            {"text": "Hello", "voice_setting": {"voice_id": "Wise_Woman"}},
            9 * 3600,
            "32400",
        ),
        (
            "/v3/async/minimax-speech-02-hd",
            {"text": "Hello", "voice_setting": {"voice_id": "Wise_Woman"}},
            DAY,
            "86400",
        ),
    ],
)
async def test_links_live_as_long_as_they_say_and_asking_again_does_not_prolong_them(
    clock, api, path, body, life, said
):
    begun = clock.monotonic()
    answer = (await api("POST", path, body)).json()
    if "task_id" in answer:
        await clock.sleep(5)
        answer = await result(api, answer["task_id"])
    ended = clock.monotonic()
    assert ended - begun == (1 if path == SCHNELL else 5)
    word, output = next((word, answer[f"{word}s"][0]) for word in ("image", "video", "audio") if answer.get(f"{word}s"))
    assert output[f"{word}_url_ttl"] == said
    link = output[f"{word}_url"]
    await clock.sleep(life - 1)
    assert (await api("GET", link, key=None)).status == 200
    again = await result(api, answer["task"]["task_id"]) if "task" in answer else {}
    await clock.sleep(1)
    assert (await api("GET", link, key=None)).status == 403
    for each in again.get(f"{word}s", ()):
        assert (await api("GET", each[f"{word}_url"], key=None)).status == 403


async def test_links_of_pictures_that_come_alone_live_for_a_day(clock, api):
    answer = await api("POST", "/v3/seedream-3-0-txt2img", {"prompt": "a fox", "size": "512x512"})
    (link,) = answer.json()["image_urls"]
    await clock.sleep(DAY - 1)
    assert (await api("GET", link, key=None)).status == 200
    await clock.sleep(1)
    assert (await api("GET", link, key=None)).status == 403


@pytest.mark.parametrize(("prompt", "unsafe"), [("a fox", False), ("something NSFW", True)])
async def test_pictures_are_judged_when_that_is_asked_for(clock, api, image_contract, prompt, unsafe):
    body = {"extra": {"enable_nsfw_detection": True, "nsfw_detection_level": 2}, **with_params(prompt=prompt)}
    task = await submit(api, body=body)
    await clock.sleep(5)
    found = await result(api, task)
    image_contract.check("TaskResult", found)
    verdicts = [image["nsfw_detection_result"] for image in found["images"]]
    assert [each["valid"] for each in verdicts] == [True, True]
    assert [each["confidence"] > 90 for each in verdicts] == [unsafe, unsafe]


async def test_qwen_judges_without_being_asked(clock, api):
    task = await submit(api, "/v3/async/qwen-image-txt2img", {"prompt": "nsfw"})
    assert (await result(api, task))["extra"]["has_nsfw_contents"] == []
    await clock.sleep(5)
    found = await result(api, task)
    assert found["extra"]["has_nsfw_contents"] == [True]
    assert found["task"]["task_type"] == "QWEN_IMAGE_TEXT_TO_IMAGE"


async def test_most_image_models_tell_no_progress(clock, api):
    task = await submit(api, "/v3/async/qwen-image-txt2img", {"prompt": "a fox"})
    await clock.sleep(3)
    assert (await result(api, task))["task"] == {
        "task_id": task,
        "task_type": "QWEN_IMAGE_TEXT_TO_IMAGE",
        "status": "TASK_STATUS_PROCESSING",
        "reason": "",
        "progress_percent": 0,
        "eta": 2,
    }


@pytest.mark.parametrize(("seed", "kept"), [(-1, False), (0, False), (7, True)])
async def test_any_seed_has_several_ways_to_be_said(clock, api, seed, kept):
    path = "/v3/async/vidu-q3-turbo-t2v" if seed == 0 else "/v3/async/seedance-v1-pro-t2v"
    body = {"prompt": "a fox", "resolution": "720p", "duration": 5, "seed": seed}
    found = await result(api, await submit(api, path, body))
    assert (found["extra"]["seed"] == str(seed)) is kept


async def test_what_is_repeated_of_a_request_is_not_its_files(clock, api):
    image = base64.b64encode(draw("a fox", 1, 64, 64)).decode()
    task = await submit(api, "/v3/async/img2img", with_params(image_base64=image))
    said = msgspec.json.decode((await result(api, task))["extra"]["debug_info"]["request_info"])
    assert said["image_base64"] == image[:512] + "..."


async def test_tasks_weigh_little(clock, sim, api):
    await submit(api, KLING, KLING_BODY)
    tracemalloc.start()
    for _ in range(500):
        await submit(api, KLING, KLING_BODY)
    gc.collect()
    weight = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    assert weight / 500 < 4096  # what is kept of the requests for tests included
    assert sim.submits == {"kling-v3.0-std-t2v": 501}


async def test_a_failed_task_is_an_answer_with_its_reason(clock, sim, api, image_contract):
    sim.fault("POST", TXT2IMG, Outcome.failed("out of memory"))
    task = await submit(api)
    await clock.sleep(5)
    found = await result(api, task)
    image_contract.check("TaskResult", found)
    assert (found["task"]["status"], found["task"]["reason"]) == ("TASK_STATUS_FAILED", "out of memory")
    assert found["images"] == []
    assert (await result(api, await submit(api)))["task"]["reason"] == ""


async def test_a_task_can_be_given_its_own_time(clock, sim, api):
    sim.fault("POST", TXT2IMG, Outcome.succeeded(after=60))
    task = await submit(api)
    await clock.sleep(59)
    assert (await result(api, task))["task"]["status"] == "TASK_STATUS_PROCESSING"
    await clock.sleep(1)
    assert (await result(api, task))["task"]["status"] == "TASK_STATUS_SUCCEED"


async def test_a_result_can_come_without_its_id(sim, api):
    task = await submit(api)
    sim.fault("GET", RESULT, Edit.without("task.task_id"))
    assert "task_id" not in (await result(api, task))["task"]


async def test_a_failing_schnell_is_an_error_500(sim, api):
    sim.fault("POST", SCHNELL, Outcome.failed("cuda went away"))
    answer = await api("POST", SCHNELL, SCHNELL_BODY)
    assert (answer.status, answer.json()["reason"]) == (500, "TASK_FAILED")


async def test_unknown_and_forgotten_tasks_are_not_found(clock, api, image_contract):
    task = await submit(api)
    await clock.sleep(30 * 86400)
    assert (await result(api, task))["task"]["status"] == "TASK_STATUS_SUCCEED"
    await clock.sleep(86400)
    for identifier in (task, "nobody"):
        answer = await api("GET", f"{RESULT}?task_id={identifier}")
        assert (answer.status, answer.json()["reason"]) == (404, "TASK_NOT_FOUND")
        image_contract.check("NovitaError", answer.json())
    assert (await api("GET", RESULT)).json()["reason"] == "INVALID_REQUEST_BODY"


def with_params(**change: Any) -> dict[str, Any]:
    return {"request": {name: value for name, value in {**PARAMS, **change}.items() if value is not None}}


BODIES = [
    (TXT2IMG, "Txt2ImgRequest", with_params()),
    (TXT2IMG, "Txt2ImgRequest", with_params(loras=[{"model_name": "x", "strength": 0.5}], clip_skip=2)),
    (TXT2IMG, "Txt2ImgRequest", {**with_params(), "extra": {"response_image_type": "webp"}}),
    (TXT2IMG, "Txt2ImgRequest", with_params(hires_fix={"target_width": 512, "target_height": 256, "strength": 1})),
    (TXT2IMG, "Txt2ImgRequest", PARAMS),
    (TXT2IMG, "Txt2ImgRequest", with_params(prompt=None)),
    (TXT2IMG, "Txt2ImgRequest", with_params(prompt="")),
    (TXT2IMG, "Txt2ImgRequest", with_params(width=127)),
    (TXT2IMG, "Txt2ImgRequest", with_params(width="256")),
    (TXT2IMG, "Txt2ImgRequest", with_params(image_num=9)),
    (TXT2IMG, "Txt2ImgRequest", with_params(sampler_name="Best")),
    (TXT2IMG, "Txt2ImgRequest", with_params(guidance_scale=0.5)),
    (TXT2IMG, "Txt2ImgRequest", with_params(seed=-2)),
    (TXT2IMG, "Txt2ImgRequest", with_params(loras=[{"model_name": "x", "strength": 2}])),
    (TXT2IMG, "Txt2ImgRequest", {**with_params(), "extra": {"response_image_type": "bmp"}}),
    (TXT2IMG, "Txt2ImgRequest", {**with_params(), "extra": {"webhook": {"url": "https://x.org", "test_mode": {}}}}),
    (SCHNELL, "Flux1SchnellRequest", SCHNELL_BODY),
    (SCHNELL, "Flux1SchnellRequest", {**SCHNELL_BODY, "seed": -1}),
    (SCHNELL, "Flux1SchnellRequest", {**SCHNELL_BODY, "width": 32}),
    (SCHNELL, "Flux1SchnellRequest", {"prompt": "x"}),
    (KLING, "KlingV30StdT2vRequest", KLING_BODY),
    (KLING, "KlingV30StdT2vRequest", {**KLING_BODY, "duration": 15, "aspect_ratio": "1:1", "cfg_scale": 1}),
    (KLING, "KlingV30StdT2vRequest", {**KLING_BODY, "duration": 2}),
    (KLING, "KlingV30StdT2vRequest", {**KLING_BODY, "duration": "5"}),
    (KLING, "KlingV30StdT2vRequest", {**KLING_BODY, "aspect_ratio": "4:3"}),
    (KLING, "KlingV30StdT2vRequest", {**KLING_BODY, "prompt": "x" * 2501}),
    (KLING, "KlingV30StdT2vRequest", {}),
]


@pytest.mark.parametrize(("path", "schema", "body"), BODIES)
async def test_submits_are_taken_and_refused_as_the_contract_says(
    api, image_contract, video_contract, path, schema, body
):
    contract = video_contract if path == KLING else image_contract
    answer = await api("POST", path, body)
    assert (answer.status == 200) is contract.allows(schema, body)
    if answer.status != 200:
        assert (answer.status, answer.json()["reason"]) == (400, "INVALID_REQUEST_BODY")
        image_contract.check("NovitaError", answer.json())


async def test_a_refusal_names_the_field(api):
    assert "width: 127" in (await api("POST", TXT2IMG, with_params(width=127))).json()["message"]
    assert (await api("POST", TXT2IMG, with_params(prompt=None))).json()["message"] == "prompt: missing"


async def test_a_limit_goes_by_the_last_part_of_the_path(sim, api):
    sim.limit("txt2img", rpm=1)
    await submit(api)
    answer = await api("POST", TXT2IMG, {"request": PARAMS})
    assert (answer.status, answer.json()["reason"]) == (429, "RATE_LIMIT_EXCEEDED")
    assert "retry-after" not in answer.headers
    await submit(api, KLING, KLING_BODY)
