"""Commands that succeed when what a template starts is ready: for `Template.set_start_cmd` and `set_ready_cmd`."""

from __future__ import annotations

import math
import shlex

from ..errors import ValidationError
from ..runtime.arguments import check_timeout

__all__ = ["wait_for_file", "wait_for_port", "wait_for_process", "wait_for_timeout", "wait_for_url"]


def wait_for_port(port: int) -> str:
    """Ready when something listens on a port, 1 to 65535."""
    if not isinstance(port, int) or not 1 <= port <= 65535:  # pyright: ignore[reportUnnecessaryIsInstance] - a caller's
        raise ValidationError(f"port must be from 1 to 65535, got {port!r}")
    # The end of the number matters: 80 is not ready because 8080 is.
    return f"ss -tuln | grep -qE ':{port}[[:space:]]'"


def wait_for_url(url: str, *, status: int = 200) -> str:
    """Ready when a URL answers with a status."""
    return f"""[ "$(curl -s -o /dev/null -w '%{{http_code}}' {shlex.quote(url)})" = {int(status)} ]"""


def wait_for_file(path: str) -> str:
    """Ready when a file is there."""
    return f"[ -f {shlex.quote(path)} ]"


def wait_for_process(name: str) -> str:
    """Ready when a process of a name runs."""
    return f"pgrep {shlex.quote(name)} > /dev/null"


def wait_for_timeout(seconds: float) -> str:
    """Ready after so many seconds, rounded up to whole ones, at least 1."""
    if check_timeout(seconds, "seconds") is None:
        raise ValidationError("seconds must be a number")
    return f"sleep {max(1, math.ceil(seconds))}"
