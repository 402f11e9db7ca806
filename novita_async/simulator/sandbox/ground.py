"""Where a simulator keeps its sandboxes, and what dead simulators have left behind."""

from __future__ import annotations

import fcntl
import os
import tempfile
import time
from contextlib import suppress
from pathlib import Path

from .isolation import MARK, PROBE
from .paths import remove_directory
from .resources import end_all

__all__ = ["Ground"]

_PREFIX = "novita-sandboxes-"
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_MAKING_SECONDS = 60.0


class Ground:
    """A temporary directory, locked while its simulator lives; the system takes the lock off when that is killed.

    Attributes:
        path: the directory.
    """

    def __init__(self, path: Path, lock: int) -> None:
        self.path = path
        self._lock = lock

    @staticmethod
    def clear() -> None:
        """Clear away those whose simulators are dead. Blocks."""
        _clear(Path(tempfile.gettempdir()))

    @classmethod
    def claim(cls) -> Ground:
        """Make one, and clear away those whose simulators are dead. Blocks."""
        cls.clear()
        while True:
            path = Path(tempfile.mkdtemp(prefix=_PREFIX))
            try:
                lock = os.open(path, _DIRECTORY)
                fcntl.flock(lock, fcntl.LOCK_EX)
            except FileNotFoundError:
                continue
            if path.exists():  # another simulator may have taken it for a dead one's just before the lock
                return cls(path, lock)
            os.close(lock)

    def release(self) -> None:
        """Remove it, and with it all that is in it. Blocks. Safe to call twice."""
        if self._lock >= 0:
            remove_directory(self.path)
            os.close(self._lock)
            self._lock = -1


def _clear(parent: Path) -> None:
    for path in parent.glob(f"{_PREFIX}*"):
        with suppress(OSError):  # another user's, or another simulator was faster
            lock = os.open(path, _DIRECTORY)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                inside = os.listdir(lock)
                if os.fstat(lock).st_uid == os.geteuid() and (inside or _old(path)):
                    for name in inside:
                        end_all(f"{MARK}={name}")  # plain processes that have outlived it
                    remove_directory(path)
            finally:
                os.close(lock)
    for path in parent.glob(f"{PROBE}*"):
        with suppress(OSError):
            if path.stat(follow_symlinks=False).st_uid == os.geteuid() and _old(path):
                remove_directory(path)


def _old(path: Path) -> bool:
    """Whether nobody can be about to use it."""
    return time.time() - path.stat(follow_symlinks=False).st_mtime > _MAKING_SECONDS
