"""Text completions: prompts of text or tokens, continued (contract/llm.md 11)."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Annotated, Any, cast

import msgspec
from msgspec import Meta

from . import words
from .answers import likely, stopped
from .backend import Backend, Prompt, event, event_stream, find, read
from .catalog import Model
from .chat import Options
from .router import Call, json_reply

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from ..transport.protocol import Reply

__all__ = ["Completions"]


class _Request(Options, kw_only=True):
    prompt: str | list[str | int | list[int]]
    logprobs: Annotated[int, Meta(ge=0, le=5)] | None = None
    best_of: Annotated[int, Meta(ge=1)] | None = None

    def check(self) -> None:
        super().check()
        if not isinstance(self.prompt, str) and len({type(each) for each in self.prompt}) != 1:
            raise ValueError("prompt is a string, or a list of strings, of tokens, or of lists of tokens")
        if self.best_of is not None and self.best_of > 1 and self.stream:
            raise ValueError("best_of cannot be used with stream")
        if self.best_of is not None and self.best_of <= (self.n or 1) and (self.best_of, self.n or 1) != (1, 1):
            raise ValueError(f"best_of ({self.best_of}) must be greater than n ({self.n or 1})")

    def prompts(self) -> list[str | list[int]]:
        """Each text that is to be continued."""
        if isinstance(self.prompt, str):
            return [self.prompt]
        if isinstance(self.prompt[0], int):
            return [cast("list[int]", self.prompt)]
        return cast("list[str | list[int]]", self.prompt)


class _Continuation(msgspec.Struct):
    """One way to go on: its tokens, why it ends, and what else each token might have been."""

    tokens: list[str]
    finish: str
    likely: list[list[tuple[str, float]]]

    @property
    def score(self) -> float:
        """How likely the whole is, by the token."""
        return sum(row[0][1] for row in self.likely) / max(len(self.likely), 1)

    def part(self, index: int, start: int, tokens: int, offset: int, count: int | None) -> dict[str, Any]:
        """A choice with some of the tokens, the first of which is `offset` characters into the text."""
        shown = self.tokens[start : start + tokens]
        part: dict[str, Any] = {"index": index, "text": "".join(shown), "finish_reason": None, "logprobs": None}
        if count is not None:
            rows = self.likely[start : start + tokens]
            part["logprobs"] = {
                "tokens": shown,
                "token_logprobs": [row[0][1] for row in rows],
                "top_logprobs": [dict(row) for row in rows],
                "text_offset": list(itertools.accumulate(map(len, shown[:-1]), initial=offset)) if shown else [],
            }
        return part

    def whole(self, index: int, count: int | None) -> dict[str, Any]:
        return {**self.part(index, 0, len(self.tokens), 0, count), "finish_reason": self.finish}

    def parts(self, index: int, count: int | None) -> Iterator[dict[str, Any]]:
        """One a token."""
        offset = 0
        for start, token in enumerate(self.tokens):
            yield self.part(index, start, 1, offset, count)
            offset += len(token)


class _Continued(msgspec.Struct):
    """A request that has its answer: the tokens of all its prompts, and how many of all its candidates."""

    request: _Request
    model: Model
    prompt: list[str]
    size: int
    found: list[_Continuation]


class Completions:
    """The endpoint `/completions`."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend

    async def reply(self, call: Call) -> Reply:
        """Answer a call, whole or with a stream."""
        answer = self._continue(read(_Request, await call.body()))
        self._backend.admit(answer.model.id, len(answer.prompt) + answer.size)
        return event_stream(self._stream(answer)) if answer.request.stream else json_reply(self._whole(answer))

    def answer(self, body: dict[str, Any]) -> dict[str, Any]:
        """Answer a request that is not streamed, whatever it says."""
        return self._whole(self._continue(read(_Request, body)))

    def _continue(self, request: _Request) -> _Continued:
        model = find(request.model, "completions")
        prompts = request.prompts()
        found: list[_Continuation] = []
        size, tokens = 0, list[str]()
        for prompt in prompts:
            read_tokens = words.tokens(prompt) if isinstance(prompt, str) else [f"<{token}>" for token in prompt]
            request.check_size(model, len(read_tokens) + (request.max_tokens or 0))
            tokens += read_tokens
            candidates = [
                self._continuation(request, model, prompt, number)
                for number in range(request.best_of or request.n or 1)
            ]
            size += sum(len(candidate.tokens) for candidate in candidates)
            if request.best_of is not None:
                candidates = sorted(candidates, key=lambda candidate: -candidate.score)[: request.n or 1]
            found += candidates
        return _Continued(request, model, tokens, size, found)

    def _usage(self, answer: _Continued) -> dict[str, Any]:
        return self._backend.usage(answer.model, Prompt(answer.prompt), answer.size)

    def _continuation(self, request: _Request, model: Model, prompt: str | list[int], number: int) -> _Continuation:
        dice = self._backend.dice("completions", request.seed, request.model, prompt, number)
        # Tokens are numbers of a vocabulary that the simulator has not: what they say is not known, only how many.
        text = words.answer(prompt if isinstance(prompt, str) else "", dice)
        tokens, _ = stopped(words.tokens(f" {text}"), request.stop)
        limit = min(request.max_tokens or model.output, model.output)
        finish = "length" if len(tokens) > limit else "stop"
        tokens = tokens[:limit]
        scored = request.logprobs is not None or request.best_of is not None
        rows = [likely(token, dice, request.logprobs or 0) for token in tokens] if scored else []
        return _Continuation(tokens, finish, rows)

    def _whole(self, answer: _Continued) -> dict[str, Any]:
        choices = [each.whole(index, answer.request.logprobs) for index, each in enumerate(answer.found)]
        return {**self._backend.head(answer.model, "text_completion"), "choices": choices, "usage": self._usage(answer)}

    async def _stream(self, answer: _Continued) -> AsyncIterator[bytes]:
        """Send one chunk a token, the choices in turn; usage comes in a chunk of its own or on the last, as asked."""
        head = self._backend.head(answer.model, "text_completion")
        wanted = answer.request.wants_usage
        head |= {"usage": None} if wanted else {}
        rows = (each.parts(index, answer.request.logprobs) for index, each in enumerate(answer.found))
        for row in itertools.zip_longest(*rows):
            for part in row:
                if part is not None:
                    yield event({**head, "choices": [part]})
                    await self._backend.pause()
        for index, each in enumerate(answer.found):
            last = {"index": index, "text": "", "finish_reason": each.finish, "logprobs": None}
            usage = {"usage": self._usage(answer)} if not wanted and index == len(answer.found) - 1 else {}
            yield event({**head, "choices": [last], **usage})
        if wanted:
            yield event({**head, "choices": [], "usage": self._usage(answer)})
        yield b"data: [DONE]\n\n"
