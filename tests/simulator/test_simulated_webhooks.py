"""Webhooks that the simulator sends: what is in them, when they come, and how they come on a bad day."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import pytest

from novita_async.simulator import Outcome, Simulator
from novita_async.transport.mock import MockTransport
from novita_async.transport.protocol import Reply

RESULT = "/v3/async/task-result"
TXT2IMG = "/v3/async/txt2img"
HOOK = "https://user.test/hooks/a"
PARAMS: dict[str, Any] = {
    "model_name": "x",
    "prompt": "a fox",
    "width": 128,
    "height": 128,
    "image_num": 1,
    "steps": 20,
    "guidance_scale": 7.5,
    "sampler_name": "Euler",
}


class Receiver:
    """A server that is told of events, and answers what a test wants.

    Attributes:
        seen: the time of each delivery, its URL and its event.
        answers: statuses, in turn; the last one stays. None is no answer at all.
    """

    def __init__(self, clock: Any) -> None:
        self.seen: list[tuple[float, str, Any]] = []
        self.answers: list[int | None] = [200]
        self.open = 0
        self.most = 0
        self.transport = MockTransport(self._receive)
        self._clock = clock

    async def _receive(self, request: Any) -> Reply:
        assert request.method == "POST"
        assert request.headers["content-type"] == "application/json"
        assert "authorization" not in request.headers
        self.seen.append((self._clock.monotonic(), request.url, msgspec.json.decode(request.body)))
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        self.open += 1
        self.most = max(self.most, self.open)
        try:
            if answer is None:
                await asyncio.Event().wait()
            return Reply(answer or 500, {}, b"thanks")
        finally:
            self.open -= 1

    @property
    def times(self) -> list[float]:
        return [time for time, _, _ in self.seen]

    @property
    def ids(self) -> list[str]:
        return [event["payload"]["task"]["task_id"] for _, _, event in self.seen]


@pytest.fixture
def receiver(clock):
    return Receiver(clock)


@pytest.fixture
async def sim(clock, receiver):
    async with Simulator(clock=clock, webhooks=receiver.transport) as simulator:
        yield simulator


async def submit(api, url: str = HOOK, **test_mode: Any) -> str:
    hook = {"url": url, **({"test_mode": test_mode} if test_mode else {})}
    answer = await api("POST", TXT2IMG, {"extra": {"webhook": hook}, "request": PARAMS})
    assert answer.status == 200, answer.body
    return answer.json()["task_id"]


async def test_the_end_of_a_task_is_told_with_its_result(clock, api, receiver, image_contract):
    task = await submit(api)
    await clock.sleep(60)
    ((time, url, event),) = receiver.seen
    image_contract.check("WebhookEvent", event)
    assert (time, url, event["event_type"]) == (5, HOOK, "ASYNC_TASK_RESULT")
    result = (await api("GET", f"{RESULT}?task_id={task}")).json()
    assert event["payload"] == result
    assert result["extra"]["webhook"] == {"url": HOOK}
    image = await api("GET", event["payload"]["images"][0]["image_url"], key=None)
    assert image.status == 200


async def test_a_failure_is_told_too(clock, sim, api, receiver):
    sim.fault("POST", TXT2IMG, Outcome.failed("out of memory", after=2))
    await submit(api)
    await clock.sleep(60)
    ((time, _, event),) = receiver.seen
    assert (time, event["payload"]["task"]["reason"]) == (2, "out of memory")


async def test_a_task_that_comes_to_no_known_end_is_not_told_of(clock, sim, api, receiver):
    sim.fault("POST", TXT2IMG, Outcome.unknown("TASK_STATUS_PAUSED"))
    await submit(api)
    await clock.sleep(3600)
    assert receiver.seen == []


@pytest.mark.parametrize("answer", [500, 404, 302, None], ids=["500", "404", "302", "silence"])
async def test_an_event_that_is_not_taken_comes_five_times_more_spaced(clock, api, receiver, answer):
    receiver.answers = [answer]
    task = await submit(api)
    await clock.sleep(3600)
    waited = 5 if answer is None else 0
    gaps = [later - earlier for earlier, later in zip(receiver.times, receiver.times[1:], strict=False)]
    assert gaps == pytest.approx([1 + waited, 5 + waited, 25 + waited, 125 + waited, 625 + waited])
    assert receiver.ids == [task] * 6
    assert receiver.open == 0


async def test_an_event_that_is_taken_at_last_comes_no_more(clock, api, receiver):
    receiver.answers = [503, 204]
    await submit(api)
    await clock.sleep(3600)
    assert receiver.times == [5, 6]


async def test_a_model_that_documents_no_webhook_calls_none(clock, api, receiver):
    body = {"prompt": "a fox", "extra": {"webhook": {"url": HOOK}}}
    assert (await api("POST", "/v3/async/kling-v3.0-std-t2v", body)).status == 200
    await clock.sleep(60)
    assert receiver.seen == []


@pytest.mark.parametrize("status", ["TASK_STATUS_SUCCEED", "TASK_STATUS_FAILED"])
async def test_in_test_mode_a_mock_event_comes_at_once_and_nothing_else_is_known(clock, sim, api, receiver, status):
    task = await submit(api, enabled=True, return_task_status=status)
    await clock.sleep(1)
    ((time, _, event),) = receiver.seen
    assert time == 0
    payload = event["payload"]
    assert (payload["task"]["task_id"], payload["task"]["status"]) == (task, status)
    assert bool(payload["images"]) is (status == "TASK_STATUS_SUCCEED")
    assert bool(payload["task"]["reason"]) is (status == "TASK_STATUS_FAILED")
    assert payload["extra"]["webhook"]["test_mode"] == {"enabled": True, "return_task_status": status}
    answer = await api("GET", f"{RESULT}?task_id={task}")
    assert (answer.status, answer.json()["reason"]) == (404, "TASK_NOT_FOUND")


async def test_test_mode_that_is_not_enabled_is_none(clock, api, receiver):
    await submit(api, enabled=False, return_task_status="TASK_STATUS_FAILED")
    await clock.sleep(60)
    assert receiver.times == [5]
    assert receiver.seen[0][2]["payload"]["task"]["status"] == "TASK_STATUS_SUCCEED"


async def test_events_are_in_order_and_come_once_unless_that_is_asked_for(clock, sim, api, receiver):
    tasks = [await submit(api) for _ in range(100)]
    await clock.sleep(60)
    assert receiver.ids == tasks
    assert receiver.most <= 32


async def test_on_a_bad_day_events_come_twice_and_overtake_each_other(clock, sim, api, receiver):
    sim.webhooks(duplicates=1, delay=30)
    tasks = [await submit(api) for _ in range(20)]
    await clock.sleep(60)
    assert sorted(receiver.ids) == sorted(tasks * 2)
    assert receiver.ids != sorted(receiver.ids, key=tasks.index)
    assert min(receiver.times) >= 5
    assert max(receiver.times) <= 35
    sim.webhooks()
    await submit(api)
    await clock.sleep(60)
    assert len(receiver.seen) == 41


async def test_on_a_very_bad_day_events_are_lost(clock, sim, api, receiver):
    sim.webhooks(lose=1)
    await submit(api)
    await clock.sleep(3600)
    assert receiver.seen == []
    sim.webhooks(lose=0.5)
    for _ in range(100):
        await submit(api)
    await clock.sleep(60)
    assert 30 <= len(receiver.seen) <= 70


async def test_an_event_can_come_before_the_answer_to_the_submit(clock, receiver, api):
    async with Simulator(clock=clock, webhooks=receiver.transport, task_seconds=0) as sim:
        await submit(type(api)(sim))
        await clock.sleep(1)
        assert receiver.times == [0]


async def test_a_simulator_that_closes_takes_its_events_with_it(clock, receiver, api):
    receiver.answers = [None]
    async with Simulator(clock=clock, webhooks=receiver.transport) as sim:
        client = type(api)(sim)
        await submit(client)
        await clock.sleep(6)  # one is on its way
        await submit(client)
        assert receiver.open == 1
    assert receiver.open == 0
    await clock.sleep(3600)
    assert len(receiver.seen) == 1


@asynccontextmanager
async def served(seen: list[bytes]) -> Any:
    """A server on a socket that takes every event."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        length = next(int(line.split(b":")[1]) for line in head.lower().split(b"\r\n") if b"content-length" in line)
        seen.append(await reader.readexactly(length))
        writer.write(b"HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n")
        await writer.drain()
        writer.close()
        await writer.wait_closed()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/hook"


async def test_without_a_transport_events_go_over_sockets_to_this_machine_and_to_no_other(clock, api):
    seen: list[bytes] = []
    async with served(seen) as url, Simulator(clock=clock) as sim:
        client = type(api)(sim)
        await submit(client, "https://user.invalid/hook")
        await submit(client, "http://[not-an-address/hook")
        task = await submit(client, url)
        await clock.sleep(5)
        for _ in range(200):
            if seen:
                break
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.02)
    (event,) = seen
    assert msgspec.json.decode(event)["payload"]["task"]["task_id"] == task
