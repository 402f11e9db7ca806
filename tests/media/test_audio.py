"""`novita.audio`: what its shorthands send, whatever the model calls it, and what comes of it."""

from __future__ import annotations

import io
import wave
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from novita_async.errors import BadRequest, ModelRetiredWarning, TaskFailed, ValidationError
from novita_async.simulator import Outcome
from tests.helpers import Server, connected, inside, json_reply

if TYPE_CHECKING:
    import pathlib
    from collections.abc import AsyncIterator, Awaitable, Callable

    from novita_async import AsyncNovita, Reply, Request
    from novita_async.media.results import MediaResult
    from novita_async.simulator import Simulator
    from novita_async.testing.clock import JumpClock

TEXT = "Good morning, dear listeners."
CLIP = "https://files.test/me.mp3"
AT_ONCE = ("minimax-speech-2.8-turbo", "minimax-speech-2.8-hd", "minimax-speech-02-hd", "minimax-speech-2.5-hd-preview")
IN_TASKS = ("minimax-speech-2.8-hd-async", "minimax-speech-02-turbo-async")
FISH = ("fish-audio-text-to-speech", "fish-audio-s2-pro-text-to-speech")
FLAC = {"voice_setting": {"voice_id": "Abbess", "speed": 1.5}, "audio_setting": {"format": "flac"}}

retired = pytest.mark.filterwarnings("ignore::novita_async.errors.ModelRetiredWarning")


@pytest.fixture
async def novita(sim: Simulator) -> AsyncIterator[AsyncNovita]:
    async with inside(sim) as novita:
        yield novita


async def body_of(clock: JumpClock, work: Callable[[AsyncNovita], Awaitable[object]], answer: Any = None) -> Any:
    """What a call sends, in JSON."""
    server = Server(clock, answer or json_reply({"audio": "00"}))
    async with connected(server, clock) as novita:
        await work(novita)
    (request,) = server.requests
    assert isinstance(request.body, bytes)
    return msgspec.json.decode(request.body)


async def refused(clock: JumpClock, work: Callable[[AsyncNovita], Awaitable[object]], *problems: str) -> None:
    """The call is refused for these reasons, and nothing is sent."""
    server = Server(clock, {})
    async with connected(server, clock) as novita:
        with pytest.raises(ValidationError) as caught:
            await work(novita)
    assert not server.requests
    for problem in problems:
        assert problem in str(caught.value)


# ---------------------------------------------------------------------------------------------- speech


@retired
@pytest.mark.parametrize(
    ("model", "asked", "body"),
    [
        ("minimax-speech-2.8-turbo", {"voice": "Abbess", "speed": 1.5, "format": "flac"}, {"text": TEXT, **FLAC}),
        ("minimax-speech-02-hd", {"voice": "Abbess", "speed": 1.5, "format": "flac"}, {"text": TEXT, **FLAC}),
        ("minimax-speech-2.6-turbo", {}, {"text": TEXT, "voice_setting": {"voice_id": "Wise_Woman"}}),
        (
            "glm-tts",
            {"voice": "jam", "speed": 0.5, "format": "wav"},
            {"input": TEXT, "voice": "jam", "speed": 0.5, "response_format": "wav"},
        ),
        ("glm-tts", {}, {"input": TEXT, "voice": "tongtong"}),
        (
            FISH[0],
            {"voice": "abc", "speed": 2, "format": "opus", "sample_rate": 24000},
            {"text": TEXT, "reference_id": "abc", "prosody": {"speed": 2}, "format": "opus", "sample_rate": 24000},
        ),
        (FISH[1], {"speed": 2}, {"text": TEXT, "prosody": {"speed": 2}}),
    ],
)
async def test_one_vocabulary_becomes_the_words_of_each_model(
    clock: JumpClock, model: str, asked: dict[str, Any], body: dict[str, Any]
):
    sent = await body_of(clock, lambda novita: novita.audio.speech(TEXT, model=model, **asked))
    assert sent == body


async def test_the_own_parameters_of_a_model_go_with_the_common_words(clock: JumpClock):
    setting = {"emotion": "happy"}
    own: dict[str, Any] = {"voice_setting": setting, "audio_setting": {"channel": 2}, "output_format": "url"}
    sent = await body_of(clock, lambda novita: novita.audio.speech(TEXT, voice="Abbess", sample_rate=16000, **own))
    assert sent == {
        "text": TEXT,
        "voice_setting": {"emotion": "happy", "voice_id": "Abbess"},
        "audio_setting": {"channel": 2, "sample_rate": 16000},
        "output_format": "url",
    }
    assert setting == {"emotion": "happy"}, "the caller's own mapping is left alone"


async def test_the_rate_has_another_name_in_the_tasks_of_2_8(clock: JumpClock):
    model = "minimax-speech-2.8-hd-async"

    async def work(novita: AsyncNovita) -> None:
        with pytest.raises(Exception, match="no id"):
            await novita.audio.speech(TEXT, model=model, sample_rate=8000)

    assert (await body_of(clock, work))["audio_setting"] == {"audio_sample_rate": 8000}


@pytest.mark.parametrize(
    ("model", "blend", "setting"),
    [
        ("minimax-speech-2.8-hd", "timber_weights", {"voice_id": ""}),
        ("minimax-speech-02-hd", "timbre_weights", {}),
        ("minimax-speech-02-hd", "timbre_weights", {"pitch": 2}),
    ],
)
async def test_a_blend_of_voices_needs_no_voice(clock: JumpClock, model: str, blend: str, setting: dict[str, Any]):
    weights: dict[str, Any] = {blend: [{"voice_id": "Abbess", "weight": 30}, {"voice_id": "Wise_Woman", "weight": 70}]}
    own: dict[str, Any] = {"voice_setting": setting} if "pitch" in setting else {}
    sent = await body_of(clock, lambda novita: novita.audio.speech(TEXT, model=model, **weights, **own))
    assert sent == {"text": TEXT, "voice_setting": setting, **weights}


async def test_what_a_model_cannot_do_is_named_before_anything_is_sent(clock: JumpClock):
    await refused(
        clock,
        lambda novita: novita.audio.speech(TEXT, model="glm-tts", sample_rate=8000, speed=9),
        "glm-tts: sample_rate: it has no such choice",
    )
    await refused(clock, lambda novita: novita.audio.speech(TEXT, model="txt2speech"), "language: missing")
    await refused(
        clock, lambda novita: novita.audio.speech(TEXT, continous_sound=True), "did you mean continuous_sound"
    )
    await refused(clock, lambda novita: novita.audio.speech("", speed=3.0), "text: empty", "3.0 is more than 2")
    await refused(clock, lambda novita: novita.audio.speech(TEXT, model="minimax-music"), "does not speak")
    await refused(clock, lambda novita: novita.audio.speech(TEXT, model="flux-1-schnell"), "novita.images")
    await refused(
        clock,
        lambda novita: novita.audio.speech(TEXT, voice="Abbess", voice_setting={"voice_id": "Wise_Woman"}),
        "voice and voice_setting.voice_id are the same",
    )


@pytest.mark.parametrize("model", [*AT_ONCE, *IN_TASKS, *FISH])
async def test_every_model_speaks(novita: AsyncNovita, model: str):
    short = await novita.audio.speech(TEXT, model=model)
    long = await novita.audio.speech(TEXT * 3, model=model)
    assert [output.type for output in (*short.audios, *long.audios)] == ["mp3", "mp3"]
    assert 2 * len(await short.audios[0].bytes()) < len(await long.audios[0].bytes())


@retired
@pytest.mark.parametrize(
    ("model", "params"),
    [
        ("minimax-speech-2.8-turbo", {}),
        ("minimax-speech-2.6-hd", {"output_format": "url"}),
        ("glm-tts", {}),
        (FISH[0], {}),
        ("txt2speech", {"language": "en-US"}),
    ],
)
async def test_a_wav_file_is_one_and_says_what_it_should(novita: AsyncNovita, model: str, params: dict[str, Any]):
    result = await novita.audio.speech(TEXT, model=model, format="wav", **params)
    data = await result.audios[0].bytes()
    with wave.open(io.BytesIO(data)) as file:
        assert file.getnframes() / file.getframerate() == pytest.approx(len(TEXT) / 14, abs=0.3)
    if model != "txt2speech":  # whose files come from elsewhere
        assert (await novita.audio.transcribe(data)).text == TEXT


@retired
@pytest.mark.parametrize("model", ["minimax-speech-02-hd", "minimax-speech-2.8-hd", "glm-tts", FISH[1]])
async def test_samples_without_a_header_are_known_for_what_they_are(
    novita: AsyncNovita, model: str, tmp_path: pathlib.Path
):
    result = await novita.audio.speech(TEXT, model=model, format="pcm")
    assert result.audios[0].type == "pcm"
    (path,) = await result.save(tmp_path)
    assert path.suffix == ".pcm"


async def test_several_speakers_have_a_voice_each(clock: JumpClock):
    text = "<|speaker:0|>Hello.<|speaker:1|>Hi."
    sent = await body_of(clock, lambda novita: novita.audio.speech(text, model=FISH[1], voice=("anna", "bert")))
    assert sent == {"text": text, "reference_id": ["anna", "bert"]}
    await refused(clock, lambda novita: novita.audio.speech(text, voice=["anna", "bert"]), "voice_id: a text is wanted")


async def test_a_failure_of_minimax_inside_a_200_is_an_error(novita: AsyncNovita, sim: Simulator):
    for model in ("minimax-speech-2.8-turbo", "minimax-speech-02-hd"):
        with pytest.raises(BadRequest, match="Nobody") as caught:
            await novita.audio.speech(TEXT, model=model, voice="Nobody")
        assert caught.value.reason == "2013"
        with pytest.raises(BadRequest, match="Nobody"):
            async with await novita.audio.speech(TEXT, model=model, voice="Nobody", stream=True) as stream:
                await stream.bytes()
    with pytest.raises(BadRequest, match="1042"):
        await novita.audio.speech("\U0001f41f" * 20)


async def test_a_task_of_speech_that_fails_says_why(novita: AsyncNovita, sim: Simulator):
    sim.fault("POST", "/v3/async/*", Outcome.failed("no breath left"))
    with pytest.raises(TaskFailed, match="no breath left"):
        await novita.audio.speech(TEXT, model=IN_TASKS[0])


# ----------------------------------------------------------------------------------------- transcripts


async def test_a_transcript_takes_a_file_in_any_form_and_warns_of_the_end_of_its_model(
    novita: AsyncNovita, sim: Simulator, tmp_path: pathlib.Path
):
    path = tmp_path / "said.wav"
    await (await novita.audio.speech(TEXT, format="wav")).audios[0].save(path)
    with pytest.warns(ModelRetiredWarning, match="glm-asr"):
        assert (await novita.audio.transcribe(path)).text == TEXT
    heard = await novita.audio.transcribe(CLIP, prompt="the news", hotwords=("listeners",))
    sent = msgspec.json.decode(sim.requests[-1].body)
    assert sent == {"file": CLIP, "prompt": "the news", "hotwords": ["listeners"]}
    assert heard.text
    assert heard.text == (await novita.audio.transcribe(CLIP)).text


@retired
async def test_what_is_no_recording_is_refused(novita: AsyncNovita, tmp_path: pathlib.Path):
    with pytest.raises(ValidationError, match="file"):
        await novita.audio.transcribe(tmp_path / "missing.wav")
    with pytest.raises(ValidationError, match="file"):
        await novita.audio.transcribe(b"\x89PNG\r\n\x1a\n" + b"x" * 100)


# ---------------------------------------------------------------------------------------------- voices


async def test_a_voice_cloned_at_minimax_speaks(novita: AsyncNovita, sim: Simulator):
    cloned = await novita.audio.clone_voice(CLIP, preview_text="It is me.", need_noise_reduction=True)
    assert msgspec.json.decode(sim.requests[-1].body) == {
        "audio_url": CLIP,
        "text": "It is me.",
        "model": "speech-2.8-turbo",
        "need_noise_reduction": True,
    }
    assert await cloned.audios[0].bytes()
    assert (await novita.audio.speech(TEXT, voice=cloned.voice_id)).audios
    assert not (await novita.audio.clone_voice(CLIP)).audios, "no trial was asked for"


async def test_a_cloned_voice_vanishes_when_it_is_not_used_for_a_week(novita: AsyncNovita, clock: JumpClock):
    voice = (await novita.audio.clone_voice(CLIP)).voice_id
    for _ in range(3):
        await clock.sleep(167 * 3600)
        await novita.audio.speech(TEXT, voice=voice)
    await clock.sleep(169 * 3600)
    with pytest.raises(BadRequest, match="2013"):
        await novita.audio.speech(TEXT, voice=voice)


@retired
async def test_a_voice_cloned_at_glm_speaks(novita: AsyncNovita):
    asked: dict[str, Any] = {"name": "me", "transcript": "hello", "preview_text": "It is me."}
    cloned = await novita.audio.clone_voice(CLIP, model="glm-tts-voice-clone", **asked)
    assert cloned.voice_id == "me"
    assert (await cloned.audios[0].bytes())[:4] == b"RIFF"
    assert (await novita.audio.speech(TEXT, model="glm-tts", voice="me")).audios
    with pytest.raises(BadRequest, match="already"):
        await novita.audio.clone_voice(CLIP, model="glm-tts-voice-clone", **asked)
    with pytest.raises(BadRequest, match="no voice"):
        await novita.audio.speech(TEXT, model="glm-tts", voice="you")


async def test_a_voice_cloned_at_fish_is_private_and_made_of_files(novita: AsyncNovita, sim: Simulator):
    wav = await (await novita.audio.speech("First.", format="wav")).audios[0].bytes()
    more = await (await novita.audio.speech("Second.", format="wav")).audios[0].bytes()
    model = "fish-audio-voice-cloning"
    one = await novita.audio.clone_voice(wav, model=model, name="me", transcript="what it says", tags=["a", "b"])
    assert sim.requests[-1].headers["content-type"].startswith("multipart/form-data")
    assert (one.extra["visibility"], one.extra["title"], one.extra["tags"]) == ("private", "me", ["a", "b"])
    assert [sample["text"] for sample in one.extra["samples"]] == ["what it says"]
    both = await novita.audio.clone_voice([wav, more], model=model, name="me", enhance_audio_quality=True)
    assert [sample["text"] for sample in both.extra["samples"]] == ["First.", "Second."]
    assert one.voice_id != both.voice_id
    assert (await novita.audio.speech(TEXT, model=FISH[0], voice=one.voice_id)).audios
    with pytest.raises(ValidationError, match="cover_image: needed when visibility is public"):
        await novita.audio.clone_voice(wav, model=model, name="me", visibility="public")


async def test_a_clone_without_what_its_model_needs_is_refused(clock: JumpClock):
    def clone(audio: Any = CLIP, **asked: Any) -> Callable[[AsyncNovita], Awaitable[MediaResult]]:
        return lambda novita: novita.audio.clone_voice(audio, **asked)

    glm, fish = "glm-tts-voice-clone", "fish-audio-voice-cloning"
    await refused(clock, clone(name="me", transcript="x"), "name: it has no such choice", "transcript: it has no such")
    await refused(clock, clone(model=glm), "name: missing", "preview_text: missing")
    await refused(clock, clone(model=glm, name="a", voice_name="b", preview_text="c"), "are the same")
    await refused(clock, clone(b"\0" * 64, model=fish), "name: missing")
    await refused(clock, clone(model="minimax-music"), "clones no voices", fish)
    await refused(clock, clone(b"ID3" + b"\0" * 64), "audio_url")
    await refused(clock, clone(preview_text="x" * 2001), "2001 characters, at most 2000")


async def test_a_designed_voice_has_a_trial_and_speaks(novita: AsyncNovita):
    made = await novita.audio.design_voice("an old sailor", preview_text="Land ahoy!")
    assert made.audios[0].type == "mp3"
    assert await made.audios[0].bytes()
    assert (await novita.audio.speech(TEXT, voice=made.voice_id)).audios
    own = await novita.audio.design_voice("an old sailor", preview_text="Land ahoy!", voice_id="sailor")
    assert own.voice_id == "sailor"


# ----------------------------------------------------------------------------------------------- music


async def test_a_song_needs_no_more_than_a_prompt(novita: AsyncNovita, sim: Simulator):
    song = await novita.audio.music("a slow shanty")
    assert msgspec.json.decode(sim.requests[-1].body) == {
        "model": "music-2.5+",
        "prompt": "a slow shanty",
        "lyrics_optimizer": True,
    }
    assert song.audios[0].type == "mp3"
    assert len(await song.audios[0].bytes()) > 100_000


async def test_words_and_music_are_put_together(novita: AsyncNovita, sim: Simulator):
    words = await novita.audio.lyrics("two boats that never meet", title="Ships")
    assert words.text.startswith("[Verse]")
    assert words.extra["song_title"] == "Ships"
    song = await novita.audio.music(words.extra["style_tags"], lyrics=words.text, format="wav", sample_rate=16000)
    sent = msgspec.json.decode(sim.requests[-1].body)
    assert sent["audio_setting"] == {"format": "wav", "sample_rate": 16000}
    assert "lyrics_optimizer" not in sent
    with wave.open(io.BytesIO(await song.audios[0].bytes())) as file:
        assert file.getframerate() == 16000
    edited = await novita.audio.lyrics("a happier end", lyrics=words.text)
    assert edited.text.startswith(words.text)
    assert edited.text != words.text


async def test_a_piece_without_words(novita: AsyncNovita, sim: Simulator):
    await novita.audio.music("rain on a tin roof", instrumental=True, audio_setting={"bitrate": 64000}, format="mp3")
    sent = msgspec.json.decode(sim.requests[-1].body)
    assert sent["is_instrumental"] is True
    assert "lyrics_optimizer" not in sent
    assert sent["audio_setting"] == {"bitrate": 64000, "format": "mp3"}


async def test_a_song_of_nothing_is_refused(clock: JumpClock):
    await refused(clock, lambda novita: novita.audio.music(), "prompt: missing")
    await refused(clock, lambda novita: novita.audio.music("x", version="music-2.0"), "lyrics: missing")
    await refused(clock, lambda novita: novita.audio.music(instrumental=True), "prompt")
    await refused(clock, lambda novita: novita.audio.music("x", instrumental=True, version="music-2.5"), "model")


async def test_fields_and_headers_of_ones_own_go_along(clock: JumpClock):
    seen: list[Any] = []

    def answer(request: Request) -> Reply:
        assert isinstance(request.body, bytes)
        seen.append((request.headers["x-mine"], msgspec.json.decode(request.body)["future"]))
        return json_reply({"audios": [CLIP], "voice_id": "v", "text": "t", "audio": "00"})

    own: dict[str, Any] = {"extra_headers": {"X-Mine": "yes"}, "extra_body": {"future": 1}, "timeout": 5.0}
    async with connected(Server(clock, answer), clock) as novita:
        audio = novita.audio
        with pytest.warns(ModelRetiredWarning):
            await audio.transcribe(CLIP, **own)
        await audio.speech(TEXT, **own)
        await audio.clone_voice(CLIP, **own)
        await audio.design_voice("x", preview_text="y", **own)
        await audio.music("x", **own)
        await audio.lyrics("x", **own)
    assert seen == [("yes", 1)] * 6
