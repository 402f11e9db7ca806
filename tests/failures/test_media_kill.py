"""kill -9 at any moment of a run of media tasks: nothing is paid for twice, and nothing that was paid for is lost."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import sys
from collections import Counter
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
import pytest
from helpers import PICTURE, TXT2IMG, inside, without_debug

from novita_async import Simulator
from novita_async.runtime.tasks import UnknownSubmit

JOBS = 200
KILLS = 20
AT_ONCE = 4

#: Loads everything once. For each line that it reads it makes a process that works until all is done or it is killed.
WORKER = """
import asyncio, os, pathlib, sys
import msgspec
import novita_async.media.results, novita_async.runtime.journal, novita_async.transport.aiohttp, sqlite3
from novita_async import AsyncNovita
from novita_async.runtime.task import Task

jobs, at_once, picture = msgspec.json.decode(sys.argv[1])
journal, out = sys.argv[2], pathlib.Path(sys.argv[3])

def job_of(request):
    return int(request["body"]["request"]["prompt"].split()[-1])

async def deliver(task, job):
    result = await task.wait(settle=False)
    await result.save(out)  # under the names of the task: again is once
    mark = out / f"job-{job}"
    if mark.exists():  # the process before was killed between the next line and the one after
        assert mark.read_text() == task.id
    else:
        part = out / f".job-{job}-{os.getpid()}"
        part.write_text(task.id)
        part.rename(mark)
    await task.settle()

async def begin(novita, job):
    task = await novita.images.submit("txt2img", **{**picture, "prompt": f"picture of job {job}"})
    await deliver(task, job)

async def main():
    async with AsyncNovita(journal=journal, cadence=lambda progress: 0.02) as novita:
        left = await novita.tasks.resume()
        taken = {job_of(each.request) for each in left}
        taken |= {int(mark.name.removeprefix("job-")) for mark in out.glob("job-*")}
        work = [deliver(each, job_of(each.request)) for each in left if isinstance(each, Task)]
        work += [begin(novita, job) for job in range(jobs) if job not in taken]
        await novita.gather(work, limit=at_once)

for line in sys.stdin:
    pid = os.fork()
    if pid == 0:
        asyncio.run(main())
        os._exit(0)
    print(pid, flush=True)
    print(os.waitpid(pid, 0)[1], flush=True)
"""


class Reaper:
    """A fault that counts the requests of one life and ends it with SIGKILL at one of them, or a moment later."""

    def __init__(self, seed):
        self.random = random.Random(seed)
        self.pid = 0
        self.left = -1  # requests until the end; below zero it lives on
        self.kills = 0

    def next_life(self, pid):
        self.pid = pid
        self.left = self.random.randint(1, 40) if self.kills < KILLS else -1

    async def __call__(self, call, answer, stage):
        self.left -= 1
        if self.left != 0:
            return await answer()
        moment = self.random.choice(("when it came", "before its answer", "after its answer"))
        if moment == "when it came":
            self._kill()
        reply = await answer()
        if moment == "before its answer":
            self._kill()
        elif moment == "after its answer":
            asyncio.get_running_loop().call_later(self.random.uniform(0, 0.02), self._kill)
        return reply

    def _kill(self):
        if self.pid:
            self.kills += 1
            os.kill(self.pid, signal.SIGKILL)


@asynccontextmanager
async def worker(served, *arguments):
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", WORKER, *arguments),
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2]), **served.environment},
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )

    async def live(reaper):
        process.stdin.write(b"\n")
        reaper.next_life(int(await process.stdout.readline()))
        status = int(await process.stdout.readline())
        reaper.pid = 0
        return os.waitstatus_to_exitcode(status)

    try:
        yield live
    finally:
        process.stdin.close()
        await process.wait()


@pytest.mark.acceptance
async def test_killed_twenty_times_a_run_of_two_hundred_submits_nothing_twice_and_loses_nothing(tmp_path):
    without_debug()
    journal, out = tmp_path / "journal.db", tmp_path / "out"
    out.mkdir()
    reaper = Reaper(seed=9)
    async with Simulator(task_seconds=0.02) as sim, sim.serve() as served:
        sim.fault("*", "*", reaper, times=None)
        order = msgspec.json.encode([JOBS, AT_ONCE, PICTURE]).decode()
        ends = Counter()
        async with worker(served, order, str(journal), str(out)) as live:
            while not ends[0]:
                ends[await live(reaper)] += 1
        assert ends == {-signal.SIGKILL: KILLS, 0: 1}

        async with inside(sim, journal=journal) as novita:
            left = await novita.tasks.resume()
        submits = Counter(request.json()["request"]["prompt"] for request in sim.requests if request.path == TXT2IMG)

    # No submit was sent twice.
    assert max(submits.values()) == 1

    # What is left are intents without an answer, with what was sent or was about to be.
    assert {type(each) for each in left} <= {UnknownSubmit}
    unknown = {each.request["body"]["request"]["prompt"] for each in left}
    assert len(unknown) == len(left) <= KILLS * AT_ONCE

    # Every other one was sent and delivered, once: one task for each, one picture for each task.
    delivered = {int(mark.name.removeprefix("job-")): mark.read_text() for mark in out.glob("job-*")}
    prompts = {f"picture of job {job}" for job in delivered}
    assert prompts | unknown == {f"picture of job {job}" for job in range(JOBS)}
    assert not prompts & unknown
    assert prompts <= set(submits) <= prompts | unknown
    assert len(set(delivered.values())) == len(delivered) > JOBS / 2
    pictures = {path.name: path.read_bytes() for path in out.glob("*.png") if not path.name.startswith(".")}
    assert set(pictures) == {f"{task_id}-0.png" for task_id in delivered.values()}
    assert all(data.startswith(b"\x89PNG") and data.endswith(b"IEND\xaeB`\x82") for data in pictures.values())
