"""Who is in a sandbox: requests to it keep it from being idle, and may wake it (contract/sandbox.md 9)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...errors import ConnectionLost
from ...runtime.clock import uninterrupted
from ...transport.protocol import Reply, close_source
from ..router import Router
from .door import named

if TYPE_CHECKING:
    from collections.abc import AsyncIterable

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
            return Reply(reply.status, reply.headers, _Counted(reply.body, life))

        self._router.add(method, pattern, visited)

    def _find(self, call: Call) -> Life | None:
        sandbox_id = named(call) or self._sandboxes.id_of(call.headers.get("x-access-token", ""))
        return self._sandboxes.life(sandbox_id)


class _Counted:
    """A body that counts until it ends or is closed. A generator would not do: one that never ran closes nothing."""

    def __init__(self, body: AsyncIterable[bytes], life: Life) -> None:
        self._source = aiter(body)
        self._life = life
        self._naps = life.naps
        self._counts = False

    def __aiter__(self) -> _Counted:
        return self

    async def __anext__(self) -> bytes:
        if not self._counts:
            self._counts = True
            self._life.opened()
        try:
            chunk = await anext(self._source)
            if self._life.naps != self._naps:
                raise ConnectionLost("the sandbox was paused")
        except BaseException:
            await self.aclose()
            raise
        return chunk

    async def aclose(self) -> None:
        if self._counts:
            self._counts = False
            self._life.closed()
        await close_source(self._source)
