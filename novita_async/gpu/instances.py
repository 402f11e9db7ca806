"""`novita.gpu.instances`: GPU machines, from create to delete (contract/gpu.md 2, gpu.openapi.yaml)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from ..errors import NotFound, ProtocolError, ValidationError
from ..runtime.arguments import call_headers, check_timeout, given, json_body, with_query
from ..runtime.attempts import Attempts
from ..runtime.call import Call, read_answer
from ..runtime.pages import Pages, numbered
from ..runtime.retry import Replay
from ..runtime.task import Reading, Task
from ..runtime.undo import or_undo
from ..wire.json import Object, decode, encode
from .types import InstanceData

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ..runtime.call import Runtime
    from ..runtime.tasks import TaskSet

__all__ = ["TRANSITIONAL", "Instance", "Instances"]

#: Statuses that pass by themselves.
TRANSITIONAL = frozenset(
    {
        *("toCreate", "creating", "pulling"),
        *("toStart", "starting"),
        *("toStop", "stopping"),
        *("toRestart", "restarting"),
        *("toReset", "resetting", "migrating"),
        *("toRemove", "removing"),
        "pending",
    }
)
_SETTLED = frozenset({"running", "exited", "removed", "freezing"})
_GONE = frozenset({"toRemove", "removing", "removed"})

_PORT = re.compile(r"(\d{1,5})/(tcp|http)")
_RESERVED_PORTS = (2222, 2223, 2224)
_PAGE_SIZE = 100
_POLL_LIMIT = 30.0
_DEFAULT_WAIT = 1800.0


class _Created(Object):
    id: str


class _List(Object):
    instances: list[msgspec.Raw]
    total: int | None = None


class Instance(InstanceData):
    """An instance as it was when it was read. Its methods act on the real one; `refresh` reads it anew."""

    @property
    def _instances(self) -> Instances:
        instances: Instances | None = vars(self).get("_home")
        if instances is None:
            raise ValidationError("this object did not come from a client, so it cannot call")
        return instances

    async def refresh(self) -> Instance:
        """Read the instance anew."""
        return await self._instances.get(self.id)

    async def start(self) -> None:
        """See `Instances.start`."""
        await self._instances.start(self.id)

    async def stop(self) -> None:
        """See `Instances.stop`."""
        await self._instances.stop(self.id)

    async def restart(self) -> None:
        """See `Instances.restart`."""
        await self._instances.restart(self.id)

    async def delete(self) -> None:
        """See `Instances.delete`."""
        await self._instances.delete(self.id)

    async def wait_until(self, status: str = "running", *, timeout: float | None = None) -> Instance:
        """See `Instances.wait_until`."""
        return await self._instances.wait_until(self.id, status, timeout=timeout)


class Instances:
    """`novita.gpu.instances`."""

    def __init__(self, runtime: Runtime, tasks: TaskSet) -> None:
        self._runtime = runtime
        self._tasks = tasks
        self._base = f"{runtime.settings.base_url}/gpu-instance/openapi/v1/gpu"

    async def create(
        self,
        product_id: str,
        *,
        image: str,
        gpu_num: int = 1,
        rootfs_size: int = 60,
        name: str | None = None,
        ports: Sequence[str] = (),
        envs: Mapping[str, str] | None = None,
        command: str | None = None,
        entrypoint: str | None = None,
        cluster_id: str | None = None,
        billing: Literal["onDemand", "monthly", "spot"] | None = None,
        image_auth: str | None = None,
        image_auth_id: str | None = None,
        min_cuda_version: str | None = None,
        extra_body: Mapping[str, Any] | None = None,
        extra_headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
    ) -> Instance:
        """Order an instance. It is billed from the moment its image is pulled: see `wait_until` and `delete`.

        A caller that is cancelled in the middle of this leaves no instance behind: one that was ordered meanwhile is
        deleted first.

        Args:
            product_id: from `gpu.products`.
            image: container image.
            gpu_num: cards, 1 to 8.
            rootfs_size: container disk in GB, 10 to 6144; about 60 are free.
            name: display name, up to 255 characters.
            ports: such as ("80/http", "22/tcp"); at most 15, and not 2222 to 2224.
            envs: environment of the container, at most 100.
            command: start command.
            entrypoint: instead of the image's own.
            cluster_id: region; any with stock when not given.
            billing: "onDemand" unless given.
            image_auth: "user:password" for a private registry.
            image_auth_id: a saved registry login.
            min_cuda_version: such as "12.4".
            extra_body: fields that the SDK does not know.
            extra_headers: headers for this call.
            timeout: the call in seconds, retries included.

        Returns:
            The new instance with its id and nothing else yet.

        Raises:
            ValidationError: an argument is out of range. Nothing was sent.
            OutcomeUnknown: sent and not answered, and not sent again: look for it by name before repeating.
            OutOfStock: no capacity of this product now.
            InsufficientBalance: no money left.

        Contract: gpu.md sections 2, 4 and 5.
        """
        problems = _problems(product_id, image, gpu_num, rootfs_size, ports, envs)
        if problems:
            raise ValidationError(*problems)
        body = given(
            productId=product_id,
            imageUrl=image,
            gpuNum=gpu_num,
            rootfsSize=rootfs_size,
            kind="gpu",
            name=name,
            ports=",".join(ports) or None,
            envs=[{"key": key, "value": value} for key, value in envs.items()] if envs else None,
            command=command,
            entrypoint=entrypoint,
            clusterId=cluster_id,
            billingMode=billing,
            imageAuth=image_auth,
            imageAuthId=image_auth_id,
            minCudaVersion=min_cuda_version,
        )
        call = Call(
            method="POST",
            url=f"{self._base}/instance/create",
            body=json_body({**body, **(extra_body or {})}),
            headers=call_headers(extra_headers),
            replay=Replay.SUBMITS,
            timeout=check_timeout(timeout),
        )
        attempts = Attempts(self._runtime, call)

        async def work() -> Instance:
            created = self._runtime.decode(await attempts.run(read_answer), _Created)
            return self._adopt(Instance(id=created.id, name=name or "", status="toCreate"))

        return await or_undo(self._runtime.clock, attempts, work(), Instance.delete)

    async def get(self, instance_id: str, *, timeout: float | None = None) -> Instance:
        """Read an instance with all its details.

        Raises:
            NotFound: there is none of this id (the platform says so with a 400).
        """
        return await self._get(instance_id, timeout=timeout)

    def list(
        self,
        *,
        name: str | None = None,
        product_name: str | None = None,
        status: str | None = None,
        timeout: float | None = None,
    ) -> Pages[Instance]:
        """List instances: `async for instance in ...`, or `await ...` for all of them.

        Args:
            name: only those of this name.
            product_name: only those of this product.
            status: only those in this status.
            timeout: each page in seconds.
        """
        check_timeout(timeout)

        async def fetch(number: int) -> tuple[list[Instance], int]:
            url = with_query(
                f"{self._base}/instances",
                pageNum=number,
                pageSize=_PAGE_SIZE,
                name=name,
                productName=product_name,
                status=status,
            )
            page = await self._runtime.fetch(Call(method="GET", url=url, timeout=timeout), _List)
            return [self._decode(bytes(item)) for item in page.instances], page.total or 0

        return numbered(fetch, size=_PAGE_SIZE, identify=lambda instance: instance.id)

    async def start(self, instance_id: str, *, timeout: float | None = None) -> None:
        """Start an instance that is `exited`.

        Raises:
            OutOfStock: its machine has no free card now.
            Conflict: it is in a state that cannot be started from.
        """
        await self._act("start", instance_id, timeout, Replay.SUBMITS)

    async def stop(self, instance_id: str, *, timeout: float | None = None) -> None:
        """Stop a running instance. Its data is kept for 7 days, its cards are not."""
        await self._act("stop", instance_id, timeout, Replay.SAFE)

    async def restart(self, instance_id: str, *, timeout: float | None = None) -> None:
        """Restart a running instance. Its SSH port and password change."""
        await self._act("restart", instance_id, timeout, Replay.SUBMITS)

    async def delete(self, instance_id: str, *, timeout: float | None = None) -> None:
        """Delete an instance, in whatever state it is; one that is already gone is fine. Not for monthly ones."""
        try:
            await self._act("delete", instance_id, timeout, Replay.SAFE)
        except NotFound:
            return  # a repeated delete finds nothing, which is what was wanted

    async def wait_until(self, instance_id: str, status: str = "running", *, timeout: float | None = None) -> Instance:
        """Wait until an instance is in a status that lasts.

        Args:
            instance_id: its id.
            status: "running", "exited" or "removed".
            timeout: seconds; half an hour when not given.

        Raises:
            TaskFailed: it fell back, was removed, or the platform reports an error of it; `.reason`.
            TaskTimeout: not there in time. The instance goes on, and is billed.
        """
        if status not in _SETTLED:
            raise ValidationError(f"status must be one that lasts ({', '.join(sorted(_SETTLED))}), got {status!r}")
        task: Task[Instance] = Task(self._tasks, instance_id, "gpu", self._reader(status))
        return await task.wait(timeout=_DEFAULT_WAIT if timeout is None else check_timeout(timeout))

    # --------------------------------------------------------------------------------------------------

    def _reader(self, wanted: str) -> Any:
        moved = False

        async def read(instance_id: str) -> Reading[Instance]:
            nonlocal moved
            try:
                instance = await self._get(instance_id, attempts=1, attempt=_POLL_LIMIT)
            except NotFound:
                if wanted != "removed":
                    raise
                # Gone is how removed looks from outside (contract/gpu.md 2).
                instance = self._adopt(Instance(id=instance_id, status="removed"))
            status = instance.status
            moved = moved or status in TRANSITIONAL
            problem = (instance.status_error.message or instance.status_error.state) if instance.status_error else ""
            if status == wanted:
                return Reading(status=status, outcome="done", result=instance)
            if problem and wanted != "removed":  # what is broken can be deleted, and keeps its error to the end
                return Reading(status=status, outcome="failed", reason=f"{status}: {problem}")
            if wanted != "removed" and status in _GONE:
                return Reading(status=status, outcome="failed", reason="the instance was removed")
            if status in _SETTLED and moved:
                # A create or start that fails falls back; before it moved, the old status may still be shown.
                return Reading(status=status, outcome="failed", reason=f"it came to rest as {status}, not {wanted}")
            known = status in TRANSITIONAL or status in _SETTLED
            return Reading(status=status, outcome="running" if known else "unknown")

        return read

    async def _get(self, instance_id: str, **options: Any) -> Instance:
        check_timeout(options.get("timeout"))
        if not instance_id:
            raise ValidationError("instance_id is empty")
        url = with_query(f"{self._base}/instance", instanceId=instance_id)
        answer = await self._runtime.request(Call(method="GET", url=url, **options))
        try:
            return self._decode(answer.body)
        except ProtocolError as error:
            wrapped = self._runtime.decode(answer, dict[str, msgspec.Raw]).get("instance")
            if wrapped is None:
                raise self._runtime.embedded(answer.body, answer.headers) or error from None
            return self._decode(bytes(wrapped))

    def _decode(self, data: bytes) -> Instance:
        return self._adopt(decode(self._runtime.decoders(Instance), data))

    def _adopt(self, instance: Instance) -> Instance:
        vars(instance)["_home"] = self
        return instance

    async def _act(self, verb: str, instance_id: str, timeout: float | None, replay: Replay) -> None:
        if not instance_id:
            raise ValidationError("instance_id is empty")
        await self._runtime.request(
            Call(
                method="POST",
                url=f"{self._base}/instance/{verb}",
                body=encode({"instanceId": instance_id}),
                replay=replay,
                timeout=check_timeout(timeout),
            )
        )


def _problems(
    product_id: str,
    image: str,
    gpu_num: int,
    rootfs_size: int,
    ports: Sequence[str],
    envs: Mapping[str, str] | None,
) -> list[str]:
    problems: list[str] = []
    if not product_id:
        problems.append("product_id is empty")
    if not image:
        problems.append("image is empty")
    if not 1 <= gpu_num <= 8:
        problems.append(f"gpu_num must be 1 to 8, got {gpu_num}")
    if not 10 <= rootfs_size <= 6144:
        problems.append(f"rootfs_size must be 10 to 6144 GB, got {rootfs_size}")
    if isinstance(ports, str):
        problems.append(f"ports must be a list such as ['80/http'], got the text {ports!r}")
        return problems
    if len(ports) > 15:
        problems.append(f"at most 15 ports, got {len(ports)}")
    for port in ports:
        match = _PORT.fullmatch(port)
        if match is None or not 1 <= int(match[1]) <= 65535:
            problems.append(f"a port is a number and tcp or http, such as '80/http', got {port!r}")
        elif int(match[1]) in _RESERVED_PORTS:
            problems.append(f"port {match[1]} is reserved by the platform")
    if envs and len(envs) > 100:
        problems.append(f"at most 100 envs, got {len(envs)}")
    return problems
