"""Ten thousand media tasks in flight in one process: all results, little memory, bounded reads, a loop that runs."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

import msgspec
import pytest
from helpers import PICTURE

COUNT = 10_000
MOST = 400  # MB
LONGEST = 0.05  # seconds
POLLS, POLL_RATE = 32, 2000

#: The simulator and the client in one process, on a clock that jumps. Its loop is watched where it would block. What it
#: did since it was there before is counted in processor time of its thread, to which the other processes of a busy
#: machine do not add. The garbage collector's own time is taken off: it grows with all that the process holds, and most
#: of that is the simulator's here. That a waiting task adds little to it is proved in tests/runtime/test_tasks.py.
RUNNER = """
import asyncio, gc, random, sys, time
from collections import Counter
import msgspec
from novita_async import AsyncNovita, Limits, MockTransport, Simulator
from novita_async.testing import JumpClock

count, polls, rate, picture = msgspec.json.decode(sys.argv[1])

def peak():
    # Not getrusage: what it tells begins with the size of the process that forked this one.
    with open("/proc/self/status") as status:
        (size,) = [line.split()[1] for line in status if line.startswith("VmHWM:")]
    return int(size) // 1024

turns = []

def watch(loop):
    selector = loop._selector
    original, began, collecting, collected = selector.select, time.thread_time(), 0.0, 0.0

    def collector(phase, info):
        nonlocal collecting, collected
        if phase == "start":
            collecting = time.thread_time()
        else:
            collected += time.thread_time() - collecting

    def select(timeout=None):
        nonlocal began, collected
        turns.append(time.thread_time() - began - collected)
        events = original(timeout)
        began, collected = time.thread_time(), 0.0
        return events

    selector.select = select
    gc.callbacks.append(collector)

async def main():
    random.seed(4)
    watch(asyncio.get_running_loop())
    reading, most, reads, waiting = 0, 0, Counter(), 0
    async with JumpClock(grace=0) as clock, Simulator(clock=clock, task_seconds=60) as sim:

        async def platform(request):
            nonlocal reading, most, waiting
            if request.method == "POST":
                return await sim.handle(request)
            reading += 1
            most = max(most, reading)
            reads[int(clock.monotonic())] += 1
            waiting = max(waiting, novita.stats()["waiting"])
            try:
                await clock.sleep(0.01)
                return await sim.handle(request)
            finally:
                reading -= 1

        settings = {"api_key": sim.api_key, "base_url": sim.base_url, "transport": MockTransport(platform)}
        settings |= {"limits": Limits(polls=polls, poll_rate=rate), "clock": clock}
        settings |= {"cadence": lambda progress: random.choice((30.0, 65.0, 65.0, 65.0))}
        async with AsyncNovita(**settings) as novita:
            await (await novita.images.submit("txt2img", **picture)).wait()
            turns.clear()  # the first call has loaded modules and the catalog
            submits = (novita.images.submit("txt2img", **picture) for _ in range(count))
            tasks = await novita.gather(submits, limit=50)
            results = await novita.tasks.wait_all(tasks)
            ids = [result.task_id for result in results if len(result.images) == 1]
            ordered = ids == [task.id for task in tasks]
            told = [len(set(ids)), ordered, waiting, most, max(reads.values()), sum(reads.values()), peak()]
            print(msgspec.json.encode([*told, sorted(turns)[-20:]]).decode())

asyncio.run(main())
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the system does not tell the peak of a process")
@pytest.mark.acceptance
async def test_ten_thousand_tasks_in_flight_give_all_results_within_bounds():
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", RUNNER, msgspec.json.encode([COUNT, POLLS, POLL_RATE, PICTURE]).decode()),
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
        stdout=asyncio.subprocess.PIPE,
    )
    told, _ = await process.communicate()
    results, ordered, waiting, reading, reads_in_a_second, reads, resident, turns = msgspec.json.decode(told)
    assert (results, ordered, waiting) == (COUNT, True, COUNT)
    assert reading == POLLS
    assert reads_in_a_second <= 2 * POLL_RATE  # a second's worth may be saved up
    assert COUNT <= reads <= 3 * COUNT
    assert resident < MOST
    # Of many thousand turns a few may take longer where another process has the other half of the core and its cache.
    assert sum(turn > LONGEST for turn in turns) <= 3, turns
