"""Bodies of requests and answers, as the attempt loop sees them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..errors import ConnectionLost, ProtocolError
from ..transport.protocol import close_source
from ..wire.problem import api_error

if TYPE_CHECKING:
    from collections.abc import AsyncIterable, AsyncIterator

    from ..errors import APIError
    from ..transport.protocol import Body, Response

__all__ = ["Repeatable", "Upload", "read_all", "read_refusal"]

_MAX_REFUSAL = 1 << 20


class Repeatable:
    """Base of streamed bodies that give all their chunks anew at each iteration: their calls can be repeated."""


class Upload:
    """A streamed body, and whether anything of it was taken: from then on its call cannot be repeated, unless the body
    is `Repeatable`."""

    __slots__ = ("_body", "_source", "touched")

    def __init__(self, body: AsyncIterable[bytes]) -> None:
        self._body = body if isinstance(body, Repeatable) else None
        self._source = aiter(body)
        self.touched = False

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self if self._body is None else aiter(self._body)

    async def __anext__(self) -> bytes:
        self.touched = True
        return await anext(self._source)

    async def aclose(self) -> None:
        self.touched = True
        await close_source(self._source)


async def read_all(body: Body, *, at_most: int | None = None) -> bytes:
    """Read a body to its end, or to a little over `at_most` bytes."""
    first = await body.read()
    if not first or (at_most is not None and len(first) >= at_most) or not (chunk := await body.read()):
        return first
    chunks = [first, chunk]
    size = len(first) + len(chunk)
    while (at_most is None or size < at_most) and (chunk := await body.read()):
        chunks.append(chunk)
        size += len(chunk)
    return b"".join(chunks)


async def read_refusal(response: Response, *, secret: str, now: float) -> APIError:
    """Read an answer that is a refusal by its status.

    Args:
        response: the answer.
        secret: the API key, blotted out wherever the body repeats it.
        now: Unix seconds, for a `Retry-After` that is a date.
    """
    try:
        body = await read_all(response.body, at_most=_MAX_REFUSAL)
    except (ConnectionLost, ProtocolError):
        body = b""  # the status alone still says more than a body that cannot be read
    return api_error(response.status, response.headers, body, secret=secret, now=now)
