"""What programs of the user's own say, in a sandbox, behind an endpoint or on an instance: passed on as it is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

import msgspec

from ..errors import ProtocolError
from .closing import Closing

if TYPE_CHECKING:
    from ..transport.protocol import WebSocket

__all__ = ["ServiceAnswer", "ServiceSocket"]


class ServiceAnswer(msgspec.Struct, frozen=True):
    """What a service answered.

    Attributes:
        status: of HTTP, below 300.
        headers: a mapping that ignores the case of names.
        body: all of it.
    """

    status: int
    headers: Any
    body: bytes

    @property
    def text(self) -> str:
        """The body as text, what is not UTF-8 replaced."""
        return self.body.decode("utf-8", "replace")

    def json(self) -> Any:
        """The body as JSON.

        Raises:
            ProtocolError: it is none.
        """
        try:
            return msgspec.json.decode(self.body)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise ProtocolError(f"the answer is not JSON: {error}", body=self.body) from error


class ServiceSocket(Closing):
    """A websocket to a service: text goes in and out as str, binary as bytes.

    An async iterator of messages, which ends when the other side closes; to be used inside `async with`.

    Attributes:
        subprotocol: the one that the service has chosen.
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
