"""`novita.audio` (contract/platform.md, "Audio formats and chunks"; audio.openapi.yaml)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, cast, overload

from ..errors import ValidationError
from .calls import AudioCalls
from .speech import SpeechStream, open_speech
from .words import arrange

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ..catalog import Model
    from .inputs import FileInput
    from .results import MediaResult

__all__ = ["Audio"]

_SPEECH = "minimax-speech-2.8-turbo"
_SONG = "music-2.5+"
_PREVIEW = "speech-2.8-turbo"

#: By the family of models: the voice that speaks when the caller has no wish.
_VOICES = {"minimax-speech": "Wise_Woman", "txt2speech": "Emily"}
_BLENDS = ("timber_weights", "timbre_weights")  # 2.8, and the releases before it

#: What the models that learn a voice call what they are told.
_CLONES: dict[str, dict[str, str]] = {
    "minimax-voice-cloning": {"audio": "audio_url", "preview_text": "text", "preview_model": "model"},
    "glm-tts-voice-clone": {
        "audio": "audio_url",
        "name": "voice_name",
        "transcript": "text",
        "preview_text": "input",
    },
    "fish-audio-voice-cloning": {"audio": "voices", "name": "title", "transcript": "texts"},
}


class Audio(AudioCalls):
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
        voice: str | None = None,
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
        voice: str | None = None,
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
        voice: str | None = None,
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
                Wise_Woman, GLM as tongtong, txt2speech as Emily, and Fish in a voice of its own.
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
        if not stream:
            return await self._run(entry, asked, extra_body=extra_body, extra_headers=extra_headers, timeout=timeout)
        return await self._stream(entry, asked, extra_body, extra_headers, timeout)

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

    async def clone_voice(
        self,
        audio: FileInput | Sequence[FileInput],
        *,
        model: str = "minimax-voice-cloning",
        name: str | None = None,
        transcript: str | None = None,
        preview_text: str | None = None,
        preview_model: str | None = None,
        extra_body: Mapping[str, Any] | None = None,
        extra_headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
        **params: Any,
    ) -> MediaResult:
        """Learn a voice from a recording.

        Args:
            audio: the recording. MiniMax and GLM fetch it themselves and want a URL (MiniMax: mp3, m4a or wav, 10
                seconds to 5 minutes, 20 MB; GLM: 3 to 30 seconds, 10 MB). Fish takes files, also a list of them.
            model: minimax-voice-cloning, fish-audio-voice-cloning or glm-tts-voice-clone.
            name: of the voice: GLM and Fish require one, MiniMax makes its own.
            transcript: what the recording says; not at MiniMax. With several files, give Fish `texts=[...]`.
            preview_text: what the new voice is to say for a trial, billed as speech: 2,000 characters at most at
                MiniMax; GLM requires it, Fish has none.
            preview_model: of MiniMax, for that; speech-2.8-turbo when it is left out.
            extra_body, extra_headers: as in `speech`.
            timeout: the whole call in seconds.
            params: the model's own parameters. Voices at Fish are `visibility="private"` here, while the platform
                would publish them.

        Returns:
            A result whose `voice_id` is for `speech(voice=...)`, and whose `audios` has the trial. A voice at MiniMax
            vanishes when no speech is made with it for 168 hours.

        Raises:
            ValidationError: the model has no such choice, or something is wrong. Nothing was sent.
            APIError, OutcomeUnknown: as `speech`.

        Example:
            cloned = await novita.audio.clone_voice("https://example.com/me.mp3")
            await novita.audio.speech("It is me.", voice=cloned.voice_id)

        Contract: audio.openapi.yaml, POST /v3/minimax-voice-cloning, /v3/glm-tts-voice-clone, /v4beta/model.
        """
        entry = await self._model(model)
        if (places := _CLONES.get(entry.id)) is None:
            raise ValidationError(f"{entry.id} clones no voices; {', '.join(_CLONES)} do")
        words = {
            "audio": audio,
            "name": name,
            "transcript": transcript,
            "preview_text": preview_text,
            "preview_model": preview_model,
        }
        asked = _placed(entry, places, words, params)
        if entry.id == "fish-audio-voice-cloning":
            asked = {"type": "tts", "train_mode": "fast", "visibility": "private", **asked}
            asked["voices"] = list(cast("Sequence[Any]", audio)) if isinstance(audio, (list, tuple)) else [audio]
            if isinstance(texts := asked.get("texts"), str):
                asked["texts"] = [texts]
        elif asked.get("text") and "model" in entry.params.properties:
            asked = {"model": _PREVIEW, **asked}
        return await self._run(entry, asked, extra_body=extra_body, extra_headers=extra_headers, timeout=timeout)

    async def design_voice(
        self,
        prompt: str,
        *,
        preview_text: str,
        voice_id: str | None = None,
        model: str = "minimax-voice-design",
        extra_body: Mapping[str, Any] | None = None,
        extra_headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
        **params: Any,
    ) -> MediaResult:
        """Make a voice from a description.

        Args:
            prompt: the voice that is wanted.
            preview_text: what it is to say for a trial; 500 characters at most.
            voice_id: an id of one's own; the platform makes one when it is left out.
            model: one whose task is voice-design.
            extra_body, extra_headers: as in `speech`.
            timeout: the whole call in seconds.
            params: the model's own parameters.

        Returns:
            A result whose `voice_id` is for `speech(voice=...)`, and whose `audios` has the trial, where one came.

        Raises:
            ValidationError, APIError, OutcomeUnknown: as `clone_voice`.

        Example:
            made = await novita.audio.design_voice("an old sailor, hoarse and kind", preview_text="Land ahoy!")

        Contract: audio.openapi.yaml, POST /v3/minimax-voice-design.
        """
        asked = {**params, "prompt": prompt, "preview_text": preview_text, "voice_id": voice_id}
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
    setting: Mapping[str, Any] = asked.get("audio_setting") or {}
    wanted = setting.get("format") or asked.get("response_format") or asked.get("format")
    return str(wanted or ("pcm" if model.family == "glm-audio" else "mp3"))


def _placed(
    model: Model, places: Mapping[str, str], words: Mapping[str, Any], own: Mapping[str, Any]
) -> dict[str, Any]:
    """The words under the names of the model, beside its own parameters.

    Raises:
        ValidationError: what it does not have, what it requires, and what was given twice.
    """
    given = {word: value for word, value in words.items() if value is not None}
    params = {name: value for name, value in own.items() if value is not None}
    problems = [f"{word}: it has no such choice; it takes {', '.join(places)}" for word in given if word not in places]
    for word, place in places.items():
        if word in given and place in params:
            problems.append(f"{word} and {place} are the same, and only one can be given")
        elif word not in given and place not in params and place in model.params.required:
            problems.append(f"{word}: missing")
    if problems:
        raise ValidationError(*(f"{model.id}: {problem}" for problem in problems))
    return {**params, **{places[word]: value for word, value in given.items()}}
