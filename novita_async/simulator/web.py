"""A web that is made up: every address has a page, and what is on it follows from the address and the seed.

An address with `missing` in it leads nowhere. There is no network here.
"""

from __future__ import annotations

import datetime
import hashlib
import re
from random import Random
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urlsplit

from . import words

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

__all__ = ["Page", "Web"]

_SITES = ("fieldnotes.example", "www.daily-lantern.example", "docs.openbench.example", "papers.northlake.example",
          "blog.quietmachines.example", "harbour-review.example", "wiki.commonplace.example")  # fmt: skip
_SECTIONS = ("guides", "articles", "notes", "2025", "reports")
_NAMES = ("about", "introduction", "installation", "examples", "reference", "faq", "changelog", "pricing", "team",
          "contact", "tutorials", "performance")  # fmt: skip
_TITLES = (
    "{S}: what we learned",
    "A short guide to {s}",
    "Notes on {s}",
    "{S}, explained from the beginning",
    "Ten questions about {s}",
    "The state of {s}",
)
_AUTHORS = ("Ada Marsh", "Jonas Weir", "Mei Okada", "R. Castellan", "Priya Nair")
_FIRST_DAY = datetime.datetime(2023, 1, 1, tzinfo=datetime.UTC)
_DAYS = 1000
_DEEPEST = 6
_TRIED = 400  # addresses that a search looks at before it gives up


class Page(NamedTuple):
    """A page.

    Attributes:
        links: addresses on it; the last one leads to another site.
    """

    url: str
    title: str
    author: str
    published: datetime.datetime
    text: str
    links: list[str]
    image: str
    favicon: str

    @property
    def sentences(self) -> list[str]:
        """Its text, sentence by sentence."""
        return [each.strip() for each in re.split(r"(?<=[.!?])\s+", self.text) if each.strip()]


class Web:
    """All pages there are.

    Args:
        seed: part of what decides what is on them.
    """

    def __init__(self, seed: int) -> None:
        self._seed = seed

    def page(self, url: str) -> Page | None:
        """The page of an address; None when it leads nowhere."""
        try:
            parts = urlsplit(url if "://" in url else f"https://{url}")
        except ValueError:
            return None
        if not parts.hostname or "." not in parts.hostname or "missing" in url:
            return None
        address = f"{parts.scheme}://{parts.netloc}{parts.path}"
        dice = self.dice(address)
        origin = f"{parts.scheme}://{parts.netloc}"
        path = [piece for piece in parts.path.split("/") if piece]
        subject = re.sub(r"[-_]+|\.html?$|-\d+$", " ", re.sub(r"-\d+$", "", path[-1])).strip() if path else ""
        subject = subject or parts.hostname.removeprefix("www.").partition(".")[0].replace("-", " ")
        names = dice.sample(_NAMES, dice.randint(3, 8)) if len(path) < _DEEPEST else []
        links = [f"{address.rstrip('/')}/{name}" for name in names]
        elsewhere = dice.choice([site for site in _SITES if site != parts.netloc])
        return Page(
            address,
            dice.choice(_TITLES).format(s=subject, S=subject[:1].upper() + subject[1:]),
            dice.choice(_AUTHORS),
            _FIRST_DAY + datetime.timedelta(days=dice.randrange(_DAYS)),
            words.answer(f"Write 160 words about {subject}", dice),
            [*links, f"https://{elsewhere}/"],
            f"{origin}/images/{dice.getrandbits(32):08x}.png",
            f"{origin}/favicon.ico",
        )

    def find(
        self, query: str, count: int, *, only: Sequence[str], never: Sequence[str], fits: Callable[[Page], bool]
    ) -> list[Page]:
        """Pages about something.

        Args:
            query: what about.
            count: how many at most.
            only: domains that they are of, if there are any.
            never: domains that they are not of.
            fits: what else is asked of them.
        """
        slug = "-".join(re.findall(r"\w+", query.lower()))[:80] or "it"
        sites = only or _SITES
        found: list[Page] = []
        for number in range(_TRIED):
            dice = self.dice(slug, number)
            site = sites[number % len(sites)].removeprefix("*.")
            page = self.page(f"https://{site}/{dice.choice(_SECTIONS)}/{slug}-{number + 1}")
            if page is not None and not _of(page, never) and fits(page):
                found.append(page)
                if len(found) == count:
                    break
        return found

    def walk(self, url: str, *, depth: int, breadth: int, fits: Callable[[str], bool]) -> Iterator[Page]:
        """The pages of a site, the nearest first.

        Args:
            url: where it begins; that page comes first.
            depth: links from there at most.
            breadth: links of each page that are followed.
            fits: which addresses are followed.
        """
        first = self.page(url)
        level = [] if first is None else [first]
        seen = {page.url for page in level}
        yield from level
        for _ in range(depth):
            pages: list[Page] = []
            for link in (link for page in level for link in [page for page in page.links if fits(page)][:breadth]):
                if link not in seen and (page := self.page(link)) is not None:
                    seen.add(link)
                    pages.append(page)
                    yield page
            level = pages

    def dice(self, *parts: object) -> Random:
        """Dice that fall the same for the same seed and parts."""
        return Random(hashlib.blake2b(repr((self._seed, *parts)).encode(), digest_size=16).digest())


def _of(page: Page, domains: Sequence[str]) -> bool:
    host = urlsplit(page.url).netloc
    bare = [each.removeprefix("*.") for each in domains]
    return any(host == each or host.endswith(f".{each}") for each in bare)
