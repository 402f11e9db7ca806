"""`novita.toml`: what a directory says of its template, in place of options (contract/sandbox.md 14)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

from ..errors import ValidationError
from ..runtime.clock import SystemClock
from .process import CannotGoOn
from .toml import read, save, with_values

__all__ = ["NAME", "Config", "Directory", "Project", "load"]

NAME = "novita.toml"

#: The options of commands that look for the file.
Directory = Annotated[Path, Parameter(name="--path")]
Config = Annotated[Path | None, Parameter(name="--config")]

_TEXTS = ("template_id", "template_name", "dockerfile", "start_cmd", "ready_cmd", "team_id")
_NUMBERS = ("cpu_count", "memory_mb")


@dataclass(frozen=True)
class Project:
    """What a `novita.toml` says, as far as it does.

    Attributes:
        file: where it is, or would be.
        exists: whether it is there.
        template_id, template_name: the template that was built of the directory.
        dockerfile: what it is built of, from the file's own directory.
        start_cmd, ready_cmd: what runs from a sandbox's start, and what succeeds when that is ready.
        cpu_count, memory_mb: of its sandboxes.
    """

    file: Path
    exists: bool = False
    template_id: str | None = None
    template_name: str | None = None
    dockerfile: str | None = None
    start_cmd: str | None = None
    ready_cmd: str | None = None
    cpu_count: int | None = None
    memory_mb: int | None = None
    team_id: str | None = None

    async def remember(self, **values: str | int | None) -> None:
        """Put values into the file, which is made when there is none.

        Raises:
            CannotGoOn: it cannot be written.
        """

        def work() -> None:
            text, _ = read(self.file)
            save(self.file, with_values(self.file, text, values))

        await SystemClock().to_thread(work)

    async def forget(self) -> None:
        """Remove the file."""
        await SystemClock().to_thread(lambda: self.file.unlink(missing_ok=True))


async def load(directory: Path, config: Path | None) -> Project:
    """Read the file of a directory, or another one.

    Args:
        directory: where `novita.toml` is looked for.
        config: the file, which must be there then; from the directory when it is relative.

    Raises:
        ValidationError: there is no such directory or file.
        CannotGoOn: it cannot be read, or says what it must not.
    """

    def work() -> Project:
        if not directory.is_dir():
            raise ValidationError(f"there is no directory {directory}")
        file = directory / (config or NAME)
        if config is not None and not file.is_file():
            raise ValidationError(f"there is no file {file}")
        _, said = read(file)
        return Project(file=file, exists=file.is_file(), **_checked(file, said))

    return await SystemClock().to_thread(work)


def _checked(file: Path, said: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for names, type_, word in ((_TEXTS, str, "text"), (_NUMBERS, int, "a number")):
        for name in names:
            value = said.get(name)
            if value is None:
                continue
            if type(value) is not type_:
                raise CannotGoOn(f"{name} in {file} must be {word}, not {value!r}")
            found[name] = value
    return found
