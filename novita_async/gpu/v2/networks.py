"""`novita.gpu.v2.networks`: VPC networks (contract/gpu_v2.openapi.yaml)."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import quote

from ...errors import ProtocolError
from ...runtime.arguments import given
from ...runtime.retry import Replay
from ..checks import Findings, checked_id
from ..networks import Network, Networks

if TYPE_CHECKING:
    from typing import Unpack

    from ...runtime.pages import Pages
    from ..control import Options, WriteOptions

__all__ = ["V2Networks"]


class V2Networks(Networks):
    """`novita.gpu.v2.networks`: what `novita.gpu.networks` has. Of its answers less is known."""

    def list(
        self, *, name: str | None = None, creators: str | None = None, **options: Unpack[Options]
    ) -> Pages[Network]:
        """List networks. See `Networks.list`; `creators` are ids of members here.

        Contract: gpu_v2.openapi.yaml, GET /gpus/v2/networks.
        """
        return self._control.cursored("/networks", Network, query={"name": name, "member_ids": creators}, **options)

    async def get(self, network_id: str, **options: Unpack[Options]) -> Network:
        """Read a network.

        Raises:
            NotFound: there is none of this id.

        Contract: gpu_v2.openapi.yaml, GET /gpus/v2/networks/{network_id}.
        """
        return await self._control.fetch(self._control.call("GET", _at(network_id), **options), Network, inside="data")

    async def create(self, cluster_id: str, *, name: str | None = None, **options: Unpack[WriteOptions]) -> Network:
        """Make a network. See `Networks.create`. Where the answer does not tell its id it is looked up by its name.

        Contract: gpu_v2.openapi.yaml, POST /gpus/v2/networks.
        """
        findings = Findings()
        findings.text("name", name, least=0, most=30)
        findings.end()
        body = given(region_id=checked_id("cluster_id", cluster_id), name=name)
        call = self._control.call("POST", "/networks", body, replay=Replay.SUBMITS, **options)
        if told := await self._control.told(call, "network_id"):
            return await self.get(told)
        for network in await self.list(name=name):
            if name and network.name == name:
                return network
        raise ProtocolError("the network was made, and its id is not told")

    async def rename(self, network_id: str, name: str, **options: Unpack[WriteOptions]) -> None:
        """Give a network another name, of 1 to 30 characters.

        Contract: gpu_v2.openapi.yaml, PUT /gpus/v2/networks/{network_id}.
        """
        findings = Findings()
        findings.text("name", name, most=30)
        findings.end()
        await self._control.write(self._control.call("PUT", _at(network_id), {"name": name}, **options))

    async def delete(self, network_id: str, **options: Unpack[WriteOptions]) -> bool:
        """Delete a network; False when it was gone already.

        Contract: gpu_v2.openapi.yaml, DELETE /gpus/v2/networks/{network_id}.
        """
        return await self._control.found(self._control.call("DELETE", _at(network_id), **options))


def _at(network_id: str) -> str:
    return f"/networks/{quote(checked_id('network_id', network_id), safe='')}"
