"""The control plane's endpoints for single sandboxes (contract/sandbox.openapi.yaml, tag sandboxes)."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, unquote

import msgspec

from ...runtime.clock import uninterrupted
from ...transport.protocol import Reply
from ..router import Refusal, json_reply
from . import copies
from .bodies import (
    Connect,
    E2BConnect,
    E2BOrder,
    Lifetime,
    Memory,
    Order,
    Refresh,
    Reset,
    Resume,
    Rules,
    page_of,
    read,
    refusal,
)
from .events import logs_v1, logs_v2
from .life import STATES

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from ..router import Call, Endpoint
    from .control import Sandboxes
    from .life import Life

__all__ = ["Endpoints"]

#: Of the transient states that the JavaScript client knows, none is ever seen here.
_KNOWN_STATES = STATES | {"cloning", "commiting", "snapshotting"}
_MOST_MEMORY_MB = 8192


class Endpoints:
    """What is done with one sandbox, and the lists of all."""

    def __init__(self, sandboxes: Sandboxes) -> None:
        self._sandboxes = sandboxes

    def routes(self, add: Callable[[str, str, Endpoint], None]) -> None:
        add("POST", "/sandboxes", self._create)
        add("POST", "/v2/sandboxes", self._create_e2b)
        add("POST", "/v2/sandboxes/{id}/connect", self._recorded("connect", self._connect_e2b))
        add("GET", "/sandboxes", self._list_all)
        add("GET", "/v2/sandboxes", self._list_page)
        for method, name, operation in (
            ("POST", "connect", self._connect),
            ("POST", "resume", self._resume),
            ("POST", "timeout", self._timeout),
            ("POST", "refreshes", self._refresh),
            ("POST", "pause", self._pause),
            ("POST", "reset", self._reset),
            ("POST", "commit", self._commit),
            ("PUT", "network", self._limit),
            ("POST", "hotplug-memory", self._plug),
        ):
            add(method, f"/sandboxes/{{id}}/{name}", self._recorded(name, operation))
        add("POST", "/sandboxes/{id}/clone", self._recorded("clone", self._clone))
        add("GET", "/sandboxes/{id}", self._of(lambda call, life: _told(json_reply(life.detail()))))
        add("DELETE", "/sandboxes/{id}", self._of(self._kill))
        add("GET", "/sandboxes/{id}/logs", self._of(lambda call, life: _told(logs_v1(call, life))))
        add("GET", "/v2/sandboxes/{id}/logs", self._of(lambda call, life: _told(logs_v2(call, life))))

    def _of(self, operation: Callable[[Call, Life], Awaitable[Reply]]) -> Endpoint:
        async def endpoint(call: Call) -> Reply:
            return await operation(call, self._sandboxes.named(call))

        return endpoint

    def _recorded(self, name: str, operation: Callable[[Call, Life], Awaitable[Reply]]) -> Endpoint:
        """Put failures on the timeline; what succeeds says so itself."""

        async def endpoint(call: Call, life: Life) -> Reply:
            try:
                return await operation(call, life)
            except Refusal as error:
                self._sandboxes.timeline.record(name, life, status=error.reply.status, error=_message(error))
                raise

        return self._of(endpoint)

    # Coming and going.

    async def _create(self, call: Call) -> Reply:
        return await self._make(await read(call, Order))

    async def _create_e2b(self, call: Call) -> Reply:
        """Not of the contract, as `_connect_e2b`: what E2B's newer clients ask for."""
        return await self._make(await read(call, E2BOrder))

    async def _make(self, order: Order) -> Reply:
        sandboxes = self._sandboxes
        if not order.templateID:
            raise refusal(400, "templateID is missing")
        public = order.network is None or order.network.allowPublicTraffic is not False
        if not order.secure and not public:
            raise refusal(400, "you cannot disable public traffic of a sandbox that is not secure")
        image = sandboxes.find(order.templateID)
        order.envVars = {**image.envs, **sandboxes.secrets.envs(order.secrets), **order.envVars}
        sandboxes.volumes.check(order.volumeMounts)
        if order.network is not None and order.network.closed:
            order.allow_internet_access = False
        life = await sandboxes.new(order, image, seconds=order.timeout)
        sandboxes.timeline.record("create", life, status=201)
        return json_reply(life.started(), status=201)

    async def _kill(self, call: Call, life: Life) -> Reply:
        self._sandboxes.timeline.record("delete", life, status=204)
        ending = self._sandboxes.end(life)
        await uninterrupted(asyncio.wait([ending]))
        ending.result()
        return Reply(204)

    # Its life.

    async def _connect(self, call: Call, life: Life) -> Reply:
        return await self._let_in(await read(call, Connect), life)

    async def _connect_e2b(self, call: Call, life: Life) -> Reply:
        return await self._let_in(await read(call, E2BConnect), life)

    async def _let_in(self, body: Connect, life: Life) -> Reply:
        slept = await uninterrupted(self._sandboxes.wake(life, body.timeout))
        life.change(body)
        self._sandboxes.timeline.record("connect", life, status=201 if slept else 200)
        return json_reply(life.started(), status=201 if slept else 200)

    async def _resume(self, call: Call, life: Life) -> Reply:
        body = await read(call, Resume)
        if life.state == "running":
            raise refusal(409, f"Sandbox {life.id} is already running")
        await uninterrupted(self._sandboxes.wake(life, body.timeout))
        life.change(body)
        if body.autoPause is not None:
            life.on_timeout = "pause" if body.autoPause else "kill"
        return json_reply(life.started(), status=201)

    async def _timeout(self, call: Call, life: Life) -> Reply:
        body = await read(call, Lifetime)
        _must_run(life)
        life.live_for(body.timeout)
        self._sandboxes.timeline.record("timeout", life, status=204)
        return Reply(204)

    async def _refresh(self, call: Call, life: Life) -> Reply:
        body = await read(call, Refresh)
        _must_run(life)
        life.live_for(body.duration, extend_only=True)
        self._sandboxes.timeline.record("timeout", life, status=204)
        return Reply(204)

    async def _pause(self, call: Call, life: Life) -> Reply:
        if life.state == "paused":
            raise refusal(409, f"Sandbox {life.id} is already paused")
        pausing = self._sandboxes.sleep(life)
        self._sandboxes.timeline.record("pause", life, status=204)
        await uninterrupted(asyncio.wait([pausing]))
        pausing.result()
        return Reply(204)

    async def _reset(self, call: Call, life: Life) -> Reply:
        body = await read(call, Reset)
        await uninterrupted(self._sandboxes.reset(life, seconds=body.timeout, resume=body.resume))
        life.change(body)
        self._sandboxes.timeline.record("reset", life)
        return json_reply({"trafficAccessToken": life.traffic_token})

    async def _commit(self, call: Call, life: Life) -> Reply:
        raise refusal(409, "commit is for legacy domains; create a snapshot instead")

    async def _clone(self, call: Call, life: Life) -> Reply:
        return await copies.clone(self._sandboxes, call, life)

    # What it has.

    async def _limit(self, call: Call, life: Life) -> Reply:
        rules = await read(call, Rules)
        _must_run(life, 409)
        life.limit(rules)
        self._sandboxes.timeline.record("network", life, status=204)
        return Reply(204)

    async def _plug(self, call: Call, life: Life) -> Reply:
        wanted = (await read(call, Memory)).requested_size_mib
        memory_mb = life.memory_mb + wanted if wanted else life.image.memory_mb
        if memory_mb > _MOST_MEMORY_MB:
            raise refusal(400, f"a sandbox can have at most {_MOST_MEMORY_MB} MiB of memory")
        life.machine.memory_mb = memory_mb
        self._sandboxes.usage.metered(life)
        self._sandboxes.timeline.record("hotplug-memory", life, status=204)
        return Reply(204)

    # Lists.

    async def _list_all(self, call: Call) -> Reply:
        found = _labelled(self._sandboxes.lives({"running"}), call)
        return json_reply([life.listed() for life in found])

    async def _list_page(self, call: Call) -> Reply:
        states = set(call.query.get("state", "running,paused").split(","))
        if unknown := states - _KNOWN_STATES:
            raise refusal(400, f"unknown state {sorted(unknown)[0]!r}")
        found = _labelled(self._sandboxes.lives(states), call)
        page, headers = page_of(call, [(life.machine.serial, life) for life in found])
        return json_reply([life.listed() for life in page], headers=headers)


def _message(error: Refusal) -> str:
    body = error.reply.body
    return str(msgspec.json.decode(body)["message"]) if isinstance(body, bytes) else ""


async def _told(reply: Reply) -> Reply:
    return reply


def _must_run(life: Life, status: int = 404) -> None:
    if life.state != "running":
        raise refusal(status, f"Sandbox {life.id} is paused")


def _labelled(lives: list[Life], call: Call) -> list[Life]:
    """Keep the sandboxes that have all the metadata asked for. It is encoded three times, once by the query."""
    asked = parse_qsl(call.query.get("metadata", ""), keep_blank_values=True)
    wanted = {unquote(key): unquote(value) for key, value in asked}
    return [life for life in lives if wanted.items() <= life.order.metadata.items()]
