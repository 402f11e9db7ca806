"""`sandbox.files.watch`: what happens to the files of a directory (contract/sandbox.md 5, envd/filesystem.proto)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

import msgspec

from ..errors import ClientClosed, NovitaError, StreamCut
from ..runtime.arguments import json_body
from ..runtime.attempts import Attempts
from ..wire.connect import envelope
from .arguments import check_path, check_user
from .attach import KEEPALIVE_INTERVAL, KEEPALIVE_LIMIT
from .envd import ConnectReader

if TYPE_CHECKING:
    from types import TracebackType

    from ..transport.protocol import Response
    from .envd import Envd, SandboxStream

__all__ = ["FileWatch", "WatchEvent"]


class WatchEvent(msgspec.Struct, frozen=True):
    """Something happened to a file or a directory.

    Attributes:
        name: relative to the watched directory.
        type: "create", "write", "remove", "rename" (this was its name before), "chmod"; others are kept. One change may
            come as several of these.
    """

    name: str
    type: str


class _Change(msgspec.Struct):
    name: str = ""
    type: str = ""


class _Nothing(msgspec.Struct):
    pass


class _Message(msgspec.Struct):
    """A message of WatchDir's stream. One that has neither is a keepalive, or not known yet."""

    start: _Nothing | None = None
    filesystem: _Change | None = None


class FileWatch:
    """A watched directory, as `files.watch` gives it: an async iterator of `WatchEvent`, inside `async with`.

    From the moment that the block is entered nothing is missed, until it is left.

    Raises while iterating:
        SandboxEnded: the sandbox is gone or paused.
        SandboxUnreachable: the sandbox is said to run, and the connection broke or went silent. What happened since is
            not known, so that a new watch begins with a look at the directory.
        APIError: envd ended the stream with an error.
    """

    def __init__(self, envd: Envd, path: str, *, recursive: bool, user: str | None) -> None:
        self._envd = envd
        self._message = {"path": check_path("path", path), "recursive": bool(recursive)}
        self._user = check_user(user)
        self._stream: SandboxStream[_Message] | None = None
        self._failure: NovitaError | None = None

    def __repr__(self) -> str:
        return f"<FileWatch {self._message['path']!r}{'' if self._stream else ' not open'}>"

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> WatchEvent:
        while True:
            message = await self._next()
            if message.filesystem is not None:
                kind = message.filesystem.type.removeprefix("EVENT_TYPE_").lower()
                return WatchEvent(message.filesystem.name, kind)

    async def _next(self) -> _Message:
        if self._failure is not None:
            raise self._failure
        if self._stream is None:
            raise ClientClosed("this watch is not open: use `async with sandbox.files.watch(path) as changes`")
        try:
            message = await anext(self._stream, None)
            if message is None:
                raise await self._envd.explain(StreamCut("the watch ended by itself"))
        except NovitaError as error:
            self._failure = error
            raise
        return message

    async def __aenter__(self) -> Self:
        headers = {
            "content-type": "application/connect+json",
            "connect-protocol-version": "1",
            "connect-content-encoding": "identity",
            "keepalive-ping-interval": str(KEEPALIVE_INTERVAL),
        }
        body = envelope(json_body(self._message))
        call = self._envd.call(
            "POST",
            "/filesystem.Filesystem/WatchDir",
            body=body,
            headers=headers,
            user=self._user,
            attempt=KEEPALIVE_LIMIT,
        )
        attempts = Attempts(self._envd.runtime, call)
        self._failure = None
        self._stream = await self._envd.open(attempts, self._reader, first_event=KEEPALIVE_LIMIT, idle=KEEPALIVE_LIMIT)
        try:
            while (await self._next()).start is None:
                pass
        except BaseException:
            await self.aclose()
            raise
        return self

    def _reader(self, response: Response) -> ConnectReader[_Message]:
        return ConnectReader(self._envd.runtime, response, _Message)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Watch no more. Safe to call twice."""
        stream, self._stream = self._stream, None
        if stream is not None:
            await stream.aclose()
