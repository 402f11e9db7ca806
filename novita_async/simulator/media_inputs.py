"""What a submit brings: its body, read by the layout of its model and held against it, and the files in it.

The platform ignores fields that it does not know, so they are dropped here before anything is checked.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from functools import partial
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, cast

import msgspec

from ..catalog.check import check
from . import keys
from .measure import measure
from .sandbox.multipart import MultipartDecoder, MultipartError, Part

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator, Mapping

    from ..catalog import Media as MediaSchema
    from ..catalog import Model, Schema
    from ..runtime.clock import Clock
    from .router import Call

__all__ = ["File", "bad", "files", "read", "said"]

_HEAVY = 256 * 1024  # bytes of a body that are read in a thread
_SLICE = 1 << 18  # letters of base64 decoded at once: between two of them other threads get their turn
_LINK = re.compile(r"https?://", re.IGNORECASE)
_DATA_URI = re.compile(r"data:[^,]{0,200};base64,", re.IGNORECASE)
_NOISE = "INVALID_AUDIO_FILE"


class File(msgspec.Struct, frozen=True):
    """A file among the parameters.

    Attributes:
        path: of the parameter, such as `images[0]`.
        kind: image, video, audio.
        link: where it is, when it was not sent itself.
        data: the file, when it was.
        size: width and height of a picture that was sent.
        digest: of the picture.
    """

    path: str
    kind: str
    link: str = ""
    data: bytes = b""
    size: tuple[int, int] | None = None
    digest: bytes = b""


def bad(message: str, reason: str = "INVALID_REQUEST_BODY") -> keys.Refusal:
    """A refusal with status 400."""
    return keys.flat(HTTPStatus.BAD_REQUEST, reason, message)


async def read(call: Call, model: Model, clock: Clock) -> dict[str, Any]:
    """Read the parameters of a call, all on one level.

    Raises:
        keys.Refusal: they are not what the model takes.
    """
    body = await call.body()
    work = partial(_read, model, body, call.headers.get("content-type", ""))
    return await clock.to_thread(work) if len(body) > _HEAVY else work()


async def files(
    model: Model, params: Mapping[str, Any], clock: Clock, fetch: Callable[[str], Awaitable[bytes | None]]
) -> list[File]:
    """Look at the files among the parameters, in the order of the model's schema.

    Args:
        model: which of its parameters are files, and what they may be.
        params: on one level.
        clock: whose threads decode large ones.
        fetch: gives what is behind a link, or None: most links lead out of the simulator.

    Raises:
        keys.Refusal: one of them is not what the model takes.
    """
    texts = list(_media(model.params, dict(params), ""))
    work = partial(_files, texts)
    found = await clock.to_thread(work) if sum(len(text) for _, _, text in texts) > _HEAVY else work()
    for number, (path, media, _) in enumerate(texts):
        if media.kind == "image" and found[number].link and (data := await fetch(found[number].link)) is not None:
            found[number] = _picture(path, media, data)
    sizes = {file.path: file.size for file in found}
    mask = sizes.get("mask_image_base64")
    if mask is not None and mask != sizes["image_base64"]:
        raise bad("mask_image_base64: its size is not that of image_base64", "INVALID_IMAGE_SIZE")
    return found


def said(params: Mapping[str, Any]) -> str:
    """All that the parameters say in words: prompts, texts, lyrics."""
    return "\n".join(_words(params))


def _words(params: Mapping[str, Any]) -> Iterator[str]:
    for name in ("prompt", "text", "input", "texts", "lyrics", "prompts", "multi_prompt", "image_settings"):
        value: Any = params.get(name)
        for each in cast("list[Any]", value) if isinstance(value, list) else [value]:
            if isinstance(each, str):
                yield each
            elif isinstance(each, dict):
                yield from _words(cast("dict[str, Any]", each))


# --------------------------------------------------------------------------------------------- bodies


def _read(model: Model, body: bytes, content_type: str) -> dict[str, Any]:
    decoded: Any
    try:
        if content_type.startswith("multipart/form-data") and "multipart/form-data" in model.body:
            decoded = _form(model.params, body, content_type)
        elif content_type.startswith("application/msgpack") and "application/msgpack" in model.body:
            decoded = msgspec.msgpack.decode(body)
        else:
            decoded = msgspec.json.decode(body or b"{}")
    except (msgspec.DecodeError, UnicodeDecodeError, MultipartError) as error:
        raise bad(str(error)) from None
    params = _known(model.params, _level(model, decoded))
    for name in model.params.required:  # also what has a default: the platform wants it to be sent
        if name not in params:
            raise bad(f"{name}: missing")
    if problems := check(model, params):
        raise bad(problems[0])
    return params


def _form(schema: Schema, body: bytes, content_type: str) -> dict[str, Any]:
    """The fields of a form. A list is a field that comes several times, a file its bytes."""
    decoder = MultipartDecoder(content_type)
    parts: list[tuple[Part, bytearray]] = []
    for event in decoder.feed(body):
        if isinstance(event, Part):
            parts.append((event, bytearray()))
        elif event is not None:
            parts[-1][1].extend(event)
    decoder.close()
    fields: dict[str, Any] = {}
    for part, content in parts:
        known = schema.properties.get(part.name)
        value: Any = bytes(content) if part.filename else content.decode()
        if known is not None and "boolean" in known.type:
            value = {"true": True, "false": False}.get(str(value).lower(), value)
        if known is not None and known.type == "array":
            fields.setdefault(part.name, []).append(value)
        else:
            fields[part.name] = value
    return fields


def _level(model: Model, body: Any) -> dict[str, Any]:
    """The parameters of a body on one level."""
    if not isinstance(body, dict):
        raise bad("the body is not an object")
    fields = cast("dict[str, Any]", body)
    homes = {name: section for section, names in model.sections.items() for name in names}
    params = {name: value for name, value in fields.items() if name not in model.sections and name not in homes}
    for section, names in model.sections.items():
        inside: Any = fields.get(section, {})
        if not isinstance(inside, dict):
            raise bad(f"{section}: not an object")
        params |= {name: value for name, value in cast("dict[str, Any]", inside).items() if name in names}
    if model.family == "flux-1-kontext" and isinstance(params.get("image"), str):
        params.setdefault("images", [params["image"]])  # as the pages of 2025 had it
    return params


def _known(schema: Schema, value: Any) -> Any:
    """A value without the fields that its schema does not have."""
    for each in schema.any_of or schema.one_of:
        if (isinstance(value, dict) and each.properties) or (isinstance(value, list) and each.items is not None):
            return _known(each, cast("Any", value))
    if isinstance(value, list) and schema.items is not None:
        return [_known(schema.items, each) for each in cast("list[Any]", value)]
    if isinstance(value, dict) and schema.properties:
        properties, fields = schema.properties, cast("dict[str, Any]", value)
        return {name: _known(properties[name], each) for name, each in fields.items() if name in properties}
    return cast("Any", value)


# ---------------------------------------------------------------------------------------------- files


def _media(schema: Schema, value: Any, path: str) -> Iterator[tuple[str, MediaSchema, str]]:
    """The files of a value: the path of each, what it may be, and the text that stands for it."""
    if schema.media is not None and isinstance(value, str):
        yield path, schema.media, value
    elif isinstance(value, list):
        inside = schema.items or next((each.items for each in schema.any_of if each.items is not None), None)
        if inside is not None:
            if schema.media is not None and inside.media is None:
                inside = msgspec.structs.replace(inside, media=schema.media)
            for number, each in enumerate(cast("list[Any]", value)):
                yield from _media(inside, each, f"{path}[{number}]")
    elif isinstance(value, dict):
        fields = cast("dict[str, Any]", value)
        for name, inside in schema.properties.items():
            if name in fields:
                yield from _media(inside, fields[name], f"{path}.{name}" if path else name)


def _files(texts: list[tuple[str, MediaSchema, str]]) -> list[File]:
    return [_file(path, media, text) for path, media, text in texts]


def _file(path: str, media: MediaSchema, text: str) -> File:
    forms = media.forms
    if "url" in forms and _LINK.match(text):
        return File(path, media.kind, link=text)
    if "asset" in forms or "bytes" in forms:
        return File(path, media.kind)
    if forms == ("url",):
        raise bad(f"{path}: not the URL of a file")
    start = 0
    if "data-uri" in forms and (uri := _DATA_URI.match(text)):
        start = uri.end()
    # Where the contract knows data URIs, bare base64 is taken too: its sources differ (contract/image.md 10).
    data = _decoded(path, text, start)
    if media.kind == "image":
        return _picture(path, media, data)
    if media.max_bytes and len(data) > media.max_bytes:
        reason = _NOISE if media.kind == "audio" else "INVALID_REQUEST_BODY"
        raise bad(f"{path}: {len(data)} bytes, at most {media.max_bytes}", reason)
    if media.kind == "audio" and not data:
        raise bad(f"{path}: an empty file", _NOISE)
    return File(path, media.kind, data=data)


def _decoded(path: str, text: str, start: int) -> bytes:
    try:
        if (len(text) - start) % 4:
            raise binascii.Error
        pieces = range(start, len(text), _SLICE)
        return b"".join(base64.b64decode(text[at : at + _SLICE], validate=True) for at in pieces)
    except ValueError:  # which binascii.Error is
        raise bad(f"{path}: not base64") from None


def _picture(path: str, media: MediaSchema, data: bytes) -> File:
    if media.max_bytes and len(data) > media.max_bytes:
        raise bad(f"{path}: {len(data)} bytes, at most {media.max_bytes}", "IMAGE_FILE_EXCEEDS_MAX_SIZE")
    found = measure(data)
    if found is None or (media.formats and found[0] not in media.formats):
        known = " or ".join(media.formats) or "a picture"
        raise bad(f"{path}: not {known}", "INVALID_IMAGE_FORMAT")
    _, width, height = found
    short, long = sorted((width, height))
    if media.max_pixels and width * height > media.max_pixels:
        message = f"{path}: {width * height} pixels, at most {media.max_pixels}"
        raise bad(message, "IMAGE_EXCEEDS_MAX_RESOLUTION")
    if (
        short < max(1, media.min_side)
        or (media.max_side and long > media.max_side)
        or (media.max_ratio and long > short * media.max_ratio)
    ):
        raise bad(f"{path}: sides of {width} and {height} are not possible", "INVALID_IMAGE_SIZE")
    digest = hashlib.blake2b(data, digest_size=16).digest()
    return File(path, media.kind, data=data, size=(width, height), digest=digest)
