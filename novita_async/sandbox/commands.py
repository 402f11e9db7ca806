"""`sandbox.commands`: run commands in a sandbox (contract/sandbox.md 3, 4; envd/process.proto)."""

from __future__ import annotations

import asyncio
import inspect
import math
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Literal, TypeAlias, overload

from ..errors import APIError, CommandTimeout, NotFound, NovitaError, ServerError, StreamCut, ValidationError
from ..runtime.arguments import check_timeout, given, json_body
from ..runtime.attempts import Attempts
from ..runtime.clock import uninterrupted
from ..runtime.retry import Replay
from ..runtime.undo import or_undo
from ..wire.connect import envelope
from .arguments import check_path, check_strings, check_user, encoded
from .command import LATE, Command
from .envd import ConnectReader
from .output import CommandResult, Message

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ..transport.protocol import Response
    from .envd import Envd, SandboxStream

__all__ = ["KEEPALIVE_INTERVAL", "KEEPALIVE_LIMIT", "Commands", "OutputHandler"]

#: Seconds of silence after which a running command's stream is asked to say that it is alive.
KEEPALIVE_INTERVAL = 20
#: Seconds without output or sign of life after which a sandbox counts as out of reach: two signs are missing.
KEEPALIVE_LIMIT = 2.0 * KEEPALIVE_INTERVAL

_KILL_LIMIT = 5.0  # seconds for killing a command that nobody waits for any more
_INPUT_LIMIT = 86400.0  # seconds: a command may read its input late, and its stream is what tells that it lives

#: Gets each piece of text that a command writes; awaited when it gives something to await.
OutputHandler: TypeAlias = Callable[[str], Awaitable[None] | None]


class Commands:
    """`sandbox.commands`."""

    def __init__(self, envd: Envd) -> None:
        self._envd = envd

    @overload
    async def run(
        self,
        cmd: str,
        *,
        timeout: float | None = 60.0,
        envs: Mapping[str, str] | None = None,
        cwd: str | None = None,
        user: str | None = None,
        stdin: str | bytes | None = None,
        on_stdout: OutputHandler | None = None,
        on_stderr: OutputHandler | None = None,
        background: Literal[False] = False,
        check: bool = True,
    ) -> CommandResult: ...
    @overload
    async def run(
        self,
        cmd: str,
        *,
        timeout: float | None = 60.0,
        envs: Mapping[str, str] | None = None,
        cwd: str | None = None,
        user: str | None = None,
        stdin: bool = False,
        background: Literal[True],
    ) -> Command: ...
    async def run(
        self,
        cmd: str,
        *,
        timeout: float | None = 60.0,
        envs: Mapping[str, str] | None = None,
        cwd: str | None = None,
        user: str | None = None,
        stdin: str | bytes | bool | None = None,
        on_stdout: OutputHandler | None = None,
        on_stderr: OutputHandler | None = None,
        background: bool = False,
        check: bool = True,
    ) -> CommandResult | Command:
        """Run a command with `/bin/bash -l -c` and wait for its end.

        A call that is cancelled, or left by an error of a handler, kills its command. With `background=True` the call
        returns as soon as the command runs, and a `Command` is what to read and to end it by.

        The stream of a command shows a sign of life every 20 seconds of silence. When there was neither output nor such
        a sign for 40 seconds, or when the connection breaks, the state of the sandbox is read once, to tell why.

        Args:
            cmd: a line of bash.
            timeout: seconds that the command may run, in the background too; None for as long as the sandbox lives.
                Held by the sandbox, which kills the command, and two seconds later here.
            envs: environment variables, above those of the sandbox.
            cwd: the directory that it runs in; relative paths and `~` start at the user's home, which is the default.
            user: the Linux user that runs it; None for the sandbox's own default.
            stdin: its standard input: text or bytes, and then the end of it. In the background, True to keep it open
                for `Command.send_stdin`.
            on_stdout: called with each piece of text that it writes, in order, and awaited if that can be awaited.
            on_stderr: the same for the other stream.
            background: return at once.
            check: raise when it ends with another exit code than 0.

        Returns:
            Its `CommandResult`; in the background, a `Command`.

        Raises:
            ValidationError: an argument cannot be sent. Nothing was.
            CommandFailed: its exit code is not 0, and `check` is set. It has both outputs.
            CommandTimeout: it ran over its `timeout`. It has what was written.
            SandboxEnded: the sandbox is gone or paused; `partial` is a `CommandResult` with what was written.
            SandboxUnreachable: the sandbox is said to run and does not answer; with `partial` too.
            BadRequest: the directory does not exist.
            AuthenticationError: the user does not exist.

        Example:
            result = await sandbox.commands.run("sort", stdin="b\\na\\n")
            assert result.stdout == "a\\nb\\n"

        Contract: sandbox.md sections 3 and 4.
        """
        if not isinstance(cmd, str) or not cmd.strip():  # pyright: ignore[reportUnnecessaryIsInstance] - a caller's
            raise ValidationError("cmd is empty: it must be a line of bash")
        if "\0" in cmd:
            raise ValidationError("cmd holds a NUL byte")
        if background and (on_stdout is not None or on_stderr is not None):
            raise ValidationError("nobody calls on_stdout and on_stderr in the background: iterate over the Command")
        if background and stdin is not None and not isinstance(stdin, bool):
            raise ValidationError("in the background stdin is True or False, and Command.send_stdin writes to it")
        if not background and stdin is True:
            raise ValidationError("stdin=True keeps the input open, which is of use only with background=True")
        process = given(
            cmd="/bin/bash",
            args=["-l", "-c", cmd],
            envs=check_strings("envs", envs, variables=True) or None,
            cwd=None if cwd is None else check_path("cwd", cwd),
        )
        data = None if stdin is None or isinstance(stdin, bool) else encoded("stdin", stdin)
        opened = data is not None or bool(stdin)
        body = envelope(json_body({"process": process, "stdin": opened}))
        command = await self._start(body, user=check_user(user), timeout=check_timeout(timeout), stdin=opened)
        if background:
            return command
        return await self._attend(command, data, on_stdout, on_stderr, check=check)

    async def _start(self, body: bytes, *, user: str | None, timeout: float | None, stdin: bool) -> Command:
        envd, limit = self._envd, KEEPALIVE_LIMIT
        headers = {
            "content-type": "application/connect+json",
            "connect-protocol-version": "1",
            "connect-content-encoding": "identity",
            "keepalive-ping-interval": str(KEEPALIVE_INTERVAL),
        }
        if timeout is not None:
            headers["connect-timeout-ms"] = str(math.ceil(timeout * 1000))
            limit = min(limit, timeout + LATE)
        attempts = Attempts(
            envd.runtime,
            envd.call(
                "POST",
                "/process.Process/Start",
                body=body,
                headers=headers,
                user=user,
                replay=Replay.SUBMITS,
                attempt=limit,
            ),
        )

        async def work() -> Command:
            stream = await envd.open(attempts, self._reader, first_event=limit, idle=KEEPALIVE_LIMIT)
            try:
                pid = await self._pid(stream)
            except BaseException:
                await stream.aclose()
                raise
            return Command(envd, stream, pid=pid, user=user, timeout=timeout, stdin=stdin)

        async def undo(command: Command) -> None:
            try:
                await command.kill(timeout=_KILL_LIMIT)
            finally:
                await command.aclose()

        try:
            return await or_undo(envd.runtime.clock, attempts, work(), undo)
        except APIError as error:
            if timeout is None or error.reason.lower() != "deadline_exceeded":
                raise
            raise CommandTimeout(timeout, sandbox_id=envd.sandbox_id) from error

    def _reader(self, response: Response) -> ConnectReader[Message]:
        return ConnectReader(self._envd.runtime, response, Message)

    async def _pid(self, stream: SandboxStream[Message]) -> int:
        async for message in stream:
            if message.event.start is not None:
                return message.event.start.pid
        raise await self._envd.explain(StreamCut("the stream ended before its command began"))

    async def _attend(
        self,
        command: Command,
        data: bytes | None,
        on_stdout: OutputHandler | None,
        on_stderr: OutputHandler | None,
        *,
        check: bool,
    ) -> CommandResult:
        """Read a command to its end while its input is written; leave nothing of it behind."""
        handlers = {"stdout": on_stdout, "stderr": on_stderr}
        async with command:
            # Beside the reading: a command may write before it has read all of its input, and wait for its reader.
            feeding = asyncio.get_running_loop().create_task(_feed(command, data)) if data is not None else None
            try:
                async for output in command:
                    handler = handlers[output.type]
                    if handler is not None:
                        waiting = handler(output.text)
                        if inspect.isawaitable(waiting):
                            await waiting
                return await command.wait(check=check)
            except BaseException as error:
                if command.running:
                    await uninterrupted(_kill(command, error))
                raise
            finally:
                if feeding is not None:
                    feeding.cancel()
                    await uninterrupted(_settled(feeding))


async def _feed(command: Command, data: bytes) -> None:
    try:
        await command.feed(data, attempt=_INPUT_LIMIT)
        await command.close_stdin()
    except (NotFound, ServerError) as error:
        # It has ended, or has closed its input, as `head` does: what is left of the input is of no interest.
        if isinstance(error, ServerError) and error.reason.lower() != "internal":
            command.abort(error)
    except NovitaError as error:
        command.abort(error)


async def _settled(task: asyncio.Task[None]) -> None:
    await asyncio.wait({task})


async def _kill(command: Command, error: BaseException) -> None:
    """Kill a command that was given up because of an error, which a kill that fails does not hide."""
    try:
        await command.kill(timeout=_KILL_LIMIT)
    except NovitaError as failure:
        error.add_note(f"command {command.pid} could not be killed: {failure}")
