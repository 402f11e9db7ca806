"""`novita.account`: the balance, what was paid, what may be spent, and how fast (contract/platform.md)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from ..errors import ValidationError
from ..runtime.arguments import call_headers, check_timeout
from ..wire.json import Object
from .bills import Bills
from .budgets import Budgets
from .endpoint import Endpoint
from .keys import Keys
from .units import Number, dollars, moment, seconds

if TYPE_CHECKING:
    import datetime
    from collections.abc import Mapping, Sequence
    from decimal import Decimal

    from ..runtime.call import Runtime
    from ..runtime.pages import Pages

__all__ = ["Account", "Balance", "Quota", "QuotaTier", "Transaction", "User"]

_PAGE = 50


class Balance(Object, rename="camel"):
    """What an account has, in US dollars; None where the platform does not tell."""

    wire_available: Number = msgspec.field(default=None, name="availableBalance")
    wire_cash: Number = msgspec.field(default=None, name="cashBalance")
    wire_credit: Number = msgspec.field(default=None, name="creditLimit")
    wire_owed: Number = msgspec.field(default=None, name="outstandingInvoices")

    @property
    def available(self) -> Decimal | None:
        """What can be spent."""
        return dollars(self.wire_available)

    @property
    def cash(self) -> Decimal | None:
        """What is left of what was paid in."""
        return dollars(self.wire_cash)

    @property
    def credit_limit(self) -> Decimal | None:
        """How much may be owed."""
        return dollars(self.wire_credit)

    @property
    def outstanding(self) -> Decimal | None:
        """How much is owed now."""
        return dollars(self.wire_owed)


class Transaction(Object, rename="camel"):
    """Money that went into the wallet or out of it.

    Attributes:
        serial_number: what it is found by.
        type: "recharge", "refund", "consume" and others.
        channel: how it was paid.
        state: "pending", "success", "failed" or "expired".
        order_type: "recharge" or "refund".
        note: what was written to it.
        invoice_url: where the invoice is; "" as long as there is none.
    """

    customer_id: str = ""
    serial_number: str = ""
    type: str = msgspec.field(default="", name="transactionType")
    channel: str = msgspec.field(default="", name="transactionChannel")
    state: str = ""
    order_type: str = ""
    note: str = ""
    invoice_url: str = msgspec.field(default="", name="invoiceURL")
    wire_time: Number = msgspec.field(default=None, name="transactionTime")
    wire_amount: Number = msgspec.field(default=None, name="transactionAmount")
    wire_balance: Number = msgspec.field(default=None, name="walletBalance")

    @property
    def time(self) -> datetime.datetime | None:
        """When it was."""
        return moment(self.wire_time)

    @property
    def amount(self) -> Decimal | None:
        """How much, in US dollars."""
        return dollars(self.wire_amount)

    @property
    def balance(self) -> Decimal | None:
        """What was in the wallet afterwards, in US dollars."""
        return dollars(self.wire_balance)


class QuotaTier(Object):
    """What an account of a tier, such as "T1", may do."""

    tier: str = ""
    quota: int = 0


class Quota(Object, rename="camel"):
    """How much may be asked of a model.

    Attributes:
        model: its name or id; the platform's `quotaObject`.
        modal: "llm", "image" and others.
        type: "RPM" (requests a minute), "TPM" (tokens a minute) or "IPM" (pictures a minute).
        product_type: such as "Public Endpoint".
        current: what holds for this account; `default` is what it was without being asked for.
        adjustable: whether more can be asked for.
        tiers: what holds in each tier.
    """

    model: str = msgspec.field(name="quotaObject")
    modal: str = ""
    type: str = msgspec.field(default="", name="quotaType")
    product_type: str = ""
    current: int | None = msgspec.field(default=None, name="currentQuota")
    default: int | None = msgspec.field(default=None, name="defaultQuota")
    adjustable: bool = False
    wire_tiers: list[QuotaTier] | None = msgspec.field(default=None, name="quotaItems")

    @property
    def tiers(self) -> dict[str, int]:
        """What holds in each tier, by its name."""
        return {each.tier: each.quota for each in self.wire_tiers or ()}


class User(Object):
    """What the platform's own command line shows of an account.

    Attributes:
        allow_features: such as "upload_model".
        free_trial: what is left to try, by name.
    """

    allow_features: list[str] | None = None
    free_trial: dict[str, int] | None = None
    wire_credit: Number = msgspec.field(default=None, name="credit_balance")

    @property
    def credit_balance(self) -> Decimal | None:
        """What can be spent, in US dollars."""
        return dollars(self.wire_credit)


class _Page(Object):
    data: list[msgspec.Raw] | None
    total: int = 0


class Account(Endpoint):
    """`novita.account`.

    Attributes:
        bills: what was used and what it cost.
        budgets: what the members of a team and their keys may spend.
        keys: the API keys, and which models each may use.
    """

    def __init__(self, runtime: Runtime) -> None:
        super().__init__(runtime)
        self.bills = Bills(runtime)
        self.budgets = Budgets(runtime)
        self.keys = Keys(runtime)

    async def balance(self, *, extra_headers: Mapping[str, str] | None = None, timeout: float | None = None) -> Balance:
        """What the account has.

        Args:
            extra_headers: headers for this call.
            timeout: the call in seconds, retries and waits included.

        Example:
            print((await novita.account.balance()).available)

        Contract: account.openapi.yaml, GET /openapi/v1/billing/balance/detail.
        """
        call = self._call("GET", "/openapi/v1/billing/balance/detail", extra_headers=extra_headers, timeout=timeout)
        return await self._runtime.fetch(call, Balance)

    def transactions(
        self,
        *,
        type: str | None = None,
        channel: str | None = None,
        state: str | None = None,
        order_type: str | None = None,
        serial_number: str | None = None,
        start: datetime.datetime | None = None,
        end: datetime.datetime | None = None,
        extra_headers: Mapping[str, str] | None = None,
        extra_query: Mapping[str, Any] | None = None,
        timeout: float | None = None,
    ) -> Pages[Transaction]:
        """What went into the wallet and out of it: an async iterator, or with `await` a list.

        Args:
            type: only "recharge", "refund" or "consume".
            channel: only those paid in this way, such as "PublicRemittance".
            state: only "pending", "success", "failed" or "expired".
            order_type: only "recharge" or "refund".
            serial_number: only the one of this number.
            start: from when on, with a time zone.
            end: until when.
            extra_headers: headers for this call.
            extra_query: query parameters that the SDK does not know.
            timeout: each page in seconds, retries and waits included.

        Raises:
            ValidationError: `end` before `start`; a time without a zone.

        Contract: account.openapi.yaml, GET /openapi/v1/bill/transaction.
        """
        query = {
            "serialNumber": serial_number,
            "transactionTimeStart": None if start is None else seconds("start", start),
            "transactionTimeEnd": None if end is None else seconds("end", end, up=True),
            "transactionType": type,
            "transactionChannel": channel,
            "state": state,
            "orderType": order_type,
        }
        if start is not None and end is not None and start >= end:
            raise ValidationError("the span has no length: end must be after start")
        headers = call_headers(extra_headers)
        check_timeout(timeout)

        async def fetch(page: int) -> tuple[list[msgspec.Raw] | None, int]:
            call = self._call(
                "GET",
                "/openapi/v1/bill/transaction",
                query={**query, "pageNo": page, "pageSize": _PAGE},
                extra_headers=headers,
                extra_query=extra_query,
                timeout=timeout,
            )
            answer = await self._runtime.fetch(call, _Page)
            return answer.data, answer.total

        return self._numbered(fetch, Transaction)

    async def quotas(
        self,
        *,
        model: str | None = None,
        modal: str | None = None,
        type: str | None = None,
        product_type: str | None = None,
        extra_headers: Mapping[str, str] | None = None,
        extra_query: Mapping[str, Any] | None = None,
        timeout: float | None = None,
    ) -> Sequence[Quota]:
        """How much may be asked of the models a minute.

        Args:
            model: only models with this in their names.
            modal: only "llm" or "image".
            type: only "RPM", "TPM" or "IPM".
            product_type: only of this kind, such as "Public Endpoint".
            extra_headers: headers for this call.
            extra_query: query parameters that the SDK does not know.
            timeout: the call in seconds, retries and waits included.

        Contract: account.openapi.yaml, GET /openapi/v1/user/quota/list.
        """
        call = self._call(
            "GET",
            "/openapi/v1/user/quota/list",
            query={"modal": modal, "quotaType": type, "productType": product_type, "quotaObject": model},
            extra_headers=extra_headers,
            extra_query=extra_query,
            timeout=timeout,
        )
        return self._objects((await self._runtime.fetch(call, _Page)).data, Quota)

    async def user(self, *, extra_headers: Mapping[str, str] | None = None, timeout: float | None = None) -> User:
        """The older call for the balance, which only the platform's own tools use, and what the account may do.

        Contract: account.openapi.yaml, GET /v3/user.
        """
        call = self._call("GET", "/v3/user", extra_headers=extra_headers, timeout=timeout)
        return await self._runtime.fetch(call, User)
