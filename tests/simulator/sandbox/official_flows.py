"""What the platform's own client is made to do: `python official_flows.py NAME`, its server named by the environment.

A program of its own, because that client leaves its connections open and keeps them in a cache by event loop.
"""

from __future__ import annotations

import asyncio
import inspect
import sys

import novita_sandbox.core as official
import pytest


async def life() -> None:
    sandbox = await official.AsyncSandbox.create(timeout=60, envs={"A": "1"}, metadata={"a b": "c&d"})
    assert await sandbox.is_running()
    await sandbox.set_timeout(120)
    info = await sandbox.get_info()
    assert (info.metadata, info.state.value) == ({"a b": "c&d"}, "running")
    assert 110 < (info.end_at - info.started_at).total_seconds() < 130
    again = await official.AsyncSandbox.connect(sandbox.sandbox_id)
    assert (await again.commands.run("echo same")).stdout == "same\n"
    assert await sandbox.kill() is True
    assert await sandbox.kill() is False
    assert await sandbox.is_running() is False
    with pytest.raises(official.SandboxException):
        await sandbox.commands.run("true")


async def commands() -> None:
    sandbox = await official.AsyncSandbox.create(timeout=60, envs={"A": "1"}, metadata={"a b": "c&d"})
    seen: list[str] = []
    done = await sandbox.commands.run(
        "echo $A $B; echo err >&2; pwd", envs={"B": "2"}, cwd="/tmp", on_stdout=seen.append
    )
    assert (done.stdout.splitlines()[0], done.stderr, done.exit_code) == ("1 2", "err\n", 0)
    assert "".join(seen) == done.stdout
    with pytest.raises(official.CommandExitException) as failed:
        await sandbox.commands.run("echo out; exit 3")
    assert (failed.value.exit_code, failed.value.stdout) == (3, "out\n")
    with pytest.raises(official.TimeoutException):
        await sandbox.commands.run("sleep 60", timeout=0.2)
    with pytest.raises(official.InvalidArgumentException):
        await sandbox.commands.run("true", cwd="/nope")


async def background_commands() -> None:
    sandbox = await official.AsyncSandbox.create(timeout=60, envs={"A": "1"}, metadata={"a b": "c&d"})
    handle = await sandbox.commands.run("read line; echo got $line", background=True, stdin=True)
    assert [process.pid for process in await sandbox.commands.list()] == [handle.pid]
    await handle.disconnect()
    again = await sandbox.commands.connect(handle.pid)
    await sandbox.commands.send_stdin(handle.pid, "hi\n")
    assert (await again.wait()).stdout == "got hi\n"
    handle = await sandbox.commands.run("sleep 60", background=True)
    assert await handle.kill() is True
    with pytest.raises(official.CommandExitException) as killed:
        await handle.wait()
    assert (killed.value.exit_code, killed.value.error) == (-1, "signal: killed")
    assert await sandbox.commands.kill(handle.pid) is False


async def files() -> None:
    sandbox = await official.AsyncSandbox.create(timeout=60, envs={"A": "1"}, metadata={"a b": "c&d"})
    files = sandbox.files
    written = await files.write("notes/a.txt", "h\u00e9llo")
    assert (written.name, written.path) == ("a.txt", "/home/user/notes/a.txt")
    assert await files.read("notes/a.txt") == "h\u00e9llo"
    assert await files.read("notes/a.txt", format="bytes", gzip=True) == "h\u00e9llo".encode()
    both = await files.write_files([{"path": "x", "data": b"1" * 200_000}, {"path": "/tmp/y", "data": b""}])
    assert [entry.path for entry in both] == ["/home/user/x", "/tmp/y"]
    await files.write("x", b"2" * 200_000, gzip=True, use_octet_stream=True)
    assert await files.read("x", format="bytes") == b"2" * 200_000
    assert [entry.name for entry in await files.list("", depth=2)] == ["notes", "a.txt", "x"]
    assert (await files.rename("x", "z")).path == "/home/user/z"
    assert await files.make_dir("d/e") is True
    assert await files.make_dir("d/e") is False
    assert (await files.get_info("z")).size == 200_000
    await files.remove("z")
    assert await files.exists("z") is False
    assert await files.exists("d/e") is True
    with pytest.raises(official.NotFoundException):
        await files.read("z")


async def many_at_once() -> None:
    async def one(number: int) -> str:
        sandbox = await official.AsyncSandbox.create()
        await sandbox.files.write("n", str(number))
        done = await sandbox.commands.run("cat n")
        await sandbox.kill()
        return done.stdout

    assert await asyncio.gather(*map(one, range(8))) == [str(number) for number in range(8)]


def at_once() -> None:
    """The client that does not use asyncio."""
    with official.Sandbox.create(envs={"A": "1"}) as sandbox:
        assert sandbox.commands.run("echo $A").stdout == "1\n"
        sandbox.files.write("a", "text")
        assert sandbox.files.read("a") == "text"
        assert [one.sandbox_id for one in official.Sandbox.list().next_items()] == [sandbox.sandbox_id]


if __name__ == "__main__":
    flow = globals()[sys.argv[1]]
    asyncio.run(flow()) if inspect.iscoroutinefunction(flow) else flow()
