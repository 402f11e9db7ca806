"""What runs inside every sandbox and serves its commands and files (contract/sandbox-envd.openapi.yaml)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...transport.protocol import Reply
from ..router import json_reply
from . import commands, files, filesystem
from .code import CodeInterpreter
from .door import Door, is_for_code

if TYPE_CHECKING:
    from ..router import Call, Router
    from .control import Sandboxes

__all__ = ["add_routes"]


def add_routes(router: Router, sandboxes: Sandboxes) -> None:
    """Serve envd for every sandbox."""
    door = Door(sandboxes)
    code = CodeInterpreter(door)

    async def health(call: Call) -> Reply:
        door.find(call)
        return code.health() if is_for_code(call) else Reply(204)

    async def envs(call: Call) -> Reply:
        return json_reply(door.enter(call).wanted.envVars, headers={"cache-control": "no-store"})

    router.add("GET", "/health", health)
    router.add("GET", "/envs", envs)
    code.add_routes(router)
    commands.add_routes(router, door)
    filesystem.add_routes(router, door)
    files.add_routes(router, door)
