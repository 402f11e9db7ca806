"""Code that runs in a sandbox: what it gives, as it comes (contract/sandbox-envd.openapi.yaml, ExecutionEvent)."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Self

from ..errors import ClientClosed, CommandTimeout, NovitaError, StreamCut, ValidationError
from ..runtime.closing import Closing
from ..wire.json import decode
from ..wire.ndjson import NDJSONDecoder
from .execution import CodeMessage, Execution

if TYPE_CHECKING:
    from ..runtime.call import Runtime
    from ..runtime.clock import TimerHandle
    from .envd import Envd, SandboxStream
    from .execution import CodeEvent

__all__ = ["ALIVE_LIMIT", "CodeReader", "CodeStream"]

#: Seconds of silence after which a stream that has shown a sign of life before counts as dead: they come every 5.
ALIVE_LIMIT = 20.0


class CodeStream(Closing):
    """What code gives as it comes: an async iterator of `Output`, `Result` and `ExecutionError`.

    To be used inside `async with`, by one task at a time. Left or closed before its end, it interrupts the code.

    Attributes:
        execution: all that has come so far.

    Raises while iterating or waiting:
        CommandTimeout: the code ran over its `timeout`.
        SandboxEnded: the sandbox is gone or paused.
        SandboxUnreachable: the sandbox is said to run, and the connection broke or went silent.
        ClientClosed: it was closed before its end.
    All of them have the `Execution` so far in `partial`.
    """

    def __init__(
        self, envd: Envd, stream: SandboxStream[CodeMessage], *, timeout: float | None, deadline: float | None
    ) -> None:
        self.execution = Execution()
        self._envd = envd
        self._clock = envd.runtime.clock
        self._stream = stream
        self._timeout = timeout
        self._ready: deque[CodeEvent] = deque()
        self._over = False
        self._failure: NovitaError | None = None
        self._waiting_since: float | None = None
        self._watch: TimerHandle | None = None
        self._timer: TimerHandle | None = None
        if deadline is not None:
            self._timer = self._clock.call_later(max(0.0, deadline - self._clock.monotonic()), self._overdue)

    def __repr__(self) -> str:
        return f"<CodeStream {'ended' if self._over else 'lost' if self._failure else 'running'}>"

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> CodeEvent:
        while not self._ready:
            if self._over:
                raise StopAsyncIteration
            await self._advance()
        return self._ready.popleft()

    async def wait(self) -> Execution:
        """Read to the end and return what came. Raises what iterating raises."""
        async for _ in self:
            pass
        return self.execution

    async def _advance(self) -> None:
        """Take the next line of the stream."""
        if self._failure is not None:
            raise self._failure
        if self._waiting_since is not None:
            raise ValidationError("another task is reading this stream")
        self._waiting_since = self._clock.monotonic()
        try:
            message = await anext(self._stream, None)
            if message is None:
                raise await self._envd.explain(StreamCut("the stream ended before its code"))
        except NovitaError as error:
            self._failure = self._failure or error
            self._failure.partial = self.execution
            self._let_go()
            raise self._failure from (error if error is not self._failure else error.__cause__)
        finally:
            self._waiting_since = None
        self._ready += self.execution.take(message)
        if message.type == "keepalive" and self._watch is None:
            self._look_again(ALIVE_LIMIT)
        if message.type == "end_of_execution":
            self._over = True
            self._let_go()
            await self._stream.finish()

    def _overdue(self) -> None:
        error = CommandTimeout(
            self._timeout or 0.0,
            stdout=self.execution.stdout,
            stderr=self.execution.stderr,
            sandbox_id=self._envd.sandbox_id,
        )
        self.abort(error)

    def _look_again(self, seconds: float) -> None:
        self._watch = self._clock.call_later(seconds, self._look)

    def _look(self) -> None:
        """See whether the peer, which has shown that it gives signs of life, has gone dead."""
        now = self._clock.monotonic()
        silent_since = now if self._waiting_since is None else self._waiting_since
        if now >= silent_since + ALIVE_LIMIT:
            self._stream.abort(StreamCut(f"neither output nor a sign of life came for {ALIVE_LIMIT:g} s"))
        else:
            self._look_again(silent_since + ALIVE_LIMIT - now)

    def _let_go(self) -> None:
        for timer in (self._timer, self._watch):
            if timer is not None:
                timer.cancel()

    def abort(self, error: NovitaError) -> None:
        """Close it at once; whoever reads it, now or later, gets this error."""
        if not self._over and self._failure is None:
            error.partial = self.execution
            self._failure = error
            self._let_go()
            self._stream.abort(error)

    async def aclose(self) -> None:
        """Close it; code that still runs is interrupted. Safe to call twice."""
        if not self._over and self._failure is None:
            self._failure = ClientClosed("this stream was closed before the end of its code")
            self._failure.partial = self.execution
        self._let_go()
        await self._stream.aclose()


class CodeReader:
    """The reader of an execution's lines."""

    def __init__(self, runtime: Runtime) -> None:
        self.done = False
        self._decoder = runtime.decoders(CodeMessage)
        self._lines = NDJSONDecoder(max_event_bytes=runtime.settings.limits.max_event_bytes)

    def feed(self, chunk: bytes, out: list[bytes]) -> None:
        out += self._lines.feed(chunk)

    def close(self, out: list[bytes]) -> None:
        out += self._lines.close()

    def decode(self, event: bytes) -> CodeMessage:
        message = decode(self._decoder, event)
        self.done = self.done or message.type == "end_of_execution"
        return message

    def is_content(self, value: CodeMessage) -> bool:
        return True  # whatever comes proves that the code was taken
