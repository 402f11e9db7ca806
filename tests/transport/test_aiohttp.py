"""What is aiohttp's own: its errors, its headers, its sockets when nobody closes them."""

from __future__ import annotations

import asyncio
import gzip
import os
import resource
import socket
import subprocess
import sys

import pytest

from novita_async.errors import CallTimeout, ConnectError, ConnectionLost, ProtocolError, ValidationError
from novita_async.simulator.server import serve
from novita_async.transport.aiohttp import AiohttpTransport
from novita_async.transport.protocol import Reply, Request

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


async def read_all(body):
    chunks = []
    while chunk := await body.read():
        chunks.append(chunk)
    await body.aclose()
    return b"".join(chunks)


async def read_head(reader):
    return await reader.readuntil(b"\r\n\r\n")


def test_neither_the_seam_nor_the_middleware_loads_a_network_library():
    code = (
        "import sys, novita_async.transport.protocol, novita_async.transport.middleware, novita_async.transport.mock;"
        "print([name for name in ('aiohttp', 'websockets') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_making_one_needs_no_loop_and_opens_nothing():
    before = len(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else 0
    transport = AiohttpTransport()
    assert "unused" in repr(transport)
    transport.abandon()
    assert before == (len(os.listdir("/proc/self/fd")) if before else 0)


async def test_closing_an_unused_one_is_nothing(transport):
    await transport.aclose()
    assert "closed" in repr(transport)


# ------------------------------------------------------------------------------------------------- requests


async def test_nothing_is_sent_that_the_request_does_not_have(raw_server, transport):
    heads = []

    async def talk(reader, writer):
        while True:
            heads.append(await read_head(reader))
            writer.write(OK)

    async with raw_server(talk) as address:
        for method, body in (("GET", None), ("POST", None), ("POST", b"")):
            await read_all((await transport.send(Request(method, f"http://{address}/p%20q?x", {"A": "b"}, body))).body)
    host = f"Host: {address}".encode()
    assert heads == [
        b"GET /p%20q?x HTTP/1.1\r\n" + host + b"\r\nA: b\r\n\r\n",
        b"POST /p%20q?x HTTP/1.1\r\n" + host + b"\r\nA: b\r\nContent-Length: 0\r\n\r\n",
        b"POST /p%20q?x HTTP/1.1\r\n" + host + b"\r\nA: b\r\nContent-Length: 0\r\n\r\n",
    ]


async def test_a_large_body_is_sent_with_its_length_and_without_a_warning(transport):
    async def handler(request):
        size = sum([len(chunk) async for chunk in request.body])
        return Reply(body=f"{size} {request.headers['Content-Length']}".encode())

    async with serve(handler) as server:
        response = await transport.send(Request("POST", server.url + "/", body=bytes(3_000_000)))
        assert await read_all(response.body) == b"3000000 3000000"


async def test_a_kept_connection_that_drops_is_not_used_for_a_second_send(raw_server, transport):
    heads = []

    async def talk(reader, writer):
        heads.append(await read_head(reader))
        writer.write(OK)
        heads.append(await read_head(reader))  # and hangs up without an answer

    async with raw_server(talk) as address:
        request = Request("GET", f"http://{address}/")
        assert await read_all((await transport.send(request)).body) == b"ok"
        with pytest.raises(ConnectionLost, match="before it answered"):
            await transport.send(request)
        assert len(heads) == 2
        assert await read_all((await transport.send(request)).body) == b"ok"


async def test_a_body_of_another_length_than_announced_is_refused(transport):
    async def handler(request):
        return Reply(body=b"".join([chunk async for chunk in request.body]))

    async def three():
        yield b"abc"

    async with serve(handler) as server:
        for length in ("2", "4"):
            with pytest.raises(ValidationError, match=f"Content-Length of {length}"):
                await transport.send(Request("POST", server.url + "/", {"content-length": length}, three()))


async def test_an_answer_that_comes_before_the_upload_ends_can_be_read(transport):
    closed = asyncio.Event()

    async def endless():
        try:
            while True:
                yield bytes(64 * 1024)
        finally:
            closed.set()

    async def handler(request):
        return Reply(413, {}, b"too large")

    async with serve(handler) as server:
        response = await transport.send(Request("POST", server.url + "/", body=endless()))
        assert (response.status, await response.body.read()) == (413, b"too large")
        await response.body.aclose()
        assert closed.is_set()


async def test_headers_of_a_hundred_kilobytes_pass_both_ways(transport):
    async def handler(request):
        return Reply(200, {"X-Long": request.headers["X-Long"]}, b"ok")

    async with serve(handler) as server:
        long = "x" * 100_000
        response = await transport.send(Request("GET", server.url + "/", {"X-Long": long}))
        assert response.headers["x-long"] == long
        await read_all(response.body)


async def test_the_environments_proxy_is_used_when_trusted_and_a_netrc_never(raw_server, monkeypatch, tmp_path):
    heads = []

    async def talk(reader, writer):
        heads.append(await read_head(reader))
        writer.write(OK)

    async with raw_server(talk) as address:
        (tmp_path / "netrc").write_text("default login me password secret\n")
        monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
        monkeypatch.setenv("http_proxy", f"http://{address}")
        monkeypatch.setenv("no_proxy", "127.0.0.1")
        transport = AiohttpTransport(trust_env=True)
        try:
            await read_all((await transport.send(Request("GET", "http://novita.test/a?b"))).body)
            await read_all((await transport.send(Request("GET", f"http://{address}/direct"))).body)
        finally:
            await transport.aclose()
    assert heads[0] == b"GET http://novita.test/a?b HTTP/1.1\r\nHost: novita.test\r\n\r\n"
    assert heads[1].startswith(b"GET /direct HTTP/1.1\r\n")


# --------------------------------------------------------------------------------------------------- errors


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("http://novita.test/a b?secret=1", "percent-encoded"),
        ("http://novita.test/ä?secret=1", "percent-encoded"),
        ("http://novita.test/\r\nX: y?secret=1", "percent-encoded"),
        ("ftp://novita.test/?secret=1", "not a URL"),
        ("http:///?secret=1", "not a URL"),
        ("/only/a/path?secret=1", "not a URL"),
        ("http://novita.test:99999/?secret=1", "cannot be sent"),
    ],
)
async def test_a_url_that_cannot_be_is_refused_without_its_query(transport, url, words):
    with pytest.raises(ValidationError, match=words) as caught:
        await transport.send(Request("GET", url))
    assert "secret" not in str(caught.value)


async def test_a_header_with_a_newline_is_refused_without_its_value(raw_server, transport):
    async def talk(reader, writer):
        await reader.read()

    async with raw_server(talk) as address:
        with pytest.raises(ValidationError, match="cannot be sent") as caught:
            await transport.send(Request("GET", f"http://{address}/", {"Authorization": "key\r\nX: y"}))
    assert "key" not in str(caught.value)


async def test_a_name_that_does_not_resolve_is_a_connect_error(transport, monkeypatch):
    async def getaddrinfo(*args, **options):
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", getaddrinfo)
    with pytest.raises(ConnectError, match=r"cannot connect to novita\.test: Name or service not known") as caught:
        await transport.send(Request("GET", "http://novita.test/"))
    assert not caught.value.sent
    assert caught.value.__cause__ is not None


async def test_closing_while_names_are_looked_up_is_no_cancellation(transport, monkeypatch):
    looking = asyncio.Event()

    async def getaddrinfo(*args, **options):
        looking.set()
        await asyncio.Event().wait()

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", getaddrinfo)
    sends = [asyncio.create_task(transport.send(Request("GET", "http://novita.test/"))) for _ in range(3)]
    await looking.wait()
    await transport.aclose()
    for error in await asyncio.gather(*sends, return_exceptions=True):
        assert isinstance(error, ConnectError)
        assert "closed" in str(error)


async def test_no_file_descriptor_left_is_said_in_words(transport):
    import novita_async.transport.websocket  # noqa: F401 - which takes a descriptor, too

    spare = os.dup(0)
    os.close(spare)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (spare, hard))
    try:
        with pytest.raises(ConnectError, match=r"file descriptor.*ulimit -n") as caught:
            await transport.send(Request("GET", "http://127.0.0.1:1/"))
        assert not caught.value.sent
        with pytest.raises(ConnectError, match=r"file descriptor.*ulimit -n"):
            await transport.websocket("ws://127.0.0.1:1/")
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


async def test_a_connect_timeout_covers_the_tls_handshake_too(raw_server, transport):
    async def silent(reader, writer):
        await reader.read()

    async with raw_server(silent) as address:
        with pytest.raises(CallTimeout) as caught:
            await transport.send(Request("GET", f"https://{address}/", connect_timeout=0.02))
    assert (caught.value.limit, caught.value.seconds, caught.value.sent) == ("connect", 0.02, False)


async def test_a_server_without_tls_is_a_connect_error(raw_server, transport):
    async def talk(reader, writer):
        await reader.read(10)
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    async with raw_server(talk) as address:
        with pytest.raises(ConnectError, match="SSL"):
            await transport.send(Request("GET", f"https://{address}/"))


async def test_an_answer_that_is_not_http_is_a_protocol_error(raw_server, transport):
    async def talk(reader, writer):
        await read_head(reader)
        writer.write(b"220 mail.test ESMTP\r\n\r\n")

    async with raw_server(talk) as address:
        with pytest.raises(ProtocolError, match="did not answer in HTTP"):
            await transport.send(Request("GET", f"http://{address}/"))


async def test_a_broken_content_encoding_is_a_protocol_error(raw_server, transport):
    async def handler(request):
        return Reply(200, {"content-encoding": "gzip"}, b"this is not gzip")

    async with serve(handler) as server:
        response = await transport.send(Request("GET", server.url + "/"))
        with pytest.raises(ProtocolError, match="content encoding"):
            await response.body.read()
        await response.body.aclose()


async def test_a_compressed_answer_that_is_cut_is_lost(raw_server, transport):
    packed = gzip.compress(os.urandom(1000))

    async def talk(reader, writer):
        await read_head(reader)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(packed))
        writer.write(packed[:500])

    async with raw_server(talk) as address:
        response = await transport.send(Request("GET", f"http://{address}/"))
        with pytest.raises(ConnectionLost, match=r"127\.0\.0\.1"):
            await read_all(response.body)
        await response.body.aclose()


async def test_broken_chunk_framing_is_an_error_and_no_end(raw_server, transport):
    async def talk(reader, writer):
        await read_head(reader)
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\nnonsense\r\n")
        await reader.read()

    async with raw_server(talk) as address:
        with pytest.raises((ConnectionLost, ProtocolError)):
            await read_all((await transport.send(Request("GET", f"http://{address}/"))).body)


# -------------------------------------------------------------------------------------------------- closing


async def test_closing_does_not_wait_for_a_peer_that_does_not_read(raw_server, transport):
    reached = asyncio.Event()

    async def deaf(reader, writer):
        reader._transport.pause_reading()  # the peer's kernel buffer fills up, then ours
        reached.set()
        await asyncio.Event().wait()

    async def endless():
        while True:
            yield bytes(1024 * 1024)

    async with raw_server(deaf) as address:
        sending = asyncio.create_task(transport.send(Request("POST", f"http://{address}/", body=endless())))
        await reached.wait()
        await asyncio.sleep(0.01)
        async with asyncio.timeout(10):
            sending.cancel()
            await asyncio.wait({sending})
            assert sending.cancelled()
            await transport.aclose()


@pytest.fixture(scope="session")
def certificate(tmp_path_factory):
    """A certificate for 127.0.0.1 that nobody signed, made here: no key is kept in the project."""
    directory = tmp_path_factory.mktemp("tls")
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj", "/CN=127.0.0.1"]
    files = ["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", directory / "key.pem", "-out", directory / "cert.pem"]
    try:
        subprocess.run([*command, *files], check=True, capture_output=True)
    except FileNotFoundError:
        pytest.skip("there is no openssl to make a certificate with")
    return directory


async def test_tls_works_is_checked_and_is_closed_without_waiting(raw_server, transport, certificate):
    import ssl

    async def talk(reader, writer):
        await read_head(reader)
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\n")
        await asyncio.Event().wait()  # and never says goodbye

    ours = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    ours.load_cert_chain(certificate / "cert.pem", certificate / "key.pem")
    trusting = AiohttpTransport(ssl=ssl.create_default_context(cafile=certificate / "cert.pem"))
    async with raw_server(talk, ssl=ours) as address:
        with pytest.raises(ConnectError, match="certificate was refused"):
            await transport.send(Request("GET", f"https://{address}/"))
        async with asyncio.timeout(10):
            response = await trusting.send(Request("GET", f"https://{address}/"))
            assert await response.body.read() == b"first"
            await response.body.aclose()
            other = await trusting.send(Request("GET", f"https://{address}/"))
            assert await other.body.read() == b"first"
            await trusting.aclose()
        with pytest.raises(ConnectionLost):
            await other.body.read()
