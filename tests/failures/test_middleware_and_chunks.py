"""What users miss and then build on private names: one hook around every attempt, and chunks put together."""

from __future__ import annotations

import inspect

import msgspec
import pytest
from helpers import ASK, Server, chunk, completion, connected, events, inside, refusal

from novita_async import ChatAccumulator, Middleware, Response, log_requests
from novita_async.errors import ServerError
from novita_async.llm import ChatCompletionChunk


async def test_middleware_is_one_callable_type_around_every_attempt(clock):
    """Also seen: openai/openai-python#2109."""
    seen: list[tuple[str, int]] = []

    async def outer(request, send):
        response = await send(msgspec.structs.replace(request, headers={**request.headers, "x-team": "search"}))
        seen.append(("outer", response.status))
        return response

    class Inner:
        async def __call__(self, request, send):
            assert request.headers["x-team"] == "search"
            response = await send(request)
            seen.append(("inner", response.status))
            return response

    server = Server(clock, refusal(503), completion())
    middleware: list[Middleware] = [outer, log_requests(), Inner()]
    async with connected(server, clock, middleware=middleware) as novita:
        await novita.chat.completions.create(**ASK)
    assert seen == [("inner", 503), ("outer", 503), ("inner", 200), ("outer", 200)]
    assert [request.headers["x-team"] for request in server.requests] == ["search"] * 2
    assert inspect.iscoroutinefunction(log_requests())


async def test_middleware_may_answer_by_itself_and_may_fail(clock):
    async def cached(request, send):
        return Response(200, {}, (await send(request)).body) if request.method == "GET" else await answered(request)

    async def answered(request):
        raise ServerError("from the middleware", status=500)

    server = Server(clock, completion())
    async with connected(server, clock, middleware=[cached]) as novita:
        with pytest.raises(ServerError, match="from the middleware"):
            await novita.chat.completions.create(**ASK)
    assert server.requests == []


async def test_what_middleware_writes_into_headers_stays_with_its_call(clock):
    async def careless(request, send):
        if len(server.requests) == 0:
            request.headers["x-trace"] = "of the first call"
        return await send(request)

    server = Server(clock, completion())
    async with connected(server, clock, middleware=[careless]) as novita:
        for _ in range(2):
            await novita.chat.completions.create(**ASK)
    assert [request.headers.get("x-trace") for request in server.requests] == ["of the first call", None]


async def test_a_middleware_that_is_slow_is_under_the_limits_of_the_call(clock):
    async def slow(request, send):
        await clock.sleep(3600)
        return await send(request)

    async with connected(Server(clock, completion()), clock, middleware=[slow]) as novita:
        with pytest.raises(TimeoutError):
            await novita.chat.completions.create(**ASK, timeout=5)
    assert clock.monotonic() == 5


async def test_chunks_that_were_stored_are_put_together_by_a_public_helper(sim):
    """Also seen: openai/openai-python#1833."""
    async with inside(sim) as novita:
        async with novita.chat.completions.stream(**ASK) as stream:
            expected = await stream.final()
        async with await novita.chat.completions.create(**ASK, stream=True) as chunks:
            stored = [msgspec.json.encode(part.raw) async for part in chunks]
    accumulator = ChatAccumulator()
    for line in stored:
        accumulator.add(msgspec.json.decode(line, type=ChatCompletionChunk))
    assert accumulator.completion.choices == expected.choices


async def test_what_was_put_together_so_far_does_not_change_later(clock):
    server = Server(clock, lambda _: events(chunk("one "), chunk("two", finish="stop")))
    accumulator = ChatAccumulator()
    async with connected(server, clock) as novita, await novita.chat.completions.create(**ASK, stream=True) as chunks:
        accumulator.add(await anext(chunks))
        early = accumulator.completion
        accumulator.add(await anext(chunks))
        assert early.choices[0].message.content == "one "
        assert accumulator.completion.choices[0].message.content == "one two"
