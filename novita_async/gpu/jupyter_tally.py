"""Which messages of a kernel belong to a piece of code, which of them are news, and what got lost on the way.

A server keeps what a kernel says while its client is away, and gives it when the client is back: some of it perhaps a
second time. What it had sent into a connection that broke is gone. Kernels number their messages (their ids end in the
number), so that it shows. And a request that the kernel answers after the code tells that nothing of it can come now.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..wire.jupyter import KernelMessage

__all__ = ["Tally"]

_NUMBERED = re.compile(r"(.+)_(\d+)")


class Tally:
    """The messages about one request.

    Args:
        id_: of the request.

    Attributes:
        began: the kernel has begun with it.
        restarted: the kernel was started anew, or is dead.
    """

    def __init__(self, id_: str) -> None:
        self._id = id_
        self._seen: set[str] = set()
        self._kernel = ""  # what the ids of its messages begin with
        self._numbers: set[int] = set()
        self._marks: list[int | None] = []  # the last number before each drop
        self._reply: int | None = None
        self._replied = self._idle = False
        self._probe = ""
        self._probe_replied = self._probe_idle = False
        self.began = False
        self.restarted = False

    def dropped(self) -> None:
        """The connection dropped, and is there again."""
        self._marks.append(max(self._numbers, default=None))

    def probe(self, id_: str) -> None:
        """A request was sent that the kernel answers when it is through with this one."""
        self._probe, self._probe_replied, self._probe_idle = id_, False, False

    def take(self, message: KernelMessage) -> bool:
        """Note a message; tell whether it is about this request and came for the first time."""
        state = message.state
        if message.restarts:
            self.restarted = True
        if message.parent and message.parent == self._probe:
            self._probe_idle = self._probe_idle or state == "idle"
            self._probe_replied = self._probe_replied or message.channel == "shell"
        ours = message.parent == self._id
        number = self._number(message, ours)
        if not ours or message.id in self._seen:
            return False
        self._seen.add(message.id)
        self.began = self.began or state == "busy"
        self._idle = self._idle or state == "idle"
        if message.type == "execute_reply":
            self._replied, self._reply = True, number
        return True

    def _number(self, message: KernelMessage, ours: bool) -> int | None:
        match = _NUMBERED.fullmatch(message.id)
        if match is None:
            return None
        if ours and not self._kernel:
            self._kernel = match[1]
        if match[1] != self._kernel:
            return None  # the server has a word to say too
        self._numbers.add(int(match[2]))
        return int(match[2])

    @property
    def over(self) -> bool:
        """Nothing more comes of it."""
        return (self._replied and self._idle) or (self._probe_replied and self._probe_idle)

    @property
    def never_seen(self) -> bool:
        """Nothing has come of it."""
        return not self._seen

    @property
    def lost(self) -> str:
        """What got lost, in words, of a request that is over; "" for nothing."""
        if not self._marks:
            return ""
        if not self._replied:
            return "its end"
        if not self.began:
            return "its beginning"
        missing = 0
        for mark in self._marks:
            after = min((number for number in self._numbers if mark is not None and number > mark), default=None)
            if mark is not None and after is not None:
                missing += after - mark - 1
        if not self._idle and self._reply is not None:  # what came between is only sure up to the reply
            since = max((mark for mark in self._marks if mark is not None), default=min(self._numbers))
            missing = max(missing, len(set(range(since + 1, self._reply)) - self._numbers))
        return f"{missing} of its messages" if missing else ""
