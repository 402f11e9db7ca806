"""Calls of language models under a budget: what each can cost at most, and what it cost."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..errors import ValidationError
from ..runtime.budget import Held
from ..runtime.meter import Tokens, estimate
from .usage import dollars_for, find_model

if TYPE_CHECKING:
    from decimal import Decimal

    from ..runtime.budget import Budget
    from ..runtime.call import Call
    from .models import Model, Models

__all__ = ["Meter"]

_NOTHING_BACK = ("/embeddings", "/rerank")


class Meter:
    """Holds the calls of a client to a budget; what `runtime.meter` wants.

    Args:
        budget: the budget.
        models: where prices are looked up.
    """

    def __init__(self, budget: Budget, models: Models) -> None:
        self.budget = budget
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
            if self.budget.refuses_unknown:
                raise ValidationError(
                    f"what {name} can cost is not known, and there is a budget: give max_tokens if the listing has its "
                    "prices, or allow such calls with Budget(unknown='allow')"
                )
            return None
        return _Hold(self.budget, model, most)


def _most(model: Model, call: Call) -> Decimal | None:
    """The most that a call can cost."""
    asked = estimate(call.body)
    longest = asked.longest or model.max_output_tokens or model.context_size
    if call.url.partition("?")[0].endswith(_NOTHING_BACK):
        longest = 0
    if longest is None:
        return None
    return dollars_for(model, Tokens(asked.prompt, asked.answers * longest))


class _Hold(Held):
    """What is set aside for one call of a model."""

    __slots__ = ("_model",)

    hint = "a smaller max_tokens needs less"

    def __init__(self, budget: Budget, model: Model, most: Decimal) -> None:
        super().__init__(budget, most)
        self._model = model

    def _cost(self, tokens: Tokens | None) -> Decimal | None:
        return None if tokens is None else dollars_for(self._model, tokens)
