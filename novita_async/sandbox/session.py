"""A sandbox in hand: from `create` or `connect` to its kill (contract/sandbox.md 9)."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any, Self

from ..errors import (
    APIError,
    ClientClosed,
    NotFound,
    NovitaError,
    SandboxEnded,
    SandboxUnreachable,
)
from ..runtime.clock import uninterrupted
from .arguments import whole_seconds
from .commands import Commands
from .envd import Envd
from .files import Files

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping
    from types import TracebackType

    from ..errors import SandboxError
    from .control import Control, SandboxInfo

__all__ = ["Opening", "Sandbox"]

_KILL_LIMIT = 5.0  # seconds
_STATUS_LIMIT = 5.0  # seconds for the one read that explains a broken connection
_SKEW = 2.0  # seconds that the platform's clock may be ahead of ours


class Sandbox:
    """A sandbox: commands and files in a machine of its own.

    Leaving its `async with` kills it. So does `aclose()`; to leave it running, call neither, and keep its id for
    `novita.sandboxes.connect`.

    Attributes:
        id: what it is called at the platform.
        template: id of what it was made from.
        metadata: the labels that `create` was given; empty after `connect`, where `info()` tells them.
        commands: run commands in it.
        files: read and write files in it.
    """

    def __init__(
        self,
        control: Control,
        *,
        sandbox_id: str,
        template: str,
        base_url: str,
        token: str | None,
        version: str,
        metadata: Mapping[str, str],
        lifetime: int,
        ends: float,
        keep_alive: bool,
    ) -> None:
        self.id = sandbox_id
        self.template = template
        self.metadata = metadata
        self._control = control
        self._lifetime = lifetime
        self._ends = ends  # Unix seconds, as far as known
        self._keep_alive = _KeepAlive(self._extend) if keep_alive else None
        self._killing = asyncio.Lock()
        self._envd = Envd(
            control.runtime,
            sandbox_id=sandbox_id,
            base_url=base_url,
            token=token,
            version=version,
            fate=self._fate,
        )
        self.commands = Commands(self._envd)
        self.files = Files(self._envd)

    def __repr__(self) -> str:
        return f"<Sandbox {self.id} {self.template}{' killed' if self._envd.killed else ''}>"

    async def kill(self, *, timeout: float | None = None) -> bool:
        """Kill it, with everything that runs in it. Once begun, this is carried through a cancellation.

        Args:
            timeout: seconds, retries included; None for 5.

        Returns:
            False when it was gone already.

        Raises:
            APIError: the platform refused.
            TransportError: the network failed.
            CallTimeout: there was no answer in time.

        Contract: sandbox.openapi.yaml, DELETE /sandboxes/{sandboxID}.
        """
        return await uninterrupted(self._kill(_KILL_LIMIT if timeout is None else timeout))

    async def _kill(self, timeout: float) -> bool:
        async with self._killing:  # two who kill it at once are one kill
            if self._envd.killed:
                return False
            found = await self._control.kill(self.id, timeout=timeout)
            self._envd.kill()
            return found

    async def set_lifetime(self, lifetime: float, *, timeout: float | None = None) -> None:
        """Let it live for so many seconds from now, whether that is longer than before or shorter.

        Args:
            lifetime: seconds, rounded up to whole ones.
            timeout: the call in seconds, retries and waits included.

        Raises:
            SandboxEnded: it is gone.
            APIError: the platform refused.

        Contract: sandbox.openapi.yaml, POST /sandboxes/{sandboxID}/timeout.
        """
        seconds = whole_seconds("lifetime", lifetime)
        began = self._control.runtime.clock.time()
        try:
            await self._control.set_lifetime(self.id, seconds, timeout=timeout)
        except NotFound as error:
            raise self._gone() from error
        self._lifetime = seconds
        self._ends = began + seconds

    async def info(self, *, timeout: float | None = None) -> SandboxInfo:
        """Read how it is.

        Args:
            timeout: the call in seconds, retries and waits included.

        Raises:
            SandboxEnded: it is gone.
            APIError: the platform refused.

        Contract: sandbox.openapi.yaml, GET /sandboxes/{sandboxID}.
        """
        try:
            info = await self._control.info(self.id, timeout=timeout)
        except NotFound as error:
            raise self._gone() from error
        if info.end_at is not None:
            self._ends = info.end_at.timestamp()
        return info

    async def is_running(self, *, timeout: float | None = None) -> bool:
        """Ask it whether it runs. A paused one does not.

        Args:
            timeout: the call in seconds, retries and waits included.

        Raises:
            APIError: it answers, with an error.
            TransportError: the network failed.

        Contract: sandbox-envd.openapi.yaml, GET /health.
        """
        if self._envd.killed:
            return False
        call = self._envd.call("GET", "/health", timeout=timeout)
        call.attempts = 1  # "not there" comes as a 502, which would be repeated
        try:
            await self._control.runtime.request(call)
        except APIError as error:
            if error.status != 502:
                raise
            return False
        return True

    async def aclose(self) -> None:
        """Kill it, unless that was done. Safe to call twice. Raises what `kill` raises."""
        await self._end(None)

    async def __aenter__(self) -> Self:
        if self._keep_alive is not None:
            await self._keep_alive.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        failure = await self._keep_alive.stop(error) if self._keep_alive is not None else None
        await self._end(failure or error)
        if failure is not None:
            raise failure

    async def _end(self, error: BaseException | None) -> None:
        """Kill it; a kill that fails does not hide the error that is on its way."""
        if self._envd.killed:
            return
        try:
            await self.kill()
        except NovitaError as failure:
            if error is None:
                raise
            error.add_note(f"sandbox {self.id} could not be killed: {failure}")
        finally:
            self._envd.abort(ClientClosed("the session with the sandbox was closed"))

    async def _fate(self, error: NovitaError) -> SandboxError:
        """What became of it, now that it did not answer: one status read."""
        try:
            info = await self._control.info(self.id, timeout=_STATUS_LIMIT, attempts=1)
        except NotFound:
            return self._gone()
        except NovitaError as unread:
            why = f"it does not answer ({error}), and its state could not be read ({unread})"
            return SandboxUnreachable(why, sandbox_id=self.id)
        if info.state == "paused":
            return SandboxEnded("paused", sandbox_id=self.id)
        return SandboxUnreachable(f"it is said to be {info.state} and does not answer: {error}", sandbox_id=self.id)

    def _gone(self) -> SandboxEnded:
        overdue = self._control.runtime.clock.time() >= self._ends - _SKEW
        reason = "killed" if self._envd.killed else "timeout" if overdue else "unknown"
        return SandboxEnded(reason, sandbox_id=self.id)

    async def _extend(self) -> None:
        """Begin its lifetime anew every half of it, for ever."""
        while True:
            await self._control.runtime.clock.sleep(self._lifetime / 2)
            await self.set_lifetime(self._lifetime)


class _KeepAlive:
    """A task beside an `async with` block. When it fails the block is cancelled, and its error is the block's.

    Args:
        work: what the task does, until it is stopped.
    """

    def __init__(self, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        self._work = work
        self._group = asyncio.TaskGroup()
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        await self._group.__aenter__()
        self._task = self._group.create_task(self._work())

    async def stop(self, error: BaseException | None) -> BaseException | None:
        """End the task; return what is to be raised in place of the block's own error, if anything is."""
        if self._task is None:
            return None
        self._task.cancel()
        self._task = None
        # The group is told of a cancellation only: it may be its own. Other errors would come back as a group of one.
        cancelled = error if isinstance(error, asyncio.CancelledError) else None
        try:
            await self._group.__aexit__(type(cancelled) if cancelled else None, cancelled, None)
        except asyncio.CancelledError as outer:
            return outer if outer is not error else None
        except BaseExceptionGroup as failed:
            if error is None or error is cancelled:
                return failed.exceptions[0]
            error.add_note(f"keeping the sandbox alive failed too: {failed.exceptions[0]}")
        return None


class Opening(Coroutine[Any, Any, Sandbox]):
    """A sandbox on its way: await it, or enter it with `async with`, which kills the sandbox at the end.

    It is a coroutine, so that tasks can be made of it.
    """

    def __init__(self, work: Coroutine[Any, Any, Sandbox]) -> None:
        self._work = work
        self._sandbox: Sandbox | None = None

    def __await__(self) -> Generator[Any, Any, Sandbox]:
        return self._work.__await__()

    def send(self, value: Any) -> Any:
        return self._work.send(value)

    def throw(self, *error: Any) -> Any:
        return self._work.throw(*error)

    def close(self) -> None:
        self._work.close()

    async def __aenter__(self) -> Sandbox:
        self._sandbox = await self._work
        return await self._sandbox.__aenter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._sandbox is not None
        await self._sandbox.__aexit__(kind, error, trace)
