"""The journal: what is on disk at which moment, whatever the process dies of."""

from __future__ import annotations

import asyncio
import os
import signal
import sqlite3
import stat
import sys
from contextlib import asynccontextmanager, closing
from pathlib import Path

import msgspec
import pytest
from helpers import PICTURE, TASK_RESULT, TXT2IMG, Server, Watched, connected, inside, json_reply, refusal

from novita_async import Request, Simulator
from novita_async.errors import (
    BadRequest,
    ClientClosed,
    ConfigError,
    ConnectError,
    ConnectionLost,
    InsufficientBalance,
    NotFound,
    NovitaError,
    OutcomeUnknown,
    TaskError,
    TaskExpired,
    TaskFailed,
    TaskTimeout,
)
from novita_async.runtime.call import Call
from novita_async.runtime.clock import SystemClock
from novita_async.runtime.journal import Journal
from novita_async.runtime.retry import Replay
from novita_async.runtime.tasks import UnknownSubmit
from novita_async.simulator import Hang, Outcome, Refuse
from novita_async.testing.probes import cancelled_at

ACCEPTED = {"task_id": "task-1"}


@pytest.fixture
def path(tmp_path):
    return tmp_path / "journal.db"


@pytest.fixture
async def sim(clock):
    async with Simulator(clock=clock) as simulator:
        yield simulator


@pytest.fixture
def rows(clock, path):
    """`await rows()`: kind and id of each row, as another process sees the file."""

    def read():
        if not path.exists():
            return []
        with closing(sqlite3.connect(path)) as database:
            return database.execute("SELECT kind, task_id FROM submits ORDER BY created, rowid").fetchall()

    return lambda: clock.to_thread(read)


async def submit(novita, **options):
    return await novita.images.submit("txt2img", **PICTURE, **options)


# ------------------------------------------------------------------------------------ the order of writes


async def test_the_intent_is_on_disk_when_the_request_arrives_and_the_id_before_the_caller_has_it(clock, path, rows):
    seen = []

    async def server(request):
        seen.append(await rows())
        return json_reply(ACCEPTED)

    async with connected(server, clock, journal=path) as novita:
        task = await submit(novita)
        assert seen == [[("media", None)]]
        assert await rows() == [("media", "task-1")]
        assert task.id == "task-1"


async def test_what_was_sent_can_be_read_in_the_intent(clock, path):
    server = Server(clock, ConnectionLost("no answer"))
    async with connected(server, clock, journal=path) as novita:
        with pytest.raises(OutcomeUnknown):
            await submit(novita)
        (unknown,) = await novita.tasks.resume()
    assert unknown.kind == "media"
    assert unknown.request["url"] == server.requests[0].url
    assert unknown.request["body"] == msgspec.json.decode(server.requests[0].body)
    assert unknown.created == pytest.approx(clock.time(), abs=1)
    assert unknown.task_id is None


@pytest.mark.parametrize(
    "answer",
    [
        refusal(400, "INVALID_REQUEST_BODY"),
        refusal(400, "BILLING_BALANCE_NOT_ENOUGH"),
        refusal(500, "CREATE_TASK_FAILED"),
        json_reply({"code": 400, "reason": "ILLEGAL_PROMPT", "message": "no"}),
        ConnectError("nobody there"),
    ],
    ids=["bad request", "no money", "not created", "a refusal in a 200", "no connection"],
)
async def test_a_submit_that_surely_started_nothing_leaves_nothing(clock, path, answer):
    async with connected(Server(clock, answer), clock, journal=path) as novita:
        with pytest.raises((BadRequest, InsufficientBalance, NovitaError)):
            await submit(novita)
        assert await novita.tasks.resume() == []


@pytest.mark.parametrize(
    "answer",
    [ConnectionLost("gone"), refusal(502), refusal(504), refusal(500), json_reply({"id": "?"}), json_reply([1])],
    ids=["lost", "502", "504", "500", "no id", "nonsense"],
)
async def test_a_submit_that_may_have_started_something_is_kept_and_not_repeated(clock, path, answer):
    server = Server(clock, answer)
    async with connected(server, clock, journal=path) as novita:
        with pytest.raises(NovitaError):
            await submit(novita)
        (unknown,) = await novita.tasks.resume()
        assert isinstance(unknown, UnknownSubmit)
        assert len(server.requests) == 1
        await unknown.forget()
        assert await novita.tasks.resume() == []


async def test_a_submit_that_never_got_its_turn_leaves_nothing(clock, path, rows):
    server = Server(clock, ACCEPTED)
    async with connected(server, clock, journal=path) as novita:
        assert await cancelled_at(submit(novita), 1, late=False)
        assert await rows() == []
    assert server.requests == []


@pytest.mark.parametrize("late", [False, True], ids=["early", "late"])
async def test_a_cancel_at_any_await_leaves_a_row_for_all_that_was_sent(clock, path, late, rows):
    async def server(request):
        sent.append(request)
        await clock.sleep(1)
        return json_reply(ACCEPTED)

    awaits, was_cancelled = 0, True
    while was_cancelled:
        awaits += 1
        sent: list[Request] = []
        async with connected(server, clock, journal=path) as novita:
            was_cancelled = await cancelled_at(submit(novita), awaits, late=late)
            assert len(await rows()) >= len(sent), f"cancelled at await {awaits}"
        path.unlink(missing_ok=True)
    assert awaits > 3


# --------------------------------------------------------------------------------- when a row is forgotten


async def test_a_row_is_forgotten_when_the_result_was_delivered_and_not_before(sim, path, rows):
    async with inside(sim, journal=path) as novita:
        task = await submit(novita)
        with pytest.raises(TaskTimeout):
            await task.wait(timeout=1)
        assert await rows() == [("media", task.id)]
        async for _ in task:
            assert await rows() == [("media", task.id)]
        await task.wait()
        assert await rows() == []
        assert (await task.wait()).images


async def test_a_failure_that_was_delivered_is_forgotten(sim, path, rows):
    sim.fault("POST", TXT2IMG, Outcome.failed("out of memory"))
    async with inside(sim, journal=path) as novita:
        task = await submit(novita)
        with pytest.raises(TaskFailed):
            await task.wait()
        assert await rows() == []


async def test_a_task_that_the_platform_has_dropped_is_forgotten(sim, path, rows):
    async with inside(sim, journal=path) as novita:
        task = await submit(novita)
        sim.fault("GET", TASK_RESULT, Refuse.with_reason(404, "TASK_NOT_FOUND"), times=None)
        with pytest.raises(NotFound):
            await task.wait()
        assert await rows() == []


async def test_a_result_that_is_fetched_by_its_id_alone_is_forgotten_too(sim, path, rows):
    async with inside(sim, journal=path) as novita:
        task = await submit(novita)
        assert (await novita.tasks.wait(task.id)).images
        assert await rows() == []


async def test_with_settle_false_a_row_is_kept_until_the_caller_has_done_with_the_result(sim, path, rows):
    async with inside(sim, journal=path) as novita:
        task = await submit(novita)
        assert (await task.wait(settle=False)).images
        assert (await task.result(settle=False)).images
        assert await rows() == [("media", task.id)]
        (again,) = await novita.tasks.resume()
        assert (again.id, again.request["body"]["request"]["prompt"]) == (task.id, PICTURE["prompt"])
        assert task.request is None
        await again.settle()
        await again.settle()
        assert await rows() == []


async def test_a_result_before_the_end_settles_nothing(sim, path, rows):
    async with inside(sim, journal=path) as novita:
        task = await submit(novita)
        with pytest.raises(TaskTimeout):
            await task.result()
        assert await rows() == [("media", task.id)]


# ------------------------------------------------------------------------------------------------- thirty days


async def test_a_task_that_the_platform_dropped_after_thirty_days_has_expired_and_is_forgotten(sim, clock, path, rows):
    async with inside(sim, journal=path) as first:
        lost = await submit(first)
    await clock.sleep(31 * 86400)
    async with inside(sim, journal=path) as novita:
        (old,) = await novita.tasks.resume()
        assert old.id == lost.id
        began = clock.monotonic()
        with pytest.raises(TaskExpired, match="30 days") as expired:
            await old.wait()
        assert (expired.value.task_id, expired.value.handle) == (old.id, old)
        assert clock.monotonic() - began <= 1
        assert isinstance(expired.value.__cause__, NotFound)
        assert old.done
        assert await rows() == []
        for ask in (old.refresh, old.wait, old.result):
            with pytest.raises(TaskExpired):
                await ask()


async def test_an_expired_task_ends_among_others_without_ending_the_wait_for_them(sim, clock, path):
    async with inside(sim, journal=path) as novita:
        await submit(novita)
        await clock.sleep(31 * 86400)
        fresh = await submit(novita)
        old, again = await novita.tasks.resume()
        assert [task async for task in novita.tasks.as_completed([fresh, old])] == [old, fresh]
        results = await novita.tasks.wait_all([old, again], return_exceptions=True)
        assert [type(result).__name__ for result in results] == ["TaskExpired", "MediaResult"]
        assert await novita.tasks.resume() == []


async def test_a_task_of_more_than_thirty_days_that_the_platform_still_has_is_delivered(clock, path):
    result = {"task": {"task_id": "task-1", "status": "TASK_STATUS_SUCCEED"}, "images": []}

    def platform(request):
        return json_reply(ACCEPTED if request.method == "POST" else result)

    async with connected(Server(clock, platform), clock, journal=path) as novita:
        await submit(novita)
        await clock.sleep(100 * 86400)
        (old,) = await novita.tasks.resume()
        assert (await old.wait()).task_id == "task-1"


# ------------------------------------------------------------------------------------------- coming back


async def test_another_client_resumes_what_the_first_one_left_oldest_first(sim, clock, path):
    async with inside(sim, journal=path) as first:
        left = []
        for _ in range(3):
            left.append((await submit(first)).id)
            await clock.sleep(0.5)
    await clock.sleep(30)
    async with inside(sim, journal=path) as second:
        tasks = await second.tasks.resume()
        assert [task.id for task in tasks] == left
        assert [update.age for update in [await tasks[0].refresh()]] == [pytest.approx(31.5, abs=0.1)]
        assert [(await task.wait()).images is not None for task in tasks] == [True] * 3
        assert await second.tasks.resume() == []
    assert sum(request.path == TXT2IMG for request in sim.requests) == 3


async def test_an_entry_of_a_kind_that_nobody_here_knows_keeps_its_id(sim, clock, path):
    journal = Journal(path, clock)
    await journal.intend("key", "hologram", b'{"url": "https://x", "body": {}}')
    await journal.submitted("key", "task-7")
    await journal.aclose()
    async with inside(sim, journal=path) as novita:
        (unknown,) = await novita.tasks.resume()
        assert (unknown.kind, unknown.task_id) == ("hologram", "task-7")


async def test_without_a_journal_there_is_no_file_and_nothing_to_resume(sim, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    async with inside(sim) as novita:
        await submit(novita)
        assert await novita.tasks.resume() == []
    assert list(tmp_path.iterdir()) == []


async def test_a_note_stands_in_the_journal_in_place_of_a_body_that_is_not_kept(clock, path):
    async def body():
        yield b'{"request": '
        yield b'{"prompt": "x"}}'

    server = Server(clock, ConnectionLost("no answer"))
    async with connected(server, clock, journal=path) as novita:
        call = Call(method="POST", url="http://novita.test/x", body=body(), replay=Replay.SUBMITS)
        with pytest.raises(OutcomeUnknown):
            await novita.tasks.submit(call, dict, str, kind="media", read=None, note=b'{"image": "cat.png"}')
        (unknown,) = await novita.tasks.resume()
        assert unknown.request == {"url": "http://novita.test/x", "body": {"image": "cat.png"}}


async def test_a_file_of_an_earlier_version_is_taken_over(clock, path):
    def old():
        with closing(sqlite3.connect(path)) as database, database:
            columns = "key TEXT PRIMARY KEY, kind TEXT NOT NULL, request BLOB NOT NULL, created REAL NOT NULL"
            database.execute(f"CREATE TABLE submits ({columns}, task_id TEXT)")
            database.execute("INSERT INTO submits VALUES ('key', 'media', '{}', 1.0, 'task-1')")

    await clock.to_thread(old)
    for _ in range(2):
        journal = Journal(path, clock)
        (entry,) = await journal.unfinished()
        assert (entry.task_id, entry.webhook) == ("task-1", "")
        await journal.aclose()


async def test_what_is_asked_for_together_is_carried_out_together_and_one_that_fails_harms_no_other(path):
    class Counted(SystemClock):
        trips = 0

        async def to_thread(self, function):
            Counted.trips += 1
            return await super().to_thread(function)

    journal = Journal(path, Counted())
    await journal.intend("twice", "media", b"{}")
    asked = [journal.intend("twice", "media", b"{}"), *(journal.intend(f"{n}", "media", b"{}") for n in range(200))]
    results = await asyncio.gather(*asked, return_exceptions=True)
    assert [type(result).__name__ for result in results] == ["ConfigError"] + ["NoneType"] * 200
    assert Counted.trips <= 3
    assert len(await journal.unfinished()) == 201
    await journal.aclose()


# ---------------------------------------------------------------------------------------------- the file


async def test_only_its_owner_can_read_the_file(clock, tmp_path):
    path = tmp_path / "new" / "directory" / "journal.db"
    journal = Journal(path, clock)
    await journal.intend("key", "media", b"{}")
    modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in path.parent.iterdir()}
    assert modes == dict.fromkeys(["journal.db", "journal.db-wal", "journal.db-shm"], 0o600)
    await journal.aclose()


@pytest.mark.parametrize("content", [None, b"this is no database, and it is long enough to tell" * 50])
async def test_a_file_that_cannot_be_used_is_refused_before_anything_is_sent(clock, tmp_path, content):
    path = tmp_path / "journal.db"
    path.mkdir() if content is None else path.write_bytes(content)
    server = Server(clock, ACCEPTED)
    async with connected(server, clock, journal=path) as novita:
        with pytest.raises(ConfigError, match=r"journal\.db"):
            await submit(novita)
    assert server.requests == []


async def test_an_id_that_cannot_be_noted_down_is_on_the_error(clock, path):
    async def server(request):
        def spoil():
            with closing(sqlite3.connect(path)) as database:
                database.execute("DROP TABLE submits")

        await clock.to_thread(spoil)
        return json_reply(ACCEPTED)

    async with connected(server, clock, journal=path) as novita:
        with pytest.raises(TaskError) as lost:
            await submit(novita)
        assert (lost.value.task_id, lost.value.handle.id) == ("task-1", "task-1")


async def test_a_closed_journal_stays_closed(sim, path):
    async with inside(sim, journal=path) as novita:
        task = await submit(novita)
        async for _ in task:
            pass
    with pytest.raises(ClientClosed):
        await task.wait()


async def test_two_processes_share_one_file(path):
    """Real processes, both writing at once."""
    writing = [await _python(WRITER, str(path), name) for name in ("a", "b")]
    assert [await process.wait() for process in writing] == [0, 0]
    journal = Journal(path, SystemClock())
    entries = await journal.unfinished()
    await journal.aclose()
    assert sorted(entry.key for entry in entries) == sorted(f"{name}{n}" for name in "ab" for n in range(25))
    assert {entry.task_id for entry in entries} == {f"task-{n}" for n in range(25)}


# -------------------------------------------------------------------------------------- sudden death

SUBMITTER = """
import asyncio, sys
from novita_async import AsyncNovita

async def main():
    async with AsyncNovita(journal=sys.argv[1]) as novita:
        task = await novita.images.submit("txt2img", **{picture})
        print(task.id, flush=True)
        await asyncio.sleep(3600)

asyncio.run(main())
"""

WRITER = """
import asyncio, sys
from novita_async.runtime.clock import SystemClock
from novita_async.runtime.journal import Journal

async def main():
    journal = Journal(sys.argv[1], SystemClock())
    for number in range(25):
        await journal.intend(f"{sys.argv[2]}{number}", "media", b"{}")
        await journal.submitted(f"{sys.argv[2]}{number}", f"task-{number}")
    await journal.aclose()

asyncio.run(main())
"""


async def _python(program: str, *arguments: str, **environment: str) -> asyncio.subprocess.Process:
    root = str(Path(__file__).parents[2])
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        program,
        *arguments,
        env={**os.environ, "PYTHONPATH": root, **environment},
        stdout=asyncio.subprocess.PIPE,
    )


@asynccontextmanager
async def a_process_that_submits(served, path):
    """It is killed with SIGKILL when the context ends, and waited for."""
    process = await _python(SUBMITTER.replace("{picture}", repr(PICTURE)), str(path), **served.environment)
    try:
        yield process
    finally:
        process.send_signal(signal.SIGKILL)
        await process.communicate()


async def test_killed_between_sending_and_answer_it_is_reported_as_unknown_and_not_sent_again(path):
    unanswered = Watched(Hang.before_headers())
    async with Simulator() as sim, sim.serve() as served:
        sim.fault("POST", TXT2IMG, unanswered)
        async with a_process_that_submits(served, path):
            await unanswered.begun.wait()
        async with inside(sim, journal=path) as novita:
            (unknown,) = await novita.tasks.resume()
            assert isinstance(unknown, UnknownSubmit)
            assert unknown.request["body"]["request"]["prompt"] == PICTURE["prompt"]
        assert len(sim.requests) == 1


async def test_row_19_killed_after_the_answer_the_same_task_is_resumed_without_a_second_submit(path):
    async with Simulator(task_seconds=0.1) as sim, sim.serve() as served:
        async with a_process_that_submits(served, path) as process:
            task_id = (await process.stdout.readline()).decode().strip()
        async with inside(sim, journal=path) as novita:
            (task,) = await novita.tasks.resume()
            assert task.id == task_id
            assert (await task.wait()).images
        assert sum(request.path == TXT2IMG for request in sim.requests) == 1
