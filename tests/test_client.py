"""The client as a whole: what it refuses before a byte leaves, and how it lives and ends."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING, Any

import pytest

import novita_async
from novita_async import AsyncNovita, MockTransport, Reply, Request, Timeouts
from novita_async.errors import ClientClosed, ConfigError, NovitaError, ValidationError, WrongEventLoop

if TYPE_CHECKING:
    import pathlib
    from collections.abc import Awaitable, Callable

MODEL = "deepseek/deepseek-v3.1"
ASK = [{"role": "user", "content": "hello"}]


class Wire:
    """A transport that counts: nothing may reach it."""

    def __init__(self) -> None:
        self.requests: list[Request] = []
        self.transport = MockTransport(self._answer)

    async def _answer(self, request: Request) -> Reply:
        self.requests.append(request)
        return Reply(200, {"content-type": "application/json"}, b'{"choices": []}')


@pytest.fixture
def wire() -> Wire:
    return Wire()


def ask(novita: AsyncNovita, **changes: Any) -> Awaitable[Any]:
    return novita.chat.completions.create(**{"model": MODEL, "messages": ASK, **changes})


@pytest.mark.parametrize(
    ("call", "kind", "words"),
    [
        (lambda n: ask(n, messages=[]), ValidationError, "messages is empty"),
        (lambda n: ask(n, messages="hello"), ValidationError, "must be a list of messages, got str"),
        (lambda n: ask(n, messages={"role": "user"}), ValidationError, "must be a list of messages, got dict"),
        (lambda n: ask(n, messages=None), ValidationError, "must be a list of messages, got NoneType"),
        (lambda n: ask(n, messages=["hello"]), ValidationError, r"messages\[0\] must be a dict or a Message"),
        (lambda n: ask(n, messages=[*ASK, {"content": "x"}]), ValidationError, r"messages\[1\] has no role"),
        (lambda n: ask(n, model=""), ValidationError, "model is empty"),
        (
            lambda n: ask(n, max_token=5),
            TypeError,
            "unexpected keyword argument 'max_token'; did you mean 'max_tokens'",
        ),
        (lambda n: ask(n, xyzzy=5), TypeError, "unknown to the SDK go into extra_body"),
        (lambda n: ask(n, timeout=-1), ValidationError, "timeout must be a positive number of seconds"),
        (lambda n: ask(n, timeout=0), ValidationError, "timeout"),
        (lambda n: ask(n, stop=object()), ValidationError, "cannot be written as JSON"),
        (lambda n: ask(n, extra_headers={"x": "a\r\nb: c"}), ValidationError, "line end"),
        (lambda n: n.images.run("flux-1-schnell", prompt=""), ValidationError, "seed: missing"),
        (lambda n: n.images.run("flux-1-schnel", prompt="x"), ValidationError, "unknown model"),
        (lambda n: n.images.submit("flux-1-schnell", prompt="x"), ValidationError, "answers at once"),
        (
            lambda n: n.videos.run("kling-v3.0-std-t2v", prompt="x", duration=99),
            ValidationError,
            "duration: 99 is more",
        ),
        (lambda n: n.videos.run("kling-v3.0-std-t2v", promt="x"), ValidationError, "promt: .*did you mean prompt"),
        (lambda n: n.gpu.instances.create("", image=""), ValidationError, "product_id is empty; image is empty"),
        (lambda n: n.gpu.instances.create("p", image="i", gpu_num=9), ValidationError, "gpu_num must be 1 to 8"),
        (lambda n: n.gpu.instances.create("p", image="i", ports=["2222/tcp"]), ValidationError, "reserved"),
        (lambda n: n.gpu.instances.create("p", image="i", ports="80/http"), ValidationError, "must be a list"),
        (lambda n: n.gpu.instances.create("p", image="i", ports=["99999/tcp"]), ValidationError, "a port is a number"),
        (lambda n: n.gpu.instances.get(""), ValidationError, "instance_id is empty"),
        (lambda n: n.gpu.instances.wait_until("i", "creating"), ValidationError, "status must be one that lasts"),
        (lambda n: n.tasks.wait("t", kind="gpus"), ValidationError, "unknown kind"),
        (lambda n: n.tasks.wait(""), ValidationError, "task_id is empty"),
        (lambda n: n.sandboxes.create(lifetime=-1), ValidationError, "lifetime"),
        (lambda n: n.sandboxes.create(envs={"A": 1}), ValidationError, "envs"),
        (lambda n: n.gather([], limit=0), ValidationError, "limit must be at least 1"),
    ],
)
async def test_bad_input_is_refused_before_a_byte_leaves(
    wire: Wire, call: Callable[[AsyncNovita], Awaitable[Any]], kind: type[Exception], words: str
):
    async with AsyncNovita(api_key="sk_x", transport=wire.transport) as novita:
        with pytest.raises(kind, match=words):
            await call(novita)
    assert wire.requests == []


async def test_without_a_key_the_first_call_names_the_variable(wire: Wire):
    async with AsyncNovita(transport=wire.transport) as novita:
        with pytest.raises(ConfigError, match="NOVITA_API_KEY"):
            await ask(novita)
    assert wire.requests == []


async def test_an_unreadable_file_is_refused_before_a_byte_of_it_leaves(novita: AsyncNovita, tmp_path: pathlib.Path):
    async with novita.sandboxes.create() as sandbox:
        before = novita.stats()["requests"]
        with pytest.raises(ValidationError, match=r"nowhere\.bin"):
            await sandbox.files.write("x", tmp_path / "nowhere.bin")
        with pytest.raises(ValidationError):
            await sandbox.files.write("x", tmp_path)  # a directory
        assert novita.stats()["requests"] == before


async def test_a_closed_client_refuses_every_call(wire: Wire):
    novita = AsyncNovita(api_key="sk_x", transport=wire.transport)
    chat = novita.chat
    await novita.aclose()
    await novita.aclose()
    for call in (ask(novita), chat.completions.create(model=MODEL, messages=ASK), novita.gpu.products.list()):
        with pytest.raises(ClientClosed):
            await call
    with pytest.raises(ClientClosed):
        async with novita:
            pass
    assert wire.requests == []
    assert "closed" in repr(novita)


def test_a_client_belongs_to_the_loop_of_its_first_call(wire: Wire):
    novita = AsyncNovita(api_key="sk_x", transport=wire.transport)

    async def first() -> None:
        await ask(novita)

    async def second() -> None:
        with pytest.raises(WrongEventLoop, match="belongs to the event loop of its first call"):
            await ask(novita)
        await novita.aclose()

    asyncio.run(first())
    asyncio.run(second())
    assert len(wire.requests) == 1


def test_a_client_that_another_thread_uses_says_so(wire: Wire):
    errors: list[BaseException] = []

    async def main() -> None:
        async with AsyncNovita(api_key="sk_x", transport=wire.transport) as novita:
            await ask(novita)

            def elsewhere() -> None:
                async def call() -> None:
                    await ask(novita)

                try:
                    asyncio.run(call())
                except NovitaError as error:
                    errors.append(error)

            thread = threading.Thread(target=elsewhere)
            thread.start()
            await asyncio.to_thread(thread.join)

    asyncio.run(main())
    assert [type(error) for error in errors] == [WrongEventLoop]


def test_making_a_client_needs_no_loop_and_touches_no_transport(wire: Wire):
    novita = AsyncNovita(api_key="sk_x", transport=wire.transport)
    assert novita.chat
    assert novita.images
    assert novita.sandboxes
    assert novita.gpu
    assert novita.stats()["requests"] == 0
    assert wire.requests == []


async def test_the_timeout_of_a_call_is_total_and_beats_the_clients(novita_simulator: Any):
    from novita_async.simulator import Hang

    novita_simulator.fault("POST", "*/chat/completions", Hang.before_headers(), times=None)
    clock = novita_simulator.clock
    async with AsyncNovita(
        api_key=novita_simulator.api_key,
        base_url=novita_simulator.base_url,
        transport=novita_simulator.transport(),
        clock=clock,
        timeouts=Timeouts(total=100, attempt=50),
    ) as novita:
        before = clock.monotonic()
        with pytest.raises(TimeoutError, match="'total' limit of 7 s"):
            await ask(novita, timeout=7)
        assert clock.monotonic() - before == pytest.approx(7)


async def test_stats_and_repr_show_what_is_open(novita: AsyncNovita):
    async with await novita.chat.completions.create(model=MODEL, messages=ASK, stream=True):
        assert novita.stats()["open_streams"] == 1
        assert "open_streams=1" in repr(novita)
    assert novita.stats()["open_streams"] == 0
    assert novita.stats()["open_requests"] == 0


async def test_gather_keeps_order_and_never_starts_more_than_its_limit(novita: AsyncNovita):
    running = most = 0

    async def call(number: int) -> int:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(0)
        running -= 1
        return number

    assert await novita.gather((call(number) for number in range(50)), limit=7) == list(range(50))
    assert most == 7


async def test_the_first_error_of_gather_ends_the_others_and_unstarted_ones_are_closed(novita: AsyncNovita):
    started: list[int] = []
    ended: list[int] = []

    async def call(number: int) -> None:
        started.append(number)
        if number == 1:
            raise ValueError("one")
        try:
            await asyncio.Event().wait()
        finally:
            ended.append(number)

    with pytest.raises(ValueError, match="one"):
        await novita.gather([call(number) for number in range(10)], limit=2)
    assert started == [0, 1]
    assert ended == [0]


async def test_gather_gives_errors_in_place_when_asked(novita: AsyncNovita):
    async def call(number: int) -> int:
        if number % 2:
            raise ValueError(number)
        return number

    found = await novita.gather([call(number) for number in range(4)], limit=2, return_exceptions=True)
    assert [type(each) for each in found] == [int, ValueError, int, ValueError]


def test_run_gives_a_script_its_client_and_closes_it(wire: Wire):
    seen: list[AsyncNovita] = []

    async def main(novita: AsyncNovita) -> int:
        seen.append(novita)
        await ask(novita)
        return 42

    assert novita_async.run(main, api_key="sk_x", transport=wire.transport) == 42
    assert "closed" in repr(seen[0])
