"""The logs of simulated instances: lines that follow from what they were told and the clock, and come as they fall due.

The platform documents neither the lines nor who may read them: here they begin with their time, the address says who
may read it, and a log comes from its beginning on every connection. A container writes a line every ten seconds.
"""

from __future__ import annotations

import datetime
import hmac
from http import HTTPStatus
from typing import TYPE_CHECKING

from ...transport.protocol import Reply
from ..router import Refusal

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from ..router import Call, Router
    from .machines import Machine
    from .world import World

__all__ = ["Logs", "log_address"]

_SOURCES = ("instance", "system")
_TICK = 10.0  # seconds between two lines of a container
_LOOK = 2.0  # seconds after which a log sees what its instance was told meanwhile
_SAID = {
    "toCreate": "the order is taken",
    "creating": "a machine is made ready",
    "pulling": "pulling image {image}",
    "running": "the container runs",
    "toStart": "the instance is to start",
    "toStop": "the instance is to stop",
    "exited": "the container has ended",
    "toRemove": "the instance is to be removed",
    "removed": "the instance is removed",
}


def log_address(world: World, machine: Machine, source: str, origin: str) -> str:
    """Where a log is read."""
    return f"{origin}/gpu-logs/{source}/{machine.id}?signature={world.digest(machine.id, source)}"


class Logs:
    """What streams them."""

    def __init__(self, world: World) -> None:
        self._world = world

    def routes(self, router: Router) -> None:
        router.add("GET", "/gpu-logs/{source}/{id}", self._read)

    async def _read(self, call: Call) -> Reply:
        source, id_ = call.params["source"], call.params["id"]
        given = call.query.get("signature", "")
        if source not in _SOURCES or not hmac.compare_digest(given.encode(), self._world.digest(id_, source).encode()):
            raise Refusal(HTTPStatus.FORBIDDEN, {"code": 403, "reason": "FORBIDDEN", "message": "a wrong signature"})
        return Reply(200, {"content-type": "text/plain; charset=utf-8"}, self._stream(source, self._world.find(id_)))

    async def _stream(self, source: str, machine: Machine) -> AsyncIterator[bytes]:
        clock, given = self._world.clock, 0
        while True:
            moment = clock.time()
            lines = _system(machine, moment) if source == "system" else _container(machine, moment)
            if lines[given:]:
                yield "".join(f"{line}\n" for line in lines[given:]).encode()
                given = len(lines)
            if machine.status(self._world.now) == "removed":
                return
            await clock.sleep(_LOOK)


def _system(machine: Machine, moment: float) -> list[str]:
    image = machine.order.image
    return [
        f"{_time(at)} {_SAID.get(status, status).format(image=image)}" for at, status in machine.story if at <= moment
    ]


def _container(machine: Machine, moment: float) -> list[str]:
    """What the container has written in each time that it ran."""
    lines: list[str] = []
    order = machine.order
    for number, (at, status) in enumerate(machine.story):
        if status != "running" or at > moment:
            continue
        following = machine.story[number + 1 :]
        end = min(moment, following[0][0] if following else moment)
        lines.append(f"{_time(at)} $ {order.command or order.entrypoint or order.image}")
        lines += [f"{_time(at + tick * _TICK)} step {tick}" for tick in range(1, int((end - at) / _TICK + 1e-9) + 1)]
    return lines


def _time(moment: float) -> str:
    return datetime.datetime.fromtimestamp(moment, datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
