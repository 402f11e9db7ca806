"""A command line that runs in a process of its own."""

from __future__ import annotations

import asyncio
import os
import sys
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
