"""The order of an instance: checked, and laid out as v1 wants it (contract/gpu.openapi.yaml, createInstance)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypedDict

from ..runtime.arguments import given
from .checks import Findings
from .ports import parsed
from .products import BILLINGS, Billing, CPUProduct, Product

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from .ports import PortLike

__all__ = ["JUPYTER_PORT", "Order", "ids_of", "order_body", "written_envs"]

JUPYTER_PORT = 8888
MOST_STORAGES = 30


class Order(TypedDict, total=False):
    """What `instances.create` takes, in short for those that pass it on."""

    gpu_num: int
    rootfs_size: int
    name: str | None
    ports: Sequence[PortLike]
    envs: Mapping[str, str] | None
    command: str | None
    entrypoint: str | None
    cluster_id: str | None
    billing: Billing | None
    months: int | None
    auto_renew_months: int | None
    jupyter: bool | int
    storages: Mapping[str, str] | None
    network_id: str | None
    image_auth: str | None
    image_auth_id: str | None
    min_cuda_version: str | None
    extra_body: Mapping[str, Any] | None
    extra_headers: Mapping[str, str] | None


def ids_of(products: str | Product | CPUProduct | Sequence[str | Product]) -> list[str]:
    """The ids of one product or of several, in order."""
    several = [products] if isinstance(products, str | Product | CPUProduct) else products
    return [product if isinstance(product, str) else product.id for product in several]


def written_envs(envs: Mapping[str, str]) -> list[dict[str, str]]:
    """Variables as the wire has them."""
    return [{"key": key, "value": value} for key, value in envs.items()]


def order_body(
    products: list[str],
    *,
    kind: str,
    image: str,
    gpu_num: int | None = None,
    rootfs_size: int | None = None,
    name: str | None = None,
    ports: Sequence[PortLike] = (),
    envs: Mapping[str, str] | None = None,
    command: str | None = None,
    entrypoint: str | None = None,
    cluster_id: str | None = None,
    billing: str | None = None,
    months: int | None = None,
    auto_renew_months: int | None = None,
    jupyter: bool | int = False,
    storages: Mapping[str, str] | None = None,
    network_id: str | None = None,
    image_auth: str | None = None,
    image_auth_id: str | None = None,
    min_cuda_version: str | None = None,
    local_mount: str | None = None,
) -> dict[str, Any]:
    """Check an order and give its body, but for the product.

    Raises:
        ValidationError: everything that is wrong with it.
    """
    findings = Findings()
    if not products:
        findings.add("there is no product to choose from")
    for product in products:
        findings.text("product_id", product, most=255)
    findings.text("image", image, most=500)
    findings.number("gpu_num", gpu_num, least=1, most=8)
    findings.number("rootfs_size", rootfs_size, least=10, most=6144, unit=" GB")
    findings.text("name", name, least=0, most=255)
    findings.text("command", command, least=0, most=2047)
    findings.text("entrypoint", entrypoint, least=0, most=2047)
    findings.choice("billing", billing, BILLINGS)
    findings.number("months", months, least=1)
    findings.number("auto_renew_months", auto_renew_months, least=1, most=12)
    if auto_renew_months and not months and billing != "monthly":
        findings.add("auto_renew_months is for instances that are monthly")
    if months and billing not in (None, "monthly"):
        findings.add(f"months makes an instance monthly, and billing is {billing!r}")
    if image_auth is not None and ":" not in image_auth:
        findings.add("image_auth must be 'user:password'")  # and is not shown
    opened = parsed(ports, findings, tools=1 if jupyter else 0)
    port = JUPYTER_PORT if jupyter is True else int(jupyter)
    if jupyter and (not 1 <= port <= 65535 or port in (2222, 2223, 2224)):
        findings.add(f"jupyter must be True or a usable port, got {jupyter}")
    elif port in [each.port for each in opened]:
        findings.add(f"port {port} is Jupyter's, and among the ports too")
    findings.envs(envs)
    if storages and len(storages) > MOST_STORAGES:
        findings.add(f"at most {MOST_STORAGES} storages, got {len(storages)}")
    for path in (storages or {}).values():
        findings.text("the path of a storage", path, most=4095)
    findings.text("local_mount", local_mount, most=4095)
    findings.end()
    return given(
        imageUrl=image,
        gpuNum=gpu_num,
        rootfsSize=rootfs_size,
        kind=kind,
        name=name,
        ports=",".join(str(port) for port in opened) or None,
        envs=written_envs(envs) if envs else None,
        tools=[{"name": "Jupyter", "port": str(port), "type": "http"}] if jupyter else None,
        command=command,
        entrypoint=entrypoint,
        clusterId=cluster_id,
        networkStorages=[{"Id": id_, "mountPoint": path} for id_, path in storages.items()] if storages else None,
        networkId=network_id,
        month=months,
        billingMode=billing,
        autoRenew=True if auto_renew_months else None,
        autoRenewMonth=auto_renew_months,
        imageAuth=image_auth,
        imageAuthId=image_auth_id,
        minCudaVersion=min_cuda_version,
        localStorageMountPoint=local_mount,
    )
