"""Files on their way to a place of the platform's where models find them (contract/image.md 9, video.md)."""

from __future__ import annotations

import re
from functools import partial
from typing import TYPE_CHECKING, Any

from ..catalog import Media, Model, Schema
from ..errors import ValidationError
from ..runtime.bodies import Repeatable
from ..runtime.call import Auth, Call
from .inputs import PIECE, File, Link
from .prepare import prepare

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from ..runtime.call import Answer, Runtime
    from ..runtime.clock import Clock
    from .inputs import FileInput

__all__ = ["opened", "put"]

_ID = re.compile(r"[\w-]+")


class _Pieces(Repeatable):
    """A file as a body, read off the loop."""

    def __init__(self, clock: Clock, file: File) -> None:
        self._clock = clock
        self._file = file

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for place in range(0, self._file.size, PIECE):
            yield await self._clock.to_thread(partial(self._file.read, place, PIECE))


async def opened(runtime: Runtime, values: Mapping[str, FileInput | int], media: Media) -> list[File | str | int]:
    """Files that somebody gave, open and looked at: those behind a link are fetched.

    Args:
        runtime: the client's.
        values: in any form, by the names that errors call them by; ids as text or numbers, where those are taken.
        media: what they have to be.

    Raises:
        ValidationError: everything that is wrong with them.
        NovitaError: a link cannot be fetched.
    """
    file = Schema(type="string", media=media)
    # As if there were a model that takes them, so that files are the same everywhere.
    model = Model(
        id="assets",
        title="",
        product="training",
        family="",
        task="",
        path="",
        kind="sync",
        status="current",
        params=Schema(type="object", properties=dict.fromkeys(values, file)),
        output="",
    )
    prepared = prepare(model, values)
    await runtime.clock.to_thread(prepared.look)
    found: list[Any] = list(prepared.params.values())
    if not prepared.problems:  # what could be no file is still as it came
        prepared.problems += [
            f"{name}: {each!r:.80} is neither an existing file nor an id"
            for name, each in zip(values, found, strict=True)
            if not (isinstance(each, (File, Link)) or ("asset" in media.forms and _is_id(each)))
        ]
    if not prepared.problems:
        await prepared.fetch(runtime)
    if prepared.problems:
        raise ValidationError(*prepared.problems)
    return list(prepared.params.values())


def _is_id(value: object) -> bool:
    return type(value) is int or (isinstance(value, str) and _ID.fullmatch(value) is not None)


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
