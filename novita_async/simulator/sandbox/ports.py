"""The ways into the network of a sandbox."""

from __future__ import annotations

import asyncio
import os
import socket
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .namespace import Namespace

__all__ = ["HEAD_BYTES", "Gate", "connect_outside", "listens", "readable"]

#: The longest head of an answer that can be read from the connection.
HEAD_BYTES = 256 * 1024

_AT_ONCE = 32
_REPLY_BYTES = 1024

# For every order it comes into being once more, goes into the network of a sandbox, makes a socket there, hands it out
# and ends. The modules around those of C take longer to load than all the rest, and every simulator loads this.
_GATE = """
import _signal, _socket, os, sys
if hasattr(os, "setns"):
    setns = os.setns
else:
    import ctypes
    def setns(fd, kind, call=ctypes.CDLL(None, use_errno=True).setns):
        if call(fd, kind):
            raise OSError(ctypes.get_errno(), "setns")

def make(order, port):
    if order == b"listen":
        made = _socket.socket(_socket.AF_INET, _socket.SOCK_STREAM)
        made.bind(("127.0.0.1", port))
        made.listen(128)
        return made
    for family, host in (_socket.AF_INET, "127.0.0.1"), (_socket.AF_INET6, "::1"):
        made = _socket.socket(family, _socket.SOCK_STREAM)
        made.settimeout(10)
        try:
            made.connect((host, port))
            return made
        except OSError as error:
            failure = error
    raise failure

def serve(reply, directory, order, port):
    namespaces = [(os.open("ns/" + name, os.O_RDONLY, dir_fd=directory), kind)
                  for name, kind in (("user", 0x10000000), ("net", 0x40000000))]
    for fd, kind in namespaces:
        setns(fd, kind)
    made = make(order, int(port))
    descriptor = made.fileno().to_bytes(4, sys.byteorder)
    reply.sendmsg([b"made"], [(_socket.SOL_SOCKET, _socket.SCM_RIGHTS, descriptor)])

_signal.signal(_signal.SIGCHLD, _signal.SIG_IGN)
line = _socket.socket(fileno=0)
while True:
    said, given, *_ = line.recvmsg(64, _socket.CMSG_SPACE(8))
    if not said:
        break
    fds = [int.from_bytes(given[0][2][at : at + 4], sys.byteorder) for at in (0, 4)]
    if not os.fork():
        reply = _socket.socket(fileno=fds[0])
        try:
            serve(reply, fds[1], *said.split())
        except BaseException as error:
            reply.send(str(error).encode()[:1000] or b"failed")
        os._exit(0)
    for fd in fds:
        os.close(fd)
"""

_LISTENING = "0A"


class Gate:
    """Makes sockets in the networks of sandboxes, with a process that starts when the first one is asked for.

    The process is one for all sandboxes and in none of them: what runs inside can neither see nor signal it. It ends
    with this Python process, however that ends.
    """

    def __init__(self) -> None:
        self._line: socket.socket | None = None
        self._process: asyncio.subprocess.Process | None = None
        self._starting = asyncio.Lock()
        self._places = asyncio.Semaphore(_AT_ONCE)

    async def connect(self, namespace: Namespace, port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Connect to what listens on a port of a sandbox. Not to be cancelled.

        Raises:
            ConnectionRefusedError: nothing listens there.
            ProcessLookupError: the sandbox has ended.
        """
        made = await self._make(namespace, f"connect {port}")
        return await asyncio.open_connection(sock=made, limit=HEAD_BYTES)

    async def listen(self, namespace: Namespace, port: int) -> socket.socket:
        """Listen on a port of a sandbox's own loopback, without blocking. Not to be cancelled.

        Raises:
            OSError: the system refused.
            ProcessLookupError: the sandbox has ended.
        """
        return await self._make(namespace, f"listen {port}")

    async def _make(self, namespace: Namespace, order: str) -> socket.socket:
        async with self._places:
            line = await self._up()
            ours, theirs = socket.socketpair()
            with ours:
                ours.setblocking(False)
                with theirs:
                    directory = namespace.enter()
                    try:
                        socket.send_fds(line, [order.encode()], [theirs.fileno(), directory])
                    finally:
                        os.close(directory)
                await readable(ours)
                said, made, *_ = socket.recv_fds(ours, _REPLY_BYTES, 1, socket.MSG_CMSG_CLOEXEC)
        if not made:
            raise ConnectionRefusedError(f"{order}: {said.decode() or 'no answer'}")
        inside = socket.socket(fileno=made[0])
        inside.setblocking(False)
        return inside

    async def _up(self) -> socket.socket:
        async with self._starting:
            if self._line is not None and self._process is not None and self._process.returncode is None:
                return self._line
            if self._line is not None:
                self._line.close()
            self._line, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            self._line.setblocking(False)
            with theirs:
                self._process = await asyncio.create_subprocess_exec(
                    *(sys.executable, "-I", "-S", "-c", _GATE),
                    stdin=theirs.fileno(),
                    stdout=asyncio.subprocess.DEVNULL,
                    stderr=asyncio.subprocess.DEVNULL,
                    env={},
                    cwd="/",
                    start_new_session=True,
                )
            return self._line

    async def aclose(self) -> None:
        """End its process. Safe to call twice."""
        if self._line is not None:
            self._line.close()
            self._line = None
        if self._process is not None:
            await self._process.wait()


async def readable(waiting: socket.socket) -> None:
    """Wait until something can be read from a socket, or accepted."""
    loop = asyncio.get_running_loop()
    future: asyncio.Future[None] = loop.create_future()
    loop.add_reader(waiting, lambda: None if future.done() else future.set_result(None))
    try:
        await future
    finally:
        loop.remove_reader(waiting)


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
