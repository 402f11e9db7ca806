"""The door of envd: which sandbox a request is for, and whether it may come in (contract/sandbox.md 1).

All sandboxes share one base URL here, as they do behind the platform's proxy.
"""

from __future__ import annotations

import hmac
from typing import TYPE_CHECKING

from ...transport.protocol import Reply
from ..router import Refusal, json_reply
from . import commands

if TYPE_CHECKING:
    from ..router import Call, Router
    from .control import Sandboxes
    from .machine import Machine

__all__ = ["add_routes"]

PORT = "49983"


def add_routes(router: Router, sandboxes: Sandboxes) -> None:
    """Serve envd for every sandbox."""
    door = _Door(sandboxes)
    router.add("GET", "/health", door.health)
    router.add("GET", "/envs", door.envs)
    commands.add_routes(router, door.enter)


class _Door:
    def __init__(self, sandboxes: Sandboxes) -> None:
        self._sandboxes = sandboxes

    def find(self, call: Call) -> Machine:
        """The sandbox that a request names: by routing header, by host name, else by its token alone."""
        token = call.headers.get("x-access-token", "")
        sandbox_id = (
            call.headers.get("novita-sandbox-id") or call.headers.get("e2b-sandbox-id") or _id_of_host(call.origin)
        )
        if sandbox_id:
            machine = self._sandboxes.get(sandbox_id)
        else:
            machine = self._sandboxes.by_token(token)
            sandbox_id = self._sandboxes.id_of(token)
            if machine is None and token and not sandbox_id:
                raise unauthorized()
        if machine is None:
            raise Refusal(502, {"sandboxId": sandbox_id, "message": "The sandbox was not found", "code": 502})
        return machine

    def enter(self, call: Call) -> Machine:
        """The same, with the token checked."""
        machine = self.find(call)
        if machine.secure and not same(call.headers.get("x-access-token", ""), machine.token):
            raise unauthorized()
        return machine

    async def health(self, call: Call) -> Reply:
        self.find(call)
        return Reply(204)

    async def envs(self, call: Call) -> Reply:
        return json_reply(self.enter(call).wanted.envVars, headers={"cache-control": "no-store"})


def _id_of_host(origin: str) -> str:
    """The id in `{port}-{id}.{domain}`, or ""."""
    label = origin.partition("://")[2].partition(".")[0]
    port, dash, sandbox_id = label.partition("-")
    return sandbox_id if dash and port == PORT else ""


def same(given: str, secret: str) -> bool:
    """Compare in a time that tells nothing of the secret."""
    return hmac.compare_digest(given.encode(), secret.encode())


def unauthorized() -> Refusal:
    message = "unauthorized access, please provide a valid access token or method signing if supported"
    return Refusal(401, {"code": 401, "message": message})
