"""What is wrong with the arguments of a call: everything at once, before a byte leaves."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..errors import ValidationError

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

__all__ = ["Findings", "checked_id"]


class Findings:
    """Problems as they are found; `end` raises them together."""

    def __init__(self) -> None:
        self._problems: list[str] = []

    def add(self, problem: str) -> None:
        """Note one down."""
        self._problems.append(problem)

    def text(self, name: str, value: str | None, *, most: int, least: int = 1) -> None:
        """A text must have so many letters; None was not given."""
        if value is None:
            return
        if not isinstance(value, str):  # pyright: ignore[reportUnnecessaryIsInstance] - a caller's
            self.add(f"{name} must be text, got {value!r}")
        elif len(value) < least:
            self.add(f"{name} is empty")
        elif len(value) > most:
            self.add(f"{name} has {most} letters at most, got {len(value)}")

    def number(self, name: str, value: int | None, *, least: int, most: int | None = None, unit: str = "") -> None:
        """A whole number must be in a range; None was not given."""
        if value is None:
            return
        good = isinstance(value, int) and not isinstance(value, bool)  # pyright: ignore[reportUnnecessaryIsInstance] - a caller's
        if not good or value < least or (most is not None and value > most):
            span = f"{least} to {most}" if most is not None else f"at least {least}"
            self.add(f"{name} must be {span}{unit}, got {value}")

    def choice(self, name: str, value: str | None, known: Collection[str]) -> None:
        """A text must be one of these; None was not given."""
        if value is not None and value not in known:
            self.add(f"{name} must be one of {', '.join(known)}, got {value!r}")

    def envs(self, envs: Mapping[str, str] | None) -> None:
        """Variables must fit: 100 of them, names of 511 and values of 4095 letters."""
        if envs is not None and len(envs) > 100:
            self.add(f"at most 100 envs, got {len(envs)}")
        for name, value in (envs or {}).items():
            self.text(f"the name of the env {name[:40]!r}", name, most=511)
            self.text(f"the env {name[:40]}", value, least=0, most=4095)

    def end(self) -> None:
        """Raise what was found."""
        if self._problems:
            raise ValidationError(*self._problems)


def checked_id(name: str, value: str) -> str:
    """An id that a call goes to, which must be one: it becomes a part of a path."""
    if not isinstance(value, str) or not value.strip("./ "):  # pyright: ignore[reportUnnecessaryIsInstance] - a caller's
        raise ValidationError(f"{name} is empty" if value == "" else f"{name} is no id: {value!r}")
    return value
