"""What the sandbox tests share beside the package's own fixtures: a client on a platform that the test plays."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from fake_platform import API, ENVD, KEY, Platform

from novita_async import AsyncNovita, MockTransport
from novita_async.testing.clock import JumpClock

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


@pytest.fixture
async def clock() -> AsyncIterator[JumpClock]:
    async with JumpClock() as clock:
        yield clock


@pytest.fixture
def platform() -> Platform:
    return Platform()


@pytest.fixture
async def client(platform: Platform, clock: JumpClock) -> AsyncIterator[AsyncNovita]:
    """A client on the platform, which is checked for leaks at the end."""
    transport = MockTransport(platform)
    async with AsyncNovita(api_key=KEY, api_url=API, sandbox_url=ENVD, transport=transport, clock=clock) as client:
        yield client
        left = {name: count for name, count in client.stats().items() if name.startswith("open_") and count}
        assert not left
    assert "tasks=0" in repr(transport)
