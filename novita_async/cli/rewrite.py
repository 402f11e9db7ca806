"""What a Dockerfile and a novita.toml say, as code that builds the same template."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Self, TypeAlias

from ..errors import ValidationError
from ..sandbox.dockerfile import read_into
from ..sandbox.template import Template

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from .project import Project

__all__ = ["rewritten"]

#: A method of a template's builder, its arguments, and those that go by name.
_Call: TypeAlias = "tuple[str, Sequence[Any], Mapping[str, Any]]"

_PYTHON = '''\
"""The template {name}."""

from {package} import Template

template = (
    Template()
{steps}
)
'''
_PYTHON_ASYNC = '''\
"""Builds the template {name}: python build.py"""

import asyncio

from novita_async import AsyncNovita
from template import template


async def main() -> None:
    async with AsyncNovita() as novita:
        task = await novita.sandboxes.templates.build(
            template, {quoted}, cpu_count={cpus}, memory_mb={memory}, on_log=lambda log: print(log.message)
        )
        build = await task.wait()
    print(build.template_id)


asyncio.run(main())
'''
_PYTHON_SYNC = '''\
"""Builds the template {name}: python build.py"""

from novita_sandbox.core import Template
from template import template

build = Template.build(
    template, {quoted}, cpu_count={cpus}, memory_mb={memory}, on_build_logs=lambda log: print(log.message)
)
print(build.template_id)
'''
_TYPESCRIPT = """\
// The template {name}.
import {{ Template }} from 'novita-sandbox'

export const template = Template()
{steps}
"""
_TYPESCRIPT_BUILD = """\
// Builds the template {name}.
import {{ Template }} from 'novita-sandbox'
import {{ template }} from './template'

const build = await Template.build(template, {quoted}, {{
  cpuCount: {cpus},
  memoryMB: {memory},
  onBuildLogs: (log) => console.log(log.message),
}})
console.log(build.templateId)
"""


def rewritten(dockerfile: Path, project: Project, language: str) -> dict[str, str]:
    """Files and what they say. Blocks.

    Args:
        dockerfile: what is read.
        project: what goes with it.
        language: "typescript", "python-sync" or "python-async".

    Raises:
        ValidationError: the Dockerfile cannot be read, or does what a template cannot.
    """
    ending = "ts" if language == "typescript" else "py"
    steps = _steps(dockerfile, project)
    return {f"template.{ending}": _template(language, steps, project), f"build.{ending}": _build(language, project)}


class _Recorded(Template):
    """A template that knows how it was told what it is: names of methods, their arguments, and the named ones."""

    def __init__(self) -> None:
        super().__init__(".")
        self.calls: list[_Call] = []

    def _call(self, name: str, *args: object, **options: object) -> Self:
        self.calls.append((name, args, {key: value for key, value in options.items() if value is not None}))
        return self

    def run_cmd(self, command: str | Sequence[str], *, user: str | None = None) -> Self:
        return self._call("run_cmd", command, user=user)

    def copy(self, src: Any, dest: Any, *, user: str | None = None, mode: int | None = None, **options: bool) -> Self:
        return self._call("copy", src[0] if len(src) == 1 else src, dest, user=user, mode=mode, **options)

    def set_envs(self, envs: Mapping[str, str]) -> Self:
        return self._call("set_envs", envs)

    def set_workdir(self, path: Any) -> Self:
        return self._call("set_workdir", path)

    def set_user(self, user: str) -> Self:
        return self._call("set_user", user)

    def set_start_cmd(self, start_cmd: str, ready_cmd: str) -> Self:
        return self._call("set_start_cmd", start_cmd, ready_cmd)

    def set_ready_cmd(self, ready_cmd: str) -> Self:
        return self._call("set_ready_cmd", ready_cmd)


def _steps(dockerfile: Path, project: Project) -> list[_Call]:
    try:
        text = dockerfile.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ValidationError(f"{dockerfile} cannot be read: {getattr(error, 'strerror', None) or error}") from error
    recorded = _Recorded()
    image = read_into(recorded, text, {})
    started = [call for call in recorded.calls if call[0] == "set_start_cmd"]
    calls: list[_Call] = [("from_image", [image], {}), *(call for call in recorded.calls if call not in started)]
    own, ready = (started[0][1] if started else (None, None)), project.ready_cmd
    if command := project.start_cmd or own[0]:
        calls.append(("set_start_cmd", [command, ready or own[1] or "sleep 20"], {}))
    elif ready:
        calls.append(("set_ready_cmd", [ready], {}))
    return calls


def _template(language: str, steps: Sequence[_Call], project: Project) -> str:
    form: Callable[..., str] = _typescript if language == "typescript" else _python
    lines = "\n".join(form(*step) for step in steps)
    package = "novita_async.sandbox" if language == "python-async" else "novita_sandbox.core"
    layout = _TYPESCRIPT if language == "typescript" else _PYTHON
    return layout.format(name=_name(project), package=package, steps=lines)


def _build(language: str, project: Project) -> str:
    layouts = {"typescript": _TYPESCRIPT_BUILD, "python-sync": _PYTHON_SYNC, "python-async": _PYTHON_ASYNC}
    name = _name(project)
    cpus, memory = project.cpu_count or 2, project.memory_mb or 512
    return layouts[language].format(name=name, quoted=_text(name), cpus=cpus, memory=memory)


def _name(project: Project) -> str:
    name = project.template_name or project.template_id or project.file.resolve().parent.name
    return "".join(letter if letter.isprintable() and letter not in '"\\' else "-" for letter in name)


def _python(name: str, args: Sequence[Any], options: Mapping[str, Any]) -> str:
    named = [f"{key}={value:#o}" if key == "mode" else f"{key}={_text(value)}" for key, value in options.items()]
    return f"    .{name}({', '.join([*map(_text, args), *named])})"


def _typescript(name: str, args: Sequence[Any], options: Mapping[str, Any]) -> str:
    first, *rest = name.split("_")
    named = [f"{key}: {value:#o}" if key == "mode" else f"{key}: {_text(value)}" for key, value in options.items()]
    words = [*map(_text, args), *([f"{{ {', '.join(named)} }}"] if named else [])]
    return f"  .{first}{''.join(word.capitalize() for word in rest)}({', '.join(words)})"


def _text(value: object) -> str:
    """Text, a list or a mapping of such, as both languages have them."""
    return json.dumps(value)
