"""Version 1 of the simulated GPU API: everything but products and instances (contract/gpu.openapi.yaml)."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Annotated, Any, Literal

import msgspec
from msgspec import Meta

from ..router import Call, json_reply
from ..stock import CLUSTERS, PRODUCTS
from .things import Login, Prewarm, Template, Things
from .v1 import PREFIX, Env, paged, read
from .world import Job, Network, World, number, refuse

if TYPE_CHECKING:
    from collections.abc import Callable

    from ...transport.protocol import Reply
    from ..router import Endpoint, Router

__all__ = ["Extras"]


class _TemplatePorts(msgspec.Struct):
    type: Literal["http", "tcp"]
    ports: Annotated[list[Annotated[int, Meta(ge=1, le=65535)]], Meta(max_length=10)]


class _Template(msgspec.Struct, kw_only=True, rename="camel"):
    id: str = msgspec.field(name="Id", default="")
    name: Annotated[str, Meta(min_length=1, max_length=255)]
    type: Literal["instance"]
    channel: Literal["private"]
    image: Annotated[str, Meta(min_length=1, max_length=500)]
    rootfs_size: Annotated[int, Meta(ge=1)]
    readme: Annotated[str, Meta(max_length=102_400)] = ""
    image_auth: str = ""
    start_command: str = ""
    entrypoint: str = ""
    ports: list[_TemplatePorts] = []
    envs: Annotated[list[Env], Meta(max_length=100)] = []
    min_cuda_version: str = ""


class _TemplateBody(msgspec.Struct):
    template: _Template


class _Login(msgspec.Struct):
    name: Annotated[str, Meta(min_length=1)]
    username: str
    password: str


class _Storage(msgspec.Struct, kw_only=True, rename="camel"):
    cluster_id: str = ""
    storage_id: str = ""
    storage_name: Annotated[str, Meta(min_length=1)]
    storage_size: Annotated[int, Meta(ge=10)]


class _Network(msgspec.Struct, kw_only=True, rename="camel"):
    cluster_id: str = ""
    network_id: str = ""
    name: Annotated[str, Meta(max_length=30)] = ""


class _Prewarm(msgspec.Struct, kw_only=True, rename="camel"):
    image_url: Annotated[str, Meta(min_length=1, max_length=500)]
    cluster_id: str
    repository_auth: str = ""
    product_ids: list[str] = []
    note: str = ""


class _Note(msgspec.Struct):
    id: str
    note: str = ""


class _Ids(msgspec.Struct):
    ids: list[str]


class _Save(msgspec.Struct, kw_only=True, rename="camel"):
    instance_id: str
    image: Annotated[str, Meta(min_length=1, max_length=4095)]
    registry_auth_id: str = ""


class Extras:
    """Clusters, templates, logins, storages, networks, prewarms, jobs and metrics of version 1."""

    def __init__(self, world: World, things: Things) -> None:
        self._world = world
        self._things = things

    def routes(self, router: Router, guard: Callable[[Endpoint], Endpoint]) -> None:
        table: dict[str, Endpoint] = {
            "GET clusters": self._clusters,
            "GET templates": self._templates,
            "GET template": self._template,
            "POST template/create": self._create_template,
            "POST template/update": self._update_template,
            "POST template/delete": self._delete_template,
            "GET repository/auths": self._logins,
            "POST repository/auth/save": self._save_login,
            "POST repository/auth/delete": self._delete_login,
            "GET networkstorages/list": self._storages,
            "POST networkstorage/create": self._create_storage,
            "POST networkstorage/update": self._update_storage,
            "POST networkstorage/delete": self._delete_storage,
            "GET networks": self._networks,
            "GET network": self._network,
            "POST network/create": self._create_network,
            "POST network/update": self._update_network,
            "POST network/delete": self._delete_network,
            "GET image/prewarm/quota": self._quota,
            "GET image/prewarm": self._prewarms,
            "POST image/prewarm": self._create_prewarm,
            "POST image/prewarm/edit": self._edit_prewarm,
            "POST image/prewarm/delete": self._delete_prewarms,
            "GET jobs": self._jobs,
            "POST job/break": self._break_job,
            "POST job/save/image": self._save_image,
        }
        for route, endpoint in table.items():
            method, _, path = route.partition(" ")
            router.add(method, f"{PREFIX}/{path}", guard(endpoint))
        router.add("GET", "/openapi/v1/metrics/gpu/instance", guard(self._metrics))

    async def _clusters(self, call: Call) -> Reply:
        found = [
            {
                "id": id_,
                "name": name,
                "availableGpuType": [product.name for product in PRODUCTS.values() if id_ in product.regions],
                "supportNetworkStorage": True,
                "supportInstanceNetwork": True,
            }
            for id_, name in CLUSTERS.items()
        ]
        return json_reply({"data": found})

    # ---------------------------------------------------------------------------------------- templates

    async def _templates(self, call: Call) -> Reply:
        query = call.query
        if query.get("channel") not in ("official", "community", "private"):
            raise refuse("VALIDATOR_PARAM", "channel is one of official, community, private")
        found = [
            template
            for template in self._things.templates.values()
            if template.channel == query["channel"] and query.get("name", "").lower() in template.name.lower()
        ]
        page = [_template_wire(template) for template in paged(query, found)]
        return json_reply({"template": page, "total": len(found)})

    async def _template(self, call: Call) -> Reply:
        return json_reply({"template": _template_wire(self._things.template(call.query.get("templateId", "")))})

    async def _create_template(self, call: Call) -> Reply:
        given = (await read(call, _TemplateBody)).template
        template = self._things.make_template(name=given.name, image=given.image)
        _fill(template, given)
        return json_reply({"templateId": template.id})

    async def _update_template(self, call: Call) -> Reply:
        given = (await read(call, _TemplateBody)).template
        _fill(self._things.own_template(given.id), given)
        return json_reply({"templateId": given.id})

    async def _delete_template(self, call: Call) -> Reply:
        id_ = (await read(call, dict[str, str])).get("templateId", "")
        del self._things.templates[self._things.own_template(id_).id]
        return json_reply({"templateId": id_})

    # ------------------------------------------------------------------------------------------- logins

    async def _logins(self, call: Call) -> Reply:
        found = [
            {"id": login.id, "name": login.name, "username": login.username, "password": login.password}
            for login in self._things.logins.values()
        ]
        return json_reply({"data": found})

    async def _save_login(self, call: Call) -> Reply:
        given = await read(call, _Login)
        login = Login(self._world.new_id("login"), given.name, given.username, given.password)
        self._things.logins[login.id] = login
        return json_reply({})  # without its id, as the pages leave open

    async def _delete_login(self, call: Call) -> Reply:
        self._things.delete_login((await read(call, dict[str, str])).get("id", ""))
        return json_reply({})

    # ----------------------------------------------------------------------------------------- storages

    async def _storages(self, call: Call) -> Reply:
        query = call.query
        found = [
            storage
            for storage in self._world.storages.values()
            if query.get("storageName", "").lower() in storage.name.lower()
            and query.get("storageId", "") in ("", storage.id)
        ]
        page = [
            {
                "storageId": storage.id,
                "storageName": storage.name,
                "storageSize": storage.size,
                "clusterId": storage.cluster,
                "clusterName": CLUSTERS[storage.cluster],
                "price": "100",
            }
            for storage in paged(query, found, "pageNo")
        ]
        return json_reply({"data": page, "total": len(found)})

    async def _create_storage(self, call: Call) -> Reply:
        given = await read(call, _Storage)
        self._things.make_storage(given.cluster_id, given.storage_name, given.storage_size)
        return json_reply({})  # without its id, as the pages leave open

    async def _update_storage(self, call: Call) -> Reply:
        given = await read(call, _Storage)
        storage = self._world.storage(given.storage_id)
        if given.storage_size < storage.size:
            raise refuse("VALIDATOR_PARAM", "a storage can only grow")
        storage.name, storage.size = given.storage_name, given.storage_size
        return json_reply({})

    async def _delete_storage(self, call: Call) -> Reply:
        self._things.delete_storage((await read(call, dict[str, str])).get("storageId", ""))
        return json_reply({})

    # ----------------------------------------------------------------------------------------- networks

    async def _networks(self, call: Call) -> Reply:
        name = call.query.get("name", "").lower()
        found = [network for network in self._world.networks.values() if name in network.name.lower()]
        page = [self._network_wire(network) for network in paged(call.query, found)]
        return json_reply({"networks": page, "total": len(found)})

    async def _network(self, call: Call) -> Reply:
        network = self._world.network(call.query.get("networkId", ""))
        return json_reply({"network": [self._network_wire(network)]})

    async def _create_network(self, call: Call) -> Reply:
        given = await read(call, _Network)
        return json_reply({"network": [self._network_wire(self._world.make_network(given.cluster_id, given.name))]})

    async def _update_network(self, call: Call) -> Reply:
        given = await read(call, _Network)
        self._world.network(given.network_id).name = given.name
        return json_reply({})

    async def _delete_network(self, call: Call) -> Reply:
        self._world.delete_network((await read(call, dict[str, str])).get("networkId", ""))
        return json_reply({})

    def _network_wire(self, network: Network) -> dict[str, Any]:
        members = self._world.members(network)
        return {
            "Id": network.id,
            "user": "simulator",
            "name": network.name,
            "state": {"state": self._world.network_state(network), "error": ""},
            "segment": network.segment,
            "clusterId": network.cluster,
            "Addresses": [{"Id": machine.id, "Ip": self._world.address(machine)} for machine in members],
            "createTime": str(int(network.created)),
        }

    # ---------------------------------------------------------------------------------------- prewarms

    async def _quota(self, call: Call) -> Reply:
        return json_reply(
            {"total": len(self._things.prewarms), "limit": self._things.most_prewarms, "perImageSize": 100}
        )

    async def _prewarms(self, call: Call) -> Reply:
        query = call.query
        found = [
            task
            for task in self._things.prewarms.values()
            if query.get("state") in (None, "", self._things.prewarm_state(task))
            and query.get("clusterId", "") in ("", task.cluster)
            and query.get("name", "").lower() in task.image.lower()
        ]
        page = [self._prewarm_wire(task) for task in paged(query, found, "page")]
        return json_reply({"data": page, "total": len(found)})

    async def _create_prewarm(self, call: Call) -> Reply:
        given = await read(call, _Prewarm)
        task = self._things.make_prewarm(
            given.image_url, given.cluster_id, given.repository_auth, given.product_ids, given.note, call.outcome
        )
        return json_reply({"id": task.id})

    async def _edit_prewarm(self, call: Call) -> Reply:
        given = await read(call, _Note)
        self._things.prewarm(given.id).note = given.note
        return json_reply({})

    async def _delete_prewarms(self, call: Call) -> Reply:
        for id_ in (await read(call, _Ids)).ids:
            self._things.prewarms.pop(id_, None)
        return json_reply({})

    def _prewarm_wire(self, task: Prewarm) -> dict[str, Any]:
        state = self._things.prewarm_state(task)
        products = [PRODUCTS[id_] for id_ in task.products if id_ in PRODUCTS]
        return {
            "id": task.id,
            "imageName": task.image.rpartition("/")[2],
            "imageUrl": task.image,
            "repositoryAuth": task.login,
            "clusterId": task.cluster,
            "clusterName": CLUSTERS[task.cluster],
            "products": [{"productId": product.id, "productName": product.name} for product in products],
            "imageSize": str(self._things.image_bytes(task.image)),
            "createTime": str(int(task.created)),
            "state": state,
            "completeTime": str(int(self._things.prewarm_end(task))) if state in ("Succeeded", "Failed") else "0",
            "note": task.note,
            "reason": [task.outcome.reason] if state == "Failed" and task.outcome is not None else [],
        }

    # --------------------------------------------------------------------------------------------- jobs

    async def _jobs(self, call: Call) -> Reply:
        query, now = call.query, self._world.now
        since, until = number(query, "startTime", 0), number(query, "endTime", 0) or math.inf
        found = [
            job
            for job in reversed(self._world.jobs.values())
            if query.get("jobId", "") in ("", job.id)
            and query.get("state", "") in ("", job.state(now))
            and query.get("type", "") in ("", job.type)
            and since <= job.created <= until
        ]
        page = [self._job_wire(job) for job in paged(query, found)]
        return json_reply({"jobs": page, "total": len(found)})

    def _job_wire(self, job: Job) -> dict[str, Any]:
        state = job.state(self._world.now)
        reason = job.outcome.reason if state == "fail" and job.outcome is not None else ""
        return {
            "Id": job.id,
            "user": "simulator",
            "type": job.type,
            "envs": [{"key": "IMAGE", "value": job.image}] if job.image else [],
            "state": {"state": state, "error": "JOB_FAILED" if reason else "", "errorMessage": reason},
            "logAddress": "",
            "createdAt": str(int(job.created)),
            "instanceId": job.instance,
        }

    async def _break_job(self, call: Call) -> Reply:
        id_ = (await read(call, dict[str, str])).get("jobId", "")
        self._world.stop_job(id_)
        return json_reply({"jobId": id_})

    async def _save_image(self, call: Call) -> Reply:
        given = await read(call, _Save)
        return json_reply({"jobId": self._world.save_image(given.instance_id, given.image, call.outcome).id})

    # ------------------------------------------------------------------------------------------- metrics

    async def _metrics(self, call: Call) -> Reply:
        """Load as waves between 0 and 100. What makes no sense in the query is passed over, as there."""
        machine = self._world.find(call.query.get("instanceId", ""))
        now = int(self._world.clock.time())
        end = _lenient(call.query, "endTime", now)
        start = _lenient(call.query, "startTime", end - 60)
        start = start if 0 < start <= end - 60 else end - 60
        interval = _lenient(call.query, "interval", 15)
        times = range(start, end + 1, interval if interval > 15 else 15)

        def wave(shift: float) -> list[dict[str, Any]]:
            values = [round(50 + 50 * math.sin(moment / 300 + shift), 2) for moment in times]
            return [{"timestamp": str(moment), "value": value} for moment, value in zip(times, values, strict=True)]

        cards = [{"gpuId": str(card), "items": wave(card)} for card in range(machine.order.gpu_num)]
        return json_reply(
            {
                "cpuUtilization": wave(1),
                "memUtilization": wave(2),
                "rootDiskUtilization": wave(3),
                "gpuUtilization": {"avg": wave(0), "gpuIds": cards},
                "gpuMemUtilization": {"avg": wave(0), "gpuIds": cards},
            }
        )


def _lenient(query: dict[str, str], name: str, default: int) -> int:
    text = query.get(name, "")
    return int(text) if text.isdecimal() else default


def _fill(template: Template, given: _Template) -> None:
    template.name, template.image, template.rootfs = given.name, given.image, given.rootfs_size
    template.readme, template.login, template.cuda = given.readme, given.image_auth, given.min_cuda_version
    template.command, template.entrypoint = given.start_command, given.entrypoint
    template.ports = [(port, group.type) for group in given.ports for port in group.ports]
    template.envs = [{"key": env.key, "value": env.value} for env in given.envs]


def _template_wire(template: Template) -> dict[str, Any]:
    kinds = dict.fromkeys(kind for _, kind in template.ports)
    return {
        "Id": template.id,
        "name": template.name,
        "readme": template.readme,
        "type": "instance",
        "channel": template.channel,
        "image": template.image,
        "imageAuth": template.login,
        "startCommand": template.command,
        "entrypoint": template.entrypoint,
        "rootfsSize": template.rootfs,
        "ports": [{"type": kind, "ports": [port for port, its in template.ports if its == kind]} for kind in kinds],
        "envs": template.envs,
        "createdAt": str(int(template.created)),
        "recommendCards": [],
        "minCudaVersion": template.cuda,
    }
