"""What the tests of failures share: a simulator on a clock that jumps."""

from __future__ import annotations

import pytest

from novita_async.simulator import Simulator
from novita_async.testing.clock import JumpClock


@pytest.fixture
async def clock():
    async with JumpClock() as clock:
        yield clock


@pytest.fixture
async def sim(clock):
    async with Simulator(clock=clock) as simulator:
        yield simulator
