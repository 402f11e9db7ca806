"""The control plane, call by call: what `novita.sandboxes` and a `Sandbox` both stand on (sandbox.openapi.yaml)."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

import msgspec

from ..errors import NotFound, ValidationError
from ..runtime.arguments import call_headers, check_timeout, json_body
from ..runtime.call import Auth, Call
from ..runtime.retry import Replay
from ..wire.json import Object
from .arguments import is_id

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ..runtime.call import Runtime

__all__ = ["Control", "SandboxInfo", "path_of"]


class SandboxInfo(Object):
    """A sandbox as the platform tells of it. What it does not tell is empty, 0 or None.

    Attributes:
        id: the sandbox's id.
        template: id of what it was made from; `alias` is its name.
        state: "running" or "paused"; others are kept as they come.
        started_at: when it was started.
        end_at: when its lifetime ends.
        cpu_count: virtual CPUs.
        memory_mb: memory in MiB.
        disk_size_mb: disk in MiB.
        metadata: its labels.
        envd_version: of the daemon inside.
        domain: where it is reached, when that is not the client's own domain.
        allow_internet_access: whether it may reach the internet.
    """

    id: str = msgspec.field(name="sandboxID")
    template: str = msgspec.field(name="templateID", default="")
    alias: str | None = None
    state: str = ""
    started_at: datetime | None = msgspec.field(name="startedAt", default=None)
    end_at: datetime | None = msgspec.field(name="endAt", default=None)
    cpu_count: int = msgspec.field(name="cpuCount", default=0)
    memory_mb: int = msgspec.field(name="memoryMB", default=0)
    disk_size_mb: int = msgspec.field(name="diskSizeMB", default=0)
    metadata: dict[str, str] | None = None
    envd_version: str = msgspec.field(name="envdVersion", default="")
    domain: str | None = None
    allow_internet_access: bool | None = msgspec.field(name="allowInternetAccess", default=None)


class Control:
    """Calls with the API key."""

    def __init__(self, runtime: Runtime) -> None:
        self.runtime = runtime

    def call(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        *,
        headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
        replay: Replay = Replay.SAFE,
        attempts: int | None = None,
    ) -> Call:
        """A call to the control plane, its arguments checked; not sent yet."""
        return Call(
            method=method,
            url=f"{self.runtime.settings.api_url}{path}",
            body=None if body is None else json_body(body),
            headers=call_headers(headers),
            auth=Auth.KEY,
            replay=replay,
            timeout=check_timeout(timeout),
            attempts=attempts,
        )

    async def kill(
        self, sandbox_id: str, *, headers: Mapping[str, str] | None = None, timeout: float | None = None
    ) -> bool:
        """See `Sandboxes.kill`."""
        try:
            await self.runtime.request(self.call("DELETE", path_of(sandbox_id), headers=headers, timeout=timeout))
        except NotFound:
            return False
        return True

    async def info(
        self,
        sandbox_id: str,
        *,
        headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
        attempts: int | None = None,
    ) -> SandboxInfo:
        """See `Sandboxes.info`; sent `attempts` times at most."""
        call = self.call("GET", path_of(sandbox_id), headers=headers, timeout=timeout, attempts=attempts)
        return await self.runtime.fetch(call, SandboxInfo)

    async def set_lifetime(self, sandbox_id: str, seconds: int, *, timeout: float | None = None) -> None:
        """Let a sandbox live for so many seconds from now."""
        path = f"{path_of(sandbox_id)}/timeout"
        await self.runtime.request(self.call("POST", path, {"timeout": seconds}, timeout=timeout))


def path_of(sandbox_id: str) -> str:
    """The path of a sandbox, for an id that can be one."""
    if not isinstance(sandbox_id, str) or not is_id(sandbox_id):  # pyright: ignore[reportUnnecessaryIsInstance] - a caller's
        raise ValidationError(f"sandbox_id is not the id of a sandbox: {sandbox_id!r}")
    return f"/sandboxes/{sandbox_id}"
