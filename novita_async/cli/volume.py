"""`novita-async volume`: storage that outlives sandboxes (contract/sandbox.md 14)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from ..errors import ValidationError
from .account import adder
from .options import All, Count, Format, FormatOnly, Limit, Page, Yes  # noqa: TC001 - read from signatures
from .output import delete_each, paged, say, show, show_one

if TYPE_CHECKING:
    from collections.abc import Callable

    from cyclopts import App

    from ..client import AsyncNovita
    from ..sandbox.volumes import Volume
    from .process import Stop

__all__ = ["fill"]

Name = Annotated[str | None, Parameter(name=["--name", "-n"])]
Place = Annotated[str | None, Parameter(name=["--path", "-p"])]

_COLUMNS: dict[str, Callable[[Volume], object]] = {
    "id": lambda it: it.id,
    "name": lambda it: it.name,
    "quota GiB": lambda it: it.quota_gib,
    "used bytes": lambda it: it.used_bytes,
}


def fill(app: App, stop: Stop) -> None:
    """Add the commands, which end when `stop` is wanted."""
    add = adder(app, stop)
    add(create, "create")
    add(list_, "list", "ls")
    add(get, "get", "info")
    add(delete, "delete", "rm")
    add(mount, "mount")
    add(unmount, "unmount")


async def create(
    novita: AsyncNovita,
    called: str | None = None,
    /,
    *,
    name: Name = None,
    quota_size: Count | None = None,
    output: Format = "pretty",
) -> None:
    """Make a volume, and print its id.

    Args:
        called: its name.
        name: the same as the argument.
        quota_size: what it may hold, in GiB.
    """
    volume = await novita.sandboxes.volumes.create(_one("--name", called, name), quota_gib=quota_size)
    await say(volume.id, volume, output)


async def list_(
    novita: AsyncNovita, *, all: All = False, limit: Limit = 20, page: Page = 1, output: Format = "pretty"
) -> None:
    """List the volumes.

    Args:
        all: all of them, not one page.
        limit: how many a page has; 0 for all.
        page: which page, from 1.
    """
    volumes = await novita.sandboxes.volumes.list()
    await show(await paged(volumes, limit=limit, page=page, everything=all), _COLUMNS, output)


async def get(novita: AsyncNovita, volume_id: str, /, *, output: Format = "pretty") -> None:
    """Tell how a volume is.

    Args:
        volume_id: its id.
    """
    await show_one(await novita.sandboxes.volumes.get(volume_id), _COLUMNS, output)


async def delete(novita: AsyncNovita, *volume_ids: str, yes: Yes = False, output: Format = "pretty") -> int:
    """Delete volumes with all that they hold, after a question.

    Args:
        volume_ids: their ids.
        yes: do not ask.
    """
    return await delete_each("volume", volume_ids, novita.sandboxes.volumes.delete, yes=yes, output=output)


async def mount(
    novita: AsyncNovita, sandbox_id: str, /, *, name: Name = None, path: Place = None, output: Format = "pretty"
) -> None:
    """Mount a volume into a running sandbox.

    Args:
        sandbox_id: the sandbox.
        name: of the volume.
        path: where it is to be found in the sandbox.
    """
    volume, place = _one("--name", name), _one("--path", path)
    info = await novita.sandboxes.by_id(sandbox_id).mount(place, volume)
    await say(f"{volume} is at {place} of {sandbox_id}", info, output)


async def unmount(
    novita: AsyncNovita,
    sandbox_id: str,
    /,
    *,
    path: Place = None,
    force: Annotated[bool, Parameter(name=["--force", "-f"], negative="")] = False,
    output: FormatOnly = "pretty",
) -> None:
    """Take a volume out of a running sandbox. What it holds stays.

    Args:
        sandbox_id: the sandbox.
        path: where it is found.
        force: also when something in the sandbox uses it.
    """
    place = _one("--path", path)
    info = await novita.sandboxes.by_id(sandbox_id).unmount(place, force=force)
    await say(f"nothing is at {place} of {sandbox_id} any more", info, output)


def _one(option: str, *values: str | None) -> str:
    """The one value that something was given in one of several ways."""
    given = {value for value in values if value is not None}
    if len(given) != 1:
        raise ValidationError(f"give {option} once")
    return given.pop()
