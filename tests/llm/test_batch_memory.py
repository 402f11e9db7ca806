"""A run of 120,000 requests in three files: the process of the SDK stays small, and the order is right."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

import msgspec
import pytest
from helpers import MODEL, without_debug

from novita_async import Simulator

COUNT = 120_000
MOST = 200  # MB

RUNNER = """
import asyncio, sys
import msgspec
from novita_async import AsyncNovita

def requests(count):
    for number in range(count):
        content = f"question {number % 50}"
        yield {"messages": [{"role": "user", "content": content}], "max_tokens": 1, "user": "x" * 60}

def peak():
    # Not getrusage: what it tells begins with the size of the process that forked this one.
    with open("/proc/self/status") as status:
        (size,) = [line.split()[1] for line in status if line.startswith("VmHWM:")]
    return int(size) // 1024

async def main():
    count, good, ordered = int(sys.argv[1]), 0, True
    async with AsyncNovita(cadence=lambda progress: 0.3) as novita:
        async with await novita.batches.run(requests(count), model=sys.argv[2]) as run:
            async for result in run:
                ordered = ordered and result.index == good and result.custom_id == f"request-{good + 1:06}"
                good += result.value is not None and len(result.value.choices) == 1
    print(msgspec.json.encode([len(run.batch_ids), good, ordered, run.problems, peak()]).decode())

asyncio.run(main())
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the system does not tell the peak of a process")
@pytest.mark.acceptance
async def test_120000_requests_take_less_than_200_mb():
    without_debug()
    async with Simulator(batch_seconds=0.5) as sim, sim.serve() as served:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", RUNNER, str(COUNT), MODEL),
            env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2]), **served.environment},
            stdout=asyncio.subprocess.PIPE,
        )
        told, _ = await process.communicate()
    files, good, ordered, problems, resident = msgspec.json.decode(told)
    assert (files, good, ordered, problems) == (3, COUNT, True, [])
    assert resident < MOST
