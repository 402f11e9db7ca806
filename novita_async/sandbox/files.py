"""`sandbox.files`: the files inside a sandbox (contract/sandbox.md 5, filesystem.proto, sandbox-envd.openapi.yaml)."""

from __future__ import annotations

import os
import secrets
from collections.abc import AsyncIterable
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal, TypeVar, overload

import msgspec

from ..errors import Conflict, NotFound, ProtocolError, ValidationError
from ..runtime.arguments import check_timeout, with_query
from ..runtime.attempts import Attempts
from ..runtime.retry import Replay
from ..runtime.streams import BytesReader
from ..wire.json import Object, decode
from .arguments import check_path, check_user, encoded
from .uploads import LocalFile, checked, multipart, takes_no_raw_body

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from ..runtime.call import Answer, Call
    from .envd import Envd, SandboxStream

__all__ = ["EntryInfo", "Files", "WrittenFile"]

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


class WrittenFile(Object):
    """A file that was written: its `name` and its absolute `path`."""

    name: str
    path: str


class _Entry(msgspec.Struct):
    entry: msgspec.Raw


class _Entries(msgspec.Struct):
    entries: list[msgspec.Raw] = []


class Files:
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

    def __init__(self, envd: Envd) -> None:
        self._envd = envd

    # -------------------------------------------------------------------------------------------- contents

    @overload
    async def read(
        self, path: str, *, format: Literal["text"] = "text", user: str | None = None, timeout: float | None = None
    ) -> str: ...
    @overload
    async def read(
        self, path: str, *, format: Literal["bytes"], user: str | None = None, timeout: float | None = None
    ) -> bytes: ...
    @overload
    async def read(
        self, path: str, *, format: Literal["stream"], user: str | None = None, timeout: float | None = None
    ) -> SandboxStream[bytes]: ...
    async def read(
        self,
        path: str,
        *,
        format: Literal["text", "bytes", "stream"] = "text",
        user: str | None = None,
        timeout: float | None = None,
    ) -> str | bytes | SandboxStream[bytes]:
        """Read a file.

        Args:
            path: of the file.
            format: "text" for a str, "bytes" for its bytes, "stream" for chunks as they come, to be iterated inside
                `async with`.
            user: see `Files`.
            timeout: see `Files`; of a stream until its first byte, then `Timeouts.idle` holds.

        Raises:
            ProtocolError: "text" was asked for and the file is not UTF-8.
            StreamCut: a stream ended before the length that was announced.

        Contract: sandbox-envd.openapi.yaml, GET /files.
        """
        if format not in ("text", "bytes", "stream"):
            raise ValidationError(f"format must be 'text', 'bytes' or 'stream', got {format!r}")
        call = self._call("GET", path, user, timeout, headers={"accept": "*/*"})
        if format == "stream":
            limits = self._envd.runtime.settings.timeouts
            attempts = Attempts(self._envd.runtime, call)
            return await self._envd.open(attempts, BytesReader, first_event=limits.first_event, idle=limits.idle)
        data = (await self._envd.request(call)).body
        if format == "bytes":
            return data
        try:
            return data.decode()
        except UnicodeDecodeError as error:
            raise ProtocolError(
                f"{path} is not UTF-8 text ({error}): read it with format='bytes'", body=data
            ) from error

    async def write(
        self,
        path: str,
        data: str | bytes | os.PathLike[str] | AsyncIterable[bytes],
        *,
        user: str | None = None,
        timeout: float | None = None,
    ) -> WrittenFile:
        """Write a file, in place of what was there. Missing directories are made.

        Args:
            path: of the file in the sandbox.
            data: text, which is written as UTF-8; bytes; a `pathlib.Path` for a file of this machine; or an async
                iterable of chunks. The last two are streamed and never whole in memory; they are sent once, as an
                attempt that broke cannot be repeated.
            user: see `Files`.
            timeout: see `Files`.

        Raises:
            ValidationError: also for a file of this machine that cannot be read.
            ServerError: 507, there is no space left.

        Contract: sandbox-envd.openapi.yaml, POST /files; sandbox.md section 5.
        """
        check_path("path", path)
        check_user(user)
        check_timeout(timeout)
        local: LocalFile | None = None
        if isinstance(data, str | bytes | bytearray | memoryview):
            body: bytes | AsyncGenerator[bytes, None] = encoded("data", data)
        elif isinstance(data, os.PathLike):
            local = LocalFile(self._envd.runtime.clock, data)
            body = local.chunks()
        elif isinstance(data, AsyncIterable):  # pyright: ignore[reportUnnecessaryIsInstance] - a caller's
            body = checked(data)
        else:
            raise ValidationError(f"data must be text, bytes, a path or async chunks, got {type(data).__name__}")
        try:
            if local is not None:
                await local.open()
            headers = {"content-type": "application/octet-stream"}
            if takes_no_raw_body(self._envd.version):
                boundary = secrets.token_hex(16)
                headers["content-type"] = f"multipart/form-data; boundary={boundary}"
                body = multipart(boundary, body)
            answer = await self._envd.request(self._call("POST", path, user, timeout, headers=headers, body=body))
        finally:
            if local is not None:
                await local.aclose()
        written = self._envd.runtime.decode(answer, list[msgspec.Raw])
        if not written:
            raise ProtocolError(f"the answer names no file that was written at {path}", body=answer.body)
        return decode(self._envd.runtime.decoders(WrittenFile), bytes(written[0]))

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

    # ------------------------------------------------------------------------------------------------ calls

    def _call(
        self,
        method: str,
        path: str,
        user: str | None,
        timeout: float | None,
        *,
        headers: dict[str, str],
        body: bytes | AsyncIterable[bytes] | None = None,
    ) -> Call:
        """A call that moves contents. Who gives it more time than one attempt usually gets, means the attempt."""
        url = with_query("/files", path=check_path("path", path), username=check_user(user))
        limit = check_timeout(timeout)
        return self._envd.call(method, url, body=body, headers=headers, timeout=limit, attempt=limit)

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
