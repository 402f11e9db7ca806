"""The real clock. Its timeouts share one timer, and must be to their users what `asyncio.timeout` is."""

from __future__ import annotations

import asyncio
import gc
import threading
import time

import anyio
import pytest

from novita_async.runtime.clock import SystemClock

CLOCKS = pytest.mark.parametrize("clock", [SystemClock(), None], ids=["ours", "asyncio's"])


def timeout_of(clock):
    return asyncio.timeout if clock is None else clock.timeout


@pytest.fixture
def timers(monkeypatch):
    """The timers that the loop was asked for."""
    asked = []
    original = asyncio.SelectorEventLoop.call_later

    def call_later(loop, delay, callback, *arguments, **options):
        asked.append(delay)
        return original(loop, delay, callback, *arguments, **options)

    monkeypatch.setattr(asyncio.SelectorEventLoop, "call_later", call_later)
    return asked


@CLOCKS
async def test_a_timeout_that_passes_is_a_timeout_error_and_leaves_the_task_uncancelled(clock):
    with pytest.raises(TimeoutError):
        async with timeout_of(clock)(0.001) as scope:
            await asyncio.Event().wait()
    assert scope.expired()
    assert asyncio.current_task().cancelling() == 0
    await asyncio.sleep(0)


@CLOCKS
async def test_a_timeout_that_does_not_pass_is_not_noticed(clock):
    async with timeout_of(clock)(0.002) as scope, timeout_of(clock)(None) as unlimited:
        await asyncio.sleep(0)
    await asyncio.sleep(0.004)
    assert not scope.expired()
    assert not unlimited.expired()


@CLOCKS
async def test_an_error_inside_passes_through_also_a_timeout_of_somebody_else(clock):
    for error in (ValueError("inside"), TimeoutError("inside")):
        with pytest.raises(type(error), match="inside"):
            async with timeout_of(clock)(10) as scope:
                raise error
        assert not scope.expired()


@CLOCKS
async def test_an_error_that_is_raised_in_place_of_the_cancellation_wins(clock):
    async def stubborn():
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            raise ValueError("instead") from None

    with pytest.raises(ValueError, match="instead"):
        async with timeout_of(clock)(0.001):
            await stubborn()
    assert asyncio.current_task().cancelling() == 0


@CLOCKS
async def test_a_cancel_from_outside_is_a_cancel_also_when_the_timeout_passes_as_well(clock):
    async def work(both):
        async with timeout_of(clock)(0.001 if both else 10):
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                if both:
                    task.cancel()
                raise

    for both in (False, True):
        task = asyncio.create_task(work(both))
        await asyncio.sleep(0)
        if not both:
            task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task


@CLOCKS
@pytest.mark.parametrize(("outer", "inner", "expected"), [(0.001, 10, "outer"), (10, 0.001, "inner")])
async def test_nested_timeouts_are_told_apart(clock, outer, inner, expected):
    with pytest.raises(TimeoutError):
        async with timeout_of(clock)(outer) as first, timeout_of(clock)(inner) as second:
            await asyncio.Event().wait()
    assert (first.expired(), second.expired()) == (expected == "outer", expected == "inner")


@CLOCKS
async def test_a_timeout_of_nothing_passes_at_the_first_wait(clock):
    with pytest.raises(TimeoutError):
        async with timeout_of(clock)(0):
            await asyncio.Event().wait()


@CLOCKS
async def test_an_anyio_scope_around_it_is_not_mistaken_for_it(clock):
    with anyio.CancelScope() as scope:
        async with timeout_of(clock)(10):
            asyncio.get_running_loop().call_soon(scope.cancel)
            await asyncio.Event().wait()
    assert scope.cancelled_caught


async def test_timeouts_share_one_timer(timers):
    clock = SystemClock()
    for _ in range(1000):
        async with clock.timeout(600):
            pass
    assert len(timers) == 1
    async with clock.timeout(60), clock.timeout(6000):  # sooner than what the timer looks for, and later
        pass
    assert len(timers) == 2


async def test_a_thousand_timeouts_at_once_pass_each_at_its_own_time():
    clock = SystemClock()

    async def one(seconds: float) -> float:
        began = time.monotonic()
        with pytest.raises(TimeoutError):
            async with clock.timeout(seconds):
                await asyncio.Event().wait()
        return time.monotonic() - began - seconds

    late = await asyncio.gather(*(one((number % 10) / 1000) for number in range(1000)))
    assert min(late) >= -0.001


async def test_a_shorter_timeout_after_a_longer_one_is_not_missed():
    clock = SystemClock()
    async with clock.timeout(600):
        with pytest.raises(TimeoutError):
            async with clock.timeout(0.001):
                await asyncio.Event().wait()
        with pytest.raises(TimeoutError):
            async with clock.timeout(0.001):
                await asyncio.Event().wait()


def test_a_clock_that_goes_from_one_loop_to_the_next_still_fires():
    """The timer that it counts on is the old loop's."""
    clock = SystemClock()

    async def unused():
        async with clock.timeout(600):
            pass

    async def passes():
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(5), clock.timeout(0.001) as scope:
                await asyncio.Event().wait()
        assert scope.expired()

    async def passes_late():
        clock_says = clock.timeout(0.002)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(5), clock_says:
                await asyncio.Event().wait()
        assert clock_says.expired()

    async def short():
        async with clock.timeout(0.001):
            pass

    for first, second in ((unused, passes), (short, passes_late)):
        asyncio.run(first())
        asyncio.run(second())


@pytest.mark.acceptance
async def test_finished_tasks_are_not_kept():
    clock = SystemClock()

    class Big:
        pass

    async def work():
        big = Big()
        async with clock.timeout(600):
            await asyncio.sleep(0)
        assert big is not None

    await asyncio.gather(*(work() for _ in range(10)))
    gc.collect()
    assert not any(isinstance(thing, Big) for thing in gc.get_objects())


async def test_blocking_work_runs_in_a_thread_and_a_cancelled_caller_waits_for_its_end():
    clock = SystemClock()
    may_end, events = threading.Event(), []

    def work():
        events.append(threading.current_thread() is not threading.main_thread())
        may_end.wait(5)
        events.append("ended")

    task = asyncio.create_task(clock.to_thread(work))
    while not events:
        await asyncio.sleep(0.001)
    task.cancel()
    await asyncio.sleep(0)
    assert not task.done()
    may_end.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert events == [True, "ended"]
    assert await clock.to_thread(lambda: 7) == 7
