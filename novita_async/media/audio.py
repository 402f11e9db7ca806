"""`novita.audio` (contract/platform.md, "Audio formats and chunks"; audio.openapi.yaml)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, overload

from ..errors import ValidationError
from .speech import SpeechStream, open_speech
from .voices import Voices
from .words import arrange

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ..catalog import Model
    from .inputs import FileInput
    from .results import MediaResult

__all__ = ["Audio"]

_SPEECH = "minimax-speech-2.8-turbo"
_SONG = "music-2.5+"

#: By the family of models: the voice that speaks when the caller has no wish.
_VOICES = {"minimax-speech": "Wise_Woman", "txt2speech": "Emily"}
_FORMATS = {"glm-audio": "pcm", "txt2speech": "wav"}  # what comes when nothing is asked for, where that is no mp3
_BLENDS = ("timber_weights", "timbre_weights")  # 2.8, and the releases before it


class Audio(Voices):
    """Speech, transcripts, voices and music.

    `run` and `submit` take any model in its own words. The others here are for what is asked for most: one vocabulary,
    whatever the model calls it, and a `ValidationError` that names what a model cannot do.
    """

    @overload
    async def speech(
        self,
        text: str,
        *,
        model: str = _SPEECH,
        voice: str | Sequence[str] | None = None,
        format: str | None = None,
        speed: float | None = None,
        sample_rate: int | None = None,
        stream: Literal[False] = False,
        extra_body: Mapping[str, Any] | None = None,
        extra_headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
        **params: Any,
    ) -> MediaResult: ...
    @overload
    async def speech(
        self,
        text: str,
        *,
        model: str = _SPEECH,
        voice: str | Sequence[str] | None = None,
        format: str | None = None,
        speed: float | None = None,
        sample_rate: int | None = None,
        stream: Literal[True],
        extra_body: Mapping[str, Any] | None = None,
        extra_headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
        **params: Any,
    ) -> SpeechStream: ...
    async def speech(
        self,
        text: str,
        *,
        model: str = _SPEECH,
        voice: str | Sequence[str] | None = None,
        format: str | None = None,
        speed: float | None = None,
        sample_rate: int | None = None,
        stream: bool = False,
        extra_body: Mapping[str, Any] | None = None,
        extra_headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
        **params: Any,
    ) -> MediaResult | SpeechStream:
        """Say a text.

        Args:
            text: what to say: up to 9,999 characters at MiniMax, 50,000 where the model's name ends in -async, 1,024
                at GLM, 512 at txt2speech. At MiniMax `<#1.5#>` is a pause of so many seconds.
            model: one whose task is speech. Those that work in tasks are submitted and waited for.
            voice: the name or id of a voice, cloned and designed ones included. Without one MiniMax speaks as
                Wise_Woman, GLM as tongtong, txt2speech as Emily, and Fish in a voice of its own. Fish S2 Pro takes a
                list, for the speakers that the text marks.
            format: of the file: mp3, wav, pcm, flac or opus, as the model has them. MiniMax streams no wav. pcm has
                no header: 16-bit samples, of GLM at 24 kHz.
            speed: 1 is normal; 0.5 to 2, at txt2speech 0.8 to 3.
            sample_rate: samples a second, 8000 to 44100, at MiniMax and Fish.
            stream: give the sound while it is being made, where the model can.
            extra_body: fields of the body's top level that the SDK does not know.
            extra_headers: headers for this call.
            timeout: submit and wait together, in seconds. For a stream: until its headers are there; then
                `Timeouts.first_event` and `idle` hold.
            params: the model's own parameters, such as `voice_setting={"emotion": "happy"}` or, of txt2speech, the
                `language` that it requires: `await novita.media.schema(model)`.

        Returns:
            A result whose `audios[0]` is the recording, or a `SpeechStream` to be iterated inside `async with`.

        Raises:
            ValidationError: the model has no such choice, cannot stream, or its parameters are wrong. Nothing was
                sent.
            APIError: the platform refused. MiniMax says so inside an HTTP 200, which is no difference here.
            OutcomeUnknown: the call was sent and not answered; it was not sent again.
            TaskFailed, TaskTimeout: as `run`.

        Example:
            result = await novita.audio.speech("Good morning!", voice="Calm_Woman", format="flac")
            await result.audios[0].save("morning.flac")

            async with await novita.audio.speech(chapter, stream=True) as stream:
                await stream.save("chapter.mp3")

        Contract: platform.md, "Audio formats and chunks"; audio.openapi.yaml.
        """
        entry = await self._model(model)
        if entry.task != "speech":
            raise ValidationError(f"{entry.id} does not speak: its task is {entry.task}")
        if voice is None:
            voice = _default_voice(entry, params)
        if any(params.get(name) for name in _BLENDS) and "voice_setting" in entry.params.required:
            params.setdefault("voice_setting", {})  # which is wanted also when the voices stand elsewhere
        asked = arrange(entry, params, text=text, voice=voice, format=format, speed=speed, sample_rate=sample_rate)
        if stream:
            return await self._stream(entry, asked, extra_body, extra_headers, timeout)
        result = await self._run(entry, asked, extra_body=extra_body, extra_headers=extra_headers, timeout=timeout)
        for recording in result.audios:
            recording.type = recording.type or _format_of(entry, asked)  # samples without a header tell nothing
        return result

    async def _stream(
        self,
        model: Model,
        params: dict[str, Any],
        extra_body: Mapping[str, Any] | None,
        extra_headers: Mapping[str, str] | None,
        timeout: float | None,
    ) -> SpeechStream:
        if not model.stream:
            raise ValidationError(f"{model.id}: stream: it cannot; submit it, or choose a model without -async")
        if model.stream == "events":
            params["stream"] = True
            if "stream_options" in model.params.properties:
                # Else the last event says everything once more: twice the bytes, and dropped here.
                params["stream_options"] = {"exclude_aggregated_audio": True, **(params.get("stream_options") or {})}
        call, _ = await self._call(model, params, True, extra_body, extra_headers, timeout)
        call.headers.setdefault("accept", "text/event-stream" if model.stream == "events" else "*/*")
        return await open_speech(self._runtime, call, _format_of(model, params))

    async def transcribe(
        self,
        file: FileInput,
        *,
        prompt: str | None = None,
        hotwords: Sequence[str] | None = None,
        model: str = "glm-asr",
        extra_body: Mapping[str, Any] | None = None,
        extra_headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
        **params: Any,
    ) -> MediaResult:
        """Write down what a recording says.

        Args:
            file: a WAV or MP3 file of at most 25 MB and 30 seconds.
            prompt: what was said before, as context; 8,000 characters at most are advised.
            hotwords: up to 100 words of the subject.
            model: one whose task is transcription. The platform has announced the end of the only one.
            extra_body, extra_headers: as in `speech`.
            timeout: the whole call in seconds.
            params: the model's own parameters.

        Returns:
            A result whose `text` is the transcript.

        Raises:
            ValidationError: the file cannot be read, or something else is wrong. Nothing was sent.
            APIError, OutcomeUnknown: as `speech`.

        Warns:
            ModelRetiredWarning: once, for a model that has an end.

        Example:
            print((await novita.audio.transcribe("interview.mp3")).text)

        Contract: audio.openapi.yaml, POST /v3/glm-asr.
        """
        words = None if hotwords is None else list(hotwords)
        asked = {**params, "file": file, "prompt": prompt, "hotwords": words}
        return await self._run(model, asked, extra_body=extra_body, extra_headers=extra_headers, timeout=timeout)

    async def music(
        self,
        prompt: str | None = None,
        *,
        lyrics: str | None = None,
        instrumental: bool = False,
        version: str = _SONG,
        format: str | None = None,
        sample_rate: int | None = None,
        extra_body: Mapping[str, Any] | None = None,
        extra_headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
        **params: Any,
    ) -> MediaResult:
        """Make a song, or a piece without words.

        Args:
            prompt: style, mood, scene; 2,000 characters at most.
            lyrics: what to sing, in lines, with tags such as [Verse] and [Chorus]; 3,500 characters at most. When they
                are left out, the model writes some from the prompt (`lyrics_optimizer`).
            instrumental: no words; of music-2.5+ alone.
            version: music-2.5+, music-2.5 or music-2.0. The last one writes no lyrics itself.
            format: mp3, wav or pcm.
            sample_rate: 16000, 24000, 32000 or 44100 samples a second.
            extra_body, extra_headers: as in `speech`.
            timeout: the whole call in seconds. A song takes its time: a minute is nothing unusual.
            params: other parameters of minimax-music, such as `audio_setting={"bitrate": 256000}`.

        Returns:
            A result whose `audios[0]` is the song, behind a link.

        Raises:
            ValidationError: there is neither a prompt nor lyrics, or something else is wrong. Nothing was sent.
            APIError, OutcomeUnknown: as `speech`.

        Example:
            song = await novita.audio.music("a slow shanty, accordion, rain")
            await song.audios[0].save("shanty.mp3")

        Contract: audio.openapi.yaml, POST /v3/minimax-music.
        """
        writes = not lyrics and not instrumental
        if writes and not prompt:
            raise ValidationError("minimax-music: prompt: missing, and so are lyrics")
        if writes and version == "music-2.0":
            raise ValidationError("minimax-music: lyrics: missing; music-2.0 writes none itself")
        entry = await self._model("minimax-music")
        own = {
            **({"lyrics_optimizer": True} if writes else {}),
            **({"is_instrumental": True} if instrumental else {}),
            **params,
            "model": version,
            "lyrics": lyrics,
        }
        asked = arrange(entry, own, prompt=prompt, format=format, sample_rate=sample_rate)
        return await self._run(entry, asked, extra_body=extra_body, extra_headers=extra_headers, timeout=timeout)

    async def lyrics(
        self,
        prompt: str | None = None,
        *,
        lyrics: str | None = None,
        title: str | None = None,
        extra_body: Mapping[str, Any] | None = None,
        extra_headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
    ) -> MediaResult:
        """Write lyrics, or change some.

        Args:
            prompt: what they are to be about, or what to change; without one it is anything. 2,000 characters at most.
            lyrics: those to change; without them new ones are written. 3,500 characters at most.
            title: of the song, kept as it is.
            extra_body, extra_headers: as in `speech`.
            timeout: the whole call in seconds.

        Returns:
            A result whose `text` is for `music(lyrics=...)`; `extra` has `song_title` and `style_tags`.

        Raises:
            ValidationError, APIError, OutcomeUnknown: as `music`.

        Example:
            words = await novita.audio.lyrics("two boats that never meet")
            song = await novita.audio.music(words.extra["style_tags"], lyrics=words.text)

        Contract: audio.openapi.yaml, POST /v3/minimax-music-lyrics.
        """
        mode = "edit" if lyrics else "write_full_song"
        asked = {"mode": mode, "prompt": prompt, "lyrics": lyrics, "title": title}
        return await self._run(
            "minimax-music-lyrics", asked, extra_body=extra_body, extra_headers=extra_headers, timeout=timeout
        )


def _default_voice(model: Model, own: Mapping[str, Any]) -> str | None:
    """The voice of a call that names none; "" where voices are blended and the field must be there all the same."""
    setting: Mapping[str, Any] = own.get("voice_setting") or {}
    if setting.get("voice_id") or own.get("voice_id"):
        return None
    if any(own.get(name) for name in _BLENDS):
        return "" if _BLENDS[0] in own else None
    return _VOICES.get(model.family)


def _format_of(model: Model, asked: Mapping[str, Any]) -> str:
    """What a file is going to be, when all goes as it was asked for."""
    setting: Mapping[str, Any] = asked.get("audio_setting") or asked.get("extra") or {}
    wanted = setting.get("format") or setting.get("response_audio_type")
    return str(wanted or asked.get("response_format") or asked.get("format") or _FORMATS.get(model.family, "mp3"))
