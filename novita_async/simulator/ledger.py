"""What was used, for what price: what bills, balance and budgets of the account follow from.

Language models, media models and web search book what they do; sandboxes and GPUs are paid by the time that they are
there. A test can book more.
"""

from __future__ import annotations

import datetime
import itertools
import math
from decimal import ROUND_HALF_UP, Decimal
from typing import TYPE_CHECKING, NamedTuple

import msgspec

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ..catalog import Model as MediaModel
    from ..runtime.clock import Clock
    from .catalog import Model

__all__ = ["CYCLES", "Ledger", "Row", "Term", "cycle_of", "rounded"]

_HOUR = 3600
_ROWS_KEPT = 20_000
_MILLION = 1_000_000
_PAID_IN = Decimal(10_000_000)  # 1000 US dollars
#: What a call of a media model costs, in 1/10000 dollars: plausible, and nothing that the platform says.
_MEDIA = {"images": 300, "videos": 3500, "audio": 150}

CYCLES = ("Hour", "Day", "Week", "Month")


class Product(NamedTuple):
    """What is billed together."""

    category: str
    id: str
    name: str
    owner: str


class Row(msgspec.Struct):
    """What was used of a product in a span of time. Costs are in 1/10000 dollars, exactly.

    Attributes:
        start, end: Unix seconds.
        used, output: how much; of a language model tokens.
        prices: of `used` and `output`, as bills print them.
    """

    product: Product
    start: int
    end: int
    used: int = 0
    output: int = 0
    cost: Decimal = Decimal(0)
    prices: tuple[int, int] = (0, 0)

    def gather(self, more: Row) -> None:
        """Add what another row of the product says."""
        self.used += more.used
        self.output += more.output
        self.cost += more.cost
        self.prices = more.prices


class _Running(msgspec.Struct):
    """What is paid by time, from one moment to another, which may both be still to come. Unix seconds."""

    product: Product
    per_hour: Decimal
    start: float
    end: float = math.inf

    def hours(self, now: float) -> Iterator[Row]:
        """What it used up to now, hour by hour, in whole seconds."""
        start, end = math.ceil(self.start), math.ceil(min(self.end, now))
        for hour in range(start // _HOUR * _HOUR, end, _HOUR):
            if used := min(end, hour + _HOUR) - max(start, hour):
                cost = self.per_hour * used / _HOUR
                yield Row(self.product, hour, hour + _HOUR, used, 0, cost, (int(self.per_hour), 0))


class Term(msgspec.Struct, frozen=True):
    """Something that was bought for months; the price is that of one, in 1/10000 dollars."""

    category: str
    product: str
    owner: str
    kind: str
    price: int
    months: int
    start: int
    end: int


class Ledger:
    """What an account used.

    Args:
        clock: what tells when.

    Attributes:
        opened: when the account was, in Unix seconds.
        paid_in: what it was opened with, in 1/10000 dollars.
        terms: what was bought for months.
        meters: called before anything is read: they tell what has ended meanwhile.
    """

    def __init__(self, *, clock: Clock) -> None:
        self._clock = clock
        self._hours: dict[tuple[int, Product], Row] = {}
        self._running: dict[str, list[_Running]] = {}
        self._most = _ROWS_KEPT
        self.opened = int(clock.time())
        self.paid_in = _PAID_IN
        self.terms: list[Term] = []
        self.meters: list[Callable[[], None]] = []

    def use(
        self,
        category: str,
        product: str,
        cost: Decimal | int,
        *,
        name: str = "",
        owner: str = "",
        used: int = 1,
        output: int = 0,
        prices: tuple[int, int] | None = None,
    ) -> None:
        """Book that something was used now.

        Args:
            category: as in bills, such as "llm", "gen_api", "gpu", "cloud_sandbox" or "web_search".
            product: its id.
            cost: of all that was used, in 1/10000 dollars.
            name: what the bill calls it; the id when left out.
            owner: id of the instance that it was used by, if there is one.
            used: how much, in the product's own measure.
            output: output tokens, of a language model.
            prices: of a measure of either; the cost when left out.
        """
        hour = int(self._clock.time()) // _HOUR * _HOUR
        key = Product(category, product, name or product, owner)
        self._add(Row(key, hour, hour + _HOUR, used, output, Decimal(cost), prices or (int(cost), 0)))

    def begin(
        self, owner: str, category: str, product: str, per_hour: Decimal, *, name: str = "", at: float | None = None
    ) -> None:
        """Let an instance be paid by time from a moment on.

        Args:
            owner: the instance's id.
            category: as in bills.
            product: id of what it is.
            per_hour: in 1/10000 dollars.
            name: what the bill calls the product; the id when left out.
            at: Unix seconds, now or later; now when left out.
        """
        key = Product(category, product, name or product, owner)
        start = self._clock.time() if at is None else at
        self._running.setdefault(owner, []).append(_Running(key, per_hour, start))

    def end(self, owner: str, *, at: float | None = None) -> None:
        """Let an instance not be paid by time from a moment on, now when it is left out."""
        now = self._clock.time()
        left: list[_Running] = []
        for running in self._running.pop(owner, ()):
            running.end = max(running.start, min(running.end, now if at is None else at))
            if running.end > now:
                left.append(running)
                continue
            for row in running.hours(now):
                self._add(row)
        if left:
            self._running[owner] = left

    def _add(self, row: Row) -> None:
        if (there := self._hours.get((row.start, row.product))) is not None:
            there.gather(row)
            return
        self._hours[row.start, row.product] = row
        if len(self._hours) > self._most:
            self._forget()

    def _forget(self) -> None:
        """Forget whose instances were used, and not what that cost."""
        rows, self._hours = list(self._hours.values()), {}
        for row in rows:
            row.product = row.product._replace(owner="")
            if (there := self._hours.setdefault((row.start, row.product), row)) is not row:
                there.gather(row)
        self._most = max(_ROWS_KEPT, 2 * len(self._hours))

    def tokens(self, model: Model, prompt: int, completion: int, cached: int) -> None:
        """Book a call of a language model. Batches are booked like any other call."""
        prices = model.prices
        for least, tier in model.tiers:
            if prompt >= least:
                prices = tier
        read = prices.input if prices.cache_read is None else prices.cache_read
        cost = Decimal((prompt - cached) * prices.input + cached * read + completion * prices.output) / _MILLION
        self.use(
            "llm",
            model.id,
            cost,
            name=model.title,
            used=prompt,
            output=completion,
            prices=(prices.input, prices.output),
        )

    def media(self, model: MediaModel) -> None:
        """Book a call of a media model."""
        self.use("gen_api", model.id, _MEDIA.get(model.product, _MEDIA["images"]), name=model.title)

    def buy(self, category: str, product: str, price: int, *, owner: str, months: int, kind: str) -> None:
        """Book that something was bought for months, from now on.

        Args:
            category: "gpu", "local_storage" or "image".
            product: its name.
            price: of a month, in 1/10000 dollars.
            owner: what was bought.
            months: how many.
            kind: "monthly_new_buy", "monthly_re_buy" or "monthly_re_config".
        """
        start = int(self._clock.time())
        self.terms.append(Term(category, product, owner, kind, price, months, start, start + months * 30 * 86400))

    def rows(self, cycle: str, start: int, end: int) -> list[Row]:
        """What was used in the hours that begin in a span, added up by product and cycle, the oldest first."""
        for meter in self.meters:
            meter()
        found: dict[tuple[int, Product], Row] = {}
        now = self._clock.time()
        running = (row for those in self._running.values() for each in those for row in each.hours(now))
        for hour in itertools.chain(self._hours.values(), running):
            if start <= hour.start < end:
                first, last = cycle_of(cycle, hour.start)
                found.setdefault((first, hour.product), Row(hour.product, first, last)).gather(hour)
        return sorted(found.values(), key=lambda row: (row.start, row.product))

    def months(self) -> Iterator[tuple[str, int, int, int]]:
        """Every month from the opening to now: its name, its ends, and what it costs: the sum of its rows."""
        start, now = cycle_of("Month", self.opened)[0], int(self._clock.time())
        while start <= now:
            start, end = cycle_of("Month", start)
            cost = sum(rounded(row.cost) for row in self.rows("Month", start, end))
            cost += sum(term.price * term.months for term in self.terms if start <= term.start < end)
            yield datetime.datetime.fromtimestamp(start, datetime.UTC).strftime("%Y-%m"), start, end, cost
            start = end

    @property
    def spent(self) -> int:
        """What all of it costs, in 1/10000 dollars."""
        return sum(cost for *_, cost in self.months())


def cycle_of(cycle: str, second: int) -> tuple[int, int]:
    """The ends of the hour, day, week or month that a moment is in, all in UTC, in Unix seconds."""
    at = datetime.datetime.fromtimestamp(second, datetime.UTC).replace(minute=0, second=0, microsecond=0)
    length = datetime.timedelta(hours=1)
    if cycle != "Hour":
        at, length = at.replace(hour=0), datetime.timedelta(days=1)
    if cycle == "Week":
        at, length = at - datetime.timedelta(days=at.weekday()), datetime.timedelta(days=7)
    end = at + length
    if cycle == "Month":
        at = at.replace(day=1)
        end = (at + datetime.timedelta(days=31)).replace(day=1)
    return int(at.timestamp()), int(end.timestamp())


def rounded(cost: Decimal) -> int:
    """A cost as bills print it: in whole 1/10000 dollars."""
    return int(cost.quantize(Decimal(1), ROUND_HALF_UP))
