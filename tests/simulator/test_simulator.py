"""The simulator as a whole: who gets in, what is remembered, how it is reached and what it leaves behind."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
import pytest

from novita_async.simulator import Simulator
from novita_async.transport.aiohttp import AiohttpTransport
from novita_async.transport.protocol import Request

LLM, MEDIA, GPU = "/openai/v1/models", "/v3/async/task-result", "/gpu-instance/openapi/v1/products"


@pytest.mark.parametrize(
    ("path", "key", "status", "reason"),
    [
        (LLM, None, 403, "INVALID_API_KEY"),
        (LLM, "", 403, "INVALID_API_KEY"),
        (LLM, "sk_wrong", 401, "FAILED_TO_AUTH"),
        (LLM, "sk_wröng", 401, "FAILED_TO_AUTH"),
        (MEDIA, None, 400, "MISSING_API_KEY"),
        (MEDIA, "sk_wrong", 403, "INVALID_API_KEY"),
        (GPU, None, 401, "UNAUTHORIZED"),
        (GPU, "sk_wrong", 401, "UNAUTHORIZED"),
    ],
)
async def test_each_product_refuses_a_missing_or_wrong_key_in_its_own_words(api, path, key, status, reason):
    answer = await api("GET", path, key=key)
    assert answer.status == status
    assert answer.json() == {"code": status, "reason": reason, "message": answer.json()["message"], "metadata": {}}


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "/"), ("GET", "/v1/models"), ("POST", LLM), ("GET", "/openai/responses"), ("GET", "/v3/async/nothing")],
)
async def test_unknown_routes_get_the_gateways_plain_404(api, method, path):
    answer = await api(method, path)
    assert (answer.status, answer.headers["content-type"], answer.body) == (404, "text/plain", b"404 page not found")


async def test_requests_are_remembered_without_their_secrets(clock, sim, api):
    await clock.sleep(3)
    await api.chat("hello", max_tokens=1)
    await api("GET", f"{MEDIA}?task_id=a%20b&x=1")
    chat, result = sim.requests
    assert (chat.method, chat.path, chat.status, chat.time) == ("POST", "/openai/v1/chat/completions", 200, 3)
    assert chat.json()["messages"] == [{"role": "user", "content": "hello"}]
    assert chat.headers["authorization"] == "***"
    assert (result.path, result.query, result.status, result.body) == (MEDIA, {"task_id": "a b", "x": "1"}, 404, b"")
    assert sim.api_key not in repr(sim.requests)


async def test_only_the_beginning_of_a_large_body_is_remembered(sim, api):
    async def upload():
        for _ in range(100):
            yield b"x" * 10_000

    headers = {"authorization": f"Bearer {sim.api_key}", "content-type": "application/json"}
    await sim.handle(Request("POST", f"{sim.base_url}/openai/v1/chat/completions", headers, upload()))
    assert sim.requests[-1].body == b"x" * 65536


async def test_keys_and_environment_name_the_simulator_and_nothing_real(sim):
    assert sim.api_key.startswith("sk_simulator_")
    assert Simulator(seed=5).api_key != sim.api_key == Simulator().api_key
    assert Simulator(api_key="sk_mine").environment["NOVITA_API_KEY"] == "sk_mine"
    assert sim.environment == {
        "NOVITA_API_KEY": sim.api_key,
        "NOVITA_BASE_URL": "http://novita.simulator",
        "NOVITA_LLM_BASE_URL": "http://novita.simulator/openai/v1",
        "NOVITA_API_URL": "http://novita.simulator",
        "NOVITA_SANDBOX_URL": "http://novita.simulator",
        "NOVITA_ASSETS_URL": "http://novita.simulator",
        "NOVITA_PROJECTS_URL": "http://novita.simulator",
        "NOVITA_ENDPOINT_BASE_URL": "http://novita.simulator/v1",
    }


async def fetch(transport: AiohttpTransport, method: str, url: str, key: str, body: Any = None) -> tuple[int, bytes]:
    data = None if body is None else msgspec.json.encode(body)
    headers = {"content-type": "application/json"} | ({"authorization": f"Bearer {key}"} if key else {})
    response = await transport.send(Request(method, url, headers, data))
    parts = []
    while part := await response.body.read():
        parts.append(part)
    await response.body.aclose()
    return response.status, b"".join(parts)


async def test_every_product_answers_behind_a_real_socket(clock):
    async with Simulator(clock=clock, task_seconds=0) as simulator, simulator.serve() as served:
        assert served.url == f"http://127.0.0.1:{served.port}"
        base, key = served.environment["NOVITA_LLM_BASE_URL"], served.environment["NOVITA_API_KEY"]
        transport = AiohttpTransport()
        try:
            chat = {"model": "deepseek/deepseek-v3.2", "messages": [{"role": "user", "content": "hi"}], "stream": True}
            status, stream = await fetch(transport, "POST", f"{base}/chat/completions", key, chat)
            assert (status, stream.endswith(b"data: [DONE]\n\n")) == (200, True)
            status, submitted = await fetch(
                transport, "POST", f"{served.url}/v3/async/kling-v3.0-std-t2v", key, {"prompt": "x"}
            )
            task = msgspec.json.decode(submitted)["task_id"]
            _, found = await fetch(transport, "GET", f"{served.url}{MEDIA}?task_id={task}", key)
            link = msgspec.json.decode(found)["videos"][0]["video_url"]
            assert link.startswith(f"{served.url}/outputs/")
            assert (await fetch(transport, "GET", link, ""))[1][4:8] == b"ftyp"
            assert (await fetch(transport, "GET", f"{served.url}{GPU}", key))[0] == 200
        finally:
            await transport.aclose()


async def test_nothing_runs_between_requests(clock, sim, api):
    before = asyncio.all_tasks()
    for _ in range(20):
        await api("POST", "/v3/async/kling-v3.0-std-t2v", {"prompt": "x"})
    order = {"productId": "4090.16c62g.os", "gpuNum": 1, "rootfsSize": 60, "imageUrl": "x", "kind": "gpu"}
    await api("POST", "/gpu-instance/openapi/v1/gpu/instance/create", order)
    assert asyncio.all_tasks() == before
    assert clock._next() is None


async def test_only_the_latest_requests_are_remembered(api, monkeypatch):
    monkeypatch.setattr("novita_async.simulator.app._REQUESTS_KEPT", 10)
    async with Simulator() as forgetful:
        client = type(api)(forgetful)
        for number in range(25):
            await client("GET", f"/{number}")
        assert [received.path for received in forgetful.requests] == [f"/{number}" for number in range(15, 25)]
