"""What this room checks before a byte leaves."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import cast

from ..errors import ValidationError
from ..runtime.arguments import check_timeout

__all__ = ["check_path", "check_pid", "check_strings", "check_user", "encoded", "is_host", "is_id", "whole_seconds"]

_ID = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9])?")
_HOST = re.compile(rf"{_ID.pattern}(?:\.{_ID.pattern})*(?::[0-9]{{1,5}})?")

_LONGEST = 2**31 - 1  # the contract's integers are 32 bits wide


def is_id(value: str) -> bool:
    """Whether this can be a sandbox's id. It becomes a part of paths and of host names."""
    return _ID.fullmatch(value) is not None


def is_host(value: str) -> bool:
    """Whether this is a host name, with or without a port."""
    return _HOST.fullmatch(value) is not None


def whole_seconds(name: str, value: float, *, most: int = _LONGEST) -> int:
    """A duration as the platform takes it: whole seconds, rounded up."""
    if check_timeout(value, name) is None or value > most:
        raise ValidationError(f"{name} must be a number of seconds up to {most}, got {value!r}")
    return math.ceil(value)


def check_path(name: str, path: object) -> str:
    """Refuse what cannot be a path inside a sandbox."""
    if not isinstance(path, str):
        raise ValidationError(f"{name} must be text, a path inside the sandbox, got {type(path).__name__}")
    if not path or "\0" in path:
        raise ValidationError(f"{name} {'holds a NUL byte' if path else 'is empty'}")
    encoded(name, path)
    return path


def check_pid(pid: int) -> int:
    """Refuse what cannot be the number of a process."""
    if isinstance(pid, bool) or not isinstance(pid, int) or not 0 < pid < 2**32:  # pyright: ignore[reportUnnecessaryIsInstance] - a caller's
        raise ValidationError(f"pid must be the number of a process, got {pid!r}")
    return pid


def check_strings(name: str, values: Mapping[str, str] | None, *, variables: bool = False) -> dict[str, str]:
    """Refuse a mapping that is not one from text to text, naming everything that is wrong with it.

    Args:
        name: of the argument.
        values: what was given; None for nothing.
        variables: the keys are names of environment variables.
    """
    if values is None:
        return {}
    if not isinstance(cast("object", values), Mapping):
        raise ValidationError(f"{name} must be a mapping from text to text, got {type(values).__name__}")
    problems: list[str] = []
    for key, value in cast("Mapping[object, object]", values).items():
        if not isinstance(key, str) or not isinstance(value, str):
            wrong = key if not isinstance(key, str) else value
            problems.append(f"{name}[{key!r}]: keys and values must be text, got {type(wrong).__name__}")
        elif "\0" in key or "\0" in value:
            problems.append(f"{name}[{key!r}] holds a NUL byte")
        elif variables and (not key or "=" in key):
            problems.append(f"{name}: {key!r} cannot be the name of a variable")
    if problems:
        raise ValidationError(*problems)
    return dict(values)


def check_user(user: str | None) -> str | None:
    """Refuse a user name that cannot be sent. It travels in a header."""
    if user is None:
        return None
    if not isinstance(user, str) or not user or ":" in user or not user.isprintable():  # pyright: ignore[reportUnnecessaryIsInstance] - a caller's
        raise ValidationError(f"user must be the name of a Linux user, got {user!r}")
    return user


def encoded(name: str, data: str | bytes | bytearray | memoryview) -> bytes:
    """Text or bytes as bytes."""
    if not isinstance(data, str):
        return bytes(data)
    try:
        return data.encode()
    except UnicodeEncodeError as error:
        raise ValidationError(f"{name} cannot be written as UTF-8: {error}") from None
