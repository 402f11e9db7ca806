"""Copies of sandboxes: clones, and snapshots to make others from (contract/sandbox.md 9).

The files are copied while the sandbox stands still. Memory and processes are not: a clone begins with none.
"""

from __future__ import annotations

from secrets import token_hex
from typing import TYPE_CHECKING, Any

import msgspec

from ...runtime.clock import uninterrupted
from ..router import Refusal, json_reply
from . import bodies
from .bodies import Order, page_of, read, refusal
from .images import Image
from .life import ENVD_VERSION, check_alive, ending_as_gone

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from ...transport.protocol import Reply
    from ..router import Call, Endpoint
    from .control import Sandboxes
    from .life import Life

__all__ = ["Snapshot", "Snapshots", "clone"]

#: How long the clone of a paused sandbox lives when nothing is said of it, in seconds.
_CLONE_SECONDS = 300


class _NewSnapshot(msgspec.Struct):
    name: str | None = None


class Snapshot(msgspec.Struct, frozen=True, kw_only=True):
    """A sandbox's files as they were. `created` is in Unix seconds."""

    image: Image
    names: list[str]
    sandbox_id: str
    serial: int
    created: float


class Snapshots:
    """The account's snapshots. They outlive the sandboxes that they were made of."""

    def __init__(self, sandboxes: Sandboxes) -> None:
        self._sandboxes = sandboxes
        self._snapshots: dict[str, Snapshot] = {}
        self._serial = 0

    def routes(self, add: Callable[[str, str, Endpoint], None]) -> None:
        add("GET", "/snapshots", self._list)
        add("POST", "/sandboxes/{id}/snapshots", self._create)

    def all(self) -> list[Snapshot]:
        """The newest first."""
        return sorted(self._snapshots.values(), key=lambda snapshot: -snapshot.serial)

    def find(self, template: str) -> Image | None:
        """The image of a snapshot's id, with or without its tag, or of its name."""
        for snapshot in self.all():
            if template in (snapshot.image.id, snapshot.image.id.partition(":")[0], *snapshot.names):
                return snapshot.image
        return None

    async def remove(self, template: str) -> bool:
        """Delete a snapshot; False when there is none. For DELETE /templates/{id}."""
        image = self.find(template)
        if image is None or image.tree is None:
            return False
        del self._snapshots[image.id]
        await uninterrupted(self._sandboxes.discard(image.tree))
        return True

    async def aclose(self) -> None:
        """Delete all."""
        for snapshot in self.all():
            await self.remove(snapshot.image.id)

    async def _list(self, call: Call) -> Reply:
        wanted = call.query.get("sandboxID", "")
        found = [(one.serial, one) for one in self.all() if not wanted or one.sandbox_id == wanted]
        page, headers = page_of(call, found)
        return json_reply([_told(snapshot) for snapshot in page], headers=headers)

    async def _create(self, call: Call) -> Reply:
        life, wanted = self._sandboxes.named(call), await read(call, _NewSnapshot)
        snapshot = await uninterrupted(self._keep(life, wanted.name))
        self._sandboxes.timeline.record("snapshot", life, status=201)
        return json_reply(_told(snapshot), status=201)

    async def _keep(self, life: Life, name: str | None) -> Snapshot:
        tree = await _copied(self._sandboxes, life)
        self._serial += 1
        snapshot_id = f"{token_hex(10)}:default"
        snapshot = Snapshot(
            image=msgspec.structs.replace(life.image, id=snapshot_id, alias=name or "", tree=tree),
            names=[name] if name else [snapshot_id],
            sandbox_id=life.id,
            serial=self._serial,
            created=self._sandboxes.clock.time(),
        )
        self._snapshots[snapshot_id] = snapshot
        return snapshot


async def clone(sandboxes: Sandboxes, call: Call, life: Life) -> Reply:
    """POST /sandboxes/{id}/clone: as many as there is room for; all or none with `strict`."""
    wanted = await read(call, bodies.Clone)
    room = sandboxes.concurrent - len(sandboxes.lives({"running"}))
    if room < 1 or (wanted.strict and room < wanted.count):
        sandboxes.check_room(wanted.count if wanted.strict else 1)
    clones = await uninterrupted(_clones(sandboxes, life, min(wanted.count, room), wanted))
    sandboxes.timeline.record("clone", life)
    return json_reply({"sandboxes": [_clone_told(each) for each in clones]})


async def _clones(sandboxes: Sandboxes, life: Life, count: int, wanted: bodies.Clone) -> list[Life]:
    inherited = life.left if life.state == "running" else _CLONE_SECONDS
    seconds = inherited if wanted.timeout is None else wanted.timeout
    # Its mounts stay behind: a volume is in one sandbox at a time.
    order: Order = msgspec.structs.replace(life.order, volumeMounts=[], network=life.network)
    tree = await _copied(sandboxes, life)
    made: list[Life] = []
    try:
        for _ in range(count):
            copy = await sandboxes.new(
                msgspec.structs.replace(order), msgspec.structs.replace(life.image, tree=tree), seconds=seconds
            )
            copy.machine.secure, copy.on_timeout = life.machine.secure, life.on_timeout
            copy.machine.memory_mb = life.memory_mb
            sandboxes.timeline.record("create", copy, status=201)
            made.append(copy)
    except BaseException as error:
        if made and not wanted.strict and isinstance(error, Refusal):
            return made  # somebody took the rest of the room meanwhile
        for copy in made:
            if not copy.machine.ended:
                sandboxes.end(copy)
        raise
    finally:
        await sandboxes.discard(tree)
    return made


async def _copied(sandboxes: Sandboxes, life: Life) -> Path:
    """Copy the files of a sandbox, which stands still meanwhile."""
    async with life.turn:
        check_alive(life)
        if not life.frozen:
            with ending_as_gone(life):
                await life.machine.pause()
        try:
            await sandboxes.volumes.release(life)
            return await life.machine.copy()
        except OSError as error:
            raise refusal(500, f"the files cannot be copied: {error}") from error
        finally:
            if not life.machine.ended:
                await sandboxes.volumes.mount_all(life)
                if not life.frozen:
                    with ending_as_gone(life):
                        await life.machine.resume()


def _told(snapshot: Snapshot) -> dict[str, Any]:
    return {"snapshotID": snapshot.image.id, "names": snapshot.names}


def _clone_told(life: Life) -> dict[str, Any]:
    told: dict[str, Any] = {
        "sandboxID": life.id,
        "clientID": life.machine.client_id,
        "envdVersion": ENVD_VERSION,
        "trafficAccessToken": life.traffic_token,
    }
    return told | {"envdAccessToken": life.machine.token} if life.machine.secure else told
