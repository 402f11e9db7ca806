"""URLs of files that need no token, as they are signed with it (contract/sandbox.md 6)."""

from __future__ import annotations

import base64
import hashlib
from typing import Literal
from urllib.parse import quote

__all__ = ["file_query", "signature"]


def signature(
    path: str, operation: Literal["read", "write"], *, user: str | None, token: str, expires: int | None
) -> str:
    """The signature for one file and one way to use it.

    Args:
        path: exactly as in the query.
        operation: "read" or "write".
        user: as in the query; None for none.
        token: the access token of the sandbox's envd, which cannot be found out from it.
        expires: Unix seconds; None for never.
    """
    text = f"{path}:{operation}:{user or ''}:{token}" + ("" if expires is None else f":{expires}")
    digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
    return "v1_" + digest.rstrip("=")


def file_query(
    path: str, operation: Literal["read", "write"], *, user: str | None, token: str | None, expires: int | None
) -> str:
    """The query of such a URL. Without a token nothing is signed: the sandbox is open to all."""
    values = {"path": path}
    if user is not None:
        values["username"] = user
    if token:
        values["signature"] = signature(path, operation, user=user, token=token, expires=expires)
        if expires is not None:
            values["signature_expiration"] = str(expires)
    # Every + and / is written as %2B and %2F: there are readers that take a + for a space.
    return "&".join(f"{name}={quote(value, safe='')}" for name, value in values.items())
