from __future__ import annotations

import asyncio
import base64
from contextlib import aclosing
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from sandbox_room import Box, Ended

from novita_async.runtime.clock import SystemClock
from novita_async.wire.connect import END_STREAM, ConnectDecoder, envelope

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    Events = AsyncGenerator[dict[str, Any], None]

# The shell that sets the limits drops a PS1 of the request.
BASH = {"cmd": "/usr/bin/env", "args": ["PS1=$ ", "bash", "--norc", "-i"], "envs": {"TERM": "dumb"}}


def terminal(box: Box, process: dict[str, Any] | None = None, *, cols: int = 80, rows: int = 24) -> Events:
    wanted = {"process": process or BASH, "pty": {"size": {"cols": cols, "rows": rows}}}
    return box.stream("Start", wanted, {"keepalive-ping-interval": "3000"})


def script(line: str) -> dict[str, Any]:
    return {"cmd": "/bin/bash", "args": ["-c", line]}


async def type_(box: Box, pid: int, data: bytes) -> None:
    message = {"process": {"pid": pid}, "input": {"pty": base64.b64encode(data).decode()}}
    answer = await box.unary("process.Process/SendInput", message)
    assert answer.status == 200, answer.body


async def until(events: Events, wanted: bytes) -> bytes:
    """Read until something was written."""
    seen = b""
    while wanted not in seen:
        try:
            async with asyncio.timeout(10):
                event = await anext(events)
        except TimeoutError:
            raise AssertionError(f"{wanted!r} is not in {seen!r}") from None
        seen += base64.b64decode(event["data"]["pty"])
    return seen


async def rest(events: Events) -> tuple[bytes, dict[str, Any]]:
    """Read to the end."""
    seen = b""
    async with asyncio.timeout(20), aclosing(events):
        async for event in events:
            if "end" in event:
                return seen, event["end"]
            seen += base64.b64decode(event.get("data", {}).get("pty", ""))
    raise AssertionError("no end")


async def test_a_terminal_is_one(box: Box) -> None:
    events = terminal(box, script("[ -t 0 ] && [ -t 1 ] && [ -t 2 ] && stty size && : >/dev/tty && echo yes"), cols=100)
    assert "pid" in (await anext(events))["start"]
    seen, end = await rest(events)
    assert seen == b"24 100\r\nyes\r\n"
    assert end == {"exited": True, "status": "exit status 0"}


async def test_a_shell_echoes_runs_and_exits(box: Box) -> None:
    events = terminal(box)
    pid = (await anext(events))["start"]["pid"]
    await until(events, b"$ ")
    await type_(box, pid, b"echo $((40 + 2))\n")
    assert b"echo $((40 + 2))\r\n42\r\n" in await until(events, b"42\r\n$ ")
    await type_(box, pid, b"exit 3\n")
    assert (await rest(events))[1]["exitCode"] == 3


async def test_ctrl_c_interrupts_the_command_in_front_and_not_the_shell(box: Box) -> None:
    events = terminal(box)
    pid = (await anext(events))["start"]["pid"]
    await until(events, b"$ ")
    await type_(box, pid, b"sh -c 'echo g\"o\"; exec sleep 300'\n")
    await until(events, b"\ngo\r\n")
    await type_(box, pid, b"\x03")
    await until(events, b"^C")
    await type_(box, pid, b"echo code $?\n")
    await until(events, b"\ncode 130\r\n")
    await type_(box, pid, b"exit\n")
    await rest(events)


async def test_jobs_can_be_stopped_and_continued(box: Box) -> None:
    events = terminal(box)
    pid = (await anext(events))["start"]["pid"]
    await until(events, b"$ ")
    # One process, which starts no other: a shell that is stopped between its vfork and the child's exec waits in the
    # kernel for that child, and so does the job.
    await type_(box, pid, b"sh -c 'echo u\"p\"; exec sleep 300'\n")
    await until(events, b"\nup\r\n")
    await type_(box, pid, b"\x1a")
    await until(events, b"Stopped")
    await type_(box, pid, b'kill %1; fg; echo go"ne"\n')
    await until(events, b"\ngone\r\n")
    await type_(box, pid, b"exit\n")
    await rest(events)


async def test_a_new_size_is_told_to_the_process_in_front(box: Box) -> None:
    events = terminal(box, script("trap 'stty size; exit' WINCH; echo set; while :; do sleep 0.01; done"))
    pid = (await anext(events))["start"]["pid"]
    await until(events, b"set")
    size = {"process": {"pid": pid}, "pty": {"size": {"cols": 132, "rows": 50}}}
    assert (await box.unary("process.Process/Update", size)).json() == {}
    assert b"50 132" in (await rest(events))[0]


async def test_a_terminal_can_be_left_and_taken_up_again(box: Box) -> None:
    events = terminal(box)
    pid = (await anext(events))["start"]["pid"]
    await until(events, b"$ ")
    await events.aclose()
    listed = (await box.unary("process.Process/List", {})).json()["processes"]
    assert [process["pid"] for process in listed] == [pid]
    again = box.stream("Connect", {"process": {"pid": pid}})
    assert (await anext(again))["start"]["pid"] == pid
    await type_(box, pid, b'echo a-"gain"; exit\n')
    assert b"a-gain\r\n" in (await rest(again))[0]


async def test_a_terminal_nobody_reads_makes_its_process_wait(box: Box) -> None:
    events = terminal(box, script("stty raw; for i in {1..100}; do head -c 10000 /dev/zero; echo $i > progress; done"))
    await anext(events)
    seen: list[bytes] = []
    while not seen or not seen[-1].strip().isdigit() or seen[-10:] != seen[-1:] * 10:  # until it has stood still
        await SystemClock().sleep(0.02)
        seen.append((await box.http("GET", "/files?path=progress")).body)
    assert int(seen[-1]) * 10_000 < 500_000
    written, _ = await rest(events)
    assert len(written) == 1_000_000


async def test_large_input_waits_for_its_reader(box: Box) -> None:
    events = terminal(box, script("stty raw -echo; echo ready; sleep 0.05; head -c 1000000 | cksum; cksum < /dev/null"))
    pid = (await anext(events))["start"]["pid"]
    await until(events, b"ready")
    await type_(box, pid, b"0123456789" * 100_000)
    seen, _ = await rest(events)
    assert b"1000000" in seen


async def test_input_of_the_wrong_kind_is_an_internal_error(box: Box) -> None:
    events = terminal(box)
    pid = (await anext(events))["start"]["pid"]
    for method, message in (
        ("SendInput", {"process": {"pid": pid}, "input": {"stdin": "YQ=="}}),
        ("CloseStdin", {"process": {"pid": pid}}),
    ):
        answer = await box.unary(f"process.Process/{method}", message)
        assert (answer.status, answer.json()["code"]) == (500, "internal"), method
    await events.aclose()


async def test_a_killed_terminal_tells_the_signal_and_hears_nothing_more(box: Box) -> None:
    events = terminal(box)
    pid = (await anext(events))["start"]["pid"]
    await until(events, b"$ ")
    await box.unary("process.Process/SendSignal", {"process": {"pid": pid}, "signal": "SIGNAL_SIGKILL"})
    assert (await rest(events))[1] == {"exitCode": -1, "status": "signal: killed", "error": "signal: killed"}
    for method, fields in (("SendInput", {"input": {"pty": "YQ=="}}), ("Update", {"pty": {"size": {"cols": 1}}})):
        assert (await box.unary(f"process.Process/{method}", {"process": {"pid": pid}, **fields})).status == 404


async def test_a_terminal_is_killed_at_its_deadline(box: Box) -> None:
    wanted = {"process": BASH, "pty": {"size": {"cols": 80, "rows": 24}}}
    events = box.stream("Start", wanted, {"connect-timeout-ms": "5000"})
    await anext(events)
    following = asyncio.ensure_future(rest(events))
    await box.room.clock.advance(5)
    with pytest.raises(Ended) as caught:
        await following
    assert caught.value.code == "deadline_exceeded"


# --------------------------------------------------------------------------------------- input as a stream


async def stream_input(box: Box, *messages: dict[str, Any]) -> dict[str, Any]:
    sent = b"".join(envelope(msgspec.json.encode(message)) for message in messages)
    answer = await box.http("POST", "/process.Process/StreamInput", sent, content_type="application/connect+json")
    assert answer.status == 200
    found = ConnectDecoder().feed(answer.body)
    assert found[-1].flags == END_STREAM
    return {"replies": [each.payload for each in found[:-1]], **msgspec.json.decode(found[-1].payload)}


async def test_input_may_come_as_a_stream(box: Box) -> None:
    events = terminal(box)
    pid = (await anext(events))["start"]["pid"]
    lines = [{"data": {"input": {"pty": base64.b64encode(line).decode()}}} for line in (b'echo a-"b"\n', b"exit\n")]
    assert await stream_input(box, {"start": {"process": {"pid": pid}}}, lines[0], {"keepalive": {}}, lines[1]) == {
        "replies": [b"{}"]
    }
    assert b"a-b\r\n" in (await rest(events))[0]


@pytest.mark.parametrize(
    ("messages", "code"),
    [
        ([{"data": {"input": {"pty": "YQ=="}}}], "invalid_argument"),
        ([{"start": {"process": {"pid": 1}}}], "not_found"),
        ([{"start": 1}], "invalid_argument"),
    ],
)
async def test_a_stream_of_input_for_nobody_is_refused(box: Box, messages: list[Any], code: str) -> None:
    assert (await stream_input(box, *messages))["error"]["code"] == code
