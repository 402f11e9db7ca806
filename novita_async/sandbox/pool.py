"""Sandboxes that stand ready before they are wanted.

What the pool does happens in `_top_up`, which compares what there is with what there should be: it is called whenever
one of the two has changed. Everything that it counts is in one of four places: starting, warm, taken, ending.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING, Any, Self

from ..errors import ClientClosed, NotFound, NovitaError, RateLimited, ValidationError
from ..runtime.clock import uninterrupted
from .bodies import check_count
from .keeping import KeepAlive

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine
    from types import TracebackType

    from ..runtime.clock import Clock, TimerHandle
    from .keeping import Opening
    from .metrics import Quota
    from .session import Sandbox

__all__ = ["Pool", "Taken"]

_FIRST_PAUSE = 1.0  # seconds after a create that failed, twice as many after each further one
_LONGEST_PAUSE = 60.0


class _Entry:
    """A sandbox of the pool, and when its lifetime was last begun anew."""

    def __init__(self, sandbox: Sandbox, born: float) -> None:
        self.sandbox = sandbox
        self.fresh_at = born
        self.minder: asyncio.Task[None] | None = None


class Pool:
    """Warm sandboxes: `async with pool.take() as sandbox:`, inside `async with novita.sandboxes.pool(...) as pool:`.

    A sandbox is used once: it is killed when its block is left, and another one takes its place in the background, as
    for one that dies while it waits. Leaving the pool kills all that there are, also those still in use.

    Attributes:
        size: how many are kept ready.
        most: how many there are at once, those in use and on their way among them; None for no limit. Set when the
            pool is entered: as many as the account has room for, unless fewer were wanted.
    """

    def __init__(
        self,
        create: Callable[[], Opening],
        quota: Callable[[], Coroutine[Any, Any, Quota]],
        clock: Clock,
        *,
        size: int,
        most: int | None,
        lifetime: float,
    ) -> None:
        check_count("size", size, 1)
        if most is not None:
            check_count("most", most, 1)
            if most < size:
                raise ValidationError(f"most is {most}, fewer than the {size} that are to be kept ready")
        self.size = size
        self.most = most
        self._wanted_most = most
        self._create = create
        self._quota = quota
        self._clock = clock
        self._lifetime = lifetime
        self._open = False
        self._warm: deque[_Entry] = deque()
        self._taken: set[_Entry] = set()
        self._waiters: deque[asyncio.Future[_Entry]] = deque()
        self._starting: set[asyncio.Task[None]] = set()
        self._ending: set[asyncio.Task[None]] = set()
        self._minding: set[asyncio.Task[None]] = set()
        self._pause = 0.0  # seconds
        self._timer: TimerHandle | None = None  # runs while the pool pauses after a failure
        self._failures: list[Exception] = []

    def __repr__(self) -> str:
        return (
            f"<Pool {'open' if self._open else 'closed'} warm={self.warm} starting={len(self._starting)} "
            f"taken={self.taken} ending={len(self._ending)} waiting={len(self._waiters)}>"
        )

    @property
    def warm(self) -> int:
        """How many stand ready."""
        return len(self._warm)

    @property
    def taken(self) -> int:
        """How many are in use."""
        return len(self._taken)

    def take(self) -> Taken:
        """A sandbox for the length of a block: at once when one stands ready, else as soon as there is one; first
        come, first served. It lives as long as its block.

        Raises from the block's beginning:
            ClientClosed: the pool is not open.
            APIError, TransportError: no sandbox can be made.

        Raises from the block:
            SandboxEnded: it is gone, and the block was cancelled.
        """
        return Taken(self._lend, self._mind, self._give_back)

    # ------------------------------------------------------------------------------------ open and closed

    async def __aenter__(self) -> Self:
        if self._open:
            raise ValidationError("the pool is open already")
        self.most = self._wanted_most
        try:
            quota = await self._quota()
        except NotFound:
            pass  # the platform's older domains tell none
        else:
            if quota.limit.sandboxes is not None:
                room = max(1, quota.limit.sandboxes - (quota.usage.sandboxes or 0))
                self.most = room if self.most is None else min(self.most, room)
        self._open = True
        self._top_up()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await uninterrupted(self._drain())
        failures, self._failures = self._failures, []
        if failures and error is None:
            raise failures[0]
        for failure in failures:
            assert error is not None
            error.add_note(f"a sandbox of the pool could not be killed: {failure}")

    async def _drain(self) -> None:
        """End everything. What is being made is not waited for: a create that is cancelled leaves nothing behind."""
        self._open = False
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        for waiter in self._waiters:
            if not waiter.done():
                waiter.set_exception(ClientClosed("the pool was closed"))
        self._waiters.clear()
        for task in self._starting:
            task.cancel()
        if self._starting:
            await asyncio.wait(self._starting)
        while self._warm:
            self._end(self._warm.popleft())
        for entry in tuple(self._taken):
            self._end(entry)
        if self._ending or self._minding:
            await asyncio.wait(self._ending | self._minding)

    # -------------------------------------------------------------------------------------- from hand to hand

    async def _lend(self) -> _Entry:
        """Take one, for a block."""
        if not self._open:
            raise ClientClosed("the pool is not open: use it inside its `async with`")
        if self._warm:
            entry = self._warm.popleft()
        else:
            waiter = asyncio.get_running_loop().create_future()
            self._waiters.append(waiter)
            self._top_up()
            try:
                entry = await waiter
            except asyncio.CancelledError:
                if waiter in self._waiters:
                    self._waiters.remove(waiter)
                elif not waiter.cancelled() and waiter.exception() is None and waiter.result() in self._taken:
                    # It came in the same turn as the cancellation.
                    self._taken.discard(waiter.result())
                    self._offer(waiter.result())
                raise
            if entry not in self._taken:
                raise ClientClosed("the pool was closed")
        if entry.minder is not None:
            entry.minder.cancel()
        self._taken.add(entry)
        self._top_up()
        return entry

    def _give_back(self, entry: _Entry) -> None:
        """Take one back that was in use."""
        if entry in self._taken:  # else the pool was closed meanwhile, and has killed it
            self._end(entry)

    async def _mind(self, entry: _Entry) -> None:
        """Begin the lifetime of a sandbox anew every half of it."""
        while True:
            await self._clock.sleep(max(0.0, entry.fresh_at + self._lifetime / 2 - self._clock.monotonic()))
            began = self._clock.monotonic()
            await entry.sandbox.set_lifetime(self._lifetime)
            entry.fresh_at = began

    def _offer(self, entry: _Entry) -> None:
        """Give one to who has waited longest, or let it stand ready."""
        if not self._open:
            self._end(entry)
            return
        while self._waiters:
            waiter = self._waiters.popleft()
            if not waiter.done():
                self._taken.add(entry)
                waiter.set_result(entry)
                return
        entry.minder = self._run(self._mind_warm(entry), self._minding)
        self._warm.append(entry)

    async def _mind_warm(self, entry: _Entry) -> None:
        try:
            await self._mind(entry)
        except NovitaError:  # whatever it is, this one is not to be relied on
            if entry in self._warm:
                self._warm.remove(entry)
                self._end(entry)

    # ------------------------------------------------------------------------------------- coming and going

    def _top_up(self) -> None:
        """Start as many as are missing."""
        if not self._open:
            return
        waiting = sum(not waiter.done() for waiter in self._waiters)
        wanted = waiting + (self.size if self._timer is None else 0)
        missing = wanted - len(self._warm) - len(self._starting)
        if self.most is not None:
            there = len(self._warm) + len(self._starting) + len(self._taken) + len(self._ending)
            missing = min(missing, self.most - there)
        for _ in range(missing):
            self._run(self._start(), self._starting)

    async def _start(self) -> None:
        born = self._clock.monotonic()
        try:
            sandbox = await self._create()
        except Exception as error:
            self._refused(error)
            if not isinstance(error, NovitaError):
                raise
        else:
            self._pause = 0.0
            self._offer(_Entry(sandbox, born))

    def _refused(self, error: Exception) -> None:
        """A sandbox could not be made: whoever waits is told, and the stock is left alone for a while."""
        others = len(self._warm) + len(self._taken) + len(self._ending)
        full = isinstance(error, RateLimited) and others > 0  # one that goes makes room for the next
        while self._waiters and not full:
            waiter = self._waiters.popleft()
            if not waiter.done():
                waiter.set_exception(error)
                break
        if self._open and self._timer is None:
            self._pause = min(_LONGEST_PAUSE, 2 * self._pause or _FIRST_PAUSE)
            self._timer = self._clock.call_later(self._pause, self._go_on)

    def _go_on(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._top_up()

    def _end(self, entry: _Entry) -> None:
        """Kill one in the background."""
        self._taken.discard(entry)
        if entry.minder is not None and entry.minder is not asyncio.current_task():
            entry.minder.cancel()
        self._run(self._kill(entry), self._ending)

    async def _kill(self, entry: _Entry) -> None:
        try:
            await entry.sandbox.aclose()
        except NovitaError as failure:
            self._failures.append(failure)

    def _run(self, work: Coroutine[Any, Any, None], place: set[asyncio.Task[None]]) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(work)
        place.add(task)
        task.add_done_callback(lambda done: self._done(done, place))
        return task

    def _done(self, task: asyncio.Task[None], place: set[asyncio.Task[None]]) -> None:
        place.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self._failures.append(error if isinstance(error, Exception) else RuntimeError(repr(error)))
        if place is self._ending:
            self._go_on()  # there is room now
        elif self._timer is None:
            self._top_up()


class Taken:
    """What `Pool.take` gives: enter it with `async with`.

    Args:
        lend: takes a sandbox out of the pool.
        mind: keeps it alive, until it is cancelled.
        give_back: gives it back.
    """

    def __init__(
        self,
        lend: Callable[[], Awaitable[_Entry]],
        mind: Callable[[_Entry], Coroutine[Any, Any, None]],
        give_back: Callable[[_Entry], None],
    ) -> None:
        self._lend = lend
        self._mind = mind
        self._give_back = give_back
        self._entry: _Entry | None = None

    async def __aenter__(self) -> Sandbox:
        entry = self._entry = await self._lend()
        self._keep_alive = KeepAlive(lambda: self._mind(entry))
        await self._keep_alive.start()
        return entry.sandbox

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        entry, self._entry = self._entry, None
        assert entry is not None
        try:
            failure = await self._keep_alive.stop(error)
        finally:
            self._give_back(entry)
        if failure is not None:
            raise failure
