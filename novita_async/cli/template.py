"""`novita-async template`: what sandboxes start from (contract/sandbox.md 11, 14)."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter

from ..errors import NotFound, ValidationError
from .account import adder
from .asking import choose, confirm
from .building import build_, create
from .migrate import init, migrate
from .options import All, Flag, Format, Limit, Page, Yes
from .output import delete_each, each, paged, say, show, text
from .process import CannotGoOn
from .project import Config, Directory, load

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from cyclopts import App

    from ..client import AsyncNovita
    from ..sandbox.templates import TemplateBuild, TemplateInfo
    from .process import Stop
    from .project import Project

__all__ = ["fill"]

Select = Annotated[Flag, Parameter(name=["--select", "-s"])]

_COLUMNS: dict[str, Callable[[TemplateInfo], object]] = {
    "id": lambda it: it.id,
    "names": lambda it: it.names or it.aliases,
    "build": lambda it: it.build_status,
    "public": lambda it: it.public,
    "vCPU": lambda it: it.cpu_count,
    "MiB": lambda it: it.memory_mb,
    "created": lambda it: it.created_at,
}


def fill(app: App, stop: Stop) -> None:
    """Add the commands, which end when `stop` is wanted."""
    add = adder(app, stop)
    add(create, "create", "ct")
    add(build_, "build", "bd")
    add(list_, "list", "ls")
    add(version, "version", "vn")
    add(publish, "publish", "pb")
    add(unpublish, "unpublish", "upb")
    add(delete, "delete", "dl")
    app.command(init, name=("init", "it"))
    add(migrate, "migrate", key=False)


async def list_(
    novita: AsyncNovita,
    *,
    all: All = False,
    kind: Annotated[
        Literal["template_build", "snapshot_template"], Parameter(name=["--type", "-ty"])
    ] = "template_build",
    page: Page = 1,
    limit: Limit = 20,
    output: Format = "pretty",
) -> None:
    """List the templates of the account.

    Args:
        all: all of them, not one page.
        kind: templates that were built, or those that were made of sandboxes.
        page: which page, from 1.
        limit: how many a page has; 0 for all.
    """
    found = novita.sandboxes.templates.list(kind=kind)
    await show(await paged(found, limit=limit, page=page, everything=all), _COLUMNS, output)


async def version(
    novita: AsyncNovita,
    template: str | None = None,
    /,
    *,
    rollback: Annotated[str | None, Parameter(name=["--rollback", "-r"])] = None,
    path: Directory = Path(),
    config: Config = None,
    output: Format = "pretty",
) -> None:
    """List the builds of a template and their tags, or go back to one of them.

    Sandboxes are made of the build that has the tag `default`. Only one that has a tag of its own can be gone back to.

    Args:
        template: its id or name; that of novita.toml when not given.
        rollback: id of the build, or a tag that it has, that sandboxes are to be made of from now on.
        path: the directory whose novita.toml is read.
        config: the file, where it is called something else.
    """
    (name,) = await _chosen(novita, await load(path, config), [template] if template else [], "look at")
    id_, templates = await _id_of(novita, name), novita.sandboxes.templates
    tags: dict[str, list[str]] = {}
    for each_ in await templates.get_tags(id_):
        tags.setdefault(each_.build_id, []).append(each_.tag)
    if rollback is None:
        columns: dict[str, Callable[[TemplateBuild], object]] = {
            "build": lambda it: it.id,
            "tags": lambda it: tags.get(it.id, []),
            "status": lambda it: it.status,
            "vCPU": lambda it: it.cpu_count,
            "MiB": lambda it: it.memory_mb,
            "created": lambda it: it.created_at,
            "finished": lambda it: it.finished_at,
        }
        await show((await templates.get(id_)).builds or [], columns, output)
        return
    build = next((build for build, own in tags.items() if rollback == build or rollback in own), None)
    if build is None:
        raise CannotGoOn(f"no tag of {name} is on a build {rollback}: the platform cannot go back to one without")
    tagged = await templates.assign_tags(f"{id_}:{tags[build][0]}", "default")
    await say(f"sandboxes of {name} are made of build {build}", tagged, output)


async def publish(
    novita: AsyncNovita,
    *templates: str,
    select: Select = False,
    yes: Yes = False,
    path: Directory = Path(),
    config: Config = None,
    output: Format = "pretty",
) -> int:
    """Let others use templates, after a question.

    Args:
        templates: their ids or names; that of novita.toml when not given.
        select: choose from a list.
        yes: do not ask.
        path: the directory whose novita.toml is read.
        config: the file, where it is called something else.
    """
    names = await _chosen(novita, await load(path, config), templates, "publish", select=select)
    return await _change(novita, names, "publish", novita.sandboxes.templates.publish, yes, output)


async def unpublish(
    novita: AsyncNovita,
    *templates: str,
    select: Select = False,
    yes: Yes = False,
    path: Directory = Path(),
    config: Config = None,
    output: Format = "pretty",
) -> int:
    """Keep templates to the account again, after a question.

    Args:
        templates: their ids or names; that of novita.toml when not given.
        select: choose from a list.
        yes: do not ask.
        path: the directory whose novita.toml is read.
        config: the file, where it is called something else.
    """
    names = await _chosen(novita, await load(path, config), templates, "unpublish", select=select)
    return await _change(novita, names, "unpublish", novita.sandboxes.templates.unpublish, yes, output)


async def delete(
    novita: AsyncNovita,
    *templates: str,
    select: Select = False,
    yes: Yes = False,
    path: Directory = Path(),
    config: Config = None,
    output: Format = "pretty",
) -> int:
    """Delete templates, after a question. Sandboxes that were made of them live on.

    A novita.toml that names one of them goes with it.

    Args:
        templates: their ids or names; that of novita.toml when not given.
        select: choose from a list.
        yes: do not ask.
        path: the directory whose novita.toml is read.
        config: the file, where it is called something else.
    """
    project = await load(path, config)
    names = await _chosen(novita, project, templates, "delete", select=select)

    async def do(name: str) -> bool:
        id_ = await _id_of(novita, name)
        found = await novita.sandboxes.templates.delete(id_)
        if found and project.template_id == id_:
            await project.forget()
        return found

    return await delete_each("template", names, do, yes=yes, output=output)


async def _chosen(
    novita: AsyncNovita, project: Project, named: Sequence[str], verb: str, *, select: bool = False
) -> list[str]:
    """The templates that a command is about: those that are named, chosen from a list, or that of the directory."""
    if select:
        if named:
            raise ValidationError("name the templates, or choose them with --select, and not both")
        found = [it async for it in novita.sandboxes.templates.list()]
        lines = [f"{it.id}  {text(it.names or it.aliases)}" for it in found]
        return [found[place].id for place in await choose("template", lines, "its id", several=True)]
    if named:
        return list(named)
    if project.template_id is None:
        raise ValidationError(f"name the template to {verb}: there is none in {project.file}")
    return [project.template_id]


async def _change(
    novita: AsyncNovita,
    templates: Sequence[str],
    verb: str,
    change: Callable[[str], Awaitable[None]],
    yes: bool,
    output: str,
) -> int:
    await confirm(f"{verb} {', '.join(templates)}", yes=yes)

    async def do(name: str) -> bool:
        try:
            await change(await _id_of(novita, name))
        except NotFound:
            return False
        return True

    return await each(templates, do, f"{verb}ed", output)


async def _id_of(novita: AsyncNovita, name: str) -> str:
    """The id of a template that may be called by a name."""
    try:
        return await novita.sandboxes.templates.lookup(name)
    except NotFound:
        return name
