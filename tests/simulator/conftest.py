"""What the simulator's tests share: a simulator on a jumping clock, a plain client, the contract to judge by."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from openapi import Contract, contract

from novita_async.simulator import Simulator
from novita_async.testing.clock import JumpClock
from novita_async.transport.protocol import Headers, Request

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


class Answer(msgspec.Struct):
    status: int
    headers: Headers
    body: bytes

    def json(self) -> Any:
        return msgspec.json.decode(self.body)

    def events(self) -> list[Any]:
        """The data of an event stream, which must end with [DONE]."""
        *blocks, done, rest = self.body.split(b"\n\n")
        assert (done, rest) == (b"data: [DONE]", b"")
        return [msgspec.json.decode(block.removeprefix(b"data: ")) for block in blocks]


class Client:
    """Sends single requests, as any HTTP client would."""

    def __init__(self, simulator: Simulator) -> None:
        self.simulator = simulator

    async def __call__(
        self, method: str, path: str, body: Any = None, *, key: str | None = "good", **headers: str
    ) -> Answer:
        url = path if "://" in path else self.simulator.base_url + path
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        if key is not None:
            sent["authorization"] = f"Bearer {self.simulator.api_key if key == 'good' else key}"
        data = None
        if body is not None:
            sent.setdefault("content-type", "application/json")
            data = body if isinstance(body, bytes) else msgspec.json.encode(body)
        reply = await self.simulator.handle(Request(method, url, sent, data))
        whole = reply.body if isinstance(reply.body, bytes) else b"".join([chunk async for chunk in reply.body])
        return Answer(reply.status, Headers(reply.headers), whole)

    async def chat(self, content: Any = "Why is the sky blue?", **options: Any) -> Answer:
        messages = content if isinstance(content, list) else [{"role": "user", "content": content}]
        body = {"model": "deepseek/deepseek-v3.2", "messages": messages, **options}
        return await self("POST", "/openai/v1/chat/completions", body)


@pytest.fixture
async def clock() -> AsyncIterator[JumpClock]:
    async with JumpClock() as clock:
        yield clock


@pytest.fixture
async def sim(clock: JumpClock) -> AsyncIterator[Simulator]:
    async with Simulator(clock=clock) as simulator:
        yield simulator


@pytest.fixture
def api(sim: Simulator) -> Client:
    return Client(sim)


@pytest.fixture(scope="session")
def llm_contract() -> Contract:
    return contract("llm")


@pytest.fixture(scope="session")
def image_contract() -> Contract:
    return contract("image")


@pytest.fixture(scope="session")
def video_contract() -> Contract:
    return contract("video")


@pytest.fixture(scope="session")
def gpu_contract() -> Contract:
    return contract("gpu")
