"""Directories under watch: in the simulator, and when the stream breaks."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from fake_platform import finished, not_there

from novita_async.errors import BadRequest, ClientClosed, NotFound, SandboxEnded, SandboxUnreachable, ValidationError
from novita_async.sandbox import WatchEvent
from novita_async.transport.protocol import Reply
from novita_async.wire.connect import ConnectDecoder, envelope

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from fake_platform import Platform

    from novita_async import AsyncNovita
    from novita_async.sandbox import FileWatch, Sandbox
    from novita_async.testing.clock import JumpClock
    from novita_async.transport.protocol import Request

pytestmark = pytest.mark.filterwarnings("ignore::novita_async.simulator.sandbox.IsolationWarning")


@pytest.fixture
async def sandbox(novita: AsyncNovita) -> AsyncIterator[Sandbox]:
    async with novita.sandboxes.create(lifetime=3600) as sandbox:
        yield sandbox


async def until(changes: FileWatch, name: str, type_: str) -> list[WatchEvent]:
    seen: list[WatchEvent] = []
    async with asyncio.timeout(20):
        while WatchEvent(name, type_) not in seen:
            seen.append(await anext(changes))
    return seen


# ----------------------------------------------------------------------------------------- in the simulator


async def test_changes_come_from_the_moment_the_block_is_entered(sandbox: Sandbox) -> None:
    await sandbox.files.make_dir("d")
    async with sandbox.files.watch("d") as changes:
        await sandbox.files.write("d/a", "text")
        assert await until(changes, "a", "write") == [
            *(WatchEvent("a", "create"), WatchEvent("a", "chmod"), WatchEvent("a", "write"))
        ]
        await sandbox.files.rename("d/a", "d/b")
        await sandbox.commands.run("chmod 600 d/b; rm d/b")
        assert [change.type for change in await until(changes, "b", "remove")] == [
            *("rename", "create", "chmod", "remove")
        ]


async def test_below_it_only_when_asked(sandbox: Sandbox) -> None:
    await sandbox.files.make_dir("d/e")
    async with sandbox.files.watch("d") as flat, sandbox.files.watch("d", recursive=True) as deep:
        await sandbox.files.write("d/e/a", "text")
        await sandbox.files.write("d/end", "text")
        assert WatchEvent("e/a", "write") in await until(deep, "end", "create")
        assert all("/" not in change.name for change in await until(flat, "end", "create"))


async def test_what_cannot_be_watched_is_refused_at_the_door(sandbox: Sandbox) -> None:
    await sandbox.files.write("file", "text")
    with pytest.raises(NotFound):
        async with sandbox.files.watch("nope"):
            pass
    with pytest.raises(BadRequest):
        async with sandbox.files.watch("file"):
            pass


async def test_a_watch_ends_with_its_sandbox(sandbox: Sandbox) -> None:
    async with sandbox.files.watch("/home/user") as changes:
        await sandbox.kill()
        with pytest.raises(SandboxEnded):
            await anext(changes)


# --------------------------------------------------------------------------------------- on a played platform


def told(**fields: Any) -> bytes:
    return envelope(msgspec.json.encode(fields))


def play(platform: Platform, *chunks: bytes, hang: bool = False) -> None:
    async def body() -> AsyncIterator[bytes]:
        for chunk in chunks:
            yield chunk
        if hang:
            await asyncio.Event().wait()

    async def answer(_: Request) -> Reply:
        return Reply(200, {"content-type": "application/connect+json"}, body())

    platform.routes["POST /filesystem.Filesystem/WatchDir"] = answer


async def test_what_is_sent_is_what_the_contract_says(client: AsyncNovita, platform: Platform) -> None:
    unknown = told(filesystem={"name": "b", "type": "EVENT_TYPE_ACCESS", "more": 1})
    play(platform, told(start={}), told(keepalive={}), told(filesystem={"name": "a"}), unknown, hang=True)
    async with client.sandboxes.create() as sandbox, sandbox.files.watch("~/d", recursive=True, user="root") as changes:
        assert await anext(changes) == WatchEvent("a", "")
        assert await anext(changes) == WatchEvent("b", "access")
    (request,) = platform.sent("POST", "/WatchDir")
    assert isinstance(request.body, bytes)
    assert msgspec.json.decode(ConnectDecoder().feed(request.body)[0].payload) == {"path": "~/d", "recursive": True}
    assert request.headers["keepalive-ping-interval"] == "20"
    assert "connect-timeout-ms" not in request.headers


async def test_a_bad_path_is_refused_before_a_byte_leaves(client: AsyncNovita, platform: Platform) -> None:
    async with client.sandboxes.create() as sandbox:
        sent = len(platform.requests)
        for path in ("", "a\0b", 3):
            with pytest.raises(ValidationError):
                sandbox.files.watch(path)  # pyright: ignore[reportArgumentType] - that is the point
        assert len(platform.requests) == sent


async def test_a_dead_peer_is_noticed_within_forty_seconds(
    client: AsyncNovita, platform: Platform, clock: JumpClock
) -> None:
    play(platform, told(start={}), hang=True)
    async with client.sandboxes.create() as sandbox, sandbox.files.watch("d") as changes:
        began = clock.monotonic()
        for _ in range(2):
            with pytest.raises(SandboxUnreachable):
                await anext(changes)
        assert clock.monotonic() - began == pytest.approx(40)
        assert platform.status_reads == 1


async def test_a_stream_that_ends_by_itself_is_explained(client: AsyncNovita, platform: Platform) -> None:
    play(platform, told(start={}), finished())
    async with client.sandboxes.create() as sandbox, sandbox.files.watch("d") as changes:
        platform.state = "paused"
        with pytest.raises(SandboxEnded, match="paused"):
            await anext(changes)


async def test_a_sandbox_that_is_not_there_is_told_at_the_door(client: AsyncNovita, platform: Platform) -> None:
    async def gone(_: Request) -> Reply:
        return not_there()

    platform.routes["POST /filesystem.Filesystem/WatchDir"] = gone
    async with client.sandboxes.create() as sandbox:
        platform.state = None
        with pytest.raises(SandboxEnded):
            async with sandbox.files.watch("d"):
                pass


async def test_outside_of_its_block_there_is_nothing_to_read(client: AsyncNovita, platform: Platform) -> None:
    play(platform, told(start={}), hang=True)
    async with client.sandboxes.create() as sandbox:
        changes = sandbox.files.watch("d")
        with pytest.raises(ClientClosed, match="not open"):
            await anext(changes)
        async with aclosing(changes), changes:
            pass
        with pytest.raises(ClientClosed, match="not open"):
            await anext(changes)
