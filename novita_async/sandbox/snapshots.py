"""`novita.sandboxes.snapshots`: images of sandboxes, to make others from (contract/sandbox.md 9)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import msgspec

from ..errors import ValidationError
from ..runtime.arguments import given
from ..runtime.retry import Replay
from ..wire.json import Object
from .control import path_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ..runtime.pages import Pages
    from .control import Control

__all__ = ["Snapshot", "Snapshots"]


class Snapshot(Object):
    """An image of a sandbox.

    Attributes:
        id: to be given to `sandboxes.create` as its template, and to `delete`.
        names: what it is called.
    """

    id: str = msgspec.field(name="snapshotID")
    names: list[str] = msgspec.field(default_factory=list)


class Snapshots:
    """`novita.sandboxes.snapshots`."""

    def __init__(self, control: Control) -> None:
        self._control = control

    async def create(
        self,
        sandbox_id: str,
        *,
        name: str | None = None,
        extra_body: Mapping[str, Any] | None = None,
        extra_headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
    ) -> Snapshot:
        """Make an image of a sandbox, which stands still for a moment. The image outlives it.

        Args:
            sandbox_id: the sandbox.
            name: what the image is to be called.
            extra_body: fields for the body that the SDK does not know.
            extra_headers: headers for this call.
            timeout: the call in seconds, retries and waits included.

        Raises:
            NotFound: there is no such sandbox any more.
            OutcomeUnknown: the request was sent and not answered; it was not sent again.
            APIError: the platform refused.

        Contract: sandbox.openapi.yaml, POST /sandboxes/{sandboxID}/snapshots.
        """
        body = {**given(name=name), **(extra_body or {})}
        path = f"{path_of(sandbox_id)}/snapshots"
        call = self._control.call("POST", path, body, headers=extra_headers, timeout=timeout, replay=Replay.SUBMITS)
        return await self._control.runtime.fetch(call, Snapshot)

    def list(
        self,
        *,
        sandbox_id: str | None = None,
        extra_headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
    ) -> Pages[Snapshot]:
        """The snapshots of the account: `async for snapshot in ...list()` or `await ...list()`.

        Args:
            sandbox_id: only those of this sandbox.
            extra_headers: headers for the call of each page.
            timeout: the call of each page in seconds, retries and waits included.

        Contract: sandbox.openapi.yaml, GET /snapshots.
        """
        if sandbox_id is not None:
            path_of(sandbox_id)
        query = given(sandboxID=sandbox_id)
        return self._control.pages("/snapshots", Snapshot, query, headers=extra_headers, timeout=timeout)

    async def delete(
        self, snapshot_id: str, *, extra_headers: Mapping[str, str] | None = None, timeout: float | None = None
    ) -> bool:
        """Delete a snapshot.

        Args:
            snapshot_id: its id.
            extra_headers: headers for this call.
            timeout: the call in seconds, retries and waits included.

        Returns:
            False when it was gone already.

        Contract: sandbox.openapi.yaml, DELETE /templates/{templateID}.
        """
        if not isinstance(snapshot_id, str) or not snapshot_id.strip("./"):  # pyright: ignore[reportUnnecessaryIsInstance] - a caller's
            raise ValidationError(f"snapshot_id is not the id of a snapshot: {snapshot_id!r}")
        path = f"/templates/{quote(snapshot_id, safe=':')}"
        return await self._control.found(self._control.call("DELETE", path, headers=extra_headers, timeout=timeout))
