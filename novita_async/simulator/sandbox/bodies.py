"""The bodies of the control plane: what requests say, how refusals and pages are told (contract/sandbox.md 10)."""

from __future__ import annotations

import base64
import binascii
import hmac
from datetime import UTC, datetime
from ipaddress import ip_network
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import msgspec
from msgspec import Meta

from ..router import Call, Endpoint, Refusal
from .machine import NewSandbox
from .reach import EVERYTHING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ...transport.protocol import Reply

__all__ = [
    "Clone", "Connect", "E2BConnect", "E2BOrder", "Lifetime", "Memory", "Mount", "Network", "Order", "Refresh", "Reset",
    "Resume", "Rules", "guarded", "not_found", "number", "page_of", "read", "refusal", "stamp", "unauthorized",
]  # fmt: skip

T = TypeVar("T")

_Seconds = Annotated[int, Meta(ge=0, le=2**31 - 1)]
_PAGE = 100


class Rules(msgspec.Struct, kw_only=True, omit_defaults=True):
    """What may be reached from inside. An update replaces both lists."""

    allowOut: list[str] = []
    denyOut: list[str] = []

    def __post_init__(self) -> None:
        for rule in self.denyOut:
            ip_network(rule, strict=False)  # a host can be allowed and not denied: ValueError


class Network(Rules, kw_only=True, omit_defaults=True):
    """The network of a sandbox, as create and connect have it."""

    allowPublicTraffic: bool | None = None
    maskRequestHost: str | None = None

    @property
    def closed(self) -> bool:
        """Whether nothing may be reached, which is what a sandbox without internet access has."""
        return EVERYTHING in self.denyOut and not self.allowOut


class Mount(msgspec.Struct, frozen=True):
    """A volume, by its name, and where it is in the sandbox."""

    name: str
    path: str


class AutoResume(msgspec.Struct):
    enabled: bool


class Order(NewSandbox, kw_only=True):
    """Body of POST /sandboxes."""

    timeout: _Seconds = 15
    autoPause: bool = False
    autoResume: AutoResume | None = None
    network: Network | None = None
    mcp: dict[str, Any] | None = None
    volumeMounts: list[Mount] = msgspec.field(default_factory=list[Mount])
    secrets: dict[str, str] = msgspec.field(default_factory=dict[str, str])
    nodeID: str | None = None


class E2BOrder(Order, kw_only=True):
    """Body of POST /v2/sandboxes, which E2B's newer clients know in place of the other."""

    timeout: _Seconds = 300
    secure: bool = True


class Lifetime(msgspec.Struct):
    """Body of `timeout`: seconds from now."""

    timeout: _Seconds


class Connect(Lifetime, kw_only=True):
    """Body of `connect`."""

    secure: bool | None = None
    allowPublicTraffic: bool | None = None
    network: Network | None = None


class E2BConnect(Connect, kw_only=True):
    """Body of their `connect`."""

    timeout: _Seconds = 300


class Resume(Connect, kw_only=True):
    """Body of `resume`, the older form of it."""

    timeout: _Seconds = 15
    autoPause: bool | None = None


class Refresh(msgspec.Struct):
    """Body of `refreshes`."""

    duration: Annotated[int, Meta(ge=0, le=3600)] = 15


class Clone(msgspec.Struct):
    """Body of `clone`."""

    count: Annotated[int, Meta(ge=1)] = 1
    strict: bool = False
    timeout: _Seconds | None = None
    nodeID: str | None = None


class Reset(msgspec.Struct):
    """Body of `reset`."""

    resume: bool = True
    secure: bool | None = None
    allowPublicTraffic: bool | None = None
    network: Network | None = None
    timeout: _Seconds | None = None


class Memory(msgspec.Struct):
    """Body of `hotplug-memory`: MiB to add; 0 takes back what was added."""

    requested_size_mib: Annotated[int, Meta(ge=0)]


async def read(call: Call, type_: type[T]) -> T:
    """The body of a request; 400 when it is not of its type."""
    try:
        return await call.json(type_)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise refusal(400, f"Error when parsing request: {error}") from error


def refusal(status: int, message: str) -> Refusal:
    """An error as the control plane tells it."""
    return Refusal(status, {"code": status, "message": message})


def not_found(sandbox_id: str) -> Refusal:
    """What a sandbox that is not there, or no more, is answered."""
    return refusal(404, f"Sandbox {sandbox_id} not found")


def unauthorized() -> Refusal:
    """What a wrong or missing key is answered."""
    return refusal(401, "Invalid API key")


def guarded(endpoint: Endpoint, api_key: str, *, refused: Callable[[], Refusal] = unauthorized) -> Endpoint:
    """Let in only who has the key, in the header of the platform or as a bearer token."""

    async def entered(call: Call) -> Reply:
        kind, _, bearer = call.headers.get("authorization", "").partition(" ")
        given = call.headers.get("x-api-key") or (bearer if kind.lower() == "bearer" else "")
        if not hmac.compare_digest(given.encode(), api_key.encode()):
            raise refused()
        return await endpoint(call)

    return entered


def stamp(seconds: float) -> str:
    """Unix seconds as RFC 3339."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def number(call: Call, name: str, default: int, *, least: int = 0, most: int = 2**62, clamp: bool = False) -> int:
    """A whole number of the query; 400 when it is none, or not between `least` and `most` and not to be clamped."""
    text = call.query.get(name, "")
    if not text:
        return default
    if not text.removeprefix("-").isdecimal():
        raise refusal(400, f"{name} must be a whole number")
    if not clamp and not least <= int(text) <= most:
        raise refusal(400, f"{name} must be from {least} to {most}")
    return min(max(int(text), least), most)


def page_of(call: Call, found: Sequence[tuple[int, T]]) -> tuple[list[T], dict[str, str]]:
    """One page of things with descending serial numbers, and the header with the cursor of the next one."""
    limit = number(call, "limit", _PAGE, least=1, most=_PAGE)
    token = call.query.get("nextToken", "")
    before = _cursor(token) if token else 2**62
    after = [(serial, thing) for serial, thing in found if serial < before]
    page = after[:limit]
    headers: dict[str, str] = {}
    if len(after) > len(page):
        headers["x-next-token"] = base64.urlsafe_b64encode(str(page[-1][0]).encode()).decode()
    return [thing for _, thing in page], headers


def _cursor(token: str) -> int:
    try:
        return int(base64.urlsafe_b64decode(token))
    except (ValueError, binascii.Error):
        raise refusal(400, "invalid nextToken") from None
