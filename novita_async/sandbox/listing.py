"""The sandboxes of an account as a whole: lists, metrics, events, quota (contract/sandbox.md 2, 9, 13)."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import quote, urlencode

import msgspec

from ..errors import ValidationError
from ..runtime.arguments import call_headers, check_timeout, given, with_query
from ..runtime.pages import Pages, cursored
from ..wire.json import Object, decode
from .arguments import check_strings
from .control import Control, SandboxInfo, path_of
from .metrics import Event, Metric, Quota, seconds_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from ..runtime.call import Runtime

__all__ = ["Listing"]

_METRICS = 100  # ids that one call may ask for
_EVENTS = 100  # asked for a page, the most that there are


class _Latest(msgspec.Struct):
    # Nobody has seen such an answer: it may also hold the samples of a while, oldest first.
    sandboxes: dict[str, Metric | list[Metric]]


class _Events(Object):
    items: list[msgspec.Raw] | None = None
    total: int = 0
    has_more: bool | None = msgspec.field(name="hasMore", default=None)


class Listing:
    """What `novita.sandboxes` tells of all sandboxes."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._control = Control(runtime)

    def list(
        self,
        *,
        state: Sequence[str] = (),
        metadata: Mapping[str, str] | None = None,
        extra_headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
    ) -> Pages[SandboxInfo]:
        """The sandboxes of the account: `async for info in ...list()` or `infos = await ...list()`.

        Args:
            state: only those in one of these states, such as ["running"]; none given means all.
            metadata: only those that have all these labels.
            extra_headers: headers for the call of each page.
            timeout: the call of each page in seconds, retries and waits included.

        Raises:
            APIError: the platform refused.

        Contract: sandbox.openapi.yaml, GET /v2/sandboxes; sandbox.md section 2.
        """
        query = given(state=_joined(state), metadata=_wanted(metadata))
        return self._control.pages("/v2/sandboxes", SandboxInfo, query, headers=extra_headers, timeout=timeout)

    async def running(
        self,
        *,
        metadata: Mapping[str, str] | None = None,
        extra_headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
    ) -> Sequence[SandboxInfo]:
        """The running sandboxes, all in one answer.

        Args:
            metadata: only those that have all these labels.
            extra_headers: headers for this call.
            timeout: the call in seconds, retries and waits included.

        Contract: sandbox.openapi.yaml, GET /sandboxes.
        """
        path = with_query("/sandboxes", metadata=_wanted(metadata))
        call = self._control.call("GET", path, headers=extra_headers, timeout=timeout)
        return self._control.items(await self._runtime.request(call), SandboxInfo)

    async def metrics(
        self,
        sandbox_ids: Sequence[str],
        *,
        extra_headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
    ) -> dict[str, Metric]:
        """What several sandboxes use now, by their ids. Of one alone `by_id(...).metrics()` tells more.

        Args:
            sandbox_ids: up to 100. One of which nothing is known is missing from the answer.
            extra_headers: headers for this call.
            timeout: the call in seconds, retries and waits included.

        Contract: sandbox.openapi.yaml, GET /sandboxes/metrics.
        """
        if isinstance(sandbox_ids, str) or not 0 < len(sandbox_ids) <= _METRICS:
            raise ValidationError(f"sandbox_ids must be 1 to {_METRICS} ids")
        for sandbox_id in sandbox_ids:
            path_of(sandbox_id)
        path = with_query("/sandboxes/metrics", sandbox_ids=",".join(sandbox_ids))
        call = self._control.call("GET", path, headers=extra_headers, timeout=timeout)
        found = (await self._runtime.fetch(call, _Latest)).sandboxes
        latest = {name: told[-1:] if isinstance(told, list) else [told] for name, told in found.items()}
        return {name: metric for name, told in latest.items() for metric in told}

    def events(
        self,
        *,
        sandbox_id: str | None = None,
        template: str | None = None,
        names: Sequence[str] = (),
        state: str | None = None,
        start: datetime | None = None,
        end: datetime | None = None,
        oldest_first: bool = False,
        extra_headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
    ) -> Pages[Event]:
        """What happened to the sandboxes of the account: `async for event in ...events()` or `await ...events()`.

        Args:
            sandbox_id: only those of sandboxes with this in their id.
            template: only those of sandboxes with this in the id of their template.
            names: only those of these names, such as ["create", "delete"].
            state: only those that went so, such as "success".
            start: from when on, with a time zone; 30 days before `end` when left out, and 60 days at most.
            end: until when; now when left out.
            oldest_first: else the newest come first.
            extra_headers: headers for the call of each page.
            timeout: the call of each page in seconds, retries and waits included.

        Contract: sandbox.openapi.yaml, GET /sandboxes/events; sandbox.md section 13.
        """
        query = given(
            startTime=seconds_of("start", start),
            endTime=seconds_of("end", end),
            sandboxID=sandbox_id,
            templateID=template,
            events=_joined(names),
            state=state,
            orderAsc="true" if oldest_first else None,
        )
        headers = call_headers(extra_headers)
        check_timeout(timeout)
        runtime = self._runtime

        async def fetch(cursor: str) -> tuple[list[Event], str]:
            offset = int(cursor or 0)
            path = with_query("/sandboxes/events", **query, offset=offset, limit=_EVENTS)
            page = await runtime.fetch(self._control.call("GET", path, headers=headers, timeout=timeout), _Events)
            decoder = runtime.decoders(Event)
            found = [decode(decoder, bytes(item)) for item in page.items or ()]
            seen = offset + len(found)
            more = page.total > seen if page.has_more is None else page.has_more
            return found, str(seen) if more else ""

        return cursored(fetch)

    async def quota(self, *, extra_headers: Mapping[str, str] | None = None, timeout: float | None = None) -> Quota:
        """What the account may use of sandboxes, and what it uses now.

        Contract: sandbox.openapi.yaml, GET /sandboxes/quota; sandbox.md section 13.
        """
        call = self._control.call("GET", "/sandboxes/quota", headers=extra_headers, timeout=timeout)
        return await self._runtime.fetch(call, Quota)


def _wanted(metadata: Mapping[str, str] | None) -> str | None:
    """A filter of labels. Encoded here twice and by the query once more, as the platform's own client does."""
    labels = check_strings("metadata", metadata)
    return urlencode({quote(key, safe=""): quote(value, safe="") for key, value in labels.items()}) or None


def _joined(words: Sequence[str]) -> str | None:
    """Words as one parameter of a query."""
    return ",".join([words] if isinstance(words, str) else words) or None
