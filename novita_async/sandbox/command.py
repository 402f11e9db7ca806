"""A command that runs in a sandbox: what it writes, how it ends (contract/sandbox.md 4, envd/process.proto)."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any, Literal, Self

from ..errors import (
    APIError,
    ClientClosed,
    CommandFailed,
    CommandTimeout,
    NotFound,
    NovitaError,
    SandboxEnded,
    SandboxUnreachable,
    StreamCut,
    ValidationError,
)
from ..runtime.arguments import check_timeout
from ..runtime.retry import Replay
from .arguments import encoded
from .output import CommandResult, Output, Text

if TYPE_CHECKING:
    from types import TracebackType

    from ..runtime.clock import TimerHandle
    from .envd import Envd, SandboxStream
    from .output import End, Event, Message

__all__ = ["LATE", "Command"]

#: Seconds that a command's deadline is held longer here than in the sandbox, which is to be the one that ends it.
LATE = 2.0
_INPUT_SIZE = 256 * 1024  # bytes of input for one call


class Command:
    """A command that runs in the background, as `commands.run(..., background=True)` gives it.

    Iterate over it for what it writes, or `wait()` for its end; by one task at a time. A command whose output nobody
    reads is held up when the pipes are full. `aclose()`, or leaving its `async with`, lets go of it and leaves it
    running, up to its timeout. It ends with its sandbox.

    Attributes:
        pid: its process id in the sandbox.
        stdin_open: whether it can be sent input.

    Raises while iterating or waiting:
        CommandTimeout: it ran over its `timeout` and was ended.
        SandboxEnded: the sandbox is gone or paused.
        SandboxUnreachable: the sandbox is said to run, and the connection broke or went silent.
        APIError: envd ended the stream with an error.
        ClientClosed: it was let go of before its end.
    The first has what was written so far, the three after it have that as a `CommandResult` in `partial`.

    Example:
        async with await sandbox.commands.run("make test", timeout=None, background=True) as command:
            async for output in command:
                print(output.text, end="")
            result = await command.wait()
    """

    def __init__(
        self,
        envd: Envd,
        stream: SandboxStream[Message],
        *,
        pid: int,
        user: str | None,
        timeout: float | None,
        stdin: bool,
    ) -> None:
        self.pid = pid
        self.stdin_open = stdin
        self._envd = envd
        self._stream = stream
        self._user = user
        self._timeout = timeout
        self._stdout = Text()
        self._stderr = Text()
        self._ready: deque[Output] = deque()
        self._result: CommandResult | None = None
        self._failure: NovitaError | None = None
        self._over = False
        self._reading = False
        self._timer: TimerHandle | None = None
        if timeout is not None:
            self._timer = envd.runtime.clock.call_later(timeout + LATE, self._overdue)

    def __repr__(self) -> str:
        result = self._result
        state = f"ended {result.exit_code}" if result else "lost" if self._failure else "running"
        return f"<Command pid={self.pid} {state}>"

    # ---------------------------------------------------------------------------------------- what it writes

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Output:
        while not self._ready:
            if self._result is not None:
                raise StopAsyncIteration
            await self._advance()
        return self._ready.popleft()

    async def wait(self, *, check: bool = True) -> CommandResult:
        """Read to its end.

        Args:
            check: raise when it failed.

        Raises:
            CommandFailed: it ended with another exit code than 0.

        Raises also what iterating raises.
        """
        async for _ in self:
            pass
        result = self._result
        assert result is not None
        if check and result.exit_code != 0:
            raise CommandFailed(
                result.exit_code,
                stdout=result.stdout,
                stderr=result.stderr,
                error=result.error,
                sandbox_id=self._envd.sandbox_id,
            )
        return result

    async def _advance(self) -> None:
        """Take the next event of the stream."""
        if self._failure is not None:
            raise self._failure
        if self._reading:
            raise ValidationError("another task is reading this command")
        self._reading = True
        try:
            message = await anext(self._stream, None)
            if message is None:
                raise await self._envd.explain(StreamCut("the stream ended before its command"))
            await self._take(message.event)
        except NovitaError as error:
            failure = self._lost(error)
            if failure is error:
                raise
            raise failure from error
        finally:
            self._reading = False

    async def _take(self, event: Event) -> None:
        if event.data is not None:
            self._put("stdout", self._stdout.feed(event.data.stdout))
            self._put("stderr", self._stderr.feed(event.data.stderr))
        if event.end is not None:
            self._put("stdout", self._stdout.feed(b"", final=True))
            self._put("stderr", self._stderr.feed(b"", final=True))
            self._result = self._so_far(event.end)
            self._let_go()
            await self._stream.finish()

    def _put(self, name: Literal["stdout", "stderr"], text: str) -> None:
        if text:
            self._ready.append(Output(name, text))

    def _so_far(self, end: End | None = None) -> CommandResult:
        if end is None:
            return CommandResult(-1, str(self._stdout), str(self._stderr))
        return CommandResult(end.exitCode, str(self._stdout), str(self._stderr), end.error or "")

    # ------------------------------------------------------------------------------------------- how it ends

    @property
    def running(self) -> bool:
        """Whether it may still run, as far as is known here."""
        return self._result is None and not self._over

    def _overdue(self) -> None:
        """Its deadline has passed here as well, and the sandbox has not ended it."""
        self.abort(self._timed_out())

    def _timed_out(self) -> CommandTimeout:
        so_far = self._so_far()
        return CommandTimeout(
            self._timeout or 0.0, stdout=so_far.stdout, stderr=so_far.stderr, sandbox_id=self._envd.sandbox_id
        )

    def _lost(self, error: NovitaError) -> NovitaError:
        """Remember why nothing more comes."""
        if self._failure is None:
            if isinstance(error, APIError) and error.reason.lower() == "deadline_exceeded":
                self._over = True
                self._failure = self._timed_out()
            else:
                self._over = isinstance(error, SandboxEnded | SandboxUnreachable)
                self._failure = error
                error.partial = self._so_far()
        self._let_go()
        return self._failure

    def _let_go(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def abort(self, error: NovitaError) -> None:
        """Let go of it at once; whoever reads it, now or later, gets this error."""
        if self._result is None and self._failure is None:
            self._failure = error
            self._let_go()
            self._stream.abort(error)

    async def aclose(self) -> None:
        """Let go of it: it runs on, and is not heard of any more. Safe to call twice."""
        if self._result is None and self._failure is None:
            self._failure = ClientClosed("this command was let go of before its end")
        self._let_go()
        await self._stream.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    # --------------------------------------------------------------------------------------- what it is told

    async def kill(self, *, timeout: float | None = None) -> bool:
        """Kill it (SIGKILL).

        Args:
            timeout: the call in seconds, retries and waits included.

        Returns:
            False when it had ended already.

        Raises:
            SandboxEnded: its sandbox is gone or paused.
            SandboxUnreachable: the sandbox is said to run and does not answer.

        Contract: sandbox.md section 4, SendSignal.
        """
        try:
            await self._tell("SendSignal", {"signal": "SIGNAL_SIGKILL"}, Replay.SAFE, check_timeout(timeout))
        except NotFound:
            return False
        return True

    async def send_stdin(self, data: str | bytes, *, timeout: float | None = None) -> None:
        """Write to its standard input, for a command that was run with `stdin=True`.

        Nothing is sent twice: input whose answer was lost may have been written.

        Args:
            data: text, which is written as UTF-8, or bytes.
            timeout: the call in seconds, retries and waits included. A command that does not read holds it up.

        Raises:
            ValidationError: it was run without `stdin`, or its input is closed.
            NotFound: it has ended.
            ServerError: it has closed its input.
            SandboxEnded: its sandbox is gone or paused.
            SandboxUnreachable: the sandbox does not answer; the input was sent when the cause is an OutcomeUnknown.

        Contract: sandbox.md section 4, SendInput.
        """
        data = encoded("data", data)
        check_timeout(timeout)
        self._check_stdin()
        await self.feed(data, timeout=timeout)

    async def feed(self, data: bytes, *, timeout: float | None = None, attempt: float | None = None) -> None:
        """`send_stdin`, with a limit for one attempt."""
        for start in range(0, len(data), _INPUT_SIZE):
            message = {"input": {"stdin": data[start : start + _INPUT_SIZE]}}
            await self._tell("SendInput", message, Replay.SUBMITS, timeout, attempt)

    async def close_stdin(self, *, timeout: float | None = None) -> None:
        """Close its standard input: it reads what was written, and then the end.

        Args:
            timeout: the call in seconds, retries and waits included.

        Raises what `send_stdin` raises.

        Contract: sandbox.md section 4, CloseStdin; envd 0.5.2 or later.
        """
        check_timeout(timeout)
        self._check_stdin()
        self.stdin_open = False
        await self._tell("CloseStdin", {}, Replay.SUBMITS, timeout)

    def _check_stdin(self) -> None:
        if not self.stdin_open:
            raise ValidationError("the standard input of this command is not open: run it with stdin=True")

    async def _tell(
        self,
        method: str,
        message: dict[str, Any],
        replay: Replay,
        timeout: float | None,
        attempt: float | None = None,
    ) -> None:
        await self._envd.tell(
            f"process.Process/{method}",
            {"process": {"pid": self.pid}, **message},
            user=self._user,
            replay=replay,
            timeout=timeout,
            attempt=attempt,
        )
