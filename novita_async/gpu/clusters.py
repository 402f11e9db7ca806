"""`novita.gpu.clusters`: the regions that instances are in (contract/gpu.openapi.yaml)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..wire.json import Object

if TYPE_CHECKING:
    from typing import Unpack

    from .control import Control, Options

__all__ = ["Cluster", "Clusters"]


class Cluster(Object, rename="camel"):
    """A region.

    Attributes:
        id: what calls take as `cluster_id`.
        name: what products list as their regions, such as "US-01 (Dallas)".
        available_gpu_type: names of its cards.
        support_network_storage: whether it has network storages.
        support_instance_network: whether it has VPC networks.
    """

    id: str
    name: str = ""
    available_gpu_type: list[str] | None = None
    support_network_storage: bool | None = None
    support_instance_network: bool | None = None


class Clusters:
    """`novita.gpu.clusters`."""

    def __init__(self, control: Control) -> None:
        self._control = control

    async def list(self, **options: Unpack[Options]) -> list[Cluster]:
        """List the regions, all at once.

        Args:
            options: see `Options`.

        Contract: gpu.openapi.yaml, GET /gpu-instance/openapi/v1/clusters.
        """
        return await self._control.all(self._control.call("GET", "/clusters", **options), Cluster, "data")
