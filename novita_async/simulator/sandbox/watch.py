"""Directories under watch (contract/sandbox.md 5), by the kernel's inotify.

A sandbox's files are files of this machine, so what its commands do to them is seen from here. Nothing is watched by
its path, which a command may have bent meanwhile: a directory is opened first, without following a link, and the open
directory is what is watched. No thread waits for events; reading them and opening new directories is done in one.
"""

from __future__ import annotations

import asyncio
import ctypes
import errno
import os
import secrets
import struct
from collections import deque
from contextlib import suppress
from typing import TYPE_CHECKING

import msgspec

from ...errors import ConnectionLost

if TYPE_CHECKING:
    from .machine import Machine

__all__ = ["Change", "Watcher", "Watchers"]

_NONBLOCK, _CLOEXEC = os.O_NONBLOCK, os.O_CLOEXEC
_ATTRIB, _MODIFY, _MOVED_FROM, _MOVED_TO, _CREATE, _DELETE = 0x4, 0x2, 0x40, 0x80, 0x100, 0x200
_OVERFLOW, _IGNORED, _IS_DIRECTORY = 0x4000, 0x8000, 0x40000000
_ALL = _ATTRIB | _MODIFY | _MOVED_FROM | _MOVED_TO | _CREATE | _DELETE

#: What envd calls them; a file that was moved in is a new one, a file that was moved out was renamed.
_TYPES = {
    _CREATE: "EVENT_TYPE_CREATE",
    _MOVED_TO: "EVENT_TYPE_CREATE",
    _MODIFY: "EVENT_TYPE_WRITE",
    _DELETE: "EVENT_TYPE_REMOVE",
    _MOVED_FROM: "EVENT_TYPE_RENAME",
    _ATTRIB: "EVENT_TYPE_CHMOD",
}
_HEADER = struct.Struct("iIII")  # watch, mask, cookie, length of the name
_READ_SIZE = 64 * 1024
_MOST_KEPT = 10_000  # changes that nobody has asked for yet
_MOST_WATCHERS = 100  # of one sandbox


class Change(msgspec.Struct, frozen=True):
    """Something happened to a file: `name` is relative to the watched directory."""

    name: str
    type: str


class Watcher:
    """A directory under watch, with those below it when `recursive`. To be closed."""

    def __init__(self, machine: Machine, path: str, *, recursive: bool) -> None:
        self.machine = machine
        self._path = path
        self._recursive = recursive
        self._names: dict[int, str] = {}
        self._fd = -1
        self._stirred = asyncio.Event()
        self._broken = False

    def open(self) -> None:
        """Begin. Blocks.

        Raises:
            OSError: there is no such directory, it is none, or this machine watches no more.
        """
        with self.machine.tree.locate(self._path) as place:
            self._path = place.path
            root = place.open_directory()
        try:
            self._fd = _call("inotify_init1", _NONBLOCK | _CLOEXEC)
            self._add(root, "")
        except BaseException:
            self.close()
            raise
        finally:
            os.close(root)
        if self._recursive:
            self._descend("")

    async def ready(self) -> None:
        """Wait until something has happened. A wait that is given up loses nothing."""
        loop = asyncio.get_running_loop()
        if not self._broken:
            self._stirred.clear()
        loop.add_reader(self._fd, self._stirred.set)
        try:
            await self._stirred.wait()
        finally:
            loop.remove_reader(self._fd)

    def break_off(self) -> None:
        """Let whoever waits, now or later, be told that it is over."""
        self._broken = True
        self._stirred.set()

    async def take(self) -> list[Change]:
        """What has happened since the last call; it may turn out to be nothing.

        Raises:
            ConnectionLost: the sandbox has ended, or the watch was broken off.
            OSError: more happened than the kernel keeps.
        """
        changes = await self.machine.clock.to_thread(self._read)
        if self._broken or self.machine.ended:
            raise ConnectionLost("the sandbox ended, or was paused")
        return changes

    def close(self) -> None:
        """Watch no more. Safe to call twice."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    # Everything below blocks.

    def _read(self) -> list[Change]:
        changes: list[Change] = []
        with suppress(BlockingIOError):
            while len(changes) < _MOST_KEPT:
                self._understand(os.read(self._fd, _READ_SIZE), changes)
        return changes

    def _understand(self, data: bytes, changes: list[Change]) -> None:
        start = 0
        while start < len(data):
            watch, mask, _, length = _HEADER.unpack_from(data, start)
            start += _HEADER.size
            name = os.fsdecode(data[start : start + length].rstrip(b"\0"))
            start += length
            if mask & _OVERFLOW:
                raise OSError(errno.EOVERFLOW, "more happened than can be told")
            if mask & _IGNORED:
                self._names.pop(watch, None)
            elif name and watch in self._names:
                self._happened(mask, _below(self._names[watch], name), changes)

    def _happened(self, mask: int, name: str, changes: list[Change]) -> None:
        kind = next((type_ for bit, type_ in _TYPES.items() if mask & bit), None)
        if kind is None:
            return
        changes.append(_change(name, kind))
        if self._recursive and mask & _IS_DIRECTORY:
            if mask & _MOVED_FROM:
                self._drop(name)
            elif mask & (_CREATE | _MOVED_TO):
                # What was put into a new directory before it was watched is told as well.
                found = self._descend(name)
                if mask & _CREATE:
                    changes += found

    def _descend(self, name: str) -> list[Change]:
        """Watch a directory with all below it; return what it took to fill it. What is gone already is passed over."""
        found: list[Change] = []
        pending = [name]
        while pending:
            name = pending.pop()
            try:
                with self.machine.tree.locate(_below(self._path, name), follow=not name) as place:
                    fd = place.open_directory()
            except OSError:
                continue
            try:
                if name:
                    self._add(fd, name)
                with os.scandir(fd) as entries:
                    for entry in entries:
                        below = _below(name, entry.name)
                        found.append(_change(below, _TYPES[_CREATE]))
                        if entry.is_dir(follow_symlinks=False):
                            pending.append(below)
                        elif entry.is_file(follow_symlinks=False) and entry.stat(follow_symlinks=False).st_size:
                            found.append(_change(below, _TYPES[_MODIFY]))
            except FileNotFoundError:
                continue
            finally:
                os.close(fd)
        return found

    def _add(self, fd: int, name: str) -> None:
        self._names[_call("inotify_add_watch", self._fd, f"/proc/self/fd/{fd}".encode(), _ALL)] = name

    def _drop(self, name: str) -> None:
        """Forget a directory that was moved away, and those below it."""
        for watch, known in list(self._names.items()):
            if known == name or known.startswith(f"{name}/"):
                with suppress(OSError):
                    _call("inotify_rm_watch", self._fd, watch)
                del self._names[watch]


class _Polled:
    """A watcher whose changes are kept until somebody asks for them."""

    def __init__(self, watcher: Watcher) -> None:
        self.watcher = watcher
        self.kept: deque[Change] = deque()
        self.failure: OSError | None = None
        self._taking = asyncio.Lock()
        self.task = asyncio.get_running_loop().create_task(self._collect(), name="a polled watcher")

    async def _collect(self) -> None:
        try:
            while True:
                await self.watcher.ready()
                await self._take()
        except ConnectionLost:
            pass
        except OSError as error:
            self.failure = error

    async def _take(self) -> None:
        async with self._taking:
            self.kept += await self.watcher.take()
        if len(self.kept) >= _MOST_KEPT:
            raise OSError(errno.EOVERFLOW, "more happened than is kept")

    async def drain(self) -> list[Change]:
        if not self.task.done():
            await self._take()  # what happened before the call is a part of its answer
        elif self.failure is not None and not self.kept:
            raise self.failure
        changes = list(self.kept)
        self.kept.clear()
        return changes


class Watchers:
    """The watchers that are asked for their changes, of all sandboxes."""

    def __init__(self) -> None:
        self._polled: dict[str, _Polled] = {}

    def add(self, watcher: Watcher) -> str:
        """Keep what an open watcher sees; return an id for it.

        Raises:
            OSError: EMFILE, the sandbox has too many.
        """
        mine = [polled for polled in self._polled.values() if polled.watcher.machine is watcher.machine]
        if len(mine) >= _MOST_WATCHERS:
            watcher.close()
            raise OSError(errno.EMFILE, "too many watchers")
        watcher_id = "w" + secrets.token_hex(8)
        polled = self._polled[watcher_id] = _Polled(watcher)

        def done(_: object) -> None:
            watcher.close()
            if watcher.machine.ended:
                self._polled.pop(watcher_id, None)

        polled.task.add_done_callback(done)
        return watcher_id

    async def drain(self, machine: Machine, watcher_id: str) -> list[Change]:
        """What happened since the last call.

        Raises:
            KeyError: no such watcher.
            OSError: more happened than can be kept.
        """
        return await self._find(machine, watcher_id).drain()

    def remove(self, machine: Machine, watcher_id: str) -> None:
        """End a watcher; KeyError when there is none."""
        self._find(machine, watcher_id).task.cancel()
        del self._polled[watcher_id]

    def _find(self, machine: Machine, watcher_id: str) -> _Polled:
        polled = self._polled[watcher_id]
        if polled.watcher.machine is not machine:
            raise KeyError(watcher_id)
        return polled


def _below(directory: str, name: str) -> str:
    return f"{directory.rstrip('/')}/{name}" if directory and name else directory or name


def _change(name: str, kind: str) -> Change:
    return Change(os.fsencode(name).decode("utf-8", "replace"), kind)


def _call(function: str, *arguments: int | bytes) -> int:
    """Call one of inotify's functions; OSError when it fails, or when this system has no such thing."""
    try:
        result: int = getattr(ctypes.CDLL(None, use_errno=True), function)(*arguments)
    except AttributeError:
        raise OSError(errno.ENOSYS, "this system has no inotify") from None
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return result
