"""`novita.sandboxes.secrets`: what sandboxes may use and never see (contract/sandbox.md 9)."""

from __future__ import annotations

import re
from datetime import datetime
from typing import TYPE_CHECKING, Any

import msgspec

from ..errors import ValidationError
from ..runtime.arguments import given
from ..runtime.retry import Replay
from ..wire.json import Object, decode
from .arguments import is_host
from .metrics import moment

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from .control import Control

__all__ = ["Secret", "Secrets"]

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")


class Secret(Object):
    """A stored secret, without its value, which the platform never gives back.

    Attributes:
        name: what `secrets` of `create` call it by.
        hosts: to which it is sent.
        placeholder: what stands in a sandbox's environment in its place.
        description: what was noted of it.
        has_secret: whether there is a value.
        status: such as "active".
        updated: when it was last written, as the platform tells it.
    """

    name: str = ""
    hosts: list[str] = msgspec.field(default_factory=list)
    placeholder: str = ""
    description: str | None = None
    has_secret: bool = msgspec.field(name="hasSecret", default=False)
    status: str = ""
    updated: str | None = msgspec.field(name="updatedAt", default=None)

    @property
    def updated_at(self) -> datetime | None:
        """When it was last written; None where the platform does not tell, or not in a form that is known."""
        try:
            return moment(datetime.fromisoformat(self.updated), None) if self.updated else None
        except ValueError:
            return None


class _Listed(msgspec.Struct):
    secrets: list[msgspec.Raw]


class Secrets:
    """`novita.sandboxes.secrets`.

    Example:
        await novita.sandboxes.secrets.create("github", "ghp_...", hosts=["api.github.com"])
        async with novita.sandboxes.create(secrets={"GITHUB_TOKEN": "github"}) as sandbox: ...
    """

    def __init__(self, control: Control) -> None:
        self._control = control

    async def create(
        self,
        name: str,
        value: str,
        *,
        hosts: Sequence[str],
        description: str | None = None,
        extra_body: Mapping[str, Any] | None = None,
        extra_headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
    ) -> Secret:
        """Store a secret.

        Args:
            name: letters, digits and `._-`, 128 at most.
            value: the secret itself.
            hosts: the host names that it may be sent to, such as "api.github.com" or "*.example.com".
            description: for people.
            extra_body: fields for the body that the SDK does not know; they win over known ones.
            extra_headers: headers for this call.
            timeout: the call in seconds, retries and waits included.

        Raises:
            ValidationError: an argument cannot be sent.
            Conflict: there is one of this name.
            OutcomeUnknown: the request was sent and not answered; it was not sent again.

        Contract: sandbox.openapi.yaml, POST /secrets.
        """
        _path(name)
        body = {"name": name, **_content(value, hosts, description), **(extra_body or {})}
        call = self._control.call(
            "POST", "/secrets", body, headers=extra_headers, timeout=timeout, replay=Replay.SUBMITS
        )
        return self._control.runtime.decode(await self._control.decided(call), Secret)

    async def update(
        self,
        name: str,
        value: str,
        *,
        hosts: Sequence[str],
        description: str | None = None,
        extra_body: Mapping[str, Any] | None = None,
        extra_headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
    ) -> Secret:
        """Replace a secret, with all that belongs to it.

        Args:
            name: its name.
            value: as of `create`.
            hosts: as of `create`.
            description: as of `create`.
            extra_body: fields for the body that the SDK does not know; they win over known ones.
            extra_headers: headers for this call.
            timeout: the call in seconds, retries and waits included.

        Raises:
            ValidationError: an argument cannot be sent.
            NotFound: there is none of this name.

        Contract: sandbox.openapi.yaml, PUT /secrets/{name}.
        """
        body = {**_content(value, hosts, description), **(extra_body or {})}
        call = self._control.call("PUT", _path(name), body, headers=extra_headers, timeout=timeout)
        return await self._control.runtime.fetch(call, Secret)

    async def get(
        self, name: str, *, extra_headers: Mapping[str, str] | None = None, timeout: float | None = None
    ) -> Secret:
        """Read what is known of a secret.

        Raises:
            NotFound: there is none of this name.

        Contract: sandbox.openapi.yaml, GET /secrets/{name}.
        """
        call = self._control.call("GET", _path(name), headers=extra_headers, timeout=timeout)
        return await self._control.runtime.fetch(call, Secret)

    async def delete(
        self, name: str, *, extra_headers: Mapping[str, str] | None = None, timeout: float | None = None
    ) -> bool:
        """Delete a secret.

        Returns:
            False when it was gone already.

        Contract: sandbox.openapi.yaml, DELETE /secrets/{name}.
        """
        return await self._control.found(
            self._control.call("DELETE", _path(name), headers=extra_headers, timeout=timeout)
        )

    async def list(
        self, *, extra_headers: Mapping[str, str] | None = None, timeout: float | None = None
    ) -> Sequence[Secret]:
        """The secrets of the account, all in one answer.

        Contract: sandbox.openapi.yaml, GET /secrets.
        """
        runtime = self._control.runtime
        call = self._control.call("GET", "/secrets", headers=extra_headers, timeout=timeout)
        listed = await runtime.fetch(call, _Listed)
        return [decode(runtime.decoders(Secret), bytes(item)) for item in listed.secrets]


def _path(name: str) -> str:
    if not isinstance(name, str) or not _NAME.fullmatch(name):  # pyright: ignore[reportUnnecessaryIsInstance] - a caller's
        raise ValidationError(f"a secret's name is 1 to 128 letters, digits and ._-, got {name!r}")
    return f"/secrets/{name}"


def _content(value: str, hosts: Sequence[str], description: str | None) -> dict[str, Any]:
    if not isinstance(value, str) or not value:  # pyright: ignore[reportUnnecessaryIsInstance] - a caller's
        raise ValidationError("value must be text, and not empty")  # and is not shown
    if isinstance(hosts, str) or not hosts:
        raise ValidationError("hosts must be a list of host names, of one at least")
    try:
        names = [_host(host) for host in hosts]
    except (UnicodeError, AttributeError) as error:
        raise ValidationError(f"hosts: {error}") from None
    return given(value=value, hosts=names, description=description)


def _host(host: str) -> str:
    """A host name as the platform keeps it: in lower case and in letters that host names have."""
    star = "*." if host.startswith("*.") else ""
    name = host.removeprefix("*.").encode("idna").decode().lower()
    if not is_host(name) or ":" in name:
        raise ValidationError(f"hosts: {host!r} is not a host name: it has no scheme, port or path")
    return star + name
