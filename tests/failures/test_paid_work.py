"""Work that is paid for: never lost, never bought twice, never left running by those who said so."""

from __future__ import annotations

import asyncio

import pytest
from helpers import (
    ASK,
    CHAT,
    PICTURE,
    TASK_RESULT,
    TXT2IMG,
    Server,
    completion,
    connected,
    inside,
    over_sockets,
    refusal,
    turns,
)

from novita_async import RetryPolicy
from novita_async.errors import (
    CallTimeout,
    ConnectError,
    ConnectionLost,
    NovitaError,
    OutcomeUnknown,
    ServerError,
    TaskStateUnknown,
    TaskTimeout,
    ValidationError,
)
from novita_async.runtime.call import Call
from novita_async.runtime.retry import Replay
from novita_async.runtime.task import Reading, Task
from novita_async.simulator import Drop, Hang, Outcome, Refuse

MACHINE = "/gpu-instance/openapi/v1/gpu/instance/create"


def sent(sim, path) -> int:
    return sum(request.path == path for request in sim.requests)


async def submit(novita):
    return await novita.images.submit("txt2img", **PICTURE)


async def order(novita):
    return await novita.gpu.instances.create("a-product", image="image")


SUBMITS = pytest.mark.parametrize(("submit", "path"), [(submit, TXT2IMG), (order, MACHINE)])

# ----------------------------------------------------------------------------- idempotency: bought once


@SUBMITS
async def test_a_submit_whose_outcome_is_unknown_is_not_repeated(sim, submit, path):
    """Also seen: Comfy-Org/comfy-python-sdk#79."""
    sim.fault("POST", path, Drop.after_work())
    async with over_sockets(sim) as novita:
        with pytest.raises(OutcomeUnknown, match="not sent again"):
            await submit(novita)
    assert sent(sim, path) == 1


@SUBMITS
@pytest.mark.parametrize("status", [500, 502, 504, 408])
async def test_a_submit_that_a_gateway_may_have_lost_is_not_repeated(sim, submit, path, status):
    sim.fault("POST", path, Refuse.with_status(status))
    async with inside(sim) as novita:
        with pytest.raises(NovitaError):
            await submit(novita)
    assert sent(sim, path) == 1


@SUBMITS
async def test_resubmit_repeats_it(sim, submit, path):
    sim.fault("POST", path, Drop.before_headers(), Refuse.with_status(502))
    async with over_sockets(sim, retry=RetryPolicy(resubmit=True)) as novita:
        if submit is order:
            sim.reply("POST", path, {"id": "i-1"})
        assert (await submit(novita)).id
    assert sent(sim, path) == 3


@SUBMITS
async def test_resubmit_that_is_in_vain_does_not_say_that_it_was_sent_once(sim, submit, path):
    sim.fault("POST", path, Drop.before_headers(), times=3)
    async with inside(sim, retry=RetryPolicy(resubmit=True)) as novita:
        with pytest.raises(OutcomeUnknown) as unknown:
            await submit(novita)
        assert "again" not in str(unknown.value)
    assert sent(sim, path) == 3


@SUBMITS
@pytest.mark.parametrize("fault", [Refuse.with_status(429), Refuse.with_status(503)])
async def test_a_submit_that_surely_started_nothing_is_repeated(sim, submit, path, fault):
    sim.fault("POST", path, fault, times=2)
    sim.reply("POST", path, {"id": "i-1", "task_id": "t-1"})
    async with inside(sim) as novita:
        assert (await submit(novita)).id
    assert sent(sim, path) == 3


async def test_a_completion_is_repeated_when_its_connection_is_lost(sim):
    """As the vendors' clients do: it may bill some tokens twice, and no second thing is started."""
    sim.fault("POST", CHAT, Drop.before_headers(), times=2)
    async with over_sockets(sim) as novita:
        await novita.chat.completions.create(**ASK)
    assert sent(sim, CHAT) == 3


# ------------------------------------------------------------------ row 19: the id is never out of reach


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        (Hang.before_headers(), (TaskTimeout, CallTimeout)),
        (Refuse.with_status(500), ServerError),
        (Drop.before_headers(), ConnectionLost),
        (Refuse.with_status(401), NovitaError),
    ],
)
async def test_row_19_every_wait_error_has_the_id_and_a_handle_that_still_works(sim, fault, kind):
    async with inside(sim) as novita:
        task = await submit(novita)
        bad = sim.fault("GET", TASK_RESULT, fault, times=None)
        for wait in (_wait, _wait_by_id, _iterate, _wait_for_all):
            with pytest.raises(kind) as broken:
                await wait(novita, task)
            assert broken.value.task_id == task.id
            assert isinstance(broken.value.handle, Task)
        bad.cancel()
        assert (await broken.value.handle.wait()).images


async def _wait(novita, task):
    await task.wait(timeout=60)


async def _wait_by_id(novita, task):
    await novita.tasks.wait(task.id, timeout=60)


async def _iterate(novita, task):
    async for _ in task:
        pass


async def _wait_for_all(novita, task):
    async for _ in novita.tasks.as_completed([task], timeout=60):
        pass


async def test_row_19_closing_the_client_tells_a_wait_which_task_it_was(sim, clock):
    async with inside(sim) as novita:
        task = await submit(novita)
        waiting = asyncio.ensure_future(task.wait())
        await clock.sleep(1)
        await novita.aclose()
        with pytest.raises(NovitaError) as closed:
            await waiting
        assert closed.value.task_id == task.id


async def test_row_19_run_gives_the_handle_of_a_task_that_it_could_not_wait_for(sim):
    sim.fault("POST", TXT2IMG, Outcome.unknown("TASK_STATUS_ODD"))
    async with inside(sim) as novita:
        with pytest.raises(TaskStateUnknown) as odd:
            await novita.images.run("txt2img", **PICTURE, timeout=30)
        assert odd.value.handle.id == odd.value.task_id


# --------------------------------------------------------------- row 20: abandoned waits, as they were told


class Remote:
    """A product that can cancel."""

    def __init__(self, novita, clock, *, takes=0.0, error=None):
        self.clock = clock
        self.takes = takes
        self.error = error
        self.cancelled: list[str] = []
        self.task = Task(novita.tasks, "job-1", "job", self.read, cancel=self.cancel)

    async def read(self, task_id):
        return Reading(status="running", outcome="running")

    async def cancel(self, task_id):
        self.cancelled.append(task_id)
        await self.clock.sleep(self.takes)
        if self.error is not None:
            raise self.error


@pytest.fixture
async def novita(clock):
    async with connected(Server(clock, completion()), clock) as novita:
        yield novita


async def abandon(clock, remote, *, again=0, **options):
    """Cancel a wait after a second, and more often while it is being abandoned; give how long that took."""
    waiting = asyncio.create_task(remote.task.wait(**options))
    await clock.sleep(1)
    began = clock.monotonic()
    waiting.cancel()
    for _ in range(again):
        await turns()
        waiting.cancel()
    await asyncio.wait({waiting})
    assert waiting.cancelled()
    return clock.monotonic() - began


async def test_row_20_a_cancelled_wait_cancels_the_remote_job_exactly_once(novita, clock):
    remote = Remote(novita, clock, takes=2)
    assert await abandon(clock, remote, on_abandon="cancel") == pytest.approx(2)
    assert remote.cancelled == ["job-1"]


async def test_row_20_further_cancels_do_not_interrupt_it(novita, clock):
    remote = Remote(novita, clock, takes=2)
    assert await abandon(clock, remote, again=5, on_abandon="cancel") == pytest.approx(2)
    assert remote.cancelled == ["job-1"]


async def test_row_20_it_is_bounded_to_five_seconds(novita, clock):
    remote = Remote(novita, clock, takes=3600)
    assert await abandon(clock, remote, on_abandon="cancel") == pytest.approx(5)


async def test_row_20_an_error_of_it_does_not_hide_the_cancel(novita, clock):
    remote = Remote(novita, clock, error=ServerError("no", status=500))
    await abandon(clock, remote, on_abandon="cancel")


async def test_row_20_a_timeout_around_the_wait_cancels_it_too(novita, clock):
    remote = Remote(novita, clock)
    with pytest.raises(TimeoutError):
        async with clock.timeout(3):
            await remote.task.wait(on_abandon="cancel")
    assert remote.cancelled == ["job-1"]


async def test_row_20_by_default_it_is_left_running(novita, clock):
    remote = Remote(novita, clock)
    await abandon(clock, remote)
    assert remote.cancelled == []


async def test_row_20_a_wait_that_ends_by_its_own_limit_leaves_it_running(novita, clock):
    remote = Remote(novita, clock)
    with pytest.raises(TaskTimeout):
        await remote.task.wait(timeout=3, on_abandon="cancel")
    assert remote.cancelled == []


async def test_row_20_a_product_that_cannot_cancel_says_so_before_it_waits(sim):
    async with inside(sim) as novita:
        task = await submit(novita)
        for attempt in (task.wait(on_abandon="cancel"), task.cancel()):
            with pytest.raises(ValidationError, match="no way to cancel"):
                await attempt
    assert sent(sim, TASK_RESULT) == 0


# ------------------------------------------------------------------------------ uploads: streamed, once


class Upload:
    """A body that comes in pieces and tells how much of it was asked for."""

    def __init__(self, pieces=64):
        self.left = pieces
        self.reads = 0

    def __aiter__(self):
        return self

    async def __anext__(self):
        if not self.left:
            raise StopAsyncIteration
        self.left -= 1
        self.reads += 1
        return bytes(1024)


def upload_call(body) -> Call:
    return Call(method="PUT", url="http://novita.test/file", body=body, replay=Replay.SAFE)


async def test_an_upload_that_was_read_is_never_sent_a_second_time(clock):
    """Also seen: e2b-dev/E2B#1433, #1701."""

    async def server(request):
        requests.append(request)
        assert not isinstance(request.body, bytes)
        read = 0
        async for piece in request.body:
            read += len(piece)
            if read > 4096:
                break
        return refusal(503)

    requests = []
    body = Upload()
    async with connected(server, clock) as novita:
        with pytest.raises(ServerError):
            await novita._core().request(upload_call(body))
    assert len(requests) == 1
    assert 0 < body.reads < 64


@pytest.mark.parametrize("error", [ConnectError("nobody"), CallTimeout("connect", 10, sent=False), refusal(429)])
async def test_an_upload_that_nobody_looked_at_may_be_sent_again(clock, error):
    async def whole(request):
        received.append(b"".join([piece async for piece in request.body]))
        return completion()

    received = []
    server = Server(clock, error, error, whole)
    async with connected(server, clock) as novita:
        await novita._core().request(upload_call(Upload()))
    assert [len(body) for body in received] == [64 * 1024]
    assert len(server.requests) == 3
