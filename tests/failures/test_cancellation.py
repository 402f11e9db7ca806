"""Cancelling at any moment, and what a cancelled caller leaves behind."""

from __future__ import annotations

import asyncio
import contextlib
import time

import anyio
import pytest
from helpers import (
    ASK,
    BASE,
    CHAT,
    KEY,
    PICTURE,
    TASK_RESULT,
    Server,
    Watched,
    check_nothing_open,
    chunk,
    completion,
    connected,
    events,
    inside,
    over_sockets,
    refusal,
)

from novita_async import AsyncNovita, Limits, MockTransport
from novita_async.errors import NovitaError
from novita_async.runtime.retry import default_decision
from novita_async.simulator import Hang, Refuse, Slow, Stream
from novita_async.testing.probes import cancelled_at

# ---------------------------------------------------------------------- row 10: at every await, one by one


async def ask(novita, directory):
    await novita.chat.completions.create(**ASK)


async def read_chunks(novita, directory):
    async with await novita.chat.completions.create(**ASK, stream=True) as stream:
        async for _ in stream:
            pass


async def read_events(novita, directory):
    async with novita.chat.completions.stream(**ASK) as stream:
        await stream.final()


async def read_without_closing(novita, directory):
    stream = await novita.chat.completions.create(**ASK, stream=True)
    try:
        await anext(stream)
    finally:
        await stream.aclose()


async def make_a_picture(novita, directory):
    await novita.images.run("txt2img", **PICTURE)


async def save_a_picture(novita, directory):
    result = await novita.images.run("flux-1-schnell", prompt="x", width=64, height=64, steps=4, seed=7, image_num=1)
    await result.save(directory)


async def watch_a_task(novita, directory):
    async for _ in await novita.images.submit("txt2img", **PICTURE):
        pass


async def wait_for_many(novita, directory):
    tasks = [await novita.images.submit("txt2img", **PICTURE) for _ in range(2)]
    async for task in novita.tasks.as_completed(tasks):
        await task.wait()


async def order_a_machine(novita, directory):
    (product, *_) = await novita.gpu.products.list()
    instance = await novita.gpu.instances.create(product.id, image="image")
    await instance.wait_until("running")
    await instance.delete()


async def gather(novita, directory):
    await novita.gather((novita.chat.completions.create(**ASK) for _ in range(3)), limit=2)


WORK = [
    ask,
    read_chunks,
    read_events,
    read_without_closing,
    make_a_picture,
    save_a_picture,
    watch_a_task,
    wait_for_many,
    order_a_machine,
    gather,
]


@pytest.mark.parametrize("late", [False, True], ids=["early", "late"])
@pytest.mark.parametrize("journal", [None, "journal.db"], ids=["", "journal"])
@pytest.mark.parametrize("work", WORK)
async def test_row_10_a_cancel_at_any_await_gives_every_slot_back(sim, work, journal, late, tmp_path):
    path = tmp_path / journal if journal else None
    async with inside(sim, limits=Limits(requests=2), journal=path) as novita:
        awaits = 1
        while await cancelled_at(work(novita, tmp_path), awaits, late=late):
            await check_nothing_open(novita, f"cancelled at await {awaits}")
            awaits += 1
        assert awaits > 1
        await work(novita, tmp_path)
    assert not list(tmp_path.glob("*.part"))


@pytest.mark.parametrize("late", [False, True], ids=["early", "late"])
@pytest.mark.parametrize("work", [ask, read_chunks, read_events])
async def test_row_10_a_cancel_at_any_await_gives_every_socket_back(sim, work, late, tmp_path):
    async with over_sockets(sim, limits=Limits(requests=1)) as novita:
        awaits = 1
        while await cancelled_at(work(novita, tmp_path), awaits, late=late):
            await check_nothing_open(novita, f"cancelled at await {awaits}")
            awaits += 1
        assert awaits > 1
        async with asyncio.timeout(5):
            await work(novita, tmp_path)


async def test_row_10_a_cancel_while_a_retry_is_due_gives_every_slot_back(clock):
    def answers():
        return [refusal(503), refusal(429, retry_after="2"), completion()]

    server = Server(clock, *answers())
    async with connected(server, clock, limits=Limits(requests=1)) as novita:
        for late in (False, True):
            awaits = 1
            while await cancelled_at(ask(novita, None), awaits, late=late):
                server.answers = answers()
                await check_nothing_open(novita, f"cancelled at await {awaits}")
                awaits += 1
            assert awaits > 3
            server.answers = answers()


async def test_row_10_a_cancel_while_a_stream_is_retried_gives_every_slot_back(clock):
    busy = b'data: {"reason": "SERVICE_NOT_AVAILABLE", "code": 503, "message": "busy"}\n\n'
    whole = chunk("hello", finish="stop")

    def answers():
        return [lambda _: events(busy), lambda _: events(busy), lambda _: events(whole)]

    server = Server(clock, *answers())
    async with connected(server, clock, limits=Limits(requests=1)) as novita:
        for late in (False, True):
            awaits = 1
            while await cancelled_at(read_chunks(novita, None), awaits, late=late):
                server.answers = answers()
                await check_nothing_open(novita, f"cancelled at await {awaits}")
                awaits += 1
            assert awaits > 3
            server.answers = answers()


# ----------------------------------------------------------------- row 11: retrying does not hide a cancel


async def test_row_11_a_timeout_around_a_call_that_is_being_retried_fires(clock):
    server = Server(clock, refusal(503))
    seen = []

    def decide(error, replay, policy):
        seen.append(error)
        return default_decision(error, replay, policy)

    async with connected(server, clock, decide=decide) as novita:

        async def ask_for_ever():
            async with clock.timeout(0.1):
                while True:
                    with contextlib.suppress(NovitaError):
                        await novita.chat.completions.create(**ASK)

        with pytest.raises(TimeoutError):
            await ask_for_ever()
        assert clock.monotonic() == pytest.approx(0.1)
        sent = len(server.requests)
        await clock.sleep(1000)
        assert len(server.requests) == sent
        assert all(isinstance(error, Exception) for error in seen)


@pytest.mark.parametrize("fault", [Hang.before_headers(), Refuse.rate_limited(retry_after=60), Slow.headers(60)])
async def test_row_11_no_attempt_starts_after_a_cancel(sim, clock, fault):
    sim.fault("POST", CHAT, fault, times=None)
    async with inside(sim) as novita:
        calls = [asyncio.create_task(novita.chat.completions.create(**ASK)) for _ in range(3)]
        with anyio.CancelScope() as scope:
            clock.call_later(1, scope.cancel)
            await novita.chat.completions.create(**ASK)
        for call in calls:
            call.cancel()
        await asyncio.wait(calls)
        assert scope.cancelled_caught
        assert all(call.cancelled() for call in calls)
        sent = len(sim.requests)
        await clock.sleep(1000)
        assert len(sim.requests) == sent


# ------------------------------------------------------------- disconnects: our socket goes when we are done

MOMENTS = {
    "before the headers": Hang.before_headers(),
    "before the first token": Hang.in_body(after=0),
    "in the middle": Hang.in_body(after=2),
    "between two comments": Stream.pings(after=1),
}


@pytest.mark.parametrize("fault", MOMENTS.values(), ids=MOMENTS)
async def test_a_client_that_disconnects_cancels_the_request_upstream(sim, clock, fault):
    """Also seen: BerriAI/litellm#3341, #37140, #31499. What a web framework does on a disconnect is to cancel the task
    that serves the request: the test does that, and the server upstream must see our socket close."""
    upstream = Watched(fault)
    sim.fault("POST", CHAT, upstream)

    async def serve_the_browser():
        async with novita.chat.completions.stream(**ASK) as stream:
            async for _ in stream:
                pass

    async with over_sockets(sim) as novita:
        serving = asyncio.create_task(serve_the_browser())
        await upstream.begun.wait()
        await clock.sleep(5)
        disconnected = clock.monotonic()
        serving.cancel()
        await asyncio.wait({serving})
        assert serving.cancelled()
        await upstream.gone.wait()
        assert upstream.gone_at - disconnected <= 1


# ---------------------------------------------------------------------- row 20: a wait that is abandoned


async def test_row_20_a_wait_that_is_cancelled_leaves_the_task_to_its_handle(sim, clock):
    async with inside(sim) as novita:
        task = await novita.images.submit("txt2img", **PICTURE)
        waiting = asyncio.create_task(task.wait())
        await clock.sleep(1)
        waiting.cancel()
        await asyncio.wait({waiting})
        polls = sum(request.path == TASK_RESULT for request in sim.requests)
        await clock.sleep(100)
        assert sum(request.path == TASK_RESULT for request in sim.requests) == polls
        assert (await task.wait()).images


def test_row_20_a_wait_that_is_cancelled_by_ctrl_c_leaves_nothing_running():
    async def server(request):
        return refusal(503)

    async def main():
        async with AsyncNovita(api_key=KEY, base_url=BASE, transport=MockTransport(server)) as novita:
            asyncio.get_running_loop().call_later(0.005, ctrl_c)
            await novita.tasks.wait("task-1")

    def ctrl_c():
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        asyncio.run(main())


async def test_row_20_a_call_that_blocks_the_loop_fails_the_test_that_makes_it(clock):
    """What `tests/conftest.py` holds over the whole suite, seen at work: the handler runs below the package."""

    async def server(request):
        time.sleep(0.001)  # noqa: ASYNC251 - that is the point
        return completion()

    async with connected(server, clock) as novita:
        with pytest.raises(NovitaError, match=r"Blocking call to time\.sleep"):
            await novita.chat.completions.create(**ASK)
