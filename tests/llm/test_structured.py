"""`parse`, and `stream` with a type: a schema goes out, a checked value comes back, and errors tell why none does."""

from __future__ import annotations

import contextlib
import dataclasses
import datetime
import decimal
import enum
import gc
import subprocess
import sys
import weakref
from typing import Annotated, Any, Literal, NotRequired, Optional, TypedDict, Union

import jsonschema
import msgspec
import pydantic
import pytest
from helpers import ASK, DONE, MODEL, Server, chunk, completion, connected, events, inside

from novita_async.errors import AnswerCut, AnswerError, AnswerInvalid, AnswerRefused, StreamCut, ValidationError
from novita_async.llm.schema import strict_schema
from novita_async.llm.structured import ParsedChatCompletion, ParsedMessage, Shape, shape_of


class Unit(enum.Enum):
    GRAM = "g"
    PIECE = "pc"


class Ingredient(msgspec.Struct):
    name: Annotated[str, msgspec.Meta(min_length=1, description="in the singular")]
    amount: float
    unit: Unit = Unit.PIECE


class Recipe(msgspec.Struct):
    """A dish and how to make it."""

    title: str
    minutes: Annotated[int, msgspec.Meta(ge=1)]
    ingredients: list[Ingredient] = []
    best: Annotated[Ingredient, msgspec.Meta(description="the one that matters")] | None = None
    made: datetime.date | None = None
    price: decimal.Decimal = decimal.Decimal(1)


class Node(msgspec.Struct):
    value: int
    children: list[Node] = []


class Cat(msgspec.Struct, tag=True):
    lives: int


class Dog(msgspec.Struct, tag=True):
    tricks: list[str]


@dataclasses.dataclass
class Point:
    x: float
    y: float = 0.0


class Place(TypedDict):
    city: str
    country: NotRequired[str]


class Person(pydantic.BaseModel):
    name: str = pydantic.Field(min_length=2, description="first name")
    age: int | None = None
    kind: Literal["adult", "child"] = "adult"
    parent: Optional[Person] = None  # noqa: UP045 - pydantic's own examples write it so


STRICT = [
    *(Recipe, Node, Point, Place, Person, Cat | Dog, Union[Cat, Dog], list[Recipe], list[Person]),  # noqa: UP007
    *(Person | None, Ingredient | None, Literal["yes", "no"], Unit, int, str, bool, list[int]),
]
FREE = [dict[str, int], dict[str, Any], Any, tuple[int, str], list[Any]]
PERSON = '{"name": "Ada", "age": 36, "kind": "adult", "parent": null}'


def body(server):
    return msgspec.json.decode(server.requests[-1].body)


def answer(content=None, finish="stop", **message):
    choice = {"index": 0, "message": {"role": "assistant", "content": content, **message}, "finish_reason": finish}
    return {"choices": [choice], "usage": {"total_tokens": 9}}


@pytest.fixture
def parsed(clock):
    """`await parsed(type, answer)`: what `parse` makes of it."""

    async def make(type_, value, **params):
        async with connected(Server(clock, value), clock) as novita:
            return await novita.chat.completions.parse(**ASK, response_format=type_, **params)

    return make


# ------------------------------------------------------------------------------------------- the schemas


def objects(schema):
    """Every schema of an object inside a schema."""
    if isinstance(schema, dict):
        if schema.get("type") == "object":
            yield schema
        for inner in schema.values():
            yield from objects(inner)
    elif isinstance(schema, list):
        for inner in schema:
            yield from objects(inner)


def keywords(schema):
    """Every keyword that a schema uses, names of properties and definitions aside."""
    if isinstance(schema, dict):
        for key, inner in schema.items():
            yield key
            yield from (
                key
                for each in (inner.values() if key in ("properties", "$defs") else [inner])
                for key in keywords(each)
            )
    elif isinstance(schema, list):
        for inner in schema:
            yield from keywords(inner)


@pytest.mark.parametrize("type_", STRICT, ids=str)
def test_a_strict_schema_allows_nothing_else_and_requires_everything(type_):
    form = Shape(type_).response_format
    assert form["type"] == "json_schema"
    assert form["json_schema"]["strict"] is True
    schema = form["json_schema"]["schema"]
    jsonschema.Draft202012Validator.check_schema(schema)
    assert schema["type"] == "object"
    for each in objects(schema):
        assert each["additionalProperties"] is False
        assert each["required"] == list(each["properties"])
    known = {"type", "properties", "required", "additionalProperties", "items", "enum", "anyOf", "$ref", "$defs"}
    assert set(keywords(schema)) <= known | {"description", "minimum", "format"}


def test_what_strict_mode_does_not_know_is_said_in_words():
    schema = Shape(Recipe).response_format["json_schema"]["schema"]
    assert schema["description"] == "A dish and how to make it."
    assert schema["properties"]["minutes"] == {"type": "integer", "minimum": 1}
    assert schema["properties"]["price"] == {"type": "number"}
    assert schema["$defs"] == {
        "Ingredient": {
            "type": "object",
            "properties": {
                "name": {"type": "string", "description": "in the singular (at least 1 characters)"},
                "amount": {"type": "number"},
                "unit": {"$ref": "#/$defs/Unit"},
            },
            "required": ["name", "amount", "unit"],
            "additionalProperties": False,
        },
        "Unit": {"type": "string", "enum": ["g", "pc"]},
    }
    person = Shape(Person).response_format["json_schema"]["schema"]
    assert person["properties"]["name"]["description"] == "first name (at least 2 characters)"
    assert person["properties"]["parent"] == {"anyOf": [{"$ref": "#/$defs/Person"}, {"type": "null"}]}


@pytest.mark.parametrize("type_", FREE, ids=str)
def test_a_type_with_free_keys_or_values_goes_without_strict_mode(type_):
    form = Shape(type_).response_format["json_schema"]
    assert form["strict"] is False
    jsonschema.Draft202012Validator.check_schema(form["schema"])
    assert form["schema"]["type"] == "object"


@pytest.mark.parametrize(
    ("schema", "strict"),
    [
        ({"const": 3}, {"enum": [3], "type": "integer"}),
        ({"enum": ["a", 1]}, {"enum": ["a", 1]}),
        (
            {"oneOf": [{"type": "string"}, {"$ref": "#/$defs/X"}]},
            {"anyOf": [{"type": "string"}, {"$ref": "#/$defs/X"}]},
        ),
        (
            {"type": ["string", "null"], "maxLength": 3, "description": "x"},
            {
                "anyOf": [{"type": "string", "description": "(at most 3 characters)"}, {"type": "null"}],
                "description": "x",
            },
        ),
        ({"allOf": [{"$ref": "#/$defs/X"}], "default": 1}, {"$ref": "#/$defs/X"}),
        (
            {"$ref": "#/$defs/X", "description": "x", "title": "y"},
            {"anyOf": [{"$ref": "#/$defs/X"}], "description": "x"},
        ),
        ({"type": "string", "format": "uri"}, {"type": "string", "description": "(uri)"}),
        ({"type": "string", "format": "uuid", "examples": [""]}, {"type": "string", "format": "uuid"}),
        (
            {"type": "array", "items": {"type": "null"}, "uniqueItems": True, "minItems": 1},
            {"type": "array", "items": {"type": "null"}, "minItems": 1, "description": "(no item twice)"},
        ),
        ({}, None),
        ({"description": "anything"}, None),
        ({"type": "object"}, None),
        ({"type": "array"}, None),
        ({"allOf": [{"type": "string"}, {"minLength": 1}]}, None),
        ({"type": "array", "prefixItems": [{"type": "string"}], "items": False}, None),
        ({"type": "object", "properties": {"x": True}}, None),
    ],
)
def test_schemas_by_other_hands_become_strict_or_cannot(schema, strict):
    assert strict_schema(schema) == strict


def test_the_name_of_a_schema_is_one_that_the_platform_takes():
    names = [Shape(type_).response_format["json_schema"]["name"] for type_ in (Recipe, list[Recipe], Cat | Dog)]
    assert names == ["Recipe", "list_Recipe", "Cat_Dog"]
    odd = msgspec.defstruct("Größe" * 30, [("x", int)])
    assert 1 <= len(Shape(odd).response_format["json_schema"]["name"]) <= 64
    assert Shape(odd).response_format["json_schema"]["name"].isascii()


class Opaque:
    pass


@pytest.mark.parametrize(
    ("type_", "words"),
    [
        (None, "must be a type here, got None"),
        ("Recipe", "must be a type here"),
        ({"type": "json_object"}, r"a schema of your own goes to create\(\)"),
        (5, "no JSON Schema can be made of 5"),
        (object, "no JSON Schema can be made of object"),
        (Opaque, "no JSON Schema can be made of Opaque"),
        (list[Opaque], r"made of list\[Opaque\]"),
        (list["Nowhere"], "no JSON Schema"),  # noqa: F821 - a name that leads nowhere
    ],
)
async def test_what_is_no_type_is_refused_before_anything_is_sent(clock, type_, words):
    server = Server(clock, completion())
    async with connected(server, clock) as novita:
        with pytest.raises(ValidationError, match=words):
            await novita.chat.completions.parse(**ASK, response_format=type_)
        with pytest.raises(ValidationError, match="a type goes to parse"):
            await novita.chat.completions.create(**ASK, response_format=Recipe)
        with pytest.raises(TypeError, match=r"parse\(\) got an unexpected keyword argument 'temprature'"):
            await novita.chat.completions.parse(**ASK, response_format=Recipe, temprature=1)
        with pytest.raises(ValidationError, match="messages is empty"):
            await novita.chat.completions.parse(model=MODEL, messages=[], response_format=Recipe)
    assert server.requests == []


# ---------------------------------------------------------------------------------------------- the values


@pytest.mark.parametrize("type_", [*STRICT, *FREE], ids=str)
async def test_a_type_goes_to_the_simulator_and_a_value_of_it_comes_back(sim, type_):
    ask = {"model": MODEL, "messages": [{"role": "user", "content": "Pancakes with 3 eggs in 20 minutes"}]}
    async with inside(sim) as novita:
        completion = await novita.chat.completions.parse(**ask, response_format=type_)
        value = completion.choices[0].message.parsed
        said = msgspec.json.decode(completion.choices[0].message.content)
        encoder = msgspec.json.Encoder(enc_hook=lambda model: model.model_dump(mode="json"), decimal_format="number")
        written = msgspec.json.decode(encoder.encode(value))
        assert written == (said["value"] if Shape(type_).is_wrapped else said)
        async with novita.chat.completions.stream(**ask, response_format=type_) as stream:
            assert await stream.parsed() == value


async def test_the_question_carries_the_schema_and_everything_else(clock):
    server = Server(clock, answer(PERSON))
    async with connected(server, clock) as novita:
        completion = await novita.chat.completions.parse(
            **ASK, response_format=Person, temperature=0.5, extra_body={"novel": 1}
        )
    form = Shape(Person).response_format
    assert body(server) == {**ASK, "temperature": 0.5, "response_format": form, "novel": 1}
    assert isinstance(completion, ParsedChatCompletion)
    assert completion.choices[0].message.parsed == Person(name="Ada", age=36)
    assert (completion.usage.total_tokens, completion.choices[0].finish_reason) == (9, "stop")
    assert completion.raw["choices"][0]["message"]["content"] == PERSON


async def test_an_answer_goes_back_into_a_question_without_its_value(parsed):
    message = (await parsed(Place, answer('{"city": "Oslo"}'))).choices[0].message
    assert isinstance(message, ParsedMessage)
    assert msgspec.json.decode(msgspec.json.encode(message)) == {"role": "assistant", "content": '{"city": "Oslo"}'}


@pytest.mark.parametrize(
    "content",
    [
        '{"city": "Oslo"}',
        '  {"city": "Oslo", "novel": 1}\n',
        '```json\n{"city": "Oslo"}\n```',
        '\n```{"city": "Oslo", "country": "```"}```\n',
        '<think>\nIs it {"city": "Bergen"}?\n</think>\n\n{"city": "Oslo"}',
    ],
    ids=["plain", "more than asked for", "fenced", "fenced closely", "thought about"],
)
async def test_what_models_put_around_an_answer_is_taken_off(parsed, content):
    assert (await parsed(Place, answer(content))).choices[0].message.parsed["city"] == "Oslo"


async def test_numbers_that_come_as_text_are_numbers(parsed):
    assert (await parsed(Point, answer('{"x": "1.5"}'))).choices[0].message.parsed == Point(1.5)


async def test_a_model_that_calls_tools_instead_gives_no_value_and_no_error(parsed):
    call = {"id": "0", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    message = (await parsed(Place, answer(finish="tool_calls", tool_calls=[call]))).choices[0].message
    assert message.parsed is None
    assert message.tool_calls[0].function.name == "f"


async def test_each_of_several_answers_has_its_value(parsed):
    def several(*contents):
        return {"choices": [{**answer(text)["choices"][0], "index": n} for n, text in enumerate(contents)]}

    completion = await parsed(int, several('{"value": 1}', '{"value": 2}'), n=2)
    assert [choice.message.parsed for choice in completion.choices] == [1, 2]
    with pytest.raises(AnswerInvalid) as caught:
        await parsed(int, several("{}", '{"value": 2}'), n=2)
    assert [choice.message.parsed for choice in caught.value.completion.choices] == [None, 2]


async def test_a_raw_answer_is_parsed_when_asked(clock):
    async with connected(Server(clock, answer(PERSON)), clock) as novita:
        raw = await novita.chat.completions.with_raw_response.parse(**ASK, response_format=Person)
        assert raw.status_code == 200
        assert raw.parse().choices[0].message.parsed.name == "Ada"


# ---------------------------------------------------------------------------------- answers without a value


@pytest.mark.parametrize(
    ("value", "kind", "text", "words"),
    [
        (answer(refusal="I would rather not."), AnswerRefused, "I would rather not.", "refused: I would rather not"),
        (answer('{"na', "content_filter"), AnswerRefused, '{"na', "a filter stopped"),
        (answer('{"name": "Ad', "length"), AnswerCut, '{"name": "Ad', "max_tokens were used up"),
        (answer(None, "length", reasoning_content="hm"), AnswerCut, "", "max_tokens were used up"),
        (answer("Sure! Ada."), AnswerInvalid, "Sure! Ada.", "does not validate"),
        (answer('{"name": "A", "age": 3}'), AnswerInvalid, '{"name": "A", "age": 3}', "at least 2 characters"),
        (answer(None), AnswerInvalid, "", "it is empty"),
        ({"choices": []}, AnswerInvalid, "", "there is none"),
    ],
    ids=["refusal", "filter", "cut", "thought to death", "words", "wrong value", "empty", "no choices"],
)
async def test_an_answer_without_a_value_is_an_error_that_has_its_text(parsed, value, kind, text, words):
    with pytest.raises(AnswerError, match=words) as caught:
        await parsed(Person, value)
    assert type(caught.value) is kind
    assert caught.value.text == text
    assert caught.value.completion.raw == value


async def test_the_reason_says_where_the_value_is_wrong(parsed):
    with pytest.raises(AnswerInvalid) as caught:
        await parsed(list[Recipe], answer('{"value": [{"title": "x", "minutes": 0}]}'))
    assert caught.value.reason == "Expected `int` >= 1 - at `$.value[0].minutes`"


async def test_an_answer_that_is_whole_counts_although_the_limit_was_met(parsed):
    assert (await parsed(Place, answer('{"city": "Oslo"}', "length"))).choices[0].message.parsed == {"city": "Oslo"}


async def test_json_that_is_nested_too_deep_is_invalid_and_no_crash(parsed):
    with pytest.raises(AnswerInvalid):
        await parsed(Any, answer('{"value": ' + "[" * 100_000 + "]" * 100_000 + "}"))


async def test_the_simulator_cuts_an_answer_as_max_tokens_do(sim):
    async with inside(sim) as novita:
        with pytest.raises(AnswerCut):
            await novita.chat.completions.parse(**ASK, response_format=Recipe, max_tokens=4)
        async with novita.chat.completions.stream(**ASK, response_format=Recipe, max_tokens=4) as stream:
            with pytest.raises(AnswerCut) as caught:
                await stream.parsed()
    assert caught.value.completion.usage.completion_tokens == 4


# ------------------------------------------------------------------------------------------------ streams


@pytest.fixture
def streamed(clock):
    """`async with streamed(type, *chunks) as stream`"""

    @contextlib.asynccontextmanager
    async def make(type_, *chunks):
        server = Server(clock, lambda _: events(*chunks))
        async with connected(server, clock) as novita:
            opened = novita.chat.completions.stream(**ASK, response_format=type_)
            async with opened as stream:
                assert body(server)["response_format"] == Shape(type_).response_format
                yield stream

    return make


END = (chunk(finish="stop"), DONE)


async def test_a_value_is_seen_growing_and_checked_at_its_end(streamed):
    pieces = ('{"city', '": "Os', "lo", '", "coun', 'try": "N', '"}')
    async with streamed(Place, *map(chunk, pieces), *END) as stream:
        assert stream.partial is None
        seen = [dict(partial) async for partial in stream.partials()]
        assert seen == [
            {},
            {"city": "Os"},
            {"city": "Oslo"},
            {"city": "Oslo", "country": "N"},
        ]
        assert await stream.parsed() == {"city": "Oslo", "country": "N"}
        assert stream.completion.choices[0].message.content == "".join(pieces)


async def test_a_wrapped_value_is_seen_without_its_wrapping(streamed):
    async with streamed(list[int], *map(chunk, ('{"value"', ": [1", ", 2", "]}")), *END) as stream:
        assert [list(partial or []) async for partial in stream.partials()] == [[], [], [1], [1, 2]]
        assert await stream.parsed() == [1, 2]


async def test_events_and_the_growing_value_are_the_same_stream(streamed):
    async with streamed(Place, chunk(reasoning_content="hm"), chunk('{"city": "O'), chunk('slo"}'), *END) as stream:
        seen = [(event.type, (stream.partial or {}).get("city")) async for event in stream]
    assert seen == [("reasoning", None), ("text", "O"), ("text", "Oslo"), ("done", "Oslo")]


async def test_reasoning_in_think_tags_is_no_part_of_the_value(streamed):
    async with streamed(Place, chunk('<think>{"city": "Bergen"}'), chunk('</think>\n{"city": "Oslo"}'), *END) as stream:
        assert [partial["city"] async for partial in stream.partials()] == ["Oslo"]
        assert await stream.parsed() == {"city": "Oslo"}


@pytest.mark.parametrize(
    ("chunks", "kind"),
    [
        ((chunk(refusal="I would "), chunk(refusal="rather not."), *END), AnswerRefused),
        ((chunk('{"ci'), chunk(finish="length"), DONE), AnswerCut),
        ((chunk('{"ci'), *END), AnswerInvalid),
        ((chunk('{"city": 1}'), *END), AnswerInvalid),
        (
            (chunk(tool_calls=[{"index": 0, "id": "0", "function": {"name": "f"}}]), chunk(finish="tool_calls"), DONE),
            AnswerInvalid,
        ),
    ],
    ids=["refusal", "cut", "incomplete", "wrong", "tools"],
)
async def test_a_stream_without_a_value_is_checked_as_a_whole_answer_is(streamed, chunks, kind):
    async with streamed(Place, *chunks) as stream:
        with pytest.raises(AnswerError) as caught:
            await stream.parsed()
    assert type(caught.value) is kind
    assert caught.value.completion == stream.completion


async def test_a_stream_that_breaks_has_what_had_come(streamed):
    async with streamed(Place, chunk('{"city": "Os')) as stream:
        with pytest.raises(StreamCut):
            await stream.parsed()
        assert stream.partial == {"city": "Os"}


# ------------------------------------------------------------------------------------- what is kept, what is not


async def test_the_shape_of_a_type_is_made_once_for_a_client_and_its_views(clock):
    async with connected(Server(clock, completion()), clock) as novita:
        views = (novita, novita.with_options(timeout=3), novita)
        shapes = {id(shape_of(view.chat.completions._runtime, list[Recipe])) for view in views}
    assert len(shapes) == 1


@pytest.mark.acceptance
async def test_types_that_are_made_at_run_time_do_not_pile_up(clock):
    async with connected(Server(clock, completion()), clock) as novita:
        runtime = novita.chat.completions._runtime
        types = [msgspec.defstruct(f"Dynamic{n}", [("x", int)]) for n in range(500)]
        for n in range(20_000):
            shape_of(runtime, types[n % 500])
        assert len(runtime.shared["shapes"]) == 500
        first = weakref.ref(types[0])
        del types
        for n in range(600):
            shape_of(runtime, msgspec.defstruct(f"Other{n}", [("x", int)]))
        gc.collect()
        assert len(runtime.shared["shapes"]) <= 512
        assert first() is None


async def test_a_type_that_cannot_be_hashed_works_too(parsed):
    assert (await parsed(Annotated[int, []], answer('{"value": 3}'))).choices[0].message.parsed == 3


def test_pydantic_is_not_imported_by_who_does_not_use_it():
    code = (
        "import sys, msgspec\nfrom novita_async.llm.structured import Shape\n"
        "Shape(msgspec.defstruct('A', [('x', int)])).response_format\nprint('pydantic' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.strip() == "False"
