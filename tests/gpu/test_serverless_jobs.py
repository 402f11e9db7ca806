"""`novita.serverless.endpoint(...)`: jobs from submit to output, every way in which one can end, and direct calls."""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from helpers import KEY, Server, connected, inside, json_reply, refusal, turns, without_debug

from novita_async import Limits, Reply, Request, Simulator
from novita_async.errors import (
    APIError,
    AuthenticationError,
    NotFound,
    OutcomeUnknown,
    ProtocolError,
    ServerError,
    StreamStalled,
    TaskExpired,
    TaskFailed,
    TaskStateUnknown,
    TaskTimeout,
    ValidationError,
)
from novita_async.gpu.serverless import ConcurrencyPolicy
from novita_async.runtime.task import Task
from novita_async.runtime.tasks import UnknownSubmit
from novita_async.simulator import Drop, Outcome, Refuse

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from novita_async.testing.clock import JumpClock

MOST = 4 * 1024 * 1024
GATEWAY = "http://gateway.test/v1"


def double(value: int) -> int:
    return 2 * value


def fail(value: object) -> object:
    raise ValueError(f"no {value}")


def refuse(value: object) -> object:
    return {"error": f"no {value}"}


async def count(value: int) -> AsyncIterator[str]:
    for number in range(value):
        yield f"data: {number}\n\n"


HANDLERS: dict[str, Any] = {
    "double": double,
    "fail": fail,
    "refuse": refuse,
    "count": count,
    "large": lambda size: "x" * size,
    "no-json": lambda value: object(),
    "reply": lambda value: Reply(201, {"content-type": "text/plain"}, b"made"),
    "bytes": lambda value: b"raw",
}


@pytest.fixture
async def sim(clock: JumpClock) -> AsyncIterator[Simulator]:
    async with Simulator(clock=clock, serverless=HANDLERS) as simulator:
        yield simulator


@pytest.fixture
async def novita(sim: Simulator):
    async with inside(sim) as novita:
        yield novita


def sent(sim: Simulator, verb: str) -> int:
    return sum(f"/{verb}" in request.path for request in sim.requests)


# ------------------------------------------------------------------------------------------ a job and its end


async def test_a_job_runs_and_gives_its_output(novita, sim, clock):
    endpoint = novita.serverless.endpoint("echo")
    task = await endpoint.run({"sleep": 30, "prompt": "hi"})
    seen = [update.status async for update in task]
    assert set(seen) == {"IN_PROGRESS", "COMPLETED"}
    assert await task.wait() == {"sleep": 30, "prompt": "hi"}
    assert 30 <= clock.monotonic() < 50
    assert (await endpoint.status(task.id)).raw["status"] == "COMPLETED"
    assert (await endpoint.wait(task.id)) == (await endpoint.wait(task.id.partition("/")[2]))
    assert repr(endpoint) == "<EndpointHandle echo>"


@pytest.mark.parametrize("value", [None, 0, "text", [1, {"a": None}], {}])
async def test_any_json_value_goes_in_and_comes_out(novita, value):
    assert await (await novita.serverless.endpoint("echo").run(value)).wait() == value


async def test_a_plain_function_works_as_well_as_a_generator(novita):
    assert await (await novita.serverless.endpoint("double").run(21)).wait() == 42
    assert await (await novita.serverless.endpoint("count").run(2)).wait() == ["data: 0\n\n", "data: 1\n\n"]


@pytest.mark.parametrize(
    ("endpoint", "value", "reason"),
    [
        ("fail", 3, "^ValueError: no 3$"),
        ("refuse", 4, "^no 4$"),
        ("no-json", 5, "the output is no JSON"),
        ("large", MOST - 1, f"{MOST + 1} bytes, more than {MOST}"),
    ],
)
async def test_a_job_that_fails_says_why(novita, endpoint, value, reason):
    task = await novita.serverless.endpoint(endpoint).run(value)
    with pytest.raises(TaskFailed) as failed:
        await task.wait()
    assert re.search(reason, failed.value.reason)
    assert (failed.value.task_type, failed.value.task_id, failed.value.handle) == ("serverless", task.id, task)


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        ('{"error_type":"ValueError","error_message":"no","hostname":"h"}', "ValueError: no"),
        ({"error_message": "no"}, "no"),
        ("just text", "just text"),
        ("{", "{"),
        ("7", "7"),
        ({"code": 7}, '{"code":7}'),
        (None, "no reason given"),
    ],
)
async def test_failures_of_every_shape_become_words(clock, error, reason):
    server = Server(clock, {"id": "j", "status": "FAILED", "error": error})
    async with connected(server, clock) as novita:
        with pytest.raises(TaskFailed) as failed:
            await novita.serverless.endpoint("e").wait("j")
    assert str(failed.value) == f"failed: {reason} (task e/j)"


@pytest.mark.parametrize(
    ("status", "reason"), [("TIMED_OUT", "longer than its endpoint allows"), ("CANCELLED", "was cancelled")]
)
async def test_what_ends_a_job_from_outside_is_a_failure(clock, status, reason):
    async with connected(Server(clock, {"status": status}), clock) as novita:
        with pytest.raises(TaskFailed, match=reason):
            await novita.serverless.endpoint("e").wait("j")


async def test_a_job_over_the_time_of_its_endpoint_is_timed_out(novita, clock):
    made = await novita.serverless.create(
        "echo", product_ids=["4090.16c62g.os"], port=80, policy=ConcurrencyPolicy(1), request_timeout=10
    )
    task = await novita.serverless.endpoint(made).run({"sleep": 60})
    with pytest.raises(TaskFailed, match="longer than its endpoint allows"):
        await task.wait()
    assert (task.status, await novita.serverless.delete(made.id)) == ("TIMED_OUT", True)


async def test_an_unknown_status_is_kept_and_waited_through(novita, sim):
    sim.fault("POST", "/v1/echo/run", Outcome.unknown("FROZEN"))
    task = await novita.serverless.endpoint("echo").run(1)
    with pytest.raises(TaskStateUnknown, match="FROZEN"):
        await task.wait(timeout=60)


async def test_outcomes_can_be_asked_for(novita, sim, clock):
    sim.fault("POST", "/v1/echo/run", Outcome.failed("out of memory", after=20), Outcome.succeeded(after=40))
    failing, well = [await novita.serverless.endpoint("echo").run(number) for number in range(2)]
    with pytest.raises(TaskFailed, match="out of memory"):
        await failing.wait()
    assert 20 <= clock.monotonic() < 40
    assert (await well.wait(), clock.monotonic() >= 40) == (1, True)


async def test_an_answer_without_a_status_is_no_answer(clock):
    async with connected(Server(clock, {"status": ""}), clock) as novita:
        with pytest.raises(ProtocolError, match="no status"):
            await novita.serverless.endpoint("e").wait("j")


# -------------------------------------------------------------------------------------- cancelling and purging


async def test_a_cancelled_wait_leaves_the_job_or_cancels_it(novita, sim, clock):
    endpoint = novita.serverless.endpoint("echo")
    left, ended = [await endpoint.run({"sleep": 100}) for _ in range(2)]
    waits = [asyncio.create_task(left.wait()), asyncio.create_task(ended.wait(on_abandon="cancel"))]
    await clock.sleep(5)
    for wait in waits:
        wait.cancel()
    await asyncio.wait(waits)
    assert ((await endpoint.status(left.id)).status, sent(sim, "cancel")) == ("IN_PROGRESS", 1)
    assert (await endpoint.status(ended.id)).status == "CANCELLED"
    assert await left.wait() == {"sleep": 100}
    with pytest.raises(TaskFailed, match="was cancelled"):
        await ended.wait()
    await ended.cancel()
    await left.cancel()  # what has ended stays as it is
    assert (await endpoint.status(left.id)).status == "COMPLETED"


async def test_a_purge_drops_what_waits_and_not_what_runs(novita):
    made = await novita.serverless.create(
        "echo", product_ids=["4090.16c62g.os"], port=80, policy=ConcurrencyPolicy(100)
    )
    endpoint = novita.serverless.endpoint(made.id)
    tasks = [await endpoint.run({"sleep": 60, "number": number}) for number in range(5)]
    await novita.serverless.wait_until_ready(made.id)
    stats = await endpoint.stats()
    assert (stats.pending, stats.in_progress, stats.busy_workers, stats.total_workers) == (4, 1, 1, 1)
    health = await endpoint.health()
    assert (health.jobs["pending"], health.workers) == (4, {"starting": 0, "idle": 0, "running": 1})
    assert (await endpoint.purge())["removed"] == 4
    results = await novita.tasks.wait_all(tasks, return_exceptions=True)
    assert results[0] == {"sleep": 60, "number": 0}
    assert [type(result) for result in results[1:]] == [TaskFailed] * 4
    tasks = [await endpoint.run({"sleep": 60}) for _ in range(3)]
    assert await novita.serverless.delete(made.id)  # with all that waits and runs in it
    with pytest.raises(NotFound):
        await tasks[0].wait()


async def test_an_empty_answer_to_cancel_and_purge_is_fine(clock):
    async with connected(Server(clock, Reply(200, {}, b"")), clock) as novita:
        endpoint = novita.serverless.endpoint("e")
        await endpoint.cancel("j")
        assert await endpoint.purge() == {}


async def test_a_refused_cancel_is_not_tried_in_the_older_way(clock):
    server = Server(clock, refusal(403, "FORBIDDEN"))
    async with connected(server, clock) as novita:
        with pytest.raises(APIError, match="FORBIDDEN"):
            await novita.serverless.endpoint("e").cancel("j")
    assert [request.method for request in server.requests] == ["POST"]


# ----------------------------------------------------------------------------------------------- many, and limits


async def test_a_thousand_jobs_at_once_are_run_by_one_scheduler(sim, clock):
    without_debug()
    async with inside(sim, limits=Limits(polls=16, poll_rate=2000)) as novita:
        endpoint = novita.serverless.endpoint("echo")
        submits = (endpoint.run({"number": number}) for number in range(1000))
        most = 0

        def look(_: object) -> None:
            nonlocal most
            most = max(most, novita.stats()["polls_in_flight"])

        outputs = await novita.tasks.wait_all(submits, on_update=look)
    assert [output["number"] for output in outputs] == list(range(1000))
    assert 0 < most <= 16
    assert sent(sim, "run") == 1000
    assert sent(sim, "status") <= 2000


async def test_a_job_over_four_mebibytes_is_not_sent(novita, sim):
    endpoint = novita.serverless.endpoint("double")
    frame = len(b'{"input":""}')
    with pytest.raises(ValidationError, match=f"{MOST + 1} bytes, and the platform takes {MOST} at most"):
        await endpoint.run("x" * (MOST - frame + 1))
    with pytest.raises(ValidationError, match=f"{MOST + 6} bytes"):
        await endpoint.run("x" * (MOST - frame), extra_body={"a": 1})
    assert sim.requests == []
    with pytest.raises(TaskFailed, match="more than"):  # one of just that size is taken, and its output is too large
        await (await endpoint.run("x" * (MOST - frame))).wait()
    body = b'{"input":"' + b"x" * MOST + b'"}'
    headers = {"authorization": f"Bearer {sim.api_key}"}
    refused = await sim.handle(Request("POST", "http://any/v1/echo/run", headers, body))
    assert (refused.status, msgspec.json.decode(refused.body)["reason"]) == (400, "VALIDATOR_PARAM")


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b"{}"])
async def test_what_is_no_job_is_refused_by_the_simulator(sim, body):
    headers = {"authorization": f"Bearer {sim.api_key}"}
    assert (await sim.handle(Request("POST", "http://any/v1/echo/run", headers, body))).status == 400


async def test_a_result_is_lost_after_six_hours_and_that_is_told(novita, clock):
    endpoint = novita.serverless.endpoint("echo")
    task = await endpoint.run({"sleep": 60})
    await clock.sleep(60 + 6 * 3600 - 1)
    assert (await endpoint.status(task.id)).status == "COMPLETED"
    await clock.sleep(2)
    with pytest.raises(NotFound):
        await endpoint.status(task.id)
    with pytest.raises(TaskExpired, match=r"more than 6 hours ago, .* keeps a result for so long"):
        await task.wait()
    young = novita.tasks.get("echo/nothing", kind="serverless")
    with pytest.raises(NotFound):
        await young.wait()


# ------------------------------------------------------------------------------------------------- once, and found


async def test_a_submit_whose_outcome_is_unknown_is_not_repeated(novita, sim):
    sim.fault("POST", "/v1/echo/run", Drop.after_work())
    with pytest.raises(OutcomeUnknown):
        await novita.serverless.endpoint("echo").run(1)
    assert sent(sim, "run") == 1
    sim.fault("POST", "/v1/echo/run", Refuse.rate_limited(retry_after=1), Refuse.with_status(503))
    assert await (await novita.serverless.endpoint("echo").run(2)).wait() == 2
    assert sent(sim, "run") == 4


async def test_jobs_are_found_again_through_the_journal(sim: Simulator, clock: JumpClock, tmp_path: Path):
    path = tmp_path / "journal"
    async with inside(sim, journal=path) as novita:
        endpoint = novita.serverless.endpoint("echo")
        kept, stopped = [await endpoint.run({"sleep": 100, "number": number}) for number in range(2)]
        waiting = asyncio.create_task(kept.wait())
        sim.fault("POST", "/v1/echo/run", Drop.after_work())
        with pytest.raises(OutcomeUnknown):
            await endpoint.run("lost")
        waiting.cancel()  # and here the process dies
        await asyncio.wait({waiting})
    async with inside(sim, journal=path) as novita:
        first, second, lost = await novita.tasks.resume()
        assert isinstance(lost, UnknownSubmit)
        assert (lost.kind, lost.request["body"]) == ("serverless", {"input": "lost"})
        await lost.forget()
        assert isinstance(first, Task)
        assert isinstance(second, Task)
        assert (first.id, second.id) == (kept.id, stopped.id)
        assert first.request is not None
        assert first.request["body"] == {"input": {"sleep": 100, "number": 0}}
        await second.cancel()
        with pytest.raises(TaskFailed, match="was cancelled"):
            await second.wait()
        assert await first.wait() == {"sleep": 100, "number": 0}
        assert await novita.tasks.resume() == []


@pytest.mark.parametrize("id_", ["", "/", "a/b", ".", "..", None, 7])
async def test_what_is_no_id_of_an_endpoint_is_refused(novita, id_):
    with pytest.raises(ValidationError, match="endpoint is not the id"):
        novita.serverless.endpoint(id_)


async def test_other_bad_arguments_are_refused_before_anything_is_sent(novita, sim):
    endpoint = novita.serverless.endpoint("echo")
    for work in (
        endpoint.run(object()),
        endpoint.run(1, timeout=-1),
        endpoint.run(1, extra_headers={"a": "b\n"}),
        endpoint.status(""),
        endpoint.cancel(".."),
        endpoint.wait("j", timeout=0),
        novita.tasks.get("no-slash", kind="serverless").refresh(),
        endpoint.request("G T", "/"),
        endpoint.request("GET", "no-slash"),
        endpoint.request("GET", "/a b"),
        endpoint.request("POST", "/", json={}, body=b""),
        endpoint.request("POST", "/", json=object()),
        endpoint.request("POST", "/", timeout=0),
    ):
        with pytest.raises(ValidationError):
            await work
    assert sim.requests == []


async def test_ids_are_encoded_into_the_gateways_paths(clock):
    server = Server(clock, {"status": "COMPLETED"})
    async with connected(server, clock, endpoint_base_url=GATEWAY) as novita:
        await novita.serverless.endpoint("my endpoint").status("a/b?c")
    assert [request.url for request in server.requests] == [f"{GATEWAY}/my%20endpoint/status/a%2Fb%3Fc"]
    assert server.requests[0].headers["authorization"] == f"Bearer {KEY}"


async def test_a_wrong_key_is_told(sim):
    async with inside(sim, api_key="sk_wrong") as novita:
        for work in (novita.serverless.endpoint("echo").run(1), novita.serverless.get("echo")):
            with pytest.raises(AuthenticationError):
                await work


# ---------------------------------------------------------------------------------------------------- direct calls


async def test_a_direct_call_goes_to_the_endpoints_own_address_without_the_key(novita, sim):
    endpoint = novita.serverless.endpoint("double")
    for value in (1, 2):
        answer = await endpoint.request("POST", "/any/path?a=b", json=value, extra_headers={"x-of-container": "1"})
        assert answer.json() == 2 * value
    calls = [request for request in sim.requests if request.path.startswith("/serverless/")]
    assert [request.query for request in calls] == [{"a": "b"}] * 2
    assert all("authorization" not in request.headers and request.headers["x-of-container"] == "1" for request in calls)
    assert sum(request.path.endswith("/endpoint") for request in sim.requests) == 1  # its address is read once
    known = novita.serverless.endpoint(await novita.serverless.get("double"))
    assert (await known.request("PUT", "/", json=4)).json() == 8


async def test_a_direct_call_may_answer_anything(novita):
    answer = await novita.serverless.endpoint("reply").request("GET", "/")
    assert (answer.status, answer.text, answer.headers["Content-Type"]) == (201, "made", "text/plain")
    with pytest.raises(ProtocolError, match="not JSON"):
        answer.json()
    assert (await novita.serverless.endpoint("bytes").request("POST", "/", body=b"\xff")).body == b"raw"
    with pytest.raises(ServerError, match="ValueError: no None"):
        await novita.serverless.endpoint("fail").request("POST", "/")


async def test_a_streamed_answer_comes_as_it_is_made(novita):
    endpoint = novita.serverless.endpoint("count")
    accept = {"accept": "text/event-stream"}
    async with await endpoint.request("POST", "/", json=3, stream=True, extra_headers=accept) as chunks:
        assert chunks.headers["content-type"] == "text/event-stream"
        assert b"".join([chunk async for chunk in chunks]) == b"data: 0\n\ndata: 1\n\ndata: 2\n\n"
    for _ in range(12):  # whoever leaves early gives the worker back
        async with await endpoint.request("POST", "/", json=1_000_000, stream=True) as chunks:
            assert await anext(chunks) == b"data: 0\n\n"
    await turns()
    assert (await endpoint.stats()).busy_workers == 0


async def test_a_stream_that_goes_silent_is_ended(novita, sim):
    async def silent() -> AsyncIterator[bytes]:
        yield b"one"
        await sim.clock.sleep(1000)

    sim.reply("POST", "/serverless/echo/", Reply(200, {}, silent()))
    endpoint = novita.serverless.endpoint("echo")
    async with await endpoint.request("POST", "/", stream=True) as chunks:
        assert await anext(chunks) == b"one"
        with pytest.raises(StreamStalled):
            await anext(chunks)


async def test_an_endpoint_without_an_address_takes_no_direct_calls(clock):
    server = Server(clock, {"endpoint": {"id": "e", "state": {"state": "stopped"}}})
    async with connected(server, clock) as novita:
        with pytest.raises(ValidationError, match="no address for direct calls; its state is stopped"):
            await novita.serverless.endpoint("e").request("GET", "/")


async def test_only_what_may_be_repeated_is(novita, sim):
    sim.fault("*", "/serverless/echo/", Drop.after_work(), times=2)
    endpoint = novita.serverless.endpoint("echo")
    with pytest.raises(OutcomeUnknown):
        await endpoint.request("POST", "/", json=1)
    assert (await endpoint.request("GET", "/")).json() is None
    assert [request.method for request in sim.requests if request.path == "/serverless/echo/"] == ["POST", "GET", "GET"]


async def test_a_job_waits_on_through_reads_that_fail(novita, sim):
    task = await novita.serverless.endpoint("echo").run({"sleep": 10})
    sim.fault("GET", "/v1/echo/status/*", Refuse.with_status(503), Drop.before_headers(), Refuse.rate_limited())
    assert await task.wait() == {"sleep": 10}
    slow = await novita.serverless.endpoint("echo").run({"sleep": 100})
    with pytest.raises(TaskTimeout, match="IN_PROGRESS"):
        await slow.wait(timeout=20)


async def test_a_run_that_answers_without_an_id_is_no_run(clock):
    async with connected(Server(clock, json_reply({"status": "PENDING"})), clock) as novita:
        with pytest.raises(ProtocolError):
            await novita.serverless.endpoint("e").run(1)
