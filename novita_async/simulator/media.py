"""The media product: pictures and videos as tasks that are polled, and one model that answers at once.

Nothing runs between two polls: what a task's state is follows from the clock and the moment it was submitted
(contract/image.md 3, contract/video.md). Webhooks of a request are accepted and not called.

Pictures are PNG whatever format was asked for, and the results say so in `image_type`: no other format can be written
without a library for pictures.
"""

from __future__ import annotations

import hashlib
import itertools
import math
from functools import partial
from http import HTTPStatus
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeVar

import msgspec
from msgspec import Meta

from . import keys
from .clip import video
from .encode import picture
from .faults import Outcome
from .outputs import Outputs
from .router import Call, Router, json_reply

if TYPE_CHECKING:
    from ..runtime.clock import Clock
    from ..transport.protocol import Reply
    from .limits import Limits

__all__ = ["Media"]

T = TypeVar("T")

_LINK_SECONDS = 3600
_SCHNELL_LINK_SECONDS = 604800
_KEPT_SECONDS = 30 * 86400
_QUEUED_SHARE = 0.15  # of a task's time
_SCHNELL_SHARE = 0.2

_Prompt = Annotated[str, Meta(min_length=1, max_length=1024)]
_Steps = Annotated[int, Meta(ge=1, le=100)]
_Count = Annotated[int, Meta(ge=1, le=8)]
_Share = Annotated[float, Meta(ge=0, le=1)]
_Format = Literal["png", "webp", "jpeg"]
_Sampler = Literal[
    "Euler a", "Euler", "LMS", "Heun", "DPM2", "DPM2 a", "DPM++ 2S a", "DPM++ 2M", "DPM++ SDE", "DPM fast",
    "DPM adaptive", "LMS Karras", "DPM2 Karras", "DPM2 a Karras", "DPM++ 2S a Karras", "DPM++ 2M Karras",
    "DPM++ SDE Karras", "DDIM", "PLMS", "UniPC",
]  # fmt: skip


class _TestMode(msgspec.Struct):
    enabled: bool
    return_task_status: Literal["TASK_STATUS_SUCCEED", "TASK_STATUS_FAILED"]


class _Webhook(msgspec.Struct, omit_defaults=True):
    url: str
    test_mode: _TestMode | None = None


class _Extra(msgspec.Struct):
    response_image_type: _Format = "png"
    webhook: _Webhook | None = None
    enable_nsfw_detection: bool = False
    nsfw_detection_level: Literal[0, 1, 2] = 0


class _Lora(msgspec.Struct):
    model_name: str
    strength: _Share


class _Embedding(msgspec.Struct):
    model_name: str


class _HiresFix(msgspec.Struct):
    target_width: Annotated[int, Meta(ge=128, le=4096)]
    target_height: Annotated[int, Meta(ge=128, le=4096)]
    strength: _Share
    upscaler: Literal["RealESRGAN_x4plus_anime_6B", "RealESRNet_x4plus", "Latent"] = "Latent"


class _Refiner(msgspec.Struct):
    switch_at: _Share | None


class _Txt2ImgParams(msgspec.Struct, kw_only=True, omit_defaults=True):
    model_name: str
    prompt: _Prompt
    width: Annotated[int, Meta(ge=128, le=2048)]
    height: Annotated[int, Meta(ge=128, le=2048)]
    image_num: _Count
    steps: _Steps
    guidance_scale: Annotated[float, Meta(ge=1, le=30)]
    sampler_name: _Sampler
    negative_prompt: Annotated[str, Meta(max_length=1024)] = ""
    sd_vae: str = ""
    seed: Annotated[int, Meta(ge=-1)] = -1
    loras: Annotated[list[_Lora], Meta(max_length=5)] = []
    embeddings: Annotated[list[_Embedding], Meta(max_length=5)] = []
    clip_skip: Annotated[int, Meta(ge=1, le=12)] | None = None
    hires_fix: _HiresFix | None = None
    refiner: _Refiner | None = None
    enable_transparent_background: bool = False
    restore_faces: bool = False


class _Txt2Img(msgspec.Struct):
    request: _Txt2ImgParams
    extra: _Extra = msgspec.field(default_factory=_Extra)


class _Schnell(msgspec.Struct, kw_only=True):
    prompt: _Prompt
    seed: Annotated[int, Meta(ge=0, le=4294967295)]
    steps: _Steps
    width: Annotated[int, Meta(ge=64, le=2048)]
    height: Annotated[int, Meta(ge=64, le=2048)]
    image_num: _Count
    response_image_format: _Format = "png"


class _Kling(msgspec.Struct, kw_only=True, omit_defaults=True):
    prompt: Annotated[str, Meta(min_length=1, max_length=2500)]
    negative_prompt: Annotated[str, Meta(max_length=2500)] = ""
    duration: Annotated[int, Meta(ge=3, le=15)] = 5
    cfg_scale: _Share = 0.5
    aspect_ratio: Literal["16:9", "9:16", "1:1"] = "16:9"
    sound: bool = False


class _Task(msgspec.Struct, kw_only=True):
    """A submitted task. `files` are the names of its outputs."""

    id: str
    type: str
    kind: Literal["image", "video"]
    seed: int
    submitted: float  # monotonic
    submitted_at: float  # Unix seconds
    seconds: float
    outcome: Outcome | None
    request: str
    files: list[str]
    extra: dict[str, Any]

    def status(self, age: float) -> str:
        """The status of the task when it is so many seconds old."""
        if age < self.seconds * _QUEUED_SHARE:
            return "TASK_STATUS_QUEUED"
        if age < self.seconds:
            return "TASK_STATUS_PROCESSING"
        if self.outcome is None or self.outcome.status is None:
            return "TASK_STATUS_SUCCEED"
        return self.outcome.status or "TASK_STATUS_FAILED"


class Media:
    """Three models, their tasks and the files they make.

    Args:
        clock: what tasks grow older by.
        api_key: the good key.
        seed: decides what "any seed" comes to, and the ids.
        task_seconds: how long a task takes. The model that answers at once takes a fifth of it.
        limits: requests per minute, by the last part of a model's path.
    """

    def __init__(self, *, clock: Clock, api_key: str, seed: int, task_seconds: float, limits: Limits) -> None:
        self._clock = clock
        self._keys = keys.Keys(api_key, keys.MEDIA)
        self._seed = seed
        self._task_seconds = task_seconds
        self._limits = limits
        self.outputs = Outputs(clock=clock, secret=f"{seed} {api_key}")
        self._tasks: dict[str, _Task] = {}
        self._count = itertools.count(1)

    def routes(self, router: Router) -> None:
        guard = self._keys.guard
        router.add("POST", "/v3/async/txt2img", guard(self._txt2img))
        router.add("POST", "/v3beta/flux-1-schnell", guard(self._schnell))
        router.add("POST", "/v3/async/kling-v3.0-std-t2v", guard(self._kling))
        router.add("GET", "/v3/async/task-result", guard(self._result))
        self.outputs.routes(router)

    # --------------------------------------------------------------------------------------- the models

    async def _txt2img(self, call: Call) -> Reply:
        body = await self._read(call, _Txt2Img)
        params = body.request
        if params.enable_transparent_background and body.extra.response_image_type != "png":
            raise _bad("enable_transparent_background needs response_image_type png")
        extra: dict[str, Any] = {"enable_nsfw_detection": body.extra.enable_nsfw_detection}
        if body.extra.webhook is not None:
            extra["webhook"] = body.extra.webhook
        seed = None if params.seed == -1 else params.seed
        task = self._submit(call, "TXT_TO_IMG", "image", seed, params, extra)
        self._draw(task, params.prompt, params.width, params.height, params.image_num)
        return json_reply({"task_id": task.id})

    async def _kling(self, call: Call) -> Reply:
        body = await self._read(call, _Kling)
        task = self._submit(call, "KLING_V30_STD_T2V", "video", None, body, {})
        name = f"{task.id}.mp4"
        self.outputs.put(name, partial(video, body.prompt, task.seed, body.duration, body.aspect_ratio))
        task.files.append(name)
        return json_reply({"task_id": task.id})

    async def _schnell(self, call: Call) -> Reply:
        body = await self._read(call, _Schnell)
        task = self._submit(call, "FLUX_1_SCHNELL", "image", body.seed, body, {}, share=_SCHNELL_SHARE)
        self._draw(task, body.prompt, body.width, body.height, body.image_num)
        await self._clock.sleep(task.seconds)
        if task.status(math.inf) != "TASK_STATUS_SUCCEED":
            reason = task.outcome.reason if task.outcome is not None else ""
            raise keys.flat(HTTPStatus.INTERNAL_SERVER_ERROR, "TASK_FAILED", reason or "the task failed")
        expires = self._clock.time() + _SCHNELL_LINK_SECONDS
        images = [
            {
                "image_url": self.outputs.link(call.origin, name, expires=expires),
                "image_url_ttl": _SCHNELL_LINK_SECONDS,
                "image_type": "png",
            }
            for name in task.files
        ]
        return json_reply({"task": {"task_id": task.id}, "images": images})

    async def _read(self, call: Call, type_: type[T]) -> T:
        """Read a submit's body, and count it against the limit of its model."""
        try:
            body: T = await call.json(type_)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise _bad(str(error)) from None
        model = call.path.rpartition("/")[2]
        self._limits.admit(model)
        return body

    # ---------------------------------------------------------------------------------------- the tasks

    def _submit(
        self,
        call: Call,
        type_: str,
        kind: Literal["image", "video"],
        seed: int | None,
        request: msgspec.Struct,
        extra: dict[str, Any],
        *,
        share: float = 1.0,
    ) -> _Task:
        self._forget_old()
        digest = hashlib.blake2b(f"{self._seed} task {next(self._count)}".encode(), digest_size=16).hexdigest()
        seed = int(digest[:8], 16) if seed is None else seed
        after = call.outcome.after if call.outcome is not None else None
        task = _Task(
            id="-".join((digest[:8], digest[8:12], digest[12:16], digest[16:20], digest[20:])),
            type=type_,
            kind=kind,
            seed=seed,
            submitted=self._clock.monotonic(),
            submitted_at=self._clock.time(),
            seconds=self._task_seconds * share if after is None else after,
            outcome=call.outcome,
            request=msgspec.json.encode({**msgspec.to_builtins(request), "seed": seed}).decode(),
            files=[],
            extra=extra,
        )
        self._tasks[task.id] = task
        return task

    def _draw(self, task: _Task, prompt: str, width: int, height: int, count: int) -> None:
        for number in range(count):
            name = f"{task.id}-{number}.png"
            self.outputs.put(name, partial(picture, prompt, task.seed + number, width, height))
            task.files.append(name)

    def _forget_old(self) -> None:
        """Drop what the platform would have dropped. The oldest task stands first."""
        horizon = self._clock.monotonic() - _KEPT_SECONDS
        while self._tasks and (task := next(iter(self._tasks.values()))).submitted + task.seconds < horizon:
            del self._tasks[task.id]
            for name in task.files:
                self.outputs.remove(name)

    async def _result(self, call: Call) -> Reply:
        identifier = call.query.get("task_id", "")
        if not identifier:
            raise _bad("task_id is missing")
        self._forget_old()
        if (task := self._tasks.get(identifier)) is None:
            raise keys.flat(HTTPStatus.NOT_FOUND, "TASK_NOT_FOUND", "task not found")
        age = self._clock.monotonic() - task.submitted
        status = task.status(age)
        files = task.files if status == "TASK_STATUS_SUCCEED" else []
        outputs = [self._output(task, call.origin, name) for name in files]
        return json_reply(
            {
                "extra": {"seed": str(task.seed), **task.extra, "debug_info": _debug(task, age)},
                "task": {"task_id": task.id, "task_type": task.type, "status": status, **_progress(task, age, status)},
                "images": outputs if task.kind == "image" else [],
                "videos": outputs if task.kind == "video" else [],
                "audios": [],
            }
        )

    def _output(self, task: _Task, origin: str, name: str) -> dict[str, Any]:
        # The link dates from the end of the task: asking again does not prolong it.
        link = self.outputs.link(origin, name, expires=task.submitted_at + task.seconds + _LINK_SECONDS)
        if task.kind == "video":
            return {"video_url": link, "video_url_ttl": str(_LINK_SECONDS), "video_type": "mp4"}
        checked = {"valid": True, "confidence": 0.5} if task.extra.get("enable_nsfw_detection") else None
        return {
            "image_url": link,
            "image_url_ttl": str(_LINK_SECONDS),
            "image_type": "png",
            "nsfw_detection_result": checked,
        }


def _progress(task: _Task, age: float, status: str) -> dict[str, Any]:
    """Reason, percent and seconds left. Nothing but a running task tells a useful eta."""
    reason = task.outcome.reason if task.outcome is not None and status == "TASK_STATUS_FAILED" else ""
    if status == "TASK_STATUS_PROCESSING":
        queued = task.seconds * _QUEUED_SHARE
        percent = int(100 * (age - queued) / (task.seconds - queued))
        return {"reason": reason, "progress_percent": percent, "eta": math.ceil(task.seconds - age)}
    return {"reason": reason, "progress_percent": 100 if status == "TASK_STATUS_SUCCEED" else 0, "eta": 0}


def _debug(task: _Task, age: float) -> dict[str, str]:
    """Times in milliseconds as text, empty as long as they have not come."""

    def moment(after: float) -> str:
        return str(int((task.submitted_at + after) * 1000)) if age >= after else ""

    return {
        "request_info": task.request,
        "submit_time_ms": moment(0),
        "execute_time_ms": moment(task.seconds * _QUEUED_SHARE),
        "complete_time_ms": moment(task.seconds),
    }


def _bad(message: str) -> keys.Refusal:
    return keys.flat(HTTPStatus.BAD_REQUEST, "INVALID_REQUEST_BODY", message)
