"""The platform's own client against the simulator, over real sockets. Not a dependency: install it to run these."""

from __future__ import annotations

import asyncio
import importlib.util
import os
import sys
import warnings
from pathlib import Path

import pytest

from novita_async.simulator import Simulator
from novita_async.simulator.sandbox import IsolationWarning

FLOWS = ["life", "at_once"]
MORE_FLOWS = [
    "commands", "files",
    "background_commands", "many_at_once", "templates", "templates_at_once", "sleep", "lists", "copies",
    "volumes", "secrets", "told", "hosting", "terminals", "watches", "signed_urls", "terminals_and_watches_at_once",
]  # fmt: skip


@pytest.mark.skipif(
    importlib.util.find_spec("novita_sandbox") is None, reason="novita-sandbox, the official client, is not installed"
)
@pytest.mark.parametrize("flow", [*FLOWS, *(pytest.param(flow, marks=pytest.mark.acceptance) for flow in MORE_FLOWS)])
async def test_the_official_client_cannot_tell(flow: str, monkeypatch: pytest.MonkeyPatch) -> None:
    # Ten real seconds of a deployment otherwise.
    monkeypatch.setattr("novita_async.simulator.sandbox.hosting._STEP_SECONDS", 0.1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", IsolationWarning)
        async with Simulator() as simulator, simulator.serve() as served:
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                str(Path(__file__).with_name("official_flows.py")),
                flow,
                env={**os.environ, **served.environment},
                stderr=asyncio.subprocess.PIPE,
            )
            _, complaint = await process.communicate()
    assert process.returncode == 0, complaint.decode()
