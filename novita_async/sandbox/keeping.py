"""Sandboxes and `async with`: on their way into a block, and kept alive while it runs."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from types import TracebackType

    from .session import Sandbox

__all__ = ["KeepAlive", "Opening"]


class KeepAlive:
    """A task beside an `async with` block. When it fails the block is cancelled, and its error is the block's.

    Args:
        work: what the task does, until it is stopped.
    """

    def __init__(self, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        self._work = work
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        self._group = asyncio.TaskGroup()
        await self._group.__aenter__()
        self._task = self._group.create_task(self._work())

    async def stop(self, error: BaseException | None) -> BaseException | None:
        """End the task; return what is to be raised in place of the block's own error, if anything is."""
        if self._task is None:
            return None
        self._task.cancel()
        self._task = None
        # The group is told of a cancellation only: it may be its own. Other errors would come back as a group of one.
        cancelled = error if isinstance(error, asyncio.CancelledError) else None
        try:
            await self._group.__aexit__(type(cancelled) if cancelled else None, cancelled, None)
        except asyncio.CancelledError as outer:
            return outer if outer is not error else None
        except BaseExceptionGroup as failed:
            if error is None or error is cancelled:
                return failed.exceptions[0]
            error.add_note(f"keeping the sandbox alive failed too: {failed.exceptions[0]}")
        return None


class Opening(Coroutine[Any, Any, "Sandbox"]):
    """A sandbox on its way: await it, or enter it with `async with`, which ends it as `on_exit` says.

    It is a coroutine, so that tasks can be made of it.
    """

    def __init__(self, work: Coroutine[Any, Any, Sandbox]) -> None:
        self._work = work
        self._sandbox: Sandbox | None = None

    def __await__(self) -> Generator[Any, Any, Sandbox]:
        return self._work.__await__()

    def send(self, value: Any) -> Any:
        return self._work.send(value)

    def throw(self, *error: Any) -> Any:
        return self._work.throw(*error)

    def close(self) -> None:
        self._work.close()

    async def __aenter__(self) -> Sandbox:
        self._sandbox = await self._work
        return await self._sandbox.__aenter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._sandbox is not None
        await self._sandbox.__aexit__(kind, error, trace)
