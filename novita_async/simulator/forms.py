"""Forms with files in them, read as the parameters of a model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from .sandbox.multipart import MultipartDecoder, MultipartError, Part

if TYPE_CHECKING:
    from ..catalog import Model, Schema
    from .router import Call

__all__ = ["FormError", "is_form", "read_form"]

#: The form is broken.
FormError = MultipartError


def is_form(call: Call) -> bool:
    """Whether the body of a call is a form."""
    return call.headers.get("content-type", "").startswith("multipart/form-data")


async def read_form(call: Call, model: Model) -> dict[str, Any]:
    """Read a form. A field that comes several times is a list, a file is its bytes, anything else what its model says.

    Raises:
        FormError: the body is not what its content type says.
    """
    decoder = MultipartDecoder(call.headers["content-type"])
    parts: list[tuple[str, list[bytes]]] = []
    async for chunk in call.chunks():
        for event in decoder.feed(chunk):
            if isinstance(event, Part):
                parts.append((event.name, []))
            elif event is not None:
                parts[-1][1].append(event)
    decoder.close()
    params: dict[str, Any] = {}
    for name, pieces in parts:
        schema = model.params.properties.get(name.removesuffix("[]"))
        data = b"".join(pieces)
        if schema is not None and schema.items is not None:
            params.setdefault(name.removesuffix("[]"), []).append(_value(schema.items, data))
        else:
            params[name] = _value(schema, data)
    return params


def _value(schema: Schema | None, data: bytes) -> Any:
    if schema is not None and schema.media is not None:
        return data
    text = data.decode("utf-8", "replace")
    types = {schema.type} if schema is not None and isinstance(schema.type, str) else set(schema.type if schema else ())
    if types & {"boolean", "integer", "number"}:
        try:
            return msgspec.json.decode(text.lower())
        except msgspec.DecodeError:
            pass  # it stays a text, and the check says that it is the wrong one
    return text
