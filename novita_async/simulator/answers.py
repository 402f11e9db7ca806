"""From a chat request to the tokens of its answer, and from tokens to messages and deltas."""

from __future__ import annotations

import array
import base64
import io
import itertools
import math
import re
import wave
from random import Random
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from . import words
from .chat import NamedChoice
from .schemas import Unsupported, fit

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .catalog import Model
    from .chat import ChatRequest, Function

__all__ = ["Choice", "Piece", "choose", "likely", "stopped"]

_PARTS = re.compile(r"[A-Z]?[^\W_A-Z]+|[A-Z]+")
_VERBS = frozenset(
    {"calculate", "check", "current", "fetch", "find", "get", "list", "look", "lookup", "read", "search", "show", "up"}
)
_RATE = 8000  # samples a second of a spoken answer
_OTHERS = (
    " the", " a", " and", " of", " to", " in", " it", " is", " that", " for", " on", " with", " as", " so", " but",
    " at", " by", " or", " not", " we", " you", " they",
)  # fmt: skip


class Piece(msgspec.Struct, frozen=True):
    """A token and where it goes. `call` numbers the tool call that an arguments token belongs to."""

    kind: Literal["reasoning", "content", "arguments"]
    text: str
    call: int = 0


class Choice(msgspec.Struct):
    """One answer, as tokens.

    Attributes:
        pieces: its tokens, in order.
        finish: why it ended: "stop", "length" or "tool_calls".
        calls: id and name of each tool call; their arguments are pieces.
        details: whether reasoning comes as `reasoning_details` too.
        stopped: the stop sequence that ended it.
        likely: of each content token, the logprobs; None when they were not asked for.
        audio: the answer as it is spoken; None when that was not asked for.
    """

    pieces: list[Piece]
    finish: str
    calls: list[tuple[str, str]] = []
    details: bool = False
    stopped: str | None = None
    likely: list[dict[str, Any]] | None = None
    audio: dict[str, Any] | None = None

    @property
    def size(self) -> int:
        return len(self.pieces)

    @property
    def reasoning_size(self) -> int:
        return sum(piece.kind == "reasoning" for piece in self.pieces)

    def joined(self, kind: str, call: int = 0) -> str:
        """The text of one kind."""
        return "".join(piece.text for piece in self.pieces if piece.kind == kind and piece.call == call)

    def blocks(self) -> Iterator[tuple[str, int, list[str]]]:
        """Its tokens as runs of one kind: the kind, the number of the tool call, the texts."""
        for (kind, call), pieces in itertools.groupby(self.pieces, lambda piece: (piece.kind, piece.call)):
            yield kind, call, [piece.text for piece in pieces]

    def message(self) -> dict[str, Any]:
        """The message of a whole answer."""
        content, reasoning = self.joined("content"), self.joined("reasoning")
        message: dict[str, Any] = {"role": "assistant", "content": content or (None if self.calls else "")}
        if reasoning:
            message |= self._reasoning(reasoning)
        if self.calls:
            message["tool_calls"] = [
                {"index": index, **_tool_call(identifier, name, self.joined("arguments", index))}
                for index, (identifier, name) in enumerate(self.calls)
            ]
        if self.audio is not None:
            message["audio"] = self.audio
        return message

    def whole(self, index: int) -> dict[str, Any]:
        """The choice of a whole answer."""
        logprobs = None if self.likely is None else {"content": self.likely}
        return {"index": index, "message": self.message(), "finish_reason": self.finish, "logprobs": logprobs}

    def parts(self, index: int) -> Iterator[dict[str, Any]]:
        """The choices of a stream but the last: one a token, each tool call opened with its id and name."""
        first: dict[str, Any] = {"role": "assistant"}
        opened = shown = 0
        for piece in self.pieces:
            part: dict[str, Any] = {"index": index, "delta": {}, "finish_reason": None}
            if piece.kind == "arguments":
                while opened <= piece.call:
                    identifier, name = self.calls[opened]
                    call = {"index": opened, **_tool_call(identifier, name, "")}
                    yield {**part, "delta": {**first, "tool_calls": [call]}}
                    first, opened = {}, opened + 1
                part["delta"] = {"tool_calls": [{"index": piece.call, "function": {"arguments": piece.text}}]}
            elif piece.kind == "reasoning":
                part["delta"] = {**first, "content": None, **self._reasoning(piece.text)}
            else:
                part["delta"] = {**first, "content": piece.text}
                if self.likely is not None:
                    part["logprobs"] = {"content": [self.likely[shown]]}
                    shown += 1
            yield part
            first = {}
        if self.audio is not None:
            yield {"index": index, "delta": {**first, "audio": self.audio}, "finish_reason": None}

    def last(self, index: int) -> dict[str, Any]:
        """The choice that ends it in a stream."""
        return {"index": index, "delta": {}, "finish_reason": self.finish}

    def _reasoning(self, text: str) -> dict[str, Any]:
        if not self.details:
            return {"reasoning_content": text}
        detail = {"type": "reasoning.text", "text": text, "id": "reasoning-text-1", "format": "openai-responses-v1"}
        return {"reasoning_content": text, "reasoning_details": [{**detail, "index": 0}]}


def _tool_call(identifier: str, name: str, arguments: str) -> dict[str, Any]:
    return {"id": identifier, "type": "function", "function": {"name": name, "arguments": arguments}}


def choose(request: ChatRequest, model: Model, dice: Random, *, keep_stop: bool = True) -> Choice:
    """Make one answer to a request.

    Args:
        request: what was asked.
        model: who is asked.
        dice: decide what the request leaves open.
        keep_stop: leave the stop sequence in the text, as the OpenAI surface does.

    Raises:
        Unsupported: the schema of a strict structured output, or of a strict tool, cannot be met.
    """
    wanted = _wanted(request)
    answer = _called(request, wanted, dice) if wanted else _spoken(request, model, dice, keep_stop=keep_stop)
    if request.thinks(model):
        thought = words.thought(request.prompt, dice, effort=request.reasoning_effort or "")
        separate = model.separates if request.separate_reasoning is None else request.separate_reasoning
        text, kind = (thought, "reasoning") if separate else (f"<think>\n{thought}\n</think>\n\n", "content")
        answer.pieces[:0] = [Piece(kind, token) for token in words.tokens(text)]
    limit = min(request.max_tokens or model.output, model.output)
    if answer.size > limit:
        answer.pieces, answer.finish, answer.stopped = answer.pieces[:limit], "length", None
        # A call that was cut before its first argument was never made.
        kept = max((piece.call + 1 for piece in answer.pieces if piece.kind == "arguments"), default=0)
        answer.calls = answer.calls[:kept]
    answer.details = bool(request.reasoning_split)
    content = [piece.text for piece in answer.pieces if piece.kind == "content"]
    if request.logprobs:
        count = request.top_logprobs or 0
        answer.likely = [_shown(likely(token, dice, count), count) for token in content]
    if request.wants_audio and content:
        answer.audio = _audio("".join(content), dice)
    return answer


# -------------------------------------------------------------------------------------- tool calls


def _wanted(request: ChatRequest) -> list[Function]:
    """The functions to call now."""
    tools = [tool.function for tool in request.tools or ()]
    # After a tool has answered the model speaks, whatever `tool_choice` says: a loop over tools has to end.
    if not tools or request.tool_choice == "none" or request.messages[-1].role == "tool":
        return []
    if isinstance(request.tool_choice, NamedChoice):
        name = request.tool_choice.function.name
        return [function for function in tools if function.name == name]
    named = [function for function in tools if _is_named(function.name, request.prompt.lower())]
    wanted = named or (tools[:1] if request.tool_choice == "required" else [])
    return wanted[:1] if request.parallel_tool_calls is False else wanted


def _is_named(function: str, prompt: str) -> bool:
    """Whether a prompt names a function: as it is written, or by the words of its name beside the usual verbs."""
    spaced = " ".join(_PARTS.findall(function)).lower()
    if function.lower() in prompt or spaced in prompt:
        return True
    telling = set(spaced.split()) - _VERBS
    return bool(telling) and telling <= set(_PARTS.findall(prompt))


def _called(request: ChatRequest, wanted: list[Function], dice: Random) -> Choice:
    calls: list[tuple[str, str]] = []
    pieces: list[Piece] = []
    for index, function in enumerate(wanted):
        calls.append((f"call_{dice.getrandbits(64):016x}", function.name))
        schema = function.parameters or {"type": "object"}
        arguments = _fitting(schema, request.prompt, dice, strict=bool(function.strict))
        pieces += [Piece("arguments", token, index) for token in words.tokens(arguments)]
    return Choice(pieces, "tool_calls", calls)


def _fitting(schema: dict[str, Any], prompt: str, dice: Random, *, strict: bool) -> str:
    """JSON that fits a schema; an empty object when that cannot be and need not."""
    try:
        return msgspec.json.encode(fit(schema, prompt, dice)).decode()
    except Unsupported:
        if strict:
            raise
        return "{}"


# --------------------------------------------------------------------------------------------- text


def _spoken(request: ChatRequest, model: Model, dice: Random, *, keep_stop: bool) -> Choice:
    content = _content(request, dice)
    if model.grounds and "<|grounding|>" in request.prompt:
        content = words.grounded(content, dice)
    tokens, stop = stopped(words.tokens(content), request.stop, keep=keep_stop)
    return Choice([Piece("content", token) for token in tokens], "stop", stopped=stop)


def _content(request: ChatRequest, dice: Random) -> str:
    results = _tool_results(request)
    form = request.response_format
    if form is not None and form.json_schema is not None and form.json_schema.schema is not None:
        return _fitting(form.json_schema.schema, request.prompt, dice, strict=bool(form.json_schema.strict))
    text = words.tool_answer(results, dice) if results else words.answer(request.prompt, dice)
    if request.wants_json:
        return msgspec.json.encode({"answer": text, "subjects": words.subjects(request.prompt)[:4]}).decode()
    return text


def _tool_results(request: ChatRequest) -> list[tuple[str, str]]:
    """Name and text of what the tools answered since the user spoke last."""
    names = {call.id: call.function.name for message in request.messages for call in message.tool_calls or ()}
    found: list[tuple[str, str]] = []
    for message in reversed(request.messages):
        if message.role == "user":
            break
        if message.role == "tool":
            found.insert(0, (names.get(message.tool_call_id or "", "the tool"), message.text))
    return found


def stopped(tokens: list[str], stop: str | list[str] | None, *, keep: bool = True) -> tuple[list[str], str | None]:
    """End a text at its first stop sequence; return the tokens and that sequence.

    Args:
        tokens: of the text.
        stop: the sequences.
        keep: leave the sequence in the text, which is what the platform says of itself (contract/llm.md 5).
    """
    text = "".join(tokens)
    stops = [stop] if isinstance(stop, str) else stop or []
    ends = [(text.find(one), one) for one in stops if one and one in text]
    if not ends:
        return tokens, None
    start, first = min(ends, key=lambda end: (end[0] + len(end[1]), end[0]))
    return words.tokens(text[: start + len(first) if keep else start]), first


# ------------------------------------------------------------------------------- logprobs and sound


def likely(token: str, dice: Random, count: int) -> list[tuple[str, float]]:
    """The token and others that might have stood there, the likeliest first, with their log probabilities.

    The token itself always comes, and is the likeliest: so many tokens in all, or it alone.
    """
    # What the others are must not move the dice, or asking for more of them would change the first.
    own = Random(dice.getrandbits(32))
    share = own.uniform(0.5, 0.98)
    found = [(token, round(math.log(share), 6))]
    rest = 1 - share
    others = [other for other in _OTHERS if other != token]
    first = own.randrange(len(others))
    for number in range(count - 1):
        share = rest * own.uniform(0.5, 0.7)
        rest -= share
        found.append((others[(first + number) % len(others)], round(math.log(share), 6)))
    return found


def _shown(found: list[tuple[str, float]], count: int) -> dict[str, Any]:
    """A token's logprobs as chat answers have them, with so many of the likeliest."""
    entries = [
        {"token": token, "logprob": logprob, "bytes": list(token.encode(errors="surrogatepass"))}
        for token, logprob in found
    ]
    return {**entries[0], "top_logprobs": entries[:count]}


def _audio(transcript: str, dice: Random) -> dict[str, Any]:
    """A spoken answer in OpenAI's shape, as the platform documents none: a tone as long as a word or two."""
    seconds = min(1.0, 0.02 * len(transcript.split()))
    pitch = dice.choice((220, 262, 330))
    samples = array.array(
        "h", (int(8000 * math.sin(math.tau * pitch * number / _RATE)) for number in range(int(seconds * _RATE)))
    )
    target = io.BytesIO()
    with wave.open(target, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(_RATE)
        file.writeframes(samples.tobytes())
    data = base64.b64encode(target.getvalue()).decode()
    return {"id": f"audio_{dice.getrandbits(64):016x}", "data": data, "expires_at": 0, "transcript": transcript}
