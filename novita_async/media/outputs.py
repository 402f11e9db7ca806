"""The files that a media model made: a link that dies, so take it soon, or the bytes, where they came in the answer."""

from __future__ import annotations

import datetime
import pathlib
from typing import TYPE_CHECKING, Any, ClassVar

import msgspec

from ..errors import ValidationError
from ..wire.json import Object
from . import notebook
from .downloads import FileStream, MemoryStream, fetch, save
from .kinds import HEAD, sniff, type_of_media
from .links import LinkStream

if TYPE_CHECKING:
    import os
    from collections.abc import Awaitable, Callable
    from typing import TypeAlias

    from ..runtime.call import Runtime
    from .downloads import Progress
    from .kinds import Inline

    #: Reads the task once more, and gives the output that is at that place now.
    Again: TypeAlias = Callable[[Runtime, "Place"], Awaitable["Output | None"]]

__all__ = ["Audio", "Image", "NSFWVerdict", "Output", "Place", "Source", "Video", "save_output", "source_of"]

_KEPT = 32 << 20  # bytes of a fetched file that are kept, for a notebook to show and for a second look


class Output(Object):
    """One file that was made.

    Attributes:
        url: where it is; "" when it came in the answer itself. The link needs no key and must not be sent one.
        type: such as png, mp4, wav: what the platform says, else what the link or the first bytes tell; "" when
            nothing does.
        ttl: seconds that the link lives; None when no end is stated.
        expires_at: the end of the link, reckoned from when the platform had finished, or else from when the answer
            came; None when no end is stated.
    """

    tag: ClassVar[str] = ""  # of HTML

    url: str = ""
    type: str = ""
    ttl: float | None = None
    expires_at: datetime.datetime | None = None

    def _repr_png_(self) -> bytes | None:
        return notebook.png(self)

    def _repr_html_(self) -> str:
        return notebook.html_of(self)

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, Any]:
        return notebook.bundle(self, include, exclude)

    async def save(self, path: str | os.PathLike[str], *, progress: Progress | None = None) -> pathlib.Path:
        """Stream the file to `path`. Until all of it is there and on the disk, nothing stands under that name.

        A connection that breaks goes on where it broke. A link that has died is asked for once more, where the file
        belongs to a task.

        Args:
            path: its name. The directory is made if need be.
            progress: called with the bytes that are here and those of the whole file, None while nobody knows. They
                begin anew when the file has to.

        Returns:
            The path.

        Raises:
            PermissionDenied, NotFound: the link has expired, or its file is gone.
            ConnectionLost, StreamCut, StreamStalled: it broke again and again and no more bytes came.
            ProtocolError: there is no link, or what came is no file.
            OSError: the file cannot be written.

        Contract: image.md section 3, video.md, platform.md "Tasks".
        """
        path = pathlib.Path(path)
        return await save_output(self, lambda: path, progress=progress)

    def open(self) -> FileStream:
        """Open the file, to take it in chunks as it comes. Raises what `save` raises, but for the disk's errors.

        Returns:
            What `async with` opens: an async iterator over chunks, with the file's `length`, None when nobody knows.

        Example:
            async with result.videos[0].open() as stream:
                async for chunk in stream:
                    await response.write(chunk)
        """
        return self._opened(None)

    async def bytes(self, *, progress: Progress | None = None) -> bytes:
        """Fetch the file into memory. Raises what `save` raises, but for the disk's errors.

        One of 32 MiB or less is kept: the next call, and a notebook, have it at once.

        Args:
            progress: as for `save`.
        """
        source = source_of(self)
        if source.here:
            data = await source.load()
            if progress is not None:
                progress(len(data), len(data))
            return data
        async with self._opened(progress) as stream:
            data = await fetch(stream)
        self._learn(data, stream)
        if len(data) <= _KEPT:
            source.data = data
        return data

    def _opened(self, progress: Progress | None) -> FileStream:
        source = source_of(self)
        if source.here:
            return MemoryStream(source.load, progress)
        return LinkStream(
            source.runtime,
            self.url,
            progress=progress,
            renew=self._renew if source.place is not None else None,
            expires_at=lambda: self.expires_at,
        )

    async def _renew(self) -> str:
        fresh = await source_of(self).renew()
        if fresh is not None and fresh.url:
            self.url, self.ttl, self.expires_at = fresh.url, fresh.ttl, fresh.expires_at
        return self.url

    def _learn(self, head: Any, stream: FileStream) -> None:
        """Know the type by what came, where nothing has told it before."""
        if not self.type:
            self.type = sniff(head[:HEAD]) or type_of_media(stream.media_type)


class NSFWVerdict(Object):
    """What the platform's check says of a picture. It labels and does not block (contract/image.md 8).

    Attributes:
        confidence: 0 to 100, that the picture is not safe for work. 0 or 100 where the platform says no or yes only.
    """

    confidence: float = 0.0


class Image(Output):
    """A picture.

    Attributes:
        nsfw: what the check says; None when it was not asked for, or did not run.
    """

    tag: ClassVar[str] = "img"

    nsfw: NSFWVerdict | None = None


class Video(Output):
    """A video."""

    tag: ClassVar[str] = "video"


class Audio(Output):
    """A recording.

    Attributes:
        audio_metadata: what the platform tells of it, as it stands: `{text, start_time, end_time}` in seconds, a list
            of such, or None.
    """

    tag: ClassVar[str] = "audio"

    audio_metadata: Any = None


class Place(msgspec.Struct, frozen=True, gc=False):
    """Where an output stands. No object that the garbage collector looks at: thousands of results may be held at once.

    Attributes:
        again: a function of a module.
        task_id: whose result it belongs to.
        kind, at: the list of that result, and the place in it.
    """

    again: Again
    task_id: str
    kind: str
    at: int


class Source:
    """Where the bytes of an output are.

    Args:
        runtime: of the client that got it.
        data: the file.
        inline: the file, as text.
        place: where its link can be had anew; None when it belongs to no task.
    """

    __slots__ = ("_inline", "data", "place", "runtime")

    def __init__(
        self,
        runtime: Runtime,
        *,
        data: bytes | None = None,
        inline: Inline | None = None,
        place: Place | None = None,
    ) -> None:
        self.runtime = runtime
        self.data = data
        self.place = place
        self._inline = inline

    @property
    def here(self) -> bool:
        """Whether nothing has to be fetched."""
        return self.data is not None or self._inline is not None

    async def load(self) -> bytes:
        """What is here, decoded: off the loop, where that takes a while."""
        if self._inline is not None and self._inline.long:
            self._decoded(await self.runtime.clock.to_thread(self._inline.decode))
        return self.peek() or b""

    def peek(self) -> bytes | None:
        """What is here; None when it has to be fetched."""
        if self._inline is not None:
            self._decoded(self._inline.decode())
        return self.data

    async def renew(self) -> Output | None:
        """The output as its task has it now; None where there is none."""
        return await self.place.again(self.runtime, self.place) if self.place is not None else None

    def _decoded(self, data: bytes) -> None:
        self.data, self._inline = data, None


def source_of(output: Output) -> Source:
    """Where the bytes of an output are.

    Raises:
        ValidationError: it was made by hand.
    """
    source: Source | None = vars(output).get("_source")
    if source is None:
        raise ValidationError("this object did not come from a client, so it cannot fetch")
    return source


async def save_output(output: Output, place: Callable[[], pathlib.Path], *, progress: Progress | None) -> pathlib.Path:
    """Save an output under a name that may hang on its type: `place` is called when that is known."""
    async with output._opened(progress) as stream:  # pyright: ignore[reportPrivateUsage] - its own module
        first = await stream.read()
        output._learn(first, stream)  # pyright: ignore[reportPrivateUsage] - its own module
        return await save(stream, place(), source_of(output).runtime.clock, first)
