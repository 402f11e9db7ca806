"""The account: its balance, bills, budgets, keys and quotas. Web search stands beside it, as one of its services."""

from __future__ import annotations

from .bill_types import ApiKeyBill, FixedTermBill, MonthlyBill, UsageBill
from .budgets import KeyBudget, MemberBudget
from .facade import Account, Balance, Quota, Transaction, User
from .keys import ApiKey, ModelRef, Policy

__all__ = [
    "Account",
    "ApiKey",
    "ApiKeyBill",
    "Balance",
    "FixedTermBill",
    "KeyBudget",
    "MemberBudget",
    "ModelRef",
    "MonthlyBill",
    "Policy",
    "Quota",
    "Transaction",
    "UsageBill",
    "User",
]
