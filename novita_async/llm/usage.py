"""`novita.usage`: the tokens that the calls of a client used, by model, and what they cost (contract/llm.md 10).

Counting costs a call next to nothing and asks for no price: those are looked up when `cost()` is.
"""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

import msgspec

from ..errors import NotFound, ValidationError
from ..runtime.meter import Tokens
from .types import Usage

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ..runtime.call import Runtime
    from .models import Model, Models

__all__ = ["Totals", "UsageCounter", "counts_of", "dollars_for", "find_model", "tokens_in", "tokens_of"]

_MILLION = 1_000_000
# Prompts are counted in classes of 64 tokens, because prices go by their size: no bracket of prices begins within one.
_CLASS = 6


class Totals(msgspec.Struct, kw_only=True, gc=False):
    """Requests that told their usage, and the sum of it. Cached tokens are prompt tokens too, and reasoning tokens
    completion tokens.
    """

    requests: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cached_tokens: int = 0
    reasoning_tokens: int = 0

    @property
    def total_tokens(self) -> int:
        """Prompt and completion tokens."""
        return self.prompt_tokens + self.completion_tokens


class UsageCounter:
    """What the calls of a client used: chat, completions, embeddings, rerank, messages and responses, whole or
    streamed, and the answers of `batches.run` when they are delivered, as far as they told. A stream tells when it was
    asked to (`stream_options`, which `.stream()` sets by itself) and read to its end.

    Example:
        print(novita.usage.total.total_tokens, "tokens,", await novita.usage.cost(), "dollars")
        for model, totals in novita.usage.by_model().items():
            print(model, totals.requests, totals.cached_tokens)
    """

    def __init__(self, runtime: Runtime, models: Models) -> None:
        self._counts = counts_of(runtime)
        self._models = models

    def __repr__(self) -> str:
        return f"<UsageCounter {self.total}>"

    @property
    def total(self) -> Totals:
        """All models together, up to now."""
        return _sum(row for rows in self._counts.rows.values() for row in rows.values())

    def of(self, model: str) -> Totals:
        """One model, up to now; zeros where it was not used."""
        return _sum(self._counts.rows.get(model, {}).values())

    def by_model(self) -> dict[str, Totals]:
        """Every model that was used, up to now."""
        return {model: _sum(rows.values()) for model, rows in self._counts.rows.items()}

    async def cost(self, model: str | None = None) -> Decimal:
        """What that cost in US dollars, by the prices in the listing of models, which is asked for if it is not kept.

        Args:
            model: of one model; of all when None.

        Raises:
            ValidationError: a model has no known price.
            APIError: the listing was refused.

        Contract: llm.md section 10.
        """
        cost = Decimal(0)
        counted = self._counts.rows
        for name in list(counted) if model is None else [model]:
            rows = [msgspec.structs.replace(row) for row in counted.get(name, {}).values()]
            found = await find_model(self._models, name) if rows else None
            for row in rows:
                price = None
                if found is not None:
                    tokens = Tokens(row.prompt_tokens, row.completion_tokens, row.cached_tokens)
                    price = dollars_for(found, tokens, of_each=row.prompt_tokens // row.requests)
                if price is None:
                    raise ValidationError(f"{name} has no known price: ask for the cost of the other models by name")
                cost += price
        return cost

    def reset(self) -> None:
        """Begin again at zero."""
        self._counts.rows.clear()


class Counts:
    """The counters of a client, shared by all its views.

    Attributes:
        rows: by model and class of the prompt's size.
    """

    __slots__ = ("rows",)

    def __init__(self) -> None:
        self.rows: dict[str, dict[int, Totals]] = {}

    def add(self, model: str, usage: object) -> None:
        """Count the usage of a call, in any shape that `tokens_of` reads; None for one that did not tell."""
        tokens = tokens_of(usage)
        if tokens is None:
            return
        rows = self.rows.get(model)
        if rows is None:
            rows = self.rows[model] = {}
        row = rows.get(tokens.prompt >> _CLASS)
        if row is None:
            row = rows[tokens.prompt >> _CLASS] = Totals()
        row.requests += 1
        row.prompt_tokens += tokens.prompt
        row.completion_tokens += tokens.completion
        if tokens.cached or tokens.reasoning:
            row.cached_tokens += tokens.cached
            row.reasoning_tokens += tokens.reasoning


def counts_of(runtime: Runtime) -> Counts:
    """The counters of a runtime's client."""
    return runtime.shared.setdefault("usage", Counts())


def _sum(rows: Iterable[Totals]) -> Totals:
    total = Totals()
    for row in rows:
        for name in Totals.__struct_fields__:
            setattr(total, name, getattr(total, name) + getattr(row, name))
    return total


# ------------------------------------------------------------------------------------ usage in any shape


class _InputDetails(msgspec.Struct):
    cached_tokens: int | None = None


class _OutputDetails(msgspec.Struct):
    reasoning_tokens: int | None = None


class _AnyUsage(msgspec.Struct):
    """The counters of every endpoint: those of `Usage`, of messages, and of responses."""

    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    total_tokens: int | None = None
    prompt_tokens_details: _InputDetails | None = None
    completion_tokens_details: _OutputDetails | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    cache_read_input_tokens: int | None = None
    cache_creation_input_tokens: int | None = None
    input_tokens_details: _InputDetails | None = None
    output_tokens_details: _OutputDetails | None = None


class _Told(msgspec.Struct):
    usage: _AnyUsage | None = None


def tokens_of(usage: object) -> Tokens | None:
    """The tokens in the usage of any endpoint, an object or a dict; None where nothing can be read in it."""
    if type(usage) is Usage:
        prompts = usage.prompt_tokens_details
        answers = usage.completion_tokens_details
        return Tokens(
            usage.prompt_tokens or usage.total_tokens - usage.completion_tokens,
            usage.completion_tokens,
            (prompts.cached_tokens or 0) if prompts is not None else 0,
            (answers.reasoning_tokens or 0) if answers is not None else 0,
        )
    if usage is None or isinstance(usage, Tokens):
        return usage
    try:
        return _read(msgspec.convert(usage, _AnyUsage, strict=False, from_attributes=True))
    except msgspec.ValidationError:
        return None


def tokens_in(body: bytes) -> Tokens | None:
    """The tokens that a whole answer tells of, without decoding the rest of it."""
    try:
        usage = msgspec.json.decode(body, type=_Told, strict=False).usage
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    return _read(usage) if usage is not None else None


def _read(usage: _AnyUsage) -> Tokens:
    # Messages count what the cache read and wrote beside their input tokens, all others within their prompt tokens.
    cache = usage.cache_read_input_tokens or 0
    beside = cache + (usage.cache_creation_input_tokens or 0) if usage.prompt_tokens is None else 0
    prompt = usage.prompt_tokens or (usage.input_tokens or 0) + beside
    completion = usage.completion_tokens or usage.output_tokens or 0
    prompts = usage.prompt_tokens_details or usage.input_tokens_details
    answers = usage.completion_tokens_details or usage.output_tokens_details
    return Tokens(
        prompt or max(0, (usage.total_tokens or 0) - completion),
        completion,
        (prompts.cached_tokens or 0) if prompts is not None else cache,
        (answers.reasoning_tokens or 0) if answers is not None else 0,
    )


# ------------------------------------------------------------------------------------------------ prices


async def find_model(models: Models, name: str) -> Model | None:
    """A model in the listing, None where it is not."""
    try:
        return await models.get(name)
    except NotFound:
        return None


def dollars_for(model: Model, tokens: Tokens, *, of_each: int | None = None) -> Decimal | None:
    """What tokens cost, those that came from the cache at its price where there is one; None where no price is known.

    Args:
        model: whose tokens.
        tokens: of one request, or the sum of several.
        of_each: the prompt of one of several requests.
    """
    price = model.price_at(tokens.prompt if of_each is None else of_each)
    cached = min(tokens.cached, tokens.prompt) if price.cache_read is not None else 0
    parts: list[tuple[int, Decimal | None]] = [
        (tokens.prompt - cached, price.input),
        (cached, price.cache_read),
        (tokens.completion, price.output),
    ]
    cost = Decimal(0)
    for count, each in parts:
        if count:
            if each is None:
                return None
            cost += count * each / _MILLION
    return cost
