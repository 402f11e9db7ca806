"""What a sandbox uses of this machine."""

from __future__ import annotations

import os
import random
import signal
from contextlib import suppress
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

__all__ = ["Meter", "Used", "are_stopped", "disk_used", "end_all", "marked", "some_processors", "sweep"]

_DISK_SECONDS = 5.0


class Used(msgspec.Struct, frozen=True):
    """`cpu_percent` of one processor since the last look, `memory` and `disk` in bytes."""

    cpu_percent: float
    memory: int
    disk: int


class Meter:
    """Measures the processes and the tree of one sandbox. Blocks."""

    def __init__(self, tree: Path) -> None:
        self._tree = tree
        self._seen_at = _now()
        self._seconds: dict[int, float] = {}
        self._disk = 0
        self._disk_at: float | None = None

    def measure(self, pids: Iterable[int]) -> Used:
        """Look at them now."""
        now = _now()
        seconds: dict[int, float] = {}
        memory = 0
        for pid in pids:
            try:
                with open(f"/proc/{pid}/stat", "rb") as file:
                    # The name, in parentheses, may hold anything. After it: state, ppid, ...
                    fields = file.read().rpartition(b")")[2].split()
            except OSError:
                continue
            seconds[pid] = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
            memory += int(fields[21]) * os.sysconf("SC_PAGE_SIZE")
        used = sum(each - self._seconds.get(pid, 0.0) for pid, each in seconds.items())
        passed = now - self._seen_at
        self._seen_at, self._seconds = now, seconds
        if self._disk_at is None or now - self._disk_at > _DISK_SECONDS:
            self._disk, self._disk_at = disk_used(self._tree), now
        return Used(max(0.0, 100 * used / passed) if passed > 0 else 0.0, memory, self._disk)


def _now() -> float:
    return os.times().elapsed  # of the processes' own time, which no clock of a test turns


def disk_used(tree: Path) -> int:
    """Bytes that the files of a directory take. Blocks."""
    used = 0
    for _, directories, files, fd in os.fwalk(tree, onerror=None):
        for name in (*directories, *files):
            try:
                used += os.stat(name, dir_fd=fd, follow_symlinks=False).st_blocks * 512
            except OSError:
                continue
    return used


def some_processors(count: int) -> list[int]:
    """So many of the processors that this process may use; none when it has no more than that."""
    if not hasattr(os, "sched_getaffinity"):
        return []
    usable = sorted(os.sched_getaffinity(0))
    return random.sample(usable, count) if count < len(usable) else []


def marked(marker: str) -> list[int]:
    """The pids of this machine's processes that started with this variable (`NAME=value`). Blocks."""
    return [pid for pid, _ in _marked(marker)]


def sweep(marker: str, number: int) -> int:
    """Send them a signal; return how many there were. Blocks."""
    found = 0
    for _, pidfd in _marked(marker, keep=True):
        try:
            signal.pidfd_send_signal(pidfd, number)
            found += 1
        except OSError:
            continue
        finally:
            os.close(pidfd)
    return found


def end_all(marker: str) -> None:
    """Kill them, and what they start meanwhile. Blocks."""
    while sweep(marker, signal.SIGKILL):
        pass


def are_stopped(pids: Iterable[int]) -> bool:
    """Tell whether none of these processes runs. Blocks."""
    for pid in pids:
        with suppress(OSError), open(f"/proc/{pid}/stat", "rb") as file:
            if file.read().rpartition(b")")[2].split()[0] not in (b"T", b"t", b"Z", b"X"):
                return False
    return True


def _marked(marker: str, *, keep: bool = False) -> Iterable[tuple[int, int]]:
    if not hasattr(os, "pidfd_open") or not os.path.exists("/proc/self/environ"):
        return
    for name in filter(str.isdigit, os.listdir("/proc")):
        try:
            pidfd = os.pidfd_open(int(name))
        except OSError:
            continue
        # The descriptor was taken first, so a signal cannot hit another process that got the same number.
        try:
            with open(f"/proc/{name}/environ", "rb") as file:
                found = marker.encode() in file.read().split(b"\0")
        except OSError:
            found = False
        if not found or not keep:
            os.close(pidfd)
        if found:
            yield int(name), pidfd
