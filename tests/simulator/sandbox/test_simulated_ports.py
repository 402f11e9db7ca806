"""The ports of a sandbox, from outside."""

from __future__ import annotations

import asyncio
import socket
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest
from sandbox_room import BUBBLEWRAP, Box, Room

from novita_async.errors import ConnectionLost
from novita_async.runtime.clock import SystemClock
from novita_async.simulator import Simulator
from novita_async.simulator.router import Call
from novita_async.transport.protocol import Request

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

in_namespaces = pytest.mark.parametrize("room", [BUBBLEWRAP], indirect=True)

_SERVER = r"""
import http.server, sys

class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self.answer(f"{self.command} {self.path} {self.headers['host']} {self.headers['x-own']} {sorted(self.headers)}")

    def do_POST(self):
        if self.path == "/impatient":  # it answers before it has all of the body, and reads no more
            self.rfile.read(10)
            self.close_connection = True
            self.answer("enough")
            return
        if self.headers.get("transfer-encoding"):
            body = b""
            while size := int(self.rfile.readline(), 16):
                body += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
        else:
            body = self.rfile.read(int(self.headers["content-length"]))
        if self.path == "/chunked":
            self.send_response(201)
            self.send_header("transfer-encoding", "chunked")
            self.end_headers()
            for part in (body[:3], body[3:]):
                self.wfile.write(b"%x\r\n%b\r\n" % (len(part), part))
            self.wfile.write(b"0\r\n\r\n")
        elif self.path == "/cookies":
            self.send_response(200)
            for cookie in ("a=1; Expires=Wed, 25 Nov 2026 00:00:00 GMT", "b=2", "c=3"):
                self.send_header("set-cookie", cookie)
            self.send_header("content-length", "0")
            self.end_headers()
        elif self.path == "/broken":
            self.send_response(200)
            self.send_header("content-length", "100")
            self.end_headers()
            self.wfile.write(b"half")
            self.close_connection = True
        else:
            self.answer(body.decode())

    do_HEAD = do_GET

    def answer(self, text):
        self.send_response(200)
        self.send_header("content-length", str(len(text)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(text.encode())

    def log_message(self, *args):
        pass

server = http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler)
print(server.server_port, flush=True)
server.serve_forever()
"""


async def serving(box: Box, port: int = 0) -> int:
    """Start a server in a sandbox that goes on when its command has ended; return its port."""
    await box.http("POST", "/files?path=server.py", _SERVER.encode(), content_type="application/octet-stream")
    await box.run(f"nohup python3 server.py {port} > port 2>&1 &")
    while not (text := (await box.http("GET", "/files?path=port")).body.strip()).isdigit():
        await SystemClock().sleep(0.02)
    return int(text)


async def asked(room: Room, url: str, headers: dict[str, str], method: str = "GET", body: Any = None) -> Any:
    call = Call(Request(method, url, headers, body))
    assert room.sandboxes.proxy.takes(call)
    reply = await room.sandboxes.proxy(call)
    content = reply.body if isinstance(reply.body, bytes) else b"".join([chunk async for chunk in reply.body])
    return reply.status, content.decode()


def routing(box: Box, port: int, **more: str) -> dict[str, str]:
    return {"Novita-Sandbox-Id": box.id, "Novita-Sandbox-Port": str(port), **more}


@pytest.mark.parametrize("internet", [True, False])
async def test_a_request_is_passed_on_by_header_and_by_host(room: Room, internet: bool) -> None:
    box = await room.create(allow_internet_access=internet)
    port = await serving(box)
    own = {"X-Own": "mine", "Host": "example.com"}
    status, told = await asked(room, "http://127.0.0.1:3000/a%20b?c=d", routing(box, port, **own))
    assert status == 200
    assert told == f"GET /a%20b?c=d example.com mine {sorted(['connection', 'host', 'x-own'])}"
    status, told = await asked(room, f"https://{port}-{box.id}.sandbox.novita.ai/", {})
    assert told.startswith(f"GET / localhost:{port} None")
    assert await asked(room, "http://127.0.0.1/", routing(box, port), "HEAD") == (200, "")


async def test_bodies_go_both_ways_whole_and_in_pieces(room: Room) -> None:
    box = await room.create()
    port = await serving(box)

    async def pieces() -> AsyncGenerator[bytes, None]:
        for _ in range(50):
            yield b"x" * 10_000

    async def endless() -> AsyncGenerator[bytes, None]:
        yield b"x" * 100
        await asyncio.Event().wait()

    async def failing(error: Exception) -> AsyncGenerator[bytes, None]:
        yield b"x" * 100
        raise error

    url, headers = "http://127.0.0.1/", routing(box, port)
    assert await asked(room, url, headers, "POST", b"whole") == (200, "whole")
    assert await asked(room, url, headers, "POST", pieces()) == (200, "x" * 500_000)
    assert await asked(room, url + "chunked", headers, "POST", b"in parts") == (201, "in parts")
    with pytest.raises(ConnectionLost, match="broke off"):
        await asked(room, url + "broken", headers, "POST", b"")
    assert await asked(room, url + "impatient", headers, "POST", endless()) == (200, "enough")
    for error, told in ((ZeroDivisionError(), ZeroDivisionError), (FileNotFoundError(), ConnectionLost)):
        with pytest.raises(told):
            await asked(room, url, headers, "POST", failing(error))


async def test_what_cannot_be_reached_is_a_502_and_a_wrong_traffic_token_a_403(room: Room) -> None:
    waking = {"autoPause": True, "autoResume": {"enabled": True}}
    box = await room.create(network={"allowPublicTraffic": False}, **waking)
    port = await serving(box)
    token = box.made["trafficAccessToken"]
    for given, status in (
        ({}, 403),
        ({"E2B-Traffic-Access-Token": "no"}, 403),
        ({"E2B-Traffic-Access-Token": token}, 200),
    ):
        assert (await room("POST", f"/sandboxes/{box.id}/pause")).status == 204
        assert (await asked(room, "http://127.0.0.1/", routing(box, port, **given)))[0] == status
        life = room.sandboxes.life(box.id)
        assert life is not None
        assert life.state == ("running" if status == 200 else "paused")  # nobody else wakes it
        assert (await room("POST", f"/sandboxes/{box.id}/connect", {"timeout": 300})).status in (200, 201)
    closed = await asked(room, "http://127.0.0.1/", routing(box, 1, **{"E2B-Traffic-Access-Token": token}))
    assert closed[0] == 502
    assert '"port":1' in closed[1]
    await room("DELETE", f"/sandboxes/{box.id}")
    status, told = await asked(room, "http://127.0.0.1/", routing(box, port))
    assert (status, "The sandbox was not found" in told) == (502, True)


async def test_a_server_of_this_machine_or_of_another_sandbox_is_not_reached(room: Room) -> None:
    box, other = await room.create(), await room.create()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        assert (await asked(room, "http://127.0.0.1/", routing(box, listener.getsockname()[1])))[0] == 502
    port = await serving(other)
    assert (await asked(room, "http://127.0.0.1/", routing(box, port)))[0] == 502
    assert (await asked(room, "http://127.0.0.1/", routing(other, port)))[0] == 200


@in_namespaces
async def test_two_sandboxes_with_networks_of_their_own_serve_the_same_port(room: Room) -> None:
    boxes = [await room.create(allow_internet_access=False) for _ in range(2)]
    for box in boxes:
        assert await serving(box, 8000) == 8000
    for box in boxes:
        told = await asked(room, "http://127.0.0.1/", routing(box, 8000, **{"X-Own": box.id}))
        assert box.id in told[1]


@asynccontextmanager
async def served() -> AsyncGenerator[tuple[Simulator, str], None]:
    async with Simulator() as simulator, simulator.serve() as site:
        yield simulator, site.url


@pytest.mark.filterwarnings("ignore::novita_async.simulator.sandbox.IsolationWarning")
async def test_a_port_is_reached_through_the_simulators_socket() -> None:
    async with served() as (simulator, url), aiohttp.ClientSession() as session:
        headers = {"X-API-KEY": simulator.api_key}
        async with session.post(
            f"{url}/sandboxes", json={"templateID": "base", "timeout": 60}, headers=headers
        ) as made:
            sandbox_id = (await made.json())["sandboxID"]
        routed = {"Novita-Sandbox-Id": sandbox_id, "Novita-Sandbox-Port": "49983"}
        raw = {"content-type": "application/octet-stream"}
        async with session.post(f"{url}/files?path=server.py", data=_SERVER.encode(), headers=routed | raw) as sent:
            assert sent.status == 200
        body = b'{"process": {"cmd": "/bin/bash", "args": ["-c", "python3 server.py 0 > port & true"]}, "stdin": false}'
        framed = b"\0" + len(body).to_bytes(4, "big") + body
        kind = {"content-type": "application/connect+json"}
        async with session.post(f"{url}/process.Process/Start", data=framed, headers=routed | kind) as started:
            await started.read()
        port = b""
        while not port.strip().isdigit():
            async with session.get(f"{url}/files?path=port", headers=routed) as read:
                port = await read.read()
            await asyncio.sleep(0.02)
        routed["Novita-Sandbox-Port"] = port.decode().strip()
        async with session.post(f"{url}/chunked", data=b"over sockets", headers=routed) as answer:
            assert (answer.status, await answer.text()) == (201, "over sockets")
        async with session.post(f"{url}/cookies", data=b"", headers=routed) as answer:
            assert [cookie.partition(";")[0] for cookie in answer.headers.getall("set-cookie")] == ["a=1", "b=2", "c=3"]
