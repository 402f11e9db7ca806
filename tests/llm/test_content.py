"""Parts of a message: what becomes of bytes, paths, links and pictures, and what is refused."""

from __future__ import annotations

import asyncio
import base64
import io
import pathlib
import subprocess
import sys
import threading
import wave

import msgspec
import pytest
from helpers import MODEL, Server, completion, connected, events, inside, several
from PIL import Image

from novita_async.errors import ValidationError
from novita_async.llm import ContentWarning, audio, image, text, video
from novita_async.llm.content import FilePart


def saved(kind: str, size: tuple[int, int] = (4, 3)) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", size, (200, 40, 40)).save(file, kind)
    return file.getvalue()


def sound() -> bytes:
    file = io.BytesIO()
    with wave.open(file, "wb") as writer:
        writer.setnchannels(1)
        writer.setsampwidth(2)
        writer.setframerate(8000)
        writer.writeframes(b"\0\0" * 80)
    return file.getvalue()


PNG = saved("PNG")
KINDS = {"PNG": "image/png", "JPEG": "image/jpeg", "WEBP": "image/webp", "GIF": "image/gif"}


def ask(*parts):
    return {"model": MODEL, "messages": [{"role": "user", "content": [text("What is this?"), *parts]}]}


@pytest.fixture
async def server(clock):
    return Server(clock, completion())


@pytest.fixture
async def chat(server, clock):
    async with connected(server, clock) as novita:
        yield novita.chat.completions


def sent(server):
    """The parts of the last request, behind the text."""
    return msgspec.json.decode(server.requests[-1].body)["messages"][-1]["content"][1:]


# --------------------------------------------------------------------------------------------- pictures


@pytest.mark.parametrize("kind", KINDS)
def test_the_kind_of_a_picture_is_told_from_its_bytes(kind):
    data = saved(kind)
    part = image(data, detail="low")
    assert part["type"] == "image_url"
    assert part["image_url"]["detail"] == "low"
    head, _, encoded = part["image_url"]["url"].partition(",")
    assert head == f"data:{KINDS[kind]};base64"
    assert base64.b64decode(encoded) == data


@pytest.mark.parametrize("url", ["https://example.org/a.png", "HTTP://example.org", "data:image/png;base64,AAAA"])
def test_a_link_goes_as_it_is(url):
    assert image(url) == {"type": "image_url", "image_url": {"url": url}}


@pytest.mark.parametrize("kind", [bytearray, memoryview])
def test_bytes_of_every_sort_are_bytes(kind):
    assert image(kind(PNG)) == image(PNG)
    assert audio(kind(sound())) == audio(sound())


@pytest.mark.parametrize("path", [str, pathlib.Path])
async def test_a_file_is_read_when_the_call_is_made_each_time_anew(chat, server, tmp_path, path):
    place = tmp_path / "picture.png"
    part = image(path(place))
    assert repr(part) == f"<FilePart {place}>"
    messages = ask(part)["messages"]
    for data in (PNG, saved("GIF")):
        place.write_bytes(data)
        await chat.create(model=MODEL, messages=messages)
        assert sent(server) == [image(data)]
    assert messages[0]["content"][1] is part  # the caller's own list is left alone


async def test_files_are_read_by_every_kind_of_call(chat, server, clock, tmp_path):
    (tmp_path / "a.png").write_bytes(PNG)
    asked = ask(image(tmp_path / "a.png"))
    server.answers[:] = [completion('{"value": 1}')]
    await chat.parse(**asked, response_format=int)
    assert sent(server) == [image(PNG)]
    await chat.run_tools(**asked, tools=[threading_name])
    assert sent(server) == [image(PNG)]
    server.answers[:] = [lambda _: events(several(b"data: [DONE]\n\n"))]
    async with chat.stream(**asked):
        assert sent(server) == [image(PNG)]
    async with await chat.create(**asked, stream=True):
        assert sent(server) == [image(PNG)]


def threading_name() -> str:
    return threading.current_thread().name


async def test_files_are_read_off_the_loop(chat, tmp_path, monkeypatch):
    threads = []
    original = FilePart.__init__

    def remember(self, name, load):
        def loaded():
            threads.append(threading.current_thread())
            return load()

        original(self, name, loaded)

    monkeypatch.setattr(FilePart, "__init__", remember)
    (tmp_path / "a.png").write_bytes(PNG)
    await chat.create(**ask(image(tmp_path / "a.png"), image(tmp_path / "a.png")))
    assert len(threads) == 2
    assert len(set(threads)) == 1
    assert threads[0] is not threading.main_thread()


async def test_a_picture_of_pil_goes_as_what_it_was_or_as_png(chat, server):
    opened = Image.open(io.BytesIO(saved("JPEG")))
    await chat.create(**ask(image(opened), image(Image.new("RGBA", (2, 2)))))
    first, second = (part["image_url"]["url"] for part in sent(server))
    assert first.startswith("data:image/jpeg;base64,")
    assert second.startswith("data:image/png;base64,")
    assert Image.open(io.BytesIO(base64.b64decode(second.partition(",")[2]))).size == (2, 2)


async def test_a_picture_that_pil_cannot_write_is_refused(chat, server):
    with pytest.raises(ValidationError, match="cannot be written as PNG"):
        await chat.create(**ask(image(Image.new("HSV", (2, 2)))))
    assert server.requests == []


# ------------------------------------------------------------------------------------------ other parts


@pytest.mark.parametrize(
    ("head", "kind"),
    [
        (sound()[:16], "wav"),
        (b"ID3\x04\0\0", "mp3"),
        (b"\xff\xfb\x90\x44", "mp3"),
        (b"\xff\xf3\x90\x44", "mp3"),
        (b"fLaC\0", "flac"),
        (b"OggS\0", "ogg"),
        (b"\0\0\0\x1cftypM4A ", "m4a"),
        (b"\xff\xf1\x50\x80", "aac"),
    ],
)
def test_the_format_of_sound_is_told_from_its_bytes(head, kind):
    part = audio(head)
    assert part == {"type": "input_audio", "input_audio": {"data": base64.b64encode(head).decode(), "format": kind}}


def test_a_format_that_is_given_wins_and_is_needed_where_it_cannot_be_told():
    assert audio(b"raw", format="pcm16")["input_audio"]["format"] == "pcm16"
    link = "https://example.org/a.MP3?x=1.wav"
    assert audio(link)["input_audio"] == {"data": link, "format": "mp3"}
    assert audio("https://example.org/a", format="wav")["input_audio"]["format"] == "wav"
    for source in (b"raw", "https://example.org/a", "https://example.org/a.exe"):
        with pytest.raises(ValidationError, match=r"the format of .* cannot be told: give it as `format`"):
            audio(source)


async def test_sound_of_a_file_is_read_when_the_call_is_made(chat, server, tmp_path):
    (tmp_path / "a.wav").write_bytes(sound())
    (tmp_path / "a.raw").write_bytes(b"raw")
    await chat.create(**ask(audio(tmp_path / "a.wav"), audio(tmp_path / "a.raw", format="pcm16")))
    assert sent(server) == [audio(sound()), audio(b"raw", format="pcm16")]


def test_a_video_is_a_link():
    assert video("https://example.org/a.mp4") == {
        "type": "video_url",
        "video_url": {"url": "https://example.org/a.mp4"},
    }


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: image(b""), "the image of 0 bytes is no PNG, JPEG, WEBP or GIF"),
        (lambda: image(b"%PDF-1.7"), "is no PNG"),
        (lambda: image(b"RIFF\0\0\0\0WAVE"), "is no PNG"),
        (lambda: image("ftp://example.org/a.png"), "image: the platform fetches http and https links, not ftp://"),
        (lambda: image(7), "image must be a URL, a path or bytes, got int"),
        (lambda: image(None), "got NoneType"),
        (lambda: audio(["a"]), "audio must be a URL, a path or bytes, got list"),
        (lambda: video("a.mp4"), "video must be a URL, got 'a.mp4'"),
        (lambda: video(b"x"), "video must be a URL"),
        (lambda: text(b"x"), "text must be text, got bytes"),
    ],
)
def test_what_can_be_no_part_is_refused_at_once(make, words):
    with pytest.raises(ValidationError, match=words):
        make()


async def test_a_file_that_is_no_picture_is_refused_by_name_before_anything_is_sent(chat, server, tmp_path):
    (tmp_path / "notes.txt").write_text("secret")
    (tmp_path / "data.wav").write_bytes(b"secret")
    for part, words in (
        (image(tmp_path / "nothing.png"), r"image '.*nothing.png' cannot be read: No such file or directory"),
        (image(tmp_path), "cannot be read: Is a directory"),
        (image("a\0b"), "cannot be read: embedded null byte"),
        (image(tmp_path / "notes.txt"), r"notes.txt is no PNG, JPEG, WEBP or GIF"),
        (audio(tmp_path / "data.wav"), r"the format of .*data.wav cannot be told"),
    ):
        with pytest.raises(ValidationError, match=words):
            await chat.create(**ask(part))
        stream = chat.stream(**ask(part))
        with pytest.raises(ValidationError, match=words):
            await stream.__aenter__()
    assert server.requests == []


async def test_a_cancelled_call_waits_for_the_reading_and_sends_nothing(chat, server, tmp_path):
    begun, gate = asyncio.Event(), threading.Event()
    loop = asyncio.get_running_loop()

    def load():
        loop.call_soon_threadsafe(begun.set)
        gate.wait(10)
        return image(PNG)

    call = asyncio.create_task(chat.create(**ask(FilePart("slow", load))))
    await begun.wait()
    call.cancel()
    gate.set()
    with pytest.raises(asyncio.CancelledError):
        await call
    assert server.requests == []


# -------------------------------------------------------------------------------------------- the advice


async def test_more_than_is_advised_is_a_warning_that_names_the_callers_line(chat, server, tmp_path):
    link = image("https://example.org/a.png")
    large = image(PNG + bytes(800_000))
    (tmp_path / "large.png").write_bytes(PNG + bytes(800_000))
    for parts, words in (
        ([link] * 3, "^3 pictures in a request, where at most 2 are advised$"),
        ([large], "^a picture of 1.1 MB as base64, where less than 1 MB is advised$"),
        ([image(tmp_path / "large.png")], "^a picture of 1.1 MB"),
        ([link, link, large], "^3 pictures .*; a picture of 1.1 MB"),
    ):
        with pytest.warns(ContentWarning, match=words) as caught:
            await chat.create(**ask(*parts))
        assert [each.filename for each in caught] == [__file__]
        with pytest.warns(ContentWarning, match=words) as caught:
            async with chat.stream(**ask(*parts)):
                pass
        assert [each.filename for each in caught] == [__file__]
    with pytest.warns(ContentWarning) as caught:
        await chat.run_tools(**ask(large), tools=[threading_name])
    assert len(caught) == 1


async def test_what_is_advised_is_no_warning(chat, server):
    await chat.create(**ask(image("https://example.org/a.png"), image(PNG + bytes(600_000))))
    await chat.create(**ask({"type": "image_url"}, {"type": "novel"}))  # the server is the judge of these
    assert len(server.requests) == 2


# ------------------------------------------------------------------------------------------- end to end


async def test_the_simulator_takes_the_parts(sim, tmp_path):
    (tmp_path / "a.png").write_bytes(PNG)
    async with inside(sim) as novita:
        for model, part in (
            ("qwen/qwen3-vl-8b-instruct", image(tmp_path / "a.png", detail="low")),
            ("qwen/qwen3-omni-30b-a3b-instruct", audio(sound())),
            ("qwen/qwen3-omni-30b-a3b-instruct", video("https://example.org/a.mp4")),
        ):
            asked = {**ask(part), "model": model}
            assert (await novita.chat.completions.create(**asked)).choices[0].message.content


def test_pil_is_not_imported_by_who_does_not_use_it():
    code = "import sys\nfrom novita_async.llm.content import image\nimage('a.png')\nprint('PIL' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.strip() == "False"
