"""`novita.media`: the catalog, and whatever it does not know."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from ..catalog import Media as Asset
from ..errors import ValidationError
from ..runtime.arguments import call_headers, check_timeout, json_body
from ..runtime.budget import priced
from ..runtime.call import Call
from ..runtime.retry import Replay
from ..wire.json import Object
from .assets import opened, put
from .calls import ModelCalls
from .jobs import Submitted, catalog_of, task_id_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ..catalog import Model
    from ..runtime.task import Task
    from .inputs import FileInput
    from .results import MediaResult

__all__ = ["Media"]

_ASSETS = {
    "image": Asset("image", ("bytes",)),
    "video": Asset("video", ("bytes",), formats=("mp4",), max_bytes=100 << 20),
}


class _Uploaded(Object):
    assets_id: str | int


class Media(ModelCalls):
    """Any model of the catalog by its name, and any path that the catalog does not know.

    `run` and `submit` take the model as text: for programs that choose it while they run. `images`, `videos` and
    `audio` have the same with every model's parameters typed.
    """

    async def models(
        self,
        *,
        product: str | None = None,
        task: str | None = None,
        family: str | None = None,
        status: str | None = None,
    ) -> list[Model]:
        """The models of the catalog. Nothing is sent.

        Args:
            product: images, videos, audio or training.
            task: what it does, such as t2i, i2v, speech. Of a model that does several, each counts.
            family: such as kling-v3.0.
            status: current, unlisted or retired.

        Example:
            for model in await novita.media.models(task="i2v", status="current"):
                print(model.id, model.title)
        """
        return [
            model
            for model in (await catalog_of(self._runtime)).values()
            if product in (None, model.product)
            and family in (None, model.family)
            and status in (None, model.status)
            and (task is None or task == model.task or task in model.task.split("+"))
        ]

    async def schema(self, model: str) -> dict[str, Any]:
        """The parameters of a model as JSON Schema, such as an agent can be given as a tool. Nothing is sent.

        Raises:
            ValidationError: there is no such model.
        """
        return (await self._model(model)).json_schema()

    async def submit_path(
        self,
        path: str,
        body: Mapping[str, Any],
        *,
        extra_headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
    ) -> Task[MediaResult]:
        """Submit to a path that the catalog does not know, and return the handle of its task.

        Args:
            path: under the base URL, such as "/v3/async/new-model".
            body: sent as it is.
            extra_headers: headers for this call.
            timeout: the submit in seconds, retries included.

        Raises:
            ValidationError: the path is none.
            NotFound: the platform does not know it.
            OutcomeUnknown, APIError: as `submit`.

        Example:
            task = await novita.media.submit_path("/v3/async/new-model", {"prompt": "a lighthouse"})
            result = await task.wait()
        """
        if not path.startswith("/") or "//" in path:
            raise ValidationError(f"path must begin with one slash, got {path!r}")
        call = Call(
            method="POST",
            url=f"{self._runtime.settings.base_url}{path}",
            body=json_body(body),
            headers=call_headers(extra_headers),
            replay=Replay.SUBMITS,
            model=path.rpartition("/")[2],
            timeout=check_timeout(timeout),
        )
        with priced(self._runtime.meter, call):
            return await self._tasks.submit(call, Submitted, task_id_of, kind="media", read=self._read)

    async def upload(
        self, file: FileInput, *, kind: Literal["image", "video"] = "image", timeout: float | None = None
    ) -> str:
        """Leave a file at the platform for a while, for models that take the id of one: video-merge-face, adetailer.

        Args:
            file: bytes, a path, an open file, base64, a data URI or a PIL image; a video is mp4, at most 100 MB. It is
                read as it is sent, and never whole in memory.
            kind: what it is.
            timeout: the whole upload in seconds. It is repeated as reads are: at the worst a second file is left.

        Returns:
            Its id.

        Raises:
            ValidationError: it is no such file. Nothing was sent.
            APIError: the platform refused.

        Example:
            clip = await novita.media.upload("clip.mp4", kind="video")
            await novita.videos.run(
                "video-merge-face", video_assets_id=clip, enable_restore=True, face_image_base64="face.jpg"
            )

        Contract: video.md, "Endpoints"; PUT /image and PUT /video on https://assets.novitai.com, without a key.
        """
        if kind not in _ASSETS:
            raise ValidationError(f"kind must be image or video, got {kind!r}")
        check_timeout(timeout)
        (source,) = await opened(self._runtime, {"file": file}, _ASSETS[kind])
        assert not isinstance(source, (str, int))  # ids are not among the forms
        url = f"{self._runtime.settings.assets_url}/{kind}"
        answer = await put(self._runtime, url, source, headers={}, timeout=timeout)
        return str(self._runtime.decode(answer, _Uploaded).assets_id)
