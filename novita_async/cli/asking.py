"""Questions to the user, who must be at a terminal for that, and values that are not for other eyes."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from ..errors import ValidationError
from .pipes import STDERR, STDIN, read, write
from .process import CannotGoOn, no_echo, printable

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["choose", "confirm", "hidden", "piped"]


def _can_ask() -> bool:
    return sys.stdin.isatty() and sys.stderr.isatty()


async def _asked(prompt: str) -> str:
    await write(STDERR, prompt)
    answer = b""
    try:
        answer = await read(STDIN)
    finally:
        if not answer:
            await write(STDERR, "\n")  # nobody else has ended the line
    return answer.decode("utf-8", "surrogateescape").removesuffix("\n")


async def confirm(question: str, *, yes: bool) -> None:
    """Ask before something is destroyed.

    Args:
        question: what is to be done.
        yes: it was said already.

    Raises:
        ValidationError: there is nobody to ask.
        CannotGoOn: the answer was no.
    """
    if yes:
        return
    question = printable(question)
    if not _can_ask():
        raise ValidationError(f"{question}? There is no terminal to ask at; -y says yes")
    if (await _asked(f"{question}? [y/N] ")).strip().lower() not in ("y", "yes"):
        raise CannotGoOn("nothing was done")


async def choose(what: str, choices: Sequence[str], instead: str, *, several: bool = False) -> list[int]:
    """Let the user choose from a list.

    Args:
        what: is chosen.
        choices: a line each.
        instead: what to say on the command line, so that nobody is asked.
        several: more than one may be chosen.

    Returns:
        The places of those that were chosen, at least one.

    Raises:
        ValidationError: there is nobody to ask.
        CannotGoOn: there is nothing to choose from, or nothing on the list was chosen.
    """
    if not choices:
        raise CannotGoOn(f"there is no {what} to choose")
    if not _can_ask():
        raise ValidationError(f"which {what}? There is no terminal to ask at; {instead} says it")
    lines = [f"{number:3}  {printable(choice)}\n" for number, choice in enumerate(choices, 1)]
    await write(STDERR, "".join(lines))
    words = (await _asked(f"{what}{', or several' if several else ''}: ")).replace(",", " ").split()
    numbers = [int(word) for word in words if word.isdecimal()]
    if len(numbers) != len(words) or not 1 <= len(words) <= (len(choices) if several else 1):
        raise CannotGoOn("nothing was done")
    if not all(1 <= number <= len(choices) for number in numbers):
        raise CannotGoOn(f"nothing was done: the list goes from 1 to {len(choices)}")
    return [number - 1 for number in numbers]


async def hidden(what: str, instead: str) -> str:
    """Ask for something that the terminal does not show.

    Args:
        what: is asked for.
        instead: what to say on the command line, so that nobody is asked.

    Raises:
        ValidationError: there is nobody to ask.
    """
    if not _can_ask():
        raise ValidationError(f"say where the {what} comes from: {instead}")
    with no_echo(always=True):
        answer = await _asked(f"{what}: ")
        await write(STDERR, "\n")
    return answer


async def piped() -> str:
    """All of standard input, without the line end at its end."""
    pieces: list[bytes] = []
    while piece := await read(STDIN):
        pieces.append(piece)
    return b"".join(pieces).decode("utf-8", "surrogateescape").removesuffix("\n")
