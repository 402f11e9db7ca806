"""Version 2 of the simulated GPU API: everything but products and instances (contract/gpu_v2.openapi.yaml).

Its serverless endpoints can be made, seen and changed, and do nothing: those of version 1 work.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

import msgspec
from msgspec import Meta

from ..router import Call, json_reply
from ..stock import PRODUCTS
from .v1 import Env, read
from .v2 import PREFIX_2, Port, cursored
from .world import Job, Network, World, refuse

if TYPE_CHECKING:
    from collections.abc import Callable

    from ...transport.protocol import Reply
    from ..router import Endpoint, Router
    from .things import Prewarm, Template, Things

__all__ = ["Extras2"]


class _Template(msgspec.Struct, kw_only=True):
    name: Annotated[str, Meta(min_length=1)]
    type: str
    image: Annotated[str, Meta(min_length=1)]
    registry_auth_id: str = ""
    command: str = ""
    entrypoint: str = ""
    rootfs_size_gb: int = 60
    ports: list[Port] = []
    envs: list[Env] = []
    metadata: dict[str, Any] = {}
    min_cuda_version: str = ""


class _Network(msgspec.Struct):
    name: Annotated[str, Meta(max_length=30)] = ""
    region_id: str = ""


class _Prewarm(msgspec.Struct, kw_only=True):
    image: Annotated[str, Meta(min_length=1)]
    region_id: str
    registry_auth_id: str = ""
    product_ids: list[str] = []
    note: str = ""


class _TaskIds(msgspec.Struct):
    task_ids: list[str]


class _Save(msgspec.Struct, kw_only=True):
    instance_id: str
    image: Annotated[str, Meta(min_length=1)]
    registry_auth_id: str = ""


class _Workers(msgspec.Struct):
    max_replicas: int


class _Endpoint(msgspec.Struct):
    """What an endpoint must have; the rest is kept as it comes."""

    type: Literal["sync", "async"]
    name: str
    product_id: str
    image: str
    worker_config: _Workers


class Extras2:
    """Endpoints, templates, networks, images, prewarms and jobs of version 2."""

    def __init__(self, world: World, things: Things) -> None:
        self._world = world
        self._things = things

    def routes(self, router: Router, guard: Callable[[Endpoint], Endpoint]) -> None:
        table: dict[str, Endpoint] = {
            "POST endpoints": self._create_endpoint,
            "GET endpoints": self._endpoints,
            "GET endpoints/{id}": self._endpoint,
            "PUT endpoints/{id}": self._update_endpoint,
            "DELETE endpoints/{id}": self._delete_endpoint,
            "GET templates": self._templates,
            "POST templates": self._create_template,
            "GET templates/{id}": self._template,
            "PUT templates/{id}": self._update_template,
            "DELETE templates/{id}": self._delete_template,
            "POST networks": self._create_network,
            "GET networks": self._networks,
            "GET networks/{id}": self._network,
            "PUT networks/{id}": self._update_network,
            "DELETE networks/{id}": self._delete_network,
            "GET images": self._images,
            "DELETE images/{id}": self._delete_image,
            "POST prewarm-tasks": self._create_prewarm,
            "GET prewarm-tasks": self._prewarms,
            "DELETE prewarm-tasks": self._delete_prewarms,
            "GET prewarm-tasks/{id}": self._prewarm,
            "GET jobs": self._jobs,
            "POST jobs/save-image": self._save_image,
            "GET jobs/{id}": self._job,
            "POST jobs/{id}/stop": self._stop_job,
        }
        for route, endpoint in table.items():
            method, _, path = route.partition(" ")
            router.add(method, f"{PREFIX_2}/{path}", guard(endpoint))

    # ---------------------------------------------------------------------------------------- endpoints

    async def _create_endpoint(self, call: Call) -> Reply:
        given = await read(call, _Endpoint)
        if given.product_id not in PRODUCTS:
            raise refuse("SERVERLESS_PRODUCT_NOT_FOUND", f"product {given.product_id!r} does not exist")
        body = await read(call, dict[str, Any])
        id_ = self._world.new_id("endpoint")
        app = body.get("app_name") or id_
        self._things.endpoints[id_] = {
            **body,
            "id": id_,
            "app_name": app,
            "url": f"https://{app}.serverless.novita.simulator",
            "created_at": int(self._world.clock.time()),
        }
        return json_reply({"id": id_})

    async def _endpoints(self, call: Call) -> Reply:
        word = call.query.get("keyword", "").lower()
        found = [it for it in self._things.endpoints.values() if word in f"{it['name']} {it['id']}".lower()]
        listed = [self._endpoint_wire(it) for it in found]
        for it in listed:
            del it["type"]  # which details have alone
        return cursored(call, listed)

    async def _endpoint(self, call: Call) -> Reply:
        return json_reply(self._endpoint_wire(self._find_endpoint(call)))

    async def _update_endpoint(self, call: Call) -> Reply:
        self._find_endpoint(call).update(await read(call, dict[str, Any]))
        return json_reply({})

    async def _delete_endpoint(self, call: Call) -> Reply:
        del self._things.endpoints[self._find_endpoint(call)["id"]]
        return json_reply({})

    def _find_endpoint(self, call: Call) -> dict[str, Any]:
        endpoint = self._things.endpoints.get(call.params["id"])
        if endpoint is None:
            raise refuse("SERVERLESS_ENDPOINT_NOT_FOUND", "the endpoint does not exist")
        return endpoint

    def _endpoint_wire(self, endpoint: dict[str, Any]) -> dict[str, Any]:
        state = {"status": "running", "error": "", "message": ""}
        count = endpoint["worker_config"].get("min_replicas", 0)
        workers = [
            {"id": f"{endpoint['id']}-{number}", "status": state, "log": "", "health": True, "drain": False}
            for number in range(count)
        ]
        return {**endpoint, "status": state, "workers": workers}

    # ---------------------------------------------------------------------------------------- templates

    async def _templates(self, call: Call) -> Reply:
        query = call.query
        channels = [each for each in query.get("visibilities", "").split(",") if each]
        found = [
            _template_wire(template)
            for template in self._things.templates.values()
            if (not channels or template.channel in channels) and query.get("name", "").lower() in template.name.lower()
        ]
        return cursored(call, found)

    async def _template(self, call: Call) -> Reply:
        return json_reply(_template_wire(self._things.template(call.params["id"])))

    async def _create_template(self, call: Call) -> Reply:
        given = await read(call, _Template)
        template = self._things.make_template(name=given.name, image=given.image)
        _fill(template, given)
        return json_reply({"template_id": template.id})

    async def _update_template(self, call: Call) -> Reply:
        template = self._things.own_template(call.params["id"])
        _fill(template, await read(call, _Template))
        return json_reply({"template_id": template.id})

    async def _delete_template(self, call: Call) -> Reply:
        del self._things.templates[self._things.own_template(call.params["id"]).id]
        return json_reply({})

    # ----------------------------------------------------------------------------------------- networks

    async def _create_network(self, call: Call) -> Reply:
        given = await read(call, _Network)
        return json_reply(self._network_wire(self._world.make_network(given.region_id, given.name)))

    async def _networks(self, call: Call) -> Reply:
        name = call.query.get("name", "").lower()
        networks = self._world.networks.values()
        return cursored(call, [self._network_wire(each) for each in networks if name in each.name.lower()])

    async def _network(self, call: Call) -> Reply:
        return json_reply(self._network_wire(self._world.network(call.params["id"])))

    async def _update_network(self, call: Call) -> Reply:
        self._world.network(call.params["id"]).name = (await read(call, _Network)).name
        return json_reply({})

    async def _delete_network(self, call: Call) -> Reply:
        self._world.delete_network(call.params["id"])
        return json_reply({})

    def _network_wire(self, network: Network) -> dict[str, Any]:
        state = {"status": self._world.network_state(network), "error": "", "message": ""}
        return {"id": network.id, "owner_id": "simulator", "name": network.name, "status": state}

    # ------------------------------------------------------------------------------------------- images

    async def _images(self, call: Call) -> Reply:
        query = call.query
        found = [
            {"id": id_, "name": image, "image": image, "tags": [{"tag": image.partition(":")[2], "image": image}]}
            for kind, id_, image in self._all_images()
            if query.get("type", "") in ("", kind) and query.get("name", "").lower() in image.lower()
        ]
        return cursored(call, found)

    async def _delete_image(self, call: Call) -> Reply:
        own = {id_: kind for kind, id_, _ in self._all_images()}
        if own.get(call.params["id"]) != "private":
            raise refuse("IMAGE_NOT_FOUND", "there is no image of one's own of this id")
        del self._world.jobs[call.params["id"]]
        return json_reply({})

    def _all_images(self) -> list[tuple[str, str, str]]:
        """Kind, id and name of each: those of the official templates, and those that were saved."""
        base = [("base", it.id, it.image) for it in self._things.templates.values() if it.channel == "official"]
        jobs = self._world.jobs.values()
        saved = [it for it in jobs if it.image and it.state(self._world.now) == "success"]
        return [*base, *(("private", it.id, it.image) for it in saved)]

    # ----------------------------------------------------------------------------------------- prewarms

    async def _create_prewarm(self, call: Call) -> Reply:
        given = await read(call, _Prewarm)
        task = self._things.make_prewarm(
            given.image, given.region_id, given.registry_auth_id, given.product_ids, given.note, call.outcome
        )
        return json_reply({"task_id": task.id})

    async def _prewarms(self, call: Call) -> Reply:
        query = call.query
        found = [
            self._prewarm_wire(task)
            for task in self._things.prewarms.values()
            if query.get("status", "") in ("", self._things.prewarm_state(task).lower())
            and query.get("region_id", "") in ("", task.cluster)
            and query.get("name", "").lower() in task.image.lower()
        ]
        return cursored(call, found)

    async def _prewarm(self, call: Call) -> Reply:
        return json_reply(self._prewarm_wire(self._things.prewarm(call.params["id"])))

    async def _delete_prewarms(self, call: Call) -> Reply:
        for id_ in (await read(call, _TaskIds)).task_ids:
            self._things.prewarms.pop(id_, None)
        return json_reply({})

    def _prewarm_wire(self, task: Prewarm) -> dict[str, Any]:
        state = self._things.prewarm_state(task).lower()
        over = state in ("succeeded", "failed")
        reason = task.outcome.reason if state == "failed" and task.outcome is not None else ""
        return {
            "task_id": task.id,
            "name": task.image.rpartition("/")[2],
            "image": task.image,
            "region_id": task.cluster,
            "product_ids": task.products,
            "image_size": self._things.image_bytes(task.image),
            "created_at": int(task.created),
            "completed_at": int(self._things.prewarm_end(task)) if over else 0,
            "status": {"status": state, "error": "", "message": reason},
            "registry_auth_id": task.login,
            "note": task.note,
            "reason": [reason] if reason else [],
        }

    # --------------------------------------------------------------------------------------------- jobs

    async def _jobs(self, call: Call) -> Reply:
        query = call.query
        found = [
            self._job_wire(job)
            for job in reversed(self._world.jobs.values())
            if query.get("job_id", "") in ("", job.id) and query.get("type", "") in ("", job.type)
        ]
        return cursored(call, found)

    async def _save_image(self, call: Call) -> Reply:
        given = await read(call, _Save)
        return json_reply({"job_id": self._world.save_image(given.instance_id, given.image, call.outcome).id})

    async def _job(self, call: Call) -> Reply:
        return json_reply(self._job_wire(self._world.job(call.params["id"])))

    async def _stop_job(self, call: Call) -> Reply:
        self._world.stop_job(call.params["id"])
        return json_reply({})

    def _job_wire(self, job: Job) -> dict[str, Any]:
        state = job.state(self._world.now)
        reason = job.outcome.reason if state == "fail" and job.outcome is not None else ""
        return {
            "id": job.id,
            "type": job.type,
            "envs": [f"IMAGE={job.image}"] if job.image else [],
            "status": {"status": state, "error": "JOB_FAILED" if reason else "", "message": reason},
        }


def _fill(template: Template, given: _Template) -> None:
    template.name, template.image, template.rootfs = given.name, given.image, given.rootfs_size_gb
    template.login, template.cuda = given.registry_auth_id, given.min_cuda_version
    template.command, template.entrypoint = given.command, given.entrypoint
    template.ports = [(port.port, port.protocol) for port in given.ports]
    template.envs = [{"key": env.key, "value": env.value} for env in given.envs]
    template.metadata = given.metadata
    template.readme = str(given.metadata.get("readme", ""))


def _template_wire(template: Template) -> dict[str, Any]:
    return {
        "id": template.id,
        "name": template.name,
        "type": "instance",
        "image": template.image,
        "registry_auth_id": template.login,
        "command": template.command,
        "entrypoint": template.entrypoint,
        "rootfs_size_gb": template.rootfs,
        "ports": [{"port": port, "protocol": kind} for port, kind in template.ports],
        "envs": template.envs,
        "metadata": {**template.metadata, "readme": template.readme},
        "min_cuda_version": template.cuda,
        "owner_id": "simulator",
        "visibility": template.channel,
        "created_at": int(template.created),
        "updated_at": int(template.created),
    }
