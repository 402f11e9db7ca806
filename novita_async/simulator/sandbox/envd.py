"""What runs inside every sandbox and serves its commands and files (contract/sandbox-envd.openapi.yaml)."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

import msgspec

from ...transport.protocol import Reply
from ..router import Refusal, json_reply
from . import commands, files, filesystem
from .code import CodeInterpreter
from .door import Door, gone, is_for_code
from .life import DISK_MB, ENVD_VERSION

if TYPE_CHECKING:
    from ..router import Call, Router
    from .control import Sandboxes
    from .machine import Machine

__all__ = ["add_routes"]

_MIB = 2**20


class Init(msgspec.Struct, frozen=True):
    """Body of POST /init, as far as it means something here."""

    accessToken: str | None = None
    envVars: dict[str, str] | None = None
    timestamp: datetime | None = None


class Initial:
    """POST /init: the variables of a sandbox are handed over, for whoever has its token. The platform's proxy lets
    nobody through to it; here it is as open as the rest. A token is never changed: it is how a sandbox is found."""

    def __init__(self, door: Door) -> None:
        self._door = door
        self._applied: WeakKeyDictionary[Machine, float] = WeakKeyDictionary()

    async def __call__(self, call: Call) -> Reply:
        machine = self._door.enter(call)
        try:
            asked: Init = await call.json(Init)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise Refusal(400, {"code": 400, "message": f"invalid request body: {error}"}) from error
        if machine.secure and asked.accessToken not in (None, machine.token):
            return Reply(401, {"content-type": "text/plain"}, b"access token reset not authorized")
        told = asked.timestamp.timestamp() if asked.timestamp else machine.clock.time()
        if told >= self._applied.get(machine, 0.0):
            self._applied[machine] = told
            if asked.envVars is not None:
                machine.wanted = msgspec.structs.replace(machine.wanted, envVars=asked.envVars)
        return Reply(204, {"x-envd-version": ENVD_VERSION})


def add_routes(router: Router, sandboxes: Sandboxes) -> None:
    """Serve envd for every sandbox."""
    door = Door(sandboxes)
    code = CodeInterpreter(door)

    async def health(call: Call) -> Reply:
        door.find(call)
        return code.health() if is_for_code(call) else Reply(204)

    async def envs(call: Call) -> Reply:
        return json_reply(door.enter(call).wanted.envVars, headers={"cache-control": "no-store"})

    async def metrics(call: Call) -> Reply:
        machine = door.enter(call)
        life = sandboxes.life(machine.id)
        if life is None:
            raise gone(machine.id)
        used = await machine.metrics()
        return json_reply(
            {
                "ts": int(machine.clock.time()),
                "cpu_count": life.image.cpu_count,
                "cpu_used_pct": round(used.cpu_percent, 2),
                "mem_total": life.memory_mb * _MIB,
                "mem_used": used.memory,
                "mem_cache": 0,
                "mem_total_mib": life.memory_mb,
                "mem_used_mib": used.memory // _MIB,
                "disk_used": used.disk,
                "disk_total": DISK_MB * _MIB,
            }
        )

    router.add("GET", "/health", health)
    router.add("GET", "/envs", envs)
    router.add("GET", "/metrics", metrics)
    router.add("POST", "/init", Initial(door))
    code.add_routes(router)
    commands.add_routes(router, door)
    filesystem.add_routes(router, door)
    files.add_routes(router, door)
