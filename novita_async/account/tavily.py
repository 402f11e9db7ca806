"""`novita.search.tavily`: Tavily's search, pages, crawls and maps of sites (contract/search.openapi.yaml)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, TypeVar

from ..runtime.retry import Replay
from .endpoint import Endpoint
from .queries import Crawl, Extract, Map, Query, TavilySearch, checked, wire
from .tavily_types import SiteMap, TavilyCrawl, TavilyExtract, TavilyResults

if TYPE_CHECKING:
    import datetime
    from collections.abc import Mapping, Sequence

__all__ = ["Tavily"]

T = TypeVar("T")

_LONGEST = 150.0  # seconds that a crawl or a map takes at most when nothing else is said
_MARGIN = 30.0  # seconds that an attempt has beside those that the platform may take


class Tavily(Endpoint):
    """`novita.search.tavily`."""

    async def search(
        self,
        query: str,
        *,
        search_depth: Literal["advanced", "basic", "fast", "ultra-fast"] | None = None,
        chunks_per_source: int | None = None,
        max_results: int | None = None,
        topic: Literal["general", "news", "finance"] | None = None,
        time_range: Literal["day", "week", "month", "year", "d", "w", "m", "y"] | None = None,
        start_date: datetime.date | None = None,
        end_date: datetime.date | None = None,
        include_answer: bool | Literal["basic", "advanced"] | None = None,
        include_raw_content: bool | Literal["markdown", "text"] | None = None,
        include_images: bool | None = None,
        include_image_descriptions: bool | None = None,
        include_favicon: bool | None = None,
        include_domains: Sequence[str] | None = None,
        exclude_domains: Sequence[str] | None = None,
        country: str | None = None,
        auto_parameters: bool | None = None,
        exact_match: bool | None = None,
        include_usage: bool | None = None,
        safe_search: bool | None = None,
        extra_body: Mapping[str, Any] | None = None,
        extra_headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
    ) -> TavilyResults:
        """Find pages.

        Args:
            query: what is looked for.
            search_depth: "advanced", "basic" (the platform's own), "fast" or "ultra-fast".
            chunks_per_source: pieces of each page, 1 to 3, with `search_depth="advanced"`.
            max_results: 1 to 20; the platform gives 5.
            topic: "general", "news" or "finance".
            time_range: only pages of the last "day", "week", "month" or "year".
            start_date, end_date: only pages of the days in between.
            include_answer: give an `answer` too, a "basic" or an "advanced" one.
            include_raw_content: give all of each page too, as "markdown" or "text".
            include_images: give pictures too, and with `include_image_descriptions` what is on them.
            include_favicon: give the addresses of the sites' icons.
            include_domains: only pages of these, up to 300.
            exclude_domains: no pages of these, up to 150.
            country: lower-case name of the country whose pages come first, with topic "general".
            auto_parameters: let Tavily choose what is not given.
            exact_match: only pages with the very words.
            include_usage: tell the `credits`.
            safe_search: leave out what is unsafe.
            extra_body: fields for the body that the SDK does not know; they win over known ones.
            extra_headers: headers for this call.
            timeout: the call in seconds, retries and waits included.

        Raises:
            ValidationError: everything that is wrong with the arguments. Nothing was sent.

        Example:
            found = await novita.search.tavily.search("open-source LLM releases", topic="news", include_answer=True)
            print(found.answer, [page.url for page in found.results])

        Contract: search.openapi.yaml, POST /v3/tavily/search.
        """
        values: dict[str, Any] = {
            "query": query,
            "search_depth": search_depth,
            "chunks_per_source": chunks_per_source,
            "max_results": max_results,
            "topic": topic,
            "time_range": time_range,
            "start_date": start_date,
            "end_date": end_date,
            "include_answer": include_answer,
            "include_raw_content": include_raw_content,
            "include_images": include_images,
            "include_image_descriptions": include_image_descriptions,
            "include_favicon": include_favicon,
            "include_domains": include_domains,
            "exclude_domains": exclude_domains,
            "country": country,
            "auto_parameters": auto_parameters,
            "exact_match": exact_match,
            "include_usage": include_usage,
            "safe_search": safe_search,
        }
        query_ = checked(TavilySearch, values)
        return await self._ask("search", query_, TavilyResults, None, extra_body, extra_headers, timeout)

    async def extract(
        self,
        urls: str | Sequence[str],
        *,
        query: str | None = None,
        chunks_per_source: int | None = None,
        extract_depth: Literal["basic", "advanced"] | None = None,
        include_images: bool | None = None,
        include_favicon: bool | None = None,
        format: Literal["markdown", "text"] | None = None,
        time_limit: float | None = None,
        extra_body: Mapping[str, Any] | None = None,
        extra_headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
    ) -> TavilyExtract:
        """Read pages.

        Args:
            urls: an address, or up to 20.
            query: only the pieces of each page that fit this.
            chunks_per_source: how many pieces, 1 to 5, with a `query`.
            extract_depth: "basic" or "advanced", which takes longer and reads tables.
            include_images: give the addresses of pictures too.
            include_favicon: give the addresses of the sites' icons.
            format: "markdown" or "text".
            time_limit: seconds that the platform may take, 1 to 60; it takes 10, or 30 for "advanced".
            extra_body: fields for the body that the SDK does not know; they win over known ones.
            extra_headers: headers for this call.
            timeout: the call in seconds, retries and waits included.

        Returns:
            The pages; those that could not be read are in `failed_results`, and no error.

        Raises:
            ValidationError: everything that is wrong with the arguments. Nothing was sent.

        Contract: search.openapi.yaml, POST /v3/tavily/extract.
        """
        values: dict[str, Any] = {
            "urls": [urls] if isinstance(urls, str) else urls,
            "query": query,
            "chunks_per_source": chunks_per_source,
            "extract_depth": extract_depth,
            "include_images": include_images,
            "include_favicon": include_favicon,
            "format": format,
            "time_limit": time_limit,
        }
        query_ = checked(Extract, values)
        return await self._ask("extract", query_, TavilyExtract, time_limit, extra_body, extra_headers, timeout)

    async def crawl(
        self,
        url: str,
        *,
        instructions: str | None = None,
        chunks_per_source: int | None = None,
        max_depth: int | None = None,
        max_breadth: int | None = None,
        limit: int | None = None,
        select_paths: Sequence[str] | None = None,
        select_domains: Sequence[str] | None = None,
        exclude_paths: Sequence[str] | None = None,
        exclude_domains: Sequence[str] | None = None,
        allow_external: bool | None = None,
        include_images: bool | None = None,
        extract_depth: Literal["basic", "advanced"] | None = None,
        format: Literal["markdown", "text"] | None = None,
        include_favicon: bool | None = None,
        time_limit: float | None = None,
        extra_body: Mapping[str, Any] | None = None,
        extra_headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
    ) -> TavilyCrawl:
        """Read the pages of a site. It can take minutes: one attempt has the `time_limit` and half a minute more,
        whatever the client's `Timeouts.attempt` is; `timeout` and `Timeouts.total` hold as ever.

        Args:
            url: where it begins.
            instructions: what is wanted, in words.
            chunks_per_source: how many pieces of each page, 1 to 5, with `instructions`.
            max_depth: how many links from the beginning, 1 to 5; the platform goes 1.
            max_breadth: links of each page, 1 to 500; the platform follows 20.
            limit: links in all; the platform follows 50.
            select_paths, select_domains: only those that these regular expressions fit.
            exclude_paths, exclude_domains: none that these regular expressions fit.
            allow_external: give links to other sites too.
            include_images: give the addresses of pictures too.
            extract_depth: "basic" or "advanced".
            format: "markdown" or "text".
            include_favicon: give the addresses of the sites' icons.
            time_limit: seconds that the platform may take, 10 to 150; it takes 150.
            extra_body: fields for the body that the SDK does not know; they win over known ones.
            extra_headers: headers for this call.
            timeout: the call in seconds, retries and waits included.

        Raises:
            ValidationError: everything that is wrong with the arguments. Nothing was sent.

        Contract: search.openapi.yaml, POST /v3/tavily/crawl.
        """
        values: dict[str, Any] = {
            "url": url,
            "instructions": instructions,
            "chunks_per_source": chunks_per_source,
            "max_depth": max_depth,
            "max_breadth": max_breadth,
            "limit": limit,
            "select_paths": select_paths,
            "select_domains": select_domains,
            "exclude_paths": exclude_paths,
            "exclude_domains": exclude_domains,
            "allow_external": allow_external,
            "include_images": include_images,
            "extract_depth": extract_depth,
            "format": format,
            "include_favicon": include_favicon,
            "time_limit": time_limit,
        }
        query_, longest = checked(Crawl, values), time_limit or _LONGEST
        return await self._ask("crawl", query_, TavilyCrawl, longest, extra_body, extra_headers, timeout)

    async def map(
        self,
        url: str,
        *,
        instructions: str | None = None,
        max_depth: int | None = None,
        max_breadth: int | None = None,
        limit: int | None = None,
        select_paths: Sequence[str] | None = None,
        select_domains: Sequence[str] | None = None,
        exclude_paths: Sequence[str] | None = None,
        exclude_domains: Sequence[str] | None = None,
        allow_external: bool | None = None,
        time_limit: float | None = None,
        extra_body: Mapping[str, Any] | None = None,
        extra_headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
    ) -> SiteMap:
        """List the addresses on a site, without reading more than that needs. The arguments are those of `crawl`.

        Raises:
            ValidationError: everything that is wrong with the arguments. Nothing was sent.

        Contract: search.openapi.yaml, POST /v3/tavily/map.
        """
        values: dict[str, Any] = {
            "url": url,
            "instructions": instructions,
            "max_depth": max_depth,
            "max_breadth": max_breadth,
            "limit": limit,
            "select_paths": select_paths,
            "select_domains": select_domains,
            "exclude_paths": exclude_paths,
            "exclude_domains": exclude_domains,
            "allow_external": allow_external,
            "time_limit": time_limit,
        }
        query_, longest = checked(Map, values), time_limit or _LONGEST
        return await self._ask("map", query_, SiteMap, longest, extra_body, extra_headers, timeout)

    async def _ask(
        self,
        name: str,
        query: Query,
        type_: type[T],
        seconds: float | None,
        extra_body: Mapping[str, Any] | None,
        extra_headers: Mapping[str, str] | None,
        timeout: float | None,
    ) -> T:
        body = wire(query, lambda field: "timeout" if field == "time_limit" else field)
        call = self._call(
            "POST",
            f"/v3/tavily/{name}",
            body,
            extra_body=extra_body,
            extra_headers=extra_headers,
            timeout=timeout,
            attempt=None if seconds is None else seconds + _MARGIN,
            replay=Replay.COSTS,
        )
        return await self._runtime.fetch(call, type_)
