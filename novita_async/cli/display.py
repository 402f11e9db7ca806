"""How the demo looks: panels on a terminal, plain lines anywhere else. What they say comes from `demo`."""

from __future__ import annotations

import asyncio
import os
import sys
import time
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol, Self

from rich.box import ROUNDED, SIMPLE_HEAD
from rich.console import Console, Group
from rich.live import Live
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from .process import no_echo, printable, wish_to_end

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import TracebackType

    from rich.console import RenderableType

__all__ = ["PANELS", "Display", "Lines", "Outcome", "Panels", "make_display"]

#: The panels and their titles, in the order in which they are shown.
PANELS = {"chat": "Chat", "media": "Pictures and video", "sandbox": "Sandbox", "gpu": "GPU instance"}

_LEAST = (64, 20)  # columns and lines of a terminal that has room for the panels
_WIDEST, _TALLEST = 130, 15  # columns of both, lines of one: beyond it the eye has too far to go
_TICK = 0.1  # seconds between two frames
_KEPT = 8000  # characters of a panel's text, more than any terminal shows
_LINE = 76  # characters after which flowing text is broken into a new plain line


@dataclass(frozen=True)
class Outcome:
    """How one part of the demo ended: a row of the closing table.

    Attributes:
        name: what was done.
        seconds: how long it took.
        failure: why it failed; "" when it did not.
        measured: its numbers, in words.
        files: names of the files that it left.
    """

    name: str
    seconds: float
    failure: str = ""
    measured: str = ""
    files: Sequence[str] = field(default=())


class Display(Protocol):
    """Where the demo shows what happens. Used with `with`, inside a running event loop."""

    def text(self, panel: str, piece: str) -> None:
        """Words that flow, in pieces of any length."""
        ...

    def progress(self, panel: str, name: str, percent: float, words: str, *, done: bool = False) -> None:
        """How far one of several things has come, 0 to 100."""
        ...

    def note(self, panel: str, words: str) -> None:
        """A number worth a look. It takes the place of the one before."""
        ...

    def fail(self, panel: str, name: str, reason: str) -> None:
        """One thing has failed."""
        ...

    def end(self, panel: str, *, good: bool) -> None:
        """All that belongs to a panel has ended."""
        ...

    def table(self, outcomes: Sequence[Outcome], summary: str) -> None:
        """The closing table, after everything else."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


def make_display(title: str) -> Display:
    """Panels for a terminal that can show them, else lines."""
    if sys.stdout.isatty() and os.environ.get("TERM", "dumb") != "dumb":
        size = os.get_terminal_size(sys.stdout.fileno())
        if size.columns >= _LEAST[0] and size.lines >= _LEAST[1]:
            return Panels(title)
    return Lines(title)


def _cells(outcome: Outcome) -> tuple[str, str, str, str]:
    files = ", ".join(outcome.files)
    return outcome.name, f"{outcome.seconds:.1f} s", files, printable(outcome.failure or outcome.measured)


def _mark(console: Console, good: bool | None) -> str:
    """Under way, good or failed, in what the terminal can write."""
    plain = console.options.ascii_only
    return {None: "*" if plain else "\u25cf", True: "+" if plain else "\u2713", False: "x" if plain else "\u2717"}[good]


class Lines:
    """One event a line, no control codes."""

    def __init__(self, title: str) -> None:
        self._title = title
        self._began = time.monotonic()
        self._open = dict.fromkeys(PANELS, "")

    def text(self, panel: str, piece: str) -> None:
        *lines, rest = (self._open[panel] + printable(piece)).split("\n")
        while len(rest) > _LINE and (cut := rest.rfind(" ", 1, _LINE)) > 0:
            lines.append(rest[:cut])
            rest = rest[cut + 1 :]
        self._open[panel] = rest
        for line in filter(None, lines):
            self._say(panel, line)

    def progress(self, panel: str, name: str, percent: float, words: str, *, done: bool = False) -> None:
        self._say(panel, f"{name}  {percent:3.0f} %  {words}")

    def note(self, panel: str, words: str) -> None:
        self._flush(panel)
        self._say(panel, words)

    def fail(self, panel: str, name: str, reason: str) -> None:
        self._flush(panel)
        self._say(panel, printable(f"{name}: {reason}"))

    def end(self, panel: str, *, good: bool) -> None:
        self._flush(panel)
        self._say(panel, "done" if good else "failed")

    def table(self, outcomes: Sequence[Outcome], summary: str) -> None:
        rows = [("", "part", "time", "files", "measured")]
        rows += [("failed" if outcome.failure else "ok", *_cells(outcome)) for outcome in outcomes]
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        print()
        for row in rows:
            print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
        print(f"\n{summary}", flush=True)

    def __enter__(self) -> Self:
        print(self._title, flush=True)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def _flush(self, panel: str) -> None:
        if self._open[panel]:
            self.text(panel, "\n")

    def _say(self, panel: str, line: str) -> None:
        line = f"{time.monotonic() - self._began:5.1f} s  {panel:<8} {line}".rstrip()
        try:
            print(line, flush=True)
        except OSError:
            wish_to_end()


class _Bar:
    def __init__(self) -> None:
        self.began = time.monotonic()
        self.percent = 0.0
        self.words = ""
        self.style = "cyan"
        self.seconds: float | None = None


class _Area:
    """What one panel shows."""

    def __init__(self, title: str) -> None:
        self.title = title
        self.text = ""
        self.bars: dict[str, _Bar] = {}
        self.note = ""
        self.good: bool | None = None

    def render(self, console: Console, width: int, height: int) -> Panel:
        mark, style = _mark(console, self.good), {None: "cyan", True: "green", False: "red"}[self.good]
        inner, rows = width - 4, height - 2
        content: list[RenderableType] = []
        for name, bar in self.bars.items():
            content += self._bar(name, bar, inner)
        if self.text:
            lines = Text(self.text.rstrip("\n"), overflow="fold").wrap(console, inner)
            content += lines[-max(1, rows - len(content)) :]
        return Panel(
            Group(*content[:rows]),
            title=Text.assemble((f"{mark} ", style), (self.title, "bold default")),
            title_align="left",
            subtitle=Text(self.note, "dim default") if self.note else None,
            subtitle_align="right",
            box=ROUNDED,
            border_style="bright_black" if self.good is not False else "red",
            width=width,
            height=height,
        )

    @staticmethod
    def _bar(name: str, bar: _Bar, width: int) -> list[RenderableType]:
        seconds = time.monotonic() - bar.began if bar.seconds is None else bar.seconds
        right = f"{bar.words} {seconds:.1f} s"
        left = Text(name, no_wrap=True)
        left.truncate(max(1, width - len(right) - 1), overflow="ellipsis", pad=True)
        line = Text.assemble(left, " ", (right, "dim"), no_wrap=True)
        return [
            line,
            ProgressBar(100, bar.percent, width, complete_style=bar.style, finished_style=bar.style),
            Text("\n"),
        ]


class Panels:
    """A panel for each product, drawn ten times a second, and a table below them at the end."""

    def __init__(self, title: str) -> None:
        self._title = title
        self._began = time.monotonic()
        self._console = Console(highlight=False)
        self._areas = {name: _Area(title) for name, title in PANELS.items()}
        self._live = Live(get_renderable=self._frame, console=self._console, auto_refresh=False)
        self._timer: asyncio.TimerHandle | None = None
        self._open = ExitStack()

    def text(self, panel: str, piece: str) -> None:
        area = self._areas[panel]
        area.text = (area.text + printable(piece))[-_KEPT:]

    def progress(self, panel: str, name: str, percent: float, words: str, *, done: bool = False) -> None:
        bar = self._areas[panel].bars.setdefault(name, _Bar())
        bar.percent, bar.words = percent, words
        if done:
            bar.style, bar.seconds = "green", time.monotonic() - bar.began

    def note(self, panel: str, words: str) -> None:
        self._areas[panel].note = words

    def fail(self, panel: str, name: str, reason: str) -> None:
        area = self._areas[panel]
        if bar := area.bars.get(name):
            bar.words, bar.style, bar.seconds = "failed", "red", time.monotonic() - bar.began
        fresh = "" if not area.text or area.text.endswith("\n") else "\n"
        self.text(panel, f"{fresh}{name}: {reason}\n")

    def end(self, panel: str, *, good: bool) -> None:
        self._areas[panel].good = good

    def table(self, outcomes: Sequence[Outcome], summary: str) -> None:
        table = Table(
            "", "part", box=SIMPLE_HEAD, border_style="bright_black", header_style="dim", padding=(0, 1, 0, 0)
        )
        table.add_column("time", justify="right", no_wrap=True)
        table.add_column("files", no_wrap=True)
        table.add_column("measured", overflow="fold")
        for outcome in outcomes:
            mark = _mark(self._console, not outcome.failure)
            table.add_row(Text(mark, "red" if outcome.failure else "green"), *map(Text, _cells(outcome)))
        self._console.print(table)
        self._console.print(Text(f" {summary}", "dim"))

    def __enter__(self) -> Self:
        self._open.enter_context(no_echo())
        self._open.enter_context(self._live)
        self._tick()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._timer is not None:
            self._timer.cancel()
        with suppress(OSError):  # the terminal may be gone
            self._open.close()

    def _tick(self) -> None:
        self._timer = asyncio.get_running_loop().call_later(_TICK, self._tick)
        try:
            self._live.refresh()
        except OSError:
            wish_to_end()

    def _frame(self) -> RenderableType:
        size = self._console.size
        half = min(size.width, _WIDEST) // 2
        height = max(3, min(_TALLEST, (size.height - 2) // 2))
        elapsed = f"{time.monotonic() - self._began:.1f} s "
        gap = max(1, 2 * half - len(self._title) - len(elapsed) - 1)
        head = Text.assemble(" ", (self._title, "bold"), " " * gap, (elapsed, "dim"), no_wrap=True, overflow="ellipsis")
        grid = Table.grid()
        areas = [area.render(self._console, half, height) for area in self._areas.values()]
        for left, right in zip(areas[::2], areas[1::2], strict=True):
            grid.add_row(left, right)
        return Group(head, grid)
