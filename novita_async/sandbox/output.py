"""What a command writes and how it ends: the events of its stream, and what users see of them (envd/process.proto)."""

from __future__ import annotations

import codecs
from typing import Literal

import msgspec

__all__ = ["CommandResult", "End", "Event", "Gap", "Message", "Output", "Text"]

_CONTINUATION = bytes(range(0x80, 0xC0))  # the bytes of a UTF-8 character after its first


class Output(msgspec.Struct, frozen=True, gc=False):
    """A piece of what a command wrote. A character whose bytes came apart is in one piece, whole.

    Attributes:
        type: "stdout" or "stderr"; "gap" where the connection was broken and taken up again. What the command wrote
            meanwhile is not known: the sandbox repeats nothing.
        text: the piece; "" for a gap.
        raw: the bytes that it was, when they are not UTF-8 and `text` has replacement characters for some of them; None
            otherwise.
    """

    type: Literal["stdout", "stderr", "gap"]
    text: str
    raw: bytes | None = None

    @property
    def data(self) -> bytes:
        """The piece as the command wrote it. Those of a stream together are all its bytes, whatever they stand for."""
        return self.text.encode() if self.raw is None else self.raw


class Gap(msgspec.Struct, frozen=True):
    """A while in which a command's connection was broken. What the command wrote then is missing.

    Attributes:
        stdout: characters of `CommandResult.stdout` that came before it.
        stderr: the same for the other stream.
        seconds: how long it was, counted from when the break was waited for.
    """

    stdout: int
    stderr: int
    seconds: float


class CommandResult(msgspec.Struct, frozen=True):
    """How a command ended.

    Attributes:
        exit_code: 0 for success; -1 when a signal ended it, and as long as it has not ended.
        stdout: everything it wrote there, as far as it was read.
        stderr: the same.
        error: what the sandbox says of the failure, such as "exit status 2" or "signal: killed"; "" after a success.
        gaps: where output may be missing, as the connection was broken; none for a durable command.
    """

    exit_code: int
    stdout: str
    stderr: str
    error: str = ""
    gaps: tuple[Gap, ...] = ()


class _Start(msgspec.Struct):
    pid: int = 0


class _Data(msgspec.Struct):
    stdout: bytes = b""
    stderr: bytes = b""
    pty: bytes = b""


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
    """The bytes of one of a command's two streams, which become text as they come."""

    def __init__(self, name: Literal["stdout", "stderr"]) -> None:
        self._name: Literal["stdout", "stderr"] = name
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._pieces: list[str] = []
        self._length = 0
        self._torn = False
        self.kept = True

    def __len__(self) -> int:
        return self._length

    def feed(self, data: bytes, *, final: bool = False) -> Output | None:
        """Take what came; give the piece of which all characters are whole now, None where there is none."""
        if self._torn and data:
            whole = data.lstrip(_CONTINUATION)
            self._torn, data = not whole, whole
        kept = self._decoder.getstate()[0]  # the beginning of a character
        text = self._decoder.decode(data, final)
        if not text:
            return None
        if self.kept:
            self._pieces.append(text)
        self._length += len(text)
        if "\ufffd" not in text:
            return Output(self._name, text)
        raw = kept + data
        raw = raw[: len(raw) - len(self._decoder.getstate()[0])]
        return Output(self._name, text, None if raw == text.encode() else raw)

    def tear(self) -> None:
        """Say that bytes are missing here. What is left of a character on either side is missing with them."""
        self._decoder.reset()
        self._torn = True

    def __str__(self) -> str:
        return "".join(self._pieces)
