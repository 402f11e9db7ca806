"""The files of batches: uploaded as forms, kept on disk, given back as they are (contract/llm.md 12)."""

from __future__ import annotations

import hashlib
import shutil
import tempfile
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from ..transport.protocol import Reply
from . import keys
from .router import Call, Refusal, Router, json_reply
from .sandbox.multipart import MultipartDecoder, MultipartError, Part

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from typing import BinaryIO

    from ..runtime.clock import Clock

__all__ = ["Files", "StoredFile", "invalid", "not_found"]

_MAX_BYTES = 100 * 1024 * 1024
_DAY = 86_400.0
_INPUT_DAYS = 15
_OUTPUT_DAYS = 30
_READ_SIZE = 1 << 18
_WRITE_SIZE = 1 << 20  # bytes gathered for one visit to a worker thread


class StoredFile(msgspec.Struct, eq=False, kw_only=True):
    """A file of the account. `append`, `read` and `lines` block: they run in a worker thread.

    Attributes:
        id: the platform's.
        name: as it was uploaded.
        purpose: "batch" or "batch_output".
        path: where it is on this machine.
        created: Unix seconds.
        until: Unix seconds; it is gone after them.
        size: in bytes.
        total: its lines.
    """

    id: str
    name: str
    purpose: str
    path: Path
    created: float
    until: float
    size: int = 0
    total: int = 0

    def append(self, data: bytes) -> None:
        """Write at the end."""
        with self.path.open("ab") as file:
            file.write(data)
        self.size += len(data)

    def count(self) -> None:
        """Count its requests, which are its lines that are not blank."""
        with self.path.open("rb") as file:
            self.total = sum(1 for line in file if line.strip())

    def wire(self) -> dict[str, Any]:
        """The file as the platform describes it. Only output files tell when they go."""
        upload = self.purpose == "batch"
        return {
            "id": self.id,
            "object": "file",
            "bytes": self.size,
            "created_at": int(self.created),
            **({} if upload else {"expires_at": int(self.until)}),
            "filename": self.name,
            "purpose": self.purpose,
            "metadata": {"total_requests": self.total} if upload else {},
        }


class Files:
    """`/openai/v1/files`.

    Args:
        clock: what the times come from, and what runs the disk work off the loop.
        api_key: the good key.
        seed: part of what decides the ids.
    """

    def __init__(self, *, clock: Clock, api_key: str, seed: int) -> None:
        self._clock = clock
        self._keys = keys.Keys(api_key, keys.LLM)
        self._seed = seed
        self._count = 0
        self._files: dict[str, StoredFile] = {}
        self._directory: Path | None = None

    def routes(self, router: Router) -> None:
        guard = self._keys.guard
        router.add("POST", "/openai/v1/files", guard(self._upload))
        router.add("GET", "/openai/v1/files", guard(self._list))
        router.add("GET", "/openai/v1/files/{file}", guard(self._retrieve))
        router.add("DELETE", "/openai/v1/files/{file}", guard(self._delete))
        router.add("GET", "/openai/v1/files/{file}/content", guard(self._content))

    async def aclose(self) -> None:
        """Remove everything from the disk. Safe to call twice."""
        self._files.clear()
        directory, self._directory = self._directory, None
        if directory is not None:
            await self._clock.to_thread(lambda: shutil.rmtree(directory, ignore_errors=True))

    async def new(self, name: str, purpose: str) -> StoredFile:
        """An empty file, which nobody can see before `publish`."""
        if self._directory is None:
            self._directory = Path(await self._clock.to_thread(lambda: tempfile.mkdtemp(prefix="novita-simulator-")))
        self._count += 1
        digest = hashlib.blake2b(f"{self._seed} file {self._count}".encode(), digest_size=10).hexdigest()
        now = self._clock.time()
        until = now + _DAY * (_INPUT_DAYS if purpose == "batch" else _OUTPUT_DAYS)
        identifier = f"file_{digest}"
        return StoredFile(
            id=identifier, name=name, purpose=purpose, path=self._directory / identifier, created=now, until=until
        )

    def publish(self, file: StoredFile) -> None:
        """Let the account see a file, which is kept for 15 days, or for 30 when it is output."""
        self._files[file.id] = file

    async def discard(self, file: StoredFile) -> None:
        """Take a file off the disk."""
        self._files.pop(file.id, None)
        await self._clock.to_thread(lambda: file.path.unlink(missing_ok=True))

    def find(self, identifier: str) -> StoredFile:
        """The file of this id, or the refusal."""
        file = self._files.get(identifier)
        if file is None or self._clock.time() >= file.until:
            raise not_found(f"file {identifier} not found")
        return file

    # --------------------------------------------------------------------------------------------------

    async def _list(self, call: Call) -> Reply:
        now = self._clock.time()
        known = [file for file in reversed(self._files.values()) if now < file.until]
        # Nobody documents `after`. OpenAI's client goes on asking with it until a page is empty, as long as no
        # `has_more` says otherwise.
        ids = [file.id for file in known]
        if (after := call.query.get("after")) in ids:
            known = known[ids.index(after) + 1 :]
        files = [file.wire() for file in known]
        return json_reply({"code": "200", "message": "success", "data": files})

    async def _retrieve(self, call: Call) -> Reply:
        return json_reply(self.find(call.params["file"]).wire())

    async def _delete(self, call: Call) -> Reply:
        file = self.find(call.params["file"])
        await self.discard(file)
        return json_reply({"id": file.id, "object": "file", "deleted": True})

    async def _content(self, call: Call) -> Reply:
        file = self.find(call.params["file"])
        headers = {"content-type": "application/octet-stream", "content-length": str(file.size)}
        return Reply(200, headers, self._read(file))

    async def _read(self, file: StoredFile) -> AsyncIterator[bytes]:
        to_thread = self._clock.to_thread
        opened: BinaryIO | None = None
        try:
            opened = await to_thread(lambda: file.path.open("rb") if file.size else None)
            while opened is not None and (chunk := await to_thread(lambda: opened.read(_READ_SIZE))):
                yield chunk
        finally:
            if opened is not None:
                await to_thread(opened.close)

    async def _upload(self, call: Call) -> Reply:
        if not call.headers.get("content-type", "").startswith("multipart/form-data"):
            raise invalid("the file must be sent as multipart/form-data")
        file = await self.new("", "batch")
        try:
            fields = await self._read_form(call, file)
            if (purpose := fields.get("purpose")) != "batch":
                raise invalid(f"purpose must be batch, got {purpose!r}")
            if "file" not in fields:
                raise invalid("file is required")
            await self._clock.to_thread(file.count)
        except MultipartError as error:
            await self.discard(file)
            raise invalid(f"error parsing multipart form: {error}") from None
        except BaseException:
            await self.discard(file)
            raise
        self.publish(file)
        return json_reply(file.wire())

    async def _read_form(self, call: Call, file: StoredFile) -> dict[str, str]:
        """The fields of the form; the content of `file` goes to disk as it comes."""
        decoder = MultipartDecoder(call.headers["content-type"])
        fields: dict[str, str] = {}
        pending = bytearray()
        part = Part("", "")

        async def flush() -> None:
            data = bytes(pending)
            pending.clear()
            if file.size + len(data) > _MAX_BYTES:
                raise invalid("the file is larger than 100 MB")
            await self._clock.to_thread(lambda: file.append(data))

        async for chunk in call.chunks():
            for event in decoder.feed(chunk):
                if isinstance(event, Part):
                    part = event
                    fields[part.name] = ""
                    if part.name == "file":
                        file.name = part.filename or "file"
                elif event is not None and part.name == "file":
                    pending += event
                    if len(pending) >= _WRITE_SIZE:
                        await flush()
                elif event is not None:
                    fields[part.name] += event.decode("utf-8", "replace")
        decoder.close()
        await flush()
        return fields


def invalid(message: str) -> Refusal:
    """The refusal of a bad request."""
    return keys.flat(HTTPStatus.BAD_REQUEST, "INVALID_REQUEST_BODY", message)


def not_found(message: str) -> Refusal:
    """The refusal of an id that nobody has."""
    return keys.flat(HTTPStatus.NOT_FOUND, "NOT_FOUND", message)
