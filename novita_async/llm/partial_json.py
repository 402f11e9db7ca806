"""JSON that is still being written: the value that its beginning holds. Pure, and linear in the length of the text."""

from __future__ import annotations

import json
import re
from typing import Any, cast

__all__ = ["PartialJSON"]

_SPACE = re.compile(r"[ \t\r\n]*")
_SCALAR = re.compile(r"[-+.0-9A-Za-z]*")
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?")
_WORDS = {"true": True, "false": False, "null": None}
_LONGEST_SCALAR = 1024
#: Text of a string in whole units: both halves of a surrogate pair are one.
_TEXT = re.compile(
    r'(?:[^"\\]|\\(?:["\\/bfnrt]|u(?![dD][89a-fA-F])[0-9a-fA-F]{4}'
    r"|u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}))*+"
)
_LONGEST_UNIT = 12
#: The beginning of a unit.
_BEGUN = re.compile(
    r"\\(?:u(?:[0-9a-fA-F]{0,3}|[dD][89abAB][0-9a-fA-F]{2}(?:\\(?:u(?:[dD](?:[c-fC-F][0-9a-fA-F]?)?)?)?)?)?)?"
)
#: A string of this length shows every piece. A longer one shows what has come when it is a sixteenth of what was shown:
#: showing each piece would copy the whole string for each.
_SHOWN_AT_ONCE = 4096


class PartialJSON:
    """`feed` pieces of JSON text, read `value`: the containers as far as they have come, the string that is being
    written as far as it has come, numbers and words once they are whole. Keys appear with their values.

    Text before the first bracket, such as the fence of a code block, is passed over. A text that turns out to be no
    JSON, or that goes on behind its end, changes nothing any more: the reader of the whole text says what is wrong.

    Attributes:
        value: a dict or a list, the same object all the time; None before its bracket has come.
        done: the value is whole.
    """

    def __init__(self) -> None:
        self.value: Any = None
        self.done = False
        self._broken = False
        self._held = ""  # the beginning of a token whose rest has not come
        self._open: list[dict[str, Any] | list[Any]] = []
        self._want = "root"  # root, value, item (or "]"), key, first key (or "}"), colon, comma, text, key text
        self._key = ""
        self._text: list[str] = []  # of the string that is being written, beyond what is shown
        self._unseen = 0
        self._shown = ""

    def feed(self, piece: str) -> bool:
        """Take the next piece.

        Returns:
            Whether `value` has changed.
        """
        changed = False
        text, self._held = self._held + piece, ""
        at = 0
        while not (self.done or self._broken):
            if self._want == "root":
                at, changed = self._begin(text), True
                if at < 0:
                    return False
            elif self._want in ("text", "key text"):
                at, seen = self._string(text, at)
                changed |= seen
            else:
                at = cast("re.Match[str]", _SPACE.match(text, at)).end()
                if at < len(text):
                    at, seen = self._token(text, at)
                    changed |= seen
            if at >= len(text):
                break
        return changed

    def _begin(self, text: str) -> int:
        found = [at for at in (text.find("{"), text.find("[")) if at >= 0]
        if not found:
            return -1
        self._push({} if text[min(found)] == "{" else [])
        return min(found) + 1

    def _push(self, container: dict[str, Any] | list[Any]) -> None:
        if self._open:
            self._put(container)
        else:
            self.value = container
        self._open.append(container)
        self._want = "first key" if isinstance(container, dict) else "item"

    def _put(self, value: Any) -> None:
        top = self._open[-1]
        if isinstance(top, dict):
            top[self._key] = value
        else:
            top.append(value)
        self._want = "comma"

    def _token(self, text: str, at: int) -> tuple[int, bool]:
        """One token outside of strings: where it ends, and whether it changed the value."""
        letter, want = text[at], self._want
        if want in ("value", "item"):
            if letter in "{[":
                self._push({} if letter == "{" else [])
                return at + 1, True
            if letter == '"':
                self._put("")
                self._want, self._shown = "text", ""
                return at + 1, True
            if not (want == "item" and letter == "]"):
                return self._scalar(text, at)
        elif letter == '"' and want in ("key", "first key"):
            self._want = "key text"
            return at + 1, False
        elif letter == ":" and want == "colon":
            self._want = "value"
            return at + 1, False
        elif letter == "," and want == "comma":
            self._want = "key" if isinstance(self._open[-1], dict) else "value"
            return at + 1, False
        closing = "}" if isinstance(self._open[-1], dict) else "]"
        if letter == closing and want in ("item", "first key", "comma"):
            self._open.pop()
            self._want = "comma"
            self.done = not self._open
        else:
            self._broken = True
        return at + 1, False

    def _scalar(self, text: str, at: int) -> tuple[int, bool]:
        end = cast("re.Match[str]", _SCALAR.match(text, at)).end()
        token = text[at:end]
        if len(token) > _LONGEST_SCALAR:
            self._broken = True
        elif end == len(text):  # it may go on
            self._held = token
        elif token in _WORDS:
            self._put(_WORDS[token])
            return end, True
        elif _NUMBER.fullmatch(token):
            self._put(json.loads(token))
            return end, True
        else:
            self._broken = True
        return end, False

    def _string(self, text: str, at: int) -> tuple[int, bool]:
        end = cast("re.Match[str]", _TEXT.match(text, at)).end()
        if end > at:
            raw = text[at:end]
            self._text.append(json.loads(f'"{raw}"', strict=False) if "\\" in raw else raw)
            self._unseen += len(raw)
        closed = text[end : end + 1] == '"'
        if closed and self._want == "key text":
            self._key, self._text, self._unseen = "".join(self._text), [], 0
            self._want = "colon"
            return end + 1, False
        changed = self._show(closed) if self._want == "text" else False
        if closed:
            self._want = "comma"
            return end + 1, changed
        if end < len(text):
            if len(text) - end < _LONGEST_UNIT and _BEGUN.fullmatch(text, end):
                self._held = text[end:]
            else:
                self._broken = True
        return len(text), changed

    def _show(self, closed: bool) -> bool:
        size = len(self._shown)
        if not self._unseen or not (closed or size < _SHOWN_AT_ONCE or self._unseen * 16 >= size):
            return False
        self._shown += "".join(self._text)
        self._text, self._unseen = [], 0
        top = self._open[-1]
        top[self._key if isinstance(top, dict) else -1] = self._shown  # pyright: ignore[reportArgumentType,reportCallIssue] - the key is of its container
        return True
