"""What a sandbox can be made of: a base template, a template that was built, or a snapshot of another sandbox."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

import msgspec

__all__ = ["BASES", "Find", "Image"]

#: The templates that are there from the start, with nothing of their own in their trees.
BASES = frozenset({"base", "code-interpreter-v1", "desktop", "mcp-gateway"})


class Image(msgspec.Struct, frozen=True, kw_only=True):
    """Where a sandbox starts from.

    Attributes:
        id: what create is asked for and what details show as the template.
        alias: its name, "" without one.
        tree: a directory whose copy the sandbox gets as its tree; None for an empty one.
        envs: variables of every command.
        workdir: where commands start; "" for the home directory.
        user: who runs commands that name no user; "" for the default.
        start_cmd: started with the sandbox.
        cpu_count, memory_mb: what the sandbox is given.
    """

    id: str
    alias: str = ""
    tree: Path | None = None
    envs: dict[str, str] = {}
    workdir: str = ""
    user: str = ""
    start_cmd: str = ""
    cpu_count: int = 2
    memory_mb: int = 1024


#: Finds an image by what create calls it: an id, a name, `name:tag`.
Find: TypeAlias = Callable[[str], Image | None]
