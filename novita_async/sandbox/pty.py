"""`sandbox.pty`: terminals in a sandbox (contract/sandbox.md 4, envd/process.proto)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

import msgspec

from ..errors import APIError, ClientClosed, CommandTimeout, NovitaError, StreamCut, ValidationError
from ..runtime.arguments import check_timeout, given
from ..runtime.closing import Closing
from ..runtime.retry import Replay
from ..runtime.undo import or_undo
from .arguments import check_path, check_pid, check_strings, check_user, encoded
from .attach import KEEPALIVE_LIMIT, LATE, ProcessRef, attach, attempts_of, start_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ..runtime.clock import TimerHandle
    from .envd import Envd, SandboxStream
    from .output import Message

__all__ = ["Pty", "PtyResult", "Terminals"]

_KILL_LIMIT = 5.0  # seconds for killing a terminal that nobody waits for any more
#: What programs are told of the terminal, unless the caller says otherwise.
_ENVS = {"TERM": "xterm-256color", "LANG": "C.UTF-8", "LC_ALL": "C.UTF-8"}
_LARGEST = 2**16 - 1  # columns or rows, as Linux counts them


class PtyResult(msgspec.Struct, frozen=True):
    """How the shell of a terminal ended.

    Attributes:
        exit_code: 0 for success; -1 when a signal ended it.
        error: what the sandbox says of a failure, such as "exit status 2" or "signal: killed"; "" after a success.
    """

    exit_code: int
    error: str = ""


class Terminals:
    """`sandbox.pty`."""

    def __init__(self, envd: Envd) -> None:
        self._envd = envd

    async def create(
        self,
        *,
        cols: int = 80,
        rows: int = 24,
        user: str | None = None,
        cwd: str | None = None,
        envs: Mapping[str, str] | None = None,
        timeout: float | None = None,
    ) -> Pty:
        """Start a shell (`/bin/bash -i -l`) on a terminal of its own.

        A call that is cancelled leaves no shell behind.

        Args:
            cols: width in characters.
            rows: height in characters.
            user: the Linux user whose shell it is; None for the sandbox's own default.
            cwd: the directory that it starts in; relative paths and `~` start at the user's home, which is the default.
            envs: environment variables, above those of the sandbox. TERM is xterm-256color and the locale C.UTF-8
                unless they are given.
            timeout: seconds that the shell may run; None for as long as the sandbox lives. Held by the sandbox, which
                kills it, and two seconds later here.

        Raises:
            ValidationError: an argument cannot be sent. Nothing was.
            SandboxEnded: the sandbox is gone or paused.
            SandboxUnreachable: the sandbox is said to run and does not answer.
            BadRequest: the directory does not exist.
            AuthenticationError: the user does not exist.

        Example:
            async with await sandbox.pty.create(cols=100, rows=30) as terminal:
                await terminal.send("ls; exit\\n")
                async for data in terminal:
                    sys.stdout.buffer.write(data)

        Contract: sandbox.md section 4, Start and PTY.
        """
        process = given(
            cmd="/bin/bash",
            args=["-i", "-l"],
            envs={**_ENVS, **check_strings("envs", envs, variables=True)},
            cwd=None if cwd is None else check_path("cwd", cwd),
        )
        message = {"process": process, "pty": {"size": _size(cols, rows)}}
        envd, user, timeout = self._envd, check_user(user), check_timeout(timeout)
        limit = KEEPALIVE_LIMIT if timeout is None else min(KEEPALIVE_LIMIT, timeout + LATE)
        attempts = attempts_of(envd, "Start", message, user=user, replay=Replay.SUBMITS, limit=limit, timeout=timeout)

        async def work() -> Pty:
            stream = await attach(envd, attempts, limit=limit)
            return await _begun(envd, stream, user, timeout)

        async def undo(pty: Pty) -> None:
            try:
                await pty.kill(timeout=_KILL_LIMIT)
            finally:
                await pty.aclose()

        return await or_undo(envd.runtime.clock, attempts, work(), undo)

    async def connect(self, pid: int, *, user: str | None = None, timeout: float | None = None) -> Pty:
        """Take up a terminal that runs already, from now on: what it wrote before is not repeated.

        Args:
            pid: of its shell, as `Pty.pid` and `commands.list` tell it.
            user: the Linux user that acts; None for the sandbox's own default.
            timeout: seconds to reach it.

        Raises:
            NotFound: nothing runs under this pid.
            SandboxEnded: the sandbox is gone or paused.
            SandboxUnreachable: the sandbox is said to run and does not answer.

        Contract: sandbox.md section 4, Connect.
        """
        envd, limit, user = self._envd, check_timeout(timeout) or KEEPALIVE_LIMIT, check_user(user)
        message = {"process": {"pid": check_pid(pid)}}
        attempts = attempts_of(envd, "Connect", message, user=user, replay=Replay.SAFE, limit=limit)
        return await _begun(envd, await attach(envd, attempts, limit=limit), user, None)


async def _begun(envd: Envd, stream: SandboxStream[Message], user: str | None, timeout: float | None) -> Pty:
    try:
        pid = await start_of(envd, stream)
    except BaseException:
        await stream.aclose()
        raise
    return Pty(envd, stream, pid=pid, user=user, timeout=timeout)


class Pty(Closing):
    """A terminal in a sandbox.

    Iterate over it, by one task at a time, for the bytes that it writes; they are cut anywhere, also inside a
    character. A terminal that nobody reads is held up when it has written enough. `aclose()`, or leaving its
    `async with`, lets go of it and leaves its shell running, to be taken up again with `sandbox.pty.connect(pid)`.

    Attributes:
        pid: of its shell in the sandbox.

    Raises while iterating or waiting:
        CommandTimeout: the shell ran over its `timeout` and was ended.
        SandboxEnded: the sandbox is gone or paused.
        SandboxUnreachable: the sandbox is said to run, and the connection broke, or went silent for 40 seconds.
        APIError: envd ended the stream with an error.
        ClientClosed: it was let go of before its end.
    """

    def __init__(
        self, envd: Envd, stream: SandboxStream[Message], *, pid: int, user: str | None, timeout: float | None
    ) -> None:
        self.pid = pid
        self._result: PtyResult | None = None
        self._envd = envd
        self._stream = stream
        self._shell = ProcessRef(envd, pid, user)
        self._timeout = timeout
        self._failure: NovitaError | None = None
        self._reading = False
        self._timer: TimerHandle | None = None
        if timeout is not None:
            self._timer = envd.runtime.clock.call_later(timeout + LATE, self._overdue)

    def __repr__(self) -> str:
        result = self._result
        state = f"ended {result.exit_code}" if result else "lost" if self._failure else "running"
        return f"<Pty pid={self.pid} {state}>"

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        if self._reading:
            raise ValidationError("another task is reading this terminal")
        self._reading = True
        try:
            while self._result is None:
                if self._failure is not None:
                    raise self._failure
                data = await self._next()
                if data:
                    return data
        finally:
            self._reading = False
        raise StopAsyncIteration

    async def _next(self) -> bytes:
        """What the next event of the stream tells that was written."""
        try:
            message = await anext(self._stream, None)
            if message is None:
                raise await self._envd.explain(StreamCut("the stream ended before its terminal"))
        except NovitaError as error:
            failure = self._lost(error)
            if failure is error:
                raise
            raise failure from error
        event = message.event
        if event.end is not None:
            self._result = PtyResult(event.end.exitCode, event.end.error or "")
            self._let_go()
            await self._stream.finish()
        return event.data.pty if event.data is not None else b""

    async def wait(self) -> PtyResult:
        """Read to its end, throwing away what it writes. Raises what iterating raises."""
        async for _ in self:
            pass
        assert self._result is not None
        return self._result

    async def send(self, data: str | bytes, *, timeout: float | None = None) -> None:
        """Type something. Nothing is sent twice: what was typed when an answer was lost may have arrived.

        Args:
            data: text, which is written as UTF-8, or bytes. "\\\\x03" is Ctrl-C, "\\\\x04" Ctrl-D.
            timeout: the call in seconds, retries and waits included.

        Raises:
            NotFound: its shell has ended.
            SandboxEnded: the sandbox is gone or paused.
            SandboxUnreachable: the sandbox does not answer; it was sent when the cause is an OutcomeUnknown.

        Contract: sandbox.md section 4, SendInput.
        """
        await self._shell.feed(encoded("data", data), kind="pty", timeout=check_timeout(timeout))

    async def resize(self, *, cols: int, rows: int, timeout: float | None = None) -> None:
        """Tell it that its size has changed.

        Args:
            cols: width in characters.
            rows: height in characters.
            timeout: the call in seconds, retries and waits included.

        Raises:
            NotFound: its shell has ended.
            SandboxEnded: the sandbox is gone or paused.
            SandboxUnreachable: the sandbox is said to run and does not answer.

        Contract: sandbox.md section 4, Update.
        """
        await self._shell.resize(_size(cols, rows), timeout=check_timeout(timeout))

    async def kill(self, *, timeout: float | None = None) -> bool:
        """Kill its shell (SIGKILL).

        Args:
            timeout: the call in seconds, retries and waits included.

        Returns:
            False when it had ended already.

        Raises:
            SandboxEnded: the sandbox is gone or paused.
            SandboxUnreachable: the sandbox is said to run and does not answer.

        Contract: sandbox.md section 4, SendSignal.
        """
        return await self._shell.signal("SIGNAL_SIGKILL", timeout=check_timeout(timeout))

    def _overdue(self) -> None:
        """Its deadline has passed here as well, and the sandbox has not ended it."""
        if self._result is None and self._failure is None:
            self._failure = self._timed_out()
            self._stream.abort(self._failure)

    def _timed_out(self) -> CommandTimeout:
        return CommandTimeout(self._timeout or 0.0, sandbox_id=self._envd.sandbox_id)

    def _lost(self, error: NovitaError) -> NovitaError:
        """Remember why nothing more comes."""
        if self._failure is None:
            overdue = isinstance(error, APIError) and error.reason.lower() == "deadline_exceeded"
            self._failure = self._timed_out() if overdue else error
        self._let_go()
        return self._failure

    def _let_go(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    async def aclose(self) -> None:
        """Let go of it: its shell runs on, and is not heard of any more. Safe to call twice."""
        if self._result is None and self._failure is None:
            self._failure = ClientClosed("this terminal was let go of before its end")
        self._let_go()
        await self._stream.aclose()


def _size(cols: int, rows: int) -> dict[str, int]:
    problems = [
        f"{name} must be a whole number from 1 to {_LARGEST}, got {value!r}"
        for name, value in (("cols", cols), ("rows", rows))
        if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= _LARGEST  # pyright: ignore[reportUnnecessaryIsInstance] - a caller's
    ]
    if problems:
        raise ValidationError(*problems)
    return {"cols": cols, "rows": rows}
