"""Charts as data: what a plot shows, beside its picture (contract/sandbox-envd.openapi.yaml, Chart)."""

from __future__ import annotations

from typing import Any, cast

import msgspec

from ..wire.json import Object, encode, remember

__all__ = [
    "BarChart",
    "BarData",
    "BoxAndWhiskerChart",
    "BoxAndWhiskerData",
    "Chart",
    "LineChart",
    "PieChart",
    "PieData",
    "PointChart",
    "PointData",
    "ScatterChart",
    "SuperChart",
    "chart_of",
]


class Chart(Object):
    """A chart. One of a kind that is not known here is of this very class, its elements as they came.

    Attributes:
        type: line, scatter, bar, pie, box_and_whisker, superchart or unknown.
        title: None where it has none.
        elements: what it shows; of what class, its own class says.
    """

    type: str = "unknown"
    title: str | None = None
    elements: list[Any] = msgspec.field(default_factory=list)


class PointData(msgspec.Struct, kw_only=True):
    """A line, or the points of one colour: pairs of numbers, times or names."""

    label: str = ""
    points: list[tuple[Any, Any]] = msgspec.field(default_factory=list)


class BarData(msgspec.Struct, kw_only=True):
    """A bar. `value` may be text."""

    label: str = ""
    group: str = ""
    value: Any = None


class PieData(msgspec.Struct, kw_only=True):
    """A slice: its angle in degrees."""

    label: str = ""
    angle: float = 0.0
    radius: float = 0.0


class BoxAndWhiskerData(msgspec.Struct, kw_only=True):
    """A box."""

    label: str = ""
    min: float = 0.0
    first_quartile: float = 0.0
    median: float = 0.0
    third_quartile: float = 0.0
    max: float = 0.0
    outliers: list[float] = msgspec.field(default_factory=list)


class _Axes(Chart):
    x_label: str | None = None
    y_label: str | None = None
    x_unit: str | None = None
    y_unit: str | None = None


class PointChart(_Axes):
    """What line and scatter charts have in common. Scales are linear, datetime, categorical, log and others."""

    elements: list[PointData] = msgspec.field(default_factory=list)
    x_scale: str = "unknown"
    y_scale: str = "unknown"
    x_ticks: list[Any] = msgspec.field(default_factory=list)
    y_ticks: list[Any] = msgspec.field(default_factory=list)
    x_tick_labels: list[str] = msgspec.field(default_factory=list)
    y_tick_labels: list[str] = msgspec.field(default_factory=list)


class LineChart(PointChart):
    """Points that are joined."""


class ScatterChart(PointChart):
    """Points that are not."""


class BarChart(_Axes):
    """Bars, in groups."""

    elements: list[BarData] = msgspec.field(default_factory=list)


class PieChart(Chart):
    """Slices."""

    elements: list[PieData] = msgspec.field(default_factory=list)


class BoxAndWhiskerChart(_Axes):
    """Boxes."""

    elements: list[BoxAndWhiskerData] = msgspec.field(default_factory=list)


class SuperChart(Chart):
    """Several charts in one figure: `elements` are charts."""


_KINDS: dict[str, type[Chart]] = {
    "line": LineChart,
    "scatter": ScatterChart,
    "bar": BarChart,
    "pie": PieChart,
    "box_and_whisker": BoxAndWhiskerChart,
    "superchart": SuperChart,
}


def chart_of(value: dict[str, Any]) -> Chart:
    """The chart of its JSON object. What cannot be read as its kind of chart is a plain `Chart`."""
    kind = str(value.get("type"))
    known = {name: found for name, found in value.items() if found is not None}
    try:
        if kind == "superchart":
            known["elements"] = [
                chart_of(each) for each in msgspec.convert(value.get("elements"), list[dict[str, Any]])
            ]
        chart = msgspec.convert(known, _KINDS.get(kind, Chart), strict=False)
    except msgspec.ValidationError:
        elements = value.get("elements")
        chart = Chart(type=kind, elements=cast("list[Any]", elements) if isinstance(elements, list) else [])
    remember(chart, encode(value))
    return chart
