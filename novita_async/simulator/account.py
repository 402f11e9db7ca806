"""Budgets, keys and quotas of the account, which has two members (contract/account.openapi.yaml).

The owner has the simulator's API key, and used all that the ledger has; the other member used nothing. Neither budgets
nor policies stop anything: no page says how the platform refuses what they do not allow.
"""

from __future__ import annotations

import datetime
from http import HTTPStatus
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeVar

import msgspec

from . import keys
from .billing import USER
from .catalog import MODELS
from .router import Call, Router, json_reply

if TYPE_CHECKING:
    from ..runtime.clock import Clock
    from ..transport.protocol import Reply
    from .ledger import Ledger
    from .limits import Limits

__all__ = ["KEY", "Account"]

T = TypeVar("T")

KEY = "key-simulator"
_MEMBERS = {USER: ("owner@simulator.example", "Owner"), "user-other": ("other@simulator.example", "Developer")}
_KEYS = {KEY: USER, "key-other": "user-other"}
_TIERS = {"RPM": (30, 100, 1000, 3000, 6000), "TPM": (50_000_000,) * 5, "IPM": (5, 10, 50, 100, 200)}
_IMAGES = ("txt2img", "img2img", "flux-1-schnell")


class _Budget(msgspec.Struct):
    budget_type: Literal["Unlimited", "One-time", "Recurring"] = "Unlimited"
    budget_limit: Annotated[int, msgspec.Meta(ge=10_000)] | None = None
    cycle: Literal["Monthly"] | None = None


class _Update(_Budget, kw_only=True):
    member_id: str
    key_id: str = ""


class _Check(msgspec.Struct, kw_only=True):
    member_id: str
    key_id: str = ""
    cost: Annotated[int, msgspec.Meta(ge=0)] | None = None


class _Ref(msgspec.Struct, frozen=True):
    type: str
    id: str


class _Policy(msgspec.Struct, rename="camel"):
    mode: Literal["all_enabled", "selected"] = "all_enabled"
    allowed_models: list[_Ref] = []
    excluded_models: list[_Ref] = []


class Account:
    """The calls about who may spend what, on which models, and how fast.

    Args:
        clock: what policies are dated by.
        api_key: the good key.
        ledger: what was used.
        limits: what quotas are, where a test has set them.
    """

    def __init__(self, *, clock: Clock, api_key: str, ledger: Ledger, limits: Limits) -> None:
        self._clock = clock
        self._keys = keys.Keys(api_key, keys.MEDIA)
        self._mask = f"{api_key[:6]}******{api_key[-4:]}"
        self._ledger = ledger
        self._limits = limits
        self._budgets: dict[str, _Budget] = {}
        self._policies: dict[str, tuple[_Policy, int]] = {}

    def routes(self, router: Router) -> None:
        guard, team = self._keys.guard, "/openapi/v1/user/team"
        router.add("GET", f"{team}/budget-list", guard(self._members))
        router.add("GET", f"{team}/key-budget-list", guard(self._member_keys))
        router.add("PUT", f"{team}/member-budget", guard(self._set))
        router.add("PUT", f"{team}/key-budget", guard(self._set))
        for name in ("check-budget", "check-budget-by-cost", "check-key-budget", "check-key-budget-by-cost"):
            router.add("POST", f"{team}/{name}", guard(self._check))
        router.add("GET", "/openapi/v2/user/key", guard(self._list))
        policy = "/openapi/v2/user/key/{key}/model-access-policy"
        router.add("GET", policy, guard(self._policy))
        router.add("PUT", policy, guard(self._put_policy))
        router.add("DELETE", policy, guard(self._delete_policy))
        router.add("GET", "/openapi/v1/user/quota/list", guard(self._quotas))

    # ------------------------------------------------------------------------------------- budgets

    async def _members(self, call: Call) -> Reply:
        del call
        budgets = [
            {
                "member_id": member,
                "user_id": member,
                "email": email,
                "role": role,
                "status": "active",
                **self._of(member),
            }
            for member, (email, role) in _MEMBERS.items()
        ]
        limited = sum(each["budget_type"] != "Unlimited" for each in budgets)
        return json_reply({"member_count": len(budgets), "budget_count": limited, "budgets": budgets})

    async def _member_keys(self, call: Call) -> Reply:
        member = _member(call.query.get("member_id", ""))
        found = [
            {"key_id": key, "key_name": key.removeprefix("key-"), **self._of(key)}
            for key, owner in _KEYS.items()
            if owner == member
        ]
        return json_reply({"key_budgets": found})

    def _of(self, whose: str) -> dict[str, Any]:
        """The budget of a member or a key, as lists show it."""
        budget = self._budgets.get(whose, _Budget())
        if budget.budget_limit is None:
            return {"budget_type": "Unlimited", "budget_limit": 0, "used": 0, "remaining": 0}
        used, period = 0, {}
        if budget.cycle is not None:
            *_, (_, start, end, cost) = self._ledger.months()
            used, period = cost, {"cycle": budget.cycle, "period_start": _day(start), "period_end": _day(end)}
        else:
            used = self._ledger.spent
        if whose not in (USER, KEY):
            used = 0
        left = budget.budget_limit - used
        return {
            "budget_type": budget.budget_type,
            "budget_limit": budget.budget_limit,
            "used": used,
            "remaining": left,
            **period,
        }

    async def _set(self, call: Call) -> Reply:
        update = await _read(call, _Update)
        whose = _whose(update.member_id, update.key_id, call)
        if update.budget_type == "Unlimited":
            self._budgets.pop(whose, None)
            return json_reply({})
        if update.budget_limit is None or (update.budget_type == "Recurring") != (update.cycle is not None):
            raise _bad(f"a {update.budget_type} budget wants budget_limit, and a Recurring one cycle")
        self._budgets[whose] = _Budget(update.budget_type, update.budget_limit, update.cycle)
        return json_reply({})

    async def _check(self, call: Call) -> Reply:
        check = await _read(call, _Check)
        budget = self._of(_whose(check.member_id, check.key_id, call))
        if call.path.endswith("-by-cost") and check.cost is None:
            raise _bad("cost is missing")
        enough = budget["remaining"] > 0 if check.cost is None else budget["remaining"] >= check.cost
        return json_reply({"enough": budget["budget_type"] == "Unlimited" or enough})

    # ---------------------------------------------------------------------------------------- keys

    async def _list(self, call: Call) -> Reply:
        found: list[dict[str, Any]] = []
        for number, (key, member) in enumerate(_KEYS.items(), 1):
            entry: dict[str, Any] = {
                "name": key.removeprefix("key-"),
                "id": str(number),
                "stringId": key,
                "maskedKey": self._mask if key == KEY else "sk_sim******ther",
                "memberId": member,
                "uuid": member,
                "expireTime": "never",
                "createTime": f"{_day(self._ledger.opened)} 00:00:00",
                "lastUsedAt": int(self._clock.time()) if key == KEY else 0,
            }
            if call.query.get("includePolicySummary") == "true":
                shown = self._shown(key)
                counts = {name: shown[name] for name in ("allowedModelCount", "excludedModelCount")}
                entry["modelAccessPolicy"] = {"mode": shown["policy"]["mode"], **counts}
            found.append(entry)
        return json_reply({"keys": found})

    async def _policy(self, call: Call) -> Reply:
        return json_reply(self._shown(_key(call)))

    def _shown(self, key: str) -> dict[str, Any]:
        policy, updated = self._policies.get(key, (_Policy(), 0))
        return {
            "stringId": key,
            "policy": {
                "schemaVersion": 1,
                "productScope": "model_api",
                **msgspec.to_builtins(policy),
                "source": {"type": "private_policy" if updated else "default"},
            },
            "policyStatus": "active" if len(policy.excluded_models) < len(MODELS) else "no_available_models",
            "allowedModelCount": len(policy.allowed_models),
            "excludedModelCount": len(policy.excluded_models),
            "updatedAt": updated,
            "updatedBy": USER if updated else "",
        }

    async def _put_policy(self, call: Call) -> Reply:
        key, policy = _key(call), await _read(call, _Policy)
        selected = policy.mode == "selected"
        wanted = list(dict.fromkeys(policy.allowed_models if selected else policy.excluded_models))
        if selected and not wanted:
            raise _bad("allowedModels: there is none")
        for model in wanted:
            if model.type != "llm" or model.id not in MODELS:
                raise _bad(f"{model.type} model {model.id!r} is not enabled")
        stored = _Policy(policy.mode, wanted if selected else [], [] if selected else wanted)
        self._policies[key] = (stored, int(self._clock.time()))
        return json_reply(self._shown(key))

    async def _delete_policy(self, call: Call) -> Reply:
        self._policies.pop(_key(call), None)
        return json_reply({})

    # -------------------------------------------------------------------------------------- quotas

    async def _quotas(self, call: Call) -> Reply:
        rows = [
            self._quota("llm", model, kind, limit)
            for model in MODELS
            for kind, limit in zip(("RPM", "TPM"), self._limits.of(model), strict=True)
        ]
        rows += [self._quota("image", model, "IPM", self._limits.of(model)[0]) for model in _IMAGES]
        wanted = {name: call.query[name] for name in ("modal", "quotaType", "productType") if call.query.get(name)}
        part = call.query.get("quotaObject", "").lower()
        found = [
            row
            for row in rows
            if part in row["quotaObject"].lower() and all(row[name] == value for name, value in wanted.items())
        ]
        return json_reply({"data": found, "total": len(found)})

    def _quota(self, modal: str, model: str, kind: str, limit: int | None) -> dict[str, Any]:
        tiers = _TIERS[kind]
        return {
            "modal": modal,
            "quotaObject": model,
            "quotaType": kind,
            "productType": "Public Endpoint",
            "currentQuota": tiers[-1] if limit is None else limit,
            "defaultQuota": tiers[0],
            "adjustable": True,
            "quotaItems": [{"tier": f"T{number}", "quota": quota} for number, quota in enumerate(tiers, 1)],
        }


def _day(second: int) -> str:
    return datetime.datetime.fromtimestamp(second, datetime.UTC).date().isoformat()


def _bad(message: str) -> keys.Refusal:
    return keys.flat(HTTPStatus.BAD_REQUEST, "INVALID_REQUEST_BODY", message)


async def _read(call: Call, type_: type[T]) -> T:
    try:
        return await call.json(type_)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise _bad(str(error)) from None


def _member(member: str) -> str:
    if member not in _MEMBERS:
        raise keys.flat(HTTPStatus.NOT_FOUND, "USER_NOT_FOUND", f"there is no member {member!r}")
    return member


def _whose(member: str, key: str, call: Call) -> str:
    """The member, or the key of its that the path is about."""
    _member(member)
    if "/key-budget" not in call.path and "check-key-" not in call.path:
        return member
    if _KEYS.get(key) != member:
        raise keys.flat(HTTPStatus.NOT_FOUND, "RESOURCE_NOT_FOUND", f"{member} has no key {key!r}")
    return key


def _key(call: Call) -> str:
    if (key := call.params["key"]) not in _KEYS:
        raise keys.flat(HTTPStatus.NOT_FOUND, "RESOURCE_NOT_FOUND", f"there is no key {key!r}")
    return key
