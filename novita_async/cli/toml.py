"""TOML files that belong to their user: one value is changed, and everything else stays as it was written."""

from __future__ import annotations

import json
import os
import re
import tempfile
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from .process import CannotGoOn

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["read", "save", "with_values"]

_HEADER = re.compile(r"[ \t]*\[")


def read(path: Path) -> tuple[str, dict[str, Any]]:
    """A file's text and what it says; nothing and nothing when it does not exist. Blocks.

    Raises:
        CannotGoOn: it cannot be read, or is no TOML.
    """
    try:
        text = path.read_text("utf-8")
        return text, tomllib.loads(text)
    except FileNotFoundError:
        return "", {}
    except (OSError, UnicodeDecodeError) as error:
        raise CannotGoOn(f"{path} cannot be read: {getattr(error, 'strerror', None) or error}") from error
    except tomllib.TOMLDecodeError as error:
        raise CannotGoOn(f"{path} is not valid TOML: {error}") from error


def with_values(path: Path, text: str, values: Mapping[str, str | int | None], *, table: str | None = None) -> str:
    """A TOML text in which some keys of a table have other values.

    Args:
        path: of the file, for the error.
        text: what it says.
        values: of the keys; None takes a key out.
        table: the name of the table; None for what stands above all tables.

    Raises:
        CannotGoOn: the file is written in a way that this does not understand.
    """
    wanted = tomllib.loads(text)
    entries: Any = wanted if table is None else wanted.setdefault(table, {})
    if not isinstance(entries, dict):
        raise CannotGoOn(f"{path}: {table} is no table there")
    lines = text.splitlines()
    start, end = _section(lines, table)
    for key, value in values.items():
        found = [number for number in range(start, end) if re.match(rf"[ \t]*{re.escape(key)}[ \t]*=", lines[number])]
        new = [] if value is None else [f"{key} = {json.dumps(value, ensure_ascii=False)}"]
        at, until = (found[0], found[0] + 1) if found else (end, end)
        if not found:  # behind the last line that says something
            while at > start and not lines[at - 1].strip():
                at = until = at - 1
        lines[at:until] = new
        end += len(new) - (until - at)
        if value is None:
            cast("dict[str, Any]", entries).pop(key, None)
        else:
            entries[key] = value
    result = "\n".join([*lines, ""]) if lines else ""
    if (
        table is not None
        and not any(value is not None for value in values.values())
        and table not in tomllib.loads(text)
    ):
        return text
    if _loaded(result) != wanted:
        raise CannotGoOn(f"{path} is written in a way that is not understood here: change {', '.join(values)} by hand")
    return result


def _section(lines: list[str], table: str | None) -> tuple[int, int]:
    """Where the lines of a table begin and end. One that there is not begins at the end, with its header."""
    headers = [number for number, line in enumerate(lines) if _HEADER.match(line)]
    start = 0
    if table is not None:
        names = {f"[{table}]", f"[{json.dumps(table)}]", f"['{table}']"}
        own = [number for number in headers if re.sub(r"\s+|#.*", "", lines[number]) in names]
        if not own:
            bare = re.fullmatch(r"[A-Za-z0-9_-]+", table)
            lines += [*([""] if lines else []), f"[{table if bare else json.dumps(table)}]"]
            return len(lines), len(lines)
        start = own[0] + 1
    return start, min((number for number in headers if number >= start), default=len(lines))


def _loaded(text: str) -> dict[str, Any] | None:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        return None


def save(path: Path, text: str, *, private: bool = False) -> None:
    """Write a file, whole or not at all. Blocks.

    Args:
        path: where. A link is followed.
        text: all of it.
        private: for its user's eyes only (mode 0600); otherwise as it was, or as new files are.

    Raises:
        CannotGoOn: it cannot be written.
    """
    path = Path(os.path.realpath(path))
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700 if private else 0o777)
        number, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")  # only its user may read it
        try:
            with open(number, "w", encoding="utf-8") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            if not private:
                os.chmod(name, _mode(path))
            os.replace(name, path)
        except BaseException:
            os.unlink(name)
            raise
    except OSError as error:
        raise CannotGoOn(f"{path} cannot be written: {error.strerror}") from error


def _mode(path: Path) -> int:
    try:
        return path.stat().st_mode & 0o777
    except FileNotFoundError:
        mask = os.umask(0)
        os.umask(mask)
        return 0o666 & ~mask
