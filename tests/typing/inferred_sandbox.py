"""What a type checker makes of `novita.sandboxes`; see `inferred.py`."""
# pyright: reportUnnecessaryTypeIgnoreComment=error, reportUnusedCallResult=false

from __future__ import annotations

import asyncio
import datetime
import pathlib
from typing import TYPE_CHECKING, assert_type

from novita_async.sandbox import (
    Command,
    CommandResult,
    EntryInfo,
    Event,
    Metric,
    Opening,
    Output,
    Sandbox,
    SandboxInfo,
    SandboxStream,
    Snapshot,
    Volume,
    WrittenFile,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from novita_async import AsyncNovita


async def life(novita: AsyncNovita) -> None:
    opening = novita.sandboxes.create("base", lifetime=60, metadata={"a": "b"}, keep_alive=True)
    assert_type(opening, Opening)
    async with opening as one:
        assert_type(one, Sandbox)
        assert_type(await one.info(), SandboxInfo)
        assert_type((await one.info()).end_at, datetime.datetime | None)
        assert_type(await one.is_running(), bool)
    async with await novita.sandboxes.connect("id") as two:
        assert_type(two, Sandbox)
    assert_type(await novita.sandboxes.create(), Sandbox)
    assert_type(await asyncio.create_task(novita.sandboxes.create()), Sandbox)
    assert_type(await novita.sandboxes.kill("id"), bool)
    assert_type(await novita.sandboxes.list(), list[SandboxInfo])
    async for info in novita.sandboxes.list(state=["running"]):
        assert_type(info, SandboxInfo)
    async with novita.sandboxes.create(on_exit="pause", volume_mounts={"/data": "v"}) as three:
        assert_type(await three.clone(count=2), list[Sandbox])
        assert_type(await three.pause(), bool)
        assert_type(await three.snapshot(), Snapshot)
        assert_type(await three.metrics(), list[Metric])
        assert_type((await three.metrics())[0].time, datetime.datetime | None)
        assert_type((await three.request(80, "GET")).text, str)
        async with await three.websocket(80) as socket:
            async for message in socket:
                assert_type(message, str | bytes)
    assert_type(await novita.sandboxes.by_id("id").info(), SandboxInfo)
    async for event in novita.sandboxes.events(names=["create"]):
        assert_type(event, Event)
    async with novita.sandboxes.pool("base", 2, envs={"A": "1"}) as pool, pool.take() as four:
        assert_type(four, Sandbox)
    assert_type(await novita.sandboxes.volumes.create("v"), Volume)
    novita.sandboxes.create(on_exit="stop")  # pyright: ignore[reportArgumentType]
    novita.sandboxes.pool("base", 2, env={"A": "1"})  # pyright: ignore[reportCallIssue]
    await novita.sandboxes.create(life_time=60)  # pyright: ignore[reportCallIssue]
    await novita.sandboxes.create(envs={"A": 1})  # pyright: ignore[reportArgumentType]


async def commands(sandbox: Sandbox, background: bool) -> None:
    async def handler(text: str) -> None:
        print(text)

    run = sandbox.commands.run
    assert_type(await run("ls", on_stdout=print, on_stderr=handler, stdin=b"x", timeout=None), CommandResult)
    assert_type(await run("ls", background=False, check=False), CommandResult)
    async with await run("ls", background=True, stdin=True) as command:
        assert_type(command, Command)
        async for output in command:
            assert_type(output, Output)
            assert_type(output.text, str)
        assert_type(await command.wait(), CommandResult)
        assert_type(await command.kill(), bool)
    await run("ls", stdin=True)  # pyright: ignore[reportArgumentType]
    await run("ls", background=True, on_stdout=print)  # pyright: ignore[reportArgumentType]
    await run(["ls"])  # pyright: ignore[reportArgumentType]


async def files(sandbox: Sandbox, chunks: AsyncIterator[bytes]) -> None:
    read, write = sandbox.files.read, sandbox.files.write
    assert_type(await read("a"), str)
    assert_type(await read("a", format="bytes"), bytes)
    async with await read("a", format="stream") as stream:
        assert_type(stream, SandboxStream[bytes])
        async for chunk in stream:
            assert_type(chunk, bytes)
    assert_type(await write("a", "text"), WrittenFile)
    await write("a", b"bytes")
    await write("a", pathlib.Path("a"))
    await write("a", chunks)
    assert_type(await sandbox.files.list("a", depth=2), list[EntryInfo])
    assert_type(await sandbox.files.stat("a"), EntryInfo)
    assert_type(await sandbox.files.make_dir("a"), bool)
    assert_type(await sandbox.files.rename("a", "b"), EntryInfo)
    await read("a", format="lines")  # pyright: ignore[reportCallIssue, reportArgumentType]
    await write("a", 5)  # pyright: ignore[reportArgumentType]
