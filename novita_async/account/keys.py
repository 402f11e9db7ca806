"""`novita.account.keys`: the API keys of the account, and which models each may use (account.openapi.yaml)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from ..errors import ValidationError
from ..wire.json import Object
from .endpoint import Endpoint, check_text, segment
from .units import Number, moment

if TYPE_CHECKING:
    import datetime
    from collections.abc import Mapping, Sequence

__all__ = ["ApiKey", "Keys", "ModelRef", "Policy", "PolicySummary"]


class PolicySummary(Object, rename="camel"):
    """How many models a key may use.

    Attributes:
        mode: "all_enabled" (all but some) or "selected" (some alone).
        allowed_model_count: of mode "selected".
        excluded_model_count: of mode "all_enabled".
    """

    mode: str = ""
    allowed_model_count: int = 0
    excluded_model_count: int = 0


class ApiKey(Object, rename="camel"):
    """An API key, without itself.

    Attributes:
        id: what its policy is found by; the platform's `stringId`.
        name: what its owner calls it.
        masked_key: the key without its middle.
        member_id: whose it is.
        expire_time: "never", or a time as the platform writes it.
        create_time: as "2026-01-31 12:00:00"; nobody says in which zone.
        policy: which models it may use, where that was asked for.
    """

    id: str = msgspec.field(name="stringId")
    name: str = ""
    masked_key: str = ""
    member_id: str = ""
    expire_time: str = ""
    create_time: str = ""
    policy: PolicySummary | None = msgspec.field(default=None, name="modelAccessPolicy")
    wire_last_used: Number = msgspec.field(default=None, name="lastUsedAt")

    @property
    def last_used_at(self) -> datetime.datetime | None:
        """When it was last used; None for never."""
        return moment(self.wire_last_used)


class ModelRef(msgspec.Struct, frozen=True):
    """A model of a policy.

    Attributes:
        id: such as "deepseek/deepseek-v3.1".
        type: its family.
    """

    id: str
    type: str = "llm"


class _Models(Object, rename="camel"):
    mode: str = ""
    allowed_models: list[ModelRef] | None = None
    excluded_models: list[ModelRef] | None = None


class Policy(Object, rename="camel"):
    """Which models a key may use, as the platform has stored it.

    Attributes:
        key_id: the key.
        status: "active", or "no_available_models" when nothing is left that it could use.
        allowed_model_count, excluded_model_count: how many models the lists have, also where they are not shown.
        updated_by: id of the user; "" for the policy of keys that have none of their own.
    """

    key_id: str = msgspec.field(name="stringId")
    status: str = msgspec.field(default="", name="policyStatus")
    allowed_model_count: int = 0
    excluded_model_count: int = 0
    updated_by: str = ""
    wire_updated: Number = msgspec.field(default=None, name="updatedAt")
    wire_policy: _Models = msgspec.field(default_factory=_Models, name="policy")

    @property
    def mode(self) -> str:
        """ "all_enabled" or "selected"."""
        return self.wire_policy.mode

    @property
    def allowed(self) -> Sequence[ModelRef]:
        """The models of mode "selected"."""
        return self.wire_policy.allowed_models or []

    @property
    def excluded(self) -> Sequence[ModelRef]:
        """The models that mode "all_enabled" leaves out."""
        return self.wire_policy.excluded_models or []

    @property
    def updated_at(self) -> datetime.datetime | None:
        """When it was set; None for the policy of keys that have none of their own."""
        return moment(self.wire_updated)


class _Keys(Object):
    keys: list[msgspec.Raw] | None


class Keys(Endpoint):
    """`novita.account.keys`.

    Example:
        for key in await novita.account.keys.list(policies=True):
            await novita.account.keys.set_policy(key.id, allow=["deepseek/deepseek-v3.1"])
    """

    async def list(
        self,
        *,
        policies: bool = False,
        extra_headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
    ) -> Sequence[ApiKey]:
        """The API keys: all of the team for Owner and Admin, their own for others.

        Args:
            policies: tell how many models each may use.
            extra_headers: headers for this call.
            timeout: the call in seconds, retries and waits included.

        Contract: account.openapi.yaml, GET /openapi/v2/user/key.
        """
        query = {"includePolicySummary": "true"} if policies else {}
        call = self._call("GET", "/openapi/v2/user/key", query=query, extra_headers=extra_headers, timeout=timeout)
        return self._objects((await self._runtime.fetch(call, _Keys)).keys, ApiKey)

    async def policy(
        self, key_id: str, *, extra_headers: Mapping[str, str] | None = None, timeout: float | None = None
    ) -> Policy:
        """Which models a key may use. One that was never given a policy has that of all models.

        Contract: account.openapi.yaml, GET /openapi/v2/user/key/{stringId}/model-access-policy.
        """
        call = self._call("GET", _path(key_id), extra_headers=extra_headers, timeout=timeout)
        return await self._runtime.fetch(call, Policy)

    async def set_policy(
        self,
        key_id: str,
        *,
        allow: Sequence[str | ModelRef] | None = None,
        exclude: Sequence[str | ModelRef] | None = None,
        extra_body: Mapping[str, Any] | None = None,
        extra_headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
    ) -> Policy:
        """Say which models a key may use: these alone, or all but these; neither means all. Wants Owner or Admin.

        Args:
            key_id: the key.
            allow: language models by their ids, at least one; a `ModelRef` for another family.
            exclude: likewise, the models that it may not use.
            extra_body: fields for the body that the SDK does not know; they win over known ones.
            extra_headers: headers for this call.
            timeout: the call in seconds, retries and waits included.

        Returns:
            What was stored, without what was said twice.

        Raises:
            ValidationError: both lists are given, `allow` is empty, or there is something else in them.
            BadRequest: a model is not enabled for the team, or not there.

        Contract: account.openapi.yaml, PUT /openapi/v2/user/key/{stringId}/model-access-policy.
        """
        if allow is not None and exclude is not None:
            raise ValidationError("allow and exclude: give one of them")
        if allow is not None and not allow:
            raise ValidationError("allow: a key that may use nothing cannot be; name at least one model")
        body: dict[str, Any] = {
            "schemaVersion": 1,
            "productScope": "model_api",
            "mode": "all_enabled" if allow is None else "selected",
        }
        if allow is not None:
            body["allowedModels"] = _references("allow", allow)
        if exclude:
            body["excludedModels"] = _references("exclude", exclude)
        call = self._call(
            "PUT", _path(key_id), body, extra_body=extra_body, extra_headers=extra_headers, timeout=timeout
        )
        return await self._runtime.fetch(call, Policy)

    async def reset_policy(
        self, key_id: str, *, extra_headers: Mapping[str, str] | None = None, timeout: float | None = None
    ) -> None:
        """Take a key's policy away, so that it may use all models. Wants Owner or Admin.

        Contract: account.openapi.yaml, DELETE /openapi/v2/user/key/{stringId}/model-access-policy.
        """
        await self._runtime.request(self._call("DELETE", _path(key_id), extra_headers=extra_headers, timeout=timeout))


def _references(name: str, models: Sequence[str | ModelRef]) -> Sequence[ModelRef]:
    if isinstance(models, str):
        raise ValidationError(f"{name} is a list of models, got {models!r}")
    found = [each if isinstance(each, ModelRef) else ModelRef(check_text(name, each)) for each in models]
    return list(dict.fromkeys(found))


def _path(key_id: str) -> str:
    return f"/openapi/v2/user/key/{segment('key_id', key_id)}/model-access-policy"
