"""`sandbox connect` and `sandbox exec`: a terminal or a command in a sandbox that there is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from ..errors import ValidationError
from .execute import execute, has_input, line_of
from .options import Flag, Lifetime, Variables, pairs
from .output import say
from .terminal import attach, has_terminal

if TYPE_CHECKING:
    from ..client import AsyncNovita

__all__ = ["connect", "exec_"]


async def connect(novita: AsyncNovita, sandbox_id: str, /, *, timeout: Lifetime = 300.0) -> int:
    """Open a terminal in a sandbox; a paused one is resumed.

    The sandbox lives as long as the terminal is open, and is left running at its end. All keys go inside; the terminal
    ends as any does, with `exit` or Ctrl-D. The exit code is that of the shell.

    Args:
        sandbox_id: its id.
        timeout: seconds that it lives on without a sign of life from here, or a time such as 5m.
    """
    if not has_terminal():
        raise ValidationError("there is no terminal to connect; `sandbox exec ID -- COMMAND` needs none")
    async with novita.sandboxes.connect(sandbox_id, lifetime=timeout, keep_alive=True, on_exit="leave") as sandbox:
        return await attach(sandbox)


async def exec_(
    novita: AsyncNovita,
    sandbox_id: str,
    /,
    *command: str,
    background: Annotated[Flag, Parameter(name=["--background", "-b"])] = False,
    cwd: Annotated[str | None, Parameter(name=["--cwd", "-c"])] = None,
    user: Annotated[str | None, Parameter(name=["--user", "-u"])] = None,
    env: Variables = (),
) -> int:
    """Run a command in a sandbox: `novita-async sandbox exec ID -- ls -l`.

    Input, both outputs and the exit code are those of the command. Ctrl-C ends it.

    Args:
        sandbox_id: its id.
        command: a program and its arguments, or one line of bash.
        background: let it run, and print its process id.
        cwd: the directory that it runs in.
        user: the Linux user that runs it.
        env: KEY=VALUE, a variable; may be given several times.
    """
    if not command:
        raise ValidationError("there is no command: sandbox exec ID -- COMMAND")
    line, envs = line_of(command), pairs("--env", env)
    sandbox = await novita.sandboxes.connect(sandbox_id)
    if background:
        started = await sandbox.commands.run(line, timeout=None, cwd=cwd, user=user, envs=envs, background=True)
        await started.aclose()
        await say(str(started.pid), {}, "pretty")
        return 0
    return await execute(sandbox, line, cwd=cwd, user=user, envs=envs, stdin=has_input())
