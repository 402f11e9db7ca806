"""What the tests of several rooms share: a server in one function, clients for it, and the bytes of a chat stream."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any

import msgspec

from novita_async import AsyncNovita, MockTransport, Reply, Request, Simulator
from novita_async.transport.protocol import close_source

if TYPE_CHECKING:
    from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable

    from novita_async.runtime.clock import Clock
    from novita_async.simulator import Fault, Stage
    from novita_async.simulator.router import Call

KEY = "sk_test_0123456789_abcdefghijklmnopqrstuvwxyz"
BASE = "http://novita.test"
MODEL = "deepseek/deepseek-v3.2"
ASK: dict[str, Any] = {"model": MODEL, "messages": [{"role": "user", "content": "hello"}]}
CHAT = "/openai/v1/chat/completions"
TASK_RESULT = "/v3/async/task-result"
TXT2IMG = "/v3/async/txt2img"
PICTURE: dict[str, Any] = {
    "model_name": "sd_xl_base_1.0.safetensors",
    "prompt": "a lighthouse",
    "width": 128,
    "height": 128,
    "image_num": 1,
    "steps": 20,
    "guidance_scale": 7.5,
    "sampler_name": "Euler a",
}

_OPEN = ("open_requests", "open_streams", "queued", "waiting")

DONE = b"data: [DONE]\n\n"

#: What a `Server` answers with: a reply, the JSON value of a 200, an error to raise, or a function of the request.
Answer = Any


def json_reply(value: Any, status: int = 200, **headers: str) -> Reply:
    named = {name.replace("_", "-"): text for name, text in headers.items()}
    return Reply(status, {"content-type": "application/json", **named}, msgspec.json.encode(value))


def refusal(status: int, reason: str = "", **headers: str) -> Reply:
    return json_reply({"code": status, "reason": reason, "message": "refused", "metadata": {}}, status, **headers)


def completion(text: str = "hello") -> Reply:
    return json_reply({"choices": [{"index": 0, "message": {"role": "assistant", "content": text}}]})


def chunk(text: str | None = None, *, finish: str | None = None, **delta: Any) -> bytes:
    """One event of a chat stream."""
    if text is not None:
        delta["content"] = text
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    return b"data: " + msgspec.json.encode({"id": "1", "choices": [choice]}) + b"\n\n"


END = chunk(finish="stop") + DONE


def events(*parts: bytes | AsyncIterable[bytes]) -> Reply:
    """An event stream: the chunks, in one piece each, or an iterable of one's own."""
    body = parts[0] if len(parts) == 1 and not isinstance(parts[0], bytes) else several(*parts)  # type: ignore[arg-type]
    return Reply(200, {"content-type": "text/event-stream"}, body)


async def several(*parts: bytes) -> AsyncIterator[bytes]:
    for part in parts:
        yield part


class Server:
    """Answers with what it was given, in turn, and with the last of it from then on. Remembers what came and when."""

    def __init__(self, clock: Clock, *answers: Answer) -> None:
        self.requests: list[Request] = []
        self.times: list[float] = []
        self.answers = list(answers)
        self._clock = clock

    async def __call__(self, request: Request) -> Reply:
        self.requests.append(request)
        self.times.append(self._clock.monotonic())
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if callable(answer):
            answer = answer(request)
            if asyncio.iscoroutine(answer):
                answer = await answer
        if isinstance(answer, Exception):
            raise answer
        return answer if isinstance(answer, Reply) else json_reply(answer)

    @property
    def waits(self) -> list[float]:
        """The seconds between one request and the next."""
        return [later - earlier for earlier, later in zip(self.times, self.times[1:], strict=False)]


@contextlib.asynccontextmanager
async def connected(
    handler: Callable[[Request], Awaitable[Reply]], clock: Clock, **settings: Any
) -> AsyncIterator[AsyncNovita]:
    """A client on a mock, which has nothing open when the test is through with it."""
    settings = {"api_key": KEY, "base_url": BASE, "transport": MockTransport(handler), **settings}
    async with AsyncNovita(clock=clock, **settings) as novita:
        yield novita
        await check_nothing_open(novita)


async def turns(count: int = 20) -> None:
    """Let everybody else run until they wait for something."""
    for _ in range(count):
        await asyncio.sleep(0)


def without_debug() -> None:
    """Let asyncio not take the stack of every task that is made: for tests that make many thousands."""
    asyncio.get_running_loop().set_debug(False)


async def check_nothing_open(novita: AsyncNovita, when: str = "at the end") -> None:
    await turns()  # what was cancelled goes in its own turn
    left = {name: count for name, count in novita.stats().items() if name in _OPEN and count}
    if left:
        raise AssertionError(f"left open {when}: {left}")


# --------------------------------------------------------------------------------------- the simulator


@contextlib.asynccontextmanager
async def inside(sim: Simulator, **settings: Any) -> AsyncIterator[AsyncNovita]:
    """A client on a simulator in this process."""
    settings = {"api_key": sim.api_key, "base_url": sim.base_url, "transport": sim.transport(), **settings}
    async with AsyncNovita(clock=sim.clock, **settings) as novita:
        yield novita
        await check_nothing_open(novita)


@contextlib.asynccontextmanager
async def over_sockets(sim: Simulator, **settings: Any) -> AsyncIterator[AsyncNovita]:
    """A client that reaches a simulator through the real transport and real sockets."""
    async with sim.serve() as served:
        settings = {"api_key": sim.api_key, "base_url": served.url, "clock": sim.clock, **settings}
        async with AsyncNovita(**settings) as novita:
            yield novita
            await check_nothing_open(novita)


class Watched:
    """A fault that lets another one play, and tells when whoever it played for has gone."""

    def __init__(self, fault: Fault | None = None) -> None:
        self._fault = fault
        self.begun = asyncio.Event()
        self.gone = asyncio.Event()
        self.gone_at = -1.0

    async def __call__(self, call: Call, answer: Callable[[], Awaitable[Reply]], stage: Stage) -> Reply:
        self.begun.set()
        try:
            reply = await (self._fault(call, answer, stage) if self._fault else answer())
        except asyncio.CancelledError:
            self._leave(stage)
            raise
        return Reply(reply.status, reply.headers, self._chunks(reply.body, stage))

    async def _chunks(self, body: bytes | AsyncIterable[bytes], stage: Stage) -> AsyncIterator[bytes]:
        source = several(body) if isinstance(body, bytes) else aiter(body)
        try:
            async for part in source:
                yield part
        finally:
            self._leave(stage)
            await close_source(source)

    def _leave(self, stage: Stage) -> None:
        self.gone_at = stage.clock.monotonic()
        self.gone.set()
