"""Every model's own parameters, for editors and type checkers. Made by `python -m tools.catalog`."""

from collections.abc import Mapping
from typing import Any, Literal, Required, TypeAlias, TypedDict, Unpack, overload

from ..runtime.task import Task
from .inputs import FileInput
from .jobs import MediaJobs
from .results import MediaResult

__all__ = ["AudioCalls", "ImageCalls", "ModelCalls", "VideoCalls"]

#: Width and height in pixels, or the platform's own text for them.
Size: TypeAlias = tuple[int, int] | str

class ModelCalls(MediaJobs):
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
    ) -> Task[MediaResult]: ...
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
    ) -> MediaResult: ...

class Txt2imgExtraWebhookTestMode(TypedDict, total=False):
    enabled: Required[bool]
    """Turns the mock delivery on. Default False."""
    return_task_status: Required[Literal["TASK_STATUS_SUCCEED", "TASK_STATUS_FAILED"]]
    """Which outcome the mock event carries."""

class Txt2imgExtraWebhook(TypedDict, total=False):
    url: Required[str]
    """Receiver address (HTTPS advised)."""
    test_mode: Txt2imgExtraWebhookTestMode
    """When enabled, a simulated event goes to the webhook and no real generation is run."""

class Txt2imgExtraCustomStorageAwsS3(TypedDict, total=False):
    region: Required[str]
    """AWS region of the bucket."""
    bucket: Required[str]
    """Bucket name."""
    path: Required[str]
    """Key prefix inside the bucket."""
    save_to_path_directly: bool
    """true writes straight into path; false adds a directory level chosen by the platform. Default False."""

class Txt2imgExtraCustomStorage(TypedDict, total=False):
    aws_s3: Txt2imgExtraCustomStorageAwsS3
    """The bucket policy must let the Novita canonical user do s3:PutObject and s3:PutObjectAcl on every key."""

class Txt2imgExtraEnterprisePlan(TypedDict, total=False):
    enabled: bool
    """Run on the account's dedicated endpoint; ignored without such a subscription. Default False."""

class Txt2imgExtra(TypedDict, total=False):
    response_image_type: Literal["png", "webp", "jpeg"]
    """Encoding of the produced images. Default "png"."""
    webhook: Txt2imgExtraWebhook
    """Delivery target for the ASYNC_TASK_RESULT event."""
    custom_storage: Txt2imgExtraCustomStorage
    """Send outputs to the caller's own bucket in place of the short-lived Novita storage."""
    enterprise_plan: Txt2imgExtraEnterprisePlan
    enable_nsfw_detection: bool
    """Run the NSFW classifier on every output; billed at 0.0015 USD per image. Default False."""
    nsfw_detection_level: Literal[0, 1, 2]
    """Strictness: 0 explicit content and hate symbols, 1 adds non-explicit nudity and kissing, 2 adds swimwear and
    underwear. Default 0.
    """

class Txt2imgLorasItem(TypedDict, total=False):
    model_name: Required[str]
    """sd_name_in_api of a LoRA (GET /v3/model with filter.types=lora) or the file name of a trained model."""
    strength: Required[float]
    """Blend weight; 0 to 1."""

class Txt2imgEmbeddingsItem(TypedDict, total=False):
    model_name: Required[str]
    """sd_name_in_api of a textual inversion (filter.types=textualinversion)."""

class Txt2imgHiresFix(TypedDict, total=False):
    target_width: Required[int]
    """128 to 4096."""
    target_height: Required[int]
    """128 to 4096."""
    strength: Required[float]
    """0 leaves the picture alone, 1 is the full effect; 0 to 1."""
    upscaler: Literal["RealESRGAN_x4plus_anime_6B", "RealESRNet_x4plus", "Latent"]

class Txt2imgRefiner(TypedDict, total=False):
    switch_at: Required[float | None]
    """Share of the run handled by the refiner. null is shown in one official sample; 0 to 1."""

class Txt2imgParams(TypedDict, total=False):
    extra: Txt2imgExtra
    """Options of the Stable Diffusion style asynchronous endpoints (txt2img, img2img, inpainting, upscale, adetailer).
    The false default of enable_nsfw_detection is inferred from examples.
    """
    model_name: Required[str]
    """Checkpoint file name: sd_name from GET /v3/model with filter.types=checkpoint."""
    prompt: Required[str]
    """Positive prompt; up to 1024 characters."""
    width: int
    """128 to 2048."""
    height: int
    """128 to 2048."""
    image_num: Required[int]
    """Images per task; 1 to 8."""
    steps: Required[int]
    """Denoising steps; 1 to 100."""
    guidance_scale: Required[float]
    """Prompt adherence; 1 to 30."""
    sampler_name: Required[Literal["Euler a", "Euler", "LMS", "Heun", "DPM2", "DPM2 a", "DPM++ 2S a", "DPM++ 2M", "DPM++ SDE", "DPM fast", "DPM adaptive", "LMS Karras", "DPM2 Karras", "DPM2 a Karras", "DPM++ 2S a Karras", "DPM++ 2M Karras", "DPM++ SDE Karras", "DDIM", "PLMS", "UniPC"]]
    negative_prompt: str
    """Documented length 1 to 1024; official samples also send an empty string; up to 1024 characters."""
    sd_vae: str
    """VAE file name from GET /v3/model with filter.types=vae; empty string means the built-in one (seen in a sample).
    """
    seed: int
    """-1 picks a random seed; -1 or more. Default -1."""
    loras: list[Txt2imgLorasItem]
    """0 to 5 of them."""
    embeddings: list[Txt2imgEmbeddingsItem]
    """0 to 5 of them."""
    clip_skip: int
    """CLIP layers to skip counted from the end. Not in the txt2img field list, but every txt2img sample sends it and
    the v2-to-v3 guide maps it; range taken from img2img; 1 to 12.
    """
    hires_fix: Txt2imgHiresFix
    """Upscale during generation."""
    refiner: Txt2imgRefiner
    enable_transparent_background: bool
    """Transparent output; needs response_image_type png and an SDXL checkpoint."""
    restore_faces: bool
    """Face restoration pass."""
    size: tuple[int, int]
    """Width and height, in place of the two."""

class Img2imgControlnetUnitsItem(TypedDict, total=False):
    model_name: Required[str]
    """ControlNet model; pick an SD 1.5 or an SDXL one to match the checkpoint."""
    image_base64: Required[FileInput]
    """Conditioning image, raw base64."""
    strength: Required[float]
    """Weight of this unit; 0 to 1. Default 1."""
    preprocessor: Literal["scribble_hed", "softedge_hed", "scribble_hedsafe", "softedge_hedsafe", "depth_midas", "mlsd", "openpose", "openpose_face", "openpose_faceonly", "openpose_full", "openpose_hand", "dwpose", "scribble_pidinet", "softedge_pidinet", "scribble_pidsafe", "softedge_pidsafe", "normal_bae", "lineart_coarse", "lineart_realistic", "lineart_anime", "lineart", "depth_zoe", "shuffle", "mediapipe_face", "canny", "depth", "depth_leres", "depth_leres++"]
    """Annotator run on the image first; leave out when the image is already a control map."""
    guidance_start: float
    """Fraction of the run where the unit starts; 0 to 1."""
    guidance_end: float
    """Fraction of the run where the unit stops; 0 to 1."""

class Img2imgControlnet(TypedDict, total=False):
    units: Required[list[Img2imgControlnetUnitsItem]]

class Img2imgIpAdaptersItem(TypedDict, total=False):
    model_name: Required[Literal["ip-adapter_sd15.bin", "ip-adapter_sdxl.bin"]]
    """sd15 file for SD 1.x checkpoints, sdxl file for SDXL ones."""
    image_base64: Required[FileInput]
    """Reference image, raw base64."""
    strength: Required[float]
    """0 to 1."""

class Img2imgParams(TypedDict, total=False):
    extra: Txt2imgExtra
    """Options of the Stable Diffusion style asynchronous endpoints (txt2img, img2img, inpainting, upscale, adetailer).
    The false default of enable_nsfw_detection is inferred from examples.
    """
    model_name: Required[str]
    """Checkpoint file name: sd_name from GET /v3/model with filter.types=checkpoint."""
    image_base64: Required[FileInput]
    """Source image, raw base64; at most 16 megapixels and 10 MB."""
    prompt: Required[str]
    """Positive prompt; up to 1024 characters."""
    width: int
    """128 to 2048."""
    height: int
    """128 to 2048."""
    image_num: Required[int]
    """Images per task; 1 to 8."""
    steps: Required[int]
    """Denoising steps; 1 to 100."""
    guidance_scale: Required[float]
    """Prompt adherence; 1 to 30."""
    sampler_name: Required[Literal["Euler a", "Euler", "LMS", "Heun", "DPM2", "DPM2 a", "DPM++ 2S a", "DPM++ 2M", "DPM++ SDE", "DPM fast", "DPM adaptive", "LMS Karras", "DPM2 Karras", "DPM2 a Karras", "DPM++ 2S a Karras", "DPM++ 2M Karras", "DPM++ SDE Karras", "DDIM", "PLMS", "UniPC"]]
    negative_prompt: str
    """Documented length 1 to 1024; official samples also send an empty string; up to 1024 characters."""
    sd_vae: str
    """VAE file name from GET /v3/model with filter.types=vae; empty string means the built-in one (seen in a sample).
    """
    seed: int
    """-1 picks a random seed; -1 or more. Default -1."""
    loras: list[Txt2imgLorasItem]
    """0 to 5 of them."""
    embeddings: list[Txt2imgEmbeddingsItem]
    """0 to 5 of them."""
    clip_skip: int
    """CLIP layers to skip counted from the end; 1 to 12."""
    controlnet: Img2imgControlnet
    strength: float | None
    """How far to move away from the source image; 1 all but ignores it; 0 to 1."""
    ip_adapters: list[Img2imgIpAdaptersItem]
    """0 to 1 of them."""
    size: tuple[int, int]
    """Width and height, in place of the two."""

class InpaintingParams(TypedDict, total=False):
    extra: Txt2imgExtra
    """Options of the Stable Diffusion style asynchronous endpoints (txt2img, img2img, inpainting, upscale, adetailer).
    The false default of enable_nsfw_detection is inferred from examples.
    """
    model_name: Required[str]
    """Inpainting checkpoint: GET /v3/model with filter.types=checkpoint and filter.is_inpainting=true."""
    prompt: Required[str]
    """Positive prompt; up to 1024 characters."""
    image_num: Required[int]
    """Images per task; 1 to 8."""
    steps: Required[int]
    """Denoising steps; 1 to 100."""
    guidance_scale: Required[float]
    """Prompt adherence; 1 to 30."""
    sampler_name: Required[Literal["Euler a", "Euler", "LMS", "Heun", "DPM2", "DPM2 a", "DPM++ 2S a", "DPM++ 2M", "DPM++ SDE", "DPM fast", "DPM adaptive", "LMS Karras", "DPM2 Karras", "DPM2 a Karras", "DPM++ 2S a Karras", "DPM++ 2M Karras", "DPM++ SDE Karras", "DDIM", "PLMS", "UniPC"]]
    negative_prompt: str
    """Documented length 1 to 1024; official samples also send an empty string; up to 1024 characters."""
    sd_vae: str
    """VAE file name from GET /v3/model with filter.types=vae; empty string means the built-in one (seen in a sample).
    """
    seed: int
    """-1 picks a random seed; -1 or more. Default -1."""
    loras: list[Txt2imgLorasItem]
    """0 to 5 of them."""
    embeddings: list[Txt2imgEmbeddingsItem]
    """0 to 5 of them."""
    clip_skip: int
    """CLIP layers to skip counted from the end; 1 to 12."""
    image_base64: Required[FileInput]
    """Source image, raw base64; at most 16 megapixels and 30 MB."""
    mask_image_base64: Required[FileInput]
    """Mask, raw base64, same pixel size as the source; at most 16 megapixels and 30 MB."""
    mask_blur: int
    """Edge blur of the mask; 0 to 64."""
    strength: float | None
    """How far to move away from the source image; 1 all but ignores it; 0 to 1."""
    inpainting_full_res: Literal[0, 1]
    """0 works on the whole picture, 1 only on the masked area. Default 0."""
    inpainting_full_res_padding: int
    """Context pixels around the mask when inpainting_full_res is 1; 0 to 256. Default 8."""
    inpainting_mask_invert: Literal[0, 1]
    """1 inverts the mask. Default 0."""
    initial_noise_multiplier: float
    """0 to 1.5. Default 0.5."""

class UpscaleParams(TypedDict, total=False):
    extra: Txt2imgExtra
    """Options of the Stable Diffusion style asynchronous endpoints (txt2img, img2img, inpainting, upscale, adetailer).
    The false default of enable_nsfw_detection is inferred from examples.
    """
    model_name: Required[Literal["RealESRGAN_x4plus_anime_6B", "RealESRNet_x4plus", "4x-UltraSharp"]]
    image_base64: Required[FileInput]
    """Source image, raw base64; at most 2048x2048 and 30 MB."""
    scale_factor: Required[float]
    """Linear factor, above 1 and up to 4; more than 1 to 4."""

class AdetailerParams(TypedDict, total=False):
    extra: Txt2imgExtra
    """Options of the Stable Diffusion style asynchronous endpoints (txt2img, img2img, inpainting, upscale, adetailer).
    The false default of enable_nsfw_detection is inferred from examples.
    """
    model_name: Required[str]
    """Checkpoint file name: sd_name from GET /v3/model with filter.types=checkpoint."""
    prompt: Required[str]
    """Positive prompt; up to 1024 characters."""
    steps: int
    """Denoising steps; 1 to 100."""
    guidance_scale: float
    """Prompt adherence; 1 to 30."""
    sampler_name: Literal["Euler a", "Euler", "LMS", "Heun", "DPM2", "DPM2 a", "DPM++ 2S a", "DPM++ 2M", "DPM++ SDE", "DPM fast", "DPM adaptive", "LMS Karras", "DPM2 Karras", "DPM2 a Karras", "DPM++ 2S a Karras", "DPM++ 2M Karras", "DPM++ SDE Karras", "DDIM", "PLMS", "UniPC"]
    negative_prompt: str
    """Documented length 1 to 1024; official samples also send an empty string; up to 1024 characters."""
    sd_vae: str
    """VAE file name from GET /v3/model with filter.types=vae; empty string means the built-in one (seen in a sample).
    """
    seed: int
    """-1 picks a random seed; -1 or more. Default -1."""
    loras: list[Txt2imgLorasItem]
    """0 to 5 of them."""
    embeddings: list[Txt2imgEmbeddingsItem]
    """0 to 5 of them."""
    clip_skip: int
    """CLIP layers to skip counted from the end; 1 to 12."""
    image_assets_ids: list[FileInput]
    """assets_id returned by the asset upload host."""
    image_urls: list[FileInput]
    strength: float | None
    """How far to move away from the source image; 1 all but ignores it; 0 to 1."""

class ReplaceBackgroundAsyncExtra(TypedDict, total=False):
    response_image_type: Literal["png", "webp", "jpeg"]
    """Encoding of the returned image. Default "png"."""
    enterprise_plan: Txt2imgExtraEnterprisePlan

class ReplaceBackgroundAsyncParams(TypedDict, total=False):
    image_file: Required[FileInput]
    """Raw base64. Same input as the synchronous variant."""
    prompt: Required[str]
    """New background."""
    extra: ReplaceBackgroundAsyncExtra
    """Options of the synchronous editor endpoints."""

class Flux1KontextDevParams(TypedDict, total=False):
    prompt: Required[str]
    images: list[FileInput]
    """Reference images; omit for pure text-to-image; 0 to 4 of them."""
    fast_mode: bool
    """Quicker and cheaper, lower quality. Default False."""
    size: Size
    """width*height in pixels, asterisk separator, each side 256 to 1536."""
    num_inference_steps: int
    """1 to 50. Default 28."""
    guidance_scale: float
    """1 to 20. Default 2.5."""
    num_images: int
    """1 to 4. Default 1."""
    seed: int
    """-1 picks a random seed; -1 to 2147483647. Default -1."""
    output_format: Literal["jpeg", "png", "webp"]
    """Default "jpeg"."""

class Flux1KontextProParams(TypedDict, total=False):
    prompt: Required[str]
    images: list[FileInput]
    """Reference images; omit for pure text-to-image; 0 to 4 of them."""
    guidance_scale: float
    """1 to 20. Default 3.5."""
    aspect_ratio: Literal["21:9", "16:9", "4:3", "3:2", "1:1", "2:3", "3:4", "9:16", "9:21"]
    seed: int
    """-1 picks a random seed; -1 to 2147483647. Default -1."""
    safety_tolerance: Literal["1", "2", "3", "4", "5"]
    """String digit; 1 strictest, 5 most permissive. Only honoured for text-to-image. Default "2"."""

class Flux1KontextMaxParams(TypedDict, total=False):
    prompt: Required[str]
    images: list[FileInput]
    """Reference images; omit for pure text-to-image; 0 to 4 of them."""
    seed: int
    """-1 picks a random seed. The range is documented; the default is carried over from the pro page; -1 to
    2147483647. Default -1.
    """
    guidance_scale: float
    """1 to 20. Default 3.5."""
    safety_tolerance: Literal["1", "2", "3", "4", "5"]
    """String digit; 1 strictest, 5 most permissive. Default "2"."""
    aspect_ratio: Literal["21:9", "16:9", "4:3", "3:2", "1:1", "2:3", "3:4", "9:16", "9:21"]

class Flux2DevLorasItem(TypedDict, total=False):
    path: Required[str]
    """URL or path of the LoRA weights."""
    scale: float
    """Weight; 0 to 4. Default 1."""

class Flux2DevParams(TypedDict, total=False):
    seed: int
    """-1 picks a random seed; -1 to 2147483647. Default -1."""
    size: Size
    """width*height in pixels, asterisk separator, each side 256 to 1536."""
    loras: list[Flux2DevLorasItem]
    """LoRAs to apply. The item shape is not documented; path/scale is inferred from z-image-turbo-lora; 0 to 3 of
    them.
    """
    images: list[FileInput]
    """Images to edit; leave the field out for text-to-image (an empty list breaks the documented length); 1 to 3 of
    them.
    """
    prompt: Required[str]

class Flux2FlexParams(TypedDict, total=False):
    seed: int
    """-1 picks a random seed; -1 to 2147483647. Default -1."""
    size: Size
    """width*height in pixels, asterisk separator, each side 256 to 1536."""
    images: list[FileInput]
    """Images to edit; leave the field out for text-to-image (an empty list breaks the documented length); 1 to 3 of
    them.
    """
    prompt: Required[str]

class QwenImageTxt2imgParams(TypedDict, total=False):
    prompt: Required[str]
    size: Size
    """width*height in pixels, asterisk separator, each side 256 to 1536. Default "1024*1024"."""

class QwenImageEditParams(TypedDict, total=False):
    prompt: Required[str]
    image: Required[FileInput]
    """Image to edit; accepted forms not stated, URL and data URI are in use."""
    seed: int
    """-1 picks a random seed; -1 to 2147483647. Default -1."""
    output_format: Literal["jpeg", "png", "webp"]
    """Default "jpeg"."""

class HunyuanImage3Params(TypedDict, total=False):
    prompt: Required[str]
    size: Size
    """width*height in pixels, asterisk separator, each side 256 to 1536. Default "1024*1024"."""
    seed: int
    """-1 picks a random seed; -1 to 2147483647. Default -1."""

class ZImageTurboParams(TypedDict, total=False):
    seed: int
    """-1 picks a random seed; -1 to 2147483647. Default -1."""
    size: Size
    """width*height in pixels, asterisk separator, each side 256 to 1536. Default "1024*1024"."""
    prompt: Required[str]
    enable_base64_output: bool
    """Return base64 in place of a URL; where the base64 appears in the task result is not documented. Default False."""

class ZImageTurboLoraParams(TypedDict, total=False):
    seed: int
    """-1 picks a random seed; -1 to 2147483647. Default -1."""
    size: Size
    """width*height, asterisk separator; bounds not repeated on this page. Default "1024*1024"."""
    loras: list[Flux2DevLorasItem]
    """0 to 3 of them."""
    prompt: Required[str]

class GlmImageParams(TypedDict, total=False):
    size: Size
    """widthxheight, x separator; sides 1024 to 2048 and multiples of 32, at most 4194304 pixels. (One recommended
    value, 1728x960, has a side under the stated minimum.). Default "1280x1280".
    """
    prompt: Required[str]
    quality: Literal["hd"]
    """Default "hd"."""
    watermark_enabled: bool
    """Default True."""

class ImageUpscalerParams(TypedDict, total=False):
    image: Required[FileInput]
    """Source image URL."""
    resolution: Literal["2k", "4k", "8k"]
    """Default "4k"."""
    output_format: Literal["jpeg", "png", "webp"]
    """Default "jpeg"."""

class ImageEraserParams(TypedDict, total=False):
    mask: FileInput
    """Mask image: white is erased, black is kept."""
    image: Required[FileInput]
    """Source image (URL in practice; form not stated)."""
    prompt: str
    """Names what to remove; may stand in for the mask."""
    output_format: Literal["jpeg", "png", "webp"]
    """Default "jpeg"."""

class ImageRemoveBackgroundParams(TypedDict, total=False):
    image: Required[FileInput]
    """Source image URL."""

class VideoMergeFaceExtra(TypedDict, total=False):
    response_video_type: Literal["mp4", "gif"]
    """File type of the produced clip. Default "mp4"."""

class VideoMergeFaceParams(TypedDict, total=False):
    extra: VideoMergeFaceExtra
    """Optional output settings."""
    video_assets_id: Required[FileInput]
    """Identifier returned by the asset upload call; MP4 up to 3840x2160 and 100 MB."""
    enable_restore: Required[bool]
    """Run face restoration: more detail, more latency."""
    face_image_base64: Required[FileInput]
    """Face picture as base64."""

class Flux1SchnellParams(TypedDict, total=False):
    response_image_format: Literal["png", "webp", "jpeg"]
    """Note the name: not response_image_type and not inside extra. Default "png"."""
    prompt: Required[str]
    """up to 1024 characters."""
    seed: Required[int]
    """Required; unsigned, -1 is not offered; 0 to 4294967295."""
    steps: Required[int]
    """4 is the usual value; 1 to 100."""
    width: int
    """64 to 2048."""
    height: int
    """64 to 2048."""
    image_num: Required[int]
    """1 to 8."""
    size: tuple[int, int]
    """Width and height, in place of the two."""

class Seedream30Txt2imgParams(TypedDict, total=False):
    prompt: Required[str]
    model: Literal["seedream-3-0-t2i-250415"]
    response_format: Literal["url", "b64_json"]
    """Default "url"."""
    size: Size
    """widthxheight, x separator, between 512x512 and 2048x2048. Default "1024x1024"."""
    seed: int
    """-1 picks a random seed; -1 to 2147483647. Default -1."""
    guidance_scale: float
    """1 to 10. Default 2.5."""
    watermark: bool
    """"AI generated" label bottom right. Default True."""

class Seedream40Params(TypedDict, total=False):
    prompt: Required[str]
    """About 600 English words at most is advised."""
    images: list[FileInput]
    """Reference images, at most 10: jpeg or png, up to 10 MB, sides above 14 px, up to 6000x6000 pixels, aspect ratio
    1/3 to 3; 0 to 10 of them.
    """
    size: Size
    """1K, 2K or 4K, or widthxheight with x separator, total pixels 1024x1024 to 4096x4096, aspect ratio 1/16 to 16.
    Default "2048x2048".
    """
    sequential_image_generation: Literal["auto", "disabled"]
    """auto lets the model return a set; disabled returns one image. Default "disabled"."""
    max_images: int
    """Upper bound of the set, only with auto; references plus outputs may not exceed 15; 1 to 15. Default 15."""
    watermark: bool
    """Default True."""

class Seedream45OptimizePromptOptions(TypedDict, total=False):
    mode: Literal["standard"]
    """fast is described in prose but not accepted yet. Default "standard"."""

class Seedream45SequentialImageGenerationOptions(TypedDict, total=False):
    max_images: int
    """References plus outputs may not exceed 15; 1 to 15. Default 15."""

class Seedream45Params(TypedDict, total=False):
    size: Size
    """2K or 4K, or widthxheight with x separator; total pixels 3686400 to 16777216, aspect ratio 1/16 to 16. Default
    "2048x2048".
    """
    image: list[FileInput]
    """Field name is singular although it is a list. jpeg, png, webp, bmp, tiff, gif; 1 to 14 of them."""
    prompt: Required[str]
    """About 300 Chinese characters or 600 English words at most is advised."""
    watermark: bool
    """Default True."""
    optimize_prompt_options: Seedream45OptimizePromptOptions
    sequential_image_generation: Literal["auto", "disabled"]
    """Default "disabled"."""
    sequential_image_generation_options: Seedream45SequentialImageGenerationOptions
    """Only used with auto."""

class Seedream50LiteParams(TypedDict, total=False):
    size: Size
    """2K or 3K, or widthxheight with x separator; total pixels 3686400 to 10404496, aspect ratio 1/16 to 16. Default
    "2048x2048".
    """
    image: list[FileInput]
    """Field name is singular although it is a list. jpeg, png, webp, bmp, tiff, gif; 1 to 14 of them."""
    prompt: Required[str]
    """About 300 Chinese characters or 600 English words at most is advised."""
    watermark: bool
    """Default True."""
    optimize_prompt_options: Seedream45OptimizePromptOptions
    sequential_image_generation: Literal["auto", "disabled"]
    """Default "disabled"."""
    sequential_image_generation_options: Seedream45SequentialImageGenerationOptions
    """Only used with auto."""

class RemoveBackgroundParams(TypedDict, total=False):
    extra: ReplaceBackgroundAsyncExtra
    """Options of the synchronous editor endpoints."""
    image_file: Required[FileInput]
    """Raw base64. PNG or JPEG, at most 16 megapixels and 30 MB."""

class ReplaceBackgroundParams(TypedDict, total=False):
    extra: ReplaceBackgroundAsyncExtra
    """Options of the synchronous editor endpoints."""
    image_file: Required[FileInput]
    """Raw base64. At most 2048x2048 by the first figure and 4096 per side by the second on the same page; 30 MB."""
    prompt: Required[str]
    """New background. Missing from the field list but sent by the official sample, SDKs and CLI."""

class RemoveTextParams(TypedDict, total=False):
    extra: ReplaceBackgroundAsyncExtra
    """Options of the synchronous editor endpoints."""
    image_file: Required[FileInput]
    """Raw base64. At most 1024x1024 and 30 MB."""

class CleanupParams(TypedDict, total=False):
    extra: ReplaceBackgroundAsyncExtra
    """Options of the synchronous editor endpoints."""
    image_file: Required[FileInput]
    """Raw base64. At most 16 megapixels and 30 MB."""
    mask_file: Required[FileInput]
    """Raw base64. Mask, at most 16 megapixels and 30 MB."""

class OutpaintingParams(TypedDict, total=False):
    extra: ReplaceBackgroundAsyncExtra
    """Options of the synchronous editor endpoints."""
    image_file: Required[FileInput]
    """Raw base64. At most 1024x1024 and 30 MB."""
    prompt: Required[str]
    """up to 1024 characters."""
    negative_prompt: str
    """An older page capped it at 512; up to 1024 characters."""
    width: int
    """Canvas width, larger than the source; 1 to 4096."""
    height: int
    """Canvas height, larger than the source; 1 to 4096."""
    center_x: Required[int]
    """Offset of the source centre from the canvas centre; between plus and minus half of (width + source width).
    Default 0.
    """
    center_y: Required[int]
    """Same on the vertical axis. Default 0."""
    size: tuple[int, int]
    """Width and height, in place of the two."""

class MergeFaceParams(TypedDict, total=False):
    extra: ReplaceBackgroundAsyncExtra
    """Options of the synchronous editor endpoints."""
    face_image_file: Required[FileInput]
    """Raw base64. Face source, at most 2048x2048 and 30 MB."""
    image_file: Required[FileInput]
    """Raw base64. Target picture, at most 2048x2048 and 30 MB."""

class Img2promptParams(TypedDict, total=False):
    image_file: Required[FileInput]
    """Raw base64. At most 2048x2048 and 30 MB."""

class KlingV30StdT2vParams(TypedDict, total=False):
    sound: bool
    """Also generate sound. Default False."""
    prompt: Required[str]
    """Scene text; up to 2500 characters."""
    duration: int
    """Clip length in seconds; 3 to 15. Default 5."""
    cfg_scale: float
    """Prompt adherence; low is freer; 0 to 1. Default 0.5."""
    aspect_ratio: Literal["16:9", "9:16", "1:1"]
    """Frame aspect ratio. Default "16:9"."""
    negative_prompt: str
    """What to avoid; up to 2500 characters."""

class KlingV30StdI2vMultiPromptItem(TypedDict, total=False):
    prompt: Required[str]
    """Motion text of the shot."""
    duration: int
    """Shot length in seconds; 3 to 15. Default 5."""

class KlingV30StdI2vParams(TypedDict, total=False):
    image: Required[FileInput]
    """First frame."""
    sound: bool
    """Also generate sound. Default False."""
    prompt: Required[str]
    """Scene text; up to 2500 characters."""
    duration: int
    """Clip length in seconds; 3 to 15. Default 5."""
    cfg_scale: float
    """Prompt adherence; low is freer; 0 to 1. Default 0.5."""
    end_image: FileInput
    """Last frame; same limits as image."""
    multi_prompt: list[KlingV30StdI2vMultiPromptItem]
    """Shots of a multi-shot clip."""
    negative_prompt: str
    """What to avoid; up to 2500 characters."""

class KlingV30ProT2vParams(TypedDict, total=False):
    sound: bool
    """Also generate sound. Default False."""
    prompt: str
    """Scene text. Flagged required on the page, yet declared exclusive with multi_prompt; up to 2500 characters."""
    duration: int
    """Clip length in seconds; 3 to 15. Default 5."""
    cfg_scale: float
    """Prompt adherence; low is freer; 0 to 1. Default 0.5."""
    aspect_ratio: Literal["16:9", "9:16", "1:1"]
    """Frame aspect ratio. Default "16:9"."""
    multi_prompt: list[KlingV30StdI2vMultiPromptItem | str]
    """Shots of a multi-shot clip; exclusive with prompt. The page gives no item shape."""
    negative_prompt: str
    """What to avoid; up to 2500 characters."""

class KlingV30ProI2vParams(TypedDict, total=False):
    image: Required[FileInput]
    """First frame."""
    sound: bool
    """Also generate sound. Default False."""
    prompt: str
    """Scene text. Flagged required on the page; a third-party client omits it when multi_prompt is sent; up to 2500
    characters.
    """
    duration: int
    """Clip length in seconds; 3 to 15. Default 5."""
    cfg_scale: float
    """Prompt adherence; low is freer; 0 to 1. Default 0.5."""
    end_image: FileInput
    """Last frame; same limits as image."""
    multi_prompt: list[KlingV30StdI2vMultiPromptItem | str]
    """Shots of a multi-shot clip; a third-party client sends plain strings here."""
    negative_prompt: str
    """What to avoid; up to 2500 characters."""

class KlingV304kI2vParams(TypedDict, total=False):
    image: Required[FileInput]
    """First frame."""
    sound: bool
    """Also generate sound. Default False."""
    prompt: Required[str]
    """Scene text; up to 2500 characters."""
    duration: int
    """Clip length in seconds; 3 to 15. Default 5."""
    cfg_scale: float
    """Prompt adherence; low is freer; 0 to 1. Default 0.5."""
    end_image: FileInput
    """Last frame."""
    multi_prompt: list[KlingV30StdI2vMultiPromptItem]
    """Shots of a multi-shot clip."""
    negative_prompt: str
    """What to avoid; up to 2500 characters."""

class KlingV30MotionControlParams(TypedDict, total=False):
    image: Required[FileInput]
    """Picture to animate, URL or data URI."""
    video: Required[FileInput]
    """Clip whose motion is copied."""
    prompt: str
    """Style and scene text; up to 2500 characters."""
    model_name: Required[Literal["kling-v3-0-std", "kling-v3-0-pro"]]
    """Quality tier. Default "kling-v3-0-std"."""
    negative_prompt: str
    """What to avoid; up to 2500 characters."""
    keep_original_sound: bool
    """Carry over the reference clip's sound. Default True."""
    character_orientation: Required[Literal["image", "video"]]
    """image: keep the picture's pose and framing, 5-second output; video: keep the clip's, output as long as the clip,
    up to 30 s.
    """

class Txt2videoExtraWebhookTestMode(TypedDict, total=False):
    enabled: Required[bool]
    """Send a mock event instead of running the job. Default False."""
    return_task_status: Required[Literal["TASK_STATUS_SUCCEED", "TASK_STATUS_FAILED"]]
    """Outcome to simulate."""

class Txt2videoExtraWebhook(TypedDict, total=False):
    url: Required[str]
    """Receiver of the finished-task event."""
    test_mode: Txt2videoExtraWebhookTestMode
    """Mock delivery for integration tests."""

class Txt2videoExtraEnterprisePlan(TypedDict, total=False):
    enabled: bool
    """Run on the subscribed dedicated endpoint. Default False."""

class Txt2videoExtra(TypedDict, total=False):
    response_video_type: Literal["mp4", "gif"]
    """File type of the produced clip. Default "mp4"."""
    webhook: Txt2videoExtraWebhook
    """Per-request webhook settings (doc page model-apis-webhook)."""
    enterprise_plan: Txt2videoExtraEnterprisePlan
    """Dedicated endpoint switch."""

class Txt2videoPromptsItem(TypedDict, total=False):
    frames: Required[int]
    """Frames of this clip; 8 to 64."""
    prompt: Required[str]
    """Comma-separated prompt; up to 1024 characters."""

class Txt2videoLorasItem(TypedDict, total=False):
    model_name: Required[str]
    """`sd_name_in_api` of the LoRA."""
    strength: Required[float]
    """Weight; 0 to 1."""

class Txt2videoEmbeddingsItem(TypedDict, total=False):
    model_name: Required[str]
    """`sd_name_in_api` of the textual inversion."""

class Txt2videoParams(TypedDict, total=False):
    extra: Txt2videoExtra
    """Optional request extras of the legacy endpoints."""
    model_name: Required[str]
    """SD 1.x checkpoint; the `sd_name` value returned by the model list API filtered to checkpoints."""
    height: int
    """Frame height in pixels; 256 to 1024."""
    width: int
    """Frame width in pixels; 256 to 1024."""
    steps: Required[int]
    """Denoising steps; 1 to 50."""
    prompts: Required[list[Txt2videoPromptsItem]]
    """Ordered clip prompts; the frame counts of all items may not add up to more than 128."""
    negative_prompt: str
    """What to avoid; comma-separated terms; up to 1024 characters."""
    guidance_scale: float
    """Prompt adherence strength; 1 to 30."""
    seed: int
    """Noise seed; -1 picks one at random; -1 or more. Default -1."""
    loras: list[Txt2videoLorasItem]
    """LoRA adapters; 0 to 5 of them."""
    embeddings: list[Txt2videoEmbeddingsItem]
    """Textual-inversion embeddings; 0 to 5 of them."""
    closed_loop: bool
    """Make the last frame flow back into the first one."""
    clip_skip: int
    """CLIP layers to drop, counted from the last; 1 to 12."""
    size: tuple[int, int]
    """Width and height, in place of the two."""

class Img2videoParams(TypedDict, total=False):
    extra: Txt2videoExtra
    """Optional request extras of the legacy endpoints."""
    model_name: Required[Literal["SVD-XT", "SVD"]]
    """SVD checkpoint."""
    image_file: Required[FileInput]
    """Source picture as base64."""
    frames_num: Required[Literal[14, 25]]
    """Frame count; tied to the model: 25 for SVD-XT, 14 for SVD."""
    frames_per_second: Required[Literal[6]]
    """Only 6 is accepted."""
    image_file_resize_mode: Required[Literal["ORIGINAL_RESOLUTION", "CROP_TO_ASPECT_RATIO"]]
    """Keep the original size (bounded by 576x1024) or crop to that ratio."""
    steps: Required[int]
    """Denoising steps; 1 to 50."""
    seed: int
    """Noise seed; -1 picks one at random; -1 or more. Default -1."""
    motion_bucket_id: int
    """Motion strength profile; 1 to 255."""
    cond_aug: float
    """Noise added to the conditioning picture; more noise gives more motion and less likeness; 0 to 1."""
    enable_frame_interpolation: bool
    """Interpolate the output up to 24 fps."""

class HunyuanVideoFastParams(TypedDict, total=False):
    model_name: Required[Literal["hunyuan-video-fast"]]
    """Checkpoint name."""
    width: Literal[720, 1280]
    """Output width."""
    height: Literal[720, 1280]
    """Output height."""
    seed: Required[int]
    """Noise seed; required even when random (-1); -1 to 9999999999."""
    steps: Required[int]
    """Denoising steps; 2 to 30."""
    prompt: Required[str]
    """Scene text; up to 2000 characters."""
    frames: int
    """Frame count. Dropped from the newer field list but still present in its sample (85); an older copy of the page
    required it; 85 to 129.
    """
    size: tuple[int, int]
    """Width and height, in place of the two."""

class WanT2vExtra(TypedDict, total=False):
    webhook: Txt2videoExtraWebhook
    """Per-request webhook settings (doc page model-apis-webhook)."""

class WanT2vLorasItem(TypedDict, total=False):
    path: Required[str]
    """A Hugging Face model id or a Civitai download URL (Civitai documented for Wan 2.1)."""
    scale: Required[float]
    """Weight; 0 to 4."""

class WanT2vParams(TypedDict, total=False):
    extra: WanT2vExtra
    """Optional request extras."""
    prompt: Required[str]
    """Scene text; up to 2000 characters."""
    negative_prompt: str
    """What to avoid; up to 2000 characters."""
    width: Literal[480, 720, 832, 1280]
    """Output width. Default 832."""
    height: Literal[480, 720, 832, 1280]
    """Output height; pairs with width. Default 480."""
    loras: list[WanT2vLorasItem]
    """LoRA adapters made for the Wan 2.1 14B model; 0 to 3 of them."""
    seed: int
    """Noise seed; -1 is random; -1 to 9999999999. Default -1."""
    steps: int
    """Inference steps; 1 to 40. Default 30."""
    guidance_scale: float
    """Prompt adherence; 0 to 10. Default 5.0."""
    flow_shift: float
    """Speed and size of motion; 1 to 10. Default 5.0."""
    enable_safety_checker: bool
    """Filter unsafe output. Default True."""
    fast_mode: bool
    """Faster and cheaper, possibly lower quality. Default False."""
    size: tuple[int, int]
    """Width and height, in place of the two."""

class WanI2vParams(TypedDict, total=False):
    extra: WanT2vExtra
    """Optional request extras."""
    prompt: Required[str]
    """Scene text; up to 2000 characters."""
    image_url: Required[FileInput]
    """Source picture URL; the output keeps its aspect ratio and width/height only pick the quality tier."""
    negative_prompt: str
    """What to avoid; up to 2000 characters."""
    width: Literal[480, 720, 832, 1280]
    """Output width. Default 832."""
    height: Literal[480, 720, 832, 1280]
    """Output height; pairs with width. Default 480."""
    loras: list[WanT2vLorasItem]
    """LoRA adapters made for the Wan 2.1 14B model; 0 to 3 of them."""
    seed: int
    """Noise seed; -1 is random; -1 to 9999999999. Default -1."""
    steps: int
    """Inference steps; 1 to 40. Default 30."""
    guidance_scale: float
    """Prompt adherence; 0 to 10. Default 5.0."""
    flow_shift: float
    """Speed and size of motion; 1 to 10. Default 5.0."""
    enable_safety_checker: bool
    """Filter unsafe output. Default True."""
    fast_mode: bool
    """Faster and cheaper, possibly lower quality. Default False."""
    size: tuple[int, int]
    """Width and height, in place of the two."""

class Wan22T2vParams(TypedDict, total=False):
    prompt: Required[str]
    """Scene text, Chinese or English; the excess is cut; up to 800 characters."""
    negative_prompt: str
    """What to avoid; text past 500 characters is cut; up to 500 characters."""
    size: Required[Size]
    """Exact pixel size written width*height (asterisk)."""
    duration: Literal[5, 8]
    """Clip length in seconds. Default 5."""
    prompt_extend: bool
    """Let a language model rewrite the prompt (better for short prompts, slower). Default True."""
    seed: int
    """Seed; drawn at random when absent; 0 to 2147483647."""
    loras: list[WanT2vLorasItem]
    """LoRA adapters; not available at 1080P; 0 to 3 of them."""

class Wan22I2vParams(TypedDict, total=False):
    prompt: str
    """Scene text, Chinese or English; the excess is cut; up to 800 characters."""
    negative_prompt: str
    """What to avoid; text past 500 characters is cut; up to 500 characters."""
    img_url: Required[FileInput]
    """First-frame picture URL."""
    resolution: Literal["480P", "720P", "1080P"]
    """Quality tier. Older Novita copy: 480P and 1080P only; the sister platform and billing codes add 720P. Default
    "1080P".
    """
    duration: Literal[5, 8]
    """Clip length in seconds. The older Novita page says 5 only; 8 comes from the sister platform. Default 5."""
    prompt_extend: bool
    """Let a language model rewrite the prompt (better for short prompts, slower). Default True."""
    seed: int
    """Seed; drawn at random when absent; 0 to 2147483647."""
    loras: list[WanT2vLorasItem]
    """LoRA adapters (announced in the changelog of 12 Sep 2025); not available at 1080P; 0 to 3 of them."""

class Wan25T2vPreviewParams(TypedDict, total=False):
    prompt: Required[str]
    """Scene text, Chinese or English; the excess is cut; up to 2000 characters."""
    negative_prompt: str
    """What to avoid; text past 500 characters is cut; up to 500 characters."""
    audio_url: FileInput
    """Soundtrack URL. Longer than the clip: cut to the clip length; shorter: the rest is silent. Wins over the `audio`
    flag.
    """
    size: Size
    """Exact pixel size written width*height. Default "1920*1080"."""
    duration: Literal[5, 10]
    """Clip length in seconds. Default 5."""
    prompt_extend: bool
    """Let a language model rewrite the prompt (better for short prompts, slower). Default True."""
    audio: bool
    """Add generated audio; read only when audio_url is empty. Default True."""
    seed: int
    """Seed; drawn at random when absent; 0 to 2147483647."""

class Wan25I2vPreviewParams(TypedDict, total=False):
    prompt: Required[str]
    """Scene text, Chinese or English; the excess is cut; up to 2000 characters."""
    negative_prompt: str
    """What to avoid; text past 500 characters is cut; up to 500 characters."""
    img_url: Required[FileInput]
    """First-frame picture URL, publicly reachable."""
    audio_url: FileInput
    """Soundtrack URL. Longer than the clip: cut to the clip length; shorter: the rest is silent. Wins over the `audio`
    flag.
    """
    resolution: Literal["480P", "720P", "1080P"]
    """Quality tier. Default "1080P"."""
    duration: Literal[5, 10]
    """Clip length in seconds. Default 5."""
    prompt_extend: bool
    """Let a language model rewrite the prompt (better for short prompts, slower). Default True."""
    audio: bool
    """Add generated audio; read only when audio_url is empty. Default True."""
    seed: int
    """Seed; drawn at random when absent; 0 to 2147483647."""

class Wan26T2vParams(TypedDict, total=False):
    prompt: Required[str]
    """Scene text, Chinese or English; the excess is cut; up to 2000 characters."""
    audio_url: FileInput
    """Soundtrack URL. Longer than the clip: cut to the clip length; shorter: the rest is silent. Wins over the `audio`
    flag.
    """
    negative_prompt: str
    """What to avoid; text past 500 characters is cut; up to 500 characters."""
    seed: int
    """Seed; drawn at random when absent; 0 to 2147483647."""
    size: Size
    """Exact pixel size written width*height. Default "1920*1080"."""
    audio: bool
    """Add generated audio; read only when audio_url is empty. Default True."""
    duration: Literal[5, 10, 15]
    """Clip length in seconds; drives the price. Default 5."""
    shot_type: Literal["single", "multi"]
    """One shot or several. Default "multi"."""
    watermark: bool
    """Stamp an AI notice bottom right. Default False."""
    prompt_extend: bool
    """Let a language model rewrite the prompt (better for short prompts, slower). Default True."""

class Wan26I2vParams(TypedDict, total=False):
    prompt: str
    """Scene text, Chinese or English; the excess is cut; up to 2000 characters."""
    img_url: Required[FileInput]
    """First-frame picture, URL or data URI."""
    template: str
    """Name of an effect template; valid names are not listed on the page."""
    audio_url: FileInput
    """Soundtrack URL. Longer than the clip: cut to the clip length; shorter: the rest is silent. Wins over the `audio`
    flag.
    """
    negative_prompt: str
    """What to avoid; text past 500 characters is cut; up to 500 characters."""
    seed: int
    """Seed; drawn at random when absent; 0 to 2147483647."""
    resolution: Literal["720P", "1080P"]
    """Quality tier. Default "1080P"."""
    audio: bool
    """Add generated audio; read only when audio_url is empty. Default True."""
    duration: Literal[5, 10, 15]
    """Clip length in seconds; drives the price. Default 5."""
    shot_type: Literal["single", "multi"]
    """One shot or several. Default "multi"."""
    watermark: bool
    """Stamp an AI notice bottom right. Default False."""
    prompt_extend: bool
    """Let a language model rewrite the prompt (better for short prompts, slower). Default True."""

class Wan26V2vParams(TypedDict, total=False):
    prompt: Required[str]
    """Scene text; refer to the reference clips as character1, character2, ... in order; up to 2000 characters."""
    audio_url: FileInput
    """Soundtrack URL. Longer than the clip: cut to the clip length; shorter: the rest is silent. Wins over the `audio`
    flag.
    """
    reference_urls: Required[list[FileInput]]
    """Reference clips, in character order; 1 to 3 of them."""
    negative_prompt: str
    """What to avoid; text past 500 characters is cut; up to 500 characters."""
    seed: int
    """Seed; drawn at random when absent; 0 to 2147483647."""
    size: Size
    """Exact pixel size written width*height. Default "1920*1080"."""
    audio: bool
    """Add generated audio; read only when audio_url is empty. Default True."""
    duration: Literal[5, 10]
    """Clip length in seconds; drives the price. Default 5."""
    shot_type: Literal["single", "multi"]
    """One shot or several. Default "multi"."""
    watermark: bool
    """Stamp an AI notice bottom right. Default False."""
    prompt_extend: bool
    """Let a language model rewrite the prompt (better for short prompts, slower). Default True."""

class Wan27T2vParams(TypedDict, total=False):
    seed: int
    """Seed; drawn at random when absent; 0 to 2147483647."""
    size: Size
    """Exact pixel size written width*height; affects the price. Default "1920*1080"."""
    prompt: Required[str]
    """Scene text, Chinese or English; the excess is cut; up to 1500 characters."""
    duration: int
    """Clip length in seconds, billed per second; 2 to 15. Default 5."""
    audio_url: FileInput
    """Driving soundtrack URL; without it the model makes its own sound."""
    watermark: bool
    """Stamp a notice bottom right. Default False."""
    prompt_extend: bool
    """Let a language model rewrite the prompt (better for short prompts, slower). Default True."""
    negative_prompt: str
    """What to avoid; up to 500 characters."""

class Wan27I2vParams(TypedDict, total=False):
    seed: int
    """Seed; drawn at random when absent; 0 to 2147483647."""
    prompt: str
    """Scene text; up to 5000 characters."""
    duration: int
    """Clip length in seconds, billed per second; 2 to 15. Default 5."""
    image_url: FileInput
    """First-frame picture URL. The page flags it required and, in the same entry, says it excludes first_clip_url; the
    rule list is what makes sense.
    """
    watermark: bool
    """Stamp a notice bottom right. Default False."""
    resolution: Literal["720P", "1080P"]
    """Quality tier; affects the price. Default "1080P"."""
    prompt_extend: bool
    """Let a language model rewrite the prompt (better for short prompts, slower). Default True."""
    first_clip_url: FileInput
    """Clip to continue."""
    last_frame_url: FileInput
    """Last-frame picture URL."""
    negative_prompt: str
    """What to avoid; up to 500 characters."""
    driving_audio_url: FileInput
    """Audio that drives the motion (lip sync)."""

class Wan27R2vMediaItem(TypedDict, total=False):
    url: Required[FileInput]
    """Public URL of the item."""
    type: Required[Literal["reference_image", "reference_video", "first_frame"]]
    """Role of the item."""
    reference_voice: FileInput
    """Audio to clone the voice from."""

class Wan27R2vParams(TypedDict, total=False):
    seed: int
    """Seed; drawn at random when absent; 0 to 2147483647."""
    size: Size
    """Exact pixel size written width*height; affects the price. Default "1920*1080"."""
    audio: bool
    """Generate audio; affects the price. Default True."""
    media: Required[list[Wan27R2vMediaItem]]
    """Reference items; item n is characterN in the prompt. At most 5 pictures, 3 videos, 5 items in all; 1 to 5 of
    them.
    """
    prompt: Required[str]
    """Scene text naming character1, character2, ; up to 1500 characters."""
    duration: int
    """Clip length in seconds; 2 to 10. Default 5."""
    shot_type: Literal["single", "multi"]
    """One shot or several. Default "single"."""
    watermark: bool
    """Stamp a notice bottom right. Default False."""
    negative_prompt: str
    """What to avoid; up to 500 characters."""

class Wan27VideoeditParams(TypedDict, total=False):
    seed: int
    """Seed; drawn at random when absent; 0 to 2147483647."""
    ratio: Literal["16:9", "9:16", "1:1", "4:3", "3:4"]
    """Output aspect ratio; follows the input when absent."""
    prompt: str
    """Edit instruction; up to 5000 characters."""
    duration: int
    """0 keeps the input length; 2 to 10 cuts the input from its start; 0 to 10. Default 0."""
    video_url: Required[FileInput]
    """Clip to edit."""
    watermark: bool
    """Stamp a notice bottom right. Default False."""
    resolution: Literal["720P", "1080P"]
    """Quality tier; affects the price. Default "1080P"."""
    audio_setting: Literal["auto", "origin"]
    """auto lets the model decide; origin keeps the input sound. Default "auto"."""
    prompt_extend: bool
    """Let a language model rewrite the prompt (better for short prompts, slower). Default True."""
    negative_prompt: str
    """What to avoid; up to 500 characters."""
    reference_image_url: FileInput
    """First reference picture."""
    reference_image_url_2: FileInput
    """Second reference picture."""
    reference_image_url_3: FileInput
    """Third reference picture."""

class KlingV16T2vParams(TypedDict, total=False):
    mode: Literal["Standard"]
    """Quality tier; only Standard (720p) for text. Default "Standard"."""
    prompt: Required[str]
    """Scene text; up to 2000 characters."""
    negative_prompt: str
    """What to avoid; up to 2000 characters."""
    duration: Literal[5, 10]
    """Clip length in seconds. Default 5."""
    guidance_scale: float
    """Prompt adherence; 0 to 1. Default 0.5."""

class KlingV16I2vParams(TypedDict, total=False):
    mode: Literal["Standard", "Professional"]
    """Standard is 720p; Professional is 1080p and unlocks the end frame. Default "Standard"."""
    image_url: Required[FileInput]
    """First-frame picture URL."""
    end_image_url: FileInput
    """Last-frame picture URL."""
    prompt: Required[str]
    """Scene text; up to 2000 characters."""
    negative_prompt: str
    """What to avoid; up to 2000 characters."""
    duration: Literal[5, 10]
    """Clip length in seconds. Default 5."""
    guidance_scale: float
    """Prompt adherence; 0 to 1. Default 0.5."""

class KlingV21I2vParams(TypedDict, total=False):
    image: Required[FileInput]
    """First-frame picture."""
    prompt: Required[str]
    """Scene text; up to 2500 characters."""
    mode: Literal["Standard", "Professional"]
    """Standard is 720p, Professional is 1080p. Default "Standard"."""
    duration: Literal["5", "10"]
    """Clip length in seconds, as a STRING. Default "5"."""
    guidance_scale: float
    """Prompt adherence; 0 to 1. Default 0.5."""
    negative_prompt: str
    """What to avoid; up to 2500 characters."""

class KlingV21I2vMasterParams(TypedDict, total=False):
    image: Required[FileInput]
    """First-frame picture."""
    prompt: Required[str]
    """Scene text; up to 2500 characters."""
    duration: Literal["5", "10"]
    """Clip length in seconds, as a STRING. Default "5"."""
    guidance_scale: float
    """Prompt adherence; 0 to 1. Default 0.5."""
    negative_prompt: str
    """What to avoid; up to 2500 characters."""

class KlingV21T2vMasterParams(TypedDict, total=False):
    prompt: Required[str]
    """Scene text; up to 2500 characters."""
    duration: Literal["5", "10"]
    """Clip length in seconds, as a STRING. Default "5"."""
    aspect_ratio: Literal["16:9", "9:16", "1:1"]
    """Frame aspect ratio. Default "16:9"."""
    guidance_scale: float
    """Prompt adherence; 0 to 1. Default 0.5."""
    negative_prompt: str
    """What to avoid; up to 2500 characters."""

class Kling25TurboT2vParams(TypedDict, total=False):
    prompt: Required[str]
    """Scene text; up to 2500 characters."""
    duration: Literal["5", "10"]
    """Clip length in seconds, as a STRING. Default "5"."""
    aspect_ratio: Literal["16:9", "9:16", "1:1"]
    """Frame aspect ratio. Default "16:9"."""
    cfg_scale: float
    """Prompt adherence; low is freer; 0 to 1. Default 0.5."""
    mode: Literal["pro"]
    """Only pro exists. Default "pro"."""
    negative_prompt: str
    """What to avoid; up to 2500 characters."""

class Kling25TurboI2vParams(TypedDict, total=False):
    image: Required[FileInput]
    """First-frame picture."""
    prompt: Required[str]
    """Scene text; up to 2500 characters."""
    duration: Literal["5", "10"]
    """Clip length in seconds, as a STRING. Default "5"."""
    cfg_scale: float
    """Prompt adherence; low is freer; 0 to 1. Default 0.5."""
    mode: Literal["pro"]
    """Only pro exists. Default "pro"."""
    negative_prompt: str
    """What to avoid; up to 2500 characters."""

class KlingV26ProT2vParams(TypedDict, total=False):
    sound: bool
    """Also generate sound. Default True."""
    prompt: Required[str]
    """Scene text; up to 2500 characters."""
    duration: Literal[5, 10]
    """Clip length in seconds. Default 5."""
    cfg_scale: float
    """Prompt adherence; low is freer; 0 to 1. Default 0.5."""
    aspect_ratio: Literal["16:9", "9:16", "1:1"]
    """Frame aspect ratio. Default "1:1"."""
    negative_prompt: str
    """What to avoid; up to 2500 characters."""

class KlingV26ProI2vParams(TypedDict, total=False):
    image: Required[FileInput]
    """First-frame picture."""
    sound: bool
    """Also generate sound. Default True."""
    prompt: Required[str]
    """Scene text; up to 2500 characters."""
    duration: Literal[5, 10]
    """Clip length in seconds. Default 5."""
    cfg_scale: float
    """Prompt adherence; low is freer; 0 to 1. Default 0.5."""
    voice_list: list[str]
    """Voice ids; 0 to 2 of them."""
    aspect_ratio: Literal["16:9", "9:16", "1:1"]
    """Frame aspect ratio. Default "16:9"."""
    negative_prompt: str
    """What to avoid; up to 2500 characters."""

class KlingV26ProMotionControlParams(TypedDict, total=False):
    image: Required[FileInput]
    """Picture to animate, URL or data URI."""
    video: Required[FileInput]
    """Clip whose motion is copied."""
    prompt: str
    """Style and scene text."""
    negative_prompt: str
    """What to avoid; up to 2500 characters."""
    keep_original_sound: bool
    """Carry over the reference clip's sound. Default True."""
    character_orientation: Required[Literal["image", "video"]]
    """image: follow the picture's framing (reference clip up to 10 s); video: follow the clip's framing (up to 30 s).
    """

class KlingO1T2vParams(TypedDict, total=False):
    prompt: Required[str]
    """Scene text."""
    duration: Literal[5, 10]
    """Clip length in seconds. Default 5."""
    aspect_ratio: Literal["16:9", "9:16", "1:1"]
    """Frame aspect ratio. Default "16:9"."""

class KlingO1I2vParams(TypedDict, total=False):
    image: Required[FileInput]
    """First frame."""
    prompt: Required[str]
    """Scene text."""
    duration: Literal[5, 10]
    """Clip length in seconds. Default 5."""
    last_image: FileInput
    """Last frame."""
    aspect_ratio: Literal["16:9", "9:16", "1:1"]
    """Frame aspect ratio. Default "16:9"."""

class KlingO1Ref2vParams(TypedDict, total=False):
    video: FileInput
    """Reference clip URL."""
    images: list[FileInput]
    """Reference pictures (subject, scene, style); 0 to 7 of them."""
    prompt: Required[str]
    """Scene text."""
    duration: int
    """Clip length in seconds; 3 to 10. Default 5."""
    aspect_ratio: Literal["16:9", "9:16", "1:1"]
    """Frame aspect ratio. Default "16:9"."""
    keep_original_sound: bool
    """Carry over the reference clip's sound. Default True."""

class KlingO1VideoEditParams(TypedDict, total=False):
    video: Required[FileInput]
    """Clip to edit."""
    images: list[FileInput]
    """Reference pictures; 0 to 4 of them."""
    prompt: Required[str]
    """Edit instruction."""
    fast_mode: bool
    """Fast variant. Default False."""
    aspect_ratio: Literal["16:9", "9:16", "1:1"]
    """Frame aspect ratio."""
    keep_original_sound: bool
    """Carry over the reference clip's sound. Default True."""

class Vidu20Img2videoParams(TypedDict, total=False):
    images: Required[list[FileInput]]
    """Exactly one start picture; 1 to 1 of them."""
    prompt: str
    """Scene text; up to 1500 characters."""
    duration: Literal[4, 8]
    """Clip length in seconds. Default 4."""
    seed: int
    """Seed; random when absent."""
    resolution: Literal["360p", "720p", "1080p"]
    """Tier; the default depends on duration."""
    movement_amplitude: Literal["auto", "small", "medium", "large"]
    """Amount of object motion. Default "auto"."""
    bgm: bool
    """Add background music. Default False."""

class Vidu20Startend2videoParams(TypedDict, total=False):
    images: Required[list[FileInput]]
    """Two pictures: start, then end; their aspect ratios may differ by a factor of 0.8 to 1.25; 2 to 2 of them."""
    prompt: str
    """Scene text; up to 1500 characters."""
    duration: Literal[4, 8]
    """Clip length in seconds. Default 4."""
    seed: int
    """Seed; random when absent."""
    resolution: Literal["360p", "720p", "1080p"]
    """Tier; the default depends on duration."""
    movement_amplitude: Literal["auto", "small", "medium", "large"]
    """Amount of object motion. Default "auto"."""
    bgm: bool
    """Add background music. Default False."""

class Vidu20Reference2videoParams(TypedDict, total=False):
    images: Required[list[FileInput]]
    """Reference pictures, at least 128x128; 1 to 3 of them."""
    prompt: Required[str]
    """Scene text; up to 1500 characters."""
    duration: Literal[4]
    """Only 4 seconds. Default 4."""
    seed: int
    """Seed; random when absent."""
    aspect_ratio: Literal["16:9", "9:16", "1:1"]
    """Frame aspect ratio. Default "16:9"."""
    resolution: Literal["360p", "720p"]
    """Tier. Default "360p"."""
    movement_amplitude: Literal["auto", "small", "medium", "large"]
    """Amount of object motion. Default "auto"."""
    bgm: bool
    """Add background music. Default False."""

class ViduQ1Text2videoParams(TypedDict, total=False):
    prompt: Required[str]
    """Scene text; up to 1500 characters."""
    style: Literal["general", "anime"]
    """Look. Default "general"."""
    duration: Literal[5]
    """Only 5 seconds. Default 5."""
    seed: int
    """Seed; random when absent."""
    aspect_ratio: Literal["16:9", "9:16", "1:1"]
    """Frame aspect ratio. Default "16:9"."""
    resolution: Literal["1080p"]
    """Only 1080p. Default "1080p"."""
    movement_amplitude: Literal["auto", "small", "medium", "large"]
    """Amount of object motion. Default "auto"."""
    bgm: bool
    """Add background music. Default False."""

class ViduQ1Img2videoParams(TypedDict, total=False):
    images: Required[list[FileInput]]
    """Exactly one start picture; 1 to 1 of them."""
    prompt: str
    """Scene text; up to 1500 characters."""
    duration: Literal[5]
    """Only 5 seconds. Default 5."""
    seed: int
    """Seed; random when absent."""
    resolution: Literal["1080p"]
    """Only 1080p. Default "1080p"."""
    movement_amplitude: Literal["auto", "small", "medium", "large"]
    """Amount of object motion. Default "auto"."""
    bgm: bool
    """Add background music. Default False."""

class ViduQ1Startend2videoParams(TypedDict, total=False):
    images: Required[list[FileInput]]
    """Two pictures: start, then end; their aspect ratios may differ by a factor of 0.8 to 1.25; 2 to 2 of them."""
    prompt: str
    """Scene text; up to 1500 characters."""
    duration: Literal[5]
    """Only 5 seconds. Default 5."""
    seed: int
    """Seed; random when absent."""
    resolution: Literal["1080p"]
    """Only 1080p. Default "1080p"."""
    movement_amplitude: Literal["auto", "small", "medium", "large"]
    """Amount of object motion. Default "auto"."""
    bgm: bool
    """Add background music. Default False."""

class ViduQ1Reference2videoParams(TypedDict, total=False):
    images: Required[list[FileInput]]
    """Reference pictures, at least 128x128; 1 to 7 of them."""
    prompt: Required[str]
    """Scene text; up to 1500 characters."""
    duration: Literal[5]
    """Only 5 seconds. Default 5."""
    seed: int
    """Seed; random when absent."""
    aspect_ratio: Literal["16:9", "9:16", "1:1"]
    """Frame aspect ratio. Default "16:9"."""
    resolution: Literal["1080p"]
    """Only 1080p. Default "1080p"."""
    movement_amplitude: Literal["auto", "small", "medium", "large"]
    """Amount of object motion. Default "auto"."""
    bgm: bool
    """Add background music. Default False."""

class ViduQ2Text2videoSubjectsItem(TypedDict, total=False):
    id: Required[str]
    """Handle used as @id in the prompt."""
    images: Required[list[FileInput]]
    """Pictures of the subject."""
    voice_id: str
    """Voice of the subject."""

class ViduQ2Text2videoParams(TypedDict, total=False):
    bgm: bool
    """Add background music. Default False."""
    seed: int
    """Seed; random when absent."""
    audio: bool
    """Generate sound. Default False."""
    style: str
    """Free-text look, e.g. cinematic."""
    prompt: Required[str]
    """Scene text."""
    duration: Required[int]
    """Clip length in seconds. Flagged required although a default is given; 1 to 10. Default 5."""
    subjects: list[ViduQ2Text2videoSubjectsItem]
    """Subjects; the prompt refers to them as @id."""
    watermark: bool
    """Add a watermark. Default False."""
    resolution: Literal["540p", "720p", "1080p"]
    """Tier. Default "720p"."""
    aspect_ratio: str
    """Frame aspect ratio such as 16:9, 9:16 or 1:1; no closed list."""
    movement_amplitude: Literal["auto", "small", "medium", "high"]
    """Amount of object motion (note high, not large)."""

class ViduQ2Reference2videoParams(TypedDict, total=False):
    bgm: bool
    """Add background music. Default False."""
    seed: int
    """Seed; random when absent."""
    audio: bool
    """Generate sound. Default False."""
    prompt: Required[str]
    """Scene text; @1, @2, ... point at subjects."""
    duration: Required[int]
    """Clip length in seconds. Flagged required although a default is given; 1 to 10. Default 5."""
    subjects: Required[list[ViduQ2Text2videoSubjectsItem]]
    """Subjects; the prompt refers to them as @id."""
    watermark: bool
    """Add a watermark. Default False."""
    resolution: Literal["540p", "720p", "1080p"]
    """Tier. Default "720p"."""
    aspect_ratio: str
    """Frame aspect ratio such as 16:9, 9:16 or 1:1; no closed list."""
    movement_amplitude: Literal["auto", "small", "medium", "high"]
    """Amount of object motion (note high, not large)."""

class Viduq2ProFastSubjectsItem(TypedDict, total=False):
    name: str
    """Handle used as @name in the prompt."""
    images: list[FileInput]
    """Pictures of the subject."""
    videos: list[FileInput]
    """Clips of the subject (older copy of the page only)."""
    voice_id: str
    """Voice of the subject."""

class Viduq2ProFastParams(TypedDict, total=False):
    bgm: bool
    """Add background music. Default False."""
    seed: int
    """Seed; random when absent."""
    audio: bool
    """Generate sound. Default False."""
    prompt: Required[str]
    """Scene text; @1, @2, ... point at subjects; up to 2000 characters."""
    duration: Required[int]
    """Clip length in seconds. Flagged required although a default is given; 1 to 10. Default 5."""
    subjects: Required[list[Viduq2ProFastSubjectsItem]]
    """Subjects. Older copy: name, images, videos, voice_id; newer copy drops videos."""
    watermark: bool
    """Add a watermark. Default False."""
    resolution: Literal["720p", "1080p"]
    """Tier. Default "720p"."""
    aspect_ratio: str
    """Frame aspect ratio, e.g. 16:9; no closed list."""
    movement_amplitude: Literal["auto", "small", "medium", "high"]
    """Amount of object motion (note high, not large)."""

class ViduQ2Template2videoParams(TypedDict, total=False):
    bgm: bool
    """Add background music. Default False."""
    area: Literal["auto", "denmark", "uk", "africa", "china", "mexico", "switzerland", "russia", "italy", "korea", "thailand", "india", "japan"]
    """Only read by the exotic_princess template. Default "auto"."""
    seed: int
    """Seed; 0 or absent is random. Default 0."""
    beast: Literal["auto", "bear", "tiger", "elk", "snake", "lion", "wolf"]
    """Only read by the beast_companion template. Default "auto"."""
    images: Required[list[FileInput]]
    """Input pictures; how many depends on the template."""
    prompt: str
    """Scene text; not needed by the subject_3 and pubg_winner_hit templates."""
    wm_url: str
    """Watermark picture URL."""
    payload: str
    """Opaque text passed through; up to 1048576 characters."""
    template: Required[str]
    """Template id, e.g. subject_3, pubg_winner_hit, exotic_princess, beast_companion; full list lives with the model
    vendor.
    """
    meta_data: str
    """JSON text passed through as provenance metadata."""
    watermark: bool
    """Add a watermark. Default False."""
    wm_position: Literal[1, 2, 3, 4]
    """1 top left, 2 top right, 3 bottom right, 4 bottom left. Default 3."""
    aspect_ratio: Literal["16:9", "9:16"]
    """Depends on the template. Default "16:9"."""

class ViduQ2ProImg2videoParams(TypedDict, total=False):
    bgm: bool
    """Add background music. Default False."""
    seed: int
    """Seed; random when absent."""
    audio: bool
    """Generate sound. Default False."""
    images: Required[list[FileInput]]
    """Input pictures; the page sets no upper limit."""
    prompt: Required[str]
    """Scene text."""
    duration: Required[int]
    """Clip length in seconds. Flagged required although a default is given; 1 to 10. Default 5."""
    off_peak: bool
    """Off-peak queue: cheaper, finished within 48 hours. Default False."""
    voice_id: str
    """Voice for the speech."""
    watermark: bool
    """Add a watermark. Default False."""
    resolution: Literal["540p", "720p", "1080p"]
    """Tier. Default "720p"."""
    movement_amplitude: Literal["auto", "small", "medium", "high"]
    """Amount of object motion (note high, not large). Default "auto"."""

class ViduQ2ProFastImg2videoParams(TypedDict, total=False):
    bgm: bool
    """Add background music. Default False."""
    seed: int
    """Seed; random when absent."""
    audio: bool
    """Generate sound. Default False."""
    images: Required[list[FileInput]]
    """Input pictures; the page sets no upper limit."""
    prompt: Required[str]
    """Scene text."""
    duration: Required[int]
    """Clip length in seconds. Flagged required although a default is given; 1 to 10. Default 5."""
    off_peak: bool
    """Off-peak queue: cheaper, finished within 48 hours. Default False."""
    voice_id: str
    """Voice for the speech."""
    watermark: bool
    """Add a watermark. Default False."""
    resolution: Literal["720p", "1080p"]
    """Tier. Default "720p"."""
    movement_amplitude: Literal["auto", "small", "medium", "high"]
    """Amount of object motion (note high, not large). Default "auto"."""

class ViduQ2ProStartend2videoParams(TypedDict, total=False):
    bgm: bool
    """Add background music. Default False."""
    seed: int
    """Seed; 0 or absent is random."""
    images: Required[list[FileInput]]
    """Start picture, then end picture; their resolutions may differ by a factor of 0.8 to 1.25; 2 to 2 of them."""
    is_rec: bool
    """Let the system write the prompt (costs 10 extra credits); prompt is then ignored. Default False."""
    prompt: str
    """Scene text; up to 2000 characters."""
    wm_url: str
    """Watermark picture URL."""
    payload: str
    """Opaque text passed through; up to 1048576 characters."""
    duration: int
    """Clip length in seconds; 1 to 8. Default 5."""
    off_peak: bool
    """Off-peak queue: cheaper, finished within 48 hours. Default False."""
    meta_data: str
    """JSON text passed through."""
    watermark: bool
    """Add a watermark. Default False."""
    resolution: Literal["540p", "720p", "1080p"]
    """Tier. Default "720p"."""
    wm_position: Literal[1, 2, 3, 4]
    """1 top left, 2 top right, 3 bottom right, 4 bottom left. Default 3."""
    movement_amplitude: Literal["auto", "small", "medium", "large"]
    """Amount of object motion. Default "auto"."""

class ViduQ2ProFastStartend2videoParams(TypedDict, total=False):
    bgm: bool
    """Add background music. Default False."""
    seed: int
    """Seed; 0 or absent is random."""
    images: Required[list[FileInput]]
    """Start picture, then end picture; their resolutions may differ by a factor of 0.8 to 1.25; 2 to 2 of them."""
    is_rec: bool
    """Let the system write the prompt (costs 10 extra credits); prompt is then ignored. Default False."""
    prompt: str
    """Scene text; up to 2000 characters."""
    wm_url: str
    """Watermark picture URL."""
    payload: str
    """Opaque text passed through; up to 1048576 characters."""
    duration: int
    """Clip length in seconds; 1 to 8. Default 5."""
    off_peak: bool
    """Off-peak queue: cheaper, finished within 48 hours. Default False."""
    meta_data: str
    """JSON text passed through."""
    watermark: bool
    """Add a watermark. Default False."""
    resolution: Literal["720p", "1080p"]
    """Tier. Default "720p"."""
    wm_position: Literal[1, 2, 3, 4]
    """1 top left, 2 top right, 3 bottom right, 4 bottom left. Default 3."""
    movement_amplitude: Literal["auto", "small", "medium", "large"]
    """Amount of object motion. Default "auto"."""

class ViduQ2ProMultiframeImageSettingsItem(TypedDict, total=False):
    prompt: str
    """How to get from the previous picture to this one."""
    duration: int
    """Seconds spent reaching this frame; 2 to 7. Default 5."""
    key_image: Required[FileInput]
    """Picture reached at the end of the segment."""

class ViduQ2ProMultiframeParams(TypedDict, total=False):
    wm_url: str
    """Watermark picture URL; read only with watermark on."""
    payload: str
    """Opaque text passed through; up to 1048576 characters."""
    meta_data: str
    """JSON text passed through."""
    watermark: bool
    """Add a watermark. Default False."""
    resolution: Literal["540p", "720p", "1080p"]
    """Tier. Default "720p"."""
    start_image: Required[FileInput]
    """First frame."""
    wm_position: Literal["top_left", "top_right", "bottom_right", "bottom_left"]
    """Watermark corner. Default "bottom_left"."""
    image_settings: Required[list[ViduQ2ProMultiframeImageSettingsItem]]
    """Key frames in time order; 2 to 9 of them."""

class ViduQ3ProT2vParams(TypedDict, total=False):
    seed: int
    """Seed; 0 or absent is random; 0 to 2147483647."""
    audio: bool
    """Generate sound. Default True."""
    prompt: Required[str]
    """Scene text; up to 2000 characters."""
    wm_url: str
    """Watermark picture URL."""
    duration: int
    """Clip length in seconds; 1 to 16. Default 5."""
    off_peak: bool
    """Off-peak queue: cheaper, finished within 48 hours. Default False."""
    watermark: bool
    """Add a watermark. Default False."""
    resolution: Literal["540p", "720p", "1080p"]
    """Tier. Default "720p"."""
    wm_position: int
    """1 top left, 2 top right, 3 bottom left, 4 bottom right (other Vidu endpoints swap 3 and 4); 1 to 4."""
    aspect_ratio: Literal["16:9", "9:16", "4:3", "3:4", "1:1"]
    """Frame aspect ratio. Default "16:9"."""

class ViduQ3ProI2vParams(TypedDict, total=False):
    seed: int
    """Seed; 0 or absent is random; 0 to 2147483647."""
    audio: FileInput
    """A music URL here, NOT a boolean."""
    style: Literal["general", "anime"]
    """Look. Default "general"."""
    images: Required[list[FileInput]]
    """One picture only for now; 1 to 1 of them."""
    is_rec: bool
    """Match the motion to the audio rhythm. Default False."""
    prompt: str
    """Motion text; up to 1500 characters."""
    wm_url: str
    """Watermark picture URL; at most 10 MB."""
    duration: int
    """Clip length in seconds; 1 to 16. Default 5."""
    off_peak: bool
    """Off-peak queue: cheaper, finished within 48 hours. Default False."""
    watermark: bool
    """Add a watermark. Default False."""
    resolution: Literal["540p", "720p", "1080p"]
    """Tier. Default "720p"."""
    wm_position: Literal["top-left", "top-right", "bottom-left", "bottom-right"]
    """Watermark corner, hyphenated."""
    aspect_ratio: Literal["16:9", "9:16", "4:3", "3:4", "1:1"]
    """Frame aspect ratio. Default "16:9"."""

class ViduQ3ProF2vParams(TypedDict, total=False):
    seed: int
    """Seed; 0 is random."""
    audio: bool
    """Generate sound. Default True."""
    images: Required[list[FileInput]]
    """Start picture, then end picture; similar resolution (ratio 0.8 to 1.25); 2 to 2 of them."""
    is_rec: bool
    """Recommended-prompt mode."""
    prompt: str
    """Motion text; up to 1500 characters."""
    wm_url: str
    """Watermark picture URL."""
    duration: int
    """Clip length in seconds; 1 to 16. Default 5."""
    off_peak: bool
    """Off-peak queue: cheaper, finished within 48 hours. Default False."""
    watermark: bool
    """Add a watermark."""
    resolution: Literal["540p", "720p", "1080p"]
    """Tier. Default "720p"."""
    wm_position: int
    """1 top left, 2 top right, 3 bottom right, 4 bottom left; 1 to 4."""

class ViduQ3TurboT2vParams(TypedDict, total=False):
    seed: int
    """Seed; 0 or absent is random; 0 to 2147483647."""
    audio: bool
    """Generate sound. Default True."""
    prompt: Required[str]
    """Scene text; up to 5000 characters."""
    wm_url: str
    """Watermark picture URL."""
    duration: int
    """Clip length in seconds; 1 to 16. Default 5."""
    off_peak: bool
    """Off-peak queue: cheaper, finished within 48 hours. Default False."""
    watermark: bool
    """Add a watermark. Default False."""
    resolution: Literal["540p", "720p", "1080p"]
    """Tier. Default "720p"."""
    wm_position: int
    """1 top left, 2 top right, 3 bottom right, 4 bottom left; 1 to 4. Default 3."""
    aspect_ratio: Literal["16:9", "9:16", "4:3", "3:4", "1:1"]
    """Frame aspect ratio."""

class ViduQ3TurboI2vParams(TypedDict, total=False):
    seed: int
    """Seed; 0 or absent is random; 0 to 2147483647."""
    audio: bool
    """Generate sound. Default True."""
    images: Required[list[FileInput]]
    """Picture URLs."""
    is_rec: bool
    """Match the motion to the audio rhythm. Default False."""
    prompt: str
    """Motion text; up to 5000 characters."""
    duration: int
    """Clip length in seconds; 1 to 16. Default 5."""
    off_peak: bool
    """Off-peak queue: cheaper, finished within 48 hours. Default False."""
    audio_type: Literal["all", "speech_only", "sound_effect_only"]
    """What kind of sound when audio is on. Default "all"."""
    resolution: Literal["540p", "720p", "1080p"]
    """Tier. Default "720p"."""

class ViduQ3TurboF2vParams(TypedDict, total=False):
    seed: int
    """Seed; 0 is random."""
    audio: bool
    """Generate sound. Default True."""
    images: Required[list[FileInput]]
    """Start picture, then end picture; similar resolution (ratio 0.8 to 1.25); 2 to 2 of them."""
    is_rec: bool
    """Let the system write the prompt."""
    prompt: str
    """Motion text; up to 1500 characters."""
    duration: int
    """Clip length in seconds; 1 to 16. Default 5."""
    off_peak: bool
    """Off-peak queue: cheaper, finished within 48 hours. Default False."""
    resolution: Literal["540p", "720p", "1080p"]
    """Tier. Default "720p"."""

class SeedanceV1LiteT2vParams(TypedDict, total=False):
    prompt: Required[str]
    """Scene text; up to 2000 characters."""
    resolution: Required[Literal["480p", "720p", "1080p"]]
    """Tier; required."""
    aspect_ratio: Literal["21:9", "16:9", "4:3", "1:1", "3:4", "9:16", "9:21"]
    """Frame aspect ratio. The sister platform (and an older Novita copy of the Pro text page) also list 9:21. Default
    "16:9".
    """
    duration: Required[Literal[5, 10]]
    """Clip length in seconds. Flagged required although a default is given. Default 5."""
    camera_fixed: bool
    """Keep the camera still. Default False."""
    seed: int
    """Seed; -1 is random; -1 to 2147483647. Default -1."""

class SeedanceV1LiteI2vParams(TypedDict, total=False):
    prompt: str
    """Scene text; up to 2000 characters."""
    image: Required[FileInput]
    """First frame."""
    last_image: FileInput
    """Last frame; cropped to the first one's ratio when they differ."""
    resolution: Required[Literal["480p", "720p", "1080p"]]
    """Tier; required."""
    aspect_ratio: Literal["21:9", "16:9", "4:3", "1:1", "3:4", "9:16", "9:21"]
    """Frame aspect ratio. The sister platform (and an older Novita copy of the Pro text page) also list 9:21. Default
    "16:9".
    """
    camera_fixed: bool
    """Keep the camera still. Default False."""
    seed: int
    """Seed; -1 is random; -1 to 2147483647. Default -1."""
    duration: Literal[5, 10]
    """Clip length in seconds. Default 5."""

class SeedanceV15ProT2vParams(TypedDict, total=False):
    fps: Literal[24]
    """Frame rate; only 24. Default 24."""
    seed: int
    """Seed; -1 is random; -1 to 4294967295. Default -1."""
    ratio: Literal["16:9", "4:3", "1:1", "3:4", "9:16", "21:9", "adaptive"]
    """Frame aspect ratio (note the name: ratio, not aspect_ratio). Default "adaptive"."""
    prompt: Required[str]
    """Scene text; about 500 characters advised. Speech goes between double quotes."""
    duration: int
    """Clip length in seconds; 4 to 12. Default 5."""
    watermark: bool
    """Add a watermark. Default False."""
    resolution: Literal["480p", "720p"]
    """Tier. Default "720p"."""
    camera_fixed: bool
    """Keep the camera still. Default False."""
    service_tier: Literal["default", "flex"]
    """flex is the half-price offline queue. Default "default"."""
    generate_audio: bool
    """Include synchronised sound. Default True."""
    execution_expires_after: int
    """Seconds after which an unfinished task is ended and marked expired; 3600 to 259200. Default 172800."""

class SeedanceV15ProI2vParams(TypedDict, total=False):
    fps: Literal[24]
    """Frame rate; only 24. Default 24."""
    seed: int
    """Seed; -1 is random; -1 to 4294967295. Default -1."""
    image: Required[FileInput]
    """First frame."""
    ratio: Literal["16:9", "4:3", "1:1", "3:4", "9:16", "21:9", "adaptive"]
    """Frame aspect ratio (note the name: ratio, not aspect_ratio). Default "adaptive"."""
    prompt: Required[str]
    """Scene text; about 500 characters advised. Speech goes between double quotes."""
    duration: int
    """Clip length in seconds; 4 to 12. Default 5."""
    watermark: bool
    """Add a watermark. Default False."""
    last_image: FileInput
    """Last frame; cropped to the first one's ratio."""
    resolution: Literal["480p", "720p"]
    """Tier. Default "720p"."""
    camera_fixed: bool
    """Keep the camera still. Default False."""
    service_tier: Literal["default", "flex"]
    """flex is the half-price offline queue. Default "default"."""
    generate_audio: bool
    """Include synchronised sound. Default True."""
    execution_expires_after: int
    """Seconds after which an unfinished task is ended and marked expired; 3600 to 259200. Default 172800."""

class PixverseV45T2vParams(TypedDict, total=False):
    prompt: Required[str]
    """Scene text; up to 2048 characters."""
    aspect_ratio: Required[Literal["16:9", "4:3", "1:1", "3:4", "9:16"]]
    """Frame aspect ratio. Flagged required although a default is given. Default "16:9"."""
    resolution: Required[Literal["360p", "540p", "720p", "1080p"]]
    """Tier. Flagged required although a default is given. Default "540p"."""
    negative_prompt: str
    """What to avoid; up to 2048 characters."""
    fast_mode: bool
    """Faster and cheaper, possibly lower quality; no 1080p. Default False."""
    style: Literal["anime", "3d_animation", "clay", "comic", "cyberpunk"]
    """Preset; the page says it works with v3.5 only."""
    seed: int
    """Seed."""

class PixverseV45I2vParams(TypedDict, total=False):
    prompt: Required[str]
    """Scene text; up to 2048 characters."""
    image: Required[FileInput]
    """First frame."""
    resolution: Literal["360p", "540p", "720p", "1080p"]
    """Tier; optional here, required on the sister platform. Default "540p"."""
    negative_prompt: str
    """What to avoid; up to 2048 characters."""
    fast_mode: bool
    """Faster and cheaper, possibly lower quality; no 1080p. Default False."""
    style: Literal["anime", "3d_animation", "clay", "comic", "cyberpunk"]
    """Preset; the page says it works with v3.5 only."""
    seed: int
    """Seed."""

class MinimaxVideo01Params(TypedDict, total=False):
    prompt: Required[str]
    """Scene text; up to 2000 characters."""
    image_url: FileInput
    """Optional first frame: with it the call is image to video."""
    enable_prompt_expansion: bool
    """Let the service improve the prompt. Default True."""

class MinimaxHailuo02Params(TypedDict, total=False):
    prompt: Required[str]
    """Scene text; up to 2000 characters."""
    image: FileInput
    """Optional first frame: with it the call is image to video."""
    end_image: FileInput
    """Optional last frame."""
    duration: Literal[6, 10]
    """Clip length in seconds. Default 6."""
    resolution: Literal["768P", "1080P"]
    """Tier. Default "768P"."""
    enable_prompt_expansion: bool
    """Let the service improve the prompt. Default True."""
    fast_pretreatment: bool
    """Shorten the prompt improvement step. Default False."""

class MinimaxHailuo23T2vParams(TypedDict, total=False):
    prompt: Required[str]
    """Scene text. Understands 15 bracketed camera commands such as [Pan left] or [Push in]; up to 3 inside one bracket
    act together; up to 2000 characters.
    """
    duration: Literal[6, 10]
    """Clip length in seconds. Default 6."""
    resolution: Literal["768P", "1080P"]
    """Tier. Default "768P"."""
    enable_prompt_expansion: bool
    """Let the service improve the prompt. Default True."""
    fast_pretreatment: bool
    """Shorten the prompt improvement step. Default False."""

class MinimaxHailuo23I2vParams(TypedDict, total=False):
    prompt: Required[str]
    """Scene text. Understands 15 bracketed camera commands such as [Pan left] or [Push in]; up to 3 inside one bracket
    act together; up to 2000 characters.
    """
    image: Required[FileInput]
    """First frame."""
    duration: Literal[6, 10]
    """Clip length in seconds. Default 6."""
    resolution: Literal["768P", "1080P"]
    """Tier. Default "768P"."""
    enable_prompt_expansion: bool
    """Let the service improve the prompt. Default True."""
    fast_pretreatment: bool
    """Shorten the prompt improvement step. Default False."""

class MinimaxHailuo23FastI2vParams(TypedDict, total=False):
    prompt: Required[str]
    """Scene text; up to 2000 characters."""
    image: Required[FileInput]
    """First frame."""
    duration: Literal[6, 10]
    """Clip length in seconds. Default 6."""
    resolution: Literal["768P", "1080P"]
    """Tier. Default "768P"."""
    enable_prompt_expansion: bool
    """Let the service improve the prompt. Default True."""

class HeygenVideoTranslateParams(TypedDict, total=False):
    video: Required[FileInput]
    """Source clip: a public direct URL, or a Google Drive or YouTube link."""
    output_language: Required[Literal["English", "English (Australia)", "English (India)", "English (UK)", "English (US)", "Spanish", "Spanish (Mexico)", "Spanish (Spain)", "French", "French (Canada)", "French (France)", "Hindi", "Italian", "German", "Polish", "Portuguese", "Portuguese (Brazil)", "Portuguese (Portugal)", "Chinese", "Chinese (Cantonese, Traditional)", "Chinese (Mandarin, Simplified)", "Chinese (Mandarin, Traditional)", "Japanese", "Dutch", "Turkish", "Korean", "Danish", "Arabic", "Romanian", "Mandarin", "Filipino", "Swedish", "Indonesian", "Ukrainian", "Greek", "Czech", "Bulgarian", "Malay", "Slovak", "Croatian", "Tamil", "Finnish", "Russian"]]
    """Target language, by its exact display name."""

class MinimaxSpeech28HdVoiceSetting(TypedDict, total=False):
    voice_id: Required[str]
    """System, cloned or designed voice. Documented required, yet to be left empty when timber_weights is used."""
    speed: float
    """Rate; 0.5 to 2. Default 1."""
    vol: float
    """Volume, zero excluded in the text although the range line says [0, 10]; more than 0 to 10. Default 1."""
    pitch: int
    """Shift; -12 to 12. Default 0."""
    emotion: Literal["happy", "sad", "angry", "fearful", "disgusted", "surprised", "calm", "fluent", "whisper"]
    """The page says eight emotions and lists nine values. The async page limits the field to older models and
    fluent/whisper to 2.6.
    """
    latex_read: bool
    """Read LaTeX aloud; Chinese only and forces language_boost to Chinese. Default False."""
    text_normalization: bool
    """Chinese/English number normalisation. Default False."""

class MinimaxSpeech28HdAudioSetting(TypedDict, total=False):
    format: Literal["mp3", "pcm", "flac", "wav"]
    """wav only when not streaming. Default "mp3"."""
    bitrate: Literal[32000, 64000, 128000, 256000]
    """bit/s, mp3 only. Default 128000."""
    channel: Literal[1, 2]
    """1 mono, 2 stereo. Default 1."""
    sample_rate: Literal[8000, 16000, 22050, 24000, 32000, 44100]
    """Hz. Default 32000."""
    force_cbr: bool
    """Constant bitrate; only while streaming mp3. Default False."""

class MinimaxSpeech28HdTimberWeightsItem(TypedDict, total=False):
    voice_id: Required[str]
    """System, cloned or designed voice."""
    weight: Required[int]
    """Share of this voice; 1 to 100."""

class MinimaxSpeech28HdVoiceModify(TypedDict, total=False):
    pitch: int
    """-100 deeper .. 100 brighter; -100 to 100."""
    intensity: int
    """-100 more forceful .. 100 softer; -100 to 100."""
    timbre: int
    """-100 fuller .. 100 crisper; -100 to 100."""
    sound_effects: Literal["spacious_echo", "auditorium_echo", "lofi_telephone", "robotic"]
    """At most one effect."""

class MinimaxSpeech28HdPronunciationDict(TypedDict, total=False):
    tone: list[str]
    """Rules of the form "source/replacement", for example "omg/oh my god". Chinese tones are written 1-5 (5 =
    neutral).
    """

class MinimaxSpeech28HdStreamOptions(TypedDict, total=False):
    exclude_aggregated_audio: bool
    """When false the last event repeats the whole audio in hex; when true it does not. Default False."""

class MinimaxSpeech28HdParams(TypedDict, total=False):
    text: Required[str]
    """Text to speak; streaming is advised above 3,000 characters. Newlines split paragraphs. A marker <#x#> inserts a
    pause of x seconds (0.01-99.99, two decimals) and must stand between two pronounceable pieces, never twice in a
    row. Interjections in brackets such as (laughs) are understood by 2.8 only; up to 9999 characters.
    """
    voice_setting: MinimaxSpeech28HdVoiceSetting
    audio_setting: MinimaxSpeech28HdAudioSetting
    timber_weights: list[MinimaxSpeech28HdTimberWeightsItem]
    """Blend of up to four voices. This spelling is what the page shows; 0 to 4 of them."""
    voice_modify: MinimaxSpeech28HdVoiceModify
    """Voice effects. Works with mp3, wav, flac when not streaming and only with mp3 when streaming."""
    pronunciation_dict: MinimaxSpeech28HdPronunciationDict
    language_boost: Literal["Chinese", "Chinese,Yue", "English", "Arabic", "Russian", "Spanish", "French", "Portuguese", "German", "Turkish", "Dutch", "Ukrainian", "Vietnamese", "Indonesian", "Japanese", "Italian", "Korean", "Thai", "Polish", "Romanian", "Greek", "Czech", "Finnish", "Hindi", "Bulgarian", "Danish", "Hebrew", "Malay", "Persian", "Slovak", "Swedish", "Croatian", "Filipino", "Hungarian", "Norwegian", "Slovenian", "Catalan", "Nynorsk", "Tamil", "Afrikaans", "auto"]
    """Recognition boost for one language or dialect; auto lets the model decide. Note the value "Chinese,Yue" contains
    a comma.
    """
    stream: bool
    """Switches the answer to server-sent events. Default False."""
    stream_options: MinimaxSpeech28HdStreamOptions
    output_format: Literal["hex", "url"]
    """Read only when stream is false. A url lives 24 hours. Default "hex"."""
    subtitle_enable: bool
    """Sentence subtitles (non-streaming). The page limits it to the 01/02/2.6 models, so it may do nothing here.
    Default False.
    """
    continuous_sound: bool
    """Smoother joins between clauses (2.8 only). Default False."""
    aigc_watermark: bool
    """Audible end marker; non-streaming only. Default False."""

class MinimaxSpeech28HdAsyncVoiceSetting(TypedDict, total=False):
    voice_id: Required[str]
    """As in the sync form."""
    speed: float
    """0.5 to 2. Default 1."""
    vol: float
    """more than 0 to 10. Default 1."""
    pitch: int
    """-12 to 12. Default 0."""
    emotion: Literal["happy", "sad", "angry", "fearful", "disgusted", "surprised", "calm", "fluent", "whisper"]
    """See MiniMax28VoiceSetting.emotion."""
    english_normalization: bool
    """Named text_normalization in the sync form. Default False."""

class MinimaxSpeech28HdAsyncAudioSetting(TypedDict, total=False):
    format: Literal["mp3", "pcm", "flac"]
    """Default "mp3"."""
    bitrate: Literal[32000, 64000, 128000, 256000]
    """mp3 only. Default 128000."""
    channel: Literal[1, 2]
    """The schema default is 2, the prose default is 1. Default 2."""
    audio_sample_rate: Literal[8000, 16000, 22050, 24000, 32000, 44100]
    """Named sample_rate in the sync form. Default 32000."""

class MinimaxSpeech28HdAsyncParams(TypedDict, total=False):
    text: str
    """Either text or text_file_id; up to 50000 characters."""
    text_file_id: int
    """Id of an uploaded txt or zip (under 100,000 characters). A zip holds txt files or json files with
    title/content/extra. No Novita upload endpoint for it is documented.
    """
    voice_setting: Required[MinimaxSpeech28HdAsyncVoiceSetting]
    audio_setting: MinimaxSpeech28HdAsyncAudioSetting
    timber_weights: list[MinimaxSpeech28HdTimberWeightsItem]
    """Mentioned by the voice_id text but not listed as a field here; 0 to 4 of them."""
    voice_modify: MinimaxSpeech28HdVoiceModify
    """Voice effects. Works with mp3, wav, flac when not streaming and only with mp3 when streaming."""
    pronunciation_dict: MinimaxSpeech28HdPronunciationDict
    language_boost: Literal["Chinese", "Chinese,Yue", "English", "Arabic", "Russian", "Spanish", "French", "Portuguese", "German", "Turkish", "Dutch", "Ukrainian", "Vietnamese", "Indonesian", "Japanese", "Italian", "Korean", "Thai", "Polish", "Romanian", "Greek", "Czech", "Finnish", "Hindi", "Bulgarian", "Danish", "Hebrew", "Malay", "Persian", "Slovak", "Swedish", "Croatian", "Filipino", "Hungarian", "Norwegian", "Slovenian", "Catalan", "Nynorsk", "Tamil", "Afrikaans", "auto"]
    """Recognition boost for one language or dialect; auto lets the model decide. Note the value "Chinese,Yue" contains
    a comma.
    """
    continuous_sound: bool
    """Default False."""
    aigc_watermark: bool
    """Default False."""

class MinimaxSpeech02HdVoiceSetting(TypedDict, total=False):
    voice_id: str
    """System voice (known ids in x-known-values) or a cloned/designed voice id. Required unless timbre_weights is sent
    (sync form).
    """
    speed: float
    """Rate; 0.5 to 2. Default 1.0."""
    vol: float
    """Volume, zero excluded; more than 0 to 10. Default 1.0."""
    pitch: int
    """Pitch shift; must be an integer; -12 to 12. Default 0."""
    emotion: Literal["happy", "sad", "angry", "fearful", "disgusted", "surprised", "neutral"]
    """Speaking emotion."""
    text_normalization: bool
    """English number normalisation; adds a little latency. Default False."""

class MinimaxSpeech02HdAudioSetting(TypedDict, total=False):
    sample_rate: Literal[8000, 16000, 22050, 24000, 32000, 44100]
    """Hz. Default 32000."""
    bitrate: Literal[32000, 64000, 128000, 256000]
    """bit/s, mp3 only. Default 128000."""
    format: Literal["mp3", "pcm", "flac", "wav"]
    """wav only when not streaming. Default "mp3"."""
    channel: Literal[1, 2]
    """1 mono, 2 stereo. Default 1."""

class MinimaxSpeech02HdParams(TypedDict, total=False):
    text: Required[str]
    """Text to speak. Newlines split paragraphs. A marker <#x#> inserts a pause of x seconds (0.01-99.99, two decimals)
    and must stand between two pronounceable pieces, never twice in a row; up to 9999 characters.
    """
    voice_setting: Required[MinimaxSpeech02HdVoiceSetting]
    audio_setting: MinimaxSpeech02HdAudioSetting
    pronunciation_dict: MinimaxSpeech28HdPronunciationDict
    language_boost: Literal["Chinese", "Chinese,Yue", "English", "Arabic", "Russian", "Spanish", "French", "Portuguese", "German", "Turkish", "Dutch", "Ukrainian", "Vietnamese", "Indonesian", "Japanese", "Italian", "Korean", "Thai", "Polish", "Romanian", "Greek", "Czech", "Finnish", "Hindi", "Bulgarian", "Danish", "Hebrew", "Malay", "Persian", "Slovak", "Swedish", "Croatian", "Filipino", "Hungarian", "Norwegian", "Slovenian", "Catalan", "Nynorsk", "Tamil", "Afrikaans", "auto"]
    """Recognition boost for one language or dialect; auto lets the model decide. Note the value "Chinese,Yue" contains
    a comma.
    """
    voice_modify: MinimaxSpeech28HdVoiceModify
    """Voice effects. Works with mp3, wav, flac when not streaming and only with mp3 when streaming."""
    timbre_weights: list[MinimaxSpeech28HdTimberWeightsItem]
    """Blend of up to four voices, instead of voice_id. Spelled timbre_ here and timber_ on the 2.8 endpoints; 0 to 4
    of them.
    """
    stream: bool
    """Switches the answer to server-sent events. Default False."""
    output_format: Literal["hex", "url"]
    """Only read when stream is false; streams are always hex. A url lives 24 hours. Default "hex"."""

class MinimaxSpeech02HdAsyncParams(TypedDict, total=False):
    text: Required[str]
    """Text to speak; up to 50000 characters."""
    voice_setting: Required[MinimaxSpeech02HdVoiceSetting]
    audio_setting: MinimaxSpeech02HdAudioSetting
    pronunciation_dict: MinimaxSpeech28HdPronunciationDict
    language_boost: Literal["Chinese", "Chinese,Yue", "English", "Arabic", "Russian", "Spanish", "French", "Portuguese", "German", "Turkish", "Dutch", "Ukrainian", "Vietnamese", "Indonesian", "Japanese", "Italian", "Korean", "Thai", "Polish", "Romanian", "Greek", "Czech", "Finnish", "Hindi", "Bulgarian", "Danish", "Hebrew", "Malay", "Persian", "Slovak", "Swedish", "Croatian", "Filipino", "Hungarian", "Norwegian", "Slovenian", "Catalan", "Nynorsk", "Tamil", "Afrikaans", "auto"]
    """Recognition boost for one language or dialect; auto lets the model decide. Note the value "Chinese,Yue" contains
    a comma.
    """
    voice_modify: MinimaxSpeech28HdVoiceModify
    """Voice effects. Works with mp3, wav, flac when not streaming and only with mp3 when streaming."""

class GlmTtsParams(TypedDict, total=False):
    input: Required[str]
    """Text; up to 1024 characters."""
    voice: Required[str]
    """System or cloned voice. Default "tongtong"."""
    speed: float
    """0.5 to 2. Default 1."""
    volume: float
    """more than 0 to 10. Default 1."""
    response_format: Literal["wav", "pcm"]
    """Default "pcm"."""
    watermark_enabled: bool
    """False works only for accounts cleared to drop watermarks."""

class GlmAsrParams(TypedDict, total=False):
    file: Required[FileInput]
    """URL or Base64 text of a wav/mp3 of at most 25 MB and 30 s. The official CLI sends a base64 data URI. JSON only,
    no multipart.
    """
    prompt: str
    """Earlier transcript as context; 8,000 characters advised."""
    hotwords: list[str]
    """Domain words; 0 to 100 of them."""

class GlmTtsVoiceCloneParams(TypedDict, total=False):
    text: str
    """Transcript of the sample."""
    input: Required[str]
    """Text for the preview."""
    audio_url: Required[FileInput]
    """Sample of at most 10 MB, 3-30 s advised."""
    voice_name: Required[str]
    """Unique name."""

class FishAudioTextToSpeechReferences1(TypedDict, total=False):
    audio: FileInput
    """Bytes in MessagePack; base64 or URL in the S2 Pro JSON form."""
    text: str
    """Transcript."""

class FishAudioTextToSpeechProsody(TypedDict, total=False):
    speed: float
    """Rate factor. Default 1."""
    volume: float
    """Loudness change. Default 0."""

class FishAudioTextToSpeechParams(TypedDict, total=False):
    text: Required[str]
    """Text."""
    temperature: float
    """0 to 1. Default 0.9."""
    top_p: float
    """0 to 1. Default 0.9."""
    references: FishAudioTextToSpeechReferences1 | list[FishAudioTextToSpeechReferences1]
    """Inline reference clips. The page types it as one object but the upstream API takes a list; it needs a
    MessagePack body because audio is bytes.
    """
    reference_id: str | None
    """Id returned by the voice-model call, or a public voice id."""
    prosody: FishAudioTextToSpeechProsody | None
    chunk_length: int
    """100 to 300. Default 200."""
    normalize: bool
    """Off is faster to stabilise but hurts numbers and dates. Default True."""
    format: Literal["wav", "pcm", "mp3", "opus"]
    """Output container. mp3 mono 32/44.1 kHz; wav/pcm 16-bit mono 8-44.1 kHz; opus mono 48 kHz. Default "mp3"."""
    sample_rate: int | None
    """Hz; 44100 by default, 48000 for opus."""
    mp3_bitrate: Literal[64, 128, 192]
    """kbit/s. Default 128."""
    opus_bitrate: Literal[-1000, 24, 32, 48, 64]
    """kbit/s, -1000 automatic. Default 32."""
    latency: Literal["normal", "balanced"]
    """balanced trades quality for speed. Default "normal"."""

class FishAudioS2ProTextToSpeechProsody(TypedDict, total=False):
    speed: float
    """Default 1."""
    volume: float
    """Default 0."""
    normalize_loudness: bool
    """Default True."""

class FishAudioS2ProTextToSpeechParams(TypedDict, total=False):
    text: Required[str]
    """Text; several speakers are marked with tags <|speaker:N|>."""
    references: list[FishAudioTextToSpeechReferences1]
    """Zero-shot clips."""
    reference_id: str | list[str]
    """Voice id, or one per speaker index. The page types it string but describes arrays."""
    prosody: FishAudioS2ProTextToSpeechProsody
    temperature: float
    """0 to 1. Default 0.7."""
    top_p: float
    """0 to 1. Default 0.7."""
    chunk_length: int
    """100 to 300."""
    min_chunk_length: int
    """0 to 100."""
    max_new_tokens: int
    """Per chunk."""
    repetition_penalty: float
    early_stop_threshold: float
    """0 to 1."""
    condition_on_previous_chunks: bool
    normalize: bool
    """Default True."""
    latency: Literal["low", "normal", "balanced"]
    """Default "normal"."""
    format: Literal["wav", "pcm", "mp3", "opus"]
    """Output container. mp3 mono 32/44.1 kHz; wav/pcm 16-bit mono 8-44.1 kHz; opus mono 48 kHz. Default "mp3"."""
    sample_rate: int | None
    mp3_bitrate: Literal[64, 128, 192]
    """kbit/s. Default 128."""
    opus_bitrate: Literal[-1000, 24000, 32000, 48000, 64000]
    """bit/s here (kbit/s on the s1 page); -1000 automatic."""

class FishAudioVoiceCloningParams(TypedDict, total=False):
    type: Required[Literal["tts"]]
    title: Required[str]
    train_mode: Required[Literal["fast"]]
    """fast = usable at once."""
    voices: Required[list[FileInput]]
    """Sample files."""
    visibility: Literal["public", "unlist", "private"]
    """public appears in the discovery list; the default is public, so a careful SDK should send private explicitly.
    Default "public".
    """
    description: str | None
    cover_image: FileInput
    """Needed when visibility is public."""
    texts: list[str]
    """Transcripts in the order of voices; missing ones are recognised automatically."""
    tags: list[str]
    enhance_audio_quality: bool
    """Default False."""

class Txt2speechExtraWebhookTestMode(TypedDict, total=False):
    enabled: Required[bool]
    return_task_status: Required[Literal["TASK_STATUS_SUCCEED", "TASK_STATUS_FAILED"]]

class Txt2speechExtraWebhook(TypedDict, total=False):
    url: Required[str]
    """Where to deliver ASYNC_TASK_RESULT."""
    test_mode: Txt2speechExtraWebhookTestMode

class Txt2speechExtra(TypedDict, total=False):
    webhook: Txt2speechExtraWebhook
    response_audio_type: Literal["wav", "mp3"]
    """Container of the result. Default "wav"."""

class Txt2speechParams(TypedDict, total=False):
    extra: Txt2speechExtra
    voice_id: Required[Literal["Emily", "James", "Olivia", "Michael", "Sarah", "John"]]
    language: Required[Literal["en-US", "zh-CN", "ja-JP"]]
    texts: Required[list[str]]
    """Passages to speak."""
    volume: float
    """1 to 2. Default 1.0."""
    speed: float
    """0.8 to 3. Default 1.0."""

class MinimaxVoiceCloningClonePrompt(TypedDict, total=False):
    prompt_audio_url: Required[FileInput]
    """Clip under 8 s."""
    prompt_text: str
    """Its transcript."""

class MinimaxVoiceCloningParams(TypedDict, total=False):
    audio_url: Required[FileInput]
    """mp3, m4a or wav; 10 s to 5 min; 20 MB at most."""
    clone_prompt: MinimaxVoiceCloningClonePrompt
    """Optional second sample that raises similarity."""
    text_validation: str
    """Expected transcript, checked against the audio. Only on an older copy of the page; gone from the newer one."""
    text: str
    """Preview text; billed like speech; up to 2000 characters."""
    model: str
    """Model for the preview; needed with text."""
    accuracy: float
    """Match threshold for text_validation; 0 to 1. Default 0.7."""
    need_noise_reduction: bool
    """Default False."""
    need_volume_normalization: bool
    """Default False."""

class MinimaxVoiceDesignParams(TypedDict, total=False):
    prompt: Required[str]
    """Description of the wanted voice."""
    preview_text: Required[str]
    """up to 500 characters."""
    voice_id: str
    """Own id; generated when missing."""

class MinimaxMusicAudioSetting(TypedDict, total=False):
    format: Literal["mp3", "wav", "pcm"]
    bitrate: Literal[32000, 64000, 128000, 256000]
    sample_rate: Literal[16000, 24000, 32000, 44100]

class MinimaxMusicParams(TypedDict, total=False):
    model: Literal["music-2.5+", "music-2.5", "music-2.0"]
    """music-2.5+ is the recommended one."""
    lyrics: str
    """Lines split by newline; structure tags in brackets; up to 3500 characters."""
    prompt: str
    """Style, mood, scene. Needed when is_instrumental is true; up to 2000 characters."""
    audio_setting: MinimaxMusicAudioSetting
    output_format: Literal["url"]
    """Only url is accepted. Default "url"."""
    aigc_watermark: bool
    is_instrumental: bool
    """music-2.5+ only."""
    lyrics_optimizer: bool
    """Writes lyrics from prompt when lyrics is empty; 2.5 and 2.5+."""

class MinimaxMusicLyricsParams(TypedDict, total=False):
    mode: Required[Literal["write_full_song", "edit"]]
    title: str
    """Kept as is."""
    lyrics: str
    """Input for edit; up to 3500 characters."""
    prompt: str
    """Theme or edit order; empty means random; up to 2000 characters."""

class ImageCalls(MediaJobs):
    @overload
    async def submit(
        self,
        model: Literal["txt2img"],
        /,
        *,
        validate: bool = True,
        extra_body: Mapping[str, Any] | None = None,
        extra_headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
        **params: Unpack[Txt2imgParams],
    ) -> Task[MediaResult]:
        """Stable Diffusion text to image. No longer in the platform's index."""
    @overload
    async def submit(
        self,
        model: Literal["img2img"],
        /,
        *,
        validate: bool = True,
        extra_body: Mapping[str, Any] | None = None,
        extra_headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
        **params: Unpack[Img2imgParams],
    ) -> Task[MediaResult]:
        """Stable Diffusion image to image, with ControlNet and IP-Adapter. No longer in the platform's index."""
    @overload
    async def submit(
        self,
        model: Literal["inpainting"],
        /,
        *,
        validate: bool = True,
        extra_body: Mapping[str, Any] | None = None,
        extra_headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
        **params: Unpack[InpaintingParams],
    ) -> Task[MediaResult]:
        """Masked inpainting. Its end was announced for 2026-07-22."""
    @overload
    async def submit(
        self,
        model: Literal["upscale"],
        /,
        *,
        validate: bool = True,
        extra_body: Mapping[str, Any] | None = None,
        extra_headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
        **params: Unpack[UpscaleParams],
    ) -> Task[MediaResult]:
        """ESRGAN upscale. Its end was announced for 2026-07-22."""
    @overload
    async def submit(
        self,
        model: Literal["adetailer"],
        /,
        *,
        validate: bool = True,
        extra_body: Mapping[str, Any] | None = None,
        extra_headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
        **params: Unpack[AdetailerParams],
    ) -> Task[MediaResult]:
        """Detect-and-redraw of faces and hands. No longer in the platform's index."""
    @overload
    async def submit(
        self,
        model: Literal["replace-background-async"],
        /,
        *,
        validate: bool = True,
        extra_body: Mapping[str, Any] | None = None,
        extra_headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
        **params: Unpack[ReplaceBackgroundAsyncParams],
    ) -> Task[MediaResult]:
        """Background replacement as a task. Its end was announced for 2026-07-22."""
    @overload
    async def submit(
        self,
        model: Literal["flux-1-kontext-dev"],
        /,
        *,
        validate: bool = True,
        extra_body: Mapping[str, Any] | None = None,
        extra_headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
        **params: Unpack[Flux1KontextDevParams],
    ) -> Task[MediaResult]:
        """FLUX.1 Kontext dev, text to image and editing. Its end was announced for 2026-08-19, in favour of qwen-image-txt2img."""
    @overload
    async def submit(
        self,
        model: Literal["flux-1-kontext-pro"],
        /,
        *,
        validate: bool = True,
        extra_body: Mapping[str, Any] | None = None,
        extra_headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
        **params: Unpack[Flux1KontextProParams],
    ) -> Task[MediaResult]:
        """FLUX.1 Kontext pro, text to image and editing. Its end was announced for 2026-08-19, in favour of qwen-image-txt2img."""
    @overload
    async def submit(
        self,
        model: Literal["flux-1-kontext-max"],
        /,
        *,
        validate: bool = True,
        extra_body: Mapping[str, Any] | None = None,
        extra_headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
        **params: Unpack[Flux1KontextMaxParams],
    ) -> Task[MediaResult]:
        """FLUX.1 Kontext max, text to image and editing. Its end was announced for 2026-08-19, in favour of qwen-image-txt2img."""
    @overload
    async def submit(
        self,
        model: Literal["flux-2-dev"],
        /,
        *,
        validate: bool = True,
        extra_body: Mapping[str, Any] | None = None,
        extra_headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
        **params: Unpack[Flux2DevParams],
    ) -> Task[MediaResult]:
        """FLUX.2 dev, text to image and editing. Its end was announced for 2026-08-19, in favour of qwen-image-txt2img."""
    @overload
    async def submit(
        self,
        model: Literal["flux-2-flex"],
        /,
        *,
        validate: bool = True,
        extra_body: Mapping[str, Any] | None = None,
        extra_headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
        **params: Unpack[Flux2FlexParams],
    ) -> Task[MediaResult]:
        """FLUX.2 flex, text to image and editing. Its end was announced for 2026-08-19, in favour of qwen-image-txt2img."""
    @overload
    async def submit(
        self,
        model: Literal["flux-2-pro"],
        /,
        *,
        validate: bool = True,
        extra_body: Mapping[str, Any] | None = None,
        extra_headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
        **params: Unpack[Flux2FlexParams],
    ) -> Task[MediaResult]:
        """FLUX.2 pro, text to image and editing. Its end was announced for 2026-08-19, in favour of qwen-image-txt2img."""
    @overload
    async def submit(
        self,
        model: Literal["qwen-image-txt2img"],
        /,
        *,
        validate: bool = True,
        extra_body: Mapping[str, Any] | None = None,
        extra_headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
        **params: Unpack[QwenImageTxt2imgParams],
    ) -> Task[MediaResult]:
        """Qwen-Image text to image. Its end was announced for 2026-09-30."""
    @overload
    async def submit(
        self,
        model: Literal["qwen-image-edit"],
        /,
        *,
        validate: bool = True,
        extra_body: Mapping[str, Any] | None = None,
        extra_headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
        **params: Unpack[QwenImageEditParams],
    ) -> Task[MediaResult]:
        """Qwen-Image instruction editing. Its end was announced for 2026-09-30."""
    @overload
    async def submit(
        self,
        model: Literal["hunyuan-image-3"],
        /,
        *,
        validate: bool = True,
        extra_body: Mapping[str, Any] | None = None,
        extra_headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
        **params: Unpack[HunyuanImage3Params],
    ) -> Task[MediaResult]:
        """Hunyuan Image 3 text to image. Its end was announced for 2026-07-07, in favour of seedream-5.0-lite."""
    @overload
    async def submit(
        self,
        model: Literal["z-image-turbo"],
        /,
        *,
        validate: bool = True,
        extra_body: Mapping[str, Any] | None = None,
        extra_headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
        **params: Unpack[ZImageTurboParams],
    ) -> Task[MediaResult]:
        """Z-Image Turbo text to image. Its end was announced for 2026-08-19, in favour of qwen-image-txt2img."""
    @overload
    async def submit(
        self,
        model: Literal["z-image-turbo-lora"],
        /,
        *,
        validate: bool = True,
        extra_body: Mapping[str, Any] | None = None,
        extra_headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
        **params: Unpack[ZImageTurboLoraParams],
    ) -> Task[MediaResult]:
        """Z-Image Turbo with custom LoRAs. Its end was announced for 2026-08-19, in favour of qwen-image-txt2img."""
    @overload
    async def submit(
        self,
        model: Literal["glm-image"],
        /,
        *,
        validate: bool = True,
        extra_body: Mapping[str, Any] | None = None,
        extra_headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
        **params: Unpack[GlmImageParams],
    ) -> Task[MediaResult]:
        """GLM Image text to image. Its end was announced for 2026-07-07, in favour of seedream-5.0-lite."""
    @overload
    async def submit(
        self,
        model: Literal["image-upscaler"],
        /,
        *,
        validate: bool = True,
        extra_body: Mapping[str, Any] | None = None,
        extra_headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
        **params: Unpack[ImageUpscalerParams],
    ) -> Task[MediaResult]:
        """Upscale to 2k, 4k or 8k. Its end was announced for 2026-08-19."""
    @overload
    async def submit(
        self,
        model: Literal["image-eraser"],
        /,
        *,
        validate: bool = True,
        extra_body: Mapping[str, Any] | None = None,
        extra_headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
        **params: Unpack[ImageEraserParams],
    ) -> Task[MediaResult]:
        """Erase by mask or by words. Its end was announced for 2026-08-19."""
    @overload
    async def submit(
        self,
        model: Literal["image-remove-background"],
        /,
        *,
        validate: bool = True,
        extra_body: Mapping[str, Any] | None = None,
        extra_headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
        **params: Unpack[ImageRemoveBackgroundParams],
    ) -> Task[MediaResult]:
        """Background removal from a URL. Its end was announced for 2026-08-19."""
    @overload
    async def run(
        self,
        model: Literal["txt2img"],
        /,
        *,
        validate: bool = True,
        extra_body: Mapping[str, Any] | None = None,
        extra_headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
        **params: Unpack[Txt2imgParams],
    ) -> MediaResult:
        """Stable Diffusion text to image. No longer in the platform's index."""
    @overload
    async def run(
        self,
        model: Literal["img2img"],
        /,
        *,
        validate: bool = True,
        extra_body: Mapping[str, Any] | None = None,
        extra_headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
        **params: Unpack[Img2imgParams],
    ) -> MediaResult:
        """Stable Diffusion image to image, with ControlNet and IP-Adapter. No longer in the platform's index."""
    @overload
    async def run(
        self,
        model: Literal["inpainting"],
        /,
        *,
        validate: bool = True,
        extra_body: Mapping[str, Any] | None = None,
        extra_headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
        **params: Unpack[InpaintingParams],
    ) -> MediaResult:
        """Masked inpainting. Its end was announced for 2026-07-22."""
    @overload
    async def run(
        self,
        model: Literal["upscale"],
        /,
        *,
        validate: bool = True,
        extra_body: Mapping[str, Any] | None = None,
        extra_headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
        **params: Unpack[UpscaleParams],
    ) -> MediaResult:
        """ESRGAN upscale. Its end was announced for 2026-07-22."""
    @overload
    async def run(
        self,
        model: Literal["adetailer"],
        /,
        *,
        validate: bool = True,
        extra_body: Mapping[str, Any] | None = None,
        extra_headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
        **params: Unpack[AdetailerParams],
    ) -> MediaResult:
        """Detect-and-redraw of faces and hands. No longer in the platform's index."""
    @overload
    async def run(
        self,
        model: Literal["replace-background-async"],
        /,
        *,
        validate: bool = True,
        extra_body: Mapping[str, Any] | None = None,
        extra_headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
        **params: Unpack[ReplaceBackgroundAsyncParams],
    ) -> MediaResult:
        """Background replacement as a task. Its end was announced for 2026-07-22."""
    @overload
    async def run(
        self,
        model: Literal["flux-1-kontext-dev"],
        /,
        *,
        validate: bool = True,
        extra_body: Mapping[str, Any] | None = None,
        extra_headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
        **params: Unpack[Flux1KontextDevParams],
    ) -> MediaResult:
        """FLUX.1 Kontext dev, text to image and editing. Its end was announced for 2026-08-19, in favour of qwen-image-txt2img."""
    @overload
    async def run(
        self,
        model: Literal["flux-1-kontext-pro"],
        /,
        *,
        validate: bool = True,
        extra_body: Mapping[str, Any] | None = None,
        extra_headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
        **params: Unpack[Flux1KontextProParams],
    ) -> MediaResult:
        """FLUX.1 Kontext pro, text to image and editing. Its end was announced for 2026-08-19, in favour of qwen-image-txt2img."""
    @overload
    async def run(
        self,
        model: Literal["flux-1-kontext-max"],
        /,
        *,
        validate: bool = True,
        extra_body: Mapping[str, Any] | None = None,
        extra_headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
        **params: Unpack[Flux1KontextMaxParams],
    ) -> MediaResult:
        """FLUX.1 Kontext max, text to image and editing. Its end was announced for 2026-08-19, in favour of qwen-image-txt2img."""
    @overload
    async def run(
        self,
        model: Literal["flux-2-dev"],
        /,
        *,
        validate: bool = True,
        extra_body: Mapping[str, Any] | None = None,
        extra_headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
        **params: Unpack[Flux2DevParams],
    ) -> MediaResult:
        """FLUX.2 dev, text to image and editing. Its end was announced for 2026-08-19, in favour of qwen-image-txt2img."""
    @overload
    async def run(
        self,
        model: Literal["flux-2-flex"],
        /,
        *,
        validate: bool = True,
        extra_body: Mapping[str, Any] | None = None,
        extra_headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
        **params: Unpack[Flux2FlexParams],
    ) -> MediaResult:
        """FLUX.2 flex, text to image and editing. Its end was announced for 2026-08-19, in favour of qwen-image-txt2img."""
    @overload
    async def run(
        self,
        model: Literal["flux-2-pro"],
        /,
        *,
        validate: bool = True,
        extra_body: Mapping[str, Any] | None = None,
        extra_headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
        **params: Unpack[Flux2FlexParams],
    ) -> MediaResult:
        """FLUX.2 pro, text to image and editing. Its end was announced for 2026-08-19, in favour of qwen-image-txt2img."""
    @overload
    async def run(
        self,
        model: Literal["qwen-image-txt2img"],
        /,
        *,
        validate: bool = True,
        extra_body: Mapping[str, Any] | None = None,
        extra_headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
        **params: Unpack[QwenImageTxt2imgParams],
    ) -> MediaResult:
        """Qwen-Image text to image. Its end was announced for 2026-09-30."""
    @overload
    async def run(
        self,
        model: Literal["qwen-image-edit"],
        /,
        *,
        validate: bool = True,
        extra_body: Mapping[str, Any] | None = None,
        extra_headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
        **params: Unpack[QwenImageEditParams],
    ) -> MediaResult:
        """Qwen-Image instruction editing. Its end was announced for 2026-09-30."""
    @overload
    async def run(
        self,
        model: Literal["hunyuan-image-3"],
        /,
        *,
        validate: bool = True,
        extra_body: Mapping[str, Any] | None = None,
        extra_headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
        **params: Unpack[HunyuanImage3Params],
    ) -> MediaResult:
        """Hunyuan Image 3 text to image. Its end was announced for 2026-07-07, in favour of seedream-5.0-lite."""
    @overload
    async def run(
        self,
        model: Literal["z-image-turbo"],
        /,
        *,
        validate: bool = True,
        extra_body: Mapping[str, Any] | None = None,
        extra_headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
        **params: Unpack[ZImageTurboParams],
    ) -> MediaResult:
        """Z-Image Turbo text to image. Its end was announced for 2026-08-19, in favour of qwen-image-txt2img."""
    @overload
    async def run(
        self,
        model: Literal["z-image-turbo-lora"],
        /,
        *,
        validate: bool = True,
        extra_body: Mapping[str, Any] | None = None,
        extra_headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
        **params: Unpack[ZImageTurboLoraParams],
    ) -> MediaResult:
        """Z-Image Turbo with custom LoRAs. Its end was announced for 2026-08-19, in favour of qwen-image-txt2img."""
    @overload
    async def run(
        self,
        model: Literal["glm-image"],
        /,
        *,
        validate: bool = True,
        extra_body: Mapping[str, Any] | None = None,
        extra_headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
        **params: Unpack[GlmImageParams],
    ) -> MediaResult:
        """GLM Image text to image. Its end was announced for 2026-07-07, in favour of seedream-5.0-lite."""
    @overload
    async def run(
        self,
        model: Literal["image-upscaler"],
        /,
        *,
        validate: bool = True,
        extra_body: Mapping[str, Any] | None = None,
        extra_headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
        **params: Unpack[ImageUpscalerParams],
    ) -> MediaResult:
        """Upscale to 2k, 4k or 8k. Its end was announced for 2026-08-19."""
    @overload
    async def run(
        self,
        model: Literal["image-eraser"],
        /,
        *,
        validate: bool = True,
        extra_body: Mapping[str, Any] | None = None,
        extra_headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
        **params: Unpack[ImageEraserParams],
    ) -> MediaResult:
        """Erase by mask or by words. Its end was announced for 2026-08-19."""
    @overload
    async def run(
        self,
        model: Literal["image-remove-background"],
        /,
        *,
        validate: bool = True,
        extra_body: Mapping[str, Any] | None = None,
        extra_headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
        **params: Unpack[ImageRemoveBackgroundParams],
    ) -> MediaResult:
        """Background removal from a URL. Its end was announced for 2026-08-19."""
    @overload
    async def run(
        self,
        model: Literal["flux-1-schnell"],
        /,
        *,
        validate: bool = True,
        extra_body: Mapping[str, Any] | None = None,
        extra_headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
        **params: Unpack[Flux1SchnellParams],
    ) -> MediaResult:
        """FLUX.1 schnell text to image. No longer in the platform's index."""
    @overload
    async def run(
        self,
        model: Literal["seedream-3-0-txt2img"],
        /,
        *,
        validate: bool = True,
        extra_body: Mapping[str, Any] | None = None,
        extra_headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
        **params: Unpack[Seedream30Txt2imgParams],
    ) -> MediaResult:
        """Seedream 3.0 text to image. No longer in the platform's index."""
    @overload
    async def run(
        self,
        model: Literal["seedream-4.0"],
        /,
        *,
        validate: bool = True,
        extra_body: Mapping[str, Any] | None = None,
        extra_headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
        **params: Unpack[Seedream40Params],
    ) -> MediaResult:
        """Seedream 4.0 generation and editing. No longer in the platform's index."""
    @overload
    async def run(
        self,
        model: Literal["seedream-4.5"],
        /,
        *,
        validate: bool = True,
        extra_body: Mapping[str, Any] | None = None,
        extra_headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
        **params: Unpack[Seedream45Params],
    ) -> MediaResult:
        """Seedream 4.5 generation and editing. No longer in the platform's index."""
    @overload
    async def run(
        self,
        model: Literal["seedream-5.0-lite"],
        /,
        *,
        validate: bool = True,
        extra_body: Mapping[str, Any] | None = None,
        extra_headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
        **params: Unpack[Seedream50LiteParams],
    ) -> MediaResult:
        """Seedream 5.0 lite generation and editing. No longer in the platform's index."""
    @overload
    async def run(
        self,
        model: Literal["remove-background"],
        /,
        *,
        validate: bool = True,
        extra_body: Mapping[str, Any] | None = None,
        extra_headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
        **params: Unpack[RemoveBackgroundParams],
    ) -> MediaResult:
        """Remove background. Its end was announced for 2026-07-22."""
    @overload
    async def run(
        self,
        model: Literal["replace-background"],
        /,
        *,
        validate: bool = True,
        extra_body: Mapping[str, Any] | None = None,
        extra_headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
        **params: Unpack[ReplaceBackgroundParams],
    ) -> MediaResult:
        """Replace background by prompt. Its end was announced for 2026-07-22."""
    @overload
    async def run(
        self,
        model: Literal["remove-text"],
        /,
        *,
        validate: bool = True,
        extra_body: Mapping[str, Any] | None = None,
        extra_headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
        **params: Unpack[RemoveTextParams],
    ) -> MediaResult:
        """Remove text. Its end was announced for 2026-07-22."""
    @overload
    async def run(
        self,
        model: Literal["reimagine"],
        /,
        *,
        validate: bool = True,
        extra_body: Mapping[str, Any] | None = None,
        extra_headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
        **params: Unpack[RemoveTextParams],
    ) -> MediaResult:
        """Variation of one picture. No longer in the platform's index."""
    @overload
    async def run(
        self,
        model: Literal["cleanup"],
        /,
        *,
        validate: bool = True,
        extra_body: Mapping[str, Any] | None = None,
        extra_headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
        **params: Unpack[CleanupParams],
    ) -> MediaResult:
        """Erase a masked area. Its end was announced for 2026-07-22."""
    @overload
    async def run(
        self,
        model: Literal["outpainting"],
        /,
        *,
        validate: bool = True,
        extra_body: Mapping[str, Any] | None = None,
        extra_headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
        **params: Unpack[OutpaintingParams],
    ) -> MediaResult:
        """Extend the canvas. No longer in the platform's index."""
    @overload
    async def run(
        self,
        model: Literal["merge-face"],
        /,
        *,
        validate: bool = True,
        extra_body: Mapping[str, Any] | None = None,
        extra_headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
        **params: Unpack[MergeFaceParams],
    ) -> MediaResult:
        """Face swap between two pictures. No longer in the platform's index."""
    @overload
    async def run(
        self,
        model: Literal["img2prompt"],
        /,
        *,
        validate: bool = True,
        extra_body: Mapping[str, Any] | None = None,
        extra_headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
        **params: Unpack[Img2promptParams],
    ) -> MediaResult:
        """Describe a picture as a prompt. Its end was announced for 2026-07-22."""

class VideoCalls(MediaJobs):
    @overload
    async def submit(
        self,
        model: Literal["video-merge-face"],
        /,
        *,
        validate: bool = True,
        extra_body: Mapping[str, Any] | None = None,
        extra_headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
        **params: Unpack[VideoMergeFaceParams],
    ) -> Task[MediaResult]:
        """Replace the face in a video. No longer in the platform's index."""
    @overload
    async def submit(
        self,
        model: Literal["kling-v3.0-std-t2v"],
        /,
        *,
        validate: bool = True,
        extra_body: Mapping[str, Any] | None = None,
        extra_headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
        **params: Unpack[KlingV30StdT2vParams],
    ) -> Task[MediaResult]:
        """Kling 3.0 Standard text to video."""
    @overload
    async def submit(
        self,
        model: Literal["kling-v3.0-std-i2v"],
        /,
        *,
        validate: bool = True,
        extra_body: Mapping[str, Any] | None = None,
        extra_headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
        **params: Unpack[KlingV30StdI2vParams],
    ) -> Task[MediaResult]:
        """Kling 3.0 Standard image to video."""
    @overload
    async def submit(
        self,
        model: Literal["kling-v3.0-pro-t2v"],
        /,
        *,
        validate: bool = True,
        extra_body: Mapping[str, Any] | None = None,
        extra_headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
        **params: Unpack[KlingV30ProT2vParams],
    ) -> Task[MediaResult]:
        """Kling 3.0 Pro text to video."""
    @overload
    async def submit(
        self,
        model: Literal["kling-v3.0-pro-i2v"],
        /,
        *,
        validate: bool = True,
        extra_body: Mapping[str, Any] | None = None,
        extra_headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
        **params: Unpack[KlingV30ProI2vParams],
    ) -> Task[MediaResult]:
        """Kling 3.0 Pro image to video."""
    @overload
    async def submit(
        self,
        model: Literal["kling-v3.0-4k-t2v"],
        /,
        *,
        validate: bool = True,
        extra_body: Mapping[str, Any] | None = None,
        extra_headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
        **params: Unpack[KlingV30StdT2vParams],
    ) -> Task[MediaResult]:
        """Kling 3.0 4K text to video."""
    @overload
    async def submit(
        self,
        model: Literal["kling-v3.0-4k-i2v"],
        /,
        *,
        validate: bool = True,
        extra_body: Mapping[str, Any] | None = None,
        extra_headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
        **params: Unpack[KlingV304kI2vParams],
    ) -> Task[MediaResult]:
        """Kling 3.0 4K image to video."""
    @overload
    async def submit(
        self,
        model: Literal["kling-v3.0-motion-control"],
        /,
        *,
        validate: bool = True,
        extra_body: Mapping[str, Any] | None = None,
        extra_headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
        **params: Unpack[KlingV30MotionControlParams],
    ) -> Task[MediaResult]:
        """Kling 3.0 motion control."""
    @overload
    async def submit(
        self,
        model: Literal["txt2video"],
        /,
        *,
        validate: bool = True,
        extra_body: Mapping[str, Any] | None = None,
        extra_headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
        **params: Unpack[Txt2videoParams],
    ) -> Task[MediaResult]:
        """Stable Diffusion text to video. No longer in the platform's index."""
    @overload
    async def submit(
        self,
        model: Literal["img2video"],
        /,
        *,
        validate: bool = True,
        extra_body: Mapping[str, Any] | None = None,
        extra_headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
        **params: Unpack[Img2videoParams],
    ) -> Task[MediaResult]:
        """Stable Video Diffusion image to video. No longer in the platform's index."""
    @overload
    async def submit(
        self,
        model: Literal["hunyuan-video-fast"],
        /,
        *,
        validate: bool = True,
        extra_body: Mapping[str, Any] | None = None,
        extra_headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
        **params: Unpack[HunyuanVideoFastParams],
    ) -> Task[MediaResult]:
        """Hunyuan Video Fast. No longer in the platform's index."""
    @overload
    async def submit(
        self,
        model: Literal["wan-t2v"],
        /,
        *,
        validate: bool = True,
        extra_body: Mapping[str, Any] | None = None,
        extra_headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
        **params: Unpack[WanT2vParams],
    ) -> Task[MediaResult]:
        """Wan 2.1 text to video. Its end was announced for 2026-08-19, in favour of wan2.7-t2v."""
    @overload
    async def submit(
        self,
        model: Literal["wan-i2v"],
        /,
        *,
        validate: bool = True,
        extra_body: Mapping[str, Any] | None = None,
        extra_headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
        **params: Unpack[WanI2vParams],
    ) -> Task[MediaResult]:
        """Wan 2.1 image to video. Its end was announced for 2026-08-19, in favour of wan2.7-i2v."""
    @overload
    async def submit(
        self,
        model: Literal["wan-2.2-t2v"],
        /,
        *,
        validate: bool = True,
        extra_body: Mapping[str, Any] | None = None,
        extra_headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
        **params: Unpack[Wan22T2vParams],
    ) -> Task[MediaResult]:
        """Wan 2.2 text to video. Its end was announced for 2026-08-19, in favour of wan2.7-t2v."""
    @overload
    async def submit(
        self,
        model: Literal["wan-2.2-i2v"],
        /,
        *,
        validate: bool = True,
        extra_body: Mapping[str, Any] | None = None,
        extra_headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
        **params: Unpack[Wan22I2vParams],
    ) -> Task[MediaResult]:
        """Wan 2.2 image to video. Its end was announced for 2026-08-19, in favour of wan2.7-i2v."""
    @overload
    async def submit(
        self,
        model: Literal["wan-2.5-t2v-preview"],
        /,
        *,
        validate: bool = True,
        extra_body: Mapping[str, Any] | None = None,
        extra_headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
        **params: Unpack[Wan25T2vPreviewParams],
    ) -> Task[MediaResult]:
        """Wan 2.5 preview text to video. Its end was announced for 2026-09-30, in favour of kling-v3.0."""
    @overload
    async def submit(
        self,
        model: Literal["wan-2.5-i2v-preview"],
        /,
        *,
        validate: bool = True,
        extra_body: Mapping[str, Any] | None = None,
        extra_headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
        **params: Unpack[Wan25I2vPreviewParams],
    ) -> Task[MediaResult]:
        """Wan 2.5 preview image to video. Its end was announced for 2026-09-30, in favour of kling-v3.0."""
    @overload
    async def submit(
        self,
        model: Literal["wan2.6-t2v"],
        /,
        *,
        validate: bool = True,
        extra_body: Mapping[str, Any] | None = None,
        extra_headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
        **params: Unpack[Wan26T2vParams],
    ) -> Task[MediaResult]:
        """Wan 2.6 text to video. Its end was announced for 2026-09-30, in favour of kling-v3.0."""
    @overload
    async def submit(
        self,
        model: Literal["wan2.6-i2v"],
        /,
        *,
        validate: bool = True,
        extra_body: Mapping[str, Any] | None = None,
        extra_headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
        **params: Unpack[Wan26I2vParams],
    ) -> Task[MediaResult]:
        """Wan 2.6 image to video. Its end was announced for 2026-09-30, in favour of kling-v3.0."""
    @overload
    async def submit(
        self,
        model: Literal["wan2.6-v2v"],
        /,
        *,
        validate: bool = True,
        extra_body: Mapping[str, Any] | None = None,
        extra_headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
        **params: Unpack[Wan26V2vParams],
    ) -> Task[MediaResult]:
        """Wan 2.6 reference video. Its end was announced for 2026-09-30, in favour of kling-v3.0."""
    @overload
    async def submit(
        self,
        model: Literal["wan2.7-t2v"],
        /,
        *,
        validate: bool = True,
        extra_body: Mapping[str, Any] | None = None,
        extra_headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
        **params: Unpack[Wan27T2vParams],
    ) -> Task[MediaResult]:
        """Wan 2.7 text to video. Its end was announced for 2026-09-30, in favour of kling-v3.0."""
    @overload
    async def submit(
        self,
        model: Literal["wan2.7-i2v"],
        /,
        *,
        validate: bool = True,
        extra_body: Mapping[str, Any] | None = None,
        extra_headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
        **params: Unpack[Wan27I2vParams],
    ) -> Task[MediaResult]:
        """Wan 2.7 image to video. Its end was announced for 2026-09-30, in favour of kling-v3.0."""
    @overload
    async def submit(
        self,
        model: Literal["wan2.7-r2v"],
        /,
        *,
        validate: bool = True,
        extra_body: Mapping[str, Any] | None = None,
        extra_headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
        **params: Unpack[Wan27R2vParams],
    ) -> Task[MediaResult]:
        """Wan 2.7 reference to video. Its end was announced for 2026-09-30, in favour of kling-v3.0."""
    @overload
    async def submit(
        self,
        model: Literal["wan2.7-videoedit"],
        /,
        *,
        validate: bool = True,
        extra_body: Mapping[str, Any] | None = None,
        extra_headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
        **params: Unpack[Wan27VideoeditParams],
    ) -> Task[MediaResult]:
        """Wan 2.7 video editing. Its end was announced for 2026-09-30, in favour of kling-v3.0."""
    @overload
    async def submit(
        self,
        model: Literal["kling-v1.6-t2v"],
        /,
        *,
        validate: bool = True,
        extra_body: Mapping[str, Any] | None = None,
        extra_headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
        **params: Unpack[KlingV16T2vParams],
    ) -> Task[MediaResult]:
        """Kling 1.6 text to video. No longer in the platform's index."""
    @overload
    async def submit(
        self,
        model: Literal["kling-v1.6-i2v"],
        /,
        *,
        validate: bool = True,
        extra_body: Mapping[str, Any] | None = None,
        extra_headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
        **params: Unpack[KlingV16I2vParams],
    ) -> Task[MediaResult]:
        """Kling 1.6 image to video. No longer in the platform's index."""
    @overload
    async def submit(
        self,
        model: Literal["kling-v2.1-i2v"],
        /,
        *,
        validate: bool = True,
        extra_body: Mapping[str, Any] | None = None,
        extra_headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
        **params: Unpack[KlingV21I2vParams],
    ) -> Task[MediaResult]:
        """Kling 2.1 image to video. No longer in the platform's index."""
    @overload
    async def submit(
        self,
        model: Literal["kling-v2.1-i2v-master"],
        /,
        *,
        validate: bool = True,
        extra_body: Mapping[str, Any] | None = None,
        extra_headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
        **params: Unpack[KlingV21I2vMasterParams],
    ) -> Task[MediaResult]:
        """Kling 2.1 Master image to video. No longer in the platform's index."""
    @overload
    async def submit(
        self,
        model: Literal["kling-v2.1-t2v-master"],
        /,
        *,
        validate: bool = True,
        extra_body: Mapping[str, Any] | None = None,
        extra_headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
        **params: Unpack[KlingV21T2vMasterParams],
    ) -> Task[MediaResult]:
        """Kling 2.1 Master text to video. No longer in the platform's index."""
    @overload
    async def submit(
        self,
        model: Literal["kling-2.5-turbo-t2v"],
        /,
        *,
        validate: bool = True,
        extra_body: Mapping[str, Any] | None = None,
        extra_headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
        **params: Unpack[Kling25TurboT2vParams],
    ) -> Task[MediaResult]:
        """Kling 2.5 Turbo text to video. Its end was announced for 2026-07-22, in favour of kling-v3.0."""
    @overload
    async def submit(
        self,
        model: Literal["kling-2.5-turbo-i2v"],
        /,
        *,
        validate: bool = True,
        extra_body: Mapping[str, Any] | None = None,
        extra_headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
        **params: Unpack[Kling25TurboI2vParams],
    ) -> Task[MediaResult]:
        """Kling 2.5 Turbo image to video. Its end was announced for 2026-07-22, in favour of kling-v3.0."""
    @overload
    async def submit(
        self,
        model: Literal["kling-v2.6-pro-t2v"],
        /,
        *,
        validate: bool = True,
        extra_body: Mapping[str, Any] | None = None,
        extra_headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
        **params: Unpack[KlingV26ProT2vParams],
    ) -> Task[MediaResult]:
        """Kling 2.6 Pro text to video. Its end was announced for 2026-07-22, in favour of kling-v3.0."""
    @overload
    async def submit(
        self,
        model: Literal["kling-v2.6-pro-i2v"],
        /,
        *,
        validate: bool = True,
        extra_body: Mapping[str, Any] | None = None,
        extra_headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
        **params: Unpack[KlingV26ProI2vParams],
    ) -> Task[MediaResult]:
        """Kling 2.6 Pro image to video. Its end was announced for 2026-07-22, in favour of kling-v3.0."""
    @overload
    async def submit(
        self,
        model: Literal["kling-v2.6-pro-motion-control"],
        /,
        *,
        validate: bool = True,
        extra_body: Mapping[str, Any] | None = None,
        extra_headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
        **params: Unpack[KlingV26ProMotionControlParams],
    ) -> Task[MediaResult]:
        """Kling 2.6 Pro motion control. Its end was announced for 2026-07-22, in favour of kling-v3.0."""
    @overload
    async def submit(
        self,
        model: Literal["kling-o1-t2v"],
        /,
        *,
        validate: bool = True,
        extra_body: Mapping[str, Any] | None = None,
        extra_headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
        **params: Unpack[KlingO1T2vParams],
    ) -> Task[MediaResult]:
        """Kling O1 text to video. Its end was announced for 2026-07-22, in favour of kling-v3.0."""
    @overload
    async def submit(
        self,
        model: Literal["kling-o1-i2v"],
        /,
        *,
        validate: bool = True,
        extra_body: Mapping[str, Any] | None = None,
        extra_headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
        **params: Unpack[KlingO1I2vParams],
    ) -> Task[MediaResult]:
        """Kling O1 image to video. Its end was announced for 2026-07-22, in favour of kling-v3.0."""
    @overload
    async def submit(
        self,
        model: Literal["kling-o1-ref2v"],
        /,
        *,
        validate: bool = True,
        extra_body: Mapping[str, Any] | None = None,
        extra_headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
        **params: Unpack[KlingO1Ref2vParams],
    ) -> Task[MediaResult]:
        """Kling O1 reference video. Its end was announced for 2026-07-22, in favour of kling-v3.0."""
    @overload
    async def submit(
        self,
        model: Literal["kling-o1-video-edit"],
        /,
        *,
        validate: bool = True,
        extra_body: Mapping[str, Any] | None = None,
        extra_headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
        **params: Unpack[KlingO1VideoEditParams],
    ) -> Task[MediaResult]:
        """Kling O1 video editing. Its end was announced for 2026-07-22, in favour of kling-v3.0."""
    @overload
    async def submit(
        self,
        model: Literal["vidu-2.0-img2video"],
        /,
        *,
        validate: bool = True,
        extra_body: Mapping[str, Any] | None = None,
        extra_headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
        **params: Unpack[Vidu20Img2videoParams],
    ) -> Task[MediaResult]:
        """Vidu 2.0 image to video. No longer in the platform's index."""
    @overload
    async def submit(
        self,
        model: Literal["vidu-2.0-startend2video"],
        /,
        *,
        validate: bool = True,
        extra_body: Mapping[str, Any] | None = None,
        extra_headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
        **params: Unpack[Vidu20Startend2videoParams],
    ) -> Task[MediaResult]:
        """Vidu 2.0 start and end frames. No longer in the platform's index."""
    @overload
    async def submit(
        self,
        model: Literal["vidu-2.0-reference2video"],
        /,
        *,
        validate: bool = True,
        extra_body: Mapping[str, Any] | None = None,
        extra_headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
        **params: Unpack[Vidu20Reference2videoParams],
    ) -> Task[MediaResult]:
        """Vidu 2.0 reference to video. No longer in the platform's index."""
    @overload
    async def submit(
        self,
        model: Literal["vidu-q1-text2video"],
        /,
        *,
        validate: bool = True,
        extra_body: Mapping[str, Any] | None = None,
        extra_headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
        **params: Unpack[ViduQ1Text2videoParams],
    ) -> Task[MediaResult]:
        """Vidu Q1 text to video. No longer in the platform's index."""
    @overload
    async def submit(
        self,
        model: Literal["vidu-q1-img2video"],
        /,
        *,
        validate: bool = True,
        extra_body: Mapping[str, Any] | None = None,
        extra_headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
        **params: Unpack[ViduQ1Img2videoParams],
    ) -> Task[MediaResult]:
        """Vidu Q1 image to video. No longer in the platform's index."""
    @overload
    async def submit(
        self,
        model: Literal["vidu-q1-startend2video"],
        /,
        *,
        validate: bool = True,
        extra_body: Mapping[str, Any] | None = None,
        extra_headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
        **params: Unpack[ViduQ1Startend2videoParams],
    ) -> Task[MediaResult]:
        """Vidu Q1 start and end frames. No longer in the platform's index."""
    @overload
    async def submit(
        self,
        model: Literal["vidu-q1-reference2video"],
        /,
        *,
        validate: bool = True,
        extra_body: Mapping[str, Any] | None = None,
        extra_headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
        **params: Unpack[ViduQ1Reference2videoParams],
    ) -> Task[MediaResult]:
        """Vidu Q1 reference to video. No longer in the platform's index."""
    @overload
    async def submit(
        self,
        model: Literal["vidu-q2-text2video"],
        /,
        *,
        validate: bool = True,
        extra_body: Mapping[str, Any] | None = None,
        extra_headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
        **params: Unpack[ViduQ2Text2videoParams],
    ) -> Task[MediaResult]:
        """Vidu Q2 text to video. Its end was announced for 2026-07-22, in favour of kling-v3.0."""
    @overload
    async def submit(
        self,
        model: Literal["vidu-q2-reference2video"],
        /,
        *,
        validate: bool = True,
        extra_body: Mapping[str, Any] | None = None,
        extra_headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
        **params: Unpack[ViduQ2Reference2videoParams],
    ) -> Task[MediaResult]:
        """Vidu Q2 reference to video. Its end was announced for 2026-07-22, in favour of kling-v3.0."""
    @overload
    async def submit(
        self,
        model: Literal["viduq2-pro-fast"],
        /,
        *,
        validate: bool = True,
        extra_body: Mapping[str, Any] | None = None,
        extra_headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
        **params: Unpack[Viduq2ProFastParams],
    ) -> Task[MediaResult]:
        """Vidu Q2 Pro Fast reference to video. Its end was announced for 2026-07-22, in favour of kling-v3.0."""
    @overload
    async def submit(
        self,
        model: Literal["vidu-q2-template2video"],
        /,
        *,
        validate: bool = True,
        extra_body: Mapping[str, Any] | None = None,
        extra_headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
        **params: Unpack[ViduQ2Template2videoParams],
    ) -> Task[MediaResult]:
        """Vidu Q2 effect template. Its end was announced for 2026-07-22, in favour of kling-v3.0."""
    @overload
    async def submit(
        self,
        model: Literal["vidu-q2-pro-img2video"],
        /,
        *,
        validate: bool = True,
        extra_body: Mapping[str, Any] | None = None,
        extra_headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
        **params: Unpack[ViduQ2ProImg2videoParams],
    ) -> Task[MediaResult]:
        """Vidu Q2 Pro image to video. Its end was announced for 2026-07-22, in favour of kling-v3.0."""
    @overload
    async def submit(
        self,
        model: Literal["vidu-q2-turbo-img2video"],
        /,
        *,
        validate: bool = True,
        extra_body: Mapping[str, Any] | None = None,
        extra_headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
        **params: Unpack[ViduQ2ProImg2videoParams],
    ) -> Task[MediaResult]:
        """Vidu Q2 Turbo image to video. Its end was announced for 2026-07-22, in favour of kling-v3.0."""
    @overload
    async def submit(
        self,
        model: Literal["vidu-q2-pro-fast-img2video"],
        /,
        *,
        validate: bool = True,
        extra_body: Mapping[str, Any] | None = None,
        extra_headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
        **params: Unpack[ViduQ2ProFastImg2videoParams],
    ) -> Task[MediaResult]:
        """Vidu Q2 Pro Fast image to video. Its end was announced for 2026-07-22, in favour of kling-v3.0."""
    @overload
    async def submit(
        self,
        model: Literal["vidu-q2-pro-startend2video"],
        /,
        *,
        validate: bool = True,
        extra_body: Mapping[str, Any] | None = None,
        extra_headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
        **params: Unpack[ViduQ2ProStartend2videoParams],
    ) -> Task[MediaResult]:
        """Vidu Q2 Pro start and end frames. Its end was announced for 2026-07-22, in favour of kling-v3.0."""
    @overload
    async def submit(
        self,
        model: Literal["vidu-q2-turbo-startend2video"],
        /,
        *,
        validate: bool = True,
        extra_body: Mapping[str, Any] | None = None,
        extra_headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
        **params: Unpack[ViduQ2ProStartend2videoParams],
    ) -> Task[MediaResult]:
        """Vidu Q2 Turbo start and end frames. Its end was announced for 2026-07-22, in favour of kling-v3.0."""
    @overload
    async def submit(
        self,
        model: Literal["vidu-q2-pro-fast-startend2video"],
        /,
        *,
        validate: bool = True,
        extra_body: Mapping[str, Any] | None = None,
        extra_headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
        **params: Unpack[ViduQ2ProFastStartend2videoParams],
    ) -> Task[MediaResult]:
        """Vidu Q2 Pro Fast start and end frames. Its end was announced for 2026-07-22, in favour of kling-v3.0."""
    @overload
    async def submit(
        self,
        model: Literal["vidu-q2-pro-multiframe"],
        /,
        *,
        validate: bool = True,
        extra_body: Mapping[str, Any] | None = None,
        extra_headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
        **params: Unpack[ViduQ2ProMultiframeParams],
    ) -> Task[MediaResult]:
        """Vidu Q2 Pro multi-frame. Its end was announced for 2026-07-22, in favour of kling-v3.0."""
    @overload
    async def submit(
        self,
        model: Literal["vidu-q2-turbo-multiframe"],
        /,
        *,
        validate: bool = True,
        extra_body: Mapping[str, Any] | None = None,
        extra_headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
        **params: Unpack[ViduQ2ProMultiframeParams],
    ) -> Task[MediaResult]:
        """Vidu Q2 Turbo multi-frame. Its end was announced for 2026-07-22, in favour of kling-v3.0."""
    @overload
    async def submit(
        self,
        model: Literal["vidu-q3-pro-t2v"],
        /,
        *,
        validate: bool = True,
        extra_body: Mapping[str, Any] | None = None,
        extra_headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
        **params: Unpack[ViduQ3ProT2vParams],
    ) -> Task[MediaResult]:
        """Vidu Q3 Pro text to video. Its end was announced for 2026-07-22, in favour of kling-v3.0."""
    @overload
    async def submit(
        self,
        model: Literal["vidu-q3-pro-i2v"],
        /,
        *,
        validate: bool = True,
        extra_body: Mapping[str, Any] | None = None,
        extra_headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
        **params: Unpack[ViduQ3ProI2vParams],
    ) -> Task[MediaResult]:
        """Vidu Q3 Pro image to video. Its end was announced for 2026-07-22, in favour of kling-v3.0."""
    @overload
    async def submit(
        self,
        model: Literal["vidu-q3-pro-f2v"],
        /,
        *,
        validate: bool = True,
        extra_body: Mapping[str, Any] | None = None,
        extra_headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
        **params: Unpack[ViduQ3ProF2vParams],
    ) -> Task[MediaResult]:
        """Vidu Q3 Pro start and end frames. Its end was announced for 2026-07-22, in favour of kling-v3.0."""
    @overload
    async def submit(
        self,
        model: Literal["vidu-q3-turbo-t2v"],
        /,
        *,
        validate: bool = True,
        extra_body: Mapping[str, Any] | None = None,
        extra_headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
        **params: Unpack[ViduQ3TurboT2vParams],
    ) -> Task[MediaResult]:
        """Vidu Q3 Turbo text to video. Its end was announced for 2026-07-22, in favour of kling-v3.0."""
    @overload
    async def submit(
        self,
        model: Literal["vidu-q3-turbo-i2v"],
        /,
        *,
        validate: bool = True,
        extra_body: Mapping[str, Any] | None = None,
        extra_headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
        **params: Unpack[ViduQ3TurboI2vParams],
    ) -> Task[MediaResult]:
        """Vidu Q3 Turbo image to video. Its end was announced for 2026-07-22, in favour of kling-v3.0."""
    @overload
    async def submit(
        self,
        model: Literal["vidu-q3-turbo-f2v"],
        /,
        *,
        validate: bool = True,
        extra_body: Mapping[str, Any] | None = None,
        extra_headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
        **params: Unpack[ViduQ3TurboF2vParams],
    ) -> Task[MediaResult]:
        """Vidu Q3 Turbo start and end frames. Its end was announced for 2026-07-22, in favour of kling-v3.0."""
    @overload
    async def submit(
        self,
        model: Literal["seedance-v1-lite-t2v"],
        /,
        *,
        validate: bool = True,
        extra_body: Mapping[str, Any] | None = None,
        extra_headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
        **params: Unpack[SeedanceV1LiteT2vParams],
    ) -> Task[MediaResult]:
        """Seedance 1.0 Lite text to video. No longer in the platform's index."""
    @overload
    async def submit(
        self,
        model: Literal["seedance-v1-lite-i2v"],
        /,
        *,
        validate: bool = True,
        extra_body: Mapping[str, Any] | None = None,
        extra_headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
        **params: Unpack[SeedanceV1LiteI2vParams],
    ) -> Task[MediaResult]:
        """Seedance 1.0 Lite image to video. No longer in the platform's index."""
    @overload
    async def submit(
        self,
        model: Literal["seedance-v1-pro-t2v"],
        /,
        *,
        validate: bool = True,
        extra_body: Mapping[str, Any] | None = None,
        extra_headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
        **params: Unpack[SeedanceV1LiteT2vParams],
    ) -> Task[MediaResult]:
        """Seedance 1.0 Pro text to video. No longer in the platform's index."""
    @overload
    async def submit(
        self,
        model: Literal["seedance-v1-pro-i2v"],
        /,
        *,
        validate: bool = True,
        extra_body: Mapping[str, Any] | None = None,
        extra_headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
        **params: Unpack[SeedanceV1LiteI2vParams],
    ) -> Task[MediaResult]:
        """Seedance 1.0 Pro image to video. No longer in the platform's index."""
    @overload
    async def submit(
        self,
        model: Literal["seedance-v1.5-pro-t2v"],
        /,
        *,
        validate: bool = True,
        extra_body: Mapping[str, Any] | None = None,
        extra_headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
        **params: Unpack[SeedanceV15ProT2vParams],
    ) -> Task[MediaResult]:
        """Seedance 1.5 Pro text to video. Its end was announced for 2026-08-19, in favour of wan2.7-t2v."""
    @overload
    async def submit(
        self,
        model: Literal["seedance-v1.5-pro-i2v"],
        /,
        *,
        validate: bool = True,
        extra_body: Mapping[str, Any] | None = None,
        extra_headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
        **params: Unpack[SeedanceV15ProI2vParams],
    ) -> Task[MediaResult]:
        """Seedance 1.5 Pro image to video. Its end was announced for 2026-08-19, in favour of wan2.7-i2v."""
    @overload
    async def submit(
        self,
        model: Literal["pixverse-v4.5-t2v"],
        /,
        *,
        validate: bool = True,
        extra_body: Mapping[str, Any] | None = None,
        extra_headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
        **params: Unpack[PixverseV45T2vParams],
    ) -> Task[MediaResult]:
        """PixVerse 4.5 text to video. Its end was announced for 2026-07-22, in favour of kling-v3.0."""
    @overload
    async def submit(
        self,
        model: Literal["pixverse-v4.5-i2v"],
        /,
        *,
        validate: bool = True,
        extra_body: Mapping[str, Any] | None = None,
        extra_headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
        **params: Unpack[PixverseV45I2vParams],
    ) -> Task[MediaResult]:
        """PixVerse 4.5 image to video. Its end was announced for 2026-07-22, in favour of kling-v3.0."""
    @overload
    async def submit(
        self,
        model: Literal["minimax-video-01"],
        /,
        *,
        validate: bool = True,
        extra_body: Mapping[str, Any] | None = None,
        extra_headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
        **params: Unpack[MinimaxVideo01Params],
    ) -> Task[MediaResult]:
        """MiniMax Video-01. No longer in the platform's index."""
    @overload
    async def submit(
        self,
        model: Literal["minimax-hailuo-02"],
        /,
        *,
        validate: bool = True,
        extra_body: Mapping[str, Any] | None = None,
        extra_headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
        **params: Unpack[MinimaxHailuo02Params],
    ) -> Task[MediaResult]:
        """MiniMax Hailuo 02. No longer in the platform's index."""
    @overload
    async def submit(
        self,
        model: Literal["minimax-hailuo-2.3-t2v"],
        /,
        *,
        validate: bool = True,
        extra_body: Mapping[str, Any] | None = None,
        extra_headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
        **params: Unpack[MinimaxHailuo23T2vParams],
    ) -> Task[MediaResult]:
        """MiniMax Hailuo 2.3 text to video. Its end was announced for 2026-09-30."""
    @overload
    async def submit(
        self,
        model: Literal["minimax-hailuo-2.3-i2v"],
        /,
        *,
        validate: bool = True,
        extra_body: Mapping[str, Any] | None = None,
        extra_headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
        **params: Unpack[MinimaxHailuo23I2vParams],
    ) -> Task[MediaResult]:
        """MiniMax Hailuo 2.3 image to video. Its end was announced for 2026-09-30."""
    @overload
    async def submit(
        self,
        model: Literal["minimax-hailuo-2.3-fast-i2v"],
        /,
        *,
        validate: bool = True,
        extra_body: Mapping[str, Any] | None = None,
        extra_headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
        **params: Unpack[MinimaxHailuo23FastI2vParams],
    ) -> Task[MediaResult]:
        """MiniMax Hailuo 2.3 Fast image to video. Its end was announced for 2026-09-30."""
    @overload
    async def submit(
        self,
        model: Literal["heygen-video-translate"],
        /,
        *,
        validate: bool = True,
        extra_body: Mapping[str, Any] | None = None,
        extra_headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
        **params: Unpack[HeygenVideoTranslateParams],
    ) -> Task[MediaResult]:
        """HeyGen video translation. Its end was announced for 2026-09-30."""
    @overload
    async def run(
        self,
        model: Literal["video-merge-face"],
        /,
        *,
        validate: bool = True,
        extra_body: Mapping[str, Any] | None = None,
        extra_headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
        **params: Unpack[VideoMergeFaceParams],
    ) -> MediaResult:
        """Replace the face in a video. No longer in the platform's index."""
    @overload
    async def run(
        self,
        model: Literal["kling-v3.0-std-t2v"],
        /,
        *,
        validate: bool = True,
        extra_body: Mapping[str, Any] | None = None,
        extra_headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
        **params: Unpack[KlingV30StdT2vParams],
    ) -> MediaResult:
        """Kling 3.0 Standard text to video."""
    @overload
    async def run(
        self,
        model: Literal["kling-v3.0-std-i2v"],
        /,
        *,
        validate: bool = True,
        extra_body: Mapping[str, Any] | None = None,
        extra_headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
        **params: Unpack[KlingV30StdI2vParams],
    ) -> MediaResult:
        """Kling 3.0 Standard image to video."""
    @overload
    async def run(
        self,
        model: Literal["kling-v3.0-pro-t2v"],
        /,
        *,
        validate: bool = True,
        extra_body: Mapping[str, Any] | None = None,
        extra_headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
        **params: Unpack[KlingV30ProT2vParams],
    ) -> MediaResult:
        """Kling 3.0 Pro text to video."""
    @overload
    async def run(
        self,
        model: Literal["kling-v3.0-pro-i2v"],
        /,
        *,
        validate: bool = True,
        extra_body: Mapping[str, Any] | None = None,
        extra_headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
        **params: Unpack[KlingV30ProI2vParams],
    ) -> MediaResult:
        """Kling 3.0 Pro image to video."""
    @overload
    async def run(
        self,
        model: Literal["kling-v3.0-4k-t2v"],
        /,
        *,
        validate: bool = True,
        extra_body: Mapping[str, Any] | None = None,
        extra_headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
        **params: Unpack[KlingV30StdT2vParams],
    ) -> MediaResult:
        """Kling 3.0 4K text to video."""
    @overload
    async def run(
        self,
        model: Literal["kling-v3.0-4k-i2v"],
        /,
        *,
        validate: bool = True,
        extra_body: Mapping[str, Any] | None = None,
        extra_headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
        **params: Unpack[KlingV304kI2vParams],
    ) -> MediaResult:
        """Kling 3.0 4K image to video."""
    @overload
    async def run(
        self,
        model: Literal["kling-v3.0-motion-control"],
        /,
        *,
        validate: bool = True,
        extra_body: Mapping[str, Any] | None = None,
        extra_headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
        **params: Unpack[KlingV30MotionControlParams],
    ) -> MediaResult:
        """Kling 3.0 motion control."""
    @overload
    async def run(
        self,
        model: Literal["txt2video"],
        /,
        *,
        validate: bool = True,
        extra_body: Mapping[str, Any] | None = None,
        extra_headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
        **params: Unpack[Txt2videoParams],
    ) -> MediaResult:
        """Stable Diffusion text to video. No longer in the platform's index."""
    @overload
    async def run(
        self,
        model: Literal["img2video"],
        /,
        *,
        validate: bool = True,
        extra_body: Mapping[str, Any] | None = None,
        extra_headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
        **params: Unpack[Img2videoParams],
    ) -> MediaResult:
        """Stable Video Diffusion image to video. No longer in the platform's index."""
    @overload
    async def run(
        self,
        model: Literal["hunyuan-video-fast"],
        /,
        *,
        validate: bool = True,
        extra_body: Mapping[str, Any] | None = None,
        extra_headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
        **params: Unpack[HunyuanVideoFastParams],
    ) -> MediaResult:
        """Hunyuan Video Fast. No longer in the platform's index."""
    @overload
    async def run(
        self,
        model: Literal["wan-t2v"],
        /,
        *,
        validate: bool = True,
        extra_body: Mapping[str, Any] | None = None,
        extra_headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
        **params: Unpack[WanT2vParams],
    ) -> MediaResult:
        """Wan 2.1 text to video. Its end was announced for 2026-08-19, in favour of wan2.7-t2v."""
    @overload
    async def run(
        self,
        model: Literal["wan-i2v"],
        /,
        *,
        validate: bool = True,
        extra_body: Mapping[str, Any] | None = None,
        extra_headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
        **params: Unpack[WanI2vParams],
    ) -> MediaResult:
        """Wan 2.1 image to video. Its end was announced for 2026-08-19, in favour of wan2.7-i2v."""
    @overload
    async def run(
        self,
        model: Literal["wan-2.2-t2v"],
        /,
        *,
        validate: bool = True,
        extra_body: Mapping[str, Any] | None = None,
        extra_headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
        **params: Unpack[Wan22T2vParams],
    ) -> MediaResult:
        """Wan 2.2 text to video. Its end was announced for 2026-08-19, in favour of wan2.7-t2v."""
    @overload
    async def run(
        self,
        model: Literal["wan-2.2-i2v"],
        /,
        *,
        validate: bool = True,
        extra_body: Mapping[str, Any] | None = None,
        extra_headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
        **params: Unpack[Wan22I2vParams],
    ) -> MediaResult:
        """Wan 2.2 image to video. Its end was announced for 2026-08-19, in favour of wan2.7-i2v."""
    @overload
    async def run(
        self,
        model: Literal["wan-2.5-t2v-preview"],
        /,
        *,
        validate: bool = True,
        extra_body: Mapping[str, Any] | None = None,
        extra_headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
        **params: Unpack[Wan25T2vPreviewParams],
    ) -> MediaResult:
        """Wan 2.5 preview text to video. Its end was announced for 2026-09-30, in favour of kling-v3.0."""
    @overload
    async def run(
        self,
        model: Literal["wan-2.5-i2v-preview"],
        /,
        *,
        validate: bool = True,
        extra_body: Mapping[str, Any] | None = None,
        extra_headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
        **params: Unpack[Wan25I2vPreviewParams],
    ) -> MediaResult:
        """Wan 2.5 preview image to video. Its end was announced for 2026-09-30, in favour of kling-v3.0."""
    @overload
    async def run(
        self,
        model: Literal["wan2.6-t2v"],
        /,
        *,
        validate: bool = True,
        extra_body: Mapping[str, Any] | None = None,
        extra_headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
        **params: Unpack[Wan26T2vParams],
    ) -> MediaResult:
        """Wan 2.6 text to video. Its end was announced for 2026-09-30, in favour of kling-v3.0."""
    @overload
    async def run(
        self,
        model: Literal["wan2.6-i2v"],
        /,
        *,
        validate: bool = True,
        extra_body: Mapping[str, Any] | None = None,
        extra_headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
        **params: Unpack[Wan26I2vParams],
    ) -> MediaResult:
        """Wan 2.6 image to video. Its end was announced for 2026-09-30, in favour of kling-v3.0."""
    @overload
    async def run(
        self,
        model: Literal["wan2.6-v2v"],
        /,
        *,
        validate: bool = True,
        extra_body: Mapping[str, Any] | None = None,
        extra_headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
        **params: Unpack[Wan26V2vParams],
    ) -> MediaResult:
        """Wan 2.6 reference video. Its end was announced for 2026-09-30, in favour of kling-v3.0."""
    @overload
    async def run(
        self,
        model: Literal["wan2.7-t2v"],
        /,
        *,
        validate: bool = True,
        extra_body: Mapping[str, Any] | None = None,
        extra_headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
        **params: Unpack[Wan27T2vParams],
    ) -> MediaResult:
        """Wan 2.7 text to video. Its end was announced for 2026-09-30, in favour of kling-v3.0."""
    @overload
    async def run(
        self,
        model: Literal["wan2.7-i2v"],
        /,
        *,
        validate: bool = True,
        extra_body: Mapping[str, Any] | None = None,
        extra_headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
        **params: Unpack[Wan27I2vParams],
    ) -> MediaResult:
        """Wan 2.7 image to video. Its end was announced for 2026-09-30, in favour of kling-v3.0."""
    @overload
    async def run(
        self,
        model: Literal["wan2.7-r2v"],
        /,
        *,
        validate: bool = True,
        extra_body: Mapping[str, Any] | None = None,
        extra_headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
        **params: Unpack[Wan27R2vParams],
    ) -> MediaResult:
        """Wan 2.7 reference to video. Its end was announced for 2026-09-30, in favour of kling-v3.0."""
    @overload
    async def run(
        self,
        model: Literal["wan2.7-videoedit"],
        /,
        *,
        validate: bool = True,
        extra_body: Mapping[str, Any] | None = None,
        extra_headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
        **params: Unpack[Wan27VideoeditParams],
    ) -> MediaResult:
        """Wan 2.7 video editing. Its end was announced for 2026-09-30, in favour of kling-v3.0."""
    @overload
    async def run(
        self,
        model: Literal["kling-v1.6-t2v"],
        /,
        *,
        validate: bool = True,
        extra_body: Mapping[str, Any] | None = None,
        extra_headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
        **params: Unpack[KlingV16T2vParams],
    ) -> MediaResult:
        """Kling 1.6 text to video. No longer in the platform's index."""
    @overload
    async def run(
        self,
        model: Literal["kling-v1.6-i2v"],
        /,
        *,
        validate: bool = True,
        extra_body: Mapping[str, Any] | None = None,
        extra_headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
        **params: Unpack[KlingV16I2vParams],
    ) -> MediaResult:
        """Kling 1.6 image to video. No longer in the platform's index."""
    @overload
    async def run(
        self,
        model: Literal["kling-v2.1-i2v"],
        /,
        *,
        validate: bool = True,
        extra_body: Mapping[str, Any] | None = None,
        extra_headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
        **params: Unpack[KlingV21I2vParams],
    ) -> MediaResult:
        """Kling 2.1 image to video. No longer in the platform's index."""
    @overload
    async def run(
        self,
        model: Literal["kling-v2.1-i2v-master"],
        /,
        *,
        validate: bool = True,
        extra_body: Mapping[str, Any] | None = None,
        extra_headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
        **params: Unpack[KlingV21I2vMasterParams],
    ) -> MediaResult:
        """Kling 2.1 Master image to video. No longer in the platform's index."""
    @overload
    async def run(
        self,
        model: Literal["kling-v2.1-t2v-master"],
        /,
        *,
        validate: bool = True,
        extra_body: Mapping[str, Any] | None = None,
        extra_headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
        **params: Unpack[KlingV21T2vMasterParams],
    ) -> MediaResult:
        """Kling 2.1 Master text to video. No longer in the platform's index."""
    @overload
    async def run(
        self,
        model: Literal["kling-2.5-turbo-t2v"],
        /,
        *,
        validate: bool = True,
        extra_body: Mapping[str, Any] | None = None,
        extra_headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
        **params: Unpack[Kling25TurboT2vParams],
    ) -> MediaResult:
        """Kling 2.5 Turbo text to video. Its end was announced for 2026-07-22, in favour of kling-v3.0."""
    @overload
    async def run(
        self,
        model: Literal["kling-2.5-turbo-i2v"],
        /,
        *,
        validate: bool = True,
        extra_body: Mapping[str, Any] | None = None,
        extra_headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
        **params: Unpack[Kling25TurboI2vParams],
    ) -> MediaResult:
        """Kling 2.5 Turbo image to video. Its end was announced for 2026-07-22, in favour of kling-v3.0."""
    @overload
    async def run(
        self,
        model: Literal["kling-v2.6-pro-t2v"],
        /,
        *,
        validate: bool = True,
        extra_body: Mapping[str, Any] | None = None,
        extra_headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
        **params: Unpack[KlingV26ProT2vParams],
    ) -> MediaResult:
        """Kling 2.6 Pro text to video. Its end was announced for 2026-07-22, in favour of kling-v3.0."""
    @overload
    async def run(
        self,
        model: Literal["kling-v2.6-pro-i2v"],
        /,
        *,
        validate: bool = True,
        extra_body: Mapping[str, Any] | None = None,
        extra_headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
        **params: Unpack[KlingV26ProI2vParams],
    ) -> MediaResult:
        """Kling 2.6 Pro image to video. Its end was announced for 2026-07-22, in favour of kling-v3.0."""
    @overload
    async def run(
        self,
        model: Literal["kling-v2.6-pro-motion-control"],
        /,
        *,
        validate: bool = True,
        extra_body: Mapping[str, Any] | None = None,
        extra_headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
        **params: Unpack[KlingV26ProMotionControlParams],
    ) -> MediaResult:
        """Kling 2.6 Pro motion control. Its end was announced for 2026-07-22, in favour of kling-v3.0."""
    @overload
    async def run(
        self,
        model: Literal["kling-o1-t2v"],
        /,
        *,
        validate: bool = True,
        extra_body: Mapping[str, Any] | None = None,
        extra_headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
        **params: Unpack[KlingO1T2vParams],
    ) -> MediaResult:
        """Kling O1 text to video. Its end was announced for 2026-07-22, in favour of kling-v3.0."""
    @overload
    async def run(
        self,
        model: Literal["kling-o1-i2v"],
        /,
        *,
        validate: bool = True,
        extra_body: Mapping[str, Any] | None = None,
        extra_headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
        **params: Unpack[KlingO1I2vParams],
    ) -> MediaResult:
        """Kling O1 image to video. Its end was announced for 2026-07-22, in favour of kling-v3.0."""
    @overload
    async def run(
        self,
        model: Literal["kling-o1-ref2v"],
        /,
        *,
        validate: bool = True,
        extra_body: Mapping[str, Any] | None = None,
        extra_headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
        **params: Unpack[KlingO1Ref2vParams],
    ) -> MediaResult:
        """Kling O1 reference video. Its end was announced for 2026-07-22, in favour of kling-v3.0."""
    @overload
    async def run(
        self,
        model: Literal["kling-o1-video-edit"],
        /,
        *,
        validate: bool = True,
        extra_body: Mapping[str, Any] | None = None,
        extra_headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
        **params: Unpack[KlingO1VideoEditParams],
    ) -> MediaResult:
        """Kling O1 video editing. Its end was announced for 2026-07-22, in favour of kling-v3.0."""
    @overload
    async def run(
        self,
        model: Literal["vidu-2.0-img2video"],
        /,
        *,
        validate: bool = True,
        extra_body: Mapping[str, Any] | None = None,
        extra_headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
        **params: Unpack[Vidu20Img2videoParams],
    ) -> MediaResult:
        """Vidu 2.0 image to video. No longer in the platform's index."""
    @overload
    async def run(
        self,
        model: Literal["vidu-2.0-startend2video"],
        /,
        *,
        validate: bool = True,
        extra_body: Mapping[str, Any] | None = None,
        extra_headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
        **params: Unpack[Vidu20Startend2videoParams],
    ) -> MediaResult:
        """Vidu 2.0 start and end frames. No longer in the platform's index."""
    @overload
    async def run(
        self,
        model: Literal["vidu-2.0-reference2video"],
        /,
        *,
        validate: bool = True,
        extra_body: Mapping[str, Any] | None = None,
        extra_headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
        **params: Unpack[Vidu20Reference2videoParams],
    ) -> MediaResult:
        """Vidu 2.0 reference to video. No longer in the platform's index."""
    @overload
    async def run(
        self,
        model: Literal["vidu-q1-text2video"],
        /,
        *,
        validate: bool = True,
        extra_body: Mapping[str, Any] | None = None,
        extra_headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
        **params: Unpack[ViduQ1Text2videoParams],
    ) -> MediaResult:
        """Vidu Q1 text to video. No longer in the platform's index."""
    @overload
    async def run(
        self,
        model: Literal["vidu-q1-img2video"],
        /,
        *,
        validate: bool = True,
        extra_body: Mapping[str, Any] | None = None,
        extra_headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
        **params: Unpack[ViduQ1Img2videoParams],
    ) -> MediaResult:
        """Vidu Q1 image to video. No longer in the platform's index."""
    @overload
    async def run(
        self,
        model: Literal["vidu-q1-startend2video"],
        /,
        *,
        validate: bool = True,
        extra_body: Mapping[str, Any] | None = None,
        extra_headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
        **params: Unpack[ViduQ1Startend2videoParams],
    ) -> MediaResult:
        """Vidu Q1 start and end frames. No longer in the platform's index."""
    @overload
    async def run(
        self,
        model: Literal["vidu-q1-reference2video"],
        /,
        *,
        validate: bool = True,
        extra_body: Mapping[str, Any] | None = None,
        extra_headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
        **params: Unpack[ViduQ1Reference2videoParams],
    ) -> MediaResult:
        """Vidu Q1 reference to video. No longer in the platform's index."""
    @overload
    async def run(
        self,
        model: Literal["vidu-q2-text2video"],
        /,
        *,
        validate: bool = True,
        extra_body: Mapping[str, Any] | None = None,
        extra_headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
        **params: Unpack[ViduQ2Text2videoParams],
    ) -> MediaResult:
        """Vidu Q2 text to video. Its end was announced for 2026-07-22, in favour of kling-v3.0."""
    @overload
    async def run(
        self,
        model: Literal["vidu-q2-reference2video"],
        /,
        *,
        validate: bool = True,
        extra_body: Mapping[str, Any] | None = None,
        extra_headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
        **params: Unpack[ViduQ2Reference2videoParams],
    ) -> MediaResult:
        """Vidu Q2 reference to video. Its end was announced for 2026-07-22, in favour of kling-v3.0."""
    @overload
    async def run(
        self,
        model: Literal["viduq2-pro-fast"],
        /,
        *,
        validate: bool = True,
        extra_body: Mapping[str, Any] | None = None,
        extra_headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
        **params: Unpack[Viduq2ProFastParams],
    ) -> MediaResult:
        """Vidu Q2 Pro Fast reference to video. Its end was announced for 2026-07-22, in favour of kling-v3.0."""
    @overload
    async def run(
        self,
        model: Literal["vidu-q2-template2video"],
        /,
        *,
        validate: bool = True,
        extra_body: Mapping[str, Any] | None = None,
        extra_headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
        **params: Unpack[ViduQ2Template2videoParams],
    ) -> MediaResult:
        """Vidu Q2 effect template. Its end was announced for 2026-07-22, in favour of kling-v3.0."""
    @overload
    async def run(
        self,
        model: Literal["vidu-q2-pro-img2video"],
        /,
        *,
        validate: bool = True,
        extra_body: Mapping[str, Any] | None = None,
        extra_headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
        **params: Unpack[ViduQ2ProImg2videoParams],
    ) -> MediaResult:
        """Vidu Q2 Pro image to video. Its end was announced for 2026-07-22, in favour of kling-v3.0."""
    @overload
    async def run(
        self,
        model: Literal["vidu-q2-turbo-img2video"],
        /,
        *,
        validate: bool = True,
        extra_body: Mapping[str, Any] | None = None,
        extra_headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
        **params: Unpack[ViduQ2ProImg2videoParams],
    ) -> MediaResult:
        """Vidu Q2 Turbo image to video. Its end was announced for 2026-07-22, in favour of kling-v3.0."""
    @overload
    async def run(
        self,
        model: Literal["vidu-q2-pro-fast-img2video"],
        /,
        *,
        validate: bool = True,
        extra_body: Mapping[str, Any] | None = None,
        extra_headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
        **params: Unpack[ViduQ2ProFastImg2videoParams],
    ) -> MediaResult:
        """Vidu Q2 Pro Fast image to video. Its end was announced for 2026-07-22, in favour of kling-v3.0."""
    @overload
    async def run(
        self,
        model: Literal["vidu-q2-pro-startend2video"],
        /,
        *,
        validate: bool = True,
        extra_body: Mapping[str, Any] | None = None,
        extra_headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
        **params: Unpack[ViduQ2ProStartend2videoParams],
    ) -> MediaResult:
        """Vidu Q2 Pro start and end frames. Its end was announced for 2026-07-22, in favour of kling-v3.0."""
    @overload
    async def run(
        self,
        model: Literal["vidu-q2-turbo-startend2video"],
        /,
        *,
        validate: bool = True,
        extra_body: Mapping[str, Any] | None = None,
        extra_headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
        **params: Unpack[ViduQ2ProStartend2videoParams],
    ) -> MediaResult:
        """Vidu Q2 Turbo start and end frames. Its end was announced for 2026-07-22, in favour of kling-v3.0."""
    @overload
    async def run(
        self,
        model: Literal["vidu-q2-pro-fast-startend2video"],
        /,
        *,
        validate: bool = True,
        extra_body: Mapping[str, Any] | None = None,
        extra_headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
        **params: Unpack[ViduQ2ProFastStartend2videoParams],
    ) -> MediaResult:
        """Vidu Q2 Pro Fast start and end frames. Its end was announced for 2026-07-22, in favour of kling-v3.0."""
    @overload
    async def run(
        self,
        model: Literal["vidu-q2-pro-multiframe"],
        /,
        *,
        validate: bool = True,
        extra_body: Mapping[str, Any] | None = None,
        extra_headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
        **params: Unpack[ViduQ2ProMultiframeParams],
    ) -> MediaResult:
        """Vidu Q2 Pro multi-frame. Its end was announced for 2026-07-22, in favour of kling-v3.0."""
    @overload
    async def run(
        self,
        model: Literal["vidu-q2-turbo-multiframe"],
        /,
        *,
        validate: bool = True,
        extra_body: Mapping[str, Any] | None = None,
        extra_headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
        **params: Unpack[ViduQ2ProMultiframeParams],
    ) -> MediaResult:
        """Vidu Q2 Turbo multi-frame. Its end was announced for 2026-07-22, in favour of kling-v3.0."""
    @overload
    async def run(
        self,
        model: Literal["vidu-q3-pro-t2v"],
        /,
        *,
        validate: bool = True,
        extra_body: Mapping[str, Any] | None = None,
        extra_headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
        **params: Unpack[ViduQ3ProT2vParams],
    ) -> MediaResult:
        """Vidu Q3 Pro text to video. Its end was announced for 2026-07-22, in favour of kling-v3.0."""
    @overload
    async def run(
        self,
        model: Literal["vidu-q3-pro-i2v"],
        /,
        *,
        validate: bool = True,
        extra_body: Mapping[str, Any] | None = None,
        extra_headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
        **params: Unpack[ViduQ3ProI2vParams],
    ) -> MediaResult:
        """Vidu Q3 Pro image to video. Its end was announced for 2026-07-22, in favour of kling-v3.0."""
    @overload
    async def run(
        self,
        model: Literal["vidu-q3-pro-f2v"],
        /,
        *,
        validate: bool = True,
        extra_body: Mapping[str, Any] | None = None,
        extra_headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
        **params: Unpack[ViduQ3ProF2vParams],
    ) -> MediaResult:
        """Vidu Q3 Pro start and end frames. Its end was announced for 2026-07-22, in favour of kling-v3.0."""
    @overload
    async def run(
        self,
        model: Literal["vidu-q3-turbo-t2v"],
        /,
        *,
        validate: bool = True,
        extra_body: Mapping[str, Any] | None = None,
        extra_headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
        **params: Unpack[ViduQ3TurboT2vParams],
    ) -> MediaResult:
        """Vidu Q3 Turbo text to video. Its end was announced for 2026-07-22, in favour of kling-v3.0."""
    @overload
    async def run(
        self,
        model: Literal["vidu-q3-turbo-i2v"],
        /,
        *,
        validate: bool = True,
        extra_body: Mapping[str, Any] | None = None,
        extra_headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
        **params: Unpack[ViduQ3TurboI2vParams],
    ) -> MediaResult:
        """Vidu Q3 Turbo image to video. Its end was announced for 2026-07-22, in favour of kling-v3.0."""
    @overload
    async def run(
        self,
        model: Literal["vidu-q3-turbo-f2v"],
        /,
        *,
        validate: bool = True,
        extra_body: Mapping[str, Any] | None = None,
        extra_headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
        **params: Unpack[ViduQ3TurboF2vParams],
    ) -> MediaResult:
        """Vidu Q3 Turbo start and end frames. Its end was announced for 2026-07-22, in favour of kling-v3.0."""
    @overload
    async def run(
        self,
        model: Literal["seedance-v1-lite-t2v"],
        /,
        *,
        validate: bool = True,
        extra_body: Mapping[str, Any] | None = None,
        extra_headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
        **params: Unpack[SeedanceV1LiteT2vParams],
    ) -> MediaResult:
        """Seedance 1.0 Lite text to video. No longer in the platform's index."""
    @overload
    async def run(
        self,
        model: Literal["seedance-v1-lite-i2v"],
        /,
        *,
        validate: bool = True,
        extra_body: Mapping[str, Any] | None = None,
        extra_headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
        **params: Unpack[SeedanceV1LiteI2vParams],
    ) -> MediaResult:
        """Seedance 1.0 Lite image to video. No longer in the platform's index."""
    @overload
    async def run(
        self,
        model: Literal["seedance-v1-pro-t2v"],
        /,
        *,
        validate: bool = True,
        extra_body: Mapping[str, Any] | None = None,
        extra_headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
        **params: Unpack[SeedanceV1LiteT2vParams],
    ) -> MediaResult:
        """Seedance 1.0 Pro text to video. No longer in the platform's index."""
    @overload
    async def run(
        self,
        model: Literal["seedance-v1-pro-i2v"],
        /,
        *,
        validate: bool = True,
        extra_body: Mapping[str, Any] | None = None,
        extra_headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
        **params: Unpack[SeedanceV1LiteI2vParams],
    ) -> MediaResult:
        """Seedance 1.0 Pro image to video. No longer in the platform's index."""
    @overload
    async def run(
        self,
        model: Literal["seedance-v1.5-pro-t2v"],
        /,
        *,
        validate: bool = True,
        extra_body: Mapping[str, Any] | None = None,
        extra_headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
        **params: Unpack[SeedanceV15ProT2vParams],
    ) -> MediaResult:
        """Seedance 1.5 Pro text to video. Its end was announced for 2026-08-19, in favour of wan2.7-t2v."""
    @overload
    async def run(
        self,
        model: Literal["seedance-v1.5-pro-i2v"],
        /,
        *,
        validate: bool = True,
        extra_body: Mapping[str, Any] | None = None,
        extra_headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
        **params: Unpack[SeedanceV15ProI2vParams],
    ) -> MediaResult:
        """Seedance 1.5 Pro image to video. Its end was announced for 2026-08-19, in favour of wan2.7-i2v."""
    @overload
    async def run(
        self,
        model: Literal["pixverse-v4.5-t2v"],
        /,
        *,
        validate: bool = True,
        extra_body: Mapping[str, Any] | None = None,
        extra_headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
        **params: Unpack[PixverseV45T2vParams],
    ) -> MediaResult:
        """PixVerse 4.5 text to video. Its end was announced for 2026-07-22, in favour of kling-v3.0."""
    @overload
    async def run(
        self,
        model: Literal["pixverse-v4.5-i2v"],
        /,
        *,
        validate: bool = True,
        extra_body: Mapping[str, Any] | None = None,
        extra_headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
        **params: Unpack[PixverseV45I2vParams],
    ) -> MediaResult:
        """PixVerse 4.5 image to video. Its end was announced for 2026-07-22, in favour of kling-v3.0."""
    @overload
    async def run(
        self,
        model: Literal["minimax-video-01"],
        /,
        *,
        validate: bool = True,
        extra_body: Mapping[str, Any] | None = None,
        extra_headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
        **params: Unpack[MinimaxVideo01Params],
    ) -> MediaResult:
        """MiniMax Video-01. No longer in the platform's index."""
    @overload
    async def run(
        self,
        model: Literal["minimax-hailuo-02"],
        /,
        *,
        validate: bool = True,
        extra_body: Mapping[str, Any] | None = None,
        extra_headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
        **params: Unpack[MinimaxHailuo02Params],
    ) -> MediaResult:
        """MiniMax Hailuo 02. No longer in the platform's index."""
    @overload
    async def run(
        self,
        model: Literal["minimax-hailuo-2.3-t2v"],
        /,
        *,
        validate: bool = True,
        extra_body: Mapping[str, Any] | None = None,
        extra_headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
        **params: Unpack[MinimaxHailuo23T2vParams],
    ) -> MediaResult:
        """MiniMax Hailuo 2.3 text to video. Its end was announced for 2026-09-30."""
    @overload
    async def run(
        self,
        model: Literal["minimax-hailuo-2.3-i2v"],
        /,
        *,
        validate: bool = True,
        extra_body: Mapping[str, Any] | None = None,
        extra_headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
        **params: Unpack[MinimaxHailuo23I2vParams],
    ) -> MediaResult:
        """MiniMax Hailuo 2.3 image to video. Its end was announced for 2026-09-30."""
    @overload
    async def run(
        self,
        model: Literal["minimax-hailuo-2.3-fast-i2v"],
        /,
        *,
        validate: bool = True,
        extra_body: Mapping[str, Any] | None = None,
        extra_headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
        **params: Unpack[MinimaxHailuo23FastI2vParams],
    ) -> MediaResult:
        """MiniMax Hailuo 2.3 Fast image to video. Its end was announced for 2026-09-30."""
    @overload
    async def run(
        self,
        model: Literal["heygen-video-translate"],
        /,
        *,
        validate: bool = True,
        extra_body: Mapping[str, Any] | None = None,
        extra_headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
        **params: Unpack[HeygenVideoTranslateParams],
    ) -> MediaResult:
        """HeyGen video translation. Its end was announced for 2026-09-30."""

class AudioCalls(MediaJobs):
    @overload
    async def submit(
        self,
        model: Literal["minimax-speech-2.8-hd-async"],
        /,
        *,
        validate: bool = True,
        extra_body: Mapping[str, Any] | None = None,
        extra_headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
        **params: Unpack[MinimaxSpeech28HdAsyncParams],
    ) -> Task[MediaResult]:
        """MiniMax Speech 2.8 hd, long text as a task."""
    @overload
    async def submit(
        self,
        model: Literal["minimax-speech-2.8-turbo-async"],
        /,
        *,
        validate: bool = True,
        extra_body: Mapping[str, Any] | None = None,
        extra_headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
        **params: Unpack[MinimaxSpeech28HdAsyncParams],
    ) -> Task[MediaResult]:
        """MiniMax Speech 2.8 turbo, long text as a task."""
    @overload
    async def submit(
        self,
        model: Literal["minimax-speech-02-hd-async"],
        /,
        *,
        validate: bool = True,
        extra_body: Mapping[str, Any] | None = None,
        extra_headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
        **params: Unpack[MinimaxSpeech02HdAsyncParams],
    ) -> Task[MediaResult]:
        """MiniMax Speech 02-hd, long text as a task. No longer in the platform's index."""
    @overload
    async def submit(
        self,
        model: Literal["minimax-speech-02-turbo-async"],
        /,
        *,
        validate: bool = True,
        extra_body: Mapping[str, Any] | None = None,
        extra_headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
        **params: Unpack[MinimaxSpeech02HdAsyncParams],
    ) -> Task[MediaResult]:
        """MiniMax Speech 02-turbo, long text as a task. No longer in the platform's index."""
    @overload
    async def submit(
        self,
        model: Literal["minimax-speech-2.5-hd-preview-async"],
        /,
        *,
        validate: bool = True,
        extra_body: Mapping[str, Any] | None = None,
        extra_headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
        **params: Unpack[MinimaxSpeech02HdAsyncParams],
    ) -> Task[MediaResult]:
        """MiniMax Speech 2.5-hd-preview, long text as a task. No longer in the platform's index."""
    @overload
    async def submit(
        self,
        model: Literal["minimax-speech-2.5-turbo-preview-async"],
        /,
        *,
        validate: bool = True,
        extra_body: Mapping[str, Any] | None = None,
        extra_headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
        **params: Unpack[MinimaxSpeech02HdAsyncParams],
    ) -> Task[MediaResult]:
        """MiniMax Speech 2.5-turbo-preview, long text as a task. No longer in the platform's index."""
    @overload
    async def submit(
        self,
        model: Literal["minimax-speech-2.6-hd-async"],
        /,
        *,
        validate: bool = True,
        extra_body: Mapping[str, Any] | None = None,
        extra_headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
        **params: Unpack[MinimaxSpeech02HdAsyncParams],
    ) -> Task[MediaResult]:
        """MiniMax Speech 2.6-hd, long text as a task. Its end was announced for 2026-08-19, in favour of minimax-speech-2.8-hd."""
    @overload
    async def submit(
        self,
        model: Literal["minimax-speech-2.6-turbo-async"],
        /,
        *,
        validate: bool = True,
        extra_body: Mapping[str, Any] | None = None,
        extra_headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
        **params: Unpack[MinimaxSpeech02HdAsyncParams],
    ) -> Task[MediaResult]:
        """MiniMax Speech 2.6-turbo, long text as a task. Its end was announced for 2026-08-19, in favour of minimax-speech-2.8-turbo."""
    @overload
    async def submit(
        self,
        model: Literal["txt2speech"],
        /,
        *,
        validate: bool = True,
        extra_body: Mapping[str, Any] | None = None,
        extra_headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
        **params: Unpack[Txt2speechParams],
    ) -> Task[MediaResult]:
        """First-generation text to speech task. No longer in the platform's index."""
    @overload
    async def run(
        self,
        model: Literal["minimax-speech-2.8-hd"],
        /,
        *,
        validate: bool = True,
        extra_body: Mapping[str, Any] | None = None,
        extra_headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
        **params: Unpack[MinimaxSpeech28HdParams],
    ) -> MediaResult:
        """MiniMax Speech 2.8 hd, synchronous or streamed."""
    @overload
    async def run(
        self,
        model: Literal["minimax-speech-2.8-hd-async"],
        /,
        *,
        validate: bool = True,
        extra_body: Mapping[str, Any] | None = None,
        extra_headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
        **params: Unpack[MinimaxSpeech28HdAsyncParams],
    ) -> MediaResult:
        """MiniMax Speech 2.8 hd, long text as a task."""
    @overload
    async def run(
        self,
        model: Literal["minimax-speech-2.8-turbo"],
        /,
        *,
        validate: bool = True,
        extra_body: Mapping[str, Any] | None = None,
        extra_headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
        **params: Unpack[MinimaxSpeech28HdParams],
    ) -> MediaResult:
        """MiniMax Speech 2.8 turbo, synchronous or streamed."""
    @overload
    async def run(
        self,
        model: Literal["minimax-speech-2.8-turbo-async"],
        /,
        *,
        validate: bool = True,
        extra_body: Mapping[str, Any] | None = None,
        extra_headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
        **params: Unpack[MinimaxSpeech28HdAsyncParams],
    ) -> MediaResult:
        """MiniMax Speech 2.8 turbo, long text as a task."""
    @overload
    async def run(
        self,
        model: Literal["minimax-speech-02-hd"],
        /,
        *,
        validate: bool = True,
        extra_body: Mapping[str, Any] | None = None,
        extra_headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
        **params: Unpack[MinimaxSpeech02HdParams],
    ) -> MediaResult:
        """MiniMax Speech 02-hd, synchronous or streamed. No longer in the platform's index."""
    @overload
    async def run(
        self,
        model: Literal["minimax-speech-02-hd-async"],
        /,
        *,
        validate: bool = True,
        extra_body: Mapping[str, Any] | None = None,
        extra_headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
        **params: Unpack[MinimaxSpeech02HdAsyncParams],
    ) -> MediaResult:
        """MiniMax Speech 02-hd, long text as a task. No longer in the platform's index."""
    @overload
    async def run(
        self,
        model: Literal["minimax-speech-02-turbo"],
        /,
        *,
        validate: bool = True,
        extra_body: Mapping[str, Any] | None = None,
        extra_headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
        **params: Unpack[MinimaxSpeech02HdParams],
    ) -> MediaResult:
        """MiniMax Speech 02-turbo, synchronous or streamed. No longer in the platform's index."""
    @overload
    async def run(
        self,
        model: Literal["minimax-speech-02-turbo-async"],
        /,
        *,
        validate: bool = True,
        extra_body: Mapping[str, Any] | None = None,
        extra_headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
        **params: Unpack[MinimaxSpeech02HdAsyncParams],
    ) -> MediaResult:
        """MiniMax Speech 02-turbo, long text as a task. No longer in the platform's index."""
    @overload
    async def run(
        self,
        model: Literal["minimax-speech-2.5-hd-preview"],
        /,
        *,
        validate: bool = True,
        extra_body: Mapping[str, Any] | None = None,
        extra_headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
        **params: Unpack[MinimaxSpeech02HdParams],
    ) -> MediaResult:
        """MiniMax Speech 2.5-hd-preview, synchronous or streamed. No longer in the platform's index."""
    @overload
    async def run(
        self,
        model: Literal["minimax-speech-2.5-hd-preview-async"],
        /,
        *,
        validate: bool = True,
        extra_body: Mapping[str, Any] | None = None,
        extra_headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
        **params: Unpack[MinimaxSpeech02HdAsyncParams],
    ) -> MediaResult:
        """MiniMax Speech 2.5-hd-preview, long text as a task. No longer in the platform's index."""
    @overload
    async def run(
        self,
        model: Literal["minimax-speech-2.5-turbo-preview"],
        /,
        *,
        validate: bool = True,
        extra_body: Mapping[str, Any] | None = None,
        extra_headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
        **params: Unpack[MinimaxSpeech02HdParams],
    ) -> MediaResult:
        """MiniMax Speech 2.5-turbo-preview, synchronous or streamed. No longer in the platform's index."""
    @overload
    async def run(
        self,
        model: Literal["minimax-speech-2.5-turbo-preview-async"],
        /,
        *,
        validate: bool = True,
        extra_body: Mapping[str, Any] | None = None,
        extra_headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
        **params: Unpack[MinimaxSpeech02HdAsyncParams],
    ) -> MediaResult:
        """MiniMax Speech 2.5-turbo-preview, long text as a task. No longer in the platform's index."""
    @overload
    async def run(
        self,
        model: Literal["minimax-speech-2.6-hd"],
        /,
        *,
        validate: bool = True,
        extra_body: Mapping[str, Any] | None = None,
        extra_headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
        **params: Unpack[MinimaxSpeech02HdParams],
    ) -> MediaResult:
        """MiniMax Speech 2.6-hd, synchronous or streamed. Its end was announced for 2026-08-19, in favour of minimax-speech-2.8-hd."""
    @overload
    async def run(
        self,
        model: Literal["minimax-speech-2.6-hd-async"],
        /,
        *,
        validate: bool = True,
        extra_body: Mapping[str, Any] | None = None,
        extra_headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
        **params: Unpack[MinimaxSpeech02HdAsyncParams],
    ) -> MediaResult:
        """MiniMax Speech 2.6-hd, long text as a task. Its end was announced for 2026-08-19, in favour of minimax-speech-2.8-hd."""
    @overload
    async def run(
        self,
        model: Literal["minimax-speech-2.6-turbo"],
        /,
        *,
        validate: bool = True,
        extra_body: Mapping[str, Any] | None = None,
        extra_headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
        **params: Unpack[MinimaxSpeech02HdParams],
    ) -> MediaResult:
        """MiniMax Speech 2.6-turbo, synchronous or streamed. Its end was announced for 2026-08-19, in favour of minimax-speech-2.8-turbo."""
    @overload
    async def run(
        self,
        model: Literal["minimax-speech-2.6-turbo-async"],
        /,
        *,
        validate: bool = True,
        extra_body: Mapping[str, Any] | None = None,
        extra_headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
        **params: Unpack[MinimaxSpeech02HdAsyncParams],
    ) -> MediaResult:
        """MiniMax Speech 2.6-turbo, long text as a task. Its end was announced for 2026-08-19, in favour of minimax-speech-2.8-turbo."""
    @overload
    async def run(
        self,
        model: Literal["glm-tts"],
        /,
        *,
        validate: bool = True,
        extra_body: Mapping[str, Any] | None = None,
        extra_headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
        **params: Unpack[GlmTtsParams],
    ) -> MediaResult:
        """GLM text to speech (raw audio answer). Its end was announced for 2026-07-07, in favour of minimax-speech-2.8-turbo."""
    @overload
    async def run(
        self,
        model: Literal["glm-asr"],
        /,
        *,
        validate: bool = True,
        extra_body: Mapping[str, Any] | None = None,
        extra_headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
        **params: Unpack[GlmAsrParams],
    ) -> MediaResult:
        """GLM speech recognition (GLM-ASR-2512). Its end was announced for 2026-07-07."""
    @overload
    async def run(
        self,
        model: Literal["glm-tts-voice-clone"],
        /,
        *,
        validate: bool = True,
        extra_body: Mapping[str, Any] | None = None,
        extra_headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
        **params: Unpack[GlmTtsVoiceCloneParams],
    ) -> MediaResult:
        """GLM voice clone. Its end was announced for 2026-07-07, in favour of minimax-voice-cloning."""
    @overload
    async def run(
        self,
        model: Literal["fish-audio-text-to-speech"],
        /,
        *,
        validate: bool = True,
        extra_body: Mapping[str, Any] | None = None,
        extra_headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
        **params: Unpack[FishAudioTextToSpeechParams],
    ) -> MediaResult:
        """Fish Audio s1 text to speech (streams the file)."""
    @overload
    async def run(
        self,
        model: Literal["fish-audio-s2-pro-text-to-speech"],
        /,
        *,
        validate: bool = True,
        extra_body: Mapping[str, Any] | None = None,
        extra_headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
        **params: Unpack[FishAudioS2ProTextToSpeechParams],
    ) -> MediaResult:
        """Fish Audio S2 Pro text to speech. No longer in the platform's index."""
    @overload
    async def run(
        self,
        model: Literal["fish-audio-voice-cloning"],
        /,
        *,
        validate: bool = True,
        extra_body: Mapping[str, Any] | None = None,
        extra_headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
        **params: Unpack[FishAudioVoiceCloningParams],
    ) -> MediaResult:
        """Fish Audio: create a voice model."""
    @overload
    async def run(
        self,
        model: Literal["txt2speech"],
        /,
        *,
        validate: bool = True,
        extra_body: Mapping[str, Any] | None = None,
        extra_headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
        **params: Unpack[Txt2speechParams],
    ) -> MediaResult:
        """First-generation text to speech task. No longer in the platform's index."""
    @overload
    async def run(
        self,
        model: Literal["minimax-voice-cloning"],
        /,
        *,
        validate: bool = True,
        extra_body: Mapping[str, Any] | None = None,
        extra_headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
        **params: Unpack[MinimaxVoiceCloningParams],
    ) -> MediaResult:
        """MiniMax quick voice cloning."""
    @overload
    async def run(
        self,
        model: Literal["minimax-voice-design"],
        /,
        *,
        validate: bool = True,
        extra_body: Mapping[str, Any] | None = None,
        extra_headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
        **params: Unpack[MinimaxVoiceDesignParams],
    ) -> MediaResult:
        """MiniMax voice design from a description."""
    @overload
    async def run(
        self,
        model: Literal["minimax-music"],
        /,
        *,
        validate: bool = True,
        extra_body: Mapping[str, Any] | None = None,
        extra_headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
        **params: Unpack[MinimaxMusicParams],
    ) -> MediaResult:
        """MiniMax music generation."""
    @overload
    async def run(
        self,
        model: Literal["minimax-music-lyrics"],
        /,
        *,
        validate: bool = True,
        extra_body: Mapping[str, Any] | None = None,
        extra_headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
        **params: Unpack[MinimaxMusicLyricsParams],
    ) -> MediaResult:
        """MiniMax lyrics writing or editing."""
