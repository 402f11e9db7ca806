"""An instance of the simulator: what it was made of, and the last thing it was told to do, when, and how that ends.

Nothing runs between two requests: its state follows from that and the clock, by the table of `catalog.gpu_life`.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from ...catalog.gpu_life import LIFE
from ..faults import Outcome
from ..stock import Product

__all__ = ["MONTH", "Machine", "Order"]

MONTH = 30 * 86400
_REMOVED_SECONDS = 60.0  # for which a removed instance can still be seen


class Order(msgspec.Struct, kw_only=True):
    """What an instance is made of, whatever the API that it was ordered through. Sizes in GB."""

    product_id: str
    image: str
    kind: Literal["gpu", "cpu"] = "gpu"
    gpu_num: int = 1
    rootfs: int = 60
    name: str = ""
    image_auth_id: str = ""
    ports: list[tuple[int, str]] = []
    envs: list[dict[str, str]] = []
    jupyter: int = 0  # its port, 0 for none
    command: str = ""
    entrypoint: str = ""
    regions: list[str] = []  # to choose from; any when empty
    storages: dict[str, str] = {}  # id to path
    network_id: str = ""
    billing: Literal["onDemand", "monthly", "spot"] = "onDemand"
    months: int = 0
    auto_renew: int = 0  # months, 0 for not
    auto_migrate: bool = False
    auto_migrate_disk: bool = False


class Machine(msgspec.Struct, kw_only=True):
    """An instance."""

    id: str
    order: Order
    product: Product
    cluster: str
    created: float  # Unix seconds
    since: float  # monotonic
    step: float
    own_step: float  # of the simulator, for what no outcome speaks of
    operation: str = "create"
    path: tuple[str, ...] = ()  # the statuses of what it was last told
    story: list[tuple[float, str]] = []  # all statuses that it has had and will have, with their Unix seconds
    outcome: Outcome | None = None
    starts: int = 0
    started: float | None = None
    stopped: float | None = None
    ends: float | None = None  # of a subscription, Unix seconds
    address: int = 0  # in its network
    terminal: bool = False
    notified: float | None = None  # when the reclaim was announced, monotonic
    reclaimed: float | None = None  # when it is taken back, monotonic
    frozen: bool = False

    def over(self, now: float) -> bool:
        """Whether what it was last told has ended."""
        return self._age(now) == len(self.path) - 1

    def _age(self, now: float) -> int:
        steps = len(self.path) - 1
        return steps if self.step <= 0 else min(steps, int((now - self.since) / self.step + 1e-9))

    def status(self, now: float) -> str:
        age = self._age(now)
        if self.outcome is not None and self.outcome.status is not None and age == len(self.path) - 1:
            return self.outcome.status or "exited"
        status = self.path[age]
        if status == "running" and (self.notified is not None or self.frozen):
            return "exited" if self.spot(now) == "terminated" else "freezing" if self.frozen else status
        return status

    def spot(self, now: float) -> str:
        """How far its reclaim has come; "" for one that is not spot."""
        if self.order.billing != "spot":
            return ""
        if self.notified is None or self.reclaimed is None or now < self.notified:
            return "running"
        if now < self.reclaimed:
            return "notified"
        return "reclaiming" if now < self.reclaimed + self.own_step else "terminated"

    def error(self, now: float) -> dict[str, str]:
        """What went wrong, empty while nothing has."""
        failed = self.outcome is not None and self.outcome.status == ""
        if self.outcome is None or not failed or not self.over(now):
            return {"state": "", "message": ""}
        return {"state": f"{self.operation}Failed", "message": self.outcome.reason}

    def gone(self, now: float) -> bool:
        """Whether it was removed so long ago that nobody remembers it."""
        steps = len(LIFE["delete"].path) - 1
        return self.operation == "delete" and now >= self.since + steps * self.step + _REMOVED_SECONDS
