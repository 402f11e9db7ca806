"""`novita.models`: what there is, what it can do and what it costs (contract/llm.md 10).

The listing is asked for once and kept for a while: whoever looks up a price or a limit pays no request for it.
"""

from __future__ import annotations

import asyncio
from decimal import Decimal, InvalidOperation
from functools import cached_property
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import msgspec

from ..errors import ValidationError
from ..wire.json import Object, decode, remember
from .endpoint import Endpoint, as_raw, raw_twin, require_model

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Coroutine, Generator, Iterator, Mapping

    from ..runtime.call import Answer, Runtime

__all__ = ["Listing", "Model", "ModelList", "Models", "Price", "PriceBucket", "Pricing", "PricingTier"]

_PER_UNIT = Decimal("0.0001")  # US dollars in one unit of the flat prices
_KNOWN = frozenset(
    (
        *("function-calling", "structured-outputs", "reasoning"),
        *("chat/completions", "completions", "anthropic", "batch-api", "responses"),
        *("text", "image", "audio", "video", "file"),
    )
)


class Price(msgspec.Struct, frozen=True, kw_only=True):
    """US dollars for a million tokens; None where the listing does not say.

    Attributes:
        input: tokens of the prompt.
        output: tokens of the answer, reasoning included.
        cache_read: tokens of the prompt that came from the cache.
        cache_write: tokens of the prompt that went into it.
    """

    input: Decimal | None = None
    output: Decimal | None = None
    cache_read: Decimal | None = None
    cache_write: Decimal | None = None


class PriceBucket(Object):
    """The price of one kind of tokens, twice: in units of 1/10000 USD, and in USD as decimal text."""

    price_per_m: int | float | str | None = None
    price_per_m_decimal: int | float | str | None = None

    @property
    def dollars(self) -> Decimal | None:
        """US dollars for a million tokens."""
        exact = _decimal(self.price_per_m_decimal)
        return exact if exact is not None else _from_units(self.price_per_m)


class Pricing(Object):
    """Prices by the kind of tokens."""

    prompt: PriceBucket | None = None
    completion: PriceBucket | None = None
    input_cache_read: PriceBucket | None = None
    input_cache_write: PriceBucket | None = None


class PricingTier(Object):
    """The prices of prompts from `min_tokens` on."""

    min_tokens: int = 0
    max_tokens: int | None = None
    pricing: Pricing | None = None


class Model(Object):
    """A language model of the catalogue. `created` is Unix seconds; the flat prices are in 1/10000 USD, see `price`.

    Attributes:
        context_size: window in tokens, prompt and answer together.
        max_output_tokens: the longest answer.
        features: such as function-calling, structured-outputs, reasoning.
        endpoints: what serves it, such as chat/completions, completions, anthropic, batch-api.
        input_modalities, output_modalities: such as text, image, audio, video.
    """

    id: str
    object: str = "model"
    created: int = 0
    owned_by: str = ""
    title: str = ""
    display_name: str | None = None
    description: str | None = None
    model_type: str | None = None
    context_size: int | None = None
    max_output_tokens: int | None = None
    features: list[str] | None = None
    endpoints: list[str] | None = None
    input_modalities: list[str] | None = None
    output_modalities: list[str] | None = None
    status: Any = None
    tags: list[Any] | None = None
    input_token_price_per_m: int | float | None = None
    output_token_price_per_m: int | float | None = None
    pricing: Pricing | None = None
    is_tiered_billing: bool | None = None
    tiered_billing_configs: list[PricingTier] | None = None

    def supports(self, name: str) -> bool:
        """Whether the model has a feature, is served by an endpoint, or takes or gives a modality.

        False also where the listing tells nothing of the kind.

        Raises:
            ValidationError: nobody has heard of this name: a slip of the pen would otherwise read as "no".

        Example:
            if model.supports("function-calling") and model.supports("image"):
                ...
        """
        lists = (self.features, self.endpoints, self.input_modalities, self.output_modalities)
        if any(name in each for each in lists if each):
            return True
        if name in _KNOWN:
            return False
        import difflib

        near = difflib.get_close_matches(name, _KNOWN, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"known are {', '.join(sorted(_KNOWN))}"
        raise ValidationError(f"{name!r} is no feature, endpoint or modality that is known; {hint}")

    @property
    def price(self) -> Price:
        """What tokens cost; where that depends on the prompt's size, of the smallest prompts."""
        return self.price_at(0)

    def price_at(self, prompt_tokens: int) -> Price:
        """What tokens cost in a request whose prompt has that many."""
        tiers = sorted(self.tiered_billing_configs or (), key=lambda tier: tier.min_tokens)
        if not tiers or self.is_tiered_billing is False:
            return self._price(self.pricing)
        # The first tier starts at 0 or 1: whatever lies below the second belongs to it.
        reached = [tier for tier in tiers if tier.min_tokens <= prompt_tokens]
        return self._price((reached[-1] if reached else tiers[0]).pricing)

    def _price(self, pricing: Pricing | None) -> Price:
        def dollars(name: str, units: float | None = None) -> Decimal | None:
            for each in (pricing, self.pricing):
                bucket: PriceBucket | None = getattr(each, name, None)
                if bucket is not None and (price := bucket.dollars) is not None:
                    return price
            # A model with tiers may say 0 here and mean that it depends.
            return None if self.is_tiered_billing and not units else _from_units(units)

        return Price(
            input=dollars("prompt", self.input_token_price_per_m),
            output=dollars("completion", self.output_token_price_per_m),
            cache_read=dollars("input_cache_read"),
            cache_write=dollars("input_cache_write"),
        )


class ModelList(Object):
    """All models at once: there are no pages."""

    data: list[Model]
    object: str = "list"

    def __iter__(self) -> Iterator[Model]:
        return iter(self.data)

    async def __aiter__(self) -> AsyncIterator[Model]:
        for model in self.data:
            yield model


class Listing:
    """What `models.list()` gives: `await` it for the whole, or iterate over its models with `async for`."""

    def __init__(self, make: Callable[[], Coroutine[Any, Any, ModelList]]) -> None:
        self._make = make

    def __await__(self) -> Generator[Any, None, ModelList]:
        return self._make().__await__()

    async def __aiter__(self) -> AsyncIterator[Model]:
        for model in (await self).data:
            yield model


class Models(Endpoint):
    """`novita.models`."""

    def __init__(self, runtime: Runtime) -> None:
        super().__init__(runtime)
        self._shelf = _Shelf()

    def under(self, runtime: Runtime) -> Models:
        """The same models under other settings: what is kept is shared."""
        other = Models(runtime)
        other._shelf = self._shelf
        return other

    @cached_property
    def with_raw_response(self) -> RawModels:
        """The same calls, giving a `RawResponse`, and each of them asking the platform."""
        return RawModels(self)

    def list(
        self,
        *,
        max_age: float = 300.0,
        extra_headers: Mapping[str, str] | None = None,
        extra_query: Mapping[str, Any] | None = None,
        timeout: float | None = None,
    ) -> Listing:
        """List the models.

        Args:
            max_age: seconds; a listing that is younger is given again, and callers at one time share one request.
                0 asks the platform. A call with headers or a query of its own always does, and is not kept.
            extra_headers: headers for this call.
            extra_query: query parameters for this call.
            timeout: the whole call in seconds.

        Returns:
            What gives the `ModelList` when awaited, and the models one by one to `async for`.

        Raises:
            APIError: the platform refused.

        Example:
            async for model in novita.models.list():
                print(model.id, model.price.input, model.price.output)

        Contract: llm.md section 10; GET /openai/v1/models.
        """
        _check_age(max_age)
        call = self._call("GET", "/models", extra_headers=extra_headers, extra_query=extra_query, timeout=timeout)
        if extra_headers or extra_query or self.gives_raw:
            return Listing(lambda: self._give(call, self._read_list))
        return Listing(lambda: self._kept(max_age, timeout))

    async def retrieve(
        self,
        model: str,
        *,
        extra_headers: Mapping[str, str] | None = None,
        extra_query: Mapping[str, Any] | None = None,
        timeout: float | None = None,
    ) -> Model:
        """Ask the platform about one model.

        Raises:
            NotFound: there is no such model.

        Contract: llm.md sections 1 and 10; GET /openai/v1/models/{model}.
        """
        path = f"/models/{_id_in_path(require_model(model))}"
        call = self._call("GET", path, extra_headers=extra_headers, extra_query=extra_query, timeout=timeout)
        return await self._fetch(call, Model)

    async def get(self, model: str, *, max_age: float = 300.0) -> Model:
        """One model out of the listing, which is asked for when there is none younger than `max_age` seconds.

        A model that is not in it is asked for by itself.

        Raises:
            NotFound: there is no such model.

        Example:
            model = await novita.models.get("deepseek/deepseek-v3.2")
            print(model.context_size, model.price_at(100_000).input)
        """
        require_model(model)
        for each in await self.list(max_age=max_age):
            if each.id == model:
                return each
        return await self.retrieve(model)

    def _read_list(self, answer: Answer) -> ModelList:
        rows = self._runtime.decode(answer, _Rows)
        decoder = self._runtime.decoders(Model)
        listing = ModelList(data=[decode(decoder, bytes(row)) for row in rows.data], object=rows.object)
        remember(listing, answer.body)
        return listing

    async def _kept(self, max_age: float, timeout: float | None) -> ModelList:
        runtime, shelf = self._runtime, self._shelf
        runtime.enter()
        if shelf.listing is None or runtime.clock.monotonic() - shelf.since >= max_age:
            async with self._within(timeout):
                await shelf.fill(self._ask)
        assert shelf.listing is not None
        # A list of its own for everyone: what a caller drops from it is not gone for the others.
        listing = ModelList(data=[*shelf.listing.data], object=shelf.listing.object)
        vars(listing).update(vars(shelf.listing))
        return listing

    async def _ask(self) -> None:
        since = self._runtime.clock.monotonic()
        self._shelf.listing = await self._give(self._call("GET", "/models"), self._read_list)
        self._shelf.since = since


class RawModels:
    """`novita.models.with_raw_response`."""

    def __init__(self, models: Models) -> None:
        twin = raw_twin(models)
        self.list = as_raw(twin.list)
        self.retrieve = as_raw(twin.retrieve)


class _Rows(Object):
    """A listing whose rows are decoded one by one, so that each knows its own JSON."""

    data: list[msgspec.Raw]
    object: str = "list"


class _Shelf:
    """The listing that is kept, and the one request for it that may be under way."""

    def __init__(self) -> None:
        self.listing: ModelList | None = None
        self.since = 0.0
        self._asking: asyncio.Task[None] | None = None
        self._waiting = 0

    async def fill(self, ask: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Ask, or wait for whoever asks already. The request ends with the last who waits for it."""
        if self._asking is None or self._asking.done():
            self._asking = asyncio.get_running_loop().create_task(ask())
            self._waiting = 0
        asking = self._asking
        self._waiting += 1
        try:
            await asyncio.shield(asking)
        finally:
            if asking is self._asking:
                self._waiting -= 1
                if not self._waiting and not asking.done():
                    asking.cancel()
                    self._asking = None


def _check_age(value: object) -> None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not value >= 0:
        raise ValidationError(f"max_age must be 0 or more seconds, got {value!r}")


def _id_in_path(model: str) -> str:
    """The slashes of an id stay as they are (contract/llm.md 1); anything else that a URL reads otherwise does not."""
    if any(part in ("", ".", "..") for part in model.split("/")):
        raise ValidationError(f"{model!r} cannot be the id of a model: it would be another path")
    return quote(model, safe="/:")


def _decimal(value: object) -> Decimal | None:
    """A number as it was written: a price that cannot be read is a price that is not known."""
    if value is None or isinstance(value, bool):
        return None
    try:
        number = Decimal(str(value))
    except InvalidOperation:
        return None
    return number if number.is_finite() else None


def _from_units(value: object) -> Decimal | None:
    number = _decimal(value)
    return None if number is None else number * _PER_UNIT
