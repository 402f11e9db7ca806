"""A command that runs in a sandbox: what it writes, how it ends (contract/sandbox.md 4, envd/process.proto)."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Self

from ..errors import (
    APIError,
    ClientClosed,
    CommandFailed,
    CommandTimeout,
    NotFound,
    NovitaError,
    RateLimited,
    SandboxEnded,
    SandboxUnreachable,
    ServerError,
    StreamCut,
    ValidationError,
)
from ..runtime.arguments import check_timeout
from ..runtime.closing import Closing
from ..runtime.retry import Replay, delays
from .arguments import encoded
from .attach import KEEPALIVE_LIMIT, LATE, ProcessRef, attach, attempts_of
from .output import CommandResult, Gap, Output, Text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..runtime.clock import TimerHandle
    from .envd import Envd, SandboxStream
    from .output import End, Event, Message

__all__ = ["Command"]


class Command(Closing):
    """A command that runs in the background, as `commands.run(..., background=True)` gives it.

    Iterate over it for what it writes, or `wait()` for its end; by one task at a time. A command whose output nobody
    reads is held up when the pipes are full. `aclose()`, or leaving its `async with`, lets go of it and leaves it
    running, up to its timeout. It ends with its sandbox.

    When its connection breaks and the sandbox still runs, it is taken up again, for up to 40 seconds each time without
    a sign of life. The sandbox repeats nothing of what was written meanwhile: an `Output` of type "gap" stands in its
    place, and in `CommandResult.gaps`. A command that was run with `durable=True` goes on from the last byte instead.

    Attributes:
        pid: its process id in the sandbox.
        stdin_open: whether it can be sent input.

    Raises while iterating or waiting:
        CommandTimeout: it ran over its `timeout` and was ended.
        SandboxEnded: the sandbox is gone or paused.
        SandboxUnreachable: the sandbox is said to run, and it does not answer or went silent.
        StreamCut: it ended while the connection was broken, and how is not known any more.
        APIError: envd ended the stream with an error.
        ClientClosed: it was let go of before its end.
    The first has what was written so far, the four after it have that as a `CommandResult` in `partial`.

    Example:
        async with await sandbox.commands.run("make test", timeout=None, background=True) as command:
            async for output in command:
                print(output.text, end="")
            result = await command.wait()
    """

    def __init__(
        self,
        envd: Envd,
        stream: SandboxStream[Message] | None,
        *,
        pid: int,
        user: str | None,
        timeout: float | None,
        ends: float | None,
        stdin: bool,
    ) -> None:
        self.pid = pid
        self.stdin_open = stdin
        self._envd = envd
        self._clock = envd.runtime.clock
        self._stream: SandboxStream[Message] | None = stream
        self._process = ProcessRef(envd, pid, user)
        self._user = user
        self._timeout = timeout
        self._ends = ends  # of the clock, when the sandbox will have ended it
        self._stdout = Text("stdout")
        self._stderr = Text("stderr")
        self._gaps: list[Gap] = []
        self._ready: deque[Output] = deque()
        self._result: CommandResult | None = None
        self._failure: NovitaError | None = None
        self._over = False
        self._reading = False
        self._waits: Iterator[float] | None = None
        self._timer: TimerHandle | None = None
        if ends is not None:
            self._timer = self._clock.call_later(ends - self._clock.monotonic() + LATE, self._overdue)

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

    def keep_output(self, keep: bool) -> None:
        """Whether what is read from now on is kept for the result."""
        self._stdout.kept = self._stderr.kept = keep

    async def wait(self, *, check: bool = True) -> CommandResult:
        """Read to its end.

        Args:
            check: raise when it failed.

        Raises:
            CommandFailed: it ended with another exit code than 0. Its `partial` is the `CommandResult`.

        Raises also what iterating raises.
        """
        async for _ in self:
            pass
        result = self._result
        assert result is not None
        if check and result.exit_code != 0:
            failed = CommandFailed(
                result.exit_code,
                stdout=result.stdout,
                stderr=result.stderr,
                error=result.error,
                sandbox_id=self._envd.sandbox_id,
            )
            failed.partial = result
            raise failed
        return result

    async def _advance(self) -> None:
        """Take the next event of the stream."""
        if self._failure is not None:
            raise self._failure
        if self._reading:
            raise ValidationError("another task is reading this command")
        self._reading = True
        try:
            await self._take((await self._next()).event)
        except NovitaError as error:
            failure = self._lost(error)
            if failure is error:
                raise
            raise failure from error
        finally:
            self._reading = False

    async def _next(self) -> Message:
        """The next message of its stream, or of the one that takes its place when it breaks."""
        since = self._clock.monotonic()
        broken: NovitaError | None = None
        while True:
            if self._stream is None:
                await self._take_up(since, broken)
            assert self._stream is not None
            try:
                message = await anext(self._stream, None)
                if message is None:
                    raise await self._envd.explain(StreamCut("the stream ended before its command"))
            except SandboxUnreachable as error:
                broken, stream, self._stream = error, self._stream, None
                await stream.aclose()
                continue
            except NotFound as error:  # a Connect may be refused inside its stream too
                raise _ended_unseen() from error
            if message.event.start is None and message.event.end is None:
                self._waits = None  # it is more than a stream that begins and ends
            return message

    async def _take_up(self, since: float, broken: NovitaError | None) -> None:
        """Have a stream again, at most KEEPALIVE_LIMIT after the last sign of life was waited for."""
        while True:
            if self._failure is not None:
                raise self._failure
            left = since + KEEPALIVE_LIMIT - self._clock.monotonic()
            if left <= 0:
                assert broken is not None
                raise broken
            if self._waits is None:
                self._waits = delays(self._envd.runtime.settings.retry)
            elif broken is not None:
                await self._clock.sleep(min(next(self._waits), left))
                left = max(since + KEEPALIVE_LIMIT - self._clock.monotonic(), 0.1)
            try:
                stream = await self._reopen(left)
            except (SandboxUnreachable, RateLimited, ServerError) as error:
                broken = error
                continue
            if self._failure is not None:  # let go of meanwhile
                await stream.aclose()
                raise self._failure
            self._stream = stream
            if broken is not None:
                self._resumed(self._clock.monotonic() - since)
            return

    async def _reopen(self, limit: float) -> SandboxStream[Message]:
        """Open another stream on it."""
        attempts = attempts_of(
            self._envd,
            "Connect",
            {"process": {"pid": self.pid}},
            user=self._user,
            replay=Replay.SAFE,
            limit=limit,
        )
        attempts.call.attempts = 1  # whoever asks repeats it
        try:
            return await attach(self._envd, attempts, limit=limit)
        except NotFound as error:
            raise _ended_unseen() from error

    def _resumed(self, seconds: float) -> None:
        """Report what was missed."""
        self._gaps.append(Gap(len(self._stdout), len(self._stderr), seconds))
        self._ready.append(Output("gap", ""))
        self._stdout.tear()
        self._stderr.tear()

    async def _take(self, event: Event) -> None:
        if event.data is not None:
            self._put(self._stdout.feed(event.data.stdout))
            self._put(self._stderr.feed(event.data.stderr))
        if event.end is not None:
            if event.end.exitCode < 0 and self._gaps and self._is_due:
                raise self._timed_out()  # the stream of its Start would have said so
            await self._end(event.end)

    async def _end(self, end: End) -> None:
        self._put(self._stdout.feed(b"", final=True))
        self._put(self._stderr.feed(b"", final=True))
        self._result = self._so_far(end)
        self._let_go()
        if self._stream is not None:
            await self._stream.finish()

    def _put(self, output: Output | None) -> None:
        if output is not None:
            self._ready.append(output)

    def _so_far(self, end: End | None = None) -> CommandResult:
        code, words = (-1, "") if end is None else (end.exitCode, end.error or "")
        return CommandResult(code, str(self._stdout), str(self._stderr), words, tuple(self._gaps))

    # ------------------------------------------------------------------------------------------- how it ends

    @property
    def running(self) -> bool:
        """Whether it may still run, as far as is known here."""
        return self._result is None and not self._over

    @property
    def _is_due(self) -> bool:
        """Whether its time is over."""
        return self._ends is not None and self._clock.monotonic() >= self._ends

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
                self._over = isinstance(error, SandboxEnded | SandboxUnreachable | CommandTimeout | StreamCut)
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
            if self._stream is not None:
                self._stream.abort(error)

    async def aclose(self) -> None:
        """Let go of it: it runs on, and is not heard of any more. Safe to call twice."""
        if self._result is None and self._failure is None:
            self._failure = ClientClosed("this command was let go of before its end")
        self._let_go()
        if self._stream is not None:
            await self._stream.aclose()

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
        return await self._process.signal("SIGNAL_SIGKILL", timeout=check_timeout(timeout))

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
        await self._process.feed(data, timeout=timeout)

    async def feed(self, data: bytes, *, attempt: float) -> None:
        """Write all of its input and close it, with a limit for one attempt."""
        await self._process.feed(data, timeout=None, attempt=attempt)
        await self.close_stdin()

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
        await self._process.close_stdin(timeout=timeout)

    def _check_stdin(self) -> None:
        if not self.stdin_open:
            raise ValidationError("the standard input of this command is not open: run it with stdin=True")


def _ended_unseen() -> StreamCut:
    return StreamCut("the command ended while its connection was broken: how is not known")
