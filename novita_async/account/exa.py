"""`novita.search.exa`: Exa's search, pages and answers (contract/search.openapi.yaml)."""

from __future__ import annotations

import datetime
import math
from typing import TYPE_CHECKING, Any, TypedDict, TypeVar

import msgspec

from ..runtime.arguments import check_keywords
from ..runtime.retry import Replay
from ..wire.json import Object
from .endpoint import Endpoint
from .queries import (
    Answer,
    Contents,
    Extras,
    HighlightOptions,
    Pages,
    Query,
    Search,
    SummaryOptions,
    TextOptions,
    camel,
    checked,
    wire,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Unpack

__all__ = ["ContentOptions", "Exa", "ExaAnswer", "ExaContents", "ExaExtras", "ExaOutput", "ExaResult", "ExaSearch"]

T = TypeVar("T")

_OPTIONS = [camel(name) for name in Contents.__struct_fields__]


class ExaExtras(Object, rename="camel"):
    """What else is on a page, as far as it was asked for. The forms of the entries are documented nowhere."""

    links: list[Any] = msgspec.field(default_factory=list)
    image_links: list[Any] = msgspec.field(default_factory=list)
    rich_image_links: list[Any] = msgspec.field(default_factory=list)
    rich_links: list[Any] = msgspec.field(default_factory=list)
    code_blocks: list[Any] = msgspec.field(default_factory=list)


class ExaResult(Object, rename="camel"):
    """A page that was found, read or quoted. What was not asked for is None.

    Attributes:
        id: what Exa knows it by.
        url: its address.
        title, author: of the page.
        text: what it says.
        highlights: snippets of it; `highlight_scores` tells how well each fits.
        summary: what it comes to; JSON as text when a schema was given.
        subpages: pages that it links to.
        extras: links, pictures and code on it.
        entities: what is known of the companies and people on it.
    """

    id: str | None = None
    url: str | None = None
    title: str | None = None
    author: str | None = None
    image: str | None = None
    favicon: str | None = None
    text: str | None = None
    highlights: list[str] | None = None
    highlight_scores: list[float] | None = None
    summary: str | None = None
    subpages: list[ExaResult] | None = None
    extras: ExaExtras | None = None
    entities: list[dict[str, Any]] | None = None
    wire_published: str | None = msgspec.field(default=None, name="publishedDate")

    @property
    def published_at(self) -> datetime.datetime | None:
        """When it was published; midnight where only the day is known."""
        try:
            found = datetime.datetime.fromisoformat(self.wire_published or "")
        except ValueError:
            return None
        return found if found.tzinfo is not None else found.replace(tzinfo=datetime.UTC)


class ExaOutput(Object):
    """What was put together from what was found.

    Attributes:
        content: a text, or what follows `output_schema`.
        grounding: where its statements come from.
    """

    content: Any = None
    grounding: list[dict[str, Any]] = msgspec.field(default_factory=list)


class ExaSearch(Object, rename="camel"):
    """What was found, the best first."""

    results: list[ExaResult] = msgspec.field(default_factory=list)
    output: ExaOutput | None = None
    request_id: str = ""


class ExaFault(Object, rename="camel"):
    """Why a page could not be read."""

    tag: str = ""
    http_status_code: int | None = None


class ExaStatus(Object):
    """What became of one of the pages that were asked for: "success" or "error", "cached" or "crawled"."""

    id: str = ""
    status: str = ""
    source: str = ""
    error: ExaFault | None = None


class ExaContents(Object, rename="camel"):
    """Pages that were read. One that could not be read is told of in `statuses` alone."""

    results: list[ExaResult] = msgspec.field(default_factory=list)
    statuses: list[ExaStatus] = msgspec.field(default_factory=list)
    request_id: str = ""

    @property
    def failed(self) -> dict[str, str]:
        """The pages that could not be read, and why."""
        return {each.id: each.error.tag if each.error else "" for each in self.statuses if each.status == "error"}


class ExaAnswer(Object, rename="camel"):
    """An answer.

    Attributes:
        answer: a text, or what follows `output_schema`.
        citations: the pages that it comes from.
    """

    answer: Any = None
    citations: list[ExaResult] = msgspec.field(default_factory=list)
    request_id: str = ""


class ContentOptions(TypedDict, total=False):
    """What of each page is given.

    Attributes:
        text: its text; `{"max_characters": 2000}` and others for how, see `TextOptions`.
        highlights: snippets; `{"query": ...}` for what they should be about, see `HighlightOptions`.
        summary: a summary; `{"query": ..., "schema": ...}` for what it should tell, see `SummaryOptions`.
        extras: `{"links": 10}` and others, see `Extras`.
        livecrawl_timeout: seconds that reading a page anew may take, up to 90; the platform takes 10.
        max_age_hours: how old a page may be that is not read anew: 0 for always anew, -1 for never, up to 720.
        subpages: how many pages that it links to are read too, up to 100.
        subpage_target: words that tell which.
        company, people: options for these two; their fields are documented nowhere.
    """

    text: bool | TextOptions | Mapping[str, Any]
    highlights: bool | HighlightOptions | Mapping[str, Any]
    summary: bool | SummaryOptions | Mapping[str, Any]
    extras: Extras | Mapping[str, int]
    livecrawl_timeout: float
    max_age_hours: int
    subpages: int
    subpage_target: str | Sequence[str]
    company: Mapping[str, Any]
    people: Mapping[str, Any]


class Exa(Endpoint):
    """`novita.search.exa`."""

    async def search(
        self,
        query: str,
        *,
        type: str | None = None,
        category: str | None = None,
        num_results: int | None = None,
        include_domains: Sequence[str] | None = None,
        exclude_domains: Sequence[str] | None = None,
        start_crawl_date: datetime.datetime | None = None,
        end_crawl_date: datetime.datetime | None = None,
        start_published_date: datetime.datetime | None = None,
        end_published_date: datetime.datetime | None = None,
        user_location: str | None = None,
        moderation: bool | None = None,
        additional_queries: Sequence[str] | None = None,
        system_prompt: str | None = None,
        output_schema: Mapping[str, Any] | None = None,
        compliance: str | None = None,
        extra_body: Mapping[str, Any] | None = None,
        extra_headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
        **contents: Unpack[ContentOptions],
    ) -> ExaSearch:
        """Find pages.

        Args:
            query: what is looked for.
            type: "instant", "fast", "auto", "deep-lite", "deep" or "deep-reasoning".
            category: "company", "research paper", "news", "personal site", "financial report" or "people".
            num_results: 1 to 100; the platform gives 10.
            include_domains: only pages of these, up to 1200.
            exclude_domains: no pages of these, up to 1200.
            start_crawl_date, end_crawl_date: only pages that Exa found in between, with time zones.
            start_published_date, end_published_date: only pages that were published in between, with time zones.
            user_location: two letters of a country.
            moderation: leave out what is unsafe.
            additional_queries: the same in other words, 1 to 10, for the deep types.
            system_prompt: what guides the `output`.
            output_schema: JSON Schema of the `output`.
            compliance: such as "hipaa".
            extra_body: fields for the body that the SDK does not know; they win over known ones.
            extra_headers: headers for this call.
            timeout: the call in seconds, retries and waits included.
            contents: what of each page is given, see `ContentOptions`.

        Raises:
            ValidationError: everything that is wrong with the arguments. Nothing was sent.

        Example:
            found = await novita.search.exa.search("vector index", num_results=3, text={"max_characters": 500})
            for page in found.results:
                print(page.title, page.url, page.text)

        Contract: search.openapi.yaml, POST /v3/exa/search.
        """
        values: dict[str, Any] = {
            "query": query,
            "type": type,
            "category": category,
            "num_results": num_results,
            "include_domains": include_domains,
            "exclude_domains": exclude_domains,
            "start_crawl_date": start_crawl_date,
            "end_crawl_date": end_crawl_date,
            "start_published_date": start_published_date,
            "end_published_date": end_published_date,
            "user_location": user_location,
            "moderation": moderation,
            "additional_queries": additional_queries,
            "system_prompt": system_prompt,
            "output_schema": output_schema,
            "compliance": compliance,
        }
        check_keywords("search", contents, ContentOptions.__annotations__)
        body = _body(Search, {**values, **contents})
        # Here the options of contents stand in an object of their own, there beside the addresses.
        if options := {name: body.pop(name) for name in _OPTIONS if name in body}:
            body["contents"] = options
        return await self._ask("search", body, ExaSearch, extra_body, extra_headers, timeout)

    async def contents(
        self,
        urls: Sequence[str],
        *,
        compliance: str | None = None,
        extra_body: Mapping[str, Any] | None = None,
        extra_headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
        **contents: Unpack[ContentOptions],
    ) -> ExaContents:
        """Read pages.

        Args:
            urls: 1 to 100 addresses, or ids of results.
            compliance: such as "hipaa".
            extra_body: fields for the body that the SDK does not know; they win over known ones.
            extra_headers: headers for this call.
            timeout: the call in seconds, retries and waits included.
            contents: what of each page is given, see `ContentOptions`.

        Returns:
            The pages. One that could not be read is in `failed`, and no error.

        Raises:
            ValidationError: everything that is wrong with the arguments. Nothing was sent.

        Contract: search.openapi.yaml, POST /v3/exa/contents.
        """
        check_keywords("contents", contents, ContentOptions.__annotations__)
        body = _body(Pages, {"urls": urls, "compliance": compliance, **contents})
        if isinstance(body.get("summary"), bool):  # a switch in a search, and only an object here
            body |= {"summary": {}} if body.pop("summary") else {}
        return await self._ask("contents", body, ExaContents, extra_body, extra_headers, timeout)

    async def answer(
        self,
        query: str,
        *,
        text: bool | None = None,
        output_schema: Mapping[str, Any] | None = None,
        extra_body: Mapping[str, Any] | None = None,
        extra_headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
    ) -> ExaAnswer:
        """Answer a question from pages that are found for it.

        Args:
            query: the question.
            text: give the text of the pages too.
            output_schema: JSON Schema of the answer, draft 7.
            extra_body: fields for the body that the SDK does not know; they win over known ones.
            extra_headers: headers for this call.
            timeout: the call in seconds, retries and waits included.

        Raises:
            ValidationError: everything that is wrong with the arguments. Nothing was sent.

        Contract: search.openapi.yaml, POST /v3/exa/answer.
        """
        body = _body(Answer, {"query": query, "text": text, "output_schema": output_schema})
        return await self._ask("answer", body, ExaAnswer, extra_body, extra_headers, timeout)

    async def _ask(
        self,
        name: str,
        body: Mapping[str, Any],
        type_: type[T],
        extra_body: Mapping[str, Any] | None,
        extra_headers: Mapping[str, str] | None,
        timeout: float | None,
    ) -> T:
        call = self._call(
            "POST",
            f"/v3/exa/{name}",
            body,
            extra_body=extra_body,
            extra_headers=extra_headers,
            timeout=timeout,
            replay=Replay.COSTS,
        )
        return await self._runtime.fetch(call, type_)


def _body(type_: type[Query], values: Mapping[str, Any]) -> dict[str, Any]:
    """Arguments, checked, as Exa has them."""
    body = wire(checked(type_, values), camel)
    if "livecrawlTimeout" in body:
        body["livecrawlTimeout"] = math.ceil(body["livecrawlTimeout"] * 1000)  # milliseconds
    return body
