"""A bound on what calls may cost: the most a call can cost is set aside before it is sent, and settled after."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Literal

from ..errors import BudgetExceeded, ConfigError, ValidationError
from ..runtime.meter import Tokens, estimate, unbilled
from .usage import dollars_for, find_model

if TYPE_CHECKING:
    from ..runtime.call import Call
    from .models import Model, Models

__all__ = ["Budget", "Meter"]

_NOTHING_BACK = ("/embeddings", "/rerank")


class Budget:
    """US dollars that calls of language models may cost together.

    Given to a client, or to `with_options` for some of its calls; whoever is given the same object shares it. Before a
    call is sent, the most that it can cost is set aside: an estimate of its prompt (a token for 4 bytes of its ASCII
    and for 2 others) and `max_tokens`, or the longest answer of the model, at the model's prices. A call that does not
    fit into what is left raises `BudgetExceeded` and is not sent. What it really used is booked when it is over; what
    the platform does not charge is set free. A call that was sent and did not tell what it used is booked as the most
    that it can cost: cancelled ones, those that timed out, streams that brought no usage.

    Batches and media tasks are not counted.

    Args:
        usd: the limit in US dollars, above 0. A float counts as it is written: 0.1 is ten cents.
        unknown: what becomes of a call whose most cannot be told, as its model has no known price: "refuse" raises
            a `ValidationError`, "allow" sends it and counts nothing.

    Raises:
        ConfigError: that is no limit.

    Example:
        budget = Budget("2.50")
        async with AsyncNovita(budget=budget) as novita:
            ...
        print(budget.spent, budget.left)

    Contract: llm.md sections 4 and 10.
    """

    def __init__(self, usd: Decimal | str | float, *, unknown: Literal["refuse", "allow"] = "refuse") -> None:
        try:
            limit = Decimal(str(usd))
        except InvalidOperation:
            limit = Decimal("NaN")
        if isinstance(usd, bool) or not limit.is_finite() or limit <= 0:
            raise ConfigError(f"a budget must be a number of US dollars above 0, got {usd!r}")
        if unknown not in ("refuse", "allow"):
            raise ConfigError(f"unknown must be 'refuse' or 'allow', got {unknown!r}")
        self._limit = limit
        self._spent = Decimal(0)
        self._reserved = Decimal(0)
        self._unknown = unknown

    def __repr__(self) -> str:
        return f"<Budget {self._limit:f} USD, {self._spent:f} spent, {self._reserved:f} reserved>"

    @property
    def limit(self) -> Decimal:
        """US dollars in all."""
        return self._limit

    @property
    def spent(self) -> Decimal:
        """US dollars that calls which are over have cost."""
        return self._spent

    @property
    def reserved(self) -> Decimal:
        """US dollars that are set aside for the calls under way."""
        return self._reserved

    @property
    def left(self) -> Decimal:
        """US dollars that are neither spent nor set aside; below 0 where calls used more than the most expected."""
        return self._limit - self._spent - self._reserved

    @property
    def refuses_unknown(self) -> bool:
        """Whether a call whose most cannot be told is refused."""
        return self._unknown == "refuse"

    def reserve(self, usd: Decimal) -> None:
        """Set aside.

        Raises:
            BudgetExceeded: so much is not left.
        """
        if usd > self.left:
            raise BudgetExceeded(
                f"this call may cost {usd:f} USD, and of the budget of {self._limit:f} USD {self._spent:f} are spent "
                f"and {self._reserved:f} set aside; a smaller max_tokens needs less",
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


class Meter:
    """Holds the calls of a client to a budget; what `runtime.meter` wants.

    Args:
        budget: the budget.
        models: where prices are looked up.
    """

    def __init__(self, budget: Budget, models: Models) -> None:
        self._budget = budget
        self._models = models
        self._unlisted: set[str] = set()

    async def hold(self, call: Call) -> _Hold | None:
        name = call.model
        model = None if name in self._unlisted else await find_model(self._models, name)
        most = None
        if model is None:
            self._unlisted.add(name)
        else:
            most = _most(model, call)
        if model is None or most is None:
            if self._budget.refuses_unknown:
                raise ValidationError(
                    f"what {name} can cost is not known, and there is a budget: give max_tokens if the listing has its "
                    "prices, or allow such calls with Budget(unknown='allow')"
                )
            return None
        self._budget.reserve(most)
        return _Hold(self._budget, model, most)


def _most(model: Model, call: Call) -> Decimal | None:
    """The most that a call can cost."""
    asked = estimate(call.body)
    longest = asked.longest or model.max_output_tokens or model.context_size
    if call.url.partition("?")[0].endswith(_NOTHING_BACK):
        longest = 0
    if longest is None:
        return None
    return dollars_for(model, Tokens(asked.prompt, asked.answers * longest))


class _Hold:
    """What is set aside for one call, until it is settled."""

    __slots__ = ("_at_risk", "_budget", "_held", "_model", "_most")

    def __init__(self, budget: Budget, model: Model, most: Decimal) -> None:
        self._budget = budget
        self._model = model
        self._most = most
        self._held = True
        self._at_risk = False

    def sending(self) -> None:
        if not self._held:  # settled by a stream that was closed while it was being repeated
            self._budget.book(-self._most, Decimal(0))
            self._held = True
        self._at_risk = True

    def failed(self, error: BaseException) -> None:
        if unbilled(error):
            self._at_risk = False
        self.settle(None)

    def renew(self) -> None:
        if not self._held:
            self._budget.reserve(self._most)
            self._held = True

    def settle(self, tokens: Tokens | None) -> None:
        if not self._held:
            return
        cost = None if tokens is None else dollars_for(self._model, tokens)
        if cost is None:
            cost = self._most if self._at_risk else Decimal(0)
        self._budget.book(self._most, cost)
        self._held = self._at_risk = False
