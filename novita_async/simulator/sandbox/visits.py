"""Who is in a sandbox: requests to it keep it from being idle, and may wake it (contract/sandbox.md 9)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...errors import ConnectionLost
from ...runtime.clock import uninterrupted
from ...transport.protocol import Reply, close_source
from ..router import Router
from .door import named

if TYPE_CHECKING:
    from collections.abc import AsyncIterable, AsyncIterator

    from ..router import Call, Endpoint
    from .control import Sandboxes
    from .life import Life

__all__ = ["Visited"]


class Visited(Router):
    """A router whose endpoints are inside of sandboxes. A request that names a sandbox counts until its answer ends."""

    def __init__(self, router: Router, sandboxes: Sandboxes) -> None:
        super().__init__()
        self._router = router
        self._sandboxes = sandboxes

    def add(self, method: str, pattern: str, endpoint: Endpoint) -> None:
        """Add an endpoint, as a router does."""

        async def visited(call: Call) -> Reply:
            life = self._find(call)
            if life is None:
                return await endpoint(call)
            if life.state == "paused" and life.auto_resume:
                await uninterrupted(self._sandboxes.wake(life, life.order.timeout))
            life.opened()
            try:
                reply = await endpoint(call)
            finally:
                life.closed()
            if isinstance(reply.body, bytes):
                return reply
            return Reply(reply.status, reply.headers, _counted(reply.body, life))

        self._router.add(method, pattern, visited)

    def _find(self, call: Call) -> Life | None:
        sandbox_id = named(call) or self._sandboxes.id_of(call.headers.get("x-access-token", ""))
        return self._sandboxes.life(sandbox_id)


async def _counted(body: AsyncIterable[bytes], life: Life) -> AsyncIterator[bytes]:
    source = aiter(body)
    naps = life.naps
    life.opened()
    try:
        async for chunk in source:
            if life.naps != naps:
                raise ConnectionLost("the sandbox was paused")
            yield chunk
    finally:
        life.closed()
        await close_source(source)
