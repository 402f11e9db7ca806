"""`novita.videos` (contract/video.md, video.openapi.yaml)."""

from __future__ import annotations

from .calls import VideoCalls

__all__ = ["Videos"]


class Videos(VideoCalls):
    """Videos from models. All of them work in tasks."""
