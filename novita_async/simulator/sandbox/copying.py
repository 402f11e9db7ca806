"""Copies of a sandbox's files: for clones, snapshots and templates."""

from __future__ import annotations

import errno
import fcntl
import os
import stat
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["copy_tree"]

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_DEEPEST = 200  # each level holds two descriptors
_FICLONE = 0x40049409
_PIECE = 64 * 1024 * 1024


def copy_tree(source: Path, target: Path) -> None:
    """Copy a directory to one that does not exist yet. Blocks.

    Links are copied as links and never followed. Blocks are shared where the file system can do that, and holes stay
    holes. Permissions and times are kept. Sockets, pipes and devices are left out, and hard links become files of
    their own.

    Raises:
        OSError: ENAMETOOLONG, directories are nested too deeply; whatever else the file system says.
    """
    target.mkdir(mode=0o700)
    outer = os.open(source, _DIRECTORY)
    try:
        inner = os.open(target, _DIRECTORY)
        try:
            _copy_directory(outer, inner, 0)
        finally:
            os.close(inner)
    finally:
        os.close(outer)


def _copy_directory(source: int, target: int, depth: int) -> None:
    if depth > _DEEPEST:
        raise OSError(errno.ENAMETOOLONG, "directories are nested too deeply to be copied")
    with os.scandir(source) as entries:
        names = [entry.name for entry in entries]
    for name in names:
        with suppress(FileNotFoundError):  # removed meanwhile
            _copy(name, source, target, depth)
    _finish(os.fstat(source), target)


def _copy(name: str, source: int, target: int, depth: int) -> None:
    about = os.stat(name, dir_fd=source, follow_symlinks=False)
    if stat.S_ISLNK(about.st_mode):
        os.symlink(os.readlink(name, dir_fd=source), name, dir_fd=target)
    elif stat.S_ISDIR(about.st_mode):
        outer = _open(name, source, _DIRECTORY)
        try:
            os.mkdir(name, 0o700, dir_fd=target)
            inner = os.open(name, _DIRECTORY, dir_fd=target)
            try:
                _copy_directory(outer, inner, depth + 1)
            finally:
                os.close(inner)
        finally:
            os.close(outer)
    elif stat.S_ISREG(about.st_mode):
        outer = _open(name, source, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
            inner = os.open(name, flags, 0o600, dir_fd=target)
            try:
                _copy_content(outer, inner)
                _finish(os.fstat(outer), inner)
            finally:
                os.close(inner)
        finally:
            os.close(outer)


def _open(name: str, directory: int, flags: int) -> int:
    try:
        return os.open(name, flags, dir_fd=directory)
    except PermissionError:
        # Its owner may take every permission away; it is still the owner's, and so this process's.
        about = os.open(name, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=directory)
        try:
            mode = stat.S_IMODE(os.fstat(about).st_mode)
            if stat.S_ISLNK(os.fstat(about).st_mode):
                raise
            os.chmod(f"/proc/self/fd/{about}", mode | 0o700)
            try:
                opened = os.open(name, flags, dir_fd=directory)
            finally:
                os.chmod(f"/proc/self/fd/{about}", mode)
        finally:
            os.close(about)
        return opened


def _copy_content(source: int, target: int) -> None:
    try:
        fcntl.ioctl(target, _FICLONE, source)
        return
    except OSError:
        pass  # another file system, or one that cannot share
    size = os.fstat(source).st_size
    start = 0
    while start < size:
        try:
            start = os.lseek(source, start, os.SEEK_DATA)
        except OSError as error:
            if error.errno != errno.ENXIO:
                raise
            break  # a hole up to the end
        end = os.lseek(source, start, os.SEEK_HOLE)
        os.lseek(target, start, os.SEEK_SET)
        while start < end:
            sent = os.sendfile(target, source, start, min(end - start, _PIECE))
            if not sent:
                return  # cut off meanwhile
            start += sent
    os.ftruncate(target, size)


def _finish(about: os.stat_result, target: int) -> None:
    os.fchmod(target, stat.S_IMODE(about.st_mode))
    os.utime(target, ns=(about.st_atime_ns, about.st_mtime_ns))
