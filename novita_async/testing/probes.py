"""What the checks of the conformance suite are made of."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Awaitable, Callable, Coroutine, Generator
from contextlib import AbstractAsyncContextManager
from types import coroutine
from typing import Any, TypeAlias, TypeVar

from ..runtime.clock import SystemClock
from ..transport.protocol import Body, Handler, Request, Response, Transport, WebSocketHandler

__all__ = [
    "CHUNK",
    "Check",
    "Serve",
    "Stream",
    "call",
    "cancelled_at",
    "check",
    "everything",
    "raised",
    "received",
    "until",
]

Serve: TypeAlias = Callable[[Handler, WebSocketHandler | None], AbstractAsyncContextManager[tuple[Transport, str]]]
Check: TypeAlias = Callable[[Serve], Coroutine[Any, Any, None]]

T = TypeVar("T")
E = TypeVar("E", bound=Exception)

#: How long a check waits for a thing that has to happen, in seconds.
PATIENCE = 10.0

CHUNK = bytes(64 * 1024)


def check(function: Check) -> Check:
    """Give a check its time limit, and let it fail when it leaves a task behind."""

    @functools.wraps(function)
    async def checked(serve: Serve) -> None:
        before = asyncio.all_tasks()
        async with asyncio.timeout(PATIENCE):
            await function(serve)
        await until(lambda: asyncio.all_tasks() <= before, "a task is still running")

    return checked


async def until(condition: Callable[[], bool], complaint: str) -> None:
    """Wait for something that has to come about; fail with the complaint when it does not."""
    clock = SystemClock()
    end = clock.monotonic() + PATIENCE
    while not condition():
        assert clock.monotonic() < end, complaint
        await clock.sleep(0.001)


async def everything(body: Body) -> bytes:
    """Read a body to its end."""
    """Read a body to its end."""
    chunks: list[bytes] = []
    while chunk := await body.read():
        chunks.append(chunk)
    await body.aclose()
    return b"".join(chunks)


async def call(transport: Transport, request: Request) -> tuple[Response, bytes]:
    """Send a request and read its whole answer."""
    response = await transport.send(request)
    return response, await everything(response.body)


async def raised(kind: type[E], work: Awaitable[object]) -> E:
    """Await something that must raise this; give the error."""
    try:
        result = await work
    except kind as error:
        return error
    raise AssertionError(f"{result!r} came in place of {kind.__name__}")


class Stream:
    """Chunks to send, and then an end, an error or nothing. Tells how much was taken and whether it was closed."""

    def __init__(self, *chunks: bytes, hang: bool = False, error: Exception | None = None) -> None:
        self._chunks = iter(chunks)
        self._hang = hang
        self._error = error
        self.produced = 0
        self.closed = asyncio.Event()

    def __aiter__(self) -> Stream:
        return self

    async def __anext__(self) -> bytes:
        for chunk in self._chunks:
            self.produced += len(chunk)
            return chunk
        if self._hang:
            await asyncio.Event().wait()
        if self._error is not None:
            raise self._error
        raise StopAsyncIteration

    async def aclose(self) -> None:
        self.closed.set()


async def received(request: Request) -> bytes:
    """Read a request's body to its end, whichever form it has."""
    if request.body is None or isinstance(request.body, bytes):
        return request.body or b""
    return b"".join([chunk async for chunk in request.body])


async def cancelled_at(work: Coroutine[Any, Any, object], awaits: int, *, late: bool) -> bool:
    """Cancel `work` at its n-th await, at once or when what it waits for has come; tell whether it was cancelled."""

    async def run() -> None:
        await _interrupted(work, awaits, late=late)

    task = asyncio.get_running_loop().create_task(run())
    await asyncio.wait({task})
    if not task.cancelled():
        task.result()
    return task.cancelled()


@coroutine
def _interrupted(work: Coroutine[Any, Any, T], awaits: int, *, late: bool) -> Generator[Any, Any, T]:
    task = asyncio.current_task()
    assert task is not None

    def cancel(_: object) -> None:
        task.cancel()

    step: Callable[[], Any] = functools.partial(work.send, None)
    count = 0
    while True:
        try:
            future = step()
        except StopIteration as stop:
            return stop.value
        count += 1
        if count == awaits:
            if late and future is not None:  # a bare yield waits for nothing that could come
                future.add_done_callback(cancel)
            else:
                task.cancel()
        try:
            yield future
        except BaseException as error:
            step = functools.partial(work.throw, error)
        else:
            step = functools.partial(work.send, None)
