"""`novita-async snapshot`: images of sandboxes, to make others from (contract/sandbox.md 14)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .account import adder
from .options import All, Format, Limit, Page, Yes  # noqa: TC001 - read from signatures
from .output import delete_each, paged, say, show

if TYPE_CHECKING:
    from collections.abc import Callable

    from cyclopts import App

    from ..client import AsyncNovita
    from ..sandbox.snapshots import Snapshot
    from .process import Stop

__all__ = ["create", "fill"]

_COLUMNS: dict[str, Callable[[Snapshot], object]] = {"id": lambda it: it.id, "names": lambda it: it.names}


def fill(app: App, stop: Stop) -> None:
    """Add the commands, which end when `stop` is wanted."""
    add = adder(app, stop)
    add(create, "create")
    add(list_, "list", "ls")
    add(delete, "delete", "rm")


async def create(
    novita: AsyncNovita, sandbox_id: str, /, *, name: str | None = None, output: Format = "pretty"
) -> None:
    """Make a snapshot of a sandbox, and print its id. `sandbox create --snapshot ID` makes a sandbox of it.

    Args:
        sandbox_id: the sandbox, which stands still for a moment.
        name: what the snapshot is to be called.
    """
    snapshot = await novita.sandboxes.snapshots.create(sandbox_id, name=name)
    await say(snapshot.id, snapshot, output)


async def list_(
    novita: AsyncNovita,
    *,
    all: All = False,
    sandbox_id: str | None = None,
    limit: Limit = 20,
    page: Page = 1,
    output: Format = "pretty",
) -> None:
    """List the snapshots.

    Args:
        all: all of them, not one page.
        sandbox_id: of this sandbox only.
        limit: how many a page has; 0 for all.
        page: which page, from 1.
    """
    found = novita.sandboxes.snapshots.list(sandbox_id=sandbox_id)
    await show(await paged(found, limit=limit, page=page, everything=all), _COLUMNS, output)


async def delete(novita: AsyncNovita, *snapshot_ids: str, yes: Yes = False, output: Format = "pretty") -> int:
    """Delete snapshots, after a question.

    Args:
        snapshot_ids: their ids.
        yes: do not ask.
    """
    return await delete_each("snapshot", snapshot_ids, novita.sandboxes.snapshots.delete, yes=yes, output=output)
