"""The one path of a request: guards, gates, attempt, retry, decode. Every product's every call goes through here."""

from __future__ import annotations

import asyncio
import weakref
from collections.abc import AsyncIterable
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import msgspec

from .._version import __version__
from ..errors import (
    APIError,
    CallTimeout,
    ClientClosed,
    ConnectionLost,
    NovitaError,
    OutcomeUnknown,
    ProtocolError,
    RateLimited,
    WrongEventLoop,
)
from ..transport.middleware import compose
from ..transport.protocol import Request, Response
from ..wire.json import Decoders, decode
from ..wire.problem import embedded_error
from .bodies import Upload, read_all, read_refusal
from .gate import Gate, Naps, RateGate
from .retry import RETRYABLE, Replay, default_decision, delays

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Generator, Sequence

    from ..config import RetryPolicy, Settings
    from ..transport.middleware import Middleware, Send
    from ..transport.protocol import Transport
    from .clock import Clock
    from .retry import RetryDecision

__all__ = ["Answer", "Attempts", "Auth", "Call", "Runtime", "read_answer"]

T = TypeVar("T")


class Auth:
    """How a call proves who sends it."""

    BEARER = "bearer"
    """`Authorization: Bearer`: everything on the main host."""
    KEY = "key"
    """`X-API-KEY`: the sandbox control plane."""
    NONE = "none"
    """Nothing of ours: envd, whose token stands in the call's own headers, and links to other hosts."""


class Call(msgspec.Struct, kw_only=True):
    """One call of a facade, before its first attempt.

    Attributes:
        method: upper case.
        url: absolute, with its query, encoded.
        body: bytes, or an async iterable that can be read once, which rules repeats out as soon as it was touched.
        headers: those that this call has beyond the client's own; they win over them.
        auth: one of `Auth`.
        replay: what repeating it could do.
        model: whose rate gate it passes; "" for none.
        timeout: the whole call in seconds; None for the client's `Timeouts.total`.
        attempt: one attempt in seconds; None for the client's `Timeouts.attempt`.
        attempts: how often it is sent at most; None for the client's `RetryPolicy.attempts`.
    """

    method: str
    url: str
    body: bytes | AsyncIterable[bytes] | None = None
    headers: dict[str, str] = {}
    auth: str = Auth.BEARER
    replay: Replay = Replay.SAFE
    model: str = ""
    timeout: float | None = None
    attempt: float | None = None
    attempts: int | None = None


class Answer(msgspec.Struct, frozen=True):
    """A whole answer below 400."""

    status: int
    headers: Any
    body: bytes


class Closable(Protocol):
    """What is open on a client and ends with it."""

    def abort(self, error: Exception) -> None: ...


class Runtime:
    """What every facade of one client shares: its settings, its clock, its transport, its gates, its loop.

    Args:
        settings: the client's settings.
        clock: source of time.
        make_transport: called at the first request.
        middleware: wrapped around the transport, the first one outermost.
        decide: the retry decision.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        clock: Clock,
        make_transport: Callable[[], Transport],
        middleware: Sequence[Middleware] = (),
        decide: RetryDecision = default_decision,
    ) -> None:
        self.settings = settings
        self.clock = clock
        self.decoders = Decoders()
        self.slots = Gate(settings.limits.requests)
        self.naps = Naps(clock)
        self.decide = decide
        self.open: weakref.WeakSet[Closable] = weakref.WeakSet()
        self.sent = 0
        self.retried = 0
        self.closed = False
        self._make_transport = make_transport
        self._middleware = tuple(middleware)
        self._rates: dict[str, RateGate] = {}
        self._transport: Transport | None = None
        self._send: Send | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._headers: dict[tuple[str, bool], dict[str, str]] = {}

    # ---------------------------------------------------------------------------------------- guards

    def enter(self) -> None:
        """Check, before anything is done, that the client may be used here and now.

        Raises:
            ClientClosed: after `aclose()`.
            WrongEventLoop: the first call was made on another event loop.
        """
        if self.closed:
            raise ClientClosed("this client is closed: make a new one, they are cheap")
        loop = asyncio.get_running_loop()
        if self._loop is not loop:
            if self._loop is not None:
                raise WrongEventLoop(
                    "this client belongs to the event loop of its first call: make one client for each loop "
                    "(inside the function given to asyncio.run, not at module level)"
                )
            self._loop = loop

    @property
    def transport(self) -> Transport:
        """The transport, made now if this is the first use."""
        if self._transport is None:
            self._transport = self._make_transport()
        return self._transport

    def send(self, request: Request) -> Awaitable[Response]:
        """Send once, through the middleware. No gate, no retry, no limit of time: that is `Attempts`."""
        if self.closed:
            raise ClientClosed("the client was closed")
        if self._send is None:
            self._send = compose(self._middleware, self.transport.send)
        self.sent += 1
        return self._send(request)

    def headers(self, call: Call) -> dict[str, str]:
        """The headers of a call: the client's own, the credentials of its kind, then the call's."""
        kind = (call.auth, isinstance(call.body, bytes))
        common = self._headers.get(kind)
        if common is None:
            common = self._headers[kind] = self._common_headers(*kind)
        # Middleware may write into them, and must not write into those of other calls.
        return {**common, **call.headers} if call.headers or self._middleware else common

    def _common_headers(self, auth: str, has_json: bool) -> dict[str, str]:
        headers = {
            "accept": "application/json",
            # Nothing of what comes is worth packing: streams must not wait for a block, files are packed already.
            "accept-encoding": "identity",
            "user-agent": f"novita-async/{__version__}",
        }
        if auth == Auth.BEARER:
            headers["authorization"] = f"Bearer {self.settings.require_key()}"
        elif auth == Auth.KEY:
            headers["x-api-key"] = self.settings.require_key()
        if has_json:
            headers["content-type"] = "application/json"
        return headers

    def rate(self, model: str) -> RateGate:
        """The rate gate of a model."""
        gate = self._rates.get(model)
        if gate is None:
            gate = self._rates[model] = RateGate(self.clock, self.settings.limits.rpm_of(model))
        return gate

    @property
    def queued(self) -> int:
        """Calls that wait at a gate."""
        return self.slots.waiting + sum(gate.waiting for gate in self._rates.values())

    # ----------------------------------------------------------------------------------------- calls

    async def request(self, call: Call) -> Answer:
        """Make a call and read its whole answer.

        Raises:
            NovitaError: one of the network's, the clock's or the platform's errors, after the last attempt.
        """
        return await Attempts(self, call).run(read_answer)

    async def fetch(self, call: Call, type_: type[T]) -> T:
        """Make a call and decode its answer.

        Raises:
            APIError: also for an error that comes in the body of a 200.
            ProtocolError: the answer is not of this type.
        """
        answer = await Attempts(self, call).run(read_answer)
        return self.decode(answer, type_)

    def decode(self, answer: Answer, type_: type[T]) -> T:
        """Decode an answer, or find the error that it holds instead."""
        try:
            return decode(self.decoders(type_), answer.body)
        except ProtocolError as error:
            refusal = self.embedded(answer.body, answer.headers)
            if refusal is not None:
                raise refusal from error
            raise

    def embedded(self, body: bytes, headers: Any) -> APIError | None:
        """The error that stands in a body or an event where a result should be."""
        try:
            value = msgspec.json.decode(body)
        except (msgspec.DecodeError, UnicodeDecodeError):
            return None
        return embedded_error(value, headers=headers, body=body, secret=self.settings.api_key or "")

    # ------------------------------------------------------------------------------------------- end

    async def aclose(self) -> None:
        """End everything that is open, then the transport. Safe to call twice."""
        self.closed = True
        error = ClientClosed("the client was closed")
        for gate in (*self._rates.values(), self.slots, self.naps):
            gate.close(error)
        for thing in list(self.open):
            thing.abort(error)
        transport, self._transport = self._transport, None
        if transport is not None:
            await transport.aclose()

    def abandon(self) -> bool:
        """Let go of the sockets of a client that was dropped without `aclose()`; True when there were any."""
        self.closed = True
        transport, self._transport = self._transport, None
        if transport is None:
            return False
        transport.abandon()
        return True


class Attempts:
    """One call and its attempts. Holds a slot of the client while an answer is open."""

    __slots__ = ("_deadline", "_delays", "_first", "_holding", "_request", "_runtime", "call", "number")

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

    @property
    def in_flight(self) -> bool:
        """Whether an attempt is under way, or its answer still open."""
        return self._holding

    async def run(self, consume: Callable[[Response], Awaitable[T]]) -> T:
        """Send until an attempt succeeds; `consume` reads the answer within the same attempt."""
        while True:
            try:
                return await self._attempt(consume)
            except RETRYABLE as error:
                await self.retry(error)

    async def open(self) -> Response:
        """Send until an answer below 400 is there, and leave its body open: `release` gives the slot back."""
        return await self.run(_keep)

    async def _attempt(self, consume: Callable[[Response], Awaitable[T]]) -> T:
        runtime = self._runtime
        if not self._take_place_now():
            await self._take_place()
        self.number += 1
        limit, name = self._limit()
        response = None
        done = False
        scope = runtime.clock.timeout(limit)
        try:
            async with scope:
                response = await runtime.send(self._request)
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
        runtime, model = self._runtime, self.call.model
        if runtime.closed or not runtime.slots.acquire_nowait():
            return False
        if model:
            rate = runtime.rate(model)
            if not rate.acquire_nowait():
                runtime.slots.release()
                return False
            rate.sent()
        self._holding = True
        return True

    async def _take_place(self) -> None:
        runtime = self._runtime
        rate = runtime.rate(self.call.model) if self.call.model else None
        try:
            async with runtime.clock.timeout(self._remaining()):
                if rate is not None:
                    await rate.acquire(first=self._first)
                try:
                    await runtime.slots.acquire()
                except BaseException:
                    if rate is not None:
                        rate.unsent()
                    raise
        except TimeoutError as error:
            raise CallTimeout("total", self._total(), sent=False) from error
        if rate is not None:
            rate.sent()
        if runtime.closed:
            runtime.slots.release()
            raise ClientClosed("the client was closed while this call waited for its turn")
        self._holding = True

    def release(self) -> None:
        """Give the slot back. Safe to call twice."""
        if self._holding:
            self._holding = False
            self._runtime.slots.release()

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
        runtime, call = self._runtime, self.call
        policy: RetryPolicy = runtime.settings.retry
        last = self.number >= (call.attempts if call.attempts is not None else policy.attempts)
        body = self._request.body
        spent = isinstance(body, Upload) and body.touched
        if last or spent or not runtime.decide(error, call.replay, policy):
            raise self._final(error) from error.__cause__
        if runtime.closed:
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
        runtime.retried += 1
        if isinstance(error, RateLimited) and call.model:
            # Everybody who wants this model waits, and this call is the first of them.
            self._first = True
            runtime.rate(call.model).pause(delay)
        else:
            await runtime.naps.take(delay)

    def _final(self, error: NovitaError) -> NovitaError:
        if self.number > 1:
            error.add_note(f"after {self.number} attempts")
        if self.call.replay is Replay.SUBMITS and isinstance(error, ConnectionLost):
            again = "" if self._runtime.settings.retry.resubmit else ". It was not sent again"
            return OutcomeUnknown(f"{error}; the submit was sent, so it may have started{again}")
        return error


async def read_answer(response: Response) -> Answer:
    """Read a whole answer."""
    return Answer(response.status, response.headers, await read_all(response.body))


async def _keep(response: Response) -> Response:
    return response
