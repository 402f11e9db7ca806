"""From rounds to figures: medians with their spread, ratios taken round by round, and the targets they are held to."""

from __future__ import annotations

import statistics
from typing import TYPE_CHECKING, Any

import msgspec

from .driver import CASES, Run, Setting

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

__all__ = ["Document", "Figure", "Target", "build", "render"]

_BUSY = 0.9  # of a run's time: whoever is busy for longer is at its limit
_OPENAI = ("openai", "openai-aiohttp")


class Figure(msgspec.Struct, frozen=True):
    """A number over the rounds: the median, the lowest, the highest."""

    median: float
    low: float
    high: float


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """The figures of one contestant in one setting. `notes` says what to know before believing them."""

    case: str
    setting: Setting
    contestant: str
    figures: dict[str, Figure]
    notes: list[str]


class Target(msgspec.Struct, frozen=True, kw_only=True):
    """A figure that the project promises, and whether it is kept. A limit is a limit: there is no tolerance."""

    name: str
    rule: str
    limit: float
    figure: Figure
    verdict: str
    notes: list[str]


class Document(msgspec.Struct, kw_only=True):
    """Everything about one run of the benchmark, its raw rounds included."""

    date: str
    quick: bool
    rounds: int
    machine: dict[str, Any]
    missing: dict[str, str]
    rows: list[Row]
    targets: list[Target]
    runs: list[Run]


def build(
    runs: list[Run], *, date: str, quick: bool, rounds: int, machine: dict[str, Any], missing: dict[str, str]
) -> Document:
    """Put a document together."""
    return Document(
        date=date,
        quick=quick,
        rounds=rounds,
        machine=machine,
        missing=missing,
        rows=_rows(runs),
        targets=_targets(runs),
        runs=runs,
    )


# ------------------------------------------------------------------------------------------------ figures


def _calls(outcome: dict[str, Any]) -> dict[str, float]:
    done = outcome["done"] or 1  # nothing done means errors, which the row shows
    return {
        "per_second": outcome["done"] / outcome["wall"],
        "cpu_us": outcome["cpu"] / done * 1e6,
        "p50_ms": outcome["p50"] * 1e3,
        "p99_ms": outcome["p99"] * 1e3,
        "peak_rss_mib": outcome["peak_rss"] / 2**20,
        "client_busy": outcome["cpu"] / outcome["wall"],
        "stub_busy": outcome["stub_cpu"] / outcome["wall"],
    }


def _import(outcome: dict[str, Any]) -> dict[str, float]:
    return {
        "import_ms": outcome["wall"] * 1e3,
        "import_cpu_ms": outcome["cpu"] * 1e3,
        "modules": outcome["modules"],
        "modules_beyond": outcome["modules_beyond"],
        "client_ms": outcome["client_wall"] * 1e3,
        "client_modules": outcome["client_modules"],
    }


def _tasks(outcome: dict[str, Any]) -> dict[str, float]:
    names = (
        "polls_max",
        "polls_mean",
        "most_in_flight",
        "late_mean",
        "late_max",
        "loop_tasks",
        "schedulers",
        "handle_bytes",
        "waiting_bytes",
        "halfway_bytes",
        "traced_handle_bytes",
        "traced_waiting_bytes",
        "traced_halfway_bytes",
    )
    return {name: outcome[name] for name in names} | {
        "cpu_us": outcome["cpu"] / outcome["polls"] * 1e6,
        "longest_turn_ms": outcome["longest_turn"] * 1e3,
    }


def _sandboxes(outcome: dict[str, Any]) -> dict[str, float]:
    done = outcome["done"] or 1
    return {
        "per_second": outcome["done"] / outcome["wall"],
        "cpu_us": outcome["cpu"] / done * 1e6,
        "p50_ms": outcome["p50"] * 1e3,
        "p99_ms": outcome["p99"] * 1e3,
        "client_busy": outcome["cpu"] / outcome["wall"],
    }


def _transfer(outcome: dict[str, Any]) -> dict[str, float]:
    return {
        "mib_per_second": outcome["done"] / outcome["wall"] / 2**20,
        "cpu_ms": outcome["cpu"] * 1e3,
        "write_growth_mib": outcome["write_growth"] / 2**20,
        "read_growth_mib": outcome["read_growth"] / 2**20,
    }


_FIGURES: dict[str, Callable[[dict[str, Any]], dict[str, float]]] = {
    "import": _import,
    "chat": _calls,
    "stream": _calls,
    "tasks": _tasks,
    "create": _sandboxes,
    "command": _sandboxes,
    "transfer": _transfer,
}


def _figure(values: Sequence[float]) -> Figure:
    return Figure(statistics.median(values), min(values), max(values))


def _rows(runs: list[Run]) -> list[Row]:
    rows: list[Row] = []
    for case, setting, who in dict.fromkeys((run.case, run.setting, run.contestant) for run in runs):
        outcomes = [run.outcome for run in _select(runs, case, setting, who)]
        rounds = [_FIGURES[case](outcome) for outcome in outcomes]
        figures = {name: _figure([figures[name] for figures in rounds]) for name in rounds[0]}
        rows.append(
            Row(case=case, setting=setting, contestant=who, figures=figures, notes=_notes(case, outcomes, figures))
        )
    order = {case: number for number, case in enumerate(CASES)}
    return sorted(rows, key=lambda row: order[row.case])


def _notes(case: str, outcomes: list[dict[str, Any]], figures: dict[str, Figure]) -> list[str]:
    notes: list[str] = []
    errors = sum(outcome.get("errors", 0) for outcome in outcomes)
    if errors:
        first = next(outcome["first_error"] for outcome in outcomes if outcome["errors"])
        notes.append(f"{errors} errors, such as {first[:120]}")
    if "stub_busy" in figures and figures["stub_busy"].median > _BUSY:
        notes.append("the stub was at its limit: the client can do more than this")
    if case == "import":
        loaded = sorted({name for outcome in outcomes for name in outcome["loaded"]})
        notes.append(
            f"loads {', '.join(loaded)}" if loaded else "loads none of aiohttp, websockets, rich, httpx, pydantic"
        )
    return notes


def _select(runs: Iterable[Run], case: str, setting: Setting, who: str) -> list[Run]:
    return [run for run in runs if (run.case, run.setting, run.contestant) == (case, setting, who)]


# ------------------------------------------------------------------------------------------------ targets


def _targets(runs: list[Run]) -> list[Target]:
    """What is promised, as far as it was measured. In quick runs the largest setting stands for 500 calls."""
    targets: list[Target] = []
    for case, what in (("chat", "request"), ("stream", "chunk")):
        settings = list(dict.fromkeys(run.setting for run in runs if run.case == case))
        for setting in settings:
            targets += _ratio(
                runs, case, setting, "raw", "cpu_us", f"CPU a {what}, novita / raw, {_words(setting)}", "<=", 1.15
            )
        unpaced = [setting for setting in settings if not setting.gap]
        for peer in _OPENAI:
            for setting in unpaced[-1:]:
                name = f"{what}s a second, novita / {peer}, {_words(setting)}"
                targets += _ratio(runs, case, setting, peer, "per_second", name, ">=", 12)
    return [*_import_targets(runs), *targets, *_task_targets(runs), *_sandbox_targets(runs)]


def _import_targets(runs: list[Run]) -> list[Target]:
    mine = [run.outcome for run in runs if run.case == "import" and run.contestant == "novita"]
    if not mine:
        return []
    unwanted = [sum(name in outcome["loaded"] for name in ("aiohttp", "websockets", "rich")) for outcome in mine]
    return [
        _target("modules after `from novita_async import AsyncNovita`", "<=", 200, [o["modules"] for o in mine]),
        _target("of aiohttp, websockets and rich, loaded by it", "<=", 0, unwanted),
        *_ratio(runs, "import", Setting(), "openai", "import_ms", "time of the import, novita / openai", "<=", 0.12),
    ]


def _task_targets(runs: list[Run]) -> list[Target]:
    targets: list[Target] = []
    for setting in dict.fromkeys(run.setting for run in runs if run.case == "tasks"):
        outcomes = [run.outcome for run in _select(runs, "tasks", setting, "novita")]
        many = f"{setting.concurrency:,} tasks"
        in_flight = [o["most_in_flight"] for o in outcomes]
        memory = [max(o["traced_waiting_bytes"], o["traced_halfway_bytes"]) for o in outcomes]
        targets += [
            _target(f"most polls in flight, {many}", "<=", outcomes[0]["limit_in_flight"], in_flight),
            _target(f"polls of one task of 60 s, at most, {many}", "<=", 12, [o["polls_max"] for o in outcomes]),
            _target(f"schedulers, {many}", "<=", 1, [o["schedulers"] for o in outcomes]),
            _target(f"bytes a waiting task beyond its handle, {many}", "<=", 2048, memory),
            _target(
                f"ms that the loop is held for at most, {many}", "<=", 50, [o["longest_turn"] * 1e3 for o in outcomes]
            ),
            _target(
                f"tasks whose end was not seen, {many}",
                "<=",
                0,
                [setting.concurrency - o["completed"] for o in outcomes],
            ),
        ]
    return targets


def _sandbox_targets(runs: list[Run]) -> list[Target]:
    targets: list[Target] = []
    times = [run.outcome["p50"] * 1e3 for run in _select(runs, "create", Setting(), "novita")]
    if times:
        targets.append(_target("ms until a sandbox is made, median", "<=", 200, times))
    for setting in dict.fromkeys(run.setting for run in runs if run.case == "command"):
        name = f"CPU a command, novita / novita-sandbox, {_words(setting)}"
        targets += _ratio(runs, "command", setting, "novita-sandbox", "cpu_us", name, "<=", 0.3)
    outcomes = [run.outcome for run in _select(runs, "transfer", Setting(), "novita")]
    for name, done in (("write", "written"), ("read", "read")) if outcomes else ():
        growth = [outcome[f"{name}_growth"] / 2**20 for outcome in outcomes]
        targets.append(_target(f"MiB that memory grows by while a file is {done}", "<=", 32, growth))
    return targets


def _ratio(
    runs: list[Run], case: str, setting: Setting, peer: str, figure: str, name: str, rule: str, limit: float
) -> list[Target]:
    """A target on novita's figure by a peer's, taken within each round; nothing when one of them was not measured."""
    mine = {run.round: run.outcome for run in _select(runs, case, setting, "novita")}
    theirs = {run.round: run.outcome for run in _select(runs, case, setting, peer)}
    pairs = [(mine[number], theirs[number]) for number in mine if number in theirs]
    if not pairs:
        return []
    read = _FIGURES[case]
    if any(outcome.get("errors") for pair in pairs for outcome in pair):
        return [_target(name, rule, limit, [0.0], "there were errors", verdict="NOT JUDGED")]
    notes: list[str] = []
    if figure == "per_second":
        busy = statistics.median(read(outcome)["client_busy"] for outcome, _ in pairs)
        if busy < _BUSY:
            notes.append(f"novita was busy for {busy:.0%} of the time: alone on its core it does more")
    return [_target(name, rule, limit, [read(a)[figure] / read(b)[figure] for a, b in pairs], *notes)]


def _target(name: str, rule: str, limit: float, values: Sequence[float], *notes: str, verdict: str = "") -> Target:
    figure = _figure(values)
    kept = figure.median <= limit if rule == "<=" else figure.median >= limit
    verdict = verdict or ("pass" if kept else "FALLS SHORT")
    return Target(name=name, rule=rule, limit=limit, figure=figure, verdict=verdict, notes=list(notes))


# ---------------------------------------------------------------------------------------------------- text


class _Column(msgspec.Struct, frozen=True):
    title: str
    figure: str
    digits: int = 0
    spread: bool = False


_CALLS = (
    _Column("/s", "per_second", 0, True),
    _Column("CPU us each", "cpu_us", 1, True),
    _Column("p50 ms", "p50_ms", 2),
    _Column("p99 ms", "p99_ms", 2),
    _Column("peak MiB", "peak_rss_mib", 1),
    _Column("busy", "client_busy", 2),
    _Column("stub", "stub_busy", 2),
)
_SANDBOXES = (
    _Column("/s", "per_second", 1, True),
    _Column("CPU us each", "cpu_us", 0, True),
    _Column("p50 ms", "p50_ms", 1),
    _Column("p99 ms", "p99_ms", 1),
    _Column("busy", "client_busy", 2),
)
_COLUMNS = {
    "import": (
        _Column("import ms", "import_ms", 1, True),
        _Column("CPU ms", "import_cpu_ms", 1),
        _Column("modules", "modules"),
        _Column("beyond bare", "modules_beyond"),
        _Column("with a client ms", "client_ms", 1, True),
        _Column("modules", "client_modules"),
    ),
    "chat": _CALLS,
    "stream": _CALLS,
    "tasks": (
        _Column("polls max", "polls_max"),
        _Column("mean", "polls_mean", 1),
        _Column("in flight", "most_in_flight"),
        _Column("late s mean", "late_mean", 1),
        _Column("max", "late_max", 1),
        _Column("loop tasks", "loop_tasks"),
        _Column("CPU us a poll", "cpu_us", 1, True),
        _Column("turn ms", "longest_turn_ms", 1, True),
        _Column("handle B", "traced_handle_bytes"),
        _Column("+ waiting B", "traced_waiting_bytes"),
        _Column("+ half-way B", "traced_halfway_bytes"),
        _Column("(by RSS)", "halfway_bytes"),
    ),
    "create": _SANDBOXES,
    "command": _SANDBOXES,
    "transfer": (
        _Column("MiB/s", "mib_per_second", 0, True),
        _Column("CPU ms", "cpu_ms"),
        _Column("growth MiB, write", "write_growth_mib", 1, True),
        _Column("read", "read_growth_mib", 1, True),
    ),
}
_TITLES = {
    "import": "Import, in a fresh interpreter",
    "chat": "Whole answers: requests a second, latency of a request",
    "stream": "Streams: chunks a second, time to the first chunk",
    "tasks": "Tasks of 60 simulated seconds, all waiting on one client (CPU with the mock and the clock)",
    "create": "Sandboxes made on the simulator, one after the other",
    "command": "Commands in one sandbox of the simulator, from the call to the result (CPU of the client alone)",
    "transfer": "A file written to a sandbox and read back, both as streams (memory of the client alone)",
}


def render(document: Document) -> str:
    """The document as text for people."""
    machine = document.machine
    packages = ", ".join(f"{name} {version}" for name, version in machine["packages"].items())
    lines = [
        f"novita_async benchmarks, {document.date}",
        f"{machine['cpu']}, {machine['cores']} cores, stub and client "
        + ("each on a core of its own" if machine["pinned"] else "NOT pinned: read with care")
        + f", load before {machine['load_before']}",
        f"{machine['python']} on {machine['system']}; {packages}",
        f"{document.rounds} round(s); medians, [lowest .. highest] where given",
    ]
    if document.quick:
        lines.append("QUICK: this shows that it runs; its figures mean nothing")
    if not machine["bubblewrap"]:
        lines.append("sandboxes are plain processes: bubblewrap is not there")
    lines += [f"left out: {name}: {why}" for name, why in document.missing.items()]
    for case in CASES:
        rows = [row for row in document.rows if row.case == case]
        if rows:
            lines += ["", _TITLES[case], *_table(case, rows)]
    if document.targets:
        lines += ["", "Targets", *_target_lines(document.targets)]
    return "\n".join(lines) + "\n"


def _table(case: str, rows: list[Row]) -> list[str]:
    columns = _COLUMNS[case]
    cells = [["", "", *(column.title for column in columns)]]
    for row in rows:
        cells.append([_words(row.setting), row.contestant, *(_cell(row.figures[c.figure], c) for c in columns)])
    notes = [f"  {_label(row)}: {note}" for row in rows for note in row.notes]
    return [*_align(cells, left=2), *notes]


def _label(row: Row) -> str:
    words = _words(row.setting)
    return f"{row.contestant}, {words}" if words else row.contestant


def _cell(figure: Figure, column: _Column) -> str:
    digits = column.digits
    text = f"{figure.median:,.{digits}f}"
    return f"{text} [{figure.low:,.{digits}f} .. {figure.high:,.{digits}f}]" if column.spread else text


def _target_lines(targets: list[Target]) -> list[str]:
    cells = [
        [
            target.name,
            f"{_short(target.figure.median)} [{_short(target.figure.low)} .. {_short(target.figure.high)}]",
            f"{target.rule} {_short(target.limit)}",
            target.verdict + "".join(f" ({note})" for note in target.notes),
        ]
        for target in targets
    ]
    return _align(cells, left=4)


def _short(value: float) -> str:
    return f"{value:,.0f}" if value == int(value) or abs(value) >= 1000 else f"{value:.3g}"


def _align(cells: list[list[str]], *, left: int) -> list[str]:
    """Columns under each other: the first `left` ones to the left, figures to the right."""
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    return [
        "  ".join(
            cell.ljust(width) if number < left else cell.rjust(width)
            for number, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in cells
    ]


def _words(setting: Setting) -> str:
    if not setting.concurrency:
        return ""
    pace = f", one chunk in {setting.gap * 1e3:g} ms" if setting.gap else ""
    return f"{setting.concurrency:,} at once{pace}"
