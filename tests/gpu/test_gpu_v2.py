"""`gpu.v2`: the newer API in the types of the older one, whatever it leaves out; and what it cannot do."""

from __future__ import annotations

from decimal import Decimal

import pytest
from helpers import Server, connected, inside, json_reply

from novita_async.errors import NotFound, OutcomeUnknown, ProtocolError, ValidationError
from novita_async.gpu import Port
from novita_async.simulator import Drop

PRODUCT = "4090.16c62g.os"


@pytest.mark.parametrize(
    ("answer", "status", "problem"),
    [
        ({"id": "i"}, "", ""),
        ({"id": "i", "status": "running"}, "running", ""),
        ({"id": "i", "status": {"status": "exited", "error": "E", "message": "why"}}, "exited", "why"),
        ({"id": "i", "status": {"status": "new", "error": "E"}, "tools": None, "billing": {}}, "new", "E"),
        ({"id": "i", "status": None, "billing": {"mode": "hourly"}, "ports": None, "volumes": None}, "", ""),
    ],
)
async def test_an_instance_is_read_whatever_is_left_out(clock, answer, status, problem):
    async with connected(Server(clock, answer), clock) as novita:
        instance = await novita.gpu.v2.instances.get("i")
    assert (instance.id, instance.status, instance.problem, instance.raw) == ("i", status, problem, answer)
    assert (instance.ports, instance.ends_at) == ([], None)


async def test_its_words_are_those_of_version_1(clock):
    answer = {
        "id": "i",
        "billing": {"mode": "prepaid", "prepaid": {"end_time": 1760000000}},
        "ports": [{"port": 80, "protocol": "http", "endpoint": "https://e"}],
        "volumes": [{"type": "network", "id": "s", "mount_point": "/data"}],
        "created_at": 1760000000,
    }
    async with connected(Server(clock, answer), clock) as novita:
        instance = await novita.gpu.v2.instances.get("i")
    assert (instance.billing_mode, instance.ports) == ("monthly", [Port(80, "http", "https://e")])
    assert instance.ends_at == instance.created_at
    assert (instance.volume_mounts[0].id, instance.volume_mounts[0].mount_path) == ("s", "/data")


@pytest.mark.parametrize(
    ("pricing", "dollars"),
    [
        ({"precision": 5, "postpaid": {"final_price": 67000}}, "0.67"),
        ({"precision": 2, "postpaid": {"final_price": "67"}}, "0.67"),
        ({"postpaid": {"final_price": 1}}, "1"),
        ({"precision": 8, "postpaid": {"final_price": "67000001"}}, "0.67000001"),
        ({"precision": 5, "postpaid": {"final_price": "?"}}, None),
        ({"precision": 5, "postpaid": {}}, None),
        ({}, None),
    ],
)
async def test_a_price_is_as_fine_as_it_says(clock, pricing, dollars):
    answer = {"data": [{"id": "p", "name": "n", "pricing": pricing}]}
    async with connected(Server(clock, answer), clock) as novita:
        (product,) = await novita.gpu.v2.products.list()
    assert product.price == (None if dollars is None else Decimal(dollars))


async def test_lists_follow_the_cursor_and_give_each_item_once(clock):
    pages = {
        "": {"data": [{"id": "a"}, {"id": "b"}], "next_cursor": "2", "has_more": True},
        "2": {"data": [{"id": "b"}, {"id": "c"}], "next_cursor": "3", "has_more": True, "total": 9},
        "3": {"data": [{"id": "d"}], "next_cursor": "4", "has_more": False},
    }

    def page(request):
        query = dict(part.split("=") for part in request.url.partition("?")[2].split("&"))
        return json_reply(pages[query.get("cursor", "")])

    server = Server(clock, page)
    async with connected(server, clock) as novita:
        listing = novita.gpu.v2.networks.list()
        assert [network.id async for network in listing] == ["a", "b", "c", "d"]
        assert [network.id async for network in listing] == ["a", "b", "c", "d"]
    assert len(server.requests) == 6


async def test_what_is_made_without_an_id_is_found_by_its_name(clock):
    listed = {"data": [{"id": "x", "name": "mined"}, {"id": "y", "name": "mine"}]}
    server = Server(clock, lambda request: {} if request.method == "POST" else listed)
    async with connected(server, clock) as novita:
        assert (await novita.gpu.v2.networks.create("c", name="mine")).id == "y"
        made = await novita.gpu.v2.endpoints.create("i", product_id="p", port=80, name="mine")
        assert made.id == "y"
        with pytest.raises(ProtocolError, match="its id is not told"):
            await novita.gpu.v2.networks.create("c")
        with pytest.raises(ProtocolError, match="its id is not told"):
            await novita.gpu.v2.endpoints.create("i", product_id="p", port=80, name="yours")


async def test_what_it_cannot_do_is_refused_and_says_who_can(sim):
    async with inside(sim) as novita:
        v2 = novita.gpu.v2
        for call in (
            lambda: v2.instances.list(product_name="4090"),
            lambda: v2.instances.upgrade("i", storages={}),
            lambda: v2.prewarms.quota(),
            lambda: v2.prewarms.set_note("p", "n"),
            lambda: v2.jobs.list(state="fail"),
        ):
            with pytest.raises(ValidationError, match=r"novita\.gpu\."):
                await call()
        with pytest.raises(ValidationError, match="image_auth_id"):
            await v2.instances.create(PRODUCT, image="i", image_auth="a:b")
        for bad in (
            lambda: v2.instances.set_auto_renew([], 1),
            lambda: v2.instances.set_auto_renew("i", 13),
            lambda: v2.endpoints.create("i", product_id="p", port=0, name="n"),
            lambda: v2.endpoints.create("i", product_id="p", port=1, name="n", type="both"),
            lambda: v2.prewarms.delete([]),
            lambda: v2.networks.get(".."),
            lambda: v2.images.list(type="public"),
        ):
            with pytest.raises(ValidationError):
                await bad()
    assert sim.requests == []


async def test_an_id_cannot_lead_elsewhere(clock):
    server = Server(clock, {"id": "i"})
    async with connected(server, clock) as novita:
        await novita.gpu.v2.instances.get("a/../b?c")
        with pytest.raises(ValidationError):
            await novita.gpu.v2.instances.get("..")
    assert server.requests[0].url.endswith("/gpus/v2/instances/a%2F..%2Fb%3Fc")


async def test_a_lost_order_is_looked_up_here_too(sim):
    sim.fault("POST", "/gpus/v2/instances", Drop.after_work(), Drop.after_work())
    async with inside(sim) as novita:
        made = await novita.gpu.v2.instances.create(PRODUCT, image="i", name="mine", recover=True)
        assert (await made.wait_until("running")).name == "mine"
        assert len(await novita.gpu.v2.instances.list()) == 1
        with pytest.raises(OutcomeUnknown):
            await novita.gpu.v2.instances.create(PRODUCT, image="i", name="other")
        with pytest.raises(NotFound):
            await novita.gpu.v2.instances.get("none")


async def test_many_are_watched_by_lists_here_too(sim):
    async with inside(sim) as novita:
        room = novita.gpu.v2.instances
        made = [await room.create(PRODUCT, image="i") for _ in range(20)]
        assert {instance.status for instance in await room.wait_all(made)} == {"running"}
    reads = [request.path for request in sim.requests if request.method == "GET"]
    assert reads.count("/gpus/v2/instances") > 0
    assert len(reads) < 60
