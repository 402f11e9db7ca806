"""JSON Schemas of Python types, and what strict structured output makes of them (contract/llm.md 7).

Types are msgspec's: structs, dataclasses, typed dicts, enums, and what is put together of them; or pydantic's, which is
never imported here: whoever has a model of it has imported it.
"""

from __future__ import annotations

import re
import sys
from typing import TYPE_CHECKING, Any, NotRequired, TypedDict, cast, get_args, is_typeddict

import msgspec

from ..errors import ValidationError
from ..wire.json import encode

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

__all__ = ["name_of", "reader_of", "record", "schema_of", "strict_schema", "wrapped"]

Schema = dict[str, Any]

_MODULES = re.compile(r"[\w.<>]+\.")
_REF = "#/$defs/{name}"
_KEPT = {
    *("type", "properties", "items", "enum", "anyOf", "$ref", "description", "pattern", "format", "multipleOf"),
    *("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "minItems", "maxItems"),
}
#: Keywords that strict output does not know, as words for the model. What comes is checked against the type anyway.
_IN_WORDS = {
    "minLength": "at least {} characters",
    "maxLength": "at most {} characters",
    "uniqueItems": "no item twice",
    "contentEncoding": "encoded as {}",
}
_FORMATS = {"date-time", "time", "date", "duration", "email", "hostname", "ipv4", "ipv6", "uuid"}
_JSON_TYPES: dict[type, str] = {str: "string", bool: "boolean", int: "integer", float: "number"}


def name_of(type_: Any) -> str:
    """The name of a type for people, without the modules it is of."""
    return type_.__name__ if isinstance(type_, type) and not get_args(type_) else _MODULES.sub("", str(type_))


def schema_of(type_: Any) -> Schema:
    """The JSON Schema of a type, with its root in place and everything else under `$defs`.

    Raises:
        ValidationError: there is none.
    """
    pydantic = _is_pydantic(type_)
    try:
        if pydantic:
            schema: Schema = sys.modules["pydantic"].TypeAdapter(type_).json_schema()
            parts: Schema = schema.pop("$defs", {})
        else:
            (schema,), parts = msgspec.json.schema_components((type_,), ref_template=_REF)
    except Exception as error:  # whatever the two libraries, or a type's own hooks, have against it
        lines = str(error).splitlines() or [repr(error)]  # pydantic says it first, msgspec at the end
        reason = lines[0 if pydantic else -1]
        raise ValidationError(f"no JSON Schema can be made of {name_of(type_)}: {reason}") from error
    root = schema.pop("$ref", None)
    if root is not None:
        name = root.rpartition("/")[2]
        schema = {**parts[name], **schema}
        if f'"{root}"'.encode() not in encode([schema, parts]):  # unless it refers to itself
            del parts[name]
    schema.pop("title", None)
    if is_typeddict(type_):  # msgspec puts them in alphabetical order, and models write in the order of the schema
        order = list(type_.__annotations__)
        schema["properties"] = dict(sorted(schema["properties"].items(), key=lambda each: order.index(each[0])))
        schema["required"].sort(key=order.index)
    return {**schema, "$defs": parts} if parts else schema


def reader_of(type_: Any) -> Callable[[str], Any]:
    """What turns JSON text into a checked value of a type. Numbers that come as text are taken.

    The reader raises ValueError with the reason.
    """
    if _is_pydantic(type_):
        return sys.modules["pydantic"].TypeAdapter(type_).validate_json  # its error is a ValueError
    decoder = msgspec.json.Decoder(type_, strict=False)

    def read(text: str) -> Any:
        try:
            return decoder.decode(text)
        except (msgspec.DecodeError, RecursionError) as error:
            raise ValueError(str(error)) from error

    return read


def wrapped(type_: Any) -> Any:
    """A type that has a value of another one as its `value`: the root of structured output is an object."""
    if _is_pydantic(type_):
        return sys.modules["pydantic"].create_model("Answer", value=(type_, ...))
    return msgspec.defstruct("Answer", [("value", type_)])


def record(name: str, fields: Mapping[str, Any], optional: Collection[str]) -> Any:
    """A type with these fields, of which some may be left out. Its reader gives a dict of those that came."""
    if any(_is_pydantic(type_) for type_ in fields.values()):
        defaults = {field: (type_, None if field in optional else ...) for field, type_ in fields.items()}
        return sys.modules["pydantic"].create_model(name, **defaults)
    kinds = {field: NotRequired[type_] if field in optional else type_ for field, type_ in fields.items()}
    return cast("Any", TypedDict)(name, kinds)


def strict_schema(schema: Mapping[str, Any]) -> Schema | None:
    """A schema as strict mode wants it: no other properties, all of them required, no keyword that it does not know.

    Returns:
        The strict schema; None when there is none, because free keys, tuples or any value at all are allowed.
    """
    try:
        strict = _strict(schema)
        if parts := schema.get("$defs"):
            strict["$defs"] = {name: _strict(part) for name, part in parts.items()}
    except _NotStrict:
        return None
    return strict


class _NotStrict(Exception):
    """A schema that strict mode cannot say."""


def _strict(schema: object) -> Schema:
    if not isinstance(schema, dict):
        raise _NotStrict
    given = cast("Schema", schema)
    found: Schema = {key: value for key, value in given.items() if key in _KEPT}
    if "const" in given:
        found["enum"] = [given["const"]]
    if "oneOf" in given:
        found["anyOf"] = given["oneOf"]
    if "allOf" in given:
        if len(given["allOf"]) != 1 or "$ref" in found:
            raise _NotStrict
        return _strict({**given["allOf"][0], **{key: value for key, value in given.items() if key != "allOf"}})
    if "prefixItems" in given:
        raise _NotStrict
    if isinstance(found.get("type"), list):
        kinds: list[str] = found["type"]
        rest = {key: value for key, value in given.items() if key not in ("type", "description")}
        options = [_strict({"type": "null"} if kind == "null" else {**rest, "type": kind}) for kind in kinds]
        return {"anyOf": options, **_described(found.get("description"))}
    words = [words.format(given[key]) for key, words in _IN_WORDS.items() if given.get(key)]
    if found.get("format") == "decimal":
        found["type"] = "number"  # which a decimal is read from as it stands, and which models write without words
        del found["format"]
    elif found.get("format") not in _FORMATS and (form := found.pop("format", None)):
        words.append(str(form))
    if words:
        found["description"] = f"{found.get('description', '')} ({', '.join(words)})".lstrip()
    if "$ref" in found:  # which stands alone
        described = _described(found.get("description"))
        return {"anyOf": [{"$ref": found["$ref"]}], **described} if described else {"$ref": found["$ref"]}
    if "anyOf" in found:
        found["anyOf"] = [_strict(option) for option in found["anyOf"]]
    elif "enum" in found:
        values: list[object] = found["enum"]
        types = {_JSON_TYPES.get(type(value), "") for value in values}
        if len(types) == 1 and "" not in types:
            found["type"] = types.pop()
    elif "type" not in found:
        raise _NotStrict
    if found.get("type") == "object":
        if "properties" not in found:
            raise _NotStrict
        found["properties"] = {name: _strict(inner) for name, inner in found["properties"].items()}
        found["required"] = list(found["properties"])
        found["additionalProperties"] = False
    elif found.get("type") == "array":
        found["items"] = _strict(found.get("items"))
    return found


def _described(description: str | None) -> Schema:
    return {"description": description} if description else {}


def _is_pydantic(type_: Any) -> bool:
    """Whether a type is pydantic's or is put together of such."""
    return hasattr(type_, "__pydantic_core_schema__") or any(_is_pydantic(part) for part in get_args(type_))
