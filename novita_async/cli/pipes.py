"""Standard input, output and error as bytes, which neither hold up the event loop nor outlive a cancellation.

They are not made non-blocking: they belong to whoever started this process as well, who would find them changed.
"""

from __future__ import annotations

import asyncio
import errno
import functools
import os
from contextlib import suppress
from typing import TYPE_CHECKING

from ..runtime.clock import SystemClock
from .process import CannotGoOn

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["STDERR", "STDIN", "STDOUT", "read", "write"]

STDIN, STDOUT, STDERR = 0, 1, 2
_READ = 64 * 1024  # bytes
_WRITTEN = 4096  # bytes that a pipe takes at once when it says that it is ready


async def read(descriptor: int) -> bytes:
    """Read what is there, or wait for it; b"" at the end."""
    loop = asyncio.get_running_loop()
    await _ready(functools.partial(loop.add_reader, descriptor), functools.partial(loop.remove_reader, descriptor))
    try:
        return await SystemClock().to_thread(functools.partial(os.read, descriptor, _READ))
    except OSError as error:
        if error.errno == errno.EIO:  # a terminal that is gone
            return b""
        raise


async def write(descriptor: int, data: bytes | str) -> None:
    """Write all of it.

    Raises:
        BrokenPipeError: nobody reads it any more.
        CannotGoOn: there is no room for it.
    """
    if isinstance(data, str):
        data = data.encode("utf-8", "replace")
    loop, clock = asyncio.get_running_loop(), SystemClock()
    while data:
        add, remove = loop.add_writer, loop.remove_writer
        whole = await _ready(functools.partial(add, descriptor), functools.partial(remove, descriptor))
        piece = data if whole else data[:_WRITTEN]
        try:
            data = data[await clock.to_thread(functools.partial(os.write, descriptor, piece)) :]
        except OSError as error:
            if error.errno == errno.EIO:
                raise BrokenPipeError(errno.EPIPE, os.strerror(errno.EPIPE)) from error
            if isinstance(error, BrokenPipeError):
                raise
            raise CannotGoOn(f"the output cannot be written: {error.strerror}") from error


async def _ready(add: Callable[..., None], remove: Callable[[], bool]) -> bool:
    """Wait until a descriptor can be read or written without waiting. Whether that is always so, as with a file."""
    ready = asyncio.get_running_loop().create_future()
    try:
        add(lambda: ready.done() or ready.set_result(None))
    except PermissionError:
        return True
    try:
        await ready
    finally:
        with suppress(OSError):  # it may have been closed
            remove()
    return False
