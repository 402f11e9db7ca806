from __future__ import annotations

from typing import Any

import pytest

from novita_async.catalog.gpu_life import GONE, LIFE
from novita_async.simulator import Outcome, Simulator

PREFIX = "/gpu-instance/openapi/v1"
ORDER: dict[str, Any] = {
    "name": "demo",
    "productId": "4090.16c62g.os",
    "gpuNum": 2,
    "rootfsSize": 60,
    "imageUrl": "example/app:1",
    "ports": "8000/http,3306/tcp",
    "kind": "gpu",
}


async def create(api, **change: Any) -> str:
    answer = await api("POST", f"{PREFIX}/gpu/instance/create", {**ORDER, **change})
    assert answer.status == 200, answer.body
    return answer.json()["id"]


async def detail(api, instance: str) -> Any:
    answer = await api("GET", f"{PREFIX}/gpu/instance?instanceId={instance}")
    assert answer.status == 200, answer.body
    return answer.json()


#: What operations want beside the id.
MORE: dict[str, dict[str, Any]] = {
    "upgrade": {
        "imageUrl": "example/app:2",
        "envs": [],
        "command": "",
        "entrypoint": "",
        "save": True,
        "networkVolume": {"volumeMounts": []},
    },
    "edit": {"expandRootDisk": 1},
    "renewInstance": {"month": 1},
    "transToMonthlyInstance": {"month": 1},
    "setAutoMigrate": {"autoMigrateOpen": True, "autoMigrateSystemDisk": False},
}


async def tell(api, instance: str, operation: str) -> Any:
    if operation == "setAutoRenew":
        body = {"instanceIds": [instance], "autoRenew": True, "autoRenewMonth": 1}
    else:
        body = {"instanceId": instance, **MORE.get(operation, {})}
    return await api("POST", f"{PREFIX}/gpu/instance/{operation}", body)


async def follow(clock, api, instance: str, count: int) -> list[str]:
    """The status now and after each of the next steps."""
    seen = []
    for number in range(count):
        if number:
            await clock.sleep(1)
        seen.append((await detail(api, instance))["status"])
    return seen


async def brought_to(clock, api, status: str) -> str:
    """An instance that has come to a stable or passing state by its own way."""
    instance = await create(api)
    if status not in LIFE["create"].path:
        await clock.sleep(3)
        operation = next(name for name, step in LIFE.items() if status in step.path)
        if operation == "start":
            await tell(api, instance, "stop")
            await clock.sleep(2)
        await tell(api, instance, operation)
    operation = next(step for step in LIFE.values() if status in step.path)
    await clock.sleep(operation.path.index(status))
    assert (await detail(api, instance))["status"] == status
    return instance


STATES = sorted({state for operation in LIFE.values() for state in operation.path} - {"removed", ""})


@pytest.mark.parametrize("status", STATES)
async def test_an_operation_is_possible_exactly_in_the_states_of_the_table(clock, api, gpu_contract, status):
    for operation, rule in LIFE.items():
        if operation in ("create", "saveImage"):
            continue
        instance = await brought_to(clock, api, status)
        answer = await tell(api, instance, operation)
        possible = rule.allowed is None or (status in rule.allowed and status not in GONE)
        possible = possible and (not rule.billing or "onDemand" in rule.billing)
        assert answer.status == (200 if possible else 400), (operation, answer.body)
        if not possible:
            gpu_contract.check("Error", answer.json())
            early = operation == "renewInstance" and status in LIFE["create"].path[:-1]
            assert answer.json()["reason"] == ("CREATING_INSTANCE_NOT_SUPPORT_RENEWAL" if early else "OPERATION_LIMIT")
        if not possible or not rule.path:
            assert (await detail(api, instance))["status"] == status
        elif status not in GONE:
            assert answer.json() == {}
            path = [state or status for state in rule.path]
            assert await follow(clock, api, instance, len(path)) == path


async def test_a_new_instance_comes_up_step_by_step_and_stays(clock, api):
    instance = await create(api)
    assert await follow(clock, api, instance, 6) == ["toCreate", "creating", "pulling", "running", "running", "running"]


async def test_a_removed_instance_is_seen_for_a_while_and_then_unknown(clock, api):
    instance = await create(api)
    await tell(api, instance, "delete")
    await clock.sleep(2)
    assert (await detail(api, instance))["status"] == "removed"
    assert (await api("GET", f"{PREFIX}/gpu/instances?pageNum=1&pageSize=5")).json() == {"instances": [], "total": 0}
    await clock.sleep(60)
    answer = await api("GET", f"{PREFIX}/gpu/instance?instanceId={instance}")
    assert (answer.status, answer.json()["reason"]) == (400, "RESOURCE_NOT_FOUND")


async def test_details_and_lists_fit_the_contract(clock, api, gpu_contract):
    instance = await create(api, tools=[{"name": "Jupyter", "port": "8888", "type": "http"}], billingMode="spot")
    for _ in range(4):
        gpu_contract.check("Instance", await detail(api, instance))
        listed = (await api("GET", f"{PREFIX}/gpu/instances?pageNum=1&pageSize=5")).json()
        gpu_contract.check("InstanceListItem", listed["instances"][0])
        await clock.sleep(1)


async def test_numbers_are_text_where_the_platform_has_them_so(api):
    found = await detail(api, await create(api))
    assert (found["cpuNum"], found["memory"], found["gpuNum"]) == ("32", "124", "2")
    assert (found["endTime"], found["spotReclaimTime"], found["instancePrice"]) == ("-1", "0", "70000")
    assert (found["rootfsSize"], found["spotStatus"]) == (60, "")
    assert (await detail(api, await create(api, rootfsSize=3)))["rootfsSize"] == 10
    assert (await detail(api, await create(api, billingMode="spot")))["spotStatus"] == "running"


async def test_an_instance_can_be_reached_while_it_runs_by_another_way_after_each_start(clock, api):
    instance = await create(api)
    before = await detail(api, instance)
    assert [mapping["endpoint"] for mapping in before["portMappings"]] == ["", ""]
    assert before["connectComponentSSH"] == {"sshCommand": "", "password": "", "isRunning": False}
    await clock.sleep(3)
    up = await detail(api, instance)
    http, tcp = up["portMappings"]
    assert http == {
        "port": 8000,
        "type": "http",
        "endpoint": f"https://{instance}-8000.us-01.gpu-instance.novita.simulator",
    }
    assert tcp["endpoint"].startswith("proxy.us-01.gpu-instance.novita.simulator:")
    assert up["connectComponentSSH"]["isRunning"]
    listed = (await api("GET", f"{PREFIX}/gpu/instances?pageNum=1&pageSize=5")).json()["instances"][0]
    assert all("endpoint" not in mapping for mapping in listed["portMappings"])
    await tell(api, instance, "restart")
    await clock.sleep(2)
    again = await detail(api, instance)
    assert again["connectComponentSSH"]["isRunning"]
    assert again["connectComponentSSH"] != up["connectComponentSSH"]


async def test_a_failing_operation_ends_in_exited_with_its_reason(clock, sim, api):
    path = f"{PREFIX}/gpu/instance"
    sim.fault("POST", f"{path}/create", Outcome.failed("image pull failed"))
    instance = await create(api)
    assert (await detail(api, instance))["statusError"] == {"state": "", "message": ""}
    assert await follow(clock, api, instance, 4) == ["toCreate", "creating", "pulling", "exited"]
    assert (await detail(api, instance))["statusError"] == {"state": "createFailed", "message": "image pull failed"}
    assert (await tell(api, instance, "start")).status == 200
    assert await follow(clock, api, instance, 3) == ["toStart", "starting", "running"]
    assert (await detail(api, instance))["statusError"]["message"] == ""


async def test_an_instance_can_come_to_a_state_that_nobody_knows(clock, sim, api):
    sim.fault("POST", f"{PREFIX}/gpu/instance/create", Outcome.unknown("pending", after=30))
    instance = await create(api)
    await clock.sleep(29)
    assert (await detail(api, instance))["status"] == "pulling"
    await clock.sleep(1)
    assert (await detail(api, instance))["status"] == "pending"


async def test_products_fit_the_contract_and_have_every_stock_state(api, gpu_contract):
    products = (await api("GET", f"{PREFIX}/products")).json()["data"]
    for product in products:
        gpu_contract.check("GpuProduct", product)
        assert isinstance(product["spotPrice"], str)
        assert product["availableDeploy"] is (product["inventoryState"] != "none")
    assert {product["inventoryState"] for product in products} == {"none", "low", "normal", "high"}


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("productName=409", ["RTX 4090 24GB"]),
        ("clusterId=as-03", ["RTX 4090 24GB", "RTX 3090 24GB", "A100 SXM 80GB"]),
        ("minCpuPerGpu=20", ["A100 SXM 80GB", "H100 SXM 80GB", "H200 SXM 141GB"]),
        ("minMemoryPerGpu=200", ["H100 SXM 80GB", "H200 SXM 141GB"]),
        ("billingMethod=spot&productName=ada", []),
        ("billingMethod=monthly&productName=ada", ["RTX 6000 Ada 48GB"]),
    ],
)
async def test_products_can_be_narrowed_down(api, query, names):
    answer = (await api("GET", f"{PREFIX}/products?{query}")).json()
    assert [product["name"] for product in answer["data"]] == names


async def test_products_tell_whether_so_many_cards_can_be_had(api):
    found = (await api("GET", f"{PREFIX}/products?gpuNum=8")).json()["data"]
    assert [product["name"] for product in found if product["availableDeploy"]] == ["RTX 4090 24GB"]


REFUSED = [
    ({"productId": "h200.24c200g.sxm"}, "INSUFFICIENT_RESOURCE"),
    ({"productId": "h100.26c225g.sxm", "gpuNum": 2}, "INSUFFICIENT_RESOURCE"),
    ({"productId": "l40s.16c125g.os", "gpuNum": 1, "clusterId": "eu-02"}, "INSUFFICIENT_RESOURCE"),
    ({"productId": "nothing"}, "RESOURCE_NOT_FOUND"),
    ({"clusterId": "nowhere"}, "RESOURCE_NOT_FOUND"),
    ({"networkId": "n"}, "NETWORK_NOT_FOUND"),
    ({"networkStorages": [{"Id": "s", "mountPoint": "/network"}]}, "NETWORK_STORAGE_NOT_FOUND"),
    ({"productId": "rtx6000ada.16c96g.os", "gpuNum": 1, "billingMode": "spot"}, "UNSUPPORTED_BILLING_MODE"),
    ({"gpuNum": 9}, "VALIDATOR_PARAM"),
    ({"kind": "tpu"}, "VALIDATOR_PARAM"),
    ({"imageUrl": ""}, "VALIDATOR_PARAM"),
    ({"rootfsSize": 7000}, "VALIDATOR_PARAM"),
    ({"ports": "2222/tcp"}, "VALIDATOR_PARAM"),
    ({"ports": "80"}, "VALIDATOR_PARAM"),
    ({"ports": "70000/tcp"}, "VALIDATOR_PARAM"),
    ({"ports": ",".join(f"{port}/tcp" for port in range(80, 96))}, "VALIDATOR_PARAM"),
]


@pytest.mark.parametrize(("change", "reason"), REFUSED)
async def test_orders_that_cannot_be_met_are_refused_with_400(api, gpu_contract, change, reason):
    answer = await api("POST", f"{PREFIX}/gpu/instance/create", {**ORDER, **change})
    assert (answer.status, answer.json()["code"], answer.json()["reason"]) == (400, 400, reason)
    gpu_contract.check("Error", answer.json())
    assert (await api("GET", f"{PREFIX}/gpu/instances?pageNum=1&pageSize=5")).json()["total"] == 0


async def test_unknown_instances_are_a_400(api):
    for operation in ("start", "stop", "restart", "delete"):
        answer = await tell(api, "nobody", operation)
        assert (answer.status, answer.json()["reason"]) == (400, "RESOURCE_NOT_FOUND")
    answer = await api("GET", f"{PREFIX}/gpu/instance?instanceId=nobody")
    assert (answer.status, answer.json()["reason"]) == (400, "RESOURCE_NOT_FOUND")
    assert (await api("GET", f"{PREFIX}/gpu/instance")).json()["reason"] == "VALIDATOR_PARAM"
    assert (await api("POST", f"{PREFIX}/gpu/instance/stop", {})).json()["reason"] == "VALIDATOR_PARAM"


async def test_a_monthly_instance_cannot_be_deleted(clock, api):
    instance = await create(api, month=2)
    found = await detail(api, instance)
    assert found["billingMode"] == "monthly"
    assert int(found["endTime"]) == int(clock.time()) + 60 * 86400
    assert (await tell(api, instance, "delete")).json()["reason"] == "PREPAID_INSTANCE_NOT_SUPPORT_RELEASE"


async def test_lists_are_paged_from_1_and_narrowed_down(clock, api):
    instances = [await create(api, name=f"worker-{number}", gpuNum=1) for number in range(5)]
    await clock.sleep(3)
    await tell(api, instances[0], "stop")

    async def listed(query: str) -> list[str]:
        answer = (await api("GET", f"{PREFIX}/gpu/instances?{query}")).json()
        return [f"{item['name'][-1]}" for item in answer["instances"]] + [answer["total"]]

    assert await listed("pageNum=1&pageSize=2") == ["4", "3", 5]
    assert await listed("pageNum=3&pageSize=2") == ["0", 5]
    assert await listed("pageNum=4&pageSize=2") == [5]
    assert await listed("pageNum=0&pageSize=2") == ["4", "3", 5]
    assert await listed("pageNum=1&pageSize=9&name=WORKER-2") == ["2", 1]
    assert await listed("pageNum=1&pageSize=9&status=toStop") == ["0", 1]
    assert await listed("pageNum=1&pageSize=9&productName=h100") == [0]
    assert (await api("GET", f"{PREFIX}/gpu/instances?pageNum=x")).json()["reason"] == "VALIDATOR_PARAM"


async def test_steps_can_take_no_time_at_all(clock, api):
    async with Simulator(clock=clock, gpu_step_seconds=0) as quick:
        client = type(api)(quick)
        assert (await detail(client, await create(client)))["status"] == "running"
