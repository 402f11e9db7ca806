"""Runs the cases: one stub for all, one fresh process for each measurement, the contestants in turn, round by round."""

from __future__ import annotations

import os
import pathlib
import shlex
import signal
import subprocess
import sys
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from .contestants import CONTESTANTS, available
from .imports import PACKAGES, program
from .machine import cores
from .sandboxes import SANDBOX_CLIENTS, SandboxOutcome, SandboxSpec, missing
from .tasks import TasksOutcome, TasksSpec
from .worker import Outcome, Spec

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Generator, Sequence

__all__ = ["CASES", "FULL", "QUICK", "Run", "Setting", "Sizes", "measure"]

T = TypeVar("T")

CASES = ("import", "chat", "stream", "tasks", "create", "command", "transfer")

_OF_SANDBOXES = ("create", "command", "transfer")
_ALONE = ("import", "create", "transfer")  # cases of which there is one setting

_ROOT = pathlib.Path(__file__).resolve().parent.parent
_LONGEST = 600.0  # seconds for one process


class Setting(msgspec.Struct, frozen=True, kw_only=True):
    """One way to run a case.

    Attributes:
        concurrency: calls, streams or commands at once, or waiting tasks; 0 where there is no such thing.
        gap: seconds between the chunks of a stream; 0 for as fast as it goes.
    """

    concurrency: int = 0
    gap: float = 0.0


class Sizes(msgspec.Struct, frozen=True, kw_only=True):
    """How much is measured.

    Attributes:
        rounds: that count; `warm_up` more are run before them and dropped.
        import_rounds: at least so many for the import, which is quick and noisy.
        seconds: in which new calls or commands are begun, a run.
        chunks: of each stream.
        creates: sandboxes made, a run.
        transfer: bytes written and read, a run.
    """

    rounds: int
    import_rounds: int
    warm_up: int
    seconds: float
    chunks: int
    chat: tuple[Setting, ...]
    stream: tuple[Setting, ...]
    tasks: tuple[Setting, ...]
    command: tuple[Setting, ...]
    creates: int
    transfer: int

    def settings(self, case: str) -> tuple[Setting, ...]:
        """The settings of a case."""
        return (Setting(),) if case in _ALONE else getattr(self, case)


def _at(*concurrencies: int) -> tuple[Setting, ...]:
    return tuple(Setting(concurrency=concurrency) for concurrency in concurrencies)


FULL = Sizes(
    rounds=5,
    import_rounds=15,
    warm_up=1,
    seconds=3.0,
    chunks=200,
    chat=_at(1, 64, 512),
    stream=(*_at(1, 100, 500), Setting(concurrency=500, gap=0.02)),
    tasks=_at(1_000, 10_000),
    command=_at(1, 16, 64),
    creates=20,
    transfer=100 * 2**20,
)

#: To see that everything works. The figures mean nothing.
QUICK = Sizes(
    rounds=1,
    import_rounds=1,
    warm_up=0,
    seconds=0.2,
    chunks=20,
    chat=_at(1, 16),
    stream=(*_at(1, 16), Setting(concurrency=16, gap=0.005)),
    tasks=_at(200),
    command=_at(1, 4),
    creates=2,
    transfer=4 * 2**20,
)


class Run(msgspec.Struct, frozen=True, kw_only=True):
    """One measurement, as it came out of its process. `outcome` has the fields of `Outcome`, `TasksOutcome`,
    `SandboxOutcome` or the import's program."""

    case: str
    setting: Setting
    contestant: str
    round: int
    outcome: dict[str, Any]


def measure(
    cases: Collection[str],
    sizes: Sizes,
    *,
    contestants: Collection[str] = (*CONTESTANTS, *SANDBOX_CLIENTS),
    say: Callable[[str], object] = lambda line: None,
) -> list[Run]:
    """Run the cases and return every round that counts.

    Args:
        cases: some of `CASES`.
        sizes: how much.
        contestants: those who take part, where they can.
        say: told what is running.

    Raises:
        RuntimeError: a process failed; with what it wrote.
    """
    present = [name for name in contestants if name not in available()]
    runs: list[Run] = []
    with ExitStack() as stack:
        port = stack.enter_context(_stub())
        simulator: dict[str, str] = {}
        for case in CASES:
            if case not in cases:
                continue
            if case in _OF_SANDBOXES and not simulator:
                simulator = stack.enter_context(_simulator())
            rounds = max(sizes.rounds, sizes.import_rounds) if case == "import" else sizes.rounds
            for setting in sizes.settings(case):
                for number in range(-sizes.warm_up, rounds):
                    for who in _turn(_takers(case, present), number):
                        label = f"round {number + 1} of {rounds}" if number >= 0 else "warm-up"
                        say(f"{case} {setting.concurrency or ''} {who}: {label}")
                        if case in _OF_SANDBOXES:
                            outcome = _run_sandbox(case, setting, who, sizes, simulator)
                        else:
                            outcome = _run(case, setting, who, sizes, port)
                        if number >= 0:
                            runs.append(Run(case=case, setting=setting, contestant=who, round=number, outcome=outcome))
    return runs


def _takers(case: str, present: Sequence[str]) -> list[str]:
    """Who takes part in a case."""
    if case == "tasks":
        return ["novita"]  # nobody else has a scheduler
    if case in _OF_SANDBOXES:
        return [who for who in SANDBOX_CLIENTS if who in present and who not in missing()]
    return [who for who in CONTESTANTS if who in present and (case != "import" or who in PACKAGES)]


def _turn(names: list[str], number: int) -> list[str]:
    """The order of a round: each begins with another one, so that no one always runs in someone's wake."""
    first = number % len(names) if names else 0
    return names[first:] + names[:first]


def _run(case: str, setting: Setting, who: str, sizes: Sizes, port: int) -> dict[str, Any]:
    _, core = cores()
    if case == "import":
        return msgspec.json.decode(_child("-c", program(who, core)))
    if case == "tasks":
        return _run_tasks(setting, core)
    spec = Spec(
        who=who,
        case=case,
        port=port,
        core=core,
        concurrency=setting.concurrency,
        seconds=sizes.seconds,
        chunks=sizes.chunks,
        gap=setting.gap,
    )
    return msgspec.to_builtins(_measured("benchmarks.worker", spec, Outcome))


def _run_tasks(setting: Setting, core: int) -> dict[str, Any]:
    """Two processes: tracemalloc slows everything down, and its own memory would be in the process's."""
    spec = TasksSpec(tasks=setting.concurrency, seconds=60.0, traced=False, core=core)
    plain = _measured("benchmarks.tasks", spec, TasksOutcome)
    traced = _measured("benchmarks.tasks", msgspec.structs.replace(spec, traced=True), TasksOutcome)
    sizes = ("handle_bytes", "waiting_bytes", "halfway_bytes")
    return msgspec.to_builtins(plain) | {f"traced_{name}": getattr(traced, name) for name in sizes}


def _run_sandbox(case: str, setting: Setting, who: str, sizes: Sizes, simulator: dict[str, str]) -> dict[str, Any]:
    _, core = cores()
    spec = SandboxSpec(
        who=who,
        case=case,
        core=core,
        concurrency=setting.concurrency,
        seconds=sizes.seconds,
        creates=sizes.creates,
        size=sizes.transfer,
    )
    return msgspec.to_builtins(_measured("benchmarks.sandboxes", spec, SandboxOutcome, **simulator))


def _measured(module: str, spec: msgspec.Struct, type_: type[T], **environment: str) -> T:
    return msgspec.json.decode(_child("-m", module, msgspec.json.encode(spec).decode(), **environment), type=type_)


def _child(*arguments: str, **environment: str) -> bytes:
    result = subprocess.run(
        [sys.executable, *arguments],
        cwd=_ROOT,
        env=_environment() | environment,
        capture_output=True,
        timeout=_LONGEST,
        check=False,
    )
    if result.returncode:
        raise RuntimeError(f"{arguments[:2]} failed:\n{result.stderr.decode()}")
    return result.stdout


@contextmanager
def _stub() -> Generator[int]:
    """The server, for as long as it is needed; gives its port."""
    core, _ = cores()
    server = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.stub", str(core)],
        cwd=_ROOT,
        env=_environment(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    with server:  # closes its standard input, on which it ends, and waits
        assert server.stdout is not None
        yield int(server.stdout.readline())


_SERVE = """
import sys
from benchmarks.machine import pin
from novita_async.cli.main import main
pin(int(sys.argv[1]))
sys.exit(main(["simulator"]))
"""


@contextmanager
def _simulator() -> Generator[dict[str, str]]:
    """The simulator with its sandboxes, for as long as they are needed; gives the variables of its clients."""
    core, _ = cores()
    server = subprocess.Popen(
        [sys.executable, "-c", _SERVE, str(core)], cwd=_ROOT, env=_environment(), stdout=subprocess.PIPE, text=True
    )
    with server:
        assert server.stdout is not None
        variables: dict[str, str] = {}
        while "NOVITA_PROJECTS_URL" not in variables:
            name, _, value = server.stdout.readline().removeprefix("export ").partition("=")
            if not name:
                raise RuntimeError("the simulator ended before it was ready")
            variables[name] = shlex.split(value)[0]
        try:
            yield variables
        finally:
            server.send_signal(signal.SIGINT)


def _environment() -> dict[str, str]:
    """The environment without what would change the behaviour of an interpreter or of a client."""
    changing = ("PYTHON", "NOVITA_", "OPENAI_")
    return {
        name: value
        for name, value in os.environ.items()
        if (not name.startswith(changing) or name in ("PYTHONPATH", "PYTHONHOME"))
        and not name.lower().endswith("_proxy")
    }
