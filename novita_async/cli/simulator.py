"""`novita-async simulator`: Novita on this machine, for programs in any language."""

from __future__ import annotations

import ipaddress
import os
import resource
import shlex
import socket
import sys
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

from .process import CannotGoOn, tell

if TYPE_CHECKING:
    from ..simulator import Served, Simulator
    from .process import Stop

__all__ = ["serve"]

_DESCRIPTORS = 65536


async def serve(simulator: Simulator, *, host: str, port: int, stop: Stop) -> int:
    """Serve until a signal comes; return the exit code.

    Standard output gets the environment of a client and nothing else, so that a shell can evaluate it.

    Raises:
        CannotGoOn: the address cannot be had.
    """
    if not _is_loopback(host):
        tell(f"warning: whoever reaches {host} can run commands on this machine, in sandboxes that are not real ones")
    _take_descriptors()
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(simulator)
        served = await _listen(stack, simulator, host, port)
        for name, value in served.environment.items():
            print(f"export {name}={shlex.quote(value)}")
        sys.stdout.flush()
        tell(f"a simulated Novita is at {served.url}; Ctrl-C ends it")
        await stop.wait()
    return 0


async def _listen(stack: AsyncExitStack, simulator: Simulator, host: str, port: int) -> Served:
    try:
        return await stack.enter_async_context(simulator.serve(host=host, port=port))
    except OSError as error:
        # asyncio words the system's errors anew and at length; those of name look-ups have numbers of their own.
        number = None if isinstance(error, socket.gaierror) else error.errno
        reason = os.strerror(number) if number else error.strerror or str(error)
        raise CannotGoOn(f"cannot listen on {host} port {port}: {reason}") from error


def _take_descriptors() -> None:
    """Allow this process as many descriptors as it may have: two hundred sandboxes need more than a shell gives."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _DESCRIPTORS if hard == resource.RLIM_INFINITY else min(hard, _DESCRIPTORS)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
