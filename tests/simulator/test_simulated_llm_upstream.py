"""Chats that are answered by another server of this machine. A second simulator plays it."""

from __future__ import annotations

import asyncio
import socket
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import openapi
import pytest
from helpers import Watched

from novita_async.errors import ConnectionLost, ValidationError
from novita_async.runtime.clock import SystemClock
from novita_async.simulator import Drop, Hang, Refuse, Simulator, json_reply
from novita_async.simulator.ledger import Ledger
from novita_async.simulator.limits import Limits
from novita_async.simulator.llm import LLM
from novita_async.transport.protocol import Reply, Request

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

CHAT = "/openai/v1/chat/completions"
KEY = "sk_simulator_test"
ASK: dict[str, Any] = {"model": "deepseek/deepseek-v3.2", "messages": [{"role": "user", "content": "Why?"}]}


@asynccontextmanager
async def pair() -> AsyncIterator[tuple[Simulator, Simulator]]:
    """A simulator whose chats the other one answers, and that other one."""
    async with Simulator(api_key=KEY, seed=7) as model, model.serve() as served:
        upstream = f"{served.url}/openai/v1/"
        async with Simulator(api_key=KEY, llm_upstream=upstream) as sim:
            yield sim, model


async def test_whole_chats_come_from_the_upstream_server(api):
    async with pair() as (sim, model):
        answer = await type(api)(sim)("POST", CHAT, ASK)
        openapi.check_response("POST", CHAT, answer.status, answer.headers["content-type"], answer.body)
        assert answer.json()["choices"] == (await type(api)(model)("POST", CHAT, ASK)).json()["choices"]
        assert answer.json()["choices"] != (await api("POST", CHAT, ASK)).json()["choices"]
        assert model.requests[0].json() == ASK
        assert model.requests[0].headers["user-agent"].startswith("novita-async-simulator")


async def test_streamed_chats_come_from_the_upstream_server_as_they_are_made(api):
    async with pair() as (sim, model):
        client, body = type(api)(sim), {**ASK, "stream": True}
        model.fault("POST", CHAT, Hang.in_body(after=3))
        reply = await sim.handle(
            Request("POST", sim.base_url + CHAT, {"authorization": f"Bearer {KEY}"}, _encoded(body))
        )
        chunks = aiter(reply.body)
        first = await asyncio.wait_for(anext(chunks), 5)
        assert first.startswith(b"data: ")
        await chunks.aclose()
        events = (await client("POST", CHAT, body)).events()
        assert events[0]["choices"] == (await type(api)(model)("POST", CHAT, body)).events()[0]["choices"]


async def test_who_leaves_a_stream_leaves_the_upstream_server_too():
    async with pair() as (sim, model):
        watched = Watched(Hang.in_body(after=1))
        model.fault("POST", CHAT, watched)
        request = Request(
            "POST", sim.base_url + CHAT, {"authorization": f"Bearer {KEY}"}, _encoded({**ASK, "stream": True})
        )
        chunks = aiter((await sim.handle(request)).body)
        await anext(chunks)
        await chunks.aclose()
        await asyncio.wait_for(watched.gone.wait(), 5)


async def test_other_endpoints_stay_with_the_simulator(api):
    async with pair() as (sim, model):
        answer = await type(api)(sim)("POST", "/openai/v1/completions", {"model": ASK["model"], "prompt": "Why?"})
        assert answer.status == 200
        assert (await type(api)(sim)("GET", "/openai/v1/models")).status == 200
        assert model.requests == []


async def test_a_line_of_a_batch_is_answered_by_it_too(api):
    async with Simulator(api_key=KEY, seed=7) as model, model.serve() as served:
        clock = SystemClock()
        llm = LLM(
            clock=clock,
            api_key=KEY,
            seed=0,
            chunk_delay=0,
            limits=Limits(clock),
            ledger=Ledger(clock=clock),
            upstream=f"{served.url}/openai/v1",
        )
        try:
            streamed = {**ASK, "stream": True, "stream_options": {"include_usage": True}}
            status, body = await llm.answer("/v1/chat/completions", streamed)
            assert model.requests[-1].json() == ASK
            assert (status, body["choices"]) == (200, (await type(api)(model)("POST", CHAT, ASK)).json()["choices"])
            status, body = await llm.answer("/v1/chat/completions", {**ASK, "model": "nobody/nothing"})
            assert (status, body["error"]["message"]) == (404, "model not found")
            for kind in ("text/html", "text/event-stream"):
                model.reply("POST", CHAT, Reply(200, {"content-type": kind}, b"<html>"))
                assert (await llm.answer("/v1/chat/completions", ASK))[0] == 500
            model.fault("POST", CHAT, Drop.in_body())
            assert (await llm.answer("/v1/chat/completions", ASK))[0] == 503
        finally:
            await llm.aclose()


@pytest.mark.parametrize(
    ("fault", "status", "error"),
    [
        (Refuse.with_status(429), 429, {"message": "rate limit exceeded", "type": "upstream_error"}),
        (
            Refuse.with_reason(400, "bad_thing", "no good", shape="openai"),
            400,
            {"message": "no good", "type": "bad_thing"},
        ),
        (Refuse.with_reason(422, "x", "no good", shape="text"), 400, {"message": "no good", "type": "upstream_error"}),
        (Refuse.with_reason(401, "x", "no good"), 400, {"message": "no good", "type": "upstream_error"}),
        (Refuse.with_reason(502, "x", "no good"), 500, {"message": "no good", "type": "upstream_error"}),
        (Refuse.with_reason(503, "x", "no good"), 503, {"message": "no good", "type": "upstream_error"}),
    ],
)
async def test_errors_are_relayed_in_the_envelope_of_openai(api, fault, status, error):
    async with pair() as (sim, model):
        model.fault("POST", CHAT, fault)
        answer = await type(api)(sim)("POST", CHAT, {**ASK, "stream": True})
        openapi.check_response("POST", CHAT, answer.status, answer.headers["content-type"], answer.body)
        assert (answer.status, answer.json()) == (status, {"error": {**error, "param": None, "code": 0}})


async def test_a_wait_that_the_upstream_server_asks_for_is_passed_on_and_a_redirect_is_not_followed(api):
    async with pair() as (sim, model):
        model.fault("POST", CHAT, Refuse.rate_limited(retry_after=7))
        assert (await type(api)(sim)("POST", CHAT, ASK)).headers["retry-after"] == "7"
        model.reply("POST", CHAT, Reply(307, {"location": "http://127.0.0.1:9/"}, b""))
        answer = await type(api)(sim)("POST", CHAT, ASK)
        assert (answer.status, answer.json()["error"]["message"]) == (500, "status 307")
        assert len(model.requests) == 2


async def test_what_is_refused_here_does_not_go_there(api):
    async with pair() as (sim, model):
        client = type(api)(sim)
        assert (await client("POST", CHAT, ASK, key="sk_wrong")).status == 401
        assert (await client("POST", CHAT, b"{")).status == 400
        assert (await client("POST", CHAT, {"messages": []})).status == 400
        assert model.requests == []
        sim.limit("any-model", rpm=1)
        model.reply("POST", CHAT, json_reply({"fine": True}))
        assert (await client("POST", CHAT, {**ASK, "model": "any-model"})).json() == {"fine": True}
        assert (await client("POST", CHAT, {**ASK, "model": "any-model"})).json()["reason"] == "RATE_LIMIT_EXCEEDED"
        assert len(model.requests) == 1


async def test_a_connection_that_breaks_there_breaks_here(api):
    async with pair() as (sim, model):
        model.fault("POST", CHAT, Drop.before_headers())
        answer = await type(api)(sim)("POST", CHAT, ASK)
        assert (answer.status, answer.json()["reason"]) == (503, "SERVICE_NOT_AVAILABLE")
        model.fault("POST", CHAT, Drop.in_body(after=2))
        with pytest.raises(ConnectionLost):
            await type(api)(sim)("POST", CHAT, {**ASK, "stream": True})


async def test_a_server_that_is_not_there_is_unavailable(api):
    with socket.create_server(("127.0.0.1", 0)) as unused:
        port = unused.getsockname()[1]
    async with Simulator(llm_upstream=f"http://127.0.0.1:{port}/v1") as sim:
        answer = await type(api)(sim)("POST", CHAT, ASK)
    assert (answer.status, answer.json()["reason"]) == (503, "SERVICE_NOT_AVAILABLE")
    openapi.check_response("POST", CHAT, answer.status, answer.headers["content-type"], answer.body)


@pytest.mark.parametrize(
    "url",
    [
        "http://192.0.2.1/v1",
        "https://api.example.org/v1",
        "http://127.0.0.1.example.org/v1",
        "http://127.0.0.1@example.org/v1",
        "http://localhost:99999/v1",
        "ftp://localhost/v1",
        "http://localhost/v1?x=1",
        "localhost:8000",
        "",
    ],
)
async def test_only_this_machine_is_asked(url):
    with pytest.raises(ValidationError, match="on this machine"):
        Simulator(llm_upstream=url)


@pytest.mark.parametrize("url", ["http://localhost:8000/v1", "http://127.0.0.2", "https://[::1]:8443/v1/"])
async def test_this_machine_has_several_names(url):
    async with Simulator(llm_upstream=url):
        pass


def _encoded(body: Any) -> bytes:
    reply = json_reply(body)
    assert isinstance(reply.body, bytes)
    return reply.body
