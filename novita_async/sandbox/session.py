"""A sandbox in hand: from `create` or `connect` to its end (contract/sandbox.md 9)."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Self

from ..errors import (
    APIError,
    ClientClosed,
    NotFound,
    NovitaError,
    ProtocolError,
    SandboxEnded,
    SandboxUnreachable,
)
from ..runtime.clock import uninterrupted
from .arguments import is_host, is_id, whole_seconds
from .code import Code
from .commands import Commands
from .control import Started
from .desktop import Desktop
from .envd import PORT, Envd
from .files import Files
from .git import Git
from .handle import SandboxHandle
from .keeping import KeepAlive
from .mcp import Mcp
from .ports import Ports
from .pty import Terminals

if TYPE_CHECKING:
    from collections.abc import AsyncIterable, Mapping, Sequence
    from types import TracebackType

    from ..errors import SandboxError
    from ..runtime.call import Answer
    from .bodies import OnExit
    from .control import Control, SandboxInfo
    from .ports import PortAnswer, PortSocket

__all__ = ["Sandbox"]

_KILL_LIMIT = 5.0  # seconds
_PAUSE_LIMIT = 60.0  # seconds for the pause at the end of a session: it takes 4 for each GiB of memory
_STATUS_LIMIT = 5.0  # seconds for the one read that explains a broken connection
_SKEW = 2.0  # seconds that the platform's clock may be ahead of ours


class Sandbox(SandboxHandle):
    """A sandbox: commands and files in a machine of its own.

    Leaving its `async with` ends it as `on_exit` of `create` or `connect` says: it is killed, unless that says
    otherwise. So does `aclose()`.

    Attributes:
        id: what it is called at the platform.
        template: id of what it was made from.
        metadata: the labels that `create` was given; empty after `connect`, where `info()` tells them.
        commands: run commands in it.
        files: read and write files in it.
        pty: terminals in it.
        code: run code in kernels that keep what it defines.
        git: work with repositories in it.
        mcp: the gateway to its MCP servers, when it was made with some.
        desktop: its screen, mouse and keyboard, when it has a desktop.
        run_code: the same as `code.run`.
    """

    def __init__(
        self,
        control: Control,
        started: Started,
        *,
        metadata: Mapping[str, str],
        lifetime: int | None,
        ends: float,
        keep_alive: bool = False,
        on_exit: OnExit = "kill",
    ) -> None:
        settings = control.runtime.settings
        domain = started.domain or settings.domain
        # Both become parts of a host name, to which the sandbox's token is sent.
        if not is_id(started.sandboxID) or not is_host(domain):
            raise ProtocolError(f"no sandbox can be at id {started.sandboxID!r}, domain {domain!r}")
        super().__init__(control, started.sandboxID)
        self.template = started.templateID
        self.metadata = metadata
        self._lifetime = lifetime
        self._ends = ends  # Unix seconds, as far as known
        self._on_exit = on_exit
        self._paused = False  # by this session
        self._left = False
        self._keep_alive = KeepAlive(self._extend) if keep_alive else None
        self._killing = asyncio.Lock()
        self._envd = Envd(
            control.runtime,
            sandbox_id=self.id,
            base_url=settings.sandbox_url or f"https://{PORT}-{self.id}.{domain}",
            token=started.envdAccessToken,
            version=started.envdVersion,
            fate=self._fate,
        )
        self._ports = Ports(self._envd, domain=domain, base_url=settings.sandbox_url, token=started.trafficAccessToken)
        self.commands = Commands(self._envd)
        self.files = Files(self._envd)
        self.pty = Terminals(self._envd)
        self.code = Code(self._envd, self._ports)
        self.run_code = self.code.run
        self.git = Git(self.commands)
        self.mcp = Mcp(self.files, self._ports.host)
        self.desktop = Desktop(self.commands, self.files, self._ports.host)

    def __repr__(self) -> str:
        return f"<Sandbox {self.id} {self.template}{' killed' if self._envd.killed else ''}>"

    # --------------------------------------------------------------------------------------- its life

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
        """Let it live for so many seconds from now, whether that is longer than before or shorter. `keep_alive` goes on
        with this lifetime. See `SandboxHandle.set_lifetime`."""
        seconds = whole_seconds("lifetime", lifetime)
        began = self._control.runtime.clock.time()
        await super().set_lifetime(seconds, timeout=timeout)
        self._lifetime = seconds
        self._ends = began + seconds

    async def info(self, *, timeout: float | None = None) -> SandboxInfo:
        """Read how it is. See `SandboxHandle.info`."""
        info = await super().info(timeout=timeout)
        if info.end_at is not None:
            self._ends = info.end_at.timestamp()
        return info

    async def pause(self, *, timeout: float | None = None) -> bool:
        """Stop it and keep it, with its memory and its processes. Its connections break; `resume` lets it go on, and
        so does `novita.sandboxes.connect`, from any process. It takes about 4 seconds for each GiB of memory.

        Returns:
            False when it was paused already, or was being so.

        Contract: sandbox.openapi.yaml, POST /sandboxes/{sandboxID}/pause.
        """
        done = await super().pause(timeout=timeout)
        self._paused = True
        return done

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

    # -------------------------------------------------------------------------------------- its ports

    def host(self, port: int) -> str:
        """The host name under which a port of it is reached from everywhere, such as "3000-id.domain".

        Contract: sandbox.md section 1.
        """
        return self._ports.host(port)

    def url(self, port: int) -> str:
        """The address of a port of it. Where public traffic is off, requests need `traffic_token` in the header
        E2B-Traffic-Access-Token; `request` and `websocket` send it."""
        return f"https://{self._ports.host(port)}"

    @property
    def traffic_token(self) -> str | None:
        """What opens its ports; None where they are open to all."""
        return self._ports.token

    async def request(
        self,
        port: int,
        method: str,
        path: str = "/",
        *,
        body: bytes | AsyncIterable[bytes] | None = None,
        extra_headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
    ) -> PortAnswer:
        """Make a request to a server that runs in it.

        Args:
            port: that the server listens on.
            method: of HTTP. POST and PATCH are not repeated once they were sent.
            path: with its query, encoded.
            body: bytes, or an async iterable of them.
            extra_headers: headers of the request.
            timeout: the call in seconds, retries and waits included.

        Raises:
            SandboxEnded: the sandbox is gone or paused.
            SandboxUnreachable: nothing listens there.
            APIError: the server answered with a status from 300 on, and `body` has what it said.

        Contract: sandbox.md sections 1 and 9.

        Example:
            answer = await sandbox.request(8000, "GET", "/items?limit=3")
            print(answer.status, answer.json())
        """
        return await self._ports.request(port, method, path, body=body, extra_headers=extra_headers, timeout=timeout)

    async def websocket(
        self,
        port: int,
        path: str = "/",
        *,
        subprotocols: Sequence[str] = (),
        extra_headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
    ) -> PortSocket:
        """Open a websocket to a server that runs in it: `async with await sandbox.websocket(8000) as socket:`.

        Args:
            port: that the server listens on.
            path: with its query, encoded.
            subprotocols: those to offer.
            extra_headers: headers of the request that opens it.
            timeout: for opening it, in seconds.

        Raises:
            SandboxEnded: the sandbox is gone or paused.
            SandboxUnreachable: no connection can be made, or nothing listens there.
            ProtocolError: the server opens no websocket, and `body` has what it said.

        Contract: sandbox.md sections 1 and 8.
        """
        return await self._ports.websocket(
            port, path, subprotocols=subprotocols, extra_headers=extra_headers, timeout=timeout
        )

    # ---------------------------------------------------------------------------------------- its end

    async def aclose(self) -> None:
        """End it as `on_exit` says, unless that was done. Safe to call twice. Raises what `kill` and `pause` raise."""
        await self._end(None)

    async def __aenter__(self) -> Self:
        self._left = False
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
        """Kill it, pause it, or leave it. A failure of that does not hide the error that is on its way."""
        if self._envd.killed or self._left:
            return
        try:
            if self._on_exit == "kill":
                await self.kill()
            elif self._on_exit == "pause":
                await uninterrupted(self.pause(timeout=_PAUSE_LIMIT))
            self._left = True
        except NovitaError as failure:
            if error is None:
                raise
            done = "killed" if self._on_exit == "kill" else "paused"
            error.add_note(f"sandbox {self.id} could not be {done}: {failure}")
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
        while self._lifetime is not None:
            await self._control.runtime.clock.sleep(self._lifetime / 2)
            if not self._paused:
                await self.set_lifetime(self._lifetime)

    def _raise_missing(self, error: NovitaError) -> None:
        raise self._gone() from error

    def _resumed(self, answer: Answer, seconds: int) -> None:
        started = self._control.runtime.decode(answer, Started)
        if started.envdAccessToken:
            self._envd.use_token(started.envdAccessToken)
        self._traffic_token(started.trafficAccessToken)
        self._paused = False
        self._lifetime = seconds
        self._ends = max(self._ends, self._control.runtime.clock.time() + seconds)

    def _traffic_token(self, token: str | None) -> None:
        self._ports.token = token or self._ports.token
