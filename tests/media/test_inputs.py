"""Files as people have them: what each becomes on the wire, what is refused, and that large ones are streamed."""

from __future__ import annotations

import base64
import gc
import hashlib
import io
import os
import pathlib
import tempfile
from email.parser import BytesParser
from typing import Any

import msgspec
import pytest
from helpers import BASE, KEY, Server, connected, json_reply, over_sockets
from PIL import Image

from novita_async import Reply
from novita_async.catalog import Model, load
from novita_async.errors import CallTimeout, ConnectionLost, OutcomeUnknown, ValidationError
from novita_async.media.bodies import Body, build
from novita_async.media.inputs import PIECE
from novita_async.media.pixels import sides

pytestmark = pytest.mark.filterwarnings("ignore::novita_async.errors.ModelRetiredWarning")

CATALOG = load()
LINK = "https://files.test/cat.png"


def picture(kind: str = "PNG", size: tuple[int, int] = (512, 512), mode: str = "RGB", **options: Any) -> bytes:
    file = io.BytesIO()
    Image.new(mode, size, 200).save(file, kind, **options)
    return file.getvalue()


PNG = picture()
JPEG = picture("JPEG")
WAV = b"RIFF\x24\x00\x00\x00WAVEfmt " + bytes(100)


def text_of(data: bytes, kind: str = "") -> str:
    return (f"data:{kind};base64," if kind else "") + base64.b64encode(data).decode()


@pytest.fixture
async def server(clock):
    return Server(clock, {"task_id": "task-1"})


@pytest.fixture
async def novita(server, clock):
    async with connected(server, clock) as novita:
        yield novita


@pytest.fixture
def cat(tmp_path):
    path = tmp_path / "cat.png"
    path.write_bytes(PNG)
    return path


async def body(novita, model: str | Model, *, validate: bool = True, **params: Any) -> Body:
    model = CATALOG[model] if isinstance(model, str) else model
    return await build(novita.media._runtime, model, params, validate=validate)


async def sent(novita, model: str, **params: Any) -> Any:
    """The JSON that a call sends."""
    made = await body(novita, model, **params)
    return msgspec.json.decode(await content(made))


async def content(made: Body) -> bytes:
    return made.content if isinstance(made.content, bytes) else b"".join([part async for part in made.content])


async def refusal(novita, model: str, **params: Any) -> list[str]:
    with pytest.raises(ValidationError) as refused:
        await body(novita, model, **params)
    return [problem.removeprefix(f"{model}: ") for problem in refused.value.problems]


# ------------------------------------------------------------------------------------ what people have


class Path:
    """Somebody's own path."""

    def __init__(self, path: os.PathLike[str]) -> None:
        self._path = path

    def __fspath__(self) -> str:
        return os.fspath(self._path)


WAYS = {
    "bytes": lambda path: PNG,
    "bytearray": lambda path: bytearray(PNG),
    "memoryview": lambda path: memoryview(PNG),
    "path": lambda path: path,
    "path as text": str,
    "own path": Path,
    "base64": lambda path: text_of(PNG),
    "base64 of addresses": lambda path: base64.urlsafe_b64encode(PNG).decode().rstrip("="),
    "base64 in lines": lambda path: base64.encodebytes(PNG).decode(),
    "data URI": lambda path: text_of(PNG, "image/png"),
    "data URI with a charset": lambda path: text_of(PNG, "image/png;charset=utf-8"),
    "data URI of another name": lambda path: text_of(PNG, "image/jpeg"),
    "percent-encoded data URI": lambda path: "data:image/png," + "".join(f"%{byte:02x}" for byte in PNG),
    "BytesIO": lambda path: io.BytesIO(PNG),
}


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
async def test_a_file_is_bare_base64_or_a_data_uri_as_the_model_wants_it(novita, cat, way):
    assert await sent(novita, "reimagine", image_file=way(cat)) == {"image_file": text_of(PNG)}
    params = {"prompt": "x", "image": way(cat)}
    assert (await sent(novita, "kling-v3.0-std-i2v", **params))["image"] == text_of(PNG, "image/png")


async def test_an_open_file_is_read_from_where_it_stands_and_left_open(novita, tmp_path):
    path = tmp_path / "cat.bin"
    path.write_bytes(b"some head" + PNG)
    with path.open("rb") as file:
        file.seek(9)
        assert await sent(novita, "reimagine", image_file=file) == {"image_file": text_of(PNG)}
        assert not file.closed
    with tempfile.SpooledTemporaryFile() as file:
        file.write(PNG)
        file.seek(0)
        assert await sent(novita, "reimagine", image_file=file) == {"image_file": text_of(PNG)}


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L", "1", "P", "CMYK", "YCbCr", "LA"])
async def test_a_picture_of_pillow_becomes_a_png(novita, mode):
    made = await sent(novita, "reimagine", image_file=Image.new(mode, (40, 30)))
    with Image.open(io.BytesIO(base64.b64decode(made["image_file"]))) as again:
        assert (again.format, again.size) == ("PNG", (40, 30))


async def test_a_link_goes_as_it_is_where_links_are_taken(novita, server):
    for image in (LINK, "HTTP://files.test/a"):
        assert (await sent(novita, "kling-v3.0-std-i2v", prompt="x", image=image))["image"] == image
    assert server.requests == []


async def test_the_id_of_an_asset_goes_as_it_is(novita, monkeypatch, cat):
    monkeypatch.chdir(cat.parent)
    params = dict.fromkeys(CATALOG["adetailer"].params.required, 1)
    made = await body(novita, "adetailer", validate=False, image_assets_ids=["cat.png", "7"], **params)
    assert msgspec.json.decode(await content(made))["request"]["image_assets_ids"] == ["cat.png", "7"]


async def test_files_are_found_in_lists_and_objects_and_the_callers_own_are_left_as_they_were(novita, cat):
    unit = {"model_name": "canny", "image_base64": PNG, "strength": 1, "preprocessor": "canny"}
    params = {"controlnet": {"units": [unit, {**unit, "image_base64": cat}]}}
    made = (await sent(novita, "img2img", image_base64=cat, **SD, **params))["request"]
    assert made["image_base64"] == text_of(PNG)
    assert [each["image_base64"] for each in made["controlnet"]["units"]] == [text_of(PNG)] * 2
    assert params["controlnet"]["units"][1]["image_base64"] is cat
    images = (await sent(novita, "seedream-4.0", prompt="x", images=(LINK, JPEG)))["images"]
    assert images == [LINK, text_of(JPEG, "image/jpeg")]


SD = {
    "model_name": "a.safetensors",
    "prompt": "x",
    "width": 128,
    "height": 128,
    "image_num": 1,
    "steps": 20,
    "guidance_scale": 7.5,
    "sampler_name": "Euler a",
}


async def test_the_type_of_a_data_uri_is_told_by_the_bytes(novita):
    for kind, type_ in (("JPEG", "image/jpeg"), ("WEBP", "image/webp"), ("GIF", "image/gif"), ("TIFF", "image/tiff")):
        data = picture(kind)
        made = await sent(novita, "seedream-4.5", prompt="x", image=[data])
        assert made["image"] == [text_of(data, type_)]
    heard = await sent(novita, "glm-asr", file=WAV)
    assert heard["file"] == text_of(WAV, "audio/wav")


async def test_a_result_of_another_model_goes_as_its_link_or_as_its_bytes(clock):
    answer = {
        "task": {"task_id": "task-1", "status": "TASK_STATUS_SUCCEED"},
        "images": [{"image_url": LINK, "image_type": "png"}],
    }

    def handle(request):
        return Reply(200, {"content-type": "image/png"}, PNG) if request.url == LINK else json_reply(answer)

    server = Server(clock, handle)
    async with connected(server, clock) as novita:
        result = await novita.images.run("flux-1-schnell", prompt="x", size=(64, 64), steps=1, seed=1, image_num=1)
        (output,) = result.images
        assert (await sent(novita, "kling-v3.0-std-i2v", prompt="x", image=output))["image"] == LINK
        assert await sent(novita, "reimagine", image_file=output) == {"image_file": text_of(PNG)}
    assert [request.url for request in server.requests[1:]] == [LINK]


async def test_a_result_that_came_whole_goes_as_its_bytes(clock):
    answer = {"image_file": text_of(PNG), "image_type": "png"}
    server = Server(clock, answer)
    async with connected(server, clock) as novita:
        result = await novita.images.run("reimagine", image_file=JPEG)
        (output,) = result.images
        made = await sent(novita, "kling-v3.0-std-i2v", prompt="x", image=output)
        assert made["image"] == text_of(PNG, "image/png")
        (found,) = await refusal(novita, "kling-v2.1-i2v", prompt="x", image=output)
        assert found.startswith("image: only a link is taken here")
    assert len(server.requests) == 1


# ------------------------------------------------------------------------------------- what is fetched


def linked(clock, data: bytes = PNG, status: int = 200, **headers: str) -> Server:
    return Server(clock, lambda request: Reply(status, {"content-type": "image/png", **headers}, data))


async def test_a_link_is_fetched_without_the_key_where_only_base64_is_taken(clock):
    server = linked(clock)
    async with connected(server, clock) as novita:
        made = await body(novita, "reimagine", image_file=LINK)
        assert msgspec.json.decode(await content(made)) == {"image_file": text_of(PNG)}
        assert LINK.encode() in made.note
    (request,) = server.requests
    assert request.url == LINK
    assert KEY not in str(request.headers)


async def test_what_is_behind_a_link_is_held_against_the_limits_too(clock):
    async with connected(linked(clock, picture(size=(2000, 600))), clock) as novita:
        assert await refusal(novita, "reimagine", image_file=LINK) == [
            "image_file: 2000 by 600 are 1200000 pixels, at most 1048576"
        ]
    async with connected(linked(clock, b"<html>not here</html>", 404), clock) as novita:
        (problem,) = await refusal(novita, "reimagine", image_file=LINK)
        assert problem.startswith("image_file: the link cannot be fetched: ")


async def test_several_links_are_fetched_at_the_same_time_and_each_problem_is_said(clock):
    async def slow(request):
        await clock.sleep(3)
        return Reply(200, {}, PNG if "face" in request.url else b"")

    async with connected(slow, clock) as novita:
        begun = clock.monotonic()
        made = await sent(novita, "merge-face", face_image_file=f"{LINK}?face=1", image_file=f"{LINK}?face=2")
        assert made == {"face_image_file": text_of(PNG), "image_file": text_of(PNG)}
        assert clock.monotonic() - begun == 3
        found = await refusal(novita, "merge-face", face_image_file=LINK, image_file=LINK)
        assert sorted(found) == ["face_image_file: the file is empty", "image_file: the file is empty"]


async def test_no_more_is_fetched_than_may_be_sent(clock):
    taken = 0

    async def endless():
        nonlocal taken
        while True:
            taken += 1 << 20
            yield bytes(1 << 20)

    server = Server(clock, lambda request: Reply(200, {}, endless()))
    async with connected(server, clock) as novita:
        (problem,) = await refusal(novita, "img2img", image_base64=LINK, **SD)
    assert problem == "image_base64: what the link leads to is larger than 10485760 bytes"
    assert taken <= 12 << 20


@pytest.mark.parametrize(("seconds", "requests"), [(20, 1), (6, 2)])
async def test_the_time_of_a_call_includes_what_is_fetched_for_it(clock, seconds, requests):
    async def slow(request):
        await clock.sleep(seconds)
        return Reply(200, {}, PNG) if request.url == LINK else json_reply({"task_id": "1"})

    server = Server(clock, slow)
    async with connected(server, clock) as novita:
        begun = clock.monotonic()
        with pytest.raises(CallTimeout) as late:
            await novita.images.submit("img2img", image_base64=LINK, **SD, timeout=10)
        assert clock.monotonic() - begun == 10
    assert len(server.requests) == requests
    assert late.value.sent == (requests == 2)


async def test_nothing_is_fetched_for_a_call_that_cannot_go_out(novita, server):
    assert await refusal(novita, "outpainting", image_file=LINK, width=1.5, height=64) == [
        "prompt: missing",
        "width: a whole number is wanted, not 1.5",
    ]
    assert server.requests == []


async def test_a_connection_that_fails_is_the_networks_own_error(clock):
    async with connected(Server(clock, ConnectionLost("gone")), clock) as novita:
        with pytest.raises(ConnectionLost):
            await body(novita, "reimagine", image_file=LINK)


# ------------------------------------------------------------------------------------- what is refused


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        ("no-such.png", "'no-such.png' is neither an existing file nor the base64 of one"),
        ("pictures/cat", "'pictures/cat' is neither an existing file nor the base64 of one"),
        (pathlib.Path("/no/such.png"), "'/no/such.png' cannot be read: "),
        (pathlib.Path("/"), "'/' cannot be read: it is not a file"),
        ("/", "'/' cannot be read: it is not a file"),
        ("nul\x00byte", "'nul\\x00byte' is neither"),
        ("", "empty"),
        (b"", "the file is empty"),
        ("data:image/png;base64,%%%", "the data URI holds no base64"),
        ("ftp://files.test/a.png", "ftp:// links are not taken: give an http address"),
        ("file:///tmp/a.png", "file:// links are not taken: "),
        (5, "a file is wanted, not 5"),
        ({"a": 1}, "a file is wanted, not {'a': 1}"),
        (
            object(),
            "a file is wanted (bytes, a path, an open binary file, a URL, base64, a data URI or a PIL image), not",
        ),
        (WAV, "image is wanted, and this is wav"),
        ("x" * 5000 + "!", f"{'x' * 80!r}... is neither"),
        (io.StringIO("text"), "it cannot be read: it is open as text; open it with mode 'rb'"),
    ],
    ids=lambda value: value if isinstance(value, str) and len(value) < 60 else type(value).__name__,
)
async def test_what_is_no_file_is_refused_and_it_is_said_why(novita, server, value, problem):
    (found,) = await refusal(novita, "reimagine", image_file=value)
    assert found.startswith(f"image_file: {problem}"), found
    assert server.requests == []


async def test_a_pipe_is_not_waited_for(novita, tmp_path):
    os.mkfifo(tmp_path / "pipe")
    (found,) = await refusal(novita, "reimagine", image_file=tmp_path / "pipe")
    assert found.endswith("cannot be read: it is not a file")
    end, other = os.pipe()
    with open(end, "rb") as file, open(other, "wb"):
        (found,) = await refusal(novita, "reimagine", image_file=file)
        assert "the open file is closed or a pipe" in found
    (found,) = await refusal(novita, "reimagine", image_file=file)
    assert "the open file is closed or a pipe" in found


async def test_a_file_where_only_a_link_or_an_id_is_taken_is_refused_and_it_is_said_what_to_do(novita, cat):
    (found,) = await refusal(novita, "kling-v2.1-i2v", prompt="x", image=cat)
    assert found == "image: only a link is taken here, not the file: put it where it can be fetched, and give its URL"
    (found,) = await refusal(novita, "adetailer", image_assets_ids=[PNG], validate=True, **AD)
    what = "the id of a file is wanted, not the file: media.upload() sends it first, and gives its id"
    assert found == f"image_assets_ids[0]: {what}"


AD = {name: value for name, value in SD.items() if name in CATALOG["adetailer"].params.properties}


async def test_everything_that_is_wrong_with_files_and_parameters_is_said_at_once(novita, server):
    found = await refusal(novita, "img2img", image_base64="no-such.png", **{**SD, "width": 1, "hight": 5})
    assert found == [
        "image_base64: 'no-such.png' is neither an existing file nor the base64 of one",
        "hight: there is no such parameter; did you mean height?",
        "width: 1 is less than 128",
    ]
    assert server.requests == []


@pytest.mark.parametrize(
    ("model", "name", "data", "problem"),
    [
        ("img2img", "image_base64", PNG + bytes(11 << 20), f"{len(PNG) + (11 << 20)} bytes, at most 10485760"),
        ("img2img", "image_base64", picture(size=(5000, 4000)), "5000 by 4000 are 20000000 pixels, at most 16000000"),
        ("kling-v3.0-std-i2v", "image", picture("WEBP"), "jpeg or png is wanted, and this is webp"),
        ("kling-v3.0-std-i2v", "image", bytes(100), "jpeg or png is wanted, and this is of a type that is not known"),
        ("kling-v3.0-std-i2v", "image", picture(size=(200, 400)), "200 by 400 pixels: a side of 200, at least 300"),
        ("kling-v3.0-std-i2v", "image", picture(size=(300, 900)), "300 by 900 pixels: sides of a ratio over 2.5"),
        ("seedream-4.0", "images", [picture(size=(6001, 3000))], "6001 by 3000 pixels: a side of 6001, at most 6000"),
        ("glm-asr", "file", b"fLaC" + bytes(100), "wav or mp3 is wanted, and this is flac"),
    ],
)
async def test_a_file_beyond_the_limits_is_refused(novita, model, name, data, problem):
    params = {**(SD if model == "img2img" else {} if model == "glm-asr" else {"prompt": "x"}), name: data}
    place = f"{name}[0]" if isinstance(data, list) else name
    assert await refusal(novita, model, **params) == [f"{place}: {problem}"]
    await body(novita, model, validate=False, **params)


async def test_without_validation_anything_goes_out_that_can(novita, cat):
    made = await body(novita, "kling-v2.1-i2v", validate=False, image=cat, size=3, duration="long")
    assert msgspec.json.decode(await content(made)) == {
        "image": text_of(PNG, "image/png"), "size": 3, "duration": "long",
    }  # fmt: skip
    made = await body(novita, "reimagine", validate=False, image_file="whatever it is")
    assert msgspec.json.decode(await content(made)) == {"image_file": "whatever it is"}
    with pytest.raises(ValidationError, match="cannot be read"):
        await body(novita, "reimagine", validate=False, image_file=pathlib.Path("/no/such.png"))


# --------------------------------------------------------------------------------------------- sizes


@pytest.mark.parametrize(
    ("model", "size", "text"),
    [
        ("z-image-turbo", (512, 768), "512*768"),
        ("z-image-turbo", [512, 768], "512*768"),
        ("z-image-turbo", "512x768", "512*768"),
        ("z-image-turbo", "512 X 768", "512*768"),
        ("glm-image", (1728, 960), "1728x960"),
        ("glm-image", "1728*960", "1728x960"),
        ("seedream-4.0", (2048, 2048), "2048x2048"),
        ("seedream-4.0", "2K", "2K"),
        ("wan2.6-t2v", (1280, 720), "1280*720"),
        ("wan2.6-t2v", "1280x720", "1280*720"),
    ],
)
async def test_a_size_is_written_as_the_model_wants_it(novita, model, size, text):
    made = await sent(novita, model, prompt="x", size=size)
    assert (made.get("parameters") or made)["size"] == text


async def test_a_size_becomes_width_and_height_where_the_model_has_these(novita):
    params = {name: value for name, value in SD.items() if name not in ("width", "height")}
    for size in ((256, 512), "256x512", "256*512"):
        made = (await sent(novita, "txt2img", size=size, **params))["request"]
        assert (made["width"], made["height"]) == (256, 512)
        assert "size" not in made


async def test_a_size_that_cannot_be_is_refused(novita):
    params = {name: value for name, value in SD.items() if name not in ("width", "height")}
    assert await refusal(novita, "txt2img", size=(64, 4096), **params) == [
        "width: 64 is less than 128",
        "height: 4096 is more than 2048",
    ]
    assert await refusal(novita, "txt2img", size=(1, 2, 3), **params) == [
        "size: (width, height) is wanted, not (1, 2, 3)",
    ]
    assert await refusal(novita, "txt2img", size=(256, 256), **SD) == ["size: either this, or width and height"]
    assert await refusal(novita, "wan2.6-t2v", prompt="x", size=(1, 2.5)) == [
        "size: (width, height) is wanted, not (1, 2.5)"
    ]


# -------------------------------------------------------------------------------------------- bodies


async def test_a_call_without_files_is_noted_as_it_is(novita):
    assert (await body(novita, "kling-v3.0-std-i2v", prompt="x", image=LINK)).note is None


async def test_a_note_describes_files_and_does_not_hold_them(novita, cat):
    made = await body(novita, "img2img", image_base64=cat, **SD)
    assert msgspec.json.decode(made.note)["request"] == {**SD, "image_base64": f"<{cat}, {len(PNG)} bytes>"}
    hashed = hashlib.sha256(PNG).hexdigest()
    for way in (PNG, text_of(PNG), io.BytesIO(PNG)):
        made = await body(novita, "reimagine", image_file=way)
        assert msgspec.json.decode(made.note) == {"image_file": f"<png, sha256 {hashed}, {len(PNG)} bytes>"}


def noise(size: int, head: bytes = PNG) -> bytes:
    return head + os.urandom(size)


@pytest.mark.parametrize("extra", [-1, 0, 1, 2, PIECE, 3 * PIECE + 1])
async def test_large_files_are_streamed_in_pieces_of_json_with_their_length_known_before(novita, tmp_path, extra):
    data, other = noise((1 << 20) + 1 + max(0, extra)), noise(10)
    path = tmp_path / "large.png"
    path.write_bytes(data)
    made = await body(novita, "vidu-q1-reference2video", prompt='a "quoted" é', images=[LINK, path, data, other])
    pieces = [part async for part in made.content]
    assert sum(map(len, pieces)) == int(made.headers["content-length"])
    assert made.headers["content-type"] == "application/json"
    assert max(map(len, pieces)) <= 1 << 20
    whole = msgspec.json.decode(b"".join(pieces))
    assert whole["prompt"] == 'a "quoted" é'
    assert whole["images"] == [LINK, *(text_of(each, "image/png") for each in (data, data, other))]
    assert b"".join([part async for part in made.content]) == b"".join(pieces)  # an attempt can be repeated


async def test_a_file_that_changes_while_it_is_sent_is_noticed(novita, tmp_path):
    path = tmp_path / "large.png"
    path.write_bytes(noise(3 << 20))
    made = await body(novita, "minimax-hailuo-02", prompt="x", image=path)
    path.write_bytes(noise(3 << 20))
    os.utime(path, ns=(1, 1))
    with pytest.raises(ValidationError, match=r"'large.png' changed while it was sent"):
        await content(made)
    path.unlink()
    with pytest.raises(ValidationError, match=r"'large.png' cannot be read any more"):
        await content(made)


@pytest.mark.acceptance
@pytest.mark.blocks
async def test_a_200_mb_file_is_sent_in_constant_memory(clock, tmp_path):
    path = tmp_path / "huge.png"
    with path.open("wb") as file:
        file.write(PNG)
        file.truncate(200 << 20)
    taken = largest = 0

    async def count(request):
        nonlocal taken, largest
        async for part in request.body:
            taken += len(part)
            largest = max(largest, resident())
        assert taken == int(request.headers["content-length"])
        return json_reply({"task_id": "task-1"})

    async with connected(Server(clock, count), clock) as novita:
        gc.collect()
        before = resident()
        task = await novita.videos.submit("minimax-hailuo-02", prompt="x", image=path)
    assert task.id == "task-1"
    assert taken > 4 * (200 << 20) // 3
    assert largest - before < 40 << 20


def resident() -> int:
    """Bytes of memory that this process has now."""
    return int(pathlib.Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


async def test_a_submit_with_a_large_file_can_be_repeated(clock, tmp_path):
    path = tmp_path / "large.png"
    path.write_bytes(noise(3 << 20))
    bodies: list[bytes] = []

    async def busy(request):
        bodies.append(b"".join([part async for part in request.body]))
        busy_now = {"code": 429, "reason": "RATE_LIMIT_EXCEEDED", "message": "", "metadata": {}}
        return json_reply({"task_id": "1"}) if len(bodies) > 1 else json_reply(busy_now, 429)

    async with connected(Server(clock, busy), clock) as novita:
        await novita.videos.submit("minimax-hailuo-02", prompt="x", image=path)
    assert bodies[0] == bodies[1]
    assert msgspec.json.decode(bodies[0])["image"] == text_of(path.read_bytes(), "image/png")


def parts(made: Body, data: bytes) -> list[tuple[str | None, str | None, str, bytes]]:
    """Name, file name, media type and content of each part of a form."""
    head = f"Content-Type: {made.headers['content-type']}\r\n\r\n".encode()
    return [
        (
            part.get_param("name", header="content-disposition"),
            part.get_filename(),
            part.get_content_type(),
            part.get_payload(decode=True),
        )
        for part in BytesParser().parsebytes(head + data).get_payload()
    ]  # type: ignore[return-value]


async def test_voices_to_clone_are_sent_as_a_form(novita, tmp_path, cat):
    voice = tmp_path / "voice.wav"
    voice.write_bytes(WAV)
    mp3 = b"ID3" + noise(2 << 20, b"\x04")
    made = await body(
        novita, "fish-audio-voice-cloning", title='my "voice"', type="tts", train_mode="fast", voices=[voice, mp3],
        cover_image=cat, texts=["one", "two"], enhance_audio_quality=True, visibility="private", description=None,
    )  # fmt: skip
    data = await content(made)
    assert len(data) == int(made.headers["content-length"])
    found = parts(made, data)
    assert [(name, value.decode()) for name, file, _, value in found if file is None] == [
        ("title", 'my "voice"'), ("type", "tts"), ("train_mode", "fast"), ("texts", "one"), ("texts", "two"),
        ("enhance_audio_quality", "true"), ("visibility", "private"),
    ]  # fmt: skip
    assert [each for each in found if each[1] is not None] == [
        ("voices", "voice.wav", "audio/wav", WAV),
        ("voices", "file.mp3", "audio/mpeg", mp3),
        ("cover_image", "cat.png", "image/png", PNG),
    ]
    note = msgspec.json.decode(made.note)
    assert note["voices"][0] == f"<{voice}, {len(WAV)} bytes>"


async def test_a_voice_behind_a_link_is_fetched_for_the_form(clock):
    async with connected(linked(clock, WAV), clock) as novita:
        params = {"title": "x", "type": "tts", "train_mode": "fast", "visibility": "private"}
        made = await body(novita, "fish-audio-voice-cloning", voices=[LINK], **params)
        assert ("voices", "file.wav", "audio/wav", WAV) in parts(made, await content(made))


async def test_references_to_speak_like_are_sent_as_message_pack(novita, tmp_path):
    voice = tmp_path / "voice.wav"
    voice.write_bytes(WAV)
    plain = await body(novita, "fish-audio-text-to-speech", text="hello")
    assert msgspec.json.decode(await content(plain))["text"] == "hello"
    for references in ({"audio": voice, "text": "hi"}, [{"audio": WAV, "text": "hi"}, {"audio": voice, "text": "hi"}]):
        made = await body(novita, "fish-audio-text-to-speech", text="hello", references=references)
        assert made.headers == {"content-type": "application/msgpack"}
        found = msgspec.msgpack.decode(await content(made))
        assert found["text"] == "hello"
        given = found["references"] if isinstance(found["references"], list) else [found["references"]]
        assert [each["audio"] for each in given] == [WAV] * len(given)


async def test_a_call_goes_out_with_the_headers_of_its_body(novita, server, cat):
    await novita.videos.submit("kling-v3.0-std-i2v", prompt="x", image=cat)
    (request,) = server.requests
    assert request.url == f"{BASE}/v3/async/kling-v3.0-std-i2v"
    assert request.headers["content-type"] == "application/json"
    assert msgspec.json.decode(request.body)["image"] == text_of(PNG, "image/png")


async def test_the_journal_gets_the_note_and_no_picture(clock, tmp_path, cat):
    server = Server(clock, ConnectionLost("gone"))
    async with connected(server, clock, journal=tmp_path / "journal") as novita:
        with pytest.raises(OutcomeUnknown):
            await novita.videos.submit("kling-v3.0-std-i2v", prompt="x", image=cat)
        (left,) = await novita.tasks.resume()
        assert left.request["body"] == {"prompt": "x", "image": f"<{cat}, {len(PNG)} bytes>"}


async def test_a_large_file_arrives_over_a_real_socket(sim, tmp_path):
    picture = Image.frombytes("RGB", (900, 900), os.urandom(900 * 900 * 3))
    picture.save(tmp_path / "noise.png")
    assert (tmp_path / "noise.png").stat().st_size > 2 << 20
    async with over_sockets(sim) as novita:
        task = await novita.videos.submit("minimax-hailuo-02", prompt="x", image=tmp_path / "noise.png")
        assert (await task.wait()).videos
    image = text_of((tmp_path / "noise.png").read_bytes(), "image/png")
    whole = msgspec.json.encode({"prompt": "x", "image": image})
    assert sim.requests[0].headers["content-length"] == str(len(whole))
    assert whole.startswith(sim.requests[0].body)  # it keeps the beginning of what came


async def test_values_that_cannot_be_written_are_refused(novita):
    for model, params in (("kling-v3.0-std-i2v", {"image": PNG}), ("kling-v3.0-std-t2v", {})):
        with pytest.raises(ValidationError, match="cannot be written as JSON"):
            await body(novita, model, validate=False, prompt={1j}, **params)


# --------------------------------------------------------------------------------------------- pixels


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("PNG", {}),
        ("GIF", {}),
        ("BMP", {}),
        ("TIFF", {}),
        ("JPEG", {}),
        ("JPEG", {"progressive": True}),
        ("JPEG", {"exif": b"Exif\x00\x00" + bytes(60_000)}),
        ("WEBP", {}),
        ("WEBP", {"lossless": True}),
        ("WEBP", {"exif": b"Exif\x00\x00II*\x00" + bytes(40)}),
    ],
)
@pytest.mark.parametrize("size", [(1, 1), (37, 1025), (1920, 1080)])
def test_the_sides_of_a_picture_are_read_off_its_head(kind, options, size):
    data = picture(kind, size, **options)
    assert sides(data, kind.lower()) == size


@pytest.mark.parametrize("kind", ["png", "gif", "bmp", "tiff", "jpeg", "webp", "mp4", ""])
def test_a_head_that_does_not_tell_has_no_sides(kind):
    whole = picture(kind, (16, 16)) if kind not in ("mp4", "") else PNG
    for cut in (b"", whole[:4], whole[:7], bytes(100)):
        assert sides(cut, kind) is None
    for start in range(0, len(whole), 7):
        sides(whole[:start] + b"\xff\x00" + whole[start:], kind)  # whatever it tells, it is no crash


def test_a_bitmap_of_os2_and_one_upside_down():
    assert sides(b"BM" + bytes(12) + b"\x0c\x00\x00\x00\x20\x00\x10\x00", "bmp") == (32, 16)
    turned = bytearray(picture("BMP", (32, 16)))
    turned[22:26] = (-16).to_bytes(4, "little", signed=True)
    assert sides(bytes(turned), "bmp") == (32, 16)
