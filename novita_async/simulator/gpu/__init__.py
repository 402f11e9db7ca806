"""The GPU product: machines to choose from, and instances that live by a table (contract/gpu.md 2), in both APIs.

Nothing runs between two requests: the state of an instance follows from the last thing it was told to do and the clock.
Its addresses have the platform's form under a name that cannot exist, so that nobody reaches the real one by mistake.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...catalog.gpu_life import LIFE
from ...errors import ValidationError
from .. import keys
from .extras import Extras
from .extras2 import Extras2
from .jupyter import Jupyters
from .logs import Logs
from .things import Things
from .v1 import V1
from .v2 import V2
from .world import World

if TYPE_CHECKING:
    from ...runtime.clock import Clock
    from ..ledger import Ledger
    from ..router import Router
    from .machines import Machine

__all__ = ["GPU", "LIFE"]


class GPU:
    """`simulator.gpu`: what befalls instances, for tests. Requests come in by `routes`.

    Args:
        clock: what instances change by.
        api_key: the good key.
        seed: decides ids, ports and passwords.
        step_seconds: how long an instance stays in each state that it passes through.
        ledger: where what is used is booked.
        jupyter: start a real Jupyter server for each instance that was ordered with one.
    """

    def __init__(
        self, *, clock: Clock, api_key: str, seed: int, step_seconds: float, ledger: Ledger, jupyter: bool = False
    ) -> None:
        self._keys = keys.Keys(api_key, keys.GPU)
        self._world = World(clock=clock, seed=seed, step=step_seconds, ledger=ledger)
        self._things = Things(self._world)
        self._logs = Logs(self._world)
        self._jupyters = self._world.jupyters = Jupyters(self._world) if jupyter else None

    def routes(self, router: Router) -> None:
        world, things = self._world, self._things
        for api in (V1(world), Extras(world, things), V2(world), Extras2(world, things)):
            api.routes(router, self._keys.guard)
        self._logs.routes(router)
        if self._jupyters is not None:
            self._jupyters.routes(router)

    async def aclose(self) -> None:
        """End the Jupyter servers. Safe to call twice."""
        if self._jupyters is not None:
            await self._jupyters.aclose()

    def reclaim(self, instance_id: str, *, notice: float = 3600.0) -> None:
        """Take a spot instance back: it is announced now and done after `notice` seconds.

        Raises:
            ValidationError: there is none of this id, or it is not spot.
        """
        machine = self._machine(instance_id)
        if machine.order.billing != "spot":
            raise ValidationError(f"instance {instance_id} is not spot, so it is not taken back")
        machine.notified = self._world.now
        machine.reclaimed = self._world.now + notice
        machine.story.append((self._world.clock.time() + notice + machine.own_step, "exited"))
        if self._jupyters is not None:
            self._world.clock.call_later(notice + machine.own_step, self._jupyters.sweep)
        self._world.ledger.end(instance_id, at=self._world.clock.time() + notice + machine.own_step)

    def migrate(self, instance_id: str) -> None:
        """Move an instance to another machine, as the platform does when its own fails."""
        machine = self._machine(instance_id)
        self._world.tell(machine, "migrate", None)
        self._world.begin("autoInstanceMigrate", machine, machine.step, None)

    def arrears(self, there_are: bool = True) -> None:
        """Let the account have no money left: nothing is created or started, and what is not monthly freezes. When
        there is money again, what was frozen is stopped."""
        self._world.arrears = there_are
        for machine in self._world.in_use():
            if there_are:
                machine.frozen = machine.order.billing != "monthly"
                if machine.frozen:
                    self._world.ledger.end(machine.id)
            elif machine.frozen:
                if machine.status(self._world.now) == "freezing":
                    self._world.tell(machine, "stop", None)
                machine.frozen = False

    def stock(self, product_id: str, cards: int) -> None:
        """Let so many cards of a product be there from now on."""
        self._world.cards[product_id] = cards

    def _machine(self, instance_id: str) -> Machine:
        machine = self._world.machines.get(instance_id)
        if machine is None:
            raise ValidationError(f"there is no instance {instance_id!r}")
        return machine
