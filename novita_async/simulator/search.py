"""Web search: Exa and Tavily over a web that is made up (contract/search.openapi.yaml).

Both refuse in their own words, as the platform passes them on. An address with `missing` in it cannot be read.
"""

from __future__ import annotations

import datetime
import re
from email.utils import format_datetime
from http import HTTPStatus
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeAlias, TypeVar

import msgspec
from msgspec import Meta

from . import keys, words
from .router import Call, Refusal, Router, json_reply
from .schemas import Unsupported, fit
from .web import Page, Web

if TYPE_CHECKING:
    from collections.abc import Callable
    from random import Random

    from ..runtime.clock import Clock
    from ..transport.protocol import Reply
    from .ledger import Ledger
    from .router import Endpoint

__all__ = ["WebSearch"]

T = TypeVar("T")
Text: TypeAlias = Annotated[str, Meta(min_length=1)]

#: What a call costs, in 1/10000 dollars: plausible, and nothing that the platform says.
_COSTS = {"search": 50, "contents": 10, "answer": 50, "extract": 16, "crawl": 160, "map": 40}
_RANGES = {"d": 1, "w": 7, "m": 31, "y": 366}  # days
_CHUNK = 3  # sentences
_LONGEST = 10_000  # characters of a text


class _Options(msgspec.Struct, rename="camel", kw_only=True):
    max_characters: Annotated[int, Meta(ge=1, le=_LONGEST)] = _LONGEST
    schema: dict[str, Any] | None = None


class _Contents(msgspec.Struct, rename="camel", kw_only=True):
    text: bool | _Options = False
    highlights: bool | _Options = False
    summary: bool | _Options = False
    extras: dict[str, Annotated[int, Meta(ge=0, le=1000)]] = {}
    livecrawl_timeout: Annotated[int, Meta(gt=0, le=90_000)] = 10_000
    max_age_hours: Annotated[int, Meta(ge=-1, le=720)] = 24
    subpages: Annotated[int, Meta(ge=0, le=100)] = 0


class _ExaSearch(msgspec.Struct, rename="camel", kw_only=True):
    query: Text
    num_results: Annotated[int, Meta(ge=1, le=100)] = 10
    include_domains: Annotated[list[str], Meta(max_length=1200)] = []
    exclude_domains: Annotated[list[str], Meta(max_length=1200)] = []
    start_published_date: str = ""
    end_published_date: str = ""
    system_prompt: str = ""
    output_schema: dict[str, Any] | None = None
    contents: _Contents = msgspec.field(default_factory=_Contents)


class _ExaContents(_Contents, rename="camel", kw_only=True):
    urls: Annotated[list[str], Meta(min_length=1, max_length=100)] = msgspec.field(default_factory=list)
    ids: Annotated[list[str], Meta(min_length=1, max_length=100)] = msgspec.field(default_factory=list)


class _ExaAnswer(msgspec.Struct, rename="camel", kw_only=True):
    query: Text
    text: bool = False
    output_schema: dict[str, Any] | None = None


class _TavilySearch(msgspec.Struct, kw_only=True):
    query: Text
    search_depth: Literal["advanced", "basic", "fast", "ultra-fast"] = "basic"
    chunks_per_source: Annotated[int, Meta(ge=1, le=3)] = 3
    max_results: Annotated[int, Meta(ge=0, le=20)] = 5
    topic: Literal["general", "news", "finance"] = "general"
    time_range: Literal["day", "week", "month", "year", "d", "w", "m", "y"] | None = None
    start_date: datetime.date | None = None
    end_date: datetime.date | None = None
    include_answer: bool | Literal["basic", "advanced"] = False
    include_raw_content: bool | Literal["markdown", "text"] = False
    include_images: bool = False
    include_image_descriptions: bool = False
    include_favicon: bool = False
    include_domains: Annotated[list[str], Meta(max_length=300)] = []
    exclude_domains: Annotated[list[str], Meta(max_length=150)] = []
    auto_parameters: bool = False
    include_usage: bool = False


class _Extract(msgspec.Struct, kw_only=True):
    urls: str | list[str]
    query: str | None = None
    chunks_per_source: Annotated[int, Meta(ge=1, le=5)] = 3
    include_images: bool = False
    include_favicon: bool = False
    timeout: Annotated[float, Meta(ge=1, le=60)] = 10


class _Crawl(msgspec.Struct, kw_only=True):
    url: Text
    instructions: str | None = None
    chunks_per_source: Annotated[int, Meta(ge=1, le=5)] = 3
    max_depth: Annotated[int, Meta(ge=1, le=5)] = 1
    max_breadth: Annotated[int, Meta(ge=1, le=500)] = 20
    limit: Annotated[int, Meta(ge=1)] = 50
    select_paths: list[str] = []
    select_domains: list[str] = []
    exclude_paths: list[str] = []
    exclude_domains: list[str] = []
    allow_external: bool = True
    include_images: bool = False
    include_favicon: bool = False
    timeout: Annotated[float, Meta(ge=10, le=150)] = 150


class WebSearch:
    """The routes of both engines.

    Args:
        clock: what "the last week" is counted from.
        api_key: the good key.
        seed: decides what is on the pages.
        ledger: where what is used is booked.
    """

    def __init__(self, *, clock: Clock, api_key: str, seed: int, ledger: Ledger) -> None:
        self._clock = clock
        self._keys = keys.Keys(api_key, keys.MEDIA)
        self._web = Web(seed)
        self._ledger = ledger

    def routes(self, router: Router) -> None:
        exa = {"search": self._exa_search, "contents": self._exa_contents, "answer": self._exa_answer}
        tavily = {"search": self._search, "extract": self._extract, "crawl": self._crawl, "map": self._map}
        for engine, endpoints in (("exa", exa), ("tavily", tavily)):
            for name, endpoint in endpoints.items():
                # Exa's own client knows no bearer tokens.
                guarded = self._keys.guard(self._booked(engine, name, endpoint), header="x-api-key")
                router.add("POST", f"/v3/{engine}/{name}", guarded)

    def _booked(self, engine: str, name: str, endpoint: Endpoint) -> Endpoint:
        """An endpoint whose answers are paid for."""

        async def booked(call: Call) -> Reply:
            reply = await endpoint(call)
            self._ledger.use("web_search", f"{engine}-{name}", _COSTS[name], name=f"{engine.capitalize()} {name}")
            return reply

        return booked

    # ----------------------------------------------------------------------------------------- Exa

    async def _exa_search(self, call: Call) -> Reply:
        search = await _read(call, _ExaSearch, _exa)
        start, end = _moment(search.start_published_date), _moment(search.end_published_date)

        def fits(page: Page) -> bool:
            return (start is None or page.published >= start) and (end is None or page.published <= end)

        domains = {"only": search.include_domains, "never": search.exclude_domains}
        pages = self._web.find(search.query, search.num_results, **domains, fits=fits)
        answer: dict[str, Any] = {
            "requestId": self._id(search.query),
            "results": [self._exa_result(page, search.contents) for page in pages],
        }
        if search.output_schema is not None or search.system_prompt:
            sources = [{"url": page.url, "title": page.title} for page in pages[:3]]
            content = self._said(search.query, search.output_schema)
            answer["output"] = {"content": content, "grounding": [{"field": "content", "citations": sources}]}
        return json_reply(answer)

    async def _exa_contents(self, call: Call) -> Reply:
        wanted = await _read(call, _ExaContents, _exa)
        urls = wanted.urls or wanted.ids
        if not urls:
            raise _exa("urls: there is none")
        results: list[dict[str, Any]] = []
        statuses: list[dict[str, Any]] = []
        for url in urls:
            if (page := self._web.page(url)) is None:
                error = {"tag": "CRAWL_NOT_FOUND", "httpStatusCode": 404}
                statuses.append({"id": url, "status": "error", "source": "crawled", "error": error})
                continue
            source = "crawled" if wanted.max_age_hours == 0 else "cached"
            results.append(self._exa_result(page, wanted))
            statuses.append({"id": url, "status": "success", "source": source})
        return json_reply({"requestId": self._id(*urls), "results": results, "statuses": statuses})

    async def _exa_answer(self, call: Call) -> Reply:
        asked = await _read(call, _ExaAnswer, _exa)
        pages = self._web.find(asked.query, 5, only=(), never=(), fits=lambda page: True)
        citations = [{**_exa_head(page), **({"text": page.text} if asked.text else {})} for page in pages]
        answer = self._said(asked.query, asked.output_schema)
        return json_reply({"requestId": self._id(asked.query), "answer": answer, "citations": citations})

    def _exa_result(self, page: Page, wanted: _Contents) -> dict[str, Any]:
        result = _exa_head(page)
        if (options := _options(wanted.text)) is not None:
            result["text"] = page.text[: options.max_characters]
        if (options := _options(wanted.highlights)) is not None:
            result["highlights"] = [sentence[: options.max_characters] for sentence in page.sentences[:2]]
            result["highlightScores"] = [0.9, 0.8]
        if (options := _options(wanted.summary)) is not None:
            said = page.sentences[0] if options.schema is None else self._said(page.title, options.schema)
            result["summary"] = said if isinstance(said, str) else msgspec.json.encode(said).decode()
        if wanted.extras:
            sources = {"links": page.links, "imageLinks": [page.image], "richLinks": [], "codeBlocks": []}
            result["extras"] = {name: sources.get(name, [])[:most] for name, most in wanted.extras.items()}
        if wanted.subpages:
            below = [found for link in page.links[:-1] if (found := self._web.page(link)) is not None]
            result["subpages"] = [_exa_head(each) for each in below[: wanted.subpages]]
        return result

    def _said(self, query: str, schema: dict[str, Any] | None) -> Any:
        """An answer: a text, or what fits a schema."""
        dice = self._web.dice("answer", query)
        if schema is None:
            return words.answer(query, dice)
        return _fitting(schema, query, dice)

    def _id(self, *parts: str) -> str:
        return f"{self._web.dice('request', *parts).getrandbits(128):032x}"

    # -------------------------------------------------------------------------------------- Tavily

    async def _search(self, call: Call) -> Reply:
        search = await _read(call, _TavilySearch, _tavily)
        since, until = search.start_date, search.end_date
        if search.time_range is not None:
            today = datetime.datetime.fromtimestamp(self._clock.time(), datetime.UTC).date()
            since = today - datetime.timedelta(days=_RANGES[search.time_range[0]])

        def fits(page: Page) -> bool:
            day = page.published.date()
            return (since is None or day >= since) and (until is None or day <= until)

        domains = {"only": search.include_domains, "never": search.exclude_domains}
        pages = self._web.find(search.query, search.max_results, **domains, fits=fits) if search.max_results else []
        chunks = search.chunks_per_source if search.search_depth == "advanced" else 1
        answer: dict[str, Any] = {
            "query": search.query,
            "answer": self._said(search.query, None) if search.include_answer else None,
            "images": _images(pages, search) if search.include_images else [],
            "results": [
                {
                    "title": page.title,
                    "url": page.url,
                    "content": _chunks(page, chunks),
                    "score": round(0.98 / (1 + number / 8), 4),
                    "raw_content": page.text if search.include_raw_content else None,
                    **({"favicon": page.favicon} if search.include_favicon else {}),
                    **({"published_date": format_datetime(page.published, True)} if search.topic == "news" else {}),
                }
                for number, page in enumerate(pages)
            ],
            "follow_up_questions": None,
            "response_time": 0.67,
            "request_id": self._id(search.query),
        }
        if search.auto_parameters:
            answer["auto_parameters"] = {"topic": search.topic, "search_depth": search.search_depth}
        if search.include_usage:
            answer["usage"] = {"credits": 2 if search.search_depth == "advanced" else 1}
        return json_reply(answer)

    async def _extract(self, call: Call) -> Reply:
        wanted = await _read(call, _Extract, _tavily)
        urls = [wanted.urls] if isinstance(wanted.urls, str) else wanted.urls
        if not 1 <= len(urls) <= 20:
            raise _tavily("urls: 1 to 20 of them")
        pages = {url: self._web.page(url) for url in urls}
        results = [
            _read_page(page, None if wanted.query is None else wanted.chunks_per_source, wanted)
            for page in pages.values()
            if page is not None
        ]
        failed = [{"url": url, "error": "Failed to fetch url"} for url, page in pages.items() if page is None]
        # As text, which the engine has been seen to send too.
        tail = {"response_time": "1.23", "request_id": self._id(*urls)}
        return json_reply({"results": results, "failed_results": failed, **tail})

    async def _crawl(self, call: Call) -> Reply:
        wanted = await _read(call, _Crawl, _tavily)
        chunks = None if wanted.instructions is None else wanted.chunks_per_source
        pages = [_read_page(page, chunks, wanted) for page in self._walk(wanted)]
        return json_reply({**self._site(wanted), "results": pages, "usage": {"credits": 1 + len(pages) // 10}})

    async def _map(self, call: Call) -> Reply:
        wanted = await _read(call, _Crawl, _tavily)
        return json_reply({**self._site(wanted), "results": [page.url for page in self._walk(wanted)]})

    def _site(self, wanted: _Crawl) -> dict[str, Any]:
        return {"base_url": wanted.url, "response_time": 4.2, "request_id": self._id(wanted.url)}

    def _walk(self, wanted: _Crawl) -> list[Page]:
        root = self._web.page(wanted.url)
        if root is None:
            raise _tavily(f"{wanted.url} cannot be read")
        paths, no_paths = _patterns(wanted.select_paths), _patterns(wanted.exclude_paths)
        domains, no_domains = _patterns(wanted.select_domains), _patterns(wanted.exclude_domains)
        home = root.url.split("/")[2]

        def fits(url: str) -> bool:
            _, _, host, *rest = url.split("/")
            path = "/" + "/".join(rest)
            if not wanted.allow_external and host != home:
                return False
            fine = (not paths or any(each.search(path) for each in paths)) and not any(
                each.search(path) for each in no_paths
            )
            return (
                fine
                and (not domains or any(each.search(host) for each in domains))
                and not any(each.search(host) for each in no_domains)
            )

        found: list[Page] = []
        for page in self._web.walk(wanted.url, depth=wanted.max_depth, breadth=wanted.max_breadth, fits=fits):
            found.append(page)
            if len(found) == wanted.limit:
                break
        return found


def _options(given: bool | _Options) -> _Options | None:
    """How something is given; None when it is not."""
    return given if isinstance(given, _Options) else _Options() if given else None


def _exa_head(page: Page) -> dict[str, Any]:
    return {
        "id": page.url,
        "url": page.url,
        "title": page.title,
        "author": page.author,
        "publishedDate": page.published.strftime("%Y-%m-%dT%H:%M:%S.000Z"),
        "image": page.image,
        "favicon": page.favicon,
    }


def _read_page(page: Page, chunks: int | None, wanted: _Extract | _Crawl) -> dict[str, Any]:
    return {
        "url": page.url,
        "title": page.title,
        "raw_content": page.text if chunks is None else _chunks(page, chunks),
        "images": [page.image] if wanted.include_images else [],
        **({"favicon": page.favicon} if wanted.include_favicon else {}),
    }


def _chunks(page: Page, count: int) -> str:
    sentences = page.sentences
    pieces = [" ".join(sentences[start : start + _CHUNK]) for start in range(0, len(sentences), _CHUNK)]
    return " [...] ".join(pieces[:count])


def _images(pages: list[Page], search: _TavilySearch) -> list[Any]:
    if search.include_image_descriptions:
        return [{"url": page.image, "description": f"A picture beside: {page.title}"} for page in pages]
    return [page.image for page in pages]


def _fitting(schema: dict[str, Any], query: str, dice: Random) -> Any:
    try:
        return fit(schema, query, dice)
    except Unsupported as error:
        raise _exa(str(error)) from None


def _patterns(texts: list[str]) -> list[re.Pattern[str]]:
    try:
        return [re.compile(text) for text in texts]
    except re.error as error:
        raise _tavily(f"that is no regular expression: {error}") from None


def _exa(message: str) -> Refusal:
    body = {"requestId": "00000000000000000000000000000000", "error": message, "tag": "INVALID_REQUEST_BODY"}
    return Refusal(HTTPStatus.BAD_REQUEST, body)


def _moment(text: str) -> datetime.datetime | None:
    """A moment, or a day, which Exa's own client sends."""
    try:
        found = datetime.datetime.fromisoformat(text) if text else None
    except ValueError:
        raise _exa(f"{text!r} is no date") from None
    return found if found is None or found.tzinfo else found.replace(tzinfo=datetime.UTC)


def _tavily(message: str) -> Refusal:
    return Refusal(HTTPStatus.BAD_REQUEST, {"detail": {"error": message}})


async def _read(call: Call, type_: type[T], refusal: Callable[[str], Refusal]) -> T:
    try:
        return await call.json(type_)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise refusal(str(error)) from None
