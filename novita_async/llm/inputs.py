"""What completions and embeddings take: text or tokens, one or many."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias, TypeGuard, cast

from ..errors import ValidationError

__all__ = ["Inputs", "check_count", "check_inputs", "is_list", "is_many"]

#: A text, texts, the tokens of one text, or those of several.
Inputs: TypeAlias = str | Sequence[str] | Sequence[int] | Sequence[Sequence[int]]


def is_list(value: object) -> TypeGuard[Sequence[object]]:
    """Whether this is a sequence, and not one of characters or bytes."""
    return isinstance(value, Sequence) and not isinstance(value, str | bytes | bytearray)


def is_many(inputs: Inputs) -> bool:
    """Whether these are several inputs, and not a text or its tokens."""
    return is_list(inputs) and not isinstance(inputs[0], int)


def check_inputs(name: str, value: object) -> None:
    """Refuse what is neither text nor tokens, and a list of nothing.

    Of the tokens only the first are looked at: there may be millions, and the platform knows better which are good.
    """
    if isinstance(value, str):
        return
    if not is_list(value):
        raise ValidationError(f"{name} must be text, tokens or a list of either, got {type(value).__name__}")
    if not value:
        raise ValidationError(f"{name} is empty")
    kind = _kind(value[0])
    for number, each in enumerate(value):
        found = _kind(each)
        if not found:
            raise ValidationError(f"{name}[{number}] must be text or tokens, got {type(each).__name__}")
        if found != kind:
            raise ValidationError(f"{name}[{number}] is {found}, and {name}[0] is {kind}: a list has one kind")


def check_count(name: str, value: object, *, at_most: int | None = None) -> None:
    """Refuse what is not a whole number of at least 1; None stands for "not given"."""
    if value is None:
        return
    if isinstance(value, bool) or not isinstance(value, int):
        raise ValidationError(f"{name} must be a whole number, got {value!r}")
    if value < 1 or (at_most is not None and value > at_most):
        bounds = "at least 1" if at_most is None else f"1 to {at_most}"
        raise ValidationError(f"{name} must be {bounds}, got {value}")


def _kind(value: object) -> str:
    if isinstance(value, str):
        return "text"
    if isinstance(value, int) and not isinstance(value, bool):
        return "a token"
    tokens = cast("Sequence[object]", value) if isinstance(value, list | tuple) else ()
    return "tokens" if tokens and _kind(tokens[0]) == "a token" else ""
