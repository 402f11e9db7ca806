"""`with_options`, `with_raw_response` and the arguments that code written for the `openai` package gives."""

from __future__ import annotations

import gc

import pytest
from helpers import ASK, END, Server, chunk, completion, connected, events, refusal

from novita_async import AsyncNovita, Reply
from novita_async.errors import ClientClosed, ConfigError, ProtocolError, ServiceUnavailable, ValidationError
from novita_async.testing.clock import JumpClock


@pytest.fixture
async def clock():
    async with JumpClock(grace=0) as clock:
        yield clock


async def test_options_hold_for_the_view_alone(clock):
    server = Server(clock, refusal(503))
    async with connected(server, clock) as novita:
        view = novita.with_options(max_retries=0, timeout=5, default_headers={"X-Team": "blue"})
        assert (view.settings.timeouts.total, view.settings.retry.attempts) == (5, 1)
        with pytest.raises(ServiceUnavailable):
            await view.chat.completions.create(**ASK)
        assert [request.headers.get("x-team") for request in server.requests] == ["blue"]
        with pytest.raises(ServiceUnavailable):
            await novita.chat.completions.create(**ASK)
        assert [request.headers.get("x-team") for request in server.requests] == ["blue", None, None, None]
        assert view.stats() == novita.stats()


async def test_a_view_of_a_view_has_the_options_of_both(clock):
    server = Server(clock, completion())
    async with connected(server, clock) as novita:
        outer = novita.with_options(timeout=7, default_headers={"x-one": "1"})
        inner = outer.with_options(max_retries=1, default_headers={"x-two": "2"})
        assert (inner.settings.timeouts.total, inner.settings.retry.attempts) == (7, 2)
        await inner.chat.completions.create(**ASK)
        assert {name: server.requests[0].headers[name] for name in ("x-one", "x-two")} == {"x-one": "1", "x-two": "2"}


async def test_a_view_shares_everything_and_owns_nothing(clock):
    server = Server(clock, completion())
    async with connected(server, clock) as novita:
        view = novita.with_options(timeout=3)
        assert view.tasks is novita.tasks
        assert "a view of" in repr(view)
        del view
        gc.collect()
        await novita.chat.completions.create(**ASK)  # the sockets of the client did not go with its view
        await novita.with_options(timeout=3).aclose()
        with pytest.raises(ClientClosed):
            await novita.chat.completions.create(**ASK)


@pytest.mark.parametrize(
    ("options", "kind"),
    [
        ({"timeout": -1}, ConfigError),
        ({"timeout": "5"}, ConfigError),
        ({"max_retries": -1}, ConfigError),
        ({"default_headers": {"x": "a\nb"}}, ValidationError),
    ],
)
def test_options_that_cannot_be_are_refused(options, kind):
    with pytest.raises(kind):
        AsyncNovita(api_key="sk_x").with_options(**options)


async def test_timeout_and_max_retries_are_arguments_of_the_client_too(clock):
    server = Server(clock, refusal(503))
    async with connected(server, clock, timeout=9, max_retries=1) as novita:
        assert novita.settings.timeouts.total == 9
        with pytest.raises(ServiceUnavailable):
            await novita.chat.completions.create(**ASK)
    assert len(server.requests) == 2


async def test_extra_query_is_sent(clock):
    server = Server(clock, completion())
    async with connected(server, clock) as novita:
        await novita.chat.completions.create(**ASK, extra_query={"trace": "a b", "n": 1})
    assert server.requests[0].url.endswith("/chat/completions?trace=a+b&n=1")


async def test_a_raw_response_has_status_headers_body_and_what_the_call_would_give(clock):
    answer = completion("hi")
    answer.headers["x-request-id"] = "req-1"
    async with connected(Server(clock, answer), clock) as novita:
        raw = await novita.chat.completions.with_raw_response.create(**ASK)
        assert (raw.status_code, raw.request_id, raw.content) == (200, "req-1", answer.body)
        assert raw.headers["Content-Type"] == "application/json"
        assert raw.text == answer.body.decode()
        assert raw.parse().choices[0].message.content == "hi"
        assert "RawResponse 200" in repr(raw)
        # the facade itself goes on as before
        assert (await novita.chat.completions.create(**ASK)).choices[0].message.content == "hi"


async def test_a_raw_response_that_cannot_be_read_says_so_when_it_is_parsed(clock):
    async with connected(Server(clock, Reply(200, {}, b"<html>")), clock) as novita:
        raw = await novita.chat.completions.with_raw_response.create(**ASK)
        assert raw.content == b"<html>"
        with pytest.raises(ProtocolError):
            raw.parse()


async def test_a_raw_stream_gives_its_headers_first(clock):
    async with connected(Server(clock, lambda _: events(chunk("one"), END)), clock) as novita:
        raw = await novita.chat.completions.with_raw_response.create(**ASK, stream=True)
        assert raw.headers["content-type"] == "text/event-stream"
        async with raw.parse() as stream:
            assert (await anext(stream)).choices[0].delta.content == "one"
