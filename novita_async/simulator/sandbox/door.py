"""The door of envd: which sandbox a request is for, and whether it may come in (contract/sandbox.md 1 and 6).

All sandboxes share one base URL here. What a request names its sandbox by is, in this order: a routing header, the host
name, its access token, its signature.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from typing import TYPE_CHECKING

from ..router import Refusal
from .bodies import E2BOrder
from .protobuf import Messages

if TYPE_CHECKING:
    from ...runtime.clock import Clock
    from ..router import Call
    from .control import Sandboxes
    from .machine import Machine

__all__ = ["Door", "gone", "is_for_code", "named", "signature"]

PORT = "49983"
CODE_PORT = "49999"  # of the code interpreter, which is served along with envd


class Door:
    """Lets requests in to their sandboxes, or raises `Refusal`."""

    def __init__(self, sandboxes: Sandboxes) -> None:
        self._sandboxes = sandboxes
        self._messages: Messages | None = None

    async def messages(self, clock: Clock) -> Messages:
        """What reads and writes binary messages, made when the first one comes."""
        if self._messages is None:
            self._messages = await clock.to_thread(Messages)
        return self._messages

    def find(self, call: Call) -> Machine:
        """The running sandbox that a request names, whoever asks."""
        sandbox_id = named(call)
        if not sandbox_id:
            token = call.headers.get("x-access-token", "")
            sandbox_id = self._sandboxes.id_of(token)
            if token and not sandbox_id:
                raise _unauthorized()
        machine = self._sandboxes.get(sandbox_id)
        if machine is None:
            raise gone(sandbox_id)
        return machine

    def enter(self, call: Call) -> Machine:
        """The same, for whoever has its access token. A sandbox that is not secure is open to all."""
        machine = self.find(call)
        if machine.secure and not _same(call.headers.get("x-access-token", ""), machine.token):
            raise _unauthorized()
        return machine

    def enter_code(self, call: Call, *, runs: bool) -> Machine:
        """The same for the code interpreter, whose port needs the traffic token too where there is one.

        Args:
            runs: code is run. E2B's clients send their access token for nothing else.
        """
        machine = self.find(call)
        life = self._sandboxes.life(machine.id)
        if runs or life is None or not isinstance(life.order, E2BOrder):
            machine = self.enter(call)
        token = None if life is None else life.traffic_token
        if token is not None and not _same(call.headers.get("e2b-traffic-access-token", ""), token):
            told = "the traffic access token is missing or wrong"
            raise Refusal(403, {"sandboxId": machine.id, "message": told, "code": 403})
        return machine

    def enter_signed(self, call: Call, operation: str) -> Machine:
        """The same, also for whoever has a signed URL. A token in the header decides alone.

        Args:
            operation: read or write.
        """
        if "x-access-token" in call.headers or "signature" not in call.query:
            return self.enter(call)
        running = [self.find(call)] if named(call) else self._sandboxes.running()
        machine = next((machine for machine in running if _is_signed(call, operation, machine)), None)
        if machine is None:
            raise _unauthorized()
        expires = call.query.get("signature_expiration", "")
        if expires and not (expires.isdecimal() and int(expires) >= machine.clock.time()):
            raise Refusal(401, {"code": 401, "message": "signature is already expired"})
        return machine


def signature(path: str, operation: str, user: str, token: str, expires: str = "") -> str:
    """Sign a file URL: `path` as in the query, `expires` in Unix seconds or "" for never."""
    text = ":".join([path, operation, user, token, *([expires] if expires else [])])
    return "v1_" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode().rstrip("=")


def gone(sandbox_id: str) -> Refusal:
    """What the platform's proxy answers for a sandbox that is not there."""
    return Refusal(502, {"sandboxId": sandbox_id, "message": "The sandbox was not found", "code": 502})


def _is_signed(call: Call, operation: str, machine: Machine) -> bool:
    expires = call.query.get("signature_expiration", "")
    made = signature(
        call.query.get("path", ""), operation, call.query.get("username", ""), machine.token, expires=expires
    )
    return _same(call.query["signature"], made) or not machine.secure


def named(call: Call) -> str:
    """The sandbox id in a routing header or in a host name `{port}-{id}.{domain}`, or ""."""
    header = call.headers.get("novita-sandbox-id") or call.headers.get("e2b-sandbox-id")
    if header:
        return header
    port, _, sandbox_id = _label(call).partition("-")
    return sandbox_id if port in (PORT, CODE_PORT) else ""


def is_for_code(call: Call) -> bool:
    """Whether a request is for the port of the code interpreter, by a routing header or by the host name."""
    header = call.headers.get("novita-sandbox-port") or call.headers.get("e2b-sandbox-port")
    return (header or _label(call).partition("-")[0]) == CODE_PORT


def _label(call: Call) -> str:
    return call.origin.partition("://")[2].partition(".")[0]


def _same(given: str, secret: str) -> bool:
    return hmac.compare_digest(given.encode(), secret.encode())


def _unauthorized() -> Refusal:
    message = "unauthorized access, please provide a valid access token or method signing if supported"
    return Refusal(401, {"code": 401, "message": message})
