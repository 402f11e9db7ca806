"""Secrets: a sandbox has a placeholder, and its way out puts the value in its place (contract/sandbox.md 9).

That is done in the fields of HTTPS requests to the secret's hosts (egress.py). A value is told to nobody else. Where
commands are not isolated from this machine there is no such way out, and a placeholder stays one.
"""

from __future__ import annotations

import asyncio
import re
import warnings
from secrets import token_hex
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
from msgspec import Meta

from ..router import json_reply
from .bodies import read, refusal, stamp
from .certificates import Authority
from .held import held
from .reach import matches

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from ...runtime.clock import Clock
    from ...transport.protocol import Reply
    from ..router import Call, Endpoint

__all__ = ["Bound", "Secrets"]

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
_HOST = re.compile(r"(\*\.)?[a-z0-9_]([a-z0-9_-]*[a-z0-9])?(\.[a-z0-9_]([a-z0-9_-]*[a-z0-9])?)*")
#: What can be in the value of a field.
_VALUE = re.compile(r"[^\x00-\x08\x0a-\x1f\x7f]*")


class _Update(msgspec.Struct, kw_only=True):
    value: Annotated[str, Meta(min_length=1)]
    hosts: Annotated[list[str], Meta(min_length=1)]
    description: str | None = None


class _New(_Update, kw_only=True):
    name: str


class _Binding(msgspec.Struct, kw_only=True):
    """A secret as it is told, which is all of it."""

    name: str
    hosts: list[str]
    placeholder: str
    description: str | None
    updatedAt: str
    hasSecret: bool = True
    status: str = "active"


class Secrets:
    """The account's secrets."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._bindings: dict[str, _Binding] = {}
        self._values: dict[str, str] = {}
        self._authority: Authority | None = None
        self._unsigned = False
        self._signing = asyncio.Lock()

    def routes(self, add: Callable[[str, str, Endpoint], None]) -> None:
        add("POST", "/secrets", self._create)
        add("GET", "/secrets", self._list)
        add("GET", "/secrets/{name}", self._get)
        add("PUT", "/secrets/{name}", self._update)
        add("DELETE", "/secrets/{name}", self._delete)

    def envs(self, wanted: dict[str, str]) -> dict[str, str]:
        """The placeholder of each variable that is to hold a secret; 400 when one names none."""
        for name in wanted.values():
            if name not in self._bindings:
                raise refusal(400, f"secret '{name}' not found")
        return {variable: self._bindings[name].placeholder for variable, name in wanted.items()}

    def bound(self, names: Collection[str]) -> Bound | None:
        """Those of one sandbox; None when it has none."""
        return Bound(self, names) if names else None

    def swaps(self, names: Collection[str], host: str) -> dict[str, str]:
        """Those of these secrets that are for a host, by their placeholders; without those that no field can hold."""
        return {
            binding.placeholder: value.encode().decode("latin-1")
            for name in names
            if (binding := self._bindings.get(name)) and any(matches(each, host) for each in binding.hosts)
            if _VALUE.fullmatch(value := self._values[name])
        }

    async def authority(self) -> Authority | None:
        """Who signs for their hosts inside of sandboxes; None where trustme is not installed."""
        async with self._signing:
            if self._authority is None and not self._unsigned:
                try:
                    with held(self._clock):
                        self._authority = await self._clock.to_thread(Authority)
                except ImportError as error:
                    self._unsigned = True
                    told = "secrets stay placeholders without trustme: pip install 'novita-async[simulator]'"
                    warnings.warn(f"{told} ({error})", stacklevel=2)
        return self._authority

    async def _create(self, call: Call) -> Reply:
        new = await read(call, _New)
        if not _NAME.fullmatch(new.name):
            raise refusal(400, "invalid secret name")
        if new.name in self._bindings:
            raise refusal(409, f"secret '{new.name}' already exists")
        return json_reply(self._store(new.name, new, f"novita_secret_{token_hex(16)}"), status=201)

    async def _list(self, call: Call) -> Reply:
        return json_reply({"secrets": list(self._bindings.values())})

    async def _get(self, call: Call) -> Reply:
        return json_reply(self._named(call))

    async def _update(self, call: Call) -> Reply:
        known, body = self._named(call), await read(call, _Update)
        return json_reply(self._store(known.name, body, known.placeholder))

    async def _delete(self, call: Call) -> Reply:
        known = self._named(call)
        del self._bindings[known.name], self._values[known.name]
        told: dict[str, Any] = {"deleted": known.name}
        return json_reply(told)

    def _store(self, name: str, wanted: _Update, placeholder: str) -> _Binding:
        for host in wanted.hosts:
            if not _HOST.fullmatch(host):
                raise refusal(400, f"invalid host {host!r}")
        self._bindings[name] = _Binding(
            name=name,
            hosts=wanted.hosts,
            placeholder=placeholder,
            description=wanted.description,
            updatedAt=stamp(self._clock.time()),
        )
        self._values[name] = wanted.value
        return self._bindings[name]

    def _named(self, call: Call) -> _Binding:
        known = self._bindings.get(call.params["name"])
        if known is None:
            raise refusal(404, f"secret '{call.params['name']}' not found")
        return known


class Bound:
    """The secrets of one sandbox, as they are now: what has been replaced or deleted counts at once."""

    def __init__(self, secrets: Secrets, names: Collection[str]) -> None:
        self._secrets = secrets
        self._names = frozenset(names)

    async def authority(self) -> Authority | None:
        """Who signs for their hosts."""
        return await self._secrets.authority()

    def swaps(self, host: str) -> dict[str, str]:
        """Those for a host, by their placeholders."""
        return self._secrets.swaps(self._names, host)
