"""A real Jupyter server for each instance that was ordered with one and runs, when the simulator is asked for that.

Each is a process on this machine, as the user who runs the simulator: unlike a sandbox it is kept away from nothing.
It listens on loopback, wants a token that its address tells, and is reached through the simulator. It begins when the
instance is read and ends with the instance, with its next start, and with the simulator, however that ends. What it
keeps ends with it.
"""

from __future__ import annotations

import asyncio
import importlib.util
import os
import secrets
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from ...errors import ConnectionLost, ValidationError
from ...runtime.clock import uninterrupted
from ..router import Refusal
from ..sandbox.held import held
from ..sandbox.proxy import Exchange

if TYPE_CHECKING:
    from ...runtime.clock import Clock
    from ...transport.protocol import Reply
    from ..router import Call, Router
    from .machines import Machine
    from .world import World

__all__ = ["Jupyters"]

_DRIVER = Path(__file__).parent / "drivers" / "jupyter.py"
_START_SECONDS = 60.0
_END_SECONDS = 10.0
_METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
_PREFIX = "/gpu-jupyter"


class _Server:
    """The process of one instance."""

    def __init__(self, machine: Machine, token: str) -> None:
        self.machine = machine
        self.starts = machine.starts
        self.token = token
        self.port = 0
        self.process: asyncio.subprocess.Process | None = None
        self.ready = asyncio.Lock()
        self.exchanges: set[Exchange] = set()

    async def start(self, clock: Clock) -> None:
        async with self.ready:
            if self.port or self.process is not None:
                return
            envs = {each["key"]: each["value"] for each in self.machine.order.envs}
            kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
            base = f"{_PREFIX}/{self.machine.id}/"
            with held(clock):
                self.process = process = await asyncio.create_subprocess_exec(
                    *(sys.executable, "-I", str(_DRIVER), base),
                    stdin=asyncio.subprocess.PIPE,
                    stdout=asyncio.subprocess.PIPE,
                    stderr=asyncio.subprocess.DEVNULL,
                    env={**kept, **envs, "JUPYTER_TOKEN": self.token},
                    start_new_session=True,
                )
                assert process.stdout is not None
                with suppress(TimeoutError):
                    async with clock.timeout(_START_SECONDS):
                        self.port = int(await process.stdout.readline() or b"0")

    def end(self) -> None:
        """Let go of it: it ends by itself then."""
        if self.process is not None and self.process.stdin is not None:
            self.process.stdin.close()

    async def ended(self) -> None:
        async with self.ready:
            self.end()
            if self.process is not None:
                try:
                    async with asyncio.timeout(_END_SECONDS):
                        await self.process.wait()
                except TimeoutError:
                    self.process.kill()
                    await self.process.wait()


class Jupyters:
    """The servers of all instances.

    Args:
        world: whose instances they are for.

    Raises:
        ValidationError: jupyter_server is not installed.
    """

    def __init__(self, world: World) -> None:
        if importlib.util.find_spec("jupyter_server") is None:
            raise ValidationError("gpu_jupyter wants the package jupyter_server: it is in novita-async[simulator]")
        self._world = world
        self._servers: dict[str, _Server] = {}
        self._going: set[_Server] = set()

    def routes(self, router: Router) -> None:
        for method in _METHODS:
            router.add(method, _PREFIX + "/{id}/{rest:path}", self._pass)

    async def address(self, machine: Machine, origin: str) -> str:
        """Where the server of a running instance is, once it is there."""
        self.sweep()
        server = self._servers.get(machine.id)
        if server is None:
            server = self._servers[machine.id] = _Server(machine, secrets.token_hex(24))
        await uninterrupted(server.start(self._world.clock))
        return f"{origin}{_PREFIX}/{machine.id}/lab?token={server.token}" if server.port else ""

    def sweep(self) -> None:
        """End those whose instances run no more, or anew."""
        for id_, server in list(self._servers.items()):
            machine = server.machine
            if machine.starts != server.starts or machine.status(self._world.now) != "running":
                self._going.add(self._servers.pop(id_))
                server.end()
        self._going = {server for server in self._going if server.process and server.process.returncode is None}

    async def aclose(self) -> None:
        """End all of them. Safe to call twice."""
        self._going |= set(self._servers.values())
        self._servers.clear()
        for server in self._going:
            await uninterrupted(server.ended())
        self._going.clear()

    async def _pass(self, call: Call) -> Reply:
        """Pass a request on, and a websocket as well: see the proxy of sandboxes."""
        self.sweep()
        server = self._servers.get(call.params["id"])
        if server is None or not server.port:
            raise Refusal(502, {"code": 502, "message": "no Jupyter server runs there"})
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        except OSError:
            raise Refusal(502, {"code": 502, "message": "the Jupyter server does not answer"}) from None
        exchange = Exchange(cast("Any", _Life(server, self._world.clock)), server.port, reader, writer)
        try:
            exchange.send(call)
            return await exchange.reply(call)
        except BaseException as error:
            await exchange.aclose()
            if isinstance(error, OSError | EOFError | ValueError | asyncio.LimitOverrunError):
                raise ConnectionLost("the Jupyter server broke off") from error
            raise


class _Life:
    """What an exchange wants to know of the one it is with."""

    network = None

    def __init__(self, server: _Server, clock: Clock) -> None:
        self.machine = self
        self.clock = clock
        self.exchanges = server.exchanges

    def closed(self) -> None: ...
