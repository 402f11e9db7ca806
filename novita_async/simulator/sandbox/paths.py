"""Paths as a sandbox sees them, and the walk that keeps every one of them inside the sandbox's tree.

A sandbox's commands may write any link into its tree at any moment, also while a request is looking at it. So no path
is ever given to the kernel whole: `Tree.locate` opens one directory after the other with O_NOFOLLOW, reads links itself
and starts an absolute one again at the tree's root, and `..` goes back to a directory it has already open. What comes
out is a name in an open directory, for the calls that take `dir_fd`. A name that turns into a link after it was looked
at makes that call fail; it never leads out.

The system directories of a sandbox are not in its tree but mounted for its commands. What is seen of them here is what
its commands see, as far as everybody may read it: this process may be allowed more than they are.
"""

from __future__ import annotations

import errno
import os
import posixpath
import secrets
import stat
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from types import TracebackType

__all__ = ["SYSTEM", "Place", "Tree", "absolute", "is_system", "remove", "remove_directory"]

#: The directories that a command gets from the machine, read-only. In the tree itself they are empty.
SYSTEM = frozenset({"bin", "dev", "etc", "lib", "lib32", "lib64", "libx32", "proc", "sbin", "sys", "usr"})

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
# The kernel's own limits.
_MAX_LINKS = 40
_MAX_PATH = 4096
_MAX_SWEEPS = 100_000  # one for each level of depth, and for whoever fills it meanwhile


def absolute(path: str, home: str) -> str:
    """Return an absolute path without `.` and `..`; `~` and relative paths start at `home` (contract/sandbox.md 5).

    Raises:
        ValueError: another user's home, or a NUL byte.
    """
    if "\0" in path:
        raise ValueError("a path cannot hold a NUL byte")
    if path == "~" or path.startswith("~/"):
        path = home + path[1:]
    elif path.startswith("~"):
        raise ValueError(f"cannot expand the home directory of another user: {path!r}")
    # normpath keeps two leading slashes, which POSIX allows to mean something else.
    return "/" + posixpath.normpath(posixpath.join(home, path)).lstrip("/")


def is_system(path: str) -> bool:
    """Tell whether an absolute path is one of the system directories or lies below one."""
    return path.split("/", 2)[1] in SYSTEM


class Place:
    """A name in an open directory of a tree. To be closed.

    Attributes:
        fd: the directory.
        name: one component, or "." for the directory itself.
        path: absolute in the tree, every link on the way resolved.
        mounted: it is in a system directory.
    """

    def __init__(self, fd: int, name: str, path: str, *, mounted: bool = False) -> None:
        self.fd = fd
        self.name = name
        self.path = path
        self.mounted = mounted

    def close(self) -> None:
        os.close(self.fd)

    def __enter__(self) -> Place:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def stat(self) -> os.stat_result:
        """Stat the thing itself, a link as a link."""
        return os.stat(self.name, dir_fd=self.fd, follow_symlinks=False)

    def open(self, flags: int = os.O_RDONLY) -> int:
        """Open it to read.

        Raises:
            PermissionError: in a system directory, and not everybody may read it.
        """
        fd = os.open(self.name, flags | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=self.fd)
        if self.mounted:
            _check(fd, stat.S_IROTH, self.path)
        return fd

    def open_directory(self) -> int:
        return self.open(_DIRECTORY)


class Tree:
    """The files of one sandbox, below a directory of this machine. Every method blocks.

    Attributes:
        view: opens the directory in which its system directories are mounted; None when there is none, and they are
            empty.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.view: Callable[[], int] | None = None

    def locate(self, path: str, *, follow: bool = True, make: bool = False, write: bool = False) -> Place:
        """Find an absolute path without leaving the tree. The last component need not exist.

        Args:
            follow: also resolve the last component when it is a link.
            make: create missing directories on the way.
            write: the place is to be changed.

        Raises:
            FileNotFoundError: a directory on the way is missing.
            NotADirectoryError: with `make`, something on the way is no directory.
            ProcessLookupError: the sandbox has ended.
            PermissionError: `write` or `make` in a system directory, or on the root itself.
            OSError: ELOOP, too many links; ENAMETOOLONG.
        """
        if len(os.fsencode(path)) >= _MAX_PATH:
            raise OSError(errno.ENAMETOOLONG, os.strerror(errno.ENAMETOOLONG), path[:100])
        todo = path.split("/")[::-1]
        names: list[str] = []
        fds = [os.open(self.root, _DIRECTORY)]
        mounted = False
        links = 0
        last = "."
        try:
            while todo:
                name = todo.pop()
                if name in ("", "."):
                    continue
                if name == "..":
                    if names:
                        os.close(fds.pop())
                        names.pop()
                    continue
                if not names and self.view is not None and mounted != (name in SYSTEM):
                    root = os.open(self.root, _DIRECTORY) if mounted else self.view()
                    os.close(fds[0])
                    fds[0] = root
                    mounted = not mounted
                if not todo and not follow:
                    last = name
                    break
                target = _link(name, fds[-1])
                if target is not None:
                    links += 1
                    if links > _MAX_LINKS:
                        raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), path)
                    if target.startswith("/"):
                        while names:
                            os.close(fds.pop())
                            names.pop()
                    todo.extend(target.split("/")[::-1])
                elif not todo:
                    last = name
                    break
                else:
                    fd = _enter(name, fds[-1], make=make and not _protected([*names, name]), path=path)
                    if mounted:
                        _check(fd, stat.S_IXOTH, path)
                    fds.append(fd)
                    names.append(name)
            if last != ".":
                names.append(last)
            if write and _protected(names):
                raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), path)
            return Place(fds.pop(), last, "/" + "/".join(names), mounted=mounted)
        finally:
            for fd in fds:
                os.close(fd)

    def directory(self, path: str) -> str:
        """The path of a directory with every link resolved, or "" when there is no such directory."""
        try:
            with self.locate(path) as place:
                return place.path if stat.S_ISDIR(place.stat().st_mode) else ""
        except OSError:
            return ""


def _check(fd: int, bit: int, path: str) -> None:
    """Close what was opened in a system directory unless everybody may do that."""
    if not os.fstat(fd).st_mode & bit:
        os.close(fd)
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), path)


def _protected(names: list[str]) -> bool:
    return not names or names[0] in SYSTEM


def _link(name: str, fd: int) -> str | None:
    try:
        return os.readlink(name, dir_fd=fd)
    except OSError as error:
        if error.errno in (errno.EINVAL, errno.ENOENT):
            return None
        raise


def _enter(name: str, fd: int, *, make: bool, path: str) -> int:
    try:
        return os.open(name, _DIRECTORY, dir_fd=fd)
    except NotADirectoryError:
        if make:
            raise
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), path) from None
    except FileNotFoundError:
        if not make:
            raise
        with suppress(FileExistsError):  # somebody was faster: what is there now is opened like anything else
            os.mkdir(name, 0o755, dir_fd=fd)
        return os.open(name, _DIRECTORY, dir_fd=fd)


def remove(name: str, fd: int, *, force: bool = False) -> None:
    """Remove a file, or a directory with all it holds, without following a link and at any depth.

    A directory's subdirectories are first moved up into it, so neither the stack nor a path ever grows. With `force`
    directories without permissions are opened up; only for a tree in which nothing runs any more.

    Raises:
        FileNotFoundError: there is nothing of that name.
        OSError: ENOTEMPTY, something goes on filling the directory.
    """
    if not stat.S_ISDIR(os.stat(name, dir_fd=fd, follow_symlinks=False).st_mode):
        os.unlink(name, dir_fd=fd)
        return
    top = _open_to_empty(name, fd, force=force)
    try:
        for _ in range(_MAX_SWEEPS):
            if not _empty(top, into=top, force=force):
                break
    finally:
        os.close(top)
    os.rmdir(name, dir_fd=fd)


def remove_directory(directory: Path) -> None:
    """Remove a directory in which nothing runs any more, with all it holds; nothing when it is not there."""
    parent = os.open(directory.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        remove(directory.name, parent, force=True)
    except FileNotFoundError:
        pass
    finally:
        os.close(parent)


def _open_to_empty(name: str, fd: int, *, force: bool) -> int:
    if force:
        os.chmod(name, 0o700, dir_fd=fd)
    return os.open(name, _DIRECTORY, dir_fd=fd)


def _empty(fd: int, *, into: int, force: bool) -> bool:
    """Unlink what is in a directory; return whether something may be left in `into`."""
    again = False
    with os.scandir(fd) as entries:
        found = [(entry.name, entry.is_dir(follow_symlinks=False)) for entry in entries]
    for name, is_directory in found:
        if not is_directory:
            os.unlink(name, dir_fd=fd)
        elif fd != into:
            if force:
                os.chmod(name, 0o700, dir_fd=fd)
            os.rename(name, secrets.token_hex(8), src_dir_fd=fd, dst_dir_fd=into)
            again = True
        else:
            child = _open_to_empty(name, fd, force=force)
            try:
                again |= _empty(child, into=into, force=force)
            finally:
                os.close(child)
            try:
                os.rmdir(name, dir_fd=fd)
            except OSError as error:
                if error.errno != errno.ENOTEMPTY:
                    raise
                again = True  # filled again meanwhile
    return again
