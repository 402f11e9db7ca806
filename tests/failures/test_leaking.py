"""Connections, sessions, slots and warnings that are left behind."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import warnings

import aiohttp
import pytest
from helpers import ASK, CHAT, PICTURE, TASK_RESULT, inside, over_sockets, turns

from novita_async import AsyncNovita, Limits, MockTransport, Simulator, Timeouts
from novita_async.errors import ClientClosed, RateLimited
from novita_async.simulator import Refuse, Stream
from novita_async.transport.aiohttp import AiohttpTransport


def live_sessions() -> int:
    gc.collect()
    return sum(
        isinstance(thing, aiohttp.ClientSession | aiohttp.BaseConnector) and not thing.closed
        for thing in gc.get_objects()
    )


# -------------------------------------------------------------------------------- row 4: dropped clients


def drop_a_client_after_a_call(**settings) -> list[warnings.WarningMessage]:
    """Make a call in a loop, drop the client unclosed, close the loop; give the warnings of all that."""

    async def main() -> None:
        async with Simulator() as sim, sim.serve() as served:
            novita = AsyncNovita(api_key=sim.api_key, base_url=served.url, **settings)
            await novita.chat.completions.create(**ASK)
            del novita
            gc.collect()

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        asyncio.run(main())
        gc.collect()
    return caught


def test_row_04_a_dropped_client_warns_once_and_names_where_it_was_made(caplog):
    (warning,) = drop_a_client_after_a_call()
    assert warning.category is ResourceWarning
    assert f"{__file__}:" in str(warning.message)
    assert live_sessions() == 0
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []


def test_row_04_it_warns_alone_also_where_the_collector_comes_to_its_connections_before_it(caplog):
    async def main() -> None:
        async with Simulator() as sim, sim.serve() as served:
            novita = AsyncNovita(api_key=sim.api_key, base_url=served.url)
            gc.collect(0)  # the client is older now than what it opens, and the younger ones are looked at first
            novita.of_an_application = [novita]
            await novita.chat.completions.create(**ASK)
            del novita
            gc.collect()

    gc.disable()
    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            asyncio.run(main())
    finally:
        gc.enable()
    assert [warning.category for warning in caught] == [ResourceWarning]
    assert live_sessions() == 0
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []


def test_row_04_a_client_that_outlives_its_loop_warns_once_and_logs_nothing(caplog):
    kept: list[AsyncNovita] = []

    async def main() -> None:
        async with Simulator() as sim, sim.serve() as served:
            kept.append(AsyncNovita(api_key=sim.api_key, base_url=served.url))
            await kept[0].chat.completions.create(**ASK)

    asyncio.run(main())
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        kept.clear()
        gc.collect()
    assert [warning.category for warning in caught] == [ResourceWarning]
    assert live_sessions() == 0
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []


async def test_a_client_that_was_never_used_may_be_dropped_in_silence():
    AsyncNovita(api_key="sk_unused")
    gc.collect()


# ---------------------------------------------------------------------------- row 7: sessions and closing


def test_row_07_making_a_client_touches_no_loop_and_opens_no_session():
    novita = AsyncNovita(api_key="sk_unused")
    _ = novita.chat, novita.images, novita.videos, novita.gpu, novita.tasks, novita.stats(), repr(novita)
    with pytest.raises(RuntimeError):
        asyncio.get_running_loop()
    assert live_sessions() == 0


async def test_row_07_leaving_async_with_leaves_no_session_and_no_connector():
    async with Simulator() as sim:
        async with over_sockets(sim) as novita:
            await novita.chat.completions.create(**ASK)
            assert live_sessions() == 2  # the session and its connector
        assert live_sessions() == 0


async def test_everything_that_opens_closes_and_may_be_closed_twice(sim):
    """Also seen: openai/openai-python#2853."""
    async with inside(sim) as novita:
        chunks = await novita.chat.completions.create(**ASK, stream=True)
        typed = novita.chat.completions.stream(**ASK)
        for thing in (chunks, await typed.__aenter__()):
            await thing.aclose()
            await thing.aclose()
        with pytest.raises(StopAsyncIteration):
            await anext(chunks)
    for thing in (novita, AiohttpTransport(), MockTransport(sim.handle), sim, novita.tasks):
        await thing.aclose()
        await thing.aclose()


# ------------------------------------------------------------------------ rows 8 and 9: slots and sockets


async def broken_out_of(stream):
    async with stream:
        async for _ in stream:
            break


async def fully_read(stream):
    async with stream:
        assert [chunk async for chunk in stream]


async def never_iterated(stream):
    async with stream:
        pass


async def cancelled(stream):
    async def read():
        async with stream:
            async for _ in stream:
                await asyncio.sleep(0)

    reading = asyncio.create_task(read())
    await turns(3)
    reading.cancel()
    await asyncio.wait({reading})


async def failed_inside(stream):
    with contextlib.suppress(ZeroDivisionError):
        async with stream:
            async for _ in stream:
                _ = 1 / 0


@pytest.mark.parametrize("leave", [broken_out_of, fully_read, never_iterated, cancelled, failed_inside])
async def test_row_08_fifty_streams_left_in_any_way_give_their_connections_back(sim, leave):
    async with over_sockets(sim, limits=Limits(requests=2)) as novita:
        for _ in range(50):
            await leave(await novita.chat.completions.create(**ASK, stream=True))
        async with asyncio.timeout(5):
            await novita.chat.completions.create(**ASK)


async def test_row_09_a_hundred_refused_streams_give_their_connections_back(sim, clock):
    refusals = sim.fault("POST", CHAT, Refuse.with_status(429), times=None)
    async with over_sockets(sim, limits=Limits(requests=10)) as novita:
        opened = [novita.chat.completions.create(**ASK, stream=True) for _ in range(100)]
        errors = await asyncio.gather(*opened, return_exceptions=True)
        assert {type(error) for error in errors} == {RateLimited}
        assert refusals.hits == 300  # each of them three times
        refusals.cancel()
        began = clock.monotonic()
        await novita.chat.completions.create(**ASK)
        assert clock.monotonic() - began < 1
        assert novita.stats()["open_streams"] == 0


# ------------------------------------------------------------------------------------ closing the client


async def test_closing_the_client_ends_what_is_under_way(sim, clock):
    sim.fault("POST", CHAT, Stream.pings(after=1))
    sim.fault("GET", TASK_RESULT, Stream.pings(after=0), times=None)
    novita = AsyncNovita(
        api_key=sim.api_key, base_url=sim.base_url, transport=sim.transport(), clock=clock, timeouts=Timeouts(idle=None)
    )
    stream = await novita.chat.completions.create(**ASK, stream=True)
    await anext(stream)
    task = await novita.images.submit("txt2img", **PICTURE)
    under_way = [asyncio.ensure_future(work) for work in (anext(stream), task.wait())]
    await clock.sleep(1)
    await novita.aclose()
    done, pending = await asyncio.wait(under_way, timeout=10)
    assert not pending
    assert {type(work.exception()) for work in done} == {ClientClosed}
