"""A run of batches and its journal: whatever moment the process dies at, the next one goes on and pays once."""

from __future__ import annotations

import asyncio
import os
import signal
import sqlite3
import sys
from contextlib import asynccontextmanager, closing
from pathlib import Path

import pytest
from helpers import MODEL, Watched, inside

from novita_async import Simulator
from novita_async.errors import NotFound, OutcomeUnknown, TaskFailed
from novita_async.llm.batch_lines import Spool
from novita_async.runtime.clock import SystemClock
from novita_async.runtime.journal import Journal, Part
from novita_async.simulator import Drop, Hang, Outcome, Refuse

FILES = "/openai/v1/files"
BATCHES = "/openai/v1/batches"

RUNNER = """
import asyncio, sys
from novita_async import AsyncNovita

async def main():
    requests = [{"messages": [{"role": "user", "content": f"question {n}"}]} for n in range(3)]
    async with AsyncNovita(journal=sys.argv[1]) as novita:
        run = await novita.batches.run(requests, model=sys.argv[2])
        print(run.batch_ids[0], flush=True)
        async for result in run:
            pass

asyncio.run(main())
"""


def asks(count=3):
    return [{"messages": [{"role": "user", "content": f"question {number}"}]} for number in range(count)]


@pytest.fixture
def path(tmp_path):
    return tmp_path / "journal.db"


@pytest.fixture
def rows(clock, path):
    """`await rows()`: part, whether each id is there, as another process sees the file."""

    def read():
        if not path.exists():
            return []
        with closing(sqlite3.connect(path)) as database:
            query = "SELECT part, file_id IS NOT NULL, creating, batch_id IS NOT NULL FROM batch_parts ORDER BY part"
            return database.execute(query).fetchall()

    return lambda: clock.to_thread(read)


def made(sim):
    """How many uploads and how many batches the simulator was asked for."""
    posts = [request.path for request in sim.requests if request.method == "POST"]
    return posts.count(FILES), posts.count(BATCHES)


async def collect(novita, requests=None):
    async with await novita.batches.run(requests or asks(), model=MODEL) as run:
        return [result async for result in run]


# ------------------------------------------------------------------------------------------- sudden death


@asynccontextmanager
async def a_process_that_runs(served, path):
    """It is killed with SIGKILL when the context ends, and waited for."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", RUNNER, str(path), MODEL),
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2]), **served.environment},
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        yield process
    finally:
        process.send_signal(signal.SIGKILL)
        await process.communicate()


@pytest.mark.parametrize("moment", ["uploading", "uploaded", "creating", "waiting"])
async def test_killed_at_any_moment_the_same_run_goes_on_without_doing_anything_twice(path, moment):
    unanswered = Watched()

    async def hang(call, answer, stage):
        await answer()
        return await unanswered(call, lambda: Hang.before_headers()(call, answer, stage), stage)

    async with Simulator(batch_seconds=0.2) as sim, sim.serve() as served:
        if moment == "uploading":
            sim.fault("POST", FILES, hang)  # it has the file, and the process does not hear of it
        elif moment == "uploaded":
            sim.fault("POST", BATCHES, _before(unanswered))  # it never gets there
        elif moment == "creating":
            sim.fault("POST", BATCHES, hang)
        async with a_process_that_runs(served, path) as process:
            if moment == "waiting":
                assert (await process.stdout.readline()).startswith(b"batch_")
            else:
                await unanswered.begun.wait()
        async with inside(sim, journal=path, base_url=served.url) as novita:  # the run is known by its address as well
            results = await collect(novita)
            assert len((await novita.batches.list()).data) == 1, "one batch, whatever happened"
            inputs = [file for file in (await novita.files.list()).data if file.purpose == "batch"]
            assert len(inputs) == 1, "one upload, whatever happened"
    assert all(result.value for result in results)
    # A create that never arrived has to be sent a second time; nothing else has.
    assert made(sim) == ((1, 2) if moment == "uploaded" else (1, 1))


def _before(watched):
    async def fault(call, answer, stage):
        return await watched(call, lambda: Hang.before_headers()(call, answer, stage), stage)

    return fault


# ------------------------------------------------------------------------------------- the order of writes


async def test_the_intent_is_on_disk_before_each_step_and_the_id_right_after(sim, path, rows):
    seen = []

    async def look(call, answer, stage):
        seen.append(await rows())
        return await answer()

    sim.fault("POST", "*", look, times=None)
    async with inside(sim, journal=path) as novita:
        run = await novita.batches.run(asks(), model=MODEL)
        assert seen == [[(0, 0, 0, 0)], [(0, 1, 1, 0)]]
        assert await rows() == [(0, 1, 1, 1)]
        assert len([result async for result in run]) == 3
        assert await rows() == []


async def test_nothing_is_kept_without_a_journal(sim, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    async with inside(sim) as novita:
        await collect(novita)
    assert list(tmp_path.iterdir()) == []


async def test_a_run_whose_end_was_delivered_is_forgotten_and_other_input_is_another_run(sim, path):
    async with inside(sim, journal=path) as novita:
        await collect(novita)
        await collect(novita)
        await collect(novita, asks(2))
    assert made(sim) == (3, 3)


async def test_a_consumer_who_stops_half_way_finds_the_same_batch_again(sim, path):
    async with inside(sim, journal=path) as novita, await novita.batches.run(asks(), model=MODEL) as run:
        await anext(run)
    async with inside(sim, journal=path) as novita:
        assert [result.index for result in await collect(novita)] == [0, 1, 2]
    assert made(sim) == (1, 1)


async def test_a_create_that_may_have_happened_is_looked_for_before_it_is_sent_again(sim, path):
    sim.fault("POST", BATCHES, Drop.after_work())
    sim.fault("GET", BATCHES, Refuse.with_status(400))  # the first search fails as well
    async with inside(sim, journal=path) as novita:
        with pytest.raises(Exception, match="400"):
            await novita.batches.run(asks(), model=MODEL)
        assert len(await collect(novita)) == 3
    assert made(sim) == (1, 1)


async def test_a_create_that_did_not_happen_is_sent_again_by_the_next_run(sim, path):
    sim.fault("POST", BATCHES, Drop.before_headers())
    async with inside(sim, journal=path) as novita:
        with pytest.raises(OutcomeUnknown):
            await novita.batches.run(asks(), model=MODEL)
        assert len(await collect(novita)) == 3
    assert made(sim) == (1, 2)


async def test_a_batch_of_an_earlier_run_of_the_same_file_is_not_taken_for_this_one(sim, clock, path):
    async with inside(sim, journal=path) as novita:
        await collect(novita)
        await clock.sleep(3600)
        sim.fault("POST", FILES, Drop.after_work(), Drop.after_work(), Drop.after_work())
        with pytest.raises(Exception, match="dropped"):
            await novita.batches.run(asks(), model=MODEL)
        sim.fault("POST", BATCHES, Drop.before_headers())
        with pytest.raises(OutcomeUnknown):
            await novita.batches.run(asks(), model=MODEL)
        assert len(await collect(novita)) == 3
        assert len((await novita.batches.list()).data) == 2


async def test_a_failed_batch_is_begun_anew_and_the_others_are_kept(sim, path, monkeypatch, rows):
    monkeypatch.setitem(Spool.__init__.__kwdefaults__, "max_lines", 1)
    sim.fault("POST", BATCHES, Outcome.succeeded(after=1), Outcome.failed("bad luck"))
    async with inside(sim, journal=path) as novita:
        with pytest.raises(TaskFailed, match="bad luck"):
            await collect(novita)
        assert [row[0] for row in await rows()] == [0, 2]
        assert len(await collect(novita)) == 3
    assert made(sim) == (4, 4)


async def test_an_upload_that_the_platform_has_dropped_is_made_again(sim, path):
    async with inside(sim, journal=path) as novita:
        sim.fault("POST", BATCHES, Refuse.with_status(400))
        with pytest.raises(Exception, match="400"):
            await novita.batches.run(asks(), model=MODEL)
        (file,) = (await novita.files.list()).data
        await novita.files.delete(file.id)
        assert len(await collect(novita)) == 3
    assert made(sim) == (2, 3)


async def test_a_batch_that_the_platform_has_dropped_is_made_again_by_the_next_run(sim, path):
    async with inside(sim, journal=path) as novita:
        run = await novita.batches.run(asks(), model=MODEL)
        gone = sim.fault("GET", f"{BATCHES}/*", Refuse.with_reason(404, "NOT_FOUND"), times=None)
        with pytest.raises(NotFound):
            await anext(run)
        await run.aclose()
        gone.cancel()
        assert len(await collect(novita)) == 3
    assert made(sim) == (2, 2)


async def test_what_was_cancelled_on_leaving_is_begun_anew(sim, path, rows):
    async with inside(sim, journal=path) as novita:
        run = await novita.batches.run(asks(), model=MODEL, on_abandon="cancel")
        await run.aclose()
        assert await rows() == []


async def test_what_was_cancelled_while_it_was_created_is_begun_anew(sim, clock, path, rows):
    async def late(call, answer, stage):
        reply = await answer()
        await clock.sleep(2)
        return reply

    sim.fault("POST", BATCHES, late)
    async with inside(sim, journal=path) as novita:
        starting = asyncio.ensure_future(novita.batches.run(asks(), model=MODEL, on_abandon="cancel"))
        await clock.sleep(1)
        starting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await starting
        assert await rows() == []
        assert all(result.value for result in await collect(novita))
    assert made(sim) == (2, 2)


# --------------------------------------------------------------------------------------------- the journal


async def test_the_journal_knows_how_far_a_part_came(path):
    journal = Journal(path, SystemClock())
    first = await journal.begin_part("key", 0)
    assert (first.known, first.file_id, first.batch_id) == (False, None, None)
    assert await journal.begin_part("key", 0) == Part(True, first.created)
    await journal.uploaded("key", 0, "file_1")
    await journal.creating("key", 0)
    await journal.created("key", 0, "batch_1")
    await journal.begin_part("key", 1)
    await journal.begin_part("other", 0)
    assert await journal.begin_part("key", 0) == Part(True, first.created, "file_1", True, "batch_1")
    await journal.forget_parts("key", 1)
    assert (await journal.begin_part("key", 0)).known
    await journal.forget_parts("key")
    assert not (await journal.begin_part("key", 0)).known
    assert (await journal.begin_part("other", 0)).known
    assert await journal.unfinished() == []
    await journal.aclose()
