"""`novita.videos.unified`: one call for the models of all vendors (contract/video.md, "Unified call").

There is no list of them in the catalog: which there are and what they take is asked of the platform.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from ..catalog import Media, Model, Schema
from ..errors import ValidationError
from ..runtime.arguments import check_timeout, given
from ..runtime.call import Call
from ..wire.json import Object
from .jobs import MediaJobs
from .webhooks import address_of
from .words import fit

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ..runtime.task import Task
    from .results import MediaResult

__all__ = ["UnifiedModel", "UnifiedVideos"]

_PATH = "/v3/video/create"
_CONFIG = "/v3/admin/video-unify-api/config"
_LIST = "media.unified"
_KEPT = 300.0  # seconds for which the list is believed
_OURS = ("model", "callback_url")  # of the body, and no parameters of a model
#: Parameters that are files, by the names that all models share.
_FILES = {
    "image": Media("image", ("url", "data-uri")),
    "end_image": Media("image", ("url", "data-uri")),
    "audio": Media("audio", ("url",)),
}


class UnifiedModel(Object):
    """A model of the unified call.

    Attributes:
        model: its name, which is not the one that the catalog has for it.
        description: for people.
        json_schema: what it takes, JSON Schema as text.
    """

    model: str = ""
    json_schema: str | dict[str, Any] = ""
    description: str | None = None

    @property
    def schema(self) -> dict[str, Any]:
        """What it takes, as JSON Schema; empty when the platform's cannot be read."""
        if isinstance(self.json_schema, dict):
            return self.json_schema
        try:
            return msgspec.json.decode(self.json_schema, type=dict[str, Any])
        except msgspec.DecodeError:
            return {}


class _Config(Object):
    configs: list[UnifiedModel] | None = None


class UnifiedVideos(MediaJobs):
    """`novita.videos.unified`."""

    product = "videos"

    async def models(self, *, timeout: float | None = None) -> list[UnifiedModel]:
        """The models that the platform lists. It is asked once in five minutes.

        Args:
            timeout: of the call, in seconds, should there be one.

        Contract: video.md, "Unified call"; GET /v3/admin/video-unify-api/config.
        """
        runtime = self._runtime
        check_timeout(timeout)
        kept: tuple[float, list[UnifiedModel]] | None = runtime.shared.get(_LIST)
        now = runtime.clock.monotonic()
        if kept is not None and now - kept[0] < _KEPT:
            return list(kept[1])
        call = Call(method="GET", url=f"{runtime.settings.base_url}{_CONFIG}", timeout=timeout)
        models = [model for model in (await runtime.fetch(call, _Config)).configs or () if model.model]
        runtime.shared[_LIST] = (now, models)
        return list(models)

    async def schema(self, model: str) -> dict[str, Any]:
        """The parameters of a model as JSON Schema, as the platform gives it.

        Raises:
            ValidationError: the platform lists no such model.
        """
        return (await self._listed(model)).schema

    async def submit(
        self,
        model: str,
        /,
        *,
        callback_url: str | None = None,
        validate: bool = True,
        extra_body: Mapping[str, Any] | None = None,
        extra_headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
        **params: Any,
    ) -> Task[MediaResult]:
        """Submit a task and return its handle.

        Args:
            model: one that `models()` lists.
            callback_url: told by the platform when the task has ended; the client's own receiver when there is one
                (`novita.webhooks`) and no other is given.
            validate: check the parameters against the platform's schema first. False sends any model and anything,
                and asks for no list.
            extra_body: fields that the SDK does not know.
            extra_headers: headers for this call.
            timeout: the submit in seconds, retries included.
            params: the model's parameters: `await novita.videos.unified.schema(model)`. `image` and `end_image` may be
                files in any form. A `duration` may be a number where the platform wants text.

        Raises:
            ValidationError: everything that is wrong with the parameters, or the platform lists no such model.
            OutcomeUnknown: the submit was sent and not answered; it was not sent again.
            APIError: the platform refused.

        Example:
            task = await novita.videos.unified.submit("kling2.5_turbo_pro_t2v", prompt="a paper boat", duration=5)
            result = await task.wait()

        Contract: video.md, "Unified call"; POST /v3/video/create.
        """
        entry, validate = await self._entry(model, validate)
        address = None if callback_url else address_of(self._runtime)
        return await self._submit(
            entry,
            _fitted(entry, params),
            validate=validate,
            extra_body=_body(model, callback_url or address, extra_body),
            extra_headers=extra_headers,
            timeout=timeout,
            webhook=address is not None,
        )

    async def run(
        self,
        model: str,
        /,
        *,
        callback_url: str | None = None,
        validate: bool = True,
        extra_body: Mapping[str, Any] | None = None,
        extra_headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
        **params: Any,
    ) -> MediaResult:
        """Submit a task and wait for the video.

        Args:
            timeout: submit and wait together, in seconds; None for the client's limits and an hour of waiting.

        The other arguments are those of `submit`.

        Raises:
            ValidationError, OutcomeUnknown, APIError: as `submit`.
            TaskFailed, TaskTimeout, TaskStateUnknown: as `Task.wait`; the handle is on the error.

        Contract: video.md, "Unified call"; POST /v3/video/create.
        """
        entry, validate = await self._entry(model, validate)
        address = None if callback_url else address_of(self._runtime)
        return await self._run(
            entry,
            _fitted(entry, params),
            validate=validate,
            extra_body=_body(model, callback_url or address, extra_body),
            extra_headers=extra_headers,
            timeout=timeout,
            webhook=address is not None,
        )

    async def _entry(self, model: str, validate: bool) -> tuple[Model, bool]:
        """A model as the catalog would have it, and whether parameters can be checked against it."""
        schema: Schema | None = None
        if validate:
            schema = _read((await self._listed(model)).schema)
        entry = Model(
            id=model,
            title=model,
            product="videos",
            family="unified",
            task="any",
            path=_PATH,
            kind="async",
            status="current",
            params=_with_files(schema or Schema(type="object")),
            output="videos",
        )
        return entry, schema is not None

    async def _listed(self, model: str) -> UnifiedModel:
        listed = {each.model: each for each in await self.models()}
        found = listed.get(model)
        if found is None:
            import difflib

            near = difflib.get_close_matches(str(model), listed, n=3)
            hint = f"did you mean {' or '.join(near)}?" if near else f"there are {', '.join(listed) or 'none'}."
            raise ValidationError(
                f"no model {model!r} for the unified call; {hint} validate=False sends it all the same"
            )
        return found


def _read(raw: Mapping[str, Any]) -> Schema | None:
    """The parameters of a model; None when the platform's schema says nothing that can be checked."""
    try:
        schema = msgspec.convert(raw, Schema, strict=False)
    except msgspec.ValidationError:
        return None
    if not schema.properties:
        return None
    properties = {name: each for name, each in schema.properties.items() if name not in _OURS}
    required = tuple(name for name in schema.required if name in properties)
    return msgspec.structs.replace(schema, properties=properties, required=required)


def _with_files(schema: Schema) -> Schema:
    """The schema with a word about which of its texts are files."""
    properties = dict(schema.properties)
    for name, media in _FILES.items():
        known = properties.get(name)
        if known is not None and "string" in known.type:
            properties[name] = msgspec.structs.replace(known, media=media)
        elif not schema.properties:
            properties[name] = Schema(type="string", media=media)
    return msgspec.structs.replace(schema, properties=properties)


def _fitted(entry: Model, params: Mapping[str, Any]) -> dict[str, Any]:
    properties = entry.params.properties
    return {name: fit(properties[name], value) if name in properties else value for name, value in params.items()}


def _body(model: str, callback_url: str | None, extra: Mapping[str, Any] | None) -> dict[str, Any]:
    """What stands beside the parameters."""
    return {"model": model, **given(callback_url=callback_url), **(extra or {})}
