"""What there is at the simulated GPU platform, and what can be done with its instances, whatever API asks for it."""

from __future__ import annotations

import hashlib
import itertools
import uuid
from decimal import Decimal
from http import HTTPStatus
from typing import TYPE_CHECKING

import msgspec

from ...catalog.gpu_life import LIFE, refusal
from .. import keys
from ..faults import Outcome
from ..stock import CLUSTERS, CPU_PRODUCTS, MAX_ROOTFS, PRODUCTS, Product
from .machines import MONTH, Machine, Order

if TYPE_CHECKING:
    from ...runtime.clock import Clock
    from ..ledger import Ledger
    from .jupyter import Jupyters

__all__ = ["Job", "Network", "Storage", "World", "number", "refuse"]

_RESERVED_PORTS = range(2222, 2225)
_MOST_PORTS = 15
_UNIT = 10  # products are priced in 1/100000 dollars, the ledger books 1/10000
#: Statuses that are paid for: from `pulling` on until it has stopped (contract/gpu.md 4).
_PAID = frozenset(
    {"pulling", "starting", "running", "toStop", "stopping", "toRestart", "restarting", "toReset", "resetting"}
)


def refuse(reason: str, message: str, **metadata: str) -> keys.Refusal:
    """Nearly everything that goes wrong here is a 400, a thing that is not found too (contract/gpu.md 8)."""
    return keys.flat(HTTPStatus.BAD_REQUEST, reason, message, metadata)


def number(query: dict[str, str], name: str, default: int) -> int:
    """A number from 0 in a query."""
    text = query.get(name, "")
    if not text:
        return default
    if not text.isdecimal():
        raise refuse("VALIDATOR_PARAM", f"{name} is a number from 0, not {text!r}")
    return int(text)


class Network(msgspec.Struct):
    """A VPC network."""

    id: str
    name: str
    cluster: str
    created: float
    since: float
    segment: str


class Storage(msgspec.Struct):
    """A network storage; its size in GB."""

    id: str
    name: str
    size: int
    cluster: str


class Job(msgspec.Struct):
    """Something that takes a while. `image` is where a saved one goes."""

    id: str
    type: str
    instance: str
    created: float
    since: float
    seconds: float
    outcome: Outcome | None = None
    image: str = ""
    broken: bool = False

    def state(self, now: float) -> str:
        if self.broken:
            return "break"
        if now < self.since + self.seconds:
            return "running"
        return "fail" if self.outcome is not None and self.outcome.status == "" else "success"


class World:
    """What there is.

    Args:
        clock: what everything changes by.
        seed: decides ids, ports and passwords.
        step: how long an instance stays in each state that it passes through, in seconds.
        ledger: where the time of instances is booked, and the months that are bought.
    """

    def __init__(self, *, clock: Clock, seed: int, step: float, ledger: Ledger) -> None:
        self.clock = clock
        self.ledger = ledger
        self.step = step
        self.machines: dict[str, Machine] = {}
        self.networks: dict[str, Network] = {}
        self.storages: dict[str, Storage] = {}
        self.jobs: dict[str, Job] = {}
        self.cards: dict[str, int] = {}  # by product, where a test has said so
        self.arrears = False
        self.jupyters: Jupyters | None = None  # real ones, where they were asked for
        self._seed = seed
        self._count = itertools.count(1)

    @property
    def now(self) -> float:
        return self.clock.monotonic()

    def new_id(self, kind: str, *, long: bool = False) -> str:
        """An id that no other thing has."""
        text = self.digest(kind, next(self._count))
        return str(uuid.UUID(text)) if long else text[:16]

    def digest(self, *parts: object) -> str:
        return hashlib.blake2b(repr((self._seed, *parts)).encode(), digest_size=16).hexdigest()

    def available(self, product: Product) -> int:
        """How many cards of a product can be had now."""
        return self.cards.get(product.id, product.cards)

    # ---------------------------------------------------------------------------------------- instances

    def order(self, order: Order, outcome: Outcome | None) -> Machine:
        """Make an instance."""
        product = (PRODUCTS if order.kind == "gpu" else CPU_PRODUCTS).get(order.product_id)
        if product is None:
            raise refuse("RESOURCE_NOT_FOUND", f"product {order.product_id!r} does not exist")
        for cluster in order.regions:
            if cluster not in CLUSTERS:
                raise refuse("RESOURCE_NOT_FOUND", f"cluster {cluster!r} does not exist")
        regions = [region for region in order.regions or product.regions if region in product.regions]
        for id_ in order.storages:
            if id_ not in self.storages:
                raise refuse("NETWORK_STORAGE_NOT_FOUND", "the network storage does not exist")
            regions = [region for region in regions if region == self.storages[id_].cluster]
        if order.network_id:
            if order.network_id not in self.networks:
                raise refuse("NETWORK_NOT_FOUND", "the network does not exist")
            regions = [region for region in regions if region == self.networks[order.network_id].cluster]
        if order.billing not in product.methods:
            raise refuse("UNSUPPORTED_BILLING_MODE", f"{product.name} is not offered as {order.billing}")
        self.check_ports(order.ports, tools=1 if order.jupyter else 0)
        if self.arrears:
            raise refuse("BALANCE_NOT_ENOUGH", "the balance is not enough")
        if not regions or self.available(product) < order.gpu_num:
            raise refuse("INSUFFICIENT_RESOURCE", f"{product.name} is out of stock there")
        now, moment = self.now, self.clock.time()
        machine = Machine(
            id=self.new_id("instance"),
            order=order,
            product=product,
            cluster=regions[0],
            created=moment,
            since=now,
            step=self.step,
            own_step=self.step,
            ends=moment + max(1, order.months) * MONTH if order.billing == "monthly" else None,
            address=next(self._count),
        )
        order.rootfs = max(10, order.rootfs)
        self.machines = {id_: other for id_, other in self.machines.items() if not other.gone(now)}
        self.machines[machine.id] = machine
        self.tell(machine, "create", outcome)
        if order.billing == "monthly":
            self._buy(machine, max(1, order.months), "monthly_new_buy")
        return machine

    def find(self, identifier: str) -> Machine:
        machine = self.machines.get(identifier)
        if machine is None or machine.gone(self.now):
            raise refuse("RESOURCE_NOT_FOUND", f"instance {identifier!r} does not exist")
        return machine

    def allowed(self, machine: Machine, operation: str) -> bool:
        """Refuse what is impossible now; False for what is to be passed over: the delete of what is being deleted."""
        status, billing = machine.status(self.now), machine.order.billing
        if operation == "delete" and billing == "monthly":
            raise refuse("PREPAID_INSTANCE_NOT_SUPPORT_RELEASE", "a monthly instance cannot be deleted")
        if machine.operation == "delete":
            if operation != "delete":
                text = f"{operation} is not possible: the instance is {status}"
                raise refuse("OPERATION_LIMIT", text, status=status)
            return False
        if operation == "renewInstance" and machine.operation == "create" and not machine.over(self.now):
            raise refuse("CREATING_INSTANCE_NOT_SUPPORT_RENEWAL", "it is being created")
        if reason := refusal(operation, status, billing=billing, spot=machine.spot(self.now)):
            raise refuse("OPERATION_LIMIT", reason, status=status)
        allowed = LIFE[operation].allowed
        if allowed is not None and status not in allowed:  # one that a test has made up
            raise refuse("OPERATION_LIMIT", f"{operation} is not possible: the instance is {status}", status=status)
        if operation == "start":
            if self.arrears:
                raise refuse("EXPIRED_OR_BALANCE_NOT_ENOUGH", "the balance is not enough")
            if self.available(machine.product) < machine.order.gpu_num:
                raise refuse("INSUFFICIENT_RESOURCE", f"{machine.product.name} is out of stock there")
        return True

    def operate(self, machine: Machine, operation: str, outcome: Outcome | None) -> None:
        """Let an instance do something that changes its status, where that is possible."""
        if self.allowed(machine, operation):
            self.tell(machine, operation, None if operation == "delete" else outcome)
            if operation == "migrate":
                self.begin("instanceMigrate", machine, machine.step, outcome)

    def tell(self, machine: Machine, operation: str, outcome: Outcome | None) -> None:
        """Let an instance do something."""
        before = machine.status(self.now) if machine.path else ""
        machine.path = tuple(status or before for status in LIFE[operation].path)
        machine.operation, machine.outcome, machine.since = operation, outcome, self.now
        steps = len(machine.path) - 1
        machine.step = self.step if outcome is None or outcome.after is None else outcome.after / max(1, steps)
        if operation == "stop":
            machine.stopped = self.clock.time()
        elif machine.path[-1] == "running":
            machine.started = self.clock.time()
            machine.starts += 1
        if operation == "start":
            machine.notified = machine.reclaimed = None
        self._meter(machine)
        self._tell_story(machine)
        if self.jupyters is not None:
            self.jupyters.sweep()

    def _tell_story(self, machine: Machine) -> None:
        """Note what comes, in place of what would have come."""
        moment, path = self.clock.time(), [*machine.path]
        if machine.outcome is not None and machine.outcome.status is not None:
            path[-1] = machine.outcome.status or "exited"
        machine.story = [each for each in machine.story if each[0] <= moment]
        machine.story += [(moment + number * machine.step, status) for number, status in enumerate(path)]

    def _meter(self, machine: Machine) -> None:
        """Let it be paid by time in those of its statuses, from now on, that are paid for."""
        self.ledger.end(machine.id)
        if machine.order.billing == "monthly":
            return
        path, product, paid = list(machine.path), machine.product, False
        if machine.outcome is not None and machine.outcome.status is not None:
            path[-1] = machine.outcome.status or "exited"
        price = product.spot if machine.order.billing == "spot" else product.price
        per_hour = Decimal(price * machine.order.gpu_num) / _UNIT
        for number, status in enumerate(path):
            moment = self.clock.time() + number * machine.step
            if status in _PAID and not paid:
                self.ledger.begin(machine.id, "gpu", product.id, per_hour, name=product.name, at=moment)
            elif paid and status not in _PAID:
                self.ledger.end(machine.id, at=moment)
            paid = status in _PAID

    def _buy(self, machine: Machine, months: int, kind: str) -> None:
        price = machine.product.month * machine.order.gpu_num // _UNIT
        self.ledger.buy("gpu", machine.product.name, price, owner=machine.id, months=months, kind=kind)

    def listed(self) -> list[Machine]:
        """What has not been removed, the newest first."""
        now = self.now
        there = reversed(self.machines.values())
        return [machine for machine in there if machine.operation != "delete" or machine.status(now) != "removed"]

    def in_use(self) -> list[Machine]:
        """What has not been deleted."""
        return [machine for machine in self.machines.values() if machine.operation != "delete"]

    def check_ports(self, ports: list[tuple[int, str]], *, tools: int = 0) -> None:
        for port, protocol in ports:
            if not 0 < port < 65536 or port in _RESERVED_PORTS or protocol not in ("tcp", "http"):
                raise refuse("VALIDATOR_PARAM", f"ports: {port}/{protocol} is not a usable port and tcp or http")
        if len(ports) + tools > _MOST_PORTS:
            raise refuse("VALIDATOR_PARAM", f"ports: there may be {_MOST_PORTS} of them at most, tools included")

    def grow(self, machine: Machine, by: int) -> None:
        """Let the container disk grow."""
        if machine.order.rootfs + by > MAX_ROOTFS:
            raise refuse("VALIDATOR_PARAM", f"the disk has {MAX_ROOTFS} GB at most")
        machine.order.rootfs += by

    def subscribe(self, machine: Machine, months: int) -> None:
        """Make an instance monthly, or let it be so for longer."""
        if months < 1:
            raise refuse("VALIDATOR_PARAM", "months are at least 1")
        self._buy(machine, months, "monthly_new_buy" if machine.ends is None else "monthly_re_buy")
        machine.ends = (machine.ends or self.clock.time()) + months * MONTH
        machine.order.billing = "monthly"
        self.ledger.end(machine.id)

    # --------------------------------------------------------------------------------------------- jobs

    def begin(self, kind: str, machine: Machine, seconds: float, outcome: Outcome | None, image: str = "") -> Job:
        job = Job(self.new_id("job"), kind, machine.id, self.clock.time(), self.now, seconds, outcome, image)
        if outcome is not None and outcome.after is not None:
            job.seconds = outcome.after
        self.jobs[job.id] = job
        return job

    def save_image(self, instance: str, image: str, outcome: Outcome | None) -> Job:
        machine = self.find(instance)
        self.allowed(machine, "saveImage")
        if any(job.state(self.now) == "running" for job in self.jobs.values() if job.instance == machine.id):
            raise refuse("CONFLICT", "another job of this instance runs")
        return self.begin("saveImage", machine, 3 * self.step, outcome, image)

    def job(self, identifier: str) -> Job:
        if identifier not in self.jobs:
            raise refuse("JOB_NOT_FOUND", f"job {identifier!r} does not exist")
        return self.jobs[identifier]

    def stop_job(self, identifier: str) -> None:
        job = self.job(identifier)
        if job.state(self.now) != "running":
            raise refuse("OPERATION_LIMIT", f"the job is over: {job.state(self.now)}")
        job.broken = True

    # --------------------------------------------------------------------------- networks and storages

    def make_network(self, cluster: str, name: str) -> Network:
        if cluster not in CLUSTERS:
            raise refuse("RESOURCE_NOT_FOUND", f"cluster {cluster!r} does not exist")
        if len(name) > 30:
            raise refuse("VALIDATOR_PARAM", "name has 30 letters at most")
        segment = f"10.{len(self.networks) % 250 + 1}.0.0/16"
        network = Network(self.new_id("network"), name, cluster, self.clock.time(), self.now, segment)
        self.networks[network.id] = network
        return network

    def network(self, identifier: str) -> Network:
        if identifier not in self.networks:
            raise refuse("NETWORK_NOT_FOUND", "the network does not exist")
        return self.networks[identifier]

    def network_state(self, network: Network) -> str:
        return "ready" if self.now >= network.since + self.step else "creating"

    def members(self, network: Network) -> list[Machine]:
        return [machine for machine in self.in_use() if machine.order.network_id == network.id]

    def address(self, machine: Machine) -> str:
        """The address of an instance in its network; "" without one."""
        network = self.networks.get(machine.order.network_id)
        if network is None:
            return ""
        return f"{network.segment.removesuffix('.0.0/16')}.{machine.address // 250}.{machine.address % 250 + 2}"

    def delete_network(self, identifier: str) -> None:
        if self.members(self.network(identifier)):
            raise refuse("NETWORK_IN_USE", "there are instances in this network")
        del self.networks[identifier]

    def storage(self, identifier: str) -> Storage:
        if identifier not in self.storages:
            raise refuse("NETWORK_STORAGE_NOT_FOUND", "the network storage does not exist")
        return self.storages[identifier]
