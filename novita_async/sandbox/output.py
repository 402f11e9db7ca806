"""What a command writes and how it ends: the events of its stream, and what users see of them (envd/process.proto)."""

from __future__ import annotations

import codecs
from typing import Literal

import msgspec

__all__ = ["CommandResult", "End", "Event", "Message", "Output", "Text"]


class Output(msgspec.Struct, frozen=True, gc=False):
    """A piece of what a command wrote. A character whose bytes came apart is in one piece, whole."""

    type: Literal["stdout", "stderr"]
    text: str


class CommandResult(msgspec.Struct, frozen=True):
    """How a command ended.

    Attributes:
        exit_code: 0 for success; -1 when a signal ended it, and as long as it has not ended.
        stdout: everything it wrote there, as far as it was read.
        stderr: the same.
        error: what the sandbox says of the failure, such as "exit status 2" or "signal: killed"; "" after a success.
    """

    exit_code: int
    stdout: str
    stderr: str
    error: str = ""


class _Start(msgspec.Struct):
    pid: int = 0


class _Data(msgspec.Struct):
    stdout: bytes = b""
    stderr: bytes = b""


class End(msgspec.Struct):
    """The last event of a command, as it is on the wire."""

    exitCode: int = 0
    status: str = ""
    error: str | None = None


class Event(msgspec.Struct):
    """One event of a command, as it is on the wire: one of the fields is set."""

    start: _Start | None = None
    data: _Data | None = None
    end: End | None = None


class Message(msgspec.Struct):
    """A message of Start's stream. An event that is none of these is a keepalive, or not known yet."""

    event: Event = msgspec.field(default_factory=Event)


class Text:
    """Bytes that become text as they come."""

    def __init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._pieces: list[str] = []

    def feed(self, data: bytes, *, final: bool = False) -> str:
        text = self._decoder.decode(data, final)
        if text:
            self._pieces.append(text)
        return text

    def __str__(self) -> str:
        return "".join(self._pieces)
