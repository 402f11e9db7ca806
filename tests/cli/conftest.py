"""The command line as its users meet it: arguments, an environment, pipes and signals."""

from __future__ import annotations

import signal
import warnings
from typing import TYPE_CHECKING, Any

import pytest

from novita_async import Simulator
from novita_async.cli.main import main

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

    from novita_async.simulator import Served


@pytest.fixture
async def simulator() -> AsyncIterator[tuple[Simulator, Served]]:
    """A quick simulator behind a socket, for commands that run in a process of their own."""
    quick = Simulator(task_seconds=0.4, chunk_delay=0.002, gpu_step_seconds=0.1)
    async with quick as simulator, simulator.serve() as served:
        yield simulator, served


@pytest.fixture
def command(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[..., tuple[int, str, str]]]:
    """Runs a command that ends by itself in this process: code, output, errors."""
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before: dict[int, Any] = {number: signal.getsignal(number) for number in numbers}
    monkeypatch.setattr(warnings, "showwarning", warnings.showwarning)

    def run(*args: str) -> tuple[int, str, str]:
        code = main(args)
        return code, *capsys.readouterr()

    yield run
    for number, handler in before.items():
        signal.signal(number, handler)
