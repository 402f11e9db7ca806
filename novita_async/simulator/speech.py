"""Audio that comes at once: speech whole and streamed, transcripts, voices, music and lyrics (contract/platform.md).

What is refused, beyond what the catalog knows:

    a voice that MiniMax does not have      base_resp 2013
    text of which over 10% has no sound     base_resp 1042: control characters, emoji
    a recording that is no WAV and no MP3,  400 INVALID_AUDIO_FILE
    or a WAV file of over 30 seconds
    a voice that GLM does not have, or the  400 INVALID_REQUEST_BODY
    name of one that it has
    music of nothing, an edit of no lyrics  400 INVALID_REQUEST_BODY

What a WAV file says is written into it, and a transcript gives it back. Of any other recording its bytes decide.
"""

from __future__ import annotations

from collections import deque
from functools import partial
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import msgspec

from ..transport.protocol import Reply
from . import keys, songs
from .router import json_reply
from .spoken import Asked, blend_of, of_fish, of_glm, of_minimax, part, slices
from .transcripts import NoRecording, heard, recording, seconds_of
from .voices import Voices

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping

    from ..catalog import Model
    from ..runtime.clock import Clock
    from .outputs import Outputs
    from .router import Call
    from .sound import Sound

__all__ = ["Speech"]

_DAY = 86_400.0
_HEAVY = 256 * 1024  # letters of base64 that are decoded in a thread
_HEARD_SECONDS = 30
_MOST_SILENT = 0.1
_TYPES = {"mp3": "audio/mpeg", "wav": "audio/wav", "pcm": "audio/pcm", "opus": "audio/opus"}
_FINE = {"status_code": 0, "status_msg": "success"}


class Speech:
    """The audio models that answer without a task.

    Args:
        clock: what waits are on; its threads make the sound.
        outputs: where the files behind links are.
        seed: part of what decides ids.
        chunk_delay: seconds between two slices of a stream.
    """

    def __init__(self, *, clock: Clock, outputs: Outputs, seed: int, chunk_delay: float = 0.0) -> None:
        self._clock = clock
        self._outputs = outputs
        self._chunk_delay = chunk_delay
        self._voices = Voices(clock=clock, seed=seed)
        self._links: deque[tuple[float, str]] = deque()

    async def answer(self, call: Call, model: Model, params: Mapping[str, Any]) -> Reply:
        """Answer a call of a model of the catalog whose parameters have been checked.

        Raises:
            Refusal: the platform would not do it.
        """
        if call.outcome is not None and call.outcome.status is not None:
            raise keys.flat(HTTPStatus.INTERNAL_SERVER_ERROR, "TASK_FAILED", call.outcome.reason or "the work failed")
        match model.task, model.family:
            case "speech", "minimax-speech":
                return await self._minimax(call, model, params)
            case "speech", "glm-audio":
                return await self._glm(params)
            case "speech", _:
                return await self._fish(model, params)
            case "transcription", _:
                return json_reply({"text": await self._transcript(params["file"])})
            case "voice-clone", "minimax-voice":
                return self._clone(call, params)
            case "voice-clone", "glm-audio":
                return self._clone_at_glm(call, params)
            case "voice-clone", _:
                return json_reply(self._voices.at_fish(params))
            case "voice-design", _:
                return await self._design(params)
            case "music", _:
                return self._music(call, params)
            case _:
                return _lyrics(params)

    # ------------------------------------------------------------------------------------------ speech

    async def _minimax(self, call: Call, model: Model, params: Mapping[str, Any]) -> Reply:
        nested = "stream_options" in model.params.properties  # 2.8; the releases before it answer on one level
        asked = of_minimax(params)
        trace = {"trace_id": self._voices.new_id()} if nested else {}
        if (refused := self._refused(asked, model, list(blend_of(params)) or [asked.voice])) is not None:
            body = {"data": None} if nested else {}
            body |= {**trace, "base_resp": refused}
            if not params.get("stream"):
                return json_reply(body)
            return _events(_event(body if nested else {"status": 2, **body}))
        made = await self._clock.to_thread(asked.make)
        about = {"extra_info": asked.about(made), **trace, "base_resp": _FINE} if nested else {}
        if params.get("stream"):
            if not nested:
                return _events(self._flat(made))
            repeats = not part(params, "stream_options").get("exclude_aggregated_audio")
            return _events(self._nested(made, trace, about, repeats=repeats))
        audio = self._link(call, asked.make, made.kind) if params.get("output_format") == "url" else made.data.hex()
        return json_reply({"data": {"audio": audio, "status": 2}, **about} if nested else {"audio": audio})

    def _refused(self, asked: Asked, model: Model, voices: list[str]) -> dict[str, Any] | None:
        if asked.silent > _MOST_SILENT:
            return {"status_code": 1042, "status_msg": "over 10% of the characters cannot be pronounced"}
        unknown = [voice for voice in voices if not self._voices.use(voice, model)]
        return {"status_code": 2013, "status_msg": f"no voice_id {unknown[0]!r}"} if unknown else None

    async def _flat(self, made: Sound) -> AsyncIterator[bytes]:
        for each in slices(made):
            yield _event({"audio": each.hex(), "status": 1})
            await self._clock.sleep(self._chunk_delay)
        yield _event({"status": 2})

    async def _nested(
        self, made: Sound, trace: dict[str, str], about: dict[str, Any], *, repeats: bool
    ) -> AsyncIterator[bytes]:
        for each in slices(made):
            yield _event({"data": {"audio": each.hex(), "status": 1}, **trace})
            await self._clock.sleep(self._chunk_delay)
        yield _event({"data": {"audio": made.data.hex() if repeats else "", "status": 2}, **about})

    async def _glm(self, params: Mapping[str, Any]) -> Reply:
        asked = of_glm(params)
        if not self._voices.at_glm(asked.voice):
            raise _bad(f"voice: there is no voice {asked.voice!r}")
        return await self._file(asked, in_slices=False)

    async def _fish(self, model: Model, params: Mapping[str, Any]) -> Reply:
        asked = of_fish(model, params)
        if not 8000 <= asked.rate <= 48000:
            raise _bad(f"sample_rate: {asked.rate} is not from 8000 to 48000")
        return await self._file(asked, in_slices=model.kind == "stream")

    async def _file(self, asked: Asked, *, in_slices: bool) -> Reply:
        """Sound as the body itself."""
        made = await self._clock.to_thread(asked.make)
        headers = {"content-type": _TYPES[made.kind]}
        if in_slices:
            return Reply(HTTPStatus.OK, headers, self._raw(made))
        return Reply(HTTPStatus.OK, {**headers, "content-length": str(len(made.data))}, made.data)

    async def _raw(self, made: Sound) -> AsyncIterator[bytes]:
        for each in slices(made):
            yield each
            await self._clock.sleep(self._chunk_delay)

    async def _transcript(self, file: str) -> str:
        data: bytes | None = None
        if is_link := "://" in file[:20]:
            data = await self._outputs.behind(file)
        if is_link and data is None:
            return heard(file.encode())  # it leads out of the simulator: the link decides what is said
        work = partial(_listen, file if data is None else data)
        try:
            return await self._clock.to_thread(work) if len(file) > _HEAVY else work()
        except NoRecording as error:
            raise _bad(f"file: {error}", "INVALID_AUDIO_FILE") from None

    # ------------------------------------------------------------------------------------------ voices

    def _clone(self, call: Call, params: Mapping[str, Any]) -> Reply:
        voice = self._voices.add()
        preview = params.get("text")
        demo = {"demo_audio_url": self._link(call, Asked(preview, voice).make, "mp3")} if preview else {}
        return json_reply({"voice_id": voice, **demo})

    def _clone_at_glm(self, call: Call, params: Mapping[str, Any]) -> Reply:
        voice = params["voice_name"]
        if self._voices.at_glm(voice):
            raise _bad(f"voice_name: there is a voice {voice!r} already")
        self._voices.add_at_glm(voice)
        preview = Asked(params["input"], voice, "wav", rate=24000)
        return json_reply({"voice": voice, "audio_url": self._link(call, preview.make, "wav")})

    async def _design(self, params: Mapping[str, Any]) -> Reply:
        voice = self._voices.add(params.get("voice_id") or "")
        made = await self._clock.to_thread(Asked(params["preview_text"], voice).make)
        return json_reply({"voice_id": voice, "trial_audio": made.data.hex()})

    # ------------------------------------------------------------------------------------------- music

    def _music(self, call: Call, params: Mapping[str, Any]) -> Reply:
        if not params.get("prompt") and not params.get("lyrics"):
            raise _bad("lyrics: missing")
        if not any(params.get(name) for name in ("lyrics", "is_instrumental", "lyrics_optimizer")):
            raise _bad("lyrics: missing; only is_instrumental and lyrics_optimizer go without them")
        make, kind = songs.music(params)
        return json_reply({"audios": [{"audio_url": self._link(call, make, kind), "audio_type": kind}]})

    def _link(self, call: Call, make: Callable[[], Sound], kind: str) -> str:
        """A link to a file that is made when it is fetched, good for a day."""
        now = self._clock.time()
        while self._links and self._links[0][0] <= now:
            self._outputs.remove(self._links.popleft()[1])
        name = f"{self._voices.new_id()}.{kind}"
        self._outputs.put(name, make)
        self._links.append((now + _DAY, name))
        return self._outputs.link(call.origin, name, expires=now + _DAY)


def _lyrics(params: Mapping[str, Any]) -> Reply:
    if params["mode"] == "edit" and not params.get("lyrics"):
        raise _bad("lyrics: missing; an edit needs some")
    return json_reply(songs.lyrics(params))


def _listen(file: str | bytes) -> str:
    data = recording(file)
    if seconds_of(data) > _HEARD_SECONDS:
        raise NoRecording(f"it is longer than {_HEARD_SECONDS} seconds")
    return heard(data)


def _event(value: Any) -> bytes:
    return b"data: " + msgspec.json.encode(value) + b"\n\n"


def _events(body: bytes | AsyncIterator[bytes]) -> Reply:
    return Reply(HTTPStatus.OK, {"content-type": "text/event-stream"}, body)


def _bad(message: str, reason: str = "INVALID_REQUEST_BODY") -> keys.Refusal:
    return keys.flat(HTTPStatus.BAD_REQUEST, reason, message)
