"""Commands, run for real in the simulator's sandboxes."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from novita_async.errors import (
    AuthenticationError,
    BadRequest,
    CommandFailed,
    CommandTimeout,
    NotFound,
    SandboxEnded,
    ValidationError,
)
from novita_async.sandbox import CommandResult, Output

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from novita_async import AsyncNovita, Simulator
    from novita_async.sandbox import Sandbox

pytestmark = pytest.mark.filterwarnings("ignore::novita_async.simulator.sandbox.IsolationWarning")


@pytest.fixture
async def sandbox(novita: AsyncNovita) -> AsyncIterator[Sandbox]:
    async with novita.sandboxes.create(lifetime=3600, envs={"FROM": "sandbox"}) as sandbox:
        yield sandbox


def count(simulator: Simulator, method: str) -> int:
    return sum(request.path.endswith(f"/{method}") for request in simulator.requests)


#: A command whose life can be seen from outside of it.
BEATING = "echo a; while true; do echo x >> beats; sleep 0.01; done"


async def beats(sandbox: Sandbox) -> bool:
    before = await sandbox.commands.run("cat beats | wc -c; sleep 0.1")
    return before.stdout != (await sandbox.commands.run("cat beats | wc -c")).stdout


async def test_a_command_gives_its_outputs_and_its_exit_code(sandbox: Sandbox) -> None:
    result = await sandbox.commands.run("echo out; echo err >&2")
    assert result == CommandResult(0, "out\n", "err\n")


async def test_a_failure_is_raised_with_both_outputs(sandbox: Sandbox) -> None:
    with pytest.raises(CommandFailed) as caught:
        await sandbox.commands.run("echo out; echo err >&2; exit 3")
    error = caught.value
    assert (error.exit_code, error.stdout, error.stderr, error.error) == (3, "out\n", "err\n", "exit status 3")
    assert error.sandbox_id == sandbox.id


async def test_a_failure_is_a_result_without_check(sandbox: Sandbox) -> None:
    result = await sandbox.commands.run("exit 3", check=False)
    assert (result.exit_code, result.error) == (3, "exit status 3")


async def test_a_missing_program_is_exit_code_127(sandbox: Sandbox) -> None:
    with pytest.raises(CommandFailed, match="exit code 127"):
        await sandbox.commands.run("no-such-program")


async def test_environment_directory_and_user_reach_the_command(sandbox: Sandbox) -> None:
    await sandbox.files.make_dir("work")
    result = await sandbox.commands.run(
        'echo "$FROM $MINE"; pwd', envs={"MINE": "a b=c\n'\"$x"}, cwd="work", user="user"
    )
    variables, _, directory = result.stdout.rstrip("\n").rpartition("\n")
    assert variables == "sandbox a b=c\n'\"$x"
    assert directory.endswith("/home/user/work")  # without bubblewrap it stands inside a directory of this machine


async def test_a_missing_directory_and_an_unknown_user_are_refused(sandbox: Sandbox) -> None:
    with pytest.raises(BadRequest, match="nowhere"):
        await sandbox.commands.run("true", cwd="/nowhere")
    with pytest.raises(AuthenticationError):
        await sandbox.commands.run("true", user="nobody-here")


async def test_handlers_get_the_pieces_in_order_and_are_awaited(sandbox: Sandbox) -> None:
    seen: list[str] = []

    async def slow(text: str) -> None:
        seen.append("(")
        await asyncio.sleep(0)
        seen.append(f"{text})")

    result = await sandbox.commands.run(
        "for i in 1 2 3; do echo $i; sleep 0.02; done; echo e >&2", on_stdout=slow, on_stderr=seen.append
    )
    assert "".join(seen) in ("(1\n)(2\n)(3\n)e\n", "(1\n)(2\n)e\n(3\n)")
    assert result.stdout == "1\n2\n3\n"


async def test_an_error_of_a_handler_kills_the_command_once(sandbox: Sandbox, novita_simulator: Simulator) -> None:
    def handler(text: str) -> None:
        raise KeyError(text)

    with pytest.raises(KeyError, match="a"):
        await sandbox.commands.run(BEATING, on_stdout=handler)
    assert count(novita_simulator, "SendSignal") == 1
    assert not await beats(sandbox)


@pytest.mark.parametrize("data", ["b\na\n", b"b\na\n"])
async def test_input_is_written_and_closed(sandbox: Sandbox, data: str | bytes) -> None:
    assert (await sandbox.commands.run("sort", stdin=data)).stdout == "a\nb\n"


async def test_without_input_a_command_reads_nothing(sandbox: Sandbox) -> None:
    assert (await sandbox.commands.run("cat")).stdout == ""
    assert (await sandbox.commands.run("cat", stdin="")).stdout == ""


async def test_more_input_and_output_than_any_pipe_holds_goes_through(sandbox: Sandbox) -> None:
    data = "0123456789abcdef" * 65536
    assert (await sandbox.commands.run("cat", stdin=data)).stdout == data


async def test_a_command_that_leaves_its_input_unread_succeeds(sandbox: Sandbox) -> None:
    assert (await sandbox.commands.run("head -c 3", stdin="x" * 1_000_000)).stdout == "xxx"
    assert (await sandbox.commands.run("exec <&-; echo done", stdin="x" * 1_000_000)).stdout == "done\n"


async def test_a_timeout_ends_the_command_and_gives_what_was_written(
    sandbox: Sandbox, novita_simulator: Simulator
) -> None:
    clock: Any = novita_simulator.clock  # it stands still for a process that somebody waits for
    wrote = asyncio.Event()

    def mark(_: str) -> None:
        wrote.set()

    running = asyncio.create_task(
        sandbox.commands.run("echo out; echo err >&2; exec sleep 1000", timeout=30, on_stderr=mark)
    )
    await wrote.wait()
    await clock.advance(29)
    assert not running.done()
    await clock.advance(1)
    with pytest.raises(CommandTimeout) as caught:
        await running
    error = caught.value
    assert (error.seconds, error.stdout, error.stderr) == (30, "out\n", "err\n")
    assert isinstance(error, TimeoutError)
    assert count(novita_simulator, "SendSignal") == 0


async def test_the_timeout_is_sent_in_milliseconds_and_left_out_for_none(
    sandbox: Sandbox, novita_simulator: Simulator
) -> None:
    await sandbox.commands.run("true", timeout=1.2345)
    await sandbox.commands.run("true", timeout=None)
    await sandbox.commands.run("true")
    headers = [request.headers for request in novita_simulator.requests if request.path.endswith("/Start")]
    assert [header.get("connect-timeout-ms") for header in headers] == ["1235", None, "60000"]
    assert {header["keepalive-ping-interval"] for header in headers} == {"20"}


async def test_a_quiet_command_lives_on_by_its_signs_of_life(sandbox: Sandbox, novita_simulator: Simulator) -> None:
    clock: Any = novita_simulator.clock
    # In the background the clock does not stand still for the process: five minutes of silence pass at once.
    async with await sandbox.commands.run("read line; echo got $line", timeout=None, background=True, stdin=True) as c:
        reading = asyncio.create_task(c.wait())
        began = clock.monotonic()
        await clock.advance(300)
        assert clock.monotonic() >= began + 300
        assert not reading.done()
        await c.send_stdin("it\n")
        assert (await reading).stdout == "got it\n"


# ------------------------------------------------------------------------------------------------ in the background


async def test_a_background_command_is_iterated_for_typed_pieces(sandbox: Sandbox) -> None:
    async with await sandbox.commands.run("echo a; sleep 0.02; echo b >&2; exit 2", background=True) as command:
        assert command.pid > 0
        assert [output async for output in command] == [Output("stdout", "a\n"), Output("stderr", "b\n")]
        assert await command.wait(check=False) == CommandResult(2, "a\n", "b\n", "exit status 2")
        with pytest.raises(CommandFailed):
            await command.wait()


async def test_input_can_be_sent_to_a_background_command(sandbox: Sandbox) -> None:
    async with await sandbox.commands.run("while read x; do echo got $x; done", background=True, stdin=True) as command:
        await command.send_stdin("one\n")
        assert await anext(command) == Output("stdout", "got one\n")
        await command.send_stdin(b"two\n")
        await command.close_stdin()
        assert (await command.wait()).stdout == "got one\ngot two\n"
        with pytest.raises(ValidationError, match="not open"):
            await command.send_stdin("three")


async def test_input_for_a_command_that_ended_or_took_none_is_refused(sandbox: Sandbox) -> None:
    command = await sandbox.commands.run("true", background=True, stdin=True)
    await command.wait()
    with pytest.raises(NotFound):
        await command.send_stdin("x")
    async with await sandbox.commands.run("sleep 1000", background=True) as command:
        with pytest.raises(ValidationError, match="stdin=True"):
            await command.send_stdin("x")
        await command.kill()


async def test_a_killed_command_ends_by_a_signal(sandbox: Sandbox) -> None:
    async with await sandbox.commands.run("exec sleep 1000", background=True) as command:
        assert await command.kill() is True
        result = await command.wait(check=False)
        assert (result.exit_code, result.error) == (-1, "signal: killed")
        assert await command.kill() is False


async def test_letting_go_of_a_command_leaves_it_running(sandbox: Sandbox, novita_simulator: Simulator) -> None:
    async with await sandbox.commands.run("sleep 0.2; touch done; sleep 1000", background=True) as command:
        pass
    await command.aclose()
    assert count(novita_simulator, "SendSignal") == 0
    result = await sandbox.commands.run("while [ ! -e done ]; do sleep 0.02; done; echo yes")
    assert result.stdout == "yes\n"
    assert await command.kill() is True


async def test_a_cancelled_reader_of_a_background_command_does_not_end_it(
    sandbox: Sandbox, novita_simulator: Simulator
) -> None:
    async with await sandbox.commands.run("read x; echo $x", background=True, stdin=True) as command:
        waiting = asyncio.create_task(command.wait())
        await asyncio.sleep(0.005)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        await command.send_stdin("still here\n")
        assert (await command.wait()).stdout == "still here\n"
    assert count(novita_simulator, "SendSignal") == 0


async def test_a_cancelled_command_is_killed_once_and_is_gone(sandbox: Sandbox, novita_simulator: Simulator) -> None:
    begun = asyncio.Event()

    def mark(_: str) -> None:
        begun.set()

    running = asyncio.create_task(sandbox.commands.run(BEATING, on_stdout=mark))
    await begun.wait()
    assert await beats(sandbox)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert count(novita_simulator, "SendSignal") == 1
    assert not await beats(sandbox)


async def test_the_end_of_the_sandbox_is_told_to_a_running_command(
    sandbox: Sandbox, novita: AsyncNovita, novita_simulator: Simulator
) -> None:
    async with await sandbox.commands.run("echo a; exec sleep 1000", timeout=None, background=True) as command:
        assert (await anext(command)).text == "a\n"
        await novita.sandboxes.kill(sandbox.id)
        with pytest.raises(SandboxEnded) as caught:
            await command.wait()
    assert caught.value.reason == "unknown"
    assert caught.value.partial == CommandResult(-1, "a\n", "")
    reads = [request for request in novita_simulator.requests if request.method == "GET"]
    assert len(reads) == 1


async def test_the_end_of_the_lifetime_is_told_as_such(novita: AsyncNovita, novita_simulator: Simulator) -> None:
    clock: Any = novita_simulator.clock
    async with novita.sandboxes.create(lifetime=30) as sandbox:
        command = await sandbox.commands.run("exec sleep 1000", timeout=None, background=True)
        await clock.advance(30)
        with pytest.raises(SandboxEnded) as caught:
            await command.wait()
    assert caught.value.reason == "timeout"
    assert caught.value.sandbox_id == sandbox.id


async def test_many_commands_at_once_keep_their_outputs_apart(sandbox: Sandbox) -> None:
    results = await asyncio.gather(*(sandbox.commands.run(f"echo {number}; sleep 0.01") for number in range(8)))
    assert [result.stdout for result in results] == [f"{number}\n" for number in range(8)]


# --------------------------------------------------------------------------------------------- before a byte leaves


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"cmd": ""}, "cmd is empty"),
        ({"cmd": "  \n"}, "cmd is empty"),
        ({"cmd": ["ls"]}, "cmd is empty: it must be a line of bash"),
        ({"cmd": "a\0b"}, "NUL"),
        ({"cmd": "\ud800"}, "cannot be written as JSON"),
        ({"timeout": 0}, "timeout"),
        ({"timeout": -5}, "timeout"),
        ({"timeout": float("nan")}, "timeout"),
        ({"envs": {"A": None}}, r"envs\['A'\]"),
        ({"envs": {"A": "\0"}}, "NUL"),
        ({"cwd": ""}, "cwd"),
        ({"cwd": "a\0"}, "cwd holds a NUL byte"),
        ({"cwd": 5}, "cwd must be text"),
        ({"user": "a:b"}, "user"),
        ({"user": ""}, "user"),
        ({"user": "a\r\nx: y"}, "user"),
        ({"stdin": True}, "background=True"),
        ({"stdin": "x", "background": True}, "in the background"),
        ({"on_stdout": print, "background": True}, "iterate"),
    ],
)
async def test_a_command_that_cannot_be_sent_is_refused(
    sandbox: Sandbox, novita_simulator: Simulator, arguments: dict[str, Any], words: str
) -> None:
    before = len(novita_simulator.requests)
    with pytest.raises(ValidationError, match=words):
        await sandbox.commands.run(**{"cmd": "true", **arguments})
    assert len(novita_simulator.requests) == before
