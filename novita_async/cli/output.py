"""What commands print: tables on a terminal, lines with tabs through a pipe, JSON or YAML on request."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any, TypeVar, cast

from ..errors import NovitaError, ValidationError
from .asking import confirm
from .pipes import STDOUT, write
from .process import CannotGoOn, printable, tell

if TYPE_CHECKING:
    from collections.abc import AsyncIterable, Awaitable, Callable, Iterable

    from rich.console import RenderableType

__all__ = [
    "delete_each",
    "each",
    "first",
    "paged",
    "say",
    "show",
    "show_more",
    "show_one",
]

T = TypeVar("T")

_GAP = 2  # columns of the terminal between two of a table
_USUAL = 12  # columns of what a table has that is not known yet
_NARROWEST = 16  # columns that the last of a table has at least, if it needs them


async def show(items: Sequence[T], columns: Mapping[str, Callable[[T], object]], output: str) -> None:
    """Print a list.

    Args:
        items: what is in it.
        columns: the titles, and what stands below them.
        output: "pretty", "json" or "yaml".
    """
    if output != "pretty":
        await write(STDOUT, _written([plain(item) for item in items], output))
        return
    rows = [[text(column(item)) for column in columns.values()] for item in items]
    if not sys.stdout.isatty():
        await write(STDOUT, "".join("\t".join(row) + "\n" for row in rows))
        return
    await write(STDOUT, _table(list(columns), rows) if rows else "none\n")


async def show_one(item: T, fields: Mapping[str, Callable[[T], object]], output: str) -> None:
    """Print one thing, a field a line."""
    if output != "pretty":
        await write(STDOUT, _written(plain(item), output))
        return
    rows = {name: text(field(item)) for name, field in fields.items()}
    if not sys.stdout.isatty():
        await write(STDOUT, "".join(f"{name}\t{value}\n" for name, value in rows.items()))
        return
    await write(STDOUT, _block(rows))


async def show_more(
    items: Sequence[T], columns: Mapping[str, Callable[[T], object]], output: str, *, titles: bool
) -> None:
    """Print what was added to a list that grows: lines, a JSON object a line, or more entries of a YAML list.

    Args:
        items: what was added.
        columns: the titles, and what stands below them.
        output: "pretty", "json" or "yaml".
        titles: print them first, if there is a terminal.
    """
    terminal = sys.stdout.isatty()
    if titles and terminal and output == "pretty":
        await write(STDOUT, _line(columns, columns))
    for item in items:
        if output == "json":
            import msgspec

            await write(STDOUT, msgspec.json.encode(plain(item)) + b"\n")
        elif output == "yaml":
            await write(STDOUT, _written([plain(item)], output))
        else:
            cells = [text(column(item)) for column in columns.values()]
            await write(STDOUT, _line(columns, cells) if terminal else "\t".join(cells) + "\n")


def _line(titles: Iterable[str], cells: Iterable[str]) -> str:
    """A row of a table whose other rows are not known yet."""
    pairs = zip(titles, cells, strict=True)
    return "  ".join(cell.ljust(max(len(title), _USUAL)) for title, cell in pairs).rstrip() + "\n"


async def say(words: str, value: object, output: str) -> None:
    """Print what was done: a line, or the value as data."""
    await write(STDOUT, f"{printable(words)}\n" if output == "pretty" else _written(plain(value), output))


def text(value: object) -> str:
    """A value as one line for people."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, datetime):
        return _local(value) if sys.stdout.isatty() else value.isoformat(timespec="milliseconds")
    if isinstance(value, Mapping):
        entries = cast("Mapping[object, object]", value).items()
        return ", ".join(f"{text(name)}={text(entry)}" for name, entry in entries)
    if isinstance(value, Sequence) and not isinstance(value, str):
        return ", ".join(map(text, cast("Sequence[object]", value)))
    if isinstance(value, float):
        return f"{value:g}"
    return printable(str(value)).replace("\n", " ").strip()


def _local(moment: datetime) -> str:
    """A moment for eyes, short."""
    moment = moment.astimezone()
    today = moment.date() == datetime.now().astimezone().date()
    return moment.strftime("%H:%M:%S" if today else "%b %d %H:%M" if moment.year == datetime.now().year else "%Y-%m-%d")


def plain(value: object) -> Any:
    """A value as JSON has it: the platform's own fields, but for the tokens that open a sandbox or a volume."""
    import msgspec

    from ..wire.json import Object

    raw = value.raw if isinstance(value, Object) else None
    return _without_tokens(raw or msgspec.to_builtins(value, builtin_types=(datetime, Decimal)))


def _without_tokens(value: Any) -> Any:
    if isinstance(value, dict):
        entries = cast("dict[str, Any]", value).items()
        return {name: _without_tokens(entry) for name, entry in entries if not name.lower().endswith("token")}
    if isinstance(value, list):
        return [_without_tokens(entry) for entry in cast("list[Any]", value)]
    return value


def _written(value: Any, output: str) -> bytes:
    import msgspec

    if output == "json":
        return msgspec.json.format(msgspec.json.encode(value)) + b"\n"
    try:
        return msgspec.yaml.encode(value)
    except ImportError as error:
        raise CannotGoOn("YAML needs one more package: pip install 'novita-async[cli]'") from error


def _table(titles: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Rows below titles, of which the last column may take several lines. Where there is no room, a block each."""
    from rich.cells import cell_len
    from rich.table import Table
    from rich.text import Text

    widths = [max(map(cell_len, column)) + _GAP for column in zip(titles, *rows, strict=True)]
    if sum(widths[:-1]) + min(widths[-1], _NARROWEST) > _width():
        return "\n".join(_block(dict(zip(titles, row, strict=True))) for row in rows)
    table = Table(box=None, header_style="dim", padding=(0, _GAP, 0, 0))
    for number, title in enumerate(titles, 1):
        table.add_column(title, no_wrap=number < len(titles), overflow="fold")
    for row in rows:
        table.add_row(*map(Text, row))
    return _drawn(table)


def _block(fields: Mapping[str, str]) -> str:
    """Names beside what is known of them."""
    from rich.table import Table
    from rich.text import Text

    table = Table.grid(padding=(0, _GAP, 0, 0))
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in fields.items():
        if value:
            table.add_row(Text(name, "dim"), Text(value))
    return _drawn(table)


def _width() -> int:
    """Columns of the terminal; some do not know theirs."""
    return os.get_terminal_size(STDOUT).columns or 80


def _drawn(what: RenderableType) -> str:
    """What is drawn on a terminal, as it is written to it."""
    import io

    from rich.console import Console

    console = Console(file=io.StringIO(), force_terminal=True, width=_width(), highlight=False)
    with console.capture() as captured:
        console.print(what)
    return captured.get()


async def each(names: Sequence[str], do: Callable[[str], Awaitable[bool]], done: str, output: str) -> int:
    """Do the same with several things, and go on when one of them fails.

    Args:
        names: of the things.
        do: gives False for one that is not there.
        done: what was done with one that is.
        output: "pretty", "json" or "yaml".

    Returns:
        The exit code.
    """
    results: list[dict[str, str]] = []
    for name in dict.fromkeys(names):
        try:
            result = done if await do(name) else "not found"
        except NovitaError as error:
            result = str(error)
        results.append({"id": name, "result": result})
        if result != done:
            tell(f"{name}: {result}")
        elif output == "pretty":
            await write(STDOUT, f"{done} {printable(name)}\n")
    if output != "pretty":
        await write(STDOUT, _written(results, output))
    return 0 if all(each["result"] == done for each in results) else 1


async def delete_each(
    kind: str, names: Sequence[str], delete: Callable[[str], Awaitable[bool]], *, yes: bool, output: str
) -> int:
    """Delete several things of a kind, after a question; return the exit code.

    Raises:
        ValidationError: nothing is named, or there is nobody to ask.
        CannotGoOn: the answer was no.
    """
    if not names:
        raise ValidationError(f"name the {kind}s to delete")
    await confirm(f"delete {kind}{'s' if len(names) > 1 else ''} {', '.join(names)}", yes=yes)
    return await each(names, delete, "deleted", output)


async def paged(items: AsyncIterable[T] | Sequence[T], *, limit: int, page: int, everything: bool) -> Sequence[T]:
    """One page of a list; all of it where `limit` is 0, too. Says so when there is more."""
    everything = everything or limit == 0
    found = items if isinstance(items, Sequence) else await first(items, None if everything else page * limit + 1)
    if everything:
        return found
    if len(found) > page * limit:
        tell(f"there is more: --page {page + 1}, or --all")
    return found[(page - 1) * limit : page * limit]


async def first(items: AsyncIterable[T], count: int | None) -> list[T]:
    """The first of a list that may be long; None for all of them."""
    found: list[T] = []
    async for item in items:
        found.append(item)
        if len(found) == count:
            break
    return found
