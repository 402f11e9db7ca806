"""What a build is asked for: the bodies of the template calls, and the Dockerfile of the first generation."""

from __future__ import annotations

import re
import shlex
from typing import Any

import msgspec

__all__ = [
    "AssignTags",
    "DeleteTags",
    "Dockerfile",
    "Recipe",
    "Register",
    "RegisterV2",
    "Step",
    "Visibility",
    "expanded",
]

_VARIABLE = re.compile(r"\\(\$)|\$(?:\{(\w+)\}|(\w+))")


class Step(msgspec.Struct, frozen=True):
    """One step: COPY, ENV, RUN, WORKDIR or USER."""

    type: str
    args: list[str] = []
    filesHash: str = ""
    force: bool = False
    forceUpload: bool | None = None


class Recipe(msgspec.Struct, kw_only=True):
    """Body of the call that starts a build."""

    fromImage: str = ""
    fromTemplate: str = ""
    fromImageRegistry: dict[str, Any] | None = None
    startCmd: str = ""
    readyCmd: str = ""
    preBootScript: str = ""
    force: bool = False
    steps: list[Step] = []


class Register(msgspec.Struct, kw_only=True):
    """Body of POST /v3/templates."""

    name: str = ""
    alias: str = ""
    tags: list[str] = []
    cpuCount: int = 2
    memoryMB: int = 1024


class RegisterV2(msgspec.Struct, kw_only=True):
    """Body of POST /v2/templates."""

    alias: str
    cpuCount: int = 2
    memoryMB: int = 1024


class Dockerfile(msgspec.Struct, kw_only=True):
    """Body of the first generation's calls."""

    dockerfile: str
    alias: str = ""
    startCmd: str = ""
    readyCmd: str = ""
    cpuCount: int = 2
    memoryMB: int = 1024

    def recipe(self) -> Recipe:
        """The same as steps. What it copies was never uploaded, so such a build fails, as its step then says."""
        recipe = Recipe(fromImage="base", startCmd=self.startCmd, readyCmd=self.readyCmd)
        for line in re.sub(r"\\\s*\n", " ", self.dockerfile).splitlines():
            name, _, value = line.strip().partition(" ")
            name, value = name.upper(), value.strip()
            if name == "FROM":
                recipe.fromImage = value
            elif name in ("RUN", "WORKDIR", "USER"):
                recipe.steps.append(Step(name, [value]))
            elif name in ("COPY", "ADD"):
                recipe.steps.append(Step("COPY", shlex.split(value)))
            elif name == "ENV":
                pairs = [word.partition("=") for word in shlex.split(value)] if "=" in value else [value.partition(" ")]
                recipe.steps.append(Step(name, [text for key, _, given in pairs for text in (key, given)]))
            elif name in ("CMD", "ENTRYPOINT") and not recipe.startCmd:
                recipe.startCmd = value
        return recipe


class Visibility(msgspec.Struct):
    """Body of PATCH."""

    public: bool | None = None


class AssignTags(msgspec.Struct):
    """Body of POST /templates/tags."""

    target: str
    tags: list[str]


class DeleteTags(msgspec.Struct):
    """Body of DELETE /templates/tags."""

    name: str
    tags: list[str]


def expanded(value: str, envs: dict[str, str]) -> str:
    """A value of ENV, with `$NAME` and `${NAME}` as they are by then."""
    return _VARIABLE.sub(lambda found: found[1] or envs.get(found[2] or found[3], ""), value)
