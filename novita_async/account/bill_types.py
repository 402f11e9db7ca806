"""What bills say (account.openapi.yaml), in US dollars and moments. What it leaves out is None or empty."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from ..wire.json import Object
from .units import Number, dollars, moment, number

if TYPE_CHECKING:
    import datetime
    from decimal import Decimal

__all__ = ["ApiKeyBill", "FixedTermBill", "MonthlyBill", "Row", "UsageBill"]


class _Charged(Object, rename="camel"):
    """What all bills have: a span of time, and what was paid for it."""

    user_id: str = ""
    wire_start: Number = msgspec.field(default=None, name="startTime")
    wire_end: Number = msgspec.field(default=None, name="endTime")

    @property
    def start(self) -> datetime.datetime | None:
        """When its span begins."""
        return moment(self.wire_start)

    @property
    def end(self) -> datetime.datetime | None:
        """When its span ends."""
        return moment(self.wire_end)


class MonthlyBill(_Charged, rename="camel"):
    """The bill of a month. Amounts are US dollars, None where the platform does not tell.

    Attributes:
        bill_id: the bill's own id.
        month: as "2025-11".
        status: "pending" (to come), "outed" (to be paid), "paid" or "overdue".
        invoice_url: where the invoice is; "" as long as there is none.
    """

    bill_id: str = ""
    month: str = msgspec.field(default="", name="billingMonth")
    status: str = ""
    invoice_url: str = ""
    wire_total: Number = msgspec.field(default=None, name="totalAmount")
    wire_original: Number = msgspec.field(default=None, name="originTotalAmount")
    wire_voucher: Number = msgspec.field(default=None, name="voucherPayAmount")
    wire_cash: Number = msgspec.field(default=None, name="cashPayAmount")
    wire_debt: Number = msgspec.field(default=None, name="debtAmount")
    wire_repaid: Number = msgspec.field(default=None, name="repaidAmount")

    @property
    def total(self) -> Decimal | None:
        """What the month costs."""
        return dollars(self.wire_total)

    @property
    def before_discounts(self) -> Decimal | None:
        """What it would cost without discounts."""
        return dollars(self.wire_original)

    @property
    def paid_by_voucher(self) -> Decimal | None:
        """What vouchers paid."""
        return dollars(self.wire_voucher)

    @property
    def paid_in_cash(self) -> Decimal | None:
        """What the wallet paid."""
        return dollars(self.wire_cash)

    @property
    def debt(self) -> Decimal | None:
        """What is owed."""
        return dollars(self.wire_debt)

    @property
    def repaid(self) -> Decimal | None:
        """What of it was paid later."""
        return dollars(self.wire_repaid)


class Row(_Charged, rename="camel"):
    """What the rows of usage and of fixed terms have in common."""

    product_name: str = ""
    owner_id: str = msgspec.field(default="", name="ownerID")
    wire_amount: Number = msgspec.field(default=None, name="amount")
    wire_voucher: Number = msgspec.field(default=None, name="voucherAmount")
    wire_pay: Number = msgspec.field(default=None, name="payAmount")

    @property
    def amount(self) -> Decimal | None:
        """What it costs, in US dollars."""
        return dollars(self.wire_amount)

    @property
    def paid_by_voucher(self) -> Decimal | None:
        """What vouchers paid, in US dollars."""
        return dollars(self.wire_voucher)

    @property
    def paid_in_cash(self) -> Decimal | None:
        """What the wallet paid, in US dollars."""
        return dollars(self.wire_pay)


class UsageBill(Row, rename="camel"):
    """What was used of a product in a cycle. The unit of the prices is documented nowhere: they stand in `raw`.

    Attributes:
        product_id: the product's own id; `product_name` is its name.
        category: such as "llm", "gpu" or "gen_api".
        owner_id: the instance that it was used by; in bills of keys the key.
    """

    product_id: str = ""
    category: str = ""
    wire_used: Number = msgspec.field(default=None, name="billNum0")
    wire_output: Number = msgspec.field(default=None, name="billNum1")

    @property
    def used(self) -> Decimal | None:
        """How much: input tokens of a language model, cards and time of a GPU, size and time of a storage."""
        return number(self.wire_used)

    @property
    def output_tokens(self) -> Decimal | None:
        """Output tokens, of a language model."""
        return number(self.wire_output)


class ApiKeyBill(UsageBill, rename="camel"):
    """What was used through an API key.

    Attributes:
        key_name: what the key is called.
        key_mask: the key without its middle.
    """

    key_name: str = msgspec.field(default="", name="apikeyName")
    key_mask: str = msgspec.field(default="", name="apikeyMask")


class FixedTermBill(Row, rename="camel"):
    """Something that was bought for months. The price and the cycle stand in `raw`, their forms are documented nowhere.

    Attributes:
        product_category: such as "gpu" or "local_storage".
        member_id: who bought it.
        trade_type: "monthly_new_buy", "monthly_re_buy" or "monthly_re_config".
        owner_id: what was bought.
    """

    product_category: str = ""
    member_id: str = ""
    trade_type: str = ""
