"""What is in the files of a sandbox: read and written, whole and as streams (contract/sandbox-envd.openapi.yaml)."""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import AsyncIterable, Mapping
from typing import TYPE_CHECKING, Literal, TypeAlias, overload

import msgspec

from ..errors import ProtocolError, ValidationError
from ..runtime.arguments import check_timeout, with_query
from ..runtime.attempts import Attempts
from ..runtime.gather import gather
from ..runtime.streams import BytesReader
from ..wire.json import Object, decode
from .arguments import check_path, check_user, encoded
from .uploads import LocalFile, checked, multipart, packed, takes_no_raw_body

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from ..runtime.call import Call
    from .envd import Envd, SandboxStream

__all__ = ["Contents", "FileData", "WrittenFile"]

#: What a file is written from: text as UTF-8, bytes, a `pathlib.Path` of this machine, async chunks.
FileData: TypeAlias = "str | bytes | os.PathLike[str] | AsyncIterable[bytes]"

_AT_ONCE = 8  # files of one call of `write_many` under way


class WrittenFile(Object):
    """A file that was written: its `name` and its absolute `path`."""

    name: str
    path: str


class Contents:
    """The half of `Files` that moves contents."""

    def __init__(self, envd: Envd) -> None:
        self._envd = envd

    @overload
    async def read(
        self,
        path: str,
        *,
        format: Literal["text"] = "text",
        gzip: bool = False,
        user: str | None = None,
        timeout: float | None = None,
    ) -> str: ...
    @overload
    async def read(
        self,
        path: str,
        *,
        format: Literal["bytes"],
        gzip: bool = False,
        user: str | None = None,
        timeout: float | None = None,
    ) -> bytes: ...
    @overload
    async def read(
        self,
        path: str,
        *,
        format: Literal["stream"],
        gzip: bool = False,
        user: str | None = None,
        timeout: float | None = None,
    ) -> SandboxStream[bytes]: ...
    async def read(
        self,
        path: str,
        *,
        format: Literal["text", "bytes", "stream"] = "text",
        gzip: bool = False,
        user: str | None = None,
        timeout: float | None = None,
    ) -> str | bytes | SandboxStream[bytes]:
        """Read a file.

        Args:
            path: of the file.
            format: "text" for a str, "bytes" for its bytes, "stream" for chunks as they come, to be iterated inside
                `async with`; `open` gives the same.
            gzip: let it be packed on its way, which is of use for text over a slow network.
            user: see `Files`.
            timeout: see `Files`; of a stream until its first byte, then `Timeouts.idle` holds.

        Raises:
            ProtocolError: "text" was asked for and the file is not UTF-8.
            StreamCut: a stream ended before the length that was announced.

        Contract: sandbox-envd.openapi.yaml, GET /files.
        """
        if format not in ("text", "bytes", "stream"):
            raise ValidationError(f"format must be 'text', 'bytes' or 'stream', got {format!r}")
        headers = {"accept": "*/*"} | ({"accept-encoding": "gzip"} if gzip else {})
        call = self._call("GET", path, user, timeout, headers=headers)
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

    @contextlib.asynccontextmanager
    async def open(
        self, path: str, *, gzip: bool = False, user: str | None = None, timeout: float | None = None
    ) -> AsyncGenerator[SandboxStream[bytes]]:
        """Open a file to read it in chunks as they come. It is never whole in memory.

        Args and errors as `read`.

        Example:
            async with sandbox.files.open("video.mp4") as stream:
                async for chunk in stream:
                    ...
        """
        async with await self.read(path, format="stream", gzip=gzip, user=user, timeout=timeout) as stream:
            yield stream

    async def write(
        self,
        path: str,
        data: FileData,
        *,
        gzip: bool = False,
        user: str | None = None,
        timeout: float | None = None,
    ) -> WrittenFile:
        """Write a file, in place of what was there. Missing directories are made.

        Args:
            path: of the file in the sandbox.
            data: text, which is written as UTF-8; bytes; a `pathlib.Path` for a file of this machine; or an async
                iterable of chunks. The last two are streamed and never whole in memory; they are sent once, as an
                attempt that broke cannot be repeated.
            gzip: pack it on its way, where the sandbox takes that (envd 0.5.7 and later).
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
        clock = self._envd.runtime.clock
        local: LocalFile | None = None
        if isinstance(data, str | bytes | bytearray | memoryview):
            body: bytes | AsyncGenerator[bytes, None] = encoded("data", data)
        elif isinstance(data, os.PathLike):
            local = data if isinstance(data, LocalFile) else LocalFile(clock, data)
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
            elif gzip:
                headers["content-encoding"] = "gzip"
                body = await packed(clock, body)
            answer = await self._envd.request(self._call("POST", path, user, timeout, headers=headers, body=body))
        finally:
            if local is not None:
                await local.aclose()
        written = self._envd.runtime.decode(answer, list[msgspec.Raw])
        if not written:
            raise ProtocolError(f"the answer names no file that was written at {path}", body=answer.body)
        return decode(self._envd.runtime.decoders(WrittenFile), bytes(written[0]))

    async def write_many(
        self,
        files: Mapping[str, FileData],
        *,
        gzip: bool = False,
        user: str | None = None,
        timeout: float | None = None,
    ) -> list[WrittenFile]:
        """Write several files, eight at a time. When one fails the others are broken off; some may be written.

        Args:
            files: from the path in the sandbox to what `write` takes.
            gzip: as of `write`.
            user: see `Files`.
            timeout: see `Files`; of each file.

        Returns:
            The files in the order in which they were given.

        Raises what `write` raises, of the first file that fails.
        """
        if not isinstance(files, Mapping):  # pyright: ignore[reportUnnecessaryIsInstance] - a caller's
            raise ValidationError(f"files must be a mapping from path to data, got {type(files).__name__}")
        for path in files:
            check_path("files: path", path)
        calls = [self.write(path, data, gzip=gzip, user=user, timeout=timeout) for path, data in files.items()]
        return await gather(calls, limit=_AT_ONCE)

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
