"""The media models as data: path, layout and parameters of each (contract/image.openapi.yaml, video.openapi.yaml).

A model's parameters are one TypedDict with the contract's ranges in it. It types the keywords of `submit` and `run`,
and the same ranges are checked before anything is sent, because a refused job is cheap and a wrong one is not.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, Required, TypedDict, get_args, get_origin, get_type_hints

import msgspec
from msgspec import Meta

from ..errors import ValidationError
from ..runtime.arguments import check_keywords, given, json_body

__all__ = ["MODELS", "FluxSchnellParams", "KlingT2VParams", "Model", "Txt2ImgParams", "build_body"]

Prompt = Annotated[str, Meta(min_length=1, max_length=1024)]
Side = Annotated[int, Meta(ge=128, le=2048)]
FluxSide = Annotated[int, Meta(ge=64, le=2048)]
Count = Annotated[int, Meta(ge=1, le=8)]
Steps = Annotated[int, Meta(ge=1, le=100)]


class Lora(TypedDict):
    """A LoRA and its weight, 0 to 1."""

    model_name: str
    strength: Annotated[float, Meta(ge=0, le=1)]


class Embedding(TypedDict):
    """A textual inversion."""

    model_name: str


class Txt2ImgExtra(TypedDict, total=False):
    """Options of the Stable Diffusion family.

    Keys:
        response_image_type: encoding of the pictures; png unless given.
        enable_nsfw_detection: judge every picture, 0.0015 USD each; it labels and does not block.
        nsfw_detection_level: 0 explicit, 1 adds nudity, 2 adds swimwear.
        webhook, custom_storage, enterprise_plan: as the contract has them.
    """

    response_image_type: Literal["png", "webp", "jpeg"]
    enable_nsfw_detection: bool
    nsfw_detection_level: Literal[0, 1, 2]
    webhook: dict[str, Any]
    custom_storage: dict[str, Any]
    enterprise_plan: dict[str, Any]


class Txt2ImgParams(TypedDict, total=False):
    """Stable Diffusion text to image.

    Keys:
        model_name: checkpoint, `sd_name` of the model list.
        prompt: 1 to 1024 characters.
        width, height: pixels, 128 to 2048.
        image_num: pictures, 1 to 8.
        steps: 1 to 100.
        guidance_scale: 1 to 30.
        sampler_name: such as "Euler a" or "DPM++ 2M Karras".
        negative_prompt: up to 1024 characters.
        sd_vae: VAE file name; "" for the built-in one.
        seed: -1 for a random one.
        loras, embeddings: up to 5 of each.
        clip_skip: 1 to 12.
        hires_fix, refiner: as the contract has them.
        enable_transparent_background: needs png and an SDXL checkpoint.
        restore_faces: mend faces afterwards.
        extra: see `Txt2ImgExtra`.
    """

    model_name: Required[str]
    prompt: Required[Prompt]
    width: Required[Side]
    height: Required[Side]
    image_num: Required[Count]
    steps: Required[Steps]
    guidance_scale: Required[Annotated[float, Meta(ge=1, le=30)]]
    sampler_name: Required[str]
    negative_prompt: Annotated[str, Meta(max_length=1024)]
    sd_vae: str
    seed: Annotated[int, Meta(ge=-1)]
    loras: Annotated[list[Lora], Meta(max_length=5)]
    embeddings: Annotated[list[Embedding], Meta(max_length=5)]
    clip_skip: Annotated[int, Meta(ge=1, le=12)]
    hires_fix: dict[str, Any]
    refiner: dict[str, Any]
    enable_transparent_background: bool
    restore_faces: bool
    extra: Txt2ImgExtra


class FluxSchnellParams(TypedDict, total=False):
    """FLUX.1 schnell. It answers at once.

    Keys:
        prompt: 1 to 1024 characters.
        seed: 0 to 4294967295; there is no "random".
        steps: 1 to 100; 4 is usual.
        width, height: pixels, 64 to 2048.
        image_num: pictures, 1 to 8.
        response_image_format: png unless given.
    """

    prompt: Required[Prompt]
    seed: Required[Annotated[int, Meta(ge=0, le=4294967295)]]
    steps: Required[Steps]
    width: Required[FluxSide]
    height: Required[FluxSide]
    image_num: Required[Count]
    response_image_format: Literal["png", "webp", "jpeg"]


class KlingT2VParams(TypedDict, total=False):
    """Kling 3.0 Standard text to video.

    Keys:
        prompt: up to 2500 characters.
        duration: seconds, 3 to 15; 5 unless given.
        aspect_ratio: "16:9" unless given.
        cfg_scale: adherence to the prompt, 0 to 1; 0.5 unless given.
        negative_prompt: up to 2500 characters.
        sound: also make sound.
    """

    prompt: Required[Annotated[str, Meta(min_length=1, max_length=2500)]]
    duration: Annotated[int, Meta(ge=3, le=15)]
    aspect_ratio: Literal["16:9", "9:16", "1:1"]
    cfg_scale: Annotated[float, Meta(ge=0, le=1)]
    negative_prompt: Annotated[str, Meta(max_length=2500)]
    sound: bool


class Model(msgspec.Struct, frozen=True, kw_only=True):
    """One model endpoint.

    Attributes:
        name: what `submit` and `run` call it.
        path: under the base URL.
        answers: "task" for an id that is polled, "now" for the result itself.
        layout: "wrapped" puts the parameters under `request`, beside `extra`; "flat" does not.
        params: the TypedDict of its parameters.
    """

    name: str
    path: str
    answers: Literal["task", "now"]
    layout: Literal["wrapped", "flat"]
    params: type


MODELS = {
    model.name: model
    for model in (
        Model(name="txt2img", path="/v3/async/txt2img", answers="task", layout="wrapped", params=Txt2ImgParams),
        Model(
            name="flux-1-schnell", path="/v3beta/flux-1-schnell", answers="now", layout="flat", params=FluxSchnellParams
        ),
        Model(
            name="kling-v3.0-std-t2v",
            path="/v3/async/kling-v3.0-std-t2v",
            answers="task",
            layout="flat",
            params=KlingT2VParams,
        ),
    )
}


def _bare(hint: Any) -> Any:
    """A type without the mark that its key is required."""
    return get_args(hint)[0] if get_origin(hint) is Required else hint


def build_body(model: Model, params: dict[str, Any], extra_body: dict[str, Any] | None) -> bytes:
    """Check the parameters of a model against the contract and lay them out as its endpoint wants them.

    Raises:
        TypeError: a parameter that the model does not have.
        ValidationError: everything that is missing, of a wrong type or out of range.
    """
    hints = get_type_hints(model.params, include_extras=True)
    check_keywords(model.name, params, hints)
    required = (name for name, hint in hints.items() if get_origin(hint) is Required)
    problems = [f"{name} is missing" for name in required if params.get(name) is None]
    for name, value in params.items():
        if value is None:
            continue
        try:
            msgspec.convert(value, _bare(hints[name]))
        except msgspec.ValidationError as error:
            problems.append(f"{name}: {error}")
    if problems:
        raise ValidationError(*(f"{model.name}: {problem}" for problem in problems))
    body = given(**params)
    if model.layout == "wrapped":
        extra = body.pop("extra", None)
        body = {"extra": extra, "request": body} if extra else {"request": body}
    if extra_body:
        body.update(extra_body)
    return json_body(body)
