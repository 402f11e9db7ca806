"""`novita.sandboxes.volumes`: disks that outlive the sandboxes that they are mounted in (contract/sandbox.md 14)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import msgspec

from ..errors import ValidationError
from ..runtime.arguments import given
from ..runtime.retry import Replay
from ..wire.json import Object
from .bodies import check_count, volume_name

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from .control import Control

__all__ = ["Volume", "Volumes"]

_INODES_PER_GIB = 1000


class Volume(Object):
    """A volume. To mount it, give it to `volume_mounts` of `create` or to `sandbox.mount`.

    Attributes:
        id: what it is called at the platform.
        name: what it is mounted by.
        quota_gib: how much it may hold, in GiB; None where the platform does not tell.
        used_bytes: how much it holds.
    """

    id: str = msgspec.field(name="volumeID")
    name: str = ""
    token: str = ""
    quota_gib: int | None = msgspec.field(name="quotaSizeGiB", default=None)
    used_bytes: int | None = msgspec.field(name="usedSizeBytes", default=None)

    def __repr__(self) -> str:  # without the token
        return f"Volume(id={self.id!r}, name={self.name!r}, quota_gib={self.quota_gib}, used_bytes={self.used_bytes})"


class Volumes:
    """`novita.sandboxes.volumes`.

    Example:
        volume = await novita.sandboxes.volumes.create("models", quota_gib=10)
        async with novita.sandboxes.create(volume_mounts={"/models": volume}) as sandbox: ...
    """

    def __init__(self, control: Control) -> None:
        self._control = control

    async def create(
        self,
        name: str,
        *,
        quota_gib: int | None = None,
        extra_body: Mapping[str, Any] | None = None,
        extra_headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
    ) -> Volume:
        """Make a volume.

        Args:
            name: letters, digits, _ and -.
            quota_gib: how much it may hold, in GiB; the platform's own limit when left out.
            extra_body: fields for the body that the SDK does not know; they win over known ones.
            extra_headers: headers for this call.
            timeout: the call in seconds, retries and waits included.

        Raises:
            ValidationError: the name or the quota cannot be one.
            OutcomeUnknown: the request was sent and not answered; it was not sent again.
            APIError: the platform refused.

        Contract: sandbox.openapi.yaml, POST /volumes.
        """
        body = {"name": volume_name(name), **_quota(quota_gib), **(extra_body or {})}
        call = self._control.call(
            "POST", "/volumes", body, headers=extra_headers, timeout=timeout, replay=Replay.SUBMITS
        )
        return await self._control.runtime.fetch(call, Volume)

    async def get(
        self, volume_id: str, *, extra_headers: Mapping[str, str] | None = None, timeout: float | None = None
    ) -> Volume:
        """Read a volume.

        Raises:
            NotFound: there is none of this id.

        Contract: sandbox.openapi.yaml, GET /volumes/{volumeID}.
        """
        call = self._control.call("GET", _path(volume_id), headers=extra_headers, timeout=timeout)
        return await self._control.runtime.fetch(call, Volume)

    async def set_quota(
        self,
        volume_id: str,
        quota_gib: int,
        *,
        extra_headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
    ) -> Volume:
        """Change how much a volume may hold.

        Args:
            volume_id: its id.
            quota_gib: in GiB.
            extra_headers: headers for this call.
            timeout: the call in seconds, retries and waits included.

        Raises:
            NotFound: there is none of this id.

        Contract: sandbox.openapi.yaml, PATCH /volumes/{volumeID}.
        """
        call = self._control.call("PATCH", _path(volume_id), _quota(quota_gib), headers=extra_headers, timeout=timeout)
        return await self._control.runtime.fetch(call, Volume)

    async def delete(
        self, volume_id: str, *, extra_headers: Mapping[str, str] | None = None, timeout: float | None = None
    ) -> bool:
        """Delete a volume and what is on it.

        Returns:
            False when it was gone already.

        Contract: sandbox.openapi.yaml, DELETE /volumes/{volumeID}.
        """
        return await self._control.found(
            self._control.call("DELETE", _path(volume_id), headers=extra_headers, timeout=timeout)
        )

    async def list(
        self, *, extra_headers: Mapping[str, str] | None = None, timeout: float | None = None
    ) -> Sequence[Volume]:
        """The volumes of the account, all in one answer.

        Contract: sandbox.openapi.yaml, GET /volumes.
        """
        call = self._control.call("GET", "/volumes", headers=extra_headers, timeout=timeout)
        return self._control.items(await self._control.runtime.request(call), Volume)


def _quota(gib: int | None) -> dict[str, int]:
    if gib is None:
        return {}
    check_count("quota_gib", gib, 1)
    return given(quotaSizeGiB=gib, quotaInodes=gib * _INODES_PER_GIB)


def _path(volume_id: str) -> str:
    if not isinstance(volume_id, str) or not volume_id.strip("./"):  # pyright: ignore[reportUnnecessaryIsInstance] - a caller's
        raise ValidationError(f"volume_id is not the id of a volume: {volume_id!r}")
    return f"/volumes/{quote(volume_id, safe='')}"
