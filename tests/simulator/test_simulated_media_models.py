"""Every model of the catalog on the simulator: a valid submit, and what came of it opened and measured."""

from __future__ import annotations

import base64
import struct
import wave
from io import BytesIO
from typing import Any

import msgspec
import openapi
import pytest

from novita_async.catalog import Model, Schema, load
from novita_async.simulator.encode import picture
from novita_async.simulator.measure import measure
from novita_async.simulator.sound import speech

RESULT = "/v3/async/task-result"
MODELS = load()
PICTURE = picture("a boat on the sea", 1, 480, 320)[0]
BARE = base64.b64encode(PICTURE).decode()
URI = f"data:image/png;base64,{BARE}"
LINK = "https://files.test/input"
WAV = "data:audio/wav;base64," + base64.b64encode(speech("hello", kind="wav").data).decode()

CONTRACTS = {name: openapi.contract(name) for name in ("image", "video", "audio")}
for _contract in CONTRACTS.values():
    _contract.operations()  # reads the file, here and not on the event loop

SD: dict[str, Any] = {
    "model_name": "sd_xl_base_1.0.safetensors",
    "prompt": "a fox",
    "image_num": 1,
    "steps": 20,
    "guidance_scale": 7.5,
    "sampler_name": "Euler",
}
WEBP = {"response_image_type": "webp"}
#: Image models: parameters, what each picture is, how many there are.
IMAGES: list[tuple[str, dict[str, Any], tuple[str, int, int], int]] = [
    ("txt2img", {**SD, "width": 256, "height": 128, "image_num": 3}, ("png", 256, 128), 3),
    ("txt2img", {**SD, "width": 256, "height": 128, "extra": WEBP}, ("webp", 256, 128), 1),
    (
        "txt2img",
        {**SD, "width": 256, "height": 128, "hires_fix": {"target_width": 512, "target_height": 256, "strength": 1}},
        ("png", 512, 256),
        1,
    ),
    ("img2img", {**SD, "image_base64": BARE, "width": 192, "height": 128}, ("png", 192, 128), 1),
    ("inpainting", {**SD, "image_base64": BARE, "mask_image_base64": BARE}, ("png", 480, 320), 1),
    ("upscale", {"model_name": "4x-UltraSharp", "image_base64": BARE, "scale_factor": 2.5}, ("png", 1200, 800), 1),
    (
        "adetailer",
        {"model_name": "x", "prompt": "a fox", "image_urls": [LINK], "extra": {"response_image_type": "jpeg"}},
        ("jpeg", 1024, 1024),
        1,
    ),
    ("replace-background-async", {"image_file": BARE, "prompt": "snow", "extra": WEBP}, ("webp", 480, 320), 1),
    ("flux-1-kontext-dev", {"prompt": "a fox", "size": "256*512", "num_images": 2}, ("jpeg", 256, 512), 2),
    ("flux-1-kontext-dev", {"prompt": "a fox", "images": [URI]}, ("jpeg", 480, 320), 1),
    ("flux-1-kontext-pro", {"prompt": "a fox", "aspect_ratio": "21:9"}, ("png", 1568, 672), 1),
    ("flux-1-kontext-max", {"prompt": "a fox", "image": URI}, ("png", 480, 320), 1),  # the field of the older page
    ("flux-2-dev", {"prompt": "a fox", "size": "512*256"}, ("png", 512, 256), 1),
    ("flux-2-flex", {"prompt": "a fox", "size": "512*256"}, ("png", 512, 256), 1),
    ("flux-2-pro", {"prompt": "a fox", "size": "512*256", "images": [LINK]}, ("png", 512, 256), 1),
    ("qwen-image-txt2img", {"prompt": "a fox", "size": "256*512"}, ("png", 256, 512), 1),
    ("qwen-image-edit", {"prompt": "a fox", "image": BARE, "output_format": "webp"}, ("webp", 480, 320), 1),
    ("hunyuan-image-3", {"prompt": "a fox", "size": "512*256"}, ("png", 512, 256), 1),
    ("z-image-turbo", {"prompt": "a fox", "size": "512*256"}, ("png", 512, 256), 1),
    ("z-image-turbo-lora", {"prompt": "a fox", "size": "512*256"}, ("png", 512, 256), 1),
    ("glm-image", {"prompt": "a fox", "size": "1728x960"}, ("png", 1728, 960), 1),
    ("image-upscaler", {"image": LINK, "resolution": "2k"}, ("jpeg", 2048, 2048), 1),
    ("image-eraser", {"image": URI, "mask": URI, "output_format": "png"}, ("png", 480, 320), 1),
    ("image-remove-background", {"image": LINK}, ("png", 1024, 1024), 1),
    (
        "flux-1-schnell",
        {"prompt": "a fox", "seed": 3, "steps": 4, "width": 128, "height": 64, "image_num": 2},
        ("png", 128, 64),
        2,
    ),
    ("seedream-3-0-txt2img", {"prompt": "a fox", "size": "512x768"}, ("png", 512, 768), 1),
    (
        "seedream-3-0-txt2img",
        {"prompt": "a fox", "size": "512x768", "response_format": "b64_json"},
        ("png", 512, 768),
        1,
    ),
    (
        "seedream-4.0",
        {"prompt": "a fox", "images": [URI], "size": "1K", "sequential_image_generation": "auto", "max_images": 2},
        ("png", 1024, 683),
        2,
    ),
    (
        "seedream-4.5",
        {
            "prompt": "a fox",
            "image": [BARE],
            "size": "2K",
            "sequential_image_generation": "auto",
            "sequential_image_generation_options": {"max_images": 1},
        },
        ("png", 2048, 1365),
        1,
    ),
    ("seedream-5.0-lite", {"prompt": "a fox", "size": "2048x1800"}, ("png", 2048, 1800), 1),
    ("remove-background", {"image_file": BARE}, ("png", 480, 320), 1),
    ("replace-background", {"image_file": BARE, "prompt": "snow", "extra": WEBP}, ("webp", 480, 320), 1),
    ("remove-text", {"image_file": BARE}, ("png", 480, 320), 1),
    ("reimagine", {"image_file": BARE, "extra": {"response_image_type": "jpeg"}}, ("jpeg", 480, 320), 1),
    ("cleanup", {"image_file": BARE, "mask_file": BARE}, ("png", 480, 320), 1),
    (
        "outpainting",
        {"image_file": BARE, "prompt": "sea", "width": 640, "height": 480, "center_x": 0, "center_y": 0},
        ("png", 640, 480),
        1,
    ),
    ("merge-face", {"face_image_file": BARE, "image_file": BARE}, ("png", 480, 320), 1),
]
#: Video models: parameters beyond the contract's example, seconds and shape of the clip.
CLIPS: list[tuple[str, dict[str, Any], float, float]] = [
    ("kling-v3.0-std-t2v", {"duration": 15, "aspect_ratio": "9:16"}, 15, 9 / 16),
    ("kling-v3.0-std-i2v", {"image": URI}, 5, 3 / 2),
    ("kling-v3.0-pro-i2v", {"image": URI, "multi_prompt": [{"prompt": "a", "duration": 3}, "b"]}, 8, 3 / 2),
    ("kling-2.5-turbo-t2v", {"duration": "10"}, 10, 16 / 9),
    ("wan-t2v", {"width": 480, "height": 832}, 5, 480 / 832),
    ("wan2.6-t2v", {"size": "720*1280", "duration": 15}, 15, 9 / 16),
    ("wan2.7-videoedit", {"ratio": "4:3", "duration": 0}, 5, 4 / 3),
    ("vidu-q2-pro-multiframe", {}, 10, 16 / 9),
    ("seedance-v1-pro-t2v", {"aspect_ratio": "21:9", "duration": 10}, 10, 21 / 9),
    ("seedance-v1.5-pro-i2v", {"image": URI, "ratio": "adaptive", "duration": 12}, 12, 3 / 2),
    ("minimax-video-01", {}, 6, 16 / 9),
    ("minimax-hailuo-02", {"duration": 10}, 10, 16 / 9),
    ("hunyuan-video-fast", {"width": 720, "height": 1280, "frames": 96}, 4, 9 / 16),
    ("txt2video", {"width": 512, "height": 512, "prompts": [{"frames": 32, "prompt": "a fox"}] * 2}, 8, 1),
    ("img2video", {"image_file": BARE, "model_name": "SVD", "frames_num": 14}, 14 / 6, 3 / 2),
]
#: Speech tasks: parameters, what the file is.
SPEECH = [
    ("minimax-speech-2.8-hd-async", {"audio_setting": {"format": "flac", "audio_sample_rate": 16000}}, "flac", "32400"),
    ("minimax-speech-02-turbo-async", {}, "mp3", "86400"),
    ("minimax-speech-2.6-turbo-async", {"audio_setting": {"format": "wav"}}, "wav", "86400"),
]


def least(schema: Schema, name: str = "") -> Any:
    """The least that a schema takes."""
    if schema.media is not None and schema.type != "array":
        forms = schema.media.forms
        if "base64" in forms:
            return BARE
        return "an-asset" if "asset" in forms else LINK if "url" in forms else WAV
    if schema.enum:
        return schema.enum[0]
    if schema.any_of:
        return least(schema.any_of[0], name)
    if schema.size is not None:
        return f"1024{schema.size.separator}1024"
    match schema.type if isinstance(schema.type, str) else schema.type[0]:
        case "string":
            return LINK if schema.format == "uri" else "Wise_Woman" if name == "voice_id" else "a text"
        case "integer":
            return int(schema.minimum or 1)
        case "number":
            return schema.minimum or 1.5
        case "array":
            assert schema.items is not None
            return [least(schema.items, name)] * max(1, schema.min_items or 1)
        case "object":
            return {each: least(schema.properties[each], each) for each in schema.required}
        case _:
            return False


def parameters(model: Model) -> dict[str, Any]:
    """The least that a model takes: its required parameters, and one of those of which one is needed."""
    params = {name: least(model.params.properties[name], name) for name in model.params.required}
    for rule in model.rules:
        if rule.rule == "at-least-one" and not any(field in params for field in rule.fields):
            name = rule.fields[0].partition(".")[0]
            params[name] = least(model.params.properties[name], name)
        if rule.rule == "allowed-pairs" and all(field in params for field in rule.fields):
            params.update(zip(rule.fields, rule.pairs[0], strict=True))
    if "voice_setting" in params:
        params["voice_setting"] = {"voice_id": "Wise_Woman"}
    return params


def laid_out(model: Model, params: dict[str, Any]) -> dict[str, Any]:
    homes = {name: section for section, names in model.sections.items() for name in names}
    body: dict[str, Any] = {}
    for name, value in params.items():
        (body.setdefault(homes[name], {}) if name in homes else body)[name] = value
    return body


async def submitted(api: Any, model: Model, params: dict[str, Any]) -> Any:
    answer = await api("POST", model.path, laid_out(model, params))
    assert answer.status == 200, answer.body
    return answer


async def finished(clock: Any, api: Any, model: Model, params: dict[str, Any]) -> Any:
    """Submit a task and read its result when it is there."""
    task = (await submitted(api, model, params)).json()["task_id"]
    await clock.sleep(5)
    found = (await api("GET", f"{RESULT}?task_id={task}")).json()
    assert found["task"]["status"] == "TASK_STATUS_SUCCEED"
    return found


async def fetched(api: Any, link: str) -> bytes:
    answer = await api("GET", link, key=None)
    assert answer.status == 200, answer.body
    return answer.body


def contract_of(model: Model) -> openapi.Contract:
    return next(each for each in CONTRACTS.values() if each.operation_of(model.method, model.path) is not None)


def boxes(data: bytes) -> dict[str, bytes]:
    """The contents of the boxes of an MP4 file, by name; those inside of others too."""
    found: dict[str, bytes] = {}
    at = 0
    while at < len(data):
        size, name = struct.unpack_from(">I4s", data, at)
        body = data[at + 8 : at + size]
        found[name.decode()] = body
        if name in (b"moov", b"trak"):
            found |= boxes(body)
        at += size
    return found


def film(data: bytes) -> tuple[float, float]:
    """The seconds of an MP4 file, and its width by its height."""
    found = boxes(data)
    scale, length = struct.unpack_from(">II", found["mvhd"], 12)
    width, height = struct.unpack_from(">II", found["tkhd"], 76)
    return length / scale, width / height


FAMILIES = sorted({model.family for model in MODELS.values()} - {"training"})  # which has its own tests


@pytest.mark.parametrize("family", FAMILIES)
async def test_every_model_takes_the_least_it_needs_and_answers_as_the_contract_says(clock, sim, api, family):
    models = [model for model in MODELS.values() if model.family == family]
    for model in models:
        await check_least(clock, api, model)
    assert sim.submits == {model.id: 1 for model in models}


async def check_least(clock: Any, api: Any, model: Model) -> None:
    params = parameters(model)
    if model.id == "fish-audio-voice-cloning":
        params["visibility"] = "private"  # a public one needs a cover
    if model.task == "music":
        params |= {"prompt": "a song", "is_instrumental": True}
    if model.id == "glm-tts":
        params["voice"] = "tongtong"
    if model.id == "glm-asr":
        params["file"] = WAV
    contract = contract_of(model)
    body = msgspec.json.encode(laid_out(model, params))
    answer = await api("POST", model.path, body)
    assert answer.status == 200, f"{model.id}: {answer.body}"
    contract.check_request("POST", model.path, model.body[0] if model.body else "application/json", body)
    contract.check_response("POST", model.path, 200, answer.headers["content-type"], answer.body)
    if model.kind != "async":
        return
    await clock.sleep(5)
    found = await api("GET", f"{RESULT}?task_id={answer.json()['task_id']}")
    contract.check_response("GET", RESULT, 200, "application/json", found.body)
    (output,) = found.json()[model.output]
    if model.output == "videos":
        assert (output["video_type"], output["video_url_ttl"]) == ("mp4", "3600")
        seconds, ratio = film(await fetched(api, output["video_url"]))
        assert 1 <= seconds <= 30, model.id
        assert 0.25 < ratio < 4, model.id


@pytest.mark.parametrize(("name", "params", "expected", "count"), IMAGES)
async def test_pictures_are_as_large_and_as_many_as_was_asked_for(clock, api, name, params, expected, count):
    model = MODELS[name]
    if model.kind == "async":
        found = await finished(clock, api, model, params)
        assert {image["image_type"] for image in found["images"]} == {expected[0]}
        files = [await fetched(api, image["image_url"]) for image in found["images"]]
    else:
        found = (await submitted(api, model, params)).json()
        contract_of(model).check_response("POST", model.path, 200, "application/json", msgspec.json.encode(found))
        if "image_file" in found:
            assert found["image_type"] == expected[0]
            files = [base64.b64decode(found["image_file"])]
        elif name == "flux-1-schnell":
            files = [await fetched(api, image["image_url"]) for image in found["images"]]
        else:
            files = [await fetched(api, link) for link in found.get("images", found.get("image_urls"))]
            files += [base64.b64decode(text) for text in found.get("binary_data_base64", ())]
    assert [measure(file) for file in files] == [expected] * count
    assert len(set(files)) == count


def test_every_image_model_has_its_row():
    named = {name for name, *_ in IMAGES} | {"img2prompt"}
    assert named == {model.id for model in MODELS.values() if model.product == "images"}


async def test_a_picture_is_described_by_its_size_and_color(api):
    answer = await submitted(api, MODELS["img2prompt"], {"image_file": BARE})
    assert answer.json() == {"prompt": "a wide picture, mostly turquoise, 480 by 320 pixels, highly detailed"}


async def test_what_is_edited_is_the_picture_that_came(api):
    from PIL import Image

    red = BytesIO()
    Image.new("RGB", (40, 30), (200, 10, 10)).save(red, "PNG")
    params = {"image_file": base64.b64encode(red.getvalue()).decode()}
    answer = await submitted(api, MODELS["remove-text"], params)
    with Image.open(BytesIO(base64.b64decode(answer.json()["image_file"]))) as made:
        assert made.convert("RGB").getpixel((20, 15)) == (200, 10, 10)
    answer = await submitted(api, MODELS["remove-background"], params)
    with Image.open(BytesIO(base64.b64decode(answer.json()["image_file"]))) as made:
        assert made.mode == "RGBA"


async def test_a_picture_can_stand_where_its_link_would(clock, api):
    params = {"prompt": "a fox", "size": "256*512", "enable_base64_output": True}
    (image,) = (await finished(clock, api, MODELS["z-image-turbo"], params))["images"]
    assert measure(base64.b64decode(image["image_url"])) == ("png", 256, 512)


async def test_a_result_can_be_what_the_next_model_begins_with(clock, api):
    first = await finished(clock, api, MODELS["qwen-image-txt2img"], {"prompt": "a fox", "size": "256*384"})
    link = first["images"][0]["image_url"]
    second = await finished(clock, api, MODELS["image-upscaler"], {"image": link, "resolution": "2k"})
    assert measure(await fetched(api, second["images"][0]["image_url"])) == ("jpeg", 1365, 2048)


@pytest.mark.parametrize(("name", "params", "seconds", "ratio"), CLIPS)
async def test_clips_have_the_length_and_shape_that_was_asked_for(clock, api, name, params, seconds, ratio):
    found = await finished(clock, api, MODELS[name], {**parameters(MODELS[name]), **params})
    length, shape = film(await fetched(api, found["videos"][0]["video_url"]))
    assert length == pytest.approx(seconds, abs=1 / 8)
    assert shape == pytest.approx(ratio, rel=0.03)


@pytest.mark.parametrize("name", ["txt2video", "img2video", "video-merge-face"])
async def test_a_clip_can_be_a_gif(clock, api, name):
    params = {**parameters(MODELS[name]), "extra": {"response_video_type": "gif"}}
    (video,) = (await finished(clock, api, MODELS[name], params))["videos"]
    assert video["video_type"] == "gif"
    assert (await fetched(api, video["video_url"])).startswith(b"GIF89a")


@pytest.mark.parametrize(("name", "params", "kind", "ttl"), SPEECH)
async def test_speech_tasks_give_a_file_of_the_kind_that_was_asked_for(clock, api, name, params, kind, ttl):
    params = {**parameters(MODELS[name]), **params, "text": "A text that takes some time to say."}
    found = await finished(clock, api, MODELS[name], params)
    contract_of(MODELS[name]).check_response("GET", RESULT, 200, "application/json", msgspec.json.encode(found))
    (audio,) = found["audios"]
    assert (audio["audio_type"], audio["audio_url_ttl"]) == (kind, ttl)
    data = await fetched(api, audio["audio_url"])
    assert data[:4] in {"flac": [b"fLaC"], "wav": [b"RIFF"], "mp3": [data[:4]]}[kind]
    assert found["extra"] == {}
    assert found["task"]["progress_percent"] == 0


async def test_each_of_several_texts_is_a_file_as_long_as_it_takes_to_say(clock, api):
    params = {"voice_id": "Emily", "language": "en-US", "texts": ["Hello.", "A much longer text follows it."]}
    found = await finished(clock, api, MODELS["txt2speech"], params)
    assert found["task"]["task_type"] == "TXT2SPEECH"
    for audio, text in zip(found["audios"], params["texts"], strict=True):
        assert audio["audio_metadata"]["text"] == text
        with wave.open(BytesIO(await fetched(api, audio["audio_url"]))) as file:
            seconds = file.getnframes() / file.getframerate()
        assert audio["audio_metadata"]["end_time"] == pytest.approx(seconds, abs=0.01)


async def test_some_submits_are_answered_with_more_than_an_id(api):
    model = MODELS["minimax-speech-2.8-turbo-async"]
    answer = (await submitted(api, model, {**parameters(model), "text": "Hello"})).json()
    assert (answer["usage_characters"], answer["base_resp"]["status_code"]) == (5, 0)
    assert isinstance(answer["file_id"], int)
    for name in ("heygen-video-translate", "vidu-q2-text2video"):
        assert (await submitted(api, MODELS[name], parameters(MODELS[name]))).json()["provider_request_id"]
