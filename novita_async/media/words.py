"""One vocabulary over models that make pictures, videos and speech: what the shorthands take, in each one's own words.

The contract has eight names for a first frame, four for a file format and three ways to ask for several pictures
(contract/image.md 6 and video.md, "Quirks an SDK must carry"). Which of them a model has is read off the catalog.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, cast

from msgspec import UNSET

from ..catalog.check import check
from ..errors import ValidationError
from .prepare import prepare

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..catalog import Model, Schema

__all__ = ["arrange", "fit"]

#: Where a model may have what a word means: the first place that it has is the one. A dot leads into a mapping.
_PLACES: dict[str, tuple[str, ...]] = {
    "prompt": ("prompt", "prompts"),
    "negative_prompt": ("negative_prompt",),
    "image": (
        *("image", "images", "image_file", "image_base64", "image_url", "img_url", "start_image"),
        "image_urls",
    ),
    "end_image": ("end_image", "last_image", "end_image_url", "last_frame_url", "images"),
    "mask": ("mask", "mask_file", "mask_image_base64"),
    "size": ("size", "width"),
    "aspect_ratio": ("aspect_ratio", "ratio"),
    "resolution": ("resolution",),
    "scale": ("scale_factor",),
    "duration": ("duration",),
    "n": ("image_num", "num_images", "max_images", "sequential_image_generation_options.max_images"),
    "seed": ("seed",),
    "format": (
        *("audio_setting.format", "extra.response_audio_type"),  # MiniMax's output_format is something else
        *("extra.response_image_type", "response_image_format", "output_format", "extra.response_video_type"),
        *("response_format", "format"),
    ),
    "text": ("text", "input", "texts"),
    "voice": ("voice_setting.voice_id", "voice", "reference_id", "voice_id"),
    "speed": ("voice_setting.speed", "prosody.speed", "speed"),
    "sample_rate": ("audio_setting.sample_rate", "audio_setting.audio_sample_rate", "sample_rate"),
}
_STABLE_DIFFUSION = {
    "model_name": "sd_xl_base_1.0.safetensors",
    "image_num": 1,
    "steps": 20,
    "guidance_scale": 7.5,
    "sampler_name": "DPM++ 2M Karras",
}
_SQUARE = {"width": 1024, "height": 1024}
#: What a model requires without a default, and most callers have no opinion on.
_FILLED: dict[str, dict[str, Any]] = {
    "txt2img": _STABLE_DIFFUSION | _SQUARE,
    "img2img": _STABLE_DIFFUSION | _SQUARE,
    "inpainting": _STABLE_DIFFUSION,
    "adetailer": {"model_name": _STABLE_DIFFUSION["model_name"]},
    "flux-1-schnell": {"image_num": 1, "steps": 4} | _SQUARE,
    "upscale": {"model_name": "RealESRNet_x4plus", "scale_factor": 2},
    "txt2video": {"width": 512, "height": 512, "steps": 20},
    "img2video": {
        "model_name": "SVD-XT",
        "frames_num": 25,
        "frames_per_second": 6,
        "image_file_resize_mode": "CROP_TO_ASPECT_RATIO",
        "steps": 20,
    },
    "hunyuan-video-fast": {"model_name": "hunyuan-video-fast", "width": 1280, "height": 720, "steps": 20},
    "wan-2.2-t2v": {"size": "1280*720"},
    "seedance-v1-lite-t2v": {"resolution": "720p"},
    "seedance-v1-lite-i2v": {"resolution": "720p"},
    "seedance-v1-pro-t2v": {"resolution": "720p"},
    "seedance-v1-pro-i2v": {"resolution": "720p"},
}
_FRAMES = 32  # of a prompt where each one says how many, 8 to 64


def arrange(model: Model, own: Mapping[str, Any], **words: Any) -> dict[str, Any]:
    """What was asked for in the common words, as parameters of a model.

    Args:
        model: from the catalog.
        own: its own parameters, given along with the words.
        words: of the vocabulary; None for those that were not given.

    Raises:
        ValidationError: the model cannot do it: each word by name, and whatever else is wrong. Where all words have
            their places, values are left for the catalog to check.
    """
    asked = {word: value for word, value in words.items() if value is not None}
    if asked.get("n") == 1 and _place(model, "n") not in ("image_num", "num_images"):
        del asked["n"]  # one picture is what it makes
    params = {name: value for name, value in own.items() if value is not None}
    problems: list[str] = []
    for word, value in asked.items():
        place = _place(model, word)
        if place is None:
            problems.append(f"{model.id}: {word}: it has no such choice; it takes {', '.join(_words_of(model))}")
        elif _has(params, place) and (word, place) != ("end_image", "images"):
            problems.append(f"{model.id}: {word} and {place} are the same, and only one can be given")
        else:
            problems += [f"{model.id}: {problem}" for problem in _put(model, params, word, place, value)]
    for missing, other in (("image", "end_image"), ("end_image", "image")):
        if _frames(model) and other in asked and missing not in asked and len(_listed(asked[other])) == 1:
            problems.append(f"{model.id}: {missing}: missing; it goes from one picture to another")
    params = _filled(model, params)
    if problems:
        rest = prepare(model, params)  # what else is wrong is told in the same breath
        problems += [f"{model.id}: {problem}" for problem in (*rest.problems, *check(model, rest.params))]
        raise ValidationError(*problems)
    return params


def fit(schema: Schema, value: Any) -> Any:
    """A value as a schema writes it: 5 seconds as "5" where text is wanted, "720P" as "720p". Others stay."""
    if schema.type == "string":
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            value = f"{value:g}"
        if isinstance(value, str) and value not in schema.enum:
            return next((known for known in schema.enum if str(known).lower() == value.lower()), value)
    elif schema.type == "integer":
        if isinstance(value, float) and value.is_integer():
            return int(value)
        if isinstance(value, str) and value.isdecimal():
            return int(value)
    return value


def _put(model: Model, params: dict[str, Any], word: str, place: str, value: Any) -> Iterator[str]:
    """Write what a word asks for to its place. Yields what cannot be."""
    schema = _schema(model, place)
    assert schema is not None  # a place is one that the model has
    match word:
        case "image" | "end_image":
            pictures = _listed(value)
            if schema.items is not None:
                value = [*params.get(place, ()), *pictures]
            elif len(pictures) == 1:
                value = pictures[0]
            else:
                yield f"{word}: {len(pictures)} pictures, and {place} takes one"
                return
        case "prompt" if place == "prompts":
            value = [{"prompt": value, "frames": _FRAMES}]
        case "text" if place == "texts":
            value = [value]
        case "size":
            place = "size"  # also where width and height are two fields: the body is laid out so
        case "n":
            if place.endswith("max_images"):
                params["sequential_image_generation"] = "auto"
        case "format":
            value = fit(schema, "jpeg" if str(value).lower() == "jpg" else value)
        case _:
            value = fit(schema, value)
    _write(params, place, value)


def _listed(value: Any) -> list[Any]:
    return list(cast("list[Any]", value)) if isinstance(value, (list, tuple)) else [value]


def _place(model: Model, word: str) -> str | None:
    for place in _PLACES[word]:
        schema = _schema(model, place)
        if schema is None or (word == "end_image" and place == "images" and not _frames(model)):
            continue
        if place == "width" and _schema(model, "height") is None:
            continue
        return place
    return None


def _frames(model: Model) -> bool:
    """Whether its list of pictures is a first and a last frame."""
    images = model.params.properties.get("images")
    return model.task == "startend2v" and images is not None and images.min_items == 2


def _words_of(model: Model) -> list[str]:
    return [word for word in _PLACES if _place(model, word) is not None]


def _schema(model: Model, place: str) -> Schema | None:
    schema: Schema | None = model.params
    for part in place.split("."):
        schema = schema.properties.get(part) if schema is not None else None
    return schema


def _has(params: Mapping[str, Any], place: str) -> bool:
    value: Any = params
    for part in place.split("."):
        value = cast("Mapping[str, Any]", value).get(part) if isinstance(value, Mapping) else None
    return value is not None


def _write(params: dict[str, Any], place: str, value: Any) -> None:
    """Write into a mapping of parameters, and not into one that the caller gave."""
    outer, _, inner = place.partition(".")
    if inner:
        given = params.get(outer, {})
        # What is no mapping is left for the catalog to refuse.
        value = {**cast("Mapping[str, Any]", given), inner: value} if isinstance(given, Mapping) else given
    params[outer] = value


def _filled(model: Model, params: dict[str, Any]) -> dict[str, Any]:
    """The parameters, and what is in `_FILLED` and missing."""
    filled = dict(_FILLED.get(model.id, {}))
    if "size" in params:
        filled = {name: value for name, value in filled.items() if name not in ("width", "height")}
    seed = model.params.properties.get("seed")
    if seed is not None and "seed" in model.params.required and seed.default is UNSET:
        any_seed = seed.minimum is not None and seed.minimum < 0
        filled["seed"] = -1 if any_seed else random.randrange(int(seed.maximum or 0) + 1)
    return {**filled, **params}
