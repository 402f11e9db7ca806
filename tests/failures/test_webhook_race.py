"""Webhooks and polls race for the end of a task: in whatever order they come, it ends once, and all are told once."""

from __future__ import annotations

import asyncio
import random
from collections import Counter

import msgspec
import pytest
from helpers import TXT2IMG, Server, connected, json_reply, turns, without_debug

from novita_async import Limits
from novita_async.errors import ConnectionLost, TaskFailed
from novita_async.media.jobs import Submitted, task_id_of
from novita_async.runtime.call import Call
from novita_async.runtime.retry import Replay
from novita_async.runtime.task import Reading
from novita_async.testing.clock import JumpClock

URL = "https://hooks.test/novita"


@pytest.fixture
async def clock():
    async with JumpClock(grace=0) as clock:
        yield clock


class Race:
    """Tasks that end when they please, at a platform whose answers and events are late, doubled, lost or too early."""

    def __init__(self, clock, seed):
        self.clock = clock
        self.random = random.Random(seed)
        self.ends: dict[str, float] = {}
        self.fails: set[str] = set()
        self.events: set[asyncio.Task] = set()
        self.statuses: Counter[int] = Counter()
        self.receivers = []

    async def platform(self, request):
        """Takes a submit. What it starts may be over, and its events sent, before this is answered."""
        random, clock = self.random, self.clock
        task_id = f"task-{len(self.ends)}"
        self.ends[task_id] = end = clock.monotonic() + random.choice((0.0, random.uniform(0, 2), random.uniform(0, 60)))
        if random.random() < 0.1:
            self.fails.add(task_id)
        copies = random.choices((0, 1, 2, 5), (3, 5, 3, 1))[0]  # a quarter is lost
        for _ in range(copies):
            self._send(task_id, end + random.choice((0.0, random.uniform(0, 0.01), random.uniform(0, 20))))
        if random.random() < 0.2:
            self._send(task_id, end - random.uniform(0, 5))  # too early to be true
        await clock.sleep(random.choice((0.0, random.uniform(0, 3))))
        return json_reply({"task_id": task_id})

    async def read(self, task_id):
        """A read that is answered late tells how it was when it was asked."""
        over = self.clock.monotonic() >= self.ends[task_id]
        await self.clock.sleep(self.random.choice((0.0, self.random.uniform(0, 2))))
        if self.random.random() < 0.02:
            raise ConnectionLost("the answer was lost")
        if not over:
            return Reading(status="RUNNING", outcome="running")
        if task_id in self.fails:
            return Reading(status="FAILED", outcome="failed", reason="no luck")
        return Reading(status="DONE", outcome="done", result=f"the result of {task_id}")

    async def submit(self, novita):
        call = Call(method="POST", url=f"http://novita.test{TXT2IMG}", body=b"{}", replay=Replay.SUBMITS)
        return await novita.tasks.submit(call, Submitted, task_id_of, kind="media", read=self.read, webhook=True)

    def _send(self, task_id, due):
        event = asyncio.create_task(self._deliver(task_id, due))
        self.events.add(event)
        event.add_done_callback(self.events.discard)

    async def _deliver(self, task_id, due):
        await self.clock.sleep(due - self.clock.monotonic())
        receiver = self.random.choice(self.receivers)
        payload = {"task": {"task_id": task_id, "status": self.random.choice(("TASK_STATUS_SUCCEED", "?"))}}
        body = [msgspec.json.encode({"event_type": "ASYNC_TASK_RESULT", "payload": payload}), b""]

        async def receive():
            return body.pop(0)

        token = receiver.address().rpartition("/")[2]
        self.statuses[await receiver.answer("POST", token, None, receive)] += 1


@pytest.mark.acceptance
async def test_ten_thousand_tasks_end_exactly_once_each(clock):
    without_debug()
    race = Race(clock, seed=4)
    done, waited, ends = Counter(), Counter(), Counter()
    limits = Limits(polls=1000, poll_rate=1e5, requests=2000)

    async with connected(Server(clock, race.platform), clock, limits=limits) as novita:

        async def life(number):
            await clock.sleep(race.random.uniform(0, 300))
            task = await race.submit(novita)
            task.listen(lambda error: ends.update([task.id] if error is None and task.done else []))
            if number % 2:
                await clock.sleep(race.random.choice((0, 0, 1, 30)))
                (end,) = await asyncio.gather(task.wait(), return_exceptions=True)
                if task.id in race.fails:
                    assert isinstance(end, TaskFailed)
                else:
                    assert end == f"the result of {task.id}"
                waited[task.id] += 1

        race.receivers.append(novita.webhooks.receiver(URL, on_done=lambda task: done.update([task.id])))
        await asyncio.gather(*(life(number) for number in range(10_000)))
        await clock.sleep(200)
        await turns()
        assert not race.events
        assert novita.stats()["polls"] < 10_000 * 9

    everyone = Counter(dict.fromkeys(race.ends, 1))
    assert len(everyone) == 10_000
    assert done == everyone
    assert ends == everyone
    assert sum(waited.values()) == len(waited) == 5000
    assert set(race.statuses) == {200}


@pytest.mark.parametrize("seed", range(3))
async def test_with_two_workers_and_one_journal_each_task_is_delivered_by_one_of_them(clock, tmp_path, seed):
    without_debug()
    race = Race(clock, seed)
    done: Counter[str] = Counter()
    server = Server(clock, race.platform)
    path = tmp_path / "journal.db"

    async def deliver(task):
        await clock.sleep(race.random.uniform(0, 1))
        done[task.id] += 1

    async with connected(server, clock, journal=path) as a, connected(server, clock, journal=path) as b:
        for novita in (a, b):
            novita.tasks._kinds["media"] = lambda: race.read  # a task of the other one is read as one's own
            race.receivers.append(novita.webhooks.receiver(URL, on_done=deliver))

        async def life(novita):
            await clock.sleep(race.random.uniform(0, 30))
            await race.submit(novita)

        await asyncio.gather(*(life(novita) for novita in (a, b) * 50))
        await clock.sleep(200)
        assert await a.tasks.resume() == []
    assert done == Counter(dict.fromkeys(race.ends, 1))
    assert len(done) == 100
    assert set(race.statuses) == {200}
