"""HTTP/1.1 as a proxy reads and writes it: strictly, for what two may read in two ways is how requests are smuggled."""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING, TypeAlias

import msgspec

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Exchange", "Head", "Refused", "Streams", "Target"]

_PIECE = 64 * 1024
_TOKEN = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"  # noqa: S105 - a word of HTTP
_REQUEST = re.compile(rf"({_TOKEN}) (\S+) HTTP/1\.[01]")
_ANSWER = re.compile(r"HTTP/1\.[01] ([1-5]\d\d)( .*)?")
_FIELD = re.compile(rf"({_TOKEN}):[ \t]*(.*?)[ \t]*")
_SIZE = re.compile(rb"([0-9A-Fa-f]{1,15})[ \t]*(?:;.*)?\r\n")
_AUTHORITY = re.compile(r"(?:\[([0-9A-Fa-f:.]+)\]|([0-9A-Za-z._-]+))(?::([0-9]{1,5}))?")
_URL = re.compile(r"(?i:http)://([^/?#]*)(/[^?#]*)?(\?[^#]*)?(?:#.*)?")
_STRAY = re.compile(rb"\0|\r(?!\n)|(?<!\r)\n")

#: Of one connection only. An upgrade is passed on where it is to a websocket: any other would be a way past this proxy.
_HOP = frozenset(
    {"connection", "keep-alive", "proxy-authenticate", "proxy-authorization", "proxy-connection", "te", "upgrade"}
)
#: Whoever names these as of one connection would change where a message ends, or whom it is for.
_NEEDED = frozenset({"content-length", "host", "transfer-encoding"})

Streams: TypeAlias = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Refused(Exception):
    """What is answered in place of what was asked for: `answer`, as bytes."""

    def __init__(self, status: str, message: str) -> None:
        super().__init__(message)
        body = f"{message}\n".encode()
        head = f"HTTP/1.1 {status}\r\nContent-Type: text/plain\r\nContent-Length: {len(body)}\r\nConnection: close"
        self.answer = head.encode() + b"\r\n\r\n" + body


class Head(msgspec.Struct):
    """The first line of a message, and its fields, as latin-1."""

    first: str
    fields: list[tuple[str, str]]

    @classmethod
    def parse(cls, data: bytes) -> Head:
        """Read what ends with an empty line.

        Raises:
            ValueError: it is not sound.
        """
        first, *lines = data.decode("latin-1").removesuffix("\r\n\r\n").split("\r\n")
        found = [_FIELD.fullmatch(line) for line in lines]
        if _STRAY.search(data) or not all(found):
            raise ValueError("the head of the message is not sound")
        return cls(first, [(each[1], each[2]) for each in found if each])

    def request(self) -> tuple[str, str]:
        """Method and target of a request. Raises what `parse` raises."""
        found = _REQUEST.fullmatch(self.first)
        if found is None:
            raise ValueError("the first line is not that of a request")
        return found[1], found[2]

    def status(self) -> int:
        """Status of an answer. Raises what `parse` raises."""
        found = _ANSWER.fullmatch(self.first)
        if found is None:
            raise ValueError("the first line is not that of an answer")
        return int(found[1])

    def get(self, name: str) -> list[str]:
        """Every value of a field, whose name is in lower case."""
        return [value for known, value in self.fields if known.lower() == name]

    def is_for(self, host: str) -> bool:
        """Whether a request asks this host, and no other, for something. Raises what `parse` raises."""
        _, target = self.request()
        named = [_AUTHORITY.fullmatch(each) for each in self.get("host")]
        return target.startswith("/") and [_host(each) for each in named] == [host]

    def ask_for(self, target: Target) -> None:
        """Make a request to a proxy one to the server; which one that is, its URL says and not its field."""
        method, _ = self.request()
        self.first = f"{method} {target.path} {self.first.rpartition(' ')[2]}"
        self.fields = [("Host", target.named), *(field for field in self.fields if field[0].lower() != "host")]

    def swap(self, values: Mapping[str, str]) -> None:
        """Put values in the place of what stands for them in fields."""
        for old, new in values.items():
            self.fields = [(name, value.replace(old, new)) for name, value in self.fields]

    @property
    def upgrades(self) -> bool:
        """It is to become, or becomes, a websocket."""
        return [each.lower() for each in self.get("upgrade")] == ["websocket"]

    def length(self) -> int | None:
        """How many bytes the body of a request has; None when it comes in chunks. Raises what `parse` raises."""
        lengths, encodings = self.get("content-length"), self.get("transfer-encoding")
        if encodings and not lengths and [each.lower() for each in encodings] == ["chunked"]:
            return None
        if encodings or len(lengths) > 1 or not re.fullmatch("[0-9]{1,15}", (lengths or ["0"])[0]):
            raise ValueError("nobody can tell where the body ends")
        return int((lengths or ["0"])[0])

    def passed_on(self) -> bytes:
        """The same for the next connection, after which it ends."""
        named = {name.strip().lower() for value in self.get("connection") for name in value.split(",")}
        dropped = _HOP | (named - _NEEDED)
        kept = [(name, value) for name, value in self.fields if name.lower() not in dropped]
        kept += [("Connection", "Upgrade"), ("Upgrade", "websocket")] if self.upgrades else [("Connection", "close")]
        lines = [self.first, *(f"{name}: {value}" for name, value in kept)]
        return "\r\n".join([*lines, "", ""]).encode("latin-1")


class Target(msgspec.Struct, frozen=True):
    """What a proxy is asked for.

    Attributes:
        host, port: where it is, the host in lower case.
        named: both, as the URL has them.
        path: with the query; "" for a tunnel.
    """

    host: str
    port: int
    named: str
    path: str

    @classmethod
    def of(cls, request: Head) -> Target:
        """The target of a request. Raises what `Head.parse` raises."""
        method, wanted = request.request()
        url = None if method == "CONNECT" else _URL.fullmatch(wanted)
        if method != "CONNECT" and url is None:
            raise ValueError("this is a proxy: it takes CONNECT, and requests for http:// URLs")
        named = wanted if url is None else url[1]
        found = _AUTHORITY.fullmatch(named)
        port = int((found and found[3]) or (80 if url else 0))
        if not _host(found) or not 0 < port < 65536:
            raise ValueError("host or port is not sound")
        return cls(_host(found), port, named, "" if url is None else (url[2] or "/") + (url[3] or ""))


def _host(named: re.Match[str] | None) -> str:
    return "" if named is None else (named[1] or named[2]).lower().rstrip(".")


class Exchange:
    """One request of a client, and its answer. The connections end with it.

    Args:
        request: as it goes out.
    """

    def __init__(self, request: Head, client: Streams, upstream: Streams) -> None:
        self._request = request
        self._client = client
        self._upstream = upstream
        self._is_websocket = False

    async def run(self) -> None:
        """Pass both on to their ends, or until the client leaves.

        Raises:
            ValueError: what one of the two says is not sound.
            OSError, EOFError: one of the two broke off.
        """
        length = self._request.length()
        self._upstream[1].write(self._request.passed_on())
        loop = asyncio.get_running_loop()
        asking, answering = loop.create_task(self._ask(length)), loop.create_task(self._answer())
        both = asking, answering
        try:
            await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
            if not answering.done() and not asking.result():
                await asyncio.wait([answering])
            if answering.done():
                answering.result()
        finally:
            for task in both:
                task.cancel()
            await asyncio.gather(*both, return_exceptions=True)

    async def _ask(self, length: int | None) -> bool:
        """Pass the body on; return whether the client has left, or else the upstream takes no more."""
        reader, _ = self._client
        writer = self._upstream[1]
        try:
            await self._send(length)
            # What comes after the request is for nobody, unless it is a websocket by now.
            while data := await reader.read(_PIECE):
                if self._is_websocket:
                    writer.write(data)
                    await writer.drain()
        except ConnectionError:
            return reader.exception() is not None
        return True

    async def _send(self, length: int | None) -> None:
        reader, _ = self._client
        writer = self._upstream[1]
        if length is not None:
            await self._pass(length)
            return
        while True:
            found = _SIZE.fullmatch(await reader.readuntil(b"\r\n"))
            if found is None:
                raise ValueError("a chunk of the body is not sound")
            size = int(found[1], 16)
            if not size:
                break
            writer.write(b"%x\r\n" % size)
            await self._pass(size)
            writer.write(b"\r\n")
            if await reader.readexactly(2) != b"\r\n":
                raise ValueError("a chunk of the body is not sound")
        while await reader.readuntil(b"\r\n") != b"\r\n":
            pass  # fields after the body, which hardly anybody sends
        writer.write(b"0\r\n\r\n")
        await writer.drain()

    async def _pass(self, size: int) -> None:
        reader, _ = self._client
        writer = self._upstream[1]
        while size:
            data = await reader.read(min(size, _PIECE))
            if not data:
                raise EOFError("the body of the request is not whole")
            size -= len(data)
            writer.write(data)
            await writer.drain()

    async def _answer(self) -> None:
        reader, _ = self._upstream
        writer = self._client[1]
        while True:
            head = Head.parse(await reader.readuntil(b"\r\n\r\n"))
            self._is_websocket = head.status() == 101
            if self._is_websocket and not (head.upgrades and self._request.upgrades):
                raise ValueError("the server changes to another protocol")
            if not self._is_websocket:
                head.fields = [field for field in head.fields if field[0].lower() != "upgrade"]
            writer.write(head.passed_on())
            if self._is_websocket or head.status() >= 200:
                break
        while data := await reader.read(_PIECE):
            writer.write(data)
            await writer.drain()
        await writer.drain()
