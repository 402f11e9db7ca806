"""`novita.gpu.v2.products` and `.clusters`: what can be ordered, and where (contract/gpu_v2.openapi.yaml)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, TypeVar

from ..checks import Findings
from ..clusters import Cluster, Clusters
from ..products import BILLINGS, CPUProduct, Product, Products
from .wire import BILLINGS as NEW

if TYPE_CHECKING:
    from typing import Unpack

    from ...wire.json import Object
    from ..control import Options
    from ..products import Billing

__all__ = ["V2Clusters", "V2Products"]

T = TypeVar("T", bound="Object")


class V2Products(Products):
    """`novita.gpu.v2.products`. `find` is that of `novita.gpu.products`, and prices are dollars here too."""

    async def list(  # pyright: ignore[reportIncompatibleMethodOverride] - it takes more than that of version 1
        self,
        *,
        name: str | None = None,
        cluster_id: str | None = None,
        gpu_num: int | None = None,
        billing: Billing | None = None,
        min_cpu: int | None = None,
        min_memory: int | None = None,
        min_rootfs: int | None = None,
        category: Literal["instance", "serverless"] = "instance",
        **options: Unpack[Options],
    ) -> list[Product]:
        """List GPU products, all pages of them. The API itself filters by neither name nor cards, so that is done here.

        Args:
            name: part of the product's name, such as "4090".
            cluster_id: only those of this region.
            gpu_num: only those that can be had with so many cards, 1 to 8.
            billing: only those offered so.
            min_cpu: vCPUs.
            min_memory: GB.
            min_rootfs: GB of container disk.
            category: what they are for.
            options: see `Options`.

        Contract: gpu_v2.openapi.yaml, GET /gpus/v2/products.
        """
        findings = Findings()
        findings.number("gpu_num", gpu_num, least=0, most=8)
        findings.choice("billing", billing, BILLINGS)
        findings.choice("category", category, ("instance", "serverless"))
        findings.end()
        query = {
            "type": "gpu",
            "category": category,
            "cpu": min_cpu,
            "memory_gb": min_memory,
            "rootfs_size": min_rootfs,
            "billing_method": NEW[billing] if billing else None,
            "region_ids": cluster_id,
        }
        found = await self._control.cursored("/products", Product, query=query, **options)
        wanted = (name or "").lower()
        return [each for each in found if wanted in each.name.lower() and _has(each, gpu_num or 0)]

    async def list_cpu(
        self, *, name: str | None = None, cluster_id: str | None = None, **options: Unpack[Options]
    ) -> list[CPUProduct]:
        """List products without a card, all pages of them. See `Products.list_cpu`."""
        query = {"type": "cpu", "category": "instance", "region_ids": cluster_id}
        found = await self._control.cursored("/products", CPUProduct, query=query, **options)
        return [each for each in found if (name or "").lower() in each.name.lower()]


def _has(product: Product, cards: int) -> bool:
    """Whether so many cards can be had, as far as the platform tells."""
    spec: Any = product.raw.get("resource_spec") or {}
    card: Any = spec.get("gpu") or {}
    most = card.get("available") if card.get("available") is not None else card.get("max")
    return not isinstance(most, int) or most >= cards


class V2Clusters(Clusters):
    """`novita.gpu.v2.clusters`: the regions."""

    async def list(self, **options: Unpack[Options]) -> list[Cluster]:
        """List the regions, all pages of them.

        Contract: gpu_v2.openapi.yaml, GET /gpus/v2/regions.
        """
        return await self._control.cursored("/regions", Cluster, **options)
