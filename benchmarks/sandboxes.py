"""Sandboxes on the simulator, by this package and by the platform's own: `python -m benchmarks.sandboxes SPEC`.

The simulator is a process of its own, with the sandboxes below it. What is measured here is the client. `raw` is the
floor again: aiohttp and msgspec by hand, for this one command.
"""

from __future__ import annotations

import asyncio
import gc
import importlib.util
import os
import pathlib
import struct
import sys
import tempfile
import time
from typing import TYPE_CHECKING, Any, Protocol

import msgspec

from .machine import forget_peak, peak_rss, pin, rss

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["SANDBOX_CLIENTS", "SandboxOutcome", "SandboxSpec", "missing"]

_LIFETIME = 600
_WARM_UP = 10  # commands, of each that runs at once
_COMMAND, _OUTPUT = "echo hello", "hello\n"
_BLOCK = 2**20


class SandboxSpec(msgspec.Struct, kw_only=True):
    """What to run.

    Attributes:
        who: the client.
        case: create, command or transfer.
        core: to be pinned to; -1 for none.
        concurrency: commands at once, each in the same sandbox.
        seconds: no command is begun later.
        creates: how many sandboxes are made, one after the other.
        size: bytes that are written, then read.
    """

    who: str
    case: str
    core: int
    concurrency: int
    seconds: float
    creates: int
    size: int


class SandboxOutcome(msgspec.Struct, kw_only=True):
    """What a run came to. Times in seconds, memory in bytes.

    Attributes:
        done: commands, sandboxes made, or bytes in and out.
        wall: from the first to the end of the last; of what is counted in `done` only.
        cpu: of this process in that time, all of its threads, user and system.
        p50: of one of them.
        p99: likewise.
        write_growth: resident memory at the highest, beyond what it was before.
        read_growth: likewise.
        errors: what failed.
        first_error: of which one.
    """

    done: int = 0
    wall: float = 0.0
    cpu: float = 0.0
    p50: float = 0.0
    p99: float = 0.0
    write_growth: int = 0
    read_growth: int = 0
    errors: int = 0
    first_error: str = ""


class Client(Protocol):
    """One client of one package. What `create` gives is handed to the others."""

    async def create(self) -> Any: ...

    async def kill(self, sandbox: Any) -> None: ...

    async def command(self, sandbox: Any) -> str:
        """Run the command to its end; return what it wrote."""
        ...

    async def write(self, sandbox: Any, local: pathlib.Path) -> None:
        """Write a file of this machine to one in the sandbox, as a stream."""
        ...

    async def read(self, sandbox: Any) -> int:
        """Read it back, as a stream; return the number of bytes."""
        ...

    async def aclose(self) -> None: ...


class Raw:
    def __init__(self) -> None:
        import aiohttp

        from novita_async.sandbox.output import Message

        self._url = os.environ["NOVITA_API_URL"]
        self._key = {"X-API-KEY": os.environ["NOVITA_API_KEY"]}
        self._encode = msgspec.json.Encoder().encode
        self._decode = msgspec.json.Decoder(Message).decode
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0), timeout=aiohttp.ClientTimeout(total=None)
        )

    async def create(self) -> dict[str, str]:
        body = {"templateID": "base", "timeout": _LIFETIME, "secure": True}
        async with self._session.post(f"{self._url}/sandboxes", json=body, headers=self._key) as response:
            made = await response.json()
        return {
            "url": f"{self._url}/sandboxes/{made['sandboxID']}",
            "novita-sandbox-id": made["sandboxID"],
            "x-access-token": made["envdAccessToken"],
        }

    async def kill(self, sandbox: dict[str, str]) -> None:
        async with self._session.delete(sandbox["url"], headers=self._key) as response:
            await response.read()

    async def command(self, sandbox: dict[str, str]) -> str:
        message = self._encode({"process": {"cmd": "/bin/bash", "args": ["-l", "-c", _COMMAND]}, "stdin": False})
        body = struct.pack(">BI", 0, len(message)) + message
        output = rest = b""
        headers = {**sandbox, "content-type": "application/connect+json", "connect-protocol-version": "1"}
        async with self._session.post(f"{self._url}/process.Process/Start", data=body, headers=headers) as response:
            async for data in response.content.iter_any():
                rest += data
                while len(rest) >= 5 and len(rest) >= (end := 5 + int.from_bytes(rest[1:5])):
                    if not rest[0] & 2:
                        event = self._decode(rest[5:end]).event
                        output += event.data.stdout if event.data else b""
                    rest = rest[end:]
        return output.decode()

    async def write(self, sandbox: dict[str, str], local: pathlib.Path) -> None:
        headers = {**sandbox, "content-type": "application/octet-stream"}
        with local.open("rb") as file:
            async with self._session.post(f"{self._url}/files?path=big", data=file, headers=headers) as response:
                await response.read()

    async def read(self, sandbox: dict[str, str]) -> int:
        async with self._session.get(f"{self._url}/files?path=big", headers=sandbox) as response:
            return sum([len(chunk) async for chunk in response.content.iter_any()])

    async def aclose(self) -> None:
        await self._session.close()


class Novita:
    def __init__(self) -> None:
        from novita_async import AsyncNovita

        self._novita = AsyncNovita()

    async def create(self) -> Any:
        return await self._novita.sandboxes.create(lifetime=_LIFETIME)

    async def kill(self, sandbox: Any) -> None:
        await sandbox.kill()

    async def command(self, sandbox: Any) -> str:
        return (await sandbox.commands.run(_COMMAND)).stdout

    async def write(self, sandbox: Any, local: pathlib.Path) -> None:
        await sandbox.files.write("big", local)

    async def read(self, sandbox: Any) -> int:
        async with sandbox.files.open("big") as chunks:
            return sum([len(chunk) async for chunk in chunks])

    async def aclose(self) -> None:
        await self._novita.aclose()


class Official:
    """`novita_sandbox`, the platform's own package, its async half."""

    async def create(self) -> Any:
        from novita_sandbox.core import AsyncSandbox

        return await AsyncSandbox.create(timeout=_LIFETIME)

    async def kill(self, sandbox: Any) -> None:
        await sandbox.kill()

    async def command(self, sandbox: Any) -> str:
        return (await sandbox.commands.run(_COMMAND)).stdout

    async def write(self, sandbox: Any, local: pathlib.Path) -> None:
        with local.open("rb") as file:
            await sandbox.files.write("big", file)

    async def read(self, sandbox: Any) -> int:
        chunks = await sandbox.files.read("big", format="stream")
        return sum([len(chunk) async for chunk in chunks])

    async def aclose(self) -> None:
        pass  # its connections end with the process


#: By name, as the driver calls them.
SANDBOX_CLIENTS: dict[str, Callable[[], Client]] = {"raw": Raw, "novita": Novita, "novita-sandbox": Official}


def missing() -> dict[str, str]:
    """The clients that cannot take part here, each with the reason."""
    there = importlib.util.find_spec("novita_sandbox") is not None
    return {} if there else {"novita-sandbox": "the novita-sandbox package is not installed"}


async def run(spec: SandboxSpec) -> SandboxOutcome:
    """Make a sandbox, then measure; kill it in the end."""
    client = SANDBOX_CLIENTS[spec.who]()
    sandbox = await client.create()  # not counted: it loads what the first call loads
    try:
        if spec.case == "create":
            return await _create(client, spec)
        await client.command(sandbox)
        return await (_command if spec.case == "command" else _transfer)(client, sandbox, spec)
    finally:
        await client.kill(sandbox)
        await client.aclose()


async def _create(client: Client, spec: SandboxSpec) -> SandboxOutcome:
    outcome = SandboxOutcome()
    times: list[float] = []
    for _ in range(spec.creates):
        cpu, start = time.process_time(), time.perf_counter()
        sandbox = await client.create()
        times.append(time.perf_counter() - start)
        outcome.cpu += time.process_time() - cpu
        await client.kill(sandbox)
    return _summed(outcome, times, sum(times))


async def _command(client: Client, sandbox: Any, spec: SandboxSpec) -> SandboxOutcome:
    outcome = SandboxOutcome()
    times: list[float] = []

    async def one() -> None:
        start = time.perf_counter()
        try:
            if (output := await client.command(sandbox)) != _OUTPUT:
                raise ValueError(f"the command wrote {output!r}")
        except Exception as error:
            outcome.errors += 1
            outcome.first_error = outcome.first_error or repr(error)
        else:
            times.append(time.perf_counter() - start)

    async def several(until: float) -> None:
        while time.perf_counter() < until:
            await one()

    async def warm_up() -> None:
        for _ in range(_WARM_UP):
            await one()

    at_once = range(spec.concurrency)
    await asyncio.gather(*(warm_up() for _ in at_once))
    times.clear()
    gc.collect()
    cpu, start = time.process_time(), time.perf_counter()
    await asyncio.gather(*(several(start + spec.seconds) for _ in at_once))
    outcome.cpu = time.process_time() - cpu
    return _summed(outcome, times, time.perf_counter() - start)


def _summed(outcome: SandboxOutcome, times: list[float], wall: float) -> SandboxOutcome:
    times.sort()
    outcome.done, outcome.wall = len(times), wall
    if times:
        outcome.p50, outcome.p99 = times[len(times) // 2], times[len(times) * 99 // 100]
    return outcome


async def _transfer(client: Client, sandbox: Any, spec: SandboxSpec) -> SandboxOutcome:
    with tempfile.TemporaryDirectory() as directory:
        local = pathlib.Path(directory, "big")
        _fill(local, _BLOCK)
        await client.write(sandbox, local)
        await client.read(sandbox)
        _fill(local, spec.size)
        cpu, start = time.process_time(), time.perf_counter()
        write_growth = await _growth(lambda: client.write(sandbox, local))
        came: list[int] = []

        async def read() -> None:
            came.append(await client.read(sandbox))

        read_growth = await _growth(read)
        wall, cpu = time.perf_counter() - start, time.process_time() - cpu
    if came != [spec.size]:
        raise ValueError(f"{came} bytes came back of {spec.size}")
    return SandboxOutcome(done=2 * spec.size, wall=wall, cpu=cpu, write_growth=write_growth, read_growth=read_growth)


def _fill(local: pathlib.Path, size: int) -> None:
    with local.open("wb") as file:
        for _ in range(size // _BLOCK):
            file.write(os.urandom(_BLOCK))


async def _growth(work: Callable[[], Any]) -> int:
    """Do something; return by how much the memory of this process was higher meanwhile than before."""
    gc.collect()
    forget_peak()
    before = rss()
    await work()
    return max(0, peak_rss() - before)


if __name__ == "__main__":
    spec = msgspec.json.decode(sys.argv[1], type=SandboxSpec)
    pin(spec.core)
    print(msgspec.json.encode(asyncio.run(run(spec))).decode())
