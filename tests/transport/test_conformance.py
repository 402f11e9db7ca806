"""Both transports are run through the conformance suite, and wrong ones are found out by it."""

from __future__ import annotations

from contextlib import asynccontextmanager

import pytest

from novita_async.simulator.server import serve
from novita_async.testing.conformance import CHECKS
from novita_async.transport.aiohttp import AiohttpTransport
from novita_async.transport.mock import MockTransport


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
