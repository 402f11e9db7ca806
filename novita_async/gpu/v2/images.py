"""`novita.gpu.v2.images`: images that there are to make instances of (contract/gpu_v2.openapi.yaml)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal
from urllib.parse import quote

from ...wire.json import Object
from ..checks import Findings, checked_id

if TYPE_CHECKING:
    from typing import Unpack

    from ...runtime.pages import Pages
    from ..control import Control, Options, WriteOptions

__all__ = ["Image", "ImageTag", "Images"]

_TYPES = ("base", "community", "private")


class ImageTag(Object):
    """A version of an image, and what `create` takes for it."""

    tag: str | None = None
    image: str | None = None


class Image(Object):
    """An image. Its `id`, which a delete wants, is not in every answer."""

    id: str = ""
    name: str = ""
    image: str | None = None
    tags: list[ImageTag] | None = None


class Images:
    """`novita.gpu.v2.images`. Saving one is `novita.gpu.v2.jobs.save_image`."""

    def __init__(self, control: Control) -> None:
        self._control = control

    def list(
        self,
        *,
        type: Literal["base", "community", "private"] | None = None,
        name: str | None = None,
        **options: Unpack[Options],
    ) -> Pages[Image]:
        """List images: `async for image in ...`, or `await ...` for all of them.

        Args:
            type: the platform's, the community's, or one's own.
            name: only those with this in their name.
            options: see `Options`.

        Contract: gpu_v2.openapi.yaml, GET /gpus/v2/images.
        """
        findings = Findings()
        findings.choice("type", type, _TYPES)
        findings.end()
        return self._control.cursored(
            "/images",
            Image,
            query={"type": type, "name": name},
            identify=lambda image: image.id or image.image or image.name,
            **options,
        )

    async def delete(self, image_id: str, **options: Unpack[WriteOptions]) -> bool:
        """Delete an image of one's own; False when it was gone already.

        Contract: gpu_v2.openapi.yaml, DELETE /gpus/v2/images/{image_id}.
        """
        path = f"/images/{quote(checked_id('image_id', image_id), safe='')}"
        return await self._control.found(self._control.call("DELETE", path, **options))
