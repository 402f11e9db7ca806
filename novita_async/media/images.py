"""`novita.images` (contract/image.md, image.openapi.yaml)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, Unpack, overload

from .jobs import MediaJobs

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ..runtime.task import Task
    from .models import FluxSchnellParams, Txt2ImgParams
    from .results import MediaResult

__all__ = ["Images"]


class Images(MediaJobs):
    """Pictures from models."""

    async def submit(
        self,
        model: Literal["txt2img"],
        *,
        extra_body: Mapping[str, Any] | None = None,
        extra_headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
        **params: Unpack[Txt2ImgParams],
    ) -> Task[MediaResult]:
        """Submit a task and return its handle.

        Args:
            model: a model that works in tasks.
            extra_body: fields of the body's top level that the SDK does not know.
            extra_headers: headers for this call.
            timeout: the submit in seconds, retries included. The task may take as long as it takes.
            params: the model's parameters.

        Raises:
            ValidationError: a parameter is missing, of a wrong type or out of range. Nothing was sent.
            OutcomeUnknown: the submit was sent and not answered; it was not sent again.
            APIError: the platform refused.

        Contract: image.md sections 2 and 3.
        """
        return await self._submit(
            model, dict(params), extra_body=extra_body, extra_headers=extra_headers, timeout=timeout
        )

    @overload
    async def run(
        self,
        model: Literal["txt2img"],
        *,
        extra_body: Mapping[str, Any] | None = None,
        extra_headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
        **params: Unpack[Txt2ImgParams],
    ) -> MediaResult: ...
    @overload
    async def run(
        self,
        model: Literal["flux-1-schnell"],
        *,
        extra_body: Mapping[str, Any] | None = None,
        extra_headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
        **params: Unpack[FluxSchnellParams],
    ) -> MediaResult: ...
    async def run(
        self,
        model: str,
        *,
        extra_body: Mapping[str, Any] | None = None,
        extra_headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
        **params: Any,
    ) -> MediaResult:
        """Make pictures and wait for them.

        Args:
            model: a model; one that works in tasks is submitted and waited for.
            extra_body: fields of the body's top level that the SDK does not know.
            extra_headers: headers for this call.
            timeout: submit and wait together, in seconds; None for the client's limits and an hour of waiting.
            params: the model's parameters.

        Raises:
            ValidationError, OutcomeUnknown, APIError: as `submit`.
            TaskFailed, TaskTimeout, TaskStateUnknown: as `Task.wait`; the handle is on the error.

        Example:
            result = await novita.images.run(
                "flux-1-schnell", prompt="a lighthouse", width=512, height=512, steps=4, seed=7, image_num=1
            )
            paths = await result.save("pictures")

        Contract: image.md sections 2 and 3.
        """
        return await self._run(model, params, extra_body=extra_body, extra_headers=extra_headers, timeout=timeout)
