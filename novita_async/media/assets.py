"""Files on their way to a place of the platform's where models find them (contract/image.md 9, video.md)."""

from __future__ import annotations

import re
from functools import partial
from typing import TYPE_CHECKING

from ..errors import ValidationError
from ..runtime.bodies import Repeatable
from ..runtime.call import Auth, Call
from .inputs import PIECE, File, Unusable, recognise

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from ..catalog import Media
    from ..runtime.call import Answer, Runtime
    from ..runtime.clock import Clock
    from .inputs import FileInput

__all__ = ["opened", "opened_file", "put"]

_ID = re.compile(r"[\w-]+")


class _Pieces(Repeatable):
    """A file as a body, read off the loop."""

    def __init__(self, clock: Clock, file: File) -> None:
        self._clock = clock
        self._file = file

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for place in range(0, self._file.size, PIECE):
            yield await self._clock.to_thread(partial(self._file.read, place, PIECE))


async def opened(runtime: Runtime, value: FileInput, media: Media, name: str) -> File | str:
    """A file that somebody gave, open and looked at; or the id of one, where that is among the forms.

    Args:
        runtime: the client's.
        value: in any form.
        media: what it has to be.
        name: of the argument, for the error.

    Raises:
        ValidationError: it is no such file.
    """
    try:
        found = await runtime.clock.to_thread(partial(recognise, value, media))
    except Unusable as problem:
        raise ValidationError(f"{name}: {problem}") from problem
    problem = ""
    if isinstance(found, str):
        if _ID.fullmatch(found):
            return found
        problem = f"{found!r} is neither an existing file nor an id"
    elif not isinstance(found, File):
        problem = "it is behind a link: fetch it first, and give its bytes or its path"
    elif not found.size:
        problem = "it is empty"
    elif media.max_bytes and found.size > media.max_bytes:
        problem = f"{found.size} bytes, at most {media.max_bytes}"
    elif media.formats and found.type not in media.formats:
        problem = f"{found.type or 'what it is'} is none of {', '.join(media.formats)}"
    else:
        return found
    raise ValidationError(f"{name}: {problem}")


async def opened_file(runtime: Runtime, value: FileInput, media: Media, name: str) -> File:
    """As `opened`, and no id."""
    found = await opened(runtime, value, media, name)
    if isinstance(found, str):
        raise ValidationError(f"{name}: {found!r} is no existing file")
    return found


async def put(
    runtime: Runtime, url: str, file: File, *, headers: Mapping[str, str], timeout: float | None = None
) -> Answer:
    """Send a file to a place outside of the API. No credentials of ours go along.

    Args:
        runtime: the client's.
        url: the place, which may carry a signature.
        file: read as it is sent, and again should the upload be repeated.
        headers: that the place asks for.
        timeout: the whole upload in seconds.
    """
    sent = {"content-type": file.kind, "content-length": str(file.size), **headers}
    body = _Pieces(runtime.clock, file)
    call = Call(method="PUT", url=url, body=body, headers=sent, auth=Auth.LINK, timeout=timeout)
    return await runtime.request(call)
