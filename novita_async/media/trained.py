"""What a training is and what it makes (contract/image.md 9)."""

from __future__ import annotations

import datetime
from typing import Any, TypedDict

import msgspec

from ..errors import ValidationError
from ..wire.json import Object

__all__ = ["ExpertSetting", "TrainedModel", "Training", "TrainingExtra"]


class ExpertSetting(TypedDict, total=False):
    """What may be said of how it is learned."""

    train_batch_size: int
    """1 to 4."""
    learning_rate: float
    """1e-4, 1e-5, 1e-6, 2e-4 or 5e-5."""
    max_train_steps: int
    """All steps together; 500 is said to be enough."""
    seed: int
    """From 1."""
    lr_scheduler: str
    """constant, linear, cosine, cosine_with_restarts, polynomial or constant_with_warmup."""
    lr_warmup_steps: int
    """Not used with constant."""
    with_prior_preservation: bool
    prior_loss_weight: float
    """Above 0."""
    train_text_encoder: bool
    """Of a subject only."""
    lora_r: int
    """4 to 128, as the next three."""
    lora_alpha: int
    lora_text_encoder_r: int
    lora_text_encoder_alpha: int


class TrainedModel(Object):
    """An adapter that a training made.

    Attributes:
        model_name: what `loras` call it.
        model_status: DEPLOYING, then SERVING.
    """

    model_name: str = ""
    model_status: str = ""


class TrainingExtra(Object):
    """How far it is. `eta_relative` is seconds left, `progress_percent` 0 to 100."""

    eta_relative: float | None = None
    progress_percent: float | None = None


class Training(Object):
    """A training, as it stands.

    Attributes:
        task_id: the platform's id.
        task_status: UNKNOWN, QUEUING, TRAINING, SUCCESS, CANCELED, FAILED, or something newer.
        task_name: the name that it was given; told by `list` only.
        task_type: subject or style; told by `list` only.
        model_type: lora.
        models: the adapters that it made.
        extra: how far it is.
    """

    task_id: str = ""
    task_status: str = ""
    task_name: str | None = None
    task_type: str | None = None
    model_type: str | None = None
    models: list[TrainedModel] | None = None
    extra: TrainingExtra | None = None
    wire_created: float | None = msgspec.field(name="created_at", default=None)

    @property
    def created_at(self) -> datetime.datetime | None:
        """When it was created; told by `list` only."""
        return datetime.datetime.fromtimestamp(self.wire_created, datetime.UTC) if self.wire_created else None

    @property
    def model_name(self) -> str:
        """The adapter that can be used; "" as long as none can."""
        return next((model.model_name for model in self.models or () if model.model_status == "SERVING"), "")

    def lora(self, *, strength: float = 0.7) -> dict[str, Any]:
        """What goes into `loras` of txt2img and img2img.

        Args:
            strength: 0 to 1.

        Raises:
            ValidationError: none can be used yet.

        Example:
            result = await novita.images.generate("ohwx person as a sailor", model="txt2img", loras=[training.lora()])
        """
        if not self.model_name:
            raise ValidationError(f"training {self.task_id} has no model that is SERVING yet")
        return {"model_name": self.model_name, "strength": strength}
