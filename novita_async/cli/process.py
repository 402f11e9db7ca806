"""What every command has to do with the process it runs in: signals, standard error, and why it cannot go on."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from typing import TYPE_CHECKING

from ..errors import NovitaError

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Generator
    from types import FrameType

__all__ = ["CannotGoOn", "Stop", "no_echo", "owns_terminal", "printable", "tell", "wish_to_end"]


class CannotGoOn(NovitaError):
    """An address, a directory or something else that a command needs cannot be had. The message is for its user."""


def tell(words: str) -> None:
    """Say one line on standard error."""
    with contextlib.suppress(OSError):  # there may be nobody left to tell
        print(f"novita-async: {words}", file=sys.stderr, flush=True)


def printable(text: str) -> str:
    """Text from elsewhere without what would steer a terminal."""
    return "".join(letter if letter.isprintable() or letter == "\n" else " " for letter in text.expandtabs(4))


def wish_to_end() -> None:
    """For a command that finds its output gone: whoever closes it wishes an end as much as whoever sends a signal."""
    signal.raise_signal(signal.SIGTERM)


@contextlib.contextmanager
def no_echo(*, always: bool = False) -> Generator[None]:
    """Keep keys that are typed meanwhile out of what the terminal shows. Ctrl-C works as ever.

    Args:
        always: also at a terminal that others use, where this process is stopped until it may.
    """
    if not (owns_terminal() or (always and sys.stdin.isatty())):
        yield
        return
    import termios

    before = termios.tcgetattr(sys.stdin)
    quiet = list(before)
    quiet[3] &= ~termios.ECHO
    termios.tcsetattr(sys.stdin, termios.TCSADRAIN, quiet)
    try:
        yield
    finally:
        with contextlib.suppress(termios.error):  # it may have been closed
            termios.tcsetattr(sys.stdin, termios.TCSADRAIN, before)


def owns_terminal() -> bool:
    """Whether standard input is a terminal that this process may read from and change."""
    try:
        # A process in the background that changes the terminal is stopped for it.
        return sys.stdin.isatty() and os.tcgetpgrp(sys.stdin.fileno()) == os.getpgrp()
    except OSError:
        return False  # a terminal, and not the one that controls this process


class Stop:
    """SIGINT, SIGTERM and SIGHUP as one wish: to end, in order. Wishing twice changes nothing."""

    def __init__(self) -> None:
        self.wanted = False
        self._event: asyncio.Event | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    def listen(self) -> None:
        """Take over the signals for the rest of the process.

        Not through the event loop, whose handlers go when it closes: a second Ctrl-C while the interpreter ends would
        still do harm.
        """
        signal.signal(signal.SIGINT, self._heard)
        signal.signal(signal.SIGTERM, self._heard)
        hangup = getattr(signal, "SIGHUP", None)
        if hangup is not None and signal.getsignal(hangup) is not signal.SIG_IGN:  # as nohup has it
            signal.signal(hangup, self._heard)

    async def wait(self) -> None:
        """Wait for the wish; return at once when it has been made."""
        import asyncio  # not before `listen`: until then a Ctrl-C is Python's to handle, and it is loud

        self._event, self._loop = asyncio.Event(), asyncio.get_running_loop()
        if not self.wanted:
            await self._event.wait()

    def _heard(self, number: int, frame: FrameType | None) -> None:
        self.wanted = True
        if self._event is not None and self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._event.set)
