"""The gates: order, bounds, and nothing lost when somebody leaves at the wrong moment."""

from __future__ import annotations

import asyncio

import pytest
from helpers import turns
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, multiple, rule

from novita_async.errors import ClientClosed
from novita_async.runtime.gate import Gate
from novita_async.runtime.rates import RateGate


async def queue(gate, count, **options):
    """So many tasks, in line at a gate; and the list to which each adds its number when it is through."""
    through: list[int] = []

    async def enter(number):
        await gate.acquire(**options)
        through.append(number)

    tasks = [asyncio.create_task(enter(number)) for number in range(count)]
    await turns()
    return tasks, through


async def drop(tasks):
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


# ------------------------------------------------------------------------------------------ so many at once


async def test_a_free_slot_is_taken_without_a_turn_of_the_loop():
    gate = Gate(2)
    entering = gate.acquire()
    with pytest.raises(StopIteration):
        entering.send(None)
    assert gate.acquire_nowait()
    assert not gate.acquire_nowait()
    assert (gate.free, gate.waiting) == (0, 0)
    assert repr(gate) == "<Gate 2/2 taken, 0 waiting>"


async def test_slots_are_given_in_order_of_arrival():
    gate = Gate(2)
    tasks, through = await queue(gate, 6)
    assert (through, gate.waiting) == ([0, 1], 4)
    for expected in range(2, 6):
        gate.release()
        await turns()
        assert through[-1] == expected
    assert gate.waiting == 0
    await asyncio.gather(*tasks)


async def test_nobody_overtakes_by_arriving_in_the_turn_of_a_release():
    gate = Gate(1)
    tasks, through = await queue(gate, 2)
    gate.release()
    assert not gate.acquire_nowait()
    late = asyncio.create_task(gate.acquire())
    await turns()
    assert through == [0, 1]
    assert not late.done()
    await drop([late, *tasks])


async def test_a_higher_priority_goes_first_and_its_own_come_in_order():
    gate = Gate(1)
    gate.acquire_nowait()
    order = []

    async def enter(name, **rank):
        await gate.acquire(**rank)
        order.append(name)
        gate.release()

    ranks = [("a", 0), ("b", 5), ("c", -1), ("d", 5), ("e", 0)]
    tasks = [asyncio.create_task(enter(name, priority=priority)) for name, priority in ranks]
    back = asyncio.create_task(enter("sent back", priority=0, first=True))
    await turns()
    gate.release()
    await asyncio.gather(*tasks, back)
    assert order == ["b", "d", "sent back", "a", "e", "c"]
    assert (gate.free, gate.waiting) == (1, 0)


async def test_who_is_cancelled_in_line_takes_nothing():
    gate = Gate(1)
    tasks, through = await queue(gate, 4)
    await drop(tasks[1:3])
    assert gate.waiting == 1
    gate.release()
    await turns()
    assert through == [0, 3]
    gate.release()
    assert gate.free == 1


async def test_who_is_cancelled_in_the_turn_of_being_let_in_passes_the_place_on():
    gate = Gate(1)
    tasks, through = await queue(gate, 3)
    gate.release()  # the place is the second one's, who has not run since
    tasks[1].cancel()
    await turns()
    assert through == [0, 2]
    assert tasks[1].cancelled()
    gate.release()
    assert gate.free == 1


async def test_who_is_cancelled_before_the_release_is_passed_over():
    gate = Gate(1)
    tasks, through = await queue(gate, 3)
    tasks[1].cancel()  # cancelled, and still in line
    gate.release()
    await turns()
    assert through == [0, 2]
    await drop(tasks)
    gate.release()
    assert gate.free == 1


async def test_closing_sends_everyone_in_line_away():
    gate = Gate(1)
    tasks, _ = await queue(gate, 4)
    tasks[3].cancel()
    gate.close(ClientClosed("closed"))
    results = await asyncio.gather(*tasks, return_exceptions=True)
    assert [type(result).__name__ for result in results] == [
        "NoneType",
        "ClientClosed",
        "ClientClosed",
        "CancelledError",
    ]


# --------------------------------------------------------------------------------------- so many a minute


async def pass_through(gate, clock, times):
    await gate.acquire()
    gate.sent()
    times.append(clock.monotonic())


async def test_without_a_rate_everybody_passes_at_once(clock):
    gate = RateGate(clock, None)
    times: list[float] = []
    await asyncio.gather(*(pass_through(gate, clock, times) for _ in range(1000)))
    assert set(times) == {0}


@pytest.mark.parametrize("rpm", [1, 3, 30])
async def test_no_window_of_a_minute_has_more_than_the_rate(clock, rpm):
    gate = RateGate(clock, rpm)
    times: list[float] = []

    async def arrive(number):
        await clock.sleep(number * 7 % 100)
        await pass_through(gate, clock, times)

    await asyncio.gather(*(arrive(number) for number in range(5 * rpm)))
    assert all(later - earlier >= 60 for earlier, later in zip(times, times[rpm:], strict=False))
    assert times[-1] <= 100 + 60.1 * 5


async def test_a_pause_holds_everybody_and_the_longest_one_counts(clock):
    gate = RateGate(clock, None)
    times: list[float] = []
    gate.pause(10)
    waiting = [asyncio.create_task(pass_through(gate, clock, times)) for _ in range(3)]
    await clock.sleep(1)
    gate.pause(30)
    gate.pause(2)
    await asyncio.gather(*waiting)
    assert times == [31, 31, 31]
    await pass_through(gate, clock, times)
    assert times[-1] == 31


async def test_those_who_were_sent_back_go_first_in_their_own_order(clock):
    gate = RateGate(clock, None)
    gate.pause(10)
    order: list[str] = []

    async def enter(name, *, first):
        await gate.acquire(first=first)
        gate.sent()
        order.append(name)

    names = [("a", False), ("b", True), ("c", False), ("d", True), ("e", True)]
    await asyncio.gather(*(enter(name, first=first) for name, first in names))
    assert order == ["b", "d", "e", "a", "c"]


async def test_who_leaves_the_line_or_does_not_send_takes_nothing_of_the_minute(clock):
    gate = RateGate(clock, 2)
    times: list[float] = []
    await gate.acquire()
    await gate.acquire()
    leaving, _ = await queue(gate, 2)
    waiting = [asyncio.create_task(pass_through(gate, clock, times)) for _ in range(2)]
    await turns()
    await drop(leaving)
    gate.unsent()
    gate.unsent()
    await asyncio.gather(*waiting)
    assert times == [0, 0]


async def test_a_closed_gate_leaves_no_timer(clock):
    gate = RateGate(clock, 1)
    times: list[float] = []
    await pass_through(gate, clock, times)
    waiting = asyncio.create_task(pass_through(gate, clock, times))
    await turns()
    gate.close(ClientClosed("closed"))
    with pytest.raises(ClientClosed):
        await waiting
    before = clock.jumps
    await clock.sleep(1000)
    assert clock.jumps == before + 1  # our own sleep


# ------------------------------------------------------------------------------------------- any sequence


class ByHand:
    """A clock that stands still until it is turned, and has the one timer that a gate sets."""

    def __init__(self):
        self.now = 0.0
        self.timers: dict[int, tuple[float, object]] = {}
        self.count = 0

    def monotonic(self):
        return self.now

    def call_later(self, seconds, callback):
        self.count += 1
        number = self.count
        self.timers[number] = (self.now + seconds, callback)

        class Handle:
            cancel = staticmethod(lambda: self.timers.pop(number, None))

        return Handle()

    def turn(self, seconds):
        until = self.now + seconds
        while due := [(when, number) for number, (when, _) in self.timers.items() if when <= until]:
            when, number = min(due)
            self.now = max(self.now, when)
            self.timers.pop(number)[1]()
        self.now = until


class Gates(RuleBasedStateMachine):
    """Both gates as a call passes them, under any sequence of arrivals, ends, cancellations and time."""

    calls = Bundle("calls")
    SLOTS, RPM, TPM = 2, 3, 100

    def __init__(self):
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.clock = ByHand()
        self.slots = Gate(self.SLOTS)
        self.rate = RateGate(self.clock, self.RPM, self.TPM)
        self.sent: list[float] = []
        self.used: dict[int, int] = {}  # by call, in the order of sending: its need until it ends, then what it used
        self.sent_at: dict[int, float] = {}
        self.ended_at: dict[int, float] = {}
        self.order: dict[int, list[int]] = {}
        self.running: dict[int, asyncio.Event] = {}
        self.count = 0

    def settle(self):
        self.loop.run_until_complete(turns(10))

    async def call(self, number, priority, need, used):
        await self.rate.acquire(need, priority=priority)
        try:
            await self.slots.acquire(priority=priority)
        except BaseException:
            self.rate.unsent(need)
            raise
        self.rate.sent()
        self.sent.append(self.clock.now)
        self.sent_at[number] = self.clock.now
        self.used[number] = need
        self.order.setdefault(priority, []).append(number)
        self.running[number] = asyncio.Event()
        try:
            await self.running[number].wait()
            self.used[number] = used
        finally:
            del self.running[number]
            self.ended_at[number] = self.clock.now
            self.slots.release()
            step = self.rate.ended(need)
            self.rate.corrected(step, self.used[number] - need)

    @rule(
        target=calls,
        count=st.integers(1, 5),
        priority=st.sampled_from([0, 0, 1, -1]),
        need=st.sampled_from([0, 1, 30, 40, 60, 100, 150]),
        part=st.sampled_from([0.0, 0.5, 1.0]),
    )
    def arrive(self, count, priority, need, part):
        tasks = []
        for _ in range(count):
            self.count += 1
            call = self.call(self.count, priority, need, int(need * part))
            tasks.append((self.count, self.loop.create_task(call)))
        self.settle()
        return multiple(*tasks)

    @rule(call=calls)
    def end(self, call):
        number, _ = call
        if number in self.running:
            self.running[number].set()
            self.settle()

    @rule(call=consumes(calls), at_once_with=calls)
    def cancel_in_the_turn_of_another_end(self, call, at_once_with):
        if at_once_with[0] in self.running:
            self.running[at_once_with[0]].set()
        call[1].cancel()
        self.settle()

    @rule(seconds=st.sampled_from([0.0, 0.04, 1.0, 30.0, 59.99, 60.0, 61.0, 200.0]))
    def wait(self, seconds):
        self.clock.turn(seconds)
        self.settle()

    @rule(seconds=st.sampled_from([1.0, 45.0, 90.0]))
    def pause(self, seconds):
        self.rate.pause(seconds)

    @invariant()
    def never_more_than_the_slots(self):
        assert len(self.running) <= self.SLOTS
        assert self.slots.free == self.SLOTS - len(self.running)

    @invariant()
    def never_more_than_the_rate(self):
        assert all(later - earlier >= 60 for earlier, later in zip(self.sent, self.sent[self.RPM :], strict=False))

    @invariant()
    def never_more_tokens_than_the_rate_whenever_they_count(self):
        for moments in (self.sent_at, self.ended_at):
            for end in moments.values():
                window = [number for number, moment in moments.items() if end - 60 < moment <= end]
                tokens = [self.used[number] for number in window if self.used[number]]
                assert sum(tokens) <= self.TPM or len(tokens) == 1  # what is too large for any minute goes alone

    @invariant()
    def first_come_first_served_in_each_priority(self):
        for order in self.order.values():
            assert order == sorted(order)

    def teardown(self):
        """Whatever happened: with time, and with everyone ending, the line empties."""
        for _ in range(self.count + 1):
            for event in self.running.values():
                event.set()
            self.settle()
            self.clock.turn(100)
            self.settle()
        assert (self.slots.waiting, self.rate.waiting, len(self.running)) == (0, 0, 0)
        assert self.slots.free == self.SLOTS
        self.loop.close()


TestGates = Gates.TestCase
TestGates.settings = settings(max_examples=60, stateful_step_count=30, deadline=None, derandomize=True)
