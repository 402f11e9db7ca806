"""As much of rtnetlink(7) as a world needs, which a machine without iproute2 may be part of."""

from __future__ import annotations

import os
import socket
import struct

__all__ = ["add_address", "connect", "set_up"]

_NEW_LINK, _NEW_ADDRESS = 16, 20
_REQUEST, _ACKNOWLEDGE, _EXCLUSIVE, _CREATE = 0x1, 0x4, 0x200, 0x400


def connect(name: str, other: str, pid: int) -> None:
    """Make a pair of devices, of which the other one is in the network namespace of a process."""
    there = _link() + _attribute(3, other.encode()) + _attribute(19, struct.pack("I", pid))
    kind = _attribute(1, b"veth") + _attribute(2, _attribute(1, there))
    _ask(_NEW_LINK, _link() + _attribute(3, name.encode()) + _attribute(18, kind), _CREATE | _EXCLUSIVE)


def set_up(name: str) -> None:
    """Switch a device on."""
    _ask(_NEW_LINK, _link(socket.if_nametoindex(name), up=True))


def add_address(name: str, address: str) -> None:
    """Give a device an address, in a network of 24 bits."""
    packed = socket.inet_aton(address)
    about = struct.pack("BBBBI", socket.AF_INET, 24, 0, 0, socket.if_nametoindex(name))
    _ask(_NEW_ADDRESS, about + _attribute(1, packed) + _attribute(2, packed), _CREATE | _EXCLUSIVE)


def _link(index: int = 0, *, up: bool = False) -> bytes:
    return struct.pack("BxHiII", socket.AF_UNSPEC, 0, index, int(up), int(up))


def _attribute(kind: int, value: bytes) -> bytes:
    return struct.pack("HH", 4 + len(value), kind) + value + bytes(-len(value) % 4)


def _ask(kind: int, message: bytes, flags: int = 0) -> None:
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE) as netlink:
        flags |= _REQUEST | _ACKNOWLEDGE
        netlink.send(struct.pack("IHHII", 16 + len(message), kind, flags, 1, 0) + message)
        error = struct.unpack("i", netlink.recv(4096)[16:20])[0]
    if error:
        raise OSError(-error, os.strerror(-error))
