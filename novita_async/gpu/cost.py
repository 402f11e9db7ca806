"""What instances cost, now and so far, and how sessions are held to a budget (contract/gpu.md 4)."""

from __future__ import annotations

import datetime
from decimal import Decimal
from typing import TYPE_CHECKING

import msgspec

from ..catalog.gpu_life import GONE
from ..errors import NovitaError, ValidationError
from ..runtime.retry import never_started
from .products import CPUProduct, Product

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..runtime.budget import Budget
    from ..runtime.clock import Clock
    from .instance import Instance
    from .products import Billing, Products

__all__ = ["Cost", "Tab", "cost_of", "disk_price", "price_of", "prices_of"]

_FREE_DISK = 60  # GB of the container disk, where the platform does not say
_DISK_HOUR = Decimal("0.005") / 24  # US dollars for a GB of disk and hour
_HOUR = Decimal(3600)
_CENTS = Decimal("0.000001")  # to which what was used is told
#: Statuses in which the cards cost nothing: before the pulling, and after the stop.
_FREE = GONE | {"toCreate", "creating", "pending", "exited", "toStart", "freezing"}


class Cost(msgspec.Struct, frozen=True):
    """What an instance costs, as far as prices tell: no bill. Network storages are not in it, they cost by themselves.

    Attributes:
        per_hour: US dollars an hour as it is now: of one that is stopped, for its disks alone. None for a subscription,
            of whose price the platform does not say what it is for, and where the price is not known.
        so_far: US dollars so far, None likewise. Of an instance: for its cards since its last start, or as long as the
            platform says that it was used; for its disks since it was made. Of a session: since the order, but for the
            time between its own `stop` and `start`; what was stopped or taken back by others counts on.
    """

    per_hour: Decimal | None
    so_far: Decimal | None


def disk_price(rootfs: int | None, free: int | None = None, volumes: int = 0) -> Decimal:
    """US dollars an hour for disks: the container disk beyond what is free, and volumes of the instance; in GB."""
    size = max(0, (rootfs or 0) - (_FREE_DISK if free is None else free)) + volumes
    return (size * _DISK_HOUR).quantize(_CENTS) if size else Decimal(0)


async def price_of(
    products: Products, wanted: Sequence[str | Product | CPUProduct], billing: Billing | None, *, cpu: bool = False
) -> Decimal | None:
    """US dollars an hour and card of the dearest of some products, or of their ids; None where one has no known price.

    Args:
        products: where ids are looked up.
        wanted: the products.
        billing: how it is paid for.
        cpu: they are without a card.
    """
    billing = billing or "onDemand"
    if billing == "monthly":
        return None
    known: dict[str, Product | CPUProduct] = {each.id: each for each in wanted if not isinstance(each, str)}
    if any(isinstance(each, str) for each in wanted):
        listed = await products.list_cpu() if cpu else await products.list(billing=billing)
        known = {**{each.id: each for each in listed}, **known}
    prices: list[Decimal] = []
    for each in wanted:
        product = known.get(each) if isinstance(each, str) else each
        price = product.price_for(billing) if isinstance(product, Product) else product.price if product else None
        if price is None:
            return None
        prices.append(price)
    return max(prices, default=None)


async def cost_of(instance: Instance, products: Products, clock: Clock) -> Cost:
    """What an instance that was just read costs."""
    cards, disks = await prices_of(instance, products)
    if cards is None:
        return Cost(None, None)
    now = datetime.datetime.fromtimestamp(clock.time(), datetime.UTC)
    made = instance.created_at
    paying = instance.status not in _FREE
    used = float(instance.used_seconds or 0)
    if begun := instance.started_at or made:
        over = [at for at in (instance.stopped_at, instance.reclaimed_at) if at is not None and at >= begun]
        end = now if paying else next(iter(over), begun)
        used = max(used, (end - begun).total_seconds())
    there = max(0.0, (now - made).total_seconds()) if made is not None else used
    return Cost((cards if paying else 0) + disks, _for(cards, used) + _for(disks, there))


async def prices_of(instance: Instance, products: Products) -> tuple[Decimal | None, Decimal]:
    """US dollars an hour for all the cards of an instance that runs, None where nobody knows, and for its disks."""
    own = [mount.size or 0 for mount in instance.volume_mounts or () if mount.type != "network"]
    return await _cards(instance, products), disk_price(instance.rootfs_size, instance.free_storage_size, sum(own))


async def _cards(instance: Instance, products: Products) -> Decimal | None:
    if instance.billing_mode == "monthly":
        return None
    if instance.price is not None:
        return instance.price
    billing: Billing = "spot" if instance.billing_mode == "spot" else "onDemand"
    cpu = instance.kind == "cpu"
    price = await price_of(products, [instance.product_id], billing, cpu=cpu) if instance.product_id else None
    return None if price is None else price * (1 if cpu else instance.gpu_num or 1)


def _for(per_hour: Decimal, seconds: float) -> Decimal:
    return (per_hour * Decimal(seconds) / _HOUR).quantize(_CENTS)


class Tab:
    """What a session costs: its price for the time that it was there for, and what is set aside for it in a budget.

    The time is counted from the order on, and the platform's from the pulling on, so that this is a little more.

    Args:
        clock: that the time is counted on.
        budget: of the client, if there is one.
    """

    def __init__(self, clock: Clock, budget: Budget | None) -> None:
        self._clock = clock
        self._budget = budget
        self._reserved: Decimal | None = None  # None where it is not counted
        self._booked = Decimal(0)
        self._seconds = 0.0
        self._since: float | None = None
        self.per_hour: Decimal | None = None

    @property
    def resting(self) -> bool:
        """Whether it costs nothing now."""
        return self._since is None

    @property
    def cost(self) -> Cost:
        """So far, and now."""
        if self.per_hour is None:
            return Cost(None, None)
        return Cost(Decimal(0) if self.resting else self.per_hour, _for(self.per_hour, self.seconds))

    @property
    def seconds(self) -> float:
        """For how long it has been paid for."""
        return self._seconds + (0.0 if self._since is None else self._clock.monotonic() - self._since)

    def reserve(self, per_hour: Decimal | None, lifetime: float | None) -> None:
        """Set aside what it may cost, before the order.

        Raises:
            BudgetExceeded: it does not fit.
            ValidationError: it is not known, and such is refused.
        """
        self.per_hour = per_hour
        if self._budget is None:
            return
        if per_hour is not None and lifetime is not None:
            most = _for(per_hour, lifetime)
            self._budget.reserve(most, hint="a shorter lifetime needs less")
            self._reserved = most
        elif self._budget.refuses_unknown:
            why = (
                "it has no price by the hour" if per_hour is None else "say its lifetime, and let its end not leave it"
            )
            raise ValidationError(
                f"what this session can cost is not known, and there is a budget: {why}; or allow such sessions with "
                "Budget(unknown='allow')"
            )

    def run(self) -> None:
        """It is paid for from now on."""
        if self._since is None:
            self._since = self._clock.monotonic()

    def rest(self) -> None:
        """It is not paid for any more."""
        self._seconds, self._since = self.seconds, None

    def close(self, *, lost: bool = False) -> None:
        """Book what it took, in place of what is set aside. Called again, it books what came to that.

        Args:
            lost: it may go on, and nobody knows for how long: book the most.
        """
        if not lost:
            self.rest()
        if self._budget is None or self._reserved is None:
            return
        spent = max(self._booked, self.cost.so_far or Decimal(0), self._reserved if lost else Decimal(0))
        self._budget.book(self._reserved, spent - self._booked)
        self._reserved, self._booked = Decimal(0), spent

    def refused(self, error: BaseException) -> None:
        """Book what an order took that failed so: nothing, or the most where there may be an instance all the same."""
        if isinstance(error, NovitaError):
            nothing = never_started(error) or isinstance(error, ValidationError)
            if nothing:
                self._seconds, self._since = 0.0, None
            self.close(lost=not nothing)
        else:  # the caller was cancelled, and what was ordered is deleted
            self.close()
