"""The shorthands: one vocabulary that every model is reached by, and that drops nothing."""

from __future__ import annotations

import msgspec
import pytest
from helpers import BASE, TASK_RESULT, connected, inside, json_reply

from novita_async.catalog import load
from novita_async.catalog.check import check
from novita_async.errors import ModelRetiredWarning, ValidationError
from novita_async.media.words import arrange
from novita_async.simulator.encode import picture

pytestmark = pytest.mark.filterwarnings("ignore::novita_async.errors.ModelRetiredWarning")

MODELS = load()
LINK = "https://files.test/a.png"
LAST = "https://files.test/b.png"
PNG = picture("a lighthouse", 1, 512, 512, "png")[0]


def able(*tasks):
    """The models that can do one of these tasks."""
    return [model.id for model in MODELS.values() if set(tasks) & set(model.task.split("+"))]


class Platform:
    """Takes every submit, answers in the shape of its kind, and remembers the parameters on one level."""

    def __init__(self):
        self.sent = []

    async def __call__(self, request):
        path = request.url.removeprefix(BASE)
        if path.startswith(TASK_RESULT):
            task = {"task_id": "task-1", "status": "TASK_STATUS_SUCCEED"}
            return json_reply({"task": task, "images": [], "videos": []})
        (model,) = [each for each in MODELS.values() if each.path == path]
        params = msgspec.json.decode(request.body)
        for section in model.sections:
            params |= params.pop(section, {})
        self.sent.append((model.id, params))
        return json_reply({"task_id": "task-1", "images": [LINK], "prompt": "a lighthouse"})


@pytest.fixture
def platform():
    return Platform()


@pytest.fixture
async def novita(platform, clock):
    async with connected(platform, clock) as novita:
        yield novita


def taken(model):
    """A picture in a form that a model takes."""
    schemas = MODELS[model].params.properties.values()
    media = [schema.media or (schema.items.media if schema.items is not None else None) for schema in schemas]
    return LINK if any(each is not None and "url" in each.forms for each in media) else PNG


def right(platform, model):
    """The one call that came was to the model, and as the contract wants it."""
    ((name, params),) = platform.sent
    assert name == model
    assert check(MODELS[model], params) == []
    assert set(MODELS[model].params.required) <= set(params)
    return params


# ------------------------------------------------------------------------------------- every model


@pytest.mark.parametrize("model", able("t2i"))
async def test_every_model_that_paints_is_reached_by_its_prompt(novita, platform, model):
    await novita.images.generate("a lighthouse", model=model)
    assert right(platform, model)["prompt"] == "a lighthouse"


@pytest.mark.parametrize("model", able("t2v"))
async def test_every_model_that_makes_videos_of_words_is_reached_by_its_prompt(novita, platform, model):
    own = {"model_name": "dreamshaper_8_93211.safetensors"} if model == "txt2video" else {}
    await novita.videos.generate("a boat", model=model, **own)
    params = right(platform, model)
    assert params.get("prompt") == "a boat" or params["prompts"] == [{"prompt": "a boat", "frames": 32}]


@pytest.mark.parametrize("model", able("i2v"))
async def test_every_model_that_makes_videos_of_a_picture_is_reached_by_it(novita, platform, model):
    prompt = "a boat" if "prompt" in MODELS[model].params.properties else None
    await novita.videos.generate(prompt, image=taken(model), model=model)
    params = right(platform, model)
    assert LINK in str(params) or len(params["image_file"]) > len(PNG)


@pytest.mark.parametrize("model", able("startend2v"))
async def test_every_model_that_goes_from_picture_to_picture_gets_both_in_order(novita, platform, model):
    await novita.videos.generate("a boat", image=LINK, end_image=LAST, model=model)
    assert right(platform, model)["images"] == [LINK, LAST]


@pytest.mark.parametrize("model", [each for each in able("i2i", "replace-background") if each != "reimagine"])
async def test_every_model_that_paints_over_is_reached_by_prompt_and_picture(novita, platform, model):
    await novita.images.edit("in winter", taken(model), model=model)
    assert right(platform, model)["prompt"] == "in winter"


# ------------------------------------------------------------------------------------------- words


PICTURE_WORDS = [
    ("txt2img", {"n": 3}, {"image_num": 3}),
    ("flux-1-kontext-dev", {"n": 1}, {"num_images": 1}),
    ("seedream-4.0", {"n": 3}, {"max_images": 3, "sequential_image_generation": "auto"}),
    (
        "seedream-5.0-lite",
        {"n": 3},
        {"sequential_image_generation_options": {"max_images": 3}, "sequential_image_generation": "auto"},
    ),
    ("seedream-5.0-lite", {"size": (2048, 2560)}, {"size": "2048x2560"}),
    ("qwen-image-txt2img", {"size": (512, 512)}, {"size": "512*512"}),
    ("qwen-image-txt2img", {"size": "512x512"}, {"size": "512*512"}),
    ("txt2img", {"size": (512, 768)}, {"width": 512, "height": 768}),
    ("flux-1-kontext-pro", {"aspect_ratio": "16:9"}, {"aspect_ratio": "16:9"}),
    ("txt2img", {"format": "webp"}, {"extra": {"response_image_type": "webp"}}),
    (
        "txt2img",
        {"format": "PNG", "extra": {"enable_nsfw_detection": True}},
        {"extra": {"enable_nsfw_detection": True, "response_image_type": "png"}},
    ),
    ("flux-1-schnell", {"format": "jpg"}, {"response_image_format": "jpeg"}),
    ("flux-1-kontext-dev", {"format": "png"}, {"output_format": "png"}),
    ("seedream-3-0-txt2img", {"format": "b64_json"}, {"response_format": "b64_json"}),
    ("txt2img", {"seed": 7, "negative_prompt": "fog"}, {"seed": 7, "negative_prompt": "fog"}),
    ("txt2img", {"steps": 30, "model_name": "a.safetensors"}, {"steps": 30, "model_name": "a.safetensors"}),
]


async def test_a_word_for_pictures_is_written_as_its_model_has_it(novita, platform):
    for model, words, expected in PICTURE_WORDS:
        platform.sent.clear()
        await novita.images.generate("a lighthouse", model=model, **words)
        assert right(platform, model).items() >= expected.items(), f"{model} {words}"


VIDEO_WORDS = [
    ("kling-v3.0-std-t2v", {"duration": 5.0}, {"duration": 5}),
    ("kling-v3.0-std-t2v", {"duration": "5"}, {"duration": 5}),
    ("kling-v2.1-t2v-master", {"duration": 10}, {"duration": "10"}),
    ("wan2.6-t2v", {"size": (1280, 720)}, {"size": "1280*720"}),
    ("hunyuan-video-fast", {"size": (720, 1280)}, {"width": 720, "height": 1280}),
    ("vidu-q3-pro-t2v", {"resolution": "1080P"}, {"resolution": "1080p"}),
    ("minimax-hailuo-02", {"resolution": "768p"}, {"resolution": "768P"}),
    ("seedance-v1.5-pro-t2v", {"aspect_ratio": "9:16"}, {"ratio": "9:16"}),
    ("kling-v3.0-pro-i2v", {"image": LINK, "end_image": LAST}, {"image": LINK, "end_image": LAST}),
    ("wan2.7-i2v", {"image": LINK, "end_image": LAST}, {"image_url": LINK, "last_frame_url": LAST}),
    ("seedance-v1-pro-i2v", {"image": LINK, "end_image": LAST}, {"image": LINK, "last_image": LAST}),
    ("wan2.6-i2v", {"image": LINK}, {"img_url": LINK}),
    ("vidu-q1-img2video", {"image": LINK}, {"images": [LINK]}),
    ("vidu-q1-reference2video", {"image": [LINK, LAST]}, {"images": [LINK, LAST]}),
    ("kling-v3.0-std-t2v", {"sound": True}, {"sound": True}),
    (
        "wan-t2v",
        {"extra": {"webhook": {"url": "https://a.test/b"}}},
        {"extra": {"webhook": {"url": "https://a.test/b"}}},
    ),
]


async def test_a_word_for_videos_is_written_as_its_model_has_it(novita, platform):
    for model, words, expected in VIDEO_WORDS:
        platform.sent.clear()
        await novita.videos.generate("a boat", model=model, **words)
        assert right(platform, model).items() >= expected.items(), f"{model} {words}"


async def test_a_clip_of_a_legacy_model_can_be_a_gif(novita, platform):
    await novita.videos.generate(image=PNG, model="img2video", format="gif")
    assert right(platform, "img2video")["extra"] == {"response_video_type": "gif"}


async def test_what_the_caller_gave_is_not_written_into(novita):
    extra = {"enable_nsfw_detection": True}
    await novita.images.generate("a lighthouse", model="txt2img", format="webp", extra=extra)
    assert extra == {"enable_nsfw_detection": True}


async def test_one_picture_is_what_every_model_makes(novita, platform):
    await novita.images.generate("a lighthouse", n=1)
    assert "sequential_image_generation" not in right(platform, "seedream-5.0-lite")


async def test_any_seed_is_another_one_where_the_model_must_be_given_one(novita, platform):
    for _ in range(4):
        await novita.images.generate("a lighthouse", model="flux-1-schnell")
    assert len({params["seed"] for _, params in platform.sent}) > 1


async def test_defaults_go_by_what_is_given(novita, platform):
    await novita.videos.generate("a boat")
    await novita.videos.generate("a boat", image=LINK)
    await novita.images.edit("in winter", [LINK, LAST])
    await novita.images.edit("in winter", PNG, mask=PNG)
    await novita.images.upscale(PNG)
    await novita.images.upscale(LINK, resolution="8k")
    await novita.images.remove_background(PNG)
    assert [model for model, _ in platform.sent] == [
        "kling-v3.0-std-t2v",
        "kling-v3.0-std-i2v",
        "seedream-5.0-lite",
        "inpainting",
        "upscale",
        "image-upscaler",
        "remove-background",
    ]
    assert all(check(MODELS[model], params) == [] for model, params in platform.sent)


async def test_two_pictures_at_once_are_the_first_and_the_last_frame(novita, platform):
    await novita.videos.generate(image=[LINK, LAST], model="vidu-q1-startend2video")
    assert right(platform, "vidu-q1-startend2video") == {"images": [LINK, LAST]}


async def test_masks_and_pictures_are_where_each_editor_has_them(novita, platform):
    await novita.images.edit("a tree", LINK, mask=LAST, model="image-eraser")
    await novita.images.edit(None, PNG, mask=PNG, model="cleanup")
    await novita.images.edit(None, PNG, model="remove-text", format="webp")
    await novita.images.edit("more sea", PNG, model="outpainting", size=(1024, 600))
    await novita.images.edit(None, PNG, model="reimagine")
    eraser, cleanup, text, outpainting, _ = (params for _, params in platform.sent)
    assert eraser == {"prompt": "a tree", "image": LINK, "mask": LAST}
    assert set(cleanup) == {"image_file", "mask_file"}
    assert text["extra"] == {"response_image_type": "webp"}
    assert (outpainting["width"], outpainting["height"], outpainting["center_x"]) == (1024, 600, 0)


async def test_a_picture_is_described_in_words(novita):
    assert await novita.images.describe(PNG) == "a lighthouse"


async def test_headers_and_fields_that_the_sdk_does_not_know_go_along(novita, platform):
    await novita.images.generate("a lighthouse", extra_body={"novel": 1}, extra_headers={"X-Team": "art"})
    assert platform.sent[0][1]["novel"] == 1


#: Of each word a value that nothing has by itself.
SAID = {
    "prompt": "said",
    "negative_prompt": "said",
    "image": "said://image",
    "end_image": "said://end",
    "mask": "said://mask",
    "size": "61x67",
    "aspect_ratio": "61:67",
    "resolution": "61p",
    "scale": 61,
    "duration": 61,
    "n": 61,
    "seed": 61,
    "format": "said",
}


@pytest.mark.parametrize("model", [each.id for each in MODELS.values() if each.product in ("images", "videos")])
def test_no_word_is_dropped_by_any_model(model):
    """Whatever was asked for stands among the parameters, or is refused by its name."""
    taken, refused = [], []
    for word, value in SAID.items():
        words = {word: value}
        if word == "end_image" or (word == "image" and MODELS[model].task == "startend2v"):
            words = {"image": SAID["image"], "end_image": SAID["end_image"]}
        try:
            params = arrange(MODELS[model], {}, **words)
        except ValidationError as error:
            refused.append((word, error.problems))
            continue
        taken.append(word)
        assert str(value) in str(params)
    assert all(any(f": {word}: it has no such choice" in each for each in problems) for word, problems in refused)
    assert taken or model in ("heygen-video-translate", "video-merge-face")


# ----------------------------------------------------------------------------------------- refusals


REFUSED = [
    (lambda n: n.images.generate("x", model="qwen-image-txt2img", n=2), "n: it has no such choice"),
    (lambda n: n.images.generate("x", model="qwen-image-txt2img", aspect_ratio="1:1"), "aspect_ratio: .* size"),
    (lambda n: n.images.generate("x", model="hunyuan-image-3", format="png"), "format: it has no such choice"),
    (lambda n: n.images.generate("x", seed=7), "seedream-5.0-lite: seed: it has no such choice"),
    (lambda n: n.images.generate("x", size=(100, 100)), "seedream-5.0-lite: size: "),
    (lambda n: n.images.generate("x", n=99), "max_images: 99 is more than 15"),
    (lambda n: n.images.generate("x", n=0), "max_images: 0 is less than 1"),
    (lambda n: n.images.generate("x", nagative_prompt="y"), "nagative_prompt: there is no such parameter"),
    (lambda n: n.images.generate("x", model="txt2img", n=2, image_num=3), "n and image_num are the same"),
    (
        lambda n: n.images.generate("x", model="txt2img", format="png", extra={"response_image_type": "webp"}),
        "format and extra.response_image_type are the same",
    ),
    (lambda n: n.images.generate("x", model="txt2img", format="png", extra=[1]), "extra: a mapping is wanted"),
    (lambda n: n.images.generate("x", model="remove-background"), "prompt: it has no such choice; it takes image"),
    (lambda n: n.images.generate("x", model="kling-v3.0-std-t2v"), "belongs to novita.videos"),
    (lambda n: n.images.edit("x", [LINK, LAST], model="qwen-image-edit"), "image: 2 pictures, and image takes one"),
    (lambda n: n.images.edit("x", LINK, mask=LAST, model="seedream-4.5"), "mask: it has no such choice"),
    (lambda n: n.images.upscale(PNG, scale=5), "scale_factor: 5 is more than 4"),
    (lambda n: n.images.upscale(PNG, scale=2, resolution="4k"), "scale: it has no such choice"),
    (lambda n: n.videos.generate("x", image=LINK, model="kling-v3.0-std-t2v"), "image: it has no such choice"),
    (lambda n: n.videos.generate("x", end_image=LAST), "kling-v3.0-std-i2v: image: missing"),
    (lambda n: n.videos.generate("x", image=LINK, model="vidu-q1-startend2video"), "end_image: missing"),
    (lambda n: n.videos.generate("x", end_image=LINK, model="vidu-q1-startend2video"), ": image: missing"),
    (lambda n: n.videos.generate("x", image=LINK, end_image=LAST, model="vidu-q1-img2video"), "end_image: it has"),
    (lambda n: n.videos.generate("x", size=(1280, 720)), "size: it has no such choice; it takes .*aspect_ratio"),
    (lambda n: n.videos.generate("x", duration=60), "duration: 60 is more than 15"),
    (lambda n: n.videos.generate("x", seed=7), "seed: it has no such choice"),
    (lambda n: n.videos.generate(), "prompt: missing"),
    (lambda n: n.videos.generate("x", model="txt2video"), "model_name: missing"),
]


async def test_what_a_model_cannot_do_is_said_and_nothing_is_sent(novita, platform):
    for work, words in REFUSED:
        with pytest.raises(ValidationError, match=words):
            await work(novita)
    assert platform.sent == []


async def test_all_that_is_wrong_is_told_at_once(novita):
    with pytest.raises(ValidationError) as refused:
        await novita.images.generate("", seed=1, format="png", aspect_ratio="1:1", size=(10, 10), n=99, novel=1)
    said = [problem.removeprefix("seedream-5.0-lite: ").partition(":")[0] for problem in refused.value.problems]
    assert said[:3] == ["aspect_ratio", "seed", "format"]
    assert set(said[3:]) == {"novel", "size", "sequential_image_generation_options.max_images"}


# ------------------------------------------------------------------------------------- end to end


async def test_shorthands_bring_files(sim):
    async with inside(sim) as novita:
        three = await novita.images.generate("a lighthouse", n=3, size=(2048, 2048))
        assert len(three.images) == 3
        (edited,) = (await novita.images.edit("in winter", PNG, model="img2img", size=(256, 256), format="png")).images
        assert (await edited.bytes()).startswith(b"\x89PNG")
        with pytest.warns(ModelRetiredWarning, match="upscale"):
            (large,) = (await novita.images.upscale(PNG, scale=2)).images
        assert (await large.bytes())[16:24] == (1024).to_bytes(4, "big") * 2
        (clip,) = (await novita.videos.generate("it drifts away", image=PNG, duration=3)).videos
        assert (await clip.bytes())[4:8] == b"ftyp"
        assert "512 by 512 pixels" in await novita.images.describe(PNG)
