"""The control plane: sandboxes come, live for a while and go (contract/sandbox.openapi.yaml, contract/sandbox.md 9)."""

from __future__ import annotations

import asyncio
import base64
import binascii
import hmac
import tempfile
import warnings
from collections import OrderedDict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import parse_qsl, unquote

import msgspec

from ...runtime.clock import uninterrupted
from ...transport.protocol import Reply
from ..router import Call, Endpoint, Refusal, Router, json_reply
from . import envd
from .isolation import Isolation, IsolationWarning
from .machine import Machine, NewSandbox

if TYPE_CHECKING:
    from ...runtime.clock import Clock

__all__ = ["Sandboxes"]

T = TypeVar("T")

ENVD_VERSION = "0.5.7"
#: Lifetimes are cut to an hour, or with the metadata long_running="true" to the largest plan's four (seconds).
_LONGEST, _LONGEST_LONG_RUNNING = 3600, 4 * 3600
_PAGE = 100
_REMEMBERED_TOKENS = 1000

#: What asks for a part of the platform that is not simulated. Refused, because ignoring it would be a lie.
_NOT_SIMULATED = ("autoPause", "autoResume", "mcp", "network", "secrets", "volumeMounts")


class Lifetime(msgspec.Struct):
    """Body of `timeout` and `connect`: seconds from now."""

    timeout: int
    secure: bool | None = None


class Sandboxes:
    """The sandbox room of the simulator: control plane and envd.

    Nothing is touched before the first sandbox is made.

    Args:
        clock: what lifetimes and time limits are measured on.
        api_key: the key that the control plane takes.
        require_isolation: refuse to make a sandbox when its commands could not be isolated from this machine.
        root: directory for the sandboxes' files; None for a temporary one.
    """

    def __init__(
        self, *, clock: Clock, api_key: str, require_isolation: bool = False, root: Path | None = None
    ) -> None:
        self._clock = clock
        self._api_key = api_key
        self._require_isolation = require_isolation
        self._root = root
        self._temporary: Path | None = None
        self._preparing = asyncio.Lock()
        self._isolation: Isolation | None = None
        self._machines: dict[str, Machine] = {}
        self._ids: OrderedDict[str, str] = OrderedDict()
        self._serial = 0
        self._ending: set[asyncio.Task[None]] = set()
        self._closed = False

    def __repr__(self) -> str:
        return f"<Sandboxes running={len(self._machines)} ending={len(self._ending)}>"

    def routes(self, router: Router) -> None:
        """Add the control plane's and envd's endpoints."""
        for method, pattern, endpoint in (
            ("POST", "/sandboxes", self._create),
            ("GET", "/sandboxes", self._list_all),
            ("GET", "/v2/sandboxes", self._list_page),
            ("GET", "/sandboxes/{id}", self._detail),
            ("DELETE", "/sandboxes/{id}", self._kill),
            ("POST", "/sandboxes/{id}/connect", self._connect),
            ("POST", "/sandboxes/{id}/timeout", self._timeout),
        ):
            router.add(method, pattern, self._guarded(endpoint))
        envd.add_routes(router, self)

    async def aclose(self) -> None:
        """Kill every process and remove every directory. Safe to call twice."""
        self._closed = True
        await uninterrupted(self._close())

    async def _close(self) -> None:
        async with self._preparing:
            for machine in list(self._machines.values()):
                self._end(machine)
            if self._ending:
                await asyncio.wait(self._ending)
            if self._temporary is not None:
                temporary, self._temporary = self._temporary, None
                await self._clock.to_thread(temporary.rmdir)

    # For envd.

    def get(self, sandbox_id: str) -> Machine | None:
        """The running sandbox of an id."""
        machine = self._machines.get(sandbox_id)
        if machine is not None and machine.deadline <= self._clock.monotonic():
            self._end(machine)  # its timer is about to say the same
            return None
        return machine

    def id_of(self, token: str) -> str:
        """The id of the sandbox, running or gone, that an access token was made for, or ""."""
        return self._ids.get(token, "")

    def running(self) -> list[Machine]:
        """Every running sandbox, the newest first."""
        machines = [machine for sandbox_id in list(self._machines) if (machine := self.get(sandbox_id))]
        return sorted(machines, key=lambda machine: -machine.serial)

    # Life and death.

    async def _new(self, wanted: NewSandbox) -> Machine:
        async with self._preparing:
            if self._closed:
                raise _refusal(503, "the simulator is closed")
            isolation = await self._isolate()
            base = await self._base()
        self._serial += 1
        machine = Machine(wanted, clock=self._clock, base=base, isolation=isolation, serial=self._serial)
        # Known before its directory is made: whatever happens meanwhile, `aclose` finds it.
        self._machines[machine.id] = machine
        self._ids[machine.token] = machine.id
        if len(self._ids) > _REMEMBERED_TOKENS:
            self._ids.popitem(last=False)
        self._live_for(machine, wanted.timeout)
        try:
            await machine.build()
        except BaseException:
            if not machine.ended:
                self._end(machine)
            raise
        return machine

    async def _isolate(self) -> Isolation:
        if self._isolation is None:
            self._isolation = await self._clock.to_thread(Isolation.probe)
            if self._isolation.reason and not self._require_isolation:
                warnings.warn(
                    f"commands of simulated sandboxes are not isolated from this machine: {self._isolation.reason}",
                    IsolationWarning,
                    stacklevel=2,
                )
        if self._isolation.reason and self._require_isolation:
            raise _refusal(500, f"isolation is required and not to be had: {self._isolation.reason}")
        return self._isolation

    async def _base(self) -> Path:
        if (root := self._root) is not None:
            return await self._clock.to_thread(root.resolve)
        if self._temporary is None:
            made = await self._clock.to_thread(lambda: tempfile.mkdtemp(prefix="novita-sandboxes-"))
            self._temporary = Path(made)
        return self._temporary

    def _live_for(self, machine: Machine, seconds: int, *, extend_only: bool = False) -> None:
        long_running = machine.wanted.metadata.get("long_running") == "true"
        seconds = min(seconds, _LONGEST_LONG_RUNNING if long_running else _LONGEST)
        deadline = self._clock.monotonic() + seconds
        if extend_only and deadline <= machine.deadline:
            return
        if machine.timer is not None:
            machine.timer.cancel()
        machine.deadline = deadline
        machine.ends_at = self._clock.time() + seconds
        machine.timer = self._clock.call_later(seconds, lambda: self._end(machine))

    def _end(self, machine: Machine) -> asyncio.Task[None]:
        """Kill a running sandbox now; what takes time is done by a task that `aclose` waits for."""
        del self._machines[machine.id]
        machine.kill()
        task = asyncio.get_running_loop().create_task(machine.aclose(), name=f"end of sandbox {machine.id}")
        self._ending.add(task)
        task.add_done_callback(self._ending.discard)
        return task

    # Endpoints.

    def _guarded(self, endpoint: Endpoint) -> Endpoint:
        async def guarded(call: Call) -> Reply:
            if not hmac.compare_digest(call.headers.get("x-api-key", "").encode(), self._api_key.encode()):
                raise _refusal(401, "Invalid API key")
            return await endpoint(call)

        return guarded

    def _named(self, call: Call) -> Machine:
        machine = self.get(call.params["id"])
        if machine is None:
            raise _refusal(404, f"Sandbox {call.params['id']} not found")
        return machine

    async def _create(self, call: Call) -> Reply:
        asked = await _read(call, dict[str, Any])
        wanted = await _read(call, NewSandbox)
        for name in _NOT_SIMULATED:
            if asked.get(name):
                raise _refusal(400, f"{name} is not simulated yet")
        if not wanted.templateID:
            raise _refusal(400, "templateID is missing")
        _check_seconds(wanted.timeout)
        return json_reply(_started(await self._new(wanted)), status=201)

    async def _detail(self, call: Call) -> Reply:
        machine = self._named(call)
        told = _listed(machine)
        told |= {
            "allowInternetAccess": machine.wanted.allow_internet_access,
            "domain": None,
            "lifecycle": {"autoResume": False, "onTimeout": "kill"},
        }
        if machine.secure:
            told["envdAccessToken"] = machine.token
        return json_reply(told)

    async def _kill(self, call: Call) -> Reply:
        ending = self._end(self._named(call))
        await uninterrupted(asyncio.wait([ending]))
        ending.result()
        return Reply(204)

    async def _connect(self, call: Call) -> Reply:
        machine, body = self._named(call), await _read(call, Lifetime)
        _check_seconds(body.timeout)
        self._live_for(machine, body.timeout, extend_only=True)
        if body.secure is not None:
            machine.secure = body.secure
        return json_reply(_started(machine))

    async def _timeout(self, call: Call) -> Reply:
        machine, body = self._named(call), await _read(call, Lifetime)
        _check_seconds(body.timeout)
        self._live_for(machine, body.timeout)
        return Reply(204)

    async def _list_all(self, call: Call) -> Reply:
        return json_reply([_listed(machine) for machine in _labelled(self.running(), call)])

    async def _list_page(self, call: Call) -> Reply:
        states = call.query.get("state", "running").split(",")
        if unknown := set(states) - {"running", "paused"}:
            raise _refusal(400, f"unknown state {sorted(unknown)[0]!r}")
        limit = call.query.get("limit", str(_PAGE))
        if not limit.isdecimal() or not 1 <= int(limit) <= _PAGE:
            raise _refusal(400, f"limit must be from 1 to {_PAGE}")
        before = _cursor(call.query.get("nextToken", ""))
        machines = self.running() if "running" in states else []
        found = [machine for machine in _labelled(machines, call) if before is None or machine.serial < before]
        page = found[: int(limit)]
        headers: dict[str, str] = {}
        if len(found) > len(page):
            headers["x-next-token"] = base64.urlsafe_b64encode(str(page[-1].serial).encode()).decode()
        return json_reply([_listed(machine) for machine in page], headers=headers)


async def _read(call: Call, type_: type[T]) -> T:
    try:
        return await call.json(type_)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise _refusal(400, f"Error when parsing request: {error}") from error


def _refusal(status: int, message: str) -> Refusal:
    return Refusal(status, {"code": status, "message": message})


def _check_seconds(seconds: int) -> None:
    if seconds < 0:
        raise _refusal(400, "timeout must not be negative")


def _started(machine: Machine) -> dict[str, Any]:
    told: dict[str, Any] = {
        "sandboxID": machine.id,
        "templateID": machine.wanted.templateID,
        "clientID": machine.client_id,
        "envdVersion": ENVD_VERSION,
        "domain": None,
    }
    return told | {"envdAccessToken": machine.token} if machine.secure else told


def _listed(machine: Machine) -> dict[str, Any]:
    return {
        "sandboxID": machine.id,
        "templateID": machine.wanted.templateID,
        "clientID": machine.client_id,
        "envdVersion": ENVD_VERSION,
        "cpuCount": 2,
        "memoryMB": 1024,
        "diskSizeMB": 20480,
        "startedAt": _stamp(machine.started_at),
        "endAt": _stamp(machine.ends_at),
        "state": "running",
        "metadata": machine.wanted.metadata,
    }


def _stamp(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _labelled(machines: list[Machine], call: Call) -> list[Machine]:
    """Keep the sandboxes that have all the metadata asked for. It is encoded three times, once by the query."""
    asked = parse_qsl(call.query.get("metadata", ""), keep_blank_values=True)
    wanted = {unquote(key): unquote(value) for key, value in asked}
    return [machine for machine in machines if wanted.items() <= machine.wanted.metadata.items()]


def _cursor(token: str) -> int | None:
    if not token:
        return None
    try:
        return int(base64.urlsafe_b64decode(token))
    except (ValueError, binascii.Error):
        raise _refusal(400, "invalid nextToken") from None
