"""The way out of a sandbox: what goes through, what is refused, and what becomes of secrets on their way."""

from __future__ import annotations

import asyncio
import socket
import ssl
from contextlib import asynccontextmanager
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any, cast
from unittest.mock import Mock

import pytest
import trustme
from sandbox_room import BUBBLEWRAP, Room

from novita_async.runtime.clock import SystemClock
from novita_async.simulator.sandbox.certificates import Authority
from novita_async.simulator.sandbox.egress import PORT, Border, Egress
from novita_async.simulator.sandbox.messages import Head
from novita_async.simulator.sandbox.reach import allowed, is_hopeless, matches

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator
    from pathlib import Path

    from novita_async.simulator.sandbox.secrets import Bound

in_namespaces = pytest.mark.parametrize("room", [BUBBLEWRAP], indirect=True)

#: Of this machine, and not the one that a sandbox takes for itself.
HERE = "127.0.0.2"
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX-Hop: 1\r\nConnection: keep-alive, x-hop\r\n\r\nhello"


class Upstream:
    """A server that keeps what it was sent, byte by byte, and says one thing to everybody."""

    def __init__(self, *, answer: bytes = ANSWER, first: bytes = b"") -> None:
        self.seen: list[bytes] = []
        self.port = 0
        self._answer = answer
        self._first = first

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        number = len(self.seen)
        self.seen.append(b"")
        try:
            writer.write(self._first)
            while not _whole(self.seen[number]):
                data = await reader.read(65536)
                if not data:
                    break
                self.seen[number] += data
            else:
                writer.write(self._answer)
            await writer.drain()
        except ConnectionError:
            pass
        finally:
            writer.close()

    @asynccontextmanager
    async def running(self, context: ssl.SSLContext | None = None) -> AsyncGenerator[Upstream]:
        server = await asyncio.start_server(self, HERE, 0, ssl=context)
        self.port = server.sockets[0].getsockname()[1]
        async with server:
            yield self


def _whole(request: bytes) -> bool:
    head, end, body = request.partition(b"\r\n\r\n")
    if not end:
        return False
    lines = head.lower().split(b"\r\n")
    if b"transfer-encoding: chunked" in lines:
        return body.endswith(b"0\r\n\r\n")
    length = next((int(line[15:]) for line in lines if line.startswith(b"content-length:")), 0)
    return len(body) >= length


class Way:
    """A way out of nowhere: a proxy that listens on this machine."""

    def __init__(self) -> None:
        self.allow: list[str] = [HERE]
        self.deny: list[str] = []
        self.refused: list[str] = []
        self.values: dict[str, dict[str, str]] = {}
        self.signs: Authority | None = None
        listener = socket.create_server(("127.0.0.1", 0))
        listener.setblocking(False)
        self.port = listener.getsockname()[1]
        border = Border(rules=lambda: (self.allow, self.deny), refused=self.refused.append, secrets=cast("Bound", self))
        self.egress = Egress(listener, border, SystemClock(), {})

    async def authority(self) -> Authority | None:
        return self.signs

    def swaps(self, host: str) -> dict[str, str]:
        return self.values.get(host, {})

    async def ask(self, request: bytes) -> bytes:
        """Send something; return all that comes."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            writer.write(request)
            return await asyncio.wait_for(reader.read(), 10)
        finally:
            writer.close()

    async def status(self, request: bytes) -> int:
        answer = await self.ask(request)
        return Head.parse(answer.partition(b"\r\n\r\n")[0] + b"\r\n\r\n").status()

    @asynccontextmanager
    async def tunnel(
        self, host: str, port: int, trusted: ssl.SSLContext | None = None
    ) -> AsyncGenerator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            writer.write(f"CONNECT {host}:{port} HTTP/1.1\r\nHost: {host}:{port}\r\n\r\n".encode())
            assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200 ")
            if trusted is not None:
                await writer.start_tls(trusted, server_hostname=host)
            yield reader, writer
        finally:
            writer.transport.abort()


@pytest.fixture
async def way() -> AsyncIterator[Way]:
    way = Way()
    yield way
    await way.egress.aclose()


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> dict[str, list[str]]:
    """Where names lead to, each address once and the last one for good; and what was asked, under ""."""
    known: dict[str, list[str]] = {"": []}
    real = socket.getaddrinfo

    def look(host: Any, port: Any, *args: Any, **more: Any) -> Any:
        known[""].append(str(host))
        found = known.get(str(host))
        if found is None:
            return real(host, port, *args, **more)
        address = found.pop(0) if len(found) > 1 else found[0]
        return real(address, port, *args, **more)

    monkeypatch.setattr(socket, "getaddrinfo", look)
    return known


# ---------------------------------------------------------------------------------------------------------- rules


@pytest.mark.parametrize(
    ("host", "address", "allow", "deny", "expected"),
    [
        ("a.com", "8.8.8.8", [], [], True),
        ("a.com", "8.8.8.8", [], ["8.8.8.0/24"], False),
        ("a.com", "8.8.8.8", ["8.8.8.8"], ["0.0.0.0/0"], True),
        ("a.com", "8.8.8.8", ["8.8.0.1/16"], ["0.0.0.0/0"], True),
        ("a.com", "8.8.8.8", ["a.com"], ["0.0.0.0/0"], True),
        ("b.a.com", "8.8.8.8", ["*.a.com"], ["0.0.0.0/0"], True),
        ("b.a.com", "8.8.8.8", ["a.com"], ["0.0.0.0/0"], False),
        ("a.com", "2606:4700::1", [], ["0.0.0.0/0"], False),
        ("a.com", "2606:4700::1", ["2606:4700::/32"], ["0.0.0.0/0"], True),
        # What is not public is reached by a rule that means just that.
        ("a.com", "127.0.0.1", ["a.com"], [], False),
        ("a.com", "127.0.0.1", ["0.0.0.0/0"], [], False),
        ("a.com", "127.0.0.1", ["64.0.0.0/2"], [], False),
        ("a.com", "127.0.0.1", ["127.0.0.0/8"], [], True),
        ("a.com", "10.1.2.3", ["10.1.2.3"], ["0.0.0.0/0"], True),
        *(
            ("a.com", address, [], [], False)
            for address in (
                "0.0.0.0", "10.0.0.1", "172.16.0.1", "192.168.1.1", "100.64.0.1", "169.254.169.254", "224.0.0.1",
                "255.255.255.255", "::", "::1", "fe80::1", "fc00::1", "ff02::1", "::127.0.0.1", "64:ff9b::7f00:1",
                "64:ff9b::10.0.0.1", "2002:7f00:1::", "2002:a00:1::",
            )
        ),
        ("a.com", "64:ff9b::8.8.8.8", [], [], True),
        ("a.com", "64:ff9b::8.8.8.8", [], ["8.8.8.8"], False),
    ],
)  # fmt: skip
def test_a_rule_lets_through_what_it_means(
    host: str, address: str, allow: list[str], deny: list[str], expected: bool
) -> None:
    assert allowed(host, ip_address(address), allow, deny) is expected


def test_a_host_is_below_its_wildcard_and_not_beside_it() -> None:
    assert matches("Example.com.", "example.com")
    assert matches("*.example.com", "a.b.example.com")
    for pattern, host in (("*.example.com", "example.com"), ("*.example.com", "badexample.com"), ("a.com", "b.a.com")):
        assert not matches(pattern, host)
    assert is_hopeless("a.com", ["b.com"], ["0.0.0.0/0"])
    assert not is_hopeless("a.com", ["b.com", "8.8.8.8"], ["0.0.0.0/0"])


def test_a_public_address_of_this_machine_needs_a_rule_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket.socket, "bind", Mock())  # as a machine that has them all
    ours = ip_address("8.8.8.8")
    assert not allowed("a.com", ours, ["a.com", "8.8.8.0/24"], [])
    assert allowed("a.com", ours, ["8.8.8.8"], [])


# ------------------------------------------------------------------------------------------------- what goes through


async def test_a_request_is_passed_on_as_one_to_its_server(way: Way) -> None:
    async with Upstream().running() as upstream:
        url = f"http://{HERE}:{upstream.port}".encode()
        fields = b"Host: evil.example.com\r\nX-Own: 1\r\nX-Mine: 2\r\nConnection: x-mine, content-length\r\n"
        more = (
            b"Proxy-Connection: keep-alive\r\nProxy-Authorization: Basic eDp5\r\nUpgrade: h2c\r\nHTTP2-Settings: a\r\n"
        )
        answer = await way.ask(
            b"POST " + url + b"/a?b=c#d HTTP/1.1\r\n" + fields + more + b"Content-Length: 4\r\n\r\nbody"
        )
        assert answer == b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello"
        assert (
            upstream.seen.pop()
            == (
                f"POST /a?b=c HTTP/1.1\r\nHost: {HERE}:{upstream.port}\r\nX-Own: 1\r\nHTTP2-Settings: a\r\n"
                "Content-Length: 4\r\nConnection: close\r\n\r\nbody"
            ).encode()
        )
        chunked = b"PUT " + url + b" HTTP/1.1\r\nTransfer-Encoding: Chunked\r\n\r\n"
        await way.ask(chunked + b"3;x=y\r\nabc\r\n00D\r\n" + b"d" * 13 + b"\r\n0\r\nX-Late: 1\r\n\r\n")
        assert upstream.seen.pop().endswith(b"\r\n\r\n3\r\nabc\r\nd\r\n" + b"d" * 13 + b"\r\n0\r\n\r\n")


async def test_a_tunnel_carries_bytes_both_ways_and_each_side_ends_for_itself(way: Way) -> None:
    sent = bytes(range(256)) * 8000

    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        whole = await reader.read()
        writer.write(whole[::-1])
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(echo, HERE, 0)
    async with server, way.tunnel(HERE, server.sockets[0].getsockname()[1]) as (reader, writer):
        writer.write(sent)
        writer.write_eof()
        assert await reader.read() == sent[::-1]


async def test_who_leaves_is_left(way: Way) -> None:
    closed = asyncio.Event()

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        closed.set()
        writer.close()

    server = await asyncio.start_server(silent, HERE, 0)
    async with server:
        url = f"http://{HERE}:{server.sockets[0].getsockname()[1]}/"
        _, writer = await asyncio.open_connection("127.0.0.1", way.port)
        writer.write(f"GET {url} HTTP/1.1\r\n\r\n".encode())
        await SystemClock().sleep(0.02)
        writer.close()
        await asyncio.wait_for(closed.wait(), 10)


async def test_a_stop_breaks_connections_off_and_who_comes_meanwhile_waits(way: Way) -> None:
    async with Upstream().running() as upstream:
        request = f"GET http://{HERE}:{upstream.port}/ HTTP/1.1\r\n\r\n".encode()
        async with way.tunnel(HERE, upstream.port) as (reader, _):
            await way.egress.stop()
            assert await reader.read() == b""
        waiting = asyncio.ensure_future(way.ask(request))
        await SystemClock().sleep(0.02)
        assert not waiting.done()
        way.egress.go_on()
        assert (await waiting).endswith(b"hello")


async def test_what_does_not_answer_or_is_not_known_is_a_502(way: Way, names: dict[str, list[str]]) -> None:
    with socket.create_server((HERE, 0)) as server:
        port = server.getsockname()[1]
    assert await way.status(f"GET http://{HERE}:{port}/ HTTP/1.1\r\n\r\n".encode()) == 502
    assert await way.status(b"CONNECT nobody.invalid:443 HTTP/1.1\r\n\r\n") == 502
    assert way.refused == []


# --------------------------------------------------------------------------------------------------- what is refused


async def test_this_machine_is_not_reached_by_any_of_its_names(way: Way, names: dict[str, list[str]]) -> None:
    names |= {"rebound.example.com": ["127.0.0.1"], "inner.example.com": ["10.0.0.1"], "six.example.com": ["::1"]}
    way.allow += ["rebound.example.com", "*.example.com", "localhost", "0.0.0.0/0"]
    hosts = [
        "localhost", "LOCALHOST.", "127.0.0.1", "127.1", "2130706433", "0x7f000001", "017700000001", "0.0.0.0", "0",
        "[::1]", "[::]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[64:ff9b::7f00:1]", "169.254.169.254",
        "rebound.example.com", "inner.example.com", "six.example.com", "127.0.0.3",
    ]  # fmt: skip
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        for host in hosts:
            for request in (f"CONNECT {host}:{port} HTTP/1.1\r\n\r\n", f"GET http://{host}:{port}/ HTTP/1.1\r\n\r\n"):
                assert await way.status(request.encode()) == 403, host
        server.setblocking(False)
        with pytest.raises(BlockingIOError):
            server.accept()
    assert len(way.refused) == 2 * len(hosts)
    assert f"inner.example.com:{port} was refused" in way.refused[-5]


async def test_the_address_that_was_looked_at_is_the_one_that_is_connected_to(
    way: Way, names: dict[str, list[str]]
) -> None:
    async with Upstream().running() as upstream:
        names["turning.example.com"] = [HERE, "127.0.0.1"]
        assert await way.status(f"GET http://turning.example.com:{upstream.port}/ HTTP/1.1\r\n\r\n".encode()) == 200
        assert names[""].count("turning.example.com") == 1
        assert await way.status(f"GET http://turning.example.com:{upstream.port}/ HTTP/1.1\r\n\r\n".encode()) == 403


async def test_rules_count_for_the_next_connection_and_a_denied_name_is_not_even_looked_up(
    way: Way, names: dict[str, list[str]]
) -> None:
    way.allow, way.deny = ["good.example.com"], ["0.0.0.0/0"]
    assert await way.status(b"CONNECT data.evil.example.com:443 HTTP/1.1\r\n\r\n") == 403
    assert "data.evil.example.com" not in names[""]
    async with Upstream().running() as upstream:
        request = f"GET http://{HERE}:{upstream.port}/ HTTP/1.1\r\n\r\n".encode()
        assert await way.status(request) == 403
        way.allow = [f"{HERE}/32"]
        assert await way.status(request) == 200


UNSOUND = [
    "GET / HTTP/1.1\r\nHost: {at}",  # not for a proxy
    "GET https://{at}/ HTTP/1.1",
    "GET http://{at}/ HTTP/2.0",
    "GET http://{at}/ x HTTP/1.1",
    "GET  http://{at}/ HTTP/1.1",
    "GET http://127.0.0.1:1\\@{at}/ HTTP/1.1",
    "GET http://me@{at}/ HTTP/1.1",
    "GET http://{at}:80/ HTTP/1.1",
    "GET http:///{at}/ HTTP/1.1",
    "CONNECT {at}/x HTTP/1.1",
    "CONNECT 127.0.0.2 HTTP/1.1",
    "CONNECT 127.0.0.2:99999 HTTP/1.1",
    "CONNECT ex\xe4mple.com:443 HTTP/1.1",
    "POST http://{at}/ HTTP/1.1\r\nContent-Length: 4\r\nContent-Length: 5",
    "POST http://{at}/ HTTP/1.1\r\nContent-Length: 4, 4",
    "POST http://{at}/ HTTP/1.1\r\nContent-Length: +4",
    "POST http://{at}/ HTTP/1.1\r\nContent-Length: 4\r\nTransfer-Encoding: chunked",
    "POST http://{at}/ HTTP/1.1\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: identity",
    "POST http://{at}/ HTTP/1.1\r\nTransfer-Encoding: xchunked",
    "POST http://{at}/ HTTP/1.1\r\nTransfer-Encoding : chunked",
    "POST http://{at}/ HTTP/1.1\r\nX: 1\r\n Transfer-Encoding: chunked",
    "POST http://{at}/ HTTP/1.1\r\nX: 1\nTransfer-Encoding: chunked",
    "POST http://{at}/ HTTP/1.1\r\nX: 1\rTransfer-Encoding: chunked",
    "POST http://{at}/ HTTP/1.1\r\nX: \0",
    "POST http://{at}/ HTTP/1.1\r\n: 1",
    "GET http://{at}/ HTTP/1.1\r\nX: " + 200_000 * "x",
]


async def test_a_request_that_two_could_read_in_two_ways_reaches_nobody(way: Way) -> None:
    async with Upstream().running() as upstream:
        for request in UNSOUND:
            head = request.replace("{at}", f"{HERE}:{upstream.port}") + "\r\n\r\n"
            assert await way.status(head.encode("latin-1")) == 400, request
        assert upstream.seen == []


async def test_what_comes_behind_a_request_is_for_nobody(way: Way) -> None:
    async with Upstream().running() as upstream:
        second = b"GET /second HTTP/1.1\r\nHost: inner\r\n\r\n"
        request = f"POST http://{HERE}:{upstream.port}/ HTTP/1.1\r\nContent-Length: 2\r\n\r\nok".encode()
        assert (await way.ask(request + second)).endswith(b"hello")
        ended = f"POST http://{HERE}:{upstream.port}/ HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n".encode()
        assert (await way.ask(ended + b"0\r\n\r\n" + second)).endswith(b"hello")
        assert [b"second" in seen for seen in upstream.seen] == [False, False]
        for chunk in (b"0x1\r\na\r\n", b"-1\r\n", b"1\r\nabc\r\n", b"1\n\r\n", b"\r\n"):
            assert await way.ask(ended + chunk + second) == b""


# ------------------------------------------------------------------------------------------------------------ secrets

HIDDEN, VALUE = "novita_secret_0123", "the-real-value"


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> trustme.CA:
    """Who signs for the servers that this machine trusts."""
    world = trustme.CA()
    world.cert_pem.write_to_path(str(tmp_path / "world.pem"))
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "world.pem"))
    return world


def serving(world: trustme.CA, host: str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    world.issue_cert(host).configure_cert(context)  # pyright: ignore[reportUnknownMemberType] - or of pyOpenSSL
    return context


@pytest.fixture
async def trusted(way: Way, world: trustme.CA, names: dict[str, list[str]]) -> ssl.SSLContext:
    """What a program in a sandbox trusts. The way knows of a secret for api.example.com."""
    way.signs = await SystemClock().to_thread(Authority)
    way.values["api.example.com"] = {HIDDEN: VALUE}
    names |= {"api.example.com": [HERE], "other.example.com": [HERE]}
    bundle = await SystemClock().to_thread(way.signs.bundle)
    return ssl.create_default_context(cadata=bundle.decode())


def asking(host: str, body: bytes = b"") -> bytes:
    head = f"POST /{HIDDEN} HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {HIDDEN}\r\nX: {HIDDEN},{HIDDEN}\r\n"
    return head.encode() + b"Content-Length: %d\r\n\r\n%b" % (len(body), body)


async def test_a_secret_takes_its_place_in_the_fields_of_a_request_to_its_host(
    way: Way, trusted: ssl.SSLContext, world: trustme.CA
) -> None:
    async with Upstream().running(serving(world, "api.example.com")) as upstream:
        async with way.tunnel("api.example.com", upstream.port, trusted) as (reader, writer):
            writer.write(asking(f"api.example.com:{upstream.port}", HIDDEN.encode()))
            assert (await reader.read()).endswith(b"hello")
        head, _, body = upstream.seen.pop().partition(b"\r\n\r\n")
        assert head.startswith(f"POST /{HIDDEN} HTTP/1.1\r\n".encode())
        assert f"Authorization: Bearer {VALUE}\r\nX: {VALUE},{VALUE}\r\n".encode() in head
        assert body == HIDDEN.encode()


async def test_no_other_host_and_nothing_but_https_gets_a_secret(
    way: Way, trusted: ssl.SSLContext, world: trustme.CA
) -> None:
    async with Upstream().running(serving(world, "other.example.com")) as upstream:
        async with way.tunnel("other.example.com", upstream.port, trusted) as (reader, writer):
            peer = cast("ssl.SSLObject", writer.get_extra_info("ssl_object"))
            assert peer.getpeercert()  # its own: nobody is in between
            writer.write(asking("other.example.com"))
            await reader.read()
        # It says that it is the host of the secret, and cannot prove it.
        async with way.tunnel("api.example.com", upstream.port, trusted) as (reader, writer):
            writer.write(asking("api.example.com"))
            assert b"502 Bad Gateway" in await reader.read()
        seen = b"".join(upstream.seen)
    assert HIDDEN.encode() in seen
    assert VALUE.encode() not in seen
    async with Upstream().running() as plain:
        async with way.tunnel("api.example.com", plain.port) as (reader, writer):
            writer.write(asking("api.example.com"))
            await reader.read()
        url = f"POST http://api.example.com:{plain.port}/ ".encode()
        await way.ask(asking("api.example.com").replace(f"POST /{HIDDEN} ".encode(), url))
        assert [VALUE.encode() in seen or HIDDEN.encode() not in seen for seen in plain.seen] == [False, False]


async def test_a_connection_to_the_host_of_a_secret_is_for_that_host_alone(
    way: Way, trusted: ssl.SSLContext, world: trustme.CA
) -> None:
    async with Upstream().running(serving(world, "api.example.com")) as upstream:
        for request, status in (
            (asking("other.example.com"), b"421"),
            (asking("api.example.com").replace(b"POST /", b"POST http://other.example.com/"), b"421"),
            (asking("api.example.com\r\nHost: other.example.com"), b"421"),
            (asking("api.example.com\r\nTransfer-Encoding: chunked"), b"400"),
        ):
            async with way.tunnel("api.example.com", upstream.port, trusted) as (reader, writer):
                writer.write(request)
                assert (await reader.read()).split()[1] == status
        assert upstream.seen == []


async def test_a_redirect_does_not_carry_a_secret_away(way: Way, trusted: ssl.SSLContext, world: trustme.CA) -> None:
    there = b"HTTP/1.1 302 Found\r\nLocation: https://other.example.com/\r\nContent-Length: 0\r\n\r\n"
    async with (
        Upstream(answer=there).running(serving(world, "api.example.com")) as first,
        Upstream().running(serving(world, "other.example.com")) as second,
    ):
        for host, upstream in (("api.example.com", first), ("other.example.com", second)):
            async with way.tunnel(host, upstream.port, trusted) as (reader, writer):
                writer.write(asking(host))  # as a program does that follows it with its fields
                await reader.read()
        assert VALUE.encode() in first.seen[0]
        assert VALUE.encode() not in second.seen[0]


async def test_a_websocket_to_the_host_of_a_secret_is_one(way: Way, trusted: ssl.SSLContext, world: trustme.CA) -> None:
    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        assert VALUE.encode() in head
        writer.write(b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: WebSocket\r\n\r\n")
        while data := await reader.read(100):
            writer.write(data.upper())
        writer.close()

    server = await asyncio.start_server(echo, HERE, 0, ssl=serving(world, "api.example.com"))
    async with server, way.tunnel("api.example.com", server.sockets[0].getsockname()[1], trusted) as (reader, writer):
        writer.write(asking("api.example.com\r\nConnection: Upgrade\r\nUpgrade: websocket"))
        assert b"101" in (await reader.readuntil(b"\r\n\r\n"))
        for word in (b"one", b"two"):
            writer.write(word)
            assert await reader.readexactly(3) == word.upper()


async def test_who_speaks_first_is_not_taken_for_a_client_of_https(way: Way, trusted: ssl.SSLContext) -> None:
    async with (
        Upstream(first=b"SSH-2.0-x\r\n").running() as upstream,
        way.tunnel("api.example.com", upstream.port) as ours,
    ):
        assert await ours[0].readline() == b"SSH-2.0-x\r\n"


# ------------------------------------------------------------------------------------------------------ in a sandbox

_ASK = r"""
import sys, urllib.request, urllib.error
for url in sys.argv[1:]:
    try:
        print(urllib.request.urlopen(url, timeout=10).read().decode())
    except urllib.error.HTTPError as error:
        print(error.code)
    except OSError as error:
        print(error)
"""


@in_namespaces
async def test_a_program_finds_the_way_out_and_what_it_may_not_reach_is_in_the_log(room: Room) -> None:
    box = await room.create(network={"allowOut": [HERE]})
    assert (await box.http("GET", "/envs")).json() == {}
    async with Upstream().running() as upstream:
        url = f"http://{HERE}:{upstream.port}/"
        there = await box.run(f"python3 -c '{_ASK}' {url} http://127.0.0.3:1/", envs={"NO_PROXY": ""})
        assert there.stdout == "hello\n403\n"
        lines = (await room("GET", f"/v2/sandboxes/{box.id}/logs?level=warn")).json()["logs"]
        assert [line["message"].partition(" was")[0] for line in lines] == ["127.0.0.3:1"]
        # Past the proxy there is nothing, and on its port nobody from outside.
        tried = f"(: < /dev/tcp/{HERE}/{upstream.port}) 2>/dev/null || (: < /dev/tcp/127.0.0.1/{upstream.port})"
        assert (await box.run(tried)).end["exitCode"] == 1
        machine = room.sandboxes.get(box.id)
        assert machine is not None
        with pytest.raises(ConnectionRefusedError, match="for the sandbox alone"):
            await machine.connect_port(PORT)
        await room("PUT", f"/sandboxes/{box.id}/network", {"denyOut": ["0.0.0.0/0"]})
        script = f"python3 -c '{_ASK}' {url}; echo $http_proxy"
        assert (await box.run(script)).stdout == "<urlopen error [Errno 111] Connection refused>\n\n"
        await room("PUT", f"/sandboxes/{box.id}/network", {"allowOut": [HERE], "denyOut": ["0.0.0.0/0"]})
        assert (await box.run(script)).stdout == f"hello\nhttp://127.0.0.1:{PORT}\n"
        await room("POST", f"/sandboxes/{box.id}/reset", {})
        assert (await box.run(script)).stdout.startswith("hello\n")
        assert len(upstream.seen) == 3
    assert (await room("PUT", f"/sandboxes/{box.id}/network", {"denyOut": ["a.com"]})).status == 400


@in_namespaces
async def test_a_pause_breaks_off_what_goes_out_and_the_next_connection_finds_its_way(room: Room) -> None:
    box = await room.create(network={"allowOut": [HERE]})
    machine = room.sandboxes.get(box.id)
    assert machine is not None
    came, left = asyncio.Event(), asyncio.Event()

    async def slow(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\n\r\nhalf")
        came.set()
        await reader.read()
        left.set()
        writer.close()

    server = await asyncio.start_server(slow, HERE, 0)
    async with server, Upstream().running() as upstream:
        urls = [f"http://{HERE}:{port}/" for port in (server.sockets[0].getsockname()[1], upstream.port)]
        asked = asyncio.ensure_future(box.run(f"python3 -c '{_ASK}' {' '.join(urls)}"))
        await came.wait()
        await machine.pause()
        await asyncio.wait_for(left.wait(), 10)
        await machine.resume()
        assert (await asked).stdout == "half\nhello\n"


@in_namespaces
async def test_without_internet_access_nothing_is_told_of_a_way_out(room: Room) -> None:
    box = await room.create(allow_internet_access=False)
    told = await box.run("env | grep -ic proxy; (: < /dev/tcp/127.0.0.1/49982) 2>/dev/null || echo no")
    assert told.stdout == "0\nno\n"


@in_namespaces
async def test_two_sandboxes_listen_on_one_port_and_reach_neither_each_other_nor_their_ways_out(room: Room) -> None:
    serve = "import socket; s = socket.create_server(('', 8000)); print('up', flush=True); s.accept()"
    boxes = [await room.create() for _ in range(2)]
    servers = [box.start(f'exec python3 -c "{serve}"') for box in boxes]
    for server in servers:
        while "data" not in (event := await anext(server)):
            assert "end" not in event
    await boxes[0].run("(: < /dev/tcp/127.0.0.1/8000)")
    events = [event async for event in servers[0]]
    assert "end" in events[-1]  # its own, and not the other's
    await room("DELETE", f"/sandboxes/{boxes[1].id}")
    await servers[1].aclose()


@in_namespaces
async def test_a_secret_of_a_sandbox_is_seen_by_its_host_and_by_nobody_inside(
    room: Room, world: trustme.CA, names: dict[str, list[str]]
) -> None:
    names["api.example.com"] = [HERE]
    secret: dict[str, Any] = {"name": "token", "value": VALUE, "hosts": ["*.example.com"]}
    assert (await room("POST", "/secrets", secret)).status == 201
    box = await room.create(secrets={"TOKEN": "token"}, network={"allowOut": [HERE]})
    script = (
        "import os, sys, urllib.request as r; print(r.urlopen(r.Request(sys.argv[1], headers={'X-Key': os.environ["
        "'TOKEN']})).read().decode(), os.environ['TOKEN'][:14])"
    )
    async with Upstream().running(serving(world, "api.example.com")) as upstream:
        done = await box.run(f'python3 -c "{script}" https://api.example.com:{upstream.port}/')
        assert (done.stdout, done.stderr) == ("hello novita_secret_\n", "")
        assert f"X-Key: {VALUE}\r\n".encode().lower() in upstream.seen.pop().lower()
        await room("DELETE", "/secrets/token")
        await box.run(f'python3 -c "{script}" https://api.example.com:{upstream.port}/')
        assert VALUE.encode() not in upstream.seen.pop()


@pytest.mark.parametrize("room", [BUBBLEWRAP], indirect=True)
async def test_without_trustme_a_secret_stays_a_placeholder_and_a_warning_says_so(
    room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "trustme", None)
    await room("POST", "/secrets", {"name": "token", "value": VALUE, "hosts": ["a.com"]})
    box = await room.create(secrets={"TOKEN": "token"})
    with pytest.warns(UserWarning, match="secrets stay placeholders without trustme"):
        assert (await box.run("echo ${SSL_CERT_FILE:-none}")).stdout == "none\n"
    assert (await box.run("echo ${TOKEN:0:14}")).stdout == "novita_secret_\n"
