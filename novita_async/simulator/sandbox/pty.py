"""A process on a pseudo-terminal (contract/sandbox.md 4)."""

from __future__ import annotations

import asyncio
import os
import termios
from typing import TYPE_CHECKING

import msgspec

from .process import Output, Process

if TYPE_CHECKING:
    from ...runtime.clock import Clock
    from .isolation import Command
    from .process import Config

__all__ = ["Size", "Terminal"]

CHUNK = 16 * 1024
_LARGEST = 2**16 - 1  # the kernel keeps a size in 16 bits


class Size(msgspec.Struct, frozen=True, kw_only=True):
    """Of a terminal, in characters."""

    cols: int = 0
    rows: int = 0


class Terminal(Process):
    """A process whose three streams are a terminal of its own. What it writes is the `Output` named pty.

    The terminal is made here and handed in, so it works in every namespace; inside one it has no name (`tty` says that
    there is none). It ends with its process, whatever else still has it open.
    """

    def __init__(self, config: Config, command: Command, size: Size, *, clock: Clock, tag: str | None) -> None:
        super().__init__(config, msgspec.structs.replace(command, terminal=True), clock=clock, stdin=False, tag=tag)
        self._size = size
        self._ours = -1
        self._theirs = -1
        self._reading = False
        self._unwritten = bytearray()
        self._open_pipes.clear()  # it has none

    def _streams(self) -> tuple[int, int]:
        self._ours, self._theirs = os.openpty()
        os.set_blocking(self._ours, False)
        self.resize(self._size)
        self._read_on()
        return self._theirs, self._theirs

    def resize(self, size: Size) -> None:
        """Change its size; the process in front gets a SIGWINCH."""
        if self._ours >= 0:
            termios.tcsetwinsize(self._ours, (min(size.rows, _LARGEST), min(size.cols, _LARGEST)))

    async def write(self, data: bytes) -> None:
        """Type something, and wait while its input is full.

        Raises:
            OSError: it has ended.
        """
        if self._ours < 0:
            raise BrokenPipeError("this terminal has ended")
        self._unwritten += data
        self._write()
        await self._writable.wait()

    def _write(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            while self._unwritten:
                del self._unwritten[: os.write(self._ours, self._unwritten[:CHUNK])]
        except BlockingIOError:
            self._writable.clear()
            loop.add_writer(self._ours, self._write)
            return
        except OSError:  # nobody has the other end open any more
            self._unwritten.clear()
        loop.remove_writer(self._ours)
        self._writable.set()

    # ------------------------------------------------------------------------------------ what it writes

    def regulate(self) -> None:
        if self._ours >= 0:
            (self._hold if any(watch.full for watch in self._watches) else self._read_on)()

    def _read_on(self) -> None:
        if not self._reading:
            self._reading = True
            asyncio.get_running_loop().add_reader(self._ours, self._read)

    def _hold(self) -> None:
        if self._reading:
            self._reading = False
            asyncio.get_running_loop().remove_reader(self._ours)

    def _read(self) -> bool:
        """Take one piece of output; return whether there was any."""
        try:
            data = os.read(self._ours, CHUNK)
        except BlockingIOError:
            return False
        except OSError:  # as the end of its output is told
            data = b""
        if not data:
            self._hold()
            return False
        for watch in self._watches:
            watch.put(Output("pty", data))
        self.regulate()
        return True

    # ------------------------------------------------------------------------------------- how it begins and ends

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._close_theirs()

    def process_exited(self) -> None:
        while self._read():  # what it wrote last; no more than the terminal holds, as it writes no more
            pass
        super().process_exited()

    def _release(self) -> None:
        self._close_theirs()
        if self._ours >= 0:
            self._hold()
            asyncio.get_running_loop().remove_writer(self._ours)
            os.close(self._ours)
            self._ours = -1
        super()._release()

    def _close_theirs(self) -> None:
        if self._theirs >= 0:
            os.close(self._theirs)
            self._theirs = -1
