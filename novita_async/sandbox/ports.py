"""The ports of a sandbox: whatever listens inside, reached from outside (contract/sandbox.md 1, 8)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import msgspec

from ..errors import CallTimeout, ConnectionLost, NovitaError, ProtocolError, SandboxEnded, ValidationError
from ..runtime.arguments import call_headers, check_timeout
from ..runtime.call import Auth, Call
from ..runtime.retry import Replay
from ..runtime.served import ServiceAnswer, ServiceSocket

if TYPE_CHECKING:
    from collections.abc import AsyncIterable, Mapping, Sequence

    from ..transport.protocol import WebSocket
    from .envd import Envd

__all__ = ["PortAnswer", "PortSocket", "Ports"]

_PATH = re.compile(r"/[!-~]*")
_TRAFFIC = "e2b-traffic-access-token"
_REPEATABLE = ("GET", "HEAD", "OPTIONS", "PUT", "DELETE")


class PortAnswer(ServiceAnswer, frozen=True):
    """What a service in a sandbox answered. See `ServiceAnswer`."""


class _Refusal(msgspec.Struct):
    """What the platform's edge says when it cannot pass something on."""

    code: int
    sandboxId: str


class Ports:
    """The ports of one sandbox. Neither the API key nor the token of its inside goes to what listens there.

    Args:
        envd: of the sandbox.
        domain: under which its ports have their hosts.
        base_url: one address for all sandboxes and ports, told apart by headers; "" where each port has its own host.
        token: the traffic token; None where ports are open to all.
    """

    def __init__(self, envd: Envd, *, domain: str, base_url: str, token: str | None) -> None:
        self.token = token
        self._envd = envd
        self._domain = domain
        self._base_url = base_url

    def host(self, port: int) -> str:
        """See `Sandbox.host`."""
        if type(port) is not int or not 0 < port < 65536:
            raise ValidationError(f"port must be a number from 1 to 65535, got {port!r}")
        return f"{port}-{self._envd.sandbox_id}.{self._domain}"

    def address(self, port: int, path: str) -> tuple[str, dict[str, str]]:
        """Where a request to a port goes, and the headers that bring it there."""
        host = self.host(port)
        if not isinstance(path, str) or not _PATH.fullmatch(path):  # pyright: ignore[reportUnnecessaryIsInstance] - a caller's
            raise ValidationError(f"path must begin with / and be encoded as in a URL, got {path!r}")
        headers = {_TRAFFIC: self.token} if self.token else {}
        if not self._base_url:
            return f"https://{host}{path}", headers
        routing = {"novita-sandbox-id": self._envd.sandbox_id, "novita-sandbox-port": str(port)}
        return f"{self._base_url}{path}", routing | headers

    async def request(
        self,
        port: int,
        method: str,
        path: str,
        *,
        body: bytes | AsyncIterable[bytes] | None,
        extra_headers: Mapping[str, str] | None,
        timeout: float | None,
    ) -> PortAnswer:
        """See `Sandbox.request`."""
        url, headers = self.address(port, path)
        if not isinstance(method, str) or not method.isalpha():  # pyright: ignore[reportUnnecessaryIsInstance] - a caller's
            raise ValidationError(f"method must be one of HTTP, got {method!r}")
        replay = Replay.SAFE if method.upper() in _REPEATABLE else Replay.SUBMITS
        call = Call(
            method=method.upper(),
            url=url,
            body=body,
            headers=headers | call_headers(extra_headers),
            auth=Auth.LINK,
            replay=replay,
            timeout=check_timeout(timeout),
        )
        answer = await self._envd.request(call)
        return PortAnswer(answer.status, answer.headers, answer.body)

    async def websocket(
        self,
        port: int,
        path: str,
        *,
        subprotocols: Sequence[str],
        extra_headers: Mapping[str, str] | None,
        timeout: float | None,
    ) -> PortSocket:
        """See `Sandbox.websocket`."""
        url, headers = self.address(port, path)
        headers |= call_headers(extra_headers)
        check_timeout(timeout)
        runtime = self._envd.runtime
        runtime.enter()
        if self._envd.killed:
            raise SandboxEnded("killed", sandbox_id=self._envd.sandbox_id)
        url = url.replace("http", "ws", 1)
        scope = runtime.clock.timeout(timeout)
        try:
            async with scope:
                opened = await runtime.transport.websocket(url, headers=headers, subprotocols=tuple(subprotocols))
        except NovitaError as error:
            if _is_from_edge(error):
                raise await self._envd.explain(ConnectionLost(str(error))) from error
            raise await self._envd.explain(error)  # noqa: B904 - it is the error itself, or has it as its cause
        except TimeoutError as error:
            if timeout is None or not scope.expired():
                raise
            raise CallTimeout("total", timeout) from error
        return PortSocket(self._envd, opened)


def _is_from_edge(error: NovitaError) -> bool:
    """Whether there is no websocket because there is no such sandbox, or nothing listens (contract/sandbox.md 9)."""
    try:
        told = msgspec.json.decode(error.body if isinstance(error, ProtocolError) else b"", type=_Refusal)
    except msgspec.DecodeError:
        return False
    return told.code == 502


class PortSocket(ServiceSocket):
    """A websocket to a service in a sandbox. See `ServiceSocket`."""

    def __init__(self, envd: Envd, socket: WebSocket) -> None:
        super().__init__(socket)
        self._envd = envd

    async def send(self, message: str | bytes) -> None:
        """Send a message.

        Raises:
            SandboxEnded: the sandbox is gone or paused.
            SandboxUnreachable: it is said to run, and the connection is closed.
        """
        try:
            await super().send(message)
        except NovitaError as error:
            raise await self._envd.explain(error)  # noqa: B904 - as above

    async def receive(self) -> str | bytes | None:
        """The next message; None when the other side has closed. Raises what `send` raises."""
        try:
            return await super().receive()
        except NovitaError as error:
            raise await self._envd.explain(error)  # noqa: B904 - as above
