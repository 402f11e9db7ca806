"""`instance.terminal()`: the websocket of version 2's web terminal (contract/gpu.md 5)."""

from __future__ import annotations

from base64 import b64encode
from typing import TYPE_CHECKING, Self

from ..errors import CallTimeout, ValidationError
from ..runtime.arguments import call_headers, check_timeout

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from types import TracebackType

    from ..runtime.call import Runtime
    from ..transport.protocol import WebSocket
    from .types import Terminal

__all__ = ["TerminalSocket", "open_terminal"]


class TerminalSocket:
    """A websocket to an instance's terminal: text goes in and out as str, binary as bytes, as they are on the wire.

    An async iterator of messages, which ends when the other side closes; to be used inside `async with`.

    Attributes:
        subprotocol: the one that the terminal has chosen.
    """

    def __init__(self, socket: WebSocket) -> None:
        self.subprotocol = socket.subprotocol
        self._socket = socket

    async def send(self, message: str | bytes) -> None:
        """Send a message.

        Raises:
            ConnectionLost: the connection is closed.
        """
        await self._socket.send(message)

    async def receive(self) -> str | bytes | None:
        """The next message; None when the other side has closed. Raises what `send` raises."""
        return await self._socket.receive()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> str | bytes:
        message = await self.receive()
        if message is None:
            raise StopAsyncIteration
        return message

    async def aclose(self) -> None:
        """Close it. Safe to call twice."""
        await self._socket.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()


async def open_terminal(
    runtime: Runtime,
    terminal: Terminal | None,
    *,
    subprotocols: Sequence[str],
    extra_headers: Mapping[str, str] | None,
    timeout: float | None,
) -> TerminalSocket:
    """See `Instance.terminal`."""
    address = (terminal and terminal.address) or ""
    if terminal is None or not address:
        raise ValidationError(
            "no web terminal is told of this instance: novita.gpu.v2.instances.set_web_terminal turns it on while the "
            "instance runs, and reading the instance there tells its address"
        )
    if not address.startswith(("ws://", "wss://")):
        raise ValidationError(
            "this address is a page for browsers: version 2, novita.gpu.v2, tells that of a websocket"
        )
    headers: dict[str, str] = {}
    if terminal.username or terminal.password:
        login = f"{terminal.username or ''}:{terminal.password or ''}".encode()
        headers["authorization"] = f"Basic {b64encode(login).decode()}"
    headers |= call_headers(extra_headers)
    check_timeout(timeout)
    runtime.enter()
    scope = runtime.clock.timeout(timeout)
    try:
        async with scope:
            opened = await runtime.transport.websocket(address, headers=headers, subprotocols=tuple(subprotocols))
    except TimeoutError as error:
        if timeout is None or not scope.expired():
            raise
        raise CallTimeout("total", timeout) from error
    return TerminalSocket(opened)
