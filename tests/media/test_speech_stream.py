"""Streamed speech: the bytes of a sound file, whatever layout they come in and whatever goes wrong on the way."""

from __future__ import annotations

import asyncio
import itertools
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from novita_async import Limits, Reply, Request
from novita_async.errors import (
    APIError,
    AuthenticationError,
    BadRequest,
    ClientClosed,
    ConnectionLost,
    OutcomeUnknown,
    ProtocolError,
    RateLimited,
    ServerError,
    StreamCut,
    StreamStalled,
    ValidationError,
)
from novita_async.simulator import Drop, Refuse, Simulator, Stream
from novita_async.testing.probes import cancelled_at
from tests.helpers import KEY, Server, connected, events, inside, json_reply, over_sockets, refusal, several, turns

if TYPE_CHECKING:
    import pathlib
    from collections.abc import AsyncIterator, Sequence

    from novita_async import AsyncNovita
    from novita_async.media.speech import SpeechStream
    from novita_async.testing.clock import JumpClock

NESTED = "minimax-speech-2.8-turbo"
FLAT = "minimax-speech-02-hd"
FISH = "fish-audio-text-to-speech"
S2 = "fish-audio-s2-pro-text-to-speech"
SOUND = bytes(range(256)) * 3
PARTS = (SOUND[:100], SOUND[100:101], SOUND[101:])
END = {"status": 2}
TEXT = "Good morning, dear listeners. Here is the news of the day, and it is good."


def event(value: Any) -> bytes:
    return b"data: " + msgspec.json.encode(value) + b"\n\n"


def flat(parts: Sequence[bytes] = PARTS) -> list[bytes]:
    return [event({"audio": part.hex(), "status": 1}) for part in parts]


def nested(parts: Sequence[bytes] = PARTS) -> list[bytes]:
    return [event({"data": {"audio": part.hex(), "status": 1}, "trace_id": "t"}) for part in parts]


def failure(code: int, message: str = "as a test asked") -> bytes:
    return event({"data": None, "trace_id": "t1", "base_resp": {"status_code": code, "status_msg": message}})


def raw(data: bytes, media_type: str) -> Reply:
    return Reply(200, {"content-type": media_type}, several(data[:300], data[300:]))


def sent(server: Server) -> dict[str, Any]:
    body = server.requests[0].body
    assert isinstance(body, bytes)
    return msgspec.json.decode(body)


async def speak(novita: AsyncNovita, model: str = NESTED, **params: Any) -> SpeechStream:
    return await novita.audio.speech(TEXT, model=model, stream=True, **params)


async def answered(clock: JumpClock, *answers: Any, model: str = NESTED, **params: Any) -> tuple[bytes, Server]:
    """What a stream of these answers gives."""
    server = Server(clock, *answers)
    async with connected(server, clock) as novita:
        return await (await speak(novita, model, **params)).bytes(), server


# --------------------------------------------------------------------------------------------- layouts


async def test_flat_slices_come_out_as_bytes_one_by_one(clock: JumpClock):
    server = Server(clock, events(*flat(), event(END)))
    async with connected(server, clock) as novita, await speak(novita, FLAT) as stream:
        assert [chunk async for chunk in stream] == list(PARTS)
        assert stream.received == len(SOUND)
    body = sent(server)
    assert body["stream"] is True
    assert "stream_options" not in body, "only 2.8 knows them"


async def test_nested_slices_come_out_as_bytes_and_the_last_event_tells_of_the_file(clock: JumpClock):
    last = event({"data": {"audio": "", "status": 2}, "extra_info": {"audio_length": 2040, "audio_format": "flac"}})
    server = Server(clock, events(*nested(), last))
    async with connected(server, clock) as novita, await speak(novita) as stream:
        assert (stream.format, stream.info) == ("mp3", None)
        assert [chunk async for chunk in stream] == list(PARTS)
        assert stream.info is not None
        assert stream.info.audio_length == 2040
        assert (stream.format, stream.media_type) == ("flac", "audio/flac"), "what came, and not what was asked for"


async def test_the_aggregated_audio_is_asked_not_to_come_and_dropped_when_it_comes_all_the_same(clock: JumpClock):
    last = event({"data": {"audio": SOUND.hex(), "status": 2}})
    data, server = await answered(clock, events(*nested(), last))
    assert data == SOUND
    assert sent(server)["stream_options"] == {"exclude_aggregated_audio": True}


async def test_the_caller_may_ask_for_the_aggregated_audio_and_still_hears_nothing_twice(clock: JumpClock):
    last = event({"data": {"audio": SOUND.hex(), "status": 2}})
    options = {"exclude_aggregated_audio": False}
    data, server = await answered(clock, events(*nested(), last), stream_options=options)
    assert data == SOUND
    assert sent(server)["stream_options"] == options


async def test_audio_that_comes_with_the_last_event_alone_is_the_audio(clock: JumpClock):
    last = event({"data": {"audio": SOUND.hex(), "status": 2}, "extra_info": {}})
    assert (await answered(clock, events(last)))[0] == SOUND


async def test_a_flat_last_event_may_bring_a_last_slice_and_not_everything_again(clock: JumpClock):
    rest = event({"audio": b"rest".hex(), "status": 2})
    assert (await answered(clock, events(*flat(), rest), model=FLAT))[0] == SOUND + b"rest"
    again = event({"audio": SOUND.hex(), "status": 2})
    assert (await answered(clock, events(*flat(), again), model=FLAT))[0] == SOUND


@pytest.mark.parametrize("size", [1, 7, 64, 4096])
async def test_it_does_not_matter_where_the_network_cuts(clock: JumpClock, size: int):
    body = b": hello\n\n" + b"".join(nested()) + event({"data": {"status": 2}})
    pieces = [body[at : at + size] for at in range(0, len(body), size)]
    assert (await answered(clock, events(several(*pieces))))[0] == SOUND


@pytest.mark.parametrize("end", [event(END), b"data: [DONE]\n\n", event({"data": {"status": 2}})])
async def test_the_end_marker_ends_it_although_the_body_stays_open(clock: JumpClock, end: bytes):
    async def body() -> AsyncIterator[bytes]:
        for part in (*flat(), end):
            yield part
        await asyncio.Event().wait()

    assert (await answered(clock, events(body()), model=FLAT))[0] == SOUND
    assert clock.monotonic() < 1, "nothing was waited for"


async def test_a_last_event_without_its_blank_line_is_still_one(clock: JumpClock):
    body = b"".join([*flat(), event(END)]).rstrip(b"\n")
    assert (await answered(clock, events(body), model=FLAT))[0] == SOUND


@pytest.mark.parametrize(
    ("media_type", "format", "told"),
    [
        ("audio/mpeg", "mp3", "audio/mpeg"),
        ("audio/wav", "wav", "audio/wav"),
        ("audio/opus", "opus", "audio/ogg"),
        ("audio/pcm", "pcm", "application/octet-stream"),
        ("application/octet-stream", "mp3", "audio/mpeg"),  # as it was asked for
    ],
)
async def test_raw_bytes_are_told_by_their_content_type(clock: JumpClock, media_type: str, format: str, told: str):
    server = Server(clock, raw(SOUND, media_type))
    async with connected(server, clock) as novita, await speak(novita, S2, format="mp3") as stream:
        assert (stream.format, stream.media_type) == (format, told)
        assert await stream.bytes() == SOUND


async def test_raw_bytes_fewer_than_announced_are_cut(clock: JumpClock):
    reply = Reply(200, {"content-type": "audio/mpeg", "content-length": "1000"}, several(SOUND))
    with pytest.raises(StreamCut) as caught:
        await answered(clock, reply, model=FISH)
    assert caught.value.partial == SOUND


# ------------------------------------------------------------------------- one JSON object in its place


@pytest.mark.parametrize(
    "body",
    [
        {"audio": SOUND.hex()},
        {"data": {"audio": SOUND.hex(), "status": 2}, "base_resp": {"status_code": 0}, "extra_info": {}},
    ],
)
async def test_a_whole_answer_in_place_of_a_stream_is_taken(clock: JumpClock, body: dict[str, Any]):
    assert (await answered(clock, json_reply(body)))[0] == SOUND


@pytest.mark.parametrize("as_event", [False, True])
async def test_a_link_in_place_of_a_stream_is_fetched_without_the_key(clock: JumpClock, as_event: bool):
    body = {"audio": "https://files.test/a.wav?sign=1"}
    first = events(event({**body, "status": 2})) if as_event else json_reply(body)
    server = Server(clock, first, raw(SOUND, "audio/wav"))
    async with connected(server, clock) as novita, await speak(novita, FLAT) as stream:
        assert [chunk async for chunk in stream] == [SOUND[:300], SOUND[300:]]
        assert stream.format == "wav"
    submit, fetch = server.requests
    assert KEY in str(submit.headers)
    assert fetch.url == body["audio"]
    assert KEY not in str(fetch.headers)


async def test_a_refusal_in_place_of_a_stream_is_raised(clock: JumpClock):
    body = {"data": None, "trace_id": "abc", "base_resp": {"status_code": 1004, "status_msg": "who are you"}}
    with pytest.raises(AuthenticationError, match="who are you") as caught:
        await answered(clock, json_reply(body))
    assert caught.value.request_id == "abc"


@pytest.mark.parametrize("body", [b"<html>gateway</html>", b"{}", b'{"text": "what?"}', b"[1]", b"{"])
async def test_an_answer_without_sound_is_none(clock: JumpClock, body: bytes):
    with pytest.raises(ProtocolError):
        await answered(clock, Reply(200, {"content-type": "application/json"}, body))


@pytest.mark.parametrize("reply", [events(event(END)), Reply(200, {"content-type": "audio/mpeg"}, b"")])
async def test_a_stream_without_a_byte_is_no_success(clock: JumpClock, reply: Reply):
    with pytest.raises(ProtocolError, match="no sound"):
        await answered(clock, reply, model=FLAT)


@pytest.mark.parametrize("audio", ["not hex at all!", "0g", 5])
async def test_what_is_no_audio_is_not_passed_on(clock: JumpClock, audio: Any):
    body = event({"audio": audio, "status": 1})
    with pytest.raises(ProtocolError):
        await answered(clock, events(body, event(END)), model=FLAT)


# ---------------------------------------------------------------------------------------------- failures


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (1000, ServerError),
        (1001, ServerError),
        (1002, RateLimited),
        (1004, AuthenticationError),
        (1039, RateLimited),
        (1042, BadRequest),
        (2013, BadRequest),
        (9999, APIError),
    ],
)
async def test_a_failure_in_the_middle_is_an_error_of_its_class(clock: JumpClock, code: int, kind: type[APIError]):
    with pytest.raises(kind, match="as a test asked") as caught:
        await answered(clock, events(nested()[0], failure(code)))
    assert caught.value.reason == str(code)
    assert caught.value.partial == PARTS[0], "what had come is not lost"


async def test_a_rate_limit_before_the_first_sound_is_waited_for(clock: JumpClock):
    busy, fine = events(failure(1002)), events(*nested(), event({"data": {"status": 2}}))
    data, server = await answered(clock, refusal(429, "RATE_LIMIT_EXCEEDED"), busy, fine)
    assert data == SOUND
    assert len(server.requests) == 3


async def test_after_the_first_sound_nothing_is_repeated(clock: JumpClock):
    server = Server(clock, events(nested()[0], failure(1002)))
    async with connected(server, clock) as novita:
        stream = await speak(novita)
        assert await anext(stream) == PARTS[0]
        with pytest.raises(RateLimited):
            await anext(stream)
        assert await stream.read() == b"", "it is over"
    assert len(server.requests) == 1


@pytest.mark.parametrize("shape", [{"code": 503, "reason": "SERVICE_NOT_AVAILABLE", "message": "busy"}, {"error": "x"}])
async def test_an_error_of_the_gateway_inside_a_stream_is_one(clock: JumpClock, shape: dict[str, Any]):
    with pytest.raises(APIError) as caught:
        await answered(clock, events(nested()[0], event(shape)))
    assert caught.value.partial == PARTS[0]


@pytest.mark.parametrize(("model", "parts"), [(FLAT, flat()), (NESTED, nested())])
async def test_a_stream_that_ends_before_its_last_event_is_cut(clock: JumpClock, model: str, parts: list[bytes]):
    with pytest.raises(StreamCut) as caught:
        await answered(clock, events(*parts), model=model)
    assert caught.value.partial == SOUND


async def test_a_connection_that_breaks_is_an_error_with_what_had_come(clock: JumpClock):
    async with Simulator(clock=clock) as sim, inside(sim) as novita:
        sim.fault("POST", "/v3/*", Drop.in_body(after=2))
        with pytest.raises(ConnectionLost) as caught:
            await (await speak(novita)).bytes()
        assert len(caught.value.partial) > 100
        assert len(sim.requests) == 1


async def test_a_connection_that_breaks_before_the_first_sound_is_not_paid_for_twice(clock: JumpClock):
    async with Simulator(clock=clock) as sim, inside(sim) as novita:
        sim.fault("POST", "/v3/*", Drop.in_body(after=0), times=None)
        with pytest.raises(OutcomeUnknown):
            await (await speak(novita)).bytes()
        assert len(sim.requests) == 1


async def test_a_server_that_only_pings_is_given_up(clock: JumpClock):
    async with Simulator(clock=clock) as sim, inside(sim) as novita:
        sim.fault("POST", "/v3/*", Stream.pings(after=0), Stream.pings(after=1))
        for limit in ("first_event", "idle"):
            stream = await speak(novita)
            started = clock.monotonic()
            with pytest.raises(StreamStalled) as caught:
                await stream.bytes()
            assert caught.value.limit == limit
            assert 60 <= clock.monotonic() - started < 62


# ---------------------------------------------------------------------------------------- ways to take it


async def test_saving_writes_the_whole_file_or_none(clock: JumpClock, tmp_path: pathlib.Path):
    path = tmp_path / "new" / "speech.mp3"
    server = Server(clock, events(*nested(), event({"data": {"status": 2}})), events(*nested()))
    async with connected(server, clock) as novita:
        assert await (await speak(novita)).save(path) == path
        assert path.read_bytes() == SOUND
        with pytest.raises(StreamCut):
            await (await speak(novita)).save(path.with_name("other.mp3"))
    assert [file.name for file in path.parent.iterdir()] == ["speech.mp3"]


async def test_leaving_early_gives_the_connection_back(clock: JumpClock):
    closed = asyncio.Event()

    async def body() -> AsyncIterator[bytes]:
        try:
            for part in nested():
                yield part
            await asyncio.Event().wait()
        finally:
            closed.set()

    async with connected(Server(clock, events(body())), clock) as novita:
        async with await speak(novita) as stream:
            async for _ in stream:
                break
        await turns()
        assert closed.is_set()
        assert await stream.read() == b""
        await stream.aclose()


async def test_a_cancelled_read_lets_go(clock: JumpClock):
    async def body() -> AsyncIterator[bytes]:
        yield nested()[0]
        await asyncio.Event().wait()

    async with connected(Server(clock, events(body())), clock) as novita:

        async def listen() -> None:
            async with await speak(novita) as stream:
                async for _ in stream:
                    heard.set()

        heard = asyncio.Event()
        task = asyncio.create_task(listen())
        await heard.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task


@pytest.mark.parametrize("late", [False, True])
@pytest.mark.parametrize("linked", [False, True])
async def test_cancelled_at_any_await_a_stream_leaves_nothing(
    clock: JumpClock, tmp_path: pathlib.Path, linked: bool, late: bool
):
    """A repeat before the first sound, a link that has to be fetched, and the writes of the file among them."""
    path = tmp_path / "a.mp3"
    link = json_reply({"audio": "https://files.test/a.mp3"})
    whole = b"".join([*nested(), event({"data": {"status": 2}})])

    async def work(novita: AsyncNovita) -> None:
        await (await speak(novita)).save(path)

    awaits = 0
    for awaits in itertools.count(1):
        answers = [link, raw(SOUND, "audio/mpeg")] if linked else [events(failure(1002)), events(several(whole))]
        server = Server(clock, *answers)
        async with connected(server, clock, limits=Limits(requests=1)) as novita:
            if not await cancelled_at(work(novita), awaits, late=late):
                break
        assert [file.name for file in tmp_path.iterdir()] in ([], ["a.mp3"])
        path.unlink(missing_ok=True)
    assert path.read_bytes() == SOUND
    assert awaits > 5


async def test_a_client_that_is_closed_ends_its_streams(clock: JumpClock):
    async def body() -> AsyncIterator[bytes]:
        yield nested()[0]
        await asyncio.Event().wait()

    async with connected(Server(clock, events(body())), clock) as novita:
        stream = await speak(novita)
        assert await stream.read() == PARTS[0]
        reading = asyncio.create_task(stream.read())
        await turns()
        await novita.aclose()
        with pytest.raises((ClientClosed, ConnectionLost)):
            await reading


async def test_a_refused_call_raises_before_there_is_a_stream(clock: JumpClock):
    async with Simulator(clock=clock) as sim, inside(sim) as novita:
        sim.fault("POST", "/v3/*", Refuse.with_reason(400, "INVALID_REQUEST_BODY"))
        with pytest.raises(BadRequest):
            await speak(novita)


@pytest.mark.parametrize("model", [f"{NESTED}-async", "txt2speech"])
async def test_a_model_that_cannot_stream_says_so(clock: JumpClock, model: str):
    server = Server(clock, {})
    async with connected(server, clock) as novita:
        with pytest.raises(ValidationError, match=f"{model}: stream"):
            await speak(novita, model)
    assert not server.requests


async def test_a_stream_of_wav_is_refused_before_it_is_sent(clock: JumpClock):
    server = Server(clock, {})
    async with connected(server, clock) as novita:
        with pytest.raises(ValidationError, match=r"audio_setting\.format"):
            await speak(novita, format="wav")
    assert not server.requests


async def test_the_answer_is_asked_for_in_the_form_that_it_has(clock: JumpClock):
    seen: list[str] = []

    def answer(request: Request) -> Reply:
        seen.append(request.headers["accept"])
        return events(*flat(), event(END))

    server = Server(clock, answer)
    async with connected(server, clock) as novita:
        for model, headers in ((FLAT, {}), (FISH, {}), (FISH, {"Accept": "audio/mpeg"})):
            assert await (await speak(novita, model, extra_headers=headers)).bytes() == SOUND
    assert seen == ["text/event-stream", "*/*", "audio/mpeg"]


@pytest.mark.parametrize("model", [NESTED, FLAT, FISH])
async def test_over_real_sockets_the_stream_is_the_file_that_a_whole_answer_is(model: str):
    async with Simulator() as sim, over_sockets(sim) as novita:
        whole = await novita.audio.speech(TEXT, model=model)
        async with await speak(novita, model) as stream:
            chunks = [chunk async for chunk in stream]
        assert len(chunks) > 2
        assert b"".join(chunks) == await whole.audios[0].bytes()
