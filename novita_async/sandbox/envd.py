"""The way into a sandbox: envd, which answers Connect calls, Connect streams and plain HTTP (contract/sandbox.md 1, 3).

The API key never goes there. Whatever breaks on the way is explained by one status read at the control plane, so that
a sandbox that was killed, paused or has expired is called by its name.
"""

from __future__ import annotations

import base64
import weakref
from typing import TYPE_CHECKING, Any, Generic, Self, TypeVar

from ..errors import APIError, CallTimeout, NovitaError, ProtocolError, SandboxEnded, StreamCut, TransportError
from ..runtime.arguments import json_body
from ..runtime.call import Auth, Call
from ..runtime.closing import Closing
from ..runtime.retry import Replay
from ..runtime.streams import LINGER, EventStream
from ..wire.connect import END_STREAM, ConnectDecoder
from ..wire.json import decode

if TYPE_CHECKING:
    from collections.abc import AsyncIterable, Awaitable, Callable, Mapping

    from ..errors import SandboxError
    from ..runtime.attempts import Attempts
    from ..runtime.call import Answer, Runtime
    from ..runtime.streams import Reader
    from ..transport.protocol import Response

__all__ = ["PORT", "ConnectReader", "Envd", "SandboxStream"]

PORT = 49983

T = TypeVar("T")


class Envd:
    """envd of one sandbox.

    Args:
        runtime: of the client.
        sandbox_id: sent along, for a base URL that is shared by all sandboxes.
        base_url: where it answers.
        token: its access token; None for a sandbox that was made without.
        version: its version, such as "0.5.7"; it decides how files are sent.
        fate: finds out, by one status read, what became of the sandbox after an error.
    """

    def __init__(
        self,
        runtime: Runtime,
        *,
        sandbox_id: str,
        base_url: str,
        token: str | None,
        version: str,
        fate: Callable[[NovitaError], Awaitable[SandboxError]],
    ) -> None:
        self.runtime = runtime
        self.sandbox_id = sandbox_id
        self.version = version
        self.killed = False
        self.base_url = base_url
        self._fate = fate
        self._streams: weakref.WeakSet[SandboxStream[Any]] = weakref.WeakSet()
        self._headers = {"novita-sandbox-id": sandbox_id, "novita-sandbox-port": str(PORT)}
        self.use_token(token)

    def use_token(self, token: str | None) -> None:
        """Take another access token from now on: a sandbox that is resumed may have got one."""
        self.token = token
        self._headers.pop("x-access-token", None)
        if token:
            self._headers["x-access-token"] = token

    def call(
        self,
        method: str,
        path: str,
        *,
        body: bytes | AsyncIterable[bytes] | None = None,
        headers: Mapping[str, str] | None = None,
        user: str | None = None,
        replay: Replay = Replay.SAFE,
        timeout: float | None = None,
        attempt: float | None = None,
    ) -> Call:
        """A call to envd, not sent yet.

        Args:
            method: of HTTP.
            path: with its query, encoded.
            body: as of `Call`.
            headers: of this call; names in lower case.
            user: the Linux user that acts in a Connect call; None for envd's default.
            replay: as of `Call`.
            timeout: as of `Call`.
            attempt: as of `Call`.
        """
        known = {**self._headers, **(headers or {})}
        if user is not None:
            known["authorization"] = "Basic " + base64.b64encode(f"{user}:".encode()).decode()
        return Call(
            method=method,
            url=f"{self.base_url}{path}",
            body=body,
            headers=known,
            auth=Auth.NONE,
            replay=replay,
            timeout=timeout,
            attempt=attempt,
        )

    async def request(self, call: Call) -> Answer:
        """Make a call and read its whole answer.

        Raises:
            SandboxEnded: the sandbox is gone or paused.
            SandboxUnreachable: it is said to run and does not answer.
            APIError: envd refused.
            CallTimeout: the call's own `timeout` passed.
        """
        self._check()
        try:
            return await self.runtime.request(call)
        except NovitaError as error:
            raise await self.explain(error)  # noqa: B904 - it is the error itself, or has it as its cause

    async def tell(
        self,
        method: str,
        message: Mapping[str, Any],
        *,
        user: str | None = None,
        replay: Replay = Replay.SAFE,
        timeout: float | None = None,
        attempt: float | None = None,
    ) -> Answer:
        """Make a unary Connect call, such as "process.Process/SendSignal". Raises what `request` raises."""
        headers = {"connect-protocol-version": "1", "content-encoding": "identity"}
        return await self.request(
            self.call(
                "POST",
                f"/{method}",
                body=json_body(message),
                headers=headers,
                user=user,
                replay=replay,
                timeout=timeout,
                attempt=attempt,
            )
        )

    async def open(
        self,
        attempts: Attempts,
        make_reader: Callable[[Response], Reader[T]],
        *,
        first_event: float | None,
        idle: float | None,
    ) -> SandboxStream[T]:
        """Make a call and give its answer as a stream. Raises what `request` raises."""
        self._check()
        try:
            response = await attempts.open()
        except NovitaError as error:
            raise await self.explain(error)  # noqa: B904 - as above
        events = EventStream(self.runtime, attempts, response, make_reader, first_event=first_event, idle=idle)
        stream = SandboxStream(self, events)
        self._streams.add(stream)
        return stream

    async def explain(self, error: NovitaError) -> NovitaError:
        """The error to raise for one that came: what became of the sandbox where its connection broke, else itself."""
        if not _is_break(error):
            return error
        verdict = self._ended() if self.killed else await self._fate(error)
        verdict.__cause__ = error
        return verdict

    def kill(self) -> None:
        """Say that the sandbox was killed: streams end, and nothing more is sent."""
        self.killed = True
        self.abort(self._ended())

    def abort(self, error: NovitaError) -> None:
        """End every open stream with this error."""
        for stream in list(self._streams):
            stream.abort(error)

    def _check(self) -> None:
        if self.killed:
            raise self._ended()

    def _ended(self) -> SandboxEnded:
        return SandboxEnded("killed", sandbox_id=self.sandbox_id)


def _is_break(error: NovitaError) -> bool:
    """Whether an error may mean that the sandbox is not there any more."""
    match error:
        case TransportError() | StreamCut():
            return True
        case CallTimeout():
            return error.limit != "total"  # that one is the caller's own patience
        case APIError():
            # 502 is the proxy's: no such sandbox, or nothing listens. The two reasons are what a stream that is torn
            # down from the other side ends with.
            return error.status == 502 or error.reason.lower() in ("unavailable", "canceled")
        case _:
            return False


class SandboxStream(Closing, Generic[T]):
    """What comes out of a sandbox bit by bit: an async iterator, to be used inside `async with`.

    Raises while iterating:
        SandboxEnded: the sandbox is gone or paused.
        SandboxUnreachable: it is said to run, and its connection broke or went silent.
        APIError: envd ended the stream with an error.
    """

    def __init__(self, envd: Envd, events: EventStream[T]) -> None:
        self._envd = envd
        self._events = events

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> T:
        try:
            return await anext(self._events)
        except NovitaError as error:
            raise await self._envd.explain(error)  # noqa: B904 - it is the error itself, or has it as its cause

    def abort(self, error: NovitaError) -> None:
        """Close the connection now; whoever reads, now or later, gets this error."""
        self._events.abort(error)

    async def finish(self) -> None:
        """Close a stream of which everything that counts is there. Its own end is due right now, and taking it saves
        the next call a new connection."""
        try:
            async with self._envd.runtime.clock.timeout(LINGER):
                await anext(self._events, None)
        except (NovitaError, TimeoutError):
            pass  # how it ends is of no interest
        finally:
            await self._events.aclose()

    async def aclose(self) -> None:
        """Close the stream and give its connection back. Safe to call twice."""
        await self._events.aclose()


class ConnectReader(Generic[T]):
    """The reader of a Connect stream of JSON messages. Every message counts, a keepalive too: it is a sign of life.

    Args:
        runtime: of the client.
        response: whose body is read.
        type_: of the messages.
    """

    def __init__(self, runtime: Runtime, response: Response, type_: type[T]) -> None:
        self.done = False
        self._runtime = runtime
        self._headers = response.headers
        self._decoder = runtime.decoders(type_)
        self._envelopes = ConnectDecoder(max_event_bytes=runtime.settings.limits.max_event_bytes)

    def feed(self, chunk: bytes, out: list[bytes]) -> None:
        for envelope in self._envelopes.feed(chunk):
            if envelope.flags & END_STREAM:
                self.done = True
                refusal = self._runtime.embedded(envelope.payload, self._headers)
                if refusal is not None:
                    raise refusal
                return
            out.append(envelope.payload)

    def close(self, out: list[bytes]) -> None:
        try:
            self._envelopes.close()
        except ProtocolError as error:
            raise StreamCut(str(error)) from error
        if not self.done:
            raise StreamCut("the stream ended without its end message")

    def decode(self, event: bytes) -> T:
        return decode(self._decoder, event)

    def is_content(self, value: T) -> bool:
        return True  # whatever comes proves that the call has begun
