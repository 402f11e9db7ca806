"""`novita-async sandbox`: sandboxes from the shell (contract/sandbox.md 14)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from ..errors import ValidationError
from .account import adder
from .asking import confirm
from .create import create
from .inside import connect, exec_
from .life import clone, commit, detach_memory, hotplug_memory, network, pause, resume
from .observe import events, logs, metrics
from .options import All, Format, Labels, Limit, Many, Page, Yes, pairs, split
from .output import each, paged, show, show_one
from .snapshot import create as snapshot

if TYPE_CHECKING:
    from collections.abc import Callable

    from cyclopts import App

    from ..client import AsyncNovita
    from ..sandbox import SandboxInfo
    from .process import Stop

__all__ = ["fill"]

States = Annotated[Many, Parameter(name=["--state", "-s"], negative="")]

_COLUMNS: dict[str, Callable[[SandboxInfo], object]] = {
    "id": lambda it: it.id,
    "template": lambda it: it.alias or it.template,
    "state": lambda it: it.state,
    "started": lambda it: it.started_at,
    "ends": lambda it: it.end_at,
    "metadata": lambda it: it.metadata,
}
_FIELDS: dict[str, Callable[[SandboxInfo], object]] = {
    "id": lambda it: it.id,
    "template": lambda it: it.template,
    "alias": lambda it: it.alias,
    "state": lambda it: it.state,
    "started": lambda it: it.started_at,
    "ends": lambda it: it.end_at,
    "vCPU": lambda it: it.cpu_count,
    "memory MiB": lambda it: it.memory_mb,
    "disk MiB": lambda it: it.disk_size_mb,
    "metadata": lambda it: it.metadata,
    "volumes": lambda it: [f"{mount.name} at {mount.path}" for mount in it.volume_mounts or ()],
    "internet": lambda it: it.allow_internet_access,
    "at its end": lambda it: it.lifecycle and it.lifecycle.on_timeout,
    "may reach": lambda it: it.network and it.network.allow_out,
    "may not reach": lambda it: it.network and it.network.deny_out,
    "envd": lambda it: it.envd_version,
}


def fill(app: App, stop: Stop) -> None:
    """Add the commands, which end when `stop` is wanted."""
    add = adder(app, stop)
    add(create, "create", "cr")
    add(list_, "list", "ls")
    add(info, "info", "in")
    add(connect, "connect", "cn")
    add(exec_, "exec", "ex")
    add(pause, "pause", "ps")
    add(resume, "resume", "rs")
    add(kill, "kill", "kl")
    add(logs, "logs", "lg")
    add(metrics, "metrics", "mt")
    add(events, "events")
    add(network, "network")
    add(hotplug_memory, "hotplug-memory", "hp", "attach-memory")
    add(detach_memory, "detach-memory")
    add(clone, "clone", "cl")
    add(commit, "commit", "cm")
    add(snapshot, "snapshot")


async def list_(
    novita: AsyncNovita,
    *,
    all: All = False,
    state: States = ("running",),
    page: Page = 1,
    metadata: Labels = (),
    limit: Limit = 20,
    output: Format = "pretty",
) -> None:
    """List the sandboxes that run.

    Args:
        all: all of them, not one page.
        state: of those to list: running, paused, or both with a comma between.
        page: which page, from 1.
        metadata: KEY=VALUE, a label that they must have.
        limit: how many a page has; 0 for all.
    """
    found = novita.sandboxes.list(state=split(state), metadata=pairs("--metadata", metadata, several=True))
    await show(await paged(found, limit=limit, page=page, everything=all), _COLUMNS, output)


async def info(novita: AsyncNovita, sandbox_id: str, /, *, output: Format = "pretty") -> None:
    """Tell how a sandbox is.

    Args:
        sandbox_id: its id.
    """
    await show_one(await novita.sandboxes.info(sandbox_id), _FIELDS, output)


async def kill(
    novita: AsyncNovita,
    *sandbox_ids: str,
    all: All = False,
    state: States = (),
    metadata: Labels = (),
    yes: Yes = False,
    output: Format = "pretty",
) -> int:
    """Kill sandboxes: those that are named, or with --all all that run.

    Args:
        sandbox_ids: their ids.
        all: all of them, after a question.
        state: with --all: those in this state, running if not given; or several with commas between.
        metadata: with --all: KEY=VALUE, a label that they must have.
        yes: do not ask.
    """
    if all == bool(sandbox_ids):
        raise ValidationError("name the sandboxes to kill, or give --all, and not both")
    if not all and (state or metadata):
        raise ValidationError("--state and --metadata choose among --all")
    if all:
        labels = pairs("--metadata", metadata, several=True)
        sandbox_ids = tuple(
            [it.id async for it in novita.sandboxes.list(state=split(state) or ["running"], metadata=labels)]
        )
        if sandbox_ids:
            await confirm(f"kill {len(sandbox_ids)} sandbox{'es' if len(sandbox_ids) > 1 else ''}", yes=yes)
    return await each(sandbox_ids, novita.sandboxes.kill, "killed", output)
