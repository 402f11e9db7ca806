"""`novita-async account`: the balance, what was paid for, and what may be spent (contract/account.openapi.yaml)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter

from ..errors import ValidationError
from .account import adder
from .options import All, Flag, Format, Limit, Page, moment
from .output import paged, show, show_one

if TYPE_CHECKING:
    from collections.abc import Callable
    from decimal import Decimal

    from cyclopts import App

    from ..account import ApiKey, Balance, KeyBudget, MemberBudget, MonthlyBill, Quota, Transaction, UsageBill
    from ..client import AsyncNovita
    from .process import Stop

__all__ = ["fill"]

_Cycle = Annotated[Literal["hour", "day", "week", "month"], Parameter(name=["--by", "-b"])]


def _usd(amount: Decimal | None) -> str:
    return "" if amount is None else f"{amount:.4f}"


_BALANCE: dict[str, Callable[[Balance], object]] = {
    "available USD": lambda it: _usd(it.available),
    "cash USD": lambda it: _usd(it.cash),
    "credit limit USD": lambda it: _usd(it.credit_limit),
    "outstanding USD": lambda it: _usd(it.outstanding),
}
_BILLS: dict[str, Callable[[MonthlyBill], object]] = {
    "month": lambda it: it.month,
    "status": lambda it: it.status,
    "USD": lambda it: _usd(it.total),
    "owed USD": lambda it: _usd(it.debt),
    "invoice": lambda it: it.invoice_url,
}
_USAGE: dict[str, Callable[[UsageBill], object]] = {
    "from": lambda it: it.start,
    "category": lambda it: it.category,
    "used": lambda it: it.used,
    "output": lambda it: it.output_tokens,
    "USD": lambda it: _usd(it.amount),
    "of": lambda it: it.owner_id,
    "product": lambda it: it.product_name,
}
_TRANSACTIONS: dict[str, Callable[[Transaction], object]] = {
    "time": lambda it: it.time,
    "type": lambda it: it.type,
    "state": lambda it: it.state,
    "USD": lambda it: _usd(it.amount),
    "balance USD": lambda it: _usd(it.balance),
    "number": lambda it: it.serial_number,
    "note": lambda it: it.note,
}
_BUDGET: dict[str, Callable[[MemberBudget | KeyBudget], object]] = {
    "type": lambda it: it.budget_type,
    "limit USD": lambda it: _usd(it.limit),
    "used USD": lambda it: _usd(it.used),
    "left USD": lambda it: _usd(it.remaining),
}
_MEMBERS: dict[str, Callable[[MemberBudget], object]] = {
    "member": lambda it: it.member_id,
    **_BUDGET,
    "role": lambda it: it.role,
    "name": lambda it: it.remark_name or it.email,
}
_OF_KEYS: dict[str, Callable[[KeyBudget], object]] = {
    "key": lambda it: it.key_id,
    **_BUDGET,
    "name": lambda it: it.key_name,
}
_KEYS: dict[str, Callable[[ApiKey], object]] = {
    "id": lambda it: it.id,
    "key": lambda it: it.masked_key,
    "last used": lambda it: it.last_used_at,
    "expires": lambda it: it.expire_time,
    "models": lambda it: it.policy.mode if it.policy else None,
    "name": lambda it: it.name,
}
_QUOTAS: dict[str, Callable[[Quota], object]] = {
    "model": lambda it: it.model,
    "type": lambda it: it.type,
    "current": lambda it: it.current,
    "default": lambda it: it.default,
    "tiers": lambda it: it.tiers,
}


def fill(app: App, stop: Stop) -> None:
    """Add the commands, which end when `stop` is wanted."""
    add = adder(app, stop)
    add(balance, "balance")
    add(bills, "bills")
    add(usage, "usage")
    add(transactions, "transactions")
    add(budgets, "budgets")
    add(keys, "keys")
    add(quotas, "quotas")


async def balance(novita: AsyncNovita, *, output: Format = "pretty") -> None:
    """Tell what the account has."""
    await show_one(await novita.account.balance(), _BALANCE, output)


async def bills(novita: AsyncNovita, *, since: str | None = None, output: Format = "pretty") -> None:
    """List the bills of the months.

    Args:
        since: the first month, such as 2025-11.
    """
    await show(await novita.account.bills.monthly(since=since), _BILLS, output)


async def usage(
    novita: AsyncNovita,
    *,
    by: _Cycle = "day",
    category: str | None = None,
    start_time: str | None = None,
    end_time: str | None = None,
    product: str | None = None,
    owner_id: str | None = None,
    by_key: Flag = False,
    output: Format = "pretty",
) -> None:
    """List what was used and what it cost.

    Args:
        by: what a line is about.
        category: only llm, gen_api, gpu, serverless, cloud_sandbox, web_search or another category of products.
        start_time: not before: Unix seconds, or a time such as 2026-01-31T12:00:00Z; any span may be given.
        end_time: not after, in the same forms; now when left out.
        product: only products with this in their names.
        owner_id: only what this instance used.
        by_key: a line for each API key. Wants --start-time.
    """
    start, end = moment("--start-time", start_time), moment("--end-time", end_time)
    room = novita.account.bills
    if not by_key:
        rows = room.usage(
            category=category or "summary", cycle=by, start=start, end=end, product_name=product, owner_id=owner_id
        )
        await show(await rows, _USAGE, output)
        return
    if start is None or owner_id is not None:
        raise ValidationError("--by-key wants --start-time, and no --owner-id")
    columns: dict[str, Callable[[UsageBill], object]] = {**_USAGE, "of": lambda it: getattr(it, "key_name", "")}
    keyed = room.by_key(category=category, cycle=by, start=start, end=end, product_name=product)
    await show(await keyed, columns, output)


async def transactions(
    novita: AsyncNovita,
    *,
    type: str | None = None,
    all: All = False,
    limit: Limit = 20,
    page: Page = 1,
    output: Format = "pretty",
) -> None:
    """List what went into the wallet and out of it.

    Args:
        type: only recharge, refund or consume.
        all: all of them, not one page.
        limit: how many a page has; 0 for all.
        page: which page, from 1.
    """
    found = novita.account.transactions(type=type)
    await show(await paged(found, limit=limit, page=page, everything=all), _TRANSACTIONS, output)


async def budgets(novita: AsyncNovita, member_id: str | None = None, /, *, output: Format = "pretty") -> None:
    """List the budgets of the members of the team, or those of a member's keys.

    Args:
        member_id: the member.
    """
    room = novita.account.budgets
    if member_id is None:
        await show(await room.members(), _MEMBERS, output)
    else:
        await show(await room.keys(member_id), _OF_KEYS, output)


async def keys(novita: AsyncNovita, *, output: Format = "pretty") -> None:
    """List the API keys, without themselves."""
    await show(await novita.account.keys.list(policies=True), _KEYS, output)


async def quotas(
    novita: AsyncNovita, model: str | None = None, /, *, type: str | None = None, output: Format = "pretty"
) -> None:
    """List how much may be asked of the models a minute.

    Args:
        model: only models with this in their names.
        type: only RPM, TPM or IPM.
    """
    await show(await novita.account.quotas(model=model, type=type), _QUOTAS, output)
