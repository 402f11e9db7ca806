"""The Filesystem service of envd (contract/sandbox.md 5, envd/filesystem.proto)."""

from __future__ import annotations

import errno
import os
import stat
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from .door import gone
from .held import held
from .paths import absolute, remove
from .rpc import RpcError, Session, stream, unary
from .watch import Watcher, Watchers

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Generator

    from ..router import Router
    from .door import Door
    from .machine import Machine
    from .paths import Tree

__all__ = ["add_routes"]

T = TypeVar("T")


class Target(msgspec.Struct, frozen=True):
    path: str = ""


class ListDir(Target, frozen=True):
    depth: int = 1


class Move(msgspec.Struct, frozen=True):
    source: str = ""
    destination: str = ""


class Watch(Target, frozen=True):
    recursive: bool = False


class Watched(msgspec.Struct, frozen=True):
    watcherId: str = ""


def add_routes(router: Router, door: Door) -> None:
    """Serve the Filesystem service."""
    watchers = Watchers()

    async def create_watcher(session: Session[Watch]) -> dict[str, Any]:
        with _errors(session.machine, session.message.path):
            return {"watcherId": watchers.add(await _watch(session))}

    async def get_watcher_events(session: Session[Watched]) -> dict[str, Any]:
        with _known(session):
            changes = await watchers.drain(session.machine, session.message.watcherId)
        return {"events": changes} if changes else {}

    async def remove_watcher(session: Session[Watched]) -> dict[str, Any]:
        with _known(session):
            watchers.remove(session.machine, session.message.watcherId)
        return {}

    for name, endpoint in {
        "Stat": unary(door, Target, stat_),
        "MakeDir": unary(door, Target, make_dir),
        "Move": unary(door, Move, move),
        "ListDir": unary(door, ListDir, list_dir),
        "Remove": unary(door, Target, remove_),
        "WatchDir": stream(door, Watch, watch_dir),
        "CreateWatcher": unary(door, Watch, create_watcher),
        "GetWatcherEvents": unary(door, Watched, get_watcher_events),
        "RemoveWatcher": unary(door, Watched, remove_watcher),
    }.items():
        router.add("POST", f"/filesystem.Filesystem/{name}", endpoint)


async def stat_(session: Session[Target]) -> dict[str, Any]:
    return await _work(session, session.message.path, _describe)


async def make_dir(session: Session[Target]) -> dict[str, Any]:
    def make(tree: Tree, path: str) -> dict[str, Any]:
        with tree.locate(path, make=True, write=True) as place:
            try:
                os.mkdir(place.name, 0o755, dir_fd=place.fd)
            except FileExistsError:
                if stat.S_ISDIR(place.stat().st_mode):
                    raise
                raise NotADirectoryError(errno.ENOTDIR, "exists and is not a directory", path) from None
        return _describe(tree, path)

    return await _work(session, session.message.path, make)


async def move(session: Session[Move]) -> dict[str, Any]:
    destination = _absolute(session, session.message.destination)

    def rename(tree: Tree, path: str) -> dict[str, Any]:
        with tree.locate(path, follow=False, write=True) as source:
            source.stat()  # a missing source leaves no directories behind
            with tree.locate(destination, follow=False, make=True, write=True) as target:
                os.rename(source.name, target.name, src_dir_fd=source.fd, dst_dir_fd=target.fd)
        return _describe(tree, destination)

    return await _work(session, session.message.source, rename)


async def list_dir(session: Session[ListDir]) -> dict[str, Any]:
    depth = session.message.depth or 1

    def list_(tree: Tree, path: str) -> dict[str, Any]:
        entries: list[dict[str, Any]] = []
        # A stack instead of recursion: how deep a tree is, is up to the commands that made it.
        pending = _children(tree, path, 1, follow=True)
        while pending:
            below, level, info = pending.pop()
            entries.append(_entry(tree, below, info))
            if level < depth and stat.S_ISDIR(info.st_mode):
                try:
                    pending += _children(tree, below, level + 1, follow=False)
                except OSError:
                    continue  # removed meanwhile, or not to be read
        return {"entries": entries} if entries else {}

    return await _work(session, session.message.path, list_)


async def remove_(session: Session[Target]) -> dict[str, Any]:
    def remove_all(tree: Tree, path: str) -> dict[str, Any]:
        try:
            with tree.locate(path, follow=False, write=True) as place:
                remove(place.name, place.fd)
        except FileNotFoundError:
            pass
        return {}

    return await _work(session, session.message.path, remove_all)


async def watch_dir(session: Session[Watch]) -> AsyncGenerator[dict[str, Any], None]:
    clock = session.machine.clock
    watcher = await _watch(session)
    session.machine.watchers.add(watcher)
    try:
        deadline = None if session.timeout is None else clock.monotonic() + session.timeout
        yield {"start": {}}
        while True:
            left = session.keepalive if deadline is None else min(session.keepalive, deadline - clock.monotonic())
            if left <= 0:
                raise RpcError("deadline_exceeded", "the stream ran over its timeout")
            try:
                with held(clock):
                    async with clock.timeout(left):
                        await watcher.ready()
            except TimeoutError:
                if deadline is None or clock.monotonic() < deadline:
                    yield {"keepalive": {}}
                continue
            with _errors(session.machine, session.message.path):
                changes = await watcher.take()
            for change in changes:
                yield {"filesystem": change}
    finally:
        session.machine.watchers.discard(watcher)
        watcher.close()


async def _watch(session: Session[Watch]) -> Watcher:
    def begin(_: Tree, path: str) -> Watcher:
        watcher = Watcher(session.machine, path, recursive=session.message.recursive)
        watcher.open()
        return watcher

    return await _work(session, session.message.path, begin)


@contextmanager
def _known(session: Session[Watched]) -> Generator[None]:
    """Tell an unknown watcher, and one that has seen too much, in Connect's words."""
    watcher_id = session.message.watcherId
    try:
        yield
    except KeyError as error:
        raise RpcError("not_found", f"watcher with id {watcher_id!r} not found") from error
    except OSError as error:
        raise RpcError("internal", f"watcher {watcher_id!r}: {error.strerror}") from error


async def _work(session: Session[Any], path: str, function: Callable[[Tree, str], T]) -> T:
    """Do what blocks in a thread, and tell its errors in Connect's words."""
    machine, path = session.machine, _absolute(session, path)
    with _errors(machine, path):
        return await machine.clock.to_thread(lambda: function(machine.tree, path))


@contextmanager
def _errors(machine: Machine, path: str) -> Generator[None]:
    try:
        yield
    except OSError as error:
        if machine.ended:
            raise gone(machine.id) from error
        raise RpcError(_code(error), f"path {path!r}: {error.strerror}") from error


def _absolute(session: Session[Any], path: str) -> str:
    try:
        return absolute(path, session.user.home)
    except ValueError as error:
        raise RpcError("invalid_argument", str(error)) from error


def _code(error: OSError) -> str:
    match error:
        case FileNotFoundError():
            return "not_found"
        case FileExistsError():
            return "already_exists"
        case PermissionError():
            return "permission_denied"
        case _:
            return _CODES.get(error.errno or 0, "internal")


_CODES = {
    errno.EINVAL: "invalid_argument",
    errno.EISDIR: "invalid_argument",
    errno.ELOOP: "failed_precondition",
    errno.ENAMETOOLONG: "invalid_argument",
    errno.EMFILE: "resource_exhausted",
    errno.ENOSPC: "resource_exhausted",
    errno.ENOSYS: "unimplemented",
    errno.ENOTDIR: "invalid_argument",
    errno.ENOTEMPTY: "failed_precondition",
}


def _children(tree: Tree, path: str, level: int, *, follow: bool) -> list[tuple[str, int, os.stat_result]]:
    """The entries of a directory with their stats, the last in order first."""
    found: list[tuple[str, int, os.stat_result]] = []
    with tree.locate(path, follow=follow) as place:
        fd = place.open_directory()
    try:
        for name in sorted(os.listdir(fd), key=os.fsencode, reverse=True):
            try:
                info = os.stat(name, dir_fd=fd, follow_symlinks=False)
            except FileNotFoundError:
                continue  # removed meanwhile
            found.append((f"{path.rstrip('/')}/{name}", level, info))
    finally:
        os.close(fd)
    return found


def _describe(tree: Tree, path: str) -> dict[str, Any]:
    with tree.locate(path, follow=False) as place:
        info = place.stat()
    return {"entry": _entry(tree, path, info)}


def _entry(tree: Tree, path: str, info: os.stat_result) -> dict[str, Any]:
    """An EntryInfo. proto3 JSON leaves out zero values."""
    told: dict[str, Any] = {
        "name": _text(path.rpartition("/")[2] or "/"),
        "path": _text(path),
        "permissions": _permissions(info.st_mode),
        # What this Python process made is the sandbox user's.
        "owner": "user" if info.st_uid == os.getuid() else str(info.st_uid),
        "group": "user" if info.st_gid == os.getgid() else str(info.st_gid),
        "modifiedTime": datetime.fromtimestamp(info.st_mtime, UTC).isoformat().replace("+00:00", "Z"),
    }
    if info.st_size:
        told["size"] = str(info.st_size)
    if mode := stat.S_IMODE(info.st_mode) & 0o777:
        told["mode"] = mode
    kind = info.st_mode
    if stat.S_ISLNK(kind):
        try:
            with tree.locate(path) as target:
                kind = target.stat().st_mode
                told["symlinkTarget"] = _text(target.path)
        except OSError:
            told["symlinkTarget"] = _text(path)  # broken
    if stat.S_ISREG(kind):
        told["type"] = "FILE_TYPE_FILE"
    elif stat.S_ISDIR(kind):
        told["type"] = "FILE_TYPE_DIRECTORY"
    return told


def _permissions(mode: int) -> str:
    """Write a mode as Go does: what it is, one letter for each special bit, nine for the permissions."""
    kinds = {
        stat.S_IFDIR: "d",
        stat.S_IFLNK: "L",
        stat.S_IFIFO: "p",
        stat.S_IFSOCK: "S",
        stat.S_IFCHR: "Dc",
        stat.S_IFBLK: "D",
    }
    special = ((stat.S_ISUID, "u"), (stat.S_ISGID, "g"), (stat.S_ISVTX, "t"))
    letters = kinds.get(stat.S_IFMT(mode), "") + "".join(letter for bit, letter in special if mode & bit)
    bits = "".join(letter if mode & (0o400 >> place) else "-" for place, letter in enumerate("rwxrwxrwx"))
    return (letters or "-") + bits


def _text(name: str) -> str:
    """A name of any bytes as text that JSON can carry."""
    return os.fsencode(name).decode("utf-8", "replace")
