"""E2B's own clients against the simulator: at one address for everything, and at a domain of its own over TLS."""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import os
import sys
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from test_official_tls import certified

from novita_async.simulator import Simulator

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

pytestmark = [
    pytest.mark.acceptance,
    pytest.mark.skipif(importlib.util.find_spec("e2b") is None, reason="e2b, E2B's client, is not installed"),
    pytest.mark.filterwarnings("ignore::novita_async.simulator.sandbox.IsolationWarning"),
]

FLOWS = ["life", "commands", "files", "sleep", "code", "at_once"]


async def _run(flow: str, environment: dict[str, str]) -> None:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, str(Path(__file__).with_name("e2b_flows.py")), flow),
        env={**os.environ, **environment},
        stderr=asyncio.subprocess.PIPE,
    )
    _, complaint = await process.communicate()
    assert process.returncode == 0, complaint.decode()


@pytest.mark.parametrize("flow", FLOWS)
async def test_e2bs_client_works_at_one_address(flow: str) -> None:
    async with Simulator() as simulator, simulator.serve() as served:
        urls = {"E2B_API_URL": served.url, "E2B_SANDBOX_URL": served.url}
        await _run(flow, {"E2B_API_KEY": simulator.api_key, **urls})


@pytest.mark.parametrize("flow", FLOWS)
async def test_e2bs_client_works_at_a_domain(flow: str, tmp_path: Path) -> None:
    async with certified() as (served, authority), _way_home() as proxy:
        authority.cert_pem.write_to_path(tmp_path / "ca.pem")
        named = {"E2B_DOMAIN": served.environment["NOVITA_DOMAIN"], "E2B_API_KEY": served.environment["NOVITA_API_KEY"]}
        await _run(flow, {**named, "SSL_CERT_FILE": str(tmp_path / "ca.pem"), "HTTPS_PROXY": proxy})


@asynccontextmanager
async def _way_home() -> AsyncGenerator[str, None]:
    """A proxy for which every host is this machine: the client looks names up where Python cannot help it."""
    server = await asyncio.start_server(_connect, "127.0.0.1", 0)
    yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    server.close()


async def _connect(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    target = (await reader.readuntil(b"\r\n\r\n")).split(b" ")[1]
    there, back = await asyncio.open_connection("127.0.0.1", int(target.rpartition(b":")[2]))
    writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
    await asyncio.gather(_pass_on(reader, back), _pass_on(there, writer))


async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await reader.read(64 * 1024):
            writer.write(data)
            await writer.drain()
    writer.close()
