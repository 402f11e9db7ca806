"""What the facades of the account and of search share: how a call is made, and lists that keep each row's JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import quote

import msgspec

from ..errors import ValidationError
from ..runtime.arguments import call_headers, check_timeout, json_body, with_query
from ..runtime.call import Call
from ..runtime.pages import Pages
from ..runtime.retry import Replay
from ..wire.json import decode

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping

    from ..runtime.call import Runtime

__all__ = ["Endpoint", "check_choice", "check_text", "segment"]

T = TypeVar("T")


class Endpoint:
    """Base of the facades: paths below the client's base URL."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime

    def _call(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        *,
        query: Mapping[str, Any] | None = None,
        extra_body: Mapping[str, Any] | None = None,
        extra_headers: Mapping[str, str] | None = None,
        extra_query: Mapping[str, Any] | None = None,
        timeout: float | None = None,
        attempt: float | None = None,
        replay: Replay = Replay.SAFE,
    ) -> Call:
        """A call, checked and not sent."""
        url = f"{self._runtime.settings.base_url}{path}"
        return Call(
            method=method,
            url=with_query(url, **{**(query or {}), **(extra_query or {})}),
            body=None if body is None else json_body({**body, **(extra_body or {})}),
            headers=call_headers(extra_headers),
            timeout=check_timeout(timeout),
            attempt=attempt,
            replay=replay,
        )

    def _objects(self, rows: list[msgspec.Raw] | None, type_: type[T]) -> list[T]:
        """Rows as objects, each of which keeps its own JSON. The platform may send null for none."""
        decoder = self._runtime.decoders(type_)
        return [decode(decoder, bytes(row)) for row in rows or ()]

    def _numbered(
        self, fetch: Callable[[int], Awaitable[tuple[list[msgspec.Raw] | None, int]]], type_: type[T]
    ) -> Pages[T]:
        """Pages counted from 1, which may be of any length. They end when the total is there, or at one without a new
        row: that is the last one, or the first one again from a server that ignores the number.

        Args:
            fetch: gives the rows of a page and the total that the platform tells, 0 when it tells none.
            type_: of a row.
        """

        async def pages() -> AsyncIterator[list[T]]:
            seen: set[bytes] = set()
            number = count = 0
            while True:
                number += 1
                rows, total = await fetch(number)
                found = [bytes(row) for row in rows or ()]
                fresh = [msgspec.Raw(row) for row in found if row not in seen]
                seen.update(found)
                count += len(fresh)
                yield self._objects(fresh, type_)
                if not fresh or 0 < total <= count:
                    return

        return Pages(pages)


def check_choice(name: str, value: object, choices: Collection[str]) -> None:
    """Refuse what is none of the choices."""
    if value not in choices:
        raise ValidationError(f"{name} must be one of {', '.join(choices)}, got {value!r}")


def check_text(name: str, value: object) -> str:
    """Refuse what is no text, or an empty one."""
    if not isinstance(value, str) or not value.strip():
        raise ValidationError(f"{name} must be a text that is not empty, got {value!r}")
    return value


def segment(name: str, value: object) -> str:
    """An id as a part of a path."""
    if not check_text(name, value).strip("./"):
        raise ValidationError(f"{name} is not an id: {value!r}")
    return quote(str(value), safe="")
