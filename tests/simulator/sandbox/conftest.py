"""Where the sandbox tests get their rooms.

Commands are real processes, on a clock that tests turn by hand. Tests that take `room` or `box` run twice: in
bubblewrap's namespaces and as plain processes, unless they ask for `any` of the two.
"""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

import openapi
import pytest
from sandbox_room import BUBBLEWRAP, KEY, Box, Judged, Room, bubblewrap_works

from novita_async.simulator.sandbox import IsolationWarning, Sandboxes
from novita_async.testing.clock import JumpClock

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from openapi import Contract


def _without_bubblewrap(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Put a bwrap first on PATH that is as good as one in a container without user namespaces."""
    broken = directory / "bwrap"
    broken.write_text("#!/bin/sh\necho 'bwrap: No permissions to create new namespace' >&2\nexit 1\n")
    broken.chmod(0o755)
    monkeypatch.setenv("PATH", str(directory), prepend=":")


#: Where there is bubblewrap, plain processes are left to the acceptance job.
_PLAIN = pytest.param("plain", marks=[pytest.mark.acceptance] if bubblewrap_works() else [])


@pytest.fixture(params=[BUBBLEWRAP, _PLAIN])
async def room(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Room]:
    isolated = request.param == "bubblewrap" or (request.param == "any" and bubblewrap_works())
    if not isolated:
        (tmp_path / "path").mkdir()
        _without_bubblewrap(tmp_path / "path", monkeypatch)
    (tmp_path / "sandboxes").mkdir()
    clock = JumpClock()
    sandboxes = Sandboxes(clock=clock, api_key=KEY, root=tmp_path / "sandboxes", require_isolation=isolated)
    with warnings.catch_warnings():
        if not isolated:
            warnings.simplefilter("ignore", IsolationWarning)
        try:
            yield Room(sandboxes, clock, isolated=isolated)
        finally:
            await sandboxes.aclose()
    assert list((tmp_path / "sandboxes").iterdir()) == []


@pytest.fixture
async def box(room: Room) -> Box:
    return await room.create()


@pytest.fixture
def broken_bubblewrap(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _without_bubblewrap(tmp_path, monkeypatch)


@pytest.fixture(scope="session")
def contract() -> Contract:
    return openapi.contract("sandbox")


@pytest.fixture
def judged(room: Room, contract: Contract) -> Judged:
    return Judged(room, contract)


@pytest.fixture(scope="session")
def envd_contract() -> Contract:
    return openapi.contract("sandbox-envd")
