"""The machine: which core does what, what a process used, and the facts without which a number means nothing."""

from __future__ import annotations

import contextlib
import importlib.metadata
import os
import pathlib
import platform
import resource
import shutil
import sys

__all__ = ["cores", "facts", "forget_peak", "peak_rss", "pin", "rss"]

_PACKAGES = (
    *("novita-async", "aiohttp", "msgspec", "anyio"),
    *("openai", "novita-sandbox", "pydantic", "httpx2", "httpx"),
)


def cores() -> tuple[int, int]:
    """The core of the stub and the core of the client; -1 for both where they cannot be told apart or not pinned."""
    if not hasattr(os, "sched_getaffinity"):
        return -1, -1
    usable = sorted(os.sched_getaffinity(0))
    return (usable[0], usable[-1]) if len(usable) > 1 else (-1, -1)


def pin(core: int) -> None:
    """Keep this process on one core; -1 leaves it to the system."""
    if core >= 0:
        os.sched_setaffinity(0, {core})


def rss() -> int:
    """Bytes of this process that are in memory now; 0 where the system does not say."""
    return _status("VmRSS")


def peak_rss() -> int:
    """The most bytes that this process had in memory."""
    # getrusage is the second choice: on Linux a child inherits the peak of the process that started it.
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return _status("VmHWM") or (peak if sys.platform == "darwin" else peak * 1024)


def forget_peak() -> None:
    """Let the peak be counted from now on; where the system cannot do that it stays what it was."""
    with contextlib.suppress(OSError):
        pathlib.Path("/proc/self/clear_refs").write_text("5")


def _status(name: str) -> int:
    try:
        lines = pathlib.Path("/proc/self/status").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith(f"{name}:")), 0)


def facts() -> dict[str, object]:
    """What to know of the machine to compare two documents. No paths, no names of hosts."""
    _, client = cores()
    return {
        "cpu": _cpu_model(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "pinned": client >= 0,
        "bubblewrap": shutil.which("bwrap") is not None,
        "load_before": round(os.getloadavg()[0], 2),
        "system": f"{platform.system()} {platform.release()}",
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "packages": {name: version for name in _PACKAGES if (version := _version(name))},
    }


def _cpu_model() -> str:
    try:
        lines = pathlib.Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def _version(name: str) -> str:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return ""
