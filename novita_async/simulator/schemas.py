"""Values that fit a JSON Schema: the arguments of tool calls and the answers of structured output."""

from __future__ import annotations

import math
import re
from contextlib import suppress
from typing import TYPE_CHECKING, Any, cast

from .words import names, subjects

if TYPE_CHECKING:
    from random import Random

__all__ = ["Unsupported", "fit"]

Schema = dict[str, Any]

_NUMBER = re.compile(r"(?<![\d.])-?\d{1,15}(?:\.\d{1,6})?(?![\d.]*\d)")
_DEEP = 3
_DEEPEST = 12
_FORMATS = (
    ("date-time", "2026-01-01T12:00:00Z"),
    ("date", "2026-01-01"),
    ("time", "12:00:00Z"),
    ("email", "someone@example.org"),
    ("hostname", "example.org"),
    ("ipv4", "192.0.2.1"),
    ("ipv6", "2001:db8::1"),
    ("uri", "https://example.org/"),
    ("uuid", "00000000-0000-4000-8000-000000000000"),
    ("duration", "PT1H"),
)
# Strings that the patterns of everyday schemas take: codes, numbers, names.
_SAMPLES = ("a", "A", "0", "ab", "AB", "abc", "ABC", "12", "123", "1234", "12345", "A1", "AB-123", "a-b", "a_b", "1.0",
            "1.0.0", "+15550100", "555-0100", "#aabbcc", "12:00", "https://example.org/")  # fmt: skip
# What narrows values in ways that are not followed here.
_UNKNOWN = ("not", "if", "contains", "dependentRequired", "dependentSchemas", "propertyNames")


class Unsupported(ValueError):
    """The schema asks for something that the platform's structured output does not know (contract/llm.md 7)."""


def fit(schema: Schema, prompt: str, dice: Random) -> Any:
    """A value that fits a schema, made of the words and numbers of the prompt where it can be.

    Raises:
        Unsupported: no value could be found.
    """
    return _Fitter(schema, prompt, dice).value(schema, "value", 0)


class _Fitter:
    def __init__(self, root: Schema, prompt: str, dice: Random) -> None:
        self._root = root
        self._dice = dice
        named = names(prompt)
        self._words = list(dict.fromkeys((*named, *subjects(prompt))))
        self._numbers = _NUMBER.findall(prompt)

    def value(self, schema: Any, name: str, depth: int) -> Any:
        schema, depth = self._resolved(schema), depth + 1
        if depth > _DEEPEST:
            raise Unsupported(f"the schema is nested deeper than {_DEEPEST}")
        if unknown := [key for key in _UNKNOWN if key in schema]:
            raise Unsupported(f"{unknown[0]!r} is not known")
        if "const" in schema:
            return schema["const"]
        if "enum" in schema:
            return self._chosen(schema["enum"])
        for key in ("anyOf", "oneOf"):
            if options := schema.get(key):
                return self._option(schema, key, options, name, depth)
        given: str | list[str] = schema.get("type") or self._implied(schema)
        kind = given if isinstance(given, str) else next((one for one in given if one != "null"), "null")
        make = getattr(self, f"_{kind}", None) if kind in _TYPES else None
        if make is None:
            raise Unsupported(f"the type {kind!r} is not known")
        return make(schema, name, depth)

    def _option(self, schema: Schema, key: str, options: list[Any], name: str, depth: int) -> Any:
        """The first of some alternatives that can be met, with what stands beside them."""
        beside = {name: value for name, value in schema.items() if name != key}
        resolved = [self._resolved(option) for option in options]
        # Something is closer to what a model would say than nothing, as long as it does not go on for ever.
        full = [option for option in resolved if option.get("type") != "null"]
        if len(full) < len(resolved) and (depth > _DEEP or not full):
            return None
        problem = Unsupported(f"{key} of {name!r} has no alternatives")
        for option in full:
            try:
                return self.value(_merged(beside, option), name, depth)
            except Unsupported as error:
                problem = error
        if len(full) < len(resolved):
            return None
        raise problem

    def _implied(self, schema: Schema) -> str:
        """The type of a schema that names none."""
        if "properties" in schema or "required" in schema:
            return "object"
        if "items" in schema or "prefixItems" in schema:
            return "array"
        return "number" if {"minimum", "maximum", "multipleOf"} & schema.keys() else "string"

    def _resolved(self, schema: Any) -> Schema:
        """Follow local references, and put together what has to hold at once."""
        for _ in range(_DEEPEST):
            if not isinstance(schema, dict):
                return {}
            found = cast("Schema", schema)
            if "allOf" in found:
                beside = {name: value for name, value in found.items() if name != "allOf"}
                for each in found["allOf"]:
                    beside = _merged(beside, self._resolved(each))
                return beside
            reference = found.get("$ref")
            if reference is None:
                return found
            if not isinstance(reference, str) or not reference.startswith("#"):
                raise Unsupported(f"the reference {reference!r} does not stand in the schema")
            target: Any = self._root
            for part in reference.lstrip("#/").split("/"):
                target = target.get(part.replace("~1", "/").replace("~0", "~"), {}) if part else target
            schema = {**target, **{name: value for name, value in found.items() if name != "$ref"}}
        raise Unsupported("the references of the schema go round in a circle")

    def _chosen(self, options: list[Any]) -> Any:
        """The option that the prompt names, else any."""
        words = " ".join(self._words).lower()
        named = [option for option in options if isinstance(option, str) and option and option.lower() in words]
        return named[0] if named else self._dice.choice(options)

    def _object(self, schema: Schema, name: str, depth: int) -> dict[str, Any]:
        properties: dict[str, Any] = schema.get("properties") or {}
        needed = schema.get("required", list(properties))
        value: dict[str, Any] = {}
        for key, inner in properties.items():
            try:
                value[key] = self.value(inner, key, depth)
            except Unsupported:
                # A tree that refers to itself ends where its branches are optional.
                if key in needed:
                    raise
        rest = schema.get("additionalProperties", True)
        for key in needed:
            if key not in value and rest is False:
                raise Unsupported(f"{key!r} is required and not allowed")
            if key not in value:
                value[key] = self.value(rest, key, depth)
        if isinstance(rest, dict) and rest and not properties:
            # A mapping: an entry shows more than none.
            with suppress(Unsupported):
                key = self._words[0].replace(" ", "_") if self._words else "one"
                value.setdefault(key, self.value(rest, key, depth))
        for number in range(schema.get("minProperties", 0) - len(value)):
            value[f"more_{number}"] = self.value(rest, "more", depth)
        return value

    def _array(self, schema: Schema, name: str, depth: int) -> list[Any]:
        if "prefixItems" in schema:
            return [self.value(inner, name, depth) for inner in schema["prefixItems"]]
        least = schema.get("minItems", 0)
        usual = 0 if schema.get("items") is False else 2 if depth <= _DEEP else 0
        count = min(max(least, usual), schema.get("maxItems", max(least, usual)))
        items: list[Any] = []
        unique = schema.get("uniqueItems", False)
        for _ in range(count + 4 * least if unique else count):
            try:
                item = self.value(schema.get("items", {}), name, depth)
            except Unsupported:
                if least:
                    raise
                break
            if len(items) < count and not (unique and item in items):
                items.append(item)
        if len(items) < least:
            raise Unsupported(f"there are no {least} different values for {name!r}")
        return items

    def _string(self, schema: Schema, name: str, depth: int) -> str:
        del depth
        if text := dict(_FORMATS).get(schema.get("format", "")):
            return text
        if "pattern" in schema:
            return self._patterned(schema)
        # The first string takes the most telling words; the later ones take their turn.
        text = self._words.pop(0) if self._words else name.replace("_", " ")
        least = schema.get("minLength", 0)
        text = text if len(text) >= least else (text + " " + "and so on " * (least // 10 + 1))[: max(least, 1)]
        return text[: schema.get("maxLength", len(text))]

    def _patterned(self, schema: Schema) -> str:
        least, most = schema.get("minLength", 0), schema.get("maxLength", math.inf)
        try:
            pattern = re.compile(schema["pattern"])
        except re.error:
            raise Unsupported(f"the pattern {schema['pattern']!r} cannot be read") from None
        for text in (*self._words, *self._numbers, *_SAMPLES, *(char * least for char in "aA0")):
            if least <= len(text) <= most and pattern.search(text):
                return text
        raise Unsupported(f"no text was found for the pattern {schema['pattern']!r}")

    def _number(self, schema: Schema, name: str, depth: int) -> float:
        del depth
        low, high = _bounds(schema)
        wanted = self._wanted()
        inside = min(max(wanted, low), high)
        if low > high or (low == high and inside in (schema.get("exclusiveMinimum"), schema.get("exclusiveMaximum"))):
            raise Unsupported(f"there is no number for {name!r}")
        if inside == schema.get("exclusiveMinimum"):
            inside = inside + 0.5 if inside + 0.5 < high else (inside + high) / 2
        elif inside == schema.get("exclusiveMaximum"):
            inside = inside - 0.5 if inside - 0.5 > low else (inside + low) / 2
        step = schema.get("multipleOf")
        return self._stepped(schema, name, step, inside) if step else inside

    def _integer(self, schema: Schema, name: str, depth: int) -> int:
        del depth
        return int(self._stepped(schema, name, schema.get("multipleOf", 1), self._wanted()))

    def _wanted(self) -> float:
        """The next number of the prompt, else any."""
        return float(self._numbers.pop(0)) if self._numbers else self._dice.randint(1, 20)

    def _stepped(self, schema: Schema, name: str, step: float, wanted: float) -> float:
        """The multiple of a step that is nearest to a number and in the bounds."""
        low, high = _bounds(schema)
        first = -(-low // step) if math.isfinite(low) else -math.inf
        last = high // step if math.isfinite(high) else math.inf
        first += first * step == schema.get("exclusiveMinimum")
        last -= last * step == schema.get("exclusiveMaximum")
        if first > last:
            raise Unsupported(f"there is no number for {name!r}")
        found = min(max(math.floor(wanted / step), first), last) * step
        return int(found) if isinstance(step, int) else found

    def _boolean(self, schema: Schema, name: str, depth: int) -> bool:
        del schema, name, depth
        return self._dice.random() < 0.5

    def _null(self, schema: Schema, name: str, depth: int) -> None:
        del schema, name, depth


_TYPES = frozenset({"object", "array", "string", "number", "integer", "boolean", "null"})


def _bounds(schema: Schema) -> tuple[float, float]:
    """The smallest and the largest number, whether they are allowed themselves or not."""
    low = max(schema.get("minimum", -math.inf), schema.get("exclusiveMinimum", -math.inf))
    high = min(schema.get("maximum", math.inf), schema.get("exclusiveMaximum", math.inf))
    return low, high


def _merged(one: Schema, other: Schema) -> Schema:
    """What holds when both do, as far as names do not meet; of two values for one, the latter."""
    merged = {**one, **other}
    if "properties" in one and "properties" in other:
        merged["properties"] = {**one["properties"], **other["properties"]}
    if "required" in one and "required" in other:
        merged["required"] = list(dict.fromkeys((*one["required"], *other["required"])))
    return merged
