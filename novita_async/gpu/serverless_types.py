"""What the platform tells of serverless endpoints and their jobs (contract/serverless.openapi.yaml).

It writes numbers as text in some of its answers and as numbers in others; here they are numbers.
"""

from __future__ import annotations

import datetime
from typing import TYPE_CHECKING, Any, TypeAlias, cast

import msgspec
from msgspec import field

from ..wire.json import Object

if TYPE_CHECKING:
    _Int: TypeAlias = int | None
    _Moment: TypeAlias = datetime.datetime | None
    _Policy: TypeAlias = "ScalingPolicy | None"
else:
    _Int = _Moment = _Policy = Any  # whatever is sent: `__post_init__` makes of it what a type checker is told

__all__ = [
    "ConcurrencyPolicy",
    "Endpoint",
    "EndpointLimits",
    "EndpointState",
    "EndpointStats",
    "EndpointVolume",
    "EnvVariable",
    "Health",
    "HealthCheck",
    "Job",
    "QueuePolicy",
    "ScalingPolicy",
    "Worker",
    "WorkerConfig",
    "WorkerImage",
]

_FAR_FUTURE = 1 << 37  # seconds, beyond the year 6000: no moment that could be meant


class QueuePolicy(msgspec.Struct, frozen=True):
    """One more worker when a request has waited for longer than this.

    Attributes:
        wait: seconds.
    """

    wait: int


class ConcurrencyPolicy(msgspec.Struct, frozen=True):
    """One more worker when more requests than this wait.

    Attributes:
        requests: how many.
    """

    requests: int


#: When an endpoint gets one more worker. Workers that have nothing to do go after `idle_timeout`.
ScalingPolicy: TypeAlias = QueuePolicy | ConcurrencyPolicy


class EndpointLimits(Object, rename="camel"):
    """The bounds of an endpoint's settings. Sizes in GB, times in seconds.

    Attributes:
        min_rootfs_size: the container's disk, with `max_rootfs_size`; `free_rootfs_size` costs nothing.
        min_local_volume_size: a local volume, with `max_local_volume_size`; `free_local_volume_size` costs nothing.
        min_worker_num: workers, with `max_worker_num`.
        min_free_timeout: `idle_timeout`, with `max_free_timeout`.
        min_concurrency_num: `concurrency` of a worker, with `max_concurrency_num`.
        min_queue_wait_time: of a `QueuePolicy`, with `max_queue_wait_time`.
        min_request_num: of a `ConcurrencyPolicy`, with `max_request_num`.
        min_gpu_num: cards of a worker, with `max_gpu_num`.
        cuda_versions: what `cuda_version` may be.
    """

    min_rootfs_size: int = 0
    max_rootfs_size: int = 0
    free_rootfs_size: int = 0
    min_local_volume_size: int = 0
    max_local_volume_size: int = 0
    free_local_volume_size: int = 0
    min_worker_num: int = 0
    max_worker_num: int = 0
    min_free_timeout: int = 0
    max_free_timeout: int = 0
    min_concurrency_num: int = 0
    max_concurrency_num: int = 0
    min_queue_wait_time: int = 0
    max_queue_wait_time: int = 0
    min_request_num: int = 0
    max_request_num: int = 0
    min_gpu_num: int = field(name="minGPUNum", default=0)
    max_gpu_num: int = field(name="maxGPUNum", default=0)
    cuda_versions: list[str] | None = field(name="cudaVersionList", default=None)


class EndpointState(Object):
    """How an endpoint or a worker is.

    Attributes:
        state: "serving" for an endpoint that can be used, "running" for such a worker; others are kept as they come.
        error: what is wrong, "" when nothing is.
        message: more of it.
    """

    state: str = ""
    error: str = ""
    message: str = ""


class WorkerConfig(Object, rename="camel"):
    """What workers are like, and how many there may be.

    Attributes:
        min_workers: as many there always are.
        max_workers: as many there are at most.
        idle_timeout: seconds without work after which a worker goes; they are billed.
        concurrency: requests that a worker handles at once.
        gpu_num: cards of each.
        request_timeout: seconds that a request may take.
        cuda_version: that their machines have at least.
    """

    min_workers: _Int = field(name="minNum", default=None)
    max_workers: _Int = field(name="maxNum", default=None)
    idle_timeout: _Int = field(name="freeTimeout", default=None)
    concurrency: _Int = field(name="maxConcurrent", default=None)
    gpu_num: _Int = field(name="gpuNum", default=None)
    request_timeout: _Int = None
    cuda_version: str | None = None

    def __post_init__(self) -> None:
        self.min_workers, self.max_workers = _number(self.min_workers), _number(self.max_workers)
        self.idle_timeout, self.request_timeout = _number(self.idle_timeout), _number(self.request_timeout)
        self.concurrency, self.gpu_num = _number(self.concurrency), _number(self.gpu_num)


class WorkerImage(Object, rename="camel"):
    """The container of the workers: its image, the id of the registry's login, and what it runs."""

    image: str = ""
    auth_id: str | None = None
    command: str | None = None


class EndpointVolume(Object, rename="camel"):
    """A disk of the workers.

    Attributes:
        type: "local" or "network".
        size: in GB.
        id: of a network storage.
        mount_path: where it is found.
    """

    type: str = ""
    size: _Int = None
    id: str | None = None
    mount_path: str = ""

    def __post_init__(self) -> None:
        self.size = _number(self.size)


class EnvVariable(Object):
    """A variable in the environment of the workers."""

    key: str = ""
    value: str = ""


class EndpointPort(Object):
    """The port that requests go to."""

    port: _Int = None

    def __post_init__(self) -> None:
        self.port = _number(self.port)


class HealthCheck(Object, rename="camel"):
    """What tells whether a worker can be used: its `path` answers 200. Times in seconds."""

    path: str = ""
    initial_delay: int | None = None
    period: int | None = None
    timeout: int | None = None
    success_threshold: int | None = None
    failure_threshold: int | None = None


class Worker(Object):
    """A worker of an endpoint. `log` and `metrics` are addresses."""

    id: str
    state: EndpointState = field(default_factory=EndpointState)
    log: str | None = None
    metrics: str | None = None
    healthy: bool | None = None


class _Product(Object):
    id: str = ""


class Endpoint(Object, rename="camel"):
    """A serverless endpoint as it was when it was read.

    Attributes:
        id: the platform's.
        name: display name.
        app_name: its part of the address, which cannot change.
        state: whether it can be used; `ready` says it in a word.
        url: where direct calls go.
        worker_config: what workers are like, and how many there may be.
        policy: when there is one more; None for one that is unknown, which `raw` has.
        image: the container of the workers.
        rootfs_size: disk of the container in GB.
        volume_mounts: disks beside it.
        envs: environment of the container.
        port: where the container listens.
        workers: those that there are now.
        product_ids: what workers may run on.
        healthy: the check of a worker's health.
        cluster_id: region.
        log: address of its log.
        created_at: when it was made, where the platform tells.
        updated_at: when it was changed, where the platform tells.
    """

    id: str
    name: str = ""
    app_name: str = ""
    state: EndpointState = field(default_factory=EndpointState)
    url: str = ""
    worker_config: WorkerConfig = field(default_factory=WorkerConfig)
    policy: _Policy = None
    image: WorkerImage = field(default_factory=WorkerImage)
    rootfs_size: _Int = None
    volume_mounts: list[EndpointVolume] | None = None
    envs: list[EnvVariable] | None = None
    ports: list[EndpointPort] | None = None
    workers: list[Worker] | None = None
    products: list[_Product] | None = None
    healthy: HealthCheck | None = None
    cluster_id: str | None = field(name="clusterID", default=None)
    log: str | None = None
    created_at: _Moment = None
    updated_at: _Moment = None

    def __post_init__(self) -> None:
        self.policy = _policy(self.policy)
        self.rootfs_size = _number(self.rootfs_size)
        self.created_at, self.updated_at = _moment(self.created_at), _moment(self.updated_at)

    @property
    def ready(self) -> bool:
        """Whether it can be used."""
        return self.state.state in ("serving", "running")

    @property
    def port(self) -> int | None:
        """Where the container listens."""
        return self.ports[0].port if self.ports else None

    @property
    def product_ids(self) -> list[str]:
        """What workers may run on."""
        return [product.id for product in self.products or ()]


class Job(Object):
    """A job as it was when it was read.

    Attributes:
        id: its id, without that of its endpoint.
        status: PENDING, IN_PROGRESS, COMPLETED, FAILED, TIMED_OUT or CANCELLED; others are kept as they come.
        output: what the worker gave, any JSON value.
        error: why it failed, as the worker said it.
    """

    id: str = ""
    status: str = ""
    output: Any = None
    error: Any = None


class Health(Object):
    """Counters of the workers and jobs of an endpoint. Their names are not documented: see what comes."""

    jobs: Any = None
    workers: Any = None


class EndpointStats(Object):
    """Counters of an endpoint's queue.

    Attributes:
        endpoint: whose they are.
        busy_workers: workers that have work.
        total_workers: all of them.
        pending: jobs that wait.
        in_progress: jobs that run.
    """

    endpoint: str = ""
    busy_workers: int = 0
    total_workers: int = 0
    pending: int = 0
    in_progress: int = 0


def _number(value: Any) -> int | None:
    try:
        return None if value is None else int(value)
    except (TypeError, ValueError):
        return None


def _policy(value: Any) -> ScalingPolicy | None:
    if isinstance(value, QueuePolicy | ConcurrencyPolicy):
        return value
    told = cast("dict[str, Any]", value) if isinstance(value, dict) else {}
    number = _number(told.get("value"))
    if number is None:
        return None
    kinds: dict[Any, ScalingPolicy] = {"queue": QueuePolicy(number), "concurrency": ConcurrencyPolicy(number)}
    return kinds.get(told.get("type"))


def _moment(value: Any) -> datetime.datetime | None:
    """Unix seconds, in text or not, or ISO 8601."""
    if isinstance(value, datetime.datetime):
        return value
    seconds = _number(value)
    if seconds is not None:
        return datetime.datetime.fromtimestamp(seconds, datetime.UTC) if 0 < seconds < _FAR_FUTURE else None
    try:
        moment = msgspec.convert(value, datetime.datetime)
    except msgspec.ValidationError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=datetime.UTC)
