"""Clients and event loops: one client, one loop."""

from __future__ import annotations

import asyncio
import gc

import aiohttp
import pytest
from helpers import ASK, BASE, KEY, MODEL, PICTURE, completion

from novita_async import AsyncNovita, MockTransport, Simulator
from novita_async.errors import WrongEventLoop


@pytest.mark.acceptance
def test_row_05_two_hundred_loops_in_turn_with_a_client_each():
    async def main() -> None:
        async with (
            Simulator() as sim,
            sim.serve() as served,
            AsyncNovita(api_key=sim.api_key, base_url=served.url) as novita,
        ):
            answer = await novita.chat.completions.create(**ASK, max_tokens=1)
            assert answer.choices

    for _ in range(200):
        asyncio.run(main())
    gc.collect()
    assert not any(isinstance(thing, aiohttp.ClientSession) and not thing.closed for thing in gc.get_objects())


CALLS = {
    "chat": lambda novita: novita.chat.completions.create(**ASK),
    "a stream": lambda novita: novita.chat.completions.create(**ASK, stream=True),
    "typed events": lambda novita: novita.chat.completions.stream(**ASK).__aenter__(),
    "a media task": lambda novita: novita.images.submit("txt2img", **PICTURE),
    "a wait": lambda novita: novita.tasks.wait("task-1"),
    "GPU": lambda novita: novita.gpu.products.list(),
    "gather": lambda novita: novita.gather([], limit=1),
    "async with": lambda novita: novita.__aenter__(),
}


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_row_06_a_client_used_from_a_second_loop_raises_at_once_and_sends_nothing(call):
    requests = []

    async def server(request):
        requests.append(request)
        return completion()

    novita = AsyncNovita(api_key=KEY, base_url=BASE, transport=MockTransport(server))
    asyncio.run(novita.chat.completions.create(**ASK))

    async def second() -> None:
        turned = []
        asyncio.get_running_loop().call_soon(turned.append, "once")
        with pytest.raises(WrongEventLoop):
            await call(novita)
        assert not turned  # nothing was waited for

    asyncio.run(second())
    assert len(requests) == 1
    asyncio.run(novita.aclose())


def test_a_client_may_be_closed_from_another_loop_than_its_own():
    """As a script does that has the client at module level."""
    kept: list[AsyncNovita] = []

    async def main() -> None:
        async with Simulator() as sim, sim.serve() as served:
            kept.append(AsyncNovita(api_key=sim.api_key, base_url=served.url))
            await kept[0].chat.completions.create(model=MODEL, messages=ASK["messages"])

    asyncio.run(main())
    asyncio.run(kept[0].aclose())
    gc.collect()
    assert not any(isinstance(thing, aiohttp.ClientSession) and not thing.closed for thing in gc.get_objects())
