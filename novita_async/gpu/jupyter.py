"""`instance.jupyter()`: a kernel on an instance's JupyterLab (contract/gpu.md 5; the protocol is Jupyter's own)."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING, Self

from ..errors import (
    CallTimeout,
    ClientClosed,
    NovitaError,
    OutcomeUnknown,
    StreamCut,
    ValidationError,
)
from ..runtime.arguments import check_timeout
from ..runtime.clock import uninterrupted
from ..runtime.closing import Closing
from .jupyter_output import Execution
from .jupyter_server import JupyterServer, KernelSocket
from .jupyter_tally import Tally

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import TracebackType

    from ..runtime.call import Runtime
    from ..wire.jupyter import KernelMessage
    from .jupyter_output import KernelEvent

__all__ = ["ExecutionStream", "Kernel"]

_END_LIMIT = 5.0  # seconds for what is done at the end


class Kernel:
    """A kernel on an instance: code that runs in it finds what was defined there before. Made by `Instance.jupyter`.

    To be used as `async with`. It runs one piece of code at a time; further ones wait for their turn.

    Attributes:
        id: its id on the Jupyter server; "" before it was started.
        made: it was started by this object, and ends with it. One that was joined is left as it is.
    """

    def __init__(
        self,
        runtime: Runtime,
        address: str,
        *,
        token: str | None = None,
        kernel_id: str | None = None,
        name: str | None = None,
        path: str | None = None,
        extra_headers: Mapping[str, str] | None = None,
    ) -> None:
        if kernel_id is not None and (not kernel_id or name is not None or path is not None):
            raise ValidationError("kernel_id joins a kernel that runs: it has its name and path already")
        self.id = kernel_id or ""
        self.made = kernel_id is None
        self.turn = asyncio.Lock()
        self.restarts = 0
        self._runtime = runtime
        self._server = JupyterServer(runtime, address, token=token, extra_headers=extra_headers)
        self._name = name
        self._path = path
        self._socket: KernelSocket | None = None
        self._closed = False

    def __repr__(self) -> str:
        return f"<Kernel {self.id or 'not started'} at {self._server.url}>"

    @property
    def socket(self) -> KernelSocket:
        """Its websocket.

        Raises:
            ValidationError: it was not started.
            ClientClosed: it was closed.
        """
        if self._closed:
            raise ClientClosed("this kernel was closed")
        if self._socket is None:
            raise ValidationError("this kernel was not started: use it as `async with`")
        return self._socket

    async def start(self, *, timeout: float | None = None) -> Self:
        """Start the kernel, or join the one that was named. `async with` does so.

        Args:
            timeout: the call in seconds, retries and waits included.

        Raises:
            NotFound: there is no kernel with this id, or none of this name can be started.
            PermissionDenied: the token is wrong.
        """
        if self._socket is None:
            if self.made:
                self.id = (await self._server.start_kernel(self._name, self._path, timeout=timeout)).id
            else:
                await self._server.get(self.id, timeout=timeout)
            self._socket = KernelSocket(self._server, self.id)
        return self

    async def execute(
        self, code: str, *, silent: bool = False, store_history: bool = True, timeout: float | None = 300.0
    ) -> Execution:
        """Run code and wait for its end. Code that fails raises nothing: how it failed is in `Execution.error`.

        A call that is cancelled or over its time interrupts its code; the kernel stays. A connection that drops is
        made again, and the code runs on meanwhile: each output is given once, in order. If something got lost with
        the connection all the same, that is an error.

        Args:
            code: what to run.
            silent: let the kernel tell its results to nobody.
            store_history: count it, and keep it in the kernel's history.
            timeout: seconds from now that it may take, waiting for its turn included; None for any time.

        Returns:
            Its `Execution`.

        Raises:
            CallTimeout: it ran over its `timeout`.
            StreamCut: messages of it were lost with a connection, the kernel was started anew or is gone, or the
                connection cannot be made again. The message tells which.
            OutcomeUnknown: connection or kernel broke as it was sent: it may have run, or not. It was not sent again.
            All of them have the `Execution` so far in `partial`.

        Example:
            async with instance.jupyter() as kernel:
                execution = await kernel.execute("x = 20 + 1\\nx * 2")
                assert execution.text == "42"
        """
        async with self.stream(code, silent=silent, store_history=store_history, timeout=timeout) as stream:
            async for _ in stream:
                pass
            return stream.execution

    def stream(
        self, code: str, *, silent: bool = False, store_history: bool = True, timeout: float | None = 300.0
    ) -> ExecutionStream:
        """Run code and read what it gives as it comes. The arguments and the errors are those of `execute`.

        Example:
            async with kernel.stream("for i in range(3): print(i)") as stream:
                async for event in stream:
                    print(event)
        """
        if not isinstance(code, str):  # pyright: ignore[reportUnnecessaryIsInstance] - a caller's
            raise ValidationError(f"code must be text, got {type(code).__name__}")
        content: dict[str, object] = {
            "code": code,
            "silent": silent,
            "store_history": store_history and not silent,
            "user_expressions": {},
            "allow_stdin": False,
            "stop_on_error": False,
        }
        return ExecutionStream(self, self._runtime, content, timeout=check_timeout(timeout))

    async def interrupt(self, *, timeout: float | None = None) -> None:
        """Interrupt the code that runs, as Ctrl-C would: Python raises KeyboardInterrupt in it.

        Args:
            timeout: the call in seconds, retries and waits included.
        """
        await self._server.act(self.id, "interrupt", timeout=timeout)

    async def restart(self, *, timeout: float | None = None) -> None:
        """Start the kernel anew: what was defined in it is gone, and code that runs in it ends with `StreamCut`.

        Args:
            timeout: the call in seconds, retries and waits included.
        """
        old = self.socket
        self.restarts += 1
        # A session of its own: what the old process has said is of no interest to the new one's client.
        self._socket = KernelSocket(self._server, self.id)
        await old.aclose()
        await self._server.act(self.id, "restart", timeout=timeout)

    async def aclose(self) -> None:
        """Close the connection, and end the kernel unless it was joined. Safe to call twice."""
        if not self._closed:
            self._closed = True
            await uninterrupted(self._end())

    async def _end(self) -> None:
        async with self._runtime.clock.timeout(_END_LIMIT):
            if self._socket is not None:
                await self._socket.aclose()
                if self.made:
                    await self._server.delete(self.id, timeout=_END_LIMIT)

    async def __aenter__(self) -> Self:
        return await self.start()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            await self.aclose()
        except (NovitaError, TimeoutError) as problem:
            if error is None:
                raise
            error.add_note(f"the kernel {self.id} was not ended: {problem}")


class ExecutionStream(Closing):
    """What code gives as it comes: an async iterator of `Text`, `Display`, `Failure` and `Clear`.

    To be used inside `async with`, by one task at a time. Left before its end, it interrupts the code. See
    `Kernel.execute` for what it raises.

    Attributes:
        execution: all that has come so far.
    """

    def __init__(self, kernel: Kernel, runtime: Runtime, content: dict[str, object], *, timeout: float | None) -> None:
        self.execution = Execution()
        self._kernel = kernel
        self._clock = runtime.clock
        self._content = content
        self._timeout = timeout
        self._deadline = None if timeout is None else self._clock.monotonic() + timeout
        self._ready: deque[KernelEvent] = deque()
        self._tally: Tally | None = None  # there is one from when it is its turn
        self._socket: KernelSocket | None = None
        self._restarts = 0
        self._reading = False
        self._over = False
        self._failure: NovitaError | None = None

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> KernelEvent:
        while not self._ready:
            if self._failure is not None:
                raise self._failure
            if self._over:
                raise StopAsyncIteration
            if self._reading:
                raise ValidationError("another task is reading this stream")
            self._reading = True
            try:
                await self._advance()
            finally:
                self._reading = False
        return self._ready.popleft()

    async def _advance(self) -> None:
        left = None if self._deadline is None else max(0.0, self._deadline - self._clock.monotonic())
        scope = self._clock.timeout(left)
        try:
            async with scope:
                if self._tally is None:
                    self._tally = await self._begin()
                self._note(self._tally, await self._receive(self._tally))
                if self._tally.restarted and not self._over:  # before it had begun: who knows whether it will
                    self._tally.restarted = False
                    await self._probe(self._tally)
        except TimeoutError as error:
            if self._timeout is None or not scope.expired():
                raise
            late = CallTimeout("total", self._timeout)
            late.__cause__ = error
            await self._fail(late)
        except NovitaError as error:
            await self._fail(error)

    async def _begin(self) -> Tally:
        """Wait for its turn, and send it."""
        kernel = self._kernel
        await kernel.turn.acquire()
        try:
            socket = self._socket = kernel.socket
            self._restarts = kernel.restarts
            await socket.awake()
        except BaseException:
            kernel.turn.release()
            raise
        id_ = socket.new_id()
        tally = self._tally = Tally(id_)  # set now: if this is cancelled, it may have been sent
        await socket.send(id_, "execute_request", self._content)
        return tally

    async def _receive(self, tally: Tally) -> KernelMessage | None:
        assert self._socket is not None
        try:
            message = await self._socket.receive()
        except NovitaError as error:
            if self._restarts == self._kernel.restarts:
                raise
            raise StreamCut("the kernel was restarted while this code ran") from error
        if message is None:
            self.execution.reconnects += 1
            tally.dropped()
            await self._probe(tally)
        return message

    async def _probe(self, tally: Tally) -> None:
        """Ask for something that the kernel answers after this code."""
        assert self._socket is not None
        id_ = self._socket.new_id()
        tally.probe(id_)
        await self._socket.send(id_, "kernel_info_request", {})

    def _note(self, tally: Tally, message: KernelMessage | None) -> None:
        if message is None:
            return
        if tally.take(message) and (event := self.execution.take(message.type, message.content)) is not None:
            self._ready.append(event)
        if tally.over:
            self._finish()
            if tally.never_seen:
                raise OutcomeUnknown("the connection or the kernel broke as the code was sent: it may have run, or not")
            if lost := tally.lost:
                raise StreamCut(f"{lost} got lost with a connection that dropped; the code has ended")
        elif tally.restarted and tally.began:
            raise StreamCut("the kernel was restarted, or died, while this code ran")

    def _finish(self) -> None:
        if not self._over:
            self._over = True
            if self._tally is not None:
                self._kernel.turn.release()

    async def _fail(self, error: NovitaError) -> None:
        """Let this error be raised when everything that came before it was read."""
        error.partial = self.execution
        self._failure = error
        if isinstance(error, StreamCut | OutcomeUnknown | ClientClosed):  # it is over, or out of reach
            self._finish()
        else:
            await self.aclose()

    async def aclose(self) -> None:
        """Close it; code that still runs is interrupted. Safe to call twice."""
        if self._over:
            return
        if self._failure is None:
            self._failure = ClientClosed("this stream was closed before the end of its code")
            self._failure.partial = self.execution
        if self._tally is None:
            self._over = True
            return
        try:
            await uninterrupted(self._stop(self._tally))
        finally:
            self._finish()

    async def _stop(self, tally: Tally) -> None:
        """Interrupt the code, and see its end, so that the interruption meets no other one."""
        try:
            async with self._clock.timeout(_END_LIMIT):
                await self._kernel.interrupt(timeout=_END_LIMIT)
                await self._probe(tally)
                while not tally.over and not (tally.restarted and tally.began):
                    if (message := await self._receive(tally)) is not None:
                        tally.take(message)
        except (NovitaError, TimeoutError):
            pass  # the kernel is away, or the code takes no interruption
