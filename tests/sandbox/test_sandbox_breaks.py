"""What a session meets when its sandbox or the way to it breaks: one status read, and the sandbox's own word for it."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from fake_platform import (
    Platform,
    alive,
    ended,
    error,
    finished,
    json,
    message,
    not_there,
    script,
    settled,
    started,
    wrote,
)

from novita_async.errors import (
    APIError,
    CallTimeout,
    ClientClosed,
    CommandTimeout,
    ConnectionLost,
    OutcomeUnknown,
    ProtocolError,
    RateLimited,
    SandboxEnded,
    SandboxUnreachable,
    ServerError,
    StreamCut,
    StreamStalled,
    ValidationError,
)
from novita_async.sandbox import KEEPALIVE_LIMIT, CommandResult, Output
from novita_async.transport.protocol import Reply

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from novita_async import AsyncNovita
    from novita_async.sandbox import Sandbox
    from novita_async.testing.clock import JumpClock
    from novita_async.transport.protocol import Request


@pytest.fixture
async def sandbox(client: AsyncNovita) -> AsyncIterator[Sandbox]:
    async with client.sandboxes.create() as sandbox:
        yield sandbox


async def silence() -> None:
    await asyncio.Event().wait()


async def lost() -> None:
    raise ConnectionResetError("the peer died")


def always(reply: Callable[[], Reply]) -> Callable[[Request], Awaitable[Reply]]:
    async def answer(_: Request) -> Reply:
        return reply()

    return answer


async def silent(_: Request) -> Reply:
    await silence()
    raise AssertionError


async def drop(_: Request) -> Reply:
    raise ConnectionResetError


# ----------------------------------------------------------------------------------------------------- dead peers


@pytest.mark.parametrize("chunks", [(started(),), (started(), wrote(b"some")), (started(), alive(), alive())])
async def test_row_2_a_peer_that_goes_dead_is_out_of_reach_within_the_keep_alive_limit(
    sandbox: Sandbox, platform: Platform, clock: JumpClock, chunks: tuple[bytes, ...]
) -> None:
    platform.start = script(*chunks, silence)
    began = clock.monotonic()
    with pytest.raises(SandboxUnreachable) as caught:
        await sandbox.commands.run("make", timeout=None)
    assert clock.monotonic() - began <= KEEPALIVE_LIMIT + 0.1
    assert isinstance(caught.value.__cause__, StreamStalled)
    assert platform.status_reads == 1
    assert caught.value.sandbox_id == sandbox.id


@pytest.mark.parametrize("where", ["before the headers", "before the first event"])
async def test_row_2_a_peer_that_accepts_and_is_dead_is_out_of_reach(
    sandbox: Sandbox, platform: Platform, clock: JumpClock, where: str
) -> None:
    if where == "before the headers":
        platform.routes["POST /process.Process/Start"] = silent
    platform.start = script(silence)
    began = clock.monotonic()
    with pytest.raises(SandboxUnreachable):
        await sandbox.commands.run("make", timeout=None)
    assert clock.monotonic() - began <= KEEPALIVE_LIMIT + 0.1
    assert len(platform.sent("POST", "/Start")) == 1
    assert platform.status_reads == 1


async def test_signs_of_life_carry_a_silent_command_through_an_hour(
    sandbox: Sandbox, platform: Platform, clock: JumpClock
) -> None:
    async def pause() -> None:
        await clock.sleep(20)

    platform.start = script(started(), *([pause, alive()] * 180), wrote(b"done"), ended(), finished())
    assert (await sandbox.commands.run("make", timeout=None)).stdout == "done"
    assert clock.monotonic() >= 3600
    assert platform.status_reads == 0


async def test_a_handler_that_takes_its_time_does_not_make_the_sandbox_silent(
    sandbox: Sandbox, platform: Platform, clock: JumpClock
) -> None:
    platform.start = script(started(), wrote(b"a"), wrote(b"b"), ended(), finished())

    async def slow(_: str) -> None:
        await clock.sleep(1000)

    assert (await sandbox.commands.run("make", timeout=None, on_stdout=slow)).stdout == "ab"


# ------------------------------------------------------------------------------------------------ broken connections


@pytest.mark.parametrize(("state", "reason"), [(None, "unknown"), ("paused", "paused")])
@pytest.mark.parametrize(
    ("chunks", "cause"),
    [
        ((started(), wrote(b"so far"), lost), ConnectionLost),
        ((started(), wrote(b"so far")), StreamCut),
        ((started(), wrote(b"so far"), wrote(b"x")[:9]), StreamCut),
        ((started(), wrote(b"so far"), finished()), StreamCut),
        ((started(), wrote(b"so far"), finished("unavailable", "going down")), ServerError),
        ((started(), wrote(b"so far"), finished("canceled", "context canceled")), APIError),
    ],
)
async def test_row_22_a_broken_stream_is_followed_by_one_status_read(
    sandbox: Sandbox,
    platform: Platform,
    chunks: tuple[bytes, ...],
    cause: type[Exception],
    state: str | None,
    reason: str,
) -> None:
    platform.start = script(*chunks)
    platform.state = state
    with pytest.raises(SandboxEnded) as caught:
        await sandbox.commands.run("make")
    assert caught.value.reason == reason
    assert isinstance(caught.value.__cause__, cause)
    assert caught.value.partial == CommandResult(-1, "so far", "")
    assert platform.status_reads == 1
    assert len(platform.sent("POST", "/Start")) == 1
    assert platform.sent("POST", "/Connect") == []
    assert platform.sent("POST", "/SendSignal") == []


async def test_row_22_a_sandbox_that_is_past_its_end_has_timed_out(
    client: AsyncNovita, platform: Platform, clock: JumpClock
) -> None:
    async def later() -> None:
        await clock.sleep(30)
        raise ConnectionResetError

    platform.start = script(started(), later)
    platform.state = None
    sandbox = await client.sandboxes.create(lifetime=30)
    with pytest.raises(SandboxEnded) as caught:
        await sandbox.commands.run("make")
    assert caught.value.reason == "timeout"


async def test_row_22_the_end_that_info_tells_is_believed(
    client: AsyncNovita, platform: Platform, clock: JumpClock
) -> None:
    """The platform cuts lifetimes above an hour."""
    end = datetime.fromtimestamp(clock.time() + 3600, UTC)

    async def told(_: Request) -> Reply | None:
        return json({"sandboxID": "sbx1", "state": "running", "endAt": end}) if platform.state else None

    platform.routes["GET /sandboxes/*"] = told
    platform.routes["POST /filesystem.Filesystem/Stat"] = always(not_there)
    sandbox = await client.sandboxes.create(lifetime=7200)
    await sandbox.info()
    await clock.sleep(3600)
    platform.state = None
    with pytest.raises(SandboxEnded) as caught:
        await sandbox.files.stat("x")
    assert caught.value.reason == "timeout"


@pytest.mark.parametrize("answer", [always(not_there), drop])
async def test_row_22_a_call_that_breaks_is_followed_by_one_status_read_too(
    sandbox: Sandbox, platform: Platform, answer: Callable[[Request], Awaitable[Reply]]
) -> None:
    platform.routes |= dict.fromkeys(("POST /filesystem*", "POST /process*", "GET /files", "POST /files"), answer)
    platform.state = None
    calls: list[Callable[[], Awaitable[Any]]] = [
        lambda: sandbox.files.list("."),
        lambda: sandbox.files.read("x"),
        lambda: sandbox.files.read("x", format="stream"),
        lambda: sandbox.files.write("x", "y"),
        lambda: sandbox.files.rename("x", "y"),
        lambda: sandbox.commands.run("true"),
        lambda: sandbox.commands.run("true", background=True),
    ]
    for number, call in enumerate(calls, start=1):
        with pytest.raises(SandboxEnded):
            await call()
        assert platform.status_reads == number


async def test_an_error_of_envd_itself_is_no_break(sandbox: Sandbox, platform: Platform) -> None:
    platform.routes["GET /files"] = always(lambda: error(500, "disk on fire"))
    with pytest.raises(ServerError, match="disk on fire"):
        await sandbox.files.read("x")
    assert platform.status_reads == 0


async def test_row_22_a_lifetime_that_was_set_is_the_one_that_counts(
    client: AsyncNovita, platform: Platform, clock: JumpClock
) -> None:
    platform.routes["POST /filesystem*"] = always(not_there)
    platform.state = None
    for first, second, reason in ((1000, 10, "timeout"), (10, 1000, "unknown")):
        sandbox = await client.sandboxes.create(lifetime=first)
        await sandbox.set_lifetime(second)
        await clock.sleep(15)
        with pytest.raises(SandboxEnded) as caught:
            await sandbox.files.stat("x")
        assert caught.value.reason == reason


@pytest.mark.parametrize("answer", [silent, drop, always(lambda: error(503, "busy"))])
async def test_a_status_that_cannot_be_read_leaves_the_sandbox_out_of_reach(
    sandbox: Sandbox, platform: Platform, clock: JumpClock, answer: Callable[[Request], Awaitable[Reply]]
) -> None:
    platform.routes["POST /filesystem*"] = drop
    platform.routes["GET /sandboxes/*"] = answer
    with pytest.raises(SandboxUnreachable, match="could not be read"):
        await sandbox.files.exists("x")
    assert platform.status_reads == 1


async def test_the_callers_own_patience_is_not_the_sandboxs_fault(
    sandbox: Sandbox, platform: Platform, clock: JumpClock
) -> None:
    platform.routes["POST /filesystem*"] = silent
    with pytest.raises(CallTimeout):
        await sandbox.files.stat("x", timeout=3)
    assert platform.status_reads == 0


async def test_a_file_stream_that_breaks_is_explained(sandbox: Sandbox, platform: Platform) -> None:
    async def half(_: Request) -> Reply:
        return Reply(200, {"content-length": "10"}, script(b"12345")(None))

    platform.routes["GET /files"] = half
    platform.state = None
    chunks: list[bytes] = []

    async def read() -> None:
        async with await sandbox.files.read("x", format="stream") as stream:
            chunks.extend([chunk async for chunk in stream])

    with pytest.raises(SandboxEnded) as caught:
        await read()
    assert isinstance(caught.value.__cause__, StreamCut | ConnectionLost)
    assert platform.status_reads == 1


# ------------------------------------------------------------------------------------------------- what comes apart


async def test_characters_that_come_apart_are_put_together(sandbox: Sandbox, platform: Platform) -> None:
    data = "aé€😀z".encode()
    pieces = [wrote(data[place : place + 1]) for place in range(len(data))]
    mixed = [chunk for piece in pieces for chunk in (piece, wrote("ß".encode(), "stderr"))]
    platform.start = script(started(), *mixed, ended(), finished())
    seen: list[str] = []
    result = await sandbox.commands.run("x", on_stdout=seen.append)
    assert result.stdout == "aé€😀z"
    assert result.stderr == "ß" * len(data)
    assert seen == list("aé€😀z")


async def test_bytes_that_are_no_text_are_replaced_also_at_the_end(sandbox: Sandbox, platform: Platform) -> None:
    platform.start = script(started(), wrote(b"a\xffb\xe2\x82"), ended(), finished())
    seen: list[str] = []
    assert (await sandbox.commands.run("x", on_stdout=seen.append)).stdout == "a\ufffdb\ufffd"
    assert seen == ["a\ufffdb", "\ufffd"]


async def test_a_stream_in_single_bytes_is_read_like_any_other(sandbox: Sandbox, platform: Platform) -> None:
    whole = started() + wrote(b"out") + wrote(b"err", "stderr") + alive() + ended(4) + finished()
    platform.start = script(*(whole[place : place + 1] for place in range(len(whole))))
    result = await sandbox.commands.run("x", check=False)
    assert result == CommandResult(4, "out", "err", "exit status 4")


async def test_events_and_fields_that_nobody_knows_are_passed_over(sandbox: Sandbox, platform: Platform) -> None:
    platform.start = script(
        message(keepalive={}),
        started(),
        message(resized={"cols": 3}),
        message(data={"pty": "aGk=", "more": 1}),
        message(),
        ended(),
        finished(),
    )
    assert await sandbox.commands.run("x") == CommandResult(0, "", "")


async def test_a_message_that_cannot_be_read_is_a_protocol_error_and_the_command_killed(
    sandbox: Sandbox, platform: Platform
) -> None:
    platform.start = script(started(), message(data={"stdout": "not base64!"}))
    with pytest.raises(ProtocolError):
        await sandbox.commands.run("x")
    assert len(platform.sent("POST", "/SendSignal")) == 1


@pytest.mark.parametrize("tail", [(finished(),), (), (lost,), (silence,)])
async def test_after_its_end_a_command_needs_nothing_more(
    sandbox: Sandbox, platform: Platform, client: AsyncNovita, tail: tuple[bytes, ...]
) -> None:
    platform.start = script(started(), wrote(b"a"), ended(), *tail)
    assert (await sandbox.commands.run("x")).stdout == "a"
    assert platform.status_reads == 0
    assert client.stats()["open_streams"] == 0


async def test_the_end_of_a_stream_that_comes_a_moment_later_is_taken(sandbox: Sandbox, platform: Platform) -> None:
    """A connection whose answer was not read to its end cannot be used again."""
    taken = False

    async def last() -> None:
        nonlocal taken
        taken = True

    platform.start = script(started(), ended(), settled, finished(), settled, last)
    await sandbox.commands.run("x")
    assert taken


# -------------------------------------------------------------------------------------------------------- deadlines


async def test_a_deadline_that_the_sandbox_does_not_hold_is_held_here(
    sandbox: Sandbox, platform: Platform, clock: JumpClock
) -> None:
    platform.start = script(started(), wrote(b"some"), silence)
    began = clock.monotonic()
    with pytest.raises(CommandTimeout) as caught:
        await sandbox.commands.run("make", timeout=10)
    assert 10 < clock.monotonic() - began < 13
    assert (caught.value.seconds, caught.value.stdout) == (10, "some")
    assert len(platform.sent("POST", "/SendSignal")) == 1
    assert platform.status_reads == 0


async def test_a_deadline_that_the_sandbox_holds_kills_nothing_twice(sandbox: Sandbox, platform: Platform) -> None:
    platform.start = script(started(), wrote(b"some"), finished("deadline_exceeded", "too late"))
    with pytest.raises(CommandTimeout) as caught:
        await sandbox.commands.run("make", timeout=10)
    assert caught.value.stdout == "some"
    assert isinstance(caught.value.__cause__, APIError)
    assert platform.sent("POST", "/SendSignal") == []


async def test_a_deadline_that_passes_before_the_command_begins(sandbox: Sandbox, platform: Platform) -> None:
    platform.start = script(finished("deadline_exceeded", "too late"))
    with pytest.raises(CommandTimeout):
        await sandbox.commands.run("make", timeout=0.001)


async def test_a_deadline_in_the_background_is_told_to_a_later_reader(
    sandbox: Sandbox, platform: Platform, clock: JumpClock
) -> None:
    platform.start = script(started(), wrote(b"some"), silence)
    async with await sandbox.commands.run("make", timeout=10, background=True) as command:
        assert await anext(command) == Output("stdout", "some")
        await clock.sleep(20)
        for _ in range(2):
            with pytest.raises(CommandTimeout):
                await command.wait()
    assert platform.sent("POST", "/SendSignal") == []


# ---------------------------------------------------------------------------------------------- nothing is sent twice


async def test_a_start_whose_answer_is_lost_is_not_sent_again(sandbox: Sandbox, platform: Platform) -> None:
    platform.routes["POST /process.Process/Start"] = drop
    with pytest.raises(SandboxUnreachable) as caught:
        await sandbox.commands.run("make")
    assert isinstance(caught.value.__cause__, OutcomeUnknown)
    assert len(platform.sent("POST", "/Start")) == 1


async def test_input_whose_answer_is_lost_is_not_sent_again_and_ends_the_command(
    sandbox: Sandbox, platform: Platform
) -> None:
    platform.routes["POST /process.Process/SendInput"] = drop
    platform.start = script(started(), silence)
    with pytest.raises(SandboxUnreachable) as caught:
        await sandbox.commands.run("cat", stdin="abc")
    assert isinstance(caught.value.__cause__, OutcomeUnknown)
    assert len(platform.sent("POST", "/SendInput")) == 1
    assert platform.sent("POST", "/CloseStdin") == []


@pytest.mark.parametrize(("code", "status"), [("internal", 500), ("not_found", 404)])
async def test_input_that_the_command_does_not_take_is_no_failure(
    sandbox: Sandbox, platform: Platform, code: str, status: int
) -> None:
    platform.routes["POST /process.Process/SendInput"] = always(
        lambda: json({"code": code, "message": "broken pipe"}, status)
    )
    platform.start = script(started(), settled, wrote(b"fine"), ended(), finished())
    assert (await sandbox.commands.run("head -c 0", stdin="abc")).stdout == "fine"
    assert len(platform.sent("POST", "/SendInput")) == 1


async def test_an_envd_that_cannot_close_the_input_ends_the_command(sandbox: Sandbox, platform: Platform) -> None:
    platform.routes["POST /process.Process/CloseStdin"] = always(
        lambda: json({"code": "unimplemented", "message": "no such method"}, 501)
    )
    platform.start = script(started(), silence)
    with pytest.raises(ServerError, match="no such method"):
        await sandbox.commands.run("cat", stdin="abc")
    assert len(platform.sent("POST", "/SendSignal")) == 1


async def test_a_start_that_was_refused_for_the_moment_is_sent_again(sandbox: Sandbox, platform: Platform) -> None:
    async def busy(_: Request) -> Reply | None:
        return error(429, "later") if len(platform.sent("POST", "/Start")) == 1 else None

    platform.routes["POST /process.Process/Start"] = busy
    assert (await sandbox.commands.run("true")).exit_code == 0
    platform.routes["POST /process.Process/Start"] = always(lambda: error(429, "later"))
    with pytest.raises(RateLimited):
        await sandbox.commands.run("true")
    assert platform.status_reads == 0


async def test_a_rename_whose_answer_is_lost_is_not_sent_again(sandbox: Sandbox, platform: Platform) -> None:
    platform.routes["POST /filesystem.Filesystem/Move"] = drop
    with pytest.raises(SandboxUnreachable) as caught:
        await sandbox.files.rename("a", "b")
    assert isinstance(caught.value.__cause__, OutcomeUnknown)
    assert len(platform.sent("POST", "/Move")) == 1


async def test_reads_and_what_can_be_said_twice_are_sent_again(sandbox: Sandbox, platform: Platform) -> None:
    async def once(request: Request) -> Reply | None:
        if len([other for other in platform.requests if other.url == request.url]) == 1:
            raise ConnectionResetError
        return None

    platform.routes["POST /filesystem*"] = once
    await sandbox.files.remove("a")
    assert await sandbox.files.make_dir("a") is True
    assert await sandbox.files.list("a") == []
    assert [len(platform.sent("POST", f"/{name}")) for name in ("Remove", "MakeDir", "ListDir")] == [2, 2, 2]


# ------------------------------------------------------------------------------------------------------ cancellation


async def test_a_run_cancelled_before_its_command_has_begun_waits_for_it_and_kills_it(
    sandbox: Sandbox, platform: Platform, client: AsyncNovita
) -> None:
    slow = asyncio.Event()
    platform.start = script(slow.wait, started(41), silence)
    running = asyncio.create_task(sandbox.commands.run("make"))
    await settled()
    running.cancel()
    await settled()
    assert not running.done()
    slow.set()
    with pytest.raises(asyncio.CancelledError):
        await running
    (signal,) = platform.sent("POST", "/SendSignal")
    assert isinstance(signal.body, bytes)
    assert msgspec.json.decode(signal.body) == {"process": {"pid": 41}, "signal": "SIGNAL_SIGKILL"}
    assert client.stats()["open_streams"] == 0


async def test_a_background_start_that_is_cancelled_leaves_no_command(sandbox: Sandbox, platform: Platform) -> None:
    slow = asyncio.Event()
    platform.start = script(slow.wait, started(41), silence)
    running = asyncio.create_task(sandbox.commands.run("make", background=True))
    await settled()
    running.cancel()
    slow.set()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert len(platform.sent("POST", "/SendSignal")) == 1


async def test_a_cancelled_run_on_a_dead_peer_ends_in_bounded_time(
    sandbox: Sandbox, platform: Platform, clock: JumpClock
) -> None:
    platform.start = script(started(), silence)
    platform.routes["POST /process.Process/SendSignal"] = silent
    running = asyncio.create_task(sandbox.commands.run("make", timeout=None))
    await settled()
    began = clock.monotonic()
    running.cancel()
    with pytest.raises(asyncio.CancelledError) as caught:
        await running
    assert clock.monotonic() - began == pytest.approx(5, abs=0.1)
    assert "could not be killed" in "".join(caught.value.__notes__)


async def test_a_kill_of_a_command_that_ended_meanwhile_says_so(sandbox: Sandbox, platform: Platform) -> None:
    platform.start = script(started(), silence)
    platform.routes["POST /process.Process/SendSignal"] = always(
        lambda: json({"code": "not_found", "message": "no such process"}, 404)
    )
    async with await sandbox.commands.run("make", background=True) as command:
        assert await command.kill() is False


async def test_one_task_reads_a_command_at_a_time(sandbox: Sandbox, platform: Platform) -> None:
    platform.start = script(started(), silence)
    async with await sandbox.commands.run("make", background=True) as command:
        reading = asyncio.create_task(command.wait())
        await settled()
        with pytest.raises(ValidationError, match="another task"):
            await command.wait()
        reading.cancel()
        await asyncio.wait({reading})


async def test_a_command_that_was_let_go_of_says_so(sandbox: Sandbox, platform: Platform) -> None:
    platform.start = script(started(), silence)
    async with await sandbox.commands.run("make", background=True) as command:
        assert "running" in repr(command)
    with pytest.raises(ClientClosed, match="let go"):
        await command.wait()
    assert "lost" in repr(command)
