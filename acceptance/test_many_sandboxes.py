"""Two hundred sandboxes at once on a simulator of its own process, and what is left of them: nothing, whatever ends it.

The simulator and the clients begin with the 1024 descriptors that a shell gives. Everything is looked for on the whole
machine: processes, mounts, directories, sockets.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
import shlex
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import pytest

from novita_async import AsyncNovita, RetryPolicy

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Iterable


MANY = 200
DESCRIPTORS = 1024
SECONDS = 30.0  # for what takes a few on two processors
PROC = Path("/proc")


def bubblewrap_works() -> bool:
    args = ["bwrap", "--unshare-all", "--ro-bind", "/", "/", "--proc", "/proc", "true"]
    return shutil.which("bwrap") is not None and subprocess.run(args, capture_output=True).returncode == 0


pytestmark = [
    pytest.mark.acceptance,
    pytest.mark.skipif(
        not bubblewrap_works(), reason="bwrap (bubblewrap) is not there, or this system does not allow it namespaces"
    ),
]


# ------------------------------------------------------------------------------------------------ what is there


def read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:  # it has ended
        return b""


def pids() -> list[int]:
    return [int(name) for name in os.listdir(PROC) if name.isdigit()]


def namespace(pid: int, kind: str) -> str:
    try:
        return os.readlink(PROC / str(pid) / "ns" / kind)
    except OSError:
        return ""


def born(pid: int) -> bytes:
    """When a process began: with its number it is the same process and no other. Empty when it has ended."""
    fields = read(PROC / str(pid) / "stat").rpartition(b")")[2].split()
    return fields[19] if fields and fields[0] not in (b"Z", b"X") else b""


def mounting(directory: Path) -> list[int]:
    """Every process in whose sight something of the directory is mounted."""
    name = os.fsencode(directory)
    return [pid for pid in pids() if name in read(PROC / str(pid) / "mountinfo")]


def command(pid: int) -> list[str]:
    return os.fsdecode(read(PROC / str(pid) / "cmdline")).split("\0")


def descriptors(pid: int) -> int:
    return len(os.listdir(PROC / str(pid) / "fd"))


def listening() -> dict[str, str]:
    """The addresses of this machine at which somebody listens, by the socket that does."""
    lines = [line.split() for line in read(PROC / "net/tcp").decode().splitlines()[1:]]
    return {f"socket:[{fields[9]}]": fields[1] for fields in lines if fields[3] == "0A"}


def opened(pid: int) -> set[str]:
    """What a process has open."""
    found: set[str] = set()
    for name in os.listdir(PROC / str(pid) / "fd"):
        with contextlib.suppress(OSError):  # closed meanwhile
            found.add(os.readlink(PROC / str(pid) / "fd" / name))
    return found


async def until(fulfilled: Callable[[], object], seconds: float = 5.0) -> None:
    """Give the kernel, and connections that are being closed, a moment."""
    end = time.monotonic() + seconds
    while not fulfilled() and time.monotonic() < end:  # noqa: ASYNC110 - nothing tells of it
        await asyncio.sleep(0.05)


class Traces:
    """All that a simulator and its sandboxes put on this machine, so that it can be missed afterwards.

    Attributes:
        token: a variable that every command of the sandboxes is given, and what is started by it.
        directory: where the simulator keeps its files.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.token = secrets.token_hex(12)
        self._seen: dict[int, bytes] = {}
        self._addresses: set[str] = set()

    def look(self, simulator: int) -> list[int]:
        """Remember everything that is there now; return the processes in the sandboxes' namespaces."""
        inside = {namespace(pid, "pid") for pid in self._named()} - {namespace(os.getpid(), "pid"), ""}
        found = [pid for pid in pids() if namespace(pid, "pid") in inside]
        self._seen |= {pid: born(pid) for pid in [*found, *self._named(), *self._children(simulator), simulator]}
        sockets = opened(simulator)
        self._addresses |= {address for socket, address in listening().items() if socket in sockets}
        return found

    def _named(self) -> list[int]:
        """The processes that say whose they are: by the token, or by the directory."""
        words = (self.token.encode(), os.fsencode(self.directory))
        return [
            pid
            for pid in pids()
            if pid != os.getpid()
            and any(word in read(PROC / str(pid) / name) for word in words for name in ("environ", "cmdline"))
        ]

    def _children(self, pid: int) -> set[int]:
        """A process's descendants."""
        of: dict[int, list[int]] = {}
        for each in pids():
            fields = read(PROC / str(each) / "stat").rpartition(b")")[2].split()
            if fields:
                of.setdefault(int(fields[1]), []).append(each)
        found: set[int] = set()
        todo = [pid]
        while todo:
            todo += (new := of.get(todo.pop(), []))
            found.update(new)
        return found

    def own(self, simulator: int) -> list[int]:
        """What a simulator without a sandbox consists of: itself and, once there was one, what opened its network."""
        own = [simulator, *self._children(simulator)]
        assert len(own) <= 2
        return own

    def processes(self, *, but: Iterable[int] = ()) -> list[str]:
        """Those that are still there, of those that were seen and of those that say whose they are."""
        alive = {pid for pid, since in self._seen.items() if since and born(pid) == since} | set(self._named())
        return [f"{pid} {shlex.join(command(pid))}" for pid in alive - set(but)]

    async def gone(self, *, but: Iterable[int] = ()) -> None:
        """Nothing but these processes is left."""
        await until(lambda: not self.processes(but=but) and not mounting(self.directory))
        assert self.processes(but=but) == []
        assert mounting(self.directory) == []
        assert but or not self._addresses & set(listening().values())

    def files(self) -> list[str]:
        return sorted(os.listdir(self.directory))


# -------------------------------------------------------------------------------------------------- who does it


class Service:
    """`novita-async simulator` in a process of its own."""

    def __init__(self, process: asyncio.subprocess.Process, variables: dict[str, str]) -> None:
        self.process = process
        self.pid = process.pid
        self.variables = variables

    def client(self) -> AsyncNovita:
        settings: dict[str, Any] = {
            name.removeprefix("NOVITA_").lower(): value for name, value in self.variables.items()
        }
        return AsyncNovita(**settings, retry=RetryPolicy(attempts=1))

    async def end(self, number: int, *, seconds: float = SECONDS) -> int:
        self.process.send_signal(number)
        return await asyncio.wait_for(self.process.wait(), seconds)


@contextlib.asynccontextmanager
async def serving(directory: Path) -> AsyncGenerator[Service]:
    process = await started("-m", "novita_async", "simulator", "--require-isolation", TMPDIR=str(directory))
    assert process.stdout is not None
    try:
        variables: dict[str, str] = {}
        while "NOVITA_PROJECTS_URL" not in variables:
            line = (await process.stdout.readline()).decode()
            name, _, value = line.removeprefix("export ").partition("=")
            assert name, "the simulator has ended"
            variables[name] = shlex.split(value)[0]
        yield Service(process, variables)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def started(*arguments: str, **variables: str) -> asyncio.subprocess.Process:
    """A Python process with as many descriptors as a shell gives."""
    return await asyncio.create_subprocess_exec(
        *("bash", "-c", f'ulimit -Sn {DESCRIPTORS} && exec "$@"', "bash", sys.executable, *arguments),
        env={**os.environ, **variables},
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
    )


@pytest.fixture
def traces(tmp_path: Path) -> Traces:
    directory = tmp_path / "simulator"
    directory.mkdir()
    return Traces(directory)


class Sessions:
    """Two hundred sandboxes of one client, made at once, each with a command that does not end and one that it left.

    Attributes:
        tasks: each is a session, from `create` to `kill`.
    """

    def __init__(self, novita: AsyncNovita, traces: Traces) -> None:
        asyncio.get_running_loop().set_debug(False)  # it takes the stack of every task that is made
        self._begun = asyncio.Semaphore(0)
        self.tasks = [asyncio.create_task(self._session(novita, traces)) for _ in range(MANY)]

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in self.tasks:
            task.cancel()
        await asyncio.wait(self.tasks)

    async def _session(self, novita: AsyncNovita, traces: Traces) -> None:
        async with novita.sandboxes.create(lifetime=600, envs={"TRACE": traces.token}) as sandbox:
            await sandbox.commands.run(NEVER_ENDING, timeout=None, on_stdout=lambda _: self._begun.release())

    async def begun(self, count: int) -> None:
        """Wait until so many commands run; the others are being made."""
        for _ in range(count):
            await asyncio.wait_for(self._begun.acquire(), SECONDS)


NEVER_ENDING = "setsid sleep 600 & echo begun; exec sleep 600"

#: The same as a program, which says when half of the commands run.
PROGRAM = f"""
import asyncio, os
from novita_async import AsyncNovita

async def session(novita, begun):
    async with novita.sandboxes.create(lifetime=600, envs={{"TRACE": os.environ["TRACE"]}}) as sandbox:
        await sandbox.commands.run({NEVER_ENDING!r}, timeout=None, on_stdout=lambda _: begun.release())

async def main():
    begun = asyncio.Semaphore(0)
    async with AsyncNovita() as novita, asyncio.TaskGroup() as group:
        for _ in range({MANY}):
            group.create_task(session(novita, begun))
        for _ in range({MANY // 2}):
            await begun.acquire()
        print("half", flush=True)

asyncio.run(main())
"""


async def check_it_works(service: Service, traces: Traces) -> None:
    """A sandbox comes, works and goes, and takes everything with it."""
    async with service.client() as novita:
        async with novita.sandboxes.create() as sandbox:
            assert (await sandbox.commands.run("echo works")).stdout == "works\n"
        assert await novita.sandboxes.list() == []
    (ground,) = traces.files()
    assert os.listdir(traces.directory / ground) == []


# ---------------------------------------------------------------------------------------------------- the proofs


async def test_two_hundred_at_once_run_their_commands_and_are_killed_without_a_trace(traces: Traces) -> None:
    async with serving(traces.directory) as service:
        asyncio.get_running_loop().set_debug(False)
        await check_it_works(service, traces)
        own = traces.own(service.pid)
        traces.look(service.pid)
        before = descriptors(service.pid)
        assert traces.processes(but=own) == []

        async with service.client() as novita:
            began = time.monotonic()
            create = novita.sandboxes.create
            sandboxes = await asyncio.gather(*(create(lifetime=600, envs={"TRACE": traces.token}) for _ in range(MANY)))
            assert time.monotonic() - began < SECONDS
            results = await asyncio.gather(
                *(
                    sandbox.commands.run(f"setsid sleep 600 & echo {number}; head -c 100000 /dev/zero | wc -c >&2")
                    for number, sandbox in enumerate(sandboxes)
                )
            )
            assert [result.stdout for result in results] == [f"{number}\n" for number in range(MANY)]
            assert {result.stderr for result in results} == {"100000\n"}
            assert len(await novita.sandboxes.list()) == MANY
            inside = traces.look(service.pid)
            assert len({namespace(pid, "pid") for pid in inside}) == MANY
            assert len({namespace(pid, "mnt") for pid in inside}) >= MANY
            await asyncio.gather(*(sandbox.kill() for sandbox in sandboxes))
            assert await novita.sandboxes.list() == []

        await traces.gone(but=own)
        (ground,) = traces.files()
        assert os.listdir(traces.directory / ground) == []
        await check_it_works(service, traces)
        await until(lambda: descriptors(service.pid) <= before)
        assert descriptors(service.pid) <= before
        assert await service.end(signal.SIGINT) == 0
    await traces.gone()
    assert traces.files() == []


async def test_ctrl_c_of_the_simulator_in_the_middle_of_two_hundred_leaves_nothing(traces: Traces) -> None:
    async with serving(traces.directory) as service, service.client() as novita:
        async with Sessions(novita, traces) as sessions:
            await sessions.begun(MANY // 2)
            assert len(traces.look(service.pid)) > MANY // 2
            assert await service.end(signal.SIGINT) == 0
            await traces.gone()
            assert traces.files() == []
        assert novita.stats()["open_streams"] == 0


async def test_ctrl_c_of_a_client_in_the_middle_of_two_hundred_leaves_only_the_simulator(traces: Traces) -> None:
    async with serving(traces.directory) as service:
        await check_it_works(service, traces)
        own = traces.own(service.pid)
        before = descriptors(service.pid)
        client = await started("-c", PROGRAM, TRACE=traces.token, **service.variables)
        assert client.stdout is not None
        assert await asyncio.wait_for(client.stdout.readline(), SECONDS) == b"half\n"
        assert len(traces.look(service.pid)) > MANY // 2
        client.send_signal(signal.SIGINT)
        assert await asyncio.wait_for(client.wait(), SECONDS) == -signal.SIGINT
        async with service.client() as novita:
            assert await novita.sandboxes.list() == []
        await traces.gone(but=own)
        await check_it_works(service, traces)
        await until(lambda: descriptors(service.pid) <= before)
        assert descriptors(service.pid) <= before
        assert await service.end(signal.SIGINT) == 0
    await traces.gone()
    assert traces.files() == []


async def test_after_kill_9_in_the_middle_of_two_hundred_and_a_restart_nothing_is_left(traces: Traces) -> None:
    async with (
        serving(traces.directory) as service,
        service.client() as novita,
        Sessions(novita, traces) as sessions,
    ):
        await sessions.begun(MANY // 2)
        assert len(traces.look(service.pid)) > MANY // 2
        assert await service.end(signal.SIGKILL) == -signal.SIGKILL
        await traces.gone()
    assert len(traces.files()) == 1
    async with serving(traces.directory) as service:
        assert traces.files() == []
        await check_it_works(service, traces)
        assert await service.end(signal.SIGTERM) == 0
    await traces.gone()
    assert traces.files() == []
