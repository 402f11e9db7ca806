"""`novita.gpu.products`: what can be ordered, and for how much (contract/gpu.md 4)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import msgspec

from ..runtime.arguments import check_timeout, with_query
from ..runtime.call import Call
from ..wire.json import Object, decode
from .types import Product

if TYPE_CHECKING:
    from ..runtime.call import Runtime

__all__ = ["Products"]


class _Page(Object):
    data: list[msgspec.Raw]


class Products:
    """`novita.gpu.products`."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime

    async def list(
        self,
        *,
        name: str | None = None,
        cluster_id: str | None = None,
        gpu_num: int | None = None,
        billing: Literal["onDemand", "monthly", "spot"] | None = None,
        timeout: float | None = None,
    ) -> list[Product]:
        """List GPU products. The platform gives all of them at once.

        Args:
            name: part of the product's name, such as "4090".
            cluster_id: only those of this region.
            gpu_num: only those that can be had with so many cards, 1 to 8.
            billing: only those offered so; "onDemand" unless given.
            timeout: the call in seconds.

        Contract: GET /gpu-instance/openapi/v1/products.
        """
        url = with_query(
            f"{self._runtime.settings.base_url}/gpu-instance/openapi/v1/products",
            productName=name,
            clusterId=cluster_id,
            gpuNum=gpu_num,
            billingMethod=billing,
        )
        page = await self._runtime.fetch(Call(method="GET", url=url, timeout=check_timeout(timeout)), _Page)
        decoder = self._runtime.decoders(Product)
        return [decode(decoder, bytes(item)) for item in page.data]
