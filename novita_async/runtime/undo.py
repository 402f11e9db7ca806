"""Submits that must not leave an orphan: what a cancelled caller started and never heard of is taken back."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, TypeVar

from ..errors import NovitaError
from .clock import uninterrupted

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine

    from .attempts import Attempts
    from .clock import Clock

__all__ = ["or_undo"]

T = TypeVar("T")

_LIMIT = 5.0  # seconds for a cancelled submit to be answered and undone


async def or_undo(
    clock: Clock, attempts: Attempts, work: Coroutine[Any, Any, T], undo: Callable[[T], Awaitable[object]]
) -> T:
    """Carry out a submit; when the caller is cancelled meanwhile, undo it.

    A request that is cancelled between being sent and being answered has perhaps started something that costs money and
    that nobody knows of. So an attempt that is under way may end, within a limit, and what it started is undone before
    the cancellation goes on. A call that waits for its turn, or for its next attempt, is dropped at once.

    Args:
        clock: what the limit is measured on.
        attempts: of the call that `work` makes.
        work: makes the call and gives its result.
        undo: takes the result back. It may raise what the package raises; the cancellation then has a note of it.
    """
    task = asyncio.get_running_loop().create_task(work)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError as cancelled:
        if attempts.in_flight:
            attempts.call.attempts = attempts.number  # this attempt is the last one
        else:
            task.cancel()
        problem = await uninterrupted(_take_back(clock, task, undo))
        if problem is not None:
            cancelled.add_note(f"what was started could not be undone: {problem}")
        raise


async def _take_back(clock: Clock, task: asyncio.Task[T], undo: Callable[[T], Awaitable[object]]) -> Exception | None:
    try:
        async with clock.timeout(_LIMIT):
            await asyncio.wait({task})
            if not task.cancelled() and task.exception() is None:
                await undo(task.result())
    except (NovitaError, TimeoutError) as error:
        return error
    finally:
        if not task.done():
            task.cancel()
            await asyncio.wait({task})
    return None
