"""A command line that runs in a process of its own."""

from __future__ import annotations

import asyncio
import fcntl
import functools
import os
import pty
import sys
import termios
import time
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

QUICK = 2.0  # seconds from a signal to the end


class Running:
    """A command that runs. `novita-async` is `python -m novita_async`."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.isolation_warnings: list[str] = []

    async def lines(self, count: int) -> list[str]:
        """The next lines of its standard output."""
        assert self.process.stdout is not None
        return [(await self.process.stdout.readline()).decode().rstrip("\n") for _ in range(count)]

    async def until(self, text: str) -> None:
        """Read its standard output up to a line with this text."""
        while text not in (line := (await self.lines(1))[0]):
            assert line, f"the output ended before {text!r}"

    def look_away(self) -> None:
        """Close the reading end of its standard output, as `| head` does."""
        pipe = self.process._transport.get_pipe_transport(1)  # asyncio has no public way
        pipe.close()

    async def end(self, *signals: int) -> tuple[int, str, str]:
        """Send signals, if any, and wait; return code, rest of the output, errors. Signals must be heeded soon."""
        sent = time.monotonic()
        for number in signals:
            self.process.send_signal(number)
        output, errors = await self.process.communicate()
        assert not signals or time.monotonic() - sent < QUICK
        assert self.process.returncode is not None
        lines = errors.decode().splitlines(keepends=True)
        # A machine without bubblewrap is told so once, which is mostly no part of what is tested.
        self.isolation_warnings = [line for line in lines if "are not isolated" in line]
        return (
            self.process.returncode,
            output.decode(),
            "".join(line for line in lines if "are not isolated" not in line),
        )


@asynccontextmanager
async def running(*args: str, **environment: str) -> AsyncIterator[Running]:
    """Start a command, and kill it should the test fail before its end."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "novita_async", *args),
        env={**os.environ, **environment},
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        yield Running(process)
    finally:
        if process.returncode is None:
            process.kill()
            await process.communicate()


class Terminal:
    """A command on a terminal of its own.

    Args:
        controlling: the terminal is the one that Ctrl-C and hanging up come from.
    """

    def __init__(self, *, controlling: bool = True) -> None:
        self.master, self.end = pty.openpty()
        termios.tcsetwinsize(self.end, (24, 80))
        self.before = termios.tcgetattr(self.end)
        self.screen = b""
        self._controlling = controlling

    async def start(self, *args: str, **environment: str) -> asyncio.subprocess.Process:
        control = functools.partial(fcntl.ioctl, 0, termios.TIOCSCTTY, 0) if self._controlling else None
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "novita_async", *args),
            env={**os.environ, "TERM": "xterm-256color", **environment},
            stdin=self.end,
            stdout=self.end,
            stderr=self.end,
            start_new_session=True,
            preexec_fn=control,
        )
        asyncio.get_running_loop().add_reader(self.master, self._read)
        return process

    def _read(self) -> None:
        self.screen += os.read(self.master, 65536)

    async def shows(self, text: str) -> None:
        async with asyncio.timeout(10):
            while text.encode() not in self.screen:
                await asyncio.sleep(0.01)

    def types(self, keys: str) -> None:
        os.write(self.master, keys.encode())

    def hang_up(self) -> None:
        if self.master >= 0:
            asyncio.get_running_loop().remove_reader(self.master)
            os.close(self.end)
            os.close(self.master)
            self.master = -1
