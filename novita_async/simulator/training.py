"""Trainings of adapters (contract/image.md 9): a state that follows from the clock, then a model that is deployed.

Nothing is learned. What comes of a training is a LoRA with a name, which `/v3/model` lists from then on and every model
that takes `loras` accepts.
"""

from __future__ import annotations

import hashlib
import math
from functools import partial
from typing import TYPE_CHECKING, Any

import msgspec

from ..catalog import load
from . import keys
from .faults import Outcome
from .media_inputs import bad, read
from .router import Call, Router, json_reply
from .weights import page

if TYPE_CHECKING:
    from ..catalog import Model
    from ..runtime.clock import Clock
    from ..transport.protocol import Reply
    from .assets import Assets
    from .weights import WeightStock

__all__ = ["Training"]

_KINDS = ("subject", "style")
_QUEUED_SHARE = 0.1  # of a training's time
_DEPLOY_SHARE = 0.2  # and after it


class _Training(msgspec.Struct, kw_only=True):
    """A training that was asked for."""

    id: str
    kind: str
    name: str
    submitted: float  # monotonic
    created: float  # Unix seconds
    seconds: float
    outcome: Outcome | None
    model_name: str

    @property
    def deployed(self) -> float:
        """The age at which its model can be used."""
        return self.seconds * (1 + _DEPLOY_SHARE)

    def status(self, age: float) -> str:
        if age < self.seconds * _QUEUED_SHARE:
            return "QUEUING"
        if age < self.seconds:
            return "TRAINING"
        if self.outcome is None or self.outcome.status is None:
            return "SUCCESS"
        return self.outcome.status or "FAILED"

    def models(self, age: float) -> list[dict[str, str]]:
        if self.status(age) != "SUCCESS":
            return []
        return [{"model_name": self.model_name, "model_status": "SERVING" if age >= self.deployed else "DEPLOYING"}]

    def extra(self, age: float) -> dict[str, float]:
        queued = self.seconds * _QUEUED_SHARE
        done = min(1.0, max(0.0, (age - queued) / (self.seconds - queued))) if self.seconds else 1.0
        return {"eta_relative": math.ceil(max(0.0, self.seconds - age)), "progress_percent": int(100 * done)}


class Training:
    """`/v3/training`.

    Args:
        clock: what trainings grow older by.
        api_key: the good key.
        seed: part of what decides ids and names.
        seconds: how long a training takes. Its model is deployed in a fifth of that more.
        assets: what pictures were left.
        stock: where the LoRAs go.
    """

    def __init__(
        self, *, clock: Clock, api_key: str, seed: int, seconds: float, assets: Assets, stock: WeightStock
    ) -> None:
        self._clock = clock
        self._keys = keys.Keys(api_key, keys.MEDIA)
        self._seed = seed
        self._seconds = seconds
        self._assets = assets
        self._stock = stock
        self._models: dict[str, Model] = {}
        self._trainings: dict[str, _Training] = {}

    def routes(self, router: Router) -> None:
        guard = self._keys.guard
        for kind in _KINDS:
            router.add("POST", f"/v3/training/{kind}", guard(partial(self._create, kind)))
            router.add("GET", f"/v3/training/{kind}", guard(partial(self._read, kind)))
        router.add("GET", "/v3/training", guard(self._list))

    async def _create(self, kind: str, call: Call) -> Reply:
        if not self._models:
            self._models = await self._clock.to_thread(load)
        params = await read(call, self._models[f"training-{kind}"], self._clock)
        for number, item in enumerate(params["image_dataset_items"]):
            if not self._assets.filled(str(item["assets_id"])):
                raise bad(f"image_dataset_items[{number}].assets_id: no file was uploaded for it")
        name = f"{self._seed} training {len(self._trainings)}"
        digest = hashlib.blake2b(name.encode(), digest_size=16).hexdigest()
        after = call.outcome.after if call.outcome is not None else None
        training = _Training(
            id="-".join((digest[:8], digest[8:12], digest[12:16], digest[16:20], digest[20:])),
            kind=kind,
            name=params["name"],
            submitted=self._clock.monotonic(),
            created=self._clock.time(),
            seconds=self._seconds if after is None else after,
            outcome=call.outcome,
            model_name=f"model_{digest[:16]}",
        )
        self._trainings[training.id] = training
        if training.status(math.inf) == "SUCCESS":
            self._stock.add(
                training.name,
                training.model_name,
                is_sdxl="xl" in params["base_model"].lower(),
                since=training.submitted + training.deployed,
            )
        return json_reply({"task_id": training.id})

    async def _read(self, kind: str, call: Call) -> Reply:
        training = self._trainings.get(call.query.get("task_id", ""))
        if training is None or training.kind != kind:
            raise keys.flat(404, "TASK_NOT_FOUND", "task not found")
        age = self._age(training)
        return json_reply(
            {
                "task_id": training.id,
                "task_status": training.status(age),
                "model_type": "lora" if training.models(age) else "",
                "models": training.models(age),
                "extra": training.extra(age),
            }
        )

    async def _list(self, call: Call) -> Reply:
        kind = call.query.get("task_type")
        found = [training for training in reversed(self._trainings.values()) if kind in (None, training.kind)]
        shown, following = page(call, found)
        return json_reply({"tasks": [self._row(each) for each in shown], "pagination": {"next_cursor": following}})

    def _row(self, training: _Training) -> dict[str, Any]:
        age = self._age(training)
        return {
            "task_name": training.name,
            "task_id": training.id,
            "task_type": training.kind,
            "task_status": training.status(age),
            "created_at": int(training.created),
            "models": training.models(age),
        }

    def _age(self, training: _Training) -> float:
        return self._clock.monotonic() - training.submitted
