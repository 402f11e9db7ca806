"""`sandbox create`: a sandbox, and a terminal in it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter

from ..errors import ValidationError
from .options import Flag, Format, Labels, Lifetime, Seconds, Several, Variables, pairs, split
from .output import say
from .project import Config, Directory, load
from .terminal import attach, has_terminal

if TYPE_CHECKING:
    from ..client import AsyncNovita

__all__ = ["create"]


async def create(
    novita: AsyncNovita,
    template: str | None = None,
    /,
    *,
    timeout: Lifetime = 300.0,
    env: Variables = (),
    metadata: Labels = (),
    secret_env: Several = (),
    volume_mount: Several = (),
    secure: bool = True,
    internet: Annotated[bool, Parameter(name="--internet", negative="--no-internet")] = True,
    allow_out: Several = (),
    deny_out: Several = (),
    public_traffic: bool | None = None,
    on_timeout: Literal["kill", "pause"] = "kill",
    auto_resume: Flag = False,
    idle_timeout: Seconds | None = None,
    long_running: Flag = False,
    node_id: str | None = None,
    snapshot: str | None = None,
    detach: Annotated[Flag, Parameter(name=["--detach", "-d"])] = False,
    path: Directory = Path(),
    config: Config = None,
    output: Format = "pretty",
) -> int:
    """Make a sandbox, and open a terminal in it.

    The sandbox is killed when the terminal ends. With --detach or --output, or where there is no terminal, its id is
    printed, and it lives on.

    Args:
        template: id or name of a template, or id of a snapshot; that of novita.toml, or base, when not given.
        timeout: seconds that it lives, or a time such as 90s, 5m or 24h; with a terminal, that it lives on without a
            sign of life from here.
        env: KEY=VALUE, a variable of all its commands; may be given several times, as may what follows.
        metadata: KEY=VALUE, a label.
        secret_env: KEY=SECRET, a variable whose value is a stored secret.
        volume_mount: PATH=VOLUME, where a volume is found, and its name.
        secure: protect its inside with a token of its own.
        internet: let it reach the internet.
        allow_out: addresses that it may reach, with commas between.
        deny_out: addresses that it may not reach.
        public_traffic: let everybody reach its ports, or only who has its traffic token.
        on_timeout: what becomes of it at the end of its lifetime.
        auto_resume: resume it when something comes for it; with --on-timeout pause.
        idle_timeout: seconds without a connection after which it ends, or such a time.
        long_running: allow more than an hour.
        node_id: the node that it runs on.
        snapshot: id of a snapshot, in place of a template.
        detach: do not open a terminal.
        path: the directory whose novita.toml is read.
        config: the file, where it is called something else.
    """
    if snapshot is not None and template is not None:
        raise ValidationError("a sandbox is made from a template or from a snapshot, not from both")
    envs, secrets = pairs("--env", env), pairs("--secret-env", secret_env, form="KEY=SECRET")
    if both := envs.keys() & secrets.keys():
        raise ValidationError(f"--env and --secret-env both set {', '.join(sorted(both))}")
    source = snapshot or template or (await load(path, config)).template_id or "base"
    alone = detach or output != "pretty" or not has_terminal()
    opening = novita.sandboxes.create(
        source,
        lifetime=timeout,
        keep_alive=not alone,
        envs=envs,
        metadata=pairs("--metadata", metadata),
        secrets=secrets or None,
        volume_mounts=pairs("--volume-mount", volume_mount, form="PATH=VOLUME") or None,
        secure=secure,
        allow_internet_access=internet,
        allow_out=split(allow_out) or None,
        deny_out=split(deny_out) or None,
        allow_public_traffic=public_traffic,
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
