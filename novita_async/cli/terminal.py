"""`sandbox connect`: the user's terminal, lent to a shell in a sandbox."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from .pipes import STDIN, STDOUT, read, write
from .process import owns_terminal, wish_to_end

if TYPE_CHECKING:
    from collections.abc import Generator

    from ..sandbox import Sandbox
    from ..sandbox.pty import Pty

__all__ = ["attach", "has_terminal"]

# What a program that was cut off may have switched on: another screen, a hidden cursor, the mouse, marked pastes, keys
# in other codes, colours.
_UNDO = "\x1b[?1047l\x1b[?25h\x1b[?1000l\x1b[?1002l\x1b[?1003l\x1b[?1006l\x1b[?2004l\x1b[?1l\x1b>\x1b[m\r\n"


def has_terminal() -> bool:
    """Whether there is a terminal to lend."""
    return owns_terminal() and sys.stdout.isatty()


async def attach(sandbox: Sandbox) -> int:
    """Run a login shell in a sandbox on this terminal, which there must be, until it ends.

    All keys go inside, Ctrl-C among them. Whatever happens, the terminal is as before afterwards.

    Returns:
        The shell's exit code.

    Raises:
        SandboxEnded: the sandbox is gone or paused.
        SandboxUnreachable: the sandbox does not answer.
    """
    cols, rows = _size()
    envs = {"TERM": os.environ.get("TERM") or "xterm-256color"}
    pty = await sandbox.pty.create(cols=cols, rows=rows, envs=envs)
    with _raw():
        try:
            code = await _converse(pty)
        except BaseException:
            await _give_up(pty)
            raise
    return code


async def _converse(pty: Pty) -> int:
    beside = [asyncio.create_task(_type(pty)), asyncio.create_task(_follow_size(pty))]
    try:
        async with pty:
            async for data in pty:
                await write(STDOUT, data)
            return (await pty.wait()).exit_code
    finally:
        for task in beside:
            task.cancel()
        await asyncio.wait(beside)


async def _type(pty: Pty) -> None:
    """Send what is typed. Keys that come while others are on their way go together."""
    from ..errors import NovitaError

    while keys := await read(STDIN):
        try:
            await pty.send(keys)
        except NovitaError:
            return  # the shell has ended, or the output tells what has become of it
    wish_to_end()  # the terminal is gone


def _size() -> tuple[int, int]:
    """Columns and rows; some terminals do not know theirs."""
    size = os.get_terminal_size(STDOUT)
    return size.columns or 80, size.lines or 24


async def _follow_size(pty: Pty) -> None:
    from ..errors import NovitaError

    loop, changed = asyncio.get_running_loop(), asyncio.Event()
    loop.add_signal_handler(signal.SIGWINCH, changed.set)
    try:
        while await changed.wait():
            changed.clear()  # before the size is read: one that changes meanwhile is read again
            with suppress(OSError, NovitaError):  # the terminal or the shell has ended, and the others tell
                cols, rows = _size()
                await pty.resize(cols=cols, rows=rows)
    finally:
        loop.remove_signal_handler(signal.SIGWINCH)


async def _give_up(pty: Pty) -> None:
    """End a shell that nobody looks at any more, and take back what it did to the terminal."""
    from ..errors import NovitaError
    from ..runtime.clock import uninterrupted

    with suppress(OSError):  # it may be gone
        await write(STDOUT, _UNDO)
    with suppress(NovitaError):  # the error that is on its way says more
        await uninterrupted(_killed(pty))


async def _killed(pty: Pty) -> None:
    await pty.kill(timeout=5.0)


@contextmanager
def _raw() -> Generator[None]:
    """Let every key through as it is."""
    import termios
    import tty

    before = termios.tcgetattr(STDIN)
    tty.setraw(STDIN, termios.TCSADRAIN)
    try:
        yield
    finally:
        with suppress(termios.error):  # it may be gone
            # What was typed for the shell and not read is not meant for the one outside.
            termios.tcsetattr(STDIN, termios.TCSAFLUSH, before)
