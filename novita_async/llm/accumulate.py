"""Chunks in, a completion out. Pure: works on a live stream and on chunks that were stored."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .types import (
    ChatCompletion,
    Choice,
    Delta,
    FunctionCall,
    Logprobs,
    Message,
    ReasoningDetail,
    ToolCall,
)

if TYPE_CHECKING:
    from .types import ChatCompletionChunk, ChunkChoice, TokenLogprob, ToolCallDelta, Usage

__all__ = ["ChatAccumulator", "reasoning_text"]


def reasoning_text(delta: Delta) -> str:
    """The reasoning that a delta adds. It may come in both of its forms at once, with the same text: that is one."""
    if delta.reasoning_content:
        return delta.reasoning_content
    if delta.reasoning_details:
        return "".join(detail.text or "" for detail in delta.reasoning_details)
    return ""


class ChatAccumulator:
    """Puts chunks together again.

    Example:
        accumulator = ChatAccumulator()
        async for chunk in await novita.chat.completions.create(model=model, messages=messages, stream=True):
            accumulator.add(chunk)
        print(accumulator.completion.choices[0].message.content)
    """

    def __init__(self) -> None:
        self._first: ChatCompletionChunk | None = None
        self._choices: dict[int, _Choice] = {}
        self._usage: Usage | None = None

    def add(self, chunk: ChatCompletionChunk) -> None:
        """Take the next chunk."""
        if self._first is None:
            self._first = chunk
        if chunk.usage is not None:
            self._usage = chunk.usage  # it may come on any chunk, and the last one counts
        for part in chunk.choices:
            choice = self._choices.get(part.index)
            if choice is None:
                choice = self._choices[part.index] = _Choice(part.index)
            choice.add(part)

    @property
    def completion(self) -> ChatCompletion:
        """The completion as far as it has come. A copy: it does not change when more chunks are added."""
        first = self._first
        completion = ChatCompletion(choices=[self._choices[index].build() for index in sorted(self._choices)])
        if first is not None:
            completion.id, completion.created, completion.model = first.id, first.created, first.model
            completion.system_fingerprint = first.system_fingerprint
        completion.usage = self._usage
        return completion


class _Choice:
    def __init__(self, index: int) -> None:
        self.index = index
        self.role = "assistant"
        self.content: list[str] = []
        self.reasoning: list[str] = []
        self.details: list[ReasoningDetail] = []
        self.refusal: list[str] = []
        self.tools: dict[int, _Tool] = {}
        self.logprobs: list[TokenLogprob] = []
        self.finish_reason: str | None = None

    def add(self, part: ChunkChoice) -> None:
        delta = part.delta
        if delta.role:
            self.role = delta.role
        if delta.content:
            self.content.append(delta.content)
        if delta.refusal:
            self.refusal.append(delta.refusal)
        if text := reasoning_text(delta):
            self.reasoning.append(text)
        for detail in delta.reasoning_details or ():
            self._add_detail(detail)
        for call in delta.tool_calls or ():
            tool = self.tools.get(call.index)
            if tool is None:
                tool = self.tools[call.index] = _Tool()
            tool.add(call)
        if part.logprobs:
            self.logprobs += part.logprobs.content or []
        if part.finish_reason is not None:
            self.finish_reason = part.finish_reason

    def _add_detail(self, detail: ReasoningDetail) -> None:
        last = self.details[-1] if self.details else None
        if last is not None and last.index == detail.index and last.type == detail.type:
            last.text = (last.text or "") + (detail.text or "")
            last.id = last.id or detail.id
            last.format = last.format or detail.format
        else:
            self.details.append(
                ReasoningDetail(
                    type=detail.type, text=detail.text, id=detail.id, format=detail.format, index=detail.index
                )
            )

    def build(self) -> Choice:
        message = Message(
            role=self.role,
            content="".join(self.content) if self.content else None,
            reasoning_content="".join(self.reasoning) or None,
            reasoning_details=list(self.details) or None,
            tool_calls=[self.tools[index].build(index) for index in sorted(self.tools)] or None,
            refusal="".join(self.refusal) or None,
        )
        logprobs = Logprobs(content=list(self.logprobs)) if self.logprobs else None
        return Choice(index=self.index, message=message, finish_reason=self.finish_reason, logprobs=logprobs)


class _Tool:
    def __init__(self) -> None:
        self.id = ""
        self.name = ""
        self.type = "function"
        self.arguments: list[str] = []

    def add(self, call: ToolCallDelta) -> None:
        self.id = self.id or call.id or ""
        self.type = call.type or self.type
        if call.function is not None:
            # The name comes whole on the first fragment; servers exist that repeat it.
            self.name = self.name or call.function.name or ""
            if call.function.arguments:
                self.arguments.append(call.function.arguments)

    def build(self, index: int) -> ToolCall:
        function = FunctionCall(name=self.name, arguments="".join(self.arguments))
        return ToolCall(id=self.id, function=function, type=self.type, index=index)
