"""Middleware runs in its order, and the logger that is shipped tells no secrets."""

from __future__ import annotations

import logging

import msgspec
import pytest

from novita_async.errors import ConnectError, ConnectionLost
from novita_async.transport.middleware import compose, log_requests
from novita_async.transport.mock import MockTransport
from novita_async.transport.protocol import SECRET_HEADERS, Reply, Request

URL = "http://novita.test/v3/things?signature=s3cret&limit=10"


async def read_all(body):
    chunks = []
    while chunk := await body.read():
        chunks.append(chunk)
    await body.aclose()
    return b"".join(chunks)


async def answer(request):
    async def chunks():
        yield b"one "
        yield b"two sk-key"

    return Reply(200, {"Set-Cookie": "session=s3cret", "X-Request-Id": "r1"}, chunks())


def ticking():
    """A clock that goes on half a second whenever it is asked."""
    now = 0.0

    def monotonic():
        nonlocal now
        now += 0.5
        return now

    return monotonic


async def test_the_first_middleware_is_the_outermost():
    seen = []

    def named(name):
        async def middleware(request, send):
            seen.append(f"{name} before {request.headers.get('via', '')}")
            response = await send(msgspec.structs.replace(request, headers={"via": name}))
            seen.append(f"{name} after {response.status}")
            return response

        return middleware

    async def handler(request):
        seen.append(f"server {request.headers['via']}")
        return Reply(204)

    transport = MockTransport(handler)
    send = compose([named("outer"), named("inner")], transport.send)
    await send(Request("GET", URL))
    assert seen == ["outer before ", "inner before outer", "server inner", "inner after 204", "outer after 204"]


async def test_without_middleware_nothing_stands_before_the_transport():
    transport = MockTransport(answer)
    assert compose([], transport.send) == transport.send


async def test_a_middleware_can_answer_by_itself_and_see_errors():
    async def cached(request, send):
        if request.url.endswith("/cached"):
            return await MockTransport(answer).send(request)
        with pytest.raises(ConnectError):
            await send(request)
        raise ConnectionLost("mapped")

    async def handler(request):
        raise ConnectError("nobody there")

    send = compose([cached], MockTransport(handler).send)
    response = await send(Request("GET", "http://novita.test/cached"))
    assert await read_all(response.body) == b"one two sk-key"
    with pytest.raises(ConnectionLost, match="mapped"):
        await send(Request("GET", URL))


async def test_the_log_tells_what_happened_and_no_secret(caplog):
    caplog.set_level(logging.DEBUG, "novita_async")
    send = compose([log_requests(monotonic=ticking())], MockTransport(answer).send)
    headers = dict.fromkeys(SECRET_HEADERS, "sk-key") | {"Authorization": "Bearer sk-key", "X-Team": "search"}
    response = await send(Request("POST", URL, headers, b"12345"))
    assert await read_all(response.body) == b"one two sk-key"
    await response.body.aclose()
    sending, answered, ended = [record.getMessage() for record in caplog.records]
    what = "POST http://novita.test/v3/things?signature=***&limit=***"
    assert sending.startswith(f"{what}: sending 5 bytes, headers ")
    assert "'X-Team': 'search'" in sending
    assert answered.startswith(f"{what}: 200 after 0.500 s, headers ")
    assert "'x-request-id': 'r1'" in answered
    assert ended == f"{what}: body complete, 14 bytes after 1.000 s"
    assert "sk-key" not in caplog.text
    assert "s3cret" not in caplog.text


async def test_bodies_are_logged_on_request_with_the_credentials_blotted_out(caplog):
    caplog.set_level(logging.DEBUG, "novita_async")
    send = compose([log_requests(bodies=True)], MockTransport(answer).send)
    response = await send(Request("POST", URL, {"Authorization": "Bearer sk-key"}, b'{"key": "sk-key"}'))
    await read_all(response.body)
    assert """sending '{"key": "***"}'""" in caplog.text
    assert "received 'one two ***'" in caplog.text
    assert "sk-key" not in caplog.text


async def test_no_part_of_a_credential_is_left_where_a_long_body_is_cut(caplog):
    caplog.set_level(logging.DEBUG, "novita_async")
    key = "sk-" + "k" * 60

    async def echo(request):
        async def chunks():
            yield request.body[:1990]
            yield request.body[1990:]

        return Reply(200, {}, chunks())

    send = compose([log_requests(bodies=True)], MockTransport(echo).send)
    body = b"x" * 1970 + key.encode() + b"x" * 10_000
    response = await send(Request("POST", URL, {"Authorization": f"Bearer {key}"}, body))
    assert await read_all(response.body) == body
    assert "sk-" not in caplog.text
    assert max(len(record.getMessage()) for record in caplog.records) < 2200


async def test_a_failure_an_abort_and_an_early_close_are_told_apart(caplog):
    caplog.set_level(logging.DEBUG, "novita_async")

    async def handler(request):
        if "/refused" in request.url:
            raise ConnectError("nobody there")
        return await answer(request)

    send = compose([log_requests()], MockTransport(handler).send)
    with pytest.raises(ConnectError):
        await send(Request("GET", "http://novita.test/refused"))
    assert "no answer" in caplog.records[-1].getMessage()
    assert "ConnectError: nobody there" in caplog.records[-1].getMessage()
    response = await send(Request("GET", URL))
    await response.body.aclose()
    assert "body closed, 0 bytes" in caplog.records[-1].getMessage()
    response = await send(Request("GET", URL))
    response.body.abort(ConnectionLost("enough"))
    assert "body aborted (ConnectionLost), 0 bytes" in caplog.records[-1].getMessage()
    with pytest.raises(ConnectionLost, match="enough"):
        await response.body.read()
    await response.body.aclose()


async def test_nothing_is_formatted_or_wrapped_while_the_level_is_off(caplog):
    caplog.set_level(logging.INFO, "novita_async")

    class Unreadable(dict):
        def items(self):
            raise AssertionError("the headers were looked at")

    def unread():
        raise AssertionError("the clock was read")

    send = compose([log_requests(monotonic=unread)], MockTransport(answer).send)
    response = await send(Request("GET", URL, Unreadable(authorization="sk-key")))
    assert type(response.body).__module__ == "novita_async.transport.mock"
    await response.body.aclose()
    assert caplog.records == []
