"""What the tests of GPU instances share: a clock that jumps, and a simulator on it."""

from __future__ import annotations

import pytest

from novita_async.simulator import Simulator
from novita_async.testing.clock import JumpClock


@pytest.fixture
async def clock():
    async with JumpClock(grace=0) as clock:
        yield clock


@pytest.fixture
async def sim(clock):
    async with Simulator(clock=clock) as simulator:
        yield simulator
