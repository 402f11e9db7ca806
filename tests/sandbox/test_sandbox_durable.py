"""Commands whose connection breaks: taken up again, with every gap told, and durable ones without any."""

from __future__ import annotations

import asyncio
import itertools
from contextlib import aclosing, asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest
from fake_platform import Platform, alive, ended, finished, json, not_there, script, started, wrote
from helpers import inside, without_debug

from novita_async.errors import (
    CommandFailed,
    CommandTimeout,
    ConnectionLost,
    NotFound,
    SandboxEnded,
    SandboxUnreachable,
    StreamCut,
)
from novita_async.sandbox import KEEPALIVE_LIMIT, CommandResult, Gap, Output
from novita_async.simulator import Drop, Simulator
from novita_async.transport.protocol import Reply

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
    from pathlib import Path

    from novita_async import AsyncNovita
    from novita_async.sandbox import Command, Sandbox
    from novita_async.simulator.faults import Stage
    from novita_async.simulator.router import Call
    from novita_async.testing.clock import JumpClock
    from novita_async.transport.protocol import Request

pytestmark = pytest.mark.filterwarnings("ignore::novita_async.simulator.sandbox.IsolationWarning")


@pytest.fixture
async def told(client: AsyncNovita) -> AsyncIterator[Sandbox]:
    """A sandbox on a platform that the test plays."""
    async with client.sandboxes.create() as sandbox:
        yield sandbox


@pytest.fixture
async def sandbox(novita: AsyncNovita) -> AsyncIterator[Sandbox]:
    """A sandbox of the simulator."""
    async with novita.sandboxes.create(lifetime=3600, keep_alive=True) as sandbox:
        yield sandbox


async def lost() -> None:
    raise ConnectionResetError("the peer died")


def connects(platform: Platform, *streams: tuple[Any, ...]) -> None:
    """Let the calls of Connect give these streams, in turn, and the last of them from then on."""
    left = list(streams)

    async def answer(_: Request) -> Reply:
        chunks = left.pop(0) if len(left) > 1 else left[0]
        return Reply(200, {"content-type": "application/connect+json"}, script(*chunks)(None))

    platform.routes["POST /process.Process/Connect"] = answer


# ------------------------------------------------------------------------------------------------------ taken up again


async def test_a_broken_command_is_taken_up_again_and_the_gap_is_told(told: Sandbox, platform: Platform) -> None:
    platform.start = script(started(), wrote(b"before "), wrote(b"err", "stderr"), lost)
    connects(platform, (started(), wrote(b"after"), ended(), finished()))
    async with await told.commands.run("make", background=True) as command:
        pieces = [output async for output in command]
        result = await command.wait()
    assert pieces == [
        Output("stdout", "before "),
        Output("stderr", "err"),
        Output("gap", ""),
        Output("stdout", "after"),
    ]
    assert result == CommandResult(0, "before after", "err", "", (Gap(7, 3, result.gaps[0].seconds),))
    (sent,) = platform.sent("POST", "/Connect")
    assert isinstance(sent.body, bytes)
    assert b'{"process":{"pid":7}}' in sent.body
    assert len(platform.sent("POST", "/Start")) == 1
    assert platform.status_reads == 1


async def test_handlers_hear_nothing_of_a_gap_and_the_result_has_it(told: Sandbox, platform: Platform) -> None:
    platform.start = script(started(), wrote(b"a"), lost)
    connects(platform, (started(), wrote(b"b"), ended(3), finished()))
    seen: list[str] = []
    with pytest.raises(CommandFailed) as caught:
        await told.commands.run("make", on_stdout=seen.append)
    assert seen == ["a", "b"]
    assert [gap.stdout for gap in caught.value.partial.gaps] == [1]


async def test_characters_that_a_gap_tore_apart_are_missing_and_not_damaged(told: Sandbox, platform: Platform) -> None:
    before, after = "ab😀".encode()[:-2], "😀é😀cd".encode()[3:]
    platform.start = script(started(), wrote(before), wrote("ü".encode()[:1], "stderr"), lost)
    connects(platform, (started(), wrote(after[:1]), wrote(after[1:]), wrote(b"x", "stderr"), ended(), finished()))
    result = await told.commands.run("make")
    assert (result.stdout, result.stderr) == ("abé😀cd", "x")


async def test_row_21_the_budget_begins_anew_after_every_event(
    told: Sandbox, platform: Platform, clock: JumpClock
) -> None:
    async def pause() -> None:
        await clock.sleep(30)
        raise ConnectionResetError

    platform.start = script(started(), pause)
    connects(platform, *[(started(), alive(), wrote(b"x"), pause)] * 100, (started(), ended(), finished()))
    result = await told.commands.run("make", timeout=None)
    assert (result.stdout, len(result.gaps)) == ("x" * 100, 101)
    assert clock.monotonic() >= 3000


async def test_a_peer_that_begins_and_breaks_off_is_not_asked_without_end_at_once(
    told: Sandbox, platform: Platform, clock: JumpClock
) -> None:
    platform.start = script(started(), lost)
    connects(platform, *[(started(), lost)] * 12, (started(), ended(), finished()))
    await told.commands.run("make", timeout=None)
    assert clock.monotonic() > 1


@pytest.mark.parametrize("state", ["running", "hibernating"])
async def test_a_sandbox_that_does_not_come_back_is_out_of_reach_within_the_keep_alive_limit(
    told: Sandbox, platform: Platform, clock: JumpClock, state: str
) -> None:
    platform.start = script(started(), wrote(b"so far"), lost)
    connects(platform, (lost,))
    platform.state = state
    began = clock.monotonic()
    with pytest.raises(SandboxUnreachable) as caught:
        await told.commands.run("make", timeout=None)
    assert isinstance(caught.value.__cause__, ConnectionLost)
    assert caught.value.partial == CommandResult(-1, "so far", "", "", caught.value.partial.gaps)
    assert KEEPALIVE_LIMIT - 10 < clock.monotonic() - began <= KEEPALIVE_LIMIT + 1
    assert len(platform.sent("POST", "/Start")) == 1
    assert platform.sent("POST", "/SendSignal") == []


async def test_a_sandbox_that_ends_while_it_is_looked_for_is_called_so(told: Sandbox, platform: Platform) -> None:
    async def gone(_: Request) -> Reply:
        platform.state = "paused"
        return not_there()

    platform.start = script(started(), wrote(b"so far"), lost)
    platform.routes["POST /process.Process/Connect"] = gone
    with pytest.raises(SandboxEnded) as caught:
        await told.commands.run("make")
    assert (caught.value.reason, caught.value.partial.stdout) == ("paused", "so far")
    assert len(platform.sent("POST", "/Connect")) == 1


@pytest.mark.parametrize("inside", [True, False])
async def test_a_command_that_ended_unseen_is_no_success(told: Sandbox, platform: Platform, inside: bool) -> None:
    async def refused(_: Request) -> Reply:
        return json({"code": "not_found", "message": "no such process"}, 404)

    platform.start = script(started(), wrote(b"so far"), lost)
    if inside:
        connects(platform, (finished("not_found", "no such process"),))
    else:
        platform.routes["POST /process.Process/Connect"] = refused
    with pytest.raises(StreamCut, match="how is not known") as caught:
        await told.commands.run("make")
    assert caught.value.partial.stdout == "so far"
    assert platform.sent("POST", "/SendSignal") == []


async def test_a_deadline_that_the_sandbox_held_while_nobody_listened_is_told_as_one(
    told: Sandbox, platform: Platform, clock: JumpClock
) -> None:
    async def late() -> None:
        await clock.sleep(10)

    killed = script(started(), late, ended(-1), finished())
    platform.start = script(started(), wrote(b"a"), lost)

    async def answer(_: Request) -> Reply:
        return Reply(200, {"content-type": "application/connect+json"}, killed(None))

    platform.routes["POST /process.Process/Connect"] = answer
    with pytest.raises(CommandTimeout) as caught:
        await told.commands.run("make", timeout=10)
    assert caught.value.stdout == "a"
    assert platform.sent("POST", "/SendSignal") == []


async def test_letting_go_of_a_command_that_is_looked_for_ends_the_search(
    told: Sandbox, platform: Platform, clock: JumpClock
) -> None:
    platform.start = script(started(), lost)
    connects(platform, (lost,))
    command = await told.commands.run("make", timeout=None, background=True)
    waiting = asyncio.create_task(command.wait())
    await clock.sleep(3)
    await command.aclose()
    with pytest.raises(Exception, match="let go of"):
        await waiting
    assert clock.monotonic() < KEEPALIVE_LIMIT


# ---------------------------------------------------------------------------------- three hours, and forty broken links


class Flaky:
    """Breaks the streams of a command, each in the middle of a message after so many, so many of them.

    Attributes:
        drops: how many it broke.
        attached: set while a stream is open and has begun.
    """

    def __init__(self, mark: bytes, *, after: int, times: int) -> None:
        self.drops = 0
        self.attached = asyncio.Event()
        self._mark = mark
        self._after = after
        self._times = times

    async def __call__(self, call: Call, answer: Callable[[], Awaitable[Reply]], stage: Stage) -> Reply:
        body = call.request.body
        if not isinstance(body, bytes) or self._mark not in body:
            return await answer()
        reply = await answer()
        assert not isinstance(reply.body, bytes)
        return Reply(reply.status, reply.headers, self._broken(reply.body))

    async def _broken(self, chunks: Any) -> AsyncIterator[bytes]:
        count = 0
        async with aclosing(chunks):
            async for chunk in chunks:
                if count >= self._after and self.drops < self._times:
                    self.drops += 1
                    self.attached.clear()
                    yield chunk[: len(chunk) // 2]
                    raise ConnectionLost("dropped, as the test asked")
                yield chunk
                count += 1
                self.attached.set()


#: Every line is another one, in several bytes a character.
LINES = [f"{number}: grün 😀 {'€' * (number % 7)}\n" for number in range(90)]
ECHO = 'while IFS= read -r line; do echo "$line"; echo "e $line" >&2; done'


async def attend(command: Command, flaky: Flaky, clock: JumpClock) -> CommandResult:
    """Stay with a command for three hours, in which it gets a line every two minutes."""
    without_debug()
    reading = asyncio.create_task(command.wait())
    reading.add_done_callback(lambda _: flaky.attached.set())  # whatever it fails of is raised below
    for line in LINES:
        await command.send_stdin(line)
        for _ in range(12):
            await flaky.attached.wait()
            await clock.advance(10)  # a break after a silence leaves 20 seconds to take the command up again
    await flaky.attached.wait()
    await command.close_stdin()
    assert clock.monotonic() >= 3 * 3600
    return await reading


@pytest.mark.acceptance
async def test_three_hours_of_a_durable_command_with_forty_breaks_lose_no_byte(
    sandbox: Sandbox, novita_simulator: Simulator
) -> None:
    clock: Any = novita_simulator.clock
    flaky = Flaky(b"novita-follow", after=10, times=40)
    novita_simulator.fault("POST", "/process.Process/Start", flaky, times=1000)
    async with await sandbox.commands.run(ECHO, timeout=None, background=True, stdin=True, durable=True) as command:
        result = await attend(command, flaky, clock)
    assert flaky.drops == 40
    assert result == CommandResult(0, "".join(LINES), "".join(f"e {line}" for line in LINES))
    while await sandbox.commands.list():  # what ran it has its last moment
        pass
    assert [entry.name for entry in await sandbox.files.list("~") if entry.name.startswith(".novita-")] == []


@pytest.mark.acceptance
async def test_three_hours_of_any_command_with_forty_breaks_repeat_nothing_and_tell_every_gap(
    sandbox: Sandbox, novita_simulator: Simulator
) -> None:
    clock: Any = novita_simulator.clock
    flaky = Flaky(b"", after=10, times=40)
    for method in ("Start", "Connect"):
        novita_simulator.fault("POST", f"/process.Process/{method}", flaky, times=1000)
    async with await sandbox.commands.run(ECHO, timeout=None, background=True, stdin=True) as command:
        result = await attend(command, flaky, clock)
    assert flaky.drops == 40
    assert len(result.gaps) == 40
    whole = {"stdout": "".join(LINES), "stderr": "".join(f"e {line}" for line in LINES)}
    assert len(result.stdout + result.stderr) < len(whole["stdout"] + whole["stderr"])
    for name, text in (("stdout", result.stdout), ("stderr", result.stderr)):
        cuts = [0, *(getattr(gap, name) for gap in result.gaps), len(text)]
        place = 0
        for number, (start, stop) in enumerate(itertools.pairwise(cuts)):
            found = whole[name].find(text[start:stop], place)
            assert found >= place, "a piece is damaged or comes twice"
            assert number or not found, "what is missing before the first gap is told of by none"
            place = found + stop - start
        assert place == len(whole[name]), "what is missing after the last gap is told of by none"


# --------------------------------------------------------------------------------------------------- durable, otherwise


async def test_a_durable_command_is_like_any_other(sandbox: Sandbox, novita_simulator: Simulator) -> None:
    run = sandbox.commands.run
    plain = "echo out $A $HOME; echo err >&2; pwd; umask; cat"
    arguments: dict[str, Any] = {"envs": {"A": "b c", "HOME": "/else where"}, "cwd": "/tmp", "stdin": "in\n"}
    assert await run(plain, durable=True, **arguments) == await run(plain, **arguments)
    with pytest.raises(CommandFailed) as caught:
        await run("echo out; exit 3", durable=True)
    assert (caught.value.exit_code, caught.value.stdout, caught.value.error) == (3, "out\n", "exit status 3")
    big = await run("head -c 3000000 /dev/zero | tr '\\0' x; (sleep 100 &)", durable=True)
    assert big.stdout == "x" * 3_000_000
    left = await sandbox.files.list("~")
    assert [entry.name for entry in left if entry.name.startswith(".novita-")] == []


async def test_a_durable_command_needs_no_namespaces(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, clock: JumpClock
) -> None:
    """Where there is no bubblewrap a command sees this machine's `/tmp`, and the files of its sandbox do not."""
    broken = tmp_path / "bwrap"
    broken.write_text("#!/bin/sh\nexit 1\n")
    broken.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    async with Simulator(clock=clock) as simulator, inside_sandboxes(simulator) as sandbox:
        assert await sandbox.commands.run("echo a; echo b >&2", durable=True) == CommandResult(0, "a\n", "b\n")
        assert await sandbox.files.list("~") == []


@asynccontextmanager
async def inside_sandboxes(simulator: Simulator) -> AsyncGenerator[Sandbox]:
    url = simulator.base_url
    async with (
        inside(simulator, api_url=url, sandbox_url=url) as novita,
        novita.sandboxes.create() as sandbox,
    ):
        yield sandbox


async def test_a_durable_command_that_is_killed_says_so_and_leaves_nothing(sandbox: Sandbox) -> None:
    async with await sandbox.commands.run("echo a; exec sleep 1000", durable=True, background=True) as command:
        assert await anext(command) == Output("stdout", "a\n")
        assert [info.pid for info in await sandbox.commands.list() if not info.tag] == [command.pid]
        assert await command.kill() is True
        result = await command.wait(check=False)
        assert result == CommandResult(-1, "a\n", "", "signal: killed")
    assert await sandbox.commands.list() == []
    assert [entry.name for entry in await sandbox.files.list("~") if entry.name.startswith(".novita-")] == []


async def test_the_deadline_of_a_durable_command_is_held_by_the_sandbox(
    sandbox: Sandbox, novita_simulator: Simulator
) -> None:
    clock: Any = novita_simulator.clock
    wrote = asyncio.Event()
    running = asyncio.create_task(
        sandbox.commands.run("echo out; exec sleep 1000", timeout=30, durable=True, on_stdout=lambda _: wrote.set())
    )
    await wrote.wait()
    await clock.advance(30)
    with pytest.raises(CommandTimeout) as caught:
        await running
    assert (caught.value.seconds, caught.value.stdout) == (30, "out\n")
    assert await sandbox.commands.list() == []
    assert [entry.name for entry in await sandbox.files.list("~") if entry.name.startswith(".novita-")] == []


async def test_a_cancelled_durable_command_is_gone_with_its_files(sandbox: Sandbox) -> None:
    begun = asyncio.Event()
    running = asyncio.create_task(
        sandbox.commands.run("echo a; exec sleep 1000", durable=True, on_stdout=lambda _: begun.set())
    )
    await begun.wait()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    while await sandbox.commands.list():  # what followed it has its last moment
        pass
    assert [entry.name for entry in await sandbox.files.list("~") if entry.name.startswith(".novita-")] == []


async def test_a_follower_that_somebody_kills_is_replaced(sandbox: Sandbox) -> None:
    line = 'while read x; do echo "got $x"; done'
    async with await sandbox.commands.run(line, durable=True, background=True, stdin=True) as command:
        await command.send_stdin("one\n")
        assert await anext(command) == Output("stdout", "got one\n")
        (follower,) = [info for info in await sandbox.commands.list() if info.tag]
        assert await sandbox.commands.kill(follower.pid) is True
        await command.send_stdin("two\n")
        assert await anext(command) == Output("stdout", "got two\n")
        await command.close_stdin()
        assert await command.wait() == CommandResult(0, "got one\ngot two\n", "")


async def test_the_end_of_a_durable_command_is_read_through_breaks(
    sandbox: Sandbox, novita_simulator: Simulator
) -> None:
    novita_simulator.fault("GET", "/files", Drop.before_headers(), Drop.in_body(), times=4)
    flaky = Flaky(b"novita-follow", after=1, times=3)
    novita_simulator.fault("POST", "/process.Process/Start", flaky, times=1000)
    result = await sandbox.commands.run(
        "head -c 2500000 /dev/zero | tr '\\0' y; echo e >&2; exit 4", durable=True, check=False
    )
    assert result == CommandResult(4, "y" * 2_500_000, "e\n", "exit status 4")
    assert flaky.drops == 3


async def test_a_durable_command_whose_beginning_is_not_heard_is_followed_all_the_same(
    sandbox: Sandbox, novita_simulator: Simulator
) -> None:
    novita_simulator.fault("POST", "/process.Process/Start", Drop.in_body(after=1))
    assert (await sandbox.commands.run("echo a; sleep 0.1; echo b", durable=True)).stdout == "a\nb\n"


@pytest.mark.parametrize("ends", [True, False])
async def test_a_durable_command_whose_files_are_removed_is_no_success(sandbox: Sandbox, ends: bool) -> None:
    async with await sandbox.commands.run("echo a; read x", durable=True, background=True, stdin=True) as command:
        assert await anext(command) == Output("stdout", "a\n")
        await sandbox.commands.run("rm -r ~/.novita-*")
        if ends:
            await command.close_stdin()
        else:
            (follower,) = [info for info in await sandbox.commands.list() if info.tag]
            await sandbox.commands.kill(follower.pid)
        with pytest.raises(StreamCut, match="are gone"):
            await command.wait()
        await command.kill()


async def test_a_durable_command_needs_no_ranges(told: Sandbox, platform: Platform) -> None:
    """A server that does not know them answers with the whole file."""
    wrapper = (started(7), wrote(b"ready\n"))
    follower = (started(8), wrote("grün 😀".encode()[:8]), ended(), finished())
    starts = [wrapper, follower]
    files = {"out": "grün 😀!".encode(), "err": b"", "code": b"0\n"}

    async def read(request: Request) -> Reply:
        return Reply(200, {}, files[request.url.rpartition("%2F")[2]])

    platform.start = lambda sent: script(*starts.pop(0))(sent)
    platform.routes["GET /files"] = read
    assert await told.commands.run("make", durable=True) == CommandResult(0, "grün 😀!", "")
    (removed,) = platform.sent("POST", "/Remove")
    assert isinstance(removed.body, bytes)
    assert b'"~/.novita-' in removed.body


async def test_a_sandbox_that_cannot_keep_a_durable_command_says_so(told: Sandbox, platform: Platform) -> None:
    platform.start = script(started(), wrote(b"flock: not found\n", "stderr"), ended(125), finished())
    with pytest.raises(CommandFailed, match="flock: not found") as caught:
        await told.commands.run("make", durable=True)
    assert "durable" in caught.value.error


# ------------------------------------------------------------------------------------------------ by pid, from outside


async def test_a_command_is_found_followed_and_fed_by_its_pid(sandbox: Sandbox) -> None:
    line = 'while read x; do echo "got $x"; done'
    async with await sandbox.commands.run(line, background=True, stdin=True, envs={"A": "b"}) as first:
        (info,) = await sandbox.commands.list()
        assert (info.pid, info.cmd, info.args, info.tag) == (first.pid, "/bin/bash", ["-l", "-c", line], "")
        assert info.envs["A"] == "b"
        async with await sandbox.commands.connect(first.pid) as second:
            assert second.pid == first.pid
            await sandbox.commands.send_stdin(first.pid, "one\n")
            assert await anext(second) == await anext(first) == Output("stdout", "got one\n")
            await sandbox.commands.close_stdin(first.pid)
            assert await second.wait() == await first.wait()
        assert await sandbox.commands.list() == []
        assert await sandbox.commands.kill(first.pid) is False
    with pytest.raises(NotFound):
        await sandbox.commands.connect(2**31)
    async with await sandbox.commands.run("exec sleep 1000", background=True) as third:
        assert await sandbox.commands.kill(third.pid) is True
        assert (await third.wait(check=False)).error == "signal: killed"
