"""`sandbox.files`: the files inside a sandbox (contract/sandbox.md 5, filesystem.proto, sandbox-envd.openapi.yaml)."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal, TypeVar

import msgspec

from ..errors import Conflict, NotFound, ValidationError
from ..runtime.arguments import check_timeout
from ..runtime.retry import Replay
from ..wire.json import Object, decode
from .arguments import check_path, check_user, whole_seconds
from .contents import Contents, WrittenFile
from .signing import file_query
from .trees import Exclude, Tree, TreeProgress, download, upload
from .watch import FileWatch

if TYPE_CHECKING:
    import os
    from collections.abc import Callable

    from ..runtime.call import Answer

__all__ = ["EntryInfo", "Files", "Tree", "TreeProgress", "WrittenFile"]

T = TypeVar("T")


class EntryInfo(Object, rename="camel"):
    """A file, a directory or another entry of a sandbox's file system.

    Attributes:
        name: the last part of its path.
        path: absolute, or beginning as the path that was asked for.
        type: "file" or "directory", of a link what it leads to; "unspecified" for a broken link. Others are kept.
        size: bytes.
        mode: permission bits.
        permissions: the same as text, such as "-rw-r--r--".
        owner: user name, or a number.
        group: group name, or a number.
        modified_time: when it was last changed.
        symlink_target: of a link, where it leads; None of everything else.
    """

    name: str
    path: str
    type: str = "unspecified"
    size: int = 0
    mode: int = 0
    permissions: str = ""
    owner: str = ""
    group: str = ""
    modified_time: datetime | None = None
    symlink_target: str | None = None

    def __post_init__(self) -> None:
        self.type = self.type.removeprefix("FILE_TYPE_").lower()


class _Entry(msgspec.Struct):
    entry: msgspec.Raw


class _Entries(msgspec.Struct):
    entries: list[msgspec.Raw] = []


class Files(Contents):
    """`sandbox.files`.

    Paths are absolute, or start at the home directory of the acting user; `~/` is that directory too. In every call
    `user` is the Linux user that acts, None for the sandbox's own default, and `timeout` is the whole call in seconds,
    retries and waits included.

    Every call may raise:
        ValidationError: an argument cannot be sent. Nothing was.
        SandboxEnded: the sandbox is gone or paused.
        SandboxUnreachable: it is said to run and does not answer.
        NotFound: there is no such file.
        BadRequest: the path is of the wrong kind: a directory where a file is wanted, or the other way round.
        PermissionDenied: the acting user may not do this.
        CallTimeout: the `timeout` passed.

    Example:
        await sandbox.files.write("notes.txt", "hello")
        print(await sandbox.files.read("notes.txt"))
    """

    # ---------------------------------------------------------------------------------------- the file system

    async def list(
        self, path: str, *, depth: int = 1, user: str | None = None, timeout: float | None = None
    ) -> list[EntryInfo]:
        """List a directory, not the directory itself.

        Args:
            path: of the directory.
            depth: levels below it, at least 1.
            user: see `Files`.
            timeout: see `Files`.

        Contract: sandbox.md section 5, ListDir.
        """
        if isinstance(depth, bool) or not isinstance(depth, int) or not 1 <= depth < 2**32:  # pyright: ignore[reportUnnecessaryIsInstance] - a caller's
            raise ValidationError(f"depth must be a whole number from 1 on, got {depth!r}")
        message = {"path": check_path("path", path), "depth": depth}
        found = await self._ask("ListDir", message, _Entries, user, timeout)
        return [self._entry(entry) for entry in found.entries]

    async def stat(self, path: str, *, user: str | None = None, timeout: float | None = None) -> EntryInfo:
        """Read what an entry is.

        Args:
            path: of the entry.
            user: see `Files`.
            timeout: see `Files`.

        Contract: sandbox.md section 5, Stat.
        """
        found = await self._ask("Stat", {"path": check_path("path", path)}, _Entry, user, timeout)
        return self._entry(found.entry)

    async def exists(self, path: str, *, user: str | None = None, timeout: float | None = None) -> bool:
        """Whether there is anything at this path. Arguments and errors as `stat`, but for NotFound.

        Contract: sandbox.md section 5, Stat.
        """
        try:
            await self.stat(path, user=user, timeout=timeout)
        except NotFound:
            return False
        return True

    async def make_dir(self, path: str, *, user: str | None = None, timeout: float | None = None) -> bool:
        """Make a directory, and those above it that are missing.

        Args:
            path: of the directory.
            user: see `Files`.
            timeout: see `Files`.

        Returns:
            False when it was there. A repeat after a lost answer says so of the directory that this call made.

        Contract: sandbox.md section 5, MakeDir.
        """
        try:
            await self._tell("MakeDir", {"path": check_path("path", path)}, user, timeout)
        except Conflict as error:
            if error.reason.lower() != "already_exists":
                raise
            return False
        return True

    async def rename(
        self, source: str, destination: str, *, user: str | None = None, timeout: float | None = None
    ) -> EntryInfo:
        """Move an entry, over what is there. Missing directories are made.

        It is not repeated once it was sent: a repeat would find the source gone, or move another one.

        Args:
            source: path of the entry.
            destination: its new path, not the directory to put it into.
            user: see `Files`.
            timeout: see `Files`.

        Raises:
            OutcomeUnknown: as the cause of a SandboxEnded or SandboxUnreachable: it may have been done.

        Contract: sandbox.md section 5, Move.
        """
        message = {"source": check_path("source", source), "destination": check_path("destination", destination)}
        moved = await self._ask("Move", message, _Entry, user, timeout, replay=Replay.SUBMITS)
        return self._entry(moved.entry)

    async def remove(self, path: str, *, user: str | None = None, timeout: float | None = None) -> None:
        """Remove a file, or a directory with all that is in it. Nothing happens when there is none.

        Args:
            path: of the entry.
            user: see `Files`.
            timeout: see `Files`.

        Contract: sandbox.md section 5, Remove.
        """
        await self._tell("Remove", {"path": check_path("path", path)}, user, timeout)

    def watch(self, path: str, *, recursive: bool = False, user: str | None = None) -> FileWatch:
        """Watch a directory: inside `async with`, iterate over what happens to its files.

        Args:
            path: of the directory.
            recursive: also watch the directories below it, those made later too.
            user: see `Files`.

        Raises:
            NotFound: as the block is entered, there is no such directory.
            BadRequest: as the block is entered, it is a file.

        Raises also what `FileWatch` raises.

        Example:
            async with sandbox.files.watch("src", recursive=True) as changes:
                async for change in changes:
                    print(change.type, change.name)

        Contract: sandbox.md section 5, WatchDir.
        """
        return FileWatch(self._envd, path, recursive=recursive, user=user)

    # ----------------------------------------------------------------------------------------- trees and URLs

    async def upload_tree(
        self,
        local: str | os.PathLike[str],
        remote: str,
        *,
        exclude: Exclude = (),
        progress: Callable[[TreeProgress], object] | None = None,
        gzip: bool = False,
        user: str | None = None,
        timeout: float | None = None,
    ) -> Tree:
        """Copy a directory of this machine into the sandbox, with its permissions.

        The files are there under their names when all of them have come, over those that were there. On a failure
        nothing has changed. A link is copied as the file that it leads to, if that lies inside of the directory; other
        links, and what is neither file nor directory, are left out.

        Args:
            local: the directory here.
            remote: the directory in the sandbox, which is made if it is missing.
            exclude: names, or paths below the directory, that are left out, with `*` and `?` as in a shell; or a
                function that gets such a path and says so. What is in a directory goes with it.
            progress: called with a `TreeProgress` after every piece.
            gzip: as of `write`.
            user: see `Files`.
            timeout: see `Files`; of each file.

        Raises:
            ValidationError: also for files of this machine that cannot be read.
            CommandFailed: the sandbox could not put them in their places.

        Example:
            await sandbox.files.upload_tree("site", "~/site", exclude=[".git", "*.pyc"])
        """
        return await upload(
            self, self._envd, local, remote, exclude=exclude, progress=progress, gzip=gzip, user=user, timeout=timeout
        )

    async def download_tree(
        self,
        remote: str,
        local: str | os.PathLike[str],
        *,
        exclude: Exclude = (),
        progress: Callable[[TreeProgress], object] | None = None,
        gzip: bool = False,
        user: str | None = None,
        timeout: float | None = None,
    ) -> Tree:
        """Copy a directory of the sandbox to this machine, with its permissions.

        Every file has a name of its own until it is whole. Links are treated as in `upload_tree`; nothing is written
        outside of `local`, whatever the sandbox says and whatever links are there.

        Args:
            remote: the directory in the sandbox.
            local: the directory here, which is made if it is missing.
            exclude: as of `upload_tree`.
            progress: as of `upload_tree`.
            gzip: as of `read`.
            user: see `Files`.
            timeout: see `Files`; of each file.

        Raises:
            ProtocolError: the sandbox names an entry that lies outside of the directory.
            OSError: a file cannot be written here.
        """
        return await download(
            self, self._envd, remote, local, exclude=exclude, progress=progress, gzip=gzip, user=user, timeout=timeout
        )

    def download_url(self, path: str, *, user: str | None = None, expires: float | None = None) -> str:
        """A URL that reads this file without a token, for browsers and other programs. Nothing is sent.

        Args:
            path: of the file.
            user: see `Files`.
            expires: seconds from now for which it holds; None for as long as the sandbox lives.

        Contract: sandbox.md section 6.
        """
        return self._signed("read", path, user, expires)

    def upload_url(self, path: str, *, user: str | None = None, expires: float | None = None) -> str:
        """A URL that takes this file by POST, as a form or raw, without a token. Arguments as `download_url`."""
        return self._signed("write", path, user, expires)

    def _signed(self, operation: Literal["read", "write"], path: str, user: str | None, expires: float | None) -> str:
        at = None
        if expires is not None:
            at = int(self._envd.runtime.clock.time()) + whole_seconds("expires", expires)
        query = file_query(
            check_path("path", path), operation, user=check_user(user), token=self._envd.token, expires=at
        )
        return f"{self._envd.base_url}/files?{query}"

    # ------------------------------------------------------------------------------------------------ calls

    async def _ask(
        self,
        method: str,
        message: dict[str, Any],
        type_: type[T],
        user: str | None,
        timeout: float | None,
        replay: Replay = Replay.SAFE,
    ) -> T:
        return self._envd.runtime.decode(await self._tell(method, message, user, timeout, replay), type_)

    async def _tell(
        self,
        method: str,
        message: dict[str, Any],
        user: str | None,
        timeout: float | None,
        replay: Replay = Replay.SAFE,
    ) -> Answer:
        return await self._envd.tell(
            f"filesystem.Filesystem/{method}",
            message,
            user=check_user(user),
            timeout=check_timeout(timeout),
            replay=replay,
        )

    def _entry(self, entry: msgspec.Raw) -> EntryInfo:
        return decode(self._envd.runtime.decoders(EntryInfo), bytes(entry))
