"""Reading and writing files over plain HTTP (contract/sandbox-envd.openapi.yaml, /files)."""

from __future__ import annotations

import errno
import mimetypes
import os
import re
import secrets
import stat
import zlib
from contextlib import ExitStack, suppress
from io import FileIO
from typing import TYPE_CHECKING, NoReturn
from urllib.parse import quote

import msgspec

from ...transport.protocol import Reply
from ..router import Refusal, json_reply
from .door import gone
from .isolation import USERS, User
from .multipart import MultipartDecoder, MultipartError, Part
from .paths import absolute

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable

    from ...runtime.clock import Clock
    from ..router import Call, Router
    from .door import Door
    from .machine import Machine

__all__ = ["add_routes"]

_CHUNK = 256 * 1024
_RANGE = re.compile(r"bytes=(?=.*\d)(\d*)-(\d*)")


class Composition(msgspec.Struct, frozen=True):
    """Body of POST /files/compose."""

    source_paths: list[str]
    destination: str
    username: str = ""


def add_routes(router: Router, door: Door) -> None:
    """Serve GET and POST /files, and POST /files/compose."""

    async def download(call: Call) -> Reply:
        return await _download(call, door.enter_signed(call, "read"))

    async def upload(call: Call) -> Reply:
        return await _upload(call, door.enter_signed(call, "write"))

    async def compose(call: Call) -> Reply:
        return await _compose(call, door.enter(call))

    router.add("GET", "/files", download)
    router.add("POST", "/files", upload)
    router.add("POST", "/files/compose", compose)


def _refusal(status: int, message: str) -> Refusal:
    return Refusal(status, {"code": status, "message": message})


def _user(call: Call) -> User:
    return _known(call.query.get("username") or "user")


def _known(name: str) -> User:
    if name not in USERS:
        raise _refusal(401, f"error looking up user {name!r}: no such user")
    return USERS[name]


def _absolute(path: str, user: User) -> str:
    try:
        return absolute(path, user.home)
    except ValueError as error:
        raise _refusal(400, str(error)) from error


def _refuse(error: OSError, machine: Machine, path: str) -> NoReturn:
    """Tell an error of the file system in envd's words."""
    if machine.ended:
        raise gone(machine.id) from error
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        raise _refusal(507, "not enough disk space available") from error
    if isinstance(error, FileNotFoundError):
        raise _refusal(404, f"path '{path}' does not exist") from error
    wrong = (errno.EISDIR, errno.ENOTDIR, errno.ENAMETOOLONG, errno.EINVAL, errno.ELOOP)
    raise _refusal(400 if error.errno in wrong else 500, f"path '{path}': {error.strerror}") from error


# ---------------------------------------------------------------------------------------------- reading


def _open(machine: Machine, path: str) -> tuple[FileIO, int, str]:
    """Open a file; return it with its size and its content type. Blocks."""
    with machine.tree.locate(path) as place:
        # Without waiting: a pipe that nobody writes to would hold the thread for ever.
        fd = place.open(os.O_RDONLY | os.O_NONBLOCK)
    info = os.fstat(fd)
    if stat.S_ISREG(info.st_mode):
        guessed = mimetypes.guess_type(path)[0] or "application/octet-stream"
        return FileIO(fd), info.st_size, f"{guessed}; charset=utf-8" if guessed.startswith("text/") else guessed
    os.close(fd)
    number = errno.EISDIR if stat.S_ISDIR(info.st_mode) else errno.EINVAL
    raise OSError(number, "not a file", path)


class _Content:
    """A part of an open file as the body of a reply. A generator would not do: one that never ran closes nothing."""

    def __init__(self, clock: Clock, file: FileIO, length: int, *, gzip: bool) -> None:
        self._clock = clock
        self._file = file
        self._left = length
        self._deflate = zlib.compressobj(wbits=zlib.MAX_WBITS | 16) if gzip else None

    def __aiter__(self) -> _Content:
        return self

    async def __anext__(self) -> bytes:
        chunk = b"" if self._file.closed else await self._clock.to_thread(self._next)
        if not chunk:
            await self.aclose()
            raise StopAsyncIteration
        return chunk

    def _next(self) -> bytes:
        while True:
            data = self._file.read(min(_CHUNK, self._left))
            self._left -= len(data)
            if self._deflate is None:
                return data
            if not data:
                rest, self._deflate = self._deflate.flush(), None
                return rest
            if packed := self._deflate.compress(data):
                return packed

    async def aclose(self) -> None:
        self._file.close()


async def _download(call: Call, machine: Machine) -> Reply:
    asked = call.query.get("path", "")
    path = _absolute(asked, _user(call))
    ranged = _RANGE.fullmatch(call.headers.get("range", ""))
    gzip = _gzip_wanted(call) and "range" not in call.headers
    try:
        file, size, content_type = await machine.clock.to_thread(lambda: _open(machine, path))
    except OSError as error:
        _refuse(error, machine, asked)
    start, stop = _span(ranged[1], ranged[2], size) if ranged else (0, size)
    if start >= stop and ranged:
        file.close()
        raise Refusal(416, {"code": 416, "message": "invalid range"}, {"content-range": f"bytes */{size}"})
    file.seek(start)
    headers = {
        "content-type": content_type,
        "content-disposition": f"inline; filename*=utf-8''{quote(path.rpartition('/')[2])}",
        "vary": "Accept-Encoding",
    }
    if gzip:
        headers["content-encoding"] = "gzip"
    else:
        headers["content-length"] = str(stop - start)
        headers["accept-ranges"] = "bytes"
    if ranged:
        headers["content-range"] = f"bytes {start}-{stop - 1}/{size}"
    return Reply(206 if ranged else 200, headers, _Content(machine.clock, file, stop - start, gzip=gzip))


def _span(first: str, last: str, size: int) -> tuple[int, int]:
    """From the two numbers of a range, either of which may be missing, to the bytes it means."""
    if not first:
        return max(0, size - int(last)), size
    return int(first), min(int(last) + 1, size) if last else size


def _gzip_wanted(call: Call) -> bool:
    weights: dict[str, float] = {}
    for item in filter(None, call.headers.get("accept-encoding", "").split(",")):
        name, _, weight = item.partition(";")
        with suppress(ValueError):
            weights[name.strip().lower()] = float(weight.strip().removeprefix("q=") or 1)
    if weights.get("gzip"):
        return True
    if not weights.get("identity", weights.get("*", 1)):
        raise _refusal(406, "no acceptable encoding found, supported: gzip, identity")
    return False


# ---------------------------------------------------------------------------------------------- writing


class _Upload:
    """A file on its way. It has its own name, out of the sandbox's sight, until it is whole. Every method blocks."""

    def __init__(self, machine: Machine, path: str) -> None:
        self.path = path
        self._staged = machine.layout.staging / secrets.token_hex(8)
        self._place = machine.tree.locate(path, make=True, write=True)
        self._mode: int | None = None
        self.real_path = self._place.path
        try:
            with suppress(FileNotFoundError):
                kind = self._place.stat().st_mode
                if stat.S_ISDIR(kind):
                    raise IsADirectoryError(errno.EISDIR, "path is a directory", path)
                self._mode = stat.S_IMODE(kind)
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
            self._file = FileIO(os.open(self._staged, flags, 0o666), "w")
        except BaseException:
            self._place.close()
            raise

    def write(self, pieces: Iterable[bytes]) -> None:
        for piece in pieces:
            view = memoryview(piece)
            while view:
                view = view[self._file.write(view) :]

    def finish(self) -> None:
        """Put it in its place. A file that was there keeps its permissions."""
        if self._mode is not None:
            os.fchmod(self._file.fileno(), self._mode)
        os.rename(self._staged, self._place.name, dst_dir_fd=self._place.fd)
        # Whoever watches the directory is to hear of all that envd does: it makes the file, chowns it and writes it.
        # These two change nothing, and are a change of permissions and a write to the kernel.
        fd = self._file.fileno()
        os.fchmod(fd, stat.S_IMODE(os.fstat(fd).st_mode))
        if self._file.tell():
            with suppress(AttributeError, OSError):
                os.posix_fallocate(fd, 0, 1)
        self._file.close()

    def close(self) -> None:
        self._file.close()
        self._place.close()
        self._staged.unlink(missing_ok=True)


class _Uploads:
    """The files of one request, one after the other."""

    def __init__(self, machine: Machine) -> None:
        self.written: list[str] = []
        self._machine = machine
        self._current: _Upload | None = None
        self._pending: list[bytes] = []  # a hop to a thread costs more than small pieces do
        self._pending_size = 0
        self._clock = machine.clock

    async def open(self, path: str, user: User) -> None:
        path = _absolute(path, user)
        if path in self.written:
            raise _refusal(400, f"you cannot upload multiple files to the same path {path!r} in one upload request")
        await self._do(path, lambda: self._begin(path))

    def _begin(self, path: str) -> None:
        self._current = _Upload(self._machine, path)

    async def write(self, data: bytes) -> None:
        self._pending.append(data)
        self._pending_size += len(data)
        if self._pending_size >= _CHUNK:
            await self._flush()

    async def _flush(self) -> None:
        current, pending = self._open_one, self._pending
        self._pending, self._pending_size = [], 0
        await self._do(current.path, lambda: current.write(pending))

    async def finish(self) -> None:
        await self._flush()
        current = self._open_one
        await self._do(current.path, current.finish)
        await self.aclose()
        self.written.append(current.path)

    @property
    def _open_one(self) -> _Upload:
        assert self._current is not None
        return self._current

    async def _do(self, path: str, function: Callable[[], None]) -> None:
        try:
            await self._clock.to_thread(function)
        except OSError as error:
            _refuse(error, self._machine, path)

    async def aclose(self) -> None:
        """Give up what is not finished. Safe to call twice."""
        self._pending, self._pending_size = [], 0
        current, self._current = self._current, None
        if current is not None:
            await self._clock.to_thread(current.close)


async def _upload(call: Call, machine: Machine) -> Reply:
    user = _user(call)
    path = call.query.get("path", "")
    content_type = call.headers.get("content-type", "")
    kind = content_type.partition(";")[0].strip().lower()
    uploads = _Uploads(machine)
    try:
        if kind == "multipart/form-data":
            await _receive_parts(call, uploads, content_type, path, user)
        elif kind == "application/octet-stream":
            await _receive_one(call, uploads, path, user)
        else:
            raise _refusal(400, f"unsupported content type {content_type!r}")
    finally:
        await uploads.aclose()
    return json_reply([_told(written) for written in uploads.written])


def _told(path: str) -> dict[str, str]:
    return {"name": path.rpartition("/")[2], "type": "file", "path": path}


async def _receive_parts(call: Call, uploads: _Uploads, content_type: str, path: str, user: User) -> None:
    try:
        decoder = MultipartDecoder(content_type)
        wanted = False
        async for chunk in call.chunks():
            for event in decoder.feed(chunk):
                if isinstance(event, Part):
                    wanted = event.name == "file"
                    if wanted:
                        await uploads.open(path or event.filename, user)
                elif wanted and event is not None:
                    await uploads.write(event)
                elif wanted:
                    await uploads.finish()
        decoder.close()
    except MultipartError as error:
        raise _refusal(400, f"error parsing multipart form: {error}") from error


async def _receive_one(call: Call, uploads: _Uploads, path: str, user: User) -> None:
    if not path:
        raise _refusal(400, "path is required for an octet-stream upload")
    encoding = call.headers.get("content-encoding", "identity").lower()
    if encoding not in ("gzip", "identity"):
        raise _refusal(400, f"unsupported content encoding {encoding!r}")
    await uploads.open(path, user)
    chunks = call.chunks()
    async for chunk in _unpacked(chunks) if encoding == "gzip" else chunks:
        if chunk:
            await uploads.write(chunk)
    await uploads.finish()


async def _unpacked(chunks: AsyncIterator[bytes]) -> AsyncGenerator[bytes, None]:
    """Undo gzip a piece at a time: a small body may stand for a very large file."""
    stream = zlib.decompressobj(zlib.MAX_WBITS | 16)
    try:
        async for chunk in chunks:
            while chunk:
                if stream.eof:  # another member follows
                    stream = zlib.decompressobj(zlib.MAX_WBITS | 16)
                yield stream.decompress(chunk, _CHUNK)
                chunk = stream.unconsumed_tail or stream.unused_data
    except zlib.error as error:
        raise _refusal(400, f"error decompressing the body: {error}") from error
    if not stream.eof:
        raise _refusal(400, "error decompressing the body: it is cut short")


async def _compose(call: Call, machine: Machine) -> Reply:
    """Put files together into one, and remove them."""
    try:
        asked = await call.json(Composition)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise _refusal(400, f"invalid request body: {error}") from error
    if not asked.source_paths or not asked.destination:
        raise _refusal(400, "source_paths and destination are required")
    user = _known(asked.username or "user")
    sources = [_absolute(path, user) for path in asked.source_paths]
    destination = _absolute(asked.destination, user)
    at = destination  # where something goes wrong

    def put_together() -> None:
        nonlocal at
        with ExitStack() as stack:
            files: list[FileIO] = []
            for at in sources:
                files.append(_open(machine, at)[0])
                stack.callback(files[-1].close)
            at = destination
            upload = _Upload(machine, destination)
            stack.callback(upload.close)
            for file in files:
                upload.write(iter(lambda file=file: file.read(_CHUNK), b""))
            upload.finish()
        for at in sources:
            with suppress(FileNotFoundError), machine.tree.locate(at) as target:
                if target.path == upload.real_path:
                    continue  # it is the one that was made
                with machine.tree.locate(at, follow=False, write=True) as place:
                    os.unlink(place.name, dir_fd=place.fd)

    try:
        await machine.clock.to_thread(put_together)
    except OSError as error:
        _refuse(error, machine, at)
    return json_reply(_told(destination))
