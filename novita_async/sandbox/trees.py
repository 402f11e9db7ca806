"""Whole directories, into a sandbox and out of it.

Neither side is trusted with paths. A link is copied as the file that it leads to when that lies inside of the
directory, and left out otherwise; names that come from a sandbox are taken apart before anything is written here.
"""

from __future__ import annotations

import os
import posixpath
import secrets
from collections.abc import Callable, Collection
from contextlib import suppress
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import msgspec

from ..errors import NovitaError, ProtocolError, ValidationError
from ..runtime.clock import uninterrupted
from ..runtime.gather import gather
from ..runtime.part_file import PartFile
from .arguments import check_path
from .commands import Commands
from .uploads import LocalFile

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .envd import Envd
    from .files import Files

__all__ = ["Exclude", "Tree", "TreeProgress", "download", "upload"]

#: What is left out of a tree: names or paths with wildcards, or a function that says so of a path.
Exclude: TypeAlias = Collection[str] | Callable[[str], bool]

_AT_ONCE = 8  # files under way
_DEEPEST = 4096  # levels: no path can have more
_ASIDE = 5.0  # seconds for tidying up

# Records of four fields, each with a NUL byte after it. The files stand in a directory of their own until now.
_PLACE = """
set -e
while IFS= read -r -d '' what && IFS= read -r -d '' mode && IFS= read -r -d '' from && IFS= read -r -d '' to; do
  case $what in
    make) [ -d "$to" ] || mkdir -p -- "$to" ;;
    file) [ "$mode" = 644 ] || chmod -- "$mode" "$from"; mv -fT -- "$from" "$to" ;;
    mode) chmod -- "$mode" "$to" ;;
  esac
done
"""


class Tree(msgspec.Struct, frozen=True):
    """What was copied of a tree.

    Attributes:
        files: how many.
        bytes: in all of them.
        skipped: paths below the directory that were left out because they are links that lead out of it, or to
            nothing, or are neither file nor directory.
    """

    files: int
    bytes: int
    skipped: tuple[str, ...] = ()


class TreeProgress(msgspec.Struct, frozen=True):
    """How far a tree is.

    Attributes:
        path: of the file that a piece of was copied, below the directory.
        files: those that are done.
        bytes: those that are done.
        all_files: of the tree.
        all_bytes: of the tree, as it was when it was looked at.
    """

    path: str
    files: int
    bytes: int
    all_files: int
    all_bytes: int


class _Entry(msgspec.Struct):
    path: str
    source: str
    mode: int
    size: int = 0


class _Found(msgspec.Struct):
    directories: list[_Entry] = []
    files: list[_Entry] = []
    skipped: list[str] = []


class _Meter:
    """Counts, and tells the caller."""

    def __init__(self, found: _Found, progress: Callable[[TreeProgress], object] | None) -> None:
        self.files = 0
        self.bytes = 0
        self._all = (len(found.files), sum(entry.size for entry in found.files))
        self._progress = progress

    def add(self, path: str, *, size: int = 0, files: int = 0) -> None:
        self.bytes += size
        self.files += files
        if self._progress is not None:
            self._progress(TreeProgress(path, self.files, self.bytes, *self._all))


async def upload(
    files: Files,
    envd: Envd,
    local: str | os.PathLike[str],
    remote: str,
    *,
    exclude: Exclude,
    progress: Callable[[TreeProgress], object] | None,
    gzip: bool,
    user: str | None,
    timeout: float | None,
) -> Tree:
    """See `Files.upload_tree`."""
    check_path("remote", remote)
    clock, left_out = envd.runtime.clock, _excluder(exclude)
    found = await clock.to_thread(lambda: _scan(local, left_out))
    for entry in (*found.directories, *found.files):
        check_path("local", entry.path)
    meter = _Meter(found, progress)
    await files.make_dir(remote, user=user)
    stage = f".novita-{secrets.token_hex(8)}.part"
    base = remote.rstrip("/")

    async def send(number: int, entry: _Entry) -> None:
        source = LocalFile(
            clock, Path(entry.source), links=False, on_read=lambda size: meter.add(entry.path, size=size)
        )
        await files.write(f"{base}/{stage}/{number}", source, gzip=gzip, user=user, timeout=timeout)
        meter.add(entry.path, files=1)

    records = [("make", "", "", entry) for entry in found.directories]
    records += [("file", f"{entry.mode:o}", f"{stage}/{n}", entry) for n, entry in enumerate(found.files)]
    records += [("mode", f"{entry.mode:o}", "", entry) for entry in reversed(found.directories)]
    told = "".join(f"{what}\0{mode}\0{source}\0./{entry.path}\0" for what, mode, source, entry in records)
    try:
        await gather((send(number, entry) for number, entry in enumerate(found.files)), limit=_AT_ONCE)
        await Commands(envd).run(_PLACE, cwd=remote, user=user, stdin=told, timeout=None)
    finally:
        await uninterrupted(_remove(files, f"{base}/{stage}", user))
    return Tree(meter.files, meter.bytes, tuple(found.skipped))


async def _remove(files: Files, path: str, user: str | None) -> None:
    with suppress(NovitaError):  # the error that is on its way says more
        await files.remove(path, user=user, timeout=_ASIDE)


async def download(
    files: Files,
    envd: Envd,
    remote: str,
    local: str | os.PathLike[str],
    *,
    exclude: Exclude,
    progress: Callable[[TreeProgress], object] | None,
    gzip: bool,
    user: str | None,
    timeout: float | None,
) -> Tree:
    """See `Files.download_tree`."""
    clock, left_out = envd.runtime.clock, _excluder(exclude)
    top = (await files.stat(remote, user=user)).path
    found = _Found()
    for entry in await files.list(remote, depth=_DEEPEST, user=user):
        path = _below(entry.path, top, remote)
        if any(left_out(part) for part in _prefixes(path)):
            continue
        item = _Entry(path, entry.path, entry.mode & 0o777, entry.size)
        inside = entry.symlink_target is None or entry.symlink_target.startswith(f"{top.rstrip('/')}/")
        if entry.type == "file" and inside:
            found.files.append(item)
        elif entry.type == "directory" and entry.symlink_target is None:
            found.directories.append(item)
        else:
            found.skipped.append(path)
    meter = _Meter(found, progress)

    def make_all() -> Path:
        os.makedirs(local, exist_ok=True)
        root = Path(os.path.realpath(local))
        for item in found.directories:
            _place(root, f"{item.path}/file")  # makes it
        return root

    root = await clock.to_thread(make_all)

    async def fetch(item: _Entry) -> None:
        target = await clock.to_thread(lambda: _place(root, item.path))
        part = PartFile(target)

        def finish() -> None:
            part.finish()
            target.chmod(item.mode)

        try:
            async with files.open(item.source, gzip=gzip, user=user, timeout=timeout) as stream:
                async for chunk in stream:
                    await clock.to_thread(lambda chunk=chunk: part.write(chunk))
                    meter.add(item.path, size=len(chunk))
            await clock.to_thread(finish)
        finally:
            await clock.to_thread(part.discard)
        meter.add(item.path, files=1)

    await gather((fetch(item) for item in found.files), limit=_AT_ONCE)

    def set_modes() -> None:
        for item in reversed(found.directories):
            _place(root, f"{item.path}/file").parent.chmod(item.mode)

    await clock.to_thread(set_modes)
    return Tree(meter.files, meter.bytes, tuple(found.skipped))


# ----------------------------------------------------------------------------------------------------- this machine


def _scan(local: str | os.PathLike[str], left_out: Callable[[str], bool]) -> _Found:
    """Look at a directory. Blocks."""
    root = os.path.realpath(local)
    if not os.path.isdir(root):
        raise ValidationError(f"local: {os.fspath(local)!r} is not a directory")
    found = _Found()
    waiting = [""]
    while waiting:
        above = waiting.pop()
        try:
            with os.scandir(os.path.join(root, above)) as entries:
                inside = sorted(entries, key=lambda entry: entry.name)
            for entry in inside:
                path = posixpath.join(above, entry.name)
                if left_out(path):
                    continue
                source = os.path.realpath(entry.path) if entry.is_symlink() else entry.path
                if entry.is_dir(follow_symlinks=False):
                    found.directories.append(_Entry(path, source, entry.stat().st_mode & 0o777))
                    waiting.append(path)
                elif entry.is_file() and source.startswith(f"{root}/"):
                    info = entry.stat()
                    found.files.append(_Entry(path, source, info.st_mode & 0o777, info.st_size))
                else:
                    found.skipped.append(path)
        except OSError as error:
            raise ValidationError(f"local: {os.path.join(root, above)!r} cannot be read: {error}") from error
    return found


def _place(root: Path, path: str) -> Path:
    """Where an entry goes, its directory made. Blocks.

    Raises:
        OSError: a link on the way leads out of the tree.
    """
    directory = (root / path).parent
    real = Path(os.path.realpath(directory))
    if real != root and root not in real.parents:
        raise PermissionError(f"{directory} leads out of {root}")
    real.mkdir(parents=True, exist_ok=True)
    return real / posixpath.basename(path)


def _below(path: str, top: str, asked: str) -> str:
    """The path of an entry below its directory, as it may be used here."""
    for prefix in (top, asked):
        before = f"{prefix.rstrip('/')}/"
        rest = path.removeprefix(before)
        plain = "\0" not in rest and all(part not in ("", ".", "..") for part in rest.split("/"))
        if path.startswith(before) and plain:
            return rest
    raise ProtocolError(f"the sandbox names {path!r} as an entry of {asked!r}")


def _prefixes(path: str) -> Iterator[str]:
    """A path and the directories that it is in, the outermost first."""
    parts = path.split("/")
    return ("/".join(parts[: count + 1]) for count in range(len(parts)))


def _excluder(exclude: Exclude) -> Callable[[str], bool]:
    if isinstance(exclude, str):
        raise ValidationError(f"exclude must be a list of patterns or a function, got {exclude!r}")
    if callable(exclude):
        return exclude
    patterns = tuple(exclude)

    def left_out(path: str) -> bool:
        name = posixpath.basename(path)
        return any(fnmatchcase(name, pattern) or fnmatchcase(path, pattern) for pattern in patterns)

    return left_out
