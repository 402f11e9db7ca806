"""Voices that are learned from a recording or made from a description (audio.openapi.yaml)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from ..errors import ValidationError
from .calls import AudioCalls

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ..catalog import Model
    from .inputs import FileInput
    from .results import MediaResult

__all__ = ["Voices"]

_PREVIEW = "speech-2.8-turbo"

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


class Voices(AudioCalls):
    """The part of `novita.audio` that makes voices."""

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
            extra_body, extra_headers: as in `Audio.speech`.
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
            extra_body, extra_headers: as in `Audio.speech`.
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
