"""`run_tools`: ask, run what the model calls, answer it, ask again, until it stops calling (contract/llm.md 6, 7)."""

from __future__ import annotations

import asyncio
import inspect
from typing import TYPE_CHECKING, Any

import msgspec

from ..errors import ToolError, TooManyTurns, ValidationError
from ..runtime.gather import gather
from ..transport.protocol import being_cancelled
from ..wire.json import encode
from .tools import as_tool, listed
from .types import ChatCompletion, MessageParam

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence

    from ..runtime.clock import Clock
    from .tools import Tool
    from .types import ToolCall

__all__ = ["ToolLoop", "ToolRun"]


class ToolRun(msgspec.Struct, frozen=True):
    """What came of `run_tools`.

    Attributes:
        completion: the last answer, which calls no tool.
        messages: the whole conversation: those that were given, the answers as they came, what the tools answered.
        turns: how often the model was asked.
    """

    completion: ChatCompletion
    messages: list[MessageParam]
    turns: int


class ToolLoop:
    """One run. Its arguments are those of `Completions.run_tools`.

    Attributes:
        messages: the conversation as far as it has come.
    """

    def __init__(
        self,
        tools: Sequence[Tool[..., Any] | Callable[..., Any]],
        *,
        max_turns: int,
        parallel: int,
        on_tool_error: str,
        clock: Clock,
    ) -> None:
        for name, number in (("max_turns", max_turns), ("parallel", parallel)):
            if not isinstance(number, int) or number < 1:  # pyright: ignore[reportUnnecessaryIsInstance] - types are not looked at when it runs
                raise ValidationError(f"{name} must be a whole number from 1 on, got {number!r}")
        if on_tool_error not in ("return", "raise"):
            raise ValidationError(f"on_tool_error must be 'return' or 'raise', got {on_tool_error!r}")
        self.tools = [as_tool(each) for each in listed(tools)]
        self.messages: list[MessageParam] = []
        self._by_name = {tool.name: tool for tool in self.tools}
        self._max_turns = max_turns
        self._parallel = parallel
        self._raises = on_tool_error == "raise"
        self._clock = clock

    async def run(
        self, messages: Sequence[MessageParam], ask: Callable[[list[MessageParam], int], Awaitable[ChatCompletion]]
    ) -> ToolRun:
        """Run to the end. `ask` gets the conversation and the number of the turn, from 1."""
        said = self.messages = list(messages)
        turn = 0
        while True:
            turn += 1
            completion = await ask(said, turn)
            if completion.choices:
                # As it came, with what the types do not know: models that think between calls need all of it.
                said.append(completion.raw["choices"][0]["message"])
            calls = (completion.choices[0].message.tool_calls or []) if completion.choices else []
            if not calls:
                return ToolRun(completion, said, turn)
            answers = await gather((self._answer(call) for call in calls), limit=self._parallel)
            said += [
                {"role": "tool", "tool_call_id": call.id, "content": answer}
                for call, answer in zip(calls, answers, strict=True)
            ]
            if turn == self._max_turns:
                raise TooManyTurns(turn, messages=said, completion=completion)

    async def _answer(self, call: ToolCall) -> str:
        """What a tool has to say to the model, be it that it failed."""
        try:
            return await self._run(call.function.name, call.function.arguments)
        except ToolError as error:
            if self._raises:
                raise
            return encode({"error": error.reason}).decode()

    async def _run(self, name: str, text: str) -> str:
        tool = self._by_name.get(name)
        if tool is None:
            there = f"there are {', '.join(self._by_name)}" if self._by_name else "there is none"
            raise ToolError(f"there is no such tool; {there}", tool=name, arguments=text)
        arguments = tool.arguments(text)
        function: Callable[..., Any] = tool.function
        try:
            if tool.is_async:
                result = await function(**arguments)
            else:
                result = await self._clock.to_thread(lambda: function(**arguments))
                if inspect.isawaitable(result):
                    result = await result
            return _content(result)
        except asyncio.CancelledError as error:
            if being_cancelled():
                raise
            raise ToolError("it was cancelled", tool=name, arguments=text) from error
        except Exception as error:
            raise ToolError(f"{type(error).__name__}: {error}", tool=name, arguments=text) from error


def _content(result: Any) -> str:
    """What a tool gave, for the model: text as it is, anything else as JSON."""
    return result if isinstance(result, str) else msgspec.json.encode(result, enc_hook=_pydantic).decode()


def _pydantic(value: Any) -> Any:
    dump: Callable[..., Mapping[str, Any]] | None = getattr(value, "model_dump", None)
    if dump is None:
        raise TypeError(f"a tool gave a {type(value).__name__}, which cannot be written as JSON")
    return dump(mode="json")
