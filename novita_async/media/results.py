"""What a media model made: links that die, so take them soon (contract/image.md 3, video.md, platform.md)."""

from __future__ import annotations

import pathlib
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from ..errors import ProtocolError, ValidationError
from ..runtime.arguments import with_query
from ..runtime.call import Call
from ..runtime.task import Reading
from ..wire.json import Object
from .downloads import Downloader

if TYPE_CHECKING:
    import os

    from ..runtime.call import Answer, Runtime
    from ..runtime.task import Read

__all__ = ["Audio", "Image", "MediaResult", "Output", "Video", "media_result", "task_reader"]

_OUTCOMES: dict[str, Literal["running", "done", "failed"]] = {
    "TASK_STATUS_QUEUED": "running",
    "TASK_STATUS_PROCESSING": "running",
    "TASK_STATUS_SUCCEED": "done",
    "TASK_STATUS_FAILED": "failed",
}
_POLL_LIMIT = 30.0  # seconds for one status read


class Output(Object):
    """One file that was made. `url`, `type` and `ttl` are the same for pictures, videos and sound."""

    prefix: ClassVar[str] = ""

    def _field(self, name: str) -> Any:
        return getattr(self, f"{self.prefix}_{name}")

    @property
    def url(self) -> str:
        """Where the file is. The link needs no key and must not be sent one."""
        return self._field("url")

    @property
    def type(self) -> str:
        """Such as png, mp4, wav; "" when the platform does not say."""
        return self._field("type") or ""

    @property
    def ttl(self) -> float | None:
        """Seconds that the link lives, counted from when the result was made; None when no end is stated."""
        value = str(self._field("url_ttl") or "")
        return float(value) or None if value.isdecimal() else None

    async def save(self, path: str | os.PathLike[str]) -> pathlib.Path:
        """Stream the file to `path`. Until all of it is there and on the disk, nothing stands under that name.

        Raises:
            APIError: the link is dead (403, 404), or the store refuses.
            StreamCut: fewer bytes came than were announced.
            OSError: the file cannot be written.
        """
        return await self._downloader().save(self.url, pathlib.Path(path))

    async def bytes(self) -> bytes:
        """Fetch the file into memory. Raises what `save` raises."""
        return await self._downloader().fetch(self.url)

    def _downloader(self) -> Downloader:
        downloader: Downloader | None = vars(self).get("_home")
        if downloader is None:
            raise ValidationError("this object did not come from a client, so it cannot fetch")
        return downloader


class NSFWVerdict(Object):
    """`confidence`, 0 to 100, that a picture is not safe for work. `valid` tells whether it was judged at all."""

    valid: bool = False
    confidence: float = 0.0


class Image(Output):
    """A picture."""

    prefix: ClassVar[str] = "image"

    image_url: str
    image_url_ttl: int | str | None = None
    image_type: str | None = None
    nsfw_detection_result: NSFWVerdict | None = None


class Video(Output):
    """A video."""

    prefix: ClassVar[str] = "video"

    video_url: str
    video_url_ttl: int | str | None = None
    video_type: str | None = None


class Audio(Output):
    """A recording."""

    prefix: ClassVar[str] = "audio"

    audio_url: str
    audio_url_ttl: int | str | None = None
    audio_type: str | None = None


class TaskState(Object):
    """The `task` object of a result."""

    task_id: str
    status: str = ""
    reason: str | None = None
    task_type: str | None = None
    eta: float | None = None
    progress_percent: float | None = None


class MediaResult(Object):
    """What a task or a call made. Lists that do not apply are empty."""

    task: TaskState | None = None
    images: list[Image] | None = None
    videos: list[Video] | None = None
    audios: list[Audio] | None = None
    extra: dict[str, Any] | None = None

    @property
    def task_id(self) -> str:
        """The platform's id; "" when the call had none."""
        return self.task.task_id if self.task else ""

    @property
    def seed(self) -> int | None:
        """The seed that was used, when the platform tells."""
        value = str((self.extra or {}).get("seed") or "")
        return int(value) if value.lstrip("-").isdigit() else None

    @property
    def outputs(self) -> list[Output]:
        """All files: pictures, then videos, then sound."""
        return [*(self.images or ()), *(self.videos or ()), *(self.audios or ())]

    async def save(self, directory: str | os.PathLike[str]) -> list[pathlib.Path]:
        """Stream all files into a directory, made if need be, under `{task id}-{number}.{type}`.

        Raises what `Output.save` raises. Files that were complete stay; nothing half-written does.
        """
        directory = pathlib.Path(directory)
        stem = self.task_id or "output"
        return [
            await output.save(directory / f"{_file_name(stem)}-{number}.{_file_name(output.type or 'bin')}")
            for number, output in enumerate(self.outputs)
        ]


def _file_name(text: str) -> str:
    """An id as part of a file name: ids come from a server, and a file name must not lead elsewhere."""
    return "".join(letter if letter.isalnum() or letter in "-_" else "_" for letter in text)[:100]


def media_result(runtime: Runtime, answer: Answer) -> MediaResult:
    """Decode a result and let its files fetch themselves.

    Raises:
        APIError: the body is a refusal, whatever its status says.
        ProtocolError: it is neither that nor a result.
    """
    result = runtime.decode(answer, MediaResult)
    if result.task is None and not result.outputs:
        refusal = runtime.embedded(answer.body, answer.headers)
        raise refusal or ProtocolError("the answer has neither a task nor a file in it", body=answer.body)
    for name in ("images", "videos", "audios"):
        if getattr(result, name) is None:
            setattr(result, name, [])
    downloader = Downloader(runtime)
    for output in result.outputs:
        vars(output)["_home"] = downloader
    return result


def task_reader(runtime: Runtime) -> Read[MediaResult]:
    """What reads the status of a media task."""

    async def read(task_id: str) -> Reading[MediaResult]:
        url = with_query(f"{runtime.settings.base_url}/v3/async/task-result", task_id=task_id)
        answer = await runtime.request(Call(method="GET", url=url, attempts=1, attempt=_POLL_LIMIT))
        result = media_result(runtime, answer)
        task = result.task
        if task is None or not task.status:
            raise ProtocolError(f"the answer about task {task_id} has no status", body=answer.body)
        return Reading(
            status=task.status,
            outcome=_OUTCOMES.get(task.status, "unknown"),
            result=result if task.status == "TASK_STATUS_SUCCEED" else None,
            reason=task.reason or "",
            task_type=task.task_type or "",
            progress=task.progress_percent or 0.0,
            eta=task.eta or 0.0,
        )

    return read
