"""The way out of a sandbox: an HTTP proxy in its network, which its programs are told of by variables.

There is no other way: a program that does not know of proxies reaches nothing. What may be reached is asked for every
connection; the addresses that were looked at are the ones that are connected to, whatever the name leads to by then.

Requests to the hosts of a sandbox's secrets are read where they are HTTPS: in the values of their fields each
placeholder becomes its secret. The server has to prove that it is the host; all else goes through as it is.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from socket import SHUT_WR
from typing import TYPE_CHECKING

import anyio

from .held import held
from .messages import Exchange, Head, Refused, Target
from .ports import readable
from .reach import EVERYTHING, allowed, is_hopeless, resolve
from .wires import begins_tls, connected, read_head, relay, streams

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Sequence

    from ...runtime.clock import Clock
    from .messages import Streams
    from .secrets import Bound

__all__ = ["PORT", "Border", "Egress"]

#: Of the loopback of every sandbox that has a way out.
PORT = 49982

_CONNECTIONS = 256
_QUESTIONS = 8  # to the resolver, at a time
_CONNECT_SECONDS = 30.0
_LEFT_PIECES = 64
#: What programs find it by; the last one lets newer Node.js go by the others.
ENVS = {
    **dict.fromkeys(("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"), f"http://127.0.0.1:{PORT}"),
    **dict.fromkeys(("no_proxy", "NO_PROXY"), "localhost,127.0.0.1,::1"),
    "NODE_USE_ENV_PROXY": "1",
}


class Border:
    """What is decided about a sandbox elsewhere, asked anew for every connection.

    Args:
        rules: what is allowed and what is denied (`reach.allowed`).
        refused: hears of what was not let through.
        secrets: what it has of them.
    """

    def __init__(
        self,
        *,
        rules: Callable[[], tuple[Sequence[str], Sequence[str]]] = lambda: ((), ()),
        refused: Callable[[str], object] = lambda told: None,
        secrets: Bound | None = None,
    ) -> None:
        self.rules = rules
        self.refused = refused
        self.secrets = secrets

    @property
    def is_open(self) -> bool:
        """Whether anything may be reached."""
        allow, deny = self.rules()
        return bool(allow) or EVERYTHING not in deny


class Egress:
    """The proxy of one sandbox, from `go_on` until `aclose`.

    Args:
        listener: listens in its network.

    Attributes:
        envs: what programs find it by.
    """

    def __init__(self, listener: socket.socket, border: Border, clock: Clock, envs: dict[str, str]) -> None:
        self.envs = envs
        self._listener = listener
        self._border = border
        self._clock = clock
        self._accepting: asyncio.Task[None] | None = None
        self._connections: set[asyncio.Task[None]] = set()
        self._places = asyncio.Semaphore(_CONNECTIONS)
        self._questions = anyio.CapacityLimiter(_QUESTIONS)
        self.go_on()

    def go_on(self) -> None:
        """Serve who comes, or has come meanwhile."""
        self._accepting = asyncio.get_running_loop().create_task(self._accept(), name="the way out of a sandbox")

    def cut(self) -> None:
        """Break every connection off, and serve nobody."""
        for task in (self._accepting, *self._connections):
            if task is not None:
                task.cancel()

    async def stop(self) -> None:
        """The same, and wait until it is so."""
        self.cut()
        tasks = [task for task in (self._accepting, *self._connections) if task is not None]
        await asyncio.gather(*tasks, return_exceptions=True)

    async def aclose(self) -> None:
        """End it. Safe to call twice."""
        await self.stop()
        self._listener.close()

    async def _accept(self) -> None:
        while True:
            await self._places.acquire()
            try:
                await readable(self._listener)
                client, _ = self._listener.accept()
            except BaseException as error:
                self._places.release()
                if not isinstance(error, OSError):
                    raise
                await self._clock.sleep(0.1)  # it has left already, or this process has no descriptors left
                continue
            client.setblocking(False)
            task = asyncio.get_running_loop().create_task(self._serve(client))
            self._connections.add(task)
            task.add_done_callback(lambda task, client=client: self._served(task, client))

    def _served(self, task: asyncio.Task[None], client: socket.socket) -> None:
        client.close()
        self._connections.discard(task)
        self._places.release()
        if not task.cancelled() and (error := task.exception()):
            asyncio.get_running_loop().call_exception_handler({"message": "a sandbox's way out", "exception": error})

    async def _serve(self, client: socket.socket) -> None:
        with suppress(OSError, EOFError, ValueError, asyncio.LimitOverrunError):  # one of the two broke off
            try:
                await self._pass(client)
            except Refused as refused:
                loop = asyncio.get_running_loop()
                await loop.sock_sendall(client, refused.answer)
                client.shutdown(SHUT_WR)
                # What it is still sending is read, or it might never look at the answer.
                for _ in range(_LEFT_PIECES):
                    if not await loop.sock_recv(client, 64 * 1024):
                        break

    async def _pass(self, client: socket.socket) -> None:
        try:
            head = Head.parse(await read_head(client))
            target = Target.of(head)
            head.length()
        except ValueError as error:
            raise Refused("400 Bad Request", str(error)) from error
        with await self._reach(target.host, target.port) as upstream:
            if target.path:
                head.ask_for(target)
                async with streams(client) as ours, streams(upstream) as theirs:
                    await Exchange(head, ours, theirs).run()
                    await self._finish(ours)
                return
            await asyncio.get_running_loop().sock_sendall(client, b"HTTP/1.1 200 Connection established\r\n\r\n")
            secrets = self._border.secrets
            authority = await secrets.authority() if secrets is not None and secrets.swaps(target.host) else None
            if secrets is None or authority is None or not await begins_tls(client, upstream):
                await relay(client, upstream)
                return
            context = await self._clock.to_thread(lambda: authority.context(target.host))
            async with streams(client, served_by=context) as ours:
                try:
                    head = await _asked(ours[0], target.host)
                    head.swap(secrets.swaps(target.host))
                    async with streams(upstream, asked_by=authority.outside, host=target.host) as theirs:
                        await Exchange(head, ours, theirs).run()
                except Refused as refused:
                    ours[1].write(refused.answer)
                await self._finish(ours)

    async def _reach(self, host: str, port: int) -> socket.socket:
        """Connect to a host, if it may be reached, at an address that may be."""
        with held(self._clock):
            try:
                async with self._clock.timeout(_CONNECT_SECONDS):
                    rules = self._border.rules()
                    found = [] if is_hopeless(host, *rules) else await resolve(host, self._questions)
                    may = [address for address in found if allowed(host, address, *rules)]
                    if may:
                        return await connected(may, port)
            except (OSError, TimeoutError) as error:
                raise Refused("502 Bad Gateway", f"{host}:{port} does not answer") from error
        if not found and not is_hopeless(host, *rules):
            raise Refused("502 Bad Gateway", f"{host} is not known")
        told = f"{host}:{port} was refused: the rules of this sandbox's network deny it, or it is no public address"
        self._border.refused(told)
        raise Refused("403 Forbidden", told)

    async def _finish(self, ours: Streams) -> None:
        """Let the client have all that was written for it."""
        _, writer = ours
        writer.close()
        with held(self._clock), suppress(OSError):
            await writer.wait_closed()


async def _asked(reader: asyncio.StreamReader, host: str) -> Head:
    """Read a request that is for this host and for no other."""
    try:
        head = Head.parse(await reader.readuntil(b"\r\n\r\n"))
        head.length()
        if not head.is_for(host):
            raise Refused("421 Misdirected Request", f"this connection is for {host} alone")
    except ValueError as error:
        raise Refused("400 Bad Request", str(error)) from error
    return head
