"""The settings of a serverless endpoint as create and update send them (contract/gpu.md 9), and what they may be."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, cast

import msgspec

from ..errors import ValidationError
from ..runtime.arguments import given
from .serverless_types import ConcurrencyPolicy, QueuePolicy, ScalingPolicy

__all__ = ["Settings", "creation", "replacement"]

_APP_NAME = re.compile(r"[a-z0-9-]+")
_LOCAL_GB = 30  # the one size that a local volume has
_ROOTFS_GB = 100  # and the container's disk
_LONGEST = {"name": 220, "image": 511, "image_auth_id": 255, "command": 2047}
_LEAST = {"min_workers": 0, "max_workers": 1, "idle_timeout": 0, "concurrency": 1, "gpu_num": 1, "request_timeout": 1}
_MOST_GPUS = 8
_NO_CLUSTER = "cluster_id is needed with a network storage, which is tied to its region"
#: By their names on the wire; those of workers and images are one level down.
_WORKERS = {
    "min_workers": "minNum",
    "max_workers": "maxNum",
    "idle_timeout": "freeTimeout",
    "concurrency": "maxConcurrent",
    "gpu_num": "gpuNum",
    "request_timeout": "requestTimeout",
    "cuda_version": "cudaVersion",
}
_IMAGE = {"image": "image", "image_auth_id": "authId", "command": "command"}
#: What an update has in full. A page leaves out the last two, and another client sends them all the same.
_REPLACED = (
    *("name", "clusterID", "workerConfig", "ports", "policy", "image", "volumeMounts", "envs", "healthy"),
    *("rootfsSize", "products"),
)


class Settings(msgspec.Struct, kw_only=True):
    """The settings that a call names, None for those that it does not. See `Serverless.create`."""

    name: str | None = None
    app_name: str | None = None
    image: str | None = None
    image_auth_id: str | None = None
    command: str | None = None
    product_ids: Sequence[str] | None = None
    port: int | None = None
    policy: ScalingPolicy | None = None
    min_workers: int | None = None
    max_workers: int | None = None
    idle_timeout: int | None = None
    concurrency: int | None = None
    gpu_num: int | None = None
    request_timeout: int | None = None
    cuda_version: str | None = None
    envs: Mapping[str, str] | None = None
    volumes: Mapping[str, str | None] | None = None
    cluster_id: str | None = None
    health_path: str | None = None


def creation(settings: Settings) -> dict[str, Any]:
    """The settings of a new endpoint.

    Raises:
        ValidationError: everything that is wrong with them.
    """
    problems = _problems(settings)
    if any((settings.volumes or {}).values()) and not settings.cluster_id:
        problems.append(_NO_CLUSTER)
    if problems:
        raise ValidationError(*problems)
    return {"rootfsSize": _ROOTFS_GB, **_wire(settings)}


def replacement(id_: str, current: Mapping[str, Any], settings: Settings) -> dict[str, Any]:
    """An endpoint's settings in full: as they were read, with those in their places that are to change.

    Raises:
        ValidationError: everything that is wrong with what they would be.
    """
    if problems := _problems(settings):
        raise ValidationError(*problems)
    body: dict[str, Any] = {name: current[name] for name in _REPLACED if current.get(name) is not None}
    workers = {name: _as_number(value) for name, value in _one(body.get("workerConfig")).items()}
    wanted = _wire(settings)
    body["workerConfig"] = workers | wanted.pop("workerConfig", {})
    body["image"] = _one(body.get("image")) | wanted.pop("image", {})
    body["healthy"] = _one(body.get("healthy")) | wanted.pop("healthy", {})
    policy = _one(body.get("policy"))
    body["policy"] = {name: _as_number(value) if name == "value" else value for name, value in policy.items()}
    body["ports"] = [{"port": str(port.get("port", ""))} for port in body.get("ports") or ()]
    body["volumeMounts"] = [
        {name: _as_number(value) if name == "size" else value for name, value in mount.items()}
        for mount in body.get("volumeMounts") or ()
    ]
    body |= wanted
    least, most = body["workerConfig"].get("minNum"), body["workerConfig"].get("maxNum")
    if isinstance(least, int) and isinstance(most, int) and least > most:
        raise ValidationError(f"min_workers would be {least}, more than max_workers, which is {most}")
    if current and any((settings.volumes or {}).values()) and not body.get("clusterID"):
        raise ValidationError(_NO_CLUSTER)
    return {"id": id_, **body}


def _wire(settings: Settings) -> dict[str, Any]:
    """What is set, under the names of the wire."""

    def those(names: Mapping[str, str]) -> dict[str, Any] | None:
        return given(**{wire: getattr(settings, name) for name, wire in names.items()}) or None

    policy, volumes, envs = settings.policy, settings.volumes, settings.envs
    return given(
        name=settings.name,
        appName=settings.app_name,
        workerConfig=those(_WORKERS),
        ports=None if settings.port is None else [{"port": str(settings.port)}],
        policy=None if policy is None else _policy(policy),
        image=those(_IMAGE),
        products=None if settings.product_ids is None else [{"id": product} for product in settings.product_ids],
        volumeMounts=None if volumes is None else [_mount(path, storage) for path, storage in volumes.items()],
        clusterID=settings.cluster_id,
        envs=None if envs is None else [{"key": key, "value": value} for key, value in envs.items()],
        healthy=None if settings.health_path is None else {"path": settings.health_path},
    )


def _mount(path: str, storage: str | None) -> dict[str, Any]:
    if storage is None:
        return {"type": "local", "size": _LOCAL_GB, "mountPath": path}
    return {"type": "network", "id": storage, "mountPath": path}


def _policy(policy: ScalingPolicy) -> dict[str, Any]:
    if isinstance(policy, QueuePolicy):
        return {"type": "queue", "value": policy.wait}
    return {"type": "concurrency", "value": policy.requests}


def _problems(settings: Settings) -> list[str]:
    """What is wrong with the settings that are there."""
    problems: list[str] = []
    for name, least in _LEAST.items():
        value = getattr(settings, name)
        if value is not None and (type(value) is not int or value < least):
            problems.append(f"{name} must be a whole number from {least}, got {value!r}")
    for name, longest in _LONGEST.items():
        value = getattr(settings, name)
        if value is not None and (not isinstance(value, str) or len(value) > longest):
            problems.append(f"{name} must be text of at most {longest} letters")
    if settings.image is not None and not settings.image:
        problems.append("image is empty")
    if settings.app_name is not None and not _APP_NAME.fullmatch(settings.app_name):
        problems.append(f"app_name has lower-case letters, digits and hyphens, got {settings.app_name!r}")
    if type(settings.gpu_num) is int and settings.gpu_num > _MOST_GPUS:
        problems.append(f"gpu_num must be 1 to {_MOST_GPUS}, got {settings.gpu_num}")
    least, most = settings.min_workers, settings.max_workers
    if type(least) is int and type(most) is int and least > most:
        problems.append(f"min_workers is {least}, more than max_workers, which is {most}")
    if settings.port is not None and (type(settings.port) is not int or not 0 < settings.port < 65536):
        problems.append(f"port must be a number from 1 to 65535, got {settings.port!r}")
    policy = cast("Any", settings.policy)
    if isinstance(policy, QueuePolicy | ConcurrencyPolicy):
        (number,) = msgspec.structs.astuple(policy)
        if type(number) is not int or number < 1:
            problems.append(f"policy must have a whole number from 1, got {policy!r}")
    elif policy is not None:
        problems.append(f"policy must be a QueuePolicy or a ConcurrencyPolicy, got {policy!r}")
    if settings.health_path is not None and not settings.health_path.startswith("/"):
        problems.append(f"health_path must begin with /, got {settings.health_path!r}")
    return [*problems, *_problems_of_many(settings)]


def _problems_of_many(settings: Settings) -> list[str]:
    problems: list[str] = []
    products = settings.product_ids
    if products is not None and (isinstance(products, str) or not products or not all(products)):
        problems.append(f"product_ids must be a list of ids of GPU products, got {products!r}")
    for key, value in (settings.envs or {}).items():
        if not key or len(key) > 511 or not isinstance(value, str) or len(value) > 4095:  # pyright: ignore[reportUnnecessaryIsInstance] - a caller's
            problems.append(f"envs: {key[:40]!r} has 1 to 511 letters, and its value is text of at most 4095")
    for path, storage in (settings.volumes or {}).items():
        if not path.startswith("/") or len(path) > 255 or storage == "":
            problems.append(f"volumes: {path[:40]!r} is no absolute path of at most 255 letters, or its storage empty")
    return problems


def _one(value: Any) -> dict[str, Any]:
    """An object, which an older page has in an array."""
    if isinstance(value, Sequence) and not isinstance(value, str):
        value = next(iter(cast("Sequence[Any]", value)), None)
    return dict(cast("Mapping[str, Any]", value)) if isinstance(value, Mapping) else {}


def _as_number(value: Any) -> Any:
    """A number that an answer has as text."""
    return int(value) if isinstance(value, str) and value.isdecimal() else value
