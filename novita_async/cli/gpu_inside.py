"""`gpu ssh`, `gpu logs`, `gpu metrics` and `gpu watch`: the way into instances, and what becomes of them."""

from __future__ import annotations

import asyncio
import functools
import shutil
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import Parameter

from ..errors import ValidationError
from ..runtime.clock import SystemClock
from .options import Flag, Format, Seconds  # noqa: TC001 - read from signatures
from .output import show_more, show_one
from .pipes import STDOUT, write
from .process import CannotGoOn, tell
from .terminal import has_terminal

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..client import AsyncNovita
    from ..gpu import Instance, SpotNotice, Usage

__all__ = ["logs", "metrics", "ssh", "watch"]

_EVERY = 3.0  # seconds between two looks at statuses

_USAGE: dict[str, Callable[[Usage], object]] = {
    "cpu": lambda it: it.cpu[-1].value if it.cpu else None,
    "memory": lambda it: it.memory[-1].value if it.memory else None,
    "disk": lambda it: it.disk[-1].value if it.disk else None,
    "gpu": lambda it: it.gpu.average[-1].value if it.gpu.average else None,
    "gpu memory": lambda it: it.gpu_memory.average[-1].value if it.gpu_memory.average else None,
    "at": lambda it: it.cpu[-1].time if it.cpu else None,
}
_STATUSES: dict[str, Callable[[Instance], object]] = {
    "id": lambda it: it.id,
    "name": lambda it: it.name,
    "status": lambda it: it.status,
    "problem": lambda it: it.problem,
}
_NOTICES: dict[str, Callable[[SpotNotice], object]] = {
    "id": lambda it: it.instance.id,
    "stage": lambda it: it.stage,
    "taken back": lambda it: it.reclaim_at,
    "seconds left": lambda it: None if it.time_left is None else int(it.time_left),
    "error": lambda it: it.error,
}


async def ssh(
    novita: AsyncNovita,
    instance_id: str,
    /,
    *command: str,
    show: Annotated[Flag, Parameter(name="--print")] = False,
) -> int:
    """Log in to an instance, or run a command in it: `novita-async gpu ssh ID -- nvidia-smi`.

    That is done by the program `ssh` of this machine, which asks for the password; it is told on standard error before.
    The exit code is that of `ssh`. Where there is no terminal and no command, what to run is printed.

    Args:
        instance_id: its id.
        command: a program and its arguments, or one line of its shell.
        show: print the command that logs in, and do not run it.
    """
    login = (await novita.gpu.instances.get(instance_id)).ssh
    if login is None or not login.host:
        raise CannotGoOn(f"there is no way in to {instance_id} now: does it run?")
    words = ["ssh", "-p", str(login.port), f"{login.user}@{login.host}"]
    if show or not (command or has_terminal()):
        import shlex

        await write(STDOUT, f"{shlex.join([*words, *command])}\n")
        tell(f"password {login.password}")
        return 0
    program = await SystemClock().to_thread(functools.partial(shutil.which, "ssh"))
    if program is None:
        raise CannotGoOn("there is no program ssh on this machine; --print tells what to run elsewhere")
    tell(f"password {login.password}")
    process = await asyncio.create_subprocess_exec(program, *words[1:], *command)
    try:
        return await process.wait()
    except asyncio.CancelledError:
        if process.returncode is None:
            process.terminate()
            await process.wait()
        raise


async def logs(
    novita: AsyncNovita,
    instance_id: str,
    /,
    *,
    system: Flag = False,
    follow: Annotated[bool, Parameter(name=["--follow", "-f"], negative="")] = False,
) -> None:
    """Print the log of an instance: what its container writes.

    Args:
        instance_id: its id.
        system: what the platform does with the instance, in place of that.
        follow: go on until the instance is gone.
    """
    instance = await novita.gpu.instances.get(instance_id)
    async with instance.logs("system" if system else "instance", follow=follow) as lines:
        async for line in lines:
            await write(STDOUT, f"{line}\n")


async def metrics(novita: AsyncNovita, instance_id: str, /, *, output: Format = "pretty") -> None:
    """Tell how much of an instance is used: the last values, or with -o all those of the last minute.

    Args:
        instance_id: its id.
    """
    await show_one(await novita.gpu.metrics.get(instance_id), _USAGE, output)


async def watch(
    novita: AsyncNovita,
    *instance_ids: str,
    spot: Flag = False,
    after: Literal["restart", "migrate"] | None = None,
    every: Seconds | None = None,
    output: Format = "pretty",
) -> int:
    """Follow the statuses of instances until none of them passes any more: a line for each change.

    With --spot, tell when spot instances are taken back, which is announced an hour ahead; that ends with Ctrl-C, or
    when the last of them was taken back. The exit code is 1 if the platform reports an error of one of them.

    Args:
        instance_ids: their ids; of statuses, all instances when none is given.
        spot: watch for spot instances that are taken back.
        after: start them again when they were taken back, where they were or on another machine; with --spot.
        every: seconds between two looks, or a time such as 1m; 3 for statuses and 15 with --spot when not given.
    """
    if spot:
        return await _notices(novita, instance_ids, after, every or 15.0, output)
    if after is not None:
        raise ValidationError("--after goes with --spot")
    return await _statuses(novita, instance_ids, every or _EVERY, output)


async def _statuses(novita: AsyncNovita, ids: tuple[str, ...], every: float, output: str) -> int:
    from ..catalog.gpu_life import PASSING

    room = novita.gpu.instances
    told: dict[str, tuple[str, str]] = {}
    titles = True
    while True:
        listed = {instance.id: instance async for instance in room.list()}
        for id_ in ids:
            if id_ not in listed:  # a removed one is not listed, and a mistaken id is not known
                listed[id_] = room.blank(id_, "removed") if id_ in told else await room.get(id_)
        gone = [room.blank(id_, "removed") for id_ in told if id_ not in listed]
        now = [listed[id_] for id_ in dict.fromkeys(ids)] if ids else [*listed.values(), *gone]
        changed = [each for each in now if told.get(each.id) != (each.status, each.problem)]
        await show_more(changed, _STATUSES, output, titles=titles)
        titles = False
        told |= {each.id: (each.status, each.problem) for each in changed}
        if not any(each.status in PASSING for each in now):
            return 1 if any(each.problem for each in now) else 0
        await SystemClock().sleep(every)


async def _notices(
    novita: AsyncNovita,
    ids: tuple[str, ...],
    after: Literal["restart", "migrate"] | None,
    every: float,
    output: str,
) -> int:
    titles = True
    async with novita.gpu.spot.watch(list(ids), after=after, every=every) as notices:
        async for notice in notices:
            if output == "pretty":
                await show_more([notice], _NOTICES, output, titles=titles)
            else:
                await show_more([_plain(notice)], {}, output, titles=titles)
            titles = False
    return 0


def _plain(notice: SpotNotice) -> dict[str, Any]:
    return {
        "id": notice.instance.id,
        "stage": notice.stage,
        "reclaim_at": notice.reclaim_at,
        "time_left": notice.time_left,
        "error": str(notice.error) if notice.error else None,
    }
