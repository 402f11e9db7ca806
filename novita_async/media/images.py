"""`novita.images` (contract/image.md, image.openapi.yaml)."""

from __future__ import annotations

from .calls import ImageCalls

__all__ = ["Images"]


class Images(ImageCalls):
    """Pictures from models."""
