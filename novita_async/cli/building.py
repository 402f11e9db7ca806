"""`template create` and `template build`: templates from images, Dockerfiles and other templates."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import Parameter

from ..errors import NotFound, ValidationError
from ..runtime.clock import SystemClock
from .many import build_each
from .options import Count, Flag, Format, Several, pairs
from .output import say, text
from .pipes import STDERR, write
from .process import tell
from .project import Config, Directory, load

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ..client import AsyncNovita
    from ..sandbox.builds import Build, BuildLog
    from ..sandbox.template import Template
    from .project import Project

__all__ = ["build_", "create"]

Dockerfile = Annotated[Path | None, Parameter(name=["--dockerfile", "-d"])]
Command = Annotated[str | None, Parameter(name=["--cmd", "-c"])]
Tags = Annotated[Several, Parameter(name="--tag")]

_DOCKERFILES = ("novita.Dockerfile", "Dockerfile")
_CPUS, _MEMORY, _OLDER_MEMORY = 2, 1024, 512  # virtual CPUs, MiB
_READY = "sleep 20"  # what the platform takes for ready when nothing is said of it


async def create(
    novita: AsyncNovita,
    name: str | None = None,
    /,
    *,
    source: Annotated[Literal["image", "dockerfile", "template"] | None, Parameter(name="--from")] = None,
    image: str | None = None,
    template_id: str | None = None,
    from_file: Path | None = None,
    prefix: str = "",
    workers: Count = 4,
    manifest: Path = Path("novita-templates.json"),
    no_manifest: Flag = False,
    force: Flag = False,
    registry_username: str | None = None,
    registry_password: str | None = None,
    dockerfile: Dockerfile = None,
    cmd: Command = None,
    ready_cmd: str | None = None,
    cpu_count: Count = _CPUS,
    memory_mb: Count = _MEMORY,
    no_cache: Flag = False,
    patch_cmd: str | None = None,
    tag: Tags = (),
    path: Directory = Path(),
    config: Config = None,
    output: Format = "pretty",
) -> int:
    """Build a template from an image, from another template, or from a Dockerfile; or one for each image of a file.

    Args:
        name: what it is to be called; with --from-file the images give the names.
        source: what it is made from; it follows from the options below when not given.
        image: the image.
        template_id: id or name of the other template.
        from_file: a file with an image a line; what comes after # is left out.
        prefix: of the names that the images give.
        workers: how many of them are built at once.
        manifest: the file where it is written which images were built; those are not built again.
        no_manifest: neither read nor write it.
        force: build those again, too.
        registry_username: for the registry of the image.
        registry_password: for the registry of the image. Other users of this machine can see it meanwhile.
        dockerfile: the file; that of novita.toml, novita.Dockerfile or Dockerfile of the directory when not given.
        cmd: runs in every sandbox from its start; with --ready-cmd.
        ready_cmd: ends with exit code 0 when a sandbox is ready.
        cpu_count: virtual CPUs of its sandboxes.
        memory_mb: their memory in MiB, an even number.
        no_cache: build every step anew.
        patch_cmd: a script that runs before a sandbox boots; for images of Debian's kind.
        tag: a tag for this build; may be given several times.
        path: the directory that COPY copies from, and whose novita.toml is read.
        config: the file, where it is called something else.
    """
    from ..sandbox.template import Template

    project = await load(path, config)
    if cmd is not None and ready_cmd is None:
        raise ValidationError("--cmd needs --ready-cmd: without it nobody knows when a sandbox is ready")
    if from_file is None and name is None:
        raise ValidationError("give the template a name")
    if from_file is not None and (name or source or image or template_id or dockerfile):
        raise ValidationError("--from-file says what is built and how it is called: leave out the name and the source")
    source = source or ("image" if image else "template" if template_id else "dockerfile")
    sources = {"image": image, "template": template_id, "dockerfile": dockerfile}
    strange = [f"--{option}" for option, value in sources.items() if value and option != source]
    if strange:
        raise ValidationError(f"a template is made from one thing: {source}, and not {', '.join(strange)} as well")

    def finished(template: Template) -> Template:
        if patch_cmd is not None:
            template.set_patch_cmd(patch_cmd)
        return _started(template, cmd or project.start_cmd, ready_cmd or project.ready_cmd)

    def of_image(image: str) -> Template:
        made = Template(path).from_image(image, username=registry_username, password=registry_password)
        return finished(made)

    size = _Order(tag, cpu_count, memory_mb, no_cache)
    if from_file is not None:

        async def one(image: str, name: str) -> Build:
            return await _built(novita, of_image(image), name, size, quiet=True)

        record = None if no_manifest else manifest
        return await build_each(from_file, prefix, one, workers=workers, record=record, force=force, output=output)
    assert name is not None
    if source == "dockerfile":
        template = finished(await _from_dockerfile(project, dockerfile, path, {}))
    elif source == "image" and image:
        template = of_image(image)
    elif source == "template" and template_id:
        template = finished(Template(path).from_template(template_id))
    else:
        raise ValidationError(f"--from {source} needs --{'image' if source == 'image' else 'template-id'}")
    done = await _built(novita, template, name, size)
    await say(done.template_id, done, output)
    return 0


async def build_(
    novita: AsyncNovita,
    template: str | None = None,
    /,
    *,
    dockerfile: Dockerfile = None,
    name: Annotated[str | None, Parameter(name=["--name", "-n"])] = None,
    cmd: Command = None,
    ready_cmd: str | None = None,
    cpu_count: Count | None = None,
    memory_mb: Count | None = None,
    build_arg: Several = (),
    no_cache: Flag = False,
    tag: Tags = (),
    team: str | None = None,
    path: Directory = Path(),
    config: Config = None,
    output: Format = "pretty",
) -> None:
    """Build a template from a Dockerfile, under a new name or one that there is, and remember it in novita.toml.

    What is not given is as novita.toml has it.

    Args:
        template: its id or name.
        dockerfile: the file; novita.Dockerfile or Dockerfile of the directory when not given.
        name: what it is called, when it is new.
        cmd: runs in every sandbox from its start.
        ready_cmd: ends with exit code 0 when a sandbox is ready; 20 seconds after its start when not given.
        cpu_count: virtual CPUs of its sandboxes; 2 when not given.
        memory_mb: their memory in MiB, an even number; 512 when not given.
        build_arg: NAME=VALUE, of an ARG of the Dockerfile; may be given several times.
        no_cache: build every step anew.
        tag: a tag for this build; may be given several times.
        team: id of the team whose template it is to be.
        path: the directory that COPY copies from, and whose novita.toml is read and written.
        config: the file, where it is called something else.
    """
    project = await load(path, config)
    if template and name and template != name:
        raise ValidationError("give the template one name")
    called = name or await _name_of(novita, template or project.template_id) or project.template_name
    if called is None:
        raise ValidationError(f"give the template a name: there is none in {project.file}")
    read = await _from_dockerfile(project, dockerfile, path, pairs("--build-arg", build_arg, form="NAME=VALUE"))
    _started(read, cmd or project.start_cmd, ready_cmd or project.ready_cmd)
    done = await _built(
        novita,
        read,
        called,
        _Order(
            tag,
            cpu_count or project.cpu_count or _CPUS,
            memory_mb or project.memory_mb or _OLDER_MEMORY,
            no_cache,
        ),
        extra_body={"teamID": team or project.team_id} if team or project.team_id else None,
    )
    await project.remember(template_id=done.template_id, template_name=called)
    if not project.exists:
        tell(f"{project.file} names it from now on")
    await say(done.template_id, done, output)


async def _name_of(novita: AsyncNovita, template: str | None) -> str | None:
    """The name of a template that may be called by its id; itself when there is none."""
    if template is None:
        return None
    try:
        info = await novita.sandboxes.templates.get(template)
    except NotFound:
        return template
    return next(iter(info.names or info.aliases or []), template)


async def _from_dockerfile(
    project: Project, dockerfile: Path | None, directory: Path, build_args: Mapping[str, str]
) -> Template:
    from ..sandbox.template import Template

    def read() -> Template:
        named = dockerfile or (project.file.parent / project.dockerfile if project.dockerfile else None)
        found = named or next((directory / name for name in _DOCKERFILES if (directory / name).is_file()), None)
        if found is None:
            raise ValidationError(f"there is no {' and no '.join(_DOCKERFILES)} in {directory}; --dockerfile names one")
        if not found.is_file():
            raise ValidationError(f"there is no file {found}")
        return Template(directory).from_dockerfile(found, build_args=build_args)

    return await SystemClock().to_thread(read)


def _started(template: Template, cmd: str | None, ready_cmd: str | None) -> Template:
    if cmd is not None:
        return template.set_start_cmd(cmd, ready_cmd or _READY)
    return template if ready_cmd is None else template.set_ready_cmd(ready_cmd)


@dataclass(frozen=True)
class _Order:
    """How a template is to be built, and the size of its sandboxes."""

    tags: Sequence[str]
    cpu_count: int
    memory_mb: int
    skip_cache: bool

    def __post_init__(self) -> None:
        if self.memory_mb % 2:
            raise ValidationError(f"--memory-mb must be an even number, got {self.memory_mb}")


async def _built(
    novita: AsyncNovita,
    template: Template,
    name: str,
    order: _Order,
    *,
    quiet: bool = False,
    extra_body: Mapping[str, Any] | None = None,
) -> Build:
    """Build a template to its end; its log goes to standard error, unless it is to be `quiet`."""
    lines: deque[BuildLog] = deque()
    task = await novita.sandboxes.templates.build(
        template,
        name,
        tags=order.tags,
        cpu_count=order.cpu_count,
        memory_mb=order.memory_mb,
        skip_cache=order.skip_cache,
        on_log=None if quiet else lines.append,
        extra_body=extra_body,
    )
    try:
        async for _ in task:
            while lines:
                await write(STDERR, f"{text(lines.popleft().message)}\n")
        return await task.wait()
    except BaseException:
        if not task.done:
            tell(f"the build of {name} goes on at the platform")
        raise
