"""Lists in pages: fetched as needed, begun where the platform begins, ended where it ends."""

from __future__ import annotations

import pytest

from novita_async.runtime.pages import Pages, cursored, numbered


class Shelf:
    """A platform's list: which page numbers were asked for, and how it counts them."""

    def __init__(self, count, *, first=1, tells_total=True, ignores_number=False):
        self.items = [f"item-{number}" for number in range(count)]
        self.first = first
        self.tells_total = tells_total
        self.ignores_number = ignores_number
        self.asked: list[int] = []

    async def fetch(self, number):
        self.asked.append(number)
        start = 0 if self.ignores_number else (number - self.first) * 10
        items = self.items[start : start + 10] if start >= 0 else []
        return items, len(self.items) if self.tells_total else 0

    def pages(self) -> Pages[str]:
        return numbered(self.fetch, size=10, identify=lambda item: item)


@pytest.mark.parametrize("tells_total", [True, False])
@pytest.mark.parametrize(
    ("count", "asked"), [(0, [1]), (1, [1]), (9, [1]), (10, [1, 2]), (25, [1, 2, 3]), (30, [1, 2, 3, 4])]
)
async def test_every_item_is_given_once_and_the_last_page_is_known_by_being_short(count, asked, tells_total):
    shelf = Shelf(count, tells_total=tells_total)
    assert await shelf.pages() == shelf.items
    full = tells_total and count and count % 10 == 0
    assert shelf.asked == (asked[:-1] if full else asked)  # a total saves the empty page after a full one


@pytest.mark.parametrize("count", [1, 10, 11, 25])
async def test_a_list_that_begins_at_page_zero_is_found(count):
    shelf = Shelf(count, first=0)
    assert sorted(await shelf.pages()) == sorted(shelf.items)


async def test_pages_are_fetched_as_they_are_needed():
    shelf = Shelf(35)
    async for item in shelf.pages():
        if item == "item-12":
            break
    assert shelf.asked == [1, 2]


async def test_a_server_that_ignores_the_number_does_not_keep_us_for_ever():
    shelf = Shelf(25, ignores_number=True, tells_total=False)
    assert await shelf.pages() == shelf.items[:10]
    assert shelf.asked == [1, 2]


async def test_an_item_that_moves_between_pages_is_given_once():
    shelf = Shelf(25)
    seen = []
    async for item in shelf.pages():
        seen.append(item)
        if item == "item-5":
            shelf.items.insert(0, "new")
    assert len(seen) == len(set(seen))
    assert set(seen) >= {f"item-{number}" for number in range(25)}


async def test_the_same_list_can_be_read_again():
    shelf = Shelf(15)
    pages = shelf.pages()
    assert [item async for item in pages] == await pages
    assert shelf.asked == [1, 2, 1, 2]


async def test_an_error_of_a_page_is_raised_after_the_items_before_it():
    async def pages():
        yield [1, 2]
        raise ConnectionError("page 2")

    items = aiter(Pages(pages))
    assert [await anext(items), await anext(items)] == [1, 2]
    with pytest.raises(ConnectionError):
        await anext(items)


@pytest.mark.parametrize(
    ("pages", "asked"),
    [
        ({"": (["a", "b"], "1"), "1": (["c"], "")}, ["", "1"]),
        ({"": ([], "1")}, [""]),
        ({"": (["a"], "1"), "1": ([], "2")}, ["", "1"]),
        ({"": (["a"], "1"), "1": (["b"], "1")}, ["", "1"]),
        ({"": (["a"], "1"), "1": (["b"], "2"), "2": (["c"], "1")}, ["", "1", "2"]),
    ],
    ids=["no cursor", "nothing", "an empty page", "the same cursor", "cursors in a circle"],
)
async def test_pages_by_cursor_end_where_going_on_would_never_end(pages, asked):
    came: list[str] = []

    async def fetch(cursor):
        came.append(cursor)
        return pages[cursor]

    listed = cursored(fetch)
    assert await listed == [item for cursor in asked for item in pages[cursor][0]]
    assert came == asked
    assert [item async for item in listed] == await listed  # and anew at each iteration
