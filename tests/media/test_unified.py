"""The unified video call: what the platform lists is what is checked against, and what it takes is what is sent."""

from __future__ import annotations

import msgspec
import pytest
from helpers import BASE, Server, connected, inside

from novita_async.errors import NotFound, ValidationError
from novita_async.simulator import Edit, Outcome, Refuse
from novita_async.simulator.encode import picture
from novita_async.simulator.unified import MODELS

CREATE = "/v3/video/create"
CONFIG = "/v3/admin/video-unify-api/config"
T2V = "kling2.5_turbo_pro_t2v"
I2V = "kling2.5_turbo_pro_i2v"
PNG = picture("a boat", 1, 320, 320, "png")[0]
TEXT = {"type": "string"}


def reads(sim):
    return [request for request in sim.requests if request.path == CONFIG]


def listing(schema, model="m"):
    text = schema if isinstance(schema, str) else msgspec.json.encode(schema).decode()
    return {"configs": [{"model": model, "json_schema": text}]}


async def sent(clock, schema, **params):
    """The body of a submit to a platform that lists one model of this schema."""
    server = Server(clock, listing(schema), {"task_id": "t-1"})
    async with connected(server, clock) as novita:
        await novita.videos.unified.submit("m", **params)
    request = server.requests[-1]
    assert (request.method, request.url) == ("POST", BASE + CREATE)
    return msgspec.json.decode(request.body)


async def test_a_video_of_every_model_that_is_listed(sim):
    async with inside(sim) as novita:
        models = await novita.videos.unified.models()
        assert [model.model for model in models] == list(MODELS)
        for model in models:
            assert model.description
            image = {"image": PNG} if "image" in model.schema["required"] else {}
            result = await novita.videos.unified.run(model.model, prompt="a paper boat", **image)
            assert len(result.videos) == 1
    assert len(reads(sim)) == 1


async def test_a_task_of_it_is_like_any_other(sim):
    async with inside(sim) as novita:
        task = await novita.videos.unified.submit(T2V, prompt="a paper boat", duration=10)
        assert (await novita.tasks.get(task.id).wait()).videos
    body = next(request.json() for request in sim.requests if request.path == CREATE)
    assert body == {"model": T2V, "prompt": "a paper boat", "duration": "10"}


async def test_files_go_as_data_uris_and_links_as_links(sim, tmp_path):
    (tmp_path / "a.png").write_bytes(PNG)
    async with inside(sim) as novita:
        unified = novita.videos.unified
        await unified.submit(
            "minimax_hailuo_02", prompt="x", image=tmp_path / "a.png", end_image="https://a.test/b.png"
        )
    body = next(request.json() for request in sim.requests if request.path == CREATE)
    assert body["image"].startswith("data:image/png;base64,")
    assert body["end_image"] == "https://a.test/b.png"


async def test_the_list_is_asked_for_anew_after_a_while_and_shared_by_views(sim, clock):
    async with inside(sim) as novita:
        first = await novita.videos.unified.models()
        first.clear()
        assert await novita.with_options(timeout=9).videos.unified.models()
        assert len(reads(sim)) == 1
        await clock.sleep(301)
        assert (await novita.videos.unified.schema(T2V))["required"] == ["model", "prompt"]
        assert len(reads(sim)) == 2


@pytest.mark.parametrize(
    ("params", "words"),
    [
        ({}, f"{T2V}: prompt: missing"),
        ({"prompt": "x", "duration": 7}, "duration: '7' is none of '5', '10'"),
        ({"prompt": "x", "image": PNG}, "image: there is no such parameter"),
        ({"prompt": "x", "aspect_ratio": "4:3"}, "aspect_ratio: '4:3' is none of"),
        ({"prompt": "x", "guidance_scale": 2}, "guidance_scale: 2 is more than 1"),
        ({"prompt": "x" * 3000}, "prompt: 3000 characters, at most 2500"),
    ],
)
async def test_parameters_are_held_against_the_platforms_schema(sim, params, words):
    async with inside(sim) as novita:
        with pytest.raises(ValidationError, match=words):
            await novita.videos.unified.submit(T2V, **params)
    assert [request.path for request in sim.requests] == [CONFIG]


async def test_a_model_that_is_not_listed_is_refused_with_the_nearest_names(sim):
    async with inside(sim) as novita:
        with pytest.raises(ValidationError, match=f"did you mean {T2V}"):
            await novita.videos.unified.run("kling2.5-turbo-pro-t2v", prompt="x")
        with pytest.raises(ValidationError, match="there are kling2"):
            await novita.videos.unified.schema("zzz")
    assert [request.path for request in sim.requests] == [CONFIG]


async def test_without_validation_anything_goes_and_no_list_is_asked_for(clock):
    server = Server(clock, {"task_id": "t-1"})
    async with connected(server, clock) as novita:
        await novita.videos.unified.submit("new", validate=False, image=PNG, duration=5, novel=[1])
    (request,) = server.requests
    body = msgspec.json.decode(request.body)
    assert body.pop("image").startswith("data:image/png;base64,")
    assert body == {"model": "new", "duration": 5, "novel": [1]}


async def test_where_to_call_back_and_more_fields_stand_beside_the_parameters(clock):
    schema = {"type": "object", "properties": {"prompt": TEXT, "callback_url": TEXT}, "required": ["prompt"]}
    body = await sent(clock, schema, prompt="x", callback_url="https://a.test/done", extra_body={"novel": 1})
    assert body == {"model": "m", "prompt": "x", "callback_url": "https://a.test/done", "novel": 1}


@pytest.mark.parametrize(
    ("schema", "duration", "expected"),
    [
        ({"type": "string"}, 5, "5"),
        ({"type": "string", "enum": ["5", "10"]}, 5.0, "5"),
        ({"type": "integer"}, "5", 5),
        ({"type": ["string", "integer"]}, 5, 5),
        ({}, 5, 5),
    ],
)
async def test_a_duration_is_text_where_the_schema_wants_text(clock, schema, duration, expected):
    body = await sent(clock, {"type": "object", "properties": {"duration": schema}}, duration=duration)
    assert body["duration"] == expected


@pytest.mark.parametrize(
    "schema", ["{", "[]", '"text"', "", "{}", '{"type": 7}', '{"properties": {"prompt": {"enum": 3}}}'], ids=str
)
async def test_a_schema_that_cannot_be_read_checks_nothing(clock, schema):
    assert await sent(clock, schema, prompt="x", novel=1) == {"model": "m", "prompt": "x", "novel": 1}


async def test_a_schema_may_require_what_it_does_not_describe(clock):
    schema = {"type": "object", "required": ["model", "prompt", "ghost"], "properties": {"prompt": TEXT}}
    assert await sent(clock, schema, prompt="x") == {"model": "m", "prompt": "x"}


async def test_a_schema_that_came_as_an_object_is_one_too(clock):
    config = {"configs": [{"model": "m", "json_schema": {"properties": {"prompt": TEXT}}}, {"description": "no name"}]}
    async with connected(Server(clock, config), clock) as novita:
        assert await novita.videos.unified.schema("m") == {"properties": {"prompt": TEXT}}
        assert len(await novita.videos.unified.models()) == 1


async def test_a_list_that_is_empty_knows_no_model(clock):
    async with connected(Server(clock, {"configs": None}), clock) as novita:
        assert await novita.videos.unified.models() == []
        with pytest.raises(ValidationError, match="there are none"):
            await novita.videos.unified.schema("m")


async def test_a_sound_flag_is_no_file(clock):
    body = await sent(clock, {"properties": {"prompt": TEXT, "audio": {"type": "boolean"}}}, prompt="x", audio=True)
    assert body["audio"] is True


async def test_a_path_that_is_gone_is_not_found(sim):
    sim.fault("POST", CREATE, Refuse.with_status(404))
    async with inside(sim) as novita:
        with pytest.raises(NotFound):
            await novita.videos.unified.run(T2V, prompt="x")


async def test_a_submit_is_taken_to_have_no_second(sim):
    sim.fault("POST", CREATE, Edit.without("task_id"))
    sim.fault("POST", CREATE, Outcome.failed("out of luck"))
    async with inside(sim) as novita:
        with pytest.raises(Exception, match="no id"):
            await novita.videos.unified.submit(T2V, prompt="x")
        with pytest.raises(Exception, match="out of luck"):
            await novita.videos.unified.run(T2V, prompt="x")
    assert len([request for request in sim.requests if request.path == CREATE]) == 2


@pytest.mark.parametrize("timeout", [0, -1, float("inf")])
async def test_a_timeout_that_cannot_be_one_is_refused(sim, timeout):
    async with inside(sim) as novita:
        with pytest.raises(ValidationError, match="timeout"):
            await novita.videos.unified.models(timeout=timeout)
    assert sim.requests == []
