"""`novita.account.budgets`: what the members of a team and their keys may spend (account.openapi.yaml).

They want a team account, and to set one the role Owner, Admin or Billing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import msgspec

from ..errors import ValidationError
from ..runtime.arguments import given
from ..wire.json import Object
from .endpoint import Endpoint, check_choice, check_text
from .units import Money, Number, dollars, units

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from decimal import Decimal

__all__ = ["Budgets", "KeyBudget", "MemberBudget"]

_LEAST = 1  # US dollars of a budget
_CYCLES = ("Monthly",)


class _Budget(Object):
    budget_type: str = ""
    cycle: str = ""
    period_start: str = ""
    period_end: str = ""
    wire_limit: Number = msgspec.field(default=None, name="budget_limit")
    wire_used: Number = msgspec.field(default=None, name="used")
    wire_remaining: Number = msgspec.field(default=None, name="remaining")

    @property
    def limit(self) -> Decimal | None:
        """What may be spent, in US dollars; None for any amount."""
        return None if self.budget_type == "Unlimited" else dollars(self.wire_limit)

    @property
    def used(self) -> Decimal | None:
        """What was spent, in US dollars."""
        return dollars(self.wire_used)

    @property
    def remaining(self) -> Decimal | None:
        """What is left, in US dollars, below 0 where more was spent; None for any amount."""
        return None if self.budget_type == "Unlimited" else dollars(self.wire_remaining)


class MemberBudget(_Budget):
    """A member of a team and its budget, out of which all its keys are paid.

    Attributes:
        member_id: the member; `email`, `phone`, `remark_name`, `role` and `status` tell more of it.
        budget_type: "Unlimited", "One-time" (for ever) or "Recurring" (begins anew with each cycle).
        cycle: "Monthly" where it recurs.
        period_start, period_end: of the cycle, as the platform writes them.
    """

    member_id: str = ""
    user_id: str = ""
    email: str = ""
    phone: str = ""
    remark_name: str = ""
    role: str = ""
    status: str = ""


class KeyBudget(_Budget):
    """A key of a member and its budget; see `MemberBudget`."""

    key_id: str = ""
    key_name: str = ""


class _Members(Object):
    budgets: list[msgspec.Raw] | None


class _Keys(Object):
    key_budgets: list[msgspec.Raw] | None


class _Enough(Object):
    enough: bool


class Budgets(Endpoint):
    """`novita.account.budgets`.

    Example:
        await novita.account.budgets.set(member_id, limit=50, cycle="Monthly")
        if await novita.account.budgets.enough(member_id, cost="0.25"): ...
    """

    async def members(
        self, *, extra_headers: Mapping[str, str] | None = None, timeout: float | None = None
    ) -> Sequence[MemberBudget]:
        """The members of the team with their budgets.

        Contract: account.openapi.yaml, GET /openapi/v1/user/team/budget-list.
        """
        call = self._call("GET", "/openapi/v1/user/team/budget-list", extra_headers=extra_headers, timeout=timeout)
        return self._objects((await self._runtime.fetch(call, _Members)).budgets, MemberBudget)

    async def keys(
        self, member_id: str, *, extra_headers: Mapping[str, str] | None = None, timeout: float | None = None
    ) -> Sequence[KeyBudget]:
        """The keys of a member with their budgets.

        Contract: account.openapi.yaml, GET /openapi/v1/user/team/key-budget-list.
        """
        call = self._call(
            "GET",
            "/openapi/v1/user/team/key-budget-list",
            query={"member_id": check_text("member_id", member_id)},
            extra_headers=extra_headers,
            timeout=timeout,
        )
        return self._objects((await self._runtime.fetch(call, _Keys)).key_budgets, KeyBudget)

    async def set(
        self,
        member_id: str,
        *,
        limit: Money | None,
        cycle: Literal["Monthly"] | None = None,
        key_id: str | None = None,
        extra_body: Mapping[str, Any] | None = None,
        extra_headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
    ) -> None:
        """Set the budget of a member, or of one of its keys. A budget that is spent stops what runs on it.

        Args:
            member_id: the member.
            limit: US dollars, 1 or more, down to a hundredth of a cent; None for any amount.
            cycle: when it begins anew; never when left out.
            key_id: a key of the member, whose budget it is then.
            extra_body: fields for the body that the SDK does not know; they win over known ones.
            extra_headers: headers for this call.
            timeout: the call in seconds, retries and waits included.

        Raises:
            ValidationError: such a budget cannot be.
            PermissionDenied: the role of the caller does not allow it.

        Contract: account.openapi.yaml, PUT /openapi/v1/user/team/member-budget and key-budget.
        """
        if limit is None and cycle is not None:
            raise ValidationError("cycle goes with a limit: without one nothing can begin anew")
        if cycle is not None:
            check_choice("cycle", cycle, _CYCLES)
        call = self._call(
            "PUT",
            f"/openapi/v1/user/team/{'member' if key_id is None else 'key'}-budget",
            {
                **_whose(member_id, key_id),
                "budget_type": "Unlimited" if limit is None else "Recurring" if cycle else "One-time",
                **given(budget_limit=None if limit is None else units("limit", limit, least=_LEAST), cycle=cycle),
            },
            extra_body=extra_body,
            extra_headers=extra_headers,
            timeout=timeout,
        )
        await self._runtime.request(call)

    async def enough(
        self,
        member_id: str,
        *,
        cost: Money | None = None,
        key_id: str | None = None,
        extra_body: Mapping[str, Any] | None = None,
        extra_headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
    ) -> bool:
        """Ask whether a budget has so much left. Nothing is set aside.

        Args:
            member_id: the member.
            cost: what is to be spent, in US dollars; when left out, anything at all.
            key_id: a key of the member, whose budget is meant then.
            extra_body: fields for the body that the SDK does not know; they win over known ones.
            extra_headers: headers for this call.
            timeout: the call in seconds, retries and waits included.

        Raises:
            ValidationError: `cost` is no amount.

        Contract: account.openapi.yaml, POST /openapi/v1/user/team/check-budget, check-key-budget, and both by-cost.
        """
        path = f"/openapi/v1/user/team/check-{'' if key_id is None else 'key-'}budget"
        body = {**_whose(member_id, key_id), **given(cost=None if cost is None else units("cost", cost))}
        call = self._call(
            "POST",
            path if cost is None else f"{path}-by-cost",
            body,
            extra_body=extra_body,
            extra_headers=extra_headers,
            timeout=timeout,
        )
        return (await self._runtime.fetch(call, _Enough)).enough


def _whose(member_id: str, key_id: str | None) -> dict[str, str]:
    key = {} if key_id is None else {"key_id": check_text("key_id", key_id)}
    return {"member_id": check_text("member_id", member_id), **key}
