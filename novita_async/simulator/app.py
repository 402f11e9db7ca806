"""The simulator: Novita on your own machine, every product behind one address."""

from __future__ import annotations

import asyncio
from collections import deque
from contextlib import asynccontextmanager
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any, NoReturn

import msgspec

from ..errors import ConnectError, ConnectionLost, ValidationError
from ..runtime.clock import Clock, SystemClock
from ..transport.mock import MockTransport
from ..transport.protocol import Reply, Request, shown
from .account import KEY, Account
from .assets import Assets
from .batches import Batches
from .billing import Billing
from .files import Files
from .gpu import GPU
from .hooks import Hooks
from .keys import simulator_key
from .ledger import Ledger
from .limits import Limits
from .llm import LLM
from .media import Media
from .router import Call, Router, json_reply
from .sandbox import Sandboxes
from .search import WebSearch
from .serverless import Serverless
from .training import Training
from .unified import Unified
from .weights import WeightStock

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Mapping
    from ssl import SSLContext
    from types import TracebackType

    from ..transport.protocol import Transport
    from .faults import Fault
    from .serverless import Handler

__all__ = ["Received", "Script", "Served", "Simulator"]

_REQUESTS_KEPT = 20_000
_BODY_KEPT = 64 * 1024


class Received(msgspec.Struct):
    """A request that came.

    Attributes:
        method: upper case.
        path: decoded, without the query.
        query: the first value of each parameter.
        headers: names in lower case, secret values blotted out.
        time: the clock's monotonic seconds at its arrival.
        body: its first 64 KiB, as far as they have been read.
        status: of the answer; None as long as there is none.
    """

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    time: float
    body: bytes = b""
    status: int | None = None

    def json(self) -> Any:
        """The body decoded."""
        return msgspec.json.decode(self.body)


class Script:
    """Faults or replies that wait for matching requests. `hits` counts those that were used, `cancel()` ends it."""

    def __init__(
        self,
        method: str,
        path: str,
        faults: tuple[Fault, ...],
        times: int | None,
        match: Callable[[Received], bool] | None,
    ) -> None:
        self.hits = 0
        self._method = method
        self._path = path
        self._faults = faults
        self._most = times * len(faults) if times is not None else None
        self._match = match

    def cancel(self) -> None:
        """Let no more requests meet it."""
        self._most = self.hits

    def take(self, received: Received) -> Fault | None:
        """The fault for this request, if it is one of those waited for."""
        if not self._faults or (self._most is not None and self.hits >= self._most):
            return None
        if self._method not in ("*", received.method) or not fnmatchcase(received.path, self._path):
            return None
        if self._match is not None and not self._match(received):
            return None
        self.hits += 1
        return self._faults[(self.hits - 1) % len(self._faults)]


class Served(msgspec.Struct, frozen=True):
    """A simulator behind a socket: its address, and the environment that points a client at it."""

    url: str
    port: int
    environment: dict[str, str]


class Simulator:
    """Novita on your own machine: deterministic, on a clock that a test can turn, and at fault on request.

        async with Simulator() as sim, AsyncNovita(transport=sim.transport(), api_key=sim.api_key) as novita: ...
        async with Simulator() as sim, sim.serve() as served: print(served.environment)

    Args:
        api_key: the one key that is good; one that is made from the seed when left out.
        clock: what all its times come from and all its waits wait on.
        seed: decides texts, pictures and ids.
        task_seconds: how long a media task takes.
        training_seconds: how long the training of an adapter takes, before it is deployed.
        retired: answer 404 for the media models whose announced end has come on the clock. Else they all answer.
        webhooks: carries the events of media tasks to where their submits wanted them. Without one they go out over
            real sockets, to addresses of this machine only; any other is tried for nothing.
        chunk_delay: seconds between two chunks of a chat stream, or two slices of streamed speech.
        gpu_step_seconds: how long a GPU instance stays in each state that it passes through, and how long a worker of a
            serverless endpoint takes to start.
        serverless: what serverless endpoints do, by their ids: functions, coroutine functions or async generator
            functions of a job's input, or of the JSON of a direct call. `echo` is always there.
        gpu_jupyter: start a real Jupyter server for each GPU instance that was ordered with one. Its code runs on this
            machine as whoever runs the simulator, and isolated from nothing. Wants the package jupyter_server.
        batch_seconds: how long a batch takes. One that takes longer than its window of 48 hours expires.
        llm_upstream: URL of an OpenAI-compatible server on this machine, such as "http://127.0.0.1:8000/v1", that
            answers the chats. It gets the API key along with them.
        require_isolation: refuse to make a sandbox when its commands cannot be isolated from this machine.
        concurrent_sandboxes: how many sandboxes may run at once; those of the largest plan when left out.

    Attributes:
        ledger: what was used and what it costs. A test can book more there (`use`, `buy`).
        outputs: the files behind the links of results. A test can offer its own there (`put`, `put_stream`, `link`).
        gpu: what befalls GPU instances: `reclaim`, `migrate`, `arrears`, `stock`.

    Raises:
        ValidationError: `llm_upstream` is not on this machine, or what `gpu_jupyter` wants is not installed.
    """

    #: Where in-process clients find it. The name cannot exist, so a client without its transport cannot go astray.
    base_url = "http://novita.simulator"

    def __init__(
        self,
        *,
        api_key: str | None = None,
        clock: Clock | None = None,
        seed: int = 0,
        task_seconds: float = 5.0,
        training_seconds: float = 30.0,
        retired: bool = False,
        webhooks: Transport | None = None,
        chunk_delay: float = 0.0,
        gpu_step_seconds: float = 1.0,
        gpu_jupyter: bool = False,
        serverless: Mapping[str, Handler] | None = None,
        batch_seconds: float = 2.0,
        llm_upstream: str | None = None,
        require_isolation: bool = False,
        concurrent_sandboxes: int = 500,
    ) -> None:
        self.api_key = api_key or simulator_key(seed)
        self.clock: Clock = clock or SystemClock()
        self._received: deque[Received] = deque(maxlen=_REQUESTS_KEPT)
        self._scripts: list[Script] = []
        self._closed = asyncio.Event()
        self._limits = Limits(self.clock)
        self.ledger = ledger = Ledger(clock=self.clock)
        self._router = Router()
        self._sandboxes = Sandboxes(
            clock=self.clock,
            api_key=self.api_key,
            require_isolation=require_isolation,
            concurrent=concurrent_sandboxes,
            ledger=ledger,
        )
        self._llm = llm = LLM(
            clock=self.clock,
            api_key=self.api_key,
            seed=seed,
            limits=self._limits,
            ledger=ledger,
            chunk_delay=chunk_delay,
            upstream=llm_upstream,
        )
        self._hooks = Hooks(clock=self.clock, seed=seed, transport=webhooks)
        self._media = media = Media(
            clock=self.clock,
            api_key=self.api_key,
            seed=seed,
            limits=self._limits,
            ledger=ledger,
            task_seconds=task_seconds,
            hooks=self._hooks,
            chunk_delay=chunk_delay,
            retired=retired,
        )
        self.outputs = media.outputs
        assets = Assets(clock=self.clock, api_key=self.api_key, seed=seed)
        weights = WeightStock(clock=self.clock, api_key=self.api_key, outputs=media.outputs)
        training = Training(
            clock=self.clock, api_key=self.api_key, seed=seed, seconds=training_seconds, assets=assets, stock=weights
        )
        unified = Unified(clock=self.clock, api_key=self.api_key, media=media, limits=self._limits)
        self.gpu = gpu = GPU(
            clock=self.clock,
            api_key=self.api_key,
            seed=seed,
            step_seconds=gpu_step_seconds,
            ledger=ledger,
            jupyter=gpu_jupyter,
        )
        self._serverless = Serverless(
            clock=self.clock,
            api_key=self.api_key,
            seed=seed,
            handlers=serverless or {},
            start_seconds=gpu_step_seconds,
            ledger=ledger,
        )
        self._files = Files(clock=self.clock, api_key=self.api_key, seed=seed)
        batches = Batches(
            clock=self.clock, api_key=self.api_key, seed=seed, files=self._files, llm=llm, seconds=batch_seconds
        )
        billing = Billing(api_key=self.api_key, key_id=KEY, ledger=ledger)
        account = Account(clock=self.clock, api_key=self.api_key, ledger=ledger, limits=self._limits)
        search = WebSearch(clock=self.clock, api_key=self.api_key, seed=seed, ledger=ledger)
        for product in (billing, account, search):
            product.routes(self._router)
        for product in (llm, media, assets, weights, training, unified):
            product.routes(self._router)
        for product in (gpu, self._files, batches, self._sandboxes, self._serverless):
            product.routes(self._router)

    async def __aenter__(self) -> Simulator:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """End every sandbox and every silence, and remove what was uploaded. Safe to call twice; later requests are
        refused a connection."""
        self._closed.set()
        await self._hooks.aclose()
        await self._sandboxes.aclose()
        await self.gpu.aclose()
        await self._serverless.aclose()
        await self._llm.aclose()
        await self._files.aclose()

    async def silence(self) -> NoReturn:
        """Wait until the client goes away or the simulator closes, then break the connection: for faults."""
        await self._closed.wait()
        raise ConnectionLost("the simulator closed")

    # ------------------------------------------------------------------------------------- being reached

    async def handle(self, request: Request) -> Reply:
        """Answer one request: what `transport()` and `serve()` call.

        Raises:
            ConnectError: the simulator is closed.
            ConnectionLost: a fault breaks the connection.
        """
        if self._closed.is_set():
            raise ConnectError("the simulator is closed")
        call = Call(request)
        headers = dict(shown({name.lower(): value for name, value in request.headers.items()}))
        received = Received(call.method, call.path, call.query, headers, self.clock.monotonic())
        self._received.append(received)
        call.watch(lambda chunk: _keep(received, chunk))
        if call.headers.get("content-type", "").startswith("application/json"):
            # Read now, so that a script can look at it. Other bodies may be uploads, which stream through.
            await call.body()
        fault = next((fault for script in self._scripts if (fault := script.take(received))), None)
        endpoint = self._sandboxes.proxy if self._sandboxes.proxy.takes(call) else self._router
        answer = endpoint(call) if fault is None else fault(call, lambda: endpoint(call), self)
        reply = await answer
        received.status = reply.status
        return reply

    def transport(self) -> Transport:
        """A transport for a client in this process: no sockets."""
        return MockTransport(self.handle)

    @asynccontextmanager
    async def serve(
        self, *, host: str = "127.0.0.1", port: int = 0, ssl: SSLContext | None = None, domain: str = ""
    ) -> AsyncGenerator[Served, None]:
        """Serve on a socket as long as the context is open. What simulators that were killed have left of their
        sandboxes is cleared away first.

        Args:
            host: address to listen on. Another than loopback lets other machines run commands in the sandboxes.
            port: 0 takes a free one.
            ssl: the server's side of TLS, with its certificate.
            domain: a name whose `api.{domain}` and `{port}-{id}.{domain}` lead here, as at the real platform; the
                environment then points there. Clients go to a domain by HTTPS alone, so it wants `ssl`.

        Raises:
            ValidationError: `domain` without `ssl`.
            OSError: the address cannot be had.
        """
        from .server import serve  # loads aiohttp, which an in-process simulator has no use for

        if domain and ssl is None:
            raise ValidationError("a domain is reached by HTTPS alone: give ssl too")
        await self._sandboxes.clear()
        async with serve(self.handle, host=host, port=port, ssl=ssl) as server:
            named = domain if server.port == 443 or not domain else f"{domain}:{server.port}"
            url = f"https://api.{named}" if named else server.url
            yield Served(url, server.port, self._environment(url, named))

    @property
    def environment(self) -> dict[str, str]:
        """The variables for a client in this process, beside `transport()`. `Served.environment` is for sockets."""
        return self._environment(self.base_url)

    def _environment(self, url: str, domain: str = "") -> dict[str, str]:
        sandboxes = {"NOVITA_DOMAIN": domain} if domain else {"NOVITA_API_URL": url, "NOVITA_SANDBOX_URL": url}
        return {
            "NOVITA_API_KEY": self.api_key,
            "NOVITA_BASE_URL": url,
            "NOVITA_LLM_BASE_URL": f"{url}/openai/v1",
            **sandboxes,
            "NOVITA_ASSETS_URL": url,
            "NOVITA_PROJECTS_URL": url,
            "NOVITA_ENDPOINT_BASE_URL": f"{url}/v1",
        }

    # ---------------------------------------------------------------------------------------- for tests

    @property
    def requests(self) -> list[Received]:
        """The requests that came, oldest first; the last 20,000 of them."""
        return list(self._received)

    @property
    def submits(self) -> dict[str, int]:
        """How many submits of each media model were taken, by its id. Refused ones do not count."""
        return dict(self._media.submits)

    def webhooks(self, *, duplicates: int = 0, lose: float = 0.0, delay: float = 0.0) -> None:
        """Let the events of the tasks that are submitted from now on come as on a bad day.

        Args:
            duplicates: how often each event comes once more.
            lose: share of the events that never come, 0 to 1.
            delay: seconds by which an event is late at most. Each has its own, so that they overtake each other.
        """
        self._hooks.behave(duplicates=duplicates, lose=lose, delay=delay)

    def fault(
        self,
        method: str,
        path: str,
        *faults: Fault,
        times: int | None = 1,
        match: Callable[[Received], bool] | None = None,
    ) -> Script:
        """Let the next matching requests meet faults, one after the other.

        Args:
            method: such as "POST", or "*".
            path: decoded path; `*` stands for any text.
            *faults: what happens, in turn (see `novita_async.simulator.faults`).
            times: how often the whole row is played; None for ever.
            match: looks at the request and says whether it is meant.

        Returns:
            The script, whose `hits` tells how many requests met it.
        """
        script = Script(method, path, faults, times, match)
        self._scripts.append(script)
        return script

    def reply(
        self,
        method: str,
        path: str,
        *replies: Any,
        times: int | None = 1,
        match: Callable[[Received], bool] | None = None,
    ) -> Script:
        """Let the next matching requests be answered from a script; the simulator itself does not see them.

        Args:
            *replies: each a `Reply` (status, headers, body as bytes or chunks), or a value that is sent as JSON.

        The other arguments are those of `fault`.
        """
        fixed = [_scripted(reply if isinstance(reply, Reply) else json_reply(reply)) for reply in replies]
        return self.fault(method, path, *fixed, times=times, match=match)

    def limit(self, model: str, *, rpm: int | None = None, tpm: int | None = None, retry_after: bool = False) -> None:
        """Refuse what is over a limit with 429: RATE_LIMIT_EXCEEDED or, over its tokens, TOKEN_LIMIT_EXCEEDED.

        Args:
            model: an LLM's id, or the last part of a media model's path, such as "txt2img".
            rpm: requests that are let through per sliding minute; None for any number. Refused ones do not count.
            tpm: tokens of prompts and answers per sliding minute, of an LLM; None for any number.
            retry_after: say in a header how many seconds to wait. The platform documents no such header.
        """
        self._limits.set(model, rpm=rpm, tpm=tpm, retry_after=retry_after)


def _keep(received: Received, chunk: bytes) -> None:
    if len(received.body) < _BODY_KEPT:
        received.body += chunk[: _BODY_KEPT - len(received.body)]


def _scripted(reply: Reply) -> Fault:
    async def fault(call: Call, answer: object, stage: object) -> Reply:
        return reply

    return fault
