"""Lists that come in pages, whatever the style of the pages."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Generator

__all__ = ["Pages", "cursored", "numbered"]

T = TypeVar("T")


class Pages(Generic[T]):
    """A list at the platform: `async for item in ...` fetches pages as they are needed, `await ...` gives all items.

    Args:
        pages: makes an iterator over the pages; called once for each iteration.
    """

    def __init__(self, pages: Callable[[], AsyncIterator[list[T]]]) -> None:
        self._pages = pages

    async def __aiter__(self) -> AsyncIterator[T]:
        async for page in self._pages():
            for item in page:
                yield item

    def __await__(self) -> Generator[Any, None, list[T]]:
        return self._all().__await__()

    async def _all(self) -> list[T]:
        return [item async for item in self]


def numbered(
    fetch: Callable[[int], Awaitable[tuple[list[T], int]]], *, size: int, identify: Callable[[T], str]
) -> Pages[T]:
    """Pages counted by number, whose first number nobody documents (contract/gpu.md 7).

    Begins at 1 and ends at a short page; when there are fewer items by then than the platform says, there is a page 0
    as well. An item that moves between pages while they are read is given once.

    Args:
        fetch: gives the items of a page and the total that the platform tells, 0 when it tells none.
        size: items asked for a page.
        identify: what makes an item itself.
    """

    async def pages() -> AsyncIterator[list[T]]:
        seen: set[str] = set()

        def fresh(items: list[T]) -> list[T]:
            new = {identify(item): item for item in items if identify(item) not in seen}
            seen.update(new)
            return list(new.values())

        number = 1
        while True:
            items, total = await fetch(number)
            new = fresh(items)
            yield new
            # A page without anything new means that the server ignores the number: going on would never end.
            if len(items) < size or not new or (total and len(seen) >= total):
                break
            number += 1
        if len(seen) < total:
            items, _ = await fetch(0)
            yield fresh(items)

    return Pages(pages)


def cursored(fetch: Callable[[str], Awaitable[tuple[list[T], str]]]) -> Pages[T]:
    """Pages that name the next one. They end where none is named, at a page without items, and at a cursor that was
    there before: going on would never end.

    Args:
        fetch: gives the items of the page at a cursor, "" for the first, and the cursor of the next page, "" for none.
    """

    async def pages() -> AsyncIterator[list[T]]:
        cursor, seen = "", {""}
        while True:
            items, cursor = await fetch(cursor)
            yield items
            if not items or cursor in seen:
                return
            seen.add(cursor)

    return Pages(pages)
