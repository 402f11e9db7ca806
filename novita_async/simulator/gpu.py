"""The GPU product: machines to choose from and instances that live by a table (contract/gpu.md 2).

Nothing runs between two requests: the state of an instance follows from the last thing it was told to do and the clock.
Its addresses have the platform's form under a name that cannot exist, so that nobody reaches the real one by mistake.
"""

from __future__ import annotations

import hashlib
import itertools
import re
from http import HTTPStatus
from typing import TYPE_CHECKING, Annotated, Any, Literal

import msgspec
from msgspec import Meta

from . import keys
from .faults import Outcome
from .router import Call, Router, json_reply
from .stock import CLUSTERS, MAX_ROOTFS, PRODUCTS, Product

if TYPE_CHECKING:
    from ..runtime.clock import Clock
    from ..transport.protocol import Reply

__all__ = ["GPU", "LIFE", "Operation"]

_PREFIX = "/gpu-instance/openapi/v1"
_DOMAIN = "gpu-instance.novita.simulator"
_REMOVED_SECONDS = 60.0  # for which a removed instance can still be seen
_RESERVED_PORTS = range(2222, 2225)
_MOST_PORTS = 15
_MONTH = 30 * 86400
_PORT = re.compile(r"(\d{1,5})/(tcp|http)")


class Operation(msgspec.Struct, frozen=True):
    """What can be done to an instance. `allowed` has the states it starts from, None for any; `path` the states that
    follow, each for one step of the clock, the last one to stay."""

    allowed: frozenset[str] | None
    path: tuple[str, ...]


#: The life of an instance. Rules that are no states: a monthly instance cannot be deleted; deleting one that is being
#: deleted changes nothing; another operation that fails ends in `exited` with a `statusError`.
LIFE: dict[str, Operation] = {
    "create": Operation(frozenset(), ("toCreate", "creating", "pulling", "running")),
    "start": Operation(frozenset({"exited"}), ("toStart", "starting", "running")),
    "stop": Operation(frozenset({"running"}), ("toStop", "stopping", "exited")),
    "restart": Operation(frozenset({"running"}), ("toRestart", "restarting", "running")),
    "delete": Operation(None, ("toRemove", "removing", "removed")),
}

_Text = Annotated[str, Meta(max_length=255)]


class _Env(msgspec.Struct):
    key: Annotated[str, Meta(max_length=511)]
    value: Annotated[str, Meta(max_length=4095)]


class _Tool(msgspec.Struct):
    name: Literal["Jupyter"]
    port: str = "8888"
    type: Literal["tcp", "http"] = "http"


class _Create(msgspec.Struct, kw_only=True, rename="camel"):
    product_id: Annotated[str, Meta(min_length=1, max_length=255)]
    gpu_num: Annotated[int, Meta(ge=1, le=8)]
    rootfs_size: Annotated[int, Meta(le=MAX_ROOTFS)]
    image_url: Annotated[str, Meta(min_length=1, max_length=500)]
    kind: Literal["gpu", "cpu"]
    name: _Text = ""
    image_auth: Annotated[str, Meta(max_length=10239)] = ""
    image_auth_id: _Text = ""
    ports: str = ""
    envs: Annotated[list[_Env], Meta(max_length=100)] = []
    tools: list[_Tool] = []
    command: Annotated[str, Meta(max_length=2047)] = ""
    entrypoint: Annotated[str, Meta(max_length=2047)] = ""
    cluster_id: _Text = ""
    network_storages: Annotated[list[dict[str, Any]], Meta(max_length=30)] = []
    network_id: str = ""
    month: Annotated[int, Meta(ge=0)] = 0
    billing_mode: Literal["onDemand", "monthly", "spot"] = "onDemand"
    auto_renew: bool = False
    auto_renew_month: Annotated[int, Meta(ge=1, le=12)] | None = None
    min_cuda_version: str = ""


class _Id(msgspec.Struct):
    instance_id: str = msgspec.field(name="instanceId")


class _Instance(msgspec.Struct, kw_only=True):
    """An instance: what it was made of, and the last thing it was told to do, when, and how that is to end."""

    id: str
    order: _Create
    product: Product
    cluster: str
    ports: list[tuple[int, str]]
    billing: str
    created: float  # Unix seconds
    operation: str = "create"
    since: float  # monotonic
    step: float
    outcome: Outcome | None
    starts: int = 0
    started: float | None = None
    stopped: float | None = None

    def age(self, now: float) -> int:
        """How many steps have gone by since it was told."""
        steps = len(LIFE[self.operation].path) - 1
        return steps if self.step <= 0 else min(steps, int((now - self.since) / self.step + 1e-9))

    def status(self, now: float) -> str:
        path = LIFE[self.operation].path
        index = self.age(now)
        if index == len(path) - 1 and self.outcome is not None and self.outcome.status is not None:
            return self.outcome.status or "exited"
        return path[index]

    def error(self, now: float) -> dict[str, str]:
        """What went wrong, empty while nothing has."""
        failed = self.outcome is not None and self.outcome.status == ""
        if self.outcome is None or not failed or self.age(now) < len(LIFE[self.operation].path) - 1:
            return {"state": "", "message": ""}
        return {"state": f"{self.operation}Failed", "message": self.outcome.reason}

    def gone(self, now: float) -> bool:
        """Whether it was removed so long ago that nobody remembers it."""
        steps = len(LIFE["delete"].path) - 1
        return self.operation == "delete" and now >= self.since + steps * self.step + _REMOVED_SECONDS


class GPU:
    """Products and instances.

    Args:
        clock: what instances change by.
        api_key: the good key.
        seed: decides ids, ports and passwords.
        step_seconds: how long an instance stays in each state that it passes through.
    """

    def __init__(self, *, clock: Clock, api_key: str, seed: int, step_seconds: float) -> None:
        self._clock = clock
        self._keys = keys.Keys(api_key, keys.GPU)
        self._seed = seed
        self._step = step_seconds
        self._instances: dict[str, _Instance] = {}
        self._count = itertools.count(1)

    def routes(self, router: Router) -> None:
        guard = self._keys.guard
        router.add("GET", f"{_PREFIX}/products", guard(self._products))
        router.add("GET", f"{_PREFIX}/gpu/instances", guard(self._list))
        router.add("GET", f"{_PREFIX}/gpu/instance", guard(self._detail))
        router.add("POST", f"{_PREFIX}/gpu/instance/create", guard(self._create))
        for name in LIFE.keys() - {"create"}:
            router.add("POST", f"{_PREFIX}/gpu/instance/{name}", guard(self._operate))

    # -------------------------------------------------------------------------------------- the products

    async def _products(self, call: Call) -> Reply:
        query = call.query
        cards = _number(query, "gpuNum", 0)
        method = query.get("billingMethod") or "onDemand"
        if method not in ("onDemand", "monthly", "spot"):
            raise _refuse("VALIDATOR_PARAM", "billingMethod is one of onDemand, monthly, spot")
        found = [
            product.wire(cards)
            for product in PRODUCTS.values()
            if method in product.methods
            and query.get("productName", "").lower() in product.name.lower()
            and query.get("clusterId", "") in ("", *product.regions)
            and product.cpu >= _number(query, "minCpuPerGpu", 0)
            and product.memory >= _number(query, "minMemoryPerGpu", 0)
            and _number(query, "minRootFSSize", 0) <= MAX_ROOTFS
        ]
        return json_reply({"data": found})

    # ------------------------------------------------------------------------------------- the instances

    async def _create(self, call: Call) -> Reply:
        order = await _read(call, _Create)
        product = PRODUCTS.get(order.product_id)
        if product is None:
            raise _refuse("RESOURCE_NOT_FOUND", f"product {order.product_id!r} does not exist")
        cluster = order.cluster_id or product.regions[0]
        if cluster not in CLUSTERS:
            raise _refuse("RESOURCE_NOT_FOUND", f"cluster {cluster!r} does not exist")
        if order.network_storages:
            raise _refuse("NETWORK_STORAGE_NOT_FOUND", "the network storage does not exist")
        if order.network_id:
            raise _refuse("NETWORK_NOT_FOUND", "the network does not exist")
        billing = "monthly" if order.month else order.billing_mode
        if billing not in product.methods:
            raise _refuse("UNSUPPORTED_BILLING_MODE", f"{product.name} is not offered as {billing}")
        ports = _ports(order)
        if product.cards < order.gpu_num or cluster not in product.regions:
            raise _refuse("INSUFFICIENT_RESOURCE", f"{product.name} is out of stock in {CLUSTERS[cluster]}")
        now = self._clock.monotonic()
        instance = _Instance(
            id=self._digest("instance", next(self._count))[:16],
            order=order,
            product=product,
            cluster=cluster,
            ports=ports,
            billing=billing,
            created=self._clock.time(),
            since=now,
            step=self._step,
            outcome=None,
        )
        self._instances = {id_: other for id_, other in self._instances.items() if not other.gone(now)}
        self._instances[instance.id] = instance
        self._tell(instance, "create", call.outcome)
        return json_reply({"id": instance.id})

    async def _operate(self, call: Call) -> Reply:
        name = call.path.rpartition("/")[2]
        instance = self._find((await _read(call, _Id)).instance_id)
        status = instance.status(self._clock.monotonic())
        if name == "delete" and instance.billing == "monthly":
            raise _refuse("PREPAID_INSTANCE_NOT_SUPPORT_RELEASE", "a monthly instance cannot be deleted")
        if instance.operation == "delete":
            if name != "delete":
                raise _refuse("OPERATION_LIMIT", f"{name} is not possible: the instance is {status}", status=status)
            return json_reply({})
        allowed = LIFE[name].allowed
        if allowed is not None and status not in allowed:
            raise _refuse("OPERATION_LIMIT", f"{name} is not possible: the instance is {status}", status=status)
        self._tell(instance, name, None if name == "delete" else call.outcome)
        return json_reply({})

    def _tell(self, instance: _Instance, operation: str, outcome: Outcome | None) -> None:
        instance.operation, instance.outcome = operation, outcome
        instance.since = self._clock.monotonic()
        steps = len(LIFE[operation].path) - 1
        instance.step = self._step if outcome is None or outcome.after is None else outcome.after / steps
        if operation == "stop":
            instance.stopped = self._clock.time()
        elif LIFE[operation].path[-1] == "running":
            instance.started = self._clock.time()
            instance.starts += 1

    def _find(self, identifier: str) -> _Instance:
        instance = self._instances.get(identifier)
        if instance is None or instance.gone(self._clock.monotonic()):
            raise _refuse("RESOURCE_NOT_FOUND", f"instance {identifier!r} does not exist")
        return instance

    async def _detail(self, call: Call) -> Reply:
        if not (identifier := call.query.get("instanceId", "")):
            raise _refuse("VALIDATOR_PARAM", "instanceId is missing")
        return json_reply(self._full(self._find(identifier)))

    async def _list(self, call: Call) -> Reply:
        """List what has not been removed, the newest first. Pages count from 1; 0 is the first page too."""
        query, now = call.query, self._clock.monotonic()
        found = [
            instance
            for instance in reversed(self._instances.values())
            if instance.status(now) != "removed"
            and query.get("status") in (None, "", instance.status(now))
            and query.get("name", "").lower() in instance.order.name.lower()
            and query.get("productName", "").lower() in instance.product.name.lower()
        ]
        size = _number(query, "pageSize", 10)
        start = (max(1, _number(query, "pageNum", 1)) - 1) * size
        page = [self._brief(instance) for instance in found[start : start + size]]
        return json_reply({"instances": page, "total": len(found)})

    def _brief(self, instance: _Instance) -> dict[str, Any]:
        """An instance as the list shows it. Numbers are text where the platform's are."""
        order, product, now = instance.order, instance.product, self._clock.monotonic()
        spot = instance.billing == "spot"
        return {
            "id": instance.id,
            "name": order.name,
            "clusterId": instance.cluster,
            "clusterName": CLUSTERS[instance.cluster],
            "status": instance.status(now),
            "imageUrl": order.image_url,
            "imageAuthId": order.image_auth_id,
            "command": order.command,
            "entrypoint": order.entrypoint,
            "cpuNum": str(product.cpu * order.gpu_num),
            "memory": str(product.memory * order.gpu_num),
            "gpuNum": str(order.gpu_num),
            "portMappings": [{"port": port, "type": kind} for port, kind in instance.ports],
            "productId": product.id,
            "productName": product.name,
            "rootfsSize": max(10, order.rootfs_size),
            "volumeMounts": [],
            "statusError": instance.error(now),
            "envs": order.envs,
            "kind": order.kind,
            "billingMode": instance.billing,
            "endTime": str(int(instance.created) + max(1, order.month) * _MONTH)
            if instance.billing == "monthly"
            else "-1",
            "spotStatus": "running" if spot else "",
            "spotReclaimTime": "0",
            "createdAt": str(int(instance.created)),
            "lastStartedAt": str(int(instance.started or 0)),
            "lastStoppedAt": str(int(instance.stopped or 0)),
            "instancePrice": str((product.spot if spot else product.price) * order.gpu_num),
        }

    def _full(self, instance: _Instance) -> dict[str, Any]:
        """An instance in detail: where it is reached is told only while it runs."""
        brief = self._brief(instance)
        up = brief["status"] == "running"
        host = f"{instance.cluster}.{_DOMAIN}"
        # Port and password change with every start (contract/gpu.md 5).
        luck = self._digest(instance.id, instance.starts)
        base = 20000 + int(luck[:4], 16) % 10000

        def endpoint(number: int, port: int, kind: str) -> str:
            return f"https://{instance.id}-{port}.{host}" if kind == "http" else f"proxy.{host}:{base + 1 + number}"

        jupyter = next(iter(instance.order.tools), None)
        address = f"https://{instance.id}-{jupyter.port}.{host}" if jupyter and up else ""
        return {
            **brief,
            "portMappings": [
                {"port": port, "type": kind, "endpoint": endpoint(number, port, kind) if up else ""}
                for number, (port, kind) in enumerate(instance.ports)
            ],
            "node": [{"maxRootfsSize": MAX_ROOTFS}],
            "jobs": [],
            "connectComponentSSH": {
                "sshCommand": f"ssh -p {base} root@proxy.{host}" if up else "",
                "password": luck[4:20] if up else "",
                "isRunning": up,
            },
            "connectComponentWebTerminal": {"address": "", "username": "", "password": "", "isRunning": False},
            "connectComponentJupyter": {
                "port": jupyter.port if jupyter else "",
                "address": address,
                "isRunning": bool(address),
            },
            "connectComponentLog": {"systemLogAddress": "", "instanceLogAddress": "", "isRunning": False},
            "freeStorageSize": 60,
            "keepDataDay": 7,
        }

    def _digest(self, *parts: object) -> str:
        return hashlib.blake2b(repr((self._seed, *parts)).encode(), digest_size=16).hexdigest()


def _refuse(reason: str, message: str, **metadata: str) -> keys.Refusal:
    """Nearly everything that goes wrong here is a 400, a thing that is not found too (contract/gpu.md 8)."""
    return keys.flat(HTTPStatus.BAD_REQUEST, reason, message, metadata)


async def _read(call: Call, type_: type[Any]) -> Any:
    try:
        return await call.json(type_)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise _refuse("VALIDATOR_PARAM", str(error)) from None


def _number(query: dict[str, str], name: str, default: int) -> int:
    text = query.get(name, "")
    if not text:
        return default
    if not text.isdecimal():
        raise _refuse("VALIDATOR_PARAM", f"{name} is a number from 0, not {text!r}")
    return int(text)


def _ports(order: _Create) -> list[tuple[int, str]]:
    """Read "80/http,3306/tcp"."""
    found: list[tuple[int, str]] = []
    for text in filter(None, (part.strip() for part in order.ports.split(","))):
        match = _PORT.fullmatch(text)
        port = int(match[1]) if match else 0
        if match is None or not 0 < port < 65536 or port in _RESERVED_PORTS:
            raise _refuse("VALIDATOR_PARAM", f"ports: {text!r} is not a usable port and tcp or http")
        found.append((port, match[2]))
    if len(found) + len(order.tools) > _MOST_PORTS:
        raise _refuse("VALIDATOR_PARAM", f"ports: there may be {_MOST_PORTS} of them at most, tools included")
    return found
