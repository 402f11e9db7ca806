"""The checks of the conformance suite for every way in which an exchange can end before its end."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from ..errors import ClientClosed, ConnectError, ConnectionLost, NovitaError
from ..runtime.clock import SystemClock
from ..transport.protocol import Reply, Request
from .probes import CHUNK, Check, Serve, Stream, call, cancelled_at, check, everything, raised, received, until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

__all__ = ["ENDINGS"]


@check
async def closing_early_closes_the_servers_iterable(serve: Serve) -> None:
    streams: list[Stream] = []

    async def handler(request: Request) -> Reply:
        streams.append(Stream(b"first", hang=True) if request.url.endswith("/slow") else Stream(*[CHUNK] * 4096))
        return Reply(200, {}, streams[-1])

    async with serve(handler, None) as (transport, base):
        for path in ("/slow", "/fast"):
            for reads in (0, 1):
                response = await transport.send(Request("GET", base + path))
                for _ in range(reads):
                    assert await response.body.read()
                await response.body.aclose()
                await response.body.aclose()
                await streams[-1].closed.wait()
        assert max(stream.produced for stream in streams) < 4096 * len(CHUNK)


@check
async def abort_wakes_a_pending_read_with_its_error(serve: Serve) -> None:
    stream = Stream(b"first", hang=True)

    async def handler(request: Request) -> Reply:
        return Reply(200, {}, stream)

    class Stalled(NovitaError, TimeoutError): ...

    async with serve(handler, None) as (transport, base):
        response = await transport.send(Request("GET", base + "/"))
        assert await response.body.read() == b"first"
        error = Stalled("nothing came")
        asyncio.get_running_loop().call_soon(response.body.abort, error)
        assert await raised(Stalled, response.body.read()) is error
        assert await raised(Stalled, response.body.read()) is error
        await response.body.aclose()
        await stream.closed.wait()


@check
async def cancelling_at_any_await_leaves_nothing_behind(serve: Serve) -> None:
    running = 0

    async def chunks() -> AsyncIterator[bytes]:
        nonlocal running
        running += 1
        try:
            for _ in range(3):
                yield b"chunk"
                await SystemClock().sleep(0.001)  # so that they are read one by one
        finally:
            running -= 1

    async def handler(request: Request) -> Reply:
        await received(request)
        await SystemClock().sleep(0)  # without a network this is the one await of `send`
        return Reply(200, {"connection": "close"} if request.url.endswith("/anew") else {}, chunks())

    async with serve(handler, None) as (transport, base):

        async def exchange(path: str) -> bytes:
            response = await transport.send(Request("POST", base + path, body=Stream(b"some", b"thing")))
            try:
                return await everything(response.body)
            finally:
                await response.body.aclose()

        for path in ("/kept", "/anew"):  # with a connection that is there, and with one still to be made
            for late in (False, True):
                awaits = 1
                while await cancelled_at(exchange(path), awaits, late=late):
                    assert await exchange(path) == b"chunk" * 3
                    awaits += 1
                assert awaits > 1
        await until(lambda: running == 0, "the server is still answering a request that was cancelled")


@check
async def a_connection_lost_before_the_headers_is_an_error(serve: Serve) -> None:
    async def handler(request: Request) -> Reply:
        if request.url.endswith("/lost"):
            await received(request)
            raise ConnectionLost("dropped")
        return Reply(body=b"ok")

    async with serve(handler, None) as (transport, base):
        for method, body in (("GET", None), ("POST", b"{}")):
            error = await raised(ConnectionLost, transport.send(Request(method, base + "/lost", body=body)))
            assert error.sent
        assert (await call(transport, Request("GET", base + "/")))[1] == b"ok"


@check
async def a_connection_lost_in_a_body_is_an_error_and_no_end(serve: Serve) -> None:
    async def handler(request: Request) -> Reply:
        headers = {"content-length": "100"} if request.url.endswith("/announced") else {}
        return Reply(200, headers, Stream(b"half", error=ConnectionLost("dropped")))

    async with serve(handler, None) as (transport, base):
        for path in ("/chunked", "/announced"):
            response = await transport.send(Request("GET", base + path))
            await raised(ConnectionLost, everything(response.body))
            await response.body.aclose()


@check
async def no_connection_is_an_error_that_says_nothing_was_sent(serve: Serve) -> None:
    async def handler(request: Request) -> Reply:
        raise ConnectError("nobody listens there")  # asked by transports without a network only

    async with serve(handler, None) as (transport, _):
        error = await raised(ConnectError, transport.send(Request("POST", "http://127.0.0.1:1/", body=b"{}")))
        assert not error.sent


@check
async def closing_the_transport_ends_everything_and_is_safe_twice(serve: Serve) -> None:
    stream = Stream(b"first", hang=True)

    async def handler(request: Request) -> Reply:
        return Reply(200, {}, stream)

    async with serve(handler, None) as (transport, base):
        response = await transport.send(Request("GET", base + "/"))
        assert await response.body.read() == b"first"
        pending = asyncio.ensure_future(raised(ConnectionLost, response.body.read()))
        await SystemClock().sleep(0)
        await transport.aclose()
        await pending
        await stream.closed.wait()
        await response.body.aclose()
        await transport.aclose()
        transport.abandon()
        await raised(ClientClosed, transport.send(Request("GET", base + "/")))


@check
async def closing_the_transport_ends_a_send_that_waits(serve: Serve) -> None:
    arrived = asyncio.Event()

    async def handler(request: Request) -> Reply:
        arrived.set()
        await asyncio.Event().wait()
        return Reply()

    async with serve(handler, None) as (transport, base):
        pending = asyncio.ensure_future(raised(ConnectionLost, transport.send(Request("GET", base + "/"))))
        await arrived.wait()
        await transport.aclose()
        await pending


@check
async def an_abandoned_transport_lets_go_of_its_connections(serve: Serve) -> None:
    stream = Stream(b"first", hang=True)

    async def handler(request: Request) -> Reply:
        return Reply(200, {}, stream if request.url.endswith("/stream") else b"ok")

    async with serve(handler, None) as (transport, base):
        response = await transport.send(Request("GET", base + "/stream"))
        assert await response.body.read() == b"first"
        await call(transport, Request("GET", base + "/"))
        transport.abandon()
        await raised(ConnectionLost, response.body.read())
        await stream.closed.wait()
        await response.body.aclose()


ENDINGS: tuple[Check, ...] = (
    closing_early_closes_the_servers_iterable,
    abort_wakes_a_pending_read_with_its_error,
    cancelling_at_any_await_leaves_nothing_behind,
    a_connection_lost_before_the_headers_is_an_error,
    a_connection_lost_in_a_body_is_an_error_and_no_end,
    no_connection_is_an_error_that_says_nothing_was_sent,
    closing_the_transport_ends_everything_and_is_safe_twice,
    closing_the_transport_ends_a_send_that_waits,
    an_abandoned_transport_lets_go_of_its_connections,
)
