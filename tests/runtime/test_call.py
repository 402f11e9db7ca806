"""The one path of a request: what is sent, what is repeated, how long it may take, and what is given back."""

from __future__ import annotations

import asyncio
import email.utils

import pytest
from helpers import ASK, KEY, Server, completion, connected, refusal, several, turns

from novita_async import Limits, Reply, RetryPolicy, Timeouts
from novita_async.errors import (
    APIError,
    BadRequest,
    CallTimeout,
    ClientClosed,
    ConfigError,
    Conflict,
    ConnectError,
    ConnectionLost,
    InsufficientBalance,
    NotFound,
    NovitaError,
    OutcomeUnknown,
    ProtocolError,
    RateLimited,
    ServerError,
    ServiceUnavailable,
)
from novita_async.runtime.attempts import Attempts
from novita_async.runtime.call import Auth, Call
from novita_async.runtime.retry import Replay, default_decision, delays, never_started
from novita_async.testing.probes import Stream

URL = "http://novita.test/thing?id=1"


@pytest.fixture
def connect(clock):
    """`async with connect(*answers, **settings) as (runtime, server)`."""

    class Connected:
        def __init__(self, *answers, **settings):
            self.server = Server(clock, *answers)
            self.client = connected(self.server, clock, **settings)

        async def __aenter__(self):
            return (await self.client.__aenter__())._core(), self.server

        async def __aexit__(self, *details):
            return await self.client.__aexit__(*details)

    return Connected


def get(**options) -> Call:
    return Call(method="GET", url=URL, **options)


# ----------------------------------------------------------------------------------------- what is sent


async def test_a_call_is_sent_as_it_was_made(connect):
    async with connect({"ok": True}, timeouts=Timeouts(connect=7)) as (runtime, server):
        call = Call(method="POST", url=URL, body=b'{"a":1}', headers={"x-team": "search", "accept": "text/plain"})
        answer = await runtime.request(call)
        (request,) = server.requests
        assert (request.method, request.url, request.body) == ("POST", URL, b'{"a":1}')
        assert request.connect_timeout == 7
        assert request.headers["authorization"] == f"Bearer {KEY}"
        assert request.headers["content-type"] == "application/json"
        assert request.headers["accept"] == "text/plain"  # the call's own win
        assert request.headers["x-team"] == "search"
        assert request.headers["user-agent"].startswith("novita-async/")
        assert (answer.status, answer.body) == (200, b'{"ok":true}')


@pytest.mark.parametrize(
    ("auth", "expected"),
    [(Auth.BEARER, {"authorization": f"Bearer {KEY}"}), (Auth.KEY, {"x-api-key": KEY}), (Auth.NONE, {})],
)
async def test_each_kind_of_credentials_has_its_header(connect, auth, expected):
    async with connect({}) as (runtime, server):
        await runtime.request(get(auth=auth))
        sent = {name: value for name, value in server.requests[0].headers.items() if KEY in value}
        assert sent == expected
        assert "content-type" not in server.requests[0].headers


async def test_without_a_key_only_calls_that_need_none_go_out(connect):
    async with connect({}, api_key=None) as (runtime, server):
        for auth in (Auth.BEARER, Auth.KEY):
            with pytest.raises(ConfigError, match="NOVITA_API_KEY"):
                await runtime.request(get(auth=auth))
        await runtime.request(get(auth=Auth.NONE))
        assert len(server.requests) == 1


# ------------------------------------------------------------------------------------- what is repeated

#: (what happened, repeated when SAFE, when it COSTS, when it SUBMITS)
OUTCOMES = [
    (ConnectError("refused"), True, True, True),
    (CallTimeout("connect", 10, sent=False), True, True, True),
    (ConnectionLost("gone"), True, True, False),
    (CallTimeout("attempt", 600), False, False, False),
    (refusal(408), True, True, False),
    (refusal(409), True, True, True),
    (refusal(409, "ALREADY_EXISTS"), False, False, False),
    (refusal(429), True, True, True),
    (refusal(429, "RATE_LIMIT_EXCEEDED"), True, True, True),
    (refusal(429, "NOT_ENOUGH_BALANCE"), False, False, False),
    (refusal(500), True, True, False),
    (refusal(500, "CREATE_TASK_FAILED"), True, True, True),
    (refusal(502), True, True, False),
    (refusal(503), True, True, True),
    (refusal(504), True, True, False),
    (refusal(400), False, False, False),
    (refusal(401), False, False, False),
    (refusal(403), False, False, False),
    (refusal(404), False, False, False),
    (refusal(422), False, False, False),
    (Reply(302, {"location": "http://elsewhere.test/"}), False, False, False),
]


def name_of(outcome) -> str:
    return f"{outcome.status}" if isinstance(outcome, Reply) else type(outcome).__name__


@pytest.mark.parametrize("replay", Replay)
@pytest.mark.parametrize("row", OUTCOMES, ids=lambda row: name_of(row[0]))
async def test_what_is_repeated_depends_on_what_happened_and_on_what_repeating_could_do(connect, row, replay):
    outcome, *by_kind = row
    repeated = by_kind[list(Replay).index(replay)]
    errors = [outcome] if isinstance(outcome, Exception) else []

    async def happen(request, send):
        response = await send(request)
        if errors:
            raise errors.pop()
        return response

    answers = [{"ok": True}] * 2 if errors else [outcome, {"ok": True}]
    async with connect(*answers, middleware=[happen]) as (runtime, server):
        call = get(replay=replay)
        if repeated:
            assert (await runtime.request(call)).body == b'{"ok":true}'
            assert runtime.life.retried == 1
        else:
            with pytest.raises(NovitaError):
                await runtime.request(call)
        assert len(server.requests) == 1 + repeated


@pytest.mark.parametrize(
    ("settings", "call", "expected"),
    [({}, {}, 3), ({"attempts": 5}, {}, 5), ({"attempts": 1}, {}, 1), ({"attempts": 5}, {"attempts": 2}, 2)],
)
async def test_the_last_attempt_ends_in_its_error_and_says_how_many_there_were(connect, settings, call, expected):
    async with connect(refusal(503), retry=RetryPolicy(**settings)) as (runtime, server):
        with pytest.raises(ServiceUnavailable) as last:
            await runtime.request(get(**call))
        assert len(server.requests) == expected
        assert getattr(last.value, "__notes__", []) == ([f"after {expected} attempts"] if expected > 1 else [])


async def test_which_statuses_are_repeated_can_be_chosen(connect):
    policy = RetryPolicy(statuses=frozenset({418}))
    async with connect(Reply(418), refusal(500), retry=policy) as (runtime, server):
        with pytest.raises(ServerError):
            await runtime.request(get())
        assert len(server.requests) == 2


async def test_the_decision_can_be_replaced(connect):
    asked = []

    def decide(error, replay, policy):
        asked.append((type(error), replay, policy.attempts))
        return isinstance(error, BadRequest) or default_decision(error, replay, policy)

    async with connect(refusal(400), ConnectionLost("gone"), {}, decide=decide) as (runtime, _):
        await runtime.request(get(replay=Replay.COSTS))
    assert asked == [(BadRequest, Replay.COSTS, 3), (ConnectionLost, Replay.COSTS, 3)]


async def test_a_submit_without_an_answer_says_that_its_outcome_is_unknown(connect):
    lost = ConnectionLost("gone")
    async with connect(lost) as (runtime, _):
        with pytest.raises(OutcomeUnknown) as unknown:
            await runtime.request(get(replay=Replay.SUBMITS))
        assert unknown.value.sent
        assert "gone" in str(unknown.value)


def test_what_proves_that_nothing_was_started():
    for error in (ConnectError(""), CallTimeout("connect", 1, sent=False), RateLimited("", status=429)):
        assert never_started(error)
    for error in (ConnectionLost(""), CallTimeout("attempt", 1), ServerError("", status=502), ProtocolError("")):
        assert not never_started(error)


# ---------------------------------------------------------------------------------------------- the waits


async def test_delays_are_drawn_from_a_bound_that_doubles_up_to_the_longest(connect):
    policy = RetryPolicy(attempts=8, base=1, longest=16)
    seen = []
    async with connect(refusal(503), retry=policy) as (runtime, server):
        for _ in range(30):
            server.times.clear()
            with pytest.raises(ServiceUnavailable):
                await runtime.request(get())
            seen.append(server.waits)
    for number, waits in enumerate(zip(*seen, strict=True)):
        bound = min(2**number, 16)
        assert min(waits) >= 0
        assert max(waits) <= bound
        assert max(waits) - min(waits) > bound / 4  # jitter over the whole of it, or they would all come at once


def test_the_curve_is_a_generator_of_its_own():
    curve = delays(RetryPolicy(base=0.5, longest=4))
    drawn = [next(curve) for _ in range(50)]
    assert all(0 <= delay <= min(0.5 * 2**number, 4) for number, delay in enumerate(drawn))


@pytest.mark.parametrize(
    ("header", "seconds"),
    [("7", 7), ("0", 0), ("7.5", 7.5), ("-3", 0), ("soon", None), ("", None), ("Fri, 32 Nov 2026 08:00:00 GMT", None)],
)
async def test_retry_after_in_seconds_and_what_cannot_be_read(connect, header, seconds):
    async with connect(refusal(503, retry_after=header), {}) as (runtime, server):
        await runtime.request(get())
        if seconds is None:
            assert 0 <= server.waits[0] <= 0.5
        else:
            assert server.waits == [pytest.approx(seconds)]


@pytest.mark.parametrize("offset", [-40, 0, 40])
async def test_retry_after_as_a_date_is_measured_from_the_date_of_the_answer_or_else_from_now(connect, clock, offset):
    theirs = clock.time() + offset
    headers = {
        "retry_after": email.utils.formatdate(theirs + 50, usegmt=True),
        "date": email.utils.formatdate(theirs, usegmt=True),
    }
    async with connect(refusal(503, **headers), {}) as (runtime, server):
        await runtime.request(get())
        assert server.waits == [pytest.approx(50)]
    del headers["date"]
    async with connect(refusal(503, **headers), {}) as (runtime, server):
        await runtime.request(get())
        assert server.waits == [pytest.approx(max(0, offset))]  # 50 s of it have passed in the first half


async def test_a_retry_after_that_outlasts_the_patience_is_not_waited_for(connect, clock):
    async with connect(refusal(503, retry_after="31"), retry=RetryPolicy(patience=30)) as (runtime, server):
        with pytest.raises(ServiceUnavailable) as busy:
            await runtime.request(get())
        assert busy.value.retry_after == 31
    assert (len(server.requests), clock.monotonic()) == (1, 0)


async def test_a_delay_that_does_not_fit_into_the_deadline_is_not_begun(connect, clock):
    async with connect(refusal(503, retry_after="5"), {}) as (runtime, _):
        with pytest.raises(ServiceUnavailable):
            await runtime.request(get(timeout=5))
        assert clock.monotonic() == 0
        await runtime.request(get(timeout=5.1))


# --------------------------------------------------------------------------------------------- the limits


@pytest.mark.parametrize(
    ("timeouts", "call", "name", "seconds"),
    [
        ({}, {}, "attempt", 600),
        ({"attempt": 20}, {}, "attempt", 20),
        ({"attempt": 20}, {"attempt": 5}, "attempt", 5),
        ({"attempt": 20, "total": 9}, {}, "total", 9),
        ({"attempt": 20, "total": 9}, {"timeout": 4}, "total", 4),
        ({"attempt": None}, {"timeout": 4000}, "total", 4000),
    ],
)
async def test_the_limit_that_passes_first_is_named(connect, clock, timeouts, call, name, seconds):
    async def never(request):
        await asyncio.Event().wait()

    async with connect(never, timeouts=Timeouts(**timeouts)) as (runtime, server):
        with pytest.raises(CallTimeout) as timeout:
            await runtime.request(get(**call))
        assert (timeout.value.limit, timeout.value.seconds, timeout.value.sent) == (name, seconds, True)
        assert clock.monotonic() == seconds
        assert len(server.requests) == 1


async def test_the_limit_of_an_attempt_covers_the_last_byte_of_its_answer(connect, clock):
    async with connect(lambda _: Reply(200, {}, Stream(b"half", hang=True)), timeouts=Timeouts(attempt=3)) as (
        runtime,
        _,
    ):
        with pytest.raises(CallTimeout):
            await runtime.request(get())
    assert clock.monotonic() == 3


async def test_a_deadline_that_passes_in_line_says_that_nothing_was_sent(connect, clock):
    async with connect({}, limits=Limits(requests=1)) as (runtime, server):
        await runtime.slots.acquire()
        with pytest.raises(CallTimeout) as timeout:
            await runtime.request(get(timeout=2, replay=Replay.SUBMITS))
        assert (timeout.value.limit, timeout.value.sent) == ("total", False)
        runtime.slots.release()
    assert server.requests == []


async def test_a_timeout_error_that_is_not_ours_is_not_said_to_be(connect):
    async def impatient(request, send):
        raise TimeoutError("the middleware's own")

    async with connect({}, middleware=[impatient]) as (runtime, _):
        with pytest.raises(TimeoutError, match="the middleware's own") as error:
            await runtime.request(get())
        assert not isinstance(error.value, CallTimeout)


# -------------------------------------------------------------------------------------------- the answers


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_is_not_followed_and_shows_where_it_leads(connect, status):
    async with connect(Reply(status, {"Location": "http://elsewhere.test/"})) as (runtime, server):
        with pytest.raises(APIError) as moved:
            await runtime.request(get())
        assert moved.value.status == status
        assert moved.value.headers["location"] == "http://elsewhere.test/"
        assert len(server.requests) == 1


@pytest.mark.parametrize(
    ("parts", "error", "encoding"),
    [((b'{"reason": "NOT_',), ConnectionLost("cut"), "identity"), ((b"no gzip at all",), None, "gzip"), ((), None, "")],
    ids=["cut", "badly packed", "empty"],
)
async def test_an_error_whose_body_cannot_be_read_is_still_its_status(connect, parts, error, encoding):
    async with connect(Reply(404, {"content-encoding": encoding}, Stream(*parts, error=error))) as (runtime, _):
        with pytest.raises(NotFound):
            await runtime.request(get())


async def test_an_error_body_without_end_is_read_only_so_far(connect):
    async def endless():
        while True:
            yield bytes(65536)

    async with connect(lambda _: Reply(400, {}, endless())) as (runtime, _):
        with pytest.raises(BadRequest) as error:
            await runtime.request(get())
        assert 1 << 20 <= len(error.value.body) < 2 << 20


async def test_nonsense_is_an_error_that_shows_what_came(connect):
    async with connect(Reply(200, {}, b"<html>gateway</html>")) as (runtime, server):
        with pytest.raises(ProtocolError, match="<html>") as error:
            await runtime.fetch(get(), dict)
        assert error.value.body == b"<html>gateway</html>"
        assert len(server.requests) == 1


# --------------------------------------------------------------------------------------- what is given back

WAYS_OUT = {
    "an answer": ({"ok": True}, None),
    "a streamed answer": (lambda _: Reply(200, {}, several(b"{", b"}")), None),
    "a refusal": (refusal(400), BadRequest),
    "no money": (refusal(400, "BALANCE_NOT_ENOUGH"), InsufficientBalance),
    "retries, all in vain": (refusal(503), ServiceUnavailable),
    "a conflict": (refusal(409), Conflict),
    "no connection": (ConnectError("refused"), ConnectError),
    "a lost connection": (ConnectionLost("gone"), ConnectionLost),
    "a cut body": (lambda _: Reply(200, {}, Stream(b"{", error=ConnectionLost("cut"))), ConnectionLost),
    "a body that hangs": (lambda _: Reply(200, {}, Stream(b"{", hang=True)), CallTimeout),
    "a redirect": (Reply(302), APIError),
}


@pytest.mark.parametrize(("answer", "error"), WAYS_OUT.values(), ids=WAYS_OUT)
async def test_the_slot_is_given_back_on_each_way_out(connect, answer, error):
    async with connect(answer, limits=Limits(requests=1)) as (runtime, _):
        for _ in range(3):
            if error is None:
                await runtime.request(get())
            else:
                with pytest.raises(error):
                    await runtime.request(get())
            assert runtime.slots.free == 1


async def test_a_reader_that_fails_gives_the_slot_and_the_connection_back(connect):
    body = Stream(b"{", hang=True)

    async def consume(response):
        await response.body.read()
        raise ValueError("a bug in a reader")

    async with connect(lambda _: Reply(200, {}, body)) as (runtime, _):
        with pytest.raises(ValueError, match="a bug"):
            await Attempts(runtime, get()).run(consume)
        await body.closed.wait()
        assert runtime.slots.free == runtime.slots.slots


async def test_an_open_answer_keeps_its_slot_until_it_is_released(connect):
    async with connect({}) as (runtime, _):
        attempts = Attempts(runtime, get())
        response = await attempts.open()
        assert runtime.slots.free == runtime.slots.slots - 1
        assert attempts.in_flight
        await response.body.aclose()
        attempts.release()
        attempts.release()
        assert runtime.slots.free == runtime.slots.slots


# ------------------------------------------------------------------------------------------------ the end


async def test_closing_ends_calls_wherever_they_are(connect, clock):
    """In line, in flight, and between two attempts: none of them outlives the client by long, and none is sent."""

    async def hangs(request):
        await asyncio.Event().wait()

    async with connect(refusal(503, retry_after="100"), hangs, limits=Limits(requests=1)) as (runtime, server):
        between = asyncio.create_task(runtime.request(get()))
        await turns()
        in_flight = asyncio.create_task(runtime.request(get()))
        await turns()
        in_line = asyncio.create_task(runtime.request(get()))
        await turns()
        assert len(server.requests) == 2
        await runtime.aclose()
        await clock.sleep(1)
        for call in (between, in_flight, in_line):
            assert call.done()
            with pytest.raises(ClientClosed):
                await call
        assert len(server.requests) == 2


async def test_a_call_after_the_end_is_refused(connect):
    async with connect({}) as (runtime, server):
        await runtime.aclose()
        with pytest.raises(ClientClosed):
            await runtime.request(get())
        assert server.requests == []


async def test_chat_goes_the_same_way(clock):
    """The path is one: what holds for `Runtime.request` holds for a facade."""
    server = Server(clock, refusal(503), ConnectionLost("gone"), completion("third time"))
    async with connected(server, clock) as novita:
        answer = await novita.chat.completions.create(**ASK)
        assert answer.choices[0].message.content == "third time"
