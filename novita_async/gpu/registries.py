"""`novita.gpu.registries`: logins at container registries, for private images (contract/gpu.openapi.yaml)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..errors import ProtocolError
from ..runtime.retry import Replay
from ..wire.json import Object
from .checks import Findings, checked_id

if TYPE_CHECKING:
    from typing import Unpack

    from .control import Control, Options, WriteOptions

__all__ = ["Registries", "RegistryLogin"]


class RegistryLogin(Object):
    """A saved login. `name` is the registry's host, or what it was called."""

    id: str
    name: str = ""
    username: str | None = None
    password: str | None = None

    def __repr__(self) -> str:
        return f"RegistryLogin(id={self.id!r}, name={self.name!r}, username={self.username!r})"  # not the password


class Registries:
    """`novita.gpu.registries`."""

    def __init__(self, control: Control) -> None:
        self._control = control

    async def list(self, **options: Unpack[Options]) -> list[RegistryLogin]:
        """List the logins, all at once.

        Contract: gpu.openapi.yaml, GET /gpu-instance/openapi/v1/repository/auths.
        """
        return await self._control.all(self._control.call("GET", "/repository/auths", **options), RegistryLogin, "data")

    async def create(self, name: str, *, username: str, password: str, **options: Unpack[WriteOptions]) -> str:
        """Save a login.

        Args:
            name: the registry's host, or what to call it.
            username: who logs in.
            password: or a token.
            options: see `WriteOptions`.

        Returns:
            Its id, for `image_auth_id`. The platform does not always tell it; then it is looked up.

        Contract: gpu.openapi.yaml, POST /gpu-instance/openapi/v1/repository/auth/save.
        """
        findings = Findings()
        findings.text("name", name, most=255)
        findings.text("username", username, most=255)
        if not password:
            findings.add("password is empty")
        findings.end()
        body = {"name": name, "username": username, "password": password}
        call = self._control.call("POST", "/repository/auth/save", body, replay=Replay.SUBMITS, **options)
        if told := await self._control.told(call):
            return told
        saved = [login for login in await self.list() if (login.name, login.username) == (name, username)]
        if not saved:
            raise ProtocolError(f"the registry login {name!r} was saved, and is not in the list")
        return saved[-1].id

    async def delete(self, login_id: str, **options: Unpack[WriteOptions]) -> bool:
        """Delete a login.

        Returns:
            False when it was gone already.

        Raises:
            Conflict: something uses it.

        Contract: gpu.openapi.yaml, POST /gpu-instance/openapi/v1/repository/auth/delete.
        """
        body = {"id": checked_id("login_id", login_id)}
        return await self._control.found(self._control.call("POST", "/repository/auth/delete", body, **options))
