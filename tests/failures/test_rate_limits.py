"""429s: whose word counts, how long, and for whom."""

from __future__ import annotations

import asyncio
import email.utils
import itertools

import pytest
from helpers import ASK, CHAT, MODEL, Server, completion, connected, inside, refusal

import novita_async
from novita_async import Limits, RetryPolicy, Timeouts
from novita_async.errors import RateLimited
from novita_async.simulator import Refuse

# ------------------------------------------------------------------------------------- row 13: Retry-After


@pytest.mark.parametrize("as_date", [False, True], ids=["seconds", "date"])
@pytest.mark.parametrize("asked", [1, 61, 100])
@pytest.mark.parametrize("status", [429, 503])
async def test_row_13_retry_after_is_obeyed_to_the_letter(sim, clock, asked, as_date, status):
    sim.fault("POST", CHAT, Refuse.rate_limited(retry_after=asked, as_date=as_date, status=status))
    async with inside(sim) as novita:
        await novita.chat.completions.create(**ASK)
    first, second = (request.time for request in sim.requests)
    assert asked <= second - first <= asked + 1


async def test_row_13_a_date_is_measured_on_the_servers_own_clock(clock):
    ahead = clock.time() + 5000  # their clock, not ours

    def stamp(seconds):
        return email.utils.formatdate(ahead + seconds, usegmt=True)

    server = Server(clock, refusal(429, retry_after=stamp(30), date=stamp(0)), completion())
    async with connected(server, clock) as novita:
        await novita.chat.completions.create(**ASK)
    assert server.waits == [pytest.approx(30)]


@pytest.mark.parametrize("as_date", [False, True], ids=["seconds", "date"])
async def test_row_13_a_wait_that_exceeds_the_deadline_raises_at_once(sim, clock, as_date):
    sim.fault("POST", CHAT, Refuse.rate_limited(retry_after=90, as_date=as_date))
    async with inside(sim) as novita:
        with pytest.raises(RateLimited) as limited:
            await novita.chat.completions.create(**ASK, timeout=60)
    assert limited.value.retry_after == pytest.approx(90, abs=1)
    assert clock.monotonic() < 1
    assert len(sim.requests) == 1


async def test_row_13_without_a_deadline_the_patience_of_the_policy_is_the_end(sim, clock):
    sim.fault("POST", CHAT, Refuse.rate_limited(retry_after=3600))
    async with inside(sim) as novita:
        with pytest.raises(RateLimited) as limited:
            await novita.chat.completions.create(**ASK)
    assert limited.value.retry_after == 3600
    assert clock.monotonic() < 1


async def test_row_13_the_curve_is_in_the_users_hands(sim, clock):
    sim.fault("POST", CHAT, Refuse.with_status(503), times=None)
    assert novita_async.RetryPolicy is RetryPolicy
    async with inside(sim, retry=RetryPolicy(attempts=6, base=0.1, longest=0.3)) as novita:
        with pytest.raises(novita_async.NovitaError):
            await novita.chat.completions.create(**ASK)
    assert len(sim.requests) == 6
    times = [request.time for request in sim.requests]
    for number, (earlier, later) in enumerate(itertools.pairwise(times)):
        assert later - earlier <= min(0.1 * 2**number, 0.3)


# ------------------------------------------------------------------------------- row 14: one gate a model


async def test_row_14_five_hundred_calls_never_step_over_thirty_a_minute(sim, clock):
    sim.limit(MODEL, rpm=30)
    async with inside(sim, limits=Limits(rpm=30)) as novita:
        await asyncio.gather(*(novita.chat.completions.create(**ASK, max_tokens=1) for _ in range(500)))
    times = [request.time for request in sim.requests]
    assert len(times) == 500  # so the simulator, which counts too, refused none
    assert all(later - earlier >= 60 for earlier, later in zip(times, times[30:], strict=False))
    assert clock.monotonic() < 17 * 60  # and none of the allowance was wasted


async def test_row_14_one_refusal_pauses_everybody_who_wants_that_model_and_nobody_else(clock):
    asked = Server(clock, refusal(429, retry_after="20"), completion())
    limits = Limits(requests=1)  # so that the others are still waiting when the first is refused
    async with connected(asked, clock, limits=limits) as novita:
        other = {**ASK, "model": "another/model"}
        calls = [novita.chat.completions.create(**ASK) for _ in range(5)]
        await asyncio.gather(*calls, novita.chat.completions.create(**other))
    models = [request.body.split(b'"')[3].decode() for request in asked.requests]
    early = [model for model, time in zip(models, asked.times, strict=True) if time < 20]
    assert early.count(MODEL) <= 5
    assert "another/model" in early


async def test_row_14_one_refusal_holds_back_all_who_have_not_been_sent_yet(clock):
    server = Server(clock, refusal(429, retry_after="20"), completion())
    async with connected(server, clock) as novita:
        first = asyncio.create_task(novita.chat.completions.create(**ASK))
        await clock.sleep(1)
        await asyncio.gather(first, *(novita.chat.completions.create(**ASK) for _ in range(50)))
    assert server.times[0] == 0
    assert {round(time) for time in server.times[1:]} == {20}
    assert len(server.requests) == 52


@pytest.mark.parametrize("rpm", [5, None])
async def test_row_14_the_order_is_first_come_first_served(clock, rpm):
    order = []

    async def server(request):
        order.append(int(request.headers["x-number"]))
        return completion()

    async with connected(server, clock, limits=Limits(rpm=rpm, requests=3)) as novita:
        await asyncio.gather(
            *(novita.chat.completions.create(**ASK, extra_headers={"x-number": str(n)}) for n in range(40))
        )
    assert order == list(range(40))


async def test_row_14_those_who_were_sent_back_come_first_again_and_in_their_old_order(clock):
    order = []

    async def server(request):
        number = int(request.headers["x-number"])
        order.append(number)
        return refusal(429, retry_after="5") if len(order) <= 3 else completion()

    async with connected(server, clock, limits=Limits(rpm=3)) as novita:
        await asyncio.gather(
            *(novita.chat.completions.create(**ASK, extra_headers={"x-number": str(n)}) for n in range(9))
        )
    assert order == [0, 1, 2, 0, 1, 2, 3, 4, 5, 6, 7, 8]


# ------------------------------------------------------------ row 15: waiting for a turn is not being slow


async def test_row_15_time_at_the_gate_does_not_count_against_the_limit_of_an_attempt(sim, clock):
    async with inside(sim, limits=Limits(rpm=1), timeouts=Timeouts(attempt=5)) as novita:
        await asyncio.gather(*(novita.chat.completions.create(**ASK) for _ in range(4)))
    assert clock.monotonic() >= 180


async def test_row_14_a_full_client_cannot_save_up_sends_for_later(clock):
    """Those who passed the model's gate and wait for a slot count when they are sent, not when they passed."""

    async def server(request):
        times.append(clock.monotonic())
        await clock.sleep(59.9 if len(times) == 1 else 0)
        return completion()

    times: list[float] = []
    async with connected(server, clock, limits=Limits(rpm=3, requests=1)) as novita:
        await asyncio.gather(*(novita.chat.completions.create(**ASK) for _ in range(9)))
    assert all(later - earlier >= 60 for earlier, later in zip(times, times[3:], strict=False))


async def test_row_14_a_call_that_gives_up_takes_nothing_of_the_minute_with_it(clock):
    server = Server(clock, completion())
    async with connected(server, clock, limits=Limits(rpm=2, requests=1)) as novita:
        novita._core().slots.acquire_nowait()
        given_up = [asyncio.create_task(novita.chat.completions.create(**ASK)) for _ in range(5)]
        await clock.sleep(1)
        for call in given_up:
            call.cancel()
        await asyncio.wait(given_up)
        novita._core().slots.release()
        await asyncio.gather(*(novita.chat.completions.create(**ASK) for _ in range(2)))
    assert max(server.times) <= 1
