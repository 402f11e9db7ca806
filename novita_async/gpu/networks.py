"""`novita.gpu.networks`: VPC networks, in which instances of a region reach each other (contract/gpu.openapi.yaml)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import field

from ..runtime.arguments import given
from ..runtime.retry import Replay
from ..wire.json import Object
from .checks import Findings, checked_id
from .units import Number, moment

if TYPE_CHECKING:
    import datetime
    from typing import Unpack

    from ..runtime.pages import Pages
    from .control import Control, Options, WriteOptions

__all__ = ["Address", "Network", "Networks"]


class Address(Object):
    """An address in a network, and the instance that most likely has it."""

    id: str | None = None
    ip: str | None = None


class _State(Object):
    state: str | None = None
    error: str | None = None


class Network(Object, rename="camel"):
    """A network. `segment` is its range of addresses."""

    id: str
    name: str = ""
    user: str | None = None
    segment: str | None = None
    cluster_id: str | None = None
    addresses: list[Address] | None = None
    wire_state: list[_State] | _State | None = field(default=None, name="state")
    wire_created: Number = field(default=None, name="createTime")

    @property
    def state(self) -> str:
        """creating or ready, and whatever else the platform may say; "" when it says nothing."""
        return (self._state.state or "") if self._state else ""

    @property
    def error(self) -> str:
        """What is wrong with it; "" for nothing."""
        return (self._state.error or "") if self._state else ""

    @property
    def _state(self) -> _State | None:
        if isinstance(self.wire_state, list):
            return self.wire_state[-1] if self.wire_state else None
        return self.wire_state

    @property
    def created_at(self) -> datetime.datetime | None:
        """When it was made."""
        return moment(self.wire_created)


class Networks:
    """`novita.gpu.networks`."""

    def __init__(self, control: Control) -> None:
        self._control = control

    def list(
        self, *, name: str | None = None, creators: str | None = None, **options: Unpack[Options]
    ) -> Pages[Network]:
        """List networks: `async for network in ...`, or `await ...` for all of them.

        Args:
            name: only those whose name has this in it.
            creators: only those of these people.
            options: see `Options`.

        Contract: gpu.openapi.yaml, GET /gpu-instance/openapi/v1/networks.
        """
        query = {"name": name, "creators": creators}
        return self._control.numbered("/networks", Network, "networks", "network", query=query, **options)

    async def get(self, network_id: str, **options: Unpack[Options]) -> Network:
        """Read a network.

        Raises:
            NotFound: there is none of this id.

        Contract: gpu.openapi.yaml, GET /gpu-instance/openapi/v1/network.
        """
        query = {"networkId": checked_id("network_id", network_id)}
        call = self._control.call("GET", "/network", query=query, **options)
        return await self._control.fetch(call, Network, inside="network")

    async def create(self, cluster_id: str, *, name: str | None = None, **options: Unpack[WriteOptions]) -> Network:
        """Make a network.

        Args:
            cluster_id: the region; one that supports networks.
            name: up to 30 characters.
            options: see `WriteOptions`.

        Contract: gpu.openapi.yaml, POST /gpu-instance/openapi/v1/network/create.
        """
        findings = Findings()
        findings.text("name", name, least=0, most=30)
        findings.end()
        body = given(clusterId=checked_id("cluster_id", cluster_id), name=name)
        call = self._control.call("POST", "/network/create", body, replay=Replay.SUBMITS, **options)
        return await self._control.fetch(call, Network, inside="network")

    async def rename(self, network_id: str, name: str, **options: Unpack[WriteOptions]) -> None:
        """Give a network another name, of 1 to 30 characters.

        Contract: gpu.openapi.yaml, POST /gpu-instance/openapi/v1/network/update.
        """
        findings = Findings()
        findings.text("name", name, most=30)
        findings.end()
        body = {"networkId": checked_id("network_id", network_id), "name": name}
        await self._control.write(self._control.call("POST", "/network/update", body, **options))

    async def delete(self, network_id: str, **options: Unpack[WriteOptions]) -> bool:
        """Delete a network.

        Returns:
            False when it was gone already.

        Raises:
            Conflict: there are instances in it.

        Contract: gpu.openapi.yaml, POST /gpu-instance/openapi/v1/network/delete.
        """
        body = {"networkId": checked_id("network_id", network_id)}
        return await self._control.found(self._control.call("POST", "/network/delete", body, **options))
