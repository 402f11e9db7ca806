"""A Jupyter server as its clients see it: kernels over REST, and the websocket to one of them."""

from __future__ import annotations

import re
from contextlib import suppress
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, quote, urlsplit
from uuid import uuid4

from ..errors import (
    APIError,
    CallTimeout,
    ClientClosed,
    ConnectionLost,
    NotFound,
    ProtocolError,
    StreamCut,
    TransportError,
    ValidationError,
)
from ..runtime.arguments import call_headers, check_timeout, json_body, with_query
from ..runtime.attempts import Attempts
from ..runtime.call import Auth, Call, read_answer
from ..runtime.retry import Replay, delays
from ..runtime.undo import or_undo
from ..wire.json import Object
from ..wire.jupyter import FRAMED, pack, unpack

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ..runtime.call import Answer, Runtime
    from ..transport.protocol import WebSocket
    from ..wire.jupyter import KernelMessage

__all__ = ["JupyterServer", "KernelData", "KernelSocket"]

_PAGES = re.compile(r"/(?:lab|tree|notebooks?|doc)(?:/.*)?$")  # of its own, where an address may point
_QUIET_SECONDS = 1.0
_NUDGE_SECONDS = 5.0
_GRACE_SECONDS = 0.1
_GRACES = 3


class KernelData(Object):
    """A kernel as the server lists it."""

    id: str = ""
    name: str = ""
    execution_state: str | None = None
    connections: int = 0


class JupyterServer:
    """The server on an instance. It gets its own token, and nothing of the API key.

    Args:
        runtime: the client's.
        address: as the platform tells it, with a token in its query or without.
        token: in place of that one; "" for none.
        extra_headers: for every request to it.
    """

    def __init__(
        self, runtime: Runtime, address: str, *, token: str | None, extra_headers: Mapping[str, str] | None
    ) -> None:
        parts = urlsplit(address)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValidationError(f"a Jupyter server is at an http or https address, not {address.partition('?')[0]!r}")
        self.runtime = runtime
        self.url = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{_PAGES.sub('', parts.path).rstrip('/')}"
        token = next(iter(parse_qs(parts.query).get("token", [])), "") if token is None else token
        self._headers = call_headers(extra_headers)
        if token:
            self._headers = {**call_headers({"authorization": f"token {token}"}), **self._headers}
        else:  # a server without a login lets a page write that can show its own cookie
            mark = uuid4().hex
            self._headers = {"cookie": f"_xsrf={mark}", "x-xsrftoken": mark, **self._headers}

    async def start_kernel(self, name: str | None, path: str | None, *, timeout: float | None) -> KernelData:
        """Start a kernel; a caller that is cancelled meanwhile leaves none behind."""
        body: dict[str, Any] = {} if name is None else {"name": name}
        call = self._call("POST", "", {**body, **({} if path is None else {"path": path})}, timeout=timeout)
        call.replay = Replay.SUBMITS
        attempts = Attempts(self.runtime, call)

        async def work() -> KernelData:
            return self._read(await attempts.run(read_answer))

        async def undo(kernel: KernelData) -> None:
            await self.delete(kernel.id, timeout=None)

        return await or_undo(self.runtime.clock, attempts, work(), undo)

    async def get(self, kernel_id: str, *, timeout: float | None = None) -> KernelData:
        """Read what the server says of a kernel."""
        return self._read(await self.runtime.request(self._call("GET", f"/{quote(kernel_id)}", timeout=timeout)))

    async def act(self, kernel_id: str, verb: str, *, timeout: float | None) -> None:
        """Interrupt or restart a kernel."""
        call = self._call("POST", f"/{quote(kernel_id)}/{verb}", {}, timeout=timeout)
        if verb == "restart":
            call.replay = Replay.SUBMITS
        await self.runtime.request(call)

    async def delete(self, kernel_id: str, *, timeout: float | None) -> None:
        """End a kernel, when it is there."""
        with suppress(NotFound):
            await self.runtime.request(self._call("DELETE", f"/{quote(kernel_id)}", timeout=timeout))

    async def connect(self, kernel_id: str, session: str) -> WebSocket:
        """Open the websocket to a kernel."""
        self.runtime.enter()
        url = f"{self.url.replace('http', 'ws', 1)}/api/kernels/{quote(kernel_id)}/channels"
        url = with_query(url, session_id=session)
        return await self.runtime.transport.websocket(url, headers=self._headers, subprotocols=(FRAMED,))

    def _read(self, answer: Answer) -> KernelData:
        kernel = self.runtime.decode(answer, KernelData)
        if not kernel.id:
            raise ProtocolError("the Jupyter server told no kernel", body=answer.body)
        return kernel

    def _call(self, method: str, path: str, body: dict[str, Any] | None = None, *, timeout: float | None) -> Call:
        return Call(
            method=method,
            url=f"{self.url}/api/kernels{path}",
            body=None if body is None else json_body(body),
            headers=self._headers,
            auth=Auth.LINK,
            timeout=check_timeout(timeout),
        )


class KernelSocket:
    """The websocket to a kernel, opened again when it drops. It is read by one task at a time."""

    def __init__(self, server: JupyterServer, kernel_id: str) -> None:
        self._server = server
        self._kernel_id = kernel_id
        # The server keeps what a kernel says for the session that it was said to.
        self._session = uuid4().hex
        self._count = 0
        self._socket: WebSocket | None = None
        self._heard = 0.0
        self._doubted = False  # the kernel was started anew, and what is sent before it answers may get lost
        self._closed = False

    async def open(self) -> WebSocket:
        """Open it, unless it is open.

        Raises:
            ClientClosed: it was closed.
        """
        if self._closed:
            raise ClientClosed("the connection to this kernel was closed")
        if self._socket is None:
            self._socket = await self._server.connect(self._kernel_id, self._session)
            self._heard = self._server.runtime.clock.monotonic()
        return self._socket

    async def awake(self) -> None:
        """Open it, or see whether it is still there: what is sent into one that is not may be lost."""
        clock = self._server.runtime.clock
        if not self._doubted and (self._socket is None or clock.monotonic() - self._heard < _QUIET_SECONDS):
            await self.open()
            return
        while True:
            scope = clock.timeout(_NUDGE_SECONDS if self._doubted else None)
            try:
                async with scope:
                    id_ = self.new_id()
                    await self.send(id_, "kernel_info_request", {})
                    while (message := await self.receive()) is not None and message.parent != id_:
                        pass
            except TimeoutError:
                if not scope.expired():
                    raise
                await self._let_go()  # the request was lost with the old process, or the new one listens elsewhere
            else:
                self._doubted = False
                return

    def new_id(self) -> str:
        """An id for a message."""
        self._count += 1
        return f"{self._session}_{self._count}"

    async def send(self, id_: str, type_: str, content: dict[str, Any]) -> None:
        """Send a request. One that cannot be sent because the connection dropped is lost: `receive` tells that."""
        socket = await self.open()
        data = pack("shell", id_, type_, content, session=self._session, framed=socket.subprotocol == FRAMED)
        with suppress(ConnectionLost):  # whoever reads next is told, and opens it again
            await socket.send(data)

    async def receive(self) -> KernelMessage | None:
        """The next message; None when the connection dropped and is there again.

        Raises:
            StreamCut: it cannot be opened again.
        """
        socket = await self.open()
        try:
            data = await socket.receive()
        except ConnectionLost:
            data = None
        if data is not None:
            self._heard = self._server.runtime.clock.monotonic()
            message = unpack(data, framed=socket.subprotocol == FRAMED)
            self._doubted = self._doubted or message.restarts
            return message
        await self._open_again()
        return None

    async def _open_again(self) -> None:
        await self._let_go()
        runtime = self._server.runtime
        policy = runtime.settings.retry
        waits = delays(policy)
        for attempt in range(1, policy.attempts + 1):
            try:
                await self._be_noticed()
                await self.open()
            except NotFound as error:
                raise StreamCut("the kernel is gone") from error
            except (TransportError, ProtocolError, CallTimeout, APIError) as error:
                if attempt == policy.attempts or isinstance(error, APIError):  # that one was repeated already
                    raise StreamCut(f"the connection to the kernel cannot be made again: {error}") from error
                await runtime.naps.take(next(waits))
            else:
                return

    async def _be_noticed(self) -> None:
        """Wait until the server knows that this client was away: until then it keeps nothing for it. It may have
        other clients, so not for long.

        When a kernel is idle, the server tries its channels before it gives what it has kept, and what the kernel says
        just then goes under. So one that is about to begin gets the time for it, and one that has ended to tell all.
        """
        noticed = False
        for _ in range(_GRACES):
            kernel = await self._server.get(self._kernel_id)
            if not kernel.connections and (noticed or kernel.execution_state == "busy"):
                return
            noticed = not kernel.connections
            await self._server.runtime.naps.take(_GRACE_SECONDS)

    async def _let_go(self) -> None:
        socket, self._socket = self._socket, None
        if socket is not None:
            await socket.aclose()

    async def aclose(self) -> None:
        """Close it. What the server keeps for it is kept. Safe to call twice."""
        self._closed = True
        await self._let_go()
