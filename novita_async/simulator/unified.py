"""The unified video call: a list of models with their schemas, and one path for all of them (contract/video.md).

The list is what the contract's `x-unified-models` knows of the platform's own. Durations and tiers are those of the
models behind the names.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from ..catalog import Media as File
from ..catalog import Model, Schema
from . import keys
from .media_inputs import bad, read
from .router import Call, Router, json_reply

if TYPE_CHECKING:
    from ..runtime.clock import Clock
    from ..transport.protocol import Reply
    from .limits import Limits
    from .media import Media

__all__ = ["MODELS", "Unified", "json_schema"]

_KLING_T2V = "prompt negative_prompt aspect_ratio duration guidance_scale"
_KLING_I2V = "prompt image negative_prompt duration guidance_scale"
_HAILUO = "prompt duration resolution prompt_extend"
_HAILUO_I2V = "prompt image duration resolution prompt_extend"
_SEEDANCE_T2V = "prompt resolution aspect_ratio duration camera_fixed seed"
#: The models, and the fields of each.
MODELS = {
    "kling2.5_turbo_pro_t2v": _KLING_T2V,
    "kling2.5_turbo_pro_i2v": _KLING_I2V,
    "kling2.1_master_t2v": _KLING_T2V,
    "kling2.1_master_i2v": _KLING_I2V,
    "seedance_v1.5_pro_t2v": "prompt duration aspect_ratio add_audio",
    "seedance_v1.5_pro_i2v": "prompt image end_image duration aspect_ratio add_audio",
    "kling2.1_i2v": _KLING_I2V,
    "kling2.1_pro_i2v": _KLING_I2V,
    "wan2.2_t2v": "prompt negative_prompt size duration seed watermark loras prompt_extend",
    "wan2.2_i2v": "prompt image negative_prompt resolution duration seed watermark loras prompt_extend",
    "wan2.5_preview_t2v": "prompt negative_prompt audio size duration prompt_extend add_audio seed",
    "wan2.5_preview_i2v": "prompt image negative_prompt audio resolution duration prompt_extend add_audio seed",
    "minimax_hailuo_02": "prompt image end_image duration resolution prompt_extend",
    "minimax_hailuo2.3_t2v": _HAILUO,
    "minimax_hailuo2.3_i2v": _HAILUO_I2V,
    "minimax_hailuo2.3_fast_i2v": _HAILUO_I2V,
    "seedance_v1_lite_t2v": _SEEDANCE_T2V,
    "seedance_v1_pro_t2v": _SEEDANCE_T2V,
    "seedance_v1_lite_i2v": "prompt image end_image resolution aspect_ratio duration camera_fixed seed",
    "seedance_v1_pro_i2v": "prompt image resolution aspect_ratio duration camera_fixed seed",
}
#: By the beginning of a name: seconds, as text, and tiers; the first of each stands when none is given.
_FAMILIES: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "kling": (("5", "10"), ()),
    "seedance_v1.5": (("5", "4", "6", "7", "8", "9", "10", "11", "12"), ()),
    "seedance": (("5", "10"), ("720p", "480p", "1080p")),
    "wan2.2": (("5", "8"), ("1080P", "480P", "720P")),
    "wan": (("5", "10"), ("1080P", "480P", "720P")),
    "minimax": (("6", "10"), ("768P", "1080P")),
}
_FLAG = {"type": "boolean", "default": False}
_FIELDS: dict[str, dict[str, Any]] = {
    "prompt": {"type": "string", "minLength": 1, "maxLength": 2500},
    "negative_prompt": {"type": "string", "maxLength": 2500},
    "image": {"type": "string", "description": "First frame: a URL or a data URI."},
    "end_image": {"type": "string", "description": "Last frame: a URL or a data URI."},
    "audio": {"type": "string", "description": "URL of a soundtrack."},
    "aspect_ratio": {"type": "string", "enum": ["16:9", "9:16", "1:1"], "default": "16:9"},
    "size": {"type": "string", "pattern": r"^\d+\*\d+$", "default": "1280*720"},
    "guidance_scale": {"type": "number", "minimum": 0, "maximum": 1, "default": 0.5},
    "seed": {"type": "integer", "minimum": -1, "maximum": 2147483647},
    "loras": {
        "type": "array",
        "maxItems": 3,
        "items": {
            "type": "object",
            "required": ["path"],
            "properties": {"path": {"type": "string"}, "scale": {"type": "number", "minimum": 0, "maximum": 4}},
        },
    },
    "prompt_extend": {"type": "boolean", "default": True},
    "add_audio": _FLAG,
    "watermark": _FLAG,
    "camera_fixed": _FLAG,
}
_FILES = {
    "image": File("image", ("url", "data-uri")),
    "end_image": File("image", ("url", "data-uri")),
    "audio": File("audio", ("url",)),
}


class Unified:
    """`/v3/video/create`, and the list of what it takes.

    Args:
        clock: whose threads read large bodies.
        api_key: the good key. The list is read without one too.
        media: starts the tasks.
        limits: requests per minute, by the name of a model.
    """

    def __init__(self, *, clock: Clock, api_key: str, media: Media, limits: Limits) -> None:
        self._clock = clock
        self._keys = keys.Keys(api_key, keys.MEDIA)
        self._media = media
        self._limits = limits

    def routes(self, router: Router) -> None:
        router.add("GET", "/v3/admin/video-unify-api/config", self._list)
        router.add("POST", "/v3/video/create", self._keys.guard(self._create))

    async def _list(self, call: Call) -> Reply:
        configs = [
            {
                "model": name,
                "description": f"{name.replace('_', ' ')}, a stand-in",
                "json_schema": msgspec.json.encode(json_schema(name)).decode(),
            }
            for name in MODELS
        ]
        return json_reply({"configs": configs})

    async def _create(self, call: Call) -> Reply:
        try:
            body = await call.json(dict[str, Any])
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise bad(str(error)) from None
        name = body.get("model")
        if not isinstance(name, str) or name not in MODELS:
            raise bad(f"model: {name!r} is not known")
        model = _model(name)
        params = await read(call, model, self._clock)
        self._limits.admit(name)
        # The page has the one, the official skill the other (contract/video.md, "Contradictions").
        callback = body.get("callback_url") or body.get("callback")
        return await self._media.start(call, model, params, webhook=callback)


def json_schema(name: str) -> dict[str, Any]:
    """The schema of a model, as the list has it: of the whole body."""
    fields = MODELS[name].split()
    seconds, tiers = next(family for start, family in _FAMILIES.items() if name.startswith(start))
    own = {
        "duration": {"type": "string", "enum": list(seconds), "default": seconds[0]},
        "resolution": {"type": "string", "enum": list(tiers), "default": tiers[0] if tiers else None},
    }
    properties = {field: own.get(field) or _FIELDS[field] for field in fields}
    required = ["model", "prompt", *(["image"] if name.endswith("i2v") else [])]
    return {
        "type": "object",
        "required": required,
        "properties": {"model": {"type": "string", "enum": [name]}, **properties},
    }


def _model(name: str) -> Model:
    """A model as the catalog would have it."""
    schema = msgspec.convert(json_schema(name), Schema)
    properties = {field: each for field, each in schema.properties.items() if field != "model"}
    for field, file in _FILES.items():
        if field in properties:
            properties[field] = msgspec.structs.replace(properties[field], media=file)
    duration = properties["duration"]
    # Some clients send a number (contract/video.md, "Contradictions").
    both = (*duration.enum, *(int(text) for text in duration.enum))
    properties["duration"] = msgspec.structs.replace(duration, type=("string", "integer"), enum=both)
    required = tuple(field for field in schema.required if field != "model")
    return Model(
        id=name,
        title=name,
        product="videos",
        family="unified",
        task="i2v" if name.endswith("i2v") else "t2v",
        path="/v3/video/create",
        kind="async",
        status="current",
        params=msgspec.structs.replace(schema, properties=properties, required=required),
        output="videos",
    )
