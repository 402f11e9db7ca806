"""A client under other settings: what `with_options` gives."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

from .client import AsyncNovita

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .config import Settings
    from .llm.models import Models
    from .runtime.budget import Budget
    from .runtime.call import Runtime
    from .runtime.tasks import TaskSet

__all__ = ["View"]


class View(AsyncNovita):
    """What `with_options` gives: another client's everything, under settings of its own."""

    def __init__(
        self, parent: AsyncNovita, settings: Settings, headers: Mapping[str, str], budget: Budget | None
    ) -> None:
        self._parent = parent
        self.settings = settings
        self._view = parent._core().view(settings, headers)
        self._hold_to(budget)

    @property
    def tasks(self) -> TaskSet:
        return self._parent.tasks

    @cached_property
    def models(self) -> Models:
        return self._parent.models.under(self._view)

    def stats(self) -> dict[str, int]:
        return self._parent.stats()

    async def aclose(self) -> None:
        await self._parent.aclose()

    def _core(self) -> Runtime:
        return self._view

    def __repr__(self) -> str:
        return f"<a view of {self._parent!r}>"

    def __del__(self, _warn: Any = None) -> None:
        """Nothing is its own."""
