"""The command line as its users meet it: arguments, an environment, pipes and signals."""

from __future__ import annotations

import asyncio
import signal
import threading
import warnings
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any

import pytest
from running import Terminal, at_terminal

from novita_async import AsyncNovita, Simulator
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
async def terminal() -> AsyncIterator[Terminal]:
    terminal = Terminal()
    yield terminal
    terminal.hang_up()


@pytest.fixture
def command(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[..., tuple[int, str, str]]]:
    """Runs a command that ends by itself in this process: code, output, errors."""
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before: dict[int, Any] = {number: signal.getsignal(number) for number in numbers}
    monkeypatch.setattr(warnings, "showwarning", warnings.showwarning)

    def run(*args: str) -> tuple[int, str, str]:
        code = main(args)
        return code, *capfd.readouterr()

    yield run
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.fixture
def screen(command: Callable[..., tuple[int, str, str]]) -> Callable[..., tuple[int, str]]:
    """Runs such a command on a terminal: code, and what it shows."""
    return at_terminal


class Cloud:
    """A simulator in a thread of its own, for commands that end by themselves in this process."""

    def __init__(self) -> None:
        self.simulator: Simulator
        self.environment: dict[str, str] = {}
        self._started: Future[None] = Future()
        self._loop = asyncio.new_event_loop()
        self._end = asyncio.Event()
        self._thread = threading.Thread(target=self._loop.run_until_complete, args=(self._serve(),))

    async def _serve(self) -> None:
        try:
            async with Simulator(gpu_step_seconds=0.1) as self.simulator, self.simulator.serve() as served:
                self.environment = served.environment
                self._started.set_result(None)
                await self._end.wait()
        except BaseException as error:
            if not self._started.done():
                self._started.set_exception(error)
            raise

    def kill(self, sandbox_id: str) -> None:
        """Kill a sandbox, from any thread."""
        asyncio.run_coroutine_threadsafe(self._kill(sandbox_id), self._loop).result(10)

    async def _kill(self, sandbox_id: str) -> None:
        sim = self.simulator
        async with AsyncNovita(api_key=sim.api_key, base_url=sim.base_url, transport=sim.transport()) as novita:
            await novita.sandboxes.kill(sandbox_id)

    def reclaim(self, instance_id: str, notice: float) -> None:
        """Take a spot instance back, from any thread."""

        async def on_its_loop() -> None:
            self.simulator.gpu.reclaim(instance_id, notice=notice)

        asyncio.run_coroutine_threadsafe(on_its_loop(), self._loop).result(10)

    def __enter__(self) -> Cloud:
        self._thread.start()
        self._started.result(10)
        return self

    def __exit__(self, *error: object) -> None:
        self._loop.call_soon_threadsafe(self._end.set)
        self._thread.join(10)
        self._loop.run_until_complete(self._loop.shutdown_default_executor())
        self._loop.close()


@pytest.fixture
def cloud(monkeypatch: pytest.MonkeyPatch) -> Iterator[Cloud]:
    """A simulator that the environment points at."""
    with Cloud() as cloud:
        for name, value in cloud.environment.items():
            monkeypatch.setenv(name, value)
        yield cloud
