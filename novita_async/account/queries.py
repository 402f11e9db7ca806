"""What may be asked of the search engines, as structs: their fields are checked one by one, so that all that is wrong
is one error, and then they are the body of a request (contract/search.openapi.yaml)."""

from __future__ import annotations

from datetime import date, datetime
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeAlias, TypeVar

import msgspec
from msgspec import Meta

from ..errors import ValidationError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

__all__ = [
    "Answer",
    "Contents",
    "Crawl",
    "Extract",
    "Extras",
    "HighlightOptions",
    "Map",
    "Pages",
    "Query",
    "Search",
    "SummaryOptions",
    "TavilySearch",
    "TextOptions",
    "camel",
    "checked",
    "wire",
]

Words: TypeAlias = Annotated[str, Meta(min_length=1)]
Moment: TypeAlias = Annotated[datetime, Meta(tz=True)]
Characters: TypeAlias = Annotated[int, Meta(ge=1, le=10_000)]
Links: TypeAlias = Annotated[int, Meta(ge=0, le=1000)]
Target: TypeAlias = Annotated[str, Meta(max_length=100)]
Address: TypeAlias = Annotated[str, Meta(min_length=1, max_length=2048)]
Chunks: TypeAlias = Annotated[int, Meta(ge=1, le=5)]


class Query(msgspec.Struct, kw_only=True):
    """What may be asked. None stands for "not given"."""

    def problems(self) -> Iterable[str]:
        """What is wrong with fields that are right each by itself."""
        return ()


Q = TypeVar("Q", bound=Query)


def checked(type_: type[Q], values: Mapping[str, Any]) -> Q:
    """Values as a query.

    Raises:
        ValidationError: everything that is wrong with them.
    """
    found: dict[str, Any] = {}
    problems: list[str] = []
    for field in msgspec.structs.fields(type_):
        value = values.get(field.name)
        if value is None and not field.required:
            continue
        if isinstance(value, msgspec.Struct):  # made by the caller, and not looked at before
            value = {name: each for name, each in msgspec.structs.asdict(value).items() if each is not None}
        try:
            found[field.name] = msgspec.convert(value, field.type)
        except (msgspec.ValidationError, TypeError) as error:
            words = str(error)
            problems.append(f"{field.name}: {words[:1].lower()}{words[1:]}")
    query = type_(**found) if not problems else None
    problems += query.problems() if query is not None else ()
    if query is None or problems:
        raise ValidationError(*problems)
    return query


def wire(value: Any, name: Callable[[str], str] = str) -> Any:
    """A query as its body. What the caller gave as JSON, such as a schema, stays as it is.

    Args:
        value: the query, or what stands in one.
        name: what the engine calls a field.
    """
    if not isinstance(value, msgspec.Struct):
        return value
    fields = msgspec.structs.asdict(value).items()
    return {name(field): wire(each, name) for field, each in fields if each is not None}


def camel(name: str) -> str:
    """`num_results` as `numResults`."""
    first, *rest = name.split("_")
    return first + "".join(part.capitalize() for part in rest)


# --------------------------------------------------------------------------------------------- Exa


class TextOptions(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """How the text of a page is given.

    Attributes:
        max_characters: 1 to 10,000.
        include_html_tags: keep light HTML.
        verbosity: "compact", "standard" or "full".
        include_sections, exclude_sections: "header", "navigation", "banner", "body", "sidebar", "footer", "metadata".
    """

    max_characters: Characters | None = None
    include_html_tags: bool | None = None
    verbosity: str | None = None
    include_sections: list[str] | None = None
    exclude_sections: list[str] | None = None


class HighlightOptions(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """Which snippets of a page are given.

    Attributes:
        query: what they should be about.
        max_characters: 1 to 10,000.
    """

    query: str | None = None
    max_characters: Characters | None = None


class SummaryOptions(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """What the summary of a page should be.

    Attributes:
        query: what it should tell.
        schema: JSON Schema of a summary that is JSON.
    """

    query: str | None = None
    schema: dict[str, Any] | None = None


class Extras(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """How many links, pictures and blocks of code of a page are given, 0 to 1000 each."""

    links: Links | None = None
    image_links: Links | None = None
    rich_image_links: Links | None = None
    rich_links: Links | None = None
    code_blocks: Links | None = None


class Contents(Query):
    """What of a page is given."""

    text: bool | TextOptions | None = None
    highlights: bool | HighlightOptions | None = None
    summary: bool | SummaryOptions | None = None
    extras: Extras | None = None
    livecrawl_timeout: Annotated[float, Meta(gt=0, le=90)] | None = None
    max_age_hours: Annotated[int, Meta(ge=-1, le=720)] | None = None
    subpages: Annotated[int, Meta(ge=0, le=100)] | None = None
    subpage_target: Target | list[Target] | None = None
    company: dict[str, Any] | None = None
    people: dict[str, Any] | None = None


class Pages(Contents, kw_only=True):
    """Pages by their addresses."""

    urls: Annotated[list[Address], Meta(min_length=1, max_length=100)]
    compliance: str | None = None


class Search(Contents, kw_only=True):
    """A search of Exa's."""

    query: Words
    type: str | None = None
    category: str | None = None
    num_results: Annotated[int, Meta(ge=1, le=100)] | None = None
    include_domains: Annotated[list[str], Meta(max_length=1200)] | None = None
    exclude_domains: Annotated[list[str], Meta(max_length=1200)] | None = None
    start_crawl_date: Moment | None = None
    end_crawl_date: Moment | None = None
    start_published_date: Moment | None = None
    end_published_date: Moment | None = None
    user_location: Annotated[str, Meta(pattern="^[A-Za-z]{2}$")] | None = None
    moderation: bool | None = None
    additional_queries: Annotated[list[Words], Meta(min_length=1, max_length=10)] | None = None
    system_prompt: str | None = None
    output_schema: dict[str, Any] | None = None
    compliance: str | None = None

    def problems(self) -> Iterable[str]:
        for kind in ("crawl", "published"):
            start, end = getattr(self, f"start_{kind}_date"), getattr(self, f"end_{kind}_date")
            if start is not None and end is not None and start > end:
                yield f"end_{kind}_date: it is before start_{kind}_date"


class Answer(Query):
    """A question to Exa."""

    query: Words
    text: bool | None = None
    output_schema: dict[str, Any] | None = None


# ------------------------------------------------------------------------------------------ Tavily


class TavilySearch(Query):
    """A search of Tavily's."""

    query: Words
    search_depth: Literal["advanced", "basic", "fast", "ultra-fast"] | None = None
    chunks_per_source: Annotated[int, Meta(ge=1, le=3)] | None = None
    max_results: Annotated[int, Meta(ge=1, le=20)] | None = None
    topic: Literal["general", "news", "finance"] | None = None
    time_range: Literal["day", "week", "month", "year", "d", "w", "m", "y"] | None = None
    start_date: date | None = None
    end_date: date | None = None
    include_answer: bool | Literal["basic", "advanced"] | None = None
    include_raw_content: bool | Literal["markdown", "text"] | None = None
    include_images: bool | None = None
    include_image_descriptions: bool | None = None
    include_favicon: bool | None = None
    include_domains: Annotated[list[str], Meta(max_length=300)] | None = None
    exclude_domains: Annotated[list[str], Meta(max_length=150)] | None = None
    country: str | None = None
    auto_parameters: bool | None = None
    exact_match: bool | None = None
    include_usage: bool | None = None
    safe_search: bool | None = None

    def problems(self) -> Iterable[str]:
        if self.chunks_per_source is not None and self.search_depth != "advanced":
            yield "chunks_per_source goes with search_depth='advanced'"
        if self.country is not None and self.topic not in (None, "general"):
            yield "country goes with topic='general'"
        if self.start_date is not None and self.end_date is not None and self.start_date > self.end_date:
            yield "end_date: it is before start_date"


class Extract(Query):
    """Pages that Tavily is to read."""

    urls: Annotated[list[Words], Meta(min_length=1, max_length=20)]
    query: Words | None = None
    chunks_per_source: Chunks | None = None
    extract_depth: Literal["basic", "advanced"] | None = None
    include_images: bool | None = None
    include_favicon: bool | None = None
    format: Literal["markdown", "text"] | None = None
    time_limit: Annotated[float, Meta(ge=1, le=60)] | None = None

    def problems(self) -> Iterable[str]:
        if self.chunks_per_source is not None and self.query is None:
            yield "chunks_per_source goes with a query"


class Map(Query):
    """A site whose addresses are wanted."""

    url: Words
    instructions: Words | None = None
    max_depth: Annotated[int, Meta(ge=1, le=5)] | None = None
    max_breadth: Annotated[int, Meta(ge=1, le=500)] | None = None
    limit: Annotated[int, Meta(ge=1)] | None = None
    select_paths: list[str] | None = None
    select_domains: list[str] | None = None
    exclude_paths: list[str] | None = None
    exclude_domains: list[str] | None = None
    allow_external: bool | None = None
    time_limit: Annotated[float, Meta(ge=10, le=150)] | None = None


class Crawl(Map):
    """A site whose pages are wanted."""

    chunks_per_source: Chunks | None = None
    include_images: bool | None = None
    extract_depth: Literal["basic", "advanced"] | None = None
    format: Literal["markdown", "text"] | None = None
    include_favicon: bool | None = None

    def problems(self) -> Iterable[str]:
        if self.chunks_per_source is not None and self.instructions is None:
            yield "chunks_per_source goes with instructions"
