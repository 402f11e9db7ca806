"""Webhooks: who gets in, what is believed, who is told, and that none of it is needed for a task to end."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import sqlite3
from collections import Counter
from contextlib import closing
from itertools import pairwise

import aiohttp
import msgspec
import pytest
from aiohttp import web
from helpers import (
    PICTURE,
    TASK_RESULT,
    TXT2IMG,
    Server,
    connected,
    inside,
    json_reply,
    over_sockets,
    refusal,
    turns,
    without_debug,
)

from novita_async import MockTransport, Reply, Simulator
from novita_async.errors import (
    AuthenticationError,
    ConfigError,
    OutcomeUnknown,
    TaskFailed,
    TaskStateUnknown,
    ValidationError,
)
from novita_async.media.jobs import Submitted, task_id_of
from novita_async.media.results import task_reader
from novita_async.runtime.call import Call
from novita_async.runtime.retry import Replay
from novita_async.simulator import Drop, Outcome, Refuse

URL = "https://hooks.test/novita"
DONE, FAILED = "TASK_STATUS_SUCCEED", "TASK_STATUS_FAILED"


@pytest.fixture
async def sim(clock):
    async with Simulator(clock=clock, task_seconds=100) as simulator:
        yield simulator


@pytest.fixture
def path(tmp_path):
    return tmp_path / "journal.db"


async def submit(novita, *, webhook=True, **extra):
    """A task whose body asks for a webhook."""
    runtime = novita._core()
    hook = {"url": novita.webhooks.address() or URL, **extra}
    call = Call(
        method="POST",
        url=f"{runtime.settings.base_url}{TXT2IMG}",
        body=msgspec.json.encode({"request": PICTURE, "extra": {"webhook": hook}}),
        replay=Replay.SUBMITS,
    )
    reader = task_reader(runtime)
    return await novita.tasks.submit(call, Submitted, task_id_of, kind="media", read=reader, webhook=webhook)


def event(task_id, status=DONE, **extra):
    payload = {"task": {"task_id": task_id, "status": status, "task_type": "TXT_TO_IMG"}, "extra": extra}
    return {"event_type": "ASYNC_TASK_RESULT", "payload": payload}


def hook_of(task_id, status=DONE):
    """An event of a test, as the platform would send it."""
    hook = {"url": URL, "test_mode": {"enabled": True, "return_task_status": status}}
    return event(task_id, status, webhook=hook)


class Body:
    """A body of several pieces, which knows how much of it was asked for."""

    def __init__(self, *pieces):
        self.pieces = list(pieces)
        self.asked = 0

    async def __call__(self):
        self.asked += 1
        more = len(self.pieces) > 1
        return {"type": "http.request", "body": self.pieces.pop(0) if self.pieces else b"", "more_body": more}


async def post(receiver, body, *, path=None, method="POST", length=None):
    """The status with which the ASGI application answers."""
    if not callable(body):
        body = Body(body if isinstance(body, bytes) else msgspec.json.encode(body))
    sent = []

    async def send(message):
        sent.append(message)

    headers = [] if length is None else [(b"content-length", str(length).encode())]
    target = path if path is not None else receiver.address().removeprefix("https://hooks.test")
    await receiver.asgi()({"type": "http", "method": method, "path": target, "headers": headers}, body, send)
    assert [message["type"] for message in sent] == ["http.response.start", "http.response.body"]
    return sent[0]["status"]


def reads(sim):
    return [request.time for request in sim.requests if request.path == TASK_RESULT]


async def rows(clock, path):
    def read():
        with closing(sqlite3.connect(path)) as database:
            return [row[0] for row in database.execute("SELECT task_id FROM submits")]

    return await clock.to_thread(read)


# ------------------------------------------------------------------------------------------ what an event does


async def test_an_event_wakes_whoever_waits_at_once(sim, clock):
    async with inside(sim) as novita:
        receiver = novita.webhooks.receiver(URL)
        task = await submit(novita)
        waiting = asyncio.create_task(task.wait())
        await clock.sleep(100)
        assert await post(receiver, event(task.id)) == 200
        assert (await waiting).images
        assert clock.monotonic() == 100
        assert reads(sim)[-1] == 100


async def test_while_an_event_is_expected_reads_are_few_and_still_at_least_one_a_minute(clock):
    counts = {}
    for webhook in (False, True):
        async with Simulator(clock=clock, task_seconds=600) as sim, inside(sim) as novita:
            began = clock.monotonic()
            await (await submit(novita, webhook=webhook)).wait()
            times = [began, *reads(sim)]
            counts[webhook] = len(times) - 1
            assert max(later - earlier for earlier, later in pairwise(times)) <= 60.001
    assert counts[True] < counts[False] / 2


async def test_an_event_that_is_not_true_is_not_believed_and_the_reads_go_on(sim, clock):
    async with inside(sim) as novita:
        receiver = novita.webhooks.receiver(URL)
        task = await submit(novita)
        waiting = asyncio.create_task(task.wait())
        await clock.sleep(50)
        before = len(reads(sim))
        await post(receiver, event(task.id, FAILED))
        await turns()
        assert len(reads(sim)) == before + 1
        assert not waiting.done()
        assert (await waiting).images
        after = reads(sim)[before:]
        assert after[1] - after[0] <= 0.6  # it may be ahead of the platform's own answers
        assert max(later - earlier for earlier, later in pairwise(after)) <= 21


async def test_an_event_that_comes_before_the_wait_hurries_its_first_read(sim, clock):
    async with inside(sim) as novita:
        receiver = novita.webhooks.receiver(URL)
        task = await submit(novita)
        await clock.sleep(0.9)
        await post(receiver, event(task.id))
        waiting = asyncio.create_task(task.wait())
        await turns()
        assert reads(sim) == [0.9]
        await waiting


async def test_a_hundred_events_of_one_task_cost_two_reads_at_most(sim, clock):
    async with inside(sim) as novita:
        receiver = novita.webhooks.receiver(URL)
        task = await submit(novita)
        waiting = asyncio.create_task(task.wait())
        await clock.sleep(60)
        before = len(reads(sim))
        await asyncio.gather(*(post(receiver, event(task.id)) for _ in range(100)))
        await turns()
        assert len(reads(sim)) <= before + 2
        await waiting
        assert receiver.events == 100


async def test_other_handles_on_the_same_task_hear_of_it_too(sim, clock):
    async with inside(sim) as novita:
        receiver = novita.webhooks.receiver(URL)
        task = await submit(novita)
        waits = [asyncio.create_task(each.wait()) for each in (task, novita.tasks.get(task.id))]
        await clock.sleep(100)
        await post(receiver, event(task.id))
        await asyncio.gather(*waits)
        assert clock.monotonic() == 100


class Way:
    """The way of the simulator's events to the receivers of some workers."""

    def __init__(self):
        self.receivers = []
        self.came = 0

    async def __call__(self, request):
        self.came += 1
        body = [bytes(request.body), b""]
        receiver = self.receivers[self.came % len(self.receivers)]

        async def receive():
            return body.pop(0)

        return Reply(await receiver.answer(request.method, request.url.rpartition("/")[2], None, receive))


async def test_events_of_the_simulator_doubled_late_and_lost_end_each_task_once(clock):
    without_debug()
    way, done = Way(), Counter()
    async with Simulator(clock=clock, task_seconds=100, webhooks=MockTransport(way)) as sim, inside(sim) as novita:
        sim.webhooks(duplicates=1, lose=0.4, delay=30)
        way.receivers.append(novita.webhooks.receiver(URL, on_done=lambda task: done.update([task.id])))
        results = await novita.tasks.wait_all([await novita.images.submit("txt2img", **PICTURE)])
        submits = (novita.images.submit("txt2img", **PICTURE) for _ in range(199))
        results += await novita.tasks.wait_all(submits)
        await clock.sleep(60)
        assert done == Counter(dict.fromkeys((result.task_id for result in results), 1))
        assert len(done) == 200
        assert way.came > 200
        assert len(reads(sim)) < 200 * 9


async def test_a_test_of_webhooks_goes_the_whole_way(clock):
    way = Way()
    async with Simulator(clock=clock, webhooks=MockTransport(way)) as sim, inside(sim) as novita:
        way.receivers.append(novita.webhooks.receiver(URL))
        for status in (DONE, FAILED):
            hook = {"test_mode": {"enabled": True, "return_task_status": status}}
            task = await novita.images.submit("txt2img", **PICTURE, extra={"webhook": hook})
            assert task.webhook == "test"
            (end,) = await asyncio.gather(task.wait(), return_exceptions=True)
            assert isinstance(end, TaskFailed) == (status == FAILED)
        assert way.came == 2


# ----------------------------------------------------------------------------------------------- the door

STRANGE = [
    b"",
    b"{",
    b"\xff\xfe",
    b"null",
    b"[]",
    b'"text"',
    b"[" * 100_000,
    b'{"event_type": "ASYNC_TASK_RESULT"}',
    b'{"event_type": "ASYNC_TASK_RESULT", "payload": []}',
    b'{"event_type": "ASYNC_TASK_RESULT", "payload": {"task": "t"}}',
    b'{"event_type": "ASYNC_TASK_RESULT", "payload": {"task": {"task_id": 5}}}',
    b'{"event_type": "ASYNC_TASK_RESULT", "payload": {"task": {"task_id": ""}}}',
    b'{"event_type": "ASYNC_TASK_RESULT", "payload": {"task": {"task_id": "%s"}}}' % (b"x" * 201),
    b'{"event_type": "BALANCE_LOW", "payload": {"task": {"task_id": "t"}}}',
    b'{"payload": {"task": {"task_id": "t"}}}',
]


@pytest.mark.parametrize("body", STRANGE, ids=lambda body: repr(body[-30:]))
async def test_what_is_no_event_of_a_task_is_answered_with_200_and_ignored(sim, body):
    async with inside(sim) as novita:
        receiver = novita.webhooks.receiver(URL)
        assert await post(receiver, body) == 200
        assert receiver.events == 0


async def test_an_event_of_a_task_that_nobody_here_knows_is_answered_with_200(sim):
    async with inside(sim) as novita:
        receiver = novita.webhooks.receiver(URL, on_done=lambda task: pytest.fail("of a stranger"))
        assert await post(receiver, event("a-stranger")) == 200
        assert reads(sim) == []


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE"])
async def test_only_a_post_gets_in(sim, method):
    async with inside(sim) as novita:
        assert await post(novita.webhooks.receiver(URL), b"", method=method) == 405


async def test_a_wrong_token_is_refused_before_the_body_is_read(sim):
    async with inside(sim) as novita:
        receiver = novita.webhooks.receiver(URL)
        good = receiver.address().rpartition("/")[2]
        swapped = good[:-1] + ("A" if good[-1] != "A" else "B")
        for token in ("", "x", good[:-4], good + "AAAA", swapped, "A" * 64, "é" * 64, good.swapcase(), f"{good}="):
            body = Body(b"{}")
            assert await post(receiver, body, path=f"/novita/{token}") == 404
            assert body.asked == 0
        assert await post(receiver, b"{}", path=f"/mounted/elsewhere/{good}") == 200


async def test_tokens_are_new_each_time_and_good_wherever_the_key_is_the_same(sim):
    async with inside(sim) as first, inside(sim) as second:
        one, two = (each.webhooks.receiver(URL) for each in (first, second))
        addresses = {first.webhooks.address() for _ in range(100)}
        assert len(addresses) == 100
        for address in addresses:
            assert address.startswith(f"{URL}/")
            assert sim.api_key not in address
            assert await post(two, b"{}", path=address.removeprefix("https://hooks.test")) == 200
    async with inside(sim, api_key="another-key") as third, inside(sim) as fourth:
        for receiver in (third.webhooks.receiver(URL), fourth.webhooks.receiver(URL, secret="s" * 16)):
            assert await post(receiver, b"{}", path=one.address().removeprefix("https://hooks.test")) == 404


async def test_views_of_a_client_have_its_receiver(sim):
    async with inside(sim) as novita:
        assert novita.webhooks.address() is None
        novita.webhooks.receiver(URL)
        assert novita.with_options(timeout=5).webhooks.address().startswith(URL)


@pytest.mark.parametrize("length", [None, 2000])
async def test_a_body_over_the_bound_is_refused_and_not_read_to_its_end(sim, length):
    async with inside(sim) as novita:
        receiver = novita.webhooks.receiver(URL, max_body=1000)
        body = Body(*[b"x" * 100] * 20)
        assert await post(receiver, body, length=length) == 413
        assert body.asked == (0 if length else 11)
        assert await post(receiver, Body(b"x" * 600, b"x" * 400)) == 200


async def test_a_body_that_does_not_come_is_waited_for_two_seconds(sim, clock):
    async def never():
        await clock.sleep(3600)

    async with inside(sim) as novita:
        receiver = novita.webhooks.receiver(URL)
        began = clock.monotonic()
        assert await post(receiver, never) == 408
        assert clock.monotonic() == began + 2


async def test_a_client_that_was_closed_lets_the_platform_try_elsewhere(sim):
    async with inside(sim) as novita:
        receiver = novita.webhooks.receiver(URL)
    assert await post(receiver, event("task")) == 503


@pytest.mark.parametrize(
    ("url", "options", "problem"),
    [
        ("hooks.test/novita", {}, "http address"),
        ("ftp://hooks.test", {}, "http address"),
        ("https://hooks.test/?a=b", {}, "without a query"),
        (URL, {"secret": "short"}, "at least 16"),
        (URL, {"max_body": 0}, "max_body"),
    ],
)
async def test_a_receiver_that_cannot_work_is_refused(sim, url, options, problem):
    async with inside(sim) as novita:
        with pytest.raises(ValidationError, match=problem):
            novita.webhooks.receiver(url, **options)


async def test_a_client_has_one_receiver_and_needs_a_key_or_a_secret(sim, monkeypatch):
    async with inside(sim) as novita:
        receiver = novita.webhooks.receiver(URL + "/")
        assert repr(receiver) == f"<Receiver {URL} events=0>"
        with pytest.raises(ValidationError, match="already"):
            novita.webhooks.receiver(URL)
    async with inside(sim, api_key=None) as novita:
        with pytest.raises(ConfigError):
            novita.webhooks.receiver(URL)
        novita.webhooks.receiver(URL, secret="a-secret-of-my-own")


async def test_nothing_is_logged_of_an_event(sim, caplog):
    caplog.set_level(logging.DEBUG)
    async with inside(sim) as novita:
        receiver = novita.webhooks.receiver(URL)
        address = receiver.address()
        await post(receiver, event("private-task"), path=address.removeprefix("https://hooks.test"))
        await post(receiver, event("private-task"), path="/novita/wrong-token")
    told = caplog.text + repr(receiver)
    for secret in (address.rpartition("/")[2], "private-task", "wrong-token", sim.api_key):
        assert secret not in told


async def test_the_asgi_application_knows_lifespan_and_refuses_websockets(sim):
    async with inside(sim) as novita:
        app = novita.webhooks.receiver(URL).asgi()
        events = [{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}]
        sent = []

        async def receive():
            return events.pop(0)

        async def send(message):
            sent.append(message["type"])

        await app({"type": "lifespan"}, receive, send)
        await app({"type": "websocket", "path": "/x"}, receive, send)
        assert sent == ["lifespan.startup.complete", "lifespan.shutdown.complete", "websocket.close"]
        with pytest.raises(ValueError, match="carrier-pigeon"):
            await app({"type": "carrier-pigeon"}, receive, send)


async def test_over_real_sockets_as_a_part_of_another_application():
    async with Simulator(task_seconds=0.3) as sim, over_sockets(sim, cadence=lambda progress: 3600) as novita:
        outer = web.Application()
        runner = web.AppRunner(outer)
        receiver = novita.webhooks.receiver("http://127.0.0.1/hooks/novita", max_body=10_000)
        outer.add_subapp("/hooks/novita", receiver.aiohttp())
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        port = site._server.sockets[0].getsockname()[1]
        task = await submit(novita)
        waiting = asyncio.create_task(task.wait(timeout=10))
        address = receiver.address().replace("127.0.0.1", f"127.0.0.1:{port}")
        async with aiohttp.ClientSession() as session:
            refused = [
                await session.get(address),
                await session.post(address + "x", data=b"x" * 1_000_000),
                await session.post(address, data=b"x" * 10_001),
                await session.post(f"http://127.0.0.1:{port}/hooks/novita/", json=event(task.id)),
                await session.post(f"http://127.0.0.1:{port}/hooks/novita", json=event(task.id)),
            ]
            assert [answer.status for answer in refused] == [405, 404, 413, 404, 404]
            assert refused[0].headers["allow"] == "POST"
            await asyncio.sleep(0.3)
            async with session.post(address, json=event(task.id)) as answer:
                assert answer.status == 200
        assert (await waiting).images
        assert task.polls == 1
        await runner.cleanup()


async def test_whoever_breaks_off_in_the_middle_of_a_body_is_no_error_of_the_server(sim, caplog):
    async with inside(sim) as novita:
        receiver = novita.webhooks.receiver(URL)
        runner = web.AppRunner(receiver.aiohttp(), access_log=None)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        token = receiver.address().rpartition("/")[2]
        _, writer = await asyncio.open_connection("127.0.0.1", site._server.sockets[0].getsockname()[1])
        writer.write(f'POST /{token} HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\n{{"a":'.encode())
        await writer.drain()
        await asyncio.sleep(0.05)
        writer.close()
        await writer.wait_closed()
        await asyncio.sleep(0.05)
        await runner.cleanup()
    assert caplog.text == ""


# ----------------------------------------------------------------------------------------------- on_done


async def test_on_done_is_called_once_for_each_task_that_ended_well_or_not(sim, clock):
    sim.fault("POST", TXT2IMG, Outcome.failed("out of memory"))
    seen = {}

    async def done(task):
        await clock.sleep(1)
        try:
            seen.setdefault(task.id, []).append((await task.wait()).images != [])
        except TaskFailed as failed:
            seen.setdefault(task.id, []).append(failed.reason)

    async with inside(sim) as novita:
        receiver = novita.webhooks.receiver(URL, on_done=done)
        tasks = [await submit(novita) for _ in range(3)]
        for delay in (10, 95, 1, 30):
            await clock.sleep(delay)
            for task in tasks:
                await post(receiver, event(task.id))
                await post(receiver, event(task.id))
        await clock.sleep(30)
    assert seen == {tasks[0].id: ["out of memory"], tasks[1].id: [True], tasks[2].id: [True]}


async def test_on_done_is_called_though_the_event_is_lost(sim, clock):
    seen = []
    async with inside(sim) as novita:
        novita.webhooks.receiver(URL, on_done=seen.append)
        task = await submit(novita)
        await clock.sleep(160)
    assert seen == [task]


async def test_on_done_is_called_though_the_platform_is_down_for_an_hour(sim, clock):
    seen = []
    async with inside(sim) as novita:
        receiver = novita.webhooks.receiver(URL, on_done=seen.append)
        task = await submit(novita)
        down = sim.fault("GET", TASK_RESULT, Drop.before_headers(), Refuse.with_status(503), times=None)
        await clock.sleep(100)
        await post(receiver, event(task.id))
        await clock.sleep(3600)
        assert down.hits > 20
        down.cancel()
        await clock.sleep(120)
    assert seen == [task]


async def test_when_a_task_cannot_be_read_the_loop_is_told_and_the_journal_keeps_it(sim, clock, path, problems):
    async with inside(sim, journal=path) as novita:
        novita.webhooks.receiver(URL, on_done=lambda task: pytest.fail("it never ended"))
        task = await submit(novita)
        sim.fault("GET", TASK_RESULT, Refuse.with_status(401))
        await clock.sleep(100)
        assert [type(problem) for problem in problems] == [AuthenticationError]
        assert await rows(clock, path) == [task.id]


async def test_a_task_that_never_ends_is_followed_for_a_day(sim, clock, problems):
    sim.fault("POST", TXT2IMG, Outcome.unknown("TASK_STATUS_ON_HOLIDAY"))
    async with inside(sim) as novita:
        novita.webhooks.receiver(URL, on_done=lambda task: pytest.fail("it never ended"))
        task = await submit(novita)
        await clock.sleep(86400 + 60)
        assert [type(problem) for problem in problems] == [TaskStateUnknown]
        assert problems[0].handle is task
        assert novita.stats()["waiting"] == 0


async def test_what_cannot_be_claimed_is_delivered_when_it_is_heard_of_again(sim, clock, path, problems, monkeypatch):
    calls = []
    async with inside(sim, journal=path) as novita:
        receiver = novita.webhooks.receiver(URL, on_done=lambda task: calls.append(task.id))
        task = await submit(novita)

        async def broken(task_id):
            raise ConfigError("the disk is full")

        with monkeypatch.context() as patch:
            patch.setattr(novita.tasks.journal, "claim", broken)
            await clock.sleep(160)
            assert [type(problem) for problem in problems] == [ConfigError]
        assert await rows(clock, path) == [task.id]
        for _ in range(2):
            await post(receiver, event(task.id))
            await clock.sleep(1)
        assert calls == [task.id]
        assert await rows(clock, path) == []


@pytest.fixture
async def problems():
    seen = []
    asyncio.get_running_loop().set_exception_handler(lambda loop, context: seen.append(context["exception"]))
    return seen


async def test_the_journal_forgets_a_task_when_on_done_has_returned_and_not_when_it_failed(sim, clock, path, problems):
    async def done(task):
        assert await rows(clock, path) == [task.id]
        await task.wait(settle=False)
        if task.id == bad.id:
            raise ZeroDivisionError("the disk is full")
        assert await rows(clock, path) == [task.id]

    async with inside(sim, journal=path) as novita:
        receiver = novita.webhooks.receiver(URL, on_done=done)
        bad = await submit(novita)
        await clock.sleep(100)
        await post(receiver, event(bad.id))
        await clock.sleep(1)
        assert [type(problem) for problem in problems] == [ZeroDivisionError]
        (again,) = await novita.tasks.resume()
        assert again.id == bad.id
        await again.settle()
        good = await submit(novita)
        await clock.sleep(100)
        await post(receiver, event(good.id))
        await clock.sleep(1)
        assert await rows(clock, path) == []
    assert len(problems) == 1


# --------------------------------------------------------------------------------------- several workers


@contextlib.asynccontextmanager
async def two_workers(sim, path, on_done=(None, None)):
    options = {"journal": path, "cadence": lambda progress: 70.0 if progress.webhook else 5.0}
    async with inside(sim, **options) as a, inside(sim, **options) as b:
        receivers = [novita.webhooks.receiver(URL, on_done=done) for novita, done in zip((a, b), on_done, strict=True)]
        yield a, b, receivers[1]


async def test_an_event_that_comes_to_another_worker_wakes_the_one_that_waits(sim, clock, path):
    async with two_workers(sim, path) as (a, _, receiver_of_b):
        task = await submit(a)
        waiting = asyncio.create_task(task.wait())
        await clock.sleep(100.5)
        before = len(reads(sim))
        assert await post(receiver_of_b, event(task.id)) == 200
        assert (await waiting).images
        assert clock.monotonic() <= 102.5
        assert len(reads(sim)) == before + 1


async def test_whoever_resumes_a_task_hears_of_it_from_other_workers_too(sim, clock, path):
    async with inside(sim, journal=path) as dead:
        dead.webhooks.receiver(URL)
        task_id = (await submit(dead)).id
    async with two_workers(sim, path) as (a, _, receiver_of_b):
        (task,) = await a.tasks.resume()
        assert (task.id, task.webhook) == (task_id, True)
        waiting = asyncio.create_task(task.wait())
        await clock.sleep(100)
        assert not waiting.done()
        await post(receiver_of_b, event(task_id))
        await waiting
        assert clock.monotonic() <= 102


async def test_of_two_workers_with_on_done_one_calls_it(sim, clock, path):
    calls = []
    both = (lambda task: calls.append(("a", task.id)), lambda task: calls.append(("b", task.id)))
    async with two_workers(sim, path, both) as (a, b, receiver_of_b):
        tasks = [await submit(novita) for novita in (a, b) * 5]
        await clock.sleep(100)
        for task in tasks:
            await post(receiver_of_b, event(task.id))
        await clock.sleep(120)
        for task in tasks:
            await post(receiver_of_b, event(task.id))
        await clock.sleep(120)
        assert sorted(task_id for _, task_id in calls) == sorted(task.id for task in tasks)
        assert await rows(clock, path) == []


async def test_a_worker_delivers_what_one_submitted_that_is_gone(sim, clock, path):
    calls = []
    async with inside(sim, journal=path) as dead:
        dead.webhooks.receiver(URL)
        task_id = (await submit(dead)).id
    async with inside(sim, journal=path) as b:
        receiver = b.webhooks.receiver(URL, on_done=lambda task: calls.append(task.id))
        await clock.sleep(100)
        await post(receiver, event(task_id))
        await clock.sleep(1)
        assert calls == [task_id]
        assert await rows(clock, path) == []


async def test_an_event_that_overtakes_the_answer_to_its_submit_is_not_forgotten(sim, clock, path):
    calls = []
    journal = ("key", "media", b'{"url": "https://x", "body": {}}', "yes")
    async with inside(sim) as other, inside(sim, journal=path) as b:
        task = await submit(other)
        receiver = b.webhooks.receiver(URL, on_done=lambda task: calls.append(task.id))
        await clock.sleep(100)
        assert await post(receiver, event(task.id)) == 200
        await clock.sleep(5)
        assert calls == []
        await b.tasks.journal.intend(*journal)
        await b.tasks.journal.submitted("key", task.id)
        await clock.sleep(3)
        assert calls == [task.id]


async def test_a_journal_that_hangs_is_a_503_in_time_and_nobody_who_waits_here_minds(sim, clock, path):
    async with inside(sim, journal=path) as novita:
        receiver = novita.webhooks.receiver(URL)
        task = await submit(novita)
        waiting = asyncio.create_task(task.wait(settle=False))
        await clock.sleep(100)
        async with novita.tasks.journal._lock:
            began = clock.monotonic()
            assert await post(receiver, event(task.id)) == 200
            assert (await waiting).images
            assert clock.monotonic() == began
            assert await post(receiver, event("of-another-worker")) == 503
            assert clock.monotonic() - began <= 4
        await task.settle()


async def test_a_journal_that_cannot_be_written_is_a_503(sim, clock, path):
    async with inside(sim, journal=path) as novita:
        receiver = novita.webhooks.receiver(URL)
        path.mkdir()
        assert await post(receiver, event("task")) == 503


async def test_what_was_heard_does_not_pile_up_in_the_journal(sim, clock, path):
    def count():
        with closing(sqlite3.connect(path)) as database:
            return [database.execute(f"SELECT count(*) FROM {table}").fetchone()[0] for table in ("heard", "claims")]

    async with inside(sim, journal=path) as novita:
        receiver = novita.webhooks.receiver(URL)
        for number in range(20):
            await post(receiver, event(f"task-{number}"))
            assert await novita.tasks.journal.claim(f"task-{number}")
            assert not await novita.tasks.journal.claim(f"task-{number}")
            await clock.sleep(30)
        assert await clock.to_thread(count) == [5, 20]
        await clock.sleep(32 * 86400)
        await post(receiver, event("new"))
        assert await novita.tasks.journal.claim("new")
        assert await clock.to_thread(count) == [1, 1]


# ---------------------------------------------------------------------------------------------- test mode


def test_platform(request):
    """A platform that plays tests of webhooks, and knows nothing of their tasks afterwards."""
    return json_reply({"task_id": "a-test"}) if request.method == "POST" else refusal(404, "TASK_NOT_FOUND")


test_platform.__test__ = False


@pytest.mark.parametrize("early", [False, True])
@pytest.mark.parametrize("status", [DONE, FAILED])
async def test_of_a_test_that_the_platform_does_not_know_the_event_is_believed(clock, status, early):
    async with connected(Server(clock, test_platform), clock) as novita:
        receiver = novita.webhooks.receiver(URL)
        task = await submit(novita, webhook="test")
        if early:
            await post(receiver, hook_of("a-test", status))
        waiting = asyncio.create_task(task.wait())
        await clock.sleep(10)
        if not early:
            assert not waiting.done()
            await post(receiver, hook_of("a-test", status))
        if status == DONE:
            assert (await waiting).task_id == "a-test"
        else:
            with pytest.raises(TaskFailed):
                await waiting
        assert clock.monotonic() <= 10.5


async def test_the_event_of_a_test_reaches_the_worker_that_waits_for_it(clock, path):
    server = Server(clock, test_platform)
    async with connected(server, clock, journal=path) as a, connected(server, clock, journal=path) as b:
        a.webhooks.receiver(URL)
        receiver = b.webhooks.receiver(URL)
        task = await submit(a, webhook="test")
        waiting = asyncio.create_task(task.wait())
        await clock.sleep(10)
        await post(receiver, hook_of("a-test"))
        assert (await waiting).task_id == "a-test"
        assert clock.monotonic() <= 12


async def test_an_event_that_says_it_is_a_test_is_not_believed_of_a_task_that_is_none(sim, clock):
    async with inside(sim) as novita:
        receiver = novita.webhooks.receiver(URL)
        task = await submit(novita)
        waiting = asyncio.create_task(task.wait())
        await clock.sleep(5)
        await post(receiver, hook_of(task.id, FAILED))
        assert (await waiting).images
        assert clock.monotonic() >= 100


async def test_a_task_that_the_platform_does_know_is_read_though_it_was_a_test(sim, clock):
    async with inside(sim) as novita:
        receiver = novita.webhooks.receiver(URL)
        task = await submit(novita, webhook="test")
        waiting = asyncio.create_task(task.wait())
        await clock.sleep(5)
        await post(receiver, hook_of(task.id, FAILED))
        assert (await waiting).images


async def test_an_event_of_a_test_in_which_nothing_can_be_read_is_ignored(clock):
    async with connected(Server(clock, test_platform), clock) as novita:
        receiver = novita.webhooks.receiver(URL)
        task = await submit(novita, webhook="test")
        waiting = asyncio.create_task(task.wait())
        await clock.sleep(5)
        assert await post(receiver, hook_of("a-test", "")) == 200
        await clock.sleep(5)
        assert not waiting.done()
        await post(receiver, hook_of("a-test"))
        await waiting


async def test_a_lost_submit_has_no_event_to_wait_for(sim, path):
    sim.fault("POST", TXT2IMG, Drop.before_headers())
    async with inside(sim, journal=path) as novita:
        novita.webhooks.receiver(URL, on_done=lambda task: pytest.fail("there is none"))
        with pytest.raises(OutcomeUnknown):
            await submit(novita)
        (unknown,) = await novita.tasks.resume()
        assert unknown.request["body"]["extra"]["webhook"]["url"].startswith(URL)
