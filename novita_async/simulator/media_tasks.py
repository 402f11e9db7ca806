"""Media tasks: what becomes of a submit, told by the clock (contract/image.md 3, video.md, platform.md).

Nothing runs between two polls: the state of a task follows from the moment it was submitted, and its files are made
when somebody fetches them. So thousands of them weigh little.
"""

from __future__ import annotations

import hashlib
import itertools
import math
import re
import weakref
from typing import TYPE_CHECKING, Any, cast

import msgspec

from .faults import Outcome
from .media_inputs import said
from .works import Source, works

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ..catalog import Model
    from ..runtime.clock import Clock
    from .media_inputs import File
    from .outputs import Outputs

__all__ = ["SUCCEED", "Task", "Tasks"]

SUCCEED = "TASK_STATUS_SUCCEED"

_HOUR = 3600
_KEPT_SECONDS = 30 * 24 * _HOUR
_QUEUED_SHARE = 0.15  # of a task's time
_SHOWN_LETTERS = 512  # of a text of the request that a result repeats: files stand there too
_SAFE, _UNSAFE = 0.5, 97.5  # confidence of a verdict


class _Kind(msgspec.Struct, frozen=True):
    """What all tasks of a model have in common.

    Attributes:
        task_type: the platform's tag.
        output: images, videos or audios.
        progress: whether it tells its percent.
        life: seconds that a link lives after the task's end.
        ttl: what the result says about that.
    """

    task_type: str
    output: str
    progress: bool
    life: int
    ttl: str | int


class Task(msgspec.Struct, kw_only=True):
    """A submitted task.

    Attributes:
        names: of its files; `metadata` belongs to them, in the same order.
        origin: where links to them point.
        request: what it repeats of its request, as JSON.
        flagged: whether its pictures are not safe for work.
        status: the one that a test asked for in place of that which the outcome gives.
        inline: its pictures stand as base64 where their links would (contract/image.md 11).
        hidden: the platform does not know it: its end is announced by a webhook, and that is all.
    """

    id: str
    kind: _Kind
    seed: int
    submitted: float  # monotonic
    submitted_at: float  # Unix seconds
    seconds: float
    outcome: Outcome | None
    request: bytes
    extra: dict[str, Any]
    origin: str
    flagged: bool = False
    inline: bool = False
    hidden: bool = False
    status: str = ""
    names: tuple[str, ...] = ()
    types: tuple[str, ...] = ()
    metadata: tuple[dict[str, Any] | None, ...] = ()

    def status_at(self, age: float) -> str:
        """The status of the task when it is so many seconds old."""
        if age < self.seconds * _QUEUED_SHARE:
            return "TASK_STATUS_QUEUED"
        if age < self.seconds:
            return "TASK_STATUS_PROCESSING"
        if self.status:
            return self.status
        if self.outcome is None or self.outcome.status is None:
            return SUCCEED
        return self.outcome.status or "TASK_STATUS_FAILED"


class Tasks:
    """The tasks of the media product, and where their files are fetched.

    Args:
        clock: what they grow older by.
        outputs: makes their files.
        seed: decides ids, and what "any seed" comes to.
        task_seconds: how long a task takes when nothing else is said.
    """

    def __init__(self, *, clock: Clock, outputs: Outputs, seed: int, task_seconds: float) -> None:
        self._clock = clock
        self._outputs = outputs
        self._seed = seed
        self._task_seconds = task_seconds
        self._tasks: dict[str, Task] = {}
        self._kinds: dict[str, _Kind] = {}
        self._sources: weakref.WeakValueDictionary[bytes, Source] = weakref.WeakValueDictionary()
        self._count = itertools.count(1)

    def start(
        self,
        model: Model,
        params: Mapping[str, Any],
        files: list[File],
        *,
        origin: str,
        outcome: Outcome | None = None,
        share: float = 1.0,
        test: str = "",
    ) -> Task:
        """Submit a task.

        Args:
            model: from the catalog, or made up.
            params: its parameters, on one level.
            files: what is among them.
            origin: where links shall point.
            outcome: how a test wants it to end.
            share: of the usual time.
            test: the status of a mock event; the platform knows nothing of such a task.
        """
        self._forget_old()
        digest = self._digest()
        seed = _seed_of(model, params)
        seed = int(digest[:8], 16) if seed is None else seed
        extra: Mapping[str, Any] = params.get("extra") or {}
        task = Task(
            id="-".join((digest[:8], digest[8:12], digest[12:16], digest[16:20], digest[20:])),
            kind=self._kind(model),
            seed=seed,
            submitted=self._clock.monotonic(),
            submitted_at=self._clock.time(),
            seconds=0.0 if test else self.seconds(outcome, share),
            outcome=outcome,
            request=msgspec.json.encode(_shortened({**params, "seed": seed})),
            extra={name: extra[name] for name in ("webhook", "enable_nsfw_detection") if name in extra},
            origin=origin,
            flagged="nsfw" in said(params).lower(),
            inline=bool(params.get("enable_base64_output")),
            hidden=bool(test),
            status=test,
        )
        self._put(task, model, params, files)
        self._tasks[task.id] = task
        return task

    def seconds(self, outcome: Outcome | None, share: float = 1.0) -> float:
        """How long a task takes."""
        return self._task_seconds * share if outcome is None or outcome.after is None else outcome.after

    def seed(self, model: Model, params: Mapping[str, Any]) -> int:
        """The seed that was asked for, or another one every time."""
        seed = _seed_of(model, params)
        return int(self._digest()[:8], 16) if seed is None else seed

    def _digest(self) -> str:
        return hashlib.blake2b(f"{self._seed} task {next(self._count)}".encode(), digest_size=16).hexdigest()

    def _put(self, task: Task, model: Model, params: Mapping[str, Any], files: list[File]) -> None:
        pieces = works(model, params, files, self.source(files), task.seed)
        task.names = tuple(f"{task.id}-{number}.{piece.type}" for number, piece in enumerate(pieces))
        task.types = tuple(piece.type for piece in pieces)
        if any(piece.metadata for piece in pieces):
            task.metadata = tuple(piece.metadata for piece in pieces)
        for name, piece in zip(task.names, pieces, strict=True):
            self._outputs.put(name, piece.make)

    def source(self, files: list[File]) -> Source | None:
        """The first picture that came, shared by everything that is made of it."""
        file = next((file for file in files if file.size is not None), None)
        if file is None or file.size is None:
            return None
        source = self._sources.get(file.digest)
        if source is None:
            source = self._sources[file.digest] = Source(file.data, file.size)
        return source

    def _kind(self, model: Model) -> _Kind:
        kind = self._kinds.get(model.id)
        if kind is None:
            kind = self._kinds[model.id] = _kind(model)
        return kind

    def _forget_old(self) -> None:
        """Drop what the platform would have dropped. The oldest task stands first."""
        horizon = self._clock.monotonic() - _KEPT_SECONDS
        while self._tasks and (task := next(iter(self._tasks.values()))).submitted + task.seconds < horizon:
            del self._tasks[task.id]
            for name in task.names:
                self._outputs.remove(name)

    def find(self, identifier: str) -> Task | None:
        """The task of an id, as far as the platform knows it."""
        self._forget_old()
        task = self._tasks.get(identifier)
        return None if task is None or task.hidden else task

    def links(self, task: Task) -> list[str]:
        """Links to the files of a task. They date from its end: asking again does not prolong them."""
        life = task.kind.life or _KEPT_SECONDS
        expires = task.submitted_at + task.seconds + life
        return [self._outputs.link(task.origin, name, expires=expires) for name in task.names]

    # -------------------------------------------------------------------------------------- results

    def result(self, task: Task) -> dict[str, Any]:
        """What the platform says about a task now."""
        age = self._clock.monotonic() - task.submitted
        status = task.status_at(age)
        outputs = self._outputs_of(task) if status == SUCCEED else []
        return {
            "extra": self._extra(task, age),
            "task": {
                "task_id": task.id,
                "task_type": task.kind.task_type,
                "status": status,
                **_progress(task, age, status),
            },
            **{name: outputs if task.kind.output == name else [] for name in ("images", "videos", "audios")},
        }

    def _extra(self, task: Task, age: float) -> dict[str, Any]:
        if task.kind.output == "audios":
            return dict(task.extra)
        extra = {"seed": str(task.seed), **task.extra, "debug_info": _debug(task, age)}
        if task.kind.task_type.startswith("QWEN"):
            extra["has_nsfw_contents"] = [task.flagged] * len(task.names) if age >= task.seconds else []
        return extra

    def _outputs_of(self, task: Task) -> list[dict[str, Any]]:
        word = task.kind.output.removesuffix("s")
        outputs: list[dict[str, Any]] = []
        for number, link in enumerate(self.links(task)):
            output: dict[str, Any] = {
                f"{word}_url": link,
                f"{word}_url_ttl": task.kind.ttl,
                f"{word}_type": task.types[number],
            }
            if word == "image":
                checked = {"valid": True, "confidence": _UNSAFE if task.flagged else _SAFE}
                output["nsfw_detection_result"] = checked if task.extra.get("enable_nsfw_detection") else None
            elif task.metadata and task.metadata[number] is not None:
                output["audio_metadata"] = task.metadata[number]
            outputs.append(output)
        return outputs


def _kind(model: Model) -> _Kind:
    tag = re.sub(r"\W+", "_", model.id.removesuffix("-async").replace(".", "")).upper()
    life, ttl = _HOUR, str(_HOUR)
    if model.id == "flux-1-schnell":
        life = ttl = 7 * 24 * _HOUR
    elif model.family == "qwen-image":
        life, ttl = 0, "0"  # an unsigned link there: no end of it is stated
    elif model.family == "seedream":
        life, ttl = 24 * _HOUR, ""
    elif model.output == "audios":
        life = (9 if "-2.8-" in model.id else 24) * _HOUR
        ttl = str(life)
    progress = model.output == "videos" or model.id in ("txt2img", "img2img")
    return _Kind(model.task_type or tag, model.output, progress, life, ttl)


def _seed_of(model: Model, params: Mapping[str, Any]) -> int | None:
    """The seed that was asked for; None for any, which has three ways to be said (contract/video.md, Quirks)."""
    seed: int | None = params.get("seed")
    return None if seed is None or seed == -1 or (seed == 0 and model.family.startswith("vidu")) else seed


def _shortened(value: Any) -> Any:
    """A request without the bulk of its files."""
    if isinstance(value, str):
        return value if len(value) <= _SHOWN_LETTERS else f"{value[:_SHOWN_LETTERS]}..."
    if isinstance(value, dict):
        return {name: _shortened(each) for name, each in cast("dict[str, Any]", value).items()}
    if isinstance(value, list):
        return [_shortened(each) for each in cast("list[Any]", value)]
    return value


def _progress(task: Task, age: float, status: str) -> dict[str, Any]:
    """Reason, percent and seconds left. Nothing but a running task tells a useful eta."""
    reason = ""
    if status == "TASK_STATUS_FAILED":
        reason = task.outcome.reason if task.outcome is not None else "as the test mode of the webhook asked for"
    percent, eta = 0, 0
    if status == "TASK_STATUS_PROCESSING":
        queued = task.seconds * _QUEUED_SHARE
        percent, eta = int(100 * (age - queued) / (task.seconds - queued)), math.ceil(task.seconds - age)
    elif status == SUCCEED:
        percent = 100
    return {"reason": reason, "progress_percent": percent if task.kind.progress else 0, "eta": eta}


def _debug(task: Task, age: float) -> dict[str, str]:
    """Times in milliseconds as text, empty as long as they have not come."""

    def moment(after: float) -> str:
        return str(int((task.submitted_at + after) * 1000)) if age >= after else ""

    return {
        "request_info": task.request.decode(),
        "submit_time_ms": moment(0),
        "execute_time_ms": moment(task.seconds * _QUEUED_SHARE),
        "complete_time_ms": moment(task.seconds),
    }
