"""Functions as tools: the schema that the model gets from their types, and the arguments that come back, checked.

Contract: llm.md section 7.
"""

from __future__ import annotations

import functools
import inspect
import re
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import (
    Any,
    Generic,
    ParamSpec,
    TypeVar,
    cast,
    get_type_hints,
    overload,
)

import msgspec

from ..errors import ToolError, ValidationError
from ..wire.json import encode
from .schema import reader_of, record, schema_of, strict_schema

__all__ = ["Tool", "definitions", "tool"]

P = ParamSpec("P")
R = TypeVar("R")
T = TypeVar("T")

_NAME = re.compile(r"[a-zA-Z0-9_-]{1,64}")


class Tool(Generic[P, R]):
    """A function that a model may call. Made with `tool`; called like the function itself.

    Attributes:
        function: what was decorated.
        name: what the model calls it.
    """

    def __init__(
        self,
        function: Callable[P, R],
        *,
        name: str | None = None,
        description: str | None = None,
        strict: bool = False,
    ) -> None:
        if not callable(function):
            raise ValidationError(f"a tool is made of a function, got {type(function).__name__}")
        self.function = function
        self._inner = _inner(function)
        self.name = name if name is not None else getattr(self._inner, "__name__", type(function).__name__)
        _check_name(self.name, repr(function))
        self._description = description
        self._strict = strict

    def __repr__(self) -> str:
        return f"<Tool {self.name}>"

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        return self.function(*args, **kwargs)

    @property
    def is_async(self) -> bool:
        """Whether it runs on the event loop. Another one runs in a worker thread."""
        return inspect.iscoroutinefunction(self._inner)

    @cached_property
    def definition(self) -> dict[str, Any]:
        """What `tools` of a request has of it. Made when it is first asked for, so that types may be defined later.

        Raises:
            ValidationError: a parameter has no type, or one that no JSON Schema can be made of.
        """
        parameters = schema_of(self._parameters)
        description, told = _docstring(self.function)
        for name, schema in parameters.get("properties", {}).items():
            if name in told:
                schema.setdefault("description", told[name])
            default = self._signature[name].default
            if default is not inspect.Parameter.empty:
                try:
                    schema["default"] = msgspec.to_builtins(default)
                except (TypeError, ValueError):
                    continue  # one that JSON does not have: the model need not know it
        parameters["additionalProperties"] = False
        function: dict[str, Any] = {"name": self.name}
        if described := self._description if self._description is not None else description:
            function["description"] = described
        if self._strict:
            strict = strict_schema(parameters)
            if strict is None:
                raise ValidationError(
                    f"{self.name} cannot be strict: a parameter allows free keys, tuples or any value at all"
                )
            return {"type": "function", "function": {**function, "parameters": strict, "strict": True}}
        return {"type": "function", "function": {**function, "parameters": parameters}}

    def arguments(self, text: str) -> dict[str, Any]:
        """The arguments that the model wrote, checked and of the function's types. Numbers that came as text are taken.

        Raises:
            ToolError: they are no JSON, or do not fit the function. It says what is wrong, in words for the model.
        """
        text = text if text.strip() else "{}"  # what models write for no arguments
        try:
            found: Any = self._read(text)
            unknown = sorted(msgspec.json.decode(text).keys() - self._signature.keys())
        except ValueError as error:
            raise ToolError(f"the arguments are wrong: {error}", tool=self.name, arguments=text) from error
        if unknown:
            known = f"it has {', '.join(self._signature)}" if self._signature else "it has none"
            wrong = f"the arguments are wrong: no parameter {unknown[0]!r}; {known}"
            raise ToolError(wrong, tool=self.name, arguments=text)
        # A model of pydantic's stands for them where a parameter is one.
        return (
            cast("dict[str, Any]", found)
            if isinstance(found, dict)
            else {name: getattr(found, name) for name in found.model_fields_set}
        )

    @cached_property
    def _read(self) -> Callable[[str], Any]:
        return reader_of(self._parameters)

    @cached_property
    def _signature(self) -> Mapping[str, inspect.Parameter]:
        return inspect.signature(self.function).parameters

    @cached_property
    def _parameters(self) -> Any:
        """The parameters as a type: what the model leaves out is left to the function's own defaults."""
        try:
            hints = get_type_hints(self._inner, include_extras=True)
        except (NameError, TypeError) as error:
            raise ValidationError(f"the types of {self.name} cannot be read: {error}") from error
        fields: dict[str, Any] = {}
        for name, parameter in self._signature.items():
            if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD, parameter.POSITIONAL_ONLY):
                raise ValidationError(f"{self.name}: the parameter {name} cannot be filled by name")
            if name not in hints:
                raise ValidationError(f"{self.name}: the parameter {name} has no type")
            fields[name] = hints[name]
        optional = {name for name in fields if self._signature[name].default is not inspect.Parameter.empty}
        return record(self.name, fields, optional)


@overload
def tool(function: Callable[P, R], /) -> Tool[P, R]: ...
@overload
def tool(
    *, name: str | None = None, description: str | None = None, strict: bool = False
) -> Callable[[Callable[P, R]], Tool[P, R]]: ...
def tool(
    function: Callable[P, R] | None = None,
    /,
    *,
    name: str | None = None,
    description: str | None = None,
    strict: bool = False,
) -> Tool[P, R] | Callable[[Callable[P, R]], Tool[P, R]]:
    """Make a tool of a function, async or not.

    The schema comes of the types of its parameters: what msgspec knows, with `Literal` and `Annotated[..., Meta(...)]`.
    Its description, and those of the parameters, come of the docstring: of a docstring in any usual style when
    `docstring_parser` is installed, otherwise of its first paragraph alone.

    Args:
        name: up to 64 letters, digits, _ and -; the function's own when not given.
        description: in place of the docstring's.
        strict: hold the model to the schema, where the platform can. Every parameter is required of it then.

    Raises:
        ValidationError: the name cannot be one.

    Example:
        @tool
        async def weather(city: str, unit: Literal["C", "F"] = "C") -> dict[str, float]:
            '''Tell the weather of a city.'''
            return {"temperature": 21.5}

        run = await novita.chat.completions.run_tools(model=model, messages=messages, tools=[weather])
    """
    if function is None:
        return lambda function: Tool(function, name=name, description=description, strict=strict)
    return Tool(function)


def definitions(tools: Sequence[Tool[..., Any] | Callable[..., Any] | Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """The `tools` of a request, of tools, functions and definitions that were written by hand.

    Raises:
        ValidationError: a name cannot be one, or is there twice; a schema is none.
    """
    found: list[Mapping[str, Any]] = []
    names: set[str] = set()
    for number, each in enumerate(listed(tools)):
        definition = cast("Mapping[str, Any]", each if isinstance(each, Mapping) else as_tool(each).definition)
        function = definition.get("function")
        where = f"tools[{number}]"
        if not isinstance(function, Mapping):
            raise ValidationError(f"{where} has no function: the platform knows no other kind of tool")
        name = _check_name(cast("Mapping[str, Any]", function).get("name"), where)
        if name in names:
            raise ValidationError(f"{where}: there is another tool named {name!r}")
        names.add(name)
        parameters = cast("Mapping[str, Any]", function).get("parameters")
        if parameters is not None and not isinstance(parameters, Mapping):
            raise ValidationError(f"{where}: parameters must be a JSON Schema, got {type(parameters).__name__}")
        try:
            encode(parameters)
        except (TypeError, ValueError) as error:
            raise ValidationError(f"{where}: the schema of {name} is not JSON: {error}") from error
        found.append(definition)
    return found


def listed(tools: Sequence[T]) -> Sequence[T]:
    """The tools, or the refusal of what is no list of them."""
    given = cast("object", tools)
    if not isinstance(given, Sequence) or isinstance(given, str):
        raise ValidationError(f"tools must be a list, got {type(given).__name__}")
    return tools


def as_tool(function: Any) -> Tool[..., Any]:
    """The tool of a function that may be one already."""
    return cast("Tool[..., Any]", function) if isinstance(function, Tool) else Tool(function)


def _check_name(name: object, where: str) -> str:
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise ValidationError(f"{where}: {name!r} names no tool: a name has up to 64 letters, digits, _ and -")
    return name


def _inner(function: Any) -> Any:
    """What has the types and the name: the function of a partial, the `__call__` of an object."""
    while isinstance(function, functools.partial):
        function = cast("functools.partial[Any]", function).func
    return function if inspect.isroutine(function) else type(function).__call__


def _docstring(function: Any) -> tuple[str, dict[str, str]]:
    """The description of a function, and those of its parameters."""
    while isinstance(function, functools.partial):
        function = cast("functools.partial[Any]", function).func
    doc = inspect.getdoc(function) or ""
    try:
        import docstring_parser
    except ImportError:
        return doc.partition("\n\n")[0], {}
    try:
        parsed = docstring_parser.parse(doc)
    except docstring_parser.ParseError:
        return doc.partition("\n\n")[0], {}
    parts = [part.strip() for part in (parsed.short_description, parsed.long_description) if part]
    told = {each.arg_name: " ".join((each.description or "").split()) for each in parsed.params}
    return "\n\n".join(parts), {name: text for name, text in told.items() if text}
