"""What is to be spoken, whatever the API calls it, and the file that becomes of it."""

from __future__ import annotations

import unicodedata
from typing import TYPE_CHECKING, Any

import msgspec

from . import sound
from .transcripts import labelled

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ..catalog import Model

__all__ = ["Asked", "blend_of", "of_fish", "of_glm", "of_minimax", "part", "slices"]

_SLICE_SECONDS = 0.5
_MOST_SLICES = 200
_SILENT_KINDS = frozenset({"Cc", "Cf", "Cn", "Co", "So"})
_FISH_BITRATES = {"opus": 32000, "mp3": 128000}


class Asked(msgspec.Struct, frozen=True):
    """What is to be spoken; the attributes are the arguments of `sound.speech`."""

    text: str
    voice: str
    kind: str = "mp3"
    rate: int = 32000
    channels: int = 1
    speed: float = 1.0
    bitrate: int = 128000

    def make(self) -> sound.Sound:
        """The file; a WAV file has the text in it. It blocks."""
        made = sound.speech(
            self.text,
            voice=self.voice,
            rate=self.rate,
            channels=self.channels,
            kind=self.kind,
            speed=self.speed,
            bitrate=self.bitrate,
        )
        return made._replace(data=labelled(made.data, self.text)) if made.kind == "wav" else made

    @property
    def silent(self) -> float:
        """The share of the text that cannot be pronounced: control characters, emoji."""
        silent = sum(1 for each in self.text if each not in "\n\r\t" and unicodedata.category(each) in _SILENT_KINDS)
        return silent / len(self.text)

    def about(self, made: sound.Sound) -> dict[str, Any]:
        """What MiniMax tells of the file."""
        return {
            "audio_length": round(made.seconds * 1000),
            "audio_size": len(made.data),
            "audio_sample_rate": self.rate,
            # The contract's list of formats has no wav.
            **({} if made.kind == "wav" else {"audio_format": made.kind}),
            "audio_channel": self.channels,
            "bitrate": self.bitrate,
            "word_count": len(self.text.split()),
            "usage_characters": len(self.text),
            "invisible_character_ratio": round(self.silent, 4),
        }


def part(params: Mapping[str, Any], name: str) -> dict[str, Any]:
    """A parameter that is an object; an empty one when it is not there."""
    return params.get(name) or {}


def blend_of(params: Mapping[str, Any]) -> dict[str, int]:
    """The voices of MiniMax that are to be blended, and their shares. The releases spell it differently."""
    weights: list[dict[str, Any]] = params.get("timber_weights") or params.get("timbre_weights") or []
    return {each["voice_id"]: each["weight"] for each in weights}


def of_minimax(params: Mapping[str, Any]) -> Asked:
    """What is asked of MiniMax."""
    voice, audio = part(params, "voice_setting"), part(params, "audio_setting")
    blend = " ".join(f"{name} {weight}" for name, weight in blend_of(params).items())
    return Asked(
        params["text"],
        blend or voice.get("voice_id") or "",
        audio.get("format") or "mp3",
        rate=audio.get("sample_rate") or 32000,
        channels=audio.get("channel") or 1,
        speed=voice.get("speed") or 1.0,
        bitrate=audio.get("bitrate") or 128000,
    )


def of_glm(params: Mapping[str, Any]) -> Asked:
    """What is asked of GLM."""
    kind = params.get("response_format") or "pcm"
    return Asked(params["input"], params["voice"], kind, rate=24000, speed=params.get("speed") or 1.0)


def of_fish(model: Model, params: Mapping[str, Any]) -> Asked:
    """What is asked of Fish Audio."""
    kind = params.get("format") or "mp3"
    if kind == "opus":
        unit = 1000 if model.kind == "stream" else 1  # s1 counts in kilobits, S2 Pro in bits
        bitrate = unit * max(0, params.get("opus_bitrate") or 0)
    else:
        bitrate = 1000 * (params.get("mp3_bitrate") or 0)
    voices: str | list[str] = params.get("reference_id") or ""
    return Asked(
        params["text"],
        voices if isinstance(voices, str) else " ".join(voices),
        kind,
        rate=48000 if kind == "opus" else params.get("sample_rate") or 44100,
        speed=min(2.0, max(0.5, part(params, "prosody").get("speed") or 1.0)),
        bitrate=bitrate or _FISH_BITRATES.get(kind, 128000),
    )


def slices(made: sound.Sound) -> list[bytes]:
    """A file as it comes in a stream: half a second at a time, and at least in two pieces where that can be."""
    return sound.slices(made.data, made.kind, min(_MOST_SLICES, max(2, round(made.seconds / _SLICE_SECONDS))))
