"""What the GPU API answers about instances (contract/gpu.openapi.yaml v1), in one vocabulary: dollars, gigabytes, aware
datetimes. Details and lists are one type: the list leaves out what only details have."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from msgspec import field

from ..wire.json import Object
from .ports import Port
from .units import Number, dollars, integer, moment

if TYPE_CHECKING:
    import datetime
    from decimal import Decimal

__all__ = ["SSH", "Env", "InstanceData", "Jupyter", "Logs", "Mount", "Network", "RunningJob", "StatusError", "Terminal"]

_SSH = re.compile(r"-p\s*(\d+)|(\w[\w.-]*)@([\w.-]+)")


class SSH(Object, rename="camel"):
    """How to log in. Port and password change with every start."""

    ssh_command: str | None = None
    command: str | None = None  # as a community's specification has it
    password: str | None = None
    is_running: bool | None = None

    @property
    def host(self) -> str:
        """The host to log in to; "" while there is none."""
        return next((match[3] for match in _SSH.finditer(self._line) if match[3]), "")

    @property
    def port(self) -> int:
        """The port to log in to."""
        return next((int(match[1]) for match in _SSH.finditer(self._line) if match[1]), 22)

    @property
    def user(self) -> str:
        """Who to log in as."""
        return next((match[2] for match in _SSH.finditer(self._line) if match[2]), "root")

    @property
    def _line(self) -> str:
        return self.ssh_command or self.command or ""

    def __repr__(self) -> str:
        return f"SSH(ssh_command={self._line!r}, is_running={self.is_running})"  # not the password


class Jupyter(Object, rename="camel"):
    """Where JupyterLab is reached. `address` changes with every start."""

    address: str | None = None
    url: str | None = None  # as a community's specification has it
    token: str | None = None
    port: Number = None
    is_running: bool | None = None

    def __repr__(self) -> str:
        return f"Jupyter(address={self.address or self.url!r}, is_running={self.is_running})"  # not the token


class Terminal(Object, rename="camel"):
    """A terminal in the browser."""

    address: str | None = None
    username: str | None = None
    password: str | None = None
    is_running: bool | None = None

    def __repr__(self) -> str:
        return f"Terminal(address={self.address!r}, is_running={self.is_running})"  # not the password


class Logs(Object, rename="camel"):
    """Addresses that stream log lines over HTTP."""

    system_log_address: str | None = None
    instance_log_address: str | None = None
    is_running: bool | None = None


class StatusError(Object):
    """Why an instance is not what it should be; both are "" when it is."""

    state: str | None = None
    message: str | None = None


class Env(Object):
    """A variable of the container's environment."""

    key: str = ""
    value: str = ""


class Mount(Object, rename="camel"):
    """A volume in an instance. A network volume has the `id` of its storage."""

    type: str | None = None
    id: str | None = None
    mount_path: str | None = None
    wire_size: Number = field(default=None, name="size")

    @property
    def size(self) -> int | None:
        """GB."""
        return integer(self.wire_size)


class Network(Object):
    """An instance's place in a VPC network: the network's id and the address in it."""

    id: str | None = None
    ip: str | None = None


class RunningJob(Object):
    """A job in progress on an instance."""

    id: str | None = None
    type: str | None = None


class _Node(Object, rename="camel"):
    max_rootfs_size: int | None = None


class InstanceData(Object, rename="camel"):
    """The fields of an instance. The list leaves out those that only the details have."""

    id: str
    status: str = ""
    name: str = ""
    cluster_id: str | None = None
    cluster_name: str | None = None
    image_url: str | None = None
    image_auth_id: str | None = None
    command: str | None = None
    entrypoint: str | None = None
    product_id: str | None = None
    product_name: str | None = None
    kind: str | None = None
    billing_mode: str | None = None
    rootfs_size: int | None = None
    envs: list[Env] | None = None
    port_mappings: list[Port] | None = None
    volume_mounts: list[Mount] | None = None
    network: Network | None = None
    jobs: list[RunningJob] | None = None
    status_error: StatusError | None = None
    spot_status: str | None = None
    ssh: SSH | None = field(default=None, name="connectComponentSSH")
    jupyter_lab: Jupyter | None = field(default=None, name="connectComponentJupyter")
    web_terminal: Terminal | None = field(default=None, name="connectComponentWebTerminal")
    log_addresses: Logs | None = field(default=None, name="connectComponentLog")
    node: list[_Node] | _Node | None = None
    wire_gpu_num: Number = field(default=None, name="gpuNum")
    wire_cpu_num: Number = field(default=None, name="cpuNum")
    wire_memory: Number = field(default=None, name="memory")
    wire_price: Number = field(default=None, name="instancePrice")
    wire_created: Number = field(default=None, name="createdAt")
    wire_started: Number = field(default=None, name="lastStartedAt")
    wire_stopped: Number = field(default=None, name="lastStoppedAt")
    wire_end: Number = field(default=None, name="endTime")
    wire_reclaim: Number = field(default=None, name="spotReclaimTime")
    wire_free: Number = field(default=None, name="freeStorageSize")
    wire_kept: Number = field(default=None, name="keepDataDay")
    wire_used: Number = field(default=None, name="useTime")

    @property
    def ports(self) -> list[Port]:
        """The ports, with their endpoints in details of an instance that runs."""
        return self.port_mappings or []

    @property
    def gpu_num(self) -> int | None:
        """Cards."""
        return integer(self.wire_gpu_num)

    @property
    def cpu_num(self) -> int | None:
        """vCPUs."""
        return integer(self.wire_cpu_num)

    @property
    def memory(self) -> int | None:
        """Memory in GB."""
        return integer(self.wire_memory)

    @property
    def max_rootfs_size(self) -> int | None:
        """How far the container disk can grow, in GB."""
        node: Any = self.node[0] if isinstance(self.node, list) and self.node else self.node
        return node.max_rootfs_size if isinstance(node, _Node) else None

    @property
    def free_storage_size(self) -> int | None:
        """How much of the container disk costs nothing, in GB."""
        return integer(self.wire_free)

    @property
    def keep_data_days(self) -> int | None:
        """For how many days the data of the stopped instance is kept."""
        return integer(self.wire_kept)

    @property
    def used_seconds(self) -> int | None:
        """For how long it was used, where the platform tells."""
        return integer(self.wire_used)

    @property
    def price(self) -> Decimal | None:
        """Dollars an hour, where the platform tells."""
        return dollars(self.wire_price)

    @property
    def created_at(self) -> datetime.datetime | None:
        """When it was made."""
        return moment(self.wire_created)

    @property
    def started_at(self) -> datetime.datetime | None:
        """When it was last started."""
        return moment(self.wire_started)

    @property
    def stopped_at(self) -> datetime.datetime | None:
        """When it was last stopped."""
        return moment(self.wire_stopped)

    @property
    def ends_at(self) -> datetime.datetime | None:
        """End of a subscription; None for pay as you go."""
        return moment(self.wire_end)

    @property
    def reclaimed_at(self) -> datetime.datetime | None:
        """When a spot instance is or was taken back; None while that is not announced."""
        return moment(self.wire_reclaim)

    @property
    def problem(self) -> str:
        """What the platform says is wrong with it; "" for nothing."""
        return (self.status_error.message or self.status_error.state or "") if self.status_error else ""
