"""`novita.gpu.metrics`: how much of an instance is used (contract/gpu.md 6)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import field

from ..errors import ValidationError
from ..wire.json import Object
from .checks import Findings, checked_id
from .units import Number, moment, seconds

if TYPE_CHECKING:
    import datetime
    from typing import Unpack

    from .control import Control, Options

__all__ = ["Card", "CardUsage", "Metrics", "Sample", "Usage"]


class Sample(Object):
    """A value at a moment. Whether it is of 1 or of 100, the platform does not say."""

    value: float = 0.0
    wire_time: Number = field(default=None, name="timestamp")

    @property
    def time(self) -> datetime.datetime | None:
        """The moment."""
        return moment(self.wire_time)


class Card(Object, rename="camel"):
    """The samples of one card."""

    gpu_id: str | int | None = None
    items: list[Sample] = field(default_factory=list[Sample])


class CardUsage(Object):
    """The samples of the cards: their mean, and each."""

    average: list[Sample] = field(default_factory=list[Sample], name="avg")
    cards: list[Card] = field(default_factory=list[Card], name="gpuIds")


class Usage(Object, rename="camel"):
    """How much of an instance was used."""

    cpu: list[Sample] = field(default_factory=list[Sample], name="cpuUtilization")
    memory: list[Sample] = field(default_factory=list[Sample], name="memUtilization")
    disk: list[Sample] = field(default_factory=list[Sample], name="rootDiskUtilization")
    gpu: CardUsage = field(default_factory=CardUsage, name="gpuUtilization")
    gpu_memory: CardUsage = field(default_factory=CardUsage, name="gpuMemUtilization")


class Metrics:
    """`novita.gpu.metrics`."""

    def __init__(self, control: Control) -> None:
        self._control = control

    async def get(
        self,
        instance_id: str,
        *,
        start: datetime.datetime | None = None,
        end: datetime.datetime | None = None,
        interval: int | None = None,
        **options: Unpack[Options],
    ) -> Usage:
        """How much of an instance was used. What it tells is a minute late.

        Args:
            instance_id: the instance.
            start: from when on, with a time zone; a minute ago when not given. At least a minute before `end`.
            end: until when; now when not given.
            interval: seconds between two samples, above 15.
            options: see `Options`.

        Contract: gpu.openapi.yaml, GET /openapi/v1/metrics/gpu/instance.
        """
        findings = Findings()
        findings.number("interval", interval, least=16, unit=" seconds")
        for name, value in (("start", start), ("end", end)):
            if value is not None and value.tzinfo is None:
                findings.add(f"{name} needs a time zone, such as datetime.now(UTC)")
        findings.end()
        if start is not None and end is not None and (end - start).total_seconds() < 60:
            # The platform would silently take its own defaults (contract/gpu.md 6).
            raise ValidationError("start must be a minute before end, or earlier")
        query = {
            "instanceId": checked_id("instance_id", instance_id),
            "startTime": seconds(start),
            "endTime": seconds(end),
            "interval": interval,
        }
        call = self._control.call("GET", "/metrics/gpu/instance", query=query, **options)
        return await self._control.fetch(call, Usage, inside="data")
