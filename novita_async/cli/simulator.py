"""`novita-async simulator`: Novita on this machine, for programs in any language."""

from __future__ import annotations

import ipaddress
import os
import resource
import shlex
import socket
import ssl
import sys
from contextlib import AsyncExitStack, suppress
from typing import TYPE_CHECKING

from .process import CannotGoOn, tell

if TYPE_CHECKING:
    from contextlib import AbstractAsyncContextManager
    from pathlib import Path

    from ..simulator import Served, Simulator
    from .process import Stop

__all__ = ["certified", "serve"]

_DESCRIPTORS = 65536


def certified(certificate: Path | None, key: Path | None) -> ssl.SSLContext | None:
    """The server's side of TLS; None for plain HTTP.

    Args:
        certificate: a file with a certificate in PEM and those that it was signed with; None for plain HTTP.
        key: the file with its key, when that is another.

    Raises:
        CannotGoOn: they cannot be read, or do not belong together.
    """
    if certificate is None:
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    try:
        context.load_cert_chain(certificate, key)
    except ssl.SSLError as error:
        reason = (error.reason or "no PEM").lower().replace("_", " ")
        raise CannotGoOn(f"{certificate} is no certificate with its key: {reason}") from error
    except OSError as error:
        raise CannotGoOn(f"cannot read the certificate or its key: {error.strerror}") from error
    return context


async def serve(
    simulator: Simulator, *, host: str, port: int, tls: ssl.SSLContext | None = None, domain: str = "", stop: Stop
) -> int:
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
        served = await _listen(stack, simulator.serve(host=host, port=port, ssl=tls, domain=domain), host, port)
        for name, value in served.environment.items():
            print(f"export {name}={shlex.quote(value)}")
        sys.stdout.flush()
        tell(f"a simulated Novita is at {served.url}; Ctrl-C ends it")
        await stop.wait()
    return 0


async def _listen(stack: AsyncExitStack, serving: AbstractAsyncContextManager[Served], host: str, port: int) -> Served:
    try:
        return await stack.enter_async_context(serving)
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
        with suppress(OSError, ValueError):  # macOS has a lower limit beside this one
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
