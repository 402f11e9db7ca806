"""`novita.gpu.products`: what can be ordered, and for how much (contract/gpu.md 4)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, TypeAlias

from msgspec import field

from ..wire.json import Object
from .checks import Findings
from .units import Number, dollars

if TYPE_CHECKING:
    from decimal import Decimal
    from typing import Unpack

    from .control import Control, Options

__all__ = ["Billing", "CPUProduct", "MonthlyPrice", "Product", "Products"]

#: How an instance is paid for: by the second, for months ahead, or by the second for less and until it is taken back.
Billing: TypeAlias = Literal["onDemand", "monthly", "spot"]
BILLINGS = ("onDemand", "monthly", "spot")


class MonthlyPrice(Object):
    """A subscription's price. Whether it is for a month or for the whole term, the platform does not say."""

    month: int | None = None
    wire_price: Number = field(default=None, name="price")

    @property
    def price(self) -> Decimal | None:
        """Dollars."""
        return dollars(self.wire_price)


class Product(Object, rename="camel"):
    """A GPU offer. Sizes in GB, for each card."""

    id: str
    name: str
    cpu_per_gpu: int | None = None
    memory_per_gpu: int | None = None
    disk_per_gpu: int | None = None
    available_deploy: bool | None = None
    regions: list[str] | None = None
    billing_methods: list[str] | None = None
    inventory_state: str | None = None
    min_rootfs: int | None = field(default=None, name="minRootFS")
    max_rootfs: int | None = field(default=None, name="maxRootFS")
    min_local_storage: int | None = None
    max_local_storage: int | None = None
    monthly_prices: list[MonthlyPrice] | None = field(default=None, name="monthlyPrice")
    wire_price: Number = field(default=None, name="price")
    wire_spot_price: Number = field(default=None, name="spotPrice")

    @property
    def price(self) -> Decimal | None:
        """Dollars an hour and card, on demand."""
        return dollars(self.wire_price)

    @property
    def spot_price(self) -> Decimal | None:
        """Dollars an hour and card, when the instance may be taken back."""
        return dollars(self.wire_spot_price)

    @property
    def available(self) -> bool:
        """Whether it can be had now."""
        return bool(self.available_deploy) and self.inventory_state != "none"

    def price_for(self, billing: Billing = "onDemand") -> Decimal | None:
        """Dollars an hour and card; of the shortest subscription its dollars. None when it is not offered so."""
        if billing == "spot":
            return self.spot_price or None  # 0 is how "none" is written
        if billing == "monthly":
            offers = [offer for offer in self.monthly_prices or [] if offer.price is not None]
            return min(offers, key=lambda offer: offer.month or 0).price if offers else None
        return self.price


class CPUProduct(Object, rename="camel"):
    """An offer without a card. Sizes in GB."""

    id: str
    name: str
    cpu_num: int | None = None
    memory_size: int | None = None
    rootfs_size: int | None = None
    local_volume_size: int | None = None
    available_deploy: bool | None = None
    wire_price: Number = field(default=None, name="price")

    @property
    def price(self) -> Decimal | None:
        """Dollars an hour."""
        return dollars(self.wire_price)

    @property
    def available(self) -> bool:
        """Whether it can be had now."""
        return bool(self.available_deploy)


class Products:
    """`novita.gpu.products`."""

    def __init__(self, control: Control) -> None:
        self._control = control

    async def list(
        self,
        *,
        name: str | None = None,
        cluster_id: str | None = None,
        gpu_num: int | None = None,
        billing: Billing | None = None,
        min_cpu: int | None = None,
        min_memory: int | None = None,
        min_rootfs: int | None = None,
        **options: Unpack[Options],
    ) -> list[Product]:
        """List GPU products. The platform gives all of them at once.

        Args:
            name: part of the product's name, such as "4090".
            cluster_id: only those of this region.
            gpu_num: only those that can be had with so many cards, 1 to 8.
            billing: only those offered so; "onDemand" unless given.
            min_cpu: vCPUs for each card, at least.
            min_memory: GB for each card, at least.
            min_rootfs: GB of container disk that must be possible.
            options: see `Options`.

        Contract: gpu.openapi.yaml, GET /gpu-instance/openapi/v1/products.
        """
        findings = Findings()
        findings.number("gpu_num", gpu_num, least=0, most=8)
        findings.choice("billing", billing, BILLINGS)
        for label, value in (("min_cpu", min_cpu), ("min_memory", min_memory), ("min_rootfs", min_rootfs)):
            findings.number(label, value, least=0)
        findings.end()
        query = {
            "productName": name,
            "clusterId": cluster_id,
            "gpuNum": gpu_num,
            "billingMethod": billing,
            "minCpuPerGpu": min_cpu,
            "minMemoryPerGpu": min_memory,
            "minRootFSSize": min_rootfs,
        }
        return await self._control.all(self._control.call("GET", "/products", query=query, **options), Product, "data")

    async def list_cpu(
        self, *, name: str | None = None, cluster_id: str | None = None, **options: Unpack[Options]
    ) -> list[CPUProduct]:
        """List products without a card, all at once.

        Args:
            name: part of the product's name.
            cluster_id: only those of this region.
            options: see `Options`.

        Contract: gpu.openapi.yaml, GET /gpu-instance/openapi/v1/cpu/products.
        """
        query = {"productName": name, "clusterId": cluster_id}
        call = self._control.call("GET", "/cpu/products", query=query, **options)
        return await self._control.all(call, CPUProduct, "data")

    async def find(
        self,
        *,
        gpu: str | None = None,
        count: int = 1,
        max_price: Decimal | float | str | None = None,
        billing: Billing = "onDemand",
        region: str | None = None,
        min_cpu: int | None = None,
        min_memory: int | None = None,
        min_rootfs: int | None = None,
        **options: Unpack[Options],
    ) -> list[Product]:
        """Find what can be had now, the cheapest first. Give the list to `instances.create`, and it takes the first
        that is in stock.

        Args:
            gpu: part of the card's name, such as "RTX 4090".
            count: cards, 1 to 8.
            max_price: dollars an hour for all the cards; of a subscription, its dollars.
            billing: "onDemand", "monthly" or "spot".
            region: id of a cluster, or a part of its name such as "US-01".
            min_cpu: vCPUs for each card, at least.
            min_memory: GB for each card, at least.
            min_rootfs: GB of container disk that must be possible.
            options: see `Options`.

        Returns:
            Products that are in stock, offered so and with a price, sorted by price.

        Example:
            offers = await novita.gpu.products.find(gpu="RTX 4090", count=2, max_price="1.50", billing="spot")
            instance = await novita.gpu.instances.create(offers, image="ubuntu:24.04", gpu_num=2, billing="spot")
        """
        findings = Findings()
        findings.number("count", count, least=1, most=8)
        findings.choice("billing", billing, BILLINGS)
        limit = None if max_price is None else dollars(str(max_price), 0)
        if max_price is not None and (limit is None or limit <= 0):
            findings.add(f"max_price must be dollars above 0, got {max_price!r}")
        findings.end()
        found: list[tuple[Decimal, str, Product]] = []
        for product in await self.list(
            name=gpu,
            gpu_num=count,
            billing=billing,
            min_cpu=min_cpu,
            min_memory=min_memory,
            min_rootfs=min_rootfs,
            **options,
        ):
            price = product.price_for(billing)
            if price is None or not product.available or (limit is not None and price * count > limit):
                continue
            # An empty list of regions is every region; they are names here, and ids elsewhere (contract/gpu.md 4).
            names = product.regions
            if region and names and not any(_names(each, region) for each in names):
                continue
            if product.billing_methods is None or billing in product.billing_methods:
                found.append((price, product.id, product))
        return [product for *_, product in sorted(found, key=lambda offer: offer[:2])]


def _names(name: str, region: str) -> bool:
    """Whether a region's name such as "US-01 (Dallas)" is meant by its id or a part of its name."""
    return region.lower() in name.lower()
