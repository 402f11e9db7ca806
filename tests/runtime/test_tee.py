"""One stream, several readers: everything to everyone, nobody far ahead, nobody in the way of the others."""

from __future__ import annotations

import asyncio

import pytest
from helpers import turns

from novita_async.errors import StreamCut, ValidationError
from novita_async.runtime.tee import tee


class Source:
    """Numbers up to `end`, then an error if there is one. Counts what was asked of it, and may be held up."""

    def __init__(self, end: int, error: Exception | None = None) -> None:
        self.taken = 0
        self.gate = asyncio.Event()
        self.gate.set()
        self._end = end
        self._error = error

    def __aiter__(self) -> Source:
        return self

    async def __anext__(self) -> int:
        await self.gate.wait()
        if self.taken == self._end:
            if self._error is not None:
                raise self._error
            raise StopAsyncIteration
        self.taken += 1
        return self.taken


async def read(branch) -> list[int]:
    return [number async for number in branch]


async def test_every_reader_gets_every_event_in_order():
    branches = tee(Source(500), 3, buffer=4)
    assert await asyncio.gather(*map(read, branches)) == [list(range(1, 501))] * 3


async def test_none_runs_further_ahead_than_the_buffer():
    source = Source(100)
    fast, slow = tee(source, 2, buffer=5)
    reading = asyncio.create_task(read(fast))
    await turns()
    assert source.taken == 5
    assert await anext(slow) == 1
    await turns()
    assert source.taken == 6
    assert await read(slow) == list(range(2, 101))
    assert await reading == list(range(1, 101))


async def test_without_a_buffer_one_may_read_it_all_before_the_other_begins():
    first, second = tee(Source(200), 2, buffer=None)
    assert await read(first) == await read(second) == list(range(1, 201))


async def test_an_error_reaches_every_reader_after_the_events_before_it():
    branches = tee(Source(2, StreamCut("cut")), 2)
    for branch in branches:
        assert [await anext(branch), await anext(branch)] == [1, 2]
    for branch in branches:
        with pytest.raises(StreamCut):
            await anext(branch)


async def test_a_reader_that_goes_away_holds_nobody_up():
    source = Source(50)
    stays, goes = tee(source, 2, buffer=1)
    reading = asyncio.create_task(read(stays))
    await turns()
    assert source.taken == 1
    async with goes:
        pass
    assert await reading == list(range(1, 51))
    assert await read(goes) == []


async def test_a_reader_that_is_cancelled_while_it_reads_for_all_loses_nothing():
    source = Source(3)
    one, other = tee(source, 2)
    source.gate.clear()
    waiting = asyncio.create_task(anext(one))
    await turns()
    next_in_turn = asyncio.create_task(anext(other))
    await turns()
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    source.gate.set()
    assert await next_in_turn == 1
    assert await read(one) == [1, 2, 3]
    assert await read(other) == [2, 3]


@pytest.mark.parametrize(("count", "buffer"), [(0, 1), (-1, None), (2, 0)])
def test_what_cannot_be_is_refused(count, buffer):
    with pytest.raises(ValidationError):
        tee(Source(1), count, buffer=buffer)
