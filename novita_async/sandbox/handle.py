"""A sandbox by its id: what the control plane does with it, without going inside (contract/sandbox.md 9)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from ..errors import Conflict, NotFound
from ..runtime.arguments import given, with_query
from ..runtime.retry import Replay
from .arguments import whole_seconds
from .bodies import check_count, lifecycle, mount, mount_path, network
from .control import SandboxInfo, path_of
from .metrics import LogEntry, LogLine, Metric, log_query, milliseconds, span
from .snapshots import Snapshot, Snapshots

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from ..errors import NovitaError
    from ..runtime.call import Answer, Call
    from .bodies import OnExit, OnTimeout
    from .control import Control
    from .session import Sandbox
    from .volumes import Volume

__all__ = ["SandboxHandle"]

_LOG_LIMIT = 1000
_LONGEST_REFRESH = 3600


class _Reset(msgspec.Struct):
    trafficAccessToken: str | None = None


class _Committed(msgspec.Struct):
    templateID: str
    aliases: list[str] | None = None


class _Logs(msgspec.Struct):
    logs: list[LogEntry] | None = None


class _LogLines(msgspec.Struct):
    logs: list[LogLine] | None = None


class SandboxHandle:
    """A sandbox that is only named: from `novita.sandboxes.by_id`, which sends nothing. A `Sandbox` is one too.

    All calls raise `APIError` when the platform refuses, and what the network raises. A sandbox that is not there is
    `NotFound` here, and `SandboxEnded` from a `Sandbox`.

    Attributes:
        id: what it is called at the platform.
    """

    def __init__(self, control: Control, sandbox_id: str) -> None:
        path_of(sandbox_id)
        self.id = sandbox_id
        self._control = control

    def __repr__(self) -> str:
        return f"<SandboxHandle {self.id}>"

    # --------------------------------------------------------------------------------------- its life

    async def kill(self, *, timeout: float | None = None) -> bool:
        """Kill it, running or paused.

        Args:
            timeout: the call in seconds, retries and waits included.

        Returns:
            False when it was gone already.

        Contract: sandbox.openapi.yaml, DELETE /sandboxes/{sandboxID}.
        """
        return await self._control.kill(self.id, timeout=timeout)

    async def info(self, *, timeout: float | None = None) -> SandboxInfo:
        """Read how it is.

        Contract: sandbox.openapi.yaml, GET /sandboxes/{sandboxID}.
        """
        return self._control.runtime.decode(await self._ask("GET", timeout=timeout), SandboxInfo)

    async def set_lifetime(self, lifetime: float, *, timeout: float | None = None) -> None:
        """Let it live for so many seconds from now, whether that is longer than before or shorter.

        Args:
            lifetime: seconds, rounded up to whole ones.
            timeout: the call in seconds, retries and waits included.

        Contract: sandbox.openapi.yaml, POST /sandboxes/{sandboxID}/timeout.
        """
        await self._ask("POST", "/timeout", {"timeout": whole_seconds("lifetime", lifetime)}, timeout=timeout)

    async def refresh(self, lifetime: float, *, timeout: float | None = None) -> None:
        """Let it live for so many seconds from now at least; an end that is later stays.

        Args:
            lifetime: seconds, rounded up to whole ones; 3600 at most.
            timeout: the call in seconds, retries and waits included.

        Contract: sandbox.openapi.yaml, POST /sandboxes/{sandboxID}/refreshes.
        """
        seconds = whole_seconds("lifetime", lifetime, most=_LONGEST_REFRESH)
        await self._ask("POST", "/refreshes", {"duration": seconds}, timeout=timeout)

    async def pause(self, *, timeout: float | None = None) -> bool:
        """Stop it and keep it, with its memory and its processes. Its connections break. It takes about 4 seconds for
        each GiB of memory.

        Returns:
            False when it was paused already, or was being so.

        Contract: sandbox.openapi.yaml, POST /sandboxes/{sandboxID}/pause.
        """
        try:
            await self._ask("POST", "/pause", decided=True, timeout=timeout)
        except Conflict:
            return False
        return True

    async def resume(
        self, *, lifetime: float = 300.0, on_timeout: OnTimeout | None = None, timeout: float | None = None
    ) -> None:
        """Let it go on where it was paused.

        Args:
            lifetime: seconds that it lives from now at least.
            on_timeout: "kill" or "pause" at the end of that; what it was made with when left out. Where it is given,
                the sandbox must be a paused one.
            timeout: the call in seconds, retries and waits included.

        Raises:
            Conflict: it runs, and `on_timeout` is given.

        Contract: sandbox.openapi.yaml, POST /sandboxes/{sandboxID}/connect, with `on_timeout` /resume.
        """
        body: dict[str, Any] = {"timeout": whole_seconds("lifetime", lifetime)}
        if on_timeout is None:
            answer = await self._ask("POST", "/connect", body, headers=self._control.routing(self.id), timeout=timeout)
        else:
            body["autoPause"] = lifecycle(on_timeout, auto_resume=False)["autoPause"]
            answer = await self._ask("POST", "/resume", body, decided=True, timeout=timeout)
        self._resumed(answer, body["timeout"])

    async def reset(
        self,
        *,
        resume: bool = True,
        lifetime: float | None = None,
        secure: bool | None = None,
        allow_public_traffic: bool | None = None,
        extra_body: Mapping[str, Any] | None = None,
        timeout: float | None = None,
    ) -> bool:
        """Begin it anew: its memory is emptied, its processes end.

        Args:
            resume: let it run again after that.
            lifetime: seconds that it lives from now; as it was when left out.
            secure: whether its inside is protected by a token from now on.
            allow_public_traffic: whether its ports are open to all from now on.
            extra_body: fields for the body that the SDK does not know; they win over known ones.
            timeout: the call in seconds, retries and waits included.

        Returns:
            False when the platform says that it cannot be reset as it is now.

        Contract: sandbox.openapi.yaml, POST /sandboxes/{sandboxID}/reset.
        """
        seconds = None if lifetime is None else whole_seconds("lifetime", lifetime)
        body = {"resume": resume, **given(timeout=seconds, secure=secure, allowPublicTraffic=allow_public_traffic)}
        try:
            answer = await self._ask("POST", "/reset", {**body, **(extra_body or {})}, decided=True, timeout=timeout)
        except Conflict:
            return False
        if answer.body.strip():  # it may say nothing
            self._traffic_token(self._control.runtime.decode(answer, _Reset).trafficAccessToken)
        return True

    async def snapshot(
        self, *, name: str | None = None, extra_body: Mapping[str, Any] | None = None, timeout: float | None = None
    ) -> Snapshot:
        """Make an image of it, from which others can be made: `novita.sandboxes.create(snapshot.id)`.

        It stands still for a moment. The image outlives it; `novita.sandboxes.snapshots.delete` deletes the image.

        Contract: sandbox.openapi.yaml, POST /sandboxes/{sandboxID}/snapshots.
        """
        try:
            return await Snapshots(self._control).create(self.id, name=name, extra_body=extra_body, timeout=timeout)
        except NotFound as error:
            self._raise_missing(error)
            raise

    async def clone(
        self,
        *,
        count: int = 1,
        strict: bool = False,
        lifetime: float | None = None,
        node_id: str | None = None,
        on_exit: OnExit = "kill",
        extra_body: Mapping[str, Any] | None = None,
        timeout: float | None = None,
    ) -> list[Sandbox]:
        """Make sandboxes like this one, with the same memory and disk. This one stands still for a moment.

        Each is used like what `create` gives; they live until they are killed, or to the end of their lifetimes. A
        caller that is cancelled in the middle of this leaves none behind.

        Args:
            count: how many.
            strict: all of them or none; without it there may be fewer.
            lifetime: seconds that they live from now; as long as this one does when left out.
            node_id: where to start them, as a hint.
            on_exit: as of `create`, for each of them.
            extra_body: fields for the body that the SDK does not know; they win over known ones.
            timeout: the call in seconds, retries and waits included.

        Raises:
            OutcomeUnknown: the request was sent and not answered; it was not sent again.
            APIError: the platform refused; with `strict` also when there is no room for all.

        Contract: sandbox.openapi.yaml, POST /sandboxes/{sandboxID}/clone.
        """
        from .making import clone  # it makes sessions, and so knows this module

        try:
            return await clone(
                self._control,
                self.id,
                count=count,
                strict=strict,
                lifetime=lifetime,
                node_id=node_id,
                on_exit=on_exit,
                extra_body=extra_body,
                timeout=timeout,
            )
        except NotFound as error:
            self._raise_missing(error)
            raise

    async def commit(self, *, alias: str | None = None, timeout: float | None = None) -> Snapshot:
        """What `snapshot` is, in the platform's older domains. The others refuse it.

        Contract: sandbox.openapi.yaml, POST /sandboxes/{sandboxID}/commit.
        """
        answer = await self._ask("POST", "/commit", given(alias=alias), replay=Replay.SUBMITS, timeout=timeout)
        made = self._control.runtime.decode(answer, _Committed)
        return Snapshot(id=made.templateID, names=made.aliases or [])

    # ---------------------------------------------------------------------------------- what it is given

    async def set_network(
        self, *, allow_out: Sequence[str] = (), deny_out: Sequence[str] = (), timeout: float | None = None
    ) -> None:
        """Replace the rules of what it may reach. Without any, it may reach everything.

        Args:
            allow_out: IP addresses, CIDR ranges, host names or `*.host` that it may reach; they win over `deny_out`.
            deny_out: IP addresses or CIDR ranges that it may not reach.
            timeout: the call in seconds, retries and waits included.

        Contract: sandbox.openapi.yaml, PUT /sandboxes/{sandboxID}/network.
        """
        body = network(allow_out=allow_out or None, deny_out=deny_out or None)
        await self._ask("PUT", "/network", body, timeout=timeout)

    async def resize_memory(self, add_mb: int, *, timeout: float | None = None) -> None:
        """Give it more memory while it runs.

        Args:
            add_mb: MiB beyond what its template has, not a total; 0 takes the added memory away.
            timeout: the call in seconds, retries and waits included.

        Contract: sandbox.openapi.yaml, POST /sandboxes/{sandboxID}/hotplug-memory.
        """
        check_count("add_mb", add_mb)
        await self._ask("POST", "/hotplug-memory", {"requested_size_mib": add_mb}, timeout=timeout)

    async def mount(self, path: str, volume: str | Volume, *, timeout: float | None = None) -> SandboxInfo:
        """Mount a volume while it runs.

        Args:
            path: where, absolute.
            volume: the volume, or its name.
            timeout: the call in seconds, retries and waits included.

        Raises:
            NotFound: there is no such volume.

        Contract: sandbox.openapi.yaml, POST /sandboxes/{sandboxID}/volume-mounts.
        """
        body = mount(path, volume)
        call = self._control.call("POST", f"{path_of(self.id)}/volume-mounts", body, timeout=timeout)
        return await self._with_volume(call)

    async def unmount(self, path: str, *, force: bool = False, timeout: float | None = None) -> SandboxInfo:
        """Unmount a volume.

        Args:
            path: where it is mounted.
            force: also when it is in use.
            timeout: the call in seconds, retries and waits included.

        Raises:
            NotFound: no volume is mounted there.

        Contract: sandbox.openapi.yaml, DELETE /sandboxes/{sandboxID}/volume-mounts.
        """
        query = {"path": mount_path(path), **given(force="true" if force else None)}
        where = with_query(f"{path_of(self.id)}/volume-mounts", **query)
        call = self._control.call("DELETE", where, timeout=timeout)
        return await self._with_volume(call)

    # ----------------------------------------------------------------------------------- what is told of it

    async def metrics(
        self, *, start: datetime | None = None, end: datetime | None = None, timeout: float | None = None
    ) -> list[Metric]:
        """What it used, oldest first; nothing in its first seconds.

        Args:
            start: from when on; with a time zone.
            end: until when.
            timeout: the call in seconds, retries and waits included.

        Contract: sandbox.openapi.yaml, GET /sandboxes/{sandboxID}/metrics.
        """
        answer = await self._ask("GET", with_query("/metrics", **span(start, end)), timeout=timeout)
        return self._control.items(answer, Metric)

    async def logs(
        self,
        *,
        since: datetime | None = None,
        limit: int = _LOG_LIMIT,
        level: str | None = None,
        search: str | None = None,
        backward: bool | None = None,
        timeout: float | None = None,
    ) -> list[LogEntry]:
        """Its log.

        Args:
            since: from when on, or with `backward` until when; with a time zone.
            limit: entries at most, 1 to 1000.
            level: "debug", "info", "warn" or "error": those of this level.
            search: those that have this text in them; 256 characters at most.
            backward: newest first.
            timeout: the call in seconds, retries and waits included.

        Contract: sandbox.openapi.yaml, GET /v2/sandboxes/{sandboxID}/logs.
        """
        query = log_query(since, limit, level, search, backward)
        path = with_query(f"/v2{path_of(self.id)}/logs", **query)
        answer = await self._ask("GET", whole=path, timeout=timeout)
        return self._control.runtime.decode(answer, _Logs).logs or []

    async def log_lines(
        self, *, since: datetime | None = None, limit: int = _LOG_LIMIT, timeout: float | None = None
    ) -> list[LogLine]:
        """Its log as lines that nobody has taken apart.

        Args:
            since: from when on; with a time zone.
            limit: lines at most.
            timeout: the call in seconds, retries and waits included.

        Contract: sandbox.openapi.yaml, GET /sandboxes/{sandboxID}/logs.
        """
        check_count("limit", limit, 1)
        path = with_query("/logs", start=milliseconds("since", since), limit=limit)
        return self._control.runtime.decode(await self._ask("GET", path, timeout=timeout), _LogLines).logs or []

    # ------------------------------------------------------------------------------------------- the way

    async def _ask(
        self,
        method: str,
        path: str = "",
        body: Mapping[str, Any] | None = None,
        *,
        whole: str = "",
        headers: Mapping[str, str] | None = None,
        replay: Replay = Replay.SAFE,
        decided: bool = False,
        timeout: float | None,
    ) -> Answer:
        """Make a call about this sandbox; `decided` when a 409 is not to be repeated."""
        url = whole or f"{path_of(self.id)}{path}"
        call = self._control.call(method, url, body, headers=headers, replay=replay, timeout=timeout)
        try:
            return await (self._control.decided(call) if decided else self._control.runtime.request(call))
        except NotFound as error:
            self._raise_missing(error)
            raise

    async def _with_volume(self, call: Call) -> SandboxInfo:
        try:
            answer = await self._control.runtime.request(call)
        except NotFound:
            await self.info()  # raises when it is the sandbox that is gone
            raise
        return self._control.runtime.decode(answer, SandboxInfo) if answer.body.strip() else await self.info()

    def _raise_missing(self, error: NovitaError) -> None:
        """Say in other words that it is not there."""

    def _resumed(self, answer: Answer, seconds: int) -> None:
        """Hear how it is reached from now on."""

    def _traffic_token(self, token: str | None) -> None:
        """Hear its new traffic token."""
