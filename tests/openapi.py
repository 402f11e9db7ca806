"""A file of the contract as a judge of requests and responses, for tests.

    openapi.check_request("POST", "/openai/v1/chat/completions", "application/json", body)
    openapi.check_response("POST", "/openai/v1/chat/completions", 200, "text/event-stream", body)

These are of the LLM's file; `Contract("image")` is that of another one. All raise AssertionError with the operation and
the place of what is wrong. Paths may have a query, an older prefix of the contract, and model ids with a slash.
"""

from __future__ import annotations

import re
from functools import cache, cached_property
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

_DIRECTORY = Path(__file__).parent.parent / "contract"
_ROOT = "urn:contract"
_METHODS = ("get", "post", "put", "patch", "delete")


class _Operation(NamedTuple):
    id: str
    method: str
    path: re.Pattern[str]
    description: dict[str, Any]


class Contract:
    """One file of the contract.

    Args:
        name: such as "llm", of `contract/llm.openapi.yaml`.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self._validators: dict[bytes, jsonschema.Draft202012Validator] = {}

    @cached_property
    def document(self) -> dict[str, Any]:
        text = (_DIRECTORY / f"{self.name}.openapi.yaml").read_text("utf-8")
        return yaml.load(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))

    @cached_property
    def _operations(self) -> list[_Operation]:
        found: list[_Operation] = []
        for path, item in self.document["paths"].items():
            for method in _METHODS:
                if description := item.get(method):
                    parameters = description.get("parameters", ())
                    slashes = {each["name"] for each in parameters if each.get("x-contains-slash")}
                    for form in (path, *description.get("x-aliases", ())):
                        name = description["operationId"]
                        found.append(_Operation(name, method.upper(), _regex(form, slashes), description))
        return found

    def _find(self, method: str, path: str) -> _Operation | None:
        decoded = unquote(urlsplit(path).path)
        found: _Operation | None = None
        for operation in self._operations:
            if operation.method == method.upper() and operation.path.fullmatch(decoded):
                if re.escape(decoded) == operation.path.pattern:
                    return operation  # as it stands there; elsewhere it only fits into a hole
                found = found or operation
        return found

    def _known(self, method: str, path: str) -> _Operation:
        operation = self._find(method, path)
        assert operation is not None, f"{method} {path}: the contract has no such operation"
        return operation

    def operations(self) -> list[str]:
        """The ids of all operations, in the order of the contract."""
        return list(dict.fromkeys(operation.id for operation in self._operations))

    def paths(self) -> dict[str, str]:
        """The path of each operation, as the contract prints it."""
        return {
            item[method]["operationId"]: path
            for path, item in self.document["paths"].items()
            for method in _METHODS
            if method in item
        }

    def operation_of(self, method: str, path: str) -> str | None:
        """The id of the operation that a request is for; None when the contract has none."""
        operation = self._find(method, path)
        return operation.id if operation else None

    def examples(self, operation: str) -> dict[str, Any]:
        """The JSON requests that the contract gives as examples of an operation, by their names."""
        described = next(each.description for each in self._operations if each.id == operation)
        content = described["requestBody"]["content"]["application/json"]
        named = {name: example["value"] for name, example in content.get("examples", {}).items()}
        return named | ({"example": content["example"]} if "example" in content else {})

    def check_request(self, method: str, path: str, content_type: str | None, body: bytes | None) -> None:
        """Check a request's body. A multipart one is only asked to be one.

        Raises:
            AssertionError: no such operation, a content type that it does not take, or a body that is not of its
                schema.
        """
        operation = self._known(method, path)
        where = f"{operation.id} request"
        described = operation.description.get("requestBody")
        if described is None:
            # A cancelled batch may come with an empty object (x-doc of cancelBatch).
            assert not body or msgspec.json.decode(body) == {}, f"{where}: it takes no body"
            return
        assert body, f"{where}: the body is missing"
        self._check_content(described["content"], content_type, body, where)

    def check_query(self, method: str, path: str, query: list[tuple[str, str]]) -> None:
        """Check the names of a request's query parameters.

        Raises:
            AssertionError: no such operation, one that it does not know, or a required one that is missing.
        """
        operation = self._known(method, path)
        parameters = [self._resolved(each) for each in operation.description.get("parameters", ())]
        known = {each["name"]: each.get("required", False) for each in parameters if each["in"] == "query"}
        given = {name for name, _ in query}
        assert given <= set(known), f"{operation.id} query: {', '.join(sorted(given - set(known)))} is not known"
        missing = {name for name, required in known.items() if required} - given
        assert not missing, f"{operation.id} query: {', '.join(sorted(missing))} is missing"

    def check_response(self, method: str, path: str, status: int, content_type: str | None, body: bytes) -> None:
        """Check a response: its status, content type and body; of an event stream every event and the end.

        Raises:
            AssertionError: something that the contract does not have.
        """
        operation = self._known(method, path)
        where = f"{operation.id} {status}"
        responses = operation.description["responses"]
        described = responses.get(str(status)) or (responses.get("default") if status >= 400 else None)
        assert described is not None, f"{where}: the contract knows {', '.join(responses)}"
        content = self._resolved(described).get("content")
        if content is None:
            assert body in (b"", b"{}"), f"{where}: it has no body"
            return
        self._check_content(content, content_type, body, where)

    def schema(self, name: str) -> dict[str, Any]:
        """A schema of the contract, as it is written there."""
        return self.document["components"]["schemas"][name]

    def check(self, name: str, value: Any) -> None:
        """Check a value against a schema of the contract by its name, such as "BatchOutputLine"."""
        self._check(f"#/components/schemas/{name}", value, name)

    def allows(self, name: str, value: Any) -> bool:
        """Whether a value is of a schema."""
        return self._validator({"$ref": f"#/components/schemas/{name}"}).is_valid(value)

    # ----------------------------------------------------------------------------------------- content

    def _check_content(self, content: dict[str, Any], content_type: str | None, body: bytes, where: str) -> None:
        kind = (content_type or "").partition(";")[0].strip().lower()
        if "application/octet-stream" in content and kind.partition("/")[0] in ("image", "video"):
            return  # a file under its own name
        assert kind in content, f"{where}: the content type is {content_type!r}, and not one of {', '.join(content)}"
        schema = content[kind].get("schema", {})
        if kind == "application/json":
            self._check(schema, _json(body, where), where)
        elif kind == "text/event-stream":
            self._check_events(schema, body, where)

    def _check_events(self, schema: dict[str, Any], body: bytes, where: str) -> None:
        """Events that carry no schema are asked to be JSON. A stream ends as the contract says, or with an error."""
        data_schema = schema.get("x-event-data-schema") or schema.get("x-event-schema")
        end = schema.get("x-terminator")
        ended = failed = False
        for number, (name, data) in enumerate(_named(body), 1):
            place = f"{where}, event {number}"
            assert not ended, f"{place}: it comes after the end"
            if data == end:
                ended = True
                continue
            value = _json(data.encode(), place)
            if data_schema is not None:
                self._check(data_schema, value, place)
            kind = value.get("type")
            assert name in (None, kind), f"{place}: it is named {name!r} and its type is {kind!r}"
            ended = end is not None and kind == end
            failed = failed or "error" in value or ("choices" not in value and "code" in value)
        assert ended or failed or end is None, f"{where}: the stream does not end with {end}"

    # ----------------------------------------------------------------------------------------- schemas

    def _resolved(self, node: dict[str, Any]) -> dict[str, Any]:
        """Follow a reference into the document."""
        while reference := node.get("$ref"):
            node = self.document
            for part in reference.removeprefix("#/").split("/"):
                node = node[part]
        return node

    @cached_property
    def _registry(self) -> Registry[Any]:
        resource = Resource.from_contents(self.document, default_specification=DRAFT202012)
        return Registry().with_resource(_ROOT, resource)

    def _validator(self, node: dict[str, Any]) -> jsonschema.Draft202012Validator:
        encoded = msgspec.json.encode(node)
        validator = self._validators.get(encoded)
        if validator is None:
            validator = jsonschema.Draft202012Validator(_absolute(node), registry=self._registry)
            self._validators[encoded] = validator
        return validator

    def _check(self, schema: Any, value: Any, where: str) -> None:
        node = {"$ref": schema} if isinstance(schema, str) else schema
        error = best_match(self._validator(node).iter_errors(value))
        if error is not None:
            raise AssertionError(f"{where}: at {error.json_path}: {error.message}")


@cache
def contract(name: str) -> Contract:
    """A file of the contract, read once."""
    return Contract(name)


LLM = contract("llm")
operations, paths, operation_of, examples = LLM.operations, LLM.paths, LLM.operation_of, LLM.examples
check_request, check_response, schema, check_schema = LLM.check_request, LLM.check_response, LLM.schema, LLM.check


def _regex(path: str, slashes: set[str]) -> re.Pattern[str]:
    parts = re.split(r"\{(\w+)\}", path)
    names, texts = parts[1::2], parts[::2]
    holes = [*(".+" if name in slashes else "[^/]+" for name in names), ""]
    return re.compile("".join(re.escape(text) + hole for text, hole in zip(texts, holes, strict=True)))


def _absolute(schema: Any) -> Any:
    """A schema whose references can be followed from anywhere."""
    if isinstance(schema, dict):
        return {
            key: f"{_ROOT}{value}" if key == "$ref" and value.startswith("#") else _absolute(value)
            for key, value in schema.items()
        }
    return [_absolute(each) for each in schema] if isinstance(schema, list) else schema


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
