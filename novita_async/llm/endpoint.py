"""What the LLM facades share: how a call is made, and the two ways of giving its answer, decoded or raw."""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any, Generic, ParamSpec, TypeVar, cast

from ..errors import APIError, CallTimeout, ValidationError
from ..runtime.arguments import call_headers, check_timeout, json_body, with_query
from ..runtime.attempts import Attempts
from ..runtime.call import Answer, Call, read_answer
from ..runtime.retry import Replay
from ..runtime.streams import EventStream
from .usage import counts_of, tokens_in, tokens_of

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterable

    from ..runtime.call import Runtime
    from ..runtime.meter import Meter
    from ..runtime.streams import Reader
    from ..transport.protocol import Response

__all__ = ["Endpoint", "RawResponse", "as_raw", "raw_twin", "require_model"]

T = TypeVar("T")
P = ParamSpec("P")
F = TypeVar("F", bound="Endpoint")

_EVENTS = "text/event-stream"
_NO_FIELD = object()


class RawResponse(Generic[T]):
    """An answer as it came: what `with_raw_response` gives, with the attributes that the `openai` package's has.

    Attributes:
        status_code: HTTP status.
        headers: mapping that ignores the case of names.
        content: the body; b"" for a stream, which is read through `parse()`.
    """

    def __init__(self, status_code: int, headers: Mapping[str, str], content: bytes, parse: Callable[[], T]) -> None:
        self.status_code = status_code
        self.headers = headers
        self.content = content
        self._parse = parse

    def __repr__(self) -> str:
        return f"<RawResponse {self.status_code} {len(self.content)} bytes>"

    @property
    def text(self) -> str:
        """The body as text."""
        return self.content.decode("utf-8", "replace")

    @property
    def request_id(self) -> str | None:
        """The platform's id of the request, for support."""
        return self.headers.get("x-request-id")

    def parse(self) -> T:
        """What the call gives without `with_raw_response`.

        Raises:
            APIError: the body of a 200 holds an error.
            ProtocolError: the body cannot be read as what it must be.
        """
        return self._parse()


class Endpoint:
    """Base of the LLM facades: one or more paths below the base URL of the models.

    Attributes:
        gives_raw: answers are given as `RawResponse`; see `raw_twin`.
    """

    def __init__(self, runtime: Runtime, base_url: str | None = None) -> None:
        self._runtime = runtime
        self._base = runtime.settings.llm_base_url if base_url is None else base_url
        self._counts = counts_of(runtime)
        self.gives_raw = False

    def _call(
        self,
        method: str,
        path: str,
        body: bytes | AsyncIterable[bytes] | Mapping[str, Any] | None = None,
        *,
        model: str = "",
        stream: bool = False,
        extra_body: Mapping[str, Any] | None = None,
        extra_headers: Mapping[str, str] | None = None,
        extra_query: Mapping[str, Any] | None = None,
        timeout: float | None = None,
        replay: Replay = Replay.SAFE,
        priority: int | None = None,
    ) -> Call:
        """A call, checked and not sent. Fields of a `body` mapping that are None are not sent; `extra_body` wins."""
        if type(body) is dict or isinstance(body, Mapping):  # a dict, nearly always: no abstract class need be asked
            known = cast("Mapping[str, Any]", body)
            fields = {name: value for name, value in known.items() if value is not None}
            body = json_body({**fields, **extra_body} if extra_body else fields)
        headers = call_headers(extra_headers) if extra_headers else {}
        if stream:
            headers.setdefault("accept", _EVENTS)
        url = f"{self._base}{path}"
        return Call(
            method=method,
            url=with_query(url, **extra_query) if extra_query else url,
            body=body,
            headers=headers,
            replay=replay,
            model=model,
            timeout=None if timeout is None else check_timeout(timeout),
            priority=priority,
        )

    def _fetch(self, call: Call, type_: type[T]) -> Awaitable[T]:
        """Make a call; its answer decoded as `type_`."""
        return self._give(call, lambda answer: self._runtime.decode(answer, type_))

    async def _give(self, call: Call, make: Callable[[Answer], T]) -> T:
        """Make a call; what `make` makes of its answer, or a `RawResponse` that makes it when asked."""
        attempts = Attempts(self._runtime, call)
        if self._runtime.meter is not None and call.model:
            await self._set_aside(self._runtime.meter, call)
        answer = await attempts.run(read_answer)
        try:
            if self.gives_raw:
                raw = RawResponse(answer.status, answer.headers, answer.body, lambda: make(answer))
                value = cast("T", raw)
            else:
                value = make(answer)
        except APIError as error:  # in the body of a 200
            attempts.failed(error)
            raise
        except BaseException:
            attempts.settle(None)
            raise
        if call.model:
            usage = getattr(value, "usage", _NO_FIELD)
            self._count(attempts, tokens_in(answer.body) if usage is _NO_FIELD else usage)
        return value

    async def _stream(self, call: Call, make_reader: Callable[[Response], Reader[T]]) -> EventStream[T]:
        """Make a call; its answer as a stream under the client's `first_event` and `idle` limits."""
        runtime = self._runtime
        attempts = Attempts(runtime, call)
        if runtime.meter is not None and call.model:
            await self._set_aside(runtime.meter, call)
        response = await attempts.open()
        limits = runtime.settings.timeouts

        def end(reader: Reader[T]) -> None:
            self._count(attempts, getattr(reader, "usage", None))

        stream = EventStream(
            *(runtime, attempts, response, make_reader),
            first_event=limits.first_event,
            idle=limits.idle,
            on_end=end if call.model else None,
        )
        if self.gives_raw:
            return cast("EventStream[T]", RawResponse(stream.status, stream.headers, b"", lambda: stream))
        return stream

    async def _set_aside(self, meter: Meter, call: Call) -> None:
        total = self._runtime.settings.timeouts.total
        async with self._within(total if call.timeout is None else call.timeout):
            call.hold = await meter.hold(call)

    def _count(self, attempts: Attempts, usage: object) -> None:
        """Count what a call used that is over; None where its answer did not tell."""
        call = attempts.call
        self._counts.add(call.model, usage)
        if attempts.need or call.hold is not None:
            attempts.settle(tokens_of(usage))

    @contextlib.asynccontextmanager
    async def _within(self, timeout: float | None) -> AsyncGenerator[None]:
        """The limit of a call that makes several requests, or waits for those of others."""
        scope = self._runtime.clock.timeout(timeout)
        try:
            async with scope:
                yield
        except TimeoutError as error:
            if timeout is None or not scope.expired():
                raise
            raise CallTimeout("total", timeout) from error


def raw_twin(facade: F) -> F:
    """The same facade, giving a `RawResponse` wherever it would give a decoded answer: see `as_raw`."""
    twin = copy.copy(facade)
    twin.gives_raw = True
    return twin


def as_raw(method: Callable[P, Awaitable[T]]) -> Callable[P, Awaitable[RawResponse[T]]]:
    """A method of a `raw_twin` under its true type."""
    return cast("Callable[P, Awaitable[RawResponse[T]]]", method)


def require_model(model: object) -> str:
    """The id of a model, or the refusal of what cannot be one."""
    if not isinstance(model, str):
        raise ValidationError(f"model must be text, got {model!r}")
    if not model:
        raise ValidationError("model is empty")
    return model
