"""The simulator's weights, trainings, assets and unified call, against the contract and without the SDK."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from novita_async import MockTransport
from novita_async.simulator import Outcome, Simulator
from novita_async.simulator.encode import picture
from novita_async.simulator.unified import MODELS, json_schema
from novita_async.transport.protocol import Reply

PNG = picture("a face", 1, 64, 64, "png")[0]
RESIZE = {"name": "resize", "args": [{"name": "width", "value": "512"}, {"name": "height", "value": "512"}]}
LISTED = yaml.load(
    (Path(__file__).parents[2] / "contract" / "video.openapi.yaml").read_text(),
    Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader),
)["paths"]["/v3/video/create"]["post"]["x-unified-models"]


def subject(*assets, **change):
    return {
        "name": "me",
        "base_model": "dreamshaper_8_93211",
        "width": 512,
        "height": 512,
        "image_dataset_items": [{"assets_id": asset} for asset in assets],
        "expert_setting": {"instance_prompt": "ohwx person", "class_prompt": "person"},
        "components": [RESIZE],
        **change,
    }


async def link(api):
    answer = await api("POST", "/v3/assets/training_dataset", {"file_extension": "png"})
    assert answer.status == 200
    return answer.json()


async def uploaded(api):
    place = await link(api)
    assert (await api("PUT", place["upload_url"], PNG, key=None, content_type="image/png")).status == 200
    return place["assets_id"]


def refused(answer, status, reason):
    assert (answer.status, answer.json()["reason"]) == (status, reason)


# ------------------------------------------------------------------------------------------- weights


async def test_there_are_thirty_weights_of_each_type(api, image_contract):
    for type_ in ("checkpoint", "lora", "vae", "controlnet", "upscaler", "textualinversion"):
        answer = await api("GET", f"/v3/model?filter.types={type_}&pagination.limit=100")
        image_contract.check("ModelList", answer.json())
        models = answer.json()["models"]
        assert len(models) == 30
        assert {model["type"]["name"] for model in models} == {type_}
        assert answer.json()["pagination"] == {"next_cursor": ""}


async def test_pages_follow_each_other_to_the_end(api):
    seen, cursor = [], "c_0"
    while cursor:
        page = (await api("GET", f"/v3/model?pagination.limit=50&pagination.cursor={cursor}")).json()
        seen += [model["id"] for model in page["models"]]
        cursor = page["pagination"]["next_cursor"]
    assert len(seen) == len(set(seen)) == 180


@pytest.mark.parametrize(
    ("query", "holds"),
    [
        ("filter.is_sdxl=true", lambda one: one["is_sdxl"]),
        ("filter.is_sdxl=false", lambda one: not one["is_sdxl"]),
        ("filter.is_inpainting=true", lambda one: one["base_model_type"] == "Inpainting"),
        ("filter.query=velvet", lambda one: "velvet" in one["tags"]),
        ("filter.query=sd_xl_base", lambda one: one["sd_name"] == "sd_xl_base_1.0.safetensors"),
        ("filter.source=civitai&filter.visibility=public", lambda one: one["source"] == "civitai"),
    ],
)
async def test_filters_leave_what_they_are_for(api, query, holds):
    models = (await api("GET", f"/v3/model?{query}")).json()["models"]
    assert models
    assert all(holds(model) for model in models)


@pytest.mark.parametrize(
    "query", ["pagination.limit=0", "pagination.limit=101", "pagination.limit=x", "pagination.cursor=7"]
)
async def test_a_page_that_cannot_be_is_refused(api, query):
    refused(await api("GET", f"/v3/model?{query}"), 400, "INVALID_REQUEST_BODY")


async def test_covers_and_files_can_be_fetched(api):
    (model, *_) = (await api("GET", "/v3/model?pagination.limit=1")).json()["models"]
    cover = await api("GET", model["cover_url"], key=None)
    assert cover.body.startswith(b"\x89PNG")
    assert (await api("GET", model["download_url"], key=None)).body == b"\x02" + bytes(7) + b"{}"


# ------------------------------------------------------------------------------------------ trainings


async def test_a_training_goes_through_its_states_and_then_its_model_is_deployed(api, clock, image_contract):
    body = subject(await uploaded(api))
    image_contract.check("SubjectTrainingRequest", body)
    task_id = (await api("POST", "/v3/training/subject", body)).json()["task_id"]
    seen = []
    for seconds in (1, 3, 27, 6):
        await clock.sleep(seconds)
        state = (await api("GET", f"/v3/training/subject?task_id={task_id}")).json()
        image_contract.check("TrainingResult", state)
        seen.append((state["task_status"], [model["model_status"] for model in state["models"]]))
    assert seen == [("QUEUING", []), ("TRAINING", []), ("SUCCESS", ["DEPLOYING"]), ("SUCCESS", ["SERVING"])]
    assert state["extra"] == {"eta_relative": 0, "progress_percent": 100}
    listed = (await api("GET", "/v3/training")).json()
    image_contract.check("TrainingTaskList", listed)
    own = (await api("GET", "/v3/model?filter.source=training")).json()["models"]
    assert [one["sd_name_in_api"] for one in own] == [state["models"][0]["model_name"]]


async def test_what_did_not_succeed_makes_no_weights(api, sim, clock):
    sim.fault("POST", "/v3/training/style", Outcome.failed("no"))
    items = [{"assets_id": await uploaded(api), "caption": "boats"}]
    body = subject(image_dataset_items=items)
    del body["expert_setting"]
    task_id = (await api("POST", "/v3/training/style", body)).json()["task_id"]
    await clock.sleep(60)
    state = (await api("GET", f"/v3/training/style?task_id={task_id}")).json()
    assert (state["task_status"], state["models"]) == ("FAILED", [])
    assert (await api("GET", "/v3/model?filter.source=training")).json()["models"] == []


async def test_trainings_are_listed_by_page_and_kind_latest_first(api):
    asset = await uploaded(api)
    for name in "abc":
        await api("POST", "/v3/training/subject", subject(asset, name=name))
    first = (await api("GET", "/v3/training?pagination.limit=2")).json()
    assert [task["task_name"] for task in first["tasks"]] == ["c", "b"]
    rest = (await api("GET", f"/v3/training?pagination.cursor={first['pagination']['next_cursor']}")).json()
    assert [task["task_name"] for task in rest["tasks"]] == ["a"]
    assert (await api("GET", "/v3/training?task_type=style")).json()["tasks"] == []


@pytest.mark.parametrize(
    "change",
    [
        {"base_model": "sdxl"},
        {"image_dataset_items": []},
        {"image_dataset_items": [{"assets_id": "never uploaded"}]},
        {"expert_setting": {"instance_prompt": "x"}},
        {"components": [{"name": "blur", "args": []}]},
        {"width": "512"},
    ],
    ids=str,
)
async def test_a_training_that_cannot_be_is_refused(api, change):
    refused(await api("POST", "/v3/training/subject", subject(1, **change)), 400, "INVALID_REQUEST_BODY")


async def test_a_picture_that_was_promised_and_never_came_is_none(api):
    place = await link(api)
    answer = await api("POST", "/v3/training/subject", subject(place["assets_id"]))
    refused(answer, 400, "INVALID_REQUEST_BODY")


async def test_a_training_that_nobody_started_is_not_found(api):
    refused(await api("GET", "/v3/training/subject?task_id=none"), 404, "TASK_NOT_FOUND")


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/v3/model"),
        ("GET", "/v3/training"),
        ("GET", "/v3/training/style"),
        ("POST", "/v3/training/subject"),
        ("POST", "/v3/assets/training_dataset"),
        ("POST", "/v3/video/create"),
    ],
)
async def test_without_the_key_nothing_is_answered(api, method, path):
    refused(await api(method, path, key=None), 400, "MISSING_API_KEY")
    refused(await api(method, path, key="wrong"), 403, "INVALID_API_KEY")


# --------------------------------------------------------------------------------------------- assets


async def test_an_upload_link_is_as_the_contract_has_it(api, image_contract):
    place = await link(api)
    image_contract.check("TrainingAssetResponse", place)
    refused(await api("POST", "/v3/assets/training_dataset", {"file_extension": "gif"}), 400, "INVALID_REQUEST_BODY")


async def test_an_upload_link_is_good_for_its_hour_its_type_and_nobodys_key(api, clock):
    url = (await link(api))["upload_url"]
    assert (await api("PUT", url, PNG, content_type="image/png")).status == 400
    assert (await api("PUT", url, PNG, key=None, content_type="image/jpeg")).status == 403
    assert (await api("PUT", f"{url}0", PNG, key=None, content_type="image/png")).status == 403
    assert (await api("PUT", url.replace("uploads/", "uploads/x"), PNG, key=None)).status == 403
    await clock.sleep(3600)
    late = await api("PUT", url, PNG, key=None, content_type="image/png")
    assert (late.status, b"expired" in late.body) == (403, True)


@pytest.mark.parametrize("kind", ["image", "video"])
async def test_the_asset_host_gives_an_id_for_a_file(api, kind, image_contract):
    answer = await api("PUT", f"https://assets.novitai.com/{kind}", PNG, key=None, content_type="image/png")
    image_contract.check("AssetUploadResponse", answer.json())
    refused(await api("PUT", f"/{kind}", b"", key=None), 400, "INVALID_REQUEST_BODY")


# ------------------------------------------------------------------------------------ the unified call


def test_the_models_of_the_unified_call_are_those_that_the_contract_knows():
    assert {name: fields.split() for name, fields in MODELS.items()} == {
        each["model"]: each["fields"] for each in LISTED
    }


@pytest.mark.parametrize("name", MODELS)
def test_every_field_has_a_schema(name):
    schema = json_schema(name)
    assert set(schema["properties"]) == {"model", *MODELS[name].split()}
    assert set(schema["required"]) <= set(schema["properties"])
    assert all(each.get("enum") != [] for each in schema["properties"].values())


async def test_the_list_is_read_without_a_key(api, video_contract):
    answer = await api("GET", "/v3/admin/video-unify-api/config", key=None)
    video_contract.check("UnifiedModelList", answer.json())
    assert len(answer.json()["configs"]) == len(MODELS)


@pytest.mark.parametrize("duration", ["10", 10, None])
async def test_a_task_of_the_unified_call_ends_with_a_clip(api, clock, duration):
    body = {"model": "kling2.5_turbo_pro_t2v", "prompt": "a boat", "novel": 1}
    task_id = (await api("POST", "/v3/video/create", body | ({"duration": duration} if duration else {}))).json()
    await clock.sleep(6)
    result = (await api("GET", f"/v3/async/task-result?task_id={task_id['task_id']}")).json()
    assert result["task"]["status"] == "TASK_STATUS_SUCCEED"
    (clip,) = result["videos"]
    assert (await api("GET", clip["video_url"], key=None)).body[4:8] == b"ftyp"


@pytest.mark.parametrize(
    "body",
    [
        {"model": "kling-v3.0-pro-t2v", "prompt": "x"},
        {"prompt": "x"},
        {"model": "kling2.5_turbo_pro_t2v"},
        {"model": "kling2.5_turbo_pro_i2v", "prompt": "x"},
        {"model": "kling2.5_turbo_pro_i2v", "prompt": "x", "image": "nothing"},
        {"model": "kling2.5_turbo_pro_t2v", "prompt": "x", "duration": "7"},
        [],
    ],
    ids=str,
)
async def test_a_body_that_is_not_its_models_is_refused(api, body):
    refused(await api("POST", "/v3/video/create", body), 400, "INVALID_REQUEST_BODY")


async def test_the_limit_of_a_model_holds_in_the_unified_call_too(api, sim):
    sim.limit("kling2.1_i2v", rpm=1)
    body = {"model": "kling2.1_i2v", "prompt": "x", "image": "https://a.test/b.png"}
    assert (await api("POST", "/v3/video/create", body)).status == 200
    refused(await api("POST", "/v3/video/create", body), 429, "RATE_LIMIT_EXCEEDED")


@pytest.mark.parametrize("name", ["callback_url", "callback"])
async def test_the_end_of_a_task_is_called_back(api, clock, name):
    events = []

    async def receive(request):
        events.append((request.url, request.body))
        return Reply(200)

    async with Simulator(clock=clock, webhooks=MockTransport(receive)) as sim:
        body = {"model": "kling2.5_turbo_pro_t2v", "prompt": "a boat", name: "https://a.test/done"}
        task_id = (await type(api)(sim)("POST", "/v3/video/create", body)).json()["task_id"]
        await clock.sleep(10)
    ((url, event),) = events
    assert url == "https://a.test/done"
    assert task_id.encode() in event
