"""Parameters for any model of the catalog: valid ones, as few or as many as can be, and ones that are wrong."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

from msgspec import UNSET

from novita_async.catalog.check import check
from novita_async.simulator.clip import video
from novita_async.simulator.pictures import draw

if TYPE_CHECKING:
    from collections.abc import Iterator

    from novita_async.catalog import Model, Schema

LINK = "https://files.test/input"
#: What the names of a parameter ask for beyond its schema: voices and weights that are there.
KNOWN = {
    "voice_id": "Wise_Woman",
    "voice": "tongtong",
    "model_name": "sd_xl_base_1.0.safetensors",
    "class_prompt": "person",
    "sample_rate": 44100,
}
#: What a platform wants that its pages do not say.
ALSO = {"minimax-music": {"prompt": "slow, at night", "lyrics": "[Verse]\nThe light goes round"}}
#: A webhook and a bucket are somebody's who is not here.
ELSEWHERE = {"webhook", "custom_storage"}


@cache
def picture() -> bytes:
    """A PNG that is within the limits of every model."""
    return draw("a lighthouse", 1, 512, 512)


@cache
def clip() -> bytes:
    """An MP4 of a second."""
    return video("a lighthouse", 1, 1)[0]


def fewest(model: Model) -> dict[str, Any]:
    """What must be given and no more."""
    params = {name: value(model.params.properties[name], name) for name in model.params.required}
    params |= ALSO.get(model.id, {})
    for rule in model.rules:
        if rule.rule in ("at-least-one", "required-when") and check(model, params):
            field = (rule.field or rule.fields[0]).partition(".")[0]
            params[field] = value(model.params.properties[field], field)
        if rule.rule == "allowed-pairs" and all(field in params for field in rule.fields):
            params.update(zip(rule.fields, rule.pairs[0], strict=True))
    return params


def most(model: Model) -> dict[str, Any]:
    """Every parameter that can be given together with those before it."""
    params = fewest(model)
    for name, schema in model.params.properties.items():
        if name not in params and name != "stream":
            more = {**params, name: value(schema, name)}
            if not check(model, more):
                params = more
    return params


def value(schema: Schema, name: str) -> Any:
    """A value that a schema allows."""
    if schema.media is not None:
        return _file(schema.media.kind, schema.media.forms)
    if schema.enum:
        return next(each for each in schema.enum if each is not None)
    if schema.any_of:
        return value(schema.any_of[0], name)
    if isinstance(KNOWN.get(name), int):
        return KNOWN[name]
    if schema.size is not None:
        return _size(schema)
    kinds = (schema.type,) if isinstance(schema.type, str) else schema.type
    match kinds[0] if kinds else "string":
        case "string":
            return _text(schema, name)
        case "integer":
            return int(_number(schema))
        case "number":
            return _number(schema)
        case "boolean":
            return False
        case "array":
            assert schema.items is not None, name
            return [value(schema.items, name) for _ in range(max(1, schema.min_items or 0))]
        case "object":
            return {key: value(each, key) for key, each in schema.properties.items() if key not in ELSEWHERE}
        case kind:
            raise AssertionError(f"{name}: no sample of {kind}")


def wrong(schema: Schema) -> Iterator[Any]:
    """Values that a schema does not allow: of another type, and just out of each range."""
    if schema.media is not None:
        yield 5
        return
    kinds = {schema.type} if isinstance(schema.type, str) else set(schema.type)
    if "object" in kinds or "array" in kinds or "boolean" in kinds:
        yield 5
    elif kinds:
        yield {"no": "such"}
    if schema.any_of:
        yield 5
    if schema.enum and not schema.open:
        yield "no-such-value" if "string" in kinds else 987654
    if kinds & {"integer", "number"}:
        if schema.minimum is not None:
            yield int(schema.minimum) - 1
        if schema.maximum is not None:
            yield int(schema.maximum) + 1
        if schema.exclusive_minimum is not None:
            yield int(schema.exclusive_minimum)
    if schema.max_length is not None and not schema.truncates:
        yield "x" * (schema.max_length + 1)
    if schema.max_items is not None and schema.items is not None:
        yield [value(schema.items, "item")] * (schema.max_items + 1)
    if schema.size is not None and not schema.enum:
        yield "large"


def _file(kind: str, forms: tuple[str, ...]) -> Any:
    if "asset" in forms:
        return "asset"
    if forms == ("bytes",):
        return b"RIFF....WAVEfmt " if kind == "audio" else picture()
    if "base64" in forms or "data-uri" in forms:
        return picture() if kind == "image" else LINK + ".wav" if "url" in forms else b"RIFF....WAVEfmt "
    return LINK + {"image": ".png", "video": ".mp4", "audio": ".wav"}.get(kind, ".png")


def _size(schema: Schema) -> Any:
    default = schema.default
    return (1024, 1024) if default is UNSET or default is None else default


def _text(schema: Schema, name: str) -> str:
    if schema.format == "uri":
        return LINK
    if isinstance(schema.default, str) and schema.default:
        return schema.default
    text = str(KNOWN.get(name, "a lighthouse"))
    return text[: schema.max_length] if schema.max_length else text


def _number(schema: Schema) -> float:
    if isinstance(schema.default, int | float):
        return schema.default
    low = schema.minimum if schema.minimum is not None else schema.exclusive_minimum
    if low is not None and low >= 1:
        return low if schema.exclusive_minimum is None else low + 1
    return 1 if schema.maximum is None or schema.maximum >= 1 else schema.maximum
