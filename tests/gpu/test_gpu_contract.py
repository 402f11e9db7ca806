"""Every operation of contract/gpu.openapi.yaml and gpu_v2.openapi.yaml, called through the SDK on the simulator.

What the SDK sends and what the simulator answers is judged by the contract as it passes. An operation that no call here
reaches fails the last test.
"""

from __future__ import annotations

import datetime
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, urlsplit

import openapi
import pytest
from helpers import inside

from novita_async import MockTransport, Reply
from novita_async.errors import Conflict, NotFound
from novita_async.gpu import Port
from novita_async.gpu.serverless_types import ConcurrencyPolicy, QueuePolicy

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from novita_async import AsyncNovita, Request, Simulator

CONTRACTS = [openapi.contract(name) for name in ("gpu", "gpu_v2")]
for _contract in CONTRACTS:
    _contract.operations()  # reads the file, here and not on the event loop

CALLS: list[Callable[[AsyncNovita], Awaitable[None]]] = []
PRODUCT = "4090.16c62g.os"


class Judge:
    """A transport to a simulator that lets the contract look at what goes by.

    Attributes:
        seen: the operations that were called.
    """

    def __init__(self, simulator: Simulator) -> None:
        self.seen: set[str] = set()
        self.transport = MockTransport(self._handle)
        self._simulator = simulator

    async def _handle(self, request: Request) -> Reply:
        path = "/" + request.url.partition("://")[2].partition("/")[2]
        body = request.body
        assert body is None or isinstance(body, bytes)
        (contract,) = (each for each in CONTRACTS if each.operation_of(request.method, path) is not None)
        contract.check_request(request.method, path, request.headers.get("content-type"), body)
        contract.check_query(request.method, path, parse_qsl(urlsplit(path).query, keep_blank_values=True))
        self.seen.add(f"{contract.name} {contract.operation_of(request.method, path)}")
        reply = await self._simulator.handle(request)
        assert isinstance(reply.body, bytes)
        contract.check_response(request.method, path, reply.status, reply.headers.get("content-type"), reply.body)
        return reply


def call(function: Callable[[AsyncNovita], Awaitable[None]]) -> Callable[[AsyncNovita], Awaitable[None]]:
    CALLS.append(function)
    return function


# ------------------------------------------------------------------------------------------------ version 1


@call
async def catalogue(novita: AsyncNovita) -> None:
    clusters = await novita.gpu.clusters.list()
    assert [cluster.id for cluster in clusters] == ["us-01", "eu-02", "as-03"]
    assert clusters[0].support_network_storage
    assert "RTX 4090 24GB" in (clusters[0].available_gpu_type or [])
    (product,) = await novita.gpu.products.list(
        name="h100", cluster_id="eu-02", gpu_num=1, billing="monthly", min_cpu=1, min_memory=1, min_rootfs=1
    )
    assert product.monthly_prices is not None
    assert product.monthly_prices[0].month == 1
    assert [each.cpu_num for each in await novita.gpu.products.list_cpu(name="16", cluster_id="us-01")] == [16]


@call
async def instances(novita: AsyncNovita) -> None:
    room = novita.gpu.instances
    network = await novita.gpu.networks.create("us-01", name="inner")
    storage = await novita.gpu.storages.create("us-01", name="data", size=10)
    ordered = await room.create(
        PRODUCT,
        image="ubuntu:24.04",
        gpu_num=2,
        rootfs_size=60,
        name="whole",
        ports=[Port(8000, "http"), "3306/tcp"],
        envs={"A": "1"},
        command="sleep 600",
        entrypoint="/bin/sh",
        cluster_id="us-01",
        jupyter=True,
        storages={storage: "/data"},
        network_id=network.id,
        image_auth="user:secret",
        min_cuda_version="12.4",
    )
    up = await ordered.wait_until("running")
    assert up.ports == [Port(8000, "http", up.ports[0].endpoint), Port(3306, "tcp", up.ports[1].endpoint)]
    assert up.ssh is not None
    assert (up.ssh.user, up.ssh.host) == ("root", "proxy.us-01.gpu-instance.novita.simulator")
    assert up.jupyter_lab is not None
    assert up.jupyter_lab.address
    assert up.network is not None
    assert up.network.ip
    assert up.volume_mounts is not None
    assert [(mount.id, mount.size, mount.mount_path) for mount in up.volume_mounts] == [(storage, 10, "/data")]
    with pytest.raises(Conflict):
        await novita.gpu.networks.delete(network.id)
    with pytest.raises(Conflict):
        await novita.gpu.storages.delete(storage)
    (listed,) = await room.list(name="who", product_name="4090", status="running")
    assert listed.volume_mounts is not None
    assert listed.volume_mounts[0].size == 10
    await up.edit(ports=["9000/tcp"], expand_disk=5)
    edited = await up.refresh()
    assert ([str(port) for port in edited.ports], edited.rootfs_size) == (["9000/tcp"], 65)
    await edited.upgrade(image="ubuntu:26.04", storages={})
    rebuilt = await edited.wait_until("running")
    assert rebuilt.envs is not None
    assert (rebuilt.image_url, rebuilt.command, rebuilt.envs[0].key) == ("ubuntu:26.04", "sleep 600", "A")
    assert rebuilt.volume_mounts == []
    await rebuilt.migrate()
    await rebuilt.wait_until("running")
    await room.set_auto_migrate(rebuilt.id, system_disk=True)
    await rebuilt.restart()
    await rebuilt.wait_until("running")
    await rebuilt.stop()
    await rebuilt.wait_until("exited")
    await rebuilt.start()
    await rebuilt.wait_until("running")
    await rebuilt.delete()
    await rebuilt.wait_until("removed")
    assert await novita.gpu.networks.delete(network.id)
    assert await novita.gpu.storages.delete(storage)


@call
async def subscriptions(novita: AsyncNovita) -> None:
    room = novita.gpu.instances
    bought = await room.create(PRODUCT, image="ubuntu", months=2, auto_renew_months=1, billing="monthly")
    await bought.wait_until("running")
    turned = await room.create(PRODUCT, image="ubuntu")
    await turned.wait_until("running")
    await room.to_monthly(turned.id, 1)
    before = (await turned.refresh()).ends_at
    await room.renew(turned.id, 3)
    after = (await turned.refresh()).ends_at
    assert before is not None
    assert after is not None
    assert (after - before).days == 90
    await room.set_auto_renew([turned.id, bought.id], 6)
    await room.set_auto_renew(turned.id, None)
    with pytest.raises(Conflict, match="monthly"):
        await turned.delete()


@call
async def machines_without_a_card(novita: AsyncNovita) -> None:
    (product, *_) = await novita.gpu.products.list_cpu()
    made = await novita.gpu.instances.create_cpu(
        product, image="ubuntu", name="cpu", ports=["22/tcp"], local_mount="/workspace", jupyter=9999
    )
    up = await made.wait_until("running")
    assert (up.kind, up.gpu_num, up.cpu_num, up.memory) == ("cpu", 0, 4, 8)
    await up.delete()


@call
async def templates(novita: AsyncNovita) -> None:
    room = novita.gpu.templates
    assert [template.name for template in await room.list("official")] == ["PyTorch 2.4", "Ubuntu 24.04"]
    made = await room.create(
        "mine",
        image="nginx",
        rootfs_size=20,
        readme="# Mine",
        command="run",
        entrypoint="/bin/sh",
        ports=["80/http", "443/http", "22/tcp"],
        envs={"A": "1"},
        min_cuda_version="12.4",
    )
    await room.update(made, name="renamed")
    template = await room.get(made)
    assert (template.name, template.image, template.readme) == ("renamed", "nginx", "# Mine")
    assert template.ports == [Port(80, "http"), Port(443, "http"), Port(22, "tcp")]
    assert template.created_at is not None
    assert [each.id for each in await room.list(name="rename")] == [made]
    assert await room.delete(made) is True
    assert await room.delete(made) is False
    with pytest.raises(NotFound):
        await room.get(made)


@call
async def registries(novita: AsyncNovita) -> None:
    room = novita.gpu.registries
    saved = await room.create("docker.io", username="me", password="hush")
    (login,) = await room.list()
    assert (login.id, login.username, login.password) == (saved, "me", "hush")
    assert "hush" not in repr(login)
    assert await room.delete(saved) is True
    assert await room.delete(saved) is False


@call
async def networks(novita: AsyncNovita) -> None:
    room = novita.gpu.networks
    made = await room.create("eu-02", name="inner")
    await room.rename(made.id, "outer")
    network = await room.get(made.id)
    assert (network.name, network.cluster_id, network.state) == ("outer", "eu-02", "creating")
    assert [each.id for each in await room.list(name="out", creators="me")] == [made.id]
    assert await room.delete(made.id) is True
    assert await room.delete(made.id) is False


@call
async def storages(novita: AsyncNovita) -> None:
    room = novita.gpu.storages
    made = await room.create("eu-02", name="data", size=10)
    await room.update(made, size=20)
    await room.update(made, name="more")
    (storage,) = await room.list(storage_id=made)
    assert (storage.name, storage.size, storage.cluster_id) == ("more", 20, "eu-02")
    assert await room.list(name="nothing") == []
    assert await room.delete(made) is True
    assert await room.delete(made) is False


@call
async def prewarms(novita: AsyncNovita) -> None:
    room = novita.gpu.prewarms
    made = await room.create("nginx:1", cluster_id="us-01", product_ids=[PRODUCT], image_auth_id="a", note="soon")
    await room.set_note(made, "now")
    (task,) = await room.list(state="Pending", cluster_id="us-01", name="nginx")
    assert (task.id, task.note, task.state) == (made, "now", "Pending")
    assert task.products is not None
    assert task.products[0].product_name == "RTX 4090 24GB"
    quota = await room.quota()
    assert (quota.total, quota.limit, quota.per_image_size) == (1, 5, 100)
    await room.delete(made)
    assert await room.list() == []


@call
async def jobs(novita: AsyncNovita) -> None:
    room = novita.gpu.jobs
    machine = await novita.gpu.instances.create(PRODUCT, image="ubuntu")
    await machine.wait_until("running")
    saved = await room.save_image(machine.id, "docker.io/me/app:2", image_auth_id="a")
    running = (await machine.refresh()).jobs
    assert running is not None
    assert [(job.id, job.type) for job in running] == [(saved, "saveImage")]
    assert (await room.wait(saved)).state == "success"
    broken = await room.save_image(machine.id, "docker.io/me/app:3")
    await room.stop(broken)
    since = datetime.datetime(2000, 1, 1, tzinfo=datetime.UTC)
    found = await room.list(state="break", type="saveImage", since=since, creators="me")
    assert [job.id for job in found] == [broken]
    assert (found[0].instance_id, found[0].error) == (machine.id, "")
    await machine.delete()


@call
async def metrics(novita: AsyncNovita) -> None:
    machine = await novita.gpu.instances.create(PRODUCT, image="ubuntu", gpu_num=2)
    end = (await machine.wait_until("running")).started_at
    assert end is not None
    usage = await novita.gpu.metrics.get(machine.id, start=end - datetime.timedelta(minutes=5), end=end, interval=60)
    assert len(usage.cpu) == len(usage.gpu.average) == len(usage.gpu_memory.cards[1].items) == 6
    assert usage.memory[-1].time == end
    assert len((await novita.gpu.metrics.get(machine.id)).disk) == 5
    await machine.delete()


# ------------------------------------------------------------------------------------------------ version 2


@call
async def catalogue_2(novita: AsyncNovita) -> None:
    v2 = novita.gpu.v2
    assert [cluster.id for cluster in await v2.clusters.list()] == ["us-01", "eu-02", "as-03"]
    old = {product.id: product for product in await novita.gpu.products.list()}
    new = {product.id: product for product in await v2.products.list()}
    assert old.keys() == new.keys()
    for id_, product in new.items():
        assert (product.price, product.spot_price or 0) == (old[id_].price, old[id_].spot_price)
        assert product.price_for("monthly") == old[id_].price_for("monthly")
        assert (product.billing_methods, product.available) == (old[id_].billing_methods, old[id_].available)
    found = await v2.products.find(gpu="4090", count=2, billing="spot", region="us-01", min_cpu=1, min_memory=1)
    assert [product.id for product in found] == [PRODUCT]
    assert await v2.products.list(name="L40S", gpu_num=2, category="serverless", min_rootfs=10) == []
    cpu = [product.price for product in await v2.products.list_cpu(cluster_id="us-01")]
    assert cpu == [product.price for product in await novita.gpu.products.list_cpu()]


@call
async def instances_2(novita: AsyncNovita) -> None:
    room = novita.gpu.v2.instances
    network = await novita.gpu.networks.create("us-01")
    storage = await novita.gpu.storages.create("us-01", name="data", size=10)
    ordered = await room.create(
        PRODUCT,
        image="ubuntu:24.04",
        gpu_num=2,
        name="whole",
        ports=[Port(8000, "http"), "3306/tcp"],
        envs={"A": "1"},
        command="sleep 600",
        entrypoint="/bin/sh",
        cluster_id="us-01",
        jupyter=8889,
        storages={storage: "/data"},
        network_id=network.id,
        image_auth_id="login",
        billing="spot",
        min_cuda_version="12.4",
    )
    up = await ordered.wait_until("running")
    old = await novita.gpu.instances.get(up.id)
    for name in (
        "ports",
        "gpu_num",
        "cpu_num",
        "memory",
        "rootfs_size",
        "billing_mode",
        "cluster_id",
        "kind",
        "image_url",
    ):
        assert getattr(up, name) == getattr(old, name), name
    for name in ("image_auth_id", "command", "created_at", "started_at", "ends_at", "product_id", "status", "name"):
        assert getattr(up, name) == getattr(old, name), name
    assert up.ssh is not None
    assert old.ssh is not None
    assert (up.ssh.host, up.ssh.port, up.ssh.password) == (old.ssh.host, old.ssh.port, old.ssh.password)
    assert up.jupyter_lab is not None
    assert old.jupyter_lab is not None
    assert up.jupyter_lab.address == old.jupyter_lab.address
    assert up.network is not None
    assert old.network is not None
    assert up.network.ip == old.network.ip
    assert up.volume_mounts is not None
    assert [(mount.id, mount.mount_path) for mount in up.volume_mounts] == [(storage, "/data")]
    assert up.raw["resource_specs"]["gpu_num"] == 2
    found = await room.list(name="who", status="running", cluster_ids=["us-01", "eu-02"], billing="spot")
    assert [instance.id for instance in found] == [up.id]
    await room.set_web_terminal(up.id)
    terminal = (await up.refresh()).web_terminal
    assert terminal is not None
    assert (terminal.address or "").startswith("wss://")
    await up.edit(ports=["9000/tcp"], expand_disk=5)
    edited = await up.refresh()
    assert ([str(port) for port in edited.ports], edited.rootfs_size) == (["9000/tcp"], 65)
    await edited.upgrade(image="ubuntu:26.04", save=False)
    rebuilt = await edited.wait_until("running")
    assert rebuilt.envs is not None
    assert (rebuilt.image_url, rebuilt.command, rebuilt.envs[0].key) == ("ubuntu:26.04", "sleep 600", "A")
    await rebuilt.migrate()
    await rebuilt.wait_until("running")
    await room.set_auto_migrate(rebuilt.id, system_disk=True)
    await rebuilt.restart(check=True)
    await rebuilt.wait_until("running")
    await rebuilt.stop()
    await rebuilt.wait_until("exited")
    with pytest.raises(Conflict):
        await rebuilt.stop()
    await rebuilt.start()
    await rebuilt.wait_until("running")
    await rebuilt.delete()
    await rebuilt.wait_until("removed")


@call
async def subscriptions_2(novita: AsyncNovita) -> None:
    room = novita.gpu.v2.instances
    bought = await room.create(PRODUCT, image="ubuntu", months=2, auto_renew_months=1)
    assert (await bought.wait_until("running")).billing_mode == "monthly"
    turned = await room.create(PRODUCT, image="ubuntu")
    await turned.wait_until("running")
    await room.to_monthly(turned.id, 1)
    before = (await turned.refresh()).ends_at
    await room.renew(turned.id, 3)
    after = (await turned.refresh()).ends_at
    assert before is not None
    assert after is not None
    assert (after - before).days == 90
    await room.set_auto_renew([turned.id, bought.id], 6)
    await room.set_auto_renew(turned.id, None)
    with pytest.raises(Conflict, match="monthly"):
        await turned.delete()


@call
async def a_session_2(novita: AsyncNovita) -> None:
    async with novita.gpu.v2.instances.session(PRODUCT, image="ubuntu", ports=["80/http"]) as session:
        assert session.endpoint(80).startswith("https://")
    (product, *_) = await novita.gpu.v2.products.list_cpu()
    made = await novita.gpu.v2.instances.create_cpu(product, image="ubuntu")
    assert (await made.wait_until("running")).kind == "cpu"
    await made.delete()


@call
async def endpoints_2(novita: AsyncNovita) -> None:
    room = novita.gpu.v2.endpoints
    made = await room.create(
        "you/app:1",
        product_id=PRODUCT,
        port=8000,
        type="async",
        name="app",
        policy=QueuePolicy(5),
        app_name="app",
        max_workers=3,
        min_workers=1,
        envs={"A": "1"},
        volumes={"/local": None},
        health_path="/health",
    )
    assert (made.name, made.port, made.policy, made.ready) == ("app", 8000, QueuePolicy(5), True)
    assert (made.worker_config.max_workers, made.worker_config.idle_timeout, made.image.image) == (3, 60, "you/app:1")
    assert (made.product_ids, made.workers is not None and len(made.workers)) == ([PRODUCT], 1)
    assert made.created_at is not None
    await room.update(made.id, image="you/app:2", policy=ConcurrencyPolicy(7))
    changed = await room.get(made.id)
    assert (changed.image.image, changed.policy, changed.port) == ("you/app:2", ConcurrencyPolicy(7), 8000)
    assert (changed.healthy is not None and changed.healthy.path) == "/health"
    assert [endpoint.id for endpoint in await room.list(keyword="ap", member_ids=["m"])] == [made.id]
    assert await room.delete(made.id) is True
    assert await room.delete(made.id) is False


@call
async def templates_2(novita: AsyncNovita) -> None:
    room = novita.gpu.v2.templates
    made = await room.create("mine", image="nginx", readme="# Mine", ports=["80/http", "22/tcp"], envs={"A": "1"})
    await room.update(made, name="renamed")
    template = await room.get(made, community=False)
    assert (template.name, template.image, template.readme, template.channel) == (
        "renamed",
        "nginx",
        "# Mine",
        "private",
    )
    assert template.ports == [Port(80, "http"), Port(22)]
    assert (await novita.gpu.templates.get(made)).ports == template.ports
    assert [
        each.id for each in await room.list(name="ren", type="instance", is_my_community=True, member_ids=["m"])
    ] == [made]
    assert await room.delete(made) is True
    assert await room.delete(made) is False


@call
async def networks_2(novita: AsyncNovita) -> None:
    room = novita.gpu.v2.networks
    made = await room.create("eu-02", name="inner")
    await room.rename(made.id, "outer")
    network = await room.get(made.id)
    assert (network.name, network.state, network.user) == ("outer", "creating", "simulator")
    assert [each.id for each in await room.list(name="out", creators="me")] == [made.id]
    assert await room.delete(made.id) is True
    assert await room.delete(made.id) is False


@call
async def prewarms_2(novita: AsyncNovita) -> None:
    room = novita.gpu.v2.prewarms
    made = await room.create("nginx:1", cluster_id="us-01", product_ids=[PRODUCT], image_auth_id="a", note="soon")
    (task,) = await room.list(state="Pending", cluster_id="us-01", name="nginx")
    assert (task.id, task.note, task.state) == (made, "soon", "Pending")
    read = await room.get(made)
    assert (read.image_url, read.image_bytes) == (task.image_url, task.image_bytes)
    await room.delete([made])
    assert await room.list() == []


@call
async def jobs_and_images_2(novita: AsyncNovita) -> None:
    room, images = novita.gpu.v2.jobs, novita.gpu.v2.images
    machine = await novita.gpu.v2.instances.create(PRODUCT, image="ubuntu")
    await machine.wait_until("running")
    saved = await room.save_image(machine.id, "docker.io/me/other:2", image_auth_id="a")
    done = await room.wait(saved)
    assert done.envs is not None
    assert (done.state, done.envs[0].key, done.envs[0].value) == ("success", "IMAGE", "docker.io/me/other:2")
    broken = await room.save_image(machine.id, "docker.io/me/other:3")
    await room.stop(broken)
    assert (await room.get(broken)).state == "break"
    assert [job.id for job in await room.list(type="saveImage", job_id=broken)] == [broken]
    (image,) = await images.list(type="private", name="other")
    assert image.tags is not None
    assert image.tags[0].tag == "2"
    assert await images.delete(image.id) is True
    assert await images.delete(image.id) is False
    assert len(await images.list(type="base")) == 2
    await machine.delete()


async def test_every_operation_is_what_the_contract_says_and_comes_back_typed(sim: Simulator) -> None:
    judge = Judge(sim)
    async with inside(sim, transport=judge.transport) as novita:
        for call in CALLS:
            try:
                await call(novita)
            except AssertionError as error:
                error.add_note(f"in {call.__name__}")
                raise
    wanted = {f"{each.name} {operation}" for each in CONTRACTS for operation in each.operations()}
    assert wanted <= judge.seen, sorted(wanted - judge.seen)
