"""envd in binary protobuf, held against the contract's .proto files and against the messages of the official client."""

from __future__ import annotations

import importlib
import importlib.util
import pathlib
import re
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from novita_async.simulator.sandbox import protobuf, rpc
from novita_async.simulator.sandbox.protobuf import Messages
from novita_async.wire.connect import END_STREAM, ConnectDecoder, envelope

if TYPE_CHECKING:
    from google.protobuf.message import Message
    from sandbox_room import Box, Room

CONTRACT = pathlib.Path(__file__).parents[3] / "contract" / "envd"

pytestmark = pytest.mark.skipif(not protobuf.is_available(), reason="the protobuf package is not installed")
once = pytest.mark.parametrize("room", ["any"], indirect=True)


@pytest.fixture(scope="module")
def messages() -> Messages:
    return Messages()


# ------------------------------------------------------------------------------------------- the messages


def declared(text: str) -> dict[str, list[tuple[str, str, str, str]]]:
    """Every message of a .proto file with its fields: what it is in, its type, its name, its number."""
    text = re.sub(r"//[^\n]*", "", text)
    found: dict[str, list[tuple[str, str, str, str]]] = {}
    inside: list[tuple[str, str]] = []
    token = re.compile(
        r"(message|enum|oneof|service) (\w+) \{|(\})|(optional |repeated )?(map<string, string>|[\w.]+) (\w+) = (\d+);"
    )
    for match in token.finditer(text):
        kind, name, end, label, type_, field, number = match.groups()
        if kind:
            inside.append((kind, name))
            if kind == "message":
                found[".".join(name for kind, name in inside if kind == "message")] = []
        elif end:
            inside.pop()
        elif inside[-1][0] in ("message", "oneof"):
            place = inside[-1][1] if inside[-1][0] == "oneof" else (label or "").strip()
            found[".".join(name for kind, name in inside if kind == "message")].append((place, type_, field, number))
    return found


@pytest.mark.parametrize("package", ["process", "filesystem"])
def test_the_table_is_the_contract(package: str) -> None:
    expected = declared((CONTRACT / f"{package}.proto").read_text())
    assert len(expected) > 15
    assert {name.rpartition(".")[2] for name in expected} >= {"StartEvent", "KeepAlive"}
    found = {name: [_spelled(*field) for field in fields] for name, fields in protobuf.table(package).items()}
    wanted = {name: [(p, t.rpartition(".")[2], f, n) for p, t, f, n in fields] for name, fields in expected.items()}
    assert {name: sorted(fields) for name, fields in found.items()} == {n: sorted(f) for n, f in wanted.items()}


def _spelled(kind: str, modifier: str, name: str, number: str) -> tuple[str, str, str, str]:
    if modifier == "{}":
        return "", "map<string, string>", name, number
    place = {"?": "optional", "*": "repeated"}.get(modifier, modifier.lstrip("|"))
    return place, kind.rpartition(".")[2], name, number


def test_what_is_no_message_is_told_as_such(messages: Messages) -> None:
    for name in ("process.StartRequest", "filesystem.WatchDirRequest"):
        with pytest.raises(ValueError, match="parsing"):
            messages.to_json(name, b"\xff\xff\xff")


# ------------------------------------------------------------------- beside the official client's own messages


class Official:
    """The messages that the official client was generated with."""

    def __init__(self) -> None:
        envd = "novita_sandbox.core.envd"
        self.process: Any = importlib.import_module(f"{envd}.process.process_pb2")
        self.filesystem: Any = importlib.import_module(f"{envd}.filesystem.filesystem_pb2")


@pytest.fixture(scope="module")
def official() -> Official:
    if importlib.util.find_spec("novita_sandbox") is None:
        pytest.skip("novita-sandbox, the official client, is not installed")
    return Official()


async def unary(box: Box, path: str, request: Message, reply: type[Any]) -> Any:
    answer = await box.http("POST", f"/{path}", request.SerializeToString(), content_type="application/proto")
    assert (answer.status, answer.headers["content-type"]) == (200, "application/proto"), answer.body
    return reply.FromString(answer.body)


async def stream(box: Box, path: str, *requests: Message, reply: type[Any]) -> tuple[list[Any], dict[str, Any]]:
    """All messages of a stream, and its last one, which is JSON."""
    sent = b"".join(envelope(request.SerializeToString()) for request in requests)
    answer = await box.http("POST", f"/{path}", sent, content_type="application/connect+proto")
    assert (answer.status, answer.headers["content-type"]) == (200, "application/connect+proto"), answer.body
    *found, last = ConnectDecoder().feed(answer.body)
    assert last.flags == END_STREAM
    return [reply.FromString(each.payload) for each in found], msgspec.json.decode(last.payload)


@once
async def test_a_command_runs_in_binary(box: Box, official: Official) -> None:
    p = official.process
    config = p.ProcessConfig(cmd="/bin/bash", args=["-c", "printf '\\xff'; echo $A >&2; exit 3"], envs={"A": "b"})
    found, last = await stream(
        box, "process.Process/Start", p.StartRequest(process=config, stdin=False), reply=p.StartResponse
    )
    assert last == {}
    kinds = [message.event.WhichOneof("event") for message in found]
    assert (kinds[0], kinds[-1], set(kinds[1:-1])) == ("start", "end", {"data"})
    assert found[0].event.start.pid > 0
    assert b"".join(message.event.data.stdout for message in found) == b"\xff"
    assert b"".join(message.event.data.stderr for message in found) == b"b\n"
    end = found[-1].event.end
    assert (end.exit_code, end.exited, end.status, end.error) == (3, True, "exit status 3", "exit status 3")
    again, _ = await stream(
        box,
        "process.Process/Connect",
        p.ConnectRequest(process=p.ProcessSelector(pid=found[0].event.start.pid)),
        reply=p.ConnectResponse,
    )
    assert again[-1].event.end.exit_code == 3


@once
async def test_files_are_told_in_binary(box: Box, official: Official) -> None:
    f = official.filesystem
    await box.run("printf text > a; ln -s a b")
    listed = await unary(
        box, "filesystem.Filesystem/ListDir", f.ListDirRequest(path="/home/user", depth=1), f.ListDirResponse
    )
    a, b = listed.entries
    assert (a.name, a.type, a.size, a.mode, a.HasField("symlink_target")) == ("a", f.FILE_TYPE_FILE, 4, 0o644, False)
    assert a.modified_time.seconds > 1_600_000_000
    assert b.symlink_target == "/home/user/a"
    made = await unary(
        box, "filesystem.Filesystem/CreateWatcher", f.CreateWatcherRequest(path="~"), f.CreateWatcherResponse
    )
    await box.run("chmod 600 a")
    events: list[Any] = []
    while not events:
        asked = f.GetWatcherEventsRequest(watcher_id=made.watcher_id)
        path = "filesystem.Filesystem/GetWatcherEvents"
        events += (await unary(box, path, asked, f.GetWatcherEventsResponse)).events
    assert (events[0].name, events[0].type) == ("a", f.EVENT_TYPE_CHMOD)


@once
async def test_input_comes_as_a_binary_stream(box: Box, official: Official) -> None:
    p = official.process
    events = box.start("head -c 4 | od -An -tx1", stdin=True)
    pid = (await anext(events))["start"]["pid"]
    r = p.StreamInputRequest
    messages = [
        r(start=r.StartEvent(process=p.ProcessSelector(pid=pid))),
        *(r(data=r.DataEvent(input=p.ProcessInput(stdin=data))) for data in (b"\x00\xff", b"\x01\x02")),
    ]
    found, last = await stream(box, "process.Process/StreamInput", *messages, reply=p.StreamInputResponse)
    assert (len(found), last) == (1, {})
    told = [event async for event in events]
    assert told[-1]["end"]["exited"] is True


@once
async def test_errors_are_json_in_binary_calls_too(box: Box, official: Official) -> None:
    p = official.process
    nobody = p.ProcessSelector(pid=1)
    kill = p.SendSignalRequest(process=nobody, signal=p.SIGNAL_SIGKILL).SerializeToString()
    answer = await box.http("POST", "/process.Process/SendSignal", kill, content_type="application/proto")
    assert (answer.status, answer.json()["code"]) == (404, "not_found")
    assert answer.headers["content-type"] == "application/json"
    answer = await box.http("POST", "/process.Process/SendSignal", b"\xff", content_type="application/proto")
    assert (answer.status, answer.json()["code"]) == (400, "invalid_argument")
    found, last = await stream(
        box, "process.Process/Connect", p.ConnectRequest(process=nobody), reply=p.ConnectResponse
    )
    assert (found, last["error"]["code"]) == ([], "not_found")


@once
async def test_without_the_package_only_json_is_spoken(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rpc, "is_available", lambda: False)
    box = await room.create()
    for method, kind in (("List", "application/"), ("Start", "application/connect+")):
        answer = await box.http("POST", f"/process.Process/{method}", b"", content_type=f"{kind}proto")
        assert (answer.status, answer.headers["accept-post"]) == (415, f"{kind}json")
    assert (await box.run("echo still")).stdout == "still\n"
