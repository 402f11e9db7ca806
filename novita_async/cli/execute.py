"""`sandbox exec`: a command in a sandbox, with this process's input, output and exit code."""

from __future__ import annotations

import asyncio
import shlex
from contextlib import suppress
from typing import TYPE_CHECKING

from .pipes import STDERR, STDIN, STDOUT, read, write
from .process import owns_terminal, tell

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ..sandbox import Command, Sandbox

__all__ = ["execute", "has_input", "line_of"]

_KILL_LIMIT = 5.0  # seconds
_SIGNALLED = 255  # the exit code for a command that a signal ended, as ssh has it


def line_of(words: Sequence[str]) -> str:
    """What is run: one word is a line of bash, several are a program and its arguments."""
    return words[0] if len(words) == 1 else shlex.join(words)


async def execute(
    sandbox: Sandbox, line: str, *, cwd: str | None, user: str | None, envs: Mapping[str, str], stdin: bool
) -> int:
    """Run a command to its end; end it when the user wishes to.

    Args:
        sandbox: where it runs.
        line: of bash.
        cwd: its directory.
        user: who runs it.
        envs: environment variables.
        stdin: give it this process's standard input.

    Returns:
        Its exit code.
    """
    command = await sandbox.commands.run(
        line, timeout=None, cwd=cwd, user=user, envs=envs, background=True, stdin=stdin, keep_output=False
    )
    outputs = {"stdout": STDOUT, "stderr": STDERR}
    async with command:
        feeding = asyncio.create_task(_feed(command)) if stdin else None
        try:
            async for output in command:
                if output.type == "gap":
                    tell("the connection was broken for a while: output may be missing here")
                else:
                    await write(outputs[output.type], output.data)
            result = await command.wait(check=False)
        except BaseException:
            await _end(command)
            raise
        finally:
            if feeding is not None:
                feeding.cancel()
                await asyncio.wait({feeding})
    if result.exit_code < 0:
        tell(result.error or "a signal ended the command")
    return result.exit_code if result.exit_code >= 0 else _SIGNALLED


async def _feed(command: Command) -> None:
    """Give it what comes in here, up to the end of that or to where it reads no more."""
    from ..errors import NovitaError

    # Its own stream tells what has become of it, should it not take its input.
    with suppress(NovitaError):
        while data := await read(STDIN):
            await command.send_stdin(data)
        await command.close_stdin()


async def _end(command: Command) -> None:
    from ..errors import NovitaError
    from ..runtime.clock import uninterrupted

    with suppress(NovitaError):  # the error that is on its way says more
        if command.running:
            await uninterrupted(_killed(command))


async def _killed(command: Command) -> None:
    await command.kill(timeout=_KILL_LIMIT)


def has_input() -> bool:
    """Whether there is an input to give: not a terminal that other processes of its session read from."""
    import sys

    return owns_terminal() or not sys.stdin.isatty()
