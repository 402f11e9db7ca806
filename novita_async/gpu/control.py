"""What every facade of the GPU APIs stands on: calls, answers in all their forms, and lists in all their styles."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, TypedDict, TypeVar, cast

import msgspec

from ..errors import NotFound, ProtocolError
from ..runtime.arguments import call_headers, check_timeout, json_body, with_query
from ..runtime.call import Answer, Call
from ..runtime.pages import Pages, cursored, numbered
from ..runtime.retry import Replay
from ..wire.json import Object, decode, encode, remember

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping

    from ..runtime.call import Runtime

__all__ = ["Control", "Options", "WriteOptions"]

T = TypeVar("T", bound=Object)

_PAGE_SIZE = 100
# Keys that another page or another client spells in another case: `Id`, `Addresses`, `clusterID` (contract/gpu.md 12).
_ODD_KEY = re.compile(rb'"(?:[A-Z]\w*|\w*ID)"\s*:')


class Options(TypedDict, total=False):
    """What every call takes besides.

    Attributes:
        extra_headers: headers for this call.
        timeout: the call in seconds, retries and waits included; each page of a list.
    """

    extra_headers: Mapping[str, str] | None
    timeout: float | None


class WriteOptions(Options, total=False):
    """What every call that changes something takes besides.

    Attributes:
        extra_body: fields for the body that the SDK does not know; they win over known ones.
    """

    extra_body: Mapping[str, Any] | None


class Control:
    """One of the GPU APIs.

    Args:
        runtime: the client's.
        prefix: of its paths.
    """

    def __init__(self, runtime: Runtime, prefix: str) -> None:
        self.runtime = runtime
        self._prefix = prefix

    def call(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        *,
        query: Mapping[str, Any] | None = None,
        replay: Replay = Replay.SAFE,
        extra_body: Mapping[str, Any] | None = None,
        extra_headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
        **limits: Any,
    ) -> Call:
        """A call of this API. `query` keeps what is not None; `limits` are for `Call`."""
        if extra_body:
            body = {**(body or {}), **extra_body}
        return Call(
            method=method,
            url=with_query(f"{self.runtime.settings.base_url}{self._prefix}{path}", **(query or {})),
            body=json_body(body) if body is not None else None,
            headers=call_headers(extra_headers),
            replay=replay,
            timeout=check_timeout(timeout),
            **limits,
        )

    # ----------------------------------------------------------------------------------------- answers

    async def write(self, call: Call) -> None:
        """Make a call whose answer says nothing, whether it is empty or an empty object."""
        self._accept(await self.runtime.request(call))

    def _accept(self, answer: Answer) -> None:
        """Raise the error that an answer holds; a code and a message may be those of a success, too."""
        refusal = self.runtime.embedded(answer.body, answer.headers) if answer.body else None
        if refusal is not None and (refusal.reason or refusal.status >= 400):
            raise refusal

    async def found(self, call: Call) -> bool:
        """Make a call that deletes; False when there was nothing (any more)."""
        try:
            await self.write(call)
        except NotFound:
            return False
        return True

    async def told(self, call: Call, *names: str) -> str:
        """Make a call that makes something; its id where the answer tells it under one of these names, else ""."""
        answer = await self.runtime.request(call)
        return self.id_in(answer, *names)

    def id_in(self, answer: Answer, *names: str) -> str:
        """The id that an answer tells: under one of these names, or as all there is; "" when it tells none."""
        try:
            value = msgspec.json.decode(answer.body) if answer.body.strip() else None
        except (msgspec.DecodeError, UnicodeDecodeError):
            value = None
        if isinstance(value, str):
            return value
        self._accept(answer)
        fields = cast("dict[str, Any]", value) if isinstance(value, dict) else {}
        folded = {name.lower(): each for name, each in fields.items() if isinstance(each, str | int)}
        return next((str(folded[name.lower()]) for name in (*names, "id") if name.lower() in folded), "")

    async def fetch(self, call: Call, type_: type[T], *, inside: str = "") -> T:
        """Make a call and read the one object in its answer: bare, or under a name, there alone in an array or not."""
        return self.one(await self.runtime.request(call), type_, inside=inside)

    def one(self, answer: Answer, type_: type[T], *, inside: str = "") -> T:
        """The one object in an answer."""
        fields = self.runtime.decode(answer, dict[str, msgspec.Raw])
        body = bytes(fields[inside]) if inside in fields else answer.body
        if body.lstrip().startswith(b"["):
            items = decode(self.runtime.decoders(list[msgspec.Raw]), body)
            if not items:
                raise ProtocolError(f"the answer has nothing under {inside!r}", body=answer.body)
            body = bytes(items[0])
        try:
            return self.item(body, type_)
        except ProtocolError as error:
            raise self.runtime.embedded(answer.body, answer.headers) or error from None

    def item(self, body: bytes, type_: type[T]) -> T:
        """Decode an object, whatever the case of its keys; `raw` is as it came."""
        decoder = self.runtime.decoders(type_)
        if _ODD_KEY.search(body) is None:
            return decode(decoder, body)
        try:
            value = decode(decoder, encode(_folded(msgspec.json.decode(body))))
        except msgspec.DecodeError as error:
            raise ProtocolError(f"unreadable answer: {error}", body=body) from error
        remember(value, body)
        return value

    def items(self, answer: Answer, type_: type[T], *names: str) -> tuple[list[T], dict[str, msgspec.Raw]]:
        """The objects of a list, bare or under one of these names, and the rest of the answer."""
        fields: dict[str, msgspec.Raw] = {}
        if answer.body.lstrip().startswith(b"["):
            found = self.runtime.decode(answer, list[msgspec.Raw])
        else:
            fields = self.runtime.decode(answer, dict[str, msgspec.Raw])
            name = next((name for name in names if name in fields), None)
            if name is None:
                error = ProtocolError(f"the answer has no list under {names[0]!r}", body=answer.body)
                raise self.runtime.embedded(answer.body, answer.headers) or error
            listed = bytes(fields[name])  # null is how some servers write an empty list
            found = [] if listed == b"null" else decode(self.runtime.decoders(list[msgspec.Raw]), listed)
        return [self.item(bytes(each), type_) for each in found], fields

    async def all(self, call: Call, type_: type[T], *names: str) -> list[T]:
        """Make a call that gives a whole list."""
        return self.items(await self.runtime.request(call), type_, *names)[0]

    # ------------------------------------------------------------------------------------------- lists

    def numbered(
        self,
        path: str,
        type_: type[T],
        *names: str,
        counter: str = "pageNum",
        query: Mapping[str, Any] | None = None,
        identify: Callable[[T], str] = lambda item: cast("Any", item).id,
        adopt: Callable[[T], T] = lambda item: item,
        **options: Any,
    ) -> Pages[T]:
        """A list whose pages are counted by a parameter of this name (contract/gpu.md 7). `adopt` gets each item."""
        self.call("GET", path, **options)  # refuses bad options now, and not at the first page

        async def fetch(number: int) -> tuple[list[T], int]:
            asked = {**(query or {}), counter: number, "pageSize": _PAGE_SIZE}
            answer = await self.runtime.request(self.call("GET", path, query=asked, **options))
            items, fields = self.items(answer, type_, *names)
            return [adopt(item) for item in items], _total(fields)

        return numbered(fetch, size=_PAGE_SIZE, identify=identify)

    def cursored(
        self,
        path: str,
        type_: type[T],
        *,
        query: Mapping[str, Any] | None = None,
        identify: Callable[[T], str] = lambda item: cast("Any", item).id,
        adopt: Callable[[T], T] = lambda item: item,
        **options: Any,
    ) -> Pages[T]:
        """A list whose pages name the next one; what moves between them while they are read is given once."""
        self.call("GET", path, **options)

        async def fetch(cursor: str) -> tuple[list[T], str]:
            asked = {**(query or {}), "limit": _PAGE_SIZE, "cursor": cursor or None}
            answer = await self.runtime.request(self.call("GET", path, query=asked, **options))
            items, fields = self.items(answer, type_, "data")
            following = msgspec.json.decode(bytes(fields.get("next_cursor", b"null")))
            more = bytes(fields.get("has_more", b"")) != b"false" and isinstance(following, str)
            return items, following if more else ""

        pages = cursored(fetch)

        async def distinct() -> AsyncIterator[list[T]]:
            seen: set[str] = set()
            async for item in pages:
                if identify(item) not in seen:
                    seen.add(identify(item))
                    yield [adopt(item)]

        return Pages(distinct)


def _total(fields: Mapping[str, msgspec.Raw]) -> int:
    text = bytes(fields.get("total", b"0")).strip(b'"')
    return int(text) if text.isdigit() else 0


def _folded(value: Any) -> Any:
    """A value with all its keys in the usual case: `Id` as id, `clusterID` as clusterId."""
    if isinstance(value, dict):
        return {_fold(name): _folded(each) for name, each in cast("dict[str, Any]", value).items()}
    return [_folded(each) for each in cast("list[Any]", value)] if isinstance(value, list) else value


def _fold(name: str) -> str:
    if name.endswith("ID"):
        name = f"{name[:-2]}Id"
    return name[:1].lower() + name[1:]
