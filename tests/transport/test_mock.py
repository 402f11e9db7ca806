"""What the conformance suite does not ask of the transport in process, and its users rely on."""

from __future__ import annotations

import asyncio
import zlib

import pytest
from websockets.frames import Opcode
from websockets.server import ServerProtocol

from novita_async.errors import ClientClosed, ConnectError, ConnectionLost, ProtocolError, ValidationError
from novita_async.transport.mock import MockTransport
from novita_async.transport.protocol import Reply, Request

URL = "http://mock.test/"


async def read_all(body):
    while await body.read():
        pass


async def test_the_handler_gets_the_very_request():
    request = Request("POST", URL, {"A": "b"}, b"body", 3.0)

    async def handler(got):
        assert got is request
        return Reply()

    transport = MockTransport(handler)
    assert (await transport.send(request)).status == 200


async def test_an_error_of_the_handler_is_the_cause_of_the_lost_connection():
    fault = ZeroDivisionError("a bug")

    async def handler(request):
        raise fault

    with pytest.raises(ConnectionLost, match="a bug") as caught:
        await MockTransport(handler).send(Request("GET", URL))
    assert caught.value.__cause__ is fault


async def test_an_error_of_the_iterable_comes_after_the_chunks_before_it():
    fault = ZeroDivisionError("a bug")

    async def chunks():
        yield b"one"
        yield b"two"
        raise fault

    async def handler(request):
        return Reply(body=chunks())

    body = (await MockTransport(handler).send(Request("GET", URL))).body
    await asyncio.sleep(0)
    assert [await body.read(), await body.read()] == [b"one", b"two"]
    with pytest.raises(ConnectionLost, match="a bug") as caught:
        await body.read()
    assert caught.value.__cause__ is fault
    await body.aclose()


async def test_an_upload_that_nobody_read_can_be_sent_again():
    async def upload():
        yield b"only once"

    refusals = [ConnectError("not yet")]

    async def handler(request):
        if refusals:
            raise refusals.pop()
        return Reply(body=b"".join([chunk async for chunk in request.body]))

    transport = MockTransport(handler)
    request = Request("PUT", URL, body=upload())
    with pytest.raises(ConnectError):
        await transport.send(request)
    assert await (await transport.send(request)).body.read() == b"only once"


async def test_an_upload_that_was_read_in_part_is_closed_with_the_answer():
    closed = asyncio.Event()

    async def upload():
        try:
            while True:
                yield b"more"
        finally:
            closed.set()

    async def handler(request):
        assert await anext(aiter(request.body)) == b"more"
        return Reply(413)

    assert (await MockTransport(handler).send(Request("PUT", URL, body=upload()))).status == 413
    assert closed.is_set()


async def test_an_answer_can_be_made_of_the_upload_as_it_comes():
    async def upload():
        for chunk in (b"a", b"b", b"c"):
            yield chunk

    async def handler(request):
        return Reply(body=(chunk.upper() async for chunk in request.body))

    response = await MockTransport(handler).send(Request("PUT", URL, body=upload()))
    assert [await response.body.read() for _ in range(4)] == [b"A", b"B", b"C", b""]
    await response.body.aclose()


async def test_deflate_comes_without_the_zlib_header_too():
    packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    packed = packer.compress(b"plain") + packer.flush()

    async def handler(request):
        return Reply(200, {"Content-Encoding": "deflate"}, packed)

    assert await (await MockTransport(handler).send(Request("GET", URL))).body.read() == b"plain"


async def test_a_content_encoding_that_is_broken_or_cut_is_an_error():
    whole = zlib.compress(b"plain" * 100)

    def replying(body):
        async def chunks():
            yield body

        async def handler(request):
            return Reply(200, {"content-encoding": "gzip"}, chunks())

        return MockTransport(handler)

    for body, error in ((b"not packed", ProtocolError), (whole[:-4], ConnectionLost)):
        response = await replying(body).send(Request("GET", URL))
        with pytest.raises(error):
            await read_all(response.body)
        await response.body.aclose()


async def test_nothing_runs_for_an_answer_that_is_whole():
    async def handler(request):
        return Reply(body=b"whole")

    transport = MockTransport(handler)
    before = asyncio.all_tasks()
    response = await transport.send(Request("GET", URL))
    assert asyncio.all_tasks() == before
    assert [await response.body.read(), await response.body.read()] == [b"whole", b""]


async def test_a_websocket_handler_that_does_not_end_is_cancelled_when_the_transport_closes():
    cancelled = asyncio.Event()

    async def stubborn(request, socket):
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.set()

    transport = MockTransport(None, stubborn)
    socket = await transport.websocket("ws://mock.test/")
    await asyncio.sleep(0)
    await transport.aclose()
    assert cancelled.is_set()
    with pytest.raises(ConnectionLost):
        await socket.receive()
    with pytest.raises(ClientClosed):
        await transport.websocket("ws://mock.test/")


async def test_a_websocket_sends_only_a_little_ahead_of_its_reader():
    sent = 0

    async def flood(request, socket):
        nonlocal sent
        while True:
            await socket.send(b"x")
            sent += 1

    transport = MockTransport(None, flood)
    socket = await transport.websocket("ws://mock.test/")
    for _ in range(100):
        await asyncio.sleep(0)
    assert 0 < sent <= 16
    assert await socket.receive() == b"x"
    await transport.aclose()


async def test_a_websocket_can_be_carried_by_the_handler_as_bytes():
    async def handler(request):
        server = ServerProtocol()
        lines = ["GET / HTTP/1.1", *(f"{name}: {value}" for name, value in request.headers.items())]
        server.receive_data(("\r\n".join(lines) + "\r\n\r\n").encode())
        answer = server.accept(server.events_received()[0])
        server.send_response(answer)
        server.data_to_send()

        async def frames():
            async for chunk in request.body:
                server.receive_data(chunk)
                for frame in server.events_received():
                    if frame.opcode is Opcode.TEXT:
                        server.send_ping(b"")
                        server.send_text(bytes(frame.data))
                yield b"".join(server.data_to_send())

        headers = dict(answer.headers.raw_items())
        if request.url.endswith("/wrong"):
            headers["Sec-WebSocket-Accept"] = "wrong"
        return Reply(101, headers, frames())

    transport = MockTransport(handler)
    socket = await transport.websocket("ws://mock.test/")
    for text in ("one", "two", "x" * 200_000):
        await socket.send(text)
        assert await socket.receive() == text
    await socket.aclose()
    assert await socket.receive() is None
    with pytest.raises(ProtocolError, match="Sec-WebSocket-Accept"):
        await transport.websocket("ws://mock.test/wrong")
    with pytest.raises(ValidationError, match="not a websocket URL"):
        await transport.websocket("http://mock.test/")
    left = await transport.websocket("ws://mock.test/")
    await transport.aclose()
    with pytest.raises(ConnectionLost):
        await left.receive()


async def test_what_still_runs_is_shown():
    async def chunks():
        yield b"first"
        await asyncio.Event().wait()

    async def handler(request):
        return Reply(body=chunks())

    transport = MockTransport(handler)
    response = await transport.send(Request("GET", URL))
    assert repr(transport) == "<MockTransport open tasks=1>"
    await response.body.aclose()
    await transport.aclose()
    assert repr(transport) == "<MockTransport closed tasks=0>"
