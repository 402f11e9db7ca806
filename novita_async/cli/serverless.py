"""`novita-async serverless`: GPU endpoints whose workers come and go, and their jobs (contract/gpu.md 9, 10)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from ..errors import ValidationError
from .account import adder
from .asking import confirm, piped
from .options import All, Flag, Format, Limit, Page, Seconds, Several, Variables, Yes, pairs, split
from .output import delete_each, each, paged, say, show, show_one
from .pipes import STDOUT, write
from .process import CannotGoOn, tell

if TYPE_CHECKING:
    from collections.abc import Callable

    from cyclopts import App

    from ..client import AsyncNovita
    from ..gpu.serverless_types import Endpoint, EndpointLimits, Health, Job
    from .process import Stop

__all__ = ["fill"]

_COLUMNS: dict[str, Callable[[Endpoint], object]] = {
    "id": lambda it: it.id,
    "name": lambda it: it.name,
    "state": lambda it: it.state.state,
    "workers": lambda it: f"{len(it.workers or ())} of {it.worker_config.max_workers}",
    "image": lambda it: it.image.image,
}
_FIELDS: dict[str, Callable[[Endpoint], object]] = {
    **_COLUMNS,
    "url": lambda it: it.url,
    "app name": lambda it: it.app_name,
    "error": lambda it: " ".join(filter(None, (it.state.error, it.state.message))),
    "policy": lambda it: it.policy,
    "min workers": lambda it: it.worker_config.min_workers,
    "max workers": lambda it: it.worker_config.max_workers,
    "idle timeout": lambda it: it.worker_config.idle_timeout,
    "concurrency": lambda it: it.worker_config.concurrency,
    "cards": lambda it: it.worker_config.gpu_num,
    "products": lambda it: it.product_ids,
    "port": lambda it: it.port,
    "health": lambda it: it.healthy.path if it.healthy else None,
    "cluster": lambda it: it.cluster_id,
    "created": lambda it: it.created_at,
}
_LIMITS: dict[str, Callable[[EndpointLimits], object]] = {
    "workers": lambda it: f"{it.min_worker_num} to {it.max_worker_num}",
    "idle timeout": lambda it: f"{it.min_free_timeout} to {it.max_free_timeout} s",
    "concurrency": lambda it: f"{it.min_concurrency_num} to {it.max_concurrency_num}",
    "queue wait": lambda it: f"{it.min_queue_wait_time} to {it.max_queue_wait_time} s",
    "queue length": lambda it: f"{it.min_request_num} to {it.max_request_num}",
    "cards": lambda it: f"{it.min_gpu_num} to {it.max_gpu_num}",
    "disk": lambda it: f"{it.min_rootfs_size} to {it.max_rootfs_size} GB",
    "local volume": lambda it: f"{it.min_local_volume_size} to {it.max_local_volume_size} GB",
    "CUDA": lambda it: it.cuda_versions,
}
_JOB: dict[str, Callable[[Job], object]] = {
    "id": lambda it: it.id,
    "status": lambda it: it.status,
    "output": lambda it: it.output,
    "error": lambda it: it.error,
}
_HEALTH: dict[str, Callable[[Health], object]] = {"jobs": lambda it: it.jobs, "workers": lambda it: it.workers}


@Parameter(name="*")
@dataclass(frozen=True)
class Wanted:
    """The settings of an endpoint."""

    product: Several = ()
    "a GPU product that workers may run on; may be given several times."
    port: int | None = None
    "where the container listens."
    queue_wait: int | None = None
    "one more worker when a request has waited for so many seconds."
    queue_length: int | None = None
    "one more worker when more requests than this wait."
    name: str | None = None
    "display name."
    min_workers: int | None = None
    "as many workers there always are."
    max_workers: int | None = None
    "as many there are at most."
    idle_timeout: int | None = None
    "seconds without work after which a worker goes."
    concurrency: int | None = None
    "requests that a worker handles at once."
    gpu_num: int | None = None
    "cards of each worker."
    request_limit: int | None = None
    "seconds that a request may take."
    cuda_version: str | None = None
    "that machines have at least."
    image_auth_id: str | None = None
    "a saved registry login."
    command: str | None = None
    "start command."
    env: Variables = ()
    "a variable of the container, KEY=VALUE; may be given several times."
    volume: Several = ()
    "a disk: the path of a local one, or PATH=STORAGE of a network storage; may be given several times."
    cluster_id: str | None = None
    "region; needed with a network storage."
    health_path: str | None = None
    "answers 200 when a worker can be used."

    def settings(self) -> dict[str, Any]:
        """Those that were given, as the SDK takes them."""
        from ..gpu.serverless_types import ConcurrencyPolicy, QueuePolicy

        if self.queue_wait is not None and self.queue_length is not None:
            raise ValidationError("there is one policy: --queue-wait or --queue-length")
        policy = None if self.queue_wait is None else QueuePolicy(self.queue_wait)
        if self.queue_length is not None:
            policy = ConcurrencyPolicy(self.queue_length)
        same = ("port", "name", "min_workers", "max_workers", "idle_timeout", "concurrency", "gpu_num", "cuda_version")
        more = ("image_auth_id", "command", "cluster_id", "health_path")
        found: dict[str, Any] = {name: getattr(self, name) for name in (*same, *more)}
        found |= {
            "policy": policy,
            "request_timeout": self.request_limit,
            "product_ids": split(self.product) or None,
            "envs": pairs("--env", self.env) or None,
            "volumes": {path: storage or None for path, _, storage in (each.partition("=") for each in self.volume)},
        }
        return {name: value for name, value in found.items() if value is not None and value != {}}


def fill(app: App, stop: Stop) -> None:
    """Add the commands, which end when `stop` is wanted."""
    add = adder(app, stop)
    add(limits, "limits")
    add(list_, "list", "ls")
    add(create, "create")
    add(get, "get", "info")
    add(update, "update")
    add(delete, "delete", "rm")
    add(run, "run")
    add(status, "status")
    add(cancel, "cancel")
    add(health, "health")
    add(purge, "purge")


async def limits(novita: AsyncNovita, *, output: Format = "pretty") -> None:
    """Tell what the settings of an endpoint may be."""
    await show_one(await novita.serverless.limits(), _LIMITS, output)


async def list_(
    novita: AsyncNovita, *, all: All = False, limit: Limit = 20, page: Page = 1, output: Format = "pretty"
) -> None:
    """List the endpoints.

    Args:
        all: all of them, not one page.
        limit: how many a page has; 0 for all.
        page: which page, from 1.
    """
    found = await paged(novita.serverless.list(), limit=limit, page=page, everything=all)
    await show(found, _COLUMNS, output)


async def create(
    novita: AsyncNovita,
    image: str,
    /,
    *,
    app_name: str | None = None,
    wanted: Wanted = Wanted(),
    wait: Flag = False,
    output: Format = "pretty",
) -> None:
    """Make an endpoint, and print its id. Its workers are billed as long as they are there.

    Args:
        image: container image of the workers.
        app_name: its part of the address: lower-case letters, digits and hyphens.
        wait: until it can be used.
    """
    settings = wanted.settings()
    needed = {"product_ids": "--product", "port": "--port", "policy": "--queue-wait or --queue-length"}
    if missing := [option for name, option in needed.items() if name not in settings]:
        raise ValidationError(f"an endpoint needs {', '.join(missing)}")
    endpoint = await novita.serverless.create(image, app_name=app_name, **settings)
    ready = await novita.serverless.wait_until_ready(endpoint.id) if wait else None
    await say(endpoint.id, ready or {"id": endpoint.id}, output)


async def get(novita: AsyncNovita, endpoint_id: str, /, *, output: Format = "pretty") -> None:
    """Tell how an endpoint is.

    Args:
        endpoint_id: its id.
    """
    await show_one(await novita.serverless.get(endpoint_id), _FIELDS, output)


async def update(
    novita: AsyncNovita,
    endpoint_id: str,
    /,
    *,
    image: str | None = None,
    wanted: Wanted = Wanted(),
    output: Format = "pretty",
) -> None:
    """Change settings of an endpoint. What is not given stays; of variables and volumes all are replaced.

    Args:
        endpoint_id: its id.
        image: container image of the workers.
    """
    settings = wanted.settings()
    if image is None and not settings:
        raise ValidationError("say what is to be changed")
    endpoint = await novita.serverless.update(endpoint_id, image=image, **settings)
    await say(f"changed {endpoint_id}", endpoint, output)


async def delete(novita: AsyncNovita, *endpoint_ids: str, yes: Yes = False, output: Format = "pretty") -> int:
    """Delete endpoints with their workers and jobs, after a question.

    Args:
        endpoint_ids: their ids.
        yes: do not ask.
    """
    return await delete_each("endpoint", endpoint_ids, novita.serverless.delete, yes=yes, output=output)


async def run(
    novita: AsyncNovita,
    endpoint: str,
    input: str = "-",
    /,
    *,
    detach: Annotated[bool, Parameter(name=["--detach", "-d"], negative="")] = False,
    timeout: Annotated[Seconds | None, Parameter(name=["--timeout", "-t"])] = None,
    output: Format = "json",
) -> None:
    """Run a job and print its output. Ctrl-C stops waiting; the job goes on.

    Args:
        endpoint: id of the endpoint.
        input: its input, as JSON; from standard input when it is - or not given.
        detach: print the job's id and do not wait.
        timeout: seconds to wait, or a time such as 5m; an hour when not given.
    """
    import msgspec

    text = await piped() if input == "-" else input
    try:
        value = msgspec.json.decode(text)
    except msgspec.DecodeError as error:
        raise ValidationError(f"the input is not JSON: {error}") from error
    task = await novita.serverless.endpoint(endpoint).run(value)
    job_id = task.id.removeprefix(f"{endpoint}/")
    if detach:
        await write(STDOUT, f"{job_id}\n")
        return
    tell(f"job {job_id}")
    await _give(await task.wait(timeout=timeout), output)


async def status(novita: AsyncNovita, endpoint: str, job_id: str, /, *, output: Format = "pretty") -> None:
    """Tell how a job is.

    Args:
        endpoint: id of the endpoint.
        job_id: the job.
    """
    job = await novita.serverless.endpoint(endpoint).status(job_id)
    if output == "pretty":
        await show_one(job, _JOB, output)
    else:
        await _give(job.raw, output)


async def cancel(novita: AsyncNovita, endpoint: str, /, *job_ids: str, output: Format = "pretty") -> int:
    """Cancel jobs, whether they wait or run.

    Args:
        endpoint: id of the endpoint.
        job_ids: the jobs.
    """
    from ..errors import NotFound

    if not job_ids:
        raise ValidationError("name the jobs to cancel")
    handle = novita.serverless.endpoint(endpoint)

    async def one(job_id: str) -> bool:
        try:
            await handle.cancel(job_id)
        except NotFound:
            return False
        return True

    return await each(job_ids, one, "cancelled", output)


async def health(novita: AsyncNovita, endpoint: str, /, *, output: Format = "pretty") -> None:
    """Tell what the jobs and the workers of an endpoint do.

    Args:
        endpoint: its id.
    """
    await show_one(await novita.serverless.endpoint(endpoint).health(), _HEALTH, output)


async def purge(novita: AsyncNovita, endpoint: str, /, *, yes: Yes = False, output: Format = "pretty") -> None:
    """Drop all jobs of an endpoint that wait, after a question. Those that run go on.

    Args:
        endpoint: its id.
        yes: do not ask.
    """
    handle = novita.serverless.endpoint(endpoint)
    await confirm(f"drop all jobs that wait at {endpoint}", yes=yes)
    await say(f"nothing waits at {endpoint} any more", await handle.purge(), output)


async def _give(value: Any, output: str) -> None:
    """Print somebody's own JSON, of which nothing is left out."""
    import msgspec

    if output != "yaml":
        await write(STDOUT, msgspec.json.format(msgspec.json.encode(value)) + b"\n")
        return
    try:
        await write(STDOUT, msgspec.yaml.encode(value))
    except ImportError as error:
        raise CannotGoOn("YAML needs one more package: pip install 'novita-async[cli]'") from error
