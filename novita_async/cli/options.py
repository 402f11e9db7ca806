"""Options that many commands have, and how what is given with them is read."""

from __future__ import annotations

import math
import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeAlias

from cyclopts import Parameter
from cyclopts.validators import Number

from ..errors import ValidationError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cyclopts import Token

__all__ = [
    "All",
    "Count",
    "Flag",
    "Format",
    "FormatOnly",
    "Labels",
    "Lifetime",
    "Limit",
    "Many",
    "Page",
    "Seconds",
    "Several",
    "Span",
    "Variables",
    "Yes",
    "moment",
    "pairs",
    "split",
]

_UNITS = {"": 1.0, "ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}


def _duration(type_: Any, tokens: Sequence[Token]) -> float:
    """`90`, `500ms`, `90s`, `5m`, `24h`, in seconds."""
    value = tokens[0].value
    found = re.fullmatch(r"([0-9]*\.?[0-9]+)(ms|s|m|h|)", value.strip())
    if found is None:
        raise ValueError(f"{value!r} is no number of seconds, and no time such as 500ms, 90s, 5m or 24h.")
    return float(found[1]) * _UNITS[found[2]]


#: The option of every command that prints what the platform knows; `--json` goes with it.
Format = Annotated[Literal["pretty", "json", "yaml"], Parameter(name=["--output", "-o", "--format", "-f"])]
#: The same where -f is something else.
FormatOnly = Annotated[Literal["pretty", "json", "yaml"], Parameter(name=["--output", "-o", "--format"])]
#: A span of time in seconds. 0 may mean something.
Span = Annotated[float, Parameter(converter=_duration, validator=Number(gte=0, lt=math.inf))]
#: A span of time in seconds that takes some.
Seconds = Annotated[float, Parameter(converter=_duration, validator=Number(gt=0, lt=math.inf))]
#: How long a sandbox lives.
Lifetime = Annotated[Seconds, Parameter(name=["--timeout", "-t"])]
#: A number from 1 on.
Count = Annotated[int, Parameter(validator=Number(gte=1))]
Page = Annotated[Count, Parameter(name=["--page", "-p"])]
#: How many there are on a page; 0 for all.
Limit = Annotated[int, Parameter(name=["--limit", "-l"], validator=Number(gte=0))]
All = Annotated[bool, Parameter(name=["--all", "-a"], negative="")]
Yes = Annotated[bool, Parameter(name=["--yes", "-y"], negative="")]
#: What is given or not, and has no opposite.
Flag = Annotated[bool, Parameter(negative="")]
#: Values of an option that may be given several times.
Many: TypeAlias = tuple[str, ...]
Several = Annotated[Many, Parameter(negative="")]
Labels = Annotated[Many, Parameter(name=["--metadata", "-m"], negative="")]
Variables = Annotated[Many, Parameter(name=["--env", "-e"], negative="")]


def split(values: Sequence[str]) -> list[str]:
    """What was given several times, or once with commas between."""
    return [piece.strip() for value in values for piece in value.split(",") if piece.strip()]


def pairs(option: str, values: Sequence[str], *, form: str = "KEY=VALUE", several: bool = False) -> dict[str, str]:
    """`KEY=VALUE`, each, as a mapping.

    Args:
        option: that they were given with.
        values: as given.
        form: what the option takes, in words.
        several: one value may hold several, with commas between them.

    Raises:
        ValidationError: one of them is not such a pair.
    """
    found: dict[str, str] = {}
    for value in values:
        pieces = value.split(",") if several and all("=" in piece for piece in value.split(",")) else [value]
        for piece in pieces:
            key, equals, right = piece.partition("=")
            if not key or not equals or (form != "KEY=VALUE" and not right):
                raise ValidationError(f"{option} takes {form}, got {piece!r}")
            found[key] = right
    return found


def moment(option: str, value: str | None) -> datetime | None:
    """Unix seconds or a time, that of this machine when it names no zone, as a moment.

    Args:
        option: that it was given with.
        value: as given.

    Raises:
        ValidationError: it is neither.
    """
    if value is None:
        return None
    try:
        if value.isdecimal():
            return datetime.fromtimestamp(int(value), UTC)
        found = datetime.fromisoformat(value)
    except (ValueError, OverflowError, OSError) as error:
        raise ValidationError(
            f"{option} takes Unix seconds or a time such as 2026-01-31T12:00:00Z, got {value!r}"
        ) from error
    return found if found.tzinfo else found.astimezone()
