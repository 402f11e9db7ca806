"""What a COPY step of a template does: the files of an uploaded archive are put into a tree. Everything blocks."""

from __future__ import annotations

import errno
import os
import posixpath
import shutil
import tarfile
from contextlib import suppress
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

import msgspec

from .paths import remove

if TYPE_CHECKING:
    from pathlib import Path

    from .paths import Tree

__all__ = ["Copy", "unpack"]

_DIRECTORY_MODE = 0o755


class Copy(msgspec.Struct, frozen=True):
    """A COPY: what of the build context, and where to (absolute); a slash at its end makes it a directory.

    Attributes:
        mode: of everything that is copied; None for each one's own.
    """

    src: str
    dest: str
    mode: int | None = None


def unpack(archive: Path, copy: Copy, tree: Tree) -> int:
    """Put the files where COPY wants them; return how many there were.

    As Docker has it: of a directory that is named, the contents are copied; a file gets the name of the destination
    unless that is a directory, or there are several.

    Raises:
        OSError: the archive is none, or the tree does not take it: system directories cannot be changed.
    """
    src = posixpath.normpath(copy.src)
    try:
        with tarfile.open(archive, "r:gz") as tar:
            members = [(member, _root(posixpath.normpath(member.name), src)) for member in tar.getmembers()]
            found = [(member, root) for member, root in members if root is not None]
            roots = {root for _, root in found}
            below = {member.name: member for member in tar.getmembers()}
            into = copy.dest.endswith("/") or len(roots) > 1 or bool(tree.directory(copy.dest))
            for member, root in found:
                name = posixpath.normpath(member.name)
                whole = below.get(root)
                if root == "." or (whole is not None and whole.isdir()) or name != root:
                    target = posixpath.join(copy.dest, posixpath.relpath(name, root))
                else:
                    target = posixpath.join(copy.dest, posixpath.basename(name)) if into else copy.dest
                _put(tar, member, posixpath.normpath(target), tree, copy.mode)
    except (tarfile.TarError, EOFError) as error:
        raise OSError(errno.EINVAL, f"the uploaded archive cannot be read: {error}") from error
    if not found:
        raise OSError(errno.ENOENT, f"the uploaded archive holds nothing of {copy.src!r}")
    return sum(not member.isdir() for member, _ in found)


def _root(name: str, src: str) -> str | None:
    """The part of a member's path that a source names; None when it does not name it."""
    if name.startswith(("/", "../")) or name == "..":
        return None
    if src == ".":
        return "."
    parts = name.split("/")
    for end in range(1, len(parts) + 1):
        path = "/".join(parts[:end])
        if path == src or _matches(parts[:end], src.split("/")):
            return path
    return None


def _matches(parts: list[str], pattern: list[str]) -> bool:
    if not pattern:
        return not parts
    if pattern[0] == "**":
        return any(_matches(parts[skipped:], pattern[1:] or ["*"]) for skipped in range(len(parts) + 1))
    return bool(parts) and fnmatchcase(parts[0], pattern[0]) and _matches(parts[1:], pattern[1:])


def _put(tar: tarfile.TarFile, member: tarfile.TarInfo, path: str, tree: Tree, mode: int | None) -> None:
    """Make one thing in the tree, over what is there. Each path is walked anew: no member leads out of it."""
    mode = member.mode & 0o7777 if mode is None else mode
    if member.isdir():
        if path != "/" and not tree.directory(path):
            with tree.locate(path, make=True, write=True) as place:
                os.mkdir(place.name, mode or _DIRECTORY_MODE, dir_fd=place.fd)
        return
    with tree.locate(path, follow=False, make=True, write=True) as place:
        if not (member.isfile() or member.issym()):
            raise OSError(errno.EINVAL, f"{member.name!r} in the uploaded archive is neither a file nor a link")
        with suppress(FileNotFoundError):
            remove(place.name, place.fd)
        if member.issym():
            os.symlink(member.linkname, place.name, dir_fd=place.fd)
            return
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        source = tar.extractfile(member)
        with os.fdopen(os.open(place.name, flags, mode, dir_fd=place.fd), "wb") as file:
            os.fchmod(file.fileno(), mode)
            if source is not None:
                shutil.copyfileobj(source, file)
