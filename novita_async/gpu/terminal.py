"""`instance.terminal()`: the websocket of version 2's web terminal (contract/gpu.md 5)."""

from __future__ import annotations

from base64 import b64encode
from typing import TYPE_CHECKING

from ..errors import CallTimeout, ValidationError
from ..runtime.arguments import call_headers, check_timeout
from ..runtime.served import ServiceSocket

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ..runtime.call import Runtime
    from .types import Terminal

__all__ = ["TerminalSocket", "open_terminal"]


class TerminalSocket(ServiceSocket):
    """A websocket to an instance's terminal, whose messages are as they are on the wire. See `ServiceSocket`."""


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
