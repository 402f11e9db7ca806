"""`uninterrupted`: the work is carried to its end, and no cancellation is lost."""

from __future__ import annotations

import asyncio

import pytest

from novita_async.runtime.clock import uninterrupted


async def test_a_cancellation_at_any_turn_is_raised_after_the_work_has_ended() -> None:
    for turns in range(1, 100):
        ended = False

        async def work() -> None:
            nonlocal ended
            for _ in range(3):
                await asyncio.sleep(0)
            ended = True

        task = asyncio.create_task(uninterrupted(work()))
        for _ in range(turns):
            await asyncio.sleep(0)
        if not task.cancel():
            await task
            break
        with pytest.raises(asyncio.CancelledError):
            await task
        assert ended
    else:
        raise AssertionError("it never came to its end")


async def test_the_error_of_the_work_is_raised_unless_the_caller_was_cancelled() -> None:
    gate = asyncio.Event()

    async def work() -> None:
        await gate.wait()
        raise KeyError("mine")

    task = asyncio.create_task(uninterrupted(work()))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    task.cancel()
    gate.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    with pytest.raises(KeyError, match="mine"):
        await uninterrupted(work())


async def test_work_that_is_cancelled_itself_is_a_cancellation() -> None:
    async def work() -> None:
        raise asyncio.CancelledError

    with pytest.raises(asyncio.CancelledError):
        await uninterrupted(work())
