"""Webhooks that go out: an event for each task that ends, repeated when nobody takes it (contract/image.md 4).

The spacing of the retries is not documented; here it grows. An event is made when it is sent, so that its links and
times are those of then. On request events come twice, late and in another order, or not at all.
"""

from __future__ import annotations

import asyncio
import heapq
import ipaddress
import itertools
from collections.abc import Callable
from random import Random
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import msgspec

from ..errors import NovitaError
from ..transport.protocol import Request

if TYPE_CHECKING:
    from ..runtime.clock import Clock, TimerHandle
    from ..transport.protocol import Transport

__all__ = ["Hooks"]

_ANSWER_SECONDS = 5.0
_SPACING = (1.0, 5.0, 25.0, 125.0, 625.0)  # seconds before each retry
_AT_ONCE = 32  # deliveries that wait for their answer
_HEADERS = {"content-type": "application/json", "user-agent": "novita-async-simulator"}


class _Delivery(msgspec.Struct, order=True):
    due: float
    number: int
    url: str
    event: Callable[[], Any]
    retries: int = 0


class Hooks:
    """Sends events to where the submits wanted them.

    Args:
        clock: when they are due.
        seed: decides which ones are lost, and how late they are.
        transport: carries them. Without one they go out through the real transport, and only to this machine.
    """

    def __init__(self, *, clock: Clock, seed: int, transport: Transport | None) -> None:
        self._clock = clock
        self._transport = transport
        self._own: Transport | None = None
        self._dice = Random(f"{seed} webhooks")
        self._numbers = itertools.count()
        self._waiting: list[_Delivery] = []
        self._running: set[asyncio.Task[None]] = set()
        self._timer: TimerHandle | None = None
        self._closed = False
        self._duplicates, self._lose, self._delay = 0, 0.0, 0.0

    def behave(self, *, duplicates: int, lose: float, delay: float) -> None:
        """See `Simulator.webhooks`."""
        self._duplicates, self._lose, self._delay = duplicates, lose, delay

    def add(self, url: str, event: Callable[[], Any], *, after: float) -> None:
        """Send an event in so many seconds.

        Args:
            url: where to.
            event: makes it, as a value for JSON.
            after: seconds from now.
        """
        for _ in range(1 + self._duplicates):
            if self._dice.random() >= self._lose:
                late = self._dice.uniform(0, self._delay)
                due = self._clock.monotonic() + after + late
                self._push(_Delivery(due, next(self._numbers), url, event))

    def _push(self, delivery: _Delivery) -> None:
        heapq.heappush(self._waiting, delivery)
        if self._waiting[0] is delivery:
            self._arm()

    def _arm(self) -> None:
        """Set the one timer, for the earliest delivery."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._waiting and not self._closed and len(self._running) < _AT_ONCE:
            self._timer = self._clock.call_later(self._waiting[0].due - self._clock.monotonic(), self._ring)

    def _ring(self) -> None:
        """Begin with what is due. When too much is on its way, whatever comes back first rings again."""
        now = self._clock.monotonic()
        while self._waiting and self._waiting[0].due <= now and len(self._running) < _AT_ONCE:
            task = asyncio.create_task(self._deliver(heapq.heappop(self._waiting)))
            self._running.add(task)
            task.add_done_callback(self._ended)
        self._arm()

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._running.discard(task)
        self._arm()

    async def _deliver(self, delivery: _Delivery) -> None:
        if await self._taken(delivery) or delivery.retries == len(_SPACING):
            return
        due = self._clock.monotonic() + _SPACING[delivery.retries]
        self._push(msgspec.structs.replace(delivery, due=due, retries=delivery.retries + 1))

    async def _taken(self, delivery: _Delivery) -> bool:
        """Send an event once, and tell whether it was taken: any 2xx within five seconds."""
        transport = self._transport or self._opened(delivery.url)
        if transport is None:
            return False
        body = msgspec.json.encode({"event_type": "ASYNC_TASK_RESULT", "payload": delivery.event()})
        try:
            async with self._clock.timeout(_ANSWER_SECONDS):
                response = await transport.send(Request("POST", delivery.url, dict(_HEADERS), body))
                try:
                    while await response.body.read():  # so that the connection can be used again
                        pass
                finally:
                    await response.body.aclose()
        except (NovitaError, TimeoutError):
            return False
        return 200 <= response.status < 300

    def _opened(self, url: str) -> Transport | None:
        """The real transport, for a URL of this machine; None for any other."""
        if not _local(url):
            return None
        if self._own is None:
            from ..transport.aiohttp import AiohttpTransport  # which most simulators have no use for

            self._own = AiohttpTransport()
        return self._own

    async def aclose(self) -> None:
        """End what is on its way and forget the rest. Safe to call twice."""
        self._closed = True
        self._waiting.clear()
        self._arm()
        running = list(self._running)
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
        own, self._own = self._own, None
        if own is not None:
            await own.aclose()


def _local(url: str) -> bool:
    try:
        host = urlsplit(url).hostname or ""
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
