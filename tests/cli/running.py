"""A command line that runs in a process of its own."""

from __future__ import annotations

import asyncio
import fcntl
import functools
import os
import pty
import signal
import sys
import termios
import threading
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import rich  # noqa: F401 - it asks for the current directory when it is loaded, which no test is about

from novita_async.cli.main import main

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

PATIENCE = 30.0  # seconds for an end that takes a fraction of one, on a machine that does other things too


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
        """Send signals, if any, and wait; return code, rest of the output, errors."""
        for number in signals:
            self.process.send_signal(number)
        async with asyncio.timeout(PATIENCE):
            output, errors = await self.process.communicate()
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
        async with asyncio.timeout(PATIENCE):
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


def at_terminal(*args: str, answer: tuple[str, str] = ("", ""), columns: int = 80) -> tuple[int, str]:
    """Run a command of this process on a terminal, which is not the one that Ctrl-C comes from: code, what it shows.

    Args:
        args: of the command.
        answer: what is waited for, and what is typed then; \x03 is Ctrl-C all the same.
        columns: of the terminal.
    """
    master, end = pty.openpty()
    termios.tcsetwinsize(end, (24, columns))
    screen = bytearray()
    words, keys = answer

    def use() -> None:
        typed = not words
        while True:
            try:
                screen.extend(os.read(master, 65536))
            except OSError:  # nobody has the other end any more
                return
            if not typed and words.encode() in screen:
                typed = True
                if keys == "\x03":
                    signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)
                else:
                    os.write(master, keys.encode())

    user = threading.Thread(target=use)
    user.start()
    streams, saved = (sys.stdin, sys.stdout, sys.stderr), [os.dup(number) for number in range(3)]
    for number in range(3):
        os.dup2(end, number)
    os.close(end)
    sys.stdin, sys.stdout, sys.stderr = (os.fdopen(number, mode, closefd=False) for number, mode in enumerate("rww"))
    try:
        code = main(args)
    finally:
        sys.stdin, sys.stdout, sys.stderr = streams
        for number, other in enumerate(saved):
            os.dup2(other, number)
            os.close(other)
        user.join()
        os.close(master)
    return code, screen.decode()
