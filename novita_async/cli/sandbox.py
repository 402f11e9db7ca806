"""`novita-async sandbox`: sandboxes from the shell (contract/sandbox.md 14)."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter
from cyclopts.validators import Number

from ..errors import ValidationError
from .account import adder, group
from .execute import execute, has_input, line_of
from .observe import events, logs, metrics
from .output import All, Count, Format, Limit, Many, Page, Yes, confirm, each, paged, pairs, say, show, show_one
from .snapshot import create as snapshot
from .terminal import attach, has_terminal

if TYPE_CHECKING:
    from collections.abc import Callable

    from cyclopts import App

    from ..client import AsyncNovita
    from ..sandbox import SandboxInfo
    from .process import Stop

__all__ = ["build"]

Lifetime = Annotated[float, Parameter(name=["--timeout", "-t"], validator=Number(gt=0, lt=math.inf))]
Labels = Annotated[Many, Parameter(name=["--metadata", "-m"], negative="")]
Variables = Annotated[Many, Parameter(name=["--env", "-e"], negative="")]
States = Annotated[Many, Parameter(name=["--state", "-s"], negative="")]
Flag = Parameter(negative="")

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


def build(stop: Stop) -> App:
    """The commands, which end when `stop` is wanted."""
    app = group("sandbox", "sbx", help="Sandboxes: make, list, enter, end them.")
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
    add(hotplug_memory, "hotplug-memory", "hp")
    add(clone, "clone", "cl")
    add(snapshot, "snapshot")
    return app


async def create(
    novita: AsyncNovita,
    template: str = "base",
    /,
    *,
    timeout: Lifetime = 300.0,
    env: Variables = (),
    metadata: Labels = (),
    secret_env: Annotated[Many, Flag] = (),
    volume_mount: Annotated[Many, Flag] = (),
    secure: bool = True,
    internet: Annotated[bool, Parameter(name="--internet", negative="--no-internet")] = True,
    allow_out: Annotated[Many, Flag] = (),
    deny_out: Annotated[Many, Flag] = (),
    public_traffic: bool = True,
    on_timeout: Literal["kill", "pause"] = "kill",
    auto_resume: Annotated[bool, Flag] = False,
    idle_timeout: float | None = None,
    long_running: Annotated[bool, Flag] = False,
    node_id: str | None = None,
    snapshot: str | None = None,
    detach: Annotated[bool, Parameter(name=["--detach", "-d"], negative="")] = False,
    output: Format = "pretty",
) -> int:
    """Make a sandbox, and open a terminal in it.

    The sandbox is killed when the terminal ends. With --detach or --output, or where there is no terminal, its id is
    printed, and it lives on.

    Args:
        template: id or name of a template, or id of a snapshot.
        timeout: seconds that it lives; with a terminal, that it lives on without a sign of life from here.
        env: KEY=VALUE, a variable of all its commands; may be given several times, as may what follows.
        metadata: KEY=VALUE, a label.
        secret_env: KEY=SECRET, a variable whose value is a stored secret.
        volume_mount: VOLUME:PATH, a volume and where it is found.
        secure: protect its inside with a token of its own.
        internet: let it reach the internet.
        allow_out: an address that it may reach.
        deny_out: an address that it may not reach.
        public_traffic: let everybody reach its ports.
        on_timeout: what becomes of it at the end of its lifetime.
        auto_resume: resume it when something comes for it.
        idle_timeout: seconds without a connection after which it ends.
        long_running: allow more than an hour.
        node_id: the node that it runs on.
        snapshot: id of a snapshot, in place of a template.
        detach: do not open a terminal.
    """
    if snapshot is not None and template != "base":
        raise ValidationError("a sandbox is made from a template or from a snapshot, not from both")
    alone = detach or output != "pretty" or not has_terminal()
    opening = novita.sandboxes.create(
        snapshot or template,
        lifetime=timeout,
        keep_alive=not alone,
        envs=pairs("--env", env),
        metadata=pairs("--metadata", metadata),
        secrets=pairs("--secret-env", secret_env) or None,
        volume_mounts=_mounts(volume_mount) or None,
        secure=secure,
        allow_internet_access=internet,
        allow_out=allow_out or None,
        deny_out=deny_out or None,
        allow_public_traffic=None if public_traffic else False,
        on_timeout=on_timeout,
        auto_resume=auto_resume,
        idle_timeout=idle_timeout,
        long_running=long_running or None,
        node_id=node_id,
    )
    if alone:
        sandbox = await opening
        await say(sandbox.id, {"sandboxID": sandbox.id, "templateID": sandbox.template}, output)
        return 0
    async with opening as sandbox:
        await say(f"{sandbox.id}, until its terminal ends", {}, output)
        return await attach(sandbox)


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
        limit: how many a page has.
    """
    found = novita.sandboxes.list(state=_states(state), metadata=pairs("--metadata", metadata, several=True))
    await show(await paged(found, limit=limit, page=page, everything=all), _COLUMNS, output)


async def info(novita: AsyncNovita, sandbox_id: str, /, *, output: Format = "pretty") -> None:
    """Tell how a sandbox is.

    Args:
        sandbox_id: its id.
    """
    await show_one(await novita.sandboxes.info(sandbox_id), _FIELDS, output)


async def connect(novita: AsyncNovita, sandbox_id: str, /, *, timeout: Lifetime = 300.0) -> int:
    """Open a terminal in a sandbox; a paused one is resumed.

    The sandbox lives as long as the terminal is open, and is left running at its end. All keys go inside; the terminal
    ends as any does, with `exit` or Ctrl-D. The exit code is that of the shell.

    Args:
        sandbox_id: its id.
        timeout: seconds that it lives on without a sign of life from here.
    """
    if not has_terminal():
        raise ValidationError("there is no terminal to connect; `sandbox exec ID -- COMMAND` needs none")
    async with novita.sandboxes.connect(sandbox_id, lifetime=timeout, keep_alive=True, on_exit="leave") as sandbox:
        return await attach(sandbox)


async def exec_(
    novita: AsyncNovita,
    sandbox_id: str,
    /,
    *command: str,
    background: Annotated[bool, Parameter(name=["--background", "-b"], negative="")] = False,
    cwd: Annotated[str | None, Parameter(name=["--cwd", "-c"])] = None,
    user: Annotated[str | None, Parameter(name=["--user", "-u"])] = None,
    env: Variables = (),
) -> int:
    """Run a command in a sandbox: `novita-async sandbox exec ID -- ls -l`.

    Input, both outputs and the exit code are those of the command. Ctrl-C ends it.

    Args:
        sandbox_id: its id.
        command: a program and its arguments, or one line of bash.
        background: let it run, and print its process id.
        cwd: the directory that it runs in.
        user: the Linux user that runs it.
        env: KEY=VALUE, a variable; may be given several times.
    """
    if not command:
        raise ValidationError("there is no command: sandbox exec ID -- COMMAND")
    line, envs = line_of(command), pairs("--env", env)
    sandbox = await novita.sandboxes.connect(sandbox_id)
    if background:
        started = await sandbox.commands.run(line, timeout=None, cwd=cwd, user=user, envs=envs, background=True)
        await started.aclose()
        await say(str(started.pid), {}, "pretty")
        return 0
    return await execute(sandbox, line, cwd=cwd, user=user, envs=envs, stdin=has_input())


async def pause(novita: AsyncNovita, sandbox_id: str, /, *, output: Format = "pretty") -> None:
    """Pause a sandbox: its memory, processes and files are kept.

    Args:
        sandbox_id: its id.
    """
    await novita.sandboxes.by_id(sandbox_id).pause()
    await say(f"paused {sandbox_id}", {"sandboxID": sandbox_id, "state": "paused"}, output)


async def resume(
    novita: AsyncNovita, sandbox_id: str, /, *, timeout: Lifetime = 300.0, output: Format = "pretty"
) -> None:
    """Resume a paused sandbox.

    Args:
        sandbox_id: its id.
        timeout: seconds that it lives from now at least.
    """
    await novita.sandboxes.by_id(sandbox_id).resume(lifetime=timeout)
    await say(f"resumed {sandbox_id}", {"sandboxID": sandbox_id, "state": "running"}, output)


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
            [it.id async for it in novita.sandboxes.list(state=_states(state) or ["running"], metadata=labels)]
        )
        if sandbox_ids:
            await confirm(f"kill {len(sandbox_ids)} sandbox{'es' if len(sandbox_ids) > 1 else ''}", yes=yes)
    return await each(sandbox_ids, novita.sandboxes.kill, "killed", output)


async def network(
    novita: AsyncNovita,
    sandbox_id: str,
    /,
    *,
    allow_out: Annotated[Many, Flag] = (),
    deny_out: Annotated[Many, Flag] = (),
    output: Format = "pretty",
) -> None:
    """Replace the rules of what a running sandbox may reach; without any, lift them.

    Args:
        sandbox_id: its id.
        allow_out: an address, range or host name that it may reach; may be given several times.
        deny_out: an address or range that it may not reach; may be given several times.
    """
    await novita.sandboxes.by_id(sandbox_id).set_network(allow_out=allow_out, deny_out=deny_out)
    await say(f"rules of {sandbox_id} replaced", {"allowOut": allow_out, "denyOut": deny_out}, output)


async def hotplug_memory(
    novita: AsyncNovita, sandbox_id: str, mib: Annotated[int, Parameter(validator=Number(gte=0))], /
) -> None:
    """Give a running sandbox more memory.

    Args:
        sandbox_id: its id.
        mib: MiB beyond what its template has; 0 takes them away again.
    """
    await novita.sandboxes.by_id(sandbox_id).resize_memory(mib)
    await say(f"{sandbox_id} has {mib} MiB more than its template", {}, "pretty")


async def clone(
    novita: AsyncNovita,
    sandbox_id: str,
    /,
    *,
    count: Annotated[Count, Parameter(name=["--count", "-c"])] = 1,
    timeout: Annotated[float | None, Parameter(name=["--timeout", "-t"], validator=Number(gt=0, lt=math.inf))] = None,
    node_id: Annotated[str | None, Parameter(name=["--node-id", "-n"])] = None,
    strict: Annotated[bool, Parameter(name=["--strict", "-s"], negative="")] = False,
    output: Format = "pretty",
) -> None:
    """Clone a sandbox, memory and files. The ids of the clones are printed.

    Args:
        sandbox_id: its id.
        count: how many clones.
        timeout: seconds that they live.
        node_id: the node that they run on.
        strict: all of them or none.
    """
    handle = novita.sandboxes.by_id(sandbox_id)
    clones = await handle.clone(count=count, strict=strict, lifetime=timeout, node_id=node_id)
    made = [{"sandboxID": clone.id, "templateID": clone.template} for clone in clones]
    await show(made, {"id": lambda it: it["sandboxID"], "template": lambda it: it["templateID"]}, output)


def _states(values: Many) -> list[str]:
    return [state for value in values for state in value.split(",") if state]


def _mounts(values: Many) -> dict[str, str]:
    found: dict[str, str] = {}
    for value in values:
        volume, colon, path = value.partition(":")
        if not colon or not volume or not path:
            raise ValidationError(f"--volume-mount takes VOLUME:PATH, got {value!r}")
        found[path] = volume
    return found
