"""Both variants of each contradiction of contract/gpu.md 12, and what else the platform writes in two ways."""

from __future__ import annotations

import datetime
import itertools
from decimal import Decimal

import msgspec
import pytest
from helpers import Server, connected, json_reply

from novita_async import Reply
from novita_async.errors import BadRequest, NotFound, ProtocolError
from novita_async.gpu import Port

EMPTY = [b"", b"{}", b"null", b"[]", b'{"code": 0, "message": "success"}']


@pytest.mark.parametrize("body", EMPTY)
async def test_what_only_changes_something_may_answer_with_nothing(clock, body):
    server = Server(clock, Reply(200, {}, body))
    async with connected(server, clock) as novita:
        await novita.gpu.instances.stop("i")
        await novita.gpu.instances.edit("i", expand_disk=1)
        await novita.gpu.networks.rename("n", "m")
        await novita.gpu.prewarms.delete("p")
        assert await novita.gpu.templates.delete("t") is True
    assert len(server.requests) == 5


async def test_an_error_in_the_body_of_a_success_is_an_error(clock):
    refused = {"code": 400, "reason": "NETWORK_NOT_FOUND", "message": "no", "metadata": {}}
    async with connected(Server(clock, refused), clock) as novita:
        with pytest.raises(NotFound):
            await novita.gpu.networks.rename("n", "m")
        with pytest.raises(NotFound):
            await novita.gpu.networks.get("n")
        with pytest.raises(NotFound):
            await novita.gpu.networks.list()
        with pytest.raises(NotFound):
            await novita.gpu.prewarms.create("image", cluster_id="c")


@pytest.mark.parametrize("answer", [Reply(204, {}, b""), {}, {"id": "r-1"}, {"Id": "r-1"}, "r-1"])
async def test_a_saved_login_is_known_by_its_id_whatever_was_answered(clock, answer):
    saved = {"data": [{"id": "r-0", "name": "x", "username": "u"}, {"id": "r-1", "name": "host", "username": "me"}]}
    server = Server(clock, lambda request: answer if request.method == "POST" else saved)

    async with connected(server, clock) as novita:
        assert await novita.gpu.registries.create("host", username="me", password="p") == "r-1"


@pytest.mark.parametrize("answer", [Reply(200, {}, b""), {}, "s-1", {"storageId": "s-1"}, {"storageID": "s-1"}])
async def test_a_made_storage_is_known_by_its_id_whatever_was_answered(clock, answer):
    made = {
        "data": [{"storageId": "s-0", "storageName": "dat"}, {"storageId": "s-1", "storageName": "data"}],
        "total": 2,
    }
    server = Server(clock, lambda request: answer if request.method == "POST" else made)
    async with connected(server, clock) as novita:
        assert await novita.gpu.storages.create("c", name="data", size=10) == "s-1"


async def test_what_was_made_and_cannot_be_found_is_an_error(clock):
    empty = {"data": [], "total": 0}
    server = Server(clock, lambda request: {} if request.method == "POST" else empty)
    async with connected(server, clock) as novita:
        with pytest.raises(ProtocolError, match="is not in the list"):
            await novita.gpu.storages.create("c", name="data", size=10)
        with pytest.raises(ProtocolError, match="is not in the list"):
            await novita.gpu.registries.create("host", username="me", password="p")
        with pytest.raises(ProtocolError, match="no id"):
            await novita.gpu.instances.create("p", image="i")


@pytest.mark.parametrize("wrap", [lambda items: {"data": items}, lambda items: items])
async def test_products_without_a_card_come_bare_and_wrapped(clock, wrap):
    item = {"id": "c", "name": "n", "cpuNum": 4, "memorySize": "8", "price": "8000", "availableDeploy": True}
    async with connected(Server(clock, wrap([item])), clock) as novita:
        (product,) = await novita.gpu.products.list_cpu()
    assert (product.memory_size, product.price, product.available) == (8, Decimal("0.08"), True)


async def test_a_network_is_read_in_every_form(clock):
    states = [{"state": "ready", "error": ""}, [{"state": "ready"}], [], None]
    cases = [
        {"Id": "n", "Addresses": [{"Id": "i", "Ip": "10.0.0.2"}], "clusterId": "c"},
        {"id": "n", "addresses": [{"id": "i", "ip": "10.0.0.2"}], "clusterID": "c"},
    ]
    wraps = [lambda it: {"network": [it]}, lambda it: {"network": it}, lambda it: it]
    server = Server(clock, None)
    async with connected(server, clock) as novita:
        for state, case, wrap in itertools.product(states, cases, wraps):
            it = {**case, "state": state}
            server.answers = [wrap(it)]
            network = await novita.gpu.networks.get("n")
            assert (network.id, network.cluster_id, network.state) == ("n", "c", "ready" if state else "")
            assert (network.addresses[0].id, network.addresses[0].ip) == ("i", "10.0.0.2")
            assert network.raw == it


async def test_an_instance_is_read_in_every_form(clock):
    nodes = [[{"maxRootfsSize": 500}], {"maxRootfsSize": 500}, [], None]
    server = Server(clock, None)
    async with connected(server, clock) as novita:
        for node, size, name, wrapped in itertools.product(nodes, ["30", 30, 30.0], ["id", "Id"], [True, False]):
            detail = {
                name: "i",
                "status": "running",
                "node": node,
                "volumeMounts": [{"type": "network", name: "s", "size": size, "mountPath": "/network"}],
                "portMappings": [
                    {"port": "80", "type": "http", "endpoint": "https://e"},
                    {"port": 22, "endpoint": None},
                ],
                "connectComponentSSH": {"user": "root", "command": "ssh root@host.example -p 2200", "password": "p"},
                "connectComponentJupyter": {"url": "https://j", "token": "t"},
                "spotStatus": "active",
                "envs": None,
                "freeStorageSize": "60",
                "keepDataDay": 7,
                "novel": [1],
            }
            server.answers = [{"instance": detail} if wrapped else detail]
            instance = await novita.gpu.instances.get("i")
            assert (instance.id, instance.max_rootfs_size) == ("i", 500 if node else None)
            assert (instance.volume_mounts[0].id, instance.volume_mounts[0].size) == ("s", 30)
            assert instance.ports == [Port(80, "http", "https://e"), Port(22)]
            assert (instance.ssh.user, instance.ssh.host, instance.ssh.port) == ("root", "host.example", 2200)
            assert (instance.jupyter_lab.url, instance.spot_status) == ("https://j", "active")
            assert (instance.free_storage_size, instance.keep_data_days) == (60, 7)
            assert instance.raw == detail


async def test_lists_and_details_are_one_type(clock):
    listed = {"id": "i", "status": "running", "gpuNum": "1", "portMappings": [{"port": 80, "type": "http"}]}
    server = Server(clock, {"instances": [listed], "total": 1})
    async with connected(server, clock) as novita:
        (instance,) = await novita.gpu.instances.list()
    assert (instance.ports, instance.ssh, instance.gpu_num) == ([Port(80, "http")], None, 1)


async def test_a_job_is_read_in_every_form(clock):
    states = [
        ({"state": "fail", "errorMessage": "no space"}, "fail", "no space"),
        ({"state": "fail", "message": "no space"}, "fail", "no space"),
        ({"state": "fail", "error": "NO_SPACE"}, "fail", "NO_SPACE"),
        ({"state": "running"}, "running", ""),
        ("running", "running", ""),
        (None, "", ""),
    ]
    server = Server(clock, None)
    async with connected(server, clock) as novita:
        for (state, word, error), name in itertools.product(states, ["id", "Id"]):
            job = {name: "j", "state": state, "createdAt": "1760000000", "instanceID": "i"}
            server.answers = [{"jobs": [job], "total": "1"}]
            (found,) = await novita.gpu.jobs.list()
            assert (found.id, found.state, found.error, found.instance_id) == ("j", word, error, "i")
            assert found.created_at == datetime.datetime(2025, 10, 9, 8, 53, 20, tzinfo=datetime.UTC)


async def test_a_template_is_read_in_every_form(clock):
    server = Server(clock, None)
    async with connected(server, clock) as novita:
        for time, name, wrapped in itertools.product(["createdAt", "createTime"], ["id", "Id"], [True, False]):
            template = {
                name: "t",
                "name": "n",
                time: "1760000000",
                "ports": [{"type": "http", "ports": [80, 81]}, {"type": "tcp", "ports": [22]}],
                "recommendCards": [{"gpuSpecId": "4090", "cardNum": "2"}],
            }
            server.answers = [{"template": template} if wrapped else template]
            found = await novita.gpu.templates.get("t")
            assert (found.id, found.created_at is not None) == ("t", True)
            assert found.ports == [Port(80, "http"), Port(81, "http"), Port(22)]
            assert found.recommend_cards[0].card_num == 2


@pytest.mark.parametrize("moment", ["1760000000", 1760000000])
async def test_a_prewarm_is_read_in_every_form(clock, moment):
    task = {
        "id": "p",
        "state": "Failed",
        "createTime": moment,
        "completeTime": moment,
        "imageSize": "5",
        "reason": ["r"],
    }
    async with connected(Server(clock, {"data": [task], "total": 1}), clock) as novita:
        (found,) = await novita.gpu.prewarms.list()
    assert (found.created_at, found.image_bytes, found.reason) == (found.completed_at, 5, ["r"])


@pytest.mark.parametrize("key", ["id", "Id", "instanceId"])
async def test_an_order_is_known_by_its_id_under_every_name(clock, key):
    async with connected(Server(clock, {key: "i-9"}), clock) as novita:
        assert (await novita.gpu.instances.create("p", image="i")).id == "i-9"


@pytest.mark.parametrize("base", [0, 1])
async def test_pages_are_read_from_1_and_from_0_and_items_are_given_once(clock, base):
    items = [{"Id": f"j-{number}"} for number in range(150)]

    def page(request):
        query = dict(part.split("=") for part in request.url.partition("?")[2].split("&"))
        start = (int(query["pageNum"]) - base) * int(query["pageSize"])
        # One item has moved to the second page while the first was read.
        shown = items[max(0, start - 1) : start + int(query["pageSize"])] if start >= 0 else items[:0]
        return json_reply({"jobs": shown, "total": len(items)})

    async with connected(Server(clock, page), clock) as novita:
        found = [job.id async for job in novita.gpu.jobs.list()]
    assert sorted(found) == sorted(item["Id"] for item in items)


async def test_an_empty_list_may_be_null(clock):
    async with connected(Server(clock, {"networks": None, "total": 0}), clock) as novita:
        assert await novita.gpu.networks.list() == []


@pytest.mark.parametrize(
    "body",
    [
        {"code": 400, "reason": "CUDA_VERSION_INCOMPATIBLE", "message": "m", "metadata": {}},
        {"code": "400", "message": "m"},
        {"message": "m", "details": []},
        {"error": {"code": 400, "message": "m"}},
        b"m",
    ],
)
async def test_a_refusal_is_read_in_every_form(clock, body):
    raw = body if isinstance(body, bytes) else msgspec.json.encode(body)
    async with connected(Server(clock, Reply(400, {}, raw)), clock) as novita:
        with pytest.raises(BadRequest, match="m"):
            await novita.gpu.instances.start("i")
