"""The rules over several parameters of a model (contract/video.openapi.yaml, x-rules-vocabulary)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, cast

from msgspec import UNSET

if TYPE_CHECKING:
    from collections.abc import Iterator

    from . import Model, Rule

__all__ = ["broken", "default_of"]


def broken(model: Model, params: Mapping[str, Any]) -> Iterator[str]:
    """The rules that parameters break. The parameters themselves have been checked."""
    for rule in model.rules:
        problem = _problem(model, rule, params)
        if problem:
            yield problem


def default_of(model: Model, field: str, params: Mapping[str, Any]) -> Any:
    """What the platform takes for a parameter that is not given; UNSET where that is not known."""
    for rule in model.rules:
        if rule.rule == "default-when" and rule.field == field and _holds(model, rule.when, params):
            return rule.value
    schema: Any = model.params
    for part in field.split("."):
        schema = schema.properties.get(part)
        if schema is None:
            return UNSET
    return schema.default


def _problem(model: Model, rule: Rule, params: Mapping[str, Any]) -> str | None:
    there = [field for field in rule.fields if _given(params, field)]
    match rule.rule:
        case "mutually-exclusive" if len(there) > 1:
            return f"{' and '.join(there)}: only one of them at a time"
        case "at-least-one" if not there:
            return f"{' or '.join(rule.fields)}: one of them is needed"
        case "requires" if _given(params, rule.field) and len(there) < len(rule.fields):
            return f"{rule.field}: needs {', '.join(rule.fields)}"
        case "allowed-pairs":
            return _pairs(model, rule, params)
        case "max-sum":
            total = sum(_all(params, rule.field))
            return f"{rule.field}: {total} together, at most {rule.value}" if total > rule.value else None
        case "max-count":
            wanted = rule.where.items()
            count = sum(all(item.get(key) == value for key, value in wanted) for item in _all(params, rule.field))
            said = " and ".join(f"{key} {value!r}" for key, value in wanted)
            return f"{rule.field}: {count} with {said}, at most {rule.value}" if count > rule.value else None
        case "required-when" | "enum-when" | "only-when" | "forbidden-when":
            return _conditional(model, rule, params)
        case _:
            return None


def _conditional(model: Model, rule: Rule, params: Mapping[str, Any]) -> str | None:
    given, holds = _given(params, rule.field), _holds(model, rule.when, params)
    said = " and ".join(f"{field} is {_words(value)}" for field, value in rule.when.items())
    match rule.rule:
        case "required-when" if holds and not given:
            return f"{rule.field}: needed when {said}"
        case "enum-when" if holds:
            value = _get(params, rule.field) if given else default_of(model, rule.field, params)
            if value is UNSET or value in rule.values:
                return None
            return f"{rule.field}: {value!r} is not possible when {said}, only {_words(rule.values)}"
        case "only-when" if given and not holds:
            return f"{rule.field}: only when {said}"
        case "forbidden-when" if given and holds:
            return f"{rule.field}: not when {said}"
        case _:
            return None


def _pairs(model: Model, rule: Rule, params: Mapping[str, Any]) -> str | None:
    # A pair of which one half is left to the platform is the platform's to complete.
    if not all(_given(params, field) for field in rule.fields):
        return None
    pair = tuple(_get(params, field) for field in rule.fields)
    if pair in rule.pairs:
        return None
    allowed = ", ".join(" with ".join(str(part) for part in each) for each in rule.pairs)
    return f"{' and '.join(rule.fields)}: {' with '.join(str(part) for part in pair)} is not possible; {allowed} are"


def _holds(model: Model, when: Mapping[str, Any], params: Mapping[str, Any]) -> bool:
    for field, wanted in when.items():
        value = _get(params, field) if _given(params, field) else default_of(model, field, params)
        if value not in (cast("list[Any]", wanted) if isinstance(wanted, list) else [wanted]):
            return False
    return True


def _given(params: Mapping[str, Any], field: str) -> bool:
    value = _get(params, field)
    return value is not None and value != ""


def _get(params: Mapping[str, Any], field: str) -> Any:
    value: Any = params
    for part in field.split("."):
        if not isinstance(value, Mapping):
            return None
        value = cast("Mapping[str, Any]", value).get(part)
    return value


def _all(params: Mapping[str, Any], field: str) -> list[Any]:
    """What stands at a path through a list: `prompts[].frames`, or `media[]` for its items."""
    name, _, rest = field.partition("[]")
    items: list[Any] = _get(params, name) or []
    return [item.get(rest.lstrip("."), 0) for item in items] if rest else list(items)


def _words(value: Any) -> str:
    return (
        " or ".join(str(each) for each in cast("list[Any]", value)) if isinstance(value, (list, tuple)) else str(value)
    )
