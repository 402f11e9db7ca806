"""The GPU products and clusters that the simulator offers: plausible names, sizes and prices."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

__all__ = ["CLUSTERS", "CPU_PRODUCTS", "MAX_ROOTFS", "PRODUCTS", "Product"]

MAX_ROOTFS = 6144

#: Id to name. Products name their regions by the names (contract/gpu.openapi.yaml, GpuProduct).
CLUSTERS = {"us-01": "US-01 (Dallas)", "eu-02": "EU-02 (Frankfurt)", "as-03": "AS-03 (Singapore)"}

#: Cards that can be had at each stock level.
_CARDS = {"none": 0, "low": 1, "normal": 4, "high": 8}


class Product(msgspec.Struct, frozen=True, kw_only=True):
    """One kind of machine. Prices are in 1/100000 USD per card and hour; a spot price of 0 means it is not offered.

    `cpu`, `memory` and `disk` are per card: vCPUs, GB and GB.
    """

    id: str
    name: str
    cpu: int
    memory: int
    disk: int
    price: int
    spot: int
    stock: Literal["none", "low", "normal", "high"]
    regions: tuple[str, ...]
    gpu: bool = True

    @property
    def cards(self) -> int:
        return _CARDS[self.stock]

    @property
    def methods(self) -> list[str]:
        if not self.gpu:
            return ["onDemand"]
        return ["onDemand", "monthly", "spot"] if self.spot else ["onDemand", "monthly"]

    @property
    def month(self) -> int:
        """The price of a card for a month: a tenth less than by the hour."""
        return self.price * 730 * 9 // 10

    def wire(self, cards: int, available: int) -> dict[str, Any]:
        """The product as the list shows it to somebody who wants so many cards, when so many can be had."""
        return {
            "id": self.id,
            "name": self.name,
            "cpuPerGpu": self.cpu,
            "memoryPerGpu": self.memory,
            "diskPerGpu": self.disk,
            "availableDeploy": available >= max(1, cards),
            "minRootFS": 10,
            "maxRootFS": MAX_ROOTFS,
            "minLocalStorage": 0,
            "maxLocalStorage": 2048,
            "regions": [CLUSTERS[region] for region in self.regions],
            "price": self.price,
            "monthlyPrice": [{"month": 1, "price": self.month}],
            "billingMethods": self.methods,
            "spotPrice": str(self.spot),
            "inventoryState": self.stock if available == self.cards else _level(available),
        }

    def wire_cpu(self, available: int) -> dict[str, Any]:
        """The product as the list of those without a card shows it."""
        return {
            "id": self.id,
            "name": self.name,
            "cpuNum": self.cpu,
            "memorySize": self.memory,
            "rootfsSize": 60,
            "localVolumeSize": self.disk,
            "availableDeploy": available > 0,
            "price": self.price,
        }


def _level(cards: int) -> str:
    return max((least, name) for name, least in _CARDS.items() if least <= cards)[1]


_ALL = ("us-01", "eu-02", "as-03")

PRODUCTS: dict[str, Product] = {
    product.id: product
    for product in (
        Product(id="4090.16c62g.os", name="RTX 4090 24GB", cpu=16, memory=62, disk=220, price=35000, spot=18000,
                stock="high", regions=_ALL),
        Product(id="5090.12c64g.os", name="RTX 5090 32GB", cpu=12, memory=64, disk=300, price=50000, spot=25000,
                stock="normal", regions=("us-01", "eu-02")),
        Product(id="3090.16c60g.os", name="RTX 3090 24GB", cpu=16, memory=60, disk=200, price=21000, spot=11000,
                stock="normal", regions=("as-03",)),
        Product(id="l40s.16c125g.os", name="L40S 48GB", cpu=16, memory=125, disk=400, price=55000, spot=28000,
                stock="low", regions=("us-01",)),
        Product(id="rtx6000ada.16c96g.os", name="RTX 6000 Ada 48GB", cpu=16, memory=96, disk=400, price=70000,
                spot=0, stock="normal", regions=("eu-02",)),
        Product(id="a100.24c120g.sxm", name="A100 SXM 80GB", cpu=24, memory=120, disk=500, price=160000, spot=80000,
                stock="normal", regions=("us-01", "as-03")),
        Product(id="h100.26c225g.sxm", name="H100 SXM 80GB", cpu=26, memory=225, disk=700, price=245000, spot=122000,
                stock="low", regions=("us-01", "eu-02")),
        Product(id="h200.24c200g.sxm", name="H200 SXM 141GB", cpu=24, memory=200, disk=700, price=350000, spot=175000,
                stock="none", regions=("us-01",)),
    )
}  # fmt: skip

#: Machines without a card: `cpu`, `memory` and `disk` are of the whole machine, and the price is too.
CPU_PRODUCTS: dict[str, Product] = {
    product.id: product
    for product in (
        Product(id="cpu.4c8g", name="CPU 4 cores 8GB", cpu=4, memory=8, disk=30, price=8000, spot=0, stock="high",
                regions=_ALL, gpu=False),
        Product(id="cpu.16c32g", name="CPU 16 cores 32GB", cpu=16, memory=32, disk=60, price=32000, spot=0,
                stock="normal", regions=("us-01",), gpu=False),
    )
}  # fmt: skip
