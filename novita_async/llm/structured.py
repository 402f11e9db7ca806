"""Structured output: a type goes with the question, a checked value of it comes back (contract/llm.md 7)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Generic, TypeVar, cast

from ..errors import AnswerCut, AnswerError, AnswerInvalid, AnswerRefused, ValidationError
from .partial_json import PartialJSON
from .schema import name_of, reader_of, schema_of, strict_schema, wrapped
from .stream import ChatStream
from .types import ChatCompletion, Choice, Message

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable
    from types import UnionType

    from ..runtime.call import Runtime
    from ..runtime.streams import EventStream
    from .types import ChatCompletionChunk

__all__ = ["ParsedChatCompletion", "ParsedChoice", "ParsedMessage", "ParsedStream", "Shape", "shape_of"]

T = TypeVar("T")

_SHAPES = 512  # types whose shape is kept
_FENCED = re.compile(r"\s*```\w*(.*)```\s*", re.DOTALL)


class ParsedMessage(Message, Generic[T], omit_defaults=True):
    """A `Message` whose content was read as a value. It may be put into the next request like any other."""

    @property
    def parsed(self) -> T | None:
        """The value; None when the model called tools instead."""
        return vars(self).get("_parsed")


class ParsedChoice(Choice, Generic[T]):
    """One of `n` answers."""

    message: ParsedMessage[T]  # pyright: ignore[reportIncompatibleVariableOverride] - as the `openai` package has it


class ParsedChatCompletion(ChatCompletion, Generic[T]):
    """A whole answer, with the value in `choices[0].message.parsed`."""

    choices: list[ParsedChoice[T]]  # pyright: ignore[reportIncompatibleVariableOverride] - as the `openai` package has it


class Shape(Generic[T]):
    """What a type is for structured output: the `response_format` that asks for it, and the reader of what comes.

    A type whose schema is no object, such as a list or a union, goes and comes inside an object with one `value`.

    Raises:
        ValidationError: the type has no JSON Schema.
    """

    def __init__(self, type_: type[T] | UnionType) -> None:
        schema = schema_of(type_)
        self.is_wrapped = schema.get("type") != "object"
        name = name_of(type_)
        root = wrapped(type_) if self.is_wrapped else type_
        if self.is_wrapped:
            schema = schema_of(root)
        strict = strict_schema(schema)
        self.response_format: dict[str, Any] = {
            "type": "json_schema",
            "json_schema": {
                "name": re.sub(r"\W+", "_", name, flags=re.ASCII).strip("_")[:64] or "answer",
                "schema": schema if strict is None else strict,
                "strict": strict is not None,
            },
        }
        self._read = reader_of(root)

    def read(self, choice: Choice, completion: ChatCompletion) -> T:
        """The value of an answer.

        Raises:
            AnswerError: there is none.
        """
        message = choice.message
        text = message.answer
        if message.refusal or choice.finish_reason == "content_filter":
            said = message.refusal or text
            what = "a filter stopped the answer" if not message.refusal else f"the model refused: {said}"
            raise AnswerRefused(what, text=said, completion=completion)
        if fenced := _FENCED.fullmatch(text):  # models without structured output in earnest like to do that
            text = fenced[1]
        try:
            value = self._read(text)
        except ValueError as error:
            if choice.finish_reason == "length":
                cut = "the answer was cut: max_tokens were used up before its end"
                raise AnswerCut(cut, text=text, completion=completion) from error
            reason = str(error) if text else "it is empty"
            raise AnswerInvalid(reason, text=text, completion=completion) from error
        return value.value if self.is_wrapped else value


def shape_of(runtime: Runtime, type_: type[T] | UnionType) -> Shape[T]:
    """The shape of a type, made once for a client.

    Raises:
        ValidationError: this is not a type, or one without JSON Schema.
    """
    given = cast("object", type_)
    if given is None or isinstance(given, (Mapping, str)):
        raise ValidationError(
            f"response_format must be a type here, got {given!r}; a schema of your own goes to create()"
        )
    shapes: dict[Any, Shape[Any]] = runtime.shared.setdefault("shapes", {})
    try:
        shape = shapes.get(type_)
    except TypeError:  # a part of it cannot be hashed
        return Shape(type_)
    if shape is None:
        shape = Shape(type_)
        if len(shapes) >= _SHAPES:  # types may be made at run time: the oldest shape is dropped
            del shapes[next(iter(shapes))]
        shapes[type_] = shape
    return shape


def read_all(completion: ParsedChatCompletion[T], shape: Shape[T]) -> ParsedChatCompletion[T]:
    """Read the value of each answer. The first one without a value is raised after all were read."""
    failure: AnswerError | None = None
    for choice in completion.choices:
        if choice.message.tool_calls:
            continue
        try:
            vars(choice.message)["_parsed"] = shape.read(choice, completion)
        except AnswerError as error:
            failure = failure or error
    if not completion.choices:
        failure = AnswerInvalid("there is none", text="", completion=completion)
    if failure is not None:
        raise failure
    return completion


class ParsedStream(ChatStream, Generic[T]):
    """A `ChatStream` whose answer is JSON: the value as it grows, and at its end the checked one.

    Example:
        async with novita.chat.completions.stream(model=model, messages=messages, response_format=Recipe) as stream:
            async for partial in stream.partials():
                print(partial.get("title", ""))
            recipe = await stream.parsed()
    """

    def __init__(self, open_stream: Callable[[], Awaitable[EventStream[ChatCompletionChunk]]], shape: Shape[T]) -> None:
        super().__init__(open_stream)
        self._shape = shape
        self._json = PartialJSON()
        self._grown = False

    @property
    def partial(self) -> Any:
        """The first answer's JSON as far as it has come: dicts, lists, and strings that still grow. None before its
        first bracket. It is not checked, and it is the same object all the time: copy what is to be kept."""
        value = self._json.value
        return cast("dict[str, Any]", value).get("value") if self._shape.is_wrapped and value is not None else value

    async def partials(self) -> AsyncIterator[Any]:
        """Iterate over `partial`, each time that it has changed."""
        async for _ in self:
            if self._grown:
                self._grown = False
                yield self.partial

    async def parsed(self) -> T:
        """Read to the end and return the first answer's value.

        Raises:
            AnswerRefused: the model refused, or a filter stopped it.
            AnswerCut: `max_tokens` were used up.
            AnswerInvalid: the answer does not validate, or the model called tools instead.
        """
        completion = await self.final()
        choice = next((choice for choice in completion.choices if choice.index == 0), None)
        if choice is None:
            raise AnswerInvalid("there is none", text="", completion=completion)
        if choice.message.tool_calls:
            raise AnswerInvalid("the model called tools instead", text="", completion=completion)
        return self._shape.read(choice, completion)

    def _content(self, choice: int, reasoning: str, answer: str) -> None:
        super()._content(choice, reasoning, answer)
        if answer and choice == 0 and self._json.feed(answer):
            self._grown = True
