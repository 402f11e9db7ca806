"""`sandbox.commands`: run commands in a sandbox (contract/sandbox.md 3, 4; envd/process.proto)."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Literal, TypeAlias, overload

import msgspec

from ..errors import APIError, CommandTimeout, NotFound, NovitaError, ServerError, ValidationError
from ..runtime.arguments import check_timeout, given
from ..runtime.clock import uninterrupted
from ..runtime.retry import Replay
from ..runtime.undo import or_undo
from ..wire.json import Object, decode
from .arguments import check_path, check_pid, check_strings, check_user, encoded
from .attach import KEEPALIVE_INTERVAL, KEEPALIVE_LIMIT, LATE, ProcessRef, attach, attempts_of, start_of
from .command import Command
from .durable import DurableCommand, Journal

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .envd import Envd
    from .output import CommandResult

__all__ = ["KEEPALIVE_INTERVAL", "KEEPALIVE_LIMIT", "Commands", "OutputHandler", "ProcessInfo"]

_KILL_LIMIT = 5.0  # seconds for killing a command that nobody waits for any more
_INPUT_LIMIT = 86400.0  # seconds: a command may read its input late, and its stream is what tells that it lives

#: Gets each piece of text that a command writes; awaited when it gives something to await.
OutputHandler: TypeAlias = Callable[[str], Awaitable[None] | None]


class ProcessInfo(Object):
    """A process that was started through the sandbox's API and runs.

    Attributes:
        pid: its process id in the sandbox.
        cmd: the program.
        args: its arguments.
        envs: the variables that it was given.
        cwd: the directory that it was started in; None for the user's home.
        tag: its label; "" for none.
    """

    pid: int
    cmd: str = ""
    args: list[str] = msgspec.field(default_factory=list)
    envs: dict[str, str] = msgspec.field(default_factory=dict)
    cwd: str | None = None
    tag: str = ""


class _Listed(msgspec.Struct):
    processes: list[msgspec.Raw] = []


class _Asked(msgspec.Struct):
    cmd: str = ""
    args: list[str] = []
    envs: dict[str, str] = {}
    cwd: str | None = None


class _Config(msgspec.Struct):
    config: _Asked = msgspec.field(default_factory=_Asked)


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
        durable: bool = False,
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
        durable: bool = False,
        background: Literal[True],
        keep_output: bool = True,
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
        durable: bool = False,
        background: bool = False,
        keep_output: bool = True,
        check: bool = True,
    ) -> CommandResult | Command:
        """Run a command with `/bin/bash -l -c` and wait for its end.

        A call that is cancelled, or left by an error of a handler, kills its command. With `background=True` the call
        returns as soon as the command runs, and a `Command` is what to read and to end it by.

        The stream of a command shows a sign of life every 20 seconds of silence. When there was neither output nor such
        a sign for 40 seconds, or when the connection breaks, the state of the sandbox is read once, to tell why. If it
        still runs, a broken connection is taken up again; what the command wrote meanwhile is a gap in the result, or,
        of a durable command, is read later.

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
            durable: let it write into files in the sandbox, which are read from there, so that a broken connection
                loses nothing. They are removed at its end; of a command that is let go of they stay. The exit code of
                one that a signal ended is 128 and the number of that. Needs bash, `flock`, `tail` and a home directory.
            background: return at once.
            keep_output: keep all that it writes for its result, beside the pieces that iterating gives. Without it
                `stdout` and `stderr` of the result are empty; for much output, in the background.
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
        if not background and not keep_output:
            raise ValidationError("keep_output=False leaves the output to who iterates, which needs background=True")
        if not background and stdin is True:
            raise ValidationError("stdin=True keeps the input open, which is of use only with background=True")
        variables, args = check_strings("envs", envs, variables=True), ["-l", "-c", cmd]
        journal = Journal() if durable else None
        if journal is not None:
            args, variables = journal.wrapped(cmd, variables)
        process = given(
            cmd="/bin/bash",
            args=args,
            envs=variables or None,
            cwd=None if cwd is None else check_path("cwd", cwd),
        )
        data = None if stdin is None or isinstance(stdin, bool) else encoded("stdin", stdin)
        opened = data is not None or bool(stdin)
        command = await self._start(
            {"process": process, "stdin": opened},
            user=check_user(user),
            timeout=check_timeout(timeout),
            stdin=opened,
            journal=journal,
        )
        if background:
            command.keep_output(keep_output)
            return command
        return await self._attend(command, data, on_stdout, on_stderr, check=check)

    async def _start(
        self,
        message: Mapping[str, object],
        *,
        user: str | None,
        timeout: float | None,
        stdin: bool,
        journal: Journal | None,
    ) -> Command:
        envd = self._envd
        limit = KEEPALIVE_LIMIT if timeout is None else min(KEEPALIVE_LIMIT, timeout + LATE)
        attempts = attempts_of(envd, "Start", message, user=user, replay=Replay.SUBMITS, limit=limit, timeout=timeout)

        async def work() -> Command:
            ends = None if timeout is None else envd.runtime.clock.monotonic() + timeout
            stream = await attach(envd, attempts, limit=limit)
            try:
                pid = await start_of(envd, stream)
                if journal is None:
                    return Command(envd, stream, pid=pid, user=user, timeout=timeout, ends=ends, stdin=stdin)
                await journal.opened(stream, sandbox_id=envd.sandbox_id)
            except BaseException:
                await stream.aclose()
                raise
            await stream.aclose()
            return DurableCommand(envd, journal, pid=pid, user=user, timeout=timeout, ends=ends, stdin=stdin)

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
                    handler = handlers.get(output.type)
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

    # ------------------------------------------------------------------------------------- those that run already

    async def list(self, *, user: str | None = None, timeout: float | None = None) -> list[ProcessInfo]:
        """List what was started through the sandbox's API and runs: commands, terminals, a template's own command.

        Args:
            user: the Linux user that acts; None for the sandbox's own default.
            timeout: the call in seconds, retries and waits included.

        Contract: sandbox.md section 4, List.
        """
        runtime = self._envd.runtime
        answer = await self._envd.tell(
            "process.Process/List", {}, user=check_user(user), timeout=check_timeout(timeout)
        )
        found: list[ProcessInfo] = []
        for listed in runtime.decode(answer, _Listed).processes:
            info = decode(runtime.decoders(ProcessInfo), bytes(listed))
            asked = decode(runtime.decoders(_Config), bytes(listed)).config
            info.cmd, info.args, info.envs, info.cwd = asked.cmd, asked.args, asked.envs, asked.cwd
            found.append(info)
        return found

    async def connect(self, pid: int, *, user: str | None = None, timeout: float | None = None) -> Command:
        """Follow a command that runs already, from now on: what it wrote before is not repeated.

        Letting go of it leaves it running. It keeps the deadline that it was started with.

        Args:
            pid: its process id in the sandbox, as `Command.pid` and `list` tell it.
            user: the Linux user that acts; None for the sandbox's own default.
            timeout: seconds to reach it.

        Raises:
            NotFound: nothing runs under this pid.
            SandboxEnded: the sandbox is gone or paused.
            SandboxUnreachable: it is said to run and does not answer.

        Contract: sandbox.md section 4, Connect.
        """
        envd, limit = self._envd, check_timeout(timeout) or KEEPALIVE_LIMIT
        message = {"process": {"pid": check_pid(pid)}}
        attempts = attempts_of(envd, "Connect", message, user=check_user(user), replay=Replay.SAFE, limit=limit)
        stream = await attach(envd, attempts, limit=limit)
        try:
            pid = await start_of(envd, stream)
        except BaseException:
            await stream.aclose()
            raise
        return Command(envd, stream, pid=pid, user=user, timeout=None, ends=None, stdin=True)

    async def kill(self, pid: int, *, user: str | None = None, timeout: float | None = None) -> bool:
        """Kill a command by its pid (SIGKILL). See `Command.kill`."""
        return await self._ref(pid, user).signal("SIGNAL_SIGKILL", timeout=check_timeout(timeout))

    async def send_stdin(
        self, pid: int, data: str | bytes, *, user: str | None = None, timeout: float | None = None
    ) -> None:
        """Write to the standard input of a command by its pid. See `Command.send_stdin`."""
        await self._ref(pid, user).feed(encoded("data", data), timeout=check_timeout(timeout))

    async def close_stdin(self, pid: int, *, user: str | None = None, timeout: float | None = None) -> None:
        """Close the standard input of a command by its pid. See `Command.close_stdin`."""
        await self._ref(pid, user).close_stdin(timeout=check_timeout(timeout))

    def _ref(self, pid: int, user: str | None) -> ProcessRef:
        return ProcessRef(self._envd, check_pid(pid), check_user(user))


async def _feed(command: Command, data: bytes) -> None:
    try:
        await command.feed(data, attempt=_INPUT_LIMIT)
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
