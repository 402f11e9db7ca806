"""The contract of the LLM API as a judge of requests and responses, for tests.

    openapi.check_request("POST", "/openai/v1/chat/completions", "application/json", body)
    openapi.check_response("POST", "/openai/v1/chat/completions", 200, "text/event-stream", body)

Both raise AssertionError with the operation and the place of what is wrong. Paths may have a query, an older prefix of
the contract, and model ids with a slash.
"""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import unquote, urlsplit

import jsonschema
import msgspec
import yaml
from jsonschema.exceptions import best_match
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012

if TYPE_CHECKING:
    from collections.abc import Iterator

_FILE = Path(__file__).parent.parent / "contract" / "llm.openapi.yaml"
_ROOT = "urn:llm"
_METHODS = ("get", "post", "put", "patch", "delete")


class _Operation(NamedTuple):
    id: str
    method: str
    path: re.Pattern[str]
    description: dict[str, Any]


@cache
def _document() -> dict[str, Any]:
    return yaml.load(_FILE.read_text("utf-8"), Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))


@cache
def _operations() -> list[_Operation]:
    found: list[_Operation] = []
    for path, item in _document()["paths"].items():
        for method in _METHODS:
            if description := item.get(method):
                slashes = {each["name"] for each in description.get("parameters", ()) if each.get("x-contains-slash")}
                for form in (path, *description.get("x-aliases", ())):
                    found.append(
                        _Operation(description["operationId"], method.upper(), _regex(form, slashes), description)
                    )
    return found


def _regex(path: str, slashes: set[str]) -> re.Pattern[str]:
    parts = re.split(r"\{(\w+)\}", path)
    names, texts = parts[1::2], parts[::2]
    holes = [*(".+" if name in slashes else "[^/]+" for name in names), ""]
    return re.compile("".join(re.escape(text) + hole for text, hole in zip(texts, holes, strict=True)))


def _find(method: str, path: str) -> _Operation | None:
    decoded = unquote(urlsplit(path).path)
    for operation in _operations():
        if operation.method == method.upper() and operation.path.fullmatch(decoded):
            return operation
    return None


def _known(method: str, path: str) -> _Operation:
    operation = _find(method, path)
    assert operation is not None, f"{method} {path}: the contract has no such operation"
    return operation


def operations() -> list[str]:
    """The ids of all operations, in the order of the contract."""
    return list(dict.fromkeys(operation.id for operation in _operations()))


def paths() -> dict[str, str]:
    """The path of each operation, as the contract prints it."""
    return {
        item[method]["operationId"]: path
        for path, item in _document()["paths"].items()
        for method in _METHODS
        if method in item
    }


def operation_of(method: str, path: str) -> str | None:
    """The id of the operation that a request is for; None when the contract has none."""
    operation = _find(method, path)
    return operation.id if operation else None


def examples(operation: str) -> dict[str, Any]:
    """The JSON requests that the contract gives as examples of an operation, by their names."""
    described = next(each.description for each in _operations() if each.id == operation)
    content = described["requestBody"]["content"]["application/json"]
    named = {name: example["value"] for name, example in content.get("examples", {}).items()}
    return named | ({"example": content["example"]} if "example" in content else {})


def check_request(method: str, path: str, content_type: str | None, body: bytes | None) -> None:
    """Check a request's body. A multipart one is only asked to be one.

    Raises:
        AssertionError: no such operation, a content type that it does not take, or a body that is not of its schema.
    """
    operation = _known(method, path)
    where = f"{operation.id} request"
    described = operation.description.get("requestBody")
    if described is None:
        # A cancelled batch may come with an empty object (x-doc of cancelBatch).
        assert not body or msgspec.json.decode(body) == {}, f"{where}: it takes no body"
        return
    assert body, f"{where}: the body is missing"
    _check_content(described["content"], content_type, body, where)


def check_response(method: str, path: str, status: int, content_type: str | None, body: bytes) -> None:
    """Check a response: its status, content type and body; of an event stream every event and the end.

    Raises:
        AssertionError: something that the contract does not have.
    """
    operation = _known(method, path)
    where = f"{operation.id} {status}"
    responses = operation.description["responses"]
    assert str(status) in responses, f"{where}: the contract knows {', '.join(responses)}"
    _check_content(_resolved(responses[str(status)])["content"], content_type, body, where)


def schema(name: str) -> dict[str, Any]:
    """A schema of the contract, as it is written there."""
    return _document()["components"]["schemas"][name]


def check_schema(name: str, value: Any) -> None:
    """Check a value against a schema of the contract by its name, such as "BatchOutputLine"."""
    _check(f"#/components/schemas/{name}", value, name)


# ------------------------------------------------------------------------------------------- content


def _check_content(content: dict[str, Any], content_type: str | None, body: bytes, where: str) -> None:
    kind = (content_type or "").partition(";")[0].strip().lower()
    assert kind in content, f"{where}: the content type is {content_type!r}, and not one of {', '.join(content)}"
    schema = content[kind]["schema"]
    if kind == "application/json":
        _check(schema, _json(body, where), where)
    elif kind == "text/event-stream":
        _check_events(schema, body, where)


def _check_events(schema: dict[str, Any], body: bytes, where: str) -> None:
    """Events that carry no schema are asked to be JSON. A stream ends as the contract says, or with an error."""
    data_schema, end = schema.get("x-event-data-schema"), schema.get("x-terminator")
    ended = failed = False
    for number, (name, data) in enumerate(_named(body), 1):
        place = f"{where}, event {number}"
        assert not ended, f"{place}: it comes after the end"
        if data == end:
            ended = True
            continue
        value = _json(data.encode(), place)
        if data_schema is not None:
            _check(data_schema, value, place)
        assert name in (None, value.get("type")), f"{place}: it is named {name!r} and its type is {value.get('type')!r}"
        ended = end is not None and value.get("type") == end
        failed = failed or "error" in value or ("choices" not in value and "code" in value)
    assert ended or failed or end is None, f"{where}: the stream does not end with {end}"


def events(body: bytes) -> list[tuple[str | None, Any]]:
    """Name and decoded data of every event of a stream but the [DONE]."""
    return [(name, msgspec.json.decode(data)) for name, data in _named(body) if data != "[DONE]"]


def _named(body: bytes) -> Iterator[tuple[str | None, str]]:
    """Name and data of every server-sent event; comments and blocks without data are none."""
    text = body.decode("utf-8").replace("\r\n", "\n")
    assert not text or text.endswith("\n\n"), "the stream breaks off inside an event"
    for block in text.split("\n\n"):
        fields = [
            (name, value.removeprefix(" ")) for name, _, value in (line.partition(":") for line in block.split("\n"))
        ]
        lines = [value for name, value in fields if name == "data"]
        if lines:
            yield next((value for name, value in fields if name == "event"), None), "\n".join(lines)


def _json(body: bytes, where: str) -> Any:
    try:
        return msgspec.json.decode(body)
    except msgspec.DecodeError as error:
        raise AssertionError(f"{where}: no JSON ({error})") from None


# ------------------------------------------------------------------------------------------- schemas


def _resolved(node: dict[str, Any]) -> dict[str, Any]:
    """Follow a reference into the document."""
    while reference := node.get("$ref"):
        node = _document()
        for part in reference.removeprefix("#/").split("/"):
            node = node[part]
    return node


@cache
def _registry() -> Registry[Any]:
    resource = Resource.from_contents(_document(), default_specification=DRAFT202012)
    return Registry().with_resource(_ROOT, resource)


def _absolute(schema: Any) -> Any:
    """A schema whose references can be followed from anywhere."""
    if isinstance(schema, dict):
        return {
            key: f"{_ROOT}{value}" if key == "$ref" and value.startswith("#") else _absolute(value)
            for key, value in schema.items()
        }
    return [_absolute(each) for each in schema] if isinstance(schema, list) else schema


@cache
def _validator(encoded: bytes) -> jsonschema.Draft202012Validator:
    return jsonschema.Draft202012Validator(_absolute(msgspec.json.decode(encoded)), registry=_registry())


def _check(schema: Any, value: Any, where: str) -> None:
    node = {"$ref": schema} if isinstance(schema, str) else schema
    error = best_match(_validator(msgspec.json.encode(node)).iter_errors(value))
    if error is not None:
        raise AssertionError(f"{where}: at {error.json_path}: {error.message}")
