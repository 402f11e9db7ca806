from __future__ import annotations

import asyncio
import base64
from contextlib import aclosing, suppress
from typing import TYPE_CHECKING, Any

import pytest
from sandbox_room import Box, Ended, Room, finish, processes

from novita_async.runtime.clock import SystemClock
from novita_async.wire.connect import envelope

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    Events = AsyncGenerator[dict[str, Any], None]


async def pid_of(events: Events) -> int:
    return (await anext(events))["start"]["pid"]


async def text_of(events: Events) -> str:
    """The next output of a command."""
    (data,) = (await anext(events))["data"].values()
    return base64.b64decode(data).decode()


async def settled() -> None:
    """Let what is on its way through pipes and threads arrive."""
    await SystemClock().sleep(0.02)


async def test_a_command_tells_its_output_and_its_end(box: Box) -> None:
    done = await box.run("echo out; echo err >&2")
    assert (done.stdout, done.stderr) == ("out\n", "err\n")
    assert done.end == {"exited": True, "status": "exit status 0"}


@pytest.mark.parametrize(
    ("script", "end"),
    [
        ("exit 3", {"exitCode": 3, "exited": True, "status": "exit status 3", "error": "exit status 3"}),
        ("no-such-program", {"exitCode": 127, "exited": True, "status": "exit status 127", "error": "exit status 127"}),
    ],
)
async def test_a_failure_is_told_by_its_exit_code(box: Box, script: str, end: dict[str, Any]) -> None:
    assert (await box.run(script)).end == end


async def test_a_missing_executable_is_127_as_in_a_shell(box: Box) -> None:
    done = await finish(box.stream("Start", {"process": {"cmd": "/no/such"}, "stdin": False}))
    assert done.end["exitCode"] == 127


async def test_sudo_becomes_root_or_anybody_and_keeps_of_the_variables_what_it_may(room: Room, box: Box) -> None:
    if not room.isolated:
        return  # plain processes have what this machine has
    done = await box.run(
        "sudo sh -c 'echo $(id -un) $HOME $SUDO_USER ${A:-none} $B' ; sudo B=2 env | grep ^B; sudo -E sh -c 'echo $A'; "
        "sudo -u user id -un; sudo sudo -u user id -un; echo 'pwd; id -u' | sudo -i; sudo -nE id -g;"
        "sudo mkdir /opt/new; sudo -u nobody true; python -c 'print(1)'",
        envs={"A": "1"},
    )
    assert done.stdout.split() == ["root", "/root", "user", "none", "B=2", "1", "user", "user", "/root", "0", "0", "1"]
    assert done.stderr == "sudo: unknown user nobody\n"
    assert (await box.run("ls -d /opt/new; sudo umount /usr || sudo touch /usr/mark")).end["exitCode"] == 1


async def test_output_comes_as_it_is_written(box: Box) -> None:
    events = box.start("echo one; read; echo two", stdin=True)
    pid = await pid_of(events)
    assert await text_of(events) == "one\n"
    await box.unary("process.Process/SendInput", _input(pid, b"\n"))
    assert await text_of(events) == "two\n"
    await events.aclose()


async def test_a_command_gets_its_home_its_user_and_variables_by_precedence(room: Room) -> None:
    box = await room.create(envVars={"A": "sandbox", "B": "sandbox"})
    done = await box.run('echo "$A $B $USER $LOGNAME"; [ "$HOME" = "$PWD" ]; echo $?', envs={"B": "request"})
    assert done.stdout == "sandbox request user user\n0\n"
    if room.isolated:
        root = {"authorization": "Basic " + base64.b64encode(b"root:").decode()}
        done = await box.run("echo $HOME $USER $PWD; id -u; [ -d /home/user ] && echo $PATH", headers=root)
        assert done.stdout.split()[:4] == ["/root", "root", "/root", "0"]


async def test_a_command_inherits_its_three_streams_and_nothing_else(box: Box) -> None:
    done = await box.run("ls /proc/$$/fd; env | grep -c NOVITA_API_KEY")
    assert done.stdout.split() == ["0", "1", "2", "0"]


async def test_a_cwd_may_be_relative_to_home_or_a_tilde(box: Box) -> None:
    await box.files("MakeDir", path="a/b")
    await box.run("ln -s /home/user/a link")
    for cwd in ("a/b", "~/a/b", "/home/user/a/b", "link/b"):
        done = await box.run("pwd", cwd=cwd)
        assert done.stdout.endswith("/home/user/a/b\n")
    assert (await box.run("pwd", cwd="/usr/bin")).stdout == "/usr/bin\n"


@pytest.mark.parametrize(
    ("process", "message"),
    [
        ({"cmd": "/bin/true", "cwd": "/nope"}, "cwd '/nope' does not exist"),
        ({"cmd": "/bin/true", "cwd": "~other"}, "home directory of another user"),
        ({"cmd": "/bin/true", "cwd": "/usr/nope"}, "does not exist"),
        ({"cmd": "/bin/true", "envs": {"A=B": "1"}}, "name of a variable"),
        ({"cmd": "/bin/true", "envs": {"A": "\0"}}, "error starting process"),
        ({"cmd": "/bin/true", "args": ["\0"]}, "error starting process"),
        ({}, "a command is missing"),
        ({"cmd": 3}, "unmarshal message"),
    ],
)
async def test_what_cannot_be_started_is_an_invalid_argument_at_the_end_of_the_stream(
    box: Box, process: dict[str, Any], message: str
) -> None:
    with pytest.raises(Ended, match=message) as caught:
        await finish(box.stream("Start", {"process": process, "stdin": False}))
    assert caught.value.code == "invalid_argument"


@pytest.mark.parametrize("authorization", ["Basic Ym9iOg==", "Basic !", "Bearer x"])
async def test_an_unknown_user_is_unauthenticated(box: Box, authorization: str) -> None:
    with pytest.raises(Ended) as caught:
        await box.run("true", headers={"authorization": authorization})
    assert caught.value.code == "unauthenticated"
    answer = await box.unary("process.Process/List", {}, authorization=authorization)
    assert (answer.status, answer.json()["code"]) == (401, "unauthenticated")


# ------------------------------------------------------------------------------------------- large output


async def test_large_output_comes_whole_in_chunks_of_at_most_32_kib(box: Box) -> None:
    sizes: list[int] = []
    total = 0
    async with aclosing(box.start("head -c 3000000 /dev/zero; head -c 1000000 /dev/zero >&2")) as events:
        async for event in events:
            for data in event.get("data", {}).values():
                sizes.append(len(base64.b64decode(data)))
        total = sum(sizes)
    assert total == 4_000_000
    assert max(sizes) <= 32 * 1024


async def test_a_stream_that_is_not_read_makes_the_command_wait_and_not_the_memory_grow(box: Box) -> None:
    # In small pieces: how many bytes the backlog holds depends on how they were read.
    script = "piece=$(printf %020000d 0); for i in {1..1000}; do echo -n $piece; echo $i > progress; done"
    events = box.start(script)
    pid = await pid_of(events)
    seen: list[bytes] = []
    while not seen or not seen[-1].strip().isdigit() or seen[-10:] != seen[-1:] * 10:  # until it has stood still
        await settled()
        seen.append((await box.http("GET", "/files?path=progress")).body)
    assert int(seen[-1]) * 20_000 < 2_000_000
    assert len((await finish(_after_start(pid, events))).stdout) == 20_000_000


async def _after_start(pid: int, events: Events) -> Events:
    yield {"start": {"pid": pid}}
    async for event in events:
        yield event


async def test_output_that_nobody_watches_is_dropped_and_does_not_stop_the_command(box: Box) -> None:
    events = box.start("head -c 5000000 /dev/zero; touch written; read; echo here", stdin=True)
    pid = await pid_of(events)
    await events.aclose()
    while (await box.files("Stat", path="written")).status == 404:
        await settled()
    again = box.stream("Connect", {"process": {"pid": pid}})
    assert await pid_of(again) == pid
    await box.unary("process.Process/SendInput", _input(pid, b"\n"))
    done = await finish(_after_start(pid, again))
    assert done.stdout.endswith("here\n")
    assert len(done.stdout) < 200_000  # what was still in the pipe, at most


# ------------------------------------------------------------------------------------ connect and background


async def test_a_client_that_goes_away_leaves_the_command_running_and_may_come_back(box: Box) -> None:
    events = box.start("read line; echo got $line; exit 5", stdin=True, tag="mine")
    pid = await pid_of(events)
    await events.aclose()
    await finish(box.start("true", tag="mine"))  # ended, so the tag means the one that runs
    listed = (await box.unary("process.Process/List", {})).json()["processes"]
    (config,) = [process.pop("config") for process in listed]
    assert listed == [{"pid": pid, "tag": "mine"}]
    assert config["args"][-1].startswith("read line")
    by_pid, by_tag = (box.stream("Connect", {"process": selector}) for selector in ({"pid": pid}, {"tag": "mine"}))
    watchers = asyncio.gather(finish(by_pid), finish(by_tag))
    await settled()
    await box.unary("process.Process/SendInput", {"process": {"tag": "mine"}, "input": {"stdin": "aGkK"}})
    for done in await watchers:
        assert (done.pid, done.stdout, done.end["exitCode"]) == (pid, "got hi\n", 5)
    assert (await box.unary("process.Process/List", {})).json() == {}


async def test_a_command_that_ended_can_be_connected_to_for_thirty_seconds(box: Box) -> None:
    done = await box.run("echo gone; exit 2")
    again = await finish(box.stream("Connect", {"process": {"pid": done.pid}}))
    assert (again.stdout, again.end) == ("", done.end)
    kill = {"process": {"pid": done.pid}, "signal": "SIGNAL_SIGKILL"}
    assert (await box.unary("process.Process/SendSignal", kill)).status == 404
    await box.room.clock.advance(31)
    with pytest.raises(Ended) as caught:
        await finish(box.stream("Connect", {"process": {"pid": done.pid}}))
    assert caught.value.code == "not_found"


async def test_the_end_of_a_command_does_not_wait_for_what_it_leaves_running(box: Box) -> None:
    done = await box.run("sleep 300 & echo $!")
    assert done.end == {"exited": True, "status": "exit status 0"}


# --------------------------------------------------------------------------------------------- input


def _input(pid: int, data: bytes, kind: str = "stdin") -> dict[str, Any]:
    return {"process": {"pid": pid}, "input": {kind: base64.b64encode(data).decode()}}


async def test_input_is_delivered_and_its_end_too(box: Box) -> None:
    events = box.start("cat; echo end", stdin=True)
    pid = await pid_of(events)
    for part in (b"a", b"b\n"):
        assert (await box.unary("process.Process/SendInput", _input(pid, part))).json() == {}
    assert (await box.unary("process.Process/CloseStdin", {"process": {"pid": pid}})).json() == {}
    assert (await finish(_after_start(pid, events))).stdout == "ab\nend\n"


async def test_large_input_waits_for_its_reader(box: Box) -> None:
    events = box.start("read -n 1; sleep 0.05; wc -c", stdin=True)
    pid = await pid_of(events)
    await box.unary("process.Process/SendInput", _input(pid, b"x" * 3_000_000))
    await box.unary("process.Process/CloseStdin", {"process": {"pid": pid}})
    assert (await finish(_after_start(pid, events))).stdout.strip() == "2999999"


async def test_an_absent_stdin_flag_means_yes_and_false_means_an_empty_one(box: Box) -> None:
    open_ = box.stream("Start", {"process": {"cmd": "/bin/cat"}})
    pid = await pid_of(open_)
    await box.unary("process.Process/SendInput", _input(pid, b"x"))
    assert await text_of(open_) == "x"
    await open_.aclose()
    assert (await box.run("cat; echo nothing")).stdout == "nothing\n"


async def test_input_of_the_wrong_kind_or_without_stdin_is_an_internal_error(box: Box) -> None:
    without = box.start("sleep 300")
    pid = await pid_of(without)
    close = {"process": {"pid": pid}}
    for method, message in (
        ("SendInput", _input(pid, b"x")),
        ("SendInput", _input(pid, b"x", "pty")),
        ("CloseStdin", close),
        ("Update", {**close, "pty": {"size": {"cols": 1, "rows": 1}}}),
    ):
        answer = await box.unary(f"process.Process/{method}", message)
        assert (answer.status, answer.json()["code"]) == (500, "internal"), method
    await without.aclose()


async def test_input_after_the_end_of_input_is_an_internal_error(box: Box) -> None:
    events = box.start("read; sleep 300", stdin=True)
    pid = await pid_of(events)
    await box.unary("process.Process/CloseStdin", {"process": {"pid": pid}})
    assert (await box.unary("process.Process/SendInput", _input(pid, b"x"))).status == 500
    await events.aclose()


@pytest.mark.parametrize("method", ["SendInput", "SendSignal", "CloseStdin", "Update"])
async def test_an_unknown_process_is_not_found(box: Box, method: str) -> None:
    for selector in ({"pid": 1}, {"tag": "nobody"}, {}):
        message = {"process": selector, "input": {"stdin": ""}, "signal": "SIGNAL_SIGKILL"}
        answer = await box.unary(f"process.Process/{method}", message)
        assert (answer.status, answer.json()["code"]) == (404, "not_found")


async def test_a_process_of_another_sandbox_is_not_found(room: Room) -> None:
    mine, other = await room.create(), await room.create()
    events = mine.start("sleep 300")
    kill = {"process": {"pid": await pid_of(events)}, "signal": "SIGNAL_SIGKILL"}
    assert (await other.unary("process.Process/SendSignal", kill)).status == 404
    await events.aclose()


# ------------------------------------------------------------------------------------- signals and deadlines


@pytest.mark.parametrize("sent", ["SIGNAL_SIGKILL", 9])
async def test_a_killed_command_tells_the_signal(box: Box, sent: str | int) -> None:
    events = box.start("sleep 300; echo never")
    pid = await pid_of(events)
    assert (await box.unary("process.Process/SendSignal", {"process": {"pid": pid}, "signal": sent})).json() == {}
    done = await finish(_after_start(pid, events))
    assert done.end == {"exitCode": -1, "status": "signal: killed", "error": "signal: killed"}


async def test_a_command_killed_in_its_first_moments_is_as_dead_as_any(box: Box) -> None:
    """However far the building of its namespace has come by then."""
    marker = f"novita-test-{box.id}"
    for turns in range(40):
        events = box.start(f"exec -a {marker} sleep 300")
        pid = await pid_of(events)
        for _ in range(turns):
            await SystemClock().sleep(0.0003)
        await box.unary("process.Process/SendSignal", {"process": {"pid": pid}, "signal": "SIGNAL_SIGKILL"})
        assert (await finish(_after_start(pid, events))).end["status"] == "signal: killed"
    await settled()
    await settled()
    assert processes(marker) == []


async def test_sigterm_can_be_trapped_and_otherwise_ends_a_command(box: Box) -> None:
    trapped = box.start("trap 'echo bye; exit 4' TERM; echo set; while :; do sleep 0.01; done")
    pid = await pid_of(trapped)
    assert await text_of(trapped) == "set\n"
    term = {"process": {"pid": pid}, "signal": "SIGNAL_SIGTERM"}
    assert (await box.unary("process.Process/SendSignal", term)).json() == {}
    done = await finish(_after_start(pid, trapped))
    assert (done.stdout, done.end["exitCode"]) == ("bye\n", 4)

    plain = box.start("sleep 300")
    term["process"] = {"pid": await pid_of(plain)}  # at once: the command may not even have begun
    await box.unary("process.Process/SendSignal", term)
    assert (await finish(_after_start(1, plain))).end["status"] == "signal: terminated"


@pytest.mark.parametrize("sent", ["SIGNAL_SIGHUP", "SIGNAL_UNSPECIFIED", 1, 0])
async def test_other_signals_are_unimplemented(box: Box, sent: str | int) -> None:
    events = box.start("sleep 300")
    message = {"process": {"pid": await pid_of(events)}, "signal": sent}
    answer = await box.unary("process.Process/SendSignal", message)
    assert (answer.status, answer.json()["code"]) == (501, "unimplemented")
    await events.aclose()


async def test_a_command_is_killed_at_the_deadline_of_its_stream(box: Box) -> None:
    events = box.start("echo early; sleep 300", headers={"connect-timeout-ms": "5000"})
    pid = await pid_of(events)
    assert await text_of(events) == "early\n"
    following = asyncio.ensure_future(finish(_after_start(pid, events)))
    await box.room.clock.advance(4.9)
    assert (await box.unary("process.Process/List", {})).json() != {}
    await box.room.clock.advance(0.2)
    with pytest.raises(Ended) as caught:
        await following
    assert caught.value.code == "deadline_exceeded"
    again = await finish(box.stream("Connect", {"process": {"pid": pid}}))
    assert again.end["status"] == "signal: killed"


async def test_the_deadline_holds_for_a_command_whose_client_went_away(box: Box) -> None:
    events = box.start("sleep 300", headers={"connect-timeout-ms": "5000"})
    pid = await pid_of(events)
    await events.aclose()
    watching = asyncio.ensure_future(finish(box.stream("Connect", {"process": {"pid": pid}})))
    await box.room.clock.advance(5)
    assert (await watching).end["status"] == "signal: killed"


async def test_a_deadline_on_connect_ends_only_the_stream(box: Box) -> None:
    events = box.start("sleep 300")
    pid = await pid_of(events)
    watching = asyncio.ensure_future(
        finish(box.stream("Connect", {"process": {"pid": pid}}, {"connect-timeout-ms": "5000"}))
    )
    await box.room.clock.advance(5)
    with pytest.raises(Ended) as caught:
        await watching
    assert caught.value.code == "deadline_exceeded"
    assert (await box.unary("process.Process/List", {})).json()["processes"][0]["pid"] == pid
    await events.aclose()


async def test_a_deadline_ends_a_stream_that_never_falls_silent(box: Box) -> None:
    events = box.start("yes")
    pid = await pid_of(events)
    watching = box.stream("Connect", {"process": {"pid": pid}}, {"connect-timeout-ms": "5000"})
    await pid_of(watching)
    await events.aclose()
    assert "data" in await anext(watching)
    await box.room.clock.advance(5)
    with pytest.raises(Ended) as caught:
        await asyncio.wait_for(finish(_after_start(pid, watching)), 5)
    assert caught.value.code == "deadline_exceeded"


async def test_a_clock_that_jumps_stands_still_while_a_command_runs(box: Box) -> None:
    async with box.room.clock:
        done = await box.run("sleep 0.05; echo slept", headers={"connect-timeout-ms": "1000"})
    assert (done.stdout, box.room.clock.jumps) == ("slept\n", 0)


@pytest.mark.parametrize(("header", "seconds"), [({"Keepalive-Ping-Interval": "50"}, 50), ({}, 90)])
async def test_a_silent_stream_says_that_it_is_alive(room: Room, header: dict[str, str], seconds: float) -> None:
    box = await room.create(timeout=3000)
    events = box.start("read; echo back; sleep 300", stdin=True, headers=header)
    pid = await pid_of(events)
    for _ in range(2):
        waiting = asyncio.ensure_future(anext(events))
        await box.room.clock.advance(seconds - 1)
        assert not waiting.done()
        await box.room.clock.advance(1)
        assert await waiting == {"keepalive": {}}
    waiting = asyncio.ensure_future(anext(events))
    await box.room.clock.advance(seconds - 1)
    await box.unary("process.Process/SendInput", _input(pid, b"\n"))
    assert "data" in await waiting  # which starts the count anew
    waiting = asyncio.ensure_future(anext(events))
    await box.room.clock.advance(seconds - 1)
    assert not waiting.done()
    waiting.cancel()
    with suppress(asyncio.CancelledError):
        await waiting
    await events.aclose()


# ------------------------------------------------------------------------------------------ the protocol


async def test_a_content_type_that_is_not_spoken_is_a_415(box: Box) -> None:
    for method, kind, accepted in (
        ("Start", "application/json", "application/connect+json, application/connect+proto"),
        ("List", "application/connect+json", "application/json, application/proto"),
        ("StreamInput", "text/plain", "application/connect+json, application/connect+proto"),
    ):
        answer = await box.http("POST", f"/process.Process/{method}", b"", content_type=kind)
        assert (answer.status, answer.headers["accept-post"]) == (415, accepted)


@pytest.mark.parametrize(
    "body", [b"", b"{}", envelope(b"{"), envelope(b"[]"), envelope(b"{}") * 2, envelope(b"{}")[:-1], envelope(b"", 1)]
)
async def test_a_stream_request_is_exactly_one_message(box: Box, body: bytes) -> None:
    with pytest.raises(Ended) as caught:
        await finish(box.stream("Start", body))
    assert caught.value.code == "invalid_argument"


async def test_unary_errors_are_a_status_and_a_body(box: Box) -> None:
    for body, headers, status, code in (
        (b"{", {}, 400, "invalid_argument"),
        (b'{"process": 1}', {}, 400, "invalid_argument"),
        (b"{}", {"connect-timeout-ms": "soon"}, 400, "invalid_argument"),
        (b"{}", {"content-encoding": "gzip"}, 501, "unimplemented"),
    ):
        answer = await box.unary("process.Process/SendSignal", body, **headers)
        assert (answer.status, answer.json()["code"]) == (status, code)
        assert answer.json()["message"]


async def test_numbers_may_come_as_text_and_unknown_fields_are_passed_over(box: Box) -> None:
    done = await box.run("exit 1")
    selector = {"process": {"pid": str(done.pid)}, "whatsoever": 1}
    assert (await finish(box.stream("Connect", selector))).end["exitCode"] == 1
