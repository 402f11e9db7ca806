"""`novita-async demo`: all four products at once, from one client.

`parts` has what is done with each product, `display` how it looks; here is what holds them together: where the client
points, that a part that fails does not stop the others, and how it all ends when the user wants it to.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any

import anyio

from ..client import AsyncNovita
from .display import Outcome, make_display
from .parts import Parts
from .process import CannotGoOn, tell

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from .display import Display
    from .parts import Work
    from .process import Stop

__all__ = ["show"]

_PAUSE = 0.4  # seconds between two lines of the program in the sandbox
_GRACE = 1.2  # seconds for taking things back when the user wants to end
_NOTICE = (
    "--live uses your account at {url} and costs a little money: a chat answer, two pictures, a video of 3 seconds, "
    "a sandbox for a minute, and a GPU instance that is deleted as soon as it runs"
)


async def show(*, out: Path, live: bool, speed: float, stop: Stop) -> int:
    """Run the demo; return the exit code.

    Raises:
        CannotGoOn: the directory cannot be had.
        ConfigError: `live`, and there is no key.
    """
    try:
        await anyio.Path(out).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise CannotGoOn(f"{out} cannot be used as a directory: {error.strerror}") from error
    async with AsyncExitStack() as stack:
        if live:
            novita = AsyncNovita()
            novita.settings.require_key()
            tell(_NOTICE.format(url=novita.settings.base_url))
        else:
            novita = await _simulated(stack, speed)
        await stack.enter_async_context(novita)
        display = make_display(f"novita-async demo, {'live' if live else 'simulated'} at {novita.settings.base_url}")
        parts = Parts(novita, display, out, pause=_PAUSE / speed)
        with display:
            outcomes = await _run(parts, display, stop)
        if not outcomes:
            tell(_last_words(parts, live=live))
            return 130
        stats = novita.stats()
        counts = ", ".join(f"{stats[name]} {name}" for name in ("requests", "polls", "retries"))
        display.table(outcomes, f"{counts}; files are in {out}")
        return 1 if any(outcome.failure for outcome in outcomes) else 0


async def _simulated(stack: AsyncExitStack, speed: float) -> AsyncNovita:
    """A client on a simulator of its own, behind a real socket."""
    from ..simulator import Outcome as Fate
    from ..simulator import Simulator

    simulator = Simulator(task_seconds=4 / speed, chunk_delay=0.03 / speed, gpu_step_seconds=1.1 / speed)
    await stack.enter_async_context(simulator)
    simulator.fault("POST", "/v3/async/kling-*", Fate.succeeded(after=7.5 / speed))  # a video takes longer
    served = await stack.enter_async_context(simulator.serve())
    # The variables are named after the arguments. Given as such, they win over what the user has set.
    settings: dict[str, Any] = {
        name.removeprefix("NOVITA_").lower(): value for name, value in served.environment.items()
    }
    return AsyncNovita(**settings)


async def _run(parts: Parts, display: Display, stop: Stop) -> list[Outcome]:
    """Run all parts at once. When the user wants to end, each takes back what it has made, as far as time allows."""
    if stop.wanted:
        return []
    work = [asyncio.create_task(_panel(display, panel, works)) for panel, works in parts.panels.items()]
    ended = asyncio.create_task(asyncio.wait(work))
    stopping = asyncio.create_task(stop.wait())
    await asyncio.wait({ended, stopping}, return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()
    if stop.wanted:
        for task in work:
            task.cancel()
        await asyncio.wait(work, timeout=_GRACE)
        return []
    return [outcome for task in work for outcome in task.result()]


async def _panel(display: Display, panel: str, works: Mapping[str, Work]) -> list[Outcome]:
    outcomes = await asyncio.gather(*(_part(display, panel, name, work) for name, work in works.items()))
    display.end(panel, good=not any(outcome.failure for outcome in outcomes))
    return outcomes


async def _part(display: Display, panel: str, name: str, work: Work) -> Outcome:
    began = time.monotonic()
    try:
        measured, files = await work()
    except Exception as error:
        # Whatever it is, the other parts go on, and the table shows it.
        failure = str(error) or type(error).__name__
        display.fail(panel, name, failure)
        return Outcome(name, time.monotonic() - began, failure=failure)
    return Outcome(name, time.monotonic() - began, measured=measured, files=files)


def _last_words(parts: Parts, *, live: bool) -> str:
    words = [f"{name} ended" for name in parts.ledger.gone]
    words += [f"{name} could NOT be ended in time: see to it" for name in parts.ledger.there]
    if live and any(not task.done for task in parts.tasks):
        words.append("media tasks cannot be cancelled and go on")
    return f"stopped; {', '.join(words) or 'there was nothing to end'}"
