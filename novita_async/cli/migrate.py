"""`template init` and `template migrate`: a Dockerfile to begin with, and code in place of one that there is."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, TypeAlias

from cyclopts import Parameter

from ..errors import ValidationError
from ..runtime.clock import SystemClock
from .asking import choose
from .output import say
from .process import CannotGoOn
from .project import Config, Directory, load
from .toml import save

if TYPE_CHECKING:
    from ..client import AsyncNovita

__all__ = ["init", "migrate"]

_DOCKERFILE = "novita.Dockerfile"
_BEGINNING = """\
# What every sandbox of this template starts from; it must be of Debian's kind. `template build NAME` builds it.
FROM novitalabs/code-interpreter:latest

# RUN pip install cowsay
"""
Language: TypeAlias = Literal["typescript", "python-sync", "python-async"]
_LANGUAGES: tuple[Language, ...] = ("typescript", "python-sync", "python-async")


def init(*, path: Annotated[Path, Parameter(name=["--path", "-p"])] = Path()) -> None:
    """Write a novita.Dockerfile to begin with.

    Args:
        path: the directory that it is written to.
    """
    file = path / _DOCKERFILE
    if file.exists():
        raise CannotGoOn(f"{file} is there already")
    if not path.is_dir():
        raise ValidationError(f"there is no directory {path}")
    save(file, _BEGINNING)
    print(f"wrote {file}")


async def migrate(
    novita: AsyncNovita,
    /,
    *,
    dockerfile: Annotated[Path | None, Parameter(name=["--dockerfile", "-d"])] = None,
    language: Annotated[Language | None, Parameter(name=["--language", "-l"])] = None,
    path: Directory = Path(),
    config: Config = None,
) -> None:
    """Write what a Dockerfile and novita.toml say as code that builds the same template.

    `template` and `build` with the language's ending are written next to them. TypeScript and python-sync use the
    platform's own package, python-async this one.

    Args:
        dockerfile: the file; that of novita.toml, or novita.Dockerfile, when not given.
        language: of the code; a terminal is asked when not given.
        path: the directory.
        config: the file, where novita.toml is called something else.
    """
    project = await load(path, config)
    source = dockerfile or project.file.parent / (project.dockerfile or _DOCKERFILE)
    if language is None:
        (place,) = await choose("language", _LANGUAGES, "--language")
        language = _LANGUAGES[place]

    def write() -> str:
        from .rewrite import rewritten  # loads the SDK

        files = {path / name: text for name, text in rewritten(source, project, language).items()}
        there = [str(file) for file in files if file.exists()]
        if there:
            raise CannotGoOn(f"{' and '.join(there)} would be written over: move what is there away")
        for file, text in files.items():
            save(file, text)
        return " and ".join(map(str, files))

    await say(f"wrote {await SystemClock().to_thread(write)}", {}, "pretty")
