"""A bound on what things may cost: the most that each can cost is set aside before it is ordered, and settled after."""

from __future__ import annotations

import contextlib
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, ClassVar, Literal

from ..errors import BudgetExceeded, ConfigError, NovitaError, ValidationError
from .meter import unbilled
from .retry import never_started

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping

    from .call import Call
    from .meter import Meter, Tokens

__all__ = ["Budget", "Held", "hold_to_price", "priced"]


class Budget:
    """US dollars that calls of language models, media jobs and GPU sessions may cost together.

    Given to a client, or to `with_options` for some of its calls; whoever is given the same object shares it. Before
    something is sent, the most that it can cost is set aside; what does not fit into what is left raises
    `BudgetExceeded` and is not sent.

    - A call of a language model: an estimate of its prompt (a token for 4 bytes of its ASCII and for 2 others) and
      `max_tokens`, or the longest answer of the model, at the model's prices. What it really used is booked when it is
      over; what the platform does not charge is set free. A call that was sent and did not tell what it used is booked
      as the most that it can cost: cancelled ones, those that timed out, streams that brought no usage.
    - A media job: what `media_prices` says of its model, as the platform lists no prices of media models. It is booked
      as soon as the job was taken.
    - A GPU session: its instance's price an hour for its `lifetime`. What it took is booked at its end.

    Batches, training, instances that are made without a session, serverless endpoints, sandboxes and web search are
    not counted.

    Args:
        usd: the limit in US dollars, above 0. A float counts as it is written: 0.1 is ten cents.
        unknown: what becomes of something whose most cannot be told, as it has no known price: "refuse" raises
            a `ValidationError`, "allow" sends it and counts nothing.
        media_prices: US dollars that a job costs at most, by the model's id: from the price list of the platform.

    Raises:
        ConfigError: that is no limit, or no price.

    Example:
        budget = Budget("2.50", media_prices={"seedream-4.5": "0.04"})
        async with AsyncNovita(budget=budget) as novita:
            ...
        print(budget.spent, budget.left)

    Contract: llm.md sections 4 and 10; gpu.md section 4.
    """

    def __init__(
        self,
        usd: Decimal | str | float,
        *,
        unknown: Literal["refuse", "allow"] = "refuse",
        media_prices: Mapping[str, Decimal | str | float] | None = None,
    ) -> None:
        limit = _dollars(usd)
        if limit is None or limit <= 0:
            raise ConfigError(f"a budget must be a number of US dollars above 0, got {usd!r}")
        if unknown not in ("refuse", "allow"):
            raise ConfigError(f"unknown must be 'refuse' or 'allow', got {unknown!r}")
        self._limit = limit
        self._spent = Decimal(0)
        self._reserved = Decimal(0)
        self._unknown = unknown
        self._media: dict[str, Decimal] = {}
        for model, price in (media_prices or {}).items():
            dollars = _dollars(price)
            if dollars is None or dollars < 0:
                raise ConfigError(f"the price of {model} must be a number of US dollars, got {price!r}")
            self._media[model] = dollars

    def __repr__(self) -> str:
        return f"<Budget {self._limit:f} USD, {self._spent:f} spent, {self._reserved:f} reserved>"

    @property
    def limit(self) -> Decimal:
        """US dollars in all."""
        return self._limit

    @property
    def spent(self) -> Decimal:
        """US dollars that what is over has cost."""
        return self._spent

    @property
    def reserved(self) -> Decimal:
        """US dollars that are set aside for what is under way."""
        return self._reserved

    @property
    def left(self) -> Decimal:
        """US dollars that are neither spent nor set aside; below 0 where more was used than the most expected."""
        return self._limit - self._spent - self._reserved

    @property
    def refuses_unknown(self) -> bool:
        """Whether something whose most cannot be told is refused."""
        return self._unknown == "refuse"

    def media_price(self, model: str) -> Decimal | None:
        """US dollars that a job of a media model costs at most; None where that was not said."""
        return self._media.get(model)

    def reserve(self, usd: Decimal, *, hint: str = "") -> None:
        """Set aside.

        Args:
            usd: so much.
            hint: what would need less, for the error.

        Raises:
            BudgetExceeded: so much is not left.
        """
        if usd > self.left:
            raise BudgetExceeded(
                f"this may cost {usd:f} USD, and of the budget of {self._limit:f} USD {self._spent:f} are spent "
                f"and {self._reserved:f} set aside{f'; {hint}' if hint else ''}",
                limit=self._limit,
                spent=self._spent,
                reserved=self._reserved,
                needed=usd,
            )
        self._reserved += usd

    def book(self, reserved: Decimal, usd: Decimal) -> None:
        """Spend, in place of what was set aside."""
        self._reserved -= reserved
        self._spent += usd


def _dollars(value: Decimal | str | float) -> Decimal | None:
    try:
        found = Decimal(str(value))
    except InvalidOperation:
        return None
    return found if found.is_finite() and not isinstance(value, bool) else None


class Held:
    """What is set aside for one call, until it is settled: see `runtime.meter.Hold`. Here, that is its price.

    Args:
        budget: that it is set aside in.
        most: US dollars that the call can cost.

    Raises:
        BudgetExceeded: so much is not left.
    """

    __slots__ = ("_at_risk", "_budget", "_held", "_most")

    hint: ClassVar[str] = ""

    def __init__(self, budget: Budget, most: Decimal) -> None:
        budget.reserve(most, hint=self.hint)
        self._budget = budget
        self._most = most
        self._held = True
        self._at_risk = False

    def sending(self) -> None:
        if not self._held:  # settled by a stream that was closed while it was being repeated
            self._budget.book(-self._most, Decimal(0))
            self._held = True
        self._at_risk = True

    def failed(self, error: BaseException) -> None:
        if self._free(error):
            self._at_risk = False
        self.settle(None)

    def renew(self) -> None:
        if not self._held:
            self._budget.reserve(self._most, hint=self.hint)
            self._held = True

    def settle(self, tokens: Tokens | None) -> None:
        if not self._held:
            return
        cost = self._cost(tokens)
        if cost is None:
            cost = self._most if self._at_risk else Decimal(0)
        self._budget.book(self._most, cost)
        self._held = self._at_risk = False

    def _free(self, error: BaseException) -> bool:
        """Whether an attempt that ended so costs nothing for sure."""
        return unbilled(error)

    def _cost(self, tokens: Tokens | None) -> Decimal | None:
        """What so many tokens cost; None for the most, if the call was sent."""
        return None


class _Job(Held):
    """What is set aside for a submit: a job that the platform may have begun is paid for."""

    __slots__ = ()

    def _free(self, error: BaseException) -> bool:
        return isinstance(error, NovitaError) and never_started(error)


def hold_to_price(meter: Meter | None, call: Call) -> None:
    """Hold a call of a media model to the budget that there may be. Whoever makes it settles `call.hold` at its end.

    Raises:
        BudgetExceeded: its price does not fit.
        ValidationError: its price is not known, and such is refused.
    """
    if meter is None:
        return
    budget, name = meter.budget, call.model
    price = budget.media_price(name)
    if price is not None:
        call.hold = _Job(budget, price)
    elif budget.refuses_unknown:
        raise ValidationError(
            f"what {name} can cost is not known, and there is a budget: say it with Budget(media_prices={{{name!r}: "
            "...}), or allow such calls with Budget(unknown='allow')"
        )


@contextlib.contextmanager
def priced(meter: Meter | None, call: Call) -> Generator[None]:
    """`hold_to_price` for a block that makes the call to its end."""
    hold_to_price(meter, call)
    try:
        yield
    finally:
        if call.hold is not None:
            call.hold.settle(None)
