"""What a media model made, one result for all of them (contract/image.md 3, video.md, platform.md)."""

from __future__ import annotations

import pathlib
import secrets
from functools import partial
from typing import TYPE_CHECKING, Any, Literal, cast

import msgspec

from ..errors import ProtocolError, ValidationError
from ..runtime.arguments import with_query
from ..runtime.attempts import Attempts
from ..runtime.call import Call, read_answer
from ..runtime.gather import gather
from ..runtime.task import Reading
from ..wire.json import Object, remember
from ..wire.problem import embedded_error
from . import notebook, shapes
from .kinds import HEAD, kind_of_type, sniff, type_of_media
from .outputs import Audio, Image, Output, Place, Source, Video, save_output

if TYPE_CHECKING:
    import os

    from ..runtime.call import Answer, Runtime
    from ..runtime.task import Read
    from ..transport.protocol import Response
    from .downloads import FileStream, Progress

__all__ = [
    "Audio",
    "Image",
    "MediaResult",
    "Output",
    "TaskState",
    "Video",
    "fetch_result",
    "media_result",
    "reading_of",
    "task_reader",
]

_OUTCOMES: dict[str, Literal["running", "done", "failed"]] = {
    "TASK_STATUS_QUEUED": "running",
    "TASK_STATUS_PROCESSING": "running",
    "TASK_STATUS_SUCCEED": "done",
    "TASK_STATUS_FAILED": "failed",
}
_KINDS: dict[str, type[Output]] = {"image": Image, "video": Video, "audio": Audio}
_POLL_LIMIT = 30.0  # seconds for one status read
_AT_ONCE = 4  # files of one result that come at the same time


class TaskState(Object):
    """The `task` object of a result.

    Attributes:
        task_id: the platform's id.
        status: the platform's word.
        reason: its text, when the task has failed.
        task_type: its name for the kind of task.
        eta: seconds left; 0 when it says nothing.
        progress_percent: 0 to 100; 0 when it says nothing.
    """

    task_id: str = ""
    status: str = ""
    reason: str = ""
    task_type: str = ""
    eta: float = 0.0
    progress_percent: float = 0.0


class MediaResult(Object):
    """What a task or a call made.

    Attributes:
        outputs: all files: pictures, then videos, then sound.
        text: the words that were made: a prompt for a picture, a transcript, lyrics; else "".
        voice_id: the voice that was made, as speech calls want it; else "".
        task: the task, where there was one.
        extra: what else the answer says, the platform's own `extra` spread among it: `extra_info` and `trace_id` of
            speech, `song_title` and `style_tags` of lyrics, `subtitle_file`, `debug_info`.

    Example:
        result = await novita.images.run("qwen-image-txt2img", prompt="a lighthouse", size="1024*1024")
        paths = await result.save("pictures")
    """

    outputs: list[Output] = msgspec.field(default_factory=list[Output])
    text: str = ""
    voice_id: str = ""
    task: TaskState | None = None
    extra: dict[str, Any] = msgspec.field(default_factory=dict[str, Any])

    def _repr_png_(self) -> bytes | None:
        return notebook.png(self.outputs[0]) if len(self.outputs) == len(self.images) == 1 else None

    def _repr_html_(self) -> str:
        return notebook.html_of_all(self)

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, Any]:
        shown = {"text/plain": repr(self), "text/html": notebook.html_of_all(self)}
        return notebook.chosen(shown, include, exclude)

    @property
    def task_id(self) -> str:
        """The platform's id; "" when the call had none."""
        return self.task.task_id if self.task else ""

    @property
    def seed(self) -> int | None:
        """The seed that was used, when the platform tells."""
        value = str(self.extra.get("seed", ""))
        return int(value) if value.removeprefix("-").isdecimal() else None

    @property
    def images(self) -> list[Image]:
        """Its pictures."""
        return [output for output in self.outputs if isinstance(output, Image)]

    @property
    def videos(self) -> list[Video]:
        """Its videos."""
        return [output for output in self.outputs if isinstance(output, Video)]

    @property
    def audios(self) -> list[Audio]:
        """Its recordings: speech, music, the preview of a voice."""
        return [output for output in self.outputs if isinstance(output, Audio)]

    async def save(self, directory: str | os.PathLike[str], *, progress: Progress | None = None) -> list[pathlib.Path]:
        """Stream all files into a directory, made if need be, under `{task id}-{number}.{type}`.

        Four come at a time. One that fails does not stop the others: links die, so what can be had is taken first.
        Without a task the first part is "output-" and eight digits of this result's own.

        Args:
            directory: where to.
            progress: called with the bytes that are here and those of all files, None while nobody knows.

        Returns:
            The paths, in the order of `outputs`.

        Raises:
            NovitaError, OSError: what `Output.save` raises, of the first file that failed. The others are there, and
                nothing half-written is.
        """
        # A name of its own: the pictures of the next result must not take the place of these.
        stem = self.task_id or vars(self).setdefault("_stem", f"output-{secrets.token_hex(4)}")
        directory, stem = pathlib.Path(directory), _file_name(stem)
        outputs = self.outputs
        told = _Sum(progress, len(outputs)) if progress is not None else None

        def place(output: Output, number: int) -> pathlib.Path:
            return directory / f"{stem}-{number}.{_file_name(output.type or 'bin')}"

        ended: list[Any] = await gather(
            [
                save_output(output, partial(place, output, number), progress=told and told.part(number))
                for number, output in enumerate(outputs)
            ],
            limit=_AT_ONCE,
            return_exceptions=True,
        )
        for error in ended:
            if isinstance(error, Exception):
                raise error
        return ended

    def open(self) -> FileStream:
        """Open the one file of this result. See `Output.open`.

        Raises:
            ValidationError: there is none, or there are several: open one of `outputs`.
        """
        return self._only().open()

    async def bytes(self, *, progress: Progress | None = None) -> bytes:
        """Fetch the one file of this result into memory. See `Output.bytes`.

        Raises:
            ValidationError: there is none, or there are several: fetch one of `outputs`.
        """
        return await self._only().bytes(progress=progress)

    def _only(self) -> Output:
        outputs = self.outputs
        if len(outputs) != 1:
            raise ValidationError(f"the result has {len(outputs)} files: take one of its outputs")
        return outputs[0]


class _Sum:
    """The progress of several files as one."""

    def __init__(self, progress: Progress, count: int) -> None:
        self._progress = progress
        self._parts: list[tuple[int, int | None]] = [(0, None)] * count

    def part(self, number: int) -> Progress:
        def told(done: int, total: int | None) -> None:
            self._parts[number] = (done, total)
            totals = [total for _, total in self._parts if total is not None]
            whole = sum(totals) if len(totals) == len(self._parts) else None
            self._progress(sum(done for done, _ in self._parts), whole)

        return told


def _file_name(text: str) -> str:
    """An id as part of a file name: ids come from a server, and a file name must not lead elsewhere."""
    return "".join(letter if letter.isalnum() or letter in "-_" else "_" for letter in text)[:100]


# ---------------------------------------------------------------------------------------------- answers


def media_result(runtime: Runtime, answer: Answer) -> MediaResult:
    """Read an answer of any media model, and let its files fetch themselves.

    Raises:
        APIError: the body is a refusal, whatever its status says.
        ProtocolError: it is neither that nor a result.
    """
    media_type = answer.headers.get("content-type", "")
    if kind := kind_of_type(media_type):
        return _file_alone(runtime, answer, kind, media_type)
    fields = _fields_of(runtime, answer)
    return _result(runtime, answer, fields, _task_of(fields.get("task")))


def _fields_of(runtime: Runtime, answer: Answer) -> dict[str, Any]:
    fields = shapes.fields_of(runtime, answer.body)
    secret = runtime.settings.api_key or ""
    refusal = embedded_error(fields, headers=answer.headers, body=answer.body, secret=secret)
    if refusal is not None:
        raise refusal
    return shapes.flat(fields)


def _result(runtime: Runtime, answer: Answer, fields: dict[str, Any], task: TaskState | None) -> MediaResult:
    # What came of a task can be asked for again. The bare id that a call answers with at once is none.
    files = shapes.Files(runtime, fields, task.task_id if task is not None and task.status else "", _again)
    result = MediaResult(
        outputs=[*files.images(), *files.videos(), *files.audios()],
        text=shapes.text_of(fields),
        voice_id=shapes.voice_of(fields),
        task=task,
        extra=shapes.rest(fields),
    )
    if task is None and not result.outputs and not shapes.known(fields):
        raise ProtocolError("the answer has neither a task nor a file in it", body=answer.body)
    remember(result, answer.body)
    return result


def _file_alone(runtime: Runtime, answer: Answer, kind: str, media_type: str) -> MediaResult:
    """The result of an API that answers with the file itself."""
    data = answer.body
    refusal = runtime.embedded(data, answer.headers) if data[:1] == b"{" else None
    if refusal is not None:
        raise refusal
    if not data:
        raise ProtocolError(f"the answer is to be {media_type} and is empty")
    output = _KINDS[kind](type=type_of_media(media_type) or sniff(data[:HEAD]))
    vars(output)["_source"] = Source(runtime, data=data)
    return MediaResult(outputs=[output])


def _task_of(value: object) -> TaskState | None:
    if not isinstance(value, dict):
        return None
    said = cast("dict[str, Any]", value)
    words = {name: str(said.get(name) or "") for name in ("task_id", "status", "reason", "task_type")}
    eta, progress = shapes.number(said.get("eta")), shapes.number(said.get("progress_percent"))
    return TaskState(**words, eta=eta, progress_percent=progress)


async def fetch_result(runtime: Runtime, call: Call) -> MediaResult:
    """Make a call of a model that answers at once. A refusal inside a 200 is repeated as one with a status would be.

    Raises:
        NovitaError: as `Runtime.request` and `media_result`.
    """

    async def consume(response: Response) -> MediaResult:
        return media_result(runtime, await read_answer(response))

    return await Attempts(runtime, call).run(consume)


async def _again(runtime: Runtime, place: Place) -> Output | None:
    """One output of a task as the platform tells of it now."""
    result = media_result(runtime, await runtime.request(_read_of(runtime, place.task_id)))
    outputs: list[Output] = getattr(result, place.kind)
    return outputs[place.at] if place.at < len(outputs) else None


def _read_of(runtime: Runtime, task_id: str) -> Call:
    url = with_query(f"{runtime.settings.base_url}/v3/async/task-result", task_id=task_id)
    return Call(method="GET", url=url, attempt=_POLL_LIMIT)


def task_reader(runtime: Runtime) -> Read[MediaResult]:
    """What reads the status of a media task."""

    async def read(task_id: str) -> Reading[MediaResult]:
        call = _read_of(runtime, task_id)
        call.attempts = 1  # the next poll is the next attempt
        return reading_of(runtime, task_id, await runtime.request(call))

    return read


def reading_of(runtime: Runtime, task_id: str, answer: Answer) -> Reading[MediaResult]:
    """What an answer about a task says. The payload of a webhook is one, too.

    Raises:
        APIError, ProtocolError: as `media_result`, or there is no status in it.
    """
    fields = _fields_of(runtime, answer)
    task = _task_of(fields.get("task"))
    if task is None or not task.status:
        raise ProtocolError(f"the answer about task {task_id} has no status", body=answer.body)
    done = task.status == "TASK_STATUS_SUCCEED"  # of the others, of which there are many, the state is all
    return Reading(
        status=task.status,
        outcome=_OUTCOMES.get(task.status, "unknown"),
        result=_result(runtime, answer, fields, task) if done else None,
        reason=task.reason,
        task_type=task.task_type,
        progress=task.progress_percent,
        eta=task.eta,
    )
