"""Training: pictures that are uploaded, tasks that are done when their model can be used, and what is listed."""

from __future__ import annotations

import asyncio
import datetime
import io

import msgspec
import pytest
from helpers import BASE, KEY, Server, Watched, connected, inside, json_reply, refusal

from novita_async import AsyncNovita, Reply
from novita_async.errors import (
    APIError,
    NotFound,
    OutcomeUnknown,
    ProtocolError,
    TaskFailed,
    TaskStateUnknown,
    ValidationError,
)
from novita_async.media.trained import Training
from novita_async.simulator import Drop, Hang, Outcome, Refuse, Simulator
from novita_async.simulator.encode import picture

PNG = picture("a face", 1, 64, 64, "png")[0]
STORE = "https://store.test/put"
BASE_MODEL = "dreamshaper_8_93211"
PERSON = {"base_model": BASE_MODEL, "instance_prompt": "ohwx person"}


async def subject(novita, images=(PNG, PNG, PNG), **change):
    return await novita.images.training.create_subject("me", images=list(images), **{**PERSON, **change})


def paths(sim):
    return [f"{request.method} {request.path}" for request in sim.requests]


# --------------------------------------------------------------------------------------- the whole way


async def test_a_training_is_done_when_its_model_can_be_used(sim, clock, tmp_path):
    (tmp_path / "a.png").write_bytes(PNG)
    async with inside(sim) as novita:
        task = await subject(novita, [PNG, tmp_path / "a.png", io.BytesIO(PNG)])
        began = clock.monotonic()
        seen = [update.status async for update in task]
        training = await task.wait()
        assert list(dict.fromkeys(seen)) == ["QUEUING", "TRAINING", "DEPLOYING", "SUCCESS"]
        assert clock.monotonic() - began >= 36  # 30 s of training, 6 s until it is SERVING
        assert training.task_id == task.id
        lora = training.lora(strength=0.5)
        assert lora == {"model_name": training.models[0].model_name, "strength": 0.5}
        result = await novita.images.generate("ohwx person", model="txt2img", size=(128, 128), loras=[lora])
        assert len(result.images) == 1
        own = await novita.images.weights(source="training", visibility="private")
        assert [one.name_in_api for one in own] == [training.model_name]


async def test_pictures_go_up_before_the_training_and_without_the_key(sim):
    async with inside(sim) as novita:
        await subject(novita)
    came = paths(sim)
    assert came[-1] == "POST /v3/training/subject"
    assert came.count("POST /v3/assets/training_dataset") == 3
    puts = [request for request in sim.requests if request.method == "PUT"]
    assert len(puts) == 3
    assert all("authorization" not in put.headers and put.headers["content-type"] == "image/png" for put in puts)
    assert all(put.body == PNG for put in puts)
    body = sim.requests[-1].json()
    assert len({item["assets_id"] for item in body["image_dataset_items"]}) == 3


async def test_no_more_than_eight_pictures_go_up_at_once(sim):
    running, most = 0, 0

    async def middleware(request, send):
        nonlocal running, most
        running += 1
        most = max(most, running)
        try:
            return await send(request)
        finally:
            running -= 1

    async with inside(sim, middleware=[middleware]) as novita:
        await subject(novita, [PNG] * 30)
    assert most == 8


async def test_a_style_has_a_caption_for_each_picture(sim):
    async with inside(sim) as novita:
        images = [(PNG, "boats"), {"assets_id": await novita.images.training.upload(PNG), "caption": "a pier"}]
        task = await novita.images.training.create_style(
            "sea", base_model=BASE_MODEL, images=images, max_train_steps=500
        )
        assert (await task.wait()).model_name
    (body,) = [request.json() for request in sim.requests if request.path == "/v3/training/style" and request.body]
    assert [item["caption"] for item in body["image_dataset_items"]] == ["boats", "a pier"]
    assert body["expert_setting"] == {"max_train_steps": 500}


async def test_an_id_that_was_given_is_sent_as_it_came(clock):
    server = Server(clock, {"task_id": "t-1"})
    async with connected(server, clock) as novita:
        await subject(novita, [7, ("a1b2", "a face"), {"assets_id": 9}])
    (request,) = server.requests
    items = msgspec.json.decode(request.body)["image_dataset_items"]
    assert items == [{"assets_id": 7}, {"assets_id": "a1b2", "caption": "a face"}, {"assets_id": 9}]


@pytest.mark.parametrize("asset", ["34557", 34557])
async def test_the_id_of_an_upload_is_kept_as_the_platform_gave_it(clock, asset):
    link = {"assets_id": asset, "upload_url": STORE, "method": "PUT", "headers": {"X-Kind": {"values": ["a", "b"]}}}
    server = Server(clock, link, Reply(200))
    async with connected(server, clock) as novita:
        assert await novita.images.training.upload(PNG) == asset
    ask, put = server.requests
    assert msgspec.json.decode(ask.body) == {"file_extension": "png"}
    assert (put.method, put.url, put.headers["x-kind"]) == ("PUT", STORE, "a, b")
    assert put.headers["content-length"] == str(len(PNG))
    assert KEY not in str(dict(put.headers))


@pytest.mark.parametrize(
    ("given", "sent"),
    [
        (None, [{"name": "resize", "args": [{"name": "width", "value": "768"}, {"name": "height", "value": "512"}]}]),
        (
            {"face_crop_region": {"ratio": 1.4}},
            [{"name": "face_crop_region", "args": [{"name": "ratio", "value": "1.4"}]}],
        ),
        ([{"name": "resize", "args": []}], [{"name": "resize", "args": []}]),
        ({}, []),
    ],
)
async def test_components_are_written_as_names_and_texts(clock, given, sent):
    server = Server(clock, {"task_id": "t-1"})
    async with connected(server, clock) as novita:
        await subject(novita, [1], size=(768, 512), components=given, extra_body={"novel": 1})
    body = msgspec.json.decode(server.requests[0].body)
    assert body["components"] == sent
    assert (body["width"], body["height"], body["novel"]) == (768, 512, 1)
    assert body["expert_setting"] == {"instance_prompt": "ohwx person", "class_prompt": "person"}


# ------------------------------------------------------------------------------------------ refusals


REFUSED = [
    (lambda n: subject(n, []), "image_dataset_items: 0 items, at least 1"),
    (lambda n: subject(n, [1] * 51), "image_dataset_items: 51 items, at most 50"),
    (lambda n: subject(n, base_model="sdxl"), "base_model: 'sdxl' is none of"),
    (lambda n: subject(n, class_prompt="dog"), "expert_setting.class_prompt: 'dog' is none of 'person'"),
    (lambda n: subject(n, lora_r=2), "expert_setting.lora_r: 2 is less than 4"),
    (lambda n: subject(n, learning_rat=1), "learning_rat: there is no such parameter; did you mean learning_rate"),
    (lambda n: subject(n, components={"crop": {}}), "'crop' is none of 'face_crop_region'"),
    (lambda n: subject(n, [PNG, b"no picture", b""]), r"images\[1\]: .*images\[2\]: the file is empty"),
    (lambda n: subject(n, [PNG, "cat.png"]), r"images\[1\]: 'cat.png' is neither an existing file nor an id"),
    (lambda n: subject(n, [{"caption": "x"}]), "images: a mapping has assets_id"),
    (lambda n: subject(n, [(PNG, "a", "b")]), r"images: a tuple is \(picture, caption\)"),
    (lambda n: n.images.training.create_style("s", base_model=BASE_MODEL, images=[1]), "caption: missing"),
    (lambda n: n.images.training.upload(b"GIF89a" + b"0" * 90), "png or jpeg or webp is wanted, and this is gif"),
    (lambda n: n.images.training.upload(b""), "empty"),
    (lambda n: n.images.training.upload("nowhere.png"), "neither an existing file"),
    (lambda n: n.images.training.upload(PNG, timeout=0), "timeout"),
    (lambda n: n.images.training.get("x", kind="face"), "kind must be subject or style"),
]


async def test_what_cannot_work_is_refused_before_anything_is_sent(clock):
    server = Server(clock, {})
    async with connected(server, clock) as novita:
        for work, words in REFUSED:
            with pytest.raises(ValidationError, match=words):
                await work(novita)
    assert server.requests == []


async def test_a_picture_that_does_not_go_up_ends_it_before_anything_is_started(sim):
    sim.fault("PUT", "/uploads/*", Refuse.with_status(403), times=None)
    async with inside(sim) as novita:
        with pytest.raises(APIError):
            await subject(novita)
    assert "POST /v3/training/subject" not in paths(sim)


async def test_an_upload_is_repeated_and_a_submit_whose_outcome_is_unknown_is_not(sim):
    sim.fault("PUT", "/uploads/*", Refuse.with_status(503))
    sim.fault("POST", "/v3/training/subject", Refuse.with_status(502))
    async with inside(sim) as novita:
        with pytest.raises(APIError):
            await subject(novita, [PNG])
    assert paths(sim).count("POST /v3/training/subject") == 1
    assert len([path for path in paths(sim) if path.startswith("PUT")]) == 2


async def test_who_is_cancelled_while_pictures_go_up_leaves_nothing_open(sim):
    hang = Watched(Hang.before_headers())
    sim.fault("PUT", "/uploads/*", hang, times=None)
    async with inside(sim) as novita:
        work = asyncio.create_task(subject(novita, [PNG] * 20))
        await hang.begun.wait()
        work.cancel()
        with pytest.raises(asyncio.CancelledError):
            await work
    assert "POST /v3/training/subject" not in paths(sim)


@pytest.mark.parametrize("url", ["file:///etc/passwd", "/uploads/1", "ftp://store.test/1", ""])
async def test_a_picture_goes_to_no_place_but_the_web(clock, url):
    server = Server(clock, {"assets_id": "1", "upload_url": url, "method": "PUT"})
    async with connected(server, clock) as novita:
        with pytest.raises(ProtocolError, match="http"):
            await novita.images.training.upload(PNG)
    assert len(server.requests) == 1


async def test_a_picture_behind_a_link_is_fetched_first_and_without_the_key(sim):
    async with inside(sim) as novita:
        made = await novita.images.generate("a face", model="txt2img", size=(128, 128))
        await subject(novita, [made.images[0], made.images[0].url])
    fetched = [request for request in sim.requests if request.path.startswith("/outputs/")]
    assert len(fetched) == 2
    assert all("authorization" not in request.headers for request in fetched)


async def test_over_sockets_everything_is_found_by_the_environment(clock, tmp_path):
    (tmp_path / "a.png").write_bytes(PNG)
    async with Simulator(clock=clock) as sim, sim.serve() as served:
        settings = {name.removeprefix("NOVITA_").lower(): value for name, value in served.environment.items()}
        async with AsyncNovita(**settings, clock=clock) as novita:
            assert await novita.media.upload(tmp_path / "a.png")
            task = await subject(novita, [tmp_path / "a.png"])
            assert (await task.wait()).model_name


async def test_an_upload_that_is_wanted_otherwise_is_not_guessed_at(clock):
    server = Server(clock, {"assets_id": "1", "upload_url": STORE, "method": "POST"})
    async with connected(server, clock) as novita:
        with pytest.raises(ProtocolError, match="POST"):
            await novita.images.training.upload(PNG)


# --------------------------------------------------------------------------------------------- states


@pytest.mark.parametrize(
    ("outcome", "error", "words"),
    [
        (Outcome.failed("x"), TaskFailed, "FAILED"),
        (Outcome.unknown("CANCELED"), TaskFailed, "CANCELED"),
        (Outcome.unknown("PAUSED"), TaskStateUnknown, "PAUSED"),
        (Outcome.unknown("UNKNOWN"), TaskStateUnknown, "UNKNOWN"),
    ],
)
async def test_a_training_that_does_not_succeed_says_how_it_ended(sim, outcome, error, words):
    sim.fault("POST", "/v3/training/subject", outcome)
    async with inside(sim) as novita:
        task = await subject(novita, [PNG])
        with pytest.raises(error, match=words) as ended:
            await task.wait()
        assert ended.value.task_id == task.id


async def test_progress_and_time_left_are_the_platforms(clock):
    state = {"task_id": "t-1", "task_status": "TRAINING", "extra": {"eta_relative": 80, "progress_percent": 40}}
    async with connected(Server(clock, {"task_id": "t-1"}, state), clock) as novita:
        task = await subject(novita, [1])
        update = await task.refresh()
        assert (update.status, update.progress, update.eta) == ("TRAINING", 40, 80)


@pytest.mark.parametrize(
    "models", [None, [], [{"model_name": "a", "model_status": "DEPLOYING"}], [{"model_name": "a"}]], ids=str
)
async def test_a_training_without_a_model_that_serves_is_not_done(clock, models):
    state = {"task_id": "t-1", "task_status": "SUCCESS", "models": models}
    async with connected(Server(clock, {"task_id": "t-1"}, state), clock) as novita:
        task = await subject(novita, [1])
        await task.refresh()
        assert (task.done, task.status) == (False, "DEPLOYING")
        with pytest.raises(ValidationError, match="SERVING"):
            (await novita.images.training.get("t-1")).lora()


async def test_an_answer_without_a_status_is_no_state(clock):
    async with connected(Server(clock, {"task_id": "t-1"}, {}), clock) as novita:
        task = await subject(novita, [1])
        with pytest.raises(ProtocolError):
            await task.wait()


async def test_a_training_is_found_again_in_the_journal_of_a_process_that_is_gone(clock, tmp_path):
    async with Simulator(clock=clock) as sim:
        async with inside(sim, journal=tmp_path / "journal") as novita:
            first = await subject(novita, [PNG])
            second = await novita.images.training.create_style("s", base_model=BASE_MODEL, images=[(PNG, "x")])
        async with inside(sim, journal=tmp_path / "journal") as novita:
            tasks = await novita.tasks.resume()
            assert [(task.id, task.kind) for task in tasks] == [
                (first.id, "training-subject"),
                (second.id, "training-style"),
            ]
            assert all([(await task.wait()).model_name for task in tasks])
            assert await novita.tasks.resume() == []
        assert paths(sim).count("POST /v3/training/subject") == 1


async def test_an_intent_without_an_answer_is_reported_with_its_request(sim, tmp_path):
    sim.fault("POST", "/v3/training/subject", Drop.before_headers())
    async with inside(sim, journal=tmp_path / "journal") as novita:
        with pytest.raises(OutcomeUnknown):
            await subject(novita, [PNG])
        (unknown,) = await novita.tasks.resume()
        assert unknown.kind == "training-subject"
        assert unknown.request["body"]["name"] == "me"


# ---------------------------------------------------------------------------------------------- lists


async def test_trainings_are_listed_page_by_page(sim, clock):
    async with inside(sim) as novita:
        for _ in range(3):
            await subject(novita, [PNG])
        await novita.images.training.create_style("s", base_model=BASE_MODEL, images=[(PNG, "x")])
        listed = await novita.images.training.list(limit=2)
        assert [training.task_type for training in listed] == ["style", "subject", "subject", "subject"]
        assert listed[0].task_name == "s"
        now = datetime.datetime.fromtimestamp(clock.time(), datetime.UTC)
        assert abs(listed[0].created_at - now) < datetime.timedelta(seconds=5)
        assert listed[0].raw["created_at"] == listed[0].created_at.timestamp()
        assert len(await novita.images.training.list(task_type="style")) == 1
    assert paths(sim).count("GET /v3/training") == 3


async def test_a_training_is_read_by_its_id_whatever_is_learned(sim):
    async with inside(sim) as novita:
        task = await novita.images.training.create_style("s", base_model=BASE_MODEL, images=[(PNG, "x")])
        assert (await novita.images.training.get(task.id)).task_status == "QUEUING"
        assert (await novita.images.training.get(task.id, kind="style")).task_id == task.id
        with pytest.raises(NotFound):
            await novita.images.training.get(task.id, kind="subject")
        with pytest.raises(NotFound):
            await novita.images.training.get("none")


async def test_fields_that_nobody_knows_are_kept(clock):
    state = {"task_id": "t-1", "task_status": "TRAINING", "novel": 1}
    async with connected(Server(clock, state), clock) as novita:
        training = await novita.images.training.get("t-1", kind="subject")
        assert training.raw == state
        assert training.created_at is None


def test_a_model_that_is_not_serving_is_no_name():
    assert Training(task_id="t", models=None).model_name == ""


# -------------------------------------------------------------------------------------------- weights


async def test_weights_come_in_pages_until_none_is_left(sim):
    async with inside(sim) as novita:
        found = [one.id async for one in novita.images.weights(type="lora", limit=7)]
        assert len(found) == len(set(found)) == 30
        cursors = [request.query.get("pagination.cursor") for request in sim.requests]
        assert cursors == [None, "c_7", "c_14", "c_21", "c_28"]


async def test_names_in_api_go_by_what_the_weights_are(sim):
    async with inside(sim) as novita:
        for type_, suffix in [("checkpoint", True), ("vae", True), ("lora", False), ("textualinversion", False)]:
            one = (await novita.images.weights(type=type_))[5]
            assert one.name_in_api.endswith(".safetensors") == suffix
            assert one.available
            assert one.raw["sd_name"] == one.sd_name


async def test_filters_are_asked_for_in_the_platforms_words(clock):
    server = Server(clock, {"models": []})
    async with connected(server, clock) as novita:
        await novita.images.weights(
            type="lora", query="a b", is_sdxl=True, is_inpainting=False, source="civitai", limit=9
        )
    query = server.requests[0].url.removeprefix(f"{BASE}/v3/model?")
    assert query == (
        "filter.types=lora&filter.query=a+b&filter.is_sdxl=true&filter.is_inpainting=false&filter.source=civitai"
        "&pagination.limit=9"
    )


@pytest.mark.parametrize(
    ("pages", "reads"),
    [
        ([{"models": [{"id": 1, "sd_name": "a"}]}], 1),
        ([{"models": [{"id": 1, "sd_name": "a"}], "pagination": {"next_cursor": ""}}], 1),
        ([{"models": [{"id": 1, "sd_name": "a"}], "pagination": {"next_cursor": "c_1"}}, {"models": []}], 2),
        ([{"models": [{"id": 1, "sd_name": "a"}], "pagination": {"next_cursor": "c_1"}}, {"models": None}], 2),
        ([{"models": [{"id": 1, "sd_name": "a"}], "pagination": {"next_cursor": "c_1"}}], 2),
    ],
    ids=["no pagination", "empty cursor", "empty page", "null page", "the same cursor for ever"],
)
async def test_pages_end_where_the_platform_has_no_more(clock, pages, reads):
    server = Server(clock, *pages)
    async with connected(server, clock) as novita:
        await novita.images.weights()
    assert len(server.requests) == reads


@pytest.mark.parametrize("limit", [0, 101, True, -1])
async def test_a_page_that_cannot_be_is_refused(clock, limit):
    server = Server(clock, {})
    async with connected(server, clock) as novita:
        with pytest.raises(ValidationError, match="limit must be 1 to 100"):
            novita.images.weights(limit=limit)
    assert server.requests == []


# --------------------------------------------------------------------------------------------- assets


async def test_a_file_is_left_at_the_asset_host_without_the_key(sim, tmp_path):
    (tmp_path / "face.png").write_bytes(PNG)
    async with inside(sim, assets_url="http://assets.test") as novita:
        asset = await novita.media.upload(tmp_path / "face.png")
        task = await novita.images.submit("adetailer", model_name="a", prompt="x", image_assets_ids=[asset])
        assert await task.wait()
    put = sim.requests[0]
    assert (put.method, put.path, put.headers["content-type"]) == ("PUT", "/image", "image/png")
    assert "authorization" not in put.headers


async def test_a_large_clip_is_sent_as_it_is_read(sim, tmp_path):
    clip = tmp_path / "clip.mp4"
    with clip.open("wb") as file:
        file.write(b"\x00\x00\x00\x18ftypmp42")
        file.truncate(8 << 20)
    async with inside(sim) as novita:
        asset = await novita.media.upload(clip, kind="video")
        merged = await novita.videos.run(
            "video-merge-face", video_assets_id=asset, enable_restore=True, face_image_base64=PNG
        )
        assert len(merged.videos) == 1
    assert sim.requests[0].headers["content-length"] == str(8 << 20)


@pytest.mark.parametrize(
    ("file", "kind", "words"),
    [
        (PNG, "audio", "kind must be image or video"),
        (PNG, "video", "video is wanted, and this is png"),
        (b"\x00\x00\x00\x18ftypmp42" + bytes(90), "image", "image is wanted, and this is mp4"),
        ("nowhere.png", "image", "neither an existing file"),
        (12, "image", "file: 12 is neither"),
        (None, "image", "file: None is neither"),
    ],
)
async def test_what_is_no_file_of_its_kind_is_not_left(clock, file, kind, words):
    server = Server(clock, {})
    async with connected(server, clock) as novita:
        with pytest.raises(ValidationError, match=words):
            await novita.media.upload(file, kind=kind)
    assert server.requests == []


async def test_a_refusal_of_the_asset_host_is_an_error(clock):
    async with connected(Server(clock, refusal(400, "INVALID_IMAGE_FORMAT"), json_reply({})), clock) as novita:
        with pytest.raises(APIError, match="INVALID_IMAGE_FORMAT"):
            await novita.media.upload(PNG)
