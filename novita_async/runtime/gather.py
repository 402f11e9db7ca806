"""Many calls, so many at once: bounded before they start, not by the error that too many of them end in."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Collection
from operator import length_hint
from typing import TYPE_CHECKING, Any, TypeVar

from ..errors import ValidationError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Iterable, Iterator

__all__ = ["gather"]

T = TypeVar("T")


async def gather(calls: Iterable[Awaitable[T]], *, limit: int, return_exceptions: bool = False) -> list[T]:
    """See `AsyncNovita.gather`."""
    if limit < 1:
        raise ValidationError(f"limit must be at least 1, got {limit!r}")
    results: dict[int, Any] = {}
    numbered = enumerate(calls)

    async def work() -> None:
        for number, call in numbered:
            try:
                results[number] = await call
            except Exception as error:
                if not return_exceptions:
                    raise
                results[number] = error

    limit = min(limit, length_hint(calls, limit))
    workers = [asyncio.get_running_loop().create_task(work()) for _ in range(limit)]
    try:
        await asyncio.gather(*workers)
    finally:
        for worker in workers:
            worker.cancel()
        await asyncio.gather(*workers, return_exceptions=True)
        _drop(calls, numbered)
    return [results[number] for number in range(len(results))]


def _drop(calls: Iterable[Awaitable[Any]], rest: Iterator[tuple[int, Awaitable[Any]]]) -> None:
    """Close what was made and never started. What makes the calls one by one is not asked for more of them."""
    if inspect.isgenerator(calls):
        calls.close()
    elif isinstance(calls, Collection):
        for _, call in rest:
            if inspect.iscoroutine(call):
                call.close()
