"""A clock of tests stands still while something real is waited for."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ...runtime.clock import Clock

__all__ = ["held"]


def held(clock: Clock) -> AbstractContextManager[Any]:
    """Keep a clock that jumps from jumping while a real process is waited for; a real clock has nothing to hold.

    A stream waits for its process as long as it is open, also for one that runs in the background: a test that wants
    time to pass meanwhile turns the clock by hand.
    """
    hold = getattr(clock, "hold", None)
    return hold() if hold is not None else nullcontext()
