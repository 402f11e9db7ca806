"""`novita.gpu.prewarms`: images that a region fetches before they are wanted (contract/gpu.openapi.yaml)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from msgspec import field

from ..errors import ValidationError
from ..runtime.arguments import given
from ..runtime.retry import Replay
from ..wire.json import Object
from .checks import Findings, checked_id
from .units import Number, integer, moment

if TYPE_CHECKING:
    import datetime
    from collections.abc import Sequence
    from typing import Unpack

    from ..runtime.pages import Pages
    from .control import Control, Options, WriteOptions

__all__ = ["Prewarm", "PrewarmQuota", "PrewarmedProduct", "Prewarms"]


class PrewarmedProduct(Object, rename="camel"):
    """A product whose machines get the image."""

    product_id: str | None = None
    product_name: str | None = None


class Prewarm(Object, rename="camel"):
    """A task that fetches an image. `repository_auth` is the id of a registry login, `reason` why it failed."""

    id: str
    state: str = ""
    image_name: str | None = None
    image_url: str | None = None
    repository_auth: str | None = None
    cluster_id: str | None = None
    cluster_name: str | None = None
    products: list[PrewarmedProduct] | None = None
    note: str | None = None
    reason: list[str] | None = None
    wire_size: Number = field(default=None, name="imageSize")
    wire_created: Number = field(default=None, name="createTime")
    wire_completed: Number = field(default=None, name="completeTime")

    @property
    def image_bytes(self) -> int | None:
        """The image's size in bytes."""
        return integer(self.wire_size)

    @property
    def created_at(self) -> datetime.datetime | None:
        """When it was made."""
        return moment(self.wire_created)

    @property
    def completed_at(self) -> datetime.datetime | None:
        """When it ended."""
        return moment(self.wire_completed)


class PrewarmQuota(Object, rename="camel"):
    """How many tasks there are and may be, and how large an image may be, in GB."""

    total: int | None = None
    limit: int | None = None
    per_image_size: int | None = None


class Prewarms:
    """`novita.gpu.prewarms`."""

    def __init__(self, control: Control) -> None:
        self._control = control

    async def quota(self, **options: Unpack[Options]) -> PrewarmQuota:
        """How much may be prewarmed.

        Contract: gpu.openapi.yaml, GET /gpu-instance/openapi/v1/image/prewarm/quota.
        """
        return await self._control.fetch(
            self._control.call("GET", "/image/prewarm/quota", **options), PrewarmQuota, inside="data"
        )

    async def create(
        self,
        image: str,
        *,
        cluster_id: str,
        product_ids: Sequence[str] = (),
        image_auth_id: str | None = None,
        note: str | None = None,
        **options: Unpack[WriteOptions],
    ) -> str:
        """Let a region fetch an image.

        Args:
            image: container image.
            cluster_id: the region.
            product_ids: for the machines of these products.
            image_auth_id: a saved registry login.
            note: a text to know it by.
            options: see `WriteOptions`.

        Returns:
            The task's id.

        Contract: gpu.openapi.yaml, POST /gpu-instance/openapi/v1/image/prewarm.
        """
        findings = Findings()
        findings.text("image", image, most=500)
        findings.end()
        body = given(
            imageUrl=image,
            clusterId=checked_id("cluster_id", cluster_id),
            productIds=list(product_ids) or None,
            repositoryAuth=image_auth_id,
            note=note,
        )
        return await self._control.told(
            self._control.call("POST", "/image/prewarm", body, replay=Replay.SUBMITS, **options)
        )

    def list(
        self,
        *,
        state: Literal["Pending", "Running", "Succeeded", "Failed"] | None = None,
        cluster_id: str | None = None,
        name: str | None = None,
        **options: Unpack[Options],
    ) -> Pages[Prewarm]:
        """List tasks: `async for prewarm in ...`, or `await ...` for all of them.

        Args:
            state: only those in this state.
            cluster_id: only those of this region.
            name: only those of images with this in their name.
            options: see `Options`.

        Contract: gpu.openapi.yaml, GET /gpu-instance/openapi/v1/image/prewarm.
        """
        query = {"state": state, "clusterId": cluster_id, "name": name}
        return self._control.numbered("/image/prewarm", Prewarm, "data", counter="page", query=query, **options)

    async def set_note(self, prewarm_id: str, note: str, **options: Unpack[WriteOptions]) -> None:
        """Change a task's note.

        Contract: gpu.openapi.yaml, POST /gpu-instance/openapi/v1/image/prewarm/edit.
        """
        body = {"id": checked_id("prewarm_id", prewarm_id), "note": note}
        await self._control.write(self._control.call("POST", "/image/prewarm/edit", body, **options))

    async def delete(self, prewarm_ids: str | Sequence[str], **options: Unpack[WriteOptions]) -> None:
        """Delete tasks, one or several.

        Contract: gpu.openapi.yaml, POST /gpu-instance/openapi/v1/image/prewarm/delete.
        """
        ids = [prewarm_ids] if isinstance(prewarm_ids, str) else list(prewarm_ids)
        if not ids:
            raise ValidationError("prewarm_ids is empty")
        body = {"ids": [checked_id("prewarm_id", id_) for id_ in ids]}
        await self._control.write(self._control.call("POST", "/image/prewarm/delete", body, **options))
