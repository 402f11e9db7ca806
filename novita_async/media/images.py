"""`novita.images` (contract/image.md, image.openapi.yaml)."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

from .calls import ImageCalls
from .words import arrange

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ..runtime.pages import Pages
    from .inputs import FileInput
    from .results import MediaResult
    from .training import Trainings
    from .weights import Weights

__all__ = ["Images"]

_DEFAULT = "seedream-5.0-lite"


class Images(ImageCalls):
    """Pictures from models.

    `run` and `submit` take any model in its own words. The others here are for what is asked for most: one vocabulary,
    whatever the model calls it, and a `ValidationError` that names what a model cannot do.
    """

    async def generate(
        self,
        prompt: str,
        *,
        model: str = _DEFAULT,
        size: tuple[int, int] | str | None = None,
        aspect_ratio: str | None = None,
        n: int | None = None,
        seed: int | None = None,
        format: str | None = None,
        negative_prompt: str | None = None,
        extra_body: Mapping[str, Any] | None = None,
        extra_headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
        **params: Any,
    ) -> MediaResult:
        """Make pictures from a prompt, and wait for them.

        Args:
            prompt: what to paint.
            model: one whose task is t2i.
            size: `(width, height)` in pixels, or text such as "1024x1024"; within the model's limits.
            aspect_ratio: such as "16:9", of models that go by it.
            n: how many pictures. Of Seedream 4.0 and later at most so many: the model decides.
            seed: the same one gives the same picture.
            format: png, jpeg or webp, of models that let it be chosen.
            negative_prompt: what not to paint.
            extra_body: fields of the body's top level that the SDK does not know.
            extra_headers: headers for this call.
            timeout: submit and wait together, in seconds.
            params: the model's own parameters: `await novita.media.schema(model)`. Those that txt2img and FLUX.1
                schnell require have defaults here: 1024x1024, 20 steps (schnell: 4), a guidance scale of 7.5, the
                sampler "DPM++ 2M Karras", SDXL's base checkpoint, any seed.

        Raises:
            ValidationError: the model has no such choice, or its parameters are wrong. Nothing was sent.
            TaskFailed, TaskTimeout, APIError: as `run`.

        Example:
            result = await novita.images.generate("a lighthouse in a storm", size=(2048, 2048))
            await result.save("pictures")

        Contract: image.md sections 2, 6 and 10.
        """
        entry = await self._model(model)
        arranged = arrange(
            entry,
            params,
            prompt=prompt,
            negative_prompt=negative_prompt,
            size=size,
            aspect_ratio=aspect_ratio,
            n=n,
            seed=seed,
            format=format,
        )
        return await self._run(entry, arranged, extra_body=extra_body, extra_headers=extra_headers, timeout=timeout)

    async def edit(
        self,
        prompt: str | None,
        image: FileInput | Sequence[FileInput],
        *,
        mask: FileInput | None = None,
        model: str | None = None,
        size: tuple[int, int] | str | None = None,
        n: int | None = None,
        seed: int | None = None,
        format: str | None = None,
        negative_prompt: str | None = None,
        extra_body: Mapping[str, Any] | None = None,
        extra_headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
        **params: Any,
    ) -> MediaResult:
        """Make a picture of one picture or of several, and wait for it.

        Args:
            prompt: what to change; None for models that need no words, such as cleanup and remove-text.
            image: a file in any form, or a list of them where the model takes several.
            mask: which part to change; white is the part for image-eraser, cleanup and inpainting.
            model: seedream-5.0-lite, or with a mask inpainting. Others are flux-1-kontext-dev, flux-2-dev,
                seedream-4.5, qwen-image-edit, img2img, replace-background, image-eraser, cleanup, remove-text and
                outpainting.
            size, n, seed, format, negative_prompt: as in `generate`.
            extra_body, extra_headers, timeout: as in `generate`.
            params: the model's own parameters; those that img2img and inpainting require have defaults.

        Raises:
            ValidationError: the model has no such choice, or its parameters are wrong. Nothing was sent.
            TaskFailed, TaskTimeout, APIError: as `run`.

        Example:
            result = await novita.images.edit("make it winter", "garden.png")

        Contract: image.md sections 2 and 6.
        """
        entry = await self._model(model or ("inpainting" if mask is not None else _DEFAULT))
        arranged = arrange(
            entry,
            params,
            prompt=prompt,
            negative_prompt=negative_prompt,
            image=image,
            mask=mask,
            size=size,
            n=n,
            seed=seed,
            format=format,
        )
        return await self._run(entry, arranged, extra_body=extra_body, extra_headers=extra_headers, timeout=timeout)

    async def upscale(
        self,
        image: FileInput,
        *,
        scale: float | None = None,
        resolution: str | None = None,
        model: str | None = None,
        format: str | None = None,
        extra_headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
        **params: Any,
    ) -> MediaResult:
        """Make a picture larger, and wait for it.

        Args:
            image: a file in any form. image-upscaler takes links only.
            scale: how many times as wide and high, above 1 and up to 4; 2 when neither it nor `resolution` is given.
            resolution: 2k, 4k or 8k, in place of `scale`.
            model: upscale, or image-upscaler for a resolution.
            format: png, jpeg or webp.
            extra_headers, timeout: as in `generate`.
            params: the model's own parameters.

        Raises:
            ValidationError: the model has no such choice, or its parameters are wrong. Nothing was sent.
            TaskFailed, TaskTimeout, APIError: as `run`.

        Contract: image.md sections 2 and 6.
        """
        entry = await self._model(model or ("image-upscaler" if resolution is not None else "upscale"))
        arranged = arrange(entry, params, image=image, scale=scale, resolution=resolution, format=format)
        return await self._run(entry, arranged, extra_headers=extra_headers, timeout=timeout)

    async def remove_background(
        self,
        image: FileInput,
        *,
        model: str = "remove-background",
        format: str | None = None,
        extra_headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
    ) -> MediaResult:
        """Cut out what a picture shows, and wait for it.

        Args:
            image: a file in any form. image-remove-background takes links only.
            model: remove-background or image-remove-background.
            format: png or webp, which can be transparent.
            extra_headers, timeout: as in `generate`.

        Raises:
            ValidationError, TaskFailed, TaskTimeout, APIError: as `edit`.

        Contract: image.md sections 2 and 6.
        """
        entry = await self._model(model)
        arranged = arrange(entry, {}, image=image, format=format)
        return await self._run(entry, arranged, extra_headers=extra_headers, timeout=timeout)

    async def describe(
        self,
        image: FileInput,
        *,
        extra_headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
    ) -> str:
        """A prompt that a picture may have been made from, by the model img2prompt.

        Args:
            image: a file in any form.
            extra_headers: headers for this call.
            timeout: the whole call in seconds.

        Raises:
            ValidationError, APIError: as `run`.

        Contract: image.md sections 2 and 6.
        """
        entry = await self._model("img2prompt")
        result = await self._run(entry, arrange(entry, {}, image=image), extra_headers=extra_headers, timeout=timeout)
        return result.text

    @cached_property
    def training(self) -> Trainings:
        """Adapters of your own, from some pictures of a person or of a style."""
        from .training import Trainings

        return Trainings(self._runtime, self._tasks)

    def weights(
        self,
        *,
        type: str | None = None,
        query: str | None = None,
        is_sdxl: bool | None = None,
        is_inpainting: bool | None = None,
        source: str | None = None,
        visibility: str | None = None,
        limit: int | None = None,
        timeout: float | None = None,
    ) -> Pages[Weights]:
        """List what Stable Diffusion models can be put together from: `async for one in ...`, or `await ...` for all.

        Args:
            type: checkpoint, lora, vae, controlnet, upscaler or textualinversion.
            query: text in a name or a tag.
            is_sdxl: True for SDXL only, False for none of it.
            is_inpainting: True for those made for inpainting.
            source: civitai, training or uploading.
            visibility: public or private; both when not given.
            limit: how many a page has, 1 to 100. More pages are asked for as they are needed.
            timeout: each page in seconds.

        Raises:
            ValidationError: a limit that cannot be one.

        Example:
            async for lora in novita.images.weights(type="lora", query="watercolor", is_sdxl=True):
                print(lora.name, lora.name_in_api)

        Contract: image.md section 7; GET /v3/model.
        """
        from .weights import weights

        return weights(
            self._runtime,
            {
                "filter.types": type,
                "filter.query": query,
                "filter.is_sdxl": is_sdxl,
                "filter.is_inpainting": is_inpainting,
                "filter.source": source,
                "filter.visibility": visibility,
            },
            limit=limit,
            timeout=timeout,
        )
