"""A transport to test, and a server that can misbehave below HTTP."""

from __future__ import annotations

import asyncio
import contextlib

import pytest

from novita_async.transport.aiohttp import AiohttpTransport


@pytest.fixture
async def transport():
    transport = AiohttpTransport()
    yield transport
    await transport.aclose()


@pytest.fixture
def raw_server():
    """`async with raw_server(talk) as address`: a TCP server that says what `talk(reader, writer)` writes and hangs up
    when it returns. The address is `host:port`."""

    @contextlib.asynccontextmanager
    async def serve(talk, **options):
        talks = set()

        async def attend(reader, writer):
            task = asyncio.current_task()
            talks.add(task)
            try:
                with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
                    await talk(reader, writer)
            finally:
                talks.discard(task)
                writer.close()

        server = await asyncio.start_server(attend, "127.0.0.1", 0, **options)
        try:
            host, port = server.sockets[0].getsockname()
            yield f"{host}:{port}"
        finally:
            server.close()
            for task in tuple(talks):
                task.cancel()
            if talks:
                await asyncio.wait(set(talks))
            await server.wait_closed()
            await asyncio.sleep(0)

    return serve
