"""Files that are left for models: pictures for trainings behind signed links, and the asset host's own two paths.

Nothing is kept of them but what they are: `PUT /image` and `PUT /video` give an id (contract/image.md 2, video.md), an
upload link takes one picture of the type that it was made for (contract/image.md 9).
"""

from __future__ import annotations

import hashlib
import hmac
from http import HTTPStatus
from typing import TYPE_CHECKING, Literal
from urllib.parse import urlsplit

import msgspec

from ..transport.protocol import Reply
from . import keys
from .media_inputs import bad
from .router import Call, Router, json_reply

if TYPE_CHECKING:
    from ..runtime.clock import Clock

__all__ = ["Assets"]

_LINK_SECONDS = 3600
_MOST_BYTES = 100 << 20


class _LinkRequest(msgspec.Struct):
    file_extension: Literal["png", "webp", "jpeg"]


class _Asset(msgspec.Struct):
    """What was left, or is to be. `size` is 0 as long as nothing came."""

    id: str
    content_type: str
    size: int = 0


class Assets:
    """The asset host, and the upload links of trainings.

    Args:
        clock: decides which links have expired.
        api_key: the good key.
        seed: part of what decides the ids.
    """

    def __init__(self, *, clock: Clock, api_key: str, seed: int) -> None:
        self._clock = clock
        self._keys = keys.Keys(api_key, keys.MEDIA)
        self._seed = seed
        self._secret = f"{seed} {api_key} uploads".encode()
        self._assets: dict[str, _Asset] = {}

    def routes(self, router: Router) -> None:
        router.add("POST", "/v3/assets/training_dataset", self._keys.guard(self._link))
        router.add("PUT", "/uploads/{id}", self._fill)
        for kind in ("image", "video"):
            router.add("PUT", f"/{kind}", self._leave)

    def filled(self, identifier: str) -> bool:
        """Whether a file of this id was left here."""
        asset = self._assets.get(identifier)
        return asset is not None and asset.size > 0

    # ------------------------------------------------------------------------------------ upload links

    async def _link(self, call: Call) -> Reply:
        try:
            wanted = await call.json(_LinkRequest)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise bad(str(error)) from None
        asset = self._new(f"image/{wanted.file_extension}")
        until = str(int(self._clock.time()) + _LINK_SECONDS)
        signature = self._signature(asset.id, until)
        return json_reply(
            {
                "assets_id": asset.id,
                "upload_url": f"{call.origin}/uploads/{asset.id}?Expires={until}&Signature={signature}",
                "method": "PUT",
                "headers": {"Host": {"values": [urlsplit(call.origin).netloc]}},
            }
        )

    async def _fill(self, call: Call) -> Reply:
        """Take a picture, as a cloud's store of files does."""
        identifier, until = call.params["id"], call.query.get("Expires", "")
        if "authorization" in call.headers:
            return _refuse(HTTPStatus.BAD_REQUEST, "InvalidArgument", "Only one auth mechanism allowed")
        signature = self._signature(identifier, until)
        asset = self._assets.get(identifier)
        if asset is None or not hmac.compare_digest(call.query.get("Signature", "").encode(), signature.encode()):
            return _refuse(HTTPStatus.FORBIDDEN, "SignatureDoesNotMatch", "The signature does not match the link")
        if self._clock.time() >= int(until):
            return _refuse(HTTPStatus.FORBIDDEN, "AccessDenied", "Request has expired")
        if call.headers.get("content-type", "") != asset.content_type:
            return _refuse(HTTPStatus.FORBIDDEN, "SignatureDoesNotMatch", f"The link is for {asset.content_type}")
        asset.size = await self._size(call)
        return Reply(200, {"content-length": "0"}, b"")

    # -------------------------------------------------------------------------------- the asset host

    async def _leave(self, call: Call) -> Reply:
        size = await self._size(call)
        if not size:
            raise bad("the file is empty")
        asset = self._new(call.headers.get("content-type", "application/octet-stream"))
        asset.size = size
        return json_reply({"assets_id": asset.id})

    # -----------------------------------------------------------------------------------------------

    def _new(self, content_type: str) -> _Asset:
        digest = hashlib.blake2b(f"{self._seed} asset {len(self._assets)}".encode(), digest_size=16).hexdigest()
        asset = self._assets[digest] = _Asset(digest, content_type)
        return asset

    async def _size(self, call: Call) -> int:
        """Read a file to its end, and keep none of it."""
        size = 0
        async for chunk in call.chunks():
            size += len(chunk)
            if size > _MOST_BYTES:
                raise bad(f"the file has more than {_MOST_BYTES} bytes")
        return size

    def _signature(self, identifier: str, until: str) -> str:
        return hmac.new(self._secret, f"{identifier}\n{until}".encode(), hashlib.sha256).hexdigest()


def _refuse(status: int, code: str, message: str) -> Reply:
    body = f'<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>{code}</Code><Message>{message}</Message></Error>'
    return Reply(int(status), {"content-type": "application/xml"}, body.encode())
