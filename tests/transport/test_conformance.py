"""Both transports are run through the conformance suite, and wrong ones are found out by it."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager

import msgspec
import pytest

from novita_async.errors import ConnectionLost
from novita_async.simulator.server import serve
from novita_async.testing import conformance, endings
from novita_async.testing.conformance import CHECKS, check_transport
from novita_async.transport.aiohttp import AiohttpTransport
from novita_async.transport.mock import MockTransport
from novita_async.transport.protocol import Response


@asynccontextmanager
async def over_sockets(handler, websocket_handler):
    async with serve(handler, websocket_handler) as server:
        transport = AiohttpTransport()
        try:
            yield transport, server.url
        finally:
            await transport.aclose()


@asynccontextmanager
async def in_process(handler, websocket_handler):
    transport = MockTransport(handler, websocket_handler)
    try:
        yield transport, "http://mock.test"
    finally:
        await transport.aclose()


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
async def test_aiohttp_over_sockets(check):
    await check(over_sockets)


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
async def test_mock_in_process(check):
    await check(in_process)


# --------------------------------------------------------------------------------------------- wrong on purpose


class WrongBody:
    """A body around a right one, to be wrong in one thing."""

    def __init__(self, body):
        self.body = body

    async def read(self):
        return await self.body.read()

    def abort(self, error):
        self.body.abort(error)

    async def aclose(self):
        await self.body.aclose()


class EndsWhenLost(WrongBody):
    async def read(self):
        try:
            return await self.body.read()
        except ConnectionLost:
            return b""


class NeverAborts(WrongBody):
    def abort(self, error):
        pass


class NeverCloses(WrongBody):
    async def aclose(self):
        pass


class Buffered(WrongBody):
    """Has read everything before the caller reads anything."""

    async def fill(self):
        self.chunks = []
        while chunk := await self.body.read():
            self.chunks.append(chunk)
        return self

    async def read(self):
        return self.chunks.pop(0) if self.chunks else b""


class Wrong(MockTransport):
    wrong = WrongBody

    async def send(self, request):
        response = await super().send(request)
        body = self.wrong(response.body)
        if self.wrong is Buffered:
            await body.fill()
        return Response(response.status, response.headers, body)


class Repeats(MockTransport):
    async def send(self, request):
        try:
            return await super().send(request)
        except ConnectionLost:
            return await super().send(request)


class AddsHeaders(MockTransport):
    async def send(self, request):
        return await super().send(msgspec.structs.replace(request, headers={**request.headers, "accept": "*/*"}))


class SwallowsCancellation(MockTransport):
    async def send(self, request):
        try:
            return await super().send(request)
        except asyncio.CancelledError:
            raise ConnectionLost("cancelled") from None


class LeavesTasks(MockTransport):
    async def send(self, request):
        self.left = asyncio.get_running_loop().create_task(asyncio.Event().wait())
        return await super().send(request)


def wrong_in(body):
    return type(body.__name__, (Wrong,), {"wrong": body})


@pytest.mark.parametrize(
    ("transport", "check", "error", "words"),
    [
        (wrong_in(EndsWhenLost), endings.a_connection_lost_in_a_body_is_an_error_and_no_end, AssertionError, "half"),
        (wrong_in(NeverAborts), endings.abort_wakes_a_pending_read_with_its_error, TimeoutError, None),
        (wrong_in(NeverCloses), endings.closing_early_closes_the_servers_iterable, TimeoutError, None),
        (wrong_in(Buffered), conformance.chunks_can_be_read_as_they_are_produced, TimeoutError, None),
        (wrong_in(Buffered), conformance.what_nobody_reads_is_not_produced, AssertionError, "67108864 bytes"),
        (Repeats, conformance.one_send_is_one_request_even_when_a_kept_connection_drops, AssertionError, "Response"),
        (AddsHeaders, conformance.a_request_arrives_exactly_as_it_was_sent, AssertionError, "'accept'"),
        (SwallowsCancellation, endings.cancelling_at_any_await_leaves_nothing_behind, ConnectionLost, "cancelled"),
        (LeavesTasks, endings.a_connection_lost_before_the_headers_is_an_error, AssertionError, "still running"),
    ],
    ids=lambda part: getattr(part, "__name__", ""),
)
async def test_a_wrong_transport_is_found_out(transport, check, error, words, monkeypatch):
    hasty = error is TimeoutError or transport is LeavesTasks
    monkeypatch.setattr("novita_async.testing.probes.PATIENCE", 0.1 if hasty else 10)
    await check(in_process)  # it is not the lack of patience that fails

    @asynccontextmanager
    async def serve_wrong(handler, websocket_handler):
        made = transport(handler, websocket_handler)
        try:
            yield made, "http://mock.test"
        finally:
            await made.aclose()

    with pytest.raises(error, match=words):
        await check(serve_wrong)
    left = asyncio.all_tasks() - {asyncio.current_task()}
    for task in left:
        task.cancel()
    if left:
        await asyncio.wait(left)


async def test_all_checks_run_at_once_for_who_has_no_pytest():
    await check_transport(in_process)
