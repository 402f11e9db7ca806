"""HTTP and websockets to the ports of sandboxes, as the platform's edge passes them on (contract/sandbox.md 1 and 9).

A websocket is a request for an upgrade that is answered with 101: from then on the bytes of the request's body go in as
they come and those of the answer's body out, and what they mean is between the two ends.
"""

from __future__ import annotations

import asyncio
import hmac
from contextlib import ExitStack
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from ...errors import ConnectionLost
from ...runtime.clock import uninterrupted
from ...transport.protocol import Reply, close_source
from ..router import Refusal
from .door import CODE_PORT, PORT, gone
from .held import held

if TYPE_CHECKING:
    from collections.abc import AsyncIterable, AsyncIterator, Iterator

    from ..router import Call
    from .control import Sandboxes
    from .life import Life

__all__ = ["Exchange", "Proxy"]

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
            exchange = await self._connect(life, int(_target(call)[0]))
        except Refusal as refusal:
            return refusal.reply
        try:
            exchange.send(call)
            return await exchange.reply(call)
        except BaseException as error:
            await exchange.aclose()
            if isinstance(error, OSError | EOFError | ValueError | asyncio.LimitOverrunError):
                raise ConnectionLost("what listens in the sandbox broke off") from error
            raise

    async def _enter(self, call: Call) -> Life:
        sandbox_id = _target(call)[1]
        life = self._sandboxes.life(sandbox_id)
        if life is None or (life.state == "paused" and not life.auto_resume):
            raise gone(sandbox_id)
        if life.traffic_token is not None:
            given = call.headers.get(_TOKEN, "")
            if not hmac.compare_digest(given.encode(), life.traffic_token.encode()):
                told = "the traffic access token is missing or wrong"
                raise Refusal(403, {"sandboxId": sandbox_id, "message": told, "code": 403})
        if life.state == "paused":
            await uninterrupted(self._sandboxes.wake(life, life.order.timeout))
        return life

    async def _connect(self, life: Life, port: int) -> Exchange:
        naps = life.naps
        life.opened()
        try:
            reader, writer = await life.machine.connect_port(port)
        except BaseException as error:
            life.closed()
            if not isinstance(error, OSError):
                raise
            if life.machine.ended or life.naps != naps:
                raise gone(life.id) from error
            told = {"sandboxId": life.id, "message": "The sandbox is running but port is not open", "port": port}
            raise Refusal(502, {**told, "code": 502}) from error
        exchange = Exchange(life, port, reader, writer)
        if life.machine.ended or life.naps != naps:
            await exchange.aclose()
            raise gone(life.id)
        return exchange


class Exchange:
    """One request over one connection, which ends with it. Iterates over the answer's body.

    A clock that jumps stands still as long as it is open: what it waits for is a real process.
    """

    def __init__(self, life: Life, port: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._life = life
        self._port = port
        self._reader = reader
        self._writer = writer
        self._open = ExitStack()
        self._open.enter_context(held(life.machine.clock))
        self._open.callback(writer.close)
        self._open.callback(life.closed)
        self._open.callback(life.exchanges.discard, self)
        self._body: AsyncIterator[bytes] | None = None
        self._going_in: asyncio.Task[None] | None = None
        life.exchanges.add(self)

    def send(self, call: Call) -> None:
        """Pass the request on. Its body goes in while the answer comes out; that of an upgrade, once it is granted."""
        parts = urlsplit(call.request.url)
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        headers = {name.lower(): value for name, value in call.headers.items()}
        headers = {name: value for name, value in headers.items() if name not in _NOT_PASSED_ON}
        headers |= {"host": _host(call, self._life, self._port), "connection": "close"}
        body = call.request.body
        if _is_upgrade(call):
            headers |= {"connection": "Upgrade", "upgrade": "websocket"}
            body = None
        chunked = body is not None and "content-length" not in headers and not isinstance(body, bytes)
        if chunked:
            headers["transfer-encoding"] = "chunked"
        elif isinstance(body, bytes):
            headers["content-length"] = str(len(body))
        lines = [f"{call.method} {target} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items())]
        self._writer.write(("\r\n".join(lines) + "\r\n\r\n").encode("latin-1"))
        if body is not None:
            self._pass_in(call.chunks(), chunked=chunked)

    def _pass_in(self, source: AsyncIterable[bytes], *, chunked: bool) -> None:
        self._going_in = asyncio.get_running_loop().create_task(self._upload(source, chunked))

    async def _upload(self, source: AsyncIterable[bytes], chunked: bool) -> None:
        try:
            async for chunk in source:
                if chunk:
                    self._writer.write(b"%x\r\n%b\r\n" % (len(chunk), chunk) if chunked else chunk)
                    try:
                        await self._writer.drain()
                    except OSError:
                        return  # it reads no more, and may have answered all the same
            if chunked:
                self._writer.write(b"0\r\n\r\n")
        except Exception as error:
            self._reader.set_exception(error)  # who waits for the answer is told

    async def reply(self, call: Call) -> Reply:
        """The head of the answer, with this exchange as its body."""
        while True:
            head = (await self._reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
            status = int(head[0].split(" ", 2)[1])
            if status >= 200 or (status == 101 and _is_upgrade(call)):
                break
        headers: dict[str, str] = {}
        for line in filter(None, head[1:]):
            name, _, value = line.partition(":")
            name = name.strip().lower()
            if name == "set-cookie":
                # The only one that cannot be joined with commas. A dict has room for it once in each spelling.
                name = next(each for each in _spellings(name) if each not in headers)
            headers[name] = f"{headers[name]}, {value.strip()}" if name in headers else value.strip()
        encoding = headers.get("transfer-encoding", "").lower()
        passed = {name: value for name, value in headers.items() if name not in _NOT_PASSED_ON}
        if status == 101:
            self._body = self._tunnel(call.request.body)
            return Reply(101, passed | {"connection": "Upgrade", "upgrade": "websocket"}, self)
        if call.method == "HEAD" or status in (204, 304) or headers.get("content-length") == "0":
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

    async def _tunnel(self, source: bytes | AsyncIterable[bytes] | None) -> AsyncIterator[bytes]:
        assert source is not None
        assert not isinstance(source, bytes)  # it comes when this is read, and not before
        self._pass_in(source, chunked=False)
        async for piece in self._counted(None):
            yield piece

    def __aiter__(self) -> Exchange:
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

    def break_off(self) -> None:
        """Break the connection; whoever reads or waits for the answer is told."""
        self._reader.set_exception(ConnectionResetError("the sandbox was paused or has ended"))
        self._writer.transport.abort()

    async def aclose(self) -> None:
        """Close the connection. Safe to call twice."""
        self._open.close()
        if self._body is not None:
            await close_source(self._body)
        if self._going_in is not None:
            self._going_in.cancel()
            await asyncio.wait([self._going_in])


def _spellings(name: str) -> Iterator[str]:
    """A name in lower case, and then with more and more of its letters in upper case."""
    for number in range(2 ** len(name)):
        yield "".join(letter.upper() if number >> place & 1 else letter for place, letter in enumerate(name))


def _is_upgrade(call: Call) -> bool:
    return call.headers.get("upgrade", "").lower() == "websocket"


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
