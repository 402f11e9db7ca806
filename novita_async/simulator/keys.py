"""Who may come in: the API key, and how each product refuses one that is missing or wrong."""

from __future__ import annotations

import hmac
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from .router import Call, Endpoint, Refusal

if TYPE_CHECKING:
    from ..transport.protocol import Reply

__all__ = ["GPU", "LLM", "MEDIA", "Keys", "flat", "simulator_key"]

#: (status, reason, message) for a missing and for a wrong key.
LLM = (
    (HTTPStatus.FORBIDDEN, "INVALID_API_KEY", "no API key was sent"),
    (HTTPStatus.UNAUTHORIZED, "FAILED_TO_AUTH", "failed to authenticate API key"),
)
MEDIA = (
    (HTTPStatus.BAD_REQUEST, "MISSING_API_KEY", "no API key was sent"),
    (HTTPStatus.FORBIDDEN, "INVALID_API_KEY", "the API key was rejected"),
)
GPU = (
    (HTTPStatus.UNAUTHORIZED, "UNAUTHORIZED", "no API key was sent"),
    (HTTPStatus.UNAUTHORIZED, "UNAUTHORIZED", "the API key was rejected"),
)


def simulator_key(seed: int) -> str:
    """The key of a simulator that was given none. It opens nothing but simulators of the same seed."""
    return f"sk_simulator_{seed:08x}_not_a_real_key"


def flat(status: int, reason: str, message: str, metadata: dict[str, Any] | None = None) -> Refusal:
    """A refusal with the platform's flat error body (contract/llm.md 3.2, shape 1)."""
    return Refusal(int(status), {"code": int(status), "reason": reason, "message": message, "metadata": metadata or {}})


class Keys:
    """Guards the endpoints of one product.

    Args:
        api_key: the one key that is good.
        product: `LLM`, `MEDIA` or `GPU`: the words of the refusals.
    """

    def __init__(self, api_key: str, product: tuple[tuple[int, str, str], tuple[int, str, str]]) -> None:
        self._expected = f"Bearer {api_key}".encode()
        self._missing, self._wrong = product

    def guard(self, endpoint: Endpoint, *, header: str = "") -> Endpoint:
        """Let only calls through that carry the key: as a bearer token or, when there is none, in `header`."""

        async def guarded(call: Call) -> Reply:
            given = call.headers.get("authorization", "")
            if not given and header and (bare := call.headers.get(header)):
                given = f"Bearer {bare}"
            if not given.removeprefix("Bearer").strip():
                raise flat(*self._missing)
            if not hmac.compare_digest(given.encode(), self._expected):
                raise flat(*self._wrong)
            return await endpoint(call)

        return guarded
