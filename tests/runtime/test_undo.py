"""A submit that is cancelled in flight is taken back, and one that was not sent is not sent any more."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from novita_async.config import Settings
from novita_async.errors import ServerError, ServiceUnavailable
from novita_async.runtime.attempts import Attempts
from novita_async.runtime.call import Call, Runtime, read_answer
from novita_async.runtime.retry import Replay
from novita_async.runtime.undo import or_undo
from novita_async.transport.mock import MockTransport
from novita_async.transport.protocol import Reply

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from novita_async.runtime.call import Answer
    from novita_async.testing.clock import JumpClock
    from novita_async.transport.protocol import Request


class Server:
    """Answers `answer` once `gate` is open. Counts what is started and what is undone."""

    def __init__(self, clock: JumpClock) -> None:
        self.gate = asyncio.Event()
        self.answers: list[Reply] = []
        self.received = 0
        self.undone: list[bytes] = []
        self.undo: Callable[[], Awaitable[None]] | None = None
        self.runtime = Runtime(Settings(api_key="k"), clock=clock, make_transport=lambda: MockTransport(self))

    async def __call__(self, request: Request) -> Reply:
        self.received += 1
        await self.gate.wait()
        return self.answers.pop(0) if self.answers else Reply(200, {}, b"thing")

    async def submit(self) -> Answer:
        call = Call(method="POST", url="http://test/things", body=b"{}", replay=Replay.SUBMITS)
        attempts = Attempts(self.runtime, call)
        return await or_undo(self.runtime.clock, attempts, attempts.run(read_answer), self._undo)

    async def _undo(self, answer: Answer) -> None:
        self.undone.append(answer.body)
        if self.undo is not None:
            await self.undo()


@pytest.fixture
async def server(clock: JumpClock) -> AsyncIterator[Server]:
    server = Server(clock)
    yield server
    assert server.runtime.slots.free == server.runtime.slots.slots
    await server.runtime.aclose()


async def settled() -> None:
    for _ in range(50):
        await asyncio.sleep(0)


async def cancelled(task: asyncio.Task[Answer]) -> asyncio.CancelledError:
    with pytest.raises(asyncio.CancelledError) as caught:
        await task
    return caught.value


async def test_what_is_not_cancelled_is_not_undone(server: Server) -> None:
    server.gate.set()
    assert (await server.submit()).body == b"thing"
    server.answers = [Reply(500)]
    with pytest.raises(ServerError):
        await server.submit()
    assert server.undone == []


async def test_a_submit_cancelled_in_flight_is_answered_and_undone_before_it_ends(server: Server) -> None:
    task = asyncio.create_task(server.submit())
    await settled()
    task.cancel()
    await settled()
    task.cancel()  # a second time changes nothing
    await settled()
    assert not task.done()
    server.gate.set()
    await cancelled(task)
    assert server.undone == [b"thing"]
    assert server.received == 1


async def test_a_submit_cancelled_before_its_first_turn_is_not_sent(server: Server) -> None:
    task = asyncio.create_task(server.submit())
    task.cancel()
    await cancelled(task)
    await settled()
    assert server.received == 0


async def test_no_attempt_begins_after_the_cancellation(server: Server, clock: JumpClock) -> None:
    server.answers = [Reply(503), Reply(503)]
    task = asyncio.create_task(server.submit())
    await settled()
    task.cancel()
    server.gate.set()
    await cancelled(task)
    await clock.sleep(100)
    assert server.received == 1
    assert server.undone == []


async def test_a_wait_between_two_attempts_ends_at_once(server: Server, clock: JumpClock) -> None:
    server.gate.set()
    server.answers = [Reply(503, {"retry-after": "60"})]
    task = asyncio.create_task(server.submit())
    await settled()
    began = clock.monotonic()
    task.cancel()
    await cancelled(task)
    assert clock.monotonic() == began
    await clock.sleep(100)
    assert server.received == 1


async def test_an_answer_that_never_comes_is_waited_for_five_seconds(server: Server, clock: JumpClock) -> None:
    task = asyncio.create_task(server.submit())
    await settled()
    began = clock.monotonic()
    task.cancel()
    error = await cancelled(task)
    assert clock.monotonic() - began == pytest.approx(5)
    assert "could not be undone" in "".join(error.__notes__)
    assert server.undone == []


async def test_an_undo_that_fails_leaves_a_note_on_the_cancellation(server: Server) -> None:
    async def fail() -> None:
        raise ServiceUnavailable("not now")

    server.undo = fail
    task = asyncio.create_task(server.submit())
    await settled()
    task.cancel()
    server.gate.set()
    error = await cancelled(task)
    assert "not now" in "".join(error.__notes__)


async def test_cancelled_at_every_turn_what_was_started_was_undone_or_returned(server: Server) -> None:
    server.gate.set()
    for turns in range(1000):
        received, undone = server.received, len(server.undone)
        task = asyncio.create_task(server.submit())
        for _ in range(turns):
            await asyncio.sleep(0)
        if not task.cancel():
            break
        await cancelled(task)
        assert server.received - received == len(server.undone) - undone
    assert task.result().body == b"thing"
    assert server.undone
