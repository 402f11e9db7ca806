"""Hundreds of calls at once, and what runs out then."""

from __future__ import annotations

import asyncio
import itertools
import os
import resource

import pytest
from helpers import ASK, KEY, Server, completion, connected, inside, over_sockets, without_debug

from novita_async import AsyncNovita, RetryPolicy
from novita_async.errors import ConnectError, ServerError, ValidationError


async def test_row_15_gather_bounds_the_calls_before_they_start(sim):
    started = ended = most = 0

    async def call(novita, number):
        nonlocal started, ended, most
        started += 1
        most = max(most, started - ended)
        answer = await novita.chat.completions.create(**ASK, max_tokens=1 + number % 3)
        ended += 1
        return number, answer.usage.completion_tokens

    async with inside(sim) as novita:
        results = await novita.gather((call(novita, number) for number in range(300)), limit=7)
    assert most == 7
    assert results == [(number, 1 + number % 3) for number in range(300)]


async def test_row_15_the_first_error_of_a_gather_ends_the_others(clock):
    async def call(number):
        await clock.sleep(number)
        if number == 3:
            raise ServerError("three", status=500)
        ended.append(number)

    ended: list[int] = []
    async with connected(Server(clock, completion()), clock) as novita:
        with pytest.raises(ServerError):
            await novita.gather([call(number) for number in range(10)], limit=5)  # ten coroutines, all made before
        await clock.sleep(100)
    assert ended == [0, 1, 2]


async def test_a_gather_asks_for_no_more_calls_after_an_error_and_starts_no_idle_workers(clock):
    async def call(number):
        nonlocal most
        most = max(most, len(asyncio.all_tasks()))
        await asyncio.sleep(0)
        if number == 2:
            raise ServerError("two", status=500)

    most = 0
    endless = itertools.count()
    async with connected(Server(clock, completion()), clock) as novita:
        with pytest.raises(ServerError):
            await novita.gather(map(call, endless), limit=2)
        assert next(endless) <= 6
        most = 0
        await novita.gather([call(0), call(1)], limit=1_000_000)
        assert most <= 3


async def test_a_gather_may_collect_its_errors(clock):
    async def call(number):
        if number % 2:
            raise ServerError("odd", status=500)
        return number

    async with connected(Server(clock, completion()), clock) as novita:
        results = await novita.gather(map(call, range(6)), limit=2, return_exceptions=True)
        assert [type(result) for result in results] == [int, ServerError] * 3
        assert await novita.gather([], limit=1) == []
        with pytest.raises(ValidationError):
            await novita.gather([], limit=0)


async def test_row_15_running_out_of_file_descriptors_is_said_in_words():
    """The real thing: the limit of this process lowered to what is open now."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    async with AsyncNovita(api_key=KEY, base_url="http://127.0.0.1:9", retry=RetryPolicy(attempts=1)) as novita:
        with pytest.raises(ConnectError):  # nobody listens there; and everything is loaded now
            await novita.chat.completions.create(**ASK)
        lowest = os.dup(0)
        os.close(lowest)
        resource.setrlimit(resource.RLIMIT_NOFILE, (lowest, hard))
        try:
            with pytest.raises(ConnectError, match=r"file descriptor.*ulimit -n"):
                await novita.chat.completions.create(**ASK)
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


async def test_five_hundred_calls_over_sockets_all_succeed(sim):
    without_debug()
    async with over_sockets(sim) as novita:
        answers = await asyncio.gather(*(novita.chat.completions.create(**ASK, max_tokens=1) for _ in range(500)))
    assert len(answers) == len(sim.requests) == 500
