"""What the sandbox tests share beside the package's own fixtures: a client on a platform that the test plays."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from fake_platform import API, ENVD, KEY, Platform
from judge import reached

from novita_async import AsyncNovita
from novita_async.testing.clock import JumpClock

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from novita_async import Simulator


@pytest.fixture
async def clock() -> AsyncIterator[JumpClock]:
    async with JumpClock() as clock:
        yield clock


@pytest.fixture
def platform() -> Platform:
    return Platform()


@pytest.fixture
async def client(platform: Platform, clock: JumpClock, over_sockets: bool) -> AsyncIterator[AsyncNovita]:
    """A client on the platform, which is checked for leaks at the end."""
    async with reached(platform, sockets=over_sockets) as transport:
        async with AsyncNovita(api_key=KEY, api_url=API, sandbox_url=ENVD, transport=transport, clock=clock) as client:
            yield client
            left = {name: count for name, count in client.stats().items() if name.startswith("open_") and count}
            assert not left
        assert over_sockets or "tasks=0" in repr(transport)


@pytest.fixture
async def novita(novita_simulator: Simulator, over_sockets: bool) -> AsyncIterator[AsyncNovita]:
    """The package's own fixture, with the contract in between, and over sockets if asked."""
    url = novita_simulator.base_url
    async with (
        reached(novita_simulator.handle, sockets=over_sockets) as transport,
        AsyncNovita(
            api_key=novita_simulator.api_key,
            base_url=url,
            api_url=url,
            sandbox_url=url,
            transport=transport,
            clock=novita_simulator.clock,
        ) as client,
    ):
        yield client
        left = {name: count for name, count in client.stats().items() if name.startswith("open_") and count}
        assert not left
