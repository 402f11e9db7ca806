"""Files as people have them, in the form that an endpoint wants."""

from __future__ import annotations

from typing import IO, TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    import os

__all__ = ["FileInput"]

#: A file for a model: bytes, a path, an open binary file, a URL, base64, a data URI, or a PIL image.
FileInput: TypeAlias = "bytes | str | os.PathLike[str] | IO[bytes] | Any"
