"""HTTP to the ports of sandboxes, as the platform's edge passes it on (contract/sandbox.md 1 and 9)."""

from __future__ import annotations

import hmac
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from ...errors import ConnectionLost
from ...runtime.clock import uninterrupted
from ...transport.protocol import Reply
from ..router import Refusal
from .door import CODE_PORT, PORT, gone

if TYPE_CHECKING:
    import asyncio
    from collections.abc import AsyncIterator

    from ..router import Call
    from .control import Sandboxes
    from .life import Life

__all__ = ["Proxy"]

_OWN = frozenset({PORT, CODE_PORT})  # served by the simulator itself
_TOKEN = "e2b-traffic-access-token"  # noqa: S105 - a header
_ROUTING = frozenset(f"{maker}-sandbox-{what}" for maker in ("novita", "e2b") for what in ("id", "port"))
#: Of one connection only, or the edge's own.
_NOT_PASSED_ON = _ROUTING | {"connection", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade", _TOKEN}
_PIECE = 64 * 1024


class Proxy:
    """Passes requests on to whatever listens on a port of a sandbox.

    A port is named by the host `{port}-{id}.{domain}` or, on one base URL for all, by the headers `Novita-Sandbox-Id`
    and `Novita-Sandbox-Port`.
    """

    def __init__(self, sandboxes: Sandboxes) -> None:
        self._sandboxes = sandboxes

    def takes(self, call: Call) -> bool:
        """Whether a request is for a port that the sandbox's own programs serve."""
        port, _ = _target(call)
        return port.isdecimal() and 0 < int(port) < 65536 and port not in _OWN

    async def __call__(self, call: Call) -> Reply:
        """Answer it.

        Raises:
            ConnectionLost: the server inside broke off.
        """
        try:
            life = await self._enter(call)
        except Refusal as refusal:
            return refusal.reply
        port = int(_target(call)[0])
        life.opened()
        try:
            reader, writer = await life.machine.connect_port(port)
        except OSError:
            life.closed()
            told = {"sandboxId": life.id, "message": "The sandbox is running but port is not open", "port": port}
            return Refusal(502, {**told, "code": 502}).reply
        exchange = _Exchange(life, reader, writer)
        try:
            await exchange.send(call, _host(call, life, port))
            return await exchange.reply(call.method)
        except BaseException as error:
            await exchange.aclose()
            if isinstance(error, OSError | EOFError | ValueError):
                raise ConnectionLost("what listens in the sandbox broke off") from error
            raise

    async def _enter(self, call: Call) -> Life:
        sandbox_id = _target(call)[1]
        life = self._sandboxes.life(sandbox_id)
        if life is not None and life.state == "paused" and life.auto_resume:
            await uninterrupted(self._sandboxes.wake(life, life.order.timeout))
        if life is None or life.state != "running":
            raise gone(sandbox_id)
        if life.traffic_token is not None:
            given = call.headers.get(_TOKEN, "")
            if not hmac.compare_digest(given.encode(), life.traffic_token.encode()):
                told = "the traffic access token is missing or wrong"
                raise Refusal(403, {"sandboxId": sandbox_id, "message": told, "code": 403})
        return life


class _Exchange:
    """One request over one connection, which ends with it. Iterates over the answer's body."""

    def __init__(self, life: Life, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._life = life
        self._reader = reader
        self._writer = writer
        self._open = True
        self._body: AsyncIterator[bytes] | None = None

    async def send(self, call: Call, host: str) -> None:
        parts = urlsplit(call.request.url)
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        headers = {name.lower(): value for name, value in call.headers.items()}
        headers = {name: value for name, value in headers.items() if name not in _NOT_PASSED_ON}
        headers |= {"host": host, "connection": "close"}
        body = call.request.body
        chunked = body is not None and "content-length" not in headers and not isinstance(body, bytes)
        if chunked:
            headers["transfer-encoding"] = "chunked"
        elif isinstance(body, bytes):
            headers["content-length"] = str(len(body))
        lines = [f"{call.method} {target} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items())]
        self._writer.write(("\r\n".join(lines) + "\r\n\r\n").encode("latin-1"))
        async for chunk in call.chunks():
            if chunk:
                self._writer.write(b"%x\r\n%b\r\n" % (len(chunk), chunk) if chunked else chunk)
                await self._writer.drain()
        if chunked:
            self._writer.write(b"0\r\n\r\n")
        await self._writer.drain()

    async def reply(self, method: str) -> Reply:
        while True:
            head = (await self._reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
            status = int(head[0].split(" ", 2)[1])
            if status >= 200:
                break
        headers: dict[str, str] = {}
        for line in filter(None, head[1:]):
            name, _, value = line.partition(":")
            name = name.strip().lower()
            headers[name] = f"{headers[name]}, {value.strip()}" if name in headers else value.strip()
        encoding = headers.get("transfer-encoding", "").lower()
        passed = {name: value for name, value in headers.items() if name not in _NOT_PASSED_ON}
        if method == "HEAD" or status in (204, 304) or headers.get("content-length") == "0":
            await self.aclose()
            return Reply(status, passed, b"")
        length = None if encoding.endswith("chunked") else headers.get("content-length")
        self._body = self._chunks() if encoding.endswith("chunked") else self._counted(length and int(length))
        return Reply(status, passed, self)

    async def _counted(self, left: int | str | None) -> AsyncIterator[bytes]:
        assert not isinstance(left, str)
        while left is None or left:
            piece = await self._reader.read(_PIECE if left is None else min(left, _PIECE))
            if not piece:
                if left is None:
                    return
                raise EOFError(f"{left} bytes are missing")
            left = None if left is None else left - len(piece)
            yield piece

    async def _chunks(self) -> AsyncIterator[bytes]:
        while size := int((await self._reader.readline()).partition(b";")[0] or b"!", 16):
            while size:
                piece = await self._reader.read(min(size, _PIECE))
                if not piece:
                    raise EOFError("a chunk is not whole")
                size -= len(piece)
                yield piece
            await self._reader.readexactly(2)

    def __aiter__(self) -> _Exchange:
        return self

    async def __anext__(self) -> bytes:
        assert self._body is not None
        try:
            return await anext(self._body)
        except (OSError, EOFError, ValueError) as error:
            await self.aclose()
            raise ConnectionLost("what listens in the sandbox broke off") from error
        except BaseException:
            await self.aclose()
            raise

    async def aclose(self) -> None:
        """Close the connection. Safe to call twice."""
        if self._open:
            self._open = False
            self._life.closed()
            self._writer.close()


def _target(call: Call) -> tuple[str, str]:
    """The port and the sandbox that a request names, or ""."""
    headers = call.headers
    port = headers.get("novita-sandbox-port") or headers.get("e2b-sandbox-port")
    sandbox_id = headers.get("novita-sandbox-id") or headers.get("e2b-sandbox-id")
    if port and sandbox_id:
        return port, sandbox_id
    port, _, sandbox_id = call.origin.partition("://")[2].partition(".")[0].partition("-")
    return (port, sandbox_id) if sandbox_id else ("", "")


def _host(call: Call, life: Life, port: int) -> str:
    mask = life.network.maskRequestHost if life.network is not None else None
    return mask.replace("${PORT}", str(port)) if mask else call.headers.get("host", f"localhost:{port}")
