"""`novita-async template`: what sandboxes start from (contract/sandbox.md 11, 14)."""

from __future__ import annotations

from collections import deque
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter

from ..errors import NotFound, ValidationError
from ..runtime.clock import SystemClock
from .account import adder, group
from .asking import confirm
from .options import All, Count, Format, Limit, Many, Page, Yes
from .output import delete_each, each, paged, say, show, text
from .pipes import STDERR, write
from .process import tell

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from cyclopts import App

    from ..client import AsyncNovita
    from ..sandbox.builds import BuildLog
    from ..sandbox.template import Template
    from ..sandbox.templates import TemplateInfo
    from .process import Stop

__all__ = ["build"]

Dockerfile = Annotated[Path | None, Parameter(name=["--dockerfile", "-d", "--from-file"])]
Directory = Annotated[Path, Parameter(name="--path")]
Command = Annotated[str | None, Parameter(name=["--cmd", "-c"])]
NoCache = Annotated[bool, Parameter(negative="")]
Tags = Annotated[Many, Parameter(name="--tag", negative="")]

_DOCKERFILES = ("novita.Dockerfile", "Dockerfile")
_COLUMNS: dict[str, Callable[[TemplateInfo], object]] = {
    "id": lambda it: it.id,
    "names": lambda it: it.names or it.aliases,
    "build": lambda it: it.build_status,
    "public": lambda it: it.public,
    "vCPU": lambda it: it.cpu_count,
    "MiB": lambda it: it.memory_mb,
    "created": lambda it: it.created_at,
}


def build(stop: Stop) -> App:
    """The commands, which end when `stop` is wanted."""
    app = group("template", "tpl", help="Templates: what sandboxes start from.")
    add = adder(app, stop)
    add(create, "create", "ct")
    add(build_, "build", "bd")
    add(list_, "list", "ls")
    add(publish, "publish", "pb")
    add(unpublish, "unpublish", "upb")
    add(delete, "delete", "dl")
    return app


async def create(
    novita: AsyncNovita,
    name: str,
    /,
    *,
    source: Annotated[Literal["image", "dockerfile", "template"] | None, Parameter(name="--from")] = None,
    image: str | None = None,
    template_id: str | None = None,
    dockerfile: Dockerfile = None,
    path: Directory = Path(),
    registry_username: str | None = None,
    registry_password: str | None = None,
    cmd: Command = None,
    ready_cmd: str | None = None,
    cpu_count: Count = 2,
    memory_mb: Count = 1024,
    no_cache: NoCache = False,
    tag: Tags = (),
    output: Format = "pretty",
) -> None:
    """Build a template from an image, from another template, or from a Dockerfile.

    Args:
        name: what it is to be called.
        source: what it is made from; it follows from the options below when not given.
        image: the image.
        template_id: id or name of the other template.
        dockerfile: the file; novita.Dockerfile or Dockerfile of the directory when not given.
        path: the directory that COPY copies from.
        registry_username: for the registry of the image.
        registry_password: for the registry of the image. Other users of this machine can see it meanwhile.
        cmd: runs in every sandbox from its start.
        ready_cmd: ends with exit code 0 when a sandbox is ready.
        cpu_count: virtual CPUs of its sandboxes.
        memory_mb: their memory in MiB.
        no_cache: build every step anew.
        tag: a tag for this build; may be given several times.
    """
    from ..sandbox.template import Template

    source = source or ("image" if image else "template" if template_id else "dockerfile")
    sources = {"image": image, "template": template_id, "dockerfile": dockerfile}
    strange = [f"--{option}" for option, value in sources.items() if value and option != source]
    if strange:
        raise ValidationError(f"a template is made from one thing: {source}, and not {', '.join(strange)} as well")
    if source == "dockerfile":
        template = await _from_dockerfile(dockerfile, path)
    elif source == "image" and image:
        template = Template(path).from_image(image, username=registry_username, password=registry_password)
    elif source == "template" and template_id:
        template = Template(path).from_template(template_id)
    else:
        raise ValidationError(f"--from {source} needs --{'image' if source == 'image' else 'template-id'}")
    _start(template, cmd, ready_cmd)
    await _build(novita, template, name, tag, cpu_count, memory_mb, no_cache, output)


async def build_(
    novita: AsyncNovita,
    template: str | None = None,
    /,
    *,
    dockerfile: Dockerfile = None,
    name: Annotated[str | None, Parameter(name=["--name", "-n"])] = None,
    path: Directory = Path(),
    cmd: Command = None,
    ready_cmd: str | None = None,
    cpu_count: Count = 2,
    memory_mb: Count = 512,
    no_cache: NoCache = False,
    tag: Tags = (),
    output: Format = "pretty",
) -> None:
    """Build a template from a Dockerfile, under a new name or one that there is.

    Args:
        template: its name.
        dockerfile: the file; novita.Dockerfile or Dockerfile of the directory when not given.
        name: the same as the argument.
        path: the directory that COPY copies from.
        cmd: runs in every sandbox from its start.
        ready_cmd: ends with exit code 0 when a sandbox is ready.
        cpu_count: virtual CPUs of its sandboxes.
        memory_mb: their memory in MiB.
        no_cache: build every step anew.
        tag: a tag for this build; may be given several times.
    """
    called = template or name
    if called is None or (template and name and template != name):
        raise ValidationError("give the template one name")
    read = await _from_dockerfile(dockerfile, path)
    _start(read, cmd, ready_cmd)
    await _build(novita, read, called, tag, cpu_count, memory_mb, no_cache, output)


async def list_(
    novita: AsyncNovita,
    *,
    all: All = False,
    kind: Annotated[
        Literal["template_build", "snapshot_template"], Parameter(name=["--type", "-t"])
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


async def publish(novita: AsyncNovita, *templates: str, yes: Yes = False, output: Format = "pretty") -> int:
    """Let others use templates, after a question.

    Args:
        templates: their ids or names.
        yes: do not ask.
    """
    return await _change(novita, templates, "publish", novita.sandboxes.templates.publish, yes, output)


async def unpublish(novita: AsyncNovita, *templates: str, yes: Yes = False, output: Format = "pretty") -> int:
    """Keep templates to the account again, after a question.

    Args:
        templates: their ids or names.
        yes: do not ask.
    """
    return await _change(novita, templates, "unpublish", novita.sandboxes.templates.unpublish, yes, output)


async def delete(novita: AsyncNovita, *templates: str, yes: Yes = False, output: Format = "pretty") -> int:
    """Delete templates, after a question. Sandboxes that were made of them live on.

    Args:
        templates: their ids or names.
        yes: do not ask.
    """

    async def do(name: str) -> bool:
        return await novita.sandboxes.templates.delete(await _id_of(novita, name))

    return await delete_each("template", templates, do, yes=yes, output=output)


async def _change(
    novita: AsyncNovita,
    templates: Sequence[str],
    verb: str,
    change: Callable[[str], Awaitable[None]],
    yes: bool,
    output: str,
) -> int:
    if not templates:
        raise ValidationError(f"name the templates to {verb}")
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


async def _from_dockerfile(dockerfile: Path | None, directory: Path) -> Template:
    from ..sandbox.template import Template

    def read() -> Template:
        found = dockerfile or next((directory / name for name in _DOCKERFILES if (directory / name).is_file()), None)
        if found is None:
            raise ValidationError(f"there is no {' and no '.join(_DOCKERFILES)} in {directory}; --dockerfile names one")
        if not found.is_file():
            raise ValidationError(f"there is no file {found}")
        return Template(directory).from_dockerfile(found)

    return await SystemClock().to_thread(read)


def _start(template: Template, cmd: str | None, ready_cmd: str | None) -> None:
    if cmd is not None:
        template.set_start_cmd(cmd, ready_cmd or "true")
    elif ready_cmd is not None:
        template.set_ready_cmd(ready_cmd)


async def _build(
    novita: AsyncNovita,
    template: Template,
    name: str,
    tags: Sequence[str],
    cpu_count: int,
    memory_mb: int,
    skip_cache: bool,
    output: str,
) -> None:
    lines: deque[BuildLog] = deque()
    task = await novita.sandboxes.templates.build(
        template,
        name,
        tags=tags,
        cpu_count=cpu_count,
        memory_mb=memory_mb,
        skip_cache=skip_cache,
        on_log=lines.append,
    )
    try:
        async for _ in task:
            while lines:
                await write(STDERR, f"{text(lines.popleft().message)}\n")
        done = await task.wait()
    except BaseException:
        if not task.done:
            tell(f"the build of {name} goes on at the platform")
        raise
    await say(f"{done.template_id}", done, output)
