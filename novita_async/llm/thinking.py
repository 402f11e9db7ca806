"""Reasoning that stands inside the content, between think tags: told apart from the answer (contract/llm.md 6).

Only a block at the very beginning counts. Think tags further on are what the model says about think tags.
"""

from __future__ import annotations

__all__ = ["ThinkSplitter", "split_thinking"]

_OPEN, _CLOSE = "<think>", "</think>"


def split_thinking(content: str) -> tuple[str, str]:
    """Split a whole text into its reasoning, "" where there is none, and the answer."""
    splitter = ThinkSplitter()
    reasoning, answer = splitter.feed(content)
    rest_of_reasoning, rest = splitter.close()
    return reasoning + rest_of_reasoning, answer + rest


class ThinkSplitter:
    """`feed` pieces of content, get (reasoning, answer) pieces. A tag may come in pieces itself."""

    def __init__(self) -> None:
        self._where = "start"  # then "opened", "inside", "behind", "answer": white space at the seams is dropped
        self._held = ""

    def feed(self, piece: str) -> tuple[str, str]:
        """Take the next piece."""
        if self._where == "answer":
            return "", piece
        text = self._held + piece
        self._held = ""
        reasoning = ""
        if self._where == "start":
            begun = text.lstrip()
            if not begun.startswith(_OPEN):
                if _OPEN.startswith(begun):  # not told yet
                    self._held = text
                    return "", ""
                self._where = "answer"
                return "", text
            self._where, text = "opened", begun[len(_OPEN) :]
        if self._where == "opened":
            text = text.lstrip()
            if not text:
                return "", ""
            self._where = "inside"
        if self._where == "inside":
            reasoning, tag, text = text.partition(_CLOSE)
            if not tag:
                kept = _possible_tag(reasoning)
                self._held = reasoning[len(reasoning) - kept :]
                return reasoning[: len(reasoning) - kept], ""
            reasoning = reasoning.rstrip()
            self._where = "behind"
        text = text.lstrip()
        if text:
            self._where = "answer"
        return reasoning, text

    def close(self) -> tuple[str, str]:
        """Take the end, and give what was held back."""
        held, self._held = self._held, ""
        return (held.rstrip(), "") if self._where == "inside" else ("", held)


def _possible_tag(text: str) -> int:
    """How many characters at the end may be white space before, or the beginning of, a closing tag."""
    for size in range(min(len(_CLOSE) - 1, len(text)), 0, -1):
        if _CLOSE.startswith(text[-size:]):
            return size + len(text[:-size]) - len(text[:-size].rstrip())
    return len(text) - len(text.rstrip())
