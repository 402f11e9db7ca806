"""Version 2 in the words of version 1: what the newer API writes, laid out as the older one does.

So both have the same types: their fields mean the same, whatever they are called (contract/gpu.md 1). Only `raw` is as
it came.
"""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any, cast

from ...runtime.arguments import given

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = [
    "BILLINGS",
    "cluster",
    "cpu_product",
    "endpoint",
    "endpoint_body",
    "instance",
    "job",
    "network",
    "order",
    "ports_body",
    "prewarm",
    "product",
    "template",
    "template_body",
]

#: How an instance is paid for, by the older names.
BILLINGS = {"onDemand": "postpaid", "monthly": "prepaid", "spot": "spot"}
_OLD_BILLINGS = {new: old for old, new in BILLINGS.items()}
_FINE = 100_000  # the older API's prices are in 1/100000 dollars


def _of(value: Any) -> dict[str, Any]:
    return cast("dict[str, Any]", value) if isinstance(value, dict) else {}


def _all(value: Any) -> list[Any]:
    return cast("list[Any]", value) if isinstance(value, list) else []


def _state(value: Any, *, message: str = "errorMessage") -> dict[str, Any]:
    """A state, which the newer API has in an object with its error."""
    if isinstance(value, str):
        return {"state": value}
    told = _of(value)
    return given(state=told.get("status"), error=told.get("error"), **{message: told.get("message")})


# ----------------------------------------------------------------------------------------------------- read


def cluster(region: dict[str, Any]) -> dict[str, Any]:
    """A region."""
    return given(id=region.get("id"), name=region.get("name"), availableGpuType=region.get("gpus"))


def instance(new: dict[str, Any]) -> dict[str, Any]:
    """An instance."""
    status, billing, specs = _of(new.get("status")), _of(new.get("billing")), _of(new.get("resource_specs"))
    tools = _of(new.get("tools"))
    ssh, jupyter = _of(tools.get("ssh")), _of(tools.get("jupyter"))
    terminal, log = _of(tools.get("web_terminal")), _of(tools.get("log"))
    mode = billing.get("mode")
    return given(
        id=new.get("id"),
        name=new.get("name"),
        status=new.get("status") if isinstance(new.get("status"), str) else status.get("status"),
        statusError=given(state=status.get("error"), message=status.get("message")) or None,
        kind=new.get("type"),
        productId=new.get("product_id"),
        clusterId=new.get("region"),
        imageUrl=new.get("image"),
        imageAuthId=new.get("registry_auth_id"),
        command=new.get("command"),
        entrypoint=new.get("entrypoint"),
        billingMode=_OLD_BILLINGS.get(mode, mode) if isinstance(mode, str) else None,
        endTime=_of(billing.get("prepaid")).get("end_time"),
        rootfsSize=specs.get("rootfs_size_gb"),
        gpuNum=specs.get("gpu_num"),
        cpuNum=specs.get("cpu_num"),
        memory=specs.get("memory_gb"),
        envs=new.get("envs"),
        portMappings=_ports(new.get("ports")),
        network=new.get("network"),
        volumeMounts=[
            given(type=volume.get("type"), id=volume.get("id"), mountPath=volume.get("mount_point"))
            for volume in map(_of, _all(new.get("volumes")))
        ],
        connectComponentSSH={"sshCommand": ssh.get("command"), "password": ssh.get("password")} if ssh else None,
        connectComponentJupyter=(
            {"address": jupyter.get("endpoint"), "port": jupyter.get("port"), "isRunning": jupyter.get("enabled")}
            if jupyter
            else None
        ),
        connectComponentWebTerminal=(
            {
                "address": terminal.get("endpoint"),
                "username": terminal.get("username"),
                "password": terminal.get("password"),
                "isRunning": terminal.get("enabled"),
            }
            if terminal
            else None
        ),
        connectComponentLog=(
            {"systemLogAddress": log.get("system_endpoint"), "instanceLogAddress": log.get("instance_endpoint")}
            if log
            else None
        ),
        createdAt=new.get("created_at"),
        lastStartedAt=new.get("last_started_at"),
        lastStoppedAt=new.get("last_stopped_at"),
    )


def _ports(ports: Any) -> list[dict[str, Any]]:
    return [
        given(port=port.get("port"), type=port.get("protocol"), endpoint=port.get("endpoint"))
        for port in map(_of, _all(ports))
    ]


def product(new: dict[str, Any]) -> dict[str, Any]:
    """An offer with a card. Its prices are finer or coarser than the older API's, as it says itself."""
    spec, pricing = _of(new.get("resource_spec")), _of(new.get("pricing"))
    card, disk = _of(spec.get("gpu")), _of(spec.get("rootfs"))
    methods = [_OLD_BILLINGS.get(method, method) for method in _all(new.get("billing_methods"))]
    return given(
        id=new.get("id"),
        name=new.get("name") or card.get("name"),
        cpuPerGpu=spec.get("cpu"),
        memoryPerGpu=spec.get("memory_gb"),
        availableDeploy=new.get("deployable"),
        regions=new.get("region_ids"),
        billingMethods=methods or None,
        inventoryState=new.get("inventory_state"),
        minRootFS=disk.get("min_gb"),
        maxRootFS=disk.get("max_gb"),
        price=_price(pricing, pricing.get("postpaid")),
        spotPrice=_price(pricing, pricing.get("spot")),
        monthlyPrice=[
            given(month=offer.get("duration_months"), price=_price(pricing, offer))
            for offer in map(_of, _all(pricing.get("prepaid")))
        ],
    )


def cpu_product(new: dict[str, Any]) -> dict[str, Any]:
    """An offer without a card."""
    spec, pricing = _of(new.get("resource_spec")), _of(new.get("pricing"))
    return given(
        id=new.get("id"),
        name=new.get("name"),
        cpuNum=spec.get("cpu"),
        memorySize=spec.get("memory_gb"),
        rootfsSize=_of(spec.get("rootfs")).get("free_gb"),
        availableDeploy=new.get("deployable"),
        price=_price(pricing, pricing.get("postpaid")),
    )


def _price(pricing: Mapping[str, Any], price: Any) -> str | None:
    """`final_price / 10^precision` dollars, in 1/100000 of them."""
    told = _of(price).get("final_price")
    if told in (None, ""):
        return None
    try:
        return str(Decimal(str(told)) / 10 ** int(pricing.get("precision") or 0) * _FINE)
    except (InvalidOperation, ValueError):
        return None


def template(new: dict[str, Any]) -> dict[str, Any]:
    """A template."""
    kinds: dict[str, list[int]] = {}
    for port in map(_of, _all(new.get("ports"))):
        kinds.setdefault(str(port.get("protocol") or "tcp"), []).append(port.get("port") or 0)
    return given(
        id=new.get("id") or new.get("template_id"),
        name=new.get("name"),
        type=new.get("type"),
        channel=new.get("visibility"),
        image=new.get("image"),
        imageAuth=new.get("registry_auth_id"),
        startCommand=new.get("command"),
        entrypoint=new.get("entrypoint"),
        rootfsSize=new.get("rootfs_size_gb"),
        minCudaVersion=new.get("min_cuda_version"),
        envs=new.get("envs"),
        readme=_of(new.get("metadata")).get("readme"),
        ports=[{"type": kind, "ports": ports} for kind, ports in kinds.items()],
        createdAt=new.get("created_at"),
    )


def network(new: dict[str, Any]) -> dict[str, Any]:
    """A network. More fields than these are not known."""
    return given(
        id=new.get("id"),
        name=new.get("name"),
        user=new.get("owner_id"),
        clusterId=new.get("region_id"),
        segment=new.get("segment"),
        state=_state(new.get("status")),
    )


def prewarm(new: dict[str, Any]) -> dict[str, Any]:
    """A task that fetches an image."""
    state = str(_state(new.get("status")).get("state") or "")
    return given(
        id=new.get("task_id") or new.get("id"),
        state=state.capitalize(),
        imageName=new.get("name"),
        imageUrl=new.get("image"),
        repositoryAuth=new.get("registry_auth_id"),
        clusterId=new.get("region_id"),
        products=[{"productId": id_} for id_ in _all(new.get("product_ids"))],
        imageSize=new.get("image_size"),
        createTime=new.get("created_at"),
        completeTime=new.get("completed_at"),
        note=new.get("note"),
        reason=new.get("reason"),
    )


def job(new: dict[str, Any]) -> dict[str, Any]:
    """A job. Its variables are text such as "A=1"."""
    envs = [str(env).partition("=") for env in _all(new.get("envs"))]
    return given(
        id=new.get("id"),
        type=new.get("type"),
        instanceId=new.get("instance_id"),
        state=_state(new.get("status")),
        envs=[{"key": key, "value": value} for key, _, value in envs],
        createdAt=new.get("created_at"),
    )


def endpoint(new: dict[str, Any]) -> dict[str, Any]:
    """A serverless endpoint."""
    workers = _of(new.get("worker_config"))
    return given(
        id=new.get("id"),
        name=new.get("name"),
        appName=new.get("app_name"),
        state=_state(new.get("status"), message="message"),
        url=new.get("url"),
        workerConfig=given(
            minNum=workers.get("min_replicas"),
            maxNum=workers.get("max_replicas"),
            freeTimeout=workers.get("idle_timeout"),
            maxConcurrent=workers.get("max_concurrent_per_worker"),
            gpuNum=workers.get("gpu_num"),
            requestTimeout=workers.get("request_timeout"),
            cudaVersion=workers.get("min_cuda_version"),
        ),
        policy=new.get("policy"),
        image=given(image=new.get("image"), authId=new.get("registry_auth_id"), command=new.get("command")),
        rootfsSize=workers.get("rootfs_size_gb"),
        volumeMounts=[
            given(type=it.get("type"), size=it.get("size"), id=it.get("id"), mountPath=it.get("mount_point"))
            for it in map(_of, _all(new.get("volumes")))
        ],
        envs=new.get("envs"),
        ports=[{"port": port} for port in _all(new.get("ports"))],
        workers=[
            given(
                id=it.get("id"),
                state=_state(it.get("status"), message="message"),
                log=it.get("log"),
                healthy=it.get("health"),
            )
            for it in map(_of, _all(new.get("workers")))
        ],
        products=[{"id": new.get("product_id")}] if new.get("product_id") else None,
        healthy=given(path=_of(new.get("health_check")).get("path")),
        clusterID=new.get("region_id"),
        createdAt=new.get("created_at"),
    )


# -------------------------------------------------------------------------------------------------- written


def order(product_id: str, old: Mapping[str, Any]) -> dict[str, Any]:
    """An order, from the body that the older API would get."""
    mode = old.get("billingMode") or ("monthly" if old.get("month") else "onDemand")
    billing: dict[str, Any] = {"mode": BILLINGS[mode]}
    if billing["mode"] == "prepaid":
        renew = {"enabled": True, "months": old["autoRenewMonth"]} if old.get("autoRenew") else None
        billing["prepaid"] = given(months=old.get("month") or 1, auto_renew=renew)
    jupyter = next(iter(old.get("tools") or ()), None)
    storages = old.get("networkStorages") or ()
    return given(
        name=old.get("name"),
        type=old.get("kind"),
        product_id=product_id,
        image=old.get("imageUrl"),
        billing=billing,
        resource=given(
            rootfs_size_gb=old.get("rootfsSize") or 60,
            gpu_num=old.get("gpuNum"),
            min_cuda_version=old.get("minCudaVersion"),
        ),
        registry_auth_id=old.get("imageAuthId"),
        entrypoint=old.get("entrypoint"),
        command=old.get("command"),
        envs=old.get("envs"),
        ports=ports_body(old.get("ports") or "") or None,
        network={"id": old["networkId"]} if old.get("networkId") else None,
        volumes=[{"type": "network", "id": it["Id"], "mount_point": it["mountPoint"]} for it in storages] or None,
        candidate_regions=[old["clusterId"]] if old.get("clusterId") else None,
        tools={"jupyter": {"enabled": True, "port": int(jupyter["port"]), "protocol": "http"}} if jupyter else None,
    )


def ports_body(text: str) -> list[dict[str, Any]]:
    """Ports of an order, from the one text that the older API has."""
    pairs = [it.partition("/") for it in text.split(",") if it]
    return [{"port": int(port), "protocol": protocol} for port, _, protocol in pairs]


def template_body(old: Mapping[str, Any]) -> dict[str, Any]:
    """A template, from what the older API would get."""
    ports = [{"port": port, "protocol": group["type"]} for group in old.get("ports") or () for port in group["ports"]]
    return given(
        name=old.get("name"),
        type=old.get("type"),
        image=old.get("image"),
        registry_auth_id=old.get("imageAuth"),
        command=old.get("startCommand"),
        entrypoint=old.get("entrypoint"),
        rootfs_size_gb=old.get("rootfsSize"),
        ports=ports or None,
        envs=old.get("envs"),
        metadata={"readme": old["readme"]} if old.get("readme") else None,
        min_cuda_version=old.get("minCudaVersion"),
    )


def endpoint_body(old: Mapping[str, Any]) -> dict[str, Any]:
    """The settings of an endpoint, from those that the older API would get."""
    workers, image = _of(old.get("workerConfig")), _of(old.get("image"))
    products = _all(old.get("products"))
    port = next((int(it["port"]) for it in _all(old.get("ports"))), None)
    path = _of(old.get("healthy")).get("path")
    return given(
        name=old.get("name"),
        app_name=old.get("appName"),
        product_id=products[0]["id"] if products else None,
        image=image.get("image"),
        registry_auth_id=image.get("authId"),
        command=image.get("command"),
        worker_config=given(
            min_replicas=workers.get("minNum"),
            max_replicas=workers.get("maxNum"),
            idle_timeout=workers.get("freeTimeout"),
            max_concurrent_per_worker=workers.get("maxConcurrent"),
            gpu_num=workers.get("gpuNum"),
            rootfs_size_gb=old.get("rootfsSize"),
            min_cuda_version=workers.get("cudaVersion"),
            request_timeout=workers.get("requestTimeout"),
        )
        or None,
        policy=old.get("policy"),
        volumes=[
            given(type=it.get("type"), id=it.get("id"), size=it.get("size"), mount_point=it.get("mountPath"))
            for it in map(_of, _all(old.get("volumeMounts")))
        ]
        or None,
        envs=old.get("envs"),
        ports=None if port is None else [port],
        health_check=given(path=path, port=port) if path else None,
        region_id=old.get("clusterID"),
    )
