"""`novita-async search`: the web, through Exa and Tavily (contract/search.openapi.yaml)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import Parameter

from .account import adder
from .options import Count, Flag, Format, Several, moment, split
from .output import say, show, show_one
from .pipes import STDOUT, write
from .process import printable, tell

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from cyclopts import App

    from ..account.search import ExaResult, TavilyResult
    from ..client import AsyncNovita
    from .process import Stop

__all__ = ["fill"]

_Number = Annotated[Count | None, Parameter(name=["--number", "-n"])]

_EXA: dict[str, Callable[[ExaResult], object]] = {
    "published": lambda it: it.published_at.date() if it.published_at else None,
    "url": lambda it: it.url,
    "title": lambda it: it.title,
    "text": lambda it: it.text,
}
_TAVILY: dict[str, Callable[[TavilyResult], object]] = {
    "score": lambda it: it.score,
    "url": lambda it: it.url,
    "title": lambda it: it.title,
    "text": lambda it: it.content,
}


def fill(app: App, stop: Stop) -> None:
    """Add the commands, which end when `stop` is wanted."""
    add = adder(app, stop)
    add(exa, "exa")
    add(tavily, "tavily")
    add(answer, "answer")
    add(contents, "contents")
    add(extract, "extract")
    add(crawl, "crawl")
    add(map_, "map")


async def exa(
    novita: AsyncNovita,
    query: str,
    /,
    *,
    number: _Number = None,
    type: str | None = None,
    category: str | None = None,
    include_domains: Several = (),
    exclude_domains: Several = (),
    start_time: str | None = None,
    end_time: str | None = None,
    text: Count | None = None,
    output: Format = "pretty",
) -> None:
    """Find pages with Exa.

    Args:
        query: what is looked for.
        number: how many, up to 100.
        type: instant, fast, auto, deep-lite, deep or deep-reasoning.
        category: company, news, people, "research paper", "personal site" or "financial report".
        include_domains: only pages of these; several with commas.
        exclude_domains: no pages of these; several with commas.
        start_time: published not before: Unix seconds, or a time such as 2026-01-31T12:00:00Z.
        end_time: published not after, in the same forms.
        text: give so many characters of each page too.
    """
    options: dict[str, Any] = {} if text is None else {"text": {"max_characters": text}}
    found = await novita.search.exa.search(
        query,
        num_results=number,
        type=type,
        category=category,
        include_domains=split(include_domains) or None,
        exclude_domains=split(exclude_domains) or None,
        start_published_date=moment("--start-time", start_time),
        end_published_date=moment("--end-time", end_time),
        **options,
    )
    if output != "pretty":
        await show_one(found, {}, output)
        return
    columns = {name: column for name, column in _EXA.items() if name != "text" or text is not None}
    await show(found.results, columns, output)


async def tavily(
    novita: AsyncNovita,
    query: str,
    /,
    *,
    number: _Number = None,
    topic: Literal["general", "news", "finance"] | None = None,
    depth: Literal["advanced", "basic", "fast", "ultra-fast"] | None = None,
    time_range: Literal["day", "week", "month", "year"] | None = None,
    include_domains: Several = (),
    exclude_domains: Several = (),
    with_answer: Flag = False,
    output: Format = "pretty",
) -> None:
    """Find pages with Tavily.

    Args:
        query: what is looked for.
        number: how many, up to 20.
        topic: what kind of pages.
        depth: how much work is put into it.
        time_range: only pages of the last day, week, month or year.
        include_domains: only pages of these; several with commas.
        exclude_domains: no pages of these; several with commas.
        with_answer: an answer first.
    """
    found = await novita.search.tavily.search(
        query,
        max_results=number,
        topic=topic,
        search_depth=depth,
        time_range=time_range,
        include_domains=split(include_domains) or None,
        exclude_domains=split(exclude_domains) or None,
        include_answer=True if with_answer else None,
    )
    if output != "pretty":
        await show_one(found, {}, output)
        return
    if found.answer:
        await say(f"{found.answer}\n", found, output)
    await show(found.results, _TAVILY, output)


async def answer(novita: AsyncNovita, question: str, /, *, output: Format = "pretty") -> None:
    """Answer a question from the web, with the addresses that it comes from.

    Args:
        question: the question.
    """
    found = await novita.search.exa.answer(question)
    sources = "".join(f"\n{number}. {each.url}" for number, each in enumerate(found.citations, 1))
    await say(f"{found.answer}\n{sources}", found, output)


async def contents(novita: AsyncNovita, *urls: str, output: Format = "pretty") -> int:
    """Print the text of pages, read by Exa.

    Args:
        urls: their addresses, up to 100.
    """
    found = await novita.search.exa.contents(urls, text=True)
    if output != "pretty":
        await show_one(found, {}, output)
    else:
        await _texts((each.url, each.text) for each in found.results)
    return _failures(found.failed)


async def extract(
    novita: AsyncNovita, *urls: str, query: str | None = None, advanced: Flag = False, output: Format = "pretty"
) -> int:
    """Print the text of pages, read by Tavily.

    Args:
        urls: their addresses, up to 20.
        query: only the pieces that fit this.
        advanced: look closer, which takes longer.
    """
    found = await novita.search.tavily.extract(urls, query=query, extract_depth="advanced" if advanced else None)
    if output != "pretty":
        await show_one(found, {}, output)
    else:
        await _texts((each.url, each.raw_content) for each in found.results)
    return _failures({each.url: each.error for each in found.failed_results})


async def crawl(
    novita: AsyncNovita,
    url: str,
    /,
    *,
    instructions: str | None = None,
    max_depth: Count | None = None,
    limit: Annotated[Count | None, Parameter(name=["--limit", "-l"])] = None,
    output: Format = "pretty",
) -> None:
    """Print the text of the pages of a site, read by Tavily. It can take minutes.

    Args:
        url: where it begins.
        instructions: what is wanted, in words.
        max_depth: links from the beginning, up to 5.
        limit: how many pages.
    """
    found = await novita.search.tavily.crawl(url, instructions=instructions, max_depth=max_depth, limit=limit)
    if output != "pretty":
        await show_one(found, {}, output)
    else:
        await _texts((each.url, each.raw_content) for each in found.results)


async def map_(
    novita: AsyncNovita,
    url: str,
    /,
    *,
    max_depth: Count | None = None,
    limit: Annotated[Count | None, Parameter(name=["--limit", "-l"])] = None,
    output: Format = "pretty",
) -> None:
    """List the addresses on a site. It can take minutes.

    Args:
        url: where it begins.
        max_depth: links from the beginning, up to 5.
        limit: how many addresses.
    """
    found = await novita.search.tavily.map(url, max_depth=max_depth, limit=limit)
    await say("\n".join(found.results), found, output)


async def _texts(pages: Iterable[tuple[str | None, str | None]]) -> None:
    """Print pages, each under its address."""
    for url, text in pages:
        await write(STDOUT, f"# {printable(url or '')}\n\n{printable(text or '')}\n\n")


def _failures(failed: dict[str, str]) -> int:
    """Tell which pages could not be read; the exit code."""
    for url, reason in failed.items():
        tell(f"{url}: {reason or 'it could not be read'}")
    return 1 if failed else 0
