"""How sandboxes come: by create, connect and clone, none of which leaves one behind that nobody knows of."""

from __future__ import annotations

import asyncio
import math
from typing import TYPE_CHECKING, Any

import msgspec

from ..errors import ProtocolError
from ..runtime.arguments import given
from ..runtime.attempts import Attempts
from ..runtime.call import read_answer
from ..runtime.retry import Replay
from ..runtime.undo import or_undo
from .arguments import is_id, whole_seconds
from .bodies import ON_EXIT, check_choice, check_count
from .control import Started, path_of
from .session import Sandbox

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ..runtime.call import Call
    from .control import Control

__all__ = ["clone", "connect", "create"]


class _Clones(msgspec.Struct):
    sandboxes: list[Started]


async def create(
    control: Control, call: Call, *, lifetime: int, metadata: Mapping[str, str], keep_alive: bool, on_exit: str
) -> Sandbox:
    """Make the call of `Sandboxes.create`, and a session of its answer."""
    runtime = control.runtime
    attempts = Attempts(runtime, call)

    async def work() -> Sandbox:
        ends = runtime.clock.time() + lifetime
        started = runtime.decode(await attempts.run(read_answer), Started)
        try:
            return Sandbox(
                control,
                started,
                metadata=metadata,
                lifetime=lifetime,
                ends=ends,
                keep_alive=keep_alive,
                on_exit=on_exit,
            )
        except ProtocolError:
            await _kill(control, started)
            raise

    return await or_undo(runtime.clock, attempts, work(), Sandbox.kill)


async def connect(control: Control, call: Call, *, lifetime: int, keep_alive: bool, on_exit: str) -> Sandbox:
    """Make the call of `Sandboxes.connect`, and a session of its answer."""
    ends = control.runtime.clock.time() + lifetime
    started = await control.runtime.fetch(call, Started)
    return Sandbox(control, started, metadata={}, lifetime=lifetime, ends=ends, keep_alive=keep_alive, on_exit=on_exit)


async def clone(
    control: Control,
    sandbox_id: str,
    *,
    count: int,
    strict: bool,
    lifetime: float | None,
    node_id: str | None,
    on_exit: str,
    extra_body: Mapping[str, Any] | None,
    timeout: float | None,
) -> list[Sandbox]:
    """See `SandboxHandle.clone`."""
    check_count("count", count, 1)
    check_choice("on_exit", on_exit, ON_EXIT)
    seconds = None if lifetime is None else whole_seconds("lifetime", lifetime)
    body = {"count": count, "strict": strict, **given(timeout=seconds, nodeID=node_id), **(extra_body or {})}
    runtime = control.runtime
    path = f"{path_of(sandbox_id)}/clone"
    attempts = Attempts(runtime, control.call("POST", path, body, timeout=timeout, replay=Replay.SUBMITS))

    async def work() -> list[Sandbox]:
        ends = math.inf if seconds is None else runtime.clock.time() + seconds
        clones = runtime.decode(await attempts.run(read_answer), _Clones).sandboxes
        try:
            return [
                Sandbox(control, each, metadata={}, lifetime=seconds, ends=ends, on_exit=on_exit) for each in clones
            ]
        except ProtocolError:
            await asyncio.gather(*(_kill(control, each) for each in clones))
            raise

    async def undo(made: list[Sandbox]) -> None:
        await asyncio.gather(*(each.kill() for each in made))

    return await or_undo(runtime.clock, attempts, work(), undo)


async def _kill(control: Control, started: Started) -> None:
    """Kill a sandbox that cannot be reached, where its id allows even that."""
    if is_id(started.sandboxID):
        await control.kill(started.sandboxID)
