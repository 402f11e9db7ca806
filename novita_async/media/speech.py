"""Speech while it is being made: the bytes of a sound file out of whatever an endpoint streams.

Three kinds of answers come, and the answer itself tells which (contract/platform.md, "Audio formats and chunks"):
server-sent events with slices in hex, flat or under `data`; the bytes of the file; and one JSON object, which is a
refusal, or the whole file at once, as hex or behind a link.
"""

from __future__ import annotations

import binascii
import pathlib
from typing import TYPE_CHECKING, cast

import msgspec

from ..errors import NovitaError, ProtocolError, StreamCut
from ..runtime.attempts import Attempts
from ..runtime.budget import hold_to_price
from ..runtime.call import Answer
from ..runtime.streams import BytesReader, EventStream
from ..wire.json import Object, decode
from ..wire.sse import SSEDecoder
from .downloads import FileStream, save
from .kinds import MEDIA_TYPES, is_link, kind_of_type, plain, type_of_media
from .outputs import Audio
from .results import media_result

if TYPE_CHECKING:
    import os
    from collections.abc import Callable
    from typing import TypeAlias

    from ..runtime.call import Call, Runtime
    from ..runtime.streams import Reader
    from ..transport.protocol import Response

    #: Some bytes of the file, or where the whole of it is.
    Piece: TypeAlias = bytes | Audio

__all__ = ["SpeechInfo", "SpeechStream", "open_speech"]

_NOTHING = msgspec.Raw(b"")
_FINISHED = 2  # the status of the last event
_SHOWN = 200  # bytes of what cannot be read


class SpeechInfo(Object):
    """What MiniMax 2.8 tells of a recording with its last event. What it does not tell is None.

    Attributes:
        audio_length: milliseconds.
        audio_size: bytes.
        audio_sample_rate: samples a second.
        audio_format: such as mp3.
        audio_channel: 1 or 2.
        bitrate: bits a second.
        word_count: words or characters that were pronounced.
        usage_characters: characters that are billed.
        invisible_character_ratio: the share of the text that could not be pronounced, 0 to 0.1.
    """

    audio_length: int | None = None
    audio_size: int | None = None
    audio_sample_rate: int | None = None
    audio_format: str | None = None
    audio_channel: int | None = None
    bitrate: int | None = None
    word_count: int | None = None
    usage_characters: int | None = None
    invisible_character_ratio: float | None = None


class SpeechStream(FileStream):
    """A recording while it is being made: an async iterator over the bytes of its file.

    Leaving `async with`, `aclose()`, and everything that reads it to its end give the connection back.

    Attributes:
        format: what the file is: mp3, wav, pcm, flac, opus. As asked for, until the answer says more.
        media_type: the media type that belongs to it, for an answer of one's own.
        info: what the platform tells of the file, with its last event; None when it does not.
        received: bytes so far.

    Raises while iterating:
        StreamStalled: no sound within `Timeouts.first_event`, then `idle`, seconds.
        APIError: the platform refused, by whatever status. Before the first sound it is retried as any call is.
        StreamCut: the answer ended before the speech did.
        ConnectionLost: the connection broke; OutcomeUnknown before the first sound.

    Example:
        async with await novita.audio.speech("Good morning!", stream=True) as stream:
            async for chunk in stream:
                await response.write(chunk)
    """

    format: str
    info: SpeechInfo | None = None

    def __init__(self, runtime: Runtime, attempts: Attempts, response: Response, format: str) -> None:
        super().__init__()
        limits = runtime.settings.timeouts
        self.format = format
        self._runtime = runtime
        self._file: FileStream | None = None
        self._over = False
        self._pieces: EventStream[Piece] = EventStream(
            *(runtime, attempts, response, self._reader),
            first_event=limits.first_event,
            idle=limits.idle,
            on_end=lambda _: attempts.settle(None),
        )

    def __repr__(self) -> str:
        return f"<SpeechStream {self.format} {self.received} bytes>"

    def _reader(self, response: Response) -> Reader[Piece]:
        """The reader for an answer: a repeated attempt may be answered in another way."""
        media_type = response.headers.get("content-type", "")
        self._know(type_of_media(media_type))
        if kind_of_type(media_type) == "audio":
            return cast("Reader[Piece]", BytesReader(response))
        return _SpeechReader(self._runtime, response, self._hear)

    def _hear(self, info: SpeechInfo) -> None:
        self.info = info
        self._know(plain(info.audio_format))

    def _know(self, format: str) -> None:
        self.format = format or self.format
        self.media_type = MEDIA_TYPES.get(self.format, "application/octet-stream")

    async def read(self) -> bytes:
        """The next bytes; none when it is over."""
        while not self._over:
            if self._file is not None:
                chunk = await self._file.read()
                if not chunk:
                    break
                return self._took(chunk)
            piece = await anext(self._pieces, None)
            if piece is None:
                break
            if isinstance(piece, Audio):
                self._know(piece.type)
                await self._pieces.aclose()  # else it keeps the place that the link may have to wait for
                self._file = await piece.open().__aenter__()
            elif piece:
                return self._took(piece)
        ended = not self._over
        await self.aclose()
        if ended and not self.received:
            raise ProtocolError("the answer has no sound in it")
        return b""

    async def bytes(self) -> bytes:
        """Read the rest into memory and close the stream. Raises what iterating raises, with what had come as
        `error.partial`."""
        chunks: list[bytes] = []
        async with self:
            try:
                async for chunk in self:
                    chunks.append(chunk)
            except NovitaError as error:
                error.partial = b"".join(chunks)
                raise
        return b"".join(chunks)

    async def save(self, path: str | os.PathLike[str]) -> pathlib.Path:
        """Write the rest to `path` as it comes, and close the stream. Until all of it is there and on the disk,
        nothing stands under that name.

        Args:
            path: its name. The directory is made if need be.

        Returns:
            The path.

        Raises:
            OSError: the file cannot be written.
            NovitaError: what iterating raises.
        """
        async with self:
            return await save(self, pathlib.Path(path), self._runtime.clock)

    async def aclose(self) -> None:
        """Close the stream and give its connection back. Safe to call twice."""
        self._over = True
        try:
            await self._pieces.aclose()
        finally:
            if self._file is not None:
                await self._file.aclose()

    async def _start(self) -> None:
        """It was opened already."""


async def open_speech(runtime: Runtime, call: Call, format: str) -> SpeechStream:
    """Make a call and give its answer as a stream.

    Args:
        runtime: the client's.
        call: which asks for a stream, or whose answer is one.
        format: of the file, as far as it is known.

    Raises:
        APIError: the platform refused with a status.
    """
    attempts = Attempts(runtime, call)
    hold_to_price(runtime.meter, call)
    return SpeechStream(runtime, attempts, await attempts.open(), format)


# ---------------------------------------------------------------------------------------------- the reader


class _Result(msgspec.Struct):
    status_code: int | None = None


class _Data(msgspec.Struct):
    audio: msgspec.Raw = _NOTHING
    status: int | None = None


class _Event(msgspec.Struct):
    """An event of either layout. The hex is left as it stands until it is decoded into bytes."""

    audio: msgspec.Raw = _NOTHING
    status: int | None = None
    data: _Data | None = None
    extra_info: SpeechInfo | None = None
    base_resp: _Result | None = None


class _SpeechReader:
    """The reader of events, and of one JSON object in their place: see `runtime.streams.Reader`.

    What it gives to `decode` is the JSON text of a slice's hex, or the whole object.

    Args:
        runtime: of the client.
        response: whose body is read.
        hear: called with what is told of the recording.
    """

    def __init__(self, runtime: Runtime, response: Response, hear: Callable[[SpeechInfo], object]) -> None:
        self.done = False
        self._runtime = runtime
        self._headers = response.headers
        self._hear = hear
        self._decoder = runtime.decoders(_Event)
        self._events = SSEDecoder(max_event_bytes=runtime.settings.limits.max_event_bytes)
        self._object: list[bytes] | None = None
        self._began = False
        self._digits = 0  # of hex so far
        self._finished = False  # what only the last event tells has come

    def feed(self, chunk: bytes, out: list[bytes]) -> None:
        if not self._began and (start := chunk.lstrip()[:1]):
            self._began = True
            if start in b"{[<":  # no event begins so
                self._object = []
        if self._object is not None:
            self._object.append(chunk)
            return
        for event in self._events.feed(chunk):
            if event.data == b"[DONE]":
                self.done = True
            else:
                self._take(event.data, out)
            if self.done:
                return

    def close(self, out: list[bytes]) -> None:
        if self._object is not None:
            self.done = True
            out.append(b"".join(self._object))
            return
        self.feed(b"\n\n", out)  # an event whose blank line was cut off is still an event
        if not self.done and not self._finished:
            raise StreamCut("the stream of speech ended before its last event")

    def _take(self, data: bytes, out: list[bytes]) -> None:
        """Take an event apart: it is looked at as it comes, for only it tells that it is the last one."""
        try:
            event = self._decoder.decode(data)
        except (msgspec.DecodeError, UnicodeDecodeError):
            refusal = self._runtime.embedded(data, self._headers)
            if refusal is not None:
                raise refusal from None
            event = decode(self._decoder, data)  # raises, with the reason in words
        slice_ = event.data or event
        audio = memoryview(slice_.audio)
        if (slice_.status is None and not audio) or (event.base_resp is not None and event.base_resp.status_code):
            refusal = self._runtime.embedded(data, self._headers)
            if refusal is not None:
                raise refusal
        if event.extra_info is not None:
            self._finished = True
            self._hear(event.extra_info)
        self.done = slice_.status == _FINISHED
        digits = len(audio) - len('""')
        if audio[:1].tobytes() != b'"' or not digits:
            return
        # The last event says everything once more, also to some who asked it not to. A flat one has no audio at all
        # by the contract, so that one which is shorter than what came before is a last slice.
        if self.done and self._digits and (event.data is not None or digits >= self._digits):
            return
        self._digits += digits
        out.append(slice_.audio)  # not bytes, but a view of them, which is all that `decode` needs

    def decode(self, event: bytes) -> Piece:
        if self._object is not None:
            return self._whole(event)
        try:
            return binascii.unhexlify(memoryview(event)[1:-1])
        except ValueError as error:
            text = bytes(memoryview(event))
            if not is_link(text.decode("utf-8", "replace")):
                raise ProtocolError("a slice of the stream is no hex", body=text[:_SHOWN]) from error
            return self._whole(b'{"audio":' + text + b"}")

    def _whole(self, body: bytes) -> Audio:
        result = media_result(self._runtime, Answer(200, self._headers, body))
        if not result.audios:
            raise ProtocolError("the answer has no sound in it", body=body)
        return result.audios[0]

    def is_content(self, value: Piece) -> bool:
        return True
