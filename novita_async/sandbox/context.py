"""The build context of a template: which files a COPY takes, their hash, their archive (contract/sandbox.md 11).

Everything here blocks, and runs in a worker thread.
"""

from __future__ import annotations

import gzip
import hashlib
import os
import posixpath
import re
import stat
import tarfile
import tempfile
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, cast

from ..errors import ValidationError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import BinaryIO

__all__ = ["Archive", "Context", "check_source"]

_READ_SIZE = 1 << 20
_MAGIC = re.compile(r"[*?\[]")


def check_source(src: object) -> str:
    """Refuse a source of COPY that is not below the build context."""
    text: object = os.fspath(cast("str | os.PathLike[str]", src)) if isinstance(src, str | os.PathLike) else None
    if not isinstance(text, str) or not text or "\0" in text:
        raise ValidationError(f"src must be a path in the build context, got {src!r}")
    if posixpath.isabs(text) or posixpath.normpath(text).split("/")[0] == "..":
        raise ValidationError(f"src must be a path below the build context, got {text!r}")
    return text


class Context:
    """A directory that files are copied from.

    What is ignored is as Docker has it: patterns are matched from the context's root, a directory that matches is left
    out with all it holds, and a later pattern that begins with `!` takes something in again. The platform's own client
    differs: with it, no pattern reaches what a `COPY .` takes.

    Args:
        root: the directory.
        ignore: patterns beside those of its .dockerignore.
    """

    def __init__(self, root: str, ignore: Sequence[str] = ()) -> None:
        self.root = root
        self._rules = [_rule(pattern) for pattern in (*ignore, *_dockerignore(root)) if pattern.strip("!/ ")]
        self._may_prune = not any(again for _, again in self._rules)

    def files(self, src: str) -> list[str]:
        """What a source takes: relative paths of files, links and directories, sorted.

        Raises:
            ValidationError: nothing.
        """
        found: set[str] = set()
        for path in self._matches(posixpath.normpath(src)):
            if path != "." and self._ignored(path) and self._may_prune:
                continue
            if path == "." or not self._ignored(path):
                found.add(path)
            if os.path.isdir(self._host(path)):  # also a link to one that was named itself
                found.update(below for below in self._below(path) if not self._ignored(below))
        if not found:
            raise ValidationError(f"COPY {src}: there is no such file in {self.root}")
        return sorted(found)

    def hash(self, src: str, dest: str, *, resolve_symlinks: bool = False) -> str:
        """What the platform knows the files of a COPY by, so that they are uploaded once: hex SHA-256.

        It is over the two paths as they were given, then of each file its path, mode, size and content; of a link its
        target, unless links are resolved. Neither owners nor times count.
        """
        digest = hashlib.sha256(f"COPY {src} {dest}".encode())
        for path in self.files(src):
            host = self._host(path)
            digest.update(path.encode("utf-8", "surrogateescape"))
            linked = os.path.islink(host) and not (resolve_symlinks and os.path.exists(host))
            found = os.lstat(host) if linked else os.stat(host)
            digest.update(f"{found.st_mode}{found.st_size}".encode())
            if linked:
                digest.update(os.fsencode(os.readlink(host)))
            elif stat.S_ISREG(found.st_mode):
                with open(host, "rb") as file:
                    while chunk := file.read(_READ_SIZE):
                        digest.update(chunk)
        return digest.hexdigest()

    def pack(self, src: str, *, resolve_symlinks: bool = False) -> Archive:
        """The files of a COPY as a gzip tar in a temporary file. To be closed."""
        file = tempfile.TemporaryFile()  # noqa: SIM115 - the archive owns it
        try:
            with (
                gzip.GzipFile(fileobj=file, mode="wb", mtime=0) as packed,
                tarfile.open(fileobj=packed, mode="w", dereference=resolve_symlinks) as tar,
            ):
                for path in self.files(src):
                    tar.add(self._host(path), arcname=path, recursive=False, filter=_anonymous)
            return Archive(file)
        except BaseException:
            file.close()
            raise

    def _host(self, path: str) -> str:
        return os.path.join(self.root, path)

    def _matches(self, pattern: str) -> Iterator[str]:
        """The paths that a pattern means. `**` stands for any number of directories, and follows no link."""
        if not _MAGIC.search(pattern):
            if os.path.lexists(self._host(pattern)):
                yield pattern
            return
        yield from self._walk("", pattern.split("/"))

    def _walk(self, base: str, parts: list[str]) -> Iterator[str]:
        first, rest = parts[0], parts[1:]
        if first == "**":
            if rest:
                yield from self._walk(base, rest)
            elif base:
                yield base
            for path in self._below(base or "."):
                if not rest:
                    yield path
                elif os.path.isdir(self._host(path)) and not os.path.islink(self._host(path)):
                    yield from self._walk(path, rest)
            return
        for name in _names(self._host(base)):
            if fnmatchcase(name, first):
                path = posixpath.join(base, name)
                if not rest:
                    yield path
                elif os.path.isdir(self._host(path)):
                    yield from self._walk(path, rest)

    def _below(self, path: str) -> Iterator[str]:
        prefix = "" if path == "." else f"{path}/"
        for name in _names(self._host(path)):
            below = prefix + name
            yield below
            host = self._host(below)
            if os.path.isdir(host) and not os.path.islink(host) and not (self._may_prune and self._ignored(below)):
                yield from self._below(below)

    def _ignored(self, path: str) -> bool:
        parts = path.split("/")
        parents = ["/".join(parts[: end + 1]) for end in range(len(parts))]
        ignored = False
        for regex, again in self._rules:
            if again == ignored and any(regex.fullmatch(each) for each in parents):
                ignored = not again
        return ignored


class Archive:
    """A packed file: its size is known, and it can be read any number of times."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.size = file.seek(0, os.SEEK_END)

    def read(self, offset: int) -> bytes:
        """Some bytes from a place in it; none at the end."""
        if self._file.closed:  # a transport may read on for a moment after the answer is there
            return b""
        self._file.seek(offset)
        return self._file.read(_READ_SIZE)

    def close(self) -> None:
        self._file.close()


def _names(directory: str) -> list[str]:
    try:
        return sorted(os.listdir(directory))
    except NotADirectoryError:
        return []


def _anonymous(entry: tarfile.TarInfo) -> tarfile.TarInfo:
    """Nobody needs to know who packed it: the platform gives the files the user of the step."""
    entry.uid = entry.gid = 0
    entry.uname = entry.gname = ""
    return entry


def _dockerignore(root: str) -> list[str]:
    try:
        lines = Path(root, ".dockerignore").read_text("utf-8").splitlines()
    except FileNotFoundError:
        return []
    return [line.strip() for line in lines if line.strip() and not line.strip().startswith("#")]


def _rule(pattern: str) -> tuple[re.Pattern[str], bool]:
    """A pattern of .dockerignore as an expression, and whether it takes in again what was left out."""
    again = pattern.startswith("!")
    path = posixpath.normpath(pattern.removeprefix("!").strip()).strip("/")
    regex, rest = "", path
    while rest:
        if rest.startswith("**/"):
            regex, rest = f"{regex}(?:.*/)?", rest[3:]
        elif rest.startswith("**"):
            regex, rest = f"{regex}.*", rest[2:]
        elif rest.startswith("*"):
            regex, rest = f"{regex}[^/]*", rest[1:]
        elif rest.startswith("?"):
            regex, rest = f"{regex}[^/]", rest[1:]
        elif rest.startswith("[") and (end := rest.find("]", 2)) > 0:
            inside = rest[1:end].replace("\\", "\\\\")
            regex, rest = f"{regex}[{'^' + inside[1:] if inside[0] in '!^' else inside}]", rest[end + 1 :]
        else:
            plain = rest[1:2] if rest.startswith("\\") and len(rest) > 1 else rest[0]
            regex, rest = regex + re.escape(plain), rest[2:] if rest.startswith("\\") and len(rest) > 1 else rest[1:]
    try:
        return re.compile(regex), again
    except re.error as error:
        raise ValidationError(f"the pattern {pattern!r} cannot be read: {error}") from None
