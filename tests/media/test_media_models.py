"""Any model: how its parameters are laid out, and what is refused before anything is sent."""

from __future__ import annotations

import msgspec
import pytest
from helpers import BASE, PICTURE, Server, connected

from novita_async.errors import ValidationError

FLUX = {"prompt": "x", "width": 64, "height": 64, "steps": 4, "seed": 7, "image_num": 1}
DONE = {"task": {"task_id": "task-1"}, "images": []}


@pytest.fixture
async def server(clock):
    return Server(clock, {"task_id": "task-1", **DONE})


@pytest.fixture
async def novita(server, clock):
    async with connected(server, clock) as novita:
        yield novita


def sent(server):
    (request,) = server.requests
    assert request.method == "POST"
    return request.url.removeprefix(BASE), msgspec.json.decode(request.body)


async def test_a_wrapped_body_has_its_parameters_under_request(novita, server):
    await novita.images.submit("txt2img", **PICTURE)
    assert sent(server) == ("/v3/async/txt2img", {"request": PICTURE})


async def test_extra_stands_beside_request(novita, server):
    extra = {"response_image_type": "jpeg", "enable_nsfw_detection": True}
    await novita.images.submit("txt2img", **PICTURE, seed=-1, negative_prompt=None, extra=extra)
    assert sent(server)[1] == {"request": {**PICTURE, "seed": -1}, "extra": extra}


async def test_a_flat_body_has_them_at_its_top(novita, server):
    await novita.videos.submit("kling-v3.0-std-t2v", prompt="a boat", duration=5, sound=True)
    assert sent(server) == ("/v3/async/kling-v3.0-std-t2v", {"prompt": "a boat", "duration": 5, "sound": True})


async def test_the_model_that_answers_at_once_is_flat_too(novita, server):
    result = await novita.images.run("flux-1-schnell", **FLUX)
    assert sent(server) == ("/v3beta/flux-1-schnell", FLUX)
    assert result.task_id == "task-1"


async def test_extra_body_is_merged_at_the_top_and_headers_are_the_calls(novita, server):
    await novita.images.submit("txt2img", **PICTURE, extra_body={"novel": 1}, extra_headers={"X-Team": "art"})
    assert sent(server)[1] == {"request": PICTURE, "novel": 1}
    assert server.requests[0].headers["x-team"] == "art"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"prompt": ""}, "prompt: "),
        ({"prompt": "x" * 1025}, "prompt: "),
        ({"width": 127}, "width: "),
        ({"width": "128"}, "width: "),
        ({"height": 2049}, "height: "),
        ({"steps": 0}, "steps: "),
        ({"steps": 20.5}, "steps: "),
        ({"image_num": 9}, "image_num: "),
        ({"guidance_scale": 31}, "guidance_scale: "),
        ({"seed": -2}, "seed: "),
        ({"loras": [{"model_name": "a", "strength": 2}]}, r"loras\[0\].strength: "),
        ({"loras": [{"model_name": "a", "strength": 0.5}] * 6}, "loras: "),
        ({"extra": {"response_image_type": "bmp"}}, "extra.response_image_type: "),
        ({"model_name": None}, "model_name: missing"),
        ({"promt": "x"}, r"promt: there is no such parameter; did you mean prompt\?"),
    ],
)
async def test_a_parameter_out_of_range_is_refused_by_name(novita, server, change, words):
    with pytest.raises(ValidationError, match=f"txt2img: {words}"):
        await novita.images.submit("txt2img", **{**PICTURE, **change})
    assert server.requests == []


async def test_everything_that_is_wrong_is_said_at_once(novita, server):
    with pytest.raises(ValidationError) as refused:
        await novita.images.submit("txt2img", prompt="", width=1)
    assert len(refused.value.problems) == 8
    assert server.requests == []


@pytest.mark.parametrize(
    ("work", "error", "words"),
    [
        (
            lambda n: n.images.submit("txt3img", **PICTURE),
            ValidationError,
            r"unknown model 'txt3img'; did you mean txt2img\?",
        ),
        (
            lambda n: n.videos.submit("txt2img", **PICTURE),
            ValidationError,
            "txt2img belongs to novita.images",
        ),
        (lambda n: n.images.submit("flux-1-schnell", **FLUX), ValidationError, r"no task: use run\(\)"),
        (lambda n: n.images.submit("txt2img", **PICTURE, timeout=0), ValidationError, "timeout"),
        (lambda n: n.images.run("txt2img", **PICTURE, timeout=-5), ValidationError, "timeout"),
        (lambda n: n.videos.run("kling-v3.0-std-t2v", prompt="x", duration=16), ValidationError, "duration: "),
        (lambda n: n.images.submit("txt2img", **PICTURE, extra_body={"x": {1j}}), ValidationError, "JSON"),
    ],
    ids=["model", "product", "no task", "timeout", "negative timeout", "duration", "no JSON"],
)
async def test_what_cannot_work_is_refused_before_anything_is_sent(novita, server, work, error, words):
    with pytest.raises(error, match=words):
        await work(novita)
    assert server.requests == []
