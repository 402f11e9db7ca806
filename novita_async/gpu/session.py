"""An instance for as long as a block: ordered, waited for, reached, and deleted or stopped at the end."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Self
from uuid import uuid4

from ..errors import NotFound, NovitaError, ValidationError
from ..runtime.arguments import check_timeout
from ..runtime.clock import uninterrupted
from .cost import Tab, disk_price, price_of, prices_of
from .products import Product
from .types import SSH, Jupyter

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import TracebackType

    from .cost import Cost
    from .instance import Instance
    from .instances import Instances
    from .orders import Order

__all__ = ["Session"]

_EXITS = ("delete", "stop", "leave")
_END_LIMIT = 30.0  # seconds for the call at the end, retries included


class Session:
    """An instance that runs while its `async with` is open. Made by `instances.session`.

    Attributes:
        instance: what was last read of it: anew after every start.
    """

    def __init__(
        self,
        instances: Instances,
        product: str | Product | Sequence[str | Product],
        image: str,
        *,
        on_exit: str,
        timeout: float,
        stall: float | None,
        lifetime: float | None,
        order: Order,
    ) -> None:
        if on_exit not in _EXITS:
            raise ValidationError(f"on_exit must be one of {', '.join(_EXITS)}, got {on_exit!r}")
        check_timeout(timeout, "start_timeout")
        check_timeout(stall, "stall")
        check_timeout(lifetime, "lifetime")
        if lifetime is not None and on_exit == "leave":
            raise ValidationError("a session with a lifetime ends: say on_exit='delete' or 'stop'")
        if on_exit == "delete" and (order.get("months") or order.get("billing") == "monthly"):
            raise ValidationError("a monthly instance cannot be deleted: say on_exit='stop' or 'leave'")
        self._instances = instances
        self._product = product
        self._image = image
        self._on_exit = on_exit
        self._timeout = timeout
        self._stall = stall
        self._lifetime = lifetime
        self._order: Any = {**order}
        self._instance: Instance | None = None
        self._over = False
        self._timer: asyncio.Task[None] | None = None
        meter = instances.runtime.meter
        self._tab = Tab(instances.clock, None if meter is None else meter.budget)

    @property
    def instance(self) -> Instance:
        """The instance as it was last read.

        Raises:
            ValidationError: the session was not entered.
        """
        if self._instance is None:
            raise ValidationError("this session has no instance yet: use it as `async with`")
        return self._instance

    @property
    def id(self) -> str:
        """The instance's id."""
        return self.instance.id

    @property
    def ssh(self) -> SSH:
        """How to log in, since the last start."""
        return self.instance.ssh or SSH()

    @property
    def jupyter_lab(self) -> Jupyter:
        """Where JupyterLab is, since the last start; its address is None when it was not ordered."""
        return self.instance.jupyter_lab or Jupyter()

    def endpoint(self, port: int) -> str:
        """Where a port is reached from outside, since the last start.

        Raises:
            ValidationError: the instance has no such port, or it cannot be reached now.
        """
        for each in self.instance.ports:
            if each.port == port and each.endpoint:
                return each.endpoint
        known = ", ".join(str(each) for each in self.instance.ports) or "none"
        raise ValidationError(f"port {port} is not open from outside; the instance has {known}")

    async def start(self) -> Instance:
        """Start the instance again after a `stop`, and wait until it runs."""
        return await self._again("start", "running")

    async def restart(self) -> Instance:
        """Restart the instance, and wait until it runs."""
        return await self._again("restart", "running")

    async def migrate(self) -> Instance:
        """Move the instance to another machine, and wait until it runs there."""
        return await self._again("migrate", "running")

    async def stop(self) -> Instance:
        """Stop the instance, and wait until it has: its cards cost nothing from then on."""
        return await self._again("stop", "exited")

    async def refresh(self) -> Instance:
        """Read the instance anew."""
        self._instance = await self._instances.get(self.id)
        return self._instance

    async def cost(self) -> Cost:
        """What the session costs an hour as it is now, and what it has cost since the order: see `Cost`. Disks of one
        that is stopped are not counted.
        """
        if self._tab.per_hour is None:
            cards, disks = await prices_of(self.instance, self._instances.offers)
            self._tab.per_hour = None if cards is None else cards + disks
        return self._tab.cost

    async def _again(self, verb: str, status: str) -> Instance:
        rested = self._tab.resting
        self._tab.run()
        try:
            await getattr(self._instances, verb)(self.id)
        except NovitaError:
            if rested:
                self._tab.rest()
            raise
        self._instance = await self._wait(self.id, status)
        if status == "exited":
            self._tab.rest()
        return self._instance

    async def _wait(self, instance_id: str, status: str, limit: float | None = None) -> Instance:
        limit = self._timeout if limit is None else limit
        return await self._instances.wait_until(instance_id, status, timeout=limit, stall=self._stall)

    async def __aenter__(self) -> Self:
        if self._instance is not None:
            raise ValidationError("a session is entered once")
        order = {**self._order}
        order["name"] = order.get("name") or f"session-{uuid4().hex[:12]}"
        await self._set_aside()
        self._tab.run()
        try:
            ordered = await self._instances.create(self._product, image=self._image, recover=True, **order)
        except BaseException as error:
            self._tab.refused(error)
            raise
        self._instance = ordered
        try:
            limit = self._timeout if self._lifetime is None else min(self._timeout, self._lifetime)
            self._instance = await self._wait(ordered.id, "running", limit)
        except BaseException as error:
            await self._end(error, "leave" if self._on_exit == "leave" else "delete")
            raise
        if self._lifetime is not None:
            self._timer = asyncio.get_running_loop().create_task(self._expire(self._lifetime))
        return self

    async def _set_aside(self) -> None:
        """Under a budget, set aside what the session may cost."""
        if self._instances.runtime.meter is None:
            return
        order = self._order
        wanted = [self._product] if isinstance(self._product, str | Product) else [*self._product]
        billing = "monthly" if order.get("months") else order.get("billing")
        price = await price_of(self._instances.offers, wanted, billing)
        cards, disk = order.get("gpu_num", 1), order.get("rootfs_size", 60)
        if price is not None and isinstance(cards, int) and isinstance(disk, int):  # else the order is refused below
            price = price * cards + disk_price(disk)
        self._tab.reserve(price, self._lifetime)

    async def _expire(self, lifetime: float) -> None:
        await self._instances.clock.sleep(max(0.0, lifetime - self._tab.seconds))
        with suppress(Exception):  # whoever leaves the block tries again, and is told
            await self._end(None, self._on_exit)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._end(error, self._on_exit)

    async def aclose(self) -> None:
        """End it as `on_exit` says. Safe to call twice."""
        await self._end(None, self._on_exit)

    async def _end(self, error: BaseException | None, how: str) -> None:
        """Delete or stop it, also when the caller is cancelled. A failure of that is a note on the error."""
        timer = self._timer
        if timer is not None and timer is not asyncio.current_task():
            if self._over:
                await uninterrupted(_done(timer))
            else:
                timer.cancel()  # it sleeps
        if self._over or self._instance is None or how == "leave":
            return
        self._over = True
        try:
            await uninterrupted(self._finish(self._instance.id, how))
        except Exception as problem:
            self._over = False
            self._tab.close(lost=True)
            if error is None:
                raise
            error.add_note(f"the instance {self._instance.id} goes on, and costs: {problem}")

        else:
            self._tab.close()

    async def _finish(self, instance_id: str, how: str) -> None:
        if how == "delete":
            await self._instances.delete(instance_id, timeout=_END_LIMIT)
            return
        try:
            now = await self._instances.get(instance_id, timeout=_END_LIMIT)
            if now.status not in ("exited", "toStop", "stopping"):
                await self._instances.stop(instance_id, timeout=_END_LIMIT)
        except NotFound:
            return


async def _done(task: asyncio.Task[None]) -> None:
    await asyncio.wait({task})
