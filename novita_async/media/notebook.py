"""What a notebook shows of a result: the file itself where it is in memory, else its link.

Nothing is fetched here: a notebook asks when it likes, and does not wait.
"""

from __future__ import annotations

import base64
import html
from typing import TYPE_CHECKING, Any

from ..errors import ProtocolError
from .kinds import HEAD, MEDIA_TYPES, is_link, sniff

if TYPE_CHECKING:
    from collections.abc import Collection

    from .outputs import Output
    from .results import MediaResult

__all__ = ["bundle", "chosen", "html_of", "html_of_all", "png"]

_EMBEDDED = 32 << 20  # bytes; a larger file makes a notebook that nobody can open
_SHOWN_AS_DATA = ("image/png", "image/jpeg")  # media types that notebooks know beside HTML


def _data(output: Output) -> bytes | None:
    source = vars(output).get("_source")
    try:
        data: bytes | None = source.peek() if source is not None else None
    except ProtocolError:  # no file is in it: whoever fetches it is told
        return None
    return data if data is not None and len(data) <= _EMBEDDED else None


def png(output: Output) -> bytes | None:
    """The bytes of a picture in PNG that is in memory."""
    data = _data(output) if output.type == "png" else None
    return data if data is not None and sniff(data[:HEAD]) == "png" else None  # whatever the platform says it is


def html_of(output: Output) -> str:
    """An element that shows or plays the file."""
    data, media = _data(output), MEDIA_TYPES.get(output.type, "")
    if data is not None and media:
        place = f"data:{media};base64,{base64.b64encode(data).decode()}"
    elif is_link(output.url) and output.url.partition(":")[0].lower() in ("http", "https"):
        place = html.escape(output.url)
    else:
        size = f", {len(data)} bytes" if data is not None else ""
        return f"<p>{type(output).__name__} {html.escape(output.type or 'of an unknown type')}{size}</p>"
    if output.tag == "img":
        return f'<img src="{place}" alt="{html.escape(output.type)}" style="max-width: 100%">'
    return f'<{output.tag} controls preload="metadata" src="{place}" style="max-width: 100%"></{output.tag}>'


def html_of_all(result: MediaResult) -> str:
    """The text of a result and all of its files."""
    text = f'<p style="white-space: pre-wrap">{html.escape(result.text)}</p>' if result.text else ""
    shown = "\n".join([text, *map(html_of, result.outputs)]).strip()
    return shown or f"<p>{html.escape(repr(result))}</p>"


def bundle(output: Output, include: Collection[str] | None, exclude: Collection[str] | None) -> dict[str, Any]:
    """All that can be shown of a file, by media type."""
    shown: dict[str, Any] = {"text/plain": repr(output), "text/html": html_of(output)}
    media = MEDIA_TYPES.get(output.type, "")
    if media in _SHOWN_AS_DATA and (data := _data(output)) is not None:
        shown[media] = base64.b64encode(data).decode()
    return chosen(shown, include, exclude)


def chosen(shown: dict[str, Any], include: Collection[str] | None, exclude: Collection[str] | None) -> dict[str, Any]:
    """What of it the notebook wants."""
    return {
        media: value
        for media, value in shown.items()
        if (include is None or media in include) and media not in (exclude or ())
    }
