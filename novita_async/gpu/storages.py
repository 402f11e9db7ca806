"""`novita.gpu.storages`: disks of a region that outlive the instances they are in (contract/gpu.openapi.yaml)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import field

from ..errors import ProtocolError
from ..runtime.retry import Replay
from ..wire.json import Object
from .checks import Findings, checked_id
from .units import Number

if TYPE_CHECKING:
    from typing import Unpack

    from ..runtime.pages import Pages
    from .control import Control, Options, WriteOptions

__all__ = ["Storage", "Storages"]


class Storage(Object, rename="camel"):
    """A network storage. `size` is in GB. Its price is in `raw` alone: nobody tells its unit."""

    id: str = field(name="storageId")
    name: str = field(name="storageName", default="")
    size: int | None = field(name="storageSize", default=None)
    cluster_id: str | None = None
    cluster_name: str | None = None
    wire_price: Number = field(name="price", default=None)


class Storages:
    """`novita.gpu.storages`."""

    def __init__(self, control: Control) -> None:
        self._control = control

    def list(
        self, *, name: str | None = None, storage_id: str | None = None, **options: Unpack[Options]
    ) -> Pages[Storage]:
        """List storages: `async for storage in ...`, or `await ...` for all of them.

        Args:
            name: only those whose name has this in it.
            storage_id: only this one.
            options: see `Options`.

        Contract: gpu.openapi.yaml, GET /gpu-instance/openapi/v1/networkstorages/list.
        """
        query = {"storageName": name, "storageId": storage_id}
        return self._control.numbered(
            "/networkstorages/list", Storage, "data", counter="pageNo", query=query, **options
        )

    async def create(self, cluster_id: str, *, name: str, size: int, **options: Unpack[WriteOptions]) -> str:
        """Make a storage. It costs from now on, used or not.

        Args:
            cluster_id: the region; only its instances can mount it.
            name: what to call it; one that no other has, so that it can be found.
            size: GB, 10 or more. It can grow later, and not shrink.
            options: see `WriteOptions`.

        Returns:
            Its id. The platform does not always tell it; then it is looked up.

        Contract: gpu.openapi.yaml, POST /gpu-instance/openapi/v1/networkstorage/create.
        """
        findings = Findings()
        findings.text("name", name, most=255)
        findings.number("size", size, least=10, unit=" GB")
        findings.end()
        body = {"clusterId": checked_id("cluster_id", cluster_id), "storageName": name, "storageSize": size}
        call = self._control.call("POST", "/networkstorage/create", body, replay=Replay.SUBMITS, **options)
        if told := await self._control.told(call, "storageId"):
            return told
        made = [storage for storage in await self.list(name=name) if storage.name == name]
        made = [storage for storage in made if storage.cluster_id in (None, cluster_id)]
        if not made:
            raise ProtocolError(f"the storage {name!r} was made, and is not in the list")
        return made[0].id

    async def update(
        self, storage_id: str, *, name: str | None = None, size: int | None = None, **options: Unpack[WriteOptions]
    ) -> None:
        """Rename a storage or let it grow. What is not given stays: it is read first, as the platform wants both.

        Args:
            storage_id: its id.
            name: another name.
            size: GB in all, not less than it has.
            options: see `WriteOptions`.

        Contract: gpu.openapi.yaml, POST /gpu-instance/openapi/v1/networkstorage/update.
        """
        findings = Findings()
        findings.text("name", name, most=255)
        findings.number("size", size, least=10, unit=" GB")
        if name is None and size is None:
            findings.add("there is nothing to change: give name or size")
        findings.end()
        checked_id("storage_id", storage_id)
        if name is None or size is None:
            for storage in await self.list(storage_id=storage_id):
                if storage.id == storage_id:
                    name, size = name or storage.name, size or storage.size
        body = {"storageId": storage_id, "storageName": name or "", "storageSize": size or 10}
        await self._control.write(self._control.call("POST", "/networkstorage/update", body, **options))

    async def delete(self, storage_id: str, **options: Unpack[WriteOptions]) -> bool:
        """Delete a storage and what is on it.

        Returns:
            False when it was gone already.

        Raises:
            Conflict: an instance mounts it.

        Contract: gpu.openapi.yaml, POST /gpu-instance/openapi/v1/networkstorage/delete.
        """
        body = {"storageId": checked_id("storage_id", storage_id)}
        return await self._control.found(self._control.call("POST", "/networkstorage/delete", body, **options))
