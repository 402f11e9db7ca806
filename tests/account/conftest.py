"""What the tests of the account and of search share: a clock that jumps, a simulator on it, and a judge between."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, urlsplit

import openapi
import pytest
from helpers import inside

from novita_async import MockTransport, Reply
from novita_async.simulator import Simulator
from novita_async.testing.clock import JumpClock

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from novita_async import AsyncNovita, Request

CONTRACTS = [openapi.contract(name) for name in ("account", "search")]
for _contract in CONTRACTS:
    _contract.operations()  # reads the file, here and not on the event loop

NEW_YEAR = datetime(2026, 1, 1, tzinfo=UTC)


class Judge:
    """A transport to a simulator that lets the contract look at what goes by.

    Attributes:
        seen: the operations that were called.
        sent: the requests.
    """

    def __init__(self, simulator: Simulator) -> None:
        self.seen: set[str] = set()
        self.sent: list[Request] = []
        self.transport = MockTransport(self._handle)
        self._simulator = simulator

    async def _handle(self, request: Request) -> Reply:
        parts = urlsplit(request.url)
        self.sent.append(request)
        contract = next((each for each in CONTRACTS if each.operation_of(request.method, parts.path)), None)
        if contract is None:  # a language model, or a picture
            return await self._simulator.handle(request)
        assert request.body is None or isinstance(request.body, bytes)
        contract.check_request(request.method, parts.path, request.headers.get("content-type"), request.body)
        contract.check_query(request.method, parts.path, parse_qsl(parts.query, keep_blank_values=True))
        self.seen.add(contract.operation_of(request.method, parts.path) or "")
        reply = await self._simulator.handle(request)
        assert isinstance(reply.body, bytes)
        kind = reply.headers.get("content-type")
        contract.check_response(request.method, parts.path, reply.status, kind, reply.body)
        return reply

    def queries(self, path: str) -> list[dict[str, str]]:
        """The queries of the requests to a path."""
        parts = [urlsplit(request.url) for request in self.sent]
        return [dict(parse_qsl(each.query)) for each in parts if each.path.endswith(path)]


@pytest.fixture
async def clock() -> AsyncIterator[JumpClock]:
    async with JumpClock(grace=0) as clock:
        yield clock


@pytest.fixture
async def sim(clock: JumpClock) -> AsyncIterator[Simulator]:
    async with Simulator(clock=clock) as simulator:
        yield simulator


@pytest.fixture
def judge(sim: Simulator) -> Judge:
    return Judge(sim)


@pytest.fixture
async def novita(sim: Simulator, judge: Judge) -> AsyncIterator[AsyncNovita]:
    async with inside(sim, transport=judge.transport) as novita:
        yield novita
