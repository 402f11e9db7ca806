"""`novita.files`: what batches read and write (contract/llm.md 12)."""

from __future__ import annotations

import pathlib
from functools import cached_property
from typing import TYPE_CHECKING, Any, Generic, TypeVar
from urllib.parse import quote

from ..errors import ValidationError
from ..runtime.clock import uninterrupted
from ..runtime.forms import Form
from ..runtime.retry import Replay
from ..wire.json import Object, encode, remember
from .downloads import FileContent, save
from .endpoint import Endpoint, as_raw, raw_twin
from .uploads import Source

if TYPE_CHECKING:
    import os
    from collections.abc import AsyncIterator, Callable, Coroutine, Generator, Mapping

    from ..runtime.call import Answer, Call
    from .uploads import FileParam

__all__ = ["File", "FileDeleted", "FileList", "Files", "Listing", "RawFiles", "require_id"]

_MAX_BATCH_BYTES = 100 * 1024 * 1024


class File(Object):
    """A file of the account, described.

    Attributes:
        id: the platform's.
        bytes: its size.
        created_at: Unix seconds.
        expires_at: Unix seconds; told of output files only. Input files are kept for 15 days.
        filename: the name it was given.
        purpose: "batch", "batch_output" or something newer.
        metadata: `total_requests` of an input file.
    """

    id: str
    bytes: int = 0
    created_at: int = 0
    filename: str = ""
    purpose: str = ""
    object: str = "file"
    expires_at: int | None = None
    metadata: dict[str, Any] | None = None
    status: str | None = None


class FileDeleted(Object):
    """What became of a deletion."""

    id: str
    deleted: bool
    object: str = "file"


class FileList(Object):
    """All files at once: there are no pages."""

    data: list[File]
    object: str = "list"

    async def __aiter__(self) -> AsyncIterator[File]:
        for file in self.data:
            yield file


class _FilesWire(Object):
    """As the platform sends it, which may be null for no files."""

    data: list[File] | None


L = TypeVar("L")
T = TypeVar("T")


class Listing(Generic[L, T]):
    """What `list()` gives: `await` it for the whole, or iterate over its items with `async for`."""

    def __init__(self, make: Callable[[], Coroutine[Any, Any, L]], items: Callable[[L], list[T]]) -> None:
        self._make = make
        self._items = items

    def __await__(self) -> Generator[Any, None, L]:
        return self._make().__await__()

    async def __aiter__(self) -> AsyncIterator[T]:
        for item in self._items(await self):
            yield item


class Files(Endpoint):
    """`novita.files`."""

    @cached_property
    def with_raw_response(self) -> RawFiles:
        """The same calls, giving a `RawResponse`: status, headers, body, and `parse()` for the rest."""
        return RawFiles(self)

    async def create(
        self,
        *,
        file: FileParam,
        purpose: str = "batch",
        extra_body: Mapping[str, Any] | None = None,
        extra_headers: Mapping[str, str] | None = None,
        extra_query: Mapping[str, Any] | None = None,
        timeout: float | None = None,
    ) -> File:
        """Upload a file. It is read in pieces off the event loop, and never whole in memory.

        Args:
            file: a path, bytes, an open binary file (read from where it stands, and left open), or a tuple of a name
                and one of these, with a media type as third if need be. At most 100 MB.
            purpose: what it is for; "batch" is what the platform knows.
            extra_body: more fields of the form.
            extra_headers: headers for this call.
            extra_query: query parameters for this call.
            timeout: the whole call in seconds, retries included. An upload is repeated as reads are: at the worst it
                leaves a second file, which costs nothing.

        Returns:
            The file as the platform keeps it.

        Raises:
            ValidationError: the file cannot be read, is empty or too large. Nothing was sent.

        Contract: llm.md section 12; POST /openai/v1/files.

        Example:
            file = await novita.files.create(file="requests.jsonl", purpose="batch")
        """
        if not isinstance(purpose, str) or not purpose:  # pyright: ignore[reportUnnecessaryIsInstance] - a caller may
            raise ValidationError(f"purpose must be text such as 'batch', got {purpose!r}")
        clock = self._runtime.clock
        source = Source(file)
        try:
            await clock.to_thread(source.open)
            if not source.size:
                raise ValidationError(f"file: {source.name!r} is empty")
            if purpose == "batch" and source.size > _MAX_BATCH_BYTES:
                raise ValidationError(f"file: {source.name!r} has {source.size} bytes, and 100 MB are the most")
            fields = {"purpose": purpose, **{name: _text(value) for name, value in (extra_body or {}).items()}}
            form = Form(clock, fields.items(), [("file", source)])
            call = self._call(
                "POST",
                "/files",
                form,
                extra_headers=extra_headers,
                extra_query=extra_query,
                timeout=timeout,
                replay=Replay.SAFE,
            )
            call.headers = {**call.headers, **form.headers}
            return await self._fetch(call, File)
        finally:
            await uninterrupted(clock.to_thread(source.close))

    def list(
        self,
        *,
        extra_headers: Mapping[str, str] | None = None,
        extra_query: Mapping[str, Any] | None = None,
        timeout: float | None = None,
    ) -> Listing[FileList, File]:
        """List the files of the account: `await` it for an object with `data`, or iterate with `async for`.

        Contract: llm.md section 12; GET /openai/v1/files.
        """
        call = self._call("GET", "/files", extra_headers=extra_headers, extra_query=extra_query, timeout=timeout)
        return Listing(lambda: self._give(call, self._listed), lambda page: page.data)

    async def retrieve(
        self,
        file_id: str,
        *,
        extra_headers: Mapping[str, str] | None = None,
        extra_query: Mapping[str, Any] | None = None,
        timeout: float | None = None,
    ) -> File:
        """Describe a file.

        Raises:
            NotFound: there is none of this id.

        Contract: llm.md section 12; GET /openai/v1/files/{file_id}.
        """
        return await self._fetch(self._at(file_id, "GET", "", extra_headers, extra_query, timeout), File)

    async def delete(
        self,
        file_id: str,
        *,
        extra_headers: Mapping[str, str] | None = None,
        extra_query: Mapping[str, Any] | None = None,
        timeout: float | None = None,
    ) -> FileDeleted:
        """Delete a file.

        Contract: llm.md section 12; DELETE /openai/v1/files/{file_id}.
        """
        return await self._fetch(self._at(file_id, "DELETE", "", extra_headers, extra_query, timeout), FileDeleted)

    async def content(
        self,
        file_id: str,
        *,
        extra_headers: Mapping[str, str] | None = None,
        extra_query: Mapping[str, Any] | None = None,
        timeout: float | None = None,
    ) -> FileContent:
        """Fetch a file into memory. `save` is for files that are larger than what you want there.

        Returns:
            An object with `content`, `text`, `aiter_lines()` and more.

        Contract: llm.md section 12; GET /openai/v1/files/{file_id}/content.
        """
        call = self.content_call(file_id, extra_headers, extra_query, timeout)
        return await self._give(call, lambda answer: FileContent(self._runtime.clock, answer.body))

    async def save(
        self,
        file_id: str,
        path: str | os.PathLike[str],
        *,
        extra_headers: Mapping[str, str] | None = None,
        extra_query: Mapping[str, Any] | None = None,
        timeout: float | None = None,
    ) -> pathlib.Path:
        """Stream a file to disk: under `path` stands all of it or nothing.

        Contract: llm.md section 12; GET /openai/v1/files/{file_id}/content.
        """
        call = self.content_call(file_id, extra_headers, extra_query, timeout)
        return await save(self._runtime, call, pathlib.Path(path))

    def content_call(
        self,
        file_id: str,
        extra_headers: Mapping[str, str] | None = None,
        extra_query: Mapping[str, Any] | None = None,
        timeout: float | None = None,
    ) -> Call:
        """The call for a file's bytes, not sent."""
        call = self._at(file_id, "GET", "/content", extra_headers, extra_query, timeout)
        call.headers.setdefault("accept", "*/*")
        return call

    # --------------------------------------------------------------------------------------------------

    def _listed(self, answer: Answer) -> FileList:
        files = FileList(data=self._runtime.decode(answer, _FilesWire).data or [])
        remember(files, answer.body)
        return files

    def _at(
        self,
        file_id: str,
        method: str,
        rest: str,
        extra_headers: Mapping[str, str] | None,
        extra_query: Mapping[str, Any] | None,
        timeout: float | None,
    ) -> Call:
        path = f"/files/{quote(require_id('file_id', file_id), safe='')}{rest}"
        return self._call(method, path, extra_headers=extra_headers, extra_query=extra_query, timeout=timeout)


class RawFiles:
    """`novita.files.with_raw_response`."""

    def __init__(self, files: Files) -> None:
        twin = raw_twin(files)
        self.create = as_raw(twin.create)
        self.list = as_raw(twin.list)
        self.retrieve = as_raw(twin.retrieve)
        self.delete = as_raw(twin.delete)
        self.content = as_raw(twin.content)


def require_id(name: str, value: object) -> str:
    """An id, or the refusal of what cannot be one."""
    if not isinstance(value, str) or not value:
        raise ValidationError(f"{name} must be an id, got {value!r}")
    return value


def _text(value: object) -> str:
    return value if isinstance(value, str) else encode(value).decode()
