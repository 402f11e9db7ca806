"""What Tavily answers (contract/search.openapi.yaml)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from ..wire.json import Object

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = [
    "FailedPage",
    "SiteMap",
    "TavilyCrawl",
    "TavilyExtract",
    "TavilyImage",
    "TavilyPage",
    "TavilyResult",
    "TavilyResults",
]


class TavilyImage(Object):
    """A picture that was found; described where that was asked for."""

    url: str = ""
    description: str | None = None


class TavilyResult(Object):
    """A page that was found.

    Attributes:
        content: what of it fits.
        score: how well, 0 to 1.
        raw_content: all of it, where that was asked for.
        published_date: of news, as Tavily writes it.
    """

    url: str
    title: str = ""
    content: str = ""
    score: float | None = None
    raw_content: str | None = None
    favicon: str | None = None
    published_date: str | None = None


class _Usage(Object):
    credits: float | None = None


class _Answered(Object):
    response_time: float | None = None
    request_id: str = ""
    wire_usage: _Usage | None = msgspec.field(default=None, name="usage")

    @property
    def credits(self) -> float | None:
        """What it cost in Tavily's own credits, where that was asked for."""
        return self.wire_usage.credits if self.wire_usage is not None else None


class TavilyResults(_Answered):
    """What was found, the best first.

    Attributes:
        query: what was looked for.
        results: the pages.
        answer: an answer, where that was asked for.
        follow_up_questions: what else could be asked.
        auto_parameters: what Tavily chose, where that was left to it.
        response_time: in seconds.
    """

    query: str = ""
    results: list[TavilyResult] = msgspec.field(default_factory=list)
    answer: str | None = None
    follow_up_questions: list[str] | None = None
    auto_parameters: dict[str, Any] | None = None
    wire_images: list[str | TavilyImage] | None = msgspec.field(default=None, name="images")

    @property
    def images(self) -> Sequence[TavilyImage]:
        """The pictures, which come as addresses or as objects."""
        return [each if isinstance(each, TavilyImage) else TavilyImage(url=each) for each in self.wire_images or ()]


class TavilyPage(Object):
    """A page that was read.

    Attributes:
        raw_content: what it says; with a query the pieces that fit, with " [...] " between them.
        images: addresses of its pictures.
    """

    url: str = ""
    title: str = ""
    raw_content: str | None = None
    images: list[str] | None = None
    favicon: str | None = None


class FailedPage(Object):
    """A page that could not be read, and why."""

    url: str = ""
    error: str = ""


class TavilyExtract(_Answered):
    """Pages that were read, and those that could not be."""

    results: list[TavilyPage] = msgspec.field(default_factory=list)
    failed_results: list[FailedPage] = msgspec.field(default_factory=list)


class TavilyCrawl(_Answered):
    """The pages of a site."""

    base_url: str = ""
    results: list[TavilyPage] = msgspec.field(default_factory=list)


class SiteMap(_Answered):
    """The addresses on a site."""

    base_url: str = ""
    results: list[str] = msgspec.field(default_factory=list)
