"""`run` and `submit` of every model. For editors and type checkers `calls.pyi` has each model's own parameters."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .jobs import MediaJobs

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ..runtime.task import Task
    from .results import MediaResult

__all__ = ["AudioCalls", "ImageCalls", "ModelCalls", "VideoCalls"]


class ModelCalls(MediaJobs):
    """`run` and `submit`."""

    async def submit(
        self,
        model: str,
        /,
        *,
        validate: bool = True,
        extra_body: Mapping[str, Any] | None = None,
        extra_headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
        **params: Any,
    ) -> Task[MediaResult]:
        """Submit a task and return its handle.

        Args:
            model: a model that works in tasks.
            validate: check the parameters against the contract first. False lets anything through.
            extra_body: fields of the body's top level that the SDK does not know.
            extra_headers: headers for this call.
            timeout: the submit in seconds, retries included. The task may take as long as it takes.
            params: the model's parameters: `await novita.media.schema(model)`. Where it takes a file: bytes, a path, an
                open file, a URL, base64, a data URI or a PIL image. Sizes may be `(width, height)`.

        Raises:
            ValidationError: everything that is wrong with the parameters. Nothing was sent.
            OutcomeUnknown: the submit was sent and not answered; it was not sent again.
            APIError: the platform refused.

        Warns:
            ModelRetiredWarning: once, for a model that has an end.

        Contract: image.md sections 2, 3 and 6; video.md, "How a job runs"; platform.md, "Tasks".
        """
        return await self._submit(
            model, params, validate=validate, extra_body=extra_body, extra_headers=extra_headers, timeout=timeout
        )

    async def run(
        self,
        model: str,
        /,
        *,
        validate: bool = True,
        extra_body: Mapping[str, Any] | None = None,
        extra_headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
        **params: Any,
    ) -> MediaResult:
        """Run a model and wait for what it makes.

        Args:
            model: a model; one that works in tasks is submitted and waited for.
            validate: check the parameters against the contract first. False lets anything through.
            extra_body: fields of the body's top level that the SDK does not know.
            extra_headers: headers for this call.
            timeout: submit and wait together, in seconds; None for the client's limits and an hour of waiting.
            params: the model's parameters, as `submit` takes them.

        Raises:
            ValidationError, OutcomeUnknown, APIError: as `submit`.
            TaskFailed, TaskTimeout, TaskStateUnknown: as `Task.wait`; the handle is on the error.

        Example:
            result = await novita.images.run(
                "flux-1-schnell", prompt="a lighthouse", size=(512, 512), steps=4, seed=7, image_num=1
            )
            paths = await result.save("pictures")

        Contract: image.md sections 2, 3 and 6; video.md, "How a job runs"; platform.md, "Tasks".
        """
        return await self._run(
            model, params, validate=validate, extra_body=extra_body, extra_headers=extra_headers, timeout=timeout
        )


class ImageCalls(ModelCalls):
    """Models that make, edit or describe pictures."""

    product = "images"


class VideoCalls(ModelCalls):
    """Models that make or edit videos."""

    product = "videos"


class AudioCalls(ModelCalls):
    """Models that speak, listen, sing, or learn a voice."""

    product = "audio"
