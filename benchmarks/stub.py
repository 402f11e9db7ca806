"""The server of the benchmark: a process of its own, on a core of its own, that does as little as HTTP allows.

It answers `POST .../chat/completions` with one fixed completion or, when the body asks for a stream, with fixed chunks,
each in a write of its own; the model's name says how many and how fast (`payloads.model_name`). `GET /cpu` gives the
CPU seconds it has used, from which a run tells whether the stub or the client was the limit.

It prints its port, and ends when its standard input is closed: it cannot outlive the program that started it.
"""

from __future__ import annotations

import asyncio
import functools
import os
import re
import sys
import time

from .machine import pin
from .payloads import COMPLETION, plan_of, stream_events

__all__: list[str] = []

_HEAD = (
    b"HTTP/1.1 200 OK\r\nDate: Sun, 22 Nov 2026 12:00:00 GMT\r\nServer: stub\r\nX-Request-Id: 6c1f0c6e4a2b4f5f9d3e\r\n"
)
_WHOLE = _HEAD + b"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(COMPLETION) + COMPLETION
_STREAM = _HEAD + b"Content-Type: text/event-stream\r\nCache-Control: no-cache\r\nTransfer-Encoding: chunked\r\n\r\n"
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_IS_STREAM = re.compile(rb'"stream": ?true')
_MODEL = re.compile(rb'"model": ?"([^"]+)"')


@functools.cache
def _writes(model: str) -> list[bytes]:
    """Everything a stream writes, one write an item: the headers, each event as an HTTP chunk, the end of the body."""
    chunks, _ = plan_of(model)
    return [_STREAM, *(b"%x\r\n%b\r\n" % (len(event), event) for event in stream_events(chunks)), b"0\r\n\r\n"]


class _Connection(asyncio.Protocol):
    """One kept-alive connection; requests come one after the other."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._write = transport.write
        self._loop = asyncio.get_running_loop()
        self._received = b""
        self._writes: list[bytes] = []
        self._next = 0
        self._due = 0.0
        self._gap = 0.0
        self._full = False
        self._gone = False

    def connection_lost(self, exc: Exception | None) -> None:
        self._gone = True

    def data_received(self, data: bytes) -> None:
        received = self._received + data if self._received else data
        head = received.find(b"\r\n\r\n")
        length = _LENGTH.search(received, 0, head + 2) if head >= 0 else None
        if head < 0 or (length is not None and len(received) < head + 4 + int(length[1])):
            self._received = received
            return
        self._received = b""
        if _IS_STREAM.search(received, head):
            model = _MODEL.search(received, head)
            assert model is not None
            self._start(model[1].decode())
        elif received.startswith(b"GET /cpu "):
            used = b"%.6f" % time.process_time()
            self._write(_HEAD + b"Content-Length: %d\r\n\r\n%b" % (len(used), used))
        else:
            self._write(_WHOLE)

    def _start(self, model: str) -> None:
        self._writes = _writes(model)
        self._next = 0
        self._gap = plan_of(model)[1]
        self._due = self._loop.time()
        self._step()

    def _step(self) -> None:
        if self._gone:
            return
        self._write(self._writes[self._next])
        self._next += 1
        if self._next == len(self._writes):
            return
        if self._gap and self._next < len(self._writes) - 1:  # the body's end comes right behind the end marker
            self._due += self._gap
            self._loop.call_at(self._due, self._step)
        elif not self._full:
            self._loop.call_soon(self._step)  # one write a turn: the streams take turns

    def pause_writing(self) -> None:
        self._full = True

    def resume_writing(self) -> None:
        self._full = False
        if not self._gap and self._next < len(self._writes):
            self._loop.call_soon(self._step)


async def _serve() -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(_Connection, "127.0.0.1", 0, backlog=4096)
    print(server.sockets[0].getsockname()[1], flush=True)
    ended = asyncio.Event()
    loop.add_reader(0, lambda: os.read(0, 4096) or ended.set())
    await ended.wait()
    server.close()


if __name__ == "__main__":
    pin(int(sys.argv[1]))
    asyncio.run(_serve())
