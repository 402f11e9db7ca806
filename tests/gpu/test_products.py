"""`gpu.products`: what can be ordered, in dollars."""

from __future__ import annotations

from decimal import Decimal

import pytest
from helpers import Server, connected, inside

from novita_async.errors import ProtocolError, ValidationError


async def test_products_have_prices_in_dollars_and_sizes_in_gigabytes(sim):
    async with inside(sim) as novita:
        products = {product.id: product for product in await novita.gpu.products.list()}
    product = products["4090.16c62g.os"]
    assert (product.price, product.spot_price) == (Decimal("0.35"), Decimal("0.18"))
    assert isinstance(product.price, Decimal)
    assert (product.cpu_per_gpu, product.memory_per_gpu, product.min_rootfs) == (16, 62, 10)
    assert product.available
    assert not products["h200.24c200g.sxm"].available
    assert product.raw["price"] == 35000


async def test_they_can_be_narrowed_down(sim):
    async with inside(sim) as novita:
        found = await novita.gpu.products.list(name="h100", cluster_id="us-01", gpu_num=1, billing="spot", timeout=5)
        assert [product.name for product in found] == ["H100 SXM 80GB"]
    assert sim.requests[0].query == {
        "productName": "h100",
        "clusterId": "us-01",
        "gpuNum": "1",
        "billingMethod": "spot",
    }


@pytest.mark.parametrize(
    ("price", "dollars"), [(67000, "0.67"), ("67000", "0.67"), (1, "0.00001"), ("", None), (None, None), ("?", None)]
)
async def test_a_price_is_a_decimal_whatever_its_form(clock, price, dollars):
    server = Server(clock, {"data": [{"id": "p", "name": "n", "price": price}]})
    async with connected(server, clock) as novita:
        (product,) = await novita.gpu.products.list()
    assert product.price == (None if dollars is None else Decimal(dollars))
    assert product.spot_price is None


async def test_nonsense_and_bad_timeouts_are_refused(clock):
    server = Server(clock, {"products": []})
    async with connected(server, clock) as novita:
        with pytest.raises(ValidationError, match="timeout"):
            await novita.gpu.products.list(timeout=-1)
        assert server.requests == []
        with pytest.raises(ProtocolError, match="data"):
            await novita.gpu.products.list()
