"""What can go wrong, on request: the words with which a test asks the simulator to misbehave.

    sim.fault("POST", "/openai/v1/chat/completions", Drop.before_headers(), times=2)
    sim.fault("POST", "/openai/v1/chat/completions", Stream.pings(after=1))
    sim.fault("POST", "/v3/async/txt2img", Outcome.failed("out of memory"))
    sim.fault("GET", "/v3/async/task-result", Refuse.with_status(503), Edit.without("task.task_id"))

    Refuse    answers with an error of the platform: with_status, with_reason, rate_limited
    Drop      breaks the connection: before_headers, after_work, in_body
    Hang      goes silent and keeps the connection: before_headers, in_body
    Slow      waits on the clock: headers, chunks
    Stream    spoils an event stream: pings, stays_open, cut, error, huge_event
    Outcome   decides how what is submitted will end: failed, succeeded, unknown, expired
    Edit      changes the JSON of an answer: without, having

A fault is any async function of the call, the simulator's own answer to it and the `Stage`: tests can write their own.
Where a number of chunks is given: a chunk of an event stream is one event, any other body comes in two halves.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from email.utils import formatdate
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Literal, NoReturn, Protocol, TypeAlias

import msgspec

from ..errors import ConnectionLost
from ..transport.protocol import Reply, close_source
from .router import Call, json_reply

if TYPE_CHECKING:
    from ..runtime.clock import Clock

__all__ = ["Drop", "Edit", "Fault", "Hang", "Outcome", "Refuse", "Shape", "Slow", "Stage", "Stream"]

#: The error bodies that a client meets (contract/llm.md 3.2).
Shape: TypeAlias = Literal["flat", "openai", "typed", "anthropic", "text"]

_REASONS = {400: "INVALID_REQUEST_BODY", 429: "RATE_LIMIT_EXCEEDED", 503: "SERVICE_NOT_AVAILABLE"}


class Stage(Protocol):
    """Where a fault plays: the simulator's clock, and a way to say nothing."""

    @property
    def clock(self) -> Clock: ...

    async def silence(self) -> NoReturn:
        """Wait until the client goes away or the simulator closes, then break the connection."""
        ...


Fault: TypeAlias = Callable[[Call, Callable[[], Awaitable[Reply]], Stage], Awaitable[Reply]]
_Work: TypeAlias = Callable[[AsyncGenerator[bytes, None], Stage], AsyncIterator[bytes]]


def _error(status: int, reason: str, message: str, shape: Shape) -> bytes:
    bodies: dict[Shape, Any] = {
        "flat": {"code": status, "reason": reason, "message": message, "metadata": {}},
        "openai": {"error": {"message": message, "type": reason, "param": None, "code": 0}},
        "typed": {"code": 0, "message": f"{message} trace_id: 00000000000000000000000000000000", "type": reason},
        "anthropic": {"type": "error", "error": {"type": reason, "message": message}},
    }
    return message.encode() if shape == "text" else msgspec.json.encode(bodies[shape])


class Refuse:
    """Answers that are refusals. The simulator's own answer is not asked for: nothing is submitted."""

    @staticmethod
    def with_status(status: int, *, headers: dict[str, str] | None = None, shape: Shape = "flat") -> Fault:
        """Refuse with a status and the reason that usually comes with it."""
        return Refuse.with_reason(status, _REASONS.get(status, "UNKNOWN"), headers=headers, shape=shape)

    @staticmethod
    def with_reason(
        status: int, reason: str, message: str = "", *, headers: dict[str, str] | None = None, shape: Shape = "flat"
    ) -> Fault:
        """Refuse with a status and a reason.

        Args:
            status: HTTP status.
            reason: the platform's token, such as `NOT_ENOUGH_BALANCE`.
            message: its words; the reason in small letters when left out.
            headers: more headers.
            shape: which of the platform's error bodies to send.
        """
        body = _error(status, reason, message or reason.lower().replace("_", " "), shape)
        kind = "text/plain" if shape == "text" else "application/json"

        async def fault(call: Call, answer: Callable[[], Awaitable[Reply]], stage: Stage) -> Reply:
            return Reply(status, {"content-type": kind, **(headers or {})}, body)

        return fault

    @staticmethod
    def rate_limited(*, retry_after: float | None = None, as_date: bool = False, status: int = 429) -> Fault:
        """Refuse with 429, or another status, and `Retry-After`.

        Args:
            retry_after: seconds from now, on the simulator's clock; None sends no header.
            as_date: send the header as an HTTP-date in place of seconds.
            status: HTTP status.
        """

        async def fault(call: Call, answer: Callable[[], Awaitable[Reply]], stage: Stage) -> Reply:
            headers: dict[str, str] = {}
            if retry_after is not None:
                moment = formatdate(stage.clock.time() + retry_after, usegmt=True)
                headers["retry-after"] = moment if as_date else f"{retry_after:g}"
            return await Refuse.with_status(status, headers=headers)(call, answer, stage)

        return fault


def _in_body(work: _Work) -> Fault:
    """A fault that lets the answer's body through a generator of chunks. Refusals pass untouched."""

    async def fault(call: Call, answer: Callable[[], Awaitable[Reply]], stage: Stage) -> Reply:
        reply = await answer()
        if reply.status >= HTTPStatus.BAD_REQUEST:
            return reply
        headers = dict(reply.headers)
        if isinstance(reply.body, bytes):
            # Announced in full, so that a client can tell that a part of it is missing.
            headers.setdefault("content-length", str(len(reply.body)))
        return Reply(reply.status, headers, work(_chunks(reply), stage))

    return fault


async def _chunks(reply: Reply) -> AsyncGenerator[bytes, None]:
    if isinstance(reply.body, bytes):
        middle = len(reply.body) // 2
        for half in (reply.body[:middle], reply.body[middle:]):
            if half:
                yield half
        return
    source = aiter(reply.body)
    try:
        async for chunk in source:
            yield chunk
    finally:
        await close_source(source)


async def _first(count: int, chunks: AsyncGenerator[bytes, None]) -> AsyncIterator[bytes]:
    """The first chunks, and the source closed after them."""
    async with aclosing(chunks):
        if count > 0:
            async for chunk in chunks:
                yield chunk
                count -= 1
                if count <= 0:
                    break


class Drop:
    """The connection breaks, as when a server dies."""

    @staticmethod
    def before_headers() -> Fault:
        """Break it when the request has been read. The request is not carried out."""

        async def fault(call: Call, answer: Callable[[], Awaitable[Reply]], stage: Stage) -> Reply:
            raise ConnectionLost("dropped before the headers, as a test asked")

        return fault

    @staticmethod
    def after_work() -> Fault:
        """Carry the request out and break the connection before its answer: an outcome the client cannot know."""

        async def fault(call: Call, answer: Callable[[], Awaitable[Reply]], stage: Stage) -> Reply:
            await answer()
            raise ConnectionLost("dropped in place of the answer, as a test asked")

        return fault

    @staticmethod
    def in_body(*, after: int = 1) -> Fault:
        """Break it when so many chunks of the body have been sent."""

        async def work(chunks: AsyncGenerator[bytes, None], stage: Stage) -> AsyncIterator[bytes]:
            async for chunk in _first(after, chunks):
                yield chunk
            raise ConnectionLost("dropped in the body, as a test asked")

        return _in_body(work)


class Hang:
    """The peer goes silent and the connection stays. Nothing ends it but the client, or the simulator's end."""

    @staticmethod
    def before_headers() -> Fault:
        """Read the request and never answer. The request is not carried out."""

        async def fault(call: Call, answer: Callable[[], Awaitable[Reply]], stage: Stage) -> Reply:
            await stage.silence()

        return fault

    @staticmethod
    def in_body(*, after: int = 1) -> Fault:
        """Go silent when so many chunks of the body have been sent."""

        async def work(chunks: AsyncGenerator[bytes, None], stage: Stage) -> AsyncIterator[bytes]:
            async for chunk in _first(after, chunks):
                yield chunk
            await stage.silence()

        return _in_body(work)


class Slow:
    """The answer takes its time, on the simulator's clock."""

    @staticmethod
    def headers(seconds: float) -> Fault:
        """Wait so long before the answer."""

        async def fault(call: Call, answer: Callable[[], Awaitable[Reply]], stage: Stage) -> Reply:
            await stage.clock.sleep(seconds)
            return await answer()

        return fault

    @staticmethod
    def chunks(seconds: float) -> Fault:
        """Wait so long before each chunk of the body."""

        async def work(chunks: AsyncGenerator[bytes, None], stage: Stage) -> AsyncIterator[bytes]:
            async with aclosing(chunks):
                async for chunk in chunks:
                    await stage.clock.sleep(seconds)
                    yield chunk

        return _in_body(work)


class Stream:
    """An event stream that does what streams have been seen to do."""

    @staticmethod
    def pings(*, after: int = 1, every: float = 1.0) -> Fault:
        """Send so many events, then only comments, one every so many seconds, for ever."""

        async def work(chunks: AsyncGenerator[bytes, None], stage: Stage) -> AsyncIterator[bytes]:
            async for chunk in _first(after, chunks):
                yield chunk
            while True:
                yield b": ping\n\n"
                await stage.clock.sleep(every)

        return _in_body(work)

    @staticmethod
    def stays_open() -> Fault:
        """Send the whole stream, `[DONE]` included, and keep the body open."""

        async def work(chunks: AsyncGenerator[bytes, None], stage: Stage) -> AsyncIterator[bytes]:
            async with aclosing(chunks):
                async for chunk in chunks:
                    yield chunk
            await stage.silence()

        return _in_body(work)

    @staticmethod
    def cut(*, after: int = 1) -> Fault:
        """End the body properly after so many events: no finish reason, no `[DONE]`."""

        def work(chunks: AsyncGenerator[bytes, None], stage: Stage) -> AsyncIterator[bytes]:
            return _first(after, chunks)

        return _in_body(work)

    @staticmethod
    def error(
        *,
        after: int = 0,
        status: int = 503,
        reason: str = "SERVICE_NOT_AVAILABLE",
        message: str = "backend busy",
        shape: Shape = "flat",
    ) -> Fault:
        """Send so many events, then an error inside the stream, and end.

        Args:
            after: events before it; the first event of a chat stream has content, so 0 is before the first content.
            status: what the body says; the HTTP status is 200.
            reason: the platform's token.
            message: its words.
            shape: which of the platform's error bodies to send.
        """
        name = b"event: error\n" if shape == "anthropic" else b""
        frame = name + b"data: " + _error(status, reason, message, shape) + b"\n\n"

        async def work(chunks: AsyncGenerator[bytes, None], stage: Stage) -> AsyncIterator[bytes]:
            async for chunk in _first(after, chunks):
                yield chunk
            yield frame

        return _in_body(work)

    @staticmethod
    def huge_event(*, size: int = 5_000_000) -> Fault:
        """Let the first event carry so many bytes of content, as a provider that batches a whole trace does."""

        async def work(chunks: AsyncGenerator[bytes, None], stage: Stage) -> AsyncIterator[bytes]:
            async with aclosing(chunks):
                first = True
                async for chunk in chunks:
                    if first and chunk.startswith(b"data: {"):
                        event = msgspec.json.decode(chunk.removeprefix(b"data: "))
                        event["choices"][0]["delta"]["content"] = "x" * size
                        yield b"data: " + msgspec.json.encode(event) + b"\n\n"
                    else:
                        yield chunk
                    first = False

        return _in_body(work)


class Outcome(msgspec.Struct, frozen=True):
    """How the task, batch or instance that the call submits will end. Made by its class methods.

    Attributes:
        status: None for success, "" for the product's own failure, else a status as the platform would send it.
        reason: the words of a failure.
        after: seconds from the submit to the end; None leaves the simulator's own.
    """

    status: str | None = None
    reason: str = ""
    after: float | None = None

    @classmethod
    def failed(cls, reason: str, *, after: float | None = None) -> Outcome:
        """It fails: a media task as TASK_STATUS_FAILED, an instance as exited with a `statusError`."""
        return cls("", reason, after)

    @classmethod
    def succeeded(cls, *, after: float) -> Outcome:
        """It succeeds, after so many seconds."""
        return cls(None, "", after)

    @classmethod
    def unknown(cls, status: str, *, after: float | None = None) -> Outcome:
        """It comes to a status that nobody knows, and stays there."""
        return cls(status, "", after)

    @classmethod
    def expired(cls, *, after: float | None = None) -> Outcome:
        """A batch expires, after half of its time if nothing else is said, with the lines that are done by then."""
        return cls("expired", "", after)

    async def __call__(self, call: Call, answer: Callable[[], Awaitable[Reply]], stage: Stage) -> Reply:
        call.outcome = self
        return await answer()


class Edit:
    """Changes to the JSON of an answer. A path is names joined by dots, a number counts in a list."""

    @staticmethod
    def without(path: str) -> Fault:
        """Leave a field out."""
        return _edited(path, lambda holder, name: holder.pop(name, None))

    @staticmethod
    def having(path: str, value: Any) -> Fault:
        """Give a field another value."""
        return _edited(path, lambda holder, name: holder.__setitem__(name, value))


def _edited(path: str, change: Callable[[Any, str], object]) -> Fault:
    *way, last = path.split(".")

    async def fault(call: Call, answer: Callable[[], Awaitable[Reply]], stage: Stage) -> Reply:
        reply = await answer()
        assert isinstance(reply.body, bytes), "only a whole answer can be edited"
        body: Any = msgspec.json.decode(reply.body)
        holder = body
        for name in way:
            holder = holder[int(name) if name.isdigit() else name]
        change(holder, last)
        return json_reply(body, status=reply.status)

    return fault
