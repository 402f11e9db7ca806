"""How much may be sent to one model in a minute: what the caller said, and what the platform's answers taught.

Requests count from the moment they are sent. Tokens count from the moment a call may go, as an estimate, until 60
seconds after its end, as the real number: whichever moment the platform counts at, no window of it has more.
"""

from __future__ import annotations

import re
from collections import deque
from typing import TYPE_CHECKING, TypeAlias

from ..config import TIERS
from .gate import Queue

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ..config import Limits
    from .clock import Clock, TimerHandle

__all__ = ["RateGate", "rates_of"]

_WINDOW = 60.0
# Our window and the server's do not begin at the same moment; a little later is never too early.
_SLACK = 0.05
_STEPS = 20  # in a second: what is remembered of a minute is bounded, whatever the rate
_GONE = -1  # the number of a step that is forgotten

#: No account may send less (contract/llm.md 4): what is refused below that is refused for somebody else's sending, and
#: teaches nothing.
_LOWEST_RPM, _LOWEST_TPM = 30, 10_000
_BELIEVED = 300.0  # seconds that a taught limit holds before it rises by a tenth a minute
_FORGOTTEN = 30  # minutes of rising after which it is none

_DURATION = re.compile(r"(?:([\d.]+)h)?(?:([\d.]+)m)?(?:([\d.]+)s)?(?:([\d.]+)ms)?")


def rates_of(limits: Limits, model: str) -> tuple[int | None, int | None]:
    """The requests and the tokens a minute that the settings allow a model; None for no limit."""
    rpm, tpm = limits.rpm_of(model), limits.tpm_of(model)
    if limits.tier is not None and "/" in model:  # as the ids of language models have, of which alone tiers speak
        from .tiers import RPM, TPM, USUAL_RPM  # a table that only those who name a tier should pay for

        tier = TIERS.index(limits.tier)
        rpm = RPM.get(model, USUAL_RPM)[tier] if rpm is None else rpm
        tpm = TPM if tpm is None else tpm
    return rpm, tpm


#: A twentieth of a second: its number, and the sends, tokens and refusals that count for it.
Step: TypeAlias = list[int]


class _Window:
    """What was sent and used in the last 60 seconds."""

    __slots__ = ("_steps", "last", "refused", "sends", "tokens")

    def __init__(self) -> None:
        self._steps: deque[Step] = deque()
        self.last: Step = [_GONE, 0, 0, 0]
        self.sends = 0
        self.refused = 0
        self.tokens = 0

    def add(self, now: float, sends: int, tokens: int) -> Step:
        """Count; the step, in which the numbers can be mended as long as it counts."""
        number = int(now * _STEPS)
        step = self.last
        if step[0] != number:
            self.drop(now)
            step = self.last = [number, 0, 0, 0]
            self._steps.append(step)
        step[1] += sends
        step[2] += tokens
        self.sends += sends
        self.tokens += tokens
        return step

    def drop(self, now: float) -> None:
        """Forget what is older."""
        steps = self._steps
        while steps and _leaves(steps[0]) <= now:
            step = steps.popleft()
            step[0] = _GONE
            self.sends -= step[1]
            self.tokens -= step[2]
            self.refused -= step[3]

    @property
    def next(self) -> float | None:
        """The moment at which something of it will be forgotten."""
        return _leaves(self._steps[0]) if self._steps else None


def _leaves(step: Step) -> float:
    return (step[0] + 1) / _STEPS + _WINDOW + _SLACK


class _Limit:
    """A number a minute: the caller's, lowered by refusals for a while. A taught one is never above the caller's."""

    __slots__ = ("_at", "_lowest", "_said", "_taught")

    def __init__(self, said: int | None, lowest: int) -> None:
        self._said = said
        self._lowest = lowest
        self._taught: float | None = None
        self._at = 0.0

    @property
    def none(self) -> bool:
        """Whether there is nothing to hold to."""
        return self._said is None and self._taught is None

    def at(self, now: float) -> float | None:
        """The limit now."""
        if self._taught is not None:
            minutes = int((now - self._at - _BELIEVED) / 60)
            taught = self._taught * 1.1 ** max(0, minutes)
            if minutes < _FORGOTTEN and (self._said is None or taught < self._said):
                return taught
            self._taught = None
        return self._said

    def tell(self, number: float, now: float) -> None:
        """Believe in this number from now on."""
        self._taught = number
        self._at = now

    def lower(self, number: float, now: float) -> None:
        """Believe in this number if it is below what is believed, and one that can be."""
        believed = self.at(now)
        if number >= self._lowest and (believed is None or number <= believed):
            self.tell(number, now)


class RateGate(Queue):
    """So many sends and so many tokens in any 60 seconds, and none while the platform has asked everybody to wait.

    Args:
        clock: the client's clock.
        rpm: sends allowed in any window of 60 seconds; None for as many as come.
        tpm: tokens allowed in any window of 60 seconds. A call that needs more than that alone goes alone.

    Attributes:
        listens: the headers of answers are of interest.
    """

    def __init__(self, clock: Clock, rpm: int | None = None, tpm: int | None = None) -> None:
        super().__init__()
        self._clock = clock
        self._rpm = _Limit(rpm, _LOWEST_RPM)
        self._tpm = _Limit(tpm, _LOWEST_TPM)
        self._window = _Window()
        # Who are through this gate and wait at another: they count, and their minute has not begun.
        self._passed = 0
        self._open_tokens = 0  # what those who are through, until they end, may use
        self._paused_until = 0.0
        self._free = rpm is None and tpm is None
        self.listens = True
        self._timer: TimerHandle | None = None

    @property
    def counts_tokens(self) -> bool:
        """Whether a call must say what it may use."""
        return not self._tpm.none

    # ------------------------------------------------------------------------------- the way of a call

    def send_freely(self) -> Step | None:
        """Send without asking where nothing holds anybody back, as nearly always: what `sent` gives, or None."""
        if not self._free or self._lines:
            return None
        window = self._window
        now = self._clock.monotonic()
        step = window.last
        if step[0] != int(now * _STEPS):
            return window.add(now, 1, 0)
        # What `add` does, without the call: every call of a model comes through here.
        step[1] += 1
        window.sends += 1
        return step

    def sent(self) -> Step:
        """Say that one who passed is sending now; when, for `refused` and `corrected`."""
        self._passed -= 1
        step = self._window.add(self._clock.monotonic(), 1, 0)
        if self._lines:
            self._wake()
        return step

    def unsent(self, need: int = 0) -> None:
        """Say that one who passed will not send."""
        self._give_back(need)
        self._wake()

    def ended(self, need: int) -> Step:
        """Say that a call with this need has ended; when, for `corrected`."""
        self._open_tokens -= need
        step = self._window.add(self._clock.monotonic(), 0, need)
        self._wake()
        return step

    def corrected(self, step: Step, tokens: int) -> None:
        """Say that a call used so many tokens more than its need or, as a negative number, fewer."""
        if step[0] != _GONE:
            step[2] += tokens
            self._window.tokens += tokens
        if self._lines:
            self._wake()

    # ------------------------------------------------------------------------- what the platform says

    def pause(self, seconds: float) -> None:
        """Let nobody through for so long: one 429 speaks to every waiter of its model."""
        self._paused_until = max(self._paused_until, self._clock.monotonic() + seconds)
        self._free = False

    def refused(self, step: Step, *, tokens: bool) -> None:
        """Learn from a 429, of requests or of tokens: what was let in within the last minute is the limit.

        Args:
            step: when it had been sent.
            tokens: there were too many of them, not of requests.
        """
        now = self._clock.monotonic()
        window = self._window
        window.drop(now)
        if not tokens:
            if step[0] != _GONE:
                step[3] += 1
                window.refused += 1
            self._rpm.lower(window.sends - window.refused, now)
        elif self._tpm.none:
            self._tpm.tell(float("inf"), now)  # tokens count from now on, and the next refusal teaches
        else:
            self._tpm.lower(window.tokens + self._open_tokens, now)
        self._free = False
        self.listens = True

    def hear(self, headers: Mapping[str, str]) -> None:
        """Read the `x-ratelimit-*` of an answer. A model that sends none is asked no more, until it refuses."""
        self.listens = False
        now = self._clock.monotonic()
        for kind, limit in (("requests", self._rpm), ("tokens", self._tpm)):
            allowed = _number(headers.get(f"x-ratelimit-limit-{kind}"))
            left = _number(headers.get(f"x-ratelimit-remaining-{kind}"))
            if allowed is not None or left is not None:
                self.listens = True
            if allowed is not None and 1 <= allowed < float("inf"):
                limit.tell(allowed, now)
                self._free = False
            if left == 0:
                # The windows are minutes: a longer time is one of another limit, or a moment and no time at all.
                self.pause(min(_seconds(headers.get(f"x-ratelimit-reset-{kind}")), _WINDOW))
        if self._lines:
            self._wake()

    # ------------------------------------------------------------------------------------- the queue

    def _take(self, need: int) -> bool:
        if not self._free:
            now = self._clock.monotonic()
            ready = self._ready(now, need)
            if ready is None:
                return False  # nobody's minute runs: `sent`, `unsent` and `ended` wake the line
            if now < ready:
                self._arm(ready - now)
                return False
            self._paused_until = 0.0
            self._free = self._rpm.none and self._tpm.none
        self._passed += 1
        self._open_tokens += need
        return True

    def _ready(self, now: float, need: int) -> float | None:
        """The moment at which one with this need may pass, or is to ask again."""
        window = self._window
        window.drop(now)
        rpm, tpm = self._rpm.at(now), self._tpm.at(now)
        full = rpm is not None and window.sends + self._passed + 1 > rpm
        if not full and tpm is not None:
            used = window.tokens + self._open_tokens
            full = used + min(need, tpm) > tpm
        if not full:
            return self._paused_until
        return None if window.next is None else max(window.next, self._paused_until)

    def _give_back(self, need: int) -> None:
        self._passed -= 1
        self._open_tokens -= need

    def _arm(self, seconds: float) -> None:
        if self._timer is None:
            self._timer = self._clock.call_later(seconds, self._ring)

    def _ring(self) -> None:
        self._timer = None
        self._wake()

    def close(self, error: Exception) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        super().close(error)


def _number(text: str | None) -> float | None:
    try:
        return float(text) if text else None
    except ValueError:
        return None


def _seconds(text: str | None) -> float:
    """A time such as `1s`, `6m0s`, `20ms` or a plain number of seconds; 0 for what is none."""
    if (plain := _number(text)) is not None:
        return max(0.0, plain) if plain < float("inf") else 0.0
    match = _DURATION.fullmatch(text or "")
    if match is None:
        return 0.0
    parts = [_number(part) or 0.0 for part in match.groups()]
    return parts[0] * 3600 + parts[1] * 60 + parts[2] + parts[3] / 1000
