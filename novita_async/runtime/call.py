"""The one path of a request: guards, gates, attempt, retry, decode. Every product's every call goes through here.

`attempts` has the loop; here is what a client's calls share.
"""

from __future__ import annotations

import asyncio
import copy
import weakref
from collections.abc import AsyncIterable
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import msgspec

from .._version import __version__
from ..errors import (
    APIError,
    ClientClosed,
    ProtocolError,
    WrongEventLoop,
)
from ..transport.middleware import compose
from ..wire.json import Decoders, decode
from ..wire.problem import embedded_error
from .attempts import Attempts
from .bodies import read_all
from .gate import Gate, Naps
from .meter import Hold
from .rates import RateGate, rates_of
from .retry import Replay, default_decision

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence

    from ..config import Settings
    from ..transport.middleware import Middleware, Send
    from ..transport.protocol import Request, Response, Transport
    from .clock import Clock
    from .meter import Meter
    from .retry import RetryDecision

__all__ = ["Answer", "Auth", "Call", "Runtime", "read_answer"]

T = TypeVar("T")


class Auth:
    """How a call proves who sends it."""

    BEARER = "bearer"
    """`Authorization: Bearer`: everything on the main host."""
    KEY = "key"
    """`X-API-KEY`: the sandbox control plane."""
    NONE = "none"
    """No credentials of ours: envd, whose token stands in the call's own headers."""
    LINK = "link"
    """Nothing of ours at all, the headers that the caller gave the client included: links to other hosts."""


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
        priority: whoever has a higher one goes first where calls wait; None for the client's.
        hold: what a `Meter` has set aside for it.
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
    priority: int | None = None
    hold: Hold | None = None


class Answer(msgspec.Struct, frozen=True):
    """A whole answer below 400."""

    status: int
    headers: Any
    body: bytes


class Closable(Protocol):
    """What is open on a client and ends with it."""

    def abort(self, error: Exception) -> None: ...


class _Life:
    """What changes in the life of a client, held once for all views of its runtime."""

    __slots__ = ("closed", "loop", "retried", "send", "sent", "transport")

    def __init__(self) -> None:
        self.sent = 0
        self.retried = 0
        self.closed = False
        self.loop: asyncio.AbstractEventLoop | None = None
        self.transport: Transport | None = None
        self.send: Send | None = None


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
        self.meter: Meter | None = None
        self.open: weakref.WeakSet[Closable] = weakref.WeakSet()
        self.life = _Life()
        self.shared: dict[str, Any] = {}  # what facades keep for a client and all its views
        self._make_transport = make_transport
        self._middleware = tuple(middleware)
        self._rates: dict[str, RateGate] = {}
        self._own_headers: Mapping[str, str] = {}
        self._headers: dict[tuple[str, bool], dict[str, str]] = {}

    def view(self, settings: Settings, headers: Mapping[str, str]) -> Runtime:
        """The same runtime under other settings, and with more headers on every call: everything else is shared."""
        view = copy.copy(self)
        view.settings = settings
        view._own_headers = {**self._own_headers, **headers}
        view._headers = {}
        return view

    # ---------------------------------------------------------------------------------------- guards

    def enter(self) -> None:
        """Check, before anything is done, that the client may be used here and now.

        Raises:
            ClientClosed: after `aclose()`.
            WrongEventLoop: the first call was made on another event loop.
        """
        life = self.life
        if life.closed:
            raise ClientClosed("this client is closed: make a new one, they are cheap")
        loop = asyncio.get_running_loop()
        if life.loop is not loop:
            if life.loop is not None:
                raise WrongEventLoop(
                    "this client belongs to the event loop of its first call: make one client for each loop "
                    "(inside the function given to asyncio.run, not at module level)"
                )
            life.loop = loop

    @property
    def transport(self) -> Transport:
        """The transport, made now if this is the first use."""
        life = self.life
        if life.transport is None:
            life.transport = self._make_transport()
        return life.transport

    def send(self, request: Request) -> Awaitable[Response]:
        """Send once, through the middleware. No gate, no retry, no limit of time: that is `Attempts`."""
        life = self.life
        if life.closed:
            raise ClientClosed("the client was closed")
        if life.send is None:
            life.send = compose(self._middleware, self.transport.send)
        life.sent += 1
        return life.send(request)

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
            **(self._own_headers if auth != Auth.LINK else {}),
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
            gate = self._rates[model] = RateGate(self.clock, *rates_of(self.settings.limits, model))
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
        life = self.life
        life.closed = True
        error = ClientClosed("the client was closed")
        for gate in (*self._rates.values(), self.slots, self.naps):
            gate.close(error)
        for thing in list(self.open):
            thing.abort(error)
        transport, life.transport = life.transport, None
        if transport is not None:
            await transport.aclose()

    def abandon(self) -> bool:
        """Let go of the sockets of a client that was dropped without `aclose()`; True when there were any."""
        self.life.closed = True
        transport, self.life.transport = self.life.transport, None
        if transport is None:
            return False
        transport.abandon()
        return True


async def read_answer(response: Response) -> Answer:
    """Read a whole answer."""
    return Answer(response.status, response.headers, await read_all(response.body))
