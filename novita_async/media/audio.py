"""`novita.audio` (contract/platform.md, "Audio formats and chunks"; audio.openapi.yaml)."""

from __future__ import annotations

from .calls import AudioCalls

__all__ = ["Audio"]


class Audio(AudioCalls):
    """Speech, transcripts, voices and music."""
