"""The life of a sandbox beside its machine: its state, its end, and what the control plane tells of it.

`Life.state` is running or paused. The end comes at the lifetime's end; with the metadata `idle_timeout` also after so
many seconds in which no request to the sandbox is open, if that is earlier (contract/sandbox.md 9).
"""

from __future__ import annotations

import asyncio
import secrets
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import msgspec

from .bodies import Network, not_found, stamp
from .events import Log
from .process import End, Output
from .reach import EVERYTHING

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Sequence

    from ...runtime.clock import Clock, TimerHandle
    from .bodies import Connect, Mount, Order, Reset, Rules
    from .images import Image
    from .machine import Machine
    from .process import Item, Process
    from .proxy import Exchange

__all__ = ["DISK_MB", "ENVD_VERSION", "LONGEST_LONG_RUNNING", "STATES", "Life", "check_alive", "ending_as_gone"]

STATES = frozenset({"running", "paused"})
ENVD_VERSION = "0.5.7"
DISK_MB = 20480
_LINE = 2000  # bytes of an output that the log keeps
#: Lifetimes are cut to an hour, or with the metadata long_running="true" to the largest plan's four (seconds).
_LONGEST, LONGEST_LONG_RUNNING = 3600, 4 * 3600


class Life:
    """What the control plane knows of a sandbox.

    Args:
        on_end: called when its time is over.

    Attributes:
        state: running or paused.
        turn: held while it is being paused, resumed or copied.
        frozen: its processes are stopped.
        naps: how often it has been paused, which no connection outlasts.
        ends_at: Unix seconds.
        traffic_token: what requests to its ports need; None while everybody may.
        mounts: its volumes.
        exchanges: what is open to its ports.
    """

    def __init__(
        self, machine: Machine, order: Order, image: Image, *, clock: Clock, on_end: Callable[[Life], object]
    ) -> None:
        self.machine = machine
        self.order = order
        self.image = image
        self.state = "running"
        self.turn = asyncio.Lock()
        self.frozen = False
        self.naps = 0
        self.started_at = clock.time()
        self.ends_at = self.started_at
        self.mounts: list[Mount] = list(order.volumeMounts)
        self.exchanges: set[Exchange] = set()
        self.network = order.network
        self.traffic_token: str | None = None
        self.on_timeout = "pause" if order.autoPause else "kill"
        self.log = Log(clock)
        self._clock = clock
        self._on_end = on_end
        self._deadline = self._due = clock.monotonic()
        self._timer: TimerHandle | None = None
        self._visits = 0
        idle = order.metadata.get("idle_timeout", "0")
        self._idle = int(idle) if idle.isdecimal() else 0
        self.open_traffic(None if order.network is None else order.network.allowPublicTraffic)

    @property
    def id(self) -> str:
        return self.machine.id

    @property
    def auto_resume(self) -> bool:
        """Whether a request to it resumes it. What is killed at its end is not to be resumed."""
        wanted = self.order.autoResume
        return wanted is not None and wanted.enabled and self.on_timeout == "pause"

    @property
    def over(self) -> bool:
        """Its time is over, and its timer about to say so."""
        return self.state == "running" and self._timer is not None and self._due <= self._clock.monotonic()

    @property
    def left(self) -> float:
        """Seconds of its lifetime."""
        return max(0.0, self._deadline - self._clock.monotonic())

    @property
    def memory_mb(self) -> int:
        return self.machine.memory_mb

    # Time.

    def live_for(self, seconds: float, *, extend_only: bool = False) -> None:
        """Let it end so many seconds from now."""
        long_running = self.order.metadata.get("long_running") == "true"
        seconds = min(seconds, LONGEST_LONG_RUNNING if long_running else _LONGEST)
        deadline = self._clock.monotonic() + seconds
        if not extend_only or deadline > self._deadline:
            self._deadline = deadline
        self._arm()

    def opened(self) -> None:
        """A request to it has come."""
        self._visits += 1
        if self._idle and self._visits == 1 and self.state == "running":
            self._arm()

    def closed(self) -> None:
        """A request to it is over."""
        self._visits -= 1
        if self._idle and not self._visits and self.state == "running":
            self._arm()

    def _arm(self) -> None:
        self.disarm()
        if self.machine.ended:
            return  # a request to it outlives it for a moment
        left = self._deadline - self._clock.monotonic()
        if self._idle and not self._visits:
            left = min(left, self._idle)
        self._due = self._clock.monotonic() + left
        self.ends_at = self._clock.time() + left
        self._timer = self._clock.call_later(left, lambda: self._on_end(self))

    def disarm(self) -> None:
        """Let it not end by itself."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def break_off(self) -> None:
        """Break every connection to its ports."""
        for exchange in tuple(self.exchanges):
            exchange.break_off()

    # What it is told to be.

    def change(self, wanted: Connect | Reset) -> None:
        """Take over what a request to connect or to reset says of its doors."""
        if wanted.secure is not None:
            self.machine.secure = wanted.secure
        public = wanted.allowPublicTraffic
        if wanted.network is not None:
            self.network = wanted.network
            public = wanted.network.allowPublicTraffic if public is None else public
        self.open_traffic(public)

    def open_traffic(self, public: bool | None) -> None:
        """Let everybody reach its ports, or only who has the token; None changes nothing."""
        if public is None:
            return
        self.network = msgspec.structs.replace(self.network or Network(), allowPublicTraffic=public)
        if public:
            self.traffic_token = None
        else:
            self.traffic_token = self.traffic_token or secrets.token_hex(32)

    def limit(self, rules: Rules) -> None:
        """Replace what may be reached from inside, by connections that are made from now on."""
        network = self.network or Network()  # a clone has the same one
        self.network = msgspec.structs.replace(network, allowOut=rules.allowOut, denyOut=rules.denyOut)
        self.order.allow_internet_access = not self.network.closed

    def rules(self) -> tuple[Sequence[str], Sequence[str]]:
        """What may be reached from inside and what not. To have no internet access is to have everything denied."""
        network = self.network or Network()
        return network.allowOut, network.denyOut if self.order.allow_internet_access else [EVERYTHING]

    def refused(self, told: str) -> None:
        """Write into its log what it was not to reach."""
        self.log.add(told, level="warn", event="network_refused")

    # What it did.

    def follow(self, process: Process) -> None:
        """Write a process into its log: that it began, what it says, how it ends."""
        if not process.config.cmd:
            return  # a kernel, whose words are for the code interpreter alone
        about = {"cmd": " ".join([process.config.cmd, *process.config.args])[:_LINE]}
        self.log.add("process start", level="debug", event="process_start", **about)

        def note(item: Item) -> None:
            match item:
                case Output(name, data):
                    text = data[:_LINE].decode("utf-8", "replace").rstrip("\n")
                    self.log.add(text, source=name, pid=str(process.pid))
                case End():
                    self.log.add(item.status, level="debug", event="process_end", pid=str(process.pid))
                case None:  # its streams broke off
                    pass

        process.listen(note)

    # What is told of it.

    def started(self) -> dict[str, Any]:
        """The answer of create, connect and resume."""
        told: dict[str, Any] = {
            "sandboxID": self.id,
            "templateID": self.image.id,
            "clientID": self.machine.client_id,
            "envdVersion": ENVD_VERSION,
            "domain": None,
        }
        if self.image.alias:
            told["alias"] = self.image.alias
        if self.machine.secure:
            told["envdAccessToken"] = self.machine.token
        if self.traffic_token is not None:
            told["trafficAccessToken"] = self.traffic_token
        return told

    def listed(self) -> dict[str, Any]:
        """The entry of a list."""
        told: dict[str, Any] = {
            "sandboxID": self.id,
            "templateID": self.image.id,
            "clientID": self.machine.client_id,
            "envdVersion": ENVD_VERSION,
            "cpuCount": self.image.cpu_count,
            "memoryMB": self.memory_mb,
            "diskSizeMB": DISK_MB,
            "startedAt": stamp(self.started_at),
            "endAt": stamp(self.ends_at),
            "state": self.state,
            "metadata": self.order.metadata,
        }
        if self.image.alias:
            told["alias"] = self.image.alias
        if self.mounts:
            told["volumeMounts"] = self.mounts
        return told

    def detail(self) -> dict[str, Any]:
        """All of it."""
        told = self.listed()
        told |= {
            "allowInternetAccess": self.order.allow_internet_access,
            "domain": None,
            "lifecycle": {"autoResume": self.auto_resume, "onTimeout": self.on_timeout},
        }
        if self.network is not None:
            told["network"] = self.network
        if self.machine.secure:
            told["envdAccessToken"] = self.machine.token
        return told


def check_alive(life: Life) -> None:
    """Answer 404 when it has ended while its turn was waited for."""
    if life.machine.ended:
        raise not_found(life.id)


@contextmanager
def ending_as_gone(life: Life) -> Generator[None]:
    """Answer 404 when it ends in the middle of something."""
    try:
        yield
    except ProcessLookupError as error:
        raise not_found(life.id) from error
