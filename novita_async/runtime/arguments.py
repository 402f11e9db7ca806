"""What facades do with their arguments before a byte leaves."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from ..config import check_seconds
from ..errors import ConfigError, ValidationError
from ..wire.json import encode

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

__all__ = ["call_headers", "check_keywords", "check_timeout", "given", "json_body", "with_query"]


def check_keywords(function: str, names: Collection[str], known: Collection[str]) -> None:
    """Refuse keywords that a call does not have, as Python itself would, and say which one was perhaps meant."""
    for name in names:
        if name not in known:
            import difflib

            near = difflib.get_close_matches(name, known, n=1)
            hint = f"; did you mean {near[0]!r}?" if near else "; fields unknown to the SDK go into extra_body"
            raise TypeError(f"{function} got an unexpected keyword argument {name!r}{hint}")


def check_timeout(timeout: float | None, name: str = "timeout") -> float | None:
    """Refuse a timeout, or another duration of this name, that cannot be one."""
    try:
        check_seconds(name, timeout)
    except ConfigError as error:
        raise ValidationError(str(error)) from None
    return timeout


def call_headers(extra: Mapping[str, str] | None) -> dict[str, str]:
    """The caller's own headers, their names lowered so that they win over the client's."""
    if not extra:
        return {}
    for name, value in extra.items():
        if any(ord(letter) < 32 or ord(letter) == 127 for letter in f"{name}{value}"):
            raise ValidationError(f"extra_headers: {name!r} has a line end or another control character in it")
    return {name.lower(): value for name, value in extra.items()}


def given(**values: Any) -> dict[str, Any]:
    """The arguments that were given: None stands for "not given" everywhere in the package."""
    return {name: value for name, value in values.items() if value is not None}


def json_body(value: Mapping[str, Any]) -> bytes:
    """The body of a request, or the refusal of one that JSON cannot carry."""
    try:
        return encode(value)
    except (TypeError, ValueError) as error:
        raise ValidationError(f"the request cannot be written as JSON: {error}") from error


def with_query(url: str, **values: Any) -> str:
    """A URL with those query parameters that were given."""
    query = urlencode(given(**values), doseq=True)
    return f"{url}?{query}" if query else url
