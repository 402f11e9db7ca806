"""`novita-async gpu`: what GPU machines there are, and one's own from create to delete (contract/gpu.md)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal, cast

from cyclopts import Parameter

from ..errors import ValidationError
from .account import adder
from .options import All, Flag, Format, Limit, Page, Seconds, Several, Variables, Yes, pairs, split
from .output import delete_each, each, paged, say, show, show_more, show_one
from .pipes import STDOUT, write
from .process import CannotGoOn, tell

if TYPE_CHECKING:
    from collections.abc import Callable

    from cyclopts import App

    from ..client import AsyncNovita
    from ..gpu import CPUProduct, Instance, Product, SpotNotice, Usage
    from .process import Stop

__all__ = ["fill"]

Billing = Literal["onDemand", "monthly", "spot"]

_PRODUCTS: dict[str, Callable[[Product], object]] = {
    "id": lambda it: it.id,
    "name": lambda it: it.name,
    "$/h": lambda it: it.price,
    "spot $/h": lambda it: it.spot_price,
    "vCPUs": lambda it: it.cpu_per_gpu,
    "memory": lambda it: it.memory_per_gpu,
    "stock": lambda it: it.inventory_state if it.available else "none",
    "regions": lambda it: ", ".join(it.regions or ["all"]),
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
    "product": lambda it: it.product_name,
    "cards": lambda it: it.gpu_num,
    "billing": lambda it: it.billing_mode,
    "created": lambda it: it.created_at,
}
_FIELDS: dict[str, Callable[[Instance], object]] = {
    **_COLUMNS,
    "problem": lambda it: it.problem,
    "$/h": lambda it: it.price,
    "region": lambda it: it.cluster_name or it.cluster_id,
    "image": lambda it: it.image_url,
    "command": lambda it: it.command,
    "vCPUs": lambda it: it.cpu_num,
    "memory": lambda it: it.memory,
    "disk": lambda it: it.rootfs_size,
    "ports": lambda it: ", ".join(f"{port} {port.endpoint or ''}".strip() for port in it.ports),
    "ssh": lambda it: it.ssh.ssh_command if it.ssh else None,
    "jupyter": lambda it: it.jupyter_lab.address if it.jupyter_lab else None,
    "taken back": lambda it: it.reclaimed_at,
    "ends": lambda it: it.ends_at,
    "started": lambda it: it.started_at,
    "stopped": lambda it: it.stopped_at,
}
_USAGE: dict[str, Callable[[Usage], object]] = {
    "cpu": lambda it: it.cpu[-1].value if it.cpu else None,
    "memory": lambda it: it.memory[-1].value if it.memory else None,
    "disk": lambda it: it.disk[-1].value if it.disk else None,
    "gpu": lambda it: it.gpu.average[-1].value if it.gpu.average else None,
    "gpu memory": lambda it: it.gpu_memory.average[-1].value if it.gpu_memory.average else None,
    "at": lambda it: it.cpu[-1].time if it.cpu else None,
}
_NOTICES: dict[str, Callable[[SpotNotice], object]] = {
    "id": lambda it: it.instance.id,
    "stage": lambda it: it.stage,
    "taken back": lambda it: it.reclaim_at,
    "seconds left": lambda it: None if it.time_left is None else int(it.time_left),
    "error": lambda it: it.error,
}


@Parameter(name="*")
@dataclass(frozen=True)
class Wanted:
    """What an instance is made of."""

    name: str | None = None
    "display name."
    gpu_num: int = 1
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
    "id of a cluster; any with stock when not given."
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
        same = ("name", "gpu_num", "command", "entrypoint", "billing", "months", "jupyter", "network_id")
        return {
            **{name: getattr(self, name) for name in (*same, "image_auth_id", "min_cuda_version")},
            "rootfs_size": self.disk,
            "cluster_id": self.region,
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
        await show(await room.list(name=name, cluster_id=region, billing=billing), _PRODUCTS, output)
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
    *product: str,
    image: str,
    wanted: Wanted = Wanted(),
    wait: Flag = False,
    timeout: Annotated[Seconds | None, Parameter(name=["--timeout", "-t"])] = None,
    output: Format = "pretty",
) -> None:
    """Order an instance, and print its id. It is billed until it is deleted.

    Args:
        product: ids of products. Of several, the first that is in stock.
        image: container image.
        wait: until it runs.
        timeout: seconds to wait, or a time such as 5m; half an hour when not given.
    """
    if not product:
        raise ValidationError("name a product: `novita-async gpu products` lists them")
    instance = await novita.gpu.instances.create(list(product), image=image, **wanted.order())
    up = await instance.wait_until("running", timeout=timeout) if wait else None
    await say(instance.id, _closed(up) if up else {"id": instance.id}, output)


async def get(novita: AsyncNovita, instance_id: str, /, *, output: Format = "pretty") -> None:
    """Tell how an instance is.

    Args:
        instance_id: its id.
    """
    instance = await novita.gpu.instances.get(instance_id)
    if output == "pretty":
        await show_one(instance, _FIELDS, output)
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

    return await each(ids, one, {"start": "started", "stop": "stopped", "restart": "restarted"}[verb], output)


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


async def ssh(novita: AsyncNovita, instance_id: str, /) -> None:
    """Print the command that logs in to an instance, and its password to standard error.

    Args:
        instance_id: its id.
    """
    login = (await novita.gpu.instances.get(instance_id)).ssh
    if login is None or not login.host:
        raise CannotGoOn(f"there is no way in to {instance_id} now: does it run?")
    await write(STDOUT, f"{login.ssh_command or login.command}\n")
    tell(f"password {login.password}")


async def metrics(novita: AsyncNovita, instance_id: str, /, *, output: Format = "pretty") -> None:
    """Tell how much of an instance is used: the last values, or with -o all those of the last minute.

    Args:
        instance_id: its id.
    """
    await show_one(await novita.gpu.metrics.get(instance_id), _USAGE, output)


async def watch(
    novita: AsyncNovita,
    *instance_ids: str,
    after: Literal["restart", "migrate"] | None = None,
    every: Seconds = 15.0,
    output: Format = "pretty",
) -> None:
    """Tell when spot instances are taken back, which is announced an hour ahead. Ends with Ctrl-C or the last of them.

    Args:
        instance_ids: their ids.
        after: start them again when they were taken back, where they were or on another machine.
        every: seconds between two looks, or a time such as 1m.
    """
    first = True
    async with novita.gpu.spot.watch(list(instance_ids), after=after, every=every) as notices:
        async for notice in notices:
            if output == "pretty":
                await show_more([notice], _NOTICES, output, titles=first)
            else:
                await show_more([_plain(notice)], {}, output, titles=first)
            first = False


def _plain(notice: SpotNotice) -> dict[str, Any]:
    return {
        "id": notice.instance.id,
        "stage": notice.stage,
        "reclaim_at": notice.reclaim_at,
        "time_left": notice.time_left,
        "error": str(notice.error) if notice.error else None,
    }


def _closed(instance: Instance) -> dict[str, Any]:
    """The platform's own fields of an instance, but for what opens it: `ssh` tells the password."""
    raw = instance.raw
    for part in raw.values():
        if isinstance(part, dict):
            cast("dict[str, object]", part).pop("password", None)
    return raw
