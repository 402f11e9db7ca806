"""Where finished pictures, clips and sound are fetched: signed links that expire, as a cloud's store of files has them.

Like such a store, it refuses a request that brings credentials of its own: a client that sends its API key along with a
download is found out here.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable
from functools import partial
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, TypeAlias
from urllib.parse import parse_qsl, unquote, urlsplit

import msgspec

from ..transport.protocol import Reply

if TYPE_CHECKING:
    from ..runtime.clock import Clock
    from .router import Call, Router

__all__ = ["CONTENT_TYPES", "Outputs"]

#: By what a file is.
CONTENT_TYPES = {
    "png": "image/png",
    "jpeg": "image/jpeg",
    "webp": "image/webp",
    "gif": "image/gif",
    "mp4": "video/mp4",
    "mp3": "audio/mpeg",
    "wav": "audio/wav",
    "flac": "audio/flac",
    "pcm": "audio/pcm",
    "opus": "audio/ogg",
}

_RANGE = re.compile(r"bytes=(\d*)-(\d*)")
_KEPT_BYTES = 64 << 20  # of files that were made
_BLOCK = 256 << 10  # of a file that is never whole in memory

#: Makes a file: it gives its bytes, what it is (of `CONTENT_TYPES`), and maybe more that does not matter here.
_Make: TypeAlias = Callable[[], "tuple[bytes, str, *tuple[Any, ...]]"]
_Read: TypeAlias = Callable[[int, int], bytes]


class _File(msgspec.Struct, frozen=True):
    """Something to fetch. `read` gives any part of it; what is not `whole` is sent block by block."""

    content_type: str
    tag: str
    size: int
    read: _Read
    whole: bool


class Outputs:
    """Files that are made when they are fetched. Their making is deterministic, so nothing has to be kept.

    Args:
        clock: decides which links have expired; its threads make the files.
        secret: signs the links.
    """

    def __init__(self, *, clock: Clock, secret: str) -> None:
        self._clock = clock
        self._secret = secret.encode()
        self._recipes: dict[str, _Make] = {}
        self._streams: dict[str, _File] = {}
        self._made: OrderedDict[str, _File] = OrderedDict()  # the one that was asked for last at the end
        self._made_bytes = 0

    def routes(self, router: Router) -> None:
        router.add("GET", "/outputs/{name}", self._fetch)
        router.add("HEAD", "/outputs/{name}", self._fetch)

    def put(self, name: str, make: _Make) -> None:
        """Remember how a file is made, such as `partial(picture, "a boat", 7, 512, 512)`. It is called in a thread."""
        self._recipes[name] = make

    def put_stream(self, name: str, content_type: str, size: int, block: Callable[[int, int], bytes]) -> None:
        """Offer a file that may be larger than memory.

        Args:
            name: of the file.
            content_type: its media type.
            size: in bytes.
            block: gives the bytes from a start to an end, the same ones every time. It is called in a thread, for at
                most 256 KiB at once.
        """
        tag = _tag(f"{name} {content_type} {size}".encode())
        self._streams[name] = _File(content_type, tag, size, block, whole=False)

    def remove(self, name: str) -> None:
        self._recipes.pop(name, None)
        self._streams.pop(name, None)
        if (file := self._made.pop(name, None)) is not None:
            self._made_bytes -= file.size

    def link(self, origin: str, name: str, *, expires: float) -> str:
        """A link to a file, good until `expires` in Unix seconds."""
        until = str(int(expires))
        return f"{origin}/outputs/{name}?Expires={until}&Signature={self._signature(name, until)}"

    async def behind(self, link: str) -> bytes | None:
        """The whole file behind a link of this store that is still good; None for any other link."""
        parts = urlsplit(link)
        name = unquote(parts.path).rpartition("/")[2]
        query = dict(parse_qsl(parts.query))
        until = query.get("Expires", "")
        if not hmac.compare_digest(query.get("Signature", "").encode(), self._signature(name, until).encode()):
            return None
        file = await self._find(name) if self._clock.time() < int(until) else None
        return file.read(0, file.size) if file is not None and file.whole else None

    def _signature(self, name: str, until: str) -> str:
        return hmac.new(self._secret, f"{name}\n{until}".encode(), hashlib.sha256).hexdigest()

    async def _fetch(self, call: Call) -> Reply:
        name, until = call.params["name"], call.query.get("Expires", "")
        if "authorization" in call.headers:
            return _refuse(400, "InvalidArgument", "Only one auth mechanism allowed")
        if not hmac.compare_digest(call.query.get("Signature", "").encode(), self._signature(name, until).encode()):
            return _refuse(403, "SignatureDoesNotMatch", "The signature does not match the link")
        if self._clock.time() >= int(until):
            return _refuse(403, "AccessDenied", "Request has expired")
        if (file := await self._find(name)) is None:
            return _refuse(404, "NoSuchKey", "The specified key does not exist")
        return await self._answer(call, file)

    async def _find(self, name: str) -> _File | None:
        if (file := self._streams.get(name)) is not None:
            return file
        if (recipe := self._recipes.get(name)) is None:
            return None
        if name in self._made:
            self._made.move_to_end(name)
            return self._made[name]
        file = await self._clock.to_thread(partial(_make, recipe))
        if name in self._recipes and name not in self._made:
            self._made[name] = file
            self._made_bytes += file.size
        while self._made_bytes > _KEPT_BYTES:
            _, dropped = self._made.popitem(last=False)
            self._made_bytes -= dropped.size
        return file

    async def _answer(self, call: Call, file: _File) -> Reply:
        """The file, or the one range of it that is asked for."""
        headers = {"content-type": file.content_type, "accept-ranges": "bytes", "etag": file.tag}
        if call.method == "HEAD":
            return Reply(200, {**headers, "content-length": str(file.size)}, b"")
        status, start, end = HTTPStatus.OK, 0, file.size
        if (wanted := _wanted(call, file)) is not None:
            status, (start, end) = HTTPStatus.PARTIAL_CONTENT, wanted
            if start >= end:
                return Reply(416, {"content-range": f"bytes */{file.size}", "content-length": "0"}, b"")
            headers["content-range"] = f"bytes {start}-{end - 1}/{file.size}"
        headers["content-length"] = str(end - start)
        return Reply(status, headers, file.read(start, end) if file.whole else self._blocks(file.read, start, end))

    async def _blocks(self, read: _Read, start: int, end: int) -> AsyncIterator[bytes]:
        for at in range(start, end, _BLOCK):
            yield await self._clock.to_thread(partial(read, at, min(end, at + _BLOCK)))


def _make(recipe: _Make) -> _File:
    data, kind, *_ = recipe()
    return _File(CONTENT_TYPES[kind], _tag(data), len(data), lambda start, end: data[start:end], whole=True)


def _tag(data: bytes) -> str:
    return f'"{hashlib.blake2b(data, digest_size=16).hexdigest()}"'


def _wanted(call: Call, file: _File) -> tuple[int, int] | None:
    """Where the range that is asked for starts and ends; None for the whole file, which a senseless one gets too."""
    wanted = _RANGE.fullmatch(call.headers.get("range", ""))
    if wanted is None or call.headers.get("if-range", file.tag) != file.tag:
        return None
    first, last = wanted.groups()
    if not first:
        return (max(0, file.size - int(last)), file.size) if last else None
    if last and int(last) < int(first):
        return None
    return int(first), min(int(last) + 1, file.size) if last else file.size


def _refuse(status: int, code: str, message: str) -> Reply:
    body = f'<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>{code}</Code><Message>{message}</Message></Error>'
    return Reply(status, {"content-type": "application/xml"}, body.encode())
