"""What the GPU API answers (contract/gpu.openapi.yaml v1), in one vocabulary: dollars, gigabytes, aware datetimes.

The wire writes the same number as text here and as a number there, and leaves fields out at will; the properties below
are the one place where that is mended.
"""

from __future__ import annotations

import datetime
from decimal import Decimal, InvalidOperation
from typing import TypeAlias

from msgspec import field

from ..wire.json import Object

__all__ = ["SSH", "InstanceData", "PortMapping", "Product", "StatusError"]

Number: TypeAlias = int | float | str | None

# Products and instances are priced in 1/100000 dollars an hour (contract/gpu.md 4); other APIs use other units.
_PRICE_UNIT = Decimal(100_000)
_FAR_FUTURE = 1 << 37  # seconds, beyond the year 6000: no moment that could be meant


def _dollars(value: Number) -> Decimal | None:
    try:
        return None if value in (None, "") else Decimal(str(value)) / _PRICE_UNIT
    except InvalidOperation:
        return None


def _integer(value: Number) -> int | None:
    try:
        return None if value in (None, "") else int(value)
    except ValueError:
        return None


def _moment(value: Number) -> datetime.datetime | None:
    """Unix seconds, in text or not. 0 and -1 stand for "none", and what cannot be a moment is none either."""
    seconds = _integer(value)
    if seconds is None or not 0 < seconds < _FAR_FUTURE:
        return None
    return datetime.datetime.fromtimestamp(seconds, datetime.UTC)


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
    wire_price: Number = field(default=None, name="price")
    wire_spot_price: Number = field(default=None, name="spotPrice")

    @property
    def price(self) -> Decimal | None:
        """Dollars an hour and card, on demand."""
        return _dollars(self.wire_price)

    @property
    def spot_price(self) -> Decimal | None:
        """Dollars an hour and card, when the instance may be taken back."""
        return _dollars(self.wire_spot_price)

    @property
    def available(self) -> bool:
        """Whether it can be had now."""
        return bool(self.available_deploy) and self.inventory_state != "none"


class PortMapping(Object):
    """A port and where it can be reached. `endpoint` is in details only, and changes with every start."""

    port: int
    endpoint: str | None = None
    type: str | None = None


class SSH(Object, rename="camel"):
    """How to log in. Port and password change with every start."""

    ssh_command: str | None = None
    password: str | None = None
    is_running: bool | None = None

    def __repr__(self) -> str:
        return f"SSH(ssh_command={self.ssh_command!r}, is_running={self.is_running})"  # not the password


class StatusError(Object):
    """Why an instance is not what it should be; both are "" when it is."""

    state: str | None = None
    message: str | None = None


class InstanceData(Object, rename="camel"):
    """The fields of an instance. The list leaves out those that only the details have."""

    id: str
    status: str = ""
    name: str = ""
    cluster_id: str | None = None
    cluster_name: str | None = None
    image_url: str | None = None
    command: str | None = None
    entrypoint: str | None = None
    product_id: str | None = None
    product_name: str | None = None
    kind: str | None = None
    billing_mode: str | None = None
    rootfs_size: int | None = None
    port_mappings: list[PortMapping] | None = None
    status_error: StatusError | None = None
    spot_status: str | None = None
    ssh: SSH | None = field(default=None, name="connectComponentSSH")
    wire_gpu_num: Number = field(default=None, name="gpuNum")
    wire_cpu_num: Number = field(default=None, name="cpuNum")
    wire_memory: Number = field(default=None, name="memory")
    wire_price: Number = field(default=None, name="instancePrice")
    wire_created: Number = field(default=None, name="createdAt")
    wire_started: Number = field(default=None, name="lastStartedAt")
    wire_stopped: Number = field(default=None, name="lastStoppedAt")
    wire_end: Number = field(default=None, name="endTime")
    wire_reclaim: Number = field(default=None, name="spotReclaimTime")

    @property
    def gpu_num(self) -> int | None:
        """Cards."""
        return _integer(self.wire_gpu_num)

    @property
    def cpu_num(self) -> int | None:
        """vCPUs."""
        return _integer(self.wire_cpu_num)

    @property
    def memory(self) -> int | None:
        """Memory in GB."""
        return _integer(self.wire_memory)

    @property
    def price(self) -> Decimal | None:
        """Dollars an hour, where the platform tells."""
        return _dollars(self.wire_price)

    @property
    def created_at(self) -> datetime.datetime | None:
        """When it was made."""
        return _moment(self.wire_created)

    @property
    def started_at(self) -> datetime.datetime | None:
        """When it was last started."""
        return _moment(self.wire_started)

    @property
    def stopped_at(self) -> datetime.datetime | None:
        """When it was last stopped."""
        return _moment(self.wire_stopped)

    @property
    def ends_at(self) -> datetime.datetime | None:
        """End of a subscription; None for pay as you go."""
        return _moment(self.wire_end)

    @property
    def reclaimed_at(self) -> datetime.datetime | None:
        """When a spot instance is or was taken back; None while that is not announced."""
        return _moment(self.wire_reclaim)
