"""The pytest plugin. It gives two fixtures, under pytest-asyncio and under anyio's plugin alike.

    async def test_greeting(novita, novita_simulator):
        novita_simulator.reply("POST", "/openai/v1/chat/completions", ...)
        await my_service(novita)
        assert novita_simulator.requests[0].path == "/openai/v1/chat/completions"

`novita` is a client on a simulator in the same process: no sockets, no key, and an hour of waiting takes milliseconds.
When the test ends, anything it left open fails it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from ..client import AsyncNovita
    from ..simulator import Simulator

__all__ = ["novita", "novita_simulator"]


#: The live counters of a client that are zero when everything it opened is closed.
_OPEN = ("open_requests", "open_streams", "queued", "waiting")


async def _simulator() -> AsyncIterator[Simulator]:
    from ..simulator import Simulator
    from .clock import JumpClock

    async with JumpClock() as clock, Simulator(clock=clock) as simulator:
        yield simulator


async def _client(novita_simulator: Simulator) -> AsyncIterator[AsyncNovita]:
    from ..client import AsyncNovita

    url = novita_simulator.base_url
    client = AsyncNovita(
        api_key=novita_simulator.api_key,
        base_url=url,
        api_url=url,
        sandbox_url=url,
        transport=novita_simulator.transport(),
        clock=novita_simulator.clock,
    )
    try:
        yield client
        left = {name: count for name, count in client.stats().items() if name in _OPEN and count}
    finally:
        await client.aclose()
    if left:
        pytest.fail(f"the test left open: {', '.join(f'{count} {name}' for name, count in left.items())}")


_simulator_under_anyio = pytest.fixture(_simulator, name="_novita_simulator_anyio")
_client_under_anyio = pytest.fixture(_client, name="_novita_anyio")

try:
    import pytest_asyncio
except ImportError:  # then only anyio's plugin can be the one that runs the tests
    pass
else:
    _simulator_under_asyncio = pytest_asyncio.fixture(_simulator, name="_novita_simulator_asyncio")
    _client_under_asyncio = pytest_asyncio.fixture(_client, name="_novita_asyncio")


def _engine(request: pytest.FixtureRequest) -> str:
    return "anyio" if "anyio_backend" in request.fixturenames else "asyncio"


@pytest.fixture
def novita_simulator(request: pytest.FixtureRequest) -> Any:
    """The simulator behind `novita`: scripted replies and faults, received requests, and the clock.

    Its `clock` is a `JumpClock`: it jumps to whatever is waited for next as soon as nothing else can happen.
    """
    return request.getfixturevalue(f"_novita_simulator_{_engine(request)}")


@pytest.fixture
def novita(request: pytest.FixtureRequest) -> Any:
    """A client on the in-process simulator. A stream, wait or task that the test leaves behind fails it."""
    return request.getfixturevalue(f"_novita_{_engine(request)}")
