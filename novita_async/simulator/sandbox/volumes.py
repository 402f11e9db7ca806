"""Volumes: directories that outlive the sandboxes they are mounted in (contract/sandbox.openapi.yaml, tag volumes).

A mounted volume's directory is moved into the sandbox's tree and back out when it is unmounted or the sandbox ends. No
link leads out of a tree that way, and commands and file requests see the same files in namespaces and without. The
price: a volume is in one sandbox at a time, and a clone or a snapshot has an empty directory in its place.
"""

from __future__ import annotations

import os
import re
import stat
from secrets import token_hex
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
from msgspec import Meta

from ...runtime.clock import uninterrupted
from ...transport.protocol import Reply
from ..router import json_reply
from .bodies import Mount, read, refusal
from .life import STATES, check_alive
from .paths import Tree, remove_directory

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from ..router import Call, Endpoint
    from .control import Sandboxes
    from .life import Life

__all__ = ["Volumes"]

_NAME = re.compile(r"[a-zA-Z0-9_-]+")
_DEFAULT_GIB = 10


class _Quota(msgspec.Struct):
    quotaSizeGiB: Annotated[int, Meta(ge=1)] | None = None
    quotaInodes: int | None = None


class _New(_Quota, kw_only=True):
    name: str


class _Volume:
    """A volume. `at` is where it is mounted: the sandbox, the path there, and what the directory is known by."""

    def __init__(self, name: str, *, directory: Path, quota_gib: int) -> None:
        self.id = directory.name
        self.name = name
        self.token = token_hex(32)
        self.directory = directory
        self.quota_gib = quota_gib
        self.at: tuple[Life, str, tuple[int, int]] | None = None


class Volumes:
    """The account's volumes."""

    def __init__(self, sandboxes: Sandboxes) -> None:
        self._sandboxes = sandboxes
        self._volumes: dict[str, _Volume] = {}
        self._directory: Path | None = None

    def routes(self, add: Callable[[str, str, Endpoint], None]) -> None:
        add("GET", "/volumes", self._list)
        add("POST", "/volumes", self._create)
        add("GET", "/volumes/{volume}", self._get)
        add("PATCH", "/volumes/{volume}", self._resize)
        add("DELETE", "/volumes/{volume}", self._delete)
        add("POST", "/sandboxes/{id}/volume-mounts", self._mount)
        add("DELETE", "/sandboxes/{id}/volume-mounts", self._unmount)

    async def aclose(self) -> None:
        """Remove all of them. Their sandboxes have ended."""
        self._volumes.clear()
        if self._directory is not None:
            directory, self._directory = self._directory, None
            await self._sandboxes.clock.to_thread(lambda: remove_directory(directory))

    # For the lives of sandboxes.

    def check(self, mounts: Iterable[Mount]) -> None:
        """Refuse mounts that cannot be made."""
        for mount in mounts:
            self._free(mount)

    async def mount_all(self, life: Life) -> None:
        """Mount what a sandbox has.

        Not to be cancelled, and in its turn: what is moved has to be known as moved, or its end would take it along.
        """
        for mount in life.mounts:
            await self._attach(life, self._free(mount), mount.path)

    async def release(self, life: Life) -> None:
        """Take every volume out of a sandbox; its mounts stay known."""
        for volume in list(self._volumes.values()):  # others may be made meanwhile
            if volume.at is not None and volume.at[0] is life:
                await self._detach(volume)

    # Endpoints.

    async def _list(self, call: Call) -> Reply:
        return json_reply([await self._told(volume, token=False) for volume in list(self._volumes.values())])

    async def _create(self, call: Call) -> Reply:
        new, base = await read(call, _New), await self._sandboxes.base()
        if not _NAME.fullmatch(new.name):
            raise refusal(400, "a volume's name has letters, digits, _ and -")
        if any(volume.name == new.name for volume in self._volumes.values()):
            raise refusal(400, f"volume '{new.name}' already exists")
        self._directory = base / "volumes"
        directory = self._directory / f"vol{token_hex(10)}"
        volume = _Volume(new.name, directory=directory, quota_gib=new.quotaSizeGiB or _DEFAULT_GIB)
        self._volumes[volume.id] = volume
        await self._sandboxes.clock.to_thread(lambda: volume.directory.mkdir(parents=True))
        return json_reply(await self._told(volume), status=201)

    async def _get(self, call: Call) -> Reply:
        return json_reply(await self._told(self._named(call)))

    async def _resize(self, call: Call) -> Reply:
        volume, quota = self._named(call), await read(call, _Quota)
        volume.quota_gib = quota.quotaSizeGiB or volume.quota_gib
        return json_reply(await self._told(volume))

    async def _delete(self, call: Call) -> Reply:
        volume = self._named(call)
        if users := [life.id for life in self._sandboxes.lives(STATES) if self._uses(life, volume)]:
            # The contract has no status for it; the official package's own tests say that it is an error.
            raise refusal(409, f"volume '{volume.name}' is mounted in sandbox {users[0]}")
        del self._volumes[volume.id]
        await uninterrupted(self._destroy(volume))
        return Reply(204)

    def _uses(self, life: Life, volume: _Volume) -> bool:
        return any(mount.name == volume.name for mount in life.mounts)

    async def _destroy(self, volume: _Volume) -> None:
        await self._detach(volume)
        await self._sandboxes.clock.to_thread(lambda: remove_directory(volume.directory))

    async def _mount(self, call: Call) -> Reply:
        life, mount = self._sandboxes.named(call), await read(call, Mount)
        if life.state != "running":
            raise refusal(400, f"Sandbox {life.id} is paused")
        volume = self._free(mount)
        if any(mount.path == other.path for other in life.mounts):
            raise refusal(400, f"there is a volume at {mount.path} already")
        await uninterrupted(self._add(life, volume, mount))
        return json_reply(life.detail())

    async def _unmount(self, call: Call) -> Reply:
        life, path = self._sandboxes.named(call), call.query.get("path", "")
        mount = next((mount for mount in life.mounts if mount.path == path), None)
        if mount is None:
            raise refusal(400, f"there is no volume at {path!r}")
        life.mounts.remove(mount)
        for volume in list(self._volumes.values()):
            if volume.name == mount.name:
                await uninterrupted(self._detach(volume))
        return json_reply(life.detail())

    async def _add(self, life: Life, volume: _Volume, mount: Mount) -> None:
        async with life.turn:
            check_alive(life)
            await self._attach(life, volume, mount.path)
            life.mounts.append(mount)

    # The moves.

    def _free(self, mount: Mount) -> _Volume:
        volume = next((volume for volume in self._volumes.values() if volume.name == mount.name), None)
        if volume is None:
            raise refusal(404, f"volume '{mount.name}' not found")
        if not mount.path.startswith("/"):
            raise refusal(400, "the path of a mount must be absolute")
        if volume.at is not None:
            where = volume.at[0].id
            raise refusal(400, f"volume '{mount.name}' is mounted in sandbox {where}; this simulator mounts it once")
        return volume

    async def _attach(self, life: Life, volume: _Volume, path: str) -> None:
        tree = life.machine.tree
        try:
            known = await self._sandboxes.clock.to_thread(lambda: _move_in(volume.directory, tree, path))
        except OSError as error:
            raise refusal(400, f"cannot mount at {path}: {error.strerror}") from error
        volume.at = (life, *known)

    async def _detach(self, volume: _Volume) -> None:
        if volume.at is not None:
            (life, path, known), volume.at = volume.at, None
            await self._sandboxes.clock.to_thread(lambda: _move_out(volume.directory, life.machine.tree, path, known))

    async def _told(self, volume: _Volume, *, token: bool = True) -> dict[str, Any]:
        used = await self._sandboxes.clock.to_thread(lambda: _used(volume))
        told: dict[str, Any] = {"volumeID": volume.id, "name": volume.name, "quotaSizeGiB": volume.quota_gib}
        told |= {"usedSizeBytes": used}
        return told | {"token": volume.token} if token else told

    def _named(self, call: Call) -> _Volume:
        volume = self._volumes.get(call.params["volume"])
        if volume is None:
            raise refusal(404, f"volume {call.params['volume']} not found")
        return volume


def _move_in(directory: Path, tree: Tree, path: str) -> tuple[str, tuple[int, int]]:
    """Put a directory into a tree, over nothing or an empty directory. Return its real path and what it is known by."""
    with tree.locate(path, make=True, write=True) as place:
        status = directory.stat()
        os.rename(directory, place.name, dst_dir_fd=place.fd)
        return place.path, (status.st_dev, status.st_ino)


def _move_out(directory: Path, tree: Tree, path: str, known: tuple[int, int]) -> None:
    """Take it back, and leave an empty one. What was moved away or removed meanwhile is lost to the volume."""
    try:
        with tree.locate(path, follow=False) as place:
            status = place.stat()
            if (status.st_dev, status.st_ino) == known and stat.S_ISDIR(status.st_mode):
                os.rename(place.name, directory, src_dir_fd=place.fd)
                os.mkdir(place.name, dir_fd=place.fd)
                return
    except FileNotFoundError:
        pass
    directory.mkdir()


def _used(volume: _Volume) -> int:
    """Bytes of its files, wherever it is."""
    try:
        if volume.at is None:
            fd = os.open(volume.directory, os.O_RDONLY | os.O_DIRECTORY)
        else:
            life, path, _ = volume.at
            with life.machine.tree.locate(path, follow=False) as place:
                fd = place.open_directory()
    except OSError:
        return 0  # it is just being removed, or its sandbox has moved it away
    try:
        total = 0
        for _, _, files, directory in os.fwalk(dir_fd=fd):
            for name in files:
                try:
                    total += os.stat(name, dir_fd=directory, follow_symlinks=False).st_size
                except FileNotFoundError:
                    continue
        return total
    finally:
        os.close(fd)
