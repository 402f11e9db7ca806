"""What there is at the simulated GPU platform beside instances: templates, logins, storages, prewarmed images."""

from __future__ import annotations

from typing import Any

import msgspec

from ..faults import Outcome
from ..stock import CLUSTERS
from .world import Storage, World, refuse

__all__ = ["Login", "Prewarm", "Template", "Things"]


class Template(msgspec.Struct, kw_only=True):
    """An image with its settings."""

    id: str
    name: str
    image: str
    created: float
    channel: str = "private"
    readme: str = ""
    login: str = ""
    command: str = ""
    entrypoint: str = ""
    rootfs: int = 60
    ports: list[tuple[int, str]] = []
    envs: list[dict[str, str]] = []
    cuda: str = ""
    metadata: dict[str, Any] = {}


class Login(msgspec.Struct):
    """A login at a container registry."""

    id: str
    name: str
    username: str
    password: str


class Prewarm(msgspec.Struct, kw_only=True):
    """An image that a cluster fetches."""

    id: str
    image: str
    cluster: str
    login: str
    products: list[str]
    note: str
    created: float
    since: float
    outcome: Outcome | None


class Things:
    """What there is beside instances."""

    most_prewarms = 5

    def __init__(self, world: World) -> None:
        self._world = world
        self.templates: dict[str, Template] = {}
        self.logins: dict[str, Login] = {}
        self.prewarms: dict[str, Prewarm] = {}
        self.endpoints: dict[str, dict[str, Any]] = {}  # of version 2, as they were sent
        for name, image in (("PyTorch 2.4", "pytorch/pytorch:2.4.0"), ("Ubuntu 24.04", "ubuntu:24.04")):
            self.make_template(name=name, image=image).channel = "official"

    # ---------------------------------------------------------------------------------------- templates

    def make_template(self, *, name: str, image: str) -> Template:
        template = Template(id=self._world.new_id("template"), name=name, image=image, created=self._world.clock.time())
        self.templates[template.id] = template
        return template

    def template(self, identifier: str) -> Template:
        if identifier not in self.templates:
            raise refuse("TEMPLATE_NOT_FOUND", f"template {identifier!r} does not exist")
        return self.templates[identifier]

    def own_template(self, identifier: str) -> Template:
        """A template that may be changed."""
        template = self.template(identifier)
        if template.channel != "private":
            raise refuse("OPERATION_LIMIT", "an official template cannot be changed")
        return template

    # ------------------------------------------------------------------------------ logins and storages

    def delete_login(self, identifier: str) -> None:
        if identifier not in self.logins:
            raise refuse("RESOURCE_NOT_FOUND", f"registry auth {identifier!r} does not exist")
        used = [machine.order.image_auth_id for machine in self._world.in_use()]
        used += [template.login for template in self.templates.values()]
        if identifier in used:
            raise refuse("IMAGE_AUTH_IN_USE", "an instance or a template uses it")
        del self.logins[identifier]

    def make_storage(self, cluster: str, name: str, size: int) -> Storage:
        if cluster not in CLUSTERS:
            raise refuse("RESOURCE_NOT_FOUND", f"cluster {cluster!r} does not exist")
        storage = Storage(self._world.new_id("storage", long=True), name, size, cluster)
        self._world.storages[storage.id] = storage
        return storage

    def delete_storage(self, identifier: str) -> None:
        self._world.storage(identifier)
        if any(identifier in machine.order.storages for machine in self._world.in_use()):
            raise refuse("NETWORK_STORAGE_IN_USE", "an instance mounts it")
        del self._world.storages[identifier]

    # ----------------------------------------------------------------------------------------- prewarms

    def make_prewarm(
        self, image: str, cluster: str, login: str, products: list[str], note: str, outcome: Outcome | None
    ) -> Prewarm:
        if cluster not in CLUSTERS:
            raise refuse("RESOURCE_NOT_FOUND", f"cluster {cluster!r} does not exist")
        if len(self.prewarms) >= self.most_prewarms:
            raise refuse("OPERATION_LIMIT", f"there may be {self.most_prewarms} prewarm tasks")
        task = Prewarm(
            id=self._world.new_id("prewarm"),
            image=image,
            cluster=cluster,
            login=login,
            products=products,
            note=note,
            created=self._world.clock.time(),
            since=self._world.now,
            outcome=outcome,
        )
        self.prewarms[task.id] = task
        return task

    def prewarm(self, identifier: str) -> Prewarm:
        if identifier not in self.prewarms:
            raise refuse("RESOURCE_NOT_FOUND", f"prewarm task {identifier!r} does not exist")
        return self.prewarms[identifier]

    def prewarm_state(self, task: Prewarm) -> str:
        """Pending for a step, Running for another one, then how it ends."""
        age = self._world.now - task.since
        if age < self._world.step:
            return "Pending"
        if age < 2 * self._world.step:
            return "Running"
        return "Failed" if task.outcome is not None and task.outcome.status == "" else "Succeeded"

    def prewarm_end(self, task: Prewarm) -> float:
        return task.created + 2 * self._world.step

    def image_bytes(self, image: str) -> int:
        """A size that an image always has."""
        return 500_000_000 + int(self._world.digest("image", image)[:8], 16)
