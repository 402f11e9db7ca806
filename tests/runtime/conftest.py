"""What the tests of the runtime share: a clock that jumps, and clients on a server in one function."""

from __future__ import annotations

import pytest

from novita_async.testing.clock import JumpClock


@pytest.fixture
async def clock():
    async with JumpClock(grace=0) as clock:
        yield clock
