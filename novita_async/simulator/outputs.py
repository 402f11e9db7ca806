"""Where finished pictures and clips are fetched: signed links that expire, as a store of files in a cloud gives them.

Like such a store, it refuses a request that brings credentials of its own: a client that sends its API key along with a
download is found out here.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections import OrderedDict
from collections.abc import Callable
from typing import TYPE_CHECKING

import msgspec

from ..transport.protocol import Reply

if TYPE_CHECKING:
    from ..runtime.clock import Clock
    from .router import Call, Router

__all__ = ["Outputs"]

_RANGE = re.compile(r"bytes=(\d*)-(\d*)")
_FILES_KEPT = 64


class _Recipe(msgspec.Struct, frozen=True):
    content_type: str
    make: Callable[[], bytes]


class Outputs:
    """Files that are made when they are fetched. Their making is deterministic, so nothing has to be kept.

    Args:
        clock: decides which links have expired; its threads make the files.
        secret: signs the links.
    """

    def __init__(self, *, clock: Clock, secret: str) -> None:
        self._clock = clock
        self._secret = secret.encode()
        self._recipes: dict[str, _Recipe] = {}
        self._files: OrderedDict[str, bytes] = OrderedDict()

    def routes(self, router: Router) -> None:
        router.add("GET", "/outputs/{name}", self._fetch)

    def put(self, name: str, content_type: str, make: Callable[[], bytes]) -> None:
        """Remember how a file is made."""
        self._recipes[name] = _Recipe(content_type, make)

    def remove(self, name: str) -> None:
        self._recipes.pop(name, None)

    def link(self, origin: str, name: str, *, expires: float) -> str:
        """A link to a file, good until `expires` in Unix seconds."""
        until = str(int(expires))
        return f"{origin}/outputs/{name}?Expires={until}&Signature={self._signature(name, until)}"

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
        if (recipe := self._recipes.get(name)) is None:
            return _refuse(404, "NoSuchKey", "The specified key does not exist")
        return _ranged(call, await self._file(name, recipe), recipe.content_type)

    async def _file(self, name: str, recipe: _Recipe) -> bytes:
        data = self._files.get(name)
        if data is None:
            data = await self._clock.to_thread(recipe.make)
            self._files[name] = data
            if len(self._files) > _FILES_KEPT:
                self._files.popitem(last=False)
        return data


def _ranged(call: Call, data: bytes, content_type: str) -> Reply:
    """The file, or the one range of it that is asked for."""
    tag = f'"{hashlib.blake2b(data, digest_size=16).hexdigest()}"'
    headers = {"content-type": content_type, "accept-ranges": "bytes", "etag": tag}
    wanted = _RANGE.fullmatch(call.headers.get("range", ""))
    senseless = (
        wanted is None or wanted[0] == "bytes=-" or (wanted[1] and wanted[2] and int(wanted[2]) < int(wanted[1]))
    )
    if wanted is None or senseless or call.headers.get("if-range", tag) != tag:
        return Reply(200, {**headers, "content-length": str(len(data))}, data)
    if wanted[1]:
        start, end = int(wanted[1]), min(int(wanted[2] or len(data)), len(data) - 1)
    else:
        start, end = max(0, len(data) - int(wanted[2])), len(data) - 1
    if start > end:
        return Reply(416, {"content-range": f"bytes */{len(data)}", "content-length": "0"}, b"")
    part = data[start : end + 1]
    span = f"bytes {start}-{end}/{len(data)}"
    return Reply(206, {**headers, "content-range": span, "content-length": str(len(part))}, part)


def _refuse(status: int, code: str, message: str) -> Reply:
    body = f'<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>{code}</Code><Message>{message}</Message></Error>'
    return Reply(status, {"content-type": "application/xml"}, body.encode())
