"""A session over real sockets, on real time."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from novita_async import AsyncNovita, Simulator
from novita_async.errors import CommandTimeout

if TYPE_CHECKING:
    import pathlib
    from collections.abc import AsyncIterator

pytestmark = pytest.mark.filterwarnings("ignore::novita_async.simulator.sandbox.IsolationWarning")

DATA = bytes(range(256)) * 20_000


@pytest.fixture
async def real() -> AsyncIterator[AsyncNovita]:
    async with (
        Simulator() as simulator,
        simulator.serve() as served,
        AsyncNovita(
            api_key=simulator.api_key, base_url=served.url, api_url=served.url, sandbox_url=served.url
        ) as novita,
    ):
        yield novita
        assert novita.stats()["open_requests"] == 0
        assert novita.stats()["open_streams"] == 0


async def test_a_session_from_create_to_kill(real: AsyncNovita, tmp_path: pathlib.Path) -> None:
    local = tmp_path / "local"
    local.write_bytes(DATA)
    seen: list[str] = []
    async with real.sandboxes.create(lifetime=60) as sandbox:
        assert await sandbox.is_running()
        await sandbox.files.write("data", local)
        result = await sandbox.commands.run("wc -c < data; echo e >&2", on_stdout=seen.append)
        assert (result.stdout.strip(), result.stderr) == (str(len(DATA)), "e\n")
        assert seen == [result.stdout]
        assert (await sandbox.commands.run("cat", stdin=DATA.hex())).stdout == DATA.hex()
        async with await sandbox.files.read("data", format="stream") as stream:
            assert b"".join([chunk async for chunk in stream]) == DATA
        with pytest.raises(CommandTimeout):
            await sandbox.commands.run("exec sleep 100", timeout=0.1)
    assert not await sandbox.is_running()
    assert await real.sandboxes.list() == []


def idle(client: AsyncNovita) -> set[object]:
    """The connections that wait for a next request. The objects are kept, so that none can look like another."""
    transport: Any = client._core().transport  # pyright: ignore[reportPrivateUsage] - there is no public way to see them
    return {protocol for kept in transport._session.connector._conns.values() for protocol, _ in kept}


async def test_commands_in_turn_share_a_connection(real: AsyncNovita) -> None:
    """A command that has ended gives its connection back, though its stream ends a moment later."""
    async with real.sandboxes.create(lifetime=60) as sandbox:
        before = idle(real)
        for _ in range(10):
            await sandbox.commands.run("true")
        assert idle(real) == before
        assert len(before) == 1


async def test_a_cancelled_command_and_a_cancelled_session_leave_nothing(real: AsyncNovita) -> None:
    async def session() -> None:
        async with real.sandboxes.create(lifetime=60) as sandbox:
            await sandbox.commands.run("echo begun; exec sleep 100", on_stdout=lambda _: begun.set())

    begun = asyncio.Event()
    task = asyncio.create_task(session())
    await begun.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await real.sandboxes.list() == []
