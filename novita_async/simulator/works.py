"""What a model makes of its parameters: which files, how large, how long and of which type. None is made yet.

Sizes, counts and types are as asked, wherever a model has its words for them (contract/image.md 6, video.md); what was
sent along is really used: a picture that is edited is the one that came.
"""

from __future__ import annotations

import importlib.util
import io
import math
import re
from collections.abc import Callable, Mapping
from functools import partial
from random import Random
from typing import TYPE_CHECKING, Any, TypeAlias, cast

import msgspec
from msgspec import UNSET

from . import clip, encode
from .media_inputs import said
from .sound import speech, speech_seconds

if TYPE_CHECKING:
    from ..catalog import Model
    from .media_inputs import File

__all__ = ["Piece", "Source", "describe", "works"]

_SIDE = 1024  # of a picture when nothing is said about its size
_STEP = 16  # what the sides of a picture of a ratio are multiples of
_TIERS = {"1K": 1024, "2K": 2048, "3K": 3072, "4K": 4096, "2k": 2048, "4k": 4096, "8k": 8192}
_SIZE = re.compile(r"(\d+)[*x](\d+)")
_RATIO = re.compile(r"(\d+):(\d+)")
_NO_KNOB = "png"
_TXT2VIDEO_RATE, _HUNYUAN_RATE = 8, 24  # frames a second
#: Seconds of a clip of which the parameters say nothing.
_SECONDS = {"minimax-video-01": 6.0}
_MOST_SECONDS = 150.0
_COLORS = {
    "black": (0, 0, 0), "white": (255, 255, 255), "grey": (128, 128, 128), "red": (220, 20, 20),
    "orange": (255, 150, 40), "yellow": (240, 230, 60), "green": (30, 150, 40), "blue": (40, 70, 210),
    "purple": (130, 40, 150), "pink": (250, 180, 200), "brown": (120, 75, 40), "turquoise": (60, 200, 200),
}  # fmt: skip
_TEXT_FILE = "This text stands for the file that was named by its id."  # which cannot be read: nothing uploads one

Make: TypeAlias = Callable[[], "tuple[bytes, str, *tuple[Any, ...]]"]


class Piece(msgspec.Struct, frozen=True):
    """A file to be made.

    Attributes:
        type: what it will truly be, such as png.
        make: makes it. It blocks.
        metadata: what its answer says about it.
    """

    type: str
    make: Make
    metadata: dict[str, Any] | None = None


class Source:
    """The bytes of a picture that came. Tasks of the same picture share them."""

    __slots__ = ("__weakref__", "data", "size")

    def __init__(self, data: bytes, size: tuple[int, int]) -> None:
        self.data = data
        self.size = size


def works(model: Model, params: Mapping[str, Any], found: list[File], source: Source | None, seed: int) -> list[Piece]:
    """The files that a model makes.

    Args:
        model: from the catalog, or made up.
        params: those of the call.
        found: the files among them.
        source: the picture that is edited, or that a clip begins with.
        seed: what decides the shapes.
    """
    if model.output == "videos":
        return [_clip(model, params, found, source, seed)]
    if model.output == "audios":
        return _sounds(params)
    width, height = _picture_size(model, params, source)
    kind = _picture_type(model, params)
    alpha = model.task == "remove-background" or bool(params.get("enable_transparent_background"))
    prompt = said(params)
    made: list[Piece] = []
    for number in range(_count(params)):
        make: Make
        if source is None:
            link = next((file.link for file in found), "")
            make = partial(encode.picture, prompt or link, seed + number, width, height, kind, alpha=alpha)
        else:
            make = partial(_edited, source, prompt, seed + number, width, height, kind, alpha=alpha)
        made.append(Piece(encode.truly(kind, alpha=alpha), make))
    return made


def describe(source: Source) -> str:
    """What is in a picture, in words: its shape, size and main colour. It blocks."""
    width, height = source.size
    shape = "square" if width == height else "wide" if width > height else "tall"
    color = ""
    if importlib.util.find_spec("PIL") is not None:
        from PIL import Image

        try:
            with Image.open(io.BytesIO(source.data)) as opened:
                red, green, blue = opened.convert("RGB").resize((1, 1), Image.Resampling.BOX).tobytes()
        except (OSError, SyntaxError, ValueError):  # as Pillow says that a file is broken
            pass
        else:
            far = {name: math.dist((red, green, blue), rgb) for name, rgb in _COLORS.items()}
            color = f", mostly {min(far, key=far.__getitem__)}"
    return f"a {shape} picture{color}, {width} by {height} pixels, highly detailed"


def _count(params: Mapping[str, Any]) -> int:
    """How many pictures are asked for."""
    if params.get("sequential_image_generation") == "auto":
        options: Mapping[str, Any] = params.get("sequential_image_generation_options") or {}
        return params.get("max_images") or options.get("max_images") or 15
    return params.get("image_num") or params.get("num_images") or 1


def _edited(source: Source, prompt: str, seed: int, width: int, height: int, kind: str, *, alpha: bool) -> Any:
    strength = 0.1 + 0.2 * Random(seed).random()  # or all the pictures of one call would be the same
    return encode.edited(source.data, prompt, seed, width, height, kind, alpha=alpha, strength=strength)


def _value(model: Model, params: Mapping[str, Any], name: str) -> Any:
    """A parameter, or its default; None when it has neither."""
    if name in params:
        return params[name]
    schema = model.params.properties.get(name)
    return None if schema is None or schema.default is UNSET else schema.default


# ------------------------------------------------------------------------------------------- pictures


def _picture_size(model: Model, params: Mapping[str, Any], source: Source | None) -> tuple[int, int]:
    had = source.size if source is not None else (_SIDE, _SIDE)
    fix = cast("Mapping[str, Any]", params.get("hires_fix") or {})
    if fix:
        return fix["target_width"], fix["target_height"]
    if "width" in params and "height" in params:
        return params["width"], params["height"]
    if factor := params.get("scale_factor"):
        return max(1, round(had[0] * factor)), max(1, round(had[1] * factor))
    if model.task == "upscale" and (tier := _TIERS.get(str(_value(model, params, "resolution")))):
        return _within(tier, *had)
    size = params.get("size") if source is not None else _value(model, params, "size")
    if size is not None:
        sides = _SIZE.fullmatch(size)
        return (int(sides[1]), int(sides[2])) if sides else _within(_TIERS.get(size, _SIDE), *had)
    if ratio := _RATIO.fullmatch(str(params.get("aspect_ratio"))):
        return _of_ratio(int(ratio[1]) / int(ratio[2]))
    return had


def _within(longest: int, width: int, height: int) -> tuple[int, int]:
    """A size of the same proportions with a longer side of so many pixels."""
    scale = longest / max(width, height)
    return max(1, round(width * scale)), max(1, round(height * scale))


def _of_ratio(ratio: float) -> tuple[int, int]:
    """A size of about a megapixel."""
    height = math.sqrt(_SIDE * _SIDE / ratio)
    return _STEP * round(height * ratio / _STEP), _STEP * round(height / _STEP)


def _picture_type(model: Model, params: Mapping[str, Any]) -> str:
    """What picture is asked for, by whichever of the names that the knob has."""
    extra: Mapping[str, Any] = params.get("extra") or {}
    for name in ("response_image_format", "output_format"):
        if kind := _value(model, params, name):
            return kind
    return extra.get("response_image_type") or _NO_KNOB


# ---------------------------------------------------------------------------------------------- clips


def _clip(model: Model, params: Mapping[str, Any], found: list[File], source: Source | None, seed: int) -> Piece:
    extra: Mapping[str, Any] = params.get("extra") or {}
    kind: str = extra.get("response_video_type") or "mp4"
    prompt = said(params) or next((file.link for file in found), "")
    make = partial(clip.video, prompt, seed, _seconds(model, params), _shape(model, params, source), kind)
    return Piece(clip.truly(kind), make)


def _shape(model: Model, params: Mapping[str, Any], source: Source | None) -> str:
    """The proportions of a clip: what is asked for, else those of its first picture, else what the model takes."""
    if "width" in params and "height" in params:
        return f"{params['width']}x{params['height']}"
    for name in ("size", "aspect_ratio", "ratio"):
        if isinstance(said_so := params.get(name), str) and said_so != "adaptive":
            return said_so
    if source is not None:
        return f"{source.size[0]}x{source.size[1]}"
    defaults = (_value(model, params, name) for name in ("size", "aspect_ratio", "ratio"))
    return next((default for default in defaults if default), "16:9")


def _seconds(model: Model, params: Mapping[str, Any]) -> float:
    """How long a clip is. Where its length is that of a clip that came, which is not looked at, 5 s."""
    parts: list[Any] = params.get("image_settings") or params.get("multi_prompt") or []
    if parts and "duration" not in params:
        return min(_MOST_SECONDS, sum(_part_seconds(each) for each in parts))
    if duration := float(_value(model, params, "duration") or 0):  # a text on some models
        return min(_MOST_SECONDS, duration)
    if prompts := cast("list[Mapping[str, Any]]", params.get("prompts") or []):
        return sum(each["frames"] for each in prompts) / _TXT2VIDEO_RATE
    if frames := params.get("frames_num"):
        return frames / (params.get("frames_per_second") or 6)
    if frames := params.get("frames"):
        return frames / _HUNYUAN_RATE
    return _SECONDS.get(model.id, 5.0)


def _part_seconds(part: Any) -> float:
    """How long a part of a clip is: an object, or the text of its prompt."""
    fields = cast("Mapping[str, Any]", part if isinstance(part, Mapping) else {})
    return float(fields.get("duration") or 5)


# ---------------------------------------------------------------------------------------------- sound


def _sounds(params: Mapping[str, Any]) -> list[Piece]:
    """Speech of an asynchronous model. One that takes several texts gives a file for each."""
    extra: Mapping[str, Any] = params.get("extra") or {}
    texts: list[str] | None = params.get("texts")
    if texts is not None:  # txt2speech
        kind, speed = extra.get("response_audio_type") or "wav", params.get("speed") or 1.0
        pieces: list[Piece] = []
        for text in texts:
            metadata = {"text": text, "start_time": 0.0, "end_time": round(speech_seconds(text, speed=speed), 3)}
            make = partial(speech, text, voice=params.get("voice_id") or "", kind=kind, speed=speed)
            pieces.append(Piece(kind, make, metadata))
        return pieces
    voice: Mapping[str, Any] = params.get("voice_setting") or {}
    audio: Mapping[str, Any] = params.get("audio_setting") or {}
    kind = audio.get("format") or "mp3"
    make = partial(
        speech,
        params.get("text") or _TEXT_FILE,
        voice=voice.get("voice_id") or "",
        rate=audio.get("sample_rate") or audio.get("audio_sample_rate") or 32000,
        channels=audio.get("channel") or 1,
        kind=kind,
        speed=voice.get("speed") or 1.0,
        bitrate=audio.get("bitrate") or 128000,
    )
    return [Piece(kind, make)]
