"""One call and its attempts: gates, limits of time, retries. The loop that every request goes through."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from ..errors import (
    APIError,
    CallTimeout,
    ClientClosed,
    ConnectionLost,
    NovitaError,
    OutcomeUnknown,
    RateLimited,
)
from ..transport.protocol import Request, Response
from .bodies import Upload, read_refusal
from .meter import estimate, unbilled
from .retry import RETRYABLE, Replay, delays

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Generator

    from ..config import RetryPolicy
    from .call import Call, Runtime
    from .meter import Tokens
    from .rates import RateGate, Step

__all__ = ["Attempts"]

T = TypeVar("T")


class Attempts:
    """One call and its attempts. Holds a slot of the client while an answer is open.

    Attributes:
        call: the call.
        number: attempts so far.
        need: the tokens that its rate gate counts for it until `settle`; 0 when it does not count them.
    """

    __slots__ = (
        *("_deadline", "_delays", "_first", "_holding", "_rate", "_request", "_runtime", "call", "need", "number"),
        *("_ended", "_sent"),  # when the attempt under way was sent, and when it ended, for its rate gate
    )

    def __init__(self, runtime: Runtime, call: Call) -> None:
        runtime.enter()
        settings = runtime.settings
        self._runtime = runtime
        self.call = call
        self.number = 0
        body = call.body
        if body is not None and not isinstance(body, bytes):
            body = Upload(body)
        self._request = Request(call.method, call.url, runtime.headers(call), body, settings.timeouts.connect)
        total = call.timeout if call.timeout is not None else settings.timeouts.total
        self._deadline = None if total is None else runtime.clock.monotonic() + total
        self._delays: Generator[float, None, None] | None = None
        self._holding = False
        self._first = False
        self._rate = runtime.rate(call.model) if call.model else None
        self.need = 0
        self._sent: Step | None = None
        self._ended: Step | None = None

    @property
    def in_flight(self) -> bool:
        """Whether an attempt is under way, or its answer still open."""
        return self._holding

    async def run(self, consume: Callable[[Response], Awaitable[T]]) -> T:
        """Send until an attempt succeeds; `consume` reads the answer within the same attempt."""
        try:
            while True:
                try:
                    return await self._attempt(consume)
                except RETRYABLE as error:
                    await self.retry(error)
        except BaseException:
            self.settle(None)
            raise

    async def open(self) -> Response:
        """Send until an answer below 400 is there, and leave its body open: `release` gives the slot back."""
        return await self.run(_keep)

    async def _attempt(self, consume: Callable[[Response], Awaitable[T]]) -> T:
        runtime = self._runtime
        if not self._take_place_now():
            await self._take_place()
        self.number += 1
        if self.call.hold is not None:
            self.call.hold.sending()
        limit, name = self._limit()
        response = None
        done = False
        scope = runtime.clock.timeout(limit)
        try:
            async with scope:
                response = await runtime.send(self._request)
                if self._rate is not None and self._rate.listens:
                    self._rate.hear(response.headers)
                if response.status >= 300:
                    secret = runtime.settings.api_key or ""
                    raise await read_refusal(response, secret=secret, now=runtime.clock.time())
                result = await consume(response)
            done = True
            return result
        except TimeoutError as error:
            if not scope.expired():
                raise
            raise CallTimeout(name, limit or 0.0) from error
        finally:
            if not done:
                # Not awaited, so that a cancelled task needs no shield: the connection is closed here and now.
                if response is not None:
                    response.body.abort(ConnectionLost("the attempt was given up"))
                self.release()
            elif consume is not _keep:
                self.release()

    def _take_place_now(self) -> bool:
        """Pass the gates without a turn of the loop where they stand open, as they mostly do."""
        runtime, rate = self._runtime, self._rate
        if runtime.life.closed or not runtime.slots.acquire_nowait():
            return False
        if rate is not None:
            self.need = 0
            self._sent = rate.send_freely()
            if self._sent is None:
                runtime.slots.release()
                return False
        self._holding = True
        return True

    async def _take_place(self) -> None:
        runtime, rate, call = self._runtime, self._rate, self.call
        priority = runtime.settings.priority if call.priority is None else call.priority
        try:
            async with runtime.clock.timeout(self._remaining()):
                if rate is not None:
                    self.need = estimate(call.body).total if rate.counts_tokens else 0
                    await rate.acquire(self.need, priority=priority, first=self._first)
                try:
                    await runtime.slots.acquire(priority=priority)
                except BaseException:
                    if rate is not None:
                        rate.unsent(self.need)
                    raise
        except TimeoutError as error:
            raise CallTimeout("total", self._total(), sent=False) from error
        self._holding = True
        if rate is not None:
            self._sent = rate.sent()
        if runtime.life.closed:
            self.release()
            raise ClientClosed("the client was closed while this call waited for its turn")

    def release(self) -> None:
        """Give the slot back. Safe to call twice."""
        if self._holding:
            self._holding = False
            self._runtime.slots.release()
            if self.need and self._rate is not None:
                self._ended = self._rate.ended(self.need)

    def settle(self, tokens: Tokens | None) -> None:
        """Say what the call used, once it is over; None where its answer did not tell."""
        if self._rate is not None and tokens is not None:
            self._correct(self._rate, tokens.prompt + tokens.completion)
        if self.call.hold is not None:
            self.call.hold.settle(tokens)

    def _correct(self, rate: RateGate, used: int) -> None:
        """Let the gate count what the attempt used in place of its need. Safe to call twice."""
        step = self._ended or self._sent
        if step is not None:
            rate.corrected(step, used - self.need)
        self._ended = self._sent = None

    def failed(self, error: NovitaError) -> None:
        """Let the gate and the meter know what became of the attempt."""
        rate, sent = self._rate, self._sent
        if rate is not None:
            if unbilled(error):
                self._correct(rate, 0)
            if isinstance(error, RateLimited) and sent is not None:
                rate.refused(sent, tokens="TOKEN" in error.reason.upper())
        if self.call.hold is not None:
            self.call.hold.failed(error)

    def _total(self) -> float:
        return self.call.timeout or self._runtime.settings.timeouts.total or 0.0

    def _remaining(self) -> float | None:
        return None if self._deadline is None else max(0.0, self._deadline - self._runtime.clock.monotonic())

    def _limit(self) -> tuple[float | None, str]:
        attempt = self.call.attempt if self.call.attempt is not None else self._runtime.settings.timeouts.attempt
        remaining = self._remaining()
        if remaining is not None and (attempt is None or remaining < attempt):
            return remaining, "total"
        return attempt, "attempt"

    async def retry(self, error: NovitaError) -> None:
        """Wait for the next attempt, or raise the error when there is to be none."""
        self.failed(error)
        runtime, call = self._runtime, self.call
        policy: RetryPolicy = runtime.settings.retry
        last = self.number >= (call.attempts if call.attempts is not None else policy.attempts)
        body = self._request.body
        spent = isinstance(body, Upload) and body.touched
        if last or spent or not runtime.decide(error, call.replay, policy):
            raise self._final(error) from error.__cause__
        if runtime.life.closed:
            raise ClientClosed("the client was closed before this call could be repeated") from error
        if self._delays is None:
            self._delays = delays(policy)
        delay = next(self._delays)
        asked = error.retry_after if isinstance(error, APIError) else None
        if asked is not None:
            delay = asked
            if asked > policy.patience:
                raise self._final(error) from error.__cause__
        remaining = self._remaining()
        if remaining is not None and delay >= remaining:
            raise self._final(error) from error.__cause__
        if call.hold is not None:
            call.hold.renew()
        runtime.life.retried += 1
        if isinstance(error, RateLimited) and self._rate is not None:
            # Everybody who wants this model waits, and this call is the first of them.
            self._first = True
            self._rate.pause(delay)
        else:
            await runtime.naps.take(delay)

    def _final(self, error: NovitaError) -> NovitaError:
        if self.number > 1:
            error.add_note(f"after {self.number} attempts")
        if self.call.replay is Replay.SUBMITS and isinstance(error, ConnectionLost):
            again = "" if self._runtime.settings.retry.resubmit else ". It was not sent again"
            return OutcomeUnknown(f"{error}; the submit was sent, so it may have started{again}")
        return error


async def _keep(response: Response) -> Response:
    return response
