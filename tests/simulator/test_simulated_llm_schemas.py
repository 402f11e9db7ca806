"""Structured output: whatever schema of the kinds that the platform knows is given, the answer validates."""

from __future__ import annotations

import enum
from random import Random
from typing import Annotated, Any, Literal

import jsonschema
import msgspec
import pydantic
import pytest
from hypothesis import given
from hypothesis import strategies as st

from novita_async.simulator.schemas import Unsupported, fit

PROMPT = "Anna is 31, lives in Bergen with 2 cats, and pays 12.50 for a red scarf."

_names = st.sampled_from(["name", "age", "city", "kind", "price_per_unit"])
_small = st.integers(0, 3)


@st.composite
def _strings(draw: st.DrawFn) -> dict[str, Any]:
    schema: dict[str, Any] = {"type": "string"}
    if draw(st.booleans()):
        schema["minLength"] = draw(st.integers(0, 60))
    if draw(st.booleans()):
        schema["maxLength"] = schema.get("minLength", 0) + draw(st.integers(0, 20))
    return schema


@st.composite
def _numbers(draw: st.DrawFn) -> dict[str, Any]:
    schema: dict[str, Any] = {"type": draw(st.sampled_from(["number", "integer"]))}
    low = draw(st.integers(-50, 50))
    if draw(st.booleans()):
        schema[draw(st.sampled_from(["minimum", "exclusiveMinimum"]))] = low
    if draw(st.booleans()):
        schema[draw(st.sampled_from(["maximum", "exclusiveMaximum"]))] = low + draw(st.integers(12, 90))
    if draw(st.booleans()):
        schema["multipleOf"] = draw(st.integers(1, 5))
    return schema


_leaves = st.one_of(
    _strings(),
    _numbers(),
    st.sampled_from([{"type": "boolean"}, {"type": "null"}, {"type": ["string", "null"]}, {"$ref": "#/$defs/pet"}]),
    st.lists(st.sampled_from(["red", "green", 3, None]), min_size=1, unique=True).map(lambda values: {"enum": values}),
    st.sampled_from([{"const": "fish"}, {"type": "string", "format": "date-time"}]),
)


def _nested(inner: st.SearchStrategy[dict[str, Any]]) -> st.SearchStrategy[dict[str, Any]]:
    objects = st.builds(
        lambda properties, optional, closed: {
            "type": "object",
            "properties": properties,
            "required": [name for name in properties if name not in optional],
            "additionalProperties": not closed,
        },
        st.dictionaries(_names, inner, max_size=4),
        st.sets(_names),
        st.booleans(),
    )
    arrays = st.builds(lambda items, least: {"type": "array", "items": items, "minItems": least}, inner, _small)
    mappings = inner.map(lambda values: {"type": "object", "additionalProperties": values})
    either = st.lists(inner, min_size=1, max_size=3).map(lambda options: {"anyOf": options})
    return st.one_of(objects, arrays, mappings, either)


PET = {"type": "object", "properties": {"name": {"type": "string"}, "of": {"anyOf": [{"type": "null"}, {"$ref": "#"}]}}}


@given(st.recursive(_leaves, _nested, max_leaves=12), st.integers(0, 99))
def test_every_answer_validates_against_its_schema(schema: dict[str, Any], seed: int):
    schema = {**schema, "$defs": {"pet": PET}}
    jsonschema.validate(msgspec.json.decode(msgspec.json.encode(fit(schema, PROMPT, Random(seed)))), schema)


class Colour(enum.Enum):
    RED = "red"
    GREEN = "green"


class Cat(pydantic.BaseModel):
    kind: Literal["cat"]
    lives: Annotated[int, pydantic.Field(ge=1, le=9)]


class Dog(pydantic.BaseModel):
    kind: Literal["dog"]
    tag: Annotated[str, pydantic.Field(pattern=r"^[A-Z]{2}-\d{3}$")]


class Owner(pydantic.BaseModel):
    name: str
    age: int
    nick: str | None = None
    colour: Colour
    pets: list[Annotated[Cat | Dog, pydantic.Field(discriminator="kind")]]
    scores: dict[str, float]
    pair: tuple[int, str]
    friend: Owner | None = None


def test_models_of_pydantic_are_met():
    value = fit(Owner.model_json_schema(), PROMPT, Random(3))
    owner = Owner.model_validate(value)
    assert owner.name == "Anna"
    assert owner.age == 31
    assert owner.colour is Colour.RED
    assert len(owner.pets) == 2
    assert owner.scores


@pytest.mark.parametrize(
    "schema",
    [
        {
            "allOf": [
                {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]},
                {"required": ["b"]},
            ]
        },
        {"$ref": "#/$defs/x", "description": "beside", "$defs": {"x": {"type": "array", "items": {"enum": [1, 2]}}}},
        {"type": "array", "items": {"type": "boolean"}, "uniqueItems": True, "minItems": 2},
        {"type": "string", "pattern": "^[0-9]{5}$"},
        {"anyOf": [{"type": "string", "pattern": "^(?!x)x"}, {"type": "integer"}]},
        {"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 0.25},
        {"properties": {"a": {"oneOf": [{"type": "null"}, {"type": "string"}]}}, "required": ["a"]},
        {"type": "object", "minProperties": 2},
    ],
)
def test_less_usual_schemas_are_met_too(schema: dict[str, Any]):
    for seed in range(5):
        jsonschema.validate(fit(schema, PROMPT, Random(seed)), schema)


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "odd"},
        {"not": {"type": "string"}},
        {"$ref": "https://example.org/schema"},
        {"$ref": "#/$defs/a", "$defs": {"a": {"$ref": "#/$defs/a"}}},
        {"type": "string", "pattern": "^no such text$"},
        {"type": "string", "pattern": "("},
        {"type": "integer", "minimum": 3, "maximum": 2},
        {"type": "number", "exclusiveMinimum": 1, "maximum": 1},
        {"type": "array", "items": {"type": "boolean"}, "uniqueItems": True, "minItems": 3},
        {"type": "object", "required": ["a"], "additionalProperties": False},
        {"type": "object", "properties": {"a": {"$ref": "#"}}, "required": ["a"]},
    ],
)
def test_what_cannot_be_met_is_said(schema: dict[str, Any]):
    with pytest.raises(Unsupported):
        fit(schema, PROMPT, Random(0))
