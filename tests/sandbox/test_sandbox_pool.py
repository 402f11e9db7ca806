"""Warm sandboxes: ready at once, never too many, and none left when the pool is closed."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import random
from typing import TYPE_CHECKING, Any

import pytest
from fake_platform import Platform, error, json, settled

from novita_async.errors import (
    APIError,
    BadRequest,
    ClientClosed,
    NovitaError,
    SandboxEnded,
    ValidationError,
)

if TYPE_CHECKING:
    from novita_async import AsyncNovita
    from novita_async.sandbox import Pool
    from novita_async.testing.clock import JumpClock
    from novita_async.transport.protocol import Reply, Request

_NUMBERS = itertools.count(1)


def quota_of(platform: Platform, limit: int, usage: int = 0) -> None:
    async def quota(request: Request) -> Reply:
        return json({"limit": {"concurrentInstances": limit}, "usage": {"concurrentInstances": usage}})

    platform.routes["GET /sandboxes/quota"] = quota


def born(platform: Platform) -> Reply:
    """A sandbox of its own, also when several come at once."""
    name = f"warm{next(_NUMBERS)}"
    platform.alive.add(name)
    return json({"sandboxID": name, "templateID": "base", "clientID": "c", "envdVersion": "0.5.7"}, 201)


def slowly(platform: Platform, clock: JumpClock, seconds: float) -> None:
    """Let a sandbox take its time to come."""

    async def wait(request: Request) -> Reply:
        await clock.sleep(seconds)
        return born(platform)

    platform.routes["POST /sandboxes"] = wait


async def full(pool: Pool) -> None:
    """Wait until the stock is there, without letting time pass."""
    for _ in range(100):
        if pool.warm == pool.size:
            return
        await settled()
    pytest.fail(f"{pool} does not fill")


async def test_a_warm_sandbox_is_handed_out_in_one_turn_of_the_loop(client: AsyncNovita, platform: Platform) -> None:
    async with client.sandboxes.pool("base", 2) as pool:
        await full(pool)
        before = len(platform.requests)
        turns: list[int] = []
        asyncio.get_running_loop().call_soon(turns.append, 1)
        async with pool.take() as sandbox:
            assert turns == []  # nothing else has run meanwhile
            assert len(platform.requests) == before
            assert sandbox.id in platform.alive
            assert (await sandbox.commands.run("true")).exit_code == 0
    assert platform.alive == set()


async def test_a_used_one_is_killed_and_another_takes_its_place(client: AsyncNovita, platform: Platform) -> None:
    async with client.sandboxes.pool("base", 2, metadata={"for": "tests"}) as pool:
        await full(pool)
        seen: set[str] = set()
        for _ in range(5):
            async with pool.take() as sandbox:
                assert sandbox.id not in seen
                seen.add(sandbox.id)
            await full(pool)
            assert sandbox.id not in platform.alive
            assert len(platform.alive) == 2
        assert repr(pool) == "<Pool open warm=2 starting=0 taken=0 ending=0 waiting=0>"
    assert platform.alive == set()
    assert repr(pool) == "<Pool closed warm=0 starting=0 taken=0 ending=0 waiting=0>"


async def test_who_comes_when_none_is_ready_waits_and_the_first_is_served_first(
    client: AsyncNovita, platform: Platform, clock: JumpClock
) -> None:
    slowly(platform, clock, 3)
    served: list[int] = []

    async def use(pool: Pool, number: int) -> None:
        async with pool.take():
            served.append(number)

    async with client.sandboxes.pool("base", 1) as pool, asyncio.TaskGroup() as group:
        for number in range(4):
            group.create_task(use(pool, number))
            await asyncio.sleep(0)
    assert served == [0, 1, 2, 3]
    assert clock.monotonic() < 4  # all that were missing were started at once
    assert platform.alive == set()


@pytest.mark.parametrize("how", ["most", "quota"])
async def test_there_are_never_more_than_there_may_be(
    client: AsyncNovita, platform: Platform, clock: JumpClock, how: str
) -> None:
    if how == "quota":
        quota_of(platform, limit=5, usage=2)
    slowly(platform, clock, 1)
    highest = 0

    async def use(pool: Pool) -> None:
        nonlocal highest
        async with pool.take():
            highest = max(highest, len(platform.alive))
            await clock.sleep(1)

    async with client.sandboxes.pool("base", 2, most=3 if how == "most" else None) as pool:
        assert pool.most == 3
        async with asyncio.TaskGroup() as group:
            for _ in range(10):
                group.create_task(use(pool))
    assert highest <= 3
    assert len(platform.sent("POST", "/sandboxes")) >= 10
    assert platform.alive == set()


async def test_lifetimes_are_begun_anew_while_they_wait_and_while_they_are_used(
    client: AsyncNovita, platform: Platform, clock: JumpClock
) -> None:
    ends: dict[str, float] = {}

    async def extend(request: Request) -> Reply | None:
        name = request.url.split("/")[-2]
        assert clock.monotonic() < ends.setdefault(name, 100), f"{name} was dead when it was extended"
        ends[name] = clock.monotonic() + 100
        return None

    platform.routes["POST /sandboxes/*"] = extend
    async with client.sandboxes.pool("base", 1, lifetime=100) as pool:
        await full(pool)
        await clock.sleep(1045)
        async with pool.take() as sandbox:
            await clock.sleep(1000)
            assert clock.monotonic() < ends[sandbox.id]
    sent = [request for request in platform.sent("POST", "/timeout") if f"/{sandbox.id}/" in request.url]
    assert 39 <= len(sent) <= 42


async def test_one_that_dies_while_it_waits_is_replaced(
    client: AsyncNovita, platform: Platform, clock: JumpClock
) -> None:
    async def extend(request: Request) -> Reply | None:
        name = request.url.split("/")[-2]
        return None if name in platform.alive else error(404, "sandbox not found")

    platform.routes["POST /sandboxes/*"] = extend
    async with client.sandboxes.pool("base", 2, lifetime=100) as pool:
        await full(pool)
        platform.alive.discard("sbx1")
        await clock.sleep(60)
        await full(pool)
        assert platform.alive == {"sbx2", "sbx3"}
        async with pool.take() as one, pool.take() as two:
            assert {one.id, two.id} == {"sbx2", "sbx3"}


async def test_one_that_dies_while_it_is_used_ends_its_block(
    client: AsyncNovita, platform: Platform, clock: JumpClock
) -> None:
    async def extend(request: Request) -> Reply | None:
        return error(404, "sandbox not found")

    async def use(pool: Pool) -> None:
        async with pool.take():
            platform.routes["POST /sandboxes/*"] = extend
            await clock.sleep(1000)

    async with client.sandboxes.pool("base", 1, lifetime=100) as pool:
        await full(pool)
        with pytest.raises(SandboxEnded):
            await use(pool)
        assert clock.monotonic() < 60
        assert pool.taken == 0
    assert platform.alive == set()


async def test_a_refusal_is_told_to_who_waits_and_the_stock_is_tried_again_later(
    client: AsyncNovita, platform: Platform, clock: JumpClock
) -> None:
    refusing = True

    async def refuse(request: Request) -> Reply | None:
        return error(400, "no such template") if refusing else None

    platform.routes["POST /sandboxes"] = refuse
    async with client.sandboxes.pool("nowhere", 2) as pool:
        with pytest.raises(BadRequest, match="no such template"):
            async with pool.take():
                pass
        await clock.sleep(600)
        asked = len(platform.sent("POST", "/sandboxes"))
        assert asked < 40  # the pauses grow
        refusing = False
        await clock.sleep(61)
        assert pool.warm == 2
        async with pool.take():
            pass


async def test_a_full_account_is_waited_for(client: AsyncNovita, platform: Platform, clock: JumpClock) -> None:
    async def limited(request: Request) -> Reply | None:
        return error(429, "too many sandboxes") if len(platform.alive) >= 2 else None

    platform.routes["POST /sandboxes"] = limited
    done: list[str] = []

    async def use(pool: Pool) -> None:
        async with pool.take() as sandbox:
            await clock.sleep(10)
            done.append(sandbox.id)

    async with client.sandboxes.pool("base", 2) as pool, asyncio.TaskGroup() as group:
        for _ in range(6):
            group.create_task(use(pool))
    assert len(done) == 6
    assert platform.alive == set()


async def test_closing_kills_those_in_use_and_tells_those_who_wait(
    client: AsyncNovita, platform: Platform, clock: JumpClock
) -> None:
    async def use(pool: Pool, ready: asyncio.Event) -> None:
        async with pool.take() as sandbox:
            ready.set()
            while True:
                await sandbox.commands.run("true")
                await clock.sleep(1)

    async def wait(pool: Pool) -> None:
        async with pool.take():
            pytest.fail("there was none to be had")

    ready = asyncio.Event()
    async with client.sandboxes.pool("base", 1, most=1) as pool:
        using = asyncio.create_task(use(pool, ready))
        await ready.wait()
        waiting = asyncio.create_task(wait(pool))
        await settled()
    assert platform.alive == set()
    with pytest.raises(SandboxEnded):
        await using
    with pytest.raises(ClientClosed):
        await waiting
    with pytest.raises(ClientClosed):
        await wait(pool)


async def test_a_taker_who_goes_away_in_any_turn_of_the_loop_takes_none_along(
    client: AsyncNovita, platform: Platform
) -> None:
    async def take(pool: Pool) -> None:
        async with pool.take():
            await asyncio.Event().wait()

    for turns in range(25):
        there = asyncio.Event()

        async def wait(request: Request, there: asyncio.Event = there) -> Reply:
            await there.wait()
            return born(platform)

        platform.routes["POST /sandboxes"] = wait
        async with client.sandboxes.pool("base", 1) as pool:
            taking = asyncio.create_task(take(pool))
            await settled()
            there.set()
            for _ in range(turns):
                await asyncio.sleep(0)
            taking.cancel()
            await asyncio.wait({taking})
            await settled()
            assert pool.taken == 0
            assert pool.warm == len(platform.alive) >= 1
        assert platform.alive == set()


async def test_closing_is_carried_through_a_cancellation(
    client: AsyncNovita, platform: Platform, clock: JumpClock
) -> None:
    async def slow(request: Request) -> Reply | None:
        await clock.sleep(3)
        return None

    async def work() -> None:
        async with client.sandboxes.pool("base", 3) as pool:
            await full(pool)

    platform.routes["DELETE /sandboxes/*"] = slow
    task = asyncio.create_task(work())
    while not platform.sent("DELETE", ""):
        await settled()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert platform.alive == set()


async def test_a_kill_that_fails_is_told_at_the_end(client: AsyncNovita, platform: Platform) -> None:
    async def broken(request: Request) -> Reply:
        return error(500, "boom")

    async with client.sandboxes.pool("base", 1) as pool:
        await full(pool)
        platform.routes["DELETE /sandboxes/*"] = broken
        with pytest.raises(APIError, match="boom"):
            await pool.__aexit__(None, None, None)
        del platform.routes["DELETE /sandboxes/*"]
    with pytest.raises(KeyError) as caught:  # noqa: PT012 - what the block raises is what is looked at
        async with client.sandboxes.pool("base", 1) as pool:
            await full(pool)
            platform.routes["DELETE /sandboxes/*"] = broken
            raise KeyError("mine")
    assert "could not be killed" in caught.value.__notes__[0]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"size": 0}, "size"),
        ({"size": 3, "most": 2}, "most is 2"),
        ({"size": 1, "most": 0}, "most"),
        ({"size": 1, "lifetime": -1}, "lifetime"),
        ({"size": 1, "envs": {"A": 1}}, "envs"),
    ],
)
async def test_a_pool_refuses_what_cannot_be_sent(
    client: AsyncNovita, platform: Platform, arguments: dict[str, Any], words: str
) -> None:
    with pytest.raises(ValidationError, match=words):
        client.sandboxes.pool("base", **arguments)
    assert platform.requests == []


async def test_a_pool_of_sandboxes_that_are_there(novita: AsyncNovita) -> None:
    async with novita.sandboxes.pool("base", 2, envs={"A": "one"}) as pool:
        assert pool.most == (await novita.sandboxes.quota()).limit.sandboxes
        for _ in range(3):
            async with pool.take() as sandbox:
                assert (await sandbox.commands.run("echo $A")).stdout == "one\n"
    assert await novita.sandboxes.list() == []


# ----------------------------------------------------------------------------------------------- whatever happens


class Weather:
    """A platform on which creates are slow, refused or lost, and sandboxes die by themselves."""

    def __init__(self, platform: Platform, clock: JumpClock, dice: random.Random, most: int) -> None:
        self.highest = 0
        self._platform, self._clock, self._dice, self._most = platform, clock, dice, most
        platform.routes["POST /sandboxes"] = self._create
        platform.routes["POST /sandboxes/*"] = self._extend
        platform.routes["DELETE /sandboxes/*"] = self._kill

    async def _create(self, request: Request) -> Reply | None:
        await self._clock.sleep(self._dice.choice([0, 0.1, 2, 7]))
        if len(self._platform.alive) >= self._most:
            pytest.fail("more sandboxes than there may be")
        match self._dice.randrange(12):
            case 0:
                return error(400, "no")
            case 1:
                return error(503, "not now")
            case _:
                return born(self._platform)

    async def _kill(self, request: Request) -> None:
        await self._clock.sleep(self._dice.choice([0, 1, 3]))

    async def _extend(self, request: Request) -> Reply | None:
        await self._clock.sleep(self._dice.choice([0, 1]))
        name = request.url.split("/")[-2]
        if self._dice.randrange(6) == 0:
            self._platform.alive.discard(name)
        return None if name in self._platform.alive else error(404, "gone")


@pytest.mark.parametrize("seed", range(12))
async def test_whatever_happens_nothing_is_left_and_none_is_used_twice(
    client: AsyncNovita, platform: Platform, clock: JumpClock, seed: int, over_sockets: bool
) -> None:
    dice = random.Random(seed)
    size = dice.randint(1, 4)
    most = size + dice.randint(0, 4)
    Weather(platform, clock, dice, most)
    used: set[str] = set()

    async def use(pool: Pool) -> None:
        await clock.sleep(dice.uniform(0, 60))
        async with pool.take() as sandbox:
            assert sandbox.id not in used
            used.add(sandbox.id)
            await clock.sleep(dice.choice([0, 1, 30, 200]))
            if dice.randrange(4) == 0:
                await sandbox.kill()
            if dice.randrange(4) == 0:
                raise KeyError("the user's own")

    users: list[asyncio.Task[None]] = []

    async def whole() -> None:
        async with client.sandboxes.pool("base", size, most=most, lifetime=40) as pool:
            users.extend(asyncio.create_task(use(pool)) for _ in range(12))
            for user in users:
                if dice.randrange(3) == 0:
                    clock.call_later(dice.uniform(0, 90), user.cancel)
            await clock.sleep(dice.choice([0, 5, 50, 400]))
            assert pool.warm + pool.taken <= most

    work = asyncio.create_task(whole())
    if dice.randrange(3) == 0:
        clock.call_later(dice.uniform(0, 60), work.cancel)
    with contextlib.suppress(asyncio.CancelledError):
        await work
    assert platform.alive == set(), f"left behind: {platform.alive}"
    for result in await asyncio.gather(*users, return_exceptions=True):
        assert result is None or isinstance(result, KeyError | NovitaError | asyncio.CancelledError), repr(result)
    assert platform.alive == set()
    if not over_sockets:  # a server's connections are tasks
        assert asyncio.all_tasks() == {asyncio.current_task()}
