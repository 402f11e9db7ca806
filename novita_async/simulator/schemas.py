"""Values that fit a JSON Schema: the arguments of tool calls and the answers of structured output."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, cast

from .words import names, subjects

if TYPE_CHECKING:
    from random import Random

__all__ = ["Unsupported", "fit"]

Schema = dict[str, Any]

_NUMBER = re.compile(r"-?\d+(?:\.\d+)?")
_DEEP = 3
_DEEPEST = 12
_PATTERNS = (
    ("date-time", "2026-01-01T12:00:00Z"),
    ("date", "2026-01-01"),
    ("time", "12:00:00Z"),
    ("email", "someone@example.org"),
    ("uri", "https://example.org/"),
    ("uuid", "00000000-0000-4000-8000-000000000000"),
    ("duration", "PT1H"),
)


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
        if "const" in schema:
            return schema["const"]
        if "enum" in schema:
            return self._chosen(schema["enum"])
        for key in ("anyOf", "oneOf"):
            if options := schema.get(key):
                # Something is closer to what a model would say than nothing, as long as it does not go on for ever.
                full = [option for option in options if self._resolved(option).get("type") != "null"]
                empty = len(full) < len(options) and depth > _DEEP
                return None if empty else self.value(full[0] if full else {"type": "null"}, name, depth)
        given: str | list[str] = schema.get("type") or ("object" if "properties" in schema else "string")
        kind = given if isinstance(given, str) else next((one for one in given if one != "null"), "null")
        make = getattr(self, f"_{kind}", None)
        if make is None:
            raise Unsupported(f"the type {kind!r} is not known")
        return make(schema, name, depth)

    def _resolved(self, schema: Any) -> Schema:
        """Follow local references."""
        for _ in range(_DEEPEST):
            if not isinstance(schema, dict):
                return {}
            found = cast("Schema", schema)
            reference = found.get("$ref")
            if reference is None:
                return found
            if not isinstance(reference, str) or not reference.startswith("#"):
                raise Unsupported(f"the reference {reference!r} does not stand in the schema")
            schema = self._root
            for part in reference.lstrip("#/").split("/"):
                schema = schema.get(part, {}) if part else schema
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
        for key in needed:
            value.setdefault(key, self._string({}, key, depth))
        return value

    def _array(self, schema: Schema, name: str, depth: int) -> list[Any]:
        if "prefixItems" in schema:
            return [self.value(inner, name, depth) for inner in schema["prefixItems"]]
        least = schema.get("minItems", 0)
        count = min(max(least, 2), schema.get("maxItems", max(least, 2)))
        items: list[Any] = []
        try:
            items.extend(self.value(schema.get("items", {}), name, depth) for _ in range(count))
        except Unsupported:
            if least:
                raise
            return []
        if not schema.get("uniqueItems"):
            return items
        return [item for index, item in enumerate(items) if item not in items[:index]]

    def _string(self, schema: Schema, name: str, depth: int) -> str:
        del depth
        if text := dict(_PATTERNS).get(schema.get("format", "")):
            return text
        # The first string takes the most telling words; the later ones take their turn.
        text = self._words.pop(0) if self._words else name.replace("_", " ")
        least = schema.get("minLength", 0)
        text = text if len(text) >= least else (text + " " + "and so on " * (least // 10 + 1))[: max(least, 1)]
        return text[: schema.get("maxLength", len(text))]

    def _number(self, schema: Schema, name: str, depth: int) -> float | int:
        del name, depth
        given = self._numbers.pop(0) if self._numbers else ""
        number = float(given) if given else float(self._dice.randint(1, 20))
        low, high = self._bounds(schema, step=0.5)
        number = min(max(number, low if low is not None else number), high if high is not None else number)
        step = schema.get("multipleOf")
        return round(number / step) * step if step else number

    def _integer(self, schema: Schema, name: str, depth: int) -> int:
        number = self._number({**schema, "type": "number"}, name, depth)
        low, high = self._bounds(schema, step=1)
        whole = int(number)
        whole = whole if low is None else max(whole, int(-(-low // 1)))
        return whole if high is None else min(whole, int(high // 1))

    def _bounds(self, schema: Schema, *, step: float) -> tuple[float | None, float | None]:
        low, high = schema.get("minimum"), schema.get("maximum")
        if (above := schema.get("exclusiveMinimum")) is not None:
            low = above + step
        if (below := schema.get("exclusiveMaximum")) is not None:
            high = below - step
        return low, high

    def _boolean(self, schema: Schema, name: str, depth: int) -> bool:
        del schema, name, depth
        return self._dice.random() < 0.5

    def _null(self, schema: Schema, name: str, depth: int) -> None:
        del schema, name, depth
