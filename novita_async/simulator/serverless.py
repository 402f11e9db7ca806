"""Serverless endpoints: their settings, and what works in them (contract/gpu.md 9).

No image is run. An endpoint does what the handler does that is named like its image (`you/app:1` is `app`), and one of
any other image gives its input back. It can be used when its first workers could have started; before, its state is
"starting", a word of this simulator's.
"""

from __future__ import annotations

import hashlib
import itertools
from decimal import Decimal
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any, Literal, cast

import msgspec
from msgspec import Meta

from . import keys
from .faults import Outcome
from .router import Call, Router, json_reply
from .serverless_jobs import Gateway, Handler, Place, refuse
from .serverless_workers import Fleet, Plan, Worker
from .stock import PRODUCTS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ..runtime.clock import Clock
    from ..transport.protocol import Reply
    from .ledger import Ledger

__all__ = ["Handler", "Serverless"]

_PREFIX = "/gpu-instance/openapi/v1"
_ROOTFS = 100  # GB, the one size
_LOCAL = 30
_UNIT = 10  # products are priced in 1/100000 dollars, the ledger books 1/10000
_LIMITS: dict[str, Any] = {
    "minRootfsSize": _ROOTFS,
    "maxRootfsSize": _ROOTFS,
    "freeRootfsSize": _ROOTFS,
    "minLocalVolumeSize": _LOCAL,
    "maxLocalVolumeSize": _LOCAL,
    "freeLocalVolumeSize": _LOCAL,
    "minWorkerNum": 0,
    "maxWorkerNum": 10,
    "minFreeTimeout": 1,
    "maxFreeTimeout": 3600,
    "minConcurrencyNum": 1,
    "maxConcurrencyNum": 1000,
    "minQueueWaitTime": 1,
    "maxQueueWaitTime": 3600,
    "minRequestNum": 1,
    "maxRequestNum": 1000,
    "minGPUNum": 1,
    "maxGPUNum": 8,
    "cudaVersionList": ["12.4", "12.6", "12.8"],
}


class _Workers(msgspec.Struct, kw_only=True, rename="camel"):
    min_num: Annotated[int, Meta(ge=0, le=_LIMITS["maxWorkerNum"])]
    max_num: Annotated[int, Meta(ge=1, le=_LIMITS["maxWorkerNum"])]
    free_timeout: Annotated[int, Meta(ge=_LIMITS["minFreeTimeout"], le=_LIMITS["maxFreeTimeout"])]
    max_concurrent: Annotated[int, Meta(ge=1, le=_LIMITS["maxConcurrencyNum"])]
    gpu_num: Annotated[int, Meta(ge=1, le=_LIMITS["maxGPUNum"])]
    request_timeout: Annotated[int, Meta(ge=1)] | None = None
    cuda_version: str = ""


class _Port(msgspec.Struct):
    port: Annotated[str, Meta(pattern=r"^[1-9]\d{0,4}$")]


class _Policy(msgspec.Struct):
    type: Literal["queue", "concurrency"]
    value: Annotated[int, Meta(ge=1, le=_LIMITS["maxQueueWaitTime"])]


class _Image(msgspec.Struct, rename="camel"):
    image: Annotated[str, Meta(min_length=1, max_length=511)]
    auth_id: Annotated[str, Meta(max_length=255)] = ""
    command: Annotated[str, Meta(max_length=2047)] = ""


class _Product(msgspec.Struct):
    id: str


class _Volume(msgspec.Struct, rename="camel"):
    type: Literal["local", "network"]
    mount_path: Annotated[str, Meta(max_length=255)] = ""
    size: int = 0
    id: str = ""


class _Env(msgspec.Struct):
    key: Annotated[str, Meta(max_length=511)] = ""
    value: Annotated[str, Meta(max_length=4095)] = ""


class _Health(msgspec.Struct):
    path: str = ""


class _Settings(msgspec.Struct, kw_only=True, rename="camel"):
    worker_config: _Workers
    ports: Annotated[list[_Port], Meta(min_length=1, max_length=1)]
    policy: _Policy
    image: _Image
    products: Annotated[list[_Product], Meta(min_length=1)] = []
    volume_mounts: list[_Volume] = []
    envs: list[_Env] = []
    healthy: _Health = msgspec.field(default_factory=_Health)
    name: Annotated[str, Meta(max_length=220)] = ""
    app_name: Annotated[str, Meta(pattern=r"^[a-z0-9-]*$")] = ""
    cluster_id: str = msgspec.field(name="clusterID", default="")
    rootfs_size: int = _ROOTFS


#: What a create must have beyond what every settings have.
_WANTED = ("products", "volumeMounts", "healthy", "rootfsSize")


class _Endpoint(msgspec.Struct, kw_only=True):
    """An endpoint."""

    id: str
    app: str
    settings: _Settings
    place: Place
    created: float  # Unix seconds
    usable: float  # monotonic
    outcome: Outcome | None = None


class Serverless:
    """Endpoints, their workers and their jobs.

    Args:
        clock: what all of it goes by.
        api_key: the good key.
        seed: decides ids.
        handlers: what endpoints do, by name. Each has an endpoint of that id from the beginning, beside `echo`, whose
            output is its input, after `sleep` seconds where the input has that.
        start_seconds: how long a worker takes to start; those of the endpoints from the beginning are there at once.
        ledger: where the time of workers is booked.
    """

    def __init__(
        self,
        *,
        clock: Clock,
        api_key: str,
        seed: int,
        handlers: Mapping[str, Handler],
        start_seconds: float,
        ledger: Ledger,
    ) -> None:
        self._clock = clock
        self._ledger = ledger
        ledger.meters.append(self._meter)
        self._keys = keys.Keys(api_key, keys.GPU)
        self._seed = seed
        self._start_seconds = start_seconds
        self._count = itertools.count(1)
        self._handlers: dict[str, Handler] = {"echo": self._echo, **handlers}
        self._endpoints: dict[str, _Endpoint] = {}
        self._gateway = Gateway(
            clock=clock, api_key=api_key, find=self._find_place, by_app=self._by_app, new_id=self._uuid
        )
        for name in self._handlers:
            settings = _Settings(
                worker_config=_Workers(min_num=0, max_num=10, free_timeout=60, max_concurrent=10, gpu_num=1),
                ports=[_Port("8000")],
                policy=_Policy("concurrency", 1),
                image=_Image(name),
                products=[_Product(next(iter(PRODUCTS)))],
                healthy=_Health("/health"),
                name=name,
            )
            self._add(name, name, settings, 0.0, None)

    def routes(self, router: Router) -> None:
        guard = self._keys.guard
        router.add("GET", f"{_PREFIX}/endpoint/limit", guard(self._limit))
        router.add("GET", f"{_PREFIX}/endpoints", guard(self._list))
        router.add("GET", f"{_PREFIX}/endpoint", guard(self._detail))
        router.add("POST", f"{_PREFIX}/endpoint/create", guard(self._create))
        router.add("POST", f"{_PREFIX}/endpoint/update", guard(self._update))
        router.add("POST", f"{_PREFIX}/endpoint/delete", guard(self._delete))
        self._gateway.routes(router)

    async def aclose(self) -> None:
        """End all work."""
        await self._gateway.leave()
        for endpoint in self._endpoints.values():
            endpoint.place.fleet.close()

    # --------------------------------------------------------------------------------------- control calls

    async def _limit(self, call: Call) -> Reply:
        return json_reply(_LIMITS)

    async def _create(self, call: Call) -> Reply:
        told = (await _object(call)).get("endpoint")
        if not isinstance(told, dict):
            raise refuse("VALIDATOR_PARAM", "endpoint is missing")
        if missing := [name for name in _WANTED if name not in told]:
            raise refuse("VALIDATOR_PARAM", f"endpoint: missing {', '.join(missing)}")
        settings = _settings(told, strict=True)
        id_ = self._digest("endpoint", next(self._count))[:16]
        app = settings.app_name or id_
        if self._by_app(app) is not None:
            raise refuse("SERVERLESS_APP_NAME_IS_EXIST", f"the app name {app!r} is taken")
        self._add(id_, app, settings, self._start_seconds, call.outcome)
        return json_reply({"id": id_})

    def _add(self, id_: str, app: str, settings: _Settings, start_seconds: float, outcome: Outcome | None) -> None:
        now = self._clock.monotonic()
        plan = _plan(settings)
        fleet = Fleet(
            self._clock,
            plan,
            start_seconds=start_seconds,
            new_id=self._worker_id,
            came=partial(self._came, id_),
            went=self._went,
        )
        if outcome is not None and outcome.after is not None:
            start_seconds = outcome.after
        self._endpoints[id_] = _Endpoint(
            id=id_,
            app=app,
            settings=settings,
            place=Place(id=id_, handler=self._handler_of(settings), fleet=fleet, request_timeout=_timeout(settings)),
            created=self._clock.time(),
            usable=now + start_seconds,
            outcome=outcome,
        )
        fleet.follow(plan)

    async def _update(self, call: Call) -> Reply:
        """Replace the settings. Numbers may be text, and objects in arrays, as other pages and clients have it."""
        told = await _object(call)
        endpoint = self._find(str(told.get("id", "")))
        for name in ("workerConfig", "policy", "image", "healthy"):
            if isinstance(told.get(name), list):
                told[name] = next(iter(told[name]), None)
        if "products" not in told:
            told["products"] = msgspec.to_builtins(endpoint.settings.products)
        settings = _settings(told, strict=False)
        place = endpoint.place
        endpoint.settings = settings
        place.handler, place.request_timeout = self._handler_of(settings), _timeout(settings)
        place.fleet.follow(_plan(settings))
        return json_reply({})

    async def _delete(self, call: Call) -> Reply:
        endpoint = self._find(str((await _object(call)).get("name", "")))
        del self._endpoints[endpoint.id]
        await self._gateway.leave(endpoint.place)
        endpoint.place.fleet.close()
        return json_reply({})

    async def _detail(self, call: Call) -> Reply:
        told = self._wire(self._find(call.query.get("id", "")), call.origin)
        told["ports"] = [{"port": int(port["port"])} for port in told["ports"]]
        return json_reply({"endpoint": told})

    async def _list(self, call: Call) -> Reply:
        """List endpoints, the newest first. Pages count from 1; 0 is the first page too."""
        size, number = (_count(call, name, default) for name, default in (("pageSize", 10), ("pageNum", 1)))
        found = list(reversed(self._endpoints.values()))
        start = (max(1, number) - 1) * size
        page = [self._wire(endpoint, call.origin) for endpoint in found[start : start + size]]
        return json_reply({"endpoints": page, "total": len(found)})

    def _wire(self, endpoint: _Endpoint, origin: str) -> dict[str, Any]:
        """An endpoint as the list shows it. Some numbers are text, as the platform's are."""
        settings: dict[str, Any] = msgspec.to_builtins(endpoint.settings)
        workers = settings["workerConfig"]
        workers |= {name: str(workers[name]) for name in ("freeTimeout", "maxConcurrent")}
        if workers["requestTimeout"] is None:
            del workers["requestTimeout"]
        settings["policy"]["value"] = str(settings["policy"]["value"])
        moment = str(int(endpoint.created))
        return {
            **settings,
            "id": endpoint.id,
            "appName": endpoint.app,
            "state": self._state(endpoint),
            "url": f"{origin}/serverless/{endpoint.app}",
            "workers": [self._worker(worker.id, worker.ready) for worker in endpoint.place.fleet.workers],
            "log": "",
            "createdAt": moment,
            "updatedAt": moment,
        }

    def _state(self, endpoint: _Endpoint) -> dict[str, str]:
        outcome = endpoint.outcome
        if self._clock.monotonic() < endpoint.usable:
            return {"state": "starting", "error": "", "message": ""}
        if outcome is None or outcome.status is None:
            return {"state": "serving", "error": "", "message": ""}
        if outcome.status:
            return {"state": outcome.status, "error": "", "message": ""}
        return {"state": "failed", "error": "createFailed", "message": outcome.reason}

    def _worker(self, id_: str, ready: float) -> dict[str, Any]:
        up = ready <= self._clock.monotonic()
        state = {"state": "running" if up else "starting", "error": "", "message": ""}
        return {"id": id_, "state": state, "log": "", "metrics": "", "healthy": up}

    # ---------------------------------------------------------------------------------------------- bills

    def _meter(self) -> None:
        for endpoint in self._endpoints.values():
            _ = endpoint.place.fleet.workers  # which lets those go whose time is over

    def _came(self, id_: str, worker: Worker) -> None:
        """Let a worker be paid, idle or not, at the price of the first product that its endpoint may run on."""
        settings = self._endpoints[id_].settings
        product = PRODUCTS[settings.products[0].id]
        per_hour = Decimal(product.price * settings.worker_config.gpu_num) / _UNIT
        at = self._moment(worker.ready)
        self._ledger.begin(worker.id, "serverless", product.id, per_hour, name=product.name, at=at)

    def _went(self, worker: Worker, until: float) -> None:
        self._ledger.end(worker.id, at=self._moment(until))

    def _moment(self, monotonic: float) -> float:
        return self._clock.time() + monotonic - self._clock.monotonic()

    # ----------------------------------------------------------------------------------------- who is who

    def _find(self, id_: str) -> _Endpoint:
        endpoint = self._endpoints.get(id_)
        if endpoint is None:
            raise refuse("SERVERLESS_ENDPOINT_NOT_FOUND", f"endpoint {id_!r} does not exist")
        return endpoint

    def _find_place(self, called: str) -> Place:
        """The place of an endpoint by its id, its name, or both its id and its app's name: all are in use."""
        found = self._endpoints.get(called)
        for endpoint in self._endpoints.values() if found is None else ():
            if called in (endpoint.settings.name, endpoint.app, f"{endpoint.id}-{endpoint.app}"):
                found = endpoint
                break
        return (found or self._find(called)).place

    def _by_app(self, app: str) -> Place | None:
        return next((endpoint.place for endpoint in self._endpoints.values() if endpoint.app == app), None)

    def _handler_of(self, settings: _Settings) -> Handler:
        name = settings.image.image.rpartition("/")[2].partition(":")[0]
        return self._handlers.get(name, self._echo)

    async def _echo(self, value: Any) -> object:
        seconds: Any = cast("dict[str, Any]", value).get("sleep") if isinstance(value, dict) else None
        if isinstance(seconds, int | float) and seconds > 0:
            await self._clock.sleep(seconds)
        return cast("object", value)

    def _worker_id(self) -> str:
        return f"worker-{self._digest('worker', next(self._count))[:12]}"

    def _uuid(self) -> str:
        text = self._digest("job", next(self._count))
        return "-".join((text[:8], text[8:12], text[12:16], text[16:20], text[20:]))

    def _digest(self, *parts: object) -> str:
        return hashlib.blake2b(repr((self._seed, *parts)).encode(), digest_size=16).hexdigest()


def _plan(settings: _Settings) -> Plan:
    workers, policy = settings.worker_config, settings.policy
    return Plan(
        least=workers.min_num,
        most=workers.max_num,
        idle=workers.free_timeout,
        concurrency=workers.max_concurrent,
        policy=policy.type,
        value=policy.value,
    )


def _timeout(settings: _Settings) -> float | None:
    return settings.worker_config.request_timeout


async def _object(call: Call) -> dict[str, Any]:
    try:
        return await call.json(dict[str, Any])
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise refuse("VALIDATOR_PARAM", str(error)) from None


def _settings(told: Any, *, strict: bool) -> _Settings:
    """Settings that can be, or the refusal of others."""
    try:
        settings = msgspec.convert(told, _Settings, strict=strict)
    except msgspec.ValidationError as error:
        raise refuse("VALIDATOR_PARAM", str(error)) from None
    _check(settings)
    return settings


def _check(settings: _Settings) -> None:
    workers, policy = settings.worker_config, settings.policy
    if workers.min_num > workers.max_num:
        raise refuse("VALIDATOR_PARAM", f"minNum {workers.min_num} is more than maxNum {workers.max_num}")
    if policy.type == "concurrency" and policy.value > _LIMITS["maxRequestNum"]:
        raise refuse("VALIDATOR_PARAM", f"policy.value may be {_LIMITS['maxRequestNum']} at most")
    if workers.cuda_version and workers.cuda_version not in _LIMITS["cudaVersionList"]:
        raise refuse("VALIDATOR_PARAM", f"cudaVersion is one of {', '.join(_LIMITS['cudaVersionList'])}")
    if settings.rootfs_size != _ROOTFS:
        raise refuse("VALIDATOR_PARAM", f"rootfsSize is {_ROOTFS}")
    for product in settings.products:
        if product.id not in PRODUCTS:
            raise refuse("SERVERLESS_PRODUCT_NOT_FOUND", f"product {product.id!r} does not exist")
    for volume in settings.volume_mounts:
        if volume.type == "local" and volume.size != _LOCAL:
            raise refuse("VALIDATOR_PARAM", f"a local volume has {_LOCAL} GB")
        if volume.type == "network" and not (volume.id and settings.cluster_id):
            raise refuse("VALIDATOR_PARAM", "a network volume wants an id, and the endpoint a clusterID")


def _count(call: Call, name: str, default: int) -> int:
    text = call.query.get(name, "")
    if text and not text.isdecimal():
        raise refuse("VALIDATOR_PARAM", f"{name} is a number from 0, not {text!r}")
    return int(text) if text else default
