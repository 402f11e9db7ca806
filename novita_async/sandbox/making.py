"""How sandboxes come: by create, connect and clone, none of which leaves one behind that nobody knows of."""

from __future__ import annotations

import asyncio
import hashlib
import math
import re
import shlex
from typing import TYPE_CHECKING, Any

import msgspec

from ..errors import NovitaError, ProtocolError, ValidationError
from ..runtime.arguments import given
from ..runtime.attempts import Attempts
from ..runtime.call import read_answer
from ..runtime.retry import Replay
from ..runtime.undo import or_undo
from ..wire.json import encode
from .arguments import is_id, whole_seconds
from .bodies import ON_EXIT, check_choice, check_count
from .control import Started, path_of
from .session import Sandbox

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from ..runtime.call import Call
    from .bodies import OnExit
    from .control import Control
    from .templates import Templates

__all__ = ["clone", "connect", "create", "image_name", "make_of_image"]


class _Clones(msgspec.Struct):
    sandboxes: list[Started]


async def create(
    control: Control,
    call: Call,
    *,
    before: Callable[[], Awaitable[object]] | None,
    mcp: Mapping[str, Any] | None,
    lifetime: int,
    metadata: Mapping[str, str],
    keep_alive: bool,
    on_exit: OnExit,
) -> Sandbox:
    """Make the call of `Sandboxes.create`, and a session of its answer; `before` comes first."""
    runtime = control.runtime
    if before is not None:
        await before()
    attempts = Attempts(runtime, call)

    async def work() -> Sandbox:
        ends = runtime.clock.time() + lifetime
        started = runtime.decode(await attempts.run(read_answer), Started)
        try:
            sandbox = Sandbox(
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
        if mcp is not None:
            await _start_gateway(sandbox, mcp)
        return sandbox

    return await or_undo(runtime.clock, attempts, work(), Sandbox.kill)


async def connect(control: Control, call: Call, *, lifetime: int, keep_alive: bool, on_exit: OnExit) -> Sandbox:
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
    on_exit: OnExit,
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


def image_name(image: str) -> tuple[str, str]:
    """An image in full, and the name of the template that is made of it, the same that the platform's own client gives.

    Raises:
        ValidationError: this cannot be an image.
    """
    if not isinstance(image, str) or not re.fullmatch(r"[^\s/:]\S*", image):  # pyright: ignore[reportUnnecessaryIsInstance] - a caller's
        raise ValidationError(f"image must be that of a registry, such as 'python:3.12', got {image!r}")
    if "@" not in image and image.rfind(":") <= image.rfind("/"):
        image += ":latest"
    slug = re.sub(r"[^a-z0-9]+", "-", image.lower()).strip("-")[:32]
    digest = hashlib.sha256(encode({"build": {}, "image": image, "schema_version": 1})).hexdigest()[:12]
    return image, f"novita-oci-{slug}-{digest}"


async def make_of_image(templates: Templates, image: str, name: str) -> None:
    """Build the template of an image, unless that was done."""
    from .template import Template

    if not await templates.exists(name):
        task = await templates.build(Template().from_image(image), name)
        await task.wait()


async def _start_gateway(sandbox: Sandbox, mcp: Mapping[str, Any]) -> None:
    """Start the MCP gateway in a new sandbox; without it the sandbox is of no use."""
    import uuid

    command = f"mcp-gateway --config {shlex.quote(encode(mcp).decode())}"
    try:
        # The gateway leaves the token where `sandbox.mcp` reads it.
        await sandbox.commands.run(command, user="root", envs={"GATEWAY_ACCESS_TOKEN": str(uuid.uuid4())})
    except BaseException as error:
        try:
            await sandbox.kill()
        except NovitaError as failure:
            error.add_note(f"sandbox {sandbox.id} could not be killed: {failure}")
        raise


async def _kill(control: Control, started: Started) -> None:
    """Kill a sandbox that cannot be reached, where its id allows even that."""
    if is_id(started.sandboxID):
        await control.kill(started.sandboxID)
