"""What Stable Diffusion models are put together from: checkpoints, LoRAs and the like (contract/image.md 7)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from ..errors import ValidationError
from ..runtime.arguments import check_timeout, with_query
from ..runtime.call import Call
from ..runtime.pages import cursored
from ..wire.json import Object, decode

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ..runtime.call import Runtime
    from ..runtime.pages import Pages

__all__ = ["Weights", "WeightsType", "listed", "weights"]

T = TypeVar("T", bound=Object)

_BY_NAME_IN_API = ("lora", "locon", "textualinversion")


class WeightsType(Object):
    """What weights are for.

    Attributes:
        name: checkpoint, lora, vae, controlnet, upscaler, textualinversion, or another.
        display_name: for people.
    """

    name: str = ""
    display_name: str = ""


class Weights(Object):
    """One file of weights that the platform has.

    Attributes:
        id: its number.
        name: for people.
        sd_name: its file name, which checkpoints and VAEs go by.
        sd_name_in_api: the name that LoRAs and embeddings go by.
        type: what it is for.
        base_model: such as "SD 1.5" or "SDXL 1.0"; adapters go with checkpoints of the same.
        base_model_type: such as Standard or Inpainting.
        is_sdxl: whether it belongs to SDXL; None when the platform does not say.
        is_nsfw: likewise.
        status: 1 when it can be used, 0 when not.
        source: civitai, training or uploading.
        visibility: public or private; "" when the platform does not say.
        categories, tags: of the place that it comes from.
        cover_url: a picture made with it.
        download_url: its file.
        download_url_ttl: seconds that `download_url` lives.
        hash_sha256: of its file.
    """

    id: int
    sd_name: str
    name: str = ""
    sd_name_in_api: str | None = None
    type: WeightsType | None = None
    base_model: str | None = None
    base_model_type: str | None = None
    is_sdxl: bool | None = None
    is_nsfw: bool | None = None
    status: int | None = None
    source: str | None = None
    visibility: str | None = None
    categories: list[str] | None = None
    tags: list[str] | None = None
    cover_url: str | None = None
    download_url: str | None = None
    download_url_ttl: int | None = None
    hash_sha256: str | None = None

    @property
    def name_in_api(self) -> str:
        """What goes into `model_name` of a model, of `loras` and of `embeddings`, or into `sd_vae`."""
        adapter = self.type is not None and self.type.name in _BY_NAME_IN_API
        return (self.sd_name_in_api if adapter else self.sd_name) or self.sd_name

    @property
    def available(self) -> bool:
        """Whether it can be used now."""
        return self.status != 0


class _Pagination(Object):
    next_cursor: str | None = None


class _Page(Object):
    models: list[msgspec.Raw] | None = None
    tasks: list[msgspec.Raw] | None = None
    pagination: _Pagination | None = None


def weights(
    runtime: Runtime, filters: Mapping[str, Any], *, limit: int | None, timeout: float | None
) -> Pages[Weights]:
    """The pages of `GET /v3/model`."""
    query = {name: str(value).lower() if isinstance(value, bool) else value for name, value in filters.items()}
    return listed(runtime, "/v3/model", query, Weights, limit=limit, timeout=timeout)


def listed(
    runtime: Runtime,
    path: str,
    query: Mapping[str, Any],
    type_: type[T],
    *,
    limit: int | None,
    timeout: float | None,
) -> Pages[T]:
    """A list of the platform's that goes from page to page by a cursor.

    Args:
        runtime: the client's.
        path: of the list.
        query: what is asked for.
        type_: what an item is.
        limit: items of a page.
        timeout: each page in seconds.
    """
    check_timeout(timeout)
    if limit is not None and (isinstance(limit, bool) or not 1 <= limit <= 100):
        raise ValidationError(f"limit must be 1 to 100, got {limit!r}: it is how many a page has")

    async def fetch(cursor: str) -> tuple[list[T], str]:
        asked = {**query, "pagination.limit": limit, "pagination.cursor": cursor or None}
        url = with_query(f"{runtime.settings.base_url}{path}", **asked)
        page = await runtime.fetch(Call(method="GET", url=url, timeout=timeout), _Page)
        decoder = runtime.decoders(type_)
        items = [decode(decoder, bytes(item)) for item in page.models or page.tasks or ()]
        return items, (page.pagination and page.pagination.next_cursor) or ""

    return cursored(fetch)
