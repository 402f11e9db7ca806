"""Parameters held against what a model takes: everything that is wrong, each with the path of the parameter.

Of a file only its place is looked at: whoever reads it knows its size and kind. It is a text, or any object that JSON
does not have.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, cast

from msgspec import UNSET

from .rules import broken

if TYPE_CHECKING:
    from collections.abc import Iterator

    from . import Model, Schema

__all__ = ["check", "check_value", "with_defaults"]

_SIZE = re.compile(r"(\d+)[*x](\d+)")
_SHOWN = 60  # letters of a wrong value
_OF_JSON = (str, int, float, list, tuple, Mapping, type(None))


def check(model: Model, params: Mapping[str, Any]) -> list[str]:
    """Hold parameters against a model.

    Args:
        model: from the catalog.
        params: all on one level, those that are not given left out.

    Returns:
        What is wrong, in the order of the parameters: unknown ones with the nearest name, missing ones, values of a
        wrong type or out of range, then broken rules. Empty when all is well.
    """
    problems = list(_object(model.params, params, ""))
    if not problems:  # a rule over values that are wrong themselves would say it twice
        problems = list(broken(model, params))
    return problems


def with_defaults(model: Model, params: Mapping[str, Any]) -> dict[str, Any]:
    """The parameters, and those that the platform wants to be sent although they have a default."""
    return _filled(model.params, params)


def check_value(schema: Schema, value: Any, path: str) -> Iterator[str]:
    """Hold one value against a schema. A problem begins with the path of the value.

    Args:
        schema: what it may be.
        value: of JSON's types; a tuple is a list.
        path: such as `loras[0].strength`.
    """
    if schema.media is not None and not isinstance(value, _OF_JSON):
        return
    alternatives = schema.any_of or schema.one_of
    if alternatives:
        results = [list(check_value(each, value, path)) for each in alternatives]
        if all(results):
            yield from min(results, key=len)
        return
    if value is None and "null" in _types(schema):
        return
    if not _fits(schema, value):
        yield f"{path}: {_expected(schema)} is wanted, not {_shown(value)}"
        return
    if schema.enum and not schema.open and not _listed(schema.enum, value):
        yield f"{path}: {_shown(value)} is none of {', '.join(_shown(each) for each in schema.enum)}"
    elif isinstance(value, str):
        yield from _text(schema, value, path)
    elif isinstance(value, (int, float)) and not isinstance(value, bool):
        yield from _number(schema, value, path)
    elif isinstance(value, (list, tuple)):
        yield from _list(schema, cast("list[Any]", value), path)
    elif isinstance(value, Mapping) and schema.properties:
        yield from _object(schema, cast("Mapping[str, Any]", value), f"{path}.")


def _filled(schema: Schema, value: Any) -> Any:
    if schema.items is not None and isinstance(value, (list, tuple)):
        return [_filled(schema.items, item) for item in cast("list[Any]", value)]
    if not schema.properties or not isinstance(value, Mapping):
        return value
    known = schema.properties
    given = cast("Mapping[str, Any]", value)
    filled = {name: _filled(known[name], each) if name in known else each for name, each in given.items()}
    for name in schema.required:
        if name not in filled and known[name].default is not UNSET:
            filled[name] = known[name].default
    return filled


def _object(schema: Schema, value: Mapping[str, Any], prefix: str) -> Iterator[str]:
    for name in value:
        if name not in schema.properties:
            near = difflib.get_close_matches(str(name), schema.properties, n=1)
            hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(schema.properties)}"
            yield f"{prefix}{name}: there is no such parameter; {hint}"
    for name in schema.required:
        if name not in value and schema.properties[name].default is UNSET:
            yield f"{prefix}{name}: missing"
    for name, known in schema.properties.items():
        if name in value:
            yield from check_value(known, value[name], f"{prefix}{name}")


def _text(schema: Schema, value: str, path: str) -> Iterator[str]:
    if schema.media is not None:
        if not value:
            yield f"{path}: empty"
        return
    length = len(value)
    if schema.min_length is not None and length < schema.min_length:
        yield f"{path}: empty" if not value else f"{path}: {length} characters, at least {schema.min_length}"
    if schema.max_length is not None and length > schema.max_length and not schema.truncates:
        yield f"{path}: {length} characters, at most {schema.max_length}"
    if schema.pattern is not None and re.search(schema.pattern, value) is None:
        wanted = f"width{schema.size.separator}height" if schema.size else f"a text like {schema.pattern}"
        yield f"{path}: {_shown(value)} is not {wanted}"
    elif schema.size is not None and (sides := _SIZE.fullmatch(value)):
        yield from _size(schema, int(sides[1]), int(sides[2]), path)
    if schema.format == "uri" and not re.match(r"[a-z][a-z0-9+.-]*://\S+$", value, re.IGNORECASE):
        yield f"{path}: {_shown(value)} is not a URL"


def _size(schema: Schema, width: int, height: int, path: str) -> Iterator[str]:
    limits = schema.size
    assert limits is not None  # the caller has looked
    short, long = sorted((width, height))
    if limits.min_side and short < limits.min_side:
        yield f"{path}: a side of {short}, at least {limits.min_side}"
    if limits.max_side and long > limits.max_side:
        yield f"{path}: a side of {long}, at most {limits.max_side}"
    if limits.min_pixels and width * height < limits.min_pixels:
        yield f"{path}: {width * height} pixels, at least {limits.min_pixels}"
    if limits.max_pixels and width * height > limits.max_pixels:
        yield f"{path}: {width * height} pixels, at most {limits.max_pixels}"
    if limits.max_ratio and long > short * limits.max_ratio:
        yield f"{path}: sides of a ratio over {limits.max_ratio:g}"
    if limits.step and (width % limits.step or height % limits.step):
        yield f"{path}: both sides must be multiples of {limits.step}"


def _number(schema: Schema, value: float, path: str) -> Iterator[str]:
    if schema.minimum is not None and value < schema.minimum:
        yield f"{path}: {value} is less than {schema.minimum:g}"
    if schema.maximum is not None and value > schema.maximum:
        yield f"{path}: {value} is more than {schema.maximum:g}"
    if schema.exclusive_minimum is not None and value <= schema.exclusive_minimum:
        yield f"{path}: {value} must be more than {schema.exclusive_minimum:g}"
    if schema.exclusive_maximum is not None and value >= schema.exclusive_maximum:
        yield f"{path}: {value} must be less than {schema.exclusive_maximum:g}"
    if value != value:
        yield f"{path}: not a number"


def _list(schema: Schema, value: list[Any], path: str) -> Iterator[str]:
    count = len(value)
    if schema.min_items is not None and count < schema.min_items:
        yield f"{path}: {count} items, at least {schema.min_items}"
    if schema.max_items is not None and count > schema.max_items:
        yield f"{path}: {count} items, at most {schema.max_items}"
    if schema.items is not None:
        for number, item in enumerate(value):
            yield from check_value(schema.items, item, f"{path}[{number}]")


def _types(schema: Schema) -> tuple[str, ...]:
    return (schema.type,) if isinstance(schema.type, str) else schema.type


def _fits(schema: Schema, value: Any) -> bool:
    types = _types(schema)
    return not types or any(_is(value, kind) for kind in types)


def _is(value: Any, kind: str) -> bool:
    match kind:
        case "string":
            return isinstance(value, str)
        case "boolean":
            return isinstance(value, bool)
        case "integer":
            return isinstance(value, int) and not isinstance(value, bool)
        case "number":
            return isinstance(value, (int, float)) and not isinstance(value, bool)
        case "array":
            return isinstance(value, (list, tuple))
        case "object":
            return isinstance(value, Mapping)
        case _:
            return value is None


def _listed(known: tuple[Any, ...], value: Any) -> bool:
    """Whether a value is one of those known; True is not 1."""
    return any(each == value and isinstance(each, bool) == isinstance(value, bool) for each in known)


def _expected(schema: Schema) -> str:
    text = "a file" if schema.media is not None else "(width, height)" if schema.size is not None else "a text"
    names = {"string": text, "integer": "a whole number", "number": "a number", "boolean": "True or False"}
    names |= {"array": "a list", "object": "a mapping", "null": "None"}
    return " or ".join(names.get(kind, kind) for kind in _types(schema))


def _shown(value: Any) -> str:
    if isinstance(value, (bytes, bytearray, memoryview)):
        return f"{len(cast('bytes', value))} bytes"
    text = repr(value)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."
