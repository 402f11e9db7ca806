"""The way to what listens inside of a sandbox."""

from __future__ import annotations

import asyncio
import os
import socket
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .isolation import Isolation
    from .namespace import Namespace

__all__ = ["HEAD_BYTES", "connect_inside", "connect_outside", "listens"]

#: The longest head of an answer that can be read from the connection.
HEAD_BYTES = 256 * 1024

# Outside of the sandbox's files but in its network: connects, and hands the socket out.
_CONNECT = """
import socket, sys
line = socket.socket(fileno=0)
for host in ("127.0.0.1", "::1"):
    try:
        made = socket.create_connection((host, int(sys.argv[1])))
    except OSError:
        continue
    socket.send_fds(line, [b"."], [made.fileno()])
    break
"""

_LISTENING = "0A"


async def connect_inside(
    isolation: Isolation, namespace: Namespace, port: int
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Connect to a port of a network of its own. Not to be cancelled.

    Raises:
        ConnectionRefusedError: nothing listens there.
        ProcessLookupError: the sandbox has ended.
    """
    ours, theirs = socket.socketpair()
    with ours:
        with theirs:
            directory = namespace.enter()
            try:
                helper = await asyncio.create_subprocess_exec(
                    *isolation.join(directory, "user", "net"),
                    *(sys.executable, "-I", "-S", "-c", _CONNECT, str(port)),
                    stdin=theirs.fileno(),
                    stdout=asyncio.subprocess.DEVNULL,
                    stderr=asyncio.subprocess.DEVNULL,
                    env={},
                    cwd="/",
                    pass_fds=[directory],
                )
            finally:
                os.close(directory)
        await helper.wait()
        ours.setblocking(False)
        try:
            said, descriptors, *_ = socket.recv_fds(ours, 1, 1)
        except BlockingIOError:
            said, descriptors = b"", []
    if not said:
        raise ConnectionRefusedError(f"nothing listens on port {port}")
    return await asyncio.open_connection(sock=socket.socket(fileno=descriptors[0]), limit=HEAD_BYTES)


async def connect_outside(port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Connect to a port of this machine's network.

    Raises:
        ConnectionRefusedError: nothing listens there.
    """
    for host in ("127.0.0.1", "::1"):
        try:
            return await asyncio.open_connection(host, port, limit=HEAD_BYTES)
        except OSError:
            continue
    raise ConnectionRefusedError(f"nothing listens on port {port}")


def listens(port: int, pids: Iterable[int]) -> bool:
    """Tell whether one of these processes listens on a port of this machine's network. Blocks."""
    inodes: set[str] = set()
    for name in ("tcp", "tcp6"):
        try:
            with open(f"/proc/net/{name}", encoding="ascii") as file:
                # Number, local address and port, remote ones, state, ... and as the tenth the inode.
                sockets = [line.split() for line in file.readlines()[1:]]
        except OSError:
            continue
        inodes |= {each[9] for each in sockets if each[3] == _LISTENING and int(each[1].rpartition(":")[2], 16) == port}
    if not inodes:
        return False
    wanted = {f"socket:[{inode}]" for inode in inodes}
    for pid in pids:
        try:
            descriptors = os.listdir(f"/proc/{pid}/fd")
        except OSError:
            continue
        for descriptor in descriptors:
            try:
                if os.readlink(f"/proc/{pid}/fd/{descriptor}") in wanted:
                    return True
            except OSError:
                continue
    return False
