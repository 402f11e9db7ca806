"""Rates of a model: tokens, what refusals and headers teach, the tiers, and estimates of what a call may use."""

from __future__ import annotations

import asyncio
import pathlib

import msgspec
import pytest
import yaml
from helpers import turns

from novita_async.config import Limits
from novita_async.errors import ConfigError
from novita_async.runtime.meter import estimate
from novita_async.runtime.rates import RateGate, rates_of
from novita_async.runtime.tiers import RPM, TPM, USUAL_RPM

CONTRACT = pathlib.Path(__file__).parent.parent.parent / "contract" / "llm.openapi.yaml"


async def pass_one(gate, need=0):
    await gate.acquire(need)
    return gate.sent()


async def passed_within(gate, clock, seconds, count=200):
    """How many of so many who come now are let through within that time."""
    waiting = [asyncio.create_task(pass_one(gate)) for _ in range(count)]
    await clock.sleep(seconds)
    passed = sum(task.done() for task in waiting)
    for task in waiting:
        task.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)
    return passed


# ------------------------------------------------------------------------------------------------ tokens


async def test_a_call_waits_until_its_tokens_fit_and_passes_at_once_when_another_used_less(clock):
    gate = RateGate(clock, None, 100)
    await pass_one(gate, 70)
    waiting = asyncio.create_task(pass_one(gate, 60))
    await turns()
    step = gate.ended(70)
    await turns()
    assert not waiting.done()  # the minute of what was used begins with the end
    gate.corrected(step, 40 - 70)
    await turns()
    assert waiting.done()
    assert clock.monotonic() == 0


async def test_a_call_that_never_fits_goes_alone(clock):
    gate = RateGate(clock, None, 100)
    first = await pass_one(gate, 1)
    gate.ended(1)
    await pass_one(gate, 5000)
    assert clock.monotonic() == pytest.approx(60.1, abs=0.06)
    assert first[0] < 0  # the step of the first is forgotten, and no longer to be mended
    gate.corrected(first, 1000)
    assert not gate.acquire_nowait(1)


async def test_what_is_remembered_of_a_minute_is_bounded_whatever_the_rate(clock):
    gate = RateGate(clock, None)
    for _ in range(4000):
        for _ in range(5):
            gate.send_freely()
        await clock.sleep(0.05)
    assert len(gate._window._steps) <= 1250
    assert gate._window.sends == pytest.approx(6000, rel=0.01)


# ------------------------------------------------------------------------------------ what refusals teach


async def refuse(gate, sent, passed):
    """Send so many at once, of which all but so many are refused."""
    steps = [await pass_one(gate) for _ in range(sent)]
    for step in steps[passed:]:
        gate.refused(step, tokens=False)


async def test_a_burst_that_was_refused_in_part_teaches_how_many_were_let_in(clock):
    gate = RateGate(clock, None)
    await refuse(gate, 100, 40)
    await clock.sleep(61)
    assert await passed_within(gate, clock, 50) == 40


async def test_a_refusal_below_any_accounts_limit_teaches_nothing(clock):
    gate = RateGate(clock, None)
    await refuse(gate, 20, 5)
    assert await passed_within(gate, clock, 1) == 200


async def test_what_was_taught_holds_for_five_minutes_rises_by_a_tenth_and_is_forgotten(clock):
    gate = RateGate(clock, None)
    await refuse(gate, 100, 40)
    for minutes, expected in [(4, 40), (2.1, 44), (2, 53), (40, 200)]:
        await clock.sleep(minutes * 60)
        assert await passed_within(gate, clock, 0.01) == expected
    assert gate.send_freely() is not None  # free as one that never refused


async def test_what_was_taught_is_never_above_what_the_caller_said(clock):
    gate = RateGate(clock, 35)
    for _ in range(2):
        gate.hear({"x-ratelimit-limit-requests": "1000"})
        assert await passed_within(gate, clock, 0.01) == 35
        await clock.sleep(61)
    await refuse(gate, 35, 31)
    await clock.sleep(61)
    assert await passed_within(gate, clock, 0.01) == 31
    await clock.sleep(3600)
    assert await passed_within(gate, clock, 0.01) == 35


async def test_a_refusal_never_raises_what_is_believed(clock):
    gate = RateGate(clock, None)
    gate.hear({"x-ratelimit-limit-requests": "10"})
    await refuse(gate, 10, 9)
    await clock.sleep(61)
    assert await passed_within(gate, clock, 0.01) == 10


async def test_tokens_are_counted_from_the_first_refusal_on_and_the_next_one_teaches(clock):
    gate = RateGate(clock, None)
    step = await pass_one(gate)
    assert not gate.counts_tokens
    gate.refused(step, tokens=True)
    assert gate.counts_tokens
    for _ in range(4):
        await pass_one(gate, 5000)
        gate.ended(5000)
    gate.refused(await pass_one(gate), tokens=True)
    waiting = asyncio.create_task(pass_one(gate, 1))
    await clock.sleep(59)
    assert not waiting.done()
    await clock.sleep(2)
    assert waiting.done()


# ----------------------------------------------------------------------------------- what headers say


async def test_a_limit_in_the_headers_is_held_to(clock):
    gate = RateGate(clock, None)
    gate.hear({"x-ratelimit-limit-requests": "12", "x-ratelimit-limit-tokens": "50"})
    assert gate.counts_tokens
    assert await passed_within(gate, clock, 1) == 12


@pytest.mark.parametrize(
    ("reset", "seconds"),
    [("2s", 2), ("1m1.5s", 60), ("0m3s", 3), ("500ms", 0.5), ("7", 7), ("1h", 60), ("1760000000", 60)],
)
@pytest.mark.parametrize("kind", ["requests", "tokens"])
async def test_nothing_remaining_pauses_until_the_reset_and_never_longer_than_a_minute(clock, kind, reset, seconds):
    gate = RateGate(clock, None)
    gate.hear({f"x-ratelimit-remaining-{kind}": "0", f"x-ratelimit-reset-{kind}": reset})
    await pass_one(gate)
    assert clock.monotonic() == pytest.approx(seconds)


@pytest.mark.parametrize("value", ["", "soon", "nan", "inf", "-3", "0", "1.5.5s"])
async def test_headers_that_make_no_sense_change_nothing(clock, value):
    gate = RateGate(clock, None)
    names = [f"x-ratelimit-{what}-requests" for what in ("limit", "reset")]
    gate.hear({**dict.fromkeys(names, value), "x-ratelimit-remaining-requests": "0"})
    assert await passed_within(gate, clock, 0.01) == 200
    assert clock.monotonic() < 1


async def test_a_model_that_sends_no_headers_is_not_asked_for_them_until_it_refuses(clock):
    gate = RateGate(clock, None)
    gate.hear({"content-type": "application/json"})
    assert not gate.listens
    gate.refused(await pass_one(gate), tokens=False)
    assert gate.listens
    gate.hear({"x-ratelimit-remaining-requests": "7"})
    assert gate.listens
    assert await passed_within(gate, clock, 0.01) == 200  # some remaining is no reason to wait


# ------------------------------------------------------------------------------------------- the tiers


def test_the_table_of_the_tiers_is_that_of_the_contract():
    table = yaml.safe_load(CONTRACT.read_text("utf-8"))["x-rate-limits"]
    assert list(USUAL_RPM) == table["rpm_default"]
    assert {model: list(numbers) for model, numbers in RPM.items()} == table["rpm_exceptions"]
    assert table["tpm_all_models_all_tiers"] == TPM


@pytest.mark.parametrize(
    ("limits", "model", "expected"),
    [
        (Limits(), "a/b", (None, None)),
        (Limits(tier="T1"), "a/b", (30, TPM)),
        (Limits(tier="T4"), "a/b", (3000, TPM)),
        (Limits(tier="T5"), "deepseek/deepseek-v3.2", (3000, TPM)),
        (Limits(tier="T2", rpm=7), "a/b", (7, TPM)),
        (Limits(tier="T2", rpm={"c/d": 7}, tpm={"a/b": 9}), "a/b", (100, 9)),
        (Limits(tier="T2"), "txt2img", (None, None)),  # a media model: tiers do not speak of these
        (Limits(tpm=5), "a/b", (None, 5)),
    ],
)
def test_a_models_rates_are_the_callers_then_those_of_the_tier(limits, model, expected):
    assert rates_of(limits, model) == expected


@pytest.mark.parametrize("bad", [{"tier": "T6"}, {"tier": "t1"}, {"tpm": 0}, {"tpm": {"a/b": -1}}])
def test_limits_that_cannot_be_are_refused(bad):
    with pytest.raises(ConfigError):
        Limits(**bad)


# ------------------------------------------------------------------------------------------- estimates


@pytest.mark.parametrize(
    ("body", "answers", "longest"),
    [
        ({"messages": []}, 1, None),
        ({"max_tokens": 50}, 1, 50),
        ({"max_tokens": 50, "n": 3}, 3, 50),
        ({"max_tokens": 50, "n": 2, "best_of": 5}, 5, 50),
        ({"max_output_tokens": 9}, 1, 9),
        ({"prompt": ["a", "b", "c"], "n": 2, "max_tokens": 4}, 6, 4),
        ({"prompt": [[1, 2], [3]], "max_tokens": 4}, 2, 4),
        ({"prompt": [1, 2, 3], "max_tokens": 4}, 1, 4),
        ({"max_tokens": "many", "n": True}, 1, None),
        (["no object"], 1, None),
    ],
)
def test_an_estimate_bounds_the_answers(body, answers, longest):
    data = msgspec.json.encode(body)
    found = estimate(data)
    assert (found.prompt, found.answers, found.longest) == (len(data) // 4, answers, longest)
    assert found.total == len(data) // 4 + answers * (longest or 0)


def test_letters_outside_ascii_count_by_two_bytes():
    assert estimate(b"x" * 400).prompt == 100
    assert estimate("灯塔".encode() * 100).prompt == 300


def test_a_body_that_is_read_once_cannot_be_estimated():
    async def parts():
        yield b"x"

    assert estimate(parts()).total == estimate(None).total == 0
