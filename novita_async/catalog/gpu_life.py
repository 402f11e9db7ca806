"""The life of a GPU instance as one table (contract/gpu.md 2), by which the SDK, the simulator and the tests go."""

from __future__ import annotations

import msgspec

__all__ = ["GONE", "LASTING", "LIFE", "PASSING", "Operation", "refusal"]

#: Statuses that pass by themselves. The console knows `pending` too.
PASSING = frozenset(
    {
        *("toCreate", "creating", "pulling"),
        *("toStart", "starting"),
        *("toStop", "stopping"),
        *("toRestart", "restarting"),
        *("toReset", "resetting", "migrating"),
        *("toRemove", "removing"),
        "pending",
    }
)
#: Statuses that stay until something is done. How `freezing` ends is not known; it is most likely for arrears.
LASTING = frozenset({"running", "exited", "removed", "freezing"})
#: Statuses of what is deleted.
GONE = frozenset({"toRemove", "removing", "removed"})


class Operation(msgspec.Struct, frozen=True):
    """What can be done to an instance.

    Attributes:
        allowed: the statuses that it starts from; None for any.
        path: the statuses that follow, the last one to stay: "" for the one before. Empty when the status stays.
        billing: the ways of billing that have it; empty for all.
    """

    allowed: frozenset[str] | None
    path: tuple[str, ...] = ()
    billing: tuple[str, ...] = ()


_SETTLED = frozenset({"running", "exited"})
_PAYING = (PASSING | LASTING) - GONE - {"exited", "stopping", "toStop", "pending"}

#: By the last part of the call's path in v1. Nothing but `delete` is possible for what is deleted, and nothing at all
#: but reading for what is `removed`.
LIFE: dict[str, Operation] = {
    "create": Operation(frozenset(), ("toCreate", "creating", "pulling", "running")),
    "start": Operation(frozenset({"exited"}), ("toStart", "starting", "running")),
    "stop": Operation(frozenset({"running"}), ("toStop", "stopping", "exited")),
    "restart": Operation(frozenset({"running"}), ("toRestart", "restarting", "running")),
    "upgrade": Operation((PASSING | LASTING) - GONE - {"migrating", "pending"}, ("toReset", "resetting", "running")),
    "migrate": Operation(_SETTLED, ("migrating", "")),
    "setAutoMigrate": Operation(_SETTLED),
    "edit": Operation(_SETTLED),
    "saveImage": Operation(_SETTLED),
    "transToMonthlyInstance": Operation(_PAYING, billing=("onDemand",)),
    "renewInstance": Operation(
        (PASSING | LASTING) - GONE - {"toCreate", "creating", "pulling", "pending"}, billing=("monthly",)
    ),
    "setAutoRenew": Operation(_PAYING, billing=("monthly",)),
    "delete": Operation(None, ("toRemove", "removing", "removed"), billing=("onDemand", "spot")),
}


def refusal(operation: str, status: str, *, billing: str = "", spot: str = "") -> str:
    """Why an operation is impossible now, "" when it is not. What is not known does not count.

    Args:
        operation: a key of `LIFE`.
        status: of the instance.
        billing: "onDemand", "monthly" or "spot".
        spot: how far the reclaim of a spot instance has come, `spotStatus`.
    """
    rule = LIFE[operation]
    if rule.allowed is not None and status not in rule.allowed and status in PASSING | LASTING:
        return f"{operation} is not possible while it is {status}: {_among(rule.allowed)}"
    if rule.billing and billing and billing not in rule.billing:
        return f"{operation} is for instances that are {' or '.join(rule.billing)}, and this one is {billing}"
    if operation in ("migrate", "setAutoMigrate") and spot in ("notified", "reclaiming"):
        return f"{operation} is not possible while it is taken back ({spot})"
    return ""


def _among(allowed: frozenset[str]) -> str:
    if len(allowed) > 3:
        return "it can be in most others"
    return f"it wants {' or '.join(sorted(allowed))}"
