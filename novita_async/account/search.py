"""`novita.search`: the web, through Exa and Tavily (contract/search.openapi.yaml)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .exa import Exa, ExaAnswer, ExaContents, ExaResult, ExaSearch
from .tavily import Tavily
from .tavily_types import SiteMap, TavilyCrawl, TavilyExtract, TavilyPage, TavilyResult, TavilyResults

if TYPE_CHECKING:
    from ..runtime.call import Runtime

__all__ = [
    "Exa",
    "ExaAnswer",
    "ExaContents",
    "ExaResult",
    "ExaSearch",
    "SiteMap",
    "Tavily",
    "TavilyCrawl",
    "TavilyExtract",
    "TavilyPage",
    "TavilyResult",
    "TavilyResults",
    "WebSearch",
]


class WebSearch:
    """`novita.search`. Every call costs a little, and is repeated when its answer is lost on the way.

    Attributes:
        exa: Exa.
        tavily: Tavily.
    """

    def __init__(self, runtime: Runtime) -> None:
        self.exa = Exa(runtime)
        self.tavily = Tavily(runtime)
