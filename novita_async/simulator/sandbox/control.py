"""The control plane's sandboxes: they come, live for a while, sleep and go (contract/sandbox.md 9)."""

from __future__ import annotations

import asyncio
import warnings
from collections import OrderedDict
from contextlib import contextmanager, nullcontext, suppress
from typing import TYPE_CHECKING, Any

from ...runtime.clock import uninterrupted
from . import endpoints, envd
from .bodies import guarded, not_found, refusal
from .building import start
from .copies import Snapshots
from .egress import Border
from .events import Timeline
from .ground import Ground
from .held import held
from .hosting import Hosting
from .images import BASES, Image
from .isolation import Isolation, IsolationWarning
from .life import Life, check_alive, ending_as_gone
from .machine import Machine, NewSandbox
from .paths import remove_directory
from .proxy import Proxy
from .secrets import Secrets
from .templates import Templates
from .usage import Usage
from .visits import Visited
from .volumes import Volumes

if TYPE_CHECKING:
    from collections.abc import Coroutine, Generator
    from collections.abc import Set as AbstractSet
    from pathlib import Path

    from ...runtime.clock import Clock
    from ..ledger import Ledger
    from ..router import Call, Endpoint, Router
    from .bodies import Order
    from .images import Find

__all__ = ["Sandboxes"]

_REMEMBERED_TOKENS = 1000


class Sandboxes:
    """The sandbox room of the simulator: control plane and envd.

    Nothing of its own is on the disk before the first sandbox is made.

    Args:
        clock: what lifetimes and time limits are measured on.
        api_key: the key that the control plane takes.
        require_isolation: refuse to make a sandbox when its commands could not be isolated from this machine.
        root: directory for the sandboxes' files; None for a temporary one.
        concurrent: how many sandboxes may run at once, as of the largest plan.
        ledger: where their time is booked.

    Attributes:
        timeline: what was done with them.
        finders: where an image may be found beside the base templates; the first that knows it has it.
    """

    def __init__(
        self,
        *,
        clock: Clock,
        api_key: str,
        require_isolation: bool = False,
        root: Path | None = None,
        concurrent: int = 500,
        ledger: Ledger | None = None,
    ) -> None:
        self.clock = clock
        self.api_key = api_key
        self.concurrent = concurrent
        self.timeline = Timeline(clock)
        self.usage = Usage(self, ledger)
        self.secrets = Secrets(clock)
        self.volumes = Volumes(self)
        self.snapshots = Snapshots(self)
        self.hosting = Hosting(self)
        self.proxy = Proxy(self)
        self.templates = Templates(self)
        self.finders: list[Find] = [self.snapshots.find, self.templates.find]
        self._require_isolation = require_isolation
        self._root = root
        self._ground: Ground | None = None
        self._preparing = asyncio.Lock()
        self._isolation: Isolation | None = None
        self._lives: dict[str, Life] = {}
        self._ids: OrderedDict[str, str] = OrderedDict()
        self._serial = 0
        self._waking = 0
        self._ending: set[asyncio.Task[None]] = set()
        self._closed = False

    def __repr__(self) -> str:
        return f"<Sandboxes running={len(self.lives({'running'}))} ending={len(self._ending)}>"

    def routes(self, router: Router) -> None:
        """Add the control plane's and envd's endpoints."""

        def add(method: str, pattern: str, endpoint: Endpoint) -> None:
            router.add(method, pattern, guarded(endpoint, self.api_key))

        # Before those of single sandboxes, whose ids could be called the same.
        self.usage.routes(add)
        self.snapshots.routes(add)
        self.volumes.routes(add)
        self.secrets.routes(add)
        self.templates.routes(add, router)
        endpoints.Endpoints(self).routes(add)
        self.hosting.routes(router)
        envd.add_routes(Visited(router, self), self)

    async def clear(self) -> None:
        """Clear away what simulators that were killed have left on this machine."""
        await self.clock.to_thread(Ground.clear)

    async def aclose(self) -> None:
        """Kill every process and remove every directory. Safe to call twice."""
        self._closed = True
        await uninterrupted(self._close())

    async def _close(self) -> None:
        async with self._preparing:
            for life in list(self._lives.values()):
                self.end(life)
            if self._ending:
                await asyncio.wait(self._ending)
            await self.templates.aclose()
            await self.snapshots.aclose()
            await self.volumes.aclose()
            if self._isolation is not None:
                await self._isolation.gate.aclose()
            if self._ground is not None:
                await self.clock.to_thread(self._ground.release)

    # Who is there.

    def get(self, sandbox_id: str) -> Machine | None:
        """The machine of a sandbox that runs: for envd."""
        life = self.life(sandbox_id)
        return life.machine if life is not None and life.state == "running" else None

    def life(self, sandbox_id: str) -> Life | None:
        """The sandbox of an id, running or paused."""
        life = self._lives.get(sandbox_id)
        if life is None or not life.over:
            return life
        self._expire(life)  # its timer is about to say the same
        return self._lives.get(sandbox_id)

    def named(self, call: Call) -> Life:
        """The sandbox that the path of a call names, running or paused."""
        life = self.life(call.params["id"])
        if life is None:
            raise not_found(call.params["id"])
        return life

    def id_of(self, token: str) -> str:
        """The id of the sandbox, there or gone, that an access token was made for, or ""."""
        return self._ids.get(token, "")

    def running(self) -> list[Machine]:
        """The machine of every running sandbox, the newest first."""
        return [life.machine for life in self.lives({"running"})]

    def lives(self, states: AbstractSet[str]) -> list[Life]:
        """Every sandbox in one of the states, the newest first."""
        found = [life for sandbox_id in list(self._lives) if (life := self.life(sandbox_id)) and life.state in states]
        return sorted(found, key=lambda life: -life.machine.serial)

    def find(self, template: str) -> Image:
        """What a sandbox is to be made of; 404 when there is no such thing."""
        for find in self.finders:
            if image := find(template):
                return image
        if template.partition(":")[0] in BASES:
            return Image(id=template, alias=template)
        raise refusal(404, f"template '{template}' not found")

    # Life and death.

    async def new(self, order: Order, image: Image, *, seconds: float) -> Life:
        """Make a sandbox and let it live for so long."""
        machine = await self._machine(order, image)
        self.check_room()
        life = Life(machine, order, image, clock=self.clock, on_end=self._expire)
        machine.on_start = life.follow
        secrets = self.secrets.bound(order.secrets.values())
        machine.border = Border(rules=life.rules, refused=life.refused, secrets=secrets)
        # Known before its directory is made: whatever happens meanwhile, `aclose` finds it.
        self._lives[life.id] = life
        self._ids[machine.token] = life.id
        if len(self._ids) > _REMEMBERED_TOKENS:
            self._ids.popitem(last=False)
        life.live_for(seconds)
        self.usage.began(life)
        machine.workdir, machine.user = image.workdir, image.user or machine.user
        try:
            await machine.build()
            await uninterrupted(self._mount(life))
            if image.start_cmd:
                await start(machine, image)
        except BaseException as error:
            if not machine.ended:
                self.end(life)
            if isinstance(error, OSError):
                raise refusal(500, f"the sandbox cannot be made: {error}") from error
            raise
        return life

    async def _mount(self, life: Life) -> None:
        async with life.turn:
            check_alive(life)
            await self.volumes.mount_all(life)

    async def workshop(self, image: Image) -> tuple[Machine, bool]:
        """A machine to build a template in, which is no sandbox; and whether its commands are isolated."""
        machine = await self._machine(NewSandbox(templateID=image.id), image)
        try:
            await machine.build()
        except BaseException:
            await uninterrupted(machine.aclose())
            raise
        return machine, self._isolation is not None and not self._isolation.reason

    async def _machine(self, wanted: NewSandbox, image: Image) -> Machine:
        async with self._preparing:
            if self._closed:
                raise refusal(503, "the simulator is closed")
            isolation = await self._isolate()
            base = await self._make_base()
        self._serial += 1
        return Machine(
            wanted,
            clock=self.clock,
            base=base,
            isolation=isolation,
            serial=self._serial,
            memory_mb=image.memory_mb,
            cpu_count=image.cpu_count,
            tree=image.tree,
        )

    def check_room(self, wanted: int = 1) -> None:
        """Refuse when more sandboxes would run at once than may."""
        if len(self.lives({"running"})) + self._waking + wanted > self.concurrent:
            raise refusal(
                429, f"you have reached the maximum number of concurrent sandboxes ({self.concurrent}) of your plan"
            )

    async def base(self) -> Path:
        """The directory for everything on disk."""
        async with self._preparing:
            if self._closed:
                raise refusal(503, "the simulator is closed")
            return await self._make_base()

    async def _make_base(self) -> Path:
        if (root := self._root) is not None:
            return await self.clock.to_thread(root.resolve)
        if self._ground is None:
            self._ground = await self.clock.to_thread(Ground.claim)
        return self._ground.path

    async def _isolate(self) -> Isolation:
        if self._isolation is None:
            with held(self.clock):
                self._isolation = await Isolation.probe(self.clock)
            if self._isolation.reason and not self._require_isolation:
                warnings.warn(
                    f"commands of simulated sandboxes are not isolated from this machine: {self._isolation.reason}",
                    IsolationWarning,
                    stacklevel=2,
                )
        if self._isolation.reason and self._require_isolation:
            raise refusal(500, f"isolation is required and not to be had: {self._isolation.reason}")
        return self._isolation

    def _expire(self, life: Life) -> None:
        if life.on_timeout == "pause":
            self.timeline.record("pause", life)
            self.sleep(life)
        else:
            self.timeline.record("delete", life)
            self.end(life)

    def end(self, life: Life) -> asyncio.Task[None]:
        """Kill a sandbox now; what takes time is done by a task that `aclose` waits for."""
        del self._lives[life.id]
        life.disarm()
        life.machine.kill()
        life.break_off()
        self.usage.ended(life.id, gone=True)
        return self._spawn(self._bury(life), f"end of sandbox {life.id}")

    async def _bury(self, life: Life) -> None:
        async with life.turn:  # what copies or stops it goes first
            await self.volumes.release(life)
            await life.machine.aclose()

    def _spawn(self, work: Coroutine[Any, Any, None], name: str) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(work, name=name)
        self._ending.add(task)
        task.add_done_callback(self._ending.discard)
        return task

    # Sleep.

    def sleep(self, life: Life) -> asyncio.Task[None]:
        """Pause a running sandbox: at once for everybody outside, and its processes by the task."""
        life.state = "paused"
        life.naps += 1
        life.disarm()
        life.break_off()
        life.ends_at = self.clock.time()
        self.usage.ended(life.id)
        return self._spawn(self._freeze(life), f"sleep of sandbox {life.id}")

    async def _freeze(self, life: Life) -> None:
        async with life.turn:
            if life.state == "paused" and not life.frozen and not life.machine.ended:
                life.machine.drop_streams()
                with suppress(ProcessLookupError):  # it ends meanwhile
                    await life.machine.pause()
                life.frozen = True

    async def wake(self, life: Life, seconds: float) -> bool:
        """Resume a sandbox for so many seconds; one that runs lives at least so long. Return whether it was paused."""
        async with life.turn:
            check_alive(life)
            slept = life.state == "paused"
            if slept:
                with self._place(), ending_as_gone(life):
                    if life.frozen:
                        await life.machine.resume()
                self._woken(life)
                self.timeline.record("resume", life, status=201)
        life.live_for(seconds, extend_only=not slept)
        return slept

    @contextmanager
    def _place(self) -> Generator[None]:
        """Keep a place for what is about to run."""
        self.check_room()
        self._waking += 1
        try:
            yield
        finally:
            self._waking -= 1

    def _woken(self, life: Life) -> None:
        check_alive(life)
        life.frozen = False
        life.state = "running"
        self.usage.began(life)

    async def reset(self, life: Life, *, seconds: float | None, resume: bool) -> None:
        """End every process of a sandbox and keep its files; then it runs, or sleeps."""
        async with life.turn:
            check_alive(life)
            slept = life.state == "paused"
            with self._place() if resume and slept else nullcontext(), ending_as_gone(life):
                await life.machine.reset()
            life.break_off()
            life.frozen = False
            if resume and slept:
                self._woken(life)
                life.live_for(life.order.timeout if seconds is None else seconds)
            elif resume and seconds is not None:
                life.live_for(seconds)
        if not resume and life.state == "running":
            await asyncio.wait([self.sleep(life)])

    async def discard(self, directory: Path) -> None:
        """Remove a directory of copied files."""
        await self.clock.to_thread(lambda: remove_directory(directory))
