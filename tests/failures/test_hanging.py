"""A peer that goes silent. Over real sockets where it is the socket's silence; on a clock that jumps."""

from __future__ import annotations

import pytest
from helpers import ASK, CHAT, PICTURE, TASK_RESULT, TXT2IMG, Watched, inside, over_sockets

from novita_async import Timeouts
from novita_async.errors import CallTimeout, StreamStalled, TaskTimeout
from novita_async.simulator import Hang, Slow, Stream


async def test_row_01_stream_goes_silent_after_first_bytes(sim, clock):
    silent = Watched(Stream.pings(after=1))
    sim.fault("POST", CHAT, silent)
    async with over_sockets(sim) as novita, await novita.chat.completions.create(**ASK, stream=True) as stream:
        await anext(stream)
        began = clock.monotonic()
        with pytest.raises(StreamStalled) as stalled:
            await anext(stream)
        assert 60 <= clock.monotonic() - began <= 60.5
        assert stalled.value.limit == "idle"
        await silent.gone.wait()
        assert silent.gone_at - began <= 60.5


async def test_row_01_comments_do_not_put_off_the_first_event(sim, clock):
    sim.fault("POST", CHAT, Stream.pings(after=0), times=None)
    async with over_sockets(sim) as novita, await novita.chat.completions.create(**ASK, stream=True) as stream:
        began = clock.monotonic()
        with pytest.raises(StreamStalled) as stalled:
            await anext(stream)
        assert stalled.value.limit == "first_event"
        assert 60 <= clock.monotonic() - began <= 60.5


@pytest.mark.parametrize(("first_event", "idle"), [(600.0, 5.0), (5.0, 600.0), (None, 5.0), (5.0, None)])
async def test_row_01_each_limit_is_held_whatever_the_other_is(sim, clock, first_event, idle):
    after = 1 if idle == 5.0 else 0
    sim.fault("POST", CHAT, Stream.pings(after=after), times=None)
    async with (
        inside(sim, timeouts=Timeouts(first_event=first_event, idle=idle)) as novita,
        await novita.chat.completions.create(**ASK, stream=True) as stream,
    ):
        for _ in range(after):
            await anext(stream)
        began = clock.monotonic()
        with pytest.raises(StreamStalled):
            await anext(stream)
        assert 5 <= clock.monotonic() - began <= 5.5


async def test_row_01_done_ends_the_iterator_while_the_body_stays_open(sim, clock):
    open_ended = Watched(Stream.stays_open())
    sim.fault("POST", CHAT, open_ended)
    async with over_sockets(sim) as novita, await novita.chat.completions.create(**ASK, stream=True) as stream:
        chunks = [chunk async for chunk in stream]
        assert chunks[-1].choices[0].finish_reason == "stop"
        await open_ended.gone.wait()
        assert clock.monotonic() < 1


async def test_a_server_that_never_answers_ends_in_the_attempts_limit(sim, clock):
    silent = Watched(Hang.before_headers())
    sim.fault("POST", CHAT, silent)
    async with over_sockets(sim) as novita:
        with pytest.raises(CallTimeout) as timeout:
            await novita.chat.completions.create(**ASK)
        assert (timeout.value.limit, timeout.value.seconds) == ("attempt", 600)
        assert 600 <= clock.monotonic() <= 600.5
        await silent.gone.wait()
        assert len(sim.requests) == 1


async def test_timeout_is_total_and_not_for_each_read(sim, clock):
    """Also seen: openai/openai-python#2599. Every half of the answer comes within the limit, both together do not."""
    sim.fault("POST", CHAT, Slow.chunks(4))
    async with over_sockets(sim) as novita:
        with pytest.raises(CallTimeout) as timeout:
            await novita.chat.completions.create(**ASK, timeout=5)
        assert timeout.value.limit == "total"
        assert 5 <= clock.monotonic() <= 5.5


async def test_timeout_covers_attempts_and_the_waits_between_them(sim, clock):
    sim.fault("POST", CHAT, Slow.headers(3), times=None)
    async with inside(sim) as novita:
        with pytest.raises(CallTimeout):
            await novita.chat.completions.create(**ASK, timeout=2)
        assert clock.monotonic() == pytest.approx(2)


async def test_a_status_read_that_hangs_does_not_hang_the_wait(sim, clock):
    sim.fault("GET", TASK_RESULT, Hang.before_headers())
    async with inside(sim) as novita:
        task = await novita.images.submit("txt2img", **PICTURE)
        await task.wait()
        assert 30 <= clock.monotonic() <= 60  # one read's own limit, and then the next read


async def test_a_wait_whose_status_reads_all_hang_ends_at_its_deadline(sim, clock):
    sim.fault("GET", TASK_RESULT, Hang.before_headers(), times=None)
    async with inside(sim) as novita:
        task = await novita.images.submit("txt2img", **PICTURE)
        began = clock.monotonic()
        with pytest.raises(TaskTimeout):
            await task.wait(timeout=100)
        assert clock.monotonic() - began == pytest.approx(100)


async def test_a_submit_that_hangs_is_given_up_and_not_repeated(sim, clock):
    sim.fault("POST", TXT2IMG, Hang.before_headers())
    async with over_sockets(sim) as novita:
        with pytest.raises(CallTimeout) as timeout:
            await novita.images.submit("txt2img", **PICTURE, timeout=20)
        assert timeout.value.sent
        assert clock.monotonic() == pytest.approx(20, abs=0.5)
    assert len(sim.requests) == 1
