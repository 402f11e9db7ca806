"""`novita.batches`: single calls, and the round trip of `run`: what is checked, cut, waited for and put in order."""

from __future__ import annotations

import asyncio
import datetime

import msgspec
import openapi
import pytest
from helpers import MODEL, Server, connected, inside, over_sockets, turns

from novita_async import Reply, Simulator
from novita_async.errors import (
    APIError,
    BadRequest,
    OutcomeUnknown,
    ProtocolError,
    TaskFailed,
    TaskTimeout,
    ValidationError,
)
from novita_async.llm.batch_lines import Spool, numbered_requests
from novita_async.llm.completions import Completion
from novita_async.llm.types import ChatCompletion
from novita_async.simulator import Drop, Outcome, Refuse

openapi.operations()  # reads the contract now, and not on the loop of a test
FILES = "/openai/v1/files"
BATCHES = "/openai/v1/batches"
CONTENT = f"{FILES}/*/content"
DOCUMENTED = {
    "id": "batch_1",
    "object": "batch",
    "endpoint": "/v1/chat/completions",
    "input_file_id": "file_1",
    "output_file_id": "",
    "error_file_id": "",
    "completion_window": "48h",
    "errors": "",
    "in_progress_at": None,
    "expires_at": "0001-01-01T00:00:00Z",
    "created_at": "2025-08-11T16:31:52.949816948+08:00",
    "completed_at": 1760000000,
    "status": "PROGRESS",
    "version": 0,
    "total": 3,
    "completed": 2,
    "failed": 0,
    "request_counts": {"total": 3, "completed": 2, "failed": 0},
}


def ask(number=0, **more):
    return {"messages": [{"role": "user", "content": f"question {number}"}], "max_tokens": 3, **more}


def asks(count):
    return [ask(number) for number in range(count)]


async def collect(run):
    async with run:
        return [result async for result in run]


def sent(sim, method, path):
    return [request for request in sim.requests if (request.method, request.path) == (method, path)]


def batch(status, **fields):
    return {**DOCUMENTED, "status": status, **fields}


# -------------------------------------------------------------------------------------------- single calls


async def test_a_batch_is_read_with_all_its_quirks(clock):
    openapi.check_schema("Batch", DOCUMENTED)
    async with connected(Server(clock, DOCUMENTED), clock) as novita:
        read = await novita.batches.retrieve("batch_1")
    assert read.status == "in_progress"
    assert read.raw["status"] == "PROGRESS"
    assert (read.output_file_id, read.error_file_id, read.errors) == (None, None, None)
    offset = datetime.timezone(datetime.timedelta(hours=8))
    assert read.created_at == datetime.datetime(2025, 8, 11, 16, 31, 52, 949817, tzinfo=offset)
    assert read.completed_at == datetime.datetime.fromtimestamp(1760000000, datetime.UTC)
    assert (read.expires_at, read.in_progress_at) == (None, None)
    assert (read.request_counts.total, read.request_counts.completed) == (3, 2)


@pytest.mark.parametrize(
    ("status", "seen"),
    [("COMPLETED", "completed"), ("Validating", "validating"), ("in_progress", "in_progress"), ("newer", "newer")],
)
async def test_statuses_are_compared_without_their_case(clock, status, seen):
    async with connected(Server(clock, batch(status)), clock) as novita:
        assert (await novita.batches.retrieve("batch_1")).status == seen


@pytest.mark.parametrize(
    ("errors", "text"),
    [("bad file", "bad file"), ({"object": "list", "data": [{"message": "one"}, {"message": "two"}]}, "one; two")],
)
async def test_errors_are_text_whatever_their_shape(clock, errors, text):
    async with connected(Server(clock, batch("failed", errors=errors)), clock) as novita:
        assert (await novita.batches.retrieve("batch_1")).errors == text


async def test_creating_sends_what_the_contract_has(clock):
    server = Server(clock, DOCUMENTED)
    async with connected(server, clock) as novita:
        await novita.batches.create(
            input_file_id="file_1", endpoint="/v1/chat/completions", metadata={"a": "b"}, extra_body={"x": 1}
        )
        await novita.batches.cancel("batch_1")
        for bad in ({"input_file_id": ""}, {"endpoint": "chat"}):
            with pytest.raises(ValidationError):
                await novita.batches.create(**{"input_file_id": "f", "endpoint": "/v1/completions", **bad})
        with pytest.raises(ValidationError, match="batch_id"):
            await novita.batches.retrieve("")
    create, cancel = server.requests
    openapi.check_request("POST", BATCHES, create.headers["content-type"], create.body)
    assert msgspec.json.decode(create.body) == {
        "input_file_id": "file_1",
        "endpoint": "/v1/chat/completions",
        "completion_window": "48h",
        "metadata": {"a": "b"},
        "x": 1,
    }
    assert (cancel.method, cancel.url.rpartition("/v1")[2]) == ("POST", "/batches/batch_1/cancel")


@pytest.mark.parametrize("data", [None, [], [DOCUMENTED, batch("completed")]])
async def test_the_list_is_one_page(clock, data):
    answer = {"object": "list", "data": data, "first_id": "", "last_id": "", "has_more": True}
    async with connected(Server(clock, answer), clock) as novita:
        page = await novita.batches.list()
        assert [each.status for each in page.data] == ["in_progress", "completed"][: len(data or ())]
        assert [each.raw for each in page.data] == (data or [])
        assert (page.first_id, page.has_more) == (None, True)
        assert [each async for each in page] == page.data
        assert len([each async for each in novita.batches.list()]) == len(page.data)


async def test_raw_responses_and_waiting_by_id(sim):
    async with inside(sim) as novita:
        line = msgspec.json.encode({"custom_id": "a", "body": {"model": MODEL, **ask()}})
        file = await novita.files.create(file=line)
        raw = await novita.batches.with_raw_response.create(input_file_id=file.id, endpoint="/v1/chat/completions")
        assert raw.status_code == 200
        identifier = raw.parse().id
        assert (await novita.batches.with_raw_response.list()).parse().data[0].id == identifier
        assert (await novita.batches.with_raw_response.retrieve(identifier)).parse().status == "validating"
        ended = await novita.tasks.wait(identifier, kind="batch")
        assert ended.status == "completed"
        assert ended.request_counts.completed == 1


# ---------------------------------------------------------------------------------------------- round trip


async def test_results_come_in_the_order_of_the_requests(clock):
    async with Simulator(clock=clock) as sim, over_sockets(sim) as novita:
        run = await novita.batches.run(asks(700), model=MODEL)
        assert run.total == 700
        results = await collect(run)
        assert [result.index for result in results] == list(range(700))
        assert [result.custom_id for result in results[:2]] == ["request-000001", "request-000002"]
        assert all(isinstance(result.value, ChatCompletion) and result.error is None for result in results)
        output = (await novita.batches.retrieve(run.batch_ids[0])).output_file_id
        lines = [msgspec.json.decode(line) async for line in (await novita.files.content(output)).aiter_lines()]
        assert [line["custom_id"] for line in lines] != [result.custom_id for result in results], "it did the sorting"
        by_id = {line["custom_id"]: line for line in lines}
        assert all(result.raw == by_id[result.custom_id] for result in results)
        for line in lines[:3]:
            openapi.check_schema("BatchOutputLine", line)
    assert run.problems == []


async def test_what_was_uploaded_is_what_was_given(sim):
    requests = [
        {"custom_id": "mine", "body": ask(1), "method": "POST", "url": "/v1/chat/completions"},
        ask(2, model=MODEL),
        {"body": ask(3, temperature=0.5)},
    ]
    async with inside(sim) as novita:
        await collect(await novita.batches.run(requests, model=MODEL, metadata={"who": "me"}))
        (file,) = [file for file in (await novita.files.list()).data if file.purpose == "batch"]
        lines = [msgspec.json.decode(line) async for line in (await novita.files.content(file.id)).aiter_lines()]
        for line in lines:
            openapi.check_schema("BatchInputLine", line)
        assert lines[0] == {**requests[0], "body": {**ask(1), "model": MODEL}}
        assert lines[1] == {"custom_id": "request-000002", "body": ask(2, model=MODEL)}
        assert lines[2] == {"custom_id": "request-000003", "body": {**ask(3, temperature=0.5), "model": MODEL}}
        assert (await novita.batches.list()).data[0].metadata == {"who": "me"}


async def _as_they_come(requests):
    for request in requests:
        await asyncio.sleep(0)
        yield request


@pytest.mark.parametrize("kind", ["list", "generator", "async generator", "path", "text path"])
async def test_requests_come_from_anywhere(sim, tmp_path, kind):
    requests = [{"custom_id": f"id {number}", "body": ask(number)} for number in range(5)]
    path = tmp_path / "requests.jsonl"
    path.write_bytes(b"\n\n".join(msgspec.json.encode(request) for request in requests))  # blank lines are none
    given = {
        "list": requests,
        "generator": (request for request in requests),
        "async generator": _as_they_come(requests),
        "path": path,
        "text path": str(path),
    }[kind]
    async with inside(sim) as novita:
        results = await collect(await novita.batches.run(given, model=MODEL))
    assert [result.custom_id for result in results] == [f"id {number}" for number in range(5)]


async def test_text_completions_are_batched_too(clock):
    line = {"custom_id": "request-000001", "response": {"status_code": 200, "body": {"choices": [{"text": "x"}]}}}
    async with Simulator(clock=clock) as sim, inside(sim) as novita:
        sim.reply("GET", CONTENT, Reply(200, {}, msgspec.json.encode(line)), times=None)
        (result,) = await collect(
            await novita.batches.run([{"prompt": "1 + 1"}], model=MODEL, endpoint="/v1/completions")
        )
    assert isinstance(result.value, Completion)
    assert result.value.choices[0].text == "x"


async def test_refused_requests_have_their_error_and_the_others_their_answer(sim):
    async with inside(sim) as novita:
        results = await collect(await novita.batches.run([ask(0), ask(1, max_tokens=10**9), ask(2)], model=MODEL))
    refused = results[1]
    assert [result.error is None for result in results] == [True, False, True]
    assert isinstance(refused.error, BadRequest)
    assert refused.value is None
    assert (refused.error.status, refused.error.reason) == (400, "INVALID_REQUEST_BODY")
    assert "max_tokens" in refused.error.message
    assert refused.raw["custom_id"] == "request-000002"


# -------------------------------------------------------------------------------------------------- checks


@pytest.mark.parametrize(
    ("requests", "complaint"),
    [
        ([], "requests is empty"),
        ([ask(), 7], "requests[1] must be a dict, got int"),
        ([{"custom_id": "a"}], "requests[0]: body must be a dict"),
        ([{"custom_id": "a", "body": [1]}], "requests[0]: body must be a dict, got list"),
        ([{"custom_id": "", "body": ask()}], "requests[0]: custom_id must be text that is not empty"),
        ([{"custom_id": 7, "body": ask()}], "requests[0]: custom_id must be text that is not empty, got 7"),
        ([{"custom_id": "a", "body": ask()}] * 2, "requests[1]: custom_id 'a' is used twice"),
        ([{}], "requests[0]: messages is missing or empty"),
        ([{"messages": []}], "requests[0]: messages is missing or empty"),
        ([{"messages": "hello"}], "requests[0]: messages must be a list, got str"),
        ([ask(), ask(model="other/model")], "requests[1]: model is 'other/model', and all requests must name the same"),
        ([ask(stream=True)], "requests[0]: stream is set, and a batch does not stream"),
        ([ask(tools=[object()])], "requests[0] cannot be written as JSON"),
        ([{"body": ask(), "method": "GET"}], "requests[0]: method must be POST"),
        ([{"body": ask(), "url": "/v1/completions"}], "requests[0]: url is '/v1/completions'"),
        (7, "requests must be an iterable of dicts or the path of a file, got int"),
        ({"messages": []}, "requests must be an iterable of dicts or the path of a file, got dict"),
        ("/no/such/file.jsonl", "'/no/such/file.jsonl' cannot be read"),
    ],
)
async def test_what_is_wrong_is_found_before_anything_is_sent(clock, requests, complaint):
    server = Server(clock, {})
    async with connected(server, clock) as novita:
        with pytest.raises(ValidationError) as refused:
            await novita.batches.run(requests, model=MODEL)
    assert complaint in str(refused.value)
    assert server.requests == []


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"model": None}, "model is missing: name it in the request or with model="),
        ({"model": ""}, "model must be the id of a model"),
        ({"endpoint": "/v1/embeddings"}, "endpoint must be"),
        ({"endpoint": "/v1/completions"}, "prompt is missing or empty"),
        ({"on_abandon": "forget"}, "on_abandon must be"),
        ({"timeout": -1}, "timeout"),
    ],
)
async def test_options_that_cannot_be_are_found_before_anything_is_sent(clock, options, complaint):
    server = Server(clock, {})
    async with connected(server, clock) as novita:
        with pytest.raises(ValidationError, match=complaint):
            await novita.batches.run([ask()], **{"model": MODEL, **options})
    assert server.requests == []


async def test_all_findings_are_told_at_once_and_not_without_end(clock):
    requests = [{"custom_id": "", "body": {"model": 7}}, *([3] * 200)]
    async with connected(Server(clock, {}), clock) as novita:
        with pytest.raises(ValidationError) as refused:
            await novita.batches.run(requests)
    problems = refused.value.problems
    assert [problem.partition(":")[0] for problem in problems[:3]] == ["requests[0]"] * 3
    assert len(problems) == 101
    assert problems[-1] == "and 103 more findings"


async def test_a_malformed_line_of_a_file_is_told_by_its_number(clock, tmp_path):
    path = tmp_path / "requests.jsonl"
    path.write_bytes(msgspec.json.encode(ask()) + b'\n\n{"messages": [\nnull\n')
    async with connected(Server(clock, {}), clock) as novita:
        with pytest.raises(ValidationError) as refused:
            await novita.batches.run(path, model=MODEL)
    assert len(refused.value.problems) == 2
    assert refused.value.problems[0].startswith("line 3: Input data was truncated")
    assert refused.value.problems[1] == "line 4 must be a dict, got NoneType"


async def test_an_error_of_the_callers_own_iterable_is_the_callers(clock):
    def broken():
        yield ask()
        raise KeyError("mine")

    async with connected(Server(clock, {}), clock) as novita:
        with pytest.raises(KeyError, match="mine"):
            await novita.batches.run(broken(), model=MODEL)


# ----------------------------------------------------------------------------------------------- splitting


@pytest.mark.parametrize(
    ("limits", "counts"),
    [({}, [7]), ({"max_lines": 3}, [3, 3, 1]), ({"max_bytes": 300}, [2, 2, 2, 1])],
)
@pytest.mark.blocks
async def test_too_many_requests_go_into_several_files(limits, counts):
    spool = Spool("/v1/chat/completions", MODEL, **limits)
    assert not spool.take(numbered_requests(asks(7)), 10)
    spool.finish()
    assert [part.count for part in spool.files] == counts
    assert [part.first for part in spool.files] == [sum(counts[:number]) for number in range(len(counts))]
    for part in spool.files:
        part.file.seek(0)
        assert part.size == len(part.file.read()) <= limits.get("max_bytes", 10**9)
    spool.close()


@pytest.mark.blocks
async def test_a_request_that_fits_into_no_file_is_refused():
    spool = Spool("/v1/chat/completions", MODEL, max_bytes=300)
    spool.take(numbered_requests([ask(), ask(user="x" * 300)]), 10)
    with pytest.raises(ValidationError, match=r"requests\[1\] has \d+ bytes, and a file at most 300"):
        spool.finish()
    spool.close()


async def test_several_batches_give_one_row_of_results(sim, monkeypatch):
    monkeypatch.setitem(Spool.__init__.__kwdefaults__, "max_lines", 4)
    async with inside(sim) as novita:
        run = await novita.batches.run(asks(10), model=MODEL)
        assert len(run.batch_ids) == 3
        results = await collect(run)
    assert [result.index for result in results] == list(range(10))
    assert all(result.value for result in results)
    assert len(sent(sim, "POST", FILES)) == len(sent(sim, "POST", BATCHES)) == 3


# --------------------------------------------------------------------------------------- what comes back


def _spoiled(change):
    """A fault that changes the lines of a file on their way to the client."""

    async def fault(call, answer, stage):
        reply = await answer()
        lines = b"".join([chunk async for chunk in reply.body]).splitlines(keepends=True)
        return Reply(200, {"content-type": "application/octet-stream"}, b"".join(change(lines)))

    return fault


async def test_a_malformed_line_is_told_by_its_number_and_the_rest_is_delivered(sim):
    def change(lines):  # the last request comes first
        return [b"<html>\n", lines[0][:90] + b"\n", *lines[1:3], b'{"custom_id": "stranger"}\n', *lines[2:4]]

    sim.fault("GET", CONTENT, _spoiled(change))
    async with inside(sim) as novita:
        run = await novita.batches.run(asks(5), model=MODEL)
        results = await collect(run)
    assert [result.error is None for result in results] == [False, True, True, True, False]
    lost, cut = results[0], results[4]
    assert isinstance(cut.error, ProtocolError)
    assert str(cut.error).startswith("line 2 of the output file file_")
    assert isinstance(lost.error, APIError)
    assert (lost.error.reason, lost.raw) == ("no_result", {})
    assert "lines of the result files belong to no request" in lost.error.message
    assert [problem.partition(" of the ")[0] for problem in run.problems] == ["line 1", "line 2", "line 5", "line 6"]


@pytest.mark.parametrize(
    ("line", "kind", "reason"),
    [
        ({"error": {"code": "RATE_LIMIT_EXCEEDED", "message": "slow"}}, "RateLimited", "RATE_LIMIT_EXCEEDED"),
        ({"error": {"code": 404, "message": "gone"}}, "NotFound", ""),
        ({"error": "it broke"}, "APIError", ""),
        ({"response": {"status_code": 500, "body": None}, "error": None}, "ServerError", ""),
        ({"response": {"status_code": 200, "body": {"code": 429, "reason": "X", "message": "m"}}}, "RateLimited", "X"),
        ({"response": {"status_code": 200, "body": {"nothing": 1}}}, "ProtocolError", None),
        ({"response": None, "error": None}, "ProtocolError", None),
        ({"response": 7}, "ProtocolError", None),
    ],
)
async def test_errors_of_lines_are_read_in_every_shape(sim, line, kind, reason):
    whole = msgspec.json.encode({"custom_id": "request-000001", **line})
    sim.reply("GET", CONTENT, Reply(200, {}, whole), times=None)
    async with inside(sim) as novita:
        (result,) = await collect(await novita.batches.run([ask()], model=MODEL))
    assert type(result.error).__name__ == kind
    assert result.value is None
    if reason is not None:
        assert result.error.reason == reason


@pytest.mark.parametrize("how", ["outcome", "window"])
async def test_what_an_expired_batch_has_done_is_delivered(clock, how):
    seconds = 10 if how == "outcome" else 96 * 3600
    async with Simulator(clock=clock, batch_seconds=seconds) as sim:
        if how == "outcome":
            sim.fault("POST", BATCHES, Outcome.expired())
        async with inside(sim, cadence=lambda progress: seconds / 20) as novita:
            results = await collect(await novita.batches.run(asks(20), model=MODEL))
    done = [result.index for result in results if result.value]
    assert len(results) == 20
    assert 5 <= len(done) <= 10
    assert {result.error.reason for result in results if result.error} == {"batch_expired"}


async def test_what_a_cancelled_batch_has_done_is_delivered(clock):
    async with Simulator(clock=clock, batch_seconds=100) as sim, inside(sim) as novita:
        run = await novita.batches.run(asks(20), model=MODEL)
        await clock.sleep(60)
        await novita.batches.cancel(run.batch_ids[0])
        results = await collect(run)
    done = [result for result in results if result.value]
    assert len(done) == 11  # nine tenths of the time are work
    assert {result.error.reason for result in results if result.error} == {"batch_cancelled"}
    assert "cancelled before this request was done" in str(results[0].error)


async def test_a_batch_that_failed_raises_with_its_words(sim):
    sim.fault("POST", BATCHES, Outcome.failed("the file is no good"))
    async with inside(sim) as novita:
        run = await novita.batches.run(asks(3), model=MODEL)
        async with run:
            with pytest.raises(TaskFailed, match="the file is no good") as failed:
                await anext(run)
    assert failed.value.task_id == run.batch_ids[0]


async def test_the_wait_ends_when_its_time_is_over_and_the_batch_goes_on(clock):
    async with Simulator(clock=clock, batch_seconds=100) as sim, inside(sim) as novita:
        run = await novita.batches.run(asks(3), model=MODEL, timeout=30)
        with pytest.raises(TaskTimeout):
            await anext(run)
        await clock.sleep(100)
        assert len(await collect(run)) == 3  # what ended meanwhile is still to be had


async def test_waiting_is_for_the_one_scheduler_of_the_client(sim):
    async with inside(sim) as novita:
        runs = [await novita.batches.run(asks(2), model=MODEL) for _ in range(5)]
        waiting = [asyncio.ensure_future(collect(run)) for run in runs]
        await turns()
        assert novita.stats()["waiting"] == 5
        assert [len(results) for results in await asyncio.gather(*waiting)] == [2] * 5


async def test_a_download_that_breaks_off_is_begun_again(sim):
    async with inside(sim) as novita:
        sim.fault("GET", CONTENT, Drop.in_body(after=1))
        results = await collect(await novita.batches.run(asks(50), model=MODEL))
    assert all(result.value for result in results)


async def test_a_run_that_is_over_stays_over(sim):
    async with inside(sim) as novita:
        run = await novita.batches.run(asks(2), model=MODEL)
        assert len([result async for result in run]) == 2
        assert [result async for result in run] == []
        await run.aclose()
        assert run.batch_ids[0] in repr(run)


# ------------------------------------------------------------------------------------------------ leaving


@pytest.mark.parametrize(("on_abandon", "status"), [("leave", "completed"), ("cancel", "cancelled")])
@pytest.mark.parametrize("how", ["cancelled", "closed"])
async def test_whoever_leaves_decides_what_becomes_of_the_batches(clock, on_abandon, status, how):
    async with Simulator(clock=clock, batch_seconds=100) as sim, inside(sim) as novita:
        run = await novita.batches.run(asks(4), model=MODEL, on_abandon=on_abandon)
        if how == "cancelled":
            waiting = asyncio.ensure_future(anext(run))
            await clock.sleep(30)
            waiting.cancel()
            with pytest.raises(asyncio.CancelledError):
                await waiting
        await run.aclose()
        assert (await novita.tasks.wait(run.batch_ids[0], kind="batch")).status == status


async def test_cancelled_while_it_is_created_no_batch_is_left_when_so_told(clock):
    async with Simulator(clock=clock, batch_seconds=1000) as sim, inside(sim) as novita:

        async def late(call, answer, stage):
            reply = await answer()
            await clock.sleep(2)
            return reply

        sim.fault("POST", BATCHES, late)
        starting = asyncio.ensure_future(novita.batches.run(asks(4), model=MODEL, on_abandon="cancel"))
        await clock.sleep(1)
        starting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await starting
        await clock.sleep(200)
        assert [each.status for each in (await novita.batches.list()).data] == ["cancelled"]


# ---------------------------------------------------------------------------------------- unknown creates


async def test_a_create_whose_answer_was_lost_is_found_by_its_file_and_not_sent_again(sim):
    sim.fault("POST", BATCHES, Drop.after_work())
    async with inside(sim) as novita:
        results = await collect(await novita.batches.run(asks(3), model=MODEL))
    assert all(result.value for result in results)
    assert len(sent(sim, "POST", BATCHES)) == 1


async def test_a_create_that_is_nowhere_to_be_found_is_told_as_unknown_and_not_sent_again(sim):
    sim.fault("POST", BATCHES, Drop.before_headers())
    async with inside(sim) as novita:
        with pytest.raises(OutcomeUnknown):
            await novita.batches.run(asks(3), model=MODEL)
    assert len(sent(sim, "POST", BATCHES)) == 1


async def test_a_create_that_was_refused_tells_what_runs_already(sim, monkeypatch):
    monkeypatch.setitem(Spool.__init__.__kwdefaults__, "max_lines", 2)
    async with inside(sim) as novita:
        sim.fault("POST", BATCHES, Outcome.succeeded(after=5), Refuse.with_status(400))
        with pytest.raises(BadRequest) as refused:
            await novita.batches.run(asks(4), model=MODEL)
        (first,) = (await novita.batches.list()).data
    assert first.id in refused.value.__notes__[0]


async def test_what_the_answers_of_a_run_used_is_counted(sim):
    async with inside(sim) as novita:
        results = await collect(await novita.batches.run(asks(5), model=MODEL))
        used = novita.usage.of(MODEL)
        assert used.requests == 5
        assert used.total_tokens == sum(result.value.usage.total_tokens for result in results)
