"""Balance, bills and transactions of the account: what the ledger comes to (contract/account.openapi.yaml)."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from . import keys
from .ledger import CYCLES, rounded
from .router import Call, Router, json_reply

if TYPE_CHECKING:
    from ..transport.protocol import Reply
    from .ledger import Ledger, Row, Term

__all__ = ["USER", "Billing"]

USER = "user-simulator"
_DAY = 86400
_FIRST_MONTH = "2025-10"
_FIRST_OF_KEYS = 1767225600  # 2026-01-01
_CATEGORIES = ("summary", "gpu", "llm", "serverless", "cloud_storage", "gen_api", "cloud_sandbox",
               "llm_dedicated_endpoint", "web_search", "bare_metal")  # fmt: skip
_TERMS = ("summary", "gpu", "local_storage", "image")
_OF_KEYS = ("llm", "gen_api", "web_search")


class Billing:
    """The calls about money.

    Args:
        api_key: the good key.
        key_id: what the account knows it by.
        ledger: what was used.
    """

    def __init__(self, *, api_key: str, key_id: str, ledger: Ledger) -> None:
        self._keys = keys.Keys(api_key, keys.MEDIA)
        self._key_id = key_id
        self._mask = f"{api_key[:6]}******{api_key[-4:]}"
        self._ledger = ledger

    def routes(self, router: Router) -> None:
        guard = self._keys.guard
        router.add("GET", "/openapi/v1/billing/balance/detail", guard(self._balance))
        router.add("GET", "/openapi/v1/billing/monthly/bill", guard(self._months))
        router.add("GET", "/openapi/v1/billing/bill/list", guard(self._usage))
        router.add("GET", "/openapi/v1/billing/bill/monthly/list", guard(self._terms))
        router.add("GET", "/openapi/v1/billing/apikey/bill/list", guard(self._by_key))
        router.add("GET", "/openapi/v1/bill/transaction", guard(self._transactions))
        router.add("GET", "/v3/user", guard(self._user))

    @property
    def _left(self) -> int:
        return int(self._ledger.paid_in) - self._ledger.spent

    async def _balance(self, call: Call) -> Reply:
        del call
        left = str(self._left)
        return json_reply(
            {"availableBalance": left, "cashBalance": left, "creditLimit": "0", "outstandingInvoices": "0"}
        )

    async def _user(self, call: Call) -> Reply:
        del call
        return json_reply({"credit_balance": self._left, "allow_features": ["upload_model"], "free_trial": {}})

    async def _months(self, call: Call) -> Reply:
        since = call.query.get("startMonth") or _FIRST_MONTH
        page, size = _count(call, "page", 1), _count(call, "pageSize", 10)
        months = list(self._ledger.months())
        rows = [
            {
                "billId": f"bill-{name}",
                "userId": USER,
                "billingMonth": name,
                "totalAmount": str(cost),
                "originTotalAmount": str(cost),
                "voucherPayAmount": "0",
                "cashPayAmount": str(cost),
                "debtAmount": "0",
                "repaidAmount": "0",
                "status": "pending" if (start, end) == months[-1][1:3] else "paid",
                "invoiceUrl": "",
                "startTime": str(start),
                "endTime": str(end),
            }
            for name, start, end, cost in months
            if name >= since
        ]
        return json_reply({"data": rows[(page - 1) * size : page * size]})

    async def _usage(self, call: Call) -> Reply:
        category = call.query.get("productCategory", "")
        if category not in _CATEGORIES:
            raise _bad("INVALID_PRODUCT_CATEGORY", f"productCategory: {category!r} is not known")
        rows = self._found(call, 31, category)
        owner = call.query.get("ownerId", "")
        return json_reply({"bills": [_usage_row(row) for row in rows if owner in ("", row.product.owner)]})

    async def _by_key(self, call: Call) -> Reply:
        category = call.query.get("category", "")
        if category not in ("", *_OF_KEYS):
            raise _bad("INVALID_PRODUCT_CATEGORY", f"category: {category!r} is not known")
        if _seconds(call, "startTime") < _FIRST_OF_KEYS or _seconds(call, "endTime") <= _seconds(call, "startTime"):
            raise _bad("INVALID_REQUEST_BODY", "startTime is from 2026-01-01 on, and endTime after it")
        days = 7 if call.query.get("cycleType") == "Hour" else 31
        rows = [row for row in self._found(call, days, category) if row.product.category in _OF_KEYS]
        key = {"ownerID": self._key_id, "apikeyName": "simulator", "apikeyMask": self._mask}
        return json_reply({"bills": [{**_usage_row(row), **key} for row in rows]})

    def _found(self, call: Call, days: int, category: str) -> list[Row]:
        cycle = call.query.get("cycleType", "")
        if cycle not in CYCLES:
            raise _bad("INVALID_BILL_CYCLE", f"cycleType: {cycle!r} is none of {', '.join(CYCLES)}")
        start, end = _seconds(call, "startTime"), _seconds(call, "endTime")
        if start and end - start > days * _DAY:
            raise _bad("INVALID_REQUEST_BODY", f"a query for {cycle} spans {days} days at most")
        name = call.query.get("productName", "").lower()
        return [
            row
            for row in self._ledger.rows(cycle, start, end or 1 << 62)
            if category in ("", "summary", row.product.category) and name in row.product.name.lower()
        ]

    async def _terms(self, call: Call) -> Reply:
        category = call.query.get("category") or "summary"
        if category not in _TERMS:
            raise _bad("INVALID_PRODUCT_CATEGORY", f"category: {category!r} is not known")
        start, end = _seconds(call, "startTime"), _seconds(call, "endTime") or 1 << 62
        name, owner = call.query.get("productName", "").lower(), call.query.get("ownerId", "")
        found = [
            _term_row(term)
            for term in self._ledger.terms
            if category in ("summary", term.category)
            and start <= term.start < end
            and name in term.product.lower()
            and owner in ("", term.owner)
        ]
        return json_reply({"bills": found})

    async def _transactions(self, call: Call) -> Reply:
        """The opening, and what each month that is over has cost, the newest first."""
        page, size = _count(call, "pageNo", 0), _count(call, "pageSize", 0)
        balance = int(self._ledger.paid_in)
        rows = [_transaction("recharge", self._ledger.opened, balance, balance, "opened")]
        *over, _ = self._ledger.months()
        for name, _, end, cost in over:
            balance -= cost
            rows.append(_transaction("consume", end, cost, balance, f"bill of {name}"))
        wanted = {
            field: call.query[name]
            for name, field in (
                ("serialNumber", "serialNumber"),
                ("transactionType", "transactionType"),
                ("transactionChannel", "transactionChannel"),
                ("state", "state"),
                ("orderType", "orderType"),
            )
            if call.query.get(name)
        }
        start, end = _seconds(call, "transactionTimeStart"), _seconds(call, "transactionTimeEnd") or 1 << 62
        found = [
            row
            for row in reversed(rows)
            if start <= int(row["transactionTime"]) < end
            and all(row.get(field) == value for field, value in wanted.items())
        ]
        return json_reply({"data": found[(page - 1) * size : page * size], "total": len(found)})


def _usage_row(row: Row) -> dict[str, Any]:
    cost = str(rounded(row.cost))
    used, output = (str(price) for price in row.prices)
    return {
        "userId": USER,
        "startTime": str(row.start),
        "endTime": str(row.end),
        "billingMethod": 1,
        "productName": row.product.name,
        "category": row.product.category,
        "ownerID": row.product.owner,
        "billNum0": str(row.used),
        "billNum1": str(row.output),
        "basePrice0": used,
        "basePrice1": output,
        "discountPrice0": used,
        "discountPrice1": output,
        "amount": cost,
        "voucherAmount": "0",
        "payAmount": cost,
        "payAmountDisplay": float(row.cost) / 10_000,
        "pricePrecision": 4,
        "productId": row.product.id,
    }


def _term_row(term: Term) -> dict[str, Any]:
    amount = str(term.price * term.months)
    return {
        "userId": USER,
        "startTime": str(term.start),
        "endTime": str(term.end),
        "memberId": USER,
        "productName": term.product,
        "productCategory": term.category,
        "ownerID": term.owner,
        "tradeMode": "monthly",
        "tradeType": term.kind,
        "basePrice": str(term.price),
        "billNum": str(term.months),
        "amount": amount,
        "voucherAmount": "0",
        "payAmount": amount,
        "payAmountDisplay": f"{int(amount) / 10_000:.4f}",
        "pricePrecision": "4",
        "createTime": str(term.start),
        "cycle": str(term.months),
        "storageDays": "0",
    }


def _transaction(kind: str, second: int, amount: int, balance: int, note: str) -> dict[str, str]:
    row = {
        "customerId": USER,
        "serialNumber": f"{kind}-{second}",
        "transactionTime": str(second),
        "transactionType": kind,
        "transactionChannel": "PublicRemittance",
        "transactionAmount": str(amount),
        "walletBalance": str(balance),
        "note": note,
        "state": "success",
        "invoiceURL": "",
    }
    return {**row, "orderType": kind} if kind == "recharge" else row


def _bad(reason: str, message: str) -> keys.Refusal:
    return keys.flat(HTTPStatus.BAD_REQUEST, reason, message)


def _seconds(call: Call, name: str) -> int:
    """A moment of the query; 0 for none."""
    text = call.query.get(name) or "0"
    if not text.isdecimal():
        raise _bad("INVALID_REQUEST_BODY", f"{name} is a number of seconds, not {text!r}")
    return int(text)


def _count(call: Call, name: str, default: int) -> int:
    """A number from 1 on of the query; one that must be there has 0 for its default."""
    text = call.query.get(name) or str(default)
    if not text.isdecimal() or int(text) < 1:
        raise _bad("INVALID_REQUEST_BODY", f"{name} is a number from 1 on, not {text!r}")
    return int(text)
