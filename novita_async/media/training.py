"""`novita.images.training`: adapters (LoRAs) of one's own (contract/image.md 9)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, cast

import msgspec

from ..catalog import Media
from ..catalog.check import check
from ..errors import NotFound, ProtocolError, ValidationError
from ..runtime.arguments import call_headers, check_timeout, given, json_body, with_query
from ..runtime.call import Call
from ..runtime.gather import gather
from ..runtime.retry import Replay
from ..runtime.task import Reading
from ..wire.json import Object
from .assets import opened, put
from .jobs import Submitted, catalog_of, task_id_of
from .trained import Training, TrainingExtra
from .weights import listed

if TYPE_CHECKING:
    from typing import Unpack

    from ..runtime.call import Runtime
    from ..runtime.pages import Pages
    from ..runtime.task import Read, Task
    from ..runtime.tasks import TaskSet
    from .inputs import File, FileInput
    from .trained import ExpertSetting

__all__ = ["TrainingImage", "TrainingKind", "Trainings"]

#: What is learned: one person, or a style.
TrainingKind: TypeAlias = Literal["subject", "style"]
_KINDS: tuple[TrainingKind, ...] = ("subject", "style")
_OUTCOMES: dict[str, Literal["running", "failed"]] = {
    "QUEUING": "running",
    "TRAINING": "running",
    "SUCCESS": "running",  # until a model of it is SERVING
    "CANCELED": "failed",
    "FAILED": "failed",
}
_FILE = Media("image", ("bytes",), formats=("png", "jpeg", "webp"))
_FILE_OR_ID = msgspec.structs.replace(_FILE, forms=("asset", "bytes"))
_UPLOADS = 8  # at once
_POLL_LIMIT = 30.0  # seconds for one status read

#: A picture to learn from: a file in any form, the id that `upload` gave, one of both with a caption, or the contract's
#: own `{"assets_id": ..., "caption": ...}`.
TrainingImage: TypeAlias = "FileInput | int | tuple[FileInput | int, str] | Mapping[str, Any]"


class _Link(Object):
    """Where a picture is to be put. `headers` are name to `{values}`."""

    assets_id: str | int
    upload_url: str
    method: str = "PUT"
    headers: dict[str, Any] | None = None


class Trainings:
    """`novita.images.training`."""

    def __init__(self, runtime: Runtime, tasks: TaskSet) -> None:
        self._runtime = runtime
        self._tasks = tasks

    async def upload(self, image: FileInput, *, timeout: float | None = None) -> str | int:
        """Put a picture where trainings find it. `create_subject` and `create_style` do so themselves.

        Args:
            image: png, jpeg or webp, as bytes, a path, an open file, base64, a data URI or a PIL image.
            timeout: each of the two calls, in seconds.

        Returns:
            Its id, as the platform gave it.

        Raises:
            ValidationError: it is no such picture. Nothing was sent.

        Contract: image.md section 9; POST /v3/assets/training_dataset, then a PUT without a key.
        """
        check_timeout(timeout)
        (file,) = await opened(self._runtime, {"image": image}, _FILE)
        return await self._found(file, timeout)

    async def create_subject(
        self,
        name: str,
        *,
        base_model: str,
        images: Sequence[TrainingImage],
        instance_prompt: str,
        class_prompt: str = "person",
        size: tuple[int, int] = (512, 512),
        components: Mapping[str, Mapping[str, Any]] | Sequence[Mapping[str, Any]] | None = None,
        extra_body: Mapping[str, Any] | None = None,
        extra_headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
        **expert: Unpack[ExpertSetting],
    ) -> Task[Training]:
        """Learn what a person looks like, from some pictures of it.

        Args:
            name: of the training.
            base_model: the checkpoint that is learned on, such as "stable-diffusion-xl-base-1.0" or
                "dreamshaper_8_93211".
            images: up to 50, ten or more advised; files are uploaded first.
            instance_prompt: what the person will be called in prompts, such as "ohwx person".
            class_prompt: what it is one of; the platform knows "person".
            size: `(width, height)` of the pictures that are learned from.
            components: what is done to them before, by name, such as `{"face_crop_region": {"ratio": 1.4}}`; a resize
                to `size` when not given.
            extra_body: fields of the body's top level that the SDK does not know.
            extra_headers: headers of the submit.
            timeout: each upload, and the submit, in seconds.
            expert: see `ExpertSetting`.

        Returns:
            A task whose result is the `Training`. It is done when its model can be used, after ten minutes or so.

        Raises:
            ValidationError: everything that is wrong with the parameters or a picture. Nothing was sent.
            OutcomeUnknown: the submit was sent and not answered; it was not sent again.
            APIError: the platform refused.

        Example:
            task = await novita.images.training.create_subject(
                "me", base_model="dreamshaper_8_93211", images=["1.png", "2.png"], instance_prompt="ohwx person"
            )
            training = await task.wait()
            await novita.images.generate("ohwx person on the moon", model="txt2img", loras=[training.lora()])

        Contract: image.md section 9; POST /v3/training/subject.
        """
        setting = {"instance_prompt": instance_prompt, "class_prompt": class_prompt, **expert}
        params = _params(name, base_model, size, components, setting)
        return await self._create("subject", params, images, extra_body, extra_headers, timeout)

    async def create_style(
        self,
        name: str,
        *,
        base_model: str,
        images: Sequence[TrainingImage],
        size: tuple[int, int] = (512, 512),
        components: Mapping[str, Mapping[str, Any]] | Sequence[Mapping[str, Any]] | None = None,
        extra_body: Mapping[str, Any] | None = None,
        extra_headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
        **expert: Unpack[ExpertSetting],
    ) -> Task[Training]:
        """Learn a style, from some pictures in it.

        Args:
            images: up to 50, ten or more advised, each with a caption: `[("boats.png", "boats in a harbour"), ...]`.

        The other arguments, what it returns and what it raises are as those of `create_subject`.

        Contract: image.md section 9; POST /v3/training/style.
        """
        params = _params(name, base_model, size, components, {**expert})
        return await self._create("style", params, images, extra_body, extra_headers, timeout)

    def list(
        self, *, task_type: str | None = None, limit: int | None = None, timeout: float | None = None
    ) -> Pages[Training]:
        """List trainings: `async for training in ...`, or `await ...` for all of them.

        Args:
            task_type: subject or style.
            limit: how many a page has, 1 to 100. More pages are asked for as they are needed.
            timeout: each page in seconds.

        Contract: image.md section 9; GET /v3/training.
        """
        query = {"task_type": task_type}
        return listed(self._runtime, "/v3/training", query, Training, limit=limit, timeout=timeout)

    async def get(self, task_id: str, *, kind: TrainingKind | None = None, timeout: float | None = None) -> Training:
        """Read how a training stands. To wait for it, `novita.tasks.get(task_id, kind="training-subject")`.

        Args:
            task_id: its id.
            kind: what is learned; when not given both are asked for.
            timeout: each call in seconds.

        Raises:
            NotFound: there is none.

        Contract: image.md section 9; GET /v3/training/subject, GET /v3/training/style.
        """
        check_timeout(timeout)
        if kind not in (None, *_KINDS):
            raise ValidationError(f"kind must be subject or style, got {kind!r}")
        if kind is None:
            try:
                return await self._state("subject", task_id, timeout=timeout)
            except NotFound:
                kind = "style"
        return await self._state(kind, task_id, timeout=timeout)

    def reader(self, kind: TrainingKind) -> Read[Training]:
        """What reads how a training stands: it is done when its model can be used, which is later than SUCCESS."""

        async def read(task_id: str) -> Reading[Training]:
            training = await self._state(kind, task_id, attempts=1, attempt=_POLL_LIMIT)
            status = training.task_status
            if not status:
                raise ProtocolError(f"the answer about training {task_id} has no status")
            extra = training.extra or TrainingExtra()
            done = status == "SUCCESS" and bool(training.model_name)
            return Reading(
                status="DEPLOYING" if status == "SUCCESS" and not done else status,
                outcome="done" if done else _OUTCOMES.get(status, "unknown"),
                result=training if done else None,
                reason=f"the training ended as {status}" if status in ("FAILED", "CANCELED") else "",
                task_type=f"training-{kind}",
                progress=extra.progress_percent or 0.0,
                eta=extra.eta_relative or 0.0,
            )

        return read

    # -------------------------------------------------------------------------------------------------

    async def _state(self, kind: TrainingKind, task_id: str, **limits: Any) -> Training:
        url = with_query(f"{self._runtime.settings.base_url}/v3/training/{kind}", task_id=task_id)
        return await self._runtime.fetch(Call(method="GET", url=url, **limits), Training)

    async def _create(
        self,
        kind: TrainingKind,
        params: dict[str, Any],
        images: Sequence[TrainingImage],
        extra_body: Mapping[str, Any] | None,
        extra_headers: Mapping[str, str] | None,
        timeout: float | None,
    ) -> Task[Training]:
        runtime = self._runtime
        check_timeout(timeout)
        headers = call_headers(extra_headers)
        items = [_item(image) for image in images]
        model = (await catalog_of(runtime))[f"training-{kind}"]
        ids = [{**item, "assets_id": "to come"} for item in items]
        if problems := check(model, {**params, "image_dataset_items": ids}):
            raise ValidationError(*(f"{model.id}: {problem}" for problem in problems))
        given_files = {f"images[{number}]": item["assets_id"] for number, item in enumerate(items)}
        files = await opened(runtime, given_files, _FILE_OR_ID)
        found = await gather((self._found(file, timeout) for file in files), limit=_UPLOADS)
        params["image_dataset_items"] = [{**item, "assets_id": id_} for item, id_ in zip(items, found, strict=True)]
        call = Call(
            method="POST",
            url=f"{runtime.settings.base_url}{model.path}",
            body=json_body({**params, **(extra_body or {})}),
            headers=headers,
            replay=Replay.SUBMITS,
            model=model.id,
            timeout=timeout,
        )
        return await self._tasks.submit(call, Submitted, task_id_of, kind=model.id, read=self.reader(kind))

    async def _found(self, file: File | str | int, timeout: float | None) -> str | int:
        return file if isinstance(file, (str, int)) else await self._upload(file, timeout)

    async def _upload(self, file: File, timeout: float | None) -> str | int:
        body = json_body({"file_extension": file.type})
        url = f"{self._runtime.settings.base_url}/v3/assets/training_dataset"
        link = await self._runtime.fetch(Call(method="POST", url=url, body=body, timeout=timeout), _Link)
        if link.method.upper() != "PUT":
            raise ProtocolError(f"the platform wants the picture by {link.method!r}, and only PUT is known")
        if not link.upload_url.startswith(("https://", "http://")):
            raise ProtocolError(f"the place for the picture is not an http address: {link.upload_url[:100]!r}")
        await put(self._runtime, link.upload_url, file, headers=_headers(link.headers), timeout=timeout)
        return link.assets_id


def _params(
    name: str,
    base_model: str,
    size: tuple[int, int],
    components: Mapping[str, Mapping[str, Any]] | Sequence[Mapping[str, Any]] | None,
    setting: Mapping[str, Any],
) -> dict[str, Any]:
    width, height = size
    if components is None:
        components = {"resize": {"width": width, "height": height}}
    if isinstance(components, Mapping):
        named = cast("Mapping[str, Mapping[str, Any]]", components)
        components = [{"name": each, "args": _args(values)} for each, values in named.items()]
    wanted = given(name=name, base_model=base_model, width=width, height=height, components=list(components))
    return {**wanted, **({"expert_setting": given(**setting)} if setting else {})}


def _args(values: Mapping[str, Any]) -> list[dict[str, str]]:
    """Arguments of a component as the platform writes them: numbers are text too."""
    return [{"name": name, "value": str(value)} for name, value in values.items()]


def _item(image: TrainingImage) -> dict[str, Any]:
    """A picture as the contract has it, with whatever stands for it in place of its id."""
    if isinstance(image, Mapping):
        item = dict(image)
        if "assets_id" not in item:
            raise ValidationError("images: a mapping has assets_id, and maybe a caption")
        return item
    if isinstance(image, tuple):
        parts = cast("tuple[Any, ...]", image)
        if len(parts) != 2:
            raise ValidationError("images: a tuple is (picture, caption)")
        return {"assets_id": parts[0], "caption": parts[1]}
    return {"assets_id": image}


def _headers(wanted: Mapping[str, Any] | None) -> dict[str, str]:
    """The headers that go with an upload. The host is in its address already."""
    headers: dict[str, str] = {}
    for name, said in (wanted or {}).items():
        values: Any = cast("Mapping[str, Any]", said).get("values") if isinstance(said, Mapping) else [said]
        if values and name.lower() != "host":
            headers[name.lower()] = ", ".join(str(value) for value in values)
    return headers
