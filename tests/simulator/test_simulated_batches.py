"""Files and batches of the simulator: every answer is the contract's, the life of a batch follows the clock, and the
`openai` package cannot tell."""

from __future__ import annotations

import asyncio
import datetime
import tempfile
from typing import TYPE_CHECKING

import msgspec
import openai
import openapi
import pytest

from novita_async.errors import ConnectError
from novita_async.simulator import Outcome, Simulator
from novita_async.transport.protocol import Request

if TYPE_CHECKING:
    import pathlib

openapi.operations()  # reads the contract now, and not on the loop of a test
FILES = "/openai/v1/files"
BATCHES = "/openai/v1/batches"
MODEL = "deepseek/deepseek-v3.2"
DAY = 86_400


def line(number, **body):
    request = {"model": MODEL, "messages": [{"role": "user", "content": f"question {number}"}], "max_tokens": 2, **body}
    return msgspec.json.encode({"custom_id": f"id-{number}", "body": request})


def lines(count, **body):
    return b"\n".join(line(number, **body) for number in range(count))


def form(content, *, purpose="batch", name="requests.jsonl"):
    boundary = "limit"
    parts = b""
    if purpose is not None:
        parts += f'--{boundary}\r\nContent-Disposition: form-data; name="purpose"\r\n\r\n{purpose}\r\n'.encode()
    if content is not None:
        head = f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\n\r\n'
        parts += head.encode() + content + b"\r\n"
    return parts + f"--{boundary}--\r\n".encode()


class Api:
    """Every answer that passes here was judged by the contract."""

    def __init__(self, client):
        self._client = client

    async def __call__(self, method, path, body=None, **headers):
        answer = await self._client(method, path, body, **headers)
        openapi.check_response(method, path, answer.status, answer.headers["content-type"], answer.body)
        return answer

    async def upload(self, content, **options):
        return await self("POST", FILES, form(content, **options), content_type="multipart/form-data; boundary=limit")

    async def create(self, file_id, **fields):
        body = {"input_file_id": file_id, "endpoint": "/v1/chat/completions", **fields}
        return await self("POST", BATCHES, body)

    async def started(self, content, **fields):
        return (await self.create((await self.upload(content)).json()["id"], **fields)).json()["id"]

    async def batch(self, identifier):
        return (await self("GET", f"{BATCHES}/{identifier}")).json()

    async def lines(self, identifier):
        content = await self("GET", f"{FILES}/{identifier}/content")
        found = [msgspec.json.decode(each) for each in content.body.splitlines()]
        for each in found:
            openapi.check_schema("BatchOutputLine", each)
        return found


@pytest.fixture
def api(api):
    return Api(api)


@pytest.fixture
async def slow(clock):
    """A simulator whose batches take a hundred seconds, ten of which are for looking through the input."""
    async with Simulator(clock=clock, batch_seconds=100) as simulator:
        yield simulator


@pytest.fixture
def api_of(api):
    """Makes an `Api` for another simulator."""
    return lambda simulator: Api(type(api._client)(simulator))


@pytest.fixture
def slow_api(slow, api_of):
    return api_of(slow)


# --------------------------------------------------------------------------------------------------- files


async def test_the_life_of_a_file(api, clock):
    file = (await api.upload(lines(3), name="mine.jsonl")).json()
    assert file["id"].startswith("file_")
    assert (file["bytes"], file["filename"], file["purpose"]) == (len(lines(3)), "mine.jsonl", "batch")
    assert (file["created_at"], file["metadata"]) == (int(clock.time()), {"total_requests": 3})
    assert (await api("GET", f"{FILES}/{file['id']}")).json() == file
    listed = (await api("GET", FILES)).json()
    assert (listed["code"], listed["data"]) == ("200", [file])
    assert (await api("GET", f"{FILES}/{file['id']}/content")).body == lines(3)
    assert (await api("DELETE", f"{FILES}/{file['id']}")).json() == {
        "id": file["id"],
        "object": "file",
        "deleted": True,
    }
    for path in ("", "/content"):
        assert (await api("GET", f"{FILES}/{file['id']}{path}")).status == 404
    assert (await api("GET", FILES)).json()["data"] == []


@pytest.mark.parametrize("size", [1, 7, 100_000])
async def test_a_form_may_come_in_pieces_of_any_size(sim, size):
    body = form(lines(20))

    async def pieces():
        for start in range(0, len(body), size):
            yield body[start : start + size]

    headers = {"authorization": f"Bearer {sim.api_key}", "content-type": "multipart/form-data; boundary=limit"}
    reply = await sim.handle(Request("POST", sim.base_url + FILES, headers, pieces()))
    assert (reply.status, msgspec.json.decode(reply.body)["bytes"]) == (200, len(lines(20)))


async def test_uploads_that_are_refused(api):
    for options in ({"purpose": "fine-tune"}, {"purpose": None}):
        refused = await api.upload(lines(1), **options)
        assert (refused.status, refused.json()["reason"]) == (400, "INVALID_REQUEST_BODY")
    assert "file is required" in (await api.upload(None)).json()["message"]
    cut = await api("POST", FILES, form(lines(1))[:-9], content_type="multipart/form-data; boundary=limit")
    assert (cut.status, "multipart" in cut.json()["message"]) == (400, True)
    assert (await api("POST", FILES, {"purpose": "batch"})).status == 400
    assert (await api("GET", FILES, key=None)).status == 403
    assert (await api("GET", FILES, key="sk_wrong")).status == 401
    assert (await api("GET", FILES)).json()["data"] == []


async def test_a_file_over_100_mb_is_refused_while_it_comes(sim):
    head, tail = form(b"#").split(b"#")
    read = 0

    async def pieces():
        nonlocal read
        yield head
        for _ in range(200):
            read += 1
            yield bytes(1 << 20)
        yield tail

    headers = {"authorization": f"Bearer {sim.api_key}", "content-type": "multipart/form-data; boundary=limit"}
    reply = await sim.handle(Request("POST", sim.base_url + FILES, headers, pieces()))
    assert (reply.status, b"100 MB" in reply.body, read) == (400, True, 101)


async def test_files_go_when_their_time_is_over(api, clock):
    identifier = await api.started(lines(2))
    await clock.sleep(3)
    batch = await api.batch(identifier)
    output = (await api("GET", f"{FILES}/{batch['output_file_id']}")).json()
    assert (output["purpose"], output["metadata"]) == ("batch_output", {})
    assert output["expires_at"] - output["created_at"] == 30 * DAY
    await clock.sleep(15 * DAY)
    assert (await api("GET", f"{FILES}/{batch['input_file_id']}")).status == 404
    assert [file["id"] for file in (await api("GET", FILES)).json()["data"]] == [output["id"]]
    await clock.sleep(15 * DAY)
    assert (await api("GET", f"{FILES}/{output['id']}/content")).status == 404


async def test_files_are_on_disk_and_gone_with_the_simulator(clock, api_of, tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    async with Simulator(clock=clock) as simulator:
        api = api_of(simulator)
        assert list(tmp_path.iterdir()) == [], "nothing is made before it is needed"
        await api.upload(lines(2))
        (file,) = [path for path in tmp_path.rglob("*") if path.is_file()]
        assert (await clock.to_thread(file.read_bytes)) == lines(2)
    assert list(tmp_path.iterdir()) == []
    await simulator.aclose()
    with pytest.raises(ConnectError):
        await api("GET", FILES)


# ------------------------------------------------------------------------------------------ life of a batch


async def test_a_batch_goes_through_its_states_on_the_clock(slow_api, clock):
    identifier = await slow_api.started(lines(90), completion_window="24h", metadata={"who": "me"})
    seen = []
    for wait in (0, 5, 6, 44, 44, 2):
        await clock.sleep(wait)
        batch = await slow_api.batch(identifier)
        counts = batch["request_counts"]
        assert counts == {name: batch[name] for name in ("total", "completed", "failed")}
        seen.append((batch["status"], counts["completed"]))
        assert (batch["output_file_id"] != "") == (batch["status"] == "completed")
    assert seen == [
        ("validating", 0),
        ("validating", 0),
        ("progress", 1),
        ("progress", 45),
        ("progress", 89),
        ("completed", 90),
    ]
    assert (batch["error_file_id"], batch["errors"]) == ("", "")
    assert (batch["completion_window"], batch["metadata"]) == ("24h", {"who": "me"})
    assert batch["created_at"].endswith("+08:00")
    assert len(batch["created_at"].partition(".")[2]) == len("000000000+08:00")
    moments = [datetime.datetime.fromisoformat(batch[name][:26] + "+08:00") for name in ("created_at", "completed_at")]
    assert moments[1] - moments[0] == datetime.timedelta(seconds=100)
    assert batch["cancelled_at"] is None


async def test_output_is_complete_and_in_another_order_than_the_input(api, clock):
    identifier = await api.started(lines(300))
    await clock.sleep(3)
    batch = await api.batch(identifier)
    output = await api.lines(batch["output_file_id"])
    assert sorted(each["custom_id"] for each in output) == sorted(f"id-{number}" for number in range(300))
    assert [each["custom_id"] for each in output[:2]] == ["id-299", "id-298"]
    first = output[0]
    assert first["response"]["request_id"] == first["custom_id"]
    openapi.check_schema("ChatCompletion", first["response"]["body"])
    assert len({each["id"] for each in output}) == len({each["response"]["body"]["id"] for each in output}) == 300


async def test_refused_lines_go_into_the_error_file(api, clock):
    identifier = await api.started(line(1) + b"\n\n" + line(2, max_tokens=10**9) + b"\n" + line(3, messages=[]))
    await clock.sleep(3)
    batch = await api.batch(identifier)
    assert batch["request_counts"] == {"total": 3, "completed": 1, "failed": 2}
    assert [each["custom_id"] for each in await api.lines(batch["output_file_id"])] == ["id-1"]
    refused = await api.lines(batch["error_file_id"])
    assert [each["custom_id"] for each in refused] == ["id-3", "id-2"]
    assert {each["response"]["status_code"] for each in refused} == {400}
    assert {each["error"]["code"] for each in refused} == {"INVALID_REQUEST_BODY"}


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"{}", "line 1: Object missing required field `custom_id`"),
        (line(1) + b"\nnonsense", "line 2"),
        (line(1) + b"\n" + line(1), "line 2: custom_id 'id-1' is empty or used twice"),
        (line(1) + b"\n" + line(2, model="openai/gpt-oss-20b"), "must name the same model"),
        (line(1, model="no/such-model"), "model no/such-model does not support batches"),
        (line(1, model="baai/bge-m3"), "model baai/bge-m3 does not support batches"),
        (b"\n", "the file has no requests"),
    ],
)
async def test_bad_input_fails_the_batch_when_it_was_looked_through(api, clock, content, words):
    identifier = await api.started(content)
    assert (await api.batch(identifier))["status"] == "validating"
    await clock.sleep(3)
    batch = await api.batch(identifier)
    assert (batch["status"], words in batch["errors"]) == ("failed", True)
    assert batch["output_file_id"] == batch["error_file_id"] == ""
    assert batch["failed_at"] is not None


async def test_more_than_50000_requests_fail_the_batch(api, clock):
    identifier = await api.started(lines(50_001))
    await clock.sleep(3)
    assert "at most 50000 are allowed" in (await api.batch(identifier))["errors"]


async def test_creates_that_are_refused(api, clock):
    file = (await api.upload(lines(1))).json()["id"]
    assert (await api.create("file_unknown")).status == 404
    assert (await api.create(file, endpoint="/v1/embeddings")).status == 400
    assert (await api("POST", BATCHES, {"endpoint": "/v1/chat/completions"})).status == 400
    identifier = (await api.create(file)).json()["id"]
    await clock.sleep(3)
    output = (await api.batch(identifier))["output_file_id"]
    assert "not for batches" in (await api.create(output)).json()["message"]
    for method, path in (("GET", ""), ("POST", "/cancel")):
        assert (await api(method, f"{BATCHES}/batch_unknown{path}")).status == 404


async def test_input_that_is_deleted_meanwhile_fails_the_batch(slow_api, clock):
    identifier = await slow_api.started(lines(5))
    await clock.sleep(20)
    batch = await slow_api.batch(identifier)
    await slow_api("DELETE", f"{FILES}/{batch['input_file_id']}")
    await clock.sleep(50)
    batch = await slow_api.batch(identifier)
    assert (batch["status"], batch["errors"]) == ("failed", "the input file was deleted")


async def test_a_cancelled_batch_delivers_what_was_done(slow_api, clock):
    identifier = await slow_api.started(lines(90))
    await clock.sleep(55)
    cancelling = (await slow_api("POST", f"{BATCHES}/{identifier}/cancel", {})).json()
    assert (cancelling["status"], cancelling["output_file_id"]) == ("cancelling", "")
    await clock.sleep(4)
    assert (await slow_api.batch(identifier))["status"] == "cancelling"
    await clock.sleep(2)
    batch = await slow_api.batch(identifier)
    assert (batch["status"], batch["request_counts"]) == ("cancelled", {"total": 90, "completed": 45, "failed": 0})
    assert len(await slow_api.lines(batch["output_file_id"])) == 45
    assert (await slow_api("POST", f"{BATCHES}/{identifier}/cancel")).json() == batch


async def test_cancelled_before_it_began_there_is_nothing_to_deliver(slow_api, clock):
    identifier = await slow_api.started(lines(9))
    await slow_api("POST", f"{BATCHES}/{identifier}/cancel")
    await clock.sleep(50)
    batch = await slow_api.batch(identifier)
    assert (batch["status"], batch["output_file_id"], batch["in_progress_at"]) == ("cancelled", "", None)


async def test_what_has_ended_cannot_be_cancelled(api, clock):
    identifier = await api.started(lines(2))
    await clock.sleep(3)
    assert (await api("POST", f"{BATCHES}/{identifier}/cancel")).status == 400


@pytest.mark.parametrize(
    ("outcome", "wait", "status", "done"),
    [
        (Outcome.failed("no luck"), 20, "failed", 0),
        (Outcome.failed("no luck", after=55), 60, "failed", 0),
        (Outcome.expired(), 60, "expired", 40),
        (Outcome.expired(after=30), 60, "expired", 20),
        (Outcome.succeeded(after=10), 11, "completed", 90),
        (Outcome.unknown("moonlit"), 20, "moonlit", 0),
    ],
)
async def test_how_it_ends_can_be_asked_for(slow, slow_api, clock, outcome, wait, status, done):
    slow.fault("POST", BATCHES, outcome)
    identifier = (await slow_api.create((await slow_api.upload(lines(90))).json()["id"])).json()["id"]
    await clock.sleep(wait)
    batch = (await slow_api._client("GET", f"{BATCHES}/{identifier}")).json()  # what nobody knows is not the contract's
    assert (batch["status"], batch["request_counts"]["completed"]) == (status, done)
    if outcome.reason:
        assert batch["errors"] == "no luck"


async def test_a_batch_that_takes_longer_than_its_window_expires(clock, api_of):
    async with Simulator(clock=clock, batch_seconds=96 * 3600) as simulator:
        api = api_of(simulator)
        identifier = await api.started(lines(9))
        await clock.sleep(47 * 3600)
        assert (await api.batch(identifier))["status"] == "progress"
        await clock.sleep(3600)
        batch = await api.batch(identifier)
        assert (batch["status"], batch["request_counts"]["completed"]) == ("expired", 4)
        assert len(await api.lines(batch["output_file_id"])) == 4


async def test_the_list_shouts_its_states(api, clock):
    first, second = await api.started(lines(1)), await api.started(lines(1))
    await clock.sleep(3)
    listed = (await api("GET", BATCHES)).json()
    assert [(batch["id"], batch["status"]) for batch in listed["data"]] == [
        (second, "COMPLETED"),
        (first, "COMPLETED"),
    ]
    assert (listed["first_id"], listed["last_id"], listed["has_more"]) == (second, first, False)


async def test_a_look_that_is_broken_off_leaves_the_rest_to_the_next_one(api, clock):
    identifier = await api.started(lines(2000))
    await clock.sleep(3)
    looking = asyncio.ensure_future(api.batch(identifier))
    for _ in range(40):
        await asyncio.sleep(0)
    looking.cancel()
    await asyncio.gather(looking, return_exceptions=True)
    batch = await api.batch(identifier)
    assert batch["request_counts"]["completed"] == 2000
    assert len({each["custom_id"] for each in await api.lines(batch["output_file_id"])}) == 2000


# -------------------------------------------------------------------------------------- the openai package


async def test_the_openai_package_cannot_tell(tmp_path):
    path = tmp_path / "requests.jsonl"
    path.write_bytes(lines(4))
    async with (
        Simulator(batch_seconds=0.2) as sim,
        sim.serve() as served,
        openai.AsyncOpenAI(api_key=sim.api_key, base_url=f"{served.url}/openai/v1") as client,
    ):
        file = await client.files.create(file=path, purpose="batch")
        batch = await client.batches.create(
            input_file_id=file.id, endpoint="/v1/chat/completions", completion_window="24h", metadata={"a": "b"}
        )
        assert batch.status == "validating"
        while batch.status != "completed":
            await asyncio.sleep(0.05)
            batch = await client.batches.retrieve(batch.id)
        assert batch.request_counts.completed == 4
        content = await client.files.content(batch.output_file_id)
        assert len(content.text.splitlines()) == 4
        assert [each.id async for each in client.batches.list()] == [batch.id]
        assert {each.id async for each in client.files.list()} == {file.id, batch.output_file_id}
        with pytest.raises(openai.BadRequestError):
            await client.batches.cancel(batch.id)
        assert (await client.files.delete(file.id)).deleted
        with pytest.raises(openai.NotFoundError):
            await client.files.retrieve(file.id)


def _with_the_sync_client(url: str, key: str, path: pathlib.Path) -> int:
    with openai.OpenAI(api_key=key, base_url=url) as client, path.open("rb") as opened:
        file = client.files.create(file=opened, purpose="batch")
        batch = client.batches.create(input_file_id=file.id, endpoint="/v1/chat/completions", completion_window="24h")
        assert client.batches.cancel(batch.id).status == "cancelling"
        batch = client.batches.create(input_file_id=file.id, endpoint="/v1/chat/completions", completion_window="24h")
        while client.batches.retrieve(batch.id).status != "completed":
            pass
        output = client.batches.retrieve(batch.id).output_file_id
        assert output
        assert client.files.retrieve(output).purpose == "batch_output"
        return len(client.files.content(output).text.splitlines())


async def test_nor_can_its_sync_client(tmp_path):
    path = tmp_path / "requests.jsonl"
    path.write_bytes(lines(4))
    async with Simulator(batch_seconds=0.2) as sim, sim.serve() as served:
        count = await asyncio.to_thread(_with_the_sync_client, f"{served.url}/openai/v1", sim.api_key, path)
    assert count == 4
