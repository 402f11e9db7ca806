"""A transport that nobody closed: its sockets are closed all the same, and nothing is said about them."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import socket
import threading
import warnings

import pytest

from novita_async.errors import ConnectionLost
from novita_async.transport.aiohttp import AiohttpTransport
from novita_async.transport.protocol import Request

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


class Peer:
    """A server in a thread, so that it outlives the loop of its client: tells which connections were closed."""

    def __init__(self) -> None:
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.listener.getsockname()[1]}"
        self.closed = 0
        self.all_closed = threading.Event()
        self.threads = [threading.Thread(target=self.accept)]
        self.threads[0].start()

    def accept(self) -> None:
        for _ in range(2):
            connection, _ = self.listener.accept()
            self.threads.append(threading.Thread(target=self.talk, args=(connection,)))
            self.threads[-1].start()

    def talk(self, connection: socket.socket) -> None:
        with connection:
            connection.settimeout(10)
            head = connection.recv(10_000)
            if b"/stream" in head:
                connection.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\n")
            else:
                connection.sendall(OK)
            with contextlib.suppress(ConnectionResetError):
                assert connection.recv(1) == b""
        self.closed += 1
        if self.closed == 2:
            self.all_closed.set()

    def join(self) -> None:
        self.listener.close()
        for thread in self.threads:
            thread.join(10)


@pytest.fixture
def peer():
    gc.collect()  # what earlier tests left for the collector is not what these tests ask about
    peer = Peer()
    yield peer
    peer.join()


async def use(transport, peer):
    """Leave behind an idle connection and an open stream."""
    stream = await transport.send(Request("GET", peer.url + "/stream"))
    assert await stream.body.read() == b"first"
    idle = (await transport.send(Request("GET", peer.url + "/"))).body
    assert [await idle.read(), await idle.read()] == [b"ok", b""]
    return stream


@pytest.mark.parametrize("debug", [False, True])
def test_abandoning_after_the_loop_is_closed_closes_the_sockets_in_silence(peer, caplog, debug):
    with warnings.catch_warnings(record=True) as caught, caplog.at_level(logging.WARNING):
        warnings.simplefilter("always")
        transport = AiohttpTransport()
        stream = asyncio.run(use(transport, peer), debug=debug)
        transport.abandon()
        assert peer.all_closed.wait(5)
        transport.abandon()
        del transport, stream
        gc.collect()
    assert [str(warning.message) for warning in caught] == []
    assert [record for record in caplog.records if record.levelno >= logging.ERROR] == []


async def test_abandoning_from_another_thread_closes_the_sockets(peer, caplog):
    loop = asyncio.get_running_loop()
    transport = AiohttpTransport()
    stream = await use(transport, peer)
    thread = threading.Thread(target=transport.abandon)
    thread.start()
    assert await loop.run_in_executor(None, peer.all_closed.wait, 5)
    thread.join()
    with pytest.raises(ConnectionLost):
        await stream.body.read()
    del transport, stream
    gc.collect()
    assert [record for record in caplog.records if record.levelno >= logging.ERROR] == []


async def test_dropping_a_transport_right_after_abandoning_it_is_silent(peer, caplog):
    transport = AiohttpTransport()
    await use(transport, peer)
    transport.abandon()
    del transport
    gc.collect()
    assert await asyncio.get_running_loop().run_in_executor(None, peer.all_closed.wait, 5)
    assert [record for record in caplog.records if record.levelno >= logging.ERROR] == []
