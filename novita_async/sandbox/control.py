"""The control plane, call by call: what `novita.sandboxes` and a `Sandbox` both stand on (sandbox.openapi.yaml)."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from ..errors import NotFound, ValidationError
from ..runtime.arguments import call_headers, check_timeout, json_body, with_query
from ..runtime.call import Auth, Call
from ..runtime.pages import Pages, cursored
from ..runtime.retry import Replay
from ..wire.json import Object, decode
from .arguments import is_id
from .envd import PORT

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ..runtime.call import Answer, Runtime

__all__ = ["PAGE", "Control", "Lifecycle", "Network", "SandboxInfo", "Started", "VolumeMount", "path_of"]

T = TypeVar("T")

PAGE = 100  # items asked for a page, the most that there are


class Lifecycle(Object):
    """What becomes of a sandbox at the end of its lifetime.

    Attributes:
        on_timeout: "kill" or "pause".
        auto_resume: whether a request to a paused one resumes it.
    """

    on_timeout: str = msgspec.field(name="onTimeout", default="")
    auto_resume: bool = msgspec.field(name="autoResume", default=False)


class Network(Object):
    """What a sandbox may reach, and who may reach it.

    Attributes:
        allow_out: addresses that it may reach; they win over `deny_out`.
        deny_out: addresses that it may not reach.
        allow_public_traffic: whether its ports are open to all; when not, they want the traffic token.
        mask_request_host: the host name that its services see.
    """

    allow_out: list[str] | None = msgspec.field(name="allowOut", default=None)
    deny_out: list[str] | None = msgspec.field(name="denyOut", default=None)
    allow_public_traffic: bool = msgspec.field(name="allowPublicTraffic", default=True)
    mask_request_host: str | None = msgspec.field(name="maskRequestHost", default=None)


class VolumeMount(Object):
    """A volume in a sandbox: its name, and the path that it is found at."""

    name: str = ""
    path: str = ""


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
        lifecycle: what becomes of it at the end of its lifetime.
        network: what it may reach, and who may reach it.
        volume_mounts: its volumes.
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
    lifecycle: Lifecycle | None = None
    network: Network | None = None
    volume_mounts: list[VolumeMount] | None = msgspec.field(name="volumeMounts", default=None)


class Started(msgspec.Struct):
    """What create, connect and clone answer: how a sandbox is reached."""

    sandboxID: str
    templateID: str = ""
    envdVersion: str = ""
    envdAccessToken: str | None = None
    trafficAccessToken: str | None = None
    domain: str | None = None


class Control:
    """Calls with the API key."""

    def __init__(self, runtime: Runtime) -> None:
        self.runtime = runtime
        settings, retry = runtime.settings, runtime.settings.retry
        # The same client, to which a 409 is the last word: where it says that things are as they should be, or that a
        # name is taken, asking again is of no use.
        self._decided = runtime.view(replace(settings, retry=replace(retry, statuses=retry.statuses - {409})), {})

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

    def routing(self, sandbox_id: str) -> dict[str, str]:
        """The headers that connect sends along."""
        return {"novita-sandbox-id": sandbox_id, "novita-sandbox-port": str(PORT)}

    async def decided(self, call: Call) -> Answer:
        """Make a call that is not repeated for a 409."""
        return await self._decided.request(call)

    async def found(self, call: Call) -> bool:
        """Make a call that takes something away; False when there was nothing."""
        try:
            await self.runtime.request(call)
        except NotFound:
            return False
        return True

    def pages(
        self,
        path: str,
        type_: type[T],
        query: Mapping[str, Any],
        *,
        headers: Mapping[str, str] | None,
        timeout: float | None,
    ) -> Pages[T]:
        """A list whose pages name the next one in a header; its arguments are checked now."""
        runtime = self.runtime
        known = call_headers(headers)
        check_timeout(timeout)

        async def fetch(token: str) -> tuple[list[T], str]:
            url = with_query(path, **query, limit=PAGE, nextToken=token or None)
            answer = await runtime.request(self.call("GET", url, headers=known, timeout=timeout))
            return self.items(answer, type_), answer.headers.get("x-next-token") or ""

        return cursored(fetch)

    def items(self, answer: Answer, type_: type[T]) -> list[T]:
        """A list of objects, each of which keeps its own JSON."""
        decoder = self.runtime.decoders(type_)
        return [decode(decoder, bytes(item)) for item in self.runtime.decode(answer, list[msgspec.Raw])]

    async def kill(
        self, sandbox_id: str, *, headers: Mapping[str, str] | None = None, timeout: float | None = None
    ) -> bool:
        """See `Sandboxes.kill`."""
        return await self.found(self.call("DELETE", path_of(sandbox_id), headers=headers, timeout=timeout))

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


def path_of(sandbox_id: str) -> str:
    """The path of a sandbox, for an id that can be one."""
    if not isinstance(sandbox_id, str) or not is_id(sandbox_id):  # pyright: ignore[reportUnnecessaryIsInstance] - a caller's
        raise ValidationError(f"sandbox_id is not the id of a sandbox: {sandbox_id!r}")
    return f"/sandboxes/{sandbox_id}"
