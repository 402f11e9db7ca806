"""A control plane with envd to call without sockets, and a sandbox as a client knows it."""

from __future__ import annotations

import base64
import shutil
import subprocess
from contextlib import aclosing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from novita_async.simulator.router import Call, Router
from novita_async.transport.protocol import Headers, Request
from novita_async.wire.connect import END_STREAM, ConnectDecoder, envelope

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from openapi import Contract

    from novita_async.simulator.sandbox import Sandboxes
    from novita_async.testing.clock import JumpClock

KEY = "nvta_test"
BASE = "http://127.0.0.1:3000"


def bubblewrap_works() -> bool:
    args = ["bwrap", "--unshare-all", "--ro-bind", "/", "/", "--proc", "/proc", "true"]
    return shutil.which("bwrap") is not None and subprocess.run(args, capture_output=True).returncode == 0


#: The kind of room in which commands have namespaces of their own.
BUBBLEWRAP = pytest.param(
    "bubblewrap",
    marks=pytest.mark.skipif(
        not bubblewrap_works(), reason="bwrap (bubblewrap) is not there, or this system does not allow it namespaces"
    ),
)


class Answer(msgspec.Struct):
    status: int
    headers: Headers
    body: bytes

    def json(self) -> Any:
        return msgspec.json.decode(self.body)


class Ended(Exception):
    """A stream's last message is an error: `code` and `message`."""

    def __init__(self, error: dict[str, str]) -> None:
        self.code = error["code"]
        super().__init__(f"{error['code']}: {error['message']}")


class Finished(msgspec.Struct):
    pid: int
    stdout: str
    stderr: str
    end: dict[str, Any]


class Room:
    def __init__(self, sandboxes: Sandboxes, clock: JumpClock, *, isolated: bool) -> None:
        self.sandboxes = sandboxes
        self.clock = clock
        self.isolated = isolated
        self._router = Router()
        sandboxes.routes(self._router)

    async def send(self, method: str, url: str, headers: dict[str, str], body: Any = None) -> Any:
        return await self._router(Call(Request(method, url if "://" in url else BASE + url, headers, body)))

    async def __call__(
        self, method: str, url: str, body: Any = None, *, headers: dict[str, str] | None = None
    ) -> Answer:
        sent = {"X-API-KEY": KEY} if headers is None else headers
        data = msgspec.json.encode(body) if isinstance(body, dict | list) else body
        reply = await self.send(method, url, sent, data)
        whole = reply.body if isinstance(reply.body, bytes) else b"".join([chunk async for chunk in reply.body])
        return Answer(reply.status, Headers(reply.headers), whole)

    async def create(self, **fields: Any) -> Box:
        wanted = {"templateID": "base", "timeout": 300, "secure": True, **fields}
        answer = await self("POST", "/sandboxes", wanted)
        assert answer.status == 201, answer.body
        return Box(self, answer.json())


class Judged:
    """A room of whose control plane every answer is held to the contract."""

    def __init__(self, room: Room, contract: Contract) -> None:
        self.room = room
        self._contract = contract

    async def __call__(self, method: str, url: str, body: Any = None, *, status: int = 200) -> Any:
        """Call it; the answer has this status and is what the contract says. Return what it holds."""
        answer = await self.room(method, url, body)
        assert answer.status == status, answer.body
        self._contract.check_response(method, url, status, answer.headers.get("content-type"), answer.body)
        return answer.json() if answer.body else None


class Box:
    """A sandbox, as a client knows it."""

    def __init__(self, room: Room, made: dict[str, Any]) -> None:
        self.room = room
        self.made = made
        self.id = made["sandboxID"]
        self.headers = {"X-Access-Token": made.get("envdAccessToken", ""), "Novita-Sandbox-Id": self.id}

    async def http(self, method: str, url: str, body: Any = None, **headers: str) -> Answer:
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        return await self.room(method, url, body, headers=self.headers | sent)

    async def unary(self, method: str, message: dict[str, Any] | bytes, **headers: str) -> Answer:
        return await self.http("POST", f"/{method}", message, **{"content-type": "application/json", **headers})

    async def files(self, method: str, **message: Any) -> Answer:
        return await self.unary(f"filesystem.Filesystem/{method}", message)

    async def stream(
        self, method: str, message: dict[str, Any] | bytes, headers: dict[str, str] | None = None
    ) -> AsyncGenerator[dict[str, Any], None]:
        """Yield the messages of a stream; raise `Ended` when it ends with an error."""
        sent = message if isinstance(message, bytes) else envelope(msgspec.json.encode(message))
        known = {**self.headers, "content-type": "application/connect+json", **(headers or {})}
        path = method if "/" in method else f"process.Process/{method}"
        reply = await self.room.send("POST", f"/{path}", known, sent)
        assert reply.status == 200, reply.body
        decoder = ConnectDecoder()
        try:
            async for chunk in reply.body:
                for found in decoder.feed(chunk):
                    value = msgspec.json.decode(found.payload)
                    if not found.flags & END_STREAM:
                        yield value.get("event", value)
                    elif "error" in value:
                        raise Ended(value["error"])
            decoder.close()
        finally:
            await reply.body.aclose()

    def start(
        self,
        script: str,
        *,
        stdin: bool = False,
        headers: dict[str, str] | None = None,
        tag: str | None = None,
        **process: Any,
    ) -> AsyncGenerator[dict[str, Any], None]:
        wanted = {"process": {"cmd": "/bin/bash", "args": ["-l", "-c", script], **process}, "stdin": stdin}
        return self.stream("Start", wanted if tag is None else {**wanted, "tag": tag}, headers)

    async def run(self, script: str, *, headers: dict[str, str] | None = None, **process: Any) -> Finished:
        """Run a command to its end."""
        return await finish(self.start(script, headers=headers, **process))


async def finish(events: AsyncGenerator[dict[str, Any], None]) -> Finished:
    """Read a command's stream to its end, and hold it to the order of events."""
    out: dict[str, list[bytes]] = {"stdout": [], "stderr": []}
    pid, end = 0, None
    async with aclosing(events):
        async for event in events:
            assert end is None
            match event:
                case {"start": {"pid": pid}}:
                    pass
                case {"data": data}:
                    for name, text in data.items():
                        out[name].append(base64.b64decode(text))
                case {"end": end}:
                    pass
            assert pid
    assert end is not None
    return Finished(pid, b"".join(out["stdout"]).decode(), b"".join(out["stderr"]).decode(), end)


def form(*parts: tuple[str, str, bytes], boundary: str = "xYz") -> tuple[bytes, dict[str, str]]:
    """A multipart body of (field, file name, content), and its content type."""
    body = b""
    for field, filename, content in parts:
        disposition = f'form-data; name="{field}"' + (f'; filename="{filename}"' if filename else "")
        head = f"--{boundary}\r\nContent-Disposition: {disposition}\r\nContent-Type: text/plain\r\n\r\n"
        body += head.encode() + content + b"\r\n"
    return body + f"--{boundary}--\r\n".encode(), {"content-type": f"multipart/form-data; boundary={boundary}"}


def processes(marker: str) -> list[int]:
    """Every process of this machine that has the marker among its arguments."""
    found: list[int] = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                arguments = (entry / "cmdline").read_bytes().split(b"\0")
            except OSError:
                continue
            if marker.encode() in arguments:
                found.append(int(entry.name))
    return found
