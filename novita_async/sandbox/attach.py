"""Streams of processes in a sandbox, opened by Start or Connect, held to their signs of life (envd/process.proto)."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Literal

from ..errors import NotFound, StreamCut
from ..runtime.arguments import json_body
from ..runtime.attempts import Attempts
from ..runtime.retry import Replay
from ..wire.connect import envelope
from .envd import ConnectReader
from .output import Message

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ..transport.protocol import Response
    from .envd import Envd, SandboxStream

__all__ = ["KEEPALIVE_INTERVAL", "KEEPALIVE_LIMIT", "LATE", "ProcessRef", "attach", "attempts_of", "start_of"]

#: Seconds of silence after which a running command's stream is asked to say that it is alive.
KEEPALIVE_INTERVAL = 20
#: Seconds without output or sign of life after which a sandbox counts as out of reach: two signs are missing.
KEEPALIVE_LIMIT = 2.0 * KEEPALIVE_INTERVAL
#: Seconds that a command's deadline is held longer here than in the sandbox, which is to be the one that ends it.
LATE = 2.0

_INPUT_SIZE = 256 * 1024  # bytes of input for one call


def attempts_of(
    envd: Envd,
    method: str,
    message: Mapping[str, Any],
    *,
    user: str | None,
    replay: Replay,
    limit: float,
    timeout: float | None = None,
) -> Attempts:
    """A call of the Process service that answers with a stream, not sent yet.

    Args:
        envd: of the sandbox.
        method: "Start" or "Connect".
        message: what it is sent.
        user: the Linux user that acts.
        replay: as of `Call`.
        limit: seconds for one attempt to be answered.
        timeout: seconds after which the sandbox ends the stream, and kills what Start began; None for never.
    """
    headers = {
        "content-type": "application/connect+json",
        "connect-protocol-version": "1",
        "connect-content-encoding": "identity",
        "keepalive-ping-interval": str(KEEPALIVE_INTERVAL),
    }
    if timeout is not None:
        headers["connect-timeout-ms"] = str(math.ceil(timeout * 1000))
    body = envelope(json_body(message))
    call = envd.call(
        "POST", f"/process.Process/{method}", body=body, headers=headers, user=user, replay=replay, attempt=limit
    )
    return Attempts(envd.runtime, call)


async def attach(envd: Envd, attempts: Attempts, *, limit: float) -> SandboxStream[Message]:
    """Make such a call. Its first event is due within `limit` seconds, the others within KEEPALIVE_LIMIT."""

    def reader(response: Response) -> ConnectReader[Message]:
        return ConnectReader(envd.runtime, response, Message)

    return await envd.open(attempts, reader, first_event=limit, idle=KEEPALIVE_LIMIT)


async def start_of(envd: Envd, stream: SandboxStream[Message]) -> int:
    """Read a stream up to its first event, the start of its process; return the pid."""
    async for message in stream:
        if message.event.start is not None:
            return message.event.start.pid
    raise await envd.explain(StreamCut("the stream ended before its command began"))


class ProcessRef:
    """A process of a sandbox, to be told things.

    Args:
        envd: of its sandbox.
        pid: its process id.
        user: the Linux user that acts.
    """

    def __init__(self, envd: Envd, pid: int, user: str | None) -> None:
        self.pid = pid
        self._envd = envd
        self._user = user

    async def signal(self, name: str, *, timeout: float | None) -> bool:
        """Send a signal, SIGNAL_SIGKILL or SIGNAL_SIGTERM; False when it had ended already."""
        try:
            await self._tell("SendSignal", {"signal": name}, Replay.SAFE, timeout)
        except NotFound:
            return False
        return True

    async def feed(
        self,
        data: bytes,
        *,
        kind: Literal["stdin", "pty"] = "stdin",
        timeout: float | None,
        attempt: float | None = None,
    ) -> None:
        """Write to its standard input, or to its terminal. Nothing is sent twice."""
        for start in range(0, len(data), _INPUT_SIZE):
            message = {"input": {kind: data[start : start + _INPUT_SIZE]}}
            await self._tell("SendInput", message, Replay.SUBMITS, timeout, attempt)

    async def resize(self, size: Mapping[str, int], *, timeout: float | None) -> None:
        """Change the size of its terminal."""
        await self._tell("Update", {"pty": {"size": size}}, Replay.SAFE, timeout)

    async def close_stdin(self, *, timeout: float | None) -> None:
        """Close its standard input."""
        await self._tell("CloseStdin", {}, Replay.SUBMITS, timeout)

    async def _tell(
        self,
        method: str,
        message: dict[str, Any],
        replay: Replay,
        timeout: float | None,
        attempt: float | None = None,
    ) -> None:
        await self._envd.tell(
            f"process.Process/{method}",
            {"process": {"pid": self.pid}, **message},
            user=self._user,
            replay=replay,
            timeout=timeout,
            attempt=attempt,
        )
