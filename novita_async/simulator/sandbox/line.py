"""How a process that is about to begin says that it is there, and waits until it is told to go on."""

from __future__ import annotations

import asyncio
import socket
import struct
from contextlib import suppress

__all__ = ["Line"]

_UCRED = struct.Struct("iII")  # pid, uid, gid
_LONGEST = 4096


class Line:
    """A socket pair between this Python process and one that it starts.

    The other side writes a line and reads one. If this process dies in between there is nobody to answer, and the other
    side ends instead of beginning. With what is said the kernel tells the pid out here of who says it, which inside a
    namespace nobody knows.

    Attributes:
        theirs: the other side's descriptor, until `handed_over`.
    """

    def __init__(self) -> None:
        self._ours, self._theirs = socket.socketpair()
        self._ours.setblocking(False)
        self._credentials = hasattr(socket, "SO_PASSCRED")
        if self._credentials:
            self._ours.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
        self._heard: asyncio.Future[tuple[str, int]] | None = None

    @property
    def theirs(self) -> int:
        return self._theirs.fileno()

    def handed_over(self) -> None:
        """Close the other side's descriptor here: its process has it now, or there is none."""
        self._theirs.close()

    async def hear(self) -> tuple[str, int]:
        """Wait for a line; return it with the pid of who says it. `("", 0)` when the line is dead."""
        if self._ours.fileno() < 0:
            return "", 0
        loop = asyncio.get_running_loop()
        self._heard = loop.create_future()
        loop.add_reader(self._ours, self._receive)
        try:
            return await self._heard
        finally:
            self._heard = None
            if self._ours.fileno() >= 0:
                loop.remove_reader(self._ours)

    def _receive(self) -> None:
        pid = 0
        try:
            if self._credentials:
                said, ancillary, *_ = self._ours.recvmsg(_LONGEST, socket.CMSG_SPACE(_UCRED.size))
                if said:
                    pid = _UCRED.unpack(ancillary[0][2])[0]
            else:
                said = self._ours.recv(_LONGEST)
        except BlockingIOError:
            return
        except OSError:
            said = b""
        if self._heard is not None and not self._heard.done():
            self._heard.set_result((said.decode("utf-8", "replace"), pid))

    def answer(self) -> None:
        """Let the other side go on."""
        with suppress(OSError):  # it has been killed meanwhile
            self._ours.send(b"\n")

    def hang_up(self) -> None:
        """Close it; who has said nothing by now never will. Safe to call twice."""
        if self._heard is not None:
            asyncio.get_running_loop().remove_reader(self._ours)
            if not self._heard.done():
                self._heard.set_result(("", 0))
        self._ours.close()
