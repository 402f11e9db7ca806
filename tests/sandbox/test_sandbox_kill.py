"""Whatever happens, a sandbox that was made is killed, once."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from fake_platform import API, ENVD, KEY, Platform, alive, ended, error, finished, script, settled, started, wrote

from novita_async import AsyncNovita, MockTransport
from novita_async.errors import CallTimeout, ClientClosed, SandboxEnded, ServerError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from novita_async.sandbox import Sandbox
    from novita_async.testing.clock import JumpClock
    from novita_async.transport.protocol import Reply, Request


async def cancelled_everywhere(
    work: Callable[[AsyncNovita], Awaitable[None]], platform: Callable[[], Platform], clock: JumpClock, again: int = 0
) -> list[Platform]:
    """Run something again and again, cancelled one turn of the loop later each time, until it is not cancelled."""
    seen: list[Platform] = []
    for turns in range(1000):
        played = platform()
        seen.append(played)
        transport = MockTransport(played)
        async with AsyncNovita(api_key=KEY, api_url=API, sandbox_url=ENVD, transport=transport, clock=clock) as client:
            task = asyncio.ensure_future(work(client))
            for _ in range(turns):
                await asyncio.sleep(0)
            finished_by_itself = not task.cancel()
            for _ in range(again):  # an impatient caller
                await asyncio.sleep(0)
                task.cancel()
            if finished_by_itself:
                await task
            else:
                with pytest.raises(asyncio.CancelledError):
                    await task
            assert client.stats()["open_requests"] == 0
            assert client.stats()["open_streams"] == 0
        assert "tasks=0" in repr(transport)
        if finished_by_itself:
            return seen
    raise AssertionError("it never came to its end")


@pytest.mark.parametrize("again", [0, 1, 5])
async def test_cancelled_at_every_await_a_session_leaves_no_sandbox(clock: JumpClock, again: int) -> None:
    async def session(client: AsyncNovita) -> None:
        async with client.sandboxes.create() as sandbox:
            await sandbox.info()

    seen = await cancelled_everywhere(session, Platform, clock, again)
    created = [platform for platform in seen if platform.sent("POST", "/sandboxes")]
    assert len(created) > 5
    for platform in created:
        assert platform.alive == set()
        assert len(platform.sent("POST", "/sandboxes")) == 1
        assert len(platform.sent("DELETE", "/sbx1")) == 1


async def test_cancelled_at_every_await_an_awaited_create_leaves_no_sandbox(clock: JumpClock) -> None:
    async def create(client: AsyncNovita) -> None:
        await client.sandboxes.create()

    *cut, last = await cancelled_everywhere(create, Platform, clock)
    assert last.alive == {"sbx1"}
    for platform in cut:
        assert platform.alive == set()
        assert len(platform.sent("DELETE", "/sbx1")) == len(platform.sent("POST", "/sandboxes"))


async def test_cancelled_at_every_await_a_kill_is_sent_once(clock: JumpClock) -> None:
    async def session(client: AsyncNovita) -> None:
        async with client.sandboxes.create() as sandbox:
            await sandbox.kill()

    seen = await cancelled_everywhere(session, Platform, clock)
    for platform in seen:
        assert platform.alive == set()
        assert len(platform.sent("DELETE", "")) == len(platform.sent("POST", "/sandboxes"))


async def test_a_create_that_is_cancelled_while_it_waits_for_its_turn_is_never_sent(
    clock: JumpClock, platform: Platform
) -> None:
    async def busy(request: Request) -> Reply:
        return error(503, "busy")

    platform.routes["POST /sandboxes"] = busy
    async with AsyncNovita(api_key=KEY, api_url=API, transport=MockTransport(platform), clock=clock) as client:
        task = asyncio.create_task(client.sandboxes.create())
        while not platform.requests:
            await asyncio.sleep(0)
        await settled()  # now it waits for its second attempt
        sent = len(platform.requests)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await clock.sleep(100)
        assert len(platform.requests) == sent


async def test_a_cancelled_create_that_is_never_answered_ends_in_five_seconds(
    client: AsyncNovita, platform: Platform, clock: JumpClock
) -> None:
    async def silent(request: Request) -> Reply:
        await asyncio.Event().wait()
        raise AssertionError

    platform.routes["POST /sandboxes"] = silent
    task = asyncio.create_task(client.sandboxes.create())
    await settled()
    began = clock.monotonic()
    task.cancel()
    with pytest.raises(asyncio.CancelledError) as caught:
        await task
    assert clock.monotonic() - began == pytest.approx(5, abs=0.1)
    assert "could not be undone" in "".join(caught.value.__notes__)


async def leave_with(client: AsyncNovita, failure: BaseException | None) -> None:
    async with client.sandboxes.create():
        if failure is not None:
            raise failure


async def refuse(request: Request) -> Reply:
    return error(500, "no")


async def silence(request: Request) -> Reply:
    await asyncio.Event().wait()
    raise AssertionError


async def test_a_kill_that_fails_at_the_end_is_raised(client: AsyncNovita, platform: Platform) -> None:
    platform.routes["DELETE /*"] = refuse
    with pytest.raises(ServerError):
        await leave_with(client, None)


async def test_a_kill_that_fails_does_not_hide_an_error(client: AsyncNovita, platform: Platform) -> None:
    platform.routes["DELETE /*"] = refuse
    with pytest.raises(KeyError, match="mine") as caught:
        await leave_with(client, KeyError("mine"))
    assert "sbx1 could not be killed" in "".join(caught.value.__notes__)


async def test_a_kill_that_is_not_answered_ends_in_five_seconds(
    client: AsyncNovita, platform: Platform, clock: JumpClock
) -> None:
    platform.routes["DELETE /*"] = silence
    began = clock.monotonic()
    with pytest.raises(CallTimeout):
        await leave_with(client, None)
    assert clock.monotonic() - began == pytest.approx(5, abs=0.1)


async def test_a_sandbox_that_is_gone_at_the_end_is_fine(client: AsyncNovita, platform: Platform) -> None:
    async with client.sandboxes.create():
        platform.alive.clear()
    assert len(platform.sent("DELETE", "/sbx1")) == 1


async def test_a_kill_ends_what_is_being_read(client: AsyncNovita, platform: Platform) -> None:
    platform.start = script(started(), wrote(b"one"), asyncio.Event().wait)
    async with client.sandboxes.create() as sandbox:
        running = asyncio.create_task(sandbox.commands.run("sleep 1000", timeout=None))
        while not platform.sent("POST", "/Start"):
            await asyncio.sleep(0)
        await settled()
    with pytest.raises(SandboxEnded) as caught:
        await running
    assert caught.value.reason == "killed"
    assert caught.value.partial.stdout == "one"
    assert platform.sent("POST", "/SendSignal") == []
    assert platform.status_reads == 0


async def test_a_command_left_in_the_background_is_let_go_of_at_the_end(
    client: AsyncNovita, platform: Platform
) -> None:
    platform.start = script(started(), wrote(b"one"), asyncio.Event().wait)
    async with client.sandboxes.create() as sandbox:
        command = await sandbox.commands.run("sleep 1000", background=True)
    with pytest.raises(SandboxEnded):
        await command.wait()
    assert client.stats()["open_streams"] == 0


async def test_streams_are_closed_also_when_the_kill_fails(client: AsyncNovita, platform: Platform) -> None:
    platform.start = script(started(), asyncio.Event().wait)
    platform.routes["DELETE /*"] = refuse
    commands: list[object] = []

    async def session() -> None:
        async with client.sandboxes.create() as sandbox:
            commands.append(await sandbox.commands.run("sleep 1000", background=True))

    with pytest.raises(ServerError):
        await session()
    assert client.stats()["open_streams"] == 0


async def test_closing_the_client_ends_what_is_being_read(platform: Platform, clock: JumpClock) -> None:
    platform.start = script(started(), alive(), asyncio.Event().wait)
    transport = MockTransport(platform)
    async with AsyncNovita(api_key=KEY, api_url=API, sandbox_url=ENVD, transport=transport, clock=clock) as client:
        sandbox: Sandbox = await client.sandboxes.create()
        running = asyncio.create_task(sandbox.commands.run("sleep 1000"))
        while not platform.sent("POST", "/Start"):
            await asyncio.sleep(0)
        await settled()
    with pytest.raises(ClientClosed):
        await running


@pytest.mark.parametrize("again", [0, 1, 5])
async def test_cancelled_at_every_await_a_command_is_killed_once(clock: JumpClock, again: int) -> None:
    def platform() -> Platform:
        played = Platform()
        played.start = script(started(), wrote(b"a"), lambda: asyncio.sleep(0), wrote(b"b"), ended(), finished())
        return played

    async def session(client: AsyncNovita) -> None:
        sandbox = await client.sandboxes.connect("sbx1")
        result = await sandbox.commands.run("make", stdin="x")
        assert result.stdout == "ab"

    *cut, last = await cancelled_everywhere(session, platform, clock, again)
    assert last.sent("POST", "/SendSignal") == []
    signals = [len(played.sent("POST", "/SendSignal")) for played in cut]
    assert set(signals) == {0, 1}
    for played, count in zip(cut, signals, strict=True):
        assert count <= len(played.sent("POST", "/Start"))
        assert played.sent("DELETE", "") == []
    # Once it has begun it is killed, whenever that is; only where it had ended there is nothing to kill.
    begun = [count for played, count in zip(cut, signals, strict=True) if played.sent("POST", "/Start")]
    assert begun == sorted(begun, reverse=True)
