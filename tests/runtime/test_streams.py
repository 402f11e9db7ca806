"""Streams: what limits count, what is held back, what a cancel loses (nothing), and how a stream lets go."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import warnings

import pytest
from helpers import ASK, DONE, END, Server, chunk, connected, events, refusal, turns

from novita_async import Limits, Reply, RetryPolicy, Timeouts
from novita_async.errors import (
    BadRequest,
    ClientClosed,
    ConnectionLost,
    ProtocolError,
    ServiceUnavailable,
    StreamCut,
    StreamStalled,
)
from novita_async.runtime.attempts import Attempts
from novita_async.runtime.call import Call
from novita_async.runtime.streams import BytesReader, EventStream
from novita_async.testing.probes import Stream

ROLE = chunk(role="assistant")
BUSY = b'data: {"code": 503, "reason": "SERVICE_NOT_AVAILABLE", "message": "busy"}\n\n'


@pytest.fixture
def script(clock):
    """`script(b"bytes", 3.0, ...)` is the body of a reply: bytes are sent, seconds are waited, an error is raised."""

    def make(*steps):
        async def body():
            for step in steps:
                if isinstance(step, float):
                    await clock.sleep(step)
                elif isinstance(step, Exception):
                    raise step
                else:
                    yield step

        return lambda _: events(body())

    return make


@pytest.fixture
def opened(clock):
    """`async with opened(*answers, **settings) as stream`: the chunks of a chat stream."""

    @contextlib.asynccontextmanager
    async def make(*answers, **settings):
        server = Server(clock, *answers)
        async with connected(server, clock, **settings) as novita:
            async with await novita.chat.completions.create(**ASK, stream=True) as stream:
                stream.server = server
                stream.novita = novita
                yield stream
            assert novita.stats()["open_streams"] == 0

    return make


async def texts(stream) -> list[str | None]:
    return [part.choices[0].delta.content async for part in stream]


# -------------------------------------------------------------------------------------- the two limits

LIMITS = Timeouts(first_event=10, idle=4)


async def test_limits_count_events_and_not_bytes_or_comments(opened, script, clock):
    first = chunk("one")
    steps = [piece for byte in first[:-1] for piece in (bytes([byte]), 1.0)]  # a byte a second, and no event yet
    async with opened(script(*steps), timeouts=LIMITS) as stream:
        with pytest.raises(StreamStalled) as stalled:
            await anext(stream)
        assert (stalled.value.limit, stalled.value.seconds) == ("first_event", 10)
        assert clock.monotonic() == 10


@pytest.mark.parametrize("noise", [b": ping\n\n", b"\n\n", b"event: ping\n\n", b"retry: 1\n\n"])
async def test_what_is_no_event_does_not_put_the_limit_off(opened, script, clock, noise):
    async with opened(script(chunk("one"), *[1.0, noise] * 100), timeouts=LIMITS) as stream:
        await anext(stream)
        with pytest.raises(StreamStalled) as stalled:
            await anext(stream)
        assert (stalled.value.limit, clock.monotonic()) == ("idle", 4)


async def test_each_event_sets_the_idle_limit_anew(opened, script, clock):
    steps = [piece for number in range(20) for piece in (3.9, chunk(str(number)))]
    async with opened(script(*steps, END), timeouts=LIMITS) as stream:
        assert (await texts(stream))[:20] == [str(number) for number in range(20)]
    assert clock.monotonic() == pytest.approx(78)


async def test_the_time_that_the_caller_takes_does_not_count(opened, script, clock):
    async with opened(
        script(3.0, chunk("one"), 3.0, chunk("two"), 3.0, chunk("three"), END), timeouts=LIMITS
    ) as stream:
        for expected in ("one", "two", "three"):
            assert (await anext(stream)).choices[0].delta.content == expected
            await clock.sleep(1000)


async def test_a_stall_after_the_caller_took_its_time_is_still_noticed(opened, script, clock):
    async with opened(script(chunk("one"), 1e6), timeouts=LIMITS) as stream:
        await anext(stream)
        await clock.sleep(7)
        with pytest.raises(StreamStalled):
            await anext(stream)
        assert 11 <= clock.monotonic() <= 15  # the one timer of a stream may have looked while the caller was away


async def test_a_stall_is_noticed_whatever_time_it_is(opened, script, clock):
    """Rounding: 30.1 + 60 is not always 60 after 30.1, and a timer for the rest may be due at once, for ever."""
    for number in range(200):
        await clock.sleep(number / 7)
        async with opened(script(chunk("one"), 1e6), timeouts=Timeouts(idle=60, first_event=60)) as stream:
            await anext(stream)
            with pytest.raises(StreamStalled):
                await anext(stream)


async def test_no_limits_wait_for_ever(opened, script, clock):
    async with opened(script(1e6, chunk("one"), 1e6, END), timeouts=Timeouts(first_event=None, idle=None)) as stream:
        assert (await texts(stream))[0] == "one"
    assert clock.monotonic() == 2e6


async def test_a_stream_has_one_timer_whatever_the_number_of_its_chunks(opened, script, clock, monkeypatch):
    timers = []
    original = clock.call_later
    monkeypatch.setattr(clock, "call_later", lambda *details: timers.append(details) or original(*details))
    async with opened(script(*[chunk("x")] * 1000, END)) as stream:
        await anext(stream)
        before = len(timers)
        await texts(stream)
        assert len(timers) - before <= 2  # and one for the end of the body


async def test_each_attempt_has_its_own_first_event_limit(opened, script, clock):
    answers = [script(9.0, BUSY), script(9.0, chunk("late", finish="stop"), DONE)]
    async with opened(*answers, timeouts=LIMITS, retry=RetryPolicy(base=0.01)) as stream:
        assert await texts(stream) == ["late"]


async def test_after_a_retry_the_first_event_limit_counts_again(opened, script, clock):
    answers = [script(ROLE, 1.0, BUSY), script(1e6)]
    limits = Timeouts(first_event=2, idle=600)
    async with opened(*answers, timeouts=limits, retry=RetryPolicy(base=0.01)) as stream:
        with pytest.raises(StreamStalled) as stalled:
            await anext(stream)
        assert stalled.value.limit == "first_event"
        assert clock.monotonic() == pytest.approx(3, abs=0.1)


# ----------------------------------------------------------------------- before and after the first content


async def test_events_before_the_first_content_are_held_back_until_it_comes(opened, script, clock):
    async with opened(script(ROLE, chunk(""), 3.0, chunk("one"), 3.0, END)) as stream:
        assert (await anext(stream)).choices[0].delta.role == "assistant"
        assert clock.monotonic() == 3
        assert await texts(stream) == ["", "one", None]


async def test_a_retry_forgets_what_was_held_back(opened, script):
    async with opened(script(ROLE, ROLE, BUSY), script(ROLE, chunk("one"), END)) as stream:
        assert await texts(stream) == [None, "one", None]
        assert len(stream.server.requests) == 2


async def test_a_lost_connection_before_the_first_content_is_retried(opened, script):
    async with opened(script(ROLE, ConnectionLost("gone")), script(chunk("one"), END)) as stream:
        assert await texts(stream) == ["one", None]


@pytest.mark.parametrize("step", [BUSY, ConnectionLost("gone")], ids=["an error frame", "a lost connection"])
async def test_after_the_first_content_nothing_is_retried(opened, script, step):
    async with opened(script(chunk("one"), step), script(chunk("two"), END)) as stream:
        await anext(stream)
        with pytest.raises((ServiceUnavailable, ConnectionLost)):
            await anext(stream)
        with pytest.raises(StopAsyncIteration):
            await anext(stream)
        assert len(stream.server.requests) == 1


@pytest.mark.parametrize(
    "content", [{"reasoning_content": "hm"}, {"tool_calls": [{"index": 0, "function": {"name": "f"}}]}]
)
async def test_reasoning_and_tool_calls_are_content_too(opened, script, content):
    async with opened(script(chunk(**content), BUSY)) as stream:
        await anext(stream)
        with pytest.raises(ServiceUnavailable):
            await anext(stream)
        assert len(stream.server.requests) == 1


async def test_an_error_in_the_same_chunk_as_content_comes_after_it(opened, script):
    async with opened(script(ROLE + chunk("one") + BUSY)) as stream:
        assert [(await anext(stream)).choices[0].delta.content for _ in range(2)] == [None, "one"]
        with pytest.raises(ServiceUnavailable):
            await anext(stream)


async def test_when_no_retry_helps_what_was_held_back_is_given_before_the_error(opened, script):
    async with opened(script(ROLE, BUSY), retry=RetryPolicy(attempts=1)) as stream:
        assert (await anext(stream)).choices[0].delta.role == "assistant"
        with pytest.raises(ServiceUnavailable):
            await anext(stream)


async def test_a_retry_that_is_refused_ends_in_its_refusal(opened, script):
    async with opened(script(BUSY), refusal(400)) as stream:
        with pytest.raises(BadRequest):
            await anext(stream)
        assert len(stream.server.requests) == 2


async def test_an_event_that_makes_no_sense_is_an_error_and_no_gap(opened, script):
    async with opened(script(chunk("one"), b"data: {nonsense}\n\n", chunk("two"), END)) as stream:
        await anext(stream)
        with pytest.raises(ProtocolError) as error:
            await anext(stream)
        assert error.value.body == b"{nonsense}"


# -------------------------------------------------------------------------------------------- the end


@pytest.mark.parametrize(
    "rest",
    [(DONE,), (DONE, 1e6), (), (DONE, b"data: {nonsense}\n\n"), (DONE, ConnectionLost("gone"))],
    ids=["a marker", "a marker and an open body", "no marker", "nonsense after the marker", "a break after it"],
)
async def test_a_stream_that_finished_ends_well_whatever_its_body_does(opened, script, clock, rest):
    async with opened(script(chunk("one", finish="stop"), *rest)) as stream:
        assert await texts(stream) == ["one"]
    assert clock.monotonic() < 1


async def test_a_stream_without_marker_and_finish_reason_was_cut(opened, script):
    async with opened(script(chunk("one"))) as stream:
        await anext(stream)
        with pytest.raises(StreamCut):
            await anext(stream)


async def test_an_event_whose_blank_line_was_cut_off_is_still_one(opened, script):
    async with opened(script(chunk("one"), chunk("two", finish="stop").rstrip())) as stream:
        assert await texts(stream) == ["one", "two"]


async def test_a_stream_read_to_its_end_gives_its_connection_back_and_others_close_it(opened, script, clock):
    read_out, broken_off = Stream(chunk("one"), END), Stream(chunk("one"), hang=True)
    for body in (read_out, broken_off):
        async with opened(Reply(200, {}, body)) as stream:
            async for _ in stream:
                if body is broken_off:
                    break
        await asyncio.wait_for(body.closed.wait(), 5)


# ------------------------------------------------------------------------------------------- cancelling


async def test_a_cancelled_read_loses_no_event(opened, script, clock):
    """As `asyncio.wait_for(anext(stream), ...)` does in a loop, at every possible moment."""
    steps = [piece for number in range(10) for piece in (1.0, chunk(str(number)))]
    async with opened(script(*steps, 1.0, END)) as stream:
        seen, given_up = [], 0
        while True:
            try:
                async with clock.timeout(0.3):
                    seen.append((await anext(stream)).choices[0].delta.content)
            except TimeoutError:
                given_up += 1
            except StopAsyncIteration:
                break
        assert seen == [*map(str, range(10)), None]
        assert given_up >= 30


async def test_a_cancelled_read_loses_no_error(clock, opened):
    """Also not when the cancel comes while the connection of the broken stream is being closed."""

    class Slow(Stream):
        async def aclose(self):
            await clock.sleep(1)

    lost = Slow(chunk("one"), error=ConnectionLost("gone"))
    async with opened(Reply(200, {}, lost)) as stream:
        await anext(stream)
        for _ in range(3):
            reading = asyncio.ensure_future(anext(stream))
            await turns(5)
            if reading.done():
                break
            reading.cancel()
            with pytest.raises(asyncio.CancelledError):
                await reading
        with pytest.raises(ConnectionLost):
            await (reading if reading.done() and not reading.cancelled() else anext(stream))
        with pytest.raises(StopAsyncIteration):
            await anext(stream)


async def test_a_read_that_is_cancelled_while_a_retry_is_due_does_not_end_the_stream_as_if_it_were_well(opened, script):
    async with opened(script(ROLE, BUSY), script(chunk("one"), END), retry=RetryPolicy(base=1000)) as stream:
        reading = asyncio.ensure_future(anext(stream))
        await turns(10)
        reading.cancel()
        await asyncio.wait({reading})
        with pytest.raises(ServiceUnavailable):
            _ = [part async for part in stream]


# --------------------------------------------------------------------------------------------- letting go


async def test_a_closed_stream_ends_at_once_and_may_be_closed_twice(opened, script):
    async with opened(script(chunk("one") + chunk("two") + chunk("three"))) as stream:
        await anext(stream)
        await stream.aclose()
        await stream.aclose()
        assert await texts(stream) == []


async def test_a_stream_holds_one_slot_until_it_lets_go(opened, script):
    async with opened(script(chunk("one"), END), limits=Limits(requests=1)) as stream:
        assert stream.novita.stats()["open_requests"] == 1
        await texts(stream)
        assert stream.novita.stats()["open_requests"] == 0


async def test_closing_the_client_ends_a_stream_that_is_read_and_one_that_is_not(clock, script):
    server = Server(clock, script(chunk("one"), 1e6))
    async with connected(server, clock) as novita:
        read = await novita.chat.completions.create(**ASK, stream=True)
        unread = await novita.chat.completions.create(**ASK, stream=True)
        await anext(read)
        reading = asyncio.ensure_future(anext(read))
        await turns()
        await novita.aclose()
        for waiting in (reading, anext(unread)):
            with pytest.raises(ClientClosed):
                await waiting


async def test_closing_the_client_while_a_stream_is_retried_ends_it(clock, script):
    server = Server(clock, script(BUSY))
    async with connected(server, clock, retry=RetryPolicy(base=1000)) as novita:
        stream = await novita.chat.completions.create(**ASK, stream=True)
        reading = asyncio.ensure_future(anext(stream))
        await turns()
        await novita.aclose()
        with pytest.raises(ClientClosed):
            await reading
        assert len(server.requests) == 1


async def test_a_stream_that_another_task_closes_during_a_retry_leaves_nothing_open(clock, script):
    async def slow(request):
        await clock.sleep(5)
        return events(late)

    late = Stream(chunk("one"), hang=True)
    server = Server(clock, script(BUSY), slow)
    async with connected(server, clock, retry=RetryPolicy(base=0.001)) as novita:
        stream = await novita.chat.completions.create(**ASK, stream=True)
        reading = asyncio.ensure_future(anext(stream))
        await clock.sleep(1)
        await stream.aclose()
        await clock.sleep(10)
        assert reading.done()
        reading.exception()
        await late.closed.wait()
        assert novita.stats()["open_requests"] == 0


async def test_a_dropped_stream_warns_and_frees_its_slot(clock, script):
    body = Stream(chunk("one"), hang=True)
    async with connected(Server(clock, Reply(200, {}, body)), clock, limits=Limits(requests=1)) as novita:
        stream = await novita.chat.completions.create(**ASK, stream=True)
        await anext(stream)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            del stream
            gc.collect()
        assert [(w.category, "not closed" in str(w.message)) for w in caught] == [(ResourceWarning, True)]
        assert novita.stats()["open_requests"] == 0
        await body.closed.wait()


# ----------------------------------------------------------------------------------------- plain bodies


@pytest.mark.parametrize(
    ("headers", "parts", "error"),
    [
        ({}, (b"ab", b"cd"), None),
        ({"content-length": "4"}, (b"ab", b"cd"), None),
        ({"content-length": "5"}, (b"ab", b"cd"), StreamCut),
        ({"content-length": "3"}, (b"ab", b"cd"), StreamCut),
    ],
)
async def test_a_plain_body_is_as_long_as_it_was_announced(clock, headers, parts, error):
    server = Server(clock, Reply(200, headers, Stream(*parts)))
    async with connected(server, clock) as novita:
        runtime = novita._core()
        attempts = Attempts(runtime, Call(method="GET", url="http://novita.test/file"))
        response = await attempts.open()
        async with EventStream(runtime, attempts, response, BytesReader, first_event=None, idle=None) as stream:
            assert (stream.status, stream.headers.get("content-length")) == (200, headers.get("content-length"))
            assert [await anext(stream) for _ in parts] == list(parts)
            with pytest.raises(error or StopAsyncIteration):
                await anext(stream)
