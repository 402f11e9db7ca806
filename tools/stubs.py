"""Make the stub that gives editors every model's name and parameters."""

from __future__ import annotations

import re
import textwrap
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

    from novita_async.catalog import Model, Schema

__all__ = ["stub"]

_HEAD = '''"""Every model's own parameters, for editors and type checkers. Made by `python -m tools.catalog`."""

from collections.abc import Mapping
from typing import Any, Literal, Required, TypeAlias, TypedDict, Unpack, overload

from ..runtime.task import Task
from .inputs import FileInput
from .jobs import MediaJobs
from .results import MediaResult

__all__ = ["AudioCalls", "ImageCalls", "ModelCalls", "VideoCalls"]

#: Width and height in pixels, or the platform's own text for them.
Size: TypeAlias = tuple[int, int] | str

class ModelCalls(MediaJobs):
    async def submit(
        self,
        model: str,
        /,
        *,
        validate: bool = True,
        extra_body: Mapping[str, Any] | None = None,
        extra_headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
        **params: Any,
    ) -> Task[MediaResult]: ...
    async def run(
        self,
        model: str,
        /,
        *,
        validate: bool = True,
        extra_body: Mapping[str, Any] | None = None,
        extra_headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
        **params: Any,
    ) -> MediaResult: ...
'''
_CLASSES = (("images", "ImageCalls"), ("videos", "VideoCalls"), ("audio", "AudioCalls"))
_WIDTH = 120
_OWN = {"validate", "extra_body", "extra_headers", "timeout"}


def stub(models: Iterable[Model]) -> str:
    """The text of `calls.pyi`."""
    models = [model for model in models if model.product != "training"]
    params = _Params()
    names = {model.id: params.of_model(model) for model in models}
    parts = [_HEAD, *params.classes.values()]
    for product, name in _CLASSES:
        parts.append(_calls(name, [model for model in models if model.product == product], names))
    return "\n".join(parts)


class _Params:
    """The TypedDicts. Those that are the same in every word come once."""

    def __init__(self) -> None:
        self.classes: dict[str, str] = {}
        self._known: dict[str, str] = {}

    def of_model(self, model: Model) -> str:
        properties = dict(model.params.properties)
        required = set(model.params.required)
        two = {"width", "height"} <= set(properties) and "size" not in properties
        if two:
            required -= {"width", "height"}
        lines = [self._field(model.id, name, each, name in required) for name, each in properties.items()]
        if two:
            lines.append("    size: tuple[int, int]\n" + _doc("Width and height, in place of the two."))
        return self._put(f"{_camel(model.id)}Params", lines)

    def _put(self, name: str, lines: list[str]) -> str:
        body = "".join(f"{line}\n" for line in lines) or "    pass\n"
        known = self._known.get(body)
        if known is None:
            assert name not in self.classes, name
            self._known[body] = known = name
            self.classes[name] = f"class {name}(TypedDict, total=False):\n{body}"
        return known

    def _field(self, owner: str, name: str, schema: Schema, required: bool) -> str:
        assert name.isidentifier(), name
        assert name not in _OWN, f"{name} is a keyword of run and submit"
        hint = self._hint(f"{owner}-{name}", schema)
        return f"    {name}: {f'Required[{hint}]' if required else hint}\n{_doc(_said(schema))}".rstrip("\n")

    def _hint(self, owner: str, schema: Schema) -> str:
        if schema.media is not None and schema.items is None:
            return "FileInput"
        if schema.size is not None:
            return "Size"
        if schema.any_of:
            return _union(self._hint(f"{owner}-{number}", each) for number, each in enumerate(schema.any_of, 1))
        if schema.enum and not schema.open:
            values = [value for value in schema.enum if value is not None]
            if all(isinstance(value, (str, int)) and not isinstance(value, float) for value in values):
                return f"Literal[{', '.join(_quoted(value) for value in values)}]"
        kinds = (schema.type,) if isinstance(schema.type, str) else schema.type
        return _union(self._plain(owner, kind, schema) for kind in kinds) or "Any"

    def _plain(self, owner: str, kind: str, schema: Schema) -> str:
        match kind:
            case "array":
                return f"list[{self._hint(f'{owner}-item', schema.items) if schema.items else 'Any'}]"
            case "object" if schema.properties:
                lines = [
                    self._field(owner, name, each, name in schema.required) for name, each in schema.properties.items()
                ]
                return self._put(_camel(owner), lines)
            case _:
                return {
                    "string": "str", "integer": "int", "number": "float", "boolean": "bool", "null": "None",
                    "object": "dict[str, Any]",
                }[kind]  # fmt: skip


def _calls(name: str, models: list[Model], names: dict[str, str]) -> str:
    parts = [f"class {name}(MediaJobs):\n"]
    submits = [model for model in models if model.kind == "async"]
    for method, chosen, gives in (("submit", submits, "Task[MediaResult]"), ("run", models, "MediaResult")):
        for model in chosen:
            parts.append(
                f"    @overload\n    async def {method}(\n"
                "        self,\n"
                f"        model: Literal[{_quoted(model.id)}],\n"
                "        /,\n"
                "        *,\n"
                "        validate: bool = True,\n"
                "        extra_body: Mapping[str, Any] | None = None,\n"
                "        extra_headers: Mapping[str, str] | None = None,\n"
                "        timeout: float | None = None,\n"
                f"        **params: Unpack[{names[model.id]}],\n"
                f"    ) -> {gives}:\n"
                f'        """{_summary(model)}"""\n'
            )
    return "".join(parts)


def _summary(model: Model) -> str:
    end = {"current": "", "unlisted": " No longer in the platform's index."}.get(model.status)
    if end is None:
        instead = f", in favour of {model.replacement}" if model.replacement else ""
        end = f" Its end was announced for {model.retired}{instead}."
    return f"{model.title.rstrip('.')}.{end}"


def _said(schema: Schema) -> str:
    """A parameter in words: what it is, its range, its default."""
    source = schema.items if schema.items is not None and not schema.description else schema
    parts = [source.description.rstrip(".")] if source.description else []
    low, high = schema.minimum, schema.maximum
    if schema.exclusive_minimum is not None:
        parts.append(f"more than {schema.exclusive_minimum:g}" + (f" to {high:.12g}" if high is not None else ""))
    elif low is not None and high is not None:
        parts.append(f"{low:.12g} to {high:.12g}")
    elif low is not None or high is not None:
        parts.append(f"{low:.12g} or more" if low is not None else f"up to {high:.12g}")
    if schema.max_length is not None:
        parts.append(f"up to {schema.max_length} characters")
    if schema.max_items is not None:
        parts.append(f"{schema.min_items or 0} to {schema.max_items} of them")
    text = "; ".join(part for part in parts if part)
    default: Any = getattr(schema, "default", None)
    if isinstance(default, (str, int, float)) and default != "":
        text += f". Default {_quoted(default)}" if text else f"Default {_quoted(default)}"
    return f"{text}." if text else ""


def _doc(text: str) -> str:
    if not text:
        return ""
    text = text.replace("\\", "\\\\").replace('"""', "'''")
    if len(text) + 10 <= _WIDTH and not text.endswith('"'):
        return f'    """{text}"""'
    wrapped = textwrap.wrap(text, _WIDTH - 8)
    return '    """' + "\n    ".join(wrapped) + '\n    """'


def _union(hints: Iterable[str]) -> str:
    return " | ".join(dict.fromkeys(hints))


def _quoted(value: Any) -> str:
    if isinstance(value, str):
        escaped = value.replace("\\", "\\\\").replace('"', '\\"')
        return f'"{escaped}"'
    return repr(value)


def _camel(text: str) -> str:
    return "".join(part[:1].upper() + part[1:] for part in re.split(r"[^A-Za-z0-9]+", text))
