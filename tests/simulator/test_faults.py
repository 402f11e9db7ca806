"""Every fault that can be asked for, seen through the in-process transport as a client would see it."""

from __future__ import annotations

import asyncio
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from novita_async.errors import ConnectError, ConnectionLost
from novita_async.simulator import (
    Drop,
    Edit,
    Hang,
    Outcome,
    Refuse,
    Simulator,
    Slow,
    Stream,
    json_reply,
)
from novita_async.transport.protocol import Reply, Request
from novita_async.wire.sse import SSEDecoder

if TYPE_CHECKING:
    from novita_async.transport.protocol import Response

CHAT = "/openai/v1/chat/completions"
MODELS = "/openai/v1/models"


class Wire:
    """A transport and the requests that the tests send over it."""

    def __init__(self, simulator: Simulator) -> None:
        self.simulator = simulator
        self.transport = simulator.transport()
        self.headers = {"authorization": f"Bearer {simulator.api_key}", "content-type": "application/json"}

    async def send(self, method: str, path: str, body: Any = None) -> Response:
        data = None if body is None else msgspec.json.encode(body)
        return await self.transport.send(Request(method, self.simulator.base_url + path, self.headers, data))

    async def stream(self, **options: Any) -> Response:
        messages = [{"role": "user", "content": "Why is the sky blue?"}]
        return await self.send(
            "POST", CHAT, {"model": "deepseek/deepseek-v3.2", "messages": messages, "stream": True, **options}
        )


@pytest.fixture
async def wire(sim):
    wire = Wire(sim)
    yield wire
    await wire.transport.aclose()


async def whole(response: Response) -> bytes:
    parts = []
    while part := await response.body.read():
        parts.append(part)
    await response.body.aclose()
    return b"".join(parts)


async def events(response: Response, count: int | None = None) -> list[Any]:
    """The next events, or all of them, decoded; `[DONE]` stays as it is."""
    decoder, found = SSEDecoder(), []
    while (count is None or len(found) < count) and (chunk := await response.body.read()):
        found += [event.data for event in decoder.feed(chunk)]
    return [msgspec.json.decode(data) if data.startswith(b"{") else data for data in found]


# ------------------------------------------------------------------------------------------- scripts


async def test_replies_come_in_turn_and_then_the_simulator_answers(sim, wire):
    script = sim.reply("GET", MODELS, {"data": []}, Reply(418, {"x-odd": "yes"}, b"tea"), json_reply([], status=500))
    assert await whole(await wire.send("GET", MODELS)) == b'{"data":[]}'
    odd = await wire.send("GET", MODELS)
    assert (odd.status, odd.headers["x-odd"], await whole(odd)) == (418, "yes", b"tea")
    assert (await wire.send("GET", MODELS)).status == 500
    assert script.hits == 3
    assert len(msgspec.json.decode(await whole(await wire.send("GET", MODELS)))["data"]) > 10


async def test_times_repeats_the_whole_row(sim, wire):
    sim.fault("GET", MODELS, Refuse.with_status(500), Refuse.with_status(502), times=2)
    statuses = [(await wire.send("GET", MODELS)).status for _ in range(5)]
    assert statuses == [500, 502, 500, 502, 200]


async def test_a_fault_for_ever_can_be_called_off(sim, wire):
    script = sim.fault("*", "/openai/*", Refuse.with_status(503), times=None)
    assert [(await wire.send("GET", MODELS)).status for _ in range(3)] == [503, 503, 503]
    script.cancel()
    assert (await wire.send("GET", MODELS)).status == 200
    assert script.hits == 3


async def test_match_looks_into_the_request(sim, wire):
    sim.fault("POST", CHAT, Refuse.with_status(500), match=lambda received: received.json()["max_tokens"] == 2)
    assert (await wire.stream(max_tokens=1)).status == 200
    assert (await wire.stream(max_tokens=2)).status == 500
    assert (await wire.stream(max_tokens=2)).status == 200


async def test_the_first_script_that_fits_is_used_up_first(sim, wire):
    sim.fault("GET", MODELS, Refuse.with_status(500))
    sim.fault("GET", "/openai/v1/*", Refuse.with_status(502), times=2)
    assert [(await wire.send("GET", MODELS)).status for _ in range(4)] == [500, 502, 502, 200]


# ------------------------------------------------------------------------------------------ refusals


@pytest.mark.parametrize(
    ("shape", "field"),
    [("flat", "reason"), ("openai", "error"), ("typed", "type"), ("anthropic", "error"), ("text", None)],
)
async def test_refusals_have_every_shape_that_clients_meet(sim, wire, llm_contract, shape, field):
    sim.fault("GET", MODELS, Refuse.with_reason(403, "NOT_ENOUGH_BALANCE", "no money", shape=shape))
    response = await wire.send("GET", MODELS)
    body = await whole(response)
    assert response.status == 403
    assert b"no money" in body
    if field is None:
        assert response.headers["content-type"] == "text/plain"
    else:
        assert field in msgspec.json.decode(body)
        if shape != "anthropic":
            llm_contract.check("ErrorBody", msgspec.json.decode(body))


async def test_retry_after_comes_in_seconds_and_as_a_date(clock, sim, wire):
    sim.fault("GET", MODELS, Refuse.rate_limited(retry_after=1.5), Refuse.rate_limited(retry_after=90, as_date=True))
    seconds = await wire.send("GET", MODELS)
    assert (seconds.status, seconds.headers["retry-after"]) == (429, "1.5")
    assert msgspec.json.decode(await whole(seconds))["reason"] == "RATE_LIMIT_EXCEEDED"
    date = await wire.send("GET", MODELS)
    assert parsedate_to_datetime(date.headers["retry-after"]).timestamp() == clock.time() + 90


async def test_a_refused_submit_submits_nothing(sim, wire):
    sim.fault("POST", "/v3/async/txt2img", Refuse.with_status(500))
    assert (await wire.send("POST", "/v3/async/txt2img", {})).status == 500
    assert (await wire.send("POST", "/v3/async/txt2img", {})).status == 400


# --------------------------------------------------------------------------------- drops and silence


async def test_drop_before_headers_breaks_the_connection_unanswered(sim, wire):
    sim.fault("GET", MODELS, Drop.before_headers())
    with pytest.raises(ConnectionLost):
        await wire.send("GET", MODELS)
    assert sim.requests[-1].status is None


async def test_drop_after_work_carries_the_request_out(clock, sim, wire):
    sim.fault("POST", "/gpu-instance/openapi/v1/gpu/instance/create", Drop.after_work())
    order = {"productId": "4090.16c62g.os", "gpuNum": 1, "rootfsSize": 60, "imageUrl": "x", "kind": "gpu"}
    with pytest.raises(ConnectionLost):
        await wire.send("POST", "/gpu-instance/openapi/v1/gpu/instance/create", order)
    listed = await whole(await wire.send("GET", "/gpu-instance/openapi/v1/gpu/instances?pageNum=1&pageSize=10"))
    assert msgspec.json.decode(listed)["total"] == 1


async def test_drop_in_a_stream_comes_after_so_many_events(sim, wire):
    sim.fault("POST", CHAT, Drop.in_body(after=3))
    response = await wire.stream()
    assert len(await events(response, 3)) == 3
    with pytest.raises(ConnectionLost):
        await response.body.read()


async def test_drop_in_a_whole_body_leaves_half_of_what_was_announced(sim, wire):
    sim.fault("GET", MODELS, Drop.in_body())
    response = await wire.send("GET", MODELS)
    first = await response.body.read()
    assert 0 < len(first) < int(response.headers["content-length"])
    with pytest.raises(ConnectionLost):
        await response.body.read()


async def test_hang_before_headers_lasts_until_the_simulator_closes(sim, wire):
    sim.fault("GET", MODELS, Hang.before_headers())
    sending = asyncio.create_task(wire.send("GET", MODELS))
    await asyncio.sleep(0.01)
    assert not sending.done()
    await sim.aclose()
    with pytest.raises(ConnectionLost):
        await sending


async def test_hang_in_a_body_is_left_by_the_client(sim, wire):
    sim.fault("POST", CHAT, Hang.in_body(after=2))
    response = await wire.stream()
    assert len(await events(response, 2)) == 2
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(response.body.read(), 0.01)
    await response.body.aclose()


async def test_slow_waits_on_the_clock(clock, sim, wire):
    sim.fault("GET", MODELS, Slow.headers(7))
    await wire.send("GET", MODELS)
    assert clock.monotonic() == 7
    sim.fault("POST", CHAT, Slow.chunks(2))
    found = await events(await wire.stream(max_tokens=4))
    assert clock.monotonic() == 7 + 2 * len(found)


# ------------------------------------------------------------------------------------------- streams


async def test_pings_follow_the_events_for_ever(clock, sim, wire):
    sim.fault("POST", CHAT, Stream.pings(after=2, every=10))
    response = await wire.stream()
    assert len(await events(response, 2)) == 2
    pings = [await response.body.read() for _ in range(5)]
    assert set(pings) == {b": ping\n\n"}
    assert clock.monotonic() >= 40
    await response.body.aclose()


async def test_a_stream_can_stay_open_after_its_end(sim, wire):
    sim.fault("POST", CHAT, Stream.stays_open())
    response = await wire.stream(max_tokens=2)
    assert (await events(response, 4))[-1] == b"[DONE]"
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(response.body.read(), 0.01)
    await response.body.aclose()


async def test_a_cut_stream_ends_properly_without_a_finish_reason(sim, wire):
    sim.fault("POST", CHAT, Stream.cut(after=3))
    found = await events(await wire.stream())
    assert [event["choices"][0]["finish_reason"] for event in found] == [None, None, None]


@pytest.mark.parametrize("shape", ["flat", "openai", "typed", "anthropic"])
@pytest.mark.parametrize("after", [0, 2])
async def test_errors_stand_in_the_stream_before_or_after_content(sim, wire, shape, after):
    sim.fault("POST", CHAT, Stream.error(after=after, reason="SERVICE_NOT_AVAILABLE", shape=shape))
    response = await wire.stream()
    assert response.status == 200
    *content, error = await events(response)
    assert [bool(event["choices"][0]["delta"]["content"]) for event in content] == [True] * after
    assert "choices" not in error
    assert "SERVICE_NOT_AVAILABLE" in msgspec.json.encode(error).decode()


async def test_a_huge_event_is_one_valid_chunk(sim, wire, llm_contract):
    sim.fault("POST", CHAT, Stream.huge_event(size=5_000_000))
    found = await events(await wire.stream(max_tokens=3))
    llm_contract.check("ChatCompletionChunk", found[0])
    assert len(found[0]["choices"][0]["delta"]["content"]) == 5_000_000
    assert found[-1] == b"[DONE]"


async def test_a_fault_in_the_body_leaves_refusals_alone(sim, wire):
    sim.fault("POST", CHAT, Stream.cut())
    response = await wire.stream(max_tokens=0)
    assert (response.status, msgspec.json.decode(await whole(response))["reason"]) == (400, "INVALID_REQUEST_BODY")


# ---------------------------------------------------------------------------------------------- edits


async def test_edits_change_the_json_of_an_answer(sim, wire):
    sim.fault("GET", MODELS, Edit.without("data.0.id"), Edit.having("data.1.id", 7))
    without = msgspec.json.decode(await whole(await wire.send("GET", MODELS)))
    assert "id" not in without["data"][0]
    having = msgspec.json.decode(await whole(await wire.send("GET", MODELS)))
    assert having["data"][1]["id"] == 7


async def test_an_outcome_needs_no_more_than_the_submit(clock, sim, wire):
    path = "/v3/async/kling-v3.0-std-t2v"
    sim.fault("POST", path, Outcome.failed("moderation", after=2), Outcome.unknown("TASK_STATUS_REVIEWING", after=3))
    ids = [msgspec.json.decode(await whole(await wire.send("POST", path, {"prompt": "x"})))["task_id"] for _ in "ab"]
    await clock.sleep(3)
    tasks = [
        msgspec.json.decode(await whole(await wire.send("GET", f"/v3/async/task-result?task_id={id_}")))["task"]
        for id_ in ids
    ]
    assert [(task["status"], task["reason"]) for task in tasks] == [
        ("TASK_STATUS_FAILED", "moderation"),
        ("TASK_STATUS_REVIEWING", ""),
    ]


async def test_a_test_can_write_its_own_fault(sim, wire):
    async def late_and_empty(call, answer, stage):
        await answer()
        return Reply(200, {}, b"")

    sim.fault("GET", MODELS, late_and_empty)
    assert await whole(await wire.send("GET", MODELS)) == b""


async def test_a_closed_simulator_takes_no_connection(sim, wire):
    await sim.aclose()
    await sim.aclose()
    with pytest.raises(ConnectError):
        await wire.send("GET", MODELS)
