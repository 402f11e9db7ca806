"""Version 1 of the simulated GPU API: products and instances (contract/gpu.openapi.yaml)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated, Any, Literal

import msgspec
from msgspec import Meta

from ...catalog.gpu_life import LIFE
from ..router import Call, json_reply
from ..stock import CLUSTERS, CPU_PRODUCTS, MAX_ROOTFS, PRODUCTS
from .logs import log_address
from .machines import Machine, Order
from .world import World, number, refuse

if TYPE_CHECKING:
    from collections.abc import Callable

    from ...transport.protocol import Reply
    from ..router import Endpoint, Router

__all__ = ["DOMAIN", "PREFIX", "V1", "Env", "endpoint_of", "jupyter_address", "login", "paged", "read"]

PREFIX = "/gpu-instance/openapi/v1"
DOMAIN = "gpu-instance.novita.simulator"
_PORT = re.compile(r"(\d{1,5})/(tcp|http)")
Text = Annotated[str, Meta(max_length=255)]


class Env(msgspec.Struct):
    """A variable of the environment."""

    key: Annotated[str, Meta(max_length=511)]
    value: Annotated[str, Meta(max_length=4095)]


class _Tool(msgspec.Struct):
    name: Literal["Jupyter"]
    port: Annotated[str, Meta(pattern=r"^\d{1,5}$")] = "8888"
    type: Literal["tcp", "http"] = "http"


class _Mount(msgspec.Struct):
    id: str = msgspec.field(name="Id")
    path: Annotated[str, Meta(min_length=1)] = msgspec.field(name="mountPoint", default="/network")


class _Create(msgspec.Struct, kw_only=True, rename="camel"):
    product_id: Annotated[str, Meta(min_length=1, max_length=255)]
    image_url: Annotated[str, Meta(min_length=1, max_length=500)]
    kind: Literal["gpu", "cpu"]
    gpu_num: Annotated[int, Meta(ge=1, le=8)] | None = None
    rootfs_size: Annotated[int, Meta(le=MAX_ROOTFS)] | None = None
    name: Text = ""
    image_auth: Annotated[str, Meta(max_length=10239)] = ""
    image_auth_id: Text = ""
    ports: str = ""
    envs: Annotated[list[Env], Meta(max_length=100)] = []
    tools: list[_Tool] = []
    command: Annotated[str, Meta(max_length=2047)] = ""
    entrypoint: Annotated[str, Meta(max_length=2047)] = ""
    cluster_id: Text = ""
    network_storages: Annotated[list[_Mount], Meta(max_length=30)] = []
    network_id: str = ""
    month: Annotated[int, Meta(ge=0)] = 0
    billing_mode: Literal["onDemand", "monthly", "spot"] = "onDemand"
    auto_renew: bool = False
    auto_renew_month: Annotated[int, Meta(ge=1, le=12)] | None = None
    min_cuda_version: str = ""
    local_storage_mount_point: str = "/workspace"


class _Id(msgspec.Struct):
    instance_id: str = msgspec.field(name="instanceId")


class _Port(msgspec.Struct):
    port: int
    type: str


class _Edit(_Id, rename="camel"):
    ports: list[_Port] | None = None
    expand_root_disk: Annotated[int, Meta(ge=0)] = 0


class _Volume(msgspec.Struct, rename="camel"):
    id: str
    type: Literal["network"] = "network"
    mount_path: str = "/network"


class _Volumes(msgspec.Struct, rename="camel"):
    volume_mounts: Annotated[list[_Volume], Meta(max_length=30)]


class _Upgrade(msgspec.Struct, rename="camel", kw_only=True):
    instance_id: str
    image_url: Annotated[str, Meta(min_length=1, max_length=500)]
    image_auth_id: str = ""
    envs: Annotated[list[Env], Meta(max_length=100)]
    command: Annotated[str, Meta(max_length=2047)]
    entrypoint: Annotated[str, Meta(max_length=2047)]
    save: bool
    network_volume: _Volumes


class _Months(_Id):
    month: Annotated[int, Meta(ge=1)] = 1


class _AutoRenew(msgspec.Struct, rename="camel"):
    instance_ids: list[str]
    auto_renew: bool
    auto_renew_month: Annotated[int, Meta(ge=1, le=12)]


class _AutoMigrate(_Id, rename="camel"):
    auto_migrate_open: bool = False
    auto_migrate_system_disk: bool = False


class V1:
    """Products and instances of version 1."""

    def __init__(self, world: World) -> None:
        self._world = world

    def routes(self, router: Router, guard: Callable[[Endpoint], Endpoint]) -> None:
        gets = {
            "products": self._products,
            "cpu/products": self._cpu_products,
            "gpu/instances": self._list,
            "gpu/instance": self._detail,
        }
        posts = {
            "create": self._create,
            "edit": self._edit,
            "upgrade": self._upgrade,
            "renewInstance": self._subscribe,
            "transToMonthlyInstance": self._subscribe,
            "setAutoRenew": self._auto_renew,
            "setAutoMigrate": self._auto_migrate,
        }
        for name, get in gets.items():
            router.add("GET", f"{PREFIX}/{name}", guard(get))
        for name in LIFE.keys() - {"saveImage"}:
            router.add("POST", f"{PREFIX}/gpu/instance/{name}", guard(posts.get(name, self._operate)))

    # -------------------------------------------------------------------------------------- the products

    async def _products(self, call: Call) -> Reply:
        query, world = call.query, self._world
        cards = number(query, "gpuNum", 0)
        method = query.get("billingMethod") or "onDemand"
        if method not in ("onDemand", "monthly", "spot"):
            raise refuse("VALIDATOR_PARAM", "billingMethod is one of onDemand, monthly, spot")
        found = [
            product.wire(cards, world.available(product))
            for product in PRODUCTS.values()
            if method in product.methods
            and query.get("productName", "").lower() in product.name.lower()
            and query.get("clusterId", "") in ("", *product.regions)
            and product.cpu >= number(query, "minCpuPerGpu", 0)
            and product.memory >= number(query, "minMemoryPerGpu", 0)
            and number(query, "minRootFSSize", 0) <= MAX_ROOTFS
        ]
        return json_reply({"data": found})

    async def _cpu_products(self, call: Call) -> Reply:
        query = call.query
        found = [
            product.wire_cpu(self._world.available(product))
            for product in CPU_PRODUCTS.values()
            if query.get("productName", "").lower() in product.name.lower()
            and query.get("clusterId", "") in ("", *product.regions)
        ]
        return json_reply({"data": found})

    # ------------------------------------------------------------------------------------- the instances

    async def _create(self, call: Call) -> Reply:
        given = await read(call, _Create)
        gpu = given.kind == "gpu"
        if gpu and (given.gpu_num is None or given.rootfs_size is None):
            raise refuse("VALIDATOR_PARAM", "gpuNum and rootfsSize are missing")
        order = Order(
            product_id=given.product_id,
            image=given.image_url,
            kind=given.kind,
            gpu_num=given.gpu_num or 0 if gpu else 0,
            rootfs=given.rootfs_size or 60 if gpu else 60,
            name=given.name,
            image_auth_id=given.image_auth_id,
            ports=_ports(given.ports),
            envs=[{"key": env.key, "value": env.value} for env in given.envs],
            jupyter=int(given.tools[0].port) if given.tools else 0,
            command=given.command,
            entrypoint=given.entrypoint,
            regions=[given.cluster_id] if given.cluster_id else [],
            storages={mount.id: mount.path for mount in given.network_storages},
            network_id=given.network_id,
            billing="monthly" if given.month else given.billing_mode,
            months=given.month,
            auto_renew=given.auto_renew_month or 0 if given.auto_renew else 0,
        )
        return json_reply({"id": self._world.order(order, call.outcome).id})

    async def _operate(self, call: Call) -> Reply:
        machine = self._world.find((await read(call, _Id)).instance_id)
        self._world.operate(machine, call.path.rpartition("/")[2], call.outcome)
        return json_reply({})

    async def _edit(self, call: Call) -> Reply:
        given = await read(call, _Edit)
        machine = self._world.find(given.instance_id)
        self._world.allowed(machine, "edit")
        if given.ports is not None:
            ports = [(port.port, port.type) for port in given.ports]
            self._world.check_ports(ports, tools=1 if machine.order.jupyter else 0)
            machine.order.ports = ports
        self._world.grow(machine, given.expand_root_disk)
        return json_reply({})

    async def _upgrade(self, call: Call) -> Reply:
        given = await read(call, _Upgrade)
        machine = self._world.find(given.instance_id)
        for volume in given.network_volume.volume_mounts:
            self._world.storage(volume.id)
        self._world.operate(machine, "upgrade", call.outcome)
        order = machine.order
        order.image, order.image_auth_id = given.image_url, given.image_auth_id
        order.envs = [{"key": env.key, "value": env.value} for env in given.envs]
        order.command, order.entrypoint = given.command, given.entrypoint
        order.storages = {volume.id: volume.mount_path for volume in given.network_volume.volume_mounts}
        return json_reply({})

    async def _subscribe(self, call: Call) -> Reply:
        given = await read(call, _Months)
        machine = self._world.find(given.instance_id)
        operation = call.path.rpartition("/")[2]
        self._world.allowed(machine, operation)
        self._world.subscribe(machine, given.month)
        return json_reply({})

    async def _auto_renew(self, call: Call) -> Reply:
        given = await read(call, _AutoRenew)
        machines = [self._world.find(id_) for id_ in given.instance_ids]
        for machine in machines:
            self._world.allowed(machine, "setAutoRenew")
        for machine in machines:
            machine.order.auto_renew = given.auto_renew_month if given.auto_renew else 0
        return json_reply({})

    async def _auto_migrate(self, call: Call) -> Reply:
        given = await read(call, _AutoMigrate)
        machine = self._world.find(given.instance_id)
        self._world.allowed(machine, "setAutoMigrate")
        machine.order.auto_migrate = given.auto_migrate_open
        machine.order.auto_migrate_disk = given.auto_migrate_system_disk
        return json_reply({})

    async def _detail(self, call: Call) -> Reply:
        if not (identifier := call.query.get("instanceId", "")):
            raise refuse("VALIDATOR_PARAM", "instanceId is missing")
        return json_reply(await self._full(self._world.find(identifier), call.origin))

    async def _list(self, call: Call) -> Reply:
        """List what has not been removed, the newest first. Pages count from 1; 0 is the first page too."""
        query, now = call.query, self._world.now
        found = [
            machine
            for machine in self._world.listed()
            if (not query.get("status") or query["status"] == machine.status(now))
            and query.get("name", "").lower() in machine.order.name.lower()
            and query.get("productName", "").lower() in machine.product.name.lower()
        ]
        page = [self._brief(machine) for machine in paged(query, found)]
        return json_reply({"instances": page, "total": len(found)})

    def _brief(self, machine: Machine) -> dict[str, Any]:
        """An instance as the list shows it. Numbers are text where the platform's are."""
        order, product, now = machine.order, machine.product, self._world.now
        units = max(1, order.gpu_num)
        spot = order.billing == "spot"
        return {
            "id": machine.id,
            "name": order.name,
            "clusterId": machine.cluster,
            "clusterName": CLUSTERS[machine.cluster],
            "status": machine.status(now),
            "imageUrl": order.image,
            "imageAuthId": order.image_auth_id,
            "command": order.command,
            "entrypoint": order.entrypoint,
            "cpuNum": str(product.cpu * units),
            "memory": str(product.memory * units),
            "gpuNum": str(order.gpu_num),
            "portMappings": [{"port": port, "type": kind} for port, kind in order.ports],
            "productId": product.id,
            "productName": product.name,
            "rootfsSize": order.rootfs,
            "volumeMounts": self._mounts(machine, text=True),
            "statusError": machine.error(now),
            "envs": order.envs,
            "kind": order.kind,
            "billingMode": order.billing,
            "endTime": "-1" if machine.ends is None else str(int(machine.ends)),
            "spotStatus": machine.spot(now),
            "spotReclaimTime": self._reclaim(machine),
            "createdAt": str(int(machine.created)),
            "lastStartedAt": str(int(machine.started or 0)),
            "lastStoppedAt": str(int(machine.stopped or 0)),
            "instancePrice": str((product.spot if spot else product.price) * units),
        }

    def _reclaim(self, machine: Machine) -> str:
        if machine.reclaimed is None:
            return "0"
        return str(int(self._world.clock.time() + machine.reclaimed - self._world.now))

    def _mounts(self, machine: Machine, *, text: bool) -> list[dict[str, Any]]:
        """The volumes; their sizes are text in the list and numbers in details (contract/gpu.md 12)."""
        found: list[dict[str, Any]] = []
        for id_, path in machine.order.storages.items():
            size = self._world.storages[id_].size if id_ in self._world.storages else 0
            found.append({"type": "network", "id": id_, "size": str(size) if text else size, "mountPath": path})
        return found

    async def _full(self, machine: Machine, origin: str) -> dict[str, Any]:
        """An instance in detail: where it is reached is told only while it runs."""
        world, order, brief = self._world, machine.order, self._brief(machine)
        up = brief["status"] == "running"
        host = f"{machine.cluster}.{DOMAIN}"
        base, password = login(world, machine)
        address = await jupyter_address(world, machine, origin)
        running = [
            job for job in world.jobs.values() if job.instance == machine.id and job.state(world.now) == "running"
        ]
        return {
            **brief,
            "portMappings": [
                {"port": port, "type": kind, "endpoint": endpoint_of(world, machine, index) if up else ""}
                for index, (port, kind) in enumerate(order.ports)
            ],
            "volumeMounts": self._mounts(machine, text=False),
            "network": {"id": order.network_id, "ip": world.address(machine)},
            "node": [{"maxRootfsSize": MAX_ROOTFS}],
            "jobs": [{"id": job.id, "type": job.type} for job in running if job.type == "saveImage"],
            "connectComponentSSH": {
                "sshCommand": f"ssh -p {base} root@proxy.{host}" if up else "",
                "password": password if up else "",
                "isRunning": up,
            },
            "connectComponentWebTerminal": {
                "address": f"https://{machine.id}-terminal.{host}" if up and machine.terminal else "",
                "username": "root" if up and machine.terminal else "",
                "password": password if up and machine.terminal else "",
                "isRunning": up and machine.terminal,
            },
            "connectComponentJupyter": {
                "port": str(order.jupyter) if order.jupyter else "",
                "address": address,
                "isRunning": bool(address),
            },
            "connectComponentLog": {
                "systemLogAddress": log_address(world, machine, "system", origin),
                "instanceLogAddress": log_address(world, machine, "instance", origin),
                "isRunning": True,
            },
            "freeStorageSize": 60,
            "keepDataDay": 7,
        }


def login(world: World, machine: Machine) -> tuple[int, str]:
    """Port and password, which change with every start (contract/gpu.md 5)."""
    luck = world.digest(machine.id, machine.starts)
    return 20000 + int(luck[:4], 16) % 10000, luck[4:20]


async def jupyter_address(world: World, machine: Machine, origin: str) -> str:
    """Where JupyterLab is reached while the instance runs; "" without one."""
    if not machine.order.jupyter or machine.status(world.now) != "running":
        return ""
    if world.jupyters is not None:
        return await world.jupyters.address(machine, origin)
    return f"https://{machine.id}-{machine.order.jupyter}.{machine.cluster}.{DOMAIN}"


def endpoint_of(world: World, machine: Machine, index: int) -> str:
    """Where a port of an instance is reached."""
    port, kind = machine.order.ports[index]
    host = f"{machine.cluster}.{DOMAIN}"
    return (
        f"https://{machine.id}-{port}.{host}"
        if kind == "http"
        else f"proxy.{host}:{login(world, machine)[0] + 1 + index}"
    )


def paged(query: dict[str, str], found: list[Any], counter: str = "pageNum") -> list[Any]:
    """A page of a list that is counted from 1, where 0 is the first page too."""
    size = number(query, "pageSize", 10)
    start = (max(1, number(query, counter, 1)) - 1) * size
    return found[start : start + size]


async def read(call: Call, type_: type[Any]) -> Any:
    """The body of a call, or the refusal of it."""
    try:
        return await call.json(type_)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise refuse("VALIDATOR_PARAM", str(error)) from None


def _ports(text: str) -> list[tuple[int, str]]:
    """Read "80/http,3306/tcp"."""
    found: list[tuple[int, str]] = []
    for part in filter(None, (part.strip() for part in text.split(","))):
        match = _PORT.fullmatch(part)
        if match is None:
            raise refuse("VALIDATOR_PARAM", f"ports: {part!r} is not a usable port and tcp or http")
        found.append((int(match[1]), match[2]))
    return found
