"""What becomes of a sandbox: it stands still and goes on, is copied, has other rules and more memory."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter
from cyclopts.validators import Number

from .options import Count, Flag, Format, Lifetime, Several, split
from .output import say, show

if TYPE_CHECKING:
    from ..client import AsyncNovita

__all__ = ["clone", "commit", "detach_memory", "hotplug_memory", "network", "pause", "resume"]

Memory = Annotated[int, Parameter(validator=Number(gte=0))]


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
        timeout: seconds that it lives from now at least, or a time such as 5m.
    """
    await novita.sandboxes.by_id(sandbox_id).resume(lifetime=timeout)
    await say(f"resumed {sandbox_id}", {"sandboxID": sandbox_id, "state": "running"}, output)


async def clone(
    novita: AsyncNovita,
    sandbox_id: str,
    /,
    *,
    count: Annotated[Count, Parameter(name=["--count", "-c"])] = 1,
    timeout: Lifetime | None = None,
    node_id: Annotated[str | None, Parameter(name=["--node-id", "-n"])] = None,
    strict: Annotated[Flag, Parameter(name=["--strict", "-s"])] = False,
    output: Format = "pretty",
) -> None:
    """Clone a sandbox, memory and files. The ids of the clones are printed.

    Args:
        sandbox_id: its id.
        count: how many clones.
        timeout: seconds that they live, or a time such as 5m; as long as this one when not given.
        node_id: the node that they run on.
        strict: all of them or none.
    """
    handle = novita.sandboxes.by_id(sandbox_id)
    clones = await handle.clone(count=count, strict=strict, lifetime=timeout, node_id=node_id)
    made = [{"sandboxID": clone.id, "templateID": clone.template} for clone in clones]
    await show(made, {"id": lambda it: it["sandboxID"], "template": lambda it: it["templateID"]}, output)


async def network(
    novita: AsyncNovita,
    sandbox_id: str,
    /,
    *,
    allow_out: Several = (),
    deny_out: Several = (),
    output: Format = "pretty",
) -> None:
    """Replace the rules of what a running sandbox may reach; without any, lift them.

    Args:
        sandbox_id: its id.
        allow_out: addresses, ranges or host names that it may reach, with commas between; may be given several times.
        deny_out: addresses or ranges that it may not reach, likewise.
    """
    allowed, denied = split(allow_out), split(deny_out)
    await novita.sandboxes.by_id(sandbox_id).set_network(allow_out=allowed, deny_out=denied)
    await say(f"rules of {sandbox_id} replaced", {"allowOut": allowed, "denyOut": denied}, output)


async def hotplug_memory(novita: AsyncNovita, sandbox_id: str, mib: Memory, /) -> None:
    """Give a running sandbox more memory.

    Args:
        sandbox_id: its id.
        mib: MiB beyond what its template has; 0 takes them away again.
    """
    await novita.sandboxes.by_id(sandbox_id).resize_memory(mib)
    await say(f"{sandbox_id} has {mib} MiB more than its template", {}, "pretty")


async def detach_memory(novita: AsyncNovita, sandbox_id: str, /) -> None:
    """Take the memory away again that a running sandbox was given: `hotplug-memory ID 0`.

    Args:
        sandbox_id: its id.
    """
    await hotplug_memory(novita, sandbox_id, 0)


async def commit(
    novita: AsyncNovita,
    sandbox_id: str,
    /,
    *,
    alias: Annotated[str | None, Parameter(name=["--alias", "-a"])] = None,
    output: Format = "pretty",
) -> None:
    """Make a template of a sandbox as it is, and print its id.

    The platform's older domains do so; others refuse it, and have `snapshot`.

    Args:
        sandbox_id: its id.
        alias: what the template is to be called.
    """
    template = await novita.sandboxes.by_id(sandbox_id).commit(alias=alias)
    await say(template.id, {"templateID": template.id, "aliases": template.names}, output)
