"""`novita.videos` (contract/video.md, video.openapi.yaml)."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

from .calls import VideoCalls
from .words import arrange

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from .inputs import FileInput
    from .results import MediaResult
    from .unified import UnifiedVideos

__all__ = ["Videos"]

_FROM_TEXT = "kling-v3.0-std-t2v"
_FROM_IMAGE = "kling-v3.0-std-i2v"


class Videos(VideoCalls):
    """Videos from models. All of them work in tasks.

    `run` and `submit` take any model in its own words; `generate` has one vocabulary for all of them.
    """

    async def generate(
        self,
        prompt: str | None = None,
        *,
        image: FileInput | Sequence[FileInput] | None = None,
        end_image: FileInput | None = None,
        model: str | None = None,
        duration: float | None = None,
        size: tuple[int, int] | str | None = None,
        aspect_ratio: str | None = None,
        resolution: str | None = None,
        seed: int | None = None,
        format: str | None = None,
        negative_prompt: str | None = None,
        extra_body: Mapping[str, Any] | None = None,
        extra_headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
        **params: Any,
    ) -> MediaResult:
        """Make a video from a prompt, from a picture, or from its first and last frame, and wait for it.

        Args:
            prompt: what happens. Most models need one, with a picture too.
            image: the first frame, a file in any form; a list where the model takes several.
            end_image: the last frame.
            model: kling-v3.0-std-t2v, or with a picture kling-v3.0-std-i2v. Any other whose task is t2v, i2v or
                startend2v.
            duration: seconds, of those that the model can do.
            size: `(width, height)` in pixels, or text such as "1280x720", of models that go by it.
            aspect_ratio: such as "16:9", of models that go by that.
            resolution: such as "720p", in any case.
            seed: the same one gives the same video.
            format: mp4 or gif, of models that let it be chosen.
            negative_prompt: what not to show.
            extra_body: fields of the body's top level that the SDK does not know.
            extra_headers: headers for this call.
            timeout: submit and wait together, in seconds; None waits for an hour.
            params: the model's own parameters: `await novita.media.schema(model)`. Those that the older models require
                have defaults: 720p, 20 steps, a seed.

        Raises:
            ValidationError: the model has no such choice, or its parameters are wrong. Nothing was sent.
            TaskFailed, TaskTimeout, APIError: as `run`.

        Example:
            result = await novita.videos.generate("the boat drifts away", image="boat.png", duration=5)
            await result.save("videos")

        Contract: video.md, "Endpoints" and "Quirks an SDK must carry".
        """
        pictured = image is not None or end_image is not None
        entry = await self._model(model or (_FROM_IMAGE if pictured else _FROM_TEXT))
        arranged = arrange(
            entry,
            params,
            prompt=prompt,
            negative_prompt=negative_prompt,
            image=image,
            end_image=end_image,
            duration=duration,
            size=size,
            aspect_ratio=aspect_ratio,
            resolution=resolution,
            seed=seed,
            format=format,
        )
        return await self._run(entry, arranged, extra_body=extra_body, extra_headers=extra_headers, timeout=timeout)

    @cached_property
    def unified(self) -> UnifiedVideos:
        """One call for the models of all vendors, whose list and parameters the platform tells."""
        from .unified import UnifiedVideos

        return UnifiedVideos(self._runtime, self._tasks)
