"""Connections of a proxy: made, read up to a point, wrapped, joined."""

from __future__ import annotations

import asyncio
import socket
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from .messages import Refused
from .ports import readable

if TYPE_CHECKING:
    import ssl
    from collections.abc import AsyncGenerator, Iterable

    from .messages import Streams
    from .reach import Address

__all__ = ["begins_tls", "connected", "read_head", "relay", "streams"]

_HEAD_BYTES = _PIECE = 64 * 1024
_TLS = b"\x16"


async def connected(addresses: Iterable[Address], port: int) -> socket.socket:
    """Connect to the first of these addresses that answers.

    Raises:
        OSError: none does.
    """
    failure = OSError("no address")
    for address in addresses:
        made = socket.socket(socket.AF_INET if address.version == 4 else socket.AF_INET6)
        try:
            made.setblocking(False)
            await asyncio.get_running_loop().sock_connect(made, (str(address), port))
            made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        except BaseException as error:
            made.close()
            if not isinstance(error, OSError):
                raise
            failure = error
        else:
            return made
    raise failure


async def read_head(client: socket.socket) -> bytes:
    """Read up to the first empty line, and leave what comes after it.

    Raises:
        EOFError: the client has left.
        ValueError: the head is too long.
    """
    head = b""
    while len(head) < _HEAD_BYTES:
        await readable(client)
        seen = client.recv(_PIECE, socket.MSG_PEEK)
        if not seen:
            raise EOFError("the client has left")
        end = (head + seen).find(b"\r\n\r\n")
        head += client.recv(len(seen) if end < 0 else end + 4 - len(head))
        if end >= 0:
            return head
    raise ValueError("the head of the request is too long")


@asynccontextmanager
async def streams(
    connection: socket.socket,
    *,
    served_by: ssl.SSLContext | None = None,
    asked_by: ssl.SSLContext | None = None,
    host: str | None = None,
) -> AsyncGenerator[Streams]:
    """Read and write a connection, which breaks off in the end. `host` has to prove that it is that one.

    Args:
        served_by: this side is the server of a TLS connection.
        asked_by: this side is the client of one.

    Raises:
        Refused: it did not.
    """
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader(limit=_HEAD_BYTES, loop=loop)
    protocol = asyncio.StreamReaderProtocol(reader, loop=loop)
    if asked_by is None:
        transport, _ = await loop.connect_accepted_socket(lambda: protocol, connection, ssl=served_by)
    else:
        try:
            transport, _ = await loop.create_connection(
                lambda: protocol, sock=connection, ssl=asked_by, server_hostname=host
            )
        except OSError as error:
            raise Refused("502 Bad Gateway", f"the server did not prove that it is {host}") from error
    try:
        yield reader, asyncio.StreamWriter(transport, protocol, reader, loop)
    finally:
        transport.abort()


async def begins_tls(client: socket.socket, upstream: socket.socket) -> bool:
    """Wait until one of the two says something; tell whether it is the client, and TLS."""
    loop = asyncio.get_running_loop()
    waiting = [loop.create_task(readable(each)) for each in (client, upstream)]
    try:
        await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)
    try:
        return client.recv(1, socket.MSG_PEEK) == _TLS
    except BlockingIOError:
        return False


async def relay(one: socket.socket, other: socket.socket) -> None:
    """Pass on what each of the two says until both have said all."""
    loop = asyncio.get_running_loop()
    both = [loop.create_task(_pump(one, other)), loop.create_task(_pump(other, one))]
    try:
        await asyncio.wait(both, return_when=asyncio.FIRST_EXCEPTION)
    finally:
        for task in both:
            task.cancel()
        await asyncio.gather(*both, return_exceptions=True)


async def _pump(source: socket.socket, target: socket.socket) -> None:
    loop = asyncio.get_running_loop()
    while data := await loop.sock_recv(source, _PIECE):
        await loop.sock_sendall(target, data)
    target.shutdown(socket.SHUT_WR)
