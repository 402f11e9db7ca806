"""429s: whose word counts, how long, and for whom."""

from __future__ import annotations

import asyncio
import email.utils
import itertools

import pytest
from helpers import ASK, CHAT, MODEL, Server, completion, connected, inside, json_reply, refusal

import novita_async
from novita_async import Limits, RetryPolicy, Timeouts
from novita_async.errors import RateLimited
from novita_async.runtime.call import Call
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
        numbers = ({"extra_headers": {"x-number": str(number)}} for number in range(500))
        await asyncio.gather(*(novita.chat.completions.create(**ASK, max_tokens=1, **number) for number in numbers))
    times = [request.time for request in sim.requests]
    assert len(times) == 500  # so the simulator, which counts too, refused none
    assert [int(request.headers["x-number"]) for request in sim.requests] == list(range(500))
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


# ----------------------------------------------------------------- tokens, tiers, priorities, and what is learned


def windows_hold(times, limit):
    return all(later - earlier >= 60 for earlier, later in zip(times, times[limit:], strict=False))


async def test_five_hundred_calls_learn_a_limit_that_nobody_told_them_and_no_caller_sees_a_refusal(sim, clock):
    sim.limit(MODEL, rpm=30)
    async with inside(sim) as novita:
        calls = (novita.chat.completions.create(**ASK, max_tokens=1) for _ in range(500))
        answers = await asyncio.gather(*calls)
    assert len(answers) == 500
    # The first burst is all of it; from then on about as many are sent as are let in.
    assert len(sim.requests) < 1000 + 3 * 17
    assert clock.monotonic() < 18 * 60


@pytest.mark.parametrize("limits", [{"tier": "T1"}, {"rpm": 30}], ids=["tier", "rpm"])
async def test_a_tier_is_held_to_and_the_order_kept(sim, clock, limits):
    sim.limit(MODEL, rpm=30)
    order = []
    async with inside(sim, limits=Limits(**limits)) as novita:

        async def ask(number):
            await novita.chat.completions.create(**ASK, max_tokens=1, extra_headers={"x-number": str(number)})
            order.append(number)

        await asyncio.gather(*(ask(number) for number in range(100)))
    times = [request.time for request in sim.requests]
    assert len(times) == 100
    assert windows_hold(times, 30)
    assert order == list(range(100))


@pytest.mark.parametrize("stream", [False, True])
async def test_tokens_a_minute_are_held_to_and_settled_with_what_was_used(sim, clock, stream):
    sim.limit(MODEL, tpm=1000)
    async with inside(sim, limits=Limits(tpm=1000), retry=RetryPolicy(attempts=1)) as novita:
        call = {**ASK, "max_tokens": 200}

        async def ask():
            if stream:
                async with novita.chat.completions.stream(**call) as answer:
                    return (await answer.final()).usage
            return (await novita.chat.completions.create(**call)).usage

        usages = await asyncio.gather(*(ask() for _ in range(40)))
    used = sum(usage.total_tokens for usage in usages)
    # By the estimate only 4 fit into a minute; those that used less let others in.
    assert used < 40 * 60
    assert clock.monotonic() < 4 * 60
    assert len(sim.requests) == 40


async def test_a_token_refusal_pauses_and_what_it_taught_keeps_the_next_ones_away(clock):
    answers = [refusal(429, "TOKEN_LIMIT_EXCEEDED", retry_after="5"), completion()]
    server = Server(clock, *answers)
    async with connected(server, clock) as novita:
        await novita.chat.completions.create(**ASK)
        assert server.waits == [pytest.approx(5)]
        await novita.chat.completions.create(**ASK)
        assert server.times[-1] == pytest.approx(5)  # one refusal alone holds nobody back for longer
        assert novita._core().rate(MODEL).counts_tokens


async def test_a_higher_priority_goes_first_at_the_rate_and_at_the_slots(clock):
    for limits in (Limits(rpm=1), Limits(requests=1)):
        order = []

        async def server(request):
            order.append(request.headers["x-name"])  # noqa: B023 - awaited within this turn of the loop
            await clock.sleep(1)
            return completion()

        async with connected(server, clock, limits=limits) as novita:
            urgent = novita.with_options(priority=1)
            later = novita.with_options(priority=-1)

            def ask(client, name):
                return client.chat.completions.create(**ASK, extra_headers={"x-name": name})

            await asyncio.gather(
                ask(novita, "first"),
                ask(later, "later"),
                ask(novita, "plain 1"),
                ask(urgent, "urgent 1"),
                ask(novita, "plain 2"),
                ask(urgent, "urgent 2"),
            )
        assert order == ["first", "urgent 1", "urgent 2", "plain 1", "plain 2", "later"]


async def test_the_priority_of_a_call_wins_over_that_of_its_client(clock):
    server = Server(clock, completion())
    async with connected(server, clock, limits=Limits(requests=1)) as novita:
        runtime = novita.with_options(priority=2)._core()
        runtime.slots.acquire_nowait()
        calls = [Call(method="GET", url=f"http://novita.test/{n}", priority=n) for n in (1, None, 3)]
        waiting = [asyncio.create_task(runtime.request(call)) for call in calls]
        await clock.sleep(1)
        runtime.slots.release()
        await asyncio.gather(*waiting)
    assert [request.url[-1] for request in server.requests] == ["3", "e", "1"]


@pytest.mark.parametrize("priority", [True, 1.5, "high"])
async def test_a_priority_is_an_integer(novita, priority):
    with pytest.raises(novita_async.errors.ConfigError, match="priority"):
        novita.with_options(priority=priority)


async def test_waiting_for_the_rate_counts_toward_the_deadline_and_is_no_send(sim, clock):
    async with inside(sim, limits=Limits(rpm=1)) as novita:
        await novita.chat.completions.create(**ASK)
        with pytest.raises(novita_async.errors.CallTimeout) as late:
            await novita.chat.completions.create(**ASK, timeout=30)
        assert (late.value.limit, late.value.sent) == ("total", False)
        assert clock.monotonic() == pytest.approx(30, abs=0.1)
        await novita.chat.completions.create(**ASK)  # who gave up took nothing with it
    assert clock.monotonic() < 61


async def test_headers_that_say_nothing_remains_hold_the_next_call_back(clock):
    left = {"x_ratelimit_remaining_requests": "0", "x_ratelimit_reset_requests": "12s"}
    server = Server(clock, json_reply({"choices": []}, **left), completion())
    async with connected(server, clock) as novita:
        await novita.chat.completions.create(**ASK)
        await novita.chat.completions.create(**ASK)
    assert server.waits == [pytest.approx(12)]


async def test_what_failed_and_was_not_billed_gives_its_tokens_back(clock):
    server = Server(clock, refusal(400, "INVALID_REQUEST_BODY"), completion())
    async with connected(server, clock, limits=Limits(tpm=1000)) as novita:
        with pytest.raises(novita_async.errors.BadRequest):
            await novita.chat.completions.create(**ASK, max_tokens=900)
        await novita.chat.completions.create(**ASK, max_tokens=900)
        assert clock.monotonic() == 0
        await novita.chat.completions.create(**ASK, max_tokens=900)  # that one told no usage: its estimate counts
        assert clock.monotonic() >= 60
