"""The simulator behind TLS and a domain of its own, where clients find it as they find the real platform.

This is E of contract/sandbox.md 2: every port of a sandbox has its host, and nobody needs a header or a trick.
"""

from __future__ import annotations

import asyncio
import importlib.util
import os
import socket
import ssl
import sys
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import trustme
from at_home import knowing_localhost
from helpers import ASK
from test_official_client import FLOWS, MORE_FLOWS

from novita_async import AsyncNovita, Simulator
from novita_async.errors import ConnectError, SandboxUnreachable, ValidationError
from novita_async.transport.aiohttp import AiohttpTransport

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from novita_async.simulator import Served

pytestmark = pytest.mark.filterwarnings("ignore::novita_async.simulator.sandbox.IsolationWarning")

DOMAIN = "sbx.localhost"
_HERE = Path(__file__).parent


@asynccontextmanager
async def certified() -> AsyncGenerator[tuple[Served, trustme.CA], None]:
    """A simulator with a certificate, and who signed that."""
    authority = trustme.CA()
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert(f"*.{DOMAIN}").configure_cert(context)
    async with Simulator() as simulator, simulator.serve(ssl=context, domain=DOMAIN) as served:
        yield served, authority


@pytest.mark.blocks
async def test_the_sdk_goes_to_hosts_as_at_the_real_platform(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", knowing_localhost(socket.getaddrinfo))
    async with certified() as (served, authority):
        trusting = ssl.create_default_context()
        authority.configure_trust(trusting)
        assert served.environment["NOVITA_DOMAIN"] == f"{DOMAIN}:{served.port}"
        assert not {"NOVITA_API_URL", "NOVITA_SANDBOX_URL"} & served.environment.keys()
        settings: dict[str, Any] = {
            name.removeprefix("NOVITA_").lower(): value for name, value in served.environment.items()
        }
        async with AsyncNovita(transport=AiohttpTransport(ssl=trusting), **settings) as novita:
            assert (await novita.chat.completions.create(**ASK)).choices[0].message.content
            async with novita.sandboxes.create(allow_public_traffic=False) as sandbox:
                assert sandbox.url(8000) == f"https://8000-{sandbox.id}.{DOMAIN}:{served.port}"
                await sandbox.files.write("server.py", (_HERE / "socket_server.py").read_bytes())
                command = await sandbox.commands.run("exec python3 server.py 0", background=True, timeout=None)
                port = int((await anext(aiter(command))).text)
                async with await sandbox.websocket(port, "/echo") as echo:
                    await echo.send("x" * 300_000)
                    assert await echo.receive() == "x" * 300_000
                await command.aclose()
                with pytest.raises(SandboxUnreachable):
                    await sandbox.request(1, "GET", "/")
        async with AsyncNovita(**settings) as stranger:  # to the authority
            with pytest.raises(ConnectError, match="certificate"):
                await stranger.with_options(max_retries=0).models.list()


async def test_a_domain_wants_a_certificate() -> None:
    async with Simulator() as simulator:
        with pytest.raises(ValidationError, match="HTTPS"):
            async with simulator.serve(domain=DOMAIN):
                pass


@pytest.mark.acceptance
@pytest.mark.skipif(
    importlib.util.find_spec("novita_sandbox") is None, reason="novita-sandbox, the official client, is not installed"
)
@pytest.mark.parametrize(
    ("program", "flow"),
    [
        *(("official_flows.py", flow) for flow in [*FLOWS, *MORE_FLOWS]),
        ("official_code.py", "together"),
        ("official_code.py", "at_once"),
    ],
)
async def test_the_official_client_works_as_at_home(
    program: str, flow: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("novita_async.simulator.sandbox.hosting._STEP_SECONDS", 0.1)
    async with certified() as (served, authority):
        authority.cert_pem.write_to_path(tmp_path / "ca.pem")
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, str(_HERE / "at_home.py"), str(_HERE / program), flow),
            env={**os.environ, **served.environment, "SSL_CERT_FILE": str(tmp_path / "ca.pem")},
            stderr=asyncio.subprocess.PIPE,
        )
        _, complaint = await process.communicate()
    assert process.returncode == 0, complaint.decode()
