"""Version 2 of the simulated GPU API: regions, products and instances (contract/gpu_v2.openapi.yaml).

The instances are those of version 1: what one API makes, the other shows.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

import msgspec
from msgspec import Meta

from ..router import Call, json_reply
from ..stock import CLUSTERS, CPU_PRODUCTS, MAX_ROOTFS, PRODUCTS, Product
from .logs import log_address
from .machines import MONTH, Machine, Order
from .v1 import DOMAIN, Env, endpoint_of, jupyter_address, login, read
from .world import World, number, refuse

if TYPE_CHECKING:
    from collections.abc import Callable

    from ...transport.protocol import Reply
    from ..router import Endpoint, Router

__all__ = ["PREFIX_2", "V2", "Port", "cursored"]

PREFIX_2 = "/gpus/v2"
_OLD = {"postpaid": "onDemand", "prepaid": "monthly", "spot": "spot"}
_NEW = {old: new for new, old in _OLD.items()}


class Port(msgspec.Struct):
    """A port that is asked for."""

    port: Annotated[int, Meta(ge=1, le=65535)]
    protocol: Literal["tcp", "http"]


class _Renew(msgspec.Struct):
    enabled: bool = False
    months: Annotated[int, Meta(ge=1)] = 1


class _Prepaid(msgspec.Struct):
    months: Annotated[int, Meta(ge=1)] = 1
    auto_renew: _Renew = msgspec.field(default_factory=_Renew)


class _Billing(msgspec.Struct):
    mode: Literal["postpaid", "prepaid", "spot"]
    prepaid: _Prepaid = msgspec.field(default_factory=_Prepaid)


class _Resource(msgspec.Struct):
    rootfs_size_gb: Annotated[int, Meta(le=MAX_ROOTFS)]
    gpu_num: Annotated[int, Meta(ge=1, le=8)] | None = None
    min_cuda_version: str = ""


class _Network(msgspec.Struct):
    id: str


class _Volume(msgspec.Struct):
    id: str
    mount_point: str = "/network"
    type: str = "network"


class _Jupyter(msgspec.Struct):
    enabled: bool = False
    port: int = 8888
    protocol: Literal["http"] = "http"


class _Tools(msgspec.Struct):
    jupyter: _Jupyter = msgspec.field(default_factory=_Jupyter)


class _Migrate(msgspec.Struct):
    enabled: bool = False
    include_system_disk: bool = False


class _Create(msgspec.Struct, kw_only=True):
    name: Annotated[str, Meta(min_length=1, max_length=255)]
    product_id: str
    image: Annotated[str, Meta(min_length=1, max_length=500)]
    billing: _Billing
    resource: _Resource
    type: Literal["gpu", "cpu"] = "gpu"
    registry_auth_id: str = ""
    entrypoint: str = ""
    command: str = ""
    envs: list[Env] = []
    ports: list[Port] = []
    network: _Network | None = None
    volumes: list[_Volume] = []
    candidate_regions: list[str] = []
    tools: _Tools = msgspec.field(default_factory=_Tools)
    auto_migrate: _Migrate = msgspec.field(default_factory=_Migrate)


class _Upgrade(msgspec.Struct, kw_only=True):
    image: Annotated[str, Meta(min_length=1, max_length=500)]
    registry_auth_id: str = ""
    entrypoint: str = ""
    command: str = ""
    envs: list[Env] = []
    save_data: bool = False


class _Months(msgspec.Struct):
    months: Annotated[int, Meta(ge=1)]


class _Change(_Months):
    type: Literal["prepaid"]


class _AutoRenew(msgspec.Struct):
    auto_renew: _Renew


class _AutoMigrate(msgspec.Struct):
    auto_migrate: _Migrate


class _Terminal(msgspec.Struct):
    enable: bool


class _Ports(msgspec.Struct):
    ports: list[Port]


class _Expand(msgspec.Struct):
    rootfs_size_expand_gb: Annotated[int, Meta(ge=1)]


class V2:
    """Regions, products and instances of version 2."""

    def __init__(self, world: World) -> None:
        self._world = world

    def routes(self, router: Router, guard: Callable[[Endpoint], Endpoint]) -> None:
        one = f"{PREFIX_2}/instances/{{id}}"
        router.add("GET", f"{PREFIX_2}/regions", guard(self._regions))
        router.add("GET", f"{PREFIX_2}/products", guard(self._products))
        router.add("GET", f"{PREFIX_2}/instances", guard(self._list))
        router.add("POST", f"{PREFIX_2}/instances", guard(self._create))
        router.add("GET", one, guard(self._detail))
        router.add("DELETE", one, guard(self._operate))
        puts: dict[str, Endpoint] = {
            **dict.fromkeys(("start", "stop", "restart", "migrate"), self._operate),
            "upgrade": self._upgrade,
            "renew": self._renew,
            "billing-mode": self._billing,
            "auto-renew": self._auto_renew,
            "auto-migrate": self._auto_migrate,
            "web-terminal": self._terminal,
            "ports": self._ports,
            "rootfs-expand": self._expand,
        }
        for name, endpoint in puts.items():
            router.add("PUT", f"{one}/{name}", guard(endpoint))

    # ---------------------------------------------------------------------------------- what can be ordered

    async def _regions(self, call: Call) -> Reply:
        found = [
            {"id": id_, "name": name, "gpus": [each.name for each in PRODUCTS.values() if id_ in each.regions]}
            for id_, name in CLUSTERS.items()
        ]
        return cursored(call, found)

    async def _products(self, call: Call) -> Reply:
        query = call.query
        kind, category = query.get("type", ""), query.get("category", "")
        if kind not in ("gpu", "cpu") or category not in ("instance", "serverless"):
            raise refuse("VALIDATOR_PARAM", "type and category are missing, or are none that there are")
        method = _OLD.get(query.get("billing_method") or "postpaid", "")
        regions = [region for region in query.get("region_ids", "").split(",") if region]
        products = PRODUCTS if kind == "gpu" else CPU_PRODUCTS
        found = [
            self._product(product, category)
            for product in products.values()
            if method in product.methods
            and (not regions or set(regions) & set(product.regions))
            and product.cpu >= number(query, "cpu", 0)
            and product.memory >= number(query, "memory_gb", 0)
            and number(query, "rootfs_size", 0) <= MAX_ROOTFS
        ]
        return cursored(call, found)

    def _product(self, product: Product, category: str) -> dict[str, Any]:
        """Prices with six digits here, where version 1 has five: what counts is what `precision` says."""
        available = self._world.available(product)
        card = {"name": product.name, "min": 1, "max": 8, "available": available, "max_available": available}
        month = 730 * 9 // 10
        return {
            "id": product.id,
            "name": product.name,
            "type": "gpu" if product.gpu else "cpu",
            "category": category,
            "region_ids": list(product.regions),
            "resource_spec": {
                **({"gpu": card} if product.gpu else {}),
                "cpu": product.cpu,
                "memory_gb": product.memory,
                "rootfs": {"min_gb": 10, "max_gb": MAX_ROOTFS, "free_gb": 60},
            },
            "pricing": {
                "precision": 6,
                "postpaid": {
                    "base_price": str(product.price * 10),
                    "final_price": str(product.price * 10),
                    "unit": "per_hour",
                },
                "spot": {"final_price": product.spot * 10, "unit": "per_hour"} if product.spot else None,
                "prepaid": [{"duration_months": 1, "final_price": product.price * 10 * month}] if product.gpu else [],
            },
            "billing_methods": [_NEW[method] for method in product.methods],
            "inventory_state": product.wire(0, available)["inventoryState"],
            "deployable": available > 0,
        }

    # ------------------------------------------------------------------------------------------ instances

    async def _create(self, call: Call) -> Reply:
        given = await read(call, _Create)
        if given.type == "gpu" and given.resource.gpu_num is None:
            raise refuse("VALIDATOR_PARAM", "resource.gpu_num is missing")
        prepaid = given.billing.prepaid if given.billing.mode == "prepaid" else None
        order = Order(
            product_id=given.product_id,
            image=given.image,
            kind=given.type,
            gpu_num=(given.resource.gpu_num or 0) if given.type == "gpu" else 0,
            rootfs=given.resource.rootfs_size_gb,
            name=given.name,
            image_auth_id=given.registry_auth_id,
            ports=[(port.port, port.protocol) for port in given.ports],
            envs=[{"key": env.key, "value": env.value} for env in given.envs],
            jupyter=given.tools.jupyter.port if given.tools.jupyter.enabled else 0,
            command=given.command,
            entrypoint=given.entrypoint,
            regions=given.candidate_regions,
            storages={volume.id: volume.mount_point for volume in given.volumes},
            network_id=given.network.id if given.network else "",
            billing=_OLD[given.billing.mode],  # type: ignore[arg-type] - one of three
            months=prepaid.months if prepaid else 0,
            auto_renew=prepaid.auto_renew.months if prepaid and prepaid.auto_renew.enabled else 0,
            auto_migrate=given.auto_migrate.enabled,
            auto_migrate_disk=given.auto_migrate.include_system_disk,
        )
        return json_reply({"id": self._world.order(order, call.outcome).id})

    async def _list(self, call: Call) -> Reply:
        query, now = call.query, self._world.now
        name, regions = query.get("name", "").lower(), query.get("regions", "")
        mode = query.get("billing_mode", "")
        found = [
            self._brief(machine)
            for machine in self._world.listed()
            if (name in machine.order.name.lower() or name in machine.id)
            and query.get("status", "") in ("", machine.status(now))
            and (not regions or machine.cluster in regions.split(","))
            and (not mode or _OLD.get(mode) == machine.order.billing)
        ]
        return cursored(call, found)

    async def _detail(self, call: Call) -> Reply:
        machine = self._find(call)
        return json_reply({**self._brief(machine), "tools": await self._tools(machine, call.origin)})

    async def _operate(self, call: Call) -> Reply:
        name = "delete" if call.method == "DELETE" else call.path.rpartition("/")[2]
        self._world.operate(self._find(call), name, call.outcome)
        return json_reply({})

    async def _upgrade(self, call: Call) -> Reply:
        given, machine = await read(call, _Upgrade), self._find(call)
        self._world.operate(machine, "upgrade", call.outcome)
        order = machine.order
        order.image, order.image_auth_id = given.image, given.registry_auth_id
        order.command, order.entrypoint = given.command, given.entrypoint
        order.envs = [{"key": env.key, "value": env.value} for env in given.envs]
        return json_reply({})

    async def _renew(self, call: Call) -> Reply:
        given, machine = await read(call, _Months), self._find(call)
        self._world.allowed(machine, "renewInstance")
        self._world.subscribe(machine, given.months)
        return json_reply({})

    async def _billing(self, call: Call) -> Reply:
        given, machine = await read(call, _Change), self._find(call)
        self._world.allowed(machine, "transToMonthlyInstance")
        self._world.subscribe(machine, given.months)
        return json_reply({})

    async def _auto_renew(self, call: Call) -> Reply:
        given, machine = (await read(call, _AutoRenew)).auto_renew, self._find(call)
        self._world.allowed(machine, "setAutoRenew")
        machine.order.auto_renew = given.months if given.enabled else 0
        return json_reply({})

    async def _auto_migrate(self, call: Call) -> Reply:
        given, machine = (await read(call, _AutoMigrate)).auto_migrate, self._find(call)
        self._world.allowed(machine, "setAutoMigrate")
        machine.order.auto_migrate, machine.order.auto_migrate_disk = given.enabled, given.include_system_disk
        return json_reply({})

    async def _terminal(self, call: Call) -> Reply:
        given, machine = await read(call, _Terminal), self._find(call)
        self._world.allowed(machine, "edit")
        machine.terminal = given.enable
        return json_reply({})

    async def _ports(self, call: Call) -> Reply:
        given, machine = await read(call, _Ports), self._find(call)
        self._world.allowed(machine, "edit")
        ports = [(port.port, port.protocol) for port in given.ports]
        self._world.check_ports(ports, tools=1 if machine.order.jupyter else 0)
        machine.order.ports = ports
        return json_reply({})

    async def _expand(self, call: Call) -> Reply:
        given, machine = await read(call, _Expand), self._find(call)
        self._world.allowed(machine, "edit")
        self._world.grow(machine, given.rootfs_size_expand_gb)
        return json_reply({})

    def _find(self, call: Call) -> Machine:
        return self._world.find(call.params["id"])

    def _brief(self, machine: Machine) -> dict[str, Any]:
        order, product, now = machine.order, machine.product, self._world.now
        status, error, units = machine.status(now), machine.error(now), max(1, order.gpu_num)
        billing: dict[str, Any] = {"mode": _NEW[order.billing]}
        if machine.ends is not None:
            renew = {"enabled": order.auto_renew > 0, "months": max(1, order.auto_renew), "status": "active"}
            months = max(1, round((machine.ends - machine.created) / MONTH))
            billing["prepaid"] = {"months": months, "end_time": int(machine.ends), "auto_renew": renew}
        ports = [
            {
                "port": port,
                "protocol": kind,
                "endpoint": endpoint_of(self._world, machine, index) if status == "running" else "",
            }
            for index, (port, kind) in enumerate(order.ports)
        ]
        return {
            "id": machine.id,
            "name": order.name,
            "type": order.kind,
            "product_id": product.id,
            "image": order.image,
            "registry_auth_id": order.image_auth_id,
            "entrypoint": order.entrypoint,
            "command": order.command,
            "billing": billing,
            "envs": order.envs,
            "ports": ports,
            "resource_specs": {
                "rootfs_size_gb": order.rootfs,
                "gpu_num": order.gpu_num,
                "cpu_num": product.cpu * units,
                "memory_gb": product.memory * units,
                "gpu_ids": list(range(order.gpu_num)),
            },
            "network": {"id": order.network_id, "ip": self._world.address(machine)},
            "volumes": [{"type": "network", "id": id_, "mount_point": at} for id_, at in order.storages.items()],
            "region": machine.cluster,
            "auto_migrate": {"enabled": order.auto_migrate, "include_system_disk": order.auto_migrate_disk},
            "status": {"status": status, "error": error["state"], "message": error["message"]},
            "created_at": int(machine.created),
            "last_started_at": int(machine.started or 0),
            "last_stopped_at": int(machine.stopped or 0),
            "member_id": "simulator",
            "owner_id": "simulator",
        }

    async def _tools(self, machine: Machine, origin: str) -> dict[str, Any]:
        """How it is reached, which is told while it runs."""
        up = machine.status(self._world.now) == "running"
        host = f"{machine.cluster}.{DOMAIN}"
        port, password = login(self._world, machine)
        jupyter, terminal = machine.order.jupyter, machine.terminal and up
        return {
            "jupyter": {
                "enabled": bool(jupyter),
                "port": jupyter,
                "endpoint": await jupyter_address(self._world, machine, origin),
            },
            "ssh": {
                "command": f"ssh -p {port} root@proxy.{host}" if up else "",
                "username": "root",
                "password": password if up else "",
            },
            "web_terminal": {
                "enabled": machine.terminal,
                "endpoint": f"wss://{machine.id}-terminal.{host}" if terminal else "",
                "username": "root" if terminal else "",
                "password": password if terminal else "",
            },
            "log": {
                "instance_endpoint": log_address(self._world, machine, "instance", origin),
                "system_endpoint": log_address(self._world, machine, "system", origin),
            },
        }


def cursored(call: Call, found: list[dict[str, Any]]) -> Reply:
    """A page of a list; its cursor is the number of the item that the next page begins with."""
    size = number(call.query, "limit", 0) or 20
    start = number(call.query, "cursor", 0)
    end = start + size
    more = end < len(found)
    return json_reply({"data": found[start:end], "next_cursor": str(end) if more else "", "has_more": more})
