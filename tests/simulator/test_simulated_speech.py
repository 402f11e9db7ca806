"""The simulator's audio that comes at once, held against the contract: speech, transcripts, voices, music, lyrics."""

from __future__ import annotations

import base64
import io
import wave
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from openapi import contract

from novita_async.simulator import Outcome, Simulator
from novita_async.simulator.sound import speech
from novita_async.simulator.transcripts import heard, labelled, seconds_of
from novita_async.simulator.voices import Voices

if TYPE_CHECKING:
    from novita_async.testing.clock import JumpClock

    from .conftest import Answer, Client

TEXT = "Good morning, dear listeners. Here is the news of the day, and it is good."
NESTED = "/v3/minimax-speech-2.8-hd"
FLAT = "/v3/minimax-speech-02-turbo"
GLM, ASR, GLM_CLONE = "/v3/glm-tts", "/v3/glm-asr", "/v3/glm-tts-voice-clone"
S1, S2, FISH_VOICE = "/v4beta/txt2speech", "/v3/fish-audio-s2-pro-text-to-speech", "/v4beta/model"
CLONE, DESIGN = "/v3/minimax-voice-cloning", "/v3/minimax-voice-design"
MUSIC, LYRICS = "/v3/minimax-music", "/v3/minimax-music-lyrics"
CLIP = "https://files.test/me.mp3"
FORM = "multipart/form-data; boundary=b"

JUDGE = contract("audio")


async def ask(api: Client, path: str, body: Any, status: int = 200, **headers: str) -> Answer:
    """Send a body; the answer, which is as the contract has it."""
    answer = await api("POST", path, body, **headers)
    assert answer.status == status, answer.body
    JUDGE.check_response("POST", path, status, answer.headers["content-type"], answer.body)
    return answer


async def say(api: Client, path: str, text: str = TEXT, *, voice: str = "Wise_Woman", **params: Any) -> Answer:
    return await ask(api, path, {"text": text, "voice_setting": {"voice_id": voice}, **params})


def events_of(answer: Answer) -> list[dict[str, Any]]:
    assert answer.headers["content-type"] == "text/event-stream"
    *blocks, rest = answer.body.split(b"\n\n")
    assert rest == b""
    return [msgspec.json.decode(block.removeprefix(b"data: ")) for block in blocks]


def form(*fields: tuple[str, bytes | str]) -> bytes:
    parts: list[bytes] = []
    for name, value in fields:
        file = '; filename="a.wav"' if isinstance(value, bytes) else ""
        head = f'--b\r\nContent-Disposition: form-data; name="{name}"{file}\r\n\r\n'
        parts.append(head.encode() + (value if isinstance(value, bytes) else value.encode()) + b"\r\n")
    return b"".join(parts) + b"--b--\r\n"


def data_uri(data: bytes) -> str:
    return "data:audio/wav;base64," + base64.b64encode(data).decode()


# ---------------------------------------------------------------------------------------------- speech


@pytest.mark.parametrize("kind", ["mp3", "pcm", "flac", "wav"])
async def test_a_whole_answer_is_hex_in_the_layout_of_its_release(api: Client, kind: str):
    setting = {"format": kind, "sample_rate": 16000}
    old = (await say(api, FLAT, audio_setting=setting)).json()
    new = (await say(api, NESTED, audio_setting=setting)).json()
    assert set(old) == {"audio"}
    assert set(new) == {"data", "extra_info", "trace_id", "base_resp"}
    assert new["data"] == {"audio": old["audio"], "status": 2}
    assert new["base_resp"] == {"status_code": 0, "status_msg": "success"}
    data, info = bytes.fromhex(old["audio"]), new["extra_info"]
    assert info["audio_size"] == len(data)
    assert info["audio_length"] == pytest.approx(1000 * len(TEXT) / 14, abs=200)
    assert (info["audio_sample_rate"], info["usage_characters"], info["word_count"]) == (16000, len(TEXT), 15)
    starts = {"mp3": b"\xff", "flac": b"fLaC", "wav": b"RIFF"}
    assert data.startswith(starts.get(kind, b""))
    if kind == "pcm":
        assert len(data) == pytest.approx(16000 * 2 * info["audio_length"] / 1000, abs=32)


@pytest.mark.parametrize("path", [FLAT, NESTED])
async def test_a_link_lives_for_a_day(clock: JumpClock, api: Client, path: str):
    body = (await say(api, path, output_format="url")).json()
    link = (body.get("data") or body)["audio"]
    whole = (await say(api, path)).json()
    file = await api("GET", link, key=None)
    assert (file.status, file.headers["content-type"]) == (200, "audio/mpeg")
    assert file.body.hex() == (whole.get("data") or whole)["audio"]
    await clock.sleep(86_399)
    assert (await api("GET", link, key=None)).status == 200
    await clock.sleep(2)
    assert (await api("GET", link, key=None)).status == 403


async def test_old_releases_stream_flat_and_their_last_event_has_no_audio(api: Client):
    *slices, last = events_of(await say(api, FLAT, stream=True))
    assert last == {"status": 2}
    assert len(slices) > 5
    assert {each["status"] for each in slices} == {1}
    assert "".join(each["audio"] for each in slices) == (await say(api, FLAT)).json()["audio"]


@pytest.mark.parametrize("excluded", [False, True])
async def test_2_8_streams_nested_and_repeats_everything_unless_told_not_to(api: Client, excluded: bool):
    options = {"stream_options": {"exclude_aggregated_audio": True}} if excluded else {}
    *slices, last = events_of(await say(api, NESTED, stream=True, **options))
    whole = (await say(api, NESTED)).json()
    joined = "".join(each["data"]["audio"] for each in slices)
    assert joined == whole["data"]["audio"]
    assert last["data"] == {"audio": "" if excluded else joined, "status": 2}
    assert last["extra_info"] == whole["extra_info"]
    assert len({each["trace_id"] for each in (*slices, last)}) == 1


async def test_slices_come_at_their_time(clock: JumpClock, api: Client):
    async with Simulator(clock=clock, chunk_delay=0.25) as sim:
        started = clock.monotonic()
        slices = len(events_of(await say(type(api)(sim), FLAT, stream=True))) - 1
        assert clock.monotonic() - started == pytest.approx(0.25 * slices)


@pytest.mark.parametrize("path", [FLAT, NESTED])
async def test_what_minimax_refuses_comes_inside_a_200(api: Client, path: str):
    for text, voice, code in ((TEXT, "nobody", 2013), ("\x01\x02\x03 hello", "Abbess", 1042)):
        body = (await say(api, path, text, voice=voice)).json()
        assert body["base_resp"]["status_code"] == code
        assert not body.get("data")
        (event,) = events_of(await say(api, path, text, voice=voice, stream=True))
        assert event["base_resp"] == body["base_resp"]


async def test_a_blend_needs_every_voice_in_it(api: Client):
    def blend(*voices: str) -> dict[str, Any]:
        return {"timbre_weights": [{"voice_id": voice, "weight": 50} for voice in voices], "voice_setting": {}}

    both = (await ask(api, FLAT, {"text": TEXT, **blend("Abbess", "Elegant_Man")})).json()
    assert both["audio"] not in ("", (await say(api, FLAT, voice="Abbess")).json()["audio"])
    assert (await ask(api, FLAT, {"text": TEXT, **blend("Abbess", "nobody")})).json()["base_resp"]


async def test_voices_that_the_platform_may_have_are_believed(api: Client):
    for voice in ("English_Graceful_Lady", "Chinese (Mandarin)_News_Anchor"):
        assert (await say(api, FLAT, voice=voice)).json()["audio"]
    for voice in ("English", "Klingon_Lady", "English_"):
        assert (await say(api, NESTED, voice=voice)).json()["base_resp"]["status_code"] == 2013


@pytest.mark.parametrize(
    ("path", "params", "media_type", "start"),
    [
        (GLM, {"input": TEXT, "voice": "jam"}, "audio/pcm", b""),
        (GLM, {"input": TEXT, "voice": "jam", "response_format": "wav"}, "audio/wav", b"RIFF"),
        (S1, {"text": TEXT}, "audio/mpeg", b"\xff"),
        (S1, {"text": TEXT, "format": "wav", "sample_rate": 8000}, "audio/wav", b"RIFF"),
        (S1, {"text": TEXT, "format": "opus", "opus_bitrate": 24}, "audio/opus", b"OggS"),
        (S2, {"text": TEXT, "format": "opus", "opus_bitrate": 24000}, "audio/opus", b"OggS"),
        (S2, {"text": TEXT, "format": "pcm"}, "audio/pcm", b""),
        (S2, {"text": TEXT, "reference_id": ["a", "b"]}, "audio/mpeg", b"\xff"),
    ],
)
async def test_some_answer_with_the_file_itself(
    api: Client, path: str, params: dict[str, Any], media_type: str, start: bytes
):
    answer = await ask(api, path, params)
    assert answer.headers["content-type"] == media_type
    assert answer.body.startswith(start)
    assert len(answer.body) > 10_000


async def test_a_rate_that_no_file_has_is_refused(api: Client):
    await ask(api, S1, {"text": TEXT, "sample_rate": 96000}, 400)


async def test_speed_is_heard(api: Client):
    slow, fast = [await ask(api, S1, {"text": TEXT, "prosody": {"speed": speed}}) for speed in (0.5, 2.0)]
    assert len(slow.body) == pytest.approx(4 * len(fast.body), rel=0.05)


async def test_work_may_fail_as_a_test_wants(sim: Simulator, api: Client):
    for path, body in ((NESTED, {"text": TEXT, "voice_setting": {"voice_id": "Abbess"}}), (LYRICS, {"mode": "edit"})):
        sim.fault("POST", path, Outcome.failed("no breath left"))
        answer = await ask(api, path, body, 500)
        assert (answer.json()["reason"], answer.json()["message"]) == ("TASK_FAILED", "no breath left")


# ----------------------------------------------------------------------------------------- transcripts


async def test_a_transcript_gives_back_what_a_wav_file_was_made_from(api: Client):
    answer = await ask(api, GLM, {"input": TEXT, "voice": "jam", "response_format": "wav"})
    with wave.open(io.BytesIO(answer.body)) as file:
        assert file.getframerate() == 24000
        frames = file.readframes(file.getnframes())
    assert frames == (await ask(api, GLM, {"input": TEXT, "voice": "jam"})).body, "the comment is no sound"
    assert (await ask(api, ASR, {"file": data_uri(answer.body)})).json() == {"text": TEXT}
    assert (await ask(api, ASR, {"file": base64.b64encode(answer.body).decode()})).json() == {"text": TEXT}
    spoken = (await say(api, FLAT, output_format="url", audio_setting={"format": "wav"})).json()["audio"]
    assert (await ask(api, ASR, {"file": spoken})).json() == {"text": TEXT}, "links of its own are followed"


async def test_other_recordings_say_what_their_bytes_decide(api: Client):
    recordings = [speech(text, kind="mp3").data for text in ("one", "two", "three " * 50)]
    heard = [(await ask(api, ASR, {"file": data_uri(data)})).json()["text"] for data in recordings]
    assert len(set(heard)) == 3
    assert len(heard[2].split()) > len(heard[0].split())
    assert (await ask(api, ASR, {"file": data_uri(recordings[0])})).json()["text"] == heard[0]
    assert (await ask(api, ASR, {"file": CLIP})).json()["text"]


async def test_what_is_no_short_recording_is_refused(api: Client):
    long = speech("word " * 100, kind="wav", rate=8000).data
    assert seconds_of(long) > 30
    for file in (data_uri(b"\x89PNG\r\n\x1a\n0000"), data_uri(long)):
        assert (await ask(api, ASR, {"file": file}, 400)).json()["reason"] == "INVALID_AUDIO_FILE"


@pytest.mark.parametrize("text", ["", "a", "ab", "Grüße, 世界", "x" * 5000])
def test_a_text_goes_into_a_wav_file_and_comes_out(text: str):
    plain = speech("hello", kind="wav").data
    data = labelled(plain, text)
    assert heard(data) == text
    assert seconds_of(data) == seconds_of(plain) > 0
    with wave.open(io.BytesIO(data)) as file:
        assert file.getnframes() > 0
    assert int.from_bytes(data[4:8], "little") == len(data) - 8


def test_broken_files_are_heard_all_the_same():
    data = labelled(speech("hello", kind="wav").data, "what it says")
    for size in range(0, len(data), 97):
        assert isinstance(heard(data[:size]), str)
        assert seconds_of(data[:size]) >= 0


# ---------------------------------------------------------------------------------------------- voices


async def test_cloned_and_designed_voices_speak_at_minimax(clock: JumpClock, api: Client):
    cloned = (await ask(api, CLONE, {"audio_url": CLIP, "text": "hi", "model": "speech-2.8-hd"})).json()
    assert (await api("GET", cloned["demo_audio_url"], key=None)).headers["content-type"] == "audio/mpeg"
    assert set((await ask(api, CLONE, {"audio_url": CLIP})).json()) == {"voice_id"}
    designed = (await ask(api, DESIGN, {"prompt": "old", "preview_text": "hi", "voice_id": "sailor"})).json()
    assert designed["voice_id"] == "sailor"
    assert bytes.fromhex(designed["trial_audio"])
    for voice in (cloned["voice_id"], "sailor"):
        assert (await say(api, FLAT, voice=voice)).json()["audio"]
    await clock.sleep(169 * 3600)
    assert (await say(api, FLAT, voice="sailor")).json()["base_resp"]["status_code"] == 2013


async def test_a_clone_at_glm_has_its_name_once(api: Client):
    asked = {"input": "hi", "audio_url": CLIP, "voice_name": "me"}
    made = (await ask(api, GLM_CLONE, asked)).json()
    assert made["voice"] == "me"
    assert (await api("GET", made["audio_url"], key=None)).body[:4] == b"RIFF"
    assert (await ask(api, GLM, {"input": TEXT, "voice": "me"})).body
    for name in ("me", "tongtong"):
        await ask(api, GLM_CLONE, {**asked, "voice_name": name}, 400)
    await ask(api, GLM, {"input": TEXT, "voice": "you"}, 400)


async def test_a_voice_at_fish_is_made_of_a_form(api: Client):
    wav = labelled(speech("hello", kind="wav").data, "what it says")
    needed = [("type", "tts"), ("title", "me"), ("train_mode", "fast"), ("voices", wav)]
    more = [("visibility", "private"), ("tags", "a"), ("tags", "b"), ("enhance_audio_quality", "true")]
    made = (await ask(api, FISH_VOICE, form(*needed, *more), content_type=FORM)).json()
    assert (made["state"], made["visibility"], made["tags"]) == ("trained", "private", ["a", "b"])
    assert [sample["text"] for sample in made["samples"]] == ["what it says"]
    again = form(*needed, ("voices", wav), ("texts", "mine"), ("visibility", "unlist"))
    samples = (await ask(api, FISH_VOICE, again, content_type=FORM)).json()["samples"]
    assert [sample["text"] for sample in samples] == ["mine", "what it says"]


async def test_a_voice_at_fish_is_public_by_itself_and_needs_a_cover_then(api: Client):
    needed = [("type", "tts"), ("title", "me"), ("train_mode", "fast"), ("voices", b"ID3")]
    assert "cover_image" in (await ask(api, FISH_VOICE, form(*needed), 400, content_type=FORM)).json()["message"]
    covered = form(*needed, ("cover_image", b"\x89PNG"))
    assert (await ask(api, FISH_VOICE, covered, content_type=FORM)).json()["visibility"] == "public"


def test_ids_are_never_the_same_and_hang_on_the_seed(clock: JumpClock):
    one, same, other = (Voices(clock=clock, seed=seed) for seed in (1, 1, 2))
    ids = [one.new_id() for _ in range(100)]
    assert len({*ids, other.new_id()}) == 101
    assert [same.new_id() for _ in range(100)] == ids


# ----------------------------------------------------------------------------------------------- music


async def test_music_lasts_as_long_as_its_words(api: Client):
    async def seconds(**params: Any) -> float:
        setting = {"audio_setting": {"format": "wav", "sample_rate": 16000}}
        (audio,) = (await ask(api, MUSIC, {"prompt": "a shanty", **setting, **params})).json()["audios"]
        assert audio["audio_type"] == "wav"
        return seconds_of((await api("GET", audio["audio_url"], key=None)).body)

    bare = await seconds(is_instrumental=True, model="music-2.5+")
    assert 15 <= bare < await seconds(lyrics="la la la\n" * 20)
    assert bare < await seconds(lyrics_optimizer=True)


@pytest.mark.parametrize("params", [{}, {"prompt": "x"}, {"lyrics_optimizer": True}])
async def test_music_of_nothing_is_refused(api: Client, params: dict[str, Any]):
    assert (await ask(api, MUSIC, params, 400)).json()["reason"] == "INVALID_REQUEST_BODY"


async def test_lyrics_are_written_and_changed(api: Client):
    written = (await ask(api, LYRICS, {"mode": "write_full_song", "prompt": "two boats", "title": "Ships"})).json()
    assert written["song_title"] == "Ships"
    assert written["lyrics"].startswith("[Verse]\n")
    assert "boats" in written["lyrics"]
    changed = (await ask(api, LYRICS, {"mode": "edit", "prompt": "happier", "lyrics": written["lyrics"]})).json()
    assert changed["lyrics"].startswith(written["lyrics"])
    assert changed["lyrics"] != written["lyrics"]
    assert (await ask(api, LYRICS, {"mode": "write_full_song"})).json()["lyrics"]
    await ask(api, LYRICS, {"mode": "edit"}, 400)
