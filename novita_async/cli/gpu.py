"""`novita-async gpu`: what GPU machines there are, and one's own from create to delete (contract/gpu.md)."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal, cast

from cyclopts import Parameter

from ..errors import ValidationError
from .account import adder
from .gpu_inside import logs, metrics, ssh, watch
from .options import All, Flag, Format, Limit, Page, Seconds, Several, Variables, Yes, pairs, split
from .output import delete_each, each, paged, say, show, show_one
from .process import CannotGoOn, tell

if TYPE_CHECKING:
    from collections.abc import Callable

    from cyclopts import App

    from ..client import AsyncNovita
    from ..gpu import CPUProduct, Instance, Product
    from ..gpu.cost import Cost
    from .process import Stop

__all__ = ["fill"]

Billing = Literal["onDemand", "monthly", "spot"]

_PRODUCTS: dict[str, Callable[[Product], object]] = {
    "id": lambda it: it.id,
    "name": lambda it: it.name,
    "$/h": lambda it: it.price,
    "spot": lambda it: it.price_for("spot"),
    "vCPU, GB": lambda it: f"{it.cpu_per_gpu}, {it.memory_per_gpu}",
    "regions": lambda it: ", ".join(it.regions or ["all"]),
}
_ALL_PRODUCTS: dict[str, Callable[[Product], object]] = {
    **_PRODUCTS,
    "stock": lambda it: it.inventory_state if it.available else "none",
}
_CPU_PRODUCTS: dict[str, Callable[[CPUProduct], object]] = {
    "id": lambda it: it.id,
    "name": lambda it: it.name,
    "$/h": lambda it: it.price,
    "vCPUs": lambda it: it.cpu_num,
    "memory": lambda it: it.memory_size,
    "in stock": lambda it: it.available,
}
_COLUMNS: dict[str, Callable[[Instance], object]] = {
    "id": lambda it: it.id,
    "name": lambda it: it.name,
    "status": lambda it: it.status,
    "product": lambda it: it.product_name if (it.gpu_num or 1) < 2 else f"{it.gpu_num} x {it.product_name}",
    "billing": lambda it: it.billing_mode,
    "$/h": lambda it: it.price,
}
_FIELDS: dict[str, Callable[[tuple[Instance, Cost]], object]] = {
    "id": lambda it: it[0].id,
    "name": lambda it: it[0].name,
    "status": lambda it: it[0].status,
    "problem": lambda it: it[0].problem,
    "product": lambda it: it[0].product_name,
    "cards": lambda it: it[0].gpu_num,
    "billing": lambda it: it[0].billing_mode,
    "$/h now": lambda it: it[1].per_hour,
    "$ so far": lambda it: it[1].so_far,
    "region": lambda it: it[0].cluster_name or it[0].cluster_id,
    "image": lambda it: it[0].image_url,
    "command": lambda it: it[0].command,
    "vCPUs": lambda it: it[0].cpu_num,
    "memory": lambda it: it[0].memory,
    "disk": lambda it: it[0].rootfs_size,
    "ports": lambda it: ", ".join(f"{port} {port.endpoint or ''}".strip() for port in it[0].ports),
    "ssh": lambda it: it[0].ssh.ssh_command if it[0].ssh else None,
    "jupyter": lambda it: it[0].jupyter_lab.address if it[0].jupyter_lab else None,
    "taken back": lambda it: it[0].reclaimed_at,
    "ends": lambda it: it[0].ends_at,
    "created": lambda it: it[0].created_at,
    "started": lambda it: it[0].started_at,
    "stopped": lambda it: it[0].stopped_at,
}


@Parameter(name="*")
@dataclass(frozen=True)
class Wanted:
    """What an instance is made of."""

    name: str | None = None
    "display name."
    count: Annotated[int, Parameter(name=["--count", "--gpu-num"])] = 1
    "cards."
    disk: int = 60
    "container disk in GB; about 60 are free."
    port: Several = ()
    "a port that is open, such as 80/http or 22/tcp; may be given several times."
    env: Variables = ()
    "a variable of the container, KEY=VALUE; may be given several times."
    command: str | None = None
    "start command."
    entrypoint: str | None = None
    "instead of the image's own."
    region: str | None = None
    "id of a cluster or a part of its name; any with stock when not given."
    billing: Billing | None = None
    "onDemand when not given."
    months: int | None = None
    "a subscription, which cannot be deleted early."
    jupyter: Flag = False
    "with JupyterLab."
    storage: Several = ()
    "a network storage, ID=PATH; may be given several times."
    network_id: str | None = None
    "VPC network."
    image_auth_id: str | None = None
    "a saved registry login."
    min_cuda_version: str | None = None
    "such as 12.4."

    def order(self) -> dict[str, Any]:
        """The arguments of `create`."""
        same = ("name", "command", "entrypoint", "billing", "months", "jupyter", "network_id")
        return {
            **{name: getattr(self, name) for name in (*same, "image_auth_id", "min_cuda_version")},
            "gpu_num": self.count,
            "rootfs_size": self.disk,
            "ports": split(self.port),
            "envs": pairs("--env", self.env) or None,
            "storages": pairs("--storage", self.storage, form="ID=PATH") or None,
        }


def fill(app: App, stop: Stop) -> None:
    """Add the commands, which end when `stop` is wanted."""
    add = adder(app, stop)
    add(products, "products")
    add(list_, "list", "ls")
    add(create, "create")
    add(get, "get", "info")
    add(start, "start")
    add(stop_, "stop")
    add(restart, "restart")
    add(delete, "delete", "rm")
    add(ssh, "ssh")
    add(logs, "logs")
    add(metrics, "metrics")
    add(watch, "watch")


async def products(
    novita: AsyncNovita,
    name: str | None = None,
    /,
    *,
    count: int = 1,
    billing: Billing = "onDemand",
    region: str | None = None,
    max_price: str | None = None,
    all: All = False,
    cpu: Flag = False,
    output: Format = "pretty",
) -> None:
    """List the machines that can be had now, the cheapest first. Prices are for a card, sizes in GB for each card.

    Args:
        name: part of a card's name, such as 4090.
        count: cards.
        billing: how it is to be paid for.
        region: id of a cluster or a part of its name.
        max_price: dollars an hour for all the cards.
        all: also those that cannot be had now.
        cpu: machines without a card.
    """
    room = novita.gpu.products
    if cpu:
        await show(await room.list_cpu(name=name, cluster_id=region), _CPU_PRODUCTS, output)
    elif all:
        await show(await room.list(name=name, cluster_id=region, billing=billing), _ALL_PRODUCTS, output)
    else:
        found = await room.find(gpu=name, count=count, billing=billing, region=region, max_price=max_price)
        await show(found, _PRODUCTS, output)


async def list_(
    novita: AsyncNovita,
    *,
    name: str | None = None,
    status: str | None = None,
    all: All = False,
    limit: Limit = 20,
    page: Page = 1,
    output: Format = "pretty",
) -> None:
    """List the instances.

    Args:
        name: only those with this in their name.
        status: only those in this status.
        all: all of them, not one page.
        limit: how many a page has; 0 for all.
        page: which page, from 1.
    """
    instances = novita.gpu.instances.list(name=name, status=status)
    await show(await paged(instances, limit=limit, page=page, everything=all), _COLUMNS, output)


async def create(
    novita: AsyncNovita,
    *product_ids: str,
    image: str,
    product: Several = (),
    gpu: str | None = None,
    max_price: str | None = None,
    wanted: Wanted = Wanted(),
    wait: Flag = False,
    timeout: Annotated[Seconds | None, Parameter(name=["--timeout", "-t"])] = None,
    output: Format = "pretty",
) -> None:
    """Order an instance, and print its id. It is billed until it is deleted.

    Args:
        product_ids: ids of products. Of several, the first that is in stock.
        image: container image.
        product: the same as the argument; may be given several times.
        gpu: part of a card's name, in place of products: the cheapest that can be had.
        max_price: dollars an hour for all the cards; with --gpu.
        wait: until it runs.
        timeout: seconds to wait, or a time such as 5m; half an hour when not given.
    """
    named = [*product_ids, *split(product)]
    if bool(named) == (gpu is not None):
        raise ValidationError("name a product, as `novita-async gpu products` lists them, or a card with --gpu")
    if max_price is not None and gpu is None:
        raise ValidationError("--max-price goes with --gpu")
    order = wanted.order()
    region = None if wanted.region is None else await _region(novita, wanted.region)
    offers = named
    if gpu is not None:
        found = await novita.gpu.products.find(
            gpu=gpu,
            count=wanted.count,
            max_price=max_price,
            billing=wanted.billing or ("monthly" if wanted.months else "onDemand"),
            region=region,
        )
        offers = [offer.id for offer in found]
        if not offers:
            raise CannotGoOn(f"no {gpu} can be had like that: `novita-async gpu products --all` lists what there is")
    instance = await novita.gpu.instances.create(offers, image=image, cluster_id=region, **order)
    if not wait or output == "pretty":
        await say(instance.id, {"id": instance.id}, output)
    if not wait:
        return
    try:
        up = await instance.wait_until("running", timeout=timeout)
    except BaseException:
        tell(f"{instance.id} is there, and is billed until it is deleted")
        raise
    if output != "pretty":
        await say("", _closed(up), output)


async def get(novita: AsyncNovita, instance_id: str, /, *, output: Format = "pretty") -> None:
    """Tell how an instance is.

    Args:
        instance_id: its id.
    """
    instance = await novita.gpu.instances.get(instance_id)
    if output == "pretty":
        cost = await novita.gpu.instances.cost(instance_id)
        await show_one((instance, cost), _FIELDS, output)
    else:
        await say("", _closed(instance), output)


async def start(novita: AsyncNovita, *instance_ids: str, wait: Flag = False, output: Format = "pretty") -> int:
    """Start instances that are stopped.

    Args:
        instance_ids: their ids.
        wait: until they run.
    """
    return await _tell(novita, "start", "running", instance_ids, wait, output)


async def stop_(novita: AsyncNovita, *instance_ids: str, wait: Flag = False, output: Format = "pretty") -> int:
    """Stop instances. Their data is kept for a week, their cards are not.

    Args:
        instance_ids: their ids.
        wait: until they have stopped.
    """
    return await _tell(novita, "stop", "exited", instance_ids, wait, output)


async def restart(novita: AsyncNovita, *instance_ids: str, wait: Flag = False, output: Format = "pretty") -> int:
    """Restart instances that run.

    Args:
        instance_ids: their ids.
        wait: until they run again.
    """
    return await _tell(novita, "restart", "running", instance_ids, wait, output)


async def _tell(novita: AsyncNovita, verb: str, status: str, ids: tuple[str, ...], wait: bool, output: str) -> int:
    if not ids:
        raise ValidationError(f"name the instances to {verb}")
    room = novita.gpu.instances
    call = {"start": room.start, "stop": room.stop, "restart": room.restart}[verb]

    async def one(instance_id: str) -> bool:
        from ..errors import NotFound

        try:
            await call(instance_id)
        except NotFound:
            return False
        if wait:
            await room.wait_until(instance_id, status)
        return True

    ways = {id_: asyncio.create_task(one(id_)) for id_ in dict.fromkeys(ids)}  # all at once, and told of in their order
    try:
        done = {"start": "started", "stop": "stopped", "restart": "restarted"}[verb]
        return await each(ids, ways.__getitem__, done, output)
    finally:
        for way in ways.values():
            way.cancel()


async def delete(novita: AsyncNovita, *instance_ids: str, yes: Yes = False, output: Format = "pretty") -> int:
    """Delete instances and what is on them, after a question. Monthly ones cannot be deleted.

    Args:
        instance_ids: their ids.
        yes: do not ask.
    """

    async def one(instance_id: str) -> bool:
        from ..errors import NotFound

        try:
            await novita.gpu.instances.get(instance_id)
        except NotFound:
            return False
        await novita.gpu.instances.delete(instance_id)
        return True

    return await delete_each("instance", instance_ids, one, yes=yes, output=output)


async def _region(novita: AsyncNovita, wanted: str) -> str:
    """The id of a cluster that is named by it, or by a part of its name."""
    clusters = await novita.gpu.clusters.list()
    found = [it.id for it in clusters if it.id == wanted] or [
        it.id for it in clusters if wanted.lower() in (it.name or "").lower()
    ]
    if len(found) != 1:
        known = ", ".join(it.id for it in clusters)
        raise ValidationError(
            f"{'several regions are' if found else 'no region is'} called {wanted!r}; there are {known}"
        )
    return found[0]


def _closed(instance: Instance) -> dict[str, Any]:
    """The platform's own fields of an instance, but for what opens it: `ssh` tells the password."""
    raw = instance.raw
    for part in raw.values():
        if isinstance(part, dict):
            cast("dict[str, object]", part).pop("password", None)
    return raw
