"""The weights that the media product has: a stock of checkpoints, LoRAs and the like, and what was trained here.

`GET /v3/model` lists them in pages, filtered as the contract says (contract/image.md 7). Their covers are real pictures
and their files real safetensors files, with nothing in them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any, TypeAlias

import msgspec

from . import encode, keys
from .media_inputs import bad
from .router import Call, Router, json_reply

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ..runtime.clock import Clock
    from ..transport.protocol import Reply
    from .outputs import Outputs

__all__ = ["TYPES", "WeightStock", "page"]

TYPES = {
    "checkpoint": "Checkpoint",
    "lora": "LoRA",
    "vae": "VAE",
    "controlnet": "ControlNet",
    "upscaler": "Upscaler",
    "textualinversion": "Textual Inversion",
}
_OF_EACH = 30
_FIRST_ID = 1001
_LINK_SECONDS = 86400
_LONGEST_PAGE = 100
_PAGE = 20
_MOODS = ("Quiet", "Bright", "Old", "Velvet", "Northern", "Paper", "Glass", "Amber", "Silver", "Wild")
_THINGS = ("Harbour", "Portrait", "Garden", "City", "Ink", "Watercolor", "Comic", "Landscape", "Armor", "Toy")
#: Files that samples and shorthands name, so that they are there.
_KNOWN = {
    "checkpoint": (
        ("SD XL Base 1.0", "sd_xl_base_1.0.safetensors", True, False),
        ("DreamShaper 8", "dreamshaper_8_93211.safetensors", False, False),
        ("SD 1.5 Inpainting", "sd-v1-5-inpainting.safetensors", False, True),
    ),
    "upscaler": (
        ("RealESRGAN x4 Anime", "RealESRGAN_x4plus_anime_6B", False, False),
        ("RealESRNet x4", "RealESRNet_x4plus", False, False),
        ("UltraSharp", "4x-UltraSharp", False, False),
    ),
}
_EMPTY_FILE = (2).to_bytes(8, "little") + b"{}"  # safetensors: the length of its header, and a header without tensors

#: What a filter of the query asks of an entry.
_Filter: TypeAlias = Callable[["_Weights", str], bool]


class _Weights(msgspec.Struct, frozen=True, kw_only=True):
    """One entry of the stock."""

    id: int
    name: str
    file: str
    type: str
    is_sdxl: bool
    inpainting: bool = False
    tags: tuple[str, ...] = ()
    source: str = "civitai"
    visibility: str = "public"
    since: float = 0.0  # monotonic

    def wire(self, link: Callable[[_Weights, str], str]) -> dict[str, Any]:
        """The entry as the platform lists it."""
        return {
            "id": self.id,
            "name": self.name,
            "hash_sha256": hashlib.sha256(self.file.encode()).hexdigest(),
            "sd_name": self.file,
            "sd_name_in_api": self.file.removesuffix(".safetensors"),
            "type": {"name": self.type, "display_name": TYPES[self.type]},
            "categories": [self.type],
            "status": 1,
            "download_url": link(self, "safetensors"),
            "download_url_ttl": _LINK_SECONDS,
            "tags": list(self.tags),
            "cover_url": link(self, "png"),
            "source": self.source,
            "base_model": "SDXL 1.0" if self.is_sdxl else "SD 1.5",
            "base_model_type": "Inpainting" if self.inpainting else "Standard",
            "is_sdxl": self.is_sdxl,
            "is_nsfw": False,
            "visibility": self.visibility,
        }

    def says(self, query: str) -> bool:
        return any(query.lower() in text.lower() for text in (self.name, self.file, *self.tags))


_FILTERS: dict[str, _Filter] = {
    "filter.types": lambda one, value: one.type in value.split(","),
    "filter.source": lambda one, value: one.source == value,
    "filter.visibility": lambda one, value: one.visibility == value,
    "filter.query": lambda one, value: one.says(value),
    "filter.is_sdxl": lambda one, value: one.is_sdxl == (value == "true"),
    "filter.is_inpainting": lambda one, value: one.inpainting == (value == "true"),
}


class WeightStock:
    """`/v3/model`.

    Args:
        clock: dates the links, and tells what is there yet.
        api_key: the good key.
        outputs: where covers and files are fetched.
    """

    def __init__(self, *, clock: Clock, api_key: str, outputs: Outputs) -> None:
        self._clock = clock
        self._keys = keys.Keys(api_key, keys.MEDIA)
        self._outputs = outputs
        self._stock: list[_Weights] = []
        self._trained: list[_Weights] = []

    def routes(self, router: Router) -> None:
        router.add("GET", "/v3/model", self._keys.guard(self._list))

    def add(self, name: str, file: str, *, is_sdxl: bool, since: float) -> None:
        """Take in a LoRA that is trained here, to be listed from a moment of the clock on."""
        number = _FIRST_ID + len(TYPES) * _OF_EACH + len(self._trained)
        self._trained.append(
            _Weights(
                id=number,
                name=name,
                file=file,
                type="lora",
                is_sdxl=is_sdxl,
                source="training",
                visibility="private",
                since=since,
            )
        )

    async def _list(self, call: Call) -> Reply:
        if not self._stock:
            self._stock = _stock()
        now = self._clock.monotonic()
        found = [*self._stock, *(one for one in self._trained if one.since <= now)]
        for name, holds in _FILTERS.items():
            if value := call.query.get(name):
                found = [one for one in found if holds(one, value)]
        shown, following = page(call, found)
        link = partial(self._link, call.origin)
        models = [one.wire(link) for one in shown]
        return json_reply({"models": models, "pagination": {"next_cursor": following}})

    def _link(self, origin: str, weights: _Weights, suffix: str) -> str:
        name = f"weights-{weights.id}.{suffix}"
        if suffix == "png":
            self._outputs.put(name, partial(encode.picture, weights.name, weights.id, 256, 256, "png"))
        else:
            self._outputs.put_stream(name, "application/octet-stream", len(_EMPTY_FILE), _part)
        return self._outputs.link(origin, name, expires=self._clock.time() + _LINK_SECONDS)


def page(call: Call, items: Sequence[Any]) -> tuple[Sequence[Any], str]:
    """The page of a list that a call asks for, and the cursor of the next one, "" after the last.

    Raises:
        keys.Refusal: limit or cursor are none.
    """
    limit = _number(call.query, "pagination.limit", "", _PAGE)
    if not 1 <= limit <= _LONGEST_PAGE:
        raise bad(f"pagination.limit: {limit} is not between 1 and {_LONGEST_PAGE}")
    start = _number(call.query, "pagination.cursor", "c_", 0)
    end = start + limit
    return items[start:end], f"c_{end}" if end < len(items) else ""


def _part(start: int, end: int) -> bytes:
    return _EMPTY_FILE[start:end]


def _number(query: Mapping[str, str], name: str, prefix: str, default: int) -> int:
    value = query.get(name, "")
    digits = value.removeprefix(prefix)
    if not value:
        return default
    if not (value.startswith(prefix) and digits.isascii() and digits.isdecimal()):
        raise bad(f"{name}: {value!r} is none")
    return int(digits)


def _stock() -> list[_Weights]:
    stock: list[_Weights] = []
    for type_ in TYPES:
        known = _KNOWN.get(type_, ())
        for number in range(_OF_EACH):
            identifier = _FIRST_ID + len(stock)
            if number < len(known):
                name, file, is_sdxl, inpainting = known[number]
                tags: tuple[str, ...] = ("base model",)
            else:
                mood, thing = _MOODS[number % len(_MOODS)], _THINGS[(number * 7 + number // 10) % len(_THINGS)]
                name, is_sdxl, inpainting = f"{mood} {thing}", number % 3 == 0, False
                file = f"{mood}{thing}_{type_}_{identifier}.safetensors"
                tags = (mood.lower(), thing.lower())
            stock.append(
                _Weights(
                    id=identifier, name=name, file=file, type=type_, is_sdxl=is_sdxl, inpainting=inpainting, tags=tags
                )
            )
    return stock
